"""What every index shares: how vectors come in, how closeness is computed, how answers go out.

Inside an index larger always means closer. The score of query q and passage x is

    inner product   q · x
    squared L2      -|q - x|²

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

from workbook.similarity import dot_score_of_one, first_k

METRICS = ("inner_product", "l2")
CHUNK = 4_096  # passages that are read, scored or encoded at a time
QUERY_BLOCK = 256  # queries that are searched at a time
BY_DIFFERENCE = 7  # up to so many queries, distances are differences that are squared, else a product
CACHED = 512  # rows of differences at a time, few enough to stay in the cache


def closeness(a: Tensor, b: Tensor, metric: str) -> float:
    """How close two vectors are, larger is closer: (D,), (D,) -> one number. `score` is the same for many."""
    return float(a @ b) if metric == "inner_product" else -float((a - b).square().sum())


def score(queries: Tensor, x: Tensor, metric: str) -> Tensor:
    """How close, larger is closer: (Q, D), (N, D) -> (Q, N). `closeness` of all pairs."""
    if metric == "l2":
        return -squared_distances(queries, x)
    return dot_score_of_one(queries, x) if len(queries) == 1 else queries @ x.T


def squared_distances(queries: Tensor, x: Tensor) -> Tensor:
    """|q - x|² of all pairs: (Q, D), (N, D) -> (Q, N) float32.

        |q - x|² = |q|² - 2 q · x + |x|²

    The right side is a matrix product, which is what a processor does fastest. But it takes large numbers from
    one another: of (1000.4 - 1000.1)² = 0.09, float32 keeps no digit beside 1000². So it is computed in float64.
    """
    if 0 < len(queries) <= BY_DIFFERENCE and x.device.type == "cpu":
        return torch.from_numpy(np.stack([distances_of_one(q, x.numpy()) for q in queries.numpy()]))
    q, x = wide(queries), wide(x)
    return torch.addmm(squared_norm(x), q, x.T, alpha=-2).add_(squared_norm(q)[:, None]).clamp_(min=0).float()


def distances_of_one(query: np.ndarray, x: np.ndarray) -> np.ndarray:
    """|q - x|² of one query, difference by difference: (D,), (N, D) -> (N,)."""
    found = np.empty(len(x), x.dtype)
    for start in range(0, len(x), CACHED):
        difference = x[start : start + CACHED] - query
        np.vecdot(difference, difference, out=found[start : start + CACHED])
    return found


def scores_of_one(query: np.ndarray, x: np.ndarray, metric: str) -> np.ndarray:
    """`score` of one query in numpy, whose calls are cheaper than torch's: (D,), (N, D) -> (N,)."""
    return np.vecdot(x, query) if metric == "inner_product" else -distances_of_one(query, x)


def wide(x: Tensor) -> Tensor:
    """The same numbers in float64, where the device has it."""
    return x if x.device.type == "mps" else x.double()


def squared_norm(x: Tensor) -> Tensor:
    """|x|² of every row: (N, D) -> (N,)."""
    return x.square().sum(dim=1)


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


def as_ids(ids: Any, name: str = "ids") -> Tensor:
    """Read ids, a list, a set or an array of whole numbers: (n,) int64.

    Raises:
        ValueError: something else.
    """
    given = np.asarray(ids.cpu() if isinstance(ids, Tensor) else list(ids) if isinstance(ids, set | frozenset) else ids)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise ValueError(
            f"{name} must be (n,) whole numbers, got {given.shape} {given.dtype}; keep names in a list beside"
        )
    return torch.from_numpy(given.astype(np.int64))


