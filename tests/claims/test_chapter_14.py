import numpy as np
import pytest
import torch

from tests.helpers.rows import DOWN, TIED, UP
from workbook.claims import chapter_14
from workbook.claims.chapter_11 import COLLECTIONS, DOCS, PLANTED, new_encoder, world
from workbook.claims.chapter_14 import (
    ABSENT,
    CENTROIDS,
    CLAIMS,
    DEFAULTS,
    EVERY,
    FORM,
    HELD,
    LEAST_WORDS,
    OFFERS,
    ONE,
    ONE_INT8,
    OTHER,
    PIECE,
    READ_ALL,
    SAME,
    STEM,
    THERE,
    TWO_BITS,
    WHOLE,
    Way,
    as_read,
    compressed,
    followed,
    large,
    late,
    matches,
    one_kept,
    one_vector,
    prices,
    pruned,
    quality,
    rows_of,
    share_of,
    tokens_of,
    whom,
    words_of,
)
from workbook.claims.measuring import per_query
from workbook.data import Collection
from workbook.index.quantize import dequantize_embeddings, quantization_ranges, quantize_embeddings
from workbook.similarity import normalize

QUALITY, MATCHES, PRICES, PRUNING = CLAIMS


# --- the rules -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "reads", "left", "verdict"),
    [
        ((UP, UP), UP, TIED, "holds"), ((UP, UP), UP, DOWN, "holds"), ((UP, UP), UP, UP, "depends"), ((UP, UP), TIED, DOWN, "depends"),
        ((UP, TIED), UP, TIED, "depends"), ((TIED, TIED), UP, UP, "not settled here"), ((DOWN, DOWN), UP, UP, "misleading"),
    ],
)  # fmt: skip
def test_quality_can_fall_either_way(ahead, reads, left, verdict):
    found = {
        c: {"tokens minus one": row, "reader minus one": reads, "reader minus tokens": left}
        for c, row in zip(COLLECTIONS, ahead, strict=True)
    }
    told = QUALITY.decide(found | {"cosqa": found[DOCS]})
    assert told.verdict == verdict
    assert len(told.intervals) == 4
    assert "cosqa" in told.because


@pytest.mark.parametrize(
    ("shares", "words", "verdict"),
    [
        (([0.7, 0.6, 0.8],) * 2, 100, "holds"), (([0.7, 0.6, 0.8], [0.5, 0.4, 0.6]), 100, "depends"),
        (([0.3, 0.2, 0.4],) * 2, 100, "misleading"), (([0.7, 0.6, 0.8],) * 2, LEAST_WORDS - 1, "not settled here"),
    ],
)  # fmt: skip
def test_matches_can_fall_either_way(shares, words, verdict):
    found = {
        c: {
            "words": {THERE: 300, PIECE: 40, FORM: words, ABSENT: 50},
            "shares": {THERE: {SAME: 0.9, STEM: 0.0, OTHER: 0.1}, PIECE: {SAME: 0.0, STEM: 0.8, OTHER: 0.2}},
            "form found": row,
            "form found, untrained": [0.4, 0.3, 0.5],
            "by chance": 0.02,
        }
        for c, row in zip(COLLECTIONS, shares, strict=True)
    }
    assert MATCHES.decide(found).verdict == verdict


@pytest.mark.parametrize(
    ("lost", "bytes_of_two", "verdict"),
    [
        ((TIED, TIED), 20, "holds"), ((TIED, DOWN), 20, "depends"), ((DOWN, DOWN), 20, "misleading"), ((TIED, TIED), 40, "misleading"),
        ((UP, [0.0, -0.02, 0.02]), 20, "depends"),
    ],
)  # fmt: skip
def test_prices_can_fall_either_way(lost, bytes_of_two, verdict):
    found = {
        c: {
            "bytes": {ONE: 512, WHOLE: 128, TWO_BITS: bytes_of_two},
            "minus whole": {TWO_BITS: row},
            "minus one vector": {WHOLE: UP, TWO_BITS: UP},
            "milliseconds": {ONE: 0.1},
        }
        for c, row in zip(COLLECTIONS, lost, strict=True)
    }
    assert PRICES.decide(found).verdict == verdict


@pytest.mark.parametrize(
    ("lost", "ms", "verdict"),
    [
        ((TIED, TIED), (5, 5), "holds"), ((TIED, TIED), (5, 9), "depends"), ((TIED, TIED), (11, 12), "misleading"),
        ((TIED, TIED), (9, 11), "depends"),
        ((DOWN, DOWN), (5, 5), "misleading"), ((TIED, DOWN), (5, 5), "depends"),
    ],
)  # fmt: skip
def test_pruning_can_fall_either_way(lost, ms, verdict):
    found = {
        c: {"minus all": {DEFAULTS: row}, "milliseconds": {EVERY: 40, HELD: 10, DEFAULTS: time}, "passages": 8_000}
        for c, row, time in zip(COLLECTIONS, lost, ms, strict=True)
    }
    assert PRUNING.decide(found).verdict == verdict


