"""Our losses are sentence-transformers' losses, gradients too, in float64."""

import contextlib
import functools

import pytest
import torch

from workbook.losses import (
    batch_hard_triplet_loss,
    contrastive_loss,
    cosent,
    cosine_similarity_loss,
    distill_kl,
    gist_loss,
    info_nce,
    lambda_loss,
    listwise_loss,
    margin_mse,
    matryoshka_loss,
    nt_xent,
    pairwise_loss,
    pointwise_loss,
    triplet_loss,
)

pytestmark = pytest.mark.parity
SETTINGS = [
    (("query_to_doc",), "joint"),
    (("query_to_doc", "doc_to_query"), "joint"),
    (("query_to_doc", "doc_to_query"), "per_direction"),
    (("query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc"), "joint"),
]


def embeddings(B, M, D=12):
    generator = torch.Generator().manual_seed(B * 100 + M)
    make = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()  # noqa: E731
    return make(B, D), make(B, D), make(B, M, D) if M else None


def columns_of(query, positive, negatives=None):
    """As sentence-transformers takes them: one (B, D) for each column."""
    return [query, positive, *(negatives.unbind(dim=1) if negatives is not None else [])]


def assert_equal(loss, expected, inputs, atol=1e-12):
    """The values, and the gradients with respect to all inputs."""
    assert torch.allclose(loss, expected, rtol=0, atol=atol)
    ours, theirs = (torch.autograd.grad(value, inputs) for value in (loss, expected))
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, rtol=0, atol=atol)
        assert b.abs().max() > 0


@pytest.mark.parametrize(("directions", "partition_mode"), SETTINGS)
@pytest.mark.parametrize("M", [0, 1, 3])
@pytest.mark.parametrize("B", [2, 9])
@pytest.mark.parametrize("temperature", [0.01, 0.05, 1.0])
def test_info_nce(directions, partition_mode, M, B, temperature):
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    inputs = [x for x in embeddings(B, M) if x is not None]
    loss = info_nce(*inputs, temperature=temperature, directions=directions, partition_mode=partition_mode)
    gradients = torch.autograd.grad(loss, inputs)

    peer = MultipleNegativesRankingLoss(
        None, scale=1 / temperature, directions=directions, partition_mode=partition_mode
    )
    columns = inputs[:2] + ([inputs[2][:, m] for m in range(M)] if M else [])
    expected = peer.compute_loss_from_embeddings(columns, None)
    expected_gradients = torch.autograd.grad(expected, inputs)
    assert torch.allclose(loss, expected, rtol=0, atol=1e-12)
    for ours, theirs in zip(gradients, expected_gradients, strict=True):
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-12 / temperature)


