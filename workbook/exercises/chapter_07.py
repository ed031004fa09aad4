"""The exercises of chapter 07: which loss, which learning rate, where to stop, and how to go on after a kill."""

import copy
import math
import random
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from workbook.exercises import compare
from workbook.exercises.exercise import Answer, Case, Exercise, Mistake, Property, Reversed, Situation
from workbook.losses import choice
from workbook.train import early_stopping, loop

# --- 07.1 the learning rate of a step --------------------------------------------------------


def schedule(step: int, steps: int, warmup_steps: int) -> float:
    """The share of the highest learning rate at a step: up a straight line, then down another."""
    return loop.schedule(step, steps, warmup_steps)


def _lower_of_two_lines(step, steps, warmup_steps):
    return min((step + 1) / (warmup_steps + 1), (steps - step) / (steps - warmup_steps))


def _rising(up: Callable[[int, int], float], down: Callable[[int, int, int], float]) -> Answer:
    def rate(step, steps, warmup_steps):
        return up(step, warmup_steps) if step < warmup_steps else down(step, steps, warmup_steps)

    return rate


def _ours_up(step: int, warmup_steps: int) -> float:
    return (step + 1) / (warmup_steps + 1)


def _ours_down(step: int, steps: int, warmup_steps: int) -> float:
    return (steps - step) / (steps - warmup_steps)


def _draw_step(rng: random.Random) -> tuple[int, int, int]:
    steps = rng.randint(1, 20)
    warmup_steps = rng.choice((0, rng.randint(0, steps - 1), rng.randint(0, steps - 1)))
    return rng.randint(0, steps - 1), steps, warmup_steps


SCHEDULE = Exercise(
    id="07.1",
    title="the learning rate of a step",
    difficulty="easy",
    minutes=7,
    section="Build it: the learning rate",
    signature="int, int, int -> float",
    reference=schedule,
    another=_lower_of_two_lines,
    draw=_draw_step,
    situations=(
        Situation("the learning rate still rises", lambda step, steps, w: step < w),
        Situation("the learning rate falls", lambda step, steps, w: step > w),
        Situation("it is the first step", lambda step, steps, w: step == 0),
        Situation("it is the last step", lambda step, steps, w: step == steps - 1),
        Situation("there is no warm-up", lambda step, steps, w: w == 0),
        Situation("it is the step at the peak", lambda step, steps, w: step == w),
    ),
    cases=(
        Case("step 60 of 100, 10 of them warm-up", lambda: (60, 100, 10), 40 / 90),
        Case("the first step", lambda: (0, 100, 10), 1 / 11),
        Case("the last step", lambda: (99, 100, 10)),
        Case("no warm-up", lambda: (1, 4, 0), 0.75),
    ),
    mistakes=(
        Mistake(
            "the first step learns nothing",
            _rising(lambda step, w: step / w, _ours_down),
            "Your line rises from 0, so the first step has a learning rate of 0: a batch is read, and no weight moves. Count from 1 on "
            "the way up, so that the first step already has its share.",
        ),
        Mistake(
            "the peak comes a step early",
            _rising(lambda step, w: (step + 1) / w, _ours_down),
            "The last step of your warm-up already has the full rate, and the step after it has it again. The peak belongs to step "
            "`warmup_steps`, one after the last that rises.",
        ),
        Mistake(
            "the last step learns nothing",
            _rising(_ours_up, lambda step, steps, w: (steps - 1 - step) / (steps - w)),
            "Your line comes down to 0 at the last step, which then moves no weight, and the peak is not 1. The line reaches 0 one "
            "step after the last.",
        ),
        Mistake(
            "the line ends a step early",
            _rising(_ours_up, lambda step, steps, w: (steps - 1 - step) / max(1, steps - 1 - w)),
            "Your peak is right, and your line comes down to 0 at the last step, which then moves no weight. It reaches 0 one step after "
            "the last: at step `steps`, which nobody takes.",
        ),
        Mistake(
            "both lines at once",
            lambda step, steps, w: min(1.0, (step + 1) / (w + 1)) * (steps - step) / steps,
            "You multiply a rise with a fall over all steps, so the peak is never reached. One line counts at a time, and the fall begins at "
            "the end of the warm-up.",
        ),
        Mistake(
            "the fall is counted from step 0",
            _rising(_ours_up, lambda step, steps, w: (steps - step) / steps),
            "You let the rate fall along a line that begins at step 0, so after a warm-up it never reaches the peak. The fall begins at "
            "the end of the warm-up, from 1.",
        ),
        Mistake(
            "no fall",
            _rising(_ours_up, lambda step, steps, w: 1.0),
            "After the warm-up your rate stays at its peak. It should come down, so that the last steps settle instead of jumping "
            "about.",
        ),
        Mistake(
            "no warm-up",
            lambda step, steps, w: (steps - step) / steps,
            "This is the fall alone, over all steps: `warmup_steps` is not used. A fresh model, and a fresh optimizer, would take "
            "their first steps at full size.",
        ),
        Mistake(
            "a cosine instead of a line",
            _rising(_ours_up, lambda step, steps, w: 0.5 * (1 + math.cos(math.pi * (step - w) / (steps - w)))),
            "You come down along a cosine. Many trainings do. Asked for is a straight line.",
        ),
    ),
    hints=(
        "Two lines: which one counts at this step?",
        "On the way up a step is worth one part of warmup_steps + 1. On the way down count the steps that are left, this one included.",
        "How many steps are left at step `warmup_steps`? Divide by that number, and the peak is 1.",
    ),
)


# --- 07.2 where to stop ----------------------------------------------------------------------

Seen = tuple[int, float, float | None]  # step, loss, nDCG


def where_to_stop(looks: Sequence[Seen], patience: int) -> tuple[int | None, int]:
    """The step whose weights are kept and the step at which the training stops: best nDCG, with patience."""
    curve = [{"step": step, "domain": ndcg, "general": 0.0} for step, _, ndcg in looks if ndcg is not None]
    if not curve:
        return None, looks[-1][0]
    stopped = early_stopping.stopped_at(curve, patience)
    kept = early_stopping.best([record for record in curve if record["step"] <= stopped])
    return kept, int(stopped) if stopped < math.inf else looks[-1][0]


