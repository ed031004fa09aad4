"""Pairs without labels: two pieces of one text belong together, pieces of two texts do not.

Nothing but texts is needed, and the pairs go to the same trainer and the same loss as labelled ones:

    fit(encoder, inverse_cloze_pairs(texts))

    inverse cloze     a sentence, and the text around it                     Lee et al. 2019
    spans             two pieces of a text, cut out at random                Izacard et al. 2022
    title and body    what the author wrote above, and below                 Wang et al. 2022 (E5)

Every maker returns `Pairs`, drawn once from a seed: a list that also says of how many texts it was made, and why
the others gave nothing. `per_text` draws more than one from each text. Two pairs of one text in one batch would be
each other's false negatives, which is rare as long as a batch is small beside the number of texts.

Letters: N texts, L words of a text.

Taught in 10.
"""

import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise

import numpy as np

Pair = tuple[str, str]
FORMS = ("independent", "disjoint", "adjacent")
# What may end a sentence, with the blanks after it: a stop (1), one of scripts without blanks, an empty line; and
# the character that comes then (2), behind quotes and brackets.
STOP = r"""(?:([.!?])["'”’)\]`]*\s+|[。！？][”’」』）]*\s*|\n\s*\n\s*)(?=["'“‘(\[`]*(\w?))"""
ABBREVIATION = r"(cf|vs|approx|al|figs?|eqs?|dr|mrs?|ms|st|prof|([a-z]\.)*[a-z])\."  # and "e.g.", and initials


class Pairs(list[Pair]):
    """Pairs, and what became of the texts in which they were looked for.

    Attributes:
        counts: "gave a pair", or why there was none -> number of texts.
    """

    def __init__(self, pairs: Iterable[Pair] = (), counts: Mapping[str, int] | None = None):
        super().__init__(pairs)
        self.counts = Counter(counts or {})

    def warn_of_losses(self) -> "Pairs":
        """The pairs themselves, with a warning where most of the texts gave none."""
        gave, texts = self.counts["gave a pair"], self.counts.total()
        if 2 * gave < texts:
            reasons = ", ".join(f"{why} {n:,}" for why, n in self.counts.most_common() if why != "gave a pair")
            message = (
                f"only {gave:,} of {texts:,} texts gave a pair: {reasons}; span_pairs needs only two words of a text"
            )
            warnings.warn(message, stacklevel=3)
        return self


def pairs_from(texts: Iterable[str], make: Callable[[str], Pairs]) -> Pairs:
    """Look for pairs in many texts, with one of the makers of `workbook.training_data.structured`.

    Args:
        texts: N texts.
        make: text -> pairs.
    Returns:
        all pairs, with counts; a warning says if most of the texts gave none, and why.
    """
    found = Pairs()
    for text in texts:
        some = make(text)
        found += some
        found.counts.update({"gave a pair": 1} if some else some.counts or {"nothing found": 1})
    return found.warn_of_losses()


def sentence_starts(text: str) -> Iterator[int]:
    """The places where a sentence begins, except the first.

    One ends with a paragraph, with 。！？, or with . ! or ? before blanks. It does not end with an abbreviation or
    an initial, nor before lower case. The last holds only if capitals mark the sentences of this text, if as many
    of its sentences begin with one as not: in a text that was lower-cased none does.
    """
    text = text.rstrip()
    ends = []
    for stop in re.finditer(STOP, text):
        before = text[max(0, stop.start() - 15) : stop.start() + 1].split()
        abbreviated = stop[1] == "." and re.fullmatch(ABBREVIATION, before[-1].lstrip("(\"'[").lower())
        is_paragraph = stop[0].count("\n") > 1
        if stop.end() < len(text) and (is_paragraph or not abbreviated):
            ends.append((stop.end(), stop[2], is_paragraph or not stop[1]))
    begins = (re.findall(r"\w", text[:10])[:1] or [""]) + [character for _, character, _ in ends]
    marked = sum(map(str.isupper, begins)) >= sum(map(str.islower, begins))
    yield from (place for place, character, certain in ends if certain or not (marked and character.islower()))


