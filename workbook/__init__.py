"""The Embedding Workbook: every idea of text-embedding models, small enough to read.

Each module is one idea, taught by one chapter. Import what you need from the module that owns it:

    from workbook.pooling import mean_pool
    from workbook.losses import info_nce
"""

__version__ = "0.1.0"
