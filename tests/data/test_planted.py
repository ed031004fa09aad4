"""The planted corpus as text: the same everywhere, the same at every size, from any point, and in English."""

import hashlib
import itertools
import os
import re
import subprocess
import sys
from collections import Counter
from statistics import mean, quantiles

import numpy as np
import pytest

from workbook import data
from workbook.data.planted import names, planted, write_beir, write_msmarco
from workbook.data.planted.draws import FAMILY, PASSAGE, draw, draws
from workbook.data.planted.fillers import about, around, boilerplate, introductions
from workbook.data.planted.kinds import KINDS
from workbook.data.planted.passages import BLOCK, get_family, make_block
from workbook.data.planted.values import VALUES
from workbook.data.planted.world import NAMESAKE
from workbook.support.content_words import content_words

FACETS = [(kind, facet) for kind in KINDS for facet in kind.facets]
IDS = [f"{kind.name}, {facet.name}" for kind, facet in FACETS]


def digest(corpus) -> str:
    sha = hashlib.sha256()
    for texts in (corpus.passages(), corpus.queries(), corpus.qrels("train").items()):
        for row in texts:
            sha.update(repr(row).encode())
    return sha.hexdigest()


# --- the same bytes ------------------------------------------------------------------------------


def test_another_process_with_another_hash_seed_makes_the_same_bytes():
    code = "from tests.data.test_planted import digest, planted; print(digest(planted(600, seed=7)))"
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": os.pathsep.join(sys.path)}
    other = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest(planted(600, seed=7))


def test_this_version_makes_these_bytes():
    assert digest(planted(1_500))[:16] == "f1179e9b77bd43f0", (
        "other texts need another VERSION in corpus.py, and the card anew"
    )


def test_the_first_passages_are_the_same_at_every_size():
    first = list(planted(300).passages())
    for size in (301, 5_000, 10_000_000):
        assert list(planted(size).passages(0, 300)) == first


def test_a_query_is_the_same_wherever_it_is_asked():
    small, large = planted(1_000), planted(3_000)
    shared = set(small.queries()) & set(large.queries())
    assert len(shared) > 100
    assert {id for id, _ in shared} == dict(small.queries()).keys() & dict(large.queries()).keys()


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 0), (0, 1), (255, 257), (100, 900), (256, 512), (999, 1_000), (1_000, 1_000)]
)
def test_a_stretch_is_a_slice(start, stop):
    corpus = planted(1_000)
    assert list(corpus.passages(start, stop)) == list(corpus.passages())[start:stop]
    assert [(str(i), corpus.passage(str(i))) for i in range(start, stop)] == list(corpus.passages(start, stop))


def test_the_end_of_ten_million_is_there_at_once():
    corpus = planted(10_000_000)
    make_block.cache_clear()
    last = list(corpus.passages(9_999_000))
    assert [id for id, _ in last] == [str(i) for i in range(9_999_000, 10_000_000)]
    assert make_block.cache_info().misses <= 5
    assert corpus.passage("9999999") == last[-1][1]


def test_another_seed_is_another_world_and_settings_are_told():
    assert not set(planted(500).passages()) & set(planted(500, seed=1).passages())
    one, other = ({t.name.short for n in range(300) for t in get_family(planted(seed=s).settings, n)} for s in (0, 1))
    assert not one & other
    assert planted(500).fingerprint != planted(500, seed=1).fingerprint != planted(501, seed=1).fingerprint
    assert "seed=1" in repr(planted(500, seed=1))


def test_a_number_written_otherwise_is_the_same_corpus():
    numbers = {"mean_words": 55, "near_duplicates": 0, "traps": np.float64(1) / 4, "drift": 1, "unlabelled": 0}
    plain = {"mean_words": 55.0, "near_duplicates": 0.0, "traps": 0.25, "drift": 1.0, "unlabelled": 0.0}
    assert planted(300, **numbers).fingerprint == planted(300, **plain).fingerprint
    assert repr(planted(300, **numbers)) == repr(planted(300, **plain))


def test_draws_of_many_are_the_draws_of_each():
    numbers = np.array([0, 1, 77, 2**40])
    many = draws(5, PASSAGE, numbers, 3)
    assert many.tolist() == [[draw(5, PASSAGE, number, i) for i in range(3)] for number in numbers.tolist()]
    assert (
        len(np.unique(np.concatenate([draws(0, FAMILY, np.arange(1_000), 4), draws(0, PASSAGE, np.arange(1_000), 4)])))
        == 8_000
    )


# --- names -----------------------------------------------------------------------------------------


