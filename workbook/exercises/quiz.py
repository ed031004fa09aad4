"""Questions with an explanation for every choice: predictions before a run, a quiz at a chapter's end.

    predict("04.p1")     commit yourself before you run the next cell
    quiz("04")           the questions of chapter 04
    quiz("02.q1")        one of them, in a later chapter
    placement()          ten questions that say where to start

The questions stand in `questions/NN.toml`, where they can be written without Python. In front of a person they are radio buttons, and the answer is kept with the progress. Everywhere
else each choice unfolds to its explanation, without a kernel.
"""

import html
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbook.exercises import catalogue, store
from workbook.exercises.show import inline
from workbook.support.frontend import in_notebook, is_live
from workbook.support.page import LIVE, STORED, page_style

FOLDER = Path(__file__).parent / "questions"


@dataclass(frozen=True)
class Choice:
    """One possible answer, and why it is right or wrong."""

    text: str
    explanation: str
    correct: bool = False


@dataclass(frozen=True)
class Question:
    """A question with its choices. The id is "04.p1" for a prediction, "04.q1" for the quiz, "04.s1" for the placement."""

    id: str
    text: str
    choices: tuple[Choice, ...]

    @property
    def kind(self) -> str:
        """ "p" where it is asked before the run that answers it, "q" in the quiz, "s" where it says where to start."""
        return self.id.split(".")[-1][0]

    @property
    def is_prediction(self) -> bool:
        """Whether it is asked before the run that answers it."""
        return self.kind == "p"


def questions(chapter: str) -> dict[str, Question]:
    """The questions of a chapter: id -> Question.

    Raises:
        KeyError: there is no such chapter.
    """
    if chapter not in catalogue.chapters():
        raise catalogue.Unknown(catalogue.nearest("chapter", chapter, catalogue.chapters()))
    written = tomllib.loads((FOLDER / f"{chapter}.toml").read_text("utf-8"))
    return {
        id: Question(id, entry["text"], tuple(Choice(**choice) for choice in entry["choice"]))
        for id, entry in written.items()
    }


def predict(id: str) -> None:
    """Ask one question, before the run that answers it.

    Raises:
        KeyError: there is no such question.
    """
    _ask([_question(id)])


def _question(id: str) -> Question:
    number = str(id).split(".")[0]
    known = questions(number) if number in catalogue.chapters() else {}
    if id not in known:
        every = [key for number in catalogue.chapters() for key in questions(number)]
        raise catalogue.Unknown(catalogue.nearest("question", id, every))
    return known[id]


def quiz(*ids: str) -> None:
    """Ask the quiz of a chapter, quiz("04"), or single questions of earlier ones, quiz("02.q1", "01.q3").

    Raises:
        KeyError: there is no such chapter or question.
    """
    _ask(asked(*ids))


def asked(*ids: str) -> list[Question]:
    """The questions that ids of chapters and questions stand for: the quiz of a chapter, or the one question.

    Raises:
        KeyError: there is no such chapter or question.
    """
    found: list[Question] = []
    for id in ids:
        if "." in id:
            found.append(_question(id))
        else:
            found += [question for question in questions(id).values() if question.kind == "q"]
    return found


def placement() -> None:
    """Ask ten questions, and say with which chapter to begin."""
    ten = [q for number in catalogue.chapters() for q in questions(number).values() if q.kind == "s"]
    _ask(ten, _where_to_begin if is_live() and in_notebook() else None)
    if not (is_live() and in_notebook()):
        print("Begin with the chapter of the first question that you had to guess.")


def _where_to_begin(given: dict[str, bool], ten: list[Question]) -> str:
    """What the answers so far say: the chapter of the first question that was missed."""
    if len(given) < len(ten):
        return f"{len(given)} of {len(ten)} answered."
    missed = next((question.id[:2] for question in ten if not given[question.id]), None)
    if missed is None:
        return "All ten are right. Begin with the open tasks of the chapters, or with chapter 05."
    return f"Begin with chapter {missed}: there stands the first question that you missed."


