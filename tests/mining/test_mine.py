"""Hard negatives: found, filtered and chosen as by hand; nothing that is right is ever a negative."""

import random
import tracemalloc
import weakref
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbook.bm25 import BM25
from workbook.encoder import StaticEncoder, TextEncoder, train_tokenizer
from workbook.mining import (
    Mined,
    labeled_pairs,
    mine_hard_negatives,
    mine_in_rounds,
    training_tuples,
)
from workbook.mining.candidates import candidates
from workbook.mining.filters import (
    filter_report,
    keeps_absolute_margin,
    keeps_relative_margin,
    keeps_within,
    score_with_cross_encoder,
)
from workbook.train import fit


class Angles:
    """Encodes a text that begins with a number of degrees as the point at that angle of the circle."""

    def encode_query(self, texts):
        radians = np.deg2rad([float(text.split()[0]) for text in texts])
        return np.stack([np.cos(radians), np.sin(radians)], axis=1)

    encode_document = encode_query


class Reader:
    """A cross-encoder that knows the score of each passage, and counts what it is asked."""

    def __init__(self, scores):
        self.scores, self.asked = scores, []

    def predict(self, pairs):
        self.asked += pairs
        return np.array([self.scores[passage] for _, passage in pairs])


QUERIES = {"q": "0 degrees"}
CORPUS = {"p": "20", "a": "5", "b": "10", "c": "30", "d": "40", "e": "90", "f": "180"}  # nearest: a b p c d e f
QRELS = {"q": {"p": 1}}


def mine(queries=QUERIES, corpus=CORPUS, qrels=QRELS, source=None, **options):
    return mine_hard_negatives(queries, corpus, qrels, source or Angles(), **options)


def ids(mined: Mined, query_id: str = "q") -> list[str]:
    return list(mined.negatives[query_id])


# --- by hand --------------------------------------------------------------------------------------


def test_the_nearest_passages_but_the_positive_hardest_first():
    mined = mine(num_negatives=3)
    assert ids(mined) == ["a", "b", "c"]
    assert list(mined.negatives["q"].values()) == pytest.approx(np.cos(np.deg2rad([5, 10, 30])))
    assert mined.positives == {"q": {"p": pytest.approx(np.cos(np.deg2rad(20)))}}
    assert mined.counts == {
        "queries": 1,
        "queries without a positive": 0,
        "candidates": 4,  # as many as three negatives need, and one more for the positive
        "queries with too few negatives": 0,
        "queries dropped": 0,
        "negatives": 3,
    }


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"range_min": 1}, ["b", "c"]),
        ({"range_min": 2, "range_max": 4}, ["c", "d"]),
        ({"absolute_margin": 0.0}, ["c", "d"]),  # those below the positive
        ({"absolute_margin": 0.1}, ["d", "e"]),  # cos 30° = .866 is less than .1 below cos 20° = .940
        ({"relative_margin": 0.15}, ["d", "e"]),  # .85 · .940 = .799 lies between cos 30° and cos 40° = .766
        ({"max_score": 0.9}, ["c", "d"]),
        ({"absolute_margin": 0.0, "range_min": 1}, ["d", "e"]),  # ranks are counted after the filter
        ({"max_score": 0.99, "min_score": 0.8}, ["b", "c"]),
    ],
)
def test_ranges_margins_and_bounds(options, expected):
    assert ids(mine(num_negatives=2, **options)) == expected


def test_what_each_filter_removes_is_counted_once():
    mined = mine(num_negatives=1, range_max=7, absolute_margin=0.0, relative_margin=0.15, max_score=0.5, min_score=-0.5)
    assert ids(mined) == ["e"]
    assert {name: n for name, n in mined.counts.items() if name.startswith("removed")} == {
        "removed by absolute_margin": 2,  # a, b
        "removed by relative_margin": 1,  # c
        "removed by max_score": 1,  # d
        "removed by min_score": 1,  # f
    }


def test_of_several_positives_the_hardest_sets_the_margin_and_each_gives_a_tuple():
    qrels = {"q": {"b": 1, "c": 2, "a": 0}}
    mined = mine(qrels=qrels, num_negatives=2, absolute_margin=0.0)
    assert ids(mined) == ["d", "e"]  # cos 40° is below cos 30°; a was judged wrong, but cos 5° is above it
    assert training_tuples(mined, QUERIES, CORPUS) == [("0 degrees", "10", "40", "90"), ("0 degrees", "30", "40", "90")]
    assert ids(mine(qrels=qrels, num_negatives=1)) == ["a"]  # grade 0 is a negative like any other


