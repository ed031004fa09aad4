"""Texts of one's own: a folder of text files, a table, rows of JSON, a corpus alone."""

import json
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import published as p
from workbook import data
from workbook.data import MalformedFile
from workbook.data.card import card
from workbook.data.readers import own

# --- a folder of text files --------------------------------------------------------------------------


def test_a_folder_of_text_files_is_a_corpus_without_queries(tmp_path):
    p.write(tmp_path / "notes/bread.md", "# How to bake *bread* #\n\nMix flour and water.\n\n## Salt\n\nTwo grams.\n")
    p.write(tmp_path / "notes/deep/er/cheese.rst", "Cheese\n======\n\nIt keeps for weeks.\n")
    p.write(tmp_path / "notes/plain words.txt", "No heading here.\r\nA second line.")
    p.write(tmp_path / "notes/UPPER.TXT", "\ufeffAn old ending.")
    p.write(tmp_path / "notes/.git/hidden.txt", "not mine")
    docs = data.load(tmp_path / "notes", strict=True)
    assert docs.corpus == {
        "UPPER.TXT": "UPPER\nAn old ending.",
        "bread.md": "How to bake *bread*\nMix flour and water.\n\n## Salt\n\nTwo grams.",
        "deep/er/cheese.rst": "Cheese\nIt keeps for weeks.",
        "plain words.txt": "plain words\nNo heading here.\nA second line.",
    }
    assert (docs.name, docs.queries, docs.qrels, docs.splits) == ("notes", {}, {}, {})
    assert docs.unjudged_queries == {}
    assert docs.fingerprint == data.load(tmp_path / "notes").fingerprint


def test_it_says_what_can_be_done_with_it_and_what_not(tmp_path):
    p.write(tmp_path / "a.txt", "text")
    docs = data.load(tmp_path)
    assert "1 passages, texts alone: they can be searched, and make training pairs" in repr(docs)
    for call in (docs.pairs, lambda: docs.split("test")):
        with pytest.raises(
            KeyError, match=r"texts alone: they can be searched.*to measure takes queries and judgements"
        ):
            call()
    with pytest.raises(ValueError, match="cannot be measured on"):
        card(docs)
    assert docs.sample(1, 1).corpus == docs.corpus


def test_on_the_disk_it_is_the_same(tmp_path):
    p.write(tmp_path / "in/a.txt", "text")
    stored = data.load(tmp_path / "in", store=tmp_path / "out")
    assert dict(stored.corpus.items()) == {"a.txt": "a\ntext"}
    again = data.load(tmp_path / "out")
    assert (len(again.queries), again.qrels, again.splits) == (0, {}, {})


@pytest.mark.parametrize(
    ("text", "title", "body"),
    [
        ("# One\ntext", "One", "text"),
        ("\n\n### Three ##\n\ntext", "Three", "text"),
        ("Before.\n\n# Later\n\ntext", "Later", "Before.\n\n# Later\n\ntext"),
        ("Under\n-----\ntext", "Under", "text"),
        ("Under\n=====\ntext", "Under", "text"),
        ("****\nBoth\n****\ntext", "Both", "****\nBoth\n****\ntext"),
        ('---\ntitle: "Stated"\ndate: 2026\n---\ntext', "Stated", "text"),
        ("---\ndate: 2026\n---\n# Head\ntext", "Head", "text"),
        ("#hashtag and text", "file", "#hashtag and text"),
        ("text\n--\nmore", "file", "text\n--\nmore"),
        ("# Only", "Only", ""),
    ],
)
def test_the_title_is_the_first_heading_or_the_files_name(text, title, body):
    assert own.title_of(text, "file") == (title, body)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("empty.txt", b"", "empty file"),
        ("blank.md", b" \n\n\t", "empty file"),
        ("latin.txt", b"caf\xe9", "not UTF-8"),
        ("notepad.txt", "text".encode("utf-16"), "not UTF-8"),
        ("picture.txt", b"\x89PNG\r\n\x1a\n", "not UTF-8"),
        ("zeros.txt", b"text\0more", "binary file"),
        ("paper.pdf", b"%PDF-1.7", "no text file"),
        ("LICENSE", b"Do what you want.", "no text file"),
    ],
)
def test_a_file_that_is_not_read_is_counted_by_kind(tmp_path, name, content, kind):
    p.write(tmp_path / "good.txt", "good")
    p.write(tmp_path / name, content)
    with pytest.warns(UserWarning, match=f"1 × {kind}"):
        docs = data.load(tmp_path)
    assert docs.corpus == {"good.txt": "good\ngood"}
    assert docs.problems.counts == {kind: 1}
    with pytest.raises(MalformedFile, match=re.escape(f"{name}, line 1: expected")):
        data.load(tmp_path, strict=True)


