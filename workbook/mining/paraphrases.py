"""Paraphrases: of all pairs of texts in one collection, those that are closest to each other.

Every text is a query to all the others, so N texts have N · (N - 1) / 2 pairs, and few of them are of interest.
`closest_pairs_plain` is the idea; `closest_pairs` keeps the best so far while it goes through the texts in chunks.
What it finds are candidates: duplicates, paraphrases, and texts that only sound alike.

Letters: N texts, D dimensions.

Taught in 08.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from workbook.similarity import normalize, top_k
from workbook.support.checks import check_positive
from workbook.support.precision import at_least_float32
from workbook.support.types import Encoder

Paraphrases = list[tuple[float, int, int]]  # score, i, j with i < j


def closest_pairs_plain(embeddings: Tensor, max_pairs: int = 500_000, num_neighbours: int = 100) -> Paraphrases:
    """`closest_pairs`, one text after the other."""
    x = normalize(embeddings)
    found: dict[tuple[int, int], float] = {}
    for i in range(len(x)):
        score = {j: float(x[i] @ x[j]) for j in range(len(x)) if j != i}
        for j in sorted(score, key=lambda j: -score[j])[:num_neighbours]:
            found.setdefault((min(i, j), max(i, j)), score[j])  # j may have found i before
    return sorted(((score, i, j) for (i, j), score in found.items()), key=lambda pair: -pair[0])[:max_pairs]


def closest_pairs(
    embeddings: Tensor, max_pairs: int = 500_000, num_neighbours: int = 100, chunk_size: int = 4_096
) -> Paraphrases:
    """The pairs of vectors with the highest cosine.

    A pair counts if one of the two is among the nearest neighbours of the other. Memory beside the vectors is
    chunk_size² scores and max_pairs + chunk_size · num_neighbours pairs, whatever N is.

    Args:
        embeddings: (N, D).
        max_pairs: how many pairs to keep, at most.
        num_neighbours: how many of its nearest neighbours each text is paired with; `top_k` elsewhere.
        chunk_size: texts compared with so many others at a time.
    Returns:
        (cosine, i, j) with row numbers i < j, best first.
    Raises:
        ValueError: a number is not positive, the shape is wrong, or a vector holds NaN.

    Equal to sentence-transformers `util.paraphrase_mining_embeddings`.
    """
    check_positive(max_pairs=max_pairs, num_neighbours=num_neighbours)
    x = normalize(at_least_float32(embeddings))
    N = len(x)
    best, pair = x.new_empty(0), torch.empty(0, dtype=torch.long, device=x.device)  # scores, and i · N + j
    for start in range(0, N, chunk_size):
        scores, other = top_k(x[start : start + chunk_size], x, num_neighbours + 1, chunk_size)  # and the text itself
        own = torch.arange(start, start + len(scores), device=x.device)[:, None].expand_as(other)
        is_other = other != own
        is_other &= is_other.cumsum(dim=1) <= num_neighbours  # where twins have pushed the text itself out
        number = torch.minimum(own, other) * N + torch.maximum(own, other)
        best, pair = torch.cat([best, scores[is_other]]), torch.cat([pair, number[is_other]])
        # Of a pair that both sides have found the first stays: by number, the same ones stand together.
        pair, order = pair.sort(stable=True)
        first = torch.ones_like(pair, dtype=torch.bool)
        first[1:] = pair[1:] != pair[:-1]
        best, order = best[order][first].sort(descending=True, stable=True)
        best, pair = best[:max_pairs], pair[first][order][:max_pairs]
    return [(score, *divmod(number, N)) for score, number in zip(best.tolist(), pair.tolist(), strict=True)]


def paraphrase_mining(
    encoder: Encoder,
    texts: Sequence[str],
    max_pairs: int = 500_000,
    num_neighbours: int = 100,
    chunk_size: int = 4_096,
) -> Paraphrases:
    """Encode texts as documents, and find the pairs that are closest: `closest_pairs`.

    Equal to sentence-transformers `util.paraphrase_mining`, which encodes with the default prompt instead.
    """
    return closest_pairs(torch.as_tensor(encoder.encode_document(texts)), max_pairs, num_neighbours, chunk_size)
