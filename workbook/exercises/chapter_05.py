"""The exercises of chapter 05: negatives from the batch, the twins among them, pieces, and several processes."""

import math
import random
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbook import losses
from workbook.exercises import compare, draws
from workbook.exercises.chapter_04 import axes, info_nce, pairs
from workbook.exercises.exercise import Answer, Case, Exercise, Mistake, Property, Reversed, Situation
from workbook.similarity import cos_sim
from workbook.train import batches, gradcache


def not_zero(x: Tensor) -> Tensor:
    """Vectors of zeros, which the contracts leave out, become vectors of ones."""
    return torch.where((x == 0).all(dim=-1, keepdim=True), torch.ones_like(x), x)


def _vectors(rng: random.Random, *shape: int) -> Tensor:
    return not_zero(draws.numbers(rng, *shape))


def _mean(terms: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(terms)).mean()


# --- 05.1 without twins ----------------------------------------------------------------------


def info_nce_without_twins(query: Tensor, positive: Tensor, ids: Tensor, temperature: float) -> Tensor:
    """InfoNCE in which a second copy of a query's own passage is no choice: (B, D), (B, D), (B,) -> scalar."""
    return losses.info_nce(query, positive, temperature=temperature, ids=ids)


def _without_twins_loop(query, positive, ids, temperature):
    terms = []
    for i in range(len(query)):
        scores = [F.cosine_similarity(query[i], d, dim=0) / temperature for d in positive]
        choices = [s for j, s in enumerate(scores) if j == i or ids[j] != ids[i]]
        terms.append(torch.stack(choices).logsumexp(0) - scores[i])
    return _mean(terms)


def _twins(ids: Tensor) -> Tensor:
    """(B, B): passage j is another copy of passage i."""
    return (ids[:, None] == ids) & ~torch.eye(len(ids), dtype=torch.bool)


def _filled(value: float, over: Callable[[Tensor], Tensor] = _twins) -> Answer:
    def loss(query, positive, ids, temperature):
        logits = (cos_sim(query, positive) / temperature).masked_fill(over(ids), value)
        return F.cross_entropy(logits, torch.arange(len(query)))

    return loss


def _first_copies(ids: Tensor) -> Tensor:
    """(B,): no earlier row holds the same passage."""
    return ~_twins(ids).tril().any(dim=1)


def _without_rows(query, positive, ids, temperature):
    keep = _first_copies(ids)
    return info_nce(query[keep], positive[keep], temperature)


def _for_nobody(ids: Tensor) -> Tensor:
    second = (~_first_copies(ids)).expand(len(ids), -1)
    return (second | _twins(ids)) & ~torch.eye(len(ids), dtype=torch.bool)


def _any_copy_is_right(query, positive, ids, temperature):
    logits = cos_sim(query, positive) / temperature
    copies = logits.masked_fill(ids[:, None] != ids, float("-inf"))
    return (logits.logsumexp(1) - copies.logsumexp(1)).mean()


def _three_of_which_two_are_twins() -> tuple[Tensor, Tensor, Tensor, float]:
    """Two queries along the first axis with the same passage, one along the second."""
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    return 2 * x, x, torch.tensor([7, 3, 7]), 1.0


def _twins_at_random() -> tuple[Tensor, Tensor, Tensor, float]:
    query, positive = pairs(6)
    ids = torch.tensor([4, 1, 4, 0, 4, 1])
    return query, positive[ids], ids, 0.1


def _draw_twins(rng: random.Random) -> tuple[Tensor, Tensor, Tensor, float]:
    B, D = rng.randint(1, 5), rng.randint(2, 4)
    ids = torch.tensor([rng.randrange(max(2, B - 1)) for _ in range(B)])
    passages = _vectors(rng, max(2, B - 1), D)
    return _vectors(rng, B, D), passages[ids], ids, draws.temperature(rng)


