"""The exercises of chapter 15: two texts in one input, losses on lists, MarginMSE, calibration, a step of a reranker."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbook import losses
from workbook.exercises import compare, draws
from workbook.exercises.exercise import Answer, Case, Exercise, Mistake, Property, Reversed, Situation
from workbook.metrics import expected_calibration_error, reliability_curve
from workbook.similarity import normalize

# --- 15.1 two texts in one input -------------------------------------------------------------


def pair_ids(
    query: Sequence[int], passage: Sequence[int], cls: int, sep: int, max_length: int
) -> tuple[list[int], list[int]]:
    """The ids and the segments of [CLS] query [SEP] passage [SEP], the longer text cut until both fit."""
    return _pair(query, passage, cls, sep, max_length)


def _lengths(q: int, p: int, room: int, *, longer=lambda q, p: q > p, tie=lambda q, p: q <= p) -> tuple[int, int]:
    """How many ids each text keeps; `tie` says of two lengths whether the query loses where both are equal."""
    query_loses = tie(q, p)
    while q + p > room:
        if q and (not p or longer(q, p) or (q == p and query_loses)):
            q -= 1
        else:
            p -= 1
    return q, p


def _joined(cls: int, query: list[int], sep: int, passage: list[int]) -> list[int]:
    return [cls, *query, sep, *passage, sep]


def _two_segments(q: int, p: int) -> list[int]:
    return [0] * (q + 2) + [1] * (p + 1)


def _pair(
    query, passage, cls, sep, max_length, *, special=3, lengths=_lengths, keep=lambda ids, n: ids[:n],
    join=_joined, segment=_two_segments, last=lambda ids, segments, max_length: (ids, segments),
):  # fmt: skip
    """Two texts in one input, with one part exchanged."""
    q, p = lengths(len(query), len(passage), max_length - special)
    ids = join(cls, keep(list(query), q), sep, keep(list(passage), p))
    return last(ids, segment(q, p), max_length)


def _paired(**parts: Any) -> Answer:
    return lambda *args: _pair(*args, **parts)


def _pair_in_closed_form(query, passage, cls, sep, max_length):
    """The shorter text keeps half of the room at most, and the longer one the rest."""
    room, turned = max_length - 3, len(query) > len(passage)
    short, long = sorted((len(query), len(passage)))
    if short + long > room:
        short = min(short, room // 2)
        long = room - short
    q, p = (long, short) if turned else (short, long)
    ids, segments = [cls], [0]
    for text, number, count in ((query, 0, q), (passage, 1, p)):
        ids += [*text[:count], sep]
        segments += [number] * (count + 1)
    return ids, segments


def _cut_in_place(query, passage, cls, sep, max_length):
    q, p = _lengths(len(query), len(passage), max_length - 3)
    del query[q:], passage[p:]
    return _joined(cls, query, sep, passage), _two_segments(q, p)


def _in_turns(q: int, p: int, room: int) -> tuple[int, int]:
    turn = True
    while q + p > room:
        if (turn and q) or not p:
            q -= 1
        else:
            p -= 1
        turn = not turn
    return q, p


def _both_at_once(q: int, p: int, room: int) -> tuple[int, int]:
    while q + p > room:
        q, p = max(0, q - 1), max(0, p - 1)
    return q, p


def _all_at_once(q: int, p: int, room: int) -> tuple[int, int]:
    excess = max(0, q + p - room)
    return (max(0, q - excess), p) if q >= p else (q, max(0, p - excess))


def _longer_at_first(q: int, p: int, room: int) -> tuple[int, int]:
    turned = q > p
    while q + p > room:
        if (turned and q) or not p:
            q -= 1
        else:
            p -= 1
    return q, p


def _segments_before_the_cut(query, passage, cls, sep, max_length):
    return _pair(query, passage, cls, sep, max_length)[0], _two_segments(len(query), len(passage))


def _without_an_empty_query(query, passage, cls, sep, max_length):
    if query:
        return _pair(query, passage, cls, sep, max_length)
    kept = list(passage[: max_length - 2])
    return [cls, *kept, sep], [0] * (len(kept) + 2)


def _in_proportion(q: int, p: int, room: int) -> tuple[int, int]:
    if q + p <= room:
        return q, p
    kept = room * q // (q + p)
    return kept, room - kept


def _draw_texts(rng: random.Random) -> tuple[list[int], list[int], int, int, int]:
    cls, sep = rng.choice(((101, 102), (101, 102), (2, 3), (5, 6)))
    texts = [[rng.randint(1000, 1060) for _ in range(rng.choice((0, 1, 2, 3, 4, 5, 6)))] for _ in range(2)]
    return texts[0], texts[1], cls, sep, rng.randint(5, 14)


def _is_too_long(query: Sequence[int], passage: Sequence[int], cls: int, sep: int, max_length: int) -> bool:
    return len(query) + len(passage) + 3 > max_length


def _both_are_cut(query: Sequence[int], passage: Sequence[int], cls: int, sep: int, max_length: int) -> bool:
    q, p = _lengths(len(query), len(passage), max_length - 3)
    return q < len(query) and p < len(passage)


PAIR = Exercise(
    id="15.1",
    title="two texts in one input",
    difficulty="medium",
    minutes=10,
    section="Build it: two texts in one input",
    signature="list of int, list of int, int, int, int -> (list of int, list of int)",
    reference=pair_ids,
    another=_pair_in_closed_form,
    draw=_draw_texts,
    loops=True,
    situations=(
        Situation("both texts fit", lambda *args: not _is_too_long(*args)),
        Situation("they are too long together", _is_too_long),
        Situation("both texts are cut", _both_are_cut),
        Situation("the query is longer than the passage", lambda query, passage, *rest: len(query) > len(passage)),
        Situation("the passage is longer than the query", lambda query, passage, *rest: len(query) < len(passage)),
        Situation("both are equally long", lambda query, passage, *rest: len(query) == len(passage)),
        Situation("the query is empty", lambda query, *rest: not query),
        Situation("the passage is empty", lambda query, passage, *rest: not passage),
    ),
    cases=(
        Case(
            "both fit",
            lambda: ([11, 12], [21, 22, 23], 101, 102, 20),
            ([101, 11, 12, 102, 21, 22, 23, 102], [0, 0, 0, 0, 1, 1, 1, 1]),
        ),
        Case(
            "a long passage",
            lambda: ([11, 12], [21, 22, 23, 24, 25, 26], 101, 102, 9),
            ([101, 11, 12, 102, 21, 22, 23, 24, 102], [0, 0, 0, 0, 1, 1, 1, 1, 1]),
        ),
        Case(
            "a long query",
            lambda: ([11, 12, 13, 14, 15], [21, 22], 2, 3, 8),
            ([2, 11, 12, 13, 3, 21, 22, 3], [0, 0, 0, 0, 0, 1, 1, 1]),
        ),
        Case(
            "both equally long, an odd number of places",
            lambda: ([11, 12, 13], [21, 22, 23], 101, 102, 8),
            ([101, 11, 12, 102, 21, 22, 23, 102], [0, 0, 0, 0, 1, 1, 1, 1]),
        ),
        Case(
            "the query was longer, and both are cut",
            lambda: ([11, 12, 13, 14, 15], [21, 22, 23, 24], 101, 102, 8),
            ([101, 11, 12, 13, 102, 21, 22, 102], [0, 0, 0, 0, 0, 1, 1, 1]),
        ),
        Case(
            "the passage was longer, and both are cut",
            lambda: ([11, 12, 13], [21, 22, 23, 24, 25, 26, 27], 101, 102, 8),
            ([101, 11, 12, 102, 21, 22, 23, 102], [0, 0, 0, 0, 1, 1, 1, 1]),
        ),
        Case("an empty query", lambda: ([], [21, 22, 23], 101, 102, 5), ([101, 102, 21, 22, 102], [0, 0, 1, 1, 1])),
        Case(
            "it fits exactly", lambda: ([11, 12], [21, 22], 2, 3, 7), ([2, 11, 12, 3, 21, 22, 3], [0, 0, 0, 0, 1, 1, 1])
        ),
    ),
    mistakes=(
        Mistake(
            "the passage alone is cut",
            _paired(lengths=lambda q, p, room: (q, min(p, max(0, room - q)))),
            "You cut the passage and never the query. Where the query is the longer one, little or nothing is left of the passage, and the "
            "input can still be too long. Always the text that is longer at the moment loses an id.",
        ),
        Mistake(
            "the query alone is cut",
            _paired(lengths=lambda q, p, room: (min(q, max(0, room - p)), p)),
            "You cut the query and never the passage. A passage is mostly the longer one: then nothing is left of the question, and the model "
            "judges a passage without knowing what for.",
        ),
        Mistake(
            "the query is cut last",
            _paired(lengths=lambda q, p, room: (min(q, room), min(p, max(0, room - q)))),
            "You cut the passage until nothing is left of it, and only then the query. The longer of the two loses an id each time, so a long "
            "query leaves room for the passage.",
        ),
        Mistake(
            "cut after joining",
            _paired(lengths=lambda q, p, room: (q, p), last=lambda ids, s, n: (ids[:n], s[:n])),
            "You join first and cut the whole. That takes the last [SEP], and never the query. Cut the two texts, each at its own end, and "
            "join what is left.",
        ),
        Mistake(
            "cut after joining, [SEP] put back",
            _paired(
                lengths=lambda q, p, room: (q, p),
                last=lambda ids, s, n: (ids, s) if len(ids) <= n else ([*ids[: n - 1], ids[-1]], s[:n]),
            ),
            "You join, cut, and put the last [SEP] back. The cut still takes the passage alone, and of a long query everything behind it, its "
            "[SEP] as well. Cut the two texts before you join them.",
        ),
        Mistake(
            "each text has half of the room",
            _paired(lengths=lambda q, p, room: (min(q, room // 2), min(p, room - room // 2))),
            "Each text gets half of the room, however short the other one is. What a short query leaves free belongs to the passage: cut only "
            "when both together are too long.",
        ),
        Mistake(
            "both lose in turns",
            _paired(lengths=_in_turns),
            "Query and passage lose an id in turns. A short query is soon gone that way, while the passage is still long. The longer text of "
            "the moment loses.",
        ),
        Mistake(
            "both lose in each turn",
            _paired(lengths=_both_at_once),
            "In each turn both texts lose an id. A short query is soon gone that way, and where one id too many was there, two are taken. The "
            "longer text of the moment loses, one id at a time.",
        ),
        Mistake(
            "all at once from the longer text",
            _paired(lengths=_all_at_once),
            "You take all that is too much from the text that is longer at first. It can become the shorter one by that, or empty. After each "
            "id look anew which of the two is longer.",
        ),
        Mistake(
            "the longer text of the beginning",
            _paired(lengths=_longer_at_first),
            "You find out once which text is longer, and cut that one alone. It can become the shorter one by that. After each id look anew which "
            "of the two is longer.",
        ),
        Mistake(
            "cut in proportion",
            _paired(lengths=_in_proportion),
            "Both lose the same share of their ids, so a long passage costs a short query its words. The longer text loses first, until "
            "both are equally long.",
        ),
        Mistake(
            "the shorter text is cut",
            _paired(lengths=lambda q, p, room: _lengths(q, p, room, longer=lambda q, p: q < p)),
            "The shorter text loses the ids; the comparison is the wrong way round. The longer one has more to give.",
        ),
        Mistake(
            "of equally long ones always the query",
            _paired(lengths=lambda q, p, room: _lengths(q, p, room, tie=lambda q, p: True)),
            "Where both are equally long, the query loses with you, always. A query that was longer at first keeps the odd place: then the "
            "passage loses.",
        ),
        Mistake(
            "of equally long ones always the passage",
            _paired(lengths=lambda q, p, room: _lengths(q, p, room, tie=lambda q, p: False)),
            "Where both are equally long, the passage loses with you, always. Only if the query was longer at first: else the query loses, "
            "and the passage keeps the odd place.",
        ),
        Mistake(
            "of equally long ones the one that was longer",
            _paired(lengths=lambda q, p, room: _lengths(q, p, room, tie=lambda q, p: q >= p)),
            "Where both are equally long, the text that was longer at first loses with you. It is the other one: what was longer keeps the odd "
            "place.",
        ),
        Mistake(
            "of texts that began equally long the passage",
            _paired(lengths=lambda q, p, room: _lengths(q, p, room, tie=lambda q, p: q < p)),
            "Where both texts begin equally long, the passage loses first with you. It is the query then, so the passage keeps the odd place: look "
            "at what `>=` does where you compare.",
        ),
        Mistake(
            "the special tokens do not count",
            _paired(special=0),
            "You cut the texts to `max_length`, and then [CLS] and two [SEP] come in addition: three ids too many. The model has no position for "
            "them.",
        ),
        Mistake(
            "two special tokens are counted",
            _paired(special=2),
            "You keep two places free, as for one text. A pair has three special tokens: [CLS] and a [SEP] behind each text.",
        ),
        Mistake(
            "a place is left free",
            _paired(special=4),
            "A long pair comes out one id shorter than it may. Three places are taken, by [CLS] and two [SEP].",
        ),
        Mistake(
            "the first ids are lost",
            _paired(keep=lambda ids, n: ids[len(ids) - n :]),
            "You keep the last ids of a text. It is cut at its end: the first ones stay.",
        ),
        Mistake(
            "no [SEP] behind the query",
            _paired(join=lambda cls, q, sep, p: [cls, *q, *p, sep], segment=lambda q, p: [0] * (q + 1) + [1] * (p + 1)),
            "There is no [SEP] between the texts. It was there in pre-training and tells where the question ends.",
        ),
        Mistake(
            "no [SEP] at the end",
            _paired(join=lambda cls, q, sep, p: [cls, *q, sep, *p], segment=lambda q, p: [0] * (q + 2) + [1] * p),
            "The passage has no [SEP] behind it. Each of the two texts ends with one.",
        ),
        Mistake(
            "two [SEP] between the texts",
            _paired(
                join=lambda cls, q, sep, p: [cls, *q, sep, sep, *p, sep],
                segment=lambda q, p: [0] * (q + 2) + [1] * (p + 2),
            ),
            "Two [SEP] stand between the texts. RoBERTa joins texts like that; here it is one.",
        ),
        Mistake(
            "no [CLS]",
            _paired(join=lambda cls, q, sep, p: [*q, sep, *p, sep], segment=lambda q, p: [0] * (q + 1) + [1] * (p + 1)),
            "[CLS] is missing. The score is read from its hidden state, at position 0.",
        ),
        Mistake(
            "a [CLS] before each text",
            _paired(
                join=lambda cls, q, sep, p: [cls, *q, sep, cls, *p, sep],
                segment=lambda q, p: [0] * (q + 2) + [1] * (p + 2),
            ),
            "You put [CLS] before the passage as well, as if two finished inputs were joined. It stands once, at the front.",
        ),
        Mistake(
            "the passage first",
            _paired(
                join=lambda cls, q, sep, p: [cls, *p, sep, *q, sep],
                segment=lambda q, p: [0] * (p + 2) + [1] * (q + 1),
            ),
            "The passage stands first. A model that was trained with the query in front gives other scores this way.",
        ),
        Mistake(
            "the middle [SEP] belongs to the passage",
            _paired(segment=lambda q, p: [0] * (q + 1) + [1] * (p + 2)),
            "The [SEP] behind the query has segment 1 with you. It ends the query, so it has the query's segment.",
        ),
        Mistake(
            "the last [SEP] in segment 0",
            _paired(segment=lambda q, p: [0] * (q + 2) + [1] * p + [0]),
            "The last [SEP] has segment 0 with you. It ends the passage, so it has the passage's segment.",
        ),
        Mistake(
            "all in one segment",
            _paired(segment=lambda q, p: [0] * (q + p + 3)),
            "All ids have segment 0, as those of a single text do. The segments tell the model which tokens ask and which answer.",
        ),
        Mistake(
            "segments of the whole texts",
            _segments_before_the_cut,
            "Your segments are as many as the texts had ids before they were cut. There is one for each id of the result.",
        ),
        Mistake(
            "segments 1 and 2",
            _paired(segment=lambda q, p: [1] * (q + 2) + [2] * (p + 1)),
            "Your segments are counted from 1. They are rows of an embedding table with two rows, counted from 0.",
        ),
        Mistake(
            "segments exchanged",
            _paired(segment=lambda q, p: [1] * (q + 2) + [0] * (p + 1)),
            "The query has segment 1 and the passage segment 0. The first text has 0.",
        ),
        Mistake(
            "a mask in place of segments",
            _paired(segment=lambda q, p: [1] * (q + p + 3)),
            "You return a mask: 1 for every token. Segments are something else: 0 for the first text, 1 for the second.",
        ),
        Mistake(
            "positions in place of segments",
            _paired(segment=lambda q, p: list(range(q + p + 3))),
            "You return positions. Segments are 0 for the first text and 1 for the second.",
        ),
        Mistake(
            "filled up to max_length",
            _paired(
                last=lambda ids, s, n: (
                    ids + [0] * (n - len(ids)),
                    s + [0] * (n - len(s)),
                )
            ),
            "You fill up to `max_length`. Padding comes later, to the longest of a batch, which is mostly much shorter.",
        ),
        Mistake(
            "an empty query is left out",
            _without_an_empty_query,
            "Where the query is empty you leave its [SEP] out as well, as if the passage stood alone. The frame is always the same: [CLS], query, "
            "[SEP], passage, [SEP].",
        ),
        Mistake(
            "the ids alone",
            lambda *args: _pair(*args)[0],
            "You return the ids alone. A tuple is asked for: the ids, and the segments.",
        ),
        Mistake(
            "segments first",
            lambda *args: _pair(*args)[::-1],
            "You return the segments first. The ids come first.",
        ),
        Mistake(
            "what was passed in has changed",
            _cut_in_place,
            "The result is right, and you cut the lists that were passed in. The same query meets a hundred passages, and would come shorter to "
            "each: work on copies.",
        ),
    ),
    hints=(
        "First find out how many ids each text may keep. Joining is the easy part.",
        "Three places are taken. While both together are too long, the longer one gives one id. For the equal ones, remember which was longer "
        "at first.",
        "With the two lengths known, slices give the texts, and two repeated lists the segments: mind which [SEP] belongs to which.",
    ),
)


# --- 15.2 three losses on lists --------------------------------------------------------------


def three_losses(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Pointwise, pairwise and listwise loss of lists with labels 1 and 0: (B, L), (B, L) -> three scalars."""
    pointwise = losses.pointwise_loss(scores.flatten(), labels.flatten())
    # Shares that are proportional to the labels are ListNet's of their logarithms.
    return pointwise, losses.pairwise_loss(scores, labels), losses.listwise_loss(scores, labels.log())


