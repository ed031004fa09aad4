"""The rules of claims 58 to 60 can fall either way, and what is measured is what they say."""

import numpy as np
import pytest
import torch

from workbook.claims import bounded_memory, data_parallel
from workbook.claims.bounded_memory import BLOCKS, LARGEST, LIST, STAGES, hold, rows_of, slope
from workbook.claims.chapter_20 import CLAIMS, end_of, measure_processes
from workbook.claims.data_parallel import GATHERED, ONE, Case, Model, Size, take_steps
from workbook.claims.second_process import BAG, NAMES, PRODUCTS, TRANSFORMER, TWINS, look, works

PROCESSES, MEMORY, TRAINING = CLAIMS
FULL, FALLEN, BETWEEN = [0.97, 0.95, 0.99], [0.7, 0.65, 0.75], [0.9, 0.85, 0.95]
BROUGHT_BACK, NOT_BACK, UNTOLD = [0.25, 0.2, 0.3], [0.0, -0.02, 0.02], [0.1, -0.1, 0.3]


def processes(bag, bag_twin, transformer, transformer_twin, products=FULL):
    rows = dict.fromkeys(NAMES, FULL) | {BAG: bag, TRANSFORMER: transformer, PRODUCTS: products}
    return {
        "efficiency": rows | {"two threads": BETWEEN},
        "twin minus itself": {BAG: bag_twin, TRANSFORMER: transformer_twin},
    }


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (processes(FALLEN, BROUGHT_BACK, FULL, NOT_BACK), "holds"),
        (processes(FALLEN, BROUGHT_BACK, FALLEN, BROUGHT_BACK), "holds"),
        (processes(FALLEN, BROUGHT_BACK, FALLEN, NOT_BACK), "depends"),
        (processes(FALLEN, NOT_BACK, FULL, NOT_BACK), "misleading"),
        (processes(FULL, NOT_BACK, FULL, NOT_BACK), "not settled here"),  # two cores do not reach the end
        (processes(FALLEN, UNTOLD, FULL, NOT_BACK), "not settled here"),
        (processes(BETWEEN, BROUGHT_BACK, FULL, NOT_BACK), "not settled here"),
        (processes(FALLEN, BROUGHT_BACK, FULL, NOT_BACK, products=FALLEN), "not settled here"),
    ],
)
def test_the_second_process_can_fall_either_way(found, verdict):
    result = PROCESSES.decide(found)
    assert result.verdict == verdict
    assert len(result.intervals) == len(NAMES)
    assert "would have been seen" in result.because


def test_what_ends_an_encoder():
    assert end_of(FULL, BROUGHT_BACK) == "scales"
    assert end_of(FALLEN, [0.16, 0.1, 0.2]) == "memory"
    assert end_of(FALLEN, [0.0, -0.1, 0.14]) == "else"  # less than half of .3
    assert end_of(FALLEN, [0.0, -0.1, 0.16]) == "unseen"


def memory(growth, peak=2**30, held=(2_048.0, 0.0), rows=None, many=LARGEST):
    few, N = 10_000, 1_000_000
    stages = {
        name: {
            "own": {str(few): [1e8], str(N): [2e8], str(many): [float(peak)]},
            "rows": {str(many): [(many if rows is None else rows) if name == "data" else 0]},
            "bytes a passage": {f"{few} to {N}": [100.0, 99, 101], f"{N} to {many}": row},
        }
        for name, row in zip(("data", "search"), growth, strict=False)
    }
    control = {way: {"own": [0, 0], "bytes a passage": value} for way, value in zip((LIST, BLOCKS), held, strict=True)}
    return {"sizes": [few, N, many], "stages": stages, "control": control}


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (memory([[2, 1, 3], [15, 14, 16]]), "holds"),
        (memory([[2, 1, 3], [30, 28, 32]]), "depends"),
        (memory([[2, 1, 3]], peak=5 * 2**30), "misleading"),
        (memory([[2, 1, 3]], rows=LARGEST - 1), "misleading"),
        (memory([[2, 1, 3]], rows=0), "misleading"),
        (memory([[20, 10, 30]]), "not settled here"),
        (memory([[2, 1, 3]], held=(100.0, 0.0)), "not settled here"),  # the measure is blind
        (memory([[2, 1, 3]], held=(2_048.0, 900.0)), "not settled here"),
        (memory([[2, 1, 3]], many=2_000_000), "not settled here"),
    ],
)
def test_memory_can_fall_either_way(found, verdict):
    result = MEMORY.decide(found)
    assert result.verdict == verdict
    assert "Extrapolated from 10,000 and 1,000,000" in result.because
    assert len(result.intervals) == len(found["stages"])


