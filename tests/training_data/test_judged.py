"""Judgements by a language model: what it is asked, and what its replies are taken for."""

import pytest

from workbook.training_data import judge_prompt, parse_judgement


def test_the_prompt_holds_query_and_passage_and_ends_where_the_answer_begins():
    prompt = judge_prompt("how long to boil an egg", "Six minutes.")
    assert prompt.endswith("Query: how long to boil an egg\nPassage: Six minutes.\nAnswer:")
    assert prompt.count("Answer:") == 1


def test_examples_stand_before_with_their_answers():
    shown = judge_prompt("q", "p", [("what is red?", "Blood.", True), ("what is blue?", "Grass.", False)])
    assert "Query: what is red?\nPassage: Blood.\nAnswer: yes\n\nQuery: what is blue?" in shown
    assert shown.index("Answer: yes") < shown.index("Answer: no\n\nQuery: q\nPassage: p\nAnswer:")


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("Yes", True),
        ("no.", False),
        ('  "Yes, it does', True),
        ("**No**", False),
        ("Nobody knows", None),
        ("The passage answers: yes", None),
        ("", None),
        (None, None),
    ],
)
def test_only_a_first_word_of_yes_or_no_is_a_judgement(reply, expected):
    assert parse_judgement(reply) is expected
