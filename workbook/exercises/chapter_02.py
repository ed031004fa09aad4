"""The exercises of chapter 02: pooling, normalization, cosine, and all of them in batches."""

import math
import random
from functools import partial

import torch
from torch import Tensor

from workbook import pooling, similarity
from workbook.encoder.plain import encode_in_batches
from workbook.encoder.tokenizer import rectangle
from workbook.exercises import draws
from workbook.exercises.exercise import Answer, Case, Exercise, Mistake, Property, Reversed, Situation

# Two texts, the second one token shorter: its padded position holds 99s, which no result may show.
HIDDEN = [
    [[1.0, 10.0], [3.0, -10.0], [5.0, 3.0]],
    [[2.0, 4.0], [4.0, 0.0], [99.0, 99.0]],
]
MASK = [[1, 1, 1], [1, 1, 0]]


def by_hand() -> tuple[Tensor, Tensor]:
    """The two texts of the chapter's example: hidden (2, 3, 2), mask (2, 3)."""
    return torch.tensor(HIDDEN), torch.tensor(MASK)


def left_padded() -> tuple[Tensor, Tensor]:
    """The same two texts with the padding on the left."""
    hidden, mask = by_hand()
    return torch.stack([hidden[0], hidden[1].roll(1, dims=0)]), torch.stack([mask[0], mask[1].roll(1)])


def random_texts() -> tuple[Tensor, Tensor]:
    """Six texts of one to nine tokens: hidden (6, 9, 5), mask (6, 9)."""
    generator = torch.Generator().manual_seed(2)
    hidden = torch.randn(6, 9, 5, generator=generator)
    mask = (torch.arange(9) < torch.tensor([9, 7, 5, 3, 2, 1])[:, None]).long()
    return hidden, mask


def with_query(make) -> tuple[Tensor, Tensor, Tensor]:
    """What `make` gives, hidden (B, T, D) and mask (B, T), and a query (D,) for attention pooling."""
    hidden, mask = make()
    return hidden, mask, torch.linspace(-0.5, 0.5, hidden.shape[-1])


def _padding_changes_nothing(pool: Answer) -> str | None:
    hidden, mask = random_texts()
    longer = torch.cat([hidden, torch.full((6, 4, 5), 7.0)], dim=1), torch.cat([mask, torch.zeros(6, 4).long()], dim=1)
    change = (pool(hidden, mask) - pool(*longer)).abs().max()
    return None if change < 1e-5 else f"four more padded positions moved an embedding by {change:.3f}"


def _batch_mates_change_nothing(pool: Answer) -> str | None:
    hidden, mask = random_texts()
    alone = torch.cat([pool(hidden[i : i + 1], mask[i : i + 1]) for i in range(len(hidden))])
    change = (pool(hidden, mask) - alone).abs().max()
    return None if change < 1e-5 else f"a text's embedding moved by {change:.3f} when others joined its batch"


def _a_row_of_padding_is_finite(pool: Answer) -> str | None:
    hidden, mask = by_hand()
    pooled = pool(hidden, mask * torch.tensor([[1], [0]]))
    return None if pooled.isfinite().all() else "a text without a single token gave NaN or infinity"


INVARIANT = (
    Property("padding changes nothing", _padding_changes_nothing),
    Property("batch-mates change nothing", _batch_mates_change_nothing),
)


# --- 02.1 masked mean ------------------------------------------------------------------------


def _mean_with_a_loop(hidden, mask):
    rows = [
        torch.stack([h for h, m in zip(text, row, strict=True) if m] or [0 * text[0]]).mean(0)
        for text, row in zip(hidden, mask, strict=True)
    ]
    return torch.stack(rows)


