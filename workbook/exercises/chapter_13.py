"""The exercises of chapter 13: a vector is cut, trained to be cut, turned before it is cut, and searched from short to long."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from workbook import similarity
from workbook.exercises import compare, draws
from workbook.exercises.exercise import Answer, Case, Exercise, Mistake, Property, Reversed, Situation
from workbook.losses import info_nce_plain, matryoshka_loss
from workbook.similarity import cos_sim, normalize
from workbook.train import vectors as teacher_vectors

# --- 13.1 the cut ----------------------------------------------------------------------------


def truncate(x: Tensor, size: int, layer_norm: bool) -> Tensor:
    """The first numbers of each vector, at length 1 again: (..., D), int, bool -> (..., size)."""
    return similarity.truncate(x, size, layer_norm)


def _layer_norm(x: Tensor, layer_norm: bool = True) -> Tensor:
    return F.layer_norm(x, x.shape[-1:]) if layer_norm else x


def _cut_and_divided(x, size, layer_norm):
    kept = (x - layer_norm * x.mean(dim=-1, keepdim=True))[..., :size]
    length = kept.square().sum(dim=-1, keepdim=True)
    return torch.where(length > 0, kept * torch.where(length > 0, length, torch.ones_like(length)).rsqrt(), 0.0 * kept)


def _draw_vectors(rng: random.Random) -> tuple[Tensor, int, bool]:
    layer_norm, D = rng.random() < 0.4, rng.randint(2, 5)
    shape = rng.choice(((D,), (rng.randint(1, 4), D), (2, rng.randint(1, 3), D)))
    x, size = draws.vectors(rng, *shape, zeros=0.1), rng.randint(1, D)
    rows = x.view(-1, D)
    if size < D and not layer_norm and rng.random() < 0.3:
        rows[rng.randrange(len(rows)), :size] = 0.0  # all that it holds lies behind the cut
    if layer_norm:  # what is nearly its own mean is nearly nothing afterwards, and noise decides
        for row in rows:
            if row.any() and torch.linalg.vector_norm((row - row.mean())[:size]) < 0.1:
                row += torch.eye(D)[0] * 2
    return x, size, layer_norm


def _two_whole() -> tuple[Tensor, int, bool]:
    return torch.tensor([[3.0, 4.0, 12.0], [0.6, 0.8, 5.0]]), 2, False


def _has_length_one(answer: Answer) -> str | None:
    lengths = torch.linalg.vector_norm(answer(torch.tensor([[1.0, 2.0, 3.0], [0.1, 0.0, 9.0]]), 2, False), dim=-1)
    return None if torch.allclose(lengths, torch.ones(2), atol=1e-5) else f"the lengths are {lengths.tolist()}"


def _length_of(x: Tensor) -> Tensor:
    return torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp(min=1e-12)


def _of_whole(last: Callable[[Tensor, int], Tensor]) -> Answer:
    """The layer norm is right, and what comes after it is `last`."""
    return lambda x, size, layer_norm: last(_layer_norm(x, layer_norm), size)


CUT = Exercise(
    id="13.1",
    title="a cut at length 1",
    difficulty="easy",
    minutes=8,
    section="Build it: the cut",
    signature="(..., D), int, bool -> (..., size)",
    reference=truncate,
    another=_cut_and_divided,
    gradient=True,
    draw=_draw_vectors,
    situations=(
        Situation("a vector is zero, or what is kept of it", lambda x, size, ln: draws.some_zero(x[..., :size])),
        Situation("there is one vector only", lambda x, size, ln: x.ndim == 1),
        Situation("there are two axes in front", lambda x, size, ln: x.ndim == 3),
        Situation("nothing is cut off", lambda x, size, ln: size == x.shape[-1]),
        Situation("one number is left", lambda x, size, ln: size == 1),
        Situation("layer norm is asked for", lambda x, size, ln: ln),
        Situation("no layer norm is asked for", lambda x, size, ln: not ln),
    ),
    cases=(
        Case("two vectors, cut to two", _two_whole, torch.tensor([[0.6, 0.8], [0.6, 0.8]])),
        Case(
            "all its length lies behind the cut", lambda: (torch.tensor([[0.0, 0.0, 2.0], [0.0, 2.0, 1.0]]), 2, False)
        ),
        Case("one vector", lambda: (torch.tensor([2.0, -1.0, 4.0, 0.5]), 3, False)),
        Case("two texts with two vectors each", lambda: (torch.arange(1.0, 13.0).view(2, 2, 3), 2, False)),
        Case("nothing is cut off", lambda: (torch.tensor([[3.0, 4.0]]), 2, False), torch.tensor([[0.6, 0.8]])),
        Case(
            "layer norm first",
            lambda: (torch.tensor([[9.0, 1.0, 2.0, 0.0]]), 2, True),
            torch.tensor([[0.948683, -0.316228]]),
        ),
        Case("layer norm, two axes in front", lambda: (torch.tensor([[[5.0, 1.0, 0.0], [1.0, 5.0, 3.0]]]), 2, True)),
    ),
    properties=(Property("each vector has length 1", _has_length_one),),
    mistakes=(
        Mistake(
            "not normalized again",
            _of_whole(lambda x, size: normalize(x)[..., :size]),
            "You normalize and then cut. What is left is shorter than 1, and shorter for one vector than for another; a dot product of such "
            "vectors counts length along with direction.",
        ),
        Mistake(
            "cut and left as it is",
            _of_whole(lambda x, size: x[..., :size]),
            "You cut, and leave the length as it comes. A search by dot products would then prefer what is long to what is near. Scale each "
            "vector to length 1.",
        ),
        Mistake(
            "no layer norm",
            lambda x, size, layer_norm: normalize(x[..., :size]),
            "`layer_norm` never counts. A model that was trained with it gives other vectors without it: the cut is the same, and the "
            "numbers before it are not.",
        ),
        Mistake(
            "layer norm after the cut",
            lambda x, size, layer_norm: normalize(_layer_norm(x[..., :size], layer_norm)),
            "You take the layer norm of what is left. The mean of the first numbers is another than that of all: the model was trained with "
            "the whole vector's, so layer norm comes before the cut.",
        ),
        Mistake(
            "layer norm always",
            lambda x, size, layer_norm: normalize(_layer_norm(x)[..., :size]),
            "You take the layer norm where none is asked for. Most models are trained without; their vectors are then other ones.",
        ),
        Mistake(
            "the last numbers",
            _of_whole(lambda x, size: normalize(x[..., -size:])),
            "You keep the last numbers of each vector. The first ones are wanted: in a model that was trained for it they hold what "
            "matters most.",
        ),
        Mistake(
            "the largest numbers",
            _of_whole(lambda x, size: normalize(x.gather(-1, x.abs().topk(size, dim=-1).indices.sort(dim=-1).values))),
            "You keep each vector's largest numbers. Then the places of two vectors no longer mean the same, and cannot be compared.",
        ),
        Mistake(
            "texts are cut, not dimensions",
            _of_whole(lambda x, size: normalize(x[:size])),
            "You cut the first axis: texts are missing, and each vector has all its numbers. Cut the last axis.",
        ),
        Mistake(
            "over all vectors together",
            _of_whole(lambda x, size: x[..., :size] / torch.linalg.vector_norm(x[..., :size]).clamp(min=1e-12)),
            "You divide all vectors by one number, the length of all of them together. Each vector has its own length: take it along the "
            "last axis.",
        ),
        Mistake(
            "squared length",
            _of_whole(lambda x, size: x[..., :size] / _length_of(x[..., :size]) ** 2),
            "You divide by the squared length. Take the root.",
        ),
        Mistake(
            "the sum instead of the length",
            _of_whole(lambda x, size: x[..., :size] / x[..., :size].abs().sum(dim=-1, keepdim=True).clamp(min=1e-12)),
            "You divide by the sum of the absolute values. The length is the root of the sum of squares.",
        ),
        Mistake(
            "NaN where nothing is left",
            _of_whole(lambda x, size: x[..., :size] / torch.linalg.vector_norm(x[..., :size], dim=-1, keepdim=True)),
            "Where all that is kept is zero, you divide zero by zero: NaN, which spreads into every score. Such a vector stays zero.",
        ),
    ),
    hints=(
        "Three steps, the first of which is sometimes left out; their order decides.",
        "Layer norm, where it is asked for, needs the whole vector. Then slice the last axis; three dots stand for all axes before it.",
        "At the end divide each vector by its own length, kept above zero; `normalize` of chapter 02 did that. Layer norm is in "
        "torch.nn.functional.",
    ),
)


# --- 13.2 what reaches a dimension -----------------------------------------------------------


def weight_of_dimensions(sizes: Sequence[int], weights: Sequence[float], D: int) -> Tensor:
    """The weights of all losses that see a dimension, added up: two lists and an int -> (D,)."""
    place = torch.arange(D)
    return torch.stack([weight * (place < size).float() for size, weight in zip(sizes, weights, strict=True)]).sum(0)


def _overwritten(sizes, weights, D):
    found = torch.zeros(D)
    for size, weight in zip(sizes, weights, strict=True):
        found[:size] = weight
    return found


def _weights_in_a_loop(sizes, weights, D):
    return torch.tensor([float(sum(w for s, w in zip(sizes, weights, strict=True) if s > j)) for j in range(D)])


def _seen(when: Callable[[int, int, Sequence[int]], bool], count: bool = False, mean: bool = False) -> Answer:
    """The same, with another rule for which sizes see dimension j."""

    def weigh(sizes, weights, D):
        rows = []
        for j in range(D):
            there = [1.0 if count else w for s, w in zip(sizes, weights, strict=True) if when(s, j, sizes)]
            rows.append(sum(there) / (max(1, len(there)) if mean else 1))
        return torch.tensor(rows, dtype=torch.float32)

    return weigh


def _first_size_above(size: int, j: int, sizes: Sequence[int]) -> bool:
    return size == min((s for s in sizes if s > j), default=None)


def _as_sorted(sizes, weights, D):
    return _weights_in_a_loop(sorted(sizes), list(weights), D)


def _draw_sizes(rng: random.Random) -> tuple[list[int], list[float], int]:
    D = rng.randint(2, 8)
    sizes = rng.sample(range(1, D + 1), rng.randint(1, min(4, D)))
    return sizes, [rng.choice((1.0, 1.0, 0.5, 2.0, 0.25)) for _ in sizes], D


REACH = Exercise(
    id="13.2",
    title="what reaches a dimension",
    difficulty="easy",
    minutes=8,
    section="Build it: what reaches a dimension",
    signature="list of int, list of float, int -> (D,)",
    reference=weight_of_dimensions,
    another=_weights_in_a_loop,
    draw=_draw_sizes,
    situations=(
        Situation("the sizes do not ascend", lambda sizes, weights, D: sizes != sorted(sizes)),
        Situation("there is one size only", lambda sizes, weights, D: len(sizes) == 1),
        Situation("no size is the whole vector", lambda sizes, weights, D: max(sizes) < D),
        Situation("the weights differ", lambda sizes, weights, D: len(set(weights)) > 1),
        Situation("a weight is not 1", lambda sizes, weights, D: any(w != 1 for w in weights)),
    ),
    cases=(
        Case(
            "sizes 1, 2 and 4 of 4",
            lambda: ([1, 2, 4], [1.0, 1.0, 1.0], 4),
            torch.tensor([3.0, 2.0, 1.0, 1.0]),
        ),
        Case("weights, and no order", lambda: ([4, 1, 3], [1.0, 0.5, 2.0], 4)),
        Case("nothing sees the end", lambda: ([2], [1.0], 4), torch.tensor([1.0, 1.0, 0.0, 0.0])),
        Case("five sizes of 8", lambda: ([8, 6, 1, 2, 4], [0.25, 0.5, 2.0, 1.0, 1.0], 8)),
    ),
    mistakes=(
        Mistake(
            "a size sees one dimension too many",
            _seen(lambda s, j, sizes: s >= j),
            "You let a size of d see d + 1 dimensions. Dimensions are counted from 0: a size of 1 sees number 0 and no other.",
        ),
        Mistake(
            "the last size overwrites",
            _overwritten,
            "You set the weights of the first dimensions where you should add to them: each size overwrites what the one before has put "
            "there. Losses that see the same dimension add up.",
        ),
        Mistake(
            "begun anew at each size",
            lambda sizes, weights, D: _weights_in_a_loop(sizes[-1:], weights[-1:], D),
            "Only the last size counts: what the others have added is lost, as when the zeros are made anew inside the loop. Make them once, "
            "before it.",
        ),
        Mistake(
            "blocks instead of beginnings",
            _seen(_first_size_above),
            "You give each dimension to one loss: the smallest size that reaches it. Sizes are nested, so the whole vector's loss sees the "
            "first dimensions as well, and all sizes in between do.",
        ),
        Mistake(
            "the wrong end",
            _seen(lambda s, j, sizes: s <= j),
            "You count the sizes that *end* before a dimension. Those do not see it; the larger ones do.",
        ),
        Mistake(
            "weights do not count",
            _seen(lambda s, j, sizes: s > j, count=True),
            "You count losses. Each counts as much as its weight: add up weights.",
        ),
        Mistake(
            "a mean",
            _seen(lambda s, j, sizes: s > j, mean=True),
            "You take the mean weight of the losses that see a dimension. Their gradients add up, and so do the weights.",
        ),
        Mistake(
            "sizes sorted, weights not",
            _as_sorted,
            "You sort the sizes and leave the weights where they were, so a weight goes with another size. Keep the pairs together.",
        ),
        Mistake(
            "from the back",
            lambda sizes, weights, D: _weights_in_a_loop(sizes, weights, D).flip(0),
            "Your list runs from the last dimension to the first. Dimension 0 stands first.",
        ),
        Mistake(
            "a share of the whole",
            lambda sizes, weights, D: _weights_in_a_loop(sizes, weights, D) / sum(weights),
            "You divide by the sum of all weights. That is a share; asked for is the sum itself.",
        ),
    ),
    hints=(
        "Which of the losses see dimension 0? And which the last one?",
        "A size of d sees the dimensions 0 to d - 1.",
        "For each dimension add up the weights of all sizes that are larger than its number.",
    ),
)


# --- 13.3 the Matryoshka loss ----------------------------------------------------------------


def matryoshka_info_nce(
    query: Tensor, positive: Tensor, sizes: Sequence[int], weights: Sequence[float], temperature: float
) -> Tensor:
    """InfoNCE at several sizes of the vector, added up: (B, D), (B, D), two lists, float -> scalar."""
    return matryoshka_loss(info_nce_plain, sizes, weights)(query, positive, temperature=temperature)


def _loss(logits: Tensor) -> Tensor:
    return F.cross_entropy(logits, torch.arange(len(logits)))


def _sizes_by_hand(query, positive, sizes, weights, temperature):
    total = query.sum() * 0
    for size, weight in zip(sizes, weights, strict=True):
        rows = []
        for i in range(len(query)):
            cosines = torch.stack([F.cosine_similarity(query[i, :size], d[:size], dim=0) for d in positive])
            rows.append((cosines / temperature).logsumexp(0) - cosines[i] / temperature)
        total = total + weight * torch.stack(rows).mean()
    return total


def _nested(
    part: Callable[[Tensor, int, Sequence[int]], Tensor] = lambda x, size, sizes: x[:, :size],
    other: Callable[[Tensor, int, Sequence[int]], Tensor] | None = None,
    score: Callable[[Tensor, Tensor], Tensor] = cos_sim,
    weigh: Callable[[float, int, Tensor], float] = lambda weight, size, query: weight,
    total: Callable[[Tensor, Sequence[float]], Tensor] = lambda losses, weights: losses.sum(),
) -> Answer:
    """The loss with one part exchanged."""

    def loss(query, positive, sizes, weights, temperature):
        losses = [
            weigh(weight, size, query)
            * _loss(score(part(query, size, sizes), (other or part)(positive, size, sizes)) / temperature)
            for size, weight in zip(sizes, weights, strict=True)
        ]
        return total(torch.stack(losses), weights)

    return loss


def _block(x: Tensor, size: int, sizes: Sequence[int]) -> Tensor:
    return x[:, max((s for s in sizes if s < size), default=0) : size]


def _and_the_whole(query, positive, sizes, weights, temperature):
    whole = _loss(cos_sim(query, positive) / temperature)
    return matryoshka_info_nce(query, positive, sizes, weights, temperature) + whole


def _largest_alone(query, positive, sizes, weights, temperature):
    size = max(sizes)
    return weights[list(sizes).index(size)] * _loss(cos_sim(query[:, :size], positive[:, :size]) / temperature)


def _mean_of_scores(query, positive, sizes, weights, temperature):
    logits = sum(w * cos_sim(query[:, :s], positive[:, :s]) for s, w in zip(sizes, weights, strict=True)) / temperature
    return _loss(logits)


def _starting_apart(rng: random.Random, B: int, D: int) -> Tensor:
    """Vectors whose first number is not zero, so that no cut leaves nothing."""
    x = torch.tensor([[round(rng.gauss(0, 1), 2) for _ in range(D)] for _ in range(B)])
    x[:, 0] = torch.where(x[:, 0].abs() < 0.2, torch.full((B,), 0.5), x[:, 0])
    return x


def _draw_loss(rng: random.Random) -> tuple[Tensor, Tensor, list[int], list[float], float]:
    B, D = rng.randint(2, 4), rng.randint(2, 5)
    sizes, weights = rng.sample(range(1, D + 1), rng.randint(1, min(3, D))), []
    weights = [rng.choice((1.0, 1.0, 0.5, 2.0)) for _ in sizes]
    return _starting_apart(rng, B, D), _starting_apart(rng, B, D), sizes, weights, rng.choice((0.05, 0.2, 1.0))


def _two_pairs() -> tuple[Tensor, Tensor, list[int], list[float], float]:
    """Cut to one number all cosines are 1, so the loss is ln 2; whole they are 1 and 0, so it is ln(1 + 1/e)."""
    x = torch.tensor([[1.0, 1.0], [1.0, -1.0]])
    return x, x.clone(), [1, 2], [1.0, 1.0], 1.0


NESTED = Exercise(
    id="13.3",
    title="the Matryoshka loss",
    difficulty="medium",
    minutes=12,
    section="Build it: the Matryoshka loss",
    signature="(B, D), (B, D), list of int, list of float, float -> scalar",
    reference=matryoshka_info_nce,
    another=_sizes_by_hand,
    gradient=True,
    draw=_draw_loss,
    loops=True,
    situations=(
        Situation("there is one size only", lambda q, p, sizes, *rest: len(sizes) == 1),
        Situation("no size is the whole vector", lambda q, p, sizes, *rest: max(sizes) < q.shape[1]),
        Situation("the sizes do not ascend", lambda q, p, sizes, *rest: sizes != sorted(sizes)),
        Situation("a weight is not 1", lambda q, p, sizes, weights, t: any(w != 1 for w in weights)),
        Situation("a size is 1", lambda q, p, sizes, *rest: 1 in sizes),
        Situation("the temperature is not 1", lambda *args: args[-1] != 1),
    ),
    cases=(
        Case("two pairs, one number and two", _two_pairs, torch.tensor(0.693147 + 0.313262)),
        Case(
            "three pairs, weights 1 and 0.5",
            lambda: (
                torch.tensor([[2.0, 1.0, 0.5], [-1.0, 2.0, 1.0], [0.5, 0.5, 3.0]]),
                torch.tensor([[1.0, 0.5, 1.0], [1.0, 1.0, -2.0], [-0.5, 0.5, 1.0]]),
                [3, 2],
                [1.0, 0.5],
                0.2,
            ),
        ),
        Case(
            "the whole vector is not among the sizes",
            lambda: (
                torch.tensor([[1.0, 2.0, 3.0], [2.0, -1.0, 1.0]]),
                torch.tensor([[1.0, 1.0, -1.0], [1.0, -3.0, 0.5]]),
                [2],
                [2.0],
                0.5,
            ),
        ),
        Case(
            "long and short vectors, three sizes",
            lambda: (
                torch.tensor([[5.0, 1.0, 0.5, 1.0], [-0.5, 0.2, 1.0, 4.0]]),
                torch.tensor([[0.5, 0.5, 1.0, -1.0], [-3.0, 1.0, 7.0, 2.0]]),
                [4, 1, 2],
                [1.0, 2.0, 0.5],
                0.5,
            ),
        ),
    ),
    mistakes=(
        Mistake(
            "not normalized again",
            _nested(part=lambda x, size, sizes: normalize(x)[:, :size], score=lambda a, b: a @ b.T),
            "You normalize the whole vectors and take dot products of what is left after the cut. Those are no cosines: the loss can then be "
            "lowered by moving length into the first numbers. Normalize after each cut.",
        ),
        Mistake(
            "each size cuts what the one before has left",
            _nested(part=lambda x, size, sizes: x[:, : min(sizes[: list(sizes).index(size) + 1])]),
            "You cut and put the result back under the same name, so the next size gets what the last one has left. Each size is cut from "
            "the whole vector.",
        ),
        Mistake(
            "dot products",
            _nested(score=lambda a, b: a @ b.T),
            "You take dot products of vectors of any length. Take cosines, at each size.",
        ),
        Mistake(
            "the mean over sizes",
            _nested(total=lambda losses, weights: losses.mean()),
            "You take the mean over the sizes. They are added up, each with its weight.",
        ),
        Mistake(
            "divided by the weights",
            _nested(total=lambda losses, weights: losses.sum() / sum(weights)),
            "You divide by the sum of the weights. They are added up as they are.",
        ),
        Mistake(
            "weights do not count",
            _nested(weigh=lambda weight, size, query: 1.0),
            "The weights never count: each loss has its own.",
        ),
        Mistake(
            "weighted by size",
            _nested(weigh=lambda weight, size, query: weight * size / query.shape[1]),
            "You let a size count by its share of the dimensions as well. Its weight alone counts.",
        ),
        Mistake(
            "blocks instead of beginnings",
            _nested(part=_block),
            "You cut the vector into pieces that lie side by side, and give each a loss. Sizes are nested: each begins at dimension 0. "
            "Nobody searches with the middle of a vector.",
        ),
        Mistake(
            "the last numbers",
            _nested(part=lambda x, size, sizes: x[:, -size:]),
            "You train the last numbers of the vector. The first ones will be kept.",
        ),
        Mistake(
            "only the query is cut",
            _nested(
                part=lambda x, size, sizes: torch.cat([x[:, :size], 0 * x[:, size:]], dim=1), other=lambda x, size, s: x
            ),
            "The passage keeps its whole vector, and with it its whole length. Both sides are cut, and normalized after it.",
        ),
        Mistake(
            "the whole vector comes in addition",
            _and_the_whole,
            "You add the loss of the whole vector, also where it is not among the sizes, or a second time where it is. Only the sizes that "
            "are listed count.",
        ),
        Mistake(
            "the largest size alone",
            _largest_alone,
            "One loss, at the largest size. Then nothing tells the model what to put first.",
        ),
        Mistake(
            "one loss of added cosines",
            _mean_of_scores,
            "You add up the cosines of all sizes and take one loss. Then the large sizes can make good what the small ones miss. Each size "
            "has a loss of its own.",
        ),
        Mistake(
            "multiplied by the temperature",
            lambda q, p, sizes, weights, t: matryoshka_info_nce(q, p, sizes, weights, 1 / t),
            "You multiply by the temperature. The cosines are divided by it.",
        ),
    ),
    hints=(
        "One InfoNCE for each size. What do the two sides of it look like?",
        "Cut both sides to the size, take cosines (which normalize what is left), divide by the temperature; passage i is right for query i.",
        "Multiply each of these losses by its weight, and add them up. Nothing else is added, and nothing divided.",
    ),
)


# --- 13.4 the other way round ----------------------------------------------------------------


def smallest_vectors() -> tuple[list[float], list[float], list[float], int]:
    """a is long where it is kept, b points exactly as the query does."""
    return [1.0, 0.0, 0.0], [3.0, 1.0, 0.0], [1.0, 0.0, 3.0], 2


def _scores(q: Any, a: Any, b: Any, size: Any, again: bool) -> tuple[float, float]:
    query, *passages = (np.asarray(x, dtype=float) for x in (q, a, b))
    query, *passages = (x / max(float(np.linalg.norm(x)), 1e-12) for x in (query, *passages))
    found = []
    for passage in passages:
        lengths = float(np.linalg.norm(query[: int(size)]) * np.linalg.norm(passage[: int(size)]))
        dot = float(query[: int(size)] @ passage[: int(size)])
        found.append(dot / max(lengths, 1e-12) if again else dot)
    return found[0], found[1]


def _winner(q: Any, a: Any, b: Any, size: Any, again: bool) -> str:
    of_a, of_b = _scores(q, a, b, size, again)
    return "a" if of_a > of_b else "b"


def _three_vectors(q: Any, a: Any, b: Any, size: Any) -> str | None:
    for name, x in (("q", q), ("a", a), ("b", b)):
        if not isinstance(x, list | tuple | np.ndarray | Tensor) or np.ndim(x) != 1 or not len(x):
            return f"{name} must be a list of numbers"
        if not np.isfinite(np.asarray(x, dtype=float)).all() or not np.any(np.asarray(x, dtype=float)):
            return f"{name} must hold numbers, and one of them must not be zero"
    if not len(q) == len(a) == len(b):
        return "the three vectors must have as many numbers as one another"
    if compare.kind(size) != "number" or isinstance(size, bool) or int(size) != size or not 1 <= size <= len(q):
        return f"size must be a whole number from 1 to {len(q)}"
    for again, when in ((True, "after the cut"), (False, "before the cut")):
        of_a, of_b = _scores(q, a, b, size, again)
        if abs(of_a - of_b) < 1e-6:
            return f"normalized {when}, a and b score the same, so nobody wins"
    return None


def _kept_share(x: Any, size: Any) -> float:
    whole = np.asarray(x, dtype=float)
    return float(np.linalg.norm(whole[: int(size)]) / max(float(np.linalg.norm(whole)), 1e-12))


REVERSED = Reversed(
    id="13.4",
    title="normalized too early",
    difficulty="medium",
    minutes=9,
    section="Build it: normalized too early",
    signature="() -> list of float, list of float, list of float, int",
    reference=smallest_vectors,
    another=lambda: ([2.0, 1.0, 0.5], [1.0, 0.5, 6.0], [4.0, 0.0, 0.0], 2),
    right=lambda q, a, b, size: _winner(q, a, b, size, again=True),
    wrong=lambda q, a, b, size: _winner(q, a, b, size, again=False),
    valid=_three_vectors,
    smallest=9,
    measure=lambda q, a, b, size: len(q) + len(a) + len(b),
    cases=(Case("nothing is passed in", lambda: (), smallest_vectors()),),
    mistakes=(
        Mistake(
            "nothing is cut off",
            lambda: ([1.0, 0.0, 1.0], [3.0, 1.0, 0.0], [1.0, 0.0, 3.0], 3),
            "Your size is the whole vector. Nothing is cut off, so it is all one whether it is normalized before or after.",
            when=lambda q, a, b, size: size == len(q),
        ),
        Mistake(
            "one number is left",
            lambda: ([1.0, 0.5, 0.0], [3.0, 1.0, 0.0], [-1.0, 0.0, 3.0], 1),
            "One number is left of each vector. At length 1 it is 1 or -1: it has no direction that could be near or far, so only signs "
            "can part the two passages, and signs part them either way.",
            when=lambda q, a, b, size: size == 1,
        ),
        Mistake(
            "both keep the same share",
            lambda: ([1.0, 0.0, 0.0], [2.0, 1.0, 0.0], [1.0, 2.0, 0.0], 2),
            "Both passages keep the same share of their length in the cut. Then length makes no difference, and both ways rank alike. "
            "Give one of them most of its length behind the cut.",
            when=lambda q, a, b, size: abs(_kept_share(a, size) - _kept_share(b, size)) < 1e-6,
        ),
        Mistake(
            "the near one is the long one",
            lambda: ([1.0, 0.0, 0.0], [3.0, 1.0, 0.0], [0.0, 1.0, 3.0], 2),
            "The passage that is nearer after the cut also keeps more of its length there. Then both ways take it. The one that is *less* near "
            "must be the long one.",
            when=lambda q, a, b, size: (
                _winner(q, a, b, size, True) == _winner(q, a, b, size, False)
                and (_kept_share(a, size) > _kept_share(b, size)) == (_winner(q, a, b, size, True) == "a")
            ),
        ),
        Mistake(
            "the other one points away",
            lambda: ([1.0, 0.2, 0.0], [-1.0, 0.0, 0.0], [1.0, 0.2, 5.0], 2),
            "The passage that is less near has a product of 0 or below with the query, in what is kept. No length can make it win. Let it "
            "point the query's way, too, only less so.",
            when=lambda q, a, b, size: (
                _winner(q, a, b, size, True) == _winner(q, a, b, size, False)
                and min(_scores(q, a, b, size, False)) <= 0 < max(_scores(q, a, b, size, False))
            ),
        ),
        Mistake(
            "not long enough",
            lambda: ([1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 0.0, 0.9], 2),
            "The right idea: the passage that is less near keeps more of its length. But the difference in length does not outweigh the "
            "difference in direction yet. Put more of the other one behind the cut.",
            when=lambda q, a, b, size: _winner(q, a, b, size, True) == _winner(q, a, b, size, False),
        ),
        Mistake(
            "more numbers than it takes",
            lambda: ([0.5, 0.1, 0.7, 0.5], [0.8, 0.4, 0.4, 0.2], [0.3, 0.1, 0.9, 0.3], 2),
            "It works, and the vectors are longer than they must be. How many numbers must stay for a direction, and how many must go for a "
            "difference in length?",
            when=lambda q, a, b, size: len(q) > 3 and _winner(q, a, b, size, True) != _winner(q, a, b, size, False),
        ),
    ),
    hints=(
        "What is a passage's dot product made of, once its vector was cut and not scaled again? Direction is one part.",
        "One passage points just as the query does, in what is kept, but most of it lies behind the cut. The other is not so near, and lies "
        "before the cut wholly.",
        "Two numbers before the cut, one behind it: that is enough. Take a query along the first axis.",
    ),
)


# --- 13.5 turned before the cut --------------------------------------------------------------


def principal_directions(vectors: Tensor, size: int) -> Tensor:
    """The directions in which vectors reach furthest: (N, D), int -> (D, size)."""
    return teacher_vectors.principal_directions(vectors, size)


def _by_svd(vectors, size):
    return torch.linalg.svd(vectors, full_matrices=False).Vh[:size].T


def _by_eigenvalues(
    prepare: Callable[[Tensor], Tensor] = lambda x: x,
    choose: Callable[[Tensor, int], Tensor] = lambda v, size: v[:, -size:].flip(1),
) -> Answer:
    def directions(vectors, size):
        x = prepare(vectors)
        return choose(torch.linalg.eigh(x.T @ x).eigenvectors, size)

    return directions


def _axes(order: Callable[[Tensor], Tensor]) -> Answer:
    return lambda vectors, size: torch.eye(vectors.shape[1])[:, order(vectors)[:size]]


def _long_axes(vectors: Tensor) -> Tensor:
    return vectors.square().sum(0).argsort(descending=True)


def _stretched(vectors, size):
    found = torch.linalg.svd(vectors, full_matrices=False)
    return found.Vh[:size].T * found.S[:size]


def _seen_directions(result: Any, args: tuple) -> dict[str, Any]:
    """What does not depend on signs."""
    x, size = args
    if not isinstance(result, Tensor) or not result.is_floating_point():
        raise compare.NotAResult("return a tensor of floats, (D, size)")
    if result.shape != (x.shape[1], size):
        raise compare.NotAResult(f"return (D, size) = ({x.shape[1]}, {size}), got {tuple(result.shape)}")
    along = x @ result.to(x.dtype).detach()
    return {
        "products of the directions with one another": result.T @ result,
        "squared length of all vectors along each": along.square().sum(0) / x.square().sum(),
        "what is left of the vectors": along @ result.T.to(x.dtype),
    }


def _draw_cloud(rng: random.Random) -> tuple[Tensor, int]:
    D = rng.randint(2, 4)
    N = rng.randint(D, 7)
    stretch = torch.tensor([rng.choice((0.2, 1.0, 3.0)) for _ in range(D)])
    x = torch.tensor([[round(rng.gauss(0, 1), 2) for _ in range(D)] for _ in range(N)]) * stretch
    shift = rng.choice((0.0, 2.0)) * torch.ones(D)
    return x + shift, rng.randint(1, D)


def _three_flat() -> tuple[Tensor, int]:
    """All along (3, 4), one way or the other."""
    return torch.tensor([[3.0, 4.0], [-6.0, -8.0], [1.5, 2.0]]), 1


PCA = Exercise(
    id="13.5",
    title="turned before the cut",
    difficulty="medium",
    minutes=10,
    section="Build it: turned before the cut",
    signature="(N, D), int -> (D, size)",
    reference=principal_directions,
    another=_by_svd,
    draw=_draw_cloud,
    observe=_seen_directions,
    tolerance=1e-3,
    situations=(
        Situation("all directions are asked for", lambda x, size: size == x.shape[1]),
        Situation("one direction is asked for", lambda x, size: size == 1),
        Situation("the vectors do not lie around zero", lambda x, size: bool((x.mean(0) > 1).all())),
    ),
    cases=(
        Case(
            "three vectors along one line",
            _three_flat,
            {
                "products of the directions with one another": torch.tensor([[1.0]]),
                "squared length of all vectors along each": torch.tensor([1.0]),
                "what is left of the vectors": torch.tensor([[3.0, 4.0], [-6.0, -8.0], [1.5, 2.0]]),
            },
        ),
        Case(
            "far from zero, two of three",
            lambda: (torch.tensor([[5.0, 1.0, 0.0], [5.0, -1.0, 0.5], [6.0, 0.0, -0.5], [5.0, 2.0, 0.0]]), 2),
        ),
        Case(
            "the longest axis is the last",
            lambda: (torch.tensor([[0.1, 1.0, 4.0], [0.2, -1.0, 3.0], [-0.1, 2.0, -5.0]]), 2),
        ),
        Case("all of them", lambda: (torch.tensor([[1.0, 2.0], [3.0, -1.0], [0.5, 0.5]]), 2)),
    ),
    mistakes=(
        Mistake(
            "the mean is taken off",
            _by_eigenvalues(prepare=lambda x: x - x.mean(0)),
            "You take the mean off, as a textbook's PCA does. Cosines are measured from zero, so what all vectors share counts in them too; "
            "leave the zero where it is.",
        ),
        Mistake(
            "columns where rows belong",
            lambda x, size: torch.linalg.svd(x, full_matrices=False).Vh[:, :size],
            "The directions are the *rows* of what `svd` returns last, which is V transposed; you take its columns. Take the first rows and "
            "transpose them.",
        ),
        Mistake(
            "the shortest directions",
            _by_eigenvalues(choose=lambda v, size: v[:, :size]),
            "These are the directions along which there is least. `eigh` lists eigenvalues from small to large.",
        ),
        Mistake(
            "the furthest stands last",
            _by_eigenvalues(choose=lambda v, size: v[:, -size:]),
            "The right directions, from the shortest of them to the furthest. Who cuts them once more would keep the wrong ones: the furthest "
            "stands first.",
        ),
        Mistake(
            "axes are chosen, nothing is turned",
            _axes(_long_axes),
            "You choose the axes along which there is most. A direction may lie between the axes: two that always move together count as one. "
            "Turn the vectors.",
        ),
        Mistake(
            "axes by variance",
            _axes(lambda x: x.var(dim=0).argsort(descending=True)),
            "You choose the axes that vary most. The variance takes the mean off, and axes are not directions: the one along which there is "
            "most may lie between them. Turn the vectors.",
        ),
        Mistake(
            "the first axes",
            _axes(lambda x: torch.arange(x.shape[1])),
            "These are the first axes as they stand: the plain cut. Nothing was learned from the vectors.",
        ),
        Mistake(
            "each direction has its own length",
            _stretched,
            "Your directions are stretched by how much lies along each. That would count the furthest twice; directions have length 1, and all "
            "of them together then leave the cosines as they were.",
        ),
        Mistake(
            "of the normalized vectors",
            _by_eigenvalues(prepare=normalize),
            "You scale each vector to length 1 first. Asked for are the vectors as they come: longer ones count for more.",
        ),
        Mistake(
            "each axis made equal",
            _by_eigenvalues(prepare=lambda x: x / x.square().mean(0).sqrt().clamp(min=1e-6)),
            "You scale each axis to the same size first. Then an axis along which hardly anything happens counts as much as any, and what "
            "you find no longer belongs to the vectors that you will cut.",
        ),
    ),
    hints=(
        "Which direction of length 1 makes the sum of squared products with all vectors largest?",
        "That sum is uᵀ(XᵀX)u. The answer is an eigenvector of XᵀX; or, without making XᵀX, a singular vector of X.",
        "`torch.linalg.eigh` sorts from small to large, in columns: take the last ones, and turn their order around. (`svd` gives rows, from "
        "large to small.)",
    ),
)


# --- 13.6 the funnel -------------------------------------------------------------------------


def funnel(query: Tensor, corpus: Tensor, sizes: Sequence[int], kept: Sequence[int]) -> tuple[list[int], int]:
    """Ever fewer passages with ever more dimensions: the rows, best first, and how many multiply-adds it took."""
    return _funnel(query, corpus, sizes, kept)


def _funnel(
    query, corpus, sizes, kept, *, part=lambda x, i, sizes: x[..., : sizes[i]], again=True, first_normalized=False,
    reads=lambda rows, N: rows, cost=None, added=False, local=False, best=True, reranks=True,
):  # fmt: skip
    """The funnel, with one part exchanged."""
    if first_normalized:
        query, corpus = normalize(query), normalize(corpus)
    N, D = corpus.shape
    rows, work, sums = list(range(N)), 0, [0.0] * N
    for i, (size, many) in enumerate(zip(sizes, kept, strict=True)):
        read = reads(rows, N)
        q, x = part(query, i, sizes), part(corpus[read], i, sizes)
        scores = (cos_sim(q[None], x)[0] if again else x @ q).tolist()
        work += len(read) * size if cost is None else cost(i, len(read), size, min(many, len(read)), D)
        if added:
            for row, score in zip(read, scores, strict=True):
                sums[row] += score
            scores = [sums[row] for row in read]
        if not reranks and i:
            rows = rows[:many]
            continue
        order = sorted(range(len(read)), key=lambda j: -scores[j] if best else scores[j])[:many]
        rows = order if local else [read[j] for j in order]
    return rows, work


def _funnel_by_hand(query, corpus, sizes, kept):
    left, work = torch.arange(len(corpus)), 0
    for size, many in zip(sizes, kept, strict=True):
        work += size * len(left)
        q = query[:size] / query[:size].norm()
        x = corpus[left, :size] / corpus[left, :size].norm(dim=1, keepdim=True)
        left = left[(x @ q).argsort(descending=True)[:many]]
    return left.tolist(), work


def _in_order(query, corpus, sizes, kept):
    rows, work = _funnel(query, corpus, sizes, kept)
    return sorted(rows), work


def _exchanged(**parts: Any) -> Answer:
    return lambda *args: _funnel(*args, **parts)


def _draw_funnel(rng: random.Random) -> tuple[Tensor, Tensor, list[int], list[int]]:
    D, N = rng.randint(4, 6), rng.randint(4, 9)
    sizes = sorted(rng.sample(range(2, D + 1), rng.choice((1, 2, 2, 3))))
    kept = sorted((rng.randint(1, N + 1) for _ in sizes), reverse=True)
    query = torch.tensor([round(rng.gauss(0, 1), 2) or 0.5 for _ in range(D)])
    corpus = torch.tensor([[round(rng.gauss(0, 1), 2) or 0.5 for _ in range(D)] for _ in range(N)])
    return query, corpus * torch.tensor([[rng.choice((0.3, 1.0, 4.0))] for _ in range(N)]), sizes, kept


def _four_passages() -> tuple[Tensor, Tensor, list[int], list[int]]:
    """Two numbers place rows 3, 0 and 2 first; all three numbers take 0 before 2 and 3."""
    corpus = [[1.0, 0.2, 1.0], [-1.0, 0.0, 1.0], [1.0, 0.5, 0.5], [2.0, 0.0, -2.0]]
    return torch.tensor([1.0, 0.0, 1.0]), torch.tensor(corpus), [2, 3], [3, 1]


def _block_of(x: Tensor, i: int, sizes: Sequence[int]) -> Tensor:
    return x[..., (sizes[i - 1] if i else 0) : sizes[i]]


def _rows_and_work(result: Any, args: tuple) -> dict[str, Any]:
    if not isinstance(result, list | tuple) or len(result) != 2:
        raise compare.NotAResult("return two things: a list of rows, and a number")
    rows, work = result
    if not isinstance(rows, list):
        raise compare.NotAResult(f"the rows must be a list of whole numbers, got a {type(rows).__name__}")
    return {"rows": [int(row) for row in rows], "multiply-adds": int(work) if work == int(work) else float(work)}


FUNNEL = Exercise(
    id="13.6",
    title="the funnel",
    difficulty="hard",
    minutes=18,
    section="Build it: the funnel",
    signature="(D,), (N, D), list of int, list of int -> (list of int, int)",
    reference=funnel,
    another=_funnel_by_hand,
    draw=_draw_funnel,
    loops=True,
    observe=_rows_and_work,
    situations=(
        Situation("there is one stage only", lambda q, x, sizes, kept: len(sizes) == 1),
        Situation("there are three stages", lambda q, x, sizes, kept: len(sizes) == 3),
        Situation("a stage hands on all that there are", lambda q, x, sizes, kept: kept[0] >= len(x)),
        Situation("the last stage does not read the whole vector", lambda q, x, sizes, kept: sizes[-1] < x.shape[1]),
        Situation("one passage is asked for", lambda q, x, sizes, kept: kept[-1] == 1),
    ),
    cases=(
        Case("four passages, two stages", _four_passages, {"rows": [0], "multiply-adds": 4 * 2 + 3 * 3}),
        Case(
            "six passages, three stages",
            lambda: (
                torch.tensor([1.0, 0.5, -0.5, 2.0]),
                torch.tensor(
                    [
                        [1.0, 0.4, -1.0, -3.0],
                        [4.0, 3.0, -2.0, 5.0],
                        [-1.0, 0.1, 0.3, 2.0],
                        [0.2, 0.1, -0.3, 0.4],
                        [1.0, -0.6, 0.7, 2.0],
                        [0.5, 2.0, -0.5, 1.0],
                    ]
                ),
                [2, 3, 4],
                [4, 3, 2],
            ),
        ),
        Case(
            "one stage, more wanted than there are",
            lambda: (torch.tensor([1.0, 1.0, 0.0]), torch.tensor([[1.0, 0.0, 2.0], [1.0, 0.9, 0.0]]), [3], [5]),
        ),
        Case(
            "long passages",
            lambda: (
                torch.tensor([1.0, 0.2, 0.3]),
                torch.tensor([[9.0, 8.0, 1.0], [0.5, 0.1, 0.2], [7.0, -7.0, 3.0], [1.0, 0.1, 2.0]]),
                [2, 3],
                [2, 2],
            ),
        ),
    ),
    mistakes=(
        Mistake(
            "not normalized again",
            _exchanged(first_normalized=True, again=False),
            "You normalize the whole vectors once and take dot products of their beginnings. What a cut leaves differs in length, so a "
            "passage that keeps much of its length pushes out a nearer one. Normalize at each stage, after the cut.",
        ),
        Mistake(
            "dot products",
            _exchanged(again=False),
            "You compare by dot products: long passages come first. Take cosines of what is kept, at each stage.",
        ),
        Mistake(
            "every stage reads the whole corpus",
            _exchanged(reads=lambda rows, N: list(range(N))),
            "Each stage of yours reads all passages again, so nothing is saved and the stages before count for nothing. A stage reads what "
            "the one before handed on.",
        ),
        Mistake(
            "places instead of rows",
            _exchanged(local=True),
            "From the second stage on you return places within the candidates instead of rows of the corpus. `argsort` and `topk` count "
            "within what they are given: look the rows up.",
        ),
        Mistake(
            "blocks instead of beginnings",
            _exchanged(part=_block_of),
            "Your second stage looks at the numbers behind those of the first alone. Each stage takes all numbers from the beginning up to "
            "its size.",
        ),
        Mistake(
            "later stages do not rank",
            _exchanged(reranks=False),
            "Your later stages shorten the first stage's list without a look at more dimensions. The order is then that of the shortest "
            "vectors.",
        ),
        Mistake(
            "in the order of the corpus",
            _in_order,
            "The right rows, sorted by their number. The best one stands first.",
        ),
        Mistake(
            "scores are added up",
            _exchanged(added=True),
            "You add the scores of all stages. The longer beginning knows all that the shorter one does, and more: each stage ranks by its "
            "own score alone.",
        ),
        Mistake(
            "the worst are kept",
            _exchanged(best=False),
            "You keep the passages with the lowest cosines. Sort from high to low.",
        ),
        Mistake(
            "the work of what is kept",
            _exchanged(cost=lambda i, read, size, many, D: many * size),
            "You count the passages that a stage hands on. It has to read all that it is given: count those.",
        ),
        Mistake(
            "the whole vector is counted",
            _exchanged(cost=lambda i, read, size, many, D: read * D),
            "You count all D numbers for each passage read. A stage multiplies only as many as its size.",
        ),
        Mistake(
            "the first stage is free",
            _exchanged(cost=lambda i, read, size, many, D: read * size if i else 0),
            "The first stage is missing in your count. It reads the most passages of all.",
        ),
        Mistake(
            "the first stage alone is counted",
            _exchanged(cost=lambda i, read, size, many, D: 0 if i else read * size),
            "You count the first stage and no other. Add up all stages.",
        ),
        Mistake(
            "only new dimensions are counted",
            lambda query, corpus, sizes, kept: _funnel(
                query,
                corpus,
                sizes,
                kept,
                cost=lambda i, read, size, many, D: read * (size - (sizes[i - 1] if i else 0)),
            ),
            "You count only the numbers that a stage adds. That would do if the products of the stage before were kept and were not "
            "normalized; the contract counts each stage's whole beginning.",
        ),
    ),
    hints=(
        "A loop over stages. What does each get from the one before, and what does it hand on?",
        "Keep a list of rows, at first all of them. Cut the query and these rows to the size, take cosines, sort, keep the first ones; look "
        "their rows up.",
        "Before shortening the list add its length times the size to the count.",
    ),
)

EXERCISES = (CUT, REACH, NESTED, REVERSED, PCA, FUNNEL)
