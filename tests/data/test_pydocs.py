"""The collection out of installed packages: what is read, what is passed over, and that nothing leaks."""

import os
import random
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbook.data import load, pydocs
from workbook.training_data.near_duplicates import near_duplicates

WORDS = [
    f"{a}{b}" for a in ("ka", "lo", "mi", "nu", "pe", "ri", "so", "tu") for b in ("ban", "dek", "fil", "gor", "hum")
]


def prose(seed: int, count: int = 60) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=count))


def function(name: str, title: str, body: str, code: str = "return 0") -> str:
    return f'def {name}(x):\n    """{title}.\n\n    {body}\n    """\n    {code}\n\n\n'


def package(tmp_path: Path, **files: str | bytes) -> dict[str, Path]:
    """A folder "sample" with a file for each keyword."""
    folder = tmp_path / "sample"
    folder.mkdir()
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (folder / f"{name}.py").write_bytes(data)
    return {"sample": folder}


def read(text: str | bytes, tmp_path: Path) -> list[pydocs.Documented]:
    report: Counter[str] = Counter()
    return list(pydocs.read_package("sample", package(tmp_path, module=text)["sample"], report))


# --- what a documented object gives -------------------------------------------------------------


def test_the_first_sentence_is_the_title_the_rest_the_body_and_the_code_has_no_docstring(tmp_path):
    text = (
        "@cached\n"
        "def mean(x):\n"
        '    """Compute the mean\n'
        "    of an array. Empty arrays are refused.\n\n"
        "    Parameters\n    ----------\n    x : array\n        What to average, of any shape, in any precision.\n"
        '    """\n'
        "    total = sum(x)  # a comment\n\n"
        "    return total / len(x)\n"
    )
    (found,) = read(text, tmp_path)
    assert found.name == "sample.module.mean"
    assert found.title == "Compute the mean of an array"
    assert found.body == (
        "Empty arrays are refused.\nParameters\nx : array\n What to average, of any shape, in any precision."
    )
    assert found.code == "def mean(x):\n    total = sum(x)  # a comment\n    return total / len(x)"


def test_classes_methods_and_definitions_under_a_condition_are_read_and_private_ones_are_not(tmp_path):
    body = prose(0)
    text = (
        "if True:\n"
        f'    class Shape:\n        """A shape in space.\n\n        {body}\n        """\n\n'
        f'        def area(self):\n            """Compute the surface area.\n\n            {body}\n            """\n'
        "            return 1\n\n"
        f'        def _hidden(self):\n            """Compute something hidden here.\n\n            {body}\n            """\n'
        "            return 2\n"
    )
    assert [found.name for found in read(text, tmp_path)] == ["sample.module.Shape", "sample.module.Shape.area"]


@pytest.mark.parametrize(
    "title", ["Too short", "x : int", ":param x: the value of something", "size (`int`) how many there are"]
)
def test_what_is_no_sentence_is_no_query(tmp_path, title):
    assert read(function("f", title, prose(0)), tmp_path) == []


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_the_code_is_cut_at_the_right_lines_whatever_ends_a_line(tmp_path, newline):
    text = function("f", "Return the number zero", prose(0), "a = '\x0c\x1c\u2028'\n    return a")
    (found,) = read(text.replace("\n", newline).encode(), tmp_path)
    assert found.code == "def f(x):\n    a = '\x0c\x1c\u2028'\n    return a"


def test_a_form_feed_between_two_functions_does_not_move_the_lines_of_the_second(tmp_path):
    text = (
        function("f", "Return the number zero", prose(0)) + "\x0c\n" + function("g", "Return the number one", prose(1))
    )
    assert [found.code for found in read(text, tmp_path)] == ["def f(x):\n    return 0", "def g(x):\n    return 0"]


def test_a_byte_order_mark_is_no_syntax_error(tmp_path):
    (found,) = read(b"\xef\xbb\xbf" + function("f", "Return the number zero", prose(0)).encode(), tmp_path)
    assert found.title == "Return the number zero"


