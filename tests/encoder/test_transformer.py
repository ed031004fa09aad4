import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbook.encoder.transformer import (
    TransformerEncoder,
    attention,
    attention_mask,
    attention_weights,
    split_heads,
    token_positions,
)


def tiny(causal=False, **options):
    torch.manual_seed(0)
    return TransformerEncoder(50, 16, 2, 4, max_length=20, causal=causal, **options).eval()


def test_positions_do_not_count_padding():
    mask = torch.tensor([[1, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 0]])
    assert token_positions(mask).tolist() == [[0, 1, 2, 2], [0, 0, 0, 1], [0, 0, 0, 0]]


def test_a_start_from_words_keeps_their_angles_or_the_directions_in_which_they_reach_furthest():
    words = torch.randn(50, 16, generator=torch.Generator().manual_seed(1))
    taken = tiny().start_from_words(words, deviation=0.1).embeddings.word.weight.detach()
    assert torch.allclose(taken, words * (0.1 / words.std()))
    turned = torch.linalg.qr(torch.randn(24, 24, generator=torch.Generator().manual_seed(2))).Q
    flat = torch.cat([words, torch.zeros(50, 8)], dim=1) @ turned  # 16 dimensions that matter, of 24
    kept = tiny().start_from_words(flat, deviation=0.1).embeddings.word.weight.detach()
    assert float(kept.std()) == pytest.approx(0.1, rel=1e-4)
    products = kept @ kept.T
    expected = words @ words.T
    assert torch.allclose(products / products.norm(), expected / expected.norm(), atol=1e-5)
    for other in (words[:49], words[:, :15], words[0]):
        with pytest.raises(ValueError, match="same tokenizer"):
            tiny().start_from_words(other)


def test_attention_by_hand():
    query = key = torch.tensor([[0.0, 0.0], [4.0, 0.0]])
    value = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    # Row 0 has equal scores. Row 1 has scores 0 and 16 / sqrt(2).
    second = torch.tensor([0.0, 16 / 2**0.5]).softmax(0)
    assert torch.allclose(attention_weights(query, key), torch.stack([torch.tensor([0.5, 0.5]), second]))
    assert torch.allclose(attention(query, key, value), torch.stack([torch.tensor([0.5, 0.5]), second]))


def test_attention_equals_the_fused_kernel():
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 4, 7, 5, dtype=torch.float64)
    allowed = attention_mask(torch.tensor([[1] * 7, [1, 1, 0, 0, 0, 0, 0]]), causal=True)
    fused = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
    torch.testing.assert_close(attention(query, key, value, allowed), fused, rtol=0, atol=1e-12)


def test_attention_mask_by_hand():
    mask = torch.tensor([[1, 1, 0]])
    assert attention_mask(mask)[0, 0, :2].int().tolist() == [[1, 1, 0], [1, 1, 0]]
    assert attention_mask(mask, causal=True)[0, 0, :2].int().tolist() == [[1, 0, 0], [1, 1, 0]]
    assert attention_mask(mask).any(dim=-1).all()


@given(
    st.lists(st.lists(st.integers(0, 49), min_size=1, max_size=9), min_size=1, max_size=4),
    st.sampled_from(["left", "right"]),
    st.booleans(),
    st.integers(0, 3),
)
@settings(deadline=None, max_examples=40)
def test_padding_and_batch_mates_change_nothing(texts, side, causal, extra):
    encoder = tiny(causal)
    T = max(map(len, texts)) + extra
    ids, mask = torch.zeros(len(texts), T, dtype=torch.long), torch.zeros(len(texts), T, dtype=torch.long)
    for row, text in enumerate(texts):
        place = slice(0, len(text)) if side == "right" else slice(T - len(text), T)
        ids[row, place], mask[row, place] = torch.tensor(text), 1
    with torch.no_grad():
        together = encoder(ids, mask)
        for row, text in enumerate(texts):
            alone = encoder(torch.tensor([text]), torch.ones(1, len(text), dtype=torch.long))[0]
            torch.testing.assert_close(together[row][mask[row].bool()], alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("mask", [[[0, 0, 0]], [[0, 0, 1]], [[1, 0, 0]], [[0, 0, 0], [1, 1, 1]]])
def test_rows_without_tokens_stay_finite_gradients_included(causal, mask):
    encoder = tiny(causal)
    mask = torch.tensor(mask)
    hidden = encoder(torch.zeros_like(mask), mask)
    hidden.sum().backward()
    assert hidden.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in encoder.parameters())


