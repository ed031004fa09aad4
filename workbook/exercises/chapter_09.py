"""The exercises of chapter 09: which candidates may be negatives, what a filter finds and loses, and a guide inside the loss."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbook.exercises import compare
from workbook.exercises.exercise import Answer, Case, Exercise, Mistake, Property, Reversed, Situation
from workbook.losses import gist_loss
from workbook.mining import filters, spot_check
from workbook.similarity import cos_sim

# --- 09.1 the row of one query ---------------------------------------------------------------


def training_row(scores: Tensor, is_positive: Tensor, margin: float) -> list[int]:
    """The positives of one query in their order, then the candidates that a relative margin keeps, hardest first."""
    hardest = scores[is_positive].min()
    kept = filters.keeps_relative_margin(scores[None], hardest[None], margin)[0] & ~is_positive
    hardest_first = scores.argsort(descending=True, stable=True)
    return [*is_positive.nonzero().flatten().tolist(), *(i for i in hardest_first.tolist() if kept[i])]


def _row_one_by_one(scores, is_positive, margin):
    own = [i for i in range(len(scores)) if is_positive[i]]
    lowest = min(float(scores[i]) for i in own)
    free = [i for i in range(len(scores)) if i not in own]
    free = [i for i in free if float(scores[i]) <= lowest - abs(lowest) * margin]
    return own + sorted(free, key=lambda i: -float(scores[i]))


def _row(
    bar: Callable[[Tensor, float], Any] = lambda own, margin: own.min() - own.min().abs() * margin,
    passes: Callable[[Tensor, Any], Tensor] = lambda scores, bar: scores <= bar,
    filtered: bool = False,
    known: bool = True,
    order: Callable[[Tensor], Tensor] = lambda scores: scores.argsort(descending=True, stable=True),
    positives: Callable[[Tensor, Tensor], Tensor] = lambda scores, own: own,
) -> Answer:
    """The row of one query, with one part exchanged."""

    def row(scores, is_positive, margin):
        kept = passes(scores, bar(scores[is_positive], margin))
        own = positives(scores, is_positive & kept if filtered else is_positive)
        free = kept & ~is_positive if known else kept
        return [*own.nonzero().flatten().tolist(), *(i for i in order(scores).tolist() if free[i])]

    return row


def _best_positive_alone(scores, own):
    best = torch.zeros_like(own)
    best[scores.masked_fill(~own, -math.inf).argmax()] = True
    return best


ONE_QUERY = ([0.80, 0.79, 0.77, 0.75, 0.30], [True, False, False, False, False], 0.05)


def _one_query() -> tuple[Tensor, Tensor, float]:
    scores, own, margin = ONE_QUERY
    return torch.tensor(scores), torch.tensor(own), margin


def _query(scores: Sequence[float], own: Sequence[int], margin: float) -> Callable[[], tuple[Tensor, Tensor, float]]:
    return lambda: (torch.tensor(scores), torch.tensor([i in own for i in range(len(scores))]), margin)


def _draw_query(rng: random.Random) -> tuple[Tensor, Tensor, float]:
    K = rng.randint(1, 7)
    low = rng.choice((-0.9, -0.9, 0.05, 0.05))
    values = rng.sample([round(low + 0.05 * i, 2) for i in range(round((0.95 - low) / 0.05))], K)
    values = [v + 0.013 for v in values]  # no score lies on a bar
    positives = rng.sample(range(K), min(K, rng.choice((1, 1, 2, 3))))
    return torch.tensor(values), torch.tensor([i in positives for i in range(K)]), rng.choice((0.0, 0.05, 0.1, 0.3))


def _hardest(scores: Tensor, own: Tensor) -> float:
    return float(scores[own].min())


ROW = Exercise(
    id="09.1",
    title="the row of one query",
    difficulty="medium",
    minutes=12,
    section="Build it: the row of one query",
    signature="(K,), (K,), float -> list of int",
    reference=training_row,
    another=_row_one_by_one,
    draw=_draw_query,
    loops=True,
    situations=(
        Situation("the lowest positive scores below 0", lambda s, own, m: _hardest(s, own) < 0),
        Situation("there are several positives", lambda s, own, m: int(own.sum()) > 1),
        Situation("a candidate scores above a positive", lambda s, own, m: bool((s[~own] > _hardest(s, own)).any())),
        Situation("the margin is 0", lambda s, own, m: m == 0),
        Situation("no candidate is left", lambda s, own, m: len(training_row(s, own, m)) == int(own.sum())),
        Situation("nothing but positives was found", lambda s, own, m: bool(own.all())),
    ),
    cases=(
        Case("the five passages of the drawing", _one_query, [0, 3, 4]),
        Case("two positives", _query([0.9, 0.4, 0.6, 0.39, 0.3, 0.87], [1, 0], 0.1), [0, 1, 4]),
        Case("a positive below 0", _query([-0.4, -0.41, -0.39, -0.43, -0.9, 0.2], [0], 0.05), [0, 3, 4]),
        Case("exactly at the bar", _query([0.25, 0.5, 0.75], [1], 0.5), [1, 0]),
        Case("a margin of 0", _query([0.7, 0.6, 0.8, 0.5], [0], 0.0), [0, 1, 3]),
        Case("positives alone", _query([0.3, 0.2], [0, 1], 0.05), [0, 1]),
        Case("in no order", _query([0.2, 0.6, 0.9, 0.4, 0.95, 0.1], [2], 0.3), [2, 1, 3, 0, 5]),
        Case("three positives", _query([0.9, 0.3, 0.6, 0.5, 0.2], [0, 1, 2], 0.1), [0, 1, 2, 4]),
        Case("two positives below 0", _query([-0.2, -0.5, -0.51, -0.6, -0.3], [1, 0], 0.1), [0, 1, 3]),
    ),
    mistakes=(
        Mistake(
            "(1 − margin) times the positive",
            _row(bar=lambda own, margin: own.min() * (1 - margin)),
            "Your bar is (1 − margin) · positive. While the positive is above 0, that lies below it. For a negative score it lies *above* "
            "it, and candidates nearer than the positive are kept. Take the share from the size of the score.",
        ),
        Mistake(
            "the positive removes itself",
            _row(filtered=True),
            "Your filter also runs over the positives, and none of them lies a margin below itself. So rows lose their positive. "
            "It is the candidates that are judged.",
        ),
        Mistake(
            "the bar hangs on the best positive",
            _row(bar=lambda own, margin: own.max() - own.max().abs() * margin),
            "You measure from the best positive. Where a query has several, a candidate may then score above another one of them. The "
            "lowest sets the bar.",
        ),
        Mistake(
            "the bar hangs on the mean of the positives",
            _row(bar=lambda own, margin: own.mean() - own.mean().abs() * margin),
            "You measure from the mean of the positives. The lowest of them sets the bar, or a candidate may pass that scores above it.",
        ),
        Mistake(
            "known positives as negatives",
            _row(known=False),
            "Positives that lie below the bar come a second time in your row, as negatives. What is known to be right is never a negative.",
        ),
        Mistake(
            "only the best positive is taken along",
            _row(positives=_best_positive_alone),
            "Of several positives your row holds one. Each of them is an answer that can be learned from.",
        ),
        Mistake(
            "the margin in units of the score",
            _row(bar=lambda own, margin: own.min() - margin),
            "You subtract the margin itself: that is an absolute margin. Here it is a share of the positive's score.",
        ),
        Mistake(
            "the margin is what may stay",
            _row(bar=lambda own, margin: own.min().abs() * margin),
            "You multiply the positive by the margin, so 0.05 lets through what reaches a twentieth of it. A margin is what must be missing: "
            "0.05 is \u201cat most 95 %\u201d.",
        ),
        Mistake(
            "what the filter should remove is kept",
            _row(passes=lambda scores, bar: scores > bar),
            "You keep what lies above the bar, the candidates most likely to be right, and remove the others.",
        ),
        Mistake(
            "a candidate at the bar is removed",
            _row(passes=lambda scores, bar: scores < bar),
            "A candidate exactly at the bar goes. It is far enough: the margin is kept.",
        ),
        Mistake(
            "no filter",
            _row(passes=lambda scores, bar: torch.ones_like(scores, dtype=torch.bool)),
            "All candidates are kept, those above the positive too: this is mining without a filter.",
        ),
        Mistake(
            "easiest first",
            _row(order=lambda scores: scores.argsort(stable=True)),
            "Your negatives begin with the easiest. Whoever takes the first few would train on those that teach least.",
        ),
        Mistake(
            "in the order in which they came",
            _row(order=lambda scores: torch.arange(len(scores))),
            "Your negatives stand in the order in which they came. Asked for is the hardest first.",
        ),
    ),
    hints=(
        "Three steps: where the bar lies, who is below it, in which order.",
        "The bar hangs on the positive with the lowest score, and lies a share of that score's *size* below it. Positives are never judged.",
        "Sort all places by score, descending, and take those that are no positive and at most at the bar. Put the positives in front.",
    ),
)


# --- 09.2 what a filter finds and loses ------------------------------------------------------


def count_filter(kept: Tensor, possible: Tensor, false: Tensor) -> dict[str, float]:
    """Precision and recall of a filter, and the share of true negatives that it loses."""
    return filters.count_filter(kept, possible, false)


def _count_one_by_one(kept, possible, false):
    found = [
        (bool(k), bool(f)) for k, p, f in zip(kept.flatten(), possible.flatten(), false.flatten(), strict=True) if p
    ]
    gone = [f for k, f in found if not k]
    return {
        "precision": sum(gone) / len(gone) if gone else math.nan,
        "recall": sum(gone) / sum(f for _, f in found) if any(f for _, f in found) else math.nan,
        "lost": (len(gone) - sum(gone)) / sum(not f for _, f in found) if not all(f for _, f in found) else math.nan,
    }  # fmt: skip


def _share(part: Tensor, whole: Tensor, nothing: float = math.nan) -> float:
    return float((part & whole).sum() / whole.sum()) if whole.any() else nothing


def _counts(**changes: Callable[..., float]) -> Answer:
    """The right counts, some of them counted in another way: (removed, possible, false, kept) -> number."""

    def count(kept, possible, false):
        right = count_filter(kept, possible, false)
        removed = possible & ~kept
        return right | {name: change(removed, possible, false, kept) for name, change in changes.items()}

    return count


def _all_counted(kept, possible, false):
    return count_filter(kept, torch.ones_like(possible), false)


def _zero_for_nothing(kept, possible, false):
    return {name: 0.0 if math.isnan(x) else x for name, x in count_filter(kept, possible, false).items()}


def _query_by_query(kept, possible, false):
    rows = [count_filter(*(x[i : i + 1] for x in (kept, possible, false))) for i in range(len(kept))]
    means = {}
    for name in rows[0]:
        known = [row[name] for row in rows if not math.isnan(row[name])]
        means[name] = sum(known) / len(known) if known else math.nan
    return means


def _swapped(kept, possible, false):
    found = count_filter(kept, possible, false)
    return found | {"precision": found["recall"], "recall": found["precision"]}


def _of_the_kept(kept, possible, false):
    return count_filter(~kept, possible, false)


def _bools(*rows: str) -> Tensor:
    """Rows of 1 and 0 as (Q, K) bool."""
    return torch.tensor([[letter == "1" for letter in row] for row in rows])


def _draw_filter(rng: random.Random) -> tuple[Tensor, Tensor, Tensor]:
    Q, K = rng.randint(1, 3), rng.randint(1, 5)

    def drawn(share: float) -> Tensor:
        return torch.tensor([[rng.random() < share for _ in range(K)] for _ in range(Q)])

    return drawn(rng.choice((0.2, 0.6, 0.9))), drawn(0.75), drawn(rng.choice((0.15, 0.5)))


COUNT = Exercise(
    id="09.2",
    title="what a filter finds and loses",
    difficulty="easy",
    minutes=8,
    section="Build it: what a filter finds and loses",
    signature="(Q, K), (Q, K), (Q, K) -> dict of float",
    reference=count_filter,
    another=_count_one_by_one,
    draw=_draw_filter,
    loops=True,
    situations=(
        Situation("nothing is removed", lambda k, p, f: not bool((p & ~k).any())),
        Situation("there is no false negative", lambda k, p, f: not bool((p & f).any())),
        Situation("there is no true negative", lambda k, p, f: not bool((p & ~f).any())),
        Situation("something is no candidate", lambda k, p, f: not bool(p.all())),
        Situation("there are several queries", lambda k, p, f: len(k) > 1),
    ),
    cases=(
        Case(
            "two queries",
            lambda: (_bools("0011", "1011"), _bools("1111", "1110"), _bools("1000", "0110")),
            {"precision": 2 / 3, "recall": 2 / 3, "lost": 1 / 4},
        ),
        Case("nothing is removed", lambda: (_bools("11"), _bools("11"), _bools("10"))),
        Case("no false negative", lambda: (_bools("01"), _bools("11"), _bools("00"))),
        Case("all are false negatives", lambda: (_bools("01"), _bools("11"), _bools("11"))),
        Case(
            "what is no candidate is right", lambda: (_bools("001", "100"), _bools("011", "110"), _bools("110", "011"))
        ),
        Case(
            "queries of different size",
            lambda: (_bools("0000", "1101"), _bools("1111", "0011"), _bools("1100", "0001")),
        ),
    ),
    mistakes=(
        Mistake(
            "what is no candidate is counted",
            _all_counted,
            "You also count places that hold no candidate, such as known positives. They were never up for removal.",
        ),
        Mistake(
            "the kept in place of the removed",
            _of_the_kept,
            "Your counts are those of what was kept. A filter for false negatives is judged by what it *removes*.",
        ),
        Mistake(
            "precision of what is left",
            _counts(precision=lambda removed, possible, false, kept: _share(~false, possible & kept)),
            "Your precision is the share of true negatives among what is kept. That is how clean the rest is. Precision asks how many of the "
            "removed were rightly removed.",
        ),
        Mistake(
            "precision and recall exchanged",
            _swapped,
            "Precision and recall stand in each other's place: precision divides by what was removed, recall by what should have been.",
        ),
        Mistake(
            "recall of all candidates",
            _counts(recall=lambda removed, possible, false, kept: _share(removed & false, possible)),
            "You divide the false negatives found by all candidates. Recall divides by the false negatives there are.",
        ),
        Mistake(
            "lost of the removed",
            _counts(lost=lambda removed, possible, false, kept: _share(~false, removed)),
            "You divide the true negatives that were removed by all that was removed: one minus precision, nothing new. What is lost is a "
            "share of the true negatives there were.",
        ),
        Mistake(
            "the false negatives left over",
            _counts(lost=lambda removed, possible, false, kept: _share(false, possible & kept)),
            "You give the share of false negatives among the kept. Asked for is the price: the share of true negatives that the filter threw "
            "away.",
        ),
        Mistake(
            "nothing to divide by gives 0",
            _zero_for_nothing,
            "Where nothing can be divided you say 0. A filter that removed nothing has no precision, and not a bad one: NaN.",
        ),
        Mistake(
            "a mean over queries",
            _query_by_query,
            "You count query by query and take the mean. Then a query with one candidate weighs as much as one with a hundred. Pool the "
            "candidates of all queries.",
        ),
    ),
    hints=(
        "Three fractions. For each write down what stands below the line, then what stands above it.",
        "Begin with what was removed: candidates that were possible and are not kept. Then split it by `false`.",
        "Below the lines stand: the removed; the possible that are false; the possible that are not. Nothing below the line gives NaN.",
    ),
)


# --- 09.3 a guide inside the loss ------------------------------------------------------------


def guided_loss(
    query: Tensor, positive: Tensor, guide_query: Tensor, guide_positive: Tensor, temperature: float
) -> Tensor:
    """InfoNCE over passages, other queries and other passages, without those that a guide finds nearer than the positive."""
    return gist_loss(query, positive, guide_query, guide_positive, temperature=temperature)


def _guided_row_by_row(query, positive, guide_query, guide_positive, temperature):
    B, losses = len(query), []
    s = [cos_sim(query, positive), cos_sim(query, query), cos_sim(positive, positive)]
    g = [
        cos_sim(guide_query, guide_positive),
        cos_sim(guide_query, guide_query),
        cos_sim(guide_positive, guide_positive),
    ]
    for i in range(B):
        bound = g[0][i, i].item()
        terms = [s[0][i, i] / temperature]
        terms += [
            s[part][i, j] / temperature
            for part in range(3)
            for j in range(B)
            if j != i and g[part][i, j].item() <= bound
        ]
        losses.append(torch.logsumexp(torch.stack(terms), dim=0) - terms[0])
    return torch.stack(losses).mean()


def _guided(
    likeness: Callable[[Tensor, Tensor], Tensor] = cos_sim,
    guide: Callable[..., tuple[Tensor, Tensor]] = lambda q, d, gq, gd: (gq, gd),
    bound: Callable[[Tensor], Tensor] = lambda g: g.diagonal()[:, None],
    drops: Callable[[Tensor, Tensor], Tensor] = lambda g, bound: g > bound,
    value: float = -math.inf,
    parts: Sequence[int] = (0, 1, 2),
    scaled: Callable[[Tensor, float], Tensor] = lambda s, temperature: s / temperature,
    own_stays: bool = True,
    masks: Sequence[int] = (0, 1, 2),
    both_ways: bool = False,
) -> Answer:
    """The guided loss, with one part exchanged."""

    def loss(query, positive, guide_query, guide_positive, temperature):
        gq, gd = guide(query.detach(), positive.detach(), guide_query.detach(), guide_positive.detach())
        eye = torch.eye(len(query), dtype=torch.bool)
        pairs = ((query, positive, gq, gd), (query, query, gq, gq), (positive, positive, gd, gd))
        limit = bound(cos_sim(gq, gd))
        logits = []
        for part in parts:
            a, b, ga, gb = pairs[part]
            out = drops(cos_sim(ga, gb), limit) if part in masks else torch.zeros_like(eye)
            out = out & ~eye if part == 0 and own_stays else out | eye if part else out
            scores = scaled(likeness(a, b), temperature).masked_fill(out, value)
            logits.append(scores.masked_fill(eye, -math.inf) if part else scores)
        all_logits = torch.cat(logits, dim=1)
        if both_ways:
            there = (torch.cat([logits[0].T, *logits[1:]], dim=1).logsumexp(dim=1) - logits[0].diagonal()).mean()
            return ((all_logits.logsumexp(dim=1) - logits[0].diagonal()).mean() + there) / 2
        return (all_logits.logsumexp(dim=1) - logits[0].diagonal()).mean()

    return loss


def _unit(*degrees: float) -> Tensor:
    radians = torch.deg2rad(torch.tensor(degrees))
    return torch.stack([radians.cos(), radians.sin()], dim=1)


def _two_pairs() -> tuple[Tensor, Tensor, Tensor, Tensor, float]:
    """The guide finds passage 2 nearer to query 1 (10°) than its own (60°); for query 2 the own is nearest (0°)."""
    return _unit(0, 90), _unit(60, 30), _unit(0, 10), _unit(60, 10), 0.5


# Query 1: own cos 60° = .5; the guide drops the other passage (10° < 60°), the other query (10° < 60°) and the other passage
# seen from its own (50° < 60°): nothing is left, loss 0. Query 2: own cos 60° = .5; nothing is nearer to it than 0°: the other
# passage cos 30° = .866, the other query 0, passage from passage .866.
_SECOND = math.log(math.exp(1.0) + 2 * math.exp(math.sqrt(3)) + 1.0) - 1.0


_TWICE = torch.tensor([[1.0, 0.0], [1.0, 0.0]])


def _draw_guided(rng: random.Random) -> tuple[Tensor, Tensor, Tensor, Tensor, float]:
    B, D, G = rng.randint(1, 4), rng.randint(2, 3), rng.randint(2, 4)

    def vectors(size: int) -> Tensor:
        return torch.tensor([[round(rng.gauss(0, 1), 2) or 0.5 for _ in range(size)] for _ in range(B)])

    return vectors(D), vectors(D), vectors(G), vectors(G), rng.choice((0.1, 0.5, 1.0))


def _drops_of_guide(part: int) -> Callable[..., bool]:
    def holds(query, positive, gq, gd, temperature):
        g = (cos_sim(gq, gd), cos_sim(gq, gq), cos_sim(gd, gd))
        out = g[part] > g[0].diagonal()[:, None]
        return bool((out & ~torch.eye(len(gq), dtype=torch.bool)).any())

    return holds


def _no_gradient_for_the_guide(answer: Answer) -> str | None:
    query, positive, gq, gd, temperature = _two_pairs()
    gq.requires_grad_(), gd.requires_grad_(), query.requires_grad_()
    answer(query, positive, gq, gd, temperature).backward()
    reached = any(x.grad is not None and bool(x.grad.abs().max() > 0) for x in (gq, gd))
    return "a gradient reached the guide" if reached else None


GUIDED = Exercise(
    id="09.3",
    title="a guide inside the loss",
    difficulty="hard",
    minutes=16,
    section="Build it: a guide inside the loss",
    signature="(B, D), (B, D), (B, G), (B, G), float -> scalar",
    reference=guided_loss,
    another=_guided_row_by_row,
    draw=_draw_guided,
    gradient=True,
    loops=True,
    situations=(
        Situation("the guide drops another query's passage", _drops_of_guide(0)),
        Situation("the guide drops another query", _drops_of_guide(1)),
        Situation("the guide drops a passage seen from a passage", _drops_of_guide(2)),
        Situation("there is one pair only", lambda query, *rest: len(query) == 1),
        Situation("the temperature is 1", lambda *args: args[-1] == 1.0),
    ),
    cases=(
        Case("two pairs", _two_pairs, _SECOND / 2),
        Case("one pair", lambda: (_unit(0), _unit(40), _unit(5), _unit(80), 0.1), 0.0),
        Case("the same passage twice", lambda: (torch.eye(2), _TWICE, torch.eye(2), _TWICE, 0.5)),
        Case(
            "three pairs, a guide that sees otherwise",
            lambda: (_unit(0, 80, 200), _unit(30, 100, 150), _unit(0, 100, 250), _unit(20, 170, 260), 0.5),
        ),
        Case(
            "vectors of any length",
            lambda: (
                _unit(0, 80, 200) * 3,
                _unit(30, 100, 150) * 0.5,
                _unit(0, 15, 250) * 2,
                _unit(20, 17, 260) * 5,
                0.2,
            ),
        ),
    ),
    properties=(Property("the guide learns nothing", _no_gradient_for_the_guide),),
    mistakes=(
        Mistake(
            "passages among one another are left out",
            _guided(parts=(0, 1)),
            "You leave out the passage–passage pairs. Many believe that they are no negatives here; in GISTEmbed they are, by default, and "
            "the loss is another one without them.",
        ),
        Mistake(
            "queries among one another are left out",
            _guided(parts=(0, 2)),
            "You leave out the query–query pairs. In GISTEmbed another query is a negative, too, unless the guide finds it nearer than the "
            "positive.",
        ),
        Mistake(
            "passages of other queries alone",
            _guided(parts=(0,)),
            "You count the other queries' passages alone, as in plain InfoNCE. Here the other queries, and the passages seen from the own "
            "passage, stand in the sum as well.",
        ),
        Mistake(
            "the guide is not asked",
            _guided(drops=lambda g, bound: torch.zeros_like(g, dtype=torch.bool)),
            "Nothing is ever left out: the guide's vectors do not act. Right answers among the negatives are pushed away.",
        ),
        Mistake(
            "the model is its own guide",
            _guided(guide=lambda q, d, gq, gd: (q, d)),
            "You compare the cosines of the model that is trained. Where it is wrong, it would leave out what it most needs to learn. The "
            "guide's cosines decide.",
        ),
        Mistake(
            "the bound of the wrong pair",
            _guided(bound=lambda g: g.diagonal()[None, :]),
            "Each negative is held against the positive of *its* pair: your bound runs along the columns. Row i has one bound, the guide's cosine of query i and "
            "its own passage.",
        ),
        Mistake(
            "one bound for the batch",
            _guided(bound=lambda g: g.diagonal().mean()),
            "You hold all negatives against the mean cosine of the positives. Each row has a bound of its own: the guide's cosine of query i "
            "and its own passage.",
        ),
        Mistake(
            "what the guide finds far is dropped",
            _guided(drops=lambda g, bound: g < bound),
            "You leave out what lies *below* the positive, and keep what the guide finds nearer: the suspects alone are pushed away.",
        ),
        Mistake(
            "dropped means a logit of 0",
            _guided(value=0.0),
            "You set the logits of what is dropped to 0. exp(0) is 1, so it still stands in the sum. It has to be minus infinity.",
        ),
        Mistake(
            "the guide looks at passages alone",
            _guided(masks=(0,)),
            "Only the query–passage part is masked. The guide also speaks of queries among one another and of passages among one another, with "
            "the same bound.",
        ),
        Mistake(
            "the positive is dropped, too",
            _guided(drops=lambda g, bound: g >= bound, own_stays=False),
            "At the bound itself lies the positive, and you drop it with the others. It always stays: it is what the softmax should choose.",
        ),
        Mistake(
            "temperature forgotten",
            _guided(scaled=lambda s, temperature: s),
            "The temperature does not reach the loss: divide the cosines by it.",
        ),
        Mistake(
            "multiplied by the temperature",
            _guided(scaled=lambda s, temperature: s * temperature),
            "You multiply the cosines by the temperature. They are divided by it.",
        ),
        Mistake(
            "a dot product",
            _guided(likeness=lambda a, b: a @ b.T),
            "Your logits are dot products. Take cosines: a vector's length must not count.",
        ),
        Mistake(
            "both ways",
            _guided(both_ways=True),
            "You take the mean of both directions. Here the rows of queries count alone.",
        ),
    ),
    hints=(
        "Write InfoNCE with three blocks side by side, (B, 3B): query–passage, query–query, passage–passage. Then ask who is dropped.",
        "The guide's three blocks are made in the same way. Row i of all three is compared with one number: the guide's cosine of pair i.",
        "Set dropped logits to minus infinity, and the diagonals of the last two blocks as well; never the diagonal of the first. Then logsumexp minus the positive's logit.",
    ),
)


# --- 09.4 a rate from a few judgements -------------------------------------------------------


def spot_check_rate(sizes: Sequence[int], judged: Sequence[Sequence[bool]]) -> tuple[float, float, float]:
    """The share of false negatives with its interval, from a few judgements in each stratum."""
    found = spot_check.stratified_rate(sizes, judged)
    return found.mean, found.low, found.high


def _by_arrays(sizes, judged):
    w = np.array(sizes) / sum(sizes)
    k, n = (np.array([f(stratum) for stratum in judged], dtype=float) for f in (sum, len))
    careful = (k + 1) / (n + 2)
    rate, error = float(w @ (k / n)), float(np.sqrt(w**2 @ (careful * (1 - careful) / n)))
    return rate, max(0.0, rate - 1.96 * error), min(1.0, rate + 1.96 * error)


def _shares(sizes: Sequence[int], judged: Sequence[Sequence[bool]]) -> list[float]:
    return [size / sum(sizes) for size in sizes]


def _numbers(drawn: Sequence[float]) -> list[float]:
    return [value for value in drawn if not math.isnan(value)]


def _rate(
    weights: Callable[[Sequence[int], Sequence[Sequence[bool]]], Sequence[float]] = _shares,
    careful: Callable[[int, int], float] = lambda k, n: (k + 1) / (n + 2),
    power: int = 2,
    error: Callable[[float], float] = lambda variance: 1.96 * math.sqrt(variance),
    clipped: bool = True,
    rate_too: bool = False,
    divisor: Callable[[int], int] = lambda n: n,
) -> Answer:
    """The stratified rate, with one part exchanged."""

    def estimate(sizes, judged):
        w = weights(sizes, judged)
        shares = [careful(sum(j), len(j)) for j in judged]
        rate = sum(v * (s if rate_too else sum(j) / len(j)) for v, s, j in zip(w, shares, judged, strict=True))
        e = error(sum(v**power * s * (1 - s) / divisor(len(j)) for v, s, j in zip(w, shares, judged, strict=True)))
        low, high = rate - e, rate + e
        return (rate, max(0.0, low), min(1.0, high)) if clipped else (rate, low, high)

    return estimate


def _pooled(sizes, judged):
    together = [one for stratum in judged for one in stratum]
    return spot_check_rate([1], [together])


def _draw_strata(rng: random.Random) -> tuple[list[int], list[list[bool]]]:
    H = rng.randint(1, 4)
    rates = [rng.choice((0.0, 0.1, 0.4, 0.8)) for _ in range(H)]
    sizes = [rng.choice((10, 40, 100, 400, 1000)) for _ in range(H)]
    return sizes, [[rng.random() < rate for _ in range(rng.randint(1, 8))] for rate in rates]


STRATA = ([100, 900], [[True, True, False, False], [False, False, False, False]])
_W = (0.01 * 0.5 * 0.5 / 4 + 0.81 * (1 / 6) * (5 / 6) / 4) ** 0.5

RATE = Exercise(
    id="09.4",
    title="a rate from a few judgements",
    difficulty="medium",
    minutes=11,
    section="Build it: a rate from a few judgements",
    signature="H int, H lists of bool -> float, float, float",
    reference=spot_check_rate,
    another=_by_arrays,
    draw=_draw_strata,
    loops=True,
    situations=(
        Situation("a stratum has no false negative", lambda sizes, judged: not all(any(j) for j in judged)),
        Situation("there is one stratum only", lambda sizes, judged: len(sizes) == 1),
        Situation("strata differ in size", lambda sizes, judged: len(set(sizes)) > 1),
        Situation("strata differ in the number of judgements", lambda sizes, judged: len({len(j) for j in judged}) > 1),
        Situation("nothing was found at all", lambda sizes, judged: not any(map(any, judged))),
        Situation("a stratum was judged once", lambda sizes, judged: any(len(j) == 1 for j in judged)),
    ),
    cases=(
        Case("two strata", lambda: STRATA, (0.05, 0.0, 0.05 + 1.96 * _W)),
        Case("one stratum", lambda: ([50], [[True, False, False, True, True]])),
        Case("nothing found", lambda: ([200, 800], [[False] * 6, [False] * 3])),
        Case(
            "three strata, unequally judged",
            lambda: ([100, 200, 700], [[True] * 3 + [False], [True, False], [False] * 9 + [True]]),
        ),
        Case("all are false negatives", lambda: ([30, 10], [[True, True], [True]])),
        Case("many judgements", lambda: ([100, 100], [[True] * 30 + [False] * 30, [True] * 20 + [False] * 60])),
    ),
    mistakes=(
        Mistake(
            "all judgements weigh alike",
            _pooled,
            "You count all judgements together. But a judgement of a large stratum speaks for more candidates than one of a small stratum: "
            "weigh each stratum by its size.",
        ),
        Mistake(
            "all strata weigh alike",
            _rate(weights=lambda sizes, judged: [1 / len(sizes)] * len(sizes)),
            "You take the plain mean of the strata's shares. A stratum with 900 candidates counts nine times as much as one with 100.",
        ),
        Mistake(
            "weighed by how many were judged",
            _rate(weights=lambda sizes, judged: [len(j) / sum(map(len, judged)) for j in judged]),
            "You weigh each stratum by how many you judged. That is your choice and says nothing about the candidates: take how many there "
            "*are*.",
        ),
        Mistake(
            "nothing found is taken for certain",
            _rate(careful=lambda k, n: k / n),
            "In a stratum where you found nothing (or nothing else) your error is 0, as if six judgements had proven it for all. The careful "
            "share (k + 1) / (n + 2) belongs in the error.",
        ),
        Mistake(
            "the careful share is the rate",
            _rate(rate_too=True),
            "You use the careful share for the rate as well, and that pulls it towards one half. It belongs in the error alone.",
        ),
        Mistake(
            "weights are not squared",
            _rate(power=1),
            "In the variance of a weighted sum weights stand squared. Yours stand there once, so the interval is too wide.",
        ),
        Mistake(
            "one standard error",
            _rate(error=math.sqrt),
            "Your interval reaches one standard error to each side: it holds the truth two times in three. 95 % takes 1.96 of them.",
        ),
        Mistake(
            "the variance itself",
            _rate(error=lambda variance: 1.96 * variance),
            "You step by the variance. Its root is in the units of the rate.",
        ),
        Mistake(
            "an interval beyond 0 and 1",
            _rate(clipped=False),
            "Your interval reaches below 0 or above 1. A share cannot.",
        ),
        Mistake(
            "divided by n + 2 again",
            _rate(divisor=lambda n: n + 2),
            "In the variance you divide by n + 2. The two added judgements are in the careful share alone; n were made.",
        ),
    ),
    hints=(
        "How many candidates does one judgement stand for? That differs from stratum to stratum.",
        "The rate is the sum of weight times share. The variance is the sum of weight² times careful share times (1 − careful share) over n.",
        "A weight is the size of the stratum over the size of all. The ends are rate ± 1.96 times the root of the variance, cut at 0 and 1.",
    ),
)


# --- 09.5 the filter that lets positives through ---------------------------------------------


def let_through() -> tuple[list[float], float, float]:
    """One candidate above its negative positive-score, which a bar of (1 − margin) times that score keeps."""
    return [-0.39], -0.4, 0.05


def keeps(scores: Sequence[float], positive: float, margin: float) -> list[bool]:
    """Which candidates lie a share of the positive's size below it."""
    return [filters.is_kept(float(s), float(positive), relative_margin=float(margin)) for s in scores]


