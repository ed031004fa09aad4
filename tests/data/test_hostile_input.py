"""Files that were made to do harm, and files that chance has made: each is refused in a sentence, or skipped and counted."""

import gzip
import io
import json
import random
import shutil
import tarfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import published as p
from workbook import data
from workbook.data import MalformedFile
from workbook.data.problems import Problems
from workbook.data.public.archives import UnsafeArchive, unpack
from workbook.data.readers.texts import whole_grade
from workbook.data.stored.storage import open_texts, store_texts

BAD_NUMBER = "9" * 5_000  # more digits than Python reads


def small(folder: Path, corpus: str) -> Path:
    p.write(folder / "corpus.jsonl", corpus)
    p.write_jsonl(folder / "queries.jsonl", [{"_id": "q", "text": "what"}])
    p.write(folder / "qrels/test.tsv", "query-id\tcorpus-id\tscore\nq\tgood\t1\n")
    return folder


# --- lines that are not what they should be ----------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ('{"_id": "x", "text": "y", "n": ' + BAD_NUMBER + "}", "not JSON"),
        ('{"_id": ' + BAD_NUMBER + ', "text": "y"}', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"_id": "x", "text": "y", "deep": ' + "[" * 5_000 + "]" * 5_000 + "}", "not JSON"),
        ('{"_id": "x", "text": "a\x00b"}', "not JSON"),
        ('{"_id": null, "text": "y"}', "no id or text"),
        ('{"_id": [1], "text": "y"}', "no id or text"),
        ('{"_id": NaN, "text": "y"}', "no id or text"),
        ('{"_id": true, "text": "y"}', "no id or text"),
        ('{"_id": "", "text": "y"}', "no id or text"),
        ('{"_id": "x", "text": "\\ud800"}', "not UTF-8"),
    ],
)
def test_a_hostile_line_is_counted_and_named(tmp_path, line, kind):
    folder = small(tmp_path, '{"_id": "good", "text": "text"}\n' + line + "\n")
    with pytest.warns(UserWarning, match="1 × "):
        read = data.load(folder)
    assert read.problems.counts == {kind: 1}
    assert list(read.corpus) == ["good"]
    with pytest.raises(MalformedFile, match=r"corpus\.jsonl, line 2"):
        data.load(folder, strict=True)


def test_numbers_are_ids_and_an_id_of_many_digits_is_one_too(tmp_path):
    rows = [{"_id": 7, "text": "seven"}, {"_id": "good", "text": "x"}, {"_id": BAD_NUMBER, "text": "long"}]
    read = data.load(small(tmp_path, "".join(json.dumps(row) + "\n" for row in rows)), strict=True)
    assert set(read.corpus) == {"7", "good", BAD_NUMBER}


@pytest.mark.parametrize(
    "text", ["-+5", "++5", "", "-", "٣", "²", BAD_NUMBER, "1.5", "1,0", "1_0", "0x1", "1e1", "nan", "inf", "1234567890"]
)
def test_what_is_no_whole_grade(text, tmp_path):
    assert whole_grade(text) is None
    folder = small(tmp_path, '{"_id": "good", "text": "text"}\n')
    p.write(folder / "qrels/test.tsv", f"query-id\tcorpus-id\tscore\nq\tgood\t{text}\n")
    with pytest.raises(MalformedFile, match=r"test\.tsv, line 2"):
        data.load(folder, strict=True)


@pytest.mark.parametrize(
    ("text", "grade"),
    [("0", 0), ("3", 3), ("-1", -1), ("+2", 2), ("007", 7), ("123456789", 123456789), ("1.0", 1), ("2.", 2), ("1 ", 1),
     ("1.000000000000000000e+00", 1), ("-0.0", 0), (2.0, 2), (3, 3), (True, 1)],
)  # fmt: skip
def test_what_is_a_whole_grade(text, grade):
    assert whole_grade(text) == grade