WITHOUT_TWINS = Exercise(
    id="05.1",
    title="InfoNCE without twins",
    difficulty="medium",
    minutes=12,
    section="Build it: twins leave the row",
    signature="(B, D), (B, D), (B,), float -> scalar",
    reference=info_nce_without_twins,
    another=_without_twins_loop,
    gradient=True,
    draw=_draw_twins,
    situations=(
        Situation("a passage stands twice", lambda q, d, ids, t: bool(_twins(ids).any())),
        Situation("a passage stands three times", lambda q, d, ids, t: bool((_twins(ids).sum(1) > 1).any())),
        Situation("there is one pair only", lambda q, *rest: len(q) == 1),
        Situation("all passages are the same", lambda q, d, ids, t: len(ids.unique()) == 1),
        Situation("the temperature is not 1", lambda *args: args[-1] != 1.0),
    ),
    cases=(
        Case("three pairs, the first and the third are twins", _three_of_which_two_are_twins, torch.tensor(0.3926561)),
        Case("six pairs of three passages", _twins_at_random),
    ),
    mistakes=(
        Mistake(
            "the twins stay",
            lambda q, d, ids, t: info_nce(q, d, t),
            "The ids change nothing: this is the loss of chapter 04. A second copy of a query's own passage still stands among its "
            "choices, as a negative that the query is pushed from while it is pulled to the same text.",
        ),
        Mistake(
            "the own passage leaves as well",
            _filled(float("-inf"), lambda ids: ids[:, None] == ids),
            "Your mask takes out the diagonal too: every passage has the same id as itself. Then the right answer is no choice any "
            "more. Only *other* rows with the same id leave.",
        ),
        Mistake(
            "a twin is set to zero",
            _filled(0.0),
            "You set a twin's logit to 0. A logit of 0 is no absence: it adds exp(0) = 1 to the sum, as a cosine of 0 would. What shall "
            "not be chosen needs an exponential of 0.",
        ),
        Mistake(
            "a pair with a twin is dropped",
            _without_rows,
            "You keep the first pair of each passage and drop the others, queries and all. Their queries are different questions, and "
            "they are lost. Only the cells of twins shall leave.",
        ),
        Mistake(
            "a second copy counts for nobody",
            _filled(float("-inf"), _for_nobody),
            "You take the second copy out of every row. To queries with another id it is a true negative, as any other row's passage "
            "is: a cell leaves only where row and column hold the same passage.",
        ),
        Mistake(
            "any copy is right",
            _any_copy_is_right,
            "You add up the shares of all copies and call any of them right. That is a loss too, with several positives, and another "
            "one: asked for is a choice in which the copies do not take part.",
        ),
        Mistake(
            "temperature forgotten",
            lambda q, d, ids, t: info_nce_without_twins(q, d, ids, 1.0),
            "The temperature does not reach the loss: divide the cosines by it.",
        ),
    ),
    hints=(
        "Which cells of the (B, B) matrix belong to twins? Which cell with equal ids must stay?",
        "Compare ids as a column with ids as a row. Take the diagonal out of that. What logit has an exponential of 0?",
        "Fill the logits with minus infinity where the ids are equal and it is not the diagonal; then the cross-entropy of chapter 04.",
    ),
)


# --- 05.2 the share of twins -----------------------------------------------------------------


def share_with_twin(copies: Sequence[int], batch_size: int) -> float:
    """The expected share of a random batch whose text stands in it at least once more."""
    return batches.share_with_twin(copies, batch_size)


def _share_by_counting(copies, batch_size):
    """Ways to choose: of the N - 1 other rows, those that hold no copy."""
    N = sum(copies)
    everything = math.comb(N - 1, batch_size - 1)
    return sum(c / N * (1 - math.comb(N - c, batch_size - 1) / everything) for c in copies)


def _draw_copies(rng: random.Random) -> tuple[list[int], int]:
    copies = [rng.choice((1, 1, 1, 2, 3, 5)) for _ in range(rng.randint(2, 7))]
    return copies, rng.choice((1, 2, sum(copies), rng.randint(1, sum(copies)), rng.randint(1, sum(copies))))


