"""judge: a few judgements of one's own, in the terminal, and what they say of the search.

WORK/judgements/SPLIT.json   every answer, written as soon as it is given

What the systems find is put in one pool and shuffled, so that nobody knows who found what; all of a pool is
judged, so the first k of every system are known. Then the questions become a split that `search` and `evaluate` know.

Source: pooling as in TREC, Voorhees and Harman 2005.
"""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from workbook.data import Collection
from workbook.data.collection import fingerprint
from workbook.pipeline.asking import found_by, marked, next_question
from workbook.pipeline.data_stage import data, read_texts
from workbook.pipeline.evaluate_stage import evaluate
from workbook.pipeline.manifests import read_json, runs_of
from workbook.pipeline.search_stage import search
from workbook.pipeline.stage import at_least, finished, remove
from workbook.support.files import write_json

KEYS = {"y": 1, "n": 0, "s": None}
Answers = dict[str, dict[str, int | None]]  # question -> passage id -> grade, or None where it was skipped


def judge(
    work: str | Path,
    split: str = "judged",
    judgements: int = 30,
    k: int = 3,
    systems: str | Sequence[str] = "bm25,dense,rrf",
    rerank: str | Path | None = None,
    show: bool | None = None,
    read: Callable[[str], str] = input,
) -> dict[str, Any]:
    """Ask for questions and judgements, and measure the systems by them.

    Args:
        work: the work folder, with an index.
        split: the name of the split that the judgements become. A second call goes on with it.
        judgements: how many to ask for; the last question is brought to its end.
        k: the first so many of each system are judged.
        systems, rerank: as in `workbook.pipeline.search`.
        show: whether to show progress; by default to a person only.
        read: where questions and answers come from. y is relevant, n is not, s skips a text, q stops.
    Returns:
        what `evaluate` returns.
    Raises:
        ValueError: a number is out of range, the split came with the data, or nothing was judged.
    """
    at_least(1, judgements=judgements, k=k)
    work = Path(work)
    if split in finished(work, "data", "data")["splits"]:
        raise ValueError(f"{work} has a split {split!r}, which came with its passages; give another name to judge")
    path = work / "judgements" / f"{split}.json"
    answers: Answers = read_json(path) if path.is_file() else {}
    print(f"{_count(answers)} of about {judgements} judgements are there. y relevant, n not, s skip, q stop.")
    question, goes_on = next(reversed(answers), ""), True  # the last one may be unfinished
    while goes_on:
        if question:
            found = found_by(work, [question], 100, systems, rerank, False)
            rows = {row for _, (_, rows) in found for row in rows[0, :k].tolist() if row >= 0}
            goes_on = _judge_pool(work, question, rows, answers, path, read)
        if goes_on:
            goes_on = _count(answers) < judgements and bool(question := next_question(read))
    qrels = {text: {id: grade for id, grade in one.items() if grade is not None} for text, one in answers.items()}
    qrels = {text: one for text, one in qrels.items() if one}
    if not qrels:
        raise ValueError(f"nothing was judged yet; run `python -m workbook judge {work}` again and answer y or n")
    queries = {f"q{number}": text for number, text in enumerate(qrels, start=1)}
    judged = {id: dict(qrels[text]) for id, text in queries.items()}
    splits = {split: tuple(queries)}
    made = Collection(split, {}, queries, judged, splits, "yours", fingerprint({}, queries, judged, splits))
    data(work, made, add=split, anew=True)
    for name in runs_of(work, split):  # of fewer judgements
        remove(work / "runs" / name, work / "evaluation" / name)
    search(work, split, systems, rerank, anew=True, show=show)
    result = evaluate(work, split, [f"ndcg@{k}", f"mrr@{k}", f"precision@{k}"], anew=True, show=show)
    if len(queries) < 50:
        few = f"{len(queries)} questions are few: an interval this wide tells large differences only."
        result["summary"] = f"{result['summary']}\n{few}"
    return result


def _judge_pool(
    work: Path, question: str, found: set[int], answers: Answers, path: Path, read: Callable[[str], str]
) -> bool:
    """Ask for what is not judged yet of the rows that were found for a question. Returns whether to go on."""
    pool = sorted(found)
    random.Random(question).shuffle(pool)
    corpus = read_texts(work, "corpus")
    given = answers.setdefault(question, {})
    left = [(id, text) for id, text in zip(corpus.ids_at(pool), corpus.texts_at(pool), strict=True) if id not in given]
    for number, (id, text) in enumerate(left, start=1):
        print(f"\n{question}\n[{number} of {len(left)}] {id}\n{marked(text, question)}")
        key = ""
        while key not in (*KEYS, "q"):
            try:
                key = read("relevant? y/n/s/q: ").strip().lower()[:1]
            except EOFError:
                key = "q"
        if key == "q":
            return False
        given[id] = KEYS[key]
        write_json(path, answers)
    return True


def _count(answers: Answers) -> int:
    return sum(grade is not None for one in answers.values() for grade in one.values())
