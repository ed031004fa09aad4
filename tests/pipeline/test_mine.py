"""mine says what became of every query, takes an exact run, and its filter can be set and switched off."""

import json
import shutil

import pytest

from tests.helpers.small import collection
from workbook import pipeline
from workbook.__main__ import main
from workbook.pipeline.mine_stage import DROPPED

SMALL = collection()


@pytest.fixture
def work(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "work")
    shutil.rmtree(tmp_path / "work/negatives")
    return tmp_path / "work"


def lines(work):
    files = sorted((work / "negatives/train").glob("*.tsv"))
    return {line.split("\t")[0]: line.split("\t")[2:] for file in files for line in file.read_text().splitlines()}


def test_every_query_is_kept_or_dropped_for_one_reason(work):
    counts = pipeline.mine(work, num_negatives=3)["counts"]
    assert counts["queries kept"] == len(lines(work))
    assert counts["queries kept"] + sum(counts[reason] for reason in DROPPED) == len(SMALL.splits["train"])
    assert counts["dropped, no candidate left by the filters"] > 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"min_score": 2.0}, "dropped, no candidate left by the filters"),
        ({"range_min": 27, "range_max": 60, "relative_margin": None}, "dropped, too few candidates in the run"),
    ],
)
def test_the_reason_is_the_first_that_left_too_few(work, options, reason):
    counts = pipeline.mine(work, num_negatives=3, **options)["counts"]
    assert counts[reason] > 0
    assert counts["queries kept"] + sum(counts[name] for name in DROPPED) == len(SMALL.splits["train"])


def test_a_query_without_a_positive_is_said(tmp_path):
    from dataclasses import replace

    gone = {
        query: ({"nowhere": 1} if query in SMALL.splits["train"][:5] else judged)
        for query, judged in SMALL.qrels.items()
    }
    pipeline.data(tmp_path, replace(SMALL, qrels=gone, fingerprint="gone"))
    pipeline.train(tmp_path, dimensions=16, vocab_size=500, steps=0)
    pipeline.encode(tmp_path)
    pipeline.search(tmp_path, "train", k=60, exact=True)
    counts = pipeline.mine(tmp_path, exact=True)["counts"]
    assert counts["dropped, no positive in the corpus"] == 5


def test_it_takes_an_exact_run(work):
    pipeline.search(work, "train", k=30, exact=True)
    exact = pipeline.mine(work, exact=True)
    assert exact["settings"]["run"] == "train-exact"
    found = lines(work)
    with pytest.raises(ValueError, match="run was 'train-exact' and is now 'train'"):
        pipeline.mine(work)
    pipeline.mine(work, anew=True)
    assert lines(work).keys() | found.keys()
    assert lines(work) != found  # the index looked into half of its lists


def test_the_filter_is_on_by_default_and_can_be_set_and_switched_off(work, capsys):
    kept = {}
    for margin in ("", "0.5", "off"):
        words = ["--relative-margin", margin] if margin else []
        assert main(["mine", str(work), "--anew", "--processes", "1", *words]) == 0
        said = capsys.readouterr().out
        manifest = json.loads((work / "negatives/train/manifest.json").read_text())
        assert manifest["settings"]["relative_margin"] == {"": 0.05, "0.5": 0.5, "off": None}[margin]
        assert "dropped, no candidate left by the filters" in said
        kept[margin] = manifest["counts"]["queries kept"]
    assert kept["0.5"] < kept[""] < kept["off"] == len(SMALL.splits["train"])