def times_one_minus(scores: Sequence[float], positive: float, margin: float) -> list[bool]:
    """The same with a bar of (1 − margin) times the positive."""
    return [float(s) <= float(positive) * (1 - float(margin)) for s in scores]


def _a_filter_problem(scores: Any, positive: Any, margin: Any) -> str | None:
    if isinstance(scores, Tensor | np.ndarray):
        scores = scores.tolist()
    if not isinstance(scores, list | tuple) or not all(compare.kind(s) == "number" for s in scores):
        return "the first thing to return is a list of numbers, the candidates' scores"
    if compare.kind(positive) != "number" or compare.kind(margin) != "number":
        return "the second and the third thing to return are numbers: the positive's score and the margin"
    if not all(-1 <= float(x) <= 1 for x in (*scores, positive)):
        return "scores are cosines, from -1 to 1"
    if not 0 <= float(margin) < 1:
        return f"a margin is a share from 0 to below 1, got {margin}"
    return None


def _differs(scores: Any, positive: Any, margin: Any) -> bool:
    return keeps(scores, positive, margin) != times_one_minus(scores, positive, margin)


FIND_FAULT = Reversed(
    id="09.5",
    title="the filter that lets positives through",
    difficulty="easy",
    minutes=7,
    section="Build it: the filter that lets positives through",
    signature="() -> list of float, float, float",
    reference=let_through,
    another=lambda: ([-0.5], -0.5, 0.2),
    right=keeps,
    wrong=times_one_minus,
    valid=_a_filter_problem,
    measure=lambda scores, positive, margin: len(scores),
    smallest=1,
    cases=(Case("nothing is passed in", lambda: (), let_through()),),
    mistakes=(
        Mistake(
            "there is no candidate",
            lambda: ([], -0.4, 0.05),
            "There is no candidate, so there is nothing on which the two could differ.",
            when=lambda scores, positive, margin: len(scores) == 0,
        ),
        Mistake(
            "the margin is 0",
            lambda: ([-0.39], -0.4, 0.0),
            "With a margin of 0 both bars lie on the positive itself.",
            when=lambda scores, positive, margin: len(scores) > 0 and margin == 0,
        ),
        Mistake(
            "the positive scores above 0",
            lambda: ([0.39], 0.4, 0.05),
            "Your positive scores 0 or more. There a share of the score and a share of its size are the same, and so are the bars.",
            when=lambda scores, positive, margin: len(scores) > 0 and margin > 0 and positive >= 0,
        ),
        Mistake(
            "the candidate lies above both bars",
            lambda: ([0.3], -0.4, 0.05),
            "Your positive scores below 0, and so the bars differ; but all your candidates lie above both. Compute the two bars, and put a candidate between them.",
            when=lambda scores, positive, margin: (
                len(scores) > 0 and margin > 0 and positive < 0 and not any(times_one_minus(scores, positive, margin))
            ),
        ),
        Mistake(
            "the candidate lies below both bars",
            lambda: ([-0.9], -0.4, 0.05),
            "Your positive scores below 0, and so the bars differ; but your candidates lie below both, or above both. Compute the two bars, and put a candidate between them.",
            when=lambda scores, positive, margin: (
                len(scores) > 0 and margin > 0 and positive < 0 and any(times_one_minus(scores, positive, margin))
                and not _differs(scores, positive, margin)
            ),
        ),
        Mistake(
            "more than it takes",
            lambda: ([-0.39, -0.9], -0.4, 0.05),
            "It works, and with more candidates than it takes.",
            when=lambda scores, positive, margin: len(scores) > 1 and _differs(scores, positive, margin),
        ),
    ),
    hints=(
        "For which positives do (1 − margin) · p and p − |p| · margin differ?",
        "Take a positive below 0 and compute both bars. One lies above the positive.",
        "Put one candidate between the two bars.",
    ),
)  # fmt: skip


