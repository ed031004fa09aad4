"""Run the benchmarks, print one table, and write benchmarks/results.json."""

import datetime
import importlib
import sys
from pathlib import Path

import torch

from workbook import machine
from workbook.files import write_json

NAMES = ("search", "metrics", "bm25")
RESULTS = Path(__file__).parent / "results.json"


def main(names: list[str]) -> None:
    """Run the named benchmarks, or all; only a run of all is written down."""
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        raise SystemExit(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    torch.set_num_threads(1)
    rows = []
    for name in names or NAMES:
        print(f"… {name}", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"benchmarks.{name}").run()
    print(table(rows))
    if not names:
        write_json(
            RESULTS, {"date": datetime.date.today().isoformat(), "threads": 1, **machine.describe(), "rows": rows}
        )
        print(f"written to {RESULTS.relative_to(RESULTS.parent.parent)}")


def table(rows: list[dict]) -> str:
    """The rows as one aligned table of text."""
    wide = max(len(row["what"]) for row in rows)
    lines = [f"{'what':<{wide}}  {'ours':>10}  {'peer':>10}  {'ratio':>6}  unit, peer"]
    for row in rows:
        lines.append(
            f"{row['what']:<{wide}}  {row['ours']:>10.4g}  {row['peer']:>10.4g}  {row['ratio']:>5.2f}×  "
            f"{row['unit']}, {row['peer_name']}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main(sys.argv[1:])