# --- the experiments -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def encoder():
    return late(DOCS, Way(3e-4, True), 0, "notebook")


def test_the_places_of_words_are_those_of_their_vectors(encoder):
    text = "Sorts a list, in-place (unbelievably fast)."
    for query in (True, False):
        tokens = encoder.query_tokens(text) if query else encoder.document_tokens(text)
        told = {
            word.text: [tokens[place].removeprefix("##") for place in word.places]
            for word in words_of(encoder, text, query)
        }
        assert "".join(told["unbelievably"]) == "unbelievably"
        assert "".join(told["list"]) == "list"
        assert ("," in told) == query  # a passage does not keep punctuation


def test_a_word_is_counted_by_what_the_passage_offers_it(encoder, monkeypatch):
    docs = Collection(
        "two", {"p": "He runs home.", "o": "nothing"}, {"q": "running the home zebra"}, {"q": {"p": 1}}, {}
    )
    tokens = encoder.document_tokens(docs.corpus["p"])
    place = {name: tokens.index(name) for name in tokens}
    asked = encoder.query_tokens(docs.queries["q"])
    runs = next(word.places[0] for word in words_of(encoder, docs.corpus["p"], query=False) if word.text == "runs")
    wanted = {
        asked.index(name): target for name, target in (("running", runs), ("home", place["home"])) if name in asked
    }
    assert len(wanted) == 2
    vectors = torch.eye(len(tokens))
    queries = torch.zeros(1, len(asked), len(tokens))
    for row in range(len(asked)):
        queries[0, row] = vectors[wanted.get(row, place["he"])]
    monkeypatch.setattr(encoder, "encode_query", lambda texts: queries)
    monkeypatch.setattr(encoder, "encode_document", lambda texts: (vectors, torch.tensor([len(tokens)])))
    found = whom(encoder, docs)
    assert found[FORM][0].tolist() == [1, 0, 1, 0]  # running found runs
    assert found[THERE][0].tolist() == [1, 1, 0, 0]  # home found itself
    assert found[ABSENT][0].tolist() == [1, 0, 0, 1]  # zebra had to find something
    assert found["chance"][0] == pytest.approx(1 / len(tokens))


def test_another_form_with_the_same_first_piece_is_counted_apart(encoder):
    docs = Collection("one", {"p": "incompatibleness"}, {"q": "incompatible"}, {"q": {"p": 1}}, {})
    first = [encoder.document_tokens(docs.corpus["p"])[2], encoder.query_tokens(docs.queries["q"])[2]]
    assert first[0] == first[1]
    assert whom(encoder, docs)[PIECE][0, 0] == 1


def test_the_last_word_of_a_text_that_is_cut_counts_for_nothing(encoder):
    text = "sort " * 200 + "incompatible"
    assert len(words_of(encoder, text, query=False)) < len(encoder.document_tokens(text)) - 2
    whole = words_of(encoder, "sort a list", query=False)
    assert [word.text for word in whole] == ["sort", "a", "list"]


def test_a_share_has_the_interval_of_its_queries_and_seeds():
    part, whole = np.array([[1.0, 0, 1, 1]]), np.array([1.0, 1, 1, 2])
    value, low, high = share_of(part, whole)
    assert value == 0.6
    assert 0 <= low < value < high <= 1
    apart = share_of(np.array([[1.0, 1, 1, 2], [0, 0, 1, 0]]), whole)
    assert apart[0] == 0.6
    assert apart[1] <= low
    assert apart[2] >= high
    assert share_of(np.zeros((2, 3)), np.zeros(3)) == [0.0, 0.0, 1.0]


def test_each_way_has_its_bytes_and_the_centroids_count():
    found = prices(PLANTED, "notebook", Way(3e-4, True), 0)
    docs = large(PLANTED, "notebook")
    read = tokens_of(late(PLANTED, Way(3e-4, True), 0, "notebook"), docs)
    tokens = len(read.passages) / len(docs.corpus)
    _, codec = compressed(read, 2, 0, "notebook")
    table = 2 * codec.centroids.numel() / len(docs.corpus)
    assert found[f"bytes: {WHOLE}"] == pytest.approx(128 * tokens)
    assert found[f"bytes: {TWO_BITS}"] == pytest.approx(20 * tokens + table)
    assert found["bytes: 1 bits"] == pytest.approx(12 * tokens + table)
    assert found[f"bytes: {CENTROIDS}"] == pytest.approx(4 * tokens + table)
    assert found["bytes: 1 of 2 tokens"] < 0.6 * found[f"bytes: {WHOLE}"]
    assert found[WHOLE].shape == (len(docs.queries),)