SHARE = Exercise(
    id="05.2",
    title="how many queries meet a twin",
    difficulty="medium",
    minutes=12,
    section="Build it: how many false negatives?",
    signature="list of int, int -> float",
    reference=share_with_twin,
    another=_share_by_counting,
    draw=_draw_copies,
    loops=True,
    situations=(
        Situation("every text stands once", lambda copies, B: max(copies) == 1),
        Situation("a text stands more than twice", lambda copies, B: max(copies) > 2),
        Situation("the batch holds one row", lambda copies, B: B == 1),
        Situation("the batch is the whole corpus", lambda copies, B: sum(copies) == B),
        Situation("the batch is larger than two", lambda copies, B: B > 2),
    ),
    cases=(
        Case("one text twice, two texts once, batches of two", lambda: ([2, 1, 1], 2), 1 / 6),
        Case("batches of four", lambda: ([3, 2, 1, 1, 1], 4)),
        Case("everything at once", lambda: ([3, 1, 2], 6)),
    ),
    mistakes=(
        Mistake(
            "the share in the corpus",
            lambda copies, B: sum(c for c in copies if c > 1) / sum(copies),
            "This is the share of the corpus that has a twin somewhere. It is reached only when the whole corpus is one batch: in a "
            "smaller batch the twin is mostly elsewhere.",
        ),
        Mistake(
            "every text weighs the same",
            lambda copies, B: (
                sum(1 - math.comb(sum(copies) - c, B - 1) / math.comb(sum(copies) - 1, B - 1) for c in copies)
                / len(copies)
            ),
            "You average over distinct texts. Rows are what a batch is made of: a text with five copies stands in five rows, so it "
            "weighs five times.",
        ),
        Mistake(
            "how many twins, not whether",
            lambda copies, B: (
                sum(c / sum(copies) * (B - 1) * (c - 1) / (sum(copies) - 1) for c in copies) if sum(copies) > 1 else 0.0
            ),
            "This is the expected number of twins of a row. A row with three twins is still one row, so the share is smaller, and this "
            "number can pass 1.",
        ),
        Mistake(
            "drawn with putting back",
            lambda copies, B: sum(
                c / sum(copies) * (1 - (1 - (c - 1) / max(sum(copies) - 1, 1)) ** (B - 1)) for c in copies
            ),
            "You draw with putting back: every draw sees the same corpus. A batch holds each row once at most, so the rows that are "
            "left become fewer with each draw. (For a small batch of a large corpus yours is a fine approximation.)",
        ),
        Mistake(
            "whether the text is in the batch",
            lambda copies, B: sum(
                c / sum(copies) * (1 - math.comb(sum(copies) - c, B) / math.comb(sum(copies), B)) for c in copies
            ),
            "This is the probability that a text comes into the batch at all. The row itself is in it already: B - 1 draws are left, "
            "from N - 1 rows.",
        ),
        Mistake(
            "a row is its own twin",
            lambda copies, B: (
                sum(c / sum(copies) * (1 - (1 - c / sum(copies)) ** (B - 1)) for c in copies) if copies else 0.0
            ),
            "You count a row among its own copies: c of N rows. Its own place is taken, so c - 1 copies are left among N - 1 rows. By "
            "yours even a text that stands once has a twin.",
        ),
    ),
    hints=(
        "Put one row of a text with c copies into the batch. How many rows are left? How many of them hold another text?",
        "The probability that B - 1 draws all miss is a product of fractions: numerator and denominator lose one with each draw.",
        "One minus that product, weighted by the share of rows that hold the text, and added up over texts.",
    ),
)


# --- 05.3 beside chance ----------------------------------------------------------------------


def beside_chance(query: Tensor, positive: Tensor, temperature: float) -> tuple[float, float]:
    """How far InfoNCE lies from the price of a guess, and how often the own passage is the nearest."""
    cosines = cos_sim(query, positive)
    right = cosines.argmax(dim=1) == torch.arange(len(query))
    return info_nce(query, positive, temperature).item() - math.log(len(query)), right.double().mean().item()


def _beside_chance_loop(query, positive, temperature):
    excess, right = 0.0, 0
    for i in range(len(query)):
        scores = [float(F.cosine_similarity(query[i], d, dim=0)) / temperature for d in positive]
        top = max(scores)
        excess += top + math.log(sum(math.exp(s - top) for s in scores)) - scores[i] - math.log(len(query))
        right += scores[i] == top
    return excess / len(query), right / len(query)


def _draw_without_ties(rng: random.Random) -> tuple[Tensor, Tensor, float]:
    while True:
        B, D = rng.randint(1, 4), rng.randint(2, 4)
        query, positive = _vectors(rng, B, D), _vectors(rng, B, D)
        cosines = cos_sim(query, positive)
        gaps = torch.cat([cosines, cosines.T]).sort(dim=1).values.diff(dim=1)
        if (gaps > 1e-3).all():
            return query, positive, draws.temperature(rng)


CHANCE = Exercise(
    id="05.3",
    title="the loss beside chance",
    difficulty="easy",
    minutes=6,
    section="Build it: a loss that can be compared",
    signature="(B, D), (B, D), float -> (float, float)",
    reference=beside_chance,
    another=_beside_chance_loop,
    draw=_draw_without_ties,
    situations=(
        *draws.PAIRS,
        Situation("a query is nearer to another passage", lambda q, d, t: beside_chance(q, d, t)[1] < 1),
    ),
    cases=(
        Case("two pairs along the axes, temperature 1", lambda: (*axes(), 1.0), (-0.3798855, 1.0)),
        Case("five random pairs", lambda: (*pairs(), 0.1)),
    ),
    mistakes=(
        Mistake(
            "the loss itself",
            lambda q, d, t: (info_nce(q, d, t).item(), beside_chance(q, d, t)[1]),
            "This is the loss itself. What a guess costs, the logarithm of the number of choices, is still in it, so it rises with the "
            "batch even where the model is the same.",
        ),
        Mistake(
            "the ratio",
            lambda q, d, t: (
                info_nce(q, d, t).item() / math.log(len(q)) if len(q) > 1 else 0.0,
                beside_chance(q, d, t)[1],
            ),
            "You divide by the price of a guess. Asked for is the difference: log-probabilities are compared by subtraction, and a "
            "batch of one has no price to divide by.",
        ),
        Mistake(
            "logarithm to base 2",
            lambda q, d, t: (info_nce(q, d, t).item() - math.log2(len(q)), beside_chance(q, d, t)[1]),
            "The loss is in natural logarithms, and your price of a guess is in logarithms to base 2.",
        ),
        Mistake(
            "the negatives counted, not the choices",
            lambda q, d, t: (
                info_nce(q, d, t).item() - math.log(max(len(q) - 1, 1)),
                beside_chance(q, d, t)[1],
            ),
            "You count the negatives, B - 1. The right passage is one of the choices too, so a guess is among B.",
        ),
        Mistake(
            "the wrong way round",
            lambda q, d, t: (-beside_chance(q, d, t)[0], beside_chance(q, d, t)[1]),
            "The sign is turned. Loss minus chance is asked for: below 0 is better than a guess.",
        ),
        Mistake(
            "passages choose queries",
            lambda q, d, t: (beside_chance(q, d, t)[0], beside_chance(d, q, t)[1]),
            "Your accuracy asks each passage for its nearest query, down the columns. The loss asks each query for its passage.",
        ),
    ),
    hints=(
        "What does the loss cost when all passages look alike? (Chapter 04 printed it.)",
        "Subtract the natural logarithm of the number of choices. Accuracy: is the largest entry of row i the one on the diagonal?",
        "The loss as a number, minus log B; and the mean of: position of the row's maximum equals the row's number.",
    ),
)


