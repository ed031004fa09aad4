"""The environment: which torch, which Python, installed once."""

import ast
import json
import sys
from pathlib import Path

import pytest

from workbook.book import environment


@pytest.mark.parametrize(
    ("override", "system", "has_nvidia", "expected"),
    [
        (None, "Linux", False, "cpu"),
        (None, "Linux", True, "default"),
        (None, "Darwin", False, "default"),
        (None, "Windows", False, "default"),
        ("cu128", "Linux", False, "cu128"),
        ("default", "Linux", False, "default"),
        ("cpu", "Linux", True, "cpu"),
    ],
)
def test_choose_torch(override, system, has_nvidia, expected):
    backend, why = environment.choose_torch(override, system, has_nvidia)
    assert backend == expected
    assert "WORKBOOK_TORCH" in why  # the reader learns how to change it


@pytest.fixture
def commands(monkeypatch):
    """The commands that an installation would run."""
    seen: list[list[str]] = []
    monkeypatch.setattr(environment, "_run", lambda *command: seen.append([str(part) for part in command]))
    monkeypatch.delenv("WORKBOOK_TORCH", raising=False)
    monkeypatch.setattr(environment.platform, "system", lambda: "Linux")
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    return seen


def test_the_cpu_build_is_taken_from_the_registry_where_it_has_one(commands, monkeypatch):
    monkeypatch.setattr(environment, "registry_offers", lambda python, requirement: "2.13.0+cpu")
    environment.install_torch(Path("python"))
    assert [command[-1] for command in commands] == [environment.tested_torch()]
    assert "uv" not in commands[0]


def test_the_cpu_build_comes_through_uv_where_the_registry_has_cuda_only(commands, monkeypatch):
    monkeypatch.setattr(environment, "registry_offers", lambda python, requirement: "2.13.0")
    environment.install_torch(Path("python"))
    assert commands[0][-1] == "uv"
    backend = commands[1].index("--torch-backend") + 1
    assert commands[1][backend] == "cpu"
    assert commands[1][-1] == environment.tested_torch()


def test_old_python_is_refused_with_what_to_do():
    with pytest.raises(environment.SetupError, match=r"3\.11 or newer is needed, this is 3\.9.*make lab PYTHON="):
        environment.check_python((3, 9))
    environment.check_python((3, 11))


@pytest.mark.parametrize("name", ["__main__", "book/environment", "support/frontend"])
def test_an_older_python_gets_as_far_as_that_message(name):
    """Its annotations are not evaluated, and it knows all of the syntax (Python 3.8's grammar)."""
    text = (environment.ROOT / f"workbook/{name}.py").read_text("utf-8")
    assert "from __future__ import annotations" in text
    ast.parse(text, feature_version=(3, 8))


def test_an_environment_is_current_only_with_the_same_inputs_and_extras(tmp_path):
    assert not environment.is_current(("lab",), tmp_path)
    python = environment.venv_python(tmp_path)
    python.parent.mkdir()
    python.touch()
    stamp = tmp_path / "workbook-installed.json"
    stamp.write_text(json.dumps({"inputs": environment._inputs(), "extras": ["lab"]}))
    assert environment.is_current(("lab",), tmp_path)
    assert not environment.is_current(("lab", "test"), tmp_path)
    stamp.write_text(json.dumps({"inputs": "another", "extras": ["lab"]}))
    assert not environment.is_current(("lab",), tmp_path)
    stamp.write_text("{half")
    assert not environment.is_current(("lab",), tmp_path)


def test_a_failed_step_says_what_to_do():
    with pytest.raises(environment.SetupError, match="Run the same command again"):
        environment._run(sys.executable, "-c", "raise SystemExit(3)")


def test_setup_modules_need_the_standard_library_only():
    import subprocess

    code = "import sys; sys.modules['torch'] = None; sys.modules['numpy'] = None; import workbook.__main__"
    subprocess.run([sys.executable, "-c", code], check=True)