# --- 09.6 a report with intervals ------------------------------------------------------------

Report = dict[str, dict[str, tuple[float, float, float]]]


def filter_intervals(kept: Mapping[str, Tensor], possible: Tensor, false: Tensor, draws: Tensor) -> Report:
    """For each filter the three counts of all queries, each with the middle 95 % of those of drawn queries."""
    report: Report = {}
    for name, keep in kept.items():
        whole = count_filter(keep, possible, false)
        drawn = [count_filter(keep[rows], possible[rows], false[rows]) for rows in draws]
        report[name] = {}
        for measure, value in whole.items():
            values = [counts[measure] for counts in drawn if not math.isnan(counts[measure])]
            low, high = np.quantile(values, (0.025, 0.975)) if values else (math.nan, math.nan)
            report[name][measure] = (value, float(low), float(high))
    return report


def _by_sums(kept, possible, false, draws):
    """From counts of each query, (Q, 2), summed over the drawn ones."""
    report: dict[str, dict[str, tuple[float, ...]]] = {}
    for name, keep in kept.items():
        removed = possible & ~keep
        parts = {"precision": (removed & false, removed), "recall": (removed & false, possible & false),
                 "lost": (removed & ~false, possible & ~false)}  # fmt: skip
        report[name] = {}
        for measure, (part, whole) in parts.items():
            a, b = part.sum(dim=1).double(), whole.sum(dim=1).double()
            ratios = (a[draws].sum(dim=1) / b[draws].sum(dim=1)).numpy()
            ratios = ratios[~np.isnan(ratios)]
            ends = np.quantile(ratios, (0.025, 0.975)) if len(ratios) else (math.nan, math.nan)
            report[name][measure] = (float(a.sum() / b.sum()), *map(float, ends))
    return report


