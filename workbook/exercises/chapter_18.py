"""The exercises of chapter 18: an update beside a frozen matrix, four bits, an average of two models, stopping by two sets, a mix of two sources."""

import random
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from workbook.exercises import compare, draws
from workbook.exercises.exercise import Answer, Case, Exercise, Mistake, Property, Reversed, Situation
from workbook.train.early_stopping import best, stopped_at

# --- 18.1 an update beside a frozen matrix ---------------------------------------------------


def lora_linear(x: Tensor, weight: Tensor, bias: Tensor, lora_A: Tensor, lora_B: Tensor, alpha: float) -> Tensor:
    """A frozen linear layer and its trained update: (B, D_in), (D_out, D_in), (D_out,), (r, D_in), (D_out, r), float -> (B, D_out)."""
    update = F.linear(F.linear(x, lora_A), lora_B)
    return F.linear(x, weight.detach(), bias.detach()) + update * (alpha / len(lora_A))


def _with_one_matrix(x, weight, bias, lora_A, lora_B, alpha):
    r = lora_A.shape[0]
    whole = weight.detach() + torch.einsum("or,ri->oi", lora_B, lora_A) * alpha / r  # (D_out, D_in)
    return torch.stack([whole @ row for row in x]) + bias.detach()


def _frozen(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.linear(x, weight.detach(), bias.detach())


def _through(x: Tensor, lora_A: Tensor, lora_B: Tensor) -> Tensor:
    return F.linear(F.linear(x, lora_A), lora_B)


def _lora(
    x, weight, bias, lora_A, lora_B, alpha, *, base=_frozen, update=_through,
    scale=lambda alpha, A, B: alpha / len(A), add=lambda y, update, scale: y + scale * update,
):  # fmt: skip
    """A linear layer with an update, one part exchanged."""
    return add(base(x, weight, bias), update(x, lora_A, lora_B), scale(alpha, lora_A, lora_B))


def _with(**parts: Any) -> Answer:
    return lambda *args: _lora(*args, **parts)


def _without_gradient(*args):
    with torch.no_grad():
        return lora_linear(*args)


def _base_cut_off(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    with torch.no_grad():
        return F.linear(x, weight, bias)


def _update_of_the_output(x, weight, bias, lora_A, lora_B, alpha):
    y = _frozen(x, weight, bias)
    return y + _through(y, lora_A, lora_B) * alpha / len(lora_A)


def _draw_lora(rng: random.Random) -> tuple[Any, ...]:
    B, D_in, D_out, r = rng.randint(1, 3), rng.randint(1, 4), rng.randint(1, 4), rng.randint(1, 3)
    if rng.random() < 0.35:
        D_out = D_in
    lora_A, lora_B = draws.numbers(rng, r, D_in), draws.numbers(rng, D_out, r)
    if rng.random() < 0.15:
        lora_B = torch.zeros(D_out, r)
    x, weight, bias = draws.numbers(rng, B, D_in), draws.numbers(rng, D_out, D_in), draws.numbers(rng, D_out)
    return x, weight, bias, lora_A, lora_B, float(rng.choice((1, 2, 3, 4, 8, 16)))


def _small_layer() -> tuple[Any, ...]:
    return (
        torch.tensor([[1.0, 2.0], [3.0, -1.0]]),
        torch.tensor([[1.0, 1.0], [0.0, 2.0]]),
        torch.tensor([0.5, -1.0]),
        torch.tensor([[1.0, -1.0]]),
        torch.tensor([[2.0], [1.0]]),
        3.0,
    )


def _rank_two() -> tuple[Any, ...]:
    return (
        torch.tensor([[1.0, 0.0, 2.0]]),
        torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]]),
        torch.tensor([0.0, 1.0]),
        torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        torch.tensor([[2.0, 0.0], [1.0, -1.0]]),
        1.0,
    )


def _fresh_adapter() -> tuple[Any, ...]:
    x, weight, bias, lora_A, lora_B, alpha = _small_layer()
    return x, weight, bias, lora_A, torch.zeros_like(lora_B), alpha


def _three_texts() -> tuple[Any, ...]:
    return (
        torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0], [2.0, 1.0, -1.0]]),
        torch.tensor([[0.5, -1.0, 2.0], [1.5, 0.0, -0.5], [1.0, 1.0, 3.0]]),
        torch.tensor([1.0, -0.5, 2.0]),
        torch.tensor([[1.0, -2.0, 1.0], [0.5, 1.5, -1.0]]),
        torch.tensor([[1.0, 0.5], [-2.0, 1.0], [0.5, 3.0]]),
        3.0,
    )


def _flows(answer: Answer, without: str = "") -> dict[str, Tensor]:
    """The gradients that an answer gives to its five tensors, one of them set to zero."""
    *tensors, alpha = _three_texts()
    leaves = dict(zip(("x", "weight", "bias", "lora_A", "lora_B"), tensors, strict=True))
    leaves = {name: (t.zero_() if name == without else t).requires_grad_() for name, t in leaves.items()}
    result = answer(*leaves.values(), alpha)
    if result.requires_grad:
        (result * torch.arange(1.0, 10.0).reshape(3, 3)).sum().backward()
    return {name: torch.zeros_like(t) if t.grad is None else t.grad for name, t in leaves.items()}


def _nothing_into(name: str) -> Property:
    def check(answer: Answer) -> str | None:
        return f"{name} gets one" if _flows(answer)[name].any() else None

    return Property(f"no gradient flows into {name}, which is frozen", check)


def _gradient_into(name: str, without: str = "", words: str = "") -> Property:
    def check(answer: Answer) -> str | None:
        wanted = _flows(lora_linear, without)[name]
        right = torch.allclose(_flows(answer, without)[name], wanted, atol=1e-3)
        return None if right else f"the gradient of {name} is another"

    return Property(f"{name} gets {words or 'its gradient'}", check)


def _still_asks(answer: Answer) -> str | None:
    *tensors, alpha = _three_texts()
    _, weight, bias, *_ = leaves = [t.requires_grad_() for t in tensors]
    answer(*leaves, alpha)
    return None if weight.requires_grad and bias.requires_grad else "weight or bias no longer asks for one afterwards"


def _frozen_for_good(x, weight, bias, lora_A, lora_B, alpha):
    weight.requires_grad_(False)
    bias.requires_grad_(False)
    return lora_linear(x, weight, bias, lora_A, lora_B, alpha)


