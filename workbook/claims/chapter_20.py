"""Claims 58 to 60: whether a second process doubles what is encoded or trained, and what memory the pipeline takes as a collection grows.

Times are never compared between machines. What decides is a ratio of two times that were taken in turn on one machine, and each has
a control that must come out, or nothing is settled. Efficiency is what W processes do together by W times what one does alone.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from workbook.claims.bounded_memory import BLOCKS, COUNTED, DIMENSIONS, LARGEST, LIST, MEASURED, STEPS, measure_memory
from workbook.claims.claim import NOT_SETTLED, Claim, Interval, Measurements, Verdict
from workbook.claims.data_parallel import ALONE, GATHERED, ONE, SIZES, WAYS, W, steps_of
from workbook.claims.measuring import difference, level, visible
from workbook.claims.second_process import FEW, NAMES, PRODUCTS, SUM, TWINS, efficiencies
from workbook.claims.second_process import SIZES as LOOKS

# --- claim 58: a second process that encodes -------------------------------------------------

TWO_CORES = 0.85  # of what never leaves the cache: below, this machine did not give two cores
SCALES = 0.9


def measure_processes(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """The efficiency of two processes by work, with intervals over seeds and rounds, and what the small twin keeps more."""
    each = [efficiencies(seed, budget) for seed in seeds]
    rows = {name: np.array([one[name] for one in each]) for name in each[0]}  # (seeds, rounds, 2)
    return {
        "efficiency": {name: level(row[..., 0]) for name, row in rows.items()},
        "by the processor's time": {name: level(row[..., 1]) for name, row in rows.items()},
        "twin minus itself": {name: difference(rows[twin][..., 0], rows[name][..., 0]) for name, twin in TWINS.items()},
    }


def end_of(own: Sequence[float], twin_minus_own: Sequence[float]) -> str:
    """What a second process does for a work: "scales", "memory" takes it, something "else" does, or it is "unseen"."""
    if own[1] > SCALES:
        return "scales"
    if own[2] < SCALES and twin_minus_own[1] > 0:
        return "memory"
    return "else" if own[2] < SCALES and twin_minus_own[2] < (1 - own[0]) / 2 else "unseen"


def decide_processes(m: Measurements) -> Verdict:
    """Does it scale, or else is it memory that takes it?"""
    rows, twins = m["efficiency"], m["twin minus itself"]
    ends = {name: end_of(rows[name], twins[name]) for name in TWINS}
    said = set(ends.values())
    if rows[PRODUCTS][1] <= TWO_CORES or "unseen" in said or said == {"scales"}:
        verdict = NOT_SETTLED
    elif "else" not in said:
        verdict = "holds"
    else:
        verdict = "depends" if "memory" in said else "misleading"
    told = "; ".join(f"{name} {with_ends(row)}" for name, row in rows.items())
    found = ", ".join(f"{name}: {end}" for name, end in ends.items())
    because = f"efficiency of two processes: {told}. {found}; {visible(list(rows.values())):.3f} would have been seen"
    if rows[PRODUCTS][1] <= TWO_CORES:
        because += f". {PRODUCTS} below {TWO_CORES}: this machine did not give two cores"
    elif said == {"scales"}:
        because += ". Both double: two cores do not reach the end, more cores would be needed"
    intervals = [Interval(f"{name}: efficiency", *rows[name]) for name in NAMES]
    return Verdict(verdict, because, tuple(intervals))


def with_ends(row: Sequence[float]) -> str:
    """Such as ".91 [.88, .94]"."""
    value, low, high = (f"{x:.2f}".replace("0.", ".", 1) for x in row)
    return f"{value} [{low}, {high}]"


# --- claim 59: memory ------------------------------------------------------------------------

LIMIT = 4 * 2**30  # bytes, that of `python -m benchmarks.scale`
PROMISED = 16  # bytes for each passage, a short id
CONTROL = 8 * DIMENSIONS * 0.8  # a list and the array made of it, four bytes a number each, but for what is not caught


def decide_memory(m: Measurements) -> Verdict:
    """Does a further passage take no more than its id, and do 8.8 million fit into 4 GiB in every stage?"""
    few, many = m["sizes"][-2:]
    stages, held = m["stages"], m["control"]
    growth = {name: each["bytes a passage"][f"{few} to {many}"] for name, each in stages.items()}
    peaks = {name: max(each["own"][str(many)]) for name, each in stages.items()}
    lost = [
        f"{name} at {N}"
        for name, each in stages.items()
        for N, rows in each["rows"].items()
        if name in COUNTED and any(row != int(N) for row in rows)
    ]
    seen = held[LIST]["bytes a passage"] > CONTROL and held[BLOCKS]["bytes a passage"] < PROMISED
    flat = {name: row[2] <= PROMISED for name, row in growth.items()}
    untold = [name for name, row in growth.items() if row[1] <= PROMISED < row[2]]
    growing = [name for name, row in growth.items() if row[1] > PROMISED]
    if lost or max(peaks.values()) > LIMIT:
        verdict = "misleading"
    elif not seen or many < LARGEST or (untold and not growing):
        verdict = NOT_SETTLED
    else:
        verdict = "holds" if all(flat.values()) else "depends"
    first = max(peaks, key=lambda name: peaks[name])
    because = (
        f"own memory, bytes for each passage more from {few:,} to {many:,}: {by_stage(growth)}. Most at {many:,}: {peaks[first] / 2**30:.2f} GiB, {first}; "
        f"rows {'lost: ' + ', '.join(lost) if lost else 'as many as went in'}. Control: {held[LIST]['bytes a passage']:,.0f} bytes as a list and an array, "
        f"{held[BLOCKS]['bytes a passage']:,.0f} in blocks. {extrapolated(m, first)}"
    )
    intervals = [Interval(f"{name}: bytes a passage", *row) for name, row in growth.items()]
    return Verdict(verdict, because, tuple(intervals))


def by_stage(rows: Mapping[str, Sequence[float]]) -> str:
    """Such as "data 29 [28, 30]; train 0 [-1, 1]"."""
    return "; ".join(f"{name} {value:.0f} [{low:.0f}, {high:.0f}]" for name, (value, low, high) in rows.items())


def extrapolated(m: Measurements, first: str) -> str:
    """What smaller sizes alone would have said of the largest stage at the largest size, beside what was measured."""
    if len(m["sizes"]) < 3:
        return "Nothing is extrapolated"
    few, middle, many = m["sizes"][-3:]
    own = m["stages"][first]["own"]
    slope = m["stages"][first]["bytes a passage"][f"{few} to {middle}"][0]
    guess = np.mean(own[str(middle)]) + slope * (many - middle)
    return (
        f"Extrapolated from {few:,} and {middle:,}, {first} would take {guess / 2**30:.2f} GiB at {many:,}; "
        f"{np.mean(own[str(many)]) / 2**30:.2f} were measured"
    )


# --- claim 60: training in two processes -----------------------------------------------------

WORTH = 0.8
GIVES = 0.85  # efficiency of two that exchange nothing: below, it is the machine and not the exchange
SAME = 1e-3  # of the last loss


def measure_training(budget: str, seeds: tuple[int, ...]) -> Measurements:
    """By case: the efficiency of two processes that exchange, of two that do not, and how far the losses are apart."""
    each = [steps_of(seed, budget) for seed in seeds]
    found: Measurements = {}
    for case in SIZES[budget].cases:
        seconds = np.array([one[f"{case.name}: seconds"] for one in each])  # (seeds, rounds, ways)
        of_way = {way: seconds[..., i] for i, way in enumerate(WAYS)}
        found[case.name] = {
            "efficiency": level(of_way[ONE] / of_way[GATHERED] / W),
            "machine": level(of_way[ONE] / of_way[ALONE] / W),
            "share of the exchange": level(1 - of_way[ALONE] / of_way[GATHERED]),
            "losses apart": float(f"{max(float(one[f'{case.name}: apart']) for one in each):.2g}"),
        }
    return {"processes": W, "cases": found}


def decide_training(m: Measurements) -> Verdict:
    """Are two processes that exchange worth four fifths of two, where the machine gives two?"""
    cases = m["cases"]
    judged = {name: each["efficiency"] for name, each in cases.items() if each["machine"][1] > GIVES}
    above = [row[1] > WORTH for row in judged.values()]
    below = [row[2] < WORTH for row in judged.values()]
    wrong = [name for name, each in cases.items() if each["losses apart"] > SAME]
    if wrong or not judged or not (any(above) or any(below)):
        verdict = NOT_SETTLED
    else:
        verdict = "holds" if all(above) else "misleading" if all(below) else "depends"
    told = "; ".join(
        f"{name}: {with_ends(each['efficiency'])}, nothing exchanged {with_ends(each['machine'])}, exchange {with_ends(each['share of the exchange'])} of the time"
        for name, each in cases.items()
    )
    because = f"efficiency of {m['processes']} processes. {told}. Not judged, for the machine gave no two cores: {', '.join(set(cases) - set(judged)) or 'none'}"
    if wrong:
        because += f". Losses differ from one process: {', '.join(wrong)}"
    rows = {name: each["efficiency"] for name, each in cases.items()}
    because += f"; {visible(list(rows.values())):.3f} would have been seen"
    return Verdict(verdict, because, tuple(Interval(f"{name}: efficiency", *row) for name, row in rows.items()))


_LOOK, _SIZES = LOOKS["record"], ", ".join(f"{N:,}" for N in MEASURED["record"])
CLAIMS = (
    Claim(
        58,
        "20",
        "Encoding throughput scales with processes until memory bandwidth ends it.",
        f"one and two processes with a thread each, in turn, {_LOOK.rounds} rounds for each of five seeds; token ids in, vectors out. A bag of vectors with {_LOOK.words:,} words, a "
        f"transformer of {_LOOK.layers} layers and {_LOOK.hidden} numbers, and of each a twin with the same operations on less memory: {FEW} words, and one layer in place of all. Efficiency is what "
        f"both processes do together by what they do one at a time. An encoder scales when it is above {SCALES} with its interval; memory ends it when it is below {SCALES} and its twin above it, "
        "each with its interval; something else does when the twin brings back less than half of what is lost. Holds when memory ends one and each either scales or is ended by it, "
        "depends when memory ends one and something else another, misleading when something else ends every encoder that does not scale. Not settled here when both scale, for then two cores do not reach the end, when an "
        f"interval does not tell, or when {PRODUCTS} do not exceed {TWO_CORES}, for then the machine did not give two cores. {SUM.capitalize()}, two threads, and efficiency by the "
        "processor's time stand beside",
        measure_processes,
        decide_processes,
    ),
    Claim(
        59,
        "20",
        "The whole pipeline for 8.8M passages runs in bounded memory.",
        f"all stages of the pipeline, two processes, a bag of 256 numbers trained for {STEPS} steps, planted with {_SIZES} passages for each of five seeds and with {LARGEST:,} for the first. "
        f"Counted is the most memory of their own that a stage and its children hold together, 20 looks a second; pages of mapped files stand beside. Holds when in every stage a further passage from the second "
        f"largest size to the largest takes at most {PROMISED} bytes, its id, with its interval by the spread between seeds, and none exceeds 4 GiB; depends when none exceeds 4 GiB and some stage grows faster; "
        "misleading when one exceeds it, or fewer passages stand in vectors or index than went in. Not settled here when intervals do not tell, or when the same measure does not see a process that holds a list of "
        "vectors and the array made of it, or sees growth in one that uses blocks",
        measure_memory,
        decide_memory,
    ),
    Claim(
        60,
        "20",
        "Data-parallel training with gathered negatives scales: efficiency by world size.",
        f"steps with AdamW in one process with the whole batch, in two with half of it each that exchange nothing, and in two that gather vectors and average gradients, in turn, {SIZES['record'].rounds} rounds "
        f"for each of five seeds: {', '.join(case.name for case in SIZES['record'].cases)}; {SIZES['record'].words:,} words of 256 numbers, 4 layers. Efficiency is the time of one process by twice that of two. "
        f"A case is judged when two that exchange nothing are above {GIVES} with their interval: else it is the machine. Holds when all judged cases are above {WORTH} with their interval, misleading when all are below, "
        f"depends when some can be told; not settled here when none can, or when the last loss differs from that of one process by more than {SAME:g}. Only two processes are measured, on one machine: "
        "what a network between machines takes is not. That gradients are equal is a test, and claim 15",
        measure_training,
        decide_training,
    ),
)
