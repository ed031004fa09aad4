"""Late interaction: a vector for each token, and the sum of the best matches.

Taught in 14.
"""

from workbook.late_interaction.colbert import ColbertEncoder, fit_colbert, load_colbert
from workbook.late_interaction.maxsim import (
    chunks,
    colbert_loss,
    maxsim,
    maxsim_padded,
    maxsim_search,
    segment_max,
    token_alignments,
    token_rows,
)
from workbook.late_interaction.plaid import PlaidIndex, plaid_search
from workbook.late_interaction.residual_codec import ResidualCodec, default_num_centroids, quantile

__all__ = [
    "ColbertEncoder", "PlaidIndex", "ResidualCodec", "chunks", "colbert_loss", "default_num_centroids",
    "fit_colbert", "load_colbert", "maxsim", "maxsim_padded", "maxsim_search", "plaid_search", "quantile",
    "segment_max", "token_alignments", "token_rows",
]  # fmt: skip
