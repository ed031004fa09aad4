"""Token ids of many texts, quickly: the pieces between spaces are tokenized once and looked up afterwards.

Words follow Zipf's law: a few thousand make up most of any text. Where a tokenizer treats what stands between
two spaces without a look at the rest, as BERT's does, a dictionary from such pieces to token ids gives the very
ids of the tokenizer at several times its speed.

Taught in 20.
"""

import json
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from tokenizers import Tokenizer

MOST_PIECES = 400_000  # that are remembered, about 100 MB
LONGEST_PIECE = 100  # letters; longer ones are rarely met twice
AT_A_TIME = 8_192  # texts


class FastTokens:
    """Texts -> token ids without special tokens, equal to the tokenizer's.

    Args:
        tokenizer: any; with one that does not treat pieces independently nothing is remembered.
        max_length: texts are cut to this many tokens.

    Taught in 20.
    """

    def __init__(self, tokenizer: Tokenizer, max_length: int):
        self.tokenizer = Tokenizer.from_str(tokenizer.to_str())
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.max_length = max_length
        self.remembers = treats_pieces_alone(self.tokenizer)
        self._known: dict[str, list[int]] = {}

    def __call__(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """The ids of all texts one after another, (sum of lengths,) int64, and the length of each, (N,) int64.

        Taught in 20.
        """
        found = [self._ids(texts[start : start + AT_A_TIME]) for start in range(0, len(texts), AT_A_TIME)]
        ids, lengths = zip(*found, strict=True) if found else ([np.empty(0, np.int64)],) * 2
        return np.concatenate(ids), np.concatenate(lengths)

    def _ids(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        limit = self.max_length
        if not self.remembers:
            lists = [encoding.ids[:limit] for encoding in self._tokenize(texts)]
        else:
            known = self._known
            split = [text.split(" ") for text in texts]
            new = list(dict.fromkeys(piece for pieces in split for piece in pieces if piece not in known))
            if len(known) + len(new) > MOST_PIECES:
                known.clear()
                new = list(dict.fromkeys(chain.from_iterable(split)))
            known.update(zip(new, (encoding.ids for encoding in self._tokenize(new)), strict=True))
            look_up = known.__getitem__
            lists = [list(chain.from_iterable(map(look_up, pieces)))[:limit] for pieces in split]
            for piece in new:
                if len(piece) > LONGEST_PIECE:
                    del known[piece]
        lengths = np.fromiter(map(len, lists), np.int64, len(lists))
        return np.fromiter(chain.from_iterable(lists), np.int64, int(lengths.sum())), lengths

    def _tokenize(self, texts: Sequence[str]) -> Any:
        return self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)


def treats_pieces_alone(tokenizer: Tokenizer) -> bool:
    """Whether the ids of a text are those of the pieces between its spaces, one after another.

    BERT's normalizer and pre-tokenizer look at one letter at a time and split at every space; WordPiece looks
    at one word. Added tokens must not reach over a space.

    Taught in 20.
    """
    facts = json.loads(tokenizer.to_str())
    kinds = [(facts.get(part) or {}).get("type") for part in ("normalizer", "pre_tokenizer", "model")]
    return kinds == ["BertNormalizer", "BertPreTokenizer", "WordPiece"] and not any(
        token["lstrip"] or token["rstrip"] or token["single_word"] or " " in token["content"]
        for token in facts.get("added_tokens", [])
    )