def test_a_file_too_large_for_a_text_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(own, "MAX_LINE", 100)
    p.write(tmp_path / "good.txt", "good")
    p.write(tmp_path / "log.txt", "x" * 100)
    with pytest.warns(UserWarning, match="file too large"):
        assert list(data.load(tmp_path).corpus) == ["good.txt"]


# --- long files ---------------------------------------------------------------------------------------


def words(number: int, end: str = "") -> str:
    return " ".join(["word"] * number) + end


def test_a_long_file_becomes_passages_by_paragraphs_under_its_title(tmp_path):
    p.write(tmp_path / "long.md", f"# Long\n\n{words(90)}\n\n{words(110)}\n\n{words(1)}\n\n{words(199)}\n\n{words(5)}")
    docs = data.load(tmp_path, strict=True)
    assert docs.corpus == {
        "long.md#1": f"Long\n{words(90)}\n\n{words(110)}",
        "long.md#2": f"Long\n{words(1)}\n\n{words(199)}",
        "long.md#3": f"Long\n{words(5)}",
    }


def test_a_long_paragraph_is_cut_at_the_last_sentence_that_fits():
    text = f"{words(120, '.')} {words(60, '!')} {words(90, '.')}"
    assert [len(piece.split()) for piece in own.cut(text)] == [180, 90]
    assert [len(piece.split()) for piece in own.cut(words(450))] == [200, 200, 50]


@given(st.lists(st.lists(st.sampled_from(["a", "b.", "c!"]), min_size=1, max_size=30), min_size=1, max_size=12))
def test_no_word_is_lost_and_no_passage_is_too_long(paragraphs):
    text = "\n\n".join(" ".join(paragraph) for paragraph in paragraphs)
    pieces = list(own.cut(text, most=10))
    assert " ".join(pieces).split() == text.split()
    assert all(0 < len(piece.split()) <= 10 for piece in pieces)
    for first, second in pairwise(pieces):  # two that fit together would be one, by paragraphs
        assert len(first.split()) + len(second.split("\n\n")[0].split()) > 10


# --- tables and rows ----------------------------------------------------------------------------------

BREAD = {"7": "Bread\nFlour, water and salt.", "9": "Cheese\nIt keeps for weeks."}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", 'id,title,text\n7,Bread,"Flour, water and salt."\n9,Cheese,It keeps for weeks.\n'),
        ("t.csv", "\ufeffID;Title;Text\r\n7;Bread;Flour, water and salt.\r\n9;Cheese;It keeps for weeks.\r\n"),
        ("t.csv.gz", 'doc_id,Heading,Body\n7,Bread,"Flour, water and salt."\n9,Cheese,It keeps for weeks.\n'),
        ("t.tsv", "doc-id\ttitle\tcontents\n7\tBread\tFlour, water and salt.\n9\tCheese\t\"It keeps for weeks.\"\n"),
        ("t.csv", 'year,key,name,notes\n1999,7,Bread,"Flour, water and salt."\n2001,9,Cheese,It keeps for weeks.\n'),
        ("t.jsonl", '{"_id": 7, "title": "Bread", "text": "Flour, water and salt."}\n{"_id": "9", "title": "Cheese", "text": "It keeps for weeks."}\n'),
        ("t.jsonl.bz2", '{"pid": 7, "title": "Bread", "passage": "Flour, water and salt."}\n{"pid": 9, "title": "Cheese", "passage": "It keeps for weeks."}\n'),
    ],
)  # fmt: skip
def test_a_file_of_rows_gives_texts_titles_and_ids_by_the_usual_names(tmp_path, name, content):
    docs = data.load(p.write(tmp_path / name, content), strict=True)
    assert docs.corpus == BREAD
    assert (docs.name, docs.queries, docs.splits) == ("t", {}, {})


