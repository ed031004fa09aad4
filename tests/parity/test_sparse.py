"""Our SPLADE is sentence-transformers', from the pooling to the folder; our index is scipy's product."""

import numpy as np
import pytest
import torch

from workbook.encoder import TransformerEncoder, train_tokenizer
from workbook.index.inverted import InvertedIndex, SparseVectors
from workbook.sparse import SpladeEncoder, flops, splade_loss, splade_pool

pytestmark = pytest.mark.parity

TEXTS = ["sort a list of numbers", "Open a SOCKET", "the mean of an array", "", "café naïve", "word " * 60]
TOKENIZER = train_tokenizer(TEXTS * 3, vocab_size=150)


def logits(B, T, V, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = 4 * torch.randn(B, T, V, generator=generator, dtype=torch.float64)
    return x.requires_grad_(), (torch.arange(T) < torch.randint(1, T + 1, (B, 1), generator=generator)).long()


@pytest.mark.parametrize("shape", [(1, 1, 5), (3, 7, 11), (4, 1, 2), (2, 30, 300)])
@pytest.mark.parametrize("training", [True, False])
def test_pooling(shape, training):
    from sentence_transformers.sparse_encoder.modules import SpladePooling

    x, mask = logits(*shape)
    peer = SpladePooling().train(training)
    expected = peer({"token_embeddings": x.detach().clone(), "attention_mask": mask})["sentence_embedding"]
    assert torch.equal(splade_pool(x, mask), expected)


def test_pooling_gradients():
    from sentence_transformers.sparse_encoder.modules import SpladePooling

    x, mask = logits(3, 7, 11)
    weight = torch.randn(3, 11, dtype=torch.float64)
    ours = torch.autograd.grad((splade_pool(x, mask) * weight).sum(), x)[0]
    peer = SpladePooling().train()({"token_embeddings": x, "attention_mask": mask})["sentence_embedding"]
    assert torch.equal(ours, torch.autograd.grad((peer * weight).sum(), x)[0])


@pytest.mark.parametrize("shape", [(1, 1), (4, 9), (50, 3)])
def test_flops(shape):
    from sentence_transformers.sparse_encoder.losses import FlopsLoss

    weights = torch.rand(*shape, dtype=torch.float64, requires_grad=True)
    ours, theirs = flops(weights), FlopsLoss(None).compute_loss_from_embeddings(weights)
    assert torch.equal(ours, theirs)
    assert torch.equal(torch.autograd.grad(ours, weights)[0], torch.autograd.grad(theirs, weights)[0])


@pytest.mark.parametrize("M", [0, 1, 3])
def test_splade_loss(M):
    from sentence_transformers.sparse_encoder.losses import FlopsLoss, SparseMultipleNegativesRankingLoss

    query, positive, *negatives = (torch.rand(5, 9, dtype=torch.float64, requires_grad=True) for _ in range(2 + M))
    stacked = torch.stack(negatives, dim=1) if M else None
    ours = splade_loss(query, positive, stacked, query_weight=0.2, document_weight=0.0)
    columns = [query, positive, *negatives]
    ranking = SparseMultipleNegativesRankingLoss(None).compute_loss_from_embeddings(columns, None)
    price = FlopsLoss(None).compute_loss_from_embeddings
    theirs = ranking + 0.2 * price(query)
    assert torch.allclose(ours, theirs, rtol=0, atol=1e-12)
    for a, b in zip(torch.autograd.grad(ours, columns), torch.autograd.grad(theirs, columns), strict=True):
        assert torch.allclose(a, b, rtol=0, atol=1e-12)
    whole = splade_loss(query, positive, stacked, query_weight=0.2, document_weight=0.3)
    expected = ranking + 0.2 * price(query) + 0.3 * price(torch.cat(columns[1:]))  # as `SpladeLoss` adds them up
    assert torch.allclose(whole, expected, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_sentence_transformers_reads_the_folder_and_gives_the_same_vectors(tmp_path):
    from sentence_transformers import SparseEncoder

    torch.manual_seed(0)
    encoder = SpladeEncoder(
        TOKENIZER, TransformerEncoder(TOKENIZER.get_vocab_size(), 16, 2, 4, max_length=64), 24
    ).eval()
    for parameter in encoder.parameters():
        parameter.data.add_(0.2 * torch.randn_like(parameter))
    encoder.save(tmp_path / "model")
    peer = SparseEncoder(str(tmp_path / "model"), device="cpu", local_files_only=True)
    expected = peer.encode(TEXTS, convert_to_sparse_tensor=False).numpy()
    assert 0.05 < (expected > 0).mean() < 0.95
    np.testing.assert_allclose(encoder.encode(TEXTS).to_dense(), expected, rtol=0, atol=1e-5)

    taken_over = SpladeEncoder.from_bert(TOKENIZER, peer[0].model, max_length=24)
    np.testing.assert_allclose(taken_over.encode(TEXTS).to_dense(), expected, rtol=0, atol=1e-5)
    peer[0].model.cls.predictions.decoder.weight = torch.nn.Parameter(torch.zeros(TOKENIZER.get_vocab_size(), 16))
    with pytest.raises(ValueError, match="tied"):
        SpladeEncoder.from_bert(TOKENIZER, peer[0].model)


def test_a_masked_language_model_is_taken_over_with_its_settings_or_refused_by_name(tmp_path):
    from safetensors.torch import load_file, save_file
    from transformers import BertConfig, BertForMaskedLM

    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    sizes |= {"vocab_size": TOKENIZER.get_vocab_size(), "max_position_embeddings": 40}

    def masked(**settings):
        torch.manual_seed(0)
        return BertForMaskedLM(BertConfig(**sizes, **settings)).eval()

    for settings in ({"layer_norm_eps": 1e-2}, {"type_vocab_size": 1}, {"hidden_dropout_prob": 0.3}):
        model = masked(**settings)
        encoder = SpladeEncoder.from_bert(TOKENIZER, model, max_length=24)
        ids, mask = encoder.tokenize(TEXTS)
        with torch.no_grad():
            expected = splade_pool(model(input_ids=ids, attention_mask=mask).logits, mask)
            assert torch.allclose(encoder(ids, mask), expected, rtol=0, atol=2e-6)
        encoder.save(tmp_path / "model")
        loaded = SpladeEncoder.load(tmp_path / "model")
        assert (loaded.encode(TEXTS).to_dense() == encoder.encode(TEXTS).to_dense()).all()
    with pytest.raises(ValueError, match="hidden_act"):
        SpladeEncoder.from_bert(TOKENIZER, masked(hidden_act="relu"))
    file = tmp_path / "model" / "model.safetensors"
    for gone in ("cls.predictions.bias", "bert.encoder.layer.0.output.dense.weight"):
        encoder.save(tmp_path / "model")
        save_file({name: value for name, value in load_file(file).items() if name != gone}, file)
        with pytest.raises(ValueError, match=f"is damaged .missing or of another shape: {gone}"):
            SpladeEncoder.load(tmp_path / "model")


def test_the_index_is_scipys_transpose_and_its_search_scipys_product():
    import scipy.sparse

    passages = scipy.sparse.random_array((300, 70), density=0.1, rng=0, format="csr")
    queries = scipy.sparse.random_array((20, 70), density=0.2, rng=1, format="csr")
    ours = [SparseVectors(x.indptr, x.indices, x.data, 70) for x in (passages, queries)]
    index = InvertedIndex.from_vectors(ours[0], chunk_size=100)
    turned = passages.tocsc()
    np.testing.assert_array_equal(index.indptr, turned.indptr)
    np.testing.assert_array_equal(index.passages, turned.indices)
    np.testing.assert_array_equal(index.weights, turned.data)
    expected = (queries @ passages.T).toarray()
    scores, found = index.search(ours[1], k=10)
    np.testing.assert_array_equal(found, np.argsort(-expected, axis=1, kind="stable")[:, :10])
    np.testing.assert_allclose(scores, np.take_along_axis(expected, found, axis=1), rtol=1e-14)
