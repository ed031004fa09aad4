"""The exercises of chapter 14: MaxSim of a pair and of a batch, what a query is made of, a residual code, PLAID."""

import random
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from workbook.exercises import compare, draws
from workbook.exercises.exercise import Answer, Case, Exercise, Mistake, Property, Reversed, Situation
from workbook.late_interaction import compress_one, maxsim_one, maxsim_padded
from workbook.similarity import normalize

INFINITY = float("inf")

# --- 14.1 MaxSim of one pair -----------------------------------------------------------------


def maxsim(query: Tensor, passage: Tensor, mask: Tensor) -> Tensor:
    """Each query token's best match among the real tokens, added up: (S, D), (T, D), (T,) -> scalar."""
    return maxsim_one(query, passage[mask.bool()])


def _dots(query: Tensor, passage: Tensor) -> Tensor:
    return query @ passage.T


def _hidden(similarity: Tensor, is_token: Tensor) -> Tensor:
    return similarity.masked_fill(~is_token, -INFINITY)


def _pair(
    query, passage, mask, *, compared=_dots, hide=_hidden, best=lambda found, is_token: found.amax(1),
    total=lambda best, is_token: best.sum(),
):  # fmt: skip
    """MaxSim of a pair with one part exchanged."""
    is_token = mask.bool()
    return total(best(hide(compared(query, passage), is_token), is_token), is_token)


def _paired(**parts: Any) -> Answer:
    return lambda *args: _pair(*args, **parts)


def _lowest_for_padding(query, passage, mask):
    """Padding gets the lowest similarity there is: the gradient is another one only where a token has just that."""
    found = torch.stack([torch.stack([(q * p).sum() for p in passage]) for q in query])
    return torch.where(mask.bool(), found, found.min()).amax(1).sum()


def _zero_times_infinity(found: Tensor, is_token: Tensor) -> Tensor:
    return found + (1 - is_token.float()) * -INFINITY


def _in_front(mask: Tensor) -> int:
    """How many tokens stand in front of the first padding."""
    return int(mask.cumprod(0).sum())


def _each_passage_token_once(query, passage, mask):
    """Whoever comes first takes the best token away from those behind."""
    found = _hidden(_dots(query, passage), mask.bool())
    total, taken = query.sum() * 0, set()
    for row in found:
        free = [t for t in range(len(passage)) if mask[t] and t not in taken]
        if free:
            chosen = max(free, key=lambda t: float(row[t]))
            taken.add(chosen)
            total = total + row[chosen]
    return total


def _distances(query: Tensor, passage: Tensor) -> Tensor:
    return -(query[:, None] - passage[None]).square().sum(-1)


def _cosines(query: Tensor, passage: Tensor) -> Tensor:
    return normalize(query) @ normalize(passage).T


def _draw_mask(rng: random.Random, T: int) -> list[int]:
    """One token at least; padding stands behind, in front, or in between."""
    count = rng.randint(1, T)
    row = [1] * count + [0] * (T - count)
    where = rng.choice(("behind", "behind", "in front", "between"))
    if where == "between":
        rng.shuffle(row)
    return row[::-1] if where == "in front" else row


def _padded_with(rng: random.Random, vectors: Tensor, mask: Tensor) -> Tensor:
    """The same tokens; what stands at padding is zero, or long."""
    padding = vectors * rng.choice((0.0, 0.0, 20.0))
    return torch.where(mask.bool()[..., None], vectors, padding)


def _draw_pair(rng: random.Random) -> tuple[Tensor, Tensor, Tensor]:
    S, T, D = rng.randint(1, 3), rng.randint(1, 4), rng.randint(1, 3)
    mask = torch.tensor(_draw_mask(rng, T))
    return draws.numbers(rng, S, D), _padded_with(rng, draws.numbers(rng, T, D), mask), mask


def _six_similarities() -> tuple[Tensor, Tensor, Tensor]:
    """The first query token finds .9, the second nothing better than -.2; a zero stands behind."""
    return torch.eye(2), torch.tensor([[0.9, -0.3], [0.1, -0.2], [0.0, 0.0]]), torch.tensor([1, 1, 0])


def _best_of(query: Tensor, passage: Tensor, mask: Tensor) -> Tensor:
    return (query @ passage[mask.bool()].T).amax(1)


def _padding_of_one(answer: Answer) -> str | None:
    query = torch.tensor([[1.0, 2.0], [-1.0, 0.5]])
    passage = torch.tensor([[0.5, -2.0], [-0.5, -1.0]])
    alone = float(answer(query, passage, torch.tensor([1, 1])))
    for words, padding in (("rows of zeros", [0.0, 0.0]), ("rows of large numbers", [90.0, 70.0])):
        longer = torch.cat([passage, torch.tensor([padding, padding])])
        padded = float(answer(query, longer, torch.tensor([1, 1, 0, 0])))
        if abs(padded - alone) > 1e-4:
            return f"two {words} at padding change a score from {alone:.4g} to {padded:.4g}"
    return None


def _order_of_tokens(answer: Answer) -> str | None:
    query, passage, mask = torch.tensor([[1.0, 2.0], [-1.0, 0.5]]), torch.arange(-3.0, 3.0).view(3, 2), [1, 0, 1]
    first = float(answer(query, passage, torch.tensor(mask)))
    other = float(answer(query.flip(0), passage.flip(0), torch.tensor(mask[::-1])))
    return None if abs(first - other) < 1e-4 else f"with all tokens in reversed order {first:.4g} becomes {other:.4g}"


def _far_below(answer: Answer) -> str | None:
    seen = float(answer(torch.tensor([[1000.0]]), torch.tensor([[0.0], [-1000.0]]), torch.tensor([0, 1])))
    return (
        None
        if abs(seen + 1e6) < 10
        else f"a token with similarity -1,000,000, and a zero of padding, score {seen:,.6g}"
    )


PAIR = Exercise(
    id="14.1",
    title="MaxSim of one pair",
    difficulty="easy",
    minutes=8,
    section="Build it: MaxSim of one pair",
    signature="(S, D), (T, D), (T,) -> scalar",
    reference=maxsim,
    another=_lowest_for_padding,
    gradient=True,
    draw=_draw_pair,
    situations=(
        Situation("there is padding", lambda q, p, mask: bool((mask == 0).any())),
        Situation("there is no padding", lambda q, p, mask: bool(mask.all())),
        Situation("the padding is zeros", lambda q, p, mask: bool((mask == 0).any() and not p[mask == 0].any())),
        Situation("the padding is not zeros", lambda q, p, mask: bool(p[mask == 0].any())),
        Situation(
            "padding stands in front of a token",
            lambda q, p, mask: bool(mask[int(mask.argmin()) :].any() and not mask.all()),
        ),
        Situation(
            "a query token has only negative similarities", lambda q, p, mask: bool((_best_of(q, p, mask) < 0).any())
        ),
        Situation("the query has one token", lambda q, p, mask: len(q) == 1),
        Situation("the passage has one token", lambda q, p, mask: int(mask.sum()) == 1),
    ),
    cases=(
        Case("two query tokens, two tokens and a zero", _six_similarities, torch.tensor(0.9 - 0.2)),
        Case(
            "three query tokens, long vectors",
            lambda: (
                torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, 1.0]]),
                torch.tensor([[2.0, 1.0], [-3.0, 0.5], [0.0, 4.0]]),
                torch.tensor([1, 1, 1]),
            ),
            torch.tensor(2.0 + 8.0 + 4.0),
        ),
        Case(
            "padding that would win, between two tokens",
            lambda: (
                torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, -2.0]]),
                torch.tensor([[-1.0, -2.0, 0.5], [50.0, 60.0, -70.0], [-2.0, 1.0, 3.0]]),
                torch.tensor([1, 0, 1]),
            ),
        ),
        Case(
            "one token, and it is unlike",
            lambda: (torch.tensor([[2.0], [1.0]]), torch.tensor([[0.0], [-3.0], [0.0]]), torch.tensor([0, 1, 0])),
            torch.tensor(-9.0),
        ),
    ),
    properties=(
        Property("padding changes nothing", _padding_of_one),
        Property("the order of the tokens changes nothing", _order_of_tokens),
        Property("padding lies below every similarity, however low", _far_below),
    ),
    mistakes=(
        Mistake(
            "padding as zero",
            _paired(hide=lambda found, is_token: found * is_token),
            "With you padding has similarity 0. That is more than any negative similarity: where a query token is unlike every token of the "
            "passage, padding wins. What must not win has to lie below everything, not at zero.",
        ),
        Mistake(
            "a low number in the padding's vectors",
            lambda query, passage, mask: (query @ passage.masked_fill(mask[:, None] == 0, -1e9).T).amax(1).sum(),
            "You put the low number into the padding's vectors. Times a negative number of the query it becomes a high similarity. Hide what "
            "is padding after the product, in the similarities.",
        ),
        Mistake(
            "the mask picks rows by number",
            lambda query, passage, mask: (query @ passage[mask.long().clamp(max=len(passage) - 1)].T).amax(1).sum(),
            "You index with numbers: `passage[mask]` with a mask of 0s and 1s takes the rows number 0 and 1, again and again. To pick by yes "
            "and no, the mask has to be bools: `mask == 1`.",
        ),
        Mistake(
            "a soft maximum",
            _paired(
                hide=lambda found, is_token: found.masked_fill(~is_token, -INFINITY),
                best=lambda found, is_token: found.logsumexp(1),
            ),
            "You take the log of a sum of exponentials, a soft maximum. It is always more than the maximum, and grows with each token of the "
            "passage. The largest similarity alone counts.",
        ),
        Mistake(
            "the mask is not used",
            _paired(hide=lambda found, is_token: found),
            "The mask never counts. Whatever stands at padding can be some query token's best match, so a passage's score depends on what it "
            "was padded with.",
        ),
        Mistake(
            "padding at -1",
            _paired(hide=lambda found, is_token: found.masked_fill(~is_token, -1.0)),
            "You give padding the similarity -1. That is the lowest *cosine*; dot products of vectors of any length go below it, and then "
            "padding wins.",
        ),
        Mistake(
            "padding not low enough",
            _paired(hide=lambda found, is_token: found.masked_fill(~is_token, -1e4)),
            "You give padding a low number, and a similarity can be lower still: vectors have any length. Minus infinity is below all of them; "
            "or leave the padding out.",
        ),
        Mistake(
            "ones and zeros of the mask exchanged",
            _paired(hide=lambda found, is_token: found.masked_fill(is_token, -INFINITY)),
            "You leave out the tokens and keep the padding. 1 marks a token.",
        ),
        Mistake(
            "padding is taken to stand at the end",
            lambda query, passage, mask: maxsim_one(query, passage[: int(mask.sum())]),
            "You count the tokens and take as many from the front. Padding may stand anywhere: punctuation that is left out stands between "
            "words, and some tokenizers pad on the left.",
        ),
        Mistake(
            "the end at the first padding",
            lambda query, passage, mask: (
                maxsim_one(query, passage[: _in_front(mask)]) if mask[0] else torch.tensor(0.0)
            ),
            "You stop at the first padding. Tokens may stand behind it: punctuation that is left out stands between words, and some "
            "tokenizers pad on the left. Pass over the padding, and go on.",
        ),
        Mistake(
            "zero times infinity",
            _paired(hide=_zero_times_infinity),
            "Your score is always NaN. Zero times infinity makes that: where 1 − mask is multiplied by minus infinity, each token gets NaN and "
            "not 0. Put minus infinity at the padding alone, without a product.",
        ),
        Mistake(
            "the mean over query tokens",
            _paired(total=lambda best, is_token: best.mean()),
            "You take the mean over the query's tokens. Within one query that ranks alike; but the score is the sum, and a loss would see "
            "scores that are smaller by S.",
        ),
        Mistake(
            "clipped at 0",
            _paired(total=lambda best, is_token: best.clamp(min=0).sum()),
            "A negative best match counts as 0 with you, as if each query token could also choose nothing. A maximum that starts at 0 does the "
            "same: start below everything.",
        ),
        Mistake(
            "the best pair alone",
            _paired(total=lambda best, is_token: best.max()),
            "You keep the one best pair of tokens. One word found then counts as much as all words found. Each query token has its own best "
            "match, and all of them are added up.",
        ),
        Mistake(
            "each passage token looks for its match",
            _paired(hide=lambda found, is_token: found, best=lambda found, is_token: found.amax(0)[is_token]),
            "You take the maximum over the query's tokens and add up over the passage's. A long passage then scores high by its length. It is "
            "the query that asks: maximum over the passage, sum over the query.",
        ),
        Mistake(
            "all pairs added up",
            _paired(hide=lambda found, is_token: found * is_token, best=lambda found, is_token: found.sum(1)),
            "You add up all similarities. That is the product of two sums of vectors: one vector each, and nothing is left of the tokens. "
            "Keep only each query token's best one.",
        ),
        Mistake(
            "the mean instead of the maximum",
            _paired(
                hide=lambda found, is_token: found * is_token,
                best=lambda found, is_token: found.sum(1) / is_token.sum(),
            ),
            "You take the mean over the passage's tokens. A word that is found once in a long passage then hardly counts. The best match is "
            "asked for, not the usual one.",
        ),
        Mistake(
            "both sides pooled first",
            lambda query, passage, mask: query.mean(0) @ passage[mask.bool()].mean(0),
            "You make one vector of each side and compare these two. That is what late interaction is there to avoid: let all tokens meet.",
        ),
        Mistake(
            "the query pooled first",
            lambda query, passage, mask: (passage[mask.bool()] @ query.mean(0)).amax(),
            "You make one vector of the query before it meets the passage. Then one token of the passage has to answer everything at once.",
        ),
        Mistake(
            "one token for the whole query",
            lambda query, passage, mask: (passage[mask.bool()] @ query.sum(0)).amax(),
            "You add up over the query's tokens first, and take the maximum then: one token of the passage has to answer the whole query. "
            "Each query token chooses its own; the sum comes last.",
        ),
        Mistake(
            "cosines",
            _paired(compared=_cosines),
            "You bring the vectors to length 1. Nothing is normalized here: take dot products of the vectors as they come.",
        ),
        Mistake(
            "the worst match",
            _paired(
                hide=lambda found, is_token: found.masked_fill(~is_token, INFINITY),
                best=lambda found, is_token: found.amin(1),
            ),
            "You keep each query token's worst match: the minimum. The maximum is asked for.",
        ),
        Mistake(
            "distances",
            _paired(compared=_distances),
            "You compare by squared distance. With vectors of any length that ranks otherwise than a dot product does.",
        ),
        Mistake(
            "signs do not count",
            _paired(compared=lambda query, passage: _dots(query, passage).abs()),
            "You take absolute values, so a token that points the other way matches as well as one that points the same way.",
        ),
        Mistake(
            "each token can be chosen once",
            _each_passage_token_once,
            "A token that was chosen is taken away from the query tokens behind it. Several query tokens may choose the same one, and the "
            "order of the query must not count.",
        ),
        Mistake(
            "a softmax instead of a maximum",
            _paired(best=lambda found, is_token: (found.softmax(1) * found.nan_to_num(neginf=0.0)).sum(1)),
            "You weigh all matches by a softmax. That is attention: near the maximum where one match stands out, and else a mean. The "
            "maximum itself is asked for.",
        ),
        Mistake(
            "divided by the passage's length",
            _paired(total=lambda best, is_token: best.sum() / is_token.sum()),
            "You divide by the number of the passage's tokens. It gave one match for each query token, however long it is: nothing has to be "
            "divided.",
        ),
    ),
    hints=(
        "All query tokens against all tokens of the passage: which shape has that, and along which axis is the best one looked for?",
        "A product gives (S, T). A position whose mask is 0 must lose against everything, also against negative similarities. Or leave it "
        "out before you multiply.",
        "First the maximum along the passage's axis, (S,); then the sum.",
    ),
)


