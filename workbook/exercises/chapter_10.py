"""The exercises of chapter 10: what is hidden, what is cut out, what a decoder may see, and a step of pre-training."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbook.exercises import compare, draws
from workbook.exercises.exercise import Answer, Case, Exercise, Mistake, Property, Reversed, Situation

IGNORED = -100
CLS, SEP, MASK = 2, 3, 4

# --- 10.1 hidden tokens and their labels -----------------------------------------------------


def hide_tokens(
    ids: Tensor, mask: Tensor, special: list[int], rate: float, mask_id: int, u: Tensor, v: Tensor, others: Tensor
) -> tuple[Tensor, Tensor]:
    """Choose tokens, hide most of them, and say which are to be guessed: two tensors (B, T)."""
    return _hide(ids, mask, special, rate, mask_id, u, v, others)


def _is_token(ids: Tensor, mask: Tensor, special: list[int]) -> Tensor:
    return mask.bool() & ~torch.isin(ids, torch.tensor(special))


def _labels(ids: Tensor, chosen: Tensor, gone: Tensor, hidden: Tensor) -> Tensor:
    return torch.where(chosen, ids, IGNORED)


def _hide(
    ids, mask, special, rate, mask_id, u, v, others, *,
    may=_is_token, drawn=lambda u, rate: u < rate, fates=(0.8, 0.9), of_all=False, labels=_labels,
):  # fmt: skip
    """Tokens are hidden, with one part exchanged."""
    chosen = may(ids, mask, special) & drawn(u, rate)
    swapped = (v >= fates[0]) & (v < fates[1]) & (may(ids, mask, special) if of_all else chosen)
    gone = chosen & (v < fates[0])
    hidden = torch.where(swapped, others, torch.where(gone, mask_id, ids))
    return hidden, labels(ids, chosen, gone, hidden)


def _hidden_by_token(ids, mask, special, rate, mask_id, u, v, others):
    hidden, labels = ids.clone(), torch.full_like(ids, IGNORED)
    for b in range(ids.shape[0]):
        for t in range(ids.shape[1]):
            if mask[b, t] == 0 or int(ids[b, t]) in special or u[b, t] >= rate:
                continue
            labels[b, t] = ids[b, t]
            if v[b, t] < 0.8:
                hidden[b, t] = mask_id
            elif v[b, t] < 0.9:
                hidden[b, t] = others[b, t]
    return hidden, labels


def _hiding(**parts: Any) -> Answer:
    return lambda *args: _hide(*args, **parts)


def _one_text() -> tuple:
    """[CLS] and five words; the second to the fifth are chosen: masked, masked, swapped, left as it is."""
    return (
        torch.tensor([[CLS, 11, 12, 13, 14, 15]]), torch.ones(1, 6, dtype=torch.long), [CLS, SEP], 0.5, MASK,
        torch.tensor([[0.1, 0.7, 0.2, 0.4, 0.3, 0.0]]), torch.tensor([[0.5, 0.5, 0.1, 0.79, 0.85, 0.95]]),
        torch.tensor([[21, 22, 23, 24, 25, 26]]),
    )  # fmt: skip


ONE_TEXT = torch.tensor([[CLS, 11, MASK, MASK, 25, 15]]), torch.tensor([[-100, -100, 12, 13, 14, 15]])


def _uniform(rng: random.Random, *shape: int) -> Tensor:
    """Numbers from 0 on and below 1, none near a share that decides."""
    count = torch.Size(shape).numel()
    return torch.tensor(
        [rng.choice((0.02, 0.1, 0.26, 0.4, 0.57, 0.7, 0.83, 0.87, 0.96)) for _ in range(count)]
    ).reshape(shape)


def _draw_hidden(rng: random.Random) -> tuple:
    B, T = rng.randint(1, 3), rng.randint(1, 6)
    mask = draws.mask(rng, B, T)
    words = (CLS, SEP, MASK, *range(11, 20), *range(11, 20))  # [MASK] is not among `special`: a token like any other
    ids = torch.tensor([[rng.choice(words) for _ in range(T)] for _ in range(B)])
    others = torch.tensor([[rng.choice((CLS, SEP, *range(20, 36))) for _ in range(T)] for _ in range(B)])
    ids = ids * mask if rng.random() < 0.5 else ids  # padding holds 0, or anything
    others = others if rng.random() < 0.9 else 0 * others
    ids = ids if rng.random() < 0.9 else 0 * ids  # 0 is an id like any other
    rate = rng.choice((0.0, 0.15, 0.5, 0.5, 1.0))
    return ids, mask, [CLS, SEP], rate, MASK, _uniform(rng, B, T), _uniform(rng, B, T), others


def _chosen(ids, mask, special, rate, mask_id, u, v, others):
    return _is_token(ids, mask, special) & (u < rate)


def _two_padded_texts() -> tuple:
    ids, _, special, _, mask_id, u, v, others = _one_text()
    both = torch.cat([ids, torch.tensor([[CLS, 11, SEP, 16, 17, 18]])])
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]])
    return both, mask, special, 1.0, mask_id, u.repeat(2, 1), v.repeat(2, 1), others.repeat(2, 1)


HIDE = Exercise(
    id="10.1",
    title="hidden tokens and their labels",
    difficulty="medium",
    minutes=12,
    section="Build it: what is hidden",
    signature="(B, T), (B, T), list, float, int, 3 times (B, T) -> (B, T), (B, T)",
    reference=hide_tokens,
    another=_hidden_by_token,
    draw=_draw_hidden,
    situations=(
        Situation("there is padding", lambda ids, mask, *rest: bool((mask == 0).any())),
        Situation("padding stands on the left", lambda ids, mask, *rest: bool((mask[:, 0] == 0).any())),
        Situation(
            "`others` holds a special id where it is wanted",
            lambda *args: bool(
                (_chosen(*args) & (args[6] >= 0.8) & (args[6] < 0.9) & torch.isin(args[7], torch.tensor(args[2]))).any()
            ),
        ),
        Situation(
            "a special token is there",
            lambda ids, mask, special, *rest: bool(torch.isin(ids, torch.tensor(special)).any()),
        ),
        Situation("no token is chosen", lambda *args: not bool(_chosen(*args).any())),
        Situation("the rate is 1", lambda ids, mask, special, rate, *rest: rate == 1),
        Situation("a chosen token stays as it is", lambda *args: bool((_chosen(*args) & (args[6] >= 0.9)).any())),
        Situation(
            "a chosen token gives way to another one",
            lambda *args: bool((_chosen(*args) & (args[6] >= 0.8) & (args[6] < 0.9)).any()),
        ),
        Situation("a chosen token is masked", lambda *args: bool((_chosen(*args) & (args[6] < 0.8)).any())),
    ),
    cases=(
        Case("one text, four of five words chosen", _one_text, ONE_TEXT),
        Case("two texts, everything chosen", _two_padded_texts),
        Case("nothing is chosen", lambda: (*_one_text()[:3], 0.0, *_one_text()[4:])),
    ),
    mistakes=(
        Mistake(
            "only what is masked is asked for",
            _hiding(labels=lambda ids, chosen, gone, hidden: torch.where(gone, ids, IGNORED)),
            "You ask for the tokens that became [MASK], and not for the chosen ones that were exchanged or left. Then the model may trust "
            "each token that it sees, and it learns nothing about those.",
        ),
        Mistake(
            "only what has changed is asked for",
            _hiding(labels=lambda ids, chosen, gone, hidden: torch.where(hidden != ids, ids, IGNORED)),
            "A chosen token that stays as it is must be guessed, too, although it can be seen: only so the model has to doubt the others.",
        ),
        Mistake(
            "every token is asked for",
            _hiding(labels=lambda ids, chosen, gone, hidden: ids.clone()),
            "Your labels ask for every token, also for those that stand there in plain sight. To copy what one sees is easy, and the loss "
            "falls for nothing. What was not chosen gets −100.",
        ),
        Mistake(
            "every token of the text is asked for",
            lambda ids, mask, special, *rest: (
                hide_tokens(ids, mask, special, *rest)[0],
                torch.where(_is_token(ids, mask, special), ids, IGNORED),
            ),
            "Your labels ask for all tokens but special ones and padding, also for those that stand there in plain sight. To copy what one "
            "sees is easy. What was not chosen gets −100.",
        ),
        Mistake(
            "the labels hold what is seen",
            _hiding(labels=lambda ids, chosen, gone, hidden: torch.where(chosen, hidden, IGNORED)),
            "Your labels hold the ids after hiding, so the model is to guess [MASK]. A label is the true token.",
        ),
        Mistake(
            "0 for what is not asked",
            _hiding(labels=lambda ids, chosen, gone, hidden: torch.where(chosen, ids, 0)),
            "You write 0 where nothing is asked. 0 is the id of a token, and the loss would ask for it. −100 is the number that PyTorch's "
            "cross-entropy leaves out.",
        ),
        Mistake(
            "padding is chosen",
            _hiding(may=lambda ids, mask, special: ~torch.isin(ids, torch.tensor(special))),
            "Padding can be chosen with you. Whatever id stands there, it is no token: `mask` is 0.",
        ),
        Mistake(
            "special tokens are chosen",
            _hiding(may=lambda ids, mask, special: mask.bool()),
            "Special tokens can be chosen with you. [CLS] stands in every text; there is nothing to guess about it.",
        ),
        Mistake(
            "every chosen token becomes [MASK]",
            _hiding(fates=(1.0, 1.0)),
            "All chosen tokens become [MASK]. Later the model will never see a [MASK]: where none stands, it would not have to know "
            "anything. One in ten is exchanged, one in ten stays.",
        ),
        Mistake(
            "none stays as it is",
            _hiding(fates=(0.8, 1.0)),
            "What is not masked is exchanged, always. Half of it stays as it is: from 0.9 on.",
        ),
        Mistake(
            "none is exchanged",
            _hiding(fates=(0.8, 0.8)),
            "No token is exchanged for another one. Between 0.8 and 0.9 it is.",
        ),
        Mistake(
            "nine of ten become [MASK]",
            _hiding(fates=(0.9, 1.0)),
            "You mask where v is below 0.9 and exchange the rest. The shares are 80, 10 and 10 %.",
        ),
        Mistake(
            "tokens that were not chosen are exchanged",
            _hiding(of_all=True),
            "A tenth of *all* tokens is exchanged. Only chosen ones are; for the others nobody asks, so they must be true.",
        ),
        Mistake(
            "the others are chosen",
            _hiding(drawn=lambda u, rate: u >= rate),
            "You choose the tokens whose number is *not* below `rate`: at 15 %, 85 % of the text would be gone.",
        ),
        Mistake(
            "the labels come first",
            lambda *args: hide_tokens(*args)[::-1],
            "Both are right, in the other order: first what the model sees, then the labels.",
        ),
    ),
    hints=(
        "Three questions, one after the other: which tokens may be chosen, which are, and what becomes of each chosen one?",
        "`may` is a token that is not special; `torch.isin` finds special ids. What is chosen has a label, whatever becomes of it.",
        "Two `torch.where` for what is seen: one for v below 0.8, one for v from 0.8 to 0.9, both among the chosen. One for the labels.",
    ),
)


# --- 10.2 a sentence and the text around it --------------------------------------------------

Passages = Sequence[Sequence[str]]


def inverse_cloze(
    passages: Passages, chosen: Sequence[int], drawn: Sequence[float], removal: float
) -> list[tuple[str, str]]:
    """A pair for each passage of two sentences or more: the chosen sentence, and the passage, mostly without it."""
    return _cloze(passages, chosen, drawn, removal)


def _without_place(sentences: Sequence[str], place: int) -> list[str]:
    return [s for i, s in enumerate(sentences) if i != place]


def _cloze(
    passages, chosen, drawn, removal, *,
    goes=lambda x, removal: x < removal, left=_without_place, kept=lambda sentences, place: list(sentences), least=2, join=" ",
    order=1, shift=0,
):  # fmt: skip
    """Inverse cloze with one part exchanged."""
    pairs = []
    for sentences, place, x in zip(passages, chosen, drawn, strict=True):
        if len(sentences) < least:
            continue
        at = (place + shift) % len(sentences)
        around = left(sentences, at) if goes(x, removal) else kept(sentences, at)
        pairs.append((sentences[at], join.join(around))[::order])
    return pairs


def _cloze_by_deleting(passages, chosen, drawn, removal):
    pairs = []
    for i in range(len(passages)):
        passage = list(passages[i])
        if len(passage) > 1:
            query = passage[chosen[i]]
            if drawn[i] < removal:
                del passage[chosen[i]]
            pairs.append((query, " ".join(passage)))
    return pairs


def _cloze_after_filtering(passages, chosen, drawn, removal):
    """Short passages are gone before places and numbers are dealt out."""
    long = [s for s in passages if len(s) > 1]
    places = [min(place, len(s) - 1) for s, place in zip(long, chosen, strict=False)]
    return _cloze(long, places, drawn[: len(long)], removal)


def _cloze_until_short(passages, chosen, drawn, removal):
    end = next((i for i, s in enumerate(passages) if len(s) < 2), len(passages))
    return _cloze(passages[:end], chosen[:end], drawn[:end], removal)


def _clozing(**parts: Any) -> Answer:
    return lambda *args: _cloze(*args, **parts)


SENTENCES = ("Frogs sleep.", "Mud is warm.", "Winter is long.", "A pond froze.", "Toads wait.")


def _draw_cloze(rng: random.Random) -> tuple:
    passages = []
    for _ in range(rng.randint(1, 3)):
        sentences = rng.sample(SENTENCES, rng.randint(1, 4))
        if len(sentences) > 1 and rng.random() < 0.4:
            sentences.append(sentences[0])
        passages.append(sentences)
    chosen = [rng.randrange(len(sentences)) for sentences in passages]
    drawn = [rng.choice((0.03, 0.3, 0.6, 0.85, 0.93, 0.97)) for _ in passages]
    return passages, chosen, drawn, rng.choice((0.9, 0.9, 0.5, 0.0, 1.0))


def _three_passages() -> tuple:
    passages = [["Frogs sleep.", "Mud is warm.", "Winter is long."], ["A pond froze.", "Toads wait."], ["Frogs sleep."]]
    return passages, [1, 0, 0], [0.42, 0.95, 0.1], 0.9


def _short_first() -> tuple:
    passages = [["Frogs sleep."], ["A pond froze.", "Toads wait.", "Mud is warm."], ["Mud is warm.", "Winter is long."]]
    return passages, [0, 2, 0], [0.95, 0.1, 0.3], 0.9


CLOZE = Exercise(
    id="10.2",
    title="a sentence and the text around it",
    difficulty="easy",
    minutes=8,
    section="Build it: a sentence and the text around it",
    signature="lists of sentences, list of int, list of float, float -> list of (str, str)",
    reference=inverse_cloze,
    another=_cloze_by_deleting,
    draw=_draw_cloze,
    loops=True,
    situations=(
        Situation("a passage is a single sentence", lambda passages, *rest: any(len(s) == 1 for s in passages)),
        Situation(
            "a sentence stands twice in its passage",
            lambda passages, *rest: any(len(s) > len(set(s)) for s in passages),
        ),
        Situation(
            "a sentence stays in its passage", lambda p, chosen, drawn, removal: any(x >= removal for x in drawn)
        ),
        Situation("a sentence is taken out", lambda p, chosen, drawn, removal: any(x < removal for x in drawn)),
        Situation("there is more than one passage", lambda passages, *rest: len(passages) > 1),
        Situation("the first sentence is chosen", lambda passages, chosen, *rest: 0 in chosen),
    ),
    cases=(
        Case(
            "three passages, the last too short",
            _three_passages,
            [("Mud is warm.", "Frogs sleep. Winter is long."), ("A pond froze.", "A pond froze. Toads wait.")],
        ),
        Case(
            "a sentence that stands twice", lambda: ([["Toads wait.", "A pond froze.", "Toads wait."]], [2], [0.1], 0.9)
        ),
        Case("it stays in the middle", lambda: ([["Toads wait.", "A pond froze.", "Frogs sleep."]], [1], [0.95], 0.9)),
        Case("no passage at all", lambda: ([], [], [], 0.9), []),
        Case("a short passage comes first", _short_first),
        Case(
            "two passages with the same sentence",
            lambda: ([["Frogs sleep.", "Mud is warm."], ["Frogs sleep.", "Toads wait."]], [0, 0], [0.97, 0.1], 0.5),
        ),
    ),
    mistakes=(
        Mistake(
            "always taken out",
            _clozing(goes=lambda x, removal: True),
            "The sentence is always taken out. In one of ten pairs it stays: equal words are a good sign at search, and a model that never "
            "sees one forgets that.",
        ),
        Mistake(
            "never taken out",
            _clozing(goes=lambda x, removal: False),
            "The sentence always stays in its passage. Then its words are all that has to be found again: the model learns to compare words, "
            "which BM25 can do already.",
        ),
        Mistake(
            "taken out in one of ten",
            _clozing(goes=lambda x, removal: x >= removal),
            "You take it out where the number is *not* below `removal`: in one of ten instead of in nine.",
        ),
        Mistake(
            "its twins go with it",
            _clozing(left=lambda sentences, place: [s for s in sentences if s != sentences[place]]),
            "You take out every sentence that reads like the chosen one. Only the chosen place goes; what stands there twice stays once.",
        ),
        Mistake(
            "only what stands before is kept",
            _clozing(left=lambda sentences, place: sentences[:place]),
            "You keep the sentences before the chosen one and lose those behind it. The text around a sentence stands on both sides.",
        ),
        Mistake(
            "a single sentence gives a pair",
            _clozing(least=1),
            "A passage of a single sentence gives a pair with you, with itself or with nothing as its passage. It has no text around it: "
            "leave it out.",
        ),
        Mistake(
            "the first that reads like it goes",
            _clozing(left=lambda sentences, place: _without_place(sentences, list(sentences).index(sentences[place]))),
            "You look for the sentence by its words and take the first that reads so, as list.remove does. The chosen one has a place.",
        ),
        Mistake(
            "what stays goes to the end",
            _clozing(kept=lambda sentences, place: [*_without_place(sentences, place), sentences[place]]),
            "A sentence that stays is put at the end. It stays where it is.",
        ),
        Mistake(
            "what stays goes to the front",
            _clozing(kept=lambda sentences, place: [sentences[place], *_without_place(sentences, place)]),
            "A sentence that stays is put in front. It stays where it is.",
        ),
        Mistake(
            "only what follows",
            _clozing(left=lambda sentences, place: list(sentences)[place + 1 :]),
            "Your passage begins behind the sentence. What stands before it belongs to the passage as well.",
        ),
        Mistake(
            "the pair is turned round",
            _clozing(order=-1),
            "The pair is turned round: the sentence is the query and comes first.",
        ),
        Mistake(
            "a gap is left",
            _clozing(left=lambda sentences, place: ["" if i == place else s for i, s in enumerate(sentences)]),
            "An empty sentence stands where the chosen one was, so two blanks follow one another, or a text begins with one. What is taken "
            "out leaves no place.",
        ),
        Mistake(
            "one number for all passages",
            lambda passages, chosen, drawn, removal: _cloze(passages, chosen, [*drawn[:1]] * len(passages), removal),
            "The first number in `drawn` decides for all passages. Each passage has a number of its own.",
        ),
        Mistake(
            "held against 1 minus removal",
            _clozing(goes=lambda x, removal: x >= 1 - removal),
            "You hold the number against 1 − `removal`. As often as asked a sentence goes, but not the one that is asked: it goes where its "
            "number is below `removal`.",
        ),
        Mistake(
            "short passages are left out first",
            _cloze_after_filtering,
            "You leave short passages out first, and then deal out places and numbers: those behind a short one get the numbers of another. "
            "Go through passages, places and numbers side by side, and pass over what is too short.",
        ),
        Mistake(
            "a short passage ends everything",
            _cloze_until_short,
            "After a passage that is too short no pair comes any more: pass over it (`continue`) instead of stopping.",
        ),
        Mistake(
            "equal queries overwrite each other",
            lambda *args: list(dict(_cloze(*args)).items()),
            "Where two passages give the same query, only one pair is left, as in a dict. Each passage gives its own pair.",
        ),
        Mistake(
            "joined by a line break",
            _clozing(join="\n"),
            "You join the sentences of the passage by a line break. A blank is asked for.",
        ),
        Mistake(
            "joined without a blank",
            _clozing(join=""),
            "The sentences of the passage run into one another: join them with a blank.",
        ),
        Mistake(
            "counted from 1",
            _clozing(shift=-1),
            "You take the sentence before the chosen one: places are counted from 0.",
        ),
    ),
    hints=(
        "Go through passages, places and numbers side by side. When is there no pair?",
        "The passage is a list of sentences with or without one *place*; compare numbers of places, not texts.",
        "`enumerate` gives place and sentence. Keep a sentence if its place is another one, or if the number is not below `removal`.",
    ),
)


# --- 10.3 two spans of one text --------------------------------------------------------------


def two_spans(words: Sequence[str], shares: Sequence[float], places: Sequence[float]) -> tuple[str, str]:
    """Two spans of a text of L words, each of its own length, each anywhere; they may overlap."""
    return _spans(words, shares, places)


def _length(L: int, share: float) -> int:
    return max(1, int(L * share))


def _start(L: int, n: int, place: float) -> int:
    return int(place * (L - n + 1))


def _spans(
    words, shares, places, *, length=_length, start=_start, between=" ", cut=lambda words, a, n: words[a : a + n]
):
    """Spans with one part exchanged."""
    found = []
    for share, place in zip(shares, places, strict=True):
        n = length(len(words), share)
        found.append(between.join(cut(list(words), start(len(words), n, place), n)))
    return tuple(found)


def _spans_one_by_one(words, shares, places):
    L, found = len(words), []
    for i in (0, 1):
        n = int(shares[i] * L) or 1
        starts = list(range(L - n + 1))
        a = starts[int(places[i] * len(starts))]
        found.append(" ".join(words[a + j] for j in range(n)))
    return found[0], found[1]


def _spanning(**parts: Any) -> Answer:
    return lambda *args: _spans(*args, **parts)


def _adjacent(words, shares, places):
    L = len(words)
    a, b = (_length(L, share) for share in shares)
    start = _start(L, a, places[0])
    return " ".join(words[start : start + a]), " ".join(words[start + a : start + a + b])


def _letters(words, shares, places):
    text = " ".join(words)
    lengths = [_length(len(text), share) for share in shares]
    starts = [_start(len(text), n, place) for n, place in zip(lengths, places, strict=True)]
    return tuple(text[a : a + n] for a, n in zip(starts, lengths, strict=True))


TEN = tuple("abcdefghij")


def _draw_spans(rng: random.Random) -> tuple:
    words = rng.sample(TEN, rng.randint(2, 10))
    shares = [rng.choice((0.05, 0.13, 0.27, 0.38, 0.49)) for _ in range(2)]
    places = [rng.choice((0.0, 0.21, 0.43, 0.66, 0.97)) for _ in range(2)]
    return words, shares, places


def _each_word_can_end_a_span(answer: Answer) -> str | None:
    first, second = answer(list("abcdef"), [0.35, 0.35], [0.99, 0.0])
    if (str(first), str(second)) == ("e f", "a b"):
        return None
    return f'six words, spans of two, places 0.99 and 0: the last and the first two are due, "e f" and "a b"; got {first!r} and {second!r}'


SPANS = Exercise(
    id="10.3",
    title="two spans of one text",
    difficulty="medium",
    minutes=9,
    section="Build it: two spans of one text",
    signature="L words, 2 floats, 2 floats -> (str, str)",
    reference=two_spans,
    another=_spans_one_by_one,
    draw=_draw_spans,
    loops=True,
    situations=(
        Situation("a share is less than a word", lambda words, shares, places: min(shares) * len(words) < 1),
        Situation("a span is longer than a word", lambda words, shares, places: max(shares) * len(words) >= 2),
        Situation("a span ends with the text", lambda words, shares, places: max(places) > 0.9),
        Situation(
            "both spans begin at the same share of the text", lambda words, shares, places: places[0] == places[1]
        ),
        Situation("both spans have the same share", lambda words, shares, places: shares[0] == shares[1]),
    ),
    cases=(
        Case("ten words", lambda: (list(TEN), [0.35, 0.2], [0.5, 0.97]), ("e f g", "i j")),
        Case("two words", lambda: (["a", "b"], [0.05, 0.4], [0.97, 0.0]), ("b", "a")),
        Case("a span of four and one of one", lambda: (list(TEN), [0.45, 0.1], [0.9, 0.43])),
    ),
    properties=(Property("every word can end a span", _each_word_can_end_a_span),),
    mistakes=(
        Mistake(
            "the last start is never reached",
            _spanning(start=lambda L, n, place: int(place * (L - n))),
            "The last place where a span can begin is never reached. Between the first start, 0, and the last, L − n, there are "
            "L − n + 1.",
        ),
        Mistake(
            "spans run over the end",
            _spanning(start=lambda L, n, place: int(place * L)),
            "Spans begin anywhere and are cut off at the end of the text, so those at the end are shorter. Choose among the starts from "
            "which n words are left.",
        ),
        Mistake(
            "the second follows the first",
            _adjacent,
            "Your second span begins where the first ends. Each has a place of its own, and they may overlap.",
        ),
        Mistake(
            "a start is rounded",
            _spanning(start=lambda L, n, place: round(place * (L - n + 1))),
            "You round the start. Rounded up it can lie one place too far, so that the span loses its last word. Cut it to the whole number "
            "below.",
        ),
        Mistake(
            "pushed back from the end",
            _spanning(start=lambda L, n, place: min(int(place * L), L - n)),
            "You take the start among all words and push it back where the span would not fit. So the last start comes up too often, and the "
            "others lie too far on. There are L − n + 1 starts: take the place among these.",
        ),
        Mistake(
            "a share of what is left",
            lambda words, shares, places: tuple(
                " ".join(words[a : a + _length(len(words) - a, share)])
                for share, a in ((share, int(place * len(words))) for share, place in zip(shares, places, strict=True))
            ),
            "You choose the start first, and take a share of the words that are left behind it. The length is a share of all words, and it comes "
            "first: it decides where the span can begin.",
        ),
        Mistake(
            "an empty span",
            _spanning(length=lambda L, share: int(L * share)),
            "A share of less than a word gives an empty span with you. A span has one word at least.",
        ),
        Mistake(
            "lengths are rounded",
            _spanning(length=lambda L, share: max(1, round(L * share))),
            "You round the length to the nearest whole number. It is the whole number below: int, not round.",
        ),
        Mistake(
            "lengths are rounded up",
            _spanning(length=lambda L, share: max(1, -int(-L * share // 1))),
            "You round the length up. It is the whole number below: int, not ceil.",
        ),
        Mistake(
            "both with the first share",
            lambda words, shares, places: _spans(words, [shares[0]] * 2, places),
            "Both spans have the first one's length. Each has a share of its own.",
        ),
        Mistake(
            "both at the first place",
            lambda words, shares, places: _spans(words, shares, [places[0]] * 2),
            "Both spans take the first one's place. Each has a place of its own.",
        ),
        Mistake(
            "one word too many",
            _spanning(cut=lambda words, a, n: words[a : a + n + 1]),
            "Your spans have a word too many: one of n words that begins at a ends before a + n.",
        ),
        Mistake(
            "letters instead of words",
            _letters,
            "Your spans are cut out of the text letter by letter. Lengths and places count words; join them afterwards.",
        ),
        Mistake(
            "joined without blanks",
            _spanning(between=""),
            "The words of a span run into one another: join them with blanks.",
        ),
        Mistake(
            "the second first",
            lambda words, shares, places: two_spans(words, shares, places)[::-1],
            "The two spans are in the other order: the one of the first share and the first place comes first.",
        ),
    ),
    hints=(
        "Twice the same: how long, where from, which words? Begin with the length.",
        "A span of n words can begin at 0, 1, …, L − n. How many starts are that?",
        "Multiply the number of starts by the place and take the whole number below; then slice, and join with blanks.",
    ),
)


# --- 10.4 what the decoder may see -----------------------------------------------------------


def decoding_mask(mask: Tensor, rate: float, drawn: Tensor) -> Tensor:
    """For each position which rows it may look at: (B, T), float, (B, T, T) -> (B, T, T) of booleans."""
    return _decoding(mask, rate, drawn)


def _diagonal(T: int) -> Tensor:
    return torch.eye(T, dtype=torch.bool)


def _decoding(
    mask, rate, drawn, *, seen=lambda drawn, rate: drawn >= rate, itself=True, padding=True, first=True, late=False, causal=False,
):  # fmt: skip
    """The mask of enhanced decoding with one part exchanged."""
    T = mask.shape[1]
    M = seen(drawn, rate)
    if itself and not late:
        M = M & ~_diagonal(T)
    if causal:
        M = M & torch.ones(T, T, dtype=torch.bool).tril()
    if padding:
        M = M & mask.bool()[:, None, :]
    if first:
        M = M.clone()
        M[:, :, 0] = True
    if itself and late:
        M = M & ~_diagonal(T)
    return M


def _decoding_by_cell(mask, rate, drawn):
    B, T = mask.shape
    M = torch.zeros(B, T, T, dtype=torch.bool)
    for b in range(B):
        for i in range(T):
            for j in range(T):
                M[b, i, j] = j == 0 or (i != j and mask[b, j] == 1 and drawn[b, i, j] >= rate)
    return M


def _decodes(**parts: Any) -> Answer:
    return lambda *args: _decoding(*args, **parts)


def _padded_rows(mask: Tensor, rate: float, drawn: Tensor) -> Tensor:
    """Rows of padding see nothing."""
    return decoding_mask(mask, rate, drawn) & mask.bool()[:, :, None]


# "[CLS] heart attack symptoms" at a rate of one half: the same cells as the package's mask has with the seed 0.
FOUR = torch.tensor(
    [[[0.9, 0.3, 0.6, 0.7], [0.1, 0.7, 0.8, 0.4], [0.6, 0.2, 0.9, 0.7], [0.3, 0.5, 0.6, 0.1]]]
)  # fmt: skip
FOUR_SEEN = torch.tensor([[[1, 0, 1, 1], [1, 0, 1, 0], [1, 0, 0, 1], [1, 1, 1, 0]]], dtype=torch.bool)


def _right_padded(rng: random.Random, B: int, T: int) -> Tensor:
    """A mask (B, T) with [CLS] in each row, padded on the right."""
    return torch.tensor([[1] * n + [0] * (T - n) for n in (rng.randint(1, T) for _ in range(B))])


def _draw_decoding(rng: random.Random) -> tuple[Tensor, float, Tensor]:
    B, T = rng.randint(1, 2), rng.randint(1, 5)
    return _right_padded(rng, B, T), rng.choice((0.0, 0.5, 0.5, 0.7, 1.0)), _uniform(rng, B, T, T)


def _nobody_sees_itself(answer: Answer) -> str | None:
    M = answer(torch.ones(1, 5, dtype=torch.long), 0.0, torch.full((1, 5, 5), 0.5))
    sees = [i for i in range(1, 5) if bool(M[0, i, i])]
    return f"at a rate of 0, position {sees[0]} sees itself" if sees else None


DECODING = Exercise(
    id="10.4",
    title="what the decoder may see",
    difficulty="medium",
    minutes=11,
    section="Build it: what the decoder may see",
    signature="(B, T), float, (B, T, T) -> (B, T, T) bool",
    reference=decoding_mask,
    another=_decoding_by_cell,
    draw=_draw_decoding,
    situations=(
        Situation("there is padding", lambda mask, *rest: bool((mask == 0).any())),
        Situation("there is nothing but [CLS]", lambda mask, *rest: mask.shape[1] == 1),
        Situation("there is more than one text", lambda mask, *rest: len(mask) > 1),
        Situation("nothing is hidden", lambda mask, rate, drawn: rate == 0),
        Situation("everything is hidden", lambda mask, rate, drawn: rate == 1),
        Situation(
            "rows of one text have different draws", lambda mask, rate, drawn: bool((drawn != drawn[:, :1]).any())
        ),
    ),
    cases=(
        Case("[CLS] heart attack symptoms", lambda: (torch.ones(1, 4, dtype=torch.long), 0.5, FOUR.clone()), FOUR_SEEN),
        Case("the last two are padding", lambda: (torch.tensor([[1, 1, 0, 0]]), 0.5, FOUR.clone())),
        Case(
            "all is hidden",
            lambda: (torch.ones(1, 3, dtype=torch.long), 1.0, FOUR[:, :3, :3].clone()),
            torch.tensor([[[1, 0, 0]] * 3], dtype=torch.bool),
        ),
        Case("two texts", lambda: (torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]]), 0.7, FOUR.repeat(2, 1, 1))),
    ),
    properties=(Property("nobody sees itself", _nobody_sees_itself),),
    mistakes=(
        Mistake(
            "a position sees itself",
            _decodes(itself=False),
            "A position can see its own token, and that is the one it has to rebuild. The loss falls to nearly nothing, and the sentence's "
            "vector learns nothing: it is not needed.",
        ),
        Mistake(
            "one draw for all positions",
            lambda mask, rate, drawn: decoding_mask(mask, rate, drawn[:, :1].expand_as(drawn)),
            "Every position sees the same tokens, those of the first row. That is plain masking; enhanced decoding draws anew for each "
            "position, so all of them can be asked for.",
        ),
        Mistake(
            "one draw for all texts",
            lambda mask, rate, drawn: decoding_mask(mask, rate, drawn[:1].expand_as(drawn)),
            "All texts use the draws of the first. Each has draws of its own.",
        ),
        Mistake(
            "padding is seen",
            _decodes(padding=False),
            "Padding can be looked at. What a text is rebuilt from would hang on how long its batch-mates are.",
        ),
        Mistake(
            "the sentence is not always seen",
            _decodes(first=False),
            "Column 0 is drawn like the others. There stands the sentence's vector: it is what every position looks at, always.",
        ),
        Mistake(
            "[CLS] does not see column 0",
            _decodes(late=True),
            "Row 0 does not see column 0: the diagonal is taken out last. Column 0 comes last; it is true in every row.",
        ),
        Mistake(
            "the hidden ones are seen",
            _decodes(seen=lambda drawn, rate: drawn < rate),
            "You show what should be hidden: a position sees another where its number is *not* below the rate.",
        ),
        Mistake(
            "rows and columns exchanged",
            lambda mask, rate, drawn: decoding_mask(mask, rate, drawn.transpose(1, 2)),
            "Rows and columns of the draws are exchanged. Row i says what position i sees.",
        ),
        Mistake(
            "only what stands before it",
            _decodes(causal=True),
            "A position sees only what stands before it, as in a decoder that writes. This one rebuilds, and may look at both sides.",
        ),
        Mistake(
            "rows of padding see nothing",
            _padded_rows,
            "You take out the *rows* of padding, too. A row that sees nothing has a softmax over nothing, which is NaN; nobody asks those "
            "rows for anything. Column 0 is true in every row.",
        ),
        Mistake(
            "everything is seen",
            _decodes(seen=lambda drawn, rate: torch.ones_like(drawn, dtype=torch.bool)),
            "Nothing is hidden with you: the numbers and the rate never count.",
        ),
        Mistake(
            "True for hidden",
            lambda *args: ~decoding_mask(*args),
            "Your mask is turned round: True stands for what may be seen.",
        ),
    ),
    hints=(
        "Begin with a comparison that gives (B, T, T) booleans, then take away, then give back one column.",
        "Take away: the diagonal, and the columns of padding, with `mask[:, None, :]`.",
        "Column 0 is set last, to True, in every row: also row 0 sees it.",
    ),
)


# --- 10.5 the other way round ----------------------------------------------------------------


def smallest_leak() -> tuple[Tensor, float, Tensor]:
    """[CLS] and one token, which is drawn to be seen by itself."""
    return torch.tensor([[1, 1]]), 0.5, torch.tensor([[[0.0, 0.0], [0.0, 0.9]]])


def _leaky(mask: Tensor, rate: float, drawn: Tensor) -> Tensor:
    return _decoding(mask.long(), float(rate), drawn, itself=False)


def _tight(mask: Tensor, rate: float, drawn: Tensor) -> Tensor:
    return _decoding(mask.long(), float(rate), drawn)


def _not_a_batch(mask: Any, rate: Any, drawn: Any) -> str | None:
    if not isinstance(mask, Tensor) or mask.ndim != 2 or not mask.numel() or mask.is_floating_point():
        return "mask must be a tensor of whole numbers (B, T), with at least one text and one position"
    B, T = mask.shape
    if not isinstance(drawn, Tensor) or not drawn.is_floating_point() or drawn.shape != (B, T, T):
        return f"drawn must be a tensor of floats (B, T, T) = {(B, T, T)}"
    if compare.kind(rate) != "number" or isinstance(rate, bool) or not 0 <= rate <= 1:
        return f"rate is a share, from 0 to 1, got {rate!r}"
    if not bool(((drawn >= 0) & (drawn < 1)).all()):
        return "the draws lie from 0 on and below 1"
    if (
        not bool(((mask == 0) | (mask == 1)).all())
        or bool((mask[:, 0] == 0).any())
        or bool((mask.long().diff(dim=1) > 0).any())
    ):
        return "the mask holds 0 and 1 alone, each text begins with [CLS], and padding stands on the right"
    return None


def _same_masks(mask: Tensor, rate: float, drawn: Tensor) -> bool:
    return torch.equal(_leaky(mask, rate, drawn), _tight(mask, rate, drawn))


LEAK = Reversed(
    id="10.5",
    title="a token that sees itself",
    difficulty="medium",
    minutes=7,
    section="Build it: a token that sees itself",
    signature="() -> mask (B, T), rate, drawn (B, T, T)",
    reference=smallest_leak,
    another=lambda: (torch.tensor([[1, 1]]), 0.0, torch.zeros(1, 2, 2)),
    right=_tight,
    wrong=_leaky,
    valid=_not_a_batch,
    smallest=4,
    measure=lambda mask, rate, drawn: drawn.numel(),
    cases=(Case("your batch", lambda: (), smallest_leak()),),
    mistakes=(
        Mistake(
            "padding on the left",
            lambda: (torch.tensor([[0, 1]]), 0.5, torch.full((1, 2, 2), 0.9)),
            "Padding stands on the left, so [CLS] is not in column 0. There the sentence's vector has to stand.",
            when=lambda mask, rate, drawn: bool((mask[:, 0] == 0).any()),
        ),
        Mistake(
            "there is only [CLS]",
            lambda: (torch.tensor([[1]]), 0.5, torch.full((1, 1, 1), 0.9)),
            "[CLS] stands alone. It sees column 0 in both masks, and nobody asks for it.",
            when=lambda mask, rate, drawn: mask.shape[1] == 1,
        ),
        Mistake(
            "the token is padding",
            lambda: (torch.tensor([[1, 0]]), 0.5, torch.full((1, 2, 2), 0.9)),
            "Behind [CLS] stands nothing but padding, and no position sees padding, itself or not.",
            when=lambda mask, rate, drawn: int(mask.sum(dim=1).max()) == 1,
        ),
        Mistake(
            "everything is hidden",
            lambda: (torch.tensor([[1, 1]]), 1.0, torch.full((1, 2, 2), 0.9)),
            "At a rate of 1 everything is hidden, a token from itself as well.",
            when=lambda mask, rate, drawn: rate == 1,
        ),
        Mistake(
            "the draw hides it",
            lambda: (torch.tensor([[1, 1]]), 0.5, torch.tensor([[[0.9, 0.9], [0.9, 0.1]]])),
            "Each token's own number is below the rate, so it is hidden from itself by chance. Which cell decides?",
            when=_same_masks,
        ),
        Mistake(
            "more than it takes",
            lambda: (torch.tensor([[1, 1, 1]]), 0.5, torch.full((1, 3, 3), 0.9)),
            "It shows the leak, with more numbers than it takes. How many texts, and how many tokens beside [CLS]?",
            when=lambda mask, rate, drawn: drawn.numel() > 4,
        ),
    ),
    hints=(
        "On the diagonal both masks differ. Which cell of it is the same in both, whatever is drawn?",
        "[CLS] and one token are enough. What must its own number be, beside the rate?",
        "One text, two positions: four numbers, of which only the last counts. It must not be below the rate.",
    ),
)


# --- 10.6 a step of pre-training -------------------------------------------------------------

V, LONGEST = 9, 6


class Guesser(nn.Module):
    """A small encoder and a small decoder over one table of words.

    Args:
        word: (V, D), for tokens; also what guesses are compared with.
        position: (LONGEST, D), what the decoder asks at each position.
        old: a gradient that is left from before.
    """

    def __init__(self, word: Tensor, position: Tensor, old: float | None = None):
        super().__init__()
        self.word, self.position = nn.Parameter(word.clone()), nn.Parameter(position.clone())
        self.trained_before = old is not None
        for weight in self.parameters():
            weight.grad = None if old is None else torch.full_like(weight, old)

    def encode(self, ids: Tensor, mask: Tensor) -> Tensor:
        """ids (B, T), mask (B, T) -> hidden (B, T, D): each token has read the others."""
        word = self.word[ids]
        read = (word * mask[..., None]).sum(dim=1, keepdim=True) / mask.sum(dim=1)[:, None, None]
        return word + read

    def decode(self, sentence: Tensor, ids: Tensor, seen: Tensor) -> Tensor:
        """sentence (B, D), ids (B, T), seen (B, T, T) of booleans -> hidden (B, T, D)."""
        rows = torch.cat([sentence[:, None], self.word[ids][:, 1:]], dim=1)  # (B, T, D)
        share = seen / seen.sum(dim=2, keepdim=True)  # (B, T, T)
        return share @ rows + self.position[: ids.shape[1]]

    def logits(self, hidden: Tensor) -> Tensor:
        """hidden (…, D) -> scores for each word (…, V)."""
        return hidden @ self.word.T

    def __repr__(self) -> str:
        return "an encoder and a decoder over one table of words"


Rates = tuple[float, float]
Draws = tuple[Tensor, Tensor, Tensor, Tensor]


def pretrain_step(
    model: nn.Module, ids: Tensor, mask: Tensor, special: list[int], mask_id: int, rates: Rates, draws: Draws, lr: float
) -> float:
    """A step of gradient descent on RetroMAE's two losses; their sum before it, as a number."""
    return _pretrain(model, ids, mask, special, mask_id, rates, draws, lr)


