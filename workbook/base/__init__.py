"""The base encoder of the workbook: how `datasets/base` is made, measured and described.

    python -m workbook base
    load_cross_encoder().predict([(query, passage)])

Taught in 10, 11 and 15.
"""

from workbook.base.heads import load_colbert, load_cross_encoder
from workbook.base.make import Plan, make_base, make_start

__all__ = ["Plan", "load_colbert", "load_cross_encoder", "make_base", "make_start"]
