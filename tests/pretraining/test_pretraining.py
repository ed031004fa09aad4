"""Pre-training: what is hidden, what is cut out, what is learned, and that nothing else is touched."""

import functools
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.train.test_fit import PAIRS, TOKENIZER, static, transformer, weights
from workbook.data import load
from workbook.encoder import TextEncoder, TransformerEncoder, train_tokenizer
from workbook.encoder.transformer import attention, attention_mask
from workbook.pooling import cls_pool, last_token_pool, mean_pool
from workbook.pretraining.objectives import (
    IGNORED,
    MaskedLanguageModel,
    NextTokenModel,
    guess_loss,
    hide_special,
    mask_id,
    mask_tokens,
    pretrain,
    special_ids,
)
from workbook.pretraining.pairs import (
    FORMS,
    draw_spans,
    drop_words,
    inverse_cloze,
    inverse_cloze_pairs,
    span_pair,
    span_pairs,
    split_sentences,
    title_body_pairs,
)
from workbook.pretraining.retromae import RetroMAE, decoding_mask
from workbook.train import fit

TEXTS = [passage for _, passage in PAIRS]
MASKING = {"mask_id": 4, "vocab_size": 300, "special_ids": [0, 1, 2, 3, 4]}
decoder = functools.partial(transformer, causal=True, pooling=last_token_pool)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(encoder: TextEncoder, texts=("a red hat that is red", "a cup")):
    return encoder.tokenize(list(texts))


# --- masked language modelling: what is hidden -----------------------------------------------------


@given(seed=st.integers(0, 2**31), rate=st.floats(0, 1), B=st.integers(1, 5), T=st.integers(1, 20), left=st.booleans())
def test_only_chosen_tokens_change_and_special_tokens_and_padding_are_never_chosen(seed, rate, B, T, left):
    input_ids = torch.randint(0, 40, (B, T), generator=seeded(seed))
    length = torch.randint(0, T + 1, (B, 1), generator=seeded(seed + 1))
    position = torch.arange(T)
    mask = (position >= T - length if left else position < length).long()
    before = input_ids.clone()
    hidden, labels = mask_tokens(input_ids, mask, seeded(seed), rate, **MASKING)
    chosen = labels != IGNORED
    assert torch.equal(input_ids, before)
    assert torch.equal(hidden[~chosen], input_ids[~chosen])
    assert torch.equal(labels[chosen], input_ids[chosen])
    assert (input_ids[chosen] > 4).all()
    assert mask[chosen].all()
    again = mask_tokens(input_ids, mask, seeded(seed), rate, **MASKING)
    assert torch.equal(hidden, again[0])


@pytest.mark.parametrize(("rate", "expected"), [(0.0, 0), (1.0, 6)])
def test_none_and_all(rate, expected):
    input_ids = torch.tensor([[2, 9, 9, 9, 9, 9, 9, 3]])
    _, labels = mask_tokens(input_ids, torch.ones_like(input_ids), seeded(0), rate, **MASKING)
    assert int((labels != IGNORED).sum()) == expected


def test_of_the_chosen_four_fifths_are_masked_a_tenth_is_swapped_and_a_tenth_stays():
    """Bands of four standard deviations of a binomial share, √(p (1 - p) / n): one run in 16,000 falls out of each."""
    n, rate = 200_000, 0.15
    input_ids = torch.full((1, n), 50)
    hidden, labels = mask_tokens(input_ids, torch.ones_like(input_ids), seeded(1), rate, **MASKING)
    chosen = labels != IGNORED

    def close(share, p, n):
        return abs(share - p) < 4 * (p * (1 - p) / n) ** 0.5

    k = int(chosen.sum())
    assert close(k / n, rate, n)
    assert close(int((hidden[chosen] == 4).sum()) / k, 0.8 + 0.1 / 300, k)
    stays = 0.1 + 0.1 / 300  # a random token is the true one now and then
    assert close(int((hidden[chosen] == 50).sum()) / k, stays, k)
    swapped = hidden[chosen & (hidden != 4) & (hidden != 50)]
    assert len(swapped.unique()) == 298  # random tokens come from the whole vocabulary


