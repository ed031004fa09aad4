"""The base encoder as it is shipped: small, loadable by three libraries, stranger to what chapters test on."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from workbook import encoder
from workbook.base.ship import write_cards
from workbook.data import load
from workbook.data.seen import without_seen
from workbook.encoder.shipped import FOLDER, SHIPPED

TEXTS = ["Sort a list in place.", "how to read a csv file with pandas", "", "président naïve café", "a" * 300]


made = [name for name, folder in SHIPPED.items() if (FOLDER / folder).exists()]
base = pytest.mark.skipif("base" not in made, reason="the second encoder is not made yet")
cross_encoder = pytest.mark.skipif(not (FOLDER / "cross_encoder").exists(), reason="this head is not made yet")
colbert = pytest.mark.skipif(not (FOLDER / "colbert").exists(), reason="this head is not made yet")


def test_the_first_encoder_is_there():
    assert "base/start" in made


def test_an_encoder_that_is_not_shipped_yet_says_how_to_make_it(monkeypatch, tmp_path):
    monkeypatch.setattr("workbook.encoder.shipped.FOLDER", tmp_path)
    with pytest.raises(FileNotFoundError, match="`python -m workbook base` makes it"):
        encoder.load("base")


def files() -> list[Path]:
    return [path for path in FOLDER.rglob("*") if path.is_file()]


def test_it_is_small_and_holds_no_pickle():
    sizes = {path.relative_to(FOLDER).as_posix(): path.stat().st_size for path in files()}
    assert all(size <= 8_000_000 for size in sizes.values()), sizes
    assert sum(sizes.values()) <= 20_000_000
    assert {Path(name).suffix for name in sizes} <= {".json", ".md", ".npy", ".safetensors"}


@pytest.mark.parametrize("name", made)
def test_it_loads_by_its_name_in_single_precision(name):
    loaded = encoder.load(name)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert not loaded.training
    vectors = loaded.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), 256)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parity
@pytest.mark.parametrize("name", made)
def test_sentence_transformers_and_transformers_give_the_same_vectors(name):
    from sentence_transformers import SentenceTransformer
    from transformers import AutoModel, AutoTokenizer

    folder = str(FOLDER / SHIPPED[name])
    ours = encoder.load(name).encode(TEXTS)
    theirs = SentenceTransformer(folder, device="cpu", model_kwargs={"dtype": torch.float32})  # of float16 on the disk
    np.testing.assert_allclose(theirs.encode(TEXTS), ours, atol=1e-5)
    tokens = AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, truncation=True, return_tensors="pt")
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        hidden = model(tokens["input_ids"], tokens["attention_mask"]).last_hidden_state
    mask = tokens["attention_mask"][..., None]
    mean = torch.nn.functional.normalize((hidden * mask).sum(dim=1) / mask.sum(dim=1), dim=1)
    np.testing.assert_allclose(mean.numpy(), ours, atol=1e-5)


def test_what_chapters_test_on_is_new_to_it():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert without_seen(load("planted"), encoder.seen_by("base"), "base") is load("planted")
    toy = load("toy")
    with pytest.warns(UserWarning, match="2 of "):
        left = without_seen(toy, encoder.seen_by("base"), "base")
    words = {text for query, text in toy.queries.items() if query not in left.queries}
    assert words == {"heart attack", "bail"}  # which the dictionary has too; the card says so


def test_no_query_that_is_measured_on_pydocs_was_seen():
    """A few titles are words of the dictionary too, and with other versions more may be seen: they are dropped and counted."""
    docs = load("pydocs")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        left = without_seen(docs, encoder.seen_by("base"), "base")
    assert len(left.splits["train"]) == len(docs.splits["train"])
    assert len(left.splits["test"]) > 0.9 * len(docs.splits["test"])
    seen_queries = without_seen(docs, encoder.seen_by("base/start"), "base/start")
    assert seen_queries.splits == left.splits


def test_an_unknown_name_is_refused():
    with pytest.raises(KeyError, match="no encoder 'bass' comes with the workbook; there are base, base/start"):
        encoder.seen_by("bass")


def test_the_cards_are_written_from_the_figures(tmp_path):
    folders = [path.parent.name for path in FOLDER.glob("*/README.md")]
    assert {SHIPPED[name] for name in made} <= set(folders)
    for name in folders:
        (tmp_path / name).mkdir()
    (tmp_path / "figures.json").write_text((FOLDER / "figures.json").read_text("utf-8"), "utf-8")
    write_cards(tmp_path)
    for name in folders:
        card = (tmp_path / name / "README.md").read_text("utf-8")
        assert card == (FOLDER / name / "README.md").read_text("utf-8")
        assert card.startswith('---\nlanguage: "en"\nlicense: "mit"\n')


def gain(collection: str, over: str) -> list[float]:
    """nDCG@10 of `base` minus a rival's, as measured when it was made, over the same test queries: mean, low, high."""
    figures = json.loads((FOLDER / "figures.json").read_text("utf-8"))["figures"]
    return figures[collection]["gain"][f"base over {over}"]


