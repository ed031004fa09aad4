"""Recipes: as published, stage by stage, and the same weights wherever a run was stopped or killed."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.train.test_fit import PAIRS, TOKENIZER, weights
from workbook.bm25 import BM25
from workbook.data.collection import Collection
from workbook.losses import distill_kl, info_nce
from workbook.metrics import evaluate
from workbook.metrics.leaderboard import leaderboard, shared_ranks
from workbook.metrics.significance import Interval, bootstrap_ci, paired_permutation_test
from workbook.pooling import cls_pool, last_token_pool, mean_pool
from workbook.pretraining.pairs import span_pairs
from workbook.recipes import families as recipes
from workbook.recipes import run as recipe_run
from workbook.recipes.families import RECIPES, TrainingStage, distilled, without
from workbook.recipes.run import OwnScores, build, mine_negatives, run_recipe, stage_steps, started_from
from workbook.recipes.sources import Sources, sources
from workbook.similarity import normalize
from workbook.support import files
from workbook.train import source_shares

TEXTS = [passage for _, passage in PAIRS[:60]]
DATA = Sources(
    TEXTS,
    {"titles": PAIRS[:40], "spans": span_pairs(TEXTS)[:30]},
    {"judged": PAIRS[40:60]},
    {"titles": "Find the text", "judged": "Find the answer"},
    [text for pair in PAIRS[60:] for text in pair],
)


def tiny(recipe, seed=0):
    return build(recipe, TOKENIZER, hidden_size=16, num_layers=1, num_heads=2, max_length=32, seed=seed)


def keyword_miner(encoder, pairs, corpus, num_negatives, seed):
    """BM25's first passages that are not the positive."""
    index = BM25().index({text: text for text in dict.fromkeys(corpus)})
    found = index.search({query: query for query, _ in pairs}, k=len(corpus))
    mined = []
    for query, positive in pairs:
        others = [p for p in [*found[query], *dict.fromkeys(corpus)] if p != positive]
        mined.append((query, positive, *others[:num_negatives]))
    return mined


class Reader:
    """A teacher that counts common words, and how often it is asked."""

    asked = 0

    def predict(self, pairs):
        type(self).asked += 1
        return np.array([float(len(set(q.split()) & set(p.split()))) for q, p in pairs])


OPTIONS = {"steps": 10, "mine": keyword_miner, "teacher": Reader(), "save_every": 2}


def run(recipe, folder=None, **options):
    return run_recipe(recipe, DATA, folder=folder, encoder=tiny(recipe), **{**OPTIONS, **options})


# --- as published ---------------------------------------------------------------------------------

PUBLISHED = {  # name: pooling, query prompt, document prompt, causal, temperature, kinds of the stages
    "e5": ("mean", "query: ", "passage: ", False, 0.01, ["mlm", "contrastive", "distillation"]),
    "bge": ("cls", "Represent this sentence for searching relevant passages: ", "", False, 0.01,
            ["retromae", "contrastive", "contrastive"]),
    "bge_m3": ("cls", "", "", False, 0.01, ["retromae", "contrastive", "contrastive", "distillation"]),
    "gte": ("mean", "", "", False, 0.01, ["mlm", "contrastive", "contrastive"]),
    "nomic": ("mean", "search_query: ", "search_document: ", False, 0.02, ["mlm", "contrastive", "contrastive"]),
    "jina": ("mean", "", "", False, 0.05, ["mlm", "contrastive", "contrastive"]),
    "e5_mistral": ("lasttoken", "Instruct: {task}\nQuery: ", "", True, 0.02, ["next_token", "contrastive"]),
}  # fmt: skip


