"""Files that are whole or not there: every file the workbook writes is written by these few lines."""

import hashlib
import json
import os
import re
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

MAX_LINE = 16 * 2**20  # bytes; a longer "line" is no text


def write_atomically(path: str | Path, content: str | bytes) -> None:
    """Write a file so that a kill or a full disk at any moment leaves the old one or the new one.

    The content goes to a temporary file beside the target, is flushed to the disk, and then takes
    the target's name in one step.

    Raises:
        OSError: the disk is full or the folder cannot be written; the old file is untouched.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files that only their owner can read; give the ones that others may read.
        os.chmod(temporary, path.stat().st_mode & 0o777 if path.exists() else 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error  # not the temporary file's name
        raise


def sha256_of(path: str | Path) -> str:
    """The SHA-256 of a file, read piece by piece."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def inside(folder: str | Path, name: str) -> Path:
    """The path of a file that a file in a folder names, if it stays in that folder: what is loaded may be another's.

    Args:
        folder: where the file that names the other one stands.
        name: a relative path, with "/" between its parts.
    Raises:
        ValueError: the name leads out of the folder.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or set(name) & set("\\:\0"):
        raise ValueError(f"{name!r} would lead out of {folder}")
    return Path(folder) / path


def is_gguf(path: str | Path) -> bool:
    """Whether this is a GGUF file: a whole language model in one, with tokenizer and settings, as llama.cpp reads it."""
    return Path(path).suffix == ".gguf" and Path(path).is_file()


def for_transformers(path: str | Path) -> dict[str, Any]:
    """The arguments with which `from_pretrained` of transformers reads a folder or a GGUF file, and nothing from a network."""
    path = Path(path)
    place, more = (path.parent, {"gguf_file": path.name}) if is_gguf(path) else (path, {})
    return {"pretrained_model_name_or_path": place, "local_files_only": True, **more}


def refuse_damaged(folder: str | Path, files: Iterable[Mapping[str, Any]], advice: str, content: bool = False) -> None:
    """Compare files with what a manifest states of them: the size, which takes no time, or the content, too.

    Args:
        folder: where they stand.
        files: of each its name as "file", its size as "bytes" and its "sha256".
        advice: what to do about a damaged one, for the message.
        content: compare SHA-256, too.
    Raises:
        ValueError: a file is missing or damaged, or its name leads out of the folder.
    """
    for file in files:
        path = inside(folder, file["file"])
        size = path.stat().st_size if path.is_file() else None
        if size != file["bytes"]:
            came = "no such file" if size is None else f"{size:,} bytes"
            raise ValueError(f"{path} is damaged: expected {file['bytes']:,} bytes, got {came}; {advice}")
        if content and (found := sha256_of(path)) != file["sha256"]:
            raise ValueError(f"{path} is damaged: expected SHA-256 {file['sha256'][:16]}…, got {found[:16]}…; {advice}")


def files_below(folder: Path, pattern: str = "*") -> list[Path]:
    """The files of a folder and the folders below it, sorted; none of a hidden folder, which may be half-written."""
    return sorted(
        path
        for path in folder.rglob(pattern)
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def sweep(folder: Path) -> None:
    """Remove what killed runs left half-written in a folder and those below it."""
    for left in folder.rglob(".*.tmp"):
        left.unlink(missing_ok=True)


def user_cache() -> Path:
    """Where what can be made or brought again is kept: in the user's cache, or in the folder `WORKBOOK_CACHE`."""
    import platformdirs

    return Path(os.environ.get("WORKBOOK_CACHE") or platformdirs.user_cache_path("embedding-workbook")).expanduser()


