"""Stages on disks that are full or read-only, and as a user who may not write; print what became of them. Not a test itself.

    python -m tests.helpers.disks mounted|forbidden FOLDER

FOLDER holds `work`, a finished work folder. "mounted" mounts small disks in memory over an empty folder: it runs in a
mount namespace of its own (`unshare --user --map-root-user --mount`). "forbidden" drops its privileges where it is
root, who may write everywhere. Each attempt is forked from a process that has loaded everything.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.helpers.small import STAGES, contents
from workbook.__main__ import main

FOLDERS = {
    "data": "data", "train": "model", "encode": "vectors", "index": "index", "search": "runs",
    "evaluate": "evaluation", "mine": "negatives",
}  # fmt: skip
ROOM = {  # pages; with these each stage fails at another one of its writes
    "data": (1, 3, 12), "train": (1, 18, 22, 60), "encode": (1, 8), "index": (1, 30), "search": (1, 9), "evaluate": (1,),
    "mine": (1, 5),
}  # fmt: skip
COMMANDS = {
    "data": ["planted"],
    "train": [],
    "encode": ["--processes", "1"],
    "index": ["--processes", "1"],
    "search": ["train", "--processes", "1"],
    "evaluate": ["train"],
    "mine": ["train", "--processes", "1"],
}
NOBODY = 65534


def attempt(call, said):
    """Call a function in a child; its exit status, and what it wrote to stderr."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            with open(said, "w", encoding="utf-8") as file:
                os.dup2(file.fileno(), 2)
            code = call()
        except OSError as error:
            print(error, file=sys.stderr)
            code = 1
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {"code": code, "said": said.read_text("utf-8", errors="replace")}


def mount(disk, options, *more):
    subprocess.run(["mount", *more, "-o", options, "tmpfs", str(disk)], check=True)


def command(name, work):
    """A stage as a command."""
    return lambda: main([name, str(work), *COMMANDS[name], "--quiet"])


def before(folder, work, name):
    """The work folder as it is before a stage."""
    shutil.copytree(folder / "work", work)
    shutil.rmtree(work / FOLDERS[name])
    for lock in work.glob(f".{FOLDERS[name]}*.lock"):
        lock.unlink()


def full(folder):
    """Each stage with too little room, then with room again."""
    disk, whole, told = folder / "disk", contents(folder / "work"), {}
    disk.mkdir(exist_ok=True)
    for name, stage in STAGES.items():
        for pages in ROOM[name]:
            mount(disk, "size=16m", "-t", "tmpfs")
            work = disk / "work"
            before(folder, work, name)
            state = os.statvfs(disk)
            used = state.f_blocks - state.f_bfree
            mount(disk, f"remount,size={(used + pages) * state.f_frsize}")
            case = attempt(lambda stage=stage, work=work: stage(work) and 0, folder / "said.txt")
            left = [path.relative_to(work).as_posix() for path in (work / FOLDERS[name]).rglob("*")]
            case["half-written"] = [path for path in left if path.endswith(".tmp") or "/.tmp" in path]
            case["finished"] = f"{FOLDERS[name]}/manifest.json" in left
            mount(disk, "remount,size=16m")
            case["again"] = attempt(lambda stage=stage, work=work: stage(work) and 0, folder / "said.txt")
            case["same bytes"] = contents(work) == whole
            told[f"{name} {pages}"] = case
            subprocess.run(["umount", "-l", str(disk)], check=True)
    return told


def read_only(folder):
    """Each stage's command on a disk that is mounted read-only."""
    disk, told = folder / "disk", {}
    disk.mkdir(exist_ok=True)
    for name in STAGES:
        mount(disk, "size=16m", "-t", "tmpfs")
        before(folder, disk / "work", name)
        told[name] = refused(folder, disk / "work", name, lambda: mount(disk, "remount,ro"), lambda: None)
        subprocess.run(["umount", "-l", str(disk)], check=True)
    return told


def forbidden(folder):
    """Each stage's command by a user who may not write into the work folder, or not into the stage's folder."""

    def drop():
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)

    told = {}
    for name in STAGES:
        work = folder / f"forbidden-{name}"
        before(folder, work, name)
        told[name] = refused(folder, work, name, lambda work=work: work.chmod(0o555), drop)
        work.chmod(0o777)
        own = work / FOLDERS[name]
        own.mkdir()
        told[f"{name}'s folder"] = refused(folder, work, name, lambda own=own: own.chmod(0o555), drop)
        own.chmod(0o755)
    return told


def refused(folder, work, name, lock, drop):
    there = sorted(work.rglob("*"))
    lock()
    case = attempt(lambda: drop() or command(name, work)(), folder / "said.txt")
    case["left"] = [path.name for path in sorted(work.rglob("*")) if path not in there and path.suffix != ".lock"]
    return case


if __name__ == "__main__":
    import faiss  # noqa: F401
    import pyarrow  # noqa: F401
    import torch

    import workbook.data.planted
    import workbook.pipeline.mine_stage
    import workbook.pipeline.train_stage  # noqa: F401

    torch.set_num_threads(1)
    what, folder = sys.argv[1:]
    folder = Path(folder)
    found = {"full": full(folder), "read-only": read_only(folder)} if what == "mounted" else forbidden(folder)
    print(json.dumps(found))
