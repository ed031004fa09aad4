"""One type for every collection: what it gives, and what it refuses."""

from pathlib import Path

import pytest

from tests.helpers import published as p
from workbook import data
from workbook.data.collection import Collection, fingerprint, sha256


@pytest.fixture
def small() -> Collection:
    return Collection(
        name="small",
        corpus={"p1": "one", "p2": "two", "p3": "three"},
        queries={"q1": "first", "q2": "second", "q3": "third"},
        qrels={"q1": {"p1": 2, "p2": 0}, "q2": {"p2": 1, "p3": 3}},
        splits={"train": ("q1", "q3"), "test": ("q2",)},
        licence="CC0",
        fingerprint="small sha256:0",
    )


def test_pairs_are_the_judgements_above_zero_and_a_query_without_judgements_has_none(small):
    assert small.pairs("train") == [("first", "one")]
    assert small.pairs("test") == [("second", "two"), ("second", "three")]


def test_a_split_keeps_the_whole_corpus_and_only_its_queries(small):
    test = small.split("test")
    assert test.corpus == small.corpus
    assert list(test.queries) == list(test.qrels) == ["q2"]
    assert test.splits == {"test": ("q2",)}


@pytest.mark.parametrize("call", [lambda c: c.pairs("tset"), lambda c: c.split("tset")])
def test_an_unknown_split_is_named_beside_those_that_there_are(small, call):
    with pytest.raises(KeyError, match="small has no split 'tset'; it has train, test"):
        call(small)


def test_a_sample_keeps_the_order_and_is_the_same_for_the_same_seed(small):
    assert list(small.sample(2, seed=1).queries) == list(small.sample(2, seed=1).queries)
    for seed in range(10):
        chosen = list(small.sample(2, seed=seed).queries)
        assert len(chosen) == 2
        assert chosen == sorted(chosen)
    assert {tuple(small.sample(1, seed=seed).queries) for seed in range(30)} == {("q1",), ("q2",), ("q3",)}


def test_a_sample_larger_than_the_collection_is_all_of_it(small):
    assert list(small.sample(99).queries) == ["q1", "q2", "q3"]


def test_a_sample_of_passages_holds_every_judged_one_in_the_order_of_the_corpus(small):
    for seed in range(10):
        few = small.sample(1, num_passages=2, seed=seed)
        judged = {passage for judgements in few.qrels.values() for passage in judgements}
        assert judged <= few.corpus.keys()
        assert list(few.corpus) == sorted(few.corpus)
        assert len(few.corpus) == 2
    assert {tuple(small.sample(1, 1, seed).corpus) for seed in range(30)} >= {("p1", "p2"), ("p2", "p3")}
    assert small.sample(1, num_passages=99).corpus == small.corpus


@pytest.mark.parametrize("numbers", [(0, None), (1, 0)])
def test_a_sample_of_nothing_is_refused(small, numbers):
    with pytest.raises(ValueError, match="at least 1 query and 1 passage, got"):
        small.sample(*numbers)


def test_its_repr_says_what_it_is_and_not_what_it_holds(small):
    assert repr(small) == "small: 3 passages, 3 queries (train 2, test 1); CC0"


def test_the_fingerprint_ignores_the_order_of_keys_and_sees_every_change():
    assert sha256({"a": 1, "b": 2}) == sha256({"b": 2, "a": 1})
    assert len({sha256({"a": 1}), sha256({"a": 2}), sha256({"b": 1}), sha256({"a": "1"}), sha256({"a": [1]})}) == 5


def test_a_lone_surrogate_has_a_fingerprint_too():
    assert len(sha256("\udcff")) == 64


def test_a_name_that_is_wrong_is_answered_with_near_ones_or_with_all():
    with pytest.raises(FileNotFoundError, match=r"^no collection and no folder 'pydoc'; did you mean pydocs or .*\?$"):
        data.load("pydoc")
    with pytest.raises(FileNotFoundError, match=r"did you mean beir/scifact or "):
        data.load("beir/scifct")
    with pytest.raises(FileNotFoundError, match=r"'zzz'; collections are toy, pydocs, .*msmarco-passage, .*planted-N"):
        data.load("zzz")


@pytest.mark.parametrize("given", ["./mydta", "mydta/", "../here/mydta", "here/mydta", Path("mydta"), "{tmp}/mydta"])
def test_a_path_that_is_wrong_is_answered_with_what_stands_beside_it(tmp_path, monkeypatch, given):
    (tmp_path / "here/mydata").mkdir(parents=True)
    (tmp_path / "here/other").mkdir()
    monkeypatch.chdir(tmp_path if str(given).startswith("here") else tmp_path / "here")
    given = given.format(tmp=tmp_path / "here") if isinstance(given, str) else given
    with pytest.raises(FileNotFoundError, match=r"^no such folder or file: \S+mydta; did you mean mydata\?$"):
        data.load(given)


def test_of_a_path_the_first_part_that_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^no such folder or file: \S+nothing$"):
        data.load(tmp_path / "nothing/of/this")


