from workbook.claims.chapter_01 import CLAIMS

(CLAIM,) = CLAIMS


def measured(single=1e-6, double=1e-15, changed=1e-4):
    return {
        "models": 1,
        "largest difference": {"float32": single, "float64": double, "tanh GELU": changed},
        "smallest difference with tanh GELU": changed,
    }


def test_our_encoder_is_bert():
    assert CLAIM.decide(CLAIM.measure("notebook", (0,))).verdict == "holds"


def test_the_rule_can_fall_either_way():
    assert CLAIM.decide(measured()).verdict == "holds"
    assert CLAIM.decide(measured(single=1e-4)).verdict == "misleading"
    assert CLAIM.decide(measured(double=1e-9)).verdict == "misleading"
    # An experiment that cannot see a changed detail proves nothing.
    assert CLAIM.decide(measured(changed=1e-8)).verdict == "misleading"
