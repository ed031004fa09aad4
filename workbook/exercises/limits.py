"""A learner's function runs inside these limits: time, memory, what it prints, random numbers, what may crash.

Everything is put back afterwards, whatever happens inside.
"""

import ctypes
import functools
import io
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import numpy as np
import torch

T = TypeVar("T")
SPARE_MEMORY = 2**30  # a function may always take this many bytes more than the process has
WAITING = (
    6.0  # a function that waits, or whose machine is busy, may take so many times its seconds by the clock on the wall
)


class TimeLimit(BaseException):
    """The time is up. Not an Exception, so that `except Exception` in an answer cannot swallow it."""


def stopwatch(processor: Callable[[], float] = time.thread_time) -> Callable[[], float]:
    """A function that gives the seconds used since now: those of the processor, or of the wall a part, if that is more.

    So nobody's loop is called slow because other programs were running beside it.
    """
    start, begun = processor(), time.monotonic()
    return lambda: max(processor() - start, (time.monotonic() - begun) / WAITING)


def run_limited(function: Callable[[], T], seconds: float) -> T:
    """Call `function` and stop it once it has used its seconds (see `stopwatch`), an endless loop included.

    In the main thread of Linux and macOS the system's timer interrupts it. On Windows, and in other
    threads, a second thread raises the exception in this one. A handler or a timer that was set
    before (a test runner's, say) is put back.

    Raises:
        TimeLimit: the time is up. Whatever `function` raises passes through, KeyboardInterrupt too.
    """
    in_main = threading.current_thread() is threading.main_thread()
    with _lost_limits_untold():
        if in_main and hasattr(signal, "setitimer"):
            return _run_with_timer(function, seconds)
        return _run_with_watchdog(function, seconds)


@contextmanager
def _lost_limits_untold() -> Iterator[None]:
    """Where no exception can pass (in `__del__`, in a callback of the garbage collector), Python drops it and reports it.

    It rings again a moment later, so such a `TimeLimit` is nothing to report; all other reports go on as they were.
    """
    before = sys.unraisablehook

    def report(lost: "sys.UnraisableHookArgs") -> None:
        if lost.exc_type is not TimeLimit:
            before(lost)

    sys.unraisablehook = report
    try:
        yield
    finally:
        sys.unraisablehook = before


def _run_with_timer(function: Callable[[], T], seconds: float) -> T:
    armed, used = True, stopwatch()

    def ring(number: int, frame: FrameType | None) -> None:
        if armed and used() >= seconds:
            raise TimeLimit

    start = time.monotonic()
    handler = signal.signal(signal.SIGALRM, ring)
    # It rings again and again: for an answer that has waited, and for one whose bare `except:` swallows what is raised.
    delay, interval = signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3), 0.1)
    try:
        try:
            return function()
        finally:
            armed = False
    finally:  # twice, because it may ring just before the line above
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler if handler is not None else signal.SIG_DFL)
        if delay:
            signal.setitimer(signal.ITIMER_REAL, max(delay - (time.monotonic() - start), 1e-3), interval)


