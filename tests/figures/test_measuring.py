import numpy as np
import pytest

from workbook.bm25 import BM25
from workbook.figures.measuring import (
    gains_table,
    means_of_differences,
    metrics_by_rank,
    recall_by_depth,
    scores_by_word,
)


def test_bars_say_what_each_metric_says_and_the_strip_shows_the_same_rank():
    for rank, numbers in ((1, [1, 1, 1, 1]), (2, [0.5, 0.6309, 1, 1]), (11, [0, 0, 0, 1])):
        strip, bars = metrics_by_rank(rank).data
        assert list(bars.y) == ["reciprocal rank", "nDCG@10", "Recall@10", "Recall@100"]
        assert list(bars.x) == pytest.approx(numbers)
        assert [x for x, shape in zip(strip.x, strip.marker.symbol, strict=True) if shape == "square"] == [rank]
    assert list(metrics_by_rank(2, others=[4], num_relevant=4).data[1].x)[2] == 0.5


def test_the_table_of_gains_holds_grades_discounts_and_both_sums():
    fig = gains_table(["b", "a", "x", "c"], {"a": 3, "b": 0, "c": 1, "d": 2}, 3)
    (cells,) = fig.data
    assert [list(row) for row in cells.z] == [[3, 2, 1, None], [0, 3, 0, 1]]
    assert [list(row) for row in cells.text] == [["a: 3", "d: 2", "c: 1", ""], ["b: 0", "a: 3", "x: 0", "c: 1"]]
    sums = [note.text for note in fig.layout.annotations]
    assert sums == [f"DCG {3 + 2 / np.log2(3) + 0.5:.2f}", f"DCG {3 / np.log2(3):.2f}"]
    assert fig.layout.xaxis.ticktext[1] == "2<br>0.63"


def test_the_parts_of_a_keyword_score_add_up_to_it():
    corpus = {"1": "heart attack\nheart", "2": "attack in chess", "3": "blood sugar"}
    index = BM25().index(corpus)
    fig = scores_by_word(index, corpus, "heart attack attack sugar")
    found = index.search({"q": "heart attack attack sugar"})["q"]
    totals = np.sum([part.x for part in fig.data], axis=0)
    assert totals == pytest.approx(list(found.values()), abs=2e-3)
    assert [part.name for part in fig.data if part.showlegend] == ["heart", "attack", "sugar"]
    long = scores_by_word(index, corpus, "heart attack in chess blood sugar one two three four five")
    assert len(fig.data) == len(long.data) == len(scores_by_word(index, corpus, "").data)
    assert long.data[-1].name == "other words"
    assert "no passage" in scores_by_word(index, corpus, "").layout.title.text


def test_lines_hold_the_curve_of_each_system():
    fig = recall_by_depth({"A": {1: 0.1, 10: 0.5}, "B": {1: 0.2, 10: 0.4}})
    assert [(line.name, list(line.x), list(line.y)) for line in fig.data] == [
        ("A", [1, 10], [0.1, 0.5]),
        ("B", [1, 10], [0.2, 0.4]),
    ]


def test_more_queries_name_the_wrong_winner_less_often():
    differences = np.random.default_rng(0).normal(0.03, 0.25, size=2000)
    wrong = []
    for num_queries in (10, 500):
        fig = means_of_differences(differences, num_queries, draws=200)
        wrong.append(sum(fig.data[1].y))
        assert sum(map(sum, (bar.y for bar in fig.data))) <= 200
        assert f"{num_queries} queries" in fig.layout.title.text
    assert wrong[0] > 10 * max(wrong[1], 1)
