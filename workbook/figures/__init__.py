"""Figures that show the same thing live, stored and read aloud.

show(fig)                                               a figure
explore(function, temperature=[0.01, 0.05, 0.1])        one that the reader can change

A function here knows its alternative text and gives it to `theme.figure`; a figure of the reader's own takes it as alt="…".
"""

from workbook.figures.engine import explore, show

__all__ = ["explore", "show"]
