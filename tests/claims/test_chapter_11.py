import numpy as np
import pytest
import torch

from tests.helpers.rows import DOWN, TIED, UP
from workbook.claims import chapter_11, recipe_stages
from workbook.claims.chapter_11 import (
    BOTH,
    CLAIMS,
    CODE,
    COLLECTIONS,
    DOCS,
    EXCHANGED,
    KL,
    KL_LABELS,
    LEFT_OUT,
    MIX,
    NEITHER,
    ONE,
    ONE_STAGE,
    PLANTED,
    QUERY,
    SEPARATE,
    SOURCES,
    STAGE_TASKS,
    TASKS,
    WITHOUT_TEACHER,
    Truth,
    evaluation,
    labelled_pairs,
    lists,
    search_tasks,
    shelf,
    task_rows,
    two_tasks,
    weak_pairs,
    with_noise,
    world,
)
from workbook.recipes.families import RECIPES

STAGES, NOISE, INSTRUCTIONS, DISTILLATION, ONE_SOURCE = CLAIMS
WIDE = [0.0, -0.06, 0.06]  # nothing seen, and nothing could have been


# --- the rules -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("planted", "code", "verdict"),
    [
        ((UP,) * 4, (UP,) * 4, "holds"),
        ((UP,) * 4, (UP, TIED, UP, UP), "depends"),
        ((TIED,) * 4, (TIED,) * 4, "not settled here"),
        ((DOWN, TIED, TIED, TIED), (TIED,) * 4, "depends"),
        ((DOWN,) * 4, (DOWN,) * 4, "misleading"),
    ],
)
def test_stages_can_fall_either_way(planted, code, verdict):
    of = {PLANTED: planted, CODE: code}
    found = {c: {"staged minus": dict(zip(ONE_STAGE, of[c], strict=True)), "weak alone gains": UP} for c in STAGE_TASKS}
    told = STAGES.decide(found)
    assert told.verdict == verdict
    assert len(told.intervals) == 8
    assert "would have been seen" in told.because


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ((UP, UP), "holds"), ((UP, TIED), "depends"), ((UP, DOWN), "depends"), ((DOWN, TIED), "depends"),
        ((TIED, TIED), "not settled here"), ((DOWN, DOWN), "misleading"),
    ],
)  # fmt: skip
def test_noise_can_fall_either_way(rows, verdict):
    noisy = {"pairs": [100, 400, 1_600]} | {
        c: {
            "many noisy minus few clean": {"0.0": UP, "0.5": row},
            "many noisy minus fewer, all right": TIED,
            "few clean gain": UP,
            "cost of noise": {"1600": {"0.25": TIED, "0.5": DOWN}},
        }
        for c, row in zip(COLLECTIONS, rows, strict=True)
    }
    assert NOISE.decide(noisy).verdict == verdict


@pytest.mark.parametrize(
    ("planted", "docs", "reads", "verdict"),
    [
        ((UP,) * 3, (UP,) * 3, UP, "holds"), ((UP, UP, TIED), (UP,) * 3, UP, "depends"),
        ((TIED,) * 3, (TIED,) * 3, UP, "not settled here"), ((TIED, DOWN, TIED), (TIED,) * 3, UP, "depends"),
        ((DOWN,) * 3, (DOWN,) * 3, UP, "misleading"), ((DOWN,) * 3, (DOWN,) * 3, TIED, "not settled here"),
        ((UP,) * 3, (UP,) * 3, DOWN, "not settled here"),
    ],
)  # fmt: skip
def test_distillation_can_fall_either_way(planted, docs, reads, verdict):
    found = {
        c: {
            "KL minus": dict(zip(WITHOUT_TEACHER, rows, strict=True)),
            "minus hard labels": {KL: TIED, chapter_11.KL_BASE: TIED},
            "teachers reorder": [UP, reads],
        }
        for c, rows in ((PLANTED, planted), (DOCS, docs))
    }
    told = DISTILLATION.decide(found)
    assert told.verdict == verdict
    assert "settled for two small cross-encoders" in told.because
    assert len(told.intervals) == 6


