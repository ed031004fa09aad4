"""Broken lines: strict stops at the first, the default skips, counts and says so."""

import gzip
import json
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.published import write, write_jsonl
from workbook import data
from workbook.data.problems import MalformedFile, Problems, Seen
from workbook.data.readers import formats


def read(path: Path, **settings) -> tuple[list, Problems]:
    problems = Problems()
    return list(formats.read_lines(path, problems, **settings)), problems


def test_strict_stops_at_the_first_and_says_file_line_and_what_was_expected():
    with pytest.raises(MalformedFile, match=r"^a.tsv, line 7: expected a number, got 'x'$"):
        Problems(strict=True).report("no number", Path("/some/where/a.tsv"), 7, "a number", "'x'")


def test_otherwise_they_are_counted_with_the_first_three_of_each_kind():
    problems = Problems()
    assert not problems
    assert str(problems) == "nothing was dropped"
    for line in range(1, 6):
        problems.report("no number", Path("a.tsv"), line, "a number", "'x'")
    problems.report("no id", Path("b.tsv"), 1, "an id", "''")
    assert problems
    assert problems.counts == {"no number": 5, "no id": 1}
    assert str(problems) == (
        "6 lines dropped or cut short; strict=True stops at the first\n"
        "  5 × no number\n"
        "      a.tsv, line 1: expected a number, got 'x'\n"
        "      a.tsv, line 2: expected a number, got 'x'\n"
        "      a.tsv, line 3: expected a number, got 'x'\n"
        "      and 2 more\n"
        "  1 × no id\n"
        "      b.tsv, line 1: expected an id, got ''"
    )
    again = Problems.from_json(json.loads(json.dumps(problems.to_json())))
    assert str(again) == str(problems)


def test_a_line_that_is_read_twice_is_counted_once():
    problems = Problems()
    for _ in range(2):
        problems.report("no id", Path("a"), 1, "an id", "''")
        problems.report("no id", Path("b"), 1, "an id", "''")
    assert problems.counts == {"no id": 2}


@given(
    st.lists(
        st.one_of(st.integers(0, 50).map(str), st.sampled_from(["a", "07", "00", "-1", "", "²", "٣", str(10**12)]))
    )
)
def test_seen_is_a_set(ids):
    seen, expected = Seen(), set()
    for id in ids:
        assert seen.add(id) == (id not in expected)
        expected.add(id)


def test_seen_tells_apart_numbers_that_are_only_equal_as_numbers():
    seen = Seen()
    assert [seen.add(id) for id in ("7", "07", "007", "0", "00", "7", "07")] == [True] * 5 + [False] * 2


def test_seen_keeps_a_bit_for_each_number_and_no_map_for_a_lonely_one():
    seen = Seen()
    assert all(seen.add(str(i)) for i in range(100_000))
    assert len(seen._bits) < 20_000
    assert seen.add(str(2**31 - 1))
    assert not seen.add(str(2**31 - 1))
    assert len(seen._bits) < 20_000
    assert not any(seen.add(str(i)) for i in range(0, 100_000, 777))


def test_a_number_that_stood_alone_is_remembered_when_the_map_grows_past_it():
    seen = Seen()
    lonely = 9_000_000  # beyond the first map
    assert seen.add(str(lonely))
    assert all(seen.add(str(i)) for i in range(0, lonely, 1_000))
    assert all(seen.add(str(i)) for i in range(lonely + 1, lonely + 10))
    assert not seen.add(str(lonely))


def test_lines_are_numbered_from_one_without_ends_marks_and_empty_ones(tmp_path):
    path = write(tmp_path / "a.tsv", b"\xef\xbb\xbfone\r\n\n \t \ntwo\x0c\x1c\xe2\x80\xa8same line\nlast")
    assert read(path)[0] == [(1, "one"), (4, "two\x0c\x1c\u2028same line"), (5, "last")]