def _reported(
    count: Answer = count_filter,
    value: Callable[[float, Sequence[float]], float] = lambda whole, drawn: whole,
    ends: Callable[[float, Sequence[float]], Any] = lambda whole, drawn: np.quantile(drawn, (0.025, 0.975)),
    rows_of: Callable[[Tensor], Tensor] = lambda rows: rows,
    missing: Callable[[Sequence[float]], list[float]] = _numbers,
    drawn_from: Callable[[Tensor, Tensor], Tensor] = lambda x, rows: x[rows],
) -> Answer:
    """The report, with one part exchanged."""

    def report(kept, possible, false, draws):
        found: dict[str, dict[str, tuple[float, ...]]] = {}
        for name, keep in kept.items():
            whole = count(keep, possible, false)
            drawn = [count(*(drawn_from(x, rows_of(rows)) for x in (keep, possible, false))) for rows in draws]
            found[name] = {}
            for measure in whole:
                values = missing([counts[measure] for counts in drawn])
                low, high = ends(whole[measure], values) if values else (math.nan, math.nan)
                found[name][measure] = (value(whole[measure], values), float(low), float(high))
        return found

    return report


def _mean_and_deviation(whole: float, drawn: Sequence[float]) -> tuple[float, float]:
    spread = 1.96 * float(np.std(drawn))
    return whole - spread, whole + spread


