"""index: faiss over the vectors on disk, trained on a sample and built shard by shard.

    flat     no file: an exact search reads the vectors themselves, memory-mapped
    ivfpq    WORK/index/trained.faiss, block-00000.faiss, … (one for each shard), and in the end index.faiss alone
    hnsw     WORK/index/graph-00000.faiss, … : a graph for each million passages; all of them are searched

The inverted lists of `index.faiss` and the vectors of a graph are memory-mapped when they are searched. With
2 · sqrt(N) lists in IVF-PQ a list is half of sqrt(N) long, so a search in a fixed number of lists costs as sqrt(N).

Letters: N passages, D dimensions.

Source: Jégou et al. 2011 (IVF-PQ); Malkov and Yashunin 2018 (HNSW).
"""

import math
from pathlib import Path
from typing import Any

import numpy as np

from workbook.pipeline.encode_stage import read_rows, read_vectors, shard_name
from workbook.pipeline.progress import progress
from workbook.pipeline.shortlists import ROUNDS, learn_shortlists, nearest_lists
from workbook.pipeline.stage import at_least, finished, stage
from workbook.pipeline.workers import make_files, one_thread
from workbook.support.files import sha256_of, whole_file, write_npy

KINDS = ("flat", "ivfpq", "hnsw")
EXACT_UP_TO = 50_000  # passages: 1 ms a query in a batch, 30 to 70 ms alone (256 and 384 dimensions, one core)
POINTS_PER_LIST = 40  # vectors that a list's centroid is trained on; faiss warns below 39
GRAPH_ROWS = 1_000_000  # of HNSW: passages in a graph
LINKS, BREADTH = 16, 80  # of HNSW: links of a passage, and how many candidates are kept while it is added
SHORTLISTS = ("shortlist-groups", "shortlists")  # files that are there while the index is built


def index(
    work: str | Path,
    kind: str | None = None,
    lists: int | None = None,
    code_bytes: int | None = None,
    seed: int = 0,
    processes: int = 1,
    anew: bool = False,
    show: bool | None = None,
) -> dict[str, Any]:
    """Build an index over the passages' vectors.

    Args:
        work: the work folder, with vectors.
        kind: "flat", "ivfpq" or "hnsw"; by default flat, which is exact, up to EXACT_UP_TO passages, and ivfpq above.
        lists: of ivfpq; `default_lists(N)` by default.
        code_bytes: of a passage in ivfpq; D / 8 by default, at least 8.
        seed: of k-means and of the sample, and of the levels in HNSW.
        processes: on this machine.
        anew: remove what is there first.
        show: whether to show progress; by default to a person only.
    Returns:
        the manifest.
    Raises:
        FileNotFoundError: the vectors are not finished.
        ValueError: the kind is unknown, a number is out of range or belongs to another kind, there are too few passages, or
            a shard is damaged.
    """
    if kind is None and (lists, code_bytes) != (None, None):
        kind = "ivfpq"
    if kind not in (None, *KINDS):
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    if kind in ("flat", "hnsw") and (lists, code_bytes) != (None, None):
        raise ValueError(f"lists and code_bytes belong to ivfpq, and an index of the kind {kind} has neither")
    at_least(0, seed=seed)
    at_least(1, lists=lists, code_bytes=code_bytes, processes=processes)
    work = Path(work)
    vectors = finished(work, "vectors", "encode")
    N, D, shards = vectors["rows"], vectors["dimensions"], vectors["shards"]
    kind = kind or ("flat" if N <= EXACT_UP_TO else "ivfpq")
    settings: dict[str, Any] = {"kind": kind, "seed": seed}
    if kind == "ivfpq":
        if N < 256:
            raise ValueError(f"ivfpq learns 256 codes, and needs as many passages, got {N}; take flat")
        settings["lists"] = default_lists(N) if lists is None else lists
        settings["code_bytes"] = _code_bytes(D) if code_bytes is None else code_bytes
        if settings["lists"] > N or D % settings["code_bytes"]:
            raise ValueError(
                f"lists must lie between 1 and {N}, and code_bytes must divide {D}, "
                f"got {settings['lists']} and {settings['code_bytes']}"
            )
    with stage(work, "index", settings, {"vectors": vectors["fingerprint"]}, anew) as run:
        if run.finished:
            return run.manifest
        if kind == "ivfpq":
            sample = sample_rows(N, max(POINTS_PER_LIST * settings["lists"], 2**14), seed)
            if not (run.folder / "index.faiss").is_file():
                _train(work, settings, sample, D, show)
                blocks = {f"block-{number:05}.faiss": (1, (str(work), number)) for number in range(shards)}
                make_files(run.folder, add_shard, blocks, "adding shards", processes, show)
            _merge(work, shards)
        if kind == "hnsw":
            step = graph_shards(vectors["settings"]["shard_rows"])
            graphs = {
                f"graph-{number:05}.faiss": (1, (str(work), number, range(first, min(first + step, shards)), D, seed))
                for number, first in enumerate(range(0, shards, step))
            }
            run.sha256 |= make_files(run.folder, build_graph, graphs, "building graphs", processes, show)
        return run.finish({"rows": N, "dimensions": D, "shards": shards})


