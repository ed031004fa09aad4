"""What a text encoder can learn before anyone has said which texts belong together.

Taught in 10. The smaller parts stand in the modules: `objectives`, `pairs` and `retromae`.
"""

from workbook.pretraining.objectives import (
    LanguageModelHead,
    MaskedLanguageModel,
    NextTokenModel,
    mask_tokens,
    pretrain,
)
from workbook.pretraining.pairs import (
    Pairs,
    inverse_cloze,
    inverse_cloze_pairs,
    pairs_from,
    span_pair,
    span_pairs,
    title_body_pairs,
)
from workbook.pretraining.retromae import RetroMAE

__all__ = [
    "LanguageModelHead", "MaskedLanguageModel", "NextTokenModel", "Pairs", "RetroMAE", "inverse_cloze",
    "inverse_cloze_pairs", "mask_tokens", "pairs_from", "pretrain", "span_pair", "span_pairs", "title_body_pairs",
]  # fmt: skip
