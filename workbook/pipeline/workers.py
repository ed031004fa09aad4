"""Workers: the same function here, in several processes of this machine, or in those of torchrun.

Every worker uses one thread, so that sums are added in the same order whoever adds them, and each task writes
a file of its own, so that it does not matter which worker does it.
"""

import atexit
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbook.pipeline.progress import progress

if TYPE_CHECKING:
    import torch

WINDOWS = 61  # workers that Python can wait for on Windows at most
POLL = 0.5  # seconds between two looks at what the workers have reported
More = Callable[[int], object]
_more: More = lambda count: None  # noqa: E731, of the task that this process is at


def place() -> tuple[int, int]:
    """This process' number and how many there are, as torchrun states them; (0, 1) without it."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def join() -> tuple[int, int]:
    """Meet the other processes of torchrun, once; returns `place()`.

    The group stays until the process ends: one that is left and joined again would wait for addresses of the past.
    """
    from torch import distributed

    if place()[1] > 1 and not distributed.is_initialized():
        distributed.init_process_group("gloo")
        atexit.register(lambda: distributed.is_initialized() and distributed.destroy_process_group())
    return place()


def device_of(name: str) -> "torch.device":
    """The device of this process. Of several GPUs each process takes its own, as long as there are enough.

    Args:
        name: "cpu", "cuda" or "mps".
    Raises:
        ValueError: this machine has no such device.
    """
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(name):
        raise ValueError(f"device must be one of {', '.join(one for one in there if there[one])} here, got {name!r}")
    if name != "cuda":
        return torch.device(name)
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK") or _number()) % torch.cuda.device_count())


def _number() -> int:
    """Of a worker; those of one pool have consecutive ones."""
    number = multiprocessing.current_process().name.rpartition("-")[2]  # SpawnProcess-3, or MainProcess
    return int(number) if number.isdigit() else 0


def report(count: int) -> None:
    """Say from inside a task that so many more are done, to whoever runs it."""
    _more(count)


def run_tasks(
    function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], processes: int = 1, more: More = _more
) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Call function(*task) for each task, in this process or in several.

    Args:
        function: importable by name; its arguments and what it returns are plain data.
        tasks: the arguments of each call.
        processes: how many processes; 1 uses this one.
        more: called with what the tasks `report`.
    Yields:
        (task, what the function returned), as they are finished.
    Raises:
        RuntimeError: a process was killed, for example because memory ran out.
        KeyboardInterrupt: all processes have ended at once; what they had not finished is to be done again.
    """
    if processes < 1:
        raise ValueError(f"processes must be at least 1, got {processes}")
    if processes == 1 or len(tasks) < 2:
        for task in tasks:
            with one_thread(), _reporting(more):
                found = function(*task)
            yield task, found
        return
    context = multiprocessing.get_context("spawn")  # on every system the same, and safe beside threads
    ended, alive = context.Pipe(duplex=False)  # nothing is ever sent; the workers end when the other end is closed
    processes = min(processes, WINDOWS if sys.platform == "win32" else processes, len(tasks))
    reported, told = context.RawArray("q", processes), 0  # a place for each worker, so that none waits for another
    workers = ProcessPoolExecutor(processes, context, _begin_worker, (ended, reported))
    with ended, alive, workers as pool:
        try:
            with _later():
                futures = {pool.submit(function, *task): task for task in tasks}
            left = set(futures)
            while left:
                done, left = wait_for(left, POLL, FIRST_COMPLETED)
                new = sum(reported) - told
                told += new
                more(new)
                for future in done:
                    yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise RuntimeError(
                "a worker process was killed, perhaps because memory ran out; run again with fewer processes: what is "
                'finished is kept. (A script that calls this must do so under `if __name__ == "__main__":`)'
            ) from error
        except (KeyboardInterrupt, GeneratorExit):
            alive.close()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def slices(total: int, size: int) -> list[tuple[int, int, int]]:
    """Rows in parts of `size`: number of the part, its first row, and the row after its last."""
    return [(number, start, min(start + size, total)) for number, start in enumerate(range(0, total, size))]


def make_files(
    folder: Path,
    function: Callable[..., Any],
    files: Mapping[str, tuple[int, tuple[Any, ...]]],
    label: str,
    processes: int = 1,
    show: bool | None = None,
    runner: Callable[..., Any] = run_tasks,
) -> dict[str, Any]:
    """Make the files of a folder, each by a task of its own, which does nothing where its file is there.

    Args:
        folder: of the files.
        function: as in `run_tasks`; makes one file unless it is there.
        files: name -> how much it counts, and the arguments of the function, all hashable.
        label: of the progress.
        processes: on this machine.
        show: whether to show progress; by default to a person only.
        runner: who calls the function for each file; `run_tasks`, or one of `workbook.pipeline.ray_jobs`.
    Returns:
        name -> what the function returned.
    """
    names = {task: name for name, (_, task) in files.items()}
    done, shown = 0, sum(count for name, (count, _) in files.items() if (folder / name).is_file())
    made: dict[str, Any] = {}
    with progress(label, sum(count for count, _ in files.values()), shown, show) as more:

        def tell(count: int) -> None:
            nonlocal shown
            shown += count
            more(count)

        for task, found in runner(function, list(names), processes, tell):
            made[names[task]] = found
            done += files[names[task]][0]
            tell(max(0, done - shown))  # where nobody reported it, as on other machines
    return made


@contextmanager
def _reporting(more: More) -> Iterator[None]:
    global _more
    before, _more = _more, more
    try:
        yield
    finally:
        _more = before


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread, and faiss where it is loaded."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    faiss = sys.modules.get("faiss")
    threads = faiss.omp_get_max_threads() if faiss else 0
    if faiss:
        faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        if faiss:
            faiss.omp_set_num_threads(threads)


@contextmanager
def _later() -> Iterator[None]:
    """Let Ctrl-C wait until the block is over; processes that begin in it do not notice it before they are ready."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin_worker(ended: Connection, reported: Any) -> None:
    """One thread, reports into a place of its own, and an end when the parent ends, which may be unable to tell.

    The parent holds the other end of the pipe. The system closes it when the parent ends, however it ends.
    """
    global _more

    def add(count: int) -> None:
        reported[_number() % len(reported)] += count

    _more = add
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; the parent decides
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    def watch() -> None:
        wait([ended])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    import torch

    torch.set_num_threads(1)