# --- 14.2 MaxSim of a batch ------------------------------------------------------------------


def maxsim_batch(query: Tensor, query_mask: Tensor, passages: Tensor, mask: Tensor) -> Tensor:
    """MaxSim of every query with every passage: (Q, S, D), (Q, S), (N, T, D), (N, T) -> (Q, N)."""
    return maxsim_padded(query, passages, mask, query_mask)


def _all_dots(query: Tensor, passages: Tensor) -> Tensor:
    return torch.einsum("qsd,ntd->qnst", query, passages)


def _asked(best: Tensor, is_asked: Tensor) -> Tensor:
    return torch.where(is_asked, best, 0.0)


def _batch(
    query, query_mask, passages, mask, *, compared=_all_dots, hide=_hidden,
    best=lambda found, is_asked, is_token: found.amax(3), ask=_asked,
    total=lambda best, is_asked, is_token: best.sum(2),
):  # fmt: skip
    """MaxSim of a batch with one part exchanged: similarities (Q, N, S, T), best ones (Q, N, S), scores (Q, N)."""
    is_asked, is_token = query_mask.bool()[:, None], mask.bool()[None, :, None]
    found = best(hide(compared(query, passages), is_token), is_asked, is_token)
    return total(ask(found, is_asked), is_asked, is_token)


def _batched(**parts: Any) -> Answer:
    return lambda *args: _batch(*args, **parts)


def _flattened(query, query_mask, passages, mask):
    """Queries of zeros at padding, and one product of two long matrices."""
    (Q, S, D), (N, T) = query.shape, mask.shape
    rows = (query * query_mask[:, :, None]).reshape(Q * S, D)
    found = (rows @ passages.reshape(N * T, D).T).view(Q, S, N, T)
    return torch.where(mask.bool(), found, found.min()).amax(3).masked_fill(query_mask[:, :, None] == 0, 0.0).sum(1)


def _one_by_one(score: Callable[[Tensor, Tensor], Tensor]) -> Answer:
    """Each pair for itself, without its padding."""

    def scores(query, query_mask, passages, mask):
        queries = [q[keep.bool()] for q, keep in zip(query, query_mask, strict=True)]
        texts = [p[keep.bool()] for p, keep in zip(passages, mask, strict=True)]
        return torch.stack([torch.stack([score(q, p) for p in texts]) for q in queries])

    return scores


def _cut(*, queries: bool, passages: bool) -> Answer:
    """The padding of one side, or of both, is taken to stand at the end of each row."""

    def ends(mask: Tensor) -> Tensor:
        return torch.arange(mask.shape[1]) < mask.sum(1, keepdim=True)

    return lambda query, query_mask, texts, mask: _batch(
        query, ends(query_mask) if queries else query_mask, texts, ends(mask) if passages else mask
    )


def _viewed(query: Tensor, passages: Tensor) -> Tensor:
    """A product of two long matrices, (Q S, N T), cut up in another order than it has."""
    (Q, S, D), (N, T, _) = query.shape, passages.shape
    return (query.reshape(Q * S, D) @ passages.reshape(N * T, D).T).view(Q, N, S, T)


def _pairs(query, query_mask, passages, mask):
    found = [_batch(*(x[None] for x in row)) for row in zip(query, query_mask, passages, mask, strict=False)]
    return torch.cat(found).flatten()


def _own_passages(query, query_mask, passages, mask):
    found = _hidden(torch.einsum("qsd,qtd->qst", query, passages), mask.bool()[:, None])
    return _asked(found.amax(2), query_mask.bool()).sum(1)


def _draw_batch(rng: random.Random) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    Q, N, D = rng.randint(1, 3), rng.randint(1, 3), rng.randint(1, 3)
    S, T = rng.randint(1, 3), rng.randint(1, 3)
    query_mask = torch.tensor([_draw_mask(rng, S) for _ in range(Q)])
    mask = torch.tensor([_draw_mask(rng, T) for _ in range(N)])
    query, passages = draws.numbers(rng, Q, S, D), draws.numbers(rng, N, T, D)
    return _padded_with(rng, query, query_mask), query_mask, _padded_with(rng, passages, mask), mask


def _lowest_best(query, query_mask, passages, mask) -> float:
    found = _hidden(_all_dots(query, passages), mask.bool()[None, :, None]).amax(3)  # (Q, N, S)
    return float(found.masked_fill(~query_mask.bool()[:, None], INFINITY).min())


def _two_by_two() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Each query along the axes; the passages are the two of the chapter's drawing, and a third row of padding."""
    query = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [5.0, 5.0]]])
    passages = torch.tensor([[[0.9, -0.3], [0.1, -0.2], [0.0, 0.0]], [[0.7, 0.05], [0.2, 0.1], [0.1, -0.1]]])
    return query, torch.tensor([[1, 1], [1, 0]]), passages, torch.tensor([[1, 1, 0], [1, 1, 1]])


def _alone_as_together(answer: Answer) -> str | None:
    args = _two_by_two()
    together = answer(*args)
    for q in range(2):
        for n in range(2):
            count = int(args[3][n].sum())
            alone = answer(args[0][[q]], args[1][[q]], args[2][[n], :count], args[3][[n], :count])
            if abs(float(alone[0, 0]) - float(together[q, n])) > 1e-4:
                return (
                    f"query {q} with passage {n} scores {float(alone[0, 0]):.4g} alone and {float(together[q, n]):.4g} "
                    "in a batch"
                )
    return None


def _more_padding(answer: Answer) -> str | None:
    query, query_mask, passages, mask = _two_by_two()
    before = answer(query, query_mask, passages, mask)
    query = torch.cat([query, torch.full((2, 1, 2), 7.0)], dim=1)
    passages = torch.cat([passages, torch.full((2, 2, 2), 30.0)], dim=1)
    query_mask, mask = F.pad(query_mask, (0, 1)), F.pad(mask, (0, 2))
    after = answer(query, query_mask, passages, mask)
    return None if torch.allclose(before, after, atol=1e-4) else "with more padding on both sides the scores change"


def _far_below_in_a_batch(answer: Answer) -> str | None:
    query, passages = torch.tensor([[[1000.0], [3.0]]]), torch.tensor([[[-1000.0], [0.0]]])
    seen = float(answer(query, torch.tensor([[1, 0]]), passages, torch.tensor([[1, 0]])))
    return (
        None
        if abs(seen + 1e6) < 10
        else f"a token with similarity -1,000,000, and a zero of padding, score {seen:,.6g}"
    )