@pytest.mark.parametrize("name", RECIPES)
def test_each_family_is_what_its_authors_say(name):
    recipe = RECIPES[name]()
    pooling, query_prompt, document_prompt, causal, temperature, kinds = PUBLISHED[name]
    assert (recipe.name, recipe.pooling, recipe.causal) == (name, pooling, causal)
    assert (recipe.query_prompt, recipe.document_prompt) == (query_prompt, document_prompt)
    assert [stage.kind for stage in recipe.stages] == kinds
    assert {stage.temperature for stage in recipe.stages if stage.data != "texts"} == {temperature}
    assert sum(stage.share for stage in recipe.stages) == pytest.approx(1)
    assert recipe.stages[-1].num_negatives >= 1
    assert "arXiv:" in recipe.source
    assert recipe.source.split(";")[0].split(",")[1].strip() in " ".join(RECIPES[name].__doc__.split())
    assert "Smaller here" in RECIPES[name].__doc__


def test_what_tells_the_families_apart():
    gte, jina, bge, nomic, e5, m3 = (RECIPES[n]().stages for n in ("gte", "jina", "bge", "nomic", "e5", "bge_m3"))
    assert all(set(s.directions) == set(recipes.DIRECTIONS) and s.partition_mode == "joint" for s in gte[1:])
    assert all(
        s.directions == ("query_to_doc", "doc_to_query") and s.partition_mode == "per_direction" for s in jina[1:]
    )
    assert [s.prompted for s in bge[1:]] == [False, True]
    assert [s.rate for s in (nomic[0], jina[0], bge[0], e5[0])] == [0.3, 0.3, 0.3, 0.15]
    assert [s[1].one_source for s in (gte, nomic, jina, bge, e5)] == [True, True, True, False, False]
    assert [s[1].source_alpha for s in (gte, nomic, jina)] == [0.5, 1, 1]
    assert e5[2].alpha == 0.2
    assert (e5[2].taught_by, m3[3].taught_by) == ("cross-encoder", "itself")


def test_what_was_published_is_found_reported_or_not_found():
    rows = {
        (row["family"], row["stage"]): row for row in recipes.published_table([make() for make in RECIPES.values()])
    }
    assert len(rows) == sum(len(make().stages) for make in RECIPES.values())
    assert rows["gte", "weak pairs"]["examples"] == "788,000,000"
    assert rows["gte", "weak pairs"]["temperature"] == "0.01"
    assert rows["bge", "weak pairs"]["batch_size"] == "33,467"  # of the English model, corrected by its authors
    assert rows["e5", "distillation"]["num_negatives"] == "7"
    assert rows["jina", "hard negatives"]["num_negatives"] == "15 (reported)"
    assert rows["jina", "text pairs"]["batch_size"] == "not found"
    assert [rows["e5", name]["steps"] for name in ("backbone", "weak pairs", "distillation")] == [
        "–",
        "20,000",
        "3 epochs",
    ]
    assert (rows["nomic", "weak pairs"]["steps"], rows["nomic", "weak pairs"]["lr"]) == ("1 epoch", "0.0002")
    assert rows["nomic", "backbone"]["temperature"] == "–"  # texts alone
    assert rows["nomic", "backbone"]["steps"] == "not found"
    for make in RECIPES.values():
        for stage in make().stages:
            assert stage.published.source
            assert all(getattr(stage.published, name) is not None for name in stage.published.reported)


def test_a_stage_that_is_taken_out_leaves_its_steps_to_the_others():
    left = recipes.without(recipes.e5(), "weak pairs")
    assert [stage.name for stage in left.stages] == ["backbone", "distillation"]
    assert [stage.share for stage in left.stages] == pytest.approx([0.4, 0.6])
    for names in (("weak",), ("backbone", "weak pairs", "distillation")):
        with pytest.raises(ValueError, match="names of some stages of e5"):
            recipes.without(recipes.e5(), *names)


@pytest.mark.parametrize(("sides", "prompts"), [("query", ("q: ", "")), ("both", ("q: ", "q: ")), ("none", ("", ""))])
def test_an_instruction_stands_where_it_is_wanted(sides, prompts):
    recipe = recipes.instructed(replace(recipes.bge(), query_prompt="q: "), sides)
    assert (recipe.query_prompt, recipe.document_prompt) == prompts
    with pytest.raises(ValueError, match="query, both, none"):
        recipes.instructed(recipe, "passage")


