"""Ruled data: what rules make is what the rule says, and never more."""

import pytest

from workbook.training_data import keyword_queries, rule_paraphrases

CORPUS = {
    "a": "The heart pumps blood. The heart beats.",
    "b": "The lungs take in air, and the heart is near.",
    "c": "of the and",
}


def test_keywords_are_the_words_that_others_lack_in_the_order_of_the_text():
    # "heart" stands in two of three passages but twice in the first: 2 · log(3/2) = .81, below log(3) = 1.10.
    assert keyword_queries(CORPUS, 2) == {"a": "pumps blood", "b": "lungs take"}
    assert keyword_queries(CORPUS, 9)["a"] == "heart pumps blood beats"
    with pytest.raises(ValueError, match="num_words"):
        keyword_queries(CORPUS, 0)


def test_every_keyword_stands_in_its_passage():
    for passage, query in keyword_queries(CORPUS).items():
        assert set(query.split()) <= set(CORPUS[passage].lower().replace(".", "").replace(",", "").split())


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            "Returns the size of a list.",
            ["gives back the size of a list.", "a list: Returns the size", "Returns size list"],
        ),
        ("size of lists", ["lists: size", "size lists"]),
        ("heart attack", []),
        ("the of", []),
        ("", []),
    ],
)
def test_paraphrases_by_rule(query, expected):
    assert rule_paraphrases(query) == expected


def test_synonyms_are_whole_words_and_may_be_given():
    assert rule_paraphrases("gas leak", {"gas": "fuel"}) == ["fuel leak"]
    assert rule_paraphrases("gasoline", {"gas": "fuel"}) == []
