"""Parts of the scale measurement that run as processes of their own: text, latency, transformer."""

import json
import shutil
import sys
import time
from pathlib import Path

import numpy as np

AGAIN = 1_000  # queries that are timed, after as many that bring the pages into memory
SAMPLE = 512  # passages that the transformer reads


def text(work: Path) -> dict:
    """Read all texts, and write them once more, in MB of UTF-8 a second of wall time."""
    import psutil
    import pyarrow  # noqa: F401  its own size is not that of the texts

    from workbook.data.stored.storage import open_texts, store_texts

    process = psutil.Process()
    before, start = process.memory_info().rss, time.perf_counter()
    corpus = open_texts(work / "data/corpus")
    corpus[corpus.ids(len(corpus) // 2, len(corpus) // 2 + 1)[0]]
    opened = time.perf_counter() - start
    resident = process.memory_info().rss - before
    start = time.perf_counter()
    count = sum(len(text) for _, texts in corpus.batches() for text in texts)
    read = time.perf_counter() - start
    size = sum(part["bytes"] for part in corpus.manifest["parts"]) / 1e6
    copy = work / "text-copy"
    shutil.rmtree(copy, ignore_errors=True)
    start = time.perf_counter()
    store_texts(copy, corpus.items())
    write = time.perf_counter() - start
    shutil.rmtree(copy)
    return {
        "megabytes": size,
        "characters": count,
        "open_seconds": opened,
        "open_bytes": resident,
        "read_mb_per_second": size / read,
        "write_mb_per_second": size / write,
        "note": "opened, with one look-up by id, in a fresh process; written from what is read at the same time, with an index of ids, fsync and SHA-256",
    }


def latency(work: Path) -> dict:
    """One query at a time against the memory-mapped index, one thread, pages in memory; and recall."""
    from workbook.pipeline.encode_stage import read_vectors
    from workbook.pipeline.search_stage import read_run
    from workbook.pipeline.vector_search import PROBES, find_candidates, search_index

    queries = read_vectors(work, "queries-dev.npy", verify=False)[: 2 * AGAIN].astype(np.float32)

    def timed(search) -> float:
        half = len(queries) // 2
        for query in queries[:half]:
            search(query[None])
        start = time.process_time()
        for query in queries[half:]:
            search(query[None])
        return (time.process_time() - start) / (len(queries) - half) * 1e3

    in_index = timed(lambda query: find_candidates(str(work), query, PROBES, 400))
    whole = timed(lambda query: search_index(str(work), query, 100, PROBES, 400))
    found, exact = read_run(work, "dev")[0], read_run(work, "dev-exact")[0]
    recall = np.mean(
        [len(set(a[:10].tolist()) & set(b[:10].tolist())) / 10 for a, b in zip(found, exact, strict=False)]
    )
    return {
        "index_ms": in_index,
        "whole_ms": whole,
        "recall_at_10": float(recall),
        "queries": len(queries) // 2,
        "exact_queries": len(exact),
    }


def transformer(work: Path) -> dict:
    """An untrained encoder of MiniLM's size on a sample; what all passages would take is extrapolated."""
    import torch

    from workbook.encoder import TextEncoder, TransformerEncoder, load
    from workbook.pipeline.data_stage import read_texts

    torch.set_num_threads(1)
    corpus = read_texts(work, "corpus")
    tokenizer = load(work / "model").tokenizer
    backbone = TransformerEncoder(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=384,
        num_layers=6,
        num_heads=12,
        intermediate_size=1536,
        max_length=128,
    )
    encoder = TextEncoder(tokenizer, backbone, max_length=128)
    rows = np.linspace(0, len(corpus) - 1, min(SAMPLE, len(corpus))).astype(int)
    texts = corpus.texts_at(rows)
    encoder.encode(texts[:32], batch_size=32)
    start = time.process_time()
    encoder.encode(texts, batch_size=32)
    rate = len(texts) / (time.process_time() - start)
    return {
        "sample": len(texts),
        "layers": 6,
        "dimensions": 384,
        "passages_per_cpu_second": rate,
        "extrapolated_cpu_hours": len(corpus) / rate / 3600,
        "note": "extrapolated from the sample to all passages, not measured",
    }


if __name__ == "__main__":
    print(json.dumps({"text": text, "latency": latency, "transformer": transformer}[sys.argv[1]](Path(sys.argv[2]))))
