"""From a string to a vector: tokenizer, backbone, pooling, and what reads and writes them.

Taught in 01, 02, 06 and 07.
"""

from workbook.encoder.dual import DualEncoder
from workbook.encoder.hugging_face import HuggingFaceBackbone, find_model, stated_settings
from workbook.encoder.layers import Dense, Normalize
from workbook.encoder.model_card import model_card, write_card
from workbook.encoder.plain import plain_weights, token_vectors
from workbook.encoder.saving import load_model, save_model, tokenizer_config
from workbook.encoder.shipped import load, seen_by
from workbook.encoder.static import StaticEncoder
from workbook.encoder.text_encoder import TextEncoder, evaluating
from workbook.encoder.tokenizer import by_length, check_texts, pad_id_of, rectangle, tokenizer_of, train_tokenizer
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
    bert_start,
    split_heads,
    token_positions,
)
from workbook.encoder.wordpiece import WordByWord, splits_at_blanks

__all__ = [
    "Attention", "Dense", "DualEncoder", "Embeddings", "EncoderBlock", "HuggingFaceBackbone", "Normalize",
    "StaticEncoder", "TextEncoder", "TransformerEncoder", "WordByWord", "attention", "attention_mask",
    "attention_weights", "bert_config", "bert_name", "bert_start", "by_length", "check_texts", "evaluating", "find_model", "from_pretrained",
    "load", "load_model", "model_card", "pad_id_of", "plain_weights", "rectangle", "save", "save_model", "seen_by", "split_heads", "splits_at_blanks",
    "stated_settings", "token_positions", "token_vectors", "tokenizer_config", "tokenizer_of", "train_tokenizer", "write_card",
]  # fmt: skip

save, from_pretrained = TextEncoder.save, TextEncoder.from_pretrained
