"""Every figure of a chapter knows what it draws and what to notice."""

import inspect
import re

import numpy as np
import pytest
import torch

from workbook.bm25 import BM25
from workbook.figures import (
    attention,
    contrastive,
    dual_encoders,
    first_retriever,
    hard_negatives,
    in_batch,
    measuring,
    pooling,
    start,
)
from workbook.figures.engine import described
from workbook.figures.theme import INK, figure
from workbook.figures.words import Words

CORPUS = {"a": "The moon\nis far.", "b": "The sea\nis near."}
LINES = {"BM25": {0.1: [0.2, 0.3], 1.0: [0.1, 0.2]}}
DRAWN = {
    attention.attention_map: (["a", "b"], torch.full((2, 2), 0.5)),
    attention.cost_curve: (64, 2, [16, 64]),
    attention.why_divide: (16,),
    contrastive.alignment_and_uniformity: ({"temperature 0.1": [(1.0, -1.0), (0.5, -2.0)]},),
    contrastive.batch_matrix: (np.eye(2), 0.1),
    contrastive.circles: ({"InfoNCE": np.ones((2, 3, 2, 2))}, 1),
    contrastive.learned_space: ([0.8], [0.1, 0.2], 0.1),
    contrastive.map_of_texts: (np.zeros((2, 2)), np.ones((2, 2)), ["numpy", "pandas"], "after training"),
    contrastive.one_temperature: ([0.8, 0.7, 0.1], {0.1: ([0.8], [0.1, 0.2])}, 0.1),
    contrastive.points_on_the_circle: (np.ones((2, 3, 2, 2)), "InfoNCE"),
    contrastive.quality_by_temperature: (LINES, "Recall@10"),
    contrastive.softmax_weights: ([0.8, 0.5], 0.1),
    dual_encoders.pull: (2, 1),
    dual_encoders.table_of_prompts: ({"with": {"with": 0.5}}, "Recall@10"),
    dual_encoders.two_doors: ({"one tower": {0: dual_encoders.Moment([1.0], 0.5, 1.0)}}, 0),
    first_retriever.chest: ({"weights": "12 numbers", "schedule step": "60 of 100"},),
    first_retriever.loss_and_quality: ({"learning rates": {"0.1": (2.0, 0.3)}}, "nDCG@10"),
    first_retriever.rates_after_a_stop: ({"never stopped": [1.0, 0.5], "restarted": [1.0, 1.0]}, 1),
    first_retriever.sweep: ({(0.1, 32): 0.2, (0.1, 64): 0.3}, "nDCG@10"),
    first_retriever.two_maps: ({"5": np.zeros((2, 2)), "50": np.ones((2, 2))}, ["numpy", "pandas"], "nDCG@10 0.4"),
    first_retriever.where_to_stop: ([first_retriever.Seen(10, 1.0, 2.0, 0.3, 0.2, 0.4, 12)], 10),
    hard_negatives.before_and_after: ({"before": ([0.9], [0.1])}, {"before": "nDCG@10 0.8"}),
    hard_negatives.five_passages: (0.8, [0.75, 0.2], 0.05),
    hard_negatives.quality_and_right_answers: ({"1": [0.8]}, {"1": [0.1]}, "nDCG@10", "negatives"),
    hard_negatives.rounds: ([[2.0, 1.0]], [[1.0, 1.0]], [[0.7], [0.8]], "nDCG@10"),
    hard_negatives.the_window: (
        hard_negatives.Ranked("q", 0.8, [0.9, 0.5], ["states", "sister"]),
        {1: hard_negatives.Window(0.1, 0.2, 0.8, 0.7, 0.9)},
        1,
    ),
    hard_negatives.wrong_way: (0.8, 0.84, [0.2], 0.05, True),
    in_batch.loss_by_batch: ({2: 0.2, 8: 0.6}, {2: 0.9, 8: 0.8}),
    in_batch.quality_by_batch: ({"equal steps": {16: [0.2, 0.3], 64: [0.4, 0.5]}}, "nDCG@10"),
    in_batch.ways_to_fill: ({"whole": in_batch.Way(np.ones((4, 4), bool), ((0, 4, 0, 4),), 10.0, 0.0)}, "whole"),
    measuring.gains_table: (["b", "a"], {"a": 2, "b": 0}, 2),
    measuring.means_of_differences: (np.array([0.1, -0.1, 0.2]), 10),
    measuring.metrics_by_rank: (3,),
    measuring.recall_by_depth: ({"BM25": {1: 0.2, 10: 0.5}},),
    measuring.scores_by_word: (BM25().index(CORPUS), CORPUS, "moon"),
    pooling.mean_walk: (torch.tensor([[2.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0, -3.0]]), 1),
    pooling.padding_drift: ({4: {"mean": [1.0, 1.0]}}, [0, 2], 4),
    pooling.quality_by_length: ({"mean": [0.3, 0.4]}, ["short", "long"]),
    pooling.three_similarities: (1.0,),
    pooling.token_weights: (["a", "[PAD]"], {"mean": [1.0, 0.0]}, "mean"),
    pooling.weight_grid: (torch.eye(2), {"mean": [0.5, 0.5]}),
    start.arrows: ((2, 0), {"answers": (4, 3), "longer": (6, 8)}),
    start.finds_its_passage: ((["a"], None), {0: (["b", "a"], 2), 5: (["a", "b"], 1)}, "a", 5),
    start.found_by_both: ({1: [0.2, 0.3, 0.1, 0.4], 10: [0.4, 0.2, 0.2, 0.2]}, 10),
    start.neighbours: ([(0.5, "sorted")], "sort"),
}
NUMBERS = {in_batch.blocks, dual_encoders.angle_of_mean, hard_negatives.softmax_weights}  # they return no figure


def test_every_figure_of_a_chapter_is_drawn_here():
    modules = (
        attention, contrastive, dual_encoders, first_retriever, hard_negatives, in_batch, measuring, pooling, start,
    )  # fmt: skip
    public = {f for m in modules for _, f in inspect.getmembers(m, inspect.isfunction) if f.__module__ == m.__name__}
    assert {f for f in public if not f.__name__.startswith("_")} - NUMBERS == set(DRAWN)


@pytest.mark.parametrize("function", DRAWN, ids=lambda function: function.__name__)
def test_a_figure_knows_its_words(function):
    words = described(function(*DRAWN[function]))
    assert len(words.alt) > 60
    assert len(words.notice) > 60


def colours(part):
    """What lines and marks of a trace or a shape are painted with, as written."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key in ("color", "fillcolor"):
                yield from [value] if isinstance(value, str) else [each for each in value if isinstance(each, str)]
            elif key in ("line", "marker"):
                yield from colours(value)


@pytest.mark.parametrize("function", DRAWN, ids=lambda function: function.__name__)
def test_what_is_dark_is_black_for_a_dark_page_turns_nothing_else(function):
    drawn = function(*DRAWN[function]).to_plotly_json()
    for part in [*drawn["data"], *drawn["layout"].get("shapes", ())]:
        for colour in colours(part):
            if re.fullmatch(r"#[0-9A-Fa-f]{6}", colour) and colour != INK:
                assert max(bytes.fromhex(colour[1:])) > 0x60, colour


def test_words_that_are_given_go_before_a_figures_own():
    fig = figure(alt="Bars.", notice="Look.")
    assert described(fig, "Mine,\n  on two lines.") == Words("Mine, on two lines.", "Look.")
    with pytest.raises(ValueError, match="alt is empty"):
        described(figure())
