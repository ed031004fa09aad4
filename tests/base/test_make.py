"""The whole way to the base, in small: every stage runs, resumes, and is held to what it promises."""

import dataclasses
import random

import numpy as np
import pytest
import torch

from workbook.base import make, texts
from workbook.base.vocabulary import choose_pieces, word_vectors
from workbook.encoder import TextEncoder, TransformerEncoder, train_tokenizer
from workbook.encoder.tokenizer import SPECIAL_TOKENS, tokenizer_of

WORDS = [
    "sort",
    "list",
    "array",
    "matrix",
    "value",
    "key",
    "index",
    "file",
    "path",
    "read",
    "write",
    "open",
    "close",
    "number",
    "string",
    "text",
    "list",
    "words",
]
PLAN = make.Plan(
    layers=1, hidden_size=16, heads=2, max_length=32, pieces=120, windows={"docs": 40}, groups=10, language_steps=2,
    vector_steps=4, pair_steps=3, batch_size=8,
)  # fmt: skip


def sentence(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(4, 12)))


@pytest.fixture
def sources():
    rng = random.Random(0)
    return {"docs": [(sentence(rng), sentence(rng)) for _ in range(40)]}


@pytest.fixture
def teacher(sources):
    tokenizer = train_tokenizer([text for pair in sources["docs"] for text in pair], vocab_size=200)
    torch.manual_seed(1)
    return TextEncoder(
        tokenizer, TransformerEncoder(tokenizer.get_vocab_size(), 24, 1, 2, max_length=32), max_length=32
    )


def weights(encoder: TextEncoder) -> list[np.ndarray]:
    return [p.detach().numpy().copy() for p in encoder.parameters()]


def test_a_run_that_was_stopped_ends_in_the_same_weights(tmp_path, teacher, sources):
    whole = weights(make.make_start(teacher, sources, PLAN, tmp_path / "whole"))
    short = dataclasses.replace(PLAN, vector_steps=4)
    stopped = tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        make.make_start(Interrupted(teacher), sources, short, stopped)
    assert list((stopped / "vectors").glob("*.npy")) == []
    again = weights(make.make_start(teacher, sources, short, stopped))
    for a, b in zip(whole, again, strict=True):
        np.testing.assert_array_equal(a, b)


class Interrupted(TextEncoder):
    """A teacher that is stopped at its first text."""

    def __init__(self, teacher: TextEncoder):
        super().__init__(teacher.tokenizer, teacher.backbone, max_length=teacher.max_length)

    def encode(self, *args, **options):
        raise KeyboardInterrupt


def test_a_shard_of_the_teachers_vectors_is_made_once(tmp_path, teacher, monkeypatch):
    monkeypatch.setattr(make, "SHARD", 3)
    read = ["open the file", "sort list", "read", "write", "close the path", "key", "value"]
    vectors = make.teacher_vectors(teacher, read, tmp_path)
    np.testing.assert_allclose(vectors.float().numpy(), teacher.encode(read), atol=2e-2)  # bfloat16 inside
    (tmp_path / "00000003.npy").unlink()
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.npy")}
    make.teacher_vectors(teacher, read, tmp_path)
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.npy")}
    assert set(after) == {"00000000.npy", "00000003.npy", "00000006.npy"}
    assert {name: after[name] for name in kept} == kept


def test_distillation_comes_nearer_to_the_teacher(tmp_path, teacher, sources):
    longer = dataclasses.replace(PLAN, vector_steps=80)
    read = make.read_once(teacher, sources, longer, tmp_path)
    listed = [text for kind in read.values() for text in kind]
    true = teacher.encode(listed)
    true /= np.linalg.norm(true, axis=1, keepdims=True)

    def agreement(plan):
        student = make.make_start(teacher, sources, plan, tmp_path / str(plan.vector_steps))
        mine = student.encode(listed)
        return np.corrcoef((mine @ mine.T).ravel(), (true @ true.T).ravel())[0, 1]

    assert agreement(longer) > agreement(PLAN) + 0.05


