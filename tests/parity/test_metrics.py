"""Our metrics are trec_eval's and ranx's; our rank correlation is scipy's; our calibration is scikit-learn's."""

import numpy as np
import pytest

from workbook.metrics import (
    evaluate,
    evaluate_ids,
    fit_platt,
    kendall_tau,
    number_qrels,
    ranked_ids,
    read_trec_run,
    reliability_curve,
    spearman,
    write_trec_qrels,
    write_trec_run,
)

pytestmark = pytest.mark.parity

TREC = {
    "ndcg@10": "ndcg_cut_10",
    "recall@5": "recall_5",
    "precision@5": "P_5",
    "map": "map",
    "ndcg": "ndcg",
    "map@10": "map_cut_10",
}
RANX = {
    "hit_rate@5": "hit_rate@5",
    "r_precision": "r-precision",
    "ndcg_exp@10": "ndcg_burges@10",
    "ndcg@10": "ndcg@10",
    "recall@5": "recall@5",
    "precision@5": "precision@5",
    "map": "map",
    "mrr@10": "mrr@10",
}


def random_test(seed: int, ties: bool):
    generator = np.random.default_rng(seed)
    qrels, run = {}, {}
    for query in range(60):
        judged = generator.choice(80, size=generator.integers(1, 25), replace=False)
        found = generator.choice(80, size=generator.integers(1, 60), replace=False)
        scores = generator.integers(0, 6, len(found)) if ties else generator.permutation(len(found))
        qrels[f"q{query}"] = {f"p{i}": int(generator.integers(0, 4)) for i in judged} | {"always": 1}
        run[f"q{query}"] = {f"p{i}": float(score) / 7 for i, score in zip(found, scores, strict=True)}
    return qrels, run


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_equal_to_trec_eval(seed, ties):
    import pytrec_eval

    qrels, run = random_test(seed, ties)
    measures = {"ndcg_cut.10", "recall.5", "P.5", "map", "ndcg", "map_cut.10", "recip_rank"}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, measures).evaluate(run)
    ours = evaluate(qrels, run, (*TREC, "mrr"), per_query=True)
    for name, trec_name in {**TREC, "mrr": "recip_rank"}.items():
        for query in qrels:
            assert ours[name][query] == pytest.approx(theirs[query][trec_name], abs=1e-9), (name, query)


@pytest.mark.parametrize("ties", [False, True])
def test_ids_equal_to_trec_eval(ties):
    """Ties are given in trec_eval's order; what the results lack up to K is filled with -1."""
    import pytrec_eval

    qrels, run = random_test(4, ties)
    passages = [f"p{i}" for i in range(80)]  # without "always", which is judged and never found
    number = {passage: row for row, passage in enumerate(passages)}
    ids = np.full((len(run), 60), -1)
    for row, scores in enumerate(run.values()):
        ids[row, : len(scores)] = [number[passage] for passage in ranked_ids(scores, 60)]
    ours = evaluate_ids(ids, *number_qrels(qrels, run, passages), (*TREC, "mrr"), per_query=True)
    measures = {"ndcg_cut.10", "recall.5", "P.5", "map", "ndcg", "map_cut.10", "recip_rank"}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, measures).evaluate(run)
    for name, trec_name in {**TREC, "mrr": "recip_rank"}.items():
        assert ours[name] == pytest.approx([theirs[query][trec_name] for query in run], abs=1e-9), name


SETS = {
    "precision": "set_P",
    "recall": "set_recall",
    "r_precision": "Rprec",
    "hit_rate@1": "success_1",
    "hit_rate@5": "success_5",
}


@pytest.mark.parametrize("level", [1, 2, 3])
def test_levels_sets_and_success_equal_to_trec_eval(level):
    import pytrec_eval

    qrels, run = random_test(5, ties=True)
    names = {**TREC, **SETS, "mrr": "recip_rank"}
    measures = {"ndcg_cut.10", "recall.5", "P.5", "map", "ndcg", "map_cut.10", "recip_rank", "success.1,5", "Rprec"}
    evaluator = pytrec_eval.RelevanceEvaluator(qrels, measures | {"set_P", "set_recall"}, relevance_level=level)
    theirs = evaluator.evaluate(run)
    ours = evaluate(qrels, run, tuple(names), per_query=True, relevance_level=level)
    for name, trec_name in names.items():
        for query in qrels:
            assert ours[name][query] == pytest.approx(theirs[query][trec_name], abs=1e-9), (name, query)