MEAN = Exercise(
    id="02.1",
    title="masked mean pooling",
    difficulty="medium",
    minutes=10,
    section="Build it: the mean of the tokens, and of the tokens only",
    signature="(B, T, D), (B, T) -> (B, D)",
    reference=pooling.mean_pool,
    another=_mean_with_a_loop,
    gradient=True,
    draw=draws.texts,
    situations=draws.TEXTS,
    cases=(
        Case("two short texts", by_hand, torch.tensor([[3.0, 1.0], [3.0, 2.0]])),
        Case("padding on the left", left_padded, torch.tensor([[3.0, 1.0], [3.0, 2.0]])),
        Case("six random texts", random_texts),
    ),
    properties=(*INVARIANT, Property("an empty text stays finite", _a_row_of_padding_is_finite)),
    mistakes=(
        Mistake(
            "padding averaged in",
            lambda hidden, mask: hidden.mean(dim=1),
            "Padding is averaged in. Your mean runs over all T positions, so a text's embedding depends on the longest "
            "text that happens to share its batch. The mask must decide what is summed and what it is divided by.",
        ),
        Mistake(
            "divided by T",
            lambda hidden, mask: (hidden * mask[:, :, None]).sum(dim=1) / hidden.shape[1],
            "The sum leaves the padding out, but you divide by T, the padded length. A short text in a long batch shrinks "
            "towards zero. Divide by the number of its own tokens.",
        ),
        Mistake(
            "sum, not mean",
            lambda hidden, mask: (hidden * mask[:, :, None]).sum(dim=1),
            "This is the sum of the token vectors. Nothing is divided, so a long text gets a long vector and wins every dot "
            "product. Divide by the number of tokens.",
        ),
        Mistake(
            "divided by the batch's token count",
            lambda hidden, mask: (hidden * mask[:, :, None]).sum(dim=1) / mask.sum(),
            "You divide by the tokens of the whole batch. Count along the token dimension only, so that every text is "
            "divided by its own count.",
        ),
    ),
    hints=(
        "What must a padded position add to the sum? And which two numbers change when a position is padding?",
        "Give the mask a third dimension, so that it can meet the D values of each token.",
        "Numerator: hidden times mask, added over T. Denominator: the mask added over T, kept above zero for empty texts.",
    ),
)


# --- 02.2 last token -------------------------------------------------------------------------


def _last_with_a_loop(hidden, mask):
    return torch.stack(
        [text[row.nonzero().max()] if row.any() else 0 * text[0] for text, row in zip(hidden, mask, strict=True)]
    )


LAST = Exercise(
    id="02.2",
    title="last-token pooling on either padding side",
    difficulty="hard",
    minutes=15,
    section="Build it: one token speaks for all",
    signature="(B, T, D), (B, T) -> (B, D)",
    reference=pooling.last_token_pool,
    another=_last_with_a_loop,
    gradient=True,
    draw=partial(draws.texts, empty=False),
    situations=draws.TEXTS[1:],  # every text has a token
    cases=(
        Case("padding on the right", by_hand, torch.tensor([[5.0, 3.0], [4.0, 0.0]])),
        Case("padding on the left", left_padded, torch.tensor([[5.0, 3.0], [4.0, 0.0]])),
        Case("six random texts", random_texts),
    ),
    properties=INVARIANT,
    mistakes=(
        Mistake(
            "position -1 with right padding",
            lambda hidden, mask: hidden[:, -1],
            "You take position -1. That is the last token only when padding stands on the left. With padding on the right it is "
            "a padding vector for every text but the longest: the bug that E5-mistral users met.",
        ),
        Mistake(
            "length minus one with left padding",
            lambda hidden, mask: hidden[torch.arange(len(hidden)), mask.sum(dim=1) - 1],
            "You take position length - 1. That is the last token only when padding stands on the right. With padding on the left "
            "the tokens end at T - 1, and you picked one from the middle.",
        ),
        Mistake(
            "one position for the whole batch",
            lambda hidden, mask: hidden[:, int(mask[0].nonzero().max())],
            "You take the position where the first text ends, for every text of the batch. Each row needs a position of its own.",
        ),
        Mistake(
            "the first token",
            pooling.cls_pool,
            "This is the first token. In a causal decoder the first token has read nothing but itself.",
        ),
    ),
    hints=(
        "Where is the last 1 of the row [1, 1, 0]? And of [0, 1, 1]? One rule must find both.",
        "The first 1 of the flipped mask is easy to find with argmax.",
        "Flip the mask along T, take argmax, and count that many back from the end. Then index with one position per row.",
    ),
)


# --- 02.3 weighted mean ----------------------------------------------------------------------


def _weighted_with_a_loop(hidden, mask):
    pooled = []
    for text, row in zip(hidden, mask, strict=True):
        tokens = text[row.bool()]
        weight = torch.arange(1, len(tokens) + 1, dtype=text.dtype)
        pooled.append((weight[:, None] * tokens).sum(0) / weight.sum().clamp(min=1.0))
    return torch.stack(pooled)


def _weighted(hidden, mask, weight):
    weight = weight * mask
    return (hidden * weight[:, :, None]).sum(1) / weight.sum(1, keepdim=True).clamp(min=1e-9)


