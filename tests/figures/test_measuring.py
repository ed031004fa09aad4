import numpy as np
import pytest

from workbook.figures.measuring import means_of_differences, metrics_by_rank, recall_by_depth


def test_bars_say_what_each_metric_says():
    (bars,) = metrics_by_rank(2, num_relevant=2).data
    assert dict(zip(bars.x, bars.y, strict=True)) == pytest.approx(
        {"Recall@10": 0.5, "MRR@10": 0.5, "nDCG@10": 0.3869, "average precision": 0.25}
    )
    (bars,) = metrics_by_rank(11).data
    assert list(bars.y)[:3] == [0, 0, 0]


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
