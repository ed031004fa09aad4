"""Predictions and quizzes as forms that need no script: what is chosen shows its own explanation.

`assets/book.js` only remembers what was chosen.
"""

import ast

from workbook.exercises import catalogue
from workbook.exercises.quiz import Question, asked, questions
from workbook.exercises.show import inline

ASKING = ("predict", "quiz", "placement")


def questions_of(source: str) -> list[Question]:
    """The questions that a cell asks, in order."""
    return [question for call in _calls(source) for question in _asked(call)]


def only_asks(source: str) -> bool:
    """Whether a cell does nothing else: on a page its questions stand there themselves."""
    others = [
        node
        for node in ast.parse(source).body
        if not (isinstance(node, ast.ImportFrom) and node.module == "workbook.exercises")
    ]
    return 0 < len(others) == len(_calls(source))


def _calls(source: str) -> list[ast.Call]:
    values = [node.value for node in ast.parse(source).body if isinstance(node, ast.Expr)]
    return [call for call in values if isinstance(call, ast.Call) and ast.unparse(call.func) in ASKING]


def _asked(call: ast.Call) -> list[Question]:
    ids = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    if ast.unparse(call.func) == "placement":
        return [q for number in catalogue.chapters() for q in questions(number).values() if q.kind == "s"]
    return asked(*map(str, ids))


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
