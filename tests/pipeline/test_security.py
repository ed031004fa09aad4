"""No pickle is loaded, nothing is written outside the work folder, and nothing goes over the network."""

import ast
import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from workbook.encoder import StaticEncoder, TextEncoder, stated_settings, train_tokenizer
from workbook.index import FlatIndex, load_index, save_index
from workbook.index.inverted import InvertedIndex
from workbook.train import resume

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

from tests.helpers.small import STAGES
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


# --- weights that others wrote --------------------------------------------------------------------------


def an_encoder(folder: Path) -> Path:
    tokenizer = train_tokenizer(["some words to cut into pieces"], 60)
    TextEncoder(tokenizer, StaticEncoder(tokenizer.get_vocab_size(), 8)).save(folder)
    return folder / "model.safetensors"


def an_index(folder: Path) -> Path:
    index = FlatIndex(8)
    index.add(torch.eye(8))
    save_index(index, folder)
    return next(folder.glob("*.safetensors"))


def header(value: object, length: int | None = None, rest: bytes = b"") -> bytes:
    """A safetensors file with a header of one's own."""
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + rest


HARMFUL = {
    "empty": b"",
    "noise": bytes(range(256)) * 8,
    "a pickle": b"\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x04true\x94\x85\x94R\x94.",
    "an endless header": header({}, 2**63),
    "a header longer than the file": header({}, 10**6),
    "a header that is no JSON": header(b"{" * 5_000),
    "a header of another shape": header([1, 2, 3]),
    "a tensor outside": header({"embedding.weight": {"dtype": "F32", "shape": [2**40, 8], "data_offsets": [0, 2**45]}}),
    "a negative place": header(
        {"embedding.weight": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}, rest=b"0000"
    ),
    "a shape that does not fit": header(
        {"embedding.weight": {"dtype": "F32", "shape": [9, 9], "data_offsets": [0, 4]}}, rest=b"0000"
    ),
    "another tensor": header({"other": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, rest=b"0000"),
}


@pytest.mark.parametrize("what", HARMFUL)
@pytest.mark.parametrize(("make", "read"), [(an_encoder, TextEncoder.load), (an_index, load_index)])
def test_harmful_weights_are_refused(tmp_path, make, read, what):
    path = make(tmp_path / "in")
    read(tmp_path / "in")
    path.write_bytes(HARMFUL[what])
    with pytest.raises(ValueError, match="damaged"):
        read(tmp_path / "in")


@pytest.mark.parametrize("what", HARMFUL)
def test_a_harmful_inverted_index_is_refused(tmp_path, what):
    (tmp_path / "x.safetensors").write_bytes(HARMFUL[what])
    with pytest.raises(ValueError, match="no inverted index"):
        InvertedIndex.load(tmp_path / "x.safetensors")


def test_a_model_names_no_file_outside_its_folder(tmp_path):
    an_encoder(tmp_path / "in")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/config.json").write_text('{"pooling_mode_max_tokens": true}')
    modules = json.loads((tmp_path / "in/modules.json").read_text("utf-8"))
    modules[1]["path"] = "../secret"
    (tmp_path / "in/modules.json").write_text(json.dumps(modules))
    with pytest.raises(ValueError, match="would lead out of"):
        stated_settings(tmp_path / "in")


def test_a_checkpoint_names_no_file_outside_its_folder(tmp_path):
    encoder = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(encoder.parameters())
    resume.save_state(tmp_path / "in", encoder, optimizer, torch.device("cpu"), {}, [{}])
    assert resume.load_state(tmp_path / "in", encoder, optimizer, torch.device("cpu"), {}) == [{}]
    (tmp_path / "in/step-1.safetensors").rename(tmp_path / "secret.safetensors")
    facts = json.loads((tmp_path / "in/training.json").read_text("utf-8"))
    (tmp_path / "in/training.json").write_text(json.dumps(facts | {"file": "../secret.safetensors"}))
    with pytest.raises(ValueError, match="would lead out of"):
        resume.load_state(tmp_path / "in", encoder, optimizer, torch.device("cpu"), {})
