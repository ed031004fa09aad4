"""A text whose words can be clicked: how many may change until nobody notices. It works on a page without a kernel.

The page computes what `how_many_words` of `workbook.figures.training_data` draws, in the browser; a test holds both equal.
"""

import html
import itertools
import json
import re
from string import Template

from workbook.figures.training_data import INSTEAD

_number = itertools.count()

PAGE = Template("""
<div id="$id" class="click-words" data-words='$words' data-instead='$instead'>
<style>
  .click-words { max-width: 720px; font: 16px/1.6 var(--jp-content-font-family, sans-serif); color: var(--jp-content-font-color1, CanvasText) }
  .click-words button { font: inherit; color: inherit; background: none; border: 0; border-bottom: 1px dotted; margin: 0 .15em; padding: .1em .2em; min-height: 34px; cursor: pointer }
  .click-words button[aria-pressed=true] { font-weight: bold; border-bottom: 3px solid #D55E00 }
  .click-words .runs { display: flex; flex-wrap: wrap; gap: 4px; margin: 12px 0; font-size: 18px }
  .click-words .whole { color: #009E73 } .click-words .broken { color: #D55E00 }
</style>
<div class="text">$text</div>
<div class="runs" aria-hidden="true"></div>
<div class="says" aria-live="polite">Run this cell, and each word can be clicked.</div>
<script>
(() => {
  const box = document.getElementById("$id"), words = JSON.parse(box.dataset.words), instead = JSON.parse(box.dataset.instead);
  const changed = new Map();  // place -> the word that stands there now
  const split = text => text.toLowerCase().match(/[\\p{L}\\p{N}_]+/gu) || [];
  const runs = (all, size) => Array.from({length: Math.max(all.length - size + 1, 0)}, (_, i) => all.slice(i, i + size).join(" "));
  const shingles = all => all.length && all.length < 4 ? [all.join(" ")] : runs(all, 4);
  const own = split(words.join(" ")), ownRuns = new Set(shingles(own)), ownLong = new Set(runs(own, $ngram));
  const draw = () => {
    const copy = split(words.map((word, i) => changed.get(i) ?? word).join(" ")), copyRuns = shingles(copy);
    const both = [...new Set(copyRuns)].filter(run => ownRuns.has(run)).length, all = new Set([...copyRuns, ...ownRuns]).size;
    const J = all ? both / all : 0, chance = 1 - (1 - J ** $rows) ** $bands;
    const why = copy.join(" ") === own.join(" ") ? "equal" : runs(copy, $ngram).some(run => ownLong.has(run)) ? "shared words" : J >= $threshold ? "near-duplicate" : "";
    box.querySelectorAll("button").forEach((button, i) => {
      button.textContent = changed.get(i) ?? words[i];
      button.setAttribute("aria-pressed", changed.has(i));
    });
    box.querySelector(".runs").innerHTML = copyRuns.map(run => ownRuns.has(run) ? '<span class="whole">■</span>' : '<span class="broken">✖</span>').join("");
    box.querySelector(".says").textContent = changed.size + " of " + words.length + " words changed: J " + J.toFixed(2) + ", the same band in "
      + (100 * chance).toFixed(0) + " % of random numberings; decontaminate " + (why ? "drops it (" + why + ")" : "keeps it");
  };
  box.querySelector(".text").textContent = "";
  words.forEach((word, i) => {
    const button = document.createElement("button");
    button.onclick = () => { changed.has(i) ? changed.delete(i) : changed.set(i, instead[i % instead.length]); draw(); };
    box.querySelector(".text").append(button);
  });
  draw();
})();
</script>
</div>
""")


class ClickWords:
    """A text as a row of buttons; Jupyter draws it, and prints one line where no page is."""

    def __init__(self, text: str, bands: int = 20, rows: int = 5, ngram: int = 13, threshold: float = 0.8):
        """Prepare the page.

        Args:
            text: the test text, words parted by blanks.
            bands, rows: how the signature of an index is cut.
            ngram, threshold: as in `workbook.training_data.decontaminate`.
        Raises:
            ValueError: the text has no word.
        """
        if not re.search(r"\w", text):
            raise ValueError(f"expected a text with a word in it, got {text!r}")
        self.words = text.split()
        self.settings = {"bands": bands, "rows": rows, "ngram": ngram, "threshold": threshold}

    def __repr__(self) -> str:
        return f"click_words: a page on which each of {len(self.words)} words can be exchanged"

    def _repr_html_(self) -> str:
        words, instead = (html.escape(json.dumps(each, ensure_ascii=False)) for each in (self.words, INSTEAD))
        text = html.escape(
            " ".join(self.words)
        )  # what is seen where no script runs, as in a notebook that is not trusted
        return PAGE.substitute(
            self.settings, id=f"click-words-{next(_number)}", words=words, instead=instead, text=text
        )


def click_words(text: str) -> ClickWords:
    """A text whose words the reader exchanges by a click, its runs of four words below, and who still notices."""
    return ClickWords(text)