def _bce(scores: Tensor, labels: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(scores, labels)


def _wrong_minus_right(scores: Tensor, labels: Tensor) -> Tensor:
    """The differences of all pairs of a list, one flat row for the batch: score of the wrong minus score of the right."""
    difference = scores[:, None, :] - scores[:, :, None]  # (B, L, L): [b, i, j] is score j minus score i
    return difference[(labels[:, :, None] == 1) & (labels[:, None, :] == 0)]


def _softplus_mean(scores: Tensor, labels: Tensor) -> Tensor:
    return F.softplus(_wrong_minus_right(scores, labels)).mean()


def _shares(labels: Tensor) -> Tensor:
    return labels / labels.sum(dim=1, keepdim=True)


def _cross_entropy(scores: Tensor, labels: Tensor) -> Tensor:
    return -(_shares(labels) * scores.log_softmax(dim=1)).sum(dim=1).mean()


def _three(scores, labels, *, pointwise=_bce, pairwise=_softplus_mean, listwise=_cross_entropy):
    """The three losses with one of them exchanged."""
    return tuple(loss(scores, labels) for loss in (pointwise, pairwise, listwise))


def _with(**parts: Any) -> Answer:
    return lambda *args: _three(*args, **parts)


def _one_list_after_the_other(scores, labels):
    """Loops, and each formula as it stands in its paper."""
    single, pairs, lists = [], [], []
    for row, wanted in zip(scores, labels, strict=True):
        right, wrong = row[wanted == 1], row[wanted == 0]
        single += [-F.logsigmoid(s) for s in right] + [-F.logsigmoid(-s) for s in wrong]
        pairs += [-F.logsigmoid(r - w) for r in right for w in wrong]
        lists.append(torch.stack([row.logsumexp(0) - r for r in right]).mean())
    return tuple(torch.stack(terms).mean() for terms in (single, pairs, lists))


def _list_by_list(scores: Tensor, labels: Tensor) -> Tensor:
    rows = [_softplus_mean(s[None], y[None]) for s, y in zip(scores, labels, strict=True)]
    return torch.stack(rows).mean()


def _all_unequal_places(scores: Tensor, labels: Tensor) -> Tensor:
    difference = scores[:, None, :] - scores[:, :, None]
    other = ~torch.eye(scores.shape[1], dtype=torch.bool)
    return F.softplus(difference[(labels[:, :, None] >= labels[:, None, :]) & other]).mean()


def _first_right(labels: Tensor) -> Tensor:
    return F.one_hot(labels.argmax(dim=1), labels.shape[1]).to(labels)


def _hardest_wrong(scores: Tensor, labels: Tensor) -> Tensor:
    hardest = scores.masked_fill(labels == 1, -math.inf).amax(dim=1, keepdim=True)
    return F.softplus((hardest - scores)[labels == 1]).mean()


def _pairs_in_order(scores: Tensor, labels: Tensor) -> Tensor:
    pairs = torch.triu((labels[:, :, None] == 1) & (labels[:, None, :] == 0))
    found = F.softplus(scores[:, None, :] - scores[:, :, None])[pairs]
    return found.sum() / max(1, len(found))


def _who_is_above(scores: Tensor, labels: Tensor) -> Tensor:
    difference, above = scores[:, :, None] - scores[:, None, :], labels[:, :, None] > labels[:, None, :]
    other = ~torch.eye(scores.shape[1], dtype=torch.bool).expand_as(above)
    return _bce(difference[other], above[other].float())


def _mean_against_mean(scores: Tensor, labels: Tensor) -> Tensor:
    wrong = ((1 - labels) * scores).sum(1) / (1 - labels).sum(1)
    return F.softplus(wrong - (_shares(labels) * scores).sum(1)).mean()


def _against_wrong_alone(scores: Tensor, labels: Tensor) -> Tensor:
    wrong = scores.masked_fill(labels == 1, -math.inf).logsumexp(dim=1, keepdim=True)
    return (_shares(labels) * (torch.logaddexp(scores, wrong) - scores)).sum(1).mean()


def _kl(scores: Tensor, labels: Tensor) -> Tensor:
    return F.kl_div(scores.log_softmax(dim=1), _shares(labels), reduction="batchmean")


def _draw_lists(rng: random.Random) -> tuple[Tensor, Tensor]:
    B, L = rng.randint(1, 3), rng.randint(2, 4)
    rows = []
    for _ in range(B):
        row = [1, 0] + [rng.choice((0, 0, 1)) for _ in range(L - 2)]
        rng.shuffle(row)
        rows.append(row)
    scores = draws.numbers(rng, B, L) * rng.choice((1.0, 1.0, 1.0, 100.0))
    if rng.random() < 0.15:
        scores = scores.sigmoid()
    return scores, torch.tensor(rows, dtype=torch.float32)


def _one_list() -> tuple[Tensor, Tensor]:
    return torch.tensor([[1.0, 0.0, -1.0]]), torch.tensor([[1.0, 0.0, 1.0]])


def _every_loss_learns(answer: Answer) -> str | None:
    scores, labels = torch.tensor([[1.0, -1.0, 0.5], [0.0, 2.0, 1.0]]), torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    for place, name in enumerate(("pointwise", "pairwise", "listwise")):
        leaf = scores.clone().requires_grad_()
        loss = answer(leaf, labels)[place]
        if not isinstance(loss, Tensor) or not loss.requires_grad:
            return f"the {name} loss has no gradient to `scores`: keep to torch operations, without detach(), item() or no_grad()"
        loss.backward()
        if leaf.grad is None or not leaf.grad.any():
            return f"no gradient of the {name} loss reaches `scores`"
    return None


def _far_scores_learn(answer: Answer) -> str | None:
    for place, name in enumerate(("pointwise", "pairwise", "listwise")):
        leaf = torch.tensor([[-150.0, 150.0]]).requires_grad_()
        answer(leaf, torch.tensor([[1.0, 0.0]]))[place].backward()
        if leaf.grad is None or not leaf.grad.isfinite().all() or not leaf.grad.any():
            return f"at scores of -150 and 150, both wrong, the gradient of the {name} loss is lost: take the logarithm in the loss"
    return None


def _a_list_moved(answer: Answer) -> str | None:
    scores, labels = torch.tensor([[1.0, -1.0, 0.5], [0.0, 2.0, 1.0]]), torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    before = answer(scores, labels)
    after = answer(scores + torch.tensor([[3.0], [-2.0]]), labels)
    for place, name in ((1, "pairwise"), (2, "listwise")):
        if abs(float(before[place]) - float(after[place])) > 1e-4:
            return f"a number added to all scores of a list changes the {name} loss from {float(before[place]):.4g} to {float(after[place]):.4g}"
    return None


LISTS = Exercise(
    id="15.2",
    title="three losses on lists",
    difficulty="medium",
    minutes=12,
    section="Build it: three losses on lists",
    signature="(B, L), (B, L) -> three scalars",
    reference=three_losses,
    another=_one_list_after_the_other,
    draw=_draw_lists,
    situations=(
        Situation("there is one list", lambda scores, labels: len(scores) == 1),
        Situation("a list has more than one right passage", lambda scores, labels: bool((labels.sum(1) > 1).any())),
        Situation(
            "the lists have different numbers of right passages",
            lambda scores, labels: len(set(labels.sum(1).tolist())) > 1,
        ),
        Situation("lists have two passages", lambda scores, labels: scores.shape[1] == 2),
        Situation("scores are far apart", lambda scores, labels: bool(scores.max() - scores.min() > 90)),
        Situation("all scores lie between 0 and 1", lambda scores, labels: bool(((scores >= 0) & (scores <= 1)).all())),
        Situation(
            "two scores of a list are equal", lambda scores, labels: any(len(set(s)) < len(s) for s in scores.tolist())
        ),
    ),
    cases=(
        Case(
            "one list of two",
            lambda: (torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 0.0]])),
            (torch.tensor(0.410038), torch.tensor(0.126928), torch.tensor(0.126928)),
        ),
        Case(
            "one list of three, two of them right",
            _one_list,
            (torch.tensor(0.773224), torch.tensor(0.813262), torch.tensor(1.407606)),
        ),
        Case(
            "two lists of four, one right and three right",
            lambda: (
                torch.tensor([[0.5, 2.0, -1.0, 3.0], [1.0, -2.0, 0.5, 4.0]]),
                torch.tensor([[0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 1.0, 1.0]]),
            ),
        ),
        Case(
            "two lists, the right one in another place",
            lambda: (
                torch.tensor([[-1.0, 0.5, 2.0], [3.0, -2.0, 1.0]]),
                torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]),
            ),
        ),
        Case(
            "scores between 0 and 1",
            lambda: (torch.tensor([[0.9, 0.2, 0.6]]), torch.tensor([[0.0, 1.0, 0.0]])),
        ),
        Case(
            "very sure and wrong",
            lambda: (torch.tensor([[-150.0, 150.0]]), torch.tensor([[1.0, 0.0]])),
            (torch.tensor(150.0), torch.tensor(300.0), torch.tensor(300.0)),
        ),
    ),
    properties=(
        Property("each loss has a gradient to the scores", _every_loss_learns),
        Property("a number added to all scores of a list changes neither pairwise nor listwise", _a_list_moved),
        Property("what is far from right still learns", _far_scores_learn),
    ),
    mistakes=(
        Mistake(
            "a sigmoid before the pointwise loss",
            _with(pointwise=lambda s, y: _bce(s.sigmoid(), y)),
            "You put the scores through a sigmoid, and the pointwise loss does so again. What is left lies between .5 and .73, so the loss of a "
            "right passage cannot fall below .313, however sure the model is. The loss takes logits.",
        ),
        Mistake(
            "a sigmoid before every loss",
            lambda s, y: _three(s.sigmoid(), y),
            "You put the scores through a sigmoid before all three losses. None of them wants probabilities: a softmax of numbers between 0 "
            "and 1 is nearly even, and a difference of them is at most 1. Take the scores as they come.",
        ),
        Mistake(
            "logits read as probabilities",
            _with(pointwise=F.binary_cross_entropy),
            "Your pointwise loss wants numbers between 0 and 1, and a score is a logit: any number. Take the loss that has the sigmoid inside.",
        ),
        Mistake(
            "the sigmoid first, then the logarithm",
            _with(pointwise=lambda s, y: F.binary_cross_entropy(s.sigmoid(), y)),
            "For scores of usual size your pointwise loss is right. Far from 0 the sigmoid is exactly 0 or 1, the logarithm is cut off at 100, "
            "and no gradient is left. The loss with the sigmoid inside never takes that way.",
        ),
        Mistake(
            "the logarithm of zero",
            _with(
                pointwise=lambda s, y: -(y * s.sigmoid().log() + (1 - y) * (1 - s.sigmoid()).log()).mean(),
            ),
            "For scores of usual size your pointwise loss is right. Far from 0 the sigmoid is exactly 0 or 1, and its logarithm infinite. "
            "Use the loss that takes logits.",
        ),
        Mistake(
            "pointwise, by softmax",
            _with(pointwise=lambda s, y: F.binary_cross_entropy(s.softmax(dim=1), y)),
            "Your pointwise loss takes shares of a list for probabilities. Pointwise means that each pair is judged alone: what else stands "
            "in the list must not count.",
        ),
        Mistake(
            "pointwise, the right passages alone",
            _with(pointwise=lambda s, y: -F.logsigmoid(s[y == 1]).mean()),
            "Your pointwise loss looks at the right passages only. A model that calls everything relevant would have a loss of 0: the wrong "
            "ones have to be judged as well.",
        ),
        Mistake(
            "pointwise, right and wrong weigh the same",
            _with(pointwise=lambda s, y: (F.softplus(-s[y == 1]).mean() + F.softplus(s[y == 0]).mean()) / 2),
            "You take a mean over the right passages, one over the wrong, and the mean of the two. Every score counts alike: who weighs the rare "
            "right ones higher gets probabilities that are too high.",
        ),
        Mistake(
            "pointwise, squared errors",
            _with(pointwise=lambda s, y: (s.sigmoid() - y).square().mean()),
            "Your pointwise loss is the squared error of the probability. It hardly moves a score that is sure and wrong; cross-entropy is "
            "asked for.",
        ),
        Mistake(
            "pointwise, the sum",
            _with(pointwise=lambda s, y: F.binary_cross_entropy_with_logits(s, y, reduction="sum")),
            "You add the pointwise loss up. The mean over all B · L scores is asked for.",
        ),
        Mistake(
            "pointwise, added up within a list",
            _with(pointwise=lambda s, y: F.binary_cross_entropy_with_logits(s, y, reduction="none").sum(1).mean()),
            "You add the pointwise loss up within a list and take the mean over lists. It is the mean over all B · L scores.",
        ),
        Mistake(
            "right minus wrong",
            _with(pairwise=lambda s, y: F.softplus(-_wrong_minus_right(s, y)).mean()),
            "Your pairwise loss has the difference the wrong way round: it falls when the *wrong* passage has the higher score. Inside "
            "softplus stands wrong minus right.",
        ),
        Mistake(
            "pairs of equal labels count",
            _with(pairwise=_all_unequal_places),
            "You compare passages with equal labels as well. Nothing says which of the two should be above; only a right one and a wrong one "
            "make a pair.",
        ),
        Mistake(
            "the mean over all places",
            _with(pairwise=lambda s, y: F.softplus(_wrong_minus_right(s, y)).sum() / (len(s) * s.shape[1] ** 2)),
            "You divide by all L · L places of a list. Most of them are no pair of a right and a wrong passage: divide by the number of pairs.",
        ),
        Mistake(
            "pairwise, list by list",
            _with(pairwise=_list_by_list),
            "You take the mean over the pairs of each list, and then over the lists. Each *pair* of the batch counts alike, so a list with "
            "more pairs counts for more.",
        ),
        Mistake(
            "pairwise, the sum",
            _with(pairwise=lambda s, y: F.softplus(_wrong_minus_right(s, y)).sum()),
            "You add the pairs up. Take the mean over all pairs of the batch.",
        ),
        Mistake(
            "pairwise, added up within a list",
            _with(pairwise=lambda s, y: F.softplus(_wrong_minus_right(s, y)).sum() / len(s)),
            "You add the pairs of a list up and divide by the number of lists. The mean is over pairs.",
        ),
        Mistake(
            "a hinge",
            _with(pairwise=lambda s, y: F.relu(1 + _wrong_minus_right(s, y)).mean()),
            "Your pairwise loss is a hinge with margin 1: from there on nothing is learned. RankNet's softplus is smooth, and never quite 0.",
        ),
        Mistake(
            "a hinge without a margin",
            _with(pairwise=lambda s, y: F.relu(_wrong_minus_right(s, y)).mean()),
            "Your pairwise loss is 0 as soon as the right passage is above the wrong one, be it by a hair. RankNet's softplus asks for more, and is "
            "smooth.",
        ),
        Mistake(
            "the difference itself",
            _with(pairwise=lambda s, y: _wrong_minus_right(s, y).mean()),
            "You take the mean difference itself. It falls without end, and one pair that is very right makes up for many that are wrong. "
            "Softplus is missing.",
        ),
        Mistake(
            "a difference of probabilities",
            _with(pairwise=lambda s, y: F.softplus(_wrong_minus_right(s.sigmoid(), y)).mean()),
            "Your pairwise loss compares sigmoids. Their difference is at most 1, so the loss cannot fall below .313. Compare the scores.",
        ),
        Mistake(
            "in bits",
            _with(pairwise=lambda s, y: _softplus_mean(s, y) / math.log(2)),
            "Your pairwise loss is larger by 1 / ln 2: a logarithm to the base 2. sentence-transformers' RankNetLoss has that by default; here "
            "it is the natural one.",
        ),
        Mistake(
            "exp overflows",
            _with(pairwise=lambda s, y: (1 + _wrong_minus_right(s, y).exp()).log().mean()),
            "For scores of usual size your pairwise loss is right. From a difference of 89 on, exp is infinite in float32. `softplus` does the "
            "same without that.",
        ),
        Mistake(
            "pairwise, the sigmoid alone",
            _with(pairwise=lambda s, y: _wrong_minus_right(s, y).sigmoid().mean()),
            "You take the mean of a sigmoid: how likely the wrong one would win. The loss is minus the *logarithm* of how likely the right one "
            "wins; without it a pair that is quite wrong has hardly any gradient.",
        ),
        Mistake(
            "pairwise, the sign is missing",
            _with(pairwise=lambda s, y: -_softplus_mean(s, y)),
            "Your pairwise loss is negative: logarithms of probabilities are, and the minus before them is missing. As it stands, a step down "
            "makes the order worse.",
        ),
        Mistake(
            "pairs that stand in order alone",
            _with(pairwise=_pairs_in_order),
            "Only pairs whose right passage stands before the wrong one in the row count with you, as where `triu` or j > i is used. The places "
            "of a row mean nothing: every right one makes a pair with every wrong one.",
        ),
        Mistake(
            "pairs as a classification",
            _with(pairwise=_who_is_above),
            'You classify all pairs by whether the first is above the second, with 0 for pairs of equal labels, too. These say "below" where '
            "nothing is known, and push equal ones apart in both directions at once. Only a right and a wrong one make a pair, once.",
        ),
        Mistake(
            "mean against mean",
            _with(pairwise=_mean_against_mean),
            "You compare the mean score of a list's right passages with that of its wrong ones. One very low wrong passage then hides another "
            "that is on top. Each pair has a softplus of its own.",
        ),
        Mistake(
            "the hardest wrong passage alone",
            _with(pairwise=_hardest_wrong),
            "Each right passage is compared with the best wrong one alone. All wrong passages of its list count.",
        ),
        Mistake(
            "the first right passage alone, in pairs",
            _with(pairwise=lambda s, y: F.softplus((s - s.gather(1, y.argmax(1, keepdim=True)))[y == 0]).mean()),
            "You compare the first right passage of each list alone. Every right one makes a pair with every wrong one.",
        ),
        Mistake(
            "pairs across lists",
            _with(pairwise=lambda s, y: _softplus_mean(s.reshape(1, -1), y.reshape(1, -1))),
            "You compare right passages of one query with wrong ones of another. Scores of two queries have no common zero: an easy query may "
            "have higher ones throughout. Pairs are made within a list.",
        ),
        Mistake(
            "one softmax over all lists",
            _with(listwise=lambda s, y: _cross_entropy(s.reshape(1, -1), _shares(y).reshape(1, -1))),
            "You take one softmax over the whole batch, so passages of different queries compete. Scores compare within a query only: each "
            "list has its own softmax.",
        ),
        Mistake(
            "the softmax runs over the queries",
            _with(listwise=lambda s, y: -(_shares(y) * s.log_softmax(dim=0)).sum(1).mean()),
            "Your softmax runs down the columns: the first passages of all queries compete. It runs along a list, the last axis.",
        ),
        Mistake(
            "labels are not divided",
            _with(listwise=lambda s, y: -(y * s.log_softmax(dim=1)).sum(1).mean()),
            "The labels of a list add up to as many as are right. As shares of one whole they add up to 1: divide by their sum, else a list "
            "with three right passages counts three times.",
        ),
        Mistake(
            "a softmax of the labels",
            _with(listwise=losses.listwise_loss),
            "You take a softmax of the labels, as ListNet does. With 1 and 0 a right passage among ten gets 23 per cent, and the wrong ones "
            "the rest. Here labels are divided by their sum: wrong ones get nothing.",
        ),
        Mistake(
            "one right passage alone, in the list",
            _with(listwise=lambda s, y: F.cross_entropy(s, y.argmax(1))),
            "Your listwise loss picks one right passage and pushes the others down as if they were wrong. All right ones share the target.",
        ),
        Mistake(
            "other right passages leave the denominator",
            _with(listwise=_against_wrong_alone),
            "Each right passage competes with the wrong ones alone in your listwise loss: the other right ones are taken out of its softmax. "
            "That can be done, and is another loss; here the softmax runs over the whole row.",
        ),
        Mistake(
            "every right passage counts the same",
            _with(listwise=lambda s, y: -s.log_softmax(dim=1)[y == 1].mean()),
            "You take the mean over all right passages of the batch. A list with three of them then counts three times as much as one with "
            "one: each *list* counts once.",
        ),
        Mistake(
            "listwise, the sign is missing",
            _with(listwise=lambda s, y: -_cross_entropy(s, y)),
            "Your listwise loss is negative: logarithms of shares are, and the minus before them is missing. As it stands, a step down takes "
            "shares away from the right passages.",
        ),
        Mistake(
            "the mean over all scores",
            _with(listwise=lambda s, y: -(_shares(y) * s.log_softmax(dim=1)).mean()),
            "You divide the listwise loss by B · L. Within a list it is a sum; the mean is over lists.",
        ),
        Mistake(
            "listwise, the sum",
            _with(listwise=lambda s, y: -(_shares(y) * s.log_softmax(dim=1)).sum()),
            "You add the listwise loss up over the lists. Take the mean over them.",
        ),
        Mistake(
            "a divergence",
            _with(listwise=_kl),
            "Your listwise loss is the KL divergence: smaller by the entropy of the labels' shares, ln 2 where two are right. The gradients are "
            "the same; the cross-entropy is asked for.",
        ),
        Mistake(
            "the shares are added up first",
            _with(listwise=lambda s, y: -(s.softmax(1) * y).sum(1).log().mean()),
            "You add up the shares of all right passages and take the logarithm of that. One of them alone can then satisfy the loss. The "
            "logarithm of each share comes first, and then the mean over the right ones.",
        ),
        Mistake(
            "the logarithm of a softmax",
            _with(listwise=lambda s, y: -(_shares(y) * s.softmax(dim=1).log()).sum(1).mean()),
            "For scores of usual size your listwise loss is right. Far apart, a share becomes exactly 0 and its logarithm infinite. Take "
            "`log_softmax`, which never leaves the logarithm.",
        ),
        Mistake(
            "a sigmoid before the softmax",
            _with(listwise=lambda s, y: _cross_entropy(s.sigmoid(), y)),
            "You put the scores through a sigmoid before the softmax. Numbers between 0 and 1 give nearly even shares, whatever the model "
            "knows.",
        ),
        Mistake(
            "listwise first",
            lambda s, y: _three(s, y)[::-1],
            "The losses come in the other order. Pointwise is first, listwise last.",
        ),
        Mistake(
            "one sum",
            lambda s, y: sum(_three(s, y)),
            "You add the three losses up. They are asked for one by one, as a tuple.",
        ),
        Mistake(
            "the graph is cut",
            lambda s, y: tuple(loss.detach() for loss in _three(s, y)),
            "The numbers are right, and no gradient leads back to the scores: nothing would be learned. Return the losses as they come, with "
            "their graph.",
        ),
        Mistake(
            "plain numbers",
            lambda s, y: tuple(float(loss.detach()) for loss in _three(s, y)),
            "You return plain numbers. A loss has to be a tensor with its graph, or nothing can be learned from it.",
        ),
    ),
    hints=(
        "Three questions to the same scores: is each relevant? who is above whom? who gets which share? Which of them look at one score, "
        "which at two, which at a row?",
        "For the pairs, hold the scores beside themselves with one more axis, (B, L, L), and pick the places where the one is right and the "
        "other wrong.",
        "torch.nn.functional has a loss that takes logits, `softplus`, and `log_softmax`. Only the last needs labels that add up to 1 in a row.",
    ),
)


