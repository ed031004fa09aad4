"""What is worth saying about a right answer: a loop over a batch, a copy to the host, double precision."""

import ast

from workbook.exercises.exercise import Answer, Exercise
from workbook.exercises.solution import solution
from workbook.exercises.sources import source_of

HOST = {"item", "tolist", "numpy", "cpu"}
DOUBLE = {"double", "float64"}
PICKING = {"append", "extend"}


def remarks(exercise: Exercise, answer: Answer) -> list[str]:
    """Sentences that begin after "It passes, but"; none for an answer to an exercise without tensors.

    What the chapter's own solution does, because the contract asks for it, is no fault of the learner's.
    """
    source = source_of(answer)
    if source is None or ("(B" not in exercise.signature and "D)" not in exercise.signature):
        return []
    nodes = list(ast.walk(ast.parse(source)))
    words = _words(source) - _words(solution(exercise.id))
    found = []
    if not exercise.loops and any(_computes_in_turns(n) for n in nodes):
        found.append(
            "it loops in Python: each turn costs microseconds of overhead, and on a GPU a launch. One tensor operation over the whole batch does the same"
        )
    if words & HOST:
        found.append(
            f"`{sorted(words & HOST)[0]}` copies numbers to the host: on a GPU everything waits for that copy, and no gradient passes through it"
        )
    if words & DOUBLE:
        found.append(
            "it computes in double precision: twice the memory, and on most GPUs many times slower. float32 is enough here"
        )
    return found


def _computes_in_turns(node: ast.AST) -> bool:
    """Whether a node is a loop whose turns compute; to pick entries of a list costs nothing worth a word."""
    if isinstance(node, ast.For | ast.While):
        turn: list[ast.AST] = list(node.body)
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp):
        turn = [node.elt, *(test for g in node.generators for test in g.ifs)]
    elif isinstance(node, ast.DictComp):
        turn = [node.key, node.value, *(test for g in node.generators for test in g.ifs)]
    else:
        return False
    return any(_computes(n) for part in turn for n in ast.walk(part))


def _computes(node: ast.AST) -> bool:
    """Whether a node is arithmetic, or a call of something else than a list's own methods."""
    if isinstance(node, ast.Call):
        return not (isinstance(node.func, ast.Attribute) and node.func.attr in PICKING)
    return isinstance(node, ast.BinOp)


def _words(source: str) -> set[str]:
    """The names and attributes of a piece of code."""
    nodes = list(ast.walk(ast.parse(source)))
    return {n.attr for n in nodes if isinstance(n, ast.Attribute)} | {n.id for n in nodes if isinstance(n, ast.Name)}