BATCH = Exercise(
    id="14.2",
    title="MaxSim of a batch",
    difficulty="medium",
    minutes=10,
    section="Build it: MaxSim of a batch",
    signature="(Q, S, D), (Q, S), (N, T, D), (N, T) -> (Q, N)",
    reference=maxsim_batch,
    another=_flattened,
    gradient=True,
    draw=_draw_batch,
    situations=(
        Situation("a query has padding", lambda q, qm, p, m: bool((qm == 0).any())),
        Situation("a passage has padding", lambda q, qm, p, m: bool((m == 0).any())),
        Situation("there is no padding", lambda q, qm, p, m: bool(qm.all() and m.all())),
        Situation("padding of a passage is not zeros", lambda q, qm, p, m: bool(p[m == 0].any())),
        Situation("padding of a query is not zeros", lambda q, qm, p, m: bool(q[qm == 0].any())),
        Situation("a query token has only negative similarities", lambda *args: _lowest_best(*args) < 0),
        Situation("there is one query", lambda q, qm, p, m: len(q) == 1),
        Situation("there is one passage", lambda q, qm, p, m: len(p) == 1),
        Situation("there are as many queries as passages", lambda q, qm, p, m: len(q) == len(p)),
    ),
    cases=(
        Case("two queries, two passages", _two_by_two, torch.tensor([[0.7, 0.8], [1.8, 1.4]])),
        Case(
            "one query, three passages",
            lambda: (
                torch.tensor([[[1.0, -1.0], [9.0, 9.0], [0.0, 2.0]]]),
                torch.tensor([[1, 0, 1]]),
                torch.tensor([[[1.0, 1.0], [3.0, 0.0]], [[-2.0, -1.0], [40.0, 40.0]], [[0.0, 0.0], [-1.0, -3.0]]]),
                torch.tensor([[1, 1], [1, 0], [0, 1]]),
            ),
            torch.tensor([[3.0 + 2.0, -1.0 - 2.0, 2.0 - 6.0]]),
        ),
        Case(
            "three queries, two passages, one dimension",
            lambda: (
                torch.tensor([[[1.0], [2.0]], [[-1.0], [3.0]], [[-2.0], [-2.0]]]),
                torch.tensor([[0, 1], [1, 1], [1, 0]]),
                torch.tensor([[[-1.0], [-2.0], [8.0]], [[2.0], [5.0], [0.0]]]),
                torch.tensor([[1, 1, 0], [1, 0, 0]]),
            ),
        ),
    ),
    properties=(
        Property("a pair scores alone as it does in a batch", _alone_as_together),
        Property("more padding changes nothing", _more_padding),
        Property("padding of a passage lies below every similarity, however low", _far_below_in_a_batch),
    ),
    mistakes=(
        Mistake(
            "the query's mask is not used",
            _batched(ask=lambda best, is_asked: best),
            "Padding of a query is added up like a token. Its best match raises or lowers every passage's score, and not all by the same: "
            "the order of the passages changes.",
        ),
        Mistake(
            "the passages' mask is not used",
            _batched(hide=lambda found, is_token: found),
            "Padding of a passage can be a query token's best match. The score of a short passage then depends on how long the others of its "
            "batch are.",
        ),
        Mistake(
            "no mask is used",
            _batched(hide=lambda found, is_token: found, ask=lambda best, is_asked: best),
            "Neither mask counts. Padding of a passage can win, and padding of a query is added up.",
        ),
        Mistake(
            "padding of a passage as zero",
            _batched(hide=lambda found, is_token: found * is_token),
            "You multiply by the passages' mask: padding gets similarity 0, and 0 beats every negative one. It has to lie below everything "
            "before the maximum is taken.",
        ),
        Mistake(
            "padding of a passage at -1",
            _batched(hide=lambda found, is_token: found.masked_fill(~is_token, -1.0)),
            "Padding of a passage has similarity -1 with you. Cosines do not go lower; dot products do, and then padding wins.",
        ),
        Mistake(
            "padding of a passage not low enough",
            _batched(hide=lambda found, is_token: found.masked_fill(~is_token, -1e4)),
            "You give padding a low number, and a similarity can be lower still: vectors have any length. Minus infinity is below all of them.",
        ),
        Mistake(
            "minus infinity in the sum",
            _batched(ask=lambda best, is_asked: best.masked_fill(~is_asked, -INFINITY)),
            "You fill padding of a *query* with minus infinity, and then add up: every score of a padded query is minus infinity. A query's "
            "padding must add nothing, which is 0; what must lie below everything is a passage's.",
        ),
        Mistake(
            "zero times infinity",
            _batched(hide=_zero_times_infinity),
            "Your scores are always NaN. Zero times infinity makes that: where 1 − mask is multiplied by minus infinity, each token gets NaN "
            "and not 0. Put minus infinity at the padding alone, without a product.",
        ),
        Mistake(
            "each query with its own passage",
            _own_passages,
            "You score query i with passage i alone, (Q,). Every query meets every passage: the result is (Q, N), whether there are as many "
            "of the one as of the other or not.",
        ),
        Mistake(
            "pairs, as far as they go",
            _pairs,
            "You walk through queries and passages side by side, so each query meets one passage alone, and the longer list is cut off. Every "
            "query meets every passage: one loop within the other, or an axis for each.",
        ),
        Mistake(
            "cut up in another order",
            _batched(compared=_viewed),
            "A product of all query tokens with all tokens of the passages has its numbers in the order q, s, n, t. A `view` or `reshape` to "
            "q, n, s, t gives the axes these names and moves no number, so tokens of other texts are mixed in. Cut it up as it is; then "
            "exchange the axes.",
        ),
        Mistake(
            "passages in rows",
            lambda *args: _batch(*args).T,
            "The right scores, with passages in rows and queries in columns. Return (Q, N).",
        ),
        Mistake(
            "the mean over query tokens",
            _batched(total=lambda best, is_asked, is_token: best.sum(2) / is_asked.sum(2)),
            "You divide by the number of the query's tokens. The sum itself is asked for.",
        ),
        Mistake(
            "the mean over all positions of a query",
            _batched(total=lambda best, is_asked, is_token: best.mean(2)),
            "You divide by S, padding included: the scores of a query then depend on how long the others of its batch are. Nothing is divided.",
        ),
        Mistake(
            "each passage token looks for its match",
            _batched(
                hide=lambda found, is_token: found,
                best=lambda found, is_asked, is_token: found.masked_fill(~is_asked[..., None], -INFINITY).amax(2),
                ask=lambda best, is_asked: best,
                total=lambda best, is_asked, is_token: torch.where(is_token[:, :, 0], best, 0.0).sum(2),
            ),
            "You take the maximum over the query's tokens and add up over the passage's: long passages score high by their length. Maximum "
            "over the passage, sum over the query.",
        ),
        Mistake(
            "the best pair alone",
            _batched(
                ask=lambda best, is_asked: best.masked_fill(~is_asked, -INFINITY),
                total=lambda best, is_asked, is_token: best.amax(2),
            ),
            "You keep the one best pair of tokens of each query and passage. All query tokens' best matches are added up.",
        ),
        Mistake(
            "all pairs added up",
            _batched(
                hide=lambda found, is_token: found * is_token,
                best=lambda found, is_asked, is_token: found.sum(3),
            ),
            "You add up all similarities, without a maximum. That compares the sums of two texts' vectors, so the tokens might as well have "
            "been pooled.",
        ),
        Mistake(
            "the mean instead of the maximum",
            _batched(
                hide=lambda found, is_token: found * is_token,
                best=lambda found, is_asked, is_token: found.sum(3) / is_token.sum(3),
            ),
            "You take the mean over a passage's tokens. Each query token keeps its *best* match.",
        ),
        Mistake(
            "queries pooled first",
            _one_by_one(lambda q, p: (p @ q.mean(0)).amax()),
            "You make one vector of each query before it meets the passages. Then one token has to answer everything: keep all query tokens "
            "until the sum.",
        ),
        Mistake(
            "one token for the whole query",
            _one_by_one(lambda q, p: (p @ q.sum(0)).amax()),
            "You add up over the query's tokens first, and take the maximum then: one token of a passage has to answer the whole query. Each "
            "query token chooses its own; the sum comes last.",
        ),
        Mistake(
            "both sides pooled first",
            _one_by_one(lambda q, p: q.mean(0) @ p.mean(0)),
            "You make one vector of each text and compare these. That is the encoder of the chapters before; here all tokens meet.",
        ),
        Mistake(
            "clipped at 0",
            _batched(
                total=lambda best, is_asked, is_token: best.clamp(min=0).sum(2),
            ),
            "A negative best match counts as 0 with you. It counts as it is: a passage that is unlike a query token loses by it.",
        ),
        Mistake(
            "cosines",
            _batched(compared=lambda query, passages: _all_dots(normalize(query), normalize(passages))),
            "You bring the vectors to length 1. They are taken as they come.",
        ),
        Mistake(
            "both directions",
            _one_by_one(lambda q, p: (q @ p.T).amax(1).sum() + (q @ p.T).amax(0).sum()),
            "You add the other direction, in which each token of the passage looks for its match. It rewards long passages; only the query "
            "asks.",
        ),
        Mistake(
            "padding is taken to stand at the end",
            _cut(queries=True, passages=True),
            "You count each row's tokens and take as many from the front. Padding may stand anywhere in a row: take the positions whose mask "
            "is 1.",
        ),
        Mistake(
            "padding of a query is taken to stand at the end",
            _cut(queries=True, passages=False),
            "You count each query's tokens and take as many from the front. Padding may stand anywhere in a row, of a query as of a passage: "
            "take the positions whose mask is 1.",
        ),
        Mistake(
            "padding of a passage is taken to stand at the end",
            _cut(queries=False, passages=True),
            "You count each passage's tokens and take as many from the front. Padding may stand anywhere in a row: take the positions whose "
            "mask is 1.",
        ),
        Mistake(
            "ones and zeros of the passages' mask exchanged",
            _batched(hide=lambda found, is_token: found.masked_fill(is_token, -INFINITY)),
            "You leave out the passages' tokens and keep their padding. 1 marks a token.",
        ),
        Mistake(
            "ones and zeros of the query's mask exchanged",
            _batched(ask=lambda best, is_asked: torch.where(is_asked, 0.0, best)),
            "You add up the padding of a query and leave out its tokens. 1 marks a token.",
        ),
        Mistake(
            "the first passage's mask for all",
            lambda query, query_mask, passages, mask: _batch(query, query_mask, passages, mask[:1].expand_as(mask)),
            "All passages are masked as the first one is. Each has its own row of the mask: mind along which axis it is stretched.",
        ),
        Mistake(
            "the first query's mask for all",
            lambda query, query_mask, passages, mask: _batch(
                query, query_mask[:1].expand_as(query_mask), passages, mask
            ),
            "All queries are masked as the first one is. Each has its own row of the mask.",
        ),
    ),
    hints=(
        "Four letters: q, n, s, t. Which similarities are there, and over which of the four is the maximum taken, over which the sum?",
        "One `einsum` gives (Q, N, S, T). The passages' mask belongs to n and t, the query's to q and s; put axes of length 1 where the "
        "others are.",
        "A passage's padding has to lose: minus infinity, before the maximum. A query's has to add nothing: zero, after it.",
    ),
)


# --- 14.3 what a query is made of ------------------------------------------------------------


def query_ids(ids: Sequence[int], marker: int, mask_id: int, length: int) -> list[int]:
    """[CLS], the marker, as many words as there is room for, [SEP], and [MASK] up to the length."""
    first, *words, last = ids
    kept = [first, marker, *words[: length - 3], last]
    return kept + [mask_id] * (length - len(kept))


def _inserted(ids, marker, mask_id, length):
    """On a copy: cut in front of [SEP], put the marker in, and fill up."""
    found = list(ids)
    while len(found) + 1 > length:
        del found[-2]
    found.insert(1, marker)
    while len(found) < length:
        found.append(mask_id)
    return found


def _query(
    ids, marker, mask_id, length, *, words=lambda words, length: words[: length - 3],
    made=lambda first, marker, words, last: [first, marker, *words, last],
    fill=lambda mask_id, first, last, marker: mask_id,
    filled=lambda kept, fill, length: kept + [fill] * (length - len(kept)),
):  # fmt: skip
    """A query's ids with one part exchanged."""
    first, *middle, last = ids
    kept = made(first, marker, words(middle, length), last)
    return filled(kept, fill(mask_id, first, last, marker), length)


def _made(**parts: Any) -> Answer:
    return lambda *args: _query(*args, **parts)


def _filled_before_the_end(kept: list[int], fill: int, length: int) -> list[int]:
    return [*kept[:-1], *[fill] * (length - len(kept)), kept[-1]]


def _by_id(*, whole: bool) -> Answer:
    """[CLS] and [SEP] are found by their ids: all of them are left out, or the text ends at the first."""

    def made(ids, marker, mask_id, length):
        first, *words, last = ids
        kept = [i for i in words if i not in (first, last)] if whole else ids[1 : ids.index(last)]
        return query_ids([first, *kept, last], marker, mask_id, length)

    return made


def _ended_twice(ids, marker, mask_id, length):
    """The list is cut where there is no room, and [SEP] is put behind it whether or not it was cut away."""
    first, *rest = ids[: length - 2]
    kept = [first, marker, *rest, ids[-1]]
    return kept + [mask_id] * (length - len(kept))


def _in_place(ids, marker, mask_id, length):
    ids.insert(1, marker)
    del ids[length - 1 : -1]
    ids.extend([mask_id] * (length - len(ids)))
    return ids


