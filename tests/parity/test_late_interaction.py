"""MaxSim, its loss and the ColBERT encoder are sentence-transformers' and pylate's."""

import pytest
import torch

from workbook.encoder import TransformerEncoder, train_tokenizer
from workbook.late_interaction import colbert_loss, maxsim, maxsim_padded, pool_tokens
from workbook.late_interaction.colbert import ColbertEncoder
from workbook.similarity import normalize

pytestmark = pytest.mark.parity
SHAPES = [[3], [1, 1, 1], [5, 1, 9, 2], [40, 1, 1, 1, 80], [6, 6, 6]]


def ragged(seed, lengths, Q=3, S=5, D=16, dtype=torch.float64, grid=True):
    """Vectors of sixteenths: every product and sum is exact, so the order of summation cannot show."""
    generator = torch.Generator().manual_seed(seed)

    def make(*shape):
        if grid:
            return torch.randint(-16, 17, shape, generator=generator).to(dtype) / 16
        return torch.randn(*shape, generator=generator, dtype=dtype)

    return make(Q, S, D), make(sum(lengths), D), torch.tensor(lengths)


def padded(passages, lengths):
    full = torch.nn.utils.rnn.pad_sequence(list(passages.split(lengths.tolist())), batch_first=True)
    return full, torch.arange(full.shape[1]) < lengths[:, None]


@pytest.mark.parametrize("lengths", [*SHAPES, [4, 0, 2]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("masked", [False, True])
def test_ragged_maxsim_is_sentence_transformers(lengths, dtype, masked):
    from sentence_transformers.util import maxsim as theirs

    query, passages, lengths = ragged(len(lengths), lengths, dtype=dtype)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 1, 0, 1, 0]]) if masked else None
    expected = theirs(query, list(passages.split(lengths.tolist())), a_mask=mask)
    assert torch.equal(maxsim(query, passages, lengths, mask, chunk_size=7).float(), expected)
    full, is_token = padded(passages, lengths)
    assert torch.equal(maxsim_padded(query, full, is_token, mask).float(), expected)


@pytest.mark.parametrize("lengths", SHAPES)
def test_on_any_numbers_float64_differs_in_the_last_place_only(lengths):
    from pylate.scores import colbert_scores

    query, passages, lengths = ragged(0, lengths, grid=False)
    each = [colbert_scores(query, p[None]) for p in passages.split(lengths.tolist())]  # no padding, float64
    assert torch.allclose(maxsim(query, passages, lengths), torch.cat(each, dim=1), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("seed", range(3))
def test_padded_maxsim_is_pylates_to_the_bit(seed):
    from pylate.scores import colbert_scores

    query, passages, _ = ragged(seed, [6, 6, 6], grid=False)
    passages = passages.view(3, 6, -1)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 1, 0, 1, 0]])
    assert torch.equal(maxsim_padded(query, passages), colbert_scores(query, passages))
    theirs = colbert_scores(query, passages, queries_mask=mask)
    assert torch.equal(maxsim_padded(query, passages, query_mask=mask), theirs)


def test_with_a_passage_mask_pylate_lets_padding_win_and_we_do_not():
    from pylate.scores import colbert_scores
    from sentence_transformers.util import maxsim as theirs

    query, passages, is_token = torch.ones(1, 1, 2), -torch.ones(1, 2, 2), torch.tensor([[1, 0]])
    assert colbert_scores(query, passages, documents_mask=is_token).item() == 0.0
    assert maxsim_padded(query, passages, is_token).item() == theirs(query, passages, b_mask=is_token).item() == -2.0


def test_colbert_ai_agrees_in_its_padded_form():
    """Its packed form on a processor, `segmented_maxsim.cpp`, is compiled at first use, and so not run here.

    It starts from `torch::zeros({ndocs, nquery_vectors})` and takes the maximum with every similarity: where all
    of them are negative it answers 0, a ReLU that no docstring tells. The padded form starts at -9999.
    """
    from colbert.infra.config.config import ColBERTConfig
    from colbert.modeling.colbert import colbert_score_reduce

    query, passages, lengths = ragged(5, [4, 9, 1], Q=1)
    full, is_token = padded(passages - 2, lengths)  # many similarities are negative
    similarity = full @ query[0].T  # (N, T, S)
    expected = colbert_score_reduce(similarity, is_token, ColBERTConfig())
    ours = maxsim(query[0], passages - 2, lengths)
    assert torch.equal(ours, expected)
    hidden_relu = torch.stack(
        [(p @ query[0].T).amax(dim=0).clamp(min=0).sum() for p in (passages - 2).split([4, 9, 1])]
    )
    assert (hidden_relu > ours).any()


