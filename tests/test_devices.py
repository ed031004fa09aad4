"""The same code on every device: what an accelerator computes is what the processor computes.

Where there is no GPU, the cases run on the processor alone, and the tensor functions are called once more
with tensors that lie elsewhere and hold no numbers. They refuse to be mixed with tensors of the processor,
which is the mistake that is made.
"""

import functools

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorDeviceMismatchError, FakeTensorMode

from workbook import losses, pooling
from workbook.adapt.lora import add_lora, merge
from workbook.cross_encoder import CrossEncoder, fit_cross_encoder
from workbook.encoder import StaticEncoder, TextEncoder, TransformerEncoder, train_tokenizer
from workbook.encoder.transformer import EncoderBlock, attention, attention_mask, token_positions
from workbook.geometry import alignment
from workbook.index import FlatIndex, IVFIndex, IVFPQIndex, PQIndex, kmeans
from workbook.late_interaction import maxsim, token_alignments
from workbook.late_interaction.colbert import ColbertEncoder, fit_colbert
from workbook.late_interaction.plaid import PlaidIndex
from workbook.late_interaction.residual_codec import ResidualCodec
from workbook.mining import mine_hard_negatives
from workbook.pretraining import MaskedLanguageModel, NextTokenModel, pretrain
from workbook.pretraining.retromae import RetroMAE
from workbook.recipes import distilled
from workbook.similarity import cos_sim, dot_score, euclidean_sim, normalize, top_k
from workbook.sparse import SpladeEncoder, fit_splade, flops, splade_loss, splade_pool
from workbook.train import fit

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")),
    pytest.param("mps", marks=pytest.mark.skipif(not torch.backends.mps.is_available(), reason="needs an Apple GPU")),
]
TEXTS = [
    "the red fox runs over the hill", "a blue whale swims in the sea", "green tea is hot", "the sea is blue and deep",
    "a fox eats grapes", "the hill is green", "hot water for tea", "red grapes grow on the hill",
]  # fmt: skip
PAIRS = [(text.split(" ", 2)[2], text) for text in TEXTS]
TRIPLES = [(query, text, TEXTS[i - 3]) for i, (query, text) in enumerate(PAIRS)]
TOKENIZER = train_tokenizer(TEXTS, 120)
V = TOKENIZER.get_vocab_size()


def transformer(causal=False):
    torch.manual_seed(0)
    return TransformerEncoder(V, 16, 2, 2, max_length=32, causal=causal)


def text_encoder(causal=False, **settings):
    return TextEncoder(TOKENIZER, transformer(causal), max_length=24, **settings)


