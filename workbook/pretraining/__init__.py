"""What a text encoder can learn before anyone has said which texts belong together.

Taught in 10.
"""

from workbook.pretraining.objectives import (
    LanguageModelHead,
    MaskedLanguageModel,
    NextTokenModel,
    guess_loss,
    hide_special,
    mask_id,
    mask_tokens,
    mean_cross_entropy,
    pretrain,
    seeded_weights,
    special_ids,
    transformer_of,
)
from workbook.pretraining.pairs import (
    Pairs,
    draw_spans,
    drop_words,
    inverse_cloze,
    inverse_cloze_pairs,
    pairs_from,
    sentence_starts,
    span_pair,
    span_pairs,
    split_sentences,
    title_body_pairs,
)
from workbook.pretraining.retromae import RetroMAE, decoding_mask

__all__ = [
    "LanguageModelHead", "MaskedLanguageModel", "NextTokenModel", "Pairs", "RetroMAE", "decoding_mask",
    "draw_spans", "drop_words", "guess_loss", "hide_special", "inverse_cloze", "inverse_cloze_pairs", "mask_id",
    "mask_tokens", "mean_cross_entropy", "pairs_from", "pretrain", "seeded_weights", "sentence_starts", "span_pair",
    "span_pairs", "special_ids", "split_sentences", "title_body_pairs", "transformer_of",
]  # fmt: skip