WEIGHTED = Exercise(
    id="02.3",
    title="position-weighted mean pooling",
    difficulty="medium",
    minutes=10,
    section="Build it: later tokens weigh more",
    signature="(B, T, D), (B, T) -> (B, D)",
    reference=pooling.weighted_mean_pool,
    another=_weighted_with_a_loop,
    gradient=True,
    draw=draws.texts,
    situations=draws.TEXTS,
    cases=(
        Case("two short texts", by_hand, torch.tensor([[22 / 6, -1 / 6], [10 / 3, 4 / 3]])),
        Case("padding on the left", left_padded, torch.tensor([[22 / 6, -1 / 6], [10 / 3, 4 / 3]])),
        Case("six random texts", random_texts),
    ),
    properties=INVARIANT,
    mistakes=(
        Mistake(
            "all tokens weigh the same",
            pooling.mean_pool,
            "Every token has the same weight: this is the plain mean. The n-th token must weigh n.",
        ),
        Mistake(
            "positions counted from the edge",
            lambda hidden, mask: weighted_from_the_edge(hidden, mask),
            "You number positions from the left edge of the batch, padding included. With left padding the first token of a "
            "short text is then number 2 or 20. Number the tokens themselves: the running sum of the mask does.",
        ),
        Mistake(
            "numbered from zero",
            lambda hidden, mask: _weighted(hidden, mask, mask.cumsum(1) - 1),
            "Your first token has weight 0, so it is lost, and a text of one token becomes zero. Number the tokens from 1.",
        ),
        Mistake(
            "divided by the number of tokens",
            lambda hidden, mask: (
                (hidden * (mask * mask.cumsum(1))[:, :, None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
            ),
            "You weigh the sum by position but divide by the number of tokens. A weighted mean divides by the sum of its weights.",
        ),
    ),
    hints=(
        "Only the weights differ from mean pooling. What is the weight of the third token, wherever it stands?",
        "The running sum of a mask row [0, 1, 1, 1] is [0, 1, 2, 3].",
        "weight = mask times its cumulative sum along T. Then the weighted sum over the sum of the weights.",
    ),
)


# --- 02.4 attention pooling ------------------------------------------------------------------


def _attention_with_a_loop(hidden, mask, query):
    pooled = []
    for text, row in zip(hidden, mask, strict=True):
        tokens = text[row.bool()]
        pooled.append((tokens @ query).softmax(0) @ tokens if len(tokens) else 0 * text[0])
    return torch.stack(pooled)


def _large_scores_stay_finite(pool: Answer) -> str | None:
    hidden, mask, query = with_query(random_texts)
    return None if pool(hidden, mask, 1000 * query).isfinite().all() else "scores of a thousand gave NaN or infinity"


def _with_fixed_query(property: Property, pool: Answer) -> str | None:
    return property.check(lambda hidden, mask: pool(hidden, mask, torch.linspace(-1, 1, hidden.shape[-1])))


def _texts_and_query(rng: random.Random) -> tuple[Tensor, Tensor, Tensor]:
    hidden, mask = draws.texts(rng)
    return hidden, mask, rng.choice((1.0, 1.0, 100.0, 1e5)) * draws.numbers(rng, hidden.shape[-1])


ATTENTION = Exercise(
    id="02.4",
    title="attention pooling",
    difficulty="medium",
    minutes=12,
    section="Further: weights that are learned",
    signature="(B, T, D), (B, T), (D,) -> (B, D)",
    reference=pooling.attention_pool,
    another=_attention_with_a_loop,
    gradient=True,
    draw=_texts_and_query,
    situations=draws.TEXTS,
    cases=(
        Case(
            "a query of zeros is the mean", lambda: (*by_hand(), torch.zeros(2)), torch.tensor([[3.0, 1.0], [3.0, 2.0]])
        ),
        Case(
            "a token whose score lies a million below padding's",
            lambda: (torch.tensor([[[1.0], [0.0]]]), torch.tensor([[1, 0]]), torch.tensor([-1e6])),
            torch.tensor([[1.0]]),
        ),
        Case("two short texts", lambda: with_query(by_hand)),
        Case("padding on the left", lambda: with_query(left_padded)),
        Case("six random texts", lambda: with_query(random_texts)),
    ),
    properties=(
        *(Property(p.name, partial(_with_fixed_query, p)) for p in INVARIANT),
        Property("large scores stay finite", _large_scores_stay_finite),
    ),
    mistakes=(
        Mistake(
            "softmax over padding too",
            lambda hidden, mask, query: torch.einsum("btd,bt->bd", hidden, (hidden @ query).softmax(1)),
            "Padding takes part in the softmax, so padded positions get weight. Their scores must be minus infinity before it.",
        ),
        Mistake(
            "masked after the softmax",
            lambda hidden, mask, query: torch.einsum("btd,bt->bd", hidden, (hidden @ query).softmax(1) * mask),
            "You clear the padded weights after the softmax, so the rest no longer sums to 1: the padding has already taken its "
            "share. Mask the scores before the softmax.",
        ),
        Mistake(
            "softmax over the batch",
            lambda hidden, mask, query: torch.einsum(
                "btd,bt->bd", hidden, (hidden @ query).masked_fill(mask == 0, -1e9).softmax(0) * mask
            ),
            "Your softmax runs over dimension 0, the batch: texts compete with one another. The tokens of one text compete, "
            "dimension 1.",
        ),
        Mistake(
            "scores set to zero, not to minus infinity",
            lambda hidden, mask, query: torch.einsum("btd,bt->bd", hidden, ((hidden @ query) * mask).softmax(1) * mask),
            "You multiply the scores by the mask. A score of 0 is not out of the race: exp(0) is 1. Only minus infinity is.",
        ),
    ),
    hints=(
        "Three steps: a score for each token, a softmax over the tokens of each text, a weighted sum.",
        "The score of a token is its dot product with the query: hidden @ query is (B, T).",
        "Fill the padded scores with a very large negative number before the softmax along T; then weigh and add the vectors.",
    ),
)


# --- 02.5 L2 normalization -------------------------------------------------------------------


def _vectors() -> tuple[Tensor]:
    return (torch.tensor([[3.0, 4.0], [0.0, 0.0], [-0.5, 0.0]]),)


def _random_vectors() -> tuple[Tensor]:
    return (torch.randn(5, 7, generator=torch.Generator().manual_seed(5)) * 3,)


def _normalize_with_powers(x):
    length = (x * x).sum(dim=-1, keepdim=True) ** 0.5
    return torch.where(length > 0, x / length.clamp(min=1e-12), x)


def _length_is_one(normalize: Answer) -> str | None:
    (x,) = _random_vectors()
    length = normalize(x).norm(dim=-1)
    return None if (length - 1).abs().max() < 1e-5 else f"a vector came out with length {length[0]:.3f}, not 1"


def _any_vectors(rng: random.Random) -> tuple[Tensor]:
    shape = rng.choice(((), (rng.randint(1, 4),), (2, rng.randint(1, 3))))
    return (draws.vectors(rng, *shape, rng.randint(1, 4)),)


NORMALIZE = Exercise(
    id="02.5",
    title="L2 normalization",
    difficulty="easy",
    minutes=5,
    section="Build it: length 1",
    signature="(..., D) -> (..., D)",
    reference=similarity.normalize,
    another=_normalize_with_powers,
    draw=_any_vectors,
    gradient=True,
    situations=(
        draws.ZERO_VECTOR,
        draws.ONE_VECTOR,
        draws.NEGATIVE,
        Situation("x has more than two axes", lambda x: x.ndim > 2),
        Situation("x is one vector, with one axis", lambda x: x.ndim == 1),
    ),
    cases=(
        Case("3-4-5, zero, and a negative", _vectors, torch.tensor([[0.6, 0.8], [0.0, 0.0], [-1.0, 0.0]])),
        Case("five random vectors", _random_vectors),
        Case("a batch of batches", lambda: (torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1)),)),
    ),
    properties=(Property("every vector has length 1", _length_is_one),),
    mistakes=(
        Mistake(
            "the whole matrix has length 1",
            lambda x: x / x.norm().clamp(min=1e-12),
            "You divide by the length of the whole matrix. Each vector needs its own length: take the norm along the last dimension.",
        ),
        Mistake(
            "NaN for a zero vector",
            lambda x: x / x.norm(dim=-1, keepdim=True),
            "A zero vector divides zero by zero and becomes NaN, and one NaN spoils a whole batch. Keep the length above a tiny number.",
        ),
        Mistake(
            "L1 instead of L2",
            lambda x: x / x.abs().sum(dim=-1, keepdim=True).clamp(min=1e-12),
            "You divide by the sum of absolute values, the L1 norm. Cosine needs the Euclidean length: the root of the sum of squares.",
        ),
        Mistake(
            "layer normalization",
            lambda x: (x - x.mean(dim=-1, keepdim=True)) / (x.var(dim=-1, keepdim=True, unbiased=False) + 1e-12).sqrt(),
            "This is layer normalization, from chapter 01: it subtracts the mean and divides by the standard deviation, so the "
            "direction changes. Here only the length changes: subtract nothing, and divide by the length.",
        ),
        Mistake(
            "standardized",
            lambda x: (x - x.mean(dim=-1, keepdim=True)) / x.std(dim=-1, keepdim=True).clamp(min=1e-12),
            "You subtract the mean and divide by the standard deviation. That turns the vector and leaves a length near the root of D. "
            "Here only the length changes: subtract nothing, and divide by the length.",
        ),
        Mistake(
            "divided by the squared length",
            lambda x: x / (x * x).sum(dim=-1, keepdim=True).clamp(min=1e-12),
            "You divide by the squared length. The root is missing.",
        ),
    ),
    hints=(
        "What is the length of (3, 4)? What must you divide it by to reach length 1?",
        "x.norm(dim=-1) loses a dimension; keepdim=True keeps it, so that the division lines up.",
        "Divide by the norm along the last dimension, clamped from below by something like 1e-12.",
    ),
)


