"""Predictions and quizzes as forms that need no script: what is chosen shows its own explanation.

`assets/book.js` only remembers what was chosen.
"""

import ast
from collections.abc import Iterator

from workbook.exercises import catalogue
from workbook.exercises.quiz import Question, asked, questions
from workbook.exercises.show import inline


def questions_of(source: str) -> list[Question]:
    """The questions that a cell asks by `predict`, `quiz` and `placement`, in order."""
    return [question for call in _calls(source) for question in _asked(call)]


def _calls(source: str) -> Iterator[ast.Call]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name):
            yield node.value


def _asked(call: ast.Call) -> list[Question]:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    ids = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    if name == "placement":
        return [q for number in catalogue.chapters() for q in questions(number).values() if q.kind == "s"]
    return asked(*map(str, ids)) if name in ("predict", "quiz") else []


def form(question: Question) -> str:
    """A question with its choices as radio buttons, and below each choice what is to be said of it.

    What a prediction's choice is worth stays folded: the run is to tell it.
    """
    name = question.id.replace(".", "-")
    choices = []
    for number, choice in enumerate(question.choices):
        verdict = "✓ Right." if choice.correct else "✗ Not this one."
        told = f"<strong>{verdict}</strong> {inline(choice.explanation)}"
        if question.is_prediction:
            told = f"Noted. Read on, and then look: <details><summary>Was it right?</summary><p>{told}</p></details>"
        kind = " correct" if choice.correct else ""
        choices.append(
            f'<div class="choice{kind}"><label><input type="radio" name="{name}" value="{number}"> <span>{inline(choice.text)}</span></label>\n'
            f'<div class="told">{told}</div></div>'
        )
    inside = "\n".join(choices)
    return f"""<form class="question" data-question="{question.id}">
<fieldset><legend>{inline(question.text)}</legend>
{inside}
</fieldset></form>"""
