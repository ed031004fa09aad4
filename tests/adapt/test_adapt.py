"""Adaptation keeps what it should, by a rule that can be counted by hand; a domain is gained, and forgetting seen."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.train.test_fit import weights
from workbook.adapt.adapt import adapt, average_weights, best, changes, evaluate_encoder, mix_pairs
from workbook.adapt.lora import add_lora, lora_state, merge
from workbook.data import Collection
from workbook.encoder import StaticEncoder, TextEncoder, TransformerEncoder, train_tokenizer
from workbook.train import fit

# Two small worlds: a query word and the other word for the same thing; the second also contradicts the first.
OLD = [(f"alpha{i} thing", f"omega{i} object") for i in range(12)]
NEW = [(f"alpha{i} thing", f"omega{(i + 5) % 12} object") for i in range(12)]
TOKENIZER = train_tokenizer([text for pair in OLD for text in pair] * 3, vocab_size=120)


def collection(pairs, name="c"):
    return Collection(
        name,
        corpus={f"p{i}": passage for i, (_, passage) in enumerate(pairs)},
        queries={f"q{i}": query for i, (query, _) in enumerate(pairs)},
        qrels={f"q{i}": {f"p{i}": 1} for i in range(len(pairs))},
        splits={},
    )


def start(static=True):
    torch.manual_seed(0)
    size = TOKENIZER.get_vocab_size()
    backbone = StaticEncoder(size, 16) if static else TransformerEncoder(size, 16, 1, 2, max_length=16)
    return TextEncoder(TOKENIZER, backbone, max_length=16).eval()


OPTIONS = {"lr": 0.05, "batch_size": 12, "evaluate_every": 5, "metric": "mrr@10"}


def test_the_rule_by_hand():
    curve = [
        {"step": 0, "domain": 0.2, "general": 0.80},
        {"step": 5, "domain": 0.5, "general": 0.79},
        {"step": 10, "domain": 0.6, "general": 0.75},
        {"step": 15, "domain": 0.6, "general": 0.78},
        {"step": 20, "domain": 0.9, "general": 0.50},
    ]
    assert best(curve) == 20
    assert best(curve, floor=0.75) == 10  # the earliest of equals
    assert best(curve, floor=0.76) == 15
    assert best(curve, floor=0.785) == 5
    assert best(curve, floor=0.95) == 0  # none is allowed: stay where you were


def test_a_domain_is_gained_and_what_is_kept_is_what_the_curve_says():
    encoder = start()
    domain, general = collection(OLD), collection(NEW[:6])
    before = evaluate_encoder(encoder, {"domain": domain, "general": general}, "mrr@10")
    done = adapt(encoder, OLD, domain, general, steps=40, max_drop=math.inf, **OPTIONS)
    after = evaluate_encoder(encoder, {"domain": domain, "general": general}, "mrr@10")
    kept = {record["step"]: record for record in done.curve}[done.best_step]
    for name in ("domain", "general"):
        assert sum(after[name].values()) / len(after[name]) == pytest.approx(kept[name])
    change = changes(before, after)
    assert change["domain"].low > 0
    assert kept["domain"] == max(record["domain"] for record in done.curve)
    assert done.curve[0]["step"] == 0
    assert not encoder.training


def test_forgetting_is_seen_and_a_bound_on_it_holds():
    trained = start()
    fit(trained, OLD, steps=40, lr=0.05, batch_size=12)
    old, new = collection(OLD), collection(NEW)
    sets = {"old": old, "new": new}
    before = evaluate_encoder(trained, sets, "mrr@10")
    state = {name: value.clone() for name, value in trained.state_dict().items()}
    free = adapt(trained, NEW, new, old, steps=60, max_drop=math.inf, patience=99, **OPTIONS)
    change = changes(before, evaluate_encoder(trained, sets, "mrr@10"))
    assert change["new"].low > 0 > change["old"].high  # the two worlds contradict each other

    trained.load_state_dict(state)
    bound = adapt(trained, NEW, new, old, steps=60, max_drop=0.1, patience=99, **OPTIONS)
    after = evaluate_encoder(trained, sets, "mrr@10")
    assert changes(before, after)["old"].mean >= -0.1
    assert bound.curve == free.curve  # only what is kept differs
    assert bound.best_step < free.best_step


def test_the_reference_decides_what_counts_as_forgotten():
    """Counted from the start this training is allowed; counted from a score that no look reaches it is not."""
    domain, general = collection(OLD), collection(NEW)
    allowed, refused = start(), start()
    before = weights(refused).clone()
    options = {"steps": 10, "max_drop": 1.0, **OPTIONS}
    assert adapt(allowed, OLD, domain, general, **options).best_step > 0
    assert not torch.equal(weights(allowed), before)
    assert adapt(refused, OLD, domain, general, reference=3.0, **options).best_step == 0
    assert torch.equal(weights(refused), before)


def test_patience_stops_and_the_last_step_is_looked_at():
    encoder = start()
    fit(encoder, OLD, steps=60, lr=0.05, batch_size=12)
    done = adapt(encoder, OLD, collection(OLD), collection(OLD), steps=50, patience=2, **OPTIONS)
    assert done.curve[0]["domain"] == 1.0  # it cannot become better
    assert (len(done.history), done.best_step) == (10, 0)
    short = adapt(start(), OLD, collection(OLD), collection(OLD), steps=7, max_drop=math.inf, **OPTIONS)
    assert [record["step"] for record in short.curve] == [0, 5, 7]


def test_looking_does_not_change_the_training():
    watched, alone = start(static=False), start(static=False)
    watched.backbone.blocks[0].dropout.p = alone.backbone.blocks[0].dropout.p = 0.3
    done = adapt(
        watched, OLD, collection(OLD), collection(NEW), steps=6, patience=99, **OPTIONS | {"evaluate_every": 1}
    )
    assert done.history == fit(alone, OLD, steps=6, lr=0.05, batch_size=12)


def test_lora_in_two_stages_moves_only_the_updates():
    encoder = start(static=False)
    frozen = weights(encoder).clone()
    add_lora(encoder, r=4, target_modules=["query", "value", "expand", "contract"])
    old, new = collection(OLD), collection(NEW)
    weak = OLD + NEW
    first = adapt(encoder, weak, old, new, steps=15, max_drop=math.inf, **OPTIONS)
    reference = first.curve[0]["general"]
    second = adapt(encoder, OLD, old, new, steps=15, max_drop=math.inf, reference=reference, seed=1, **OPTIONS)
    assert second.curve[0]["domain"] == pytest.approx(max(record["domain"] for record in first.curve))
    assert any(value.abs().max() > 0 for name, value in lora_state(encoder).items() if "lora_B" in name)
    base = torch.cat([p.detach().flatten() for n, p in encoder.named_parameters() if "lora" not in n])
    assert torch.equal(base, frozen)
    scores = evaluate_encoder(encoder, {"old": old})
    merge(encoder)
    assert changes(scores, evaluate_encoder(encoder, {"old": old}))["old"].mean == pytest.approx(0, abs=1e-6)


@given(st.integers(1, 40), st.floats(0, 0.8), st.integers(0, 5))
def test_the_mix_has_its_share_and_loses_no_domain_pair(count, share, seed):
    domain, general = [(f"d{i}", "x") for i in range(count)], [(f"g{i}", "x") for i in range(200)]
    mixed = mix_pairs(domain, general, share, seed)
    drawn = [pair for pair in mixed if pair[0].startswith("g")]
    assert sorted(set(mixed) - set(drawn)) == sorted(domain)
    assert len(set(drawn)) == len(drawn)
    assert abs(len(drawn) - share * len(mixed)) <= 0.5
    assert mixed == mix_pairs(domain, general, share, seed)


def test_an_average_of_weights_lies_between_and_leaves_counters_alone():
    before = {"w": torch.tensor([0.0, 2.0]), "n": torch.tensor(3)}
    after = {"w": torch.tensor([4.0, 0.0]), "n": torch.tensor(5)}
    for share, w in ((0.0, [0.0, 2.0]), (0.25, [1.0, 1.5]), (1.0, [4.0, 0.0])):
        mixed = average_weights(before, after, share)
        assert mixed["w"].tolist() == w
        assert mixed["n"].item() == 5
    mixed["w"].zero_()
    assert after["w"].tolist() == [4.0, 0.0], "the average shares memory with a model"


def test_an_average_of_other_weights_or_beyond_the_ends_is_refused():
    weights = {"w": torch.zeros(2)}
    with pytest.raises(ValueError, match=r"share must be between 0 and 1, got 1\.5"):
        average_weights(weights, weights, 1.5)
    for other in ({"w": torch.zeros(3)}, {"v": torch.zeros(2)}):
        with pytest.raises(ValueError, match="hold other weights"):
            average_weights(weights, other, 0.5)


def test_changes_by_hand_and_mismatched_queries():
    change = changes({"c": {"a": 0.5, "b": 1.0}}, {"c": {"b": 0.5, "a": 0.75}})["c"]
    assert change.mean == pytest.approx((0.25 - 0.5) / 2)
    assert (change.low, change.high) == (-0.5, 0.25)
    for after in ({"c": {"a": 1.0}}, {"c": {"a": 1.0, "z": 1.0}}, {}, {"d": {"a": 1.0, "b": 1.0}}):
        with pytest.raises(ValueError, match="other queries"):
            changes({"c": {"a": 0.5, "b": 1.0}}, after)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patience": 0}, "patience"),
        ({"evaluate_every": 0}, "evaluate_every"),
        ({"max_drop": -0.1}, "max_drop"),
        ({"max_drop": math.nan}, "max_drop"),
        ({"on_step": print}, "on_step"),
        ({"save_every": 3}, "save_every"),
        ({"metric": "bleu"}, "bleu"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        adapt(start(), OLD, collection(OLD), collection(NEW), **options)


def test_bad_data_is_refused():
    with pytest.raises(ValueError, match="no query with judgements"):
        adapt(start(), OLD, collection(OLD), collection([]))
    with pytest.raises(ValueError, match=r"needs 12 general pairs, got 6; .* at most 0\.333"):
        mix_pairs(OLD, NEW[:6], share=0.5)
    for domain, share in ((OLD, 1.0), (OLD, -0.1), (OLD, math.nan), ([], 0.5)):
        with pytest.raises(ValueError, match="share"):
            mix_pairs(domain, NEW, share)


# --- stopped and resumed ---------------------------------------------------------------------------

RUN = {"steps": 18, "patience": 99, "max_drop": math.inf, **OPTIONS, "evaluate_every": 4}


def mixed():
    """A new encoder, what it is trained on, and the two sets."""
    return start(static=False), OLD, collection(OLD), collection(NEW)


def same(done, encoder, expected):
    theirs, weights_of_it = expected
    assert done.history == theirs.history
    assert done.curve == theirs.curve
    assert done.best_step == theirs.best_step
    assert torch.equal(weights(encoder), weights_of_it)


@pytest.fixture(scope="module", params=[{}, {"lr": 0.5, "steps": 60, "patience": 3}], ids=["to the end", "early stop"])
def whole(request):
    """An adaptation that was never stopped, with dropout: its options, its result, its weights."""
    run = {**RUN, **request.param}
    encoder, *data = with_dropout(mixed())
    done = adapt(encoder, *data, **run)
    stopped = len(done.history) < run["steps"]
    assert stopped == bool(request.param)
    assert len(done.curve) > 3
    return run, (done, weights(encoder).clone())


def with_dropout(given):
    given[0].backbone.blocks[0].dropout.p = 0.3
    return given


def test_a_checkpoint_changes_nothing_and_a_finished_run_is_read_back(whole, tmp_path, monkeypatch):
    run, expected = whole
    for _ in range(2):
        encoder, *data = with_dropout(mixed())
        same(adapt(encoder, *data, **run, checkpoint=tmp_path), encoder, expected)
        # The second time nothing is measured and nothing is written.
        monkeypatch.setattr(sys.modules[adapt.__module__], "evaluate_encoder", lambda *_: pytest.fail("measured again"))
        monkeypatch.setattr("workbook.train.early_stopping.write_json", lambda *_: pytest.fail("written again"))
    assert len(list(tmp_path.glob("best-*"))) == 1
    assert len(list((tmp_path / "training").iterdir())) == 2


@pytest.mark.slow
@pytest.mark.parametrize("go_on_with_the_same_encoder", [False, True])
def test_killed_at_any_write_and_resumed_equals_never_stopped(
    whole, tmp_path, monkeypatch, go_on_with_the_same_encoder
):
    """The first run dies at its first write, the second, which goes on, at its second, and so on."""
    run, expected = whole
    replace, kills, written, encoder = os.replace, 0, 0, None

    def dies(*paths):
        nonlocal written
        written += 1
        if written > kills:
            raise KeyboardInterrupt
        replace(*paths)

    monkeypatch.setattr("workbook.support.files.os.replace", dies)
    while True:
        written = 0
        if encoder is None or not go_on_with_the_same_encoder:
            encoder, *data = with_dropout(mixed())
        try:
            done = adapt(encoder, *data, **run, checkpoint=tmp_path)
        except KeyboardInterrupt:
            kills += 1
            assert kills < 20
        else:
            break
    assert kills >= 5
    same(done, encoder, expected)


@pytest.mark.parametrize("when", [1, 2, 3, 5])
def test_interrupted_while_looking_and_resumed_equals_never_stopped(whole, tmp_path, monkeypatch, when):
    run, expected = whole
    real, count = evaluate_encoder, 0

    def interrupted(*arguments):
        nonlocal count
        count += 1
        if count == when:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(sys.modules[adapt.__module__], "evaluate_encoder", interrupted)
    encoder, *data = with_dropout(mixed())
    if when <= len(expected[0].curve):
        with pytest.raises(KeyboardInterrupt):
            adapt(encoder, *data, **run, checkpoint=tmp_path)
    same(adapt(encoder, *data, **run, checkpoint=tmp_path), encoder, expected)


KILLED = """
import sys, time
from tests.adapt import test_adapt
from tests.adapt.test_adapt import RUN, adapt, mixed, with_dropout
from workbook.train import early_stopping
measured = early_stopping.Looks.look
def slow(self, step):
    print(step, flush=True)
    time.sleep(0.02)
    return measured(self, step)
