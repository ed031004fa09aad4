"""A folder of the reader's own: which layout is it?

Taught in 03.
"""

from collections.abc import Sequence
from pathlib import Path

from workbook.data.problems import Problems
from workbook.data.readers import beir, codesearchnet, msmarco, mteb, squad
from workbook.data.readers.formats import ROW_FILES, files_below
from workbook.data.readers.reading import Reading

LAYOUTS = {
    "BEIR": beir.LAYOUT,
    "MS MARCO": msmarco.LAYOUT,
    "Hugging Face": mteb.LAYOUT,
    "SQuAD": squad.LAYOUT,
    "CodeSearchNet": codesearchnet.LAYOUT,
}
SHOWN = 12


def read_folder(
    folder: Path, problems: Problems, name: str | None = None, licence: str = "unknown", parts: Sequence[str] = ()
) -> Reading:
    """Find out in which layout a folder is, by the names of its files, and return its streams.

    Args:
        parts: language and split of a folder in Hugging Face's layout, as for `mteb.read_hugging_face`.
    Raises:
        FileNotFoundError: no layout fits, the message says what was found, and what each layout needs; or the folder
            holds several collections, and the message lists them.
    """
    if parts:
        return mteb.read_hugging_face(folder, problems, name or "/".join([folder.name, *parts]), licence, parts)
    top = [folder, *sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")]
    places = [place for place in top if any((place / f"corpus.jsonl{end}").is_file() for end in ("", ".gz"))]
    if len(places) > 1 and folder not in places:
        inside = ", ".join(place.name for place in places)
        raise FileNotFoundError(f"{folder} holds the collections {inside}; load one of them: {places[0]}")
    for place in places:  # an archive often holds one folder that holds the files
        if any((place / "qrels").glob("*.tsv")) or mteb.configs_of(place).isdisjoint(mteb.KINDS["qrels"]):
            return beir.read_beir(place, problems, name or folder.name, licence)
        return mteb.read_hugging_face(place, problems, name or folder.name, licence)
    if msmarco.find(folder, "collection.tsv"):
        return msmarco.read_msmarco(folder, problems, name, licence)
    for place in top:
        if files := [path for path in sorted(place.glob("*.json")) if squad.is_squad(path)]:
            return squad.read_squad(files, problems, name or folder.name, licence)
    for place in top:
        if mteb.has_corpus(place) or any(map(mteb.is_msmarco_rows, mteb.row_files(place)[:1])):
            return mteb.read_hugging_face(place, problems, name or folder.name, licence)
    if any(codesearchnet.split_of(path, folder) for path in files_below(folder)):
        return codesearchnet.read_codesearchnet(folder, problems, name, licence)
    raise FileNotFoundError(
        f"{folder} is in no layout that is known here. It holds {_contents(folder)}. Expected one of:\n"
        + "\n".join(f"  {layout}: {files}" for layout, files in LAYOUTS.items())
    )


def chosen_part(path: Path) -> tuple[Path, tuple[str, ...]]:
    """A folder with a collection for each language, and what follows it in a path: the language, perhaps the split.

    Returns:
        the folder and the rest, (data/MIRACLRetrieval, ("de",)) of data/MIRACLRetrieval/de; no rest, where no such
        folder stands above the path.
    """
    for count, folder in enumerate(list(path.parents)[:2], start=1):
        if folder.is_dir() and mteb.languages_of({mteb.config_of(entry.name) for entry in folder.iterdir()}):
            return folder, path.parts[-count:]
    return path, ()


def row_or_table_files(folder: Path) -> list[Path]:
    """The files of a folder, and of those below it, that could hold pairs of sentences."""
    endings = (*ROW_FILES, ".csv", ".tsv", ".tsv.gz")
    return [path for path in files_below(folder) if path.name.endswith(endings)]


def _contents(folder: Path) -> str:
    found = sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir())
    if not found:
        return "nothing"
    return ", ".join(found[:SHOWN]) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")
