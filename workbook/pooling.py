"""Pooling: many token vectors become one text vector.

Letters: B texts, T token positions, D dimensions. `hidden` is (B, T, D); `mask` is (B, T), 1 for a
token and 0 for padding. Padding may stand on the right or on the left: no function here assumes a
side. A row without a single token pools to the zero vector. What is pooled has the dtype of `hidden`; the
sums on the way there are float32 or more.

Taught in 02.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from workbook.support.precision import at_least_float32, without_autocast

Pooling = Callable[[Tensor, Tensor], Tensor]  # (hidden (B, T, D), mask (B, T)) -> (B, D)


def cls_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Take the vector of the first token, which BERT-like models call [CLS].

    Args:
        hidden: (B, T, D) token vectors.
        mask: (B, T), 1 = token, 0 = padding.
    Returns:
        (B, D). With left padding the first *token* is taken, not position 0.
    Raises:
        ValueError: the shapes do not belong together.

    Source: Devlin et al. 2019 (BERT). Equal to sentence-transformers `Pooling("cls")`.
    """
    _check(hidden, mask)
    return _token_at(hidden, mask, mask.bool().int().argmax(dim=1))


def last_token_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Take the vector of the last token: in a causal decoder the only one that has seen the text.

    Args:
        hidden: (B, T, D) token vectors.
        mask: (B, T), 1 = token, 0 = padding.
    Returns:
        (B, D). With right padding the last *token* is taken, not position -1.
    Raises:
        ValueError: the shapes do not belong together.

    Source: Wang et al. 2024 (E5-mistral). Equal to sentence-transformers `Pooling("lasttoken")`.
    """
    _check(hidden, mask)
    T = mask.shape[1]
    return _token_at(hidden, mask, T - 1 - mask.bool().int().flip(1).argmax(dim=1))


def mean_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Average the vectors of the tokens, and of the tokens only.

        pooled = sum_t mask_t * hidden_t / sum_t mask_t

    Args:
        hidden: (B, T, D) token vectors.
        mask: (B, T), 1 = token, 0 = padding.
    Returns:
        (B, D).
    Raises:
        ValueError: the shapes do not belong together.

    >>> hidden = torch.tensor([[[2.0, 4.0], [4.0, 0.0], [9.0, 9.0]]])  # the third position is padding
    >>> mean_pool(hidden, mask=torch.tensor([[1, 1, 0]]))
    tensor([[3., 2.]])

    Source: Reimers and Gurevych 2019. Equal to sentence-transformers `Pooling("mean")`.
    """
    _check(hidden, mask)
    return _weighted_mean(hidden, mask)


def mean_pool_plain(hidden: Tensor, mask: Tensor) -> Tensor:
    """`mean_pool` text by text: the mean of those rows that are tokens."""
    tokens_of = [text[is_token] for text, is_token in zip(hidden, mask.bool(), strict=True)]  # B times (tokens, D)
    return torch.stack([tokens.sum(dim=0) / max(len(tokens), 1) for tokens in tokens_of])


def weighted_mean_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Average the token vectors with weight 1 for the first token, 2 for the second, and so on.

        pooled = sum_t n_t * mask_t * hidden_t / sum_t n_t * mask_t,   n_t the token's own number

    In a causal decoder later tokens have read more, so they count for more. Tokens are numbered
    from the first token, not from the left edge of the batch, so left padding changes nothing.

    Args:
        hidden: (B, T, D) token vectors.
        mask: (B, T), 1 = token, 0 = padding.
    Returns:
        (B, D).
    Raises:
        ValueError: the shapes do not belong together.

    Source: Muennighoff 2022 (SGPT). Equal to sentence-transformers `Pooling("weightedmean")`.
    """
    _check(hidden, mask)
    return _weighted_mean(hidden, mask * mask.long().cumsum(dim=1))  # (B, T): 1, 2, 3, … over the tokens


def max_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Take, in each dimension, the largest value among the tokens.

    Args:
        hidden: (B, T, D) token vectors.
        mask: (B, T), 1 = token, 0 = padding.
    Returns:
        (B, D).
    Raises:
        ValueError: the shapes do not belong together.

    Source: Conneau et al. 2017 (InferSent). Equal to sentence-transformers `Pooling("max")` on every
    row with a token.
    """
    _check(hidden, mask)
    is_token = mask.bool()
    pooled = hidden.masked_fill(~is_token[:, :, None], float("-inf")).amax(dim=1)  # (B, D)
    return torch.where(is_token.any(dim=1, keepdim=True), pooled, 0.0)


def attention_pool(hidden: Tensor, mask: Tensor, query: Tensor) -> Tensor:
    """Average the token vectors with weights that a vector `query` chooses.

        weight_t = softmax_t(hidden_t · query),   pooled = sum_t weight_t * hidden_t

    A query of zeros gives every token the same weight: that is `mean_pool`.

    Args:
        hidden: (B, T, D) token vectors.
        mask: (B, T), 1 = token, 0 = padding.
        query: (D,).
    Returns:
        (B, D).
    Raises:
        ValueError: the shapes do not belong together.

    Source: Yang et al. 2016 (hierarchical attention networks), with one learned query vector.
    """
    full = at_least_float32(hidden)
    return _weighted_sum(full, attention_pool_weights(full, mask, query)).to(hidden.dtype)