@pytest.mark.parametrize(
    ("over_none", "over_two", "none_in_own", "two_in_own", "verdict"),
    [
        (UP, UP, UP, UP, "holds"), (UP, TIED, TIED, TIED, "holds"), (UP, TIED, DOWN, TIED, "depends"), (UP, WIDE, TIED, TIED, "depends"),
        (UP, UP, UP, WIDE, "depends"), (UP, DOWN, UP, UP, "misleading"), (UP, UP, UP, DOWN, "misleading"),
        (TIED, UP, UP, UP, "holds at scale only"), (DOWN, UP, UP, UP, "misleading"),
    ],
)  # fmt: skip
def test_instructions_can_fall_either_way(over_none, over_two, none_in_own, two_in_own, verdict):
    row = {NEITHER: over_none, SEPARATE: over_two, BOTH: TIED, LEFT_OUT: UP, EXCHANGED: UP}
    own = row | {NEITHER: none_in_own, SEPARATE: two_in_own}
    told = INSTRUCTIONS.decide({"minus": {"one index": row, "own index": own}})
    assert told.verdict == verdict
    assert len(told.intervals) == 5


@pytest.mark.parametrize(
    ("over_all", "own", "verdict"),
    [
        (UP, (UP, TIED, TIED), "holds"), (UP, (UP, UP, WIDE), "depends"), (UP, (UP, UP, DOWN), "depends"), (TIED, (TIED, TIED, TIED), "not settled here"),
        (TIED, (UP, TIED, TIED), "depends"), (DOWN, (DOWN, TIED, TIED), "misleading"), (DOWN, (UP, DOWN, DOWN), "depends"),
    ],
)  # fmt: skip
def test_one_source_for_each_batch_can_fall_either_way(over_all, own, verdict):
    found = {
        "one minus mixed": {**dict(zip(SOURCES, own, strict=True)), "all": over_all, "all, among all": TIED},
        "loss at the end": {ONE: [1.0, 2.0], MIX: [0.5, 0.5]},
    }
    told = ONE_SOURCE.decide(found)
    assert told.verdict == verdict
    assert "The loss ends at 1.50 and, mixed, at 0.50" in told.because


# --- the experiments -------------------------------------------------------------------------


def test_no_arm_trains_on_a_passage_that_answers_a_test_query():
    for collection in (PLANTED, DOCS, CODE):
        at = world(collection, "notebook")
        held = {docs.corpus[p] for docs in (at.dev, at.test) for q in docs.queries for p in docs.qrels[q]}
        read = [*labelled_pairs(collection, 999, 0, "notebook")]
        read += weak_pairs(collection, 0, "notebook") if collection in STAGE_TASKS else ()
        assert read
        assert not held & {passage for _, passage in read}
        assert not set(evaluation(collection, "notebook")) & {text for pair in read for text in pair}
        assert not set(evaluation(collection, "notebook")) & set(shelf(collection, "notebook"))
        assert not set(at.dev.queries) & set(at.test.queries)


def test_more_labelled_pairs_of_a_seed_hold_the_fewer():
    few, many = (labelled_pairs(PLANTED, count, 1, "notebook") for count in (4, 12))
    assert many[:4] == few
    assert labelled_pairs(PLANTED, 4, 2, "notebook") != few


@pytest.mark.parametrize("noise", [0.0, 0.25, 0.5, 1.0])
def test_noise_exchanges_passages_of_exactly_its_share(noise):
    pairs = [(f"q{i}", f"p{i}") for i in range(40)]
    noisy = with_noise(pairs, noise, 3)
    assert [query for query, _ in noisy] == [query for query, _ in pairs]
    assert sorted(passage for _, passage in noisy) == sorted(passage for _, passage in pairs)
    assert sum(a != b for a, b in zip(pairs, noisy, strict=True)) == noise * 40
    assert with_noise(pairs[:1], 1.0, 0) == pairs[:1]  # nothing to exchange with


def test_the_same_title_asks_for_documentation_or_for_code():
    data = two_tasks("train", "notebook")
    rows = task_rows(QUERY, tuple(TASKS), "notebook")
    assert len(rows) == 2 * len(data.queries)
    (asks_docs, docs), (asks_code, code) = rows[:2]
    assert asks_docs.removeprefix(TASKS[DOCS]) == asks_code.removeprefix(TASKS[CODE])
    assert docs != code
    assert task_rows(NEITHER, (DOCS,), "notebook")[0] == (asks_docs.removeprefix(TASKS[DOCS]), docs)
    assert task_rows(BOTH, (CODE,), "notebook")[0][1] == TASKS[CODE] + code
    test = two_tasks("test", "notebook")
    assert not set(data.queries) & set(test.queries)
    asked = {*test.queries.values(), *test.corpus[DOCS].values(), *test.corpus[CODE].values()}
    assert not asked & {text for row in task_rows(NEITHER, tuple(TASKS), "notebook") for text in row}


