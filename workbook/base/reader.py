"""The cross-encoder of the base: the base's own two readings side by side, and doors through which they may look.

A cross-encoder from nothing must first learn again what the base knows, and a chapter's minute is too short for it.
This one begins as the base. Query and passage stand in one input as two texts, each numbered from its own first token:

    [CLS] query [SEP]  [CLS] passage [SEP]        positions 0 1 2 …  0 1 2 …

With a wall between them the two means are the base's own vectors. Each head of each layer has a door in it:

    attn_scores = Q Kᵀ / √S + door + match        in the cells across; match where the two tokens are the same

    score = apart · cos(q, p) + together · cos(q', p') + Σ weight_t        q, p behind the wall, with the base's weights,
                                                                            q', p' through the doors,
                                                                            t: tokens of the query that stand in the passage

Letters: N pairs, B pairs in a batch, T tokens of both texts, L layers, H heads, D hidden size, V tokens.

Taught in 15.
"""

import copy
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from workbook.encoder import TextEncoder, TransformerEncoder, by_length, evaluating
from workbook.support.checks import check_positive
from workbook.train import History, hash_of_columns, optimize

Pair = tuple[str, str]
QUERY_LENGTH, PASSAGE_LENGTH = 40, 160  # tokens that are read together; the base's own vectors have read more
MATCH = 4.0  # what a token of the same id is worth at first, in every second head; the others are left to learn
APART, TOGETHER = 10.0, 20.0  # of the two cosines, at first
QUICK = 10.0  # the numbers that the base does not have move so many times faster than its matrices
AT_A_TIME = 16  # pairs that go through the layers together in training


class ReadingList(NamedTuple):
    """A query, passages that the base finds for it, and what a reader is to say of each.

    Attributes:
        query: a text.
        passages: M texts.
        labels: M logits of the share that each passage ought to have.
    """

    query: str
    passages: Sequence[str]
    labels: Sequence[float]