# --- 02.6 cosine similarity ------------------------------------------------------------------


def _pairs() -> tuple[Tensor, Tensor]:
    return torch.tensor([[3.0, 4.0], [1.0, 0.0]]), torch.tensor([[6.0, 8.0], [0.0, 2.0], [-1.0, 0.0]])


def _random_pairs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(6)
    return torch.randn(4, 6, generator=generator), torch.randn(5, 6, generator=generator)


def _squares() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(7)
    return torch.randn(4, 4, generator=generator), torch.randn(4, 4, generator=generator)


def _length_does_not_count(cos_sim: Answer) -> str | None:
    a, b = _random_pairs()
    change = (cos_sim(a * 100, b) - cos_sim(a, b)).abs().max()
    return None if change < 1e-4 else f"a hundred times longer query changed a cosine by {change:.3f}"


def _zero_has_no_direction(cos_sim: Answer) -> str | None:
    a, b = _random_pairs()
    return None if cos_sim(0 * a, b).isfinite().all() else "a query of zeros gave NaN; its cosines should be 0"


def _queries_and_passages(rng: random.Random) -> tuple[Tensor, Tensor]:
    D = rng.randint(1, 4)
    return draws.vectors(rng, rng.randint(1, 4), D), draws.vectors(rng, rng.randint(1, 4), D)


