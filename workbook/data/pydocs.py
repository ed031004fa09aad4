"""`pydocs`: a retrieval collection out of the Python packages that the reader has installed.

Every documented function and class gives a pair: the first sentence of its docstring is the query,
the rest is the passage ("pydocs"), or its source without the docstring ("pydocs-code"). The name of
the object is added to neither text of "pydocs", so that a match has to come from what is said.

Source files are read with `ast`: nothing is imported, nothing is run. A file that is broken, empty,
huge or not UTF-8 is passed over and counted. The texts stay on the reader's machine, under the
licences of their packages; nothing is redistributed.

Taught in 00 and 03.
"""

import ast
import gc
import hashlib
import importlib.machinery
import json
import os
import re
import sys
import sysconfig
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbook.data.collection import Collection, sha256
from workbook.support import machine
from workbook.support.files import user_cache, write_atomically
from workbook.support.frontend import track

FORMAT = 3  # raise it when what is read or how it is split changes: old caches are then rebuilt
READ = """numpy scipy pandas sklearn torch transformers sentence_transformers sympy networkx IPython plotly ipywidgets
huggingface_hub safetensors umap numba joblib tqdm jupyterlab jupyter_server nbformat tornado jinja2 requests setuptools"""
OTHERWISE_NAMED = {"sklearn": "scikit-learn", "IPython": "ipython", "umap": "umap-learn"}
PACKAGES = {name: OTHERWISE_NAMED.get(name, name.replace("_", "-")) for name in READ.split()}  # -> the distribution
HELD_OUT = ("networkx", "IPython")  # the second domain: no training pair comes from these
SKIPPED_FOLDERS = frozenset(
    ["tests", "test", "testing", "_vendor", "vendored", "site-packages", "__pycache__", "idlelib", "lib2to3"]
)
MAX_FILE_BYTES = 2_000_000
TEST_SHARE, DEV_SHARE = 0.08, 0.04  # of the groups of near-duplicates
MIN_QUERY_WORDS, MAX_QUERY_WORDS = 3, 40
ARGUMENT = r"\w+ ?\(`|\w+ ?:|\*\w|[:@](param|type|return|raise)"  # how a list of arguments begins
MIN_PASSAGE_WORDS, MAX_PASSAGE_CHARACTERS = 12, 4_000
LICENCE = "the licences of the installed packages; read in place, not redistributed"


@dataclass(frozen=True)
class Documented:
    """One documented object: where it is, what its docstring says, and its code without it."""

    name: str
    title: str
    body: str
    code: str


def load_pydocs(code: bool = False) -> Collection:
    """The collection, from the cache where that is fresh, else built, in well under a minute.

    Args:
        code: titles against code instead of against the rest of the docstring.
    """
    contents = _contents()
    kind = "code" if code else "body"
    corpus = contents[kind]
    queries = {
        query: text for query, text in contents["queries"].items() if any(p in corpus for p in contents["qrels"][query])
    }
    qrels = {query: {p: 1 for p in contents["qrels"][query] if p in corpus} for query in queries}
    splits = {name: tuple(query for query in ids if query in queries) for name, ids in contents["splits"].items()}
    name = "pydocs-code" if code else "pydocs"
    digest = sha256(corpus, queries, qrels, {split: list(ids) for split, ids in splits.items()})
    return Collection(name, corpus, queries, qrels, splits, LICENCE, f"{contents['versions']} sha256:{digest[:16]}")


def report() -> dict[str, int]:
    """What was read and what was passed over, with counts: broken, empty, huge files and so on."""
    counts: dict[str, int] = _contents()["report"]
    return counts


def is_cached() -> bool:
    """Whether the collection is already built for the installed versions."""
    return _read_cache(cache_path()) is not None


def cache_path() -> Path:
    """Where the built collection is kept: in the user's cache, or below `WORKBOOK_CACHE`."""
    return (
        user_cache()
        / f"pydocs-{sha256(FORMAT, versions(), sorted(PACKAGES), HELD_OUT, TEST_SHARE, DEV_SHARE)[:16]}.json"
    )


def versions() -> str:
    """Python's version and those of the packages that are read."""
    return ", ".join(f"{name} {version}" for name, version in machine.versions(tuple(PACKAGES.values())).items())


def sources() -> dict[str, Path]:
    """Package name -> folder of its source; "python" is the standard library. Nothing is imported."""
    found = {"python": Path(sysconfig.get_paths()["stdlib"])}
    # Not from the current folder: a reader's own requests/ there is not the package.
    installed = [entry for entry in sys.path if entry and Path(entry).resolve() != Path.cwd()]
    for package in PACKAGES:
        spec = importlib.machinery.PathFinder.find_spec(package, installed)
        if spec and spec.submodule_search_locations:
            found[package] = Path(next(iter(spec.submodule_search_locations)))
    return found


