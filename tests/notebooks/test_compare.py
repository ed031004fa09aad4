"""The comparison of outputs catches what it must and forgives what it may."""

import base64

import numpy as np
import pytest

from tests.helpers.compare import Data, Text


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Recall@10 0.527", "Recall@10 0.528"),
        ("loss 4.1588", "loss 4.1587"),
        ("1.0e-07", "1.1e-07"),
        ("verdict: holds\nmeasured: 0.9 on 5 seeds", "verdict: holds\nmeasured: 0.2 on 1 seed"),
        ("<p>measured: 0.9 on 5 seeds</p>", "<p>measured: 0.2 on 1 seed</p>"),
        ("✓ Claim 1\n  measured: 0.9", "✓ Claim 1\n  measured: none"),
        ("tensor([[0.6000, 0.8000]])", "tensor([[0.6001, 0.8000]])"),
    ],
)
def test_rounding_is_forgiven(a, b):
    assert Text(a) == Text(b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Recall@10 0.527", "Recall@10 0.538"),  # 2 %
        ("loss 4.1588", "loss 4.2420"),
        ("12 of 20 found", "13 of 20 found"),
        ("holds", "does not hold"),
        ("1.0e-07", "1.0e-06"),
        ("0.5 0.5", "0.5"),
        ("2.0", "2"),
        ("<p>measured: 0.9</p><p>holds</p>", "<p>measured: 0.9</p><p>depends</p>"),
        ("we measured: 0.9", "we measured: 0.2"),
    ],
)
def test_a_change_is_caught(a, b):
    assert Text(a) != Text(b)


def figure(y, title="a"):
    return Data({"data": [{"type": "scatter", "y": y}], "layout": {"title": {"text": title}}})


def test_figures_are_compared_to_three_digits():
    assert figure([1.0, 2.0, 0.0]) == figure([1.001, 2.0, 0.00001])
    assert figure([1.0, 2.0]) != figure([1.02, 2.0])
    assert figure([1.0, 2.0]) != figure([1.0])
    assert figure([1.0]) != figure([1.0], title="b")


def test_typed_arrays_are_decoded():
    typed = {"dtype": "f8", "bdata": base64.b64encode(np.array([1.0, 2.0]).tobytes()).decode()}
    assert figure(typed) == figure([1.0, 2.0])
    assert figure(typed) != figure([1.0, 2.1])
