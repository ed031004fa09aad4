"""The exercises of chapter 20: where a row stands, the best of many blocks, what is left to do, batches by tokens, the bill, shards that survive."""

import random
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from math import ceil
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from workbook.exercises import compare
from workbook.exercises.disk import Disk, Killed
from workbook.exercises.exercise import Answer, Case, Exercise, Mistake, Property, Reversed, Situation
from workbook.similarity import first_k

# --- 20.1 where a row stands -----------------------------------------------------------------


def place_of_row(row: int, shard_rows: int, D: int, number_bytes: int, header: int) -> tuple[int, int, int]:
    """The shard of a row, its first byte there and the byte after its last: five ints -> three ints."""
    shard, inside = divmod(row, shard_rows)
    first = header + inside * D * number_bytes
    return shard, first, first + D * number_bytes


def _counted_off(row, shard_rows, D, number_bytes, header):
    shard = 0
    while row >= shard_rows:
        shard, row = shard + 1, row - shard_rows
    ends = range(header, header + (row + 2) * D * number_bytes, D * number_bytes)
    return shard, ends[row], ends[row + 1]


def _row_placed(
    row, shard_rows, D, number_bytes, header, *, shard=lambda row, rows: row // rows, inside=lambda row, rows: row % rows,
    size=lambda D, number: D * number, before=lambda header, shard, inside, number: header,
    result=lambda shard, first, size: (shard, first, first + size),
):  # fmt: skip
    """The place of a row with one part exchanged."""
    n, i = shard(row, shard_rows), inside(row, shard_rows)
    return result(n, before(header, n, i, number_bytes) + i * size(D, number_bytes), size(D, number_bytes))


def _at(**parts: Any) -> Answer:
    return lambda *args: _row_placed(*args, **parts)


def _one_long_file(row, shard_rows, D, number_bytes, header):
    """As if all shards, headers and all, stood in one file."""
    shard, inside = divmod(row, shard_rows)
    size = D * number_bytes
    first = shard * (header + shard_rows * size) + header + inside * size
    return shard, first, first + size


def _draw_row(rng: random.Random) -> tuple[int, int, int, int, int]:
    shard_rows = rng.choice((1, 2, 3, 5, 8, 100))
    row = shard_rows * rng.randint(0, 3) + rng.choice((0, shard_rows - 1, rng.randrange(shard_rows)))
    return row, shard_rows, rng.choice((1, 2, 3, 8, 256, 384)), rng.choice((1, 2, 4, 8)), rng.choice((0, 10, 64, 128))