def allowed_rows(allowed: Any, ids: Tensor) -> Tensor:
    """Which rows a search may return: (N,) booleans.

    Args:
        allowed: ids, as a set, a list or an array; or a mask of booleans, in which place i speaks for id i.
        ids: (N,), the id of each row.
    Raises:
        ValueError: a mask that is too short, or neither of the two.
    """
    dtype = getattr(allowed, "dtype", None)
    if dtype in (torch.bool, np.dtype(bool)) or (isinstance(allowed, list) and set(map(type, allowed)) == {bool}):
        mask, most = torch.as_tensor(allowed, device=ids.device), int(ids.max()) if len(ids) else -1
        if mask.ndim != 1 or len(mask) <= most:
            raise ValueError(f"the mask must have a place for each id up to {most}, got shape {tuple(mask.shape)}")
        return mask[ids]
    return torch.isin(ids, as_ids(allowed, "allowed").to(ids.device))


def chunks(x: Any, D: int, name: str = "x", size: int = CHUNK) -> Iterator[Tensor]:
    """Read vectors `size` rows at a time, so that a memory-mapped corpus is never in memory at once.

    An input without rows gives one empty chunk, so that its shape is checked too.
    """
    x = x if isinstance(x, Tensor) else np.asarray(x)
    for start in range(0, max(len(x) if x.ndim else 1, 1), size):
        yield as_vectors(x[start : start + size] if x.ndim else x, D, name)


def exhaustive(
    queries: Tensor,
    N: int,
    k: int,
    prepare: Callable[[Tensor], Callable[[Any], Tensor]],
    block: int = QUERY_BLOCK,
    most: int = CHUNK,
    allowed: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Score every passage for every query and keep the k best, in bounded memory.

    Args:
        queries: (Q, D).
        N: how many passages there are.
        k: how many are kept.
        prepare: takes a block of queries (B, D) and returns a function from rows, a slice or numbers, to
            their scores (B, chunk).
        block: queries at a time. Memory is block · (CHUNK + 2 k) scores.
        most: with fewer queries, up to this many passages are taken at a time, to the same number of
            scores; more than CHUNK only where scoring copies no vectors.
        allowed: (N,) booleans; only these rows are read. None reads all.
    Returns:
        scores (Q, K) and rows (Q, K), best first, equal scores by row; K = min(k, N).
    """
    among = None if allowed is None else allowed.nonzero()[:, 0]
    if among is not None:
        N, most = len(among), CHUNK
    results = []
    for begin in range(0, max(len(queries), 1), block):
        part = queries[begin : begin + block]
        scores_of = prepare(part)
        best = part.new_empty(len(part), 0)
        rows = torch.empty(len(part), 0, dtype=torch.long, device=part.device)
        chunk = min(CHUNK * block // max(len(part), 1), max(most, CHUNK))
        for start in range(0, N, chunk):
            rows_here = slice(start, start + chunk)
            scores, found = first_k(scores_of(rows_here if among is None else among[rows_here]), k)
            if start:  # earlier chunks hold smaller rows
                scores, order = first_k(torch.cat([best, scores], dim=1), k)
                found = torch.cat([rows, found + start], dim=1).gather(1, order)
            best, rows = scores, found
        results.append((best, rows if among is None else among[rows]))
    return torch.cat([best for best, _ in results]), torch.cat([rows for _, rows in results])


def answer(scores: Tensor, ids: Tensor, k: int, metric: str, like: Any) -> tuple[Any, Any]:
    """What `search` returns: distances for L2, -1 where fewer than k were found, numpy if the queries were.

    Args:
        scores: (Q, K), best first; -inf where nothing was found.
        ids: (Q, K); -1 where nothing was found.
        k: how many columns go out; missing ones are filled up.
        metric: "inner_product" or "l2".
        like: the queries as they came in.
    Returns:
        scores or squared distances (Q, k) and ids (Q, k).
    """
    if (missing := k - scores.shape[1]) > 0:
        scores, ids = F.pad(scores, (0, missing), value=float("-inf")), F.pad(ids, (0, missing), value=-1)
    scores = scores.neg() if metric == "l2" else scores
    return (scores, ids) if isinstance(like, Tensor) else (scores.cpu().numpy(), ids.cpu().numpy())


def check_metric(metric: str) -> None:
    """Refuse a metric that no index here has.

    Raises:
        ValueError: what came, and what there is.
    """
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}; for the cosine, normalize first")