def test_without_a_generator_torchs_own_is_drawn_from_and_with_one_it_is_left_alone():
    input_ids = torch.full((4, 30), 50)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    with_one = mask_tokens(input_ids, torch.ones_like(input_ids), seeded(3), **MASKING)
    assert torch.equal(torch.get_rng_state(), before)
    without_one = mask_tokens(input_ids, torch.ones_like(input_ids), **MASKING)
    assert torch.equal(with_one[0], without_one[0])
    assert not torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("rate", "shape"), [(-0.1, (1, 3)), (1.5, (1, 3)), (float("nan"), (1, 3)), (0.15, (1, 2))])
def test_a_rate_that_is_none_and_shapes_that_do_not_fit_are_refused(rate, shape):
    with pytest.raises(ValueError, match=r"15 % is 0\.15"):
        mask_tokens(torch.ones(1, 3, dtype=torch.long), torch.ones(shape), rate=rate, **MASKING)


def test_special_ids_are_those_of_the_tokenizer():
    assert special_ids(TOKENIZER) == [0, 1, 2, 3, 4]
    assert mask_id(TOKENIZER) == TOKENIZER.token_to_id("[MASK]")


# --- masked language modelling: what is guessed ----------------------------------------------------


def test_the_loss_is_the_cross_entropy_at_the_chosen_tokens():
    model = MaskedLanguageModel(transformer()).double()
    input_ids, mask = batch(model.encoder)
    hidden, labels = model.hide(input_ids, mask, 0.5, seeded(4))
    model.rate = 0.5
    logits = model(hidden, mask).log_softmax(dim=-1)
    terms = [-logits[i, j, labels[i, j]] for i in range(2) for j in range(mask.shape[1]) if labels[i, j] != IGNORED]
    assert len(terms) >= 2
    torch.testing.assert_close(model.loss(input_ids, mask, seeded(4)), torch.stack(terms).mean(), rtol=1e-12, atol=0)


def test_nothing_to_guess_costs_nothing_and_has_a_gradient():
    model = MaskedLanguageModel(transformer(), rate=0.0)
    loss = model.loss(*batch(model.encoder))
    loss.backward()
    assert loss.item() == 0.0
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_the_head_is_tied_to_the_word_embeddings():
    model = MaskedLanguageModel(transformer())
    names = {name for name, _ in model.named_parameters()}
    assert {name for name in names if name.startswith("head.")} == {
        "head.dense.weight", "head.dense.bias", "head.norm.weight", "head.norm.bias", "head.bias",
    }  # fmt: skip
    logits = model.head(torch.randn(3, 16), model.word)
    torch.nn.init.zeros_(model.word)
    assert logits.shape == (3, TOKENIZER.get_vocab_size())
    assert (model.head(torch.randn(3, 16), model.word) == 0).all()


def test_the_next_token_is_asked_for_and_only_where_it_is_a_token():
    model = NextTokenModel(decoder()).double()
    input_ids, mask = batch(model.encoder)
    backbone = model.encoder.backbone
    logits = (backbone(input_ids, mask) @ backbone.embeddings.word.weight.T).log_softmax(dim=-1)
    terms = [
        -logits[i, t, input_ids[i, t + 1]]
        for i in range(2)
        for t in range(mask.shape[1] - 1)
        if mask[i, t + 1] and int(input_ids[i, t + 1]) > 4
    ]
    torch.testing.assert_close(model.loss(input_ids, mask), torch.stack(terms).mean(), rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MaskedLanguageModel(static()), "sees a token's neighbours, got StaticEncoder"),
        (lambda: MaskedLanguageModel(decoder()), "expected a backbone with causal=False"),
        (lambda: NextTokenModel(transformer()), "expected a backbone with causal=True"),
        (lambda: RetroMAE(transformer(padding_side="left")), "padding on the right"),
        (lambda: RetroMAE(transformer(), decoder_rate=1.2), "two rates between 0 and 1"),
        (lambda: pretrain(MaskedLanguageModel(transformer()), []), "at least one text"),
        (lambda: pretrain(MaskedLanguageModel(transformer()), "a text"), "at least one text"),
    ],
)
def test_what_an_objective_cannot_use_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_tokenizer_without_a_mask_token_is_refused():
    from tokenizers import Tokenizer, models

    with pytest.raises(ValueError, match=r"no \[MASK\]"):
        mask_id(Tokenizer(models.WordPiece({"a": 0}, unk_token="a")))


