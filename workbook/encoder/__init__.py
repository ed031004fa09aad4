"""From a string to a vector: tokenizer, backbone, pooling, and what reads and writes them.

Taught in 01, 02, 06 and 07.
"""

from workbook.encoder.dual import DualEncoder
from workbook.encoder.model_folder import load_model, save_model
from workbook.encoder.saving import (
    HuggingFaceBackbone,
    find_model,
    from_pretrained,
    save,
    stated_settings,
    tokenizer_config,
)
from workbook.encoder.text_encoder import (
    StaticEncoder,
    TextEncoder,
    check_texts,
    evaluating,
    load,
    pad_id_of,
    train_tokenizer,
)
from workbook.encoder.transformer import (
    Attention,
    Embeddings,
    EncoderBlock,
    TransformerEncoder,
    attention,
    attention_mask,
    attention_weights,
    bert_config,
    bert_name,
    split_heads,
    token_positions,
)
from workbook.encoder.wordpiece import WordByWord, splits_at_blanks

__all__ = [
    "Attention", "DualEncoder", "Embeddings", "EncoderBlock", "HuggingFaceBackbone", "StaticEncoder", "TextEncoder",
    "TransformerEncoder", "WordByWord", "attention", "attention_mask", "attention_weights", "bert_config",
    "bert_name", "check_texts", "evaluating", "find_model", "from_pretrained", "load", "load_model", "pad_id_of",
    "save", "save_model", "split_heads", "splits_at_blanks", "stated_settings", "token_positions",
    "tokenizer_config", "train_tokenizer",
]  # fmt: skip
