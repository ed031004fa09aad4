"""ask: a question of one's own, and the texts that answer it best.

Letters: Q questions, K results.
"""

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from workbook.bm25 import STOP_WORDS, words
from workbook.pipeline.data_stage import read_texts
from workbook.pipeline.encoders import model_of
from workbook.pipeline.search_stage import chosen_systems
from workbook.pipeline.stage import at_least, finished
from workbook.pipeline.systems import Found, build_keywords, by_keywords, fused, passage_texts, read_reranker, reranked
from workbook.pipeline.vector_search import PROBES, check_vectors, search_exactly, search_index

SHOWN = 60  # words of a passage
POOL = 100  # results of each system that are fused
READ = 50  # of them that a cross-encoder reads


class Hit(NamedTuple):
    """One passage that was found.

    Attributes:
        id: of the passage.
        score: of the last system; comparable within one question.
        text: of the passage.
    """

    id: str
    score: float
    text: str


def ask(
    work: str | Path,
    questions: Sequence[str] = (),
    k: int = 5,
    systems: str | Sequence[str] = "dense",
    rerank: str | Path | None = None,
    show: bool | None = None,
    read: Callable[[str], str] = input,
) -> None:
    """Print the first texts for each question, with the words that they share; ask for questions if none is given.

    Args:
        work: the work folder, with an index; keywords alone need but the data. It needs no queries.
        questions: one or more.
        k: texts for each.
        systems, rerank: as in `workbook.pipeline.search`; the last one decides the order.
        show: whether to show progress; by default to a person only.
        read: where questions come from if none are given; an empty one ends.
    Raises:
        as `workbook.pipeline.search`.
    """
    at_least(1, k=k)
    for question in questions or iter(lambda: next_question(read), ""):
        (hits,) = find(work, [question], k, systems, rerank=rerank, show=show)
        print(f"\n{question}")
        for rank, hit in enumerate(hits, start=1):
            print(f"\n{rank}. {hit.id}  {hit.score:.3f}\n{marked(hit.text, question, bold=sys.stdout.isatty())}")
        if not hits:
            print("\nNothing was found: no text holds one of its words.")


def find(
    work: str | Path, questions: Sequence[str], k: int = 5, systems: str | Sequence[str] = "dense", **how: Any
) -> list[list[Hit]]:
    """The first k passages for each question, best first; arguments as in `ask`."""
    *_, (_, (scores, rows)) = found_by(work, questions, max(k, POOL), systems, **how)
    scores, rows = scores[:, :k], rows[:, :k]
    texts = passage_texts(str(work), rows)
    wanted = np.array(list(texts), dtype=np.int64)
    ids = dict(zip(texts, read_texts(work, "corpus").ids_at(wanted), strict=True))
    return [
        [Hit(ids[row], score, texts[row]) for row, score in zip(*line, strict=True) if row >= 0]
        for line in zip(rows.tolist(), scores.tolist(), strict=True)
    ]


def found_by(
    work: str | Path,
    questions: Sequence[str],
    k: int,
    systems: str | Sequence[str] = "dense",
    rerank: str | Path | None = None,
    show: bool | None = None,
) -> Iterable[tuple[str, Found]]:
    """The name of each system, and what it finds: scores and rows (Q, K). Nothing is written but the keyword index."""
    K, found = min(k, finished(work, "data", "data")["passages"]), {}
    for system in chosen_systems(systems):
        if system == "dense":
            kind = finished(work, "index", "index")["settings"]["kind"]
            check_vectors(work, show, with_index=True)
            q = model_of(work).encode_query(list(questions)).astype(np.float32)  # (Q, D)
            flat = kind == "flat"
            found[system] = search_exactly(str(work), q, K) if flat else search_index(str(work), q, K, PROBES, 4 * K)
        elif system == "bm25":
            build_keywords(work, show)
            found[system] = by_keywords(str(work), questions, K)
        else:
            found[system] = fused(list(found.values()), K)
    if rerank is not None:
        last = tuple(one[:, :READ] for one in list(found.values())[-1])
        texts = passage_texts(str(work), last[1])
        found["rerank"] = reranked(read_reranker(rerank), questions, texts, last, READ)  # type: ignore[arg-type]
    return found.items()


def marked(text: str, question: str, bold: bool = False) -> str:
    """The part of a text that holds most words of a question, each of them marked.

    >>> marked("Flour is kneaded with water.", "how is flour kneaded?")
    '*Flour* is *kneaded* with water.'
    """
    wanted = set(words(question)) - STOP_WORDS
    pieces = text.split()
    matches = [any(word in wanted for word in words(piece)) for piece in pieces]
    until_here = np.cumsum([0, *matches])
    starts = range(max(1, len(pieces) - SHOWN + 1))
    start = max(starts, key=lambda i: until_here[min(i + SHOWN, len(pieces))] - until_here[i])
    shown = " ".join(pieces[start : start + SHOWN])
    before, after = ("\033[1m", "\033[0m") if bold else ("*", "*")
    if wanted:
        shown = re.sub(rf"\b({'|'.join(map(re.escape, wanted))})\b", rf"{before}\1{after}", shown, flags=re.IGNORECASE)
    return f"{'… ' * (start > 0)}{shown}{' …' * (start + SHOWN < len(pieces))}"


def next_question(read: Callable[[str], str]) -> str:
    """The next question, "" at the end of the input."""
    try:
        return read("\nyour question (empty to end): ").strip()
    except EOFError:
        return ""