def _mean_loss(logits: Tensor, labels: Tensor) -> Tensor:
    asked = labels != IGNORED
    return F.cross_entropy(logits[asked], labels[asked], reduction="sum") / max(1, int(asked.sum()))


def _sum_loss(logits: Tensor, labels: Tensor) -> Tensor:
    asked = labels != IGNORED
    return F.cross_entropy(logits[asked], labels[asked], reduction="sum")


def _pretrain_by_parts(*args: Any) -> float:
    """A step for each of the two losses: the decoder's begins where the encoder's has ended."""
    return _pretrain(*args, add=lambda a, b: a) + _pretrain(*args, add=lambda a, b: b)


def _loss_afterwards(*args: Any) -> float:
    _pretrain(*args)
    return _pretrain(*args, sign=0.0)


def _mean_of_texts(logits: Tensor, labels: Tensor) -> Tensor:
    found = [_mean_loss(row, own) for row, own in zip(logits, labels, strict=True) if (own != IGNORED).any()]
    return torch.stack(found).mean() if found else 0 * logits.sum()


def _all_but_special(ids: Tensor, mask: Tensor, special: list[int], labels: Tensor) -> Tensor:
    return torch.where(_is_token(ids, mask, special), ids, IGNORED)


def _pretrain(
    model, ids, mask, special, mask_id, rates, draws, lr, *,
    read=lambda hidden, ids: hidden, pool=lambda hidden, mask: hidden[:, 0], cut=False, shown=lambda hidden, ids: ids,
    again=False, first_loss: Answer | None = None, see: Answer = _decoding, asked=_all_but_special, loss: Answer = _mean_loss, add=lambda a, b: a + b, turn=1, clear=True,
    sign=1.0,
):  # fmt: skip
    """The step with one part exchanged."""
    u, v, others, drawn = draws
    hidden, labels = hide_tokens(ids, mask, special, rates[::turn][0], mask_id, u, v, others)
    encoded = model.encode(read(hidden, ids), mask)
    sentence = pool(model.encode(ids, mask) if again else encoded, mask)
    decoded = model.decode(
        sentence.detach() if cut else sentence, shown(hidden, ids), see(mask, rates[::turn][1], drawn)
    )
    first = (first_loss or loss)(model.logits(encoded), labels)
    second = loss(model.logits(decoded), asked(ids, mask, special, labels))
    both = add(first, second)
    weights = list(model.parameters())
    gradients = torch.autograd.grad(both, weights, allow_unused=True)
    for weight, new in zip(weights, gradients, strict=True):
        gradient = torch.zeros_like(weight) if new is None else new
        if not clear and weight.grad is not None:
            gradient = gradient + weight.grad
        with torch.no_grad():
            weight -= sign * lr * gradient
    return both.item()


