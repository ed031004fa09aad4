"""What is said about an answer that no known mistake explains: each mechanism, on functions small enough to see through."""

import ast
import linecache
from dataclasses import replace

import pytest
import torch

from tests.helpers import sample
from workbook.exercises import EXERCISES, draws
from workbook.exercises.edits import edits
from workbook.exercises.engine import examine
from workbook.similarity import cos_sim

POOL = replace(
    sample.EXERCISE, mistakes=(), properties=(), draw=lambda rng: draws.texts(rng, empty=False), situations=draws.TEXTS[1:]
)  # fmt: skip


def written(code, **names):
    """A function from its text, with the source at hand as in a notebook."""
    file = f"<written {hash(code)}>"
    linecache.cache[file] = (len(code), None, code.splitlines(True), file)
    found = {"torch": torch, **names}
    exec(compile(code, file, "exec"), found)
    return found[ast.parse(code).body[-1].name]


def said(exercise, code):
    return "\n".join(examine(exercise, written(code)).said)


def said_of(id, code):
    return "\n".join(examine(EXERCISES[id], written(code, cos_sim=cos_sim)).said)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("2 * right", "2 times what is expected"),
        ("right * hidden.shape[1]", "T times what is expected"),
        ("right / len(hidden)", "divided by B"),
        ("right + 3", "what is expected plus 3"),
        ("-right", "the sign is turned"),
        ("right.abs()", "the absolute value"),
        ("right.mean(dim=0, keepdim=True).expand_as(right)", "batch-mates"),
        ("right.flip(1)", "each row is reversed"),
        ("right * mask.sum(1, keepdim=True)", "the number of its tokens; it is not divided by it"),
        ("right * mask.sum(1, keepdim=True) / mask.sum(1).max()", "all texts are divided by the longest one's count"),
        ("torch.where((mask[:, 0] == 0)[:, None], right + 1, right)", "only where a text is padded on the left"),
        ("(hidden[:, :1] * 0).sum(1) + right.detach()[:1]", "batch-mates"),
    ],
)
def test_relations(result, words):
    code = (
        "def pool(hidden, mask):\n"
        "    weight = mask.to(hidden.dtype)[:, :, None]\n"
        "    right = (hidden * weight).sum(dim=1) / weight.sum(dim=1)\n"
        f"    return {result}\n"
    )
    assert words in said(POOL, code)


def test_an_argument_that_never_counts():
    assert "`mask` never changes your result" in said(POOL, "def pool(hidden, mask):\n    return hidden.mean(dim=1)\n")


def test_the_line_in_which_one_change_makes_it_right():
    code = (
        "def pool(hidden, mask):\n"
        "    weight = mask.to(hidden.dtype)[:, :, None]\n"
        "    count = weight.sum(dim=0)\n"
        "    return (hidden * weight).sum(dim=1) / count\n"
    )
    assert "in line 3" in said(replace(POOL, draw=lambda rng: (draws.numbers(rng, 3, 3, 2), draws.mask(rng, 3, 3, False))), code)  # fmt: skip


def test_a_named_value_that_is_right_says_where_to_look():
    code = (
        "def pool(hidden, mask):\n"
        "    weight = mask.to(hidden.dtype)[:, :, None]\n"
        "    return (hidden.sin() * weight).sum(dim=1) / (weight.sum(dim=1) + 0.3)\n"
    )
    assert "`weight` (line 2) has the right value" in said(POOL, code)


def test_a_right_part_is_not_blamed_because_a_larger_one_can_stand_in_its_place():
    """Masking a second time mends it wherever it is put, and the cosines are not to blame."""
    code = (
        "def without_twins(query, positive, ids, temperature):\n"
        "    logits = cos_sim(query, positive) / temperature\n"
        "    twins = ((ids[:, None] == ids).float().triu(1)).bool()\n"
        "    return torch.nn.functional.cross_entropy(\n"
        "        logits.masked_fill(twins, float('-inf')), torch.arange(len(query)))\n"
    )
    told = said_of("05.1", code)
    assert "triu(1)` in line 3 your function is right" in told
    assert "cos_sim(query, positive) / temperature` in line 2" not in told


