"""The exercises of chapter 06: what a prompt does to a vector, and how two towers learn and search."""

import random
from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbook import pooling
from workbook.encoder.text_encoder import behind
from workbook.exercises import compare, draws
from workbook.exercises.chapter_04 import axes, info_nce, pairs
from workbook.exercises.exercise import Answer, Case, Exercise, Mistake, Property, Reversed, Situation
from workbook.similarity import cos_sim, top_k

# --- 06.1 the pull of a prompt ---------------------------------------------------------------


def pull_of_prompt(prompt: Tensor, text: Tensor) -> float:
    """The cosine between the mean of a text's tokens and the mean of prompt and text together: (P, D), (T, D) -> float."""
    return _cosine(text.mean(dim=0), torch.cat([prompt, text]).mean(dim=0))


def _cosine(a: Tensor, b: Tensor) -> float:
    return float(F.cosine_similarity(a, b, dim=0))


def _pull_by_sums(prompt, text):
    alone = [sum(float(token[d]) for token in text) for d in range(text.shape[1])]
    both = [a + sum(float(token[d]) for token in prompt) for d, a in enumerate(alone)]
    dot = sum(a * b for a, b in zip(alone, both, strict=True))
    return dot / (sum(a * a for a in alone) * sum(b * b for b in both)) ** 0.5


def _right_angle() -> tuple[Tensor, Tensor]:
    return torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.0, 1.0]])


def _random_prompt(P: int, T: int) -> Callable[[], tuple[Tensor, Tensor]]:
    def make() -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(P + 10 * T)
        return torch.randn(P, 4, generator=generator) + 0.5, torch.randn(T, 4, generator=generator)

    return make


def _draw_prompt(rng: random.Random) -> tuple[Tensor, Tensor]:
    D = rng.randint(2, 4)
    while True:
        prompt, text = draws.numbers(rng, rng.randint(1, 3), D), draws.numbers(rng, rng.randint(1, 5), D)
        both = torch.cat([prompt, text])
        if min(float(x.mean(0).norm()) for x in (text, prompt, both)) > 0.2 and text.norm(dim=1).min() > 0.2:
            return prompt, text


PULL = Exercise(
    id="06.1",
    title="the pull of a prompt",
    difficulty="easy",
    minutes=6,
    section="Build it: the pull of a prompt",
    signature="(P, D), (T, D) -> float",
    reference=pull_of_prompt,
    another=_pull_by_sums,
    draw=_draw_prompt,
    situations=(
        Situation("the prompt has more tokens than the text", lambda prompt, text: len(prompt) > len(text)),
        Situation("the text has more tokens than the prompt", lambda prompt, text: len(prompt) < len(text)),
        Situation("the prompt has more than one token", lambda prompt, text: len(prompt) > 1),
        Situation("the text has more than one token", lambda prompt, text: len(text) > 1),
    ),
    cases=(
        Case("two prompt tokens at 0 degrees, one text token at 90", _right_angle, 0.4472136),
        Case("three prompt tokens and five of a text", _random_prompt(3, 5)),
        Case("two prompt tokens and seven of a text", _random_prompt(2, 7)),
    ),
    mistakes=(
        Mistake(
            "prompt against text",
            lambda prompt, text: _cosine(prompt.mean(0), text.mean(0)),
            "You compare the prompt's mean with the text's. Asked for is how far the text's own vector moves: the mean without the "
            "prompt against the mean with it.",
        ),
        Mistake(
            "prompt against both",
            lambda prompt, text: _cosine(prompt.mean(0), torch.cat([prompt, text]).mean(0)),
            "You compare the mean of everything with the prompt's mean. Compare it with the mean of the *text's* tokens.",
        ),
        Mistake(
            "two means averaged",
            lambda prompt, text: _cosine(text.mean(0), (prompt.mean(0) + text.mean(0)) / 2),
            "You average two means, so the prompt as a whole weighs as much as the text as a whole. In mean pooling every *token* "
            "weighs the same: a prompt weighs much in a short text and little in a long one.",
        ),
        Mistake(
            "the prompt counts as one token",
            lambda prompt, text: _cosine(text.mean(0), torch.cat([prompt.mean(0, keepdim=True), text]).mean(0)),
            "You put the prompt in as one token, its mean. It has P tokens, and each of them is averaged in.",
        ),
        Mistake(
            "a dot product",
            lambda prompt, text: float(text.mean(0) @ torch.cat([prompt, text]).mean(0)),
            "This is the dot product of the two means. A cosine divides by both lengths.",
        ),
        Mistake(
            "one minus the cosine",
            lambda prompt, text: 1 - pull_of_prompt(prompt, text),
            "This is one minus the cosine, which is 0 where nothing moves. Asked for is the cosine itself.",
        ),
        Mistake(
            "the mean of cosines",
            lambda prompt, text: float(F.cosine_similarity(text, torch.cat([prompt, text]).mean(0), dim=1).mean()),
            "You compare every token of the text with the mean of all, and average the cosines. First the mean of the text, then one "
            "cosine.",
        ),
        Mistake(
            "tokens of length 1",
            lambda prompt, text: pull_of_prompt(F.normalize(prompt, dim=1), F.normalize(text, dim=1)),
            "You bring every token to length 1 before the mean. Mean pooling takes tokens as they are: a longer token counts for more.",
        ),
        Mistake(
            "medians",
            lambda prompt, text: _cosine(text.median(dim=0).values, torch.cat([prompt, text]).median(dim=0).values),
            "You take medians. Pooling takes means: a single token that lies far away counts.",
        ),
    ),
    hints=(
        "Which two vectors are compared? Both are means; one is over fewer tokens.",
        "Stand prompt and text below one another, (P + T, D), and take the mean down the tokens.",
        "The cosine of the text's mean and that mean, as a number.",
    ),
)


# --- 06.2 mean pooling without the prompt ----------------------------------------------------


def mean_pool_without_prompt(hidden: Tensor, mask: Tensor, skip: int) -> Tensor:
    """The mean of a text's tokens behind the first `skip` of them: (B, T, D), (B, T), int -> (B, D)."""
    return pooling.mean_pool(hidden, behind(mask, skip))


def _without_prompt_loop(hidden, mask, skip):
    rows = []
    for text, row in zip(hidden, mask, strict=True):
        tokens = text[row.bool()][skip:]
        rows.append(tokens.mean(0) if len(tokens) else 0 * text[0])
    return torch.stack(rows)


