"""The page on which words are clicked says what the package says, without a kernel."""

import re

import pytest

from tests.helpers.lab import page, require_chromium
from workbook.figures.click_words import click_words
from workbook.figures.training_data import INSTEAD, runs_of
from workbook.training_data import chance_to_meet, decontaminate, jaccard, shingles

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]

TEXTS = (
    "Whether a copy is found depends on how long it is and on how many of its words somebody has changed",
    "So kurz, so gut: Übung macht's.",
    "a <b>few</b> signs & 'quotes' of \"one\" line",
    "short text",
    " ".join(f"word{i}" for i in range(60)),
)


@pytest.fixture(scope="module")
def view():
    require_chromium()
    with page(900, 700) as view:
        yield view


def expected(text, places):
    """What the package says of the text with the words at these places exchanged."""
    words = text.split()
    copy = " ".join(INSTEAD[i % len(INSTEAD)] if i in places else word for i, word in enumerate(words))
    J = jaccard(shingles(text), shingles(copy))
    dropped = decontaminate([(copy,)], {"test": text}).dropped
    says = f"drops it ({dropped[0].why})" if dropped else "keeps it"
    told = f"{len(places)} of {len(words)} words changed: J {J:.2f}, the same band in {100 * chance_to_meet(J, 20, 5):.0f} %"
    kept = [run in set(runs_of(text)) for run in runs_of(copy)]
    return f"{told} of random numberings; decontaminate {says}", "".join("■" if k else "✖" for k in kept)


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_each_click_says_what_the_package_says(view, text):
    view.set_content(click_words(text).data)
    box, places = view.locator(".click-words"), set()
    last = len(text.split()) - 1
    for place in (None, 0, last, last // 2, 0, *range(1, last, 7)):
        if place is not None:
            box.locator("button").nth(place).click()
            places ^= {place}
        says, runs = expected(text, places)
        assert box.locator(".says").inner_text() == says
        assert re.sub(r"\s", "", box.locator(".runs").inner_text()) == runs
        assert box.locator("button[aria-pressed=true]").count() == len(places)
    assert view.errors == []


def test_two_on_one_page_do_not_meet(view):
    view.set_content(click_words("one two three four five").data + click_words("six seven").data)
    first, second = view.locator(".click-words").nth(0), view.locator(".click-words").nth(1)
    first.locator("button").nth(1).click()
    assert first.locator(".says").inner_text().startswith("1 of 5")
    assert second.locator(".says").inner_text().startswith("0 of 2")
    second.locator("button").nth(0).press("Enter")
    assert second.locator(".says").inner_text().startswith("1 of 2")


def test_a_text_without_words_is_refused():
    with pytest.raises(ValueError, match="a text with a word in it"):
        click_words(" … ")


def test_where_no_script_runs_the_text_is_there(view):
    page = re.sub(r"<script>.*</script>", "", click_words("one & two three").data, flags=re.DOTALL)
    view.set_content(page)
    assert view.locator(".click-words .text").inner_text() == "one & two three"
    assert "Run this cell" in view.locator(".click-words .says").inner_text()