def _pretrain_by_token(model, ids, mask, special, mask_id, rates, draws, lr):
    """Token by token, with the optimizer of torch."""
    u, v, others, drawn = draws
    hidden, labels = _hidden_by_token(ids, mask, special, rates[0], mask_id, u, v, others)
    encoded = model.encode(hidden, mask)
    decoded = model.decode(encoded[:, 0], ids, _decoding_by_cell(mask, rates[1], drawn))
    guessed, rebuilt = [], []
    for b in range(ids.shape[0]):
        for t in range(ids.shape[1]):
            true = int(ids[b, t])
            if labels[b, t] != IGNORED:
                guessed.append(-model.logits(encoded[b, t]).log_softmax(0)[true])
            if mask[b, t] == 1 and true not in special:
                rebuilt.append(-model.logits(decoded[b, t]).log_softmax(0)[true])
    loss = sum(torch.stack(part).mean() for part in (guessed, rebuilt) if part) + 0 * encoded.sum()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def _loss_and_weights(result: Any, args: tuple) -> dict[str, Any]:
    if isinstance(result, Tensor) and result.requires_grad:
        raise compare.NotAResult(
            "the loss that you return still carries its graph, which keeps the whole step in memory: return a number"
        )
    model = args[0]
    return {"loss": result, "words": model.word.detach(), "positions": model.position.detach()}