def _only_the_first(kept, possible, false, draws):
    first = next(iter(kept))
    return filter_intervals({first: kept[first]}, possible, false, draws)


def _by_columns(x: Tensor, rows: Tensor) -> Tensor:
    return x.flatten()[rows % x.numel()][None]


def _draws(rows: Sequence[Sequence[int]]) -> Tensor:
    return torch.tensor(rows)


def _two_filters() -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
    kept = {"strict": _bools("0011", "1011"), "loose": _bools("0111", "1111")}
    return kept, _bools("1111", "1110"), _bools("1000", "0110"), _draws([[0, 1], [0, 0], [1, 1], [1, 0]])


# strict. Query 1: removed 2, of them false 1, false 1, true 3. Query 2: removed 1, of them false 1, false 2, true 1.
# Drawn {1, 2} precision 2/3, recall 2/3, lost 1/4; {1, 1} 1/2, 1, 1/3; {2, 2} 1, 1/2, 0.
# loose. Query 1: removed 1, false. Query 2: nothing. {1, 2}: 1, 1/3, 0; {1, 1}: 1, 1, 0; {2, 2}: –, 0, 0.
def _middle(*values: float) -> tuple[float, float]:
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


BY_HAND = {
    "strict": {
        "precision": (2 / 3, *_middle(2 / 3, 1 / 2, 1, 2 / 3)), "recall": (2 / 3, *_middle(2 / 3, 1, 1 / 2, 2 / 3)),
        "lost": (1 / 4, *_middle(1 / 4, 1 / 3, 0, 1 / 4)),
    },
    "loose": {
        "precision": (1.0, 1.0, 1.0), "recall": (1 / 3, *_middle(1 / 3, 1, 0, 1 / 3)), "lost": (0.0, 0.0, 0.0),
    },
}  # fmt: skip


