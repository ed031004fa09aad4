import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbook.encoder import Dense, StaticEncoder, TextEncoder, TransformerEncoder, train_tokenizer
from workbook.pooling import (
    AttentionPool,
    ConcatenatedPool,
    cls_pool,
    last_token_pool,
    max_pool,
    mean_pool,
    weighted_mean_pool,
)

TEXTS = ["sort a list of numbers", "Open a SOCKET", "the mean of an array", "tokenization of rare words", "a"]
TOKENIZER = train_tokenizer(TEXTS * 3, vocab_size=120)


def small(pooling=mean_pool, static=False, causal=False, **options):
    torch.manual_seed(0)
    size = TOKENIZER.get_vocab_size()
    backbone = StaticEncoder(size, 16) if static else TransformerEncoder(size, 16, 2, 4, max_length=32, causal=causal)
    return TextEncoder(TOKENIZER, backbone, pooling, **{"max_length": 16, **options}).eval()


def test_tokenize_pads_on_the_side_it_is_told():
    ids, mask = small().tokenize(["a list", ""])
    assert mask.tolist()[1][:2] == [1, 1]
    assert ids[1, 2:].tolist() == [0] * (ids.shape[1] - 2)
    left_ids, left_mask = small(padding_side="left").tokenize(["a list", ""])
    assert torch.equal(left_mask, mask.flip(1))
    assert left_ids[1, -2:].tolist() == [2, 3]
    with pytest.raises(ValueError, match="padding_side"):
        small(padding_side="top")


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("side", ["right", "left"])
def test_another_max_length_counts_from_then_on(static, side, tmp_path):
    text = "sort a list of numbers and open a socket"
    changed, expected = (small(static=static, truncation_side=side, max_length=length) for length in (16, 5))
    assert len(changed.token_ids([text])[0]) > 5
    changed.max_length = 5
    assert changed.token_ids([text]) == expected.token_ids([text])
    np.testing.assert_array_equal(changed.encode([text]), expected.encode([text]))
    changed.save(tmp_path / "saved")
    for other in (TextEncoder.load(tmp_path / "saved"), copy.deepcopy(changed)):
        assert other.max_length == 5
        assert other.token_ids([text]) == expected.token_ids([text])


def test_max_length_counts_cls_and_sep():
    ids, _ = small(max_length=4).tokenize(["sort a list of numbers"])
    assert ids.shape == (1, 4)
    assert (ids[0, 0], ids[0, -1]) == (2, 3)


def test_the_tokenizer_given_is_left_as_it_was():
    before = TOKENIZER.to_str()
    small(max_length=3).encode(TEXTS)
    assert TOKENIZER.to_str() == before


