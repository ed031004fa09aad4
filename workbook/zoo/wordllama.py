"""wordllama: a static encoder that somebody else trained, as a `TextEncoder`.

A table of 32,000 token vectors and the tokenizer that goes with them; a text is the mean of its tokens. So nothing is
needed of its package but two files.

Taught in 22.
"""

from typing import Any

from safetensors.torch import load_file
from tokenizers import Tokenizer

from workbook.encoder import StaticEncoder, TextEncoder
from workbook.support.wheels import files_of_wheel

UNCUT = 1_000_000  # tokens; the package reads texts of any length


def load_wordllama(**settings: Any) -> TextEncoder:
    """Read wordllama's vectors (l2_supercat, 256 dimensions, float16) from its installed wheel.

    Its vectors equal those of the package's own `embed(texts, norm=True)`, but for an empty text, which has the zero
    vector here and no number there. They were trained so that their leading 64 or 128 dimensions can stand alone.

    Args:
        settings: passed on to `TextEncoder`.
    Returns:
        an encoder in evaluation mode, D = 256; its vectors are float32 and can be trained.
    Raises:
        FileNotFoundError: the wheel is not installed.
        ValueError: a file of it is not the one that was checked.

    Source: https://github.com/dleemiller/WordLlama, MIT.
    """
    weights, tokenizer = files_of_wheel("wordllama")
    table = load_file(weights)["embedding.weight"].float()  # (V, D)
    backbone = StaticEncoder(*table.shape)
    backbone.load_state_dict({"word.weight": table})
    return TextEncoder(Tokenizer.from_file(str(tokenizer)), backbone, **{"max_length": UNCUT, **settings}).eval()
