"""What is said to be true of a pair can be read in the texts; labels err as much as they are told to."""

import itertools
import math
import re
from collections import defaultdict
from functools import cache
from itertools import islice
from statistics import mean, median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbook.data.planted import planted
from workbook.data.planted.draws import TABLE, draw
from workbook.data.planted.names import make_place
from workbook.data.planted.passages import BLOCK, FAMILIES, get_family, make_block
from workbook.data.planted.world import rough_value, wrong_value
from workbook.support.content_words import content_words
from workbook.training_data.near_duplicates import jaccard, shingles

ZERO_KINDS = {"denies", "asks", "other facet", "sister", "namesake", "same kind", "unrelated"}


@cache
def corpus(**settings):
    return planted(**{"num_passages": 6_000, "num_queries": 2_000, **settings})


@cache
def texts(**settings) -> dict[str, str]:
    return dict(corpus(**settings).passages())


def within(count: int, total: int, rate: float) -> bool:
    """Whether a count is as near to what the rate lets one expect as 999 of 1,000 counts are."""
    return abs(count - total * rate) <= 3.3 * math.sqrt(total * rate * (1 - rate)) + 1e-9


def statements(thing, facet: int, value: str) -> list[str]:
    """Every sentence that would state the value, built here from the hand-written wordings."""
    subjects = [*thing.name, "It", *(f"The {noun}" for noun in thing.kind.nouns)]
    return [
        wording.replace("{S}", s)
        .replace("{s}", s[0].lower() + s[1:] if s.startswith("The ") else s)
        .replace("{v}", value)
        for wording in thing.kind.facets[facet].wordings
        for s in subjects
    ]


def family_passages(query, chosen=None) -> list[int]:
    """The numbers of the sixteen passages of a query's family, as far as the corpus reaches."""
    block, inside = divmod(query.family, FAMILIES)
    where = make_block((chosen or corpus()).settings, block).where
    return [number for at in where[inside * 16 : inside * 16 + 16] if (number := block * BLOCK + at) < len(corpus())]


# --- truth and text ---------------------------------------------------------------------------------


def test_a_passage_states_the_fact_exactly_where_its_grade_says_so():
    found = defaultdict(int)
    for query in islice(corpus().every_query(), 0, None, 5):
        thing = get_family(corpus().settings, query.family)[query.entity]
        value = thing.values[query.facet]
        exact = statements(thing, query.facet, value)
        for number in [*family_passages(query), *range(0, len(corpus()), 997)]:
            text, truth = texts()[str(number)], corpus().truth(query.id, str(number))
            names_it = any(name in text for name in thing.name)
            states = names_it and any(sentence in text or sentence.rstrip(".") + "." in text for sentence in exact)
            assert states == (truth.grade >= 2), (query, truth, text)
            if truth.grade == 1:
                rough = rough_value(thing, query.facet)
                assert any(sentence in text for sentence in statements(thing, query.facet, rough))
                assert not re.search(rf"\b{re.escape(value)}\b", text)
            if truth.kind in ("denies", "asks", "other facet"):
                assert names_it
                assert not re.search(rf"\b{re.escape(value)}\b", text), (query, truth, text)
            found[truth.kind] += 1
    assert found.keys() == ZERO_KINDS | {"states", "in passing", "roughly"}
    assert min(found.values()) >= 3


@pytest.mark.parametrize(("size", "queries"), [(100, 40), (700, 60), (1_024, 60)])
def test_the_true_matches_are_those_that_a_look_at_every_passage_finds(size, queries):
    small = planted(size)
    for query_id, _ in islice(small.queries(), queries):
        every = {str(i): small.truth(query_id, str(i)).grade for i in range(size)}
        assert small.truths(query_id) == {passage: grade for passage, grade in every.items() if grade}
        assert small.truths(query_id)[small.query(query_id).origin] == 3


