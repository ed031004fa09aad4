"""Figures that show the same thing live, stored and read aloud.

show(fig, alt="what it shows")
explore(function, alt="what it shows and how it changes", temperature=[0.01, 0.05, 0.1])
"""

from workbook.figures.engine import explore, show

__all__ = ["explore", "show"]
