"""The indexes by hand, at the edges, against exact search, on the disk, and in bounded memory."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbook.index import (
    FlatIndex,
    HNSWIndex,
    IVFIndex,
    IVFPQIndex,
    PQIndex,
    bytes_per_vector,
    kmeans,
    load_index,
    save_index,
)
from workbook.index.clustering import assign, nearest_lists, split_empty
from workbook.index.product_quantization import add_up, decode, encode, lookup_tables
from workbook.index.vectors import score

METRICS = ("inner_product", "l2")


def vectors(N, D=8, seed=0):
    return np.random.default_rng(seed).standard_normal((N, D), dtype=np.float32)


def every_index(metric="l2", D=8):
    return [
        FlatIndex(D, metric),
        IVFIndex(D, 4, metric, nprobe=2),
        PQIndex(D, 4, 4, metric),
        IVFPQIndex(D, 4, 4, 4, metric, nprobe=2),
        HNSWIndex(D, 4, metric=metric),
    ]


def built(index, N=60):
    x = vectors(N)
    index.train(x)
    index.add(x)
    return index


def exact(q, x, k, metric):
    """All pairs in float64, sorted."""
    q, x = q.astype(np.float64), x.astype(np.float64)
    value = q @ x.T if metric == "inner_product" else ((q[:, None] - x) ** 2).sum(-1)
    ids = np.argsort(-value if metric == "inner_product" else value, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(value, ids, axis=1), ids


# K-means


def test_kmeans_by_hand():
    x = np.array([[0.0], [2.0], [10.0], [14.0], [100.0]])
    assert kmeans(x, 3, iterations=5, centroids=[[0.0], [3.0], [90.0]]).tolist() == [[1.0], [12.0], [100.0]]


def test_kmeans_never_raises_the_sum_of_squares():
    x = torch.from_numpy(vectors(300))
    sums = []
    for iterations in range(8):
        c = kmeans(x, 12, iterations, seed=3)
        sums.append(float((x - c[assign(x, c)]).square().sum()))
    assert all(b <= a * (1 + 1e-6) for a, b in pairwise(sums))
    assert sums[-1] < 0.9 * sums[0]


def test_kmeans_is_deterministic_and_leaves_the_global_random_state_alone():
    x = vectors(200)
    torch.manual_seed(1)
    np.random.seed(1)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    first = kmeans(x, 7, seed=5)
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()
    assert (first == kmeans(x, 7, seed=5)).all()
    assert not (first == kmeans(x, 7, seed=6)).all()


def test_no_cluster_stays_empty():
    x = vectors(100)
    c = kmeans(x, 8, 4, centroids=np.concatenate([x[:4], np.full((4, 8), 1e3, np.float32)]))
    assert np.bincount(assign(torch.from_numpy(x), torch.from_numpy(c)).numpy(), minlength=8).min() > 0


def test_a_split_moves_both_halves_in_opposite_directions():
    c, counts = torch.tensor([[2.0, 4.0], [9.0, 9.0]]), torch.tensor([10, 0])
    split_empty(c, counts)
    e = 1 / 1024
    assert torch.equal(c, torch.tensor([[2 * (1 - e), 4 * (1 + e)], [2 * (1 + e), 4 * (1 - e)]]))


def test_as_many_centroids_as_vectors_are_the_vectors():
    assert (kmeans(vectors(9), 9) == vectors(9)).all()


def test_spherical_centroids_have_length_one():
    assert np.allclose(np.linalg.norm(kmeans(vectors(100), 5, spherical=True), axis=1), 1, atol=1e-6)


def test_kmeans_on_a_sample_reads_no_other_rows():
    x = vectors(2_000)
    few = kmeans(x, 4, max_points_per_centroid=10, seed=2)
    rows = np.sort(np.random.default_rng(2).choice(2_000, 40, replace=False))
    assert np.allclose(few, kmeans(x[rows], 4, seed=2))


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(1, 9), st.integers(1, 7), st.integers(0, 99))
def test_assign_is_the_nearest_in_any_chunk(N, k, chunk_size, seed):
    x, c = torch.from_numpy(vectors(N, 3, seed)), torch.from_numpy(vectors(k, 3, seed + 1))
    nearest = torch.cdist(x.double(), c.double()).argmin(1)
    assert torch.equal(assign(x, c, chunk_size=chunk_size), nearest)
    assert torch.equal(assign(x, c, "inner_product", chunk_size), (x.double() @ c.double().T).argmax(1))


# Exact search


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 30), st.integers(0, 4), st.integers(1, 40), st.sampled_from(METRICS), st.integers(0, 99))
def test_flat_is_a_full_sort_with_ties_by_id(N, Q, k, metric, seed):
    rng = np.random.default_rng(seed)
    x, q = (rng.integers(-2, 3, (n, 3)).astype(np.float32) for n in (N, Q))  # whole numbers: exact, with ties
    index = FlatIndex(3, metric)
    index.add(x)
    scores, ids = index.search(q, k)
    expected, expected_ids = exact(q, x, k, metric)
    assert scores.shape == ids.shape == (Q, k)
    assert (ids[:, :N] == expected_ids).all()
    assert (scores[:, :N] == expected).all()
    assert (ids[:, N:] == -1).all()
    assert (scores[:, N:] == (np.inf if metric == "l2" else -np.inf)).all()


@pytest.mark.parametrize("metric", METRICS)
def test_exhaustive_search_in_any_chunk_and_block(metric, monkeypatch):
    rng = np.random.default_rng(0)
    x, q = (rng.integers(-2, 3, (n, 4)).astype(np.float32) for n in (100, 70))  # with ties across chunks
    flat, pq = FlatIndex(4, metric), PQIndex(4, 2, 2, metric)
    pq.train(x)
    for index in (flat, pq):
        index.add(x)
    whole = pq.search(q, 9)
    monkeypatch.setattr("workbook.index.vectors.CHUNK", 3)
    for Q in (70, 30, 1):  # in chunks of 10, 25 and all; for the codes of 3, 6 and all
        scores, ids = flat.search(q[:Q], 9)
        expected, expected_ids = exact(q[:Q], x, 9, metric)
        assert (ids == expected_ids).all()
        assert (scores == expected).all()
        parts = pq.search(q[:Q], 9)
        assert np.allclose(parts[0], whole[0][:Q], atol=1e-5)
        if Q == 70:
            assert (parts[1] == whole[1]).all()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("Q", [1, 3, 50])  # one query at a time, and list by list
def test_ivf_that_opens_all_lists_is_exact(metric, Q):
    x, q = vectors(500), vectors(Q, seed=1)
    index = IVFIndex(8, 16, metric, nprobe=16)
    index.train(x)
    index.add(x)
    scores, ids = index.search(q, 7)
    expected, expected_ids = exact(q, x, 7, metric)
    assert (ids == expected_ids).all()
    assert np.allclose(scores, expected, atol=1e-4)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("make", [lambda m: IVFIndex(8, 16, m, 3), lambda m: IVFPQIndex(8, 16, 4, 4, m, 3)])
def test_one_query_or_many_is_the_same_search(metric, make):
    index = built(make(metric), 400)
    q = vectors(40, seed=1)
    scores, ids = index.search(q, 5)
    alone = [index.search(q[i : i + 1], 5) for i in range(40)]
    assert (ids == np.concatenate([i for _, i in alone])).all()
    assert np.allclose(scores, np.concatenate([s for s, _ in alone]), atol=1e-5)


def test_long_lists_are_scored_in_parts(monkeypatch):
    index, q = built(IVFIndex(8, 4, "l2", 2), 300), vectors(30, seed=1)
    whole = index.search(q, 5)
    monkeypatch.setattr("workbook.index.ivf.SCORES", 100)  # one query at a time for each list
    parts = index.search(q, 5)
    assert (whole[1] == parts[1]).all()
    assert np.allclose(whole[0], parts[0], atol=1e-5)


def test_ivf_looks_into_the_nearest_lists_only():
    index = IVFIndex(1, 2, "l2")
    index.centroids = torch.tensor([[0.0], [10.0]])
    index.add([[4.0], [6.0], [9.0]])  # the border is at 5
    distances, ids = index.search([[4.9]], 2)
    assert ids.tolist() == [[0, -1]]  # 6 is nearer than nothing, but stands in the other list
    assert distances[0, 1] == np.inf
    index.nprobe = 2
    assert index.search([[4.9]], 2)[1].tolist() == [[0, 1]]
    index.nprobe = 99  # more lists than there are: all of them
    assert index.search([[4.9]], 3)[1].tolist() == [[0, 1, 2]]


@given(st.lists(st.integers(0, 20), min_size=1, max_size=4), st.sampled_from(METRICS))
@settings(max_examples=12, deadline=None)
def test_adding_in_parts_is_adding_at_once(sizes, metric):
    x, q = vectors(sum(sizes) + 1)[: sum(sizes)], vectors(3, seed=1)
    for make in (lambda: IVFIndex(8, 4, metric, 2), lambda: IVFPQIndex(8, 4, 4, 2, metric, 2)):
        once, parts = make(), make()
        once.train(vectors(60))
        for name in set(once.TENSORS) & {"centroids", "codebooks"}:
            setattr(parts, name, getattr(once, name))
        once.add(x)
        for part in np.split(x, np.cumsum(sizes)[:-1]):
            parts.add(part)
        assert parts.ntotal == len(x)
        for name in once.TENSORS:
            assert torch.equal(getattr(once, name), getattr(parts, name)), name
        assert (once.search(q, 4)[1] == parts.search(q, 4)[1]).all()


# Product quantization


def test_product_quantization_by_hand():
    codebooks = torch.tensor([[[0.0], [1.0]], [[5.0], [7.0]]])  # two pieces of one dimension, two centroids each
    codes = encode(torch.tensor([[0.9, 5.5], [0.2, 9.0]]), codebooks)
    assert codes.tolist() == [[1, 0], [0, 1]]
    assert decode(codes, codebooks).tolist() == [[1.0, 5.0], [0.0, 7.0]]
    tables = lookup_tables(torch.tensor([[2.0, 3.0]]), codebooks, "inner_product")
    assert tables[:, :, 0].tolist() == [[0.0, 2.0], [15.0, 21.0]]
    assert add_up(codes, tables).tolist() == [[17.0], [21.0]]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("Q", [1, 3, 4, 40])  # few queries and many are added up differently
def test_the_tables_add_up_to_the_score_of_the_reconstruction(metric, Q):
    rng = torch.Generator().manual_seed(0)
    codebooks = torch.randn(4, 16, 2, generator=rng)
    codes = torch.randint(0, 16, (50, 4), generator=rng, dtype=torch.uint8)
    q = torch.randn(Q, 8, generator=rng)
    sums = add_up(codes, lookup_tables(q, codebooks, metric))
    assert torch.allclose(sums.T, score(q, decode(codes, codebooks), metric), atol=1e-5)


def test_encode_takes_the_nearest_reconstruction_of_all():
    codebooks = torch.from_numpy(vectors(12, 2)).view(3, 4, 2)
    x = torch.from_numpy(vectors(40, 6, seed=1))
    every = torch.cartesian_prod(*[torch.arange(4, dtype=torch.uint8)] * 3)  # all 64 code words
    nearest = every[torch.cdist(x, decode(every, codebooks)).argmin(1)]
    assert torch.equal(encode(x, codebooks, chunk_size=7), nearest)


def test_more_bytes_and_the_rest_of_a_list_describe_a_vector_better():
    x = vectors(1_500, 16)
    x += 4 * vectors(5, 16, seed=9)[np.arange(1_500) % 5]  # five clouds

    def error(index):
        index.train(x)
        index.add(x)
        return float((torch.from_numpy(x) - index.reconstruct(range(len(x)))).square().mean())

    coarse, fine = error(PQIndex(16, 2, 4, "l2")), error(PQIndex(16, 8, 4, "l2"))
    rest = error(IVFPQIndex(16, 5, 2, 4, "l2"))
    assert fine < 0.7 * coarse
    assert rest < 0.9 * coarse  # the same bytes


# HNSW


@pytest.mark.parametrize("metric", METRICS)
def test_hnsw_that_keeps_all_is_exact(metric):
    x, q = vectors(120), vectors(10, seed=1)
    index = HNSWIndex(8, 8, ef_construction=120, ef_search=120, metric=metric)
    index.add(x)
    scores, ids = index.search(q, 6)
    expected, expected_ids = exact(q, x, 6, metric)
    assert (ids == expected_ids).all()
    assert np.allclose(scores, expected, atol=1e-4)


def test_hnsw_finds_more_with_a_larger_ef_and_adds_in_parts():
    x, q = vectors(400, 16), vectors(40, 16, seed=1)
    index = HNSWIndex(16, 4, metric="l2")
    for part in np.split(x, [1, 2, 200]):
        index.add(part)
    truth = exact(q, x, 5, "l2")[1]

    def recall(ef):
        index.ef_search = ef
        return np.mean([len(set(a) & set(b)) / 5 for a, b in zip(index.search(q, 5)[1], truth, strict=True)])

    assert recall(5) < recall(20) < recall(150)
    assert recall(150) > 0.97


def test_hnsw_counts_the_distances_that_it_computed():
    index = HNSWIndex(8, 8, ef_search=150)
    index.add(vectors(150))
    built = index.num_distances
    index.search(vectors(3, seed=1), 5)
    assert 150 * 150 < built < 150 * 500  # each meets nearly all before it, and links are chosen among 40
    assert 3 * 150 <= index.num_distances < 3 * 150 + 3 * 60  # all of them, and some twice, on the way down
    many = index.num_distances
    index.ef_search = 10
    index.search(vectors(3, seed=1), 5)
    assert 3 * 10 <= index.num_distances < many


def test_the_graph_is_well_formed():
    index = HNSWIndex(8, 4)
    index.add(vectors(200))
    levels = index.levels.numpy()
    assert 0.15 < (levels >= 1).mean() < 0.35  # one in M = 4
    for i in range(200):
        links = index.links[index.start[i] : index.start[i + 1]].numpy()
        assert len(links) == 4 * (2 + levels[i])
        for level, places in enumerate([links[:8], *links[8:].reshape(-1, 4)[: levels[i]]]):
            used = places[places >= 0]
            assert (places[: len(used)] == used).all()  # empty places stand at the end
            assert len(set(used)) == len(used)
            assert i not in used
            assert (levels[used] >= level).all()
            assert len(used) > 0 or (levels >= level).sum() == 1


def test_a_candidate_behind_a_chosen_one_is_left_out():
    index = HNSWIndex(1, 2, metric="l2")
    index.add([[0.0], [1.0], [1.5], [-2.0], [9.0]])
    from workbook.index.hnsw import _Walk

    candidates = [(1.0, 1), (2.25, 2), (4.0, 3), (81.0, 4)]  # from vector 0
    assert _Walk(index).choose(np.zeros(1), candidates, 3) == [1, 3]  # 1.5 and 9 are nearer to 1 than to 0


# Where rounding would hide a difference


def far_from_zero(kind):
    """Points far from 0 and near to one another: (N, 1)."""
    cluster = 1000 + np.array([0, 0.1, 0.2, 0.4, 0.5, 0.7, 0.8, 0.9])
    return {
        "one cluster": cluster[:4],
        "a cluster on either side": np.concatenate([cluster, -cluster]),
        "a step of float32": np.nextafter(np.float32(1e4), np.float32(np.inf)) + np.arange(8) * 2.0**-9,
        "and one at 0": np.append(cluster, 0),
    }[kind].astype(np.float32)[:, None]


@pytest.mark.parametrize("D", [1, 24])
@pytest.mark.parametrize("kind", ["one cluster", "a cluster on either side", "a step of float32", "and one at 0"])
@pytest.mark.parametrize("Q", [1, 3, 20])  # by differences, and by a product
def test_l2_keeps_small_differences_between_large_vectors(kind, D, Q):
    x = np.tile(far_from_zero(kind), (1, D))
    nbits = int(np.ceil(np.log2(len(x))))
    indexes = (
        FlatIndex(D, "l2"),
        IVFIndex(D, 1, "l2"),
        IVFIndex(D, 3, "l2", nprobe=3),
        HNSWIndex(D, metric="l2"),
        PQIndex(D, 1, nbits, "l2"),
        IVFPQIndex(D, 1, 1, nbits, "l2"),
    )
    for index in indexes:
        if isinstance(index, PQIndex | IVFPQIndex):  # as many codes as vectors: nothing is lost
            index.centroids, index.codebooks = torch.zeros(1, D), torch.zeros(1, 2**nbits, D)
            index.codebooks[0, : len(x)] = torch.from_numpy(x)
        else:
            index.train(x)
        index.add(x)
        for i in range(len(x)):
            q = np.tile(x[i], (Q, 1))
            distances, ids = index.search(q, 2)
            expected, _ = exact(q, x, 2, "l2")
            assert (ids[:, 0] == i).all(), (type(index).__name__, i)
            assert (distances[:, 0] == 0).all()
            assert np.allclose(distances[:, 1], expected[:, 1], rtol=1e-5, atol=0), type(index).__name__


def test_kmeans_keeps_small_differences_between_large_vectors():
    x = np.array([[1000.0], [1000.1], [1000.4], [1000.5]], np.float32)
    assert np.allclose(kmeans(x, 2, centroids=x[:2]), [[1000.05], [1000.45]], atol=1e-4)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("make", [lambda m: IVFIndex(5, 8, m), lambda m: IVFPQIndex(5, 8, 1, 3, m)])
@pytest.mark.parametrize("same", [np.ones(5), np.zeros(5), vectors(1, 5)[0], 1e3 + vectors(1, 5)[0]])
def test_equal_vectors_are_looked_for_where_they_were_put(make, metric, same):
    index, x = make(metric), np.tile(same, (40, 1)).astype(np.float32)
    index.train(x)
    for part in (x[:1], x[1:10], x[10:]):
        index.add(part)
    for Q in (1, 2, 9, 40):
        assert (index.search(x[:Q], 40)[1] >= 0).all()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    "nlist", [8, 37]
)  # full columns of a product and some left over, which are rounded in another way
def test_equal_centroids_open_the_first_of_them(metric, nlist):
    c = torch.from_numpy(np.repeat(vectors(3, 50, seed=2), nlist, axis=0)[:nlist])
    x = torch.cat([c[:1] + 0.01, torch.from_numpy(vectors(200, 50))])
    first = nearest_lists(x, c, metric, 1)
    assert set(first.flatten().tolist()) == {0}
    for n in (1, 3):
        assert nearest_lists(x, c, metric, n)[0].tolist() == list(range(n))
        for i in range(20):  # alone as among others
            assert torch.equal(nearest_lists(x[i : i + 1], c, metric, n), nearest_lists(x, c, metric, n)[i : i + 1])


# Some only, under ids of one's own, and away again


SEARCHED_IN_PARTS = range(4)  # all but HNSW


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("which", SEARCHED_IN_PARTS)
@pytest.mark.parametrize("Q", [1, 30])
def test_a_search_among_some_finds_the_best_of_them(which, metric, Q):
    index, q = built(every_index(metric)[which]), vectors(Q, seed=1)
    scores, ids = index.search(q, 60)
    mask = np.arange(60) % 3 == 0
    found, found_ids = index.search(q, 5, mask)
    for row in range(Q):
        kept = [place for place, i in enumerate(ids[row]) if i >= 0 and mask[i]][:5]
        assert found_ids[row, : len(kept)].tolist() == ids[row, kept].tolist()
        assert np.allclose(found[row, : len(kept)], scores[row, kept], atol=1e-5)
        assert (found_ids[row, len(kept) :] == -1).all()
    allowed = np.flatnonzero(mask)
    for same in (set(allowed.tolist()), allowed, torch.from_numpy(mask), mask.tolist(), [*allowed, 999]):
        assert (index.search(q, 5, same)[1] == found_ids).all()
    nothing, none = index.search(q, 2, set())
    assert (none == -1).all()
    assert np.isinf(nothing).all()


@pytest.mark.parametrize("which", range(5))
def test_ids_of_ones_own(which, tmp_path):
    index, plain, x, q = every_index()[which], built(every_index()[which]), vectors(60), vectors(7, seed=1)
    index.train(x)
    own = np.random.default_rng(0).permutation(1_000)[:60]
    index.add_with_ids(x[:40], own[:40])
    index.add_with_ids(x[40:], own[40:].tolist())
    if not isinstance(index, HNSWIndex):  # whose graph depends on the parts
        expected = plain.search(q, 5)[1]
        assert (index.search(q, 5)[1] == np.where(expected < 0, -1, own[expected])).all()
        assert set(index.search(q, 60, own[:9])[1].flatten()) <= {*own[:9], -1}
    save_index(index, tmp_path / "index")
    again = load_index(tmp_path / "index")
    assert (again.search(q, 5)[1] == index.search(q, 5)[1]).all()
    assert torch.equal(again.reconstruct(own[:3]), plain.reconstruct([0, 1, 2]))
    again.add(q)  # ids go on from the largest
    assert torch.equal(again.reconstruct(own.max() + 2), again.reconstruct([own.max() + 2])[0])
    for ids in ([1_001, 1_001], [own[0], 1_002]):
        with pytest.raises(ValueError, match="stands twice, or is in the index already"):
            index.add_with_ids(q[:2], ids)
    for ids in ([5_000], [5_000, -1]):
        with pytest.raises(ValueError, match="2 whole numbers from 0 on, one for each vector"):
            index.add_with_ids(q[:2], ids)
    with pytest.raises(ValueError, match=r"whole numbers, got .* keep names in a list beside"):
        index.add_with_ids(q[:2], ["a", "b"])
    assert index.ntotal == 60


@pytest.mark.parametrize("which", SEARCHED_IN_PARTS)
def test_what_is_removed_is_not_found_and_can_come_again(which):
    index, x, q = built(every_index()[which]), vectors(60), vectors(7, seed=1)
    rest = np.array([i for i in range(60) if i % 4])
    assert index.remove_ids({*range(0, 60, 4), 777}) == 15
    assert index.ntotal == 45
    other = every_index()[which]
    for name in set(other.TENSORS) & {"centroids", "codebooks"}:
        setattr(other, name, getattr(index, name))
    other.add_with_ids(x[rest], rest if isinstance(index, IVFIndex) else np.arange(45))  # elsewhere rows move up
    for a, b in zip(index.search(q, 9), other.search(q, 9), strict=True):
        assert (a == b).all()
    index.reset()
    index.add(x)
    assert sorted(index.search(q[:1], 60)[1][0].tolist())[-1] <= 59
    own = every_index()[which]
    own.train(x)
    own.add_with_ids(x, np.arange(60) + 100)
    own.remove_ids([100, 101])
    assert own.search(x[2:3], 1, [102])[1].tolist() == [[102]] or isinstance(own, IVFIndex)


def test_vectors_come_back():
    x = vectors(60)
    for index in map(built, every_index()):
        back = index.reconstruct([7, 3, 3])
        if isinstance(index, FlatIndex | HNSWIndex) or type(index) is IVFIndex:
            assert (back.numpy() == x[[7, 3, 3]]).all()
        assert torch.equal(index.reconstruct(7), back[0])
        for missing in (60, -1):
            with pytest.raises(KeyError, match=f"holds no id {missing}"):
                index.reconstruct([0, missing])
        index.reset()
        with pytest.raises(KeyError, match="holds no id 0"):
            index.reconstruct(0)


def test_what_a_graph_cannot_do_is_named():
    index = built(HNSWIndex(8, 4))
    with pytest.raises(NotImplementedError, match="HNSWIndex cannot search a part of its vectors"):
        index.search(vectors(1), 1, [1])
    with pytest.raises(NotImplementedError, match="HNSWIndex cannot forget some of its vectors"):
        index.remove_ids([1])
    assert index.ntotal == 60


def test_a_mask_that_is_too_short_is_named():
    for index in map(built, every_index()):
        with pytest.raises(ValueError, match=r"a place for each id up to 59, got shape \(59,\)"):
            index.search(vectors(1), 1, np.ones(59, bool))
        with pytest.raises(ValueError, match="allowed must be"):
            index.search(vectors(1), 1, [0.5])


# All alike


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("which", range(5))
def test_a_vector_finds_itself_and_tensors_come_back_as_tensors(which, metric):
    index = built(every_index(metric)[which])
    x = vectors(60) if metric == "l2" else vectors(60) * 3
    scores, ids = index.search(x[:5], 3)
    assert (scores.dtype, ids.dtype, ids.shape) == (np.float32, np.int64, (5, 3))
    if not isinstance(index, (PQIndex, IVFPQIndex)) and metric == "l2":
        assert ids[:, 0].tolist() == [0, 1, 2, 3, 4]
        assert np.allclose(scores[:, 0], 0, atol=1e-5)
    step = np.diff(scores, axis=1)
    assert (step >= 0).all() if metric == "l2" else (step <= 0).all()
    as_tensors = index.search(torch.from_numpy(x[:5].T.copy()).T, 3)  # not contiguous
    assert isinstance(as_tensors[0], torch.Tensor)
    assert (as_tensors[1].numpy() == ids).all()
    for Q in (0, 1, 2, 9):  # more results than passages, and as many queries as take another way
        scores, ids = index.search(x[:Q], index.ntotal + 4)
        assert scores.shape == ids.shape == (Q, index.ntotal + 4)
        assert (ids[:, -4:] == -1).all()
        assert ((ids == -1) == np.isinf(scores)).all()
    index.reset()
    assert index.ntotal == 0
    assert index.is_trained
    scores, ids = index.search(x[:2], 3)
    assert (ids == -1).all()
    assert np.isinf(scores).all()
    assert index.search(x[:0], 3)[1].shape == (0, 3)


@pytest.mark.parametrize("which", range(5))
def test_an_index_on_the_disk_searches_alike(which, tmp_path):
    index = built(every_index()[which])
    save_index(index, tmp_path / "an index")
    again = load_index(tmp_path / "an index")
    q = vectors(6, seed=1)
    for a, b in zip(index.search(q, 4), again.search(q, 4), strict=True):
        assert (a == b).all()
    assert type(again) is type(index)
    again.add(q)  # a mapped index can grow, and the file stays as it is
    assert again.ntotal == 66
    assert load_index(tmp_path / "an index").ntotal == 60
    save_index(again, tmp_path / "an index")  # over the file that it is mapped from
    assert load_index(tmp_path / "an index").ntotal == 66


def test_a_damaged_or_missing_index_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no index"):
        load_index(tmp_path)
    save_index(built(FlatIndex(8)), tmp_path)
    (tmp_path / "index.json").write_text(json.dumps({"kind": "Unknown", "arguments": {}}))
    with pytest.raises(ValueError, match="damaged"):
        load_index(tmp_path)
    save_index(built(FlatIndex(8)), tmp_path)
    (tmp_path / "index.safetensors").write_bytes(b"1234567890")
    with pytest.raises(ValueError, match="damaged"):
        load_index(tmp_path)


def test_bytes_per_vector():
    for metric in METRICS:
        flat, ivf, pq, ivfpq, hnsw = (bytes_per_vector(built(index)) for index in every_index(metric))
        assert (flat, ivf, pq, ivfpq) == (32, 32 + 8, 4, 4 + 8)
        assert 32 + 4 * 8 < hnsw < 32 + 4 * 12 + 4 + 9


@pytest.mark.parametrize("which", range(5))
def test_bad_vectors_are_named(which):
    index = built(every_index()[which])
    nan = vectors(3)
    nan[1, 2] = np.nan
    for call in (index.add, index.train, lambda x: index.search(x, 1)):
        with pytest.raises(ValueError, match=r"D = 8, got \(3, 7\)"):
            call(vectors(3, 7))
        with pytest.raises(ValueError, match=r"got \(8,\); give one vector as"):
            call(vectors(1)[0])
        with pytest.raises(ValueError, match="row 1 holds NaN or infinity"):
            call(nan)
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        index.search(vectors(1), 0)
    assert index.ntotal == 60


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: FlatIndex(8, "cosine"), "metric must be one of .*normalize first"),
        (lambda: IVFIndex(8, 0), "nlist must be at least 1"),
        (lambda: IVFIndex(8, 4, nprobe=0), "nprobe must be at least 1"),
        (lambda: PQIndex(12, 5), r"m must divide the dimensions, got d=12 and m=5; m can be one of 1, 2, 3, 4, 6, 12"),
        (lambda: PQIndex(8, 4, 9), "nbits must be between 1 and 8"),
        (lambda: HNSWIndex(8, 1), "M must be at least 2"),
        (lambda: IVFIndex(8, 40).train(vectors(39)), "40 centroids need at least 40 training vectors.*got 39"),
        (lambda: PQIndex(8, 4).train(vectors(255)), "256 centroids need at least 256"),
        (lambda: IVFPQIndex(8, 2, 4).train(vectors(255)), "256 centroids need at least 256"),
        (lambda: kmeans(vectors(9), 3, centroids=vectors(2)), r"centroids must be \(k, D\) = \(3, 8\), got \(2, 8\)"),
        (lambda: kmeans(vectors(9), 0), "k must be at least 1"),
        (lambda: kmeans(vectors(9), 2, iterations=-1), "iterations must not be negative"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("which", [1, 2, 3])
def test_an_untrained_index_says_so(which):
    index = every_index()[which]
    assert not index.is_trained
    for call in (lambda: index.add(vectors(3)), lambda: index.search(vectors(3), 1)):
        with pytest.raises(RuntimeError, match=r"is not trained; call train\(x\)"):
            call()


@pytest.mark.parametrize("which", [1, 2, 3])
def test_what_is_stored_is_not_trained_over(which):
    index = built(every_index()[which])
    with pytest.raises(RuntimeError, match=r"train before add: 60 vectors"):
        index.train(vectors(60))
    index.reset()
    index.train(vectors(60))


# Memory


class Watched(torch.utils._python_dispatch.TorchDispatchMode):
    """The largest tensor that any operation makes, in bytes."""

    def __enter__(self):
        self.largest = 0
        return super().__enter__()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        known = {tensor.untyped_storage().data_ptr() for tensor in args if isinstance(tensor, torch.Tensor)}
        for tensor in made if isinstance(made, (tuple, list)) else [made]:
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage().data_ptr() not in known:
                self.largest = max(self.largest, tensor.numel() * tensor.element_size())
        return made


@pytest.mark.parametrize(
    "make",
    [
        lambda: FlatIndex(4, "l2"),
        lambda: PQIndex(4, 2, 2, "l2"),
        lambda: IVFIndex(4, 8, "l2", 4),
        lambda: IVFPQIndex(4, 8, 2, 2, "l2", 4),
    ],
)
def test_the_memory_of_a_search_does_not_grow_with_the_corpus(make, monkeypatch):
    monkeypatch.setattr("workbook.index.ivf.SCORES", 2**12)
    monkeypatch.setattr("workbook.index.vectors.CHUNK", 256)

    def largest(N):
        index = make()
        index.train(vectors(64, 4))
        index.add(vectors(N, 4))
        with Watched() as watched:
            index.search(vectors(64, 4, seed=1), 3)
        return watched.largest, int(index.start.diff().max()) if isinstance(index, IVFIndex) else 0

    (small, _), (large, longest_list) = largest(2_000), largest(8_000)
    assert large <= small + 4 * 4 * longest_list
    assert large < 4 * 64 * 8_000 / 3  # a third of all scores at once
