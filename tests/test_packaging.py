"""pyproject.toml, environment.yml, constraints.txt and the folders agree with one another."""

import ast
import contextlib
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from workbook.book.environment import WITHOUT_DEPENDENCIES

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
CONDA_NAME = {"torch": "pytorch-cpu"}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def split(requirement: str) -> tuple[str, str]:
    name, bound = re.fullmatch(r"([\w.-]+)\s*(.*)", requirement).groups()
    return canonical(name), bound


def conda_requirements() -> dict[str, str]:
    lines = re.findall(
        r"^\s+- ([\w.-]+ ?[<>=][\w.,<>=]*)$", (ROOT / "environment.yml").read_text("utf-8"), re.MULTILINE
    )
    return dict(split(line) for line in lines)


def test_environment_yml_names_what_pyproject_names():
    expected = dict(split(requirement) for requirement in PROJECT["dependencies"] + EXTRAS["lab"])
    expected = {CONDA_NAME.get(name, name): bound for name, bound in expected.items()}
    found = conda_requirements()
    assert found.pop("python").startswith(PROJECT["requires-python"])
    assert found == expected


def test_environment_yml_has_the_eight_packages_that_the_book_stands_on():
    eight = {
        "faiss-cpu", "ipywidgets", "nbval", "plotly", "pytorch-cpu", "sentence-transformers", "transformers", "umap-learn",
    }  # fmt: skip
    assert eight <= conda_requirements().keys()


def test_constraints_pin_every_requirement():
    pinned = {
        canonical(name)
        for name in re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    }
    extras = [
        requirement
        for requirements in EXTRAS.values()
        for requirement in requirements
        if requirement not in EXTRAS["offline"]
    ]
    needed = {split(requirement)[0] for requirement in PROJECT["dependencies"] + extras}
    assert needed | set(WITHOUT_DEPENDENCIES) <= pinned


def test_constraints_hold_versions_only():
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        assert re.fullmatch(r"[\w.-]+==[\w.]+", line), line


def test_hugging_face_datasets_is_not_hidden_by_our_folder():
    pytest.importorskip("datasets")
    code = "import datasets; assert datasets.__file__ and 'site-packages' in datasets.__file__, datasets"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    assert not (ROOT / "datasets/__init__.py").exists()


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, workbook, workbook.pooling, workbook.similarity, workbook.losses, workbook.metrics, workbook.bm25\n"
        "heavy = {'transformers', 'umap', 'faiss', 'plotly', 'sentence_transformers', 'pandas', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


MACHINERY = {"book", "claims", "demo", "exercises", "figures", "pipeline"}
CONCEPTS = [
    path
    for path in sorted((ROOT / "workbook").rglob("*.py"))
    if path.relative_to(ROOT / "workbook").parts[0] not in {*MACHINERY, "support", "__init__.py", "__main__.py"}
]


@pytest.mark.parametrize("path", CONCEPTS, ids=lambda path: path.relative_to(ROOT / "workbook").as_posix())
def test_each_concept_says_once_at_its_head_where_it_is_taught(path):
    text = path.read_text("utf-8")
    assert len(re.findall(r"Taught in \d\d", ast.get_docstring(ast.parse(text)) or "")) == 1
    assert text.count("Taught in") == 1


def test_readme_map_lists_the_chapters_that_exist():
    readme = (ROOT / "README.md").read_text("utf-8")
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert path.name in readme, f"README.md does not link {path.name}"


def test_readme_names_modules_that_exist():
    table = (ROOT / "README.md").read_text("utf-8").split("## The package beyond the chapters")[1].split("\n## ")[0]
    names = set(re.findall(r"`(\w+)`", "".join(line for line in table.splitlines() if line.startswith("| "))))
    missing = names - {"workbook"} - {path.stem for path in (ROOT / "workbook").iterdir()}
    assert names
    assert not missing


def public_parts(path: Path) -> list[tuple[str, str | None]]:
    """Name and docstring of the public functions and classes of a file, and of the public methods of these."""
    found: list[tuple[str, str | None]] = []

    def collect(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name[0] != "_":
                if ast.unparse(node.body).strip() == "...":
                    continue  # a signature: of an overload, or of what a Protocol asks for
                found.append((prefix + node.name, ast.get_docstring(node)))
                if isinstance(node, ast.ClassDef):
                    collect(node.body, f"{node.name}.")
            elif isinstance(node, ast.If | ast.Try | ast.With):  # defined under a condition
                collect(node.body, prefix)

    collect(ast.parse(path.read_text("utf-8")).body, "")
    return found


@pytest.mark.parametrize(
    "path", sorted((ROOT / "workbook").rglob("*.py")), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_every_public_name_says_what_it_is(path):
    for name, text in public_parts(path):
        assert text, f"{path.name}: {name} has no docstring"


def test_the_public_names_are_found():
    found = dict(public_parts(ROOT / "workbook/index/product_quantization.py"))
    assert {"PQIndex", "PQIndex.is_trained", "PQIndex.train", "check_pieces"} <= found.keys()


REFERENCE = re.compile(r"`(workbook(?:\.\w+)+)(?:\([^`]*\))?`")


@pytest.mark.parametrize("path", sorted((ROOT / "workbook").rglob("*.py")), ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_what_a_text_refers_to_is_there(path):
    """`workbook.module.name`, in docstrings and in messages."""
    for name in set(REFERENCE.findall(path.read_text("utf-8"))) - {"workbook.json"}:  # a file of that name
        parts, found = name.split("."), None
        for cut in range(len(parts), 0, -1):
            with contextlib.suppress(ModuleNotFoundError):
                found = importlib.import_module(".".join(parts[:cut]))
                break
        for part in parts[cut:]:
            assert hasattr(found, part), f"{path.name} refers to {name}, which is not there"
            found = getattr(found, part)