def write_json(path: str | Path, value: Any) -> None:
    """Write a value as indented JSON, atomically, with a newline at the end."""
    write_atomically(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


@contextmanager
def read_saved(folder: str | Path, mark: str, what: str, written_by: str) -> Iterator[Any]:
    """Read a saved folder: the JSON file that marks it, and inside of the block what belongs to it.

        with read_saved("index", "index.json", "index", "save_index") as saved:
            ...                                             # read the other files, build from them

    Args:
        folder: where.
        mark: the name of the JSON file.
        what: is saved there, for the error.
        written_by: which function writes such folders.
    Returns:
        what the JSON file holds.
    Raises:
        FileNotFoundError: the file is not there.
        ValueError: it cannot be read, or whatever the block raises because a file is missing, damaged or of another
            thing.
    """
    from safetensors import SafetensorError

    path = Path(folder) / mark
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no {what}, expected {mark}; give a folder that {written_by} wrote")
    try:
        yield json.loads(path.read_text("utf-8"))
    except (KeyError, OSError, RuntimeError, SafetensorError, TypeError, ValueError) as error:
        raise ValueError(f"{folder} is damaged ({error}); write it anew with {written_by}") from error


@contextmanager
def replace_folder(folder: str | Path, *marks: str) -> Iterator[Path]:
    """Write a folder of files that belong together, so that it is whole or not there.

        with replace_folder("model", "workbook.json") as new:
            ...                                             # write into `new`, which is empty

    The files go to a hidden folder beside the target, which takes the target's name at the end. What
    stood there before is moved away first and deleted last, and put back if anything fails in between.

    Args:
        folder: where. It must be new, empty, or hold one of the marks.
        marks: files that say "this was written here before and may be replaced".
    Raises:
        FileExistsError: the folder holds something else.
        OSError: the disk is full or the place cannot be written; what stood there before is untouched.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()) and not any((folder / mark).exists() for mark in marks):
        raise FileExistsError(f"{folder} holds other files, and no {' or '.join(marks)}; give a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        new, old = Path(temporary) / "new", Path(temporary) / "old"
        new.mkdir()
        yield new
        if folder.exists():
            folder.rename(old)
        try:
            new.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A name to write a large file under, which takes the name of `path` when it is whole and on the disk.

        with whole_file("vectors.npy") as temporary:
            ...write to `temporary`, piece by piece...

    Unlike `write_atomically`, the content need not be in memory at once. The temporary name, `.NAME.….tmp`, is another
    one each time: two that write the same file at once do not write into one another's. What a killed run leaves
    is for the next to remove.

    Raises:
        OSError: the disk is full or the folder cannot be written; there is no file then.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):  # a folder that cannot be written holds no temporary file
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OSError(
                error.errno,
                f"cannot write {path}: {error.strerror or error}; nothing half-written is left. Make room or give "
                "another folder, and run again",
            ) from error
        raise


def write_npy(path: str | Path, array: Any) -> None:
    """Write an array as a .npy file, whole or not at all.

    `numpy.save` gives a large array to the C library and does not look whether its last bytes reached the disk: on a
    full one it can leave a short file without an error. Here every byte goes through Python's own file, which looks.

    Args:
        path: where.
        array: a numpy array of numbers.
    Raises:
        OSError: the disk is full or the folder cannot be written; there is no file then.
    """
    import numpy as np

    array = np.ascontiguousarray(array)
    header = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": array.shape}
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(array.data.cast("B") if array.size else b"")


def write_safetensors(path: str | Path, tensors: Mapping[str, Any], metadata: dict[str, str] | None = None) -> None:
    """Write tensors as a .safetensors file, whole or not at all.

    `safetensors.torch.save_file` makes files that only their owner can read, and says of a full disk that something
    cannot be serialized. Here others may read the file, and a full disk is an OSError, as everywhere.

    Args:
        path: where.
        tensors: by name, without shared memory; weights too, of which the gradient is left behind.
        metadata: text that the file also holds.
    Raises:
        OSError: the disk is full or the folder cannot be written; there is no file then.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with whole_file(path) as temporary:
        try:
            save_file({name: x.detach().contiguous() for name, x in tensors.items()}, temporary, metadata)
        except SafetensorError as error:
            if not (told := re.search(r"os error (\d+)", str(error))):
                raise
            raise OSError(int(told[1]), os.strerror(int(told[1]))) from error
        os.chmod(temporary, 0o644)
