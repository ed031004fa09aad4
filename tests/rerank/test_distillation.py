"""Distillation: the teacher is asked once, its answers survive a kill, and the student comes to agree with it."""

import json
import warnings
from functools import partial

import numpy as np
import pytest
import torch

from workbook.encoder import StaticEncoder, TextEncoder, train_tokenizer
from workbook.losses import distill_kl, info_nce, margin_mse
from workbook.metrics import spearman
from workbook.rerank.distillation import distill, teacher_scores
from workbook.train import fit

WORDS = [f"{a}{b}" for a in "bdfgk" for b in ("ab", "ed", "ig", "of", "us")]
TOKENIZER = train_tokenizer([" ".join(WORDS)] * 3, vocab_size=120)


class Teacher:
    """Judges by how near two words stand in the list; keeps what it was asked, and may break down."""

    def __init__(self, breaks_after=None, offset=0.0):
        self.asked, self.breaks_after, self.offset = [], breaks_after, offset

    def predict(self, pairs):
        if self.breaks_after is not None and len(self.asked) >= self.breaks_after:
            raise KeyboardInterrupt
        self.asked += pairs
        return [4 - abs(WORDS.index(a) - WORDS.index(b)) / 3 + self.offset for a, b in pairs]


def tuples(count=60, negatives=4, seed=0):
    rng = np.random.default_rng(seed)
    return [tuple(rng.choice(WORDS, size=2 + negatives, replace=False).tolist()) for _ in range(count)]


def test_scores_by_hand_each_pair_once():
    data = [("bab", "bab", "bed"), ("bab", "bed", "bab"), ("big", "bab", "bus")]
    teacher = Teacher()
    expected = torch.tensor([[4, 4 - 1 / 3], [4 - 1 / 3, 4], [4 - 2 / 3, 4 - 2 / 3]])
    assert torch.allclose(teacher_scores(teacher, data), expected)
    assert len(teacher.asked) == 4  # of six pairs, two stand twice
    assert teacher_scores(Teacher(), data, chunk_size=1).equal(teacher_scores(Teacher(), data, chunk_size=3))


def test_a_stopped_run_pays_nothing_twice(tmp_path):
    data, cache = tuples(20), tmp_path / "scores.jsonl"
    pairs = {(query, passage) for query, *passages in data for passage in passages}
    first = Teacher(breaks_after=40)
    with pytest.raises(KeyboardInterrupt):
        teacher_scores(first, data, cache, chunk_size=10)
    cache.write_bytes(cache.read_bytes() + b'["half a li')  # a kill in the middle of a line
    second = Teacher()
    assert teacher_scores(second, data, cache, chunk_size=10).equal(teacher_scores(Teacher(), data))
    assert len(first.asked) == 40
    assert len(second.asked) == len(pairs) - 40 + 1  # one is asked again, to know the teacher by
    assert len({json.loads(line)[0] for line in cache.read_text().splitlines()}) == len(pairs)
    third = Teacher()
    assert teacher_scores(third, data[::-1], cache).equal(teacher_scores(Teacher(), data[::-1]))
    assert third.asked == []
    fourth = Teacher()
    teacher_scores(fourth, [*data, ("bab", "bed", "bus", "bof", "dus", "gab")], cache)
    assert len(fourth.asked) <= 6


def test_a_cache_belongs_to_its_teacher(tmp_path):
    cache = tmp_path / "scores.jsonl"
    teacher_scores(Teacher(), tuples(3), cache)
    with pytest.raises(ValueError, match="belongs to another teacher"):
        teacher_scores(Teacher(offset=1.0), tuples(4), cache)
    cache.write_text("not json\n")
    with pytest.raises(ValueError, match="not a file of teacher scores"):
        teacher_scores(Teacher(), tuples(3), cache)


def student(normalize=False):
    torch.manual_seed(0)
    return TextEncoder(TOKENIZER, StaticEncoder(TOKENIZER.get_vocab_size(), 16), normalize=normalize)


def agreement(encoder):
    """Rank correlation of student and teacher over the passages of a query, on tuples of another seed."""
    found = []
    for query, *passages in tuples(40, negatives=7, seed=1):
        vectors = encoder.encode([query, *passages])
        found.append(spearman(vectors[1:] @ vectors[0], Teacher().predict([(query, p) for p in passages])))
    return float(np.mean(found))


@pytest.mark.slow
def test_a_student_learns_the_teachers_order_better_than_hard_labels_teach_it():
    data = tuples(300)
    labels = teacher_scores(Teacher(), data)
    best_first = [(q, *(p[i] for i in labels[row].argsort(descending=True))) for row, (q, *p) in enumerate(data)]
    how = {"steps": 200, "batch_size": 32, "lr": 2e-2}
    untrained, hard, by_margin, by_kl = student(), student(), student(), student()
    fit(hard, best_first, loss=partial(info_nce, temperature=0.1), **how)  # who is best, and no more
    distill(by_margin, data, labels, **how)
    distill(by_kl, data, labels, distill_kl, temperature=1.0, **how)
    start, taught = agreement(untrained), agreement(hard)
    assert agreement(by_margin) > max(start, taught) + 0.1
    assert agreement(by_kl) > max(start, taught) + 0.1


def test_distillation_is_repeatable_and_margin_mse_is_the_default():
    data = tuples(12)
    labels = teacher_scores(Teacher(), data)

    def weights(**options):
        encoder = student()
        distill(encoder, data, labels, steps=5, batch_size=4, **options)
        return encoder.backbone.word.weight.detach()

    assert torch.equal(weights(), weights())
    assert torch.equal(weights(), weights(loss=margin_mse))
    assert not torch.equal(weights(), weights(loss=distill_kl))


def test_a_student_that_cannot_reach_the_margins_is_warned_about():
    data = [("bab", "bab", "kus")]  # eight apart by the teacher
    labels = teacher_scores(Teacher(), data)
    with pytest.warns(UserWarning, match=r"differ by up to 8.0, those of a student .* by 2 at most"):
        distill(student(normalize=True), data, labels, steps=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        distill(student(normalize=True), data, labels / 4, steps=1)
        distill(student(), data, labels, steps=1)


class Odd:
    def __init__(self, answer):
        self.predict = lambda pairs: answer


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: teacher_scores(Teacher(), []), "at least one"),
        (lambda: teacher_scores(Teacher(), [("bab", "bed"), ("bab",)]), "of one length, 2"),
        (lambda: teacher_scores(Teacher(), [("bab", "bed")], chunk_size=0), "chunk_size must be at least 1"),
        (lambda: teacher_scores(Odd([1.0, 2.0]), [("bab", "bed")]), "one finite score for each of 1 pairs, got 2"),
        (lambda: teacher_scores(Odd([float("nan")]), [("bab", "bed")]), "0 of them finite"),
        (lambda: distill(student(), [("bab", "bed")], torch.ones(1, 1)), "at least one negative"),
        (lambda: distill(student(), [("bab", "bed", "big")], torch.ones(1, 3)), r"labels \(N, 1 \+ M\) = \(1, 2\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
