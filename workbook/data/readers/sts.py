"""The STS Benchmark: pairs of sentences, and how similar people find them, from 0 to 5.

Four forms are read, by what stands in them:

    sts-train.csv, sts-dev.csv, sts-test.csv   the original: no header, tabs; genre, file, year, number, score,
                                               first and second sentence, and sometimes their licence
    stsbenchmark.tsv.gz                        with a header that names split, score, sentence1, sentence2
    stsb-en-train.csv and the like             a comma-separated sentence1, sentence2, score (stsb_multi_mt)
    *.jsonl(.gz), *.parquet                    sentence1, sentence2, and score or similarity_score

In the tab-separated forms a quote is a quote. sentence-transformers/stsb scales its scores to 0 to 1: where no
score of a set is above 1, they are multiplied by 5.

Source: Cer et al. 2017. Taught in 03.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from workbook.data.collection import sha256
from workbook.data.problems import Problems
from workbook.data.readers.formats import ROW_FILES, read_csv, read_lines, read_rows
from workbook.data.readers.texts import stated_licence
from workbook.data.toy import SimilarityPair

LAYOUT = "sts-train.csv, sts-dev.csv and sts-test.csv, stsbenchmark.tsv, or rows with sentence1, sentence2 and score"
ORIGINAL = "genre, file, year, number, score and two sentences, separated by tabs"
SCORES = ("score", "similarity_score", "label")
SPLITS = {"validation": "dev"}  # Hugging Face's name -> the benchmark's


@dataclass(frozen=True)
class SimilaritySet:
    """Pairs of sentences with their similarity, by split.

    Attributes:
        name: what it is called.
        splits: split name -> pairs, scores from 0 to 5.
        licence, fingerprint, problems: as in `workbook.data.Collection`.
    """

    name: str
    splits: dict[str, list[SimilarityPair]] = field(repr=False)
    licence: str = "unknown"
    fingerprint: str = ""
    problems: Problems = field(default_factory=Problems, repr=False, compare=False)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {len(pairs):,}" for name, pairs in self.splits.items())
        return f"{self.name}: {sum(map(len, self.splits.values())):,} pairs of sentences ({sizes}); {self.licence}"


def load_sts(files: list[Path], problems: Problems, name: str, licence: str = "unknown") -> SimilaritySet:
    """Read similarity files; a file that names no split in its rows is the split that its own name says.

    Raises:
        MalformedFile: with strict problems, a row is broken.
    """
    found: dict[str, list[SimilarityPair]] = {}
    for path in files:
        for number, split, score, first, second in _rows(path, problems):
            try:
                value = float(str(score))
            except (TypeError, ValueError):
                value = math.nan
            if not 0 <= value <= 5:
                problems.report("no score", path, number, "a score from 0 to 5", repr(score))
            elif not first.strip() or not second.strip():
                problems.report("empty sentence", path, number, "two sentences", repr((first, second)))
            else:
                found.setdefault(SPLITS.get(split, split), []).append(SimilarityPair(first, second, value))
    pairs = [pair for split in found.values() for pair in split]
    if pairs and max(pair.score for pair in pairs) <= 1:
        found = {
            split: [SimilarityPair(pair.first, pair.second, 5 * pair.score) for pair in pairs]
            for split, pairs in found.items()
        }
    digest = sha256({split: [[p.first, p.second, p.score] for p in pairs] for split, pairs in found.items()})
    licence = stated_licence(files[0].parent, problems, licence) if files else licence
    return SimilaritySet(name, found, licence, f"{name} sha256:{digest[:16]}", problems)


def split_of(path: Path) -> str:
    """The split that a file's name says: sts-train.csv and test-00000-of-00001.parquet."""
    parts = path.name.lower().replace(".", "-").replace("_", "-").split("-")
    return next((part for part in parts if part in ("train", "dev", "test", "validation")), path.name.split(".")[0])


def is_sts(path: Path) -> bool:
    """Whether a file is one of pairs of sentences, by its name or its first row."""
    if path.name.startswith("sts"):
        return True
    try:
        first = next(_rows(path, Problems(strict=True)), None)
        return first is not None and math.isfinite(float(str(first[2])))
    except ValueError:
        return False


def _rows(path: Path, problems: Problems) -> Iterator[tuple[int, str, object, str, str]]:
    """(line, split, score, first sentence, second sentence) of a file in any of the forms."""
    split = split_of(path)
    first = "" if path.name.endswith(ROW_FILES) else next(read_lines(path, Problems()), (0, ""))[1]
    if not first or {"score", "sentence1", "sentence2"} <= set(re.split(r"[\t,]", first)):
        for number, row in read_rows(path, problems):
            score = next((row[name] for name in SCORES if row.get(name) is not None), None)
            one, two = row.get("sentence1"), row.get("sentence2")
            if isinstance(one, str) and isinstance(two, str) and score is not None:
                yield number, str(row.get("split") or split), score, one, two
            else:
                problems.report("no pair", path, number, "sentence1, sentence2 and score", repr(row))
        return
    tabs = "\t" in first
    rows = (
        ((number, line.split("\t")) for number, line in read_lines(path, problems))
        if tabs
        else read_csv(path, problems)
    )
    for number, fields in rows:
        if tabs and len(fields) >= 7:
            yield number, split, fields[4], fields[5], fields[6]
        elif not tabs and len(fields) == 3:
            yield number, split, fields[2], fields[0], fields[1]
        else:
            expected = ORIGINAL if tabs else "sentence1,sentence2,score"
            problems.report("wrong number of fields", path, number, expected, repr(fields))