def test_heads_can_be_told_apart_when_they_are_written_together():
    assert len(set(names.HEADS)) == len(names.HEADS) == 2_048
    for head in names.LOWER_HEADS:  # consonants, vowels, one consonant: the next head begins after it
        assert re.fullmatch(r"[^aeiou]+[aeiou]+[^aeiou]", head), head
        assert head not in names.AVOIDED
    assert all(tail[0] in "aeiou" for tail in names.TAILS)


@pytest.mark.slow
def test_every_pair_of_heads_is_given_once():
    assert len({names.scatter(number) for number in range(1 << 21)}) == 1 << 21


def test_names_are_unique_in_all_three_forms_but_for_the_namesake():
    settings = planted().settings
    forms: list[Counter] = [Counter(), Counter(), Counter()]
    for number in range(5_000):
        family = get_family(settings, number)
        assert family[NAMESAKE].name == family[0].name
        assert family[NAMESAKE].kind != family[0].kind == family[1].kind == family[2].kind
        assert family[0].name.full.split()[0] == family[1].name.full.split()[0]
        for thing in family[:NAMESAKE]:
            for form, name in zip(forms, thing.name, strict=True):
                form[name] += 1
    for form in forms:
        assert len(form) == 15_000


def test_the_forms_of_a_name_share_no_word():
    for number in range(500):
        for thing in get_family(planted().settings, number):
            for one, other in itertools.combinations(thing.name, 2):
                assert not content_words(one) & content_words(other)


# --- the hand-written words ------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "facet"), FACETS, ids=IDS)
def test_the_two_vocabularies_of_a_facet_share_no_word(kind, facet):
    first, second = (
        content_words(
            " ".join(
                [
                    *facet.wordings[2 * v : 2 * v + 2],
                    *facet.questions[2 * v : 2 * v + 2],
                    facet.keywords[v],
                    facet.nouns[v],
                ]
            )
        )
        for v in (0, 1)
    )
    assert first
    assert second
    assert not first & second


@pytest.mark.parametrize(("kind", "facet"), FACETS, ids=IDS)
def test_a_facet_is_written_as_the_generator_needs_it(kind, facet):
    for wording in facet.wordings:
        assert wording.count("{v}") == 1
        assert wording.count("{S}") + wording.count("{s}") == 1
        assert wording.endswith(".")
    for wording in facet.wordings[::2]:  # these serve for denials and comparisons, and take "It" as a subject
        assert wording.startswith("{S} ")
    for question in facet.questions:
        assert question.count("{s}") == 1
        assert question.endswith("?")
    assert all(noun.count("{s}") == 1 for noun in facet.nouns)
    assert content_words(facet.keywords[0]) & content_words(" ".join(facet.wordings[:2]))
    assert content_words(facet.keywords[1]) & content_words(" ".join(facet.wordings[2:]))


def test_no_two_facets_of_a_kind_have_the_same_sort_of_value():
    for kind in KINDS:
        assert len({facet.values for facet in kind.facets}) == len(kind.facets) == 6
    assert sum(kind.share for kind in KINDS) == pytest.approx(1)


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_remarks_hold_no_value_that_is_asked_for(kind):
    said = " ".join([*about(kind.name), *around(kind.name), *boilerplate(kind.name), *introductions(kind.name)])
    said = re.sub(
        r"(?:January|February|March|April|May|June|July|August|September|October|November|December) 20\d\d", "", said
    )
    numbers = set(re.findall(r"\b\d[\d,.]*\b", said))
    for facet in kind.facets:
        for value in VALUES.get(facet.values, ([], []))[0]:
            if value[0].isdigit():
                assert value.split()[0] not in numbers or " " in value, (facet.name, value)
            else:
                assert not re.search(rf"\b{re.escape(value)}\b", said), (facet.name, value)


def test_what_is_a_town_famous_for_is_not_answered_by_a_remark():
    for sentence in (*about("town"), *about("festival")):
        assert not re.search(r"\bfam(?:e|ous)\b|\bknown for\b|\battract|high point", sentence), sentence


# --- English -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def texts() -> list[str]:
    corpus = planted(8_000, seed=3)
    return [text for _, text in corpus.passages()]