def build(packages: dict[str, Path]) -> dict[str, Any]:
    """Read packages and make the collection's contents: JSON, ready for the cache.

    Args:
        packages: package name -> folder of its source.
    Returns:
        queries, body, code, qrels, splits, versions, and `report`: what was read and what passed over.
    """
    report: Counter[str] = Counter()
    found: list[tuple[str, Documented]] = []
    gc.freeze()
    gc.disable()  # syntax trees hold no cycles, and looking for some among millions of nodes adds half of the time
    try:
        for package in track(sorted(packages), label="reading the documentation of your Python"):
            found += [(package, item) for item in read_package(package, packages[package], report)]
    finally:
        gc.enable()

    body: dict[str, str] = {}
    code: dict[str, str] = {}
    by_title: dict[str, list[str]] = {}  # one query for each title; every passage under it answers it
    seen: dict[str, str] = {}  # one passage for each text
    package_of: dict[str, str] = {}
    for package, item in found:
        name = item.name
        while name in package_of:
            name += "'"  # a property's setter, or a second definition under an `if`
        first = seen.setdefault(item.body or item.code, name)
        if first != name:
            report["repeated passages"] += 1
        else:
            package_of[name] = package
            for kind, text in ((body, item.body), (code, item.code)):
                if text:
                    kind[name] = text
        ids = by_title.setdefault(item.title, [])
        if first not in ids:
            ids.append(first)

    queries = {f"q:{ids[0]}": title for title, ids in by_title.items()}
    # Two titles may begin with one shared passage; the second keeps its own id.
    if len(queries) < len(by_title):
        queries = {f"q:{i}:{ids[0]}": title for i, (title, ids) in enumerate(by_title.items())}
    qrels = dict(zip(queries, by_title.values(), strict=True))
    splits = split_queries(queries, qrels, body, code, package_of)
    report["queries"], report["passages"] = len(queries), len(body)
    contents = {"queries": queries, "body": body, "code": code, "qrels": qrels, "splits": splits}
    return contents | {"versions": versions(), "report": dict(sorted(report.items()))}


def read_package(package: str, folder: Path, report: Counter[str]) -> Iterator[Documented]:
    """Every documented object of a package, in an order that does not depend on the file system."""
    for path in sorted(python_files(folder)):
        module = ".".join([package, *path.relative_to(folder).with_suffix("").parts]).removesuffix(".__init__")
        text = read_source(path, report)
        if text is None:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a stray backslash in somebody's string is not our affair
                tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            report["files that do not parse"] += 1
            continue
        report["files read"] += 1
        yield from documented(tree, text.split("\n"), module)


def python_files(folder: Path) -> Iterator[Path]:
    """The .py files of a package, without tests and copies of other packages."""
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS]
        yield from (Path(root, name) for name in files if name.endswith(".py") and not name.startswith("test_"))


def read_source(path: Path, report: Counter[str]) -> str | None:
    """The text of a source file; None, and a count in the report, where it is of no use.

    Lines end as Python ends them: `str.splitlines` would also cut at a form feed, and lose count.
    """
    try:
        size = path.stat().st_size
        if size == 0 or size > MAX_FILE_BYTES:
            report["empty files" if size == 0 else "huge files"] += 1
            return None
        text = path.read_bytes().decode("utf-8-sig")  # some editors put a byte order mark in front
        return text.replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        report["files not in UTF-8"] += 1
    except OSError:
        report["files that cannot be read"] += 1
    return None


def documented(tree: ast.AST, lines: list[str], prefix: str) -> Iterator[Documented]:
    """The public functions and classes below a node, with their docstrings."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if isinstance(node, ast.If | ast.Try):
                yield from documented(node, lines, prefix)
            continue
        name = f"{prefix}.{node.name}"
        docstring = ast.get_docstring(node)
        if docstring and not node.name.startswith("_"):
            title, body = split_docstring(docstring)
            if is_sentence(title):
                code = "" if isinstance(node, ast.ClassDef) else code_without_docstring(node, lines)
                if body or code:
                    yield Documented(name, title, body, code)
        if isinstance(node, ast.ClassDef):
            yield from documented(node, lines, name)


def is_sentence(title: str) -> bool:
    """Whether a docstring's first sentence can stand as a query; a list of arguments cannot."""
    return MIN_QUERY_WORDS <= len(title.split()) <= MAX_QUERY_WORDS and not re.match(ARGUMENT, title)


