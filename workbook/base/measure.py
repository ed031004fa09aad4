"""What the base and its heads can do, beside keyword search, a trained bag of vectors and the teacher.

Taught in 19.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from workbook.bm25 import BM25
from workbook.data import load
from workbook.data.collection import Collection
from workbook.encoder import StaticEncoder, TextEncoder
from workbook.late_interaction import TokenEncoder, maxsim_search
from workbook.metrics import bootstrap_ci, evaluate, judged_only
from workbook.rerank import rerank
from workbook.similarity import dense_search
from workbook.support.types import Reranker, Run
from workbook.train import fit

Search = Callable[[Collection], Run]

METRICS = ("ndcg@10", "recall@100")
OWN = {"planted": 3_000, "pydocs": 2_000}  # passages; 300 queries
PUBLIC = ("cacm", "vaswani_npl", "cosqa", "squad_dev")


def collections(public: Path | None = None, split: str = "test") -> dict[str, Collection]:
    """The collections that are measured: two of this workbook's, and where the folder is there, four public ones.

    Args:
        public: a folder with cacm, vaswani_npl, cosqa and squad_dev in BEIR's layout.
        split: "dev" leaves out those that have no such split.
    """
    found = {name: load(name).split(split).sample(300, passages) for name, passages in OWN.items()}
    for collection in (load(public / name) for name in PUBLIC) if public else ():
        if split in collection.splits:
            found[collection.name] = collection.split(split)
    return found


def trained_bag(name: str, tokenizer: Tokenizer, steps: int = 300) -> TextEncoder:
    """A bag of vectors trained on a collection's own pairs, as chapter 00 does: what a transformer has to beat."""
    torch.manual_seed(0)
    bag = TextEncoder(tokenizer, StaticEncoder(tokenizer.get_vocab_size(), 256), max_length=256)
    fit(bag, load(name).pairs("train"), steps=steps, batch_size=256, lr=0.02, temperature=0.05, show=False)
    return bag


def by_one_vector(encoder: TextEncoder) -> Search:
    """The first hundred by the cosine of two vectors."""
    return lambda c: dense_search(encoder, c.corpus, c.queries, k=100)


def by_reading_again(model: Reranker, encoder: TextEncoder) -> Search:
    """The first hundred of an encoder, in the order of a cross-encoder."""
    first = by_one_vector(encoder)
    return lambda c: rerank(model, first(c), c.queries, c.corpus, depth=100)


def by_tokens(model: TokenEncoder) -> Search:
    """The first hundred by MaxSim."""
    return lambda c: maxsim_search(model, c.corpus, c.queries, k=100)


def measure(
    systems: Mapping[str, Search], collections: Mapping[str, Collection], tokenizer: Tokenizer
) -> dict[str, Any]:
    """nDCG@10 with its interval and Recall@100 of every system on every collection, and differences to the rivals.

    Args:
        systems: name -> search. BM25 is added everywhere, a trained bag where a collection has pairs to train on.
        collections: name -> what to measure on.
        tokenizer: of the bag.
    Returns:
        collection -> {"queries", "passages", "systems": name -> {metric, low, high}, "gain": "a over b" -> interval}.
    """
    report: dict[str, Any] = {}
    for name, collection in collections.items():
        runs: dict[str, Run] = {"BM25": BM25().index(collection.corpus).search(collection.queries, k=100)}
        runs |= {system: search(collection) for system, search in systems.items()}
        if name in OWN:
            runs["trained bag"] = by_one_vector(trained_bag(name, tokenizer))(collection)
        qrels = judged_only(collection.qrels)
        each = {system: evaluate(qrels, run, METRICS, per_query=True) for system, run in runs.items()}
        ndcg = {system: np.array(list(values["ndcg@10"].values())) for system, values in each.items()}
        rows = {}
        for system, values in ndcg.items():
            mean, low, high = bootstrap_ci(values)
            recall = float(np.mean(list(each[system]["recall@100"].values())))
            rows[system] = {"ndcg@10": mean, "low": low, "high": high, "recall@100": recall}
        gains = {
            f"{system} over {rival}": tuple(bootstrap_ci(ndcg[system] - ndcg[rival]))
            for system in systems
            for rival in ndcg
            if rival != system
        }
        report[name] = {
            "queries": len(collection.queries), "passages": len(collection.corpus), "systems": rows, "gain": gains,
        }  # fmt: skip
    return report
