"""The exercises of chapter 04: InfoNCE and its relatives, its gradient, a training step, and the shape of the space."""

import random

import torch
from torch import Tensor
from torch.nn import functional as F

from workbook import geometry, losses
from workbook.exercises import draws
from workbook.exercises.compare import NotAResult
from workbook.exercises.exercise import Answer, Case, Exercise, Mistake, Property, Reversed, Situation
from workbook.pooling import mean_pool
from workbook.similarity import cos_sim, normalize


def pairs(B: int = 5, D: int = 6, seed: int = 4) -> tuple[Tensor, Tensor]:
    """Random pairs, (B, D) each; the queries are twice as long as the passages."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(B, D, generator=generator) * 2, torch.randn(B, D, generator=generator)


def axes() -> tuple[Tensor, Tensor]:
    """Two pairs along the axes, of different lengths: own cosines 1, other cosines 0."""
    return torch.tensor([[2.0, 0.0], [0.0, 3.0]]), torch.tensor([[1.0, 0.0], [0.0, 4.0]])


def _with_temperature(make, temperature: float):
    return lambda: (*make(), temperature)


def _log_softmax_of_own(logits: Tensor) -> Tensor:
    return -logits.log_softmax(dim=1).diagonal().mean()


def _length_does_not_count(loss: Answer) -> str | None:
    query, positive = pairs()
    change = (loss(query * 10, positive, 0.1) - loss(query, positive, 0.1)).abs()
    return (
        None
        if change < 1e-4
        else f"a ten times longer query changed the loss by {change:.3f}; cosines do not see length"
    )


def _survives_a_low_temperature(loss: Answer) -> str | None:
    value = loss(*pairs(), 1e-3)
    return (
        None
        if value.isfinite().all()
        else "at temperature 0.001 the result is not finite: exp overflowed; use softmax, log_softmax or logsumexp"
    )


def _negatives_survive_a_low_temperature(loss: Answer) -> str | None:
    negatives = _triples()[2]
    return _survives_a_low_temperature(lambda q, d, t: loss(q, d, negatives, t))


ROBUST = (
    Property("length does not count", _length_does_not_count),
    Property("a low temperature does not overflow", _survives_a_low_temperature),
)


# --- 04.1 InfoNCE ----------------------------------------------------------------------------


def info_nce(query: Tensor, positive: Tensor, temperature: float) -> Tensor:
    """InfoNCE with in-batch negatives, from queries to passages: (B, D), (B, D) -> scalar."""
    return losses.info_nce(query, positive, temperature=temperature)


def _info_nce_loop(query, positive, temperature):
    terms = []
    for i in range(len(query)):
        scores = torch.stack([F.cosine_similarity(query[i], d, dim=0) for d in positive]) / temperature
        terms.append(scores.logsumexp(0) - scores[i])
    return torch.stack(terms).mean()


def _not_zero(x: Tensor) -> Tensor:
    """Vectors of zeros, which the contracts leave out, become vectors of ones."""
    return torch.where((x == 0).all(dim=-1, keepdim=True), torch.ones_like(x), x)


def _pairs_at(rng: random.Random) -> tuple[Tensor, Tensor, float]:
    query, positive = draws.pairs(rng)
    return _not_zero(query), _not_zero(positive), draws.temperature(rng)


def _pairs_with_negatives(rng: random.Random) -> tuple[Tensor, Tensor, Tensor, float]:
    query, positive, temperature = _pairs_at(rng)
    B, D = query.shape
    return query, positive, _not_zero(draws.numbers(rng, B, rng.randint(1, 3), D)), temperature


INFO_NCE = Exercise(
    id="04.1",
    title="InfoNCE with in-batch negatives",
    difficulty="medium",
    minutes=12,
    section="Build it: InfoNCE",
    signature="(B, D), (B, D), float -> scalar",
    reference=info_nce,
    another=_info_nce_loop,
    gradient=True,
    draw=_pairs_at,
    situations=draws.PAIRS,
    cases=(
        Case("two pairs along the axes, temperature 1", _with_temperature(axes, 1.0), torch.tensor(0.3132617)),
        Case("five random pairs", _with_temperature(pairs, 0.05)),
        Case("a high temperature", _with_temperature(pairs, 2.0)),
    ),
    properties=ROBUST,
    mistakes=(
        Mistake(
            "not normalized",
            lambda q, d, t: _log_softmax_of_own(q @ d.T / t),
            "The vectors are not normalized, so you take dot products. A model can then lower the loss by making vectors longer, "
            "without turning them. Use cosines.",
        ),
        Mistake(
            "temperature forgotten",
            lambda q, d, t: _log_softmax_of_own(cos_sim(q, d)),
            "The temperature is forgotten. Cosines lie between -1 and 1, so without it even a perfect pair among 100 cannot get "
            "more than a few per cent of the softmax, and training stalls.",
        ),
        Mistake(
            "scale and temperature swapped",
            lambda q, d, t: _log_softmax_of_own(cos_sim(q, d) * t),
            "You multiply by the temperature. Scale and temperature are swapped: a scale of 20 is a temperature of 0.05, and the "
            "similarities are divided by it.",
        ),
        Mistake(
            "the positive left out of the denominator",
            lambda q, d, t: (
                (cos_sim(q, d) / t).masked_fill(torch.eye(len(q), dtype=torch.bool), float("-inf")).logsumexp(1)
                - (cos_sim(q, d) / t).diagonal()
            ).mean(),
            "The positive is missing from the denominator. Then the loss has no floor at 0: it keeps falling for pairs that are "
            "already right. The softmax runs over all passages, the right one included.",
        ),
        Mistake(
            "softmax over the wrong dimension",
            lambda q, d, t: -(cos_sim(q, d) / t).log_softmax(dim=0).diagonal().mean(),
            "Your softmax runs over dimension 0: each passage chooses among queries. That is the doc_to_query direction. Here each "
            "query chooses among passages, dimension 1.",
        ),
        Mistake(
            "only the pull",
            lambda q, d, t: -(cos_sim(q, d) / t).diagonal().mean(),
            "There are no negatives in your loss: it only pulls. Where texts share words, it ends in one point for all of them.",
        ),
        Mistake(
            "the loss of the failure",
            lambda q, d, t: (1 - cos_sim(q, d).diagonal()).mean(),
            "This is the loss that the chapter began with: one minus the cosine of each pair. No other passage is in it, so nothing "
            "is pushed away.",
        ),
        Mistake(
            "the library's loss for labelled pairs",
            lambda q, d, t: (1 - cos_sim(q, d).diagonal()).mean() / t,
            "This is a cosine embedding loss: it pulls the two texts of each pair together, and there is no choice among passages. "
            "Without other passages in it nothing is pushed away.",
        ),
        Mistake(
            "scaled as in attention",
            lambda q, d, t: _log_softmax_of_own(cos_sim(q, d) / q.shape[1] ** 0.5),
            "You divide by the root of D, as attention does (chapter 01). There it tames dot products that grow with D. Cosines do "
            "not grow; what divides them here is the temperature.",
        ),
        Mistake(
            "softmax twice",
            lambda q, d, t: F.cross_entropy((cos_sim(q, d) / t).softmax(dim=1), torch.arange(len(q))),
            "You take the softmax before the cross-entropy, which takes it again. Shares between 0 and 1 are then the logits, so the "
            "loss can never come near 0. Cross-entropy wants the raw logits.",
        ),
        Mistake(
            "sum instead of mean",
            lambda q, d, t: F.cross_entropy(cos_sim(q, d) / t, torch.arange(len(q)), reduction="sum"),
            "You add up the terms of the B queries. Their mean is asked for, or a larger batch would mean a larger step.",
        ),
    ),
    hints=(
        "Which passage should query i choose, among how many? What loss do you know for choosing one of many?",
        "The matrix of cosines over temperature holds the logits; the right class of row i is i.",
        "Cross-entropy of the (B, B) logits against the targets 0, 1, …, B - 1.",
    ),
)


# --- 04.2 explicit negatives -----------------------------------------------------------------


def info_nce_with_negatives(query: Tensor, positive: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """InfoNCE in which each query chooses among all positives and all negatives (B, M, D)."""
    return losses.info_nce(query, positive, negatives, temperature=temperature)


def _triples() -> tuple[Tensor, Tensor, Tensor, float]:
    query, positive = pairs()
    return query, positive, torch.randn(5, 2, 6, generator=torch.Generator().manual_seed(9)), 0.1


def _twins() -> tuple[Tensor, Tensor, Tensor, float]:
    """One query whose only negative equals its positive: two equal choices."""
    return torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 0.0]]), torch.tensor([[[3.0, 0.0]]]), 0.05


def _negatives_loop(query, positive, negatives, temperature):
    docs = list(positive) + [n for row in negatives for n in row]
    terms = []
    for i in range(len(query)):
        scores = torch.stack([F.cosine_similarity(query[i], d, dim=0) for d in docs]) / temperature
        terms.append(scores.logsumexp(0) - scores[i])
    return torch.stack(terms).mean()


def _own_negatives_only(q, p, n, t):
    logits = torch.cat([cos_sim(q, p), torch.einsum("bd,bmd->bm", normalize(q), normalize(n))], dim=1) / t
    return F.cross_entropy(logits, torch.arange(len(q)))


NEGATIVES = Exercise(
    id="04.2",
    title="InfoNCE with explicit negatives",
    difficulty="medium",
    minutes=12,
    section="Further: more than the batch gives",
    signature="(B, D), (B, D), (B, M, D), float -> scalar",
    reference=info_nce_with_negatives,
    another=_negatives_loop,
    gradient=True,
    draw=_pairs_with_negatives,
    situations=draws.PAIRS,
    cases=(
        Case("a negative that equals the positive", _twins, torch.tensor(0.6931472)),
        Case("five pairs with two negatives each", _triples),
    ),
    properties=(Property("a low temperature does not overflow", _negatives_survive_a_low_temperature),),
    mistakes=(
        Mistake(
            "negatives do not count",
            lambda q, p, n, t: losses.info_nce(q, p, temperature=t),
            "Your negatives do not change the loss. They belong into the denominator: every query must choose its passage among "
            "them as well.",
        ),
        Mistake(
            "only its own negatives",
            _own_negatives_only,
            "Each query sees its own negatives only. They are in the batch already, so all queries can use all of them: flatten "
            "(B, M, D) to (B·M, D). The field's libraries do so.",
        ),
        Mistake(
            "negatives first",
            lambda q, p, n, t: F.cross_entropy(cos_sim(q, torch.cat([n.flatten(0, 1), p])) / t, torch.arange(len(q))),
            "You put the negatives before the positives, and still say that the right answer of row i is column i. The loss then "
            "pulls each query to a negative. Put the positives first.",
        ),
        Mistake(
            "the positives left out",
            lambda q, p, n, t: (
                -(
                    cos_sim(q, p).diagonal() / t
                    - torch.cat([cos_sim(q, p).diagonal()[:, None], cos_sim(q, n.flatten(0, 1))], 1).div(t).logsumexp(1)
                ).mean()
            ),
            "The other queries' passages are gone from the denominator. Explicit negatives come in addition to the in-batch ones.",
        ),
    ),
    hints=(
        "How many passages can a query choose from now? In which row or column does its own stand?",
        "Stack the positives and the flattened negatives into one matrix of B + B·M passages, positives first.",
        "Then it is exercise 04.1 again, with a (B, B + B·M) matrix of logits and the same targets.",
    ),
)


# --- 04.3 symmetric --------------------------------------------------------------------------


def symmetric(query: Tensor, positive: Tensor, temperature: float) -> Tensor:
    """The mean of both directions: queries choose passages, passages choose queries."""
    return losses.info_nce(
        query,
        positive,
        temperature=temperature,
        directions=("query_to_doc", "doc_to_query"),
        partition_mode="per_direction",
    )


def _with_the_own_side(query, positive, temperature):
    def one_way(x, y):
        own = cos_sim(x, x).masked_fill(torch.eye(len(x), dtype=torch.bool), -torch.inf)
        return F.cross_entropy(torch.cat([cos_sim(x, y), own], dim=1) / temperature, torch.arange(len(x)))

    return (one_way(query, positive) + one_way(positive, query)) / 2


SYMMETRIC = Exercise(
    id="04.3",
    title="the symmetric loss",
    difficulty="easy",
    minutes=6,
    section="Build it: both directions",
    signature="(B, D), (B, D), float -> scalar",
    reference=symmetric,
    another=lambda q, d, t: (_info_nce_loop(q, d, t) + _info_nce_loop(d, q, t)) / 2,
    gradient=True,
    draw=_pairs_at,
    situations=draws.PAIRS,
    cases=(
        Case("two pairs along the axes, temperature 1", _with_temperature(axes, 1.0), torch.tensor(0.3132617)),
        Case("five random pairs", _with_temperature(pairs, 0.05)),
    ),
    properties=ROBUST,
    mistakes=(
        Mistake(
            "one direction only",
            info_nce,
            "This is one direction: queries choose passages. In the other, passages choose queries: a softmax down the columns.",
        ),
        Mistake(
            "the wrong direction only",
            lambda q, d, t: info_nce(d, q, t),
            "This is only the direction from passages to queries. The symmetric loss is the mean of both.",
        ),
        Mistake(
            "sum instead of mean",
            lambda q, d, t: 2 * symmetric(q, d, t),
            "You add the two directions. Their mean is asked for, so that the size of the loss, and with it the learning rate, "
            "stays what it was.",
        ),
        Mistake(
            "both in one softmax",
            lambda q, d, t: losses.info_nce(q, d, temperature=t, directions=("query_to_doc", "doc_to_query")),
            "You put both directions into one softmax. That is the joint form, a part of GTE's loss. Here each direction has a "
            "softmax of its own.",
        ),
        Mistake(
            "the matrix averaged with its transpose",
            lambda q, d, t: F.cross_entropy((cos_sim(q, d) + cos_sim(d, q)) / (2 * t), torch.arange(len(q))),
            "You average the matrix of cosines with its transpose and take one loss. The two directions have a softmax of their own, "
            "along the rows and down the columns: take two losses and average those.",
        ),
        Mistake(
            "more terms than asked for",
            _with_the_own_side,
            "You set queries against queries, and passages against passages, into the softmax as well. GTE's loss does so. Here a "
            "query chooses among passages only, and a passage among queries only.",
        ),
    ),
    hints=(
        "What does the transpose of the matrix of logits mean?",
        "Call the loss of 04.1 twice.",
        "The mean of the loss with (query, positive) and the loss with (positive, query).",
    ),
)


# --- 04.4 NT-Xent ----------------------------------------------------------------------------


def _nt_xent_loop(a, b, temperature):
    views = normalize(torch.cat([a, b]))
    terms = []
    for i in range(len(views)):
        others = [j for j in range(len(views)) if j != i]
        scores = torch.stack([views[i] @ views[j] for j in others]) / temperature
        terms.append(scores.logsumexp(0) - scores[others.index((i + len(a)) % len(views))])
    return torch.stack(terms).mean()


def _nt_xent_with_itself(a, b, t):
    views = torch.cat([a, b])
    return F.cross_entropy(cos_sim(views, views) / t, torch.arange(len(views)).roll(len(a)))


NT_XENT = Exercise(
    id="04.4",
    title="NT-Xent",
    difficulty="hard",
    minutes=15,
    section="Further: two views of one thing",
    signature="(B, D), (B, D), float -> scalar",
    reference=losses.nt_xent,
    another=_nt_xent_loop,
    gradient=True,
    draw=_pairs_at,
    situations=draws.PAIRS,
    cases=(
        Case("two pairs along the axes, temperature 1", _with_temperature(axes, 1.0), torch.tensor(0.5514447)),
        Case("five random pairs", _with_temperature(pairs, 0.1)),
    ),
    properties=ROBUST,
    mistakes=(
        Mistake(
            "each view is its own negative",
            _nt_xent_with_itself,
            "Each view stands among its own choices, with cosine 1 to itself. It then pushes itself from itself and the loss can "
            "never come near 0. Fill the diagonal with minus infinity.",
        ),
        Mistake(
            "only between the two sides",
            symmetric,
            "You compare a with b only: that is the symmetric loss of 04.3. In NT-Xent the other texts of the same side are "
            "negatives too, so each view chooses among 2B - 1.",
        ),
        Mistake(
            "only the first half",
            lambda a, b, t: (
                (cos_sim(a, torch.cat([a, b])) / t)
                .masked_fill(torch.eye(len(a), 2 * len(a), dtype=torch.bool), float("-inf"))
                .logsumexp(1)
                - cos_sim(a, b).diagonal() / t
            ).mean(),
            "Only the views of a choose. All 2B views take part, those of b as well.",
        ),
    ),
    hints=(
        "Stack both sides into 2B views. Which is the partner of view i? Which must view i not see?",
        "The partner of i is i + B, and of i + B it is i: arange(2B) rolled by B.",
        "Cosines of all views with all, over temperature; minus infinity on the diagonal; cross-entropy against the partners.",
    ),
)


# --- 04.5 the gradient -----------------------------------------------------------------------


def _gradient_autograd(query, positive, temperature):
    q, d = normalize(query).detach().requires_grad_(), normalize(positive)
    loss = F.cross_entropy(q @ d.T / temperature, torch.arange(len(q)))
    return torch.autograd.grad(loss, q)[0]


def _gradient_of_the_raw_query(query, positive, temperature):
    query = query.detach().clone().requires_grad_()
    loss = F.cross_entropy(cos_sim(query, positive) / temperature, torch.arange(len(query)))
    return torch.autograd.grad(loss, query)[0]


def _p(q, d, t):
    return (normalize(q) @ normalize(d).T / t).softmax(1)


GRADIENT = Exercise(
    id="04.5",
    title="what the loss does to a query",
    difficulty="hard",
    minutes=15,
    section="Build it: the pull and the push",
    signature="(B, D), (B, D), float -> (B, D)",
    reference=losses.info_nce_gradient,
    another=_gradient_autograd,
    draw=_pairs_at,
    situations=draws.PAIRS,
    cases=(
        Case(
            "two pairs along the axes, temperature 1",
            _with_temperature(axes, 1.0),
            torch.tensor([[-0.1344707, 0.1344707], [0.1344707, -0.1344707]]),
        ),
        Case("five random pairs", _with_temperature(pairs, 0.1)),
    ),
    properties=(ROBUST[1],),
    mistakes=(
        Mistake(
            "the step instead of the gradient",
            lambda q, d, t: -losses.info_nce_gradient(q, d, t),
            "The sign is turned. The gradient points where the loss rises; you wrote down the step that lowers it.",
        ),
        Mistake(
            "the factor 1 / temperature is missing",
            lambda q, d, t: losses.info_nce_gradient(q, d, t) * t,
            "The factor 1 / temperature is missing. It comes from the division inside the softmax, and it is why a low temperature "
            "makes large gradients.",
        ),
        Mistake(
            "not averaged over the batch",
            lambda q, d, t: losses.info_nce_gradient(q, d, t) * len(q),
            "The factor 1 / B is missing: the loss is a mean over the batch.",
        ),
        Mistake(
            "only the push",
            lambda q, d, t: _p(q, d, t) @ normalize(d) / (len(q) * t),
            "This is only the push, away from the weighted mean of the passages. The pull towards the query's own passage is missing.",
        ),
        Mistake(
            "only the pull",
            lambda q, d, t: -normalize(d) / (len(q) * t),
            "This is only the pull towards the query's own passage. The push, away from the weighted mean of all passages, is missing.",
        ),
        Mistake(
            "through the normalization",
            _gradient_of_the_raw_query,
            "You differentiated by the raw query, so the gradient goes through the normalization as well: the part along the query is "
            "gone, and the rest is divided by its length. Asked for is the derivative by the query of length 1, as in the formula.",
        ),
    ),
    hints=(
        "The derivative of cross-entropy by its logits is softmax minus one-hot. What is the derivative of a logit by q?",
        "A logit is q · d_j / temperature, so its derivative by q is d_j / temperature.",
        "(softmax weights times passages, minus the own passage), over B times temperature.",
    ),
)


# --- 04.6 uniformity -------------------------------------------------------------------------


def _circle() -> tuple[Tensor]:
    return (torch.tensor([[2.0, 0.0], [-1.0, 0.0], [0.0, 3.0]]),)


def _uniformity_loop(x):
    x = normalize(x)
    terms = [torch.exp(-2 * (x[i] - x[j]).pow(2).sum()) for i in range(len(x)) for j in range(i)]
    return torch.stack(terms).mean().log()


UNIFORMITY = Exercise(
    id="04.6",
    title="uniformity",
    difficulty="medium",
    minutes=10,
    section="Build it: is the sphere used?",
    signature="(N, D) -> scalar",
    reference=geometry.uniformity,
    another=_uniformity_loop,
    gradient=True,
    draw=lambda rng: (_not_zero(draws.numbers(rng, rng.randint(2, 5), rng.randint(2, 4))),),
    cases=(
        Case("three points on the circle", _circle, torch.tensor(-4.3962626)),
        Case("random vectors", lambda: (pairs(7)[0],)),
    ),
    mistakes=(
        Mistake(
            "each point with itself",
            lambda x: torch.cdist(normalize(x), normalize(x)).pow(2).mul(-2).exp().mean().log(),
            "You average over all N·N pairs, so every point is compared with itself at distance 0. Those N ones hide the spread. "
            "Take each pair i < j once.",
        ),
        Mistake(
            "not normalized",
            lambda x: torch.pdist(x).pow(2).mul(-2).exp().mean().log(),
            "The vectors are not on the sphere. Normalize first, or long vectors look well spread.",
        ),
        Mistake(
            "distance not squared",
            lambda x: torch.pdist(normalize(x)).mul(-2).exp().mean().log(),
            "The kernel takes the squared distance, exp(-2 |x - y|²). The square is missing.",
        ),
        Mistake(
            "mean of the logarithms",
            lambda x: torch.pdist(normalize(x)).pow(2).mul(-2).mean(),
            "You take the mean before the logarithm undoes the exponential: the logarithm of a mean is not the mean of logarithms.",
        ),
    ),
    hints=(
        "Four steps: to the sphere, squared distance of each pair, the kernel, the logarithm of its mean.",
        "torch.pdist gives the distance of each pair i < j once.",
        "Square, times -2, exp, mean, log.",
    ),
)

# --- 04.7 the smallest batch that shows a mistake --------------------------------------------


def smallest_batch() -> tuple[Tensor, Tensor]:
    """Two pairs in one dimension on which a softmax down the columns gives another loss than one along the rows."""
    return torch.tensor([[1.0], [-1.0]]), torch.tensor([[1.0], [1.0]])


def _down_the_columns(query: Tensor, positive: Tensor) -> Tensor:
    return -cos_sim(query, positive).log_softmax(dim=0).diagonal().mean()


def _a_batch(query: Tensor, positive: Tensor) -> str | None:
    if not (isinstance(query, Tensor) and isinstance(positive, Tensor) and query.is_floating_point()):
        return "return two tensors of floats, query and positive"
    if query.ndim != 2 or query.shape != positive.shape or query.dtype != positive.dtype or not query.numel():
        return f"both must be (B, D), the same for the two, got {tuple(query.shape)} and {tuple(positive.shape)}"
    zero = ~(torch.cat([query, positive]) != 0).any(dim=1)
    finite = torch.cat([query, positive]).isfinite().all()
    return "a vector is zero or not finite, so it has no cosine" if zero.any() or not finite else None


def _own_cosines_are_equal(query: Tensor, positive: Tensor) -> bool:
    own = cos_sim(query, positive).diagonal()
    return len(query) == 2 and torch.allclose(own[:1], own[1:])


def _mirrored(query: Tensor, positive: Tensor) -> bool:
    cosines = cos_sim(query, positive)
    return torch.allclose(cosines, cosines.T)


REVERSED = Reversed(
    id="04.7",
    title="the smallest batch that shows a mistake",
    difficulty="medium",
    minutes=10,
    section="Build it: both directions",
    signature="() -> (B, D), (B, D)",
    reference=smallest_batch,
    another=lambda: (torch.tensor([[2.0], [3.0]]), torch.tensor([[-0.5], [4.0]])),
    right=lambda query, positive: info_nce(query, positive, 1.0),
    wrong=_down_the_columns,
    valid=_a_batch,
    smallest=4,
    measure=lambda query, positive: query.numel() + positive.numel(),
    cases=(
        Case(
            "nothing is passed in",
            lambda: (),
            (torch.tensor([[1.0], [-1.0]]), torch.tensor([[1.0], [1.0]])),
        ),
    ),
    mistakes=(
        Mistake(
            "one pair only",
            lambda: (torch.tensor([[1.0]]), torch.tensor([[-1.0]])),
            "There is one pair only. A choice of one among one costs nothing, along a row as well as down a column.",
            when=lambda query, positive: len(query) == 1,
        ),
        Mistake(
            "the matrix is its own mirror image",
            lambda: (torch.eye(2), torch.eye(2)),
            "Your matrix of cosines is its own mirror image, so its rows are its columns. The tidy examples that one writes down "
            "first, such as pairs along the axes, are all of this kind: that is why this mistake survives so many tests.",
            when=_mirrored,
        ),
        Mistake(
            "two pairs that are equally close",
            lambda: (torch.eye(2), torch.tensor([[0.8, 0.6], [-0.6, 0.8]])),
            "Both queries are equally close to their own passages. In a batch of two the differences, own minus other, are then the "
            "same along the rows and down the columns.",
            when=_own_cosines_are_equal,
        ),
        Mistake(
            "more pairs than it takes",
            lambda: (torch.tensor([[1.0], [-1.0], [1.0]]), torch.tensor([[1.0], [1.0], [1.0]])),
            "It works, and there are more pairs than it takes. Leave pairs away as long as there is still something to choose.",
            when=lambda query, positive: len(query) > 2,
        ),
        Mistake(
            "more dimensions than it takes",
            lambda: (torch.tensor([[1.0, 0.0], [1.0, 1.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])),
            "It works, and the vectors are longer than they need to be. Which cosines are possible with fewer numbers in a vector?",
            when=lambda query, positive: query.shape[1] > 1,
        ),
    ),
    hints=(
        "How many pairs must there be before a query has anything to choose? How few numbers can a vector have?",
        "In one dimension each cosine is 1 or -1. Write down the matrix for two pairs and give it different diagonal entries.",
        "Let both passages point the same way, and the two queries in opposite ways.",
    ),
)


# --- 04.8 a training step --------------------------------------------------------------------


def training_step(
    table: Tensor,
    optimizer: torch.optim.Optimizer,
    query_ids: Tensor,
    query_mask: Tensor,
    passage_ids: Tensor,
    passage_mask: Tensor,
    temperature: float,
) -> float:
    """One step of training: embed both sides, ask the symmetric loss, follow its gradient. The loss before the step."""

    def embed(ids: Tensor, mask: Tensor) -> Tensor:
        return mean_pool(table[ids], mask)

    optimizer.zero_grad()
    loss = symmetric(embed(query_ids, query_mask), embed(passage_ids, passage_mask), temperature)
    loss.backward()
    optimizer.step()
    return loss.item()


def _step_with(pool=mean_pool, loss=symmetric, order: str = "zero backward step", returns=lambda loss: loss.item()):
    """A training step with a part exchanged, or its calls in another order."""

    def step(table, optimizer, query_ids, query_mask, passage_ids, passage_mask, temperature):
        value = loss(pool(table[query_ids], query_mask), pool(table[passage_ids], passage_mask), temperature)
        calls = {"zero": optimizer.zero_grad, "backward": value.backward, "step": optimizer.step}
        for name in order.split():
            calls[name]()
        return returns(value)

    return step


def _step_by_hand(table, optimizer, query_ids, query_mask, passage_ids, passage_mask, temperature):
    def embed(ids, mask):
        return torch.stack([table[row[keep.bool()]].mean(dim=0) for row, keep in zip(ids, mask, strict=True)])

    loss = symmetric(embed(query_ids, query_mask), embed(passage_ids, passage_mask), temperature)
    (table.grad,) = torch.autograd.grad(loss, table)
    optimizer.step()
    return float(loss)


def _loss_after(table, optimizer, *batch):
    training_step(table, optimizer, *batch)
    with torch.no_grad():
        q, qm, d, dm, temperature = batch
        return symmetric(mean_pool(table[q], qm), mean_pool(table[d], dm), temperature).item()


def _two_steps(table, optimizer, query_ids, query_mask, passage_ids, passage_mask, temperature):
    values = []
    for turned in (False, True):
        query, positive = mean_pool(table[query_ids], query_mask), mean_pool(table[passage_ids], passage_mask)
        loss = info_nce(positive, query, temperature) if turned else info_nce(query, positive, temperature)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    return sum(values) / 2


def _ids_masked(table, optimizer, query_ids, query_mask, passage_ids, passage_mask, temperature):
    def embed(ids, mask):
        return table[ids * mask].sum(dim=1) / mask.sum(dim=1, keepdim=True)

    loss = symmetric(embed(query_ids, query_mask), embed(passage_ids, passage_mask), temperature)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def _a_step(table: Tensor, old: Tensor | None, *batch, lr: float = 0.5, weight_decay: float = 0.0) -> tuple:
    """A table with an optimizer of its own, and the gradient that the step before has left in it."""
    table = table.clone().requires_grad_()
    table.grad = old
    return table, torch.optim.SGD([table], lr=lr, weight_decay=weight_decay), *batch


def _two_words() -> tuple:
    """Two texts of one word and a padding each: the pairs along the axes, at temperature 1."""
    table = torch.tensor([[9.0, 9.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    mask = torch.tensor([[1, 0], [1, 0]])
    return _a_step(table, None, torch.tensor([[1, 0], [2, 0]]), mask, torch.tensor([[3, 0], [4, 0]]), mask, 1.0)


def _draw_step(rng: random.Random) -> tuple:
    V, D, B = rng.randint(3, 8), rng.randint(2, 4), rng.randint(1, 4)

    def side() -> tuple[Tensor, Tensor]:
        mask = draws.mask(rng, B, rng.randint(1, 4), empty=False)
        return torch.tensor([[rng.randrange(V) for _ in row] for row in mask]), mask

    table = torch.tensor([[rng.gauss(0, 1) for _ in range(D)] for _ in range(V)])
    old = torch.ones(V, D) * rng.choice((0.5, -1.0)) if rng.random() < 0.6 else None
    return _a_step(
        table,
        old,
        *side(),
        *side(),
        rng.choice((0.2, 0.5, 1.0, 2.0)),
        lr=rng.choice((0.1, 0.5)),
        weight_decay=rng.choice((0.0, 0.3)),
    )


def _third_step() -> tuple:
    return _draw_step(random.Random(7))


def _loss_and_table(result: object, args: tuple) -> dict[str, object]:
    if isinstance(result, Tensor) and result.requires_grad:
        raise NotAResult(
            "the loss that you return still carries its graph, which keeps the whole step in memory: return a number, "
            "or a detached scalar"
        )
    return {"loss": result, "table": args[0].detach()}


STEP = Exercise(
    id="04.8",
    title="a training step",
    difficulty="hard",
    minutes=18,
    section="Build it: a training step",
    signature="(V, D), optimizer, (B, T), (B, T), (B, U), (B, U), float -> scalar; the table is changed",
    reference=training_step,
    another=_step_by_hand,
    draw=_draw_step,
    may_change=(0,),
    observe=_loss_and_table,
    situations=(
        Situation("there is padding", lambda t, o, q, qm, d, dm, *rest: bool((qm == 0).any() or (dm == 0).any())),
        Situation("there is more than one pair", lambda t, o, q, *rest: len(q) > 1),
        Situation("there is one pair only", lambda t, o, q, *rest: len(q) == 1),
        Situation("the temperature is not 1", lambda *args: args[-1] != 1.0),
    ),
    cases=(
        Case(
            "two pairs along the axes, temperature 1",
            _two_words,
            {
                "loss": 0.3132617,
                "table": torch.tensor(
                    [[9.0, 9.0], [1.0, -0.0672353], [-0.0672353, 1.0], [1.0, -0.0672353], [-0.0672353, 1.0]]
                ),
            },
        ),
        Case("an old gradient in the table", _third_step),
    ),
    mistakes=(
        Mistake(
            "the old gradient is kept",
            _step_with(order="backward step"),
            "The gradient of the step before is still in the table when yours is added to it, so you follow a mixture of the two. "
            "Clear it before going backward.",
        ),
        Mistake(
            "the table stays as it was",
            _step_with(order="zero backward"),
            "The table stays as it was. Either the optimizer is never told to step, or there is no gradient when it does: it was "
            "cleared after going backward, or going backward comes later.",
        ),
        Mistake(
            "stepped before going backward",
            _step_with(order="step zero backward"),
            "You step before the gradient of this batch is worked out: what is followed is the one that the step before has left.",
        ),
        Mistake(
            "padding is averaged in",
            _step_with(pool=lambda hidden, mask: hidden.mean(dim=1)),
            "Padding is averaged in: the vectors of the padding take part in every short text, and are trained with it. Only where "
            "the mask is 1 is there a token (chapter 02).",
        ),
        Mistake(
            "one direction only",
            _step_with(loss=info_nce),
            "Your loss has one direction, from queries to passages. The symmetric loss of 04.3 is asked for.",
        ),
        Mistake(
            "temperature forgotten",
            _step_with(loss=lambda q, d, temperature: symmetric(q, d, 1.0)),
            "The temperature does not reach the loss: you train at temperature 1, whatever was asked for.",
        ),
        Mistake(
            "scale and temperature swapped",
            _step_with(loss=lambda q, d, temperature: symmetric(q, d, 1 / temperature)),
            "Scale and temperature are swapped on the way into the loss: it divides by the temperature already.",
        ),
        Mistake(
            "only the pull",
            _step_with(loss=lambda q, d, temperature: (1 - cos_sim(q, d).diagonal()).mean()),
            "Your loss only pulls, as at the beginning of the chapter. Nothing in it keeps the texts apart.",
        ),
        Mistake(
            "a step for each direction",
            _two_steps,
            "You take two steps, one for each direction: the second loss is that of a table that has moved already. Add the two "
            "directions up to one loss, go backward once and step once.",
        ),
        Mistake(
            "the rows of the table are normalized first",
            lambda table, optimizer, *batch: _step_with(pool=lambda h, m: mean_pool(normalize(h), m))(
                table, optimizer, *batch
            ),
            "You bring each row of the table to length 1 before its text takes the mean, so that all tokens count alike. A text is "
            "the mean of the rows as they are.",
        ),
        Mistake(
            "padding adds row 0",
            _ids_masked,
            "You multiply the ids by the mask, so padding becomes id 0, and row 0 of the table is added for each place of padding. "
            "The mask belongs to the vectors: multiply those.",
        ),
        Mistake(
            "the loss after the step",
            _loss_after,
            "The table is right, and the loss that you return is the one after the step. Asked for is the one that the gradient "
            "belongs to.",
        ),
    ),
    hints=(
        "Four parts: token vectors from the table, one vector per text, the loss, the three calls of every training loop.",
        "Index the table with ids to get (B, T, D). Average over tokens with the mask, for both sides. Then the symmetric loss.",
        "In this order: clear the old gradient, go backward from the loss, let the optimizer step; return the loss as a number.",
    ),
)

EXERCISES = (INFO_NCE, NEGATIVES, SYMMETRIC, NT_XENT, GRADIENT, UNIFORMITY, REVERSED, STEP)
