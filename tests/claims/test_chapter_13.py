import numpy as np
import pytest
import torch

from tests.helpers.rows import DOWN, TIED, UP
from workbook.claims import chapter_13
from workbook.claims.chapter_13 import (
    AHEAD,
    ALONE,
    CLAIMS,
    COLLAPSES,
    COLLECTIONS,
    DIMS,
    FUNNELS,
    KEEPS,
    NESTED,
    PCA,
    PLAIN,
    SEPARATE,
    SIZES,
    TURNED,
    WHOLE,
    at_sizes,
    found,
    name_of,
    quality,
    recall,
    through,
    trained,
    turn_at_random,
    turn_by_pca,
    vectors_of,
    work_of,
    world,
)

CUT, PRICE, FUNNEL = CLAIMS
WIDE = [0.0, -0.05, 0.05]


def cut(collapses, keeps, ahead):
    arms = {name: {str(d): [0.5, 0.6] for d in DIMS} for name in (PLAIN, NESTED, PCA)} | {SEPARATE: {"256": [0.5]}}
    return {
        "ndcg@10": arms,
        "differences": {COLLAPSES: collapses, KEEPS: keeps, AHEAD: ahead, f"Matryoshka minus {PCA} at 32": TIED},
    }


@pytest.mark.parametrize(
    ("planted", "pydocs", "verdict"),
    [
        (cut(DOWN, UP, UP), cut(DOWN, UP, UP), "holds"),
        (cut(DOWN, UP, UP), cut(UP, UP, UP), "depends"),  # the plain vector has not collapsed
        (cut(DOWN, TIED, UP), cut(DOWN, UP, TIED), "depends"),
        (cut(DOWN, UP, TIED), cut(DOWN, UP, DOWN), "misleading"),
    ],
)
def test_the_cut_can_fall_either_way(planted, pydocs, verdict):
    result = CUT.decide({"collections": dict(zip(COLLECTIONS, (planted, pydocs), strict=True))})
    assert result.verdict == verdict
    assert len(result.intervals) == 6
    assert "PCA 1.00" in result.because
    assert "would have been seen" in result.because


@pytest.mark.parametrize(
    ("planted", "pydocs", "verdict"),
    [(UP, TIED, "holds"), (TIED, WIDE, "depends"), (UP, DOWN, "depends"), (DOWN, DOWN, "misleading")],
)
def test_the_price_can_fall_either_way(planted, pydocs, verdict):
    rows = {
        name: {"at full size": {"75": TIED, "1200": row}}
        for name, row in zip(COLLECTIONS, (planted, pydocs), strict=True)
    }
    result = PRICE.decide({"collections": rows, "most pairs": 1_200})
    assert result.verdict == verdict
    assert "with 75 pairs" in result.because


def funnel(row, work):
    return {
        "passages": 4_000, "chosen": "a", "work": {"a": work}, "recall of the exact ten": {"a": [0.9]},
        "differences": {"funnel minus exact": row, "first stage alone minus exact": DOWN},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("planted", "pydocs", "verdict"),
    [
        (funnel(TIED, 0.1), funnel(UP, 0.2), "holds"),
        (funnel(TIED, 0.1), funnel(UP, 0.3), "depends"),  # too much work
        (funnel(WIDE, 0.1), funnel(DOWN, 0.1), "misleading"),
    ],
)
def test_the_funnel_can_fall_either_way(planted, pydocs, verdict):
    result = FUNNEL.decide({"collections": dict(zip(COLLECTIONS, (planted, pydocs), strict=True))})
    assert result.verdict == verdict
    assert "0.900 of the exact ten" in result.because


# --- the experiment --------------------------------------------------------------------------


def test_nothing_that_is_searched_for_was_trained_on():
    for collection in COLLECTIONS:
        made = world(collection, "notebook")
        held = {p for docs in (made.dev, made.test) for judged in docs.qrels.values() for p in judged}
        assert held
        assert not held & set(made.train.corpus)
        assert not set(made.dev.queries) & set(made.test.queries)


def test_a_turn_changes_no_whole_cosine_and_every_short_one():
    x = torch.randn(5, WHOLE, generator=torch.Generator().manual_seed(0))
    turn = turn_at_random(WHOLE, 1)
    torch.testing.assert_close((x @ turn) @ (x @ turn).T, x @ x.T, atol=1e-3, rtol=1e-4)
    assert not torch.allclose(x[:, :8] @ x[:, :8].T, (x @ turn)[:, :8] @ (x @ turn)[:, :8].T, atol=0.1)


