"""Make docs/api.md: every public name of the package with its call and its first sentence, read from the docstrings.

python docs/make_api.py
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.helpers.house import MACHINERY, ROOT, modules, room

LEFT_OUT = ("book", "demo", "support", "workbook", "__main__")  # what a reader of the package does not call
HEAD = """# The package, name by name

Every public name with its call and its first sentence. Shapes, units, errors and sources stand in the docstrings:
`help(workbook.pooling.mean_pool)`. A folder hands on what its modules hold: `from workbook.encoder import TextEncoder`.

Made by `python docs/make_api.py` from the docstrings; a test holds that the two agree.
"""


def first_sentence(text: str) -> str:
    """The first sentence of a docstring, in one line."""
    paragraph = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=\.)\s+(?=[A-Z`(])", paragraph)[0].rstrip(":")


def call(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """A function with the names of its arguments: mean_pool(hidden, mask), fit(encoder, pairs, loss=info_nce, …)."""
    arguments = node.args
    plain = [*arguments.posonlyargs, *arguments.args]
    first = len(plain) - len(arguments.defaults)
    names = [
        a.arg if i < first else f"{a.arg}={ast.unparse(arguments.defaults[i - first])}" for i, a in enumerate(plain)
    ]
    names += [f"*{arguments.vararg.arg}"] if arguments.vararg else ["*"] if arguments.kwonlyargs else []
    names += [
        a.arg if default is None else f"{a.arg}={ast.unparse(default)}"
        for a, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    names += [f"**{arguments.kwarg.arg}"] if arguments.kwarg else []
    return f"{node.name}({', '.join(name for name in names if name not in ('self', 'cls'))})"


def entries(body: list[ast.stmt], indent: str = "") -> Iterator[str]:
    """One line for each public function and class, and below a class those of its methods."""
    seen = set()
    for node in body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name[0] == "_":
            continue
        text = ast.get_docstring(node)
        if not text or node.name in seen:  # an overload has no docstring
            continue
        seen.add(node.name)
        if isinstance(node, ast.ClassDef):
            start = next((part for part in node.body if getattr(part, "name", "") == "__init__"), None)
            name = call(start).replace("__init__", node.name) if isinstance(start, ast.FunctionDef) else node.name
            yield f"{indent}- `{name}` {first_sentence(text)}"
            yield from entries(node.body, indent + "  ")
        else:
            is_property = any(ast.unparse(mark).endswith("property") for mark in node.decorator_list)
            yield f"{indent}- `{node.name if is_property else call(node)}` {first_sentence(text)}"


def page() -> str:
    """The whole page."""
    parts, last = [HEAD], ""
    order = sorted(modules().items(), key=lambda item: (room(item[0]) in MACHINERY, item[0]))
    for module, path in order:
        if room(module) in LEFT_OUT or "chapter_" in module:
            continue
        tree = ast.parse(path.read_text("utf-8"))
        lines = list(entries(tree.body))
        head = first_sentence(ast.get_docstring(tree) or "")
        if room(module) != last:
            last = room(module)
            parts.append(f"## {last}\n")
        if lines:
            taught = re.search(r"Taught in (\d\d)", ast.get_docstring(tree) or "")
            chapter = f" Chapter {taught[1]}." if taught else ""
            parts.append(f"### `{module}`\n\n{head}{chapter}\n\n" + "\n".join(lines) + "\n")
        elif module.count(".") == 1:
            parts.append(f"{head}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    (ROOT / "docs/api.md").write_text(page(), "utf-8", newline="\n")