# --- RetroMAE -----------------------------------------------------------------------------------


@given(seed=st.integers(0, 2**31), rate=st.floats(0, 1), lengths=st.lists(st.integers(1, 12), min_size=1, max_size=4))
def test_no_token_sees_itself_or_padding_and_every_one_sees_the_sentence(seed, rate, lengths):
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    M = decoding_mask(mask, rate, seeded(seed))[:, 0]
    T = mask.shape[1]
    assert M[:, :, 0].all()
    assert not M[:, range(1, T), range(1, T)].any()
    assert not (M & ~mask.bool()[:, None, :])[:, :, 1:].any()


def test_each_row_of_the_decoding_mask_is_a_sample_of_its_own():
    """Bands of four standard deviations of the share of ones among independent draws."""
    T, rate = 300, 0.5
    M = decoding_mask(torch.ones(1, T), rate, seeded(0))[0, 0].double()
    others = ~torch.eye(T, dtype=torch.bool)
    others[:, 0] = False
    n = int(others.sum())
    assert abs(M[others].mean() - 0.5) < 4 * 0.5 / n**0.5
    same = (M[1::2] == M[2::2])[:, 1:] if T % 2 else (M[0::2] == M[1::2])[:, 1:]  # neighbouring rows agree by chance
    assert abs(same.double().mean() - 0.5) < 4 * 0.5 / same.numel() ** 0.5 + 2 / T  # each row excludes itself


def test_one_stream_on_both_sides_is_the_layer_itself():
    block = transformer().backbone.blocks[0].eval()
    hidden, mask = torch.randn(2, 5, 16), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])
    allowed = attention_mask(mask)
    assert torch.equal(block(hidden, allowed, hidden), block(hidden, allowed))


def test_enhanced_decoding_is_the_formula_of_the_paper():
    """Row by row: softmax over what row i may see of H2, times the values, for the question h + p_i."""
    model = RetroMAE(transformer()).double().eval()
    input_ids, mask = batch(model.encoder)
    h = torch.randn(2, 16, dtype=torch.float64)
    decoded, labels = model.decode(h, input_ids, mask, seeded(5))
    M = decoding_mask(mask, 0.5, seeded(5))[:, 0]
    block, position = model.decoder, model.backbone.embeddings.position.weight
    embedded = model.backbone.embeddings(input_ids, mask)
    for b in range(2):
        H2 = torch.stack([h[b], *embedded[b, 1:]])
        for i in range(1, int(mask[b].sum())):
            H1 = h[b] + position[i]
            seen = H2[M[b, i]]
            heads = []
            for head in (slice(0, 8), slice(8, 16)):
                q, k, v = (p(x)[..., head] for p, x in zip(
                    (block.attention.query, block.attention.key, block.attention.value), (H1[None], seen, seen), strict=True
                ))  # fmt: skip
                heads.append(attention(q, k, v)[0])
            A = block.attention_norm(H1 + block.attention.output(torch.cat(heads)))
            A = block.norm(A + block.contract(torch.nn.functional.gelu(block.expand(A))))
            torch.testing.assert_close(decoded[b, i], A, rtol=1e-10, atol=1e-12)
    assert torch.equal(labels, hide_special(input_ids, mask, model.special))
    assert labels[0, 0] == IGNORED
    assert labels[0, 1] == input_ids[0, 1]


