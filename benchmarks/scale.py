"""The whole pipeline on planted corpora of growing size: time, memory, disk, and how each grows.

    python -m benchmarks.scale 10000 100000 1000000 8800000 --work /some/large/disk

Every stage runs as its own process, as a reader would run it. Each size is written to the record when it is
done, so a run of the largest alone leaves the others as they were. A folder that is there already is gone on
with, and then its times are not those of a whole run; `--anew` removes it first.
"""

import argparse
import datetime
import json
import math
import os
import shutil
import sys
from pathlib import Path

from workbook.support import machine
from workbook.support.files import write_json
from workbook.support.watching import watch

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "workbook/pipeline/records/scale.json"
QUERIES = 2_000  # of dev that are searched and evaluated, whatever the size
MINED = 10_000  # of train that are searched and mined, at most
EXACT = 200  # of dev that are compared with every vector, for recall
LIMITS = {
    "peak_memory_gib": 4.0,
    "minutes": 90.0,
    "text_mb_per_second": 100.0,
    "build_slope": 1.05,
    "search_slope": 0.5,
}
BUILD = ("data", "train", "encode", "index")
HNSW_UP_TO = 1_000_000  # passages; a graph takes ten times as long to build as lists


def main() -> None:
    """Measure the sizes asked for, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", type=int, nargs="+")
    parser.add_argument("--work", type=Path, required=True, help="a folder with room: about 1.2 GB a million passages")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", action="store_true", help="leave the work folders")
    parser.add_argument("--anew", action="store_true", help="remove what is there first")
    parser.add_argument("--record", type=Path, default=RECORD)
    options = parser.parse_args()
    for size in options.sizes:
        work = options.work / f"planted-{size}"
        if options.anew:
            shutil.rmtree(work, ignore_errors=True)
        measured = measure(size, work, options.processes)
        record = json.loads(options.record.read_text("utf-8")) if options.record.is_file() else {"sizes": {}}
        record["sizes"][str(size)] = measured
        record["sizes"] = dict(sorted(record["sizes"].items(), key=lambda item: int(item[0])))
        record |= {"how": "python -m benchmarks.scale SIZES --work FOLDER", "what_is_what": EXPLAINED, "limits": LIMITS}
        record["slopes"] = slopes(record["sizes"])
        write_json(options.record, record)
        print(table(record), flush=True)
        if not options.keep:
            shutil.rmtree(work)


EXPLAINED = {
    "wall_seconds": "from the start of the stage's process to its end, imports included",
    "cpu_seconds": "of the process and its workers",
    "peak_anonymous_bytes": "most that the process and its workers held at once in memory of their own (RssAnon, "
    "sampled 20 times a second); this is what the limit of 4 GiB is about",
    "peak_resident_bytes": "the same with pages of memory-mapped files (RSS, shared pages counted for each process), "
    "which the system can take back at any time",
    "bytes": "of the stage's folder when it is finished",
    "slopes": "of log(seconds) over log(passages), by least squares over all sizes, and between the two largest",
}


def measure(size: int, work: Path, processes: int) -> dict:
    """All stages at one size."""
    many = ["--processes", str(processes)]
    stages = [
        ("data", ["data", work, "planted", "--passages", size], "data"),
        ("train", ["train", work], "model"),
        ("encode", ["encode", work, *many], "vectors"),
        ("index", ["index", work, "--kind", "ivfpq", *many], "index"),
        ("search", ["search", work, "dev", "--limit", QUERIES, *many], "runs/dev"),
        ("search exactly", ["search", work, "dev", "--limit", EXACT, "--exact", "--no-trec"], "runs/dev-exact"),
        ("evaluate", ["evaluate", work, "dev"], "evaluation/dev"),
        ("search train", ["search", work, "train", "--limit", MINED, "--no-trec", *many], "runs/train"),
        ("mine", ["mine", work, *many], "negatives/train"),
    ]
    measured: dict = {
        "date": datetime.date.today().isoformat(),
        **machine.describe(),
        "processes": processes,
        "load_before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "stages": {},
    }
    for name, command, folder in stages:
        cost = measured["stages"][name] = run_stage(command, work / folder)
        print(f"{size:>9,} {name:<16} {cost['wall_seconds']:>8.1f} s {cost['cpu_seconds']:>8.1f} CPU s", flush=True)
    for name in ("text", "latency", "transformer"):
        measured[name] = run_part(name, work)
    read = json.loads((work / "evaluation/dev/evaluation.json").read_text("utf-8"))
    measured["metrics"] = read["metrics"]
    measured["index"] = json.loads((work / "index/manifest.json").read_text("utf-8"))["settings"]
    measured["totals"] = {
        "wall_seconds": sum(cost["wall_seconds"] for cost in measured["stages"].values()),
        "cpu_seconds": sum(cost["cpu_seconds"] for cost in measured["stages"].values()),
        "peak_anonymous_bytes": max(cost["peak_anonymous_bytes"] or 0 for cost in measured["stages"].values()),
        "peak_resident_bytes": max(cost["peak_resident_bytes"] or 0 for cost in measured["stages"].values()),
        "bytes": sum(cost["bytes"] for cost in measured["stages"].values()),
    }
    if size <= HNSW_UP_TO:
        built = run_stage(["index", work, "--kind", "hnsw", "--anew", *many], work / "index")
        run_stage(["search", work, "dev", "--limit", QUERIES, "--anew", "--no-trec", *many], work / "runs/dev")
        measured["hnsw"] = {"index": built, "latency": run_part("latency", work)}
    return measured


def run_stage(command: list, folder: Path) -> dict:
    """Run a command of the workbook; what it cost, and the bytes in its folder."""
    cost = watch([sys.executable, "-m", "workbook", *map(str, command), "--quiet"], ROOT)
    del cost["said"]
    return {**cost, "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())}


def run_part(name: str, work: Path) -> dict:
    """Run a part of `scale_parts`; what it measured, and what that cost."""
    cost = watch([sys.executable, "-m", "benchmarks.scale_parts", name, str(work)], ROOT)
    return {**json.loads(cost.pop("said")), "cost": cost}


def slopes(sizes: dict) -> dict:
    """Of log(seconds) over log(passages): over all sizes by least squares, and between the two largest alone.

    What a stage takes to start flattens the first; the second is nearer to how it goes on.
    """
    if len(sizes) < 2:
        return {}
    largest = dict(list(sizes.items())[-2:])
    return {"all sizes": _slopes(sizes), "the two largest": _slopes(largest)}


def _slopes(sizes: dict) -> dict:
    x = [math.log(int(size)) for size in sizes]

    def slope(values: list[float]) -> float:
        y = [math.log(max(value, 1e-9)) for value in values]
        mx, my = sum(x) / len(x), sum(y) / len(y)
        return round(sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True)) / sum((a - mx) ** 2 for a in x), 3)

    found: dict = {}
    for kind in ("wall_seconds", "cpu_seconds"):
        stages = {
            name: slope([one["stages"][name][kind] for one in sizes.values()])
            for name in next(iter(sizes.values()))["stages"]
        }
        build = slope([sum(one["stages"][name][kind] for name in BUILD) for one in sizes.values()])
        found[kind] = {**stages, "build": build}
    found["one query in the index"] = slope([one["latency"]["index_ms"] for one in sizes.values()])
    found["one query, scored again"] = slope([one["latency"]["whole_ms"] for one in sizes.values()])
    return found


def table(record: dict) -> str:
    """The record as text."""
    lines = [
        f"{'passages':>10}  {'stage':<16} {'wall s':>8} {'CPU s':>8} {'own GiB':>8} {'RSS GiB':>8} {'GB on disk':>10}"
    ]
    for size, one in record["sizes"].items():
        for name, cost in {**one["stages"], "all": one["totals"]}.items():
            own, rss = ((cost[key] or 0) / 2**30 for key in ("peak_anonymous_bytes", "peak_resident_bytes"))
            lines.append(
                f"{int(size):>10,}  {name:<16} {cost['wall_seconds']:>8.1f} {cost['cpu_seconds']:>8.1f} {own:>8.2f} "
                f"{rss:>8.2f} {cost['bytes'] / 1e9:>10.3f}"
            )
        text, latency, transformer = one["text"], one["latency"], one["transformer"]
        lines.append(
            f"{'':>10}  text: opened in {text['open_seconds']:.3f} s and {text['open_bytes'] / 1e6:.0f} MB, read {text['read_mb_per_second']:.0f} MB/s, write {text['write_mb_per_second']:.0f} MB/s"
        )
        lines.append(
            f"{'':>10}  a query: {latency['index_ms']:.3f} ms in the index, {latency['whole_ms']:.3f} ms with scoring; "
            f"recall@10 of the exact search {latency['recall_at_10']:.3f}"
        )
        lines.append(
            f"{'':>10}  transformer: {transformer['passages_per_cpu_second']:.0f} passages a CPU second on "
            f"{transformer['sample']:,}, extrapolated {transformer['extrapolated_cpu_hours']:.2f} CPU hours"
        )
        if "hnsw" in one:
            built, latency = one["hnsw"]["index"], one["hnsw"]["latency"]
            lines.append(
                f"{'':>10}  hnsw: {built['cpu_seconds']:.0f} CPU s, {built['bytes'] / 1e9:.3f} GB; a query "
                f"{latency['whole_ms']:.3f} ms with scoring; recall@10 {latency['recall_at_10']:.3f}"
            )
    lines.append(json.dumps(record["slopes"], indent=1))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
