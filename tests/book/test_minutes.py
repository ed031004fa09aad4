"""The minutes of a chapter are counted, and what goes further is folded and counted by itself."""

import jupytext

from workbook.book.minutes import fill_in, sections
from workbook.exercises import EXERCISES

SOURCE = """# %% [markdown]
# # 00 · A chapter
#
# It takes {minutes} minutes.

# %% [markdown]
# ## Build it

# %%
# Exercise 00.1 · keyword search in one line · easy · 4 min
def shared_words(query, passage):
    pass

# %%
quiz("00.q1", "00.q2")

# %% [markdown]
# ## Further: more of it
#
# WORDS
# {minutes} minutes more.

# %% [markdown]
# ## Recap
"""


def test_minutes_are_the_exercises_the_questions_and_the_words():
    cells = jupytext.reads(SOURCE.replace("WORDS", "word " * 540), fmt="py:percent").cells
    fill_in(cells)
    assert f"It takes {EXERCISES['00.1'].minutes + 2} minutes." in cells[0].source
    further = next(cell for cell in cells if "Further" in cell.source)
    assert "3 minutes more." in further.source
    assert further.metadata["jp-MarkdownHeadingCollapsed"] is True
    assert not any("jp-MarkdownHeadingCollapsed" in cell.metadata for cell in cells if cell is not further)


def test_a_further_section_ends_at_the_next_heading():
    core, further = sections(jupytext.reads(SOURCE, fmt="py:percent").cells)
    assert core[-1].source == "## Recap"
    assert len(further) == 1