def test_a_token_is_reconstructed_without_being_seen():
    """With the sentence vector held fixed, token i has no way into row i, and has one into others."""
    model = RetroMAE(transformer(), decoder_rate=0.0).double().eval()
    input_ids, mask = batch(model.encoder, ["a red hat that is red"])
    h = torch.randn(1, 16, dtype=torch.float64)
    other = input_ids.clone()
    other[0, 2] = input_ids[0, 3]
    before, after = (model.decode(h, ids, mask, seeded(0))[0] for ids in (input_ids, other))
    assert torch.equal(before[0, 2], after[0, 2])
    assert (before[0, 3] != after[0, 3]).any()


def test_with_everything_hidden_only_sentence_and_position_speak():
    model = RetroMAE(transformer(), decoder_rate=1.0).double().eval()
    input_ids, mask = batch(model.encoder, ["a red hat that is red"])
    h = torch.randn(1, 16, dtype=torch.float64)
    before, after = (model.decode(h, ids, mask)[0] for ids in (input_ids, input_ids.flip(1)))
    assert torch.equal(before, after)
    assert not torch.allclose(before, model.decode(h + 1, input_ids, mask)[0])


@pytest.mark.parametrize("enhanced", [True, False])
def test_the_loss_is_that_of_encoder_and_decoder_and_the_gradient_reaches_the_sentence(enhanced):
    model = RetroMAE(transformer(), enhanced=enhanced).double().eval()
    input_ids, mask = batch(model.encoder, TEXTS[:6])
    hidden_ids, labels = model.hide(input_ids, mask, 0.3, generator := seeded(6))
    hidden = model.backbone(hidden_ids, mask)
    h = cls_pool(hidden, mask)
    h.retain_grad()
    decoded, asked = model.decode(h, input_ids, mask, generator)
    expected = guess_loss(hidden, labels, model.head, model.word)
    expected = expected + guess_loss(decoded, asked, model.head, model.word)
    torch.testing.assert_close(model.loss(input_ids, mask, seeded(6)), expected, rtol=1e-12, atol=0)
    guess_loss(decoded, asked, model.head, model.word).backward()
    assert (h.grad.abs().sum(dim=1) > 0).all()
    asked_for = int((asked != IGNORED).sum())
    tokens = int((hide_special(input_ids, mask, model.special) != IGNORED).sum())
    assert asked_for == tokens if enhanced else 0 < asked_for < tokens


# --- pretrain -----------------------------------------------------------------------------------

MODELS = {
    "mlm": lambda seed=0: MaskedLanguageModel(transformer(seed, dropout=0.2)),
    "next token": lambda seed=0: NextTokenModel(decoder(seed, dropout=0.2)),
    "retromae": lambda seed=0: RetroMAE(transformer(seed, dropout=0.2)),
    "basic decoder": lambda seed=0: RetroMAE(transformer(seed, dropout=0.2), enhanced=False),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_stopped_and_resumed_equals_never_stopped_and_the_global_random_state_is_left_as_it_was(tmp_path, make):
    torch.manual_seed(7)
    np.random.seed(7)
    options = {"steps": 6, "batch_size": 12, "lr": 0.01}
    whole = make()
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    history = pretrain(whole, TEXTS, **options)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == numpy_before).all()
    pretrain(make(), TEXTS, **options, checkpoint=tmp_path, on_step=lambda record: record["step"] == 3)
    resumed = make(seed=1)
    assert pretrain(resumed, TEXTS, **options, checkpoint=tmp_path) == history
    assert torch.equal(weights(resumed), weights(whole))


