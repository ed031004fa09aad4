"""The learner's folder: their own edition of the notebooks, which no update ever overwrites.

The learner's edition is derived from the complete one: what stands between `### BEGIN SOLUTION` and
`### END SOLUTION` gives way to `raise NotImplementedError`, and outputs are cleared. A manifest in
the folder holds the hash of every file as it was delivered. A file that still has its hash was not
touched and may be replaced; any other is the learner's, and a new edition is put beside it.

Each file is written whole or not at all, and the manifest after it, so a kill at any moment leaves a
folder that the next `start` completes.
"""

import copy
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbook.support.files import write_atomically, write_json

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
MANIFEST = ".workbook.json"
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"

Notebook = dict[str, Any]
Files = dict[str, dict[str, str]]  # name -> {"delivered": hash, "offered": hash of the edition beside it}


def derive(notebook: Notebook) -> Notebook:
    """Make the learner's edition of a notebook: solutions become stubs, outputs are cleared.

    Args:
        notebook: a notebook as JSON, in nbformat 4. It is left as it is.
    Returns:
        the learner's edition, with the same cells in the same order.
    Raises:
        ValueError: the marks of a solution do not come in pairs.

    Source: the marks are nbgrader's.
    """
    derived = copy.deepcopy(notebook)
    derived["metadata"].pop("widgets", None)
    for number, cell in enumerate(derived["cells"], start=1):
        if cell["cell_type"] != "code":
            continue
        text = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
        cell["source"] = _without_solutions(text, number)
        cell["outputs"] = []
        cell["execution_count"] = None
        cell["metadata"].pop("execution", None)
        cell["metadata"].pop("jupyter", None)  # it folds the solution; a stub is to be seen
    return derived


def start(folder: str | Path, notebooks: str | Path = NOTEBOOKS) -> list[str]:
    """Bring the learner's folder up to date, without changing a file that the learner has touched.

    Args:
        folder: the learner's folder; it is made when it is missing.
        notebooks: the folder of the complete edition.
    Returns:
        what was done, one sentence per file that is new or changed.
    Raises:
        OSError: the disk is full or the folder cannot be written. What was there is untouched.
        ValueError: a notebook of the complete edition is damaged.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(
            f"{folder} is a file, and your folder would be there; rename it, or set WORKBOOK_LEARN"
        )
    folder.mkdir(parents=True, exist_ok=True)
    files, told = _read_manifest(folder)
    for source in sorted(Path(notebooks).glob("*.ipynb")):
        edition = _edition(source)
        if line := _deliver(folder, source.name, edition, files.setdefault(source.name, {})):
            told.append(line)
        _write_manifest(folder, files)
    _write_manifest(folder, files)
    return told


def reset(
    chapter: str, folder: str | Path, notebooks: str | Path = NOTEBOOKS, ask: Callable[[str], str] | None = None
) -> str:
    """Give a chapter back as it was delivered, and keep a copy of the learner's own.

    Args:
        chapter: the chapter's number, such as "04".
        folder: the learner's folder.
        notebooks: the folder of the complete edition.
        ask: shows a question and returns the reader's answer, as `input` does; None asks nothing.
    Returns:
        one sentence on what was done.
    Raises:
        KeyError: there is no such chapter.
        OSError: the disk is full or the folder cannot be written. What was there is untouched.
    """
    folder = Path(folder)
    source = chapter_file(chapter, notebooks)
    target = folder / source.name
    if target.exists():
        kept = _free_name(target, "kept")
        question = f"Start {source.name} afresh? Your own will be kept as {kept.name}. [y/N] "
        if ask is not None and ask(question).strip().lower() not in ("y", "yes"):
            return f"{source.name} stays as it is"
        write_atomically(kept, target.read_bytes())
        done = f"{source.name} is as new; your own is kept as {kept.name}"
    else:
        done = f"{source.name} is as new"
    folder.mkdir(parents=True, exist_ok=True)
    files, told = _read_manifest(folder)
    edition = _edition(source)
    write_atomically(target, edition)
    files[source.name] = {"delivered": _hash(edition)}
    _write_manifest(folder, files)
    return ". ".join([done, *told])


def _deliver(folder: Path, name: str, edition: bytes, record: dict[str, str]) -> str:
    """Put one notebook into the folder, or beside the learner's own; say what was done, if anything."""
    target, new = folder / name, _hash(edition)
    if not target.exists():
        write_atomically(target, edition)
        record.clear()
        record["delivered"] = new
        return f"{name} is new"
    if not _is_whole(target):
        return damaged(target)
    current = _hash(target.read_bytes())
    if current == new:
        record["delivered"] = new
        return ""
    if current == record.get("delivered"):
        write_atomically(target, edition)
        record["delivered"] = new
        return f"{name} was brought up to date; you had not changed it"
    if new in (record.get("delivered"), record.get("offered")):
        return ""  # the learner's own work on this very edition, or an edition that was offered already
    beside = _free_name(target, "new", edition)
    write_atomically(beside, edition)
    record["offered"] = new
    return f"{name} is yours and stays as it is; the new edition is beside it: {beside.name}"


