"""Two towers: each has its own side, its own prompt and its own training, and comes back from disk as it was."""

import json

import numpy as np
import pytest
import torch

from tests.train.test_fit import PAIRS, TOKENIZER, static, transformer, weights
from workbook.encoder import StaticEncoder, TextEncoder, load
from workbook.encoder.dual import DualEncoder
from workbook.pooling import AttentionPool
from workbook.similarity import dense_search
from workbook.train import fit

QUERIES, DOCUMENTS = ["red hat", "", "a pen that is green"], ["a hat that is red", "a sky that is grey indeed indeed"]


def towers(kind):
    """Query tower and document tower, each with a prompt and a length of its own."""
    make = {"static": static, "transformer": transformer}
    query, document = (make[name](seed) for seed, name in enumerate(kind.split("/")))
    query.query_prompt, query.document_prompt = "red ", "never used"
    document.query_prompt, document.document_prompt = "never used", "blue "
    return DualEncoder(query, document).eval()


def shared(make=transformer):
    encoder = make()
    encoder.query_prompt, encoder.document_prompt = "red ", "blue "
    return DualEncoder(encoder).eval()


KINDS = ["static/static", "transformer/transformer", "static/transformer", "transformer/static"]


# --- which tower sees what ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_each_side_goes_to_its_tower_with_its_prompt(kind):
    model = towers(kind)
    expected = model.query_encoder.encode([f"red {text}" for text in QUERIES])
    assert np.array_equal(model.encode_query(QUERIES), expected)
    expected = model.document_encoder.encode([f"blue {text}" for text in DOCUMENTS])
    assert np.array_equal(model.encode_document(DOCUMENTS), expected)
    assert model.encode_document(DOCUMENTS, truncate_dim=4).shape == (2, 4)
    assert not model.is_shared


def test_a_shared_tower_is_counted_and_trained_once():
    model = shared()
    assert model.is_shared
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in transformer().parameters())
    alone = shared().query_encoder
    fit(model, PAIRS, steps=3, batch_size=16)
    fit(alone, PAIRS, steps=3, batch_size=16)
    assert torch.equal(weights(model), weights(alone))
    assert not np.array_equal(model.encode_query(["hat"]), model.encode_document(["hat"]))  # the prompts differ


@pytest.mark.parametrize(
    ("kind", "mini_batch_size"), [("static/static", None), ("static/transformer", 8), ("transformer/static", None)]
)
def test_two_towers_learn_to_meet(kind, mini_batch_size):
    """Untrained towers do not share a space: the right passage is found by chance. Trained together they do."""
    model = towers(kind)
    corpus = {str(row): passage for row, (_, passage) in enumerate(PAIRS)}
    queries = {str(row): query for row, (query, _) in enumerate(PAIRS)}

    def found():
        run = dense_search(model, corpus, queries, k=1)
        return np.mean([next(iter(results)) == query for query, results in run.items()])

    assert found() < 0.15
    fit(model, PAIRS, steps=60, batch_size=24, lr=0.03, mini_batch_size=mini_batch_size)
    assert found() > 0.8


def test_towers_of_different_sizes_are_refused():
    wide = TextEncoder(TOKENIZER, StaticEncoder(TOKENIZER.get_vocab_size(), 32))
    with pytest.raises(ValueError, match="got 32 for queries and 16 for documents; build one"):
        DualEncoder(wide, static())


# --- on disk ------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda kind=kind: towers(kind) for kind in KINDS] + [shared], ids=[*KINDS, "shared"])
def test_a_saved_pair_comes_back_as_it_was(make, tmp_path):
    model = make()
    model.save(tmp_path / "model")
    back = DualEncoder.load(tmp_path / "model")
    assert back.is_shared == model.is_shared
    assert not back.training
    assert np.array_equal(back.encode_query(QUERIES), model.encode_query(QUERIES))
    assert np.array_equal(back.encode_document(DOCUMENTS), model.encode_document(DOCUMENTS))


def test_a_saved_text_encoder_is_a_shared_tower_and_a_tower_is_a_text_encoder(tmp_path):
    shared().query_encoder.save(tmp_path / "one")
    assert DualEncoder.load(tmp_path / "one").is_shared
    towers("static/transformer").save(tmp_path / "two")
    assert np.array_equal(
        load(tmp_path / "two/document").encode_document(DOCUMENTS),
        towers("static/transformer").encode_document(DOCUMENTS),
    )


def test_saving_again_replaces_all_of_it(tmp_path):
    for model in (shared(), towers("static/transformer"), towers("transformer/static"), shared(static)):
        model.save(tmp_path / "model")
        back = DualEncoder.load(tmp_path / "model")
        assert np.array_equal(back.encode_query(QUERIES), model.encode_query(QUERIES))
        assert back.is_shared == model.is_shared
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_save_that_fails_leaves_the_old_pair(tmp_path):
    model = towers("static/transformer")
    model.save(tmp_path / "model")
    broken = towers("static/transformer")
    broken.document_encoder.pooling = lambda hidden, mask: hidden[:, 0]  # cannot be named in a file
    with pytest.raises(ValueError, match="cannot save the pooling"):
        broken.save(tmp_path / "model")
    assert np.array_equal(DualEncoder.load(tmp_path / "model").encode_query(QUERIES), model.encode_query(QUERIES))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_files_of_others_are_not_overwritten(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for model in (shared(), towers("static/static")):
        with pytest.raises(FileExistsError, match="give a new folder"):
            model.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_folder_without_towers_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no encoder, expected workbook\.json"):
        DualEncoder.load(tmp_path)
    towers("static/static").save(tmp_path / "model")
    (tmp_path / "model/document/workbook.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"document holds no encoder, expected workbook\.json"):
        DualEncoder.load(tmp_path / "model")


def test_towers_that_share_only_their_backbone_cannot_be_saved(tmp_path):
    query = transformer()
    document = TextEncoder(TOKENIZER, query.backbone, AttentionPool(16))
    model = DualEncoder(query, document)
    with pytest.raises(ValueError, match="would come back as two copies"):
        model.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_what_sentence_transformers_has_no_part_for_is_saved_for_us_alone(tmp_path):
    model = towers("static/transformer")
    model.document_encoder.pooling = AttentionPool(16)
    model.save(tmp_path / "model")
    assert not (tmp_path / "model/modules.json").exists()
    back = DualEncoder.load(tmp_path / "model")
    assert np.array_equal(back.encode_document(DOCUMENTS), model.encode_document(DOCUMENTS))


# --- read by sentence-transformers --------------------------------------------------------------


@pytest.mark.parity
@pytest.mark.slow
@pytest.mark.parametrize("make", [lambda kind=kind: towers(kind) for kind in KINDS] + [shared], ids=[*KINDS, "shared"])
def test_sentence_transformers_reads_it(make, tmp_path):
    from sentence_transformers import SentenceTransformer

    model = make()
    fit(model, PAIRS, steps=2)
    model.save(tmp_path / "model")
    peer = SentenceTransformer(str(tmp_path / "model"), device="cpu", local_files_only=True)
    texts = ["", *(text for pair in PAIRS[:20] for text in pair)]
    np.testing.assert_allclose(peer.encode_query(texts), model.encode_query(texts), atol=1e-6)
    np.testing.assert_allclose(peer.encode_document(texts), model.encode_document(texts), atol=1e-6)
    if not model.is_shared:
        router = json.loads((tmp_path / "model/router_config.json").read_text("utf-8"))
        assert list(router["structure"]) == ["query", "document"]
