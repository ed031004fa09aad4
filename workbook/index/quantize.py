"""Smaller vectors: one byte or one bit for each dimension, and the search that makes up for the loss.

| precision | a dimension becomes | bytes of a vector |
|---|---|---|
| float32 | itself | 4 D |
| int8, uint8 | one of 256 steps between the least and the largest value seen | D |
| binary, ubinary | its sign | D / 8 |

What is lost can be won back: find more candidates than needed with the small codes, and rank only
those again with the float query.

Letters: Q queries, N passages, D dimensions, K results, B = ⌈D / 8⌉ bytes.

Taught in 17.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbook.index.rescore import rescore
from workbook.index.vectors import CHUNK, answer, as_vectors, exhaustive
from workbook.support.checks import check_positive

PRECISIONS = ("float32", "int8", "uint8", "binary", "ubinary")
STEPS = 255  # between the least and the largest value


def vector_bytes(D: int, precision: str) -> int:
    """How many bytes a vector of D dimensions takes: 4 D, D, or D / 8 rounded up."""
    _check_precision(precision)
    return {"float32": 4 * D, "int8": D, "uint8": D}.get(precision, (D + 7) // 8)


def quantization_ranges(calibration_embeddings: Any) -> np.ndarray:
    """The least and the largest value of every dimension.

    Args:
        calibration_embeddings: (N, D), vectors like those to come, at least two, better thousands. A
            value outside their range is later cut off at its end.
    Returns:
        (2, D).
    Raises:
        ValueError: fewer than two vectors, or values that are not finite.

    Equal to what sentence-transformers computes from `calibration_embeddings`.
    """
    x = _floats(calibration_embeddings, "calibration_embeddings")
    if len(x) < 2:
        raise ValueError(
            f"ranges need at least two vectors, better thousands, got {len(x)}; "
            "give ranges, or calibration_embeddings from a representative set"
        )
    ranges = np.stack([x.min(axis=0), x.max(axis=0)])
    if not np.isfinite(ranges).all():
        raise ValueError("calibration_embeddings must hold finite numbers, got NaN or infinity; find where it arose")
    return ranges


def quantize_embeddings(
    embeddings: Any, precision: str, ranges: np.ndarray | None = None, calibration_embeddings: Any = None
) -> np.ndarray:
    """Turn float vectors into codes.

        uint8    code = floor( (x - least) / step ), cut to 0 … 255,   step = (largest - least) / 255
        int8     the same minus 128
        ubinary  one bit for each dimension, 1 where x > 0, eight to a byte, the first in the highest bit
        binary   the same bytes minus 128

    Args:
        embeddings: (N, D), numpy or torch, floats; read 4,096 rows at a time.
        precision: "float32", "int8", "uint8", "binary" or "ubinary".
        ranges: (2, D) from `quantization_ranges`, for int8 and uint8. Queries and passages need the same.
        calibration_embeddings: (N, D) to take the ranges from; without either, `embeddings` themselves.
    Returns:
        (N, D), or (N, ⌈D / 8⌉) for binary and ubinary.
    Raises:
        ValueError: unknown precision, codes instead of floats, ranges of another shape, too few vectors
            to take ranges from, or values that are not finite.

    Equal to sentence-transformers `quantize_embeddings`.
    """
    _check_precision(precision)
    x = _floats(embeddings, "embeddings")
    N, D = x.shape
    scalar = precision in ("int8", "uint8")
    if scalar and ranges is None and N:
        ranges = quantization_ranges(x if calibration_embeddings is None else calibration_embeddings)
    least, step = _least_and_step(ranges, D) if scalar and ranges is not None else (0.0, 1.0)
    dtype = {"float32": np.float32, "int8": np.int8, "binary": np.int8}.get(precision, np.uint8)
    codes = np.empty((N, D if scalar or precision == "float32" else (D + 7) // 8), dtype=dtype)
    for start in range(0, N, CHUNK):
        part = x[start : start + CHUNK]
        if not np.isfinite(part).all():
            row = start + int(np.flatnonzero(~np.isfinite(part).all(axis=1))[0])
            raise ValueError(f"embeddings must hold finite numbers, row {row} holds NaN or infinity")
        if scalar:
            part = np.clip(np.floor((part - least) / step), 0, STEPS)
            part = part - 128 if precision == "int8" else part
        elif precision != "float32":
            part = np.packbits(part > 0, axis=1)
            part = part.astype(np.int16) - 128 if precision == "binary" else part
        codes[start : start + CHUNK] = part
    return codes


def dequantize_embeddings(codes: np.ndarray, precision: str, ranges: np.ndarray) -> np.ndarray:
    """The vectors that int8 or uint8 codes stand for: least + step · code.

    Args:
        codes: (N, D).
        precision: "int8" or "uint8".
        ranges: (2, D), those of the quantization.
    Returns:
        (N, D) float32, below the original by less than one step inside the ranges.
    Raises:
        ValueError: another precision, or shapes that do not belong together.
    """
    if precision not in ("int8", "uint8"):
        raise ValueError(f'only "int8" and "uint8" can be turned back, got {precision!r}; a sign has no size')
    least, step = _least_and_step(ranges, codes.shape[1])
    return (least + step * (codes.astype(np.float32) + 128 * (precision == "int8"))).astype(np.float32)


def scalar_search(
    query_embeddings: Any, codes: np.ndarray, k: int, precision: str, ranges: np.ndarray
) -> tuple[Any, Any]:
    """The k passages whose int8 or uint8 codes have the largest product with a float query.

        q · (least + step ∘ code)  =  q · least + (q ∘ step) · code

    The query is not quantized, so nothing is left to rescore.

    Args:
        query_embeddings: (Q, D) floats.
        codes: (N, D), may be a memory map: about 4,096 rows are read at a time for 256 queries.
        k: results per query.
        precision: "int8" or "uint8".
        ranges: (2, D), those of the quantization.
    Returns:
        scores (Q, K) and ids (Q, K), best first; id -1 and -inf where there are fewer than k passages.
    Raises:
        ValueError: shapes do not belong together, k is not positive, or a query is not finite.

    The same scores as sentence-transformers `semantic_search_faiss` with "uint8".
    """
    check_positive(k=k)
    queries = as_vectors(query_embeddings, codes.shape[1], "query_embeddings").cpu()
    if precision not in ("int8", "uint8") or codes.dtype != precision:
        raise ValueError(f'expected precision "int8" or "uint8" and codes of it, got {precision!r} and {codes.dtype}')
    least, step = (torch.as_tensor(part, dtype=torch.float32) for part in _least_and_step(ranges, codes.shape[1]))

    def prepare(block: Tensor) -> Callable[[Any], Tensor]:
        stretched = block * step
        fixed = block @ least + 128 * (precision == "int8") * stretched.sum(dim=1)
        return lambda rows: torch.addmm(fixed[:, None], stretched, torch.from_numpy(codes[rows].astype(np.float32)).T)

    scores, ids = exhaustive(queries, len(codes), k, prepare)
    return answer(scores, ids, k, "inner_product", query_embeddings)


def hamming_search(
    queries: np.ndarray, codes: np.ndarray, k: int, chunk_size: int = 16_384
) -> tuple[np.ndarray, np.ndarray]:
    """The k passages whose bits differ least from a query's.

        distance = number of ones in (query XOR code)

    Args:
        queries: (Q, B) bytes, from `quantize_embeddings` with "ubinary" or "binary".
        codes: (N, B) bytes of the same precision; may be a memory map, chunk_size rows are read at a time.
        k: results per query.
        chunk_size: passages at a time.
    Returns:
        distances (Q, K) int32 and ids (Q, K), nearest first, equal distances by id; K = min(k, N).
    Raises:
        ValueError: shapes or types do not belong together, or k is not positive.

    Equal distances to faiss `IndexBinaryFlat`.
    """
    check_positive(k=k, chunk_size=chunk_size)
    if queries.ndim != 2 or codes.ndim != 2 or queries.shape[1] != codes.shape[1] or queries.dtype != codes.dtype:
        raise ValueError(
            f"expected (Q, B) and (N, B) bytes of one precision, got {queries.shape} {queries.dtype} and "
            f"{codes.shape} {codes.dtype}; quantize queries and passages alike"
        )
    if codes.dtype not in (np.uint8, np.int8):
        raise ValueError(f'expected bytes, got {codes.dtype}; use quantize_embeddings(embeddings, "ubinary")')
    asked = _words(queries)  # (Q, W)
    best = [(np.empty(0, np.int32), np.empty(0, np.int64))] * len(asked)
    for start in range(0, len(codes), chunk_size):
        words = np.ascontiguousarray(_words(codes[start : start + chunk_size]).T)  # (W, chunk), a word after another
        for row, query in enumerate(asked):
            distances = np.zeros(words.shape[1], dtype=np.uint16)  # small numbers are counted fastest
            for word, bits in zip(words, query, strict=True):
                distances += np.bitwise_count(word ^ bits)
            best[row] = _nearest(distances, start, best[row], k)
    K = min(k, len(codes))
    distances, ids = np.empty((len(asked), K), np.int32), np.empty((len(asked), K), np.int64)
    for row, found in enumerate(best):
        distances[row], ids[row] = found
    return distances, ids


def binary_search(
    query_embeddings: Any, codes: np.ndarray, k: int, rescore_multiplier: int = 4, vectors_of: Any = None
) -> tuple[Any, Any]:
    """Find k · rescore_multiplier candidates by their bits, and rank them with the float query.

    Args:
        query_embeddings: (Q, D) floats.
        codes: (N, ⌈D / 8⌉) bytes, "binary" or "ubinary".
        k: results per query.
        rescore_multiplier: how many candidates there are for each result; 1 only reorders.
        vectors_of: ids (n,) -> vectors (n, D) to score candidates with, such as `corpus.__getitem__` of float
            vectors on the disk; None takes the bits themselves, as 0 and 1.
    Returns:
        scores (Q, K) and ids (Q, K), best first; id -1 and -inf where there are fewer than k passages.
    Raises:
        ValueError: shapes do not belong together, a number is not positive, or a query is not finite.

    Equal to sentence-transformers `semantic_search_faiss` with "ubinary", which has rescore_multiplier 2.
    Source: Yamada et al. 2021.
    """
    check_positive(k=k, rescore_multiplier=rescore_multiplier)
    queries = as_vectors(query_embeddings, None, "query_embeddings").cpu()
    D = queries.shape[1]
    signs = quantize_embeddings(queries, "binary" if codes.dtype == np.int8 else "ubinary")
    _, candidates = hamming_search(signs, codes, k * rescore_multiplier)

    def bits_of(ids: np.ndarray) -> np.ndarray:
        return np.unpackbits(_unsigned(codes[ids]), axis=1)[:, :D]

    return rescore(query_embeddings, candidates, vectors_of or bits_of, k)


def _nearest(distances: np.ndarray, start: int, best: tuple[np.ndarray, np.ndarray], k: int) -> tuple[Any, Any]:
    """The k smallest of a chunk's distances and the best so far, equal ones by id."""
    found = np.arange(len(distances))
    if len(distances) > k:  # all that are at least as near as the k-th, ties included
        found = np.flatnonzero(distances <= np.partition(distances, k - 1)[k - 1])
    values, ids = np.append(best[0], distances[found]), np.append(best[1], found + start)
    order = np.argsort(values, kind="stable")[:k]
    return values[order], ids[order]


