"""A corpus alone gets queries by structure; dev and test are searched without the words that each query took."""

import json

import numpy as np
import pytest

from tests.helpers.small import SHARD_ROWS
from workbook import pipeline
from workbook.bm25 import BM25
from workbook.data import Collection
from workbook.data.stored.storage import open_texts
from workbook.encoder import load
from workbook.pipeline.data_stage import read_qrels, searched_corpus, training_corpus
from workbook.pipeline.pairs import read_pairs
from workbook.pipeline.structure import Uncovered, structural_pair
from workbook.similarity import dense_search

LONG = "flour water and salt are kneaded for ten minutes by hand"
SMALL = {"dimensions": 16, "vocab_size": 400, "steps": 5, "batch_size": 16, "max_length": 32}


def texts(number: int = 240) -> Collection:
    rng = np.random.default_rng(0)
    words = [f"{a}{b}{c}" for a in "bdfk" for b in "aeiou" for c in ("lo", "mi", "ra", "tu")]
    corpus = {}
    for i in range(number):
        title, body = (" ".join(rng.choice(words, size)) for size in (3, 20))
        corpus[f"t{i}"] = f"{title} {i}\n\n{body}" if i % 3 else f"{title} {i}. Then {body}."
    corpus["short"] = "too short"
    return Collection("texts", corpus, {}, {}, {}, "made up", "texts 1")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    work = tmp_path_factory.mktemp("structure") / "work"
    pipeline.data(work, texts(), part_rows=100)
    pipeline.train(work, **SMALL)
    pipeline.encode(work, shard_rows=SHARD_ROWS)
    pipeline.index(work)
    return work


@pytest.mark.parametrize(
    ("text", "kind", "query"),
    [
        (f"Dough\n\n{LONG}", "title and body", "Dough"),
        (f"# Dough\n{LONG}", "title and body", "Dough"),
        (f"=====\nDough\n=====\n\n{LONG}", "title and body", "Dough"),
        (f"Dough\n{LONG}", "title and body", "Dough"),  # as loaders put a title before its text
        (f"Dough is old. It began when {LONG}.", "first sentence and rest", "Dough is old."),
        (f"{LONG}\n{LONG}\n{LONG}", "span and rest", None),  # a paragraph with breaks has no title
        (f"{LONG} {LONG}", "span and rest", None),
    ],
)
def test_what_stands_first_is_the_query(text, kind, query):
    pair = structural_pair(text)
    assert pair.kind == kind
    assert query in (None, pair.query)
    assert sorted(f"{pair.query} {pair.rest}".split()) == sorted(text.replace("=", "").replace("# ", "").split())


def test_the_name_of_a_file_is_no_query():
    text = f"page-17\nOf dough\n\n{LONG}"  # as a loader puts the name above a text without a heading
    assert structural_pair(text, "notes/page-17.txt#2") == ("title and body", "Of dough", LONG)
    assert "page-17" in structural_pair(text, "other.txt").query


@pytest.mark.parametrize("text", ["", "\n", "# ", "=====", "Dough", "Dough\n\nIs old.", "???\n\n!!!"])
def test_what_is_too_short_gives_none(text):
    assert structural_pair(text) is None


def test_all_pairs_are_counted_and_split_by_their_text(work):
    manifest = json.loads((work / "data/manifest.json").read_text())
    assert manifest["structural"] == {"first sentence and rest": 80, "title and body": 160, "too short": 1}
    held = {split: set(read_qrels(work, split)) for split in ("train", "dev", "test")}
    assert sum(map(len, held.values())) == 240
    assert 10 < len(held["dev"]) < 40
    assert 10 < len(held["test"]) < 40
    assert all(read_qrels(work, "test")[id] == {id: 1} for id in held["test"])


def test_the_splits_do_not_depend_on_what_else_is_there(work, tmp_path):
    corpus = dict(list(texts().corpus.items())[:150])
    pipeline.data(tmp_path, Collection("few", corpus, {}, {}, {}, "made up", "few"))
    for split in ("train", "dev", "test"):
        assert set(read_qrels(tmp_path, split)) == set(read_qrels(work, split)) & corpus.keys()