def split_sentences(text: str) -> list[str]:
    """Cut a text into sentences, by the rules of `sentence_starts`.

    So "e.g. the" and "Dr. Who" stay whole, and "vitamin C. Then" does too: for pairs out of running text, a wrong
    cut now and then costs little.

    Args:
        text: any text, also one in lower case or in capitals throughout.
    Returns:
        the sentences without blanks around them; none for an empty text.
    """
    text = text.strip()
    places = [0, *sentence_starts(text), len(text)]
    return [text[start:end].strip() for start, end in pairwise(places) if text[start:end].strip()]


def inverse_cloze(text: str, rng: np.random.Generator, removal: float = 0.9) -> Pair | None:
    """Take one sentence for a query and the text around it for its passage.

    In nine of ten cases the sentence is taken out of the passage, so that the match has to come from
    what is said; in the tenth it stays, and teaches that the same words are worth something too.

    Args:
        text: a passage of two sentences or more.
        rng: draws the sentence, and whether it goes.
        removal: probability that the sentence is taken out.
    Returns:
        (sentence, passage), or None where the text is a single sentence.

    Source: Lee et al. 2019 (ORQA); Chang et al. 2020.
    """
    sentences = split_sentences(text)
    if len(sentences) < 2:
        return None
    chosen = int(rng.integers(len(sentences)))
    goes = rng.random() < removal
    return sentences[chosen], " ".join(s for i, s in enumerate(sentences) if i != chosen or not goes)


def draw_spans(
    length: int,
    rng: np.random.Generator,
    form: str = "independent",
    shares: tuple[float, float] = (0.05, 0.5),
) -> tuple[slice, slice]:
    """Choose two spans of a text of L words.

    Each takes a share of the words that is uniform between the two `shares`, one word at least. Where they
    may lie depends on the form:

        independent   anywhere, one without regard to the other; they may overlap
        disjoint      anywhere, without a word in common; which of the two comes first is chance
        adjacent      the second begins where the first ends

    Args:
        length: L, two words or more.
        rng: draws lengths and places.
        form: one of the three.
        shares: smallest and largest share of the text; at most a half where spans must not overlap.
    Returns:
        two slices of the words.
    Raises:
        ValueError: the text is too short, the form unknown, or a share out of range.

    Source: Izacard et al. 2022 (Contriever) for independent crops of 5 to 50 %; Iter et al. 2020 (ConPono)
    learns from neighbours, with more distances and hard negatives.
    """
    low, high = shares
    if form not in FORMS or not 0 <= low <= high <= (1.0 if form == "independent" else 0.5):
        raise ValueError(
            f"form must be one of {', '.join(FORMS)} and shares rise from 0 or more to at most 1 (0.5 where spans do "
            f"not overlap), got {form!r} and {shares}"
        )
    if length < 2:
        raise ValueError(f"a text must have at least 2 words to hold two spans, got {length}; leave it out")
    a, b = (max(1, int(length * rng.uniform(low, high))) for _ in range(2))
    if form == "independent":
        starts = (int(rng.integers(length - a + 1)), int(rng.integers(length - b + 1)))
    elif form == "adjacent":
        before = int(rng.integers(length - a - b + 1))
        starts = (before, before + a)
    else:
        # Each span shrunk to a point and each free word kept: two of the places, every two alike.
        before, until = sorted(int(x) for x in rng.choice(length - a - b + 2, size=2, replace=False))
        starts = (before, until - 1 + a)
    first, second = slice(starts[0], starts[0] + a), slice(starts[1], starts[1] + b)
    return (second, first) if form == "disjoint" and rng.random() < 0.5 else (first, second)


def drop_words(words: Sequence[str], rng: np.random.Generator, rate: float = 0.1) -> list[str]:
    """Leave out each word with probability `rate`, but never the last that is left.

    Args:
        words: L words, one or more.
        rng: draws which go.
        rate: share of the words to leave out.

    Source: Izacard et al. 2022, who delete a tenth of the tokens.
    """
    kept = rng.random(len(words)) >= rate
    if not kept.any():
        kept[rng.integers(len(words))] = True
    return [word for word, stays in zip(words, kept, strict=True) if stays]


def span_pair(
    text: str,
    rng: np.random.Generator,
    form: str = "independent",
    shares: tuple[float, float] = (0.05, 0.5),
    deletion: float = 0.1,
) -> Pair | None:
    """Cut two spans out of a text and drop words from each.

    Args:
        text: a passage; words are what stands between blanks.
        rng: draws spans and dropped words.
        form, shares: as in `draw_spans`.
        deletion: share of the words of each span to drop.
    Returns:
        the two spans, or None where the text has fewer than two words.

    Source: Izacard et al. 2022.
    """
    words = text.split()
    if len(words) < 2:
        return None
    first, second = (drop_words(words[span], rng, deletion) for span in draw_spans(len(words), rng, form, shares))
    return " ".join(first), " ".join(second)


