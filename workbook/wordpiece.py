"""WordPiece: how a word becomes pieces that a vocabulary knows.

A vocabulary of words would have no vector for a word it has never seen. A vocabulary of letters
would make every text five times as long. WordPiece stands between: frequent words are one piece,
rare words are several. `##` marks a piece that continues a word.

Taught in 01. `workbook.encoder.train_tokenizer` learns the vocabulary, with the same rule inside.
"""

from collections.abc import Collection


def wordpiece(word: str, vocabulary: Collection[str], unknown: str = "[UNK]", max_characters: int = 100) -> list[str]:
    """Cut one word into the longest pieces the vocabulary holds, from left to right.

        piece_1 = the longest start of the word that is in the vocabulary
        piece_n = the longest start of the rest, written with ##, that is in the vocabulary

    Args:
        word: one word, without blanks.
        vocabulary: the known pieces.
        unknown: what stands for a word that cannot be cut into known pieces.
        max_characters: a longer word is unknown.
    Returns:
        The pieces. If any part of the word is unknown, the whole word is.

    Source: Wu et al. 2016; Devlin et al. 2019. Equal to `tokenizers.models.WordPiece`. Taught in 01.
    """
    if len(word) > max_characters:
        return [unknown]
    pieces, start = [], 0
    while start < len(word):
        prefix = "##" if start else ""
        ends = range(len(word), start, -1)
        end = next((end for end in ends if prefix + word[start:end] in vocabulary), None)
        if end is None:
            return [unknown]
        pieces.append(prefix + word[start:end])
        start = end
    return pieces