ROW = Exercise(
    id="20.1",
    title="where a row stands",
    difficulty="easy",
    minutes=5,
    section="Build it: where a row stands",
    signature="int, int, int, int, int -> int, int, int",
    reference=place_of_row,
    another=_counted_off,
    draw=_draw_row,
    tolerance=0.0,
    loops=True,
    situations=(
        Situation("the row is the first of its shard", lambda row, rows, D, b, h: row % rows == 0),
        Situation("the row is the last of its shard", lambda row, rows, D, b, h: (row + 1) % rows == 0),
        Situation("the row stands in the first shard", lambda row, rows, D, b, h: row < rows),
        Situation("there is no header", lambda row, rows, D, b, h: h == 0),
        Situation("there is a header", lambda row, rows, D, b, h: h > 0),
        Situation("a number has not 4 bytes", lambda row, rows, D, b, h: b != 4),
        Situation("a shard has one row", lambda row, rows, D, b, h: rows == 1),
    ),
    cases=(
        Case("row 7 of shards of 5, three float32", lambda: (7, 5, 3, 4, 0), (1, 24, 36)),
        Case("float16, behind a header", lambda: (7, 5, 3, 2, 128), (1, 140, 146)),
        Case("the first row of a shard", lambda: (10, 5, 2, 8, 64), (2, 64, 80)),
        Case("the last row of a shard", lambda: (9, 5, 2, 1, 10), (1, 18, 20)),
        Case(
            "row 1,000,000 of one file of 384 float32",
            lambda: (1_000_000, 8_800_000, 384, 4, 0),
            (0, 1_536_000_000, 1_536_001_536),
        ),
        Case("a shard of one row each", lambda: (3, 1, 4, 2, 10), (3, 10, 18)),
    ),
    mistakes=(
        Mistake(
            "the row of the corpus, not of the shard",
            _at(inside=lambda row, rows: row),
            "You multiply by the number of the row in the whole corpus. Each shard is a file of its own and begins with row 0 again: how many rows stand before yours in *this* file?",
        ),
        Mistake(
            "all shards in one file",
            _one_long_file,
            "You count the bytes of all shards before this one. They are other files. The byte is counted from the beginning of the file in which the row stands.",
        ),
        Mistake(
            "the header is forgotten",
            _at(before=lambda header, shard, inside, number: 0),
            "You begin at byte 0. There the file tells about itself; the rows begin behind it, `header` bytes further on.",
        ),
        Mistake(
            "a header in front of each row",
            _at(before=lambda header, shard, inside, number: header * (inside + 1)),
            "You count the header once for every row. It stands once, at the beginning of the file.",
        ),
        Mistake(
            "the headers of all shards",
            _at(before=lambda header, shard, inside, number: header * (shard + 1)),
            "You add the headers of the shards before this one. Those stand in other files; this file has one.",
        ),
        Mistake(
            "the header counted in numbers",
            _at(before=lambda header, shard, inside, number: header * number),
            "You multiply the header by the bytes of a number. It is given in bytes already.",
        ),
        Mistake(
            "4 bytes for a number",
            _at(size=lambda D, number: 4 * D),
            "You count 4 bytes for a number, whatever `number_bytes` is. Float16 has 2, float64 has 8, and a wrong width reads the middle of another row, without an error.",
        ),
        Mistake(
            "8 bytes for a number",
            _at(size=lambda D, number: 8 * D),
            "You count 8 bytes for a number, as numpy's float64 has. What is stored here has `number_bytes`.",
        ),
        Mistake(
            "bits",
            _at(size=lambda D, number: 8 * D * number),
            "You count bits: each size is 8 times too large. Bytes are asked for.",
        ),
        Mistake(
            "a row is one number",
            _at(size=lambda D, number: number),
            "You count one number for a row. A row has D of them.",
        ),
        Mistake(
            "numbers instead of bytes",
            _at(size=lambda D, number: D),
            "You count numbers, not bytes: `number_bytes` is not used for the rows.",
        ),
        Mistake(
            "the last byte",
            _at(result=lambda shard, first, size: (shard, first, first + size - 1)),
            "You return the last byte of the row. The byte *after* it is asked for, so that `data[first:end]` is the whole row.",
        ),
        Mistake(
            "the length instead of the end",
            _at(result=lambda shard, first, size: (shard, first, size)),
            "Your third number is how long the row is. Where it ends is asked for, counted from the beginning of the file.",
        ),
        Mistake(
            "the end without a header",
            lambda row, rows, D, number, header: (
                row // rows,
                header + row % rows * D * number,
                (row % rows + 1) * D * number,
            ),
            "The row begins behind the header and ends as if there were none. Both places are counted from the same byte 0.",
        ),
        Mistake(
            "the end of the shard",
            lambda row, rows, D, number, header: (
                row // rows,
                header + row % rows * D * number,
                header + rows * D * number,
            ),
            "Your third number is where the shard ends. Where this row ends is asked for: one row behind its first byte.",
        ),
        Mistake(
            "one number behind the first byte",
            lambda row, rows, D, number, header: (
                row // rows,
                header + row % rows * D * number,
                header + row % rows * D * number + number,
            ),
            "Your end lies one number behind the first byte. A row has D numbers, in its end as in its beginning.",
        ),
        Mistake(
            "the header counted as rows",
            lambda row, rows, D, number, header: (
                row // rows,
                (header + row % rows) * D * number,
                (header + row % rows + 1) * D * number,
            ),
            "You multiply the header by the bytes of a row: the brackets stand around too much. It is in bytes already, and is added once.",
        ),
        Mistake(
            "a header in the first file only",
            _at(before=lambda header, shard, inside, number: header if shard == 0 else 0),
            "You count the header in the first shard only. Each shard is a file of its own, and begins with one.",
        ),
        Mistake(
            "the shard rounded up",
            _at(shard=lambda row, rows: ceil(row / rows)),
            "You round up to the next shard. Row 7 of shards of 5 stands in the second one, which has number 1: round down.",
        ),
        Mistake(
            "rows counted from 1",
            lambda row, *others: place_of_row(row - 1, *others),
            "You take one row off, as if the first one had number 1. Here it has number 0.",
        ),
        Mistake(
            "the row after it",
            lambda row, *others: place_of_row(row + 1, *others),
            "You give the place of the next row. Before row 0 there stand no rows, before row 1 one.",
        ),
        Mistake(
            "shards counted from 1",
            _at(result=lambda shard, first, size: (shard + 1, first, first + size)),
            "You number the shards from 1. The first one has number 0, as in the names of their files.",
        ),
        Mistake(
            "shard and row exchanged",
            _at(shard=lambda row, rows: row % rows, inside=lambda row, rows: row // rows),
            "You take the remainder for the shard and the quotient for the row in it. How often do whole shards go into the number of the row, and what is left?",
        ),
        Mistake(
            "the nearest shard",
            _at(shard=lambda row, rows: round(row / rows)),
            "You round to the nearest shard. A row of the second half of a shard still stands in that one: round down.",
        ),
        Mistake(
            "a shard in fractions",
            _at(shard=lambda row, rows: row / rows),
            "Your shard has a fraction. Its number is whole: divide with `//`.",
        ),
        Mistake(
            "the row in its shard",
            lambda row, rows, *others: (row // rows, row % rows, row % rows + 1),
            "You return which row of the shard it is. Its bytes are asked for.",
        ),
        Mistake(
            "the shard last",
            _at(result=lambda shard, first, size: (first, first + size, shard)),
            "The order is: shard, first byte, byte after the last. Yours stands last.",
        ),
        Mistake(
            "the byte alone",
            _at(result=lambda shard, first, size: first),
            "You return one number. Three are asked for: the shard, and where the row begins and ends in it.",
        ),
        Mistake(
            "begin and end without the shard",
            _at(result=lambda shard, first, size: (first, first + size)),
            "You return begin and end. Put the number of the shard in front: without it nobody knows which file to open.",
        ),
    ),
    hints=(
        "How many whole shards stand before this row, and how many rows of its own shard?",
        "A row takes D numbers of `number_bytes` bytes each; every file begins with its header.",
        "`divmod` gives quotient and remainder at once. First byte: the header, then so many rows as stand before it in this file.",
    ),
)


# --- 20.2 the best of many blocks ------------------------------------------------------------


def best_over_blocks(queries: Tensor, blocks: Iterable[Tensor], k: int) -> tuple[Tensor, Tensor]:
    """The k passages with the largest dot products, block by block: (Q, D), (B, D) each, int -> (Q, K), (Q, K)."""
    best, rows, start = queries.new_empty(len(queries), 0), torch.empty(len(queries), 0, dtype=torch.long), 0
    for block in blocks:
        scores = queries @ block.T
        here = torch.arange(start, start + len(block)).expand_as(scores)
        # Earlier rows stand first, so that they stay first among equal scores.
        best, order = first_k(torch.cat([best, scores], dim=1), k)
        rows = torch.cat([rows, here], dim=1).gather(1, order)
        start += len(block)
    return best, rows


def _query_by_query(queries, blocks, k):
    kept: list[list[tuple[float, int]]] = [[] for _ in queries]
    start = 0
    for block in blocks:
        for mine, scores in zip(kept, (queries @ block.T).tolist(), strict=True):
            mine += [(-score, start + row) for row, score in enumerate(scores)]
            mine.sort()
            del mine[k:]
        start += len(block)
    return (
        torch.tensor([[-score for score, _ in mine] for mine in kept]),
        torch.tensor([[row for _, row in mine] for mine in kept]),
    )


def _first_by_sort(scores: Tensor, rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
    best, order = scores.sort(dim=1, descending=True, stable=True)
    return best[:, :k], rows.gather(1, order[:, :k])


def _first_of(found, k):
    scores, rows = found
    return _first_by_sort(scores, rows, k)


def _side_by_side(old, new):
    return tuple(torch.cat([a, b], dim=1) for a, b in zip(old, new, strict=True))


def _merged(old, new, k):
    return _first_of(_side_by_side(old, new), k)


def _dots(queries: Tensor, block: Tensor) -> Tensor:
    return queries @ block.T


def _blockwise(
    queries, blocks, k, *, score=_dots, first=lambda passed, rows, k: sum(passed),
    merge=_merged,
    before=lambda Q, k: (torch.empty(Q, 0), torch.empty(Q, 0, dtype=torch.long)), use=lambda number, rows, longest: True,
    result=lambda scores, rows, k: (scores, rows),
):  # fmt: skip
    """The search over blocks with one part exchanged; `passed` are the lengths of the blocks before."""
    passed: list[int] = []
    best = before(len(queries), k)
    for number, block in enumerate(blocks):
        if use(number, len(block), passed[0] if passed else len(block)):
            scores = score(queries, block)
            here = torch.arange(len(block)).expand_as(scores) + first(passed, len(block), k)
            best = merge(best, (scores, here), k)
        passed.append(len(block))
    return result(*best, k)


def _by_blocks(**parts: Any) -> Answer:
    return lambda *args: _blockwise(*args, **parts)


def _all_together(queries, blocks, k):
    return _query_by_query(queries, [torch.cat(list(blocks))], k)


def _all_scores_kept(queries, blocks, k):
    scores = torch.cat([queries @ block.T for block in blocks], dim=1)
    return first_k(scores, k)


def _strung_together(old, new, k):
    mine = _first_of(new, k)
    return tuple(torch.cat([a, b], dim=1) for a, b in zip(old, mine, strict=True))


def _the_better_block(old, new, k):
    """For each query the block with the better first passage wins whole."""
    mine = _first_of(new, k)
    if not old[0].shape[1]:
        return mine
    wins = mine[0][:, :1] > old[0][:, :1]
    width = min(old[0].shape[1], mine[0].shape[1])
    return tuple(torch.where(wins, b[:, :width], a[:, :width]) for a, b in zip(old, mine, strict=True))


def _places_in_the_merged(old, new, k):
    scores = torch.cat([old[0], new[0]], dim=1)
    return first_k(scores, k)


def _rows_stay(old, new, k):
    scores, rows = (torch.cat([a, b], dim=1) for a, b in zip(old, new, strict=True))
    return first_k(scores, k)[0], rows[:, :k]


def _one_of_each(old, new, k):
    mine = _first_of(new, 1)
    return _merged(old, mine, k)


def _later_rows_first(old, new, k):
    """Equal scores: the larger row first."""
    scores, rows = (torch.cat([a, b], dim=1) for a, b in zip(old, new, strict=True))
    order = rows.argsort(dim=1, descending=True)
    return _first_by_sort(scores.gather(1, order), rows.gather(1, order), k)


def _filled_up(scores, rows, k):
    left = k - scores.shape[1]
    return torch.nn.functional.pad(scores, (0, left), value=-torch.inf), torch.nn.functional.pad(
        rows, (0, left), value=-1
    )


def _shared_k(queries, blocks, k):
    blocks = list(blocks)
    share = max(1, k // len(blocks))
    scores, rows = _blockwise(queries, blocks, share, merge=_strung_together)
    return _first_by_sort(scores, rows, k)


def _k_or_error(old, new, k):
    if new[0].shape[1] < k:
        raise RuntimeError("selected index k out of range")
    return _merged(old, new, k)


def _zeros_before(Q: int, k: int) -> tuple[Tensor, Tensor]:
    return torch.zeros(Q, k), torch.zeros(Q, k, dtype=torch.long)


def _sorted_by_row(scores, rows, k):
    order = rows.argsort(dim=1)
    return scores.gather(1, order), rows.gather(1, order)


def _smallest(old, new, k):
    scores, rows = (torch.cat([a, b], dim=1) for a, b in zip(old, new, strict=True))
    scores, rows = _first_by_sort(-scores, rows, k)
    return -scores, rows


def _halves(rng: random.Random, *shape: int, most: int = 3) -> Tensor:
    """Whole and half numbers, whose dot products are exact in float32."""
    count = torch.Size(shape).numel()
    return torch.tensor([rng.randint(-most, most) / 2 for _ in range(count)]).reshape(shape)


def _draw_blocks(rng: random.Random) -> tuple[Tensor, list[Tensor], int]:
    Q, D = rng.randint(1, 3), rng.randint(1, 3)
    rows = [rng.randint(1, 4)] * rng.randint(1, 3)
    rows = [*rows, rng.randint(1, rows[0])] if rng.random() < 0.6 else [rng.randint(1, 4) for _ in rows]
    return _halves(rng, Q, D), [_halves(rng, n, D) for n in rows], rng.randint(1, 6)


def _all_scores(queries: Tensor, blocks: Sequence[Tensor]) -> Tensor:
    return queries @ torch.cat(list(blocks)).T


def _has_ties(queries, blocks, k):
    best = _all_scores(queries, blocks).sort(dim=1, descending=True).values[:, : k + 1]
    return bool((best[:, 1:] == best[:, :-1]).any())


class _Watched(Tensor):
    """A tensor that remembers what is made of it, so that somebody can ask how much of that is still held."""

    made: ClassVar[list[weakref.ref]] = []

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        result = super().__torch_function__(function, types, args, kwargs or {})
        cls.made += [
            weakref.ref(x) for x in (result if isinstance(result, tuple | list) else [result]) if isinstance(x, Tensor)
        ]
        return result

    @classmethod
    def held(cls) -> int:
        """Bytes of all that is held now, a view counted with what it looks at."""
        cls.made = [one for one in cls.made if one() is not None]
        with torch._C.DisableTorchFunctionSubclass():
            storages = {x.data_ptr(): x.numel() * x.element_size() for one in cls.made if (x := one()) is not None}
        return sum(storages.values())


def _memory_stays(answer: Answer) -> str | None:
    held: list[int] = []

    def blocks() -> Iterator[Tensor]:
        for number in range(40):
            block = torch.arange(12.0).view(4, 3).sub(number % 7).as_subclass(_Watched)
            _Watched.made.append(weakref.ref(block))
            yield block
            del block
            held.append(_Watched.held())

    _Watched.made = []
    answer(torch.tensor([[1.0, 0.5, -1.0], [0.0, 1.0, 1.0]]), blocks(), 2)
    grown = len(held) >= 40 and held[-1] > 2 * held[9] + 100
    return f"after 10 blocks {held[9]} bytes of tensors are held, after 40 blocks {held[-1]}" if grown else None


def _blocks_are_let_go(answer: Answer) -> str | None:
    there: list[weakref.ref] = []
    most = 0

    def blocks() -> Iterator[Tensor]:
        nonlocal most
        for number in range(20):
            block = torch.arange(6.0).view(2, 3).sub(number % 5)
            there.append(weakref.ref(block))
            yield block
            del block
            most = max(most, sum(one() is not None for one in there))

    answer(torch.tensor([[1.0, 0.5, -1.0]]), blocks(), 2)
    return f"{most} of 20 blocks are held at the same time" if most > 2 else None


BLOCKS = Exercise(
    id="20.2",
    title="the best of many blocks",
    difficulty="medium",
    minutes=10,
    section="Build it: the best of many blocks",
    signature="(Q, D), list of (B, D), int -> (Q, K), (Q, K)",
    reference=best_over_blocks,
    another=_query_by_query,
    draw=_draw_blocks,
    loops=True,
    situations=(
        Situation("a block has fewer rows than k", lambda q, blocks, k: min(map(len, blocks)) < k),
        Situation("all blocks together have fewer rows than k", lambda q, blocks, k: sum(map(len, blocks)) < k),
        Situation("there is one block", lambda q, blocks, k: len(blocks) == 1),
        Situation("blocks differ in length", lambda q, blocks, k: len(set(map(len, blocks))) > 1),
        Situation("two of the best scores are equal", _has_ties),
        Situation(
            "one of the best scores is negative",
            lambda q, blocks, k: bool((first_k(_all_scores(q, blocks), k)[0] < 0).any()),
        ),
        Situation("k is 1", lambda q, blocks, k: k == 1),
        Situation("there is one query", lambda q, blocks, k: len(q) == 1),
    ),
    cases=(
        Case(
            "one number each, two blocks",
            lambda: (torch.tensor([[1.0]]), [torch.tensor([[2.0], [5.0]]), torch.tensor([[4.0]])], 2),
            (torch.tensor([[5.0, 4.0]]), torch.tensor([[1, 2]])),
        ),
        Case(
            "a tie across blocks",
            lambda: (
                torch.tensor([[2.0], [-1.0]]),
                [torch.tensor([[1.0], [3.0]]), torch.tensor([[3.0], [0.0]]), torch.tensor([[3.0]])],
                3,
            ),
            (torch.tensor([[6.0, 6.0, 6.0], [0.0, -1.0, -3.0]]), torch.tensor([[1, 2, 4], [3, 0, 1]])),
        ),
        Case(
            "fewer rows than k, negative scores",
            lambda: (torch.tensor([[1.0, -1.0]]), [torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, 4.0]])], 5),
            (torch.tensor([[-2.0, -3.0]]), torch.tensor([[0, 1]])),
        ),
        Case(
            "blocks of different lengths",
            lambda: (
                torch.tensor([[1.0, 0.5], [0.0, 2.0]]),
                [
                    torch.tensor([[3.0, 1.0]]),
                    torch.tensor([[1.0, 1.0], [0.5, 3.0], [4.0, -2.0]]),
                    torch.tensor([[2.0, 2.5], [3.5, 0.0]]),
                ],
                2,
            ),
            (torch.tensor([[3.5, 3.5], [6.0, 5.0]]), torch.tensor([[0, 5], [2, 4]])),
        ),
        Case(
            "the best three in the first block, and one better behind them",
            lambda: (
                torch.tensor([[1.0]]),
                [torch.tensor([[9.0], [8.0], [7.0]]), torch.tensor([[1.0], [10.0], [2.0]])],
                3,
            ),
            (torch.tensor([[10.0, 9.0, 8.0]]), torch.tensor([[4, 0, 1]])),
        ),
    ),
    properties=(
        Property("a block is let go before the next but one comes", _blocks_are_let_go),
        Property("memory does not grow with the number of blocks", _memory_stays),
    ),
    mistakes=(
        Mistake(
            "rows counted anew in each block",
            _by_blocks(first=lambda passed, rows, k: 0),
            "Your rows are counted from the beginning of their own block, so two passages can have the same number. Count how many rows have passed by before.",
        ),
        Mistake(
            "all blocks as long as this one",
            _by_blocks(first=lambda passed, rows, k: len(passed) * rows),
            "You take the number of the block times the length of *this* block. The last block is often shorter, and its rows then get numbers of others. Add up what has passed by.",
        ),
        Mistake(
            "all blocks as long as the first",
            _by_blocks(first=lambda passed, rows, k: len(passed) * [*passed, rows][0]),
            "You take the number of the block times the length of the first. Blocks may differ: add up the lengths that have passed by.",
        ),
        Mistake(
            "only the block before is counted",
            _by_blocks(first=lambda passed, rows, k: [0, *passed][-1]),
            "You begin at the length of the block before. All blocks before count: add up what has passed by.",
        ),
        Mistake(
            "k for the length of a block",
            _by_blocks(first=lambda passed, rows, k: len(passed) * k),
            "You go on by k from block to block. k is how many are kept; the rows of a block are as many as it has.",
        ),
        Mistake(
            "the count comes too early",
            _by_blocks(first=lambda passed, rows, k: sum(passed) + rows),
            "You add the length of a block before its own rows are numbered, so all numbers are too large by one block.",
        ),
        Mistake(
            "the last block alone",
            _by_blocks(merge=lambda old, new, k: _first_of(new, k)),
            "Only the last block counts: what the ones before have brought is overwritten. Bring the best so far and the new block together.",
        ),
        Mistake(
            "the first block alone",
            _by_blocks(use=lambda number, rows, longest: number == 0),
            "Only the first block is searched. Does your function return inside of the loop?",
        ),
        Mistake(
            "the short last block is left out",
            _by_blocks(use=lambda number, rows, longest: rows >= longest),
            "A block that is shorter than the first is passed over. That is how the last rows of a corpus get lost: of 359,147 rows in blocks of 5,000 the last 4,147.",
        ),
        Mistake(
            "strung together",
            _by_blocks(merge=_strung_together),
            "You put the best of all blocks one behind the other: the result grows with the number of blocks. After each block only the k best of old and new are kept.",
        ),
        Mistake(
            "strung together and cut",
            _by_blocks(merge=_strung_together, result=lambda scores, rows, k: (scores[:, :k], rows[:, :k])),
            "You put the best of the blocks one behind the other and take the first k: those of the first block, whatever comes later. Sort old and new together before you cut.",
        ),
        Mistake(
            "k shared out over the blocks",
            _shared_k,
            "You take a share of k from each block. The best may all stand in one of them: each block may bring up to k.",
        ),
        Mistake(
            "one of each block",
            _by_blocks(merge=_one_of_each),
            "Each block brings its best passage only. Its second may be better than the best of all others.",
        ),
        Mistake(
            "the better block wins",
            _by_blocks(merge=_the_better_block),
            "You compare whole blocks by their first passage and keep one of them. The best k are mixed from several blocks: bring both lists together.",
        ),
        Mistake(
            "rows do not follow their scores",
            _by_blocks(merge=_rows_stay),
            "The scores are sorted, and the rows stay where they were. What sorting does to the scores must be done to the rows as well.",
        ),
        Mistake(
            "places in the merged list",
            _by_blocks(merge=_places_in_the_merged),
            "You return places in the list of old and new scores together. Look up which row stands at that place.",
        ),
        Mistake(
            "of equal scores the larger row",
            _by_blocks(merge=_later_rows_first),
            "Of equal scores the larger row stands first with you. The smaller one comes first, so that the result does not depend on where blocks end.",
        ),
        Mistake(
            "of equal scores the later block",
            _by_blocks(merge=lambda old, new, k: _merged(new, old, k)),
            "You put the new block in front of the best so far, so among equal scores a later block wins. Then another size of blocks gives another result. Old ones stand in front.",
        ),
        Mistake(
            "the best so far begin at zero",
            _by_blocks(before=_zeros_before),
            "You begin with k scores of 0 for row 0. Where there are fewer than k rows, or scores are negative, these stand in the result as if they had been found. Begin with nothing.",
        ),
        Mistake(
            "filled up to k",
            _by_blocks(result=_filled_up),
            "Where there are fewer than k rows, you fill up. The result has as many columns as there are rows then.",
        ),
        Mistake(
            "a block shorter than k raises an error",
            _by_blocks(merge=_k_or_error),
            "You ask a block for k passages where it has fewer, and an error is raised. Take as many as there are.",
        ),
        Mistake(
            "in the order of the rows",
            _by_blocks(result=_sorted_by_row),
            "The right passages, sorted by row. The largest score stands first.",
        ),
        Mistake(
            "the smallest scores",
            _by_blocks(merge=_smallest),
            "You keep the smallest dot products. The largest are asked for.",
        ),
        Mistake(
            "cosines",
            _by_blocks(
                score=lambda q, x: torch.nn.functional.normalize(q, dim=1) @ torch.nn.functional.normalize(x, dim=1).T
            ),
            "You normalize first. Nothing is normalized here: the dot products of the vectors as they are.",
        ),
        Mistake(
            "distances",
            _by_blocks(score=lambda q, x: -(q[:, None] - x[None]).square().sum(-1)),
            "You rank by distance. Dot products are asked for.",
        ),
        Mistake(
            "rows before scores",
            _by_blocks(result=lambda scores, rows, k: (rows, scores)),
            "The scores come first, then the rows.",
        ),
        Mistake(
            "the rows alone",
            _by_blocks(result=lambda scores, rows, k: rows),
            "You return the rows. Scores and rows are asked for.",
        ),
        Mistake(
            "a tuple for each query",
            lambda *args: list(zip(*(x.tolist() for x in _blockwise(*args)), strict=True)),
            "You return one entry for each query. Two tensors are asked for, (Q, K) each: all scores, and all rows.",
        ),
        Mistake(
            "all blocks at once",
            _all_together,
            "You put all blocks together before you search. The result is right, and the whole corpus is in memory, which is what the blocks were for. Search each as it passes by.",
        ),
        Mistake(
            "all scores are kept",
            _all_scores_kept,
            "You keep the scores of all rows and cut at the end. The result is right, and memory grows with the corpus: Q times N scores. Cut to k after each block.",
        ),
    ),
    hints=(
        "What must be known of all earlier blocks before the next one comes? Not more than k passages a query.",
        "Keep scores and rows of the best so far, begin with none, and count the rows that have passed by.",
        "Put the best so far and the block's scores side by side, sort with `stable=True`, cut at k, and `gather` the rows with the same order.",
    ),
)


# --- 20.3 what is still to do ----------------------------------------------------------------


def still_to_do(
    planned: Mapping[str, int], notes: Mapping[str, Mapping[str, Any]], files: Mapping[str, int], fingerprint: str
) -> tuple[list[str], int]:
    """The shards that must be computed, and their rows: dict, dict, dict, str -> list of str, int."""

    def is_whole(name: str) -> bool:
        note = notes.get(name)
        return note is not None and note == {
            "rows": planned[name],
            "bytes": files.get(name),
            "fingerprint": fingerprint,
        }

    todo = [name for name in planned if not is_whole(name)]
    return todo, sum(planned[name] for name in todo)


def _struck_off(planned, notes, files, fingerprint):
    left = dict(planned)
    for name, note in notes.items():
        same = name in left and name in files and note["fingerprint"] == fingerprint
        if same and (note["rows"], note["bytes"]) == (left[name], files[name]):
            del left[name]
    return list(left), sum(left.values())


def _noted(name, planned, notes, files, fingerprint):
    return name in notes


def _there(name, planned, notes, files, fingerprint):
    return name in files


def _same_bytes(name, planned, notes, files, fingerprint):
    return files[name] == notes[name]["bytes"]


def _eight_bytes_a_row(name, planned, notes, files, fingerprint):
    return files[name] == 8 * planned[name]


def _same_rows(name, planned, notes, files, fingerprint):
    return notes[name]["rows"] == planned[name]


def _same_fingerprint(name, planned, notes, files, fingerprint):
    return notes[name]["fingerprint"] == fingerprint


WHOLE = (_noted, _there, _same_bytes, _same_rows, _same_fingerprint)


def _whole_by(*tests: Callable[..., bool]) -> Callable[..., bool]:
    return lambda *args: all(test(*args) for test in tests)


IS_WHOLE = _whole_by(*WHOLE)


def _rows_planned(todo, planned, notes):
    return sum(planned.get(name, 0) for name in todo)


def _left(
    planned, notes, files, fingerprint, *, whole=IS_WHOLE, choose=lambda left, planned, done: left,
    rows=_rows_planned, result=lambda todo, rows: (todo, rows),
):  # fmt: skip
    """What is still to do with one part exchanged."""
    done = [name for name in planned if whole(name, planned, notes, files, fingerprint)]
    todo = choose([name for name in planned if name not in done], list(planned), done)
    return result(todo, rows(todo, planned, notes))


def _asked_by(**parts: Any) -> Answer:
    return lambda *args: _left(*args, **parts)


def _by_number_of_files(planned, notes, files, fingerprint):
    todo = list(planned)[len(files) :]
    return todo, _rows_planned(todo, planned, notes)


def _by_number_of_notes(planned, notes, files, fingerprint):
    todo = list(planned)[len(notes) :]
    return todo, _rows_planned(todo, planned, notes)


def _from_the_first_gap(left, planned, done):
    return planned[planned.index(left[0]) :] if left else []


def _behind_the_last_whole(left, planned, done):
    return planned[planned.index(done[-1]) + 1 :] if done else planned


def _all_or_nothing(left, planned, done):
    return planned if left else []


def _anew_if_settings_changed(planned, notes, files, fingerprint):
    if any(note["fingerprint"] != fingerprint for note in notes.values()):
        return list(planned), sum(planned.values())
    return _left(planned, notes, files, fingerprint)


def _half_written_counts(name, planned, notes, files, fingerprint):
    sizes = [size for file, size in files.items() if file.startswith(name)]
    return name in notes and notes[name]["bytes"] in sizes


def _once_for_each_reason(planned, notes, files, fingerprint):
    todo = []
    for name, rows in planned.items():
        note = notes.get(name, {})
        todo += [name] * (name not in files or note.get("bytes") != files[name])
        todo += [name] * (note.get("rows") != rows)
        todo += [name] * (note.get("fingerprint") != fingerprint)
    return todo, sum(planned[name] for name in todo)


def _also_what_is_not_planned(planned, notes, files, fingerprint):
    todo, rows = _left(planned, notes, files, fingerprint)
    return todo + [name for name in notes if name not in planned], rows


def _draw_folder(rng: random.Random) -> tuple[dict[str, int], dict[str, dict[str, Any]], dict[str, int], str]:
    size, count = rng.choice((2, 4, 10)), rng.randint(1, 5)
    names = [f"s{n}" for n in rng.sample(range(10), count)]
    planned = dict.fromkeys(names, size)
    planned[names[-1]] = rng.randint(1, size)
    notes, files = {}, {}
    width = rng.choice((6, 8, 20))  # bytes of a row
    for name in rng.sample(names, count):
        rows = planned[name]
        state = rng.choice(
            ("whole", "whole", "whole", "none", "no note", "no file", "cut", "long", "old", "other rows")
        )
        if state == "none":
            if rng.random() < 0.5:
                files[f"{name}.tmp"] = rows * rng.choice((4, width))
            continue
        was = rows + rng.choice((-1, 1, 2)) if state == "other rows" else rows
        if state != "no note":
            notes[name] = _note(was, "b7" if state == "old" else "a1", width)
        if state != "no file":
            files[name] = width * was + {"cut": -3, "long": 5}.get(state, 0)
        elif rng.random() < 0.5:
            files[f"{name}.tmp"] = width * was
    if rng.random() < 0.25:
        notes["t0"], files["t0"] = _note(size, width=width), width * size
    return planned, notes, files, "a1"


def _note(rows: int, fingerprint: str = "a1", width: int = 8) -> dict[str, Any]:
    return {"rows": rows, "bytes": width * rows, "fingerprint": fingerprint}


def _some(test: Callable[..., bool]) -> Callable[..., bool]:
    """Whether it is so with some planned shard that has a note and a file."""
    return lambda planned, notes, files, fingerprint: any(
        test(name, planned, notes, files, fingerprint) for name in planned if name in notes and name in files
    )


TODO = Exercise(
    id="20.3",
    title="what is still to do",
    difficulty="medium",
    minutes=10,
    section="Further: what is still to do",
    signature="dict, dict, dict, str -> list of str, int",
    reference=still_to_do,
    another=_struck_off,
    draw=_draw_folder,
    tolerance=0.0,
    loops=True,
    situations=(
        Situation("a file has fewer bytes than its note says", _some(lambda n, p, t, f, s: f[n] < t[n]["bytes"])),
        Situation("a file has more bytes than its note says", _some(lambda n, p, t, f, s: f[n] > t[n]["bytes"])),
        Situation("a shard was made with other settings", _some(lambda n, p, t, f, s: t[n]["fingerprint"] != s)),
        Situation("a shard was made with fewer rows", _some(lambda n, p, t, f, s: t[n]["rows"] < p[n])),
        Situation("a shard was made with more rows", _some(lambda n, p, t, f, s: t[n]["rows"] > p[n])),
        Situation("a file has no note", lambda p, t, f, s: any(n in f and n not in t for n in p)),
        Situation("a note has no file", lambda p, t, f, s: any(n in t and n not in f for n in p)),
        Situation("a half-written file is left", lambda p, t, f, s: any(n.endswith(".tmp") for n in f)),
        Situation("a shard is there that is not planned", lambda p, t, f, s: any(n not in p for n in t)),
        Situation("all shards are whole", lambda p, t, f, s: not _struck_off(p, t, f, s)[0]),
        Situation("no shard is whole", lambda p, t, f, s: len(_struck_off(p, t, f, s)[0]) == len(p)),
        Situation("the last shard is shorter", lambda p, t, f, s: len(set(p.values())) > 1),
    ),
    cases=(
        Case(
            "one is whole, one is missing",
            lambda: ({"s0": 5, "s1": 3}, {"s0": _note(5)}, {"s0": 40}, "a1"),
            (["s1"], 3),
        ),
        Case(
            "killed while the third was written",
            lambda: (
                {"s0": 5, "s1": 5, "s2": 5, "s3": 2},
                {"s0": _note(5), "s2": _note(5), "s3": _note(2)},
                {"s0": 40, "s1.tmp": 40, "s2": 17, "s3": 16},
                "a1",
            ),
            (["s1", "s2"], 10),
        ),
        Case(
            "a file without its note",
            lambda: ({"s0": 5, "s1": 5, "s2": 1}, {"s0": _note(5)}, {"s0": 40, "s1": 40}, "a1"),
            (["s1", "s2"], 6),
        ),
        Case(
            "other settings for two of three",
            lambda: (
                {"s0": 5, "s1": 5, "s2": 1},
                {"s0": _note(5, "b7"), "s1": _note(5), "s2": _note(1, "b7")},
                {"s0": 40, "s1": 40, "s2": 8},
                "a1",
            ),
            (["s0", "s2"], 6),
        ),
        Case(
            "another plan, and what is left of the old one",
            lambda: (
                {"s2": 4, "s0": 4, "s1": 2},
                {"s0": _note(5), "s1": _note(1), "s2": _note(4), "s7": _note(5)},
                {"s0": 40, "s1": 8, "s2": 32, "s7": 40},
                "a1",
            ),
            (["s0", "s1"], 6),
        ),
        Case(
            "notes without files, and a file that is too long",
            lambda: (
                {"s0": 4, "s1": 4, "s2": 3},
                {"s0": _note(4), "s1": _note(4), "s2": _note(3)},
                {"s0": 32, "s1": 33, "s2.tmp": 24},
                "a1",
            ),
            (["s1", "s2"], 7),
        ),
        Case(
            "all is done",
            lambda: ({"s0": 2, "s1": 1}, {"s1": _note(1), "s0": _note(2)}, {"s0": 16, "s1": 8}, "a1"),
            ([], 0),
        ),
        Case(
            "an empty file, and one of which nothing is right",
            lambda: (
                {"s0": 5, "s1": 5, "s2": 3},
                {"s0": _note(5), "s1": _note(4, "b7"), "s2": _note(3)},
                {"s0": 0, "s1": 30, "s2": 24},
                "a1",
            ),
            (["s0", "s1"], 10),
        ),
        Case("nothing is there", lambda: ({"s1": 3, "s0": 3}, {}, {}, "a1"), (["s1", "s0"], 6)),
        Case(
            "rows of twelve bytes",
            lambda: (
                {"s0": 2, "s1": 3},
                {"s0": _note(2, width=12), "s1": _note(3, width=12)},
                {"s0": 24, "s1": 24},
                "a1",
            ),
            (["s1"], 3),
        ),
    ),
    mistakes=(
        Mistake(
            "files are counted",
            _by_number_of_files,
            "You take the number of files for the number of shards that are done, and go on behind them. With several workers shards 0 and 2 can be there without 1, and a half-written file counts as well. Ask each shard by its name.",
        ),
        Mistake(
            "notes are counted",
            _by_number_of_notes,
            "You take the number of notes for the number of shards that are done. Which ones they are is in their names: with several workers there are gaps.",
        ),
        Mistake(
            "the file is enough",
            _asked_by(whole=_there),
            "A shard is done with you as soon as its file is there. It may be half-written, of other settings or of another plan: the note says what it should be.",
        ),
        Mistake(
            "the note is enough",
            _asked_by(whole=_noted),
            "A shard is done with you as soon as it has a note. The file may have been removed or cut since, and the note may be of other settings.",
        ),
        Mistake(
            "file and note are enough",
            _asked_by(whole=_whole_by(_noted, _there)),
            "You ask whether file and note are there, and compare nothing that stands in the note. It says three things, to be held against the file, the plan and the settings of today.",
        ),
        Mistake(
            "every row has eight bytes",
            _asked_by(whole=_whole_by(_noted, _there, _eight_bytes_a_row, _same_rows, _same_fingerprint)),
            "You compute how many bytes a file should have from its rows, as if every row took eight. How many it has when it is whole stands in its note.",
        ),
        Mistake(
            "the bytes are not compared",
            _asked_by(whole=_whole_by(_noted, _there, _same_rows, _same_fingerprint)),
            "You do not hold the size of the file against its note. A copy that broke off has the right name and too few bytes.",
        ),
        Mistake(
            "the fingerprint is not compared",
            _asked_by(whole=_whole_by(_noted, _there, _same_bytes, _same_rows)),
            "You keep shards of other settings. Vectors of two models in one folder look alike and cannot be compared, and no error tells.",
        ),
        Mistake(
            "the rows are not compared",
            _asked_by(whole=_whole_by(_noted, _there, _same_bytes, _same_fingerprint)),
            "You keep a shard that was made for another plan, with more or fewer rows than it has now. Some rows of the corpus are then missing, or there twice.",
        ),
        Mistake(
            "bytes and rows are not compared",
            _asked_by(whole=_whole_by(_noted, _there, _same_fingerprint)),
            "Of the note you compare the fingerprint alone. Its bytes belong beside the file, its rows beside the plan.",
        ),
        Mistake(
            "half-written files count",
            _asked_by(whole=_whole_by(_half_written_counts, _same_rows, _same_fingerprint)),
            "A file counts with you if its name begins like the shard's. What ends in .tmp is half-written or was never given its name: it counts for nothing.",
        ),
        Mistake(
            "at least so many bytes",
            _asked_by(
                whole=_whole_by(
                    _noted, _there, lambda n, p, t, f, s: f[n] >= t[n]["bytes"], _same_rows, _same_fingerprint
                )
            ),
            "A file with more bytes than its note says passes. It was not what was noted: perhaps two runs have written into it.",
        ),
        Mistake(
            "at most so many bytes",
            _asked_by(
                whole=_whole_by(
                    _noted, _there, lambda n, p, t, f, s: f[n] <= t[n]["bytes"], _same_rows, _same_fingerprint
                )
            ),
            "A file with fewer bytes than its note says passes. That is the one that a kill or a full disk leaves.",
        ),
        Mistake(
            "at least so many rows",
            _asked_by(
                whole=_whole_by(
                    _noted, _there, _same_bytes, lambda n, p, t, f, s: t[n]["rows"] >= p[n], _same_fingerprint
                )
            ),
            "A shard with more rows than planned passes. The rows behind its end stand in the next shard as well: they are there twice.",
        ),
        Mistake(
            "at most so many rows",
            _asked_by(
                whole=_whole_by(
                    _noted, _there, _same_bytes, lambda n, p, t, f, s: t[n]["rows"] <= p[n], _same_fingerprint
                )
            ),
            "A shard with fewer rows than planned passes. What is missing in it stands nowhere.",
        ),
        Mistake(
            "one test passed is enough",
            _asked_by(whole=lambda n, p, t, f, s: n in t and n in f and any(test(n, p, t, f, s) for test in WHOLE[2:])),
            "A shard is kept if any one of bytes, rows and fingerprint agrees. All three must.",
        ),
        Mistake(
            "an empty file is the only bad one",
            _asked_by(whole=_whole_by(_noted, lambda n, p, t, f, s: f.get(n, 0) > 0, _same_rows, _same_fingerprint)),
            "You ask whether the file holds anything. A file that is cut in the middle does. The note has its size: compare.",
        ),
        Mistake(
            "all behind the first gap",
            _asked_by(choose=_from_the_first_gap),
            "From the first shard that is missing on you do everything again. Shards behind it may be whole, made by another worker: each is asked for itself.",
        ),
        Mistake(
            "all before the last whole one counts as done",
            _asked_by(choose=_behind_the_last_whole),
            "You go on behind the last shard that is whole. What is missing before it is never made.",
        ),
        Mistake(
            "one is bad, and all are made again",
            _asked_by(choose=_all_or_nothing),
            "As soon as one shard is not whole you do all of them again. The vectors would be right, and all that is whole would be paid for twice. Only what is not whole is to do.",
        ),
        Mistake(
            "one of other settings, and all are made again",
            _anew_if_settings_changed,
            "If a single note has another fingerprint, you do everything again, also what has the right one. Each shard is asked for itself.",
        ),
        Mistake(
            "the first alone",
            _asked_by(choose=lambda left, planned, done: left[:1]),
            "You return the first that is missing. All are asked for: they are shared out to workers.",
        ),
        Mistake(
            "once for each reason",
            _once_for_each_reason,
            "A shard for which two things are wrong stands twice in your list, and would be computed twice. Once it is not whole, go on to the next.",
        ),
        Mistake(
            "what is not planned",
            _also_what_is_not_planned,
            "You list shards that have a note and are not planned. Nobody needs them: the plan alone says what there is to do.",
        ),
        Mistake(
            "sorted by name",
            _asked_by(choose=lambda left, planned, done: sorted(left)),
            "You sort the names. The order is that of `planned`.",
        ),
        Mistake(
            "only what is noted is looked at",
            lambda planned, notes, files, fingerprint: (lambda todo: (todo, sum(planned[name] for name in todo)))(
                [
                    name
                    for name in notes
                    if name in planned and name in _struck_off(planned, notes, files, fingerprint)[0]
                ]
            ),
            "You go through the notes. What has none is never made then, and the order is that of the notes. The plan says what there should be.",
        ),
        Mistake(
            "up to the first whole one",
            _asked_by(choose=lambda left, planned, done: planned[: planned.index(done[0])] if done else planned),
            "You stop at the first shard that is whole. Behind it others may be missing: pass over it, and go on.",
        ),
        Mistake(
            "bad only where all is wrong",
            lambda planned, notes, files, fingerprint: (lambda todo: (todo, sum(planned[name] for name in todo)))(
                [
                    name
                    for name, rows in planned.items()
                    if notes.get(name, {}).get("bytes") != files.get(name)
                    and notes.get(name, {}).get("rows") != rows
                    and notes.get(name, {}).get("fingerprint") != fingerprint
                ]
            ),
            "You make a shard again only if bytes, rows and fingerprint are all wrong. One that is wrong is enough: `or`, not `and`.",
        ),
        Mistake(
            "rows of what is done",
            lambda planned, notes, files, fingerprint: (
                lambda todo: (todo, sum(rows for name, rows in planned.items() if name not in todo))
            )(_struck_off(planned, notes, files, fingerprint)[0]),
            "Your rows are those of the shards that are whole. Those that are still to do are asked for.",
        ),
        Mistake(
            "what is done",
            _asked_by(choose=lambda left, planned, done: done),
            "You return the shards that are whole. Those that must be computed are asked for.",
        ),
        Mistake(
            "rows of the whole plan",
            _asked_by(rows=lambda todo, planned, notes: sum(planned.values())),
            "Your rows are those of the whole plan. Only those that are still to do are asked for.",
        ),
        Mistake(
            "all shards as long as the first",
            _asked_by(rows=lambda todo, planned, notes: len(todo) * next(iter(planned.values()))),
            "You multiply shards by the rows of one. The last shard is often shorter: number of batches times batch size is not the number of rows. Add up what is planned.",
        ),
        Mistake(
            "rows as the notes say",
            _asked_by(rows=lambda todo, planned, notes: sum(notes.get(name, {"rows": 0})["rows"] for name in todo)),
            "You add up the rows of the notes. A shard that has none counts 0 then, and one of an old plan the wrong number. The plan says how many rows there are to do.",
        ),
        Mistake(
            "shards are counted",
            _asked_by(rows=lambda todo, planned, notes: len(todo)),
            "You count shards. The second result is rows, as a bar of progress shows them.",
        ),
        Mistake(
            "the names alone",
            _asked_by(result=lambda todo, rows: todo),
            "You return the names. The number of rows is asked for as well.",
        ),
        Mistake(
            "rows before names",
            _asked_by(result=lambda todo, rows: (rows, todo)),
            "The names come first, then the rows.",
        ),
    ),
    hints=(
        "What must all be true of a shard, so that you would use it without a look at what stands in it?",
        "Five tests: a note, a file, its bytes, its rows, its settings. `get` helps where a name is missing.",
        "Go through `planned` in its order and keep the names that fail any test; then add up what is planned for these.",
    ),
)


# --- 20.4 batches by tokens ------------------------------------------------------------------


def token_batches(lengths: Sequence[int], budget: int) -> tuple[list[list[int]], list[int]]:
    """Batches of similar length within a budget, and the way back: list of int, int -> list of lists of int, list of int."""
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    batches: list[list[int]] = []
    for i in order:
        # The first of a batch is its longest: all others are filled up to it.
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= budget:
            batches[-1].append(i)
        else:
            batches.append([i])
    back = [0] * len(order)
    for place, i in enumerate(order):
        back[i] = place
    return batches, back


def _cut_off_the_front(lengths, budget):
    order = np.argsort(-np.asarray(lengths, dtype=int), kind="stable")
    left, batches = order.tolist(), []
    while left:
        most = max(1, budget // lengths[left[0]])
        batches.append(left[:most])
        left = left[most:]
    return batches, np.argsort(order).tolist()


def _longest_first(lengths: Sequence[int]) -> list[int]:
    return sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))