LORA = Exercise(
    id="18.1",
    title="an update beside a frozen matrix",
    difficulty="easy",
    minutes=8,
    section="Build it: an update beside a frozen matrix",
    signature="(B, D_in), (D_out, D_in), (D_out,), (r, D_in), (D_out, r), float -> (B, D_out)",
    reference=lora_linear,
    another=_with_one_matrix,
    draw=_draw_lora,
    gradient=True,
    situations=(
        Situation("the rank is above 1", lambda *args: len(args[3]) > 1),
        Situation("lora_B is zero", lambda *args: not args[4].any()),
        Situation("the layer has as many numbers going in as coming out", lambda *args: len(set(args[1].shape)) == 1),
        Situation("alpha is not a multiple of the rank", lambda *args: args[5] % len(args[3]) > 0),
        Situation("alpha and the rank are different", lambda *args: args[5] != len(args[3])),
        Situation("there is one row", lambda *args: len(args[0]) == 1),
    ),
    cases=(
        Case("two rows, rank 1", _small_layer, torch.tensor([[-2.5, 0.0], [26.5, 9.0]])),
        Case("rank 2, half of the update", _rank_two, torch.tensor([[2.0, 2.5]])),
        Case("a fresh adapter: lora_B is zero", _fresh_adapter, torch.tensor([[3.5, 3.0], [2.5, -3.0]])),
        Case("three rows, a square matrix", _three_texts),
    ),
    properties=(
        _nothing_into("weight"),
        _nothing_into("bias"),
        Property("whoever asked for a gradient of weight and bias may go on asking", _still_asks),
        _gradient_into("lora_A"),
        _gradient_into("lora_B"),
        _gradient_into("x", "lora_B", "the gradient that goes through the frozen weight"),
        _gradient_into("x", "weight", "the gradient that goes through the update"),
    ),
    mistakes=(
        Mistake(
            "not divided by the rank",
            _with(scale=lambda alpha, A, B: alpha),
            "The update counts alpha times. Divided by r its size stays about the same when you try another rank, and so does the learning rate that "
            "fits.",
        ),
        Mistake(
            "not scaled",
            _with(scale=lambda alpha, A, B: 1.0),
            "You add the update as it is, and `alpha` does nothing. It counts alpha / r times.",
        ),
        Mistake(
            "the rank divided by alpha",
            _with(scale=lambda alpha, A, B: len(A) / alpha),
            "You multiply by r / alpha. The other way up: a larger alpha makes the update larger.",
        ),
        Mistake(
            "divided without a remainder",
            _with(scale=lambda alpha, A, B: alpha // len(A)),
            "You divide with `//`, which cuts off what is left over. With alpha below the rank the update is gone.",
        ),
        Mistake(
            "divided by the root of the rank",
            _with(scale=lambda alpha, A, B: alpha / len(A) ** 0.5),
            "You divide by the root of r. That is a variant (rsLoRA, for large ranks); the contract divides by r.",
        ),
        Mistake(
            "divided by the numbers that come in",
            _with(scale=lambda alpha, A, B: alpha / A.shape[1]),
            "You divide by D_in, the second axis of `lora_A`. The rank is its first axis: it has r rows.",
        ),
        Mistake(
            "divided by the numbers that go out",
            _with(scale=lambda alpha, A, B: alpha / len(B)),
            "You divide by D_out, the first axis of `lora_B`. The rank is its second axis.",
        ),
        Mistake(
            "scaled twice",
            _with(scale=lambda alpha, A, B: (alpha / len(A)) ** 2),
            "You scale after `lora_A` and after `lora_B`, so alpha / r counts twice. Once is asked for.",
        ),
        Mistake(
            "scaled with everything",
            _with(add=lambda y, update, scale: (y + update) * scale),
            "You scale the frozen layer's output as well. Only the update is scaled: with `lora_B` at zero the layer must give what it gave before.",
        ),
        Mistake(
            "the adapter is never added",
            _with(add=lambda y, update, scale: y + 0 * update),
            "You return the frozen layer's output. The update is missing, and nothing will ever be learned: the loss stays where it is.",
        ),
        Mistake(
            "the frozen layer is missing",
            _with(add=lambda y, update, scale: scale * update),
            "You return the update alone. It is a correction: it comes on top of what the frozen layer gives.",
        ),
        Mistake(
            "the update is subtracted",
            _with(add=lambda y, update, scale: y - scale * update),
            "You subtract the update. Training would get along with it, but an adapter of a library would do the opposite of what it learned.",
        ),
        Mistake(
            "a mean of both",
            _with(add=lambda y, update, scale: (y + scale * update) / 2),
            "You take the mean of the layer's output and the update. They are added: with `lora_B` at zero nothing may change.",
        ),
        Mistake(
            "the bias is missing",
            _with(base=lambda x, W, b: F.linear(x, W.detach())),
            "The bias is missing. It is frozen, and still added.",
        ),
        Mistake(
            "the bias is in the update, too",
            lambda *args: lora_linear(*args) + args[2].detach(),
            "You add the bias twice: with the frozen layer, and once more with the update.",
        ),
        Mistake(
            "the update sees the layer's output",
            _update_of_the_output,
            "You send the layer's *output* through `lora_A`. Both paths begin at the same x, side by side.",
        ),
        Mistake(
            "the weight is not transposed",
            _with(base=lambda x, W, b: x @ W.detach() + b.detach()),
            "You multiply x by the weight as it stands. Its rows are what comes out, (D_out, D_in): x stands before the transposed one. With a "
            "square matrix no error tells you.",
        ),
        Mistake(
            "lora_B first",
            _with(update=lambda x, A, B: x @ B @ A),
            "You multiply x by `lora_B`, then by `lora_A`, or by their product as it stands. x has D_in numbers: `lora_A`, (r, D_in), makes r of them, and "
            "`lora_B`, (D_out, r), makes D_out of these; x stands before the *transposed* ones. With a square matrix no error tells you.",
        ),
        Mistake(
            "an activation in between",
            _with(update=lambda x, A, B: F.linear(F.linear(x, A).relu(), B)),
            "You cut negative numbers off between `lora_A` and `lora_B`. Other adapters have an activation there. LoRA has none, so that the update is a "
            "matrix, and can be added to the weight.",
        ),
        Mistake(
            "nothing learns",
            _without_gradient,
            "The numbers are right, and no gradient flows, neither to `lora_A` and `lora_B` nor to x: everything stands under `no_grad` or `detach`. "
            "Only weight and bias are frozen.",
        ),
        Mistake(
            "weight and bias are not frozen",
            _with(base=lambda x, W, b: F.linear(x, W, b)),
            "The numbers are right, and gradients flow into weight and bias. Then this is full fine-tuning with two matrices more: take both out of the "
            "graph.",
        ),
        Mistake(
            "the weight is not frozen",
            _with(base=lambda x, W, b: F.linear(x, W, b.detach())),
            "The numbers are right, the bias is frozen, and a gradient flows into the weight. It is the weight that must not move: take it out of the graph.",
        ),
        Mistake(
            "the bias is not frozen",
            _with(base=lambda x, W, b: F.linear(x, W.detach(), b)),
            "The numbers are right, the weight is frozen, and a gradient flows into the bias. Take it out of the graph as well.",
        ),
        Mistake(
            "frozen for good",
            _frozen_for_good,
            "You switch `requires_grad` off in the tensors that are passed in. They belong to somebody else's model, which is then frozen after the call, too, merged or "
            "not. Take them out of the graph here, and leave them as they are.",
        ),
        Mistake(
            "the path through the frozen layer is cut",
            _with(base=_base_cut_off),
            "The numbers are right, but the whole frozen path is out of the graph, x included. Frozen means that the *matrix* does not change; the layers "
            "below still need the gradient that goes through it.",
        ),
        Mistake(
            "lora_A does not learn",
            _with(update=lambda x, A, B: _through(x, A.detach(), B)),
            "The numbers are right, and no gradient flows into `lora_A`. Both thin matrices are trained.",
        ),
        Mistake(
            "lora_B does not learn",
            _with(update=lambda x, A, B: _through(x, A, B.detach())),
            "The numbers are right, and no gradient flows into `lora_B`. It begins at zero: if it stays there, the update stays zero for ever.",
        ),
        Mistake(
            "the update's path is cut off",
            _with(update=lambda x, A, B: _through(x.detach(), A, B)),
            "The numbers are right, but x is out of the graph on the update's path. The layers below learn from what goes through the update, too.",
        ),
    ),
    hints=(
        "Two paths begin at x and meet in a sum. Which of the numbers on them may a gradient reach?",
        "One path is the linear layer, with weight and bias taken out of the graph, but not x. The other makes r numbers of x, and D_out of these.",
        "`F.linear(x, W)` multiplies x by the transposed W. The rank is `lora_A.shape[0]`; alpha divided by it scales the second path alone.",
    ),
)


# --- 18.2 into the weight and out again ------------------------------------------------------

Layer = dict[str, Any]  # weight, lora_A, lora_B, alpha, merged


def set_merged(layer: Layer, merged: bool) -> Layer:
    """The layer with its update in the weight, or out of it: dict, bool -> dict."""
    if layer["merged"] == merged:
        return dict(layer)
    update = layer["lora_B"] @ layer["lora_A"] * (layer["alpha"] / len(layer["lora_A"]))
    return layer | {"weight": layer["weight"] + (update if merged else -update), "merged": merged}


def _one_direction_at_a_time(layer, merged):
    """The update is a sum of r outer products; how often it must be added is 1, 0 or -1."""
    times = int(merged) - int(layer["merged"])
    weight, r = layer["weight"].clone(), len(layer["lora_A"])
    for row, column in zip(layer["lora_A"], layer["lora_B"].T, strict=True):
        weight = weight + times * torch.outer(column, row) * layer["alpha"] / r
    found = {name: value for name, value in layer.items() if name not in ("weight", "merged")}
    return {**found, "weight": weight, "merged": bool(merged)}


def _product(layer: Layer) -> Tensor:
    update: Tensor = layer["lora_B"] @ layer["lora_A"]
    return update


def _alpha_over_r(layer: Layer) -> float:
    found: float = layer["alpha"] / len(layer["lora_A"])
    return found


def _times(layer: Layer, merged: bool) -> int:
    """How often the update is added."""
    return int(merged) - int(layer["merged"])


def _merging(
    layer, merged, *, times=_times, product=_product, scale=_alpha_over_r, put=lambda W, update: W + update,
    flag=lambda layer, merged: merged, rest=lambda layer, merged: {},
):  # fmt: skip
    """Merging with one part exchanged."""
    weight, often = layer["weight"], times(layer, merged)
    if often:
        weight = put(weight, often * product(layer) * scale(layer))
    return layer | {"weight": weight, "merged": flag(layer, merged), **rest(layer, merged)}


def _merged_with(**parts: Any) -> Answer:
    return lambda *args: _merging(*args, **parts)


def _in_place(layer, merged):
    found = set_merged(layer, merged)
    layer["weight"].copy_(found["weight"])
    return found


def _adapter_removed(layer, merged):
    found = set_merged(layer, merged)
    return {k: v for k, v in found.items() if not (merged and k.startswith("lora"))}


def _once_only(layer, merged):
    if layer["merged"] == merged:
        return None
    return set_merged(layer, merged)


def _refuses(layer, merged):
    if layer["merged"] == merged:
        raise ValueError("nothing to do")
    return set_merged(layer, merged)


def _draw_layer(rng: random.Random) -> tuple[Layer, bool]:
    D_in, D_out, r = rng.randint(1, 3), rng.randint(1, 3), rng.randint(1, 2)
    layer = {
        "weight": draws.numbers(rng, D_out, D_in),
        "lora_A": draws.numbers(rng, r, D_in),
        "lora_B": torch.zeros(D_out, r) if rng.random() < 0.1 else draws.numbers(rng, D_out, r),
        "alpha": float(rng.choice((1, 2, 3, 4, 8))),
        "merged": rng.random() < 0.5,
    }
    return layer, rng.random() < 0.5


def _layer(weight: list[list[float]], merged: bool = False) -> Layer:
    return {
        "weight": torch.tensor(weight),
        "lora_A": torch.tensor([[1.0, 2.0]]),
        "lora_B": torch.tensor([[1.0], [-1.0]]),
        "alpha": 2.0,
        "merged": merged,
    }


BARE, WITH_UPDATE = [[1.0, 0.0], [2.0, 1.0]], [[3.0, 4.0], [0.0, -3.0]]


def _wide_layer(merged: bool) -> Layer:
    return {
        "weight": torch.tensor([[0.5, -1.0, 2.0], [1.0, 3.0, -2.0]]),
        "lora_A": torch.tensor([[1.0, 0.5, -1.0], [2.0, -1.0, 0.5]]),
        "lora_B": torch.tensor([[1.0, -0.5], [0.5, 2.0]]),
        "alpha": 3.0,
        "merged": merged,
    }


def _there_and_back(answer: Answer) -> str | None:
    layer = _wide_layer(False)
    back = answer(answer(layer, True), False)["weight"]
    return None if torch.allclose(back, layer["weight"], atol=1e-5) else "the weight is another one afterwards"


def _twice_is_once(answer: Answer) -> str | None:
    once = answer(_wide_layer(False), True)
    twice = answer(once, True)
    return None if torch.allclose(once["weight"], twice["weight"], atol=1e-5) else "a second call changes the weight"


MERGE = Exercise(
    id="18.2",
    title="into the weight and out again",
    difficulty="medium",
    minutes=10,
    section="Build it: into the weight and out again",
    signature="dict, bool -> dict",
    reference=set_merged,
    another=_one_direction_at_a_time,
    draw=_draw_layer,
    situations=(
        Situation("the layer is merged already", lambda layer, merged: layer["merged"] and merged),
        Situation(
            "the update is not in the weight, and is to be out",
            lambda layer, merged: not layer["merged"] and not merged,
        ),
        Situation("the update is to be put in", lambda layer, merged: merged and not layer["merged"]),
        Situation("the update is to be taken out", lambda layer, merged: layer["merged"] and not merged),
        Situation("the rank is above 1", lambda layer, merged: len(layer["lora_A"]) > 1),
        Situation("the matrix is square", lambda layer, merged: len(set(layer["weight"].shape)) == 1),
        Situation("lora_B is zero", lambda layer, merged: not layer["lora_B"].any()),
    ),
    cases=(
        Case("put in", lambda: (_layer(BARE), True), _layer(WITH_UPDATE, True)),
        Case("put in once more", lambda: (_layer(WITH_UPDATE, True), True), _layer(WITH_UPDATE, True)),
        Case("taken out", lambda: (_layer(WITH_UPDATE, True), False), _layer(BARE)),
        Case("taken out where it is not", lambda: (_layer(BARE), False), _layer(BARE)),
        Case("rank 2, put in", lambda: (_wide_layer(False), True)),
        Case("rank 2, taken out", lambda: (_wide_layer(True), False)),
    ),
    properties=(
        Property("put in and taken out again, the weight is the one from before", _there_and_back),
        Property("a second call changes nothing", _twice_is_once),
    ),
    mistakes=(
        Mistake(
            "added twice",
            _merged_with(times=lambda layer, merged: 1 if merged else -int(layer["merged"])),
            'You add the update even where it is in the weight already. Nothing about the weight\'s shape shows it: only `layer["merged"]` does. Ask it first.',
        ),
        Mistake(
            "taken out twice",
            _merged_with(times=lambda layer, merged: 1 - int(layer["merged"]) if merged else -1),
            'You subtract the update even where it is not in the weight. Ask `layer["merged"]` before you take anything out.',
        ),
        Mistake(
            "never asks how the layer stands",
            _merged_with(times=lambda layer, merged: 1 if merged else -1),
            'You add or subtract whatever the layer\'s state is, so a second call adds once more, or takes out what is not there. `layer["merged"]` says how it '
            "stands.",
        ),
        Mistake(
            "the flag stays",
            _merged_with(flag=lambda layer, merged: layer["merged"]),
            "The weight is right, and `merged` still says what it said before. The next call will then do the same thing once more.",
        ),
        Mistake(
            "the flag is turned over",
            _merged_with(flag=lambda layer, merged: not layer["merged"]),
            "You turn `merged` over, also where there was nothing to do. Afterwards it says what was asked for.",
        ),
        Mistake(
            "a switch",
            _merged_with(
                times=lambda layer, merged: -1 if layer["merged"] else 1, flag=lambda layer, merged: not layer["merged"]
            ),
            "Each call changes the state, whatever was asked for. `merged` says how the layer shall stand *afterwards*: perhaps it stands so already.",
        ),
        Mistake(
            "never taken out",
            _merged_with(times=lambda layer, merged: int(merged and not layer["merged"])),
            "The update goes in and never out. With `merged` False it has to be subtracted, if it is in.",
        ),
        Mistake(
            "never taken out, and the flag with it",
            _merged_with(
                times=lambda layer, merged: int(merged and not layer["merged"]),
                flag=lambda layer, merged: layer["merged"] or merged,
            ),
            "With `merged` False you return the layer as it is. The update has to be subtracted, if it is in.",
        ),
        Mistake(
            "added in both directions",
            _merged_with(times=lambda layer, merged: int(merged != layer["merged"])),
            "Where the update is to come out you add it. Then it is in the weight twice: it has to be subtracted.",
        ),
        Mistake(
            "the flag the wrong way round",
            _merged_with(times=lambda layer, merged: -_times(layer, merged)),
            "You subtract to merge, and add to take out. Merged means that the update is *in* the weight.",
        ),
        Mistake(
            "not divided by the rank",
            _merged_with(scale=lambda layer: layer["alpha"]),
            "You add the product alpha times. It counts alpha / r times, as in 18.1: else the merged layer is another one than the unmerged.",
        ),
        Mistake(
            "not scaled",
            _merged_with(scale=lambda layer: 1.0),
            "You add the product as it is. It counts alpha / r times, as in 18.1.",
        ),
        Mistake(
            "the rank divided by alpha",
            _merged_with(scale=lambda layer: 1 / _alpha_over_r(layer)),
            "You scale by r / alpha. The other way up.",
        ),
        Mistake(
            "the wrong axis is the rank",
            _merged_with(scale=lambda layer: layer["alpha"] / layer["lora_A"].shape[1]),
            "You divide by D_in, the second axis of `lora_A`. The rank is its first.",
        ),
        Mistake(
            "not scaled on the way out",
            lambda layer, merged: _merging(layer, merged, scale=_alpha_over_r if merged else lambda layer: 1.0),
            "What you take out is not what you put in: the scale alpha / r is missing there.",
        ),
        Mistake(
            "the product the other way round",
            _merged_with(product=lambda layer: layer["lora_A"] @ layer["lora_B"]),
            "You multiply `lora_A` by `lora_B`. That is (r, r) at best. `lora_B` stands in front: (D_out, r) times (r, D_in) has the weight's shape.",
        ),
        Mistake(
            "the product is transposed",
            _merged_with(product=lambda layer: _product(layer).T),
            "You add the transposed product. The weight is (D_out, D_in), and so is `lora_B` times `lora_A`. With a square matrix no error tells you.",
        ),
        Mistake(
            "the product replaces the weight",
            _merged_with(put=lambda W, update: update),
            "The new weight is the update alone. It comes on top of the old weight.",
        ),
        Mistake(
            "lora_B is emptied",
            _merged_with(rest=lambda layer, merged: {"lora_B": torch.zeros_like(layer["lora_B"])} if merged else {}),
            "You set `lora_B` to zero once it is in the weight. That does keep it from being added twice, but then nobody knows what to take out again.",
        ),
        Mistake(
            "the adapter is removed",
            _adapter_removed,
            "The merged layer has no `lora_A` and `lora_B` any more. That is how libraries ship a model, and it cannot be taken back. Keep all keys.",
        ),
        Mistake(
            "the weight alone",
            lambda *args: set_merged(*args)["weight"],
            "You return the weight. Return the whole layer, a dict with the same five keys: else the next call cannot know whether it is merged.",
        ),
        Mistake(
            "None where there is nothing to do",
            _once_only,
            "Where the layer stands as asked for already, your function returns None. Return a layer then, too.",
        ),
        Mistake(
            "an error where there is nothing to do",
            _refuses,
            "You raise an error where the layer stands as asked for already. Some libraries warn then; the contract returns the layer as it is.",
        ),
        Mistake(
            "what was passed in has changed",
            _in_place,
            "The result is right, but the layer that was passed in is another one than before: `+=` writes into a tensor, and `layer[…] = …` into the dict. Make a "
            "new tensor and a new dict; `layer | {…}` is one.",
        ),
    ),
    hints=(
        "Four states: in or out before, in or out afterwards. In which of them is there something to do?",
        'Where `layer["merged"]` is what is asked for, a copy is all. Else the update is added, or subtracted, once.',
        'What is added has the weight\'s shape: (D_out, r) times (r, D_in), then alpha / r. `layer | {"weight": …, "merged": …}` makes a new dict and leaves the old one.',
    ),
)


# --- 18.3 four bits, block by block ----------------------------------------------------------


def four_bits(numbers: Tensor, levels: Tensor, block: int) -> tuple[Tensor, Tensor, Tensor]:
    """Codes of four bits, each block by its largest number, and what they stand for: (N,), (16,), int -> (N,), (blocks,), (N,)."""
    pieces = numbers.split(block)
    absmax = torch.stack([piece.abs().max() for piece in pieces])
    of_each = absmax.repeat_interleave(block)[: len(numbers)]  # (N,)
    scaled = numbers / of_each.where(of_each > 0, 1.0)
    codes = (scaled[:, None] - levels).abs().argmin(1)  # of equally near levels the first
    return codes, absmax, levels[codes] * of_each


def _number_by_number(numbers, levels, block):
    """Borders halfway between levels; a number on a border belongs to the lower level."""
    borders = [(a + b) / 2 for a, b in pairwise(levels.tolist())]
    codes, largest, back = [], [], []
    for start in range(0, len(numbers), block):
        piece = numbers[start : start + block].tolist()
        most = max(map(abs, piece))
        largest.append(most)
        for number in piece:
            code = sum(number / (most or 1.0) > border for border in borders)
            codes.append(code)
            back.append(float(levels[code]) * most)
    return torch.tensor(codes), torch.tensor(largest), torch.tensor(back)


def _nearest_level(scaled: Tensor, levels: Tensor) -> Tensor:
    """(N,), (16,) -> (N,)."""
    return (scaled[:, None] - levels).abs().argmin(1)


def _last_of_nearest(scaled: Tensor, levels: Tensor) -> Tensor:
    return len(levels) - 1 - _nearest_level(scaled, levels.flip(0))


def _level_below(scaled: Tensor, levels: Tensor) -> Tensor:
    return torch.searchsorted(levels, scaled, right=True).sub(1).clamp(0, 15)


def _level_above(scaled: Tensor, levels: Tensor) -> Tensor:
    return torch.searchsorted(levels, scaled).clamp(0, 15)


def _largest_of(piece: Tensor) -> Tensor:
    return piece.abs().max()


def _blockwise(
    numbers, levels, block, *, cut=lambda numbers, block: list(numbers.split(block)), largest=_largest_of,
    divide=lambda piece, most: piece / (most if most else torch.tensor(1.0)), code=_nearest_level,
    back=lambda codes, levels, most, piece: levels[codes] * most, report=lambda most: most,
):  # fmt: skip
    """Codes block by block, one part exchanged."""
    pieces = cut(numbers, block)
    most = [largest(piece) for piece in pieces]
    codes = [code(divide(piece, m), levels) for piece, m in zip(pieces, most, strict=True)]
    values = [back(c, levels, m, piece) for c, m, piece in zip(codes, most, pieces, strict=True)]
    return torch.cat(codes), torch.stack([report(m) for m in most]), torch.cat(values)


def _coded(**parts: Any) -> Answer:
    return lambda *args: _blockwise(*args, **parts)


def _whole_blocks(numbers: Tensor, block: int) -> list[Tensor]:
    """The last block is left out where it is shorter; the only one is kept."""
    pieces = list(numbers.split(block))
    return pieces if len(pieces[-1]) == block or len(pieces) == 1 else pieces[:-1]


def _rest_joins_the_last(numbers: Tensor, block: int) -> list[Tensor]:
    pieces = list(numbers.split(block))
    if len(pieces) > 1 and len(pieces[-1]) < block:
        pieces[-2:] = [torch.cat(pieces[-2:])]
    return pieces


def _padded_blocks(numbers: Tensor, block: int) -> list[Tensor]:
    return list(F.pad(numbers, (0, -len(numbers) % block)).split(block))


def _so_many_blocks(numbers: Tensor, block: int) -> list[Tensor]:
    return list(numbers.tensor_split(min(block, len(numbers))))


def _interleaved(numbers, levels, block):
    """Every so-manyth number is in the same block, as a reshape the wrong way round makes them."""
    blocks = -(-len(numbers) // block)
    order = torch.cat([torch.arange(b, len(numbers), blocks) for b in range(blocks)])
    found = [_blockwise(numbers[b::blocks], levels, len(numbers)) for b in range(blocks)]
    codes, values = torch.cat([f[0] for f in found]), torch.cat([f[2] for f in found])
    back = order.argsort()
    return codes[back], torch.cat([f[1] for f in found]), values[back]


def _one_for_each_number(numbers, levels, block):
    codes, absmax, values = four_bits(numbers, levels, block)
    return codes, absmax.repeat_interleave(block)[: len(numbers)], values


def _even_steps(scaled: Tensor, levels: Tensor) -> Tensor:
    return ((scaled + 1) * 7.5).round().long().clamp(0, 15)


def _in_one(numbers, levels, block):
    """One divisor, told once for each block."""
    most, blocks = numbers.abs().max(), -(-len(numbers) // block)
    codes = _nearest_level(numbers / (most if most else 1.0), levels)
    return codes, most.repeat(blocks), levels[codes] * most


LEVELS = torch.tensor(
    [-1.0, -0.75, -0.5, -0.375, -0.25, -0.125, -0.0625, 0.0, 0.0625, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 1.0]
)  # exact in float32, and so are the places halfway


def _draw_numbers(rng: random.Random) -> tuple[Tensor, Tensor, int]:
    N, block = rng.randint(1, 9), rng.randint(1, 4)
    size = rng.choice((0.25, 1.0, 4.0))
    numbers = torch.tensor([size * rng.randint(-32, 32) / 32 for _ in range(N)])
    if rng.random() < 0.5:
        numbers[rng.randrange(N)] = rng.choice((-size, size))
    if rng.random() < 0.35:
        first = block * rng.randrange(-(-N // block))
        numbers[first : first + block] = 0.0
    return numbers, LEVELS.clone(), rng.choice((block, block, block, N + 2))


def _blocks(numbers: Tensor, block: int) -> list[list[float]]:
    return [piece.tolist() for piece in numbers.split(block)]


def _halfway(numbers: Tensor, levels: Tensor, block: int) -> bool:
    middles = (levels[1:] + levels[:-1]) / 2
    pieces = [piece / piece.abs().max() for piece in numbers.split(block) if piece.any()]
    return any(bool((piece[:, None] == middles).any()) for piece in pieces)


def _again_the_same(answer: Answer) -> str | None:
    numbers = torch.tensor([0.3, -2.0, 1.1, 0.7, 0.05, -0.4, 0.2])
    codes, _, values = answer(numbers, LEVELS.clone(), 3)
    again = answer(values, LEVELS.clone(), 3)
    same = torch.equal(codes, again[0]) and torch.allclose(values, again[2])
    return None if same else "what the codes stand for gets other codes than the numbers themselves"


BITS = Exercise(
    id="18.3",
    title="four bits, block by block",
    difficulty="medium",
    minutes=12,
    section="Further: four bits, block by block",
    signature="(N,), (16,), int -> (N,), (blocks,), (N,)",
    reference=four_bits,
    another=_number_by_number,
    draw=_draw_numbers,
    loops=True,
    situations=(
        Situation("the last block is shorter", lambda x, levels, block: len(x) % block > 0),
        Situation("there is one block", lambda x, levels, block: len(x) <= block),
        Situation("a block is longer than all numbers", lambda x, levels, block: len(x) < block),
        Situation("a block holds one number", lambda x, levels, block: block == 1),
        Situation("a block is all zeros", lambda x, levels, block: any(not any(b) for b in _blocks(x, block))),
        Situation(
            "the largest absolute value of a block is that of a negative number",
            lambda x, levels, block: any(-min(b) > max(b) for b in _blocks(x, block)),
        ),
        Situation("a number lies halfway between two levels", _halfway),
        Situation(
            "blocks have different largest values",
            lambda x, levels, block: len({max(map(abs, b)) for b in _blocks(x, block)}) > 1,
        ),
    ),
    cases=(
        Case(
            "a block of zeros, and a shorter one",
            lambda: (torch.tensor([2.0, -1.5, 0.25, 0.0, 0.0, 0.0, -0.5]), LEVELS.clone(), 3),
            (
                torch.tensor([15, 1, 9, 7, 7, 7, 0]),
                torch.tensor([2.0, 0.0, 0.5]),
                torch.tensor([2.0, -1.5, 0.25, 0.0, 0.0, 0.0, -0.5]),
            ),
        ),
        Case(
            "numbers halfway between two levels",
            lambda: (torch.tensor([8.0, 7.0, -7.0, 1.5]), LEVELS.clone(), 4),
            (torch.tensor([15, 14, 0, 9]), torch.tensor([8.0]), torch.tensor([8.0, 6.0, -8.0, 1.0])),
        ),
        Case(
            "a negative number is the largest",
            lambda: (torch.tensor([1.0, -4.0, 2.5, 0.5, 1.0]), LEVELS.clone(), 3),
            (
                torch.tensor([10, 0, 13, 12, 15]),
                torch.tensor([4.0, 1.0]),
                torch.tensor([1.0, -4.0, 2.5, 0.5, 1.0]),
            ),
        ),
        Case(
            "nine numbers of different size",
            lambda: (torch.tensor([0.3, -2.0, 1.1, 0.7, 0.05, -0.4, 0.2, 0.011, -0.03]), LEVELS.clone(), 4),
        ),
    ),
    properties=(Property("what codes stand for gets the same codes again", _again_the_same),),
    mistakes=(
        Mistake(
            "one largest value for all",
            _in_one,
            "You divide all numbers by the largest of all. One large number then takes the levels away from everybody; with a block of its own it spoils "
            "only its neighbours.",
        ),
        Mistake(
            "the largest number, with its sign",
            _coded(largest=lambda piece: piece.max()),
            "You take the largest number of a block, and a negative one that is larger in size falls off the levels. Take the largest *absolute* value.",
        ),
        Mistake(
            "the mean of the sizes",
            _coded(largest=lambda piece: piece.abs().mean()),
            "You divide by the mean of the absolute values. What is above it falls off the levels: divide by the largest.",
        ),
        Mistake(
            "the root of the mean square",
            _coded(largest=lambda piece: piece.square().mean().sqrt()),
            "You divide by the root of the mean square, as a normalization does. What is above it falls off the levels: divide by the largest absolute value.",
        ),
        Mistake(
            "the length of the block",
            _coded(largest=lambda piece: piece.square().sum().sqrt()),
            "You scale a block to length 1. Then its largest number does not reach the outermost level: divide by the largest absolute value.",
        ),
        Mistake(
            "from smallest to largest",
            _coded(
                largest=lambda piece: piece.max() - piece.min(),
            ),
            "You divide by the distance from smallest to largest. That belongs to codes with a minimum of their own; these lie around zero: divide by the largest "
            "absolute value.",
        ),
        Mistake(
            "zeros have the largest value 1",
            _coded(report=lambda most: most if most else torch.tensor(1.0)),
            "For a block of zeros you return the 1 that you divided by. Its largest absolute value is 0, and is returned so.",
        ),
        Mistake(
            "a block of zeros has code 0",
            _coded(divide=lambda piece, most: piece / most),
            "In a block of zeros your codes are 0, the number of the *lowest* level. Perhaps you divide by zero there: that is NaN, and `argmin` of NaN is 0. Divide such a "
            "block by 1; zero has the code of the level nearest to it.",
        ),
        Mistake(
            "of equally near levels the larger code",
            _coded(code=_last_of_nearest),
            "A number halfway between two levels gets the larger code with you; `>=` at a border, or `<=` in a search, does that. The smaller one is asked for.",
        ),
        Mistake(
            "the level below",
            _coded(code=_level_below),
            "You take the level below, as rounding down does. The *nearest* level can be the one above.",
        ),
        Mistake(
            "the level above",
            _coded(code=_level_above),
            "You take the first level that is not smaller, as `searchsorted` and `bucketize` do. The *nearest* level can be the one below.",
        ),
        Mistake(
            "even steps",
            _coded(code=_even_steps),
            "You cut -1 to 1 into even steps, and the levels do not count. They lie closer where most numbers are: compare with each.",
        ),
        Mistake(
            "even steps around zero",
            _coded(code=lambda scaled, levels: (scaled * 7).round().long() + 7),
            "You multiply by 7 and round, as one does for whole numbers of four bits, and the levels do not count. They lie closer where most numbers are: compare with "
            "each.",
        ),
        Mistake(
            "numbers are not divided",
            _coded(divide=lambda piece, most: piece),
            "You look for the level nearest to the number itself. Levels lie between -1 and 1: divide by the block's largest absolute value first.",
        ),
        Mistake(
            "the sign is lost",
            _coded(divide=lambda piece, most: piece.abs() / (most if most else 1.0)),
            "You divide absolute values. Absolute values choose the divisor only; the numbers keep their sign.",
        ),
        Mistake(
            "not multiplied back",
            _coded(back=lambda codes, levels, most, piece: levels[codes]),
            "What you return as values are the levels. Multiply them by the block's largest absolute value, and they stand for numbers again.",
        ),
        Mistake(
            "the divided numbers",
            _coded(back=lambda codes, levels, most, piece: piece / (most if most else torch.tensor(1.0))),
            "What you return as values are the divided numbers. Four bits do not hold them: look up the levels that the codes name, and multiply them back.",
        ),
        Mistake(
            "divided instead of multiplied back",
            _coded(back=lambda codes, levels, most, piece: levels[codes] / (most if most else 1.0)),
            "You divide the levels by the block's largest absolute value. The number was divided; what its code stands for is multiplied.",
        ),
        Mistake(
            "the numbers themselves",
            _coded(back=lambda codes, levels, most, piece: piece),
            "What you return as values are the numbers that came in. Four bits do not hold them: return what the codes stand for.",
        ),
        Mistake(
            "codes around zero",
            lambda *args: (four_bits(*args)[0] - 8, *four_bits(*args)[1:]),
            "Your codes run from -8 to 7. They are numbers of levels, from 0 to 15.",
        ),
        Mistake(
            "codes from 1",
            lambda *args: (four_bits(*args)[0] + 1, *four_bits(*args)[1:]),
            "Your codes are counted from 1. The first level has number 0.",
        ),
        Mistake(
            "the last numbers are left out",
            _coded(cut=_whole_blocks),
            "Numbers behind the last whole block are missing in your result. They are a block, too, a shorter one.",
        ),
        Mistake(
            "the last numbers join the block before",
            _coded(cut=_rest_joins_the_last),
            "The numbers behind the last whole block join the block before it. They are a block of their own.",
        ),
        Mistake(
            "padded, and not cut back",
            _coded(cut=_padded_blocks),
            "You fill the last block up with zeros, and return codes and values for them, too. Take off what you added.",
        ),
        Mistake(
            "so many blocks",
            _coded(cut=_so_many_blocks),
            "You cut the numbers into `block` blocks, as `chunk` does. `block` is how many numbers each has.",
        ),
        Mistake(
            "blocks of distant numbers",
            _interleaved,
            "Your blocks take every so-manyth number, as a reshape does that has its axes the wrong way round. A block is numbers that stand side by side.",
        ),
        Mistake(
            "one largest value for each number",
            _one_for_each_number,
            "You return the divisor once for each number. It is stored once for each *block*: that is where the bytes are saved.",
        ),
        Mistake(
            "another order",
            lambda *args: tuple(four_bits(*args)[i] for i in (0, 2, 1)),
            "You return the values before the largest absolute values. The order is codes, largest values, values.",
        ),
    ),
    hints=(
        "Do it for one block first: what divides it, which level is nearest to each number, what does the level stand for?",
        "`numbers.split(block)` gives the blocks, the last one shorter if need be. What is the largest absolute value of a block of zeros, and what can "
        "you divide it by?",
        "With one more axis, `scaled[:, None] - levels` is (numbers, 16). `argmin` takes the first of equal ones, which is the smaller code.",
    ),
)


# --- 18.4 the average of before and after ----------------------------------------------------

State = dict[str, Tensor]


def average(before: Mapping[str, Tensor], after: Mapping[str, Tensor], alpha: float) -> State:
    """Each weight between before and after; what is no float from after: dict, dict, float -> dict."""
    if before.keys() != after.keys():
        raise ValueError(f"only one of the two has {sorted(before.keys() ^ after.keys())}")
    return {
        name: torch.lerp(start, after[name], alpha) if start.is_floating_point() else after[name]
        for name, start in before.items()
    }


def _in_numpy(before, after, alpha):
    found = {}
    for name in sorted(set(before) | set(after)):
        if name not in before or name not in after:
            raise ValueError(name)
        a, b = before[name].numpy(), after[name].numpy()
        mixed = (a * (1 - alpha) + b * alpha).astype(a.dtype) if a.dtype.kind == "f" else b.copy()
        found[name] = torch.tensor(mixed)
    return found


def _between(a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return (1 - alpha) * a + alpha * b


def _check_keys(before, after) -> list[str]:
    if set(before) != set(after):
        raise ValueError("different keys")
    return list(before)


def _averaged(
    before, after, alpha, *, names=_check_keys, mix=_between, others=lambda a, b, alpha: b,
    is_weight=lambda name, a: a.is_floating_point(),
):  # fmt: skip
    """An average with one part exchanged."""
    return {
        name: (mix if is_weight(name, before[name]) else others)(before[name], after[name], alpha)
        for name in names(before, after)
    }


def _averaging(**parts: Any) -> Answer:
    return lambda *args: _averaged(*args, **parts)


def _everything_kept(before, after, alpha):
    both = before.keys() & after.keys()
    found = average({n: before[n] for n in before if n in both}, {n: after[n] for n in both}, alpha)
    return {**before, **after, **found}


def _without_buffers(before, after, alpha):
    return {name: x for name, x in average(before, after, alpha).items() if x.is_floating_point()}


def _by_place(before, after, alpha):
    if len(before) != len(after):
        raise ValueError("another number of keys")
    return {
        name: _between(a, b, alpha) if a.is_floating_point() else b
        for (name, a), b in zip(before.items(), after.values(), strict=True)
    }


def _same_order(before, after) -> list[str]:
    if list(before) != list(after):
        raise ValueError("different keys")
    return list(before)


def _none_missing_after(before, after) -> list[str]:
    if any(name not in after for name in before):
        raise ValueError("a key is missing")
    return list(before)


def _none_added_after(before, after) -> list[str]:
    if any(name not in before for name in after):
        raise ValueError("a key is new")
    return [name for name in before if name in after]


def _average_in_place(before, after, alpha):
    found = average(before, after, alpha)
    for name, x in before.items():
        if x.is_floating_point():
            x.copy_(found[name])
    return before | {name: x for name, x in found.items() if not x.is_floating_point()}


def _nothing_at_zero(before, after, alpha):
    _check_keys(before, after)
    return dict(before) if alpha == 0 else average(before, after, alpha)


def _error_returned(before, after, alpha):
    return average(before, after, alpha) if set(before) == set(after) else ValueError("different names")


def _draw_states(rng: random.Random) -> tuple[State, State, float]:
    names = rng.sample(("encoder.weight", "encoder.bias", "head.weight", "norm.bias"), rng.randint(1, 3))
    before, after = {}, {}
    for name in names:
        shape = (rng.randint(1, 2), rng.randint(1, 3)) if "weight" in name else (rng.randint(1, 3),)
        before[name], after[name] = draws.numbers(rng, *shape), draws.numbers(rng, *shape)
    if rng.random() < 0.4:
        before["steps"], after["steps"] = torch.tensor(rng.randint(0, 9)), torch.tensor(rng.randint(0, 90))
    if rng.random() < 0.3:
        before["mask"], after["mask"] = (torch.tensor([rng.random() < 0.5 for _ in range(2)]) for _ in range(2))
    if rng.random() < 0.12:
        after["adapter.weight"] = torch.ones(1, 1)
    elif rng.random() < 0.1:
        del after[names[0]]
    shuffled = list(after)
    rng.shuffle(shuffled)
    return before, {name: after[name] for name in shuffled}, rng.choice((0.0, 0.25, 0.5, 0.5, 0.75, 0.9, 1.0))


def _two_states() -> tuple[State, State]:
    before = {"weight": torch.tensor([[1.0, -2.0], [0.0, 4.0]]), "bias": torch.tensor([2.0, 0.0])}
    after = {"weight": torch.tensor([[3.0, -2.0], [4.0, 0.0]]), "bias": torch.tensor([0.0, -4.0])}
    return before, after


def _with_buffers() -> tuple[State, State, float]:
    before = {"steps": torch.tensor(10), "weight": torch.tensor([2.0]), "seen": torch.tensor([True, False])}
    after = {"weight": torch.tensor([10.0]), "seen": torch.tensor([True, True]), "steps": torch.tensor(40)}
    return before, after, 0.25


def _one_name_more() -> tuple[State, State, float]:
    before, after = _two_states()
    return before, after | {"lora_A": torch.tensor([1.0])}, 0.5


def _one_name_less() -> tuple[State, State, float]:
    before, after = _two_states()
    return before, {"weight": after["weight"]}, 0.5


def _another_name() -> tuple[State, State, float]:
    before, after = _two_states()
    return before, {"weight": after["weight"], "shift": after["bias"]}, 0.5


def _wrong_names(before: State, after: State, *rest: Any) -> bool:
    return before.keys() != after.keys()


def _ends_are_the_models(answer: Answer) -> str | None:
    before, after = _two_states()
    for alpha, wanted, name in ((0.0, before, "before"), (1.0, after, "after")):
        if not compare.same_values(answer(*_two_states(), alpha), wanted, 1e-5):
            return f"with alpha {alpha:g} it is not the model {name}"
    return None


AVERAGE = Exercise(
    id="18.4",
    title="the average of before and after",
    difficulty="easy",
    minutes=6,
    section="Build it: the average of before and after",
    signature="dict, dict, float -> dict",
    reference=average,
    another=_in_numpy,
    draw=_draw_states,
    situations=(
        Situation("one of the two has a name more", _wrong_names),
        Situation(
            "after has a name that before has not", lambda before, after, alpha: bool(after.keys() - before.keys())
        ),
        Situation("a name is missing in after", lambda before, after, alpha: bool(before.keys() - after.keys())),
        Situation(
            "a tensor holds whole numbers or true and false",
            lambda before, after, alpha: any(not x.is_floating_point() for x in before.values()),
        ),
        Situation(
            "a tensor holds true and false",
            lambda before, after, alpha: any(x.dtype == torch.bool for x in before.values()),
        ),
        Situation(
            "the names stand in another order",
            lambda before, after, alpha: list(before) != list(after) and before.keys() == after.keys(),
        ),
        Situation("alpha is 0", lambda before, after, alpha: alpha == 0),
        Situation("alpha is 1", lambda before, after, alpha: alpha == 1),
        Situation("alpha is not a half", lambda before, after, alpha: alpha != 0.5),
    ),
    cases=(
        Case(
            "a quarter of the way",
            lambda: (*_two_states(), 0.25),
            {"weight": torch.tensor([[1.5, -2.0], [1.0, 3.0]]), "bias": torch.tensor([1.5, -1.0])},
        ),
        Case(
            "a counter and a mask",
            _with_buffers,
            {"weight": torch.tensor([4.0]), "seen": torch.tensor([True, True]), "steps": torch.tensor(40)},
        ),
        Case("alpha 0: the counter still is the new one", lambda: (*_with_buffers()[:2], 0.0)),
        Case("after has a name more", _one_name_more),
        Case("after has a name less", _one_name_less),
        Case("as many names, one of them another", _another_name),
    ),
    properties=(Property("alpha 0 is the model before, alpha 1 the model after", _ends_are_the_models),),
    mistakes=(
        Mistake(
            "before and after exchanged",
            _averaging(mix=lambda a, b, alpha: _between(b, a, alpha)),
            "With you, alpha is the share of the model *before*. It is that of the model after: 1 is the adapted model.",
        ),
        Mistake(
            "half and half",
            _averaging(mix=lambda a, b, alpha: (a + b) / 2),
            "You average half and half, and `alpha` does nothing.",
        ),
        Mistake(
            "one of the two",
            _averaging(mix=lambda a, b, alpha: b if alpha >= 0.5 else a),
            "You take the one model or the other, by whether alpha is a half. Each weight is mixed: a share of the one and a share of the other.",
        ),
        Mistake(
            "names that are in one only are dropped",
            _averaging(names=lambda before, after: [name for name in before if name in after]),
            "You average what both have, and leave out the rest in silence. Then a model lacks weights, or an adapter was never merged: raise ValueError.",
        ),
        Mistake(
            "names that are in one only are kept",
            _everything_kept,
            "What one of the two does not have you take from the other. Two models of different parts are not on one line: raise ValueError.",
        ),
        Mistake(
            "a name more is not noticed",
            _averaging(names=_none_missing_after),
            "You ask whether each name of before is in after, and not the other way round. What after has on top is lost in silence.",
        ),
        Mistake(
            "a missing name is not noticed",
            _averaging(names=_none_added_after),
            "You ask whether each name of after is in before, and not the other way round. What is missing in after is left out in silence.",
        ),
        Mistake(
            "a KeyError",
            _averaging(names=lambda before, after: [*before, *after]),
            "A name that only one of the two has raises a KeyError, as it happens to be looked up. Compare the names first, and raise ValueError.",
        ),
        Mistake(
            "the error is returned",
            _error_returned,
            "You return a ValueError. An error is raised, with `raise`: what is returned goes on as if it were a model.",
        ),
        Mistake(
            "names are not compared, and a missing one raises KeyError",
            _averaging(names=lambda before, after: list(before)),
            "You go through the names of before. A name that after lacks raises a KeyError, one that it has on top is lost in silence. Compare the names first, "
            "and raise ValueError.",
        ),
        Mistake(
            "the number of names is compared",
            _by_place,
            "You pair tensors by their place. Two state dicts may hold the same names in another order: pair them by name.",
        ),
        Mistake(
            "only the number of names",
            _averaging(
                names=lambda before, after: _check_keys(before, after) if len(before) != len(after) else list(before)
            ),
            "You compare how many names there are. As many can be other ones: compare the names.",
        ),
        Mistake(
            "the order of names is compared",
            _averaging(names=_same_order),
            "You raise an error where the same names stand in another order. Order does not matter in a state dict: compare sets.",
        ),
        Mistake(
            "counters are averaged",
            _averaging(is_weight=lambda name, a: a.dtype != torch.bool),
            "You average counters, too, and they become floats. What is not a float is no weight: it is taken from after.",
        ),
        Mistake(
            "everything is averaged",
            _averaging(is_weight=lambda name, a: True),
            "You average everything, counters and masks of true and false included. What is not a float is no weight: it is taken from after.",
        ),
        Mistake(
            "everything is averaged and cast back",
            _averaging(is_weight=lambda name, a: True, mix=lambda a, b, alpha: _between(a, b, alpha).to(a.dtype)),
            "You average counters and masks as well, and cast them back. A counter halfway between two models counts nothing: it is taken from after.",
        ),
        Mistake(
            "masks are averaged",
            _averaging(is_weight=lambda name, a: a.dtype != torch.int64),
            "You leave out whole numbers, and average masks of true and false, which become floats. Ask whether a tensor *is* of floats.",
        ),
        Mistake(
            "counters from before",
            _averaging(others=lambda a, b, alpha: a),
            "What is not a float you take from before. It is taken from after.",
        ),
        Mistake(
            "counters are left out",
            _without_buffers,
            "What is not a float is missing in your result. Then it cannot be loaded into the model: take it from after.",
        ),
        Mistake(
            "with alpha 0 all is as before",
            _nothing_at_zero,
            "With alpha 0 you return before, counters included. What is not a float comes from after, whatever alpha is.",
        ),
        Mistake(
            "the change alone",
            _averaging(mix=lambda a, b, alpha: alpha * (b - a)),
            "You return alpha times the change. It has to be added to the weights of before.",
        ),
        Mistake(
            "beyond after",
            _averaging(mix=lambda a, b, alpha: b + alpha * (b - a)),
            "You add the change to the weights of *after*, and so go beyond them. It begins at before.",
        ),
        Mistake(
            "away from after",
            _averaging(mix=lambda a, b, alpha: a + alpha * (a - b)),
            "You subtract the change: before minus after. With a larger alpha you move away from the adapted model.",
        ),
        Mistake(
            "all of before and a part of after",
            _averaging(mix=lambda a, b, alpha: a + alpha * b),
            "You add a share of after to all of before. The shares have to add up to 1.",
        ),
        Mistake(
            "all of after and a part of before",
            _averaging(mix=lambda a, b, alpha: (1 - alpha) * a + b),
            "You add all of after to a share of before. The shares have to add up to 1.",
        ),
        Mistake(
            "a half of the weighted sum",
            _averaging(mix=lambda a, b, alpha: _between(a, b, alpha) / 2),
            "You divide the weighted sum by 2. The shares add up to 1 already.",
        ),
        Mistake(
            "only matrices",
            _averaging(is_weight=lambda name, a: a.is_floating_point() and a.ndim > 1),
            "You average matrices, and take everything else from after. A bias is a weight like any other.",
        ),
        Mistake(
            "only what is called weight",
            _averaging(is_weight=lambda name, a: a.is_floating_point() and "weight" in name),
            'You average what has "weight" in its name, and take biases from after. A bias is a weight like any other: ask for its dtype, not its name.',
        ),
        Mistake(
            "before has changed",
            _average_in_place,
            "The result is right, but you wrote it into the tensors of before; `+=`, `lerp_` or `copy_` do that. With them the way back is lost.",
        ),
    ),
    hints=(
        "Alpha 0 is one model, alpha 1 the other. What is the sum of the two shares?",
        "Before you mix anything: which sets of names must be equal? `a.keys() == b.keys()` does not care about order.",
        "`x.is_floating_point()` tells weights from counters and masks.",
    ),
)


# --- 18.5 stop by two sets -------------------------------------------------------------------


def check_to_keep(new: Sequence[int], old: Sequence[int], patience: int, tolerance: int) -> tuple[int, int]:
    """The check to keep and the last one that is made: list of int, list of int, int, int -> int, int."""
    curve = [{"step": i, "domain": n, "general": o} for i, (n, o) in enumerate(zip(new, old, strict=True))]
    floor = old[0] - tolerance
    last = int(min(stopped_at(curve, patience, floor), len(curve) - 1))
    return best(curve[: last + 1], floor), last


def _one_check_at_a_time(new, old, patience, tolerance):
    kept = waited = last = 0
    while waited < patience and last + 1 < len(new):
        last += 1
        if new[last] > new[kept] and old[0] - old[last] <= tolerance:
            kept, waited = last, 0
        else:
            waited += 1
    return kept, last


def _watch(
    new, old, patience, tolerance, *, allowed=lambda new, old, i, kept, tolerance: old[i] >= old[0] - tolerance,
    better=lambda new, old, i, kept: new[i] > new[kept], is_over=lambda waited, patience: waited >= patience,
    waits=lambda waited, new, old, i, allowed: waited + 1, ends=lambda new, old, i, allowed: False,
    result=lambda kept, last, new, old: (kept, last),
):  # fmt: skip
    """One check after the other, one part exchanged."""
    kept = waited = last = 0
    for i in range(1, len(new)):
        last = i
        fine = allowed(new, old, i, kept, tolerance)
        if fine and better(new, old, i, kept):
            kept, waited = i, 0
        else:
            waited = waits(waited, new, old, i, fine)
        if is_over(waited, patience) or ends(new, old, i, fine):
            break
    return result(kept, last, new, old)


def _watching(**parts: Any) -> Answer:
    return lambda *args: _watch(*args, **parts)


def _bar_raised(new, old, patience, tolerance):
    """What is not allowed raises the bar, and is not kept."""
    kept = waited = last = 0
    bar = new[0]
    for i in range(1, len(new)):
        last, waited = i, waited + 1
        if new[i] > bar:
            bar = new[i]
            if old[i] >= old[0] - tolerance:
                kept, waited = i, 0
        if waited >= patience:
            break
    return kept, last


def _bar_raised_and_waits_anew(new, old, patience, tolerance):
    """Patience looks at the new domain alone."""
    best_new, kept, last, top = new[0], 0, 0, 0
    for i in range(1, len(new)):
        last = i
        if new[i] > best_new:
            best_new, top = new[i], i
        if old[i] >= old[0] - tolerance and new[i] > new[kept]:
            kept = i
        if i - top >= patience:
            break
    return kept, last


def _without_the_start(new, old, patience, tolerance):
    """The first check after the start is the first best, whatever the start was."""
    if len(new) == 1:
        return 0, 0
    kept, waited, last = 1, 0, 1
    for i in range(2, len(new)):
        last = i
        if old[i] >= old[0] - tolerance and new[i] > new[kept]:
            kept, waited = i, 0
        else:
            waited += 1
        if waited >= patience:
            break
    return kept, last


def _best_of_all(new, old, patience, tolerance):
    _, last = check_to_keep(new, old, patience, tolerance)
    kept, _ = check_to_keep(new, old, len(new), tolerance)
    return kept, last


def _best_first_then_allowed(new, old, patience, tolerance):
    """The best on the new domain; the start, if that one is not allowed."""
    top, last = _watch(new, old, patience, tolerance, allowed=lambda *args: True)
    return (top if old[top] >= old[0] - tolerance else 0), last


def _better_than_the_one_before(new, old, patience, tolerance):
    kept = waited = last = 0
    for i in range(1, len(new)):
        last = i
        fine = old[i] >= old[0] - tolerance
        waited = 0 if fine and new[i] > new[i - 1] else waited + 1
        if fine and new[i] > new[kept]:
            kept = i
        if waited >= patience:
            break
    return kept, last


def _not_in_a_row(new, old, patience, tolerance):
    kept = waited = last = 0
    for i in range(1, len(new)):
        last = i
        if old[i] >= old[0] - tolerance and new[i] > new[kept]:
            kept = i
        else:
            waited += 1
        if waited >= patience:
            break
    return kept, last


def _last_before_the_stop(new, old, patience, tolerance):
    kept = last = 0
    for i in range(1, len(new)):
        if old[i] >= old[0] - tolerance and new[i] > new[kept]:
            kept = i
        if i - kept >= patience:
            break
        last = i
    return kept, last


def _patience_of_allowed_checks(new, old, patience, tolerance):
    kept = last = 0
    for i in range(1, len(new)):
        last = i
        if old[i] < old[0] - tolerance:
            continue
        if new[i] > new[kept]:
            kept = i
        if i - kept >= patience:
            break
    return kept, last


def _draw_checks(rng: random.Random) -> tuple[list[int], list[int], int, int]:
    length = rng.randint(1, 8)
    new, old = [rng.randint(40, 60)], [rng.randint(60, 70)]
    for _ in range(length - 1):
        new.append(new[-1] + rng.choice((-3, -2, -1, 0, 0, 1, 2, 4, 6)))
        old.append(rng.choice((old[0], old[-1])) + rng.choice((-4, -2, -2, -1, 0, 0, 1, 2, 3)))
    tolerance = rng.choice((0, 1, 2, 3, 5))
    if length > 2 and rng.random() < 0.4:
        old[rng.randrange(1, length)] = old[0] - tolerance
    return new, old, rng.choice((1, 2, 2, 3, 3, 4)), tolerance


def _refused(new: list[int], old: list[int], patience: int, tolerance: int) -> list[int]:
    _, last = check_to_keep(new, old, patience, tolerance)
    return [i for i in range(1, last + 1) if old[i] < old[0] - tolerance]


STOP = Exercise(
    id="18.5",
    title="stop by two sets",
    difficulty="medium",
    minutes=14,
    section="Build it: stop by two sets",
    signature="list of int, list of int, int, int -> (int, int)",
    reference=check_to_keep,
    another=_one_check_at_a_time,
    draw=_draw_checks,
    loops=True,
    situations=(
        Situation("it is stopped before the last check", lambda *args: check_to_keep(*args)[1] < len(args[0]) - 1),
        Situation("the start is kept", lambda *args: check_to_keep(*args)[0] == 0),
        Situation("the start is the only check", lambda *args: len(args[0]) == 1),
        Situation("a check loses more on the old domain than is tolerated", lambda *args: bool(_refused(*args))),
        Situation(
            "a check that loses too much is the best on the new domain",
            lambda *args: any(args[0][i] > max(args[0][:i]) for i in _refused(*args)),
        ),
        Situation(
            "a check loses exactly as much as is tolerated",
            lambda new, old, patience, tolerance: old[0] - tolerance in old[1:],
        ),
        Situation("two checks are equally good on the new domain", lambda new, *rest: len(set(new)) < len(new)),
        Situation("patience is 1", lambda *args: args[2] == 1),
        Situation("nothing may be lost", lambda *args: args[3] == 0),
        Situation(
            "after the stop a better check would have come",
            lambda new, old, patience, tolerance: (
                check_to_keep(new, old, patience, tolerance)[0] != check_to_keep(new, old, 99, tolerance)[0]
            ),
        ),
    ),
    cases=(
        Case("the best one loses too much", lambda: ([50, 54, 58, 61, 57], [70, 69, 68, 64, 67], 2, 2), (2, 4)),
        Case("stopped before a better one", lambda: ([50, 53, 53, 52, 60], [70, 68, 70, 71, 70], 2, 2), (1, 3)),
        Case("nothing helps", lambda: ([50, 49, 50, 48], [70, 71, 70, 69], 3, 5), (0, 3)),
        Case("the start alone", lambda: ([50], [70], 1, 0), (0, 0)),
        Case(
            "what loses too much takes patience",
            lambda: ([50, 49, 55, 48, 53], [70, 70, 60, 70, 70], 2, 2),
            (0, 2),
        ),
        Case("the old domain gains first", lambda: ([30, 32, 36, 35, 38], [60, 66, 63, 59, 57], 2, 3), (4, 4)),
        Case(
            "better again after a pause",
            lambda: ([40, 44, 43, 45, 45, 44, 46, 47, 46], [60, 60, 60, 59, 58, 57, 55, 58, 58], 3, 2),
            (3, 6),
        ),
    ),
    mistakes=(
        Mistake(
            "the old domain is not looked at",
            _watching(allowed=lambda *args: True),
            "You keep the best on the new domain, whatever it loses on the old one. Only checks whose old quality is at least start minus tolerance may be kept.",
        ),
        Mistake(
            "tolerance is not used",
            _watching(allowed=lambda new, old, i, kept, tolerance: old[i] >= old[0]),
            "You allow no loss at all. A check may lose as much as `tolerance` on the old domain.",
        ),
        Mistake(
            "exactly as much is refused",
            _watching(allowed=lambda new, old, i, kept, tolerance: old[i] > old[0] - tolerance),
            "A check that loses exactly as much as is tolerated is refused with you. *At least* start minus tolerance is `>=`.",
        ),
        Mistake(
            "the loss is counted from the check before",
            _watching(allowed=lambda new, old, i, kept, tolerance: old[i] >= old[i - 1] - tolerance),
            "You count the loss from the check before. Many small losses are then a large one that nobody sees: count from the start.",
        ),
        Mistake(
            "the loss is counted from the kept check",
            _watching(allowed=lambda new, old, i, kept, tolerance: old[i] >= old[kept] - tolerance),
            "You count the loss from the check that is kept so far. Each new best may then lose once more: count from the start.",
        ),
        Mistake(
            "the loss is counted from the best so far",
            _watching(allowed=lambda new, old, i, kept, tolerance: old[i] >= max(old[: i + 1]) - tolerance),
            "You count the loss from the highest old quality so far. A gain on the old domain is then punished afterwards: count from the start.",
        ),
        Mistake(
            "a share of the start",
            _watching(allowed=lambda new, old, i, kept, tolerance: old[i] >= old[0] * (1 - tolerance / 100)),
            "You read `tolerance` as a share in per cent. It is a number of the same kind as the qualities: start minus tolerance.",
        ),
        Mistake(
            "no change in either direction",
            _watching(allowed=lambda new, old, i, kept, tolerance: abs(old[i] - old[0]) <= tolerance),
            "You refuse checks that *gain* more than `tolerance` on the old domain, too. Only a loss is to be bounded.",
        ),
        Mistake(
            "of equals the later",
            _watching(better=lambda new, old, i, kept: new[i] >= new[kept]),
            "A check that is as good as the best so far counts as a new best with you. It is none: the earlier one is kept, and patience goes on.",
        ),
        Mistake(
            "better by more than the tolerance",
            lambda new, old, patience, tolerance: _watch(
                new, old, patience, tolerance, better=lambda new, old, i, kept: new[i] > new[kept] + tolerance
            ),
            "You ask for a gain above `tolerance` on the new domain. The tolerance belongs to the old one; any gain counts.",
        ),
        Mistake(
            "the sum of both",
            _watching(better=lambda new, old, i, kept: new[i] + old[i] > new[kept] + old[kept]),
            "You compare the sum of both qualities. The old one only decides what is allowed; among those the new one alone counts.",
        ),
        Mistake(
            "both have to rise",
            _watching(allowed=lambda new, old, i, kept, tolerance: old[i] > old[kept]),
            "You ask for a gain on the old domain, too. It may lose, as much as is tolerated, counted from the start.",
        ),
        Mistake(
            "either is enough",
            lambda new, old, patience, tolerance: _watch(
                new,
                old,
                patience,
                tolerance,
                allowed=lambda *args: True,
                better=lambda new, old, i, kept: new[i] > new[kept] or old[i] >= old[0] - tolerance,
            ),
            "One of the two conditions is enough with you. A new best must be allowed *and* higher.",
        ),
        Mistake(
            "new and old exchanged",
            lambda new, old, patience, tolerance: check_to_keep(old, new, patience, tolerance),
            "You look for the best on the old domain, and bound the loss on the new one. The other way round.",
        ),
        Mistake(
            "never stopped",
            _watching(is_over=lambda waited, patience: False),
            "`patience` does nothing: you look at all checks. After so many in a row without a new best the training stops, and later checks are never made.",
        ),
        Mistake(
            "one more than patience",
            _watching(is_over=lambda waited, patience: waited > patience),
            "You stop one check too late: `patience` checks in a row without a new best are enough, so it is `>=`.",
        ),
        Mistake(
            "one less than patience",
            _watching(is_over=lambda waited, patience: waited >= max(1, patience - 1)),
            "You stop one check too early. Do you count the new best itself as the first one without?",
        ),
        Mistake(
            "not in a row",
            _not_in_a_row,
            "You count all checks without a new best. Only those in a row count: a new best sets the count back to 0.",
        ),
        Mistake(
            "what is not allowed takes no patience",
            _watching(waits=lambda waited, new, old, i, allowed: waited + 1 if allowed else waited),
            "A check that loses too much does not count against patience with you. It has brought no new best either: it counts.",
        ),
        Mistake(
            "patience is looked at after allowed checks alone",
            _patience_of_allowed_checks,
            "A check that loses too much is passed over with you before patience is looked at, so the training goes on where it should stop. Look at patience after "
            "every check.",
        ),
        Mistake(
            "what is not allowed gives patience back",
            _watching(waits=lambda waited, new, old, i, allowed: waited + 1 if allowed else 0),
            "A check that loses too much sets the count back to 0. It has brought no new best: it counts like any other.",
        ),
        Mistake(
            "patience looks at the new domain alone",
            _bar_raised_and_waits_anew,
            "As long as the new quality rises you go on, also where the old one has lost too much. Only a check that may be *kept* is a new best.",
        ),
        Mistake(
            "what is not allowed raises the bar",
            _bar_raised,
            "A check that loses too much raises the bar for those after it, though it is not kept. Compare with the best of the *allowed* ones.",
        ),
        Mistake(
            "stopped at the first loss",
            _watching(ends=lambda new, old, i, allowed: not allowed),
            "You stop at the first check that loses too much. The old quality may come back; only patience stops.",
        ),
        Mistake(
            "the best, if it is allowed",
            _best_first_then_allowed,
            "You look for the best on the new domain first, and ask afterwards whether it is allowed. If it is not, the best of the allowed ones is kept, not the "
            "start.",
        ),
        Mistake(
            "the start cannot be kept",
            _without_the_start,
            "With you, the first check after the start is kept whatever it is. The start is a check, too: a training that helps nothing, or loses too much, "
            "changes nothing.",
        ),
        Mistake(
            "the best of all checks",
            _best_of_all,
            "You keep a check that is never made: the training has stopped before it.",
        ),
        Mistake(
            "patience from check to check",
            _better_than_the_one_before,
            "You count from the last check that was better than the one before it. A small rise after a deep fall is no new best: compare with the best so far.",
        ),
        Mistake(
            "the last one is kept",
            _watching(result=lambda kept, last, new, old: (last, last)),
            "You keep the check at which the training stopped. That is the one patience had run out for: keep the best.",
        ),
        Mistake(
            "the quality",
            _watching(result=lambda kept, last, new, old: (new[kept], last)),
            "You return the new quality of the best check. Its number is asked for, from 0.",
        ),
        Mistake(
            "the last but one where it stops",
            _last_before_the_stop,
            "Where the training stops you return the check before the last. The one after which it stops has been made, too: note it before you leave the loop.",
        ),
        Mistake(
            "how many checks",
            _watching(result=lambda kept, last, new, old: (kept, last + 1)),
            "You return how many checks were made. The number of the last one is asked for, and the start is number 0.",
        ),
        Mistake(
            "counted from 1",
            _watching(result=lambda kept, last, new, old: (kept + 1, last + 1)),
            "You count from 1. The start is check 0.",
        ),
        Mistake(
            "only the check to keep",
            lambda *args: check_to_keep(*args)[0],
            "You return the check to keep alone. Two numbers are asked for: that one, and the last check that is made.",
        ),
        Mistake(
            "the last one first",
            lambda *args: check_to_keep(*args)[::-1],
            "The numbers are right, in the other order: the check to keep comes first.",
        ),
    ),
    hints=(
        "Go through the checks as the training makes them, one after the other. What do you have to remember from one to the next?",
        "Two numbers: which check is the best so far, at first the start, and how many have come since. Which two conditions make a check the new best?",
        "If it is a new best, the count begins anew; if not, for whichever reason, it goes up by one. Look at the count after each check.",
    ),
)


# --- 18.6 the other way round ----------------------------------------------------------------


def smallest_example() -> tuple[list[int], list[int], list[list[int]], list[list[int]]]:
    """One number of each, the frozen weight zero: x, target, weight, lora_A."""
    return [1], [1], [[0]], [[1]]


def _whole(*args: Any) -> list[np.ndarray]:
    return [np.asarray(compare.to_array(a) if isinstance(a, Tensor) else a, dtype=float) for a in args]


def _one_step(x: Any, target: Any, weight: Any, lora_A: Any) -> list[float]:
    """What the layer gives after one step of gradient descent on A and B, rate 1, scale 1, loss half the squared error, B at zero."""
    x, target, weight, A = _whole(x, target, weight, lora_A)
    B = np.zeros((len(target), len(A)))
    error = weight @ x + B @ (A @ x) - target  # (D_out,)
    A, B = A - np.outer(B.T @ error, x), B - np.outer(error, A @ x)
    found: list[float] = (weight @ x + B @ (A @ x)).tolist()
    return found


def _one_step_from_zero(x: Any, target: Any, weight: Any, lora_A: Any) -> list[float]:
    return _one_step(x, target, weight, np.zeros_like(_whole(lora_A)[0]))


def _not_an_example(x: Any, target: Any, weight: Any, lora_A: Any) -> str | None:
    names = {"x": x, "target": target, "weight": weight, "lora_A": lora_A}
    for name, value in names.items():
        if not isinstance(value, list | tuple | np.ndarray | Tensor):
            return f"{name} must be a list or a tensor"
    try:
        found = dict(zip(names, _whole(*names.values()), strict=True))
    except (ValueError, TypeError):
        return "weight and lora_A must be lists of rows that are equally long"
    for name, axes in {"x": 1, "target": 1, "weight": 2, "lora_A": 2}.items():
        if found[name].ndim != axes or not found[name].size:
            shape = "a list of numbers, such as [1, 2]" if axes == 1 else "a list of rows, such as [[1, 2]]"
            return f"{name} must be {shape}"
    D_in, D_out = len(found["x"]), len(found["target"])
    if found["weight"].shape != (D_out, D_in):
        return f"weight must be (D_out, D_in) = ({D_out}, {D_in}), got {found['weight'].shape}"
    if found["lora_A"].shape[1] != D_in:
        return f"lora_A must be (r, D_in) with D_in = {D_in}, got {found['lora_A'].shape}"
    if any((np.abs(value) > 9).any() or (value != value.round()).any() for value in found.values()):
        return "all numbers must be whole ones from -9 to 9"
    return None


def _nonzero(*args: Any) -> int:
    return sum(int(np.count_nonzero(a)) for a in _whole(*args))


def _stands_still(x: Any, target: Any, weight: Any, lora_A: Any) -> bool:
    return compare.same_values(
        _one_step(x, target, weight, lora_A), _one_step_from_zero(x, target, weight, lora_A), 1e-5
    )


def _error(x: Any, target: Any, weight: Any) -> np.ndarray:
    x, target, weight = _whole(x, target, weight)
    found: np.ndarray = weight @ x - target
    return found


ZERO = Reversed(
    id="18.6",
    title="an adapter that learns nothing",
    difficulty="easy",
    minutes=6,
    section="Build it: an adapter that learns nothing",
    signature="() -> (D_in,), (D_out,), (D_out, D_in), (r, D_in)",
    reference=smallest_example,
    another=lambda: (torch.tensor([2]), torch.tensor([0]), torch.tensor([[-1]]), torch.tensor([[3]])),
    right=_one_step,
    wrong=_one_step_from_zero,
    valid=_not_an_example,
    smallest=3,
    measure=_nonzero,
    cases=(Case("nothing is passed in", lambda: (), smallest_example()),),
    mistakes=(
        Mistake(
            "numbers instead of lists",
            lambda: (1, 1, 0, 1),
            "x and target are vectors, weight and lora_A matrices, also where they hold one number: [1] and [[1]].",
            when=lambda x, target, weight, A: any(np.ndim(a) == 0 for a in (x, target, weight, A)),
        ),
        Mistake(
            "a matrix is a list of numbers",
            lambda: ([1], [1], [0], [1]),
            "weight and lora_A are lists of rows, also where there is one row: [[1]].",
            when=lambda x, target, weight, A: 1 in (np.ndim(weight), np.ndim(A)),
        ),
        Mistake(
            "a batch",
            lambda: ([[1]], [[1]], [[0]], [[1]]),
            "x and target are one example, a list of numbers each, not a list of lists.",
            when=lambda x, target, weight, A: np.ndim(x) == 2 or np.ndim(target) == 2,
        ),
        Mistake(
            "the shapes do not fit",
            lambda: ([1, 0], [1], [[0, 0]], [[1]]),
            "lora_A and weight have as many columns as x has numbers, and weight as many rows as target.",
            when=lambda x, target, weight, A: np.shape(weight) != (len(target), len(x)) or np.shape(A)[1] != len(x),
        ),
        Mistake(
            "broken numbers",
            lambda: ([0.5], [1], [[0]], [[1]]),
            "Whole numbers from -9 to 9 are asked for, so that a difference cannot hide in the last digits.",
            when=lambda x, target, weight, A: any(
                (a != a.round()).any() or (abs(a) > 9).any() for a in _whole(x, target, weight, A)
            ),
        ),
        Mistake(
            "lora_A is zero",
            lambda: ([1], [1], [[0]], [[0]]),
            "You start lora_A at zero yourself, so both do the same: nothing. Give it what a right start has.",
            when=lambda x, target, weight, A: not _whole(A)[0].any(),
        ),
        Mistake(
            "x is zero",
            lambda: ([0], [1], [[0]], [[1]]),
            "With x at zero no matrix can change what comes out.",
            when=lambda x, target, weight, A: not _whole(x)[0].any(),
        ),
        Mistake(
            "there is nothing to learn",
            lambda: ([1], [0], [[0]], [[1]]),
            "The frozen layer gives the target already. Where there is no error there is no gradient, however the adapter starts.",
            when=lambda x, target, weight, A: not _error(x, target, weight).any(),
        ),
        Mistake(
            "lora_A does not see x",
            lambda: ([1, 0], [1], [[0, 0]], [[0, 1]]),
            "lora_A times x is zero: the one looks where the other has nothing. Then lora_B gets no gradient in a right start either.",
            when=lambda x, target, weight, A: not (_whole(A)[0] @ _whole(x)[0]).any(),
        ),
        Mistake(
            "weight and target",
            lambda: ([1], [2], [[1]], [[1]]),
            "It shows the mistake. Weight and target are both given, and an error needs only one of them: let the other be zero.",
            when=lambda x, target, weight, A: (
                not _stands_still(x, target, weight, A) and all(part.any() for part in _whole(weight, target))
            ),
        ),
        Mistake(
            "more of it than it takes",
            lambda: ([1, 1], [1], [[0, 0]], [[1, 0]]),
            "It shows the mistake, with more numbers that are not zero than it takes. One in each of the places that must not be empty is enough.",
            when=lambda x, target, weight, A: not _stands_still(x, target, weight, A),
        ),
    ),
    hints=(
        "Write down the gradients of A and B. With B at zero, which of them is zero? With A at zero, too, which is left?",
        "The gradient of B is the error times (A x), that of A is B times the error, times x. What must not be zero for B to move?",
        "Vectors and matrices of one number each will do. An error is there as soon as the frozen layer's output and the target differ.",
    ),
)


# --- 18.7 a mix of two sources ---------------------------------------------------------------

Pair = tuple[str, str]


def mixed_batches(
    domain: Sequence[Pair], general: Sequence[Pair], percent: int, batch_size: int, num_batches: int
) -> list[list[Pair]]:
    """Batches of two sources, a share from the second one: two lists of pairs, int, int, int -> list of lists of pairs."""
    batches: list[list[Pair]] = []
    places = [0, 0]  # where each source goes on
    for b in range(num_batches):
        due = (b + 1) * batch_size * percent // 100 - b * batch_size * percent // 100
        batch: list[Pair] = []
        for which, (source, wanted) in enumerate(((domain, batch_size - due), (general, due))):
            for _ in range(wanted):
                round_trip = range(places[which], places[which] + len(source))
                fresh = next((i for i in round_trip if source[i % len(source)] not in batch), None)
                if fresh is None:
                    raise ValueError(f"batch {b} needs a pair that it does not hold yet, and there is none")
                batch.append(source[fresh % len(source)])
                places[which] = fresh + 1
        batches.append(batch)
    return batches


def _with_a_ring(domain, general, percent, batch_size, num_batches):
    """Each source is a ring that turns; what is left over of a per cent is carried to the next batch."""
    rings, carried, batches = [list(domain), list(general)], 0, []
    for _ in range(num_batches):
        due, carried = divmod(carried + batch_size * percent, 100)
        batch = []
        for ring, wanted in zip(rings, (batch_size - due, due), strict=True):
            for _ in range(wanted):
                turn = next((i for i, pair in enumerate(ring) if pair not in batch), None)
                if turn is None:
                    raise ValueError("too few different pairs")
                batch.append(ring[turn])
                ring[:] = ring[turn + 1 :] + ring[: turn + 1]
        batches.append(batch)
    return batches


def _so_far(percent: int, batch_size: int, num_batches: int, domain: int, general: int) -> list[int]:
    """How many general pairs each batch has."""
    totals = [b * batch_size * percent // 100 for b in range(num_batches + 1)]
    return [b - a for a, b in pairwise(totals)]


def _in_each(many: Callable[[int, int], int]) -> Callable[..., list[int]]:
    return lambda percent, size, num, domain, general: [min(size, many(percent, size))] * num


def _not_twice(pair: Pair, batch: list[Pair], own: list[Pair]) -> bool:
    return pair not in batch


def _mixed(
    domain, general, percent, batch_size, num_batches, *, counts=_so_far, fresh=_not_twice, anew=(), cycle=True,
    pad=False, together=lambda own, others: own + others, wanted_of=lambda due, size: (size - due, due), one_place=False,
):  # fmt: skip
    """Batches of two sources, one part exchanged.

    `anew` names sources that begin each batch at the front, `cycle` comes round again, `pad` leaves a batch short in place of an error.
    """
    batches, places = [], [0, 0]
    for due in counts(percent, batch_size, num_batches, len(domain), len(general)):
        parts: list[list[Pair]] = [[], []]
        for which in anew:
            places[which] = 0
        for which, (source, wanted) in enumerate(zip((domain, general), wanted_of(due, batch_size), strict=True)):
            at = 0 if one_place else which
            for _ in range(wanted):
                end = places[at] + len(source) if cycle else len(source)
                found = next(
                    (
                        i
                        for i in range(places[at], end)
                        if fresh(source[i % len(source)], parts[0] + parts[1], parts[which])
                    ),
                    None,
                )
                if found is None:
                    if pad:
                        break
                    raise ValueError("too few pairs")
                parts[which].append(source[found % len(source)])
                places[at] = found + 1
        batches.append(together(*parts))
    return batches


def _mixing(**parts: Any) -> Answer:
    return lambda *args: _mixed(*args, **parts)


def _rest_in_the_last(percent, size, num, domain, general):
    each = size * percent // 100
    return [each] * (num - 1) + [min(size, num * size * percent // 100 - each * (num - 1))]


def _rest_in_the_first(percent, size, num, domain, general):
    each, total = size * percent // 100, num * size * percent // 100
    return [each + (b < total - each * num) for b in range(num)]


def _one_source_after_the_other(percent, size, num, domain, general):
    left, counts = num * size * percent // 100, []
    for b in range(num):
        due = min(size, max(0, left - (num - 1 - b) * size))
        counts.append(due)
        left -= due
    return counts


def _general_first_in_the_run(percent, size, num, domain, general):
    left, counts = num * size * percent // 100, []
    for _ in range(num):
        counts.append(min(size, left))
        left -= counts[-1]
    return counts


def _rounded_in_sum(percent, size, num, domain, general):
    totals = [(2 * b * size * percent + 100) // 200 for b in range(num + 1)]
    return [b - a for a, b in pairwise(totals)]


def _rounded_up_in_sum(percent, size, num, domain, general):
    totals = [-(-b * size * percent // 100) for b in range(num + 1)]
    return [b - a for a, b in pairwise(totals)]


def _by_the_sizes(percent, size, num, domain, general):
    total = domain + general
    totals = [b * size * general // total if total else 0 for b in range(num + 1)]
    return [b - a for a, b in pairwise(totals)]


def _never_twice_in_the_run(domain, general, percent, batch_size, num_batches):
    seen: set[Pair] = set()

    def fresh(pair: Pair, batch: list[Pair], own: list[Pair]) -> bool:
        if pair in seen:
            return False
        seen.add(pair)
        return True

    return _mixed(domain, general, percent, batch_size, num_batches, fresh=fresh)


def _passed_over_comes_next(domain, general, percent, batch_size, num_batches):
    """A pair that is passed over stays at the front of its source."""
    rings, batches = [list(domain), list(general)], []
    for due in _so_far(percent, batch_size, num_batches, 0, 0):
        batch: list[Pair] = []
        for ring, wanted in zip(rings, (batch_size - due, due), strict=True):
            for _ in range(wanted):
                found = next((i for i, pair in enumerate(ring) if pair not in batch), None)
                if found is None:
                    raise ValueError("too few pairs")
                pair = ring.pop(found)
                ring.append(pair)
                batch.append(pair)
        batches.append(batch)
    return batches


def _taken_away(domain, general, percent, batch_size, num_batches):
    found = mixed_batches(list(domain), list(general), percent, batch_size, num_batches)
    for source in (domain, general):
        source.append(source.pop(0)) if source else None
    return found


def _needs_a_whole_batch(domain, general, percent, batch_size, num_batches):
    if len(set(domain)) < batch_size or len(set(general)) < batch_size:
        raise ValueError("a source is smaller than a batch")
    return mixed_batches(domain, general, percent, batch_size, num_batches)


def _needs_both(domain, general, percent, batch_size, num_batches):
    if not domain or not general:
        raise ValueError("a source is empty")
    return mixed_batches(domain, general, percent, batch_size, num_batches)


def _without_doubles(domain, general, percent, batch_size, num_batches):
    domain, general = list(dict.fromkeys(domain)), list(dict.fromkeys(general))
    return mixed_batches(domain, [p for p in general if p not in domain], percent, batch_size, num_batches)


def _filled_from_the_other(domain, general, percent, batch_size, num_batches):
    """Pairs that a source cannot give come from the other one."""
    places, batches = [0, 0], []
    for due in _so_far(percent, batch_size, num_batches, 0, 0):
        batch: list[Pair] = []
        for which, wanted in ((0, batch_size - due), (1, due)):
            for _ in range(wanted):
                for this in (which, 1 - which):
                    source = (domain, general)[this]
                    round_trip = range(places[this], places[this] + len(source))
                    i = next((i for i in round_trip if source[i % len(source)] not in batch), None)
                    if i is not None:
                        batch.append(source[i % len(source)])
                        places[this] = i + 1
                        break
                else:
                    raise ValueError("too few pairs")
        batches.append(batch)
    return batches


def _general_drawn_first(domain, general, percent, batch_size, num_batches):
    return _mixed(general, domain, percent, batch_size, num_batches, wanted_of=lambda due, size: (due, size - due))


def _doubles_dropped(domain, general, percent, batch_size, num_batches):
    found = _mixed(domain, general, percent, batch_size, num_batches, fresh=lambda pair, batch, own: True)
    return [list(dict.fromkeys(batch)) for batch in found]


def _batch_left_out(domain, general, percent, batch_size, num_batches):
    batches, places = [], [0, 0]
    for due in _so_far(percent, batch_size, num_batches, 0, 0):
        batch: list[Pair] = []
        for which, (source, wanted) in enumerate(((domain, batch_size - due), (general, due))):
            at, before = places[which], len(batch)
            for _ in range(wanted):
                i = next((i for i in range(at, at + len(source)) if source[i % len(source)] not in batch), None)
                if i is None:
                    break
                batch.append(source[i % len(source)])
                at = i + 1
            if len(batch) - before < wanted:
                break
            places[which] = at
        else:
            batches.append(batch)
    return batches


def _one_growing_batch(domain, general, percent, batch_size, num_batches):
    batch: list[Pair] = []
    batches, places = [], [0, 0]
    for due in _so_far(percent, batch_size, num_batches, 0, 0):
        for which, (source, wanted) in enumerate(((domain, batch_size - due), (general, due))):
            for _ in range(wanted):
                round_trip = range(places[which], places[which] + len(source))
                i = next((i for i in round_trip if source[i % len(source)] not in batch), None)
                if i is None:
                    raise ValueError("too few pairs")
                batch.append(source[i % len(source)])
                places[which] = i + 1
        batches.append(list(batch))
    return batches


def _taking_turns(own: list[Pair], others: list[Pair]) -> list[Pair]:
    found = [pair for both in zip(own, others, strict=False) for pair in both]
    return found + own[len(others) :] + others[len(own) :]


def _draw_sources(rng: random.Random) -> tuple[Any, ...]:
    def source(letter: str, most: int) -> list[Pair]:
        return [(f"{letter}{i}?", f"{letter}{i}") for i in range(1, rng.randint(1, most) + 1)]

    domain, general = source("d", 6), source("g", 6)
    batch_size = rng.randint(1, 4)
    percent = rng.choice((0, 10, 25, 30, 33, 50, 50, 60, 75, 100))
    if rng.random() < 0.3:
        general.insert(rng.randint(0, len(general)), rng.choice(domain))
    if rng.random() < 0.2:
        domain.insert(rng.randint(0, len(domain)), rng.choice(domain))
    if rng.random() < 0.2:
        domain.append((domain[0][0], "d9"))  # the same query with another passage is another pair
    if percent == 0 and rng.random() < 0.4:
        general = []
    if percent == 100 and rng.random() < 0.4:
        domain = []
    return domain, general, percent, batch_size, rng.randint(1, 5)


def _lacks(*args: Any) -> bool:
    try:
        mixed_batches(*args)
    except ValueError:
        return True
    return False


def _pairs_of(letter: str, count: int) -> list[Pair]:
    return [(f"{letter}{i}?", f"{letter}{i}") for i in range(1, count + 1)]


def _named(*names: str) -> list[Pair]:
    return [(f"{name}?", name) for name in names]


def _two_in_common() -> tuple[Any, ...]:
    """The general pairs hold d2, which their turn brings beside the domain's d2; d1 stands twice in the domain."""
    return _named("d1", "d2", "d1", "d3"), _named("g1", "d2", "g2"), 50, 4, 3


def _the_share_is_kept(answer: Answer) -> str | None:
    domain, general = _pairs_of("d", 9), _pairs_of("g", 9)
    for percent, size, num in ((30, 7, 10), (33, 4, 25), (5, 8, 10)):
        found = sum(pair[1][0] == "g" for batch in answer(domain, general, percent, size, num) for pair in batch)
        wanted = num * size * percent // 100
        if found != wanted:
            return f"{percent} per cent of {num} batches of {size}: {found} general pairs, {wanted} are asked for"
    return None


def _none_twice(answer: Answer) -> str | None:
    for batch in answer(*_two_in_common()):
        if len(set(batch)) < len(batch):
            return f"a batch is {[passage for _, passage in batch]}"
    return None


MIX = Exercise(
    id="18.7",
    title="a mix of two sources",
    difficulty="hard",
    minutes=18,
    section="Build it: a mix of two sources",
    signature="list of pairs, list of pairs, int, int, int -> list of lists of pairs",
    reference=mixed_batches,
    another=_with_a_ring,
    draw=_draw_sources,
    loops=True,
    situations=(
        Situation(
            "a batch's share of general pairs is not a whole number", lambda d, g, p, size, num: size * p % 100 > 0
        ),
        Situation(
            "the general pairs of the run are not a whole number", lambda d, g, p, size, num: num * size * p % 100 > 0
        ),
        Situation("a source comes round again", lambda d, g, p, size, num: num * size * (100 - p) // 100 > len(d)),
        Situation("a source has too few pairs for a batch", _lacks),
        Situation("a pair stands in both sources", lambda d, g, *rest: bool(set(d) & set(g))),
        Situation("a pair stands twice in a source", lambda d, g, *rest: len(set(d)) < len(d)),
        Situation("two pairs have the same query", lambda d, g, *rest: len({q for q, _ in d}) < len(set(d))),
        Situation("a source is empty", lambda d, g, *rest: not d or not g),
        Situation("there is one batch", lambda d, g, p, size, num: num == 1),
        Situation("no general pair is asked for", lambda d, g, p, *rest: p == 0),
        Situation("a batch holds one pair", lambda d, g, p, size, num: size == 1),
    ),
    cases=(
        Case(
            "three batches of three, 40 per cent",
            lambda: (_pairs_of("d", 4), _pairs_of("g", 2), 40, 3, 3),
            [_named("d1", "d2", "g1"), _named("d3", "d4", "g2"), _named("d1", "d2", "g1")],
        ),
        Case(
            "a quarter of two: every second batch",
            lambda: (_pairs_of("d", 3), _pairs_of("g", 3), 25, 2, 4),
            [_named("d1", "d2"), _named("d3", "g1"), _named("d1", "d2"), _named("d3", "g2")],
        ),
        Case(
            "pairs that stand twice, and in both",
            _two_in_common,
            [_named("d1", "d2", "g1", "g2"), _named("d1", "d3", "g1", "d2"), _named("d1", "d2", "g2", "g1")],
        ),
        Case("too few general pairs for one batch", lambda: (_pairs_of("d", 4), _pairs_of("g", 1), 50, 4, 2)),
        Case(
            "none asked for, none there",
            lambda: (_pairs_of("d", 3), [], 0, 2, 2),
            [_named("d1", "d2"), _named("d3", "d1")],
        ),
        Case("60 per cent of three, five times", lambda: (_pairs_of("d", 5), _pairs_of("g", 4), 60, 3, 5)),
        Case(
            "one query, two passages",
            lambda: ([("d1?", "d1"), ("d1?", "d2"), ("d3?", "d3")], _pairs_of("g", 2), 34, 3, 2),
        ),
    ),
    properties=(
        Property("over the run the share is kept", _the_share_is_kept),
        Property("no pair stands twice in a batch", _none_twice),
    ),
    mistakes=(
        Mistake(
            "rounded down in each batch",
            _mixing(counts=_in_each(lambda percent, size: size * percent // 100)),
            "You round the share down in every batch anew, and what is cut off is lost each time: 10 per cent of a batch of 8 is never a pair. Count over the "
            "batches so far, and take what is still missing.",
        ),
        Mistake(
            "rounded in each batch",
            _mixing(counts=_in_each(lambda percent, size: round(size * percent / 100))),
            "You round the share in every batch anew, in the same direction each time. Count over the batches so far, and take what is still missing.",
        ),
        Mistake(
            "rounded up in each batch",
            _mixing(counts=_in_each(lambda percent, size: -(-size * percent // 100))),
            "You round the share up in every batch, so over the run there are too many general pairs. Count over the batches so far.",
        ),
        Mistake(
            "one general pair at least",
            _mixing(
                counts=lambda percent, size, num, d, g: [
                    max(c, int(percent > 0)) for c in _so_far(percent, size, num, d, g)
                ]
            ),
            "You give every batch a general pair at least. Where the share is small some batches have none.",
        ),
        Mistake(
            "rounded to the nearest in sum",
            _mixing(counts=_rounded_in_sum),
            "You count over the batches so far, which is right, and round to the nearest. The contract rounds down: a pair is drawn when it is due as a whole.",
        ),
        Mistake(
            "rounded up in sum",
            _mixing(counts=_rounded_up_in_sum),
            "You count over the batches so far, which is right, and round up. The contract rounds down: a pair is drawn when it is due as a whole.",
        ),
        Mistake(
            "what is left goes into the last batch",
            _mixing(counts=_rest_in_the_last),
            "The total is right, but all that rounding has cut off comes in the last batch. Spread it: after each batch the count is that of the share so far.",
        ),
        Mistake(
            "what is left goes into the first batches",
            _mixing(counts=_rest_in_the_first),
            "The total is right, but what rounding has cut off comes in the first batches. After each batch the count is that of the share so far, rounded down.",
        ),
        Mistake(
            "one batch too late",
            _mixing(counts=lambda percent, size, num, d, g: [0, *_so_far(percent, size, num - 1, d, g)]),
            "You count what is due *before* a batch, so each share comes one batch too late, and the first batch has none. The batch itself belongs to the count.",
        ),
        Mistake(
            "general pairs at the end of the run",
            _mixing(counts=_one_source_after_the_other),
            "You train on the domain first, and on general pairs in the last batches. That is a training in stages. A mix has its share in each batch.",
        ),
        Mistake(
            "general pairs at the start of the run",
            _mixing(counts=_general_first_in_the_run),
            "You draw all general pairs in the first batches, and what they have kept up is forgotten afterwards. A mix has its share in each batch.",
        ),
        Mistake(
            "the share is that of the domain",
            _mixing(wanted_of=lambda due, size: (due, size - due)),
            "With you, `percent` is the share of the domain. It is that of the general pairs.",
        ),
        Mistake(
            "all that are due so far, in each batch",
            _mixing(
                counts=lambda percent, size, num, d, g: [
                    min(size, b * size * percent // 100) for b in range(1, num + 1)
                ]
            ),
            "You give each batch all the general pairs that are due since the first one. Those that were drawn before have to be taken off.",
        ),
        Mistake(
            "general pairs come on top",
            _mixing(wanted_of=lambda due, size: (size, due)),
            "You draw a whole batch of the domain, and general pairs on top. `batch_size` counts both together.",
        ),
        Mistake(
            "by the sizes of the sources",
            _mixing(counts=_by_the_sizes),
            "You draw as many of each as their sizes say, and `percent` does nothing. Then a large general source drowns the domain.",
        ),
        Mistake(
            "each batch begins at the front",
            _mixing(anew=(0, 1)),
            "Every batch begins at the front of both sources, so the same few pairs are seen again and again. Go on where the batch before has stopped.",
        ),
        Mistake(
            "general pairs begin at the front in each batch",
            _mixing(anew=(1,)),
            "Every batch begins at the front of the general pairs, so the same few are seen again and again. Go on where the batch before has stopped, in both sources.",
        ),
        Mistake(
            "the front of both sources",
            _mixing(anew=(0, 1), cycle=False, pad=True, fresh=lambda pair, batch, own: True),
            "You cut the first pairs off both sources in every batch, so the same few are seen again and again. Keep a place for each source, and go on there.",
        ),
        Mistake(
            "one place for both sources",
            _mixing(one_place=True),
            "Both sources share one place. What is drawn from the one is then passed over in the other: each needs its own.",
        ),
        Mistake(
            "a source ends",
            _mixing(cycle=False),
            "You raise an error where a source has come to its end. It begins again from the front.",
        ),
        Mistake(
            "batches get short",
            _mixing(cycle=False, pad=True, fresh=lambda pair, batch, own: True),
            "Where a source has come to its end your batches get shorter. It begins again from the front.",
        ),
        Mistake(
            "pairs twice in a batch",
            _mixing(fresh=lambda pair, batch, own: True),
            "You never ask whether the batch holds a pair already. Then its passage is a negative to its own query: pass over it.",
        ),
        Mistake(
            "only its own part is looked at",
            _mixing(fresh=lambda pair, batch, own: pair not in own),
            "You look for a pair among those of its own source alone. It may have come from the other one: look at the whole batch.",
        ),
        Mistake(
            "the query is compared",
            _mixing(fresh=lambda pair, batch, own: pair[0] not in [query for query, _ in batch]),
            "You pass over a pair whose *query* is in the batch. That is a stricter rule than the contract has: a pair is query and passage.",
        ),
        Mistake(
            "never twice in the run",
            _never_twice_in_the_run,
            "You never draw a pair a second time in the whole run. Only within a batch no pair stands twice; in a later one it may come again.",
        ),
        Mistake(
            "pairs that stand twice are taken out",
            _without_doubles,
            "You take out all repeated pairs before you begin. What stands in a source twice, or in both, is drawn as often; only one *batch* must not hold it twice.",
        ),
        Mistake(
            "a pair that is passed over comes next",
            _passed_over_comes_next,
            "A pair that you pass over stays in front, and comes first in the next batch. It is passed over until its source comes round again.",
        ),
        Mistake(
            "a short batch where pairs are too few",
            _mixing(pad=True),
            "Where a source has too few different pairs for a batch, you leave the batch short in silence. Raise ValueError.",
        ),
        Mistake(
            "no batch where pairs are too few",
            _batch_left_out,
            "Where a source has too few different pairs for a batch, you leave that batch out in silence. Raise ValueError.",
        ),
        Mistake(
            "a pair that stands twice is taken out again",
            _doubles_dropped,
            "A pair that the batch holds already is dropped, and none takes its place, so the batch is short. Pass over it, and take the next one.",
        ),
        Mistake(
            "filled up from the other source",
            _filled_from_the_other,
            "Where a source has too few different pairs for a batch, you take some of the other one, and the share is another than was asked for. Raise ValueError.",
        ),
        Mistake(
            "an error where a source is smaller than a batch",
            _needs_a_whole_batch,
            "You raise an error where a source has fewer pairs than a batch. It has to have enough for its *share* of a batch, no more.",
        ),
        Mistake(
            "an error where a source is empty",
            _needs_both,
            "You raise an error where a source is empty, also where nothing is asked of it. With 0 per cent there need be no general pair.",
        ),
        Mistake(
            "general pairs first",
            _mixing(together=lambda own, others: others + own),
            "The general pairs stand in front. Those of the domain come first.",
        ),
        Mistake(
            "general pairs are drawn first",
            _general_drawn_first,
            "You draw the general pairs first, and they stand in front. Those of the domain come first: of a pair in both, it is the general one that is passed over.",
        ),
        Mistake(
            "in turns",
            _mixing(together=_taking_turns),
            "You take one pair of each in turns. Those of the domain come first, then the general ones.",
        ),
        Mistake(
            "one batch that grows",
            _one_growing_batch,
            "You make the batch once, outside the loop, so each holds all those before it as well. Begin a new list for every batch.",
        ),
        Mistake(
            "one list",
            lambda *args: [pair for batch in mixed_batches(*args) for pair in batch],
            "You return one list of pairs. Each batch is a list of its own.",
        ),
        Mistake(
            "the sources have changed",
            _taken_away,
            "The batches are right, but a source that was passed in stands in another order afterwards; `pop` and `append` do that. Keep a place instead, or work on a "
            "copy.",
        ),
    ),
    hints=(
        "Two questions for each batch: how many general pairs does it have, and which ones? Answer them in two steps.",
        "How many are due after b batches, and after the one before? The difference is this batch's share. `//` with whole numbers is exact.",
        "Keep one place for each source. Look from there, once around at most, for the first pair that the batch does not hold; go on behind it.",
    ),
)

EXERCISES = (LORA, MERGE, BITS, AVERAGE, STOP, ZERO, MIX)