def test_labeled_pairs_hold_each_positive_and_each_negative():
    assert labeled_pairs(mine(num_negatives=2), QUERIES, CORPUS) == [
        ("0 degrees", "20", 1.0),
        ("0 degrees", "5", 0.0),
        ("0 degrees", "10", 0.0),
    ]


def test_vectors_in_half_precision_are_compared_in_float32():
    class Half(Angles):  # in float16 the cosines of 0.1 and of 0.2 degrees are both 1
        def encode_query(self, texts):
            return super().encode_query(texts).astype(np.float16)

        encode_document = encode_query

    mined = mine(corpus={"p": "45", "a": "0.4", "b": "0.2", "c": "0.1"}, source=Half(), num_negatives=3)
    assert ids(mined) == ["c", "b", "a"]
    assert len(set(mined.negatives["q"].values())) == 3


# --- what is right is never a negative ------------------------------------------------------------


def test_the_text_of_a_positive_or_of_the_query_is_no_negative_under_any_id():
    corpus = {"twin": " 20 ", **CORPUS, "own": "0  DEGREES", "a2": "5"}
    mined = mine(corpus=corpus, num_negatives=5)
    assert ids(mined) == ["a", "b", "c", "d", "e"]  # no twin, not the query, and a2 is a, once


TEXTS = st.sampled_from([f"{angle}{end}" for angle in range(0, 180, 15) for end in ("", " ", " x")])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(TEXTS, min_size=1, max_size=14),
    st.lists(st.tuples(TEXTS, st.lists(st.integers(0, 13), max_size=3)), max_size=4),
    st.integers(1, 4),
    st.integers(0, 2),
    st.sampled_from(["top", "random"]),
    st.sampled_from(["drop", "pad", "keep"]),
    st.integers(1, 6),
    st.booleans(),
)
def test_whatever_the_data_nothing_right_is_a_negative(
    texts, asked, num_negatives, range_min, strategy, too_few, chunk_size, keyword
):
    corpus = {f"p{i}": text for i, text in enumerate(texts)}
    queries = {f"q{i}": text for i, (text, _) in enumerate(asked)}
    qrels = {f"q{i}": {f"p{j % len(texts)}": 1 for j in positives} for i, (_, positives) in enumerate(asked)}
    source = BM25() if keyword else Angles()
    mined = mine(
        queries, corpus, qrels, source, num_negatives=num_negatives, range_min=range_min, chunk_size=chunk_size,
        sampling_strategy=strategy, too_few=too_few, seed=1,
    )  # fmt: skip
    for query_id, found in mined.negatives.items():
        known = {corpus[p].strip() for p in qrels[query_id]} | {queries[query_id].strip()}
        negatives = [corpus[passage_id].strip() for passage_id in found]
        assert not known & set(negatives)
        assert len(set(negatives)) == len(negatives)
        assert 0 < len(negatives) <= num_negatives
        if too_few != "keep":
            assert len(negatives) == num_negatives
        assert list(found.values()) == sorted(found.values(), reverse=True)
    counts = mined.counts
    assert counts["queries"] - counts["queries without a positive"] - counts["queries dropped"] == len(mined.negatives)
    assert counts["negatives"] == sum(map(len, mined.negatives.values()))


# --- too few --------------------------------------------------------------------------------------


def test_a_query_with_too_few_is_dropped_or_padded_or_kept_and_counted():
    few = {"num_negatives": 4, "min_score": 0.7}  # only a, b, c and d at 40 degrees pass, and d does not at 50
    corpus = CORPUS | {"d": "50"}
    dropped, padded, kept = (mine(corpus=corpus, too_few=rule, **few) for rule in ("drop", "pad", "keep"))
    assert dropped.negatives == {}
    assert dropped.positives == {}
    assert training_tuples(dropped, QUERIES, corpus) == []
    assert ids(kept) == ["a", "b", "c"]
    assert ids(padded)[:3] == ["a", "b", "c"]
    assert ids(padded)[3] in {"d", "e", "f"}
    assert padded.negatives["q"][ids(padded)[3]] == float("-inf")
    for mined, left in ((dropped, 0), (padded, 4), (kept, 3)):
        assert mined.counts["queries with too few negatives"] == 1
        assert mined.counts["queries dropped"] == (left == 0)
        assert mined.counts["negatives"] == left