COSINE = Exercise(
    id="02.6",
    title="cosine of every query with every passage",
    difficulty="easy",
    minutes=8,
    section="Build it: length 1",
    signature="(Q, D), (N, D) -> (Q, N)",
    reference=similarity.cos_sim,
    another=lambda a, b: torch.nn.functional.cosine_similarity(a[:, None, :], b[None, :, :], dim=-1),
    gradient=True,
    draw=_queries_and_passages,
    situations=(
        draws.ZERO_VECTOR,
        Situation("there are as many queries as passages", lambda a, b: len(a) == len(b)),
        Situation("there is more than one query", lambda a, b: len(a) > 1),
        Situation("there is one passage", lambda a, b: len(b) == 1),
    ),
    cases=(
        Case("two queries, three passages", _pairs, torch.tensor([[1.0, 0.8, -0.6], [0.6, 0.0, -1.0]])),
        Case("random vectors", _random_pairs),
        Case("as many queries as dimensions", _squares),
    ),
    properties=(
        Property("length does not count", _length_does_not_count),
        Property("zeros stay finite", _zero_has_no_direction),
    ),
    mistakes=(
        Mistake(
            "dot product without normalizing",
            lambda a, b: a @ b.T,
            "This is the dot product: the vectors were not normalized, so long vectors score high whatever their direction.",
        ),
        Mistake(
            "only the queries are normalized",
            lambda a, b: similarity.normalize(a) @ b.T,
            "Only one side is normalized. Long passages still win. Normalize both.",
        ),
        Mistake(
            "only the passages are normalized",
            lambda a, b: a @ similarity.normalize(b).T,
            "Only the passages are normalized. A query then ranks them right, but its scores grow with its own length, so no two queries "
            "can be compared. Normalize both.",
        ),
        Mistake(
            "normalized along the batch",
            lambda a, b: torch.nn.functional.normalize(a, dim=0) @ torch.nn.functional.normalize(b, dim=0).T,
            "You took the norm along dimension 0, over texts. Each text needs its own length: dimension 1, the D values.",
        ),
        Mistake(
            "the result is normalized",
            lambda a, b: similarity.normalize(a @ b.T),
            "You normalize after the product: each row of the result gets length 1. Normalize the vectors before the product, each "
            "query and each passage.",
        ),
        Mistake(
            "angle instead of cosine",
            lambda a, b: torch.arccos(similarity.cos_sim(a, b).clamp(-1, 1)),
            "This is the angle. It falls where similarity rises; the cosine itself is asked for.",
        ),
    ),
    hints=(
        "After normalizing, the cosine is something you already know.",
        "You need every row of a with every row of b: one matrix product.",
        "Normalize both sides, then multiply a with b transposed.",
    ),
)

# --- 02.7 the smallest input that shows a mistake --------------------------------------------


def weighted_from_the_edge(hidden: Tensor, mask: Tensor) -> Tensor:
    """The weighted mean with a mistake: position t weighs t + 1, counted from the left edge of the batch, (B, D)."""
    return _weighted(hidden, mask, torch.arange(1, hidden.shape[1] + 1)[None, :])


def tell_apart() -> tuple[Tensor, Tensor]:
    """One text of two unlike tokens behind one padding: hidden (1, 3, 1), mask (1, 3).

    Padding on the left moves the numbers from 1, 2 to 2, 3, and so the shares from 1/3, 2/3 to 2/5, 3/5.
    """
    return torch.tensor([[[0.0], [0.0], [1.0]]]), torch.tensor([[0, 1, 1]])


