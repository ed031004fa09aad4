"""encode: passages and queries to vectors, a shard at a time, in as many processes as there are.

    WORK/vectors/corpus-00000.npy, …   (rows, D) float16, memory-mapped when they are read
    WORK/vectors/queries-SPLIT.npy     (Q, D) float16, in the order of qrels/SPLIT.tsv
    WORK/queries/SPLIT/vectors.npy     the same of a split that came later: the passages are not encoded again

A transformer reads passages in blocks of a fixed number of rows, so its vectors do not depend on where a shard ends.
Under torchrun each process takes every W-th shard; nothing is sent from one to another.

Letters: N passages, Q queries, D dimensions, W processes.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workbook.encoder import StaticEncoder
from workbook.pipeline.data_stage import (
    is_covered,
    own_passages,
    read_qrels,
    read_queries,
    read_texts,
    searched_corpus,
    split_inputs,
)
from workbook.pipeline.encoders import model_of
from workbook.pipeline.manifests import MANIFEST, STARTED, read_json
from workbook.pipeline.stage import at_least, check, finished, stage
from workbook.pipeline.workers import device_of, join, make_files, one_thread, report, run_tasks, slices
from workbook.support.files import sha256_of, write_npy
from workbook.train import wait_for_all

SHARD_ROWS = 100_000  # at most; of a bag of vectors: seconds
SHARD_SECONDS = 30  # of a transformer, which is timed
BLOCKS = {"cpu": 256}  # rows that a transformer reads together
BLOCK = 4_096  # the same on an accelerator
AT_A_TIME = 16_384  # texts of a bag of vectors that are read from disk together


def encode(
    work: str | Path,
    splits: Sequence[str] | None = None,
    shard_rows: int | None = None,
    batch_size: int | None = None,
    device: str = "cpu",
    processes: int = 1,
    anew: bool = False,
    show: bool | None = None,
    runner: Callable[..., Any] = run_tasks,
) -> dict[str, Any]:
    """Encode all passages and the queries of some splits.

    Args:
        work: the work folder, with data and a model.
        splits: whose queries to encode; all that came with the passages and have any by default. Where the passages
            are encoded already, only what is missing is.
        shard_rows: passages in a shard. By default 100,000; with a transformer, which is timed first, what takes half a
            minute, and no more than gives every process a shard. A killed run loses the shards it was at, and the next
            one keeps the number.
        batch_size: as in `TextEncoder.encode`.
        device: "cpu", "cuda" or "mps". Only on processors the vectors have the same bytes on every machine.
        processes: on this machine; with several GPUs, one for each. Under torchrun, of each process of it.
        anew: remove what is there first.
        show: whether to show progress; by default to a person only.
        runner: who calls `encode_task` for each file; see `workbook.pipeline.ray_jobs`.
    Returns:
        the manifest.
    Raises:
        FileNotFoundError: data or model is not finished.
        KeyError: there is no such split.
        ValueError: a number is out of range, there is no such device, a split has no query, a file of the model is damaged, or the folder holds
            vectors of another model, of other data or other settings.
    """
    work = Path(work)
    at_least(1, shard_rows=shard_rows, batch_size=batch_size, processes=processes)
    device_of(device)
    facts, model = finished(work, "data", "data"), finished(work, "model", "train")
    filled = (split for split, counts in facts["splits"].items() if counts["queries"])
    chosen = list(dict.fromkeys(filled if splits is None else splits))
    for split in chosen:
        split_inputs(work, split)
    rank, world = join()
    begun = {} if anew else _begun(work)
    first = begun.get("splits", [split for split in chosen if split in facts["splits"]])
    inputs = {"data": facts["fingerprint"], "model": model["fingerprint"]}

    def make(settings: dict[str, Any], show: bool | None) -> dict[str, str]:
        files = encode_tasks(work, settings["splits"], settings["shard_rows"], batch_size, device)
        ours = dict(list(files.items())[rank::world])
        return make_files(work / "vectors", encode_task, ours, "encoding", processes, show, runner)

    if rank > 0:  # the first process keeps the books
        wait_for_all()
        if not (work / "vectors" / MANIFEST).is_file():
            make(_begun(work), False)
        wait_for_all()
        wait_for_all()
        return finished(work, "vectors", "encode")
    if shard_rows is None:
        shard_rows = begun.get("shard_rows") or _shard_rows(work, device, processes * world)
    settings = {"shard_rows": shard_rows, "batch_size": batch_size, "splits": first, "device": device}
    with stage(work, "vectors", settings, inputs, anew) as job:
        wait_for_all()
        if not job.finished:
            job.sha256 |= make(settings, show)
        wait_for_all()  # for all shards
        if not job.finished:
            job.finish(_sizes(work))
        for split in chosen:
            encode_queries(work, split, anew)
        wait_for_all()
        return job.manifest


def encode_queries(work: Path, split: str, anew: bool = False) -> dict[str, str]:
    """Encode the queries of a split that encode did not know, and passages without the queries that stand in them.

    Returns:
        what a search depends on: nothing, where there was nothing to do.
    """
    covered, known = is_covered(work, split), split in finished(work, "vectors", "encode")["settings"]["splits"]
    if known and not covered:
        return {}
    inputs = {**split_inputs(work, split), "model": finished(work, "model", "train")["fingerprint"]}
    with stage(work, f"queries/{split}", {}, inputs, anew) as job:
        if not job.finished:
            encoder, ids = model_of(work), list(read_qrels(work, split))
            if not known:
                queries = read_queries(work, split)
                vectors = encoder.encode_query([queries[id] for id in ids])
                write_npy(job.folder / "vectors.npy", vectors.astype(np.float16))
            if covered:
                rest = searched_corpus(work, split)
                vectors = encoder.encode_document([rest[id] for id in own_passages(work, split)])
                write_npy(job.folder / "rest.npy", vectors.astype(np.float16))
            job.finish()
        return {job.name: job.manifest["fingerprint"]}


def _begun(work: Path) -> dict[str, Any]:
    """The settings of vectors that are finished or under way."""
    there = (work / "vectors" / name for name in (MANIFEST, STARTED))
    return next((read_json(path)["settings"] for path in there if path.is_file()), {})


def _shard_rows(work: Path, device: str, processes: int) -> int:
    """How many rows of this corpus to encode at a time: those of one block are timed, on one thread as in a worker."""
    encoder, corpus = model_of(work).to(device_of(device)), read_texts(work, "corpus")
    if isinstance(encoder.backbone, StaticEncoder):
        return SHARD_ROWS
    block = BLOCKS.get(device, BLOCK)
    texts = corpus.texts_at(np.linspace(0, len(corpus) - 1, min(block, len(corpus))).astype(np.int64))
    with one_thread():
        encoder.encode_document(texts[:8])  # the first call makes ready what the others find
        start = time.perf_counter()
        encoder.encode_document(texts)
    return rows_in_time(len(corpus), (time.perf_counter() - start) / len(texts), processes, block)


def rows_in_time(N: int, seconds: float, processes: int, block: int) -> int:
    """The rows of a shard: half a minute at so many seconds a row, in whole blocks, and one shard at least for each process."""
    rows = min(SHARD_SECONDS / seconds, N / processes, SHARD_ROWS)
    return block * max(1, math.ceil(rows / block))


def encode_tasks(
    work: Path, splits: Sequence[str], shard_rows: int, batch_size: int | None, device: str = "cpu"
) -> dict[str, tuple[int, tuple[Any, ...]]]:
    """The files of vectors, the same on every machine: name -> rows, and the arguments of `encode_task`."""
    N = len(read_texts(work, "corpus"))
    parts = [(shard_name(number), "corpus", start, stop) for number, start, stop in slices(N, shard_rows)]
    parts += [(f"queries-{split}.npy", split, 0, len(read_qrels(work, split))) for split in splits]
    return {part[0]: (part[3] - part[2], (str(work), *part, batch_size, device)) for part in parts}


def encode_task(
    work: str, name: str, what: str, start: int, stop: int, batch_size: int | None, device: str = "cpu"
) -> str:
    """Encode one shard, or the queries of one split, into a file, unless the file is there.

    This is the function that every way of running calls: this process, others on this machine, torchrun, Ray.

    Args:
        work: the work folder.
        name: the file's.
        what: "corpus", or a split.
        start, stop: the rows of the corpus, or 0 and the number of queries.
        batch_size: as in `TextEncoder.encode`.
        device: as in `encode`.
    Returns:
        the SHA-256 of the file.
    """
    path = Path(work) / "vectors" / name
    if not path.is_file():
        encoder = model_of(work).to(device_of(device))
        block = AT_A_TIME if isinstance(encoder.backbone, StaticEncoder) else BLOCKS.get(device, BLOCK)
        if what == "corpus":
            corpus = read_texts(work, "corpus")
            batches: Iterator[list[str]] = (texts for _, texts in corpus.batches(block, start, stop))
            prompt = encoder.document_prompt
        else:
            queries, ids, prompt = read_texts(work, "queries"), list(read_qrels(work, what)), encoder.query_prompt
            batches = ([queries[id] for id in ids[first : first + block]] for first in range(start, stop, block))
        vectors, filled = np.empty((stop - start, encoder.embedding_size), dtype=np.float16), 0
        for texts in batches:
            vectors[filled : filled + len(texts)] = encoder.encode(texts, prompt=prompt, batch_size=batch_size)
            filled += len(texts)
            report(len(texts))
        if not np.isfinite(vectors).all():
            row = start + int((~np.isfinite(vectors)).any(axis=1).argmax())
            raise ValueError(f"the vector of row {row} of {what} is not finite in float16; does the model normalize?")
        write_npy(path, vectors)
    return sha256_of(path)


def shard_name(number: int) -> str:
    """The file of a shard's vectors."""
    return f"corpus-{number:05}.npy"


