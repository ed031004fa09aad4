"""Run the benchmarks, print one table, and write benchmarks/results.json."""

import datetime
import importlib
import importlib.metadata
import json
import sys
import time
from pathlib import Path

import torch

from workbook.support import machine
from workbook.support.files import write_json

NAMES = (
    "search",
    "metrics",
    "bm25",
    "encoding",
    "training",
    "large_batch",
    "mining",
    "late_interaction",
    "index",
    "sparse",
    "rerank",
    "export",
    "planted",
    "smollm2",
    "end_to_end",
)
PEERS = ("accelerate", "pytrec-eval-terrier", "rank-bm25", "ranx", "scipy")  # beside those that every record names
RESULTS = Path(__file__).parent / "results.json"


def main(names: list[str]) -> None:
    """Run the named benchmarks, or all; each replaces its own part of results.json and leaves the others."""
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        raise SystemExit(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    torch.set_num_threads(1)
    taken_on = machine.describe()
    taken_on["versions"] |= {name: importlib.metadata.version(name) for name in PEERS}
    all_rows, others = [], []
    for name in names or NAMES:
        print(f"… {name}", file=sys.stderr, flush=True)
        start = time.process_time()
        benchmark = importlib.import_module(f"benchmarks.{name}")
        rows = benchmark.run()
        seconds = round(time.process_time() - start)
        results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
        date = datetime.date.today().isoformat()
        results[name] = {"date": date, "threads": 1, "cpu_seconds": seconds, **taken_on, "rows": rows}
        write_json(RESULTS, {name: results[name] for name in NAMES if name in results})
        if hasattr(benchmark, "table"):  # it has another question than who is faster
            others.append(benchmark.table(rows))
        else:
            all_rows += rows
    print("\n\n".join([*([table(all_rows)] if all_rows else []), *others]))
    print(f"written to {RESULTS.relative_to(RESULTS.parent.parent)}")


def table(rows: list[dict]) -> str:
    """The rows as one aligned table of text; a note stands below its row, and `!` beside a ratio under its floor."""
    wide = max(len(row["what"]) for row in rows)
    lines = [f"{'what':<{wide}}  {'ours':>9}  {'peer':>9}  {'ratio':>7}  {'floor':>5}  unit, peer"]
    for row in rows:
        floor = row.get("floor") or 0.0
        lines.append(
            f"{row['what']:<{wide}}  {row['ours']:>9.4g}  {row['peer']:>9.4g}  {row['ratio']:>6.2f}×  "
            f"{floor or '':>5}{'!' if row['ratio'] < floor else ' '} {row['unit']}, {row['peer_name']}"
        )
        if row.get("note"):
            lines.append(f"    {row['note']}")
    return "\n".join(lines)


if __name__ == "__main__":
    main(sys.argv[1:])
