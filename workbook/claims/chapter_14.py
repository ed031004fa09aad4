"""Claims 38 to 41: what a vector for each token buys, whom the tokens find, what it costs, and what pruning keeps.

One vector and a vector for each token start from the same weights, `ENCODER`, and read the same lists in as many steps; each
has its own learning rate, chosen on dev queries. Worlds, lists and what is kept out of training are those of chapter 11's
claims. Test queries decide.

    WORKBOOK_PUBLIC=FOLDER python -m workbook claims run 38 --record

measures public collections as well, on which nothing was trained: those of PUBLIC that the folder holds, in BEIR's layout.
They stand in the record and decide nothing.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from workbook.base.heads import colbert_of
from workbook.bm25 import BM25
from workbook.claims import chapter_11
from workbook.claims.chapter_11 import (
    COLLECTIONS,
    DOCS,
    ENCODER,
    by_sign,
    intervals,
    lists,
    means,
    planted_world,
    world,
)
from workbook.claims.claim import NOT_SETTLED, Claim, Interval, Measurements, Verdict
from workbook.claims.kept import kept
from workbook.claims.measuring import (
    METRIC,
    TUNING_SEED,
    best_of,
    difference,
    of_run,
    per_query,
    public,
    quickly,
    signed,
    split_of,
    visible,
    widened,
)
from workbook.data import Collection, load
from workbook.encoder import TextEncoder
from workbook.index.quantize import dequantize_embeddings, quantization_ranges, quantize_embeddings
from workbook.late_interaction import ColbertEncoder, PlaidIndex, ResidualCodec, fit_colbert, maxsim, pool_tokens
from workbook.late_interaction.maxsim import EMPTY_SCORE
from workbook.rerank import rerank
from workbook.rerank.pipeline import ceiling
from workbook.similarity import as_run, dense_search, normalize
from workbook.support.types import Run
from workbook.support.words import STOP_WORDS, Words

ONE, TOKENS, READER = "one vector", "a vector for each token", "cross-encoder"
PUBLIC = ("cosqa", "squad_dev")
MARGIN = 0.05  # of the lists: what an encoder finds above 95 % of the right answer's score is no negative
DEPTH = 20  # of one vector's hits that the cross-encoder reads
QUERY_LENGTH = 32
PROJECTED = 300  # passages whose tokens say where the projection begins
CLOSE = 0.02  # nDCG@10 that the cross-encoder may be ahead
SMALL_LOSS = 0.01  # nDCG@10 that a smaller or faster index may lose
BITS = (4, 2, 1)
FACTORS = (2, 4)  # tokens that become one


class Size(NamedTuple):
    """How much is trained and searched beyond chapter 11's sizes."""

    steps: int
    batch_size: int  # lists
    lrs: tuple[float, ...]
    reader_steps: int
    reader_lrs: tuple[float, ...]
    public: tuple[int, int]  # queries and passages of a public collection
    large: tuple[int, int]  # queries and passages, at most, among which bytes and pruning are judged


SIZES = {
    "notebook": Size(2, 4, (3e-4,), 2, (3e-4,), (10, 30), (10, 60)),
    "record": Size(160, 16, (1e-4, 3e-4, 1e-3, 3e-3), 240, (1e-4, 3e-4, 1e-3), (400, 2_000), (300, 8_000)),
}


# --- training --------------------------------------------------------------------------------


def rows_of(collection: str, budget: str) -> list[tuple[str, ...]]:
    """The lists (query, positive, negative, …) that all arms read."""
    return list(lists(collection, budget, MARGIN))


@cache
def one_vector(collection: str, lr: float, seed: int, budget: str) -> TextEncoder:
    """Trained on the lists."""
    size, encoder = SIZES[budget], chapter_11.new_encoder(budget)
    rows = rows_of(collection, budget)
    chapter_11.steps_of(encoder, rows, lr, seed, budget, steps=size.steps, batch_size=size.batch_size)
    return encoder


class Way(NamedTuple):
    """How an arm is trained: its learning rate, and whether its queries are filled up with [MASK]."""

    lr: float
    expansion: bool = False


def bare(collection: str, expansion: bool, budget: str) -> ColbertEncoder:
    """A vector for each token before any training, projected on the directions in which training passages reach furthest."""
    passages = [row[1] for row in rows_of(collection, budget)[:PROJECTED]]
    return colbert_of(chapter_11.new_encoder(budget), QUERY_LENGTH, expansion, passages).eval()


@cache
def late(collection: str, way: Way, seed: int, budget: str) -> ColbertEncoder:
    """A vector for each token, trained on the same lists."""
    size, encoder, rows = SIZES[budget], bare(collection, way.expansion, budget), rows_of(collection, budget)
    with quickly(budget == "record") as dtype:
        fit_colbert(encoder, rows, size.steps, size.batch_size, way.lr, seed, dtype=dtype, texts=rows, show=False)
    return encoder.eval()


