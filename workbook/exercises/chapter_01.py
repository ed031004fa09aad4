"""The exercises of chapter 01: WordPiece, positions, attention, masks, heads, cost, and the encoder from these parts."""

import random
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from workbook import cost
from workbook.encoder import TransformerEncoder, plain, transformer
from workbook.encoder.wordpiece import wordpiece
from workbook.exercises import draws
from workbook.exercises.exercise import Answer, Case, Exercise, Mistake, Property, Reversed, Situation

# --- 01.1 WordPiece --------------------------------------------------------------------------

PIECES = frozenset(
    [
        "em",
        "embed",
        "##bed",
        "##ding",
        "##dings",
        "##eddings",
        "##s",
        "##d",
        "un",
        "unb",
        "##able",
        "able",
        "a",
        "##b",
        "b",
    ]
)


def _wordpiece_recursive(word, vocabulary, first=True):
    if not word:
        return []
    for end in range(len(word), 0, -1):
        piece = word[:end] if first else "##" + word[:end]
        if piece in vocabulary:
            rest = _wordpiece_recursive(word[end:], vocabulary, first=False)
            return ["[UNK]"] if rest == ["[UNK]"] else [piece, *rest]
    return ["[UNK]"]


def _turning_back(word, vocabulary, first=True):
    """Any cut that fits, the longest pieces first: where the rest is unknown, a shorter piece is tried."""
    if not word:
        return []
    for end in range(len(word), 0, -1):
        piece = word[:end] if first else "##" + word[:end]
        if piece in vocabulary:
            rest = _turning_back(word[end:], vocabulary, first=False)
            if rest != ["[UNK]"]:
                return [piece, *rest]
    return ["[UNK]"]


def _cut(word, vocabulary, longest=True, marked=True, give_up=True):
    """WordPiece with one thing done differently."""
    pieces: list[str] = []
    start = 0
    while start < len(word):
        prefix = "##" if start and marked else ""
        ends = range(len(word), start, -1) if longest else range(start + 1, len(word) + 1)
        end = next((end for end in ends if prefix + word[start:end] in vocabulary), None)
        if end is None:
            return ["[UNK]"] if give_up else [*pieces, "[UNK]"]
        pieces.append(prefix + word[start:end])
        start = end
    return pieces


def _grown(word, vocabulary):
    """A piece grows only while every shorter beginning of it is known, too."""
    pieces: list[str] = []
    start = 0
    while start < len(word):
        prefix, end = "##" if start else "", start
        while end < len(word) and prefix + word[start : end + 1] in vocabulary:
            end += 1
        if end == start:
            return ["[UNK]"]
        pieces.append(prefix + word[start:end])
        start = end
    return pieces


def _from_the_end(word, vocabulary):
    """The longest piece that ends the word, then the longest that ends what is left of it."""
    pieces: list[str] = []
    end = len(word)
    while end:
        starts = (start for start in range(end) if ("##" if start else "") + word[start:end] in vocabulary)
        start = next(starts, None)
        if start is None:
            return ["[UNK]"]
        pieces.insert(0, ("##" if start else "") + word[start:end])
        end = start
    return pieces


def _word(rng: random.Random) -> tuple[str, set[str]]:
    """A word of a few letters and pieces of it: some begin a word, some continue one, some do both."""
    word = "".join(rng.choice("aabbB") for _ in range(rng.randint(0, 8)))
    pieces = [word[i:j] for i in range(len(word)) for j in range(i + 1, len(word) + 1)] or ["a"]
    chosen = [rng.choice(("", "##")) + rng.choice(pieces) for _ in range(rng.randint(2, 8))]
    return word, set(chosen)


WORDS = (
    Situation("the word is empty", lambda word, vocabulary: not word),
    Situation(
        "a piece without ## stands inside the word",
        lambda word, vocabulary: any(
            word[i:j] in vocabulary for i in range(1, len(word)) for j in range(i + 1, len(word) + 1)
        ),
    ),
    Situation("the word has a capital letter", lambda word, vocabulary: word.lower() != word),
    Situation("the word is one piece", lambda word, vocabulary: word in vocabulary),
    Situation("the word is unknown", lambda word, vocabulary: wordpiece(word, vocabulary) == ["[UNK]"]),
    Situation("the word is cut into several pieces", lambda word, vocabulary: len(wordpiece(word, vocabulary)) > 1),
    Situation(
        "the word is cut into three pieces or more", lambda word, vocabulary: len(wordpiece(word, vocabulary)) > 2
    ),
    Situation(
        "the beginning of the word is not in the vocabulary",
        lambda word, vocabulary: not any(word[:n] in vocabulary for n in range(1, len(word) + 1)),
    ),
    Situation(
        "the word begins with a known piece and the rest is unknown",
        lambda word, vocabulary: (
            wordpiece(word, vocabulary) == ["[UNK]"] and any(word[:n] in vocabulary for n in range(1, len(word) + 1))
        ),
    ),
)