def _words(codes: np.ndarray) -> np.ndarray:
    """Bytes as 64-bit words, filled up with zeros: (N, B) -> (N, ⌈B / 8⌉)."""
    return np.pad(_unsigned(codes), ((0, 0), (0, -codes.shape[1] % 8))).view(np.uint64)


def _unsigned(codes: np.ndarray) -> np.ndarray:
    """The bits of a code: "binary" is "ubinary" minus 128, which turns the highest bit over."""
    return codes.view(np.uint8) ^ 0x80 if codes.dtype == np.int8 else codes


def _least_and_step(ranges: np.ndarray, D: int) -> tuple[np.ndarray, np.ndarray]:
    """The least value and the step of each dimension: (D,) each. A dimension without width has step 1."""
    ranges = np.asarray(ranges, dtype=np.float32)
    if ranges.shape != (2, D) or not np.isfinite(ranges).all() or (ranges[0] > ranges[1]).any():
        raise ValueError(f"ranges must be (2, D) = (2, {D}), least above largest, and finite, got {ranges.shape}")
    step = (ranges[1] - ranges[0]) / STEPS
    return ranges[0], np.where(step == 0, np.float32(1), step)


def _floats(given: Any, name: str) -> np.ndarray:
    x: np.ndarray = given.detach().cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)
    if x.ndim != 2 or not np.issubdtype(x.dtype, np.floating):
        raise ValueError(f"{name} must be (N, D) floats, got {x.shape} {x.dtype}; codes cannot be quantized again")
    return x


def _check_precision(precision: str) -> None:
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