class Tokens(NamedTuple):
    """What late interaction holds of a collection: (Q, S, D), and ragged (L, D) with lengths (N,)."""

    queries: Tensor
    passages: Tensor
    lengths: Tensor


def tokens_of(encoder: ColbertEncoder, docs: Collection) -> Tokens:
    """All queries and passages, encoded."""
    return Tokens(
        encoder.encode_query(list(docs.queries.values())), *encoder.encode_document(list(docs.corpus.values()))
    )


def as_read(texts: Sequence[str], budget: str) -> list[str]:
    """Passages cut to what the other arms read of them, for a reader that would take more."""
    encoder = chapter_11.new_encoder(budget)
    encoded = encoder.tokenizer.encode_batch(list(texts), add_special_tokens=False)
    room = encoder.max_length - 2
    return [
        text if len(e.ids) <= room else text[: e.offsets[room - 1][1]] for text, e in zip(texts, encoded, strict=True)
    ]


def by_scores(scores: Tensor, docs: Collection) -> np.ndarray:
    """nDCG@10 of each query: (Q, N) scores -> (Q,)."""
    best, order = scores.sort(dim=1, descending=True, stable=True)
    return of_run(as_run(docs.queries, list(docs.corpus), best[:, :10], order[:, :10]), docs)


def exact(read: Tokens, docs: Collection) -> np.ndarray:
    """The same, by MaxSim with every passage."""
    return by_scores(maxsim(*read), docs)


@cache
def strangers(budget: str) -> dict[str, Collection]:
    """Test queries of the public collections that are at hand."""
    return {name: docs.split("test").sample(*SIZES[budget].public) for name, docs in public(PUBLIC).items()}


def searched(collection: str, split: str, budget: str) -> dict[str, Collection]:
    """What an arm is judged on: dev or test of its own collection, and, what learned from DOCS, the public ones."""
    at = world(collection, budget)
    if split == "dev":
        return {collection: at.dev}
    return {collection: at.test, **(strangers(budget) if collection == DOCS else {})}


# --- claim 38 --------------------------------------------------------------------------------


@kept
def quality(arm: str, collection: str, budget: str, way: Way, seed: int) -> dict[str, np.ndarray]:
    """nDCG@10 of each query, by collection, after one arm's training."""
    among = searched(collection, split_of(seed), budget)
    if arm == ONE:
        encoder = one_vector(collection, way.lr, seed, budget)
        return {name: per_query(encoder, docs) for name, docs in among.items()}
    if arm == TOKENS:
        tokens = late(collection, way, seed, budget)
        return {name: exact(tokens_of(tokens, docs), docs) for name, docs in among.items()}
    size = SIZES[budget]
    rows = [(query, *as_read(passages, budget)) for query, *passages in rows_of(collection, budget)]
    shelf = as_read(chapter_11.shelf(collection, budget), budget)
    reader = chapter_11.reader_of(rows, shelf, ENCODER, size.reader_steps, budget, lr=way.lr, seed=seed)
    found = {}
    for name, docs in among.items():
        corpus = dict(zip(docs.corpus, as_read(list(docs.corpus.values()), budget), strict=True))
        hits = first_hits(collection, seed, budget)[name]
        found[name] = of_run(rerank(reader, hits, docs.queries, corpus, depth=DEPTH), docs)
    return found


@cache
def first_hits(collection: str, seed: int, budget: str) -> dict[str, Run]:
    """What one vector of the same seed finds: the cross-encoder reads that and no more."""
    encoder = one_vector(collection, chosen(ONE, collection, budget).lr, seed, budget)
    among = searched(collection, split_of(seed), budget)
    return {name: dense_search(encoder, docs.corpus, docs.queries, k=DEPTH) for name, docs in among.items()}


def chosen(arm: str, collection: str, budget: str) -> Way:
    """The learning rate that dev queries prefer, and for tokens whether queries are filled up."""
    size = SIZES[budget]
    rates = size.reader_lrs if arm == READER else size.lrs
    ways = [Way(lr, expansion) for lr in rates for expansion in ((True, False) if arm == TOKENS else (False,))]
    return best_of(ways, lambda way: float(quality(arm, collection, budget, way, TUNING_SEED)[collection].mean()))