def damaged(path: Path) -> str:
    """What to say of a learner's notebook that cannot be opened, and of what is left of it."""
    saved = path.parent / ".ipynb_checkpoints" / f"{path.stem}-checkpoint.ipynb"
    kept = f"; JupyterLab's copy of an earlier save is {saved.relative_to(path.parent)}" if _is_whole(saved) else ""
    return (
        f"{path.name} is cut off or damaged, and JupyterLab cannot open it: python -m workbook reset {path.name[:2]} gives a "
        f"fresh one and keeps yours beside it{kept}"
    )


def damaged_notebooks(folder: Path, notebooks: str | Path = NOTEBOOKS) -> list[str]:
    """One sentence for each chapter in the learner's folder that cannot be opened."""
    paths = [folder / source.name for source in sorted(Path(notebooks).glob("*.ipynb"))]
    return [damaged(path) for path in paths if path.exists() and not _is_whole(path)]


def _is_whole(path: Path) -> bool:
    try:
        return isinstance(json.loads(path.read_bytes())["cells"], list)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _edition(source: Path) -> bytes:
    """The learner's edition of a notebook file, the same bytes each time."""
    try:
        derived = derive(json.loads(source.read_text("utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{source.name} cannot be made into a learner's edition: {error}; rebuild it with: make notebooks"
        ) from error
    return (json.dumps(derived, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def _without_solutions(text: str, number: int) -> str:
    kept: list[str] = []
    inside = False
    for line in text.split("\n"):
        mark = line.strip()
        if mark == (BEGIN if inside else END):
            raise ValueError(
                f"cell {number} has {mark!r} without its partner; each {BEGIN!r} needs one {END!r} below it"
            )
        if mark == BEGIN:
            kept.append(re.match(r"\s*", line).group() + "raise NotImplementedError")  # type: ignore[union-attr]
            inside = True
        elif mark == END:
            inside = False
        elif not inside:
            kept.append(line)
    if inside:
        raise ValueError(f"cell {number} has {BEGIN!r} without its partner; each {BEGIN!r} needs one {END!r} below it")
    return "\n".join(kept)


def chapter_file(chapter: str, notebooks: str | Path = NOTEBOOKS) -> Path:
    """The notebook of a chapter in the complete edition.

    Raises:
        KeyError: there is no such chapter.
    """
    notebooks = Path(notebooks)
    found = sorted(notebooks.glob(f"{str(chapter).zfill(2)}_*.ipynb"))
    if not found:
        numbers = ", ".join(sorted(path.name[:2] for path in notebooks.glob("*.ipynb")))
        raise KeyError(f"no chapter {chapter!r}; there are {numbers}")
    return found[0]


def _free_name(target: Path, word: str, content: bytes | None = None) -> Path:
    """`04_infonce.new.ipynb`, or with a number where that name holds something else."""
    number = 1
    while True:
        path = target.with_name(f"{target.stem}.{word}{'' if number == 1 else f'-{number}'}{target.suffix}")
        if not path.exists() or (content is not None and path.read_bytes() == content):
            return path
        number += 1


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read_manifest(folder: Path) -> tuple[Files, list[str]]:
    path = folder / MANIFEST
    try:
        files = json.loads(path.read_bytes())["files"]
        if isinstance(files, dict) and all(isinstance(record, dict) for record in files.values()):
            return files, []
    except FileNotFoundError:
        return {}, []
    except (ValueError, KeyError, TypeError):
        pass
    # Without it no file counts as untouched, so nothing is overwritten.
    aside = _free_name(path.with_name("workbook-manifest.json"), "damaged")
    path.rename(aside)
    return {}, [f"{MANIFEST} was damaged and is now {aside.name}; every notebook here counts as your own"]


def _write_manifest(folder: Path, files: Files) -> None:
    path = folder / MANIFEST
    content = json.dumps({"files": files}, indent=2) + "\n"
    if not path.exists() or path.read_text("utf-8") != content:
        write_json(path, {"files": files})