# --- what is passed over ------------------------------------------------------------------------


def test_broken_empty_huge_and_undecodable_files_are_counted_and_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(pydocs, "MAX_FILE_BYTES", 5_000)
    sources = package(
        tmp_path,
        good=function("f", "Return the number zero", prose(0)),
        broken="def f(:\n",
        nul="x = 1\x00\n",
        empty="",
        huge="# " + "x" * 6_000,
        latin="# caf\xe9".encode("latin-1"),
        deep="(" * 1_000 + ")" * 1_000,
        test_skipped=function("g", "Return the number one", prose(1)),
    )
    (sources["sample"] / "dangling.py").symlink_to(tmp_path / "nowhere.py")
    (sources["sample"] / "tests").mkdir()
    (sources["sample"] / "tests/more.py").write_text(function("h", "Return the number two", prose(2)), "utf-8")
    contents = pydocs.build(sources)
    assert list(contents["body"]) == ["sample.good.f"]
    assert contents["report"] == {
        "empty files": 1,
        "files not in UTF-8": 1,
        "files read": 1,
        "files that cannot be read": 1,
        "files that do not parse": 3,
        "huge files": 1,
        "passages": 1,
        "queries": 1,
    }


def test_nothing_is_imported_and_nothing_is_run(tmp_path):
    trap, before = tmp_path / "it ran", set(sys.modules)
    text = f"open({str(trap)!r}, 'w')\n" + function("f", "Return the number zero", prose(0))
    assert len(pydocs.build(package(tmp_path, module=text))["body"]) == 1
    assert not trap.exists()
    assert not {name for name in set(sys.modules) - before if name.split(".")[0] == "sample"}


def test_a_package_of_the_same_name_in_the_current_folder_is_not_read(tmp_path, monkeypatch):
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy/__init__.py").write_text("raise SystemExit", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert tmp_path not in pydocs.sources()["numpy"].parents


# --- titles, passages, judgements ---------------------------------------------------------------


def test_one_query_for_a_title_with_every_passage_that_stands_under_it(tmp_path):
    text = function("f", "Return the same number", prose(0)) + function("g", "Return the same number", prose(1))
    contents = pydocs.build(package(tmp_path, module=text))
    assert list(contents["queries"].values()) == ["Return the same number"]
    assert list(contents["qrels"].values()) == [["sample.module.f", "sample.module.g"]]


def test_a_passage_that_stands_twice_is_one_passage_and_answers_both_titles(tmp_path):
    text = function("f", "Return the first number", prose(0)) + function("g", "Return another number", prose(0))
    contents = pydocs.build(package(tmp_path, module=text))
    assert list(contents["body"]) == ["sample.module.f"]
    assert sorted(contents["queries"].values()) == ["Return another number", "Return the first number"]
    assert set(map(tuple, contents["qrels"].values())) == {("sample.module.f",)}
    assert contents["report"]["repeated passages"] == 1


def test_two_objects_of_one_name_are_both_kept(tmp_path):
    text = function("f", "Return the first number", prose(0)) + function("f", "Return another number", prose(1))
    assert list(pydocs.build(package(tmp_path, module=text))["body"]) == ["sample.module.f", "sample.module.f'"]


# --- splits -------------------------------------------------------------------------------------


def changed(text: str, words: int, seed: int) -> str:
    """The text with some of its words replaced."""
    rng, parts = random.Random(seed), text.split()
    for place in rng.sample(range(len(parts)), words):
        parts[place] = f"other{seed}"
    return " ".join(parts)


def group_of(contents: dict, name: str) -> str:
    query = next(query for query, passages in contents["qrels"].items() if name in passages)
    return next(split for split, queries in contents["splits"].items() if query in queries)


