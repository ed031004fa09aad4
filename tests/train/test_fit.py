"""Training: repeatable, equal to a plain PyTorch loop, and clear about what it cannot use."""

import functools
import math

import numpy as np
import pytest
import torch

from workbook.encoder import StaticEncoder, TextEncoder, TransformerEncoder, train_tokenizer
from workbook.losses import cosine_similarity_loss, info_nce
from workbook.pooling import last_token_pool
from workbook.train import bucketed_batches, fit, schedule

COLOURS = ["red", "green", "blue", "pink", "grey", "white", "black", "brown"]
THINGS = ["car", "hat", "dog", "cup", "pen", "sky", "box", "map", "key"]
PAIRS = [(f"{c} {t}", f"a {t} that is {c}" + " indeed" * (i % 7)) for i, (c, t) in enumerate((c, t) for c in COLOURS for t in THINGS)]  # fmt: skip
TOKENIZER = train_tokenizer([text for pair in PAIRS for text in pair], 200)


def static(seed: int = 0) -> TextEncoder:
    torch.manual_seed(seed)
    return TextEncoder(TOKENIZER, StaticEncoder(TOKENIZER.get_vocab_size(), 16))


def transformer(seed: int = 0, dropout: float = 0.0, **options) -> TextEncoder:
    torch.manual_seed(seed)
    causal, num_layers = options.pop("causal", False), options.pop("num_layers", 1)
    backbone = TransformerEncoder(
        TOKENIZER.get_vocab_size(), 16, num_layers=num_layers, num_heads=2, dropout=dropout, causal=causal
    )
    return TextEncoder(TOKENIZER, backbone, **options)


def weights(encoder: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in encoder.parameters()])


# --- repeatable ---------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [static, transformer, functools.partial(transformer, dropout=0.2)])
def test_the_same_seed_gives_the_same_weights_bit_for_bit_and_another_seed_others(make):
    def run(seed):
        encoder = make()
        history = fit(encoder, PAIRS, steps=6, batch_size=16, seed=seed)
        return weights(encoder), history

    (a, first), (b, second), (c, _) = run(1), run(1), run(2)
    assert torch.equal(a, b)
    assert first == second
    assert not torch.equal(a, c)


def test_the_global_random_state_is_left_as_it_was():
    encoder = transformer(dropout=0.2)
    torch.manual_seed(5)
    np.random.seed(5)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    fit(encoder, PAIRS, steps=3, batch_size=8)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == numpy_before).all()


def test_the_history_holds_the_length_of_the_gradient_before_it_is_scaled_down():
    long, short = (fit(transformer(), PAIRS, steps=1, max_grad_norm=most)[0] for most in (math.inf, 1e-3))
    assert long["grad_norm"] == short["grad_norm"] > 1e-3


@pytest.mark.parametrize("training", [True, False])
def test_the_encoder_is_left_in_the_mode_it_was_in(training):
    encoder = transformer().train(training)
    fit(encoder, PAIRS, steps=1)
    assert encoder.training is training


# --- what it learns -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "steps", "lr"),
    [
        (static, 80, 0.03),
        (transformer, 80, 0.01),
        (functools.partial(transformer, padding_side="left", causal=True, pooling=last_token_pool), 150, 0.02),
    ],
)
def test_it_learns_which_passage_belongs_to_which_query(make, steps, lr):
    encoder = make()
    history = fit(encoder, PAIRS, steps=steps, batch_size=24, lr=lr)
    assert np.mean([r["loss"] for r in history[-5:]]) < 0.5 * np.mean([r["loss"] for r in history[:5]])
    query = encoder.encode_query([query for query, _ in PAIRS])
    passage = encoder.encode_document([passage for _, passage in PAIRS])
    found = (query @ passage.T).argmax(axis=1)
    assert (found == np.arange(len(PAIRS))).mean() > 0.8


def test_the_history_has_a_record_for_each_step_with_the_rate_of_the_schedule():
    history = fit(static(), PAIRS, steps=10, lr=0.5, warmup=0.2, batch_size=8)
    assert [record["step"] for record in history] == list(range(1, 11))
    assert [record["lr"] for record in history] == [0.5 * schedule(step, 10, 2) for step in range(10)]


