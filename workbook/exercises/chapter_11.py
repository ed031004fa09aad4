"""The exercises of chapter 11: how sources share the steps, what a batch holds, prompts, end tokens, a teacher, stages."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from workbook.exercises import compare, draws
from workbook.exercises.exercise import Answer, Case, Exercise, Mistake, Property, Reversed, Situation
from workbook.recipes import distilled, stage_steps
from workbook.similarity import normalize

# --- 11.1 how often a source is drawn --------------------------------------------------------


def source_shares(sizes: Sequence[int], alpha: float) -> list[float]:
    """The probability of each source: its number of pairs to the power alpha, over the sum of all of them."""
    return _shares(sizes, alpha)


def _shares(
    sizes, alpha, *, weigh=lambda n, alpha, N: n**alpha if n else 0.0, total=lambda weights, sizes: sum(weights)
):
    """Shares with one part exchanged."""
    weights = [float(weigh(n, alpha, sum(sizes))) for n in sizes]
    return [weight / total(weights, sizes) for weight in weights]


def _shares_by_logarithm(sizes, alpha):
    there = np.array(sizes) > 0
    weights = np.where(there, np.exp(alpha * np.log(np.maximum(sizes, 1))), 0.0)
    return (weights / weights.sum()).tolist()


def _sharing(**parts: Any) -> Answer:
    return lambda *args: _shares(*args, **parts)


def _softmax_of(values: Callable[[Tensor, float], Tensor]) -> Answer:
    return lambda sizes, alpha: values(torch.tensor(sizes, dtype=torch.float64), alpha).softmax(dim=0).tolist()


def _draw_sizes(rng: random.Random) -> tuple[list[int], float]:
    sizes = [rng.choice((0, 1, 4, 9, 25, 100, 400)) for _ in range(rng.randint(1, 5))]
    if not any(sizes):
        sizes[rng.randrange(len(sizes))] = 25
    return sizes, rng.choice((0.0, 0.0, 0.3, 0.5, 0.5, 0.7, 1.0))


def _adds_up(answer: Answer) -> str | None:
    total = float(sum(answer([3, 0, 50, 7], 0.4)))
    return None if abs(total - 1) < 1e-6 else f"for the sizes 3, 0, 50, 7 and alpha 0.4 they add up to {total:.4g}"


SHARES = Exercise(
    id="11.1",
    title="how often a source is drawn",
    difficulty="easy",
    minutes=8,
    section="Build it: how often a source is drawn",
    signature="list of int, float -> list of float",
    reference=source_shares,
    another=_shares_by_logarithm,
    draw=_draw_sizes,
    situations=(
        Situation("alpha is 0, and a source has no pairs", lambda sizes, alpha: alpha == 0 and 0 in sizes),
        Situation("alpha is 0", lambda sizes, alpha: alpha == 0),
        Situation("alpha is 1", lambda sizes, alpha: alpha == 1),
        Situation("alpha lies between 0 and 1", lambda sizes, alpha: 0 < alpha < 1),
        Situation("a source has no pairs", lambda sizes, alpha: 0 in sizes),
        Situation("there is one source only", lambda sizes, alpha: len(sizes) == 1),
        Situation("sources differ in size", lambda sizes, alpha: len({*sizes} - {0}) > 1),
    ),
    cases=(
        Case(
            "100, 10,000 and 1,000,000 pairs",
            lambda: ([100, 10_000, 1_000_000], 0.5),
            [10 / 1110, 100 / 1110, 1000 / 1110],
        ),
        Case("alpha 0, and one source is empty", lambda: ([4, 0, 9], 0.0), [0.5, 0.0, 0.5]),
        Case("alpha 1", lambda: ([1, 3], 1.0), [0.25, 0.75]),
        Case("alpha 0.3", lambda: ([25, 0, 400, 1], 0.3)),
    ),
    properties=(Property("the shares add up to 1", _adds_up),),
    mistakes=(
        Mistake(
            "by size",
            _sharing(weigh=lambda n, alpha, N: n),
            "`alpha` never counts: you draw each source by its size, as a shuffle of everything does. A source that holds nine tenths of "
            "the pairs then fills nine tenths of the batches.",
        ),
        Mistake(
            "all alike",
            _sharing(weigh=lambda n, alpha, N: float(n > 0)),
            "Every source gets the same share, whatever `alpha` is. That is alpha 0 alone: a small source is then gone through again and "
            "again.",
        ),
        Mistake(
            "an empty source is drawn",
            _sharing(weigh=lambda n, alpha, N: n**alpha),
            "At alpha 0 a source without pairs gets a share: Python's 0**0 is 1. When it is drawn there is nothing to take from it.",
        ),
        Mistake(
            "an empty source counts in the sum",
            lambda sizes, alpha: [n**alpha / sum(m**alpha for m in sizes) if n else 0.0 for n in sizes],
            "At alpha 0 a source without pairs still counts 1 in the sum, for Python's 0**0 is 1; the others then add up to less than 1. "
            "Leave it out of the sum as well.",
        ),
        Mistake(
            "a mixture of two shares",
            lambda sizes, alpha: [
                alpha * n / sum(sizes) + (1 - alpha) / len([m for m in sizes if m]) if n else 0.0 for n in sizes
            ],
            "You mix the shares by size with equal shares, alpha of the one and 1 - alpha of the other. That agrees at 0 and at 1 and nowhere "
            "between: alpha is an exponent.",
        ),
        Mistake(
            "a softmax of sizes",
            _softmax_of(lambda n, alpha: n * alpha),
            "You take a softmax of alpha times the sizes, which exponentiates a *count*: one source gets all. What grows with a power of n "
            "is asked for; a softmax would want alpha times the logarithm of n.",
        ),
        Mistake(
            "a softmax of the powers",
            _softmax_of(lambda n, alpha: n**alpha),
            "You take a softmax where a division by the sum is asked for. The powers are weights already; exponentiated once more the "
            "largest gets nearly all, and an empty source gets something.",
        ),
        Mistake(
            "alpha as a temperature",
            lambda sizes, alpha: _shares(sizes, 1 / alpha),
            "You raise the sizes to the power 1 / alpha, as with a temperature. Then a smaller alpha makes the large source larger, and at 0 "
            "there is no result. Alpha itself is the exponent.",
        ),
        Mistake(
            "times alpha",
            _sharing(weigh=lambda n, alpha, N: n * alpha),
            "You multiply by alpha instead of raising to its power. It cancels in the division, so it changes nothing, and at 0 you divide by "
            "zero.",
        ),
        Mistake(
            "a power of the shares, not divided again",
            _sharing(weigh=lambda n, alpha, N: (n / N) ** alpha if n else 0.0, total=lambda weights, sizes: 1.0),
            "You raise the shares to the power, and what comes out is no longer a distribution: it adds up to more than 1. Divide by the sum "
            "*after* the power.",
        ),
        Mistake(
            "not divided",
            _sharing(total=lambda weights, sizes: 1.0),
            "These are the powers. Probabilities add up to 1: divide by the sum of all of them.",
        ),
        Mistake(
            "divided by the number of pairs",
            _sharing(total=lambda weights, sizes: sum(sizes)),
            "You divide the powers by the number of all pairs. They add up to something else than the sizes do: divide by the sum of the "
            "powers.",
        ),
        Mistake(
            "small sources first",
            _sharing(weigh=lambda n, alpha, N: n**-alpha if n else 0.0),
            "The exponent has the wrong sign: the smaller a source, the more often you draw it. An alpha below 1 already favours small "
            "sources, by growing slower than their size.",
        ),
        Mistake(
            "per pair",
            _sharing(weigh=lambda n, alpha, N: n ** (alpha - 1) if n else 0.0),
            "You weigh each *pair*: the share of a source, divided by how many pairs it has. Asked for is how often the source is drawn.",
        ),
        Mistake(
            "a blend",
            lambda sizes, alpha: [alpha * n / sum(sizes) + (1 - alpha) / len(sizes) for n in sizes],
            "You mix two rules, alpha parts by size and the rest all alike. It has the same ends, and in between a small source never falls "
            "below (1 − alpha) / number of sources. The exponent does that otherwise.",
        ),
    ),
    hints=(
        "One number for each source first, and a division at the end. Which number?",
        "n to the power alpha. Try alpha 1 and alpha 0 in your head, with a source that is empty: what is 0 to the power 0 in Python?",
        "Set the weight of an empty source to 0 yourself. Then divide each weight by the sum of all.",
    ),
)


# --- 11.2 batches of one source --------------------------------------------------------------


FIRST_ROWS = "the first rows of the full batches, in order"
BEHIND = "no smaller batch stands before a full one"


def one_source_batches(source: Sequence[str], order: Sequence[int], batch_size: int) -> list[list[int]]:
    """Batches of row numbers, each from one source; a pair that is left alone is in none."""
    return _piled(source, order, batch_size)


def _two_or_more(piles: dict[str, list[int]], batch_size: int) -> list[list[int]]:
    return [pile for pile in piles.values() if len(pile) > 1]


def _piled(
    source, order, batch_size, *, turn=lambda order: list(enumerate(order)), of=lambda source, at, row: source[row],
    put=lambda at, row: row, full=lambda pile, batch_size: len(pile) == batch_size, begin=lambda pile: [], rest=_two_or_more,
):  # fmt: skip
    """Batches with one part exchanged."""
    piles: dict[str, list[int]] = {}
    batches = []
    for at, row in turn(order):
        name = of(source, at, row)
        piles.setdefault(name, []).append(put(at, row))
        if full(piles[name], batch_size):
            batches.append(list(piles[name]))
            piles[name] = begin(piles[name])
    return batches + rest(piles, batch_size)


def _piled_source_by_source(source, order, batch_size):
    """Each source is cut for itself; full batches then go by the place in the order of their last row."""
    full: list[list[int]] = []
    rest: list[list[int]] = []
    for name in set(source):
        rows = [row for row in order if source[row] == name]
        for begin in range(0, len(rows), batch_size):
            batch = rows[begin : begin + batch_size]
            (full if len(batch) == batch_size else rest).append(batch)
    return sorted(full, key=lambda batch: list(order).index(batch[-1])) + [b for b in rest if len(b) > 1]


def _piling(**parts: Any) -> Answer:
    return lambda *args: _piled(*args, **parts)


def _emptied(source, order, batch_size):
    """The pile itself becomes the batch, and is then cleared."""
    piles: dict[str, list[int]] = {}
    batches = []
    for row in order:
        pile = piles.setdefault(source[row], [])
        pile.append(row)
        if len(pile) == batch_size:
            batches.append(pile)
            pile.clear()
    return batches + _two_or_more(piles, batch_size)


def _cut_where_it_changes(source, order, batch_size):
    runs = [list(run) for _, run in groupby(order, key=lambda row: source[row])]
    cut = [run[i : i + batch_size] for run in runs for i in range(0, len(run), batch_size)]
    return [batch for batch in cut if len(batch) > 1]


def _by_source(source, order, batch_size):
    batches = _piled(source, order, batch_size)
    return sorted(batches, key=lambda batch: list(dict.fromkeys(source)).index(source[batch[0]]))


def _rest_together(piles: dict[str, list[int]], batch_size: int) -> list[list[int]]:
    left = [row for pile in piles.values() for row in pile]
    cut = [left[i : i + batch_size] for i in range(0, len(left), batch_size)]
    return [batch for batch in cut if len(batch) > 1]


def _full_ones_by_source(source, order, batch_size):
    names = list(dict.fromkeys(source[row] for row in order))
    batches = _piled(source, order, batch_size)
    return sorted(batches, key=lambda batch: (len(batch) < batch_size, names.index(source[batch[0]])))


def _smaller_first(source, order, batch_size):
    return sorted(_piled(source, order, batch_size), key=lambda batch: len(batch) >= batch_size)


def _filled_up(source, order, batch_size):
    first: dict[str, list[int]] = {}
    for row in order:
        first.setdefault(source[row], []).append(row)

    def rest(piles, batch_size):
        return [pile + first[name][: batch_size - len(pile)] for name, pile in piles.items() if len(pile) > 1]

    return _piled(source, order, batch_size, rest=rest)


def _seen_batches(result: Any, args: tuple) -> dict[str, Any]:
    """The batches, and the order of the full ones; in which order the smaller ones follow is left open."""
    if not isinstance(result, list | tuple) or not all(
        isinstance(b, list | tuple | np.ndarray | Tensor) for b in result
    ):
        raise compare.NotAResult("return a list of batches, each of them a list of row numbers")
    if any(compare.kind(row) not in ("number", "tensor") for batch in result for row in batch):
        raise compare.NotAResult("a batch holds row numbers: where the pair stands in `source`")
    batches = [[int(row) for row in batch] for batch in result]
    full = [batch for batch in batches if len(batch) >= args[2]]
    small = sorted(batch for batch in batches if len(batch) < args[2])
    behind = [batch for batch in batches if len(batch) >= args[2]] == batches[: len(full)]
    first_rows = [batch[0] for batch in full]
    return {"full batches": sorted(full), "smaller batches": small, FIRST_ROWS: first_rows, BEHIND: behind}


def _one_source_each(answer: Answer) -> str | None:
    source = ["news", "code", "news", "code", "mail", "mail", "news"]
    for batch in answer(source, [0, 1, 4, 2, 3, 6, 5], 3):
        names = {source[row] for row in batch}
        if len(names) > 1:
            return f"with pairs of news, code and mail, one batch holds {' and '.join(sorted(names))}"
    return None


def _draw_pairs(rng: random.Random) -> tuple[list[str], list[int], int]:
    names = ("news", "code", "mail")[: rng.choice((1, 2, 2, 3, 3))]
    source = [rng.choice(names) for _ in range(rng.randint(1, 10))]
    order = list(range(len(source)))
    if rng.random() < 0.85:
        rng.shuffle(order)
    return source, order, rng.randint(2, 4)


def _left(source: Sequence[str], batch_size: int) -> list[int]:
    return [source.count(name) % batch_size for name in set(source)]


def _seven_pairs() -> tuple[list[str], list[int], int]:
    return ["news", "code", "news", "code", "news", "news", "mail"], [4, 1, 0, 6, 3, 2, 5], 3


ONE_SOURCE = Exercise(
    id="11.2",
    title="batches of one source",
    difficulty="medium",
    minutes=10,
    section="Build it: batches of one source",
    signature="list of str, list of int, int -> list of lists of int",
    reference=one_source_batches,
    another=_piled_source_by_source,
    draw=_draw_pairs,
    loops=True,
    observe=_seen_batches,
    situations=(
        Situation("a source has a single pair left at the end", lambda source, order, size: 1 in _left(source, size)),
        Situation("a source leaves a smaller batch", lambda source, order, size: max(_left(source, size)) > 1),
        Situation("no pair is left over", lambda source, order, size: not any(_left(source, size))),
        Situation("there is one source only", lambda source, order, size: len(set(source)) == 1),
        Situation("the rows do not come in ascending order", lambda source, order, size: list(order) != sorted(order)),
        Situation(
            "a source fills more than one batch",
            lambda source, order, size: max(map(source.count, source)) >= 2 * size,
        ),
        Situation("a batch gets full", lambda source, order, size: max(map(source.count, source)) >= size),
    ),
    cases=(
        Case(
            "seven pairs of three sources",
            _seven_pairs,
            {"full batches": [[4, 0, 2]], "smaller batches": [[1, 3]], FIRST_ROWS: [4], BEHIND: True},
        ),
        Case(
            "the second source is full first",
            lambda: (["a", "b", "a", "b", "a", "b"], [0, 1, 3, 2, 4, 5], 2),
            {"full batches": [[0, 2], [1, 3]], "smaller batches": [], FIRST_ROWS: [1, 0], BEHIND: True},
        ),
        Case("one source", lambda: (["a"] * 5, [3, 1, 4, 0, 2], 2)),
        Case(
            "eleven pairs",
            lambda: (list("abcabbacbab"), [10, 3, 7, 1, 0, 9, 4, 2, 8, 6, 5], 3),
        ),
    ),
    properties=(Property("all rows of a batch come from one source", _one_source_each),),
    mistakes=(
        Mistake(
            "sources are mixed",
            lambda source, order, size: _piled(["all"] * len(source), order, size),
            "You cut the order into pieces, whatever the pairs' sources are. In a mixed batch most negatives come from elsewhere, and style "
            "alone gives them away: the loss falls, and little is learned about what a text says.",
        ),
        Mistake(
            "what is left is mixed",
            _piling(rest=_rest_together),
            "The remainders of all sources go into batches together. Those batches are mixed ones; each source's remainder is a batch of its "
            "own.",
        ),
        Mistake(
            "what is left in one batch",
            _piling(rest=lambda piles, size: _rest_together(piles, sum(map(len, piles.values())) + 1)),
            "The remainders of all sources become one batch, a mixed one. Each source's remainder is a batch of its own.",
        ),
        Mistake(
            "what is left is lost",
            _piling(rest=lambda piles, size: []),
            "A pile that is not full at the end is thrown away. It becomes a smaller batch; a source with fewer pairs than `batch_size` would "
            "otherwise never be seen.",
        ),
        Mistake(
            "a pair alone",
            _piling(rest=lambda piles, size: [pile for pile in piles.values() if pile]),
            "A single pair makes a batch with you. It has no negative beside it, so its loss is 0 and it teaches nothing: leave it out.",
        ),
        Mistake(
            "cut where the source changes",
            _cut_where_it_changes,
            "You end a batch wherever the next pair comes from another source. Keep the begun one: a pile for each source, all open at the "
            "same time.",
        ),
        Mistake(
            "one source after the other",
            _by_source,
            "The right batches, sorted by source. The model would go through one source after the other and forget the first ones. A batch "
            "is handed out when it gets full.",
        ),
        Mistake(
            "full batches one source after the other",
            _full_ones_by_source,
            "The right batches, but the full ones stand source by source. A batch is handed out when it gets full, so that sources take turns.",
        ),
        Mistake(
            "the smaller ones first",
            _smaller_first,
            "The smaller batches stand before the full ones. They are what is left at the end.",
        ),
        Mistake(
            "rows of a batch are sorted",
            lambda source, order, size: [sorted(batch) for batch in _piled(source, order, size)],
            "You sort the rows of each batch. They stand in the order in which they came.",
        ),
        Mistake(
            "the order never counts",
            _piling(turn=lambda order: [(row, row) for row in sorted(order)]),
            "You go through the pairs from the first to the last. The order that is passed in is the shuffle: without it every epoch has the "
            "same batches.",
        ),
        Mistake(
            "places instead of rows",
            _piling(put=lambda at, row: at),
            "Your batches hold places within `order`. The trainer takes row numbers: what stands there.",
        ),
        Mistake(
            "the source of another pair",
            _piling(of=lambda source, at, row: source[at]),
            "You look the source up by the place within `order`. `source` goes by row numbers: the pair that comes first is row order[0].",
        ),
        Mistake(
            "the pile is emptied in the batch",
            _emptied,
            "You hand the pile itself over as a batch and clear it afterwards. It is one list under two names, so the batch is emptied with "
            "it. Begin a *new* list.",
        ),
        Mistake(
            "the pile is not begun anew",
            _piling(begin=lambda pile: pile),
            "A pile goes on growing after it has become a batch, so its later pairs never fill one. Begin a new pile.",
        ),
        Mistake(
            "one pair too many",
            _piling(full=lambda pile, size: len(pile) > size),
            "Your batches get full with `batch_size` + 1 pairs. Look at the pile after the pair has been put on it.",
        ),
        Mistake(
            "filled up with what was seen",
            _filled_up,
            "You fill the last batch of a source up with its first pairs. Each pair stands in one batch at most.",
        ),
    ),
    hints=(
        "Go through the order once. What must you remember about each source meanwhile?",
        "A dict: source -> the rows that wait for a batch. When a pile is long enough it becomes a batch, and a new one begins.",
        "At the end look at all piles: two rows or more are a batch, one row or none are not.",
    ),
)


# --- 11.3 an instruction before the query ----------------------------------------------------

Pairs = Sequence[tuple[str, str]]
MISTRAL = "Instruct: {task}\nQuery: "


def add_instructions(
    pairs: Pairs, source: Sequence[str], instructions: dict[str, str], prompt: str
) -> list[tuple[str, str]]:
    """The pairs with the prompt of their source before each query; passages as they are."""
    return _instruct(pairs, source, instructions, prompt)


def _instruct(
    pairs, source, instructions, prompt, *, task=lambda name, instructions: instructions.get(name, name),
    fill=lambda prompt, task: prompt.replace("{task}", task), query=lambda head, text: head + text,
    passage=lambda head, text: text,
):  # fmt: skip
    """Instructions with one part exchanged."""
    found = []
    for (asked, answer), name in zip(pairs, source, strict=True):
        head = fill(prompt, task(name, instructions))
        found.append((query(head, asked), passage(head, answer)))
    return found


def _instruct_by_parts(pairs, source, instructions, prompt):
    found = []
    for i in range(len(pairs)):
        task = instructions[source[i]] if source[i] in instructions else source[i]
        found.append((f"{task.join(prompt.split('{task}'))}{pairs[i][0]}", pairs[i][1]))
    return found


def _instructing(**parts: Any) -> Answer:
    return lambda *args: _instruct(*args, **parts)


def _first_instruction(pairs, source, instructions, prompt):
    """The prompt is overwritten by the first that is filled, so nothing is left to fill for the others."""
    return _instruct(pairs, [source[0]] * len(pairs) if pairs else [], instructions, prompt)


def _filled_late(pairs, source, instructions, prompt):
    whole = _instruct(pairs, source, instructions, prompt, fill=lambda prompt, task: prompt)
    tasks = [instructions.get(name, name) for name in source]
    return [(query.replace("{task}", task), passage) for (query, passage), task in zip(whole, tasks, strict=True)]


def _sorted_by_source(pairs, source, instructions, prompt):
    found = list(zip(_instruct(pairs, source, instructions, prompt), source, strict=True))
    return [pair for name in dict.fromkeys(source) for pair, its in found if its == name]


def _only_where_there_is_one(pairs, source, instructions, prompt):
    found = _instruct(pairs, source, instructions, prompt)
    return [new if name in instructions else old for new, old, name in zip(found, pairs, source, strict=True)]


def _without_task_nothing(pairs, source, instructions, prompt):
    return _instruct(pairs, source, instructions, prompt if "{task}" in prompt else "")


QUERIES = ("heart attack", "sort a list", "fill {task} in", "f'{x}'", "", "  two blanks ", "query: what is asked")
TASKS = {
    "ask": "Find an answer",
    "code": "Find code that does it",
    "near": "Find a similar text",
    "re": r"Say what \d+ matches",
}


def _draw_instructions(rng: random.Random) -> tuple:
    names = [*TASKS, "wiki"][: rng.choice((1, 5, 5))]
    pairs = [(rng.choice(QUERIES), rng.choice(("a text", "{task} text", " text"))) for _ in range(rng.randint(0, 5))]
    prompt = rng.choice((MISTRAL, "query: ", "query: ", "", "{task} in {lang}: ", "{task}? {task}! "))
    return pairs, [rng.choice(names) for _ in pairs], dict(TASKS), prompt


INSTRUCT = Exercise(
    id="11.3",
    title="an instruction before the query",
    difficulty="easy",
    minutes=8,
    section="Build it: an instruction before the query",
    signature="list of (str, str), list of str, dict, str -> list of (str, str)",
    reference=add_instructions,
    another=_instruct_by_parts,
    draw=_draw_instructions,
    loops=True,
    situations=(
        Situation("the prompt has no {task} in it", lambda pairs, source, tasks, prompt: "{task}" not in prompt),
        Situation("the prompt is empty", lambda pairs, source, tasks, prompt: not prompt),
        Situation("the prompt has other braces in it", lambda pairs, source, tasks, prompt: "{lang}" in prompt),
        Situation("{task} stands twice in the prompt", lambda pairs, source, tasks, prompt: "!" in prompt),
        Situation("there are two sources", lambda pairs, source, *rest: len(set(source)) > 1),
        Situation(
            "a source has no instruction",
            lambda pairs, source, tasks, prompt: any(name not in tasks for name in source),
        ),
        Situation("a query itself holds {task}", lambda pairs, *rest: any("{task}" in query for query, _ in pairs)),
        Situation("a query is empty", lambda pairs, *rest: any(not query for query, _ in pairs)),
        Situation("a query has white space at its ends", lambda pairs, *rest: any(q != q.strip() for q, _ in pairs)),
        Situation(
            "a query begins with the prompt",
            lambda pairs, *rest: any(q.startswith(rest[-1]) for q, _ in pairs if rest[-1]),
        ),
        Situation("there is no pair", lambda pairs, *rest: not pairs),
    ),
    cases=(
        Case(
            "two sources, E5-mistral's prompt",
            lambda: (
                [("heart attack", "Cells die."), ("sort a list", "sorted(x)")],
                ["ask", "code"],
                dict(TASKS),
                MISTRAL,
            ),
            [
                ("Instruct: Find an answer\nQuery: heart attack", "Cells die."),
                ("Instruct: Find code that does it\nQuery: sort a list", "sorted(x)"),
            ],
        ),
        Case(
            "a prompt without {task}",
            lambda: ([("heart attack", "Cells die.")], ["ask"], {}, "query: "),
            [("query: heart attack", "Cells die.")],
        ),
        Case(
            "no instruction, and braces",
            lambda: (
                [("fill {task} in", "{task} text"), ("f'{x}'", "a text")],
                ["wiki", "near"],
                dict(TASKS),
                "{task} in {lang}: ",
            ),
        ),
        Case(
            "sources by turns, queries as people wrote them",
            lambda: (
                [("query: what is asked", "a"), (" sort a list ", "b"), ("heart attack", "c")],
                ["ask", "code", "ask"],
                dict(TASKS),
                "query: ",
            ),
            [("query: query: what is asked", "a"), ("query:  sort a list ", "b"), ("query: heart attack", "c")],
        ),
        Case("no pair", lambda: ([], [], dict(TASKS), MISTRAL), []),
    ),
    mistakes=(
        Mistake(
            "on passages too",
            _instructing(passage=lambda head, text: head + text),
            "The instruction stands before passages as well. They are encoded once, before anybody has asked anything; an index that holds an "
            "instruction serves no other task.",
        ),
        Mistake(
            "on passages instead",
            _instructing(query=lambda head, text: text, passage=lambda head, text: head + text),
            "The instruction stands before the passages, and the queries have none. It says what the *query* wants.",
        ),
        Mistake(
            "one instruction for all",
            _first_instruction,
            "Every query gets the instruction of the first one's source. Each source has its own: that is how one model serves several "
            "tasks.",
        ),
        Mistake(
            "the source's name",
            _instructing(task=lambda name, instructions: name),
            "You fill in the name of the source. What it asks for, in words, stands in `instructions`; the name stands in only where none is "
            "there.",
        ),
        Mistake(
            "no name where no instruction is",
            _instructing(task=lambda name, instructions: instructions.get(name, "")),
            "A source without an instruction gets an empty task. Fill in its name.",
        ),
        Mistake(
            "no prompt where no instruction is",
            _only_where_there_is_one,
            "A query whose source has no instruction goes without a prompt. It gets the prompt as well, with the source's name filled in.",
        ),
        Mistake(
            "every source must have one",
            _instructing(task=lambda name, instructions: instructions[name]),
            "A source without an instruction raises an error with you. Its name is filled in then.",
        ),
        Mistake(
            "{task} is not filled",
            _instructing(fill=lambda prompt, task: prompt),
            "The model reads the letters {task}. Fill in what the source asks for.",
        ),
        Mistake(
            "the query is searched for {task}",
            _filled_late,
            "You put prompt and query together first and fill in afterwards, so a {task} that somebody has written into a query is replaced "
            "as well. Fill the prompt, then put the query behind it.",
        ),
        Mistake(
            "format",
            _instructing(fill=lambda prompt, task: prompt.format(task=task)),
            "`format` looks at every pair of braces, and raises an error at those it does not know. Only {task} is to be filled.",
        ),
        Mistake(
            "nothing where {task} is missing",
            _without_task_nothing,
            "A prompt without {task} is left out with you. It is the same for all sources then, and stands before each query all the same.",
        ),
        Mistake(
            "the blank at the end is lost",
            _instructing(fill=lambda prompt, task: prompt.replace("{task}", task).strip()),
            "You strip the prompt, so its last word runs into the query's first. The prompt is used letter by letter.",
        ),
        Mistake(
            "a blank too many",
            _instructing(query=lambda head, text: f"{head} {text}"),
            "You put a blank between prompt and query. The prompt ends as it should; the model was trained on exactly these letters.",
        ),
        Mistake(
            "the query is stripped",
            _instructing(query=lambda head, text: head + text.strip()),
            "You take white space off the query. It comes right behind the prompt, whatever it holds.",
        ),
        Mistake(
            "not where it stands already",
            _instructing(query=lambda head, text: text if text.startswith(head) else head + text),
            "A query that begins with the same words goes without the prompt. What stands in the query is the asker's text: the prompt comes "
            "before it in any case.",
        ),
        Mistake(
            "source by source",
            _sorted_by_source,
            "The pairs come back source by source. They stand in the order in which they came.",
        ),
        Mistake(
            "the word without its braces",
            _instructing(fill=lambda prompt, task: prompt.replace("task", task)),
            "You exchange the word, and its braces stay. {task}, braces included, is what is to be filled.",
        ),
        Mistake(
            "behind the query",
            _instructing(query=lambda head, text: text + head),
            "The instruction stands behind the query. It comes first.",
        ),
    ),
    hints=(
        "Pairs and sources side by side. Which of a pair's two texts changes?",
        "Find the task of the source, its name where there is none. Then fill the prompt, and only the prompt.",
        "`str.replace` fills {task} wherever it stands and leaves other braces alone; `dict.get` takes a second argument.",
    ),
)


# --- 11.4 an end token that stays ------------------------------------------------------------

EOS, PAD = 2, 0
Texts = Sequence[Sequence[int]]


def with_end_token(texts: Texts, max_length: int, eos: int, pad: int) -> tuple[Tensor, Tensor]:
    """Padded ids and their mask, both (B, T): each text is cut so that an end token still fits behind it."""
    return _ended(texts, max_length, eos, pad)


def _bare(text: Sequence[int], eos: int) -> list[int]:
    return list(text[:-1]) if len(text) and text[-1] == eos else list(text)


def _row(text: Sequence[int], max_length: int, eos: int) -> list[int]:
    return [*_bare(text, eos)[: max_length - 1], eos]


def _right_pad(row: list, length: int, filler: Any) -> list:
    return row + [filler] * (length - len(row))


def _ended(
    texts, max_length, eos, pad, *, row=_row, length=lambda rows, max_length: max(map(len, rows)), fill=_right_pad,
    mark=lambda row, eos, pad: [1] * len(row), seen=lambda ids, mask, pad: mask,
):  # fmt: skip
    """Padded ids and mask with one part exchanged."""
    rows = [row(list(text), max_length, eos) for text in texts]
    T = length(rows, max_length)
    ids = torch.tensor([fill(r, T, pad) for r in rows], dtype=torch.int64).reshape(len(rows), T)
    mask = torch.tensor([fill(mark(r, eos, pad), T, 0) for r in rows], dtype=torch.int64).reshape(len(rows), T)
    return ids, seen(ids, mask, pad)


def _ended_by_place(texts, max_length, eos, pad):
    lengths = [min(len(_bare(text, eos)), max_length - 1) for text in texts]
    ids = torch.full((len(texts), max(lengths) + 1), pad)
    mask = torch.zeros_like(ids)
    for b, n in enumerate(lengths):
        for t in range(n):
            ids[b, t] = texts[b][t]
        ids[b, n] = eos
        mask[b, : n + 1] = 1
    return ids, mask


def _ending(**parts: Any) -> Answer:
    return lambda *args: _ended(*args, **parts)


def _rows(make: Callable[[list[int], int, int], list[int]]) -> Answer:
    """The same, with another row for each text."""
    return _ending(row=make, length=lambda rows, max_length: max(1, *map(len, rows), 0))


def _appended_then_cut(text: list[int], max_length: int, eos: int) -> list[int]:
    return [*_bare(text, eos), eos][:max_length]


def _overwritten(text: list[int], max_length: int, eos: int) -> list[int]:
    kept = text[:max_length]
    return [*kept[:-1], eos]


def _trusted(text: list[int], max_length: int, eos: int) -> list[int]:
    return text[:max_length] if text and text[-1] == eos else _row(text, max_length, eos)


def _behind_padding(texts, max_length, eos, pad):
    ids, mask = _ended(texts, max_length, eos, pad, row=lambda t, m, e: _row(t, m, e)[:-1])
    end = torch.full((len(ids), 1), eos)
    return torch.cat([ids, end], dim=1), torch.cat([mask, torch.ones_like(end)], dim=1)


def _draw_texts(rng: random.Random) -> tuple[list[list[int]], int, int, int]:
    texts = []
    for _ in range(rng.randint(1, 3)):
        text = [rng.randint(5, 20) for _ in range(rng.randint(0, 6))]
        texts.append([*text, EOS] if rng.random() < 0.3 else text)
    return texts, rng.choice((1, 2, 3, 4, 4, 5, 6, 8)), EOS, rng.choice((PAD, PAD, EOS))


def _ends_with_it(answer: Answer) -> str | None:
    ids, mask = answer([[11, 12, 13, 14], [15], [16, 17, 18]], 3, EOS, PAD)
    last = [int(row[int(m.sum()) - 1]) for row, m in zip(ids, mask, strict=True)]
    return None if last == [EOS] * 3 else f"texts of 4, 1 and 3 ids, cut to 3: the mask's last ids are {last}"


def _lengths(texts: Texts, eos: int) -> list[int]:
    return [len(_bare(text, eos)) for text in texts]


ENDED = Exercise(
    id="11.4",
    title="an end token that stays",
    difficulty="medium",
    minutes=11,
    section="Build it: an end token that stays",
    signature="B lists of int, int, int, int -> (B, T), (B, T)",
    reference=with_end_token,
    another=_ended_by_place,
    draw=_draw_texts,
    loops=True,
    situations=(
        Situation("a text has to be cut", lambda texts, size, eos, pad: max(_lengths(texts, eos)) >= size),
        Situation("a text has just as many ids as fit", lambda texts, size, eos, pad: size in _lengths(texts, eos)),
        Situation("a text is empty", lambda texts, *rest: any(not len(text) for text in texts)),
        Situation("a text brings its end token", lambda texts, size, eos, pad: any(eos in text for text in texts)),
        Situation(
            "a text that brings its end token has to be cut",
            lambda texts, size, eos, pad: any(eos in text and len(text) > size for text in texts),
        ),
        Situation("texts are padded with the end token", lambda texts, size, eos, pad: pad == eos),
        Situation("only the end token fits", lambda texts, size, eos, pad: size == 1),
        Situation(
            "there is padding",
            lambda texts, size, eos, pad: len({min(n, size - 1) for n in _lengths(texts, eos)}) > 1,
        ),
    ),
    cases=(
        Case(
            "three texts, four ids at most",
            lambda: ([[11, 12], [13, 14, 15, 16, 17], [18, 19, 20, EOS]], 4, EOS, PAD),
            (
                torch.tensor([[11, 12, EOS, PAD], [13, 14, 15, EOS], [18, 19, 20, EOS]]),
                torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1]]),
            ),
        ),
        Case(
            "padded with the end token",
            lambda: ([[11, 12], [13]], 8, EOS, EOS),
            (torch.tensor([[11, 12, EOS], [13, EOS, EOS]]), torch.tensor([[1, 1, 1], [1, 1, 0]])),
        ),
        Case("as many as fit, and an empty one", lambda: ([[11, 12, 13], []], 3, EOS, PAD)),
        Case("only the end token fits", lambda: ([[11, 12], [EOS]], 1, EOS, PAD)),
        Case("it is there, and has to be cut", lambda: ([[11, 12, 13, 14, EOS], [15]], 3, EOS, PAD)),
    ),
    properties=(Property("the mask's last id is the end token, in every text", _ends_with_it),),
    mistakes=(
        Mistake(
            "appended, then cut",
            _rows(_appended_then_cut),
            "You put the end token behind the text and cut afterwards. In a text that is too long it is the first to go, and last-token "
            "pooling takes whatever word stands there. Cut to one less, then put it there.",
        ),
        Mistake(
            "cut, then too long",
            _rows(lambda text, size, eos: [*_bare(text, eos)[:size], eos]),
            "You cut to `max_length` and put the end token behind that: one more than fits. Leave room for it.",
        ),
        Mistake(
            "no end token",
            _rows(lambda text, size, eos: text[:size]),
            "No end token is added. Last-token pooling then takes the last word of each text, and the model was trained to gather the text at "
            "its end token.",
        ),
        Mistake(
            "two end tokens",
            _rows(lambda text, size, eos: [*text[: size - 1], eos]),
            "A text that brings an end token gets a second one. Some tokenizers add it and some do not: look whether it is there.",
        ),
        Mistake(
            "the one that is there is trusted",
            _rows(_trusted),
            "A text that comes with its end token is cut like any other, and the end token goes with what is cut off.",
        ),
        Mistake(
            "the last id is overwritten",
            _rows(_overwritten),
            "You write the end token over the last id, also in a text that is not too long: it loses a word. Put it behind the text where "
            "there is room.",
        ),
        Mistake(
            "only where something is cut",
            _rows(lambda text, size, eos: _row(text, size, eos) if len(_bare(text, eos)) >= size else text),
            "Only texts that are cut get an end token. Every text ends with one.",
        ),
        Mistake(
            "the end of the text is kept",
            _rows(lambda text, size, eos: [*_bare(text, eos)[max(0, len(_bare(text, eos)) - size + 1) :], eos]),
            "You cut at the front and keep a text's end. Its first ids are kept.",
        ),
        Mistake(
            "at the front",
            _rows(lambda text, size, eos: [eos, *_bare(text, eos)[: size - 1]]),
            "The end token stands at the front. In a causal model it has then read nothing.",
        ),
        Mistake(
            "an empty text has none",
            _rows(lambda text, size, eos: _row(text, size, eos) if text else []),
            "An empty text stays empty, so its mask is all 0 and there is no vector for it. Its end token stands alone.",
        ),
        Mistake(
            "the mask is read off the ids",
            _ending(seen=lambda ids, mask, pad: (ids != pad).long()),
            "Your mask is 0 wherever the id of padding stands. Many language models pad with their end token: then the true one is masked, "
            "too. Count the ids of each text instead.",
        ),
        Mistake(
            "the end token is masked",
            _ending(mark=lambda row, eos, pad: [1] * (len(row) - 1) + [0]),
            "The mask is 0 at the end token. Pooling looks for the last 1, and finds the last word.",
        ),
        Mistake(
            "behind the padding",
            _behind_padding,
            "You pad first, so the end token stands behind the padding. It belongs right behind the text.",
        ),
        Mistake(
            "padded on the left",
            _ending(fill=lambda row, length, filler: [filler] * (length - len(row)) + row),
            "You pad on the left. Some decoders want that; the contract pads on the right.",
        ),
        Mistake(
            "always padded to the limit",
            _ending(length=lambda rows, max_length: max_length),
            "Every batch is as wide as `max_length`. Pad to the longest row of the batch: padding costs as much as text.",
        ),
        Mistake(
            "ones everywhere",
            _ending(mark=lambda row, eos, pad: [1] * len(row), seen=lambda ids, mask, pad: torch.ones_like(mask)),
            "The mask is 1 everywhere, so padding counts as text, and the last token of a short text is padding.",
        ),
    ),
    hints=(
        "How many ids of a text may stay, if one more is to follow?",
        "One row after the other: take off an end token that is there, cut to one less than `max_length`, put the end token behind it.",
        "The longest row gives T. Write the mask from the lengths of the rows, not from their ids: padding may have the same id.",
    ),
)


# --- 11.5 the other way round ----------------------------------------------------------------


def smallest_cut() -> tuple[list[list[int]], int]:
    """A text that fits, but not together with its end token."""
    return [[11, 12]], 2


def _not_texts(texts: Any, max_length: Any) -> str | None:
    if isinstance(max_length, list | tuple) and isinstance(texts, int):
        return "the texts come first, and then max_length"
    if not isinstance(texts, list | tuple) or not texts or not all(isinstance(text, list | tuple) for text in texts):
        return "texts must be a list of lists of ids, with one text at least"
    ids = [i for text in texts for i in text]
    if any(compare.kind(i) != "number" or isinstance(i, bool) or int(i) != i for i in ids):
        return "ids are whole numbers"
    if any(i < 5 and not (i == EOS and place == len(text) - 1) for text in texts for place, i in enumerate(text)):
        return f"words have ids from 5 on; {EOS} is the end token, and stands at the end of a text or not at all"
    if compare.kind(max_length) != "number" or isinstance(max_length, bool) or int(max_length) != max_length:
        return "max_length must be a whole number"
    return None if max_length >= 2 else "max_length must be 2 or more, so that a word fits beside the end token"


def _cuts_it(texts: Texts, max_length: int) -> tuple[Tensor, Tensor]:
    return _rows(_appended_then_cut)(texts, int(max_length), EOS, PAD)


def _keeps_it(texts: Texts, max_length: int) -> tuple[Tensor, Tensor]:
    return _ended(texts, int(max_length), EOS, PAD)


def _longest(texts: Texts) -> int:
    return max(len(text) for text in texts)


CUT_OFF = Reversed(
    id="11.5",
    title="an end token that is cut off",
    difficulty="easy",
    minutes=5,
    section="Build it: an end token that is cut off",
    signature="() -> list of lists of int, int",
    reference=smallest_cut,
    another=lambda: ([[7, 7]], 2),
    right=_keeps_it,
    wrong=_cuts_it,
    valid=_not_texts,
    smallest=2,
    measure=lambda texts, max_length: sum(len(text) for text in texts),
    cases=(Case("nothing is passed in", lambda: (), smallest_cut()),),
    mistakes=(
        Mistake(
            "no room for a word",
            lambda: ([[11]], 1),
            "With a `max_length` of 1 nothing but the end token fits, so no text says anything. Take 2 or more.",
            when=lambda texts, max_length: max_length == 1,
        ),
        Mistake(
            "nothing to read",
            lambda: ([[]], 2),
            "No text has a word. Its end token is all that there is, and it fits.",
            when=lambda texts, max_length: all(n == 0 for n in _lengths(texts, EOS)),
        ),
        Mistake(
            "there is room for it",
            lambda: ([[11]], 2),
            "Behind each text there is room for the end token, so nothing is cut off, whatever comes first.",
            when=lambda texts, max_length: max(_lengths(texts, EOS)) < max_length - 1 or _longest(texts) < max_length,
        ),
        Mistake(
            "it was counted already",
            lambda: ([[11, EOS]], 2),
            "The text fills `max_length` with its end token in it. Nothing has to be cut. A text of that many *words* is another thing.",
            when=lambda texts, max_length: max(_lengths(texts, EOS)) < max_length,
        ),
        Mistake(
            "longer than it takes",
            lambda: ([[11, 12, 13]], 2),
            "It shows the mistake, with more ids than it takes. Must a text be too long before its end token is put there?",
            when=lambda texts, max_length: len(texts) == 1 and _longest(texts) > 2,
        ),
        Mistake(
            "more texts than it takes",
            lambda: ([[11, 12], [13]], 2),
            "It shows the mistake, and one of the texts would do.",
            when=lambda texts, max_length: sum(n >= max_length for n in _lengths(texts, EOS)) >= 1 and len(texts) > 1,
        ),
    ),
    hints=(
        "Which texts lose something when they are cut after the end token was put there? The longest ones, and which others?",
        "A text of just `max_length` ids fits. Its end token does not.",
        "One text, as many words as `max_length`, and that as small as it may be.",
    ),
)


# --- 11.6 what a teacher adds ----------------------------------------------------------------


def e5_loss(
    query: Tensor, positive: Tensor, negatives: Tensor, labels: Tensor, temperature: float, alpha: float
) -> Tensor:
    """KL of the teacher's shares to the student's, plus alpha times InfoNCE over the batch: a scalar."""
    return distilled(query, positive, negatives, labels, temperature, alpha)


def _kl(s: Tensor, t: Tensor) -> Tensor:
    """mean_i KL(softmax(t_i) ‖ softmax(s_i))."""
    return F.kl_div(s.log_softmax(1), t.log_softmax(1), log_target=True, reduction="batchmean")


def _all_passages(q: Tensor, p: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
    """Every query against every passage of the batch, (B, B·(1+M)), and which one is its own."""
    passages = torch.cat([p[:, None], n], dim=1)
    return q @ passages.flatten(0, 1).T, torch.arange(len(q)) * passages.shape[1]


def _own_list(q: Tensor, p: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
    return torch.einsum("bd,bmd->bm", q, torch.cat([p[:, None], n], dim=1)), torch.zeros(len(q), dtype=torch.long)


def _learned(
    query, positive, negatives, labels, temperature, alpha, *, unit=normalize, soften=lambda s, temperature: s / temperature,
    teacher=lambda t, temperature: t.detach(), divergence=_kl, listed=lambda s: s, candidates=_all_passages,
    sharpen=lambda logits, temperature: logits / temperature,
    total=lambda kl, nce, alpha, temperature: kl + alpha * nce,
):  # fmt: skip
    """E5's loss with one part exchanged."""
    q, p, n = unit(query), unit(positive), unit(negatives)
    s = listed(_own_list(q, p, n)[0])  # (B, 1+M)
    kl = divergence(soften(s, temperature), teacher(labels, temperature))
    logits, own = candidates(q, p, n)
    return total(kl, F.cross_entropy(sharpen(logits, temperature), own), alpha, temperature)