def as_text(question: Question) -> str:
    """The question, its choices, and below them the explanations."""
    letters = "abcdefghij"
    lines = [question.text]
    lines += [f"  {letter}) {choice.text}" for letter, choice in zip(letters, question.choices, strict=False)]
    lines += ["Answers"]
    lines += [
        f"  {letter}) {_verdict(choice)}. {choice.explanation}"
        for letter, choice in zip(letters, question.choices, strict=False)
    ]
    return "\n".join(lines)


def as_html(question: Question) -> str:
    """The question with one unfolding line per choice."""
    parts = [f"<p><strong>{inline(question.text)}</strong></p>"]
    for choice in question.choices:
        told = f"<strong>{_mark(choice)} {_verdict(choice)}.</strong> {inline(choice.explanation)}"
        parts.append(
            f'<details style="margin: 4px 0"><summary style="cursor: pointer">{inline(choice.text)}</summary>'
            f'<p style="margin: 4px 0 8px 18px">{told}</p></details>'
        )
    return f'<div class="{STORED}" style="margin: 8px 0; max-width: 60em">{"".join(parts)}</div>'


Summary = Callable[[dict[str, bool], list[Question]], str]


def _ask(questions: list[Question], summary: Summary | None = None) -> None:
    """Show questions; `summary` says after each answer what all of them together mean."""
    if not in_notebook():
        print("\n\n".join(as_text(question) for question in questions))
        return
    from IPython.display import display

    if is_live():
        import ipywidgets as widgets

        given: dict[str, bool] = {}
        below = widgets.HTML()

        def answered(question: Question, right: bool) -> None:
            given[question.id] = right
            below.value = summary(given, questions) if summary else ""

        for question in questions:
            page = f"{page_style()}{as_html(question)}"
            display({"text/html": page, "text/plain": as_text(question)}, raw=True)
            display(_widget(question, answered))
        if summary:
            display(below)
        return
    text = "\n\n".join(as_text(question) for question in questions)
    display({"text/html": "\n".join(as_html(question) for question in questions), "text/plain": text}, raw=True)


def _widget(question: Question, answered: Callable[[Question, bool], None]) -> Any:
    """Radio buttons, and below them what is to be said about the choice."""
    import ipywidgets as widgets

    title = widgets.HTML(f'<strong style="display: block; line-height: 1.45">{inline(question.text)}</strong>')
    options = [(choice.text, index) for index, choice in enumerate(question.choices)]
    buttons = widgets.RadioButtons(options=options, value=None, layout=widgets.Layout(width="auto", max_width="60em"))
    buttons.add_class("workbook-choices")
    answer = widgets.HTML()

    def chosen(change: dict[str, Any]) -> None:
        choice = question.choices[change["new"]]
        message = store.update(lambda saved: _note_answer(saved, question, change["new"]))
        answered(question, choice.correct)
        answer.value = _answer_html(question, choice) + (f"<p>{html.escape(message)}</p>" if message else "")

    buttons.observe(chosen, names="value")
    style = widgets.HTML(
        "<style>.workbook-choices .widget-radio-box label, .workbook-choices label "
        "{ white-space: normal; height: auto; width: auto; line-height: 1.45; margin-bottom: 4px; }</style>"
    )
    box = widgets.VBox([style, title, buttons, answer], layout=widgets.Layout(margin="8px 0", max_width="62em"))
    box.add_class(LIVE)
    return box


def _answer_html(question: Question, choice: Choice) -> str:
    told = f"<strong>{_mark(choice)} {_verdict(choice)}.</strong> {inline(choice.explanation)}"
    if question.is_prediction:
        # The run is to answer it, so the answer stays folded until the reader asks.
        return f'<div style="line-height: 1.45">Noted. Now run the next cells.<details><summary>After the run: were you right?</summary>{told}</details></div>'
    return f'<div style="line-height: 1.45">{told}</div>'


def _note_answer(saved: store.Progress, question: Question, index: int) -> None:
    entry = store.entry(saved, "questions", question.id)
    entry.setdefault("first", index)
    entry["last"] = index
    entry["correct"] = question.choices[index].correct


def _mark(choice: Choice) -> str:
    return "✓" if choice.correct else "✗"


def _verdict(choice: Choice) -> str:
    return "Right" if choice.correct else "Not this one"
