"""What the engine finds, for each way in which an answer can be right or wrong."""

import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.helpers import sample
from workbook.exercises import Case, Mistake, Property, compare, limits
from workbook.exercises.engine import examine
from workbook.exercises.exercise import Exercise

EXERCISE = sample.EXERCISE


def returning(value) -> Exercise:
    """An exercise without arguments, whose right result is `value`."""
    case = Case("the only one", tuple)
    return replace(EXERCISE, reference=lambda: value, cases=(case,), properties=(), mistakes=(), gradient=False)


def test_right_answers_are_right():
    assert examine(EXERCISE, sample.reference).kind == "right"
    assert examine(EXERCISE, sample.by_loop).kind == "right"


def test_a_stub_is_not_started():
    assert examine(EXERCISE, sample.stub).kind == "not started"


def test_an_error_is_told_with_its_line_and_shapes():
    def answer(hidden, mask):
        count = mask.sum(dim=1)
        return hidden @ count[:2, None, None].expand(2, 7, 9).float()

    finding = examine(EXERCISE, answer)
    assert finding.kind == "raised"
    assert "return hidden @ count[:2, None, None]" in finding.headline
    assert "hidden is a float32 tensor (1, 2, 1)" in finding.headline
    assert "RuntimeError" in finding.headline


def test_wrong_number_of_arguments_shows_the_signature():
    finding = examine(EXERCISE, lambda hidden: hidden)
    assert finding.kind == "raised"
    assert "your function takes (hidden)" in finding.headline


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SystemExit(1), "ends the whole program"),
        (MemoryError(), "more memory than there is"),
        (ValueError("bad\nsecond line"), "ValueError: bad"),
        (KeyError(), "KeyError"),
    ],
)
def test_what_an_answer_raises_stays_inside(error, words):
    def answer(hidden, mask):
        raise error

    finding = examine(EXERCISE, answer)
    assert finding.kind == "raised"
    assert words in finding.headline


def test_endless_recursion():
    def answer(hidden, mask):
        return answer(hidden, mask)

    assert "calls itself without an end" in examine(EXERCISE, answer).headline


@pytest.mark.skipif(not limits._free_memory(), reason="memory is limited on Linux without a GPU")
def test_asking_for_too_much_memory_is_an_error_and_not_the_end():
    def answer(hidden, mask):
        return bytearray(2**46)

    assert "MemoryError" in examine(EXERCISE, answer).headline
    bytearray(2**20)


def test_keyboard_interrupt_passes_through():
    def answer(hidden, mask):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examine(EXERCISE, answer)


def endless(hidden, mask):
    while True:
        pass


def endless_and_stubborn(hidden, mask):
    count = 0
    while True:
        try:
            count += len(str(count))
        except:  # noqa: E722
            pass


def sleeping(hidden, mask):
    time.sleep(60)


@pytest.mark.parametrize("answer", [endless, endless_and_stubborn, sleeping])
def test_an_endless_answer_is_stopped(answer):
    finding = examine(EXERCISE, answer, seconds=0.3)
    assert finding.kind == "raised"
    assert "stopped after 0.3 s" in finding.headline


@pytest.mark.parametrize("answer", [endless, endless_and_stubborn])
def test_an_endless_answer_is_stopped_without_the_systems_timer(answer, monkeypatch):
    monkeypatch.delattr(signal, "setitimer")
    assert "stopped after" in examine(EXERCISE, answer, seconds=0.3).headline
    for _ in range(10_000):
        pass  # a late exception would come here


@pytest.mark.parametrize("timer", [True, False])
def test_a_busy_machine_makes_nobody_slow(timer, monkeypatch):
    """What counts is the processor's time: a function that stands still, as on a busy machine, is left alone for longer."""
    monkeypatch.setattr(limits, "WAITING", 1e6)
    if not timer:
        monkeypatch.delattr(signal, "setitimer")
    assert limits.run_limited(lambda: time.sleep(0.4) or "done", 0.1) == "done"
    with pytest.raises(limits.TimeLimit):
        limits.run_limited(lambda: endless(None, None), 0.1)


@pytest.mark.parametrize("make", [torch.tensor, torch.as_tensor, torch.asarray])
def test_a_list_that_holds_itself_is_an_error_and_does_not_take_the_kernel_along(make):
    def answer(hidden, mask):
        rows = [[1, 2]]
        rows.append(rows)
        return getattr(torch, make.__name__)(rows)

    finding = examine(EXERCISE, answer)
    assert finding.kind == "raised"
    assert "a list that holds itself" in finding.headline
    assert getattr(torch, make.__name__) is make


