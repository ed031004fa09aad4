"""Claims 32 to 34 and 72: each rule can come out either way, and the experiments are what they say they are."""

import json
from functools import partial

import numpy as np
import pytest

from tests.helpers.rows import DOWN, TIED, UP
from workbook.claims import chapter_12, written_texts
from workbook.claims.chapter_12 import (
    AT,
    CLAIMS,
    COLLECTIONS,
    EXACT,
    FILTERED_OWN,
    FIRST,
    HALF,
    KINDS,
    NATURAL,
    NEAR,
    NEGATIVE_ARMS,
    PERCENT,
    REWORDED,
    TESTED_ON,
    TWICE_BY_MODEL,
    TWICE_BY_RULES,
    WORDS,
    WRITTEN,
    bag_after,
    exams,
    leak,
    leak_world,
    query_arms,
    shared,
    slope,
)
from workbook.claims.hard_negatives import KEYWORDS, LANGUAGE_MODEL, NONE, OWN
from workbook.claims.written_texts import (
    PARAPHRASED,
    TESTED,
    TRAINED,
    asked,
    docs_of,
    written_paraphrases,
    written_queries,
)
from workbook.llm import LLMError, Recorded, answer_key

SYNTHETIC, NEGATIVES, LEAKAGE, FLATTERY = CLAIMS


def synthetic(natural, written, most):
    gain = {NATURAL: natural, WRITTEN: written, FIRST: TIED, WORDS: TIED}
    return {"gain": gain, "written minus most of natural": most, "pairs": {NATURAL: 100}}


@pytest.mark.parametrize(
    ("planted", "pydocs", "verdict"),
    [
        (synthetic(UP, UP, UP), synthetic(UP, UP, UP), "holds"),
        (synthetic(UP, UP, UP), synthetic(UP, UP, TIED), "depends"),  # useful, and not near
        (synthetic(TIED, UP, UP), synthetic(UP, UP, UP), "depends"),  # near to nothing is no merit
        (synthetic(UP, TIED, DOWN), synthetic(UP, UP, DOWN), "depends"),
        (synthetic(UP, TIED, DOWN), synthetic(UP, DOWN, DOWN), "misleading"),
    ],
)
def test_synthetic_queries_can_fall_either_way(planted, pydocs, verdict):
    result = SYNTHETIC.decide({"collections": dict(zip(COLLECTIONS, (planted, pydocs), strict=True)), "steps": 24})
    assert result.verdict == verdict
    assert len(result.intervals) == 6
    assert "would have been seen" in result.because


@pytest.mark.parametrize(
    ("own", "keywords", "verdict"),
    [(UP, UP, "holds"), (UP, TIED, "depends"), (TIED, DOWN, "depends"), (DOWN, DOWN, "misleading")],
)
def test_written_negatives_can_fall_either_way(own, keywords, verdict):
    rows = {f"{LANGUAGE_MODEL} minus {name}": TIED for name in NEGATIVE_ARMS if name != LANGUAGE_MODEL}
    rows |= {f"{LANGUAGE_MODEL} minus {name}": own for name in (OWN, FILTERED_OWN)}
    rows |= {f"{LANGUAGE_MODEL} minus {KEYWORDS}": keywords}
    cost = {"cpu_seconds": 2.0, "tokens_read": 200.0, "tokens_written": 60.0}
    result = NEGATIVES.decide(
        {
            "differences": rows,
            "queries": 96,
            "cost of a written negative": cost,
            "CPU seconds of a mined negative": 0.01,
        }
    )
    assert result.verdict == verdict
    assert "2.0 CPU seconds and 260 tokens" in result.because


def leakage(per_percent, others):
    kind = {"all gain": UP, "all gain, sieved": TIED, "copies found": 0.9, "clean pairs dropped": 0.01}
    return {
        "per percent": per_percent, "copied queries gain": UP, "other queries gain": others,
        "kinds": dict.fromkeys(KINDS, kind),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("planted", "pydocs", "verdict"),
    [
        (leakage(UP, TIED), leakage(UP, DOWN), "holds"),
        (leakage(UP, UP), leakage(UP, TIED), "depends"),  # queries gain that were not copied
        (leakage(TIED, TIED), leakage(UP, TIED), "depends"),
        (leakage(TIED, TIED), leakage(DOWN, TIED), "misleading"),
    ],
)
def test_leakage_can_fall_either_way(planted, pydocs, verdict):
    result = LEAKAGE.decide({"collections": dict(zip(COLLECTIONS, (planted, pydocs), strict=True)), "pairs": 1_000})
    assert result.verdict == verdict
    assert "hundredths of nDCG@10" in result.because
    assert len(result.intervals) == 8


