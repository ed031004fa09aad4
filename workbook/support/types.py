"""The words that concepts share: what a run is, and what a thing must be able to do to be used as one.

A Protocol asks for methods, not for a class: whatever has them fits, ours or another library's.

Letters: Q queries, N texts, B texts in a batch, T token positions, D dimensions, K results.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from torch import Tensor
from torch.nn import Parameter

Corpus = Mapping[str, str]  # passage id -> text
Queries = Mapping[str, str]  # query id -> text
Qrels = Mapping[str, Mapping[str, int]]  # query id -> passage id -> grade
Run = Mapping[str, Mapping[str, float]]  # query id -> passage id -> score, best first


class Shown(NamedTuple):
    """A hit that was shown to somebody once: a line of a click log.

    Attributes:
        query, passage: texts or ids, as the log has them.
        position: 1 is on top; 0 where the log does not say.
        clicked: whether it was clicked; True where the log holds clicks alone.
    """

    query: str
    passage: str
    position: int
    clicked: bool


class Encoder(Protocol):
    """Embeds queries and documents: N texts -> (N, D). `TextEncoder`, `DualEncoder`, sentence-transformers' models."""

    @property  # read as a Callable: libraries name the texts differently, and take options of their own
    def encode_query(self) -> Callable[..., np.ndarray]:
        """N queries -> (N, D)."""

    @property
    def encode_document(self) -> Callable[..., np.ndarray]:
        """N documents -> (N, D)."""


class Backbone(Protocol):
    """Gives each token its vector: input_ids (B, T), mask (B, T) -> hidden (B, T, D)."""

    hidden_size: int

    def __call__(self, input_ids: Tensor, mask: Tensor, /) -> Tensor: ...


@runtime_checkable
class StaticBackbone(Protocol):
    """A backbone in which a token's vector is always the same, so that a mean needs no padding. `StaticEncoder`."""

    def mean(self, input_ids: Tensor, mask: Tensor, /) -> Tensor: ...

    def mean_of(self, ids: Sequence[Sequence[int]], /) -> Tensor: ...


class PaddedEncoder(Protocol):
    """What training asks of an encoder: strings to token ids, padded ids to vectors. `TextEncoder`, `SpladeEncoder`.

    Where its backbone is a `StaticBackbone`, texts of any length are read together at no cost.
    """

    query_prompt: str
    document_prompt: str
    pad_id: int
    padding_side: str

    @property
    def backbone(self) -> object: ...

    def parameters(self) -> Iterator[Parameter]: ...

    def tokenize(self, texts: Sequence[str], /) -> tuple[Tensor, Tensor]: ...

    def __call__(self, input_ids: Tensor, mask: Tensor, /) -> Tensor: ...


class VectorIndex(Protocol):
    """Finds the nearest of many vectors, with faiss' calls."""

    @property
    def ntotal(self) -> int:
        """How many vectors it holds."""

    def add(self, x: np.ndarray, /) -> None:
        """Take N more vectors, (N, D)."""

    def search(self, q: np.ndarray, k: int, /) -> tuple[np.ndarray, np.ndarray]:
        """(Q, D) -> scores or distances (Q, K), best first, and row numbers (Q, K), -1 where there is none."""


class Reranker(Protocol):
    """Reads a query and a passage together: N pairs -> (N,) scores. `CrossEncoder`, sentence-transformers' as well."""

    def predict(self, pairs: Sequence[tuple[str, str]], /) -> np.ndarray:
        """N pairs of query and passage -> (N,), higher is better."""
