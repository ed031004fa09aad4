"""One word in several sentences, layer by layer: the record, and what is drawn of it."""

import pytest

from workbook.figures import layers
from workbook.figures.layers import meaning_by_layer, word_by_layer
from workbook.zoo import minilm_from_wheel


def test_the_recorded_sentences_are_replayed_and_say_so():
    read = word_by_layer()
    assert "replayed" in read.source
    assert all(sum(shares) == pytest.approx(1, abs=0.01) for looks in read.looks for shares in looks)
    assert all(cosines[0] == 1 for cosines in read.cosines.values())


@pytest.mark.slow
@pytest.mark.skipif(minilm_from_wheel() is None, reason="all-MiniLM-L6-v2 is not installed")
def test_the_record_is_what_the_model_gives():
    now, recorded = layers.measure(layers.SENTENCES, layers.WORD), word_by_layer()
    assert now.tokens == recorded.tokens
    for pair, cosines in recorded.cosines.items():
        assert now.cosines[pair] == pytest.approx(cosines, abs=0.002)
    for a, b in zip(now.looks, recorded.looks, strict=True):
        for mine, theirs in zip(a, b, strict=True):
            assert mine == pytest.approx(theirs, abs=0.002)
    with pytest.raises(ValueError, match="must be one token of each sentence"):
        layers.measure(["a bank", "no such word"], "bank")


def test_without_the_model_other_sentences_give_the_record_and_a_word_about_it(monkeypatch):
    def missing(*_):
        raise FileNotFoundError

    monkeypatch.setattr(layers, "measure", missing)
    read = word_by_layer(["a bank", "the bank"], "bank")
    assert read.tokens == word_by_layer().tokens
    assert "not your text" in read.source


def test_a_figure_shows_no_more_layers_than_were_chosen():
    read = word_by_layer()
    fig = meaning_by_layer(read, 2)
    bars = [trace for trace in fig.data if trace.type == "bar"]
    lines = [trace for trace in fig.data if trace.type == "scatter" and trace.mode == "lines"]
    assert [list(bar.y) for bar in bars] == [looks[1] for looks in read.looks]
    assert [list(line.y) for line in lines] == [cosines[:3] for cosines in read.cosines.values()]
    assert all(not any(bar.y) for bar in meaning_by_layer(read, 0).data if bar.type == "bar")
