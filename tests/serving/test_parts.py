"""The parts of serving: queue, batcher, cache, drift, a change of model."""

import asyncio
import threading

import numpy as np
import pytest
import torch

from workbook.encoder import load
from workbook.index import FlatIndex
from workbook.serving import (
    Batcher,
    Cache,
    FingerprintedIndex,
    Migration,
    OtherModel,
    Store,
    agreement,
    alarm_threshold,
    fingerprint,
    largest_gap,
    nearest_rank,
    one_by_one,
    random_arrivals,
    together,
)


@pytest.fixture(scope="module")
def base():
    return load("base")


@pytest.fixture(scope="module")
def start():
    return load("base/start")


def test_the_worked_example():
    latencies = one_by_one([0, 2, 4, 30, 31], 10)
    assert latencies == [10, 18, 26, 10, 19]
    assert [nearest_rank(latencies, p) for p in (50, 95)] == [18, 26]


def test_batches_of_one_without_a_window_are_the_queue():
    arrivals = random_arrivals(0.08, 50, 1)
    assert together(arrivals, 0.0, 1, 8.0, 2.0) == one_by_one(arrivals, 10.0)


def test_what_a_queue_refuses():
    with pytest.raises(ValueError, match="ascending"):
        one_by_one([2.0, 1.0], 1.0)
    with pytest.raises(ValueError, match="percent from 1 to 100"):
        nearest_rank([1.0], 0)
    with pytest.raises(ValueError, match="largest"):
        together([0.0], 1.0, 0, 1.0, 1.0)


@pytest.mark.parametrize("rate", [0.5, 0.8])
def test_the_mean_latency_is_what_the_formula_says(rate):
    """Random arrivals, fixed service s, load r: s + s · r / (2 · (1 − r)) (Pollaczek and Khinchine)."""
    means = [np.mean(one_by_one(random_arrivals(rate, 20_000, seed), 1.0)) for seed in range(3)]
    assert np.mean(means) == pytest.approx(1 + rate / (2 * (1 - rate)), rel=0.1)


# --- the batcher -----------------------------------------------------------------------------


def upper(items):
    return [item.upper() for item in items]


def test_each_caller_gets_the_answer_to_its_own_item():
    async def ask():
        async with Batcher(upper, window=0.01, largest=4) as batcher:
            return await asyncio.gather(*(batcher.ask(letter) for letter in "abcdefghij")), [*batcher.sizes]

    answers, sizes = asyncio.run(ask())
    assert answers == list("ABCDEFGHIJ")
    assert sum(sizes) == 10
    assert max(sizes) <= 4


def test_while_the_model_works_the_next_batch_gathers():
    began, go_on = threading.Event(), threading.Event()

    def slow(items):
        began.set()
        assert go_on.wait(60)
        return list(items)

    async def ask():
        async with Batcher(slow, largest=8) as batcher:
            first = asyncio.create_task(batcher.ask(0))
            await asyncio.to_thread(began.wait, 60)
            others = [asyncio.create_task(batcher.ask(i)) for i in range(1, 6)]
            await asyncio.sleep(0)
            go_on.set()
            await asyncio.gather(first, *others)
            return [*batcher.sizes]

    assert asyncio.run(ask()) == [1, 5]


def test_a_failing_model_fails_its_batch_and_no_other():
    def picky(items):
        if "bad" in items:
            raise RuntimeError("no")
        return list(items)

    async def ask():
        async with Batcher(picky, largest=1) as batcher:
            return await asyncio.gather(*(batcher.ask(i) for i in ("a", "bad", "b")), return_exceptions=True)

    first, second, third = asyncio.run(ask())
    assert (first, third) == ("a", "b")
    assert isinstance(second, RuntimeError)


def test_a_caller_that_went_away_is_not_computed_for():
    seen = []

    async def ask():
        async with Batcher(lambda items: (seen.append(list(items)), items)[1], largest=8) as batcher:
            gone = asyncio.create_task(batcher.ask("gone"))
            stays = asyncio.create_task(batcher.ask("stays"))
            await asyncio.sleep(0)
            gone.cancel()
            return await stays

    assert asyncio.run(ask()) == "stays"
    assert seen in ([["stays"]], [["gone", "stays"]])