def test_making_a_model_leaves_the_global_random_state_and_the_encoder_as_they_were():
    encoder = transformer()
    before, state = weights(encoder), torch.get_rng_state()
    first, second, other = RetroMAE(encoder), RetroMAE(encoder), RetroMAE(encoder, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(weights(encoder), before)
    assert torch.equal(weights(first), weights(second))
    assert not torch.equal(weights(first), weights(other))


def test_another_objective_or_other_texts_are_refused_at_a_checkpoint(tmp_path):
    pretrain(MaskedLanguageModel(transformer()), TEXTS, steps=1, checkpoint=tmp_path)
    with pytest.raises(ValueError, match=r"rate was 0\.15 and is now 0\.3"):
        pretrain(MaskedLanguageModel(transformer(), rate=0.3), TEXTS, steps=1, checkpoint=tmp_path)
    with pytest.raises(ValueError, match="texts was"):
        pretrain(MaskedLanguageModel(transformer()), TEXTS[1:], steps=1, checkpoint=tmp_path)


def test_empty_texts_and_single_ones_are_no_trouble():
    for make in MODELS.values():
        history = pretrain(make(), ["", "a red hat"], steps=2, batch_size=1, pool_batches=1)
        assert all(np.isfinite(record["loss"]) for record in history)


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_the_loss_falls_on_texts_with_a_pattern(make):
    history = pretrain(make(), TEXTS, steps=60, batch_size=24, lr=0.01)
    assert np.mean([r["loss"] for r in history[-8:]]) < 0.75 * np.mean([r["loss"] for r in history[:3]])


# --- sentences and the inverse cloze task -------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  \n ", []),
        ("One only", ["One only"]),
        ("First one. Second one! Third? Yes.", ["First one.", "Second one!", "Third?", "Yes."]),
        ("It takes, e.g. the mean. Then it stops.", ["It takes, e.g. the mean.", "Then it stops."]),
        ('He said "stop." She did.', ['He said "stop."', "She did."]),
        ("Version 3.11 is out.\nUse `x.y` now.", ["Version 3.11 is out.", "Use `x.y` now."]),
        ("A line\nthat goes on. 2 more", ["A line\nthat goes on.", "2 more"]),
        (
            "See Dr. Who and J. Doe, cf. Smith. (It ends.) Yes",
            ["See Dr. Who and J. Doe, cf. Smith.", "(It ends.)", "Yes"],
        ),
        ("A heading\n\nthen a text", ["A heading", "then a text"]),
        ("It is torch.add. it adds", ["It is torch.add. it adds"]),  # capitals mark its sentences
        ("Émile a fini. Été ou hiver?", ["Émile a fini.", "Été ou hiver?"]),
        ("これは文です。長い文章です。", ["これは文です。", "長い文章です。"]),
    ],
)
def test_sentences(text, expected):
    assert split_sentences(text) == expected


CASED = (
    'The cells were stained (see Fig. 2, e.g. the nucleus). They grew for 3.5 hours. Was it enough? "Yes," said '
    "Dr. A. Smith. DNA was found!"
)


@pytest.mark.parametrize("change", [str.lower, str.upper], ids=["lower", "upper"])
def test_a_text_without_small_letters_or_without_capitals_has_the_same_sentences(change):
    assert len(split_sentences(CASED)) == 5
    assert split_sentences(change(CASED)) == [change(sentence) for sentence in split_sentences(CASED)]


def test_one_acronym_does_not_make_a_lower_cased_text_a_cased_one():
    assert split_sentences("it was found. DNA is here. it grew. nothing else") == [
        "it was found.",
        "DNA is here.",
        "it grew.",
        "nothing else",
    ]


@given(st.text(alphabet='ab. !?\n"A1(', max_size=60))
def test_sentences_hold_every_character_that_is_no_blank(text):
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())
    assert all(sentence == sentence.strip() != "" for sentence in split_sentences(text))


SENTENCES = st.lists(st.integers(0, 10**6).map(lambda n: f"Number {n} is here."), min_size=2, max_size=8, unique=True)