def _learned_by_query(query, positive, negatives, labels, temperature, alpha):
    kl, nce = [], []
    passages = [torch.cat([p[None], n]) for p, n in zip(positive, negatives, strict=True)]
    for i, q in enumerate(query):
        own = F.cosine_similarity(q[None], passages[i]) / temperature
        every = F.cosine_similarity(q[None], torch.cat(passages)) / temperature
        P = labels[i].detach().softmax(0)
        kl.append((P * (labels[i].detach().log_softmax(0) - own.log_softmax(0))).sum())
        nce.append(every.logsumexp(0) - own[0])
    return torch.stack(kl).mean() + alpha * torch.stack(nce).mean()


def _learning(**parts: Any) -> Answer:
    return lambda *args: _learned(*args, **parts)


def _positives_only(q: Tensor, p: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
    return q @ p.T, torch.arange(len(q))


def _wrong_rows(q: Tensor, p: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
    return _all_passages(q, p, n)[0], torch.arange(len(q))


def _draw_taught(rng: random.Random) -> tuple:
    B, M, D = rng.choice((1, 2, 3, 3)), rng.randint(1, 3), rng.randint(2, 3)
    query, positive = draws.vectors(rng, B, D, zeros=0.0), draws.vectors(rng, B, D, zeros=0.0)
    negatives = draws.vectors(rng, B, M, D, zeros=0.0)
    for x in (query, positive, negatives):  # no vector is zero, and none nearly so
        x[..., 0] = torch.where(x.norm(dim=-1) < 0.3, torch.ones_like(x[..., 0]), x[..., 0])
    labels = torch.tensor([[round(rng.gauss(0, 3), 1) for _ in range(1 + M)] for _ in range(B)])
    return query, positive, negatives, labels, rng.choice((0.01, 0.05, 0.2, 1.0)), rng.choice((0.2, 0.2, 0.5, 1.0, 0.0))


def _one_query() -> tuple:
    """Cosines 1 and 0; the teacher does not know: KL = ½ ln(½ / .7311) + ½ ln(½ / .2689), InfoNCE = ln(1 + 1/e)."""
    x = torch.eye(2)
    return x[:1].clone(), x[:1].clone(), x[None, 1:].clone(), torch.zeros(1, 2), 1.0, 0.2


def _two_axes() -> tuple:
    """Cosines 1 and 0 in both lists; over the batch 1, 0, 0 and −1. The teacher gives ¾ and ¼ to the first, halves to the second."""
    return (
        torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [0.0, 3.0]]),
        torch.tensor([[[0.0, -1.0]], [[-1.0, 0.0]]]), torch.tensor([[1.098612, 0.0], [0.0, 0.0]]), 0.5, 0.2,
    )  # fmt: skip


