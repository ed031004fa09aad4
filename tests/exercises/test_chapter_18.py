"""The plain forms of chapter 18 give what the package gives, and peft, and the table of bitsandbytes."""

import itertools
import random

import pytest
import torch

from workbook.adapt import LoRALinear, merge
from workbook.exercises import chapter_18 as chapter
from workbook.train.early_stopping import best, stopped_at

D_IN, D_OUT = 6, 5
SEEDS = range(3)


def lora_layer(seed: int, r: int = 2, alpha: float = 3.0) -> LoRALinear:
    torch.manual_seed(seed)
    layer = LoRALinear(torch.nn.Linear(D_IN, D_OUT), r, alpha)
    torch.nn.init.normal_(layer.lora_B)
    return layer


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("r", [1, 2, 4])
def test_an_update_is_that_of_the_layer_gradients_too(seed, r):
    layer, x = lora_layer(seed, r), torch.randn(7, D_IN, requires_grad=True)
    trained = [x, layer.lora_A, layer.lora_B]
    theirs = layer(x)
    wanted = torch.autograd.grad(theirs.square().sum(), trained)
    ours = chapter.lora_linear(x, layer.base.weight, layer.base.bias, layer.lora_A, layer.lora_B, layer.alpha)
    torch.testing.assert_close(ours, theirs)
    for a, b in zip(torch.autograd.grad(ours.square().sum(), trained), wanted, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_merged_weight_is_that_of_merge(seed):
    layer = lora_layer(seed)
    apart = {
        "weight": layer.base.weight.detach().clone(), "lora_A": layer.lora_A.detach().clone(),
        "lora_B": layer.lora_B.detach().clone(), "alpha": layer.alpha, "merged": False,
    }  # fmt: skip
    once = chapter.set_merged(apart, True)
    torch.testing.assert_close(chapter.set_merged(once, False)["weight"], apart["weight"])
    torch.testing.assert_close(once["weight"], merge(torch.nn.Sequential(layer))[0].weight.detach())


@pytest.mark.parametrize("seed", SEEDS)
def test_merging_is_that_of_peft(seed):
    peft = pytest.importorskip("peft")
    torch.manual_seed(seed)
    config = peft.LoraConfig(r=4, lora_alpha=6, target_modules=["0"], init_lora_weights=False)
    layer = peft.get_peft_model(torch.nn.Sequential(torch.nn.Linear(D_IN, D_OUT)), config).base_model.model[0]
    lora_A, lora_B = (part["default"].weight.detach() for part in (layer.lora_A, layer.lora_B))
    weight, bias = layer.weight.detach().clone(), layer.bias.detach()
    x = torch.randn(3, D_IN)
    torch.testing.assert_close(chapter.lora_linear(x, weight, bias, lora_A, lora_B, 6), layer(x).detach())
    layer.merge()
    apart = {"weight": weight, "lora_A": lora_A, "lora_B": lora_B, "alpha": 6, "merged": False}
    torch.testing.assert_close(chapter.set_merged(apart, True)["weight"], layer.weight.detach())


NF4 = torch.tensor(
    [
        -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
        -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
        0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
    ]
)  # fmt: skip


def test_the_levels_of_the_chapter_are_those_that_bitsandbytes_writes_out():
    up, down = (torch.special.ndtri(torch.linspace(0.5, 0.9677083, n, dtype=torch.float64)) for n in (9, 8))
    computed = (torch.cat([-down[1:].flip(0), up]) / up[-1]).float()
    torch.testing.assert_close(computed, NF4, atol=1e-6, rtol=0)


@pytest.mark.parametrize("block", [1, 64, 1000, 5000])
def test_no_other_level_is_nearer(block):
    numbers = torch.randn(2000, generator=torch.Generator().manual_seed(0))
    codes, absmax, values = chapter.four_bits(numbers, NF4, block)
    of_each = absmax.repeat_interleave(block)[:2000]
    assert len(absmax) == -(-2000 // block)
    errors = (NF4 * of_each[:, None] - numbers[:, None]).abs()
    assert bool(((values - numbers).abs() <= errors.amin(1) + 1e-6).all())
    torch.testing.assert_close(values, NF4[codes] * of_each)


def test_an_average_is_that_of_torch():
    from torch.optim.swa_utils import AveragedModel

    before, after = (torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3)) for _ in range(2))
    for _ in range(5):
        after(torch.randn(8, 4))
    mean = AveragedModel(before)
    for model in (before, after):
        mean.update_parameters(model)
    ours, theirs = chapter.average(before.state_dict(), after.state_dict(), 0.5), mean.module.state_dict()
    weights = {name for name, _ in before.named_parameters()}
    for name in weights | {"1.num_batches_tracked"}:
        torch.testing.assert_close(ours[name], theirs[name])


@pytest.mark.parametrize("seed", range(50))
def test_the_check_to_keep_is_that_of_early_stopping(seed):
    new, old, patience, tolerance = chapter._draw_checks(random.Random(seed))
    kept, last = chapter._one_check_at_a_time(new, old, patience, tolerance)
    curve = [{"step": 10 * i, "domain": n, "general": o} for i, (n, o) in enumerate(zip(new, old, strict=True))]
    floor = old[0] - tolerance
    assert min(stopped_at(curve, patience, floor), 10 * (len(new) - 1)) == 10 * last
    assert best(curve[: last + 1], floor) == 10 * kept


def test_no_example_of_two_numbers_shows_the_adapter_that_learns_nothing():
    """One number of each: with x or lora_A at zero, or without an error, both stand still."""
    exercise = chapter.ZERO
    for x, target, weight, a in itertools.product((-2, 0, 1), repeat=4):
        args = [x], [target], [[weight]], [[a]]
        if exercise.measure(*args) < exercise.smallest:
            assert exercise.right(*args) == exercise.wrong(*args)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_step_of_the_adapter_is_that_of_autograd(seed):
    draw = torch.Generator().manual_seed(seed)
    x, target, weight, a = (
        torch.randint(-3, 4, shape, generator=draw).double() for shape in ((4,), (3,), (3, 4), (2, 4))
    )
    for start, step in ((a, chapter._one_step), (torch.zeros_like(a), chapter._one_step_from_zero)):
        A, B = start.clone().requires_grad_(), torch.zeros(3, 2, dtype=torch.float64, requires_grad=True)
        loss = (
            chapter.lora_linear(x[None], weight, torch.zeros(3, dtype=x.dtype), A, B, 2)[0] - target
        ).square().sum() / 2
        to_A, to_B = torch.autograd.grad(loss, (A, B))
        after = chapter.lora_linear(x[None], weight, torch.zeros(3, dtype=x.dtype), A - to_A, B - to_B, 2)[0]
        torch.testing.assert_close(after.tolist(), step(x, target, weight, a))