def test_gradients_are_sentence_transformers():
    from sentence_transformers.util import maxsim as theirs

    query, passages, lengths = ragged(1, [5, 1, 9, 2], grid=False)
    inputs = [query.requires_grad_(), passages.requires_grad_()]
    weight = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    expected = torch.autograd.grad((theirs(query, list(passages.split([5, 1, 9, 2]))) * weight).sum(), inputs)
    full, is_token = padded(passages, lengths)
    for scores in (maxsim(query, passages, lengths), maxsim_padded(query, full, is_token)):
        for a, b in zip(torch.autograd.grad((scores * weight).sum(), inputs), expected, strict=True):
            assert torch.allclose(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("M", [0, 2])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_the_loss_is_sentence_transformers_gradients_too(M, temperature):
    from sentence_transformers.multi_vector_encoder.losses import MultiVectorMultipleNegativesRankingLoss

    B, T = 4, 6
    query, passages, _ = ragged(M, [T] * B * (1 + M), Q=B, grid=False, dtype=torch.float32)
    columns = [query, *passages.view(1 + M, B, T, -1)]
    for column in columns:
        column.requires_grad_()
    masks = [torch.ones(B, 5), *(torch.arange(T) < torch.tensor([[6], [2], [1], [4]]) for _ in columns[1:])]

    class Given(torch.nn.Module):  # a model whose output is its input
        def forward(self, features, task=None):
            return features

    features = [
        {"token_embeddings": x, "attention_mask": mask, "task": "query" if i == 0 else "document"}
        for i, (x, mask) in enumerate(zip(columns, masks, strict=True))
    ]
    expected = MultiVectorMultipleNegativesRankingLoss(Given(), scale=1 / temperature)(features)
    loss = colbert_loss(query, torch.cat(columns[1:]), torch.cat(masks[1:]), temperature)
    assert torch.allclose(loss, expected, rtol=1e-6, atol=0)
    ours, theirs = torch.autograd.grad(loss, columns), torch.autograd.grad(expected, columns)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)


TEXTS = ["the cat, sat on the mat.", "diabetic patients need insulin", "a dog: runs (fast)", "", "what is diabetes?"]


@pytest.mark.parametrize("query_expansion", [True, False])
@pytest.mark.parametrize("prefixes", [("[Q]", "[D]"), ("", ""), ("[Q]", ""), ("[unused0]", "[unused0]")])
def test_a_saved_encoder_is_sentence_transformers_multi_vector_encoder(tmp_path, query_expansion, prefixes):
    import transformers
    from sentence_transformers import MultiVectorEncoder

    transformers.logging.set_verbosity_error()
    tokenizer = train_tokenizer(TEXTS * 3, 200)
    torch.manual_seed(0)
    backbone = TransformerEncoder(tokenizer.get_vocab_size(), 32, 2, 2, max_length=64)
    sides = dict(zip(("query_prefix", "document_prefix"), prefixes, strict=True))
    lengths = {"query_length": 12, "document_length": 20}
    ours = ColbertEncoder(tokenizer, backbone, 16, **lengths, query_expansion=query_expansion, **sides).eval()
    with torch.no_grad():
        ours.projection.weight.mul_(10)
        backbone.embeddings.word.weight.mul_(20)  # so that tokens differ
    texts = [*TEXTS, "the cat sat on the mat and the dog runs fast " * 4]
    ours.save(tmp_path / "saved")
    peer = MultiVectorEncoder(str(tmp_path / "saved"), device="cpu", local_files_only=True)
    queries, (flat, lengths) = ours.encode_query(texts), ours.encode_document(texts)
    for a, b in zip(queries, peer.encode_query(texts), strict=True):
        assert not query_expansion or len(b) == 12
        assert torch.allclose(a[: len(b)], b, rtol=0, atol=2e-6)
        assert not a[len(b) :].any()
    for a, b in zip(flat.split(lengths.tolist()), peer.encode_document(texts), strict=True):
        assert a.shape == b.shape
        assert torch.allclose(a, b, rtol=0, atol=2e-6)


# --- the residual codec and PLAID ---------------------------------------------------------------


def peer_codec(ours):
    from colbert.indexing.codecs.residual import ResidualCodec
    from colbert.infra.config import ColBERTConfig

    D = ours.centroids.shape[1]
    return ResidualCodec(
        ColBERTConfig(dim=D, nbits=ours.nbits, gpus=0),
        ours.centroids,
        avg_residual=torch.tensor(0.0),
        bucket_cutoffs=ours.bucket_cutoffs,
        bucket_weights=ours.bucket_weights,
    )


def tokens(seed, L, D=64):
    return torch.nn.functional.normalize(torch.randn(L, D, generator=torch.Generator().manual_seed(seed)), dim=1)


