"""Downloads from a server on this machine that breaks off, changes its mind, lies, and redirects."""

import errno
import hashlib
import json
import random
import socket
import subprocess
import sys
import threading
import time

import pytest

from tests.helpers.server import served
from workbook.data.public import download
from workbook.data.public.catalogue import RemoteFile
from workbook.data.public.download import DownloadError, NotAllowed, fetch

CONTENT = random.Random(0).randbytes(3_000_000)
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def site():
    with served() as site:
        site.files["a.bin"] = CONTENT
        yield site


SIZE = len(CONTENT)


def get(site, folder, size=SIZE, checksum=MD5, **settings):
    return fetch(RemoteFile(site.url("a.bin"), size, checksum), folder, **{"pause": 0.0, "timeout": 5.0} | settings)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


FETCH = (
    "import sys; from pathlib import Path; from workbook.data.public.catalogue import RemoteFile as F; "
    "from workbook.data.public.download import fetch; fetch(F(sys.argv[1]), Path(sys.argv[2]))"
)


def start(site, folder, out):
    """Another process that fetches the file; what it prints goes to `out`."""
    with out.open("w") as output:
        return subprocess.Popen([sys.executable, "-u", "-c", FETCH, site.url("a.bin"), str(folder)], stdout=output)


def until(condition):
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def test_a_file_comes_whole_and_is_not_brought_twice(site, tmp_path):
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert site.asked == [("a.bin", None, None)]
    assert names(tmp_path) == ["a.bin", "checksums.json"]
    assert json.loads((tmp_path / "checksums.json").read_text())["a.bin"]["sha256"] == SHA


def test_it_goes_on_where_the_connection_broke(site, tmp_path):
    site.cuts = [1_000_000, 0, 500_000, 0, 0]
    assert get(site, tmp_path).read_bytes() == CONTENT
    starts = [int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0 for _, wanted, _ in site.asked]
    assert starts == [0, 1_000_000, 1_000_000, 1_500_000, 1_500_000, 1_500_000]
    assert {version for _, _, version in site.asked[1:]} == {'"v1"'}


def test_it_goes_on_after_a_kill(site, tmp_path):
    """A process that was killed leaves a part and its mark, no more; here it has given up."""
    site.cuts = [2_000_000] + [0] * 9
    with pytest.raises(DownloadError, match=r"gave up after 3 attempts in a row: .*2.0 MB are kept in .*a.bin.part"):
        get(site, tmp_path, retries=2)
    assert names(tmp_path) == ["a.bin.part", "a.bin.part.json"]
    site.cuts, site.asked = [], []
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert site.asked == [("a.bin", "bytes=2000000-", '"v1"')]
    assert names(tmp_path) == ["a.bin", "checksums.json"]


def test_it_goes_on_after_a_kill_that_nothing_can_catch(site, tmp_path):
    site.stall = 1_500_000
    folder, part = tmp_path / "files", tmp_path / "files/a.bin.part"
    with start(site, folder, tmp_path / "out") as process:
        assert site.stalled.wait(60)
        until(lambda: part.exists() and part.stat().st_size >= 1_000_000)
        process.kill()
    kept = part.stat().st_size
    assert get(site, folder).read_bytes() == CONTENT
    assert site.asked[1:] == [("a.bin", f"bytes={kept}-", '"v1"')]


def test_of_two_processes_that_want_a_file_one_brings_it_and_the_other_waits(site, tmp_path):
    site.go = threading.Event()
    outs = [tmp_path / "one", tmp_path / "two"]
    processes = [start(site, tmp_path / "files", out) for out in outs]
    waits = f"another process is at work on {tmp_path / 'files'}; waiting for it\n"
    until(lambda: len(site.asked) == 2 or (site.asked and waits in [out.read_text() for out in outs]))
    site.go.set()
    assert [process.wait(60) for process in processes] == [0, 0]
    assert (tmp_path / "files/a.bin").read_bytes() == CONTENT
    assert site.asked == [("a.bin", None, None)]
    assert sorted(out.read_text() for out in outs) == ["", waits]
    assert json.loads((tmp_path / "files/checksums.json").read_text())["a.bin"]["sha256"] == SHA


