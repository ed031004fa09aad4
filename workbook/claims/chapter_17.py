"""Claims 47, 48, 49 and 73: what an index reads and what it finds, what a byte and a bit keep, how both grow, and how bytes are best spent.

What a search costs is counted here, in bytes or vectors that it reads, for a count is the same on every machine; times stand in
`benchmarks/`. Settings are chosen on dev queries, test queries decide. "The exact ten" are those of flat search; whatever scores as
high as the tenth is one of them, for texts that are cut alike have equal vectors.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import t
from torch import Tensor

from workbook.claims import chapter_13
from workbook.claims.chapter_13 import NESTED, PLAIN, WHOLE, chosen_lr, quality, trained
from workbook.claims.claim import Claim, Interval, Measurements, Verdict
from workbook.claims.kept import kept
from workbook.claims.measuring import (
    METRIC,
    TUNING_SEED,
    collection_named,
    difference,
    encoder_named,
    level,
    signed,
    split_of,
    visible,
)
from workbook.data import Collection
from workbook.encoder import load as load_encoder
from workbook.index import HNSWIndex, IVFIndex, IVFPQIndex, PQIndex
from workbook.index.clustering import nearest_lists
from workbook.index.product_quantization import decode, encode, train_codebooks
from workbook.index.quantize import (
    binary_search,
    dequantize_embeddings,
    hamming_search,
    quantization_ranges,
    quantize_embeddings,
    scalar_search,
)
from workbook.index.rescore import rescore
from workbook.similarity import normalize, top_k, truncate

COLLECTIONS = ("planted", "pydocs")
RANDOM = "random"  # vectors without neighbourhoods, beside the collections
K = 10  # results
IVF, PQ, IVFPQ, HNSW = "IVF", "PQ", "IVF-PQ", "HNSW"
ITERATIONS = 10  # of the k-means of an IVF index
ENTRIES = 256  # of a codebook; those of all codebooks together are as many whole vectors


class Size(NamedTuple):
    """How much is searched, and with which settings."""

    passages: int  # of planted and of random vectors; pydocs has all of its own, or as many
    queries: int  # of dev, and of test
    nlist: int
    m: int  # bytes of a code
    knobs: Mapping[str, tuple[int, ...]]  # nprobe; candidates to rescore; nprobe; ef
    candidates: int  # that IVF-PQ rescores
    graph: tuple[int, int]  # links, and candidates while building
    grown: tuple[int, ...]  # claim 49: sizes of corpora
    shelf: int  # claim 48: passages
    encoders: tuple[str, ...]
    max_length: int  # tokens of a text


SIZES = {
    "notebook": Size(
        500, 30, 16, 16, {IVF: (1, 2, 4, 8), PQ: (10, 40, 80), IVFPQ: (1, 2, 4, 8), HNSW: (10, 20, 40)}, 40, (8, 20), (100, 200, 400),
        300, ("base",), 24,
    ),
    "record": Size(
        20_000, 300, 256, 32,
        {
            IVF: (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128), PQ: (10, 20, 40, 80, 160, 320),
            IVFPQ: (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128), HNSW: (10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320),
        },
        320, (16, 64), (1_000, 2_000, 4_000, 8_000, 16_000), 5_000, ("base", "base/start", "all-MiniLM-L6-v2"), 64,
    ),
}  # fmt: skip


# --- what is searched ------------------------------------------------------------------------


@cache
def searched(collection: str, split: str, budget: str) -> Collection:
    """Queries of dev or test among all passages, or among a few for a quick run: the same passages for both."""
    size, few = SIZES[budget], budget == "notebook"
    docs = collection_named(collection, size.passages)
    parts = {
        each: docs.split(each).sample(size.queries, size.passages // 2 if few else None) for each in ("dev", "test")
    }
    return replace(parts[split], corpus={**parts["dev"].corpus, **parts["test"].corpus})


@kept
def vectors_of(collection: str, budget: str) -> dict[str, np.ndarray]:
    """Passages (N, D), and the queries of dev and of test (Q, D), all of length 1."""
    size = SIZES[budget]
    if collection == RANDOM:
        generator = torch.Generator().manual_seed(0)
        numbers = {"passages": size.passages, "dev": size.queries, "test": size.queries}
        return {name: normalize(torch.randn(n, WHOLE, generator=generator)).numpy() for name, n in numbers.items()}
    encoder = load_encoder("base")
    encoder.max_length = size.max_length
    queries = {split: list(searched(collection, split, budget).queries.values()) for split in ("dev", "test")}
    passages = list(searched(collection, "test", budget).corpus.values())
    return {"passages": encoder.encode_document(passages)} | {
        s: encoder.encode_query(each) for s, each in queries.items()
    }


def nearest(queries: Tensor, x: Tensor) -> np.ndarray:
    """The rows of the exact ten: (Q, K)."""
    return top_k(queries, x, k=K)[1].numpy()


def shares(ids: np.ndarray, queries: Tensor, x: Tensor, exact: np.ndarray) -> np.ndarray:
    """How many of the exact ten a search found, as a share, for each query.

    Args:
        ids: (Q, K) rows that it found, -1 for none.
        queries: (Q, D).
        x: (N, D).
        exact: (Q, K) rows of the exact ten.
    Returns:
        (Q,); a row that scores as high as the exact tenth counts as one of the ten.
    """
    rows = torch.from_numpy(ids)
    tenth = torch.einsum("qd,qd->q", queries, x[torch.from_numpy(exact)[:, -1]])
    reached = torch.einsum("qd,qkd->qk", queries, x[rows]) >= tenth[:, None] - 1e-6
    right: np.ndarray = (reached & (rows >= 0)).double().mean(dim=1).numpy()
    return right


# --- claim 47: the frontier ------------------------------------------------------------------


Found = tuple[np.ndarray, float]  # rows (Q, K), and how much a query reads on the mean, in whole vectors
Search = Callable[[Tensor, int], Found]  # queries (Q, D), the knob


class Counted(NamedTuple):
    """An index that is counted in whole vectors: what its build compares, and a search that says what it read."""

    build: float
    search: Search


def opened(index: IVFIndex, queries: Tensor, nprobe: int) -> float:
    """How many vectors stand in the lists that a query opens, on the mean."""
    lists = nearest_lists(queries, index.centroids, index.metric, min(nprobe, index.nlist))
    return float(index.start.diff()[lists].sum(dim=1).double().mean())


def with_lists(x: Tensor, nlist: int, seed: int) -> Counted:
    """IVF. A round of k-means, and the assigning, compare every vector with every centroid; a query reads all centroids."""
    index = IVFIndex(x.shape[1], nlist, seed=seed)
    index.train(x)
    index.add(x)

    def search(queries: Tensor, nprobe: int) -> Found:
        index.nprobe = nprobe
        return index.search(queries, K)[1].numpy(), nlist + opened(index, queries, nprobe)

    return Counted((ITERATIONS * min(len(x), 256 * nlist) + len(x)) * nlist, search)


def with_links(x: Tensor, links: int, candidates: int, seed: int) -> Counted:
    """HNSW, which counts for itself; the links that a query reads, less than a tenth of its vectors, are not counted."""
    index = HNSWIndex(x.shape[1], links, candidates, seed=seed)
    index.add(x)

    def search(queries: Tensor, ef: int) -> Found:
        index.ef_search = ef
        return index.search(queries, K)[1].numpy(), index.num_distances / len(queries)

    return Counted(index.num_distances, search)


def with_codes(x: Tensor, m: int, seed: int) -> Search:
    """Product quantization: a query reads every code, every entry of every codebook, and the candidates that it rescores."""
    N, D = x.shape
    index = PQIndex(D, m, seed=seed)
    index.train(x)
    index.add(x)

    def search(queries: Tensor, candidates: int) -> Found:
        ids = index.search(queries, candidates)[1]
        return rescore(queries, ids, x.__getitem__, K)[1].numpy(), m / (4 * D) * N + ENTRIES + candidates

    return search


def with_lists_of_codes(x: Tensor, nlist: int, m: int, candidates: int, seed: int) -> Search:
    """IVF-PQ, with as many candidates to rescore as it finds among the codes, up to a number."""
    D = x.shape[1]
    index = IVFPQIndex(D, nlist, m, seed=seed)
    index.train(x)
    index.add(x)

    def search(queries: Tensor, nprobe: int) -> Found:
        index.nprobe = nprobe
        ids = index.search(queries, candidates)[1]
        rescored = float((ids >= 0).sum(dim=1).double().mean())
        read = nlist + ENTRIES + m / (4 * D) * opened(index, queries, nprobe) + rescored
        return rescore(queries, ids, x.__getitem__, K)[1].numpy(), read

    return search


def searches(x: Tensor, size: Size, seed: int) -> dict[str, Search]:
    """The four indexes of vectors (N, D), each with its knob."""
    return {
        IVF: with_lists(x, size.nlist, seed).search,
        PQ: with_codes(x, size.m, seed),
        IVFPQ: with_lists_of_codes(x, size.nlist, size.m, size.candidates, seed),
        HNSW: with_links(x, *size.graph, seed).search,
    }


@kept
def walked(collection: str, seed: int, budget: str) -> dict[str, np.ndarray]:
    """For each index: the share of the exact ten (knobs, Q), nDCG@10 (knobs, Q), and what is read (knobs,). Dev queries tune."""
    size, parts = SIZES[budget], vectors_of(collection, budget)
    x, queries = torch.from_numpy(parts["passages"]), torch.from_numpy(parts[split_of(seed)])
    exact, docs = nearest(queries, x), None if collection == RANDOM else searched(collection, split_of(seed), budget)
    rows: dict[str, np.ndarray] = {}
    for name, search in searches(x, size, seed).items():
        found = [search(queries, knob) for knob in size.knobs[name]]
        rows[f"{name} found"] = np.array([shares(ids, queries, x, exact) for ids, _ in found])
        rows[f"{name} read"] = np.array([read for _, read in found])
        if docs is not None:
            rows[f"{name} {METRIC}"] = np.array([quality(ids, docs) for ids, _ in found])
    if docs is not None:
        rows[f"exact {METRIC}"] = quality(exact, docs)
    return rows


FEW, MOST = 0.1, 0.9  # of the bytes that flat search reads; of the exact ten
SAFELY = 0.95  # of the exact ten, on dev queries, has the setting that is chosen


def measure_frontier(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """What each index finds by what it reads, and the setting that dev queries choose."""
    size = SIZES[budget]
    result: Measurements = {}
    for collection in (*COLLECTIONS, RANDOM):
        N = len(vectors_of(collection, budget)["passages"])
        dev, tests = walked(collection, TUNING_SEED, budget), [walked(collection, seed, budget) for seed in seeds]
        result[collection] = {"passages": N}
        for name, knobs in size.knobs.items():
            on_dev = dev[f"{name} found"].mean(axis=1)
            enough = [i for i in range(len(knobs)) if on_dev[i] >= SAFELY]
            chosen = enough[0] if enough else int(on_dev.argmax())  # knobs ascend, and so does what is read
            found = np.array([each[f"{name} found"] for each in tests])  # (seeds, knobs, Q)
            read = np.array([each[f"{name} read"] for each in tests]).mean(axis=0) / N
            row = {
                "knobs": list(knobs), "chosen": knobs[chosen], "read": read.round(4).tolist(),
                "found": [level(found[:, i]) for i in range(len(knobs))],
                "chosen reads": round(float(read[chosen]), 4),
                "chosen minus nine tenths": difference(found[:, chosen], np.full_like(found[:, chosen], MOST)),
                "chosen minus the least": difference(found[:, chosen], found[:, 0]),
            }  # fmt: skip
            if collection != RANDOM:
                ndcg = np.array([each[f"{name} {METRIC}"] for each in tests])
                exact = np.array([each[f"exact {METRIC}"] for each in tests])
                row[f"{METRIC} minus exact"] = [difference(ndcg[:, i], exact) for i in range(len(knobs))]
            result[collection][name] = row
    return {"collections": result}


def decide_frontier(m: Measurements) -> Verdict:
    """Does each index find nine tenths for a tenth of the reading, and less for less?"""
    fulfilled, parts, intervals = [], [], []
    for collection in COLLECTIONS:
        for name in (IVF, PQ, IVFPQ, HNSW):
            row = m["collections"][collection][name]
            enough, traded = row["chosen minus nine tenths"], row["chosen minus the least"]
            fulfilled.append(row["chosen reads"] <= FEW and enough[1] > 0 and traded[1] > 0)
            parts.append(f"{collection}, {name}: {MOST + enough[0]:.3f} for {row['chosen reads']:.3f} of the bytes")
            intervals.append(Interval(f"{collection}, {name}: found minus nine tenths", *enough))
    at_random = ", ".join(
        f"{name} {MOST + m['collections'][RANDOM][name]['chosen minus nine tenths'][0]:.3f}"
        for name in (IVF, PQ, IVFPQ, HNSW)
    )
    verdict = "holds" if all(fulfilled) else "depends" if any(fulfilled) else "misleading"
    because = (
        f"share of the exact ten, and of the bytes that flat search reads: {'; '.join(parts)}. Random vectors: {at_random}; a difference of "
        f"{visible([i[1:] for i in intervals]):.3f} would have been seen"
    )
    return Verdict(verdict, because, tuple(intervals))


# --- claim 48: a byte, a bit -----------------------------------------------------------------

INT8, BIT, BIT_RESCORED, BIT_FLOAT = (
    "int8", "one bit", "one bit, rescored by the float query", "one bit, rescored by float vectors",
)  # fmt: skip
FOURFOLD = 4  # candidates for each result
KEPT = {INT8: 0.99, BIT_RESCORED: 0.95}  # of nDCG@10


@kept
def rounded(collection: str, encoder: str, budget: str) -> dict[str, np.ndarray]:
    """nDCG@10 of each test query, by what is stored: (Q,) each."""
    size = SIZES[budget]
    docs = collection_named(collection, size.passages).split("test").sample(size.queries, size.shelf)
    model = encoder_named(encoder)
    model.max_length = size.max_length
    x, q = model.encode_document(list(docs.corpus.values())), model.encode_query(list(docs.queries.values()))
    half = np.random.default_rng(0).permutation(len(x))[: len(x) // 2]
    ranges, bits = quantization_ranges(x[half]), quantize_embeddings(x, "ubinary")
    found = {
        "float32": top_k(torch.from_numpy(q), torch.from_numpy(x), k=K)[1].numpy(),
        INT8: scalar_search(q, quantize_embeddings(x, "int8", ranges), K, "int8", ranges)[1],
        BIT: hamming_search(quantize_embeddings(q, "ubinary"), bits, K)[1],
        BIT_RESCORED: binary_search(q, bits, K, FOURFOLD)[1],
        BIT_FLOAT: binary_search(q, bits, K, FOURFOLD, x.__getitem__)[1],
    }
    return {name: quality(ids, docs) for name, ids in found.items()}


def measure_rounding(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """What each precision keeps of nDCG@10. Nothing is drawn by chance, so there are no seeds."""
    result: Measurements = {}
    for collection in COLLECTIONS:
        for encoder in SIZES[budget].encoders:
            rows = rounded(collection, encoder, budget)
            whole = rows["float32"]
            result[f"{collection}, {encoder}"] = {
                METRIC: {name: round(float(each.mean()), 4) for name, each in rows.items()},
                "minus float32": {
                    name: difference(each[None], whole[None]) for name, each in rows.items() if name != "float32"
                },
                "minus its share": {
                    name: difference(rows[name][None], share * whole[None]) for name, share in KEPT.items()
                },
            }
    return {"cases": result}


def decide_rounding(m: Measurements) -> Verdict:
    """Does int8 keep .99 and a bit with rescoring .95, for every encoder on every collection?"""
    fulfilled, parts, intervals = [], [], []
    for case, each in m["cases"].items():
        rows, mean = each["minus its share"], each[METRIC]
        fulfilled.append(all(row[1] > 0 for row in rows.values()))
        kept_of = ", ".join(
            f"{name} {mean[name] / max(mean['float32'], 1e-9):.3f}" for name in (INT8, BIT, BIT_RESCORED, BIT_FLOAT)
        )
        parts.append(f"{case}: {kept_of}")
        intervals += [
            Interval(f"{case}: {name.split(',')[0]} minus {KEPT[name]:.2f}", *row) for name, row in rows.items()
        ]
    verdict = "holds" if all(fulfilled) else "depends" if any(fulfilled) else "misleading"
    because = f"share of float32's nDCG@10: {'; '.join(parts)}; a difference of {visible([i[1:] for i in intervals]):.3f} would have been seen"
    return Verdict(verdict, because, tuple(intervals))


# --- claim 49: how both grow -----------------------------------------------------------------

WANTED = 0.95  # of the exact ten, on dev queries
FIXED = "IVF, lists fixed"


def least_knob(found: Callable[[int], float], least: int, most: int) -> int:
    """The smallest knob from `least` to `most` with which dev queries find WANTED, by halving; `most` where none does."""
    low, high = least, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if found(middle) >= WANTED else (middle + 1, high)
    return low


@kept
def grown(N: int, seed: int, budget: str) -> dict[str, np.ndarray]:
    """For each index over N passages of planted: what the build compares, what a query reads, what it finds, and its knob."""
    size, parts = SIZES[budget], vectors_of("planted", budget)
    order = np.random.default_rng(seed).permutation(len(parts["passages"]))[:N]
    x, dev, test = (torch.from_numpy(each) for each in (parts["passages"][order], parts["dev"], parts["test"]))
    right = {"dev": nearest(dev, x), "test": nearest(test, x)}
    lists = round(4 * N**0.5)
    indexes = {  # with the least and the most of its knob; a walk keeps K in any case
        IVF: (with_lists(x, lists, seed), 1, lists),
        FIXED: (with_lists(x, size.nlist, seed), 1, size.nlist),
        HNSW: (with_links(x, *size.graph, seed), K, 512),
    }
    rows = {}
    for name, (index, least, most) in indexes.items():

        def on_dev(knob: int, search: Search = index.search) -> float:
            return float(shares(search(dev, knob)[0], dev, x, right["dev"]).mean())

        knob = least_knob(on_dev, least, most)
        ids, read = index.search(test, knob)
        rows[name] = np.array([index.build, read, shares(ids, test, x, right["test"]).mean(), knob])
    return rows


def power(sizes: Sequence[int], costs: np.ndarray) -> list[float]:
    """The power of N with which a cost grows, and its interval over the seeds: (sizes,), (seeds, sizes)."""
    powers = np.array([np.polyfit(np.log(sizes), np.log(row), 1)[0] for row in costs])
    error = t.ppf(0.975, len(powers) - 1) * powers.std(ddof=1) / len(powers) ** 0.5 if len(powers) > 1 else 0.0
    return [round(float(x), 4) for x in (powers.mean(), powers.mean() - error, powers.mean() + error)]


def measure_growth(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """How what is read and what is computed to build grow with the passages, at equal recall."""
    sizes = SIZES[budget].grown
    result: Measurements = {}
    for name in (IVF, FIXED, HNSW):
        rows = np.array([[grown(N, seed, budget)[name] for N in sizes] for seed in seeds])  # (seeds, sizes, 4)
        result[name] = {
            "build": rows[..., 0].mean(axis=0).round(1).tolist(), "read": rows[..., 1].mean(axis=0).round(1).tolist(),
            "found": rows[..., 2].mean(axis=0).round(4).tolist(), "knob": rows[..., 3].mean(axis=0).round(1).tolist(),
            "powers": {"build": power(sizes, rows[..., 0]), "read": power(sizes, rows[..., 1])},
        }  # fmt: skip
    return {"sizes": list(sizes), "indexes": result}


SUBLINEAR, LINEAR = 0.9, (0.9, 1.2)  # N log N is 1.12 between 1,000 and 16,000


def decide_growth(m: Measurements) -> Verdict:
    """Does what a query reads grow with less than N^.9, and the build with N^.9 to N^1.2?"""
    powers = {name: each["powers"] for name, each in m["indexes"].items()}
    search = {name: powers[name]["read"][2] < SUBLINEAR for name in (IVF, HNSW)}
    build = {
        name: LINEAR[0] < powers[name]["build"][1] and powers[name]["build"][2] < LINEAR[1] for name in (IVF, HNSW)
    }
    fulfilled = [*search.values(), *build.values()]
    verdict = "holds" if all(fulfilled) else "depends" if any(fulfilled) else "misleading"
    parts = [
        f"{name}: reading {row['read'][0]:.2f} [{row['read'][1]:.2f}, {row['read'][2]:.2f}], building {row['build'][0]:.2f} "
        f"[{row['build'][1]:.2f}, {row['build'][2]:.2f}], test queries find {min(m['indexes'][name]['found']):.3f} to "
        f"{max(m['indexes'][name]['found']):.3f}"
        for name, row in powers.items()
    ]
    because = (
        f"power of N at recall {WANTED} on dev, {m['sizes'][0]:,} to {m['sizes'][-1]:,} passages. {'; '.join(parts)}"
    )
    intervals = [Interval(f"{name}: {what}", *row[what]) for name, row in powers.items() for what in ("read", "build")]
    return Verdict(verdict, because, tuple(intervals))


# --- claim 73: dimensions or bits ------------------------------------------------------------

BITS = (1, 2, 4, 8, 32)
DIMS = (8, 16, 32, 64, 128, 256)
AT = 32  # bytes of a vector that decide
MANY, HALF, FEW_DIMS = f"{8 * AT} dimensions of 1 bit", f"{2 * AT} dimensions of 4 bits", f"{AT} dimensions of 8 bits"
PIECES = f"{2 * AT} codes of 4 bits for 4 numbers each"


def stand_for(x: Tensor, like: Tensor, bits: int) -> Tensor:
    """What remains of vectors (N, D) when each number is stored in so many bits, fitted to vectors like them."""
    if bits == 32:
        return x
    if bits == 8:
        ranges = quantization_ranges(like)
        return torch.from_numpy(dequantize_embeddings(quantize_embeddings(x, "int8", ranges), "int8", ranges))
    books = train_codebooks(like, x.shape[1], bits)  # a k-means for each number
    return decode(encode(x, books), books)


@kept
def by_bytes(collection: str, arm: str, seed: int, budget: str) -> dict[str, np.ndarray]:
    """nDCG@10 of each test query, (Q,), by dimensions and bits, and of product quantization beside them."""
    dims = chapter_13.DIMS if arm == NESTED else (WHOLE,)
    encoder = trained(collection, dims, chosen_lr(collection, dims, budget), seed, budget)
    world = chapter_13.world(collection, budget)
    query, passage = chapter_13.vectors_of(encoder, world.test)
    like = torch.from_numpy(encoder.encode_document(list(world.train.corpus.values())))
    rows = {}
    for dim in DIMS:
        cut_query, cut, cut_like = (truncate(each, dim) for each in (query, passage, like))
        for bits in BITS:
            ids = top_k(cut_query, stand_for(cut, cut_like, bits), k=K)[1].numpy()
            rows[f"{dim} × {bits}"] = quality(ids, world.test)
    books = train_codebooks(like, 2 * AT, 4)
    rows[PIECES] = quality(top_k(query, decode(encode(passage, books), books), k=K)[1].numpy(), world.test)
    return rows


def measure_bytes(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """The grid of dimensions and bits, for vectors that were trained to be cut and for those that were not."""
    result: Measurements = {}
    for collection in COLLECTIONS:
        for arm in (PLAIN, NESTED):
            each = [by_bytes(collection, arm, seed, budget) for seed in seeds]
            rows = {name: np.array([one[name] for one in each]) for name in each[0]}
            many, half, few = (rows[f"{dim} × {bits}"] for dim, bits in ((8 * AT, 1), (2 * AT, 4), (AT, 8)))
            result[f"{collection}, {arm}"] = {
                METRIC: {name: level(row) for name, row in rows.items()},
                "differences": {
                    f"{MANY} minus {FEW_DIMS}": difference(many, few),
                    f"{HALF} minus {MANY}": difference(half, many),
                    f"{HALF} minus {FEW_DIMS}": difference(half, few),
                    f"{PIECES} minus {HALF}": difference(rows[PIECES], half),
                },
            }
    return {"cases": result, "bytes": AT}


def decide_bytes(m: Measurements) -> Verdict:
    """Are 256 dimensions of a bit ahead of 32 of a byte?"""
    rows = {case: each["differences"] for case, each in m["cases"].items()}
    deciding = {case: row[f"{MANY} minus {FEW_DIMS}"] for case, row in rows.items()}
    ahead, behind = [row[1] > 0 for row in deciding.values()], [row[2] < 0 for row in deciding.values()]
    verdict = "holds" if all(ahead) else "misleading" if all(behind) else "depends"
    parts = [
        f"{case}: {MANY} minus {FEW_DIMS} {signed(deciding[case])}, {HALF} minus {MANY} {signed(row[f'{HALF} minus {MANY}'])}"
        for case, row in rows.items()
    ]
    because = f"nDCG@10 at {AT} bytes. {'; '.join(parts)}; a difference of {visible(list(deciding.values())):.3f} would have been seen"
    return Verdict(
        verdict, because, tuple(Interval(f"{case}: 256 × 1 minus 32 × 8", *row) for case, row in deciding.items())
    )


CLAIMS = (
    Claim(
        id=47,
        chapter="17",
        statement="Approximate search trades recall for speed.",
        rule=(
            "base's vectors of 20,000 passages of planted and of all passages of pydocs; IVF with 256 lists, product quantization with 32 bytes and "
            "rescoring, both together, and HNSW. Of each index's settings the first is taken, from the cheapest on, with which dev queries find .95 of the "
            "exact ten. It trades when on test queries it finds more than nine tenths with its interval, reads at most a tenth of the bytes that flat "
            "search reads, and its cheapest setting finds less with its interval; holds when all four do on both, depends when some do, misleading when "
            "none does. Random vectors stand beside and decide nothing"
        ),
        measure=measure_frontier,
        decide=decide_frontier,
    ),
    Claim(
        id=48,
        chapter="17",
        statement="int8 keeps almost all quality; binary with rescoring most of it.",
        rule=(
            "base, base/start and all-MiniLM-L6-v2 on 5,000 passages of planted and of pydocs each, 300 test queries; ranges from a random half of the "
            "passages; binary finds forty candidates by differing bits and orders them by the float query with the bits. A case is fulfilled when nDCG@10 of "
            "int8 is more than .99, and of binary with rescoring more than .95, of float32's, each with its interval. Holds when all six cases are, depends "
            "when some are, misleading when none is"
        ),
        measure=measure_rounding,
        decide=decide_rounding,
        seeded=False,
    ),
    Claim(
        id=49,
        chapter="17",
        statement="Search cost grows sub-linearly in corpus size; build cost linearly.",
        rule=(
            "1,000 to 16,000 passages of planted, drawn anew for each seed; IVF with 4 √N lists and HNSW, each at the least setting with which dev queries "
            "find .95 of the exact ten. Counted in vectors: what a test query reads, and what the build compares. Reading is sub-linear when the power of N "
            "lies below .9 with its interval over seeds, building linear when it lies between .9 and 1.2, so that N log N counts. Holds when both are so "
            "for both, depends when some of the four are, misleading when none is. IVF's building is 44 N^1.5 by arithmetic, so this can at most depend; IVF "
            "with a fixed number of lists stands beside and decides nothing"
        ),
        measure=measure_growth,
        decide=decide_growth,
    ),
    Claim(
        id=73,
        chapter="17",
        statement="At equal bytes, more dimensions with fewer bits beat fewer dimensions with more bits.",
        rule=(
            "the plain and the Matryoshka trainings of claim 35 on planted and on pydocs, 32 bytes a vector, the float query: nDCG@10 of 256 dimensions of "
            "1 bit minus that of 32 dimensions of 8 bits, which nobody normalizes again after rounding. Holds when it is above 0 with its interval in all four "
            "cases, misleading when below 0 in all, depends otherwise. 64 dimensions of 4 bits, and 64 codes of 4 bits for 4 numbers each, stand beside and "
            "decide nothing"
        ),
        measure=measure_bytes,
        decide=decide_bytes,
    ),
)