def _changed(**parts: Any) -> Answer:
    return lambda *args: _pretrain(*args, **parts)


def _no_words_yet() -> tuple:
    """All words are the zero vector: every guess is one of nine. Two tokens, of which the first is hidden."""
    position = torch.zeros(LONGEST, 2)
    position[:, 0] = 1.0
    return (
        Guesser(torch.zeros(V, 2), position), torch.tensor([[CLS, 5, 6, SEP]]), torch.ones(1, 4, dtype=torch.long),
        [CLS, SEP], MASK, (0.3, 0.5),
        (torch.tensor([[0.9, 0.1, 0.9, 0.9]]), torch.full((1, 4), 0.5), torch.full((1, 4), 7), FOUR.clone()), 0.9,
    )  # fmt: skip


def _zero_moved() -> dict[str, Any]:
    """The decoder's rows all read (1, 0); a word's gradient there is 1/9, less its share of what is asked, one half or nothing."""
    word = torch.zeros(V, 2)
    word[:, 0] = -0.1
    word[5, 0] = word[6, 0] = 0.9 * (1 / 2 - 1 / 9)
    position = torch.zeros(LONGEST, 2)
    position[:, 0] = 1.0
    return {"loss": 4.3944492, "words": word, "positions": position}


def _drawn_model(seed: int, old: float | None = None) -> Guesser:
    generator = torch.Generator().manual_seed(seed)
    return Guesser(torch.randn(V, 3, generator=generator), torch.randn(LONGEST, 3, generator=generator), old)