def test_what_is_not_utf_8_is_skipped_with_its_byte(tmp_path):
    found, problems = read(write(tmp_path / "a.txt", b"good\n\xff\xfe bad\ngood\n"))
    assert [number for number, _ in found] == [1, 3]
    assert problems.examples["not UTF-8"] == ["a.txt, line 2: expected text in UTF-8, got the byte 0xff"]


def test_a_gzip_file_that_is_cut_off_or_damaged_gives_what_is_whole(tmp_path):
    whole = gzip.compress("".join(f"line {i}\n" for i in range(50_000)).encode())
    for content in (whole[: len(whole) // 2], whole[:-100] + b"\0" * 100):
        path = tmp_path / "a.jsonl.gz"
        path.write_bytes(content)
        found, problems = read(path)
        assert len(found) < 50_000 or content is not whole
        assert problems.counts == {"cut-off end": 1}
        assert f"line {len(found) + 1}" in problems.examples["cut-off end"][0]


def test_what_only_calls_itself_gzip_is_named(tmp_path):
    (tmp_path / "a.gz").write_bytes(b"plain text\n")
    assert read(tmp_path / "a.gz")[1].counts == {"cut-off end": 1}


def test_an_endless_line_is_skipped_and_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "MAX_LINE", 100)
    found, problems = read(write(tmp_path / "a.txt", b"x" * 1_000 + b"\nshort\n" + b"y" * 100))
    assert found == [(2, "short")]
    assert problems.counts == {"line too long": 2}


def test_json_that_is_no_object_or_holds_half_a_character_is_skipped(tmp_path):
    path = write(
        tmp_path / "a.jsonl",
        '{"a": 1}\n[1]\n{broken\n{"a": "\\ud83d"}\n{"a": "\\ud83d\\ude00"}\n' + "[" * 100_000 + "\n",
    )
    problems = Problems()
    assert [row["a"] for _, row in formats.read_json_objects(path, problems)] == [1, "😀"]
    assert problems.counts == {"not an object": 1, "not JSON": 2, "not UTF-8": 1}


def test_an_unknown_ending_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a.pkl has an unknown ending; expected one of .jsonl"):
        formats.read_rows(tmp_path / "a.pkl", Problems())


@pytest.fixture
def broken(tmp_path):
    """A BEIR folder with one good passage, query and judgement, and every kind of broken line."""
    good = '{"_id": "p1", "text": "good"}\n'
    write(
        tmp_path / "corpus.jsonl",
        good.encode() + b'{"_id": "p1", "text": "again"}\n{"_id": \n[]\n{"_id": "p3"}\n\xff\n',
    )
    write_jsonl(tmp_path / "queries.jsonl", [{"_id": "q1", "text": "?"}, {"_id": "q1", "text": "again"}])
    write(tmp_path / "qrels/test.tsv", "a\tb\tc\nq1\tp1\t1\nq1\tp1\t1\nq9\tp1\t1\nq1\tp9\t1\nq1\tp1\nq1\tp1\tmany\n")
    return tmp_path


def test_the_default_skips_every_broken_line_and_the_summary_accounts_for_all(broken):
    with pytest.warns(UserWarning, match="11 lines dropped"):
        docs = data.load(broken)
    assert docs.corpus == {"p1": "good"}
    assert docs.queries == {"q1": "?"}
    assert docs.qrels == {"q1": {"p1": 1}}
    assert docs.problems.counts == {
        "repeated id": 2, "not JSON": 1, "not an object": 1, "no id or text": 1, "not UTF-8": 1, "repeated judgement": 1,
        "unknown query id": 1, "unknown passage id": 1, "wrong number of fields": 1, "no whole grade": 1,
    }  # fmt: skip
    assert docs.split("test").problems is docs.problems


def test_strict_stops_there(broken):
    with pytest.raises(MalformedFile, match=r"corpus.jsonl, line 2: expected each _id once"):
        data.load(broken, strict=True)


def test_a_whole_folder_warns_of_nothing(tmp_path):
    from tests.helpers.published import msmarco

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not data.load(msmarco(tmp_path)).problems