def _draw_ids(rng: random.Random) -> tuple[list[int], int, int, int]:
    first, last, mask_id = rng.choice(((101, 102, 103), (101, 102, 103), (2, 3, 4), (5, 6, 9)))
    words = [rng.randint(1000, 1060) for _ in range(rng.randint(0, 8))]
    if words and rng.random() < 0.3:  # somebody writes "[SEP]"
        words[rng.randrange(len(words))] = rng.choice((first, last, last, mask_id))
    return [first, *words, last], rng.choice((1, 7, 30)), mask_id, rng.randint(4, 12)


LENGTH = Exercise(
    id="14.3",
    title="what a query is made of",
    difficulty="medium",
    minutes=8,
    section="Build it: what a query is made of",
    signature="list of int, int, int, int -> list of int",
    reference=query_ids,
    another=_inserted,
    draw=_draw_ids,
    loops=True,
    situations=(
        Situation("the query is too long", lambda ids, marker, mask_id, length: len(ids) + 1 > length),
        Situation("the query would fit without the marker", lambda ids, marker, mask_id, length: len(ids) == length),
        Situation("the query fits exactly", lambda ids, marker, mask_id, length: len(ids) + 1 == length),
        Situation("there is room behind the query", lambda ids, marker, mask_id, length: len(ids) + 1 < length),
        Situation("the query has no words", lambda ids, marker, mask_id, length: len(ids) == 2),
        Situation("[MASK] has another id than 103", lambda ids, marker, mask_id, length: mask_id != 103),
        Situation(
            "a word has the id of [CLS] or [SEP]",
            lambda ids, marker, mask_id, length: any(i in (ids[0], ids[-1]) for i in ids[1:-1]),
        ),
        Situation("a word has the id of [MASK]", lambda ids, marker, mask_id, length: mask_id in ids),
    ),
    cases=(
        Case(
            "two words, room for three [MASK]s",
            lambda: ([101, 1005, 1006, 102], 1, 103, 8),
            [101, 1, 1005, 1006, 102, 103, 103, 103],
        ),
        Case(
            "four words, two too many",
            lambda: ([101, 1005, 1006, 1007, 1008, 102], 1, 103, 5),
            [101, 1, 1005, 1006, 102],
        ),
        Case("it would fit without the marker", lambda: ([2, 11, 12, 13, 3], 7, 4, 5), [2, 7, 11, 12, 3]),
        Case("it fits exactly", lambda: ([2, 11, 12, 3], 7, 4, 5), [2, 7, 11, 12, 3]),
        Case("no words", lambda: ([101, 102], 1, 103, 5), [101, 1, 102, 103, 103]),
        Case(
            "a word that reads [SEP]",
            lambda: ([101, 1005, 102, 1006, 102], 1, 103, 7),
            [101, 1, 1005, 102, 1006, 102, 103],
        ),
    ),
    mistakes=(
        Mistake(
            "filled with [PAD]",
            _made(fill=lambda mask_id, first, last, marker: 0),
            "You fill up with id 0, which is padding in most vocabularies. Padding is meant to count nothing; a [MASK] is a token like any "
            "other, whose vector asks for what could stand there. Use `mask_id`.",
        ),
        Mistake(
            "filled with [CLS]",
            _made(fill=lambda mask_id, first, last, marker: first),
            "You fill up with the id of [CLS]. It stands near [MASK] in many vocabularies (101 and 103 in BERT's) and means something else: "
            "the model was trained to write an answer at [MASK], and nowhere else.",
        ),
        Mistake(
            "filled with [SEP]",
            _made(fill=lambda mask_id, first, last, marker: last),
            "You repeat [SEP] up to the length. That says over and over that the query has ended; a [MASK] asks for more.",
        ),
        Mistake(
            "filled with the marker",
            _made(fill=lambda mask_id, first, last, marker: marker),
            "You fill up with the marker. It says which side this is, once; what is missing is filled with `mask_id`.",
        ),
        Mistake(
            "filled with 103",
            _made(fill=lambda mask_id, first, last, marker: 103),
            "You fill up with 103, whatever `mask_id` is. That is [MASK] in BERT's vocabulary; another one has it elsewhere.",
        ),
        Mistake(
            "the marker in front",
            _made(made=lambda first, marker, words, last: [marker, first, *words, last]),
            "Your marker stands in front of [CLS]. The model has always read [CLS] at position 0; the marker stands behind it.",
        ),
        Mistake(
            "the marker behind the words",
            _made(made=lambda first, marker, words, last: [first, *words, last, marker]),
            "Your marker stands at the end of the query. It stands behind [CLS], at the same position in every query.",
        ),
        Mistake(
            "the marker in place of [CLS]",
            _made(made=lambda first, marker, words, last: [marker, *words, last]),
            "The marker takes the place of [CLS]. Keep [CLS]; the marker comes behind it.",
        ),
        Mistake(
            "the marker in place of [CLS], and room for a word more",
            _made(
                made=lambda first, marker, words, last: [marker, *words, last],
                words=lambda words, length: words[: length - 2],
            ),
            "The marker takes the place of [CLS]. Keep [CLS]: the marker comes behind it and needs a place of its own.",
        ),
        Mistake(
            "the marker in place of the first word",
            _made(
                made=lambda first, marker, words, last: [first, marker, *words[1:], last],
                words=lambda words, length: words[: length - 2],
            ),
            "The marker overwrites the first word, as it does where the id at position 1 is set and no place was made for it. It is put in "
            "between.",
        ),
        Mistake(
            "no marker",
            _made(
                made=lambda first, marker, words, last: [first, *words, last],
                words=lambda words, length: words[: length - 2],
            ),
            "The marker is missing. Query and passage go through the same weights; it tells the model which side it reads.",
        ),
        Mistake(
            "[SEP] is cut away",
            _made(
                filled=lambda kept, fill, length: kept[:length] + [fill] * (length - len(kept)), words=lambda w, n: w
            ),
            "You cut at the end, and in a long query that takes [SEP]. Cut words, and keep [SEP] behind those that are left.",
        ),
        Mistake(
            "[SEP] is left out",
            _made(
                made=lambda first, marker, words, last: [first, marker, *words],
                words=lambda words, length: words[: length - 2],
            ),
            "Your queries have no [SEP]. It stands behind the last word, in front of what is filled up.",
        ),
        Mistake(
            "[SEP] stands twice",
            _ended_twice,
            "You cut the list, and put [SEP] behind what is left, also where nothing was cut away: a short query then has two. Take [SEP] "
            "off before you cut the words.",
        ),
        Mistake(
            "words are known by their ids",
            _by_id(whole=True),
            "You tell words from [CLS] and [SEP] by their ids, so a word that has one of these ids is lost. Go by the place: [CLS] is the "
            "first id, [SEP] the last, and everything between them is a word.",
        ),
        Mistake(
            "the end at the first [SEP]",
            _by_id(whole=False),
            "You look for the id of [SEP], and the query ends where it is met first. A word may have the same id: [SEP] is the last id of the "
            "list.",
        ),
        Mistake(
            "filled in front of [SEP]",
            _made(filled=_filled_before_the_end),
            "Your [MASK]s stand in front of [SEP], as if they belonged to the text. They stand behind it.",
        ),
        Mistake(
            "filled behind [CLS]",
            _made(filled=lambda kept, fill, length: kept[:2] + [fill] * (length - len(kept)) + kept[2:]),
            "Your [MASK]s stand in front of the words, so the words move to other positions. They stand behind [SEP].",
        ),
        Mistake(
            "filled in front",
            _made(filled=lambda kept, fill, length: [fill] * (length - len(kept)) + kept),
            "You fill up on the left, so [CLS] no longer stands at position 0. What is missing is filled behind [SEP].",
        ),
        Mistake(
            "not filled",
            _made(filled=lambda kept, fill, length: kept),
            "Short queries stay short. Fill them up with `mask_id` to `length` ids: the vectors of these positions ask for words that the "
            "query does not hold.",
        ),
        Mistake(
            "one too long",
            lambda ids, marker, mask_id, length: _query(ids, marker, mask_id, length + 1),
            "Your result has one id too many: you cut and fill to the length, and then the marker comes in. It counts, too.",
        ),
        Mistake(
            "one too long where words are cut",
            _made(words=lambda words, length: words[: length - 2]),
            "A long query comes out one id too long. Three places are taken: by [CLS], by the marker and by [SEP].",
        ),
        Mistake(
            "one too long where it is filled",
            _made(
                filled=lambda kept, fill, length: (
                    kept + [fill] * (length - len(kept) + 1) if len(kept) < length else kept
                )
            ),
            "A short query comes out one id too long: what is missing was counted without the marker.",
        ),
        Mistake(
            "a word too few",
            _made(words=lambda words, length: words[: length - 4]),
            "A long query loses one word more than it must, and a [MASK] stands where that word could be. Count the places that are taken: "
            "by [CLS], the marker and [SEP].",
        ),
        Mistake(
            "the first words are lost",
            _made(words=lambda words, length: words[max(0, len(words) - (length - 3)) :]),
            "A long query keeps its last words. It loses these, and keeps the first.",
        ),
        Mistake(
            "not cut",
            _made(words=lambda words, length: words),
            "A long query is not cut. The result has `length` ids, no more: all queries have the same shape.",
        ),
        Mistake(
            "[MASK] in place of the words",
            _made(
                made=lambda first, marker, words, last: [first, marker, *[-1] * len(words), last],
                words=lambda w, n: w[: n - 3],
                filled=lambda kept, fill, length: (
                    [fill if i == -1 else i for i in kept] + [fill] * (length - len(kept))
                ),
            ),
            "You put [MASK] over the words. That is how a masked language model is trained; here the words stay, and [MASK]s come in "
            "addition.",
        ),
        Mistake(
            "always 32",
            lambda ids, marker, mask_id, length: _query(ids, marker, mask_id, 32),
            "You cut and fill to 32, ColBERT's usual length. Use `length`.",
        ),
        Mistake(
            "what was passed in has changed",
            _in_place,
            "The ids are right, and you put them into the list that was passed in. Whoever called your function finds other ids there than "
            "before: work on a new list.",
        ),
    ),
    hints=(
        "Take the list apart: its first id, its last id, and what lies between. Which of the three may become shorter?",
        "How many places are left for words, once [CLS], the marker and [SEP] have theirs? A slice that is too long does no harm.",
        "Put the parts together in a new list, and add `mask_id` as often as ids are missing.",
    ),
)


# --- 14.4 a residual code --------------------------------------------------------------------


def compress(x: Tensor, centroids: Tensor, cutoffs: Tensor) -> tuple[Tensor, Tensor]:
    """Each vector as its centroid's number and a bucket for each dimension: -> codes (L,), buckets (L, D)."""
    rows = [compress_one(vector, centroids, cutoffs) for vector in x]
    return torch.tensor([code for code, _ in rows]), torch.tensor([buckets for _, buckets in rows])


def _bucketized(x, centroids, cutoffs):
    codes = torch.einsum("ld,cd->lc", x, centroids).argmax(1)
    return codes, torch.bucketize(x - centroids[codes], cutoffs)


def _counted(residual: Tensor, cutoffs: Tensor) -> Tensor:
    return (residual[..., None] > cutoffs).sum(-1)


def _coded(
    x, centroids, cutoffs, *, nearest=lambda x, centroids: (x @ centroids.T).argmax(1),
    left=lambda x, centroid: x - centroid, bucket=_counted,
):  # fmt: skip
    """A residual code with one part exchanged."""
    codes = nearest(x, centroids)
    return codes, bucket(left(x, centroids[codes]), cutoffs)


def _coding(**parts: Any) -> Answer:
    return lambda *args: _coded(*args, **parts)


def _evenly(residual: Tensor, cutoffs: Tensor) -> Tensor:
    """Buckets of equal width between the smallest residual and the largest."""
    low, high, many = residual.min(), residual.max(), len(cutoffs) + 1
    return ((residual - low) / (high - low).clamp(min=1e-9) * many).long().clamp(max=many - 1)