@given(SENTENCES, st.integers(0, 2**31), st.sampled_from([0.0, 0.5, 1.0]))
def test_the_query_is_one_sentence_and_the_passage_the_others_in_order(sentences, seed, removal):
    query, passage = inverse_cloze(" ".join(sentences), np.random.default_rng(seed), removal)
    assert query in sentences
    rest = [s for s in sentences if s != query]
    assert passage in ({1.0: [" ".join(rest)], 0.0: [" ".join(sentences)]}).get(
        removal, [" ".join(rest), " ".join(sentences)]
    )


def test_the_sentence_goes_in_nine_of_ten_and_each_is_chosen_alike():
    """Bands of four standard deviations of a binomial share."""
    texts = ["Alpha is one. Beta is two. Gamma is three."] * 4_000
    pairs = inverse_cloze_pairs(texts, seed=2)
    gone = np.mean([query not in passage for query, passage in pairs])
    assert abs(gone - 0.9) < 4 * (0.9 * 0.1 / 4_000) ** 0.5
    first = np.mean([query.startswith("Alpha") for query, _ in pairs])
    assert abs(first - 1 / 3) < 4 * (2 / 9 / 4_000) ** 0.5


def test_a_single_sentence_gives_no_pair():
    assert inverse_cloze("Only one here.", np.random.default_rng(0)) is None
    assert inverse_cloze_pairs(["Only one here.", "", "One here. Two here."], removal=1.0) in (
        [("One here.", "Two here.")],
        [("Two here.", "One here.")],
    )


def test_texts_that_give_no_pair_are_counted_and_many_of_them_warned_of():
    texts = ["one here. two here.", "ONE HERE. TWO HERE.", "Only one here."]
    pairs = inverse_cloze_pairs(texts, per_text=2)
    assert len(pairs) == 4
    assert pairs.counts == {"gave a pair": 2, "of a single sentence": 1}
    with pytest.warns(UserWarning, match=r"only 1 of 4 texts gave a pair: of a single sentence 3; span_pairs"):
        inverse_cloze_pairs(["one. two.", "no stop at all", "", "one"])
    assert span_pairs(["a b", "c d", "e"]).counts == {"gave a pair": 2, "of fewer than two words": 1}
    assert title_body_pairs([("a", "b"), ("c", "d"), ("", "e"), ("f", "f")]).counts == {
        "gave a pair": 2,
        "without a title": 1,
        "without a body": 1,
    }


# --- spans ----------------------------------------------------------------------------------------


@given(
    length=st.integers(2, 300),
    seed=st.integers(0, 2**31),
    form=st.sampled_from(FORMS),
    shares=st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)).map(lambda x: tuple(sorted(x))),
)
def test_spans_lie_in_the_text_have_the_right_lengths_and_are_disjoint_where_they_say_so(length, seed, form, shares):
    spans = draw_spans(length, np.random.default_rng(seed), form, shares)
    for span in spans:
        assert 0 <= span.start < span.stop <= length
        share = (span.stop - span.start) / length
        assert min(shares[0], 1 / length) - 1 / length <= share <= max(shares[1], 1 / length)
    first, second = (set(range(length)[span]) for span in spans)
    if form != "independent":
        assert not first & second
    if form == "adjacent":
        assert spans[0].stop == spans[1].start


def test_independent_spans_overlap_now_and_then_and_disjoint_ones_come_in_both_orders():
    rng = np.random.default_rng(0)
    drawn = [draw_spans(20, rng, "independent", (0.3, 0.5)) for _ in range(50)]
    assert any(a.start < b.stop and b.start < a.stop for a, b in drawn)
    drawn = [draw_spans(20, rng, "disjoint", (0.1, 0.5)) for _ in range(50)]
    assert {a.start < b.start for a, b in drawn} == {True, False}


def test_every_place_of_disjoint_spans_is_as_likely_as_the_others():
    """Spans of one word in a text of four: 12 ordered places, each within four standard deviations of 1/12."""
    rng = np.random.default_rng(1)
    n = 6_000
    counts: dict[tuple[int, int], int] = {}
    for _ in range(n):
        a, b = draw_spans(4, rng, "disjoint", (0.0, 0.25))
        counts[a.start, b.start] = counts.get((a.start, b.start), 0) + 1
    assert len(counts) == 12
    assert all(abs(c / n - 1 / 12) < 4 * (11 / 144 / n) ** 0.5 for c in counts.values())


