from workbook.claims.chapter_03 import CLAIMS

CEILING, NOISE = CLAIMS


def reranked(after: float):
    row = {"first stage": "BM25", "depth": 10, "seed": 0, "recall": 0.6, "after reranking": [0.6, after]}
    return {"rows": [{**row, "best Recall@10": 0.6}]}


def contests(significant: float, wrong: float):
    found = {"significant": {"25": [significant], "100": [0.9]}, "wrong winner": {"25": [wrong], "100": [0.0]}}
    return {"sizes": [25, 100], "contests": {"A against B": {**found, "difference": [0.03]}}}


def test_the_ceiling_can_fall_either_way():
    assert CEILING.decide(reranked(0.6)).verdict == "holds"
    assert CEILING.decide(reranked(0.7)).verdict == "misleading"


def test_noise_can_fall_either_way():
    assert NOISE.decide(contests(0.2, 0.3)).verdict == "holds"
    assert NOISE.decide(contests(0.8, 0.3)).verdict == "depends"
    assert NOISE.decide(contests(0.2, 0.01)).verdict == "depends"