def _patience(
    value: Callable[[Seen], float | None] = lambda look: look[2],
    better: Callable[[float, float], bool] = lambda new, old: new > old,
    enough: Callable[[int, int], bool] = lambda bad, patience: bad >= patience,
    reset: bool = True,
    against_previous: bool = False,
    keep: Callable[[int | None, int, Sequence[Seen]], int | None] = lambda kept, stopped, looks: kept,
    unmeasured: bool = False,
    nothing: Callable[[int], int | None] = lambda last: None,
) -> Answer:
    """Going through the looks one by one, with one part exchanged."""

    def stop(looks, patience):
        kept, best, previous, bad = None, -math.inf, -math.inf, 0
        for look in looks:
            x = value(look)
            if x is None:
                bad += unmeasured
            else:
                won = better(x, best)
                bad = (
                    bad + (not (x > previous if against_previous else won))
                    if not won or against_previous
                    else bad * (not reset)
                )
                if against_previous and x > previous:
                    bad = 0
                if won:
                    kept, best = look[0], x
                previous = x
            if kept is not None and enough(bad, patience):
                return keep(kept, look[0], looks), look[0]
        last = looks[-1][0]
        return (keep(kept, last, looks) if kept is not None else nothing(last)), last

    return stop


def _best_of_all(kept, stopped, looks):
    measured = [look for look in looks if look[2] is not None]
    return max(measured, key=lambda look: look[2])[0]


def _in_steps(looks, patience):
    """Patience is held against the steps since the best look."""
    kept = best = None
    for step, _, value in looks:
        if value is not None and (best is None or value > best):
            kept, best = step, value
        elif value is not None and step - kept >= patience:
            return kept, step
    return kept, looks[-1][0]


def _gap_resets(looks, patience):
    """A look without nDCG sets the count back."""
    kept = best = None
    bad = 0
    for step, _, value in looks:
        won = value is not None and (best is None or value > best)
        if won:
            kept, best = step, value
        bad = 0 if won or value is None else bad + 1
        if kept is not None and bad >= patience:
            return kept, step
    return kept, looks[-1][0]


def _beginning_at(first: float) -> Answer:
    """The best value before the first look is a number that a value may lie below."""

    def stop(looks, patience):
        kept, best, bad = None, first, 0
        for step, _, value in looks:
            if value is None:
                continue
            if value > best:
                kept, best, bad = step, value, 0
            else:
                bad += 1
            if bad == patience:
                return kept, step
        return kept, looks[-1][0]

    return stop


LOOKS = [
    (10, 3.1, 0.30), (20, 2.6, 0.38), (30, 2.5, 0.37), (40, 2.7, 0.41), (50, 2.8, 0.41), (60, 3.0, 0.40), (70, 3.2, 0.39),
    (80, 3.3, 0.43),
]  # fmt: skip


def _draw_looks(rng: random.Random) -> tuple[list[Seen], int]:
    n, step, looks = rng.randint(1, 8), 0, []
    never = rng.random() < 0.08
    values = rng.choice(((0.1, 0.2, 0.3, 0.4, 0.45), (0.0, 0.3, 0.3004, 0.3008), (-2.5, -2.0, -1.5, -0.5, 0.0)))
    for _ in range(n):
        step += rng.choice((1, 5, 10, 10, 20))
        ndcg = None if never or rng.random() < 0.15 else rng.choice(values)
        looks.append((step, round(rng.uniform(1, 4), 1), ndcg))
    return looks, rng.randint(1, 3)


def _measured(looks: Sequence[Seen]) -> list[float]:
    return [ndcg for _, _, ndcg in looks if ndcg is not None]


STOP = Exercise(
    id="07.2",
    title="where to stop",
    difficulty="medium",
    minutes=13,
    section="Build it: where to stop",
    signature="list of (int, float, float or None), int -> (int or None, int)",
    reference=where_to_stop,
    another=_patience(),
    draw=_draw_looks,
    loops=True,
    situations=(
        Situation("patience runs out before the last look", lambda looks, p: where_to_stop(looks, p)[1] < looks[-1][0]),
        Situation(
            "the best nDCG comes twice", lambda looks, p: _measured(looks).count(max(_measured(looks), default=0)) > 1
        ),
        Situation("a look has no nDCG", lambda looks, p: len(_measured(looks)) < len(looks)),
        Situation("no look has an nDCG", lambda looks, p: not _measured(looks)),
        Situation("an nDCG is 0", lambda looks, p: 0 in _measured(looks)),
        Situation("a value is negative", lambda looks, p: min(_measured(looks), default=0) < 0),
        Situation("there is one look only", lambda looks, p: len(looks) == 1),
        Situation(
            "the lowest loss is not where nDCG is best",
            lambda looks, p: min(looks, key=lambda look: look[1])[0] != where_to_stop(looks, p)[0],
        ),
        Situation("patience is 1", lambda looks, p: p == 1),
    ),
    cases=(
        Case("eight looks, patience 3", lambda: (list(LOOKS), 3), (40, 70)),
        Case("the same, patience 1", lambda: (list(LOOKS), 1), (20, 30)),
        Case("it rises to the end", lambda: ([(5, 2.0, 0.2), (10, 2.1, 0.3)], 2), (10, 10)),
        Case("nobody measured", lambda: ([(5, 2.0, None), (10, 1.5, None)], 1), (None, 10)),
        Case(
            "a look without a measurement",
            lambda: ([(5, 2.0, 0.3), (10, 1.9, None), (15, 1.8, 0.2), (20, 1.7, 0.4)], 2),
        ),
        Case(
            "a gap between two that are no better",
            lambda: ([(1, 0.0, 0.5), (2, 0.0, 0.4), (3, 0.0, None), (4, 0.0, 0.3), (5, 0.0, 0.2)], 2),
            (1, 4),
        ),
        Case("nothing was found", lambda: ([(10, 1.0, 0.0)], 1), (10, 10)),
        Case("negative losses as values", lambda: ([(10, 3.0, -3.0), (20, 2.5, -2.5), (30, 2.75, -2.75)], 1), (20, 30)),
    ),
    mistakes=(
        Mistake(
            "the lowest loss is kept",
            _patience(value=lambda look: -look[1]),
            "You keep the lowest loss. The loss also charges for being too sure of right answers, so it can turn up while the ranking "
            "still gets better; nDCG is what was asked for.",
        ),
        Mistake(
            "the last is kept, not the best",
            _patience(keep=lambda kept, stopped, looks: stopped),
            "You keep the weights of the step at which you stop. Patience means that the last looks were no better: the best weights lie "
            "some looks back, and must have been put aside then.",
        ),
        Mistake(
            "without a measurement, the last in silence",
            _patience(nothing=lambda last: last),
            'No look has an nDCG, and you keep the last step all the same. Then whoever reads "best" believes that somebody looked. '
            "Say None.",
        ),
        Mistake(
            "of equals the later",
            _patience(better=lambda new, old: new >= old),
            "You take an equal nDCG for a new best. It moves the kept step to the later one and gives the training more patience, "
            "without anything having been gained.",
        ),
        Mistake(
            "one look too patient",
            _patience(enough=lambda bad, patience: bad > patience),
            "You wait one look longer: you stop when more than `patience` looks brought nothing. It is over with look number "
            "`patience` of them.",
        ),
        Mistake(
            "bad looks are never forgotten",
            _patience(reset=False),
            "You count all looks that brought nothing, over the whole training. They must come in a row: a new best sets the count back.",
        ),
        Mistake(
            "compared with the look before",
            _patience(against_previous=True),
            "You compare a look with the one before it, for the patience at least. A climb back out of a dip is then taken for progress; "
            "what counts is the best so far.",
        ),
        Mistake(
            "the best of looks that never came",
            _patience(keep=_best_of_all),
            "You take the best of all looks, those after the stop as well. A training that has stopped never sees them.",
        ),
        Mistake(
            "a look without nDCG counts as a bad one",
            _patience(unmeasured=True),
            "A look without nDCG uses up your patience. Nothing was measured there, so it says neither better nor worse.",
        ),
        Mistake(
            "a look without nDCG sets the count back",
            _gap_resets,
            "A look without nDCG sets your count back to 0. Nothing was measured there: the looks before and after it are still in a row.",
        ),
        Mistake(
            "0 is taken for nothing",
            _patience(value=lambda look: look[2] or None),
            "You take an nDCG of 0 for one that was not measured: 0 is as false as None. Ask whether it *is* None.",
        ),
        Mistake(
            "a small gain does not count",
            _patience(better=lambda new, old: new > old + 1e-3),
            "A gain of less than some least difference is no new best with you. Libraries offer that; here any higher value is one.",
        ),
        Mistake(
            "the best begins at 0",
            _beginning_at(0.0),
            "Your best begins at 0, so a value of 0 or below is never a new best. A first look is always the best so far: begin lower than "
            "any number.",
        ),
        Mistake(
            "the best begins at -1",
            _beginning_at(-1.0),
            "Your best begins at −1. The values may be any numbers, such as −3 for a loss of 3: begin lower than any number.",
        ),
        Mistake(
            "patience in steps",
            _in_steps,
            "You hold patience against steps. It counts looks, and between two of them lie many steps.",
        ),
    ),
    hints=(
        "Go through the looks in order, as the training does, and carry along what you know so far.",
        "Carry three things: the best nDCG, its step, and how many looks in a row brought nothing better. What does a look without nDCG do?",
        "A new best sets the count to 0, anything else that was measured adds 1. When the count reaches patience, return. What is left at the end?",
    ),
)