@given(st.lists(st.text("ab", min_size=1), min_size=1, max_size=30), st.integers(0, 2**31), st.floats(0, 1))
def test_dropped_words_are_gone_the_others_keep_their_order_and_one_is_left(words, seed, rate):
    kept = drop_words(words, np.random.default_rng(seed), rate)
    rest = iter(words)
    assert all(word in rest for word in kept)  # a subsequence
    assert kept
    if rate == 0:
        assert kept == words


def test_a_tenth_of_the_words_is_dropped():
    kept = drop_words(["word"] * 10_000, np.random.default_rng(3))
    assert abs(len(kept) / 10_000 - 0.9) < 4 * (0.09 / 10_000) ** 0.5


def test_a_pair_of_spans_is_made_of_the_words_of_its_text():
    words = [f"w{i}" for i in range(40)]
    first, second = span_pair(" ".join(words), np.random.default_rng(0), "disjoint")
    assert set(first.split()) <= set(words)
    assert not set(first.split()) & set(second.split())
    assert span_pair("word", np.random.default_rng(0)) is None
    assert span_pairs(["", "word", " ".join(words)], per_text=3, form="adjacent", deletion=0.0) == span_pairs(
        ["", "word", " ".join(words)], per_text=3, form="adjacent", deletion=0.0
    )


@pytest.mark.parametrize("make", [inverse_cloze_pairs, span_pairs])
def test_pairs_depend_on_the_seed_and_the_text_alone(make):
    texts = [f"{p}. And then {q} was {i} times more." for i, (q, p) in enumerate(PAIRS)]
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    pairs = make(texts, seed=1, per_text=2)
    assert len(pairs) == 2 * len(texts)
    assert pairs == make(texts, seed=1, per_text=2)
    assert pairs != make(texts, seed=2, per_text=2)
    assert pairs[:20] == make(texts[:10], seed=1, per_text=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == numpy_before).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: draw_spans(1, np.random.default_rng(0)), "at least 2 words"),
        (lambda: span_pairs(["a b"], form="next"), "form must be one of"),
        (lambda: span_pairs(["a b"], form="disjoint", shares=(0.1, 0.6)), "0.5 where spans do not overlap"),
        (lambda: span_pairs(["a b"], shares=(0.5, 0.1)), "shares rise"),
        (lambda: span_pairs(["a b"], deletion=1.0), "deletion must be"),
        (lambda: span_pairs(["a b"], per_text=0), "per_text of at least 1"),
        (lambda: span_pairs("a text"), "a list of texts"),
        (lambda: inverse_cloze_pairs(["A b. C d."], removal=9), "Lee et al. take 0.9"),
    ],
)
def test_numbers_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_titles_do_not_stand_in_their_bodies_and_pairs_have_two_sides():
    items = [("Sum of squares", "sum of squares: adds them up"), ("A", ""), (" ", "b"), (" Sort ", " Puts in order. ")]
    assert title_body_pairs(items) == [("Sum of squares", "adds them up"), ("Sort", "Puts in order.")]
    assert title_body_pairs([]) == []


# --- what it is good for -----------------------------------------------------------------------------
#
# Few labelled pairs, and a start that has seen the texts. On colours and things the rule is a mean reciprocal
# rank, averaged over three seeds, at least 0.05 above that of the same fine-tuning without pre-training; a single
# seed can go the other way, and for masked language modelling one of three did. On real text the rule is that
# both of two seeds are better. Token objectives need more than seconds there: in 100 steps they did harm.


def small(seed: int, pooling=cls_pool, tokenizer=TOKENIZER, num_layers: int = 2, max_length: int = 32) -> TextEncoder:
    torch.manual_seed(seed)
    backbone = TransformerEncoder(tokenizer.get_vocab_size(), 64, num_layers, 4, max_length=max_length)
    return TextEncoder(tokenizer, backbone, pooling, max_length=max_length)


