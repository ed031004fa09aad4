"""Archives are unpacked into their folder and nowhere else.

Only plain files and folders are taken out. A link, a device, an absolute path, a path that climbs out with "..",
or an archive that swells beyond all measure is refused as a whole: nothing of it is left. This is stricter than
tarfile's filter "data", which follows links inside the folder and shortens absolute paths.

Taught in 20.
"""

import errno
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from workbook.support.files import replace_folder

ENDINGS = (".tar.gz", ".tgz", ".tar", ".zip")
LARGEST_RATIO = 200  # unpacked bytes for each packed one; text shrinks to a tenth
ALWAYS_FINE = 100 * 2**20  # bytes; a small archive may swell more
ON_DISK = 4096  # bytes that even an empty file takes there
LONGEST_NAME = 1_000  # characters
DAMAGED = (tarfile.TarError, zipfile.BadZipFile, EOFError, FileExistsError, NotADirectoryError, IsADirectoryError,
           NotImplementedError, RuntimeError, IndexError, zlib.error, lzma.LZMAError)  # fmt: skip


class UnsafeArchive(ValueError):
    """An archive would write outside its folder, or fill the disk; nothing of it was unpacked."""


def is_archive(path: Path) -> bool:
    """Whether a file's name ends like an archive's."""
    return path.name.endswith(ENDINGS)


def unpack(archive: Path, folder: Path, wanted: Callable[[PurePosixPath], bool] = lambda path: True) -> None:
    """Unpack an archive into a new folder, wholly or not at all.

    Args:
        archive: a .tar, .tar.gz, .tgz or .zip file.
        folder: what to make of it; must not be there yet.
        wanted: which files to take, by their path in the archive; all by default.
    Raises:
        FileExistsError: the folder is there.
        UnsafeArchive: a member must not be unpacked; the message names it.
        ValueError: the file is damaged, or no archive.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} is there already; remove it first")
    limit = max(ALWAYS_FINE, LARGEST_RATIO * archive.stat().st_size)
    try:
        with replace_folder(folder) as work:
            members = _zip_members(archive) if archive.name.endswith(".zip") else _tar_members(archive)
            for name, content in members:
                path = _safe(name, archive)
                target = work / path
                if content is not None and not wanted(path):
                    continue
                if (limit := limit - ON_DISK) < 0:
                    raise UnsafeArchive(f"{archive.name} holds more files than an archive of its size should")
                if content is None:
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as output:
                    while block := content.read(1 << 20):
                        limit -= len(block)
                        if limit < 0:
                            raise UnsafeArchive(f"{archive.name} swells to more than {LARGEST_RATIO} times its size")
                        output.write(block)
    except (*DAMAGED, OSError) as error:
        # gzip raises an OSError without a number for files that are not gzipped, zipfile EINVAL for wrong places.
        if not isinstance(error, DAMAGED) and error.errno not in (None, errno.EINVAL):
            raise
        raise ValueError(f"{archive} is damaged or no archive ({error}); remove it and load again") from error


def _tar_members(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    with tarfile.open(archive) as tar:
        for member in tar:
            if not member.isreg() and not member.isdir():
                kind = "link" if member.issym() or member.islnk() else "device"
                raise UnsafeArchive(
                    f"{archive.name} holds the {kind} {member.name!r}; only files and folders are taken"
                )
            yield member.name, tar.extractfile(member) if member.isreg() else None


def _zip_members(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise UnsafeArchive(
                    f"{archive.name} holds the link {member.filename!r}; only files and folders are taken"
                )
            # orig_filename is what the archive says; filename is what zipfile makes of it
            if member.is_dir():
                yield member.orig_filename, None
            else:
                with file.open(member) as content:
                    yield member.orig_filename, content


def _safe(name: str, archive: Path) -> PurePosixPath:
    """The path of a member inside the folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or set(name) & set("\\:\0"):
        raise UnsafeArchive(f"{archive.name} holds {name!r}, which would lead out of its folder")
    if len(name) > LONGEST_NAME or any(len(part.encode("utf-8", "surrogateescape")) > 255 for part in path.parts):
        raise UnsafeArchive(f"{archive.name} holds a name that is too long for a disk: {name[:40]!r}…")
    return path