def zero_first_columns(hidden: Tensor, mask: Tensor, skip: int) -> Tensor:
    """The mean over a mask whose first `skip` columns are zero, wherever the tokens begin."""
    cut = mask.clone()
    cut[:, :skip] = 0
    return pooling.mean_pool(hidden, cut)


def _divided(hidden: Tensor, keep: Tensor, by: Tensor) -> Tensor:
    """Kept tokens added up, (B, T, D), (B, T), and divided by (B, 1)."""
    return (hidden * keep[..., None]).sum(dim=1) / by


def _from_the_end(mask: Tensor, skip: int) -> Tensor:
    return mask * (mask.flip(1).cumsum(dim=1).flip(1) > skip)


def _two_prompted() -> tuple[Tensor, Tensor, int]:
    """A prompt of one token: [9] before 1 and 3, padded on neither side, and before 5, padded on the left."""
    hidden = torch.tensor([[[9.0], [1.0], [3.0]], [[7.0], [9.0], [5.0]]])
    return hidden, torch.tensor([[1, 1, 1], [0, 1, 1]]), 1


def _right_padded_prompts() -> tuple[Tensor, Tensor, int]:
    hidden = torch.randn(4, 7, 3, generator=torch.Generator().manual_seed(6))
    return hidden, (torch.arange(7) < torch.tensor([7, 5, 3, 2])[:, None]).long(), 2


def _left_padded_prompts() -> tuple[Tensor, Tensor, int]:
    hidden, mask, skip = _right_padded_prompts()
    return hidden, mask.flip(1), skip


def _draw_prompted(rng: random.Random) -> tuple[Tensor, Tensor, int]:
    hidden, mask = draws.texts(rng)
    return hidden, mask, rng.choice((0, 1, 1, 2, 3))


def _padding_changes_nothing(pool: Answer) -> str | None:
    hidden, mask, skip = _right_padded_prompts()
    alone = pool(hidden, mask, skip)
    for side in (0, 1):
        filled = torch.full((len(hidden), 3, hidden.shape[2]), 7.0), torch.zeros(len(hidden), 3).long()
        both = [torch.cat(pair if side else pair[::-1], dim=1) for pair in zip((hidden, mask), filled, strict=True)]
        change = (pool(*both, skip) - alone).abs().max()
        if change > 1e-5:
            return f"three more padded positions on the {'right' if side else 'left'} moved a vector by {change:.3f}"
    return None


def _tokens_left(hidden: Tensor, mask: Tensor, skip: int) -> Tensor:
    return mask.sum(dim=1) - skip


WITHOUT_PROMPT = Exercise(
    id="06.2",
    title="a mean that leaves the prompt out",
    difficulty="medium",
    minutes=10,
    section="Build it: read, and not averaged",
    signature="(B, T, D), (B, T), int -> (B, D)",
    reference=mean_pool_without_prompt,
    another=_without_prompt_loop,
    gradient=True,
    draw=_draw_prompted,
    situations=(
        *(each for each in draws.TEXTS if each.name != "a text has more than one token"),
        Situation("there is no prompt", lambda hidden, mask, skip: skip == 0),
        Situation("there is a prompt", lambda hidden, mask, skip: skip > 0),
        Situation("nothing of a text is left", lambda *args: bool((_tokens_left(*args) <= 0).any())),
        Situation("a text is shorter than the prompt", lambda *args: bool((_tokens_left(*args) < 0).any())),
    ),
    cases=(
        Case("a prompt of one token", _two_prompted, torch.tensor([[2.0], [5.0]])),
        Case("padding on the right", _right_padded_prompts),
        Case("padding on the left", _left_padded_prompts),
    ),
    properties=(Property("padding changes nothing", _padding_changes_nothing),),
    mistakes=(
        Mistake(
            "the prompt stays in",
            lambda hidden, mask, skip: pooling.mean_pool(hidden, mask),
            "The prompt's tokens are still averaged in: this is the mean of all tokens.",
        ),
        Mistake(
            "the first columns are cleared",
            zero_first_columns,
            "You clear the first `skip` columns. Where padding stands on the left, those columns hold padding, and the prompt stays. "
            "Tokens must be counted from the first *token* of each row.",
        ),
        Mistake(
            "left out of the sum, not of the number",
            lambda hidden, mask, skip: _divided(
                hidden, mask * (mask.cumsum(1) > skip), mask.sum(1, keepdim=True).clamp(min=1)
            ),
            "The prompt is left out of the sum and still counted in what you divide by. The vector becomes too short, by another factor "
            "in each text. (A cosine would not see it; a dot product does.)",
        ),
        Mistake(
            "one token too few is left out",
            lambda hidden, mask, skip: pooling.mean_pool(hidden, mask * (mask.cumsum(1) >= skip)),
            "The last token of the prompt is still averaged in. After counting, the first token carries number 1, so a prompt of "
            "`skip` tokens carries the numbers 1 to `skip`.",
        ),
        Mistake(
            "only the prompt",
            lambda hidden, mask, skip: pooling.mean_pool(hidden, mask * (mask.cumsum(1) <= skip)),
            "You average the prompt and leave the text out.",
        ),
        Mistake(
            "a mean minus a mean",
            lambda hidden, mask, skip: (
                pooling.mean_pool(hidden, mask) - pooling.mean_pool(hidden, mask * (mask.cumsum(1) <= skip))
            ),
            "You take the prompt's mean from the mean of all tokens. Sums can be taken from one another so; means of different "
            "numbers of tokens cannot.",
        ),
        Mistake(
            "the last tokens are left out",
            lambda hidden, mask, skip: pooling.mean_pool(hidden, _from_the_end(mask, skip)),
            "You leave out the last `skip` tokens. A prompt stands before its text.",
        ),
        Mistake(
            "nothing left gives NaN",
            lambda hidden, mask, skip: _divided(
                hidden, mask * (mask.cumsum(1) > skip), (mask * (mask.cumsum(1) > skip)).sum(1, keepdim=True)
            ),
            "Where nothing is left behind the prompt you divide by zero. Such a text has the zero vector.",
        ),
    ),
    hints=(
        "Number the tokens of each row: 1 for the first token, wherever it stands. Which operation on the mask does that?",
        "`mask.cumsum(dim=1)` numbers the tokens. Keep those of the mask whose number is larger than `skip`.",
        "With that mask take the masked mean of chapter 02, and divide by 1 where nothing is left.",
    ),
)


# --- 06.3 two gradients, and their sum -------------------------------------------------------


