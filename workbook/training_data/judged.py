"""Judged data: a language model is asked whether a passage answers a query.

People who judge are slow, so a model is asked instead: to tell a hard negative from an answer that nobody labelled,
or to fill in judgements. What it says is an opinion. How often it is right is measured where the truth is known
(`workbook.data.planted`, the hand-written judgements of `toy`) before anything rests on it.

Taught in 09.
"""

import re
from collections.abc import Sequence


def judge_prompt(query: str, passage: str, examples: Sequence[tuple[str, str, bool]] = ()) -> str:
    """Ask whether a passage answers a query, for "yes" or "no".

    Args:
        query: what is sought.
        passage: what may answer it.
        examples: (query, passage, whether it answers), to show before.

    Source: Faggioli et al. 2023; Thomas et al. 2024 (language models as relevance judges).
    """
    shown = "".join(f"Query: {q}\nPassage: {p}\nAnswer: {'yes' if answers else 'no'}\n\n" for q, p, answers in examples)
    return (
        "Does the passage answer the query? Answer with one word, yes or no.\n\n"
        f"{shown}Query: {query}\nPassage: {passage}\nAnswer:"
    )


def parse_judgement(reply: str | None) -> bool | None:
    """What a reply says: True for yes, False for no.

    Args:
        reply: what came back; None where nothing did.
    Returns:
        None where its first word is neither.
    """
    said = re.match(r"\W*(yes|no)\b", reply or "", re.IGNORECASE)
    return said[1].lower() == "yes" if said else None