def training(*rows, apart=1e-6):
    cases = {
        f"case {i}": {"efficiency": own, "machine": machine, "share of the exchange": [0.1, 0.05, 0.15], "losses apart": apart}
        for i, (own, machine) in enumerate(rows)
    }  # fmt: skip
    return {"processes": 2, "cases": cases}


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (training((FULL, FULL), (FULL, FULL)), "holds"),
        (training((FULL, FULL), (FALLEN, FULL)), "depends"),
        (training((FALLEN, FULL), (FALLEN, FULL)), "misleading"),
        (training((FULL, FULL), (FALLEN, FALLEN)), "holds"),  # where the machine gives no two cores nothing is judged
        (training((FULL, FALLEN)), "not settled here"),
        (training(([0.8, 0.7, 0.9], FULL)), "not settled here"),
        (training((FULL, FULL), apart=0.1), "not settled here"),
    ],
)
def test_training_can_fall_either_way(found, verdict):
    result = TRAINING.decide(found)
    assert result.verdict == verdict
    assert len(result.intervals) == len(found["cases"])


# --- the experiments -------------------------------------------------------------------------


def test_the_slope_by_hand_and_its_interval_by_the_spread():
    assert slope(100, 300, [10.0], [410.0]) == [2.0, 2.0, 2.0]
    value, low, high = slope(100, 300, [8.0, 10.0, 12.0], [410.0])
    assert value == 2.0
    assert high - value == pytest.approx(value - low, abs=2e-3)
    assert value - low == pytest.approx(4.303 * 2 * (1 / 3 + 1) ** 0.5 / 200, abs=1e-3)


def test_rows_are_those_of_the_manifest():
    assert (rows_of({"passages": 7}), rows_of({"rows": 5}), rows_of({"queries": 3})) == (7, 5, 0)


def test_the_control_holds_every_row_either_way():
    assert hold(10_000, LIST) == hold(10_000, BLOCKS) == 10_000


def test_every_stage_of_the_pipeline_is_watched():
    from workbook import pipeline

    assert {name.split()[0] for name, _, _ in STAGES} == set(pipeline.__all__) - {"ask", "judge"}


def test_memory_is_measured_by_seed_and_size(monkeypatch):
    def measured(N, seed, budget, code):
        own = 1e6 + (seed if N < LARGEST else 0) + 3.0 * N
        return {"own": np.full(8, own), "resident": np.full(8, 2 * own), "rows": np.full(8, N)}

    monkeypatch.setattr(bounded_memory, "memory", measured)
    monkeypatch.setattr(bounded_memory, "control", lambda N, way, budget: np.array(2_048.0 * N if way == LIST else 5.0))
    found = bounded_memory.measure_memory("record", (0, 1, 2))
    row = found["stages"]["mine"]
    assert row["own"][str(LARGEST)] == [1e6 + 3.0 * LARGEST]
    assert row["bytes a passage"][f"1000000 to {LARGEST}"][0] == pytest.approx(3.0, abs=1e-3)
    assert MEMORY.decide(found).verdict == "holds"


def test_twins_do_as_many_texts_and_only_one_layer_is_there_again_and_again():
    every = works(0, "notebook")
    assert set(every) == set(NAMES)
    for name, twin in TWINS.items():
        assert every[name]() == every[twin]() > 0
    by_wall, by_cpu = look(every[BAG], 0.0)
    assert by_wall > 0
    assert by_cpu > 0


def test_efficiency_is_of_both_by_one_at_a_time(monkeypatch):
    rows = {name: np.full((2, 2), value) for name, value in zip((*NAMES, "two threads"), (0.5, 0.9) * 4, strict=False)}
    monkeypatch.setattr("workbook.claims.chapter_20.efficiencies", lambda seed, budget: rows)
    found = measure_processes("notebook", (0, 1))
    assert found["efficiency"][BAG] == [0.5, 0.5, 0.5]
    assert found["twin minus itself"][BAG][0] == pytest.approx(0.4)


@pytest.mark.parametrize("layers", [0, 1])
def test_one_process_takes_the_same_steps_with_and_without_the_exchange(layers):
    case, size = Case("small", layers, 6, 2), Size((), 30, 16, 4, 1)
    ids = torch.randint(5, 30, (2, 2, 6, 4), generator=torch.Generator().manual_seed(0))
    losses = [take_steps(Model(case, size, 0), iter([list(sides) for sides in ids]), way) for way in (ONE, GATHERED)]
    assert losses[0] == losses[1]


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch was built without distributed")
def test_two_processes_come_to_the_loss_of_one():
    found = data_parallel.steps_of(0, "notebook")
    for case in data_parallel.SIZES["notebook"].cases:
        assert found[f"{case.name}: apart"] < 1e-4
        assert found[f"{case.name}: seconds"].shape == (2, 3)