def test_a_limit_that_rings_where_no_exception_can_pass_is_not_reported(monkeypatch):
    reports = []
    monkeypatch.setattr(sys, "unraisablehook", reports.append)

    class Slow:
        def __del__(self):
            while True:
                pass

    class Faulty:
        def __del__(self):
            raise OSError

    def answer():
        Faulty()
        Slow()  # the limit ends this, and is lost in it; the one after it ends the call
        endless(None, None)

    with pytest.raises(limits.TimeLimit):
        limits.run_limited(answer, 0.1)
    assert [report.exc_type for report in reports] == [OSError]
    assert sys.unraisablehook == reports.append


TRACED = """
import sys
from workbook.exercises.limits import TimeLimit, _run_with_watchdog
def answer():
    while {endless}:
        pass
try:
    _run_with_watchdog(answer, 0.05)
except TimeLimit:
    pass
sys.settrace(lambda *_: None)
(lambda: None)()
"""


@pytest.mark.parametrize("endless", [True, False])
def test_a_debugger_can_trace_after_an_answer_ran_without_the_systems_timer(endless):
    """Python 3.11 would hang at the next call if an exception that was sent had been called back."""
    code = TRACED.format(endless=endless)
    subprocess.run([sys.executable, "-c", code], cwd=limits.__file__.rsplit("workbook", 1)[0], check=True, timeout=600)


def test_an_endless_answer_is_stopped_in_another_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(examine(EXERCISE, endless, seconds=0.3)))
    thread.start()
    thread.join(30)
    assert "stopped after" in found[0].headline


def test_an_earlier_timer_and_handler_are_put_back():
    rang = []
    before = signal.signal(signal.SIGALRM, lambda *_: rang.append(1))
    delay = signal.setitimer(signal.ITIMER_REAL, 500, 7)
    try:
        examine(EXERCISE, endless, seconds=0.2)
        left, interval = signal.getitimer(signal.ITIMER_REAL)
        assert 400 < left < 500
        assert interval == 7
        signal.raise_signal(signal.SIGALRM)
        assert rang == [1]
    finally:
        signal.setitimer(signal.ITIMER_REAL, *delay)
        signal.signal(signal.SIGALRM, before)


def test_returning_nothing():
    assert "did you forget `return`?" in examine(EXERCISE, lambda hidden, mask: None).headline


def test_a_generator_and_a_coroutine():
    def generator(hidden, mask):
        yield hidden

    async def coroutine(hidden, mask):
        return hidden

    assert "instead of `yield`" in examine(EXERCISE, generator).headline
    assert "not `async def`" in examine(EXERCISE, coroutine).headline


def test_not_a_function():
    finding = examine(EXERCISE, 3)
    assert finding.kind == "contract"
    assert "without brackets" in finding.headline


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda pooled: pooled[:, None], "expected the shape (1, 1), got (1, 1, 1); the result should be (B, D)"),
        (lambda pooled: pooled.double(), "expected the dtype float32, got float64"),
        (lambda pooled: pooled.tolist(), "expected a tensor, got a list of 1"),
        (lambda pooled: pooled.numpy(), "expected a tensor, got a float32 numpy array"),
    ],
)
def test_contract(change, words):
    finding = examine(EXERCISE, lambda hidden, mask: change(sample.reference(hidden, mask)))
    assert finding.kind == "contract"
    assert words in finding.headline


def test_changed_inputs_are_named():
    def answer(hidden, mask):
        hidden *= mask[:, :, None]
        return sample.reference(hidden, mask)

    finding = examine(replace(EXERCISE, gradient=False), answer)
    assert finding.kind == "contract"
    assert "changes its input hidden" in finding.headline


def test_memory_from_call_to_call_is_found():
    calls = []

    def answer(hidden, mask):
        calls.append(1)
        return sample.reference(hidden, mask) + (len(calls) > 2)

    assert "two different results" in examine(EXERCISE, answer).headline


