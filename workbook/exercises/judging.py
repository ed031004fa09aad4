"""Judging by hand: a few mined negatives, spread over the ranks, or the first hits of systems that are compared.

    judge_negatives(found, queries, corpus, truth)
    judge_hits({"BM25": run, "encoder": other}, queries, corpus, keep="judged.json")

In front of a person each candidate comes with two buttons, which the keyboard reaches as well; after the last the
result and its interval stand beside the truth, where that is known. Everywhere else the same candidates stand in a
list, and each unfolds to the truth.

Taught in 09 and 19.
"""

import html
import json
import random
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from workbook.metrics.ranking import ranked_ids
from workbook.metrics.significance import Interval, bootstrap_ci
from workbook.mining import STRATA, Candidates, strata_of, stratified_rate, stratified_sample
from workbook.support.checks import check_positive
from workbook.support.files import write_json
from workbook.support.frontend import in_notebook, is_live
from workbook.support.page import LIVE, STORED, page_style
from workbook.support.types import Corpus, Queries, Run

Remember = Callable[[int, bool | None], None]  # the number of a candidate and what was said of it, None if taken back
Truth = Mapping[str, Mapping[str, int]]  # query id -> passage id -> grade


class Candidate(Protocol):
    """A passage beside a query, and whether it is an answer; None where nobody knows."""

    @property
    def query(self) -> str: ...
    @property
    def passage(self) -> str: ...
    @property
    def right(self) -> bool | None: ...


class Check(Protocol):
    """What is to be judged, one candidate after the other, and what the judgements say."""

    @property
    def candidates(self) -> Sequence[Candidate]: ...

    def told(self, said: Sequence[bool]) -> str:
        """The result in a sentence or more; `said` in the order of the candidates, all of them."""


class ToJudge(NamedTuple):
    """One candidate that is to be judged.

    Attributes:
        stratum: the number of its stratum.
        query, passage: the texts.
        right: whether the passage answers the query in truth; None where nobody knows.
    """

    stratum: int
    query: str
    passage: str
    right: bool | None


class SpotCheck(NamedTuple):
    """What is to be judged, and what is known of all candidates.

    Attributes:
        candidates: those to be judged, in an order that does not tell their rank.
        sizes: how many candidates each stratum has.
        truth: the share of false negatives among all of them; None where nobody knows.
    """

    candidates: list[ToJudge]
    sizes: list[int]
    truth: float | None

    def rate(self, said: Sequence[bool]) -> Interval:
        """The rate that judgements give, in the order of the candidates."""
        strata: list[list[bool]] = [[] for _ in self.sizes]
        for candidate, right in zip(self.candidates, said, strict=True):
            strata[candidate.stratum].append(right)
        return stratified_rate(self.sizes, strata)

    def told(self, said: Sequence[bool]) -> str:
        """What the judgements say, beside the truth."""
        rate = self.rate(said)
        yours = f"You: {rate.mean:.3f} of all candidates are right answers, interval [{rate.low:.3f}, {rate.high:.3f}]."
        if self.truth is None:
            return yours
        holds = "holds" if rate.low <= self.truth <= rate.high else "does not hold"
        return f"{yours} Truth: {self.truth:.3f}; your interval {holds} it. {_otherwise(self.candidates, said)}"


class Hit(NamedTuple):
    """A passage among the first of some system, which is to be judged.

    Attributes:
        query_id, passage_id: as in the runs.
        query, passage: the texts.
        right: whether the passage answers the query in truth; None where nobody knows.
    """

    query_id: str
    passage_id: str
    query: str
    passage: str
    right: bool | None


class Pool(NamedTuple):
    """The first hits of all systems that are compared, with nothing that tells who found which.

    Attributes:
        candidates: hits, those of one query together.
        first: system -> query id -> its first k passage ids.
        k: how many of each system are judged.
    """

    candidates: list[Hit]
    first: Mapping[str, Mapping[str, Sequence[str]]]
    k: int

    def precision(self, said: Sequence[bool]) -> dict[str, np.ndarray]:
        """Precision@k of each query, (Q,) for each system: nothing among the first k is unjudged, so it is no bound."""
        right = {(hit.query_id, hit.passage_id): yes for hit, yes in zip(self.candidates, said, strict=True)}
        return {
            name: np.array([sum(right[q, p] for p in ids) / self.k for q, ids in of_queries.items()])
            for name, of_queries in self.first.items()
        }

    def told(self, said: Sequence[bool]) -> str:
        """Each system, and what the last has more than each of the others, with intervals over the queries."""
        values = self.precision(said)
        means = ", ".join(f"{name} {bootstrap_ci(each)}" for name, each in values.items())
        *others, last = values
        more = "; ".join(f"{last} minus {name} {bootstrap_ci(values[last] - values[name])}" for name in others)
        known = [hit.right for hit in self.candidates if hit.right is not None]
        beside = ""
        if len(known) == len(self.candidates):
            truth = self.precision(known)
            in_truth = "; ".join(f"{(truth[last] - truth[name]).mean():+.3f}" for name in others)
            beside = f" By the truth: {in_truth}. {_otherwise(self.candidates, said)}"
        queries = len(values[last])
        few = " So few tell large differences only." if queries < 50 else ""
        return f"Precision@{self.k}: {means}. {more}, {queries} queries.{few}{beside}"