def _draw_report(rng: random.Random) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
    Q, K, R = rng.randint(1, 4), rng.randint(1, 4), rng.choice((rng.randint(1, 6), 50))

    def drawn(share: float) -> Tensor:
        return torch.tensor([[rng.random() < share for _ in range(K)] for _ in range(Q)])

    names = rng.sample(("margin", "threshold", "guide"), rng.randint(1, 2))
    kept = {name: drawn(rng.choice((0.4, 0.8))) for name in names}
    draws = torch.tensor([[rng.randrange(Q) for _ in range(Q)] for _ in range(R)])
    return kept, drawn(0.85), drawn(0.35), draws


def _nothing_in_a_draw(kept: Mapping[str, Tensor], possible: Tensor, false: Tensor, draws: Tensor) -> bool:
    return any(not bool((possible[r] & ~k[r]).any()) for k in kept.values() for r in draws)


REPORT = Exercise(
    id="09.6",
    title="a filter report with intervals",
    difficulty="hard",
    minutes=16,
    section="Build it: a filter report with intervals",
    signature="dict of (Q, K), (Q, K), (Q, K), (R, Q) -> dict of dicts of 3 floats",
    reference=filter_intervals,
    another=_by_sums,
    draw=_draw_report,
    loops=True,
    situations=(
        Situation("in a draw nothing was removed", _nothing_in_a_draw),
        Situation("there are several filters", lambda kept, *rest: len(kept) > 1),
        Situation("there is one query only", lambda kept, possible, false, draws: len(possible) == 1),
        Situation("there is one draw only", lambda kept, possible, false, draws: len(draws) == 1),
        Situation(
            "a query is drawn twice",
            lambda kept, possible, false, draws: any(len(set(r.tolist())) < len(r) for r in draws),
        ),
        Situation(
            "there is no false negative", lambda kept, possible, false, draws: not bool((possible & false).any())
        ),
    ),
    cases=(
        Case("two filters, two queries", _two_filters, BY_HAND),
        Case(
            "no false negative",
            lambda: ({"one": _bools("01", "11")}, _bools("11", "11"), _bools("00", "00"), _draws([[0, 1], [1, 1]])),
        ),
        Case(
            "three queries, five draws",
            lambda: (
                {"one": _bools("0110", "1001", "1111")},
                _bools("1111", "1110", "0111"),
                _bools("1010", "0010", "0100"),
                _draws([[0, 0, 1], [2, 1, 0], [2, 2, 2], [1, 1, 2], [0, 2, 0]]),
            ),
        ),
    ),
    mistakes=(
        Mistake(
            "a mean over queries",
            _reported(count=_query_by_query),
            "You count query by query and take means. Pool the candidates of the drawn queries and divide once, as in 09.2.",
        ),
        Mistake(
            "each drawn query once",
            _reported(rows_of=lambda rows: rows.unique()),
            "A query that is drawn twice counts once in yours. Drawing with replacement is the point: it counts as often as it is drawn.",
        ),
        Mistake(
            "candidates are drawn, not queries",
            _reported(drawn_from=_by_columns),
            "You draw single candidates. Those of one query are alike, so that the interval comes out too narrow. `draws` has numbers of "
            "queries: take whole rows.",
        ),
        Mistake(
            "the middle 90 %",
            _reported(ends=lambda whole, drawn: np.quantile(drawn, (0.05, 0.95))),
            "Your ends cut off 5 % on each side. The middle 95 % leave 2.5 % on each side.",
        ),
        Mistake(
            "lowest and highest",
            _reported(ends=lambda whole, drawn: (min(drawn), max(drawn))),
            "Your ends are the lowest and the highest of the draws. They move outwards with every further draw; the middle 95 % do not.",
        ),
        Mistake(
            "the mean of the draws",
            _reported(value=lambda whole, drawn: float(np.mean(drawn)) if drawn else math.nan),
            "Your value is the mean of the draws. The value is what all queries give; the draws are there for the ends alone.",
        ),
        Mistake(
            "a normal interval",
            _reported(ends=_mean_and_deviation),
            "Your ends lie 1.96 standard deviations to each side. Asked for are quantiles of the draws, which need not lie evenly and never leave "
            "0 to 1.",
        ),
        Mistake(
            "nothing to divide by gives 0",
            _reported(missing=lambda drawn: [0.0 if math.isnan(x) else x for x in drawn]),
            "Draws in which nothing was removed count as 0 in yours. They say nothing about precision: leave them out.",
        ),
        Mistake(
            "a draw without a value spoils the ends",
            _reported(missing=list),
            "One draw in which nothing can be divided is NaN, and makes both ends NaN. Leave such draws out.",
        ),
        Mistake(
            "the kept in place of the removed",
            _reported(count=_of_the_kept),
            "Your counts are those of what was kept. A filter is judged by what it *removes*.",
        ),
        Mistake(
            "only one filter",
            _only_the_first,
            "Your report has the first filter alone. There is a row for each.",
        ),
    ),
    hints=(
        "09.2 does the counting. Once for all queries, once for each draw.",
        "A draw is a list of row numbers: take those rows of all three tables, with repetitions, and count.",
        "Collect the counts of the draws by measure, leave out NaN, and take the quantiles 0.025 and 0.975; both NaN where none is left.",
    ),
)

EXERCISES = (ROW, COUNT, GUIDED, RATE, FIND_FAULT, REPORT)