def _draw_step(rng: random.Random) -> tuple:
    B, T = rng.randint(1, 3), rng.randint(2, 6)
    words = (0, 1) if rng.random() < 0.2 else (1, 5, 6, 7, 8)
    ids = torch.tensor([[CLS] + [rng.choice((SEP, *words, *words)) for _ in range(T - 1)] for _ in range(B)])
    mask = _right_padded(rng, B, T)
    ids[0, 1], mask[0, 1] = words[0], 1  # at least one token is asked for
    others = torch.tensor([[rng.randint(5, 8) for _ in range(T)] for _ in range(B)])
    rates = rng.choice((0.3, 0.5, 0.75, 0.0)), rng.choice((0.5, 0.7))
    drawn = (_uniform(rng, B, T), _uniform(rng, B, T), others, _uniform(rng, B, T, T))
    model = _drawn_model(rng.randrange(10_000), rng.choice((None, 0.5)))
    return model, ids, mask, [CLS, SEP], MASK, rates, drawn, rng.choice((0.1, 0.3))


def _two_sentences(old: float | None = None, rate: float = 0.45) -> Callable[[], tuple]:
    rng = random.Random(3)
    ids = torch.tensor([[CLS, 5, 6, 7, 8, SEP], [CLS, 7, 5, SEP, 8, 6], [CLS, 8, 8, 6, 5, SEP]])
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 0]])
    others = torch.full((3, 6), 7)
    drawn = (_uniform(rng, 3, 6), _uniform(rng, 3, 6), others, _uniform(rng, 3, 6, 6))
    return lambda: (
        _drawn_model(5, old), ids.clone(), mask.clone(), [CLS, SEP], MASK, (rate, 0.6),
        tuple(each.clone() for each in drawn), 0.3,
    )  # fmt: skip