def split_docstring(docstring: str) -> tuple[str, str]:
    """A docstring's first sentence, and the rest; the rest is empty when it says too little."""
    paragraph, _, rest = docstring.strip().partition("\n\n")
    paragraph = " ".join(paragraph.split())
    end = re.search(r"(?<=[a-z0-9\)`'\"])\.\s+(?=[A-Z`])", paragraph)
    title = paragraph[: end.start()] if end else paragraph
    rest = f"{paragraph[end.end() :]}\n\n{rest}" if end else rest
    rest = re.sub(r"^\s*[-=~^]{3,}\s*$", "", rest, flags=re.MULTILINE)  # the lines under headings
    rest = re.sub(r"[ \t]+", " ", re.sub(r"\n\s*\n+", "\n", rest)).strip()[:MAX_PASSAGE_CHARACTERS]
    return title.rstrip("."), rest if len(rest.split()) >= MIN_PASSAGE_WORDS else ""


def code_without_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> str:
    """The source lines of a function without its docstring; empty when nothing is left of it."""
    first = node.body[0]
    if len(node.body) < 2 or node.end_lineno is None or first.end_lineno is None:
        return ""
    kept = lines[node.lineno - 1 : first.lineno - 1] + lines[first.end_lineno : node.end_lineno]
    return "\n".join(line.rstrip() for line in kept if line.strip())[:MAX_PASSAGE_CHARACTERS]


# --- splits: near-duplicates stay together -----------------------------------------------------


def place_of(titles: Iterable[str]) -> float:
    """Where between 0 and 1 a group of titles falls, by what they say alone.

    One title speaks for the group, the one whose hash is smallest: most groups keep it when a package brings or drops
    a few. Its second hash is the place; the first would be small in every large group.
    """
    speaker = min(hashlib.sha256(title.encode("utf-8", "replace")).digest() for title in titles)
    return int.from_bytes(hashlib.sha256(speaker).digest()[:8], "big") / 2**64


def split_queries(
    titles: dict[str, str],
    qrels: dict[str, list[str]],
    body: dict[str, str],
    code: dict[str, str],
    package_of: dict[str, str],
) -> dict[str, list[str]]:
    """Deal the queries into train, dev, test and held_out, whole groups of near-duplicates at a time.

    A test passage that stands in the training data with one word changed measures memory. So
    queries whose passages are near-duplicates go to the same split. Which one follows from the words of
    their titles: another version of a package moves nothing that was learned from into the test.
    """
    from workbook.training_data.near_duplicates import find, join, near_duplicates

    parent: dict[str, str] = {}
    for texts in (body, code):  # alike in either is alike: one split serves both collections
        first: dict[int, str] = {}
        for passage, number in near_duplicates(texts).items():
            join(parent, passage, first.setdefault(number, passage))
    for passages in qrels.values():
        for passage in passages[1:]:
            join(parent, passage, passages[0])
    groups: dict[str, list[str]] = defaultdict(list)
    for query, passages in qrels.items():
        groups[find(parent, passages[0])].append(query)

    splits: dict[str, list[str]] = {"train": [], "dev": [], "test": [], "held_out": []}
    for group in groups.values():
        place = place_of(titles[query] for query in group)
        if any(package_of[passage] in HELD_OUT for query in group for passage in qrels[query]):
            splits["held_out"] += group
        elif len(group) > 20 or place >= TEST_SHARE + DEV_SHARE:  # a large family of look-alikes would fill a test set
            splits["train"] += group
        else:
            splits["test" if place < TEST_SHARE else "dev"] += group
    return splits


# --- the cache: one line of checksum, one of JSON ------------------------------------------------


def _contents() -> dict[str, Any]:
    path = cache_path()
    contents = _read_cache(path)
    if contents is None:
        contents = build(sources())
        payload = json.dumps(contents, ensure_ascii=False).encode("utf-8", "replace")
        try:
            write_atomically(path, hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload)
        except OSError as error:
            warnings.warn(
                f"pydocs could not be kept in {path.parent} ({error}), so it will be built again next time; "
                "free some space, or name a folder that can be written in WORKBOOK_CACHE",
                stacklevel=2,
            )
    return contents


def _read_cache(path: Path) -> dict[str, Any] | None:
    """The cached contents; None where there are none, or where they are damaged."""
    try:
        checksum, _, payload = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    return json.loads(payload) if hashlib.sha256(payload).hexdigest().encode() == checksum else None