@pytest.mark.parametrize("name", ["bge", "e5_mistral"])
def test_a_recipe_starts_from_an_encoder_that_exists(name):
    recipe, encoder = RECIPES[name](), tiny(recipes.nomic())
    started = started_from(recipe, encoder, max_length=24)
    assert all(torch.equal(a, b) for a, b in zip(started.parameters(), encoder.parameters(), strict=True))
    assert (started.backbone.causal, encoder.backbone.causal) == (recipe.causal, False)
    assert (started.query_prompt, started.max_length, encoder.max_length) == (recipe.query_prompt, 24, 32)
    assert started.pooling is not encoder.pooling
    left = weights(encoder)
    run_recipe(recipes.without(recipe, recipe.stages[0].name), DATA, encoder=started, **OPTIONS)
    assert torch.equal(weights(encoder), left)
    assert not torch.equal(weights(started), left)


def test_only_a_transformer_can_be_told_to_look_ahead_or_not():
    from workbook.encoder import StaticEncoder, TextEncoder

    bag = TextEncoder(TOKENIZER, StaticEncoder(TOKENIZER.get_vocab_size(), 8))
    with pytest.raises(TypeError, match="got StaticEncoder"):
        started_from(recipes.bge(), bag)


def test_instructions_on_both_sides_become_part_of_the_texts(monkeypatch):
    seen = []
    monkeypatch.setattr(recipe_run, "fit", lambda encoder, tuples, *rest, **options: seen.append(tuples) or [])
    recipe = recipes.instructed(replace(recipes.e5_mistral(), query_prompt="{task}: "), "both")
    encoder, _ = run(recipe)
    query, positive, _ = seen[0][0]
    assert (query[:15], positive[:15]) == ("Find the text: ", "Find the text: ")
    assert (encoder.query_prompt, encoder.document_prompt) == ("Find the answer: ", "Find the answer: ")


def test_a_prompt_that_no_stage_has_met_is_left_out_at_search(monkeypatch):
    monkeypatch.setattr(recipe_run, "fit", lambda *rest, **options: [])
    whole, _ = run(recipes.bge())
    without_it, _ = run(recipes.without(recipes.bge(), "hard negatives"))  # weak pairs have no prompt
    assert whole.query_prompt == recipes.bge().query_prompt != ""
    assert without_it.query_prompt == ""
    both, _ = run(recipes.without(recipes.e5(), "distillation"))
    assert (both.query_prompt, both.document_prompt) == ("query: ", "passage: ")


def test_sources_are_drawn_by_their_size_to_a_power(monkeypatch):
    seen = {}
    monkeypatch.setattr(recipe_run, "fit", lambda *rest, **options: seen.setdefault("options", options) and [])
    run(recipes.without(recipes.gte(), "backbone", "hard negatives"))
    assert seen["options"]["shares"] == source_shares({"titles": 40, "spans": len(DATA.weak["spans"])}, 0.5)
    alone = replace(recipes.bge().stages[1], source_alpha=0.5)
    with pytest.raises(ValueError, match="needs one_source"):
        run(replace(recipes.bge(), stages=(alone,)))


def test_an_encoder_that_teaches_itself_adds_the_best_match_of_each_token():
    encoder = tiny(recipes.bge_m3())
    pairs = [(q, p) for q, p in PAIRS[:3]]
    scores = OwnScores(encoder, 0.1).predict([*pairs, pairs[0]])
    (q,), (d,) = (encoder.encode([text]) for text in pairs[0])
    s, t = (normalize(torch.from_numpy(encoder.encode_tokens([text])[0])) for text in pairs[0])
    late = (s @ t.T).max(dim=1).values.mean()
    assert scores[0] == pytest.approx((float(q @ d) + float(late)) / 2 / 0.1, abs=1e-4)
    assert scores[3] == scores[0]