def attention_pool_weights(hidden: Tensor, mask: Tensor, query: Tensor) -> Tensor:
    """The weight of each token in `attention_pool`: (B, T, D), (B, T), (D,) -> (B, T), in float32 or more.

    Each row sums to 1, or to 0 where it is all padding.

    Raises:
        ValueError: the shapes do not belong together.
    """
    _check(hidden, mask)
    if query.shape != hidden.shape[2:]:
        raise ValueError(
            f"query must be (D,) = {tuple(hidden.shape[2:])} to match hidden, got {tuple(query.shape)}; "
            "an AttentionPool is made for one hidden size"
        )
    is_token, hidden = mask.bool(), at_least_float32(hidden)
    with without_autocast(hidden):
        score = hidden @ query.to(hidden.dtype)  # (B, T)
    return score.masked_fill(~is_token, torch.finfo(score.dtype).min).softmax(dim=1) * is_token


attention_weights = attention_pool_weights  # its name in chapter 02 and in saved notebooks


class AttentionPool(nn.Module):
    """`attention_pool` with a learned query: D more parameters than mean pooling.

    The query starts at zero, so an untrained AttentionPool is `mean_pool`.

    Args:
        hidden_size: D.
    """

    def __init__(self, hidden_size: int):
        super().__init__()
        self.query = nn.Parameter(torch.zeros(hidden_size))

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Pool hidden (B, T, D) under mask (B, T) to (B, D)."""
        return attention_pool(hidden, mask, self.query)


def mean_sqrt_len_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Add up the vectors of the tokens, and divide by the square root of their number n.

        pooled = sum_t mask_t * hidden_t / √n,   n = sum_t mask_t

    Directions are those of `mean_pool`; a long text gets a longer vector than a short one.

    Args:
        hidden: (B, T, D) token vectors.
        mask: (B, T), 1 = token, 0 = padding.
    Returns:
        (B, D).
    Raises:
        ValueError: the shapes do not belong together.

    Source: Cer et al. 2018 (Universal Sentence Encoder). Equal to sentence-transformers `Pooling("mean_sqrt_len_tokens")`.
    """
    full = at_least_float32(hidden)
    n = mask.sum(dim=1, keepdim=True).to(full.dtype)  # (B, 1)
    return (mean_pool(full, mask) * n.sqrt()).to(hidden.dtype)


class ConcatenatedPool(nn.Module):
    """Several poolings side by side: (B, T, D) -> (B, n · D).

    Args:
        poolings: n of this module, such as `cls_pool, mean_pool`.

    Equal to sentence-transformers `Pooling` with several modes.
    """

    def __init__(self, *poolings: Pooling):
        super().__init__()
        self.poolings = poolings
        self.learned = nn.ModuleList(pool for pool in poolings if isinstance(pool, nn.Module))

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Pool hidden (B, T, D) under mask (B, T) to (B, n · D)."""
        return torch.cat([pool(hidden, mask) for pool in self.poolings], dim=1)


# sentence-transformers' name -> ours, in the order in which its flags are put side by side
POOLINGS: dict[str, Pooling] = {
    "cls": cls_pool,
    "max": max_pool,
    "mean": mean_pool,
    "mean_sqrt_len_tokens": mean_sqrt_len_pool,
    "weightedmean": weighted_mean_pool,
    "lasttoken": last_token_pool,
}


def pooling_from_names(names: str | Sequence[str]) -> Pooling:
    """The pooling that sentence-transformers calls so: one of `POOLINGS`, or several side by side.

    Raises:
        ValueError: a name is not known.
    """
    listed = [names] if isinstance(names, str) else list(names)
    if not listed or (unknown := [name for name in listed if name not in POOLINGS]):
        raise ValueError(f"pooling must be of {', '.join(POOLINGS)}, got {', '.join(unknown) if listed else 'none'}")
    found = [POOLINGS[name] for name in listed]
    return found[0] if len(found) == 1 else ConcatenatedPool(*found)


def names_of_pooling(pooling: Pooling) -> list[str]:
    """The names under which `pooling_from_names` finds a pooling; none for another function."""
    parts = pooling.poolings if isinstance(pooling, ConcatenatedPool) else (pooling,)
    names = [name for part in parts for name, function in POOLINGS.items() if function is part]
    return names if len(names) == len(parts) else []


def _weighted_sum(hidden: Tensor, weight: Tensor) -> Tensor:
    # A padded position may hold anything, NaN included; 0 * NaN is NaN, so it is cleared first.
    hidden = hidden.masked_fill((weight == 0)[:, :, None], 0.0)
    with without_autocast(hidden):
        return torch.einsum("btd,bt->bd", hidden, weight)


def _token_at(hidden: Tensor, mask: Tensor, position: Tensor) -> Tensor:
    index = position[:, None, None].expand(-1, -1, hidden.shape[2])  # (B, 1, D)
    pooled = hidden.gather(1, index)[:, 0]  # (B, D)
    return torch.where(mask.bool().any(dim=1, keepdim=True), pooled, 0.0)


def _weighted_mean(hidden: Tensor, weight: Tensor) -> Tensor:
    full = at_least_float32(hidden)
    weight = weight.to(full.dtype)
    # A row of padding has weight 0 in all; dividing by 1 there keeps it zero.
    total = weight.sum(dim=1, keepdim=True)
    return (_weighted_sum(full, weight) / torch.where(total > 0, total, 1.0)).to(hidden.dtype)


def _check(hidden: Tensor, mask: Tensor) -> None:
    if hidden.ndim != 3:
        raise ValueError(
            f"hidden must be (B, T, D), got {tuple(hidden.shape)}; pass the token vectors, not a pooled one"
        )
    if mask.shape != hidden.shape[:2]:
        raise ValueError(
            f"mask must be (B, T) = {tuple(hidden.shape[:2])} to match hidden, got {tuple(mask.shape)}; "
            "did you tokenize queries and passages separately?"
        )
    if hidden.shape[1] == 0:
        raise ValueError(
            f"hidden must have at least one position, got {tuple(hidden.shape)}; the batch holds empty texts only"
        )