def _not_a_batch(hidden: Tensor, mask: Tensor) -> str | None:
    if not (isinstance(hidden, Tensor) and isinstance(mask, Tensor)):
        return "return two tensors, hidden (B, T, D) and mask (B, T)"
    if hidden.ndim != 3 or mask.shape != hidden.shape[:2]:
        return f"hidden must be (B, T, D) and mask (B, T), got {tuple(hidden.shape)} and {tuple(mask.shape)}"
    if not hidden.is_floating_point() or not hidden.isfinite().all():
        return "hidden must hold finite numbers with a point, such as 1.0"
    rows = mask.long().tolist()
    if hidden.numel() == 0 or any(value not in (0, 1) for row in mask.tolist() for value in row):
        return "the mask holds ones and zeros, and there is at least one text"
    if not all(any(row) for row in rows):
        return "each text must have at least one token"
    if any("0" in "".join(map(str, row)).strip("0") for row in rows):
        return "the padding of a text stands on one side, not between its tokens"
    return None


def _pads_left(hidden: Tensor, mask: Tensor) -> bool:
    return bool((mask[:, 0] == 0).any())


def _tokens_are_equal(hidden: Tensor, mask: Tensor) -> bool:
    return all(bool((text[row.bool()] == text[row.bool()][0]).all()) for text, row in zip(hidden, mask, strict=True))


TELL_APART = Reversed(
    id="02.7",
    title="the smallest batch that shows the mistake",
    difficulty="medium",
    minutes=6,
    section="Build it: later tokens weigh more",
    signature="() -> hidden (B, T, D), mask (B, T)",
    reference=tell_apart,
    another=lambda: (torch.tensor([[[5.0], [-1.0], [2.0]]]), torch.tensor([[0, 1, 1]])),
    right=pooling.weighted_mean_pool,
    wrong=weighted_from_the_edge,
    valid=_not_a_batch,
    measure=lambda hidden, mask: hidden.numel(),
    smallest=3,
    cases=(Case("your batch", lambda: (), (torch.tensor([[[0.0], [0.0], [1.0]]]), torch.tensor([[0, 1, 1]]))),),
    mistakes=(
        Mistake(
            "nothing is padded",
            lambda: (torch.tensor([[[0.0], [1.0]]]), torch.tensor([[1, 1]])),
            "There is no padding, so the number of a token and the number of its position are the same.",
            when=lambda hidden, mask: bool((mask == 1).all()),
        ),
        Mistake(
            "padding on the right",
            lambda: (torch.tensor([[[0.0], [1.0], [9.0]]]), torch.tensor([[1, 1, 0]])),
            "Padding stands on the right. The tokens then begin at position 1, where the wrong function begins to count, too.",
            when=lambda hidden, mask: not _pads_left(hidden, mask),
        ),
        Mistake(
            "a single token",
            lambda: (torch.tensor([[[9.0], [1.0]]]), torch.tensor([[0, 1]])),
            "The padded text has a single token. Whatever its weight is, it is divided by that weight again, and its share is 1.",
            when=lambda hidden, mask: bool((mask.sum(dim=1)[mask[:, 0] == 0] == 1).all()),
        ),
        Mistake(
            "equal tokens",
            lambda: (torch.tensor([[[0.0], [1.0], [1.0]]]), torch.tensor([[0, 1, 1]])),
            "All tokens of a text are equal. Any weights that sum to 1 then give the same mean.",
            when=_tokens_are_equal,
        ),
        Mistake(
            "more than it takes",
            lambda: (torch.tensor([[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]]), torch.tensor([[0, 1, 1]])),
            "This shows the mistake, with more than it takes. How many texts, positions and dimensions can you leave out?",
            when=lambda hidden, mask: hidden.numel() > 3,
        ),
    ),
    hints=(
        "On which side must padding stand, so that counting from the edge and counting tokens differ?",
        "Weights are divided by their sum. With how many tokens can the shares differ at all?",
        "One text in one dimension is enough: some padding, and tokens that are not alike.",
    ),
)


# --- 02.8 encode in batches ------------------------------------------------------------------


class SmallEncoder:
    """Stands for a backbone: (ids (B, T), mask (B, T)) -> hidden (B, T, 3); padded positions hold numbers, too.

    A token's vector depends on its id, its position and the mean of the ids that the mask lets it see. It counts
    its calls, and the positions that it has read.
    """

    def __init__(self) -> None:
        self.calls = self.positions = 0

    def __call__(self, ids: Tensor, mask: Tensor) -> Tensor:
        self.calls, self.positions = self.calls + 1, self.positions + ids.numel()
        seen = (ids * mask).sum(dim=1, keepdim=True) / mask.sum(dim=1, keepdim=True)  # (B, 1)
        place = torch.arange(ids.shape[1]).expand(ids.shape)
        return torch.stack([ids + 1.0, 2.0 + 0.5 * place, seen.expand(ids.shape) - ids], dim=2).float()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SmallEncoder)  # to have been called is no change

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "a small encoder"


