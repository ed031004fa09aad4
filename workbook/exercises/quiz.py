"""Questions with an explanation for every choice: predictions before a run, a quiz at a chapter's end.

    predict("04.p1")     commit yourself before you run the next cell
    quiz("04")           the questions of chapter 04

The questions stand in `questions/NN.toml`, where they can be written without Python. In front of a person they are radio buttons, and the answer is kept with the progress. Everywhere
else each choice unfolds to its explanation, without a kernel.
"""

import html
import tomllib
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
    """A question with its choices. The id is "04.p1" for a prediction, "04.q1" for the quiz."""

    id: str
    text: str
    choices: tuple[Choice, ...]

    @property
    def is_prediction(self) -> bool:
        """Whether it is asked before the run that answers it."""
        return self.id.split(".")[-1].startswith("p")


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
    known = {
        key: question
        for number in catalogue.chapters()
        if number == str(id).split(".")[0]
        for key, question in questions(number).items()
    }
    if id not in known:
        every = [key for number in catalogue.chapters() for key in questions(number)]
        raise catalogue.Unknown(catalogue.nearest("question", id, every))
    _ask([known[id]])


def quiz(chapter: str) -> None:
    """Ask the quiz of a chapter.

    Raises:
        KeyError: there is no such chapter.
    """
    _ask([question for question in questions(chapter).values() if not question.is_prediction])


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


def _ask(asked: list[Question]) -> None:
    if not in_notebook():
        print("\n\n".join(as_text(question) for question in asked))
        return
    from IPython.display import display

    if is_live():
        for question in asked:
            page = f"{page_style()}{as_html(question)}"
            display({"text/html": page, "text/plain": as_text(question)}, raw=True)
            display(_widget(question))
        return
    text = "\n\n".join(as_text(question) for question in asked)
    display({"text/html": "\n".join(as_html(question) for question in asked), "text/plain": text}, raw=True)


def _widget(question: Question) -> Any:
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
