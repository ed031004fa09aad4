"""What each chapter and each test file costs, by the clock of the worker that ran it, in the last `make test`.

    python -m benchmarks.ledger build/ledger            # print it
    python -m benchmarks.ledger build/ledger --keep     # and keep it as benchmarks/ledger.json

The budget: all notebooks of 23 chapters, both editions, 15 minutes with two workers; everything together 30.
"""

import argparse
import datetime
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

from workbook.support import machine
from workbook.support.files import write_json

KEPT = Path(__file__).parent / "ledger.json"
WORKERS, CHAPTERS = 2, 23
BOOK, ALL = 15 * 60 * WORKERS, 30 * 60 * WORKERS  # seconds of one worker
LEARNERS = "tests/notebooks/test_learner_edition"  # what runs the other edition
SHOWN = 15  # test files


def costs(folder: Path) -> dict[str, dict[str, float]]:
    """Seconds of each file, the dearest first, by report.

    Args:
        folder: with the reports in JUnit's form, as pytest writes them.
    Raises:
        FileNotFoundError: there is none.
    """
    reports = sorted(folder.glob("*.xml"))
    if not reports:
        raise FileNotFoundError(f"{folder} holds no report; `make test` writes them")
    found: dict[str, dict[str, float]] = {}
    for report in reports:
        seconds: dict[str, float] = defaultdict(float)
        for case in ElementTree.parse(report).iter("testcase"):
            seconds[_file_of(case.get("classname", ""))] += float(case.get("time", 0))
        found[report.stem] = dict(sorted(((f, round(s, 1)) for f, s in seconds.items()), key=lambda row: -row[1]))
    return found


def table(found: dict[str, dict[str, float]]) -> str:
    """The ledger as text: the chapters, the dearest test files, and what is left."""
    lines = []
    for report, seconds in found.items():
        lines.append(f"{report}: {sum(seconds.values()):,.0f} s of one worker")
        shown = list(seconds.items())[: None if report == "notebooks" else SHOWN]
        lines += [f"  {s:>7.1f}  {file}" for file, s in shown]
    book = sum(found.get("notebooks", {}).values()) + found.get("tests", {}).get(LEARNERS, 0)
    everything = sum(sum(seconds.values()) for seconds in found.values())
    lines.append(
        f"both editions of all notebooks: {book:,.0f} of {BOOK:,} s; a chapter's share is {BOOK / CHAPTERS:.0f} s"
    )
    lines.append(f"everything: {everything:,.0f} of {ALL:,} s")
    return "\n".join(lines)


def _file_of(classname: str) -> str:
    """tests.losses.test_triplet.TestMargin -> tests/losses/test_triplet; a notebook's name has dots of its own."""
    if ".ipynb" in classname:
        return classname.split(".ipynb")[0].rpartition(".")[2]
    parts = classname.split(".")
    last = next((i for i, part in enumerate(parts) if part.startswith("test_")), len(parts) - 1)
    return "/".join(parts[: last + 1])


def main() -> None:
    """Print the ledger, and keep it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    found = costs(options.folder)
    print(table(found))
    if options.keep:
        write_json(KEPT, {"date": datetime.date.today().isoformat(), **machine.describe(), "seconds": found})


if __name__ == "__main__":
    main()