def tower_gradients(
    weight: Tensor, queries: Tensor, passages: Tensor, temperature: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of a query tower, of a document tower that starts equal, and of one shared tower: three times (D, F)."""
    first, second = (weight.detach().clone().requires_grad_() for _ in range(2))
    loss = _loss_of_towers(first, second, queries, passages, temperature)
    query, document = torch.autograd.grad(loss, (first, second))
    return query, document, query + document


def _loss_of_towers(a: Tensor, b: Tensor, queries: Tensor, passages: Tensor, temperature: float) -> Tensor:
    return info_nce(queries @ a.T, passages @ b.T, temperature)


def _shared_first(weight, queries, passages, temperature):
    shared = weight.detach().clone().requires_grad_()
    (both,) = torch.autograd.grad(_loss_of_towers(shared, shared, queries, passages, temperature), shared)
    (query,) = torch.autograd.grad(_loss_of_towers(shared, shared.detach(), queries, passages, temperature), shared)
    return query, both - query, both


def _with(change: Callable[[Tensor, Tensor, Tensor], tuple]) -> Answer:
    return lambda *args: change(*tower_gradients(*args))


def _of_another_loss(loss: Callable[..., Tensor]) -> Answer:
    def gradients(weight, queries, passages, temperature):
        towers = [weight.detach().clone().requires_grad_() for _ in range(2)]
        q, d = queries @ towers[0].T, passages @ towers[1].T
        query, document = torch.autograd.grad(loss(q, d, temperature), towers)
        return query, document, query + document

    return gradients


def _dot_loss(q: Tensor, d: Tensor, temperature: float) -> Tensor:
    return F.cross_entropy(q @ d.T / temperature, torch.arange(len(q)))


def _each_side_with_itself(weight, queries, passages, temperature):
    return (
        tower_gradients(weight, queries, queries, temperature)[0],
        tower_gradients(weight, passages, passages, temperature)[1],
        tower_gradients(weight, queries, passages, temperature)[2],
    )


def _of_unit_texts(weight, queries, passages, temperature):
    """Texts of length 1 go in, and vectors of any length are multiplied."""
    return _of_another_loss(_dot_loss)(weight, F.normalize(queries, dim=1), F.normalize(passages, dim=1), temperature)


def _leaves_the_weight_alone(answer: Answer) -> str | None:
    weight, *rest = _five_pairs()
    answer(weight, *rest)
    if weight.grad is not None:
        return "after the call a gradient lies in `weight.grad`; the next backward of whoever owns it adds to it"
    return "after the call `weight` asks for gradients, and it did not before" if weight.requires_grad else None


def _axes_towers() -> tuple[Tensor, Tensor, Tensor, float]:
    return torch.eye(2), *axes(), 1.0


def _five_pairs() -> tuple[Tensor, Tensor, Tensor, float]:
    queries, passages = pairs()
    weight = torch.randn(3, queries.shape[1], generator=torch.Generator().manual_seed(7))
    return weight, queries, passages, 0.2


def _draw_towers(rng: random.Random) -> tuple[Tensor, Tensor, Tensor, float]:
    B, inputs, D = rng.randint(1, 4), rng.randint(2, 3), rng.randint(2, 3)
    while True:
        weight, queries, passages = (draws.numbers(rng, n, inputs) for n in (D, B, B))
        lengths = torch.cat([queries @ weight.T, passages @ weight.T]).norm(dim=1)
        if lengths.min() > 0.3:
            return weight, queries, passages, rng.choice((0.2, 0.5, 1.0, 1.0))


GRADIENTS = Exercise(
    id="06.3",
    title="two towers and a shared one",
    difficulty="medium",
    minutes=12,
    section="Build it: whose gradient is it?",
    signature="(D, F), (B, F), (B, F), float -> (D, F), (D, F), (D, F)",
    reference=tower_gradients,
    another=_shared_first,
    draw=_draw_towers,
    situations=(
        Situation("there is one pair only", lambda weight, queries, *rest: len(queries) == 1),
        Situation("there is more than one pair", lambda weight, queries, *rest: len(queries) > 1),
        Situation("the temperature is not 1", lambda *args: args[-1] != 1.0),
    ),
    cases=(
        Case(
            "two pairs along the axes, a tower that changes nothing",
            _axes_towers,
            (
                torch.tensor([[0.0, 0.1344707], [0.1344707, 0.0]]),
                torch.tensor([[0.0, 0.1344707], [0.1344707, 0.0]]),
                torch.tensor([[0.0, 0.2689414], [0.2689414, 0.0]]),
            ),
        ),
        Case("five random pairs", _five_pairs),
    ),
    properties=(Property("the caller's weight is left as it is", _leaves_the_weight_alone),),
    mistakes=(
        Mistake(
            "the mean of both",
            _with(lambda q, d, both: (q, d, both / 2)),
            "Your shared gradient is the mean of the two. A weight that is used twice gets the *sum* of what both uses ask for: that is "
            "the chain rule.",
        ),
        Mistake(
            "the documents stand still",
            _with(lambda q, d, both: (q, d, q)),
            "Your shared tower gets the query side's gradient alone, as if documents were fixed vectors. It reads the passages as well, "
            "and that use has a gradient too.",
        ),
        Mistake(
            "one tower under two names",
            _with(lambda q, d, both: (both, both, both)),
            "All three are the gradient of the shared tower. Both of your towers are one and the same tensor, so what belongs to one use "
            "and what to the other has been added up already. Make two copies of the weight.",
        ),
        Mistake(
            "the towers are exchanged",
            _with(lambda q, d, both: (d, q, both)),
            "The first two are exchanged: the query tower's gradient comes first.",
        ),
        Mistake(
            "each side chooses among itself",
            _each_side_with_itself,
            "Your query tower is compared with queries and your document tower with passages. There is one loss, between the two sides, "
            "and each tower has a gradient of it.",
        ),
        Mistake(
            "a dot product",
            _of_another_loss(_dot_loss),
            "Your logits are dot products. The loss takes cosines: a vector's length must not count.",
        ),
        Mistake(
            "temperature forgotten",
            lambda weight, queries, passages, temperature: tower_gradients(weight, queries, passages, 1.0),
            "The temperature does not reach the loss: divide the cosines by it.",
        ),
        Mistake(
            "passages choose queries",
            _of_another_loss(lambda q, d, temperature: info_nce(d, q, temperature)),
            "Your softmax runs over queries: each passage chooses its query. The loss of 04.1 lets each query choose its passage.",
        ),
        Mistake(
            "the sign is turned",
            _with(lambda q, d, both: (-q, -d, -both)),
            "All three have the wrong sign. A gradient points to where the loss rises; a step goes against it later.",
        ),
        Mistake(
            "normalized down the batch",
            _of_another_loss(
                lambda q, d, temperature: _dot_loss(F.normalize(q, dim=0), F.normalize(d, dim=0), temperature)
            ),
            "You divide each dimension by its length down the batch, dim 0. A cosine divides each vector, each row, by its own length.",
        ),
        Mistake(
            "texts of length 1 instead of vectors",
            _of_unit_texts,
            "You bring the inputs to length 1. What must have length 1 is what a tower gives, after the multiplication by its weight.",
        ),
        Mistake(
            "nothing to choose from",
            _of_another_loss(lambda q, d, temperature: -F.cosine_similarity(q, d).mean() / temperature),
            "Your loss looks at the pairs alone: nothing pushes a query away from the other passages. InfoNCE has a softmax over all "
            "passages of the batch.",
        ),
    ),
    hints=(
        "Two towers that start equal are two tensors with equal numbers. Which tensor reads which side?",
        "Copy the weight twice, ask both copies for a gradient, take one loss, and go back from it to both.",
        "For the shared tower: what does the chain rule do with a weight that the loss depends on in two ways?",
    ),
)


# --- 06.4 search by role ---------------------------------------------------------------------


class Letters:
    """What stands for an encoder: it knows the letters a, b, c, q, p and the blank, and earlier ones count for more.

    A capital is the opposite of its small letter. n texts -> (n, 6).
    """

    def __call__(self, texts: Sequence[str]) -> Tensor:
        if isinstance(texts, str):
            raise TypeError("encode takes a list of texts, and got one text")
        rows = torch.zeros(len(texts), 6)
        for row, text in enumerate(texts):
            for place, letter in enumerate(text):
                if letter.lower() in "abcqp ":
                    rows[row, "abcqp ".index(letter.lower())] += (-1 if letter.isupper() else 1) / (1 + place)
        return rows

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Letters)

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "an encoder of letters"


def search_by_role(
    encode: Callable[[list[str]], Tensor], prompts: tuple[str, str], queries: list[str], documents: list[str], k: int
) -> Tensor:
    """For each query the numbers of the k nearest documents, each side read with its prompt: -> (Q, K)."""
    query, document = prompts
    return _search(encode, [query + text for text in queries], [document + text for text in documents], k)


def _search(encode, queries, documents, k, score=cos_sim):
    return top_k(encode(queries), encode(documents), k, score=score)[1]


def _search_loop(encode, prompts, queries, documents, k):
    corpus = [encode([prompts[1] + text])[0] for text in documents]
    rows = []
    for text in queries:
        q = encode([prompts[0] + text])[0]
        scores = [_cosine(q, d) for d in corpus]
        rows.append(sorted(range(len(documents)), key=lambda j: -scores[j])[:k])
    return torch.tensor(rows)


def _joined(join: Callable[[str, str], str]) -> Answer:
    """The search, with prompt and text joined in another way."""

    def search(encode, prompts, queries, documents, k):
        return _search(encode, [join(prompts[0], t) for t in queries], [join(prompts[1], t) for t in documents], k)

    return search


def _scored(score: Callable[[Tensor, Tensor], Tensor]) -> Answer:
    def search(encode, prompts, queries, documents, k):
        return _search(encode, [prompts[0] + t for t in queries], [prompts[1] + t for t in documents], k, score)

    return search


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return a @ b.T


def _roles(change: Callable[[str, str], tuple[str, str]]) -> Answer:
    def search(encode, prompts, queries, documents, k):
        return search_by_role(encode, change(*prompts), queries, documents, k)

    return search


def _worst_first(encode, prompts, queries, documents, k):
    everything = search_by_role(encode, prompts, queries, documents, len(documents))
    return everything.flip(1)[:, :k]


def _queries_for_documents(encode, prompts, queries, documents, k):
    return _search(encode, [prompts[1] + t for t in documents], [prompts[0] + t for t in queries], k)


def _first_letters(queries: list[str]) -> Callable[[], tuple]:
    return lambda: (
        Letters(), ("Q ", "pa "), list(queries), ["abc", "cAb", "bb", "Ca", "a", "bca", "cCb", "acC"], 3,
    )  # fmt: skip


def _draw_roles(rng: random.Random) -> tuple:
    prompts, queries, documents, k = _clear_search(rng.getrandbits(32))
    return Letters(), prompts, list(queries), list(documents), k


@cache
def _clear_search(seed: int) -> tuple[tuple[str, str], list[str], list[str], int]:
    """A drawn search, kept: a check draws each of them for every known mistake again."""
    rng = random.Random(seed)

    def word() -> str:
        return "".join(rng.choice("aabbcqpABC ") for _ in range(rng.randint(1, 4)))

    while True:
        prompts = rng.choice((("q", "p"), ("q ", "p "), ("Q ", "P "), ("q", "pB "), ("q ", ""), ("bq", "pa")))
        queries = [word() for _ in range(rng.randint(1, 3))]
        documents = list(dict.fromkeys(word() for _ in range(rng.randint(2, 6))))
        if len(documents) > 1 and all(_is_clear(join, prompts, queries, documents) for join in JOINS):
            return prompts, queries, documents, rng.choice((1, 2, 3, 9))


JOINS: tuple[Callable[[str, str], str], ...] = (
    lambda prompt, text: prompt + text,
    lambda prompt, text: prompt.strip() + text,
    lambda prompt, text: (prompt + text).strip(),
    lambda prompt, text: (prompt + text).lower(),
    lambda prompt, text: f"{prompt} {text}",
    lambda prompt, text: f"{prompt} {text}".lstrip(),
)


def _is_clear(join: Callable[[str, str], str], prompts: Sequence[str], *sides: list[str]) -> bool:
    """Whether no vector is near zero and no two cosines of a query are, with or without their sign, alike."""
    read = [Letters()([join(prompt, text) for text in texts]) for prompt, texts in zip(prompts, sides, strict=True)]
    scores = cos_sim(*read)
    steps = torch.cat([scores.sort(dim=1).values.diff(dim=1), scores.abs().sort(dim=1).values.diff(dim=1)])
    return bool(torch.cat(read).norm(dim=1).min() > 0.1) and bool((steps > 1e-3).all())


ROLES = Exercise(
    id="06.4",
    title="search by role",
    difficulty="easy",
    minutes=8,
    section="Build it: search by role",
    signature="encode, (str, str), Q texts, N texts, int -> (Q, K)",
    reference=search_by_role,
    another=_search_loop,
    draw=_draw_roles,
    situations=(
        Situation("there are fewer documents than k", lambda encode, prompts, q, d, k: len(d) < k),
        Situation("only queries have a prompt", lambda encode, prompts, q, d, k: not prompts[1]),
        Situation("a prompt ends with a blank", lambda encode, prompts, q, d, k: prompts[0].endswith(" ")),
        Situation("there is more than one query", lambda encode, prompts, q, d, k: len(q) > 1),
        Situation("more than one document is asked for", lambda encode, prompts, q, d, k: k > 1),
    ),
    cases=(
        Case(
            "the letters a and b, one result",
            lambda: (Letters(), ("q", "p"), ["a", "b"], ["b", "a"], 1),
            torch.tensor([[1], [0]]),
        ),
        Case("five queries, eight documents", _first_letters(["ab", "c", "bca", "b", "cb"])),
        Case("more asked for than there is", lambda: (Letters(), ("qb", "p"), ["ab", "ca"], ["abc", "bb", "ccb"], 5)),
    ),
    mistakes=(
        Mistake(
            "prompts forgotten",
            _roles(lambda q, d: ("", "")),
            "Neither side gets its prompt. The encoder then reads texts of a kind that it was not trained on, and no error says so.",
        ),
        Mistake(
            "prompts exchanged",
            _roles(lambda q, d: (d, q)),
            "The prompts are exchanged: queries are announced as documents, and documents as queries.",
        ),
        Mistake(
            "the query's prompt on both sides",
            _roles(lambda q, d: (q, q)),
            "Documents get the query's prompt, too. One call for both roles does that: it cannot know which side it reads.",
        ),
        Mistake(
            "the document's prompt on both sides",
            _roles(lambda q, d: (d, d)),
            "Queries get the document's prompt. One call for both roles does that: it cannot know which side it reads.",
        ),
        Mistake(
            "queries without their prompt",
            _roles(lambda q, d: ("", d)),
            "The queries have no prompt. Documents were embedded last week with theirs; the prompt forgotten today is the query's.",
        ),
        Mistake(
            "documents without their prompt",
            _roles(lambda q, d: (q, "")),
            "The documents have no prompt. They need theirs where one is given, though some models have one for queries alone.",
        ),
        Mistake(
            "a blank between prompt and text",
            _joined(lambda prompt, text: f"{prompt} {text}"),
            "You put a blank between prompt and text. A prompt is put before the text exactly as it stands; where a blank belongs, it "
            "is in the prompt.",
        ),
        Mistake(
            "a blank, and none at the beginning",
            _joined(lambda prompt, text: f"{prompt} {text}".lstrip()),
            "You put a blank between prompt and text, and take one away at the beginning. Join both exactly as they stand.",
        ),
        Mistake(
            "blanks of the prompt are taken away",
            _joined(lambda prompt, text: prompt.strip() + text),
            'You take the blanks at the ends of the prompts away. They belong to them: the model has read "query: " with its blank.',
        ),
        Mistake(
            "blanks are taken away",
            _joined(lambda prompt, text: (prompt + text).strip()),
            "You take blanks at the ends of the joined text away. Prompt and text are read exactly as they stand.",
        ),
        Mistake(
            "small letters only",
            _joined(lambda prompt, text: (prompt + text).lower()),
            "You turn capitals into small letters. Whether they count is for the encoder to decide; a prompt is put there letter by letter.",
        ),
        Mistake(
            "the prompt behind the text",
            _joined(lambda prompt, text: text + prompt),
            "You put the prompt behind the text. It stands before it, as it did in training.",
        ),
        Mistake(
            "a dot product",
            _scored(_dot),
            "You sort by dot products. These vectors have different lengths, and a long one wins without being nearer: take the cosine.",
        ),
        Mistake(
            "the sign of the cosine is lost",
            _scored(lambda a, b: cos_sim(a, b).abs()),
            "You sort by the size of the cosine without its sign. A document at −1 points the other way: it is the farthest there is.",
        ),
        Mistake(
            "normalized down the batch",
            _scored(lambda a, b: F.normalize(a, dim=0) @ F.normalize(b, dim=0).T),
            "You divide each dimension by its length down the batch, dim 0. A cosine divides each vector, each row, by its own length.",
        ),
        Mistake(
            "the worst first",
            _worst_first,
            "The order is turned: the farthest documents come first. A cosine is a similarity, larger is nearer.",
        ),
        Mistake(
            "documents ask for queries",
            _queries_for_documents,
            "You return, for each document, the nearest queries. Rows are queries.",
        ),
    ),
    hints=(
        "What does the encoder have to be given for a query? And for a document?",
        "Join prompt and text, encode each side once, take the cosines (Q, N).",
        "The numbers of the K largest of each row, K being the smaller one of k and N.",
    ),
)


# --- 06.5 where cleared columns fail ---------------------------------------------------------


def smallest_batch() -> tuple[Tensor, Tensor, int]:
    """One text of a padded position, a prompt of one token and one more token, in one dimension."""
    return torch.tensor([[[0.0], [9.0], [1.0]]]), torch.tensor([[0, 1, 1]]), 1


def _not_a_prompted_batch(hidden: Tensor, mask: Tensor, skip: int) -> str | None:
    if not isinstance(hidden, Tensor) or not hidden.is_floating_point() or hidden.ndim != 3 or not hidden.numel():
        return "hidden must be a tensor of floats (B, T, D), with at least one number"
    if not isinstance(mask, Tensor) or mask.shape != hidden.shape[:2] or mask.is_floating_point():
        return f"mask must be a tensor of whole numbers (B, T) = {tuple(hidden.shape[:2])}, 1 for a token and 0 for padding"
    mask = mask.long()
    if not bool(((mask == 0) | (mask == 1)).all()) or not hidden.isfinite().all():
        return "the mask holds 0 and 1 alone, and hidden finite numbers"
    if isinstance(skip, bool) or not isinstance(skip, int) or skip < 0:
        return f"skip must be a whole number of 0 or more, got {skip!r}"
    if bool((mask.diff(dim=1).abs().sum(dim=1) > 1).any()):
        return "padding stands on one side of a text, not inside it or on both sides"
    if bool((mask.sum(dim=1) <= skip).any()):
        return "each text has at least one token behind its prompt: more tokens than skip says"
    return None


def _pads_left(mask: Tensor) -> Tensor:
    return (mask[:, 0] == 0) & (mask[:, -1] == 1)


def _is_turned_round(hidden: Tensor, mask: Tensor, skip: int) -> bool:
    """Whether the mask is allowed, and padded on the left, once 0 and 1 are exchanged."""
    turned = 1 - mask.long()
    return _not_a_prompted_batch(hidden, turned, skip) is None and bool(_pads_left(turned).any())


def _whole(pool: Answer) -> Answer:
    """A mean that takes a mask of true and false as one of 1 and 0."""
    return lambda hidden, mask, skip: pool(hidden, mask.long(), skip)


FIND_FAULT = Reversed(
    id="06.5",
    title="where cleared columns fail",
    difficulty="medium",
    minutes=8,
    section="Build it: where cleared columns fail",
    signature="() -> hidden (B, T, D), mask (B, T), skip",
    reference=smallest_batch,
    another=lambda: (torch.tensor([[[5.0], [-2.0], [4.0]]]), torch.tensor([[0, 1, 1]]), 1),
    right=_whole(mean_pool_without_prompt),
    wrong=_whole(zero_first_columns),
    valid=_not_a_prompted_batch,
    measure=lambda hidden, mask, skip: hidden.numel(),
    smallest=3,
    cases=(Case("your batch", lambda: (), smallest_batch()),),
    mistakes=(
        Mistake(
            "there is no prompt",
            lambda: (torch.tensor([[[0.0], [9.0], [1.0]]]), torch.tensor([[0, 1, 1]]), 0),
            "There is no prompt: with skip = 0 neither function leaves anything out.",
            when=lambda hidden, mask, skip: skip == 0,
        ),
        Mistake(
            "nothing is padded",
            lambda: (torch.tensor([[[9.0], [1.0]]]), torch.tensor([[1, 1]]), 1),
            "Nothing is padded, so the first columns hold the prompt, and to clear them is right.",
            when=lambda hidden, mask, skip: bool((mask == 1).all()),
        ),
        Mistake(
            "padding on the right",
            lambda: (torch.tensor([[[9.0], [1.0], [0.0]]]), torch.tensor([[1, 1, 0]]), 1),
            "Padding stands on the right, so every prompt stands in the first columns, and to clear them is right.",
            when=lambda hidden, mask, skip: not bool(_pads_left(mask).any()),
        ),
        Mistake(
            "the mean does not change",
            lambda: (torch.tensor([[[0.0], [1.0], [1.0]]]), torch.tensor([[0, 1, 1]]), 1),
            "The prompt stays in, and nobody sees it: with these numbers the mean is the same with those tokens and without.",
            when=lambda hidden, mask, skip: torch.allclose(
                _whole(mean_pool_without_prompt)(hidden, mask, skip), _whole(zero_first_columns)(hidden, mask, skip)
            ),
        ),
        Mistake(
            "1 for padding",
            lambda: (torch.tensor([[[0.0], [9.0], [1.0]]]), torch.tensor([[1, 0, 0]]), 1),
            "Your mask has 1 for padding and 0 for tokens. It is the other way round: 1 stands for a token.",
            when=_is_turned_round,
        ),
        Mistake(
            "more than it takes",
            lambda: (torch.tensor([[[0.0, 0.0], [9.0, 0.0], [1.0, 1.0]]]), torch.tensor([[0, 1, 1]]), 1),
            "This shows the mistake, with more than it takes. How many texts, positions and dimensions can you leave out?",
            when=lambda hidden, mask, skip: hidden.numel() > 3,
        ),
    ),
    hints=(
        "Where does the prompt stand when a short text is padded on the left, as decoders expect?",
        "Clearing the first columns must hit padding instead of the prompt, and there must be text behind the prompt.",
        "One text, one dimension: a padded position, a prompt of one token, and a token that differs from it.",
    ),
)


# --- 06.6 a training step --------------------------------------------------------------------

ALPHABET = "abcqp AQP"
IDS = len(ALPHABET) + 2  # padding, the letters, and everything else


class Tower(nn.Module):
    """A small tower: a vector for each letter, and in each a part of the mean of all letters that are read with it.

    Args:
        weight: (IDS, D), for padding, the letters, and everything else.
        prompt: what stands before each text.
        skip: how many leading tokens take no part in pooling.
        mix: how much of the mean is added.
        left: whether padding stands on the left.
    """

    def __init__(self, weight: Tensor, prompt: str = "", skip: int = 0, mix: float = 0.5, left: bool = False):
        super().__init__()
        self.weight = nn.Parameter(weight.clone())
        self.prompt, self.skip, self.mix, self.left = prompt, skip, mix, left

    def tokenize(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """B texts -> ids (B, T), mask (B, T)."""
        if isinstance(texts, str):
            raise TypeError("tokenize takes a list of texts, and got one text")
        longest = max(len(text) for text in texts)
        rows = [[ALPHABET.find(letter) + 1 or IDS - 1 for letter in text] for text in texts]
        filled = [([0] * (longest - len(r)) + r) if self.left else (r + [0] * (longest - len(r))) for r in rows]
        ids = torch.tensor(filled)
        return ids, (ids != 0).long()

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """ids (B, T), mask (B, T) -> hidden (B, T, D)."""
        word = self.weight[ids]
        seen = (word * mask[..., None]).sum(dim=1, keepdim=True) / mask.sum(dim=1)[:, None, None]
        return word + self.mix * seen

    def __repr__(self) -> str:
        return f"a tower with prompt {self.prompt!r}, skip {self.skip}, padding {'left' if self.left else 'right'}"


class Towers(nn.Module):
    """A query tower and a document tower, which may be one and the same."""

    def __init__(self, query_encoder: Tower, document_encoder: Tower, old: float | None = None):
        super().__init__()
        self.query_encoder, self.document_encoder = query_encoder, document_encoder
        self.trained_before = old is not None
        for weight in self.parameters():
            weight.grad = None if old is None else torch.full_like(weight, old)

    @property
    def is_shared(self) -> bool:
        """Whether one tower does both."""
        return self.query_encoder is self.document_encoder

    def __repr__(self) -> str:
        if self.is_shared:
            return f"one shared tower: {self.query_encoder!r}"
        return f"query: {self.query_encoder!r}; document: {self.document_encoder!r}"


def train_step(towers: nn.Module, queries: list[str], passages: list[str], temperature: float, lr: float) -> float:
    """One step of gradient descent on InfoNCE between the two towers' vectors; the loss before it, as a number."""
    return _step(towers, queries, passages, temperature, lr)


def _step(
    towers, queries, passages, temperature, lr, *,
    tower_of=lambda towers: (towers.query_encoder, towers.document_encoder),
    prompt=lambda own, side: (own[side].prompt, own[side].skip), join=lambda prompt, text: prompt + text,
    read=lambda tower, ids, mask, skip: tower(ids, mask),
    pool: Answer = mean_pool_without_prompt,
    loss_of=lambda query, document, temperature: info_nce(query, document, temperature),
    fixed=None, clear=True, twice=False, sign=1.0,
):  # fmt: skip
    """A training step with one part exchanged."""
    embedded = []
    for side, (tower, texts) in enumerate(zip(tower_of(towers), (queries, passages), strict=True)):
        said, skip = prompt(tower_of(towers), side)
        ids, mask = tower.tokenize([join(said, text) for text in texts])
        vectors = pool(read(tower, ids, mask, skip), mask, skip)
        embedded.append(vectors.detach() if side == fixed else vectors)
    loss = loss_of(*embedded, temperature)
    weights = list(towers.parameters())
    gradients = torch.autograd.grad(loss, weights, allow_unused=True)
    for weight, new in zip(weights, gradients, strict=True):
        gradient = torch.zeros_like(weight) if new is None else new
        if not clear and weight.grad is not None:
            gradient = gradient + weight.grad
        with torch.no_grad():
            weight -= sign * lr * gradient * (2 if twice and towers.is_shared else 1)
    return loss.item()


def _step_by_the_letter(towers, queries, passages, temperature, lr):
    """Text by text, with the optimizer of torch."""
    sides = []
    for tower, texts in ((towers.query_encoder, queries), (towers.document_encoder, passages)):
        vectors = []
        for text in texts:
            hidden = tower(*tower.tokenize([tower.prompt + text]))[0]
            vectors.append(hidden[tower.skip :].mean(dim=0))
        sides.append(vectors)
    terms = []
    for i, query in enumerate(sides[0]):
        scores = torch.stack([F.cosine_similarity(query, d, dim=0) for d in sides[1]]) / temperature
        terms.append(scores.logsumexp(0) - scores[i])
    loss = torch.stack(terms).mean()
    optimizer = torch.optim.SGD(towers.parameters(), lr=lr)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def _unit_letters(D: int = 2) -> Tensor:
    weight = torch.full((IDS, D), 0.5)
    weight[1], weight[2] = torch.eye(D)[0], torch.eye(D)[1]
    return weight


def _two_equal_towers() -> tuple:
    towers = Towers(Tower(_unit_letters(), mix=0.0), Tower(_unit_letters(), mix=0.0))
    return towers, ["a", "b"], ["a", "b"], 1.0, 1.0


def _moved(shared: bool) -> dict[str, object]:
    weight = _unit_letters()
    step = 0.1344707 * (2 if shared else 1)
    weight[1], weight[2] = torch.tensor([1.0, -step]), torch.tensor([-step, 1.0])
    return {"loss": 0.3132617, "query tower": weight, "document tower": weight}


def _one_shared_tower() -> tuple:
    tower = Tower(_unit_letters(), mix=0.0)
    return Towers(tower, tower), ["a", "b"], ["a", "b"], 1.0, 1.0


def _random_letters(seed: int, D: int = 3) -> Tensor:
    return torch.randn(IDS, D, generator=torch.Generator().manual_seed(seed))


def _prompted_towers() -> tuple:
    towers = Towers(
        Tower(_random_letters(1), "qc", 2, left=True), Tower(_random_letters(2), "p", 1, left=True), old=0.5
    )
    return towers, ["ab", "c", "bca"], ["bb", "acb", "cab"], 0.5, 0.3


def _prompted_shared_tower() -> tuple:
    tower = Tower(_random_letters(3), "qa", 1)
    return Towers(tower, tower, old=-1.0), ["ab", "c", "bca"], ["b", "accb", "ba"], 0.5, 0.5


def _draw_train_step(rng: random.Random) -> tuple:
    def text() -> str:
        return "".join(rng.choice("abcA") for _ in range(rng.randint(1, 3)))

    B, left = rng.randint(1, 3), rng.random() < 0.5
    prompts = [rng.choice(("", "q ", "qa", "Q ")), rng.choice(("", "p", "pb ", "P "))]
    skips = [rng.choice((0, len(prompt))) for prompt in prompts]
    towers = [
        Tower(_random_letters(rng.randrange(10_000), 2), p, s, left=left) for p, s in zip(prompts, skips, strict=True)
    ]
    shared = rng.random() < 0.4
    both = Towers(towers[0], towers[0] if shared else towers[1], rng.choice((None, 0.5, -1.0)))
    return (
        both,
        [text() for _ in range(B)],
        [text() for _ in range(B)],
        rng.choice((0.5, 1.0, 0.2)),
        rng.choice((0.1, 0.5)),
    )


def _loss_and_weights(result: object, args: tuple) -> dict[str, object]:
    if isinstance(result, Tensor) and result.requires_grad:
        raise compare.NotAResult(
            "the loss that you return still carries its graph, which keeps the whole step in memory: return a number, "
            "or a detached scalar"
        )
    towers = args[0]
    return {
        "loss": result,
        "query tower": towers.query_encoder.weight.detach(),
        "document tower": towers.document_encoder.weight.detach(),
    }


def _changed(**parts) -> Answer:
    return lambda *args: _step(*args, **parts)


def _without_first_columns(towers, *args):
    """The ids of the prompt never reach the tower."""
    return _step(
        towers, *args,
        read=lambda tower, ids, mask, skip: tower(ids[:, skip:], mask[:, skip:]),
        pool=lambda hidden, mask, skip: pooling.mean_pool(hidden, mask[:, skip:]),
    )  # fmt: skip


TRAIN_STEP = Exercise(
    id="06.6",
    title="a training step of two towers",
    difficulty="hard",
    minutes=18,
    section="Build it: a training step of two towers",
    signature="towers, B texts, B texts, float, float -> float; the towers' weights are changed",
    reference=train_step,
    another=_step_by_the_letter,
    draw=_draw_train_step,
    loops=True,
    may_change=(0,),
    observe=_loss_and_weights,
    situations=(
        Situation("one tower is shared", lambda towers, *rest: towers.is_shared),
        Situation("the towers are two", lambda towers, *rest: not towers.is_shared),
        Situation("the weights hold an old gradient", lambda towers, *rest: towers.trained_before),
        Situation("queries have a prompt", lambda towers, *rest: bool(towers.query_encoder.prompt)),
        Situation("documents have a prompt", lambda towers, *rest: bool(towers.document_encoder.prompt)),
        Situation(
            "a prompt takes no part in pooling",
            lambda towers, *rest: bool(towers.query_encoder.skip or towers.document_encoder.skip),
        ),
        Situation("padding stands on the left", lambda towers, *rest: towers.query_encoder.left),
        Situation("there is one pair only", lambda towers, queries, *rest: len(queries) == 1),
    ),
    cases=(
        Case("two equal towers, two pairs", _two_equal_towers, _moved(shared=False)),
        Case("one shared tower, two pairs", _one_shared_tower, _moved(shared=True)),
        Case("two towers with prompts, left-padded", _prompted_towers),
        Case("one shared tower with a prompt", _prompted_shared_tower),
    ),
    mistakes=(
        Mistake(
            "prompts forgotten in training",
            _changed(prompt=lambda own, side: ("", 0)),
            "No text gets its prompt. A prompt that stands in a model's settings does nothing in training unless someone puts it before "
            "the texts.",
        ),
        Mistake(
            "prompts exchanged",
            _changed(prompt=lambda own, side: (own[1 - side].prompt, own[1 - side].skip)),
            "Each tower reads its texts with the other tower's prompt.",
        ),
        Mistake(
            "the query's prompt on both sides",
            _changed(prompt=lambda own, side: (own[0].prompt, own[side].skip)),
            "Passages get the query tower's prompt, too. Each side is read with the prompt of its own tower.",
        ),
        Mistake(
            "the query's skip on both sides",
            _changed(prompt=lambda own, side: (own[side].prompt, own[0].skip)),
            "Passages are pooled with the query tower's `skip`. Each tower has its own, since prompts differ in length.",
        ),
        Mistake(
            "a blank between prompt and text",
            _changed(join=lambda prompt, text: f"{prompt} {text}"),
            "You put a blank between prompt and text. Where a blank belongs, it is in the prompt; yours is one more token to read and to "
            "pool.",
        ),
        Mistake(
            "blanks of the prompt are taken away",
            _changed(join=lambda prompt, text: prompt.strip() + text),
            "You take the blanks at the ends of the prompts away. Then training shows the model another prompt than search, and `skip` counts "
            "a token of the text.",
        ),
        Mistake(
            "small letters only",
            _changed(join=lambda prompt, text: (prompt + text).lower()),
            "You turn capitals into small letters. Prompt and text are read exactly as they stand.",
        ),
        Mistake(
            "the prompt behind the text",
            _changed(join=lambda prompt, text: text + prompt),
            "You put the prompt behind the text. It stands before it, and `skip` counts from there.",
        ),
        Mistake(
            "the prompt is pooled",
            _changed(prompt=lambda own, side: (own[side].prompt, 0)),
            "All of the prompt's tokens are averaged in. `skip` says how many leading tokens take no part.",
        ),
        Mistake(
            "the first columns are cleared",
            _changed(pool=zero_first_columns),
            "You leave out the first `skip` columns. With padding on the left those hold padding: number the tokens, as in 06.2.",
        ),
        Mistake(
            "the prompt is not read",
            _changed(read=lambda tower, ids, mask, skip: tower(ids, behind(mask, skip))),
            "You hide the prompt from the tower: the other tokens have not read it. It takes no part in *pooling*; the tower gets the "
            "whole mask.",
        ),
        Mistake(
            "the prompt is cut off",
            _without_first_columns,
            "You cut the first columns off before the tower reads them. Then no token has read the prompt, and with padding on the left "
            "it is not even the prompt that goes.",
        ),
        Mistake(
            "padding is averaged in",
            _changed(pool=lambda hidden, mask, skip: pooling.mean_pool(hidden, (mask.cumsum(1) > skip).long())),
            "Padding behind a text is averaged in: its number is larger than `skip` as well. Keep what is a token *and* stands behind the "
            "prompt.",
        ),
        Mistake(
            "the towers are exchanged",
            _changed(tower_of=lambda towers: (towers.document_encoder, towers.query_encoder)),
            "The towers are exchanged: queries are read by the document tower, and passages by the query tower.",
        ),
        Mistake(
            "the query tower reads both sides",
            _changed(tower_of=lambda towers: (towers.query_encoder, towers.query_encoder)),
            "Both sides are read by the query tower. The passages belong to the document tower.",
        ),
        Mistake(
            "the document tower stands still",
            _changed(fixed=1),
            "The passages' vectors carry no gradient back, so the document side does not learn. Both sides are trained together.",
        ),
        Mistake(
            "a shared tower moves twice",
            _changed(twice=True),
            "With two towers you are right; a shared one moves twice. Its gradient holds what both sides ask for already. Ask `towers` "
            "for its parameters: it names each weight once.",
        ),
        Mistake(
            "the old gradient counts",
            _changed(clear=False),
            "What stood in `.grad` before is added to the new gradient. Clear it before you go backward.",
        ),
        Mistake(
            "up instead of down",
            _changed(sign=-1.0),
            "The weights move along the gradient, so the loss rises. A step goes against it.",
        ),
        Mistake(
            "nothing moves",
            _changed(sign=0.0),
            "The loss is right, and no weight has moved: the optimizer's step is missing.",
        ),
        Mistake(
            "a dot product",
            _changed(loss_of=lambda q, d, temperature: F.cross_entropy(q @ d.T / temperature, torch.arange(len(q)))),
            "Your logits are dot products. Take cosines: a vector's length must not count.",
        ),
        Mistake(
            "temperature forgotten",
            _changed(loss_of=lambda q, d, temperature: info_nce(q, d, 1.0)),
            "The temperature does not reach the loss: divide the cosines by it.",
        ),
    ),
    hints=(
        "Four earlier parts in a row: prompt and tokens, token vectors, 06.2, and the loss of 04.1. Then a step against the gradient.",
        "Do the first three for (query tower, queries), then for (document tower, passages), each with its own prompt and skip.",
        "`torch.optim.SGD(towers.parameters(), lr=lr)` moves each weight once, a shared one too; clear old gradients before backward.",
    ),
)

EXERCISES = (PULL, WITHOUT_PROMPT, GRADIENTS, ROLES, FIND_FAULT, TRAIN_STEP)