# --- 07.3 the rows of the next batch ---------------------------------------------------------


def next_rows(place: int, num_pairs: int, batch_size: int, seed: int) -> list[int]:
    """The rows of the next batch after `place` rows have been read: epoch, order and position follow from that number."""
    epoch, within = divmod(place, num_pairs)
    order = np.random.default_rng([seed, epoch]).permutation(num_pairs)
    return order[within : within + batch_size].tolist()


def _cut_from_a_stream(place, num_pairs, batch_size, seed):
    """All epochs up to this place behind one another; a batch ends where its epoch does."""
    epochs = place // num_pairs + 1
    stream = np.concatenate([np.random.default_rng([seed, e]).permutation(num_pairs) for e in range(epochs)])
    return [int(row) for row in stream[place : place + batch_size]]


def _rows(
    key: Callable[[int, int, int], Any] = lambda seed, epoch, place: [seed, epoch],
    start: Callable[[int, int, int], int] = lambda place, N, B: place % N,
) -> Answer:
    def rows(place, num_pairs, batch_size, seed):
        order = np.random.default_rng(key(seed, place // num_pairs, place)).permutation(num_pairs)
        within = start(place, num_pairs, batch_size)
        return order[within : within + batch_size].tolist()

    return rows


def _filled_up(place, num_pairs, batch_size, seed):
    rows = next_rows(place, num_pairs, batch_size, seed)
    while len(rows) < batch_size:
        rows += next_rows(place + len(rows), num_pairs, batch_size - len(rows), seed)
    return rows


def _filled_from_its_own_epoch(place, num_pairs, batch_size, seed):
    epoch, within = divmod(place, num_pairs)
    order = np.random.default_rng([seed, epoch]).permutation(num_pairs).tolist()
    return [order[(within + i) % num_pairs] for i in range(batch_size)]


def _short_one_dropped(place, num_pairs, batch_size, seed):
    epoch, within = divmod(place, num_pairs)
    if within + batch_size > num_pairs:
        epoch, within = epoch + 1, 0
    order = np.random.default_rng([seed, epoch]).permutation(num_pairs)
    return order[within : within + batch_size].tolist()


def _not_shuffled(place, num_pairs, batch_size, seed):
    within = place % num_pairs
    return list(range(num_pairs))[within : within + batch_size]


def _counted_in_batches(place, num_pairs, batch_size, seed):
    return next_rows(place * batch_size, num_pairs, batch_size, seed)


def _draw_place(rng: random.Random) -> tuple[int, int, int, int]:
    N, B = rng.randint(1, 7), rng.randint(1, 8)
    return rng.choice((0, rng.randint(0, 3 * N), rng.randint(0, 3 * N), N, 2 * N - 1)), N, B, rng.randint(0, 5)


ROWS = Exercise(
    id="07.3",
    title="the next batch after a stop",
    difficulty="medium",
    minutes=10,
    section="Build it: the place in the data",
    signature="int, int, int, int -> list of int",
    reference=next_rows,
    another=_cut_from_a_stream,
    draw=_draw_place,
    situations=(
        Situation("nothing has been read yet", lambda place, N, B, seed: place == 0),
        Situation("the first epoch is over", lambda place, N, B, seed: place >= N),
        Situation("an epoch begins here", lambda place, N, B, seed: place % N == 0),
        Situation("fewer rows are left in the epoch than a batch holds", lambda place, N, B, seed: N - place % N < B),
        Situation("a batch holds one row", lambda place, N, B, seed: B == 1),
    ),
    cases=(
        Case("the first batch of five pairs", lambda: (0, 5, 2, 0), [2, 4]),
        Case("the last row of the first epoch", lambda: (4, 5, 2, 0), [1]),
        Case("the second epoch begins", lambda: (5, 5, 2, 0)),
        Case("in the third epoch", lambda: (16, 7, 4, 3)),
        Case("a place that is no multiple of the batch", lambda: (3, 7, 2, 1)),
        Case("all at once", lambda: (6, 6, 8, 2)),
    ),
    mistakes=(
        Mistake(
            "the epoch starts again",
            _rows(start=lambda place, N, B: 0),
            "You go back to the beginning of the epoch: the pairs before the stop are read a second time, and the training takes those "
            "at the end of its epoch never, if it is stopped often.",
        ),
        Mistake(
            "every epoch has the same order",
            _rows(key=lambda seed, epoch, place: [seed, 0]),
            "The number of the epoch does not reach the generator, so each epoch has the order of the first, and a pair meets the same "
            "batch-mates for ever.",
        ),
        Mistake(
            "seed and epoch are added",
            _rows(key=lambda seed, epoch, place: seed + epoch),
            "You add seed and epoch. Then epoch 1 of seed 0 is epoch 0 of seed 1: runs that are called independent read the same orders. "
            "Give the generator both numbers, as a list.",
        ),
        Mistake(
            "shuffled anew at the stop",
            _rows(key=lambda seed, epoch, place: [seed, place]),
            "You shuffle anew from the place itself. It is random, and it is another order than the one the epoch began with: some pairs "
            "come twice, others not at all.",
        ),
        Mistake(
            "filled up from the next epoch",
            _filled_up,
            "You fill the last, short batch from the next epoch. A pair can then stand in one batch twice, as its own negative. The "
            "batch ends where its epoch does.",
        ),
        Mistake(
            "filled up from the same epoch",
            _filled_from_its_own_epoch,
            "You fill the last, short batch from the beginning of the same epoch, with pairs that have been read already.",
        ),
        Mistake(
            "the short batch is dropped",
            _short_one_dropped,
            "You leave the last, short batch out and begin the next epoch. Its pairs are not read in this epoch.",
        ),
        Mistake(
            "not shuffled",
            _not_shuffled,
            "The rows come in the order of the table. Tables are often sorted, by date, by source, by length; then batch-mates are alike, "
            "and the training ends with whatever stands last.",
        ),
        Mistake(
            "the place counted in batches",
            _counted_in_batches,
            "You take `place` for a number of batches. It counts rows: a short batch at the end of an epoch moves it by less than a full "
            "one.",
        ),
    ),
    hints=(
        "From the number of rows read: which epoch is it, and how many of its rows are gone?",
        "`divmod(place, num_pairs)` gives both. The order of that epoch comes from a generator that is given seed and epoch.",
        "Cut the order from the place within the epoch, batch_size long: a slice ends by itself where the list does.",
    ),
)


# --- 07.4 which loss -------------------------------------------------------------------------


def loss_for(rows: Sequence[Sequence[str]], labels: Sequence[Any] | None = None) -> str:
    """The name of the loss that fits the columns of a table."""
    return choice.loss_for(rows, labels)


def _loss_by_table(rows, labels=None):
    width = len(rows[0])
    if labels is None:
        kind = "none"
    elif hasattr(labels[0], "__len__"):
        kind = "scores"
    else:
        kind = "binary" if all(label == 0 or label == 1 for label in labels) else "number"
    table = {(1, "binary"): "batch_hard_triplet_loss", (1, "number"): "batch_hard_triplet_loss", (2, "binary"): "contrastive_loss",
             (2, "number"): "cosent", (3, "number"): "margin_mse", (3, "binary"): "margin_mse"}  # fmt: skip
    return {"none": "info_nce", "scores": "distill_kl"}.get(kind) or table[width, kind]


def _losses(**changes: str) -> Answer:
    """The right answer, with some of the names exchanged."""
    return lambda rows, labels=None: changes.get(found := loss_for(rows, labels), found)


def _by_the_first_label(rows, labels=None):
    return loss_for(rows[:1], None if labels is None else labels[:1])


def _as_binary_if_whole(rows, labels=None):
    found = loss_for(rows, labels)
    return "contrastive_loss" if found == "cosent" and all(float(x).is_integer() for x in labels) else found


def _classes_by_infonce(rows, labels=None):
    return loss_for(rows, None) if labels is None or len(rows[0]) == 2 else loss_for(rows, labels)


def _margin_only_where_it_is_small(rows, labels=None):
    return "triplet_loss" if len(rows[0]) == 3 and labels is None else loss_for(rows, labels)


def _draw_table(rng: random.Random) -> tuple[list[tuple[str, ...]], list[Any] | None]:
    n = rng.randint(2, 4)
    width = rng.choice((1, 2, 2, 2, 2, 2, 3, 3, 4))
    words = ("milk", "tea", "sugar", "bread", "salt", "rice")
    rows = [tuple(rng.choice(words) for _ in range(width)) for _ in range(n)]
    if width > 1 and rng.random() < 0.3:
        return rows, None
    if width == 1:
        return rows, [rng.randint(0, 3) for _ in range(n)]
    if width == 2:
        scale = rng.choice((
            (0, 1), (1, 0), (0.0, 1.0), (1,), (0,), (0.0,), (0, 1, 0.5), (1.0, 0.0, 0.25), (0.2, 1.0), (0.75, 0.5, 0.25),
            (0.5, 0, 1), (-1, 1), (0, 1, 2, 3, 4, 5),
        ))  # fmt: skip
        return rows, [scale[i % len(scale)] if i < len(scale) else rng.choice(scale) for i in range(n)]
    if width == 3 and rng.random() < 0.5:
        return rows, [round(rng.uniform(-1, 4), 1) for _ in range(n)]
    return rows, [[round(rng.uniform(-2, 6), 1) for _ in range(width - 1)] for _ in range(n)]


def _two_texts(labels: Any) -> bool:
    return labels is not None and not isinstance(labels[0], list)


def _are_pairs(rows: Sequence[Any], labels: Any) -> bool:
    return labels is not None and len(rows[0]) == 2


def _yes_and_no_if(rule: Callable[[Sequence[Any]], bool]) -> Answer:
    """The right answer, with another rule for which labels of pairs are yes and no."""

    def name(rows, labels=None):
        if not _are_pairs(rows, labels):
            return loss_for(rows, labels)
        return "contrastive_loss" if rule(labels) else "cosent"

    return name


WHICH_LOSS = Exercise(
    id="07.4",
    title="which loss fits these columns",
    difficulty="easy",
    minutes=8,
    section="Build it: from columns to a loss",
    signature="list of tuples of str, list or None -> str",
    reference=loss_for,
    another=_loss_by_table,
    draw=_draw_table,
    loops=True,
    situations=(
        Situation("there are no labels", lambda rows, labels: labels is None),
        Situation("a row is one text", lambda rows, labels: len(rows[0]) == 1),
        Situation("a row is a pair", lambda rows, labels: len(rows[0]) == 2),
        Situation("a row has negatives", lambda rows, labels: len(rows[0]) > 2),
        Situation("a label is a list of scores", lambda rows, labels: labels is not None and not _two_texts(labels)),
        Situation(
            "a pair has a label that is neither 0 nor 1",
            lambda rows, labels: len(rows[0]) == 2 and labels is not None and not set(labels) <= {0, 1},
        ),
        Situation("all labels of pairs are 0", lambda rows, labels: _are_pairs(rows, labels) and set(labels) == {0}),
        Situation("all labels of pairs are 1", lambda rows, labels: _are_pairs(rows, labels) and set(labels) == {1}),
        Situation(
            "grades of pairs lie within 0 and 1",
            lambda rows, labels: (
                _are_pairs(rows, labels) and not set(labels) <= {0, 1} and min(labels) >= 0 and max(labels) <= 1
            ),
        ),
        Situation(
            "pairs have the labels 0 and 1 as floats",
            lambda rows, labels: _are_pairs(rows, labels) and set(labels) <= {0, 1} and isinstance(labels[0], float),
        ),
        Situation(
            "the first label is 0 or 1, a later one is not",
            lambda rows, labels: (
                len(rows[0]) == 2 and labels is not None and labels[0] in (0, 1) and not set(labels) <= {0, 1}
            ),
        ),
    ),
    cases=(
        Case(
            "titles and bodies",
            lambda: ([("sort a list", "Return a new list."), ("read", "Open it.")], None),
            "info_nce",
        ),
        Case("each with a negative", lambda: ([("sort", "order", "read"), ("add", "sum", "cut")], None), "info_nce"),
        Case("pairs that match or not", lambda: ([("sort", "order"), ("sort", "read")], [1, 0]), "contrastive_loss"),
        Case("pairs with grades", lambda: ([("a", "b"), ("a", "c"), ("a", "d")], [0, 1, 0.4]), "cosent"),
        Case("pairs that all match", lambda: ([("sort", "order"), ("add", "sum")], [1, 1]), "contrastive_loss"),
        Case("pairs of which none match", lambda: ([("sort", "cut"), ("add", "read")], [0, 0]), "contrastive_loss"),
        Case("grades within 0 and 1", lambda: ([("a", "b"), ("a", "c")], [0.7, 0.2]), "cosent"),
        Case("grades from 0 to 5", lambda: ([("a", "b"), ("a", "c")], [5, 3]), "cosent"),
        Case("texts with a class", lambda: ([("tea",), ("milk",)], [0, 1]), "batch_hard_triplet_loss"),
        Case("a teacher's margin", lambda: ([("q", "d", "n"), ("q", "e", "n")], [2.5, 0.3]), "margin_mse"),
        Case(
            "a teacher's scores", lambda: ([("q", "d", "n"), ("r", "e", "n")], [[7.1, 2.0], [3.0, 2.9]]), "distill_kl"
        ),
        Case("a teacher's scores of three", lambda: ([("q", "d", "n", "m")], [[7.1, 2.0, 0.4]]), "distill_kl"),
    ),
    mistakes=(
        Mistake(
            "only the first label is looked at",
            _by_the_first_label,
            "You decide by the first label. Where it happens to be 0 or 1 and a later one is 0.4, grades are taken for yes and no. Look "
            "at all of them.",
        ),
        Mistake(
            "whole numbers are taken for yes and no",
            _as_binary_if_whole,
            "You take every whole number for yes or no. Grades from 0 to 5 are whole numbers, too, and `contrastive_loss` refuses them. Only "
            "0 and 1 are yes and no.",
        ),
        Mistake(
            "all from 0 to 1 is taken for yes and no",
            _yes_and_no_if(lambda labels: all(0 <= label <= 1 for label in labels)),
            "You take everything from 0 to 1 for yes and no. A grade of 0.4 lies there as well; yes and no are 0 and 1 and nothing between.",
        ),
        Mistake(
            "the largest label decides",
            _yes_and_no_if(lambda labels: max(labels) == 1),
            "You look at the largest label alone. Where it is 1 the others may be grades, and where all are 0 it is not 1.",
        ),
        Mistake(
            "both 0 and 1 must occur",
            _yes_and_no_if(lambda labels: set(labels) == {0, 1}),
            "You ask for both 0 and 1. A table whose pairs all match, or of which none does, is labelled with yes and no, too.",
        ),
        Mistake(
            "the type decides",
            _yes_and_no_if(lambda labels: all(isinstance(label, int) for label in labels)),
            "You decide by the type. 0.0 and 1.0 are yes and no, and grades from 0 to 5 are whole numbers: look at the values.",
        ),
        Mistake(
            "the type of the first label decides",
            _yes_and_no_if(lambda labels: not isinstance(labels[0], float)),
            "You decide by the type of the first label. 0.0 and 1.0 are yes and no, and [1, 0.4] begins with a whole number: look at all "
            "values.",
        ),
        Mistake(
            "only whole 0 and 1",
            _yes_and_no_if(lambda labels: all(isinstance(label, int) and label in (0, 1) for label in labels)),
            "You take 0.0 and 1.0 for grades. They are 0 and 1: look at the values, not at the type.",
        ),
        Mistake(
            "zeros are taken for no labels",
            lambda rows, labels=None: loss_for(rows, labels) if labels and any(labels) else "info_nce",
            "You take labels that are all 0 for none. Ask whether `labels` *is* None.",
        ),
        Mistake(
            "labels of pairs are not looked at",
            _classes_by_infonce,
            "You give every table of pairs to `info_nce`, which takes each row for a match. Half of a table with labels may be rows that do "
            "not belong together, and they would be pulled together all the same.",
        ),
        Mistake(
            "negatives want the triplet loss",
            _margin_only_where_it_is_small,
            "You give triples to the triplet loss. It compares each query with its own negative alone; `info_nce` takes that negative "
            "and all other passages of the batch besides.",
        ),
        Mistake(
            "grades as values",
            _losses(cosent="cosine_similarity_loss"),
            "`cosine_similarity_loss` asks for the values themselves, so grades from 0 to 5 do not fit it, and a cosine of exactly 0.4 is more "
            "than anybody knows. Their order is what a grade says: `cosent`.",
        ),
        Mistake(
            "a teacher is always a distribution",
            _losses(margin_mse="distill_kl"),
            "`distill_kl` needs a score for each passage of a row. One number for a triple is a margin, the difference of two scores: "
            "`margin_mse` learns it.",
        ),
        Mistake(
            "scores are margins",
            _losses(distill_kl="margin_mse"),
            "Here each passage has a score of its own, so the teacher's whole order is known. Asked for is the loss that learns it as a "
            "distribution; `margin_mse` is for the one number of a triple.",
        ),
        Mistake(
            "a class is yes or no",
            lambda rows, labels=None: (
                "contrastive_loss" if labels is not None and len(rows[0]) == 1 else loss_for(rows, labels)
            ),
            "A row of one text has nothing to be compared with, so a loss over pairs cannot take it. Its class says which other texts of "
            "the batch are fellows: the batch-hard triplet loss.",
        ),
    ),
    hints=(
        "Three questions: are there labels? How many texts stand in a row? What does a label look like?",
        "Without labels there is one answer for pairs and for rows with negatives. With labels, begin with the number of texts.",
        "For pairs ask whether all labels are 0 or 1. For three texts and more, ask whether a label is a list.",
    ),
)


# --- 07.5 the shortest training that misses its moments --------------------------------------


def shortest_training() -> tuple[list[float], int]:
    """Two gradients that differ, with a stop between them."""
    return [1.0, -1.0], 1


def adam(gradients: Sequence[float], lost_at: int | None = None) -> float:
    """Where a weight ends that began at 0, under Adam with a learning rate of 1; at `lost_at` its moments are lost."""
    weight, m, v, t = 0.0, 0.0, 0.0, 0
    for i, gradient in enumerate(gradients):
        if i == lost_at:
            m, v, t = 0.0, 0.0, 0
        t += 1
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        weight -= (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return weight


def _ends_with_a_loss(gradients: Sequence[float], stop: int) -> float:
    """Where the weight ends whose moments are lost; what differs by 0.001 or less does not count as another place."""
    whole, lost = adam(gradients), adam(gradients, stop)
    return lost if abs(whole - lost) > 0.001 else whole


def _a_training(gradients: Sequence[float], stop: int) -> str | None:
    if isinstance(gradients, Tensor | np.ndarray):
        gradients = gradients.tolist()
    if not isinstance(gradients, list | tuple) or not all(compare.kind(g) == "number" for g in gradients):
        return "return a list of numbers, the gradients, and after how many of them the run is stopped"
    if compare.kind(stop) != "number" or isinstance(stop, bool) or int(stop) != stop:
        return "the stop is a whole number: how many steps were taken before it"
    if not all(g == 0 or 0.001 <= abs(g) <= 1000 for g in gradients):
        return "a gradient is 0, or from 0.001 to 1,000 in size"
    if not 0 <= stop <= len(gradients):
        return f"the stop lies between 0 and {len(gradients)}, the number of gradients, got {stop}"
    return None


REVERSED = Reversed(
    id="07.5",
    title="the shortest training that misses its moments",
    difficulty="medium",
    minutes=9,
    section="Build it: what a stop loses",
    signature="() -> list of float, int",
    reference=shortest_training,
    another=lambda: ([0.0, 2.0], 1),
    right=lambda gradients, stop: adam(list(gradients)),
    wrong=lambda gradients, stop: _ends_with_a_loss(list(gradients), int(stop)),
    valid=_a_training,
    smallest=2,
    measure=lambda gradients, stop: len(gradients),
    cases=(Case("nothing is passed in", lambda: (), shortest_training()),),
    mistakes=(
        Mistake(
            "nothing comes after the stop",
            lambda: ([1.0, -1.0], 2),
            "The run is stopped after its last step. The moments are lost, and nobody needs them any more.",
            when=lambda gradients, stop: len(gradients) > 0 and stop == len(gradients),
        ),
        Mistake(
            "nothing came before the stop",
            lambda: ([1.0, -1.0], 0),
            "The run is stopped before its first step. There are no moments yet, so none are lost.",
            when=lambda gradients, stop: stop == 0,
        ),
        Mistake(
            "all gradients are 0",
            lambda: ([0.0, 0.0], 1),
            "All your gradients are 0, so nothing is collected, and the weight never moves, with moments or without.",
            when=lambda gradients, stop: not any(gradients),
        ),
        Mistake(
            "all gradients are equal",
            lambda: ([2.0, 2.0, 2.0], 1),
            "All your gradients are equal, and then Adam does not show it: it divides the mean of the gradients by their size, and both "
            "are corrected for a young age, so every step has length 1 with moments and without. SGD with momentum would have shown it.",
            when=lambda gradients, stop: len(set(gradients)) == 1 and 0 < stop < len(gradients),
        ),
        Mistake(
            "nearly equal",
            lambda: ([1.0, 1.0001], 1),
            "Your gradients differ, and the two ends differ by 0.001 or less: a test would take that for rounding. Let the gradients differ "
            "clearly.",
            when=lambda gradients, stop: (
                len(set(gradients)) > 1
                and 0 < stop < len(gradients)
                and abs(adam(gradients) - adam(gradients, stop)) <= 0.001
            ),
        ),
        Mistake(
            "more steps than it takes",
            lambda: ([1.0, -1.0, 3.0], 1),
            "It works, and there are more steps than it takes. How many must lie before the stop, and how many after it?",
            when=lambda gradients, stop: len(gradients) > 2 and abs(adam(gradients) - adam(gradients, stop)) > 0.001,
        ),
    ),
    hints=(
        "Something must have been collected before the stop, and something must be needed after it.",
        "One step before and one after. Write down m and v after the first gradient, then the second step with them and without.",
        "With two equal gradients both ways end at the same place. So let them not be equal.",
    ),
)


# --- 07.6 a training that can be killed ------------------------------------------------------


class Momentum:
    """SGD with momentum, under the names of torch's optimizers; light, since a check starts hundreds of them.

    Each weight is a group of its own, with its own learning rate.
    """

    def __init__(self, parameters: Sequence[nn.Parameter]):
        self.param_groups: list[dict[str, Any]] = [{"params": [p], "lr": 1.0} for p in parameters]
        self.means = [torch.zeros_like(p) for p in parameters]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for group in self.param_groups:
            group["params"][0].grad = None

    @torch.no_grad()
    def step(self) -> None:
        """mean = 0.9 · mean + gradient; weight = weight - lr · mean; a weight without a gradient stays."""
        for group, mean in zip(self.param_groups, self.means, strict=True):
            (p,) = group["params"]
            if p.grad is not None:
                mean.mul_(0.9).add_(p.grad)
                p.sub_(group["lr"] * mean)

    def state_dict(self) -> dict[str, Any]:
        """The moments."""
        return {"means": [mean.clone() for mean in self.means]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over moments."""
        self.means = [mean.clone() for mean in state["means"]]


@cache
def _random_state_of(seed: int) -> Tensor:
    return torch.Generator().manual_seed(seed).get_state()


class Run:
    """A small training, given by its parts: a linear model with dropout learns to give the first of two numbers.

    Args:
        seed: of weights, batches and dropout.
        num_pairs, batch_size: of the data.
        steps, warmup_steps: of the schedule.
    """

    def __init__(self, seed: int, num_pairs: int, batch_size: int, steps: int, warmup_steps: int):
        self.seed, self.num_pairs, self.batch_size = seed, num_pairs, batch_size
        self.steps, self.warmup_steps = steps, warmup_steps
        self.data = torch.tensor([[math.sin(3.0 * i), math.cos(5.0 * i)] for i in range(num_pairs)])

    def start(self) -> tuple[nn.Module, Momentum]:
        """A model with fresh weights, and its optimizer; the random state is set to the run's seed."""
        torch.set_rng_state(_random_state_of(self.seed))
        model = nn.Linear(2, 1)
        return model, Momentum(list(model.parameters()))

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        return 0.2 * schedule(step, self.steps, self.warmup_steps)

    def rows(self, place: int) -> list[int]:
        """The rows of the next batch, once `place` rows have been read."""
        return next_rows(place, self.num_pairs, self.batch_size, self.seed)

    def loss(self, model: nn.Module, rows: Sequence[int]) -> Tensor:
        """The loss of a batch, with dropout drawn from the global random state."""
        x = self.data[list(rows)]
        dropped = x * (torch.rand(x.shape) < 0.7) / 0.7
        return (model(dropped)[:, 0] - x[:, 0]).square().mean()

    def __repr__(self) -> str:
        return (
            f"Run(seed={self.seed}, num_pairs={self.num_pairs}, batch_size={self.batch_size}, steps={self.steps}, "
            f"warmup_steps={self.warmup_steps})"
        )


Chest = dict[str, Any]
DRAWERS = ("step", "place", "weights", "moments", "random")


def train(run: Run, until: int, chest: Chest | None = None) -> Chest:
    """Train up to a step, from the beginning or from where a chest ends; all that decides what follows is returned."""
    return _train()(run, until, chest)


def _train(
    weights: bool = True, moments: bool = True, random_state: bool = True,
    rate: Callable[[int, int, int], int] = lambda step, first, until: step, first: Callable[[int], int] = lambda step: step,
    place: Callable[[int], int] = lambda place: place, groups: int | None = None, late: bool = False,
    moved: Callable[[Run, int, int, int], int] = lambda run, read, n, step: read + n,
    saved_step: Callable[[int], int] = lambda step: step, more: bool = False, clear: bool = True,
    saved_random: Callable[[Tensor, Tensor], Tensor] = lambda now, then: now,
) -> Answer:  # fmt: skip
    """The loop, with one part exchanged."""

    def loop_with_a_chest(run, until, chest=None):
        model, optimizer = run.start()
        begin = read = 0
        if chest is not None:
            begin, read = first(chest["step"]), place(chest["place"])
            if weights:
                model.load_state_dict(chest["weights"])
            if moments:
                optimizer.load_state_dict(chest["moments"])
            if random_state:
                torch.set_rng_state(chest["random"])
        then = torch.get_rng_state()
        step, end = begin, begin + until if more else until
        while step < end:
            rows = run.rows(read)
            if clear:
                optimizer.zero_grad()
            run.loss(model, rows).backward()
            if late:
                optimizer.step()
            for group in optimizer.param_groups[:groups]:
                group["lr"] = run.rate(rate(step, begin, until))
            if not late:
                optimizer.step()
            step += 1
            read = moved(run, read, len(rows), step)
        return {
            "step": saved_step(step), "place": read, "weights": model.state_dict(), "moments": optimizer.state_dict(),
            "random": saved_random(torch.get_rng_state(), then),
        }  # fmt: skip

    return loop_with_a_chest


def _one_by_one(run, until, chest=None):
    """Each step by itself: a chest is opened and packed around it."""
    step = 0 if chest is None else chest["step"]
    one = _train()
    if step >= until:
        return one(run, until, chest)
    while step < until:
        step += 1
        chest = one(run, step, chest)
    return chest


def _rate_of_this_call(run, until, chest=None):
    """The schedule ends with this call."""
    short = copy.copy(run)
    short.steps = max(until, run.warmup_steps + 1)
    return _train()(short, until, chest)


def _from_the_beginning(run, until, chest=None):
    return _train()(run, until)


def _drawers(result: Any, args: tuple) -> Chest:
    missing = [name for name in DRAWERS if not isinstance(result, dict) or name not in result]
    if missing:
        raise compare.NotAResult(f"return a dict with the keys {', '.join(DRAWERS)}; {missing[0]} is missing")
    if not isinstance(result["moments"], dict) or "means" not in result["moments"]:
        raise compare.NotAResult("the drawer moments holds what optimizer.state_dict() returns")
    if not isinstance(result["weights"], dict):
        raise compare.NotAResult("the drawer weights holds what model.state_dict() returns")
    if not isinstance(result["random"], Tensor):
        raise compare.NotAResult("the drawer random holds what torch.get_rng_state() returns")
    generator = torch.Generator()
    generator.set_state(result["random"])
    return {
        "step": result["step"],
        "place": result["place"],
        "weights": torch.cat([x.flatten() for x in result["weights"].values()]),
        "moments": torch.cat([mean.flatten() for mean in result["moments"]["means"]]),
        "the next random number": float(torch.rand(1, generator=generator)),
    }


@cache
def _packed(seed: int, num_pairs: int, batch_size: int, steps: int, warmup_steps: int, step: int) -> Chest:
    kept = torch.get_rng_state()
    try:
        return _train()(Run(seed, num_pairs, batch_size, steps, warmup_steps), step)
    finally:
        torch.set_rng_state(kept)


def _chest(run: Run, step: int) -> Chest | None:
    """What a run has packed after some steps; None where it has not begun."""
    if step == 0:
        return None
    return copy.deepcopy(_packed(run.seed, run.num_pairs, run.batch_size, run.steps, run.warmup_steps, step))


def _plain_chest() -> Chest:
    """After two of four steps: weights of 0, a bias of 1, and means of 0.5, 0 and 1."""
    return {
        "step": 2, "place": 2, "weights": {"weight": torch.zeros(1, 2), "bias": torch.ones(1)},
        "moments": {"means": [torch.tensor([[0.5, 0.0]]), torch.ones(1)]}, "random": _random_state_of(0).clone(),
    }  # fmt: skip


# One step on: the only row is (0, 1), and dropout (.4963, .7682) leaves it (0, 0). So the guess is the bias, 1, and its
# gradient 2. The means are .9 · .5 and .9 · 1 + 2, the rate is .1, and the weights 0 - .1 · .45 and 1 - .1 · 2.9.
PLAIN = {
    "step": 3, "place": 3, "weights": torch.tensor([-0.045, 0.0, 0.71]), "moments": torch.tensor([0.45, 0.0, 2.9]),
    "the next random number": 0.0885,
}  # fmt: skip


def _stopped(run: Run, stop: int, until: int) -> tuple[Run, int, Chest | None]:
    return run, until, _chest(run, stop)


def _takes_only_what_is_left(answer: Answer) -> str | None:
    run, until, chest = _stopped(Run(0, 5, 2, 6, 1), 3, 5)
    taken = []
    loss = run.loss
    run.loss = lambda model, rows: taken.append(1) or loss(model, rows)  # type: ignore[method-assign,func-returns-value]
    answer(run, until, chest)
    return None if len(taken) == 2 else f"from step 3 to step 5 are 2 steps, and {len(taken)} batches were read"


def _draw_run(rng: random.Random) -> tuple[Run, int, Chest | None]:
    steps = rng.randint(2, 5)
    run = Run(rng.randint(0, 3), rng.randint(2, 5), rng.randint(1, 3), steps, rng.randint(0, min(2, steps - 1)))
    stop = rng.randint(0, steps - 1)
    return _stopped(run, stop, rng.choice((stop, rng.randint(stop, steps), rng.randint(stop, steps), steps)))


def _steps_of(chest: Chest | None) -> int:
    return 0 if chest is None else int(chest["step"])


KILLED = Exercise(
    id="07.6",
    title="a training that can be killed",
    difficulty="hard",
    minutes=20,
    section="Build it: a training that can be killed",
    signature="run, int, dict or None -> dict",
    reference=train,
    another=_one_by_one,
    draw=_draw_run,
    loops=True,
    may_change=(2,),
    observe=_drawers,
    situations=(
        Situation("it begins without a chest", lambda run, until, chest: chest is None),
        Situation("there is a chest", lambda run, until, chest: chest is not None),
        Situation("no step is left to take", lambda run, until, chest: _steps_of(chest) == until),
        Situation(
            "the chest comes from the middle of an epoch",
            lambda run, until, chest: chest is not None and chest["place"] % run.num_pairs > 0,
        ),
        Situation("the learning rate still rises", lambda run, until, chest: _steps_of(chest) < run.warmup_steps),
        Situation("the last batch of an epoch is short", lambda run, until, chest: run.num_pairs % run.batch_size > 0),
    ),
    cases=(
        Case("no chest, no step", lambda: _stopped(Run(0, 4, 2, 4, 1), 0, 0)),
        Case("no chest, five steps", lambda: _stopped(Run(0, 5, 2, 8, 2), 0, 5)),
        Case("stopped after three of eight steps", lambda: _stopped(Run(1, 5, 2, 8, 2), 3, 8)),
        Case("stopped in the warm-up", lambda: _stopped(Run(2, 4, 3, 6, 3), 1, 4)),
        Case("one step after the chest", lambda: _stopped(Run(3, 5, 2, 8, 1), 4, 5)),
        Case("all steps are done", lambda: _stopped(Run(0, 3, 1, 4, 1), 4, 4)),
        Case("one step with plain numbers", lambda: (Run(1, 1, 1, 4, 0), 3, _plain_chest()), PLAIN),
    ),
    properties=(Property("no step is taken twice", _takes_only_what_is_left),),
    mistakes=(
        Mistake(
            "the chest is not opened",
            _from_the_beginning,
            "The chest is never read: the training begins anew. It ends at the right place, since everything follows from the seed, and every "
            "step before the stop is paid for twice.",
        ),
        Mistake(
            "the weights stay in the chest",
            _train(weights=False),
            "The first drawer, the weights, is not opened. Steps, moments and place go on, from a model with fresh weights.",
        ),
        Mistake(
            "the moments stay in the chest",
            _train(moments=False),
            "The second drawer, the optimizer's moments, is not opened. The optimizer starts with empty means, and forgets where it was "
            "going.",
        ),
        Mistake(
            "the schedule starts again",
            _train(rate=lambda step, first, until: step - first),
            "The third drawer: after the stop your learning rate is counted from 0 again, so a second warm-up comes, and then rates that "
            "are far too high for so late a step. This is the mistake that is made most often.",
        ),
        Mistake(
            "the schedule ends with this call",
            _rate_of_this_call,
            "Your schedule ends at `until`, the last step of this call. The run has its own number of steps: `run.rate` knows it.",
        ),
        Mistake(
            "the place in the data is forgotten",
            _train(place=lambda place: 0),
            "The fourth drawer: after the stop the data are read from the beginning. Some pairs are seen twice in their epoch, others "
            "not at all.",
        ),
        Mistake(
            "the place is counted in full batches",
            _train(moved=lambda run, read, n, step: read + run.batch_size),
            "You add a full batch to the place, also where the batch was short. At the end of an epoch rows are skipped.",
        ),
        Mistake(
            "the place is counted in steps",
            _train(moved=lambda run, read, n, step: read + 1),
            "You add 1 to the place for a batch. It counts rows: add as many as the batch had.",
        ),
        Mistake(
            "the place is a multiple of this batch",
            _train(moved=lambda run, read, n, step: step * n),
            "You multiply the number of steps by the size of this batch. Batches differ: the last one of an epoch is short. Add up what was "
            "read.",
        ),
        Mistake(
            "the place goes back at the end of an epoch",
            _train(moved=lambda run, read, n, step: 0 if n < len(run.rows(0)) else read + n),
            "You set the place back to 0 at the end of an epoch. It counts on over all epochs: which epoch it is follows from it.",
        ),
        Mistake(
            "only the first group has a rate",
            _train(groups=1),
            "You set the learning rate of the first group alone. An optimizer may have several, such as one without weight decay; the others "
            "keep the rate that they were made with.",
        ),
        Mistake(
            "the rate comes after the step",
            _train(late=True),
            "You set the learning rate once the step is taken, so each step is taken with the rate of the step before. Set it first.",
        ),
        Mistake(
            "the random state stays in the chest",
            _train(random_state=False),
            "The fifth drawer: after the stop dropout draws the numbers of the very first steps once more. Either the random state is not "
            "put back, or it is put back before `run.start()`, which sets it anew: open this drawer last.",
        ),
        Mistake(
            "the random state of the beginning is packed",
            _train(saved_random=lambda now, then: then),
            "You pack the random state from before the steps of this call. Whoever goes on from there draws the same numbers twice.",
        ),
        Mistake(
            "one step behind",
            _train(saved_step=lambda step: max(step - 1, 0)),
            "The step that you pack is the number of the last one taken, not how many have been taken. After loading, the schedule is one "
            "step behind, and that step is taken twice.",
        ),
        Mistake(
            "so many steps more",
            _train(more=True),
            "You take `until` further steps. Asked for is to go on up to step `until`, counted from the beginning of the whole run.",
        ),
        Mistake(
            "gradients add up",
            _train(clear=False),
            "The gradient of the step before is still there when `backward` adds the new one. Clear it before each step.",
        ),
    ),
    hints=(
        "Two parts: open the chest (or begin with step 0 and place 0), then an ordinary loop from the step in it up to `until`.",
        "Start the run in either case: you need a model to load the weights into. In what order may the drawers be opened? One of them is "
        "disturbed by making a model.",
        "Each step: set the rate of every group of the optimizer, take the rows of the place, clear, backward, step; count both. At the end pack "
        "two state dicts, two numbers and torch's random state.",
    ),
)

EXERCISES = (SCHEDULE, STOP, ROWS, WHICH_LOSS, REVERSED, KILLED)
