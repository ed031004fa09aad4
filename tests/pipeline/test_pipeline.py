"""The stages give what the same calls give in memory, whatever the number of processes, and refuse what is damaged."""

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers.small import GRAPH, SHARD_ROWS, STAGES, collection, contents
from workbook import pipeline
from workbook.data.stored.storage import open_texts
from workbook.encoder import load
from workbook.metrics import evaluate as evaluate_in_memory
from workbook.mining import mine_hard_negatives
from workbook.mining.candidates import text_key
from workbook.pipeline.data_stage import read_qrels
from workbook.pipeline.encode_stage import read_vectors
from workbook.pipeline.workers import device_of
from workbook.similarity import top_k
from workbook.train import fit

SMALL = collection()
ROOT = Path(__file__).resolve().parents[2]


def vectors(work, pattern="corpus-*.npy"):
    return np.concatenate([np.load(path) for path in sorted((work / "vectors").glob(pattern))])


def copy(whole, tmp_path, *without):
    work = tmp_path / "work"
    shutil.copytree(whole, work)
    for name in without:
        shutil.rmtree(work / name)
    return work


def test_data_is_the_collection(whole):
    assert open_texts(whole / "data/corpus") == SMALL.corpus
    assert open_texts(whole / "data/queries") == SMALL.queries
    assert read_qrels(whole, "test") == {id: SMALL.qrels[id] for id in SMALL.splits["test"]}


def test_a_folder_on_disk_gives_the_same_data_and_what_is_malformed_is_counted(tmp_path):
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    lines = [json.dumps({"_id": id, "title": "", "text": text}) for id, text in SMALL.corpus.items()]
    lines[5:5] = ["{broken", lines[3]]
    (folder / "corpus.jsonl").write_text("\n".join(lines))
    (folder / "queries.jsonl").write_text(
        "\n".join(json.dumps({"_id": id, "text": text}) for id, text in SMALL.queries.items())
    )
    judged = [f"{id}\t{passage}\t1" for id in SMALL.splits["test"] for passage in SMALL.qrels[id]]
    (folder / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(judged))
    manifest = pipeline.data(tmp_path / "work", folder)
    assert open_texts(tmp_path / "work/data/corpus") == SMALL.corpus
    assert read_qrels(tmp_path / "work", "test") == {id: SMALL.qrels[id] for id in SMALL.splits["test"]}
    assert sum(manifest["dropped"]["counts"].values()) == 2
    with pytest.raises(ValueError, match=r"corpus\.jsonl, line 6"):
        pipeline.data(tmp_path / "strict", folder, strict=True)
    with pytest.raises(FileNotFoundError, match="is not there"):
        pipeline.train(tmp_path / "strict")


def test_planted_comes_as_a_stream_of_its_own(tmp_path):
    from workbook.data.planted import planted

    pipeline.data(tmp_path, "planted", passages=300, seed=3, part_rows=128)
    made = planted(300, seed=3)
    assert list(open_texts(tmp_path / "data/corpus").items()) == list(made.passages())
    assert read_qrels(tmp_path, "train") == {id: judged for id, judged in made.qrels("train").items() if judged}


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (["train", "../../train"], r"must be of letters.*got '\.\./\.\./train'"),
        (["test", "a\\b"], "must be of letters"),
        (["test-exact"], "nor with -exact"),  # runs/test-exact is the exact search of test
        (["test."], "end neither with a point"),  # Windows drops it
        (["test", "Test"], "'test' and 'Test' would be one file on Windows and macOS"),
    ],
)
def test_splits_have_names_that_every_system_keeps_apart(tmp_path, splits, message):
    from dataclasses import replace

    odd = replace(SMALL, splits=dict.fromkeys(splits, SMALL.splits["test"]), fingerprint="odd")
    with pytest.raises(ValueError, match=message):
        pipeline.data(tmp_path / "work", odd)
    assert os.listdir(tmp_path) == ["work"]
    assert not (tmp_path / "work/data/manifest.json").exists()


def test_train_is_fit_on_the_same_pairs(whole, tmp_path):
    from workbook.pipeline.train_stage import new_encoder, read_pairs

    settings = json.loads((whole / "model/manifest.json").read_text())["settings"]
    encoder = new_encoder(whole, settings)
    pairs = read_pairs(whole, "train", 10_000, 0)
    assert sorted(pairs) == sorted(SMALL.pairs("train"))
    fit(encoder, pairs, steps=24, batch_size=16, lr=0.003)
    pipeline.data(tmp_path, whole)
    settings = {name: settings[name] for name in ("dimensions", "vocab_size", "max_length", "steps", "batch_size")}
    pipeline.train(tmp_path, **settings, validate=False)
    saved = load(tmp_path / "model")
    assert torch.equal(saved.backbone.word.weight, encoder.backbone.word.weight)


