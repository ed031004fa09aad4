"""A folder of the reader's own: which layout is it?

Taught in 03.
"""

from pathlib import Path

from workbook.data import beir, codesearchnet, msmarco, mteb, squad
from workbook.data.formats import ROW_FILES, files_below
from workbook.data.problems import Problems
from workbook.data.reading import Reading

LAYOUTS = {
    "BEIR": beir.LAYOUT,
    "MS MARCO": msmarco.LAYOUT,
    "Hugging Face": mteb.LAYOUT,
    "SQuAD": squad.LAYOUT,
    "CodeSearchNet": codesearchnet.LAYOUT,
}
SHOWN = 12


def read_folder(folder: Path, problems: Problems, name: str | None = None, licence: str = "unknown") -> Reading:
    """Find out in which layout a folder is, by the names of its files, and return its streams.

    Raises:
        FileNotFoundError: no layout fits; the message says what was found, and what each layout needs.

    Taught in 03.
    """
    top = [folder, *sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")]
    for place in top:  # an archive often holds one folder that holds the files
        if any((place / f"corpus.jsonl{ending}").is_file() for ending in ("", ".gz")):
            if any((place / "qrels").glob("*.tsv")) or not mteb.files_of(place, "qrels"):
                return beir.read_beir(place, problems, name or folder.name, licence)
            return mteb.read_hugging_face(place, problems, name or folder.name, licence)
    if msmarco.find(folder, "collection.tsv"):
        return msmarco.read_msmarco(folder, problems, name, licence)
    for place in top:
        if files := [path for path in sorted(place.glob("*.json")) if squad.is_squad(path)]:
            return squad.read_squad(files, problems, name or folder.name, licence)
    for place in top:
        if mteb.files_of(place, "corpus") or any(map(mteb.is_msmarco_rows, mteb.row_files(place)[:1])):
            return mteb.read_hugging_face(place, problems, name or folder.name, licence)
    if any(codesearchnet.split_of(path, folder) for path in files_below(folder)):
        return codesearchnet.read_codesearchnet(folder, problems, name, licence)
    raise FileNotFoundError(
        f"{folder} is in no layout that is known here. It holds {_contents(folder)}. Expected one of:\n"
        + "\n".join(f"  {layout}: {files}" for layout, files in LAYOUTS.items())
    )


def row_or_table_files(folder: Path) -> list[Path]:
    """The files of a folder, and of those below it, that could hold pairs of sentences. Taught in 03."""
    endings = (*ROW_FILES, ".csv", ".tsv", ".tsv.gz")
    return [path for path in files_below(folder) if path.name.endswith(endings)]


def _contents(folder: Path) -> str:
    found = sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir())
    if not found:
        return "nothing"
    return ", ".join(found[:SHOWN]) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")