@given(
    st.lists(st.sampled_from([*TEXTS, "", "xyzzy ###"]), max_size=7),
    st.integers(1, 4),
    st.booleans(),
    st.sampled_from(["left", "right"]),
)
@settings(deadline=None, max_examples=40)
def test_a_text_has_one_embedding_whatever_its_batch(texts, batch_size, static, side):
    encoder = small(static=static, padding_side=side)
    together = encoder.encode(texts, batch_size=batch_size)
    assert together.shape == (len(texts), 16)
    assert together.dtype == np.float32
    for text, vector in zip(texts, together, strict=True):
        np.testing.assert_allclose(vector, encoder.encode([text])[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("static", [False, True])
def test_texts_that_are_not_sorted_together_keep_their_order(static, monkeypatch):
    encoder = small(static=static)
    texts = [*TEXTS, "", *reversed(TEXTS)]
    expected = encoder.encode(texts)
    monkeypatch.setattr("workbook.encoder.text_encoder.SORTED_TOGETHER", 3)
    np.testing.assert_allclose(encoder.encode(texts), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("pooling", [mean_pool, cls_pool, last_token_pool, max_pool, weighted_mean_pool])
@pytest.mark.parametrize("causal", [False, True])
def test_the_padding_side_changes_nothing(pooling, causal):
    right, left = (small(pooling, causal=causal, padding_side=side) for side in ("right", "left"))
    np.testing.assert_allclose(right.encode(TEXTS), left.encode(TEXTS), rtol=0, atol=1e-6)


def test_edges_of_encode():
    encoder = small()
    assert encoder.encode([]).shape == (0, 16)
    assert np.isfinite(encoder.encode([""])).all()
    assert (small(static=True).encode([""]) == 0).all()
    np.testing.assert_allclose(np.linalg.norm(encoder.encode(TEXTS), axis=1), 1, atol=1e-6)
    assert encoder.encode(["word " * 500]).shape == (1, 16)
    for wrong in ({"truncate_dim": 0}, {"truncate_dim": 17}, {"batch_size": 0}):
        with pytest.raises(ValueError, match="batch_size must be at least 1 and truncate_dim between 1 and 16"):
            encoder.encode(TEXTS, **wrong)


def test_truncation_keeps_the_first_dimensions_and_normalizes_again():
    whole, cut = small().encode(TEXTS), small().encode(TEXTS, truncate_dim=5)
    np.testing.assert_allclose(
        cut, whole[:, :5] / np.linalg.norm(whole[:, :5], axis=1, keepdims=True), rtol=0, atol=1e-6
    )
    raw = small(normalize=False)
    np.testing.assert_allclose(raw.encode(TEXTS, truncate_dim=5), raw.encode(TEXTS)[:, :5], rtol=0, atol=0)


def test_prompts_stand_before_the_text():
    encoder = small(query_prompt="sort: ", document_prompt="list: ")
    np.testing.assert_allclose(encoder.encode_query(["a"]), encoder.encode(["sort: a"]), rtol=0, atol=1e-7)
    np.testing.assert_allclose(encoder.encode_document(["a"]), encoder.encode(["list: a"]), rtol=0, atol=1e-7)
    assert not np.allclose(encoder.encode_query(["a"]), encoder.encode(["a"]), atol=1e-3)


def test_encode_leaves_the_mode_as_it_was():
    encoder = small().train()
    encoder.encode(TEXTS)
    assert encoder.training


@given(st.lists(st.integers(0, 700), max_size=400), st.one_of(st.none(), st.integers(1, 300)), st.booleans())
def test_batches_hold_every_text_once_and_on_a_processor_as_many_as_1024_tokens_allow(lengths, batch_size, static):
    batches = list(small(static=static)._batches([[0] * n for n in lengths], batch_size))
    assert sorted(row for rows in batches for row in rows.tolist()) == list(range(len(lengths)))
    for number, rows in enumerate(batches, start=1):
        count, longest = len(rows), max(lengths[row] for row in rows)
        assert count <= (batch_size or 256)
        if batch_size is None and not static:
            assert count == 1 or count * longest <= 1_024
            assert number == len(batches) or count == 256 or (count + 1) * longest > 1_024


def test_the_size_is_that_of_what_comes_out():
    encoder = small(ConcatenatedPool(cls_pool, AttentionPool(16)), layers=[Dense(32, 12)], truncate_dim=5)
    assert (encoder.full_size, encoder.embedding_size) == (12, 5)
    assert encoder.encode(TEXTS).shape == (5, 5)
    assert encoder.encode([], truncate_dim=7).shape == (0, 7)
    assert encoder(*encoder.tokenize(TEXTS)).shape == (5, 12)
    assert small().bfloat16().full_size == 16


@pytest.mark.parametrize("static", [False, True])
def test_tokens_are_what_the_vector_is_the_mean_of(static):
    encoder = small(static=static, normalize=False, default_prompt="sort ")
    tokens = encoder.encode_tokens([*TEXTS, ""])
    assert [len(x) for x in tokens] == [
        len(ids) for ids in encoder.token_ids([f"sort {text}" for text in [*TEXTS, ""]])
    ]
    np.testing.assert_allclose([x.mean(axis=0) for x in tokens], encoder.encode([*TEXTS, ""]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("static", [False, True])
def test_the_first_tokens_can_be_left_out_of_pooling(static, side):
    encoder = small(static=static, normalize=False, padding_side=side)
    ids = encoder.token_ids(["the sort a list", "the mean of an array", "open a socket"])
    hidden = [encoder.backbone(torch.tensor([tokens]), torch.ones(1, len(tokens)))[0] for tokens in ids]
    expected = torch.stack([vectors[2:].mean(dim=0) for vectors in hidden])
    torch.testing.assert_close(encoder.embed(ids, skip=2), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(encoder.embed(ids), encoder(*encoder.pad(ids)), rtol=0, atol=1e-6)
    assert (encoder.embed(ids, skip=99) == 0).all()


def test_names_of_before_are_still_handed_on(tmp_path):
    import workbook.encoder as package

    package.save(small(), tmp_path / "model")
    assert np.array_equal(package.load(tmp_path / "model").encode(TEXTS), small().encode(TEXTS))
    assert all(hasattr(package, name) for name in package.__all__)
    with pytest.raises(FileNotFoundError, match="neither a folder"):
        package.from_pretrained("no/such-model-anywhere")