def test_a_turn_by_pca_is_whole_where_passages_are_few_and_finds_the_line_they_lie_on():
    class Line:
        def encode_document(self, texts):
            return np.outer(np.arange(1, len(texts) + 1), np.eye(WHOLE)[7]).astype(np.float32)

    turn = turn_by_pca(Line(), "planted", "notebook")
    torch.testing.assert_close(turn.T @ turn, torch.eye(WHOLE), atol=1e-4, rtol=0)
    assert abs(float(turn[7, 0])) == pytest.approx(1)


def test_quality_and_recall_by_hand():
    docs = world("planted", "notebook").test
    passages, query = list(docs.corpus), next(iter(docs.queries))
    answers = [passages.index(p) for p in docs.qrels[query]]
    rows = np.full((len(docs.queries), 10), -1)
    rows[0, : len(answers)] = answers
    assert quality(rows, docs)[0] == pytest.approx(1)
    assert quality(rows, docs)[1:].sum() == 0
    assert recall(np.array([[1, 2], [3, 4]]), np.array([[2, 1], [3, 5]])) == 0.75


def test_arms_start_from_the_same_weights_and_differ_at_the_sizes_they_train(monkeypatch):
    losses = []
    monkeypatch.setattr(chapter_13, "train", lambda encoder, pairs, loss, **options: losses.append((loss, len(pairs))))
    chapter_13.trained.cache_clear()
    whole, all_sizes, few = (
        trained("planted", dims, 6e-4, 0, "notebook", n) for dims, n in (((WHOLE,), 0), (DIMS, 0), ((8,), 5))
    )
    chapter_13.trained.cache_clear()  # nothing was trained
    assert losses[0][0] is chapter_13.info_nce
    assert losses[1][0].args[1] == DIMS
    assert losses[2][0].args[1] == (8,)
    assert [n for _, n in losses] == [24, 24, 5]
    for a, b, c in zip(whole.parameters(), all_sizes.parameters(), few.parameters(), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)


def test_an_arm_is_tuned_on_dev_queries(monkeypatch):
    monkeypatch.setattr(chapter_13, "SIZES", {"notebook": SIZES["notebook"]._replace(lrs=(1e-4, 1e-3))})
    monkeypatch.setattr(chapter_13, "trained", lambda collection, dims, lr, *rest: (lr, rest[0]))
    monkeypatch.setattr(chapter_13, "vectors_of", lambda encoder, docs: (encoder, docs))
    seen = []

    def at_sizes(encoder, docs, same, dims):
        seen.append((encoder[1], docs is world("pydocs", "notebook").dev, dims))
        return np.array([encoder[0]])

    monkeypatch.setattr(chapter_13, "at_sizes", at_sizes)
    chapter_13.chosen_lr.cache_clear()
    assert chapter_13.chosen_lr("pydocs", DIMS, "notebook") == 1e-3
    chapter_13.chosen_lr.cache_clear()
    assert seen == [(chapter_13.TUNING_SEED, True, DIMS)] * 2


def test_all_arms_agree_on_the_whole_vector_where_they_should(monkeypatch):
    start = chapter_13.load_encoder(chapter_13.ENCODER)
    start.max_length = 24
    monkeypatch.setattr(chapter_13, "trained", lambda *args: start)
    rows = chapter_13.arms_of("planted", "notebook", (0,))
    for name in (TURNED, PCA):
        np.testing.assert_allclose(rows[name][:, -1], rows[PLAIN][:, -1], atol=1e-6)
    measured = [DIMS[i] for i in range(len(DIMS)) if not np.isnan(rows[SEPARATE][0, i]).any()]
    assert measured == [*ALONE["planted"], WHOLE]
    assert set(chapter_13._by_size(rows[SEPARATE])) == {str(d) for d in measured}


def test_a_funnel_ends_in_the_whole_vector_and_its_work_is_counted():
    assert all(dims[-1] == WHOLE and list(dims) == sorted(dims) for dims, _ in FUNNELS)
    assert name_of(((16, 64, 256), 4)) == "16, 64, 256 × 4"
    # 1,000 passages by 16, 160 by 64, 40 by 256
    assert work_of(((16, 64, 256), 4), 1_000) == pytest.approx((16_000 + 160 * 64 + 40 * 256) / 256_000)
    start = chapter_13.load_encoder(chapter_13.ENCODER)
    query, passage = vectors_of(start, world("planted", "notebook").test)
    assert recall(through(((256,), 4), query, passage), found(query, passage, WHOLE)) == 1
    docs = world("planted", "notebook").test
    assert at_sizes(query, passage, docs).shape == (6, len(docs.queries))