def flattery(words, lead):
    return {
        "more words shared": {WRITTEN: words}, "flattery": {WRITTEN: lead, FIRST: UP},
        "BM25 minus dense": {NATURAL: DOWN, WRITTEN: UP}, "words shared": {NATURAL: 0.5, WRITTEN: 0.9},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("each", "verdict"),
    [
        ([(UP, UP)] * 3, "holds"),
        ([(UP, UP), (TIED, UP), (UP, UP)], "depends"),  # BM25 gains, and not because more words are shared
        ([(UP, TIED), (UP, DOWN), (UP, UP)], "depends"),
        ([(UP, TIED), (UP, DOWN), (UP, TIED)], "misleading"),
    ],
)
def test_flattery_can_fall_either_way(each, verdict):
    found = {name: flattery(*rows) for name, rows in zip(TESTED_ON, each, strict=True)}
    result = FLATTERY.decide({"collections": found})
    assert result.verdict == verdict
    assert len(result.intervals) == 6


# --- what was written ------------------------------------------------------------------------


def test_each_passage_is_asked_for_once_and_none_of_them_answers_another_split():
    train, test = asked("planted", "train"), asked("planted", "test")
    assert (len(train), len(test), len(asked("toy", "test"))) == (TRAINED, TESTED, TESTED)
    assert len({pair.passage_id for pair in train}) == TRAINED
    assert not {pair.passage for pair in train} & {pair.passage for pair in test}
    assert all(docs_of("planted", "train").qrels[pair.query_id][pair.passage_id] > 0 for pair in train)


def first_words(prompts):
    """A writer that asks with the first six words of the passage it is shown."""
    return [" ".join(prompt.split("Passage: ")[1].split()[:6]) + "?" for prompt in prompts]


def and_now(prompts):
    """A writer that says the same query with a word more."""
    return [prompt.split("Query: ")[1].split("\n")[0] + " now" for prompt in prompts]


@pytest.fixture
def written(monkeypatch):
    """As if everything had been recorded."""
    monkeypatch.setattr(chapter_12, "written_queries", partial(written_queries, generate=first_words))
    monkeypatch.setattr(chapter_12, "written_paraphrases", partial(written_paraphrases, generate=and_now))
    query_arms.cache_clear()
    yield
    query_arms.cache_clear()


def test_all_arms_have_the_same_passages_and_one_query_for_each(written):
    arms = query_arms("planted", "notebook")
    natural = arms[NATURAL]
    assert len(natural) == len(arms[WRITTEN]) == len(arms[FIRST]) == len(arms[WORDS]) > 0
    assert [p for _, p in natural] == [p for _, p in arms[WRITTEN]] == [p for _, p in arms[WORDS]]
    assert all(f"{q} {p}".split() == whole.split() for (q, p), (_, whole) in zip(arms[FIRST], natural, strict=True))
    assert len(arms[HALF]) <= PARAPHRASED
    assert len(arms[TWICE_BY_MODEL]) == 2 * len(arms[HALF])
    assert len(arms[TWICE_BY_RULES]) <= 2 * len(arms[HALF])
    assert not {p for _, p in natural} & set(docs_of("planted", "test").queries)


def test_tests_ask_for_the_same_passages_and_first_sentences_are_not_left_in_them(written):
    made = exams("toy", "notebook")
    assert all(test.queries.keys() == made[NATURAL].queries.keys() for test in made.values())
    for passage, query in made[FIRST].queries.items():
        assert query not in made[FIRST].corpus[passage]
    assert made["title"].queries != made[NATURAL].queries
    assert shared("The heart attack", "an attack of the heart") == 1
    assert shared("the", "the") == 0


def test_what_is_missing_is_said_with_the_command(tmp_path, monkeypatch):
    path = tmp_path / "queries.jsonl"
    line = {"key": answer_key("m", {}, "x"), "model": "m", "settings": {}, "answer": "y"}
    path.write_text(json.dumps(line) + "\n")
    assert "x" in Recorded(path)
    assert "z" not in Recorded(path)
    monkeypatch.setattr(written_texts, "QUERIES", path)
    with pytest.raises(
        ValueError, match=r"0 of 80 test passages of toy.*python -m workbook\.claims\.written_texts test"
    ):
        written_queries("toy", "test")
    with pytest.raises(SystemExit, match="expected one or more of train, test, paraphrases, cost, got nothing"):
        written_texts.main([])


class Fake:
    """A model that answers at once, and breaks down after some answers."""

    model, settings = "fake", {}

    def __init__(self, most):
        self.most = most

    def __call__(self, prompts, on_answer=None):
        for number, prompt in enumerate(prompts):
            if self.most == 0:
                raise LLMError("out of breath")
            self.most -= 1
            on_answer(number, first_words([prompt])[0])
        return []


