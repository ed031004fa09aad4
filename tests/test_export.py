"""The exported encoder gives torch's vectors, whatever batch and length; int8 stays near; files are whole or not there."""

import json
import logging
import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.encoder.test_text_encoder import TEXTS, TOKENIZER, small
from workbook.encoder import TextEncoder
from workbook.encoder.hugging_face import HuggingFaceBackbone
from workbook.export import SETTINGS, OnnxEncoder, export_onnx, load_onnx
from workbook.pooling import AttentionPool, cls_pool, last_token_pool, max_pool, mean_pool, weighted_mean_pool
from workbook.train import fit

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

INPUTS = [TEXTS, TEXTS[:1], ["", "a"], ["a " * 40] * 7, [], ["é ☃ xyzzy"]]  # other batches and lengths than the trace


def bert(pooling=mean_pool, cls="Bert", **options):
    import transformers

    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    size |= {"vocab_size": TOKENIZER.get_vocab_size(), "max_position_embeddings": 40}
    model = getattr(transformers, f"{cls}Model")(getattr(transformers, f"{cls}Config")(**size))
    return TextEncoder(TOKENIZER, HuggingFaceBackbone(model), pooling, max_length=16, **options).eval()


def equal_to_torch(exported, encoder):
    for texts in INPUTS:
        for size in (1, 2, 256):
            assert np.abs(exported.encode(texts, batch_size=size) - encoder.encode(texts)).max(initial=0) < 1e-5


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx") / "model"
    encoder = small(query_prompt="query: ", document_prompt="passage: ", max_length=12)
    return encoder, export_onnx(encoder, folder), folder


def test_the_vectors_are_torchs(exported):
    encoder, ours, folder = exported
    equal_to_torch(ours, encoder)
    equal_to_torch(load_onnx(folder, num_threads=1), encoder)
    for call in ("encode_query", "encode_document"):
        np.testing.assert_allclose(getattr(ours, call)(TEXTS), getattr(encoder, call)(TEXTS), rtol=0, atol=1e-5)
    np.testing.assert_allclose(
        ours.encode(TEXTS, truncate_dim=5), encoder.encode(TEXTS, truncate_dim=5), rtol=0, atol=1e-5
    )
    assert ours.encode(TEXTS).dtype == np.float32
    assert (ours.max_length, ours.query_prompt, ours.normalize) == (12, "query: ", True)


def test_a_static_encoder_needs_no_special_tokens(tmp_path):
    equal_to_torch(export_onnx(small(static=True), tmp_path), small(static=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda: small(cls_pool, padding_side="left"),
        lambda: small(last_token_pool, causal=True, padding_side="left"),
        lambda: small(last_token_pool, normalize=False),
        lambda: small(max_pool),
        lambda: small(weighted_mean_pool, normalize=False),
        lambda: small(AttentionPool(16)),
        bert,
        lambda: bert(cls_pool, padding_side="left"),
        lambda: bert(cls="MPNet"),
    ],
)
def test_every_pooling_and_side_and_backbone(tmp_path, make):
    equal_to_torch(export_onnx(make(), tmp_path), make())


@pytest.mark.slow
def test_int8_stays_near_and_is_smaller(tmp_path):
    encoder = bert()
    whole, small_one = (export_onnx(encoder, tmp_path / str(int8), int8) for int8 in (False, True))
    texts = [f"{a} {b}" for a in TEXTS for b in TEXTS]
    a, b = whole.encode(texts), small_one.encode(texts)
    assert np.abs(a - b).max() > 1e-4  # it is quantized
    assert (a * b).sum(axis=1).min() > 0.99
    sizes = [sum(f.stat().st_size for f in (tmp_path / name).glob("model-*")) for name in ("False", "True")]
    assert sizes[1] < sizes[0]


def test_the_encoder_is_left_as_it_was(exported):
    encoder, ours, _ = exported
    assert not encoder.training
    assert all(p.requires_grad for p in encoder.parameters())
    assert logging.root.manager.disable == 0
    assert ours.device.type == "cpu"
    with pytest.raises(TypeError, match="copy that folder"):
        ours.save("elsewhere")
    with pytest.raises(TypeError, match="list of strings"):
        ours.encode("one text")
    with pytest.raises(ValueError, match="truncate_dim"):
        ours.encode(TEXTS, truncate_dim=17)
    with pytest.raises((ValueError, StopIteration)):
        fit(ours, [("a", "b")])