def test_a_process_that_waits_goes_on_where_a_killed_one_stopped(site, tmp_path):
    site.stall = 1_500_000
    folder, out = tmp_path / "files", tmp_path / "two"
    with start(site, folder, tmp_path / "one") as first:
        assert site.stalled.wait(60)
        until(lambda: (folder / "a.bin.part").exists() and (folder / "a.bin.part").stat().st_size >= 1_000_000)
        with start(site, folder, out) as second:
            until(lambda: "waiting" in out.read_text())
            assert len(site.asked) == 1
            first.kill()
            assert second.wait(60) == 0
    assert (folder / "a.bin").read_bytes() == CONTENT
    assert [wanted is not None for _, wanted, _ in site.asked] == [False, True]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_where_nothing_can_be_written_nothing_is_locked(site, tmp_path, monkeypatch, number):
    import filelock

    path = get(site, tmp_path / "files")

    def refuse(*args, **kwargs):
        raise OSError(number, "no")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    assert get(site, tmp_path / "files") == path


def test_another_version_on_the_server_begins_anew(site, tmp_path):
    site.files["a.bin"], site.cuts = bytes(len(CONTENT)), [2_000_000] + [0] * 9
    with pytest.raises(DownloadError, match="gave up"):
        get(site, tmp_path, retries=1)
    site.files["a.bin"], site.etags["a.bin"], site.cuts = CONTENT, '"v2"', []
    assert get(site, tmp_path).read_bytes() == CONTENT


