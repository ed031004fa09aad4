"""What can be chosen about a planted corpus.

Taught in 09.
"""

from dataclasses import dataclass

MAX_PASSAGES = 1 << 24


@dataclass(frozen=True)
class Settings:
    """What the texts, the labels and the truth of a corpus follow from.

    Attributes:
        num_passages: N. The first passages are the same at every size.
        seed: another seed is another world.
        mean_words: of a passage, boilerplate included; 15 or more.
        near_duplicates: share of the passages that repeat another one almost word for word.
        traps: share of the passages that speak of their fact without stating it.
        drift: how strongly the mix of topics changes along the corpus, 0 to 1.
        unlabelled: share of the true matches that the training labels leave out; the passage that a
            query was written for is never left out.
        label_noise: share of the training labels that name a wrong passage.
        num_queries: how many queries; None for half as many as passages, at most 100,000, and no more than
            there are facts to ask for.
    """

    num_passages: int = 10_000
    seed: int = 0
    mean_words: float = 55.0
    near_duplicates: float = 0.05
    traps: float = 0.15
    drift: float = 0.5
    unlabelled: float = 0.3
    label_noise: float = 0.05
    num_queries: int | None = None

    def __post_init__(self) -> None:
        _whole("num_passages", self.num_passages, 1, MAX_PASSAGES)
        _whole("seed", self.seed, 0, 2**63 - 1)
        _within("mean_words", self.mean_words, 15, 2000)
        _within("near_duplicates", self.near_duplicates, 0, 0.5)
        for name in ("traps", "drift", "unlabelled", "label_noise"):
            _within(name, getattr(self, name), 0, 1)
        for name in ("mean_words", "near_duplicates", "traps", "drift", "unlabelled", "label_noise"):
            object.__setattr__(self, name, float(getattr(self, name)))  # 0 and 0.0 are one corpus with one fingerprint
        if self.num_queries is not None:
            _whole("num_queries", self.num_queries, 1, MAX_PASSAGES)


def _whole(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} must be a whole number from {least:,} to {most:,}, got {value!r}")


def _within(name: str, value: object, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{name} must lie between {least} and {most:,}, got {value!r}")
