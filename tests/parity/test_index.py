"""Our indexes are faiss': the same ids, codes, distances and centroids where both start alike; else the same recall."""

import numpy as np
import pytest
import torch

from workbook.index import FlatIndex, HNSWIndex, IVFIndex, IVFPQIndex, PQIndex, kmeans

pytestmark = pytest.mark.parity
METRICS = ("inner_product", "l2")


def faiss_metric(metric):
    import faiss

    faiss.omp_set_num_threads(1)
    return faiss.METRIC_INNER_PRODUCT if metric == "inner_product" else faiss.METRIC_L2


def vectors(N, D, seed=0, latent=8):
    """Vectors as embeddings are: on a few directions and a little of all, of length 1."""
    directions = np.random.default_rng(99).standard_normal((latent, D))
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((N, latent)) @ directions + rng.standard_normal((N, D))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def same(ours, theirs, atol=2e-6):
    """The same answers: equal distances, and equal ids but where two distances are closer than rounding."""
    (scores, ids), (expected, expected_ids) = ours, theirs
    missing = expected_ids == -1  # there faiss writes the largest float, we infinity
    assert ((ids == -1) == missing).all()
    assert np.abs(scores - expected)[~missing].max(initial=0) <= atol
    differ = np.flatnonzero((ids != expected_ids).any(axis=1))
    assert len(differ) <= 0.02 * len(ids)
    for row in differ:  # a swap: the same ids in another order, or another one in the last place
        assert len(set(ids[row]) ^ set(expected_ids[row])) <= 2
    assert np.isinf(scores[missing]).all()


def tensor(array):
    return torch.from_numpy(np.array(array, dtype=np.float32))


def theirs_trained(index, centroids=None, codebooks=None):
    """A faiss index with given centroids and codebooks."""
    import faiss

    if centroids is not None:
        index.quantizer.add(centroids)
    if codebooks is not None:
        faiss.copy_array_to_vector(codebooks.ravel(), index.pq.centroids)
    index.is_trained = True
    return index


# K-means from the same first centroids


@pytest.mark.parametrize("spherical", [False, True])
@pytest.mark.parametrize(("N", "D", "k", "iterations"), [(500, 16, 10, 1), (700, 8, 25, 10), (300, 3, 7, 25)])
def test_kmeans(N, D, k, iterations, spherical):
    import faiss

    x = vectors(N, D)
    first = x[:k].copy()
    peer = faiss.Clustering(D, k)
    peer.niter, peer.spherical, peer.min_points_per_centroid = iterations, spherical, 1
    faiss.copy_array_to_vector(first.ravel(), peer.centroids)
    peer.train(x, faiss.IndexFlatIP(D) if spherical else faiss.IndexFlatL2(D))
    expected = faiss.vector_to_array(peer.centroids).reshape(k, D)
    assert np.abs(kmeans(x, k, iterations, centroids=first, spherical=spherical) - expected).max() < 2e-6


@pytest.mark.parametrize(("empty", "most"), [(1, 6), (5, 6), (19, 2)])
def test_kmeans_splits_as_faiss_does(empty, most):
    """The halves of halves lie so close together that from the third step on rounding decides between them."""
    import faiss

    x = vectors(200, 5)
    first = np.concatenate([x[: 20 - empty], np.full((empty, 5), 50, np.float32)])  # nothing is near these
    for iterations in range(1, most + 1):
        peer = faiss.Clustering(5, 20)
        peer.niter, peer.min_points_per_centroid = iterations, 1
        faiss.copy_array_to_vector(first.ravel(), peer.centroids)
        peer.train(x, faiss.IndexFlatL2(5))
        expected = faiss.vector_to_array(peer.centroids).reshape(20, 5)
        assert np.abs(kmeans(x, 20, iterations, centroids=first) - expected).max() < 2e-6


def test_as_many_vectors_as_centroids():
    import faiss

    x = vectors(12, 4)
    peer = faiss.Clustering(4, 12)
    peer.min_points_per_centroid = 1
    peer.train(x, faiss.IndexFlatL2(4))
    assert (kmeans(x, 12) == faiss.vector_to_array(peer.centroids).reshape(12, 4)).all()