THREE_TEXTS = [[7], [2, 4, 3], [5, 0]]


def _three_texts() -> tuple:
    return [list(text) for text in THREE_TEXTS], SmallEncoder(), pooling.mean_pool, 2


def _random_ids(rng: random.Random) -> tuple:
    lengths = [rng.randint(1, 5) for _ in range(rng.randint(1, 6))]
    texts = [[rng.choice((0, *range(1, 10))) for _ in range(length)] for length in lengths]
    pool = rng.choice((pooling.mean_pool, pooling.last_token_pool, pooling.weighted_mean_pool))
    return texts, SmallEncoder(), pool, rng.randint(1, 4)


def _in_batches(
    token_ids, backbone, pool, batch_size, *, order=None, back=None, last=0, mask_of=None, pooled_mask=None, widest=0
):
    """The solution with its parts exchanged: see the mistakes."""
    order = torch.tensor([-len(ids) for ids in token_ids]).argsort(stable=True) if order is None else order
    found = []
    for start in range(0, len(order) - last, batch_size):
        rows = [token_ids[i] for i in order[start : start + batch_size]]
        ids, mask = rectangle(rows + ([[0] * widest] if widest else []), 0)
        ids, mask = ids[: len(rows)], mask[: len(rows)]
        mask = mask_of(ids) if mask_of else mask
        found.append(pool(backbone(ids, mask), pooled_mask(mask) if pooled_mask else mask))
    vectors = torch.cat(found)
    return vectors if back is None else vectors[back(order)]


def _encode_another(token_ids, backbone, pool, batch_size):
    return similarity.normalize(_in_batches(token_ids, backbone, pool, batch_size, back=torch.argsort))


def _normalized(**parts):
    return lambda *args: similarity.normalize(_in_batches(*args, **{"back": torch.argsort, **parts}))


def _without_the_last_batch(token_ids, backbone, pool, batch_size):
    whole = len(token_ids) // batch_size * batch_size
    vectors = _encode_another(token_ids, backbone, pool, batch_size)
    longest_first = torch.tensor([-len(ids) for ids in token_ids]).argsort(stable=True)
    vectors[longest_first[whole:]] = 0.0
    return vectors


def _token_vectors_normalized(token_ids, backbone, pool, batch_size):
    return _encode_another(token_ids, backbone, lambda h, m: pool(similarity.normalize(h), m), batch_size)


def _in_the_order_given(token_ids, backbone, pool, batch_size):
    return _normalized(order=torch.arange(len(token_ids)))(token_ids, backbone, pool, batch_size)


def _as_wide_as_the_longest_of_all(token_ids, backbone, pool, batch_size):
    return _normalized(widest=max(map(len, token_ids)))(token_ids, backbone, pool, batch_size)


TEN_TEXTS = [[1] * n for n in (3, 9, 1, 8, 2, 9, 1, 3, 8, 2)]


def _one_call_for_each_batch(encode: Answer) -> str | None:
    backbone = SmallEncoder()
    encode([list(text) for text in TEN_TEXTS], backbone, pooling.mean_pool, 4)
    wanted = math.ceil(len(TEN_TEXTS) / 4)
    return None if backbone.calls == wanted else f"ten texts, four at a time, took {backbone.calls} calls, not {wanted}"


def _each_batch_is_as_wide_as_its_own_longest(encode: Answer) -> str | None:
    backbone = SmallEncoder()
    encode([[1] * n for n in (6, 5, 2, 1)], backbone, pooling.mean_pool, 2)
    return (
        None
        if backbone.positions == 2 * 6 + 2 * 2
        else f"texts of 6, 5, 2 and 1 tokens, two at a time, made the encoder read {backbone.positions} positions; two batches, "
        "6 and 2 wide, make 16"
    )


def _little_is_spent_on_padding(encode: Answer) -> str | None:
    backbone = SmallEncoder()
    encode([list(text) for text in TEN_TEXTS], backbone, pooling.mean_pool, 4)
    wanted = 4 * 9 + 4 * 3 + 2 * 1
    return (
        None
        if backbone.positions == wanted
        else f"ten texts of {sum(map(len, TEN_TEXTS))} tokens, four at a time, made the encoder read {backbone.positions} positions; the longest "
        f"first, each batch as wide as its own longest text, makes {wanted}"
    )


