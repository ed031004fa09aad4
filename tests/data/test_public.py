"""Public collections by name: asked first, brought once, read once, opened from then on."""

import hashlib
import io
import json
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers import published as p
from tests.helpers.server import served
from workbook import data
from workbook.data.problems import MalformedFile
from workbook.data.public import catalogue, download
from workbook.data.public import load as public
from workbook.data.public.archives import unpack
from workbook.data.public.catalogue import CATALOGUE, Entry, RemoteFile
from workbook.data.public.download import DownloadError, NotAllowed


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(download.VARIABLE, raising=False)
    return tmp_path / "cache"


@pytest.fixture
def site():
    with served() as site:
        yield site


@pytest.fixture
def no_network(monkeypatch):
    """Every attempt to reach the net, even this machine, is an error of its own kind."""

    def refuse(*args, **kwargs):
        raise AssertionError(f"something wanted the network: {args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def tar(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, path.name)
    return buffer.getvalue()


def zipped(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return buffer.getvalue()


def publish(site, monkeypatch, name: str, files: dict[str, bytes], **changed) -> None:
    """Serve these files as those of a collection of the catalogue, with true sizes and checksums."""
    site.files |= files
    remote = tuple(
        RemoteFile(site.url(path), len(content), f"md5:{hashlib.md5(content).hexdigest()}")
        for path, content in files.items()
    )
    monkeypatch.setitem(CATALOGUE, name, replace(CATALOGUE[name], files=remote, **changed))


SMALL = {"passages": 2, "queries": 1}  # what the small collections of `published` hold


def publish_msmarco(site, monkeypatch, tmp_path, **changed):
    folder = p.msmarco(tmp_path / "published", **changed)
    apart = ["qrels.dev.tsv", "msmarco-test2019-queries.tsv.gz", "2019qrels-pass.txt", "msmarco-test2020-queries.tsv.gz",
             "2020qrels-pass.txt"]  # fmt: skip
    files = {name: (folder / name).read_bytes() for name in apart}
    for name in apart:
        (folder / name).unlink()
    publish(site, monkeypatch, "msmarco-passage", {"collectionandqueries.tar.gz": tar(folder)} | files, passages=4)


# --- consent --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [*CATALOGUE, *catalogue.ALIASES, *catalogue.PARTS, "mteb/scifact", "mteb/MIRACLRetrieval/de/dev"]
)
@pytest.mark.parametrize("answer", [None, False])
def test_nothing_is_downloaded_unless_asked_and_the_error_says_what_it_would_be(no_network, cache, name, answer):
    with pytest.raises(NotAllowed) as error:
        data.load(name, download=answer)
    message = str(error.value)
    for part in ("size: ", "licence: ", "source: ", "download=True", "WORKBOOK_DOWNLOAD=1", str(cache)):
        assert part in message
    assert not list(cache.rglob("*")) if cache.exists() else True


def test_the_error_of_msmarco_says_how_large_it_is():
    with pytest.raises(
        NotAllowed, match=r"(?s)msmarco-passage: .*size: 1.1 GB.*licence: Microsoft's terms.*windows.net"
    ):
        data.load("msmarco")


def test_every_fact_has_its_form():
    for name, entry in CATALOGUE.items():
        assert bool(entry.files) != bool(entry.hub), name
        for file in entry.files:
            assert file.url.startswith("http"), name
            assert file.size is None or file.size > 1_000
            kind, _, digits = (file.checksum or "none:").partition(":")
            assert len(digits) == {"md5": 32, "sha256": 64, "none": 0}[kind]
        assert len({file.file_name for file in entry.files}) == len(entry.files)
        assert entry.licence
        assert entry.page.startswith("https://")
    assert set(catalogue.ALIASES.values()) | set(catalogue.PARTS.values()) <= CATALOGUE.keys()


def test_the_sums_are_those_of_ir_datasets():
    ir_datasets = pytest.importorskip("ir_datasets")
    table = json.loads((Path(ir_datasets.__file__).parent / "etc/downloads.json").read_text())
    known = {
        entry["url"]: entry
        for group in table.values()
        for entry in group.values()
        if isinstance(entry, dict) and "url" in entry
    }
    compared = 0
    for entry in CATALOGUE.values():
        for file in entry.files:
            if file.url in known:
                assert file.checksum == f"md5:{known[file.url]['expected_md5']}", file.url
                assert file.size == known[file.url]["size_hint"], file.url
                compared += 1
    assert compared == sum(
        len(entry.files) for name, entry in CATALOGUE.items() if name not in ("squad", "stsbenchmark")
    )


def test_the_counts_are_those_of_ir_datasets():
    ir_datasets = pytest.importorskip("ir_datasets")
    known = json.loads((Path(ir_datasets.__file__).parent / "etc/metadata.json").read_text())
    beir = {name: entry for name, entry in CATALOGUE.items() if name.startswith("beir/")}
    assert len(beir) == 14 + len(catalogue.SEVERAL["beir/cqadupstack"]) == 14 + 12
    for name, entry in beir.items():
        assert (entry.passages, entry.queries) == (
            known[name]["docs"]["count"], known[name]["queries"]["count"],
        ), name  # fmt: skip
    assert CATALOGUE["msmarco-passage"].passages == known["msmarco-passage"]["docs"]["count"]


# --- from a server to a collection ----------------------------------------------------------------


def test_msmarco_from_its_archive_and_files(site, monkeypatch, tmp_path, cache, capsys):
    publish_msmarco(site, monkeypatch, tmp_path)
    docs = data.load("msmarco-passage", download=True)
    shown = capsys.readouterr().out
    assert "downloading msmarco-passage" in shown
    assert "licence: Microsoft's terms" in shown
    assert type(docs.corpus).__name__ == type(docs.queries).__name__ == "StoredTexts"
    assert list(docs.corpus) == ["0", "1", "2", "3"]
    assert list(docs.splits) == ["dev", "dev.small", "train", "trec-dl-2019", "trec-dl-2020"]
    assert docs.licence == CATALOGUE["msmarco-passage"].licence
    assert {path.name for path in (cache / "collections/msmarco-passage").glob("[!.]*")} == {
        "corpus", "files", "manifest.json", "qrels", "queries",
    }  # fmt: skip


def test_once_there_it_needs_neither_network_nor_consent_nor_the_files(site, monkeypatch, tmp_path, cache):
    publish_msmarco(site, monkeypatch, tmp_path)
    first = data.load("msmarco-passage", download=True)
    asked = len(site.asked)

    shutil.rmtree(cache / "collections/msmarco-passage/files")
    again = data.load("msmarco", download=False)
    assert len(site.asked) == asked
    assert (dict(again.corpus), dict(again.queries), again.qrels, again.splits, again.fingerprint) == (
        dict(first.corpus), dict(first.queries), first.qrels, first.splits, first.fingerprint,
    )  # fmt: skip


def test_trec_deep_learning_by_its_own_name(site, monkeypatch, tmp_path):
    publish_msmarco(site, monkeypatch, tmp_path)
    monkeypatch.setenv(download.VARIABLE, "1")
    docs = data.load("trec-dl-2019")
    assert docs.name == "trec-dl-2019"
    assert docs.qrels == {"19335": {"1": 0, "3": 2, "0": 3}}
    assert list(docs.queries) == ["19335"]
    assert len(docs.corpus) == 4


def test_a_download_that_is_killed_goes_on_at_the_next_call(site, monkeypatch, tmp_path):
    publish_msmarco(site, monkeypatch, tmp_path)
    receive = download._receive

    def killed_at_the_fourth(file, *args):
        if file.url.endswith("2019qrels-pass.txt"):
            raise KeyboardInterrupt
        receive(file, *args)

    with monkeypatch.context() as killing:
        killing.setattr(download, "_receive", killed_at_the_fourth)
        with pytest.raises(KeyboardInterrupt):
            data.load("msmarco-passage", download=True)
    assert [path for path, _, _ in site.asked] == list(site.files)[:3]
    site.asked = []
    assert len(data.load("msmarco-passage", download=True).corpus) == 4
    assert [path for path, _, _ in site.asked] == list(site.files)[3:]  # what was there was not brought again


def test_reading_that_is_killed_begins_anew(site, monkeypatch, tmp_path, cache):
    publish_msmarco(site, monkeypatch, tmp_path)
    from workbook.data.readers import reading

    with monkeypatch.context() as broken:
        broken.setattr(reading, "read_judgements", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            data.load("msmarco-passage", download=True)
    assert (cache / "collections/msmarco-passage/corpus/manifest.json").exists()
    assert not (cache / "collections/msmarco-passage/manifest.json").exists()
    assert len(data.load("msmarco-passage").corpus) == 4


def test_what_a_killed_unpacking_left_is_not_read(site, monkeypatch, tmp_path, cache):
    publish_msmarco(site, monkeypatch, tmp_path)
    p.write(cache / "collections/msmarco-passage/files/unpacked/.a/collection.tsv", "0\thalf\n")
    docs = data.load("msmarco-passage", download=True, strict=True)
    assert len(docs.corpus) == 4
    assert docs.corpus["0"].startswith("The presence")


def test_what_was_dropped_is_told_again_at_each_opening_and_strict_reads_anew(site, monkeypatch, tmp_path):
    broken = p.MSMARCO["collection.tsv"] + "4 no tab\n"
    publish_msmarco(site, monkeypatch, tmp_path, **{"collection.tsv": broken})
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"collection.tsv, line 5: expected id and text, separated by tabs"):
            docs = data.load("msmarco-passage", download=True)
        assert docs.problems.counts == {"wrong number of fields": 1}
    with pytest.raises(MalformedFile, match="line 5"):
        data.load("msmarco-passage", strict=True)


def test_fewer_passages_than_published_is_told(site, monkeypatch, tmp_path):
    publish_msmarco(site, monkeypatch, tmp_path)
    monkeypatch.setitem(CATALOGUE, "msmarco-passage", replace(CATALOGUE["msmarco-passage"], passages=8_841_823))
    with pytest.warns(UserWarning, match="should hold 8,841,823 passages, 4 were read"):
        data.load("msmarco-passage", download=True)


def test_fewer_queries_or_pairs_than_published_are_told(site, monkeypatch, tmp_path):
    publish(site, monkeypatch, "beir/nq", {"nq.zip": zipped(p.nq(tmp_path / "a"))}, passages=2)
    with pytest.warns(UserWarning, match="beir/nq should hold 3,452 queries, 1 were read"):
        data.load("nq", download=True)
    p.write(tmp_path / "sts/stsbenchmark/sts-dev.csv", p.STS_TEST)
    publish(site, monkeypatch, "stsbenchmark", {"Stsbenchmark.tar.gz": tar(tmp_path / "sts")})
    with pytest.warns(UserWarning, match="stsbenchmark should hold 8,628 pairs, 1 were read"):
        data.load("stsbenchmark", download=True)


def test_a_forum_of_cqadupstack_and_the_next_from_the_same_download(site, monkeypatch, tmp_path, cache):
    content = zipped(p.cqadupstack(tmp_path / "a"))
    for forum in ("android", "wordpress"):
        publish(site, monkeypatch, f"beir/cqadupstack/{forum}", {"cqadupstack.zip": content}, **SMALL)
    unpacked = []

    def watched(archive, folder, wanted):
        unpack(archive, folder, wanted)
        unpacked.extend(path.relative_to(folder).as_posix() for path in folder.rglob("*.jsonl"))

    monkeypatch.setattr(public, "unpack", watched)
    docs = data.load("beir/cqadupstack/android", download=True)
    assert docs.name == "beir/cqadupstack/android"
    assert docs.pairs("test") == [("Asked in android", "Title in android\nText in android")]
    assert sorted(unpacked) == ["cqadupstack/android/corpus.jsonl", "cqadupstack/android/queries.jsonl"]
    assert docs.licence == "Apache 2.0"
    other = data.load("beir/cqadupstack/wordpress")  # nothing is missing, so it needs no consent
    assert other.queries["11546"] == "Asked in wordpress"
    assert [path for path, _, _ in site.asked] == ["cqadupstack.zip"]
    assert dict(data.load("beir/cqadupstack/android").corpus) == dict(docs.corpus)


def test_a_name_that_holds_several_collections_lists_them(no_network):
    with pytest.raises(FileNotFoundError, match=r"a collection for each of android, english, .*, wordpress; name one"):
        data.load("beir/cqadupstack", download=True)


def test_natural_questions_from_beirs_zip(site, monkeypatch, tmp_path):
    publish(site, monkeypatch, "beir/nq", {"nq.zip": zipped(p.nq(tmp_path / "a"))}, **SMALL)
    docs = data.load("nq", download=True)
    assert docs.qrels == {"test0": {"doc0": 1, "doc42": 1}}
    assert docs.corpus["doc0"].startswith("Minority interest\n")
    assert docs.licence == "CC BY-SA 3.0"


def test_squad_codesearchnet_and_sts(site, monkeypatch, tmp_path, cache):
    squad = {"train-v1.1.json": p.SQUAD_TRAIN, "dev-v1.1.json": p.SQUAD_DEV}
    contents = {name: json.dumps(content).encode() for name, content in squad.items()}
    publish(site, monkeypatch, "squad", contents, queries=4)
    assert {split: len(ids) for split, ids in data.load("squad", download=True).splits.items()} == {
        "dev": 1,
        "train": 3,
    }

    publish(site, monkeypatch, "codesearchnet/python", {"python.zip": zipped(p.codesearchnet(tmp_path / "code"))})
    with monkeypatch.context() as kept:
        kept.setattr(public.shutil, "rmtree", lambda *args, **how: None)
        assert list(data.load("codesearchnet", download=True).splits) == ["test", "train", "valid"]
    assert len(list(cache.rglob("*.jsonl.gz"))) == 3
    assert not list(cache.rglob("*.pkl"))  # the archive's pickles stay packed

    for split in ("train", "dev", "test"):
        p.write(tmp_path / f"sts/stsbenchmark/sts-{split}.csv", p.STS_TEST)
    p.write(tmp_path / "sts/stsbenchmark/correlation.pl", "#!/usr/bin/perl\n")
    publish(site, monkeypatch, "stsbenchmark", {"Stsbenchmark.tar.gz": tar(tmp_path / "sts")}, queries=3)
    pairs = data.load("stsbenchmark", download=True)
    assert {split: len(found) for split, found in pairs.splits.items()} == {"train": 1, "dev": 1, "test": 1}


def test_triples_and_hard_negatives_are_streams(site, monkeypatch, tmp_path):
    path = p.write(tmp_path / "t.gz", p.TRIPLES)
    publish(site, monkeypatch, "msmarco-triples", {"qidpidtriples.train.full.2.tsv.gz": path.read_bytes()})
    triples = data.load("msmarco-triples", download=True)
    assert list(triples) == list(triples)
    assert next(iter(triples)) == ("121352", "0", "3")


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def hub(
    site, monkeypatch, repository: str, folder: Path, small: tuple[str, ...] = (), card: dict | None = None
) -> None:
    """A hub on this machine: facts, listing, and the files."""
    commit = COMMIT
    monkeypatch.setenv("HF_ENDPOINT", site.address)
    listing = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name, content = str(path.relative_to(folder)), path.read_bytes()
            entry = {"rfilename": name, "size": len(content), "blobId": download.checksum(path, "git")}
            if name not in small:
                sha256 = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 130}
            listing.append(entry)
            site.files[f"datasets/{repository}/resolve/{commit}/{name}"] = content
    publish_listing(site, repository, listing, card)