@pytest.mark.parametrize("name", RECIPES)
def test_an_encoder_is_built_as_its_family_needs_it(name):
    before = torch.get_rng_state()
    encoder, again, other = tiny(RECIPES[name]()), tiny(RECIPES[name]()), tiny(RECIPES[name](), seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert encoder.pooling is {"mean": mean_pool, "cls": cls_pool, "lasttoken": last_token_pool}[PUBLISHED[name][0]]
    assert encoder.backbone.causal is (name == "e5_mistral")
    assert torch.equal(weights(encoder), weights(again))
    assert not torch.equal(weights(encoder), weights(other))


# --- the losses of the families -------------------------------------------------------------------


def embedded(B=6, M=2, D=5):
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(*shape, D, generator=generator, dtype=torch.float64) for shape in ((B,), (B,), (B, M)))


def test_the_loss_of_e5_is_the_teachers_distribution_and_the_right_passage():
    query, positive, negatives = embedded()
    labels = torch.randn(6, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    docs = torch.cat([positive[:, None], negatives], dim=1)
    cosines = torch.einsum("bd,bmd->bm", normalize(query), normalize(docs))
    student, taught = (cosines / 0.1).softmax(dim=1), labels.softmax(dim=1)
    kl = (taught * (taught / student).log()).sum(dim=1).mean()
    expected = kl + 0.2 * info_nce(query, positive, negatives, 0.1)
    torch.testing.assert_close(distilled(query, positive, negatives, labels, 0.1, 0.2), expected)
    same = distilled(query, positive, negatives, cosines / 0.1, 0.1, alpha=0.0)
    assert same.item() == pytest.approx(0, abs=1e-12)
    assert distill_kl(normalize(query), normalize(positive), normalize(negatives), labels) > 0


# --- runs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
def test_every_stage_has_its_share_of_the_steps_and_the_encoder_its_prompts(name):
    recipe = RECIPES[name]()
    torch.manual_seed(4)
    before = torch.get_rng_state()
    encoder, histories = run(recipe)
    assert torch.equal(torch.get_rng_state(), before)
    assert list(histories) == [stage.name for stage in recipe.stages]
    assert [len(h) for h in histories.values()] == [round(10 * stage.share) for stage in recipe.stages]
    assert all(np.isfinite(record["loss"]) for h in histories.values() for record in h)
    assert encoder.query_prompt == recipe.query_prompt.replace("{task}", "Find the answer")
    assert encoder.document_prompt == recipe.document_prompt
    assert not torch.equal(weights(encoder), weights(tiny(recipe)))
    assert encoder.encode_query(["red hat"]).shape == (1, 16)


def test_stages_see_the_texts_pairs_and_prompts_that_they_should(monkeypatch):
    from workbook.recipes import run as staged_training

    seen, drawn_from = [], []

    def fit(encoder, tuples, loss, temperature, labels, **options):
        drawn_from.append(options.get("groups"))
        seen.append((encoder.query_prompt, encoder.document_prompt, tuples, loss, temperature, labels))
        return [{"step": 1, "loss": 0.0, "lr": 0.0}]

    monkeypatch.setattr(staged_training, "fit", fit)
    run(recipes.bge())
    assert [(q, d) for q, d, *_ in seen] == [("", ""), (recipes.bge().query_prompt, "")]
    assert seen[0][2] == PAIRS[:40] + span_pairs(TEXTS)[:30]
    assert [t[:2] for t in seen[1][2]] == PAIRS[40:60]
    assert all(len(t) == 3 and t[2] != t[1] for t in seen[1][2])

    seen.clear()
    run(recipes.e5_mistral())
    (prompt, _, tuples, loss, temperature, labels), = seen  # fmt: skip
    assert (prompt, temperature, labels) == ("", 0.02, None)
    assert tuples[0][0] == "Instruct: Find the text\nQuery: " + PAIRS[0][0]
    assert tuples[40][0].startswith("Instruct: spans\nQuery: ")  # without an instruction its name is one
    assert tuples[-1][0] == "Instruct: Find the answer\nQuery: " + PAIRS[59][0]
    assert loss.func is info_nce

    seen.clear()
    run(recipes.nomic())
    assert seen[0][3].func is info_nce
    first, later = drawn_from[-len(seen)], drawn_from[1 - len(seen) :]
    assert [first[row] for row in (0, 39, 40, len(seen[0][2]) - 1)] == ["titles", "titles", "spans", "spans"]
    assert later == [None] * len(later)
    assert seen[0][:2] == ("search_query: ", "search_document: ")

    seen.clear()
    run(recipes.e5())
    assert seen[1][3].func is distilled
    q, *passages = seen[1][2][0]
    assert seen[1][5][0].tolist() == Reader().predict([(q, p) for p in passages]).tolist()


def stops(recipe):
    """Inside each stage, and at its last step."""
    return [(s.name, step) for s in recipe.stages for step in (1, round(10 * s.share))]


@pytest.mark.parametrize("name", RECIPES)
def test_stopped_inside_and_between_stages_and_resumed_equals_never_stopped(tmp_path, name):
    recipe = RECIPES[name]()
    whole, history = run(recipe)
    for stage, step in stops(recipe):
        run(recipe, tmp_path, on_step=lambda s, record, at=(stage, step): (s, record["step"]) == at)
    encoder, resumed = run(recipe, tmp_path)
    assert resumed == history
    assert torch.equal(weights(encoder), weights(whole))


def test_a_stop_ends_the_run_and_not_the_stage_only():
    _, histories = run(recipes.e5(), on_step=lambda stage, record: stage == "weak pairs" and record["step"] == 2)
    assert {name: len(h) for name, h in histories.items()} == {"backbone": 2, "weak pairs": 2}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["e5", "bge", "e5_mistral"])
