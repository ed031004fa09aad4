"""Downloads: only when asked for, shown first, resumed where they broke off, compared with a checksum.

What arrives goes to NAME.part, with the server's mark of the version (ETag) beside it, and takes its name when it
is whole and its checksum is right. A download that was cut off, or killed, goes on where it stopped, if the server
still has the same version; else it begins anew. Of several processes that want the same file one brings it, and the
others wait.

Taught in 20.
"""

import errno
import hashlib
import http.client
import json
import os
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbook.data.public.catalogue import RemoteFile, readable
from workbook.support.files import write_json
from workbook.support.frontend import is_live

VARIABLE = "WORKBOOK_DOWNLOAD"  # set to 1, it says yes to every download
PINS = "checksums.json"  # in the folder of the files: name -> address, size, SHA-256
BLOCK = 1 << 20


class NotAllowed(FileNotFoundError):
    """The data is not on this machine, and nobody has allowed its download."""


class DownloadError(OSError):
    """A download failed; the message says what came and what to do."""


def allowed(download: bool | None) -> bool:
    """Whether a download was asked for: by the argument, or by WORKBOOK_DOWNLOAD=1 where it is None."""
    return os.environ.get(VARIABLE, "") in ("1", "true", "yes") if download is None else download


def ask(description: str, download: bool | None, folder: Path) -> None:
    """Show what is about to be downloaded, or refuse.

    Raises:
        NotAllowed: nobody has allowed it; the message says size, licence, source, and how to allow it.
    """
    if not allowed(download):
        raise NotAllowed(
            f"{description}\nis not on this machine (looked in {folder}), and nothing is downloaded unless you ask: "
            f"pass download=True, or set {VARIABLE}=1; or give load() a folder that holds the files"
        )
    print(f"downloading {description}\n  into {folder}")


def fetch(file: RemoteFile, folder: Path, timeout: float = 60.0, retries: int = 5, pause: float = 1.0) -> Path:
    """Bring a file into a folder; one that is there is compared with its checksum and not brought again.

    Args:
        file: address, size and checksum. Without a checksum the file is pinned: the SHA-256 of the first
            download is kept in checksums.json, and must be met from then on.
        folder: where to.
        timeout: seconds to wait for the server, at each read.
        retries: attempts in a row that bring nothing new before it gives up.
        pause: seconds before the second attempt; it doubles.
    Returns:
        the path of the file.
    Raises:
        DownloadError: the server refuses, breaks off for good, or sends something else than was expected.
        OSError: the disk is full or the folder cannot be written.
        ValueError: the address is not on the web, or the name leads to another folder.
    """
    name = file.file_name
    if name in ("", ".", "..") or set(name) & set("/\\:\0"):  # it could lead to another folder
        raise ValueError(f"expected a plain file name, got {name!r}")
    target, part, mark = (folder / f"{name}{ending}" for ending in ("", ".part", ".part.json"))
    with one_at_a_time(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if target.is_file():
            _check(target, file, folder)
            return target
        missing, free = (file.size or 0) - _size(part), shutil.disk_usage(folder).free
        if missing > free:
            raise OSError(
                f"{name} needs {readable(missing)} in {folder}, and {readable(free)} are free; make room, or name "
                "another folder in WORKBOOK_CACHE"
            )
        _receive_all(file, part, mark, timeout, retries, pause)
        try:
            _check(part, file, folder)
        except DownloadError:  # going on from it could only fail again
            part.unlink(missing_ok=True)
            mark.unlink(missing_ok=True)
            raise
        os.replace(part, target)
        mark.unlink(missing_ok=True)
        return target


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Let only one process at a time work on a folder; the others say so and wait.

    The lock is the operating system's, on the file .NAME.lock beside the folder, so that it goes with the process
    that holds it, even one that is killed. The empty file stays. Where nothing can be written, nothing is locked.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        print(f"another process is at work on {folder}; waiting for it")
        lock.acquire()
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
    try:
        yield
    finally:
        lock.release()


def _receive_all(file: RemoteFile, part: Path, mark: Path, timeout: float, retries: int, pause: float) -> None:
    """Receive a file, in as many attempts as it takes while something new comes."""
    failures, problem = 0, ""
    while failures <= retries:
        if failures:
            time.sleep(min(60.0, pause * 2 ** (failures - 1)))
        before = _size(part)
        try:
            _receive(file, part, mark, timeout)
            return
        except urllib.error.HTTPError as error:
            problem = f"the server answered {error.code} {error.reason}"
            if error.code < 500 and error.code not in (408, 425, 429):
                raise DownloadError(f"{file.url}: {problem}; is the address still right?") from None
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, DownloadError) or getattr(error, "filename", None):
                raise  # about our disk, or already said in full
            problem = f"the connection broke ({getattr(error, 'reason', None) or error!r})"
        failures = 0 if _size(part) > before else failures + 1
    raise DownloadError(
        f"{file.url}: gave up after {failures} attempts in a row: {problem}. {readable(_size(part))} are kept in "
        f"{part}; run the same again to go on from there"
    )


