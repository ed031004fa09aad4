"""Archives are unpacked into their folder, and nothing of them lands elsewhere."""

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from workbook.data.public import archives
from workbook.data.public.archives import UnsafeArchive, unpack


def tar_of(path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def file(name: str, content: bytes = b"evil") -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo(name), content


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "a.tar", "a.zip"])
def test_files_and_folders_come_out_as_they_went_in(tmp_path, name):
    if name.endswith("zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("nq/", "")
            archive.writestr("nq/corpus.jsonl", "one")
            archive.writestr("nq/qrels/test.tsv", "two")
    else:
        folder = tarfile.TarInfo("nq")
        folder.type = tarfile.DIRTYPE
        mode = "w" if name.endswith("tar") else "w:gz"
        tar_of(
            tmp_path / name,
            (folder, b""),
            file("nq/corpus.jsonl", b"one"),
            file("./nq/qrels/test.tsv", b"two"),
            mode=mode,
        )
    unpack(tmp_path / name, tmp_path / "out")
    assert everything(tmp_path / "out") == {"nq", "nq/corpus.jsonl", "nq/qrels", "nq/qrels/test.tsv"}
    assert (tmp_path / "out/nq/qrels/test.tsv").read_text() == "two"
    assert everything(tmp_path) >= {name, "out"}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


EVIL = {
    "absolute": [file("ABSOLUTE")],
    "up": [file("../evil")],
    "up, hidden": [file("good/../../evil")],
    "backslashes": [file("..\\evil")],
    "a drive": [file("C:evil")],
    "a link out": [link("out", "/etc"), file("out/evil")],
    "a link up": [link("out", ".."), file("out/evil")],
    "a link inside": [file("good"), link("also", "good")],
    "a hard link": [link("passwd", "/etc/passwd", tarfile.LNKTYPE)],
    "a device": [link("null", "", tarfile.CHRTYPE)],
    "a pipe": [link("pipe", "", tarfile.FIFOTYPE)],
}


@pytest.mark.parametrize("kind", EVIL)
def test_a_tar_that_would_lead_out_is_refused_as_a_whole(tmp_path, kind):
    inner = tmp_path / "inner"
    inner.mkdir()
    for member, _ in EVIL[kind]:
        member.name = member.name.replace("ABSOLUTE", str(tmp_path / "evil"))
    archive = tar_of(tmp_path / "a.tar.gz", file("good first", b"fine"), *EVIL[kind])
    with pytest.raises(UnsafeArchive, match=r"a.tar.gz holds"):
        unpack(archive, inner / "out")
    assert everything(tmp_path) == {"inner", "a.tar.gz"}


@pytest.mark.parametrize("name", ["ABSOLUTE", "../evil", "good/../../evil", "..\\evil", "C:\\evil"])
def test_a_zip_that_would_lead_out_is_refused_as_a_whole(tmp_path, name):
    inner = tmp_path / "inner"
    inner.mkdir()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("good", "fine")
        member = zipfile.ZipInfo("placeholder")
        member.filename = name.replace("ABSOLUTE", str(tmp_path / "evil"))  # the constructor would mend it
        archive.writestr(member, "evil")
    with pytest.raises(UnsafeArchive, match=r"would lead out of its folder"):
        unpack(tmp_path / "a.zip", inner / "out")
    assert everything(tmp_path) == {"inner", "a.zip"}


def test_a_link_in_a_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        member = zipfile.ZipInfo("out")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "/etc")
    with pytest.raises(UnsafeArchive, match="holds the link 'out'"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_an_archive_that_swells_beyond_measure_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr(archives, "ALWAYS_FINE", 1_000)
    monkeypatch.setattr(archives, "LARGEST_RATIO", 10)
    if name.endswith("zip"):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("bomb", bytes(10**6))
    else:
        tar_of(tmp_path / name, file("bomb", bytes(10**6)))
    with pytest.raises(UnsafeArchive, match="swells to more than 10 times its size"):
        unpack(tmp_path / name, tmp_path / "out")
    assert everything(tmp_path) == {name}


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
@pytest.mark.parametrize("damage", ["cut", "noise", "empty"])
def test_a_damaged_archive_is_named_and_leaves_nothing(tmp_path, name, damage):
    import random

    noise = random.Random(0).randbytes(200_000)
    if name.endswith("zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("a", noise)
    else:
        tar_of(tmp_path / name, file("a", noise))
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes({"cut": whole[:100_000], "noise": noise, "empty": b""}[damage])
    with pytest.raises(ValueError, match=f"{name} is damaged or no archive"):
        unpack(tmp_path / name, tmp_path / "out")
    assert everything(tmp_path) == {name}


def test_a_folder_that_is_there_is_not_touched(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(FileExistsError, match="is there already"):
        unpack(tar_of(tmp_path / "a.tar.gz", file("a")), tmp_path / "out")
    assert everything(tmp_path / "out") == set()