@pytest.mark.parametrize(
    "content",
    [
        '{"data": 7}',
        '{"data": [7]}',
        '{"data": [{"paragraphs": 7}]}',
        '{"data": [{"paragraphs": [7, null]}]}',
        '{"data": [{"paragraphs": [{"context": "a", "qas": [7]}]}]}',
        '{"data": [{"paragraphs": [{"context": "a", "qas": null}]}]}',
        '{"data": [{"paragraphs": [{"context": "\\ud800", "qas": []}]}]}',
        '{"paragraphs": ' + BAD_NUMBER + "}",
        '{"paragraphs": ' + "[" * 100_000,
    ],
)
def test_a_squad_file_of_another_shape_is_reported(tmp_path, content):
    p.write(tmp_path / "train-v1.1.json", json.dumps(p.SQUAD_TRAIN))
    p.write(tmp_path / "dev-v1.1.json", content + " " * 10 + '"paragraphs"' * (not content.startswith("{")))
    if '"paragraphs"' not in content:
        p.write(tmp_path / "dev-v1.1.json", content[:-1] + ', "paragraphs": 1}')
    with pytest.warns(UserWarning, match=r"dev-v1\.1\.json"):
        read = data.load(tmp_path)
    assert len(read.queries) == 3
    with pytest.raises(MalformedFile, match=r"dev-v1\.1\.json"):
        data.load(tmp_path, strict=True)


def test_a_field_too_long_for_csv_is_one_row_less(tmp_path):
    path = p.write(tmp_path / "stsb-en-train.csv", "a,b,1.0\n" + "x" * 200_000 + ",y,2.0\nc,d,3.0\n")
    with pytest.warns(UserWarning, match=r"stsb-en-train\.csv, line 2"):
        read = data.load(path)
    assert [pair.first for pair in read.splits["train"]] == ["a", "c"]
    with pytest.raises(MalformedFile, match="line 2"):
        data.load(path, strict=True)


def test_a_parquet_date_beyond_the_calendar_is_reported(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    from workbook.data.readers.formats import read_parquet

    when = pa.array([0, 2**60], pa.int64()).cast(pa.timestamp("ms"))
    pq.write_table(pa.table({"_id": ["a", "b"], "when": when}), tmp_path / "x.parquet")
    problems = Problems()
    list(read_parquet(tmp_path / "x.parquet", problems))
    assert problems.counts == {"damaged Parquet file": 1}


def test_millions_of_broken_lines_take_a_bit_each():
    import tracemalloc

    problems = Problems()
    tracemalloc.start()
    for line in range(1, 20_001):
        problems.report("not JSON", Path("x"), line, "JSON", "y")
        problems.report("not JSON", Path("x"), line, "JSON", "y")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert problems.counts == {"not JSON": 20_000}
    assert peak < 100_000


# --- by chance -----------------------------------------------------------------------------------------

NASTY = [
    b"\0", b"\xef\xbb\xbf", b"\r\n", b"\r", b"\xff\xfe", b"\xed\xa0\x80", b'"\\ud800"', b"[" * 3_000, b"\t", b"\n\n",
    BAD_NUMBER.encode(), b'{"_id": null}\n', b"NaN", b"-+5", b'"', b'{"a":' * 3_000, "\u2028".encode(), b"a" * 200_000,
    b"null", b"{}", b"1e999", b"true",
]  # fmt: skip


def squad(folder: Path) -> Path:
    p.write(folder / "dev-v1.1.json", json.dumps(p.SQUAD_DEV))
    return p.write(folder / "train-v1.1.json", json.dumps(p.SQUAD_TRAIN)).parent


def sts(folder: Path) -> Path:
    p.write(folder / "sts-train.csv", p.STS_TRAIN)
    return p.write(folder / "sts-test.csv", p.STS_TEST).parent


def sts_pairs(folder: Path) -> Path:
    return p.write(folder / "stsb-en-train.csv", 'a plane,"a ""b"" c",3.0\nx,y,1\n')


LAYOUTS = {
    "BEIR": lambda folder: p.nq(folder) / "nq",
    "MS MARCO": p.msmarco,
    "SQuAD": squad,
    "STS": sts,
    "STS, commas": sts_pairs,
    "CodeSearchNet": p.codesearchnet,
    "Hugging Face": p.mteb_parquet,
}


def spoil(content: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 1, 2, 4))):
        i = chance.randrange(len(content) + 1)
        j = min(len(content), i + chance.randrange(1, 40))
        before, between, after = content[:i], content[i:j], content[j:]
        content = (
            before,
            before + chance.randbytes(chance.randrange(1, 8)) + after,
            before + chance.choice(NASTY) + between + after,
            before + chance.choice(NASTY) + after,
            before + after,
            before + between + between + after,
            content + content,
        )[chance.randrange(7)]
    return content


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_whatever_a_file_holds_it_is_read_or_refused_in_a_sentence(tmp_path, layout):
    chance = random.Random(layout)
    read = refused = 0
    for _ in range(40):
        shutil.rmtree(tmp_path / "in", ignore_errors=True)
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        place = LAYOUTS[layout](tmp_path / "in")
        spoilt = chance.choice(sorted(path for path in (tmp_path / "in").rglob("*") if path.is_file()))
        content = spoilt.read_bytes()
        if spoilt.suffix == ".gz" and chance.random() < 0.6:
            content = gzip.compress(spoil(gzip.decompress(content), chance))
        else:
            content = spoil(content, chance)
        spoilt.write_bytes(content)
        for options in ({}, {"strict": True}, {"store": tmp_path / "out"}):
            try:
                with warnings.catch_warnings(action="ignore"):
                    loaded = data.load(place, **options)
                    again = data.load(tmp_path / "out") if (tmp_path / "out/manifest.json").exists() else loaded
                assert str(loaded.problems)
                if hasattr(loaded, "corpus"):
                    assert dict(again.corpus) == dict(loaded.corpus)
                    assert (again.qrels, again.splits) == (loaded.qrels, loaded.splits)
                read += 1
            except (MalformedFile, FileNotFoundError):  # the layout may not be known any more
                refused += 1
    assert read > 20
    assert refused > 2


