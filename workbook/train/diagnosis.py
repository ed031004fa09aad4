"""The loss does not fall: which of the usual causes is it? Seven questions, each answered by a number, in order.

    1. does a gradient reach the weights?            else vectors without a history: `encode` instead of `forward`
    2. does a step move them?                        else a learning rate of 0
    3. are the passages different texts?             else duplicates: every row has several right answers
    4. can the encoder tell the texts apart?         else all are cut to the same first tokens
    5. can cosines make a difference?                else a temperature so high that every choice looks alike
    6. do the vectors stay apart?                    else a learning rate so high that all texts became one
    7. do queries and passages belong together?      else one side was shuffled, or sorted on its own

Taught in 07.
"""

import copy
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
        moved: the largest change of a weight.
        distinct: different passages, as a share of all.
        readable: different lists of token ids, as a share of the different passages.
        spread: how far apart the logits of a choice lie before training: the largest minus the smallest.
        crowded: the mean cosine of different passages after training.
        first, last: the loss minus log B, the price of a guess; of the first steps and of the last ones.
    """

    gradient: bool
    moved: float
    distinct: float
    readable: float
    spread: float
    crowded: float
    first: float
    last: float


def forward(encoder: TextEncoder, texts: Sequence[str]) -> Tensor:
    """Texts as vectors (B, D) that gradients can go back from."""
    return encoder(*encoder.tokenize(list(texts)))


def symptoms(
    encoder: TextEncoder, pairs: Sequence[tuple[str, str]], lr: float, temperature: float = 0.05, steps: int = 40,
    batch_size: int = 64, seed: int = 0, embed: Embed = forward,
) -> Symptoms:  # fmt: skip
    """Train a copy of an encoder for some steps, by the plainest loop there is, and write down what can be seen.

    Args:
        encoder: it is left as it is.
        pairs: N pairs (query, passage).
        lr: of AdamW, without warm-up.
        temperature: of InfoNCE.
        steps, batch_size, seed: of the training.
        embed: how texts become vectors in your training.
    """
    encoder = copy.deepcopy(encoder)
    before = [p.detach().clone() for p in encoder.parameters()]
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=lr)
    batches = stream_batches(torch.ones(len(pairs)).numpy(), batch_size, seed, pool_batches=1)
    excess, gradient, spread = [], False, 0.0
    for step, rows in enumerate(itertools.islice(batches, steps)):
        query, positive = (embed(encoder, [pairs[row][side] for row in rows]) for side in (0, 1))
        loss = info_nce(query, positive, temperature=temperature)
        excess.append(loss.item() - math.log(len(rows)))
        if step == 0:
            logits = cos_sim(query, positive) / temperature
            spread = float(logits.max() - logits.min())
        optimizer.zero_grad()
        if loss.requires_grad:
            torch.autograd.backward(loss)
            gradient = gradient or any(p.grad is not None and bool(p.grad.any()) for p in encoder.parameters())
            optimizer.step()
    passages = list(dict.fromkeys(passage for _, passage in pairs))
    with torch.no_grad():
        x = forward(encoder, passages[:batch_size])
    apart = ~torch.eye(len(x), dtype=torch.bool)
    few = max(1, len(excess) // 5)
    moved = (float((p.detach() - old).abs().max()) for p, old in zip(encoder.parameters(), before, strict=True))
    return Symptoms(
        gradient=gradient,
        moved=max(moved),
        distinct=len(passages) / len(pairs),
        readable=len({tuple(ids) for ids in encoder.token_ids(passages)}) / len(passages),
        spread=spread,
        crowded=float(cos_sim(x, x)[apart].mean()) if len(x) > 1 else 1.0,
        first=sum(excess[:few]) / few,
        last=sum(excess[-few:]) / few,
    )


def diagnose(seen: Symptoms) -> str:
    """The first question that is answered with no, in a few words; "the loss falls" where none is.

    The bounds are far from what a healthy training shows, on either side: a diagnosis is where to look, not a proof.
    """
    if not seen.gradient:
        return "no gradient reaches the weights"
    if seen.moved == 0:
        return "the learning rate is 0"
    if seen.distinct < 0.5:
        return "the passages are duplicates"
    if seen.readable < 0.5:
        return "texts are cut to the same beginning"
    if seen.spread < 1:
        return "the temperature is too high"
    if seen.crowded > 0.9:
        return "the learning rate is too high: all texts became one"
    if seen.last > -0.1 * abs(seen.first) - 0.1:
        return "queries and passages do not belong together"
    return "the loss falls"