# --- 15.3 MarginMSE --------------------------------------------------------------------------


def margin_mse(query: Tensor, positive: Tensor, negatives: Tensor, teacher: Tensor) -> Tensor:
    """The student's margins shall be the teacher's: (B, D), (B, D), (B, M, D), (B, 1 + M) -> scalar."""
    return losses.margin_mse(query, positive, negatives, teacher)


def _products(query: Tensor, passages: Tensor) -> Tensor:
    return torch.einsum("bd,bmd->bm", query, passages)


def _margins(scores: Tensor) -> Tensor:
    return scores[:, :1] - scores[:, 1:]


def _mean_square(s: Tensor, t: Tensor) -> Tensor:
    return (_margins(s) - _margins(t)).square().mean()


def _distilled(
    query, positive, negatives, teacher, *, compared=_products, student=lambda s: s, taught=lambda t: t.detach(),
    loss=_mean_square,
):  # fmt: skip
    """MarginMSE with one part exchanged."""
    passages = torch.cat([positive[:, None], negatives], dim=1)  # (B, 1 + M, D)
    return loss(student(compared(query, passages)), taught(teacher))


def _learning(**parts: Any) -> Answer:
    return lambda *args: _distilled(*args, **parts)


def _one_difference_of_vectors(query, positive, negatives, teacher):
    """A product with the difference of two passages is their margin."""
    between = positive[:, None] - negatives  # (B, M, D)
    student = (query[:, None] * between).sum(dim=2)
    wanted = (teacher[:, 0].unsqueeze(1) - teacher[:, 1:]).detach()
    return F.mse_loss(student, wanted)