# --- folders that were stored --------------------------------------------------------------------------


@pytest.fixture
def stored(tmp_path) -> Path:
    data.load(p.nq(tmp_path / "from"), store=tmp_path / "to")
    return tmp_path / "to"


def change(path: Path, **facts: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | facts), "utf-8")


@pytest.mark.parametrize(
    "facts",
    [
        {"splits": {"../../secret": 1}},
        {"splits": {"..\\secret": 1}},
        {"splits": ["test"]},
        {"splits": {"other": 1}},
        {"splits": {"test": 2}},
        {"splits": None},
        {"problems": 7},
        {"problems": {"counts": {}}},
    ],
)
def test_a_manifest_of_a_collection_leads_nowhere_else(stored, facts):
    secret = stored.parent / "secret.tsv"
    secret.write_text("a\tb\tc\nq\tp\t1\n")
    change(stored / "manifest.json", **facts)
    with pytest.raises(ValueError, match="is damaged"):
        data.load(stored)


@pytest.mark.parametrize("content", ["", "header\n", "header\nq\tp\n", "header\nq\tp\tx\n", "header\nq\tp\t1\t2\n"])
def test_damaged_judgements_are_named_with_their_line(stored, content):
    (stored / "qrels/test.tsv").write_text(content)
    with pytest.raises(ValueError, match=r"test\.tsv is damaged, line \d.* load again"):
        data.load(stored)


@pytest.fixture
def texts(tmp_path) -> Path:
    store_texts(tmp_path / "texts", [(f"id{i}", f"text {i}") for i in range(10)], part_rows=4)
    return tmp_path / "texts"