WORDPIECE = Exercise(
    id="01.1",
    title="cut a word into pieces",
    difficulty="easy",
    minutes=8,
    section="Build it: from words to pieces",
    signature="str, set of str -> list of str",
    reference=wordpiece,
    another=_wordpiece_recursive,
    draw=_word,
    situations=WORDS,
    cases=(
        Case("embeddings", lambda: ("embeddings", PIECES), ["embed", "##dings"]),
        Case("embedd", lambda: ("embedd", PIECES), ["embed", "##d"]),
        Case("unable", lambda: ("unable", PIECES), ["un", "##able"]),
        Case("a word with an unknown end", lambda: ("embedx", PIECES), ["[UNK]"]),
        Case("a word that is one piece", lambda: ("embed", PIECES), ["embed"]),
        Case("a dead end: unb fits, and nothing after it", lambda: ("unbed", PIECES), ["[UNK]"]),
        Case("no letters", lambda: ("", PIECES), []),
    ),
    mistakes=(
        Mistake(
            "shortest piece first",
            lambda word, vocabulary: _cut(word, vocabulary, longest=False),
            "You take the shortest piece that fits, and words fall into crumbs or into dead ends. WordPiece is greedy the other way.",
        ),
        Mistake(
            "the continuation mark forgotten",
            lambda word, vocabulary: _cut(word, vocabulary, marked=False),
            "You look up the rest of the word without its ## mark. The vocabulary holds two kinds of pieces: those that begin a word and "
            "those that continue one. “able” alone and “##able” in “unable” have different vectors.",
        ),
        Mistake(
            "known pieces kept",
            lambda word, vocabulary: _cut(word, vocabulary, give_up=False),
            "You keep the pieces found before the unknown part. In WordPiece one unknown part makes the whole word unknown: the model "
            "never saw half words in training.",
        ),
        Mistake(
            "a piece taken back",
            _turning_back,
            "You find a cut where WordPiece finds none: when the rest is unknown, yours tries another piece. WordPiece never takes a piece "
            "back. It reads once from left to right, and a dead end makes the word unknown.",
        ),
        Mistake(
            "grown letter by letter",
            _grown,
            "You lengthen a piece letter by letter and stop at the first beginning that the vocabulary does not know. A longer one may "
            "be known all the same: try the longest first and shorten it.",
        ),
        Mistake(
            "the marks of the vocabulary are dropped",
            lambda word, vocabulary: [
                piece if piece == "[UNK]" or not n else f"##{piece}"
                for n, piece in enumerate(_cut(word, {piece.replace("##", "") for piece in vocabulary}, marked=False))
            ],
            "You take ## off the pieces of the vocabulary, so a piece that begins words counts inside a word, and the other way round. "
            "“able” and “##able” are two pieces: look up the one that the place asks for.",
        ),
        Mistake(
            "cut from the end",
            _from_the_end,
            "You cut from the end of the word to its beginning. WordPiece reads from left to right: the first piece is the longest that "
            "begins the word, whatever is left for the last one.",
        ),
    ),
    hints=(
        "You are at some place in the word. Which of the pieces that begin there do you want?",
        "Try the longest rest first and shorten it from the right until the vocabulary knows it. When nothing is left, the word is unknown.",
        "Two loops: the outer one moves the start, the inner one moves the end from the length of the word down to the start plus one. "
        "From the second piece on, put ## in front before you look it up.",
    ),
)


# --- 01.2 positions --------------------------------------------------------------------------

MASK = [[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 1, 1]]


def _positions_with_a_loop(mask):
    rows = []
    for row in mask.tolist():
        seen, positions = 0, []
        for is_token in row:
            seen += bool(is_token)
            positions.append(max(seen - 1, 0))
        rows.append(positions)
    return torch.tensor(rows)


MASKED = (
    Situation("a text has no token at all", lambda mask, *rest: bool((mask.sum(1) == 0).any())),
    Situation("a text is padded on the left", lambda mask, *rest: bool(((mask[:, 0] == 0) & (mask[:, -1] == 1)).any())),
    Situation(
        "a text is padded on the right", lambda mask, *rest: bool(((mask[:, -1] == 0) & (mask[:, 0] == 1)).any())
    ),
    Situation("there is padding", lambda mask, *rest: bool((mask == 0).any())),
    Situation("there is more than one text", lambda mask, *rest: len(mask) > 1),
    Situation("there is more than one token", lambda mask, *rest: mask.shape[1] > 1),
)

POSITIONS = Exercise(
    id="01.2",
    title="number the tokens",
    difficulty="easy",
    minutes=6,
    section="Build it: a vector for the word, a vector for the place",
    signature="(B, T) -> (B, T)",
    reference=transformer.token_positions,
    another=_positions_with_a_loop,
    draw=lambda rng: (draws.mask(rng, rng.randint(1, 3), rng.choice((1, 2, 3, 5, 12))),),
    situations=MASKED,
    cases=(
        Case(
            "no padding, padding on the right, padding on the left",
            lambda: (torch.tensor(MASK),),
            torch.tensor([[0, 1, 2, 3], [0, 1, 1, 1], [0, 0, 0, 1]]),
        ),
        Case("a text without tokens", lambda: (torch.tensor([[0, 0]]),), torch.tensor([[0, 0]])),
    ),
    mistakes=(
        Mistake(
            "padding counted",
            lambda mask: torch.arange(mask.shape[1]).expand(mask.shape),
            "You number the places of the rectangle. With padding on the left the first word of a short text stands at place 2, 50 or "
            "200, depending on its batch-mates, and gets another position vector each time.",
        ),
        Mistake(
            "counted from 1",
            lambda mask: mask.cumsum(dim=1),
            "Your first token has number 1. The table of positions starts at row 0, and a text of max_length tokens would fall off its end.",
        ),
        Mistake(
            "below zero",
            lambda mask: mask.cumsum(dim=1) - 1,
            "Padding before the first token gets -1, which is no row of the table: the lookup fails as soon as padding stands on the left.",
        ),
    ),
    hints=(
        "A token's number is how many tokens stand before it. Which operation counts along a row?",
        "A running sum of the mask counts tokens, itself included, and skips padding.",
        "The running sum along dimension 1, less one, and never below zero.",
    ),
)