def reciprocal_ranks(encoder: TextEncoder, pairs) -> float:
    query = encoder.encode_query([query for query, _ in pairs])
    passage = encoder.encode_document([passage for _, passage in pairs])
    scores = query @ passage.T
    return float(np.mean(1 / (scores >= scores.diagonal()[:, None]).sum(axis=1)))


PRETRAIN = {
    "mlm": lambda encoder, seed: pretrain(MaskedLanguageModel(encoder, 0.3), TEXTS + QUERIES, **BUDGET, seed=seed),
    "retromae": lambda encoder, seed: pretrain(RetroMAE(encoder, 0.3, 0.7), TEXTS + QUERIES, **BUDGET, seed=seed),
    "spans": lambda encoder, seed: fit(
        encoder, span_pairs(TEXTS, seed, shares=(0.5, 1.0), per_text=2), **{**BUDGET, "steps": 100}, seed=seed
    ),
}
QUERIES = [query for query, _ in PAIRS]
BUDGET = {"steps": 300, "batch_size": 24, "lr": 1e-3}


@pytest.mark.slow
@pytest.mark.parametrize("objective", PRETRAIN)
def test_pretraining_helps_when_a_sixth_of_the_pairs_is_labelled(objective):
    found: dict[str, list[float]] = {"cold": [], "warm": []}
    for seed in range(3):
        cold, warm = small(seed), small(seed)
        PRETRAIN[objective](warm, seed)
        for name, encoder in (("cold", cold), ("warm", warm)):
            fit(encoder, PAIRS[::6], steps=15, batch_size=12, lr=1e-3, seed=seed)
            found[name].append(reciprocal_ranks(encoder, PAIRS))
    assert np.mean(found["warm"]) > np.mean(found["cold"]) + 0.05


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["inverse cloze", "title and body"])
def test_pairs_without_labels_lower_their_loss_and_help_on_real_text_with_few_labels(objective):
    docs = load("pydocs")
    pairs = docs.pairs("train")
    random.Random(0).shuffle(pairs)
    texts, few, held_out = [passage for _, passage in pairs[:600]], pairs[600:664], docs.pairs("test")[:500]
    tokenizer = train_tokenizer(texts, 3_000)
    for seed in range(2):
        cold, warm = (small(seed, mean_pool, tokenizer, num_layers=1, max_length=48) for _ in range(2))
        cloze = objective == "inverse cloze"
        drawn = inverse_cloze_pairs(texts, seed, per_text=3) if cloze else title_body_pairs(pairs[:600])
        history = fit(warm, drawn, steps=60, batch_size=32, lr=3e-3, seed=seed)
        assert np.mean([r["loss"] for r in history[-10:]]) < 0.6 * np.mean([r["loss"] for r in history[:3]])
        for encoder in (cold, warm):
            fit(encoder, few, steps=12, batch_size=32, lr=1e-3, seed=seed)
        assert reciprocal_ranks(warm, held_out) > reciprocal_ranks(cold, held_out)


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["mlm", "retromae", "next token"])
def test_token_objectives_lower_their_loss_on_a_few_hundred_real_texts(objective):
    texts = [passage for _, passage in load("pydocs").pairs("train")[:300]]
    tokenizer = train_tokenizer(texts, 2_000)
    encoder = small(0, tokenizer=tokenizer, num_layers=1)
    if objective == "next token":
        encoder.backbone = TransformerEncoder(tokenizer.get_vocab_size(), 64, 1, 4, max_length=32, causal=True)
    make = {"mlm": MaskedLanguageModel, "retromae": RetroMAE, "next token": NextTokenModel}[objective]
    history = pretrain(make(encoder), texts, steps=40, batch_size=16, lr=3e-3)
    assert np.mean([r["loss"] for r in history[-5:]]) < 0.85 * np.mean([r["loss"] for r in history[:2]])
