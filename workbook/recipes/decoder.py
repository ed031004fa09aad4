"""A language model as a text encoder: the vector of the last token, which is an end token put behind each text.

A decoder reads from left to right, so only its last token has seen the whole text. The last token of "… with a blue sky"
is "sky", and its vector is made to guess what follows "sky". So an end token is put behind each text, always the same one,
whose vector training can make into that of the text. It has to be there when the text is cut, and at search as in training.

    encoder = decoder_encoder("SmolLM2.gguf", query_prompt="Instruct: …\\nQuery: ")
    add_lora(encoder, r=16, alpha=32, target_modules=LINEAR)
    fit(encoder, pairs, …)

Letters: r rank of LoRA.

Taught in 11.
"""

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, processors
from torch import nn

from workbook.encoder import TextEncoder
from workbook.encoder.hugging_face import as_tokenizer, load_backbone
from workbook.pooling import POOLINGS
from workbook.support.files import for_transformers

LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")  # of a Llama-like block


def with_end_token(tokenizer: Tokenizer, end: str) -> Tokenizer:
    """A copy of a tokenizer that puts an end token behind each text, also behind one that is cut.

    The token is put there by the tokenizer's last step, which counts it when a text is cut. Written into the text
    instead, as its last word, it would be the first thing that a cut takes away.

    Args:
        tokenizer: left as it is; whatever else it puts around texts is replaced.
        end: the token, one of its vocabulary.
    Raises:
        ValueError: the vocabulary has no such token.
    """
    number = tokenizer.token_to_id(end)
    if number is None:
        raise ValueError(f"the tokenizer has no token {end!r}; give the one its model ends texts with")
    own = Tokenizer.from_str(tokenizer.to_str())
    own.post_processor = processors.TemplateProcessing(single=f"$A {end}", special_tokens=[(end, number)])
    return own


def decoder_encoder(
    folder: str | Path,
    end: str | None = "",
    pooling: str = "lasttoken",
    max_length: int = 64,
    backbone: nn.Module | None = None,
    **settings: Any,
) -> TextEncoder:
    """A causal language model, without its head, as a text encoder.

    Args:
        folder: a model in Hugging Face's layout with its weights as safetensors, or a GGUF file.
        end: the token behind each text; "" takes the one the model ends its own texts with, None puts none there.
        pooling: a name of `workbook.pooling.POOLINGS`.
        max_length: tokens of a text, prompt and end token included.
        backbone: the model of that folder, where it has been loaded before; unpacking a GGUF file takes a while.
        settings: of `TextEncoder`, such as query_prompt.
    Returns:
        an encoder in evaluation mode.
    Raises:
        ValueError: the vocabulary has no such token.

    Source: Wang et al. 2024 (E5-mistral), section 3.
    """
    from transformers import AutoTokenizer

    folder = Path(folder)
    fast: Any = AutoTokenizer.from_pretrained(**for_transformers(folder))
    tokenizer = as_tokenizer(fast)
    if end is not None:
        tokenizer = with_end_token(tokenizer, end or fast.eos_token)
    backbone = load_backbone(folder) if backbone is None else backbone
    return TextEncoder(tokenizer, backbone, POOLINGS[pooling], max_length=max_length, **settings).eval()