def _padded(batch: list[int], i: int, lengths: Sequence[int]) -> int:
    """Tokens with padding if i joins the batch."""
    return (len(batch) + 1) * max(lengths[j] for j in [*batch, i])


def _places_back(order):
    return [order.index(i) for i in range(len(order))]


def _filled(
    lengths, budget, *, order=_longest_first, tokens=_padded, fits=lambda tokens, budget: tokens <= budget,
    batches=lambda found, order, lengths: found,
    back=_places_back, result=lambda batches, back: (batches, back),
):  # fmt: skip
    """Batches by tokens with one part exchanged."""
    found: list[list[int]] = []
    for i in order(lengths):
        if found and fits(tokens(found[-1], i, lengths), budget):
            found[-1].append(i)
        else:
            found.append([i])
    return result(batches(found, order(lengths), lengths), back(order(lengths)))


def _batched(**parts: Any) -> Answer:
    return lambda *args: _filled(*args, **parts)


def _equal_numbers(count: Callable[[Sequence[int], int], int]) -> Answer:
    """Batches of an equal number of texts."""

    def answer(lengths, budget):
        order, most = _longest_first(lengths), max(1, count(lengths, budget)) if lengths else 1
        batches = [order[first : first + most] for first in range(0, len(order), most)]
        return batches, [order.index(i) for i in range(len(order))]

    return answer


