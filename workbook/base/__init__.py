"""The base encoder of the workbook: how `datasets/base` is made, measured and described.

    python -m workbook base

Taught in 10, 11 and 15.
"""

from workbook.base.make import Plan, make_base, make_start

__all__ = ["Plan", "make_base", "make_start"]
