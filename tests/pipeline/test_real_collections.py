"""Two real collections, where they are at hand: from a corpus alone to a search that is measured with real queries."""

import os
from pathlib import Path

import pytest

from workbook import pipeline

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("WORKBOOK_COLLECTIONS", ROOT.parent / "shared" / "data"))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "structural", "bm25"), [("cacm", 1_500, 0.25), ("vaswani_npl", 8_000, 0.35)])
def test_a_corpus_alone_becomes_a_measured_search(tmp_path, capsys, name, structural, bm25):
    """One file of texts; then the real queries are added, and neither vectors nor index are made anew."""
    folder = DATA / name
    if not (folder / "corpus.jsonl").is_file():
        pytest.skip(f"{folder} is not at hand")
    made = pipeline.data(tmp_path, folder / "corpus.jsonl")
    counts = made["structural"]
    assert sum(counts.values()) == made["passages"]
    assert made["passages"] - sum(counts.get(why, 0) for why in ("too short", "query of several texts")) > structural
    pipeline.train(tmp_path, dimensions=64, steps=5, batch_size=128, vocab_size=8_000)
    pipeline.encode(tmp_path)
    pipeline.index(tmp_path)
    before = (tmp_path / "index/manifest.json").read_bytes(), (tmp_path / "vectors/manifest.json").read_bytes()
    added = pipeline.data(tmp_path, folder, add="real")
    pipeline.search(tmp_path, "real", "bm25,dense,rrf")
    told = pipeline.evaluate(tmp_path, "real")
    assert told["queries"] == added["queries"] > 40
    lines = {line.split()[0]: line for line in told["summary"].splitlines()}
    assert float(lines["bm25"].split()[1]) > bm25
    assert "nobody asked" not in told["summary"]
    assert "BM25" in lines["rrf"] + told["summary"]
    assert before == tuple((tmp_path / name / "manifest.json").read_bytes() for name in ("index", "vectors"))
    pipeline.ask(tmp_path, ["how do computers sort?"], systems="rrf")
    assert "*" in capsys.readouterr().out