def test_vectors_are_the_encoders_in_float16(whole):
    expected = load(whole / "model").encode(list(SMALL.corpus.values()))
    found = vectors(whole)
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert len(np.load(whole / "vectors/corpus-00000.npy")) == SHARD_ROWS
    queries = [SMALL.queries[id] for id in SMALL.splits["test"]]
    np.testing.assert_allclose(
        np.load(whole / "vectors/queries-test.npy"), load(whole / "model").encode(queries), atol=2e-3
    )


def test_an_exact_search_is_top_k(whole, tmp_path):
    work = copy(whole, tmp_path)
    pipeline.search(work, "test", k=20, exact=True, batch_queries=50)
    q, d = (torch.from_numpy(vectors(work, name).astype(np.float32)) for name in ("queries-test.npy", "corpus-*.npy"))
    scores, rows = top_k(q, d, 20)
    np.testing.assert_allclose(np.load(work / "runs/test-exact/scores.npy"), scores, atol=1e-5)
    assert (np.load(work / "runs/test-exact/rows.npy") == rows.numpy()).mean() > 0.999
    shutil.rmtree(work / "index")
    pipeline.index(work, kind="flat")
    pipeline.search(work, "test", k=20, batch_queries=50)
    for name in ("rows.npy", "scores.npy"):
        assert (work / "runs/test" / name).read_bytes() == (work / "runs/test-exact" / name).read_bytes()


@pytest.mark.parametrize(("stages", "probes"), [(STAGES, 8), (GRAPH, 16)], ids=["ivfpq", "hnsw"])
def test_an_index_that_looks_everywhere_finds_what_is_exact(whole, tmp_path, stages, probes):
    """All lists are probed, and every passage is scored again: then nothing can be missed."""
    work = copy(whole, tmp_path, "index")
    stages["index"](work)
    N = len(SMALL.corpus)
    pipeline.search(work, "test", k=10, probes=probes, candidates=N)
    pipeline.search(work, "test", k=10, exact=True)
    found, exact = (np.load(work / name / "rows.npy") for name in ("runs/test", "runs/test-exact"))
    assert (found == exact).mean() > 0.99
    assert len(list((work / "index").glob("graph-*.faiss"))) == (3 if stages is GRAPH else 0)


def test_few_probes_find_most(whole):
    q, d = (torch.from_numpy(vectors(whole, name).astype(np.float32)) for name in ("queries-train.npy", "corpus-*.npy"))
    exact = top_k(q, d, 10)[1].numpy()
    found = np.load(whole / "runs/train/rows.npy")[:, :10]
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, exact, strict=True)])
    assert 0.5 < recall < 1.0  # 4 of 8 lists


def test_evaluate_is_the_metrics_of_the_run_file(whole):
    run: dict[str, dict[str, float]] = {}
    for line in (whole / "runs/train/run.tsv").read_text().splitlines():
        query_id, _, passage_id, rank, _, _ = line.split("\t")
        run.setdefault(query_id, {})[passage_id] = -float(rank)
    expected = evaluate_in_memory(read_qrels(whole, "train"), run, ["ndcg@10", "mrr@10", "recall@10"])
    found = json.loads((whole / "evaluation/train/evaluation.json").read_text())["metrics"]
    for name, value in expected.items():
        assert found[name]["mean"] == pytest.approx(value)
        assert found[name]["low"] <= value <= found[name]["high"]


def test_mine_is_mine_hard_negatives_on_the_run(whole):
    rows, scores = (np.load(whole / "runs/train" / name) for name in ("rows.npy", "scores.npy"))
    ids, asked = list(SMALL.corpus), list(SMALL.splits["train"])
    q, d = (vectors(whole, name).astype(np.float32) for name in ("queries-train.npy", "corpus-*.npy"))
    run = {
        id: {ids[row]: float(score) for row, score in zip(*line, strict=True) if row >= 0}
        for id, *line in zip(asked, rows, scores, strict=True)
    }
    for number, id in enumerate(asked):  # the margin needs the positive's score, which a run may lack
        positive = next(iter(SMALL.qrels[id]))
        run[id].setdefault(positive, float(q[number] @ d[ids.index(positive)]))
    queries = {id: SMALL.queries[id] for id in asked}
    expected = mine_hard_negatives(
        queries, SMALL.corpus, SMALL.qrels, run, num_negatives=3, range_max=30, relative_margin=0.05
    )
    lines = [
        line.split("\t")
        for path in sorted((whole / "negatives/train").glob("*.tsv"))
        for line in path.read_text().splitlines()
    ]
    assert {line[0]: line[2:] for line in lines} == {id: list(found) for id, found in expected.negatives.items()}
    assert all([line[1]] == list(SMALL.qrels[line[0]]) for line in lines)
    assert 10 < len(lines) <= len(asked)


