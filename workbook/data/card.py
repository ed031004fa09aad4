"""The statistical card of a collection: how long, how varied and how difficult its texts are.

Two collections can be compared only by what can be counted on both. Words are lower-cased runs of
letters and digits, as `workbook.bm25.words` finds them.

Letters: N passages, V different words, n running words, r the rank of a word by frequency.

Taught in 03.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

import numpy as np

from workbook.bm25 import BM25, words
from workbook.data.collection import NO_JUDGEMENTS, Collection
from workbook.metrics import evaluate
from workbook.similarity import dense_search
from workbook.support.content_words import content_words

FIRST_RANK, LAST_RANK = 10, 2_000  # between which the slope is fitted
PARTS = 20  # of the corpus, at whose ends the vocabulary is counted
METRICS = ("ndcg@10", "recall@100")
VOCABULARY, HIDDEN, STEPS, BATCH, LR, TEMPERATURE = 8_000, 256, 200, 512, 0.02, 0.05


def zipf_slope(counts: Iterable[int]) -> float:
    """How fast frequency falls with rank: the s of  frequency(r) ∝ r^(-s).

    A straight line is fitted to log frequency over log rank, at ranks 10 to 2,000 that lie evenly on
    the logarithmic scale, so that rare words, which are most of the words, do not decide alone.

    Args:
        counts: how often each word stands in the corpus, in any order.
    Returns:
        the slope, negative; NaN where there are fewer than 100 words.

    Source: Zipf 1949.
    """
    frequency = np.sort(np.fromiter(counts, dtype=np.float64))[::-1]
    last = min(LAST_RANK, len(frequency))
    if last < 10 * FIRST_RANK:
        return float("nan")
    rank = np.unique(np.geomspace(FIRST_RANK, last, 200).astype(int))
    return float(np.polyfit(np.log(rank), np.log(frequency[rank - 1]), 1)[0])


def vocabulary_growth(tokens: Iterable[list[str]], total: int) -> tuple[Counter[str], float]:
    """Every word with its count, and how the vocabulary grows with the text: the β of  V ∝ n^β.

    Args:
        tokens: the words of each passage, in the order of the corpus.
        total: N, how many passages there are.
    Returns:
        the counts; and the slope of log V over log n, fitted from a twentieth of the passages on, NaN
        for a corpus of fewer than 20 passages.

    Source: Heaps 1978.
    """
    counts: Counter[str] = Counter()
    running, seen = [], []
    n, step = 0, total // PARTS
    for i, passage in enumerate(tokens, start=1):
        counts.update(passage)
        n += len(passage)
        if step and i % step == 0:
            running.append(n)
            seen.append(len(counts))
    slope = np.polyfit(np.log(running), np.log(seen), 1)[0] if len(seen) > 1 else float("nan")
    return counts, float(slope)


def card(
    collection: Collection,
    split: str | None = None,
    dense: bool = True,
    minilm: bool = False,
    qrels: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, float]:
    """Count and measure a collection.

    Args:
        collection: any.
        split: whose queries are searched for; None for "test", or the last split where there is none.
        dense: train a small static encoder on the split "train", in seconds, and measure it too. It is
            left out where there is no such split.
        minilm: measure all-MiniLM-L6-v2 too, where it is installed (extra `offline`); minutes for 10,000 passages.
        qrels: judgements to use instead of the collection's own.
    Returns:
        name -> number. The names ending in "ndcg@10" and "recall@100" are difficulties: high is easy.
    Raises:
        ValueError: the collection has no judgements.
    """
    if not collection.splits:
        raise ValueError(f"{collection.name}: {NO_JUDGEMENTS}")
    split = split or ("test" if "test" in collection.splits else list(collection.splits)[-1])
    part = collection.split(split)
    judged = {query: found for query, found in (qrels or part.qrels).items() if query in part.queries}
    lengths: list[int] = []

    def tokenized() -> Iterable[list[str]]:
        for text in collection.corpus.values():
            tokens = words(text)
            lengths.append(len(tokens))
            yield tokens

    counts, growth = vocabulary_growth(tokenized(), len(collection.corpus))
    positives = {query: [p for p, grade in found.items() if grade > 0] for query, found in judged.items()}
    pairs = [(query, passage) for query, found in positives.items() for passage in found]
    apart = [
        not content_words(part.queries[query]) & content_words(collection.corpus[passage]) for query, passage in pairs
    ]
    figures: dict[str, float] = {
        "passages": len(collection.corpus),
        "words per passage": float(np.mean(lengths)),
        "10 % have at most": float(np.quantile(lengths, 0.1)),
        "90 % have at most": float(np.quantile(lengths, 0.9)),
        "different words": len(counts),
        "seen once": sum(count == 1 for count in counts.values()) / len(counts),
        "vocabulary growth": growth,
        "Zipf slope": zipf_slope(counts.values()),
        "queries": len(judged),
        "words per query": float(np.mean([len(words(part.queries[query])) for query in judged])),
        "positives per query": len(pairs) / len(judged),
        "pairs without a shared word": float(np.mean(apart)),
    }
    asked = {query: part.queries[query] for query in judged}

    def measure(name: str, run: Any) -> None:
        figures.update({f"{name} {metric}": value for metric, value in evaluate(judged, run, METRICS).items()})

    measure("BM25", BM25().index(collection.corpus).search(asked, k=100))
    if dense and "train" in collection.splits and split != "train":
        start = time.process_time()
        encoder = train_static(collection)
        measure("static", dense_search(encoder, collection.corpus, asked))
        figures["static CPU seconds"] = time.process_time() - start
    if minilm:
        from workbook.zoo import families as zoo

        if folder := zoo.minilm_from_wheel():
            encoder = zoo.load_pretrained(str(folder))
            measure("MiniLM", dense_search(encoder, collection.corpus, asked))
    return figures


def train_static(collection: Collection, steps: int = STEPS, seed: int = 0) -> Any:
    """A small static encoder, trained on the labels of the split "train"."""
    import torch

    from workbook.encoder import StaticEncoder, TextEncoder, train_tokenizer
    from workbook.losses import info_nce
    from workbook.train import fit

    pairs = collection.pairs("train")
    passages = list(collection.corpus.values())[:20_000]
    tokenizer = train_tokenizer([*passages, *(query for query, _ in pairs)], VOCABULARY)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = StaticEncoder(tokenizer.get_vocab_size(), HIDDEN)
    encoder = TextEncoder(tokenizer, backbone, max_length=128)
    backbone.scale_by_idf(encoder.token_ids(passages))
    fit(encoder, pairs, info_nce, steps=steps, batch_size=BATCH, lr=LR, seed=seed, temperature=TEMPERATURE)
    return encoder


def card_table(cards: Mapping[str, Mapping[str, float]]) -> str:
    """Cards side by side, as a Markdown table: one column for each collection.

    Args:
        cards: name -> what `card` returned.
    """
    rows = list(dict.fromkeys(chain.from_iterable(cards.values())))
    lines = ["| | " + " | ".join(cards) + " |", "|---|" + "---:|" * len(cards)]
    for row in rows:
        cells = (_format(row, figures.get(row)) for figures in cards.values())
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _format(row: str, value: float | None) -> str:
    if value is None or np.isnan(value):
        return "–"
    if row in ("passages", "queries", "different words"):
        return f"{value:,.0f}"
    if row in ("seen once", "pairs without a shared word"):
        return f"{value:.0%}"
    return f"{value:.1f}" if value >= 10 or row.startswith(("words", "positives")) else f"{value:.3f}"