def test_padding_comes_from_all_of_the_corpus_and_never_from_what_is_known():
    qrels = {"q": {"p": 1, "a": 1}}
    seen = {ids(mine(qrels=qrels, num_negatives=1, max_score=-2.0, too_few="pad", seed=s))[0] for s in range(60)}
    assert seen == {"b", "c", "d", "e", "f"}


def test_a_corpus_too_small_to_pad_from_drops_the_query():
    mined = mine(corpus={"p": "20", "a": "5"}, num_negatives=2, too_few="pad")
    assert mined.negatives == {}
    assert mined.counts["queries dropped"] == 1


def test_tuples_of_different_lengths_are_refused():
    mined = mine({"q": "0", "r": "1"}, CORPUS, {"q": {"p": 1}, "r": {"p": 1, "a": 1, "b": 1, "c": 1}},
                 num_negatives=5, too_few="keep")  # fmt: skip
    with pytest.raises(ValueError, match=r"queries have \[3, 5\] negatives; mine with too_few"):
        training_tuples(mined, {"q": "0", "r": "1"}, CORPUS)
    assert len(labeled_pairs(mined, {"q": "0", "r": "1"}, CORPUS)) == 1 + 5 + 4 + 3


def test_queries_without_a_positive_are_passed_over_and_counted():
    mined = mine({"q": "0", "none": "1", "zero": "2"}, CORPUS, {"q": {"p": 1}, "zero": {"a": 0}, "other": {"x": 1}})
    assert list(mined.negatives) == ["q"]
    assert mined.counts["queries without a positive"] == 2


def test_nothing_asked_gives_nothing():
    mined = mine({}, CORPUS, {})
    assert (mined.negatives, mined.positives) == ({}, {})
    assert mine({}, {}, {}, BM25()).counts["queries"] == 0


# --- sampling -------------------------------------------------------------------------------------


def test_random_sampling_takes_any_rank_in_range_follows_the_seed_and_leaves_the_global_state():
    before = random.getstate(), torch.get_rng_state()
    draws = [
        tuple(ids(mine(num_negatives=2, range_min=1, range_max=5, sampling_strategy="random", seed=s)))
        for s in range(80)
    ]
    assert set(draws) == {("b", "c"), ("b", "d"), ("b", "e"), ("c", "d"), ("c", "e"), ("d", "e")}
    assert draws[7] == tuple(ids(mine(num_negatives=2, range_min=1, range_max=5, sampling_strategy="random", seed=7)))
    assert random.getstate() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


# --- sources --------------------------------------------------------------------------------------


def test_bm25_negatives_share_words_and_its_margin_is_kept_from_its_own_score():
    corpus = {"p": "sort a list", "a": "sort a list of numbers", "b": "list the files", "c": "open a socket"}
    queries, qrels = {"q": "how to sort a list"}, {"q": {"p": 1}}
    mined = mine(queries, corpus, qrels, BM25(), num_negatives=3, too_few="keep")
    index = BM25().index(corpus)
    assert list(mined.negatives["q"]) == ["a", "b"]  # c shares nothing but "a", which is no word
    expected = dict(zip(corpus, index.scores("how to sort a list"), strict=True))
    assert mined.negatives["q"] == {p: pytest.approx(expected[p]) for p in "ab"}
    assert mined.positives["q"] == {"p": pytest.approx(expected["p"])}
    strict = mine(queries, corpus, qrels, BM25(), num_negatives=1, relative_margin=0.5)
    assert list(strict.negatives["q"]) == ["b"]


def test_any_finished_run_is_a_source():
    run = {"q": {"c": 0.2, "f": 0.9, "p": 0.5, "a": 0.4}}
    assert ids(mine(source=run, num_negatives=2)) == ["f", "a"]
    assert ids(mine(source=run, num_negatives=2, absolute_margin=0.05)) == ["a", "c"]
    with pytest.raises(ValueError, match="has no score, so no margin can be kept"):
        mine(source={"q": {"a": 0.4}}, absolute_margin=0.0)
    assert ids(mine(source={"q": {"a": 0.4}}, num_negatives=1)) == ["a"]


