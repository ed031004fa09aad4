import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbook.encoder import StaticEncoder, TextEncoder, TransformerEncoder, load, train_tokenizer
from workbook.pooling import AttentionPool, cls_pool, last_token_pool, max_pool, mean_pool, weighted_mean_pool

TEXTS = ["sort a list of numbers", "Open a SOCKET", "the mean of an array", "tokenization of rare words", "a"]
TOKENIZER = train_tokenizer(TEXTS * 3, vocab_size=120)


def small(pooling=mean_pool, static=False, causal=False, **options):
    torch.manual_seed(0)
    size = TOKENIZER.get_vocab_size()
    backbone = StaticEncoder(size, 16) if static else TransformerEncoder(size, 16, 2, 4, max_length=32, causal=causal)
    return TextEncoder(TOKENIZER, backbone, pooling, **{"max_length": 16, **options}).eval()


def test_tokenizer_writes_cls_and_sep_and_pads_with_zero():
    assert [TOKENIZER.token_to_id(token) for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")] == [0, 1, 2, 3, 4]
    assert TOKENIZER.encode("a list").tokens[0] == "[CLS]"
    assert TOKENIZER.encode("a list").tokens[-1] == "[SEP]"
    assert TOKENIZER.encode("LIST").ids == TOKENIZER.encode("list").ids
    with pytest.raises(ValueError, match="vocab_size"):
        train_tokenizer(TEXTS, vocab_size=5)


def test_tokenize_pads_on_the_side_it_is_told():
    ids, mask = small().tokenize(["a list", ""])
    assert mask.tolist()[1][:2] == [1, 1]
    assert ids[1, 2:].tolist() == [0] * (ids.shape[1] - 2)
    left_ids, left_mask = small(padding_side="left").tokenize(["a list", ""])
    assert torch.equal(left_mask, mask.flip(1))
    assert left_ids[1, -2:].tolist() == [2, 3]
    with pytest.raises(ValueError, match="padding_side"):
        small(padding_side="top")


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


def test_the_mean_of_ragged_texts_is_the_mean_of_padded_ones():
    encoder = small(static=True)
    ids = encoder.token_ids([*TEXTS, "", TEXTS[0] * 9])
    torch.testing.assert_close(encoder.backbone.mean_of(ids), encoder.backbone.mean(*encoder.pad(ids)))
    assert encoder.backbone.mean_of([]).shape == (0, 16)


@pytest.mark.parametrize("pooling", [mean_pool, cls_pool, last_token_pool, max_pool, weighted_mean_pool])
@pytest.mark.parametrize("causal", [False, True])
def test_the_padding_side_changes_nothing(pooling, causal):
    right, left = (small(pooling, causal=causal, padding_side=side) for side in ("right", "left"))
    np.testing.assert_allclose(right.encode(TEXTS), left.encode(TEXTS), rtol=0, atol=1e-6)


def test_the_fast_way_of_the_static_encoder_is_the_mean():
    encoder = small(static=True)
    ids, mask = encoder.tokenize([*TEXTS, ""])
    slow = mean_pool(encoder.backbone(ids, mask), mask)
    torch.testing.assert_close(encoder.backbone.mean(ids, mask), slow, rtol=0, atol=1e-6)
    (gradient,) = torch.autograd.grad(slow.square().sum(), encoder.backbone.word.weight)
    (fast,) = torch.autograd.grad(encoder.backbone.mean(ids, mask).square().sum(), encoder.backbone.word.weight)
    torch.testing.assert_close(fast, gradient, rtol=0, atol=1e-6)


def test_edges_of_encode():
    encoder = small()
    assert encoder.encode([]).shape == (0, 16)
    assert np.isfinite(encoder.encode([""])).all()
    assert (small(static=True).encode([""]) == 0).all()
    np.testing.assert_allclose(np.linalg.norm(encoder.encode(TEXTS), axis=1), 1, atol=1e-6)
    assert encoder.encode(["word " * 500]).shape == (1, 16)
    with pytest.raises(TypeError, match=r"encode\(\[text\]\)"):
        encoder.encode("one string")
    with pytest.raises(TypeError, match="position 1"):
        encoder.encode(["a", None])
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


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("pooling", [mean_pool, cls_pool, "attention"])
def test_saved_and_loaded_it_is_the_same(tmp_path, static, pooling):
    if pooling == "attention":
        pooling = AttentionPool(16)
        torch.nn.init.normal_(pooling.query)
    encoder = small(pooling, static=static, query_prompt="q: ", padding_side="left", max_length=9)
    encoder.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert np.array_equal(again.encode_query(TEXTS), encoder.encode_query(TEXTS))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_causal_encoder_comes_back_causal(tmp_path):
    encoder = small(last_token_pool, causal=True)
    encoder.save(tmp_path / "model")
    assert load(tmp_path / "model").backbone.causal
    assert np.array_equal(load(tmp_path / "model").encode(TEXTS), encoder.encode(TEXTS))
    # sentence-transformers has no causal BERT under this name: rather no model than another one.
    assert not (tmp_path / "model" / "modules.json").exists()


def test_saving_replaces_a_saved_encoder_and_nothing_else(tmp_path):
    small().save(tmp_path / "model")
    small(static=True).save(tmp_path / "model")
    assert isinstance(load(tmp_path / "model").backbone, StaticEncoder)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="new folder"):
        small().save(tmp_path / "other")
    assert (tmp_path / "other" / "thesis.txt").read_text() == "years of work"


def test_a_failed_save_leaves_the_old_encoder(tmp_path, monkeypatch):
    small().save(tmp_path / "model")
    before = load(tmp_path / "model").encode(TEXTS)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("workbook.encoder.saving.write_json", full)
    with pytest.raises(OSError, match="No space"):
        small(cls_pool).save(tmp_path / "model")
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert np.array_equal(load(tmp_path / "model").encode(TEXTS), before)


def test_what_cannot_be_saved_or_loaded_is_said(tmp_path):
    with pytest.raises(ValueError, match="cannot save the pooling"):
        small(lambda hidden, mask: hidden[:, 0]).save(tmp_path / "model")
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError, match=r"workbook\.json"):
        load(tmp_path)
    small().save(tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ValueError, match="damaged"):
        load(tmp_path / "model")
    with pytest.raises(FileNotFoundError, match="neither a folder"):
        TextEncoder.from_pretrained("no/such-model-anywhere")


def test_scale_by_idf_makes_rare_tokens_long_and_keeps_directions():
    table = StaticEncoder(4, 3)
    before = table.word.weight.detach().clone()
    table.scale_by_idf([[0, 0, 1], [0, 2], [0]])
    idf = torch.log1p(3 / (1 + torch.tensor([3.0, 1.0, 1.0, 0.0])))
    assert torch.allclose(table.word.weight.detach(), before * (idf / idf.mean())[:, None])


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