def read_vectors(work: str | Path, name: str, verify: bool = True) -> np.ndarray:
    """The vectors of a shard or of a split's queries, memory-mapped: (rows, D) float16.

    Args:
        work: the work folder.
        name: the file's.
        verify: compare the file with its SHA-256 first.
    Raises:
        FileNotFoundError: the vectors are not finished.
        ValueError: the file is damaged.
    """
    path = Path(work) / "vectors" / name
    if verify:
        path = check(work, finished(work, "vectors", "encode"), name, "encode")
    return np.load(path, mmap_mode="r", allow_pickle=False)


def read_rows(rows: np.ndarray, D: int, shard_rows: int, shard: Callable[[int], np.ndarray]) -> np.ndarray:
    """The vectors of any rows, (len(rows), D) float32; zeros for a row of -1.

    Args:
        rows: of the corpus.
        D: dimensions.
        shard_rows: rows of a shard.
        shard: number -> vectors of a shard; each is asked for once.
    """
    found = np.zeros((len(rows), D), np.float32)
    for number in np.unique(rows[rows >= 0] // shard_rows):
        inside = rows // shard_rows == number
        found[inside] = shard(int(number))[rows[inside] - number * shard_rows]
    return found


def query_vectors(work: str | Path, split: str) -> np.ndarray:
    """The vectors of a split's queries, (Q, D) float16, whenever they were encoded."""
    if split in finished(work, "vectors", "encode")["settings"]["splits"]:
        return read_vectors(work, f"queries-{split}.npy")
    return read_later(work, split, "vectors.npy")


def read_later(work: str | Path, split: str, name: str) -> np.ndarray:
    """What `encode_queries` wrote: vectors.npy or rest.npy."""
    return np.load(check(work, finished(work, f"queries/{split}", "search"), name, "search"), allow_pickle=False)


def _sizes(work: Path) -> dict[str, Any]:
    shards = sorted((work / "vectors").glob("corpus-*.npy"))
    arrays = [np.load(path, mmap_mode="r", allow_pickle=False) for path in shards]
    return {"rows": sum(len(array) for array in arrays), "dimensions": int(arrays[0].shape[1]), "shards": len(shards)}
