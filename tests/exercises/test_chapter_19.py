"""The plain forms of chapter 19 give what the package, and the libraries people trust, give."""

import random

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score

from workbook.exercises import chapter_19 as chapter
from workbook.metrics import evaluate
from workbook.training_data.sieves import decontaminate

SEEDS = range(20)


@pytest.mark.parametrize("seed", SEEDS)
def test_with_one_support_each_recall_of_all_is_recall(seed):
    rankings, supports, k = chapter._draw_supports(random.Random(seed))
    one = {query: needed[:1] for query, needed in supports.items() if needed}
    if one:
        qrels = {query: dict.fromkeys(needed, 1) for query, needed in one.items()}
        run = {query: {p: -float(i) for i, p in enumerate(rankings.get(query, []))} for query in one}
        recall = evaluate(qrels, run, [f"recall@{k}"])[f"recall@{k}"]
        assert chapter.recall_of_all(rankings, one, k) == pytest.approx(recall)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("n", [2, 3])
def test_a_query_with_a_known_run_is_one_that_decontaminate_drops(seed, n):
    rng = random.Random(seed)
    words = ["heart", "attack", "sugar", "blood", "row"]
    queries, training = ([" ".join(rng.choices(words, k=rng.randint(n, 6))) for _ in range(3)] for _ in range(2))
    shares = chapter.ngram_shares(queries, training, n)
    pairs = [(query,) for query in queries]
    found = decontaminate(pairs, {str(i): text for i, text in enumerate(training)}, ngram=n, threshold=1.0)
    assert [share > 0 for share in shares] == [row in found.dropped for row in range(len(queries))]


@pytest.mark.parametrize("seed", SEEDS)
def test_precision_and_recall_are_those_of_scikit_learn(seed):
    shares, leaked, threshold = chapter._draw_detector(random.Random(seed))
    reported = [share >= threshold for share in shares]
    theirs = [score(leaked, reported, zero_division=1.0) for score in (precision_score, recall_score)]
    assert chapter.detector_quality(shares, leaked, threshold) == pytest.approx(theirs)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_pool_is_what_trec_eval_measures_with_and_without_its_flag(seed):
    pytrec_eval = pytest.importorskip("pytrec_eval")
    runs, truth, new, depth, k = chapter._draw_pool(random.Random(seed))
    judged = {p: truth.get(p, 0) for ranking in runs for p in ranking[:depth]}
    if not any(judged.values()) or not new:
        assert chapter.pooled_ndcg(runs, truth, new, depth, k) == (0.0, 0.0)
        return
    run = {"q": {p: -float(rank) for rank, p in enumerate(new)}}
    theirs = []
    for skip in (False, True):
        trec = pytrec_eval.RelevanceEvaluator({"q": judged}, {f"ndcg_cut.{k}"}, judged_docs_only_flag=skip)
        theirs.append(trec.evaluate(run)["q"][f"ndcg_cut_{k}"])
    assert chapter.pooled_ndcg(runs, truth, new, depth, k) == pytest.approx(theirs)


def test_interleaving_is_fair_over_all_coins():
    """Each team picks each place equally often, and so equal rankings are credited alike."""
    ranking = list("BADC")
    credits = np.zeros(2, int)
    for number in range(16):
        coins = [bool(number >> i & 1) for i in range(4)]
        credits += chapter.team_draft(ranking, ranking, coins, ["A", "C"], 4)[1:]
    assert credits[0] == credits[1] > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_interleaving_shows_the_best_that_is_left(seed):
    a, b, coins, clicks, k = chapter._draw_draft(random.Random(seed))
    shown, of_a, of_b = chapter.team_draft(a, b, coins, clicks, k)
    assert len(shown) == len(set(shown)) == min(k, len({*a, *b}))
    assert of_a + of_b == len(set(clicks) & set(shown))
    for i, passage in enumerate(shown):  # whoever picked it had nothing better left
        before = shown[:i]
        assert passage in [next((p for p in ranking if p not in before), None) for ranking in (a, b)]


def test_no_smaller_input_shows_that_silence_pays():
    """Ranks that add up to 2 or less, with any number of queries that find nothing."""
    exercise = chapter.SILENCE
    for ranks in ([1], [2], [1, 1], [1, 0], [2, 0], [0, 0, 2], [1, 0, 1], [0, 1, 0, 1]):
        for silent, rank in enumerate(ranks):
            if rank:
                assert exercise.measure(ranks, silent) < exercise.smallest
                assert exercise.right(ranks, silent) == exercise.wrong(ranks, silent)
