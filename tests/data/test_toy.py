"""The hand-written collection is whole, and holds what its card says it holds."""

import csv
import itertools
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from workbook.bm25 import BM25
from workbook.data import load
from workbook.metrics import evaluate

TOY = Path(__file__).parents[2] / "datasets" / "toy"
SUBJECTS = {
    "medicine": "med",
    "machine learning": "ml",
    "cooking": "cook",
    "law": "law",
    "finance": "fin",
    "history": "hist",
    "sport": "sport",
    "software": "soft",
    "travel": "travel",
    "science": "sci",
}
TYPES = {"keyword", "question", "paraphrase", "typo", "long"}


def jsonl(name):
    return [json.loads(line) for line in (TOY / name).read_text("utf-8").splitlines()]


def tsv(name):
    with (TOY / name).open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    assert all(len(row) == len(header) and all(row) for row in rows), f"{name}: an empty or missing field"
    return header, rows


def words(text):
    return re.findall(r"\w+", text.lower())


GLUE = set(
    words(
        "a an the of to in on at is it and or for what which how do does did i my me not no with when while so that they "
        "them who one be am are was if can by from under could there will have has as than out up into its this their "
        "you your other where why any some"
    )
)
CORPUS = {row["_id"]: row for row in jsonl("corpus.jsonl")}
QUERIES = {row["_id"]: row for row in jsonl("queries.jsonl")}
SPLITS = {name: tsv(f"qrels/{name}.tsv")[1] for name in ("dev", "test")}
QRELS: dict[str, dict[str, int]] = {}
for query_id, passage_id, grade in itertools.chain(*SPLITS.values()):
    QRELS.setdefault(query_id, {})[passage_id] = int(grade)


def body(passage_id):
    return f"{CORPUS[passage_id]['title']} {CORPUS[passage_id]['text']}"


def test_passages_are_enough_of_the_right_length_and_named_by_subject():
    assert len(CORPUS) == len(jsonl("corpus.jsonl")) >= 300
    counts = Counter(row["subject"] for row in CORPUS.values())
    assert set(counts) == set(SUBJECTS)
    assert min(counts.values()) >= 30
    for passage_id, row in CORPUS.items():
        assert set(row) == {"_id", "title", "text", "subject"}
        assert re.fullmatch(rf"{SUBJECTS[row['subject']]}-\d{{3}}", passage_id)
        assert 25 <= len(row["text"].split()) <= 70, passage_id
        assert row["title"]
        assert row["text"] == row["text"].strip()
        assert row["text"][-1] == "."


def test_queries_are_enough_and_of_every_type_and_subject():
    assert len(QUERIES) == len(jsonl("queries.jsonl")) >= 120
    counts = Counter(row["subject"] for row in QUERIES.values())
    assert set(counts) == set(SUBJECTS)
    assert min(counts.values()) >= 12
    types = Counter(row["type"] for row in QUERIES.values())
    assert set(types) == TYPES
    assert min(types.values()) >= 10
    for query_id, row in QUERIES.items():
        assert re.fullmatch(rf"q-{SUBJECTS[row['subject']]}-\d{{2}}", query_id)
    assert len({row["text"] for row in QUERIES.values()}) == len(QUERIES)


def test_judgements_name_known_ids_once_and_grades_run_from_0_to_3():
    rows = list(itertools.chain(*SPLITS.values()))
    assert len({(query, passage) for query, passage, _ in rows}) == len(rows)
    assert {query for query, _, _ in rows} == set(QUERIES)
    assert {passage for _, passage, _ in rows} <= set(CORPUS)
    assert {grade for _, _, grade in rows} == {"0", "1", "2", "3"}


def test_splits_share_no_query_and_every_subject_is_in_both():
    dev, test = ({query for query, _, _ in SPLITS[name]} for name in ("dev", "test"))
    assert not dev & test
    assert len(dev) == 30
    assert len(test) >= 90
    assert {QUERIES[q]["subject"] for q in dev} == {QUERIES[q]["subject"] for q in test} == set(SUBJECTS)