def test_a_part_of_unknown_version_is_not_gone_on_with(site, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(b"who knows")
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert site.asked == [("a.bin", None, None)]


def test_a_part_of_unknown_version_is_not_taken_for_the_file_either(site, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(bytes(SIZE))
    assert get(site, tmp_path, checksum=None).read_bytes() == CONTENT


def test_as_long_as_something_comes_it_does_not_give_up(site, tmp_path):
    site.cuts = [200_000] * 14
    assert get(site, tmp_path, retries=1).read_bytes() == CONTENT
    assert len(site.asked) == 15


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_mark_of_the_version_it_begins_anew(site, tmp_path, etag):
    site.etags["a.bin"], site.cuts = etag, [2_000_000]
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert [wanted for _, wanted, _ in site.asked] == [None, None]


def test_a_server_that_serves_no_parts_begins_anew(site, tmp_path):
    site.ranges, site.cuts = False, [2_000_000]
    assert get(site, tmp_path).read_bytes() == CONTENT


def test_a_whole_part_needs_no_server(site, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT)
    (tmp_path / "a.bin.part.json").write_text('{"version": "x"}')
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert site.asked == []


def test_a_part_longer_than_what_the_server_has_is_thrown_away(site, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT + b"more")
    (tmp_path / "a.bin.part.json").write_text('{"version": "\\"v1\\""}')
    assert get(site, tmp_path, size=None).read_bytes() == CONTENT


@pytest.mark.parametrize("checksum", ["md5:" + "0" * 32, "sha256:" + "0" * 64, "git:" + "0" * 40])
def test_a_wrong_checksum_keeps_nothing(site, tmp_path, checksum):
    with pytest.raises(DownloadError, match=f"expected the {checksum}, got".replace(":", " ")):
        get(site, tmp_path, checksum=checksum)
    assert names(tmp_path) == []


def test_gits_checksum_is_gits(tmp_path):
    (tmp_path / "a").write_bytes(b"hello\n")
    assert download.checksum(tmp_path / "a", "git") == "ce013625030ba8dba906f756967f9e9ca394464a"  # git hash-object


def test_a_damaged_file_on_the_disk_is_noticed(site, tmp_path):
    path = get(site, tmp_path)
    path.write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(DownloadError, match=r"expected the md5 .* remove"):
        get(site, tmp_path)


def test_without_a_checksum_the_first_download_is_pinned(site, tmp_path):
    path = get(site, tmp_path, size=None, checksum=None)
    pins = json.loads((tmp_path / "checksums.json").read_text())["a.bin"]
    assert pins == {
        "url": site.url("a.bin"), "size": len(CONTENT), "sha256": SHA,
        "compared_with": "nothing: pinned at the first download",
    }  # fmt: skip
    path.unlink()
    site.files["a.bin"] = CONTENT + b"changed"
    with pytest.raises(DownloadError, match=f"expected the sha256 {SHA}"):
        get(site, tmp_path, size=None, checksum=None)
    assert names(tmp_path) == ["checksums.json"]


def test_another_size_than_stated_is_refused_before_anything_is_kept(site, tmp_path):
    with pytest.raises(DownloadError, match="expected 7 bytes, the server has 3,000,000"):
        get(site, tmp_path, size=7)
    assert names(tmp_path) == []
    assert len(site.asked) == 1


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_is_not_tried_again(site, tmp_path, status):
    site.answers["a.bin"] = (status, {})
    with pytest.raises(DownloadError, match=f"answered {status}.*is the address still right"):
        get(site, tmp_path)
    assert len(site.asked) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(site, tmp_path, status):
    site.answers["a.bin"] = (status, {})
    with pytest.raises(DownloadError, match=f"gave up after 3 attempts in a row: the server answered {status}"):
        get(site, tmp_path, retries=2)
    assert len(site.asked) == 3


def test_a_redirect_is_followed_but_not_to_files_or_less_safe_places(site, tmp_path):
    site.answers["old.bin"] = (302, {"Location": site.url("a.bin")})
    assert fetch(RemoteFile(site.url("old.bin"), None, MD5), tmp_path / "one").read_bytes() == CONTENT
    site.cuts, site.asked = [1_000_000], []
    assert fetch(RemoteFile(site.url("old.bin"), None, MD5), tmp_path / "cut", pause=0.0).read_bytes() == CONTENT
    assert site.asked[-1] == ("a.bin", "bytes=1000000-", '"v1"')
    for place in ("file:///etc/passwd", "ftp://127.0.0.1/a"):
        site.answers["old.bin"] = (302, {"Location": place})
        with pytest.raises((DownloadError, OSError), match=r"not as safe|not allowed|answered 302"):
            fetch(RemoteFile(site.url("old.bin")), tmp_path / "two", pause=0.0, retries=0)
    assert names(tmp_path / "two") == []


def test_https_is_never_left_for_http():
    import urllib.request

    request = urllib.request.Request("https://example.org/a")
    with pytest.raises(DownloadError, match="not as safe"):
        download._SaferRedirects().redirect_request(request, None, 302, "", {}, "http://example.org/a")


@pytest.mark.parametrize("name", ["../a", "/etc/a", "a/b", "..", "a\\b", "C:a"])
def test_a_name_that_leads_elsewhere_is_refused(site, tmp_path, name):
    with pytest.raises(ValueError, match="expected a plain file name"):
        fetch(RemoteFile(site.url("a.bin"), name=name), tmp_path)
    assert site.asked == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/a", "/etc/passwd"])
def test_only_the_web_is_read(tmp_path, url):
    with pytest.raises(ValueError, match="begins with http"):
        fetch(RemoteFile(url), tmp_path)


def test_a_listing_that_is_a_file_of_this_machine_is_not_read():
    with pytest.raises(DownloadError, match="begins with http"):
        download.get_json("file:///etc/hostname")


def test_a_disk_without_room_is_said_before_the_download(site, tmp_path):
    with pytest.raises(OSError, match=r"a.bin needs .* GB in .* are free; make room"):
        get(site, tmp_path, size=10**18)
    assert site.asked == []


def test_a_folder_that_cannot_be_written_is_our_trouble_not_the_servers(site, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device", "a.bin.part")

    monkeypatch.setattr(download.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        get(site, tmp_path)
    assert len(site.asked) == 1


def test_nothing_listens(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DownloadError, match="gave up after 1 attempts in a row: the connection broke"):
        fetch(RemoteFile(f"http://127.0.0.1:{port}/a"), tmp_path, retries=0)


def test_consent_is_an_argument_or_a_variable_and_false_is_stronger(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv(download.VARIABLE, raising=False)
    assert [download.allowed(answer) for answer in (None, True, False)] == [False, True, False]
    monkeypatch.setenv(download.VARIABLE, "1")
    assert [download.allowed(answer) for answer in (None, True, False)] == [True, True, False]
    monkeypatch.setenv(download.VARIABLE, "0")
    assert not download.allowed(None)
    with pytest.raises(NotAllowed, match=r"(?s)facts.*pass download=True, or set WORKBOOK_DOWNLOAD=1"):
        download.ask("facts", None, tmp_path)
    download.ask("facts", True, tmp_path)
    assert "facts" in capsys.readouterr().out