MISSED = pytest.mark.xfail(reason="not reached yet: see the card of datasets/base/base", strict=True)
RIVALS = [("planted", "BM25"), ("planted", "trained bag"), ("pydocs", "BM25")]


@base
@pytest.mark.parametrize(("collection", "rival"), [*RIVALS, pytest.param("pydocs", "trained bag", marks=MISSED)])
def test_it_beats_keyword_search_and_a_trained_bag(collection, rival):
    _, low, _ = gain(collection, rival)
    assert low > 0


@base
@MISSED
def test_it_is_near_its_teacher_on_public_collections():
    near = [
        name for name in ("cacm", "vaswani_npl", "cosqa", "squad_dev") if gain(name, "all-MiniLM-L6-v2")[0] >= -0.05
    ]
    assert len(near) >= 3, near


def test_a_head_is_a_file_of_a_megabyte():
    for name in ("cross_encoder", "colbert"):
        if (FOLDER / name).exists():
            assert sum(path.stat().st_size for path in (FOLDER / name).iterdir()) <= 1_000_000, name


@cross_encoder
@pytest.mark.parametrize("collection", ["planted", "pydocs"])
def test_the_cross_encoder_gains_on_both_test_sets(collection):
    """On the base's first hundred: .02 nDCG@10 or more, with an interval above 0."""
    told = json.loads((FOLDER / "figures.json").read_text("utf-8"))["heads"]["cross_encoder"]["figures"]
    mean, low, _ = told[collection]["gain"]["cross_encoder over base"]
    assert mean >= 0.02
    assert low > 0


@cross_encoder
def test_the_cross_encoder_prefers_what_answers():
    from workbook.base import load_cross_encoder

    right, wrong = "Sort the list ascending and return None.", "Open the file and return a stream."
    scores = load_cross_encoder().predict([("sort a list", right), ("sort a list", wrong)])
    assert scores[0] > scores[1]


@colbert
def test_the_colbert_encoder_prefers_what_answers():
    from workbook.base import load_colbert
    from workbook.late_interaction import maxsim_search

    corpus = {"right": "Sort the list ascending and return None.", "wrong": "Open the file and return a stream."}
    found = maxsim_search(load_colbert(), corpus, {"q": "sort a list"})["q"]
    assert found["right"] > found["wrong"]


@pytest.mark.slow
def test_the_figures_are_those_of_the_weights():
    from workbook.metrics import evaluate
    from workbook.similarity import dense_search

    told = json.loads((FOLDER / "figures.json").read_text("utf-8"))["figures"]["planted"]
    collection = load("planted").split("test").sample(300, 3_000)
    for name in made:
        run = dense_search(encoder.load(name), collection.corpus, collection.queries, k=100)
        found = evaluate(collection.qrels, run, ("ndcg@10",))["ndcg@10"]
        assert found == pytest.approx(told["systems"][SHIPPED[name]]["ndcg@10"], abs=2e-3)
