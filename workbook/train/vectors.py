"""Learn the vectors of a larger encoder: the texts need no labels, for the teacher's vector of each is the label.

Letters: N texts, B texts of a batch, E dimensions of the teacher, D of the student.

Taught in 15.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from workbook.encoder import TextEncoder, rectangle
from workbook.losses import similarity_kl
from workbook.support.precision import at_least_float32
from workbook.train.distributed import gather_with_gradient, share
from workbook.train.loop import History, optimize
from workbook.train.resume import hash_of_columns


def principal_directions(vectors: Tensor, D: int) -> Tensor:
    """The D directions in which vectors reach furthest: to make a teacher's vectors as short as the student's.

        vectors · directions ≈ vectors,   for cosines too, because the zero stays where it is

    Args:
        vectors: (N, E), N at least D.
        D: how many directions, at most E.
    Returns:
        (E, D), orthonormal columns, the furthest first.
    Raises:
        ValueError: D is more than E or N.

    Equal to `sklearn.decomposition.TruncatedSVD`, up to signs.
    """
    N, E = vectors.shape
    if min(N, E) < D:
        raise ValueError(f"D must be at most N = {N} and E = {E}, got {D}; take a smaller student, or more texts")
    vectors = vectors.float()
    _, directions = torch.linalg.eigh(vectors.T @ vectors)  # in ascending order
    furthest: Tensor = directions[:, -D:].flip(1)
    return furthest


def fit_vectors(
    encoder: TextEncoder,
    texts: Sequence[str],
    vectors: Tensor,
    steps: int = 100,
    batch_size: int = 64,
    dtype: torch.dtype | None = None,
    similarities: float = 0.0,
    temperature: float = 0.1,
    **options: Any,
) -> History:
    """Train an encoder until it gives each text the vector that a teacher gave it.

        loss = mean_i ( 1 - cos(student(text_i), vector_i) ) + similarities · similarity_kl

    Of vectors of length 1 the first part is half of the squared distance, so it is what the mean squared error asks
    for. The second part asks which texts of the batch are near each other, and leaves open where they lie.

    Args:
        encoder: the student; it is trained in place. Prompts are not put before the texts.
        texts: N texts.
        vectors: (N, D), the teacher's, of any length but 0; cut them by `principal_directions` where they are longer.
        steps, batch_size, options: as in `workbook.train.optimize`: lr, seed, warmup, checkpoint, show and so on.
        dtype: `torch.bfloat16` runs the encoder under autocast; the loss sees float32.
        similarities, temperature: how much `workbook.losses.similarity_kl` counts, and its temperature; 0 leaves it out.
    Returns:
        one record {"step", "loss", "lr", "grad_norm"} for each step.
    Raises:
        ValueError: texts and vectors do not belong together, or likenesses are asked for in batches of fewer than three.

    Relations: the loss is D/2 times that of sentence-transformers `MSELoss` on vectors of length 1.
    Source: Reimers and Gurevych 2020, who distil into other languages.
    """
    if isinstance(texts, str) or not texts or vectors.shape != (len(texts), encoder.full_size):
        raise ValueError(
            f"expected vectors (N, D) = ({len(texts)}, {encoder.full_size}), one for each text, got "
            f"{tuple(vectors.shape)}; longer ones are cut by principal_directions"
        )
    ids: list[Tensor] = []
    for start in range(0, len(texts), 1024):  # the tokenizer's own records are large
        ids += [torch.tensor(tokens) for tokens in encoder.token_ids(texts[start : start + 1024])]

    def loss_of(rows: np.ndarray) -> Tensor:
        here = share(rows)  # under torchrun a part of them
        input_ids, mask = rectangle([ids[row] for row in here], encoder.pad_id, encoder.padding_side)
        with torch.autocast(encoder.device.type, torch.bfloat16, enabled=dtype is not None):
            student = at_least_float32(encoder(input_ids.to(encoder.device), mask.to(encoder.device)))  # (B, D)
        student = gather_with_gradient(student)
        teacher = vectors[torch.from_numpy(rows)].to(student)
        loss = (1 - F.cosine_similarity(student, teacher)).mean()
        return loss + similarities * similarity_kl(student, teacher, temperature) if similarities else loss

    lengths = np.array([len(tokens) for tokens in ids])
    settings = {
        "objective": "vectors",
        "dtype": str(dtype),
        "texts": hash_of_columns([ids]),
        "similarities": [similarities, temperature],
    }
    return optimize(encoder, loss_of, lengths, steps, batch_size, settings=settings, **options)
