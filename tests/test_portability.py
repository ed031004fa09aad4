"""What breaks on another system than the one at hand: encodings, line ends, modules that only some systems have."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = sorted((ROOT / "workbook").rglob("*.py"))
POSIX_ONLY = {"fcntl", "grp", "pwd", "pty", "resource", "termios"}
WINDOWS_ONLY = {"msvcrt", "winreg"}
BINARY = ("tarfile.open", "gzip.open", "file.open", "urllib.request.build_opener(_NoRedirect).open",
          "urllib.request.build_opener(_SaferRedirects).open")  # fmt: skip  # open what is not text


def careless(source: str) -> list[str]:
    """Text that is read or written in whatever encoding, or with whatever line ends, the system is used to."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called, name = ast.unparse(node.func), ast.unparse(node.func).rsplit(".", 1)[-1]
        options = {keyword.arg for keyword in node.keywords}
        if name in ("read_text", "write_text"):
            options |= {"encoding"} if len(node.args) > (name == "write_text") else set()
            mode = "w" if name == "write_text" else "r"
        elif name in ("open", "fdopen", "NamedTemporaryFile", "TemporaryFile") and called not in BINARY:
            given = node.args[isinstance(node.func, ast.Name) or name == "fdopen" :][:1]
            given = [*given, *(keyword.value for keyword in node.keywords if keyword.arg == "mode")]
            mode = "w+b" if "Temporary" in name else "r"
            if given:
                # A mode that is computed cannot be judged; the package computes none but "ab" and "wb".
                mode = str(given[0].value) if isinstance(given[0], ast.Constant) else "b"
        else:
            continue
        if "b" in mode:
            continue
        if "encoding" not in options:
            found.append(f"line {node.lineno}: {called} without an encoding")
        if set(mode) & set("wax+") and "newline" not in options:
            found.append(f"line {node.lineno}: {called} writes without newline")
    return found


def bound(source: str) -> list[str]:
    """Imports at the top of a module that only some systems can do."""
    return [
        ast.unparse(node)
        for node in ast.parse(source).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        and {*(alias.name for alias in node.names), getattr(node, "module", None)} & (POSIX_ONLY | WINDOWS_ONLY)
    ]


@pytest.mark.parametrize(
    ("source", "times"),
    [
        ("open(x)", 1),
        ("x.open()", 1),
        ("x.open('w')", 2),
        ("x.open('a', encoding='utf-8')", 1),
        ("x.read_text()", 1),
        ("x.write_text('a', 'utf-8')", 1),
        ("os.fdopen(handle, 'w', newline='')", 1),
        ("x.open('w', encoding='utf-8', newline='')", 0),
        ("x.open('rb+')", 0),
        ("x.read_text('utf-8')", 0),
        ("tempfile.TemporaryFile()", 0),
        ("tempfile.TemporaryFile('w')", 2),
        ("open(x, 'wb')", 0),
        ("open(x, 'w')", 2),
    ],
)
def test_the_search_finds_careless_text(source, times):
    assert len(careless(source)) == times


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_text_is_the_same_on_every_system(path):
    source = path.read_text("utf-8")
    assert careless(source) == []
    assert bound(source) == []


def test_the_search_finds_imports_that_only_some_systems_can_do():
    assert bound("import os, fcntl") == ["import os, fcntl"]
    assert bound("from resource import getrlimit") == ["from resource import getrlimit"]
    assert bound("if posix:\n    import fcntl") == []


@pytest.mark.parametrize("command", [["progress"], pytest.param(["doctor"], marks=pytest.mark.slow)], ids=" ".join)
def test_a_console_that_lacks_our_signs_gets_other_ones(tmp_path, command):
    """As on Windows, when what a command says goes to a file."""
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONPATH": str(ROOT), "WORKBOOK_LEARN": str(tmp_path)}
    run = [sys.executable, "-m", "workbook", *command]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, env=environment)
    assert b"UnicodeEncodeError" not in done.stderr
    assert len(done.stdout.decode("cp1252")) > 100


OTHER_ALPHABET = r"""
import sys
from dataclasses import replace
from pathlib import Path
from tests.helpers.small import STAGES, collection
from workbook import pipeline

small = collection()
assert sys.argv[2] == "any" or __import__("locale").getpreferredencoding(False) == "ANSI_X3.4-1968"

def foreign(text):
    return text.replace("ka", "k\u00e4\u2192\u6f22\u2028")

strange = replace(
    small,
    corpus={"\u00e9" + id: foreign(text) for id, text in small.corpus.items()},
    queries={id: foreign(text) for id, text in small.queries.items()},
    qrels={id: {"\u00e9" + passage: grade for passage, grade in judged.items()} for id, judged in small.qrels.items()},
)
for name, stage in STAGES.items():
    pipeline.data(sys.argv[1], strange, part_rows=100) if name == "data" else stage(Path(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the locale C, which knows ASCII only")
def test_the_pipeline_writes_the_same_bytes_where_the_system_knows_another_alphabet(tmp_path):
    pytest.importorskip("faiss")
    pytest.importorskip("pyarrow")
    from tests.helpers.small import contents

    ascii = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C", "LANG": "C"}
    for name, environment in (("any", {}), ("ascii", ascii)):
        run = [sys.executable, "-c", OTHER_ALPHABET, str(tmp_path / name), name]
        whole = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", env=whole)
        assert done.returncode == 0, done.stderr
    texts = (tmp_path / "any/runs/train/run.tsv").read_text("utf-8")
    assert "\u00e9p" in texts
    assert contents(tmp_path / "ascii") == contents(tmp_path / "any")