class Reader(nn.Module):
    """Two texts in, one logit out; larger is more relevant.

    Args:
        base: the bi-encoder that it begins as. It is not changed, and read apart it stays as it is.
        wall: layers, from the first, in which no token looks across. 0 is a cross-encoder, L reads apart.
    Raises:
        ValueError: the wall is higher than the base, or the base is no transformer.

    Source: Nogueira and Cho 2019 for reading together; MacAvaney et al. 2020 (PreTTR) for the wall.
    """

    def __init__(self, base: TextEncoder, wall: int = 0):
        super().__init__()
        if not isinstance(base.backbone, TransformerEncoder):
            raise ValueError(f"a reader needs a transformer to look across, got a {type(base.backbone).__name__}")
        layers, heads = (base.backbone.config[name] for name in ("num_layers", "num_heads"))
        if not 0 <= wall <= layers:
            raise ValueError(f"wall must be between 0 and the base's {layers} layers, got {wall}")
        self.wall = wall
        self.read_apart = base.encode_query, base.encode_document  # in a tuple, so the base is no part of this module
        self.backbone = copy.deepcopy(base.backbone).requires_grad_(False)
        for part in (self.backbone.embeddings.norm, self.backbone.blocks):
            part.requires_grad_(True)  # words and positions stay the base's
        self.tokenizer = Tokenizer.from_str(base.tokenizer.to_str())
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.special = frozenset(self.tokenizer.get_added_tokens_decoder())
        self.prompts = base.query_prompt, base.document_prompt
        self.whole_ids = lru_cache(maxsize=50_000)(lambda text: tuple(self.tokenizer.encode(text).ids))

        self.shares = nn.Parameter(torch.tensor([APART, TOGETHER]) / QUICK)
        self.door = nn.Parameter(torch.zeros(layers, heads))
        self.match = nn.Parameter(torch.zeros(layers, heads))
        self.weigh = nn.Linear(self.backbone.hidden_size, 1)
        self.rarity = nn.Parameter(torch.ones(base.tokenizer.get_vocab_size()), requires_grad=False)  # (V,)
        with torch.no_grad():
            self.match[:, ::2] = MATCH / QUICK
            self.weigh.weight.zero_()
            self.weigh.bias.fill_(math.log(math.expm1(0.01 * APART)) / QUICK)  # as BM25 that is added to a cosine

    @torch.no_grad()
    def count_words(self, texts: Iterable[str]) -> "Reader":
        """Take each token's rarity from texts: ln((N + 1) / (1 + those that it stands in))."""
        counts: Counter[int] = Counter()
        number = 0
        for text in texts:
            counts.update(set(self.whole_ids(text)))
            number += 1
        self.rarity.copy_(torch.tensor([math.log((number + 1) / (1 + counts[i])) for i in range(len(self.rarity))]))
        return self

    def forward(self, input_ids: Tensor, positions: Tensor, sides: Tensor, cosines: Tensor, meets: Tensor) -> Tensor:
        """The logits of a batch, (B,).

        Args:
            input_ids, positions: (B, T) token ids, and each one's number in its own text.
            sides: (B, T), 0 in the query, 1 in the passage, -1 for padding.
            cosines: (B,), of the texts read apart.
            meets: (B, T), 1 at a query's token that stands anywhere in the passage, read or not.
        """
        words = self.backbone.embeddings
        hidden = words.norm(words.word(input_ids) + words.position(positions) + words.segment.weight[0])  # (B, T, D)
        real = (sides >= 0)[:, None, None, :]  # (B, 1, 1, T): nobody looks at padding
        across = (sides[:, :, None] != sides[:, None, :])[:, None]  # (B, 1, T, T)
        same = (input_ids[:, :, None] == input_ids[:, None, :])[:, None] & across & self._contentful(input_ids)
        for layer, block in enumerate(self.backbone.blocks):
            door, match = (QUICK * x[layer][:, None, None] for x in (self.door, self.match))  # (H, 1, 1)
            shut = across & (sides[:, None, :, None] >= 0) if layer < self.wall else torch.zeros_like(across)
            scores = (across * door + same * match).masked_fill(shut | ~real, -1e9)  # (B, H, T, T), added to Q Kᵀ / √S
            hidden = block(hidden, scores)
        hidden = hidden.float()
        query, passage = (_mean(hidden, sides == side) for side in (0, 1))  # (B, D), each of length 1
        weights = F.softplus(QUICK * self.weigh(hidden)[..., 0].float()) * self.rarity[input_ids]  # (B, T)
        apart, together = QUICK * self.shares
        score: Tensor = apart * cosines + together * (query * passage).sum(dim=1) + (weights * meets).sum(dim=1)
        return score

    def _contentful(self, input_ids: Tensor) -> Tensor:
        """(B, 1, T, 1): whether a token stands for text; [CLS] meets its like in every passage."""
        special = torch.tensor(sorted(self.special), device=input_ids.device)
        return ~torch.isin(input_ids, special)[:, None, :, None]

    def batch(self, pairs: Sequence[Pair], cosines: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """What `forward` takes: N pairs, and the cosine of each read apart."""
        asked, said = self.prompts
        whole = [(self.whole_ids(asked + query), self.whole_ids(said + passage)) for query, passage in pairs]
        read = [(_cut(query, QUERY_LENGTH), _cut(passage, PASSAGE_LENGTH)) for query, passage in whole]
        shape = len(pairs), max(len(query) + len(passage) for query, passage in read)
        input_ids, positions, sides = np.zeros(shape, int), np.zeros(shape, int), np.full(shape, -1)
        meets = np.zeros(shape, np.float32)
        for row, (query, passage) in enumerate(read):
            n, end = len(query), len(query) + len(passage)
            input_ids[row, :n], input_ids[row, n:end] = query, passage
            positions[row, :n], positions[row, n:end] = np.arange(n), np.arange(end - n)
            sides[row, :n], sides[row, n:end] = 0, 1
            there = set(whole[row][1]) - self.special
            meets[row, :n] = [token in there for token in query]
        ids, places, texts, met = (torch.from_numpy(x) for x in (input_ids, positions, sides, meets))
        return ids, places, texts, cosines, met

    @torch.no_grad()
    def cosines(self, pairs: Sequence[Pair]) -> Tensor:
        """The cosine of each pair read apart, by the base, (N,); every text is read once."""
        columns = [list(dict.fromkeys(column)) for column in zip(*pairs, strict=True)]
        query, passage = (
            dict(zip(texts, torch.from_numpy(np.asarray(read(texts))), strict=True))
            for read, texts in zip(self.read_apart, columns, strict=True)
        )
        return torch.stack([query[q] @ passage[p] for q, p in pairs])

    @torch.no_grad()
    def predict(self, pairs: Sequence[Pair], batch_size: int = 32) -> np.ndarray:
        """The score of each pair, as a logit.

        Args:
            pairs: N tuples (query, passage).
            batch_size: pairs that are read at a time, of similar length.
        Returns:
            (N,) float32, in the order of `pairs`.
        Raises:
            ValueError: batch_size is not positive.
        """
        check_positive(batch_size=batch_size)
        scores = np.zeros(len(pairs), dtype=np.float32)
        if not pairs:
            return scores
        apart = self.cosines(pairs)
        read = [self.whole_ids(passage)[:PASSAGE_LENGTH] for _, passage in pairs]
        with evaluating(self):
            for rows in by_length(read, batch_size):
                batch = self.batch([pairs[row] for row in rows], apart[torch.as_tensor(rows)])
                scores[rows] = self(*batch).float().numpy()
        return scores


def fit_reader(
    reader: Reader,
    lists: Sequence[ReadingList],
    steps: int,
    batch_size: int,
    lr: float,
    seed: int,
    work: Path | None = None,
) -> History:
    """Train a reader towards the shares that lists give their passages.

        loss = mean over lists of -Σ softmax(labels)_i · log softmax(scores)_i

    Args:
        reader: changed in place.
        lists: of equally many passages each.
        steps, batch_size, lr, seed: as in `workbook.train.optimize`; batch_size counts lists.
        work: a folder for checkpoints.
    Source: Cao et al. 2007 (ListNet); with one label that is certain, the cross-entropy of picking that passage.
    """
    pairs = [(row.query, passage) for row in lists for passage in row.passages]
    wanted = torch.tensor([row.labels for row in lists]).softmax(dim=1)  # (lists, M)
    size = wanted.shape[1]
    cosines = reader.cosines(pairs)
    lengths = np.array([len(reader.whole_ids(passage)[:PASSAGE_LENGTH]) for _, passage in pairs])

    def loss_of(rows: np.ndarray) -> Tensor:
        places = (rows[:, None] * size + np.arange(size)).ravel()
        order = np.argsort(lengths[places], kind="stable")
        groups = np.array_split(places[order], math.ceil(len(places) / AT_A_TIME))
        with torch.autocast("cpu", torch.bfloat16):
            scores = [reader(*reader.batch([pairs[i] for i in group], cosines[group])) for group in groups]
        in_lists = torch.cat(scores)[np.argsort(order)].view(len(rows), size)
        return F.cross_entropy(in_lists, wanted[rows])

    settings = {"dtype": "torch.bfloat16", "data": hash_of_columns([[wanted.flatten(), cosines]]), "wall": reader.wall}
    longest = lengths.reshape(len(lists), size).max(axis=1)
    return optimize(reader, loss_of, longest, steps, batch_size, lr, seed, settings=settings, checkpoint=work)


def _mean(hidden: Tensor, chosen: Tensor) -> Tensor:
    """The mean of the chosen tokens, of length 1: hidden (B, T, D), chosen (B, T) -> (B, D)."""
    return F.normalize((hidden * chosen[..., None]).sum(dim=1), dim=-1)


def _cut(ids: Sequence[int], length: int) -> Sequence[int]:
    """The first tokens, and the last one, which says that the text ends."""
    return ids if len(ids) <= length else [*ids[: length - 1], ids[-1]]