def _by_distance(query: Tensor, passages: Tensor) -> Tensor:
    return -(query[:, None] - passages).square().sum(dim=2)


def _other_queries_negatives(query, positive, negatives, teacher):
    B, M, D = negatives.shape
    return _distilled(query, positive, negatives.reshape(M, B, D).transpose(0, 1), teacher)


def _hardest_alone(s: Tensor, t: Tensor) -> Tensor:
    place = s[:, 1:].argmax(dim=1, keepdim=True)
    return (_margins(s).gather(1, place) - _margins(t).gather(1, place)).square().mean()


def _draw_margins(rng: random.Random) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    B, M, D = rng.randint(1, 3), rng.randint(1, 3), rng.randint(1, 3)
    query, positive, negatives = draws.numbers(rng, B, D), draws.numbers(rng, B, D), draws.numbers(rng, B, M, D)
    scale = rng.choice((1.0, 1.0, 4.0))
    return query, positive, negatives, draws.numbers(rng, B, 1 + M) * scale


def _one_margin() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The student says .9 and .4, the teacher 4.2 and 1.1."""
    return (
        torch.tensor([[1.0, 0.5]]),
        torch.tensor([[0.4, 1.0]]),
        torch.tensor([[[0.4, 0.0]]]),
        torch.tensor([[4.2, 1.1]]),
    )


def _two_queries() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Products 2, 1, 0 and -1, 3, 1; margins 1, 2 and -4, -2. The teacher's are 3, 0 and 1, 2."""
    return (
        torch.tensor([[1.0, 1.0], [-1.0, 2.0]]),
        torch.tensor([[2.0, 0.0], [1.0, 0.0]]),
        torch.tensor([[[0.0, 1.0], [1.0, -1.0]], [[-1.0, 1.0], [1.0, 1.0]]]),
        torch.tensor([[5.0, 2.0, 5.0], [0.5, -0.5, -1.5]]),
    )


def _another_zero(answer: Answer) -> str | None:
    query, positive, negatives, teacher = _two_queries()
    before, after = (
        float(answer(query, positive, negatives, teacher)),
        float(answer(query, positive, negatives, teacher + 7)),
    )
    return (
        None
        if abs(before - after) < 1e-4
        else f"with 7 added to all of the teacher's scores {before:.4g} becomes {after:.4g}"
    )


def _another_zero_of_the_student(answer: Answer) -> str | None:
    query, positive, negatives, teacher = _two_queries()
    shared = torch.tensor([[3.0, 1.0]])
    before = float(answer(query, positive, negatives, teacher))
    after = float(answer(query, positive + shared, negatives + shared, teacher))
    return (
        None
        if abs(before - after) < 1e-3
        else f"with one vector added to all passages {before:.4g} becomes {after:.4g}"
    )


def _gradients_to(place: int, answer: Answer) -> bool:
    """Whether a gradient reaches one of the four arguments."""
    leaves = [x.clone().requires_grad_() for x in _two_queries()]
    loss = answer(*leaves)
    if loss.requires_grad:
        loss.backward()
    found = leaves[place].grad
    return found is not None and bool(found.any())


def _queries_learn(answer: Answer) -> str | None:
    return None if _gradients_to(0, answer) else "no gradient reaches `query`"


def _passages_learn(answer: Answer) -> str | None:
    missing = [name for place, name in ((1, "positive"), (2, "negatives")) if not _gradients_to(place, answer)]
    return f"no gradient reaches `{missing[0]}`" if missing else None


def _teacher_stands_still(answer: Answer) -> str | None:
    return "a gradient reaches `teacher`, so it is pulled towards its student" if _gradients_to(3, answer) else None


MARGIN = Exercise(
    id="15.3",
    title="MarginMSE",
    difficulty="easy",
    minutes=8,
    section="Build it: MarginMSE",
    signature="(B, D), (B, D), (B, M, D), (B, 1 + M) -> scalar",
    reference=margin_mse,
    another=_one_difference_of_vectors,
    gradient=True,
    draw=_draw_margins,
    situations=(
        Situation("there is one query", lambda q, p, n, t: len(q) == 1),
        Situation("each query has one negative", lambda q, p, n, t: n.shape[1] == 1),
        Situation("each query has several negatives", lambda q, p, n, t: n.shape[1] > 1),
        Situation(
            "the teacher puts a negative before the positive", lambda q, p, n, t: bool((t[:, 1:] > t[:, :1]).any())
        ),
        Situation(
            "the student puts a negative before the positive",
            lambda q, p, n, t: bool((_margins(_products(q, torch.cat([p[:, None], n], 1))) < 0).any()),
        ),
        Situation("a margin of the teacher is above 2", lambda q, p, n, t: bool((_margins(t) > 2).any())),
    ),
    cases=(
        Case("one margin", _one_margin, torch.tensor(6.76)),
        Case("two queries, two negatives each", _two_queries, torch.tensor((4.0 + 4.0 + 25.0 + 16.0) / 4)),
        Case(
            "three queries, long vectors",
            lambda: (
                torch.tensor([[3.0], [-2.0], [0.5]]),
                torch.tensor([[2.0], [1.0], [4.0]]),
                torch.tensor([[[1.0], [-1.0]], [[0.5], [2.0]], [[0.0], [-3.0]]]),
                torch.tensor([[8.0, 3.0, -2.0], [1.0, 0.0, 2.0], [0.5, 4.0, -1.0]]),
            ),
        ),
        Case(
            "student and teacher agree, with another zero",
            lambda: (
                torch.tensor([[2.0, 0.0]]),
                torch.tensor([[3.0, 1.0]]),
                torch.tensor([[[1.0, 5.0], [-1.0, 0.0]]]),
                torch.tensor([[16.0, 12.0, 8.0]]),
            ),
            torch.tensor(0.0),
        ),
    ),
    properties=(
        Property("a teacher with another zero says the same", _another_zero),
        Property("what all passages share does not count", _another_zero_of_the_student),
        Property("the queries' vectors learn", _queries_learn),
        Property("the passages' vectors learn", _passages_learn),
        Property("the teacher stands still", _teacher_stands_still),
    ),
    mistakes=(
        Mistake(
            "cosines",
            _learning(compared=lambda q, d: _products(normalize(q), normalize(d))),
            "You compare by cosine. Two cosines differ by 2 at most, and a teacher's logits by 10 and more: the student could never reach such "
            "margins, and would be pushed to the ends of its range. Take dot products of the vectors as they come.",
        ),
        Mistake(
            "distances",
            _learning(compared=_by_distance),
            "You compare by distance. The student's score is the dot product.",
        ),
        Mistake(
            "the scores instead of the margins",
            _learning(loss=lambda s, t: (s - t).square().mean()),
            "You hold the student's scores against the teacher's. Then the student also has to learn where the teacher's zero lies, which says "
            "nothing about the order. Hold *differences* against each other: positive minus negative.",
        ),
        Mistake(
            "the margin to itself counts",
            _learning(loss=lambda s, t: ((s[:, :1] - s) - (t[:, :1] - t)).square().mean()),
            "The positive's margin to itself is among your margins. It is always 0, adds nothing and makes the mean smaller: there are M "
            "margins for each query, not 1 + M.",
        ),
        Mistake(
            "a divergence",
            _learning(
                loss=lambda s, t: F.kl_div(s.log_softmax(1), t.log_softmax(1), reduction="batchmean", log_target=True)
            ),
            "You compare shares by a KL divergence. That is the other kind of distillation: it asks for the teacher's distribution, "
            "MarginMSE for its differences.",
        ),
        Mistake(
            "a teacher between 0 and 1",
            _learning(taught=lambda t: t.detach().sigmoid()),
            "You put the teacher's scores through a sigmoid. Then none of its margins is above 1, and where it is sure they are near 0 or 1: "
            "what it knew beyond right and wrong is gone. Take its logits.",
        ),
        Mistake(
            "the teacher's shares",
            _learning(taught=lambda t: t.detach().softmax(dim=1)),
            "You take a softmax of the teacher's scores. Differences of shares are at most 1; the margins are differences of its scores.",
        ),
        Mistake(
            "the student between 0 and 1",
            _learning(student=lambda s: s.sigmoid()),
            "You put the student's products through a sigmoid. It could then never have a margin above 1.",
        ),
        Mistake(
            "both between 0 and 1",
            _learning(student=lambda s: s.sigmoid(), taught=lambda t: t.detach().sigmoid()),
            "You put both sides through a sigmoid. A margin between two sure scores is then nearly nothing, whatever it was. Take the scores "
            "as they come.",
        ),
        Mistake(
            "the student's margin has the other sign",
            _learning(loss=lambda s, t: (-_margins(s) - _margins(t)).square().mean()),
            "One of the two margins has the other sign: positive minus negative on one side, negative minus positive on the other. The student "
            "would learn to turn the teacher's order round.",
        ),
        Mistake(
            "the teacher's positive in place of its margin",
            _learning(loss=lambda s, t: (_margins(s) - t[:, :1]).square().mean()),
            "You hold the student's margin against the teacher's score of the positive. It is the teacher's *margin* that the student learns.",
        ),
        Mistake(
            "the teacher's positive stands last",
            _learning(taught=lambda t: t.detach().roll(1, dims=1)),
            "You take the last of the teacher's scores for the positive's. It stands first.",
        ),
        Mistake(
            "absolute differences",
            _learning(loss=lambda s, t: (_margins(s) - _margins(t)).abs().mean()),
            "You take the absolute difference of the margins. The squared one is asked for.",
        ),
        Mistake(
            "the root",
            _learning(loss=lambda s, t: _mean_square(s, t).sqrt()),
            "You take the root at the end. MarginMSE is the mean of the squares itself.",
        ),
        Mistake(
            "a half",
            _learning(loss=lambda s, t: _mean_square(s, t) / 2),
            "Your loss is half of what is asked for. Some textbooks put ½ before a square so that the gradient looks simpler; here it is the "
            "mean.",
        ),
        Mistake(
            "the sum",
            _learning(loss=lambda s, t: (_margins(s) - _margins(t)).square().sum()),
            "You add up. The mean over all B · M margins is asked for.",
        ),
        Mistake(
            "added up for each query",
            _learning(loss=lambda s, t: (_margins(s) - _margins(t)).square().sum(dim=1).mean()),
            "You add up the margins of a query and take the mean over queries. It is the mean over all B · M margins.",
        ),
        Mistake(
            "the mean comes before the square",
            _learning(loss=lambda s, t: (_margins(s) - _margins(t)).mean().square()),
            "You take the mean first and square it. Margins that are too large then make up for others that are too small. Square each one.",
        ),
        Mistake(
            "against the mean of the negatives",
            _learning(loss=lambda s, t: (_margins(s).mean(1) - _margins(t).mean(1)).square().mean()),
            "You hold the positive against the mean of its negatives. Each negative has a margin of its own, and the teacher one for it.",
        ),
        Mistake(
            "the first negative alone",
            _learning(loss=lambda s, t: (_margins(s) - _margins(t))[:, :1].square().mean()),
            "You look at each query's first negative. All M of them count.",
        ),
        Mistake(
            "less where it is large",
            _learning(loss=lambda s, t: F.smooth_l1_loss(_margins(s), _margins(t))),
            "From a difference of 1 on your loss no longer grows with the square: that is a Huber loss. The squared difference is asked for.",
        ),
        Mistake(
            "positive and negatives apart",
            _learning(loss=lambda s, t: F.mse_loss(s[:, 0], t[:, 0]) + F.mse_loss(s[:, 1:], t[:, 1:])),
            "You hold the positive's score and the negatives' scores against the teacher's, and add the two errors. Then the student also "
            "has to learn where the teacher's zero lies. Only differences, positive minus negative, are held against each other.",
        ),
        Mistake(
            "margins between 0 and 1",
            _learning(loss=lambda s, t: (_margins(s).sigmoid() - _margins(t).sigmoid()).square().mean()),
            "You put both margins through a sigmoid. From a margin of 5 on all look alike; take them as they are.",
        ),
        Mistake(
            "the mean over the dimensions",
            _learning(compared=lambda q, d: (q[:, None] * d).mean(dim=2)),
            "You take the mean over the dimensions in place of the sum, so every score is smaller by D. A dot product adds up.",
        ),
        Mistake(
            "the query at length 1",
            _learning(compared=lambda q, d: _products(normalize(q), d)),
            "You normalize the queries. That changes every margin by another factor: nothing is normalized here.",
        ),
        Mistake(
            "all queries' negatives added up",
            lambda q, p, n, t: _distilled(q, p, n.sum(0, keepdim=True).expand_as(n), t),
            "A query meets the negatives of all queries, added up: an axis of the batch was summed over where it should run along. Row i of "
            "`negatives` belongs to row i of `query`.",
        ),
        Mistake(
            "the hardest negative alone",
            _learning(loss=_hardest_alone),
            "You look at the negative that the student finds best. All M of a query count.",
        ),
        Mistake(
            "only margins that are too small count",
            _learning(loss=lambda s, t: F.relu(_margins(t) - _margins(s)).square().mean()),
            "Margins that are larger than the teacher's cost nothing with you. The student learns how *much* better a passage is, so too much "
            "is wrong as well.",
        ),
        Mistake(
            "margins between neighbours",
            _learning(loss=lambda s, t: ((s[:, :-1] - s[:, 1:]) - (t[:, :-1] - t[:, 1:])).square().mean()),
            "You take the difference of each passage and the next one. Every margin is that of the *positive* to a negative.",
        ),
        Mistake(
            "all pairs of passages",
            _learning(
                loss=lambda s, t: (
                    ((s[:, :, None] - s[:, None]) - (t[:, :, None] - t[:, None]))[
                        :, ~torch.eye(s.shape[1], dtype=torch.bool)
                    ]
                    .square()
                    .mean()
                )
            ),
            "You compare the margins of all pairs of passages, two negatives among them. Only the positive's margins are asked for.",
        ),
        Mistake(
            "negatives of other queries",
            _other_queries_negatives,
            "Negatives reach a query that they do not belong to: a `reshape` or `view` puts numbers in another order, it exchanges no axes. Row "
            "i of `negatives` belongs to row i of `query`.",
        ),
        Mistake(
            "the teacher learns, too",
            _learning(taught=lambda t: t),
            "A gradient flows into the teacher's scores, so it would move towards its student. Take them out of the graph.",
        ),
        Mistake(
            "the passages do not learn",
            _learning(compared=lambda q, d: _products(q, d.detach())),
            "Only the query's vector gets a gradient. The passages' vectors come from the same student, and are trained as well.",
        ),
        Mistake(
            "nothing learns",
            lambda *args: _distilled(*args).detach(),
            "The number is right, and no gradient leads back to the student.",
        ),
    ),
    hints=(
        "What is a margin? One number for each query and negative, on either side.",
        "The student's products with the positive are (B,), with the negatives (B, M). An axis of length 1 lets you subtract.",
        "The same subtraction with the first column of `teacher` and the others, without a gradient; then square, and the mean over all.",
    ),
)