def test_equal_to_a_plain_loop_with_torchs_adamw():
    """The same batches, without bucketing: forward, loss, clip, AdamW with decay of matrices only."""
    steps, lr, decay, longest = 7, 0.02, 0.1, 0.5
    ours, theirs = transformer(), transformer()
    history = fit(
        ours, PAIRS, steps=steps, batch_size=24, lr=lr, weight_decay=decay, max_grad_norm=longest, pool_batches=1,
        temperature=0.1, warmup=0.3,
    )  # fmt: skip
    matrices = [p for p in theirs.parameters() if p.ndim > 1]
    others = [p for p in theirs.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0}])
    lengths = np.array([len(ids) for ids in theirs.token_ids([passage for _, passage in PAIRS])])
    batches = [rows for epoch in range(3) for rows in bucketed_batches(lengths, 24, 0, epoch, pool_batches=1)]
    theirs.train()
    losses = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * schedule(step, steps, round(0.3 * steps))
        query, positive = (theirs(*theirs.tokenize([PAIRS[row][side] for row in batches[step]])) for side in (0, 1))
        loss = info_nce(query, positive, temperature=0.1)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), longest)
        optimizer.step()
        losses.append(loss.item())
    assert [record["loss"] for record in history] == pytest.approx(losses, abs=1e-5)
    torch.testing.assert_close(weights(ours), weights(theirs), atol=1e-4, rtol=0)


def test_weight_decay_spares_biases_and_layer_norms():
    encoder = transformer()
    vectors = [p for p in encoder.parameters() if p.ndim <= 1]
    before = [p.detach().clone() for p in vectors]

    def nothing_to_learn(query, positive):
        return 0.0 * (query.sum() + positive.sum())

    word = encoder.backbone.embeddings.word.weight
    length = word.norm().item()
    fit(encoder, PAIRS, nothing_to_learn, steps=5, lr=0.1, weight_decay=0.5)
    assert all(torch.equal(p, old) for p, old in zip(vectors, before, strict=True))
    assert word.norm().item() < 0.95 * length


# --- what the loss sees -------------------------------------------------------------------------


def test_negatives_reach_the_loss_as_one_tensor_and_the_temperature_is_passed_on():
    seen = {}

    def loss(query, positive, negatives, temperature):
        seen.update(query=query.shape, positive=positive.shape, negatives=negatives.shape, temperature=temperature)
        return info_nce(query, positive, negatives, temperature)

    triples = [(q, p, "a red car", "a blue sky") for q, p in PAIRS]
    fit(static(), triples, loss, steps=1, batch_size=8, temperature=0.2)
    assert seen == {"query": (8, 16), "positive": (8, 16), "negatives": (8, 2, 16), "temperature": 0.2}


def test_rows_stay_together_whatever_their_length():
    """Row i of the queries belongs to row i of the positives, also where texts are sorted by length."""
    encoder = transformer()

    def loss(query, positive):
        torch.testing.assert_close(query, positive, atol=1e-5, rtol=0)
        return (query * positive).sum() * 0.0

    fit(encoder, [(passage, passage) for _, passage in PAIRS], loss, steps=3, batch_size=30)


def test_prompts_are_put_before_queries_and_passages():
    encoder = static()
    encoder.query_prompt, encoder.document_prompt = "red ", "blue "

    def loss(query, positive):
        expected = encoder(*encoder.tokenize(["red hat"])), encoder(*encoder.tokenize(["blue hat"]))
        torch.testing.assert_close((query, positive), expected)
        return query.sum()

    fit(encoder, [("hat", "hat")], loss, steps=1)


def test_labels_follow_their_rows():
    encoder, seen = static(), []
    labels = torch.arange(len(PAIRS), dtype=torch.float32)

    def loss(query, positive, labels):
        seen.append(labels)
        expected = encoder(*encoder.tokenize([PAIRS[int(row)][0] for row in labels]))
        torch.testing.assert_close(query, expected)
        return query.sum()

    fit(encoder, PAIRS, loss, steps=9, batch_size=8, labels=labels)
    assert sorted(torch.cat(seen).tolist()) == labels.tolist()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.long, torch.bool])
def test_labels_of_any_dtype(tmp_path, dtype):
    labels = (torch.arange(len(PAIRS)) % 2).to(dtype)
    history = fit(static(), PAIRS, cosine_similarity_loss, steps=3, labels=labels, checkpoint=tmp_path)
    assert history == fit(static(), PAIRS, cosine_similarity_loss, steps=3, labels=labels.float())