def test_parquet_and_rows_without_an_id_are_numbered(tmp_path):
    path = p.write_parquet(tmp_path / "t.parquet", [{"abstract": "first words"}, {"abstract": "second words"}])
    assert data.load(path, strict=True).corpus == {"1": "first words", "2": "second words"}
    path = p.write_jsonl(tmp_path / "t.jsonl", [{"content": "first words"}, {"content": "second words"}])
    assert data.load(path, strict=True).corpus == {"1": "first words", "2": "second words"}


def test_a_field_of_a_table_may_hold_paragraphs(tmp_path):
    path = p.write(tmp_path / "t.csv", 'id,text\na,"one ""two""\n\nthree"\nb,four\n')
    assert data.load(path, strict=True).corpus == {"a": 'one "two"\n\nthree', "b": "four"}


@pytest.mark.parametrize(
    ("name", "content", "columns"),
    [
        ("t.csv", "question,answer\nhow to bake,with an oven\n", "question, answer"),
        ("t.csv", "a,b\n1,2\n", "a, b"),
        ("t.tsv", "left\tright\none two\tthree four\n", "left, right"),
        ("t.jsonl", '{"a": "one two", "b": "three four"}\n', "a, b"),
    ],
)
def test_columns_of_which_none_or_several_may_be_the_text_are_listed(tmp_path, name, content, columns):
    with pytest.raises(
        ValueError, match=rf"t\.\w+: expected the texts in a column named text, .*; the columns are {columns}$"
    ):
        data.load(p.write(tmp_path / name, content))


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_an_empty_file_of_rows_says_so(tmp_path, name):
    with pytest.raises(ValueError, match="there are no rows"):
        data.load(p.write(tmp_path / name, ""))


def test_broken_rows_are_counted(tmp_path):
    path = p.write(tmp_path / "t.csv", "id,text\na,one\na,again\nb,\n,two\nc,d,e\n")
    with pytest.warns(UserWarning, match="4 lines dropped"):
        docs = data.load(path)
    assert docs.corpus == {"a": "one"}
    assert docs.problems.counts == {"repeated id": 1, "no id or text": 2, "wrong number of fields": 1}


def test_an_unknown_ending_is_answered_with_those_that_are_read(tmp_path):
    with pytest.raises(ValueError, match=r"paper\.pdf has an unknown ending; expected a folder of .txt, .md and .rst"):
        data.load(p.write(tmp_path / "paper.pdf", "%PDF"))


def test_one_text_file_is_a_corpus_of_its_passages(tmp_path):
    docs = data.load(p.write(tmp_path / "book.txt", f"{words(150)}\n\n{words(150)}"), strict=True)
    assert list(docs.corpus) == ["book.txt#1", "book.txt#2"]


# --- a layout without its queries or judgements ----------------------------------------------------


@pytest.mark.parametrize("name", ["corpus.jsonl", "corpus.jsonl.gz", "collection.tsv"])
def test_a_corpus_alone_loads(tmp_path, name):
    content = "1\tone\n2\ttwo\n" if "tsv" in name else '{"_id": "1", "text": "one"}\n{"_id": "2", "text": "two"}\n'
    p.write(tmp_path / name, content)
    docs = data.load(tmp_path, strict=True)
    assert (docs.corpus, docs.queries, docs.splits) == ({"1": "one", "2": "two"}, {}, {})


def test_queries_without_judgements_load_too(tmp_path):
    p.write_jsonl(tmp_path / "corpus.jsonl", [{"_id": "1", "text": "one"}])
    p.write_jsonl(tmp_path / "queries.jsonl", [{"_id": "q", "text": "?"}])
    docs = data.load(tmp_path, strict=True)
    assert (docs.queries, docs.qrels, docs.splits) == ({"q": "?"}, {}, {})
    assert "1 queries (none judged)" in repr(docs)
    with pytest.raises(KeyError, match="it has 1 queries, none judged"):
        docs.split("test")


def test_a_readme_beside_other_files_makes_no_corpus_of_one_text(tmp_path):
    p.write(tmp_path / "README.md", "# About\n\nThese rows are mine.")
    assert len(data.load(tmp_path).corpus) == 1
    p.write(tmp_path / "rows.jsonl", json.dumps({"text": "mine"}))
    with pytest.raises(
        FileNotFoundError, match=r"It holds README.md, rows.jsonl.*(?s:.)*the path of one file of texts"
    ):
        data.load(tmp_path)