@pytest.mark.parametrize("nbits", [1, 2, 4, 8])
def test_the_codec_is_colberts_byte_for_byte(nbits):
    from workbook.late_interaction.residual_codec import ResidualCodec

    x = tokens(nbits, 500)
    ours = ResidualCodec.train(x, num_centroids=16, nbits=nbits)
    theirs = peer_codec(ours)
    on_the_edge = ours.centroids[:1] + ours.bucket_cutoffs[0]  # a residual that equals a cut-off, or nearly
    x = torch.cat([x, ours.centroids, on_the_edge, torch.zeros(1, 64), x * 3])
    codes, residuals = ours.compress(x)
    expected = theirs.compress(x)
    assert torch.equal(codes.long(), expected.codes.long())
    assert torch.equal(residuals, expected.residuals)
    assert torch.allclose(ours.decompress(codes, residuals), theirs.decompress(expected), rtol=0, atol=1e-7)


@pytest.mark.parametrize("nbits", [1, 2, 4])
def test_buckets_are_cut_as_colberts_indexer_cuts_them(nbits):
    """Given the same centroids and held-out vectors."""
    from types import SimpleNamespace

    from colbert.indexing.collection_indexer import CollectionIndexer
    from colbert.infra.config import ColBERTConfig

    from workbook.late_interaction.residual_codec import ResidualCodec

    x = tokens(0, 400)
    ours = ResidualCodec.train(x, num_centroids=16, nbits=nbits, seed=5)
    held_out = x[torch.randperm(400, generator=torch.Generator().manual_seed(5))[:20]]
    config = ColBERTConfig(dim=64, nbits=nbits, gpus=0)
    indexer = SimpleNamespace(config=config, use_gpu=False, verbose=0)
    cutoffs, weights, _ = CollectionIndexer._compute_avg_residual(indexer, ours.centroids, held_out)
    assert torch.allclose(ours.bucket_cutoffs, cutoffs, rtol=0, atol=1e-7)
    assert torch.allclose(ours.bucket_weights, weights, rtol=0, atol=1e-7)


def test_candidates_and_scores_by_centroids_are_colberts():
    """Its own stages, but for the C++ in which they run on a processor: `filter_pids.cpp` is compiled at first use."""
    from colbert.infra.config import ColBERTConfig
    from colbert.modeling.colbert import colbert_score_reduce
    from colbert.search.candidate_generation import CandidateGeneration

    from workbook.late_interaction.plaid import PlaidIndex
    from workbook.late_interaction.residual_codec import ResidualCodec

    lengths = torch.randint(1, 30, (80,), generator=torch.Generator().manual_seed(0))
    passages = tokens(0, int(lengths.sum()))
    index = PlaidIndex(ResidualCodec.train(passages, num_centroids=32))
    index.add(passages, lengths)
    index.build()
    query = tokens(1, 6)
    centroid_scores = query @ index.codec.centroids.T  # (S, C)

    peer = CandidateGeneration(use_gpu=False)
    peer.codec = index.codec
    lists = index.inverted.split(index.list_lengths.tolist())
    peer.ivf = type("Lists", (), {"lookup": lambda self, cells: (torch.cat([lists[c] for c in cells]), None)})()
    for nprobe in (1, 2, 5):
        pids, scores = peer.generate_candidate_pids(query, nprobe)
        assert torch.allclose(scores.T, centroid_scores, rtol=0, atol=1e-6)
        candidates = index.candidates(centroid_scores, nprobe)
        assert torch.equal(candidates, pids.unique().long())
        codes = [index.codes.split(lengths.tolist())[n].long() for n in candidates.tolist()]
        full = torch.nn.utils.rnn.pad_sequence([centroid_scores.T[c] for c in codes], batch_first=True)  # (n, T, S)
        is_token = torch.arange(full.shape[1]) < lengths[candidates][:, None]
        expected = colbert_score_reduce(full, is_token, ColBERTConfig())
        assert torch.allclose(index.by_centroids(centroid_scores, candidates), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("factor", [1, 2, 3, 5])
@pytest.mark.parametrize("protected", [0, 1, 3])
def test_pooled_tokens_are_pylates(factor, protected):
    from pylate.models import ColBERT

    generator = torch.Generator().manual_seed(factor)
    lengths = torch.tensor([30, 4, 11, 57])
    passages = normalize(torch.randn(int(lengths.sum()), 16, generator=generator, dtype=torch.float64))
    passages[3:9] = normalize(passages[3:9] + 3 * passages[2])  # tokens that say nearly the same
    theirs = ColBERT.pool_embeddings_hierarchical(None, list(passages.split(lengths.tolist())), factor, protected)
    ours, kept = pool_tokens(passages, lengths, factor, protected)
    assert kept.tolist() == [len(each) for each in theirs]
    torch.testing.assert_close(ours, torch.cat(theirs), rtol=0, atol=1e-12)
