"""encode: passages and queries to vectors, a shard at a time, in as many processes as there are.

    WORK/vectors/corpus-00000.npy, …   (rows, D) float16, memory-mapped when they are read
    WORK/vectors/queries-SPLIT.npy     (Q, D) float16, in the order of qrels/SPLIT.tsv

Under torchrun each process takes every W-th shard; nothing is sent from one to another.

Letters: N passages, Q queries, D dimensions, W processes.
"""

import functools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workbook.encoder import TextEncoder, load
from workbook.pipeline.data_stage import read_qrels, read_texts, with_splits
from workbook.pipeline.progress import progress
from workbook.pipeline.stage import at_least, check, finished, stage
from workbook.pipeline.workers import device_of, join, place, run_tasks
from workbook.support.files import sha256_of, write_npy

SHARD_ROWS = 100_000  # of a bag of vectors: seconds
SLOW_SHARD_ROWS = 5_000  # of a transformer: a minute or two for a small one
AT_A_TIME = 16_384  # texts that are read from disk together


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
        splits: whose queries to encode; all that have any by default.
        shard_rows: passages in a shard; 100,000 by default, and 5,000 with a transformer. Texts of similar length in a
            shard are encoded together; a killed run loses the shards it was at, and the bar moves when one is done.
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
    facts, model = with_splits(work, *(splits or ())), finished(work, "model", "train")
    filled = (split for split, counts in facts["splits"].items() if counts["queries"])
    chosen = list(dict.fromkeys(filled if splits is None else splits))
    if shard_rows is None:
        kind = json.loads((work / "model" / "workbook.json").read_text("utf-8"))["backbone"]["kind"]
        shard_rows = SHARD_ROWS if kind == "static" else SLOW_SHARD_ROWS
    settings = {"shard_rows": shard_rows, "batch_size": batch_size, "splits": chosen, "device": device}
    inputs = {"data": facts["fingerprint"], "model": model["fingerprint"]}
    tasks = encode_tasks(work, chosen, shard_rows, batch_size, device)
    if place()[1] > 1:
        return _encode_with_others(work, settings, inputs, tasks, processes, anew, show)
    with stage(work, "vectors", settings, inputs, anew) as run:
        if run.finished:
            return run.manifest
        for name, digest in _encode_tasks(tasks, processes, show, runner):
            run.sha256[name] = digest
        return run.finish(_sizes(work))


def encode_tasks(
    work: Path, splits: Sequence[str], shard_rows: int, batch_size: int | None, device: str = "cpu"
) -> list[tuple[Any, ...]]:
    """The arguments of `encode_task` for each file of vectors, the same on every machine."""
    N = len(read_texts(work, "corpus"))
    starts = range(0, max(N, 1), shard_rows)
    shards = [
        (str(work), shard_name(number), "corpus", start, min(start + shard_rows, N), batch_size, device)
        for number, start in enumerate(starts)
    ]
    return shards + [(str(work), f"queries-{split}.npy", split, 0, 0, batch_size, device) for split in splits]


def encode_task(
    work: str, name: str, what: str, start: int, stop: int, batch_size: int | None, device: str = "cpu"
) -> str:
    """Encode one shard, or the queries of one split, into a file, unless the file is there.

    This is the function that every way of running calls: this process, others on this machine, torchrun, Ray.

    Args:
        work: the work folder.
        name: the file's.
        what: "corpus", or a split.
        start, stop: the rows of the corpus.
        batch_size: as in `TextEncoder.encode`.
        device: as in `encode`.
    Returns:
        the SHA-256 of the file.
    """
    path = Path(work) / "vectors" / name
    if not path.is_file():
        encoder = _encoder(work, finished(work, "model", "train")["fingerprint"], device)
        if what == "corpus":
            corpus = read_texts(work, "corpus")
            batches: Iterator[list[str]] = (texts for _, texts in corpus.batches(AT_A_TIME, start, stop))
            prompt = encoder.document_prompt
        else:
            queries, ids = read_texts(work, "queries"), list(read_qrels(work, what))
            start, stop, prompt = 0, len(ids), encoder.query_prompt
            parts = (ids[first : first + AT_A_TIME] for first in range(0, len(ids), AT_A_TIME))
            batches = ([queries[id] for id in part] for part in parts)
        vectors = np.empty((stop - start, encoder.embedding_size), dtype=np.float16)
        for filled, texts in _runs(batches):
            vectors[filled : filled + len(texts)] = encoder.encode(texts, prompt=prompt, batch_size=batch_size)
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


def _encode_tasks(
    tasks: Sequence[tuple[Any, ...]], processes: int, show: bool | None, runner: Callable[..., Any] = run_tasks
) -> Iterator[tuple[str, str]]:
    rows = {task[1]: task[4] - task[3] for task in tasks}
    there = [task for task in tasks if (Path(task[0]) / "vectors" / task[1]).is_file()]
    with progress("encoding", sum(rows.values()), sum(rows[task[1]] for task in there), show) as more:
        for task, digest in runner(encode_task, tasks, processes):
            more(0 if task in there else rows[task[1]])
            yield task[1], digest


def _encode_with_others(
    work: Path, settings: dict, inputs: dict, tasks: list, processes: int, anew: bool, show: bool | None
) -> dict[str, Any]:
    """The same under torchrun: the first process keeps the books, all encode, and all wait for one another."""
    from torch import distributed

    rank, world = join()
    if rank > 0:
        distributed.barrier()
        if not (work / "vectors" / "manifest.json").is_file():
            for _ in _encode_tasks(tasks[rank::world], processes, False):
                pass
        distributed.barrier()
        distributed.barrier()
        return finished(work, "vectors", "encode")
    with stage(work, "vectors", settings, inputs, anew) as run:
        done = run.finished
        distributed.barrier()
        if not done:
            for name, digest in _encode_tasks(tasks[rank::world], processes, show):
                run.sha256[name] = digest
        distributed.barrier()
        if not done:
            run.finish(_sizes(work))
        distributed.barrier()
        return run.manifest


def _runs(batches: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    filled = 0
    for texts in batches:
        yield filled, texts
        filled += len(texts)


def _sizes(work: Path) -> dict[str, Any]:
    shards = sorted((work / "vectors").glob("corpus-*.npy"))
    arrays = [np.load(path, mmap_mode="r", allow_pickle=False) for path in shards]
    return {"rows": sum(len(array) for array in arrays), "dimensions": int(arrays[0].shape[1]), "shards": len(shards)}


@functools.lru_cache(maxsize=1)
def _encoder(work: str, fingerprint: str, device: str) -> TextEncoder:
    """One model a process, read again only where it is another one."""
    manifest = finished(work, "model", "train")
    for file in manifest["files"]:
        check(work, manifest, file["file"], "train")
    return load(Path(work) / "model").to(device_of(device))
