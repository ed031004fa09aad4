"""Our readers read what ir_datasets and Hugging Face's datasets read from the same files."""

import pytest

from tests.helpers import published as p
from workbook import data
from workbook.data.problems import Problems
from workbook.data.public.download import NotAllowed
from workbook.data.public.hub import from_datasets
from workbook.data.public.irds import PickleRefused, _no_pickles, from_ir_datasets, read_ir_dataset

pytestmark = pytest.mark.parity


@pytest.fixture(autouse=True)
def homes(tmp_path, monkeypatch):
    monkeypatch.setenv("IR_DATASETS_HOME", str(tmp_path / "irds"))


def ir_dataset(docs, queries, qrels):
    """An object of ir_datasets over local files, with the classes that read the published ones."""
    from ir_datasets import Dataset
    from ir_datasets.formats import TrecQrels, TsvDocs, TsvQueries
    from ir_datasets.util import GzipExtract, LocalDownload

    def local(path):
        return GzipExtract(LocalDownload(path)) if path.suffix == ".gz" else LocalDownload(path)

    return Dataset(TsvDocs(local(docs)), TsvQueries(local(queries)), TrecQrels(local(qrels), {}))


@pytest.mark.parametrize(
    ("split", "queries", "qrels"),
    [
        ("train", "queries.train.tsv", "qrels.train.tsv"),
        ("dev", "queries.dev.tsv", "qrels.dev.tsv"),
        ("dev.small", "queries.dev.small.tsv", "qrels.dev.small.tsv"),
        ("trec-dl-2019", "msmarco-test2019-queries.tsv.gz", "2019qrels-pass.txt"),
        ("trec-dl-2020", "msmarco-test2020-queries.tsv.gz", "2020qrels-pass.txt"),
    ],
)
def test_msmarco_as_ir_datasets_reads_it(tmp_path, split, queries, qrels):
    folder = p.msmarco(tmp_path / "msmarco")
    theirs = read_ir_dataset(
        ir_dataset(folder / "collection.tsv", folder / queries, folder / qrels), f"x/{split}", Problems(strict=True)
    )
    ours = data.load(folder, strict=True)
    assert dict(ours.corpus) == dict(theirs.corpus)
    assert {query_id: ours.queries[query_id] for query_id in theirs.queries} == dict(theirs.queries)
    assert ours.split(split).qrels == theirs.qrels
    assert set(ours.splits[split]) == set(theirs.splits[split])


def test_codesearchnet_as_ir_datasets_reads_it(tmp_path):
    from ir_datasets.datasets.codesearchnet import CodeSearchNetDocs, CodeSearchNetQrels, CodeSearchNetQueries
    from ir_datasets.util import LocalDownload

    from workbook.data.readers.codesearchnet import read_codesearchnet

    places = [LocalDownload(p.codesearchnet(tmp_path / "code"))]
    strict = Problems(strict=True)
    ours = read_codesearchnet(tmp_path / "code", docstrings=True)
    texts = {id: text for _, _, id, text in ours.passages(strict)}
    theirs = CodeSearchNetDocs(places)
    assert texts == {
        doc.doc_id: doc.code for doc in theirs.docs_iter.__wrapped__(theirs)
    }  # without the store, a pickle
    queries = {id: text for _, _, id, text in ours.queries(strict)}
    for split in ("train", "valid", "test"):
        for query in CodeSearchNetQueries(places, split).queries_iter():
            assert queries[query.query_id] == query.text
        judged = [(q, d, grade) for _, _, q, d, grade in ours.judgements[split](strict, ())]
        assert judged == [(j.query_id, j.doc_id, j.relevance) for j in CodeSearchNetQrels(places, split).qrels_iter()]


@pytest.mark.slow
def test_mteb_as_the_library_datasets_reads_it(tmp_path):
    import datasets

    folder = p.mteb_parquet(tmp_path / "scifact")
    parts = [
        datasets.load_dataset(str(folder), name, split="test", cache_dir=str(tmp_path / "cache"))
        for name in ("corpus", "queries", "qrels")
    ]
    theirs, ours = from_datasets(*parts, strict=True), data.load(folder, strict=True)
    assert (ours.corpus, ours.queries, ours.qrels, ours.splits) == (
        theirs.corpus, theirs.queries, theirs.qrels, theirs.splits,
    )  # fmt: skip