# --- 05.4 the smallest batch with wrong labels -----------------------------------------------


def smallest_list() -> tuple[Tensor, Tensor]:
    """Two queries with a negative each, in one dimension, on which the labels 0 and 1 give another loss than 0 and 2."""
    return torch.tensor([[1.0], [1.0]]), torch.tensor([[1.0], [-1.0], [1.0], [1.0]])


def _loss_of_labels(query: Tensor, passages: Tensor, step: int) -> Tensor:
    return F.cross_entropy(cos_sim(query, passages), torch.arange(len(query)) * step)


def _a_list(query: Tensor, passages: Tensor) -> str | None:
    if not all(isinstance(x, Tensor) and x.is_floating_point() and x.ndim == 2 for x in (query, passages)):
        return "return two tensors of floats, query (B, D) and passages (B·(1+M), D)"
    if not query.numel() or query.shape[1] != passages.shape[1] or query.dtype != passages.dtype:
        return f"both need the same D and the same dtype, got {tuple(query.shape)} and {tuple(passages.shape)}"
    if not len(passages) or len(passages) % len(query):
        return f"every query brings equally many passages, got {len(query)} queries and {len(passages)} passages"
    everything = torch.cat([query, passages])
    if not everything.isfinite().all() or (everything == 0).all(dim=1).any():
        return "a vector is zero or not finite, so it has no cosine"
    return None


def _a_difference(query: Tensor, passages: Tensor) -> bool:
    step = len(passages) // len(query)
    return not torch.allclose(_loss_of_labels(query, passages, step), _loss_of_labels(query, passages, 1))