def inverse_cloze_pairs(texts: Sequence[str], seed: int = 0, removal: float = 0.9, per_text: int = 1) -> Pairs:
    """`inverse_cloze` over many texts; those of a single sentence give no pair.

    Args:
        texts: N passages. Keep evaluation texts out of them (`workbook.training_data.decontaminate`).
        seed: decides the sentences.
        removal: probability that a sentence is taken out of its passage.
        per_text: pairs from each text.
    Returns:
        up to N · per_text pairs (sentence, passage), the texts in their order, with counts; a warning says if most
        of the texts gave none.
    Raises:
        ValueError: removal is not a probability or per_text not positive.
    """
    if not 0 <= removal <= 1:
        raise ValueError(f"removal must lie between 0 and 1, got {removal}; Lee et al. take 0.9")
    make = partial(inverse_cloze, removal=removal)
    return _from_each(texts, make, seed, per_text, "of a single sentence").warn_of_losses()


def span_pairs(
    texts: Sequence[str],
    seed: int = 0,
    form: str = "independent",
    shares: tuple[float, float] = (0.05, 0.5),
    deletion: float = 0.1,
    per_text: int = 1,
) -> Pairs:
    """`span_pair` over many texts; those of fewer than two words give no pair.

    Args:
        texts: N passages. Keep evaluation texts out of them (`workbook.training_data.decontaminate`).
        seed: decides the spans.
        form: "independent", "disjoint" or "adjacent".
        shares: smallest and largest share of a text that a span takes.
        deletion: share of the words to drop from each span.
        per_text: pairs from each text.
    Returns:
        up to N · per_text pairs (span, span), the texts in their order, with counts.
    Raises:
        ValueError: the form is unknown or a number out of range.

    Relations: Ma et al. 2022 (contrastive span prediction) hold each span against its whole text, within one
    forward pass; here both sides are texts, as the trainer has them.
    """
    if not 0 <= deletion < 1:
        raise ValueError(f"deletion must be at least 0 and below 1, got {deletion}; a tenth is 0.1")
    draw_spans(2, np.random.default_rng(0), form, shares)  # says what is wrong before any text is read
    make = partial(span_pair, form=form, shares=shares, deletion=deletion)
    return _from_each(texts, make, seed, per_text, "of fewer than two words").warn_of_losses()


def title_body_pairs(items: Iterable[Pair]) -> Pairs:
    """Clean pairs of title and body, such as `collection.pairs("train")`.

    A body that begins with its title would teach copying, so that beginning is cut off. A pair without
    anything on one of its sides is left out.

    Args:
        items: (title, body) texts.
    Returns:
        the pairs that are left, in their order, with counts.

    Source: title and body are the most common weak pairs: Wang et al. 2022 (E5); Li et al. 2023 (GTE). Near to it is
    body first selection (Chang et al. 2020), where a sentence of a page's first section takes the title's place.
    """
    pairs = Pairs()
    for title, body in items:
        title, body = title.strip(), body.strip()
        if title and body.lower().startswith(title.lower()):
            body = body[len(title) :].lstrip(" \t\r\n.:;,-–—")
        if title and body:
            pairs.append((title, body))
        pairs.counts["without a body" if title and not body else "gave a pair" if title else "without a title"] += 1
    return pairs.warn_of_losses()


def _from_each(
    texts: Sequence[str],
    make: Callable[[str, np.random.Generator], Pair | None],
    seed: int,
    per_text: int,
    without: str,
) -> Pairs:
    """Draw pairs text by text; what one text gives depends on no other. `without` says why it gives none."""
    if isinstance(texts, str) or per_text < 1:
        raise ValueError(f"expected a list of texts and per_text of at least 1, got {type(texts).__name__}, {per_text}")
    found = Pairs()
    for number, text in enumerate(texts):
        drawn = (make(text, np.random.default_rng([seed, number, again])) for again in range(per_text))
        some = [pair for pair in drawn if pair is not None]
        found += some
        found.counts["gave a pair" if some else without] += 1
    return found
