"""Tokens: how a vocabulary is learned from texts, and how texts of different lengths become one rectangle.

Letters: B texts, T token positions.

Taught in 01.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")  # ids 0 to 4
MAX_CHARACTERS = 1_000  # that a vocabulary holds as pieces; rarer ones are unknown


def train_tokenizer(texts: Sequence[str], vocab_size: int, lowercase: bool = True) -> Tokenizer:
    """Learn a WordPiece vocabulary from texts.

    WordPiece starts from characters and joins the pair that gains most, until the vocabulary is
    full. Frequent words become one token; a rare word falls into pieces: "tokenization" may become
    "token", "##ization". The same texts give the same vocabulary, on every machine.

    Args:
        texts: what to learn from.
        vocab_size: how many tokens at most, the five special ones included.
        lowercase: whether upper and lower case, and accents, are the same.
    Returns:
        a tokenizer that puts [CLS] in front and [SEP] behind.
    Raises:
        ValueError: vocab_size leaves no room beside the special tokens.

    Source: Schuster and Nakajima 2012; Devlin et al. 2019.
    """
    if vocab_size <= len(SPECIAL_TOKENS):
        raise ValueError(f"vocab_size must be more than the {len(SPECIAL_TOKENS)} special tokens, got {vocab_size}")
    texts = list(texts)
    alphabet = _alphabet(texts, lowercase, most=min(MAX_CHARACTERS, (vocab_size - len(SPECIAL_TOKENS)) // 2))
    # Pieces of one character get their numbers here. The trainer would number those inside a word in the order
    # of a hash table, another in each process, and number decides between pairs that gain equally much.
    inside = [f"##{character}" for character in alphabet if _continues_a_word(character, lowercase)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        special_tokens=[*SPECIAL_TOKENS, *inside],
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    learner = _bert_tokenizer(models.WordPiece(unk_token="[UNK]"), lowercase)
    learner.train_from_iterator(texts, trainer)
    return _bert_tokenizer(models.WordPiece(learner.get_vocab(), unk_token="[UNK]"), lowercase)


def tokenizer_of(pieces: Sequence[str], lowercase: bool = True) -> Tokenizer:
    """A WordPiece tokenizer of given pieces, such as a part of another's vocabulary.

    Args:
        pieces: `SPECIAL_TOKENS` first; a piece that continues a word begins with ##. A word of which a character is
            missing becomes [UNK].
        lowercase: as in `train_tokenizer`.
    Raises:
        ValueError: the special tokens are not the first, or a piece stands there twice.
    """
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    if tuple(pieces[: len(SPECIAL_TOKENS)]) != SPECIAL_TOKENS or len(vocabulary) < len(pieces):
        raise ValueError(
            f"expected different pieces, the first {', '.join(SPECIAL_TOKENS)}, got {len(pieces)} with "
            f"{len(vocabulary)} different, beginning {', '.join(pieces[: len(SPECIAL_TOKENS)])}"
        )
    return _bert_tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"), lowercase)


def _bert_tokenizer(model: models.WordPiece, lowercase: bool) -> Tokenizer:
    """BERT's steps around a vocabulary: normalize, split into words, cut into pieces, add [CLS] and [SEP]."""
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    cls_id, sep_id = SPECIAL_TOKENS.index("[CLS]"), SPECIAL_TOKENS.index("[SEP]")
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", sep_id), ("[CLS]", cls_id))
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    return tokenizer


def _alphabet(texts: Sequence[str], lowercase: bool, most: int) -> list[str]:
    """The most frequent characters, after normalization; of equally frequent ones the first by code point."""
    normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    counts: Counter[str] = Counter()
    for character, count in Counter(itertools.chain.from_iterable(texts)).items():
        for normal in normalizer.normalize_str(character):
            counts[normal] += 0 if normal.isspace() else count
    characters = [character for character, count in counts.items() if count]
    return sorted(sorted(characters, key=lambda character: (-counts[character], character))[:most])


def _continues_a_word(character: str, lowercase: bool) -> bool:
    text = normalizers.BertNormalizer(lowercase=lowercase).normalize_str(f"a{character}a")
    return len(pre_tokenizers.BertPreTokenizer().pre_tokenize_str(text)) == 1


def rectangle(ids: Sequence[Sequence[int] | Tensor], pad_id: int, padding_side: str = "right") -> tuple[Tensor, Tensor]:
    """Fill token ids up to the longest text.

    Args:
        ids: the token ids of B texts, each as long as its text.
        pad_id: what to fill up with.
        padding_side: "right", or "left" as decoders expect.
    Returns:
        input_ids and mask, both (B, T); mask is 1 for a token and 0 for padding.
    """
    T = max([1, *map(len, ids)])
    input_ids = np.full((len(ids), T), pad_id, dtype=np.int64)
    mask = np.zeros((len(ids), T), dtype=np.int64)
    for row, tokens in enumerate(ids):
        where = slice(0, len(tokens)) if padding_side == "right" else slice(T - len(tokens), T)
        input_ids[row, where], mask[row, where] = tokens, 1
    return torch.from_numpy(input_ids), torch.from_numpy(mask)


def by_length(ids: Sequence[Sequence[int]], batch_size: int) -> Iterator[np.ndarray]:
    """The numbers of N texts, `batch_size` of similar length at a time, so that little is filled up."""
    rows = np.argsort([len(tokens) for tokens in ids], kind="stable")
    yield from (rows[start : start + batch_size] for start in range(0, len(rows), batch_size))


def pad_id_of(tokenizer: Tokenizer) -> int:
    """The id that fills a text up: the one that the tokenizer pads with, or that of its padding token."""
    if tokenizer.padding:
        return int(tokenizer.padding["pad_id"])
    for token in ("[PAD]", "<pad>", "<|endoftext|>", "</s>"):
        if (found := tokenizer.token_to_id(token)) is not None:
            return found
    return 0  # the mask hides it whatever it is


def check_texts(texts: Sequence[str]) -> None:
    """Refuse what is no list of strings: a single string, a mapping, a generator, another type in one place.

    Raises:
        TypeError: what came, and what to give instead.
    """
    if isinstance(texts, str):
        raise TypeError("expected a list of strings, got one string; put it into a list: encode([text])")
    if isinstance(texts, Mapping):
        raise TypeError("expected a list of strings, got a mapping from id to text; give list(texts.values())")
    if not hasattr(texts, "__len__") or not hasattr(texts, "__getitem__"):
        raise TypeError(
            f"expected a list of strings, got a {type(texts).__name__}, which has no order or no length; give list(texts)"
        )
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"expected strings, got {type(text).__name__} at position {position}; empty texts are ''")