def test_in_one_index_only_the_right_kind_of_answer_counts():
    data = two_tasks("test", "notebook")
    kind = {text: task for task, texts in data.corpus.items() for text in texts.values()}
    place = {text: i for texts in data.corpus.values() for i, text in enumerate(texts.values())}
    asked = {text: i for i, text in enumerate(data.queries.values())}

    class Kinds:
        """Knows every answer; takes documentation for granted unless it is told to want code."""

        def vector(self, number, task):
            x = np.zeros(2 * len(asked))
            x[number], x[len(asked) + (task == CODE)] = 1, 0.1
            return x

        def encode_query(self, texts):
            return np.array([
                self.vector(asked[t.split("\nQuery: ")[-1]], CODE if t.startswith(TASKS[CODE]) else DOCS) for t in texts
            ])  # fmt: skip

        def encode_document(self, texts):
            return np.array([self.vector(place[t], kind[t]) for t in texts])

    models = dict.fromkeys(TASKS, Kinds())
    told, wrong = (search_tasks(models, arm, "test", "notebook") for arm in (QUERY, EXCHANGED))
    assert all(values.mean() == 1 for values in told.values())
    assert wrong[f"one index: {DOCS}"].mean() == pytest.approx(1 / np.log2(3))  # the other answer stands first
    assert wrong[f"own index: {DOCS}"].mean() == 1
    left_out = search_tasks(models, LEFT_OUT, "test", "notebook")
    assert left_out[f"one index: {DOCS}"].mean() == 1
    assert left_out[f"one index: {CODE}"].mean() < 1


def test_the_truth_gives_its_grades():
    at = world(PLANTED, "notebook")
    q = next(q for q in at.train.queries if any(p in at.train.corpus for p in at.truth[q]))
    p = next(p for p in at.truth[q] if p in at.train.corpus)
    scores = Truth(at).predict([(at.train.queries[q], at.train.corpus[p]), (at.train.queries[q], "nothing")])
    assert scores.tolist() == [chapter_11.GRADE * at.truth[q][p], 0.0]


def test_mixed_rows_have_as_many_labelled_as_weak_ones_and_the_negatives_of_the_stages(monkeypatch):
    read = {}

    def steps_of(encoder, rows, lr, seed, budget, **options):
        read.setdefault(arm, []).append(rows)

    monkeypatch.setattr(chapter_11, "steps_of", steps_of)
    for arm in (chapter_11.MIXED, chapter_11.MIXED_HARD, chapter_11.STAGED):
        chapter_11.staged(arm, PLANTED, "notebook", 3e-4, 0)
    labelled = set(labelled_pairs(PLANTED, chapter_11.SIZES["notebook"].labelled, 0, "notebook"))
    for of_arm in (read[chapter_11.MIXED][0], read[chapter_11.MIXED_HARD][0]):
        assert 2 * sum(row[:2] in labelled for row in of_arm) == len(of_arm)
    hard = {row for row in read[chapter_11.MIXED_HARD][0] if row[:2] in labelled}
    assert hard
    assert hard <= set(read[chapter_11.STAGED][-1])


def test_every_way_in_one_stage_has_stages_to_compare_with():
    assert sorted(arm for of in chapter_11.RIVALS.values() for arm in of) == sorted(ONE_STAGE)


def test_lists_without_a_margin_have_right_answers_among_their_negatives():
    plain, careful = lists(PLANTED, "notebook"), lists(PLANTED, "notebook", 0.05)
    assert {len(row) for row in (*plain, *careful)} == {2 + chapter_11.LISTS}
    assert [row[:2] for row in plain] == [row[:2] for row in careful]
    found, less = (chapter_11.right_among_negatives(PLANTED, "notebook", margin) for margin in (None, 0.05))
    assert found > less