def test_recording_goes_on_where_it_broke_off_and_keeps_no_prompts(tmp_path, monkeypatch):
    path = tmp_path / "queries.jsonl"
    monkeypatch.setattr(written_texts, "QUERIES", path)
    monkeypatch.setattr(written_texts, "_model", lambda max_tokens: Fake(30))
    with pytest.raises(LLMError):
        written_texts.record("test", ("toy",))
    assert len(path.read_text().splitlines()) == 30
    monkeypatch.setattr(written_texts, "_model", lambda max_tokens: Fake(TESTED - 30))
    assert written_texts.record("test", ("toy",)) == TESTED
    assert "Passage" not in path.read_text()
    assert len(written_queries("toy", "test")) > TESTED / 2


# --- leakage ---------------------------------------------------------------------------------


def test_a_leak_replaces_clean_pairs_and_names_the_queries_that_leaked():
    clean, half = (leak("planted", EXACT, percent, False, "notebook") for percent in (0, 50))
    at = leak_world("planted", "notebook")
    assert len(clean.pairs) == len(half.pairs)
    assert not clean.leaked.any()
    assert half.leaked.sum() == len(at.test.queries) // 2
    answers = {text for p, text in at.test.corpus.items() if any(p in judged for judged in at.test.qrels.values())}
    assert not answers & {passage for _, passage in clean.pairs}
    copied = [query for query, out in zip(at.test.queries.values(), half.leaked, strict=True) if out]
    assert set(copied) <= {query for query, _ in half.pairs}


def test_a_smaller_leak_is_a_part_of_a_larger_one():
    few, many = (leak("planted", NEAR, percent, False, "notebook") for percent in (PERCENT[2], PERCENT[-1]))
    assert many.leaked[few.leaked].all()


def test_the_sieve_finds_exact_copies_and_keeps_the_number_of_pairs():
    exact, reworded = (leak("planted", kind, AT, True, "notebook") for kind in (EXACT, REWORDED))
    assert exact.found == 1
    assert reworded.found <= exact.found
    assert exact.dropped < 0.2
    assert len(exact.pairs) == len(leak("planted", EXACT, AT, False, "notebook").pairs)


def test_the_slope_is_a_line_through_the_clean_value():
    clean = np.array([[0.5, 0.2]])
    by_percent = {p: clean + p * np.array([[0.001, 0.0]]) for p in PERCENT}
    assert np.allclose(slope(by_percent, clean), [[0.001, 0.0]])


def test_a_training_comes_out_the_same_again():
    first = bag_after("planted", NEAR, 10, False, 0.02, 0, "notebook")
    bag_after.cache_clear()
    assert np.array_equal(first, bag_after("planted", NEAR, 10, False, 0.02, 0, "notebook"))
    assert not np.array_equal(first, bag_after("planted", NEAR, 10, False, 0.02, 1, "notebook"))


def test_the_experiments_run_to_their_verdicts(written, monkeypatch):
    monkeypatch.setattr(chapter_12, "COLLECTIONS", ("planted",))
    monkeypatch.setattr(chapter_12, "TESTED_ON", ("toy",))
    monkeypatch.setattr(
        chapter_12, "costs", lambda: {"negative": {"cpu_seconds": 1.0, "tokens_read": 1.0, "tokens_written": 1.0}}
    )
    for claim in (SYNTHETIC, LEAKAGE, FLATTERY):
        found = claim.measure("notebook", (0,))
        json.dumps(found)
        assert claim.decide(found).because
    assert NONE not in query_arms("planted", "notebook")


def test_a_query_is_apart_where_no_answer_of_it_was_copied_for_another():
    at, half = leak_world("planted", "notebook"), leak("planted", NEAR, PERCENT[-1], False, "notebook")
    ids = list(at.test.queries)
    copied = {next(iter(at.test.qrels[query])) for query, leaked in zip(ids, half.leaked, strict=True) if leaked}
    for query, leaked, apart in zip(ids, half.leaked, half.apart, strict=True):
        assert apart == (not copied & set(at.test.qrels[query]))
        assert not (leaked and apart)
    assert leak("planted", NEAR, 0, False, "notebook").apart.all()


def test_a_second_right_answer_is_neither_praised_nor_blamed():
    for collection in TESTED_ON:
        docs = docs_of(collection, "test")
        natural = {p.natural.passage_id: p.natural.query_id for p in written_queries(collection, "test")[:16]}
        for test in exams(collection, "notebook").values():
            run = {q: dict.fromkeys(test.corpus, 1.0) for q in test.queries}
            for passage, hits in chapter_12.one_answer(run, test).items():
                assert set(hits) & set(docs.qrels[natural[passage]]) == {passage}
                assert set(test.corpus) - set(hits) <= set(docs.qrels[natural[passage]])
