"""An exported pretrained model: its vectors are torch's, and int8 costs next to nothing of what they are for."""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from workbook.export import export_onnx
from workbook.zoo.families import FAMILIES, MINILM, load_pretrained, minilm_from_wheel

pytestmark = [pytest.mark.parity, pytest.mark.slow]
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

STS = Path(__file__).resolve().parents[2].parent / "shared/data/sts/stsb-en.tsv"
PAIRS = 200


@pytest.fixture(scope="module")
def encoder():
    if (folder := minilm_from_wheel()) is None:
        pytest.skip("the extra `offline` is not installed")
    return load_pretrained(folder, family=FAMILIES[MINILM])


@pytest.fixture(scope="module")
def judged():
    """The first pairs of the test split: sentences, sentences, scores from 0 to 5."""
    if not STS.exists():
        pytest.skip("needs shared/data/sts")
    with STS.open(encoding="utf-8") as file:
        rows = [row for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if row[0] == "test"][:PAIRS]
    return [row[2] for row in rows], [row[3] for row in rows], [float(row[1]) for row in rows]


@pytest.fixture(scope="module")
def exact(encoder, judged):
    return [encoder.encode(texts) for texts in judged[:2]]


def correlation(first, second, scores):
    return spearmanr((first * second).sum(axis=1), scores).statistic


def test_fp32_is_torchs(encoder, judged, exact, tmp_path):
    exported = export_onnx(encoder, tmp_path)
    for texts, vectors in zip(judged[:2], exact, strict=True):
        np.testing.assert_allclose(exported.encode(texts), vectors, rtol=0, atol=1e-5)


def test_int8_keeps_the_vectors_and_the_order(encoder, judged, exact, tmp_path):
    """One scale for a whole matrix gives a mean cosine of 0.96 here, one for each column 0.99."""
    exported = export_onnx(encoder, tmp_path, int8=True)
    small = [exported.encode(texts) for texts in judged[:2]]
    cosines = np.concatenate([(a * b).sum(axis=1) for a, b in zip(small, exact, strict=True)])
    assert 0.985 < cosines.mean() < 0.9999
    assert cosines.min() > 0.96
    assert correlation(*small, judged[2]) > correlation(*exact, judged[2]) - 0.01
    (graph,) = tmp_path.glob("model-*.onnx")
    weights = sum(p.numel() for p in encoder.parameters())
    assert graph.stat().st_size < 1.1 * weights  # a byte for each