def test_no_cross_encoder_scores_what_it_was_trained_on(monkeypatch):
    trained = []

    class Counting:
        def __init__(self, rows):
            self.known = {row[0] for row in rows}

        def predict(self, pairs):
            assert not self.known & {query for query, _ in pairs}
            return np.full(len(pairs), float(len(trained)))

    def reader_of(rows, *_):
        trained.append(rows)
        return Counting(rows)

    monkeypatch.setattr(chapter_11, "reader_of", reader_of)
    chapter_11.teachers.cache_clear()
    chapter_11.scores.cache_clear()
    rows = lists(PLANTED, "notebook")
    assert chapter_11.scores(KL, PLANTED, "notebook").shape == (len(rows), 1 + chapter_11.LISTS)
    assert sorted(row for fold in trained for row in fold) == sorted(rows)
    chapter_11.teachers.cache_clear()
    chapter_11.scores.cache_clear()


def test_labels_as_teacher_are_sure_of_the_labelled_passage():
    labels = chapter_11.scores(KL_LABELS, PLANTED, "notebook")
    assert torch.allclose(labels.softmax(dim=1)[:, 0], torch.ones(len(labels)), atol=1e-6)


def test_each_passage_keeps_its_tokens_beside_an_instruction(monkeypatch):
    lengths = {}

    def steps_of(encoder, rows, *_, **options):
        lengths[rows[0][1].startswith("Instruct")] = encoder.max_length

    monkeypatch.setattr(chapter_11, "steps_of", steps_of)
    for arm in (QUERY, BOTH):
        chapter_11.instructed_models(arm, "notebook", 3e-4, 0)
    told = max(len(chapter_11.new_encoder("notebook").tokenizer.encode(text).ids) - 2 for text in TASKS.values())
    assert lengths == {False: 24, True: 24 + told}


# --- every family with a stage taken out -----------------------------------------------------


def test_every_family_loses_each_of_its_parts_once():
    outs = {name: recipe_stages.removable(make()) for name, make in RECIPES.items()}
    assert outs["e5"] == ["backbone", "weak pairs", "distillation", "prompt"]
    assert [recipe_stages.backbone_of(RECIPES[name]()) for name in ("e5", "e5_mistral", "bge")] == [
        "backbone",
        "language model",
        "",
    ]
    assert outs["gte"] == ["backbone", "weak pairs", "hard negatives"]
    assert outs["e5_mistral"] == ["language model", "prompt"]


def test_a_miniature_keeps_the_budget_and_the_backbone_that_is_there():
    for make in RECIPES.values():
        small = recipe_stages.miniature(make(), 0.1, "notebook")
        assert sum(stage.share for stage in small.stages) == pytest.approx(1)
        own = {stage.name: stage.lr for stage in make().stages}
        assert all(stage.lr == pytest.approx(0.1 * own[stage.name]) for stage in small.stages)
        assert not any(stage.kind == "distillation" and stage.taught_by == "cross-encoder" for stage in small.stages)
        assert not any(stage.published.taken_over for stage in small.stages)
        assert all(stage.num_negatives <= recipe_stages.MOST_NEGATIVES for stage in small.stages)


def test_without_its_backbone_a_family_begins_at_fresh_weights():
    recipe = RECIPES["nomic"]()
    given, fresh, again = (recipe_stages.start(recipe, PLANTED, 0, "notebook", fresh=x) for x in (False, True, True))
    first = [next(iter(e.backbone.parameters())) for e in (given, fresh, again)]
    assert not torch.equal(first[0], first[1])
    assert torch.equal(first[1], first[2])


def test_a_family_that_reads_another_token_is_taught_where_to_say_it():
    mean, first = (recipe_stages.read_at(name, PLANTED, "notebook") for name in ("gte", "bge"))
    shipped = chapter_11.load_encoder(recipe_stages.ENCODER)
    assert all(torch.equal(a, b) for a, b in zip(mean.parameters(), shipped.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), shipped.parameters(), strict=True))


@pytest.mark.slow
def test_the_sweep_has_a_score_for_every_part_and_a_line_for_every_order():
    found = recipe_stages.families(PLANTED, "notebook", (0,), names=("bge", "e5_mistral"))
    assert set(found["families"]["bge"]["ndcg@10"]) == {
        "all stages",
        "retromae",
        "weak pairs",
        "hard negatives",
        "prompt",
    }
    assert set(found["leaderboard"]) == {"bge", "e5_mistral"}
    found = recipe_stages.orders(PLANTED, "notebook", (0,))
    assert len(found["lines"]) == 6
    assert {len(points) for of_seeds in found["lines"].values() for points in of_seeds} == {4}
    assert set(found["minus the published order"]) == set(list(found["lines"])[1:])