# --- 01.3 attention weights ------------------------------------------------------------------


def _pencil() -> tuple[Tensor, Tensor, Tensor]:
    """Two tokens, S = 4: the scores of the second row are 0 and 2 ln 3, so √S turns 9 : 1 into 3 : 1."""
    query = torch.tensor([[0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    key = torch.tensor([[0.0, 0.0, 0.0, 0.0], [2 * torch.tensor(3.0).log().item(), 0.0, 0.0, 0.0]])
    return query, key, torch.ones(2, 2, dtype=torch.bool)


def _five_tokens() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    query, key = torch.randn(2, 2, 2, 5, 3, generator=generator)
    allowed = torch.ones(5, 5, dtype=torch.bool).tril().expand(2, 1, 5, 5).clone()
    allowed[1, :, :, 3:] = False
    return query, key, allowed


def _weights_by_exp(query, key, allowed):
    scores = torch.einsum("...qs,...ks->...qk", query, key) * query.shape[-1] ** -0.5
    scores = torch.where(allowed, scores, -1e30)
    exp = (scores - scores.amax(dim=-1, keepdim=True)).exp() * allowed
    return exp / exp.sum(dim=-1, keepdim=True)


def _rows_sum_to_one(weights: Answer) -> str | None:
    total = weights(*_five_tokens()).sum(dim=-1)
    return (
        None
        if torch.allclose(total, torch.ones_like(total), atol=1e-5)
        else f"a row of weights sums to {float(total.min()):.3f}"
    )


def _large_scores_stay_finite(weights: Answer) -> str | None:
    query, key, allowed = _five_tokens()
    found = weights(100 * query, 1000 * key, allowed)
    if not found.isfinite().all():
        return "scores of a hundred thousand gave NaN or infinity"
    leaked = float(found.masked_fill(allowed, 0.0).max())
    return None if leaked == 0 else f"a forbidden pair got the weight {leaked:.2f}: its score was not low enough"


def _scores(query, key, allowed, scale=None):
    return query @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5 if scale is None else scale)


def _attention(rng: random.Random) -> tuple[Tensor, Tensor, Tensor]:
    T, S = rng.randint(1, 4), rng.randint(1, 5)
    lead = rng.choice(((), (2,), (2, 3)))
    allowed = torch.tensor([[q == k or rng.random() < 0.6 for k in range(T)] for q in range(T)])
    scale = rng.choice((1.0, 1.0, 30.0))
    return scale * draws.numbers(rng, *lead, T, S), draws.numbers(rng, *lead, T, S), allowed


WEIGHTS = Exercise(
    id="01.3",
    title="attention weights",
    difficulty="medium",
    minutes=12,
    section="Build it: attention",
    signature="(..., T, S), (..., T, S), (..., T, T) -> (..., T, T)",
    reference=transformer.attention_weights,
    another=_weights_by_exp,
    gradient=True,
    draw=_attention,
    situations=(
        Situation("some pairs are not allowed", lambda query, key, allowed: not bool(allowed.all())),
        Situation("S is larger than 1", lambda query, key, allowed: query.shape[-1] > 1),
        Situation("there are heads", lambda query, key, allowed: query.ndim > 2),
        Situation("the scores are large", lambda query, key, allowed: bool((query.abs().max() * key.abs().max()) > 80)),
    ),
    cases=(
        Case("two tokens of four dimensions", _pencil, torch.tensor([[0.5, 0.5], [0.25, 0.75]])),
        Case("two heads, five tokens, some not allowed", _five_tokens),
    ),
    properties=(
        Property("each row sums to 1", _rows_sum_to_one),
        Property("large scores stay finite, and what is forbidden stays forbidden", _large_scores_stay_finite),
    ),
    mistakes=(
        Mistake(
            "√S forgotten",
            lambda query, key, allowed: (
                _scores(query, key, allowed, 1.0).masked_fill(~allowed, float("-inf")).softmax(dim=-1)
            ),
            "The scores are not divided. A dot product of S terms grows like √S, so with many dimensions one token takes all the weight "
            "and no gradient reaches the others.",
        ),
        Mistake(
            "divided by S",
            lambda query, key, allowed: (
                _scores(query, key, allowed, 1 / query.shape[-1]).masked_fill(~allowed, float("-inf")).softmax(dim=-1)
            ),
            "You divide by S, not by its root. The scores become tiny and every token looks everywhere alike.",
        ),
        Mistake(
            "cosines, not dot products",
            lambda query, key, allowed: (
                (F.normalize(query, dim=-1) @ F.normalize(key, dim=-1).transpose(-1, -2) / query.shape[-1] ** 0.5)
                .masked_fill(~allowed, float("-inf"))
                .softmax(dim=-1)
            ),
            "You take the lengths out, as in chapter 00's cosine. Attention keeps them: a long key is found by many, and a long query asks "
            "more sharply.",
        ),
        Mistake(
            "the mask forgotten",
            lambda query, key, allowed: _scores(query, key, allowed).softmax(dim=-1),
            "The argument allowed changes nothing in your answer, so every token looks at every other, padding included.",
        ),
        Mistake(
            "allowed and forbidden swapped",
            lambda query, key, allowed: (
                _scores(query, key, allowed).masked_fill(allowed, float("-inf")).softmax(dim=-1)
            ),
            "You clear the pairs that are allowed, and keep the others. Some libraries' masks say what is forbidden; this one says what is "
            "allowed. Turn it round with ~.",
        ),
        Mistake(
            "zero instead of minus infinity",
            lambda query, key, allowed: (_scores(query, key, allowed) * allowed).softmax(dim=-1),
            "A forbidden score is set to 0. The softmax turns 0 into e⁰ = 1, so what is forbidden still gets weight, often more than what is "
            "allowed. Only minus infinity becomes zero.",
        ),
        Mistake(
            "masked after the softmax",
            lambda query, key, allowed: _scores(query, key, allowed).softmax(dim=-1) * allowed,
            "You clear the forbidden weights after the softmax. What is left no longer sums to 1: a text with much padding beside it comes out "
            "weaker than the same text alone.",
        ),
        Mistake(
            "softmax over the wrong axis",
            lambda query, key, allowed: (
                _scores(query, key, allowed).masked_fill(~allowed, float("-inf")).softmax(dim=-2).nan_to_num(0.0)
            ),
            "Your columns sum to 1, not your rows. Each token should divide its own attention; here the tokens compete for being looked at.",
        ),
    ),
    hints=(
        "Row t belongs to token t, which is asking. Along which axis must the weights sum to 1?",
        "Three steps: all dot products at once, a division, a softmax over the last axis. Forbidden pairs must be out before the softmax.",
        "Multiply the queries by the keys with their last two axes swapped, divide by the square root of S, fill what is not allowed with "
        "minus infinity, then softmax over the last axis.",
    ),
)


# --- 01.4 who may look at whom ---------------------------------------------------------------


def _mask_with_a_loop(mask, causal):
    B, T = mask.shape
    allowed = torch.zeros(B, 1, T, T, dtype=torch.bool)
    for b in range(B):
        for q in range(T):
            for k in range(T):
                allowed[b, 0, q, k] = q == k or (bool(mask[b, k]) and (k <= q or not causal))
    return allowed


def _allowed(mask, causal, triangle=torch.Tensor.tril, rows=False, itself=True):
    """The mask with one thing done differently."""
    T = mask.shape[1]
    allowed = (mask.bool()[:, None, :, None] if rows else mask.bool()[:, None, None, :]).expand(-1, 1, T, T)
    if causal:
        allowed = allowed & triangle(torch.ones(T, T, dtype=torch.bool))
    return allowed | torch.eye(T, dtype=torch.bool) if itself else allowed


MASKS = Exercise(
    id="01.4",
    title="who may look at whom",
    difficulty="medium",
    minutes=10,
    section="Build it: who may look at whom",
    signature="(B, T), bool -> (B, 1, T, T)",
    reference=transformer.attention_mask,
    another=_mask_with_a_loop,
    draw=lambda rng: (draws.mask(rng, rng.randint(1, 3), rng.choice((1, 2, 3, 4, 7))), rng.random() < 0.5),
    situations=(
        *MASKED,
        Situation("causal is True", lambda mask, causal: causal),
        Situation("causal is False", lambda mask, causal: not causal),
    ),
    cases=(
        Case(
            "two tokens and padding, causal",
            lambda: (torch.tensor([[1, 1, 0]]), True),
            torch.tensor([[[[True, False, False], [True, True, False], [True, True, True]]]]),
        ),
        Case(
            "two tokens and padding",
            lambda: (torch.tensor([[1, 1, 0]]), False),
            torch.tensor([[[[True, True, False], [True, True, False], [True, True, True]]]]),
        ),
        Case("three texts", lambda: (torch.tensor(MASK), False)),
        Case("three texts, causal", lambda: (torch.tensor(MASK), True)),
        Case("a text without tokens", lambda: (torch.tensor([[0, 0]]), True)),
    ),
    mistakes=(
        Mistake(
            "the future, not the past",
            lambda mask, causal: _allowed(mask, causal, triangle=torch.Tensor.triu),
            "Your triangle is upside down: every token sees what comes after it and nothing before. A causal model that sees the future "
            "has a wonderful training loss and is worth nothing.",
        ),
        Mistake(
            "rows masked, not columns",
            lambda mask, causal: _allowed(mask, causal, rows=True),
            "You forbid padding to look, instead of forbidding others to look at padding. The tokens still take values from padding.",
        ),
        Mistake(
            "a row with nothing allowed",
            lambda mask, causal: _allowed(mask, causal, itself=False),
            "Some position of padding may look at nothing. Its softmax is 0 divided by 0, NaN, and in the next layer NaN spreads. Let every "
            "position look at itself.",
        ),
        Mistake(
            "causal ignored",
            lambda mask, causal: _allowed(mask, False),
            "The argument causal changes nothing in your answer: every token still sees the whole text.",
        ),
    ),
    hints=(
        "Rows ask, columns are asked. Which of the two must not be padding?",
        "Give the mask two axes in the middle, so that it stands along the columns; a lower triangle hides the future.",
        "Combine with `&`: the mask along columns, and for causal the lower triangle of ones. Then use `|` with the diagonal, and "
        "expand to (B, 1, T, T).",
    ),
)


# --- 01.5 heads ------------------------------------------------------------------------------


def _heads_with_a_loop(x, num_heads):
    return torch.stack(x.chunk(num_heads, dim=-1), dim=1)


def _heads(rng: random.Random) -> tuple[Tensor, int]:
    H = rng.randint(1, 3)
    return draws.numbers(rng, rng.randint(1, 3), rng.randint(1, 4), H * rng.randint(1, 3)), H


HEADS = Exercise(
    id="01.5",
    title="split vectors into heads",
    difficulty="medium",
    minutes=8,
    section="Build it: heads and the block",
    signature="(B, T, D), int -> (B, H, T, S)",
    reference=transformer.split_heads,
    another=_heads_with_a_loop,
    gradient=True,
    draw=_heads,
    situations=(
        Situation("there is more than one head", lambda x, num_heads: num_heads > 1),
        Situation("there is more than one text", lambda x, num_heads: len(x) > 1),
        Situation("there is more than one token", lambda x, num_heads: x.shape[1] > 1),
        Situation("T and H differ", lambda x, num_heads: x.shape[1] != num_heads),
    ),
    cases=(
        Case(
            "two tokens, two heads",
            lambda: (torch.arange(8.0).view(1, 2, 4), 2),
            torch.tensor([[[[0.0, 1.0], [4.0, 5.0]], [[2.0, 3.0], [6.0, 7.0]]]]),
        ),
        Case("three tokens, two heads", lambda: (torch.arange(36.0).view(2, 3, 6), 2)),
        Case("one head", lambda: (torch.arange(8.0).view(1, 2, 4), 1)),
    ),
    mistakes=(
        Mistake(
            "tokens mixed into heads",
            lambda x, num_heads: x.reshape(x.shape[0], num_heads, x.shape[1], -1),
            "The shape is right and the content is not: one reshape to (B, H, T, S) cuts the memory in its old order, so a head gets the "
            "first tokens whole instead of a slice of every token. Cut D first, then swap two axes.",
        ),
        Mistake(
            "heads interleaved",
            lambda x, num_heads: x.reshape(*x.shape[:2], -1, num_heads).permute(0, 3, 1, 2),
            "Head h gets dimensions h, h + H, h + 2H. It would learn just as well, but BERT's weights expect slices of neighbours.",
        ),
        Mistake(
            "axes not swapped",
            lambda x, num_heads: x.reshape(*x.shape[:2], num_heads, -1),
            "This is (B, T, H, S). The last two axes go into the matrix product, so the heads of one token would attend to each other.",
        ),
        Mistake(
            "slices that overlap",
            lambda x, num_heads: torch.stack(
                [x[..., h : h + x.shape[-1] // num_heads] for h in range(num_heads)], dim=1
            ),
            "Head h begins at dimension h in yours, so the slices overlap and the last dimensions belong to no head. Each slice is S "
            "wide: head h begins at h * S.",
        ),
    ),
    hints=(
        "Which axis is cut into pieces, and which axes must stand last for a matrix product over tokens?",
        "Two steps: see D as H times S, then bring the heads before the tokens.",
        "View as (B, T, H, S), then swap axes 1 and 2.",
    ),
)


# --- 01.6 cost -------------------------------------------------------------------------------


def _parts(projections: int, attention: int, feed_forward: int) -> dict[str, int]:
    return {"projections": projections, "attention": attention, "feed_forward": feed_forward}


def _cost_by_shapes(tokens, hidden_size, num_layers):
    def product(rows: int, inner: int, columns: int) -> int:
        return rows * inner * columns

    T, D = tokens, hidden_size
    return _parts(
        num_layers * sum(product(T, D, D) for _ in "qkvo"),
        num_layers * (product(T, D, T) + product(T, T, D)),
        num_layers * (product(T, D, 4 * D) + product(T, 4 * D, D)),
    )


COST = Exercise(
    id="01.6",
    title="count the multiply-adds",
    difficulty="easy",
    minutes=8,
    section="Further: count the multiply-adds",
    signature="int, int, int -> dict of int",
    reference=cost.multiply_adds,
    another=_cost_by_shapes,
    draw=lambda rng: (rng.randint(0, 9), rng.choice((1, 2, 3, 8)), rng.randint(1, 4)),
    situations=(
        Situation("there is more than one layer", lambda tokens, hidden_size, num_layers: num_layers > 1),
        Situation("there is more than one token", lambda tokens, hidden_size, num_layers: tokens > 1),
        Situation("there are no tokens", lambda tokens, hidden_size, num_layers: tokens == 0),
    ),
    cases=(
        Case("three tokens, two dimensions, one layer", lambda: (3, 2, 1), _parts(48, 36, 96)),
        Case("128 tokens through MiniLM", lambda: (128, 384, 6)),
        Case("no tokens", lambda: (0, 8, 2), _parts(0, 0, 0)),
    ),
    mistakes=(
        Mistake(
            "one of two products",
            lambda tokens, hidden_size, num_layers: (
                cost.multiply_adds(tokens, hidden_size, num_layers)
                | {"attention": num_layers * tokens**2 * hidden_size}
            ),
            "Attention has two products over all pairs of tokens: the scores, and the mix of the values. You counted one.",
        ),
        Mistake(
            "attention linear in T",
            lambda tokens, hidden_size, num_layers: (
                cost.multiply_adds(tokens, hidden_size, num_layers)
                | {"attention": num_layers * 2 * tokens * hidden_size}
            ),
            "Every token looks at every token, so there are T · T pairs, not T. This square is why long texts are expensive.",
        ),
        Mistake(
            "the output projection forgotten",
            lambda tokens, hidden_size, num_layers: (
                cost.multiply_adds(tokens, hidden_size, num_layers)
                | {"projections": num_layers * 3 * tokens * hidden_size**2}
            ),
            "You counted query, key and value. A fourth projection joins the heads again.",
        ),
        Mistake(
            "one layer of the feed-forward",
            lambda tokens, hidden_size, num_layers: (
                cost.multiply_adds(tokens, hidden_size, num_layers)
                | {"feed_forward": num_layers * 4 * tokens * hidden_size**2}
            ),
            "The feed-forward widens D to 4 D and narrows it back: two products. You counted one.",
        ),
        Mistake(
            "divided by the layers",
            lambda tokens, hidden_size, num_layers: {
                part: count // num_layers for part, count in cost.multiply_adds(tokens, hidden_size, 1).items()
            },
            "You divide by the number of layers. Each layer computes all of this once more, so more layers cost more: multiply by their "
            "number.",
        ),
    ),
    hints=(
        "A product of an (a, b) and a (b, c) matrix takes a · b · c multiply-adds. List the products of one block.",
        "Four projections D to D for each token; two products over pairs of tokens; two products between D and 4 D.",
        "With one layer: four times T times D squared; two times T squared times D; eight times T times D squared.",
    ),
)


# --- 01.7 reversed: where greedy fails ---------------------------------------------------------


def dead_end():
    """The smallest word and vocabulary for which a tokenizer that takes pieces back finds a cut and WordPiece finds none.

    The longest first piece leaves a rest that nothing continues, a shorter one does not.
    """
    return "abc", {"ab", "a", "##bc"}


def _valid_word(word: Any, vocabulary: Any) -> str | None:
    if not isinstance(word, str) or not word or any(letter.isspace() for letter in word):
        return "the word must be a text of one letter or more, without blanks"
    if not isinstance(vocabulary, set | frozenset) or not all(isinstance(piece, str) for piece in vocabulary):
        return "the vocabulary must be a set of texts"
    return None


DEAD_END = Reversed(
    id="01.7",
    title="lead WordPiece into a dead end",
    difficulty="medium",
    minutes=8,
    section="Reversed: where reading once fails",
    signature="() -> (str, set of str)",
    reference=dead_end,
    another=lambda: ("aaa", frozenset(["aa", "a", "##aa"])),
    right=wordpiece,
    wrong=_turning_back,
    valid=_valid_word,
    measure=lambda word, vocabulary: len(word) + len(vocabulary),
    smallest=6,
    cases=(Case("your word and your vocabulary", lambda: (), ("abc", {"ab", "a", "##bc"})),),
    mistakes=(
        Mistake(
            "the whole word is known",
            lambda: ("abc", {"abc", "ab", "a", "##bc"}),
            "Your vocabulary holds the whole word. It is the longest piece of all, so both tokenizers take it and stop.",
            when=lambda word, vocabulary: word in vocabulary,
        ),
        Mistake(
            "no piece continues a word",
            lambda: ("abc", {"ab", "a", "bc"}),
            "No piece of your vocabulary begins with ##, so nothing can follow the first piece, whichever it is. Pieces that continue a "
            "word carry the mark.",
            when=lambda word, vocabulary: not any(piece.startswith("##") for piece in vocabulary),
        ),
        Mistake(
            "there is no cut at all",
            lambda: ("abc", {"ab", "##b", "##d"}),
            "No cut of your word fits, however one tries, so both tokenizers say [UNK]. There must be a way that only the patient one finds.",
            when=lambda word, vocabulary: _turning_back(word, vocabulary) == ["[UNK]"],
        ),
        Mistake(
            "the greedy way works",
            lambda: ("abc", {"ab", "a", "##c", "##bc"}),
            "WordPiece gets through: after its longest first piece, the rest fits too. Take away what lets it go on.",
            when=lambda word, vocabulary: wordpiece(word, vocabulary) != ["[UNK]"],
        ),
    ),
    hints=(
        "Both tokenizers take the longest piece first. When do they part?",
        "You want two first pieces, a long and a short one, and a rest that fits after the short one only.",
        "A word of three letters and three pieces are enough: two pieces begin the word, and the third continues it after the shorter of "
        "them.",
    ),
)


# --- 01.8 assembling: the encoder ----------------------------------------------------------------


def _linear(x: Tensor, pair: tuple[Tensor, Tensor]) -> Tensor:
    return x @ pair[0].T + pair[1]


def _norm(x: Tensor, pair: tuple[Tensor, Tensor]) -> Tensor:
    centred = x - x.mean(dim=-1, keepdim=True)
    return centred / (centred.pow(2).mean(dim=-1, keepdim=True) + 1e-12).sqrt() * pair[0] + pair[1]


def _encode(input_ids, mask, weights, num_heads, **but):
    """The encoder with one thing done differently, such as residual=False."""
    norm = but.get("norm", _norm)
    k_name, v_name = but.get("key_value", ("key", "value"))
    places = but.get("places", transformer.token_positions)(mask)
    words = weights["word"][input_ids] + weights["segment"][0]
    hidden = words + weights["position"][places] if but.get("positions", True) else words
    hidden = norm(hidden, weights["norm"]) if but.get("first_norm", True) else hidden
    allowed = transformer.attention_mask(mask, but.get("causal", False))
    allowed = torch.ones_like(allowed) if but.get("everyone") else allowed
    before = but.get("before", False)  # LayerNorm before each half instead of after it
    for block in weights["blocks"][: but.get("blocks")]:
        came_in = hidden
        read = norm(hidden, block["attention_norm"]) if before else hidden
        q, k, v = (transformer.split_heads(_linear(read, block[name]), num_heads) for name in ("query", k_name, v_name))
        context = transformer.attention_weights(q, k, allowed) @ v
        joined = context.reshape(hidden.shape) if but.get("scrambled") else context.transpose(1, 2).flatten(2)
        joined = _linear(joined, block["output"]) if but.get("output", True) else joined
        mixed = hidden + joined if but.get("residual", True) else joined
        hidden = mixed if before else norm(mixed, block["attention_norm"])
        read = norm(hidden, block["norm"]) if before else hidden
        changed = _linear(but.get("bend", F.gelu)(_linear(read, block["expand"])), block["contract"])
        half = came_in if but.get("from_the_start") else hidden
        hidden = half + changed if but.get("second_residual", but.get("residual", True)) else changed
        hidden = hidden if before else norm(hidden, block["norm"])
    return hidden


def _but(**changes):
    return lambda input_ids, mask, weights, num_heads: _encode(input_ids, mask, weights, num_heads, **changes)


def _by_modules(input_ids, mask, weights, num_heads):
    """The package's modules with these weights in them."""
    (V, D), P = weights["word"].shape, len(weights["position"])
    inner = len(weights["blocks"][0]["expand"][0]) if weights["blocks"] else D
    encoder = TransformerEncoder(V, D, len(weights["blocks"]), num_heads, inner, P).requires_grad_(False)
    for name in ("word", "position", "segment"):
        getattr(encoder.embeddings, name).weight.copy_(weights[name])
    parts = [(encoder.embeddings.norm, weights["norm"])]
    for module, block in zip(encoder.blocks, weights["blocks"], strict=True):
        parts += [(getattr(module.attention, name), block[name]) for name in ("query", "key", "value", "output")]
        parts += [(getattr(module, name), block[name]) for name in ("attention_norm", "expand", "contract", "norm")]
    for part, (weight, bias) in parts:
        part.weight.copy_(weight)
        part.bias.copy_(bias)
    return encoder(input_ids, mask)


def _weights(seed: int, V: int, P: int, D: int, inner: int, L: int) -> dict[str, Any]:
    """Random weights, large enough for every part to matter."""
    generator = torch.Generator().manual_seed(seed)

    def numbers(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    def pair(rows: int, columns: int) -> tuple[Tensor, Tensor]:
        return numbers(rows, columns) * columns**-0.5, 0.3 * numbers(rows)

    def norm() -> tuple[Tensor, Tensor]:
        return 1 + 0.3 * numbers(D), 0.3 * numbers(D)

    blocks = [
        {name: pair(D, D) for name in ("query", "key", "value", "output")}
        | {"attention_norm": norm(), "expand": pair(inner, D), "contract": pair(D, inner), "norm": norm()}
        for _ in range(L)
    ]
    tables = {"word": numbers(V, D), "position": numbers(P, D), "segment": 0.5 * numbers(2, D)}
    return {**tables, "norm": norm(), "blocks": blocks}


def _one_word_twice():
    """The same word at two places, no block: (1, 0) + (1, 0) and (1, 0) + (0, 3), each to mean 0 and deviation 1."""
    weights = {
        "word": torch.tensor([[1.0, 0.0]]),
        "position": torch.tensor([[1.0, 0.0], [0.0, 3.0]]),
        "segment": torch.zeros(2, 2),
        "norm": (torch.ones(2), torch.zeros(2)),
        "blocks": [],
    }
    return torch.tensor([[0, 0]]), torch.tensor([[1, 1]]), weights, 1


def _two_texts(L: int, left: bool = False):
    mask = torch.tensor([[1, 1, 1, 1], [0, 0, 1, 1] if left else [1, 1, 0, 0]])
    ids = torch.tensor([[3, 1, 4, 1], [0, 0, 5, 2] if left else [5, 2, 0, 0]])
    return ids, mask, _weights(L, 6, 5, 6, 10, L), 2


def _texts_and_weights(rng: random.Random):
    B, T, H = rng.randint(1, 3), rng.randint(1, 4), rng.randint(1, 3)
    mask = draws.mask(rng, B, T, empty=False)
    ids = torch.tensor([[rng.randint(1, 5) for _ in range(T)] for _ in range(B)]) * mask
    # With one or two numbers a LayerNorm would leave nothing but signs.
    D = H * rng.choice((3, 4) if H == 1 else (2, 3))
    return ids, mask, _weights(rng.randint(0, 10**6), 6, T + 1, D, rng.randint(D, 2 * D), rng.randint(0, 2)), H


def _of_tokens(result: Any, args: tuple) -> Any:
    """What padding's positions hold is not looked at."""
    mask = args[1]
    if not isinstance(result, Tensor) or result.ndim != 3 or result.shape[:2] != mask.shape:
        return result
    return result.masked_fill(mask[:, :, None] == 0, 0.0)


ENCODER = Exercise(
    id="01.8",
    title="assemble the encoder",
    difficulty="hard",
    minutes=20,
    section="Assemble it: from ids to token vectors",
    signature="ids, mask, dict, int -> B texts of T vectors",  # its loop over blocks is no loop over a batch
    reference=plain.token_vectors,
    another=_by_modules,
    observe=_of_tokens,
    tolerance=1e-4,
    draw=_texts_and_weights,
    situations=(
        Situation("there is no block", lambda ids, mask, weights, num_heads: not weights["blocks"]),
        Situation("there is more than one block", lambda ids, mask, weights, num_heads: len(weights["blocks"]) > 1),
        Situation("there is more than one head", lambda ids, mask, weights, num_heads: num_heads > 1),
        *(
            Situation(s.name, lambda ids, mask, weights, num_heads, s=s: s.holds(mask))
            for s in MASKED
            if s.name != "a text has no token at all"
        ),
    ),
    cases=(
        Case("one word twice, no block", _one_word_twice, torch.tensor([[[1.0, -1.0], [-1.0, 1.0]]])),
        Case("two texts, one block", lambda: _two_texts(1)),
        Case("two texts, two blocks, padding on the left", lambda: _two_texts(2, left=True)),
    ),
    mistakes=(
        Mistake(
            "positions dropped",
            _but(positions=False),
            "Nothing in your sum says where a word stands. It is the line that was missing in the failure at the head of this chapter: "
            "a word gets the same vector at every place.",
            section="Build it: a vector for the word, a vector for the place",
        ),
        Mistake(
            "places counted, not tokens",
            _but(places=lambda mask: torch.arange(mask.shape[1]).expand(mask.shape)),
            "You number the places of the rectangle. With padding on the left a text gets other position vectors than alone.",
            section="Build it: a vector for the word, a vector for the place",
        ),
        Mistake(
            "padding attended to",
            _but(everyone=True),
            "Your tokens take values from padding, so a text's vectors depend on how long its neighbours in the batch are.",
            section="Build it: who may look at whom",
        ),
        Mistake(
            "causal",
            _but(causal=True),
            "Your tokens see only what stands before them. BERT reads in both directions.",
            section="Build it: who may look at whom",
        ),
        Mistake(
            "the first LayerNorm forgotten",
            _but(first_norm=False),
            "The sum of word, position and segment goes into the first block as it is. BERT normalizes it first, with the pair “norm” that "
            "stands beside the tables.",
        ),
        Mistake(
            "no residual",
            _but(residual=False),
            "Each half of your block replaces what came in instead of adding to it. A word then keeps nothing of itself but what it took "
            "from others.",
        ),
        Mistake(
            "no residual in the second half",
            _but(second_residual=False),
            "Your feed-forward replaces what came into its half. There is a residual in each half of a block, and you have the first only.",
        ),
        Mistake(
            "the residual from the block's start",
            _but(from_the_start=True),
            "Your second half adds what came into the block. It should add what came into this half, the result of the first LayerNorm.",
        ),
        Mistake(
            "LayerNorm without what it learned",
            _but(norm=lambda x, pair: _norm(x, (torch.ones(()), torch.zeros(())))),
            "You bring every token to mean 0 and deviation 1 and stop there. The learned scale and shift of each LayerNorm are not used.",
        ),
        Mistake(
            "key and value swapped",
            _but(key_value=("value", "key")),
            "Your key is made by the weights of the value, and the other way round: a token is found by what it should hand over.",
        ),
        Mistake(
            "normalized before, not after",
            _but(before=True),
            "You normalize what goes into each half. That is how most decoders are built; BERT normalizes the sum that comes out.",
        ),
        Mistake(
            "heads not brought back",
            _but(scrambled=True),
            "The heads' results are reshaped without moving the head axis back behind the tokens, so a token's vector is put together from "
            "those of other tokens. The shape is right, the content is not.",
            section="Build it: heads and the block",
        ),
        Mistake(
            "the output projection forgotten",
            _but(output=False),
            "The heads stand side by side and nothing joins them: the fourth projection, “output”, is missing.",
        ),
        Mistake(
            "no bend",
            _but(bend=lambda x: x),
            "Your two matrices of the feed-forward follow each other without GELU between them, so together they are no more than one.",
        ),
        Mistake(
            "ReLU",
            _but(bend=F.relu),
            "Your bend is a ReLU. BERT's is GELU, which is smooth and lets a little of what is below 0 through.",
        ),
        Mistake(
            "the tanh form of GELU",
            _but(bend=lambda x: F.gelu(x, approximate="tanh")),
            "Your GELU is the approximation by tanh, a ten-thousandth beside the exact one. It adds up: vectors would no longer be BERT's.",
        ),
        Mistake(
            "only the first block",
            _but(blocks=1),
            "You return after one block. Each further one reads what the one before it wrote.",
        ),
    ),
    hints=(
        "Three stages: the sum of three table rows, normalized; then for each block its two halves. Which of your functions does each need?",
        "First half: three projections, split, weights under the mask, mix, heads back side by side, the fourth projection, add, "
        "normalize. Second half: widen, bend, narrow, add, normalize.",
        "After mixing you have (B, H, T, S). Swap the middle axes and flatten the last two before the output projection. Add to what came "
        "into the half, and only then normalize.",
    ),
)

EXERCISES = (WORDPIECE, POSITIONS, WEIGHTS, MASKS, HEADS, COST, DEAD_END, ENCODER)
