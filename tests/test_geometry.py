"""Alignment and uniformity: known values, and what does not change them."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbook.geometry import alignment, uniformity


def test_alignment_by_hand():
    x, y = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [0.0, -3.0]])
    assert torch.isclose(alignment(x, y), torch.tensor(2.0))  # distances 0 and 2, squared, averaged
    assert alignment(x, x) == 0


def test_uniformity_by_hand():
    opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert torch.isclose(uniformity(opposite), torch.tensor(-8.0))  # -t |x - y|² = -2 · 4
    assert torch.isclose(uniformity(torch.ones(5, 3)), torch.tensor(0.0), atol=1e-5)


def test_spread_vectors_reach_minus_four():
    x = torch.randn(2000, 256, generator=torch.Generator().manual_seed(0))
    assert uniformity(x) == pytest.approx(-4, abs=0.1)


@given(st.integers(0, 1000))
def test_rotation_changes_nothing(seed):
    generator = torch.Generator().manual_seed(seed)
    x, y = (torch.randn(6, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    rotation = torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=torch.float64)).Q
    assert torch.allclose(alignment(x @ rotation, y @ rotation), alignment(x, y))
    assert torch.allclose(uniformity(x @ rotation), uniformity(x))


def test_the_definition_with_loops():
    x = torch.nn.functional.normalize(torch.randn(5, 3, dtype=torch.float64))
    terms = [math.exp(-2 * float((x[i] - x[j]).pow(2).sum())) for i in range(5) for j in range(i)]
    assert float(uniformity(x)) == pytest.approx(math.log(sum(terms) / len(terms)), abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_halves_are_measured_in_float32_and_float64_stays(dtype):
    x, y = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0)).to(dtype)
    torch.testing.assert_close(
        (alignment(x, y), uniformity(x)), (alignment(x.float(), y.float()), uniformity(x.float()))
    )
    assert alignment(x.double(), y.double()).dtype == uniformity(x.double()).dtype == torch.float64


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="same shape"):
        alignment(torch.ones(2, 3), torch.ones(3, 3))
    with pytest.raises(ValueError, match="at least two vectors"):
        uniformity(torch.ones(1, 3))