def test_a_wrong_number_of_answers_is_an_error():
    async def ask():
        async with Batcher(lambda items: []) as batcher:
            await batcher.ask("a")

    with pytest.raises(ValueError, match="0 answers to 1 items"):
        asyncio.run(ask())


def test_what_a_batcher_refuses():
    with pytest.raises(ValueError, match="window"):
        Batcher(upper, window=-1)
    with pytest.raises(ValueError, match="largest"):
        Batcher(upper, largest=0)


# --- cache and drift -------------------------------------------------------------------------


def test_a_cache_forgets_what_was_used_longest_ago():
    cache = Cache[int](2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert cache.get("b") is None
    assert cache.keys() == ["a", "c"]
    assert (cache.hits, cache.misses, len(cache)) == (1, 1, 2)


def test_the_largest_gap_is_scipys():
    from scipy.stats import ks_2samp

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=40).round(1), rng.normal(0.5, size=25).round(1)
    assert largest_gap(a, b) == pytest.approx(ks_2samp(a, b).statistic)


def test_quiet_days_ring_as_often_as_allowed():
    rng = np.random.default_rng(0)
    quiet = rng.normal(0.95, 0.01, 100).tolist()
    threshold = alarm_threshold(quiet, 0.05)
    assert sum(day < threshold for day in quiet) == 5
    fresh = [
        rng.normal() < alarm_threshold(rng.normal(size=19).tolist(), 0.1) for _ in range(2_000)
    ]  # k = 1, so 2 in 20 on a new day
    assert np.mean(fresh) == pytest.approx(0.1, abs=0.03)
    with pytest.raises(ValueError, match="quiet days"):
        alarm_threshold([], 0.05)


def test_another_model_does_not_agree(base, start):
    texts = ["a sharp pain in the chest", "sort a list of numbers", "blood sugar"]
    vectors, others = (torch.tensor(encoder.encode(texts)) for encoder in (base, start))
    assert agreement(vectors, vectors) == pytest.approx(1.0)
    assert agreement(vectors, others) < 0.9
    with pytest.raises(ValueError, match="one shape"):
        agreement(vectors, others[:, :8])


# --- a change of model -----------------------------------------------------------------------

TEXTS = {"pain": "a sharp pain in the chest", "sort": "sort a list of numbers", "sugar": "the level of blood sugar"}


def test_a_fingerprint_follows_weights_and_settings(base, start):
    assert fingerprint(base) == fingerprint(load("base")) != fingerprint(start)
    other = load("base")
    other.query_prompt = "query: "
    assert fingerprint(other) != fingerprint(base)


def test_an_index_refuses_vectors_of_another_model(base, start):
    index = FingerprintedIndex(FlatIndex(base.embedding_size), fingerprint(base))
    index.add(base.encode_document(list(TEXTS.values())), fingerprint(base))
    with pytest.raises(OtherModel, match="nothing says that they can be compared"):
        index.search(start.encode_query(["pain"]), 1, fingerprint(start))
    with pytest.raises(OtherModel):
        index.add(start.encode_document(["pain"]), fingerprint(start))
    assert index.search(base.encode_query(["pain in the chest"]), 1, fingerprint(base))[1].tolist() == [[0]]


def test_a_change_of_model_without_downtime(base, start):
    old, new = (Store(encoder, FlatIndex(encoder.embedding_size)) for encoder in (start, base))
    old.add(TEXTS)
    moving = Migration(old, new)
    with pytest.raises(ValueError, match="3 texts are missing"):
        moving.cut_over()
    moving.add({"new": "how to fold a paper plane"})
    assert moving.fill(TEXTS, most=2) == 1
    before = moving.search(["fold a plane"], 1)
    assert before == [["new"]], "the old model answers, with what has come meanwhile"
    assert moving.fill(TEXTS, most=2) == 0
    moving.cut_over()
    assert moving.serving is new
    assert sorted(new.ids) == sorted(old.ids)
    assert moving.search(["pain in the chest", "fold a plane"], 1) == [["pain"], ["new"]]