def _run_with_watchdog(function: Callable[[], T], seconds: float) -> T:
    lock, done, rang = threading.Lock(), threading.Event(), threading.Event()
    thread, used = ctypes.c_ulong(threading.get_ident()), stopwatch(time.process_time)  # no thread can read another's

    def ring() -> None:
        rang.set()
        ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(TimeLimit))

    def watch() -> None:
        pause = max(seconds, 1e-3)
        while not done.wait(pause):
            with lock:
                if not done.is_set() and used() >= seconds:
                    ring()
            pause = 0.1

    threading.Thread(target=watch, daemon=True).start()
    try:
        return function()
    finally:
        try:
            with lock:
                done.set()
            if rang.is_set():
                # One may still be on its way. To call it back would leave Python 3.11 looking for it for ever,
                # which hangs as soon as a debugger traces; so it is sent once more, and met here.
                ring()
                while True:
                    time.sleep(0)
        except TimeLimit:
            done.set()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Seed the random generators, and put back what they were, with gradients switched on inside.

    Arithmetic runs on one thread: the tensors are tiny, and threads that wait for one another on a busy
    machine make a call a hundred times slower.
    """
    python, numpy, mode = random.getstate(), np.random.get_state(), torch.get_default_dtype()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
            torch.set_default_dtype(mode)
            torch.set_num_threads(threads)


@contextmanager
def quiet() -> Iterator[io.StringIO]:
    """Collect what is printed, the first 2,000 letters of it, and silence warnings."""
    printed = _Bounded()
    with redirect_stdout(printed), redirect_stderr(_Bounded()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield printed


@contextmanager
def memory_limit() -> Iterator[None]:
    """On Linux, turn taking more memory than the machine has into a MemoryError.

    Without it the system would kill the whole kernel. Elsewhere this does nothing.
    """
    limit = _most_memory(int(10 * time.monotonic()))
    if limit is None:
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    allowed = [value for value in (limit, *before) if value != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(allowed), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@functools.lru_cache(maxsize=1)
def _most_memory(moment: int) -> int | None:
    """Bytes that this process may take, read anew at each moment: to read it costs more than most calls."""
    free = _free_memory()
    if free is None:
        return None
    import resource

    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    return pages * resource.getpagesize() + max(free, SPARE_MEMORY)


@contextmanager
def no_tensor_of_itself() -> Iterator[None]:
    """Turn `torch.tensor(rows)` where `rows` holds itself into an error, as it is in NumPy.

    PyTorch follows such a list until its stack is full, and takes the whole kernel with it.
    """
    before = {name: getattr(torch, name) for name in ("tensor", "as_tensor", "asarray")}
    for name, make in before.items():
        setattr(torch, name, _guarded(make))
    try:
        yield
    finally:
        for name, make in before.items():
            setattr(torch, name, make)


@functools.cache
def _guarded(make: Callable[..., Any]) -> Callable[..., Any]:
    """`make`, which refuses a list that holds itself."""

    @functools.wraps(make)
    def made(data: Any, *args: Any, **kwargs: Any) -> Any:
        if _holds_itself(data):
            raise ValueError("a list that holds itself cannot become a tensor")
        return make(data, *args, **kwargs)

    return made


def _holds_itself(value: Any, around: tuple[Any, ...] = ()) -> bool:
    """Whether a list or tuple stands somewhere inside of itself."""
    if not isinstance(value, list | tuple):
        return False
    return any(value is outer for outer in around) or any(_holds_itself(inner, (*around, value)) for inner in value)


def _free_memory() -> int | None:
    """Bytes that are free on this machine and in this container; None where it cannot be told."""
    if sys.platform != "linux" or torch.cuda.is_available():  # a GPU reserves addresses without taking memory
        return None
    try:
        meminfo = Path("/proc/meminfo").read_text("ascii")
        free = int(meminfo.split("MemAvailable:")[1].split()[0]) * 1024
    except (OSError, LookupError, ValueError):
        return None
    try:
        group = Path("/sys/fs/cgroup")
        free = min(
            free, int((group / "memory.max").read_text("ascii")) - int((group / "memory.current").read_text("ascii"))
        )
    except (OSError, ValueError):  # no such group, or "max"
        pass
    return free


class _Bounded(io.StringIO):
    """A text that stops growing, for an answer that prints in a loop."""

    def write(self, text: str) -> int:
        room = 2000 - self.tell()
        if room > 0:
            super().write(str(text)[:room])
        return len(text)


def printed_lines(printed: Any, most: int) -> list[str]:
    """The first lines of what was printed, with a note where there is more."""
    lines = [line for line in str(printed).splitlines() if line.strip()]
    return lines if len(lines) <= most else [*lines[:most], "…"]