def faults(text: str) -> list[str]:
    """What is wrong with a text, as far as a pattern can see."""
    patterns = {
        "two spaces": r"  ",
        "a space at an end": r"^\s|\s$",
        "a space before a mark": r" [,.;:?)]",
        "no space behind a mark": r"[,;:?][A-Za-z]|[a-z][.][A-Z]",
        "two marks": r"[.,;:?]{2}",
        "a hole": r"[{}%\t\n]|None",
        "a small beginning": r"(?:^|[.?] )[a-z]",
        "a before a vowel": r"\b[Aa] [aeiouAEIO]",
        "an before a consonant": r"\b[Aa]n (?!hour)[^aeiouAEIOU]",
        "a word twice": r"\b([a-z]+) \1\b",
        "one verb of many": r"\b(?:slugs|floods|fires|strikes|crashes|lumps|wasps|recalls|shortages|overdoses) (?:comes|threatens)\b",
        "it of another": r"\b(?:devotes a chapter to|looks after) [^.]+\. It (?:has|is|may|keeps|must|needs)\b",
        "no end": r"[^.?]$",
    }
    return [name for name, pattern in patterns.items() if re.search(pattern, text)]


def test_passages_are_tidy_english(texts):
    for text in texts:
        assert not faults(text), (faults(text), text)


def test_long_and_short_ones_too():
    for words in (15, 300):
        for _, text in planted(600, mean_words=words).passages():
            assert not faults(text), (faults(text), text)


def test_queries_are_tidy_too():
    for _, text in planted(6_000, seed=3).queries():
        assert set(faults(text)) <= {"no end", "a small beginning"}, (faults(text), text)


def test_the_lint_sees_faults():
    for text in (
        "A event.",
        "It  is.",
        "it is.",
        "It is",
        "It is .",
        "An plant.",
        "It it is. the end.",
        "It is {x}.",
        "Slugs come when slugs threatens.",
        "A club looks after X. It is old.",
    ):
        assert faults(text), text


@pytest.mark.parametrize("mean_words", [20, 55, 150])
def test_passages_have_the_length_that_was_asked_for(mean_words):
    lengths = [len(text.split()) for _, text in planted(4_000, mean_words=mean_words).passages()]
    assert mean(lengths) == pytest.approx(mean_words, rel=0.06)
    tenths = quantiles(lengths, n=10)
    assert tenths[0] < 0.65 * mean_words
    assert tenths[-1] > 1.4 * mean_words


def test_words_keep_coming(texts):
    seen: set[str] = set()
    sizes = []
    for start in range(0, len(texts), 1_000):
        seen.update(itertools.chain.from_iterable(map(content_words, texts[start : start + 1_000])))
        sizes.append(len(seen))
    assert all(later - earlier > 500 for earlier, later in itertools.pairwise(sizes))


def test_no_remark_comes_twice_in_a_passage(texts):
    repeated = [text for text in texts if len(set(parts := re.split(r"(?<=[.?]) ", text))) < len(parts)]
    assert not repeated


# --- where topics drift ------------------------------------------------------------------------------


def kind_shares(corpus, blocks) -> np.ndarray:
    plans = [make_block(corpus.settings, block).plan for block in blocks]
    return np.bincount(np.concatenate([plan.kinds[:, 0] for plan in plans]), minlength=len(KINDS)) / (16 * len(plans))


def test_the_mix_of_topics_changes_as_much_as_it_is_told_to():
    def distance(drift: float, size: int) -> float:
        corpus = planted(size, drift=drift)
        blocks, quarter = size // BLOCK, max(size // BLOCK // 4, 1)
        first, last = kind_shares(corpus, range(quarter)), kind_shares(corpus, range(blocks - quarter, blocks))
        return float(np.abs(first - last).sum() / 2)

    for size in (25_600, 102_400):
        none, some, most = (distance(drift, size) for drift in (0, 0.5, 1))
        assert none < 0.08 < some < most
        assert most > 0.25


# --- as a collection, and as files -------------------------------------------------------------------


def test_load_gives_it_by_name_and_size_and_keeps_it():
    small = data.load("planted-300")
    assert small is data.load("planted-300")
    assert (small.name, len(small.corpus), len(small.queries)) == ("planted-300", 300, 150)
    assert small.corpus == dict(planted(300).passages())
    assert small.fingerprint == planted(300).fingerprint
    assert len(data.load("planted").corpus) == 10_000


@pytest.mark.parametrize("name", ["planted-", "planted-0", "planted-1e6", "planted-10x", "planted-99999999999"])
def test_load_refuses_a_size_that_is_none(name):
    with pytest.raises((FileNotFoundError, ValueError)):
        data.load(name)


