"""What chapter 03 promises of two of its exercises."""

import itertools
import random

import numpy as np
import pytest

from workbook.exercises import chapter_03 as chapter
from workbook.metrics import leaderboard


def test_no_input_of_two_ids_shows_the_wrong_ideal():
    exercise = chapter.SHOWS
    grades = range(4)
    small = [([], {}), (["a"], {}), (["a", "b"], {})]
    small += [(ranked, {id: g}) for ranked in ([], ["a"]) for id in "ab" for g in grades]
    small += [([], {"a": g, "b": h}) for g, h in itertools.product(grades, repeat=2)]
    for (ranked, judged), k in itertools.product(small, (1, 2, 3)):
        assert exercise.measure(ranked, judged, k) < exercise.smallest
        assert exercise.valid(ranked, judged, k) is None
        assert exercise.right(ranked, judged, k) == pytest.approx(exercise.wrong(ranked, judged, k))


@pytest.mark.parametrize("seed", range(20))
def test_a_comparison_of_two_runs_is_what_the_leaderboard_says(seed):
    qrels, first, second, k, _ = chapter._two_runs(random.Random(seed))
    whole = [{query: run.get(query, {}) for query in qrels} for run in (first, second)]
    draws = np.random.default_rng(0).integers(0, len(qrels), size=(2_000, len(qrels)))
    row = chapter.compare_runs(qrels, first, second, k, draws)
    board = leaderboard({"first": whole[0], "second": whole[1]}, qrels, f"ndcg@{k}", baseline="first")
    (other,) = [r for r in board if r["system"] == "second"]
    assert row["second"] == pytest.approx(other[f"ndcg@{k}"].mean)
    assert (row["difference"], row["low"], row["high"]) == pytest.approx(other["difference"])
