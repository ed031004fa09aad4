"""PLAID: search compressed tokens, and decompress only the few passages that may win.

Exact MaxSim reads every token of every passage. But the codec has said for each token which centroid it is near
to, and there are few centroids: compare the query with those alone, and most passages are out of the race.

    1. candidates    passages with a token near one of the nprobe best centroids of some query token
    2. pruned        score candidates by centroids, leaving out those that no query token is close to; keep ndocs
    3. by centroids  score again with all their centroids; keep ndocs / 4
    4. exact         decompress those, MaxSim, keep k

`plaid_one` is the four stages for one query, passage by passage. `PlaidIndex` does the same for all tokens at
once: it holds, for every token, a code and a residual, and for every centroid the passages it occurs in.

Letters: Q queries of S tokens, N passages, L tokens in all, D dimensions, C centroids, K results.

Taught in 14.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from workbook.late_interaction.maxsim import TokenEncoder, maxsim, maxsim_one, passage_chunks, segment_max, token_rows
from workbook.late_interaction.residual_codec import ResidualCodec
from workbook.similarity import as_run
from workbook.support.types import Corpus, Queries, Run

TOKENS_AT_A_TIME = 1 << 16  # of candidates; with S = 32 their similarities take 8 MB


def plaid_one(
    query: Tensor,
    codec: ResidualCodec,
    compressed: Sequence[tuple[Tensor, Tensor]],
    k: int,
    nprobe: int,
    centroid_score_threshold: float,
    ndocs: int,
) -> dict[int, float]:
    """The four stages for one query, one passage at a time.

    Args:
        query: (S, D).
        codec: what compressed the passages.
        compressed: for each of N passages the codes (T,) and residuals (T, W) of its tokens.
        k, nprobe, centroid_score_threshold, ndocs: as in `PlaidIndex.search`.
    Returns:
        passage number -> score, the k best of those that survive, best first.
    """
    codes = [code.tolist() for code, _ in compressed]
    centroid_scores = query @ codec.centroids.T  # (S, C)
    probed = set(centroid_scores.topk(nprobe, dim=1).indices.flatten().tolist())
    close = set((centroid_scores.amax(dim=0) >= centroid_score_threshold).nonzero().flatten().tolist())

    def by_centroids(n: int, allowed: set[int]) -> float:  # MaxSim with every token replaced by its centroid
        used = [code for code in codes[n] if code in allowed]
        return float(centroid_scores[:, used].amax(dim=1).sum()) if used else float("-inf")

    left = [n for n in range(len(codes)) if probed.intersection(codes[n])]
    left = sorted(left, key=lambda n: by_centroids(n, close), reverse=True)[:ndocs]
    left = sorted(left, key=lambda n: by_centroids(n, set(codes[n])), reverse=True)[: ndocs // 4]
    exact = {n: float(maxsim_one(query, codec.decompress(*compressed[n]))) for n in left}
    return dict(sorted(exact.items(), key=lambda item: -item[1])[:k])


class PlaidIndex:
    """Ragged passages, compressed, with an inverted list for every centroid.

    Args:
        codec: a `ResidualCodec`, trained on a sample of the passages.

    Source: Santhanam et al. 2022 (PLAID); stages and defaults as in colbert-ai.
    """

    def __init__(self, codec: ResidualCodec):
        device, W = codec.centroids.device, codec.centroids.shape[1] * codec.nbits // 8
        self.codec = codec
        self.lengths = torch.empty(0, dtype=torch.long, device=device)  # (N,)
        self.codes = torch.empty(0, dtype=torch.int32, device=device)  # (L,)
        self.residuals = torch.empty(0, W, dtype=torch.uint8, device=device)  # (L, W)
        self._new: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, passages: Tensor, lengths: Tensor) -> None:
        """Compress passages and append them; a large corpus comes in several calls.

        Args:
            passages: (L, D), the tokens of all passages one below another.
            lengths: (N,) integers that sum to L.
        Raises:
            ValueError: lengths do not sum to L, or a shape is wrong.
        """
        if lengths.ndim != 1 or int(lengths.sum()) != len(passages):
            raise ValueError(f"lengths must be (N,) and sum to L = {len(passages)}, got a sum of {int(lengths.sum())}")
        device = self.codec.centroids.device
        self._new.append((lengths.to(device), *self.codec.compress(passages.to(device))))

    def build(self) -> "PlaidIndex":
        """Join what was added and write the inverted lists; `search` does it when something is new."""
        old = (self.lengths, self.codes, self.residuals)
        self.lengths, self.codes, self.residuals = (torch.cat(parts) for parts in zip(old, *self._new, strict=True))
        self._new = []
        N, C = len(self.lengths), len(self.codec.centroids)
        owner = torch.repeat_interleave(self.lengths)  # (L,), the passage of each token
        # One number for each (centroid, passage), so that unique keeps each once and in the order of the centroids.
        pair = torch.unique(self.codes.long() * max(N, 1) + owner)
        self.inverted = (pair % max(N, 1)).int()
        self.list_lengths = torch.bincount(pair // max(N, 1), minlength=C)  # (C,)
        return self

    @property
    def nbytes(self) -> int:
        """Bytes of everything that grows with the corpus: codes, residuals, lengths, inverted lists."""
        self._ready()
        parts = (self.codes, self.residuals, self.lengths, self.inverted)
        return sum(part.numel() * part.element_size() for part in parts)

    def candidates(self, centroid_scores: Tensor, nprobe: int) -> Tensor:
        """Stage 1: the passages near the query, in ascending order.

        Args:
            centroid_scores: (S, C), each query token's similarity to each centroid.
            nprobe: how many centroids each query token looks into; `ncells` in colbert-ai.
        Returns:
            (n,) passage numbers.
        """
        best = centroid_scores.topk(min(nprobe, centroid_scores.shape[1]), dim=1).indices
        near = self.inverted[token_rows(self.list_lengths, torch.unique(best))]
        found: Tensor = torch.unique(near.long())
        return found

    def by_centroids(self, centroid_scores: Tensor, passages: Tensor, keep: Tensor | None = None) -> Tensor:
        """Stages 2 and 3: MaxSim with every token replaced by its centroid, in chunks of TOKENS_AT_A_TIME.

        Args:
            centroid_scores: (S, C).
            passages: (n,) passage numbers.
            keep: (C,) booleans; tokens of other centroids are left out. None: all count.
        Returns:
            (n,); a passage of which nothing is left scores -∞.
        """
        scores = []
        for first, last, _, _ in passage_chunks(self.lengths[passages], TOKENS_AT_A_TIME):
            some = passages[first:last]
            code, lengths = self.codes[token_rows(self.lengths, some)].long(), self.lengths[some]
            if keep is not None:
                kept = keep[code]
                owner = torch.repeat_interleave(lengths)[kept]
                code, lengths = code[kept], torch.bincount(owner, minlength=len(some))
            scores.append(segment_max(centroid_scores[:, code], lengths).sum(dim=0))
        return torch.cat(scores) if scores else centroid_scores.new_empty(0)

    def search(
        self,
        queries: Tensor,
        k: int = 10,
        nprobe: int | None = None,
        centroid_score_threshold: float | None = None,
        ndocs: int | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The k best passages of each query, by the four stages.

        Args:
            queries: (Q, S, D).
            k: results per query.
            nprobe: centroids that each query token looks into.
            centroid_score_threshold: a centroid takes part in stage 2 if some query token is at least this similar.
            ndocs: passages that survive stage 2; a quarter of them is decompressed. 4 k at least.
                What is None follows k as in colbert-ai: 1, 0.5, 256 up to k = 10; 2, 0.45, 1024 up to 100; then
                4, 0.4, max(4 k, 4096).
        Returns:
            scores (Q, k) in descending order and ids (Q, k), numbers of passages in the order they were added.
            Where fewer are found, the rest is -∞ and -1, as in faiss.
        Raises:
            ValueError: a number is out of range, or the shape is wrong.
        """
        if queries.ndim != 3 or queries.shape[2] != self.codec.centroids.shape[1]:
            raise ValueError(
                f"queries must be (Q, S, D) with D = {self.codec.centroids.shape[1]}, got {tuple(queries.shape)}; "
                "give one query as query[None]"
            )
        usual = (1, 0.5, 256) if k <= 10 else (2, 0.45, 1024) if k <= 100 else (4, 0.4, max(4 * k, 4096))
        nprobe = usual[0] if nprobe is None else nprobe
        threshold = usual[1] if centroid_score_threshold is None else centroid_score_threshold
        ndocs = usual[2] if ndocs is None else ndocs
        if k < 1 or nprobe < 1 or ndocs < 4 * k:
            raise ValueError(
                f"k and nprobe must be at least 1 and ndocs at least 4 k, because a quarter of ndocs is scored exactly; "
                f"got k={k}, nprobe={nprobe}, ndocs={ndocs}"
            )
        self._ready()
        scores = queries.new_full((len(queries), k), float("-inf"), dtype=torch.float32)
        ids = torch.full((len(queries), k), -1, dtype=torch.long, device=queries.device)
        for row, query in enumerate(queries.to(self.codec.centroids)):
            found, best = self._search_one(query, k, nprobe, threshold, ndocs)
            scores[row, : len(found)], ids[row, : len(best)] = found.to(scores), best.to(ids)
        return scores, ids

    def _search_one(self, query: Tensor, k: int, nprobe: int, threshold: float, ndocs: int) -> tuple[Tensor, Tensor]:
        query = query[query.any(dim=1)]  # a row of zeros is padding: it would look into centroids at random
        centroid_scores = query @ self.codec.centroids.T  # (S, C)
        passages = self.candidates(centroid_scores, nprobe)
        if len(query) and len(passages) > ndocs:
            close = centroid_scores.amax(dim=0) >= threshold
            passages = _best(passages, self.by_centroids(centroid_scores, passages, close), ndocs)
        if len(query) and len(passages) > ndocs // 4:
            passages = _best(passages, self.by_centroids(centroid_scores, passages), ndocs // 4)
        rows = token_rows(self.lengths, passages)
        vectors = self.codec.decompress(self.codes[rows], self.residuals[rows])
        scores, order = maxsim(query, vectors, self.lengths[passages]).sort(descending=True, stable=True)
        return scores[:k], passages[order[:k]]

    def _ready(self) -> None:
        if self._new or not hasattr(self, "inverted"):
            self.build()


def plaid_search(
    encoder: TokenEncoder, corpus: Corpus, queries: Queries, k: int = 10, chunk_size: int = 1024,
    sample_size: int = 4096, nbits: int = 2, num_centroids: int | None = None, seed: int = 0, **options: Any
) -> Run:  # fmt: skip
    """Train a codec, index a corpus, and search it: `maxsim_search` with every token compressed.

    Passages are encoded `chunk_size` at a time, so vectors in full length exist for one chunk and for the sample.

    Args:
        encoder: a `workbook.late_interaction.colbert.ColbertEncoder`.
        corpus: passage id -> text.
        queries: query id -> text.
        k: results per query.
        chunk_size: passages encoded at a time.
        sample_size: passages, drawn at random, on which the codec is trained; at most all.
        nbits, num_centroids: as in `ResidualCodec.train`.
        seed: decides the sample and the codec.
        options: passed on to `PlaidIndex.search`.
    Returns:
        run: query id -> passage id -> score, best first.
    """
    ids, texts = list(corpus), list(corpus.values())
    drawn = torch.randperm(len(texts), generator=torch.Generator().manual_seed(seed))[:sample_size].tolist()
    sample, _ = encoder.encode_document([texts[i] for i in drawn])
    index = PlaidIndex(ResidualCodec.train(sample, num_centroids, nbits, seed=seed))
    for start in range(0, len(texts), chunk_size):
        index.add(*encoder.encode_document(texts[start : start + chunk_size]))
    scores, found = index.search(encoder.encode_query(list(queries.values())), k, **options)
    return as_run(queries, ids, scores, found)


def _best(passages: Tensor, scores: Tensor, count: int) -> Tensor:
    """The `count` passages with the highest scores, in ascending order of number."""
    return passages[scores.topk(count).indices].sort().values
