"""The zoo: folders in the hub's layouts embed as in sentence-transformers, and wrong habits are warned about."""

import json
import warnings

import numpy as np
import pytest

from tests.llm.test_llm import server  # noqa: F401
from workbook.encoder import train_tokenizer
from workbook.llm.http import LLMError
from workbook.support.files import write_json
from workbook.zoo import OpenAIEmbeddings
from workbook.zoo import families as zoo
from workbook.zoo.families import FAMILIES, INSTRUCT, Family, family_of, load_pretrained, minilm_from_wheel

TEXTS = ["sort a list of numbers", "open a SOCKET", "the mean of an array, and much more than that", "a", "word " * 60]
TOKENIZER = train_tokenizer([*TEXTS, "query: passage: search_query search_document Instruct Query"] * 3, vocab_size=150)

FLAGS = {"cls": "cls_token", "mean": "mean_tokens", "max": "max_tokens", "lasttoken": "lasttoken"}


# --- the table ------------------------------------------------------------------------------------


def test_every_family_is_complete_and_says_what_was_looked_up():
    assert len({family.hub_id for family in FAMILIES.values()}) == len(FAMILIES)
    for name, family in FAMILIES.items():
        assert set(family.verified) <= set(Family._fields), name
        assert family.hub_id.count("/") == 1
        assert family.pooling in (None, "cls", "mean", "lasttoken")
        assert list(family.matryoshka_dims) == sorted(family.matryoshka_dims, reverse=True)
        assert family.matryoshka_dims[:1] in ((), (family.dimensions,))
        if family.is_backbone:
            assert (family.query_prompt, family.document_prompt, family.normalize) == ("", "", None)
    for prefix in ("bge", "e5", "multilingual-e5", "gte", "nomic", "jina", "all-MiniLM"):
        assert any(name.startswith(prefix) for name in FAMILIES)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("e5-base-v2", "e5-base-v2"),
        ("intfloat/e5-base-v2", "e5-base-v2"),
        ("Intfloat/E5-base-v2", "e5-base-v2"),
        ("/models/e5-base-v2", "e5-base-v2"),
        ("/cache/models--intfloat--e5-base-v2/snapshots/abc", "e5-base-v2"),
        ("/cache/models--other--model/snapshots/e5-base-v2", None),
        ("my/own-model", None),
    ],
)
def test_a_family_is_found_by_its_names(name, key):
    assert family_of(name) == (None if key is None else FAMILIES[key])


# --- folders in the hub's layouts -----------------------------------------------------------------


def make(folder, kind="Bert", pooling="mean", normalize=True, prompts=None, modules=True):
    """A tiny model with random weights, as sentence-transformers puts models on the hub."""
    import torch
    import transformers

    torch.manual_seed(0)
    sizes = {
        "vocab_size": TOKENIZER.get_vocab_size(), "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 48, "max_position_embeddings": 66, "pad_token_id": 0,
    }  # fmt: skip
    if kind == "Mistral":
        sizes |= {"num_key_value_heads": 2, "eos_token_id": None, "bos_token_id": None}
    model = getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")(**sizes))
    model.save_pretrained(folder)
    side = "left" if kind == "Mistral" else "right"
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=TOKENIZER, pad_token="[PAD]", model_max_length=64, padding_side=side
    ).save_pretrained(folder)
    if modules:
        parts = ["Transformer", "Pooling"] + ["Normalize"] * normalize
        paths = ["", "1_Pooling", "2_Normalize"]
        listed = [
            {"idx": i, "name": str(i), "path": paths[i], "type": f"sentence_transformers.models.{part}"}
            for i, part in enumerate(parts)
        ]
        write_json(folder / "modules.json", listed)
        flags = {f"pooling_mode_{flag}": name == pooling for name, flag in FLAGS.items()}
        write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 32, **flags})
        write_json(folder / "sentence_bert_config.json", {"max_seq_length": 24, "do_lower_case": False})
        if prompts is not None:
            write_json(folder / "config_sentence_transformers.json", {"prompts": prompts})
    return folder


def silently(*args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        return load_pretrained(*args, **options)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "pooling", "normalize", "prompts"),
    [
        ("all-MiniLM-L6-v2", "Bert", "mean", True, None),
        ("bge-small-en-v1.5", "Bert", "cls", True, None),
        ("bge-m3", "XLMRoberta", "cls", True, None),
        ("e5-base-v2", "Bert", "mean", True, {"query": "query: ", "document": "passage: "}),
        ("multilingual-e5-base", "XLMRoberta", "mean", True, None),
        ("gte-base", "Bert", "mean", True, None),
        ("nomic-embed-text-v1.5", "NomicBert", "mean", False, None),
        ("e5-mistral-7b-instruct", "Mistral", "lasttoken", False, None),
    ],
)
def test_a_folder_of_each_family_embeds_as_in_sentence_transformers(tmp_path, name, kind, pooling, normalize, prompts):
    from sentence_transformers import SentenceTransformer

    family = FAMILIES[name]
    folder = make(tmp_path / name, kind, pooling, normalize, prompts)
    encoder, theirs = silently(folder), SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    same = {"rtol": 0, "atol": 1e-5}
    np.testing.assert_allclose(encoder.encode(TEXTS), theirs.encode(TEXTS), **same)
    query_prompt = family.query_prompt.format(task=zoo.TASK)
    # sentence-transformers knows a prompt only if the folder states it; we know the authors' all the same
    np.testing.assert_allclose(encoder.encode_query(TEXTS), theirs.encode(TEXTS, prompt=query_prompt), **same)
    document_prompt = family.document_prompt
    np.testing.assert_allclose(encoder.encode_document(TEXTS), theirs.encode(TEXTS, prompt=document_prompt), **same)
    if query_prompt:
        assert np.abs(encoder.encode_query(TEXTS) - encoder.encode(TEXTS)).max() > 1e-3
    if prompts:
        np.testing.assert_allclose(encoder.encode_query(TEXTS), theirs.encode_query(TEXTS), **same)


