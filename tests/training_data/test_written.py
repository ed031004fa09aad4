"""Written data: every kind of reply is read, and everything dropped is counted."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mining.test_mine import Reader
from workbook.mining import mine_hard_negatives, training_tuples
from workbook.training_data import written as written_data
from workbook.training_data.written import (
    generate_negatives,
    generate_paraphrases,
    generate_queries,
    negative_prompt,
    paraphrase_prompt,
    parse_texts,
    query_prompt,
    write_negatives,
)

CORPUS = {"sort": "sort a list of numbers", "socket": "open a network socket", "file": "read a file"}


def answers(*replies):
    """A language model that knows its replies by heart."""
    left = list(replies)

    def generate(prompts):
        return [left.pop(0) for _ in prompts]

    return generate


# --- prompts --------------------------------------------------------------------------------------


def test_prompts_hold_what_they_ask_about():
    prompt = query_prompt("a passage", 3, [("shown passage", "shown query")])
    assert "3 different search queries" in prompt
    assert prompt.index("shown passage") < prompt.index("shown query") < prompt.index("Passage: a passage")
    assert "1 search query" in query_prompt("a passage")
    assert "Query: a query" in paraphrase_prompt("a query", 2)
    prompt = negative_prompt("a query", "an answer", 2)
    assert "2 passages" in prompt
    assert "a query" in prompt
    assert "an answer" in prompt
    for ask in (lambda: query_prompt("p", 0), lambda: paraphrase_prompt("q", 0), lambda: negative_prompt("q", "p", 0)):
        with pytest.raises(ValueError, match="at least 1 must be asked for, got 0"):
            ask()


# --- replies --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (None, []),
        ("", []),
        (" \n...\n---\n", []),
        ("how to sort", ["how to sort"]),
        ("1. how to sort\n2) why sort\n(3) who sorts\n4: when", ["how to sort", "why sort", "who sorts", "when"]),
        ("- how\n* why\n• who", ["how", "why", "who"]),
        ("\"how to sort\"\n“why sort”\n'who'\n«when»", ["how to sort", "why sort", "who", "when"]),
        ("Query 1: how\n**Question 2:** why\nParaphrase: who", ["how", "why", "who"]),
        ("Sure! Here are two queries.\nhow\nwhy", ["how", "why"]),
        ("Here you go:\n\nhow", ["how"]),
        ("Here is how it is done\nwhy", ["Here is how it is done", "why"]),
        ('```json\n["how", "why"]\n```', ["how", "why"]),
        ('The list:\n["how"]', ["how"]),
        ('{"queries": ["how", "why"]}', ["how", "why"]),
        ('[{"query": "how", "reason": "x"}, {"query": "why", "reason": "y"}]', ["how", "why"]),
        ('{"query": "how"}\n{"query": "why"}', ["how", "why"]),
        ('["how", "say \\"why\\"", "cut o', ["how", 'say "why"']),
        ('{"query": "cut o', []),
        ("[]", []),
        ("{}", []),
        ("[MASK] is what?\nuse f(x)[0]", ["[MASK] is what?", "use f(x)[0]"]),
        ("3.5 is what?\n2024 was when?", ["3.5 is what?", "2024 was when?"]),
        ('"how" or "why"', ['"how" or "why"']),
        ("<think>1. no\n2. no</think>\nhow", ["how"]),
        ("<think>never done", []),
        ("  spaced \t out  ", ["spaced out"]),
    ],
)
def test_every_kind_of_reply_is_read(reply, expected):
    assert parse_texts(reply) == expected


PLAIN = st.text("abcdefgh ", min_size=1, max_size=20).map(lambda text: " ".join(f"x{text}x".split()))


@settings(deadline=None)
@given(st.lists(PLAIN, min_size=1, max_size=5))
def test_what_was_written_is_read_back_whatever_it_is_wrapped_in(texts):
    wraps = [
        "\n".join(texts),
        "\n\n".join(f"{n}. {text}" for n, text in enumerate(texts, start=1)),
        "\n".join(f'- "{text}"' for text in texts),
        json.dumps(texts),
        json.dumps({"queries": [{"query": text} for text in texts]}, indent=1),
        f"Here they are:\n```\n{json.dumps(texts)}\n```\n",
    ]
    for wrapped in wraps:
        assert parse_texts(wrapped) == texts


@settings(deadline=None)
@given(st.text(alphabet="[]{}\"\\':,\n`~*<think>/#1.)- qQ“”é文", max_size=60))
def test_no_reply_breaks_the_parser(reply):
    for text in parse_texts(reply):
        assert text == " ".join(text.split())
        assert text


# --- queries --------------------------------------------------------------------------------------


def test_queries_for_each_passage_and_counts_of_what_was_dropped():
    replies = answers(
        "1. how to sort\n2. how to SORT\n3. what is this\n4. order numbers\n5. one more",
        '["Open a network  socket", "' + "long " * 65 + '", "What is this"]',
        None,
    )
    written = generate_queries(CORPUS, replies, num_queries=3)
    assert written.queries == {"sort#query1": "how to sort", "sort#query3": "order numbers"}
    assert written.qrels == {"sort#query1": {"sort": 1}, "sort#query3": {"sort": 1}}
    assert written.counts == {
        "asked": 3,
        "without a usable reply": 1,
        "texts in the replies": 8,
        "repeated": 1,
        "more than were asked for": 1,
        "copied from the passage": 1,
        "too long": 1,
        "written for several passages": 2,
        "kept": 2,
    }


def test_every_text_in_a_reply_is_kept_or_counted():
    replies = answers("a\nb\na\nc", "c\nd\nfree", "e\nread a file\n")
    counts = generate_queries(CORPUS, replies, num_queries=2).counts
    lost = [
        "repeated",
        "more than were asked for",
        "copied from the passage",
        "too long",
        "written for several passages",
    ]
    assert counts["texts in the replies"] == counts["kept"] + sum(counts.get(name, 0) for name in lost)


def test_copies_of_a_passage_may_share_a_query():
    written = generate_queries({"a": "same text", "b": "Same  text"}, answers("why", "why"))
    assert written.queries == {"a#query1": "why", "b#query1": "why"}


def test_prompts_are_asked_in_batches_and_in_order(monkeypatch):
    monkeypatch.setattr(written_data, "PROMPTS_AT_A_TIME", 4)
    sizes = []

    def generate(prompts):
        sizes.append(len(prompts))
        return [f"about {prompt.rsplit('number', 1)[1].split()[0]}" for prompt in prompts]

    written = generate_queries({f"p{i}": f"passage number {i}" for i in range(10)}, generate)
    assert sizes == [4, 4, 2]
    assert list(written.queries.values()) == [f"about {i}" for i in range(10)]
    assert generate_queries({}, generate).queries == {}


def test_a_model_that_loses_replies_is_refused():
    with pytest.raises(ValueError, match="one reply for each of 3 prompts, got 1"):
        generate_queries(CORPUS, lambda prompts: ["x"])
    with pytest.raises(ValueError, match="got one string"):
        generate_queries(CORPUS, lambda prompts: "abc")


# --- paraphrases and negatives --------------------------------------------------------------------


def test_paraphrases_differ_from_the_query_and_from_each_other():
    queries = {"a": "how to sort", "b": "open a socket", "c": "read"}
    found, counts = generate_paraphrases(
        queries, answers("How to sort\norder it\nORDER it\nput in order\nmore", "", "read"), 2
    )
    assert found == {"a": ["order it", "put in order"]}
    assert counts == {
        "asked": 3,
        "without a usable reply": 1,
        "texts in the replies": 6,
        "repeated": 3,
        "more than were asked for": 1,
        "kept": 2,
    }


def test_of_equal_paraphrases_the_first_stays_in_its_place():
    found, _ = generate_paraphrases({"a": "sort"}, answers("order it\nput in order\nORDER it\narrange"), 3)
    assert found == {"a": ["order it", "put in order", "arrange"]}


def test_negatives_are_asked_for_in_one_call_and_checked_as_any_written_ones():
    queries = {"q": "how to sort", "r": "how to read", "none": "nothing"}
    qrels = {"q": {"sort": 1}, "r": {"file": 1}}
    seen = []

    def generate(prompts):
        seen.append(prompts)
        return ["1. sort socks by hand\n2. sort a list of numbers", "Sorry:"]

    mined = generate_negatives(queries, CORPUS, qrels, generate)
    assert len(seen) == 1
    assert ["how to sort" in seen[0][0], "read a file" in seen[0][1]] == [True, True]
    assert training_tuples(mined, queries, CORPUS) == [("how to sort", "sort a list of numbers", "sort socks by hand")]
    assert mined.counts["without a usable reply"] == mined.counts["queries dropped"] == 1
    assert mined.counts["texts left out"] == 1
    assert mined.counts["queries without a positive"] == 1


ASKED, ANGLES, QRELS = {"q": "0 degrees"}, {"p": "20", "a": "5", "b": "10"}, {"q": {"p": 1}}


def test_written_negatives_leave_out_what_is_empty_repeated_or_right():
    def write(query, positive):
        assert (query, positive) == ("0 degrees", "20")
        return ["170 far away", "", " 20", "0 Degrees", "170 FAR away", "100 not quite", "120 no"]

    mined = write_negatives(ASKED, ANGLES, QRELS, write, num_negatives=2)
    assert mined.written == {"q#written1": "170 far away", "q#written2": "100 not quite"}
    assert training_tuples(mined, ASKED, ANGLES) == [("0 degrees", "20", "170 far away", "100 not quite")]
    assert mined.counts == {
        "queries": 1,
        "queries without a positive": 0,
        "texts written": 7,
        "texts left out": 4,
        "queries with too few negatives": 0,
        "negatives": 2,
    }
    few = write_negatives(ASKED, ANGLES, QRELS, lambda q, p: [], num_negatives=1)
    assert few.negatives == {}
    assert few.counts["queries dropped"] == 1
    assert len(write_negatives(ASKED, ANGLES, QRELS, write, num_negatives=9, too_few="keep").negatives["q"]) == 3
    assert write_negatives(ASKED, ANGLES, QRELS, lambda q, p: [], too_few="keep").negatives == {}


def test_written_negatives_can_be_filtered_like_any_other():
    written = write_negatives(ASKED, ANGLES, QRELS, lambda q, p: ["1 an answer after all", "60 wrong"], 2)
    corpus = {**ANGLES, **written.written}
    reader = Reader({"20": 0.9, "1 an answer after all": 0.95, "60 wrong": 0.2})
    mined = mine_hard_negatives(
        ASKED, corpus, QRELS, written.negatives, cross_encoder=reader, absolute_margin=0.1, num_negatives=1
    )
    assert list(mined.negatives["q"]) == ["q#written2"]


def test_a_writer_that_returns_a_string_is_refused():
    with pytest.raises(TypeError, match="write must return a list of texts, got one string"):
        write_negatives(ASKED, ANGLES, QRELS, lambda q, p: "one")
    with pytest.raises(ValueError, match="expected num_negatives ≥ 1"):
        write_negatives(ASKED, ANGLES, QRELS, lambda q, p: [], num_negatives=0)
