"""What must hold for every exercise and every question of every chapter."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from workbook.exercises import EXERCISES, Reversed, compare, reveal, running
from workbook.exercises.catalogue import chapters
from workbook.exercises.engine import examine
from workbook.exercises.quiz import questions
from workbook.exercises.solution import solution
from workbook.similarity import cos_sim, normalize

SOURCES = Path(__file__).resolve().parents[2] / "notebooks/source"
QUESTIONS = [(number, question) for number in chapters() for question in questions(number).values()]
NO_GRADIENT = {"04.5"}  # its result is a gradient itself
MISTAKES = [(id, index) for id, exercise in EXERCISES.items() for index in range(len(exercise.mistakes))]


def source_of(chapter: str) -> str:
    paths = list(SOURCES.rglob(f"{chapter}_*.py"))  # those in next/ are not built yet
    assert len(paths) == 1, f"chapter {chapter} has {len(paths)} sources in notebooks/source"
    return paths[0].read_text("utf-8")


def stub(*args):
    raise NotImplementedError


def squeeze(text: str) -> str:
    return re.sub(r"\s|`", "", text)


@pytest.mark.parametrize("id", EXERCISES)
def test_the_reference_and_another_pass(id):
    exercise = EXERCISES[id]
    for answer in (exercise.reference, exercise.another):
        finding = examine(exercise, answer)
        assert finding.kind == "right", f"{finding.headline}\n" + "\n".join(finding.example)
    assert exercise.another is not exercise.reference


ORDINARY = [id for id, exercise in EXERCISES.items() if not isinstance(exercise, Reversed)]


@pytest.mark.parametrize("id", ORDINARY)
def test_random_calls_are_drawn_and_right_answers_agree_on_most(id):
    """Rule: what the text leaves open must not be drawn, and what it names must be."""
    exercise = EXERCISES[id]
    assert exercise.draw, "declare how arguments are drawn"
    assert len(running.random_cases(exercise)) >= 0.9 * running.RANDOM_CALLS
    results = [compare.render(call.result) for call in running.random_expected(exercise)]
    assert len(set(results)) >= 2


@pytest.mark.parametrize("id", ORDINARY)
def test_every_situation_comes_up_and_is_absent_at_times(id):
    calls = running.random_expected(EXERCISES[id])
    for situation in EXERCISES[id].situations:
        share = sum(bool(situation.holds(*call.args)) for call in calls) / len(calls)
        assert 0 < share < 1, situation.name


@pytest.mark.parametrize("id", ORDINARY)
def test_inputs_are_not_sorted_and_no_first_row_is_always_full(id):
    calls = running.random_expected(EXERCISES[id])
    for i, first in enumerate(calls[0].args):
        values = [call.args[i] for call in calls]
        if isinstance(first, list) and first and isinstance(first[0], str):
            assert any(value != sorted(value) for value in values)
        is_mask = isinstance(first, torch.Tensor) and first.ndim == 2 and not first.is_floating_point()
        if is_mask and first.dtype != torch.bool:
            assert any(value[0].sum() < value.shape[1] for value in values)


@pytest.mark.parametrize("id", ORDINARY)
def test_the_gradient_is_checked_where_floats_go_in_and_come_out(id):
    exercise = EXERCISES[id]
    call = running.random_expected(exercise)[0]
    floats = [a for a in call.args if isinstance(a, torch.Tensor) and a.is_floating_point()]
    if floats and isinstance(call.result, torch.Tensor) and call.result.is_floating_point() and id not in NO_GRADIENT:
        assert exercise.gradient


@pytest.mark.parametrize("id", EXERCISES)
def test_the_stub_is_not_started(id):
    assert examine(EXERCISES[id], stub).kind == "not started"


@pytest.mark.parametrize("number", chapters())
def test_the_solutions_that_reveal_shows_are_right(number, capsys):
    names = {"torch": torch, "np": np, "math": math, "cos_sim": cos_sim, "normalize": normalize}
    for id, exercise in EXERCISES.chapter(number).items():
        reveal(id)
        assert solution(id).splitlines()[0] in capsys.readouterr().out
        exec(solution(id), names)  # a solution may use those before it
        function = re.search(r"^def (\w+)", solution(id), re.MULTILINE).group(1)
        assert examine(exercise, names[function]).kind == "right"
        assert function == exercise.reference.__name__


@pytest.mark.parametrize(("id", "index"), MISTAKES)
def test_each_mistake_is_rejected_and_named_as_itself(id, index):
    exercise = EXERCISES[id]
    finding = examine(exercise, exercise.mistakes[index].implementation)
    assert finding.kind != "right", f"{exercise.mistakes[index].name!r} passes as right"
    assert finding.mistake, f"{exercise.mistakes[index].name!r} was not recognized"
    assert finding.mistake.name == exercise.mistakes[index].name
    assert len(finding.example) <= 10


@pytest.mark.parametrize("id", EXERCISES)
def test_what_is_worked_out_by_hand_is_what_the_reference_gives(id):
    exercise = EXERCISES[id]
    by_hand = [case for case in exercise.cases if case.expected is not None]
    assert by_hand, "no case is worked out by hand"
    for case in by_hand:
        args = case.args()
        result = exercise.reference(*args)
        result = exercise.observe(result, args) if exercise.observe else result
        expected = case.expected
        if isinstance(result, torch.Tensor):
            expected = torch.as_tensor(expected)
        assert compare.same_values(result, expected, 1e-3), case.name


@pytest.mark.parametrize("id", EXERCISES)
def test_form(id):
    exercise = EXERCISES[id]
    assert re.fullmatch(r"\d\d\.\d+", id)
    assert exercise.difficulty in ("easy", "medium", "hard")
    assert exercise.title
    assert exercise.minutes > 0
    assert not exercise.reference.__name__.startswith(("_", "<")), "check and reveal show this name"
    assert (exercise.reference.__doc__ or "").strip()
    assert len(exercise.mistakes) >= 3
    assert len({mistake.name for mistake in exercise.mistakes}) == len(exercise.mistakes)
    assert len(exercise.hints) == len({hint.strip() for hint in exercise.hints} - {""}) == 3


@pytest.mark.parametrize("id", EXERCISES)
def test_neither_hints_nor_diagnoses_hold_the_solution(id):
    exercise = EXERCISES[id]
    cell = re.search(rf"# Exercise {re.escape(id)} .*?(?=\n# %%|\Z)", source_of(id[:2]), re.DOTALL)
    assert cell, f"no cell of the chapter starts with '# Exercise {id} · …'"
    solutions = re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", cell.group(), re.DOTALL)
    assert solutions, "the exercise's cell has no solution between its marks"
    lines = [squeeze(line.split("  #")[0]) for line in "".join(solutions).splitlines()]
    for text in (*exercise.hints, *(mistake.diagnosis for mistake in exercise.mistakes)):
        told = [line for line in lines if len(line) >= 12 and line in squeeze(text)]
        assert not told, f"{text!r} holds {told}"


@pytest.mark.parametrize("id", EXERCISES)
def test_the_sections_to_reread_are_headings_of_the_chapter(id):
    exercise = EXERCISES[id]
    headings = set(re.findall(r"^# #{1,6} (.+?)\s*$", source_of(id[:2]), re.MULTILINE))
    for section in {exercise.section, *(mistake.section for mistake in exercise.mistakes)} - {""}:
        assert section in headings
    assert exercise.section


@pytest.mark.parametrize("number", chapters())
def test_ids_belong_to_their_chapter(number):
    ids = [id for id in EXERCISES if EXERCISES[id] in EXERCISES.chapter(number).values()]
    assert all(id.startswith(f"{number}.") for id in [*ids, *questions(number)])


@pytest.mark.parametrize(("chapter", "question"), QUESTIONS, ids=[question.id for _, question in QUESTIONS])
def test_questions(chapter, question):
    assert re.fullmatch(rf"{chapter}\.[pqs]\d+", question.id)
    assert question.text.strip()
    assert any(choice.correct for choice in question.choices)
    assert any(not choice.correct for choice in question.choices)
    for words in ([c.text.strip() for c in question.choices], [c.explanation.strip() for c in question.choices]):
        assert all(words)
        assert len(set(words)) == len(words)
        assert not re.search(r"\*\w", " ".join([question.text, *words]))  # shown as plain text: nothing is emphasized