def test_every_query_has_a_full_answer_an_explicit_zero_and_several_judgements():
    for query_id, judged in QRELS.items():
        assert max(judged.values()) == 3, query_id
        assert min(judged.values()) == 0, query_id
        assert len(judged) >= 3, query_id


def test_hard_negatives_are_judged_and_do_not_answer():
    header, rows = tsv("hard_negatives.tsv")
    assert header == ["query-id", "corpus-id", "why"]
    assert len({query for query, _, _ in rows}) >= 40
    assert len({(query, passage) for query, passage, _ in rows}) == len(rows)
    for query, passage, _ in rows:
        assert QRELS[query].get(passage, 3) <= 1, f"{query} {passage}"


def test_unlabelled_positives_exist_and_stand_in_no_judgement():
    header, rows = tsv("unlabelled_positives.tsv")
    assert header == ["query-id", "corpus-id", "why"]
    assert len(rows) >= 20
    for query, passage, _ in rows:
        assert query in QUERIES
        assert passage in CORPUS
        assert passage not in QRELS[query], f"{query} {passage}"


def test_similarity_pairs_fill_the_scale_evenly():
    header, rows = tsv("similarity.tsv")
    assert header == ["score", "sentence1", "sentence2"]
    assert len(rows) == 200
    bands = Counter(min(int(float(score)), 4) for score, _, _ in rows)  # five bands of one point, the last holds 5
    assert set(bands) == {0, 1, 2, 3, 4}
    assert min(bands.values()) >= 30
    assert all(0 <= float(score) <= 5 for score, _, _ in rows)
    sentences = list(itertools.chain(*(row[1:] for row in rows)))
    assert len(set(sentences)) == len(sentences)


def test_similarity_pairs_hold_what_word_overlap_gets_wrong():
    _, rows = tsv("similarity.tsv")
    overlap = [
        (float(score), len(set(words(a)) & set(words(b))) / len(set(words(a)) | set(words(b)))) for score, a, b in rows
    ]
    assert any(score <= 2 and share == 1 for score, share in overlap)  # the same words, the roles swapped
    assert any(score == 5 and share <= 0.1 for score, share in overlap)  # the same meaning in other words


def test_parallel_sentences_stand_in_five_languages():
    header, rows = tsv("parallel.tsv")
    assert header == ["id", "en", "fr", "de", "es", "zh"]
    assert len(rows) >= 40
    for column in range(6):
        assert len({row[column] for row in rows}) == len(rows), header[column]
    assert all(re.search(r"[\u4e00-\u9fff]", row[5]) for row in rows)
    assert not any(re.search(r"[\u4e00-\u9fff]", "".join(row[1:5])) for row in rows)


def test_no_passage_nearly_repeats_another():
    sets = {passage_id: set(words(body(passage_id))) for passage_id in CORPUS}
    share, first, second = max(
        (len(sets[a] & sets[b]) / len(sets[a] | sets[b]), a, b) for a, b in itertools.combinations(sets, 2)
    )
    assert share < 0.35, f"{first} and {second} share {share:.0%} of their words"


@pytest.mark.parametrize(
    ("query", "best", "trap"),
    [
        ("heart attack", "med-001", "sport-004"),
        ("symptoms of diabetes", "med-008", "med-010"),
        ("diabetes medication", "med-010", "med-012"),
        ("how to train a neural network", "ml-001", "soft-010"),
        ("network security training", "soft-010", "ml-001"),
        ("What is RLHF?", "ml-007", "ml-010"),
        ("python programming", "soft-001", "sci-006"),
        ("are pythons venomous?", "sci-006", "soft-001"),
        ("jaguar", "sci-004", "sci-005"),
        ("bank lending and savings", "fin-001", "travel-006"),
        ("apple recipe", "cook-011", "fin-015"),
        ("java programming", "soft-004", "travel-002"),
        ("mercury planet", "sci-001", "sci-002"),
        ("transformer attention", "ml-017", "sci-026"),
    ],
)
def test_the_classics_of_the_field_are_there(query, best, trap):
    (query_id,) = (q for q, row in QUERIES.items() if row["text"] == query)
    assert QRELS[query_id][best] == 3
    assert trap in {passage for q, passage, _ in tsv("hard_negatives.tsv")[1] if q == query_id}


