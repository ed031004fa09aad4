"""Encoding and mining on a cluster, as Ray Data jobs: the same functions, called by whoever is alive.

Every task writes a file of its own into the work folder, which all machines must see (a shared disk). When a
worker is lost, Ray gives its tasks to another one; a file that is there is not made again. The driver, which
calls these functions, keeps the books as the local stages do: the manifests and all files are the same.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


def encode(work: str | Path, workers: int | None = None, show: bool | None = None, **options: Any) -> dict[str, Any]:
    """`workbook.pipeline.encode` by the workers of a Ray cluster.

    Args:
        work: the work folder, under the same path on every machine.
        workers: how many tasks at once; as many as the cluster has cores by default.
        show: whether to show progress; by default to a person only.
        options: passed on to the stage.
    Returns:
        the manifest, equal to that of the local path.
    """
    from workbook.pipeline.encode_stage import encode as stage

    return stage(work, show=show, runner=runner(workers), **options)


def mine(work: str | Path, split: str = "train", workers: int | None = None, **options: Any) -> dict[str, Any]:
    """`workbook.pipeline.mine` by the workers of a Ray cluster; arguments as in `encode`."""
    from workbook.pipeline.mine_stage import mine as stage

    return stage(work, split, runner=runner(workers), **options)


def runner(workers: int | None = None) -> Callable[..., Any]:
    """What the stages call instead of `workbook.pipeline.workers.run_tasks`.

    Args:
        workers: how many tasks at once.
    Raises:
        ImportError: Ray is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ImportError("this needs Ray; install it with: pip install 'embedding-workbook[ray]'") from error

    def run_tasks(function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], *_: Any) -> Any:
        if not ray.is_initialized():
            ray.init(log_to_driver=False, include_dashboard=False)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False

        def call(row: dict[str, Any]) -> dict[str, Any]:
            number = int(row["id"])
            from workbook.pipeline.workers import one_thread

            with one_thread():
                found = function(*tasks[number])
            return {"number": number, "found": "" if found is None else str(found)}

        # One block for each task, so that a lost worker costs one task.
        if not tasks:
            return
        rows = ray.data.range(len(tasks), override_num_blocks=len(tasks))
        for row in rows.map(call, num_cpus=1, concurrency=workers).iter_rows():
            yield tasks[int(row["number"])], row["found"]

    return run_tasks
