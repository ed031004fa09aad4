"""The student's words: a quarter of the teacher's vocabulary, and what the teacher says each piece means.

Taught in 10.
"""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from workbook.encoder import TextEncoder
from workbook.encoder.tokenizer import SPECIAL_TOKENS

LAST_CHARACTER = 0x180  # the Latin letters of Western Europe end here


def choose_pieces(teacher: TextEncoder, texts: Sequence[str], size: int, from_texts: float = 0.625) -> list[str]:
    """The pieces that the texts use most, and then those that English uses most.

    A vocabulary learned from the documentation of Python alone cuts "president" into four pieces. BERT numbered its
    pieces by their frequency in books and Wikipedia, so the first of its list are the frequent words of English.

    Args:
        teacher: an encoder with a WordPiece vocabulary.
        texts: whose pieces are counted.
        size: V, single characters and special tokens included.
        from_texts: the share of V that the texts decide.
    Returns:
        V pieces, `SPECIAL_TOKENS` first, for `tokenizer_of`.
    """
    number_of = teacher.tokenizer.get_vocab()
    in_order = sorted(number_of, key=number_of.__getitem__)
    characters = [p for p in in_order if len(p.removeprefix("##")) == 1 and ord(p[-1]) < LAST_CHARACTER]
    used: Counter[int] = Counter()
    for start in range(0, len(texts), 4096):  # the tokenizer's own records are large
        for encoding in teacher.tokenizer.encode_batch_fast(texts[start : start + 4096], add_special_tokens=False):
            used.update(encoding.ids)
    frequent = [in_order[number] for number, _ in sorted(used.items(), key=lambda item: (-item[1], item[0]))]
    english = [p for p in in_order if p.removeprefix("##").isalpha() and p.isascii()]
    chosen = dict.fromkeys([*SPECIAL_TOKENS, *characters])
    for pieces, room in ((frequent, int(from_texts * size)), (english, size)):
        new = [piece for piece in pieces if piece not in chosen]
        chosen |= dict.fromkeys(new[: max(0, room - len(chosen))])
    return list(chosen)


@torch.inference_mode()
def word_vectors(teacher: TextEncoder, pieces: Sequence[str]) -> Tensor:
    """The teacher's vector of each piece, read alone between [CLS] and [SEP]: (V, E).

    Source: Tulkens and van Dongen 2024 (Model2Vec).
    """
    number_of = teacher.tokenizer.get_vocab()
    first, last = number_of["[CLS]"], number_of["[SEP]"]
    ids = torch.tensor([[first, number_of[piece], last] for piece in pieces])
    return torch.cat([teacher(part, torch.ones_like(part)) for part in ids.split(512)]).clone()
