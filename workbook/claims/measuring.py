"""What the experiments share: a short training, quality by query, and a difference with its interval, in numbers and in words."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any, TypeVar

import numpy as np
import torch
from scipy.stats import t
from torch import nn

from workbook.base.make import quick_attention
from workbook.data import Collection
from workbook.metrics import bootstrap_ci, evaluate
from workbook.similarity import dense_search
from workbook.support.types import Encoder, Run
from workbook.train import fit
from workbook.train.loop import History
from workbook.training_data import decontaminate

METRIC = "ndcg@10"
Row = TypeVar("Row", bound=tuple[str, ...])
Choice = TypeVar("Choice")


def train(encoder: nn.Module, rows: Sequence[tuple[str, ...]], *, quick: bool, **options: Any) -> History:
    """Steps of InfoNCE at temperature 0.05, or of the loss among the options of `fit`.

    Args:
        encoder: trained in place.
        rows: (query, positive) or (query, positive, negative, …).
        quick: in bfloat16, with the attention that is fast for short texts.
        options: of `workbook.train.fit`.
    """
    options = {"temperature": 0.05, "show": False} | options
    with quick_attention() if quick else nullcontext():
        return fit(encoder, rows, dtype=torch.bfloat16 if quick else None, **options)


def per_query(encoder: Encoder, docs: Collection) -> np.ndarray:
    """nDCG@10 of each query: (Q,)."""
    return of_run(dense_search(encoder, docs.corpus, docs.queries, k=10), docs)


def of_run(run: Run, docs: Collection) -> np.ndarray:
    """nDCG@10 of each query of a search that is done: (Q,)."""
    return np.array(list(evaluate(docs.qrels, run, (METRIC,), per_query=True)[METRIC].values()))


def sieved(rows: Sequence[Row], texts: Iterable[str]) -> list[Row]:
    """The rows in which none of these texts stands, wholly or nearly."""
    evaluation = {str(number): text for number, text in enumerate(dict.fromkeys(texts))}
    return [rows[row] for row in decontaminate(rows, evaluation).kept]


def texts_of(*parts: Collection) -> Iterator[str]:
    """All that is asked and searched in some collections."""
    return (text for part in parts for of in (part.queries, part.corpus) for text in of.values())


def difference(a: np.ndarray, b: np.ndarray, confidence: float = 0.95) -> list[float]:
    """Mean of a - b with its interval; both are (seeds, queries). Queries are resampled; each query's value is its mean
    over the seeds, and the spread between seeds widens the interval: by its standard error times Student's t.
    """
    mean, low, high = bootstrap_ci((a - b).mean(axis=0), confidence)
    between = (a - b).mean(axis=1)
    if len(between) > 1:
        error = t.ppf((1 + confidence) / 2, len(between) - 1) * between.std(ddof=1) / np.sqrt(len(between))
        low, high = mean - np.hypot(mean - low, error), mean + np.hypot(high - mean, error)
    return [round(float(x), 4) for x in (mean, low, high)]


def best_of(choices: Sequence[Choice], quality: Callable[[Choice], float]) -> Choice:
    """The choice, such as a learning rate, with the best quality, which is not asked for where there is one alone."""
    return choices[0] if len(choices) == 1 else max(choices, key=quality)


def visible(intervals: Iterable[Sequence[float]]) -> float:
    """Half the widest interval (value, low, high): a smaller difference would not have been seen."""
    return max((high - low) / 2 for _, low, high in intervals)


def signed(row: Sequence[float]) -> str:
    """Such as "+0.013 [+0.001, +0.024]"."""
    value, low, high = row
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"