def default_lists(N: int) -> int:
    """2 · sqrt(N) lists, or fewer where that leaves a list without enough vectors to train on."""
    return max(1, min(2 * math.isqrt(N), N // POINTS_PER_LIST))


def graph_shards(shard_rows: int) -> int:
    """How many shards share an HNSW graph: a million passages, or one shard that is larger."""
    return max(1, GRAPH_ROWS // shard_rows)


def sample_rows(N: int, size: int, seed: int) -> np.ndarray:
    """Row numbers of a random sample, ascending."""
    return np.sort(np.random.default_rng(seed).choice(N, min(size, N), replace=False))


def open_index(work: str | Path) -> tuple[dict[str, Any], list[Any]]:
    """The manifest of an index, and faiss' objects, memory-mapped; none for "flat".

    Raises:
        FileNotFoundError: the index is not finished.
        ValueError: a file of it is missing or has another size.
    """
    manifest = finished(work, "index", "index")
    faiss = _faiss()
    flags = faiss.IO_FLAG_MMAP if manifest["settings"]["kind"] == "ivfpq" else faiss.IO_FLAG_MMAP_IFC
    paths = [Path(work) / "index" / file["file"] for file in manifest["files"]]
    return manifest, [faiss.read_index(str(path), flags) for path in paths]


def add_shard(work: str, number: int) -> None:
    """Put the codes of one shard into a file of their own."""
    folder = Path(work) / "index"
    path = folder / f"block-{number:05}.faiss"
    if not path.is_file():
        faiss = _faiss()
        from faiss.contrib.ivf_tools import add_preassigned

        built = faiss.read_index(str(folder / "trained.faiss"))
        lists = built.quantizer.reconstruct_n(0, built.nlist)  # (L, D)
        groups, on = (np.load(folder / f"{name}.npy", allow_pickle=False) for name in SHORTLISTS)
        vectors = read_vectors(work, shard_name(number))
        first = number * finished(work, "vectors", "encode")["settings"]["shard_rows"]
        for start in range(0, len(vectors), 16_384):
            piece = vectors[start : start + 16_384].astype(np.float32)
            # faiss reads the row numbers by their address, so they need a name that lives as long.
            rows = np.arange(first + start, first + start + len(piece))
            add_preassigned(built, piece, nearest_lists(piece, lists, groups, on), rows)
        write_faiss(built, path)


def build_graph(work: str, number: int, shards: range, D: int, seed: int) -> str:
    """Link the passages of some shards into one HNSW graph; row 0 of it is the first row of the first shard."""
    path = Path(work) / "index" / f"graph-{number:05}.faiss"
    if not path.is_file():
        faiss = _faiss()
        graph = faiss.IndexHNSWSQ(D, faiss.ScalarQuantizer.QT_fp16, LINKS, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = BREADTH
        graph.hnsw.rng = faiss.RandomGenerator(seed + number)
        for shard in shards:
            vectors = read_vectors(work, shard_name(shard)).astype(np.float32)
            graph.train(vectors[:1])  # float16 has nothing to learn
            graph.add(vectors)
        write_faiss(graph, path)
    return sha256_of(path)


def write_faiss(built: Any, path: Path) -> None:
    """Write an index whole or not at all.

    The bytes go through Python's file, which raises an OSError when the disk is full. faiss' own file does so for most
    of them, and loses the last ones in silence.
    """
    faiss = _faiss()
    with whole_file(path) as temporary, temporary.open("wb") as file:
        faiss.write_index(built, faiss.PyCallbackIOWriter(file.write))


def _train(work: Path, settings: dict[str, Any], sample: np.ndarray, D: int, show: bool | None) -> None:
    """k-means and codebooks from a sample of all shards."""
    path = work / "index" / "trained.faiss"
    if path.is_file():
        return
    faiss = _faiss()
    quantizer = faiss.IndexFlatIP(D)
    empty = faiss.IndexIVFPQ(quantizer, D, settings["lists"], settings["code_bytes"], 8, faiss.METRIC_INNER_PRODUCT)
    empty.cp.seed = empty.pq.cp.seed = settings["seed"] + 1
    empty.cp.niter = ROUNDS
    empty.cp.min_points_per_centroid = empty.pq.cp.min_points_per_centroid = 1
    # Nothing tells how far k-means is; its length follows from the sample.
    with progress(f"k-means of {settings['lists']:,} lists from {len(sample):,} vectors", 1, show=show) as more:
        with one_thread():
            faiss.omp_set_num_threads(1)
            size = finished(work, "vectors", "encode")["settings"]["shard_rows"]
            x = read_rows(sample, D, size, lambda number: read_vectors(work, shard_name(number)))
            empty.train(x)
            learned = learn_shortlists(x, quantizer.reconstruct_n(0, settings["lists"]), settings["seed"] + 1)
        more(1)
    for name, array in zip(SHORTLISTS, learned, strict=True):
        write_npy(work / "index" / f"{name}.npy", array)
    write_faiss(empty, path)


def _merge(work: Path, shards: int) -> None:
    """All blocks in one file, and then the blocks are removed. The codes of all are in memory once."""
    folder = work / "index"
    if not (folder / "index.faiss").is_file():
        faiss = _faiss()
        whole = faiss.read_index(str(folder / "trained.faiss"))
        for number in range(shards):
            whole.merge_from(faiss.read_index(str(folder / f"block-{number:05}.faiss")), 0)
        write_faiss(whole, folder / "index.faiss")
    for path in [*folder.glob("block-*.faiss"), *folder.glob("*.npy"), folder / "trained.faiss"]:
        path.unlink(missing_ok=True)


def _code_bytes(D: int) -> int:
    return next((size for size in (max(8, D // 8), D // 4, D // 2) if size and D % size == 0), D)


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise ImportError("the index needs faiss; install it with: pip install 'embedding-workbook[scale]'") from error
    faiss.omp_set_num_threads(1)  # sums in one order: the same bytes on every machine
    return faiss