def test_a_copy_of_the_positive_under_another_id_is_no_negative(tmp_path):
    from dataclasses import replace

    copies = {f"copy-{id}": text.upper() for id, text in SMALL.corpus.items() if int(id[1:]) % 4 == 0}
    twice = replace(SMALL, corpus={**SMALL.corpus, **copies}, fingerprint="twice")
    for name, stage in STAGES.items():
        pipeline.data(tmp_path, twice, part_rows=100) if name == "data" else stage(tmp_path)
    lines = [
        line.split("\t")
        for path in (tmp_path / "negatives/train").glob("*.tsv")
        for line in path.read_text().splitlines()
    ]
    assert lines
    for _, positive, *negatives in lines:
        keys = [text_key(twice.corpus[id]) for id in (positive, *negatives)]
        assert len(set(keys)) == len(keys)


def test_mined_negatives_train_the_next_model(whole, tmp_path):
    work = tmp_path / "next"
    shutil.copytree(whole / "data", work / "data")
    manifest = pipeline.train(
        work, dimensions=32, vocab_size=500, steps=5, batch_size=16, max_length=16, negatives=whole / "negatives/train"
    )
    assert "negatives" in manifest["inputs"]
    assert load(work / "model").encode(["word"]).shape == (1, 32)


@pytest.mark.slow
def test_several_processes_write_the_bytes_of_one(whole, tmp_path):
    work = copy(whole, tmp_path, "vectors", "index", "runs", "evaluation", "negatives")
    for name in ("encode", "index", "search", "evaluate", "mine"):
        STAGES[name](work, **({} if name == "evaluate" else {"processes": 2}))
    assert contents(work) == contents(whole)


@pytest.mark.parametrize(
    ("file", "stage", "command"),
    [
        ("data/corpus/part-00003.arrow", "encode", None),
        ("data/corpus/part-00003.arrow", "train", None),
        ("data/corpus/id_rows.npy", "evaluate", None),
        ("data/queries/part-00000.arrow", "train", None),
        ("data/queries/id_hashes.npy", "mine", None),
        ("model/model.safetensors", "encode", "train"),
        ("vectors/corpus-00002.npy", "mine", "encode"),
        ("vectors/corpus-00002.npy", "index", "encode"),
        ("vectors/corpus-00002.npy", "search", "encode"),
        ("index/index.faiss", "search", "index"),
        ("runs/train/rows.npy", "evaluate", "search"),
        ("runs/train/scores.npy", "mine", "search"),
        ("data/qrels/train.tsv", "evaluate", "data"),
    ],
)
def test_a_changed_bit_in_what_a_stage_reads_is_found_and_named(whole, tmp_path, file, stage, command):
    outputs = {
        "train": "model",
        "encode": "vectors",
        "index": "index",
        "search": "runs",
        "evaluate": "evaluation",
        "mine": "negatives",
    }
    work = copy(whole, tmp_path, outputs[stage])
    path = work / file
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{path.name} is damaged: expected SHA-256") as raised:
        STAGES[stage](work)
    assert command is None or f"python -m workbook {command}" in str(raised.value)
    assert not list((work / outputs[stage]).rglob("manifest.json"))


DISK = """
import resource, signal, sys
from tests.helpers.small import STAGES
import faiss, pyarrow, workbook.pipeline.mine_stage, workbook.pipeline.train_stage
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    STAGES[sys.argv[1]](sys.argv[2])
except OSError as error:
    print("OSError", error)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_FSIZE as a disk that is full")
@pytest.mark.parametrize(
    ("stage", "folder", "limit"),
    [
        ("data", "data", 2_000),
        ("train", "model", 10_000),
        ("encode", "vectors", 5_000),
        ("index", "index", 5_000),
        ("search", "runs", 1_500),
        ("mine", "negatives", 400),
    ],
)
def test_a_full_disk_is_said_and_nothing_half_written_counts(whole, tmp_path, stage, folder, limit):
    work = copy(whole, tmp_path, folder)
    run = [sys.executable, "-c", DISK, stage, str(work), str(limit)]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.stdout.startswith("OSError"), done.stdout + done.stderr
    assert not list((work / folder).rglob("manifest.json")) or stage == "data"
    assert not (work / folder / "manifest.json").exists()
    STAGES[stage](work)  # with room again
    assert contents(work) == contents(whole)


ONE_BYTE_SHORT = """
import resource, signal, sys, faiss
from pathlib import Path
from workbook.pipeline.index_stage import write_faiss