def test_planted_near_duplicates_stand_in_the_same_split(tmp_path):
    """200 pairs of look-alikes: in their bodies, or only in their code. None may be torn apart."""
    lines = []
    for i in range(200):
        code = f"return '{prose(1_000 + i, 40)}'"
        if i % 2:  # alike in the body
            twins = (prose(i), code), (changed(prose(i), 1, i), f"return '{prose(5_000 + i, 40)}'")
        else:  # alike in the code
            twins = (prose(i), code), (prose(9_000 + i), code.replace("return", "yield"))
        for side, (body, statement) in zip("ab", twins, strict=True):
            lines.append(function(f"f{i}{side}", f"Compute the number {i} {side}", body, statement))
    contents = pydocs.build(package(tmp_path, module="".join(lines)))
    splits = Counter(group_of(contents, f"sample.module.f{i}a") for i in range(200))
    assert splits["test"] > 10 < splits["train"]  # otherwise nothing is proven
    for i in range(200):
        a, b = (group_of(contents, f"sample.module.f{i}{side}") for side in "ab")
        assert a == b, f"pair {i} is torn apart: {a}, {b}"


def test_different_texts_are_different_groups():
    texts = {str(i): prose(i) for i in range(300)}
    assert len(set(near_duplicates(texts).values())) == 300


@pytest.mark.parametrize(("words", "expected"), [(1, 0.97), (3, 0.75)])
def test_most_texts_with_few_words_changed_are_found(words, expected):
    found = 0
    for i in range(100):
        groups = near_duplicates({"a": prose(i), "b": changed(prose(i), words, i)})
        found += groups["a"] == groups["b"]
    assert found >= 100 * expected


@given(st.lists(st.text(alphabet="abc \n", max_size=30), max_size=12))
def test_equal_texts_are_always_in_one_group(texts):
    named = dict(enumerate(texts)) | {-1 - i: text for i, text in enumerate(texts)}
    groups = near_duplicates(named)  # type: ignore[arg-type]
    assert all(groups[i] == groups[-1 - i] for i in range(len(texts)))


def test_held_out_packages_stand_in_no_other_split(tmp_path, monkeypatch):
    monkeypatch.setattr(pydocs, "HELD_OUT", ("away",))
    sources = {}
    for first, name in ((0, "home"), (500, "away")):
        sources[name] = tmp_path / name
        sources[name].mkdir()
        text = "".join(
            function(f"f{i}", f"Compute {name} number {i}", prose(i), f"return {prose(2_000 + i)!r}")
            for i in range(first, first + 40)
        )
        (sources[name] / "m.py").write_text(text, "utf-8")
    contents = pydocs.build(sources)
    for split, queries in contents["splits"].items():
        packages = {passage.split(".")[0] for query in queries for passage in contents["qrels"][query]}
        assert packages <= ({"away"} if split == "held_out" else {"home"})
    assert len(contents["splits"]["held_out"]) == 40


def test_every_query_stands_in_exactly_one_split_and_two_builds_are_equal(tmp_path):
    text = "".join(function(f"f{i}", f"Compute the number {i}", prose(i)) for i in range(100))
    sources = package(tmp_path, module=text)
    contents = pydocs.build(sources)
    dealt = [query for queries in contents["splits"].values() for query in queries]
    assert sorted(dealt) == sorted(contents["queries"])
    sizes = {name: len(queries) for name, queries in contents["splits"].items()}
    assert sizes["train"] > 70
    assert sizes["dev"] > 0 < sizes["test"]
    assert sizes["held_out"] == 0
    assert pydocs.build(sources) == contents


def test_another_version_of_a_package_moves_no_text_to_another_split(tmp_path):
    """60 functions are gone, 300 new ones stand between the others, and all lie in another file."""
    old = [function(f"f{i}", f"Compute the number {i}", prose(i)) for i in range(300)]
    new = [function(f"g{i}", f"Return the entry {i}", prose(4_000 + i)) for i in range(300)]
    later = [text for both in zip(new, old, strict=True) for text in both][:480]
    splits = []
    for version, functions in (("module", old), ("renamed", later)):
        (tmp_path / version).mkdir()
        contents = pydocs.build(package(tmp_path / version, **{version: "".join(functions)}))
        split_of = {query: split for split, queries in contents["splits"].items() for query in queries}
        splits.append({contents["queries"][query]: split for query, split in split_of.items()})
    both = splits[0].keys() & splits[1].keys()
    assert len(both) == 240
    assert {title for title in both if splits[0][title] != splits[1][title]} == set()


