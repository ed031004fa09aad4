"""Tables to train with: each layout is read, and what is broken in it is named."""

import json

import pytest

from workbook.data import MalformedFile, Problems
from workbook.data.readers.tables import ORCAS, read_clicks, read_nli, read_texts, read_trivia, scored_rows
from workbook.data.toy import similarity_pairs
from workbook.losses.choice import loss_for
from workbook.support.types import Shown


def write(path, *rows):
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_named_columns_in_the_order_that_is_asked_for(tmp_path):
    path = write(tmp_path / "a.csv", "score,second,first\n0.5,b,a\n1,d,c\n")
    assert read_texts(path, ("first", "second"), "score") == ([("a", "b"), ("c", "d")], [0.5, 1.0])
    assert read_texts(path, ("second",)) == ([("b",), ("d",)], None)
    with pytest.raises(ValueError, match="has no column 'third'; its columns are score, second, first"):
        read_texts(path, ("third",))


def test_a_row_without_text_or_number_is_named_or_counted(tmp_path):
    path = write(
        tmp_path / "a.jsonl", {"a": "x", "s": 1}, {"a": " ", "s": 1}, {"a": "y", "s": "nan"}, {"a": "z", "s": "2"}
    )
    problems = Problems()
    assert read_texts(path, ("a",), "s", problems) == ([("x",), ("z",)], [1.0, 2.0])
    assert problems.counts == {"no text": 1, "no number": 1}
    with pytest.raises(MalformedFile, match=r"a\.jsonl, line 2: expected texts in a, got"):
        read_texts(path, ("a",), "s")


SNLI = [
    {"sentence1": "A dog runs.", "sentence2": "An animal moves.", "gold_label": "entailment"},
    {"sentence1": "A dog runs.", "sentence2": "It sleeps.", "gold_label": "contradiction"},
    {"sentence1": "A dog runs.", "sentence2": "It is old.", "gold_label": "neutral"},
    {"sentence1": "A dog runs.", "sentence2": "Nobody agrees.", "gold_label": "-"},
    {"sentence1": "A cat.", "sentence2": "An animal.", "gold_label": "entailment"},
]


def test_nli_gives_what_follows_and_what_contradicts(tmp_path):
    table = read_nli(write(tmp_path / "snli.jsonl", *SNLI))
    assert table == ([("A dog runs.", "An animal moves.", "It sleeps.")], None)
    assert loss_for(*table) == "info_nce"
    hub = [
        {"premise": r["sentence1"], "hypothesis": r["sentence2"], "label": n}
        for r, n in zip(SNLI, (0, 2, 1, -1, 0), strict=True)
    ]
    assert read_nli(write(tmp_path / "hub.jsonl", *hub)) == table
    tab = "split\tsentence1\tsentence2\tlabel\n" + "".join(
        f"train\t{r['sentence1']}\t{r['sentence2']}\t{r['gold_label']}\n" for r in SNLI
    )
    assert read_nli(write(tmp_path / "AllNLI.tsv", tab)) == table


def test_nli_that_is_none_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match="no column for the label, expected gold_label or label; its columns are premise, hypothesis"
    ):
        read_nli(write(tmp_path / "a.jsonl", {"premise": "a", "hypothesis": "b"}))
    with pytest.raises(MalformedFile, match="expected entailment, neutral or contradiction, got 'maybe'"):
        read_nli(write(tmp_path / "b.jsonl", {"premise": "a", "hypothesis": "b", "label": "maybe"}))


def test_scored_pairs_come_with_labels_from_0_to_1():
    table = scored_rows(similarity_pairs())
    assert all(0 <= label <= 1 for label in table.labels)
    assert loss_for(*table) == "cosent"


def trivia(folder, *entries):
    (folder / "evidence/wikipedia").mkdir(parents=True, exist_ok=True)
    (folder / "evidence/web").mkdir(exist_ok=True)
    (folder / "evidence/wikipedia/Heart.txt").write_text(f"{'word ' * 60}The HEART pumps blood.{' word' * 60}")
    (folder / "evidence/web/0.txt").write_text("About hearts, and nothing else.")
    return write(folder / "wikipedia-train.json", json.dumps({"Data": list(entries), "Domain": "Wikipedia"}))


QUESTION = {
    "QuestionId": "q1", "Question": "What pumps blood?", "Answer": {"Value": "the heart", "Aliases": ["Heart"]},
    "EntityPages": [{"Filename": "Heart.txt"}], "SearchResults": [{"Filename": "0.txt"}],
}  # fmt: skip


def test_trivia_gives_the_words_around_an_answer(tmp_path):
    path = trivia(tmp_path, QUESTION)
    (((question, part),), labels) = read_trivia(path, tmp_path / "evidence")
    assert (question, labels) == ("What pumps blood?", None)
    assert "The HEART pumps blood." in part
    assert len(part.split()) == 82  # two of the answer, forty on each side; "hearts" is no answer


def test_trivia_names_what_is_missing(tmp_path):
    gone = QUESTION | {"EntityPages": [{"Filename": "Gone.txt"}, {"Filename": "../../wikipedia-train.json"}]}
    path = trivia(tmp_path, gone, {"Question": "No answer?"}, "no object", QUESTION)
    problems = Problems()
    assert len(read_trivia(path, tmp_path / "evidence", problems).rows) == 1
    assert problems.counts == {"page not there": 1, "no question": 2}  # a line counts once
    with pytest.raises(MalformedFile, match=r"question 1: expected a file of the evidence, got Gone\.txt"):
        read_trivia(path, tmp_path / "evidence")
    with pytest.raises(FileNotFoundError, match="give the folder with wikipedia/ and web/"):
        read_trivia(path, tmp_path / "nowhere")
    for broken in ("{", "[]", '{"Data": 1}'):
        with pytest.raises(ValueError, match="not in the layout of TriviaQA"):
            read_trivia(write(tmp_path / "b.json", broken), tmp_path / "evidence")


def test_a_click_log_with_a_header(tmp_path):
    path = write(tmp_path / "log.tsv", "User\tQuery\tItemRank\tClickURL\n7\theart\t3\thttp://a\n7\tlungs\t\t\n")
    assert list(read_clicks(path)) == [Shown("heart", "http://a", 3, True)]
    path = write(tmp_path / "b.tsv", "query\tpassage\tposition\tclicked\nq\ta\t1\t0\nq\tb\t2\t1\n")
    assert list(read_clicks(path)) == [Shown("q", "a", 1, False), Shown("q", "b", 2, True)]


def test_a_click_log_without_a_header_needs_its_columns(tmp_path):
    path = write(tmp_path / "orcas.tsv", "1\theart attack\tD7\thttp://a\n")
    assert list(read_clicks(path, ORCAS)) == [Shown("heart attack", "D7", 0, True)]
    with pytest.raises(ValueError, match="no column for the query, expected query; its columns are 1, heart attack"):
        list(read_clicks(path))


def test_broken_lines_of_a_click_log_are_named(tmp_path):
    path = write(tmp_path / "a.tsv", "query\tpassage\tposition\nq\ta\nq\ta\tfirst\nq\ta\t1.5\n\ta\t1\nq\ta\t1\n")
    problems = Problems()
    assert list(read_clicks(path, problems=problems)) == [Shown("q", "a", 1, True)]
    assert problems.counts == {"wrong fields": 2, "no number": 2}
    with pytest.raises(MalformedFile, match="line 2: expected query, passage, position, between tabs"):
        list(read_clicks(path))
    with pytest.raises(ValueError, match="unknown ending"):
        list(read_clicks(tmp_path / "log.txt"))