def test_random_numbers_are_found_and_the_generators_put_back():
    torch.manual_seed(3), random.seed(3), np.random.seed(3)
    expected = torch.rand(1), random.random(), np.random.rand()
    torch.manual_seed(3), random.seed(3), np.random.seed(3)
    finding = examine(EXERCISE, lambda hidden, mask: sample.reference(hidden, mask) + torch.rand(1))
    assert "draw random numbers" in finding.headline
    assert (torch.rand(1), random.random(), np.random.rand()) == expected


def test_a_lost_gradient_is_found_and_named():
    finding = examine(EXERCISE, lambda hidden, mask: sample.by_loop(hidden, mask).detach())
    assert finding.kind == "contract"
    assert "no gradient flows" in finding.headline
    assert finding.mistake is EXERCISE.mistakes[2]


def test_numpy_inside_loses_the_gradient():
    finding = examine(
        EXERCISE,
        lambda hidden, mask: torch.from_numpy(sample.reference(torch.from_numpy(hidden.numpy()), mask).numpy()),
    )
    assert "no gradient flows" in finding.headline


def test_no_gradient_is_asked_for_where_a_right_one_is_zero_anyway():
    """Of a batch of empty texts a loop gives zeros that depend on nothing."""
    nothing = Case("an empty text", lambda: (torch.ones(1, 2, 3), torch.zeros(1, 2).long()))

    def kept(hidden, mask):
        return (hidden * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)

    def constant(hidden, mask):
        return kept(hidden, mask) if mask.any() else torch.zeros(len(hidden), hidden.shape[2])

    exercise = replace(
        EXERCISE, reference=kept, another=lambda *x: 1 * kept(*x), cases=(*EXERCISE.cases, nothing), mistakes=()
    )
    assert examine(exercise, constant).kind == "right"


def product(a, b):
    return (a * b).sum(dim=1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda a, b: product(a, b.detach()), "no gradient flows back to b"),
        (lambda a, b: product(a, b) / 2 + product(a, b).detach() / 2, "a part of the gradient to a is cut off"),
        (lambda a, b: (a * b + 0 * a.abs().sqrt()).sum(dim=1), "the gradient to a is not finite"),
        (lambda a, b: (a.detach() * b.detach()).sum(dim=1), "no gradient flows back"),
    ],
)
def test_the_gradient_to_every_tensor_of_every_case_is_held_to_the_reference(answer, words):
    blind = Case("b gets no gradient here", lambda: (torch.zeros(1, 2), torch.ones(1, 2)))
    case = Case("three", lambda: tuple(torch.arange(12.0).reshape(2, 3, 2) - 1.5))
    exercise = replace(
        EXERCISE,
        reference=product,
        another=lambda a, b: (b * a).sum(-1),
        cases=(case, blind),
        properties=(),
        mistakes=(),
    )
    assert examine(exercise, lambda a, b: torch.einsum("bd,bd->b", a, b)).kind == "right"
    finding = examine(exercise, answer)
    assert finding.kind == "contract"
    assert words in finding.headline


@pytest.mark.parametrize("index", [0, 1, 2])
def test_each_mistake_is_named(index):
    mistake = EXERCISE.mistakes[index]
    assert examine(EXERCISE, mistake.implementation).mistake is mistake


def test_a_mistake_is_named_although_the_dtype_is_wrong_too():
    finding = examine(EXERCISE, lambda hidden, mask: sample.plain_mean(hidden, mask).double())
    assert finding.mistake is EXERCISE.mistakes[0]


def test_an_unknown_mistake_is_shown_beside_what_is_expected():
    finding = examine(EXERCISE, lambda hidden, mask: sample.reference(hidden, mask) + 1)
    assert finding.kind == "case"
    assert finding.mistake is None
    assert finding.example[0] == "two tokens, one of them padding"
    assert [line.split() for line in finding.example[-2:]] == [["yours", "expected"], ["[3.0]", "[2.0]"]]
    assert len(finding.example) <= 10


def test_a_tiny_difference_is_shown_with_the_digits_it_takes():
    finding = examine(EXERCISE, lambda hidden, mask: sample.reference(hidden, mask) + 4e-5)
    assert "2.00004" in finding.example[-1]


def test_properties_come_last():
    def answer(hidden, mask):
        return sample.reference(hidden, mask) if hidden.shape[1] < 5 else sample.plain_mean(hidden, mask)

    finding = examine(EXERCISE, answer)
    assert finding.kind == "property"
    assert "padding changes nothing. one more padded position moved the result" in finding.headline


