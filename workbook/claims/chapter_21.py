"""Claims 61, 62 and 70: what smaller models, shorter vectors, ONNX and int8 buy, whether a changed model is noticed, and what batch-mates do.

Times are seconds of processor time in one process on one thread, of arms that take turns in random order; what is compared are ratios, and
they belong to the machine that a record names. Collections are without the passages that base and base/start have read.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import t

from workbook.bm25 import BM25
from workbook.claims.chapter_13 import quality
from workbook.claims.chapter_17 import nearest, shares
from workbook.claims.claim import NOT_SETTLED, Claim, Interval, Measurements, Verdict
from workbook.claims.kept import kept
from workbook.claims.measuring import (
    METRIC,
    collection_named,
    difference,
    encoder_named,
    level,
    of_run,
    sieved,
    signed,
    strange,
    texts_of,
    train,
    visible,
)
from workbook.data import Collection
from workbook.encoder import StaticEncoder, TextEncoder
from workbook.encoder import load as load_encoder
from workbook.export import OnnxEncoder, export_onnx, load_onnx
from workbook.metrics import ndcg_by_chance
from workbook.pooling import POOLINGS
from workbook.serving.drift import alarm_threshold, largest_gap
from workbook.similarity import top_k, truncate

COLLECTIONS = ("planted", "pydocs")
MINILM, BASE, BEFORE = "all-MiniLM-L6-v2", "base", "base/start"
FLOAT32, INT8 = "float32", "int8"
Texts = Sequence[str]


class Size(NamedTuple):
    """How much is searched, timed and watched."""

    planted: int  # passages of planted, so that there are queries enough
    queries: int
    passages: int
    models: tuple[str, ...]
    max_length: int  # tokens of a text
    batch: int  # texts that share a batch
    timed: int  # claim 61: queries that are timed, one by one, and passages, in batches
    turns: int  # of every arm, within a seed
    shelf: int  # vectors among which a query is searched for its time
    services: tuple[str, ...]  # claim 62: what the index was made in
    canaries: int
    meetings: int  # how often each canary is encoded, in other company each time
    days: int
    asked: int  # questions of the past, of quiet days and of later ones, each
    pairs: int
    steps: int
    few: tuple[int, ...]  # canaries of an alarm, or questions


SIZES = {
    "notebook": Size(2_000, 16, 100, (BASE,), 24, 8, 8, 2, 500, (FLOAT32,), 16, 4, 40, 16, 64, 2, (1, 10)),
    "record": Size(
        10_000, 300, 2_000, (MINILM, BASE, BEFORE), 64, 32, 64, 9, 20_000, (FLOAT32, INT8), 50, 30, 1_000, 600, 4_000, 32,
        (1, 2, 5, 10, 20, 50, 100, 200, 500),
    ),
}  # fmt: skip


# --- what all three share --------------------------------------------------------------------


@cache
def searched(collection: str, budget: str) -> Collection:
    """Test queries among passages that none of ours was trained on."""
    size = SIZES[budget]
    return strange(collection_named(collection, size.planted), "test", size.queries, size.passages)


def exported(encoder: TextEncoder, int8: bool) -> OnnxEncoder:
    """The same encoder in onnxruntime, on one thread."""
    with tempfile.TemporaryDirectory() as folder:
        export_onnx(encoder, folder, int8)
        return load_onnx(folder, num_threads=1)


def cut(encoder: TextEncoder, budget: str) -> TextEncoder:
    """An encoder that reads no more of a text than the budget says."""
    encoder.max_length = SIZES[budget].max_length
    return encoder.eval()


TORCH, ONNX, ONNX_INT8 = "torch", "ONNX", "ONNX int8"
RUNTIMES = (TORCH, ONNX, ONNX_INT8)


def served(encoder: TextEncoder, runtime: str) -> TextEncoder:
    """An encoder in a runtime."""
    return encoder if runtime == TORCH else exported(encoder, int8=runtime == ONNX_INT8)


@cache
def running(model: str, runtime: str, budget: str) -> TextEncoder:
    """A model in a runtime."""
    return served(cut(encoder_named(model), budget), runtime)


# --- claim 70: batch-mates -------------------------------------------------------------------

ALONE, COPIES, ALIKE, QUERIES, PASSAGES = (
    "alone", "copies of itself", "queries of its length", "other queries", "queries and passages",
)  # fmt: skip
COMPANIES = (COPIES, ALIKE, QUERIES, PASSAGES)
INSTEAD = "float32 for int8, alone"
DECIDING = (QUERIES, PASSAGES)  # what a batcher under load puts together
TIMES_MORE, MOST_OF_TEN, LITTLE_LOST = 2, 0.9, 0.01
Ids = list[int]


def companies(
    queries: Sequence[Ids], passages: Sequence[Ids], company: str, batch: int, seed: int
) -> Iterator[tuple[list[int], list[Ids]]]:
    """Batches, each with the numbers of those queries that stand first in it.

    Args:
        queries, passages: token ids of texts.
        company: ALONE or one of COMPANIES.
        batch: texts in a batch.
        seed: of who meets whom.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(queries)).tolist()
    if company in (ALONE, COPIES):
        for row in order:
            yield [row], [queries[row]] * (batch if company == COPIES else 1)
        return
    groups = [order]
    if company == ALIKE:  # then nothing is filled up
        lengths = sorted({len(queries[row]) for row in order})
        groups = [[row for row in order if len(queries[row]) == length] for length in lengths]
    mine = batch // 2 if company == PASSAGES else batch
    for group in groups:
        for start in range(0, len(group), mine):
            rows = group[start : start + mine]
            beside = rng.choice(len(passages), batch - mine, replace=False).tolist()
            yield rows, [queries[row] for row in rows] + [passages[row] for row in beside]