# The same centroids: the same answers


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("N", "Q", "k"), [(3_000, 40, 10), (9_000, 1, 5), (7, 3, 10), (1, 1, 1)])
def test_flat(metric, N, Q, k):
    import faiss

    x, q = vectors(N, 24), vectors(Q, 24, seed=1)
    ours, peer = FlatIndex(24, metric), faiss.IndexFlat(24, faiss_metric(metric))
    ours.add(x)
    peer.add(x)
    same(ours.search(q, k), peer.search(q, k))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("nprobe", [1, 5, 32])
@pytest.mark.parametrize(("N", "Q", "k"), [(2_000, 60, 10), (2_000, 2, 10), (40, 60, 10)])
def test_ivf(metric, nprobe, N, Q, k):
    import faiss

    x, q, centroids = vectors(N, 16), vectors(Q, 16, seed=1), vectors(32, 16, seed=2)
    ours, peer = IVFIndex(16, 32, metric, nprobe), faiss.index_factory(16, "IVF32,Flat", faiss_metric(metric))
    ours.centroids = tensor(centroids)
    theirs_trained(peer, centroids)
    peer.nprobe = nprobe
    for part in (x[: N // 3], x[N // 3 :]):
        ours.add(part)
        peer.add(part)
    same(ours.search(q, k), peer.search(q, k))
    lists = [faiss.rev_swig_ptr(peer.invlists.get_ids(i), peer.get_list_size(i)) for i in range(32)]
    assert (ours.ids.numpy() == np.concatenate(lists)).all()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("m", "nbits"), [(4, 8), (8, 8), (8, 4), (16, 6), (1, 8)])
@pytest.mark.parametrize("whole_numbers", [False, True])
def test_pq(metric, m, nbits, whole_numbers):
    import faiss

    x, codebooks = vectors(2_000, 16), vectors(2**nbits, 16, seed=2)
    if whole_numbers:  # exact arithmetic, and many centroids that are equally near
        x, codebooks = np.round(8 * x), np.round(8 * codebooks)
    codebooks = np.ascontiguousarray(codebooks.reshape(-1, m, 16 // m).transpose(1, 0, 2))
    ours = PQIndex(16, m, nbits, metric)
    ours.codebooks = tensor(codebooks)
    peer = theirs_trained(faiss.IndexPQ(16, m, nbits, faiss_metric(metric)), codebooks=codebooks)
    ours.add(x)
    peer.add(x)
    packed = faiss.vector_to_array(peer.codes).reshape(len(x), -1)  # nbits to a code, the lowest first
    bits = np.unpackbits(packed, axis=1, bitorder="little")[:, : m * nbits].reshape(len(x), m, nbits)
    codes = (bits << np.arange(nbits, dtype=np.uint8)).sum(axis=2).astype(np.uint8)
    # The same codes, but where two centroids are equally near, up to rounding: there we take the first one.
    pieces = x.reshape(len(x), m, -1).astype(np.float64)
    distance = lambda chosen: np.square(pieces - codebooks[np.arange(m), chosen]).sum(axis=2)  # noqa: E731
    assert np.abs(distance(ours.codes.numpy()) - distance(codes)).max() <= (0 if whole_numbers else 1e-6)
    if not whole_numbers:
        assert (ours.codes.numpy() == codes).mean() > 0.9999
    ours.codes = torch.from_numpy(codes)
    for Q in (2, 30):
        q = np.round(8 * vectors(Q, 16, seed=1)) if whole_numbers else vectors(Q, 16, seed=1)
        scores, ids = ours.search(q, 10)
        expected, expected_ids = peer.search(q, 10)
        assert np.abs(scores - expected).max() <= (0 if whole_numbers else 2e-6)
        if not whole_numbers and m > 1:
            same((scores, ids), (expected, expected_ids))


@pytest.mark.parametrize("metric", METRICS)
def test_ivfpq(metric):
    import faiss

    x, q, centroids = vectors(2_000, 16), vectors(60, 16, seed=1), vectors(16, 16, seed=2)
    codebooks = (vectors(4 * 256, 4, seed=3) * 0.5).reshape(4, 256, 4)
    ours = IVFPQIndex(16, 16, 4, 8, metric, nprobe=4)
    ours.centroids, ours.codebooks = tensor(centroids), tensor(codebooks)
    peer = faiss.index_factory(16, "IVF16,PQ4", faiss_metric(metric))
    theirs_trained(peer, centroids, codebooks)
    peer.precompute_table()
    peer.nprobe = 4
    ours.add(x)
    peer.add(x)
    codes = [
        faiss.rev_swig_ptr(peer.invlists.get_codes(i), 4 * peer.get_list_size(i)).reshape(-1, 4) for i in range(16)
    ]
    assert (ours.rows.numpy() == np.concatenate(codes)).all()
    same(ours.search(q, 10), peer.search(q, 10), atol=5e-6)
    same(ours.search(q[:2], 10), peer.search(q[:2], 10), atol=5e-6)


# Some only, own ids, and back out


def both(which, metric, nprobe=4):
    """Our index and faiss', with the same centroids and codebooks."""
    import faiss

    centroids, codebooks = vectors(16, 16, seed=2), (vectors(4 * 256, 4, seed=3) * 0.5).reshape(4, 256, 4)
    ours, factory = {
        "flat": (FlatIndex(16, metric), "Flat"),
        "ivf": (IVFIndex(16, 16, metric, nprobe), "IVF16,Flat"),
        "pq": (PQIndex(16, 4, 8, metric), "PQ4"),
        "ivfpq": (IVFPQIndex(16, 16, 4, 8, metric, nprobe), "IVF16,PQ4"),
    }[which]
    peer = faiss.index_factory(16, factory, faiss_metric(metric))
    if "ivf" in which:
        ours.centroids, peer.nprobe = tensor(centroids), nprobe
    if "pq" in which:
        ours.codebooks = tensor(codebooks)
    theirs_trained(peer, centroids if "ivf" in which else None, codebooks if "pq" in which else None)
    if which == "ivfpq":
        peer.precompute_table()
    return ours, peer


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("which", ["flat", "ivf", "ivfpq"])
@pytest.mark.parametrize("Q", [2, 40])
def test_search_among_some(which, metric, Q):
    import faiss

    ours, peer = both(which, metric)
    x, q, allowed = vectors(2_000, 16), vectors(Q, 16, seed=1), np.arange(0, 2_000, 7)
    ours.add(x)
    peer.add(x)
    selector = faiss.IDSelectorBatch(allowed)
    params = (
        faiss.SearchParameters(sel=selector)
        if which == "flat"
        else faiss.SearchParametersIVF(sel=selector, nprobe=peer.nprobe)
    )
    same(ours.search(q, 10, allowed), peer.search(q, 10, params=params), atol=5e-6)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("which", ["flat", "ivf", "pq", "ivfpq"])
def test_own_ids_removal_and_reconstruction(which, metric):
    import faiss

    ours, peer = both(which, metric)
    x, q, ids = vectors(500, 16), vectors(20, 16, seed=1), np.random.default_rng(0).permutation(9_000)[:500]
    wrapped = faiss.IndexIDMap(peer) if "ivf" not in which else peer  # lists hold ids of their own
    ours.add_with_ids(x, ids)
    wrapped.add_with_ids(x, ids)
    same(ours.search(q, 10), wrapped.search(q, 10), atol=5e-6)
    gone = np.append(ids[::3], 9_999)
    assert ours.remove_ids(gone) == wrapped.remove_ids(gone) == 167
    same(ours.search(q, 10), wrapped.search(q, 10), atol=5e-6)
    plain, peer = both(which, metric)
    plain.add(x)
    peer.add(x)
    if "ivf" in which:
        peer.make_direct_map()
    assert np.abs(plain.reconstruct([7, 3]).numpy() - peer.reconstruct_batch(np.array([7, 3]))).max() < 1e-6
    assert np.abs(plain.reconstruct(11).numpy() - peer.reconstruct(11)).max() < 1e-6
    if "ivf" in which:
        peer.set_direct_map_type(faiss.DirectMap.NoMap)
    assert plain.remove_ids([0, 4]) == peer.remove_ids(np.array([0, 4])) == 2  # flat and PQ: later rows move up
    same(plain.search(q, 10), peer.search(q, 10), atol=5e-6)


def test_faiss_refuses_what_we_refuse_of_a_graph():
    import faiss

    peer = faiss.IndexHNSWFlat(8, 4)
    peer.add(vectors(9, 8))
    with pytest.raises(RuntimeError, match="remove_ids not implemented"):
        peer.remove_ids(np.array([1]))


def test_small_differences_between_large_vectors():
    """faiss computes few queries by differences and has them right; with 20 and more it does not."""
    import faiss

    x = (1000 + np.array([[0], [0.1], [0.2], [0.4]])).astype(np.float32)
    for ours, peer in (
        (FlatIndex(1, "l2"), faiss.IndexFlatL2(1)),
        (HNSWIndex(1, metric="l2"), faiss.IndexHNSWFlat(1, 8)),
    ):
        ours.add(x)
        peer.add(x)
        same(ours.search(x, 3), peer.search(x, 3), atol=0)


# Each trains for itself: the same recall, to one point


def recall(ids, truth):
    return np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(ids, truth, strict=True)])


def exact(x, q, metric):
    index = FlatIndex(x.shape[1], metric)
    index.add(x)
    return index.search(q, 10)[1]


def recalls(ours, peer, x, q, truth):
    for index in (ours, peer):
        index.train(x)
        index.add(x)
    return recall(ours.search(q, 10)[1], truth), recall(peer.search(q, 10)[1], truth)


@pytest.mark.slow
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("which", ["IVF", "PQ", "IVFPQ"])
def test_recall_is_within_one_point(which, metric):
    import faiss

    means = []
    for seed in range(3):
        x, q = vectors(4_000, 32, seed), vectors(400, 32, seed + 50)
        ours, factory = {
            "IVF": (IVFIndex(32, 40, metric, nprobe=4, seed=seed), "IVF40,Flat"),
            "PQ": (PQIndex(32, 8, 6, metric, seed=seed), "PQ8x6np"),
            "IVFPQ": (IVFPQIndex(32, 20, 8, 6, metric, nprobe=4, seed=seed), "IVF20,PQ8x6np"),
        }[which]
        peer = faiss.index_factory(32, factory, faiss_metric(metric))
        if which != "PQ":
            peer.nprobe = 4
            peer.cp.seed = seed
        means.append(recalls(ours, peer, x, q, exact(x, q, metric)))
    ours, theirs = np.mean(means, axis=0)
    assert 0.2 < theirs < 0.98  # neither hopeless nor exact: there is something to lose
    assert ours > theirs - 0.01
    assert abs(ours - theirs) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("metric", METRICS)
def test_hnsw_recall_is_within_one_point(metric):
    import faiss

    means = []
    for seed in range(2):
        x, q = vectors(1_000, 24, seed, latent=24), vectors(300, 24, seed + 50, latent=24)
        ours = HNSWIndex(24, 8, ef_construction=40, ef_search=16, metric=metric, seed=seed)
        peer = faiss.IndexHNSWFlat(24, 8, faiss_metric(metric))
        peer.hnsw.efConstruction, peer.hnsw.efSearch = 40, 16
        means.append(recalls(ours, peer, x, q, exact(x, q, metric)))
        faiss.cvar.hnsw_stats.reset()
        peer.search(q, 10)
        ours.search(q, 10)
        assert ours.num_distances == pytest.approx(faiss.cvar.hnsw_stats.ndis, rel=0.1)  # the graphs are not the same
    ours, theirs = np.mean(means, axis=0)
    assert 0.5 < theirs < 0.99
    assert ours > theirs - 0.01