# --- 15.4 is a probability calibrated? -------------------------------------------------------


def reliability(probabilities: Tensor, labels: Tensor, bins: int) -> tuple[Tensor, Tensor, Tensor, float]:
    """Mean probability, share and count of each bin that is not empty, and the error: (N,), (N,), int -> 3 (K,), float."""
    said, shares, counts = reliability_curve(probabilities, labels, bins)
    error = expected_calibration_error(probabilities, labels, bins)
    return torch.tensor(said).float(), torch.tensor(shares).float(), torch.tensor(counts), error


def _places(p: Tensor, bins: int) -> Tensor:
    """The bin of each probability; one on an edge belongs to the bin below."""
    return torch.searchsorted(torch.linspace(0, 1, bins + 1, dtype=torch.float64)[1:-1], p.double())


def _gap(said: Tensor, share: Tensor, count: Tensor, p: Tensor, y: Tensor) -> float:
    return float((count * (share - said).abs()).sum() / len(p))


def _reliable(
    probabilities, labels, bins, *, prepared=lambda p: p, place=_places, right=lambda p, y: y,
    said=lambda p, n, number, bins: p.mean(), share=lambda y, all_labels: y.mean(), count=lambda n, N: n,
    error=_gap, last=lambda rows: rows,
):  # fmt: skip
    """The reliability curve with one part exchanged; places that are negative are left out."""
    p = prepared(probabilities)
    y = right(p, labels)
    where = place(p, bins)
    rows = []
    for number in sorted(set(where[where >= 0].tolist())):
        inside = where == number
        n = int(inside.sum())
        rows.append((said(p[inside], n, number, bins), share(y[inside], y), n))
    columns = [torch.tensor([float(row[i]) for row in rows]) for i in (0, 1)]
    counts = torch.tensor([row[2] for row in rows], dtype=torch.long)
    gap = error(columns[0], columns[1], counts, p, y)
    shown = torch.stack([count(n, len(p)) for n in counts]) if len(rows) else counts
    return last((*columns, shown, gap))


def _measured(**parts: Any) -> Answer:
    return lambda *args: _reliable(*args, **parts)


def _by_sums(probabilities, labels, bins):
    """Upper edges that lie below a probability are counted; three sums for each bin."""
    edges = torch.tensor([(b + 1) / bins for b in range(bins - 1)], dtype=torch.float64)
    where = (probabilities.double()[:, None] > edges).sum(dim=1)  # (N,)
    inside = F.one_hot(where, bins).double()  # (N, bins)
    counts = inside.sum(dim=0)
    there = counts > 0
    p, y = (values.double() @ inside for values in (probabilities, labels))
    error = (p - y).abs().sum() / len(labels)
    return (p[there] / counts[there]).float(), (y[there] / counts[there]).float(), counts[there].long(), float(error)


def _all_bins(empty: float) -> Answer:
    """Empty bins are listed too, with a number in place of the means."""

    def curve(probabilities, labels, bins):
        where = _places(probabilities, bins)
        said, share, counts, error = _reliable(probabilities, labels, bins)
        there = sorted(set(where.tolist()))
        full = [torch.full((bins,), empty), torch.full((bins,), empty), torch.zeros(bins, dtype=torch.long)]
        for column, values in zip(full, (said, share, counts), strict=True):
            column[there] = values
        return (*full, error)

    return curve


def _floor(p: Tensor, bins: int) -> Tensor:
    return (p.double() * bins).floor().long()


def _rows(columns: Sequence[tuple[float, float, int]], N: int) -> tuple[Tensor, Tensor, Tensor, float]:
    said, share, count = (torch.tensor([row[i] for row in columns]) for i in range(3))
    return said.float(), share.float(), count.long(), float((count * (share - said).abs()).sum() / N)


def _closed_at_both_ends(probabilities, labels, bins):
    found = []
    for b in range(bins):
        inside = (probabilities >= b / bins) & (probabilities <= (b + 1) / bins)
        if inside.any():
            found.append((float(probabilities[inside].mean()), float(labels[inside].mean()), int(inside.sum())))
    return _rows(found, len(labels))


def _as_they_come(probabilities, labels, bins):
    where = _places(probabilities, bins)
    inside = [where == b for b in dict.fromkeys(where.tolist())]
    return _rows([(float(probabilities[i].mean()), float(labels[i].mean()), int(i.sum())) for i in inside], len(labels))


def _of_relevant_alone(probabilities, labels, bins):
    where = _places(probabilities, bins)
    inside = [where == b for b in where.unique()]
    said = [float((probabilities * labels)[i].sum() / labels[i].sum().clamp(min=1)) for i in inside]
    return _rows([(p, float(labels[i].mean()), int(i.sum())) for p, i in zip(said, inside, strict=True)], len(labels))


def _without_relevant(probabilities, labels, bins):
    said, share, count, _ = _reliable(probabilities, labels, bins)
    there = share > 0
    return _rows(list(zip(*(column[there].tolist() for column in (said, share, count)), strict=True)), len(labels))


def _by_rank(p: Tensor, bins: int) -> Tensor:
    rank = p.argsort(stable=True).argsort()
    return rank * bins // len(p)


def _within_their_range(p: Tensor, bins: int) -> Tensor:
    low, high = p.min(), p.max()
    return _places(((p - low) / (high - low).clamp(min=1e-9)), bins)


def _sure(probabilities, labels, bins):
    """What multi-class code does: the surer of the two answers, and whether it is right."""
    confidence = torch.maximum(probabilities, 1 - probabilities)
    return _reliable(confidence, ((probabilities >= 0.5) == (labels == 1)).float(), bins)


def _draw_probabilities(rng: random.Random) -> tuple[Tensor, Tensor, int]:
    """On the edges of halves, quarters and eighths, which float32 has exactly; beside those of other bins."""
    N, bins = rng.randint(1, 8), rng.choice((1, 2, 4, 5, 8, 10))
    if bins in (5, 10):
        p = [rng.choice((0.0, 1.0, *[round(rng.randint(0, 99) / 100 + 0.003, 3)] * 6)) for _ in range(N)]
    else:
        p = [rng.randint(0, 16) / 16 for _ in range(N)]
    return torch.tensor(p), torch.tensor([float(rng.random() < 0.5) for _ in range(N)]), bins


def _on_an_edge(p: Tensor, y: Tensor, bins: int) -> bool:
    edges = torch.arange(1, bins) / bins
    return bool((p[:, None] == edges).any())


def _five_passages() -> tuple[Tensor, Tensor, int]:
    return torch.tensor([0.125, 0.375, 0.75, 0.875, 0.625]), torch.tensor([0.0, 1.0, 1.0, 1.0, 0.0]), 4


def _order_does_not_count(answer: Answer) -> str | None:
    p, y, bins = _five_passages()
    first, other = answer(p, y, bins), answer(p.flip(0), y.flip(0), bins)
    return (
        None if compare.same_values(other, first, 1e-5) else "with the passages in reversed order the result is another"
    )


def _all_are_counted(answer: Answer) -> str | None:
    p = torch.tensor([0.0, 0.25, 0.5, 1.0])
    counted = int(torch.as_tensor(answer(p, torch.tensor([0.0, 1.0, 0.0, 1.0]), 4)[2]).sum())
    return None if counted == 4 else f"the counts of four passages at 0, .25, .5 and 1 add up to {counted}"