def test_two_towers_are_trained_each_on_its_own_side():
    towers = torch.nn.Module()
    towers.query_encoder, towers.document_encoder = static(0), static(1)
    towers.query_encoder.query_prompt = "red "

    def loss(query, positive):
        expected = [tower(*tower.tokenize([text])) for tower, text in
                    ((towers.query_encoder, "red hat"), (towers.document_encoder, "cup"))]  # fmt: skip
        torch.testing.assert_close([query, positive], expected)
        return query.sum() + positive.sum()

    before = weights(towers.query_encoder), weights(towers.document_encoder)
    fit(towers, [("hat", "cup")], loss, steps=1)
    assert not torch.equal(weights(towers.query_encoder), before[0])
    assert not torch.equal(weights(towers.document_encoder), before[1])


def test_a_loss_that_never_reaches_the_model_is_refused():
    with pytest.raises(ValueError, match="no gradient reached the model"):
        fit(static(), PAIRS, lambda query, positive: info_nce(query.detach(), positive.detach()), steps=1)


def test_under_bfloat16_the_loss_sees_float32_and_the_encoder_learns():
    kinds = set()

    def loss(query, positive):
        kinds.update({query.dtype, positive.dtype})
        return info_nce(query, positive)

    history = fit(transformer(), PAIRS, loss, steps=40, batch_size=24, lr=0.01, dtype=torch.bfloat16)
    assert kinds == {torch.float32}
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]


# --- stopping -----------------------------------------------------------------------------------


def test_training_stops_when_on_step_says_so():
    history = fit(static(), PAIRS, steps=10, on_step=lambda record: record["step"] == 3)
    assert [record["step"] for record in history] == [1, 2, 3]


def test_only_true_stops_it():
    assert len(fit(static(), PAIRS, steps=3, on_step=lambda record: "go on")) == 3


def test_a_quick_run_takes_a_share_of_the_steps(monkeypatch):
    monkeypatch.setenv("WORKBOOK_STEP_DIVISOR", "20")
    assert len(fit(static(), PAIRS, steps=60)) == 3


def test_a_loss_that_is_not_finite_stops_before_it_reaches_the_weights():
    encoder, calls = static(), []
    before = []

    def loss(query, positive):
        calls.append(1)
        if len(calls) == 3:
            before.append(weights(encoder))
            return info_nce(query, positive) * math.inf
        return info_nce(query, positive)

    with pytest.raises(FloatingPointError, match=r"loss is inf .* at step 3; it was \d.* one step before.*lower lr"):
        fit(encoder, PAIRS, loss, steps=5)
    assert torch.equal(weights(encoder), before[0])


def test_a_gradient_that_is_not_finite_stops_too():
    def loss(query, positive):
        return (query - query.detach()).norm() + positive.sum()  # the slope of |x| at 0 times 0 / 0

    def broken(query, positive):
        return torch.sqrt((query * 0.0).sum()) + positive.sum()

    with pytest.raises(FloatingPointError, match="gradient nan at step 1; this is the first step"):
        fit(static(), PAIRS, broken, steps=2)


# --- what it refuses ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], "at least one"),
        (["ab", "cd"], r"number 0 is 'ab'"),
        ([("a",)], r"number 0 is \('a',\)"),
        ([("a", "b"), ("a", "b", "c")], "number 1 is .*same number of passages"),
    ],
)
def test_pairs_that_are_none_are_refused(pairs, message):
    with pytest.raises(ValueError, match=message):
        fit(static(), pairs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"pool_batches": 0}, "pool_batches must be at least 1"),
        ({"save_every": 0}, "save_every must be at least 1"),
        ({"lr": 0.0}, "lr must be above 0"),
        ({"warmup": 1.0}, r"warmup in \[0, 1\)"),
        ({"dtype": torch.float16}, "float16 would need a loss scale"),
    ],
)
def test_numbers_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        fit(static(), PAIRS, **options)


def test_labels_of_another_number_are_refused():
    with pytest.raises(ValueError, match="a row for each of the 72 pairs, got 3"):
        fit(static(), PAIRS, labels=torch.zeros(3))


def test_an_encoder_without_anything_to_train_is_refused():
    with pytest.raises(ValueError, match="did you freeze all of them"):
        fit(static().requires_grad_(False), PAIRS)
