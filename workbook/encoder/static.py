"""The static encoder: one vector per vocabulary entry, whatever stands around it.

Letters: B texts, T token positions, D dimensions, N texts, V tokens of the vocabulary.

Taught in 00.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F


class StaticEncoder(nn.Module):
    """The fastest encoder there is: a table of word vectors.

        hidden_t = word[id_t]

    Args:
        vocab_size: V.
        hidden_size: D.

    Saved as sentence-transformers `StaticEmbedding`.
    """

    def __init__(self, vocab_size: int, hidden_size: int):
        super().__init__()
        self.config = {"vocab_size": vocab_size, "hidden_size": hidden_size}
        self.hidden_size = hidden_size
        self.word = nn.Embedding(vocab_size, hidden_size)
        nn.init.normal_(self.word.weight, std=hidden_size**-0.5)

    def forward(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """input_ids (B, T), mask (B, T) -> hidden (B, T, D)."""
        hidden: Tensor = self.word(input_ids)
        return hidden

    def mean(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """`mean_pool(self(input_ids, mask), mask)` in one pass, without the (B, T, D) in between."""
        weight = mask.to(self.word.weight.dtype)
        total = F.embedding_bag(input_ids, self.word.weight, mode="sum", per_sample_weights=weight)  # (B, D)
        return total / weight.sum(dim=1, keepdim=True).clamp(min=1.0)

    def mean_of(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """`mean` of texts as they are, without padding: B lists of token ids -> (B, D)."""
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        flat = np.fromiter(itertools.chain.from_iterable(ids), np.int64, int(lengths.sum()))
        first = torch.from_numpy(lengths.cumsum() - lengths)  # (B,), where each text begins
        device = self.word.weight.device
        return F.embedding_bag(torch.from_numpy(flat).to(device), self.word.weight, first.to(device), mode="mean")

    @torch.no_grad()
    def scale_by_idf(self, ids: Sequence[Sequence[int]]) -> None:
        """Let training start where a mean makes sense: frequent tokens short, rare ones long.

            word[v] ← word[v] · idf_v / mean(idf),   idf_v = log(1 + N / (1 + n_v))

        In a mean of random vectors "the" counts as much as "eigenvalue". Training would learn better
        in time; this saves the time.

        Args:
            ids: the token ids of N texts; n_v of them hold token v.
        """
        V = self.word.num_embeddings
        n = np.zeros(V)
        for tokens in ids:
            n[list(set(tokens))] += 1
        idf = np.log1p(len(ids) / (1 + n))
        self.word.weight.mul_(torch.from_numpy(idf / idf.mean()).to(self.word.weight)[:, None])