CALIBRATED = Exercise(
    id="15.4",
    title="is a probability calibrated?",
    difficulty="medium",
    minutes=12,
    section="Build it: is a probability calibrated?",
    signature="(N,), (N,), int -> (K,), (K,), (K,), float",
    reference=reliability,
    another=_by_sums,
    draw=_draw_probabilities,
    loops=True,
    situations=(
        Situation("a bin is empty", lambda p, y, bins: len(set(_places(p, bins).tolist())) < bins),
        Situation("a probability lies on an edge between two bins", _on_an_edge),
        Situation("a probability is 0", lambda p, y, bins: bool((p == 0).any())),
        Situation("a probability is 1", lambda p, y, bins: bool((p == 1).any())),
        Situation("there is one bin", lambda p, y, bins: bins == 1),
        Situation("a bin holds several passages", lambda p, y, bins: int(_places(p, bins).bincount().max()) > 1),
        Situation("there is one passage", lambda p, y, bins: len(p) == 1),
        Situation("no passage is relevant", lambda p, y, bins: not y.any()),
    ),
    cases=(
        Case(
            "five passages, four bins",
            _five_passages,
            (
                torch.tensor([0.125, 0.375, 0.6875, 0.875]),
                torch.tensor([0.0, 1.0, 0.5, 1.0]),
                torch.tensor([1, 1, 2, 1]),
                (0.125 + 0.625 + 2 * 0.1875 + 0.125) / 5,
            ),
        ),
        Case(
            "edges, and an empty bin",
            lambda: (torch.tensor([0.5, 0.0, 1.0, 0.25]), torch.tensor([1.0, 0.0, 1.0, 1.0]), 4),
            (
                torch.tensor([0.125, 0.5, 1.0]),
                torch.tensor([0.5, 1.0, 1.0]),
                torch.tensor([2, 1, 1]),
                (2 * 0.375 + 0.5) / 4,
            ),
        ),
        Case(
            "sure, and half of them wrong",
            lambda: (
                torch.tensor([0.03, 0.97, 0.93, 0.04, 0.96, 0.08, 0.12]),
                torch.tensor([0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0]),
                10,
            ),
        ),
        Case(
            "errors of both signs",
            lambda: (
                torch.tensor([0.22, 0.31, 0.12, 0.83, 0.94, 0.71, 0.62]),
                torch.tensor([1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0]),
                2,
            ),
        ),
        Case(
            "one passage",
            lambda: (torch.tensor([0.75]), torch.tensor([0.0]), 5),
            (torch.tensor([0.75]), torch.tensor([0.0]), torch.tensor([1]), 0.75),
        ),
    ),
    properties=(
        Property("the order of the passages does not count", _order_does_not_count),
        Property("every passage is counted once", _all_are_counted),
    ),
    mistakes=(
        Mistake(
            "empty bins as zeros",
            _all_bins(0.0),
            "Bins without a passage are listed, with zeros. Drawn as points they say that something was measured there: probability 0, share 0. "
            "Leave them out.",
        ),
        Mistake(
            "empty bins as NaN",
            _all_bins(math.nan),
            "Bins without a passage are listed, with NaN: a mean of nothing. Leave them out.",
        ),
        Mistake(
            "an edge belongs to the bin above",
            _measured(place=lambda p, bins: _floor(p, bins).clamp(max=bins - 1)),
            "A probability that lies on an edge falls into the bin above with you. It belongs to the bin below: above b / bins, up to and "
            "including (b + 1) / bins.",
        ),
        Mistake(
            "an edge belongs to both bins",
            _closed_at_both_ends,
            "A probability that lies on an edge falls into two bins with you, and is counted twice: all bins are closed at both ends. Only the "
            "upper edge belongs to a bin; the first holds 0 as well.",
        ),
        Mistake(
            "an edge belongs to no bin",
            _measured(place=lambda p, bins: _places(p, bins).masked_fill((p.double() * bins) % 1 == 0, -1)),
            "A probability that lies on an edge belongs to no bin of yours: all are open at both ends. The upper edge belongs to a bin; the "
            "first holds 0 as well.",
        ),
        Mistake(
            "bins by rounding",
            _measured(place=lambda p, bins: (p.double() * bins).round().long().clamp(max=bins - 1)),
            "You round to find the bin, so your edges lie in the middle of those that are asked for. All that is between two edges belongs to "
            "one bin.",
        ),
        Mistake(
            "0 has a bin of its own",
            _measured(place=lambda p, bins: _places(p, bins) + (p > 0).long()),
            "A probability of 0 has a bin of its own before the first. The first bin holds it.",
        ),
        Mistake(
            "1 falls out",
            _measured(place=lambda p, bins: _floor(p, bins).masked_fill(p == 1, -1)),
            "Your bins include their lower edge and not the upper one, so a probability of 1 belongs to none of them. The surest passages are "
            "not measured.",
        ),
        Mistake(
            "1 has a bin of its own",
            _measured(place=_floor),
            "Your bins include their lower edge, and a probability of 1 gets one more bin, behind the last. A bin includes its upper edge.",
        ),
        Mistake(
            "0 falls out",
            _measured(place=lambda p, bins: _places(p, bins).masked_fill(p == 0, -1)),
            "A probability of 0 belongs to no bin of yours: all are open below. The first one holds 0 as well.",
        ),
        Mistake(
            "0 lands in the last bin",
            _measured(place=lambda p, bins: _places(p, bins).masked_fill(p == 0, bins - 1)),
            "A probability of 0 lands in the last bin: place -1 counts from the end. The first bin holds 0 as well.",
        ),
        Mistake(
            "the middle of the bin",
            _measured(said=lambda p, n, number, bins: (number + 0.5) / bins),
            "You give the middle of each bin. What was said is the *mean* of its probabilities; they may crowd at one end.",
        ),
        Mistake(
            "the mean of the relevant ones",
            _of_relevant_alone,
            "Your mean probability is that of a bin's relevant passages alone. What was said of the others counts as well.",
        ),
        Mistake(
            "bins without a relevant passage are left out",
            _without_relevant,
            "You leave out bins in which nothing is relevant. A share of 0 is a finding: there the model should have said nearly 0. Only bins "
            "without any passage are left out.",
        ),
        Mistake(
            "the upper edge of the bin",
            _measured(said=lambda p, n, number, bins: (number + 1) / bins),
            "You give the upper edge of each bin. What was said is the mean of its probabilities.",
        ),
        Mistake(
            "sums instead of means",
            _measured(said=lambda p, n, number, bins: p.sum(), share=lambda y, every: y.sum()),
            "You add up within a bin. Divide by how many passages it holds, both times.",
        ),
        Mistake(
            "how many are relevant",
            _measured(share=lambda y, every: y.sum()),
            "You count the relevant passages of a bin. The share is asked for: divide by how many the bin holds.",
        ),
        Mistake(
            "which part of all relevant ones",
            _measured(share=lambda y, every: y.sum() / every.sum().clamp(min=1)),
            "You divide by all relevant passages: a kind of recall. Asked for is which part of the *bin* is relevant.",
        ),
        Mistake(
            "the share of right decisions",
            _measured(right=lambda p, y: ((p >= 0.5).float() == y).float()),
            "You count how often the decision at .5 was right. Below .5 that turns everything round: of passages at .1 nine in ten should be "
            "irrelevant. Count the relevant ones.",
        ),
        Mistake(
            "the surer of two answers",
            _sure,
            "You take the surer of the two answers, and how often it is right, as it is done with many classes. Then nothing lies below .5, and "
            "a passage at .1 stands at .9. Here it is the probability of being relevant.",
        ),
        Mistake(
            "a sigmoid once more",
            _measured(prepared=torch.sigmoid),
            "You put probabilities through a sigmoid. They then lie between .5 and .73: what comes in are no logits any more.",
        ),
        Mistake(
            "bins of equal counts",
            _measured(place=_by_rank),
            "Your bins hold equally many passages. That is another curve, also in use; here bins are equally *wide*.",
        ),
        Mistake(
            "bins between the smallest and the largest",
            _measured(place=_within_their_range),
            "Your bins divide the range between the smallest and the largest probability. They divide the range from 0 to 1, so that two models "
            "have the same bins.",
        ),
        Mistake(
            "one bin too few",
            _measured(place=lambda p, bins: _places(p, max(1, bins - 1))),
            "You have one bin less than asked for: `bins` bins have bins + 1 edges.",
        ),
        Mistake(
            "one bin too many",
            _measured(place=lambda p, bins: _places(p, bins + 1)),
            "You have one bin more than asked for.",
        ),
        Mistake(
            "counts as shares of all",
            _measured(count=lambda n, N: n / N),
            "You give the share of all passages that a bin holds. The count is asked for, a whole number: ten passages and ten thousand are not "
            "equally sure.",
        ),
        Mistake(
            "every bin weighs the same",
            _measured(error=lambda said, share, n, p, y: float((share - said).abs().mean())),
            "Your error is the mean over bins. A bin with one passage then counts as much as one with a thousand: weigh each by its count.",
        ),
        Mistake(
            "errors of both signs cancel",
            _measured(error=lambda said, share, n, p, y: float((n * (share - said)).sum() / n.sum())),
            "You add up the differences with their signs. Too sure here and too modest there would come out as calibrated: take absolute "
            "values, bin by bin.",
        ),
        Mistake(
            "the absolute value comes last",
            _measured(error=lambda said, share, n, p, y: float((n * (share - said)).sum().abs() / n.sum())),
            "You take the absolute value at the end, after differences of both signs have cancelled. Take it bin by bin.",
        ),
        Mistake(
            "squared",
            _measured(error=lambda said, share, n, p, y: float((n * (share - said).square()).sum() / n.sum())),
            "You square the differences. The expected calibration error takes their absolute values.",
        ),
        Mistake(
            "the largest difference",
            _measured(error=lambda said, share, n, p, y: float((share - said).abs().max())),
            "You take the worst bin: the *maximum* calibration error. The expected one is a mean over passages.",
        ),
        Mistake(
            "not divided",
            _measured(error=lambda said, share, n, p, y: float((n * (share - said).abs()).sum())),
            "You weigh by counts and do not divide by how many passages there are. An error of this kind lies between 0 and 1.",
        ),
        Mistake(
            "divided by the bins as well",
            _measured(error=lambda said, share, n, p, y: _gap(said, share, n, p, y) / len(n)),
            "You divide by the number of bins, after the counts have weighed them. The weights add up to 1 already.",
        ),
        Mistake(
            "each passage by itself",
            _measured(error=lambda said, share, n, p, y: float((p - y).abs().mean())),
            "You hold each passage's probability against its label. Whoever says .7, and is right seven times in ten, is calibrated and would "
            "still have a large error. Compare *means* of bins.",
        ),
        Mistake(
            "the Brier score",
            _measured(error=lambda said, share, n, p, y: float((p - y).square().mean())),
            "That is the Brier score, the mean squared difference of probability and label. It is a good measure of another thing: it also "
            "asks that probabilities be near 0 and 1.",
        ),
        Mistake(
            "ten bins always",
            lambda p, y, bins: _reliable(p, y, 10),
            "You have ten bins, whatever `bins` is.",
        ),
        Mistake(
            "in the order in which they are met",
            _as_they_come,
            "Your bins come in the order in which passages fall into them. The lowest bin comes first.",
        ),
        Mistake(
            "from high to low",
            _measured(last=lambda rows: (*[column.flip(0) for column in rows[:3]], rows[3])),
            "Your bins run from high probabilities to low ones. The lowest bin comes first.",
        ),
        Mistake(
            "shares first",
            _measured(last=lambda rows: (rows[1], rows[0], *rows[2:])),
            "You return the shares first. The mean probabilities come first, then the shares.",
        ),
    ),
    hints=(
        "First give each passage the number of its bin. All that follows is means over those with the same number.",
        "The bin's number is how many of the inner edges lie below the probability: 1 / bins, 2 / bins and so on, without 0 and 1. "
        "`torch.searchsorted` or `bucketize` counts them; mind what they do with equal ones.",
        "For the error weigh the absolute differences by the counts, and divide by the number of passages.",
    ),
)


# --- 15.5 the other way round ----------------------------------------------------------------


def smallest_list() -> list[float]:
    """One passage that answers nothing, alone in its list."""
    return [-1.0]


def _logits(logits: Any) -> np.ndarray:
    return np.asarray(compare.to_array(logits) if isinstance(logits, Tensor) else logits, dtype=float)


def _by_its_own_logit(logits: Any) -> list[bool]:
    return [bool(x >= 0) for x in _logits(logits)]  # a sigmoid of at least one half


def _by_its_share(logits: Any) -> list[bool]:
    x = _logits(logits)
    shares = np.exp(x - x.max())
    return [bool(share >= 0.5) for share in shares / shares.sum()]


def _not_a_list(logits: Any) -> str | None:
    if isinstance(logits, int | float):
        return "return a list of logits, such as [2.0, -1.0]"
    if not isinstance(logits, list | np.ndarray | Tensor) or isinstance(logits, dict):
        return "return one list of logits, such as [2.0, -1.0]"
    if isinstance(logits, list) and any(isinstance(x, str | bool | dict) for x in logits):
        return "each logit is a number"
    x = _logits(logits)
    if x.ndim != 1:
        return "return one flat list: a number for each candidate"
    if not x.size:
        return "a query without candidates has nothing to read: one logit must be there"
    if not np.isfinite(x).all():
        return "logits are finite numbers"
    return None


def _differ(logits: Any) -> bool:
    return _by_its_own_logit(logits) != _by_its_share(logits)


IN_EVERY_LIST = Reversed(
    id="15.5",
    title="in every list somebody wins",
    difficulty="easy",
    minutes=5,
    section="Build it: in every list somebody wins",
    signature="() -> list of float",
    reference=smallest_list,
    another=lambda: torch.tensor([-0.25]),
    right=_by_its_own_logit,
    wrong=_by_its_share,
    valid=_not_a_list,
    smallest=1,
    measure=lambda logits: int(_logits(logits).size),
    cases=(Case("nothing is passed in", lambda: (), [-1.0]),),
    mistakes=(
        Mistake(
            "a number instead of a list",
            lambda: -1.0,
            "You return one number. A query has a list of candidates, be it a list with one logit.",
            when=lambda logits: isinstance(logits, int | float),
        ),
        Mistake(
            "a list of lists",
            lambda: [[-1.0]],
            "You return a list of lists. One query is enough, so one flat list.",
            when=lambda logits: _logits(logits).ndim > 1,
        ),
        Mistake(
            "an empty list",
            list,
            "In an empty list there is nobody who could win. How many must there be so that one wins?",
            when=lambda logits: _logits(logits).size == 0,
        ),
        Mistake(
            "not finite",
            lambda: [-math.inf],
            "A logit is a finite number. It need not be far below 0 either.",
            when=lambda logits: not np.isfinite(_logits(logits)).all(),
        ),
        Mistake(
            "more than it takes, all irrelevant",
            lambda: [-1.0, -5.0],
            "It shows the mistake: the best of several bad passages gets most of the share. But it takes fewer. When is a share largest?",
            when=lambda logits: _differ(logits) and _logits(logits).size > 1 and bool((_logits(logits) < 0).all()),
        ),
        Mistake(
            "more than it takes, several relevant",
            lambda: [3.0, 2.0],
            "It shows a mistake, the other one: of several relevant passages one half cannot be had by all. There is a smaller list, in which "
            "a share is too *large*.",
            when=lambda logits: _differ(logits) and _logits(logits).size > 1 and int((_logits(logits) >= 0).sum()) > 1,
        ),
        Mistake(
            "more than it takes, one at the edge",
            lambda: [0.0, -0.0001, -0.0002],
            "It shows a mistake: a relevant passage does not get half of the share, since the others are nearly as good. There is a smaller "
            "list, in which a share is too *large*.",
            when=lambda logits: _differ(logits) and _logits(logits).size > 1,
        ),
        Mistake(
            "alone and relevant",
            lambda: [2.0],
            "Alone in its list a passage has a share of 1. Yours has a logit above 0, so it is relevant as well, and both agree. What if it "
            "were not?",
            when=lambda logits: _logits(logits).size == 1 and bool(_logits(logits)[0] > 0),
        ),
        Mistake(
            "just at zero",
            lambda: [0.0],
            "The sigmoid of 0 is one half, and one half is enough. Go a little lower.",
            when=lambda logits: _logits(logits).size == 1 and bool(_logits(logits)[0] == 0),
        ),
        Mistake(
            "nobody has half",
            lambda: [-1.0, -1.0, -1.0],
            "Here nobody is relevant, and nobody has half of the share either, since they are alike. With fewer of them the share of the best "
            "one grows.",
            when=lambda logits: not any(_by_its_share(logits)) and not any(_by_its_own_logit(logits)),
        ),
        Mistake(
            "the winner is relevant",
            lambda: [3.0, -2.0],
            "The winner is relevant, and nobody else is, so both readings agree. Take a list whose best passage answers nothing.",
            when=lambda logits: sum(_by_its_own_logit(logits)) == 1 and not _differ(logits),
        ),
        Mistake(
            "two equal ones",
            lambda: [1.0, 1.0],
            "Two relevant passages with the same logit have one half each, which is just enough: both agree. Take a list whose best passage "
            "answers nothing.",
            when=lambda logits: sum(_by_its_own_logit(logits)) > 1 and not _differ(logits),
        ),
    ),
    hints=(
        "A softmax only compares. What does it say if all candidates are bad?",
        "Shares add up to 1, whatever the logits are. How few candidates must there be so that somebody has half?",
        "How large is the share of a passage that is alone? And which sign must its logit have so that the sigmoid says no?",
    ),
)


# --- 15.6 a step of a reranker ---------------------------------------------------------------

Texts = Mapping[str, str]
Grades = Mapping[str, int]
ALPHABET = "abc"
PASSAGES = ("a", "b", "c", "ab", "ba", "ac", "bc", "aab", "abb", "bbc", "acc", "abc")


class Reader(nn.Module):
    """A small reranker: each letter of the query looks at each letter of the passage; the mean of what it finds is the logit.

    It remembers what it was given to read, call by call.
    """

    def __init__(self, weight: Tensor, old: float | None = None):
        super().__init__()
        self.weight = nn.Parameter(weight.clone())
        self.trained_before = old is not None
        self.weight.grad = None if old is None else torch.full_like(self.weight, old)
        self.calls: list[list[tuple[str, str]]] = []

    def forward(self, pairs: Sequence[tuple[str, str]]) -> Tensor:
        """N pairs (query, passage) -> logits (N,)."""
        self.calls.append([tuple(pair) for pair in pairs])  # type: ignore[misc]
        query, passage = (torch.tensor([_shares_of_letters(pair[side]) for pair in pairs]) for side in (0, 1))  # (N, 3)
        return (query[:, :, None] * passage[:, None, :] * self.weight).sum(dim=(1, 2))

    def __repr__(self) -> str:
        return "a reader of letters"


