"""What recipes are trained on: texts, weak pairs and labelled pairs, none of them an evaluation text.

All of it is held in memory, and so are its token ids while a stage runs: a recipe in miniature goes through
its data many times, and mining and the sieves look texts up in any order. That is a few hundred bytes for each
pair, a gigabyte for some millions. Whoever has more gives each stage a part of it, in a folder of its own.

Taught in 11.
"""

import random
from dataclasses import dataclass, field

from workbook.data.collection import Collection
from workbook.pretraining.pairs import span_pairs
from workbook.training_data import decontaminate

Pair = tuple[str, str]
COPIED_WORDS = 50  # a run of so many words that stands in an evaluation text too is no coincidence


@dataclass(frozen=True)
class Sources:
    """What a recipe is trained on.

    Attributes:
        texts: passages without labels; hard negatives are mined among them too.
        weak: source -> pairs that nobody has judged.
        labelled: source -> pairs that somebody has.
        instructions: source -> what its queries ask for, in a sentence. The first labelled source says what
            the finished encoder is asked for.
        evaluation: texts that must not be among all these.
    """

    texts: list[str] = field(repr=False)
    weak: dict[str, list[Pair]] = field(repr=False)
    labelled: dict[str, list[Pair]] = field(repr=False)
    instructions: dict[str, str]
    evaluation: list[str] = field(default_factory=list, repr=False)

    def pairs(self, which: str) -> list[tuple[str, Pair]]:
        """(source, pair) of the "weak", the "labelled" or "all" pairs."""
        parts = {"weak": [self.weak], "labelled": [self.labelled], "all": [self.weak, self.labelled]}[which]
        return [(source, pair) for part in parts for source, pairs in part.items() for pair in pairs]


def sources(collection: Collection, labelled: float = 0.25, seed: int = 0, split: str = "train") -> Sources:
    """Make the data of a recipe out of one collection.

    A part of the training pairs is declared to be labelled, the others are weak pairs, and spans of the
    passages are a second weak source. So weak and labelled pairs are equally good here; in the world the
    weak ones are many and noisy. Passages and queries of the other splits, and what nearly repeats them,
    are left out.

    Args:
        collection: its training pairs are taken.
        labelled: share of the pairs that count as labelled.
        seed: decides which, and the spans.
        split: where the training pairs are.
    Returns:
        texts, pairs, and the evaluation texts that were left out.
    Raises:
        ValueError: labelled is no share between 0 and 1, or nothing is left to train on.
    """
    if not 0 < labelled < 1:
        raise ValueError(f"labelled must lie between 0 and 1, got {labelled}; a quarter is 0.25")
    others = (pair for other in collection.splits if other != split for pair in collection.pairs(other))
    evaluation = list(dict.fromkeys(text for pair in others for text in pair))
    pairs = collection.pairs(split)
    # Documentation shares phrases of a dozen words everywhere, so only a long run counts as a copy.
    clean = decontaminate(pairs, {str(i): text for i, text in enumerate(evaluation)}, ngram=COPIED_WORDS)
    pairs = [pairs[row] for row in clean.kept]
    texts = list(dict.fromkeys(passage for _, passage in pairs))
    cut = round(labelled * len(pairs))
    if not 0 < cut < len(pairs):
        raise ValueError(
            f"{collection.name} has {len(pairs)} training pairs that are no evaluation texts, too few for a labelled "
            f"and a weak part; give a larger collection, or another share than {labelled}"
        )
    random.Random(seed).shuffle(pairs)
    return Sources(
        texts,
        {"titles": pairs[cut:], "spans": span_pairs(texts, seed)},
        {"judged": pairs[:cut]},
        {
            "titles": "Given a title, retrieve the text that was written under it",
            "spans": "Given a part of a text, retrieve another part of the same text",
            "judged": "Given a search query, retrieve relevant passages that answer it",
        },
        evaluation,
    )
