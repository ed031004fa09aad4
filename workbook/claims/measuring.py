"""What the experiments share: a short training, quality by query, and a difference with its interval, in numbers and in words."""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from scipy.stats import t
from torch import nn

from workbook.base.make import quick_attention
from workbook.data import Collection, load
from workbook.data.planted import planted
from workbook.data.seen import without_read, without_seen
from workbook.encoder import TextEncoder
from workbook.encoder import load as load_encoder
from workbook.encoder.shipped import seen_by
from workbook.metrics import bootstrap_ci, evaluate
from workbook.similarity import dense_search
from workbook.support.types import Encoder, Run
from workbook.train import fit
from workbook.train.loop import History
from workbook.training_data import decontaminate
from workbook.zoo import load_pretrained

METRIC = "ndcg@10"
PUBLIC = ("cacm", "vaswani_npl", "cosqa", "squad_dev")
TUNING_SEED = 100  # of the runs that choose a setting, on dev queries
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
    with quickly(quick) as dtype:
        return fit(encoder, rows, dtype=dtype, **options)


@contextmanager
def quickly(on: bool = True) -> Iterator[torch.dtype | None]:
    """How records are trained: with the attention that is fast for short texts, and the dtype of autocast, bfloat16."""
    with quick_attention() if on else nullcontext():
        yield torch.bfloat16 if on else None


def per_query(encoder: Encoder, docs: Collection) -> np.ndarray:
    """nDCG@10 of each query: (Q,)."""
    return of_run(dense_search(encoder, docs.corpus, docs.queries, k=10), docs)


def of_run(run: Run, docs: Collection) -> np.ndarray:
    """nDCG@10 of each query of a search that is done: (Q,)."""
    return np.array(list(evaluate(docs.qrels, run, (METRIC,), per_query=True)[METRIC].values()))


def collection_named(name: str, passages: int) -> Collection:
    """A collection by its name; "planted" is made, of so many passages, whose training labels are the query's own passage alone, none of them wrong."""
    if name == "planted":
        return planted(passages, unlabelled=1.0, label_noise=0.0).collection()
    return load(name)


def strange(docs: Collection, split: str, queries: int, passages: int) -> Collection:
    """Queries of a split among passages that neither base nor base/start was trained on, but for the right ones."""
    seen = seen_by("base")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a few queries are dropped
        part = without_seen(docs.split(split), seen, "base")
    return without_read(part.sample(queries), seen).sample(queries, passages)


def public(names: Sequence[str] = PUBLIC) -> dict[str, Collection]:
    """The public collections that the folder named by WORKBOOK_PUBLIC holds; none where it is not set."""
    folder = Path(os.environ.get("WORKBOOK_PUBLIC", ""))
    return {name: load(folder / name) for name in names if folder != Path() and (folder / name).is_dir()}


def encoder_named(name: str) -> TextEncoder:
    """One of ours, or one of the zoo from the installed extra `offline`."""
    return load_encoder(name) if name.startswith("base") else load_pretrained(name)


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
    mean, low, high = widened(bootstrap_ci((a - b).mean(axis=0), confidence), (a - b).mean(axis=1), confidence)
    return [round(x, 4) for x in (mean, low, high)]


def level(rows: np.ndarray, confidence: float = 0.95) -> list[float]:
    """A mean with its interval, as `difference` from nothing: (seeds, queries) -> (mean, low, high)."""
    return difference(rows, np.zeros_like(rows), confidence)


def widened(
    interval: tuple[float, float, float], by_seed: np.ndarray, confidence: float = 0.95
) -> tuple[float, float, float]:
    """An interval over queries, made wider by what seeds differ: by the standard error of their mean times Student's t.

    Args:
        interval: mean, low, high over queries.
        by_seed: (seeds,), the same mean of each seed.
        confidence: of the interval.
    """
    (mean, low, high), n = interval, len(by_seed)
    error = t.ppf((1 + confidence) / 2, n - 1) * by_seed.std(ddof=1) / np.sqrt(n) if n > 1 else 0.0
    return float(mean), float(mean - np.hypot(mean - low, error)), float(mean + np.hypot(high - mean, error))


def split_of(seed: int) -> str:
    """Dev queries for the seed that tunes, else test queries."""
    return "dev" if seed == TUNING_SEED else "test"


def tuned(
    experiment: Callable[[float, int], np.ndarray], seeds: Sequence[int], rates: Sequence[float]
) -> tuple[np.ndarray, float]:
    """An arm at the learning rate that dev queries prefer.

    Args:
        experiment: (learning rate, seed) -> (queries,), or (points, queries), of which the last point is judged.
        seeds: of the arm; the rate is chosen with TUNING_SEED.
        rates: to choose from.
    Returns:
        (seeds, …, queries), and the rate.
    """
    rate = best_of(rates, lambda rate: float(np.atleast_2d(experiment(rate, TUNING_SEED))[-1].mean()))
    return np.array([experiment(rate, seed) for seed in seeds]), rate


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
