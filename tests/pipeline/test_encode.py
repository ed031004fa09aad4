"""Shards last half a minute, their size changes no vector, and what is encoded is not encoded again."""

import shutil

import numpy as np
import pytest

from tests.helpers.small import SHARD_ROWS, collection, contents
from workbook import pipeline
from workbook.pipeline.encode_stage import encode_task, query_vectors, rows_in_time
from workbook.pipeline.workers import report, run_tasks

SMALL = collection()


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """A work folder with a transformer."""
    work = tmp_path_factory.mktemp("slow") / "work"
    pipeline.data(work, SMALL)
    pipeline.train(work, encoder="transformer", dimensions=16, layers=1, vocab_size=300, steps=0)
    return work


@pytest.mark.parametrize(
    ("N", "seconds", "processes", "rows"),
    [
        (1_000_000, 0.01, 2, 3_072),  # 3,000 in half a minute, in whole blocks
        (1_000_000, 60.0, 2, 256),  # a block at least
        (1_000_000, 1e-6, 2, 100_096),
        (1_000, 0.01, 2, 512),  # a shard for each process
        (100, 0.01, 16, 256),
        (0, 0.01, 1, 256),
    ],
)
def test_the_rows_of_a_shard(N, seconds, processes, rows):
    assert rows_in_time(N, seconds, processes, block=256) == rows


def test_a_transformer_is_timed_and_the_choice_is_kept(slow, tmp_path):
    shutil.copytree(slow, tmp_path / "work")
    rows = pipeline.encode(tmp_path / "work", processes=4, splits=[])["settings"]["shard_rows"]
    assert rows == 256  # of 900, for four processes
    manifest = tmp_path / "work/vectors/manifest.json"
    before = contents(tmp_path / "work")
    assert pipeline.encode(tmp_path / "work", processes=1, splits=[])["settings"]["shard_rows"] == rows
    assert contents(tmp_path / "work") == before
    # Killed after its first shard, it goes on with the same size, whatever the machine would choose now.
    settings = {"shard_rows": 512, "batch_size": None, "splits": [], "device": "cpu"}
    started = manifest.read_text().replace(f'"shard_rows": {rows}', '"shard_rows": 512')
    shutil.rmtree(tmp_path / "work/vectors")
    manifest.parent.mkdir()
    (manifest.parent / "started.json").write_text(started)
    assert pipeline.encode(tmp_path / "work", processes=4, splits=[])["settings"] == settings


def test_the_size_of_a_shard_changes_no_byte_of_a_vector(slow, tmp_path):
    found = []
    for rows in (256, 512, 100_000):
        work = tmp_path / str(rows)
        shutil.copytree(slow, work)
        pipeline.encode(work, shard_rows=rows)
        files = sorted((work / "vectors").glob("corpus-*.npy"))
        found.append((len(files), np.concatenate([np.load(file) for file in files]).tobytes()))
    assert [number for number, _ in found] == [4, 2, 1]
    assert len({vectors for _, vectors in found}) == 1


def test_progress_is_reported_inside_a_shard(slow, tmp_path):
    shutil.copytree(slow, tmp_path / "work")
    (tmp_path / "work/vectors").mkdir()
    seen: list[int] = []
    task = (str(tmp_path / "work"), "corpus-00000.npy", "corpus", 0, 900, None)
    assert len(list(run_tasks(encode_task, [task], 1, seen.append))) == 1
    assert seen == [256, 256, 256, 132]


@pytest.mark.slow
def test_workers_report_to_their_parent():
    seen: list[int] = []
    assert len(list(run_tasks(report, [(3,), (4,), (5,)], 2, seen.append))) == 3
    assert sum(seen) == 12


def test_of_a_later_split_only_the_queries_are_encoded(whole, tmp_path):
    work = tmp_path / "work"
    for name in ("data", "model"):
        shutil.copytree(whole / name, work / name)
    pipeline.encode(work, splits=["train"], shard_rows=SHARD_ROWS)
    before = {name: content for name, content in contents(work).items() if name.startswith("vectors/")}
    touched = (work / "vectors/corpus-00000.npy").stat().st_mtime_ns
    assert pipeline.encode(work)["settings"]["splits"] == ["train"]  # all that there are
    assert {name: content for name, content in contents(work).items() if name.startswith("vectors/")} == before
    assert (work / "vectors/corpus-00000.npy").stat().st_mtime_ns == touched
    np.testing.assert_array_equal(query_vectors(work, "test"), query_vectors(whole, "test"))
    assert (work / "queries/test/vectors.npy").is_file()