def _two_queries(temperature: float = 0.5, alpha: float = 0.2) -> tuple:
    return (
        torch.tensor([[2.0, 1.0, 0.0], [-1.0, 1.0, 2.0]]),
        torch.tensor([[1.0, 1.0, 0.5], [0.0, 3.0, 1.0]]),
        torch.tensor([[[1.0, -1.0, 1.0], [0.0, 1.0, 0.0]], [[1.0, 0.0, 2.0], [-2.0, 0.0, 1.0]]]),
        torch.tensor([[3.0, 1.0, -2.0], [1.0, 4.0, 0.0]]),
        temperature,
        alpha,
    )


def _teacher_stands_still(answer: Answer) -> str | None:
    query, positive, negatives, labels, *numbers = _two_queries()
    leaf = labels.clone().requires_grad_()
    answer(query.requires_grad_(), positive, negatives, leaf, *numbers).backward()
    moved = leaf.grad is not None and bool(leaf.grad.abs().max() > 1e-6)
    return "a gradient reaches `labels`, so the teacher is pulled towards the student" if moved else None


TAUGHT = Exercise(
    id="11.6",
    title="what a teacher adds",
    difficulty="medium",
    minutes=14,
    section="Build it: what a teacher adds",
    signature="(B, D), (B, D), (B, M, D), (B, 1+M), float, float -> scalar",
    reference=e5_loss,
    another=_learned_by_query,
    gradient=True,
    draw=_draw_taught,
    situations=(
        Situation("there is one query only", lambda query, *rest: len(query) == 1),
        Situation("there is one negative only", lambda q, p, negatives, *rest: negatives.shape[1] == 1),
        Situation("the temperature is not 1", lambda *args: args[4] != 1),
        Situation("alpha is 0", lambda *args: args[5] == 0),
        Situation("alpha is neither 0 nor 1", lambda *args: 0 < args[5] < 1),
        Situation(
            "the teacher puts another passage first",
            lambda q, p, n, labels, *rest: bool((labels.argmax(1) != 0).any()),
        ),
    ),
    cases=(
        Case("one query, a teacher that does not know", _one_query, torch.tensor(0.120115 + 0.2 * 0.313262)),
        Case("two queries", _two_axes, torch.tensor((0.064593 + 0.433781) / 2 + 0.2 * 0.253856)),
        Case("two queries, two negatives each", _two_queries),
        Case("a temperature of 0.05", lambda: _two_queries(0.05, 1.0)),
    ),
    properties=(Property("the teacher stands still", _teacher_stands_still),),
    mistakes=(
        Mistake(
            "normalized over another dimension",
            _learning(unit=F.normalize),
            "`F.normalize` goes along dimension 1 where it is told nothing else. That is D for (B, D), and M for the negatives (B, M, D): say "
            "dim=-1, the dimension of a vector's own numbers.",
        ),
        Mistake(
            "the other way round",
            _learning(divergence=lambda s, t: _kl(t, s)),
            "Your KL goes from the student to the teacher. It asks that the student put nothing where the teacher has nothing; the other one, "
            "which is asked for, that it put something wherever the teacher has something.",
        ),
        Mistake(
            "the teacher is divided by the student's temperature",
            _learning(teacher=lambda t, temperature: t.detach() / temperature),
            "You divide the teacher's scores by the temperature as well. They are logits already; at 0.01 they become a hundred times larger, "
            "and one passage gets all: nothing is left of what the teacher knew beyond the label.",
        ),
        Mistake(
            "the student's shares have no temperature",
            _learning(soften=lambda s, temperature: s),
            "The student's shares are taken of bare cosines. Those lie between −1 and 1, so the shares can never be as uneven as the "
            "teacher's.",
        ),
        Mistake(
            "a mean over cells",
            _learning(divergence=lambda s, t: _kl(s, t) / s.shape[1]),
            'You take the mean over all cells, as `reduction="mean"` does. A KL is a *sum* over the passages of a query; the mean goes over '
            "the queries alone.",
        ),
        Mistake(
            "a sum over queries",
            _learning(divergence=lambda s, t: _kl(s, t) * len(s)),
            "You add up the queries' KLs. Take their mean, as InfoNCE does: otherwise the weight between the two hangs on the batch.",
        ),
        Mistake(
            "shares where logarithms belong",
            _learning(divergence=lambda s, t: F.kl_div(s.softmax(1), t.softmax(1), reduction="batchmean")),
            "`F.kl_div` wants the *logarithm* of the student's shares first. You give the shares themselves, and it says nothing.",
        ),
        Mistake(
            "log_target is missing",
            _learning(divergence=lambda s, t: F.kl_div(s.log_softmax(1), t.log_softmax(1), reduction="batchmean")),
            "You give `F.kl_div` the logarithm of the teacher's shares and do not say so: it takes the logarithm of a logarithm. Give it the "
            "shares, or say log_target=True.",
        ),
        Mistake(
            "both ways",
            _learning(divergence=lambda s, t: _kl(s, t) + _kl(t, s)),
            "You add up the KL of both directions. E5 has one: from the teacher to the student.",
        ),
        Mistake(
            "both sides are softened",
            _learning(
                teacher=lambda t, temperature: t.detach() / temperature,
                total=lambda kl, nce, alpha, temperature: temperature**2 * kl + alpha * nce,
            ),
            "That is distillation with one temperature for both sides and its square in front. Here the temperature belongs to the student's "
            "cosines alone.",
        ),
        Mistake(
            "InfoNCE has no temperature",
            _learning(sharpen=lambda logits, temperature: logits),
            "Your InfoNCE takes bare cosines. It has the same temperature as the student's shares.",
        ),
        Mistake(
            "the student's softmax is taken twice",
            _learning(divergence=lambda s, t: _kl(s.softmax(1), t)),
            "You take a softmax of what has gone through one already. Shares lie between 0 and 1, so their softmax is nearly even.",
        ),
        Mistake(
            "the teacher's softmax is taken twice",
            _learning(teacher=lambda t, temperature: t.detach().softmax(1)),
            "You take a softmax of the teacher's shares. `labels` are logits: one softmax, no more.",
        ),
        Mistake(
            "the softmax runs over the batch",
            _learning(
                divergence=lambda s, t: (
                    F.kl_div(s.log_softmax(0), t.log_softmax(0), log_target=True, reduction="sum") / len(s)
                )
            ),
            "Your softmax runs down the columns, over queries. Shares are divided among the passages of *one* query: along the row.",
        ),
        Mistake(
            "alpha weighs the teacher",
            _learning(total=lambda kl, nce, alpha, temperature: alpha * kl + nce),
            "`alpha` stands before the KL. It weighs InfoNCE; the teacher counts whole.",
        ),
        Mistake(
            "a blend",
            _learning(total=lambda kl, nce, alpha, temperature: (1 - alpha) * kl + alpha * nce),
            "You give the KL the weight 1 − alpha. In E5's loss it counts whole.",
        ),
        Mistake(
            "alpha never counts",
            _learning(total=lambda kl, nce, alpha, temperature: kl + nce),
            "`alpha` never counts. InfoNCE is multiplied by it.",
        ),
        Mistake(
            "InfoNCE over each query's own list",
            _learning(candidates=_own_list),
            "Your InfoNCE looks at a query's own passages alone. The passages of the other queries are negatives, too, and cost nothing.",
        ),
        Mistake(
            "InfoNCE without the hard negatives",
            _learning(candidates=_positives_only),
            "Your InfoNCE looks at the positives of the batch alone. All its passages are candidates, the hard negatives of every query with "
            "them.",
        ),
        Mistake(
            "the right passage is sought elsewhere",
            _learning(candidates=_wrong_rows),
            "With the passages of each query side by side the right one of query i is number i·(1 + M), not number i: you train most queries "
            "towards somebody's hard negative.",
        ),
        Mistake(
            "the positive stands last",
            _learning(listed=lambda s: s.roll(-1, dims=1)),
            "The student's positive stands behind the negatives, the teacher's before them, so every score is compared with another "
            "passage's.",
        ),
        Mistake(
            "dot products",
            _learning(unit=lambda x: x),
            "You take dot products of vectors of any length. Take cosines.",
        ),
        Mistake(
            "cross-entropy with the teacher's shares",
            _learning(divergence=lambda s, t: -(t.softmax(1) * s.log_softmax(1)).sum(1).mean()),
            "That is the cross-entropy. It has the same gradient as the KL, and is larger by the entropy of the teacher's shares, so it does "
            "not reach 0 where the two agree.",
        ),
        Mistake(
            "times the squared temperature",
            _learning(total=lambda kl, nce, alpha, temperature: temperature**2 * kl + alpha * nce),
            "You multiply the KL by the squared temperature. That is done where both sides are softened by it; here the teacher is not, and at "
            "0.01 nothing would be left of the KL.",
        ),
        Mistake(
            "the teacher learns, too",
            _learning(teacher=lambda t, temperature: t),
            "A gradient flows into the teacher's scores, so it moves towards its student. Take them out of the graph with `detach`.",
        ),
    ),
    hints=(
        "Two losses over two sets of passages: the KL over a query's own 1 + M, InfoNCE over all B·(1 + M) of the batch.",
        "Normalize, put each positive before its negatives: (B, 1+M, D). Cosines of a query with its own list are (B, 1+M), like `labels`.",
        "`F.kl_div` takes the student's log-shares first, and with log_target=True the teacher's; reduction=\"batchmean\" adds up a row and "
        "averages over rows. For InfoNCE flatten the passages to (B·(1+M), D).",
    ),
)