@pytest.mark.parametrize("margin", [0.1, 1.0, 5.0])
def test_triplet_loss(margin):
    from sentence_transformers.sentence_transformer.losses import TripletLoss

    query, positive, negatives = embeddings(7, 1)
    loss = triplet_loss(query, positive, negatives[:, 0], margin)
    expected = TripletLoss(None, triplet_margin=margin).compute_loss_from_embeddings(
        [query, positive, negatives[:, 0]], None
    )
    assert torch.allclose(loss, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("margin", [0.5, 5.0])
@pytest.mark.parametrize("classes", [2, 4, 8])  # of nine texts: the last leaves seven without a fellow
def test_batch_hard_triplet_loss(margin, classes):
    from sentence_transformers.sentence_transformer.losses import BatchHardTripletLoss

    x = torch.randn(9, 4, generator=torch.Generator().manual_seed(classes), dtype=torch.float64).requires_grad_()
    labels = torch.arange(9) * 7 % classes
    distance = lambda x: torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")  # noqa: E731
    # The peer's own distance subtracts large squares, and rounds 0 on the diagonal.
    peer = BatchHardTripletLoss(None, distance_metric=distance, margin=margin)
    assert_equal(batch_hard_triplet_loss(x, labels, margin), peer.compute_loss_from_embeddings([x], labels), [x])
    whole = BatchHardTripletLoss(None, margin=margin).compute_loss_from_embeddings([x], labels)
    assert torch.allclose(batch_hard_triplet_loss(x, labels, margin), whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("margin", [0.2, 0.5, 1.5])
@pytest.mark.parametrize("labels", [[1, 0, 0, 1, 0, 1, 1], [0.0, 0.25, 0.5, 0.75, 1.0, 0.1, 0.9]])
def test_contrastive_and_cosine_similarity(margin, labels):
    from sentence_transformers.sentence_transformer.losses import ContrastiveLoss, CosineSimilarityLoss

    a, b, _ = embeddings(7, 0)
    inputs, labels = [a, b], torch.tensor(labels)
    with pytest.warns(UserWarning, match="binary") if labels.is_floating_point() else contextlib.nullcontext():
        expected = ContrastiveLoss(None, margin=margin).compute_loss_from_embeddings(inputs, labels)
    assert_equal(contrastive_loss(a, b, labels, margin), expected, inputs, atol=1e-8)  # its labels are float32
    expected = CosineSimilarityLoss(None).compute_loss_from_embeddings(inputs, labels)
    assert_equal(cosine_similarity_loss(a, b, labels), expected, inputs)


def test_an_excluded_passage_is_the_peers_with_an_ever_lower_score():
    """The peer's own answer to -inf is NaN."""
    from sentence_transformers.sentence_transformer.losses import DistillKLDivLoss

    inputs = embeddings(5, 3)
    labels = torch.randn(5, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels[:, 2] = -1e6
    expected = DistillKLDivLoss(None).compute_loss_from_embeddings(columns_of(*inputs), labels)
    labels[:, 2] = float("-inf")
    assert_equal(distill_kl(*inputs, labels), expected, inputs)


def test_nt_xent_is_cross_entropy_over_the_other_views():
    a, b, _ = embeddings(5, 0)
    views = torch.nn.functional.normalize(torch.cat([a, b]))
    terms = []
    for i in range(10):
        others = [j for j in range(10) if j != i]
        logits = torch.stack([views[i] @ views[j] for j in others]) / 0.1
        terms.append(torch.nn.functional.cross_entropy(logits, torch.tensor(others.index((i + 5) % 10))))
    assert torch.allclose(nt_xent(a, b, 0.1), torch.stack(terms).mean(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("hardness_mode", ["in_batch_negatives", "hard_negatives", "all_negatives"])
@pytest.mark.parametrize(("directions", "partition_mode"), SETTINGS)
@pytest.mark.parametrize("M", [1, 3])
@pytest.mark.parametrize("B", [1, 6])
def test_hardness(hardness_mode, directions, partition_mode, M, B):
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    inputs = embeddings(B, M)
    settings = {"directions": directions, "partition_mode": partition_mode}
    settings |= {"hardness_mode": hardness_mode, "hardness_strength": 5.0}
    loss = info_nce(*inputs, temperature=0.1, **settings)
    peer = MultipleNegativesRankingLoss(None, scale=10.0, **settings)
    assert_equal(loss, peer.compute_loss_from_embeddings(columns_of(*inputs), None), inputs)


@pytest.mark.parametrize(("margin_strategy", "margin"), [("absolute", 0.0), ("absolute", 0.3), ("relative", 0.2)])
@pytest.mark.parametrize(("contrast_anchors", "contrast_positives"), [(True, True), (False, True), (False, False)])
@pytest.mark.parametrize("M", [0, 1, 3])
@pytest.mark.parametrize("related", [0.0, 0.5])
def test_gist(margin_strategy, margin, contrast_anchors, contrast_positives, M, related):
    """The peer's calculation on given embeddings, cut into mini-batches of 4 and whole; `related` texts make many false negatives."""
    from sentence_transformers.sentence_transformer.losses import CachedGISTEmbedLoss

    inputs = [x for x in embeddings(9, M) if x is not None]
    guide = [(x.detach() + related).flip(-1)[..., :7] for x in inputs]
    guide[1] = guide[1] + guide[0]  # the positive stands out, but not above everything
    options = {"margin_strategy": margin_strategy, "margin": margin}
    options |= {"contrast_anchors": contrast_anchors, "contrast_positives": contrast_positives}
    loss = gist_loss(*inputs[:2], *guide[:2], *(inputs[2:] + guide[2:]), temperature=0.1, **options)

    peer = CachedGISTEmbedLoss.__new__(
        CachedGISTEmbedLoss
    )  # its constructor wants two models; the calculation does not
    torch.nn.Module.__init__(peer)
    peer.temperature, peer.mini_batch_size, peer.show_progress_bar, peer.gather_across_devices = 0.1, 4, False, False
    peer.similarity_fct, peer.cross_entropy_loss = torch.nn.CosineSimilarity(dim=-1), torch.nn.CrossEntropyLoss()
    for name, value in options.items():
        setattr(peer, name, value)
    expected = peer.calculate_loss([[x] for x in columns_of(*inputs)], [[x] for x in columns_of(*guide)])
    assert_equal(loss, expected, inputs)
    if margin > 0:  # the bound has moved: it takes out more, but not everything
        options["margin"] = 0.0
        wider = gist_loss(*inputs[:2], *guide[:2], *(inputs[2:] + guide[2:]), temperature=0.1, **options)
        assert 0.1 < loss < wider - 0.05


def test_gist_in_one_piece_with_real_models():
    """GISTEmbedLoss itself, on two saved encoders."""
    import tempfile

    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.losses import GISTEmbedLoss

    from tests.train.test_fit import PAIRS, transformer

    with tempfile.TemporaryDirectory() as folder:
        models = []
        for seed in (0, 1):
            transformer(seed).save(f"{folder}/{seed}")
            models.append(SentenceTransformer(f"{folder}/{seed}", device="cpu", local_files_only=True).double())
    model, guide = models
    peer = GISTEmbedLoss(model, guide, temperature=0.05, margin=0.05)
    triples = [(*PAIRS[row], PAIRS[row + 1][1]) for row in range(6)]
    expected = peer([model.preprocess(list(column)) for column in zip(*triples, strict=True)], None)
    ours = []
    for each in models:
        q, p, n = (each(each.preprocess(list(column)))["sentence_embedding"] for column in zip(*triples, strict=True))
        ours.append((q, p, n[:, None]))
    (q, p, n), (guide_q, guide_p, guide_n) = ours
    loss = gist_loss(q, p, guide_q, guide_p, n, guide_n, temperature=0.05, margin=0.05)
    assert torch.allclose(loss, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("M", [1, 4])
@pytest.mark.parametrize("B", [1, 5])
def test_margin_mse(M, B):
    from sentence_transformers.sentence_transformer.losses import MarginMSELoss

    inputs = embeddings(B, M)
    labels = 10 * torch.randn(B, 1 + M, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = MarginMSELoss(None).compute_loss_from_embeddings(columns_of(*inputs), labels)
    assert_equal(margin_mse(*inputs, labels), expected, inputs)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("M", [1, 4])
@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_distill_kl(temperature, M, scale):
    from sentence_transformers.sentence_transformer.losses import DistillKLDivLoss

    inputs = embeddings(5, M)
    labels = scale * torch.randn(5, 1 + M, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = DistillKLDivLoss(None, temperature=temperature).compute_loss_from_embeddings(columns_of(*inputs), labels)
    assert_equal(distill_kl(*inputs, labels, temperature), expected, inputs, atol=1e-11)


class Embeddings(torch.nn.Module):
    """A "model" that gives back the embeddings it is handed, for the peers that insist on one."""

    def get_embedding_dimension(self):
        return 12

    def forward(self, features):
        return dict(features)


@pytest.mark.parametrize("weights", [None, [0.5, 2.0, 1.0]])
@pytest.mark.parametrize("M", [0, 2])
def test_matryoshka(weights, M):
    from sentence_transformers.sentence_transformer.losses import (
        MarginMSELoss,
        MatryoshkaLoss,
        MultipleNegativesRankingLoss,
    )

    inputs = [x for x in embeddings(6, M) if x is not None]
    labels = torch.randn(6, 1 + M, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    model, dims = Embeddings(), [12, 5, 2]
    jobs = [(info_nce, MultipleNegativesRankingLoss(model))]
    jobs += [(functools.partial(margin_mse, labels=labels), MarginMSELoss(model))] if M else []
    for loss, peer in jobs:
        features = [{"sentence_embedding": x} for x in columns_of(*inputs)]
        expected = MatryoshkaLoss(model, peer, dims, weights)(features, labels)
        assert_equal(matryoshka_loss(loss, dims, weights)(*inputs), expected, inputs, atol=1e-11)


@pytest.mark.parametrize("B", [1, 2, 20])
@pytest.mark.parametrize("grades", [2, 5, None])
@pytest.mark.parametrize("temperature", [0.01, 0.05, 1.0])
def test_cosent(B, grades, temperature):
    from sentence_transformers.sentence_transformer.losses import CoSENTLoss

    a, b, _ = embeddings(B, 0)
    generator = torch.Generator().manual_seed(B)
    labels = torch.randint(grades, (B,), generator=generator) if grades else torch.randn(B, generator=generator)
    loss = cosent(a, b, labels, temperature)
    expected = CoSENTLoss(None, scale=1 / temperature).compute_loss_from_embeddings([a, b], labels)
    assert torch.allclose(loss, expected, rtol=0, atol=1e-11)
    for ours, theirs in zip(torch.autograd.grad(loss, [a, b]), torch.autograd.grad(expected, [a, b]), strict=True):
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-10)


def reranker(logits):
    """A CrossEncoder that gives these scores, one after another; the losses only ask it for scores."""
    from sentence_transformers import CrossEncoder

    class Scores(CrossEncoder):
        num_labels, device = 1, torch.device("cpu")

        def __init__(self):
            torch.nn.Module.__init__(self)
            self.given = iter(logits)

        def preprocess(self, pairs, **_):
            return {"count": len(pairs)}

        def forward(self, features):
            return {"scores": torch.stack([next(self.given) for _ in range(features["count"])])}

    return Scores()


def lists(lengths, grades=4):
    """Scores, grades and mask (Q, N) for lists of these lengths, and the same as sentence-transformers takes them."""
    generator = torch.Generator().manual_seed(sum(lengths))
    Q, N = len(lengths), max(lengths)
    logits = 3 * torch.randn(Q, N, generator=generator)
    labels = torch.randint(grades, (Q, N), generator=generator).float()
    mask = torch.arange(N) < torch.tensor(lengths)[:, None]
    texts = (["q"] * Q, [["d"] * n for n in lengths])
    return logits.requires_grad_(), labels, mask, texts, [labels[q, :n] for q, n in enumerate(lengths)]


LENGTHS = [[4], [3, 3], [5, 1, 2, 7], [1, 1]]


def test_pointwise():
    from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss

    logits = torch.tensor([-3.0, 0.0, 20.0, -20.0, 1.5], requires_grad=True)  # in float32, the peer's only precision
    labels = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.25])
    expected = BinaryCrossEntropyLoss(reranker(logits))([["q"] * 5, ["d"] * 5], labels)
    assert_equal(pointwise_loss(logits, labels), expected, [logits], atol=1e-6)


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("name", ["RankNetLoss", "ListNetLoss", "LambdaLoss"])
def test_pairwise_listwise_and_lambda(lengths, name):
    """In float32, the only precision of the peers."""
    from sentence_transformers.cross_encoder import losses as peers

    ours = {"RankNetLoss": pairwise_loss, "ListNetLoss": listwise_loss, "LambdaLoss": lambda_loss}[name]
    options = {} if name == "ListNetLoss" else {"reduction_log": "natural"}
    options |= {"weighting_scheme": peers.LambdaRankScheme()} if name == "LambdaLoss" else {}
    logits, labels, mask, texts, peers_labels = lists(lengths)
    scores = [logits[q, n] for q, length in enumerate(lengths) for n in range(length)]
    expected = getattr(peers, name)(reranker(scores), **options)(texts, peers_labels)
    loss = ours(logits, labels, mask)
    assert torch.allclose(loss, expected, rtol=0, atol=2e-6)
    if max(lengths) > 1:
        ours, theirs = (torch.autograd.grad(value, logits)[0] for value in (loss, expected))
        assert torch.allclose(ours, theirs, rtol=0, atol=2e-6)
        assert theirs.abs().max() > 0


def test_ranknets_default_is_in_bits():
    import math

    from sentence_transformers.cross_encoder.losses import RankNetLoss

    logits, labels, mask, texts, peers_labels = lists([4, 4])
    expected = RankNetLoss(reranker(list(logits.flatten())))(texts, peers_labels)
    assert torch.allclose(pairwise_loss(logits, labels, mask) / math.log(2), expected, atol=2e-6)