def _checked_too_late(lengths, budget):
    """A batch is closed when it is over the budget."""
    order, batches, now = _longest_first(lengths), [], []
    for i in order:
        now.append(i)
        if len(now) * lengths[now[0]] > budget:
            batches.append(now)
            now = []
    return batches + [now] * bool(now), [order.index(i) for i in range(len(order))]


def _closed_when_full(lengths, budget):
    """The last batch is given out only when another one begins."""
    batches, back = _filled(lengths, budget)
    return batches[:-1], back


def _an_empty_one_first(lengths, budget):
    batches, back = _filled(lengths, budget)
    return [[], *batches] if batches and lengths[batches[0][0]] > budget else batches, back


def _too_long_is_left_out(lengths, budget):
    batches, back = _filled(lengths, budget)
    return [b for b in batches if lengths[b[0]] <= budget], back


def _too_long_raises(lengths, budget):
    if any(length > budget for length in lengths):
        raise ValueError("a text is longer than the budget")
    return _filled(lengths, budget)


def _an_empty_list_raises(lengths, budget):
    if not lengths:
        raise IndexError("list index out of range")
    return _filled(lengths, budget)


def _filled_from_one_budget(lengths, budget):
    batches: list[list[int]] = []
    used, order = 0, _longest_first(lengths)
    for i in order:
        if batches and used + lengths[i] <= budget:
            batches[-1].append(i)
        else:
            batches.append([i])
        used += lengths[i]
    return batches, _places_back(order)


def _draw_lengths(rng: random.Random) -> tuple[list[int], int]:
    count = rng.choice((0, 1, 2, 4, 5, 6, 7, 8))
    return [rng.choice((1, 2, 3, 3, 4, 5, 6, 8, 12)) for _ in range(count)], rng.choice((4, 6, 8, 10, 12, 16, 24))