def spot_check(
    found: Candidates,
    queries: Mapping[str, str],
    corpus: Mapping[str, str],
    truth: Truth | None = None,
    num: int = 30,
    seed: int = 0,
    strata: Sequence[tuple[int, int]] = STRATA,
) -> SpotCheck:
    """Draw candidates from each stratum of ranks.

    Args:
        found: the candidates.
        queries, corpus: the texts.
        truth: all answers of each query; None where nobody knows them.
        num: how many to judge.
        seed: of the drawing.
        strata: first and last rank of each.
    """
    places, rows = strata_of(found.possible.tolist(), strata), found.rows.tolist()

    def right(place: tuple[int, int]) -> bool | None:
        if truth is None:
            return None
        query_id, passage_id = found.query_ids[place[0]], found.passage_ids[rows[place[0]][place[1]]]
        return truth.get(query_id, {}).get(passage_id, 0) > 0

    drawn = [(h, place) for h, of_stratum in enumerate(stratified_sample(places, num, seed)) for place in of_stratum]
    random.Random(seed).shuffle(drawn)  # so that the order does not tell the rank
    every = [bool(right(place)) for of_stratum in places for place in of_stratum]
    chosen = [
        ToJudge(h, queries[found.query_ids[q]], corpus[found.passage_ids[rows[q][k]]], right((q, k)))
        for h, (q, k) in drawn
    ]
    return SpotCheck(
        chosen, [len(of_stratum) for of_stratum in places], None if truth is None else sum(every) / len(every)
    )


def pool_hits(
    runs: Mapping[str, Run],
    queries: Queries,
    corpus: Corpus,
    k: int = 3,
    num: int = 10,
    truth: Truth | None = None,
    seed: int = 0,
) -> Pool:
    """Draw queries, and put the first k hits of every system in one pool.

    Args:
        runs: system -> its run, two or more; the last is compared to each of the others.
        queries, corpus: the texts.
        k: how many hits of each system.
        num: how many queries; all where there are fewer.
        truth: all answers of each query; None where nobody knows them.
        seed: of the drawing and of the order.
    Raises:
        ValueError: fewer than two systems, a number that is not positive, or a query that a run lacks.
    """
    check_positive(k=k, num=num)
    if len(runs) < 2:
        raise ValueError(f"expected two systems or more to compare, got {len(runs)}")
    rng = random.Random(seed)
    asked = rng.sample(list(queries), min(num, len(queries)))
    for name, run in runs.items():
        if missing := [query for query in asked if query not in run]:
            raise ValueError(f"{name} has no hits for query {missing[0]!r}; search with all queries first")
    first = {name: {query: ranked_ids(run[query], k) for query in asked} for name, run in runs.items()}
    hits = []
    for query in asked:
        pool = sorted({passage for of_queries in first.values() for passage in of_queries[query]})
        rng.shuffle(pool)
        for passage in pool:
            right = None if truth is None else truth.get(query, {}).get(passage, 0) > 0
            hits.append(Hit(query, passage, queries[query], corpus[passage], right))
    return Pool(hits, first, k)


def judge_hits(
    runs: Mapping[str, Run],
    queries: Queries,
    corpus: Corpus,
    k: int = 3,
    num: int = 10,
    truth: Truth | None = None,
    seed: int = 0,
    keep: str | Path | None = None,
) -> None:
    """Let the reader judge what systems found; arguments as in `pool_hits`.

    Args:
        keep: a JSON file for the judgements, query -> passage id -> 1 or 0, written at each; what it holds already
            is not asked again. `python -m workbook judge` writes the same form.
    """
    pool = pool_hits(runs, queries, corpus, k, num, truth, seed)
    if keep is None:
        _show(pool)
        return
    answers = _answers(path := Path(keep))
    known = [answers.get(hit.query, {}).get(hit.passage_id) for hit in pool.candidates]
    said = [bool(grade) for grade in takewhile(lambda grade: grade is not None, known)]

    def remember(number: int, right: bool | None) -> None:
        hit = pool.candidates[number]
        answers.setdefault(hit.query, {})[hit.passage_id] = None if right is None else int(right)
        write_json(path, answers)

    _show(pool, said, remember)


