"""The loss does not fall: which of the usual causes is it? Seven questions, each answered by a number, in order.

    1. does a gradient reach the weights?            else vectors without a history: `encode` instead of `forward`
    2. does a step move them?                        else a learning rate of 0, or far too low
    3. are the texts of a side different?            else duplicates: a row has several right answers, or none of its own
    4. can the encoder tell them apart?              else all are cut to the same first tokens
    5. can cosines decide?                           else a temperature so high that every choice looks alike
    6. do the vectors stay apart?                    else a learning rate so high that all texts became one
    7. do queries and passages belong together?      else one side was shuffled, or sorted on its own

The last is asked of pairs that the training has not read: what it has read often enough, it knows by heart, and then
its own loss falls whatever belongs together.

Taught in 07.
"""

import copy
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from workbook.encoder.text_encoder import TextEncoder
from workbook.losses import info_nce
from workbook.similarity import cos_sim
from workbook.train.batches import stream_batches

Embed = Callable[[TextEncoder, Sequence[str]], Tensor]


@dataclass(frozen=True)
class Symptoms:
    """What a short training shows.

    Attributes:
        gradient: whether one reaches the weights.
        moved: the largest change of a weight, as a share of a weight's usual size (the root of the mean square).
        distinct: different texts, as a share of all; of the side that has fewer.
        readable: different lists of token ids, as a share of the different texts; of the side that has fewer.
        spread: how far apart the logits of a choice lie before training: the largest minus the smallest.
        crowded_before, crowded: the mean cosine of different passages, before training and after it.
        before, after: the loss of pairs that the training does not read, minus log B, the price of a guess among them.
    """

    gradient: bool
    moved: float
    distinct: float
    readable: float
    spread: float
    crowded_before: float
    crowded: float
    before: float
    after: float


def forward(encoder: TextEncoder, texts: Sequence[str]) -> Tensor:
    """Texts as vectors (B, D) that gradients can go back from."""
    vectors: Tensor = encoder(*encoder.tokenize(list(texts)))
    return vectors


def symptoms(
    encoder: TextEncoder, pairs: Sequence[tuple[str, str]], lr: float, temperature: float = 0.05, steps: int = 40,
    batch_size: int = 64, seed: int = 0, embed: Embed = forward,
) -> Symptoms:  # fmt: skip
    """Train a copy of an encoder for some steps, by the plainest loop there is, and write down what can be seen.

    Args:
        encoder: it is left as it is.
        pairs: N pairs (query, passage), 10 or more. A batch of them, at most a fifth, is kept out of the training.
        lr: of AdamW, without warm-up.
        temperature: of InfoNCE.
        steps, batch_size, seed: of the training.
        embed: how texts become vectors in your training.
    Raises:
        ValueError: there are fewer than 10 pairs.
    """
    if len(pairs) < 10:
        raise ValueError(f"expected 10 pairs or more, some of them to be kept out of the training, got {len(pairs)}")
    encoder = copy.deepcopy(encoder)
    shuffled = [pairs[row] for row in np.random.default_rng(seed).permutation(len(pairs))]
    unseen = min(batch_size, len(pairs) // 5)
    kept_out, read = shuffled[:unseen], shuffled[unseen:]

    logits, crowded_before, before = _on_unseen(encoder, kept_out, temperature)
    old = [p.detach().clone() for p in encoder.parameters()]
    gradient = _train(encoder, read, lr, temperature, steps, batch_size, seed, embed)
    _, crowded, after = _on_unseen(encoder, kept_out, temperature)

    size = math.sqrt(sum(float(p.square().sum()) for p in old) / sum(p.numel() for p in old))
    change = max(float((p.detach() - was).abs().max()) for p, was in zip(encoder.parameters(), old, strict=True))
    sides = [list(dict.fromkeys(side)) for side in zip(*pairs, strict=True)]
    return Symptoms(
        gradient=gradient,
        moved=change / size,
        distinct=min(len(texts) for texts in sides) / len(pairs),
        readable=min(len({tuple(ids) for ids in encoder.token_ids(texts)}) / len(texts) for texts in sides),
        spread=float(logits.max() - logits.min()),
        crowded_before=crowded_before,
        crowded=crowded,
        before=before,
        after=after,
    )


def _train(
    encoder: TextEncoder, pairs: Sequence[tuple[str, str]], lr: float, temperature: float, steps: int, batch_size: int,
    seed: int, embed: Embed,
) -> bool:  # fmt: skip
    """Whether a gradient has reached the weights."""
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=lr)
    batches = stream_batches(np.ones(len(pairs)), min(batch_size, len(pairs)), seed, pool_batches=1)
    gradient = False
    for rows in itertools.islice(batches, steps):
        query, positive = (embed(encoder, [pairs[row][side] for row in rows]) for side in (0, 1))
        loss = info_nce(query, positive, temperature=temperature)
        optimizer.zero_grad()
        if loss.requires_grad:
            torch.autograd.backward(loss)
            gradient = gradient or any(p.grad is not None and bool(p.grad.any()) for p in encoder.parameters())
            optimizer.step()
    return gradient


@torch.no_grad()
def _on_unseen(
    encoder: TextEncoder, pairs: Sequence[tuple[str, str]], temperature: float
) -> tuple[Tensor, float, float]:
    """Logits (B, B), the mean cosine of different passages, and the loss minus log B."""
    query, positive = (forward(encoder, [pair[side] for pair in pairs]) for side in (0, 1))
    loss = info_nce(query, positive, temperature=temperature).item()
    apart = ~torch.eye(len(pairs), dtype=torch.bool)
    crowded = float(cos_sim(positive, positive)[apart].mean())
    return cos_sim(query, positive) / temperature, crowded, loss - math.log(len(pairs))


def diagnose(seen: Symptoms) -> str:
    """The first question that is answered with no, in a few words; "none of the seven" where none is.

    The bounds are far from what a healthy training shows, on either side: a diagnosis is where to look, not a proof.
    """
    if not seen.gradient:
        return "no gradient reaches the weights"
    if seen.moved < 0.001:
        return "the learning rate is 0, or far too low"
    if seen.distinct < 0.5:
        return "one side is full of duplicates"
    if seen.readable < 0.5:
        return "texts are cut to the same beginning"
    if seen.spread < 1:
        return "the temperature is too high for these cosines"
    became_one = seen.crowded > 0.9 and seen.crowded > seen.crowded_before
    # Pairs that do not belong together push all texts into one place too. Then weights move no more than they should,
    # and the pairs were no better than a guess before.
    if math.isnan(seen.after) or (became_one and (seen.moved > 20 or seen.before < -0.5)):
        return "the learning rate is too high: all texts became one"
    if seen.after > -0.1:
        return "queries and passages do not belong together"
    return "none of the seven"