TOKENS = Exercise(
    id="20.4",
    title="batches by tokens",
    difficulty="medium",
    minutes=10,
    section="Further: batches by tokens",
    signature="list of int, int -> list of lists of int, list of int",
    reference=token_batches,
    another=_cut_off_the_front,
    draw=_draw_lengths,
    tolerance=0.0,
    loops=True,
    situations=(
        Situation("there is no text", lambda lengths, budget: not lengths),
        Situation("a text is longer than the budget", lambda lengths, budget: max(lengths, default=0) > budget),
        Situation("two texts have the same length", lambda lengths, budget: len(set(lengths)) < len(lengths)),
        Situation(
            "a batch fits the budget exactly",
            lambda lengths, budget: any(
                len(b) > 1 and len(b) * lengths[b[0]] == budget for b in token_batches(lengths, budget)[0]
            ),
        ),
        Situation(
            "a batch has padding",
            lambda lengths, budget: any(lengths[b[0]] > lengths[b[-1]] for b in token_batches(lengths, budget)[0]),
        ),
        Situation(
            "the texts do not come longest first",
            lambda lengths, budget: list(lengths) != sorted(lengths, reverse=True),
        ),
        Situation(
            "the way back is not the order itself",
            lambda lengths, budget: token_batches(lengths, budget)[1] != _longest_first(lengths),
        ),
    ),
    cases=(
        Case("four texts, budget 8", lambda: ([2, 5, 3, 4], 8), ([[1], [3, 2], [0]], [3, 0, 2, 1])),
        Case("equal lengths", lambda: ([3, 2, 3, 3, 2], 6), ([[0, 2], [3, 1], [4]], [0, 3, 1, 2, 4])),
        Case("one is longer than the budget", lambda: ([1, 9, 1, 2], 4), ([[1], [3, 0], [2]], [2, 0, 3, 1])),
        Case("two are, the shorter first", lambda: ([7, 9, 2, 2], 4), ([[1], [0], [2, 3]], [1, 0, 2, 3])),
        Case("a gap that a short text would fill", lambda: ([6, 5, 5, 1], 10), ([[0], [1, 2], [3]], [0, 1, 2, 3])),
        Case("no text", lambda: ([], 8), ([], [])),
        Case("all in one batch", lambda: ([1, 2, 1], 6), ([[1, 0, 2]], [1, 0, 2])),
        Case("many short ones, one long one", lambda: ([1, 1, 1, 8, 1, 1, 2], 8)),
    ),
    mistakes=(
        Mistake(
            "one budget for all batches",
            _filled_from_one_budget,
            "You add up the tokens of all texts and never begin anew, so the budget is used up after the first batches. Each batch has the whole budget.",
        ),
        Mistake(
            "an empty batch at the end",
            lambda lengths, budget: ([*token_batches(lengths, budget)[0], []], token_batches(lengths, budget)[1]),
            "Your list ends with a batch that holds no text. A batch begins when a text needs one, and not before.",
        ),
        Mistake(
            "padding is not counted",
            _batched(tokens=lambda batch, i, lengths: sum(lengths[j] for j in [*batch, i])),
            "You add up the lengths. In a batch all texts are filled up to the longest, and the model computes the padding, too: count texts times the longest.",
        ),
        Mistake(
            "the new text's length for all",
            _batched(tokens=lambda batch, i, lengths: (len(batch) + 1) * lengths[i]),
            "You multiply by the length of the text that comes in. With the longest first that is the *shortest* of the batch; all are filled up to the first one.",
        ),
        Mistake(
            "the budget is a number of texts",
            _batched(tokens=lambda batch, i, lengths: len(batch) + 1),
            "You count texts. The budget is in tokens: ten long texts take as much as a hundred short ones.",
        ),
        Mistake(
            "squares",
            _batched(tokens=lambda batch, i, lengths: (len(batch) + 1) * lengths[(batch or [i])[0]] ** 2),
            "You square the longest length. Attention does cost its square, but the budget is in tokens.",
        ),
        Mistake(
            "equally many texts, by the longest",
            _equal_numbers(lambda lengths, budget: budget // max(lengths)),
            "You fill every batch up to the longest text of all, so all have as many texts as that one allows. Each batch has its own longest: that is what sorting is for.",
        ),
        Mistake(
            "equally many texts, by the mean",
            _equal_numbers(lambda lengths, budget: int(budget // (sum(lengths) / len(lengths)))),
            "All your batches have the number of texts that fits with the mean length. The batches of long texts are then over the budget: memory breaks at the first of them.",
        ),
        Mistake(
            "not sorted",
            _batched(order=lambda lengths: list(range(len(lengths)))),
            "You take the texts as they come. A short one beside a long one is mostly padding: sort by length first.",
        ),
        Mistake(
            "the shortest first",
            _batched(order=lambda lengths: sorted(range(len(lengths)), key=lambda i: (lengths[i], i))),
            "You begin with the shortest. Then memory breaks in the last batch, after hours: the longest come first.",
        ),
        Mistake(
            "of equal lengths the later text first",
            _batched(order=lambda lengths: sorted(range(len(lengths)), key=lambda i: (lengths[i], i), reverse=True)),
            "Of equally long texts you take the later one first: `reverse` turns their places as well when they are part of the key. The earlier text comes first.",
        ),
        Mistake(
            "less than the budget",
            _batched(fits=lambda tokens, budget: tokens < budget),
            "You stop before the budget is reached. A batch may take it to the last token.",
        ),
        Mistake(
            "one text too many",
            _checked_too_late,
            "You look at the budget after the text is in the batch, so each batch is over it by one text. Ask before.",
        ),
        Mistake(
            "the last batch is lost",
            _closed_when_full,
            "The last batch is missing. It is not full when the texts end, and must be given out all the same: that is how the last rows of a corpus get lost.",
        ),
        Mistake(
            "an empty batch in front",
            _an_empty_one_first,
            "Where the first text is longer than the budget, you close an empty batch before it. A batch has one text at least.",
        ),
        Mistake(
            "one empty batch for no text",
            lambda lengths, budget: _filled(lengths, budget) if lengths else ([[]], []),
            "Where there are no texts, you give one batch without any. There is no batch then.",
        ),
        Mistake(
            "equal lengths are one text",
            _batched(
                order=lambda lengths: [lengths.index(n) for n in sorted(lengths, reverse=True)],
                back=lambda order: [
                    max((p for p, j in enumerate(order) if j == i), default=0) for i in range(len(order))
                ],
            ),
            "You sort lengths and look up where each stands. Equal lengths give the same place each time, so one text comes twice and another is lost. Sort places, by their lengths.",
        ),
        Mistake(
            "what is too long is left out",
            _too_long_is_left_out,
            "A text that is longer than the budget is missing in your batches. It makes a batch of its own: no row may be lost.",
        ),
        Mistake(
            "what is too long raises an error",
            _too_long_raises,
            "A text that is longer than the budget raises an error with you. It makes a batch of its own.",
        ),
        Mistake(
            "no text raises an error",
            _an_empty_list_raises,
            "Where there are no texts an error is raised. There are no batches then: two empty lists.",
        ),
        Mistake(
            "cut to the budget before sorting",
            lambda lengths, budget: _filled([min(length, budget) for length in lengths], budget),
            "You cut lengths to the budget first, so texts that are longer than it count as equally long and stay in the order in which they came. Sort by the lengths as they are.",
        ),
        Mistake(
            "places among the sorted",
            _batched(batches=lambda found, order, lengths: [[order.index(i) for i in b] for b in found]),
            "Your batches hold places in the sorted list. They hold places in `lengths`: whoever makes the batch looks the texts up there.",
        ),
        Mistake(
            "lengths in place of places",
            _batched(batches=lambda found, order, lengths: [[lengths[i] for i in b] for b in found]),
            "Your batches hold lengths. Which texts they are is asked for: their places.",
        ),
        Mistake(
            "each batch in the order of the places",
            _batched(batches=lambda found, order, lengths: [sorted(b) for b in found]),
            "You sort each batch by place. Inside of a batch the longest stands first as well, and `back` counts on that.",
        ),
        Mistake(
            "the order in place of the way back",
            _batched(back=lambda order: order),
            "You return the sorted order. It says which text stands at a place; the way back says at which place a text stands. It is the inverse: sort the order itself.",
        ),
        Mistake(
            "the way back within the batch",
            lambda lengths, budget: (
                _filled(lengths, budget)[0],
                [b.index(i) for i in range(len(lengths)) for b in _filled(lengths, budget)[0] if i in b],
            ),
            "Your way back says where a text stands in its own batch. It is counted through all batches, strung together: count on from batch to batch.",
        ),
        Mistake(
            "the number of the batch",
            lambda lengths, budget: (
                _filled(lengths, budget)[0],
                [n for i in range(len(lengths)) for n, b in enumerate(_filled(lengths, budget)[0]) if i in b],
            ),
            "Your way back says in which batch a text is. Its place is asked for, counted through all batches strung together.",
        ),
        Mistake(
            "no way back",
            _batched(back=lambda order: list(range(len(order)))),
            "Your way back changes nothing: the vectors stay in the order of the lengths, and each belongs to another text. No error tells.",
        ),
        Mistake(
            "the way back from the end",
            _batched(back=lambda order: [len(order) - 1 - order.index(i) for i in range(len(order))]),
            "Your way back counts from the end. The batches come one after the other: the longest text has place 0.",
        ),
        Mistake(
            "the way back in pairs",
            lambda lengths, budget: (
                _filled(lengths, budget)[0],
                [
                    [n, b.index(i)]
                    for i in range(len(lengths))
                    for n, b in enumerate(_filled(lengths, budget)[0])
                    if i in b
                ],
            ),
            "You give the number of the batch and the place in it. One number a text is asked for: its place when all batches stand one after the other.",
        ),
        Mistake(
            "the batches alone",
            _batched(result=lambda batches, back: batches),
            "You return the batches. The way back is asked for as well.",
        ),
        Mistake(
            "the way back first",
            _batched(result=lambda batches, back: (back, batches)),
            "The batches come first, then the way back.",
        ),
    ),
    hints=(
        "Which text decides how much a batch costs, and where does it stand if the longest come first?",
        "Sort places by length. Go on with the last batch as long as texts times its first one's length fit, else begin a new one.",
        "The way back: walk through the sorted order with `enumerate`, and write each place down under its text.",
    ),
)


# --- 20.5 the bill ---------------------------------------------------------------------------


def bill(
    shards: Sequence[tuple[int, float]],
    encoder: Mapping[str, int],
    machine: Mapping[str, float],
    machines: int,
    night: float,
) -> dict[str, Any]:
    """What a corpus costs, and which wall it meets first: pairs, dict, dict, int, float -> dict."""
    rows = sum(n for n, _ in shards)
    tokens = sum(n * mean for n, mean in shards)
    row_bytes = encoder["dimensions"] * encoder["number_bytes"]
    rate = machines * machine["tokens_per_second"]
    hours = tokens / rate / 3600
    most = {
        "night": int(night * 3600 * rate * rows / tokens),
        "memory": int(machines * machine["memory"] // row_bytes),
    }
    wall = min(most, key=lambda name: most[name])
    return {
        "bytes": rows * row_bytes,
        "hours": hours,
        "money": hours * machines * machine["price"],
        "wall": wall,
        "most": most[wall],
    }


def _machine_by_machine(shards, encoder, machine, machines, night):
    sizes, means = zip(*shards, strict=True)
    mean = float(np.average(means, weights=sizes))
    row_bytes = encoder["dimensions"] * encoder["number_bytes"]
    seconds = sum(sizes) / machines * mean / machine["tokens_per_second"]
    in_memory = machine["memory"] * machines // row_bytes
    in_time = night * 3600 / (mean / machine["tokens_per_second"]) * machines // 1
    return {
        "most": int(min(in_memory, in_time)),
        "wall": "memory" if in_memory < in_time else "night",
        "money": sum(seconds / 3600 * machine["price"] for _ in range(machines)),
        "hours": seconds / 3600,
        "bytes": row_bytes * sum(sizes),
    }


def _mean_tokens(shards: Sequence[tuple[int, float]]) -> float:
    return sum(n * mean for n, mean in shards) / sum(n for n, _ in shards)


def _mean_of_means(shards: Sequence[tuple[int, float]]) -> float:
    return sum(n for n, _ in shards) * sum(mean for _, mean in shards) / len(shards)


def _all_tokens(shards):
    return sum(n * mean for n, mean in shards)


def _billed(
    shards, encoder, machine, machines, night, *, tokens=_all_tokens,
    size=lambda D, number: D * number, fleet=lambda machines: machines, seconds=3600, paid=lambda hours: hours,
    money=lambda hours, machines, price: hours * machines * price, whole=int, together=lambda machines: machines,
    by_night=lambda machines: machines, total=lambda rows, size, machines: rows * size,
    wall=lambda memory, night, rows: ("memory", memory) if memory < night else ("night", night),
    work=lambda tokens, rows: tokens, result=lambda found: found,
):  # fmt: skip
    """The bill with one part exchanged."""
    rows, row_bytes = sum(n for n, _ in shards), size(encoder["dimensions"], encoder["number_bytes"])
    load = work(tokens(shards), rows)
    hours = load / (fleet(machines) * machine["tokens_per_second"]) / seconds
    in_memory = whole(together(machines) * machine["memory"] / row_bytes)
    in_time = whole(night * seconds * by_night(machines) * machine["tokens_per_second"] * rows / load)
    name, most = wall(in_memory, in_time, rows)
    return result(
        {
            "bytes": total(rows, row_bytes, machines),
            "hours": hours,
            "money": money(paid(hours), machines, machine["price"]),
            "wall": name,
            "most": most,
        }
    )


def _priced(**parts: Any) -> Answer:
    return lambda *args: _billed(*args, **parts)


def _one_shard_each(shards, encoder, machine, machines, night):
    """Machines take whole shards in turn; the one with most work says when it is over."""
    loads = [sum(n * mean for n, mean in shards[i::machines]) for i in range(machines)]
    hours = max(loads) / machine["tokens_per_second"] / 3600
    return {
        **_billed(shards, encoder, machine, machines, night),
        "hours": hours,
        "money": hours * machines * machine["price"],
    }


def _draw_bill(rng: random.Random) -> tuple[list[tuple[int, float]], dict[str, int], dict[str, float], int, float]:
    while True:
        shards = [
            (rng.choice((1, 3, 10, 25, 100)), rng.choice((4.0, 7.5, 12.0, 30.0, 50.0)))
            for _ in range(rng.randint(1, 4))
        ]
        encoder = {"dimensions": rng.choice((2, 3, 8, 16)), "number_bytes": rng.choice((1, 2, 4, 4, 8))}
        machine = {
            "tokens_per_second": rng.choice((2, 5, 10, 40)),
            "price": rng.choice((0.5, 1.0, 3.0)),
            "memory": rng.choice((100, 350, 900, 5_000)),
        }
        machines, night = rng.choice((1, 1, 2, 3, 5)), rng.choice((0.02, 0.05, 0.3))
        row_bytes = encoder["dimensions"] * encoder["number_bytes"]
        tokens_of_night = night * 3600 * machines * machine["tokens_per_second"]
        in_time, shorter = (tokens_of_night / _mean_tokens(part) for part in (shards, shards[:-1] or shards))
        if rng.random() < 0.2:  # as many as the night allows
            machine["memory"] = -(-int(in_time) * row_bytes // machines)
        parts = (in_time % 1, machines * machine["memory"] / row_bytes % 1)
        if 0.02 < parts[0] < 0.98 and 0.02 < shorter % 1 < 0.98 and parts[1] < 0.98:  # no rounding can decide
            return shards, encoder, machine, machines, night


def _walls(shards, encoder, machine, machines, night) -> tuple[int, int]:
    found: list[tuple[int, int]] = []

    def wall(memory, night, rows):
        found.append((memory, night))
        return "", 0

    _billed(shards, encoder, machine, machines, night, wall=wall)
    return found[0]


def _twice(shards: list[tuple[int, float]]) -> list[tuple[int, float]]:
    return [(2 * n, mean) for n, mean in shards]


def _grows_in_proportion(answer: Answer) -> str | None:
    shards, encoder = [(40, 10.0), (10, 60.0)], {"dimensions": 8, "number_bytes": 4}
    machine = {"tokens_per_second": 10, "price": 1.5, "memory": 4_000}
    one, two = (answer(each, encoder, machine, 2, 0.1) for each in (shards, _twice(shards)))
    for name in ("bytes", "hours", "money"):
        if abs(two[name] - 2 * one[name]) > 1e-6 * (1 + abs(two[name])):
            return f"with each shard twice as long {name} goes from {one[name]:g} to {two[name]:g}"
    return (
        None
        if one["most"] == two["most"]
        else f"with each shard twice as long most goes from {one['most']} to {two['most']}"
    )


BILL = Exercise(
    id="20.5",
    title="the bill",
    difficulty="medium",
    minutes=10,
    section="Build it: the bill",
    signature="list of (int, float), dict, dict, int, float -> dict",
    reference=bill,
    another=_machine_by_machine,
    draw=_draw_bill,
    tolerance=1e-6,
    situations=(
        Situation("shards differ in length", lambda shards, *rest: len({n for n, _ in shards}) > 1),
        Situation("shards differ in tokens a row", lambda shards, *rest: len({mean for _, mean in shards}) > 1),
        Situation("there is one shard", lambda shards, *rest: len(shards) == 1),
        Situation("there is more than one machine", lambda s, e, m, machines, night: machines > 1),
        Situation("a number has not 4 bytes", lambda s, e, *rest: e["number_bytes"] != 4),
        Situation("memory is the first wall", lambda *args: _walls(*args)[0] < _walls(*args)[1]),
        Situation("the night is the first wall", lambda *args: _walls(*args)[0] > _walls(*args)[1]),
        Situation("both walls stand at the same number", lambda *args: _walls(*args)[0] == _walls(*args)[1]),
        Situation(
            "this corpus is beyond the first wall", lambda *args: sum(n for n, _ in args[0]) > min(_walls(*args))
        ),
    ),
    cases=(
        Case(
            "two shards, two machines",
            lambda: (
                [(3_600, 10.0), (1_800, 40.0)],
                {"dimensions": 4, "number_bytes": 2},
                {"tokens_per_second": 10, "price": 2.0, "memory": 10_000},
                2,
                1.01,
            ),
            {"bytes": 43_200, "hours": 1.5, "money": 6.0, "wall": "memory", "most": 2_500},
        ),
        Case(
            "8.8 million passages, one machine",
            lambda: (
                [(8_800_000, 60.0)],
                {"dimensions": 384, "number_bytes": 4},
                {"tokens_per_second": 1_800, "price": 0.09, "memory": 16_000_000_000},
                1,
                12,
            ),
            {"bytes": 13_516_800_000, "hours": 81.48148, "money": 7.333333, "wall": "night", "most": 1_296_000},
        ),
        Case(
            "both walls at once",
            lambda: (
                [(10, 6.0)],
                {"dimensions": 1, "number_bytes": 4},
                {"tokens_per_second": 1, "price": 1.0, "memory": 26},
                1,
                0.0108,
            ),
            {"bytes": 40, "hours": 1 / 60, "money": 1 / 60, "wall": "night", "most": 6},
        ),
        Case(
            "three machines, float64, a short last shard",
            lambda: (
                [(100, 30.0), (100, 30.0), (20, 90.0)],
                {"dimensions": 2, "number_bytes": 8},
                {"tokens_per_second": 10, "price": 0.5, "memory": 1_000},
                3,
                0.05,
            ),
            {"bytes": 3_520, "hours": 0.0722222, "money": 0.1083333, "wall": "night", "most": 152},
        ),
    ),
    properties=(
        Property(
            "with each shard twice as long, bytes, hours and money double, and the wall stays", _grows_in_proportion
        ),
    ),
    mistakes=(
        Mistake(
            "the last shard is left out",
            lambda shards, *given: bill(shards[:-1] or shards, *given),
            "The rows and tokens of the last shard are missing from your bill. Every shard counts, the last and shorter one as well.",
        ),
        Mistake(
            "a mean of means",
            _priced(tokens=_mean_of_means),
            "You take the mean of the shards' means. A short shard then counts as much as a long one. Multiply each mean by its rows, and add up.",
        ),
        Mistake(
            "the first shard's tokens for all",
            _priced(tokens=lambda shards: sum(n for n, _ in shards) * shards[0][1]),
            "You take the first shard's tokens a row for all rows. Each shard has its own.",
        ),
        Mistake(
            "rows in place of tokens",
            _priced(work=lambda tokens, rows: rows),
            "You divide rows by the rate. The rate is in tokens a second: long passages take longer.",
        ),
        Mistake(
            "the hours of one machine",
            _priced(fleet=lambda machines: 1),
            "Your hours are those of one machine, whatever their number. The machines work side by side and share the tokens.",
        ),
        Mistake(
            "hours of all machines added up",
            _priced(fleet=lambda machines: 1, money=lambda hours, machines, price: hours * price),
            "You add up the hours of all machines. The money is right by that; the hours asked for are those until all are done.",
        ),
        Mistake(
            "one machine is paid",
            _priced(money=lambda hours, machines, price: hours * price),
            "You pay one machine for the hours that all of them run. With ten machines it is over ten times sooner, and costs as much as with one.",
        ),
        Mistake(
            "machines are paid twice over",
            _priced(money=lambda hours, machines, price: hours * machines**2 * price),
            "You multiply by the machines twice. Each of them is paid for the hours that all of them run.",
        ),
        Mistake(
            "the money of all shared by the machines",
            _priced(money=lambda hours, machines, price: hours * price / machines),
            "You divide the money by the machines. The hours have become fewer by that already; all machines are paid for them.",
        ),
        Mistake(
            "started hours",
            _priced(paid=ceil),
            "You round up to whole hours before you pay. Fractions are paid as they are here.",
        ),
        Mistake(
            "seconds",
            lambda *args: (lambda found: {**found, "hours": found["hours"] * 3600, "money": found["money"] * 3600})(
                _billed(*args)
            ),
            "You count in seconds and call them hours; the price is for an hour. There are 3,600 seconds in one.",
        ),
        Mistake(
            "hours of 60 seconds",
            _priced(seconds=60),
            "You count 60 seconds for an hour. There are 3,600.",
        ),
        Mistake(
            "the night in seconds",
            lambda shards, encoder, machine, machines, night: _billed(
                shards,
                encoder,
                machine,
                machines,
                night,
                wall=lambda memory, most, rows: (lambda own: ("memory", memory) if memory < own else ("night", own))(
                    int(night * machines * machine["tokens_per_second"] / _mean_tokens(shards))
                ),
            ),
            "You take the night's hours for seconds: the rate is per second, so turn the hours into seconds first.",
        ),
        Mistake(
            "4 bytes for a number",
            _priced(size=lambda D, number: 4 * D),
            "You count float32, whatever the encoder stores. float64 has 8 bytes, float16 has 2, int8 has 1.",
        ),
        Mistake(
            "8 bytes for a number",
            _priced(size=lambda D, number: 8 * D),
            "You count float64, whatever the encoder stores: numpy's default, and twice float32.",
        ),
        Mistake(
            "one number for a row",
            _priced(size=lambda D, number: number),
            "You count one number for a row. A vector has as many as the encoder has dimensions.",
        ),
        Mistake(
            "numbers in place of bytes",
            _priced(size=lambda D, number: D),
            "You count numbers, not bytes: each has `number_bytes`.",
        ),
        Mistake(
            "the bytes of one machine",
            _priced(total=lambda rows, size, machines: rows * size / machines),
            "Your bytes are those of one machine. All vectors together are asked for.",
        ),
        Mistake(
            "the vectors on each machine",
            _priced(total=lambda rows, size, machines: rows * size * machines),
            "You count all vectors once for each machine. They are spread: each row is stored once.",
        ),
        Mistake(
            "the memory of one machine",
            _priced(together=lambda machines: 1),
            "For the wall you count one machine's memory. The vectors are spread over all of them.",
        ),
        Mistake(
            "the night of one machine",
            _priced(by_night=lambda machines: 1),
            "For the night you count one machine. All of them work through it.",
        ),
        Mistake(
            "both walls for one machine",
            _priced(together=lambda machines: 1, by_night=lambda machines: 1),
            "Both walls are those of one machine. With more of them there is more memory, and more is done in a night.",
        ),
        Mistake(
            "the last wall",
            _priced(wall=lambda memory, night, rows: ("memory", memory) if memory > night else ("night", night)),
            "You name the wall that stands farther away. A growing corpus meets the nearer one first.",
        ),
        Mistake(
            "the names exchanged",
            _priced(wall=lambda memory, night, rows: ("night", memory) if memory < night else ("memory", night)),
            "The number is that of the nearer wall, and the name is the other's.",
        ),
        Mistake(
            "of equal walls the memory",
            _priced(wall=lambda memory, night, rows: ("memory", memory) if memory <= night else ("night", night)),
            "Where both stand at the same number you say memory. The contract says night.",
        ),
        Mistake(
            "the night's tokens",
            lambda shards, encoder, machine, machines, night: _billed(
                shards,
                encoder,
                machine,
                machines,
                night,
                wall=lambda memory, most, rows: (lambda own: ("memory", memory) if memory < own else ("night", own))(
                    int(night * 3600 * machines * machine["tokens_per_second"])
                ),
            ),
            "You compare the night's tokens with rows. How many rows are that many tokens?",
        ),
        Mistake(
            "the memory's bytes",
            lambda shards, encoder, machine, machines, night: _billed(
                shards,
                encoder,
                machine,
                machines,
                night,
                wall=lambda memory, most, rows: (
                    ("memory", machines * machine["memory"]) if machines * machine["memory"] < most else ("night", most)
                ),
            ),
            "You compare the bytes of the memory with rows. How many rows fit into that many bytes?",
        ),
        Mistake(
            "the wall of this corpus",
            _priced(wall=lambda memory, night, rows: ("memory" if rows > memory else "night", min(memory, night))),
            "You name memory where this corpus does not fit, else the night. The wall that a growing corpus meets *first* is asked for: the smaller of the two numbers.",
        ),
        Mistake(
            "rounded up",
            _priced(whole=ceil),
            "You round up. That passage does not fit any more: round down.",
        ),
        Mistake(
            "rounded to the nearest",
            _priced(whole=round),
            "You round to the nearest whole number, so in half of all cases one passage too many is counted. Round down.",
        ),
        Mistake(
            "not rounded",
            _priced(whole=float),
            "Your most is a fraction. A part of a passage is none: round down to a whole number.",
        ),
        Mistake(
            "not more than there are",
            _priced(
                wall=lambda memory, night, rows: (
                    ("memory", min(memory, rows)) if memory < night else ("night", min(night, rows))
                )
            ),
            "You count no more passages than this corpus has. The question is how far it may grow.",
        ),
        Mistake(
            "what is left to the wall",
            _priced(
                wall=lambda memory, night, rows: (
                    ("memory", memory - rows) if memory < night else ("night", night - rows)
                )
            ),
            "You take off the passages that are there. The place of the wall is asked for, counted from 0.",
        ),
        Mistake(
            "whole shards",
            _one_shard_each,
            "You hand out whole shards and wait for the machine that has most. That is how it often is; here all tokens are shared evenly.",
        ),
        Mistake(
            "another name",
            _priced(result=lambda found: {{"money": "cost"}.get(name, name): value for name, value in found.items()}),
            "A key has another name. The keys are `bytes`, `hours`, `money`, `wall` and `most`.",
        ),
        Mistake(
            "without the wall",
            _priced(result=lambda found: {name: found[name] for name in ("bytes", "hours", "money")}),
            "Two keys are missing: the wall that is met first, and the most passages before it.",
        ),
        Mistake(
            "a tuple",
            _priced(result=lambda found: tuple(found.values())),
            "You return a tuple. A dict is asked for, with the names of the contract.",
        ),
    ),
    hints=(
        "Three sizes decide all: rows, tokens, and the bytes of a row. How do you add up tokens when shards have unequal lengths?",
        "Hours: tokens by what all machines do in an hour. For each wall ask how many rows of this kind would just fit.",
        "The mean tokens of a row are all tokens by all rows; a night's tokens by that are a night's rows. `int` rounds down.",
    ),
)


# --- 20.6 the other way round ----------------------------------------------------------------


def smallest_gap() -> tuple[int, int, list[int]]:
    """Two shards of one row each, of which the second is there."""
    return 2, 1, [1]


def _shards(N: int, shard_rows: int) -> int:
    return -(-int(N) // int(shard_rows))


def _written(N: int, shard_rows: int, there: Sequence[int], first: int | None) -> list[int]:
    """How often each row is written: by the shards that are there, and from row `first` on, or by those that are not there."""
    counts = [sum(row // shard_rows == shard for shard in there) for row in range(int(N))]
    return [n + (n == 0 if first is None else row >= first) for row, n in enumerate(counts)]


def _each_missing_shard(N: int, shard_rows: int, there: Sequence[int]) -> list[int]:
    return _written(N, shard_rows, there, None)


def _behind_as_many_as_there_are(N: int, shard_rows: int, there: Sequence[int]) -> list[int]:
    return _written(N, shard_rows, there, len(there) * shard_rows)


def _is_whole(value: Any) -> bool:
    return compare.kind(value) == "number" and not isinstance(value, bool) and int(value) == value


def _not_a_folder(N: Any, shard_rows: Any, there: Any) -> str | None:
    if not _is_whole(N) or N < 1:
        return "the first of the three is the number of rows: a whole number from 1"
    if not _is_whole(shard_rows) or shard_rows < 1:
        return "the second of the three is the number of rows in a shard: a whole number from 1"
    if not isinstance(there, list | tuple | np.ndarray):
        return "the third of the three is a list: the numbers of the shards that are there"
    if any(not _is_whole(shard) or not 0 <= shard < _shards(N, shard_rows) for shard in there):
        return f"with these rows the shards have the numbers 0 to {_shards(N, shard_rows) - 1}"
    if len({int(shard) for shard in there}) < len(there):
        return "a shard has one file: no number may stand twice"
    return None


GAP = Reversed(
    id="20.6",
    title="a resume that counts files",
    difficulty="easy",
    minutes=5,
    section="Build it: a resume that counts files",
    signature="() -> int, int, list of int",
    reference=smallest_gap,
    another=lambda: (2, 1, (1,)),
    right=_each_missing_shard,
    wrong=_behind_as_many_as_there_are,
    valid=_not_a_folder,
    smallest=3,
    measure=lambda N, shard_rows, there: int(N) + len(there),
    cases=(Case("nothing is passed in", lambda: (), smallest_gap()),),
    mistakes=(
        Mistake(
            "shards counted from 1",
            lambda: (2, 1, [2]),
            "There is no shard with this number. The first one has number 0.",
            when=lambda N, shard_rows, there: max(there) >= _shards(N, shard_rows),
        ),
        Mistake(
            "a shard is there twice",
            lambda: (2, 1, [1, 1]),
            "The same shard stands twice in your list. It has one file, so it can be there once.",
            when=lambda N, shard_rows, there: len(set(there)) < len(there),
        ),
        Mistake(
            "no list",
            lambda: (2, 1, 1),
            "The third result is a list, also where one shard is there.",
            when=lambda N, shard_rows, there: compare.kind(there) == "number",
        ),
        Mistake(
            "no rows",
            lambda: (0, 1, []),
            "Without rows there is nothing to lose.",
            when=lambda N, shard_rows, there: N < 1,
        ),
        Mistake(
            "nothing is there",
            lambda: (2, 1, []),
            "No shard is there, so it begins with row 0, as it should. What must a kill have left?",
            when=lambda N, shard_rows, there: len(there) == 0,
        ),
        Mistake(
            "all is there",
            lambda: (2, 1, [0, 1]),
            "All shards are there, and it begins behind the last row: nothing is written, and nothing is missing.",
            when=lambda N, shard_rows, there: len(there) == _shards(N, shard_rows),
        ),
        Mistake(
            "no gap",
            lambda: (3, 1, [0, 1]),
            "The shards that are there are the first ones, as one worker leaves them. Then their number says where to go on. When does it not?",
            when=lambda N, shard_rows, there: sorted(there) == list(range(len(there))),
        ),
        Mistake(
            "more rows in a shard than it takes",
            lambda: (3, 2, [1]),
            "It shows the mistake, with more rows than it takes: how many must a shard have at least?",
            when=lambda N, shard_rows, there: shard_rows > 1,
        ),
        Mistake(
            "more files than it takes",
            lambda: (4, 1, [2, 3]),
            "It shows the mistake, with more files than it takes. One is enough if it is the wrong one.",
            when=lambda N, shard_rows, there: len(there) > 1,
        ),
        Mistake(
            "more shards than it takes",
            lambda: (3, 1, [2]),
            "It shows the mistake, with more shards than it takes. How many must there be, so that one can be there without the one before it?",
            when=lambda N, shard_rows, there: _shards(N, shard_rows) > 2,
        ),
    ),
    hints=(
        "When does the number of files say which shards are there, and when does it not?",
        "Two workers: the one with the later shard is done first. Then comes the kill.",
        "The shortest shard has one row, and two shards are enough.",
    ),
)


# --- 20.7 shards that survive ----------------------------------------------------------------


def write_shards(disk: Disk, texts: Iterable[str], encode: Callable[[list[str]], str], shard_rows: int) -> None:
    """Encode a stream into shards, each written aside and renamed, the manifest last: Disk, texts, function, int -> None."""
    if "manifest" in disk:
        return

    def write_whole(name: str, text: str) -> None:
        disk.write(f"{name}.tmp", text)
        disk.rename(f"{name}.tmp", name)

    stream, rows, shards = iter(texts), 0, 0
    while shard := list(islice(stream, shard_rows)):
        name = f"{shards:05}"
        if name not in disk:
            write_whole(name, encode(shard))
        rows, shards = rows + len(shard), shards + 1
    write_whole("manifest", f"{rows} rows in {shards} shards")


def _collected(disk, texts, encode, shard_rows):
    shard: list[str] = []
    rows = 0

    def put(name, text):
        temporary = name + ".tmp"
        disk.write(temporary, text)
        disk.rename(temporary, name)

    def close():
        name = str((rows - 1) // shard_rows).zfill(5)
        if name not in disk:
            put(name, encode(list(shard)))
        shard.clear()

    if "manifest" in disk:
        return
    for text in texts:
        shard.append(text)
        rows += 1
        if len(shard) == shard_rows:
            close()
    if shard:
        close()
    put("manifest", f"{rows} rows in {ceil(rows / shard_rows)} shards")


def _aside(disk: Disk, name: str, text: str) -> None:
    disk.write(f"{name}.tmp", text)
    disk.rename(f"{name}.tmp", name)


def _in_place(disk: Disk, name: str, text: str) -> None:
    disk.write(name, text)


def _in_shards(stream: Iterator[str], shard_rows: int) -> Iterator[list[str]]:
    while shard := list(islice(stream, shard_rows)):
        yield shard


def _told(disk: Disk, rows: int, shards: int, new_rows: int, new_shards: int, shard_rows: int) -> str:
    return f"{rows} rows in {shards} shards"


def _skipped(name: str, disk: Disk) -> bool:
    return name in disk


def _stored(
    disk, texts, encode, shard_rows, *, ready=lambda disk: "manifest" in disk, cut=_in_shards, first=lambda disk: 0,
    name=lambda number: f"{number:05}", skip=_skipped, put=_aside, told=_told, put_manifest=_aside, when="last",
    encoded=lambda encode, shard: encode(shard), manifest=lambda disk, shards, new: True, wasted=False,
):  # fmt: skip
    """The stream into shards with one part exchanged."""
    if ready(disk):
        return
    if when == "first":
        texts = list(texts)
        _aside(disk, "manifest", f"{len(texts)} rows in {ceil(len(texts) / shard_rows)} shards")
    rows = shards = new_rows = new_shards = 0
    for shard in cut(iter(texts), shard_rows):
        own = name(shards)
        found = encoded(encode, shard) if wasted else None
        if shards >= first(disk) and not skip(own, disk):
            put(disk, own, encoded(encode, shard) if found is None else found)
            new_rows, new_shards = new_rows + len(shard), new_shards + 1
        rows, shards = rows + len(shard), shards + 1
        if when == "each":
            _aside(disk, "manifest", f"{rows} rows in {shards} shards")
    if when == "last" and manifest(disk, shards, new_shards):
        put_manifest(disk, "manifest", told(disk, rows, shards, new_rows, new_shards, shard_rows))


def _kept_by(**parts: Any) -> Answer:
    return lambda *args: _stored(*args, **parts)


def _stream_not_passed_over(disk, texts, encode, shard_rows):
    """What finished shards hold is not taken out of the stream."""
    if "manifest" in disk:
        return
    stream, rows, shards = iter(texts), 0, 0
    while True:
        name = f"{shards:05}"
        if name in disk:
            shards += 1
            continue
        shard = list(islice(stream, shard_rows))
        if not shard:
            break
        _aside(disk, name, encode(shard))
        rows, shards = rows + len(shard), shards + 1
    _aside(disk, "manifest", f"{rows} rows in {shards} shards")


def _full_shards_alone(stream: Iterator[str], shard_rows: int) -> Iterator[list[str]]:
    return (shard for shard in _in_shards(stream, shard_rows) if len(shard) == shard_rows)


def _an_empty_one_behind(stream: Iterator[str], shard_rows: int) -> Iterator[list[str]]:
    shard: list[str] = []
    for shard in _in_shards(stream, shard_rows):
        yield shard
    if len(shard) in (0, shard_rows):
        yield []


def _peeked(stream: Iterator[str], shard_rows: int) -> Iterator[list[str]]:
    """Whether there is more is found out by taking a text out of the stream."""
    while next(stream, None) is not None:
        shard = list(islice(stream, shard_rows))
        if shard:
            yield shard


def _all_in_memory(stream: Iterator[str], shard_rows: int) -> Iterator[list[str]]:
    return _in_shards(iter(list(stream)), shard_rows)


def _renamed_if_there(disk: Disk, name: str, text: str) -> None:
    if f"{name}.tmp" not in disk:
        disk.write(f"{name}.tmp", text)
    disk.rename(f"{name}.tmp", name)


def _never_renamed(disk: Disk, name: str, text: str) -> None:
    disk.write(f"{name}.tmp", text)


def _renamed_in_the_end(disk, texts, encode, shard_rows):
    if "manifest" in disk:
        return
    rows = shards = 0
    new = []
    for shard in _in_shards(iter(texts), shard_rows):
        name = f"{shards:05}"
        if name not in disk:
            disk.write(f"{name}.tmp", encode(shard))
            new.append(name)
        rows, shards = rows + len(shard), shards + 1
    for name in new:
        disk.rename(f"{name}.tmp", name)
    _aside(disk, "manifest", f"{rows} rows in {shards} shards")


def _written_and_copied(disk: Disk, name: str, text: str) -> None:
    disk.write(f"{name}.tmp", text)
    disk.write(name, text)


def _by_one_name(disk: Disk, name: str, text: str) -> None:
    disk.write("shard.tmp", text)
    disk.rename("shard.tmp", name)


def _numbered_by_what_is_new(disk, texts, encode, shard_rows):
    if "manifest" in disk:
        return
    rows = shards = 0
    for shard in _in_shards(iter(texts), shard_rows):
        name = f"{shards:05}"
        rows += len(shard)
        if name not in disk:
            _aside(disk, name, encode(shard))
            shards += 1
    _aside(disk, "manifest", f"{rows} rows in {shards} shards")


def _until_one_is_there(disk, texts, encode, shard_rows):
    if "manifest" in disk:
        return
    rows = shards = 0
    for shard in _in_shards(iter(texts), shard_rows):
        rows += len(shard)
        if f"{shards:05}" in disk:
            break
        _aside(disk, f"{shards:05}", encode(shard))
        shards += 1
    _aside(disk, "manifest", f"{rows} rows in {shards} shards")


def _files_counted(disk: Disk) -> int:
    return len([name for name in disk.files if name != "manifest" and not name.endswith(".tmp")])


def _lengths(texts: Sequence[str]) -> str:
    """Stands in for an encoder: one number for each text."""
    return " ".join(str(len(text)) for text in texts)


def _state(result: Any, args: tuple) -> dict[str, Any]:
    return {"files": dict(args[0].files), "steps": list(args[0].log)}


def _a_disk(**files: str) -> Disk:
    return Disk({name.removeprefix("f").replace("_tmp", ".tmp"): text for name, text in files.items()})


def _draw_stream(rng: random.Random) -> tuple[Disk, list[str], Callable, int]:
    size, count = rng.choice((1, 2, 2, 3, 4)), rng.choice((0, 1, 2, 3, 4, 5, 6, 7))
    texts = ["x" * rng.randint(1, 12) for _ in range(count)]
    shards = [texts[first : first + size] for first in range(0, count, size)]
    disk = Disk()
    for number, shard in enumerate(shards):
        state = rng.choice(("whole", "missing", "half"))
        if state == "whole":
            disk.files[f"{number:05}"] = _lengths(shard)
        elif state == "half":
            disk.files[f"{number:05}.tmp"] = _lengths(shard)[: rng.randint(0, 2)]
            break
    if rng.random() < 0.25 and _files_counted(disk) == len(shards):
        disk.files[rng.choice(("manifest", "manifest.tmp"))] = f"{count} rows in {len(shards)} shards"
    return disk, texts, _lengths, size


TEXTS = ["a", "bc", "def", "ghij", "klmno", "pqrstu", "vwxyzab"]


def _killed_everywhere(answer: Answer) -> str | None:
    undisturbed = Disk()
    answer(undisturbed, iter(TEXTS), _lengths, 3)
    for steps in range(len(undisturbed.log)):
        disk = Disk(steps=steps)
        with suppress(Killed):
            answer(disk, iter(TEXTS), _lengths, 3)
        disk.steps = None
        answer(disk, iter(TEXTS), _lengths, 3)
        if disk.files != undisturbed.files:
            return f"killed at step {steps + 1} ({undisturbed.log[steps]}) and run again, it leaves {compare.clip(compare.render(disk.files), 120)}"
    return None


def _manifest_only_of_whole(answer: Answer) -> str | None:
    for steps in range(40):
        disk = Disk(steps=steps)
        try:
            answer(disk, iter(TEXTS), _lengths, 3)
        except Killed:
            pass
        else:
            return None
        whole = (
            disk.files.get("00000") == "1 2 3" and disk.files.get("00001") == "4 5 6" and disk.files.get("00002") == "7"
        )
        if "manifest" in disk and not (whole and disk.files["manifest"] == "7 rows in 3 shards"):
            return f"killed at step {steps + 1}, it leaves a manifest beside {compare.clip(compare.render(disk.files), 120)}"
    return None


def _one_shard_in_memory(answer: Answer) -> str | None:
    disk, late = Disk(), []

    def stream() -> Iterator[str]:
        for number, text in enumerate(TEXTS):
            written = sum(not name.endswith(".tmp") for name in disk.files)
            late.append(number // 2 - written > 1)
            yield text

    answer(disk, stream(), _lengths, 2)
    return "a third shard's texts are read before the first shard is written" if any(late) else None


def _nothing_is_encoded_twice(answer: Answer) -> str | None:
    asked: list[str] = []

    def encode(texts: Sequence[str]) -> str:
        asked.extend(texts)
        return _lengths(texts)

    disk = Disk({"00000": "1 2 3", "00001": "4 5 6"})
    answer(disk, iter(TEXTS), encode, 3)
    return (
        None
        if asked == TEXTS[6:]
        else f"with two of three shards there, {len(asked)} texts are encoded, and one is missing"
    )


STREAM = Exercise(
    id="20.7",
    title="shards that survive",
    difficulty="hard",
    minutes=20,
    section="Build it: shards that survive",
    signature="Disk, list of str, function, int -> None",
    reference=write_shards,
    another=_collected,
    draw=_draw_stream,
    observe=_state,
    may_change=(0,),
    tolerance=0.0,
    loops=True,
    situations=(
        Situation("there is no text", lambda disk, texts, *rest: not texts),
        Situation("the last shard is full", lambda d, texts, e, rows: bool(texts) and len(texts) % rows == 0),
        Situation("the last shard is short", lambda d, texts, e, rows: len(texts) % rows > 0),
        Situation("nothing is there yet", lambda disk, *rest: not disk.files),
        Situation("a shard is there", lambda disk, *rest: _files_counted(disk) > 0),
        Situation(
            "a shard is there and one before it is missing",
            lambda disk, *rest: _files_counted(disk) > 0 and f"{_files_counted(disk) - 1:05}" not in disk,
        ),
        Situation("a half-written file is left", lambda disk, *rest: any(n.endswith(".tmp") for n in disk.files)),
        Situation("the manifest is there", lambda disk, *rest: "manifest" in disk),
        Situation(
            "all shards are there, and no manifest",
            lambda d, texts, e, rows: "manifest" not in d and _files_counted(d) == _shards(len(texts), rows),
        ),
    ),
    cases=(
        Case(
            "three texts, shards of two",
            lambda: (Disk(), ["a", "bcd", "ef"], _lengths, 2),
            {
                "files": {"00000": "1 3", "00001": "2", "manifest": "3 rows in 2 shards"},
                "steps": [
                    "write 00000.tmp",
                    "rename 00000.tmp to 00000",
                    "write 00001.tmp",
                    "rename 00001.tmp to 00001",
                    "write manifest.tmp",
                    "rename manifest.tmp to manifest",
                ],
            },
        ),
        Case(
            "the second of three is there",
            lambda: (_a_disk(f00001="3 4"), ["a", "bb", "ccc", "dddd", "eeeee"], _lengths, 2),
            {
                "files": {"00000": "1 2", "00001": "3 4", "00002": "5", "manifest": "5 rows in 3 shards"},
                "steps": [
                    "write 00000.tmp",
                    "rename 00000.tmp to 00000",
                    "write 00002.tmp",
                    "rename 00002.tmp to 00002",
                    "write manifest.tmp",
                    "rename manifest.tmp to manifest",
                ],
            },
        ),
        Case(
            "a half-written shard is left",
            lambda: (_a_disk(f00000="1 2", f00001_tmp="3"), ["a", "bb", "ccc", "dddd"], _lengths, 2),
            {
                "files": {"00000": "1 2", "00001": "3 4", "manifest": "4 rows in 2 shards"},
                "steps": [
                    "write 00001.tmp",
                    "rename 00001.tmp to 00001",
                    "write manifest.tmp",
                    "rename manifest.tmp to manifest",
                ],
            },
        ),
        Case(
            "all shards are there, and half a manifest",
            lambda: (_a_disk(f00000="1 2", f00001="3", manifest_tmp="3 rows"), ["a", "bb", "ccc"], _lengths, 2),
            {
                "files": {"00000": "1 2", "00001": "3", "manifest": "3 rows in 2 shards"},
                "steps": ["write manifest.tmp", "rename manifest.tmp to manifest"],
            },
        ),
        Case(
            "the manifest is there",
            lambda: (_a_disk(f00000="1", manifest="1 rows in 1 shards"), ["a"], _lengths, 2),
            {"files": {"00000": "1", "manifest": "1 rows in 1 shards"}, "steps": []},
        ),
        Case(
            "no text",
            lambda: (Disk(), [], _lengths, 2),
            {
                "files": {"manifest": "0 rows in 0 shards"},
                "steps": ["write manifest.tmp", "rename manifest.tmp to manifest"],
            },
        ),
        Case(
            "one text",
            lambda: (Disk(), ["abc"], _lengths, 2),
            {
                "files": {"00000": "3", "manifest": "1 rows in 1 shards"},
                "steps": [
                    "write 00000.tmp",
                    "rename 00000.tmp to 00000",
                    "write manifest.tmp",
                    "rename manifest.tmp to manifest",
                ],
            },
        ),
        Case("seven texts, shards of one", lambda: (Disk(), [*TEXTS], _lengths, 1)),
    ),
    properties=(
        Property("killed at any step and run again, it ends with the same files", _killed_everywhere),
        Property("a manifest stands beside whole shards only", _manifest_only_of_whole),
        Property("no more than a shard of texts is in memory", _one_shard_in_memory),
        Property("what is there is not encoded again", _nothing_is_encoded_twice),
    ),
    mistakes=(
        Mistake(
            "written in place",
            _kept_by(put=_in_place, put_manifest=_in_place),
            "You write under the last name at once. A kill in the middle leaves half a file with a whole file's name, and the next run keeps it. Write aside, then rename.",
        ),
        Mistake(
            "shards in place",
            _kept_by(put=_in_place),
            "Shards are written under their last names. After a kill half a shard looks like a whole one, and the next run passes over it. Write aside, then rename.",
        ),
        Mistake(
            "the manifest in place",
            _kept_by(put_manifest=_in_place),
            "The manifest is written under its last name. Half a manifest then says that all is done. Write it aside, too.",
        ),
        Mistake(
            "the manifest first",
            _kept_by(when="first"),
            "You write the manifest before the shards. After a kill it says that everything is there, and nothing is made any more. It comes last: it is the sign that all is whole.",
        ),
        Mistake(
            "a manifest after each shard",
            _kept_by(when="each"),
            "You write the manifest after every shard. After the first one it says that the work is done, and the next run stops. Write it once, last.",
        ),
        Mistake(
            "no manifest",
            _kept_by(manifest=lambda disk, shards, new: False),
            "No manifest is written, so nobody knows whether the work is done or was killed.",
        ),
        Mistake(
            "no manifest where nothing was left to do",
            _kept_by(manifest=lambda disk, shards, new: new > 0),
            "Where all shards are there, you stop without a manifest. A kill can come just before it: then it is what is missing.",
        ),
        Mistake(
            "no manifest without rows",
            _kept_by(manifest=lambda disk, shards, new: shards > 0),
            "Where there are no texts, no manifest is written. It says then that there are 0 rows, so that the next stage knows it is done.",
        ),
        Mistake(
            "the manifest is not looked for",
            _kept_by(ready=lambda disk: False),
            "You do not ask whether the manifest is there. All texts are read again, and it is written anew, though the work was done.",
        ),
        Mistake(
            "half a manifest counts",
            _kept_by(ready=lambda disk: any(name.startswith("manifest") for name in disk.files)),
            "You stop where there is a file whose name begins with manifest. `manifest.tmp` is half-written: the work is not done.",
        ),
        Mistake(
            "all is made again",
            _kept_by(skip=lambda name, disk: False),
            "Shards that are there are encoded and written again. A kill then costs everything, and a run that is killed often never ends.",
        ),
        Mistake(
            "shards are counted",
            _kept_by(first=_files_counted, skip=lambda name, disk: False),
            "You pass over as many shards as there are files. With a gap the wrong ones are kept: ask each shard by its name.",
        ),
        Mistake(
            "half-written shards count",
            _kept_by(skip=lambda name, disk: name in disk or f"{name}.tmp" in disk),
            "A shard whose file ends in .tmp is passed over. It was being written when the kill came. Make it again.",
        ),
        Mistake(
            "half-written shards are renamed",
            _kept_by(put=_renamed_if_there),
            "You find a file that ends in .tmp and give it its name. It may be half-written: write it again, then rename.",
        ),
        Mistake(
            "never renamed",
            _kept_by(put=_never_renamed),
            "Shards stay under their temporary names. Renaming is what says that they are whole.",
        ),
        Mistake(
            "all are renamed in the end",
            _renamed_in_the_end,
            "You rename all shards at the end. A kill before that costs all of them. Each takes its name as soon as it is whole.",
        ),
        Mistake(
            "copied, not renamed",
            _kept_by(put=_written_and_copied),
            "You write each shard a second time under its last name. A kill in that second writing leaves half a file there. A rename is one step.",
        ),
        Mistake(
            "the stream is not moved on",
            _stream_not_passed_over,
            "For a shard that is there you take nothing out of the stream, so the next one gets its texts. Read them, and go on without encoding.",
        ),
        Mistake(
            "a short last shard is lost",
            _kept_by(cut=_full_shards_alone),
            "The last shard is dropped if it is not full. The stream ends where it ends: what has been collected by then is a shard as well.",
        ),
        Mistake(
            "an empty last shard",
            _kept_by(cut=_an_empty_one_behind),
            "Where the last shard is full, or there are no texts, an empty one follows. No text, no shard.",
        ),
        Mistake(
            "a text is eaten at each look",
            _kept_by(cut=_peeked),
            "To see whether there is more you take a text out of the stream, and it is lost: one row a shard. Keep what `next` returned.",
        ),
        Mistake(
            "rows by shards times size",
            _kept_by(told=lambda disk, rows, shards, new, new_shards, size: f"{shards * size} rows in {shards} shards"),
            "Your rows are shards times `shard_rows`. The last shard is often shorter. Count rows as they pass by: that number is the only one that can show a loss.",
        ),
        Mistake(
            "rows of this run",
            _kept_by(told=lambda disk, rows, shards, new, new_shards, size: f"{new} rows in {shards} shards"),
            "You count the rows of this run alone. The manifest tells of all shards, those of earlier runs, too.",
        ),
        Mistake(
            "rows and shards of this run",
            _kept_by(told=lambda disk, rows, shards, new, new_shards, size: f"{new} rows in {new_shards} shards"),
            "Your manifest tells of this run alone. After a kill that is less than there is: count what is passed over as well.",
        ),
        Mistake(
            "files are counted for the manifest",
            _kept_by(told=lambda disk, rows, shards, new, new_shards, size: f"{rows} rows in {len(disk.files)} shards"),
            "You count all files for the manifest, half-written ones included. Count shards as they pass by.",
        ),
        Mistake(
            "rows and shards exchanged",
            _kept_by(told=lambda disk, rows, shards, new, new_shards, size: f"{shards} rows in {rows} shards"),
            "Rows and shards have changed places in your manifest.",
        ),
        Mistake(
            "one row, one shard",
            _kept_by(
                told=lambda disk, rows, shards, new, new_shards, size: (
                    f"{rows} row{'s' * (rows != 1)} in {shards} shard{'s' * (shards != 1)}"
                )
            ),
            "You leave out the s where there is one row or shard. A program will read this line: it has the same words for every number.",
        ),
        Mistake(
            "the number grows with what is written",
            _numbered_by_what_is_new,
            "You count a shard only if it is written. After one that is passed over the next texts get its number. Every shard of the stream counts.",
        ),
        Mistake(
            "the end at the first shard that is there",
            _until_one_is_there,
            "You stop reading at the first shard that is there. Others may be missing behind it, and the rest is not counted: pass over it, and go on.",
        ),
        Mistake(
            "one temporary name for all",
            _kept_by(put=_by_one_name, put_manifest=_by_one_name),
            "All files pass through one temporary name. Two workers would write into each other's. Each has its own: its name, and `.tmp`.",
        ),
        Mistake(
            "one text more",
            lambda disk, texts, encode, shard_rows: _stored(disk, texts, encode, shard_rows + 1),
            "Your shards have one text more than `shard_rows`. Look at where you stop collecting.",
        ),
        Mistake(
            "emptied before it is encoded",
            _kept_by(encoded=lambda encode, shard: encode([])),
            "What you hand to `encode` is empty: the list is cleared before it is used. Encode first, then begin a new one.",
        ),
        Mistake(
            "shards counted from 1",
            _kept_by(name=lambda number: f"{number + 1:05}"),
            "Your first shard is 00001. The numbers begin with 0.",
        ),
        Mistake(
            "numbers without zeros",
            _kept_by(name=str),
            "Your names have no zeros in front, so 10 stands before 2 in a sorted folder. Five digits are asked for.",
        ),
        Mistake(
            "one shard for all",
            _kept_by(cut=lambda stream, size: iter([[*stream]])),
            "Everything goes into one shard. `shard_rows` is not used: the whole corpus is in memory, and a kill costs all of it.",
        ),
        Mistake(
            "text by text",
            _kept_by(encoded=lambda encode, shard: "".join(encode([text]) for text in shard)),
            "You encode texts one by one and put the results together. Hand `encode` the whole shard.",
        ),
        Mistake(
            "all texts are read first",
            _kept_by(cut=_all_in_memory),
            "You make a list of all texts first. With 8.8 million of them that is what streaming is to avoid: take one shard at a time from the stream.",
        ),
        Mistake(
            "encoded, then thrown away",
            _kept_by(wasted=True),
            "You encode every shard and only then ask whether it is there. The files are right, and a resumed run takes as long as a new one. Ask first.",
        ),
    ),
    hints=(
        "After a kill, what may stand in the folder, and how does the next run know what of it is whole?",
        "`islice` takes the next texts from an iterator, and fewer at its end. A shard whose name is on the disk costs reading, no encoding.",
        "Write a small function for one file: aside, then rename. Use it for each missing shard, and in the end for the manifest, with the rows that you have counted.",
    ),
)

EXERCISES = (ROW, BLOCKS, TODO, TOKENS, BILL, GAP, STREAM)