def judge_negatives(
    found: Candidates,
    queries: Mapping[str, str],
    corpus: Mapping[str, str],
    truth: Truth | None = None,
    num: int = 30,
    seed: int = 0,
) -> None:
    """Let the reader judge mined negatives; arguments as in `spot_check`."""
    _show(spot_check(found, queries, corpus, truth, num, seed))


def _answers(path: Path) -> dict[str, dict[str, int | None]]:
    if not path.is_file():
        return {}
    try:
        answers: dict[str, dict[str, int | None]] = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} holds no judgements ({error}); give `keep` another name") from error
    if not isinstance(answers, dict) or not all(isinstance(grades, dict) for grades in answers.values()):
        raise ValueError(f"{path} holds no judgements, query -> passage id -> 1 or 0; give `keep` another name")
    return answers


def _show(check: Check, said: Sequence[bool] = (), remember: Remember = lambda number, right: None) -> None:
    if not in_notebook():
        print(as_text(check))
        return
    from IPython.display import display

    page = f"{page_style()}{as_html(check)}" if is_live() else as_html(check)
    display({"text/html": page, "text/plain": as_text(check)}, raw=True)
    if is_live():
        display(_widget(check, said, remember))


def _otherwise(candidates: Sequence[Candidate], said: Sequence[bool]) -> str:
    missed = sum(candidate.right != right for candidate, right in zip(candidates, said, strict=True))
    return f"You judged {missed} of {len(said)} otherwise than the truth."


def as_text(check: Check) -> str:
    """The candidates, and below them the truth."""
    lines = [f"{i}. {each.query}\n   {each.passage}" for i, each in enumerate(check.candidates, start=1)]
    if all(each.right is not None for each in check.candidates):
        right = [str(i) for i, each in enumerate(check.candidates, start=1) if each.right]
        lines.append(f"Right answers: {', '.join(right) or 'none'}")
    return "\n".join(lines)


def as_html(check: Check) -> str:
    """Each candidate as a line that unfolds to passage and truth, under one fold for all."""
    parts = []
    for i, each in enumerate(check.candidates, start=1):
        told = "It is an answer." if each.right else "It is no answer."
        told = told if each.right is not None else "Nobody knows yet."
        parts.append(
            f'<details style="margin: 4px 0"><summary style="cursor: pointer">{i}. <strong>{html.escape(each.query)}</strong> — '
            f"{html.escape(each.passage)}</summary>"
            f'<p style="margin: 4px 0 8px 18px">{told}</p></details>'
        )
    return (
        f'<details class="{STORED}" style="max-width: 60em"><summary style="cursor: pointer">{len(check.candidates)} '
        f"candidates to judge: does the passage answer the query?</summary>{''.join(parts)}</details>"
    )


def _widget(check: Check, before: Sequence[bool] = (), remember: Remember = lambda number, right: None) -> Any:
    """One candidate after the other with two buttons; a step back; the result after the last."""
    import ipywidgets as widgets

    said = list(before)
    shown, result = widgets.HTML(), widgets.HTML()
    wide = widgets.Layout(width="auto", min_height="44px")
    yes = widgets.Button(description="It answers the query", layout=wide)
    no = widgets.Button(description="It does not", layout=wide)
    back = widgets.Button(description="One back", layout=wide)

    def refresh() -> None:
        done = len(said) == len(check.candidates)
        yes.disabled = no.disabled = done
        back.disabled = not said
        result.value = f"<p><strong>{html.escape(check.told(said))}</strong></p>" if done else ""
        if done:
            shown.value = f"<p>All {len(said)} are judged.</p>"
            return
        now = check.candidates[len(said)]
        shown.value = (
            f'<p style="line-height: 1.45">{len(said) + 1} of {len(check.candidates)} · query: <strong>{html.escape(now.query)}</strong></p>'
            f'<p style="line-height: 1.45">{html.escape(now.passage)}</p>'
        )

    def judged(right: bool) -> None:
        remember(len(said), right)
        said.append(right)
        refresh()

    def undo(_button: Any) -> None:
        said.pop()
        remember(len(said), None)
        refresh()

    yes.on_click(lambda _button: judged(True))
    no.on_click(lambda _button: judged(False))
    back.on_click(undo)
    refresh()
    box = widgets.VBox([shown, widgets.HBox([yes, no, back]), result], layout=widgets.Layout(max_width="62em"))
    box.add_class(LIVE)
    return box