def x(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- models: built on the processor, moved, used ------------------------------------------------


def encoded(device):
    return [
        text_encoder().to(device).encode(TEXTS),
        TextEncoder(TOKENIZER, StaticEncoder(V, 8)).to(device).encode(TEXTS)[:, :0],
    ]


def trained(device, **options):
    encoder = text_encoder().to(device)
    history = fit(encoder, PAIRS, steps=3, batch_size=4, lr=1e-3, **options)
    return [np.array([record["loss"] for record in history]), encoder.encode(TEXTS)]


def pretrained(device, make):
    model = make(text_encoder(causal=make is NextTokenModel)).to(device)
    history = pretrain(model, TEXTS, steps=2, batch_size=4)
    assert all(np.isfinite(record["loss"]) for record in history)  # what is hidden is drawn on the device
    return []


def adapted(device):
    encoder = add_lora(text_encoder(), r=2).to(device)
    fit(encoder, PAIRS, steps=2, batch_size=4)
    return [encoder.encode(TEXTS), merge(encoder).encode(TEXTS)]


def late(device):
    torch.manual_seed(0)
    encoder = ColbertEncoder(TOKENIZER, transformer(), 8, query_length=8, document_length=16).to(device)
    fit_colbert(encoder, PAIRS, steps=2, batch_size=4)
    return [encoder.encode_query(["red fox"]), *encoder.encode_document(TEXTS)]


def read_together(device):
    torch.manual_seed(0)
    encoder = CrossEncoder(TOKENIZER, transformer(), max_length=32).to(device)
    fit_cross_encoder(encoder, TRIPLES, steps=2, batch_size=4)
    return [encoder.predict(PAIRS)]


def sparse(device):
    torch.manual_seed(0)
    encoder = SpladeEncoder(TOKENIZER, transformer(), max_length=24).to(device)
    fit_splade(encoder, PAIRS, steps=2, batch_size=4)
    return [encoder.encode(TEXTS).to_dense()]


def searched(device):
    q, c = x(5, 16).to(device), x(600, 16, seed=1).to(device)
    found = [*top_k(q, c, 4)]
    for index in (FlatIndex(16), IVFIndex(16, 8, nprobe=8), PQIndex(16, 4, 4), IVFPQIndex(16, 4, 4, 4, nprobe=4)):
        index.train(c)
        index.add(c)
        found.append(index.search(q, 4)[0].sort(dim=1).values)
        found.append(index.search(q, 4, range(0, 600, 3))[0].sort(dim=1).values)
        index.reset()
        index.add_with_ids(c, range(100, 700))
        index.remove_ids([100, 101])
        found.append(index.search(q, 4)[0].sort(dim=1).values)
    return [*found, kmeans(c, 4, iterations=2)]


def late_search(device):
    tokens, lengths = normalize(x(400, 16)).to(device), torch.full((40,), 10).to(device)
    query = normalize(x(2, 6, 16, seed=1)).to(device)
    codec = ResidualCodec.train(tokens, num_centroids=8)
    index = PlaidIndex(codec)
    index.add(tokens, lengths)
    scores, _ = index.search(query, 3, nprobe=8)
    return [maxsim(query, tokens, lengths), codec.decompress(*codec.compress(tokens)), scores]


def mined(device):
    queries, corpus = ({str(i): text for i, text in enumerate(texts)} for texts in zip(*PAIRS, strict=True))
    qrels = {name: {name: 1} for name in queries}
    found = mine_hard_negatives(queries, corpus, qrels, text_encoder().to(device), num_negatives=2, relative_margin=0.0)
    return [np.array(sorted(score for negatives in found.negatives.values() for score in negatives.values()))]


MODELS = {
    "encode": encoded,
    "fit": trained,
    "fit in mini-batches": functools.partial(trained, mini_batch_size=2),
    "pretrain mlm": functools.partial(pretrained, make=MaskedLanguageModel),
    "pretrain next token": functools.partial(pretrained, make=NextTokenModel),
    "pretrain retromae": functools.partial(pretrained, make=RetroMAE),
    "lora": adapted,
    "colbert": late,
    "cross-encoder": read_together,
    "splade": sparse,
    "indexes": searched,
    "plaid": late_search,
    "mining": mined,
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("device", DEVICES)
def test_a_device_computes_what_the_processor_computes(name, device):
    expected, found = MODELS[name]("cpu"), MODELS[name](device)
    for one, other in zip(expected, found, strict=True):
        one, other = (torch.as_tensor(value).cpu() for value in (one, other))
        torch.testing.assert_close(other, one, atol=2e-3, rtol=1e-3)


# --- tensor functions, on a device that is not there ------------------------------------------------

B, M, T, D = 3, 2, 5, 4
ELSEWHERE = "meta"  # a device that every build of torch knows, and that keeps no numbers
POOLINGS = (pooling.cls_pool, pooling.last_token_pool, pooling.mean_pool, pooling.weighted_mean_pool, pooling.max_pool)
EMBEDDED = {"query": (B, D), "positive": (B, D), "negatives": (B, M, D)}
SCORED = {"logits": (B, M), "labels": (B, M)}

FUNCTIONS = {
    **{f.__name__: (f, {"hidden": (B, T, D), "mask": (B, T)}) for f in POOLINGS},
    "attention_pool": (pooling.attention_pool, {"hidden": (B, T, D), "mask": (B, T), "query": (D,)}),
    "normalize": (normalize, {"x": (B, D)}),
    **{f.__name__: (f, {"a": (B, D), "b": (B, D)}) for f in (dot_score, cos_sim, euclidean_sim)},
    "alignment": (alignment, {"x": (B, D), "y": (B, D)}),
    "token_positions": (token_positions, {"mask": (B, T)}),
    "attention_mask": (functools.partial(attention_mask, causal=True), {"mask": (B, T)}),
    "attention": (attention, {"query": (B, T, D), "key": (B, T, D), "value": (B, T, D)}),
    "info_nce": (losses.info_nce, EMBEDDED),
    "info_nce, all directions": (functools.partial(losses.info_nce, directions=losses.DIRECTIONS), EMBEDDED),
    "info_nce, hardness": (
        functools.partial(losses.info_nce, hardness_mode="all_negatives", hardness_strength=5.0),
        EMBEDDED,
    ),
    "info_nce_gradient": (losses.info_nce_gradient, {"query": (B, D), "positive": (B, D)}),
    "nt_xent": (losses.nt_xent, {"a": (B, D), "b": (B, D)}),
    "triplet_loss": (losses.triplet_loss, {"query": (B, D), "positive": (B, D), "negative": (B, D)}),
    "matryoshka_loss": (losses.matryoshka_loss(losses.info_nce, (2, 4)), {0: (B, D), 1: (B, D), 2: (B, M, D)}),
    "margin_mse": (losses.margin_mse, {**EMBEDDED, "labels": (B, 1 + M)}),
    "distill_kl": (losses.distill_kl, {**EMBEDDED, "labels": (B, 1 + M)}),
    "distilled": (distilled, {**EMBEDDED, "labels": (B, 1 + M)}),
    "contrastive_loss": (losses.contrastive_loss, {"a": (B, D), "b": (B, D), "labels": (B,)}),
    "batch_hard_triplet_loss": (losses.batch_hard_triplet_loss, {"embeddings": (B, D), "labels": (B,)}),
    "listwise_loss": (losses.listwise_loss, SCORED),
    "pointwise_loss": (losses.pointwise_loss, {"logits": (B,), "labels": (B,)}),
    "token_alignments": (token_alignments, {"query": (B, D), "passage": (T, D)}),
    "splade_pool": (splade_pool, {"logits": (B, T, D), "mask": (B, T)}),
    "flops": (flops, {"weights": (B, D)}),
    "splade_loss": (splade_loss, EMBEDDED),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_stays_on_the_device_of_its_inputs(name, monkeypatch):
    monkeypatch.setattr("workbook.losses.checks.is_true", lambda condition: False)  # there are no numbers to look at
    function, shapes = FUNCTIONS[name]
    with FakeTensorMode():
        inputs = {key: torch.ones(shape, device=ELSEWHERE, requires_grad=True) for key, shape in shapes.items()}
        positional = [value for key, value in inputs.items() if isinstance(key, int)]
        found = function(*positional, **{key: value for key, value in inputs.items() if isinstance(key, str)})
        for result in found if isinstance(found, tuple) else (found,):
            assert result.device.type == ELSEWHERE
        if isinstance(found, torch.Tensor) and found.requires_grad:
            found.sum().backward()


def test_a_layer_with_two_streams_stays_on_its_device():
    with FakeTensorMode(), torch.device(ELSEWHERE):
        block = EncoderBlock(D, 2, 8, 0.0)
        stream = torch.ones(B, T, D, device=ELSEWHERE)
        allowed = attention_mask(torch.ones(B, T, device=ELSEWHERE))
        assert block(stream, allowed, stream).device.type == ELSEWHERE


def test_mixed_devices_are_noticed():
    with FakeTensorMode(), pytest.raises(FakeTensorDeviceMismatchError):
        losses.info_nce(torch.ones(B, D, device=ELSEWHERE), torch.ones(B, D))
