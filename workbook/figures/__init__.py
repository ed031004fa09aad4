"""Figures: one call, two renderings.

    show(fig, alt="…")                                   a figure with its description
    explore(function, alt="…", temperature=[0.01, …])    a figure with a control for each parameter

The families of figures stand beside this file, one module for each chapter. Taught in 00.
"""

from workbook.figures.engine import explore, show

__all__ = ["explore", "show"]