def publish_listing(site, repository: str, listing: object, card: dict | None = None) -> None:
    facts = {"id": repository, "sha": COMMIT, "cardData": card, "siblings": listing}
    site.files[f"api/datasets/{repository}?blobs=true"] = json.dumps(facts).encode()


@pytest.mark.parametrize("make", [p.mteb_parquet, p.mteb_jsonl])
def test_a_task_of_mteb_from_the_hub(site, monkeypatch, tmp_path, cache, make):
    hub(site, monkeypatch, "mteb/scifact", make(tmp_path / "hub"), small=("queries.jsonl", "qrels/test.jsonl"))
    docs = data.load("mteb/scifact", download=True)
    assert docs.qrels == {"1": {"4983": 1, "5836": 0}}
    assert docs.splits == {"test": ("1",)}
    files = cache / "collections/mteb--scifact/files"
    assert not list(files.rglob("README.md"))  # only texts and judgements are taken
    assert not list(files.rglob("*.tsv"))  # and those that stand there twice, once
    assert docs.licence == "see https://huggingface.co/datasets/mteb/scifact"
    asked = len(site.asked)
    assert data.load("mteb/scifact").fingerprint == docs.fingerprint
    assert len(site.asked) == asked


def test_one_language_of_a_task_and_nothing_of_the_others(site, monkeypatch, tmp_path, cache, capsys):
    made = p.mteb_languages(tmp_path / "hub", ("dev", "test"))
    p.write_parquet(made / "de-top_ranked/dev-00000-of-00001.parquet", [{"query-id": "dev1", "corpus-ids": ["7#0"]}])
    hub(site, monkeypatch, "mteb/MIRACLRetrieval", made, card={"license": "cc-by-sa-4.0"})
    docs = data.load("mteb/MIRACLRetrieval/de", download=True, strict=True)
    assert (docs.name, dict(docs.queries)) == ("mteb/MIRACLRetrieval/de", {"dev1": "was ist?", "test1": "was ist?"})
    assert len(docs.corpus) == 3
    assert docs.licence == "cc-by-sa-4.0; see https://huggingface.co/datasets/mteb/MIRACLRetrieval"
    assert f"licence: {docs.licence}" in capsys.readouterr().out
    brought = {path.split("/")[-2] for path, _, _ in site.asked if "resolve" in path}
    assert brought == {"de-corpus", "de-queries", "de-qrels"}
    split = data.load("mteb/MIRACLRetrieval/ar/test", download=True, strict=True)
    assert (split.splits, dict(split.queries)) == ({"test": ("test1",)}, {"test1": "ما هو?"})
    assert sorted(path.name for path in (cache / "collections").glob("[!.]*")) == [
        "mteb--MIRACLRetrieval--ar--test", "mteb--MIRACLRetrieval--de",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mteb/Task", r"^mteb/Task holds a collection for each of ar, de, en, and one must be named: mteb/Task/ar$"),
        ("mteb/Task/fr", "each of ar, de, en, none for 'fr', and one must be named"),
        ("mteb/Task/de/test", "mteb/Task holds no test; the splits are dev"),
    ],
)
def test_a_language_that_the_hub_has_not_is_said_before_anything_is_brought(
    site, monkeypatch, tmp_path, cache, name, message
):
    hub(site, monkeypatch, "mteb/Task", p.mteb_languages(tmp_path / "hub"))
    with pytest.raises(FileNotFoundError, match=message):
        data.load(name, download=True)
    assert not [path for path, _, _ in site.asked if "resolve" in path]
    assert not [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_a_data_set_without_judgements_is_said_before_anything_is_brought(site, monkeypatch, tmp_path):
    p.write_parquet(tmp_path / "hub/corpus/train-00000-of-00001.parquet", p.MTEB_CORPUS)
    p.write_parquet(tmp_path / "hub/queries/train-00000-of-00001.parquet", p.MTEB_QUERIES)
    hub(site, monkeypatch, "mteb/Task", tmp_path / "hub")
    with pytest.raises(FileNotFoundError, match="mteb/Task holds no qrels; a collection without judgements"):
        data.load("mteb/Task", download=True)
    assert not [path for path, _, _ in site.asked if "resolve" in path]


@pytest.mark.slow
def test_two_processes_that_want_a_collection_take_turns(site, monkeypatch, tmp_path, cache):
    hub(site, monkeypatch, "mteb/scifact", p.mteb_jsonl(tmp_path / "hub"))
    site.go = threading.Event()
    manifest = cache / "collections/mteb--scifact/manifest.json"
    program = (
        "from pathlib import Path; from workbook import data; docs = data.load('mteb/scifact', download=True); "
        f"print(docs.fingerprint, Path({str(manifest)!r}).stat().st_mtime_ns)"  # when it was written
    )
    outs = [tmp_path / "one", tmp_path / "two"]
    processes = []
    for out in outs:
        with out.open("w") as output:
            processes.append(subprocess.Popen([sys.executable, "-u", "-c", program], stdout=output))
    deadline = time.monotonic() + 60
    while len(site.asked) < 2 and not any("waiting for it" in out.read_text() for out in outs):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    site.go.set()
    assert [process.wait(60) for process in processes] == [0, 0]
    first, second = (out.read_text().splitlines()[-1] for out in outs)
    assert first == second  # brought once, and read once
    assert first.split(" ")[:-1] == data.load("mteb/scifact").fingerprint.split(" ")
    assert len(site.asked) == len({path for path, _, _ in site.asked}) == 1 + 3


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl"])
def test_a_file_that_is_not_what_the_hub_states_is_refused(site, monkeypatch, tmp_path, name):
    hub(site, monkeypatch, "mteb/scifact", p.mteb_jsonl(tmp_path / "hub"), small=("queries.jsonl",))
    path = next(path for path in site.files if path.endswith(name) and "resolve" in path)
    site.files[path] = site.files[path].replace(b"i", b"!")
    with pytest.raises(DownloadError, match=f"{name}.*expected the (sha256|git)"):
        data.load("mteb/scifact", download=True)


def test_hard_negatives_from_the_hub_and_only_that_file(site, monkeypatch, tmp_path):
    p.write_jsonl(tmp_path / "hub/msmarco-hard-negatives.jsonl.gz", p.HARD_NEGATIVES)
    p.write(tmp_path / "hub/cross-encoder-ms-marco-MiniLM-L-6-v2-scores.pkl.gz", "a pickle")
    p.write(tmp_path / "hub/msmarco-hard-negatives-bm25_1k.jsonl.gz", "another")
    hub(site, monkeypatch, "sentence-transformers/msmarco-hard-negatives", tmp_path / "hub")
    found = list(data.load("msmarco-hard-negatives", download=True))
    assert [row.query_id for row in found] == ["121352", "634306"]
    assert not [path for path, _, _ in site.asked if "pkl" in path or "bm25" in path]


@pytest.mark.parametrize("path", ["../../evil.jsonl", "/tmp/evil.jsonl", "a/../../../evil.jsonl"])
def test_a_hub_that_lists_a_path_outside_is_not_followed(site, monkeypatch, tmp_path, cache, path):
    hub(site, monkeypatch, "mteb/evil", p.mteb_jsonl(tmp_path / "hub"))
    publish_listing(site, "mteb/evil", [{"rfilename": path, "size": 1, "blobId": "0" * 40}])
    with pytest.raises(DownloadError, match="would lead out of its folder"):
        data.load("mteb/evil", download=True)
    assert not list(tmp_path.rglob("evil*"))


FILE = {"rfilename": "corpus.jsonl", "size": None, "blobId": "0"}


@pytest.mark.parametrize("listing", [[{"size": 1}], [FILE], [FILE | {"size": 1, "lfs": {"oid": "0"}}], [7], 7, None])
def test_a_hub_whose_list_of_files_cannot_be_read(site, monkeypatch, tmp_path, listing):
    hub(site, monkeypatch, "mteb/odd", p.mteb_jsonl(tmp_path / "hub"))
    publish_listing(site, "mteb/odd", listing)
    with pytest.raises(DownloadError, match="the hub's list of the files of mteb/odd cannot be read"):
        data.load("mteb/odd", download=True)


def test_a_task_that_the_hub_does_not_know(site, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", site.address)
    with pytest.raises(DownloadError, match=r"no usable answer .*404.*is the name right"):
        data.load("mteb/nothing", download=True)


def test_an_archive_that_leads_out_of_its_folder_leaves_nothing(site, monkeypatch, tmp_path, cache):
    with zipfile.ZipFile(buffer := io.BytesIO(), "w") as archive:
        archive.writestr("../../../../evil", "evil")
    publish(site, monkeypatch, "beir/nq", {"nq.zip": buffer.getvalue()})
    with pytest.raises(ValueError, match="would lead out of its folder"):
        data.load("nq", download=True)
    assert not list(tmp_path.rglob("evil"))


def test_nothing_is_written_outside_the_cache(site, monkeypatch, tmp_path, cache):
    publish_msmarco(site, monkeypatch, tmp_path)
    (work := tmp_path / "work").mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(home := tmp_path / "home"))
    before = {path for path in tmp_path.rglob("*") if cache not in path.parents}
    data.load("msmarco-passage", download=True)
    assert {path for path in tmp_path.rglob("*") if cache not in path.parents} - {cache} == before
    assert not list(work.iterdir())
    assert not home.exists()


def test_no_pickle_is_loaded(site, monkeypatch, tmp_path):
    import pickle

    def refuse(*args, **kwargs):
        raise AssertionError("a pickle was loaded")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    publish_msmarco(site, monkeypatch, tmp_path)
    assert len(data.load("msmarco-passage", download=True).corpus) == 4
    hub(site, monkeypatch, "mteb/scifact", p.mteb_parquet(tmp_path / "hub"))
    assert len(data.load("mteb/scifact", download=True).corpus) == 2


def test_it_can_be_forgotten(site, monkeypatch, tmp_path, cache):
    publish(site, monkeypatch, "beir/nq", {"nq.zip": zipped(p.nq(tmp_path / "a"))}, **SMALL)
    data.load("nq", download=True)
    public.forget("nq")
    assert [path.name for path in (cache / "collections").iterdir()] == [".beir--nq.lock"]
    with pytest.raises(NotAllowed):
        data.load("nq")
    with pytest.raises(FileNotFoundError, match="beir/nq is not in the cache: there is no "):
        public.forget("nq")
    with pytest.raises(FileNotFoundError, match="no public collection"):
        public.forget("../../etc")


NO_NAMES = ["mteb/../../etc", "mteb/..", "mteb/a/../b", "mteb/a/b/c/d", "mteb/", "beir/unheard-of", "beir/../nq"]


@pytest.mark.parametrize("name", [*NO_NAMES, "/etc/nothing"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(FileNotFoundError, match=r"no collection and no folder|no such folder or file"):
        data.load(name)


def test_a_description_of_a_collection():
    entry = Entry("t", "beir", "CC0", "https://example.org", (RemoteFile("https://a.example/x.zip", 2_816_079),))
    assert catalogue.describe("n", entry) == (
        "n: t\n  size: 2.8 MB\n  licence: CC0\n  source: a.example; https://example.org"
    )
    assert [catalogue.readable(size) for size in (0, 999, 1_000, 1_057_717_952, 10**13, None)] == [
        "0 bytes", "999 bytes", "1.0 kB", "1.1 GB", "10000.0 GB", "unknown",
    ]  # fmt: skip
