"""CodeSearchNet: a function's documentation finds its code.

LANGUAGE/final/jsonl/SPLIT/LANGUAGE_SPLIT_N.jsonl.gz, a function in each line, split train, valid or test. The
original names its fields code, code_tokens, docstring, url; Hugging Face's form func_code_string, func_code_tokens,
func_documentation_string, func_code_url. The url is the id of the function and of its documentation. Beside the
folders the original has pickles (licences, and functions without documentation): they are never unpacked.

`code` holds the docstring that is the query: a search that finds it there has found nothing. So a passage is
made of code_tokens, which leave comments out, joined by spaces; with docstrings=True it is the code as it was.

Source: Husain et al. 2019. Taught in 07 and 20.
"""

import re
from collections.abc import Container, Iterator
from functools import partial
from pathlib import Path

from workbook.data.problems import Problems
from workbook.data.readers.formats import ROW_FILES, read_rows
from workbook.data.readers.reading import Judgements, Reading, Texts
from workbook.support.files import files_below

LAYOUT = "*.jsonl.gz with code, code_tokens, docstring and url (or func_code_string and so on)"
NAMES = {
    "code": ("code", "func_code_string"),
    "tokens": ("code_tokens", "func_code_tokens"),
    "docstring": ("docstring", "func_documentation_string"),
    "url": ("url", "func_code_url"),
}
COLUMNS = [name for names in NAMES.values() for name in names]
SPLITS = ("train", "valid", "validation", "test")


def read_codesearchnet(folder: Path, docstrings: bool = False) -> Reading:
    """Find CodeSearchNet's files in a folder and the folders below it.

    Args:
        docstrings: leave the docstring in the passage. Then a search for it is no test.
    Raises:
        FileNotFoundError: there is no such file.
    """
    files = {path: split for path in files_below(folder) if (split := split_of(path, folder))}
    if not files:
        raise FileNotFoundError(f"{folder} holds no {LAYOUT}")

    def passages(problems: Problems) -> Texts:
        for path in files:
            for number, url, code, tokens, _ in functions(path, problems):
                yield path, number, url, code if docstrings or not tokens else " ".join(tokens)

    def queries(problems: Problems, split: str | None = None) -> Texts:
        seen: set[str] = set()  # a function that stands twice was reported among the passages
        for path in (path for path in files if split in (None, files[path])):
            for number, url, _, _, docstring in functions(path, problems):
                if url not in seen:
                    seen.add(url)
                    yield path, number, url, docstring

    def judgements(split: str, problems: Problems, known: Container[str]) -> Judgements:
        for path, number, url, _ in queries(problems, split):
            yield path, number, url, url, 1

    splits = {split: partial(judgements, split) for split in dict.fromkeys(files.values())}
    return Reading(folder.name, passages, queries, splits)


def functions(path: Path, problems: Problems) -> Iterator[tuple[int, str, str, list[str], str]]:
    """(line, url, code, code tokens, docstring) of each function of a file."""
    expected = "code, docstring and url (or func_code_string, func_documentation_string and func_code_url)"
    for number, row in read_rows(path, problems, COLUMNS):
        code, tokens, docstring, url = (
            next((row[name] for name in names if row.get(name)), None) for names in NAMES.values()
        )
        texts = (code, docstring, url)
        if all(isinstance(text, str) and text.strip() for text in texts):
            yield number, url, code, list(map(str, tokens or ())), docstring  # type: ignore[misc]
        else:
            problems.report("no code or docstring", path, number, expected, f"{texts!r:.120}")


def split_of(path: Path, folder: Path) -> str | None:
    """The split of a file: the folder it stands in, or a part of its name. None for other files."""
    if not path.name.endswith(ROW_FILES):
        return None
    parts = re.split(r"[/_.-]", path.relative_to(folder).as_posix())  # partial-train, as converted Parquet has it
    return next((part for part in reversed(parts) if part in SPLITS), None)