def test_queries_without_a_relevant_passage_are_counted_by_split_and_make_no_fault():
    """As in WikiQA: a query with grades of 0 alone. A query of another split, or of none, is not meant."""
    qrels = {"a": {"1": 1}, "b": {"1": 0}, "c": {"2": 2, "1": 0}}
    splits = {"train": ("a",), "test": ("b", "c")}
    mixed = Collection("mixed", {"1": "one", "2": "two"}, dict.fromkeys("abcd", "?"), qrels, splits)
    assert mixed.unjudged_queries == {"test": ("b",)}
    assert mixed.split("train").unjudged_queries == {}


def test_a_folder_with_such_queries_says_so_in_memory_and_from_the_disk(tmp_path):
    p.write_jsonl(tmp_path / "in/corpus.jsonl", [{"_id": "1", "text": "one"}])
    p.write_jsonl(tmp_path / "in/queries.jsonl", [{"_id": id, "text": "?"} for id in "abc"])
    p.write(tmp_path / "in/qrels/train.tsv", "a\t1\t1\n")
    p.write(tmp_path / "in/qrels/test.tsv", "b\t1\t0\nc\t1\t1\n")
    note = r"1 of 2 queries of test have no relevant passage; a mean counts each as 0"
    for place, store in (("in", None), ("in", tmp_path / "stored"), ("stored", None)):
        with pytest.warns(UserWarning, match=note):
            docs = data.load(tmp_path / place, store=store)
        assert not docs.problems
        assert docs.problems.notes == [note]
        assert str(docs.problems) == f"nothing was dropped\n{note}"
        assert docs.unjudged_queries == {"test": ("b",)}
    with pytest.warns(UserWarning, match=note):
        data.load(tmp_path / "in", strict=True)  # it is no fault


def test_a_named_collection_is_read_once():
    assert data.load("toy") is data.load("toy")


# --- texts on the disk ----------------------------------------------------------------------------


class Watched(dict):
    """A mapping that counts the texts that are read from it, and gives no list of all."""

    fingerprint = "of the disk"

    def __init__(self, *args):
        super().__init__(*args)
        self.read = []

    def __getitem__(self, id):
        self.read.append(id)
        return super().__getitem__(id)

    def items(self):
        raise AssertionError("all texts were read")

    values = items


@pytest.fixture
def large() -> Collection:
    corpus = Watched({f"p{i}": f"text {i}" for i in range(1_000)})
    queries = Watched({f"q{i}": f"query {i}" for i in range(100)})
    qrels = {f"q{i}": {f"p{i}": 1, f"p{i + 500}": 0} for i in range(100)}
    return Collection("large", corpus, queries, qrels, {"test": tuple(queries)})


def test_no_method_reads_more_texts_than_it_returns(large):
    few = large.sample(3, 50, seed=1)
    assert len(few.corpus) == 50
    assert len(few.queries) == 3
    assert sorted(large.corpus.read) == sorted(few.corpus)
    assert sorted(large.queries.read) == sorted(few.queries)
    large.corpus.read.clear()
    large.split("test")
    assert large.corpus.read == []
    assert len(large.pairs("test")) == 100
    assert large.corpus.read == [f"p{i}" for i in range(100)]
    assert fingerprint(large.corpus, large.queries, large.qrels, large.splits) == fingerprint(
        Watched({"other": "text"}), large.queries, large.qrels, large.splits
    )  # their own fingerprint is taken, and no text is read


def test_a_sample_is_the_one_that_lists_of_ids_would_give(large):
    """The places that are drawn are those that `random.sample` draws from a list."""
    import random

    for seed in range(5):
        rng = random.Random(seed)
        chosen = set(rng.sample(list(large.queries), 4))
        judged = {passage for query in chosen for passage in large.qrels[query]}
        others = [passage for passage in large.corpus if passage not in judged]
        drawn = set(rng.sample(others, 30 - len(judged)))
        few = large.sample(4, 30, seed)
        assert set(few.queries) == chosen
        assert set(few.corpus) == judged | drawn


@pytest.mark.parametrize("num_passages", range(3, 8))
def test_a_sample_has_exactly_as_many_passages_as_asked(num_passages):
    corpus = {f"p{i}": "text" for i in range(7)}
    docs = Collection("c", corpus, {"q": "?"}, {"q": {"p5": 1, "p0": 1, "gone": 0}}, {"test": ("q",)})
    for seed in range(20):
        few = docs.sample(1, num_passages + 1, seed)  # "gone" is judged and counted, but it is not in the corpus
        assert len(few.corpus) == num_passages
        assert {"p0", "p5"} <= set(few.corpus)


def test_stored_texts_and_dictionaries_are_the_same_collection(small, tmp_path):
    from dataclasses import replace

    from workbook.data.stored.storage import store_texts

    corpus = store_texts(tmp_path / "corpus", small.corpus.items(), part_rows=2)
    queries = store_texts(tmp_path / "queries", small.queries.items())
    stored = replace(small, corpus=corpus, queries=queries)
    assert repr(stored) == repr(small)
    assert stored.pairs("test") == small.pairs("test")
    for seed in range(5):
        assert stored.sample(2, 2, seed) == small.sample(2, 2, seed)
    assert dict(stored.split("test").queries) == small.split("test").queries


def test_the_fingerprint_is_made_piece_by_piece_and_is_that_of_the_whole():
    import hashlib
    import json

    parts = ({"b": "ü", "a": [1, None, True]}, {"q": {"p": 1}}, "text", 1.5)
    whole = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert sha256(*parts) == hashlib.sha256(whole.encode()).hexdigest()