@pytest.mark.parametrize(
    ("which", "name"),
    [("parts", "../secret.arrow"), ("parts", "/etc/passwd"), ("parts", "part-00001.arrow"), ("index", "../x.npy")],
)
def test_a_manifest_of_texts_names_its_own_files_only(texts, which, name):
    manifest = json.loads((texts / "manifest.json").read_text("utf-8"))
    (texts.parent / "secret.arrow").write_bytes((texts / "part-00000.arrow").read_bytes())
    manifest[which][0]["file"] = name
    change(texts / "manifest.json", **manifest)
    with pytest.raises(ValueError, match=r"manifest\.json is damaged \(expected the file"):
        open_texts(texts)


@pytest.mark.parametrize("key", ["rows", "bytes", "sha256"])
@pytest.mark.parametrize("value", [None, "x", -1, 1.5])
def test_a_manifest_of_texts_states_numbers(texts, key, value):
    manifest = json.loads((texts / "manifest.json").read_text("utf-8"))
    if value is None:
        del manifest["parts"][0][key]
    elif key == "sha256":
        return
    else:
        manifest["parts"][0][key] = value
    change(texts / "manifest.json", **manifest)
    with pytest.raises(ValueError, match=r"manifest\.json is damaged"):
        open_texts(texts)


def restate(folder: Path, name: str) -> None:
    """What somebody who writes a harmful file would write into the manifest too."""
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    for file in (*manifest["parts"], *manifest["index"]):
        if file["file"] == name:
            file["bytes"] = (folder / name).stat().st_size
    change(folder / "manifest.json", **manifest)


def test_offsets_that_point_out_of_a_file_are_not_followed(texts):
    path = texts / "part-00000.arrow"
    content = path.read_bytes()
    ends = np.cumsum([0, *(len(f"text {i}") for i in range(4))]).astype("<i8").tobytes()
    assert content.count(ends) == 1
    for wrong in ([0, 6, 12, 18, 2**40], [0, 6, 2**40, 18, 24], [0, 6, -(2**40), 18, 24], [0, 12, 6, 18, 24]):
        path.write_bytes(content.replace(ends, np.array(wrong, "<i8").tobytes()))
        opened = open_texts(texts)
        with pytest.raises(ValueError, match=r"part-00000\.arrow is damaged"):
            opened.texts()
        with pytest.raises(ValueError, match=r"part-00000\.arrow is damaged"):
            opened.texts_at([3, 2, 1, 0])
        assert open_texts(texts).texts(4) == [f"text {i}" for i in range(4, 10)]


def test_a_part_of_other_columns_or_other_length_is_refused(texts):
    import pyarrow as pa

    part = texts / "part-00000.arrow"
    for columns in (
        {"id": pa.array(["a"] * 4), "text": pa.array(["b"] * 4)},
        {"id": pa.array(["a"] * 3, pa.large_string()), "text": pa.array(["b"] * 3, pa.large_string())},
        {"id": pa.array(["a"] * 4, pa.large_string()), "text": pa.array(["b", None, "b", "b"], pa.large_string())},
        {"id": pa.array([1] * 4), "text": pa.array([[2]] * 4)},
    ):
        batch = pa.record_batch(list(columns.values()), names=list(columns))
        with part.open("wb") as file, pa.ipc.new_file(file, batch.schema) as writer:
            writer.write_batch(batch)
        restate(texts, part.name)
        with pytest.raises(ValueError, match=r"part-00000\.arrow is damaged"):
            open_texts(texts).texts()


@pytest.mark.parametrize("wrong", ["objects", "archive", "floats", "short", "huge", "noise", "empty"])
@pytest.mark.parametrize("name", ["id_hashes.npy", "id_rows.npy"])
def test_a_harmful_index_is_refused(texts, name, wrong):
    path = texts / name
    if wrong == "objects":
        np.save(path, np.array([{"a": 1}] * 10, dtype=object), allow_pickle=True)
    elif wrong == "archive":
        np.savez(texts / "x.npz", a=np.arange(10, dtype=np.uint64))
        (texts / "x.npz").rename(path)
    elif wrong == "floats":
        np.save(path, np.zeros(10), allow_pickle=False)
    elif wrong == "short":
        np.save(path, np.zeros(9, np.uint64), allow_pickle=False)
    elif wrong == "huge":
        path.write_bytes(path.read_bytes().replace(b"(10,)", b"(9e9)"))
    else:
        path.write_bytes(b"\x93NUMPY\x01\x00" * 20 if wrong == "noise" else b"")
    restate(texts, name)
    with pytest.raises(ValueError, match=rf"{name} is damaged"):
        open_texts(texts)


