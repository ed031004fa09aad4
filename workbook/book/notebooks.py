"""From a chapter's source to its notebook: build, run, and tell when the two have drifted.

The only place a chapter is written is notebooks/source/NN_slug.py. A build gives the same bytes each
time: cell ids are derived from the position, clocks are silent, arithmetic runs on one thread.
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbook.book.environment import ROOT
from workbook.book.learner import BEGIN
from workbook.book.minutes import fill_in
from workbook.book.pictures import add_pictures
from workbook.support.files import write_atomically

NOTEBOOKS = ROOT / "notebooks"
SOURCES = NOTEBOOKS / "source"
CELL_TIMEOUT = 300
KERNEL = {
    "WORKBOOK_LIVE": "0",
    "PYTHONHASHSEED": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "NUMBA", "RAYON")},
}


class BuildError(Exception):
    """A chapter did not run to its end; nothing was overwritten."""


def chapters(numbers: Sequence[str] = ()) -> list[Path]:
    """The sources of the chapters with these numbers; of all, if none is given.

    Raises:
        BuildError: there is no such chapter.
    """
    found = sorted(SOURCES.glob("[0-9][0-9]_*.py"))
    unknown = [number for number in numbers if not any(path.name.startswith(f"{number}_") for path in found)]
    if unknown:
        raise BuildError(f"no chapter {', '.join(unknown)}; there are {', '.join(path.stem for path in found)}")
    return [path for path in found if not numbers or path.name[:2] in numbers]


def build(numbers: Sequence[str] = ()) -> list[Path]:
    """Build and run chapters; each notebook is replaced only when it ran to its end.

    Raises:
        BuildError: a cell failed; the message names notebook and cell.
    """
    import nbformat

    written = []
    for source in chapters(numbers):
        notebook = execute(from_source(source), source.stem)
        target = NOTEBOOKS / f"{source.stem}.ipynb"
        bare = add_pictures(notebook, _stored(target))
        write_atomically(target, nbformat.writes(notebook) + "\n")
        told = f"; {bare} figures changed and have no picture: install Chromium and build again" if bare else ""
        print(f"{target.name}: {sum(cell.cell_type == 'code' for cell in notebook.cells)} cells{told}", flush=True)
        written.append(target)
    return written


def from_source(source: Path) -> Any:
    """A notebook without outputs, with ids that depend on nothing but the position."""
    import jupytext

    notebook = jupytext.read(source)
    fill_in(notebook.cells)
    for position, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{position:03d}"
        if BEGIN in cell.source:
            cell.metadata["jupyter"] = {"source_hidden": True}  # JupyterLab folds it until it is asked for
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def execute(notebook: Any, name: str, environment: dict[str, str] | None = None) -> Any:
    """Run a notebook from top to bottom in a fresh kernel and a folder of its own.

    Args:
        notebook: what `from_source` gives; it is filled in place.
        name: what to call it in an error.
        environment: more variables for the kernel.
    Returns:
        the notebook, with outputs.
    Raises:
        BuildError: a cell failed.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=CELL_TIMEOUT,
            kernel_name="python3",
            store_widget_state=False,
            record_timing=False,
            resources={"metadata": {"path": folder}},
        )
        variables = {**os.environ, **KERNEL, **(environment or {})}
        variables.pop("JPY_SESSION_NAME", None)
        try:
            client.execute(env=variables)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            counts = [cell.get("execution_count") or 0 for cell in notebook.cells if cell.cell_type == "code"]
            raise BuildError(f"{name}: the code cell after [{max(counts)}] did not run\n{error}") from error
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [_tidy(output) for output in _merged(cell.outputs)]
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def drift() -> list[str]:
    """What differs between the sources and the stored notebooks, one line each; fast, nothing is run."""
    import nbformat

    found = []
    for source in chapters():
        target = NOTEBOOKS / f"{source.stem}.ipynb"
        if not target.exists():
            found.append(f"{target.name} has not been built")
            continue
        stored, expected = nbformat.read(target, as_version=4), from_source(source)
        if [_content(cell) for cell in stored.cells] != [_content(cell) for cell in expected.cells]:
            found.append(f"{target.name} differs from its source; run: make notebooks")
    sources = {path.stem for path in chapters()}
    found += [f"{path.name} has no source" for path in sorted(NOTEBOOKS.glob("*.ipynb")) if path.stem not in sources]
    return found


def _stored(path: Path) -> Any:
    """A notebook as it is stored, None where there is none that can be read."""
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except Exception:
        return None


def _content(cell: Any) -> tuple:
    return cell.cell_type, cell.source, tuple(cell.metadata.get("tags", ())), cell.metadata.get("jupyter", {})


def _merged(outputs: list) -> list:
    """Text that came in several pieces as one piece: where a stream is cut depends on the moment."""
    merged: list = []
    for output in outputs:
        last = merged[-1] if merged else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            merged.append(output)
    return merged


def _tidy(output: Any) -> Any:
    output.get("metadata", {}).clear()
    return output
