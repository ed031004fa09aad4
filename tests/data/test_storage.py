"""Stored texts are a dictionary on disk: whole or not there, checked, and in no need of memory."""

import errno
import os
import pickle
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbook.data.stored import storage
from workbook.data.stored.storage import MANIFEST, StoredTexts, open_texts, store_texts

TEXTS = {f"p{i}": f"passage {i}\n\twith Ünïcödé 漢字 😀 and a zero \x00" * (i % 3) for i in range(25)}
utf8 = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("part_rows", [1, 7, 25, 100])
def test_what_is_stored_comes_back_in_order(tmp_path, part_rows):
    stored = store_texts(tmp_path, TEXTS.items(), part_rows)
    for texts in (stored, open_texts(tmp_path), pickle.loads(pickle.dumps(stored))):
        assert len(texts) == 25
        assert list(texts) == list(TEXTS)
        assert list(texts.items()) == list(TEXTS.items())
        assert list(texts.values()) == list(TEXTS.values())
        assert texts == TEXTS
        assert [texts[id] for id in TEXTS] == list(TEXTS.values())
        assert [texts.row(id) for id in TEXTS] == list(range(25))
        assert texts.ids(5, 9) == list(TEXTS)[5:9]
        assert texts.texts(20) == list(TEXTS.values())[20:]
        assert texts.texts_at([24, 3, 3, 0]) == [list(TEXTS.values())[row] for row in (24, 3, 3, 0)]
        assert texts.ids_at(np.array([7, 1])) == ["p7", "p1"]
        assert texts.texts_at([]) == []
        assert [len(ids) for ids, _ in texts.batches(10)] == [10, 10, 5]
        assert [ids for ids, _ in texts.batches(4, 3, 9)] == [list(TEXTS)[3:7], list(TEXTS)[7:9]]
    assert len(list(tmp_path.glob("part-*.arrow"))) == -(-25 // part_rows)


@given(st.dictionaries(utf8, utf8, max_size=12), st.integers(1, 5))
def test_any_texts_come_back(tmp_path_factory, texts, part_rows):
    stored = store_texts(tmp_path_factory.mktemp("texts"), texts.items(), part_rows)
    assert list(stored.items()) == list(texts.items())
    assert all(stored[id] == text for id, text in texts.items())


@pytest.mark.parametrize("id", ["", "p25", "P1", 3, "lone \ud800"])
def test_an_unknown_id_is_not_there(tmp_path, id):
    stored = store_texts(tmp_path, TEXTS.items())
    assert id not in stored
    assert stored.get(str(id), "nothing") == "nothing"


@pytest.mark.parametrize("row", [-1, 25])
def test_a_row_that_is_not_there_is_refused(tmp_path, row):
    with pytest.raises(IndexError, match="rows must lie between 0 and 24"):
        store_texts(tmp_path, TEXTS.items()).texts_at([0, row])


def test_the_hash_is_fnv_1a_stirred():
    def slowly(id):
        h = 0xCBF29CE484222325
        for byte in id.encode():
            h = (h ^ byte) * 0x100000001B3 % 2**64
        h = (h ^ h >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        h = (h ^ h >> 27) * 0x94D049BB133111EB % 2**64
        return h ^ h >> 31

    ids = ["", "a", "b", "ab", "7", "07", "漢字", "x" * 300]
    assert storage._hash(ids).tolist() == [slowly(id) for id in ids]
    assert storage._hash(ids[5:6])[0] == slowly("07")


def test_ids_with_equal_hashes_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "_hash", lambda ids: np.array([len(id) for id in ids], dtype=np.uint64))
    stored = store_texts(tmp_path, TEXTS.items(), 7)
    assert [stored[id] for id in TEXTS] == list(TEXTS.values())
    assert "p99" not in stored


@pytest.mark.parametrize("part_rows", [2, 100])
def test_a_second_equal_id_is_refused_by_name_and_rows(tmp_path, part_rows):
    items = [("a", "1"), ("b", "2"), ("c", "3"), ("b", "4")]
    with pytest.raises(ValueError, match="each id once, but 'b' is the id of rows 1 and 3"):
        store_texts(tmp_path, items, part_rows)
    with pytest.raises(FileNotFoundError, match="holds no finished texts"):
        open_texts(tmp_path)


@pytest.mark.parametrize(
    ("item", "kind", "message"),
    [
        (("q", "half \ud83d"), ValueError, "row 2, id 'q': the text cannot be written as UTF-8"),
        (("q", None), TypeError, "row 2: expected a string as text, got NoneType"),
        ((7, "text"), TypeError, "row 2: expected a string as id, got int"),
    ],
)
def test_what_is_no_text_is_refused_by_row(tmp_path, item, kind, message):
    with pytest.raises(kind, match=message):
        store_texts(tmp_path, [("a", "1"), ("b", "2"), item], part_rows=2)


def test_equal_texts_have_equal_fingerprints_and_bytes(tmp_path):
    one, two = (store_texts(tmp_path / name, TEXTS.items(), 7) for name in ("one", "two"))
    other = store_texts(tmp_path / "other", {**TEXTS, "p3": "changed"}.items(), 7)
    assert one.fingerprint == two.fingerprint != other.fingerprint
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_finished_texts_are_not_overwritten(tmp_path):
    store_texts(tmp_path, TEXTS.items())
    with pytest.raises(FileExistsError, match="holds finished texts"):
        store_texts(tmp_path, [("a", "b")])
    assert open_texts(tmp_path) == TEXTS


class Stopped(Exception):
    pass


@pytest.mark.parametrize("stopped_at", range(0, 25, 3))
def test_a_stopped_run_goes_on_where_its_last_part_ended(tmp_path, stopped_at):
    asked = []

    def source(start, stop=None):
        asked.append(start)
        for row, item in enumerate(list(TEXTS.items())[start:], start=start):
            if row == stop:
                raise Stopped
            yield item

    with pytest.raises(Stopped):
        store_texts(tmp_path / "twice", lambda start: source(start, stopped_at), 4)
    with pytest.raises(FileNotFoundError):
        open_texts(tmp_path / "twice")
    assert store_texts(tmp_path / "twice", source, 4) == TEXTS
    assert asked == [0, stopped_at // 4 * 4]
    store_texts(tmp_path / "once", TEXTS.items(), 4)
    assert contents(tmp_path / "twice") == contents(tmp_path / "once")


def test_a_damaged_part_of_a_stopped_run_is_written_again(tmp_path):
    store_texts(tmp_path / "once", TEXTS.items(), 4)
    store_texts(tmp_path / "twice", TEXTS.items(), 4)
    (tmp_path / "twice" / MANIFEST).unlink()
    part = tmp_path / "twice/part-00002.arrow"
    part.write_bytes(part.read_bytes()[:-100])
    store_texts(tmp_path / "twice", lambda start: list(TEXTS.items())[start:], 4)
    assert contents(tmp_path / "twice") == contents(tmp_path / "once")


def damage(path, how):
    data = path.read_bytes()
    path.unlink()
    if how == "cut":
        path.write_bytes(data[:-1])
    if how == "bit":
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])


