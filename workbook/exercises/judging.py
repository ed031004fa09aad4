"""A spot check by the reader: a few mined negatives, spread over the ranks, are judged by hand.

    judge_negatives(found, queries, corpus, truth)

In front of a person each candidate comes with two buttons, which the keyboard reaches as well; after the last the rate
of false negatives and its interval stand beside the truth. Everywhere else the same candidates stand in a list, and
each unfolds to the truth.

Taught in 09.
"""

import html
import random
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from workbook.metrics.significance import Interval
from workbook.mining import STRATA, Candidates, strata_of, stratified_rate, stratified_sample
from workbook.support.frontend import in_notebook, is_live
from workbook.support.page import LIVE, STORED, page_style

Truth = Mapping[str, Mapping[str, int]]  # query id -> passage id -> grade


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


def judge_negatives(
    found: Candidates,
    queries: Mapping[str, str],
    corpus: Mapping[str, str],
    truth: Truth | None = None,
    num: int = 30,
    seed: int = 0,
) -> None:
    """Let the reader judge mined negatives; arguments as in `spot_check`."""
    check = spot_check(found, queries, corpus, truth, num, seed)
    if not in_notebook():
        print(as_text(check))
        return
    from IPython.display import display

    page = f"{page_style()}{as_html(check)}" if is_live() else as_html(check)
    display({"text/html": page, "text/plain": as_text(check)}, raw=True)
    if is_live():
        display(_widget(check))


def verdict(check: SpotCheck, said: Sequence[bool]) -> str:
    """What the judgements say, beside the truth."""
    rate = check.rate(said)
    yours = f"You: {rate.mean:.3f} of all candidates are right answers, interval [{rate.low:.3f}, {rate.high:.3f}]."
    if check.truth is None:
        return yours
    missed = sum(candidate.right != right for candidate, right in zip(check.candidates, said, strict=True))
    holds = "holds" if rate.low <= check.truth <= rate.high else "does not hold"
    return f"{yours} Truth: {check.truth:.3f}; your interval {holds} it. You judged {missed} of {len(said)} otherwise than the truth."


def as_text(check: SpotCheck) -> str:
    """The candidates, and below them the truth."""
    lines = [f"{i}. {each.query}\n   {each.passage}" for i, each in enumerate(check.candidates, start=1)]
    if check.truth is not None:
        right = [str(i) for i, each in enumerate(check.candidates, start=1) if each.right]
        lines.append(f"Right answers: {', '.join(right) or 'none'}")
    return "\n".join(lines)


def as_html(check: SpotCheck) -> str:
    """Each candidate as a line that unfolds to passage and truth, under one fold for all."""
    parts = []
    for i, each in enumerate(check.candidates, start=1):
        told = "It is an answer: a false negative." if each.right else "It is no answer: a true negative."
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


def _widget(check: SpotCheck) -> Any:
    """One candidate after the other with two buttons; a step back; the result after the last."""
    import ipywidgets as widgets

    said: list[bool] = []
    shown, result = widgets.HTML(), widgets.HTML()
    wide = widgets.Layout(width="auto", min_height="44px")
    yes = widgets.Button(description="It answers the query", layout=wide)
    no = widgets.Button(description="It does not", layout=wide)
    back = widgets.Button(description="One back", layout=wide, disabled=True)

    def refresh() -> None:
        done = len(said) == len(check.candidates)
        yes.disabled = no.disabled = done
        back.disabled = not said
        result.value = f"<p><strong>{html.escape(verdict(check, said))}</strong></p>" if done else ""
        if done:
            shown.value = f"<p>All {len(said)} are judged.</p>"
            return
        now = check.candidates[len(said)]
        shown.value = (
            f'<p style="line-height: 1.45">{len(said) + 1} of {len(check.candidates)} · query: <strong>{html.escape(now.query)}</strong></p>'
            f'<p style="line-height: 1.45">{html.escape(now.passage)}</p>'
        )

    def judged(right: bool) -> None:
        said.append(right)
        refresh()

    def undo(_button: Any) -> None:
        said.pop()
        refresh()

    yes.on_click(lambda _button: judged(True))
    no.on_click(lambda _button: judged(False))
    back.on_click(undo)
    refresh()
    box = widgets.VBox([shown, widgets.HBox([yes, no, back]), result], layout=widgets.Layout(max_width="62em"))
    box.add_class(LIVE)
    return box