# --- archives ------------------------------------------------------------------------------------------


def zipped(path: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name in ("a/b.txt", "a/c.txt", "d.txt"):
            file.writestr(name, "".join(random.Random(name).choices("abcdefgh ", k=500)))
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_with_any_wrong_byte_is_unpacked_or_refused(tmp_path, method):
    content = zipped(tmp_path / "x.zip", method).read_bytes()
    chance, refused = random.Random(method), 0
    for _ in range(80):
        wrong = bytearray(content)
        for _ in range(chance.choice((1, 2, 5))):
            wrong[chance.randrange(len(wrong))] = chance.randrange(256)
        (tmp_path / "x.zip").write_bytes(wrong)
        try:
            unpack(tmp_path / "x.zip", tmp_path / "out")
            shutil.rmtree(tmp_path / "out")
        except ValueError:
            refused += 1
        assert sorted(path.name for path in tmp_path.iterdir()) == ["x.zip"]
    assert refused > 20


def test_a_zip_that_asks_for_a_password_is_refused(tmp_path):
    content = bytearray(zipped(tmp_path / "x.zip").read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := content.find(mark, at + 1)) >= 0:
            content[at + place] |= 1
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(ValueError, match="password"):
        unpack(tmp_path / "x.zip", tmp_path / "out")


def test_a_small_archive_of_very_many_files_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("workbook.data.public.archives.ALWAYS_FINE", 100 * 4096)
    for count in (50, 3_000):
        with tarfile.open(tmp_path / f"{count}.tar.gz", "w:gz") as tar:
            for number in range(count):
                tar.addfile(tarfile.TarInfo(str(number)), io.BytesIO())
    unpack(tmp_path / "50.tar.gz", tmp_path / "few")
    assert len(list((tmp_path / "few").iterdir())) == 50
    with pytest.raises(UnsafeArchive, match="more files than"):
        unpack(tmp_path / "3000.tar.gz", tmp_path / "many")
    assert not (tmp_path / "many").exists()


@pytest.mark.parametrize("name", ["x" * 256, "/".join(["d"] * 600)])
def test_a_name_too_long_for_a_disk_is_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr(name, "x")
    with pytest.raises(UnsafeArchive, match="too long"):
        unpack(tmp_path / "x.zip", tmp_path / "out")


def test_an_archive_of_the_folder_itself_is_unpacked(tmp_path):
    (tmp_path / "in").mkdir()
    p.write(tmp_path / "in/a.txt", "x")
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.add(tmp_path / "in", ".")
    unpack(tmp_path / "x.tar", tmp_path / "out")
    assert (tmp_path / "out/a.txt").read_text() == "x"


# --- names and places ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "beir/../../x",
        "beir/..",
        "../beir/scifact",
        "mteb/../x",
        "mteb//x",
        "mteb/x/../../y",
        "planted-../x",
        "nq\0",
        "nq\n",
    ],
)
def test_a_name_that_climbs_is_no_collection_and_leaves_nothing(tmp_path, monkeypatch, name):
    monkeypatch.setenv("WORKBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises((FileNotFoundError, ValueError)):
        data.load(name, download=False)
    assert list(tmp_path.iterdir()) == []


def test_the_cache_may_be_below_the_home_folder(tmp_path, monkeypatch):
    from workbook.data import pydocs
    from workbook.data.public import load as public

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("WORKBOOK_CACHE", "~/kept")
    assert public.cache_folder() == tmp_path / "kept" / "collections"
    monkeypatch.setattr(pydocs, "versions", lambda: "")
    assert pydocs.cache_path().parent == tmp_path / "kept"
