"""The word lists of `planted`: what is wrong with a file is said by file and place."""

import json
import re

import pytest

from workbook.data.planted import word_lists
from workbook.data.planted.kinds import KIND
from workbook.data.planted.word_lists import FOLDER, SENTENCES, read_words

KINDS_FILE = json.loads((FOLDER / "kinds.json").read_text("utf-8"))


def test_every_file_beside_the_card_is_one_that_is_read():
    assert {path.name for path in FOLDER.iterdir()} == {
        "CARD.md", "kinds.json", "words.json", "sentences.json", "values.json", "names.json",
    }  # fmt: skip


def test_no_list_holds_a_word_twice():
    def lists(value):
        if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
            yield value
        elif isinstance(value, list | dict):
            for inside in value.values() if isinstance(value, dict) else value:
                yield from lists(inside)

    for path in FOLDER.glob("*.json"):
        for words in lists(json.loads(path.read_text("utf-8"))):
            assert len(set(words)) == len(words), (path.name, words)


def without(key):
    return [{name: value for name, value in KINDS_FILE[0].items() if name != key}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "expected JSON in UTF-8"),
        (b"\xff", "expected JSON in UTF-8"),
        ("{}", "expected a list that is not empty, got {}"),
        ("[]", "expected a list that is not empty"),
        (without("share"), "entry 1: expected the keys name, nouns, share, facets, got name, nouns, facets"),
        ([KINDS_FILE[0] | {"nouns": ["plant", "herb"]}], "entry 1, nouns: expected 3 entries, got 2"),
        (
            [KINDS_FILE[0] | {"nouns": ["plant", "herb", ""]}],
            "entry 1, nouns, entry 3: expected a str that is not empty",
        ),
        ([KINDS_FILE[0], KINDS_FILE[1] | {"share": "a lot"}], "entry 2, share: expected a float"),
        ([KINDS_FILE[0] | {"facets": KINDS_FILE[0]["facets"][:5]}], "entry 1, facets: expected 6 entries, got 5"),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_named_with_the_place(tmp_path, monkeypatch, content, message):
    monkeypatch.setattr(word_lists, "FOLDER", tmp_path)
    content = content if isinstance(content, str | bytes) else json.dumps(content)
    (tmp_path / "kinds.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=f"{re.escape(str(tmp_path / 'kinds.json'))}.*{re.escape(message)}"):
        read_words("kinds.json", [KIND])


def test_a_missing_file_says_that_a_clone_has_it(tmp_path, monkeypatch):
    monkeypatch.setattr(word_lists, "FOLDER", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"sentences.json is not there; .* datasets/ of a clone"):
        read_words("sentences.json", SENTENCES)