def test_a_group_that_grows_keeps_its_place_unless_the_newcomer_speaks_for_it():
    moved = 0
    for i in range(300):
        titles = [f"{i} {part}" for part in ("a", "b", "c")]
        place = pydocs.place_of(titles)
        assert place == pydocs.place_of(reversed(titles))
        moved += place != pydocs.place_of([*titles, f"{i} d"])
    assert 45 < moved < 105  # one of four speaks
    places = [pydocs.place_of(f"{i} {part}" for part in range(20)) for i in range(2_000)]
    assert 0.06 < sum(place < 0.08 for place in places) / 2_000 < 0.10  # a large group is in the test no more often


# --- the cache ----------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path, monkeypatch):
    """The collection of one small package, with a cache of its own; counts how often it is built."""
    text = "".join(function(f"f{i}", f"Compute the number {i}", prose(i)) for i in range(30))
    sources = package(tmp_path, module=text)
    monkeypatch.setenv("WORKBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pydocs, "sources", lambda: sources)
    built = []
    build = pydocs.build
    monkeypatch.setattr(pydocs, "build", lambda sources: built.append(1) or build(sources))
    return built


def test_it_is_built_once_and_then_read_from_the_cache(small):
    assert not pydocs.is_cached()
    first = pydocs.load_pydocs()
    assert pydocs.is_cached()
    assert pydocs.load_pydocs() == first
    assert len(small) == 1
    assert pydocs.report()["files read"] == 1


@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: data[:-9] + b"x" * 9]
)
def test_a_damaged_cache_is_built_anew(small, damage):
    first = pydocs.load_pydocs()
    path = pydocs.cache_path()
    path.write_bytes(damage(path.read_bytes()))
    assert pydocs.load_pydocs() == first
    assert len(small) == 2
    assert pydocs.is_cached()


def test_a_kill_while_writing_leaves_no_cache_and_no_harm(small, monkeypatch):
    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        pydocs.load_pydocs()
    monkeypatch.undo()
    assert not list(pydocs.cache_path().parent.glob("*.tmp"))


def test_a_full_disk_costs_the_cache_and_not_the_collection(small, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(UserWarning, match="could not be kept in .*No space left.*WORKBOOK_CACHE"):
        assert len(pydocs.load_pydocs().corpus) == 30


def test_other_versions_are_another_cache(small, monkeypatch):
    before = pydocs.cache_path()
    monkeypatch.setattr(pydocs, "versions", lambda: "python 9.9.9")
    assert pydocs.cache_path() != before


# --- the real one -------------------------------------------------------------------------------


def test_the_real_collection_is_large_clean_and_split(monkeypatch):
    docs, code = load("pydocs"), load("pydocs-code")
    assert len(docs.corpus) > 15_000 < len(code.corpus)
    assert len(docs.splits["test"]) >= 1_000
    assert len(docs.splits["held_out"]) >= 500
    assert "numpy" in docs.fingerprint
    assert docs.fingerprint != code.fingerprint
    assert pydocs.report()["files read"] > 5_000
    for collection in (docs, code):
        assert all(text.strip() for text in collection.corpus.values())
        trained = {p for q in collection.splits["train"] for p in collection.qrels[q]}
        for split in ("dev", "test", "held_out"):
            asked = {p for q in collection.splits[split] for p in collection.qrels[q]}
            assert not trained & asked, f"{collection.name}: a passage of {split} stands in train"
            same = {collection.corpus[p] for p in trained} & {collection.corpus[p] for p in asked}
            assert not same, f"{collection.name}: a text of {split} stands in train under another name"
