"""What every index shares: how vectors come in, how closeness is computed, how answers go out.

Inside an index larger always means closer. With s for the score of query q and passage x:

    inner product   s = q · x
    squared L2      s = 2 q · x - |x|²  =  |q|² - |q - x|²

The second ranks like minus the distance, because |q|² is the same for every passage; it is put back
when the answer goes out. Both are a matrix product, which is what a processor does fastest.

Letters: Q queries, N passages, D dimensions (faiss writes d), K results.

Taught in 17.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from workbook.similarity import first_k

METRICS = ("inner_product", "l2")
CHUNK = 4_096  # passages that are read, scored or encoded at a time


def as_vectors(x: Any, D: int | None = None, name: str = "x") -> Tensor:
    """Read vectors: a float32 tensor (N, D) on the device it came from.

    Args:
        x: (N, D), numpy or torch.
        D: how many dimensions are expected; None takes any.
        name: what the caller calls it, for the error.
    Returns:
        (N, D) float32.
    Raises:
        ValueError: not two-dimensional, another D, or a value is NaN or infinite.
    """
    if isinstance(x, Tensor):
        vectors = x.detach().to(torch.float32).contiguous()
    else:
        vectors = torch.from_numpy(np.require(x, np.float32, ["C_CONTIGUOUS", "WRITEABLE"]))
    if vectors.ndim != 2 or vectors.shape[1] == 0 or D not in (None, vectors.shape[1]):
        shape = "(N, D)" if D is None else f"(N, D) with D = {D}"
        raise ValueError(
            f"{name} must be {shape}, got {tuple(vectors.shape)}; give one vector as vector[None, :], "
            "and encode passages and queries with the same model"
        )
    # A finite sum has finite terms, and takes one pass; only where it is not is each number looked at.
    if not math.isfinite(vectors.sum()) and not vectors.isfinite().all():
        row = int((~vectors.isfinite()).any(dim=1).nonzero()[0])
        raise ValueError(f"{name} must hold finite numbers, row {row} holds NaN or infinity; find where it arose")
    return vectors


def chunks(x: Any, D: int, name: str = "x", size: int = CHUNK) -> Iterator[Tensor]:
    """Read vectors `size` rows at a time, so that a memory-mapped corpus is never in memory at once.

    An input without rows gives one empty chunk, so that its shape is checked too.
    """
    x = x if isinstance(x, Tensor) else np.asarray(x)
    for start in range(0, max(len(x) if x.ndim else 1, 1), size):
        yield as_vectors(x[start : start + size] if x.ndim else x, D, name)


def score(queries: Tensor, x: Tensor, metric: str, norms: Tensor | None = None) -> Tensor:
    """How close, larger is closer: (Q, D), (N, D) -> (Q, N). See the formulas above.

    `norms`, |x|² as (N,) or (N, 1), saves computing them.
    """
    norms = None if metric == "inner_product" else squared_norm(x) if norms is None else norms.flatten()
    if len(queries) == 1 and queries.device.type == "cpu":  # see `dot_score_of_one`
        products = torch.from_numpy(np.vecdot(x.numpy(), queries.numpy())[None])
        return products if norms is None else 2 * products - norms
    return queries @ x.T if norms is None else torch.addmm(-norms, queries, x.T, alpha=2)


def squared_norm(x: Tensor) -> Tensor:
    """|x|² of every row: (N, D) -> (N,)."""
    return x.square().sum(dim=1)


def kept_norms(x: Tensor, metric: str) -> Tensor:
    """What an index keeps of the norms: |x|² as (N, 1) under "l2", nothing, (N, 0), under "inner_product"."""
    return squared_norm(x)[:, None] if metric == "l2" else x[:, :0]


def exhaustive(
    queries: Tensor,
    N: int,
    k: int,
    prepare: Callable[[Tensor], Callable[[slice], Tensor]],
    block: int,
    most: int = CHUNK,
) -> tuple[Tensor, Tensor]:
    """Score every passage for every query and keep the k best, in bounded memory.

    Args:
        queries: (Q, D).
        N: how many passages there are.
        k: how many are kept.
        prepare: takes a block of queries (B, D) and returns a function from a slice of the passages to
            their scores (B, chunk).
        block: queries at a time. Memory is block · (CHUNK + 2 k) scores.
        most: with fewer queries, up to this many passages are taken at a time, to the same number of
            scores; more than CHUNK only where scoring copies no vectors.
    Returns:
        scores (Q, K) and ids (Q, K), best first, equal scores by id; K = min(k, N).
    """
    results = []
    for begin in range(0, max(len(queries), 1), block):
        part = queries[begin : begin + block]
        scores_of = prepare(part)
        best = part.new_empty(len(part), 0)
        ids = torch.empty(len(part), 0, dtype=torch.long, device=part.device)
        chunk = min(CHUNK * block // max(len(part), 1), max(most, CHUNK))
        for start in range(0, N, chunk):
            scores, found = first_k(scores_of(slice(start, start + chunk)), k)
            if start:  # earlier chunks hold smaller ids
                scores, order = first_k(torch.cat([best, scores], dim=1), k)
                found = torch.cat([ids, found + start], dim=1).gather(1, order)
            best, ids = scores, found
        results.append((best, ids))
    return torch.cat([best for best, _ in results]), torch.cat([ids for _, ids in results])


def answer(scores: Tensor, ids: Tensor, k: int, queries: Tensor, metric: str, like: Any) -> tuple[Any, Any]:
    """What `search` returns: distances for L2, -1 where fewer than k were found, numpy if the queries were.

    Args:
        scores: (Q, K) inside scores, best first; -inf where nothing was found.
        ids: (Q, K); -1 where nothing was found.
        k: how many columns go out; missing ones are filled up.
        queries: (Q, D), for the |q|² that the scores leave out.
        metric: "inner_product" or "l2".
        like: the queries as they came in.
    Returns:
        scores or squared distances (Q, k) and ids (Q, k).
    """
    if (missing := k - scores.shape[1]) > 0:
        scores, ids = F.pad(scores, (0, missing), value=float("-inf")), F.pad(ids, (0, missing), value=-1)
    if metric == "l2":
        scores = (squared_norm(queries)[:, None] - scores).clamp(min=0)  # rounding can go below zero
    return (scores, ids) if isinstance(like, Tensor) else (scores.cpu().numpy(), ids.cpu().numpy())


def check_metric(metric: str) -> None:
    """Refuse a metric that no index here has.

    Raises:
        ValueError: what came, and what there is.
    """
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}; for the cosine, normalize first")


def check_positive(**values: int) -> None:
    """Refuse a count below 1.

    Args:
        values: name -> value, as keywords, for the message.
    Raises:
        ValueError: which one, and what came.
    """
    for name, value in values.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
