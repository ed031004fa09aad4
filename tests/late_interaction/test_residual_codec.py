"""The residual codec: what a byte means, what is lost, and what is not a codec."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import normalize

from workbook.index.clustering import assign
from workbook.late_interaction.residual_codec import ResidualCodec, default_num_centroids, quantile


def unit(seed, L, D=16):
    return normalize(torch.randn(L, D, generator=torch.Generator().manual_seed(seed)), dim=1)


def clustered(seed, L, D=16, C=8, spread=0.1):
    """Vectors around a few directions, as those of tokens are."""
    generator = torch.Generator().manual_seed(seed)
    around = unit(99, C, D)[torch.randint(C, (L,), generator=generator)]
    return normalize(around + spread * torch.randn(L, D, generator=generator), dim=1)


def test_a_byte_by_hand():
    """Buckets 0 1 2 3 at 2 bits: each number's low bit first, 00 10 01 11, from the highest bit of the byte down."""
    cutoffs, weights = torch.tensor([-0.1, 0.0, 0.1]), torch.tensor([-0.2, -0.05, 0.05, 0.2])
    codec = ResidualCodec(torch.tensor([[1.0, 0.0, 0.0, 0.0]]), cutoffs, weights)
    codes, residuals = codec.compress(torch.tensor([[0.8, -0.05, 0.05, 0.5]]))  # residual -.2 -.05 .05 .5
    assert codes.tolist() == [0]
    assert residuals.tolist() == [[0b00100111]]
    expected = normalize(torch.tensor([[1 - 0.2, -0.05, 0.05, 0.2]]), dim=1)
    assert torch.allclose(codec.decompress(codes, residuals), expected)


def test_one_bit_by_hand():
    codec = ResidualCodec(torch.eye(8)[:1], torch.tensor([0.0]), torch.tensor([-0.1, 0.1]))
    codes, residuals = codec.compress(torch.tensor([[2.0, -1, -1, 1, -1, 1, 1, -1]]))  # residual + - - + - + + -
    assert residuals.tolist() == [[0b10010110]]
    assert codec.decompress(codes, residuals)[0].sign().tolist() == [1, -1, -1, 1, -1, 1, 1, -1]


@given(st.sampled_from([1, 2, 4, 8]), st.integers(0, 1000))
def test_decompressing_gives_the_weight_of_every_bucket(nbits, seed):
    x = unit(seed, 20)
    codec = ResidualCodec.train(x, num_centroids=3, nbits=nbits, seed=seed)
    codes, residuals = codec.compress(x)
    assert residuals.shape == (20, 2 * nbits)
    bucket = torch.bucketize(x - codec.centroids[codes.long()], codec.bucket_cutoffs)
    expected = normalize(codec.centroids[codes.long()] + codec.bucket_weights[bucket], dim=1)
    assert torch.allclose(codec.decompress(codes, residuals), expected, atol=1e-6)


def test_more_bits_lose_less_and_even_one_beats_the_centroid_alone():
    x, unseen = clustered(0, 4000), clustered(1, 500)
    lost = []
    for nbits in (1, 2, 4, 8):
        codec = ResidualCodec.train(x, num_centroids=8, nbits=nbits)
        lost.append(float((codec.decompress(*codec.compress(unseen)) - unseen).square().sum(dim=1).mean()))
    alone = (codec.centroids[assign(unseen, codec.centroids, "inner_product")] - unseen).square().sum(dim=1).mean()
    assert alone > lost[0] > 2 * lost[1] > 4 * lost[2] > 8 * lost[3]


def test_vectors_come_back_with_length_one():
    codec = ResidualCodec.train(unit(0, 100), num_centroids=4)
    x = codec.decompress(*codec.compress(unit(1, 30)))
    assert torch.allclose(x.norm(dim=1), torch.ones(30), atol=1e-6)


def test_buckets_are_equally_full():
    x = clustered(0, 8000)
    codec = ResidualCodec.train(x, num_centroids=8, nbits=2)
    codes, _ = codec.compress(x)
    bucket = torch.bucketize(x - codec.centroids[codes.long()], codec.bucket_cutoffs)
    share = torch.bincount(bucket.flatten(), minlength=4) / bucket.numel()
    assert torch.allclose(share, torch.full((4,), 0.25), atol=0.02)


def test_training_is_repeatable_and_leaves_the_random_state():
    x = unit(0, 200)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    a, b, c = (ResidualCodec.train(x, num_centroids=8, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(a.centroids, b.centroids)
    assert torch.equal(a.bucket_weights, b.bucket_weights)
    assert not torch.equal(a.centroids, c.centroids)


def test_chunks_do_not_change_the_numbers(monkeypatch):
    x = unit(0, 50)
    codec = ResidualCodec.train(x, num_centroids=4)
    whole = codec.compress(x)
    monkeypatch.setattr("workbook.late_interaction.residual_codec.AT_A_TIME", 48)  # three vectors at a time
    for a, b in zip(codec.compress(x), whole, strict=True):
        assert torch.equal(a, b)


def test_nothing_to_compress():
    codec = ResidualCodec.train(unit(0, 20), num_centroids=2)
    codes, residuals = codec.compress(torch.zeros(0, 16))
    assert (codes.shape, residuals.shape) == ((0,), (0, 4))
    assert codec.decompress(codes, residuals).shape == (0, 16)


@given(st.integers(1, 50), st.integers(0, 100), st.floats(0, 1))
def test_quantile_is_torchs(n, seed, share):
    values = torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    share = torch.tensor([share], dtype=torch.float64)
    assert torch.allclose(quantile(values.sort().values, share), torch.quantile(values, share), rtol=0, atol=1e-12)


def test_the_usual_number_of_centroids():
    assert default_num_centroids(1_000_000) == 8192  # below 16,000
    assert default_num_centroids(100) == 32  # not more than half of the vectors
    assert default_num_centroids(2) == default_num_centroids(1) == 1


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda c: ResidualCodec(c.centroids, c.bucket_cutoffs[:2], c.bucket_weights), "one cut-off less"),
        (lambda c: ResidualCodec(c.centroids, c.bucket_cutoffs[:2], c.bucket_weights[:3]), "2, 4, 16 or 256"),
        (lambda c: ResidualCodec(c.centroids[:, :3], c.bucket_cutoffs, c.bucket_weights), "multiple of 8"),
        (lambda c: c.compress(torch.zeros(3, 8)), "D = 16"),
        (lambda c: c.compress(torch.full((1, 16), float("nan"))), "NaN"),
        (lambda c: c.decompress(torch.zeros(2), torch.zeros(2, 5)), "another codec"),
        (lambda c: ResidualCodec.train(unit(0, 20), nbits=3), "1, 2, 4 or 8"),
        (lambda c: ResidualCodec.train(unit(0, 1)), "L ≥ 2"),
        (lambda c: ResidualCodec.train(unit(0, 20), num_centroids=20), "fewer centroids"),
    ],
)
def test_errors_say_what_to_do(call, says):
    codec = ResidualCodec.train(unit(0, 20), num_centroids=2)
    with pytest.raises(ValueError, match=says):
        call(codec)