@pytest.mark.slow
def test_a_model_is_found_in_the_hubs_cache_and_nothing_is_fetched(tmp_path):
    """In a process of its own, because the hub reads HF_HUB_CACHE once; a fetch would fail, the proxy is dead."""
    import os
    import subprocess
    import sys
    from pathlib import Path

    repository = tmp_path / "models--intfloat--e5-small-v2"
    make(repository / "snapshots" / "0123abcd", "Bert", "mean")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123abcd")
    script = """
import warnings; warnings.simplefilter("error", UserWarning)
from workbook.zoo import load_pretrained
for name in ("e5-small-v2", "intfloat/e5-small-v2"):
    encoder = load_pretrained(name)
    print(encoder.query_prompt, encoder.document_prompt, encoder.max_length, encoder.encode_query(["a"]).shape)
try: load_pretrained("e5-base-v2")
except FileNotFoundError as error: print(error)
"""
    dead = "http://127.0.0.1:9"
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path), "HTTPS_PROXY": dead, "HTTP_PROXY": dead}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=Path(zoo.__file__).parents[2], capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "query:  passage:  24 (1, 32)",
        "query:  passage:  24 (1, 32)",
        "intfloat/e5-base-v2 is neither a folder nor in the hub's cache; give a local folder, or allow_download=True",
    ]


def test_a_wrong_habit_is_warned_about_with_both_values(tmp_path):
    e5 = make(tmp_path / "e5-base-v2")
    for options, says in (
        ({"pooling": "cls"}, "intfloat/e5-base-v2: pooling is 'cls', its authors state 'mean'"),
        ({"query_prompt": ""}, "query_prompt is '', its authors state 'query: '"),
        ({"document_prompt": "query: "}, "document_prompt is 'query: ', its authors state 'passage: '"),
        ({"normalize": False}, "normalize is False, its authors state True"),
        ({"pooling": lambda hidden, mask: hidden[:, 0]}, "pooling is 'a function of your own'"),
    ):
        with pytest.warns(UserWarning, match="its authors state") as caught:
            load_pretrained(e5, **options)
        assert len(caught) == 1
        assert says in str(caught[0].message)
        assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match=r"pooling is 'cls'.*; query_prompt is 'q: '"):
        load_pretrained(e5, pooling="cls", query_prompt="q: ")
    # what the folder itself states, and a family that is named
    bge = make(tmp_path / "copy", pooling="mean", normalize=False, prompts={"query": "search: "})
    with pytest.warns(UserWarning, match="its authors state") as caught:
        encoder = load_pretrained(bge, family=FAMILIES["bge-base-en-v1.5"])
    for says in ("pooling is 'mean', its authors state 'cls'", "normalize is False", "query_prompt is 'search: '"):
        assert says in str(caught[0].message)
    assert encoder.query_prompt == "search: "  # warned, not changed
    assert silently(bge).query_prompt == "search: "  # of no family, so nothing is known better


def test_a_folder_without_modules_gets_its_familys_habits(tmp_path):
    encoder = silently(make(tmp_path / "bge-base-en-v1.5", modules=False), max_length=20)
    assert encoder.pooling is zoo.POOLINGS["cls"]
    assert encoder.normalize
    assert encoder.query_prompt == zoo.BGE
    assert encoder.max_length == 20
    with pytest.raises(ValueError, match="says which pooling"):
        load_pretrained(make(tmp_path / "unknown", modules=False))


def test_any_instruction_will_do_where_one_is_expected(tmp_path):
    folder = make(tmp_path / "e5-mistral-7b-instruct", "Mistral", "lasttoken", False)
    assert silently(folder, task="Find the cause").query_prompt == "Instruct: Find the cause\nQuery: "
    silently(folder, query_prompt=INSTRUCT.format(task="Find\nit"))
    with pytest.warns(UserWarning, match="query_prompt is 'query: '"):
        load_pretrained(folder, query_prompt="query: ")


def test_a_backbone_needs_a_pooling_and_training(tmp_path):
    folder = make(tmp_path / "scibert", modules=False)
    with pytest.raises(ValueError, match=r"scibert_scivocab_uncased is a backbone: .*give one"):
        load_pretrained(folder)
    with pytest.warns(UserWarning, match="it was not trained to embed; train it first"):
        load_pretrained(folder, pooling="mean", max_length=20)


