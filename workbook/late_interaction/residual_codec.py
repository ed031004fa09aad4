"""The residual codec: a token's vector as the number of its nearest centroid, and what is left in a few bits.

A passage of a hundred tokens is a hundred vectors, 50 kB in float32. But vectors of tokens crowd together:
the nearest of C centroids says most of a vector, and what it leaves, the residual, is small and looks alike in
all dimensions. So each dimension of the residual is told by the number of one of 2^nbits buckets:

    code     = argmax_c  x · centroid_c
    bucket_j = how many bucket_cutoffs lie below (x - centroid_code)_j
    x̂        = normalize(centroid_code + bucket_weights[bucket])

`compress_one` and `decompress_one` are these lines for one vector; `ResidualCodec` packs buckets into bytes and
works on all vectors at once.

The cut-offs are quantiles of residuals, so all buckets are equally full, and a bucket's weight is the median of
what falls into it. At D = 128 and 2 bits a vector takes 4 + 32 bytes instead of 512.

Letters: L token vectors of D dimensions, C centroids, W bytes of a residual (W = D · nbits / 8).

Taught in 14.
"""

import torch
from torch import Tensor

from workbook.index.clustering import assign, kmeans
from workbook.similarity import normalize

AT_A_TIME = 1 << 22  # similarities to centroids that are held together: 16 MB


def compress_one(x: Tensor, centroids: Tensor, bucket_cutoffs: Tensor) -> tuple[int, list[int]]:
    """One vector (D,) as the number of its centroid and a bucket for each dimension."""
    code = int((centroids @ x).argmax())
    residual = x - centroids[code]
    return code, [int((bucket_cutoffs < value).sum()) for value in residual]


def decompress_one(code: int, buckets: list[int], centroids: Tensor, bucket_weights: Tensor) -> Tensor:
    """The vector of length 1, (D,), that a centroid and the buckets stand for."""
    return normalize(centroids[code] + bucket_weights[buckets])


