"""The plain forms of chapter 16 give what the package gives."""

import random

import pytest

from workbook.exercises import chapter_16
from workbook.metrics import evaluate
from workbook.rerank import ceiling, rrf, score_fusion, search_in_stages
from workbook.rerank import rerank as package_rerank


def several(seed, queries=4):
    """Runs of several queries as retrievers give them, best first; at times with equal scores."""
    rng = random.Random(seed)
    drawn = [[chapter_16._draw_scores(rng) for _ in range(queries)] for _ in range(rng.randint(1, 3))]
    return [{str(q): chapter_16._best_first(scores) for q, scores in enumerate(run)} for run in drawn]


@pytest.mark.parametrize("seed", range(8))
def test_query_by_query_both_fusions_are_those_of_the_package(seed):
    runs = several(seed)
    for query in runs[0]:
        own = [run[query] for run in runs]
        for k in (0, 1, 60):
            assert list(rrf(runs, k)[query].items()) == list(chapter_16._counted_ranks(own, k).items())
            assert list(rrf(runs, k)[query].items()) == list(chapter_16.rrf(own, k).items())
        weights = [1.0, 0.25, 2.0][: len(runs)]
        assert list(score_fusion(runs, weights)[query].items()) == list(chapter_16.weighted_sum(own, weights).items())
        assert score_fusion(runs, weights)[query] == pytest.approx(chapter_16._passage_by_passage(own, weights))


@pytest.mark.parametrize("seed", range(8))
def test_the_mean_over_queries_is_the_ceiling_of_the_package(seed):
    rng = random.Random(seed)
    drawn = {str(q): chapter_16._draw_judged(rng)[:2] for q in range(6)}
    drawn = {q: (judged, scores) for q, (judged, scores) in drawn.items() if any(judged.values())}
    qrels, run = ({q: pair[part] for q, pair in drawn.items()} for part in (0, 1))
    for depth in (1, 2, 5):
        each = [chapter_16._highest_by_counting(qrels[q], run[q], depth, 3) for q in qrels]
        recall, ndcg = (sum(part) / len(each) for part in zip(*each, strict=True))
        assert ndcg == pytest.approx(ceiling(qrels, run, depth, "ndcg@3"))
        assert recall == pytest.approx(evaluate(qrels, run, [f"recall@{depth}"])[f"recall@{depth}"])


class Opinions:
    """A reranker whose texts are ids."""

    def __init__(self, scores):
        self.scores = scores

    def predict(self, pairs):
        return [self.scores[passage] for _, passage in pairs]


def in_order(runs):
    """Equal sums would be told apart by id in the next stage: places instead."""
    return {q: {p: -float(i) for i, p in enumerate(sums)} for q, sums in rrf(runs).items()}


@pytest.mark.parametrize("seed", range(8))
def test_a_budget_that_holds_so_many_pairs_is_that_depth_of_the_package(seed):
    rng = random.Random(seed)
    found = {name: chapter_16._draw_scores(rng, least=2) for name in ("one", "two")}
    scores = {p: float(rng.randint(-5, 5)) for p in chapter_16.NAMES}
    retrievers = {name: lambda queries, k, own=own: {"q": own} for name, own in found.items()}
    texts = {p: p for p in chapter_16.NAMES}
    for depth in (1, 2, 4, 20):
        run, _ = search_in_stages(retrievers, {"q": "q"}, texts, Opinions(scores), rerank_depth=depth, fuse=in_order)
        search = {name: chapter_16.Finds("q", own) for name, own in found.items()}
        judge = chapter_16.Judge("q", scores)
        ids = chapter_16.search_within("q", search, {"one": 3, "two": 4}, 5, 7 + 5 * depth + 4, 99, judge)
        assert ids[: len(run["q"])] == list(run["q"])
        assert ids[len(run["q"]) :] == list(in_order([{"q": own} for own in found.values()])["q"])[depth:]


def test_who_cuts_first_gets_the_passages_of_the_first_stage():
    first, judge, depth, k = chapter_16.smallest_cut()
    run = {"q": {p: -float(i) for i, p in enumerate(first)}}
    texts = {p: p for p in first}
    late = package_rerank(Opinions(judge), run, {"q": "q"}, texts, depth=depth)
    early = package_rerank(Opinions(judge), run, {"q": "q"}, texts, depth=k)
    assert list(late["q"])[:k] == chapter_16._rerank_then_cut(first, judge, depth, k)
    assert list(early["q"])[:k] == chapter_16._cut_then_rerank(first, judge, depth, k)
    assert list(late["q"])[:k] != list(early["q"])[:k]