def test_heart_attack_shares_no_word_with_any_passage_that_answers_it():
    unlabelled = [passage for query, passage, _ in tsv("unlabelled_positives.tsv")[1] if query == "q-med-01"]
    answers = [passage for passage, grade in QRELS["q-med-01"].items() if grade >= 2] + unlabelled
    assert len(answers) >= 4
    for passage in answers:
        assert "infarction" in words(body(passage))
        assert not {"heart", "attack"} & set(words(body(passage)))


def test_paraphrases_share_no_content_word_with_a_full_answer():
    for query_id, row in QUERIES.items():
        if row["type"] == "paraphrase":
            for passage, grade in QRELS[query_id].items():
                shared = set(words(row["text"])) & set(words(body(passage))) - GLUE
                assert grade < 3 or not shared, f"{query_id} {passage}: {shared}"


@pytest.fixture(scope="module")
def bm25():
    toy = load("toy")
    return toy, BM25().index(toy.corpus).search(toy.queries, k=100)


def test_bm25_finds_no_answer_to_heart_attack(bm25):
    toy, run = bm25
    ranked = sorted(run["q-med-01"], key=run["q-med-01"].get, reverse=True)
    assert toy.queries["q-med-01"] == "heart attack"
    assert set(ranked[:3]) <= {"med-005", "hist-010", "sport-004"}
    assert not [passage for passage in ranked if toy.qrels["q-med-01"].get(passage, 0) >= 2]


def test_bm25_is_decent_on_keywords_and_lost_on_paraphrases(bm25):
    toy, run = bm25
    ndcg = evaluate(toy.qrels, run, metrics=("ndcg@10",), per_query=True)["ndcg@10"]
    mean = {
        kind: sum(ndcg[q] for q in QUERIES if QUERIES[q]["type"] == kind)
        / sum(row["type"] == kind for row in QUERIES.values())
        for kind in TYPES
    }
    assert 0.35 < sum(ndcg.values()) / len(ndcg) < 0.55
    assert mean["keyword"] > 0.55
    assert mean["question"] > 0.45
    assert mean["paraphrase"] < 0.15
    assert mean["typo"] < 0.4


def test_the_card_states_the_numbers_that_hold(bm25):
    card = (TOY / "CARD.md").read_text("utf-8")
    toy, run = bm25
    grades = Counter(grade for judged in QRELS.values() for grade in judged.values())
    meanings = (
        "is not relevant",
        "is on the topic but does not answer",
        "answers it partly",
        "answers the query fully",
    )
    for grade, meaning in enumerate(meanings):
        assert f"| {grade} | {meaning} | {grades[grade]} |" in card
    assert f"{len(CORPUS)} passages" in card
    assert f"{len(QUERIES)} queries" in card
    assert f"{sum(grades.values())} judgements" in card
    assert f"{len(tsv('unlabelled_positives.tsv')[1])} passages that do answer" in card
    assert f"{len(tsv('hard_negatives.tsv')[1])} passages that look right" in card
    assert f"{len(tsv('parallel.tsv')[1])} sentences in English" in card
    (stated,) = re.findall(r"\| all \| ([\d.]+) \|", card)
    assert evaluate(toy.qrels, run, metrics=("ndcg@10",))["ndcg@10"] == pytest.approx(float(stated), abs=0.0006)


def test_the_card_states_the_agreement_of_the_second_pass():
    header, rows = tsv("second_pass.tsv")
    assert header == ["query-id", "corpus-id", "first", "second"]
    same = sum(first == second for *_, first, second in rows)
    assert f"{same} of {len(rows)} grades were the same" in (TOY / "CARD.md").read_text("utf-8")
    changed = {(q, p) for q, p, first, _ in rows if QRELS[q].get(p) != int(first)}
    assert changed == {("q-hist-04", "hist-008"), ("q-law-02", "law-029"), ("q-travel-09", "travel-016")}