def test_a_causal_encoder_does_not_see_the_future_and_another_does():
    ids, mask = torch.tensor([[5, 6, 7, 8]]), torch.ones(1, 4, dtype=torch.long)
    changed = ids.clone()
    changed[0, -1] = 9
    for causal in (True, False):
        encoder = tiny(causal)
        with torch.no_grad():
            before, after = encoder(ids, mask)[0, :-1], encoder(changed, mask)[0, :-1]
        assert bool((before == after).all()) is causal


def test_without_positions_the_order_of_words_is_invisible():
    encoder = tiny()
    mask = torch.ones(1, 3, dtype=torch.long)
    dog, man = torch.tensor([[7, 8, 9]]), torch.tensor([[9, 8, 7]])  # dog bites man, man bites dog
    with torch.no_grad():
        assert not torch.allclose(encoder(dog, mask).mean(1), encoder(man, mask).mean(1), atol=1e-5)
        encoder.embeddings.position.weight.zero_()
        torch.testing.assert_close(encoder(dog, mask).mean(1), encoder(man, mask).mean(1), rtol=0, atol=1e-6)


def test_attention_maps_are_those_of_the_forward_pass():
    encoder = tiny()
    ids, mask = torch.randint(0, 50, (2, 6)), torch.tensor([[1] * 6, [1, 1, 1, 0, 0, 0]])
    maps = encoder.attention_maps(ids, mask)
    assert len(maps) == 2
    assert maps[0].shape == (2, 4, 6, 6)
    torch.testing.assert_close(maps[1].sum(-1), torch.ones(2, 4, 6))
    assert (maps[0][1, :, :3, 3:] == 0).all()
    block = encoder.blocks[0]
    hidden = encoder.embeddings(ids, mask)
    value = split_heads(block.attention.value(hidden), 4)
    by_hand = block.attention.output((maps[0] @ value).transpose(1, 2).flatten(2))
    torch.testing.assert_close(by_hand, block.attention(hidden, attention_mask(mask)), rtol=0, atol=1e-6)


def test_dropout_works_in_training_only():
    encoder = tiny(dropout=0.5)
    ids = torch.ones(1, 4, dtype=torch.long)
    assert torch.equal(encoder(ids, ids), encoder(ids, ids))
    encoder.train()
    assert not torch.equal(encoder(ids, ids), encoder(ids, ids))


def test_errors_say_what_to_do():
    with pytest.raises(ValueError, match="num_heads must divide"):
        TransformerEncoder(10, 16, 1, 3)
    encoder = tiny()
    with pytest.raises(ValueError, match=r"\(1, 3\) and \(1, 4\)"):
        encoder(torch.ones(1, 3, dtype=torch.long), torch.ones(1, 4, dtype=torch.long))
    with pytest.raises(ValueError, match="max_length = 20"):
        encoder(torch.ones(1, 21, dtype=torch.long), torch.ones(1, 21, dtype=torch.long))


def test_heads_are_slices_of_each_token():
    x = torch.arange(2 * 3 * 4).view(2, 3, 4)
    heads = split_heads(x, 2)
    assert heads.shape == (2, 2, 3, 2)
    assert torch.equal(heads[1, 0], x[1, :, :2])
    assert torch.equal(heads[0, 1], x[0, :, 2:])