def test_a_kill_in_the_middle_of_any_write_leaves_a_run_that_goes_on(tmp_path, monkeypatch, name):
    """E5 with a cross-encoder of its own: stages, mined tuples, teacher and checkpoints are all written."""
    recipe = RECIPES[name]()
    options = {"teacher": None, "mine": mine_negatives, "steps": 6}
    whole, history = run(recipe, **options)
    really, writes = os.replace, []
    monkeypatch.setattr(files.os, "replace", lambda *a: (writes.append(a), really(*a)))
    run(recipe, tmp_path / "count", **options)
    assert len(writes) >= 8
    for write in range(len(writes)):
        left = [write]

        def killed(*args, left=left):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            really(*args)

        monkeypatch.setattr(files.os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            run(recipe, tmp_path / str(write), **options)
        monkeypatch.setattr(files.os, "replace", really)
        encoder, resumed = run(recipe, tmp_path / str(write), **options)
        assert resumed == history
        assert torch.equal(weights(encoder), weights(whole))


def test_a_finished_run_is_read_back_without_mining_asking_or_training(tmp_path):
    recipe = recipes.e5()
    whole, history = run(recipe, tmp_path)
    asked = Reader.asked
    encoder, again = run(
        recipe, tmp_path, mine=lambda *args: pytest.fail("mined"), on_step=lambda *args: pytest.fail("a step")
    )
    assert Reader.asked == asked
    assert again == history
    assert torch.equal(weights(encoder), weights(whole))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 20}, "steps differ"),
        ({"seed": 1}, "seed differ"),
        ({"recipe": recipes.gte()}, "recipe differ"),
        ({"data": replace(DATA, texts=TEXTS[1:])}, "data differ"),
    ],
)
def test_another_run_in_the_same_folder_is_refused(tmp_path, options, message):
    run_recipe(recipes.jina(), DATA, folder=tmp_path, encoder=tiny(recipes.jina()), **OPTIONS)
    given = {"recipe": recipes.jina(), "data": DATA, **OPTIONS, **options}
    with pytest.raises(ValueError, match=f"holds another run: {message}"):
        run_recipe(folder=tmp_path, encoder=tiny(given["recipe"]), **given)


def test_the_order_of_the_stages_is_data_and_matters():
    recipe = recipes.jina()
    backwards = replace(recipe, stages=recipe.stages[::-1])
    (a, _), (b, histories) = run(recipe), run(backwards)
    assert list(histories) == ["hard negatives", "text pairs", "backbone"]
    assert not torch.allclose(weights(a), weights(b))