def test_queries_without_a_relevant_passage_count_0_as_in_trec_eval():
    import pytrec_eval

    qrels = {"q": {"a": 1, "b": 1}, "none": {"a": 0}}
    run = {"q": {"b": 1.0}, "none": {"a": 1.0, "b": 0.5}}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg", "map", "Rprec", "set_P"}).evaluate(run)
    ours = evaluate(qrels, run, ("ndcg", "map", "r_precision", "precision"), per_query=True)
    for name, trec_name in {"ndcg": "ndcg", "map": "map", "r_precision": "Rprec", "precision": "set_P"}.items():
        for query in qrels:
            assert ours[name][query] == pytest.approx(theirs[query][trec_name], abs=1e-9), (name, query)


def test_files_are_read_by_trec_eval_and_its_files_here(tmp_path):
    import pytrec_eval

    qrels, run = random_test(6, ties=True)
    write_trec_run(run, tmp_path / "run.txt", "mine")
    write_trec_qrels(qrels, tmp_path / "qrels.txt")
    with (tmp_path / "run.txt").open() as written:
        assert pytrec_eval.parse_run(written) == run == read_trec_run(tmp_path / "run.txt")
    with (tmp_path / "qrels.txt").open() as written:
        assert pytrec_eval.parse_qrel(written) == qrels


def test_scores_that_differ_only_in_float64_are_ties_as_in_trec_eval():
    import pytrec_eval

    qrels, run = {"q": {"a": 1}}, {"q": {"a": 1 + 1e-12, "b": 1.0}}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}).evaluate(run)["q"]["recip_rank"]
    assert evaluate(qrels, run, ("mrr",))["mrr"] == theirs == 0.5


def test_equal_to_ranx_without_ties():
    import ranx

    qrels, run = random_test(9, ties=False)
    theirs = ranx.evaluate(ranx.Qrels(qrels), ranx.Run(run), list(RANX.values()))
    ours = evaluate(qrels, run, tuple(RANX))
    assert {RANX[name]: value for name, value in ours.items()} == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("ties", [False, True])
def test_spearman_equal_to_scipy(ties):
    from scipy.stats import spearmanr

    generator = np.random.default_rng(0)
    a, b = generator.integers(0, 5, (2, 40)) if ties else generator.normal(size=(2, 40))
    assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_kendall_tau_equal_to_scipy(seed):
    from scipy.stats import kendalltau

    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 4, (2, rng.integers(2, 9)))
    np.testing.assert_allclose(kendall_tau(a, b), kendalltau(a, b).statistic, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize("bins", [1, 4, 10, 33])
def test_the_reliability_curve_has_scikit_learns_bins(bins):
    from sklearn.calibration import calibration_curve

    generator = np.random.default_rng(bins)
    edges = np.linspace(0, 1, bins + 1)
    p = np.concatenate([generator.random(200), generator.random(50) ** 4, edges, np.nextafter(edges[:-1], 1)])
    labels = generator.random(len(p)) < p
    curve = reliability_curve(p, labels, bins)
    share, probability = calibration_curve(labels, p, n_bins=bins, strategy="uniform")
    np.testing.assert_allclose(curve.probabilities, probability, rtol=0, atol=1e-12)
    np.testing.assert_allclose(curve.shares, share, rtol=0, atol=1e-12)
    assert curve.counts.sum() == len(p)


def logits_and_labels(seed):
    generator = np.random.default_rng(seed)
    logits = generator.normal(generator.normal(0, 5), generator.choice([0.1, 3, 40]), 300)
    noise = generator.logistic(0, logits.std(), 300)
    return logits, (logits - logits.mean() + noise > 0).astype(int)


@pytest.mark.parametrize("seed", range(6))
def test_the_scale_and_shift_are_those_of_a_logistic_regression(seed):
    from sklearn.linear_model import LogisticRegression

    logits, labels = logits_and_labels(seed)
    scale, shift = fit_platt(logits, labels, smooth=False)
    mean, deviation = logits.mean(), logits.std()  # scaled for their solver, which stops earlier on long features
    peer = LogisticRegression(C=1e12, tol=1e-12, max_iter=10_000).fit(((logits - mean) / deviation)[:, None], labels)
    theirs = peer.coef_[0, 0] / deviation, peer.intercept_[0] - peer.coef_[0, 0] * mean / deviation
    np.testing.assert_allclose([scale, shift], theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_with_platts_targets_they_are_those_of_scikit_learns_sigmoid(seed):
    from sklearn.calibration import _SigmoidCalibration

    logits, labels = logits_and_labels(seed)
    scale, shift = fit_platt(logits, labels)
    peer = _SigmoidCalibration().fit(logits, labels)
    np.testing.assert_allclose([scale, shift], [-peer.a_, -peer.b_], rtol=1e-3, atol=1e-3)