def test_a_source_that_is_none_a_run_with_an_unknown_id_and_a_nan_are_refused():
    with pytest.raises(TypeError, match=r"source must be an encoder .* or a run .*, got int"):
        mine(source=3)
    with pytest.raises(ValueError, match="the run names passage 'z' for query 'q', but the corpus lacks it"):
        mine(source={"q": {"z": 1.0}})
    with pytest.raises(ValueError, match="a run must not hold NaN"):
        mine(source={"q": {"a": float("nan")}})
    with pytest.raises(ValueError, match="corpus must not hold NaN"):
        mine(corpus=CORPUS | {"a": "nan"})
    with pytest.raises(ValueError, match="qrels name passage 'z' for query 'q', but the corpus lacks it"):
        mine(qrels={"q": {"z": 1}})


@pytest.mark.parametrize(
    "options",
    [{"num_negatives": 0}, {"range_min": -1}, {"range_min": 5, "range_max": 5}, {"range_max": 2, "num_negatives": 3}],
)
def test_ranges_without_room_are_refused(options):
    with pytest.raises(ValueError, match="num_negatives must fit between range_min and range_max, got"):
        mine(**options)


def test_names_and_numbers_out_of_range_are_refused():
    with pytest.raises(ValueError, match='sampling_strategy must be "top" or "random"'):
        mine(sampling_strategy="best")
    with pytest.raises(ValueError, match='too_few must be "drop", "pad" or "keep"'):
        mine(too_few="ignore")
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        candidates(QUERIES, CORPUS, QRELS, Angles(), k=0)


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 100])
def test_the_chunk_size_changes_nothing_even_with_ties(chunk_size):
    corpus = {f"p{i}": f"{10 * (i % 4)} {i}" for i in range(40)}
    expected = [f"p{i}" for i in (4, 8, 12)]
    mined = mine({"q": "0 q"}, corpus, {"q": {"p0": 1}}, num_negatives=3, chunk_size=chunk_size)
    assert ids(mined) == expected


# --- the cross-encoder and the filters ------------------------------------------------------------

READ = Reader({"20": 0.9, "5": 0.95, "10": 0.1, "30": 0.5, "40": 0.7, "90": 0.2, "180": 0.0})


def test_a_cross_encoder_decides_ranks_and_filters():
    assert ids(mine(cross_encoder=READ, num_negatives=3, range_max=7)) == ["a", "d", "c"]
    assert ids(mine(cross_encoder=READ, num_negatives=2, range_max=7, absolute_margin=0.3)) == ["c", "e"]
    assert ids(mine(cross_encoder=READ, num_negatives=2, range_max=7, max_score=0.15)) == ["b", "f"]


def test_a_cross_encoder_is_asked_once_about_each_candidate_and_each_positive():
    reader = Reader(READ.scores)
    mine({"q": "0 degrees", "r": "90 degrees"}, CORPUS, {"q": {"p": 1}, "r": {"e": 1}}, cross_encoder=reader,
         num_negatives=1, range_max=2)  # fmt: skip
    assert len(reader.asked) == len(set(reader.asked)) == 2 * 3  # k = 2, and one known: two or three candidates and
    assert ("0 degrees", "20") in reader.asked  # the positives
    assert ("90 degrees", "90") in reader.asked


def test_a_cross_encoder_that_answers_wrongly_is_named():
    class Short(Reader):
        def predict(self, pairs):
            return super().predict(pairs)[:-1]

    with pytest.raises(ValueError, match=r"one finite score for each of \d+ pairs, got"):
        mine(cross_encoder=Short(READ.scores))
    with pytest.raises(ValueError, match=r"of (\d+) pairs, got \1, (?!\1)\d+ of them finite"):
        mine(cross_encoder=Reader(READ.scores | {"5": float("nan")}))


def test_filters_by_hand_and_at_the_border():
    scores = torch.tensor([[0.75, 0.5, 0.25, -0.5]])
    assert keeps_absolute_margin(scores, torch.tensor([0.75]), 0.25).tolist() == [[False, True, True, True]]
    assert keeps_relative_margin(scores, torch.tensor([1.0]), 0.5).tolist() == [[False, True, True, True]]
    # A negative positive: the threshold is -1 - 0.5, not -0.5.
    below = torch.tensor([[-0.75, -1.5, -2.0]])
    assert keeps_relative_margin(below, torch.tensor([-1.0]), 0.5).tolist() == [[False, True, True]]
    assert keeps_within(scores, min_score=0.25, max_score=0.5).tolist() == [[False, True, True, False]]
    assert keeps_within(scores).all()


