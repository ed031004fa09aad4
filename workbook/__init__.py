"""The Embedding Workbook: every idea of text-embedding models, small enough to read.

Each module is one idea, taught by one chapter. Import what you need from the module or the folder that owns it:

    from workbook.pooling import mean_pool
    from workbook.losses import info_nce
"""

import sys

from workbook.support import frontend

__version__ = "0.3.0"

sys.modules["workbook.frontend"] = frontend  # as notebooks that learners saved before 0.2.0 call it
