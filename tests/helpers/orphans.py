"""Kill the parent of two workers, a worker, or press Ctrl-C; print what became of all of them. Not a test itself.

The parent is forked from a process that has loaded everything. Its workers are not: they import this module, as
every spawned process imports the main module of its parent, and so they wait when there are enough files.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import psutil

BOUND = 120  # seconds; an end takes milliseconds, on a busy machine more


def count(folder):
    return sum(
        1 for path in folder.rglob("*") if path.is_file() and path.name[0] != "." and path.name != "started.json"
    )


if __name__ == "__mp_main__":
    replace = os.replace

    def replace_and_wait(source, target):
        """A task without an end: what strikes now strikes in the middle of it."""
        replace(source, target)
        if count(Path(target).parent) >= int(os.environ["FILES"]):
            time.sleep(10 * BOUND)

    os.replace = replace_and_wait


def start(name, work, errors):
    """Run a stage with two workers, encode as a command, in a process group of its own; what it says goes to a file."""
    child = os.fork()
    if child:
        return child
    code = 99
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may have it ignored
        with open(errors, "w", encoding="utf-8") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        if name == "encode":
            code = main(["encode", str(work), "--shard-rows", str(SHARD_ROWS), "--processes", "2", "--quiet"])
        else:
            STAGES[name](work, processes=2, show=False)
            code = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def workers_of(parent):
    """The spawned processes that call the tasks; multiprocessing's bookkeeper is none of them."""
    found = []
    for process in psutil.Process(parent).children():
        try:
            if "spawn_main" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            pass
    return found


def until(true):
    """Ask again and again; False when it did not come true within the bound."""
    end = time.monotonic() + BOUND
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


def gone(process):
    """Whether a process has ended; nobody may have asked for its status yet."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def strike(name, work, folder, files, blow):
    """Start a stage, wait until there are so many files in its folder, and strike; tell how all of them ended."""
    errors = work.with_suffix(".txt")
    os.environ["FILES"] = str(files)
    parent = start(name, work, errors)
    try:
        reached = until(lambda: len(workers_of(parent)) == 2) and until(lambda: count(work / folder) >= files)
        family, workers = psutil.Process(parent).children(recursive=True), workers_of(parent)
        unfinished = not list((work / folder).rglob("manifest.json"))
        if blow == "kill the parent":
            os.kill(parent, signal.SIGKILL)
        elif blow == "kill a worker":
            workers[0].kill()
        elif blow == "interrupt the parent":
            os.kill(parent, signal.SIGINT)
        else:  # what a terminal does
            os.killpg(parent, signal.SIGINT)
        parent_ends = until(lambda: os.waitid(os.P_PID, parent, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None)
        ends = parent_ends and until(lambda: all(map(gone, family)))
    finally:
        for process in psutil.Process(parent).children(recursive=True):
            process.kill()
        os.kill(parent, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(parent, 0)[1])
    for process in family:
        if not gone(process):
            process.kill()
    said = errors.read_text("utf-8")
    return {"in time": reached and unfinished, "workers": len(workers), "ends": ends, "code": code, "said": said}


if __name__ == "__main__":
    import faiss  # noqa: F401
    import pyarrow  # noqa: F401
    import torch

    import workbook.pipeline.mine_stage  # noqa: F401
    from tests.helpers.small import SHARD_ROWS, STAGES
    from workbook.__main__ import main

    torch.set_num_threads(1)
    print(json.dumps([strike(name, Path(work), *rest) for name, work, *rest in json.loads(sys.argv[1])]))