STEP = Exercise(
    id="10.6",
    title="a step of RetroMAE",
    difficulty="hard",
    minutes=20,
    section="Build it: a step of pre-training",
    signature="model, (B, T), (B, T), list, int, 2 floats, 4 tensors, float -> float; the model's weights are changed",
    reference=pretrain_step,
    another=_pretrain_by_token,
    draw=_draw_step,
    loops=True,
    may_change=(0,),
    observe=_loss_and_weights,
    situations=(
        Situation("there is padding", lambda model, ids, mask, *rest: bool((mask == 0).any())),
        Situation("there is more than one text", lambda model, ids, *rest: len(ids) > 1),
        Situation("nothing is hidden from the encoder", lambda *args: args[5][0] == 0),
        Situation("the weights hold an old gradient", lambda model, *rest: model.trained_before),
        Situation(
            "a text has nothing but special tokens",
            lambda model, ids, mask, special, *rest: bool((~_is_token(ids, mask, special)).all(dim=1).any()),
        ),
    ),
    cases=(
        Case("all words still zero", _no_words_yet, _zero_moved()),
        Case("three texts", _two_sentences()),
        Case("three texts, an old gradient", _two_sentences(0.5)),
        Case("three texts, many tokens hidden", _two_sentences(rate=0.85)),
        Case("nothing is hidden from the encoder", _two_sentences(rate=0.0)),
    ),
    mistakes=(
        Mistake(
            "a mean instead of [CLS]",
            _changed(pool=lambda hidden, mask: (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)),
            "The decoder gets the mean of all tokens. RetroMAE trains the vector of [CLS] to stand for the text, and that is what has to "
            "be fine-tuned and searched with. Where pooling changes between pre-training and fine-tuning, nobody is told, and the vector "
            "that was trained is not the one that is used.",
        ),
        Mistake(
            "the mean of everything, padding too",
            _changed(pool=lambda hidden, mask: hidden.mean(1)),
            "The decoder gets the mean of all positions, padding with them. It is the vector at position 0, of [CLS], that stands for the "
            "text.",
        ),
        Mistake(
            "a second reading for the sentence",
            _changed(again=True),
            "You encode the true text once more and hand that vector to the decoder. The sentence is position 0 of what the encoder made of "
            "the *masked* text: so the vector must hold what was hidden from it, too.",
        ),
        Mistake(
            "the encoder's loss is a mean of the texts' means",
            _changed(first_loss=_mean_of_texts),
            "In the encoder's loss you take a mean for each text, and then the mean of those. A text with one hidden token counts as much as "
            "one with ten. Take one mean over all labels of the batch.",
        ),
        Mistake(
            "two steps instead of one",
            _pretrain_by_parts,
            "You move the weights twice, once for each loss. The second loss is then taken where the first has moved them: add the losses, and "
            "take one step.",
        ),
        Mistake(
            "the loss after the step",
            _loss_afterwards,
            "The loss that you return is that after the step. Asked for is the one before it, whose gradient moved the weights.",
        ),
        Mistake(
            "a mean of the texts' means",
            _changed(loss=_mean_of_texts),
            "You take a mean for each text, and then the mean of those. A text with one hidden token counts as much as one with ten. Take one "
            "mean over all tokens of the batch that are asked for.",
        ),
        Mistake(
            "the encoder reads the true text",
            _changed(read=lambda hidden, ids: ids),
            "The encoder reads the text with nothing hidden, and is asked for what it sees. It gets what `hide_tokens` returns first.",
        ),
        Mistake(
            "the decoder cannot teach the encoder",
            _changed(cut=True),
            "The sentence's vector carries no gradient back. The decoder is thrown away later: all it is for is to tell the encoder what "
            "its vector lacks.",
        ),
        Mistake(
            "the decoder sees [MASK]s",
            _changed(shown=lambda hidden, ids: hidden),
            "The decoder looks at the encoder's masked text. What it may see is decided by `decoding_mask` alone; those tokens are the true "
            "ones.",
        ),
        Mistake(
            "a position sees itself",
            _changed(see=lambda *args: _decoding(*args, itself=False)),
            "In your decoder a token can see itself. Then it needs no sentence.",
        ),
        Mistake(
            "the decoder sees everything",
            _changed(see=lambda mask, rate, drawn: _decoding(mask, 0.0, drawn)),
            "Nothing but itself is hidden from a position of the decoder. With all its neighbours at hand it does not need the sentence: "
            "`decoding_mask` takes the second rate.",
        ),
        Mistake(
            "the decoder rebuilds the encoder's tokens only",
            _changed(asked=lambda ids, mask, special, labels: labels),
            "The decoder is asked for the tokens that were hidden from the encoder. It rebuilds *all* of the text: every position has a "
            "sample of its own, so every one can be asked for.",
        ),
        Mistake(
            "special tokens are rebuilt",
            _changed(asked=lambda ids, mask, special, labels: torch.where(mask.bool(), ids, IGNORED)),
            "The decoder is asked for [CLS] and [SEP], too. They stand in every text and say nothing of it.",
        ),
        Mistake(
            "padding is rebuilt",
            _changed(
                asked=lambda ids, mask, special, labels: torch.where(
                    _is_token(ids, torch.ones_like(mask), special), ids, IGNORED
                )
            ),
            "The decoder is asked for what stands in the padding. It is no part of the text.",
        ),
        Mistake(
            "the encoder's loss alone",
            _changed(add=lambda a, b: a),
            "Your loss is that of the hidden tokens alone: masked language modelling. The decoder's loss is missing.",
        ),
        Mistake(
            "the decoder's loss alone",
            _changed(add=lambda a, b: b),
            "Your loss is the decoder's alone. The encoder's own guesses belong to it, too.",
        ),
        Mistake(
            "the mean of both losses",
            _changed(add=lambda a, b: (a + b) / 2),
            "You take the mean of the two losses. They are added.",
        ),
        Mistake(
            "sums instead of means",
            _changed(loss=_sum_loss),
            "You add up the losses of tokens. Each of the two is a mean over the tokens that are asked for, so that long batches do not "
            "count more.",
        ),
        Mistake(
            "the rates are exchanged",
            _changed(turn=-1),
            "The rates are exchanged: the first is the encoder's, which hides little, the second the decoder's, which hides much.",
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
    ),
    hints=(
        "Two parts and a step: guess what is hidden, rebuild all of it from one vector, add, and go against the gradient.",
        "First part: 10.1, encode, logits, mean cross-entropy where labels are not −100, and 0 where there are none. Its position 0 is the "
        "sentence. Second part: decode the *true* ids with 10.4's mask, and ask for every token that is neither special nor padding.",
        "`reduction='sum'` divided by the number of labels, 1 at least, gives 0 where nothing is asked. Clear old gradients before "
        "backward.",
    ),
)

EXERCISES = (HIDE, CLOZE, SPANS, DECODING, LEAK, STEP)