ENCODE = Exercise(
    id="02.8",
    title="encode texts in batches",
    difficulty="hard",
    minutes=18,
    section="Build it: from token ids to vectors",
    signature="N lists of ids, backbone, pool, batch_size -> (N, D)",
    loops=True,
    reference=encode_in_batches,
    another=_encode_another,
    draw=_random_ids,
    situations=(
        Situation("there are more texts than fit into one batch", lambda ids, b, p, size: len(ids) > size),
        Situation("the last batch is smaller", lambda ids, b, p, size: len(ids) % size > 0),
        Situation("batch_size is larger than the number of texts", lambda ids, b, p, size: size > len(ids)),
        Situation("there is one text only", lambda ids, *rest: len(ids) == 1),
        Situation("texts have different lengths", lambda ids, *rest: len({len(text) for text in ids}) > 1),
        Situation("the texts do not come longest first", lambda ids, *rest: sorted(ids, key=len, reverse=True) != ids),
        Situation("the id 0 stands in a text", lambda ids, *rest: any(0 in text for text in ids)),
    ),
    cases=(
        Case(
            "three texts, two at a time",
            _three_texts,
            torch.tensor([[0.970143, 0.242536, 0.0], [0.847998, 0.529999, 0.0], [0.841178, 0.540758, 0.0]]),
        ),
        Case("the batch is larger than the list", lambda: (*_three_texts()[:3], 10)),
        Case("the last token speaks", lambda: (*_three_texts()[:2], pooling.last_token_pool, 2)),
        Case("one at a time", lambda: ([[3], [1, 2], [9, 9, 9], [4, 0]], SmallEncoder(), pooling.last_token_pool, 1)),
    ),
    properties=(
        Property("one call of the backbone for each batch", _one_call_for_each_batch),
        Property("each batch is as wide as its own longest text", _each_batch_is_as_wide_as_its_own_longest),
        Property("little is spent on padding", _little_is_spent_on_padding),
    ),
    mistakes=(
        Mistake(
            "left in the order of length",
            _normalized(back=None),
            "The vectors come out in the order in which you encoded the texts, the longest first. Row i must belong to text i: put "
            "each vector back in its place, or every search result has the name of another text.",
        ),
        Mistake(
            "put back the wrong way round",
            _normalized(back=lambda order: order),
            "You sort the vectors by the same order once more. The way back is another one: the vector that came out first belongs "
            "to the text whose number stands first in the order.",
        ),
        Mistake(
            "the mask of ids that are not 0",
            _normalized(mask_of=lambda ids: (ids != 0).long().index_fill(1, torch.tensor([0]), 1)),
            "You read the mask off the ids: what is 0 counts as padding. A token may have that id, too, and is lost. Only the "
            "lengths of the texts say what is padding.",
        ),
        Mistake(
            "padding is pooled",
            _normalized(pooled_mask=torch.ones_like),
            "The backbone gets the mask, but the pooling does not: padding is pooled, the failure this chapter began with.",
        ),
        Mistake(
            "the backbone does not see the mask",
            _normalized(mask_of=torch.ones_like),
            "You call everything a token: the mask is 1 where you filled up. Padding is read by the encoder and pooled.",
        ),
        Mistake(
            "not normalized",
            lambda *args: _in_batches(*args, back=torch.argsort),
            "The vectors do not have length 1. Normalize what comes out of the pooling.",
        ),
        Mistake(
            "token vectors normalized, and the pooled one too",
            _token_vectors_normalized,
            "You give each token vector length 1 before pooling, so that all tokens count alike. Only the pooled vector is normalized.",
        ),
        Mistake(
            "token vectors normalized, and not the pooled one",
            lambda ids, backbone, pool, size: _in_batches(
                ids, backbone, lambda h, m: pool(similarity.normalize(h), m), size, back=torch.argsort
            ),
            "You normalize the token vectors before pooling, and not what comes out of it. A mean of vectors of length 1 is shorter "
            "than 1: normalize the pooled vector, after pooling.",
        ),
        Mistake(
            "the last, smaller batch is lost",
            _without_the_last_batch,
            "Texts that do not fill a whole batch get no vector. The last batch may be smaller than the others.",
        ),
        Mistake(
            "not sorted",
            _in_the_order_given,
            "The vectors are right, but you take the texts in the order given, so a short text shares a batch with a long one and is "
            "filled up to its length. Sort by length first.",
        ),
        Mistake(
            "as wide as the longest of all",
            _as_wide_as_the_longest_of_all,
            "The vectors are right, but you fill every batch up to the longest text of all. Each batch needs only its own longest.",
        ),
    ),
    hints=(
        "Four steps: an order of the texts, batches along it, a rectangle with its mask for each, and the way back.",
        "Sort the numbers of the texts by length, not the texts: then you still know which vector belongs to which text.",
        "For each batch: a tensor of zeros for ids and one for the mask, filled row by row; backbone, pool, normalize; then store "
        "each vector under the number of its text.",
    ),
)

EXERCISES = (MEAN, LAST, WEIGHTED, ATTENTION, NORMALIZE, COSINE, TELL_APART, ENCODE)
