"""Pairs from structure, and the sieves: what they drop, why, and that they drop nothing else."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbook.bm25 import BM25
from workbook.training_data import (
    Dropped,
    decontaminate,
    first_sentence_rest,
    heading_sections,
    question_answers,
    remove_near_duplicates,
    round_trip,
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


# --- round trip -----------------------------------------------------------------------------------

CORPUS = {"sort": "sort a list of numbers", "socket": "open a network socket", "file": "read a file of numbers"}


def test_round_trip_keeps_the_queries_that_find_their_own_passage():
    queries = {"good": "sort list", "wrong": "open socket", "general": "numbers", "lost": "quantum", "none": "sort"}
    qrels = {
        "good": {"sort": 1},
        "wrong": {"file": 1},
        "general": {"file": 1},
        "lost": {"sort": 1},
        "none": {"sort": 0},
    }
    sieved = round_trip(queries, CORPUS, qrels, BM25(), k=1)
    assert sieved.kept == ["good"]
    assert sieved.dropped == {
        "wrong": Dropped("does not find its passage", "socket", float("inf")),
        "general": Dropped("does not find its passage", "sort", 2),  # as good as its own, and earlier
        "lost": Dropped("does not find its passage", "", float("inf")),
        "none": Dropped("no passage of its own", "", 0),
    }
    assert round_trip(queries, CORPUS, qrels, BM25(), k=2).kept == ["good", "general"]
    assert sieved.counts == {"kept": 1, "no passage of its own": 1, "does not find its passage": 3}


def test_the_querys_own_text_in_the_corpus_takes_no_rank():
    corpus = {"own": "Sort  list", **CORPUS}
    assert round_trip({"q": "sort list"}, corpus, {"q": {"sort": 1}}, BM25(), k=1).kept == ["q"]


def test_a_copy_of_the_passage_counts_as_the_passage():
    corpus = {"copy": "sort a list of numbers", **CORPUS}
    assert round_trip({"q": "sort list"}, corpus, {"q": {"sort": 1}}, BM25(), k=1).kept == ["q"]


# --- near-duplicates ------------------------------------------------------------------------------


def text(seed: int, words: int = 60) -> list[str]:
    return [f"w{random.Random(seed * 1_000 + i).randrange(10**6)}" for i in range(words)]


def test_the_first_of_near_duplicates_is_kept_and_the_others_say_what_they_repeat():
    a = text(0)
    b = [*a[:-1], "other"]  # J = 56 / 58
    half = [*a[:30], *text(1, 30)]
    sieved = remove_near_duplicates(
        {"a": " ".join(a), "half": " ".join(half), "b": " ".join(b), "A": " ".join(a).upper()}
    )
    assert sieved.kept == ["a", "half"]
    assert sieved.dropped == {
        "b": Dropped("near-duplicate", "a", pytest.approx(56 / 58)),
        "A": Dropped("near-duplicate", "a", 1),
    }
    assert repr(sieved) == "Sieved({'kept': 2, 'near-duplicate': 2})"


def test_a_chain_keeps_its_ends():
    chain = [[*text(0)[: 60 - 4 * n], *text(9, 4 * n)] for n in range(3)]
    texts = {f"t{n}": " ".join(words) for n, words in enumerate(chain)}
    assert remove_near_duplicates(texts, threshold=0.8).kept == ["t0", "t2"]


def test_planted_duplicates_are_removed_and_originals_are_not():
    texts = {f"t{i}": " ".join(text(i)) for i in range(300)}
    rng = random.Random(0)
    for i in range(100):
        words = text(i)
        words[rng.choice([0, 59])] = "changed"
        texts[f"copy{i}"] = " ".join(words)
    sieved = remove_near_duplicates(texts)
    assert [name for name in sieved.kept if name.startswith("copy")] == []
    assert len(sieved.kept) == 300
    assert all(reason.by == name.replace("copy", "t") for name, reason in sieved.dropped.items())


# --- decontamination ------------------------------------------------------------------------------


def test_training_pairs_that_touch_the_evaluation_are_dropped_with_the_reason():
    passage = text(0)
    evaluation = {"q": "How to sort a list?", "p": " ".join(passage), "empty": "..."}
    pairs = [
        ("how to SORT a list", "another passage"),  # 0: the query is a test query
        ("how to sort a list quickly", "another passage"),  # 1: longer: its own query
        ("q", " ".join([*text(1), *passage[20:33], *text(2)])),  # 2: thirteen words in a row
        ("q", " ".join([*text(1), *passage[20:32], *text(2)])),  # 3: twelve
        ("q", "a passage", " ".join(passage)),  # 4: in a negative
        ("", "..."),  # 5: nothing at all
    ]
    sieved = decontaminate(pairs, evaluation)
    assert sieved.kept == [1, 3, 5]
    assert sieved.dropped == {
        0: Dropped("equal", "q", 5),
        2: Dropped("shared words", "p", 13),
        4: Dropped("equal", "p", 60),
    }
    # Every tenth word is another: no thirteen words in a row, but most shingles are the same.
    near = [f"new{i}" if i % 10 == 9 else word for i, word in enumerate(passage)]
    sieved = decontaminate([("q", " ".join(near))], evaluation, threshold=0.4)
    assert sieved.dropped[0].why == "near-duplicate"
    assert sieved.dropped[0].by == "p"
    assert decontaminate([("q", " ".join(near))], evaluation, threshold=0.8).kept == [0]


def test_planted_contamination_is_found_and_the_rest_is_kept():
    evaluation = {f"e{i}": " ".join(text(i)) for i in range(100)}
    pairs, planted = [], set()
    for row in range(400):
        words = text(1_000 + row)
        if row % 4 == 0:
            planted.add(row)
            source = text(row // 4)
            words = {
                0: source,
                1: [*words[:20], *source[10:25], *words[20:]],
                2: [*source[:12], "x", *source[13:]],
                3: [w.upper() + "," for w in source],
            }[row // 4 % 4]
        pairs.append((f"query number {row}", " ".join(words)))
    sieved = decontaminate(pairs, evaluation)
    assert set(sieved.dropped) == planted  # precision and recall are 1
    assert all(reason.by == f"e{row // 4}" for row, reason in sieved.dropped.items())
    assert sorted([*sieved.kept, *sieved.dropped]) == list(range(400))


def test_nothing_to_train_on_and_nothing_to_test_on():
    assert decontaminate([], {"q": "a"}).counts == {"kept": 0}
    assert decontaminate([("a", "b")], {}).kept == [0]
    with pytest.raises(ValueError, match="ngram must be at least 1 word, got 0"):
        decontaminate([], {}, ngram=0)
    with pytest.raises(ValueError, match="threshold must be above 0"):
        decontaminate([], {}, threshold=0)