def _shares_of_letters(text: str) -> list[float]:
    return [text.count(letter) / len(text) for letter in ALPHABET]


def train_on_lists(
    model: nn.Module, queries: Texts, corpus: Texts, qrels: Mapping[str, Grades], run: Mapping[str, Mapping[str, float]],
    others: Sequence[str], num_hard: int, lr: float,
) -> tuple[float, float]:  # fmt: skip
    """A list for each query from the retriever's own mistakes and some random passages, and one step on them."""
    return _step(model, queries, corpus, qrels, run, others, num_hard, lr)


def _above_zero(judged: Grades) -> list[str]:
    return [p for p, grade in judged.items() if grade > 0]


def _best_first(found: Mapping[str, float]) -> list[str]:
    return sorted(found, key=lambda p: -found[p])


def _hard(found: Mapping[str, float], right: list[str], num_hard: int, *, order=_best_first) -> list[str]:
    return [p for p in order(found) if p not in right][:num_hard]


def _easy(others: Sequence[str], right: list[str], hard: list[str], found: Mapping[str, float]) -> list[str]:
    return [p for p in others if p not in right and p not in hard]


def _in_one_call(model: nn.Module, lists: list[list[tuple[str, str]]]) -> list[Tensor]:
    return list(model([pair for pairs in lists for pair in pairs]).split([len(pairs) for pairs in lists]))


def _first_is_right(scores: list[Tensor]) -> Tensor:
    return torch.stack([-s.log_softmax(dim=0)[0] for s in scores]).mean()


def _reciprocal(scores: Tensor) -> float:
    return 1 / (1 + int((scores[1:] >= scores[0]).sum()))


def _plain_sgd(parameter: Tensor, gradient: Tensor, lr: float) -> None:
    parameter -= lr * gradient


def _first_of_adam(parameter: Tensor, gradient: Tensor, lr: float, decay: float = 0.0) -> None:
    """Its means are those of one gradient, so every weight moves by `lr`."""
    parameter *= 1 - lr * decay
    parameter -= lr * gradient / (gradient.abs() + 1e-8)


def _step(
    model, queries, corpus, qrels, run, others, num_hard, lr, *, order=lambda queries, qrels, run: queries,
    relevant=_above_zero, known=lambda right, judged: right, also_found=False,
    target=lambda right, judged, found: right[0], hard=_hard, easy=_easy,
    listed=lambda first, hard, easy, right: [first, *hard, *easy], read=_in_one_call, loss_of=_first_is_right,
    reciprocal=lambda scores, ids, found: _reciprocal(scores), mean=lambda found: sum(found) / len(found),
    clear=True, update=_plain_sgd, ranked_after=False, pair=lambda q, p, queries, corpus: (queries[q], corpus[p]),
    given=lambda loss, mrr: (loss, mrr),
):  # fmt: skip
    """The step with one part exchanged."""
    lists, ids, runs = [], [], []
    for query in order(queries, qrels, run):
        right, found = relevant(qrels[query]), run[query]
        first = target(right, qrels[query], found)
        bad = hard(found, known(right, qrels[query]), num_hard)
        if also_found and first not in found:
            continue
        ids.append(listed(first, bad, easy(others, right, bad, found), right))
        lists.append([pair(query, p, queries, corpus) for p in ids[-1]])
        runs.append(found)
    scores = read(model, lists)
    loss = loss_of(scores)
    ranks = [reciprocal(s.detach(), i, found) for s, i, found in zip(scores, ids, runs, strict=True)]
    parameters = list(model.parameters())
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            old = parameter.grad if not clear and parameter.grad is not None else 0.0
            parameter.grad = gradient + old
            update(parameter, parameter.grad, lr)
        if ranked_after:
            ranks = [_reciprocal(s) for s in read(model, lists)]
    return given(float(loss.detach()), mean(ranks))


def _stepping(**parts: Any) -> Answer:
    return lambda *args: _step(*args, **parts)


def _step_by_the_letter(model, queries, corpus, qrels, run, others, num_hard, lr):
    """With the optimizer of torch, and a matrix whose missing places are minus infinity."""
    rows = []
    for q in queries:
        right = {p for p, grade in qrels[q].items() if grade > 0}
        chosen = [next(p for p in qrels[q] if p in right)]
        ranked = [p for p, _ in sorted(run[q].items(), key=lambda item: item[1], reverse=True) if p not in right]
        chosen += ranked[:num_hard]
        chosen += [p for p in others if p not in right and p not in chosen]
        rows.append(chosen)
    logits = model([(queries[q], corpus[p]) for q, chosen in zip(queries, rows, strict=True) for p in chosen])
    longest, start = max(map(len, rows)), 0
    table = []
    for chosen in rows:
        table.append(F.pad(logits[start : start + len(chosen)], (0, longest - len(chosen)), value=-math.inf))
        start += len(chosen)
    scores = torch.stack(table)  # (Q, longest)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    optimizer.zero_grad()
    loss = F.cross_entropy(scores, torch.zeros(len(rows), dtype=torch.long))
    loss.backward()
    rank = (scores >= scores[:, :1]).sum(dim=1)  # the relevant passage itself is the first
    optimizer.step()
    return loss.item(), (1 / rank).mean().item()