# --- 11.7 stages in their order --------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    """What a stage of `workbook.recipes` has that counts here."""

    name: str
    data: str
    share: float
    prompted: bool
    num_negatives: int

    def __repr__(self) -> str:
        told = f"{self.name}: {self.data}, {self.share:g}"
        return f"{told}, {self.num_negatives} mined{', prompt' if self.prompted else ''}"


@dataclass(frozen=True)
class Trained:
    """An encoder that remembers what it has been through: (stage's name, steps, examples) of each training."""

    history: tuple[tuple[str, int, tuple], ...] = ()

    def __repr__(self) -> str:
        return f"an encoder after {' and '.join(name for name, _, _ in self.history) or 'no training'}"


Example = tuple[str, ...]


def mine(encoder: Trained, pairs: Pairs, num_negatives: int) -> list[Example]:
    """Negatives that say who found them, and for which query."""
    names = "+".join(name for name, _, _ in encoder.history) or "nothing"
    if num_negatives < 1:  # not to be asked for; where it is, it shows
        return [(q, p, "0 negatives were asked for") for q, p, *_ in pairs]
    return [(q, p, *(f"{i + 1}. for {q}, after {names}" for i in range(num_negatives))) for q, p, *_ in pairs]


def train(encoder: Trained, stage: Stage, examples: Sequence[Example], steps: int) -> Trained:
    """A new encoder that remembers this training, too."""
    return Trained((*encoder.history, (stage.name, int(steps), tuple(map(tuple, examples)))))