STAGE = TrainingStage("one", "contrastive", "weak", 1.0, 8, 1e-3, "")


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ((), "needs stages"),
        ((STAGE, STAGE), "a name of its own"),
        ((replace(STAGE, kind="magic"),), "expected mlm, retromae, next_token, contrastive or distillation"),
        ((replace(STAGE, data="texts"),), "a pre-training takes texts"),
        ((replace(STAGE, kind="mlm"),), "a pre-training takes texts"),
        ((replace(STAGE, kind="distillation"),), "a teacher compares passages"),
    ],
)
def test_recipes_that_cannot_be_run_are_refused(stages, message):
    with pytest.raises(ValueError, match=message):
        run(replace(recipes.gte(), stages=stages))


def test_evaluation_texts_among_the_training_texts_are_refused():
    for data in (
        replace(DATA, texts=[*TEXTS, PAIRS[65][1]]),
        replace(DATA, weak={"titles": [PAIRS[70]]}),
        replace(DATA, labelled={"judged": [(PAIRS[70][0].upper(), "something else")]}),
    ):
        with pytest.raises(ValueError, match="training texts are evaluation texts"):
            run_recipe(recipes.gte(), data, encoder=tiny(recipes.gte()), **OPTIONS)


# --- data -----------------------------------------------------------------------------------------


def collection(pairs=PAIRS, train=60):
    queries = {f"q{i}": query for i, (query, _) in enumerate(pairs)}
    return Collection(
        "colours",
        {f"p{i}": passage for i, (_, passage) in enumerate(pairs)},
        queries,
        {f"q{i}": {f"p{i}": 1} for i in range(len(pairs))},
        {"train": tuple(queries)[:train], "test": tuple(queries)[train:]},
    )


def test_sources_hold_every_training_pair_once_and_no_evaluation_text():
    leak = ("an innocent title", PAIRS[66][1].upper())
    data = sources(collection([*PAIRS[:59], leak, *PAIRS[60:]]), labelled=0.25, seed=3)
    assert sorted(data.weak["titles"] + data.labelled["judged"]) == sorted(PAIRS[:59])
    assert len(data.labelled["judged"]) == round(0.25 * 59)
    assert set(data.texts) == {passage for _, passage in PAIRS[:59]}
    assert set(data.evaluation) == {text for pair in PAIRS[60:] for text in pair}
    assert set(data.instructions) == {"titles", "spans", "judged"}
    other = sources(collection(), seed=4)
    assert other.labelled != sources(collection(), seed=5).labelled
    assert other == sources(collection(), seed=4)


@pytest.mark.parametrize(("given", "share"), [(collection(train=1), 0.25), (collection(), 0.0), (collection(), 25)])
def test_sources_that_have_no_two_parts_are_refused(given, share):
    with pytest.raises(ValueError, match=r"weak part|a quarter is 0\.25"):
        sources(given, labelled=share)


def test_a_collection_is_enough():
    encoder, histories = run_recipe(recipes.gte(), collection(), steps=3)
    assert list(histories) == ["backbone", "weak pairs", "hard negatives"]
    assert encoder.backbone.hidden_size == 128


def test_negatives_are_mined_by_the_encoder_and_are_no_positives():
    encoder = tiny(recipes.gte())
    pairs = [*PAIRS[:10], (PAIRS[0][0], "another right answer")]
    before = torch.get_rng_state()
    tuples = mine_negatives(encoder, pairs, TEXTS, num_negatives=3, seed=0)
    assert torch.equal(torch.get_rng_state(), before)
    assert sorted(t[:2] for t in tuples) == sorted(pairs)
    right = {query: {p for q, p in pairs if q == query} for query, _ in pairs}
    for query, _, *negatives in tuples:
        assert len(set(negatives)) == 3
        assert not right[query] & set(negatives)
        assert set(negatives) <= {*TEXTS, "another right answer"}
    assert tuples == mine_negatives(encoder, pairs, TEXTS, num_negatives=3, seed=0)


# --- leaderboard ----------------------------------------------------------------------------------