early_stopping.Looks.look = slow
encoder, *data = with_dropout(mixed())
adapt(encoder, *data, **RUN, checkpoint=sys.argv[1])
"""


@pytest.mark.slow
def test_a_killed_process_goes_on(tmp_path):
    whole, *data = with_dropout(mixed())
    expected = adapt(whole, *data, **RUN)
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], cwd=root, env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    while (line := process.stdout.readline()) and int(line) < 12:
        pass
    process.kill()
    process.wait()
    assert len(json.loads((tmp_path / "looks.json").read_text())["curve"]) < len(expected.curve)
    encoder, *data = with_dropout(mixed())
    same(adapt(encoder, *data, **RUN, checkpoint=tmp_path), encoder, (expected, weights(whole)))


def test_lora_goes_on_with_its_updates_alone(tmp_path):
    def run(checkpoint=None, steps=8):
        encoder, *data = mixed()
        add_lora(encoder, r=4, target_modules=["query", "value"])
        options = {**RUN, "evaluate_every": 2, "steps": 8, "patience": 99, "checkpoint": checkpoint}
        return adapt(encoder, *data, **options), encoder

    expected, whole = run()
    done, encoder = run(tmp_path)
    same(done, encoder, (expected, weights(whole)))
    again, encoder = run(tmp_path)
    same(again, encoder, (expected, weights(whole)))
    (file,) = tmp_path.glob("best-*")
    assert file.stat().st_size < 0.5 * sum(p.numel() * 4 for p in encoder.parameters())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_drop": 0.5}, "another run: max_drop differs"),
        ({"patience": 3, "metric": "recall@10"}, "another run: metric, patience differs"),
        ({"reference": 0.1}, "another run: reference differs"),
        ({"lr": 0.01}, "lr was 0.05 and is now 0.01"),
    ],
)
def test_another_adaptation_in_the_same_folder_is_refused(tmp_path, options, says):
    encoder, *data = mixed()
    adapt(encoder, *data, **RUN | {"steps": 4}, checkpoint=tmp_path)
    before = weights(encoder).clone()
    with pytest.raises(ValueError, match=says):
        adapt(encoder, *data, **RUN | {"steps": 4} | options, checkpoint=tmp_path)
    assert torch.equal(weights(encoder), before)


def test_another_set_another_model_and_damage_are_refused(tmp_path):
    encoder, pairs, domain, general = mixed()
    run = {**RUN, "steps": 4, "checkpoint": tmp_path}
    adapt(encoder, pairs, domain, general, **run)
    with pytest.raises(ValueError, match="another run: general differs"):
        adapt(encoder, pairs, domain, collection(NEW[:5]), **run)
    with pytest.raises(ValueError, match="another run: the model differs"):
        adapt(start(), pairs, domain, general, **run)
    whole = (tmp_path / "looks.json").read_text()
    (tmp_path / "looks.json").write_text(whole[:-20])
    with pytest.raises(ValueError, match=r"cannot be read .* remove the folder"):
        adapt(encoder, pairs, domain, general, **run)
    (tmp_path / "looks.json").unlink()
    with pytest.raises(ValueError, match="holds a training without its looks; remove the folder"):
        adapt(encoder, pairs, domain, general, **run)
