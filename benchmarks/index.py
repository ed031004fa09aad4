"""Our indexes beside faiss': the same vectors, the same parameters, one thread.

The search rows use faiss' centroids in both, after a check that the answers are the same. The recall in
the notes is of the indexes as each trains itself.
"""

import faiss
import numpy as np
import torch

from benchmarks.timing import row, timed
from workbook.index import FlatIndex, HNSWIndex, IVFIndex, IVFPQIndex, PQIndex, bytes_per_vector
from workbook.index.quantize import hamming_search, quantize_embeddings

PASSAGES, TRAINING, QUERIES, SIZE, K = 50_000, 10_000, 1_000, 128, 10
NLIST, NPROBE, M, NBITS = 256, 8, 16, 8
FLOOR = 0.33  # IVF and PQ search within 3 times faiss
GRAPH, LINKS = 2_000, 16


def run() -> list[dict]:
    """Build and search flat, IVF, PQ, IVF-PQ, HNSW and binary codes; bytes of a vector; recall in the notes."""
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    generator = np.random.default_rng(0)
    directions = generator.standard_normal((32, SIZE), dtype=np.float32)

    def make(count: int) -> np.ndarray:
        x = generator.standard_normal((count, 32), dtype=np.float32) @ directions
        x += generator.standard_normal((count, SIZE), dtype=np.float32)
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    passages, queries = make(PASSAGES), make(QUERIES)
    flat, peer_flat = FlatIndex(SIZE), faiss.IndexFlatIP(SIZE)
    flat.add(passages)
    peer_flat.add(passages)
    truth = peer_flat.search(queries, K)[1]
    rows = _search_rows("flat", flat, peer_flat, queries, "exact in both", None, None)

    ip = faiss.METRIC_INNER_PRODUCT
    for name, ours, factory in (
        (f"IVF, {NLIST} lists, {NPROBE} probed", IVFIndex(SIZE, NLIST, nprobe=NPROBE), f"IVF{NLIST},Flat"),
        (f"PQ, {M} bytes", PQIndex(SIZE, M, NBITS), f"PQ{M}x{NBITS}np"),
        (
            f"IVF-PQ, {NLIST} lists, {NPROBE} probed, {M} bytes",
            IVFPQIndex(SIZE, NLIST, M, NBITS, nprobe=NPROBE),
            f"IVF{NLIST},PQ{M}x{NBITS}np",
        ),
    ):
        peer = faiss.index_factory(SIZE, factory, ip)
        if isinstance(ours, IVFIndex):
            peer.nprobe = NPROBE
        seconds = [timed(lambda index=index: _build(index, passages))[1] for index in (ours, peer)]
        note = _recalls(ours, peer, queries, truth)
        rows.append(_row(f"{name}: train on {TRAINING:,}, add {PASSAGES:,}", *seconds, note))
        _copy(peer, ours)
        ours.reset()
        ours.add(passages)
        floor_of_one = None if isinstance(ours, IVFPQIndex) else FLOOR
        rows += _search_rows(name, ours, peer, queries, note, FLOOR, floor_of_one)
        size = peer.code_size + 8 * isinstance(ours, IVFIndex)  # the code, and the id where lists are kept
        rows.append(_row(f"{name}: a vector", bytes_per_vector(ours), size, note, unit="bytes"))

    few = passages[:GRAPH]
    graph, peer = HNSWIndex(SIZE, LINKS), faiss.IndexHNSWFlat(SIZE, LINKS, ip)
    seconds = [timed(lambda index=index: index.add(few))[1] for index in (graph, peer)]
    exact = FlatIndex(SIZE)
    exact.add(few)
    note = _recalls(graph, peer, queries[:200], exact.search(queries[:200], K)[1])
    rows.append(_row(f"HNSW, M {LINKS}: add {GRAPH:,}", *seconds, note))
    rows.append(_searched(f"HNSW, M {LINKS}, {GRAPH:,} passages: 200 queries", graph, peer, queries[:200], note, 1))

    codes, asked = (quantize_embeddings(x, "ubinary") for x in (passages, queries[:200]))
    binary = faiss.IndexBinaryFlat(SIZE)
    binary.add(codes)
    assert (hamming_search(asked, codes, K)[0] == binary.search(asked, K)[0]).all()
    rows.append(
        row(
            f"Hamming distance, {SIZE} bits: 200 queries, {PASSAGES:,} passages",
            "faiss",
            lambda: hamming_search(asked, codes, K),
            lambda: binary.search(asked, K),
        )
    )
    return rows


def _build(index, passages: np.ndarray) -> None:
    index.train(passages[:TRAINING])
    index.add(passages)


def _copy(peer, ours) -> None:
    """Give our index what the peer has learned."""
    if hasattr(ours, "centroids"):
        ours.centroids = torch.from_numpy(peer.quantizer.reconstruct_n(0, NLIST))
    if hasattr(ours, "codebooks"):
        ours.codebooks = torch.from_numpy(faiss.vector_to_array(peer.pq.centroids).reshape(M, 2**NBITS, SIZE // M))


def _recalls(ours, peer, queries: np.ndarray, truth: np.ndarray) -> str:
    both = []
    for index in (ours, peer):
        found = index.search(queries, K)[1]
        both.append(np.mean([len(set(a) & set(b)) / K for a, b in zip(found, truth, strict=True)]))
    return f"recall@{K} {both[0]:.3f}, faiss {both[1]:.3f}"


def _search_rows(
    name: str, ours, peer, queries: np.ndarray, note: str, floor: float | None, floor_of_one: float | None
) -> list[dict]:
    """All queries at once, and one at a time.

    One query to IVF-PQ has no floor: a look-up in numpy takes longer than faiss takes for the whole search.
    """
    same = (ours.search(queries, K)[1] == peer.search(queries, K)[1]).mean()
    assert same > 0.995, f"{name}: only {same:.2%} of the ids are equal"
    return [
        _searched(f"{name}: {QUERIES:,} queries", ours, peer, queries, note, floor=floor),
        row(
            f"{name}: 20 queries, one at a time",
            "faiss",
            lambda: [ours.search(query[None], K) for query in queries[:20]],
            lambda: [peer.search(query[None], K) for query in queries[:20]],
            9,
            floor_of_one,
            note
            if floor_of_one or not floor
            else f"{note}; no floor: a look-up in numpy takes longer than all of faiss",
        ),
    ]


def _searched(
    what: str, ours, peer, queries: np.ndarray, note: str, repeats: int = 3, floor: float | None = None
) -> dict:
    calls = [lambda index=index: index.search(queries, K) for index in (ours, peer)]
    return row(what, "faiss", *calls, repeats, floor, note)


def _row(what: str, ours: float, peer: float, note: str, unit: str = "CPU s") -> dict:
    return {
        "what": what,
        "ours": ours,
        "peer": peer,
        "peer_name": "faiss",
        "ratio": peer / ours,
        "unit": unit,
        "note": note,
    }
