"""From text to words: what counts as one, which are left out, and how they are cut down to their stems.

BM25 counts such words; whatever else compares texts word by word takes them from here.

Taught in 03.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

# The 33 words that Lucene leaves out of English by default, and bm25s with it.
STOP_WORDS = frozenset(
    ("a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no", "not", "of",
     "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to", "was", "will", "with")
)  # fmt: skip


def words(text: str) -> list[str]:
    """Lowercase runs of letters, digits and underscores, two characters or more."""
    return re.findall(r"\b\w\w+\b", text.lower())


class Words:
    """Words without stop words, and cut down to their stems: "running" and "runs" meet at "run".

        BM25(tokenize=Words(stop_words="english", stemmer="english"))

    Args:
        stop_words: "english" (`STOP_WORDS`), or words of your own; none by default.
        stemmer: "english" or another language of the Snowball stemmers (the package PyStemmer), or a function
            of your own from word to stem; none by default.
    Raises:
        ValueError: there is no such list or no stemmer for that language.
        ImportError: PyStemmer is not installed.

    Stop words are left out before stemming, as in bm25s. Source: Porter 2001 for the stemmers.
    """

    def __init__(self, stop_words: str | Iterable[str] = (), stemmer: str | Callable[[str], str] | None = None):
        if isinstance(stop_words, str):
            if stop_words != "english":
                raise ValueError(f"no list of stop words for {stop_words!r}; expected 'english', or words of your own")
            stop_words = STOP_WORDS
        self.stop_words = frozenset(stop_words)
        self.stemmer = stemmer
        self._stem = _snowball(stemmer) if isinstance(stemmer, str) else stemmer
        self._stems: dict[str, str] = {}

    def __call__(self, text: str) -> list[str]:
        found = [word for word in words(text) if word not in self.stop_words]
        if self._stem is None:
            return found
        stems = self._stems  # a word is stemmed once, however often it comes
        for word in found:
            if word not in stems:
                stems[word] = self._stem(word)
        return [stems[word] for word in found]

    def __reduce__(self) -> Any:  # a Snowball stemmer cannot be sent to another process; its name can
        return Words, (self.stop_words, self.stemmer)


def _snowball(language: str) -> Callable[[str], str]:
    try:
        import Stemmer
    except ImportError as error:
        raise ImportError(
            f"the {language} stemmer is in the package PyStemmer, which is not installed; pip install PyStemmer, or pass "
            "stemmer=None"
        ) from error
    if language not in Stemmer.algorithms():
        raise ValueError(f"no stemmer for {language!r}; expected one of {', '.join(Stemmer.algorithms())}")
    stem: Callable[[str], str] = Stemmer.Stemmer(language).stemWord
    return stem
