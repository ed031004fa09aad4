"""The sieves: what they drop, why, and that they drop nothing else."""

import random

import pytest

from workbook.bm25 import BM25
from workbook.training_data import Dropped, decontaminate, refuse_evaluation_texts, remove_near_duplicates, round_trip

# --- round trip -----------------------------------------------------------------------------------

CORPUS = {"sort": "sort a list of numbers", "socket": "open a network socket", "file": "read a file of numbers"}


def test_round_trip_keeps_the_queries_that_find_their_own_passage():
    queries = {"good": "sort list", "wrong": "open socket", "general": "numbers", "lost": "quantum", "none": "sort"}
    qrels = {
        "good": {"sort": 1},
        "wrong": {"file": 1},
        "general": {"file": 1},
        "lost": {"sort": 1},
        "none": {"sort": 0},
    }
    sieved = round_trip(queries, CORPUS, qrels, BM25(), k=1)
    assert sieved.kept == ["good"]
    assert sieved.dropped == {
        "wrong": Dropped("does not find its passage", "socket", float("inf")),
        "general": Dropped("does not find its passage", "sort", 2),  # as good as its own, and earlier
        "lost": Dropped("does not find its passage", "", float("inf")),
        "none": Dropped("no passage of its own", "", 0),
    }
    assert round_trip(queries, CORPUS, qrels, BM25(), k=2).kept == ["good", "general"]
    assert sieved.counts == {"kept": 1, "no passage of its own": 1, "does not find its passage": 3}


def test_the_querys_own_text_in_the_corpus_takes_no_rank():
    corpus = {"own": "Sort  list", **CORPUS}
    assert round_trip({"q": "sort list"}, corpus, {"q": {"sort": 1}}, BM25(), k=1).kept == ["q"]


def test_a_copy_of_the_passage_counts_as_the_passage():
    corpus = {"copy": "sort a list of numbers", **CORPUS}
    assert round_trip({"q": "sort list"}, corpus, {"q": {"sort": 1}}, BM25(), k=1).kept == ["q"]


# --- near-duplicates ------------------------------------------------------------------------------


def text(seed: int, words: int = 60) -> list[str]:
    return [f"w{random.Random(seed * 1_000 + i).randrange(10**6)}" for i in range(words)]


def test_the_first_of_near_duplicates_is_kept_and_the_others_say_what_they_repeat():
    a = text(0)
    b = [*a[:-1], "other"]  # J = 56 / 58
    half = [*a[:30], *text(1, 30)]
    sieved = remove_near_duplicates(
        {"a": " ".join(a), "half": " ".join(half), "b": " ".join(b), "A": " ".join(a).upper()}
    )
    assert sieved.kept == ["a", "half"]
    assert sieved.dropped == {
        "b": Dropped("near-duplicate", "a", pytest.approx(56 / 58)),
        "A": Dropped("near-duplicate", "a", 1),
    }
    assert repr(sieved) == "Sieved({'kept': 2, 'near-duplicate': 2})"


def test_a_chain_keeps_its_ends():
    chain = [[*text(0)[: 60 - 4 * n], *text(9, 4 * n)] for n in range(3)]
    texts = {f"t{n}": " ".join(words) for n, words in enumerate(chain)}
    assert remove_near_duplicates(texts, threshold=0.8).kept == ["t0", "t2"]


def test_planted_duplicates_are_removed_and_originals_are_not():
    texts = {f"t{i}": " ".join(text(i)) for i in range(300)}
    rng = random.Random(0)
    for i in range(100):
        words = text(i)
        words[rng.choice([0, 59])] = "changed"
        texts[f"copy{i}"] = " ".join(words)
    sieved = remove_near_duplicates(texts)
    assert [name for name in sieved.kept if name.startswith("copy")] == []
    assert len(sieved.kept) == 300
    assert all(reason.by == name.replace("copy", "t") for name, reason in sieved.dropped.items())


# --- decontamination ------------------------------------------------------------------------------


def test_training_pairs_that_touch_the_evaluation_are_dropped_with_the_reason():
    passage = text(0)
    evaluation = {"q": "How to sort a list?", "p": " ".join(passage), "empty": "..."}
    pairs = [
        ("how to SORT a list", "another passage"),  # 0: the query is a test query
        ("how to sort a list quickly", "another passage"),  # 1: longer: its own query
        ("q", " ".join([*text(1), *passage[20:33], *text(2)])),  # 2: thirteen words in a row
        ("q", " ".join([*text(1), *passage[20:32], *text(2)])),  # 3: twelve
        ("q", "a passage", " ".join(passage)),  # 4: in a negative
        ("", "..."),  # 5: nothing at all
    ]
    sieved = decontaminate(pairs, evaluation)
    assert sieved.kept == [1, 3, 5]
    assert sieved.dropped == {
        0: Dropped("equal", "q", 5),
        2: Dropped("shared words", "p", 13),
        4: Dropped("equal", "p", 60),
    }
    # Every tenth word is another: no thirteen words in a row, but most shingles are the same.
    near = [f"new{i}" if i % 10 == 9 else word for i, word in enumerate(passage)]
    sieved = decontaminate([("q", " ".join(near))], evaluation, threshold=0.4)
    assert sieved.dropped[0].why == "near-duplicate"
    assert sieved.dropped[0].by == "p"
    assert decontaminate([("q", " ".join(near))], evaluation, threshold=0.8).kept == [0]


def test_planted_contamination_is_found_and_the_rest_is_kept():
    evaluation = {f"e{i}": " ".join(text(i)) for i in range(100)}
    pairs, planted = [], set()
    for row in range(400):
        words = text(1_000 + row)
        if row % 4 == 0:
            planted.add(row)
            source = text(row // 4)
            words = {
                0: source,
                1: [*words[:20], *source[10:25], *words[20:]],
                2: [*source[:12], "x", *source[13:]],
                3: [w.upper() + "," for w in source],
            }[row // 4 % 4]
        pairs.append((f"query number {row}", " ".join(words)))
    sieved = decontaminate(pairs, evaluation)
    assert set(sieved.dropped) == planted  # precision and recall are 1
    assert all(reason.by == f"e{row // 4}" for row, reason in sieved.dropped.items())
    assert sorted([*sieved.kept, *sieved.dropped]) == list(range(400))


def test_nothing_to_train_on_and_nothing_to_test_on():
    assert decontaminate([], {"q": "a"}).counts == {"kept": 0}
    assert decontaminate([("a", "b")], {}).kept == [0]
    with pytest.raises(ValueError, match="ngram must be at least 1 word, got 0"):
        decontaminate([], {}, ngram=0)
    with pytest.raises(ValueError, match="threshold must be above 0"):
        decontaminate([], {}, threshold=0)


def test_what_is_refused_is_what_decontamination_calls_equal():
    refuse_evaluation_texts(["a text", "", "?"], ["another", "", "  ", "!"])
    texts, evaluation = ["b", "A  Text?", "a text more"], [" a text\n"]
    with pytest.raises(ValueError, match=r"1 training texts .* the first is 'A  Text\?'; leave them out"):
        refuse_evaluation_texts(texts, evaluation)
    sieved = decontaminate([(text,) for text in texts], dict(enumerate(evaluation)), threshold=1.0)
    assert {row: why.why for row, why in sieved.dropped.items()} == {1: "equal"}
    refuse_evaluation_texts([texts[row] for row in sieved.kept], evaluation)