def get_json(url: str, timeout: float = 60.0) -> Any:
    """A JSON document from the net."""
    try:
        with _open(url, {}, timeout) as response:
            return json.loads(response.read(64 * BLOCK))
    except DownloadError:
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DownloadError(f"{url}: no usable answer ({error}); is the name right, and the network there?") from error


def checksum(path: Path, kind: str) -> str:
    """The checksum of a file in hexadecimal.

    Args:
        kind: "sha256", "md5", or "git": the SHA-1 that git gives to a file's contents.
    """
    digest = hashlib.new("sha1" if kind == "git" else kind, usedforsecurity=False)
    if kind == "git":
        digest.update(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: digest).hexdigest()


def _receive(file: RemoteFile, part: Path, mark: Path, timeout: float) -> None:
    """Receive what is missing of a file."""
    from tqdm.auto import tqdm

    start, version = _size(part), _version(mark)
    if start and version is None:
        part.unlink()  # of an unknown version: its rest might be another's
        start = 0
    if start and start == file.size:
        return
    headers = {"Accept-Encoding": "identity"}
    if urllib.parse.urlsplit(file.url).netloc.endswith(".core.windows.net"):
        headers["X-Ms-Version"] = "2019-12-12"  # without it, Azure's older rules for parts of files hold
    if start and version:
        headers |= {"Range": f"bytes={start}-", "If-Range": version}
    try:
        response = _open(file.url, headers, timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416 and start:  # there is nothing beyond: it was whole, or is another version by now
            part.unlink()
            mark.unlink(missing_ok=True)
            raise ConnectionError("the part did not fit what the server has, and was thrown away") from None
        raise
    with response:
        if response.status != 206:
            start = 0
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise ConnectionError(f"asked for bytes from {start}, got {response.headers.get('Content-Range')}")
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else file.size
        if file.size is not None and length and total != file.size:
            raise DownloadError(
                f"{file.url}: expected {file.size:,} bytes, the server has {total:,}; its file has changed, "
                "so it is not taken"
            )
        etag = response.headers.get("ETag", "W/")  # a weak one does not promise the same bytes
        version = response.headers.get("Last-Modified") if etag.startswith("W/") else etag
        write_json(mark, {"url": file.url, "version": version})
        units: Any = {"unit": "B", "unit_scale": True, "desc": file.file_name, "disable": not is_live(), "leave": False}
        with part.open("r+b" if start else "wb") as output, tqdm(total=total, initial=start, **units) as bar:
            output.seek(start)
            received = start
            while block := response.read(BLOCK):
                received += len(block)
                if total is not None and received > total:
                    raise DownloadError(f"{file.url}: sends more than the {total:,} bytes it announced")
                output.write(block)
                output.flush()
                bar.update(len(block))
            os.fsync(output.fileno())
    if total is not None and received < total:
        raise http.client.IncompleteRead(b"", total - received)


def _check(path: Path, file: RemoteFile, folder: Path) -> None:
    """Compare a file with what is stated of it, or with its pin; pin it where there is neither."""
    pins, size = _pins(folder), path.stat().st_size
    pinned = pins.get(file.file_name, {}).get("sha256")
    kind, _, expected = (file.checksum or f"sha256:{pinned or ''}").partition(":")
    wrong = ""
    if file.size not in (None, size):
        wrong = f"expected {file.size:,} bytes, got {size:,}"
    elif expected and (found := checksum(path, kind)) != expected:
        wrong = f"expected the {kind} {expected}, got {found}"
    if wrong:
        raise DownloadError(
            f"{path}: {wrong}; it is damaged or another version: remove {path} and load again, or report that the "
            "source has changed"
        )
    if pinned is None:
        compared = file.checksum or "nothing: pinned at the first download"
        facts = {"url": file.url, "size": size, "sha256": checksum(path, "sha256"), "compared_with": compared}
        write_json(folder / PINS, {**pins, file.file_name: facts})


def _pins(folder: Path) -> dict[str, Any]:
    try:
        pins: dict[str, Any] = json.loads((folder / PINS).read_text("utf-8"))
        return pins
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise DownloadError(f"{folder / PINS} is damaged ({error}); remove it, and the files beside it") from error


def _version(mark: Path) -> str | None:
    try:
        version: str | None = json.loads(mark.read_text("utf-8"))["version"]
        return version
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


class _SaferRedirects(urllib.request.HTTPRedirectHandler):
    """Redirects are followed to http and https only, and never from https back to http."""

    def redirect_request(self, request: Any, fp: Any, code: int, message: str, headers: Any, url: str) -> Any:
        before, after = (urllib.parse.urlsplit(address).scheme for address in (request.full_url, url))
        if after not in ("http", "https") or (before == "https" and after == "http"):
            raise DownloadError(f"{request.full_url} redirects to {url}, which is not as safe; it is not followed")
        return super().redirect_request(request, fp, code, message, headers, url)


def _open(url: str, headers: dict[str, str], timeout: float) -> Any:
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"expected an address that begins with http:// or https://, got {url!r}")
    request = urllib.request.Request(url, headers={"User-Agent": "embedding-workbook", **headers})
    return urllib.request.build_opener(_SaferRedirects).open(request, timeout=timeout)
