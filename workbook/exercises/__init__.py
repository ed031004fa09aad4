"""Exercises that say what is wrong, hints, solutions, questions, and the learner's progress.

    mean_pool = check("02.1", mean_pool)     your function once it is right, the package's until then
    hint("02.1")                             three levels, each call one more
    reveal("02.1")                           a solution, and the package's own source
    progress()                               what is done and what is left
    predict("02.p1"), quiz("02")             questions; quiz("01.q2") asks one of an earlier chapter
    placement()                              ten questions that say where to start

How to write an exercise
------------------------
`chapter_NN.py` defines `EXERCISES`, a tuple of `Exercise`; `questions/NN.toml` holds predictions and the quiz.

    EXERCISES = (
        Exercise(
            id="02.1", title="masked mean pooling", difficulty="medium", minutes=10,
            section="Build it",                      # a heading of the chapter, without the ##
            signature="(B, T, D), (B, T) -> (B, D)",
            reference=mean_pool,                     # a function of the package
            another=_by_loop,                        # a second right one, written differently
            gradient=True,                           # each tensor of floats gets the reference's gradient
            cases=(Case("one text, the second token is padding", _two_tokens, torch.tensor([[2.0]])), …),
            properties=(Property("padding changes nothing", _padding_changes_nothing),),
            draw=draws.texts, situations=draws.TEXTS,   # random calls, and what may be the case with them
            mistakes=(Mistake("padding is averaged in", _plain_mean, "You divide by T, …"), …),
            hints=("where to look", "what to do", "nearly the code, in words"),
        ),
    )

- The first case is small enough for pencil and paper, and carries its result. `args` is a function
  that makes fresh arguments. Results are compared with the reference's; `expected` is what is shown,
  and a test proves that the two agree. A case for which the reference raises asks for that error.
- `draw(random.Random)` gives the arguments of a random call: small ones, with the edges that the text
  names, in no order that helps (`draws` has the common ones). A call counts only where `reference` and
  `another` agree. `situations` are what may be the case with the arguments; where all wrong calls of an
  answer share one, the check says so.
- What a step changes on purpose, such as a model's parameters, stands in `may_change`; `observe` says
  what is then compared. Such an exercise puts earlier parts together: a training step, a mining round.
- A `Reversed` exercise asks for the smallest input on which `wrong` differs from `right`; its mistakes
  are inputs, and `when` says which inputs make them.
- A mistake is recognized by its behaviour: its results on all cases, whether it changes its inputs,
  lets a gradient through, and which properties fail. Where two mistakes agree on all of that, the
  first is named, so add a case that tells them apart. Three mistakes at least.
- `diagnosis` says what the answer does and why that is wrong. Neither it nor a hint shows the solution.
- A property returns None, or one sentence on what it saw; an `assert` with a message does too.
- Results may be tensors, arrays, numbers, texts, and lists, dicts, sets and dataclasses of them.
- Random numbers belong in the arguments. Cases take milliseconds: an answer has ten seconds for all.
- `tests/exercises/test_every_exercise.py` proves all of this for every exercise.
"""

from workbook.exercises.catalogue import EXERCISES
from workbook.exercises.checking import check, hint, progress, reveal
from workbook.exercises.engine import Finding
from workbook.exercises.exercise import Case, Exercise, Mistake, Property, Reversed, Situation
from workbook.exercises.quiz import Choice, Question, placement, predict, quiz

__all__ = [
    "EXERCISES", "Case", "Choice", "Exercise", "Finding", "Mistake", "Property", "Question", "Reversed",
    "Situation", "check", "hint", "placement", "predict", "progress", "quiz", "reveal",
]  # fmt: skip
