"""SPLADE: pooling by hand, what padding and company may not change, how prices act, that it comes back from disk."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbook.encoder import TransformerEncoder, train_tokenizer
from workbook.index.inverted import InvertedIndex, SparseVectors, sparse_search
from workbook.sparse import SpladeEncoder, fit_splade, flops, l1, splade_loss, splade_pool

COLOURS = ["red", "green", "blue", "black", "white", "brown", "pink", "gray"]
TOKENIZER = train_tokenizer([" ".join(COLOURS)] * 3, vocab_size=80)
V = TOKENIZER.get_vocab_size()
TEXTS = ["red", "green blue", "", "pink " * 30, "black white red"]


def untrained(seed=0, scale=10.0, **settings):
    torch.manual_seed(seed)
    encoder = SpladeEncoder(TOKENIZER, TransformerEncoder(V, 16, 1, 2, max_length=32), max_length=20, **settings)
    for parameter in encoder.parameters():  # far from zero, so that a difference shows
        if parameter.ndim > 1:
            parameter.data.mul_(scale)
    return encoder.eval()


def test_pooling_by_hand():
    logits = torch.tensor([[[1.0, -2.0, 0.0], [3.0, -1.0, -5.0], [9.0, 9.0, 9.0]]])
    pooled = splade_pool(logits, torch.tensor([[1, 1, 0]]))
    assert torch.allclose(pooled, torch.tensor([[math.log(4), 0.0, 0.0]]))
    assert torch.equal(splade_pool(logits, torch.zeros(1, 3)), torch.zeros(1, 3))


@settings(deadline=None)  # another process may take the processor
@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 6))
def test_the_maximum_may_come_first(seed, B, T):
    logits = 5 * torch.randn(B, T, 7, generator=torch.Generator().manual_seed(seed))
    mask = torch.arange(T) < torch.arange(B)[:, None] + 1
    written_out = (logits * mask[:, :, None]).relu().log1p().max(dim=1).values
    assert torch.equal(splade_pool(logits, mask), written_out)


def test_tokens_that_are_skipped_say_nothing():
    encoder = untrained()
    input_ids, mask = encoder.tokenize(TEXTS)
    hidden = encoder.backbone(input_ids, mask)
    behind = mask * (mask.cumsum(dim=1) > 2)
    assert torch.allclose(encoder(input_ids, mask, skip=2), splade_pool(encoder.logits(hidden), behind), atol=1e-5)
    assert not torch.allclose(encoder(input_ids, mask, skip=2), encoder(input_ids, mask), atol=1e-2)


def test_flops_and_l1_by_hand():
    weights = torch.tensor([[1.0, 0.0], [3.0, 2.0]])
    assert flops(weights) == 2.0**2 + 1.0**2
    assert l1(weights) == (1 + 5) / 2


def test_flops_presses_on_common_words_and_l1_on_all():
    weights = torch.tensor([[1.0, 1.0], [1.0, 0.0]], requires_grad=True)
    common, rare = torch.autograd.grad(flops(weights), weights)[0][0]
    assert common == 2 * rare
    common, rare = torch.autograd.grad(l1(weights), weights)[0][0]
    assert common == rare


def test_the_encoder_is_the_pooling_of_its_logits():
    encoder = untrained()
    input_ids, mask = encoder.tokenize(TEXTS)
    expected = splade_pool(encoder.logits(encoder.backbone(input_ids, mask)), mask)
    found = encoder(input_ids, mask)
    assert found.shape == (5, V)
    assert (found > 0).any()
    assert (found == 0).any()
    assert torch.allclose(found, expected, rtol=0, atol=1e-6)
    ours, theirs = (torch.autograd.grad(x.sum(), encoder.head.bias, retain_graph=True)[0] for x in (found, expected))
    assert torch.allclose(ours, theirs, atol=1e-6)
    assert torch.equal(encoder(input_ids[:1], torch.zeros(1, input_ids.shape[1])), torch.zeros(1, V))


@pytest.mark.parametrize("side", ["right", "left"])
def test_company_and_padding_change_nothing(side):
    encoder = untrained(padding_side=side)
    together = encoder.encode(TEXTS, batch_size=3)
    assert len(together) == 5
    alone = SparseVectors.concatenate([encoder.encode([text]) for text in TEXTS], V)
    np.testing.assert_allclose(together.to_dense(), alone.to_dense(), atol=1e-5)
    with torch.no_grad():
        dense = encoder(*encoder.tokenize(TEXTS))
    np.testing.assert_allclose(together.to_dense(), dense.numpy(), atol=1e-5)


def test_top_k_keeps_the_heaviest_words():
    encoder = untrained()
    whole, few = encoder.encode(TEXTS).to_dense(), encoder.encode(TEXTS, top_k=3).to_dense()
    assert ((few > 0).sum(axis=1) == 3).all()
    for row in range(5):
        assert set(few[row].nonzero()[0]) == set(np.argsort(-whole[row])[:3])
    words = encoder.words(encoder.encode(TEXTS, top_k=3), row=1)
    assert list(words.values()) == sorted(words.values(), reverse=True)
    assert [TOKENIZER.token_to_id(word) for word in words] == np.argsort(-whole[1])[:3].tolist()


def test_memory_is_bounded_by_the_batch(monkeypatch):
    import workbook.sparse

    monkeypatch.setattr(workbook.sparse, "TEXTS_AT_A_TIME", 7)
    encoder, seen = untrained(), []
    whole = encoder.encode(TEXTS * 4).to_dense()
    forward = encoder.forward
    monkeypatch.setattr(encoder, "forward", lambda ids, *rest: seen.append(len(ids)) or forward(ids, *rest))
    np.testing.assert_allclose(encoder.encode(TEXTS * 4, batch_size=3).to_dense(), whole, atol=1e-5)
    assert max(seen) == 3
    assert sum(seen) == 20
    assert len(encoder.encode([])) == 0


def test_the_logits_of_a_batch_are_not_kept_for_the_backward_pass():
    """Only what (B, V) and one text need; a (B, T, V) tensor would be the largest by far."""
    encoder, kept = untrained(), []
    input_ids, mask = encoder.tokenize(["red green blue black white brown"] * 6)

    def pack(tensor):
        kept.append(tensor.shape)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        encoder(input_ids, mask)
    words = encoder.backbone.embeddings.word.weight.T.shape  # (D, V), kept once
    assert max(shape.numel() for shape in kept if shape[-1:] == (V,) and shape != words) == 6 * V


def test_sparse_search_is_the_dense_product():
    encoder = untrained(query_prompt="red ", document_prompt="blue ")
    corpus = {f"p{i}": text for i, text in enumerate([*TEXTS, "brown gray", "gray"])}
    run = sparse_search(encoder, corpus, {"q": "green", "empty": ""}, k=4)
    documents = encoder.encode([f"blue {text}" for text in corpus.values()]).to_dense()
    scores = encoder.encode(["red green"]).to_dense()[0] @ documents.T
    assert list(run["q"]) == [f"p{i}" for i in np.argsort(-scores, kind="stable")[:4]]
    assert list(run["q"].values()) == pytest.approx(sorted(scores, reverse=True)[:4], rel=1e-5)


def test_sparse_search_takes_the_index_of_the_corpus_if_it_is_there():
    encoder = untrained()
    corpus, queries = {f"p{i}": text for i, text in enumerate(TEXTS)}, {"q": "green"}
    index = InvertedIndex.from_vectors(encoder.encode_document(TEXTS))
    assert sparse_search(encoder, corpus, queries, index=index) == sparse_search(encoder, corpus, queries)
    assert index.nbytes == 8 * (V + 1) + 8 * len(index.passages)
    with pytest.raises(ValueError, match="an index of 4 passages, got 5"):
        sparse_search(encoder, dict(list(corpus.items())[1:]), queries, index=index)


def test_a_start_from_words_is_a_keyword_search():
    """Words at right angles: each token speaks for itself alone; near words are spoken for too."""
    words = torch.zeros(V, V)
    words.fill_diagonal_(1.0)
    red, pink = (TOKENIZER.token_to_id(word) for word in ("red", "pink"))
    words[pink, red] = 1.0  # between the two
    torch.manual_seed(0)
    encoder = SpladeEncoder(TOKENIZER, TransformerEncoder(V, V, 0, 2, max_length=32), max_length=20)
    encoder.backbone.embeddings.position.weight.data.zero_()
    encoder.backbone.embeddings.segment.weight.data.zero_()
    spoken = [encoder.start_from_words(words, bias=-0.2).words(encoder.encode([text])) for text in ("green", "red")]
    assert set(spoken[0]) == {"green", "[CLS]", "[SEP]"}
    assert set(spoken[1]) == {"red", "pink", "[CLS]", "[SEP]"}
    assert len(encoder.start_from_words(words, bias=-99.0).encode(["green"]).ids) == 0
    with pytest.raises(ValueError, match="same tokenizer"):
        encoder.start_from_words(words[1:])


def test_splade_loss_by_hand():
    query, positive = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[2.0, 0.0], [0.0, 2.0]])
    ranking = math.log(1 + math.exp(-2))
    loss = splade_loss(query, positive, query_weight=0.1, document_weight=0.01)
    assert loss.item() == pytest.approx(ranking + 0.1 * (2 * 0.25) + 0.01 * (2 * 1.0))
    assert splade_loss(query, positive, None, 0.1, 0.0, l1).item() == pytest.approx(ranking + 0.1)
    with_negatives = splade_loss(query, positive, positive[:, None, :], 0, 0)
    assert with_negatives.item() == pytest.approx(ranking + math.log(2))


PAIRS = [(c, f"{c} {d}") for c in COLOURS for d in COLOURS if c != d]


@pytest.mark.slow
def test_training_finds_and_prices_make_sparse():
    corpus = {str(i): passage for i, (_, passage) in enumerate(PAIRS)}
    queries = {query: query for query, _ in PAIRS}

    def train(weight):
        encoder = untrained(scale=3.0)
        fit_splade(encoder, PAIRS, weight, weight, steps=120, batch_size=16, lr=3e-3)
        run = sparse_search(encoder, corpus, queries, k=7)
        hits = np.mean([corpus[p].split()[0] == query for query, found in run.items() for p in found])
        return hits, np.diff(encoder.encode(list(corpus.values())).indptr).mean()

    (free, many), (priced, few) = train(0.0), train(0.05)
    assert free > 0.9
    assert priced > 0.9
    assert few < many / 2


def test_the_price_rises_with_the_square_of_the_step(monkeypatch):
    import workbook.sparse

    prices = []

    def loss(query, positive, negatives, query_weight, document_weight, regularizer):
        prices.append((query_weight, document_weight))
        return query.sum() + positive.sum()

    monkeypatch.setattr(workbook.sparse, "splade_loss", loss)
    fit_splade(untrained(), PAIRS, 1.0, 2.0, rising=0.5, steps=8, batch_size=2)
    expected = [0, 1 / 16, 4 / 16, 9 / 16, 1, 1, 1, 1]
    assert [a for a, _ in prices] == pytest.approx(expected)
    assert [b for _, b in prices] == pytest.approx([2 * x for x in expected])


def test_a_run_that_is_resumed_goes_on_with_its_price(tmp_path):
    def weights(**options):
        encoder = untrained()
        fit_splade(encoder, PAIRS, 0.1, 0.1, rising=1.0, steps=6, batch_size=4, seed=1, **options)
        return torch.cat([p.detach().flatten() for p in encoder.parameters()])

    whole = weights()
    weights(checkpoint=tmp_path, on_step=lambda record: record["step"] == 3)
    assert torch.equal(whole, weights(checkpoint=tmp_path))
    with pytest.raises(ValueError, match="another configuration"):
        fit_splade(untrained(), PAIRS, 0.2, 0.1, rising=1.0, steps=6, batch_size=4, seed=1, checkpoint=tmp_path)


def test_saved_and_loaded(tmp_path):
    encoder = untrained(query_prompt="red ")
    encoder.head.bias.data.normal_()
    encoder.save(tmp_path / "model")
    again = SpladeEncoder.load(tmp_path / "model")
    assert not again.training
    assert (again.query_prompt, again.max_length) == ("red ", 20)
    np.testing.assert_array_equal(again.encode(TEXTS).to_dense(), encoder.encode(TEXTS).to_dense())
    with pytest.raises(FileNotFoundError, match="holds no"):
        SpladeEncoder.load(tmp_path)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: splade_pool(torch.ones(2, 3), torch.ones(2, 3)), ValueError, r"logits must be \(B, T, V\)"),
        (lambda: splade_pool(torch.ones(2, 3, 4), torch.ones(2, 4)), ValueError, r"mask \(B, T\), got"),
        (lambda: splade_loss(torch.ones(2, 3), torch.ones(3, 3)), ValueError, r"expected two tensors \(B, V\)"),
        (lambda: untrained().encode("red"), TypeError, "expected a list of strings"),
        (lambda: untrained().encode(["red"], batch_size=0), ValueError, "must be at least 1, got 0"),
        (lambda: untrained().encode(["red"], top_k=0), ValueError, "top_k must be at least 1, got 0"),
        (lambda: fit_splade(untrained(), PAIRS, -1.0), ValueError, "must not be negative"),
        (lambda: fit_splade(untrained(), PAIRS, rising=2), ValueError, r"rising lies in \[0, 1\]"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