def _by_rank(residual: Tensor, cutoffs: Tensor) -> Tensor:
    flat = residual.flatten()
    rank = (flat[:, None] > flat[None]).sum(1)
    return (rank * (len(cutoffs) + 1) // len(flat)).view(residual.shape)


def _draw_vectors(rng: random.Random) -> tuple[Tensor, Tensor, Tensor]:
    L, C, D = rng.randint(1, 3), rng.randint(1, 4), rng.randint(1, 3)
    x, centroids = draws.numbers(rng, L, D), draws.numbers(rng, C, D)
    if C > 1 and rng.random() < 0.3:
        centroids[-1] = centroids[0]
    if rng.random() < 0.2:
        x[0] = centroids[rng.randrange(C)]
    return x, centroids, torch.tensor(sorted(rng.sample((-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0), rng.choice((1, 3)))))


def _is_tied(x: Tensor, centroids: Tensor, cutoffs: Tensor) -> bool:
    found = x @ centroids.T
    return bool(((found == found.amax(1, keepdim=True)).sum(1) > 1).any())


def _residual(x: Tensor, centroids: Tensor) -> Tensor:
    return x - centroids[(x @ centroids.T).argmax(1)]


def _by_distance(x: Tensor, centroids: Tensor) -> Tensor:
    return (x[:, None] - centroids[None]).square().sum(-1).argmin(1)


def _two_of_two() -> tuple[Tensor, Tensor, Tensor]:
    """The residuals are -.1 and .3, and -.2 and -.3."""
    return torch.tensor([[0.9, 0.3], [-0.2, 0.7]]), torch.eye(2), torch.tensor([-0.25, 0.0, 0.25])


def _each_for_itself(answer: Answer) -> str | None:
    x, centroids, cutoffs = torch.tensor([[2.0, 0.5], [-1.0, 3.0], [0.0, -2.0]]), torch.eye(2), torch.tensor([0.4])
    codes, buckets = answer(x, centroids, cutoffs)
    for row in range(3):
        code, bucket = answer(x[[row]], centroids, cutoffs)
        if code.tolist() != codes[[row]].tolist() or bucket.tolist() != buckets[[row]].tolist():
            return f"vector {row} is compressed otherwise alone than together with two others"
    return None


CODE = Exercise(
    id="14.4",
    title="a residual code",
    difficulty="medium",
    minutes=10,
    section="Build it: a residual code",
    signature="(L, D), (C, D), (2^b - 1,) -> (L,), (L, D)",
    reference=compress,
    another=_bucketized,
    draw=_draw_vectors,
    situations=(
        Situation("two centroids have the same, largest product", _is_tied),
        Situation(
            "a residual lies on a cut-off",
            lambda x, c, cutoffs: bool((_residual(x, c)[..., None] == cutoffs).any()),
        ),
        Situation("a vector is its centroid", lambda x, c, cutoffs: bool((_residual(x, c) == 0).all(1).any())),
        Situation(
            "the nearest centroid is another one than that with the largest product",
            lambda x, c, cutoffs: not torch.equal((x @ c.T).argmax(1), _by_distance(x, c)),
        ),
        Situation("there is one bit", lambda x, c, cutoffs: len(cutoffs) == 1),
        Situation("there is one centroid", lambda x, c, cutoffs: len(c) == 1),
        Situation("there is one vector", lambda x, c, cutoffs: len(x) == 1),
    ),
    cases=(
        Case("two vectors, two bits", _two_of_two, (torch.tensor([0, 1]), torch.tensor([[1, 3], [1, 0]]))),
        Case(
            "one bit, a residual of 0, and equal products",
            lambda: (
                torch.tensor([[1.0, 1.0], [2.0, 0.0]]),
                torch.tensor([[1.0, 0.0], [0.0, 1.0]]),
                torch.tensor([0.0]),
            ),
            (torch.tensor([0, 0]), torch.tensor([[0, 1], [1, 0]])),
        ),
        Case(
            "the longer centroid has the larger product",
            lambda: (
                torch.tensor([[1.0, 0.2]]),
                torch.tensor([[1.0, 0.0], [3.0, 1.0]]),
                torch.tensor([-1.0, 0.0, 1.0]),
            ),
            (torch.tensor([1]), torch.tensor([[0, 1]])),
        ),
        Case(
            "four vectors, three centroids, all signs",
            lambda: (
                torch.tensor([[1.0, -2.0, 0.5], [-1.5, 0.5, 2.0], [-3.0, 1.0, -1.0], [0.0, 0.0, 0.0]]),
                torch.tensor([[0.0, 1.0, 1.0], [-2.0, 0.5, -1.0], [1.0, -1.0, 0.0]]),
                torch.tensor([-0.5, 0.5, 1.0]),
            ),
        ),
    ),
    properties=(Property("each vector is compressed for itself", _each_for_itself),),
    mistakes=(
        Mistake(
            "the nearest centroid",
            _coding(nearest=_by_distance),
            "You take the centroid at the smallest distance. Where all vectors have length 1 that is the one with the largest dot product; "
            "here they have any length, and the product decides.",
        ),
        Mistake(
            "the centroid with the largest cosine",
            _coding(nearest=lambda x, centroids: (x @ normalize(centroids).T).argmax(1)),
            "You normalize the centroids before you compare. Nothing is normalized: a longer centroid has larger products.",
        ),
        Mistake(
            "the last of equal ones",
            _coding(nearest=lambda x, centroids: len(centroids) - 1 - (x @ centroids.T).flip(1).argmax(1)),
            "Of centroids with the same product you take the last. The first one is asked for; `>=` in a loop, or a search from the back, "
            "does this.",
        ),
        Mistake(
            "the centroid with the smallest product",
            _coding(nearest=lambda x, centroids: (x @ centroids.T).argmin(1)),
            "You take the centroid with the *smallest* product, as with distances. A dot product grows with likeness.",
        ),
        Mistake(
            "the signs of products do not count",
            _coding(nearest=lambda x, centroids: (x @ centroids.T).abs().argmax(1)),
            "You compare absolute values, so a centroid that points the other way can be chosen. Its residual is then twice the vector.",
        ),
        Mistake(
            "the product with the mean",
            _coding(nearest=lambda x, centroids: ((x - x.mean(0)) @ centroids.T).argmax(1)),
            "You take the mean of all vectors off before you compare. Then a vector's code depends on the others.",
        ),
        Mistake(
            "the vector itself in buckets",
            _coding(left=lambda x, centroid: x),
            "You put the vector's own numbers into buckets. The centroid has said most of them already; what it leaves, the residual, is "
            "small, and only that goes into buckets.",
        ),
        Mistake(
            "the residual has the other sign",
            _coding(left=lambda x, centroid: centroid - x),
            "You subtract the vector from its centroid. Decompression *adds* the residual to the centroid, so it is the vector minus the "
            "centroid.",
        ),
        Mistake(
            "the centroid in buckets",
            _coding(left=lambda x, centroid: centroid),
            "You put the centroid's numbers into buckets. They are known from its number; the residual is not.",
        ),
        Mistake(
            "one residual for all",
            lambda x, centroids, cutoffs: (
                (x @ centroids.T).argmax(1),
                _counted(x - centroids[int((x[0] @ centroids.T).argmax())], cutoffs),
            ),
            "All vectors are compared with the first one's centroid. Each has its own: index the centroids with all codes at once.",
        ),
        Mistake(
            "the residual at length 1",
            _coding(left=lambda x, centroid: normalize(x - centroid)),
            "You bring the residual to length 1. How much is left is just what the buckets have to tell.",
        ),
        Mistake(
            "the size of the residual",
            _coding(left=lambda x, centroid: (x - centroid).abs()),
            "You put absolute values into buckets, so the sign is lost. The cut-offs lie on both sides of 0.",
        ),
        Mistake(
            "a cut-off counts where it is equal",
            _coding(bucket=lambda residual, cutoffs: (residual[..., None] >= cutoffs).sum(-1)),
            "A residual that lies just on a cut-off counts it with you. Only cut-offs strictly below it count; in `bucketize` and "
            "`searchsorted`, `right` decides that.",
        ),
        Mistake(
            "cut-offs above",
            _coding(bucket=lambda residual, cutoffs: (residual[..., None] <= cutoffs).sum(-1)),
            "You count the cut-offs that are *not* below. Bucket 0 holds the smallest residuals.",
        ),
        Mistake(
            "buckets from 1",
            _coding(bucket=lambda residual, cutoffs: _counted(residual, cutoffs) + 1),
            "Your buckets begin at 1. They begin at 0, so that b bits hold all of them.",
        ),
        Mistake(
            "the cut-off below",
            _coding(bucket=lambda residual, cutoffs: (_counted(residual, cutoffs) - 1).clamp(min=0)),
            "You give the number of the last cut-off below, which is one less than how many there are; so the two lowest buckets become one.",
        ),
        Mistake(
            "the last bucket is lost",
            _coding(bucket=lambda residual, cutoffs: _counted(residual, cutoffs).clamp(max=len(cutoffs) - 1)),
            "Your largest bucket is the number of cut-offs minus 1, so the two highest buckets become one. A residual above all cut-offs "
            "counts all of them: there is one bucket more than cut-offs.",
        ),
        Mistake(
            "the nearest cut-off",
            _coding(bucket=lambda residual, cutoffs: (residual[..., None] - cutoffs).abs().argmin(-1)),
            "You give the number of the nearest cut-off. Cut-offs lie *between* buckets, so there is one bucket more than cut-offs: count "
            "those below.",
        ),
        Mistake(
            "the sign alone",
            _coding(bucket=lambda residual, cutoffs: (residual > 0).long()),
            "You keep the sign of the residual, one bit, whatever the cut-offs are.",
        ),
        Mistake(
            "the first cut-off alone",
            _coding(bucket=lambda residual, cutoffs: (residual > cutoffs[0]).long()),
            "You compare with the first cut-off and no other, which makes two buckets. Count all cut-offs below.",
        ),
        Mistake(
            "buckets of equal width",
            _coding(bucket=_evenly),
            "You divide the range of these residuals into steps of equal width. The cut-offs are given, were found once, and are the same for "
            "every vector that comes later.",
        ),
        Mistake(
            "buckets by rank",
            _coding(bucket=_by_rank),
            "You rank these residuals and fill the buckets evenly. That is how cut-offs are found, once, on a sample; here they are given.",
        ),
        Mistake(
            "one bucket for each vector",
            _coding(bucket=lambda residual, cutoffs: _counted(torch.linalg.vector_norm(residual, dim=-1), cutoffs)),
            "You put the residual's length into a bucket, one for each vector. Each dimension has its own: the result is (L, D).",
        ),
        Mistake(
            "one bucket for each vector, by the sum",
            _coding(bucket=lambda residual, cutoffs: (residual[..., None] > cutoffs).sum((-2, -1))),
            "You count over the dimensions as well, so one number is left of each vector. Count along the cut-offs alone.",
        ),
        Mistake(
            "buckets first",
            lambda *args: _coded(*args)[::-1],
            "You return the buckets first. The codes come first, then the buckets.",
        ),
    ),
    hints=(
        "Two questions, one after the other: which centroid? And what does it leave of each number?",
        "A product of all vectors with all centroids, and the place of the largest in each row. `centroids[codes]` is then (L, D), one "
        "centroid for each vector.",
        "For the count hold each number of the residual beside all cut-offs, with one more axis, and add up where it is larger. Or look for "
        "`torch.bucketize`, and mind what it does where they are equal.",
    ),
)


# --- 14.5 the other way round ----------------------------------------------------------------


def smallest_padding() -> tuple[list[list[float]], list[list[float]], list[int]]:
    """A query token that is unlike the only token, and a zero behind it."""
    return [[1.0]], [[-1.0], [0.0]], [1, 0]


def _arrays(query: Any, passage: Any, mask: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    q, p, m = (compare.to_array(x) if isinstance(x, Tensor) else x for x in (query, passage, mask))
    return np.asarray(q, dtype=float), np.asarray(p, dtype=float), np.asarray(m, dtype=float)


def _with_mask(query: Any, passage: Any, mask: Any) -> float:
    q, p, m = _arrays(query, passage, mask)
    return float((q @ p[m == 1].T).max(axis=1).sum())


def _without_mask(query: Any, passage: Any, mask: Any) -> float:
    q, p, _ = _arrays(query, passage, mask)
    return float((q @ p.T).max(axis=1).sum())


def _not_a_pair(query: Any, passage: Any, mask: Any) -> str | None:
    for name, value in (("query", query), ("passage", passage), ("mask", mask)):
        if not isinstance(value, list | tuple | np.ndarray | Tensor):
            return f"{name} must be a list or a tensor"
    q, p, m = _arrays(query, passage, mask)
    if q.ndim != 2 or p.ndim != 2 or not q.size or not p.size or q.shape[1] != p.shape[1]:
        return (
            "query must be (S, D) and passage (T, D), with the same D: a list of vectors each, such as [[1, 2], [3, 4]]"
        )
    if not np.isfinite(q).all() or not np.isfinite(p).all():
        return "query and passage must hold numbers that are finite"
    if m.shape != (len(p),) or not np.isin(m, (0, 1)).all():
        return f"mask must have one 0 or 1 for each vector of the passage: {len(p)} of them"
    if not m.any():
        return "a passage has one token at least: a 1 must stand in the mask"
    if p[m == 0].any():
        return "where the mask is 0, the passage must hold zeros"
    return None


def _best_matches(query: Any, passage: Any, mask: Any) -> np.ndarray:
    q, p, m = _arrays(query, passage, mask)
    return np.asarray((q @ p[m == 1].T).max(axis=1))


def _differs(query: Any, passage: Any, mask: Any) -> bool:
    return abs(_with_mask(query, passage, mask) - _without_mask(query, passage, mask)) > 1e-9


def _mask_turned(query: Any, passage: Any, mask: Any) -> bool:
    _, p, m = _arrays(query, passage, mask)
    return bool(p[m == 0].any() and not p[m == 1].any())


WINS = Reversed(
    id="14.5",
    title="padding that wins",
    difficulty="easy",
    minutes=5,
    section="Build it: padding that wins",
    signature="() -> (S, D), (T, D), (T,)",
    reference=smallest_padding,
    another=lambda: (torch.tensor([[-2.0]]), torch.tensor([[0.0], [0.5]]), torch.tensor([0, 1])),
    right=_with_mask,
    wrong=_without_mask,
    valid=_not_a_pair,
    smallest=3,
    measure=lambda query, passage, mask: compare.size(query) + compare.size(passage),
    cases=(Case("nothing is passed in", lambda: (), smallest_padding()),),
    mistakes=(
        Mistake(
            "a vector is a list of its own",
            lambda: ([1.0], [-1.0, 0.0], [1, 0]),
            "With one dimension a vector still is a list, of one number. The query is a list of vectors, and so is the passage.",
            when=lambda query, passage, mask: np.ndim(query) == 1 or np.ndim(passage) == 1,
        ),
        Mistake(
            "the mask is the wrong way round",
            lambda: ([[1.0]], [[-1.0], [0.0]], [0, 1]),
            "Your mask has 1 at the zeros and 0 at the token. 1 marks a token, 0 marks padding.",
            when=_mask_turned,
        ),
        Mistake(
            "padding is not zeros",
            lambda: ([[1.0]], [[-1.0], [2.0]], [1, 0]),
            "Padding with large numbers wins, of course. Here it must be zeros, as most code has it: can a zero win?",
            when=lambda query, passage, mask: bool(np.asarray(passage)[np.asarray(mask) == 0].any()),
        ),
        Mistake(
            "no token",
            lambda: ([[1.0]], [[0.0]], [0]),
            "The passage has no token, so there is nothing that padding could beat. One 1 must stand in the mask.",
            when=lambda query, passage, mask: not np.asarray(mask).any(),
        ),
        Mistake(
            "no padding",
            lambda: ([[1.0]], [[-1.0]], [1]),
            "Every vector of the passage is a token. Without padding the mask has nothing to do.",
            when=lambda query, passage, mask: bool(np.asarray(mask).all()),
        ),
        Mistake(
            "the query is zero",
            lambda: ([[0.0]], [[-1.0], [0.0]], [1, 0]),
            "Your query is zero: its similarity with everything is 0, so it is all one what it chooses.",
            when=lambda query, passage, mask: not np.asarray(query).any(),
        ),
        Mistake(
            "the token is zero as well",
            lambda: ([[1.0]], [[0.0], [0.0]], [1, 0]),
            "The token is zero, too. It and the padding have the same similarity, so neither is larger.",
            when=lambda query, passage, mask: not np.asarray(passage).any(),
        ),
        Mistake(
            "at a right angle",
            lambda: ([[1.0, 0.0]], [[0.0, 1.0], [0.0, 0.0]], [1, 0]),
            "The best similarity with a token is just 0, and so is that of the padding: equal. The token has to lie below.",
            when=lambda query, passage, mask: (
                float(_best_matches(query, passage, mask).min()) == 0 and not _differs(query, passage, mask)
            ),
        ),
        Mistake(
            "a token wins",
            lambda: ([[1.0]], [[2.0], [0.0]], [1, 0]),
            "Every query token finds a token with a similarity above 0, so a zero never wins. Which similarity does zero beat?",
            when=lambda query, passage, mask: float(_best_matches(query, passage, mask).min()) > 0,
        ),
        Mistake(
            "more query tokens than it takes",
            lambda: ([[1.0], [1.0]], [[-1.0], [0.0]], [1, 0]),
            "It shows the mistake, with more query tokens than it takes. One that is led astray is enough.",
            when=lambda query, passage, mask: len(query) > 1 and _differs(query, passage, mask),
        ),
        Mistake(
            "more dimensions than it takes",
            lambda: ([[1.0, 0.0]], [[-1.0, 0.0], [0.0, 0.0]], [1, 0]),
            "It shows the mistake, with more dimensions than it takes. How many numbers does a vector need to point the other way?",
            when=lambda query, passage, mask: len(query[0]) > 1 and _differs(query, passage, mask),
        ),
        Mistake(
            "a longer passage than it takes",
            lambda: ([[1.0]], [[-1.0], [-2.0], [0.0]], [1, 1, 0]),
            "It shows the mistake, with a longer passage than it takes. One token and one row of padding are enough.",
            when=lambda query, passage, mask: len(passage) > 2 and _differs(query, passage, mask),
        ),
    ),
    hints=(
        "A vector of zeros has similarity 0 with everything. When is that more than what a real token has?",
        "There must be a query token whose similarities with all tokens lie on one side of 0.",
        "One query token, one token, one row of padding; and how many dimensions?",
    ),
)


# --- 14.6 PLAID for one query ----------------------------------------------------------------
# The package's `PlaidIndex` has one stage more: before stage 2 it scores without the tokens of centroids to which no query
# token is at least `centroid_score_threshold` similar, and keeps `ndocs`; a quarter of these is decompressed. It is left out.

_Numbers = list[Tensor]


def plaid_search(
    query: Tensor, centroids: Tensor, codes: Sequence[Tensor], buckets: Sequence[Tensor], weights: Tensor,
    k: int, nprobe: int, ndocs: int,
) -> list[int]:  # fmt: skip
    """The numbers of the best passages: candidates by centroid, the ndocs best by centroids, the k best exactly."""
    return _plaid(query, centroids, codes, buckets, weights, k, nprobe, ndocs)


def _probed(nearness: Tensor, nprobe: int) -> set[int]:
    """Stage 1: the centroids that some query token looks into; nearness is (S, C)."""
    return set(nearness.topk(nprobe, dim=1).indices.flatten().tolist())


def _maxsim_of(found: Tensor) -> float:
    """Similarities (S, T) -> the score."""
    return float(found.amax(1).sum())


def _decompressed(centroid: Tensor, residual: Tensor) -> Tensor:
    return normalize(centroid + residual)


def _best_first(numbers: Sequence[int], score: Callable[[int], float]) -> list[int]:
    return sorted(sorted(numbers), key=score, reverse=True)


def _plaid(
    query, centroids, codes, buckets, weights, k, nprobe, ndocs, *,
    nearness=lambda query, centroids: query @ centroids.T, roughly=lambda query, centroids: query @ centroids.T,
    probe=_probed,
    is_candidate=lambda probed, code: bool(probed.intersection(code.tolist())),
    cheap=_maxsim_of, keep=lambda numbers, score, ndocs, k: _best_first(numbers, score)[:ndocs],
    vectors=_decompressed, exact=_maxsim_of, last=lambda numbers, score, k: _best_first(numbers, score)[:k],
):  # fmt: skip
    """The three stages with one part exchanged."""
    near = roughly(query, centroids)  # (S, C)
    probed = probe(nearness(query, centroids), nprobe)
    candidates = [n for n, code in enumerate(codes) if len(code) and is_candidate(probed, code)]
    kept = keep(candidates, lambda n: cheap(near[:, codes[n]]), ndocs, k)

    def score(n):
        return exact(query @ vectors(centroids[codes[n]], weights[buckets[n]]).T)

    return last(kept, score, k)


def _searching(**parts: Any) -> Answer:
    return lambda *args: _plaid(*args, **parts)


def _plaid_by_lists(query, centroids, codes, buckets, weights, k, nprobe, ndocs):
    """With an inverted list for each centroid, and numpy's sorting by two keys."""
    lists: dict[int, set[int]] = {}
    for n, code in enumerate(codes):
        for c in code.tolist():
            lists.setdefault(c, set()).add(n)
    near = query.numpy() @ centroids.numpy().T
    found: set[int] = set()
    for row in near:
        for c in np.argsort(-row)[:nprobe]:
            found |= lists.get(int(c), set())
    numbers = np.array(sorted(found), dtype=int)
    scores = np.array([near[:, codes[n].numpy()].max(axis=1).sum() for n in numbers])
    numbers = np.sort(numbers[np.lexsort((numbers, -scores))[:ndocs]])
    exact = []
    for n in numbers:
        x = centroids[codes[n]] + weights[buckets[n]]
        exact.append(float((query @ (x / x.norm(dim=1, keepdim=True)).T).max(dim=1).values.sum()))
    return [int(n) for n in numbers[np.lexsort((numbers, -np.array(exact)))[:k]]]


def _pruned_first(query, centroids, codes, buckets, weights, k, nprobe, ndocs):
    """The ndocs best of all passages, and of these the candidates."""
    near = query @ centroids.T
    there = [n for n, code in enumerate(codes) if len(code)]
    kept = set(_best_first(there, lambda n: _maxsim_of(near[:, codes[n]]))[:ndocs])
    hidden = [code if n in kept else code[:0] for n, code in enumerate(codes)]
    return _plaid(query, centroids, hidden, buckets, weights, k, nprobe, len(codes) or 1)


def _hit_tokens_alone(also_exact: bool) -> Answer:
    """Tokens of centroids that nobody looked into are left out, in stage 2 or in both."""

    def search(query, centroids, codes, buckets, weights, k, nprobe, ndocs):
        near = query @ centroids.T
        probed = torch.tensor(sorted(_probed(near, nprobe)))
        hit = [torch.isin(code, probed) for code in codes]
        candidates = [n for n in range(len(codes)) if hit[n].any()]
        kept = _best_first(candidates, lambda n: _maxsim_of(near[:, codes[n][hit[n]]]))[:ndocs]

        def score(n):
            x = _decompressed(centroids[codes[n]], weights[buckets[n]])
            return _maxsim_of(query @ (x[hit[n]] if also_exact else x).T)

        return _best_first(kept, score)[:k]

    return search


def _every_token_finds(query, centroids, codes, buckets, weights, k, nprobe, ndocs):
    """Only passages into which each query token looks."""
    rows = (query @ centroids.T).topk(nprobe, dim=1).indices.tolist()
    hidden = [code if all(set(row) & set(code.tolist()) for row in rows) else code[:0] for code in codes]
    return _plaid(query, centroids, hidden, buckets, weights, k, nprobe, ndocs)


def _found_twice(*, to_the_end: bool) -> Answer:
    """Candidates are put down for each query token: who is found twice takes two of the ndocs places."""

    def search(query, centroids, codes, buckets, weights, k, nprobe, ndocs):
        near = query @ centroids.T
        rows = [set(row) for row in near.topk(nprobe, dim=1).indices.tolist()]
        found = [n for row in rows for n, code in enumerate(codes) if row.intersection(code.tolist())]
        kept = _best_first(found, lambda n: _maxsim_of(near[:, codes[n]]))[:ndocs]

        def score(n):
            return _maxsim_of(query @ _decompressed(centroids[codes[n]], weights[buckets[n]]).T)

        return _best_first(kept if to_the_end else list(set(kept)), score)[:k]

    return search


def _by_centroids_alone(query, centroids, codes, buckets, weights, k, nprobe, ndocs):
    return _plaid(
        query, centroids, codes, buckets, weights, k, nprobe, ndocs, last=lambda numbers, score, k: numbers[:k]
    )


def _bag_of_centroids(found: Tensor) -> float:
    return float(found.sum())


def _larger_first(numbers: Sequence[int], score: Callable[[int], float], many: int) -> list[int]:
    """The best ones, and of equal ones the larger number first."""
    return sorted(sorted(numbers), key=score)[::-1][:many]


def _places(numbers: Sequence[int], score: Callable[[int], float], k: int) -> list[int]:
    ranked = sorted(numbers)
    return sorted(range(len(ranked)), key=lambda i: -score(ranked[i]))[:k]


def _unpacked(query, centroids, codes, buckets, weights, k, nprobe, ndocs):
    """The number of the bucket stands where its weight belongs."""
    return _plaid(query, centroids, codes, buckets, torch.arange(float(len(weights))), k, nprobe, ndocs)


def _some_index(rng: random.Random) -> tuple[Any, ...]:
    S, C, D, N = rng.randint(1, 3), rng.randint(3, 5), rng.randint(2, 3), rng.randint(4, 8)

    def halves(*shape: int) -> Tensor:
        values = [rng.randint(-4, 4) / 2 for _ in range(int(np.prod(shape)))]
        return torch.tensor(values).reshape(shape)

    weights = sorted(rng.sample((-1.0, -0.75, -0.5, -0.25, 0.25, 0.5, 0.75, 1.0), rng.choice((2, 2, 4))))
    codes: _Numbers = []
    buckets: _Numbers = []
    for _ in range(N):
        if codes and rng.random() < 0.15:  # the same centroids, or the same passage
            codes.append(codes[0].clone())
        else:
            T = 0 if rng.random() < 0.1 else rng.randint(1, 3)
            codes.append(torch.tensor([rng.randrange(C) for _ in range(T)], dtype=torch.long))
        T = len(codes[-1])
        numbers = [[rng.randrange(len(weights)) for _ in range(D)] for _ in range(T)]
        buckets.append(torch.tensor(numbers, dtype=torch.long).reshape(T, D))
    return (
        halves(S, D), halves(C, D), codes, buckets, torch.tensor(weights),
        rng.choice((1, 2, 3, 3, 9)), rng.choice((1, 1, 2)), rng.choice((1, 2, 2, 3, 3, 9)),
    )  # fmt: skip


def _is_clear(query, centroids, codes, buckets, weights, *rest) -> bool:
    """Nothing hangs on rounding, or on which of equally near centroids is taken."""
    near = (query @ centroids.T).tolist()
    if any(len(set(row)) < len(row) for row in near):
        return False
    scores: list[float] = []
    for code, bucket in zip(codes, buckets, strict=True):
        x = (centroids[code] + weights[bucket]).double()
        length = x.norm(dim=1, keepdim=True)
        if not bool((length > 0.1).all()):
            return False
        if len(code):
            scores.append(_maxsim_of(query.double() @ (x / length).T))
    scores.sort()
    return all(b - a > 1e-3 for a, b in pairwise(scores))


@cache
def _clear_index(seed: int) -> tuple[Any, ...]:
    rng = random.Random(seed)
    args = _some_index(rng)
    while not _is_clear(*args):
        args = _some_index(rng)
    return args


def _draw_index(rng: random.Random) -> tuple[Any, ...]:
    found: tuple[Any, ...] = compare.snapshot(_clear_index(rng.getrandbits(32)))
    return found


def _lists(*rows: Sequence[Any], D: int = 0) -> _Numbers:
    return [torch.tensor(row, dtype=torch.long).reshape((len(row), D) if D else (len(row),)) for row in rows]


def _one_lost() -> tuple[Any, ...]:
    """Passages 0, 2 and 4 have the same best centroid; 4, exactly the best of them, is the one too many."""
    codes = _lists([0], [1], [0, 2], [], [0, 1])
    buckets = _lists([[0, 1]], [[1, 1]], [[1, 0], [1, 1]], [], [[1, 1], [1, 1]], D=2)
    centroids = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    return torch.tensor([[3.0, 1.0]]), centroids, codes, buckets, torch.tensor([-0.5, 0.5]), 2, 1, 2


def _order_turned() -> tuple[Any, ...]:
    """By centroids 2 stands before 1 and 3; exactly 1 stands before 2."""
    codes = _lists([2], [0, 2], [0, 1], [1], [3, 3], [0])
    buckets = _lists([[1, 0]], [[1, 1], [1, 1]], [[0, 0], [1, 0]], [[0, 1]], [[1, 0], [0, 0]], [[1, 0]], D=2)
    centroids = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    return torch.tensor([[1.0, 0.25], [-0.5, 1.0]]), centroids, codes, buckets, torch.tensor([-0.5, 0.5]), 2, 1, 3


def _best_is_no_candidate() -> tuple[Any, ...]:
    """Passage 1 is second best for both query tokens, which together is the most; no query token looks there."""
    buckets = _lists([[0, 0]], [[1, 1]], [[1, 0]], D=2)
    centroids = torch.tensor([[4.0, 0.0], [3.0, 3.0], [-0.5, 4.0]])
    return torch.eye(2), centroids, _lists([0], [1], [2]), buckets, torch.tensor([-1.0, 1.0]), 2, 1, 2


def _equal_scores() -> tuple[Any, ...]:
    """Passages 0, 1 and 4 become the same vector, (1, 0); by centroids 1 is better. All numbers are exact."""
    codes = _lists([1], [0], [1], [1], [1])
    buckets = _lists([[1, 0]], [[1, 0]], [[0, 1]], [[1, 1]], [[1, 0]], D=2)
    centroids, weights = torch.tensor([[1.0, 0.5], [0.5, 0.5]]), torch.tensor([-0.5, 0.5])
    return torch.tensor([[2.0, 1.0]]), centroids, codes, buckets, weights, 3, 2, 9


def _long_centroids() -> tuple[Any, ...]:
    """Both query tokens have their largest product with centroid 0, and passage 0's centroid points more their way."""
    centroids, codes = torch.tensor([[4.0, 1.0], [1.0, 1.25], [-1.0, 0.5]]), _lists([1], [0], [2], [2, 1])
    buckets = _lists([[1, 1]], [[0, 1]], [[0, 0]], [[1, 0], [0, 1]], D=2)
    return torch.tensor([[1.0, 1.0], [0.5, 0.75]]), centroids, codes, buckets, torch.tensor([-0.5, 0.5]), 3, 2, 1


def _eight_passages() -> tuple[Any, ...]:
    codes = _lists([0, 3], [1], [2, 2, 4], [4, 0], [3], [1, 2], [0], [4, 3, 1])
    rng = random.Random(3)
    buckets = [
        torch.tensor([[rng.randrange(4) for _ in range(3)] for _ in code], dtype=torch.long).reshape(len(code), 3)
        for code in codes
    ]
    centroids = torch.tensor([[1.5, 0.0, -1.0], [0.0, 2.0, 0.5], [-1.0, 0.5, 1.5], [0.5, -1.5, 0.0], [-0.5, -1.0, 2.0]])
    query = torch.tensor([[1.0, 0.5, -2.0], [-0.5, 1.0, 1.5]])
    return query, centroids, codes, buckets, torch.tensor([-0.75, -0.25, 0.25, 0.75]), 3, 2, 4


def _far_passages(answer: Answer) -> str | None:
    query, centroids, codes, buckets, *rest = _order_turned()
    before = answer(query, centroids, codes, buckets, *rest)
    far = [*codes, torch.tensor([3, 3, 2])], [*buckets, torch.ones(3, 2, dtype=torch.long)]
    after = answer(query, centroids, *far, *rest)
    return None if list(before) == list(after) else f"one more of them turns {list(before)} into {list(after)}"


def _each_once(answer: Answer) -> str | None:
    for make in (_order_turned, _eight_passages):
        query, centroids, codes, buckets, weights, *_ = make()
        found = list(answer(query, centroids, codes, buckets, weights, 9, 2, 9))
        for n in range(len(codes)):
            if found.count(n) > 1:
                return f"passage {n} stands {found.count(n)} times in {found}"
    return None


def _candidates(query, centroids, codes, buckets, weights, k, nprobe, ndocs) -> list[int]:
    probed = _probed(query @ centroids.T, nprobe)
    return [n for n, code in enumerate(codes) if probed.intersection(code.tolist())]


def _is_found_twice(query, centroids, codes, buckets, weights, k, nprobe, ndocs) -> bool:
    rows = [set(row) for row in (query @ centroids.T).topk(nprobe, dim=1).indices.tolist()]
    return any(sum(bool(row.intersection(code.tolist())) for row in rows) > 1 for code in codes)


def _cheap_scores(query, centroids, codes, *rest) -> list[float]:
    near = query @ centroids.T
    return [_maxsim_of(near[:, codes[n]]) for n in _candidates(query, centroids, codes, *rest)]


PLAID = Exercise(
    id="14.6",
    title="PLAID for one query",
    difficulty="hard",
    minutes=20,
    section="Build it: PLAID for one query",
    signature="(S, D), (C, D), N times (T,), N times (T, D), (2^b,), int, int, int -> list of int",
    reference=plaid_search,
    another=_plaid_by_lists,
    draw=_draw_index,
    loops=True,
    situations=(
        Situation(
            "a passage is no candidate", lambda *args: len(_candidates(*args)) < sum(map(bool, map(len, args[2])))
        ),
        Situation("a passage is empty", lambda *args: any(len(code) == 0 for code in args[2])),
        Situation("there are more candidates than ndocs", lambda *args: len(_candidates(*args)) > args[7]),
        Situation(
            "two candidates have the same score by centroids",
            lambda *args: len(set(_cheap_scores(*args))) < len(_cheap_scores(*args)),
        ),
        Situation("fewer are found than k", lambda *args: min(len(_candidates(*args)), args[7]) < args[5]),
        Situation("nothing is found", lambda *args: not _candidates(*args)),
        Situation("the query has one token", lambda *args: len(args[0]) == 1),
        Situation("nprobe is above 1", lambda *args: args[6] > 1),
        Situation("two query tokens look into the same passage", _is_found_twice),
        Situation("there is one bit", lambda *args: len(args[4]) == 2),
    ),
    cases=(
        Case("five passages, and the best one is pruned", _one_lost, [0, 2]),
        Case("six passages, two query tokens", _order_turned, [1, 2]),
        Case("the best passage is no candidate", _best_is_no_candidate, [2, 0]),
        Case("equal exact scores", _equal_scores, [3, 0, 1]),
        Case("long centroids, and one is kept", _long_centroids, [1]),
        Case("eight passages, two bits", _eight_passages),
    ),
    properties=(
        Property("a passage that no query token looks into changes nothing", _far_passages),
        Property("a passage is found once, however many query tokens look into it", _each_once),
    ),
    mistakes=(
        Mistake(
            "all passages are candidates",
            _searching(is_candidate=lambda probed, code: True),
            "Every passage goes into stage 2. The results may be better, but nothing is saved: stage 1 is there so that most passages are "
            "never looked at. Only those with a token whose centroid some query token looks into are candidates.",
        ),
        Mistake(
            "the best centroids of the query as a whole",
            _searching(probe=lambda near, nprobe: set(near.amax(0).topk(nprobe).indices.tolist())),
            "You take the nprobe best centroids of all query tokens together. Then one token that is near to many centroids decides alone. "
            "Each query token has its own nprobe.",
        ),
        Mistake(
            "the centroids nearest to all query tokens",
            _searching(probe=lambda near, nprobe: set(near.sum(0).topk(nprobe).indices.tolist())),
            "You add up over the query's tokens before you choose centroids: a pooled query. What answers one token alone is then missed. "
            "Each query token chooses its own nprobe.",
        ),
        Mistake(
            "nprobe is not used",
            _searching(probe=lambda near, nprobe: _probed(near, 1)),
            "Each query token looks into its best centroid alone, whatever `nprobe` is.",
        ),
        Mistake(
            "centroids by distance",
            _searching(nearness=lambda query, centroids: -torch.cdist(query, centroids)),
            "You choose the centroids at the smallest distance. Scores are dot products, here too: a longer centroid has larger ones.",
        ),
        Mistake(
            "centroids by cosine",
            _searching(nearness=lambda query, centroids: query @ normalize(centroids).T),
            "You bring the centroids to length 1 before you choose among them. They are taken as they are; only what is decompressed is "
            "divided by its length.",
        ),
        Mistake(
            "centroids at length 1 in stage 2",
            _searching(roughly=lambda query, centroids: query @ normalize(centroids).T),
            "In stage 2 you bring the centroids to length 1, as the exact score does with what is decompressed. There each token is its "
            "centroid as it is, so a long centroid scores high.",
        ),
        Mistake(
            "centroids at length 1 from the start",
            lambda query, centroids, *rest: _plaid(query, normalize(centroids), *rest),
            "You bring the centroids to length 1 before anything else. They are taken as they are, in all three stages; only what is "
            "decompressed, the sum, is divided by its length.",
        ),
        Mistake(
            "the farthest centroids",
            _searching(nearness=lambda query, centroids: -query @ centroids.T),
            "Each query token looks into the centroids with the smallest products. The largest ones are wanted.",
        ),
        Mistake(
            "every token must be near",
            _searching(is_candidate=lambda probed, code: probed.issuperset(code.tolist())),
            "A passage is a candidate with you when all of its tokens belong to chosen centroids. One is enough: long passages would "
            "never be found.",
        ),
        Mistake(
            "every query token must find something",
            _every_token_finds,
            "A passage is a candidate with you when every query token looks into one of its centroids. One query token is enough.",
        ),
        Mistake(
            "the first token alone",
            _searching(is_candidate=lambda probed, code: int(code[0]) in probed),
            "You look at each passage's first token. Any of its tokens can make it a candidate.",
        ),
        Mistake(
            "pruned first",
            _pruned_first,
            "You keep the ndocs best of all passages and look for candidates among them. Then every passage is scored, and places in the "
            "ndocs go to passages that are no candidates. Candidates come first.",
        ),
        Mistake(
            "by centroids alone",
            _by_centroids_alone,
            "The order is that of the centroids' scores: nothing is decompressed, so passages with the same centroids cannot be told apart. "
            "Score the ndocs that are left exactly.",
        ),
        Mistake(
            "ndocs is not used",
            _searching(keep=lambda numbers, score, ndocs, k: numbers),
            "All candidates are decompressed, and `ndocs` never counts. Stage 2 is there to spare most of them that.",
        ),
        Mistake(
            "k instead of ndocs",
            _searching(keep=lambda numbers, score, ndocs, k: _best_first(numbers, score)[: min(k, ndocs)]),
            "You keep only k passages after the centroids' scores. Then the exact scores can change the order of these, and none can come "
            "in. Keep ndocs.",
        ),
        Mistake(
            "the first candidates",
            _searching(keep=lambda numbers, score, ndocs, k: numbers[:ndocs]),
            "You keep the first ndocs candidates as they stand in the list. Keep the best ones, by their centroids.",
        ),
        Mistake(
            "the worst candidates",
            _searching(keep=lambda numbers, score, ndocs, k: _best_first(numbers, lambda n: -score(n))[:ndocs]),
            "After the centroids' scores you keep the ndocs *worst* candidates. Sort from high to low.",
        ),
        Mistake(
            "of equal ones the larger number",
            _searching(keep=lambda numbers, score, ndocs, k: _larger_first(numbers, score, ndocs)),
            "Of candidates with the same score by centroids you keep the larger numbers: a list that was sorted upwards and then reversed has "
            "equal ones reversed, too. The smaller number comes first.",
        ),
        Mistake(
            "of equal exact scores the larger number",
            _searching(last=_larger_first),
            "Of passages with equal exact scores you put the larger number first, as a reversed list, or reversed pairs of score and number, "
            "do. The smaller number comes first.",
        ),
        Mistake(
            "of equal ones the larger number, in both stages",
            _searching(keep=lambda numbers, score, ndocs, k: _larger_first(numbers, score, ndocs), last=_larger_first),
            "Of equal scores you put the larger number first, by centroids and exactly: pairs of score and number that are sorted downwards "
            "have their numbers downwards, too. The smaller number comes first.",
        ),
        Mistake(
            "found twice",
            _found_twice(to_the_end=True),
            "A passage into which two query tokens look stands twice among your candidates, and takes two places. Each passage is a candidate "
            "once, whoever finds it.",
        ),
        Mistake(
            "found twice, in stage 2",
            _found_twice(to_the_end=False),
            "A passage into which two query tokens look stands twice among your candidates, and takes two of the `ndocs` places; another one "
            "is pruned for it. Each passage is a candidate once, whoever finds it.",
        ),
        Mistake(
            "only tokens of chosen centroids score",
            _hit_tokens_alone(also_exact=False),
            "In stage 2 you score a candidate by those of its tokens that made it one. All its tokens count there, each as its centroid.",
        ),
        Mistake(
            "only tokens of chosen centroids score, to the end",
            _hit_tokens_alone(also_exact=True),
            "You score a candidate by those of its tokens that made it one, in stage 2 and exactly. They open the door, and no more: all its "
            "tokens count.",
        ),
        Mistake(
            "the residual is not added",
            _searching(vectors=lambda centroid, residual: normalize(centroid)),
            "You score the centroids once more in the last stage, at length 1. What the buckets know is missing: add the weight of each "
            "bucket.",
        ),
        Mistake(
            "the residual alone",
            _searching(vectors=lambda centroid, residual: normalize(residual)),
            "You score the residuals, without their centroids. Add the two.",
        ),
        Mistake(
            "the residual is taken off",
            _searching(vectors=lambda centroid, residual: normalize(centroid - residual)),
            "You subtract the residual. It was the vector minus its centroid: add it back.",
        ),
        Mistake(
            "bucket numbers instead of weights",
            _unpacked,
            "You add the number of the bucket. It is a number only: the weight that stands for it, `weights[bucket]`, is what is added.",
        ),
        Mistake(
            "not divided by the length",
            _searching(vectors=lambda centroid, residual: centroid + residual),
            "What you decompress has any length, so a token whose bucket weights happen to be large scores high. The vectors that were "
            "compressed had length 1: divide each by its length.",
        ),
        Mistake(
            "divided by the passage's length",
            _searching(vectors=lambda centroid, residual: F.normalize(centroid + residual, dim=0)),
            "You divide each dimension by its length over all tokens of the passage. Each *token* has its own length: along the last axis.",
        ),
        Mistake(
            "one length for all tokens",
            _searching(vectors=lambda centroid, residual: (centroid + residual) / (centroid + residual).norm()),
            "You divide all tokens of a passage by one number, the length of the whole matrix. Each *token* has its own length: along the last "
            "axis.",
        ),
        Mistake(
            "divided before the sum",
            _searching(vectors=lambda centroid, residual: normalize(centroid) + residual),
            "You bring the centroid to length 1 and add the residual to that. The sum of both is what is divided by its length.",
        ),
        Mistake(
            "the worst match",
            _searching(exact=lambda found: float(found.amin(1).sum())),
            "In the last stage each query token keeps its worst match. Take the maximum.",
        ),
        Mistake(
            "the worst match, by centroids too",
            _searching(cheap=lambda found: float(found.amin(1).sum()), exact=lambda found: float(found.amin(1).sum())),
            "Each query token keeps its worst match, in both scores. Take the maximum over a passage's tokens.",
        ),
        Mistake(
            "the mean instead of the maximum",
            _searching(exact=lambda found: float(found.mean(1).sum())),
            "In the last stage you take the mean over a passage's tokens. MaxSim takes the maximum.",
        ),
        Mistake(
            "the mean instead of the maximum, by centroids too",
            _searching(cheap=lambda found: float(found.mean(1).sum()), exact=lambda found: float(found.mean(1).sum())),
            "You take the mean over a passage's tokens, in both scores. MaxSim takes the maximum.",
        ),
        Mistake(
            "centroids added up",
            _searching(cheap=_bag_of_centroids),
            "In stage 2 you add up the scores of all tokens' centroids: long passages win. It is MaxSim there too, with centroids as tokens.",
        ),
        Mistake(
            "each passage token looks for its match",
            _searching(exact=lambda found: float(found.amax(0).sum())),
            "In the last stage you take the maximum over the query's tokens and add up over the passage's. Maximum over the passage, sum over "
            "the query.",
        ),
        Mistake(
            "the best pair alone",
            _searching(exact=lambda found: float(found.max())),
            "In the last stage you keep the one best pair of tokens. Each query token has its best match; add them up.",
        ),
        Mistake(
            "the best pair alone, by centroids too",
            _searching(cheap=lambda found: float(found.max()), exact=lambda found: float(found.max())),
            "You keep the one best pair of tokens, in both scores. Each query token has its best match; add them up.",
        ),
        Mistake(
            "clipped at 0",
            _searching(exact=lambda found: float(found.amax(1).clamp(min=0).sum())),
            "A negative best match counts as 0 in your exact score. It counts as it is.",
        ),
        Mistake(
            "of equal exact scores the better centroids",
            _searching(last=lambda numbers, score, k: sorted(numbers, key=score, reverse=True)[:k]),
            "Passages with equal exact scores stay in the order of the stage before, by their centroids. The smaller number comes first.",
        ),
        Mistake(
            "worst first",
            _searching(last=lambda numbers, score, k: _best_first(numbers, lambda n: -score(n))[:k]),
            "You return the passages with the lowest exact scores. Sort from high to low.",
        ),
        Mistake(
            "the best k, the best last",
            _searching(last=lambda numbers, score, k: _best_first(numbers, score)[:k][::-1]),
            "The right passages, with the best one last. It stands first.",
        ),
        Mistake(
            "k is not used",
            _searching(last=lambda numbers, score, k: _best_first(numbers, score)),
            "You return all passages that were scored exactly. At most k are asked for.",
        ),
        Mistake(
            "filled up to k",
            _searching(last=lambda numbers, score, k: (_best_first(numbers, score) + [-1] * k)[:k]),
            "Where fewer than k passages are left you fill up with -1, as index libraries do. The list is then shorter: passages only.",
        ),
        Mistake(
            "in the order of the corpus",
            _searching(last=lambda numbers, score, k: sorted(_best_first(numbers, score)[:k])),
            "The right passages, sorted by their number. The best one stands first.",
        ),
        Mistake(
            "places instead of numbers",
            _searching(last=_places),
            "You return places among the passages that are left. Look up which passages stand there.",
        ),
    ),
    hints=(
        "Three lists, each shorter than the one before. What decides who stays, and how much of a passage is read for it?",
        "One product gives the nearness of all query tokens to all centroids, (S, C). Stages 1 and 2 need nothing else: `codes[n]` picks the "
        "columns of passage n.",
        "Only for those that are left, look up centroid and bucket weights of each token, add them, divide by the length, and take MaxSim. "
        "Python's `sorted` keeps equal ones in the order in which they come, also with `reverse=True`.",
    ),
)

EXERCISES = (PAIR, BATCH, LENGTH, CODE, WINS, PLAID)