def test_another_export_replaces_the_first_and_other_files_are_not_touched(tmp_path):
    export_onnx(small(static=True), tmp_path / "model")
    torch.manual_seed(5)
    other = small(static=True)
    with torch.no_grad():
        other.backbone.word.weight.mul_(torch.randn(16))
    (tmp_path / "model" / "notes.txt").write_text("mine")
    export_onnx(other, tmp_path / "model")
    names = sorted(path.name.split("-")[0] for path in (tmp_path / "model").iterdir())
    assert names == ["model", "notes.txt", "tokenizer", "workbook"]
    equal_to_torch(load_onnx(tmp_path / "model"), other)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="new folder"):
        export_onnx(other, tmp_path / "full")


def test_a_kill_before_the_settings_leaves_the_first_export(tmp_path, monkeypatch):
    first = small(static=True)
    export_onnx(first, tmp_path)
    other = small(static=True)
    with torch.no_grad():
        other.backbone.word.weight.mul_(torch.randn(16))

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("workbook.export.write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        export_onnx(other, tmp_path)
    equal_to_torch(load_onnx(tmp_path), first)


def test_other_weights_than_float32_are_refused_and_the_export_that_was_there_stays(tmp_path):
    first = small(static=True)
    export_onnx(first, tmp_path)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for dtype in (torch.bfloat16, torch.float16, torch.float64):
        mixed = small()
        mixed.backbone.blocks[0].expand.to(dtype)
        for other in (small(static=True).to(dtype), small().to(dtype), mixed):
            with pytest.raises(ValueError, match=rf"expected float32 weights.*{dtype}.*encoder\.float"):
                export_onnx(other, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files
    equal_to_torch(load_onnx(tmp_path), first)


class Doubled(torch.nn.Module):
    """Float32 weights, and arithmetic that onnxruntime has no kernel for."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone, self.hidden_size = backbone, backbone.hidden_size

    def forward(self, input_ids, mask):
        return self.backbone(input_ids, mask).double().erf().float()


def test_a_graph_skips_no_tokens(exported):
    _, ours, _ = exported
    with pytest.raises(ValueError, match="pools every token"):
        ours(*ours.tokenize(["a b"]), skip=1)


def test_a_graph_that_onnxruntime_cannot_read_replaces_nothing(tmp_path):
    first = small(static=True)
    export_onnx(first, tmp_path)
    other = small(static=True)
    other.backbone = Doubled(other.backbone)
    with pytest.raises(ValueError, match="onnxruntime cannot read the graph"):
        export_onnx(other, tmp_path)
    equal_to_torch(load_onnx(tmp_path), first)


def test_damage_is_found(tmp_path):
    with pytest.raises(FileNotFoundError, match=SETTINGS):
        load_onnx(tmp_path)
    export_onnx(small(static=True), tmp_path)
    settings = (tmp_path / SETTINGS).read_text()
    for text in (settings[:-9], "{}", json.dumps(json.loads(settings) | {"files": {"model": "gone.onnx"}})):
        (tmp_path / SETTINGS).write_text(text)
        with pytest.raises(ValueError, match="damaged"):
            load_onnx(tmp_path)
    (tmp_path / SETTINGS).write_text(settings)
    (graph,) = tmp_path.glob("model-*.onnx")
    graph.write_bytes(graph.read_bytes()[:-1] + b"\0")
    with pytest.raises(ValueError, match="not what was written"):
        load_onnx(tmp_path)


@pytest.mark.parametrize("missing", ["onnx", "onnxscript", "onnxruntime"])
def test_what_is_not_installed_is_named(tmp_path, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=rf'{missing}, .*pip install "embedding-workbook\[export\]"'):
        export_onnx(small(static=True), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_nothing_is_printed(tmp_path):
    code = (
        "import sys; from tests.encoder.test_text_encoder import small; from workbook.export import export_onnx\n"
        "export_onnx(small(static=True), sys.argv[1], int8=True).encode(['a list'])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "x")], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert done.stderr == ""


def test_memory_does_not_grow_with_the_corpus(exported):
    _, ours, _ = exported
    assert isinstance(ours, OnnxEncoder)
    seen = []
    whole = ours.session

    class Watched:
        def run(self, names, inputs):
            seen.append(inputs["input_ids"].shape)
            return whole.run(names, inputs)

    try:
        ours.session = Watched()
        ours.encode(TEXTS * 40, batch_size=8)
    finally:
        ours.session = whole
    assert max(rows for rows, _ in seen) <= 8
    assert sum(rows for rows, _ in seen) == 200
