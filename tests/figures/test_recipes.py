"""The figures of chapter 11: what must hold whatever numbers they are given."""

import itertools

import pytest

from workbook.figures.plain import MAX_BYTES, num_bytes, plain
from workbook.figures.recipes import (
    CHOICES,
    NOTHING,
    PROMPT,
    Block,
    kind_of,
    lanes,
    lost,
    one_lane,
    six_orders,
    taken_out,
)
from workbook.figures.stored import stored
from workbook.recipes.families import RECIPES

FAMILIES = [make() for make in RECIPES.values()]
FOUND = {
    recipe.name: {
        "ndcg@10": {"all stages": [0.7, 0.72]},
        "interval": [0.71, 0.68, 0.74],
        "without": {name: [-0.05, -0.08, -0.02] for name in (*(s.name for s in recipe.stages), *([PROMPT] if recipe.query_prompt else []))},
    }
    for recipe in FAMILIES
}  # fmt: skip


def test_every_stage_has_a_look_and_every_choice_takes_something_out_of_a_family():
    for recipe in FAMILIES:
        assert all(kind_of(stage) in CHOICES for stage in recipe.stages)
        assert taken_out(recipe, NOTHING) is None
    for out in CHOICES[1:]:
        assert any(taken_out(recipe, out) for recipe in FAMILIES)
    assert taken_out(RECIPES["gte"](), PROMPT) is None
    assert taken_out(RECIPES["bge"](), "pre-training") == "retromae"


@pytest.mark.parametrize("out", CHOICES)
def test_lanes_move_only_where_something_was_taken_out(out):
    fig = lanes(FAMILIES, FOUND, out)
    blocks, (rings, marks) = fig.data[:-2], fig.data[-2:]
    assert [round(sum(bar.x[i] for bar in blocks), 2) for i in range(len(FAMILIES))] == [1.0] * len(FAMILIES)
    assert list(rings.x) == [0.71] * len(FAMILIES)
    for recipe, x in zip(FAMILIES, marks.x, strict=True):
        assert x == pytest.approx(0.71 if taken_out(recipe, out) is None else 0.66)
    hollow = sum(color == "rgba(0,0,0,0)" for bar in blocks for color in bar.marker.color)
    assert hollow == (0 if out in (NOTHING, PROMPT) else sum(taken_out(recipe, out) is not None for recipe in FAMILIES))


def test_the_signature_is_stored_with_all_of_its_states():
    fig, kept = stored(lambda taken_out: lanes(FAMILIES, FOUND, taken_out), {"taken_out": list(CHOICES)})
    assert kept == len(CHOICES)
    assert num_bytes(plain(fig)) < MAX_BYTES


def test_the_sentence_says_lost_or_tied():
    assert lost(FAMILIES, FOUND, NOTHING) == []
    assert lost([RECIPES["bge"]()], FOUND, PROMPT) == ["bge without prompt: -0.050 [-0.080, -0.020]"]
    tied = {"gte": {**FOUND["gte"], "without": {"weak pairs": [-0.01, -0.03, 0.01]}}}
    assert lost([RECIPES["gte"]()], tied, "weak pairs")[0].endswith("(tied)")


def test_one_lane_shows_each_published_number_above_its_stage():
    blocks = [
        Block("RetroMAE", "pre-training", {}),
        Block("unlabelled pairs", "weak pairs", {"batch 256": 57.25, "batch 2,048": 60.96}),
        Block("labelled pairs", "labelled pairs", {"one mined negative": 71.53}),
    ]
    fig = one_lane(blocks, "retrieval")
    assert list(fig.data[0].text) == ["", "57.25", "60.96", "71.53"]
    assert list(fig.layout.xaxis.ticktext) == ["RetroMAE", "batch 256", "batch 2,048", "one mined negative"]
    assert [note.text for note in fig.layout.annotations] == ["RetroMAE", "unlabelled pairs", "labelled pairs"]
    assert len(fig.layout.shapes) == 3
    assert "57" not in fig.layout.meta["alt"]


def test_six_orders_draw_one_in_full_and_say_where_it_ends():
    orders = [" → ".join(order) for order in itertools.permutations(("retromae", "weak pairs", "hard negatives"))]
    lines = {
        order: [[0.5, 0.6, 0.7, 0.70 + i / 100], [0.5, 0.6, 0.7, 0.72 + i / 100]] for i, order in enumerate(orders)
    }
    fig = six_orders(lines, orders[2])
    assert [line.line.width for line in fig.data] == [1.5, 1.5, 4, 1.5, 1.5, 1.5]
    assert list(fig.layout.xaxis.ticktext) == ["start", *orders[2].split(" → ")]
    assert "0.730" in fig.layout.annotations[0].text
    assert "0.760" in fig.layout.annotations[0].text
    assert fig.layout.yaxis.range == (0, 1)