built = faiss.read_index(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (Path(sys.argv[1]).stat().st_size - 1, resource.RLIM_INFINITY))
try:
    write_faiss(built, Path(sys.argv[2]))
except OSError as error:
    print("OSError", error)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_FSIZE as a disk that is full")
def test_an_index_that_lacks_its_last_byte_is_not_taken_for_whole(whole, tmp_path):
    run = [sys.executable, "-c", ONE_BYTE_SHORT, str(whole / "index/index.faiss"), str(tmp_path / "index.faiss")]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("OSError"), done.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda work: pipeline.index(work, kind="tree"), ValueError, "kind must be one of flat, ivfpq, hnsw"),
        (lambda work: pipeline.index(work, lists=10_000), ValueError, "lists must lie between 1 and 900"),
        (lambda work: pipeline.index(work, code_bytes=7), ValueError, "code_bytes must divide 32"),
        (
            lambda work: pipeline.index(work, code_bytes=0, anew=True),
            ValueError,
            "code_bytes must be at least 1, got 0",
        ),
        (lambda work: pipeline.index(work, lists=0, anew=True), ValueError, "lists must be at least 1, got 0"),
        (lambda work: pipeline.index(work, seed=-1, anew=True), ValueError, "seed must be at least 0, got -1"),
        (lambda work: pipeline.index(work, processes=0, anew=True), ValueError, "processes must be at least 1, got 0"),
        (
            lambda work: pipeline.index(work, kind="flat", lists=9, anew=True),
            ValueError,
            "lists and code_bytes belong to ivfpq",
        ),
        (lambda work: pipeline.search(work, "nosuch"), KeyError, "has no split 'nosuch'; it has train, test"),
        (lambda work: pipeline.search(work, "test", k=0), ValueError, "k must be at least 1, got 0"),
        (lambda work: pipeline.evaluate(work, "test"), FileNotFoundError, "runs/test is not there"),
        (lambda work: pipeline.mine(work, num_negatives=50), ValueError, "too few for 50 negatives from rank 0"),
        (lambda work: pipeline.encode(work, shard_rows=7), ValueError, "shard_rows was 150 and is now 7"),
        (
            lambda work: pipeline.encode(work, device="tpu", anew=True),
            ValueError,
            "device must be one of cpu.* got 'tpu'",
        ),
        (lambda work: pipeline.train(work, device="", anew=True), ValueError, "device must be one of cpu.* got ''"),
        (lambda work: pipeline.data(work, "nothing-of-this-name"), FileNotFoundError, "no collection"),
    ],
)
def test_what_cannot_be_done_is_said(whole, call, error, message):
    before = contents(whole)
    with pytest.raises(error, match=message):
        call(whole)
    assert contents(whole) == before


@pytest.mark.parametrize(
    "device",
    [
        pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")),
        pytest.param(
            "mps", marks=pytest.mark.skipif(not torch.backends.mps.is_available(), reason="needs an Apple GPU")
        ),
    ],
)
def test_an_accelerator_gives_the_vectors_of_the_processor(whole, tmp_path, device):
    shutil.copytree(whole, tmp_path / "work")
    encoded = pipeline.encode(tmp_path / "work", shard_rows=150, device=device, anew=True, processes=2)
    assert encoded["settings"]["device"] == device
    for name in ("corpus-00000.npy", "queries-test.npy"):
        ours, theirs = (read_vectors(work, name).astype(np.float32) for work in (whole, tmp_path / "work"))
        np.testing.assert_allclose(ours, theirs, atol=2e-3)
    pipeline.train(tmp_path / "work", steps=3, batch_size=8, device=device, anew=True)


def test_of_several_gpus_each_process_takes_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    process = multiprocessing.current_process()
    taken = []
    for name in ("MainProcess", "SpawnProcess-1", "SpawnProcess-2", "SpawnProcess-3"):
        monkeypatch.setattr(process, "name", name)
        taken.append(str(device_of("cuda")))
    monkeypatch.setenv("LOCAL_RANK", "5")  # torchrun's number goes before
    assert [*taken, str(device_of("cuda"))] == ["cuda:0", "cuda:1", "cuda:0", "cuda:1", "cuda:1"]
    assert device_of("cpu") == torch.device("cpu")


def test_the_time_left_is_known_where_every_text_has_a_line(tmp_path):
    from workbook.pipeline.sources import open_source

    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text("".join(f'{{"_id": "{i}", "text": "t"}}\n' for i in range(7)))
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "t"}\n')
    (tmp_path / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq\t1\t1\n")
    opened = open_source(tmp_path)
    assert (opened.num_passages, opened.num_queries) == (7, 1)
    assert len(list(opened.passages(0))) == 7
