"""Late interaction: a vector for each token, and the sum of the best matches.

Taught in 14.
"""

from workbook.late_interaction.colbert import ColbertEncoder, fit_colbert, load_colbert
from workbook.late_interaction.maxsim import (
    TokenEncoder,
    colbert_loss,
    maxsim,
    maxsim_one,
    maxsim_padded,
    maxsim_search,
    passage_chunks,
    segment_max,
    token_alignments,
    token_rows,
)
from workbook.late_interaction.plaid import PlaidIndex, plaid_one, plaid_search
from workbook.late_interaction.residual_codec import (
    ResidualCodec,
    compress_one,
    decompress_one,
    default_num_centroids,
    quantile,
)
from workbook.late_interaction.token_pooling import pool_tokens

__all__ = [
    "ColbertEncoder", "PlaidIndex", "ResidualCodec", "TokenEncoder", "colbert_loss", "compress_one", "decompress_one",
    "default_num_centroids", "fit_colbert", "load_colbert", "maxsim", "maxsim_one", "maxsim_padded", "maxsim_search",
    "passage_chunks", "plaid_one", "plaid_search", "pool_tokens", "quantile", "segment_max", "token_alignments", "token_rows",
]  # fmt: skip
