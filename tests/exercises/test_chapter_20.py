"""The plain forms of chapter 20 give what the package, and numpy, give."""

from pathlib import Path

import numpy as np
import pytest
import torch

from workbook.exercises import chapter_20 as chapter
from workbook.exercises.disk import Disk, Killed
from workbook.pipeline.encode_stage import read_rows
from workbook.pipeline.workers import slices
from workbook.similarity import top_k

N, D = 23, 6


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shard_rows", [1, 5, 23, 40])
def test_the_bytes_of_a_row_are_those_that_numpy_wrote(tmp_path: Path, dtype, shard_rows):
    vectors = np.random.default_rng(0).normal(size=(N, D)).astype(dtype)
    paths = {}
    for number, start, stop in slices(N, shard_rows):
        paths[number] = tmp_path / f"{number}.npy"
        np.save(paths[number], vectors[start:stop])
    header = paths[0].stat().st_size - min(N, shard_rows) * D * vectors.itemsize
    rows = read_rows(np.arange(N), D, shard_rows, lambda number: np.load(paths[number], mmap_mode="r"))
    for row in range(N):
        shard, first, end = chapter.place_of_row(row, shard_rows, D, vectors.itemsize, header)
        read = np.frombuffer(paths[shard].read_bytes()[first:end], dtype)
        assert np.array_equal(read, vectors[row])
        assert np.array_equal(read.astype(np.float32), rows[row])


@pytest.mark.parametrize("size", [1, 4, 10, 100])
def test_the_best_of_many_blocks_are_those_of_the_search_in_one_piece(size):
    draw = torch.Generator().manual_seed(0)
    queries, x = (torch.randint(-3, 4, (rows, D), generator=draw) / 2 for rows in (5, 60))
    scores, rows = chapter.best_over_blocks(queries, (x[start : start + size] for start in range(0, 60, size)), 7)
    expected = top_k(queries, x, 7)
    assert torch.equal(scores, expected[0])
    assert torch.equal(rows, expected[1])


def test_the_watch_over_memory_sees_blocks_and_scores_that_are_kept():
    assert chapter._memory_stays(chapter.best_over_blocks) is None
    assert chapter._memory_stays(chapter._query_by_query) is None
    assert chapter._memory_stays(chapter._all_together)
    assert chapter._memory_stays(chapter._all_scores_kept)


def test_vectors_come_back_in_the_order_of_their_texts():
    lengths = np.random.default_rng(0).integers(1, 40, 200).tolist()
    batches, back = chapter.token_batches(lengths, 128)
    strung = np.concatenate([np.array(lengths)[batch] for batch in batches])
    assert strung[back].tolist() == lengths
    assert strung.tolist() == sorted(lengths, reverse=True)
    assert all(len(batch) * max(lengths[i] for i in batch) <= 128 for batch in batches)


def test_no_folder_of_two_rows_and_files_shows_a_resume_that_counts():
    for N, shard_rows, there in [(1, 1, []), (1, 1, [0]), (1, 2, [0]), (2, 1, []), (2, 2, [])]:
        assert chapter._not_a_folder(N, shard_rows, there) is None
        assert chapter.GAP.measure(N, shard_rows, there) < chapter.GAP.smallest
        assert chapter.GAP.right(N, shard_rows, there) == chapter.GAP.wrong(N, shard_rows, there)


def test_a_killed_write_leaves_a_half_and_a_killed_rename_nothing():
    disk = Disk(steps=1)
    disk.write("a.tmp", "1234")
    with pytest.raises(Killed):
        disk.rename("a.tmp", "a")
    assert disk.files == {"a.tmp": "1234"}
    with pytest.raises(Killed):
        disk.write("b", "1234")
    assert disk.files == {"a.tmp": "1234", "b": "12"}
    with pytest.raises(FileNotFoundError):
        Disk().rename("a", "b")
