"""Pairs from structure: what is cut where, and what is no pair."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbook.pretraining.pairs import inverse_cloze_pairs, pairs_from
from workbook.training_data.structured import (
    first_sentence_rest,
    heading_sections,
    question_answers,
    sections,
    title_body,
)

LONG = "It takes eight words or more to make a passage of something."
MARKDOWN = f"""---
layout: page
---
# Search engines

Finding things. {LONG}

## How do I sort? ##

```python
# no heading
```
Call sort. {LONG}

Limits
------
{LONG}

### Empty

## Short
Too short.
"""


def test_sections_know_both_kinds_of_heading_and_code_blocks():
    assert [(level, heading) for level, heading, _ in sections(MARKDOWN)] == [
        (1, "Search engines"),
        (2, "How do I sort?"),
        (2, "Limits"),
        (3, "Empty"),
        (2, "Short"),
    ]
    assert sections(MARKDOWN)[1].text.startswith("```python\n# no heading\n```")
    assert sections(MARKDOWN)[3].text == ""
    assert sections("no heading at all") == [(0, "", "no heading at all")]
    assert sections("before\n\n# A\nafter") == [(0, "", "before"), (1, "A", "after")]
    assert sections("") == [(0, "", "")]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["# A", "## B ##", "### c#", "#nospace", "text here", "more", "===", "---", "```", "~~~", "````", "``` py", "``` `x`",
             "", "# `x`", "   ## D", "#", "## ##", "# #", "####### seven"]
        ),
        max_size=12,
    )
)  # fmt: skip
def test_headings_are_those_of_a_commonmark_parser(lines):
    """Outside of lists, quotes and indented code."""
    from markdown_it import MarkdownIt

    if lines[:1] == ["---"]:
        lines = ["", *lines]  # not front matter
    tokens = MarkdownIt("commonmark").parse("\n".join(lines))
    expected = [
        (int(token.tag[1]), " ".join(tokens[i + 1].content.split()))
        for i, token in enumerate(tokens)
        if token.type == "heading_open"
    ]
    found = [(level, " ".join(heading.split())) for level, heading, _ in sections("\n".join(lines)) if level]
    assert found == expected


def test_title_body():
    ((title, body),) = title_body(MARKDOWN)
    assert title == "Search engines"
    assert body.startswith("Finding things.")
    assert "How do I sort?" in body
    assert title_body(f"A title\n\n{LONG}") == [("A title", LONG)]
    assert title_body(f"two lines\nare no title\n\n{LONG}") == []
    assert title_body("# Only a title") == title_body("") == title_body("# A\n\ntoo short") == []


def test_heading_sections_and_their_path():
    assert [heading for heading, _ in heading_sections(MARKDOWN)] == ["Search engines", "How do I sort?", "Limits"]
    assert heading_sections(MARKDOWN)[2] == ("Limits", LONG)
    text = f"# A\n## B\n### C\n{LONG}\n## D\n{LONG}"
    assert [heading for heading, _ in heading_sections(text, path=True)] == ["A: B: C", "A: D"]


def test_question_answers_from_headings_and_from_blocks():
    assert question_answers("# Why?\nBecause.\n# Not a question\nText.\n# No answer?") == [("Why?", "Because.")]
    text = (
        "Intro.\n\nQ: How many\nbytes?\nA: Four.\nAnd more.\n\n**Question 2:** Why?\n**Answer:** Because.\n\nQ: open?\n"
    )
    assert question_answers(text) == [("How many bytes?", "Four.\nAnd more."), ("Why?", "Because.")]
    assert question_answers("Q1. One?\nA1. Yes.\n## Next\nother") == [("One?", "Yes.")]
    assert question_answers("A: an answer without a question") == []


@pytest.mark.parametrize(
    ("text", "first"),
    [
        (f"One sentence. {LONG}", "One sentence."),
        (f"See e.g. Smith and J. Doe. {LONG}", "See e.g. Smith and J. Doe."),
        (f'"Really?" {LONG}', '"Really?"'),
        (f"Version 3.5 is out! {LONG}", "Version 3.5 is out!"),
        (f"A title without an end\n\n{LONG}", "A title without an end"),
        ("これは文です。" + "長い文章です。" * 10, "これは文です。"),
    ],
)
def test_first_sentence_rest(text, first):
    ((sentence, rest),) = first_sentence_rest(text)
    assert sentence == first
    assert sentence + rest == text.replace("\n\n", "").replace(f"{first} ", first)


def test_no_pair_without_a_rest():
    for text in ("", "One sentence.", "One. Too short.", "no end at all " * 20):
        assert first_sentence_rest(text) == []


@pytest.mark.parametrize("change", [str, str.lower, str.upper], ids=["as it is", "lower", "upper"])
def test_texts_that_give_no_pair_are_counted(change):
    texts = [f"One sentence, e.g. this. {LONG}", f"Another one. {LONG}", "One. Too short.", "no stop at all", " "]
    texts = [change(text) for text in texts]
    with pytest.warns(UserWarning, match=r"only 2 of 5 texts gave a pair: "):
        pairs = pairs_from(texts, first_sentence_rest)
    assert pairs == [(change("One sentence, e.g. this."), change(LONG)), (change("Another one."), change(LONG))]
    assert pairs.counts == {
        "gave a pair": 2,
        "with a passage of fewer than 8 words": 1,
        "of a single sentence": 1,
        "empty": 1,
    }
    found = pairs_from([f"# A\n{LONG}\n## B\n{LONG}", f"# C\n{LONG}", "# D"], heading_sections)
    assert (len(found), found.counts) == (3, {"gave a pair": 2, "nothing found": 1})


SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real collections are not at hand")
def test_real_abstracts_give_as_many_pairs_in_lower_case_and_texts_without_stops_are_counted():
    def texts(name):
        lines = (SHARED / name / "corpus.jsonl").read_text("utf-8").splitlines()
        return [text for line in lines if (text := json.loads(line)["text"])]

    abstracts = texts("cacm")
    assert len(abstracts) == 1_596
    gave = pairs_from(abstracts, first_sentence_rest).counts["gave a pair"]
    for change in (str.lower, str.upper):
        changed = pairs_from(map(change, abstracts), first_sentence_rest).counts["gave a pair"]
        assert gave > 1_300
        assert abs(changed - gave) < 0.05 * gave
    with pytest.warns(UserWarning, match="only 0 of 11,429 texts gave a pair: of a single sentence 11,429"):
        inverse_cloze_pairs(texts("vaswani_npl"))  # it has no punctuation
