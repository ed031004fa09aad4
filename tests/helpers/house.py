"""The house as it stands: which module imports which, and how much code each room holds.

    python -m tests.helpers.house      prints the count of each room, as `make check` does at its end

Read from the files as text: nothing is imported. `docs/draw_house.py` draws the picture of it.
"""

import ast
import io
import tokenize
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "workbook"
MACHINERY = ("base", "book", "claims", "demo", "exercises", "figures", "pipeline")
NOT_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
}  # fmt: skip


def modules() -> dict[str, Path]:
    """Every module of the package: "workbook.encoder.static" -> its file."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room(module: str) -> str:
    """The folder or file below `workbook` that a module belongs to: "workbook.data.toy" -> "data"."""
    return module.split(".")[1] if "." in module else "workbook"


def is_concept(module: str) -> bool:
    """Whether a module is something that a chapter teaches, and not what the book is run with."""
    return room(module) not in {*MACHINERY, "support", "workbook", "__main__"}


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """The modules of the package that a file imports, at its top or later."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module in known:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in known}
    return found


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules that reach one another by imports, each sorted (Tarjan's strongly connected components)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        number[module] = lowest[module] = len(number)
        stack.append(module)
        for other in sorted(arrows[module]):
            if other not in number:
                visit(other)
                lowest[module] = min(lowest[module], lowest[other])
            elif other in stack:
                lowest[module] = min(lowest[module], number[other])
        if lowest[module] == number[module]:
            group = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(group) > 1:
                found.append(sorted(group))

    for module in sorted(arrows):
        if module not in number:
            visit(module)
    return found


def between_rooms(arrows: dict[str, set[str]]) -> dict[str, set[str]]:
    """The arrows of modules as arrows of rooms. `support`, which everything rests on, is left out."""
    rooms: dict[str, set[str]] = {room(module): set() for module in arrows}
    for module, others in arrows.items():
        rooms[room(module)] |= {room(other) for other in others} - {room(module)}
    left_out = {"workbook", "__main__", "support"}
    return {name: others - left_out for name, others in rooms.items() if name not in left_out}


def not_implied(arrows: dict[str, set[str]]) -> set[tuple[str, str]]:
    """The arrows that do not follow from others: a -> c goes where a -> b and b -> c stand (no circles, please)."""

    def reach(start: str) -> set[str]:
        return set().union(*({other} | reach(other) for other in arrows[start]), set())

    return {
        (a, b) for a, others in arrows.items() for b in others if not any(b in reach(other) for other in others - {b})
    }


def code_lines(path: Path) -> int:
    """Lines of a file that hold code: without comments, blank lines and docstrings."""
    source = path.read_text("utf-8")
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node
        ):
            docstrings.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NOT_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - docstrings)


def count() -> dict[str, int]:
    """Lines of code by kind of room: concepts, data, each folder of machinery."""
    total: Counter[str] = Counter()
    for module, path in modules().items():
        where = room(module)
        kind = where if where in (*MACHINERY, "data", "support") else "concepts" if is_concept(module) else "book"
        total[kind] += code_lines(path)
    return dict(total.most_common())


def report() -> str:
    """The count in one line."""
    counted = count()
    parts = ", ".join(f"{kind} {lines:,}" for kind, lines in counted.items())
    return f"lines of code without docstrings and comments: {sum(counted.values()):,} ({parts})"


if __name__ == "__main__":
    print(report())