class ResidualCodec:
    """Compress and decompress vectors of length 1.

    Args:
        centroids: (C, D).
        bucket_cutoffs: (2^nbits - 1,) in ascending order.
        bucket_weights: (2^nbits,), the value that stands for each bucket.
    Raises:
        ValueError: nbits is not 1, 2, 4 or 8, the two lists do not belong together, or D · nbits is no whole
            number of bytes.

    Relations: equal to colbert-ai's `ResidualCodec`, byte for byte. `train` makes one from examples.
    Source: Santhanam et al. 2022 (ColBERTv2).
    """

    def __init__(self, centroids: Tensor, bucket_cutoffs: Tensor, bucket_weights: Tensor):
        nbits = (len(bucket_weights) - 1).bit_length()
        if nbits not in (1, 2, 4, 8) or len(bucket_weights) != 2**nbits or len(bucket_cutoffs) != 2**nbits - 1:
            raise ValueError(
                f"expected 2, 4, 16 or 256 weights and one cut-off less, for 1, 2, 4 or 8 bits, "
                f"got {len(bucket_weights)} and {len(bucket_cutoffs)}"
            )
        if centroids.ndim != 2 or centroids.shape[1] * nbits % 8:
            raise ValueError(
                f"centroids must be (C, D) with D · nbits a multiple of 8, got {tuple(centroids.shape)} and "
                f"nbits={nbits}; choose another embedding_size"
            )
        self.nbits = nbits
        self.centroids, self.bucket_cutoffs, self.bucket_weights = centroids, bucket_cutoffs, bucket_weights
        # A byte holds 8 / nbits buckets, the first in its highest bits; colbert-ai writes each bucket's own bits
        # from the lowest to the highest, so a bucket is stored under its number with the bits reversed.
        device = centroids.device
        numbers = torch.arange(2**nbits, device=device)
        bits = [((numbers >> bit) & 1) << (nbits - 1 - bit) for bit in range(nbits)]
        self.reversed = torch.stack(bits).sum(dim=0)  # (2^nbits,), its own inverse
        self.shifts = torch.arange(8 - nbits, -1, -nbits, device=device)  # (8 / nbits,)
        stored = (torch.arange(256, device=device)[:, None] >> self.shifts) & (2**nbits - 1)
        self.weights_of_byte = bucket_weights[self.reversed[stored]]  # (256, 8 / nbits)

    def compress(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors to numbers, in chunks of AT_A_TIME / C vectors; memory beside the numbers does not grow with L.

        Args:
            x: (L, D), each of length 1.
        Returns:
            codes (L,) int32 and residuals (L, W) uint8.
        Raises:
            ValueError: the shape is wrong, or x holds NaN.
        """
        C, D = self.centroids.shape
        if x.ndim != 2 or x.shape[1] != D:
            raise ValueError(f"x must be (L, D) with D = {D} as the centroids, got {tuple(x.shape)}")
        codes = torch.empty(len(x), dtype=torch.int32, device=x.device)
        residuals = torch.empty(len(x), D * self.nbits // 8, dtype=torch.uint8, device=x.device)
        step = max(1, AT_A_TIME // max(C, D))
        for start in range(0, len(x), step):
            part = x[start : start + step].to(self.centroids.dtype)
            if part.isnan().any():
                raise ValueError("x must not hold NaN; a NaN has no nearest centroid, so find where it arose")
            code = assign(part, self.centroids, "inner_product")
            bucket = torch.bucketize(part - self.centroids[code], self.bucket_cutoffs)  # (l, D), 0 … 2^nbits - 1
            stored = self.reversed[bucket].view(len(part), -1, len(self.shifts)) << self.shifts
            codes[start : start + step] = code.int()
            residuals[start : start + step] = stored.sum(dim=2).to(torch.uint8)
        return codes, residuals

    def decompress(self, codes: Tensor, residuals: Tensor) -> Tensor:
        """Numbers back to vectors of length 1: codes (L,), residuals (L, W) -> (L, D).

        Raises:
            ValueError: the shapes do not belong together.
        """
        W = self.centroids.shape[1] * self.nbits // 8
        if codes.ndim != 1 or residuals.shape != (len(codes), W):
            raise ValueError(
                f"expected codes (L,) and residuals (L, {W}), got {tuple(codes.shape)} and {tuple(residuals.shape)}; "
                "were they made by another codec?"
            )
        residual = self.weights_of_byte[residuals.long()].flatten(1)  # (L, D): one look-up for 8 / nbits dimensions
        return normalize(self.centroids[codes.long()] + residual)

    @classmethod
    def train(
        cls, x: Tensor, num_centroids: int | None = None, nbits: int = 2, iterations: int = 4, seed: int = 0
    ) -> "ResidualCodec":
        """Find centroids by k-means, and the buckets from residuals that k-means has not seen.

        One vector in twenty is held out: around their own centroids the residuals of the others are too small.

        Args:
            x: (L, D), a sample of token vectors of length 1, two at least.
            num_centroids: C; by default the power of two below 16 √L, as in ColBERTv2, and below the sample.
            nbits: bits for each dimension of a residual: 1, 2, 4 or 8.
            iterations: rounds of k-means.
            seed: decides what is held out and where k-means starts.
        Returns:
            a codec.
        Raises:
            ValueError: nbits or num_centroids does not fit the sample.

        Relations: buckets as in colbert-ai's indexer.
        """
        if nbits not in (1, 2, 4, 8):
            raise ValueError(f"nbits must be 1, 2, 4 or 8, so that buckets fill whole bytes, got {nbits}")
        if x.ndim != 2 or len(x) < 2:
            raise ValueError(f"x must be (L, D) with L ≥ 2 token vectors, got {tuple(x.shape)}")
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed)).to(x.device)
        held_out = order[: min(max(1, len(x) // 20), 50_000)]
        rest = x[order[len(held_out) :]]
        C = default_num_centroids(len(x)) if num_centroids is None else num_centroids
        if not 1 <= C <= len(rest):
            raise ValueError(
                f"num_centroids must be between 1 and the {len(rest)} vectors that k-means sees, got {C}; "
                "give more vectors or fewer centroids"
            )
        centroids = normalize(kmeans(rest, C, iterations, seed))
        residual = x[held_out] - centroids[assign(x[held_out], centroids, "inner_product")]
        share = torch.arange(2**nbits, device=x.device, dtype=x.dtype) / 2**nbits
        values = residual.flatten().sort().values
        return cls(centroids, quantile(values, share[1:]), quantile(values, share + 0.5 / 2**nbits))


def quantile(values: Tensor, share: Tensor) -> Tensor:
    """Quantiles of sorted values (n,), interpolated between neighbours: share (m,) in [0, 1] -> (m,).

    Equal to `torch.quantile`, which takes at most 16 million values.
    """
    place = share * (len(values) - 1)
    below = place.floor().long()
    above = (below + 1).clamp(max=len(values) - 1)
    return torch.lerp(values[below], values[above], place - below)


def default_num_centroids(num_tokens: int) -> int:
    """ColBERTv2's choice, the power of two at or below 16 √L, but at most half of the L vectors."""
    wanted = max(1, min(int(16 * num_tokens**0.5), num_tokens // 2))
    return 1 << (wanted.bit_length() - 1)