def test_one_vector_is_kept_in_float16_and_in_a_byte_for_each_number():
    found, docs = one_kept(DOCS, "notebook", 3e-4, 0), large(DOCS, "notebook")
    encoder = one_vector(DOCS, 3e-4, 0, "notebook")
    assert np.allclose(found[ONE], per_query(encoder, docs), atol=0.02)
    held = encoder.encode_document(list(docs.corpus.values()))
    asked = encoder.encode_query(list(docs.queries.values()))
    exact, codes = asked @ held.T, quantize_embeddings(held, "int8")
    near = normalize(torch.from_numpy(dequantize_embeddings(codes, "int8", quantization_ranges(held))))
    assert np.abs(asked @ near.numpy().T - exact).max() < 0.02  # of cosines
    assert found[ONE_INT8].shape == found[ONE].shape


def test_a_reader_sees_no_more_of_a_passage_than_the_others():
    text = "unbelievably " * 60
    encoder = new_encoder("notebook")
    (cut,), (short,) = as_read([text], "notebook"), as_read(["a few words"], "notebook")
    assert short == "a few words"
    assert encoder.token_ids([cut]) == encoder.token_ids([text])
    assert len(encoder.token_ids([cut])[0]) == encoder.max_length


def test_all_arms_are_judged_on_the_same_queries():
    rows = {
        arm: quality(arm, PLANTED, "notebook", Way(3e-4), 0)[PLANTED]
        for arm in (ONE, chapter_14.TOKENS, chapter_14.READER)
    }
    assert {row.shape for row in rows.values()} == {(len(world(PLANTED, "notebook").test.queries),)}
    assert all(((row >= 0) & (row <= 1)).all() for row in rows.values())


def test_pruning_that_reads_everything_finds_what_reading_everything_finds(monkeypatch):
    monkeypatch.setattr(chapter_14, "KNOBS", {DEFAULTS: {}, "wide": {"nprobe": 64, "ndocs": READ_ALL}})
    found = pruned.__wrapped__(PLANTED, "notebook", Way(3e-4, True), 0)
    assert np.array_equal(found["wide"], found[EVERY])
    assert np.array_equal(found[HELD], found[EVERY])
    assert found["overlap: wide"] == 1
    assert 0 < found[f"overlap: {DEFAULTS}"] <= 1
    assert len(large(PLANTED, "notebook").corpus) == 60


def test_matches_are_counted_for_every_query():
    found = matches(DOCS, "notebook", Way(3e-4, True), 0)
    queries = followed(DOCS, "notebook")[DOCS].queries
    assert not set(queries.values()) & {query for query, *_ in rows_of(DOCS, "notebook")}
    for offer in OFFERS:
        counted = found[f"{DOCS}: {offer}"]
        assert counted.shape == (len(queries), 4)
        assert np.array_equal(counted[:, 0], counted[:, 1:].sum(axis=1))
    assert found[f"{DOCS}: {THERE}"][:, 0].sum() > 0
    before = matches(DOCS, "notebook", Way(0.0, True), 0)
    assert all(np.array_equal(before[name][..., 0], found[name][..., 0]) for name in found)


def test_tokens_choose_between_mask_and_none_and_one_vector_has_no_such_choice(monkeypatch):
    asked = []

    def quality_of(arm, collection, budget, way, seed):
        asked.append((arm, way, seed))
        return {collection: np.array([way.lr + way.expansion])}

    monkeypatch.setattr(chapter_14, "quality", quality_of)
    monkeypatch.setitem(chapter_14.SIZES, "notebook", chapter_14.SIZES["notebook"]._replace(lrs=(1e-4, 1e-3)))
    assert chapter_14.chosen(chapter_14.TOKENS, DOCS, "notebook") == Way(1e-3, True)
    assert chapter_14.chosen(ONE, DOCS, "notebook") == Way(1e-3)
    assert [way.expansion for arm, way, _ in asked if arm == ONE] == [False, False]
    assert len(asked) == 6
    assert {seed for *_, seed in asked} == {chapter_14.TUNING_SEED}


def test_before_training_tokens_stand_where_training_passages_reach_furthest():
    before = chapter_14.bare(DOCS, True, "notebook")
    weight = before.projection.weight.detach()
    torch.testing.assert_close(weight @ weight.T, torch.eye(len(weight)), atol=1e-4, rtol=0)
    assert len(before.query_ids(["a"])[0]) == chapter_14.QUERY_LENGTH
    assert len(chapter_14.bare(DOCS, False, "notebook").query_ids(["a"])[0]) < chapter_14.QUERY_LENGTH
