"""The reader begins as the base, its wall keeps two texts apart, and a training opens the doors."""

import numpy as np
import pytest
import torch

from workbook.base import reader as module
from workbook.base.reader import QUICK, Reader, ReadingList, fit_reader
from workbook.encoder import StaticEncoder, TextEncoder, TransformerEncoder, train_tokenizer

TEXTS = [f"{verb} the {noun}" for verb in ("sort", "read", "write", "join") for noun in ("list", "file", "path", "key")]
PAIRS = [("list", "sort the list"), ("read a path", "join the key"), ("sort the list", "sort the list"), ("key", "")]


@pytest.fixture(scope="module")
def base():
    tokenizer = train_tokenizer(TEXTS, vocab_size=60)
    torch.manual_seed(1)
    backbone = TransformerEncoder(tokenizer.get_vocab_size(), 16, 2, 2, max_length=32)
    with torch.no_grad():  # so that tokens differ and a look across is felt, as after a training
        for weight in backbone.parameters():
            if weight.ndim == 2:
                weight.mul_(10)
    return TextEncoder(tokenizer, backbone, max_length=32).eval()


def test_behind_the_wall_it_is_the_base_twice(base):
    """Every part by itself: no words, and both cosines are the base's own."""
    reader = Reader(base, wall=2)
    with torch.no_grad():
        reader.rarity.zero_()
    query, passage = (
        encode(list(texts))
        for encode, texts in zip((base.encode_query, base.encode_document), zip(*PAIRS, strict=True), strict=True)
    )
    cosines = (query * passage).sum(axis=1)
    np.testing.assert_allclose(reader.predict(PAIRS), 30 * cosines, atol=1e-4)


def test_with_the_doors_open_it_is_another(base):
    reader = Reader(base)
    with torch.no_grad():
        reader.rarity.zero_()
    assert np.abs(reader.predict(PAIRS) - 30 * reader.cosines(PAIRS).numpy()).max() > 0.1


@pytest.mark.parametrize("wall", [0, 1])
def test_what_the_passage_says_reaches_the_query_only_through_a_door(base, wall):
    """With every door shut it is the base behind a wall; one door of the last layer is enough to change that."""
    reader = Reader(base, wall)
    with torch.no_grad():
        reader.door.fill_(-1e4)
        reader.match.zero_()
        shut = reader.predict(PAIRS)
        reader.door[-1] = 0.0
        opened = reader.predict(PAIRS)
    assert np.abs(shut - Reader(base, wall=2).predict(PAIRS)).max() < 1e-4
    assert np.abs(shut - opened).max() > 1e-3


def test_a_word_that_is_cut_off_counts_all_the_same(base, monkeypatch):
    monkeypatch.setattr(module, "PASSAGE_LENGTH", 4)
    reader = Reader(base).count_words(TEXTS)
    long = "sort the file " * 5
    ends = [("list", f"{long} list"), ("list", f"{long} key")]
    with_word, without = reader.predict(ends)
    apart = 10 * reader.cosines(ends)
    *pieces, _ = reader.whole_ids("list")[1:]
    only_there = [piece for piece in pieces if piece not in reader.whole_ids(ends[1][1])]
    assert only_there
    worth = 0.1 * sum(reader.rarity[piece].item() for piece in only_there)
    assert with_word - without == pytest.approx((apart[0] - apart[1]).item() + worth, abs=1e-3)


def test_rarity_is_counted_over_texts(base):
    reader = Reader(base).count_words(["sort the list", "list list", "read the file"])
    texts = ["sort the list", "list list", "read the file"]
    for piece in {piece for text in texts for piece in reader.whole_ids(text)}:
        there = sum(piece in reader.whole_ids(text) for text in texts)
        assert reader.rarity[piece].item() == pytest.approx(np.log(4 / (1 + there)), abs=1e-6)
    assert reader.rarity[reader.tokenizer.token_to_id("[MASK]")].item() == pytest.approx(np.log(4))


def test_the_order_of_pairs_and_their_neighbours_change_nothing(base):
    reader = Reader(base).count_words(TEXTS)
    alone = np.concatenate([reader.predict([pair]) for pair in PAIRS])
    np.testing.assert_allclose(reader.predict(PAIRS), alone, atol=1e-4)
    np.testing.assert_allclose(reader.predict(PAIRS[::-1], batch_size=2)[::-1], alone, atol=1e-4)
    assert reader.predict([]).shape == (0,)


def test_training_goes_towards_the_labels_and_leaves_the_base(base):
    before = [p.clone() for p in base.parameters()]
    lists = [ReadingList(text.split(" the ")[1], [text, *TEXTS[-2:]], [0.0, 0.0, 5.0]) for text in TEXTS]
    reader = Reader(base).count_words(TEXTS)
    words = reader.backbone.embeddings.word.weight.clone()
    history = fit_reader(reader, lists, steps=30, batch_size=4, lr=1e-3, seed=0)
    assert history[-1]["loss"] < history[0]["loss"]
    assert all(torch.equal(p, old) for p, old in zip(base.parameters(), before, strict=True))
    assert torch.equal(reader.backbone.embeddings.word.weight, words)
    assert not torch.equal(reader.door, torch.zeros_like(reader.door))


def test_its_own_numbers_move_quickly(base):
    """One step of AdamW moves a number by the learning rate: what is multiplied moves so many times further."""
    lists = [ReadingList(text.split(" the ")[1], [text, *TEXTS[-2:]], [5.0, 0.0, 0.0]) for text in TEXTS]
    reader = Reader(base).count_words(TEXTS)
    door, bias = reader.door.clone(), reader.backbone.blocks[0].attention.value.bias.clone()
    fit_reader(reader, lists, steps=1, batch_size=4, lr=1e-3, seed=0)
    assert QUICK * (reader.door - door).abs().max().item() == pytest.approx(1e-2, rel=0.05)
    assert (reader.backbone.blocks[0].attention.value.bias - bias).abs().max().item() == pytest.approx(1e-3, rel=0.05)


def test_a_wall_that_is_too_high_and_a_bag_are_refused(base):
    with pytest.raises(ValueError, match="between 0 and the base's 2 layers, got 3"):
        Reader(base, wall=3)
    bag = TextEncoder(base.tokenizer, StaticEncoder(60, 8), max_length=32)
    with pytest.raises(ValueError, match="a reader needs a transformer to look across, got a StaticEncoder"):
        Reader(bag)