def test_an_error_inside_a_property():
    def answer(hidden, mask):
        if hidden.shape[1] == 5:
            raise ValueError("five")
        return sample.reference(hidden, mask)

    finding = examine(EXERCISE, answer)
    assert finding.kind == "raised"
    assert "padding changes nothing" in finding.headline
    assert "ValueError: five" in finding.headline


def test_an_assertion_in_a_property_is_its_sentence():
    def check(pool):
        assert pool is None, "it is something"

    finding = examine(replace(EXERCISE, properties=(Property("none", check),)), sample.by_loop)
    assert finding.headline.endswith("none. it is something")


def test_prints_are_shown_only_in_part_and_never_flood(capsys):
    def answer(hidden, mask):
        for i in range(10_000):
            print("line", i)
        return hidden[:, 0] + 1

    finding = examine(EXERCISE, answer)
    assert finding.printed == ("line 0", "line 1", "line 2", "line 3", "line 4", "…")
    assert capsys.readouterr() == ("", "")


def test_known_mistakes_run_once_however_often_an_answer_is_wrong():
    runs = []

    def known(hidden, mask):
        runs.append(hidden)
        return hidden.mean(dim=1)

    exercise = replace(EXERCISE, mistakes=(Mistake("padding is averaged in", known, "You divide by T."),))
    assert examine(exercise, sample.a_sum).mistake is None
    once = len(runs)
    assert examine(exercise, sample.plain_mean).mistake is not None
    assert len(runs) == once == len(exercise.cases)


def test_an_error_that_is_asked_for():
    def strict(hidden, mask):
        if hidden.shape[:2] != mask.shape:
            raise ValueError("shapes")
        return sample.reference(hidden, mask)

    bad = Case("shapes that do not match", lambda: (torch.zeros(1, 2, 3), torch.ones(1, 3)))
    exercise = replace(EXERCISE, reference=strict, cases=(*EXERCISE.cases, bad), mistakes=())
    assert examine(exercise, strict).kind == "right"
    finding = examine(exercise, lambda hidden, mask: sample.reference(hidden, mask[:, : hidden.shape[1]]))
    assert finding.kind == "case"
    assert "ValueError is raised" in finding.example[-1]


@pytest.mark.parametrize(
    ("expected", "right", "wrong"),
    [
        (1.5, np.float64(1.5), 1.6),
        (2, torch.tensor(2), 3),
        (float("nan"), float("nan"), 0.0),
        (float("inf"), float("inf"), float("nan")),
        (["a", "b"], ("a", "b"), ["b", "a"]),
        ({"q1": 0.5}, {"q1": 0.5}, {"q2": 0.5}),
        ({"q1": {"d": 1}}, {"q1": {"d": 1.0}}, {"q1": {"d": 2}}),
        ({1, 2}, {2, 1}, {1}),
        ((torch.ones(2), [3]), [torch.ones(2), (3,)], (torch.ones(2), [4])),
        (np.array([np.nan, 1.0]), np.array([np.nan, 1.0]), np.array([0.0, 1.0])),
        (torch.tensor([True]), torch.tensor([True]), torch.tensor([False])),
        (torch.tensor([1.0], dtype=torch.bfloat16), torch.tensor([1.0], dtype=torch.bfloat16), torch.tensor([2.0])),
        ("text", "text", "Text"),
        ([], [], [1]),
    ],
)
def test_kinds_of_results(expected, right, wrong):
    exercise = returning(expected)
    assert examine(exercise, lambda: right).kind == "right"
    finding = examine(exercise, lambda: wrong)
    assert finding.kind in ("case", "contract")
    assert len(finding.example) <= 10


def test_a_large_result_is_not_printed_whole():
    finding = examine(returning(torch.zeros(500, 500)), lambda: torch.ones(500, 500))
    assert len("\n".join(finding.example)) < 1000
    assert "250000 of 250000 values differ" in finding.example[-1]


def test_findings_hold_no_addresses():
    class Thing:
        pass

    finding = examine(returning(1.0), lambda: Thing())
    assert "0x" not in finding.headline + "".join(finding.example).replace("0x…", "")


@pytest.mark.parametrize(("a", "b"), [(torch.tensor([float("nan")]), torch.tensor([1.0])), ([1], [1, 2]), (None, 0)])
def test_difference_is_symmetric(a, b):
    assert compare.first_difference(a, b, 1e-5)
    assert compare.first_difference(b, a, 1e-5)
