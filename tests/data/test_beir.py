"""Folders in BEIR's layout: what is read, and how each broken line is reported."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import published as p
from workbook import data
from workbook.data import Problems
from workbook.data.problems import MalformedFile
from workbook.data.readers import texts
from workbook.data.readers.folders import load_folder

CORPUS = '{"_id": "p1", "title": "Title", "text": "Text."}\n{"_id": "p2", "text": "Other."}\n'
QUERIES = '{"_id": "q1", "text": "what?"}\n{"_id": "q2", "text": "why?"}\n'
QRELS = "query-id\tcorpus-id\tscore\nq1\tp1\t2\nq1\tp2\t0\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text(CORPUS, "utf-8")
    (tmp_path / "queries.jsonl").write_text(QUERIES, "utf-8")
    (tmp_path / "qrels/test.tsv").write_text(QRELS, "utf-8")
    return tmp_path


def test_a_folder_loads_by_its_path(folder):
    docs = data.load(folder)
    assert docs.name == folder.name
    assert docs.corpus == {"p1": "Title\nText.", "p2": "Other."}
    assert docs.queries == {"q1": "what?", "q2": "why?"}
    assert docs.qrels == {"q1": {"p1": 2, "p2": 0}}
    assert docs.splits == {"test": ("q1",)}
    assert data.load(str(folder)) == docs


def test_every_file_of_judgements_is_a_split(folder):
    (folder / "qrels/dev.tsv").write_text("query-id\tcorpus-id\tscore\nq2\tp2\t1\n", "utf-8")
    assert load_folder(folder, strict=True).splits == {"dev": ("q2",), "test": ("q1",)}


@pytest.mark.parametrize(
    "header", ["", "query-id\tcorpus-id\tscore\n", "query_id\tpassage_id\trelevance\n", "a\tb\tlabel\n"]
)
def test_judgements_may_have_any_header_or_none(folder, header):
    (folder / "qrels/test.tsv").write_text(header + "q1\tp1\t2\n", "utf-8")
    assert load_folder(folder, strict=True).qrels == {"q1": {"p1": 2}}


def test_windows_lines_empty_lines_and_a_byte_order_mark_do_no_harm(folder):
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
        text = (folder / name).read_text("utf-8")
        (folder / name).write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n\r\n").encode())
    docs = load_folder(folder, strict=True)
    assert docs.corpus == {"p1": "Title\nText.", "p2": "Other."}
    assert docs.qrels == {"q1": {"p1": 2, "p2": 0}}


def test_the_licence_stands_in_meta_json_or_is_unknown(folder):
    assert load_folder(folder, strict=True).licence == "unknown"
    (folder / "meta.json").write_text('{"licence": "CC0"}', "utf-8")
    assert load_folder(folder, strict=True).licence == "CC0"


def test_the_fingerprint_changes_with_any_text_and_with_nothing_else(folder):
    before = load_folder(folder, strict=True).fingerprint
    (folder / "corpus.jsonl").write_text("".join(reversed(CORPUS.splitlines(keepends=True))), "utf-8")
    assert load_folder(folder, strict=True).fingerprint == before
    (folder / "corpus.jsonl").write_text(CORPUS.replace("Other.", "Others."), "utf-8")
    assert load_folder(folder, strict=True).fingerprint != before


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("corpus.jsonl", CORPUS + "{broken\n", "corpus.jsonl, line 3: expected a JSON object, got '{broken'"),
        ("corpus.jsonl", "[1]\n", "corpus.jsonl, line 1: expected a JSON object, got '[1]'"),
        ("corpus.jsonl", '{"_id": "p1"}\n', "corpus.jsonl, line 1: expected an object"),
        ("corpus.jsonl", '{"_id": "p1", "text": null}\n', "corpus.jsonl, line 1: expected an object"),
        ("corpus.jsonl", CORPUS + CORPUS, "corpus.jsonl, line 3: expected each _id once, got 'p1' again"),
        ("queries.jsonl", '{"_id": "q1", "text": 7}\n', "queries.jsonl, line 1: expected an object"),
        ("qrels/test.tsv", QRELS + "q2 p1\n", "test.tsv, line 4: expected query id, (0 or Q0,) passage id and a whole grade, between tabs or spaces"),
        ("qrels/test.tsv", QRELS + "q2\t0\tp1\t1\n", "test.tsv, line 4: expected query id"),
        ("qrels/test.tsv", QRELS + "q2\tp1\t0.5\n", "test.tsv, line 4: expected query id"),
        ("qrels/test.tsv", QRELS + "q2\tp1\t\n", "test.tsv, line 4: expected query id"),
        ("qrels/test.tsv", "q1\tp1\tmany\n", "test.tsv, line 1: expected query id"),
        ("qrels/test.tsv", QRELS + "q1\tp1\t1\n", "test.tsv, line 4: expected each judgement once, got q1 p1 again"),
        ("qrels/test.tsv", QRELS + "q9\tp1\t1\n", "test.tsv, line 4: expected a query id of queries.jsonl, got 'q9'"),
        ("qrels/test.tsv", QRELS + "q1\tp9\t1\n", "test.tsv, line 4: expected a passage id of corpus.jsonl, got 'p9'"),
        ("meta.json", "{", "meta.json, line 1: expected a JSON object such as"),
        ("meta.json", "[]", "meta.json, line 1: expected a JSON object such as"),
    ],
)  # fmt: skip
def test_a_malformed_line_is_reported_with_file_line_and_what_was_expected(folder, name, content, message):
    (folder / name).write_text(content, "utf-8")
    with pytest.raises(MalformedFile, match=re.escape(message)):
        load_folder(folder, strict=True)


def test_a_line_that_is_not_utf_8_is_reported_with_its_byte(folder):
    (folder / "corpus.jsonl").write_bytes(CORPUS.encode() + '{"_id": "p3", "text": "é"}\n'.encode("latin-1"))
    with pytest.raises(MalformedFile, match=r"corpus.jsonl, line 3: expected text in UTF-8, got the byte 0xe9"):
        load_folder(folder, strict=True)


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=re.escape(name)):
        load_folder(folder, strict=True)


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz"])
@pytest.mark.parametrize(
    "names",
    [["qrels/test.tsv"], ["corpus.jsonl", "queries.jsonl"], ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"]],
)
def test_each_file_may_be_packed_and_is_read_once_where_it_stands_in_both_forms(folder, names, ending):
    before = load_folder(folder, strict=True)
    for name in names:
        p.write(folder / f"{name}{ending}", (folder / name).read_bytes())
    assert load_folder(folder, strict=True) == before
    for name in names:
        (folder / name).unlink()
    assert load_folder(folder, strict=True) == before


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz"])
def test_a_packed_file_that_is_cut_off_is_reported(folder, ending):
    path = p.write(folder / f"qrels/test.tsv{ending}", QRELS)
    (folder / "qrels/test.tsv").unlink()
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(MalformedFile, match=rf"expected a whole {ending} file"):
        load_folder(folder, strict=True)
    path.write_bytes(b"not packed at all")
    with pytest.raises(MalformedFile, match=rf"expected a whole {ending} file"):
        load_folder(folder, strict=True)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("test.tsv", "q1\tp1\t2.0\nq1\tp2\t0.0\n"),  # as pandas writes a column in which a grade is missing
        ("test.tsv", "query-id\tcorpus-id\tscore\nq1\tp1\t2.000e+00\nq1\tp2\t0.000e+00\n"),  # as numpy does
        ("test.tsv", "q1 0 p1 2\nq1 0 p2 0\n"),  # TREC's columns
        ("test.tsv", "q1 Q0 p1 2.0\r\nq1 Q0 p2 0\r\n"),
        ("test.tsv", "\ufeffq1\t0\tp1\t2\nq1\t0\tp2\t0\n"),
        ("test.tsv", "query_id iteration doc_id relevance\nq1   0   p1   2\nq1   0   p2   0\n"),
        ("test.tsv", "q1 p1 2\nq1 p2 0\n"),
        ("test.txt", "q1 0 p1 2\nq1 0 p2 0\n"),
        ("test.qrels", "q1\tp1\t2\nq1\tp2\t0\n"),
        ("test.txt.gz", "q1 0 p1 2\nq1 0 p2 0\n"),
    ],
)
def test_judgements_in_any_usual_form_are_the_same(folder, name, content):
    before = load_folder(folder, strict=True)
    (folder / "qrels/test.tsv").unlink()
    p.write(folder / "qrels" / name, content)
    assert load_folder(folder, strict=True) == before


def test_an_id_with_spaces_stands_between_tabs(folder):
    p.write_jsonl(folder / "queries.jsonl", [{"_id": "my query", "text": "?"}])
    p.write(folder / "qrels/test.tsv", "my query\tp1\t1\n")
    assert load_folder(folder, strict=True).qrels == {"my query": {"p1": 1}}


@given(st.dictionaries(st.text(min_size=1), st.text(), min_size=1, max_size=5))
def test_any_text_comes_back_as_it_was(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("beir")
    (folder / "qrels").mkdir()
    rows = [json.dumps({"_id": id, "text": text}) + "\n" for id, text in texts.items()]
    (folder / "corpus.jsonl").write_text("".join(rows), "utf-8")
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "?"}\n', "utf-8")
    (folder / "qrels/test.tsv").write_text("\n", "utf-8")
    assert load_folder(folder, strict=True).corpus == texts


def test_ids_with_quotes_are_read_as_beirs_own_loader_reads_them(tmp_path):
    """The file is written by Python's csv module with the settings with which BEIR reads."""
    import csv

    ids = ['"Heroes"', 'The_"Weird"_one', "5'10\"", "plain"]
    with (tmp_path / "test.tsv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
        writer.writerows([["query-id", "corpus-id", "score"], *([f"q{n}", id, 1] for n, id in enumerate(ids))])
    assert '"""Heroes"""' in (tmp_path / "test.tsv").read_text()
    found = [passage_id for _, _, _, passage_id, _ in texts.read_qrels(tmp_path / "test.tsv", Problems(strict=True))]
    assert found == ids


@pytest.mark.parametrize("field", ['"Weird_Al"_Yankovic', '"', '"open', 'close"', 'a"b"c', '"a"b"'])
def test_a_quote_that_is_no_csv_stays(field):
    assert texts.unquoted(field) == field