def test_the_truth_about_a_pair_is_the_same_at_every_size():
    large = planted(10_000_000, num_queries=2_000)
    for query_id, _ in large.queries(1_000, 1_010):
        for passage, grade in large.truths(query_id).items():
            assert large.truth(query_id, passage).grade == grade
    small, same = planted(1_000), planted(1_024)
    for query_id in dict(small.queries()).keys() & dict(same.queries()).keys():
        assert small.truths(query_id).items() <= same.truths(query_id).items()


ENDS = st.sampled_from([0.0, 0.5, 1.0])


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    size=st.integers(1, 600),
    seed=st.integers(0, 2**63 - 1),
    mean_words=st.sampled_from([15, 55, 400]),
    near_duplicates=st.sampled_from([0.0, 0.25, 0.5]),
    traps=ENDS,
    drift=ENDS,
    unlabelled=ENDS,
    label_noise=ENDS,
)
def test_whatever_is_chosen_truth_labels_and_texts_agree(size, **chosen):
    made = planted(size, **chosen)
    written = dict(made.passages())
    assert list(written) == list(map(str, range(size)))
    middle = size // 2
    assert (
        made.passage(str(middle))
        == written[str(middle)]
        == dict(planted(size + 700, **chosen).passages(0, size))[str(middle)]
    )
    try:
        ids = [id for id, _ in made.queries()]
    except ValueError as error:  # there may be nothing to ask for
        assert "state 0 facts" in str(error)  # noqa: PT017
        return
    assert 0 < len(ids) <= max(1, size // 2)
    for query_id in ids[:: max(1, len(ids) // 4)]:
        query, truths, given_labels = made.query(query_id), made.truths(query_id), made.labels(query_id)
        every = {id: made.truth(query_id, id) for id in written}
        assert truths == {id: truth.grade for id, truth in every.items() if truth.grade}
        assert truths[query.origin] == 3
        for id, truth in every.items():
            assert ("trap" in truth.reason) <= (truth.grade == 0)
            assert truth.copy_of is None or (truth.copy_of in written and truth.copy_of != id)
        if query.split != "train":
            assert given_labels == truths
        elif chosen["label_noise"] == 1:
            assert not given_labels.keys() & truths.keys() or len(truths) + len(given_labels) > size
        elif chosen["label_noise"] == 0:
            assert given_labels.items() <= truths.items()
            assert query.origin in given_labels
            assert chosen["unlabelled"] != 1 or len(given_labels) == 1
            assert chosen["unlabelled"] != 0 or given_labels == truths


def test_reasons_are_words_that_name_the_things():
    query = next(query for query in corpus().every_query() if query.sort == "question")
    thing = get_family(corpus().settings, query.family)[query.entity]
    what = thing.kind.facets[query.facet].name
    reason = corpus().truth(query.id, query.origin).reason
    assert reason.startswith(f"states the {what} of the {thing.kind.name} {thing.name.full} in ")
    traps = [corpus().truth(query.id, str(number)) for number in (*family_passages(query), *range(100))]
    for truth in traps:
        if shares := re.match(r"(?:near-duplicate of passage \d+; )?trap: shares (\d+) word", truth.reason):
            assert truth.grade == 0
            assert int(shares[1]) >= 0
    assert {truth.kind for truth in traps} >= {"sister", "same kind", "unrelated"}


def test_the_words_that_a_trap_is_said_to_share_are_shared():
    checked = 0
    for query in islice(corpus().every_query(), 40):
        for number in family_passages(query):
            truth = corpus().truth(query.id, str(number))
            if shares := re.search(r"trap: shares (\d+) word", truth.reason):
                assert int(shares[1]) == len(content_words(query.text) & content_words(texts()[str(number)]))
                checked += 1
    assert checked > 100


# --- queries ----------------------------------------------------------------------------------------


def test_a_synonym_query_shares_no_word_with_most_passages_it_was_written_for_and_an_exact_one_most():
    shared = defaultdict(list)
    for query in corpus().every_query():
        own = content_words(query.text)
        shared[query.sort].append(len(own & content_words(texts()[query.origin])) / len(own))
    assert {sort: len(shares) > 150 for sort, shares in shared.items()} == dict.fromkeys(
        ("exact", "keywords", "question", "synonym"), True
    )
    assert mean(share == 0 for share in shared["synonym"]) > 0.7
    assert mean(share >= 0.5 for share in shared["exact"]) > 0.95
    assert mean(shared["synonym"]) < mean(shared["question"]) < mean(shared["exact"])


def test_no_thing_and_no_name_is_asked_about_in_two_splits():
    families, names = defaultdict(set), defaultdict(set)
    for query in corpus().every_query():
        families[query.split].add(query.family)
        names[query.split].update(get_family(corpus().settings, query.family)[query.entity].name)
    for groups in (families, names):
        assert groups.keys() == {"train", "dev", "test"}
        for one, other in (("train", "dev"), ("train", "test"), ("dev", "test")):
            assert groups[one]
            assert not groups[one] & groups[other]
    share = len(families["train"]) / sum(map(len, families.values()))
    assert 0.76 < share < 0.84


def test_a_query_says_which_bearer_of_a_name_it_means():
    for query in corpus().every_query():
        family = get_family(corpus().settings, query.family)
        if query.entity in (0, 3):
            nouns = [noun for noun in family[query.entity].kind.nouns if re.search(rf"\b{noun}\b", query.text)]
            assert nouns, query


def test_there_are_as_many_queries_as_were_asked_for_and_no_text_twice():
    for count in (1, 17, 2_000):
        asked = planted(6_000, num_queries=count)
        assert len(dict(asked.queries())) == asked.num_queries == count
    every = [text for _, text in corpus().queries()]
    assert len(set(every)) == len(every)
    assert list(corpus().queries(10, 20)) == list(corpus().queries())[10:20]
    parts = [list(corpus().queries(split=split)) for split in ("train", "dev", "test")]
    assert sorted(itertools.chain(*parts)) == sorted(corpus().queries())


# --- what the labels leave out and get wrong ----------------------------------------------------------


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.8, 1.0])
def test_as_many_true_matches_are_unlabelled_as_was_chosen(rate):
    chosen = corpus(unlabelled=rate, label_noise=0)
    missing = total = 0
    for query in chosen.every_query("train"):
        true, given = chosen.truths(query.id), chosen.labels(query.id)
        assert given.items() <= true.items()
        assert query.origin in given
        total += len(true) - 1
        missing += len(true) - len(given)
    assert total > 1_000
    assert within(missing, total, rate)


@pytest.mark.parametrize(("rate", "near_duplicates"), [(0.0, 0.05), (0.05, 0.05), (0.5, 0.05), (1.0, 0.05), (1.0, 0.5)])
def test_as_many_labels_are_wrong_as_was_chosen(rate, near_duplicates):
    chosen = corpus(unlabelled=0, label_noise=rate, near_duplicates=near_duplicates)
    wrong = total = 0
    for query_id, labelled in chosen.qrels("train").items():
        assert len(labelled) == len(chosen.truths(query_id))
        total += len(labelled)
        wrong += sum(chosen.truth(query_id, passage).grade == 0 for passage in labelled)
    assert total > 2_000
    assert within(wrong, total, rate)


def test_labels_for_dev_and_test_are_the_whole_truth():
    chosen = corpus(unlabelled=1, label_noise=1)
    for split in ("dev", "test"):
        assert chosen.qrels(split) == {query.id: chosen.truths(query.id) for query in chosen.every_query(split)}
    assert chosen.qrels("train", complete=True) == {q.id: chosen.truths(q.id) for q in chosen.every_query("train")}
    assert chosen.qrels("train") != chosen.qrels("train", complete=True)


def test_texts_do_not_depend_on_what_the_labels_say():
    assert texts(unlabelled=0, label_noise=0.5) == texts()


# --- near-duplicates and traps -----------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.4])
def test_as_many_passages_are_near_duplicates_as_was_chosen(rate):
    chosen = corpus(near_duplicates=rate)
    query_id = next(chosen.queries())[0]
    copies = [(i, t.copy_of) for i in range(len(chosen)) if (t := chosen.truth(query_id, str(i))).copy_of is not None]
    assert within(len(copies), len(chosen), rate)
    written = texts(near_duplicates=rate)
    alike = [jaccard(shingles(written[str(i)]), shingles(written[source])) for i, source in copies if source in written]
    if copies:
        assert median(alike) > 0.6
        assert all(written[str(i)] != written[source] for i, source in copies if source in written)


def test_a_near_duplicate_answers_what_its_source_answers_and_says_so():
    found = 0
    for query in corpus().every_query():
        for passage, grade in corpus().truths(query.id).items():
            truth = corpus().truth(query.id, passage)
            if truth.copy_of is not None and int(truth.copy_of) < len(corpus()):
                assert corpus().truth(query.id, truth.copy_of).grade == grade
                assert truth.reason.startswith(f"near-duplicate of passage {truth.copy_of}; ")
                found += 1
    assert found > 50


@pytest.mark.parametrize("size", [100, 777, 1_000, 3_000])
def test_a_near_duplicate_names_a_passage_that_the_corpus_has(size):
    chosen = planted(size, near_duplicates=0.5)
    query_id, written = next(chosen.queries())[0], dict(chosen.passages())
    copies = {i: source for i in written if (source := chosen.truth(query_id, i).copy_of) is not None}
    assert len(copies) > size / 4
    assert copies.keys() & set(copies.values()) == set()
    for passage, source in copies.items():
        assert written[source].split(". ")[0] != "" != written[passage]
        assert chosen.truth(query_id, source).grade == chosen.truth(query_id, passage).grade


def test_what_is_denied_is_never_true():
    thing = next(
        thing for n in range(200) for thing in get_family(corpus().settings, n)[:1] if thing.kind.name == "machine"
    )
    at = [facet.values for facet in thing.kind.facets].index("place")
    unlucky = 0
    for number in range(200_000):  # one value in 35,000 is the true one again
        bits = draw(0, TABLE, number)
        if make_place(bits) != make_place(bits >> 5):
            continue
        unlucky += 1
        unlike = thing._replace(bits=[bits] * 6, place=0)
        assert wrong_value(unlike, at) not in {make_place(bits >> place) for place in range(3)}
    assert unlucky


@pytest.mark.slow
def test_traps_share_more_words_with_the_query_than_true_matches_do():
    def look(traps: float) -> tuple[float, float, float]:
        chosen, written = corpus(traps=traps, num_queries=300), texts(traps=traps)
        of_a_passage = of_a_trap = aimed = 0
        for query in chosen.every_query():
            own = content_words(query.text)
            true = mean(len(own & content_words(written[passage])) for passage in chosen.truths(query.id))
            shared = defaultdict(list)
            for number in family_passages(query, chosen):
                kind = chosen.truth(query.id, str(number)).kind
                shared[kind].append(len(own & content_words(written[str(number)])))
            wrong = {kind: max(counts) for kind, counts in shared.items() if kind in ZERO_KINDS}
            of_a_passage += max(wrong.values(), default=0) > true
            if "denies" in wrong or "asks" in wrong:
                aimed += 1
                of_a_trap += max(wrong.get("denies", 0), wrong.get("asks", 0)) > true
        return aimed / 300, of_a_trap / max(aimed, 1), of_a_passage / 300

    (none, _, without), (some, often, _), (many, oftener, _) = look(0), look(0.15), look(0.4)
    assert none == 0 < 0.08 < some < many  # traps that are about the very fact that is asked for
    assert min(often, oftener) > 0.3
    assert without > 0.35  # without these there are relatives, namesakes and other facets