@settings(deadline=None)
@given(st.floats(-2, 2), st.floats(0, 1), st.lists(st.floats(-3, 3), min_size=1, max_size=8))
def test_a_larger_margin_never_keeps_more(positive, margin, values):
    scores, positives = (torch.tensor(x, dtype=torch.float64) for x in ([values], [positive]))
    for keeps in (keeps_absolute_margin, keeps_relative_margin):
        assert (keeps(scores, positives, margin + 0.1) <= keeps(scores, positives, margin)).all()
        assert torch.equal(keeps(scores, positives, 0.0), scores <= positive)


def test_filters_refuse_shapes_that_do_not_fit():
    for keeps in (keeps_absolute_margin, keeps_relative_margin):
        with pytest.raises(ValueError, match=r"expected scores \(Q, K\) and positive_scores \(Q,\), got"):
            keeps(torch.ones(2, 3), torch.ones(3), 0.1)


def test_a_filter_report_by_hand():
    before = {"q": {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.6}, "r": {"a": 0.5}}
    after = {"q": {"b": 0.8, "d": 0.6}, "r": {"a": 0.5}}
    truth = {"q": {"a": 1, "b": 1, "p": 1, "c": 0}}  # a and b are right; a and c were removed
    assert filter_report(before, after, truth) == {
        "candidates": 5,
        "false negatives": 2,
        "removed": 2,
        "precision": 1 / 2,
        "recall": 1 / 2,
        "left": 1 / 3,
        "lost": 1 / 3,
    }
    assert np.isnan(filter_report(before, before, truth)["precision"])
    with pytest.raises(ValueError, match=r"kept holds \('q', 'z'\), which is no candidate"):
        filter_report(before, {"q": {"z": 1.0}}, truth)


def planted(seed: int = 0, num_queries: int = 40):
    """Queries far apart on a circle, each with one labelled answer, two unlabelled ones nearer, three traps farther.

    What is right lies within 1 degree of its query, what is a trap 2 to 3 degrees away. Returns the truth, too.
    """
    rng = random.Random(seed)
    queries, corpus, qrels, truth = {}, {}, {}, {}
    for i in range(num_queries):
        centre = 9.0 * i
        queries[f"q{i}"] = f"{centre} query"
        offsets = [rng.uniform(0.8, 1.0), *(rng.uniform(0.1, 0.7) for _ in "12"), *(rng.uniform(2, 3) for _ in "123")]
        names = [f"{kind}{i}" for kind in ("labelled", "right1-", "right2-", "trap1-", "trap2-", "trap3-")]
        corpus |= {name: f"{centre + offset} passage" for name, offset in zip(names, offsets, strict=True)}
        qrels[f"q{i}"] = {names[0]: 1}
        truth[f"q{i}"] = dict.fromkeys(names[:3], 1)
    return queries, corpus, qrels, truth


def test_on_planted_data_each_filter_finds_the_unlabelled_answers_and_what_it_costs_is_known():
    queries, corpus, qrels, truth = planted()
    found = candidates(queries, corpus, qrels, Angles(), k=5)
    everything = filter_report(found.run(), found.run(), truth)
    assert everything["candidates"] == 40 * 5
    assert everything["false negatives"] == 40 * 2
    assert everything["left"] == 0.4  # two of every five "negatives" are right: topk mining without a filter
    positive = found.hardest_positive
    exact = filter_report(found.run(), found.run(keeps_absolute_margin(found.scores, positive, 0.0)), truth)
    assert (exact["precision"], exact["recall"], exact["left"], exact["lost"]) == (1, 1, 0, 0)
    # 5 % of a cosine near 1 is eighteen degrees: the traps go, too.
    greedy = filter_report(found.run(), found.run(keeps_relative_margin(found.scores, positive, 0.05)), truth)
    assert (greedy["recall"], greedy["lost"]) == (1, 1)
    assert greedy["precision"] == 0.4
    # A reader who knows the truth three times out of four.
    right = {corpus[passage] for passages in truth.values() for passage in passages}
    rng = random.Random(1)
    reader = Reader({text: float((text in right) == (rng.random() < 0.75)) for text in corpus.values()})
    read = score_with_cross_encoder(found, reader, queries, corpus)
    report = filter_report(found.run(), read.run(keeps_within(read.scores, max_score=0.5)), truth)
    assert 0.6 < report["recall"] < 0.9
    assert 0.1 < report["lost"] < 0.4
    # The same through the whole miner: no unlabelled answer is trained against, and every query has its traps.
    mined = mine_hard_negatives(queries, corpus, qrels, Angles(), absolute_margin=0.0, num_negatives=3)
    assert all(name.startswith("trap") for negatives in mined.negatives.values() for name in negatives)
    assert mined.counts["negatives"] == 120


