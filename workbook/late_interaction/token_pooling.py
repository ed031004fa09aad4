"""Token pooling: tokens of a passage that say nearly the same become one, before anything is compressed.

A passage of sixty tokens needs no sixty directions: "the", "of" and a word that stands there three times are nearly the
same vector. So the tokens of each passage are put into T / factor groups of neighbours (Ward's clustering of cosine
distances), and each group keeps its mean.

Nothing is trained and the query stays as it is; an index is `factor` times smaller. A mean is a little shorter than its
members, the more they differ; it is kept so, as in pylate, and a match with a mixed group counts less.

Letters: N passages of T tokens (L tokens in all), D dimensions.

Taught in 14.
"""

import torch
from scipy.cluster.hierarchy import fcluster, linkage
from torch import Tensor

from workbook.support.checks import check_positive


def pool_tokens(passages: Tensor, lengths: Tensor, factor: int = 2, protected: int = 1) -> tuple[Tensor, Tensor]:
    """Ragged token vectors, fewer of them: each passage keeps about 1 / factor of its tokens.

    Args:
        passages: (L, D), the tokens of all passages one below another, each of length 1.
        lengths: (N,) integers that sum to L.
        factor: how many tokens become one on average; 1 changes nothing.
        protected: the first tokens of each passage, [CLS] above all, which stay as they are.
    Returns:
        (L', D) and lengths (N,) that sum to L'; a passage of T > protected tokens keeps its protected ones and at most
        max(1, (T - protected) // factor) means.
    Raises:
        ValueError: factor is not positive, protected is negative, or the lengths do not sum to L.

    Relations: the same groups and means as pylate's `pool_embeddings_hierarchical`.
    Source: Clavié et al. 2024.
    """
    check_positive(factor=factor)
    if protected < 0 or passages.ndim != 2 or int(lengths.sum()) != len(passages):
        raise ValueError(
            f"expected (L, D) with lengths that sum to L and protected of 0 or more, got {tuple(passages.shape)}, lengths "
            f"of {int(lengths.sum())} in all and protected={protected}"
        )
    pooled = []
    for passage in passages.split(lengths.tolist()):
        first, rest = passage[:protected], passage[protected:]
        groups = max(1, len(rest) // factor)
        pooled.append(torch.cat([first, _means_of_groups(rest, groups)]) if groups < len(rest) else passage)
    return torch.cat(pooled) if pooled else passages, torch.tensor([len(each) for each in pooled], dtype=torch.long)


def _means_of_groups(tokens: Tensor, groups: int) -> Tensor:
    """The means of at most so many groups of near tokens: (T, D) -> (groups, D)."""
    distance = (1 - tokens @ tokens.T).clamp(min=0).cpu()  # (T, T), of cosines; rounding would put equal tokens below 0
    above = torch.triu_indices(len(tokens), len(tokens), offset=1)
    tree = linkage(distance[above[0], above[1]].numpy(), method="ward")
    group = torch.from_numpy(fcluster(tree, groups, criterion="maxclust")).long() - 1  # (T,)
    sums = tokens.new_zeros(int(group.max()) + 1, tokens.shape[1]).index_add_(0, group.to(tokens.device), tokens)
    return sums / group.bincount()[:, None].to(tokens)