def test_files_in_beir_layout_hold_the_collection(tmp_path):
    corpus = planted(700)
    read, made = data.load(write_beir(corpus, tmp_path / "planted")), corpus.collection()
    assert (read.corpus, read.queries, read.qrels, read.licence) == (
        made.corpus,
        made.queries,
        made.qrels,
        made.licence,
    )
    assert {split: set(ids) for split, ids in read.splits.items()} == {s: set(ids) for s, ids in made.splits.items()}


def test_files_in_ms_marco_layout_hold_the_collection(tmp_path):
    corpus = planted(700)
    folder, made = write_msmarco(corpus, tmp_path), corpus.collection()

    def rows(name: str) -> list[list[str]]:
        return [line.split("\t") for line in (folder / name).read_text("utf-8").splitlines()]

    assert dict(rows("collection.tsv")) == made.corpus
    for split, ids in made.splits.items():
        assert rows(f"queries.{split}.tsv") == [[id, made.queries[id]] for id in ids]
        judged = [[id, "0", passage, str(grade)] for id in ids for passage, grade in made.qrels[id].items()]
        assert rows(f"qrels.{split}.tsv") == judged


def test_a_file_is_whole_or_not_there(tmp_path, monkeypatch):
    corpus = planted(600)
    write_msmarco(corpus, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(os, "fsync", lambda file: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        write_msmarco(planted(900), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


# --- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_passages": 0}, r"num_passages must be a whole number from 1 to 16,777,216, got 0"),
        ({"num_passages": 2**24 + 1}, r"num_passages must be a whole number"),
        ({"num_passages": 1e4}, r"num_passages must be a whole number .*, got 10000.0"),
        ({"num_passages": True}, r"num_passages must be a whole number"),
        ({"seed": -1}, r"seed must be a whole number from 0"),
        ({"mean_words": 3}, r"mean_words must lie between 15 and 2,000, got 3"),
        ({"mean_words": float("nan")}, r"mean_words must lie between"),
        ({"near_duplicates": 0.6}, r"near_duplicates must lie between 0 and 0.5"),
        ({"traps": -0.1}, r"traps must lie between 0 and 1"),
        ({"drift": "much"}, r"drift must lie between 0 and 1, got 'much'"),
        ({"unlabelled": 1.1}, r"unlabelled must lie between"),
        ({"label_noise": 2}, r"label_noise must lie between"),
        ({"num_queries": 0}, r"num_queries must be a whole number"),
    ],
)
def test_a_setting_out_of_range_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        planted(**{"num_passages": 1_000, **settings})


def test_a_setting_that_there_is_not_is_refused():
    with pytest.raises(TypeError, match="trap"):
        planted(1_000, trap=0.1)


def test_more_queries_than_facts_are_refused_with_the_number_that_there_is():
    with pytest.raises(
        ValueError, match=r"1,000 passages state \d+ facts that can be asked for, and num_queries is 900"
    ):
        next(planted(1_000, num_queries=900).queries())
    with pytest.raises(ValueError, match="state 0 facts"):
        next(planted(1_000, traps=1).queries())


@pytest.mark.parametrize("settings", [{"traps": 0.5}, {"traps": 0.9}, {"near_duplicates": 0.5}])
def test_where_nothing_is_said_of_queries_there_are_as_many_as_there_are_facts(settings):
    corpus = planted(1_000, **settings)
    count = corpus.num_queries
    assert 0 < count < 500
    assert len(dict(corpus.queries())) == planted(1_000, num_queries=count, **settings).num_queries == count
    with pytest.raises(ValueError, match=rf"state {count} facts that can be asked for, and num_queries is {count + 1}"):
        next(planted(1_000, num_queries=count + 1, **settings).queries())


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (5, 4), (0, 1_001)])
def test_a_stretch_outside_is_refused(start, stop):
    with pytest.raises(ValueError, match="expected 0 ≤ start ≤ stop ≤ 1,000"):
        planted(1_000).passages(start, stop)


@pytest.mark.parametrize("id", ["1000", "-1", "x", "", "007", "٣", "9" * 30, "9" * 5_000])
def test_an_unknown_passage_is_refused(id):
    with pytest.raises(KeyError, match="no passage"):
        planted(1_000).passage(id)


@pytest.mark.parametrize("id", ["99999999", "-1", "x", "", "002", "9" * 30, "9" * 5_000])
def test_an_unknown_query_is_refused(id):
    with pytest.raises(KeyError, match="no query"):
        planted(1_000).query(id)


def test_an_unknown_split_is_refused():
    with pytest.raises(KeyError, match="planted has no split 'tset'; it has train, dev, test"):
        planted(1_000).qrels("tset")
    with pytest.raises(KeyError, match="no split"):
        planted(1_000).queries(split="tset")