QRELS = {f"q{i}": {f"p{i}": 1} for i in range(40)}


def ranked(first):
    """A run that finds the right passage at rank 1 for the first queries, and at rank 2 for the others."""
    return {
        q: {f"p{i}": 1.0 if i < first else 0.4, "other": 0.5} for i, q in enumerate(QRELS)
    }  # fmt: skip


def test_a_leaderboard_has_an_interval_for_each_system_and_each_difference():
    rows = leaderboard({"low": ranked(5), "high": ranked(30), "none": ranked(0)}, QRELS, metric="mrr@10")
    assert [row["system"] for row in rows] == ["high", "low", "none"]
    values = np.array([1.0] * 30 + [0.5] * 10)
    low = np.array([1.0] * 5 + [0.5] * 35)
    assert rows[0]["mrr@10"] == bootstrap_ci(values)
    assert rows[0]["difference"] is rows[0]["p"] is None
    assert rows[1]["difference"] == bootstrap_ci(low - values)
    assert rows[1]["p"] == paired_permutation_test(low, values)
    assert rows[1]["difference"].high < 0
    assert isinstance(rows[2]["difference"], Interval)


def test_seeds_are_averaged_query_by_query_and_the_baseline_can_be_chosen():
    rows = leaderboard({"one": ranked(10), "seeds": [ranked(0), ranked(40)]}, QRELS, "mrr@10", baseline="one")
    assert rows[0]["system"] == "seeds"
    assert rows[0]["seeds"] == 2
    assert rows[0]["mrr@10"].mean == pytest.approx(0.75)
    assert rows[0]["difference"].mean == pytest.approx(0.75 - evaluate(QRELS, ranked(10), ["mrr@10"])["mrr@10"])
    assert rows[1]["difference"] is None


@pytest.mark.parametrize(
    ("results", "baseline", "message"),
    [({}, None, "must hold a system"), ({"a": ranked(1)}, "b", "baseline 'b'"), ({"a": []}, None, "'a' has no run")],
)
def test_a_leaderboard_of_nothing_is_refused(results, baseline, message):
    with pytest.raises(ValueError, match=message):
        leaderboard(results, QRELS, baseline=baseline)


def test_neighbours_that_do_not_differ_share_a_place():
    rng = np.random.default_rng(0)
    first = rng.random(200)
    values = {"c": first - 0.5, "a": first, "b": first + rng.normal(0, 0.1, 200) - 0.001, "d": first - 0.5}
    assert shared_ranks(values) == {"a": 1, "b": 1, "c": 3, "d": 3}
    rows = leaderboard({"low": ranked(5), "high": ranked(30), "same": ranked(30)}, QRELS, metric="mrr@10")
    assert [(row["system"], row["rank"]) for row in rows] == [("high", 1), ("same", 1), ("low", 3)]


def test_a_recipe_survives_json():
    from dataclasses import asdict

    for make in RECIPES.values():
        assert json.loads(json.dumps(asdict(make())))["name"] == make().name


@pytest.mark.parametrize(
    ("shares", "steps", "counts"),
    [
        ((0.2, 0.5, 0.3), 30, [6, 15, 9]),
        ((0.2, 0.5, 0.3), 10, [2, 5, 3]),
        ((0.25, 0.25, 0.5), 7, [2, 2, 3]),  # cut by .0, .0 and .0
        ((1 / 3, 1 / 3, 1 / 3), 8, [3, 3, 2]),  # of equal ones the earlier
        ((0.5, 0.5), 1, [1, 1]),  # no stage without a step
    ],
)
def test_the_steps_of_all_stages_are_the_budget(shares, steps, counts):
    assert stage_steps(shares, steps) == counts
    assert sum(counts) == max(steps, len(shares))


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("steps", [7, 30, 33])
def test_every_family_has_the_same_budget(name, steps):
    recipe = RECIPES[name]()
    for other in (recipe, without(recipe, recipe.stages[0].name)):
        assert sum(stage_steps([stage.share for stage in other.stages], steps)) == steps