def run_stages(
    encoder: Any, stages: Sequence[Any], pairs: dict[str, list[tuple[str, str]]], steps: int, prompt: str,
    mine: Callable, train: Callable,
) -> Any:  # fmt: skip
    """Train an encoder through stages, one after the other; the encoder that the last one leaves."""
    return _staged(encoder, stages, pairs, steps, prompt, mine, train)


def _counts(
    stages: Sequence[Stage], steps: int, *, least: int = 1, later: bool = False, smallest: bool = False
) -> list[int]:
    """As `stage_steps`, with one rule exchanged: the least of a stage, who comes first among equals, which remainders count."""
    dues = [stage.share * (steps - least * len(stages)) for stage in stages]
    counts = [least + int(due) for due in dues]
    lost = [due - int(due) if smallest else int(due) - due for due in dues]
    order = sorted(range(len(stages)), key=lambda i: (lost[i], -i if later else i))
    for i in order[: steps - sum(counts)]:
        counts[i] += 1
    return counts


def _shared_out(stages: Sequence[Stage], steps: int) -> list[int]:
    return stage_steps([stage.share for stage in stages], steps)


def _of_kind(stage: Stage, pairs: dict[str, list]) -> list:
    return [pair for kind, some in pairs.items() if stage.data in (kind, "all") for pair in some]