def measure_quality(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """nDCG@10 by collection and arm; a public collection is judged by what learned from pydocs."""
    found: Measurements = {}
    for trained_on in COLLECTIONS:
        ways = {arm: chosen(arm, trained_on, budget) for arm in (ONE, TOKENS, READER)}
        of_seeds = {arm: [quality(arm, trained_on, budget, way, seed) for seed in seeds] for arm, way in ways.items()}
        for name, docs in searched(trained_on, "test", budget).items():
            rows = {arm: np.array([each[name] for each in of]) for arm, of in of_seeds.items()}
            start, untrained = chapter_11.new_encoder(budget), bare(trained_on, ways[TOKENS].expansion, budget)
            keywords = BM25().index(docs.corpus).search(docs.queries, k=10)
            alone = {"BM25": of_run(keywords, docs), "untrained": per_query(start, docs)}
            alone["untrained, a vector for each token"] = exact(tokens_of(untrained, docs), docs)
            hits = first_hits(trained_on, seeds[0], budget)[name]
            found[name] = {
                METRIC: {arm: means(values[None]) for arm, values in alone.items()}
                | {arm: means(values) for arm, values in rows.items()},
                "chosen": {arm: way._asdict() for arm, way in ways.items()},
                "ceiling of the reader": round(ceiling(docs.qrels, hits, DEPTH), 4),
                "tokens minus one": difference(rows[TOKENS], rows[ONE]),
                "reader minus one": difference(rows[READER], rows[ONE]),
                "reader minus tokens": difference(rows[READER], rows[TOKENS]),
                "trained on": trained_on,
            }
    return found


def decide_quality(m: Measurements) -> Verdict:
    """Is a vector for each token above one vector in both, and a cross-encoder that is above it, too, less than CLOSE ahead?"""
    ahead = {f"{c}: tokens minus one vector": m[c]["tokens minus one"] for c in COLLECTIONS}
    left = {f"{c}: cross-encoder minus tokens": m[c]["reader minus tokens"] for c in COLLECTIONS}
    verdict = by_sign(ahead, NOT_SETTLED)
    reads = [m[c]["reader minus one"][1] > 0 for c in COLLECTIONS]
    if verdict == "holds" and not (all(reads) and all(high < CLOSE for _, _, high in left.values())):
        verdict = "depends"
    parts = [
        f"{c} {signed(m[c]['tokens minus one'])}, cross-encoder minus one vector {signed(m[c]['reader minus one'])}, minus tokens "
        f"{signed(m[c]['reader minus tokens'])}"
        for c in m
    ]
    because = (
        f"nDCG@10, a vector for each token minus one vector: {'; '.join(parts)}. A difference of {visible([*ahead.values()]):.3f} would have "
        "been seen. Collections other than planted and pydocs decide nothing: nothing was trained on them"
    )
    return Verdict(verdict, because, intervals(ahead | left))


# --- claim 39 --------------------------------------------------------------------------------

SAME, STEM, OTHER = "the same word", "the same stem", "another"
KINDS = (SAME, STEM, OTHER)
THERE, PIECE = "word is there", "another form is there, with the same first piece"
FORM, ABSENT = "another form is there, with another first piece", "neither is there"
OFFERS = (THERE, PIECE, FORM, ABSENT)
LEAST_WORDS = 30  # of another form, below which no share is judged


class Word(NamedTuple):
    """A word of a text, and the places of its tokens among the text's vectors."""

    text: str
    places: tuple[int, ...]


def words_of(encoder: ColbertEncoder, text: str, query: bool) -> list[Word]:
    """The words behind the vectors of a text, in their order; special tokens, marker and punctuation are none.

    Of a text that is cut the last word is left out, for it may be half a word.
    """
    tokenizer = encoder.query_tokenizer if query else encoder.documents.tokenizer
    read = tokenizer.encode(text)
    skipped = set() if query else set(encoder.skiplist.tolist())
    places: dict[int, list[int]] = {}
    spans: dict[int, tuple[int, int]] = {}  # in characters
    place = 0
    for i, (id, word, (begin, end)) in enumerate(zip(read.ids, read.word_ids, read.offsets, strict=True)):
        if i == 1:  # behind [CLS]
            place += len(encoder.query_marker if query else encoder.document_marker)
        if id in skipped:
            continue
        if word is not None:
            places.setdefault(word, []).append(place)
            spans[word] = spans.get(word, (begin, end))[0], end
        place += 1
    found = [Word(text[slice(*spans[word])].lower(), tuple(places[word])) for word in places]
    return found[:-1] if read.overflowing else found


def whom(encoder: ColbertEncoder, docs: Collection) -> dict[str, np.ndarray]:
    """Whom each word of a query finds in its right passage, counted, and how often a token drawn at random would be it.

    A word is judged by its first token. Returned is for each of OFFERS, which say what the passage has, an array (Q, 4):
    words, and of those how many found the same word, the same stem, another. "chance" is (Q,): the share of tokens of the
    same stem, added up over the words of FORM.
    """
    stem = Words(stemmer="english")
    counts = {offer: np.zeros((len(docs.queries), 1 + len(KINDS))) for offer in OFFERS}
    chance = np.zeros(len(docs.queries))
    asked = encoder.encode_query(list(docs.queries.values()))
    for row, (query, text) in enumerate(docs.queries.items()):
        passage = docs.corpus[max(docs.qrels[query], key=lambda p: docs.qrels[query][p])]
        vectors, _ = encoder.encode_document([passage])
        pieces, asked_pieces = encoder.document_tokens(passage), encoder.query_tokens(text)
        there = words_of(encoder, passage, query=False)
        owner = {place: word.text for word in there for place in word.places}
        for word in words_of(encoder, text, query=True):
            own, first = stem(word.text), word.places[0]
            if word.text in STOP_WORDS or not own:
                continue
            alike = [place for place, other in owner.items() if stem(other) == own]
            if any(word.text == other for other in owner.values()):
                offer = THERE
            elif not alike:
                offer = ABSENT
            else:
                offer = PIECE if any(pieces[place] == asked_pieces[first] for place in alike) else FORM
            found = owner.get(int((vectors @ asked[row, first]).argmax()), "")
            kind = SAME if found == word.text else STEM if stem(found) == own else OTHER
            counts[offer][row, [0, 1 + KINDS.index(kind)]] += 1
            chance[row] += len(alike) / len(vectors) if offer == FORM else 0.0
    return counts | {"chance": chance}


@cache
def followed(collection: str, budget: str) -> dict[str, Collection]:
    """All dev and test queries with their passages, for no search is needed to follow a word; and the public collections.

    Dev queries have chosen a learning rate and nothing else.
    """
    docs = planted_world(budget).collection() if collection != DOCS else load(collection)
    of_splits = {q: text for split in ("dev", "test") for q, text in docs.split(split).queries.items()}
    count = None if budget == "record" else SIZES[budget].large[0]
    queries = dict(list(of_splits.items())[:count])
    qrels = {q: docs.qrels[q] for q in queries}
    corpus = {p: docs.corpus[p] for judged in qrels.values() for p in judged}
    own = Collection(collection, corpus, queries, qrels, {"followed": tuple(queries)})
    return {collection: own, **(strangers(budget) if collection == DOCS else {})}


@kept
def matches(collection: str, budget: str, way: Way, seed: int) -> dict[str, np.ndarray]:
    """`whom`, by collection: "collection: offer" -> (Q, 4), "collection: chance" -> (Q,); untrained where the rate is 0."""
    encoder = late(collection, way, seed, budget) if way.lr else bare(collection, way.expansion, budget)
    among = followed(collection, budget)
    return {f"{name}: {what}": rows for name, docs in among.items() for what, rows in whom(encoder, docs).items()}


def measure_matches(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """By collection and by what the passage offers, the shares of KINDS; and "form found", with its interval."""
    found: Measurements = {}
    for trained_on in COLLECTIONS:
        way = chosen(TOKENS, trained_on, budget)
        of_seeds = [matches(trained_on, budget, way, seed) for seed in seeds]
        before = matches(trained_on, budget, way._replace(lr=0.0), 0)
        for name in followed(trained_on, budget):
            counted = {
                what: np.array([each[f"{name}: {what}"] for each in of_seeds]) for what in OFFERS
            }  # (seeds, Q, 4)
            words = {what: rows[0, :, 0] for what, rows in counted.items()}  # no matter of the seed
            form_before = before[f"{name}: {FORM}"]
            found[name] = {
                "words": {what: int(number.sum()) for what, number in words.items()},
                "shares": {
                    what: {
                        kind: round(float(rows[:, :, 1 + i].sum() / max(1.0, rows[:, :, 0].sum())), 4)
                        for i, kind in enumerate(KINDS)
                    }
                    for what, rows in counted.items()
                },
                "form found": share_of(counted[FORM][:, :, 2], words[FORM]),
                "form found, untrained": share_of(form_before[None, :, 2], words[FORM]),
                "by chance": round(float(before[f"{name}: chance"].sum() / max(1.0, words[FORM].sum())), 4),
                "trained on": trained_on,
            }
    return found


def share_of(part: np.ndarray, whole: np.ndarray, seed: int = 0) -> list[float]:
    """sum(part) / sum(whole) with its 95 % interval: (seeds, Q), (Q,) -> share, low, high.

    Queries are drawn with replacement; the spread between seeds widens the interval as in `measuring.difference`.
    """
    if not whole.sum():
        return [0.0, 0.0, 1.0]
    mean, by_seed = part.mean(axis=0), part.sum(axis=1) / whole.sum()
    rows = np.random.default_rng(seed).integers(len(whole), size=(2_000, len(whole)))
    drawn = mean[rows].sum(axis=1) / np.maximum(whole[rows].sum(axis=1), 1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    value, low, high = widened((float(by_seed.mean()), low, high), by_seed)
    return [round(x, 4) for x in (value, max(0.0, low), min(1.0, high))]


def decide_matches(m: Measurements) -> Verdict:
    """Where a query's word stands in the passage in another form alone, is that form what it finds, in most cases?"""
    rows = {c: m[c]["form found"] for c in COLLECTIONS}
    above, below = [low > 0.5 for _, low, _ in rows.values()], [high < 0.5 for _, _, high in rows.values()]
    known = [m[c]["words"][FORM] >= LEAST_WORDS for c in COLLECTIONS]
    if not all(known):
        verdict = "not settled here"
    elif all(above) or all(below):
        verdict = "holds" if all(above) else "misleading"
    else:
        verdict = "depends"
    parts = []
    for c in m:
        value, low, high = m[c]["form found"]
        shares = m[c]["shares"]
        parts.append(
            f"{c}: of {m[c]['words'][FORM]} words {value:.2f} [{low:.2f}, {high:.2f}] find their other form, {m[c]['form found, untrained'][0]:.2f} before any "
            f"training, {m[c]['by chance']:.2f} by chance; of {m[c]['words'][PIECE]} whose other form begins with the same piece {shares[PIECE][STEM]:.2f}; of "
            f"{m[c]['words'][THERE]} that are there {shares[THERE][SAME]:.2f} find themselves and {shares[THERE][OTHER]:.2f} another word"
        )
    because = (
        f"words of a query, judged by their first token, in the right passage. {'; '.join(parts)}. Where there is neither word nor form, "
        "another is found by necessity: " + ", ".join(f"{m[c]['words'][ABSENT]} words of {c}" for c in m)
    )
    return Verdict(verdict, because, tuple(Interval(f"{c}: finds its other form", *row) for c, row in rows.items()))


# --- claim 40 --------------------------------------------------------------------------------

WHOLE, TWO_BITS, CENTROIDS, ONE_INT8 = "float16", "2 bits", "centroids alone", "one vector, int8"


def bytes_of(read: Tokens, codec: ResidualCodec | None, bits: int | None = None) -> float:
    """Bytes for a passage: float16 numbers, or a code of 4 bytes and the residual for each token, and the share of the centroids.

    The centroids are counted in float16; inverted lists are not, for they belong to a way of searching.
    """
    passages, D = len(read.lengths), read.passages.shape[1]
    if codec is None:
        return 2 * D * len(read.passages) / passages
    each = 4 + D * (codec.nbits if bits is None else bits) // 8
    return (each * len(read.passages) + 2 * codec.centroids.numel()) / passages


def compressed(read: Tokens, nbits: int, seed: int, budget: str) -> tuple[Tokens, ResidualCodec]:
    """The same vectors after a codec that was trained on some of the passages."""
    codec = ResidualCodec.train(sampled(read, SIZES[budget].large[1] // 2, seed), nbits=nbits, seed=seed)
    return read._replace(passages=codec.decompress(*codec.compress(read.passages))), codec


@cache
def large(collection: str, budget: str) -> Collection:
    """Test queries among many passages; some were trained on, for only ways to keep and to search the same vectors are compared."""
    docs = load(collection) if collection == DOCS else planted_world(budget).collection()
    return docs.split("test").sample(*SIZES[budget].large)


@kept
def prices(collection: str, budget: str, way: Way, seed: int) -> dict[str, np.ndarray]:
    """nDCG@10 of each query with whole, compressed and pooled vectors; "bytes: way" -> bytes for each passage."""
    encoder, docs = late(collection, way, seed, budget), large(collection, budget)
    read, found = tokens_of(encoder, docs), {}

    def add(name: str, held: Tokens, codec: ResidualCodec | None, bits: int | None = None) -> None:
        found[name] = exact(held, docs)
        found[f"bytes: {name}"] = np.array(bytes_of(held, codec, bits))

    add(WHOLE, read._replace(passages=read.passages.half().float()), None)
    for nbits in BITS:
        add(f"{nbits} bits", *compressed(read, nbits, seed, budget))
    _, codec = compressed(read, 2, seed, budget)
    codes, _ = codec.compress(read.passages)
    add(CENTROIDS, read._replace(passages=codec.centroids[codes.long()]), codec, 0)
    for factor in FACTORS:
        pooled = Tokens(read.queries, *pool_tokens(read.passages, read.lengths, factor))
        add(f"1 of {factor} tokens", pooled._replace(passages=pooled.passages.half().float()), None)
        add(f"1 of {factor} tokens, 2 bits", *compressed(pooled, 2, seed, budget))
    return found


@kept
def one_kept(collection: str, budget: str, lr: float, seed: int) -> dict[str, np.ndarray]:
    """nDCG@10 of each query with one vector, in float16 and in a byte for each number."""
    encoder, docs = one_vector(collection, lr, seed, budget), large(collection, budget)
    asked, held = (
        torch.from_numpy(encode(list(texts.values())))
        for encode, texts in ((encoder.encode_query, docs.queries), (encoder.encode_document, docs.corpus))
    )
    ranges = quantization_ranges(held)
    eight = torch.from_numpy(dequantize_embeddings(quantize_embeddings(held, "int8", ranges), "int8", ranges))
    return {ONE: by_scores(asked @ held.half().float().T, docs), ONE_INT8: by_scores(asked @ normalize(eight).T, docs)}


def measure_prices(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """By collection and way: nDCG@10, bytes for a passage, what is lost; beside one vector, and the milliseconds of a query."""
    found: Measurements = {}
    for collection in COLLECTIONS:
        how = chosen(TOKENS, collection, budget)
        of_seeds = [prices(collection, budget, how, seed) for seed in seeds]
        ones = [one_kept(collection, budget, chosen(ONE, collection, budget).lr, seed) for seed in seeds]
        rows = {way: np.array([each[way] for each in ones]) for way in (ONE, ONE_INT8)}
        ways = [way for way in of_seeds[0] if not way.startswith("bytes: ")]
        rows |= {way: np.array([each[way] for each in of_seeds]) for way in ways}
        dim = chapter_11.new_encoder(budget).embedding_size
        found[collection] = {
            METRIC: {way: means(values) for way, values in rows.items()},
            "bytes": {ONE: 2.0 * dim, ONE_INT8: 1.0 * dim}
            | {way: round(float(np.mean([each[f"bytes: {way}"] for each in of_seeds])), 1) for way in ways},
            "minus whole": {way: difference(rows[way], rows[WHOLE]) for way in ways if way != WHOLE},
            "minus one vector": {way: difference(rows[way], rows[ONE]) for way in (*ways, ONE_INT8)},
            "milliseconds": milliseconds(collection, budget, how),
            "passages": len(large(collection, budget).corpus),
        }
    return found


def milliseconds(collection: str, budget: str, how: Way) -> dict[str, float]:
    """Of one query among all passages, encoded before: the median over the queries, on one thread."""
    docs = large(collection, budget)
    read, vectors = tokens_of(late(collection, how, 0, budget), docs), chapter_11.new_encoder(budget)
    one = torch.from_numpy(vectors.encode_document(list(docs.corpus.values())))
    asked = torch.from_numpy(vectors.encode_query(list(docs.queries.values())))
    _, codec = compressed(read, 2, 0, budget)
    codes = codec.compress(read.passages)
    ways: dict[str, Callable[[int], Any]] = {
        ONE: lambda q: (one @ asked[q]).topk(10),
        WHOLE: lambda q: maxsim(read.queries[q], read.passages, read.lengths).topk(10),
        TWO_BITS: lambda q: maxsim(read.queries[q], codec.decompress(*codes), read.lengths).topk(10),
    }
    return {way: ms for way, (_, ms) in in_turn(ways, len(docs.queries)).items()}


@contextmanager
def one_thread() -> Iterator[None]:
    """What is timed uses one thread of torch."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def in_turn(ways: Mapping[str, Callable[[int], Any]], queries: int) -> dict[str, tuple[list[Any], float]]:
    """Way -> its answer to each query, and the median milliseconds of one; the ways take turns, so that load hits all alike."""
    answers: dict[str, list[Any]] = {way: [] for way in ways}
    times: dict[str, list[float]] = {way: [] for way in ways}
    with one_thread():
        for search in ways.values():
            search(0)  # what is done once is done before
        for query in range(queries):
            for way, search in ways.items():
                began = time.perf_counter()
                answers[way].append(search(query))
                times[way].append(1000 * (time.perf_counter() - began))
    return {way: (answers[way], round(float(np.median(times[way])), 3)) for way in ways}


def decide_prices(m: Measurements) -> Verdict:
    """Do two bits lose less than SMALL_LOSS, whole interval, at a fifth of the bytes or less, in both collections?"""
    rows = {f"{c}: {way}": m[c]["minus whole"][way] for c in COLLECTIONS for way in m[c]["minus whole"]}
    two = [m[c]["minus whole"][TWO_BITS] for c in COLLECTIONS]
    small = [m[c]["bytes"][WHOLE] >= 5 * m[c]["bytes"][TWO_BITS] for c in COLLECTIONS]
    if all(small) and all(low > -SMALL_LOSS for _, low, _ in two):
        verdict = "holds"
    elif not any(small) or all(high < -SMALL_LOSS for _, _, high in two):
        verdict = "misleading"
    else:
        verdict = "depends"
    parts = []
    for c in COLLECTIONS:
        size, lost = m[c]["bytes"], m[c]["minus whole"]
        ways = ", ".join(f"{way} {size[way]:,.0f} bytes {signed(lost[way])}" for way in lost)
        times = ", ".join(f"{way} {ms:.2f}" for way, ms in m[c]["milliseconds"].items())
        ahead = ", ".join(f"{way} {signed(m[c]['minus one vector'][way])}" for way in (WHOLE, TWO_BITS))
        parts.append(
            f"{c}: one vector {size[ONE]:,.0f} bytes for a passage, tokens in float16 {size[WHOLE]:,.0f}; {ways}; minus one vector {ahead}; "
            f"milliseconds of a query {times}"
        )
    because = f"nDCG@10 minus that of float16. {'. '.join(parts)}"
    return Verdict(verdict, because, intervals(rows))


# --- claim 41 --------------------------------------------------------------------------------

DEFAULTS = "as in colbert-ai"
EVERY, HELD = "all, decompressed for each query", "all, held decompressed"
READ_ALL = 10**9  # of ndocs, so that no candidate is pruned
KNOBS: dict[str, dict[str, Any]] = {
    DEFAULTS: {},
    "candidates of 2 centroids, all read": {"nprobe": 2, "ndocs": READ_ALL},
    "2 centroids": {"nprobe": 2},
    "4 centroids": {"nprobe": 4},
    "16 decompressed": {"ndocs": 64},
    "256 decompressed": {"ndocs": 1_024},
    "threshold .4": {"centroid_score_threshold": 0.4},
    "threshold .6": {"centroid_score_threshold": 0.6},
}
WAYS = (EVERY, HELD, *KNOBS)
FASTER = 0.5  # at most this share of the time


@kept
def pruned(collection: str, budget: str, how: Way, seed: int) -> dict[str, np.ndarray]:
    """nDCG@10 of each query by way of searching the same two-bit codes; "ms: way" and "overlap: way" beside it."""
    encoder, docs = late(collection, how, seed, budget), large(collection, budget)
    read, ids = tokens_of(encoder, docs), list(docs.corpus)
    codec = ResidualCodec.train(sampled(read, 4_096, seed), nbits=2, seed=seed)
    index = PlaidIndex(codec)
    index.add(read.passages, read.lengths)
    index.build()
    codes = index.codes, index.residuals
    held = codec.decompress(*codes)

    def top(scores: Tensor) -> tuple[Tensor, Tensor]:
        best, order = scores.topk(10)
        return best, order

    def through(knobs: dict[str, Any], query: int) -> tuple[Tensor, Tensor]:
        best, order = index.search(read.queries[query][None], 10, **knobs)
        return best[0], order[0]

    searches: dict[str, Callable[[int], tuple[Tensor, Tensor]]] = {
        EVERY: lambda query: top(maxsim(read.queries[query], codec.decompress(*codes), index.lengths)),
        HELD: lambda query: top(maxsim(read.queries[query], held, index.lengths)),
    }
    searches |= {way: partial(through, knobs) for way, knobs in KNOBS.items()}
    found: dict[str, np.ndarray] = {}
    best: dict[str, Tensor] = {}
    for way, (answers, ms) in in_turn(searches, len(docs.queries)).items():
        scores, order = (torch.stack([answer[part] for answer in answers]) for part in (0, 1))
        best[way] = order
        found[way] = of_run(as_run(docs.queries, ids, scores.masked_fill(order < 0, EMPTY_SCORE), order), docs)
        found[f"ms: {way}"] = np.array(ms)
        shared = [len(set(a) & set(b)) / 10 for a, b in zip(order.tolist(), best[EVERY].tolist(), strict=True)]
        found[f"overlap: {way}"] = np.array(np.mean(shared))
    return found


def sampled(read: Tokens, passages: int, seed: int) -> Tensor:
    """The tokens of some passages, drawn by the seed."""
    each = read.passages.split(read.lengths.tolist())
    drawn = random.Random(seed).sample(range(len(each)), min(passages, len(each)))
    return torch.cat([each[i] for i in drawn])


def measure_pruning(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """By collection and way: nDCG@10, what it is behind reading every passage, milliseconds, and the shared first ten."""
    found: Measurements = {}
    for collection in COLLECTIONS:
        how = chosen(TOKENS, collection, budget)
        of_seeds = [pruned(collection, budget, how, seed) for seed in seeds]
        rows = {way: np.array([each[way] for each in of_seeds]) for way in WAYS}

        def mean_of(what: str, of_seeds: Sequence[dict[str, np.ndarray]] = of_seeds) -> dict[str, float]:
            return {way: round(float(np.mean([each[f"{what}: {way}"] for each in of_seeds])), 3) for way in WAYS}

        found[collection] = {
            METRIC: {way: means(values) for way, values in rows.items()},
            "minus all": {way: difference(rows[way], rows[EVERY]) for way in KNOBS},
            "milliseconds": mean_of("ms"),
            "overlap": mean_of("overlap"),
            "passages": len(large(collection, budget).corpus),
        }
    return found


def decide_pruning(m: Measurements) -> Verdict:
    """At colbert-ai's defaults: less than SMALL_LOSS behind, with the whole interval, in at most FASTER of the time?"""
    rows = {f"{c}: {way}": m[c]["minus all"][way] for c in COLLECTIONS for way in m[c]["minus all"]}
    kept_it = [m[c]["minus all"][DEFAULTS][1] > -SMALL_LOSS for c in COLLECTIONS]
    lost = [m[c]["minus all"][DEFAULTS][2] < -SMALL_LOSS for c in COLLECTIONS]
    share = [ms[DEFAULTS] / min(ms[EVERY], ms[HELD]) for ms in (m[c]["milliseconds"] for c in COLLECTIONS)]
    if all(kept_it) and all(of <= FASTER for of in share):
        verdict = "holds"
    elif all(lost) or all(of > 1 for of in share):
        verdict = "misleading"
    else:
        verdict = "depends"
    parts = []
    for c in COLLECTIONS:
        ms = m[c]["milliseconds"]
        ways = ", ".join(f"{way} {ms[way]:.1f} ms {signed(row)}" for way, row in m[c]["minus all"].items())
        parts.append(
            f"{c}, {m[c]['passages']:,} passages: {EVERY} {ms[EVERY]:.1f} ms, {HELD} {ms[HELD]:.1f} ms; {ways}"
        )
    because = f"nDCG@10 minus that of reading every passage's two-bit codes. {'. '.join(parts)}"
    return Verdict(verdict, because, intervals(rows))


_COMMON = (
    f"from {ENCODER}, {SIZES['record'].steps} steps of {SIZES['record'].batch_size} lists of one positive and {chapter_11.LISTS} negatives, "
    "learning rates by dev queries, five seeds, nDCG@10 on test queries, intervals over queries and seeds, planted and pydocs"
)
CLAIMS = (
    Claim(
        38,
        "14",
        "Late interaction beats one vector, and comes close to the cross-encoder.",
        f"{_COMMON}. A vector of 64 numbers for each token, queries filled up with [MASK] or not as dev queries prefer, against one of 256 for the text, for which the start was made, and a cross-encoder that was trained on the same lists and "
        f"random passages, for {SIZES['record'].reader_steps} steps, and reads one vector's first {DEPTH}. Holds when tokens are above one vector in both, with intervals "
        f"above 0, and the cross-encoder, if it is above one vector itself, is ahead of tokens by less than {CLOSE} with the whole interval; depends when "
        "the first alone is true, or when the cross-encoder is not above one vector, for then there is nothing to come close to, or when intervals lie off 0 in another way; misleading when tokens are below in both; otherwise not settled here",
        measure_quality,
        decide_quality,
    ),
    Claim(
        39,
        "14",
        "MaxSim is soft term matching: diabetes finds diabetic.",
        f"{_COMMON}. Words of all dev and test queries, stop words left out, are followed into the right passage. Judged are those that stand there in another form "
        "of the same stem alone (Snowball), one whose first piece is another, for equal pieces are no soft match: is the token that wins of that stem? Holds when more than half do in both collections, with the interval over queries and "
        f"seeds; misleading when less than half in both; depends otherwise; not settled here with fewer than {LEAST_WORDS} such words in one",
        measure_matches,
        decide_matches,
    ),
    Claim(
        40,
        "14",
        "Its price is bytes, and residual compression buys them back.",
        f"{_COMMON}; up to {SIZES['record'].large[1]:,} passages. The same vectors in float16 and through residual codes, the codec trained on half as many of the passages, its "
        "centroids counted. Holds when two bits take a "
        f"fifth of the bytes or less and lose less than {SMALL_LOSS} with the whole interval, in both; misleading when they lose more in both, or "
        "take more than a fifth in both; depends otherwise. One and four bits, and pooled tokens, stand beside it",
        measure_prices,
        decide_prices,
    ),
    Claim(
        41,
        "14",
        "PLAID-style pruning keeps quality at a fraction of the latency.",
        f"{_COMMON}; up to {SIZES['record'].large[1]:,} passages. Two-bit codes, all passages scored, decompressed for each query or held so, or pruned at colbert-ai's "
        f"defaults for ten results. Holds when pruning loses less than {SMALL_LOSS} with the whole interval and takes at most {FASTER:.0%} of the median time of a query of the "
        "faster way that scores all, in both; misleading when it loses more in both or is slower than that in both; depends otherwise. Candidates of two centroids, "
        "all read, which is ColBERTv2 without pruning, stand beside it",
        measure_pruning,
        decide_pruning,
    ),
)