# --- rounds ---------------------------------------------------------------------------------------


def test_rounds_mine_with_what_the_last_round_trained():
    names = [f"thing{i}" for i in range(30)]
    queries = {f"q{i}": f"find {name} now" for i, name in enumerate(names)}
    corpus = {f"p{i}": f"about {name} here" for i, name in enumerate(names)}
    corpus |= {f"x{i}": f"find {names[(i + 1) % 30]} find now" for i in range(30)}  # the query's words, another thing
    qrels = {f"q{i}": {f"p{i}": 1} for i in range(30)}
    tokenizer = train_tokenizer(list(corpus.values()) * 3, vocab_size=200)
    torch.manual_seed(0)
    encoder = TextEncoder(tokenizer, StaticEncoder(tokenizer.get_vocab_size(), 32))
    trained = []

    def train(tuples):
        trained.append(tuples)
        fit(encoder, tuples, steps=20, batch_size=16, lr=0.05)

    rounds = mine_in_rounds(encoder, train, queries, corpus, qrels, rounds=3, first=BM25(), num_negatives=1)
    assert [len(tuples) for tuples in trained] == [30, 30, 30]
    bm25 = mine_hard_negatives(queries, corpus, qrels, BM25(), num_negatives=1)
    assert rounds[0].negatives == bm25.negatives
    assert rounds[2].negatives != rounds[1].negatives  # after training something else is hard

    def beaten(mined):  # queries whose hardest negative scores above their positive
        return sum(max(n.values()) > max(mined.positives[q].values()) for q, n in mined.negatives.items())

    untrained = TextEncoder(tokenizer, StaticEncoder(tokenizer.get_vocab_size(), 32))
    assert beaten(rounds[2]) < beaten(mine_hard_negatives(queries, corpus, qrels, untrained, num_negatives=1))


def test_rounds_without_anything_to_train_on_are_refused():
    with pytest.raises(ValueError, match=r"round 1 mined nothing to train on: .*loosen the filters"):
        mine_in_rounds(Angles(), print, QUERIES, CORPUS, QRELS, max_score=-2.0)
    with pytest.raises(ValueError, match="rounds must be at least 1"):
        mine_in_rounds(Angles(), print, QUERIES, CORPUS, QRELS, rounds=0)


# --- memory ---------------------------------------------------------------------------------------


class Endless(Mapping):
    """A corpus whose texts are made when they are asked for."""

    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __iter__(self):
        return iter(range(self.size))

    def __getitem__(self, number):
        return f"{number} " + "passage " * 50


class Watched:
    """An encoder that knows how many of its vectors are alive."""

    def __init__(self):
        self.alive = self.most = 0

    def encode_query(self, texts):
        return np.ones((len(texts), 256), dtype=np.float32)

    def encode_document(self, texts):
        vectors = np.ones((len(texts), 256), dtype=np.float32)
        self.alive += len(texts)
        self.most = max(self.most, self.alive)
        weakref.finalize(vectors, self.gone, len(texts))
        return vectors

    def gone(self, count):
        self.alive -= count


def test_memory_does_not_grow_with_the_corpus():
    peaks = []
    for size in (1_000, 4_000):
        encoder = Watched()
        tracemalloc.start()
        mine_hard_negatives({"q": "0"}, Endless(size), {"q": {0: 1}}, encoder, chunk_size=250)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert encoder.most <= 2 * 250  # one chunk, and the one before it that has not been let go
    growth = (peaks[1] - peaks[0]) / 3_000
    assert growth < 300, f"{growth:.0f} bytes for each passage more"  # a vector is 1,024 bytes, a text 400 and more