def _before(prompt: str, examples: Sequence[Example]) -> list[Example]:
    return [(prompt + query, *rest) for query, *rest in examples]


def _staged(
    encoder, stages, pairs, steps, prompt, mine, train, *, turn=lambda stages: list(stages), counts=_shared_out, take=_of_kind,
    prompted=lambda stage: stage.prompted, put=_before, miner=lambda first, now: now, student=lambda first, now: now,
    negatives=lambda stage: stage.num_negatives, late=False,
):  # fmt: skip
    """The stages with one part exchanged."""
    first = encoder
    in_turn = turn(stages)
    for stage, count in zip(in_turn, counts(in_turn, steps), strict=True):
        examples = take(stage, pairs)
        if prompted(stage) and not late:
            examples = put(prompt, examples)
        if negatives(stage):
            examples = mine(miner(first, encoder), examples, negatives(stage))
        if prompted(stage) and late:
            examples = put(prompt, examples)
        encoder = train(student(first, encoder), stage, examples, count)
    return encoder


def _staged_in_two_parts(encoder, stages, pairs, steps, prompt, mine, train):
    """All steps are counted first, one after the other to the stage that has least of its due."""
    spare = steps - len(stages)
    counts = [1 + int(stage.share * spare // 1) for stage in stages]
    while sum(counts) < steps:
        behind = [stage.share * spare - (count - 1) for stage, count in zip(stages, counts, strict=True)]
        counts[behind.index(max(behind))] += 1
    for i in range(len(stages)):
        chosen = list(chain(*pairs.values())) if stages[i].data == "all" else pairs[stages[i].data]
        head = prompt if stages[i].prompted else ""
        examples: list = [(head + query, passage) for query, passage in chosen]
        if stages[i].num_negatives > 0:
            examples = mine(encoder, examples, stages[i].num_negatives)
        encoder = train(encoder, stages[i], examples, counts[i])
    return encoder


def _staging(**parts: Any) -> Answer:
    return lambda *args: _staged(*args, **parts)


def _on_both_sides(prompt: str, examples: Sequence[Example]) -> list[Example]:
    return [(prompt + query, prompt + passage, *rest) for query, passage, *rest in examples]


def _prompt_upon_prompt(encoder, stages, pairs, steps, prompt, mine, train):
    now = {kind: list(some) for kind, some in pairs.items()}

    def put(prompt, examples):
        for kind, some in now.items():
            now[kind] = [(prompt + q, p) if (q, p) in examples else (q, p) for q, p in some]
        return _before(prompt, examples)

    return _staged(encoder, stages, now, steps, prompt, mine, train, put=put)


def _rest_to_the_last(stages: Sequence[Stage], steps: int) -> list[int]:
    found = [1 + int(stage.share * (steps - len(stages))) for stage in stages[:-1]]
    return [*found, steps - sum(found)]


def _at_least_one(stages: Sequence[Stage], steps: int) -> list[int]:
    """Shares of all steps, cut, one at least; what is left goes to those that lost most."""
    dues = [stage.share * steps for stage in stages]
    found = [max(1, int(due)) for due in dues]
    for i in sorted(range(len(dues)), key=lambda i: int(dues[i]) - dues[i])[: max(0, steps - sum(found))]:
        found[i] += 1
    return found


def _always_mined(encoder, stages, pairs, steps, prompt, mine, train):
    for stage, count in zip(stages, _shared_out(stages, steps), strict=True):
        examples = _before(prompt if stage.prompted else "", _of_kind(stage, pairs))
        encoder = train(encoder, stage, mine(encoder, examples, stage.num_negatives), count)
    return encoder


def _rest_in_turn(stages: Sequence[Stage], steps: int) -> list[int]:
    found = [1 + int(stage.share * (steps - len(stages))) for stage in stages]
    left = steps - sum(found)
    return [count + (i < left) for i, count in enumerate(found)]


def _whole_share(stages: Sequence[Stage], steps: int) -> list[int]:
    """Largest remainders of all steps; who has none then gets one on top."""
    return [max(1, count) for count in _counts(stages, steps, least=0)]


def _seen_history(result: Any, args: tuple) -> dict[str, Any]:
    if not isinstance(result, Trained):
        raise compare.NotAResult("return the encoder that the last stage leaves, and nothing else")
    names, steps, examples = zip(*result.history, strict=True) if result.history else ((), (), ())
    seen = {f"examples of {name}": list(some) for name, some in zip(names, examples, strict=True)}
    return {"stages": list(names), "steps": list(steps), **seen}


EIGHTHS = {
    1: ((1.0,),),
    2: ((0.5, 0.5), (0.75, 0.25), (0.125, 0.875)),
    3: ((0.25, 0.5, 0.25), (0.125, 0.5, 0.375), (0.5, 0.125, 0.375), (0.625, 0.125, 0.25)),
    4: ((0.25, 0.25, 0.25, 0.25), (0.125, 0.375, 0.125, 0.375)),
}
STAGES = ("words", "pairs", "good", "last")


def _draw_stages(rng: random.Random) -> tuple:
    n = rng.choice((1, 2, 3, 3, 4))
    stages = [
        Stage(
            name, rng.choice(("weak", "weak", "labelled", "all")), share, rng.random() < 0.5, rng.choice((0, 0, 1, 2))
        )
        for name, share in zip(rng.sample(STAGES, n), rng.choice(EIGHTHS[n]), strict=True)
    ]
    pairs = {"weak": [("a", "A"), ("b", "B")][: rng.randint(1, 2)], "labelled": [("c", "C")]}
    return Trained(), stages, pairs, n + rng.randint(0, 13), "find: ", mine, train


def _remainders(stages: Sequence[Stage], steps: int) -> list[float]:
    return [stage.share * (steps - len(stages)) % 1 for stage in stages]


def _two_stages() -> tuple:
    stages = [Stage("pairs", "weak", 0.75, False, 0), Stage("good", "labelled", 0.25, True, 1)]
    return Trained(), stages, {"weak": [("a", "A"), ("b", "B")], "labelled": [("c", "C")]}, 9, "find: ", mine, train


def _three_stages() -> tuple:
    stages = [
        Stage("pairs", "weak", 0.5, True, 1),
        Stage("good", "labelled", 0.375, False, 2),
        Stage("last", "all", 0.125, True, 1),
    ]
    return Trained(), stages, {"weak": [("a", "A")], "labelled": [("c", "C")]}, 7, "find: ", mine, train


STAGED = Exercise(
    id="11.7",
    title="stages in their order",
    difficulty="hard",
    minutes=20,
    section="Build it: stages in their order",
    signature="encoder, list of stages, dict, int, str, 2 functions -> encoder",
    reference=run_stages,
    another=_staged_in_two_parts,
    draw=_draw_stages,
    loops=True,
    observe=_seen_history,
    situations=(
        Situation("there is one stage only", lambda encoder, stages, *rest: len(stages) == 1),
        Situation(
            "a stage after the first one mines",
            lambda encoder, stages, *rest: any(stage.num_negatives for stage in stages[1:]),
        ),
        Situation("a stage mines", lambda encoder, stages, *rest: any(stage.num_negatives for stage in stages)),
        Situation(
            "a stage mines with the prompt",
            lambda encoder, stages, *rest: any(stage.num_negatives and stage.prompted for stage in stages),
        ),
        Situation("a stage has the prompt", lambda encoder, stages, *rest: any(stage.prompted for stage in stages)),
        Situation("a stage has no prompt", lambda encoder, stages, *rest: any(not stage.prompted for stage in stages)),
        Situation(
            "a stage with the prompt stands before another one",
            lambda encoder, stages, *rest: any(stage.prompted for stage in stages[:-1]),
        ),
        Situation('a stage takes "all"', lambda encoder, stages, *rest: any(stage.data == "all" for stage in stages)),
        Situation(
            "steps are left after the whole ones are given out",
            lambda encoder, stages, pairs, steps, *rest: any(_remainders(stages, steps)),
        ),
        Situation(
            "two stages have the same remainder",
            lambda encoder, stages, pairs, steps, *rest: (
                any(_remainders(stages, steps)) and len(set(_remainders(stages, steps))) < len(stages)
            ),
        ),
        Situation(
            "there are as many steps as stages", lambda encoder, stages, pairs, steps, *rest: steps == len(stages)
        ),
    ),
    cases=(
        Case(
            "two stages, nine steps",
            _two_stages,
            {
                "stages": ["pairs", "good"],
                "steps": [6, 3],
                "examples of pairs": [("a", "A"), ("b", "B")],
                "examples of good": [("find: c", "C", "1. for find: c, after pairs")],
            },
        ),
        Case(
            "three stages, seven steps",
            _three_stages,
            {
                "stages": ["pairs", "good", "last"],
                "steps": [3, 3, 1],
                "examples of pairs": [("find: a", "A", "1. for find: a, after nothing")],
                "examples of good": [("c", "C", "1. for c, after pairs", "2. for c, after pairs")],
                "examples of last": [
                    ("find: a", "A", "1. for find: a, after pairs+good"),
                    ("find: c", "C", "1. for find: c, after pairs+good"),
                ],
            },
        ),
        Case("one step for each stage", lambda: (*_three_stages()[:3], 3, *_three_stages()[4:])),
    ),
    mistakes=(
        Mistake(
            "shares of all steps, with one at least",
            _staging(counts=_at_least_one),
            "You give each stage its share of *all* steps, and one at least. By the contract each gets one first, and the shares are of those "
            "that are left.",
        ),
        Mistake(
            "negatives in every stage",
            _always_mined,
            "You mine in every stage, also where `num_negatives` is 0. There the examples stay pairs: do not ask for any.",
        ),
        Mistake(
            "mined with the encoder of the beginning",
            _staging(miner=lambda first, now: first),
            "All negatives are mined with the encoder that came in. What was hard for it may be easy by now: mine with the encoder as the "
            "stage finds it, just before it trains.",
        ),
        Mistake(
            "what train returns is lost",
            _staging(student=lambda first, now: first, miner=lambda first, now: first),
            "You call `train` and go on with the old encoder. `train` returns a new one; mine and train with that from then on.",
        ),
        Mistake(
            "nothing was trained",
            lambda encoder, *rest: encoder,
            "The encoder that comes out is the one that came in. `train` returns a new one: go on with that, and return the last.",
        ),
        Mistake(
            "the prompt in every stage",
            _staging(prompted=lambda stage: True),
            "Queries carry the prompt in every stage. Only where `prompted` says so: BGE's weak pairs had none.",
        ),
        Mistake(
            "prompt upon prompt",
            _prompt_upon_prompt,
            "You write the prompt into the pairs for good, so a later stage finds it there, and puts another one before it. Make a new list "
            "for each stage.",
        ),
        Mistake(
            "the prompt on passages, too",
            _staging(put=_on_both_sides),
            "Passages carry the query's prompt. They are left as they are.",
        ),
        Mistake(
            "mined without the prompt",
            _staging(late=True),
            "You mine first and put the prompt there afterwards. Then negatives are hard for a query that the model will never see: it is "
            "trained, and searched with, with the prompt.",
        ),
        Mistake(
            "the prompt on every text",
            _staging(late=True, put=lambda prompt, examples: [tuple(prompt + text for text in e) for e in examples]),
            "The prompt stands before every text of an example, its passages too. It belongs before queries alone.",
        ),
        Mistake(
            "negatives are never mined",
            _staging(negatives=lambda stage: 0),
            "No stage gets mined negatives. Where `num_negatives` is above 0, `mine` finds them.",
        ),
        Mistake(
            "in the wrong order",
            _staging(turn=lambda stages: list(stages)[::-1]),
            "The last stage comes first. What comes last decides what the vectors are good for: keep the order.",
        ),
        Mistake(
            '"all" is no kind',
            _staging(take=lambda stage, pairs: list(pairs[stage.data])),
            'A stage whose data is "all" raises an error: it stands for every kind there is, in the order of `pairs`.',
        ),
        Mistake(
            "steps are lost",
            _staging(counts=lambda stages, steps: [1 + int(s.share * (steps - len(stages))) for s in stages]),
            "You give out whole steps, and those that are left go to nobody: together they are fewer than `steps`. The largest remainders get "
            "one more each.",
        ),
        Mistake(
            "shares are rounded",
            _staging(counts=lambda stages, steps: [max(1, round(s.share * steps)) for s in stages]),
            "You round each share. The rounded ones need not add up to `steps`, and a recipe then gets more than another.",
        ),
        Mistake(
            "shares are cut",
            _staging(counts=lambda stages, steps: [max(1, int(s.share * steps)) for s in stages]),
            "You cut each share to whole steps, one at least. They need not add up to `steps`: give one to each stage first, then what is "
            "left by share, then the rest by the largest remainders.",
        ),
        Mistake(
            "a stage with no step",
            _staging(counts=lambda stages, steps: _counts(stages, steps, least=0)),
            "You share out all steps, so a stage with a small share may get none. Each gets one first; the others are shared.",
        ),
        Mistake(
            "one at least, and too many in all",
            _staging(counts=_whole_share),
            "You share out all steps and then lift whoever has none to 1, so together they are more than `steps`. Give one to each first.",
        ),
        Mistake(
            "the last stage gets the rest",
            _staging(counts=_rest_to_the_last),
            "What is left after the whole steps goes to the last stage. It goes one by one to those with the largest remainders.",
        ),
        Mistake(
            "the rest in turn",
            _staging(counts=_rest_in_turn),
            "What is left after the whole steps goes to the first stages, one each. It goes to those that lost most by the cut.",
        ),
        Mistake(
            "the smallest remainders",
            _staging(counts=lambda stages, steps: _counts(stages, steps, smallest=True)),
            "What is left goes to the stages that lost *least* by the cut. Sort the other way round.",
        ),
        Mistake(
            "the later of two",
            _staging(counts=lambda stages, steps: _counts(stages, steps, later=True)),
            "Where two stages have the same remainder, the later one gets the step with you. The earlier one does.",
        ),
        Mistake(
            "all steps for each",
            _staging(counts=lambda stages, steps: [steps] * len(stages)),
            "Each stage gets all steps. They share them.",
        ),
    ),
    hints=(
        "Two parts: how many steps each stage gets, all before the loop; then the loop, in which the encoder is replaced by what `train` "
        "returns.",
        "Steps: one each; of the others each gets the whole part of its share; what is left goes, one each, to the largest remainders, the "
        "earlier stage first. `sorted` keeps the order of equals.",
        "In the loop, in this order: take the pairs, put the prompt before the queries in a new list, mine with the encoder of this moment, "
        "train.",
    ),
)

EXERCISES = (SHARES, ONE_SOURCE, INSTRUCT, ENDED, CUT_OFF, TAUGHT, STAGED)