def test_a_default_value_that_all_calls_share():
    code = "def pool(hidden, mask, seen=[]):\n    seen.append(1)\n    return hidden[:, 0] * len(seen)\n"
    assert "made once and shared by all calls" in said(POOL, code)


def test_the_failing_call_is_small_enough_to_print():
    code = "def pool(hidden, mask):\n    w = mask[:, :, None].float()\n    p = (hidden * w).sum(1) / w.sum(1)\n    return p + (mask[:, 0] == 0)[:, None]\n"
    exercise = replace(POOL, cases=(sample.EXERCISE.cases[0],))
    finding = examine(exercise, written(code))
    assert "random calls differ" in finding.headline
    assert any("hidden = [[[" in line for line in finding.example)


def test_a_name_is_given_only_where_the_random_calls_agree():
    """Two cases cannot tell these apart; the random calls can."""
    exercise = replace(sample.EXERCISE, cases=sample.EXERCISE.cases[:1], draw=POOL.draw)
    almost = written(
        "def pool(hidden, mask):\n    return hidden.mean(dim=1) if hidden.shape[1] < 3 else hidden[:, 0]\n"
    )
    assert examine(exercise, almost).mistake is None
    assert examine(exercise, sample.plain_mean).mistake is sample.EXERCISE.mistakes[0]


def _holds_itself():
    found = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    "result", [_holds_itself(), torch.empty(1, 1, device="meta"), {"a": _holds_itself()}, object(), lambda: 1, float("nan")]
)  # fmt: skip
def test_nothing_that_is_returned_makes_the_check_raise(result):
    assert examine(POOL, lambda hidden, mask: result).kind != "right"


def test_a_librarys_not_implemented_is_no_stub():
    def answer(hidden, mask):
        return torch.nn.functional.log_softmax(torch.arange(3), dim=0)

    assert examine(POOL, answer).kind == "raised"
    assert examine(POOL, sample.stub).kind == "not started"


@pytest.mark.parametrize("numbers", [(0.0375, 0.9625), [0.0375, 0.9625]])
def test_tuple_list_and_array_count_alike_where_numbers_are_wanted(numbers):
    import numpy as np

    exercise = EXERCISES["03.6"]

    def answer(values, d):
        return type(numbers)(exercise.reference(values, d))

    assert examine(exercise, answer).kind == "right"
    assert examine(exercise, lambda values, d: np.array(exercise.reference(values, d))).kind == "right"


def test_right_answers_get_a_remark_on_what_they_cost():
    code = (
        "def pool(hidden, mask):\n"
        "    rows = []\n"
        "    for text, row in zip(hidden, mask):\n"
        "        rows.append(text[row.bool()].mean(dim=0))\n"
        "    return torch.stack(rows)\n"
    )
    finding = examine(POOL, written(code))
    assert finding.kind == "right"
    assert any("loops in Python" in sentence for sentence in finding.said)


def test_edits_leave_the_function_as_it_was():
    source = "def f(a, k):\n    b = a[:k]\n    return sum(x + 1 for x in b if x > 0) / len(b)\n"
    first = [(edit.before, edit.after) for edit in edits(source)]
    assert len(first) > 20
    assert first == [(edit.before, edit.after) for edit in edits(source)]
    assert ("x > 0", "x >= 0") in first
    assert any(edit.words() == "`[:k]` were left out" for edit in edits(source))


def test_code_that_touches_files_is_not_changed():
    assert list(edits("def f(a):\n    open('x').read()\n    return a + 1\n")) == []


def test_an_answer_that_only_raises_is_like_no_changed_solution():
    assert "as if" not in said(POOL, "def pool(hidden, mask):\n    raise ValueError('no')\n")