def test_what_cannot_be_loaded_is_refused_with_a_reason(tmp_path):
    folder = make(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", {**config, "auto_map": {"AutoModel": "owner/repo--modeling_bert.JinaBertModel"}})
    with pytest.raises(ValueError, match="needs JinaBertModel, code of its authors"):
        load_pretrained(folder)
    write_json(folder / "config.json", {**config, "model_type": "new_kind"})
    with pytest.raises(ValueError, match="has the architecture 'new_kind', which transformers"):
        load_pretrained(folder)
    write_json(folder / "config.json", config)
    silently(folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError, match=r"holds no \*.safetensors; weights in a pickle"):
        load_pretrained(folder)
    (folder / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no config\.json"):
        load_pretrained(folder)
    with pytest.raises(FileNotFoundError, match="neither a folder nor in the hub's cache"):
        load_pretrained("nobody/nothing-at-all")


# --- the wheel ------------------------------------------------------------------------------------


def test_without_its_wheel_minilm_is_none(monkeypatch):
    def refuse(name):
        raise FileNotFoundError if name == zoo.MINILM else AssertionError(name)

    monkeypatch.setattr(zoo, "files_of_wheel", refuse)
    assert minilm_from_wheel() is None


@pytest.mark.slow
def test_minilm_loads_from_its_wheel():
    if (folder := minilm_from_wheel()) is None:
        pytest.skip("the extra `offline` is not installed")
    encoder = silently(folder, family=FAMILIES[zoo.MINILM])
    vectors = encoder.encode(["a cat sits on the mat", "a kitten rests on a rug", "the stock market fell"])
    assert vectors.shape == (3, 384)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.3


# --- an endpoint ----------------------------------------------------------------------------------


def embedded(body):
    D = body.get("dimensions", 5)
    rows = [{"index": i, "embedding": [float(len(text))] * D} for i, text in enumerate(body["input"])]
    return {"data": rows[::-1]}  # servers need not keep the order


def test_an_endpoint_embeds_in_batches_in_order(server, monkeypatch):  # noqa: F811
    monkeypatch.setenv("MY_KEY", "secret")
    server.answer = embedded
    server.script = [(429, {"Retry-After": "0"}, b"")]
    encoder = OpenAIEmbeddings(
        server.url, "big", "MY_KEY", dimensions=3, query_prompt="q: ", batch_size=2, backoff=0.01
    )
    texts = ["a", "bb", "ccc", "dddd", "eeeee"]
    vectors = encoder.encode(texts)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, np.arange(1, 6)[:, None].repeat(3, axis=1))
    assert len(server.requests) == 4
    headers, body = server.requests[-1]
    assert headers["Authorization"] == "Bearer secret"
    assert body == {"model": "big", "input": ["eeeee"], "encoding_format": "float", "dimensions": 3}
    np.testing.assert_array_equal(encoder.encode_query(texts), vectors + 3)
    np.testing.assert_array_equal(encoder.encode_document(texts), vectors)
    assert encoder.encode([]).shape == (0, 3)
    for wrong, says in (("a", "got one string"), (["a", None], "got NoneType at position 1")):
        with pytest.raises(TypeError, match=says):
            encoder.encode(wrong)
    with pytest.raises(ValueError, match="at least 1"):
        OpenAIEmbeddings(server.url, "big", batch_size=0)


@pytest.mark.parametrize(
    "reply",
    [
        {"data": []},
        {"data": [{"index": 0, "embedding": [1.0]}]},
        {"data": [{"index": 0, "embedding": [1.0]}] * 2},
        {"data": [{"index": i, "embedding": [1.0] * (i + 1)} for i in range(2)]},
        {"data": [{"index": i, "embedding": [1.0]} for i in range(3)]},
        {"data": [{"index": i, "embedding": [float("nan")]} for i in range(2)]},
        {"data": [{"index": i, "embedding": "AAAA"} for i in range(2)]},
        {"error": "no"},
        [],
    ],
)
def test_an_unusable_answer_of_an_endpoint_is_told(server, reply):  # noqa: F811
    server.script = [(200, {}, reply)]
    with pytest.raises(LLMError, match=r"expected 2 vectors of one size from .* is 'big' an embedding model"):
        OpenAIEmbeddings(server.url, "big").encode(["a", "b"])


def test_an_endpoint_that_does_not_keep_to_its_dimensions_is_told(server):  # noqa: F811
    server.script = [(200, {}, embedded({"input": ["a"]}))] * 2
    with pytest.raises(LLMError, match="for 3 dimensions, got 5; this model cannot shorten"):
        OpenAIEmbeddings(server.url, "big", dimensions=3).encode(["a"])
    server.script = [(200, {}, embedded({"input": ["a"]})), (200, {}, embedded({"input": ["a"], "dimensions": 4}))]
    with pytest.raises(LLMError, match="changed from 5 to 4 dimensions"):
        OpenAIEmbeddings(server.url, "big", batch_size=1).encode(["a", "b"])