def test_a_query_of_several_texts_is_none_and_one_of_several_pieces_has_them_all(tmp_path):
    corpus = {f"t{i}": f"Introduction\n\n{LONG} {i}" for i in range(3)}
    corpus |= {f"bread.md#{i}": f"Dough\n{LONG} {i}" for i in range(1, 3)}
    made = pipeline.data(tmp_path, Collection("same", corpus, {}, {}, {}, "made up", "same"))
    assert made["structural"] == {"query of several texts": 3, "title and body": 2}
    judged = [read_qrels(tmp_path, split) for split, counts in made["splits"].items() if counts["queries"]]
    assert judged == [{"bread.md#1": {"bread.md#1": 1, "bread.md#2": 1}}]


def test_training_reads_passages_without_their_queries_and_the_corpus_stays_whole(work):
    whole = texts().corpus
    assert open_texts(work / "data/corpus") == whole
    pairs = read_pairs(work, "train", 1_000, 0)
    assert len(pairs) == len(read_qrels(work, "train"))
    assert all(query not in passage for query, passage in pairs)
    rest = training_corpus(work)
    assert rest["t1"] == structural_pair(whole["t1"]).rest
    assert dict(rest.items())["t1"] == rest.texts_at([1])[0] == rest["t1"]
    some = Uncovered(open_texts(work / "data/corpus"), frozenset({"t1"}))
    assert (some["t1"], some["t2"]) == (rest["t1"], whole["t2"])


@pytest.mark.parametrize("how", ["exact", "index"])
def test_dev_and_test_are_searched_without_queries_in_passages(work, how):
    """By vectors and by keywords the runs are those of a corpus in which they never stood."""
    pipeline.search(work, "test", "bm25,dense", k=20, exact=how == "exact", anew=True)
    corpus, ids = dict(searched_corpus(work, "test").items()), list(read_qrels(work, "test"))
    queries = {id: open_texts(work / "data/queries")[id] for id in ids}
    expected = {
        "bm25": BM25().index(corpus).search(queries, 20),
        "exact": dense_search(load(work / "model"), corpus, queries, 20),
    }
    for name, run in (("bm25", "test-bm25"), ("exact", "test-exact" if how == "exact" else "test")):
        found: dict[str, dict[str, float]] = {}
        for line in (work / "runs" / run / "run.tsv").read_text().splitlines():
            query, _, passage, _, score, _ = line.split("\t")
            found.setdefault(query, {})[passage] = float(score)
        same = [
            len(found.get(id, {}).keys() & expected[name][id].keys()) / max(1, len(expected[name][id])) for id in ids
        ]
        assert np.mean(same) > (0.999 if name == "bm25" else 0.97)  # float16 may swap the last ones
        own = [
            abs(found[id][id] - expected[name][id][id])
            for id in ids
            if id in found.get(id, {}) and id in expected[name][id]
        ]
        assert max(own, default=0) < 5e-3


def test_evaluate_says_that_nobody_asked_them(work):
    pipeline.search(work, "dev")
    told = pipeline.evaluate(work, "dev")
    assert "nobody asked them" in told["summary"]
    assert told["searched"] == "all 241 vectors, exact"


def test_a_folder_of_text_files_becomes_a_measured_search(tmp_path, capsys):
    """From nothing, by the functions that the commands call; no file but the texts."""
    folder = tmp_path / "texts"
    (folder / "more").mkdir(parents=True)
    for number, text in enumerate(texts().corpus.values()):
        (folder / ("more" if number % 2 else ".") / f"{number}.txt").write_text(text)
    work = tmp_path / "work"
    made = pipeline.data(work, folder)
    assert made["passages"] == 241
    assert min(made["splits"][split]["queries"] for split in ("train", "dev", "test")) > 5
    pipeline.train(work, **SMALL)
    pipeline.encode(work)
    pipeline.index(work)
    pipeline.search(work, "test", "bm25,dense,rrf")
    told = pipeline.evaluate(work, "test")["summary"]
    assert "nobody asked them" in told
    assert "BM25" in told
    capsys.readouterr()
    title = texts().corpus["t1"].split("\n")[0]
    pipeline.ask(work, [title], k=1, systems="bm25,dense,rrf")
    assert "1. more/1.txt" in capsys.readouterr().out
