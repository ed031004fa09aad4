"""The house: arrows point down, there is no circle, and names that readers saved go on working."""

import importlib
import re
from pathlib import Path

import pytest

from tests.helpers import house

ROOT = Path(__file__).resolve().parents[1]
KNOWN = house.modules()
ARROWS = {module: house.imports(path, KNOWN) - {module} for module, path in KNOWN.items()}

# What the chapters and README import, as learners' notebooks have saved it. Names may be added, none may go.
SAVED = {
    "workbook.bm25": ["BM25", "words"],
    "workbook.claims": ["read_record", "settle"],
    "workbook.claims.chapter_10": ["pays_up_to"],
    "workbook.cost": ["multiply_adds"],
    "workbook.data": ["load"],
    "workbook.data.planted": ["planted"],
    "workbook.data.readers.tables": ["Table", "read_clicks", "read_nli", "read_trivia", "scored_rows"],
    "workbook.data.toy": ["similarity_pairs"],
    "workbook.encoder": [
        "Dense",
        "DualEncoder",
        "StaticEncoder",
        "TextEncoder",
        "TransformerEncoder",
        "load",
        "model_card",
        "plain_weights",
        "train_tokenizer",
        "write_card",
    ],
    "workbook.encoder.shipped": ["FOLDER"],
    "workbook.exercises": ["check", "hint", "placement", "predict", "progress", "quiz", "reveal"],
    "workbook.exercises.judging": ["judge_negatives", "spot_check"],
    "workbook.figures": [
        "attention",
        "contrastive",
        "dual_encoders",
        "explore",
        "false_negatives",
        "first_retriever",
        "hard_negatives",
        "in_batch",
        "matryoshka",
        "measuring",
        "pooling",
        "pretraining",
        "results",
        "search_costs",
        "show",
        "start",
        "tokens",
        "training_data",
        "vector_search",
    ],
    "workbook.figures.click_words": ["click_words"],
    "workbook.figures.layers": ["meaning_by_layer", "word_by_layer"],
    "workbook.figures.maps": ["neighbours_kept", "umap_of"],
    "workbook.figures.results": ["bars"],
    "workbook.figures.search": ["side_by_side"],
    "workbook.frontend": ["stopwatch"],
    "workbook.geometry": ["alignment"],
    "workbook.index": ["FlatIndex", "HNSWIndex", "IVFIndex", "kmeans"],
    "workbook.index.clustering": ["nearest_lists"],
    "workbook.index.product_quantization": ["train_codebooks"],
    "workbook.index.quantize": [
        "binary_search",
        "dequantize_embeddings",
        "hamming_search",
        "quantization_ranges",
        "quantize_embeddings",
        "vector_bytes",
    ],
    "workbook.index.rescore": ["funnel_cost", "funnel_search"],
    "workbook.losses": ["cosent", "info_nce", "matryoshka_loss"],
    "workbook.losses.choice": ["loss_for"],
    "workbook.metrics": [
        "bootstrap_ci",
        "evaluate",
        "grades",
        "ndcg_by_chance",
        "paired_permutation_test",
        "ranked_ids",
        "spearman",
    ],
    "workbook.mining": [
        "candidates",
        "keeps_relative_margin",
        "keeps_within",
        "mine_hard_negatives",
        "training_tuples",
    ],
    "workbook.pipeline.structure": ["with_queries"],
    "workbook.pooling": ["AttentionPool", "attention_weights", "cls_pool", "mean_pool"],
    "workbook.pretraining": [
        "MaskedLanguageModel",
        "RetroMAE",
        "inverse_cloze_pairs",
        "mask_tokens",
        "pretrain",
        "span_pairs",
    ],
    "workbook.pretraining.objectives": ["special_ids"],
    "workbook.pretraining.pairs": ["drop_words"],
    "workbook.pretraining.retromae": ["decoding_mask"],
    "workbook.similarity": ["cos_sim", "dense_search", "normalize", "top_k"],
    "workbook.support.content_words": ["content_words"],
    "workbook.support.processes": ["torchrun"],
    "workbook.train": ["batches", "diagnose", "fit", "peak_saved_bytes", "steps_within", "symptoms"],
    "workbook.train.distributed": ["average_gradients", "gather_with_gradient", "rank", "share"],
    "workbook.training_data": [
        "anchor_pairs",
        "best_pairs",
        "chance_to_meet",
        "click_rates",
        "corrected_rates",
        "first_sentence_rest",
        "installed_documentation",
        "jaccard",
        "keyword_queries",
        "looked_at",
        "minhash",
        "question_answers",
        "round_trip",
        "shingles",
        "simulate_clicks",
    ],
    "workbook.zoo": ["Family", "load_pretrained"],
}
IMPORT = re.compile(r"^from (workbook[\w.]*) import ([\w, ]+)$", re.MULTILINE)


