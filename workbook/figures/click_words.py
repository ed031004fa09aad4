"""A text whose words can be clicked: how many may change until nobody notices. It works on a page without a kernel.

The page computes what `how_many_words` of `workbook.figures.training_data` draws, in the browser; a test holds both equal.
"""

import html
import itertools
import json
import re
from string import Template
from typing import TYPE_CHECKING

from workbook.figures.training_data import INSTEAD

if TYPE_CHECKING:
    from IPython.display import HTML

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
  const BANDS = 20, ROWS = 5, LONG = 13, NEAR = 0.8;  // of the index, and of decontaminate
  const box = document.getElementById("$id"), words = JSON.parse(box.dataset.words), instead = JSON.parse(box.dataset.instead);
  const changed = new Map();  // place -> the word that stands there now
  const split = text => text.toLowerCase().match(/[\\p{L}\\p{N}_]+/gu) || [];
  const runs = (all, size) => Array.from({length: Math.max(all.length - size + 1, 0)}, (_, i) => all.slice(i, i + size).join(" "));
  const shingles = all => all.length && all.length < 4 ? [all.join(" ")] : runs(all, 4);
  const own = split(words.join(" ")), ownRuns = new Set(shingles(own)), ownLong = new Set(runs(own, LONG));
  const draw = () => {
    const copy = split(words.map((word, i) => changed.get(i) ?? word).join(" ")), copyRuns = shingles(copy);
    const both = [...new Set(copyRuns)].filter(run => ownRuns.has(run)).length, all = new Set([...copyRuns, ...ownRuns]).size;
    const J = all ? both / all : 0, chance = 1 - (1 - J ** ROWS) ** BANDS;
    const why = copy.join(" ") === own.join(" ") ? "equal" : runs(copy, LONG).some(run => ownLong.has(run)) ? "shared words" : J >= NEAR ? "near-duplicate" : "";
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


def click_words(text: str) -> "HTML":
    """A text whose words the reader exchanges by a click, its runs of four words below, and who still notices.

    Args:
        text: the test text, words parted by blanks.
    Returns:
        what Jupyter draws; where no script runs, as in a notebook that is not trusted, the text alone.
    Raises:
        ValueError: the text has no word.
    """
    from IPython.display import HTML

    if not re.search(r"\w", text):
        raise ValueError(f"expected a text with a word in it, got {text!r}")
    words = text.split()
    data, instead = (html.escape(json.dumps(each, ensure_ascii=False)) for each in (words, INSTEAD))
    text = html.escape(" ".join(words))
    return HTML(PAGE.substitute(id=f"click-words-{next(_number)}", words=data, instead=instead, text=text))