def test_json_lines_as_the_library_datasets_reads_them(tmp_path):
    import datasets

    texts = ['a "quote"', "tab\tline\nend", "\u2028", "😀", "", "é" * 50, "\\u0041", "null"]
    rows = [{"_id": str(i), "text": text, "title": ""} for i, text in enumerate(texts)]
    path = p.write_jsonl(tmp_path / "corpus.jsonl", rows)
    theirs = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    from workbook.data.readers.texts import read_texts

    assert [text for _, _, _, text in read_texts(path, Problems(strict=True))] == theirs["text"][:] == texts


def test_sts_as_the_csv_module_reads_it_without_quotes(tmp_path):
    import csv

    path = p.write(tmp_path / "sts-train.csv", p.STS_TRAIN)
    with path.open(encoding="utf-8", newline="") as file:
        theirs = [(row[5], row[6], float(row[4])) for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    pairs = data.load(path, strict=True).splits["train"]
    assert [(pair.first, pair.second, pair.score) for pair in pairs] == theirs


def test_ir_datasets_is_asked_for_only_with_consent(monkeypatch):
    monkeypatch.delenv("WORKBOOK_DOWNLOAD", raising=False)
    with pytest.raises(NotAllowed, match=r"(?s)vaswani, through ir_datasets.*at most 2.1 MB.*download=True"):
        from_ir_datasets("vaswani")


def test_a_registered_collection_of_ir_datasets_by_name(tmp_path, capsys):
    import ir_datasets

    folder = p.msmarco(tmp_path / "msmarco")
    data_set = ir_dataset(folder / "collection.tsv", folder / "queries.dev.tsv", folder / "qrels.dev.tsv")
    ir_datasets.registry.register(f"workbook-test-{tmp_path.name}/dev", data_set)
    docs = from_ir_datasets(f"workbook-test-{tmp_path.name}/dev", download=True, strict=True, store=tmp_path / "store")
    assert docs.pairs("dev") == data.load(folder).pairs("dev")
    assert type(docs.corpus).__name__ == "StoredTexts"
    assert "through ir_datasets" in capsys.readouterr().out


def test_a_collection_that_ir_datasets_keeps_in_a_pickle_is_refused(tmp_path):
    from ir_datasets.datasets.beir import BeirDocs, BeirTitleDoc
    from ir_datasets.util import LocalDownload

    p.nq(tmp_path)
    with _no_pickles(), pytest.raises(PickleRefused, match="no pickle is loaded here"):
        list(BeirDocs("nq", LocalDownload(tmp_path / "nq/corpus.jsonl"), BeirTitleDoc).docs_iter())
    import ir_datasets.indices.lz4_pickle as store

    assert store.pickle.__name__ == "pickle"  # and the library is as it was


@pytest.mark.parametrize(
    ("make", "parts", "configs", "split"),
    [
        (p.mteb_jsonl, "", ("corpus", "queries", "default"), "test"),
        (p.mteb_parquet, "", ("corpus", "queries", "qrels"), "test"),
        (p.mteb_languages, "/de", ("de-corpus", "de-queries", "de-qrels"), "dev"),
        (p.mteb_languages, "/ar/dev", ("ar-corpus", "ar-queries", "ar-qrels"), "dev"),
    ],
)
def test_a_repository_of_the_hub_as_datasets_reads_it_by_its_card(tmp_path, make, parts, configs, split):
    from datasets import get_dataset_split_names, load_dataset

    folder = make(tmp_path / "task")

    def read(config):  # as MTEB does: the split of that name, or the only one there is
        splits = get_dataset_split_names(str(folder), config)
        chosen = split if split in splits else splits[0]
        assert split in splits or len(splits) == 1
        return load_dataset(str(folder), config, split=chosen, cache_dir=str(tmp_path / "cache"))

    corpus, queries, qrels = map(read, configs)
    theirs = from_datasets(corpus, queries, {split: qrels}, strict=True)
    ours = data.load(f"{folder}{parts}", strict=True)
    assert (ours.corpus, ours.queries, ours.qrels) == (theirs.corpus, theirs.queries, theirs.qrels)
    assert ours.splits == theirs.splits