REVERSED = Reversed(
    id="05.4",
    title="the shortest list with wrong labels",
    difficulty="medium",
    minutes=9,
    section="Build it: which column is mine?",
    signature="() -> (B, D), (B·(1+M), D)",
    reference=smallest_list,
    another=lambda: (torch.tensor([[-2.0], [3.0]]), torch.tensor([[5.0], [4.0], [-1.0], [1.0]])),
    right=lambda query, passages: _loss_of_labels(query, passages, len(passages) // len(query)),
    wrong=lambda query, passages: _loss_of_labels(query, passages, 1),
    valid=_a_list,
    smallest=6,
    measure=lambda query, passages: query.numel() + passages.numel(),
    cases=(Case("nothing is passed in", lambda: (), smallest_list()),),
    mistakes=(
        Mistake(
            "one query only",
            lambda: (torch.tensor([[1.0]]), torch.tensor([[1.0], [-1.0]])),
            "There is one query, and its own passage is number 0 by either rule. That is why a test on one query does not find this "
            "mistake.",
            when=lambda query, passages: len(query) == 1,
        ),
        Mistake(
            "no negatives of their own",
            lambda: (torch.tensor([[1.0], [-1.0]]), torch.tensor([[1.0], [1.0]])),
            "Every query brings its own passage alone, so M is 0 and the two rules are the same: 0, 1, 2, … It was right in chapter 04, "
            "and it became wrong with the first negative.",
            when=lambda query, passages: len(query) == len(passages),
        ),
        Mistake(
            "both labels point to equally near passages",
            lambda: (torch.tensor([[1.0], [1.0]]), torch.tensor([[1.0], [1.0], [1.0], [-1.0]])),
            "Both rules give the same loss here. Either each query's two passages are equally near, or what one query loses another "
            "gains, and the mean hides it. Take two queries. Which passage does each rule give to the second? Let those two differ.",
            when=lambda query, passages: not _a_difference(query, passages),
        ),
        Mistake(
            "more queries than it takes",
            lambda: (torch.ones(3, 1), torch.tensor([[1.0], [-1.0], [1.0], [1.0], [1.0], [-1.0]])),
            "It works, and there are more queries than it takes.",
            when=lambda query, passages: len(query) > 2,
        ),
        Mistake(
            "more negatives than it takes",
            lambda: (torch.ones(2, 1), torch.tensor([[1.0], [-1.0], [1.0], [1.0], [1.0], [-1.0]])),
            "It works, and each query brings more negatives than it takes.",
            when=lambda query, passages: len(passages) > 4,
        ),
        Mistake(
            "more dimensions than it takes",
            lambda: (torch.eye(2), torch.tensor([[1.0, 0.0], [0.5, 1.0], [0.0, 1.0], [1.0, 1.0]])),
            "It works, and the vectors are longer than they need to be: in one dimension a cosine can still be 1 or -1.",
            when=lambda query, passages: query.shape[1] > 1,
        ),
    ),
    hints=(
        "Write the list down for two queries with one negative each. Which number does each rule give to the second query?",
        "Passages 0 and 1 belong to the first query, 2 and 3 to the second. One rule says 2, the other says 1.",
        "In one dimension: let passages 1 and 2 point in opposite ways, and the rest anywhere.",
    ),
)


# --- 05.5 one process among several ----------------------------------------------------------


def loss_of_one_process(
    query: Tensor,
    positive: Tensor,
    all_query: list[Tensor],
    all_positive: list[Tensor],
    rank: int,
    temperature: float,
) -> Tensor:
    """What process `rank` goes backward from, so that the mean over processes is the gradient of the whole batch."""
    return _one_process(query, positive, all_query, all_positive, rank, temperature, len(all_query))


def _one_process(query, positive, all_query, all_positive, rank, temperature, factor=1.0, own=(True, True)):
    q, d = list(all_query), list(all_positive)
    if own[0]:
        q[rank] = query
    if own[1]:
        d[rank] = positive
    return factor * info_nce(torch.cat(q), torch.cat(d), temperature)


def _one_process_rows(query, positive, all_query, all_positive, rank, temperature):
    W, B = len(all_query), len(query)
    q = [query[b] if w == rank else all_query[w][b] for w in range(W) for b in range(B)]
    d = [positive[b] if w == rank else all_positive[w][b] for w in range(W) for b in range(B)]
    terms = []
    for i in range(W * B):
        scores = torch.stack([F.cosine_similarity(q[i], x, dim=0) for x in d]) / temperature
        terms.append(scores.logsumexp(0) - scores[i])
    return torch.stack(terms).sum() / B


def _only_own_queries(q, d, all_q, all_d, rank, t):
    passages = torch.cat([d if w == rank else x for w, x in enumerate(all_d)])
    return F.cross_entropy(cos_sim(q, passages) / t, torch.arange(len(q)) + rank * len(q))


def _processes(W: int, B: int, rank: int, temperature: float) -> tuple:
    query, positive = pairs(W * B)
    all_query, all_positive = list(query.split(B)), list(positive.split(B))
    return all_query[rank].clone(), all_positive[rank].clone(), all_query, all_positive, rank, temperature


def _axes_on_two_processes() -> tuple:
    query, positive = axes()
    return query[1:].clone(), positive[1:].clone(), list(query.split(1)), list(positive.split(1)), 1, 1.0


def _draw_processes(rng: random.Random) -> tuple:
    W, B, D = rng.randint(1, 3), rng.randint(1, 3), rng.randint(2, 3)
    query, positive = ([_vectors(rng, B, D) for _ in range(W)] for _ in range(2))
    rank = rng.randrange(W)
    return query[rank].clone(), positive[rank].clone(), query, positive, rank, draws.temperature(rng)


DEVICES = Exercise(
    id="05.5",
    title="one process among several",
    difficulty="hard",
    minutes=14,
    section="Build it: one process among several",
    signature="(B, D), (B, D), W · (B, D), W · (B, D), int, float -> scalar",
    reference=loss_of_one_process,
    another=_one_process_rows,
    gradient=True,
    draw=_draw_processes,
    situations=(
        Situation("there is one process only", lambda q, d, all_q, *rest: len(all_q) == 1),
        Situation("there is more than one process", lambda q, d, all_q, *rest: len(all_q) > 1),
        Situation("this is not the first process", lambda q, d, all_q, all_d, rank, t: rank > 0),
        Situation("the temperature is not 1", lambda *args: args[-1] != 1.0),
    ),
    cases=(
        Case("a pair each on two processes, temperature 1", _axes_on_two_processes, torch.tensor(0.6265233)),
        Case("three processes with two pairs each", lambda: _processes(3, 2, 1, 0.1)),
        Case("the first of two processes", lambda: _processes(2, 3, 0, 0.5)),
    ),
    mistakes=(
        Mistake(
            "the gradient shrinks with the number of processes",
            lambda q, d, all_q, all_d, rank, t: _one_process(q, d, all_q, all_d, rank, t),
            "The loss is that of the whole batch; asked for is W times that. Each row gets its gradient in one process only, its own, "
            "and the mean over W processes then divides it by W. Whoever goes backward from the plain loss has, at 8 devices, an "
            "eighth of the learning rate that was set, and no loss curve says so.",
        ),
        Mistake(
            "the own rows are copies too",
            lambda q, d, all_q, all_d, rank, t: _one_process(
                q, d, all_q, all_d, rank, t, len(all_q), own=(False, False)
            ),
            "The value is right, and rows of your own stand among the choices as copies: what was gathered has no history, your own "
            "part of it included. Queries and passages that carry a gradient belong back into their place, both of them.",
        ),
        Mistake(
            "each process alone",
            lambda q, d, all_q, all_d, rank, t: info_nce(q, d, t),
            "This process looks at its own batch alone. Averaging gradients over processes, as DistributedDataParallel does, makes the "
            "steps of W small batches steadier; it gives no query one more passage to choose from.",
        ),
        Mistake(
            "each process alone, times W",
            lambda q, d, all_q, all_d, rank, t: len(all_q) * info_nce(q, d, t),
            "This process looks at its own batch alone, and multiplies by W. More processes bring more negatives only where their "
            "passages are among the choices.",
        ),
        Mistake(
            "put back into the first place",
            lambda q, d, all_q, all_d, rank, t: _one_process(q, d, all_q, all_d, 0, t, len(all_q)),
            "You put your rows into the first place, whatever your rank. There they overwrite those of process 0, and your own stand "
            "in the list a second time as copies.",
        ),
        Mistake(
            "the own rows stand twice",
            lambda q, d, all_q, all_d, rank, t: (
                len(all_q) * info_nce(torch.cat([q, *all_q]), torch.cat([d, *all_d]), t)
            ),
            "You add your rows to the list, in which they stand already: every pair of yours meets its own twin, a false negative.",
        ),
        Mistake(
            "only its own queries choose",
            _only_own_queries,
            "Only your own queries choose, among all passages. Then the push that *other* processes' queries give to your passages is "
            "missing, since their copies of them carry no gradient back.",
        ),
    ),
    hints=(
        "Which rows of the gathered lists carry a gradient? Which ones should? What does the mean over processes do to it?",
        "Make a copy of each list with your own tensor in place `rank`; join each list to (W·B, D).",
        "The loss of 04.1 on the joined rows, times the number of processes, since the mean divides by it.",
    ),
)


# --- 05.6 a GradCache step -------------------------------------------------------------------


class Encoder(nn.Module):
    """What the step is tried on: one matrix and a bend, each text by itself. (n, F) -> (n, D)."""

    def __init__(self, weight: Tensor, old: Tensor | None = None, bend: bool = True):
        super().__init__()
        self.weight = nn.Parameter(weight.clone())
        self.weight.grad = old
        self.taught_before = old is not None
        self.bend = bend

    def forward(self, x: Tensor) -> Tensor:
        """x (n, F) -> (n, D)."""
        projected = x @ self.weight.T
        return projected + projected.tanh() if self.bend else projected

    def __repr__(self) -> str:
        return f"the encoder with the matrix {compare.render(self.weight.detach(), 2)}"


class Loss:
    """A loss that is written out as what it is."""

    def __init__(self, temperature: float, symmetric: bool = False):
        self.temperature, self.symmetric = temperature, symmetric

    def __call__(self, query: Tensor, positive: Tensor) -> Tensor:
        forth = info_nce(query, positive, self.temperature)
        return (forth + info_nce(positive, query, self.temperature)) / 2 if self.symmetric else forth

    def __repr__(self) -> str:
        return f"{'symmetric ' if self.symmetric else ''}InfoNCE at {self.temperature}"


def gradcache_step(
    encoder: nn.Module, queries: Tensor, passages: Tensor, loss: Callable[..., Tensor], mini_batch_size: int
) -> float:
    """The gradient of the whole batch with mini_batch_size texts in memory at a time; the loss as a number."""
    return gradcache.gradcache_step(encoder, [(queries,), (passages,)], loss, mini_batch_size).item()


def _chain_rule(encoder, queries, passages, loss, mini_batch_size):
    """The same by torch.func: one product with the transposed Jacobian for each piece."""
    columns = [x.split(mini_batch_size) for x in (queries, passages)]
    with torch.no_grad():
        embedded = [torch.cat([encoder(piece) for piece in pieces]) for pieces in columns]
    embedded = [x.detach().requires_grad_() for x in embedded]
    value = loss(*embedded)
    for pieces, g in zip(columns, torch.autograd.grad(value, embedded), strict=True):
        for piece, g_piece in zip(pieces, g.split(mini_batch_size), strict=True):
            (encoder(piece) * g_piece).sum().backward()
    return value.item()


def _cached(
    sides=(0, 1), pieces: Callable[[int, int], int] = lambda B, mini: B, factor=lambda B, mini: 1.0, clear=False,
    carry: Callable[[Tensor, Tensor], object] = lambda again, g: again.backward(g), after: bool = False,
):  # fmt: skip
    """A GradCache step with one part exchanged."""

    def step(encoder, queries, passages, loss, mini_batch_size):
        columns = (queries, passages)
        with torch.no_grad():
            embedded = [torch.cat([encoder(piece) for piece in x.split(mini_batch_size)]) for x in columns]
        embedded = [x.requires_grad_() for x in embedded]
        value = loss(*embedded)
        value.backward()
        if clear:
            encoder.zero_grad()
        B = len(queries)
        for side in sides:
            for start in range(0, pieces(B, mini_batch_size), mini_batch_size):
                piece = slice(start, start + mini_batch_size)
                carry(encoder(columns[side][piece]), embedded[side].grad[piece] * factor(B, mini_batch_size))
        return value.item()

    return step


def _in_one_piece(encoder, queries, passages, loss, mini_batch_size):
    value = loss(encoder(queries), encoder(passages))
    value.backward()
    return value.item()


def _accumulation(share: Callable[[int, int, int], float]) -> Answer:
    """Piece by piece, each counting by share(pairs in the piece, pairs in the batch, pieces)."""

    def step(encoder, queries, passages, loss, mini_batch_size):
        pieces = list(zip(queries.split(mini_batch_size), passages.split(mini_batch_size), strict=True))
        total = 0.0
        for q, d in pieces:
            value = loss(encoder(q), encoder(d)) * share(len(q), len(queries), len(pieces))
            value.backward()
            total += value.item()
        return total

    return step


def _nothing_carried(encoder, queries, passages, loss, mini_batch_size):
    with torch.no_grad():
        embedded = [encoder(x) for x in (queries, passages)]
    value = loss(*(x.requires_grad_() for x in embedded))
    value.backward()
    return value.item()


def _last_gradient_only(encoder, queries, passages, loss, mini_batch_size):
    """Each piece's gradient takes the place of the one before."""
    value = _cached(carry=lambda again, g: (encoder.zero_grad(), again.backward(g)))(
        encoder, queries, passages, loss, mini_batch_size
    )
    return value


def _axes_in_pieces_of_one() -> tuple:
    """An encoder that changes nothing, and the pairs along the axes."""
    return Encoder(torch.eye(2), bend=False), *axes(), Loss(1.0), 1


def _seven_in_pieces_of_three() -> tuple:
    generator = torch.Generator().manual_seed(3)
    queries, passages = torch.randn(2, 7, 4, generator=generator)
    weight = torch.randn(3, 4, generator=generator)
    return Encoder(weight, torch.ones(3, 4)), queries, passages, Loss(0.5, symmetric=True), 3


def _draw_step(rng: random.Random) -> tuple:
    B, W, D = rng.randint(1, 5), rng.randint(2, 3), 2
    weight = torch.tensor([[rng.gauss(0, 1) for _ in range(W)] for _ in range(D)])
    old = torch.full((D, W), rng.choice((0.5, -1.0))) if rng.random() < 0.5 else None
    queries, passages = _vectors(rng, B, W), _vectors(rng, B, W)
    loss = Loss(rng.choice((0.2, 0.5, 1.0)), symmetric=rng.random() < 0.5)
    return Encoder(weight, old), queries, passages, loss, rng.randint(1, 6)


def _loss_and_gradient(result: object, args: tuple) -> dict[str, object]:
    if isinstance(result, Tensor) and result.requires_grad:
        raise compare.NotAResult(
            "the loss that you return still carries its graph, which keeps the whole step in memory: return a number, "
            "or a detached scalar"
        )
    gradient = args[0].weight.grad
    return {"loss": result, "gradient": torch.zeros_like(args[0].weight) if gradient is None else gradient}


class _Wide(nn.Module):
    """An encoder that holds much for its backward pass and gives little: (n, 4) -> (n, 2)."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.wide = nn.Parameter(torch.randn(4, 2048, generator=generator))
        self.narrow = nn.Parameter(torch.randn(2048, 2, generator=generator) / 45)

    def forward(self, x):
        return (x @ self.wide).tanh() @ self.narrow


def _holds_few_texts(step: Answer) -> str | None:
    queries, passages = torch.randn(2, 48, 4, generator=torch.Generator().manual_seed(6))
    model = _Wide()
    held = gradcache.peak_saved_bytes(lambda: step(model, queries, passages, Loss(0.5), 4), model)
    texts = held / (2048 * 4)
    if texts <= 12:
        return None
    return f"of 96 texts, 4 at a time, about {texts:.0f} were held in memory for the backward pass at once"


def _weights_stay(step: Answer) -> str | None:
    model, *rest = _seven_in_pieces_of_three()
    before = model.weight.detach().clone()
    step(model, *rest)
    if torch.equal(model.weight, before):
        return None
    return "the weights themselves changed in the call: an optimizer's step is the loop's business; here only `.grad` grows"


GRADCACHE = Exercise(
    id="05.6",
    title="a GradCache step",
    difficulty="hard",
    minutes=20,
    section="Build it: a GradCache step",
    signature="encoder, (B, F), (B, F), loss, int -> float; gradients are added to the encoder's weights",
    reference=gradcache_step,
    another=_chain_rule,
    draw=_draw_step,
    loops=True,
    may_change=(0,),
    observe=_loss_and_gradient,
    situations=(
        Situation("the batch is larger than a piece", lambda e, q, d, loss, mini: len(q) > mini),
        Situation("the last piece is smaller than the others", lambda e, q, d, loss, mini: len(q) % mini > 0),
        Situation("there is one pair only", lambda e, q, *rest: len(q) == 1),
        Situation("the weights hold a gradient already", lambda e, *rest: e.taught_before),
        Situation("the loss is not InfoNCE in one direction", lambda e, q, d, loss, mini: loss.symmetric),
    ),
    cases=(
        Case(
            "two pairs along the axes, one text at a time",
            _axes_in_pieces_of_one,
            {"loss": 0.3132617, "gradient": torch.tensor([[0.0, 0.2689414], [0.2689414, 0.0]])},
        ),
        Case("seven pairs, three at a time", _seven_in_pieces_of_three),
    ),
    properties=(
        Property("few texts are held at a time", _holds_few_texts),
        Property("the weights stay as they are", _weights_stay),
    ),
    mistakes=(
        Mistake(
            "gradient accumulation",
            _accumulation(lambda n, B, K: 1 / K),
            "This is gradient accumulation: the loss is asked piece by piece, and each query chooses among the passages of its own "
            "piece only. The loss has to see all B embeddings at once.",
        ),
        Mistake(
            "gradient accumulation, added up",
            _accumulation(lambda n, B, K: 1),
            "This is gradient accumulation: each query chooses among the passages of its own piece only. And the pieces' losses are "
            "added where the loss is a mean.",
        ),
        Mistake(
            "gradient accumulation, weighted by size",
            _accumulation(lambda n, B, K: n / B),
            "This is gradient accumulation with pieces that count by their size. The sizes are fair, and still each query chooses "
            "among the passages of its own piece only. The loss has to see all B embeddings at once.",
        ),
        Mistake(
            "the whole batch in one piece",
            _in_one_piece,
            "The gradient is right, and the memory is that of the whole batch: every text was embedded with its history, at once. "
            "That is what the step is there to avoid.",
        ),
        Mistake(
            "nothing is carried on to the weights",
            _nothing_carried,
            "The gradient arrives at the embeddings and stays there: they were made without a history. Each piece must be embedded "
            "once more, this time with one.",
        ),
        Mistake(
            "only the queries are carried on",
            _cached(sides=(0,)),
            "Only the queries' gradient reaches the weights. The passages were embedded by the same weights and have a gradient too.",
        ),
        Mistake(
            "only the passages are carried on",
            _cached(sides=(1,)),
            "Only the passages' gradient reaches the weights. The queries were embedded by the same weights and have a gradient too.",
        ),
        Mistake(
            "the last piece is left out",
            _cached(pieces=lambda B, mini: B - B % mini),
            "The last, smaller piece is never carried on to the weights: the texts after the last full piece do not teach.",
        ),
        Mistake(
            "divided by the number of pieces",
            _cached(factor=lambda B, mini: 1 / -(-B // mini)),
            "You divide by the number of pieces, as in accumulation. Here the mean over the batch is in the loss already; the "
            "gradients of the pieces add up.",
        ),
        Mistake(
            "the old gradient is cleared",
            _cached(clear=True),
            "What stood in .grad before is gone. A step of gradients adds to it, as backward does; clearing is the loop's business.",
        ),
        Mistake(
            "each piece replaces the one before",
            _last_gradient_only,
            "Each piece's gradient takes the place of the one before, so only the last piece teaches. They must add up.",
        ),
        Mistake(
            "the embeddings are summed",
            _cached(carry=lambda again, g: again.sum().backward()),
            "The second pass goes backward from the sum of the embeddings. What must be carried on is the gradient that the loss "
            "left at each of them.",
        ),
    ),
    hints=(
        "Three stages: embed all without keeping anything; the loss of all embeddings, down to them; each piece again, with what it got.",
        "Stage 1 under torch.no_grad(), then ask the result for a gradient. Stage 2: backward from the loss. What is now in `.grad`?",
        "Stage 3: for each side and each piece, embed again and go backward from it with the piece's rows of that gradient.",
    ),
)

EXERCISES = (WITHOUT_TWINS, SHARE, CHANCE, REVERSED, DEVICES, GRADCACHE)