def test_base_starts_from_start_and_leaves_it_alone(tmp_path, teacher, sources):
    start = make.make_start(teacher, sources, PLAN, tmp_path)
    before = weights(start)
    base = make.make_base(start, sources, PLAN, tmp_path)
    assert all(np.array_equal(a, b) for a, b in zip(before, weights(start), strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(before, weights(base), strict=True))
    half = make.make_base(start, sources, dataclasses.replace(PLAN, pair_share=0.5), tmp_path)
    for old, new, mean in zip(before, weights(base), weights(half), strict=True):
        np.testing.assert_allclose(mean, (old + new) / 2, atol=1e-6)


def test_a_negative_is_no_answer_of_its_query(teacher, sources):
    doubled = [*sources["docs"], (sources["docs"][0][0], sources["docs"][1][1])]  # one query with two answers
    answers = {}
    for query, passage in doubled:
        answers.setdefault(query, set()).add(passage)
    rows = make.with_negatives(teacher, doubled, seed=0)
    assert len(rows) == len(doubled)
    for query, positive, negative in rows:
        assert positive in answers[query]
        assert negative not in answers[query]


# --- words and texts ---------------------------------------------------------------------------------


def test_the_vocabulary_holds_what_the_texts_use_and_every_letter(teacher):
    pieces = choose_pieces(teacher, ["sort sort sort list list array"] * 3, size=90)
    assert pieces[: len(SPECIAL_TOKENS)] == list(SPECIAL_TOKENS)
    assert {"sort", "list", "array"} <= set(pieces)
    assert len(pieces) == len(set(pieces)) <= 90
    letters = {p for p in teacher.tokenizer.get_vocab() if len(p.removeprefix("##")) == 1}
    assert letters <= set(pieces)
    ours = tokenizer_of(pieces)
    text = "read the matrix"
    assert "[UNK]" not in ours.encode(text).tokens
    assert ours.encode("sort list").tokens == teacher.tokenizer.encode("sort list").tokens
    vectors = word_vectors(teacher, pieces)
    place = pieces.index("sort")
    alone = teacher.encode(["sort"])[0]
    np.testing.assert_allclose(vectors[place].numpy(), alone, atol=1e-6)


def test_windows_hold_every_word_once_but_for_short_ends():
    rng = random.Random(3)
    passages = [" ".join(f"{i}.{j}" for j in range(rng.randint(1, 400))) for i in range(40)]
    cut = list(texts.windows(passages, rng))
    lengths = [len(window.split()) for window in cut]
    words = [word for window in cut for word in window.split()]
    assert len(words) == len(set(words))
    assert max(lengths) <= texts.LONGEST
    whole = [word for passage in passages for word in passage.split()]
    assert set(words) <= set(whole)
    assert len(words) >= len(whole) - texts.SHORTEST * len(passages)


def test_keywords_are_words_of_a_text_in_their_order():
    source = "Return the Fourier transform of a real sequence along the given axis"
    for found, text in texts.keywords([source], 50, random.Random(0)):
        assert text == source
        places = [source.lower().split().index(word) for word in found.split()]
        assert places == sorted(places)
        assert 2 <= len(places) <= 6
        assert "the" not in found.split()


def test_what_is_looked_up_stands_in_the_text():
    words = [f"{a}{b}{c}" for a in "bdfk" for b in "aeio" for c in "lmnr"]
    read = {
        "docs": ["Read a csv file into a table of rows and columns.", "Sort a list in place."],
        "docs queries": ["csv"],
    }
    found = texts.lookups(["docs"], read, words, 40, random.Random(0))
    assert {text for _, text in found["key words"]} <= set(read["docs"])
    assert all(10 <= len(text.split()) <= 30 and set(text.split()) <= set(words) for _, text in found["vocabulary"])
    for asked, text in [*found["key words"], *found["vocabulary"]]:
        assert set(asked.split()) <= set(text.lower().replace(".", "").split())


def test_frequent_words_come_more_often():
    groups = list(texts.word_groups([f"w{i}" for i in range(1_000)], 2_000, random.Random(0)))
    drawn = [word for group in groups for word in group.split()]
    assert {1, 10} <= {len(group.split()) for group in groups} <= set(range(1, 11))
    first, last = (
        sum(word in span for word in drawn)
        for span in ({f"w{i}" for i in range(50)}, {f"w{i}" for i in range(950, 1_000)})
    )
    assert first > 5 * last > 0


def test_no_world_of_the_chapters_is_read():
    assert min(texts.WORLDS) > 100


NOUNS = (
    "  1 This software and database is being provided to you\n"
    "00002137 03 n 02 abstraction 0 abstract_entity 0 002 @ 00001740 n 0000 ~ 00023100 n 0000 | a general concept  \n"
    '14633206 27 n 03 gold 1 Au 0 atomic_number_79 0 001 @ 14625458 n 0000 | a soft yellow metal; "it is | gold"  \n'
)
ADJECTIVES = "00003131 00 a 02 adducting(a) 0 ready_to_hand(p) 0 000 | drawing toward  \n"


def test_a_dictionary_gives_words_with_their_meaning(tmp_path):
    for part, lines in {"noun": NOUNS, "verb": "", "adj": ADJECTIVES, "adv": ""}.items():
        (tmp_path / f"data.{part}").write_text(lines, "latin-1")
    found = list(texts.wordnet(tmp_path))
    assert found == [
        ("abstraction, abstract entity", "a general concept"),
        ("gold, Au, atomic number 79", 'a soft yellow metal; "it is | gold"'),
        ("adducting, ready to hand", "drawing toward"),
    ]
    assert list(texts.entries(found, together=2)) == [
        'abstraction, abstract entity: a general concept. gold, Au, atomic number 79: a soft yellow metal; "it is | gold".',
        "adducting, ready to hand: drawing toward.",
    ]


def test_a_dictionary_that_is_not_there_is_named_with_where_to_get_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"data\.noun is not there; .*wordnet"):
        list(texts.wordnet(tmp_path))


@pytest.mark.parametrize(
    "line", ["gold: a metal", "00002137 03 n 00  0 000 | nothing", "00002137 03 n 02 abstraction 0"]
)
def test_a_file_that_is_no_dictionary_is_refused_with_its_line(tmp_path, line):
    (tmp_path / "data.noun").write_text(NOUNS + line + "\n", "latin-1")
    with pytest.raises(ValueError, match=r"data\.noun, line 4: expected WordNet's"):
        list(texts.wordnet(tmp_path))
