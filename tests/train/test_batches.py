"""Batches: every row once in an epoch, of similar length, and without duplicates where that is asked for."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.train.test_fit import PAIRS, static, weights
from workbook.losses import info_nce
from workbook.train import (
    bucketed_batches,
    drawn_batches,
    epoch_batches,
    fit,
    share_with_twin,
    source_shares,
    stream_batches,
    without_duplicates,
)


@given(
    lengths=st.lists(st.integers(0, 500), min_size=1, max_size=200),
    batch_size=st.integers(1, 50),
    seed=st.integers(0, 2**31),
    epoch=st.integers(0, 100),
    pool_batches=st.integers(1, 20),
)
def test_an_epoch_holds_every_row_once_in_batches_of_nearly_one_size(lengths, batch_size, seed, epoch, pool_batches):
    array = np.array(lengths)
    batches = bucketed_batches(array, batch_size, seed, epoch, pool_batches)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    sizes = [len(batch) for batch in batches]
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    again = bucketed_batches(array, batch_size, seed, epoch, pool_batches)
    assert all((a == b).all() for a, b in zip(batches, again, strict=True))


def test_every_epoch_and_every_seed_has_an_order_of_its_own():
    lengths = np.random.default_rng(0).integers(1, 100, size=400)
    orders = [tuple(np.concatenate(bucketed_batches(lengths, 16, seed, epoch))) for seed in (0, 1) for epoch in (0, 1)]
    assert len(set(orders)) == 4


def test_texts_of_a_batch_meet_other_texts_in_the_next_epoch():
    lengths = np.random.default_rng(0).integers(1, 100, size=2_000)
    first, second = (bucketed_batches(lengths, 20, epoch=epoch, pool_batches=5) for epoch in (0, 1))
    together = {frozenset(batch) for batch in first} & {frozenset(batch) for batch in second}
    assert not together


def test_bucketing_saves_padding_and_a_pool_of_one_batch_does_not():
    lengths = np.random.default_rng(0).geometric(0.02, size=4_096)

    def padding(pool_batches):
        batches = bucketed_batches(lengths, 32, pool_batches=pool_batches)
        return sum(lengths[batch].max() * len(batch) for batch in batches) / lengths.sum()

    assert padding(1) > 3
    assert padding(16) < 1.6
    assert padding(16) > padding(64)


# --- without duplicates -------------------------------------------------------------------------


@st.composite
def rows_of_texts(draw):
    return draw(st.lists(st.tuples(*[st.integers(0, 15)] * draw(st.integers(1, 3))), min_size=1, max_size=60))


@given(rows_of_texts(), st.integers(1, 20), st.integers(0, 100), st.integers(1, 5))
def test_no_text_stands_twice_in_a_batch_and_no_row_is_lost(texts, batch_size, seed, pool_batches):
    planned = bucketed_batches(np.array([len(row) for row in texts]), batch_size, seed, 0, pool_batches)
    batches = without_duplicates(planned, texts)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(texts)))
    assert max(map(len, batches)) <= batch_size
    for batch in batches:
        for one, other in itertools.combinations(batch, 2):
            assert not set(texts[one]) & set(texts[other])


def test_where_nothing_is_double_the_batches_are_as_they_were():
    planned = bucketed_batches(np.arange(70) % 9, 16)
    found = without_duplicates(planned, [(f"query {i}", f"passage {i}") for i in range(70)])
    assert [batch.tolist() for batch in found] == [batch.tolist() for batch in planned]


def test_what_has_to_wait_comes_first_in_the_next_batch():
    texts = ["ax", "bx", "cy", "ay", "dz", "ez"]  # rows 0 and 1 share x, 0 and 3 a, 2 and 3 y, 4 and 5 z
    found = without_duplicates([np.array([0, 1, 2]), np.array([3, 4, 5])], texts)
    assert [batch.tolist() for batch in found] == [[0, 2, 4], [1, 3, 5]]
    assert [batch.tolist() for batch in without_duplicates([np.arange(3)], ["a", "a", "a"])] == [[0], [1], [2]]


@pytest.mark.parametrize("start", [0, 1, 5, 6, 7, 13, 40])
@pytest.mark.parametrize("double", [True, False])
def test_a_stream_goes_on_where_it_was(start, double):
    texts = [(i, f"{i % 12}") for i in range(60)] if double else None  # each passage stands in five pairs
    lengths = np.arange(60) % 7
    whole, rest = (stream_batches(lengths, 16, seed=3, start=n, texts=texts) for n in (0, start))
    expected = [batch.tolist() for batch in itertools.islice(whole, start, start + 9)]
    assert [batch.tolist() for batch in itertools.islice(rest, 9)] == expected


# --- one source for each batch ------------------------------------------------------------------


@given(
    groups=st.lists(st.sampled_from("abc"), min_size=1, max_size=120),
    batch_size=st.integers(1, 20),
    epoch=st.integers(0, 5),
    double=st.booleans(),
)
def test_a_batch_holds_rows_of_one_group_and_no_row_is_lost(groups, batch_size, epoch, double):
    lengths = np.arange(len(groups)) % 7
    texts = [(f"query {i}", f"passage {i % 40}") for i in range(len(groups))] if double else None
    batches = epoch_batches(lengths, batch_size, 3, epoch, 4, texts, groups)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(groups)))
    assert all(len({groups[row] for row in batch}) == 1 and len(batch) <= batch_size for batch in batches)
    if double:
        assert all(len({row % 40 for row in batch}) == len(batch) for batch in batches)
    else:
        assert len(batches) == sum(math.ceil(groups.count(name) / batch_size) for name in set(groups))


def test_batches_of_all_groups_are_shuffled_and_one_group_is_as_without():
    lengths = np.arange(400) % 9
    order = [
        row < 200 for batch in epoch_batches(lengths, 20, groups=[row < 200 for row in range(400)]) for row in batch
    ]
    assert 3 < sum(before != after for before, after in itertools.pairwise(order)) < 20
    alone, plain = (epoch_batches(lengths, 20, groups=groups) for groups in (["a"] * 400, None))
    assert {tuple(batch) for batch in alone} == {tuple(batch) for batch in plain}


@pytest.mark.parametrize("start", [0, 1, 7, 8, 9, 30])
def test_a_stream_of_groups_goes_on_where_it_was(start):
    groups = ["short" if row % 3 else "long" for row in range(60)]
    whole, rest = (stream_batches(np.arange(60) % 7, 8, seed=3, start=n, groups=groups) for n in (0, start))
    expected = [batch.tolist() for batch in itertools.islice(whole, start, start + 9)]
    assert [batch.tolist() for batch in itertools.islice(rest, 9)] == expected


def test_fit_draws_batches_of_one_group_and_refuses_other_groups_after_a_stop(tmp_path):
    seen = []

    def watching(query, positive, labels):
        seen.append({int(label) for label in labels})
        return info_nce(query, positive)

    groups = [row % 3 for row in range(len(PAIRS))]
    running = {"steps": 12, "batch_size": 8, "lr": 0.01, "labels": torch.tensor(groups), "show": False, "checkpoint": tmp_path}  # fmt: skip
    fit(static(), PAIRS, watching, groups=groups, **running)
    assert len(seen) == 12
    assert all(len(batch) == 1 for batch in seen)
    assert len(set.union(*seen)) == 3
    with pytest.raises(ValueError, match="groups was"):
        fit(static(), PAIRS, watching, groups=groups[::-1], **running)
    with pytest.raises(ValueError, match=f"a group for each of the {len(PAIRS)} rows, got 2"):
        fit(static(), PAIRS, watching, groups=["a", "b"], **running)


def test_fit_keeps_duplicates_apart_and_goes_on_after_a_stop(tmp_path):
    pairs = [(query, PAIRS[row % 9][1]) for row, (query, _) in enumerate(PAIRS)]  # nine passages, eight times each
    sizes = []

    def loss(query, positive):
        sizes.append(len(query))
        assert len(positive.detach().unique(dim=0)) == len(positive)
        return (query * positive).sum()

    options = {"steps": 20, "batch_size": 16, "no_duplicates": True}
    whole = static()
    history = fit(whole, pairs, loss, **options)
    assert max(sizes) == 9
    fit(static(), pairs, loss, **options, checkpoint=tmp_path, on_step=lambda record: record["step"] == 11)
    resumed = static()
    assert fit(resumed, pairs, loss, **options, checkpoint=tmp_path) == history
    assert (weights(resumed) == weights(whole)).all()
    with pytest.raises(ValueError, match="no_duplicates was True and is now None"):
        fit(static(), pairs, loss, **{**options, "no_duplicates": False}, checkpoint=tmp_path)


@pytest.mark.parametrize("batch_size", [1, 2, 5, 12])
def test_the_share_with_a_twin_is_that_of_random_batches(batch_size):
    copies = [4, 3, 2, 1, 1, 1]
    rows = np.repeat(np.arange(6), copies)
    rng = np.random.default_rng(0)
    drawn = [rng.choice(rows, batch_size, replace=False) for _ in range(4000)]
    seen = np.mean([np.mean([(batch == row).sum() > 1 for row in batch]) for batch in drawn])
    assert share_with_twin(copies, batch_size) == pytest.approx(seen, abs=0.02)


def test_no_copies_no_twins_and_everything_at_once_the_share_of_the_corpus():
    assert share_with_twin([1, 1, 1], 3) == 0
    assert share_with_twin([5, 1, 1], 7) == pytest.approx(5 / 7)
    assert share_with_twin([20_000] + [1] * 20_000, 2) == pytest.approx(0.25, abs=1e-4)


@pytest.mark.parametrize(("copies", "batch_size"), [([2, 1], 0), ([2, 1], 4), ([], 1), ([2, 0], 1)])
def test_impossible_batches_are_refused(copies, batch_size):
    with pytest.raises(ValueError, match=r"expected counts of 1 or more and a batch from 1 to"):
        share_with_twin(copies, batch_size)


# --- sources drawn by their size to a power ---------------------------------------------------

SIZES = {"a": 90, "b": 9, "c": 1}


@pytest.mark.parametrize(
    ("alpha", "expected"), [(1.0, [0.9, 0.09, 0.01]), (0.0, [1 / 3] * 3), (0.5, np.sqrt([90, 9, 1]) / np.sqrt([90, 9, 1]).sum())]
)  # fmt: skip
def test_the_power_of_the_size_decides_how_often_a_source_is_drawn(alpha, expected):
    shares = source_shares(SIZES, alpha)
    assert list(shares) == list(SIZES)
    assert list(shares.values()) == pytest.approx(list(expected))


def test_a_weight_counts_a_source_more_or_not_at_all():
    assert source_shares({"a": 10, "b": 10}, weights={"b": 3.0}) == pytest.approx({"a": 0.25, "b": 0.75})
    assert source_shares({"a": 10, "b": 10}, weights={"b": 0.0}) == {"a": 1.0, "b": 0.0}


@pytest.mark.parametrize(
    ("sizes", "weights"), [({}, {}), ({"a": 0}, {}), ({"a": 1}, {"b": 1.0}), ({"a": 1}, {"a": -1.0}), ({"a": 1}, {"a": 0.0})]
)  # fmt: skip
def test_shares_of_nothing_are_refused(sizes, weights):
    with pytest.raises(ValueError, match=r"sources with at least one pair|all weights are 0"):
        source_shares(sizes, 0.5, weights)


def test_drawn_batches_hold_one_source_each_as_often_as_its_share():
    groups = [source for source, n in SIZES.items() for _ in range(n)]
    lengths, shares = np.arange(len(groups)), source_shares(SIZES, 0.5)
    batches = list(itertools.islice(drawn_batches(lengths, 8, groups, shares, seed=3), 2_000))
    drawn = [{groups[row] for row in batch} for batch in batches]
    assert all(len(sources) == 1 for sources in drawn)
    for source, share in shares.items():
        assert sum(sources == {source} for sources in drawn) / 2_000 == pytest.approx(share, abs=0.04)
    of_b = [batch for batch, sources in zip(batches, drawn, strict=True) if sources == {"b"}]
    assert sorted(np.concatenate(of_b[:2]).tolist()) == list(range(90, 99))  # an epoch of its own


@pytest.mark.parametrize("start", [1, 7, 60])
def test_drawn_batches_go_on_where_they_were_stopped(start):
    groups = [source for source, n in SIZES.items() for _ in range(n)]
    lengths, shares = np.arange(len(groups)), source_shares(SIZES, 0.5)
    whole = list(itertools.islice(drawn_batches(lengths, 8, groups, shares), start + 20))
    rest = itertools.islice(drawn_batches(lengths, 8, groups, shares, start=start), 20)
    assert all(np.array_equal(a, b) for a, b in zip(whole[start:], rest, strict=True))


def test_shares_need_groups_and_the_same_sources():
    with pytest.raises(ValueError, match="give the groups"):
        fit(static(), PAIRS[:8], steps=1, shares={"a": 1.0})
    with pytest.raises(ValueError, match="name the sources of the rows"):
        fit(static(), PAIRS[:8], steps=1, groups=["a"] * 8, shares={"b": 1.0})


def test_a_run_with_shares_that_is_stopped_and_goes_on_ends_in_the_same_weights(tmp_path):
    options = {
        "steps": 8,
        "batch_size": 4,
        "groups": ["a"] * 20 + ["b"] * 4,
        "shares": {"a": 0.5, "b": 0.5},
        "save_every": 1,
    }
    whole, stopped = static(), static()
    fit(whole, PAIRS[:24], **options)
    fit(stopped, PAIRS[:24], checkpoint=tmp_path, on_step=lambda record: record["step"] == 3, **options)
    fit(stopped, PAIRS[:24], checkpoint=tmp_path, **options)
    assert torch.equal(weights(stopped), weights(whole))
