"""The words and sentences of `planted`, read from the files of datasets/planted, and checked as they are read.

They were written by hand; nothing in them is true of any real thing. A change to any of them is another
corpus with another fingerprint: then raise `workbook.data.planted.corpus.VERSION`.

Taught in 09.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[3] / "datasets" / "planted"
SENTENCES = {
    "about": [str],  # remarks about a subject: they begin with it, or hold it; {a} is "a plant" and so on
    "met with": [str],  # the same, for what can be met with at a place
    "attended": [str],  # the same, for what is a place or an occasion itself
    "around": [str],  # remarks about a kind at large: no subject
    "boilerplate": [str],
    "denials": [str, 4],
    "questions": [str, 4],  # the first two after a question, the others with the facet as a noun phrase
    "comparisons": [str, 4],
    "aliases": [[str, 4], 3],  # an introduction with a second name, by the form of that one: full, short, nickname
    "bylines": [str, 8],
    "months": [str, 12],
}


def read_words(name: str, shape: Any) -> Any:
    """Read one of the files.

    Args:
        name: of the file.
        shape: what must stand in it: a type; [shape] for a list of any length, [shape, n] for one of n;
            {key: shape} for an object with these keys, {str: shape} for one with any. Nothing may be empty.
    Raises:
        FileNotFoundError: there is no such file.
        ValueError: something else stands in it; the message names file and place.
    """
    path = FOLDER / name
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path} is not there; `planted` needs the folder datasets/ of a clone") from error
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON in UTF-8 ({error})") from error
    _check(value, shape, str(path))
    return value


@cache
def sentences() -> dict[str, Any]:
    """The sentences that are no facts, by what they are for: the keys of `SENTENCES`."""
    found: dict[str, Any] = read_words("sentences.json", SENTENCES)
    return found


def _check(value: Any, shape: Any, place: str) -> None:
    kind = shape if isinstance(shape, type) else type(shape)
    fits = isinstance(value, kind) and bool(value)
    if not fits:
        raise ValueError(f"{place}: expected a {kind.__name__} that is not empty, got {value!r:.80}")
    if isinstance(shape, dict):
        inside = dict.fromkeys(value, shape[str]) if str in shape else shape
        if value.keys() != inside.keys():
            raise ValueError(f"{place}: expected the keys {', '.join(inside)}, got {', '.join(value)}")
        for key, part in inside.items():
            _check(value[key], part, f"{place}, {key}")
    elif isinstance(shape, list):
        if len(shape) == 2 and len(value) != shape[1]:
            raise ValueError(f"{place}: expected {shape[1]} entries, got {len(value)}")
        for number, entry in enumerate(value, start=1):
            _check(entry, shape[0], f"{place}, entry {number}")