def _plain_reader() -> Reader:
    """The letter a of a query gives a, b and c of a passage 1, 0 and -1."""
    return Reader(torch.tensor([[1.0, 0.0, -1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))


def _one_query() -> tuple:
    """The right passage has 0, the retriever's mistake 1, the random one -1."""
    corpus = {"p1": "b", "p2": "a", "p3": "c"}
    return _plain_reader(), {"q1": "a"}, corpus, {"q1": {"p1": 1}}, {"q1": {"p2": 8.0, "p1": 3.0}}, ["p3"], 1, 1.0


# The shares are .2447, .6652 and .0900, so the loss is 1.4076, and a's row moves by 1 - .2447, -.6652 and -.0900.
ONE_QUERY = {
    "what the model read, call by call": [[("a", "b"), ("a", "a"), ("a", "c")]],
    "loss": 1.407606,
    "mean reciprocal rank": 0.5,
    "the weights": torch.tensor([[0.334759, 0.755272, -1.090031], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]),
}


def _weights(seed: int) -> Tensor:
    return torch.randn(3, 3, generator=torch.Generator().manual_seed(seed)) * 2


def _three_queries(num_hard: int, seed: int, old: float | None = None) -> Callable[[], tuple]:
    """Several relevant passages, one that was not found, grades of 0, equal scores, random ones that are known."""
    corpus = {f"p{i}": text for i, text in enumerate(PASSAGES)}
    queries = {"q1": "ab", "q2": "c", "q3": "bca"}
    qrels = {
        "q1": {"p9": 0, "p3": 1, "p7": 3},
        "q3": {"p11": 1, "p5": 0, "p6": 2},
        "q2": {"p2": 2},
    }
    run = {
        "q3": {"p5": 8.0, "p6": 9.0, "p11": 7.5, "p4": 1.0},
        "q1": {"p0": 2.0, "p7": 9.0, "p3": 4.0, "p8": 6.0, "p9": 5.0, "p1": 6.0},
        "q2": {"p6": 1.0, "p10": 7.0, "p0": 3.0},
    }
    others = ["p4", "p7", "p10", "p2", "p5"]
    return lambda: (Reader(_weights(seed), old), queries.copy(), corpus, qrels, run, list(others), num_hard, 0.5)


def _equal_scores() -> tuple:
    """ab and ba are read alike: an equal score counts against the right passage."""
    corpus = {"p1": "ab", "p2": "ba", "p3": "c", "p4": "a"}
    qrels = {"q1": {"p1": 1}, "q2": {"p4": 2}}
    run = {"q1": {"p2": 1.0, "p3": 2.0}, "q2": {}}
    return Reader(_weights(5)), {"q1": "a", "q2": "bc"}, corpus, qrels, run, [], 2, 0.5


def _draw_step(rng: random.Random) -> tuple:
    corpus = {f"p{i}": text for i, text in enumerate(rng.sample(PASSAGES, rng.randint(4, 8)))}
    queries = {
        f"q{i}": text for i, text in enumerate(rng.sample(("a", "b", "ab", "bc", "ca", "abc"), rng.randint(1, 3)))
    }
    qrels, run = {}, {}
    for q in queries:
        judged = rng.sample(list(corpus), rng.choice((1, 2, 3)))
        grades = [rng.choice((1, 2, 3)), *[rng.choice((0, 1, 3)) for _ in judged[1:]]]
        rng.shuffle(grades)
        qrels[q] = dict(zip(judged, grades, strict=True))
        found = rng.sample(list(corpus), rng.randint(0, len(corpus)))
        run[q] = {p: rng.choice((1.0, 2.0, 3.0, 4.5, 6.0)) for p in found}
    qrels = {q: qrels[q] for q in rng.sample(list(qrels), len(qrels))}  # in another order than the queries
    run = {q: run[q] for q in rng.sample(list(run), len(run))}
    others = rng.sample(list(corpus), rng.randint(0, 4))
    model = Reader(_weights(rng.randrange(1000)), rng.choice((None, 0.5)))
    return model, queries, corpus, qrels, run, others, rng.randint(0, 3), rng.choice((0.1, 0.5))


def _seen_step(result: Any, args: tuple) -> dict[str, Any]:
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise compare.NotAResult(
            "return a tuple of two numbers: the loss, and the mean reciprocal rank before the step"
        )
    if isinstance(result[0], Tensor) and result[0].requires_grad:
        raise compare.NotAResult(
            "the loss that you return still carries its graph, which keeps the whole step in memory: return a number"
        )
    return {
        "what the model read, call by call": args[0].calls,
        "loss": result[0],
        "mean reciprocal rank": result[1],
        "the weights": args[0].weight.detach(),
    }


def _lists_of(model, queries, corpus, qrels, run, others, num_hard, lr) -> list[list[str]]:
    lists = []
    for q in queries:
        right = _above_zero(qrels[q])
        hard = _hard(run[q], right, num_hard)
        lists.append([right[0], *hard, *_easy(others, right, hard, run[q])])
    return lists


def _is_tied(found: Mapping[str, float]) -> bool:
    return len(set(found.values())) < len(found)


def _padded_with_zeros(scores: list[Tensor]) -> Tensor:
    longest = max(map(len, scores))
    rows = torch.stack([F.pad(s, (0, longest - len(s))) for s in scores])
    return F.cross_entropy(rows, torch.zeros(len(rows), dtype=torch.long))


def _pointwise(scores: list[Tensor]) -> Tensor:
    rows = torch.cat(scores)
    labels = torch.cat([F.one_hot(torch.tensor(0), len(s)).float() for s in scores])
    return F.binary_cross_entropy_with_logits(rows, labels)


def _as_listnet(scores: list[Tensor]) -> Tensor:
    rows = [-(F.one_hot(torch.tensor(0), len(s)).float().softmax(0) * s.log_softmax(0)).sum() for s in scores]
    return torch.stack(rows).mean()


def _as_one_list(scores: list[Tensor]) -> Tensor:
    every = torch.cat(scores).logsumexp(dim=0)
    return torch.stack([every - s[0] for s in scores]).mean()


def _pairs_of_lists(scores: list[Tensor]) -> Tensor:
    rows = [F.softplus(s[1:] - s[0]) for s in scores]
    return torch.cat(rows).mean() if any(len(row) for row in rows) else scores[0].sum() * 0


def _list_by_list_calls(model: nn.Module, lists: list[list[tuple[str, str]]]) -> list[Tensor]:
    return [model(pairs) for pairs in lists]


def _pair_by_pair_calls(model: nn.Module, lists: list[list[tuple[str, str]]]) -> list[Tensor]:
    return [torch.cat([model([pair]) for pair in pairs]) for pairs in lists]


def _step_for_each_query(model, queries, corpus, qrels, run, others, num_hard, lr):
    rows = [_step(model, {q: text}, corpus, qrels, run, others, num_hard, lr) for q, text in queries.items()]
    return tuple(sum(column) / len(rows) for column in zip(*rows, strict=True))


def _by_the_retriever(scores: Tensor, ids: list[str], found: Mapping[str, float]) -> float:
    ranked = [p for p in _best_first(found) if p in ids]
    return 1 / (1 + ranked.index(ids[0])) if ids[0] in ranked else 0.0


STEP = Exercise(
    id="15.6",
    title="a step on the retriever's own lists",
    difficulty="hard",
    minutes=20,
    section="Build it: a step on the retriever's own lists",
    signature="model, 4 dicts, list of str, int, float -> (float, float); the model's weights are changed",
    reference=train_on_lists,
    another=_step_by_the_letter,
    draw=_draw_step,
    loops=True,
    may_change=(0,),
    observe=_seen_step,
    situations=(
        Situation("there is more than one query", lambda model, queries, *rest: len(queries) > 1),
        Situation("the run holds the queries in another order", lambda m, q, c, j, run, *rest: list(q) != list(run)),
        Situation(
            "a query has several relevant passages",
            lambda m, q, c, qrels, *rest: any(len(_above_zero(j)) > 1 for j in qrels.values()),
        ),
        Situation(
            "a passage was judged, with grade 0",
            lambda m, q, c, qrels, *rest: any(0 in j.values() for j in qrels.values()),
        ),
        Situation(
            "the relevant passage was not found",
            lambda m, q, c, qrels, run, *rest: any(_above_zero(j)[0] not in run[i] for i, j in qrels.items()),
        ),
        Situation(
            "two found passages have the same score",
            lambda m, q, c, qrels, run, *rest: any(map(_is_tied, run.values())),
        ),
        Situation(
            "fewer passages were found than are asked for",
            lambda m, q, c, j, run, o, num_hard, lr: any(len(f) < num_hard for f in run.values()),
        ),
        Situation(
            "a random passage is relevant",
            lambda m, q, c, qrels, run, others, *rest: any(p in _above_zero(j) for j in qrels.values() for p in others),
        ),
        Situation("no hard passage is asked for", lambda *args: args[6] == 0),
        Situation("the lists have different lengths", lambda *args: len({len(each) for each in _lists_of(*args)}) > 1),
        Situation(
            "a list holds the relevant passage alone", lambda *args: any(len(each) == 1 for each in _lists_of(*args))
        ),
        Situation("the weights hold an old gradient", lambda model, *rest: model.trained_before),
    ),
    cases=(
        Case("one query, one hard, one random", _one_query, ONE_QUERY),
        Case("three queries, two hard ones", _three_queries(2, seed=1)),
        Case("three queries, an old gradient", _three_queries(3, seed=2, old=0.5)),
        Case("equal scores, and a list of one", _equal_scores),
        Case("random passages alone", _three_queries(0, seed=4)),
    ),
    mistakes=(
        Mistake(
            "hard passages alone",
            _stepping(easy=lambda others, right, hard, found: []),
            "The random passages are missing from your lists. A reranker that never meets an easy wrong passage learns nothing about them, and "
            "can put one on top: keep some beside the hard ones.",
        ),
        Mistake(
            "random passages alone",
            _stepping(hard=lambda found, right, num_hard: []),
            "The retriever's own mistakes are missing from your lists. They are what the reranker will read: passages that look right to a "
            "retriever and are not.",
        ),
        Mistake(
            "the target alone is taken out",
            _stepping(relevant=lambda judged: _above_zero(judged)[:1]),
            "You take the first relevant passage out of the candidates, and the query's other relevant ones stay in as wrong. All that qrels "
            "grades above 0 is left out.",
        ),
        Mistake(
            "relevant passages among the random ones",
            _stepping(easy=lambda others, right, hard, found: [p for p in others if p != right[0] and p not in hard]),
            "A random passage can be relevant by chance. You leave out the target alone; leave out all that qrels grades above 0.",
        ),
        Mistake(
            "relevant passages among the hard ones",
            _stepping(hard=lambda found, right, num_hard: _hard(found, right[:1], num_hard)),
            "The retriever's best passages are often relevant. You leave out the target alone; leave out all that qrels grades above 0.",
        ),
        Mistake(
            "grade 0 counts as relevant",
            _stepping(relevant=list),
            "You take every passage that qrels names for relevant. A grade of 0 says that somebody looked and found that it is not: such "
            "passages are the surest wrong ones.",
        ),
        Mistake(
            "judged passages are left out",
            _stepping(known=lambda right, judged: list(judged)),
            "You leave out every passage that qrels names. One with grade 0 was looked at and is irrelevant: that is the surest wrong answer "
            "there is. Only what is graded above 0 is left out.",
        ),
        Mistake(
            "other relevant passages are in the list",
            _stepping(listed=lambda first, hard, easy, right: [*right, *hard, *easy]),
            "All relevant passages stand in your list, and all but the first count as wrong: they are pushed down, although they answer the "
            "query. Only the first one enters.",
        ),
        Mistake(
            "random passages that were found are left out",
            _stepping(easy=lambda others, right, hard, found: [p for p in others if p not in right and p not in found]),
            "You leave out random passages that stand anywhere in the run. Only those that are in the list already, as hard ones, are left "
            "out; the others of the run come in where they were drawn.",
        ),
        Mistake(
            "the best grade is the target",
            _stepping(target=lambda right, judged, found: max(right, key=lambda p: judged[p])),
            "You take the relevant passage with the highest grade. The first one in qrels is asked for.",
        ),
        Mistake(
            "the best found is the target",
            _stepping(
                target=lambda right, judged, found: next((p for p in _best_first(found) if p in right), right[0])
            ),
            "You take the relevant passage that the retriever ranks highest. The first one in qrels is asked for, wherever the retriever has "
            "it: what it finds by itself needs less help.",
        ),
        Mistake(
            "the first in qrels, whatever its grade",
            _stepping(target=lambda right, judged, found: next(iter(judged))),
            "You take the first passage of qrels without a look at its grade. It may be 0, and then a wrong passage is the target: take the first "
            "whose grade is above 0.",
        ),
        Mistake(
            "queries whose answer was not found are left out",
            _stepping(also_found=True),
            "You leave out queries whose relevant passage the retriever has not found. It comes from qrels and goes into the list all the same: "
            "those are the queries at which there is most to learn.",
        ),
        Mistake(
            "cut before the relevant ones are taken out",
            _stepping(hard=lambda found, right, num_hard: [p for p in _best_first(found)[:num_hard] if p not in right]),
            "You take the first `num_hard` of the run and take the relevant ones out of these. Fewer are left where the retriever is good. "
            "First leave them out, then count.",
        ),
        Mistake(
            "the order of the dict",
            _stepping(hard=lambda found, right, num_hard: _hard(found, right, num_hard, order=list)),
            "You take the passages of a run as they stand in the dict. The retriever's best ones are those with the highest scores.",
        ),
        Mistake(
            "the worst instead of the best",
            _stepping(
                hard=lambda found, right, num_hard: _hard(
                    found, right, num_hard, order=lambda f: sorted(f, key=lambda p: f[p])
                )
            ),
            "You take the passages with the *lowest* scores of the run. The hard ones are those that the retriever ranks high.",
        ),
        Mistake(
            "of equal scores the last one",
            _stepping(
                hard=lambda found, right, num_hard: _hard(
                    found, right, num_hard, order=lambda f: sorted(f, key=lambda p: f[p])[::-1]
                )
            ),
            "Of passages with equal scores you take the later one of the run: a list that was sorted upwards and then reversed has equal ones "
            "reversed, too. They keep the run's order.",
        ),
        Mistake(
            "num_hard is not used",
            _stepping(hard=lambda found, right, num_hard: _hard(found, right, len(found))),
            "You take all that was found. Only the `num_hard` best wrong ones go into a list.",
        ),
        Mistake(
            "a passage stands twice",
            _stepping(easy=lambda others, right, hard, found: [p for p in others if p not in right]),
            "A random passage that is among the hard ones already stands twice in your list, and counts twice in the softmax.",
        ),
        Mistake(
            "the relevant passage stands last",
            _stepping(
                listed=lambda first, hard, easy, right: [*hard, *easy, first],
                loss_of=lambda scores: torch.stack([-s.log_softmax(0)[-1] for s in scores]).mean(),
                reciprocal=lambda s, ids, found: _reciprocal(s.roll(1)),
            ),
            "The relevant passage stands at the end of your lists. It stands first: so it is known where it is.",
        ),
        Mistake(
            "random passages before the hard ones",
            _stepping(listed=lambda first, hard, easy, right: [first, *easy, *hard]),
            "The random passages stand before the hard ones. The order is: relevant, hard, random.",
        ),
        Mistake(
            "in the order of the run",
            _stepping(order=lambda queries, qrels, run: run),
            "You go through the queries as they stand in `run`. The lists come in the order of `queries`.",
        ),
        Mistake(
            "in the order of qrels",
            _stepping(order=lambda queries, qrels, run: qrels),
            "You go through the queries as they stand in `qrels`. The lists come in the order of `queries`.",
        ),
        Mistake(
            "the passage first",
            _stepping(pair=lambda q, p, queries, corpus: (corpus[p], queries[q])),
            "You give the model pairs of passage and query. It reads the query first.",
        ),
        Mistake(
            "ids instead of texts",
            _stepping(pair=lambda q, p, queries, corpus: (q, p)),
            "You give the model ids to read. It reads texts: look them up in `queries` and `corpus`.",
        ),
        Mistake(
            "one call for each list",
            _stepping(read=_list_by_list_calls),
            "The numbers are right, and you call the model once for each query. On a GPU that is as many times slower; put all pairs of all "
            "lists into one call, and part the scores afterwards.",
        ),
        Mistake(
            "one call for each pair",
            _stepping(read=_pair_by_pair_calls),
            "The numbers are right, and you call the model once for each pair. Put all pairs of all lists into one call, and part the scores "
            "afterwards.",
        ),
        Mistake(
            "one softmax over all lists",
            _stepping(loss_of=_as_one_list),
            "The passages of all queries compete in one softmax. Scores of two queries do not compare: each list has its own.",
        ),
        Mistake(
            "lists are filled up with zeros",
            _stepping(loss_of=_padded_with_zeros),
            "You fill shorter lists up with the score 0, and these places take part in the softmax. A logit of 0 is a passage like another. "
            "Fill with minus infinity, or treat each list by itself.",
        ),
        Mistake(
            "each pair by itself",
            _stepping(loss_of=_pointwise),
            "You take the pointwise loss: each pair is judged by itself. The listwise one is asked for: the relevant passage's share of its "
            "list.",
        ),
        Mistake(
            "the share itself",
            _stepping(loss_of=lambda scores: torch.stack([1 - s.softmax(0)[0] for s in scores]).mean()),
            "You take what is missing of the share to 1. Where the model is quite wrong that has hardly any gradient; the logarithm of the share "
            "has one.",
        ),
        Mistake(
            "pairs of passages",
            _stepping(loss_of=_pairs_of_lists),
            "You take the pairwise loss. The listwise one is asked for: the relevant passage's share of its list.",
        ),
        Mistake(
            "a softmax of the labels",
            _stepping(loss_of=_as_listnet),
            "Your target is a softmax of 1 and 0, as in ListNet, so wrong passages are to have a share as well. The target is the relevant "
            "passage alone.",
        ),
        Mistake(
            "a sigmoid before the loss",
            _stepping(loss_of=lambda scores: _first_is_right([s.sigmoid() for s in scores])),
            "You put the logits through a sigmoid before the softmax. Between 0 and 1 all shares are nearly even, and the loss can hardly "
            "fall. The loss takes logits.",
        ),
        Mistake(
            "the sum over the lists",
            _stepping(loss_of=lambda scores: torch.stack([-s.log_softmax(0)[0] for s in scores]).sum()),
            "You add up over the lists. Take the mean, so that a step is as large with three queries as with thirty.",
        ),
        Mistake(
            "the mean over the pairs",
            _stepping(
                loss_of=lambda scores: torch.stack([-s.log_softmax(0)[0] for s in scores]).sum() / sum(map(len, scores))
            ),
            "You divide by the number of pairs. There is one loss for each list: take the mean over lists.",
        ),
        Mistake(
            "the old gradient counts",
            _stepping(clear=False),
            "What stood in `.grad` before is added to the new gradient. Clear it before you go backward.",
        ),
        Mistake(
            "up instead of down",
            _stepping(update=lambda parameter, gradient, lr: _plain_sgd(parameter, gradient, -lr)),
            "The weights move along the gradient, so the loss rises. A step goes against it.",
        ),
        Mistake(
            "nothing moves",
            _stepping(update=lambda parameter, gradient, lr: None),
            "The loss is right, and no weight has moved. Either the optimizer's step is missing, or it found no gradient: cleared between backward and "
            "step, or the scores were taken out of the graph.",
        ),
        Mistake(
            "Adam",
            _stepping(update=_first_of_adam),
            "The weights move as Adam moves them: in its first step each by `lr`, whatever the size of its gradient. Plain SGD is asked for, "
            "which moves by `lr` times the gradient.",
        ),
        Mistake(
            "AdamW",
            _stepping(update=lambda parameter, gradient, lr: _first_of_adam(parameter, gradient, lr, decay=0.01)),
            "The weights move as AdamW moves them: in its first step each by `lr`, and shrunk a little. Plain SGD is asked for, which moves by "
            "`lr` times the gradient.",
        ),
        Mistake(
            "a step for each query",
            _step_for_each_query,
            "You take a step for each query, so the second list is read by a model that has learned from the first. One call with all lists, "
            "one loss, one step.",
        ),
        Mistake(
            "ranked after the step",
            _stepping(ranked_after=True),
            "You rank with the scores after the step. Then the lists have just been trained on, and the model is called twice. Take the scores "
            "that you have.",
        ),
        Mistake(
            "equal scores are forgiven",
            _stepping(reciprocal=lambda s, ids, found: 1 / (1 + int((s[1:] > s[0]).sum()))),
            "A wrong passage with the same score as the relevant one does not count with you. A model that gives all passages one score would "
            "have a mean reciprocal rank of 1: equal ones count against it.",
        ),
        Mistake(
            "ranks from 0",
            _stepping(reciprocal=lambda s, ids, found: 1 / max(1, int((s[1:] >= s[0]).sum()))),
            "You count how many passages stand above, and take that for the rank. First and second place come out alike: the rank is one more.",
        ),
        Mistake(
            "the mean rank",
            _stepping(reciprocal=lambda s, ids, found: 1 / _reciprocal(s)),
            "You take the mean rank. Take one divided by each rank, and the mean of that.",
        ),
        Mistake(
            "one divided by the mean rank",
            _stepping(
                reciprocal=lambda s, ids, found: 1 / _reciprocal(s),
                mean=lambda found: len(found) / sum(found),
            ),
            "You take the mean of the ranks and divide at the end. Divide first: the mean of 1 and 1/3 is not 1/2.",
        ),
        Mistake(
            "how often it is first",
            _stepping(reciprocal=lambda s, ids, found: float(_reciprocal(s) == 1)),
            "You count how often the relevant passage is first. A second place counts one half.",
        ),
        Mistake(
            "the retriever's rank",
            _stepping(reciprocal=_by_the_retriever),
            "You rank by the retriever's scores. The model that is trained has scored every pair of a list; rank by that.",
        ),
        Mistake(
            "the rank from below",
            _stepping(reciprocal=lambda s, ids, found: 1 / (1 + int((s[1:] <= s[0]).sum()))),
            "You count the passages with *lower* scores. The rank is how many stand above, and one more.",
        ),
        Mistake(
            "rank first",
            _stepping(given=lambda loss, mrr: (mrr, loss)),
            "You return the mean reciprocal rank first. The loss comes first.",
        ),
    ),
    hints=(
        "Three parts: lists of ids, one call of the model, a step. Only the first needs a loop over queries.",
        "For a list: the relevant ids, of which the first is the target; the run sorted by score, without relevant ids, cut; the random ones "
        "that are neither relevant nor there yet. Remember how long each list is.",
        "`split` parts the scores by the lengths. A list's loss is minus the log-softmax at place 0; its rank counts the scores behind that "
        "are at least as high.",
    ),
)

EXERCISES = (PAIR, LISTS, MARGIN, CALIBRATED, IN_EVERY_LIST, STEP)
