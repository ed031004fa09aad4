"""Distillation: a slow model that judges well teaches a fast one that can search.

A cross-encoder reads query and passage together and knows not only which passage is right, but by how
much, and which wrong ones are nearly right. Labels of 1 and 0 say none of that. So let the teacher score every
training tuple once, and let the bi-encoder learn the scores.

    teacher_scores(teacher, tuples)        -> labels (N, 1 + M)     asked once, kept on disk
    distill(student, tuples, labels)       -> the student           its scores come to agree with the teacher's

Letters: N tuples (query, positive, M negatives).

Taught in 15.
"""

import hashlib
import json
import math
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbook.encoder.text_encoder import TextEncoder
from workbook.losses.distillation import margin_mse
from workbook.rerank.pipeline import score_pairs
from workbook.support.checks import check_positive
from workbook.support.frontend import track
from workbook.support.types import Reranker
from workbook.train import History, check_tuples, fit


def teacher_scores(
    teacher: Reranker, tuples: Sequence[tuple[str, ...]], cache: str | Path | None = None, chunk_size: int = 1024
) -> Tensor:
    """What a teacher says of every passage of every tuple.

    A pair that stands in several tuples is asked for once. With a cache, every answer is on disk as soon as
    its chunk is done: a run that was stopped asks only for the rest, and so does a later one with more tuples.

    Args:
        teacher: anything with predict(pairs) -> one score each; a `CrossEncoder`, ours or
            sentence-transformers'. Logits serve better than probabilities, which are all near 0 or 1.
        tuples: N tuples (query, positive, negative_1, …, negative_M), all of one length.
        cache: a file of JSON lines, one for each pair; made if it is not there. One file for each teacher.
        chunk_size: pairs per call of the teacher.
    Returns:
        (N, 1 + M) float32, in the order of the tuples.
    Raises:
        ValueError: there are no tuples, they differ in length, the teacher gives something else than one finite
            score for each pair, or the cache holds the answers of another teacher.
    """
    check_positive(chunk_size=chunk_size)
    n = check_tuples(tuples)  # 1 + M
    pairs = [(query, passage) for query, *passages in tuples for passage in passages]
    known = {} if cache is None else _read(Path(cache))
    keys = [_key(pair) for pair in pairs]
    pair_of = dict(zip(keys, pairs, strict=True))  # each pair once
    missing = [key for key in pair_of if key not in known]
    key = next((key for key in pair_of if key in known), None)
    if key is not None and missing:  # one known answer is asked for again, to see whether it is the same teacher
        now = score_pairs(teacher, [pair_of[key]])[0]
        if not math.isclose(now, known[key], rel_tol=0.02, abs_tol=0.02):
            raise ValueError(
                f"{cache} holds {known[key]:.4f} for a pair to which this teacher gives {now:.4f}; it belongs to another "
                "teacher, so give this one a file of its own"
            )
    for start in track(range(0, len(missing), chunk_size), label="teacher"):
        chunk = missing[start : start + chunk_size]
        found = dict(zip(chunk, score_pairs(teacher, [pair_of[key] for key in chunk], chunk_size), strict=True))
        if cache is not None:
            _append(Path(cache), found)
        known |= found
    return torch.tensor([known[key] for key in keys]).view(len(tuples), n)


def distill(
    student: TextEncoder,
    tuples: Sequence[tuple[str, ...]],
    labels: Tensor,
    loss: Callable[..., Tensor] = margin_mse,
    **options: Any,
) -> History:
    """Teach a bi-encoder what a teacher said.

        margin_mse    the differences of its scores shall be the teacher's
        distill_kl    its distribution over a query's passages shall be the teacher's

    Args:
        student: a `workbook.encoder.TextEncoder`, trained in place. Best with normalize=False: scores of vectors
            of length 1 differ by 2 at most, a teacher's logits by 10 and more.
        tuples: N tuples (query, positive, negative_1, …, negative_M), M ≥ 1.
        labels: (N, 1 + M), from `teacher_scores`.
        loss: `margin_mse` (the default) or `distill_kl` of `workbook.losses`, or another that takes `labels`.
        options: passed on to `workbook.train.fit`: steps, batch_size, lr, seed, temperature, checkpoint, …
    Returns:
        one record for each step, as `fit`.
    Raises:
        ValueError: tuples or labels do not belong together, or as `fit`.

    Source: Hinton et al. 2015; Hofstätter et al. 2020 (MarginMSE).
    """
    n = check_tuples(tuples)
    if n < 2 or labels.shape != (len(tuples), n):
        raise ValueError(
            f"expected tuples with at least one negative and labels (N, 1 + M) = ({len(tuples)}, {n}), "
            f"got labels {tuple(labels.shape)}; teacher_scores gives them"
        )
    spread = float((labels.max(dim=1).values - labels.min(dim=1).values).max())
    if getattr(student, "normalize", False) and spread > 2:
        warnings.warn(
            f"the teacher's scores of one query differ by up to {spread:.1f}, those of a student with vectors of length 1 "
            "by 2 at most; give the student normalize=False, or scale the labels down",
            stacklevel=2,
        )
    return fit(student, tuples, loss=loss, labels=labels, **options)


def _key(pair: tuple[str, str]) -> str:
    return hashlib.sha256(json.dumps(pair).encode()).hexdigest()[:32]


def _read(cache: Path) -> dict[str, float]:
    """The answers so far. A last line that a kill cut short is cut off."""
    if not cache.exists():
        return {}
    content = cache.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        os.truncate(cache, len(whole))
    try:
        return dict(json.loads(line) for line in whole.splitlines())
    except (json.JSONDecodeError, TypeError, ValueError) as error:
        raise ValueError(f"{cache} is not a file of teacher scores ({error}); give another name") from error


def _append(cache: Path, found: dict[str, float]) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True)
    with cache.open("a", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps([key, score]) + "\n" for key, score in found.items())
        file.flush()
        os.fsync(file.fileno())