@pytest.mark.parametrize(
    ("arrows", "expected"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"a"}}, [["a", "b"]]),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}, [["a", "b", "c"]]),
    ],
)
def test_circles_are_found(arrows, expected):
    assert house.circles(arrows) == expected


def test_an_import_inside_a_function_counts(tmp_path):
    path = tmp_path / "lazy.py"
    path.write_text("def f():\n    from workbook.similarity import cos_sim\n    import workbook.pooling\n", "utf-8")
    assert house.imports(path, KNOWN) == {"workbook.similarity", "workbook.pooling"}


def test_no_module_imports_one_that_imports_it_back_however_late():
    assert house.circles(ARROWS) == []


def test_a_folder_is_entered_before_its_modules():
    """`import workbook.a.b` runs `workbook/a/__init__` first: with that arrow, too, there is no circle between rooms."""
    assert house.circles(house.between_rooms(ARROWS)) == []


def test_an_arrow_that_follows_from_others_is_implied():
    assert house.not_implied({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {("a", "b"), ("b", "c")}


@pytest.mark.parametrize("module", [module for module in KNOWN if house.is_concept(module)])
def test_no_concept_imports_the_machinery(module):
    assert {house.room(other) for other in ARROWS[module]}.isdisjoint(house.MACHINERY)


def test_support_rests_on_nothing():
    for module in KNOWN:
        if house.room(module) == "support":
            assert {house.room(other) for other in ARROWS[module]} <= {"support"}


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in SAVED.items() for name in names])
def test_a_name_that_readers_saved_is_there(module, name):
    found = importlib.import_module(module)
    assert hasattr(found, name) or importlib.import_module(f"{module}.{name}")


def test_the_list_of_saved_names_is_complete():
    texts = [*(ROOT / "notebooks/source").glob("*.py"), ROOT / "README.md"]
    used = {(module, name.split(" as ")[0].strip()) for text in texts for module, names in IMPORT.findall(text.read_text("utf-8")) for name in names.split(",")}  # fmt: skip
    saved = {(module, name) for module, names in SAVED.items() for name in names}
    assert used - saved <= {("workbook", "data")}


def test_only_subjects_of_one_file_stand_at_the_root():
    expected = {"__init__", "__main__", "pooling", "similarity", "geometry", "cost", "bm25", "cross_encoder", "sparse", "export"}  # fmt: skip
    assert {path.stem for path in house.PACKAGE.glob("*.py")} == expected


def test_code_is_counted_without_docstrings_and_comments(tmp_path):
    path = tmp_path / "sample.py"
    path.write_text(
        '"""Head."""\n\n# a comment\nx = (\n    1,\n)\n\n\ndef f():\n    """Doc."""\n    return x  # why\n', "utf-8"
    )
    assert house.code_lines(path) == 5


def test_the_house_stays_small():
    """A ratchet: lower the numbers when the code shrinks. The goal is 7,000 for the concepts and 18,000 for all."""
    counted = house.count()
    assert counted["concepts"] <= 9_942
    assert sum(counted.values()) <= 69_935


def test_the_picture_shows_the_house_as_it_stands():
    """Its rooms and arrows, not how many lines each holds; `python docs/draw_house.py` draws it anew."""
    drawn = re.findall(r'data-arrow="(\w+) (\w+)"', (ROOT / "docs/house.svg").read_text("utf-8"))
    assert set(drawn) == house.not_implied(house.between_rooms(ARROWS))
