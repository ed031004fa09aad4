"""A question of one's own, and judgements of one's own, by a person who types."""

import json
import shutil

import pytest

from tests.helpers.small import collection
from workbook import pipeline
from workbook.bm25 import BM25
from workbook.pipeline.asking import SHOWN, find, marked
from workbook.pipeline.data_stage import read_qrels

SMALL = collection()
QUESTION = SMALL.corpus["p7"].rstrip(".")


class Typed:
    """A person: the answers in order, and then the end of the input. Remembers what was asked."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def __call__(self, prompt):
        self.asked.append(prompt)
        if not self.answers:
            raise EOFError
        answer = self.answers.pop(0)
        return answer(prompt) if callable(answer) else answer


@pytest.fixture
def work(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "work")
    return tmp_path / "work"


@pytest.mark.parametrize("systems", ["dense", "bm25", "bm25,dense,rrf"])
def test_a_text_answers_the_question_that_it_is(work, systems):
    (hits,) = find(work, [QUESTION], 3, systems)
    assert hits[0].id == "p7"
    assert hits[0].text == SMALL.corpus["p7"]
    assert len(hits) == 3
    assert hits[0].score >= hits[1].score >= hits[2].score


def test_keywords_alone_need_no_model(tmp_path):
    pipeline.data(tmp_path, SMALL)
    (hits,) = find(tmp_path, [QUESTION], 5, "bm25")
    assert {hit.id: hit.score for hit in hits} == pytest.approx(
        BM25().index(SMALL.corpus).search({"q": QUESTION}, 5)["q"], rel=1e-6
    )
    with pytest.raises(FileNotFoundError, match="index is not there; run `python -m workbook index"):
        find(tmp_path, [QUESTION], 5)


def test_ask_prints_ids_scores_and_marked_words(work, capsys):
    pipeline.ask(work, [QUESTION, "zzz"], k=2, systems="bm25")
    told = capsys.readouterr().out
    assert "1. p7  " in told
    assert "*" + QUESTION.split()[0] + "*" in told
    assert "Nothing was found" in told


def test_without_a_question_they_are_asked_for(work, capsys):
    person = Typed(QUESTION, "another one", "")
    pipeline.ask(work, read=person)
    assert len(person.asked) == 3
    told = capsys.readouterr().out
    assert QUESTION in told
    assert "another one" in told
    pipeline.ask(work, read=Typed())  # the end of the input ends it too


@pytest.mark.parametrize(
    ("text", "question", "expected"),
    [
        ("Flour, water and salt.", "is WATER wet?", "Flour, *water* and salt."),
        ("The cat.", "the", "The cat."),  # a stop word tells nothing
        ("c++ (a) [b]", "a+b (a) [b] zz", "c++ (a) [b]"),
        ("x " * 100 + "needle", "needle", "… " + "x " * (SHOWN - 1) + "*needle*"),
        ("needle" + " x" * 100, "needle", "*needle*" + " x" * (SHOWN - 1) + " …"),
        ("", "needle", ""),
    ],
)
def test_the_part_with_most_words_is_shown(text, question, expected):
    assert marked(text, question) == expected


def test_judgements_become_a_split_and_are_measured(work, capsys):
    asked = iter([QUESTION, SMALL.corpus["p8"].rstrip(".")])
    shown = []

    def answer(prompt):
        text = capsys.readouterr().out
        shown.append(text)
        return "x" if len(shown) == 1 else "y" if "] p7\n" in text or "] p8\n" in text else "n"

    def person(prompt):
        return next(asked, "") if "question" in prompt else answer(prompt)

    told = pipeline.judge(work, judgements=40, k=3, read=person)
    qrels = read_qrels(work, "judged")
    assert [set(one.values()) for one in qrels.values()] == [{0, 1}, {0, 1}]
    assert qrels["q1"]["p7"] == qrels["q2"]["p8"] == 1
    assert list(told["metrics"]) == ["ndcg@3", "mrr@3", "precision@3"]
    assert told["metrics"]["mrr@3"]["mean"] == 1.0
    assert "rrf" in told["summary"]
    assert "2 questions are few" in told["summary"]
    # What the systems found is shuffled: nobody can tell who found what, or what stood first.
    first = [line.split("] ")[1].strip() for text in shown for line in text.splitlines() if line.startswith("[1 of")]
    assert len(first) >= 2


def test_every_answer_is_kept_and_a_second_call_goes_on(work):
    pipeline.judge(work, k=2, read=Typed(QUESTION, "y", "n", "q"))
    path = work / "judgements/judged.json"
    before = json.loads(path.read_text())[QUESTION]
    assert list(before.values()) == [1, 0]
    pipeline.judge(work, k=2, read=Typed("s", "n", "", "n"))  # no further question
    after = json.loads(path.read_text())[QUESTION]
    assert dict(list(after.items())[:2]) == before  # nothing is asked twice
    assert list(after.values())[2] is None  # skipped, and not judged
    judged = read_qrels(work, "judged")["q1"]
    assert judged == {id: grade for id, grade in after.items() if grade is not None}


def test_a_kill_between_two_answers_loses_neither(work):
    def killed(prompt):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.judge(work, k=2, read=Typed(QUESTION, "y", killed))
    assert list(json.loads((work / "judgements/judged.json").read_text())[QUESTION].values()) == [1]


def test_what_cannot_be_judged_is_said(work):
    with pytest.raises(ValueError, match="has a split 'train', which came with its passages"):
        pipeline.judge(work, "train", read=Typed())
    with pytest.raises(ValueError, match=r"nothing was judged yet; run `python -m workbook judge"):
        pipeline.judge(work, read=Typed(QUESTION, "s", "q"))
    with pytest.raises(ValueError, match="judgements must be at least 1, got 0"):
        pipeline.judge(work, judgements=0, read=Typed())
