"""The real collections beside the repository, where they are: counts as their own meta.json states them."""

import json
from pathlib import Path

import pytest

from workbook import data

COLLECTIONS = Path(__file__).resolve().parents[3] / "shared" / "data"

pytestmark = pytest.mark.skipif(not COLLECTIONS.is_dir(), reason="the real collections are not on this machine")


def folders() -> list[str]:
    return sorted(path.parent.name for path in COLLECTIONS.glob("*/corpus.jsonl"))


LARGE = {"squad_train"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in folders()]
)
def test_a_real_collection_is_read_without_a_single_problem(name):
    docs = data.load(COLLECTIONS / name, strict=True)
    meta = json.loads((COLLECTIONS / name / "meta.json").read_text("utf-8"))
    assert len(docs.corpus) == meta["docs"]
    assert len(docs.queries) == meta["queries"]
    assert set(docs.splits) == set(meta["qrels"])
    for split, facts in meta["qrels"].items():
        assert len(docs.splits[split]) == facts["queries_with_positive"]
        assert len(docs.pairs(split)) == facts["positives"]
        assert sum(len(docs.qrels[query]) for query in docs.splits[split]) == facts["judgements"]
    assert docs.licence == meta["licence"]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in folders() if name not in LARGE])
def test_a_real_collection_on_the_disk_is_the_same(tmp_path, name):
    inside, outside = (data.load(COLLECTIONS / name, strict=True, store=store) for store in (None, tmp_path / "store"))
    assert dict(outside.corpus.items()) == inside.corpus
    assert dict(outside.queries.items()) == inside.queries
    assert (outside.qrels, outside.splits) == (inside.qrels, inside.splits)


@pytest.mark.parametrize("language", ["en", "de", "es", "fr", "zh"])
def test_the_sts_benchmark_in_five_languages(language):
    pairs = data.load(COLLECTIONS / f"sts/stsb-{language}.tsv", strict=True)
    assert {split: len(found) for split, found in pairs.splits.items()} == {"train": 5749, "dev": 1500, "test": 1379}
    scores = [pair.score for found in pairs.splits.values() for pair in found]
    assert (min(scores), max(scores)) == (0.0, 5.0)


def test_squad_has_the_paragraphs_that_its_own_layout_would_give(tmp_path):
    """The folder squad_dev was made from another copy of SQuAD; here it is laid out as published, and read again."""
    docs = data.load(COLLECTIONS / "squad_dev", strict=True)
    articles: dict[str, dict] = {}
    of_paragraph: dict[str, list] = {}
    for query_id, judged in docs.qrels.items():
        of_paragraph.setdefault(next(iter(judged)), []).append(
            {"id": query_id, "question": docs.queries[query_id], "answers": []}
        )
    for passage_id, text in docs.corpus.items():
        title, context = text.split("\n", 1)
        paragraph = {"context": context, "qas": of_paragraph.get(passage_id, [])}
        articles.setdefault(title, {"title": title.replace(" ", "_"), "paragraphs": []})["paragraphs"].append(paragraph)
    (tmp_path / "dev-v1.1.json").write_text(json.dumps({"data": list(articles.values()), "version": "1.1"}), "utf-8")
    again = data.load(tmp_path, strict=True)
    assert sorted(again.corpus.values()) == sorted(docs.corpus.values())
    assert {(q, again.corpus[p]) for q, judged in again.qrels.items() for p in judged} == {
        (q, docs.corpus[p]) for q, judged in docs.qrels.items() for p in judged
    }
