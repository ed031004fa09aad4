"""A folder of the reader's own: which layout is it?

Taught in 03.
"""

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from workbook.data.collection import Collection
from workbook.data.problems import Problems
from workbook.data.readers import codesearchnet, msmarco, mteb, own, squad
from workbook.data.readers.formats import PACKED, ROW_FILES, TABLE_FILES
from workbook.data.readers.reading import Reading, into_memory
from workbook.data.readers.texts import stated_licence
from workbook.support.files import files_below

LAYOUTS = {
    "BEIR, Hugging Face": mteb.LAYOUT,
    "MS MARCO": msmarco.LAYOUT,
    "SQuAD": squad.LAYOUT,
    "CodeSearchNet": codesearchnet.LAYOUT,
    "texts of your own": own.LAYOUT,
}
SHOWN = 12


def read_folder(
    folder: Path, problems: Problems, name: str | None = None, licence: str = "unknown", parts: Sequence[str] = ()
) -> Reading:
    """Find out in which layout a folder is, by the names of its files, and return its streams.

    Args:
        name, licence: what to call it, the folder's name by default; and its licence, unless a meta.json states one.
        parts: language and split of a folder in Hugging Face's layout, as for `mteb.read_hugging_face`.
    Raises:
        FileNotFoundError: no layout fits, the message says what was found, and what each layout needs; or the folder
            holds several collections, and the message lists them.
    """
    place, reading = _in_layout(folder, problems, parts)
    licence = stated_licence(place, problems, licence)
    return replace(reading, name=name or "/".join([folder.name, *parts]), licence=licence)


def _in_layout(folder: Path, problems: Problems, parts: Sequence[str]) -> tuple[Path, Reading]:
    """The folder in which the files stand, and what was found there."""
    if parts:
        return folder, mteb.read_hugging_face(folder, parts)
    top = [folder, *sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")]
    places = [place for place in top if any((place / f"corpus.jsonl{end}").is_file() for end in ("", *PACKED))]
    if len(places) > 1 and folder not in places:
        inside = ", ".join(place.name for place in places)
        raise FileNotFoundError(f"{folder} holds the collections {inside}; load one of them: {places[0]}")
    for place in places:  # an archive often holds one folder that holds the files
        return place, mteb.read_hugging_face(place)
    if msmarco.find(folder, "collection.tsv"):
        return folder, msmarco.read_msmarco(folder)
    for place in top:
        if files := [path for path in sorted(place.glob("*.json")) if squad.is_squad(path)]:
            return place, squad.read_squad(files, problems)
    for place in top:
        if mteb.has_corpus(place) or any(map(mteb.is_msmarco_rows, mteb.row_files(place)[:1])):
            return place, mteb.read_hugging_face(place)
    if any(codesearchnet.split_of(path, folder) for path in files_below(folder)):
        return folder, codesearchnet.read_codesearchnet(folder)
    if own.has_texts(folder):
        return folder, own.read_own(folder, problems)
    raise FileNotFoundError(
        f"{folder} is in no layout that is known here. It holds {_contents(folder)}. Expected one of:\n"
        + "\n".join(f"  {layout}: {files}" for layout, files in LAYOUTS.items())
    )


def load_folder(folder: Path, name: str | None = None, licence: str = "unknown", strict: bool = False) -> Collection:
    """Read a folder in any layout into memory.

    Args:
        folder: where the files stand.
        name: what to call it; the folder's name by default.
        licence: what to state as its licence, unless a meta.json in the folder states one.
        strict: stop at the first broken line; else it is left out, and the collection's `problems` tell.
    Raises:
        FileNotFoundError: no layout fits.
        MalformedFile: with `strict`, a line is broken, an id stands twice, or a judgement names an unknown id.
    """
    problems = Problems(strict)
    return into_memory(read_folder(Path(folder), problems, name, licence), problems)


def not_there(path: Path) -> str:
    """What is said of a path that leads nowhere: what is missing of it, and what stands there under a similar name."""
    missing = next(place for place in (*reversed(path.parents), path) if not place.exists())
    beside = [entry.name for entry in missing.parent.iterdir()] if missing.parent.is_dir() else []
    near = get_close_matches(missing.name, beside)
    return f"no such folder or file: {missing}" + (f"; did you mean {' or '.join(near)}?" if near else "")


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
    return [path for path in files_below(folder) if path.name.endswith((*ROW_FILES, *TABLE_FILES))]


def _contents(folder: Path) -> str:
    found = sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir())
    if not found:
        return "nothing"
    return ", ".join(found[:SHOWN]) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")
