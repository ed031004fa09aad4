"""What mteb and beir compute, run through them with our encoder, is what `workbook.metrics.tasks` computes of vectors.

Nothing is downloaded: the tasks are made here, in memory or as folders in the hub's and BEIR's layouts, and sockets raise.
"""

import random
import socket
import sys
from collections import Counter

import numpy as np
import pytest
import torch

from tests.helpers import published as p
from workbook import data
from workbook.data import toy
from workbook.encoder import DualEncoder, StaticEncoder, TextEncoder, train_tokenizer
from workbook.metrics import evaluate
from workbook.metrics.mteb_beir import BEIREncoder, MTEBEncoder, mteb_task
from workbook.metrics.tasks import (
    bitext_mining,
    classification,
    clustering,
    pair_classification,
    retrieval,
    sts,
    summarization,
)
from workbook.similarity import dense_search

pytestmark = [
    pytest.mark.parity,
    pytest.mark.slow,
    pytest.mark.filterwarnings(
        "ignore:(.|\\n)*have no relevant passage:UserWarning"
    ),  # one query is meant to have none
    pytest.mark.filterwarnings("ignore:The used Evaluator is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:To copy construct from a tensor:UserWarning"),  # mteb's
]

DIGITS = 1e-5  # mteb and beir round to five digits
DOCS = toy.load_toy()
SUBJECTS = toy.subjects()
PAIRS = toy.similarity_pairs()


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise AssertionError("a test asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture(scope="module")
def encoder():
    """A bag of random vectors with prompts that change what it says."""
    torch.manual_seed(0)
    texts = [*DOCS.corpus.values(), *DOCS.queries.values()]
    tokenizer = train_tokenizer(texts, vocab_size=600)
    return TextEncoder(
        tokenizer,
        StaticEncoder(tokenizer.get_vocab_size(), 16),
        max_length=24,
        query_prompt="what is known of ",
        document_prompt="passage with ",
        default_prompt="text ",
    ).eval()


class Exact:
    """Vectors whose products have no rounding, so that what is equal is equal: four entries of 1/2 or -1/2 for a word."""

    def encode(self, texts):
        rows = np.zeros((len(texts), 8), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            draw = random.Random(text.split()[0])
            for place in draw.sample(range(8), 4):
                row[place] = draw.choice([0.5, -0.5])
        return rows

    encode_query = encode_document = encode


def run_mteb(encoder, base, kind, main_score, splits=None, folder=None, **settings):
    """Run one task through mteb: its rows in memory, split -> column -> values, or a folder in the hub's layout.

    Args:
        base: the class of mteb that the task is made of.
        kind: the type of task.
    Returns:
        metric -> value, as mteb reports them.
    """
    import mteb
    from datasets import Dataset, DatasetDict
    from mteb.abstasks.task_metadata import TaskMetadata

    class Task(base):
        metadata = TaskMetadata(
            name="Toy", type=kind, main_score=main_score, dataset={"path": str(folder), "revision": "1"},
            description="made here", eval_splits=["test"], eval_langs=["eng-Latn"], category="t2t", modalities=["text"],
            bibtex_citation="",
        )  # fmt: skip

    task = Task()
    for name, value in settings.items():
        setattr(task, name, value)
    if splits is not None:
        task.dataset = DatasetDict({split: Dataset.from_dict(columns) for split, columns in splits.items()})
        task.data_loaded = True
    model = encoder if isinstance(encoder, MTEBEncoder) else MTEBEncoder(encoder)
    result = mteb.evaluate(model, task, cache=None, co2_tracker=False, show_progress_bar=False)
    scores = result.task_results[0].scores["test"][0]
    assert scores["main_score"] == scores[main_score]
    return scores


# --- retrieval and reranking -------------------------------------------------------------------------------------------

NAMES = {"ndcg@10": "ndcg_at_10", "map": "map_at_1000", "recall@100": "recall_at_100", "mrr@10": "mrr_at_10"}


def hub_folder(folder, corpus, queries, qrels, candidates=None):
    """A repository of the hub as mteb's retrieval tasks read it; a passage is (title, text)."""
    rows = {
        "corpus": [{"_id": id, "title": title, "text": text} for id, (title, text) in corpus.items()],
        "queries": [{"_id": id, "text": text} for id, text in queries.items()],
        "default": [
            {"query-id": query, "corpus-id": passage, "score": grade}
            for query, grades in qrels.items()
            for passage, grade in grades.items()
        ],
    }
    if candidates is not None:
        rows["top_ranked"] = [{"query-id": query, "corpus-ids": ids} for query, ids in candidates.items()]
    for name, lines in rows.items():
        p.write_jsonl(folder / f"{name}.jsonl", lines)
    return p.card(folder, *((name, "test", f"{name}.jsonl") for name in rows))


def toy_collection():
    """60 queries, 150 passages, half of them with a title. One query has grade 0 only, one no judgement."""
    queries = dict(list(DOCS.queries.items())[:60])
    judged = {passage for query in queries for passage in DOCS.qrels.get(query, ())}
    corpus = {id: DOCS.corpus[id] for id in [*sorted(judged), *DOCS.corpus][:150]}
    titled = {id: (SUBJECTS[id] if i % 2 else "", text) for i, (id, text) in enumerate(corpus.items())}
    qrels = {query: {i: g for i, g in DOCS.qrels[query].items() if i in corpus} for query in queries}
    first, second = list(queries)[:2]
    qrels[first] = dict.fromkeys(qrels[first], 0)
    del qrels[second]
    assert max(grade for grades in qrels.values() for grade in grades.values()) > 1
    return titled, queries, {query: grades for query, grades in qrels.items() if grades}


def vectors_of(encoder, corpus, queries):
    texts = [f"{title} {text}".strip() for title, text in corpus.values()]
    return (
        dict(zip(queries, encoder.encode_query(list(queries.values())), strict=True)),
        dict(zip(corpus, encoder.encode_document(texts), strict=True)),
    )


def assert_equal(ours, theirs, names=NAMES):
    assert {names[name]: value for name, value in ours.items()} == pytest.approx(
        {name: theirs[name] for name in names.values()}, abs=DIGITS
    )


def test_retrieval_from_a_folder_of_the_hub(encoder, tmp_path):
    from mteb.abstasks import AbsTaskRetrieval

    corpus, queries, qrels = toy_collection()
    folder = hub_folder(tmp_path / "toy", corpus, queries, qrels)
    theirs = run_mteb(encoder, AbsTaskRetrieval, "Retrieval", "ndcg_at_10", folder=folder)
    assert 0.05 < theirs["ndcg_at_10"] < 0.95
    assert_equal(retrieval(*vectors_of(encoder, corpus, queries), qrels), theirs)
    ours = data.load(folder)  # our reader; it puts a title on a line of its own, which is the same to this tokenizer
    assert_equal(evaluate(ours.qrels, dense_search(encoder, ours.corpus, ours.queries, k=1_000), list(NAMES)), theirs)


def test_a_collection_of_ones_own_as_a_task(encoder):
    """No folder, and a query that nobody has judged."""
    import mteb

    corpus, queries, qrels = toy_collection()
    texts = {passage: f"{title} {text}".strip() for passage, (title, text) in corpus.items()}
    task = mteb_task({**queries, "nobody": "what nobody has judged"}, texts, qrels, "Toy")
    done = mteb.evaluate(MTEBEncoder(encoder), task, cache=None, co2_tracker=False, show_progress_bar=False)
    assert_equal(retrieval(*vectors_of(encoder, corpus, queries), qrels), done.task_results[0].scores["test"][0])
    assert done.task_results[0].task_name == "Toy"


def test_reranking_from_a_folder_of_the_hub(encoder, tmp_path):
    from mteb.abstasks import AbsTaskRetrieval

    corpus, queries, qrels = toy_collection()
    others = sorted(corpus)
    candidates = {
        query: [*dict.fromkeys([*grades, *others[i : i + 12]])] for i, (query, grades) in enumerate(qrels.items())
    }
    folder = hub_folder(tmp_path / "toy", corpus, queries, qrels, candidates)
    theirs = run_mteb(encoder, AbsTaskRetrieval, "Reranking", "map_at_1000", folder=folder)
    assert_equal(retrieval(*vectors_of(encoder, corpus, queries), qrels, candidates), theirs)


def tied_collection():
    """A word decides a passage's vector, so that many are equal; ids neither rise nor fall with the rows."""
    generator = np.random.default_rng(1)
    corpus = {f"p{generator.permutation(90)[0]}-{i}": ("", f"w{generator.integers(6)} {i}") for i in range(80)}
    queries = {f"q{i}": f"w{i % 6} {i}" for i in range(20)}
    qrels = {q: {i: int(generator.integers(0, 4)) for i in generator.choice(list(corpus), 8, False)} for q in queries}
    return corpus, queries, qrels


def test_equal_scores_are_ordered_alike(tmp_path):
    from mteb.abstasks import AbsTaskRetrieval

    corpus, queries, qrels = tied_collection()
    folder = hub_folder(tmp_path / "tied", corpus, queries, qrels)
    theirs = run_mteb(Exact(), AbsTaskRetrieval, "Retrieval", "ndcg_at_10", folder=folder)
    assert_equal(retrieval(*vectors_of(Exact(), corpus, queries), qrels), theirs)


@pytest.mark.parametrize("ignored", [False, True])
def test_a_passage_with_the_querys_own_id(tmp_path, ignored):
    """As in ArguAna, where the query is a passage."""
    from mteb.abstasks import AbsTaskRetrieval

    corpus, queries, qrels = tied_collection()
    corpus |= {query: ("", text) for query, text in queries.items()}
    folder = hub_folder(tmp_path / "own", corpus, queries, qrels)
    theirs = run_mteb(Exact(), AbsTaskRetrieval, "Retrieval", "ndcg_at_10", folder=folder, ignore_identical_ids=ignored)
    ours = retrieval(*vectors_of(Exact(), corpus, queries), qrels, ignore_identical_ids=ignored)
    assert_equal(ours, theirs)


def test_a_query_that_is_not_asked_counts_0_here_and_is_left_out_there(encoder, tmp_path):
    """A judged query whose text is missing."""
    from mteb.abstasks import AbsTaskRetrieval

    corpus, queries, qrels = toy_collection()
    lost = [query for query, grades in qrels.items() if any(grades.values())][:5]
    asked = {query: text for query, text in queries.items() if query not in lost}
    folder = hub_folder(tmp_path / "lost", corpus, asked, qrels)
    theirs = run_mteb(encoder, AbsTaskRetrieval, "Retrieval", "ndcg_at_10", folder=folder)
    with pytest.warns(UserWarning, match=f"5 of {len(qrels)} queries are not in the run and count as 0"):
        ours = retrieval(*vectors_of(encoder, corpus, asked), qrels)
    left = {query: grades for query, grades in qrels.items() if query not in lost}
    assert_equal({name: value * len(qrels) / len(left) for name, value in ours.items()}, theirs)
    assert_equal(retrieval(*vectors_of(encoder, corpus, asked), left), theirs)


def test_a_query_without_candidates_counts_0_in_both(encoder, tmp_path):
    from mteb.abstasks import AbsTaskRetrieval

    corpus, queries, qrels = toy_collection()
    candidates = {query: list(grades) for query, grades in qrels.items()}
    candidates.popitem()
    folder = hub_folder(tmp_path / "few", corpus, queries, qrels, candidates)
    theirs = run_mteb(encoder, AbsTaskRetrieval, "Reranking", "map_at_1000", folder=folder)
    assert_equal(retrieval(*vectors_of(encoder, corpus, queries), qrels, candidates), theirs)


# --- the other types ---------------------------------------------------------------------------------------------------


def test_sts(encoder):
    from mteb.abstasks import AbsTaskSTS

    columns = {
        "sentence1": [x.first for x in PAIRS],
        "sentence2": [x.second for x in PAIRS],
        "score": [x.score for x in PAIRS],
    }
    theirs = run_mteb(encoder, AbsTaskSTS, "STS", "cosine_spearman", {"test": columns})
    first, second = (encoder.encode(columns[name]) for name in ("sentence1", "sentence2"))
    ours = sts(first, second, columns["score"])
    assert ours == pytest.approx(theirs["cosine_spearman"], abs=DIGITS) == pytest.approx(theirs["spearman"], abs=DIGITS)


def test_pair_classification(encoder):
    from mteb.abstasks import AbsTaskPairClassification

    columns = {
        "sentence1": [x.first for x in PAIRS],
        "sentence2": [x.second for x in PAIRS],
        "labels": [int(x.score >= 3) for x in PAIRS],
    }
    theirs = run_mteb(encoder, AbsTaskPairClassification, "PairClassification", "max_ap", {"test": columns})
    ours = pair_classification(
        encoder.encode(columns["sentence1"]), encoder.encode(columns["sentence2"]), columns["labels"]
    )
    for name, their_name in {"ap": "cosine_ap", "accuracy": "cosine_accuracy", "max_ap": "max_ap"}.items():
        assert ours[name] == pytest.approx(theirs[their_name], abs=DIGITS), name


def test_pairs_that_are_equally_similar_pass_a_threshold_together():
    from mteb.abstasks import AbsTaskPairClassification

    generator = np.random.default_rng(0)
    words = [[f"w{n}" for n in generator.integers(0, 5, 70)] for _ in range(2)]
    first, second = map(Exact().encode, words)
    labels = ((first * second).sum(axis=1) + generator.normal(0, 0.4, 70) > 0).astype(int).tolist()
    columns = {"sentence1": words[0], "sentence2": words[1], "labels": labels}
    theirs = run_mteb(Exact(), AbsTaskPairClassification, "PairClassification", "max_ap", {"test": columns})
    ours = pair_classification(first, second, labels)
    for name, their_name in {"ap": "cosine_ap", "accuracy": "cosine_accuracy", "max_ap": "max_ap"}.items():
        assert ours[name] == pytest.approx(theirs[their_name], abs=DIGITS), name


def test_where_no_threshold_parts_the_pairs_mteb_says_0_and_we_the_share_of_the_larger_class():
    from mteb.abstasks import AbsTaskPairClassification

    columns = {"sentence1": ["w1"] * 4, "sentence2": ["w2"] * 4, "labels": [1, 1, 1, 0]}
    theirs = run_mteb(Exact(), AbsTaskPairClassification, "PairClassification", "max_ap", {"test": columns})
    ours = pair_classification(
        Exact().encode(columns["sentence1"]), Exact().encode(columns["sentence2"]), columns["labels"]
    )
    assert (theirs["cosine_accuracy"], ours["accuracy"]) == (0.0, 0.75)
    assert theirs["cosine_ap"] == ours["ap"] == 0.75


def passages_by_subject(count):
    ids = sorted(DOCS.corpus, key=lambda id: id[::-1])[:count]
    names = sorted(set(SUBJECTS.values()))
    return [DOCS.corpus[id] for id in ids], [names.index(SUBJECTS[id]) for id in ids]


@pytest.mark.parametrize("samples", [4, 8])
def test_classification(encoder, samples):
    from mteb.abstasks import AbsTaskClassification

    texts, labels = passages_by_subject(240)
    rows = {"train": {"text": texts[:160], "label": labels[:160]}, "test": {"text": texts[160:], "label": labels[160:]}}
    theirs = run_mteb(encoder, AbsTaskClassification, "Classification", "accuracy", rows, samples_per_label=samples)
    vectors = encoder.encode(texts)
    ours = classification(vectors[:160], labels[:160], vectors[160:], labels[160:], samples)
    assert ours == pytest.approx(theirs["accuracy"], abs=1e-4)
    assert 0 < ours < 1


def test_clustering_of_sets(encoder):
    """The first MTEB: a row holds a set; the score is the mean of the sets'."""
    from mteb.abstasks.clustering_legacy import AbsTaskClusteringLegacy

    texts, labels = passages_by_subject(240)
    sets = {"sentences": [texts[:120], texts[120:]], "labels": [labels[:120], labels[120:]]}
    theirs = run_mteb(encoder, AbsTaskClusteringLegacy, "Clustering", "v_measure", {"test": sets})
    vectors = encoder.encode(texts)
    ours = np.mean([clustering(vectors[:120], labels[:120]), clustering(vectors[120:], labels[120:])])
    assert ours == pytest.approx(theirs["v_measure"], abs=1e-4)
    assert 0 < ours < 1


def test_clustering_of_samples(encoder):
    """MTEB since its second version: ten samples with replacement."""
    from mteb.abstasks import AbsTaskClustering

    texts, labels = passages_by_subject(200)
    theirs = run_mteb(
        encoder, AbsTaskClustering, "Clustering", "v_measure", {"test": {"sentences": texts, "labels": labels}},
        max_fraction_of_documents_to_embed=None, max_documents_per_cluster=150,
    )  # fmt: skip
    assert clustering(encoder.encode(texts), labels, draws=10, size=150) == pytest.approx(theirs["v_measure"], abs=1e-4)


def test_bitext_mining(encoder):
    """German sentences and English ones: a bag of random vectors finds those that share names and loan words."""
    from mteb.abstasks import AbsTaskBitextMining

    texts = toy.parallel_texts()
    columns = {"sentence1": texts["de"], "sentence2": texts["en"]}
    theirs = run_mteb(encoder, AbsTaskBitextMining, "BitextMining", "f1", {"test": columns})
    ours = bitext_mining(encoder.encode(texts["de"]), encoder.encode(texts["en"]))
    assert ours == pytest.approx(theirs["f1"], abs=DIGITS)
    assert 0 < ours < 1


def test_bitext_mining_with_more_targets_than_sources():
    """As in BUCC: f1_score of scikit-learn, which mteb asks, weighted by how often each target is wanted."""
    from sklearn.metrics import f1_score

    generator = np.random.default_rng(2)
    source, target = generator.normal(size=(40, 3)), generator.normal(size=(60, 3))
    nearest = (source @ (target / np.linalg.norm(target, axis=1, keepdims=True)).T).argmax(axis=1)
    gold = np.where(generator.random(40) < 0.6, nearest, generator.integers(0, 60, 40))
    theirs = f1_score(gold, nearest, average="weighted", zero_division=0)
    assert bitext_mining(source, target, gold.tolist()) == pytest.approx(theirs, abs=1e-12)


def summaries():
    generator = random.Random(0)
    texts = [*DOCS.corpus.values()]
    human = [generator.sample(texts, generator.randint(1, 4)) for _ in range(12)]
    machine = [generator.sample(texts, generator.randint(3, 7)) for _ in range(12)]
    scores = [[generator.randint(1, 5) for _ in some] for some in machine]
    machine[3], scores[3] = machine[3][:1], [2]  # one summary alone has no order
    scores[4] = [3] * len(scores[4])  # nor have equal scores
    return human, machine, scores


def test_summarization(encoder):
    from mteb.abstasks import AbsTaskSummarization

    human, machine, scores = summaries()
    columns = {"text": ["none"] * 12, "human_summaries": human, "machine_summaries": machine, "relevance": scores}
    theirs = run_mteb(
        encoder, AbsTaskSummarization, "Summarization", "cosine_spearman", {"test": columns}, min_score=1, max_score=5
    )
    ours = summarization(list(map(encoder.encode, human)), list(map(encoder.encode, machine)), scores)
    assert ours == pytest.approx(theirs["cosine_spearman"], abs=DIGITS)


def test_the_first_summeval_averages_correlations_with_their_p_values(encoder):
    from mteb._evaluators.text.summarization_evaluator import DeprecatedSummarizationEvaluator
    from mteb.abstasks import AbsTaskSummarization
    from scipy.stats import spearmanr

    class Old(AbsTaskSummarization):
        evaluator = DeprecatedSummarizationEvaluator

    human, machine, scores = summaries()
    columns = {"text": ["none"] * 12, "human_summaries": human, "machine_summaries": machine, "relevance": scores}
    theirs = run_mteb(encoder, Old, "Summarization", "cosine_spearman", {"test": columns}, min_score=1, max_score=5)
    both = []
    for written, made, said in zip(human, machine, scores, strict=True):
        if len(set(said)) > 1:
            nearest = (encoder.encode(made) @ encoder.encode(written).T).max(axis=1)
            both.append(np.mean(spearmanr(said, nearest)))
    assert theirs["cosine_spearman"] == pytest.approx(np.mean(both), abs=DIGITS)
    ours = summarization(list(map(encoder.encode, human)), list(map(encoder.encode, machine)), scores)
    assert abs(ours - theirs["cosine_spearman"]) > 0.05


# --- beir --------------------------------------------------------------------------------------------------------------


def run_beir(encoder, corpus, queries, qrels, score_function="cos_sim"):
    from beir.retrieval.evaluation import EvaluateRetrieval
    from beir.retrieval.search.dense import DenseRetrievalExactSearch

    search = DenseRetrievalExactSearch(BEIREncoder(encoder), show_progress_bar=False)
    beir = EvaluateRetrieval(search, score_function=score_function)
    results = beir.retrieve(corpus, queries)
    ndcg, _map, recall, _ = beir.evaluate(qrels, results, beir.k_values)
    return {**ndcg, **_map, **recall, **beir.evaluate_custom(qrels, results, beir.k_values, "mrr")}


BEIR = {"ndcg@10": "NDCG@10", "map": "MAP@1000", "recall@100": "Recall@100", "mrr@10": "MRR@10"}


def beir_folder(folder, corpus, queries, qrels):
    p.write_jsonl(folder / "corpus.jsonl", [{"_id": i, "title": a, "text": b} for i, (a, b) in corpus.items()])
    p.write_jsonl(folder / "queries.jsonl", [{"_id": id, "text": text} for id, text in queries.items()])
    lines = [f"{query}\t{i}\t{grade}\n" for query, grades in qrels.items() for i, grade in grades.items()]
    p.write(folder / "qrels/test.tsv", "query-id\tcorpus-id\tscore\n" + "".join(lines))
    return folder


@pytest.mark.parametrize("score_function", ["cos_sim", "dot"])
def test_a_folder_in_beirs_layout(encoder, tmp_path, score_function):
    from beir.datasets.data_loader import GenericDataLoader

    corpus, queries, qrels = toy_collection()
    folder = beir_folder(tmp_path / "toy", corpus, queries, qrels)
    theirs = run_beir(encoder, *GenericDataLoader(str(folder)).load("test"), score_function)
    assert_equal(retrieval(*vectors_of(encoder, corpus, queries), qrels), theirs, BEIR)
    ours = data.load(folder)
    assert_equal(
        evaluate(ours.qrels, dense_search(encoder, ours.corpus, ours.queries, k=1_000), list(BEIR)), theirs, BEIR
    )


def test_beir_leaves_out_a_passage_with_the_querys_own_id(tmp_path):
    from beir.datasets.data_loader import GenericDataLoader

    corpus, queries, qrels = tied_collection()
    corpus |= {query: ("", text) for query, text in queries.items()}
    folder = beir_folder(tmp_path / "own", corpus, queries, qrels)
    theirs = run_beir(Exact(), *GenericDataLoader(str(folder)).load("test"))
    vectors = vectors_of(Exact(), corpus, queries)
    without_mrr = {name: there for name, there in BEIR.items() if name != "mrr@10"}
    ours = retrieval(*vectors, qrels, ignore_identical_ids=True)
    assert_equal({name: ours[name] for name in without_mrr}, theirs, without_mrr)
    assert (
        abs(ours["mrr@10"] - theirs["MRR@10"]) > 0.01
    )  # of equal scores its mrr takes any first, trec_eval the larger id
    assert retrieval(*vectors, qrels)["ndcg@10"] != pytest.approx(theirs["NDCG@10"], abs=0.001)


def test_a_single_query_is_an_error_in_beir(encoder):
    corpus, qrels = {"a": {"title": "", "text": "rain"}, "b": {"title": "", "text": "snow"}}, {"q": {"a": 1}}
    with pytest.raises(IndexError):
        run_beir(encoder, corpus, {"q": "rain"}, qrels)
    vectors = vectors_of(encoder, {"a": ("", "rain"), "b": ("", "snow")}, {"q": "rain"})
    assert 0 < retrieval(*vectors, qrels)["ndcg@10"] <= 1


# --- the encoders ------------------------------------------------------------------------------------------------------


def ask(model, texts, prompt_type=None, name="STSBenchmark"):
    import mteb
    from mteb.types import PromptType

    metadata = mteb.get_task(name).metadata
    kind = PromptType(prompt_type) if prompt_type else None
    batches = [{"text": texts[:2]}, {"text": texts[2:]}]
    return model.encode(batches, task_metadata=metadata, hf_split="test", hf_subset="default", prompt_type=kind)


TEXTS = ["what rain is made of", "snow", "word " * 60]


def test_each_role_has_its_prompt_and_texts_are_cut(encoder):
    from mteb.models import CrossEncoderProtocol, EncoderProtocol, SearchProtocol

    model = MTEBEncoder(encoder)
    assert isinstance(model, EncoderProtocol)
    assert not isinstance(model, SearchProtocol | CrossEncoderProtocol)
    assert model.mteb_model_meta.max_tokens == 24
    np.testing.assert_array_equal(ask(model, TEXTS, "query"), encoder.encode_query(TEXTS))
    np.testing.assert_array_equal(ask(model, TEXTS, "document"), encoder.encode_document(TEXTS))
    np.testing.assert_array_equal(ask(model, TEXTS), encoder.encode(TEXTS))
    assert not np.allclose(encoder.encode(TEXTS), encoder.encode_query(TEXTS))
    short = ask(MTEBEncoder(encoder, truncate_dim=8), TEXTS, "query")
    np.testing.assert_array_equal(short, encoder.encode_query(TEXTS, truncate_dim=8))
    queries, passages = (
        BEIREncoder(encoder).encode_queries(TEXTS),
        BEIREncoder(encoder).encode_corpus([{"text": TEXTS[0]}]),
    )
    np.testing.assert_array_equal(queries, encoder.encode_query(TEXTS))
    np.testing.assert_array_equal(passages, encoder.encode_document(TEXTS[:1]))


def test_two_towers_read_what_has_no_role_as_a_document(encoder):
    np.testing.assert_array_equal(ask(MTEBEncoder(DualEncoder(encoder)), TEXTS), encoder.encode_document(TEXTS))


def test_prompts_of_tasks_go_before_those_of_the_encoder_in_mtebs_order(encoder):
    prompts = {"STS": "alike: ", "Retrieval-query": "asked: ", "ArguAna": "against: "}
    model = MTEBEncoder(encoder, prompts=prompts)
    for name, kind, prompt in [
        ("STSBenchmark", None, "alike: "),
        ("SciFact", "query", "asked: "),
        ("SciFact", "document", encoder.document_prompt),
        ("ArguAna", "query", "against: "),
        ("Banking77Classification", None, encoder.default_prompt),
    ]:
        np.testing.assert_array_equal(ask(model, TEXTS, kind, name), encoder.encode(TEXTS, prompt=prompt))


def test_what_mteb_has_kept_is_not_taken_for_an_encoder_that_has_learned_since(encoder):
    first, second = MTEBEncoder(encoder).mteb_model_meta, MTEBEncoder(encoder).mteb_model_meta
    assert first.name == second.name
    assert first.revision != second.revision
    assert MTEBEncoder(encoder, "me/mine", "v1").mteb_model_meta.revision == "v1"


def test_errors_say_what_to_do(encoder, monkeypatch):
    with pytest.raises(ValueError, match="organization/model, got the name 'mine'"):
        MTEBEncoder(encoder, "mine")
    with pytest.raises(ValueError, match="expected batches of text, got image"):
        MTEBEncoder(encoder).encode([{"image": []}], task_metadata=None)
    for name in ("mteb", "mteb.models"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="pip install"):
        MTEBEncoder(encoder)


# --- what MTEB holds ---------------------------------------------------------------------------------------------------


def test_mteb_holds_56_data_sets_of_7_types_in_english_and_58_of_8_with_bitext_mining():
    import mteb

    english = mteb.get_benchmark("MTEB(eng, v1)").tasks
    counts = Counter(task.metadata.type for task in english)
    assert counts == {
        "Classification": 12, "Clustering": 11, "PairClassification": 3, "Reranking": 4, "Retrieval": 15, "STS": 10,
        "Summarization": 1,
    }  # fmt: skip
    assert counts.total() == 56
    bitext = [mteb.get_task(name) for name in ("BUCC", "Tatoeba")]  # the two of the paper, between languages
    counts += Counter(task.metadata.type for task in bitext)
    assert (counts.total(), len(counts)) == (58, 8)


def test_mteb_today():
    import mteb

    assert len(mteb.get_benchmark("MTEB(eng, v2)").tasks) == 41
    assert len(mteb.get_tasks()) > 1_000


def test_the_main_score_of_each_type():
    import mteb

    scores = Counter(
        (task.metadata.type, task.metadata.main_score) for task in mteb.get_benchmark("MTEB(eng, v1)").tasks
    )
    most = {kind: max((n, score) for (k, score), n in scores.items() if k == kind)[1] for kind, _ in scores}
    assert most == {
        "Classification": "accuracy", "Clustering": "v_measure", "PairClassification": "max_ap", "Reranking": "map_at_1000",
        "Retrieval": "ndcg_at_10", "STS": "cosine_spearman", "Summarization": "cosine_spearman",
    }  # fmt: skip
    assert mteb.get_task("Tatoeba").metadata.main_score == "f1"