@pytest.mark.parametrize("how", ["cut", "gone"])
@pytest.mark.parametrize("file", ["part-00001.arrow", storage.HASHES, storage.ROWS])
def test_a_file_of_another_size_is_named_on_opening(tmp_path, file, how):
    store_texts(tmp_path, TEXTS.items(), 7)
    damage(tmp_path / file, how)
    with pytest.raises(ValueError, match=rf"{file} is damaged: expected [\d,]+ bytes, got .*store the texts again"):
        open_texts(tmp_path)


def test_a_changed_bit_is_found_by_check_and_the_part_is_named(tmp_path):
    stored = store_texts(tmp_path, TEXTS.items(), 7)
    stored.check()
    damage(tmp_path / "part-00001.arrow", "bit")
    damaged = open_texts(tmp_path)
    damaged.check(0, 7)
    damaged.check(14)
    for rows in [(), (6, 8), (13, 14)]:
        with pytest.raises(ValueError, match=r"part-00001\.arrow is damaged: expected SHA-256"):
            damaged.check(*rows)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"parts": [], "index": [], "format": "of tomorrow"}'])
def test_a_damaged_manifest_is_refused(tmp_path, content):
    store_texts(tmp_path, TEXTS.items())
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(ValueError, match=r"manifest\.json is damaged"):
        StoredTexts(tmp_path)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_FSIZE as a disk that is full")
@pytest.mark.parametrize("limit", [0, 1_000, 30_000])
def test_a_full_disk_leaves_no_manifest_and_says_so(tmp_path, limit):
    """The kernel refuses to let any file grow beyond a limit, as a full disk would."""
    script = (
        "import resource, signal, sys; from workbook.data.stored.storage import store_texts\n"
        "import pyarrow\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "try: store_texts(sys.argv[1], ((str(i), 'text' * (i // 10)) for i in range(1000)), 100)\n"
        "except OSError as error: print(error)\n"
    )
    run = [sys.executable, "-c", script, str(tmp_path)]
    said = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert "cannot write" in said
    assert "nothing half-written is left" in said
    whole = {f"part-{n:05}.arrow" for n in range(10)}
    assert {path.name for path in tmp_path.iterdir()} < whole
    with pytest.raises(FileNotFoundError):
        open_texts(tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    """Root may write anywhere, so the system's refusal is played where the tests run as root."""
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):

        def refuse(path, *args, **kwargs):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

        monkeypatch.setattr(storage.Path, "open", refuse)
    with pytest.raises(OSError, match=r"cannot write .*locked.*Permission denied"):
        store_texts(folder, TEXTS.items())
    monkeypatch.undo()
    assert list(folder.iterdir()) == []
    folder.chmod(0o700)


MEMORY = """
import sys, time
from workbook.data.stored.storage import open_texts
import pyarrow

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6

before, start = resident(), time.process_time()
texts = open_texts(sys.argv[1])
assert texts["77777"].startswith("text 77777 "), texts["77777"]
print(resident() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_opening_and_one_look_up_read_next_to_nothing(tmp_path):
    rng = random.Random(0)
    store_texts(tmp_path, ((str(i), f"text {i} " + "x" * rng.randrange(600)) for i in range(200_000)), 20_000)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) > 60e6
    run = [sys.executable, "-c", MEMORY, str(tmp_path)]
    megabytes = float(subprocess.run(run, capture_output=True, text=True, check=True).stdout)
    assert megabytes < 12  # the texts are 60 MB
