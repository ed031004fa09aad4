"""No pickle is loaded, nothing is written outside the work folder, and nothing goes over the network."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = sorted((ROOT / "workbook").rglob("*.py"))
PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def unsafe(source: str) -> list[str]:
    """What in a module could load a pickle."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in PICKLES]
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PICKLES:
            found.append(str(node.module))
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            options = {keyword.arg: keyword.value for keyword in node.keywords}
            if name in ("torch.load", "pandas.read_pickle", "pd.read_pickle", "__import__"):
                found.append(name)
            if name in ("np.load", "numpy.load", "np.save", "numpy.save", "np.lib.format.read_array"):
                allowed = options.get("allow_pickle")
                if not (isinstance(allowed, ast.Constant) and allowed.value is False):
                    found.append(f"{name} without allow_pickle=False")
            if name.endswith("from_pretrained") and "use_safetensors" not in options and "AutoModel" in name:
                found.append(f"{name} without use_safetensors=True")
    return found


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import torch\\ntorch.load('x')".replace("\\\\n", "\\n"),
        "np.load('x')",
        "np.load('x', allow_pickle=True)",
        "AutoModel.from_pretrained('x')",
    ],
)
def test_the_search_finds_what_could_load_a_pickle(source):
    assert unsafe(source.encode().decode("unicode_escape"))


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_module_loads_a_pickle(path):
    assert unsafe(path.read_text("utf-8")) == []


WATCHED = """
import json, os, sys, tempfile
from pathlib import Path

work = os.path.realpath(sys.argv[1])
outside, connected = set(), []

def watch(event, args):
    paths = []
    if event == "open":
        path, mode, flags = args
        if isinstance(path, (str, bytes, os.PathLike)) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            paths = [path]
    elif event in ("os.rename", "os.link", "os.symlink"):
        paths = args[:2]
    elif event in ("os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.chmod", "shutil.rmtree", "shutil.move"):
        paths = args[:1]
    elif event in ("socket.connect", "socket.getaddrinfo", "socket.bind", "socket.sendto"):
        connected.append([event, str(args[1:] if event.startswith("socket.c") else args)])
    for path in paths:
        if event in ("os.remove", "os.rmdir") and args[1] != -1:  # relative to an open folder
            path = os.path.join(os.readlink(f"/proc/self/fd/{args[1]}"), os.fsdecode(path))
        path = os.path.realpath(os.fsdecode(path))
        if not path.startswith(work + os.sep) and path != work and not path.startswith(("/dev/", "/proc/")):
            if "__pycache__" not in path:
                outside.add(f"{event} {path}")

from tests.pipeline.small import STAGES
import faiss, pyarrow
sys.dont_write_bytecode = True
sys.addaudithook(watch)
for stage in STAGES.values():
    stage(work)
print(json.dumps({"outside": sorted(outside), "connected": connected}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_whole_pipeline_writes_into_its_work_folder_only_and_connects_to_nobody(tmp_path):
    run = [sys.executable, "-c", WATCHED, str(tmp_path / "work")]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    # torch makes an empty folder for what it may compile; it is not asked to compile anything.
    others = [what for what in told["outside"] if not re.search(r"os\.mkdir /\S*/torchinductor_\w+$", what)]
    assert others == []
    assert told["connected"] == []


@pytest.mark.slow
def test_the_watch_sees_what_leaves_the_folder(tmp_path):
    leave = WATCHED.replace(
        "for stage in STAGES.values():\n    stage(work)",
        "Path(work + '-beside').write_text('x'); os.remove(work + '-beside')\n"
        "import socket\ntry: socket.create_connection(('127.0.0.1', 9), timeout=1)\nexcept OSError: pass",
    )
    run = [sys.executable, "-c", leave, str(tmp_path / "work")]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    told = json.loads(done.stdout)
    assert len(told["outside"]) == 2
    assert told["connected"]
