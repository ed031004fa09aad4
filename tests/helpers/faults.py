"""Kill a stage at random moments, and at its writes, and go on; print what became of it. Not a test itself.

Forking a process that has loaded everything makes a kill cost milliseconds, not the seconds of an import.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from tests.helpers.small import GRAPH, STAGES, contents, run

KILLS = 20
WRITES = 14  # moments right before or after a write, drawn at random


def attempt(stage, work, delay=None, write=None, count=None):
    """Run a stage in a child; kill it after a delay, or let it kill itself at a write. True when it finished."""
    child = os.fork()
    if child == 0:
        try:
            calls = die_at(write) if write is not None or count is not None else []
            stage(work)
            if count is not None:
                count.write_text(str(len(calls)))
            os._exit(0)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
    end = None if delay is None else time.perf_counter() + delay
    while True:
        done, status = os.waitpid(child, 0 if end is None else os.WNOHANG)
        if done:
            break
        if end is not None and time.perf_counter() >= end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return False
        time.sleep(0.0005)
    if os.WIFSIGNALED(status):
        return False
    if os.WEXITSTATUS(status):
        raise SystemExit("the stage failed instead of being killed")
    return True


def die_at(write):
    """Kill this process right before (even numbers) or after (odd numbers) one of the calls that change a folder."""
    calls = []
    for module, name in ((os, "replace"), (os, "unlink"), (os, "rename"), (os, "rmdir")):
        real = getattr(module, name)

        def call(*args, real=real, **kwargs):
            calls.append(args)
            if write is not None and len(calls) == write // 2 + 1 and write % 2 == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            result = real(*args, **kwargs)
            if write is not None and len(calls) == write // 2 + 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(module, name, call)
    return calls


def at_random_moments(stage, before, whole, folder, seconds, rng):
    """KILLS kills; whenever a run finishes in spite of them, compare, and begin again from the stage before."""
    moments, finished = [], 0
    again = folder / "again"
    shutil.copytree(before, again)
    while len(moments) < KILLS:
        delay = rng.uniform(0, 1.1 * seconds)
        if attempt(stage, again, delay):
            finished += 1
            compare(again, whole)
            shutil.rmtree(again)
            shutil.copytree(before, again)
        else:
            moments.append(round(delay, 4))
    attempt(stage, again)
    compare(again, whole)
    shutil.rmtree(again)
    return moments, finished + 1


def at_writes(stage, before, whole, folder, writes, rng):
    """A kill right before or right after some of the writes, and then a run to the end."""
    moments = range(2 * writes)
    chosen = sorted(rng.sample(moments, min(WRITES, len(moments))))
    again = folder / "again"
    for moment in chosen:
        shutil.copytree(before, again)
        if attempt(stage, again, write=moment):
            raise SystemExit(f"write {moment} was not reached")
        attempt(stage, again)
        compare(again, whole)
        shutil.rmtree(again)
    return chosen


def compare(again, whole):
    found = contents(again)
    differ = sorted(name for name in found.keys() | whole.keys() if found.get(name) != whole.get(name))
    if differ:
        raise SystemExit(f"{differ} differ from those of an uninterrupted run")


def main(name, folder, seed):
    stages = GRAPH if name == "index-hnsw" else STAGES
    name = name.removesuffix("-hnsw")
    order = list(stages)
    before = folder / "before"
    before.mkdir(parents=True)
    if name != "data":
        run(before, order[order.index(name) - 1], stages)
    whole_folder = folder / "whole"
    shutil.copytree(before, whole_folder)
    start = time.perf_counter()
    attempt(stages[name], whole_folder, count=folder / "count")
    seconds = time.perf_counter() - start
    whole, writes, rng = contents(whole_folder), int((folder / "count").read_text()), random.Random(seed)
    moments, finished = at_random_moments(stages[name], before, whole, folder, seconds, rng)
    chosen = at_writes(stages[name], before, whole, folder, writes, rng)
    print(json.dumps({"seconds": seconds, "moments": moments, "finished": finished, "writes": writes, "hit": chosen}))


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