@kept
def in_company(collection: str, model: str, int8: bool, company: str, seed: int, budget: str) -> np.ndarray:
    """The vectors of all queries, each out of a batch: (Q, D)."""
    docs, size = searched(collection, budget), SIZES[budget]
    encoder = running(model, ONNX_INT8 if int8 else ONNX, budget)
    queries, passages = (encoder.token_ids(list(texts.values())) for texts in (docs.queries, docs.corpus))
    found = np.zeros((len(queries), encoder.full_size))
    with torch.no_grad():
        for rows, ids in companies(queries, passages, company, size.batch, seed):
            found[rows] = encoder.embed(ids)[: len(rows)].double().numpy()
    return found


def moved(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How far two vectors of length 1 lie apart, row by row."""
    distance: np.ndarray = np.linalg.norm(a - b, axis=1)
    return distance


class Shelf(NamedTuple):
    """Passages in int8, and what a query finds among them when it is encoded alone."""

    docs: Collection
    x: torch.Tensor  # (N, D)
    queries: torch.Tensor  # (Q, D)
    exact: np.ndarray  # (Q, K) rows

    def found(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of other vectors of the queries, (Q, D): the share of the ten that stay, whether the first does, and nDCG@10: (Q,) each."""
        ids = nearest(torch.from_numpy(vectors).float(), self.x)
        first = (ids[:, 0] == self.exact[:, 0]).astype(float)
        return shares(ids, self.queries, self.x, self.exact), first, quality(ids, self.docs)


def shelf_of(collection: str, model: str, budget: str) -> Shelf:
    """All passages of a collection by a model in int8."""
    docs = searched(collection, budget)
    x = torch.from_numpy(running(model, ONNX_INT8, budget).encode_document(list(docs.corpus.values())))
    queries = torch.from_numpy(in_company(collection, model, True, ALONE, 0, budget)).float()
    return Shelf(docs, x, queries, nearest(queries, x))


def measure_company(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """How far batch-mates move a query's vector, in int8 and in float32, and what that does to its ten passages."""
    result: Measurements = {}
    for collection, model in product(COLLECTIONS, SIZES[budget].models):
        shelf = shelf_of(collection, model, budget)
        case: Measurements = {}
        alone = {int8: in_company(collection, model, int8, ALONE, 0, budget) for int8 in (False, True)}
        itself = shelf.found(alone[True])[2]
        far: dict[str, dict[bool, np.ndarray]] = {}
        for company in COMPANIES:
            drawn = (0,) * len(seeds) if company == COPIES else seeds  # copies are nobody's choice
            rows = {i: [in_company(collection, model, i, company, seed, budget) for seed in drawn] for i in alone}
            far[company] = {i: np.array([moved(each, alone[i]) for each in rows[i]]) for i in alone}
            ten, first, ndcg = (np.array(each) for each in zip(*map(shelf.found, rows[True]), strict=True))
            case[company] = {
                "moved": level(far[company][True]),
                "moved, float32": float(far[company][False].mean()),
                "moved minus twice float32": difference(far[company][True], TIMES_MORE * far[company][False]),
                "moved minus twice copies": difference(far[company][True], TIMES_MORE * far[COPIES][True]),
                "ten that stay": level(ten),
                "first that stay": level(first),
                f"{METRIC} minus alone": difference(ndcg, np.broadcast_to(itself, ndcg.shape)),
            }
        ten, first, ndcg = (row[None] for row in shelf.found(alone[False]))
        case[INSTEAD] = {
            "moved": level(moved(alone[False], alone[True])[None]),
            "ten that stay": level(ten),
            "first that stay": level(first),
            f"{METRIC} minus alone": difference(ndcg, itself[None]),
        }
        result[f"{collection}, {model}"] = case
    return {"cases": result}


def decide_company(m: Measurements) -> Verdict:
    """Do batch-mates move a vector, and do its ten passages stay?"""
    moves, stays, changes = [], [], []
    parts: list[str] = []
    intervals: list[Interval] = []
    for case, companies_of in m["cases"].items():
        for company in DECIDING:
            row = companies_of[company]
            ten, lost = row["ten that stay"], row[f"{METRIC} minus alone"]
            moves.append(row["moved minus twice float32"][1] > 0 and row["moved minus twice copies"][1] > 0)
            stays.append(ten[1] > MOST_OF_TEN and max(-lost[1], lost[2]) < LITTLE_LOST)
            changes.append(ten[2] < MOST_OF_TEN or lost[2] < -LITTLE_LOST or lost[1] > LITTLE_LOST)
            parts.append(
                f"{case}, {company}: moved {row['moved'][0]:.3f}, of the ten {ten[0]:.3f} [{ten[1]:.3f}, {ten[2]:.3f}] stay, {METRIC} {signed(lost)}"
            )
            intervals += [Interval(f"{case}, {company}: of the ten", *ten)]
        whole = companies_of[INSTEAD]["ten that stay"][0]
        parts.append(f"{case}: moved by copies {companies_of[COPIES]['moved'][0]:.3f}; float32 keeps {whole:.3f}")
    fulfilled = [a and b for a, b in zip(moves, stays, strict=True)]
    against = [not a or b for a, b in zip(moves, changes, strict=True)]
    verdict = (
        "holds" if all(fulfilled) else "misleading" if all(against) else "depends" if any(fulfilled) else NOT_SETTLED
    )
    lost = [row[c][f"{METRIC} minus alone"] for row in m["cases"].values() for c in DECIDING]
    because = f"{'; '.join(parts)}; a difference of {visible(lost):.3f} {METRIC} would have been seen"
    return Verdict(verdict, because, tuple(intervals))


# --- claim 61: the frontier ------------------------------------------------------------------

PARTS = (1, 2, 4)  # of the dimensions: all, a half, a quarter
LOSS, GAIN = 0.02, 0.8  # nDCG@10 that a lever may cost; the share of the time that it may leave
NOT_SLOWER, NOT_WORSE = 1.05, 0.01  # to be beaten by a point


class Point(NamedTuple):
    """A way to serve: a model in a runtime, with all of its dimensions or a part."""

    model: str
    runtime: str
    part: int

    def told(self) -> str:
        """Such as "base, ONNX int8, 1/2"."""
        return f"{self.model}, {self.runtime}" + (f", 1/{self.part}" if self.part > 1 else "")


class Lever(NamedTuple):
    """One thing that is turned, all else equal."""

    name: str
    before: Point
    after: Point
    saves: str  # "time" or "bytes"


def levers(models: Sequence[str]) -> list[Lever]:
    """A smaller model, half of the dimensions, ONNX and int8, for the largest model and for base."""
    found = []
    if MINILM in models:  # in one runtime, for in torch they are not made of the same layers
        found.append(Lever("a smaller model", Point(MINILM, ONNX, 1), Point(BASE, ONNX, 1), "time"))
    for model in (each for each in (MINILM, BASE) if each in models):
        whole = Point(model, TORCH, 1)
        onnx = whole._replace(runtime=ONNX)
        found += [
            Lever(f"{model}, half the dimensions", whole, whole._replace(part=2), "bytes"),
            Lever(f"{model}, ONNX", whole, onnx, "time"),
            Lever(f"{model}, int8", onnx, onnx._replace(runtime=ONNX_INT8), "time"),
        ]
    return found


@kept
def found_by(collection: str, model: str, runtime: str, budget: str) -> dict[str, np.ndarray]:
    """nDCG@10 of each query, by the part of the dimensions: (Q,) each. Queries are encoded alone."""
    docs, encoder = searched(collection, budget), running(model, runtime, budget)
    q = torch.from_numpy(encoder.encode_query(list(docs.queries.values()), batch_size=1))
    x = torch.from_numpy(encoder.encode_document(list(docs.corpus.values()), batch_size=SIZES[budget].batch))
    rows = {}
    for part in PARTS:
        D = x.shape[1] // part
        rows[str(part)] = quality(top_k(truncate(q, D), truncate(x, D), k=10)[1].numpy(), docs)
    return rows


def seconds_of(call: Callable[[], object]) -> float:
    """Processor time of a call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def one_at_a_time(encoder: TextEncoder, texts: Texts) -> None:
    """As queries come that nothing waits for."""
    for text in texts:
        encoder.encode_query([text])


@kept
def timed(seed: int, budget: str) -> dict[str, np.ndarray]:
    """Milliseconds of processor time: for a query alone, for a passage in batches, and for a search by its dimensions.

    All arms take turns, in an order that is drawn anew each time; the median of the turns counts.
    """
    size, docs = SIZES[budget], searched("pydocs", budget)
    queries, passages = list(docs.queries.values())[: size.timed], list(docs.corpus.values())[: size.timed]
    calls: dict[str, tuple[int, Callable[[], object]]] = {}
    generator = torch.Generator().manual_seed(seed)
    for model in size.models:
        for runtime in RUNTIMES:
            encoder = running(model, runtime, budget)
            in_batches = partial(encoder.encode_document, passages, batch_size=size.batch)
            calls[f"query, {model}, {runtime}"] = len(queries), partial(one_at_a_time, encoder, queries)
            calls[f"passage, {model}, {runtime}"] = len(passages), in_batches
        for D in (encoder.full_size // part for part in PARTS):
            shelf, asked = (torch.randn(n, D, generator=generator) for n in (size.shelf, 1))
            calls[f"search, {D}"] = 1, partial(top_k, asked, shelf, k=10)
    rng = np.random.default_rng(seed)
    turns: dict[str, list[float]] = {name: [] for name in calls}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for _, call in calls.values():
            call()  # once for nothing
        for _ in range(size.turns):
            for name in rng.permutation(list(calls)).tolist():
                count, call = calls[name]
                turns[name].append(1000 * seconds_of(call) / count)
    finally:
        torch.set_num_threads(threads)
    return {name: np.array([np.median(each)]) for name, each in turns.items()}


def ratio(after: np.ndarray, before: np.ndarray) -> list[float]:
    """How much of the time is left, and its interval over seeds, from logarithms: (seeds,), (seeds,)."""
    logs = np.log(after) - np.log(before)
    n = len(logs)
    error = t.ppf(0.975, n - 1) * logs.std(ddof=1) / n**0.5 if n > 1 else 0.0
    return [round(float(np.exp(x)), 4) for x in (logs.mean(), logs.mean() - error, logs.mean() + error)]


def beaten(a: Point, b: Point, times: Mapping[Point, np.ndarray], sizes: Mapping[Point, int], rows: Mapping[Point, np.ndarray]) -> bool:  # fmt: skip
    """Is b nowhere worse than a, and clearly better in time, bytes or nDCG@10?"""
    spent = ratio(times[b], times[a])
    if sizes[b] > sizes[a] or spent[2] > NOT_SLOWER:
        return False
    better = difference(rows[b][None], rows[a][None])
    return better[1] > -NOT_WORSE and (2 * sizes[b] <= sizes[a] or spent[2] < GAIN or better[1] > 0)


def measure_serving(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """Quality, time and bytes of every point, what each lever does, and which points nothing beats."""
    size = SIZES[budget]
    each = [timed(seed, budget) for seed in seeds]
    spent = {name: np.array([one[name][0] for one in each]) for name in each[0]}
    points = [Point(*point) for point in product(size.models, RUNTIMES, PARTS)]
    dims = {point: running(point.model, TORCH, budget).full_size // point.part for point in points}
    times = {p: spent[f"query, {p.model}, {p.runtime}"] + spent[f"search, {dims[p]}"] for p in points}
    sizes = {p: 4 * dims[p] for p in points}
    result: Measurements = {
        "milliseconds of a query": {p.told(): round(float(times[p].mean()), 3) for p in points},
        "milliseconds of a passage": {
            f"{model}, {runtime}": round(float(spent[f"passage, {model}, {runtime}"].mean()), 3)
            for model, runtime in product(size.models, RUNTIMES)
        },
        "bytes of a vector": {p.told(): sizes[p] for p in points},
        "collections": {},
    }
    for collection in COLLECTIONS:
        docs = searched(collection, budget)
        found = {pair: found_by(collection, *pair, budget) for pair in product(size.models, RUNTIMES)}
        rows = {p: found[p.model, p.runtime][str(p.part)] for p in points}
        frontier = [a for a in points if not any(beaten(a, b, times, sizes, rows) for b in points if b != a)]
        keywords = of_run(BM25().index(docs.corpus).search(docs.queries, k=10), docs)
        result["collections"][collection] = {
            METRIC: {p.told(): level(rows[p][None]) for p in points},
            "BM25": round(float(keywords.mean()), 4),
            "chance": round(ndcg_by_chance(docs.qrels, len(docs.corpus)), 4),
            "frontier": [p.told() for p in frontier],
            "levers": {
                lever.name: {
                    METRIC: difference(rows[lever.after][None], rows[lever.before][None]),
                    "time": ratio(times[lever.after], times[lever.before]),
                    "bytes": sizes[lever.after] / sizes[lever.before],
                    "saves": lever.saves,
                }
                for lever in levers(size.models)
            },
        }
    return result


def decide_serving(m: Measurements) -> Verdict:
    """Does each lever save what it is turned for, and cost little?"""
    paid, parts, intervals = [], [], []
    for collection, found in m["collections"].items():
        for name, row in found["levers"].items():
            saved = row["bytes"] <= 0.5 if row["saves"] == "bytes" else row["time"][2] < GAIN
            paid.append(saved and row[METRIC][1] > -LOSS)
            spent = ", ".join(f"{x:.2f}" for x in row["time"][1:])
            parts.append(
                f"{collection}, {name}: {METRIC} {signed(row[METRIC])}, time {row['time'][0]:.2f} [{spent}], bytes {row['bytes']:.2f}"
            )
            intervals.append(Interval(f"{collection}, {name}", *row[METRIC]))
        count = len(m["bytes of a vector"])
        parts.append(f"{collection}: nothing beats {len(found['frontier'])} of {count} points: {' · '.join(found['frontier'])}")  # fmt: skip
    verdict = "holds" if all(paid) else "depends" if any(paid) else "misleading"
    because = f"{'; '.join(parts)}; a difference of {visible([i[1:] for i in intervals]):.3f} would have been seen"
    return Verdict(verdict, because, tuple(intervals))


# --- claim 62: a silent change ---------------------------------------------------------------

OTHER, PROMPT, POOLING, SEED, PRECISION, RUNTIME, NOTHING = (
    "another model", "another prompt", "another pooling", "another seed", "another precision", "another runtime", "nothing",
)  # fmt: skip
CHANGES = (OTHER, BEFORE, PROMPT, POOLING, SEED, PRECISION)
BESIDE = (RUNTIME, NOTHING)  # what should not matter
SEEDED = (OTHER, SEED)  # something is trained
RATE, MOST_FALSE, POWER, TEN, CORRUPT = 0.05, 0.1, 0.95, 10, 0.05
STEPS = {OTHER: (4, 0.02, 512), SEED: (1, 3e-4, 64)}  # how many times the budget's steps, learning rate, batch


@cache
def pairs_of(collection: str, budget: str) -> list[tuple[str, ...]]:
    """Pairs to train on, without anything that is asked or searched."""
    size = SIZES[budget]
    rows = collection_named(collection, size.planted).pairs("train")
    order = np.random.default_rng(0).permutation(len(rows))[: size.pairs]
    return sieved([rows[i] for i in order], texts_of(searched(collection, budget)))


@cache
def trained_on(collection: str, change: str, seed: int, budget: str) -> TextEncoder:
    """A bag of words from random weights, or base, after some steps."""
    encoder = cut(load_encoder(BASE), budget)
    if change == OTHER:
        torch.manual_seed(seed)
        static = StaticEncoder(encoder.tokenizer.get_vocab_size(), encoder.full_size)
        encoder = cut(TextEncoder(encoder.tokenizer, static), budget)
    times, lr, batch = STEPS[change]
    rows, steps = pairs_of(collection, budget), times * SIZES[budget].steps
    quick = budget == "record" and change == SEED
    train(encoder, rows, quick=quick, steps=steps, lr=lr, batch_size=min(batch, len(rows) // 2), seed=seed)
    return encoder.eval()


@cache
def versions(collection: str, change: str, service: str, seed: int, budget: str) -> tuple[TextEncoder, TextEncoder]:
    """The model that made the index, and the one that takes its place; the seed matters only where something is trained."""
    old, new = (cut(load_encoder(BASE), budget) for _ in range(2))
    if change in SEEDED:
        new = trained_on(collection, change, seed, budget)
    if change == SEED:  # both were trained on, the same way
        old = trained_on(collection, SEED, seed + 1_000, budget)
    elif change == BEFORE:
        new = cut(load_encoder(BEFORE), budget)
    elif change == PROMPT:
        new.query_prompt, new.document_prompt = "query: ", "passage: "
    elif change == POOLING:
        new.pooling = POOLINGS["cls"]
    usual = TORCH if service == FLOAT32 else ONNX_INT8
    later = {PRECISION: ONNX_INT8 if service == FLOAT32 else ONNX, RUNTIME: ONNX}.get(change, usual)
    return served(old, usual), served(new, later)


def seed_of(change: str, seed: int) -> int:
    """One for all where nothing is trained."""
    return seed if change in SEEDED else 0


def encoded(encoder: TextEncoder, prompt: str, texts: Texts, batch: int, seed: int) -> np.ndarray:
    """The vectors of texts that have met in random batches: (N, D)."""
    ids = encoder.token_ids([prompt + text for text in texts])
    found = np.zeros((len(texts), encoder.full_size))
    with torch.no_grad():
        for rows, together in companies(ids, [], QUERIES, batch, seed):
            found[rows] = encoder.embed(together).double().numpy()
    return found


@kept
def corrupted(collection: str, change: str, service: str, seed: int, budget: str) -> dict[str, np.ndarray]:
    """nDCG@10 of each query, (Q,): the old model in its index, the new one in its own, and the new one in the old index."""
    docs = searched(collection, budget)
    rows: dict[str, np.ndarray] = {}
    old, new = versions(collection, change, service, seed, budget)
    x = {name: e.encode_document(list(docs.corpus.values())) for name, e in (("old", old), ("new", new))}
    q = {name: e.encode_query(list(docs.queries.values())) for name, e in (("old", old), ("new", new))}
    for query, passage in (("old", "old"), ("new", "new"), ("new", "old")):
        ids = top_k(torch.from_numpy(q[query]), torch.from_numpy(x[passage]), k=10)[1].numpy()
        rows[f"{query} in {passage}"] = quality(ids, docs)
    return rows


@kept
def agreements(
    collection: str, change: str, service: str, new: bool, weights: int, seed: int, budget: str
) -> np.ndarray:
    """Cosines of each canary with its stored vector, of the old model or the new one, in other company each time: (meetings, canaries).

    Args:
        weights: the seed of what is trained.
        seed: of the canaries.
    """
    size, passages = SIZES[budget], list(searched(collection, budget).corpus.values())
    texts = [passages[i] for i in np.random.default_rng(seed).permutation(len(passages))[: size.canaries]]
    old, other = versions(collection, change, service, weights, budget)
    encoder = other if new else old
    stored = encoded(old, old.document_prompt, texts, size.batch, 0)
    rows = []
    for meeting in range(1 + new * size.meetings, 1 + (1 + new) * size.meetings):
        fresh = encoded(encoder, encoder.document_prompt, texts, size.batch, meeting)
        lengths = np.linalg.norm(fresh, axis=1) * np.linalg.norm(stored, axis=1)
        rows.append((stored * fresh).sum(axis=1) / np.maximum(lengths, 1e-12))
    return np.array(rows)


def watched(collection: str, change: str, service: str, seed: int, budget: str) -> tuple[np.ndarray, np.ndarray]:
    """`agreements` on quiet days and after the change; quiet days are the same for all changes of one old model."""
    weights = seed_of(change, seed)
    old, trained = (SEED, weights) if change == SEED else (NOTHING, 0)
    quiet = agreements(collection, old, service, False, trained, seed, budget)
    return quiet, agreements(collection, change, service, True, weights, seed, budget)


def means_of_days(cosines: np.ndarray, n: int, days: int, rng: np.random.Generator) -> np.ndarray:
    """The statistic of days on which each of the first n canaries has met somebody: (company, canaries) -> (days,)."""
    met = rng.integers(len(cosines), size=(days, n))
    means: np.ndarray = cosines[met, np.arange(n)].mean(axis=1)
    return means


def alarms(quiet: np.ndarray, changed: np.ndarray, n: int, days: int, seed: int) -> tuple[float, float]:
    """The shares of quiet days and of changed days on which n canaries ring.

    Half of the quiet meetings set the threshold, the other half are the days on which an alarm is false.
    """
    rng, half = np.random.default_rng(seed), len(quiet) // 2
    threshold = alarm_threshold(means_of_days(quiet[:half], n, days, rng).tolist(), RATE)
    false = means_of_days(quiet[half:], n, days, rng) < threshold
    return float(false.mean()), float((means_of_days(changed, n, days, rng) < threshold).mean())


@kept
def scores_of_the_day(collection: str, change: str, seed: int, budget: str) -> dict[str, np.ndarray]:
    """The score of the first hit of many questions in the old index: of the old model, of the new one, and of other people's questions."""
    size = SIZES[budget]
    old, new = versions(collection, change, FLOAT32, seed, budget)
    x = torch.from_numpy(old.encode_document(list(searched(collection, budget).corpus.values())))
    other = next(each for each in COLLECTIONS if each != collection)

    def scores(encoder: TextEncoder, of: str) -> np.ndarray:
        asked = list(collection_named(of, size.planted).split("train").sample(size.asked * 3).queries.values())
        best: np.ndarray = top_k(torch.from_numpy(encoder.encode_query(asked)), x, k=1)[0][:, 0].numpy()
        return best

    return {"quiet": scores(old, collection), "changed": scores(new, collection), "other questions": scores(old, other)}


def gaps(scores: np.ndarray, reference: np.ndarray, n: int, days: int, rng: np.random.Generator) -> list[float]:
    """How far the scores of n questions, drawn anew each day, lie from the reference, as a number that falls."""
    told = reference.tolist()
    return [-largest_gap(rng.choice(scores, n, replace=False).tolist(), told) for _ in range(days)]


def traffic(scores: Mapping[str, np.ndarray], n: int, days: int, seed: int) -> dict[str, float]:
    """The shares of days on which the scores of n questions ring: a third of the questions is the reference, a third sets the threshold."""
    rng = np.random.default_rng(seed)
    reference, before, rest = np.array_split(rng.permutation(len(scores["quiet"])), 3)
    past, n = scores["quiet"][reference], min(n, len(rest))
    threshold = alarm_threshold(gaps(scores["quiet"][before], past, n, days, rng), RATE)
    told = {name: gaps(row[rest % len(row)], past, n, days, rng) for name, row in scores.items()}
    return {name: float(np.mean(np.array(each) < threshold)) for name, each in told.items()}


def least(found: Mapping[int, float]) -> int | None:
    """The fewest texts from which on a change is found on POWER of the days; None where no number is enough."""
    enough = [n for n in found if all(found[m] >= POWER for m in found if m >= n)]
    return min(enough, default=None)


def measure_change(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """What each change does to the search, and how many texts it takes to see it."""
    size = SIZES[budget]
    result: Measurements = {}
    for collection, service in product(COLLECTIONS, size.services):
        case: Measurements = {}
        for change in (*CHANGES, *(BESIDE if service == FLOAT32 else (NOTHING,))):
            rows = [corrupted(collection, change, service, seed_of(change, seed), budget) for seed in seeds]
            rows = rows if change in SEEDED else rows[:1]
            ndcg = {name: np.array([row[name] for row in rows]) for name in rows[0]}
            days = [watched(collection, change, service, seed, budget) for seed in seeds]
            rung = {
                n: np.array([alarms(*each, n, size.days, seed) for each, seed in zip(days, seeds, strict=True)])
                for n in size.few
                if n <= size.canaries
            }  # (seeds, 2) each
            case[change] = {
                METRIC: {name: round(float(row.mean()), 4) for name, row in ndcg.items()},
                "new in old minus new in new": difference(ndcg["new in old"], ndcg["new in new"]),
                "new in new minus old in old": difference(ndcg["new in new"], ndcg["old in old"]),
                "false alarms": {str(n): round(float(row[:, 0].mean()), 4) for n, row in rung.items()},
                "rings": {str(n): round(float(row[:, 1].mean()), 4) for n, row in rung.items()},
                "canaries needed": least({n: float(row[:, 1].min()) for n, row in rung.items()}),
            }
            if service == FLOAT32:
                case[change] |= by_questions(collection, change, seeds, budget)
        result[f"{collection}, {service}"] = case
    return {"cases": result, "canaries": TEN}


def by_questions(collection: str, change: str, seeds: Sequence[int], budget: str) -> Measurements:
    """The same of the scores of the day's questions, which nobody chose."""
    size = SIZES[budget]
    told = {
        n: [
            traffic(scores_of_the_day(collection, change, seed_of(change, s), budget), n, size.days // 5, s)
            for s in seeds
        ]
        for n in size.few
    }
    return {
        "questions": {
            str(n): {name: round(float(np.mean([one[name] for one in each])), 4) for name in each[0]}
            for n, each in told.items()
        },
        "questions needed": least({n: min(one["changed"] for one in each) for n, each in told.items()}),
    }


def decide_change(m: Measurements) -> Verdict:
    """Does each change corrupt the index, and do ten canaries ring where it does?"""
    corrupts, found, parts, intervals = [], [], [], []
    false: list[float] = []
    ten = str(m["canaries"])
    for case, changes in m["cases"].items():
        for change in CHANGES:
            row = changes[change]
            lost = row["new in old minus new in new"]
            corrupts.append(lost[2] < -CORRUPT)
            found.append(row["rings"][ten] >= POWER)
            parts.append(
                f"{case}, {change}: {METRIC} {signed(lost)}, ten canaries ring on {row['rings'][ten]:.0%} of days, needed {row['canaries needed'] or 'more'}"
                + (f", or {row['questions needed'] or 'more'} questions" if "questions needed" in row else "")
            )
            intervals.append(Interval(f"{case}: {change}", *lost))
        false += [row["false alarms"][ten] for row in changes.values()]
        parts += [
            f"{case}, {change}: ten ring on {changes[change]['rings'][ten]:.0%}"
            for change in BESIDE
            if change in changes
        ]
    bad = [seen for seen, hurts in zip(found, corrupts, strict=True) if hurts]
    verdict = "holds" if all(corrupts) and all(found) else "misleading" if not any(bad) else "depends"
    if max(false) > MOST_FALSE:
        verdict = NOT_SETTLED  # then the threshold is not what it should be
    because = (
        f"{sum(corrupts)} of {len(corrupts)} changes corrupt, ten canaries find {sum(bad)} of these; false alarms at most {max(false):.1%} of quiet days. "
        f"{'; '.join(parts)}; a difference of {visible([i[1:] for i in intervals]):.3f} would have been seen"
    )
    return Verdict(verdict, because, tuple(intervals))


_RECORD = SIZES["record"]
_WORLD = f"{_RECORD.queries} test queries among {_RECORD.passages:,} passages of planted and of pydocs each that base has not read, {_RECORD.max_length} tokens"
CLAIMS = (
    Claim(
        61,
        "21",
        "Smaller models, shorter vectors, ONNX and int8 each save much and cost little.",
        f"{_WORLD}. Seven levers, all else equal: base (2 layers) for all-MiniLM-L6-v2 (6), both in ONNX; for each of the two half of the dimensions, ONNX for torch, and dynamic int8 for "
        f"ONNX. A lever pays when nDCG@10 falls by less than {LOSS} with its interval over queries, and either bytes of a vector halve or the processor time of a query, encoded alone and "
        f"searched among {_RECORD.shelf:,} vectors, falls below {GAIN} with its interval over seeds: sessions of {_RECORD.turns} turns in which all arms alternate in random order on one "
        "thread. Holds when all seven pay in both collections, misleading when none does, depends otherwise. Which of all points no other beats stands beside, with passages' time, BM25 "
        "and chance, and decides nothing",
        measure_serving,
        decide_serving,
    ),
    Claim(
        62,
        "21",
        "A silent model change corrupts an index; ten canary texts detect it.",
        f"{_WORLD}, base as the index's model, in float32 or int8. Six changes: a bag of words trained from random weights, base/start, prompts, CLS for mean, another seed of the same "
        f"further training, the other precision. A change corrupts when nDCG@10 of the new model in the old index lies more than {CORRUPT} below that of the new model in its own, with its "
        f"interval over queries and seeds. It is found when {TEN} canaries, each in random company, ring on {POWER:.0%} of days at a threshold from {_RECORD.days:,} quiet days with "
        f"{RATE:.0%} false alarms. Holds when all six corrupt and are found in all four cases, misleading when none corrupts or none of those that do is found, depends otherwise; not settled "
        f"here when more than {MOST_FALSE:.0%} of other quiet days ring. ONNX for torch, no change, the scores of the day's questions and other people's questions stand beside",
        measure_change,
        decide_change,
    ),
    Claim(
        70,
        "21",
        "Dynamic int8 makes a vector depend on its batch-mates; ranks hardly change.",
        f"{_WORLD}; all-MiniLM-L6-v2, base and base/start in onnxruntime, a query alone or in a batch of {_RECORD.batch} with other queries, or with queries and passages, drawn anew for each "
        f"seed. Vectors depend when int8 moves them more than {TIMES_MORE} times as far as float32 in the same batches, and as copies of the query itself do, with their intervals. Ranks hardly "
        f"change when more than {MOST_OF_TEN} of the ten that it finds alone stay, and nDCG@10 changes by less than {LITTLE_LOST}, both with their intervals. Holds when both are so in all "
        "twelve cases, misleading when in each vectors do not depend or ranks clearly change, depends when both are so in some, not settled here otherwise. Mates of the query's own length, so that "
        "nothing is filled up, and float32 for int8 stand beside",
        measure_company,
        decide_company,
    ),
)
