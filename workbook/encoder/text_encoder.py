"""From a string to a vector: a tokenizer, a backbone, a pooling, and the call that joins them.

Letters: N texts, B texts in a batch, T token positions, D dimensions.

Taught in 01 (tokenizer, backbone) and 02 (pooling, normalization).
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor, nn
from torch.nn import functional as F

from workbook.encoder.transformer import TransformerEncoder
from workbook.encoder.wordpiece import WordByWord, splits_at_blanks
from workbook.pooling import mean_pool
from workbook.similarity import normalize as to_length_one

__all__ = ["StaticEncoder", "TextEncoder", "TransformerEncoder", "load", "train_tokenizer"]

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")  # ids 0 to 4
MAX_LETTERS = 1_000  # that a vocabulary holds as pieces; rarer ones are unknown
SORTED_TOGETHER = 8_192  # texts that are tokenized and sorted by length together
TEXTS = 256  # that are encoded at a time
TOKENS = 1_024  # the same in a transformer on a processor, where a larger batch leaves the cache: 1.5 times as slow
Pooling = Callable[[Tensor, Tensor], Tensor]


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
    letters = _alphabet(texts, lowercase, most=min(MAX_LETTERS, (vocab_size - len(SPECIAL_TOKENS)) // 2))
    # Pieces of one letter get their numbers here. The trainer would number those inside a word in the order
    # of a hash table, another in each process, and number decides between pairs that gain equally much.
    inside = [f"##{letter}" for letter in letters if _continues_a_word(letter, lowercase)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        special_tokens=[*SPECIAL_TOKENS, *inside],
        initial_alphabet=letters,
        limit_alphabet=len(letters),
        show_progress=False,
    )
    learner = _tokenizer(models.WordPiece(unk_token="[UNK]"), lowercase)
    learner.train_from_iterator(texts, trainer)
    return _tokenizer(models.WordPiece(learner.get_vocab(), unk_token="[UNK]"), lowercase)


def _tokenizer(model: models.WordPiece, lowercase: bool) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    cls_id, sep_id = SPECIAL_TOKENS.index("[CLS]"), SPECIAL_TOKENS.index("[SEP]")
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", sep_id), ("[CLS]", cls_id))
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    return tokenizer


def _alphabet(texts: Sequence[str], lowercase: bool, most: int) -> list[str]:
    """The most frequent letters, after normalization; of equally frequent ones the first by code point."""
    normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    counts: Counter[str] = Counter()
    for letter, count in Counter(itertools.chain.from_iterable(texts)).items():
        for normal in normalizer.normalize_str(letter):
            counts[normal] += 0 if normal.isspace() else count
    letters = [letter for letter, count in counts.items() if count]
    return sorted(sorted(letters, key=lambda letter: (-counts[letter], letter))[:most])


def _continues_a_word(letter: str, lowercase: bool) -> bool:
    text = normalizers.BertNormalizer(lowercase=lowercase).normalize_str(f"a{letter}a")
    return len(pre_tokenizers.BertPreTokenizer().pre_tokenize_str(text)) == 1


class StaticEncoder(nn.Module):
    """One vector per vocabulary entry, whatever stands around it: the fastest encoder there is.

        hidden_t = word[id_t]

    Args:
        vocab_size: how many tokens there are.
        hidden_size: D.

    Saved as sentence-transformers `StaticEmbedding`.
    """

    needs_padding = False  # a token's vector does not depend on what stands beside it

    def __init__(self, vocab_size: int, hidden_size: int):
        super().__init__()
        self.config = {"vocab_size": vocab_size, "hidden_size": hidden_size}
        self.hidden_size = hidden_size
        self.word = nn.Embedding(vocab_size, hidden_size)
        nn.init.normal_(self.word.weight, std=hidden_size**-0.5)

    def forward(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """input_ids (B, T), mask (B, T) -> hidden (B, T, D)."""
        return self.word(input_ids)

    def mean(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """`mean_pool(self(input_ids, mask), mask)` in one pass, without the (B, T, D) in between."""
        weight = mask.to(self.word.weight.dtype)
        total = F.embedding_bag(input_ids, self.word.weight, mode="sum", per_sample_weights=weight)  # (B, D)
        return total / weight.sum(dim=1, keepdim=True).clamp(min=1.0)

    def mean_of(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """`mean` of texts as they are, without padding: B lists of token ids -> (B, D)."""
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        flat = np.fromiter(itertools.chain.from_iterable(ids), np.int64, int(lengths.sum()))
        first = torch.from_numpy(lengths.cumsum() - lengths)  # (B,), where each text begins
        device = self.word.weight.device
        return F.embedding_bag(torch.from_numpy(flat).to(device), self.word.weight, first.to(device), mode="mean")

    @torch.no_grad()
    def scale_by_idf(self, ids: Sequence[Sequence[int]]) -> None:
        """Let training start where a mean makes sense: frequent tokens short, rare ones long.

            word[v] ← word[v] · idf_v / mean(idf),   idf_v = log(1 + N / (1 + n_v))

        In a mean of random vectors "the" counts as much as "eigenvalue". Training would learn better
        in time; this saves the time.

        Args:
            ids: the token ids of N texts; n_v of them hold token v.
        """
        V = self.word.num_embeddings
        n = np.zeros(V)
        for tokens in ids:
            n[list(set(tokens))] += 1
        idf = np.log1p(len(ids) / (1 + n))
        self.word.weight.mul_(torch.from_numpy(idf / idf.mean()).to(self.word.weight)[:, None])


class TextEncoder(nn.Module):
    """A whole text encoder: strings in, one vector per string out.

    Args:
        tokenizer: a `tokenizers.Tokenizer`.
        backbone: (input_ids (B, T), mask (B, T)) -> hidden (B, T, D).
        pooling: (hidden (B, T, D), mask (B, T)) -> (B, D).
        normalize: scale each vector to length 1.
        max_length: texts are cut to this many tokens, special ones included.
        query_prompt: what `encode_query` puts before each text, such as "query: ".
        document_prompt: what `encode_document` puts before each text, such as "passage: ".
        padding_side: "right", or "left" as decoders expect.
    Raises:
        ValueError: padding_side is neither.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        backbone: nn.Module,
        pooling: Pooling = mean_pool,
        normalize: bool = True,
        max_length: int = 128,
        query_prompt: str = "",
        document_prompt: str = "",
        padding_side: str = "right",
    ):
        super().__init__()
        if padding_side not in ("right", "left"):
            raise ValueError(f'padding_side must be "right" or "left", got {padding_side!r}')
        self.tokenizer = Tokenizer.from_str(tokenizer.to_str())  # our own copy: its settings are changed below
        # A bag of vectors has no use for [CLS] and [SEP]: they would be the same in every text.
        self.add_special_tokens = not isinstance(backbone, StaticEncoder)
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(max_length)
        self.backbone = backbone
        self.pooling = pooling
        self.normalize = normalize
        self.max_length = max_length
        self.query_prompt = query_prompt
        self.document_prompt = document_prompt
        self.padding_side = padding_side
        self.pad_id = pad_id_of(tokenizer)
        self.word_by_word = WordByWord(self.tokenizer) if splits_at_blanks(self.tokenizer) else None

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return next(self.parameters()).device

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each text, cut to max_length, without padding."""
        if self.word_by_word is not None:
            return self.word_by_word(texts, self.add_special_tokens)
        encoded = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=self.add_special_tokens)
        return [encoding.ids for encoding in encoded]

    def pad(self, ids: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Fill up to the longest: lists of ids -> input_ids (B, T), mask (B, T)."""
        T = max([1, *map(len, ids)])
        input_ids = np.full((len(ids), T), self.pad_id, dtype=np.int64)
        mask = np.zeros((len(ids), T), dtype=np.int64)
        for row, tokens in enumerate(ids):
            where = slice(0, len(tokens)) if self.padding_side == "right" else slice(T - len(tokens), T)
            input_ids[row, where], mask[row, where] = tokens, 1
        return torch.from_numpy(input_ids), torch.from_numpy(mask)

    def tokenize(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Strings -> input_ids (B, T), mask (B, T).

        Raises:
            TypeError: a single string, or something else than strings.
        """
        check_texts(texts)
        return self.pad(self.token_ids(texts))

    def forward(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """input_ids (B, T), mask (B, T) -> one vector per text, (B, D)."""
        if isinstance(self.backbone, StaticEncoder) and self.pooling is mean_pool:
            pooled = self.backbone.mean(input_ids, mask)  # the same, faster
        else:
            pooled = self.pooling(self.backbone(input_ids, mask), mask)
        return to_length_one(pooled) if self.normalize else pooled

    @torch.no_grad()
    def encode(
        self,
        texts: Sequence[str],
        prompt: str | None = None,
        batch_size: int | None = None,
        truncate_dim: int | None = None,
    ) -> np.ndarray:
        """Encode texts in batches of similar length.

        8,192 texts are tokenized and sorted by length together, so memory beside the result does not grow with N.

        Args:
            texts: N strings; an empty one gives the vector of a text without words.
            prompt: what to put before each text.
            batch_size: how many are encoded at a time; None takes 256, on a processor no more than hold 1,024
                tokens, and with a static encoder all that are sorted together.
            truncate_dim: keep only this many leading dimensions, and normalize again.
        Returns:
            (N, D) float32, in the order of `texts`.
        Raises:
            TypeError: `texts` is a single string.
            ValueError: batch_size or truncate_dim is out of range.

        The same call as sentence-transformers'.
        """
        check_texts(texts)
        hidden_size = int(self.backbone.hidden_size)  # type: ignore[arg-type]
        D = hidden_size if truncate_dim is None else truncate_dim
        if (batch_size is not None and batch_size < 1) or not 1 <= D <= hidden_size:
            raise ValueError(
                f"batch_size must be at least 1 and truncate_dim between 1 and {hidden_size}, "
                f"got {batch_size} and {truncate_dim}"
            )
        vectors = np.zeros((len(texts), D), dtype=np.float32)
        with evaluating(self):
            for start in range(0, len(texts), SORTED_TOGETHER):
                some = texts[start : start + SORTED_TOGETHER]
                ids = self.token_ids([f"{prompt}{text}" for text in some] if prompt else some)
                for rows in self._batches(ids, batch_size):
                    batch = self._embed([ids[row] for row in rows])
                    if truncate_dim is not None:
                        batch = batch[:, :truncate_dim]
                        batch = to_length_one(batch) if self.normalize else batch
                    vectors[start + rows] = batch.float().cpu().numpy()
        return vectors

    def _embed(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """One vector for each text of a batch, (B, D); nothing is filled up for a bag of vectors."""
        if isinstance(self.backbone, StaticEncoder) and self.pooling is mean_pool:
            pooled = self.backbone.mean_of(ids)
            return to_length_one(pooled) if self.normalize else pooled
        input_ids, mask = self.pad(ids)
        return self(input_ids.to(self.device), mask.to(self.device))

    def _batches(self, ids: list[list[int]], batch_size: int | None) -> Iterator[np.ndarray]:
        """Numbers of texts of similar length, the longest first."""
        longest_first = np.argsort([-len(tokens) for tokens in ids], kind="stable")
        start = 0
        while start < len(ids):
            size = batch_size or TEXTS
            if batch_size is None and isinstance(self.backbone, StaticEncoder):
                size = len(ids)  # there is no padding to save
            elif batch_size is None and self.device.type == "cpu":
                size = min(TEXTS, max(1, TOKENS // max(1, len(ids[longest_first[start]]))))
            yield longest_first[start : start + size]
            start += size

    def encode_query(self, texts: Sequence[str], **options: Any) -> np.ndarray:
        """`encode` with the query prompt."""
        return self.encode(texts, prompt=self.query_prompt, **options)

    def encode_document(self, texts: Sequence[str], **options: Any) -> np.ndarray:
        """`encode` with the document prompt."""
        return self.encode(texts, prompt=self.document_prompt, **options)

    def save(self, folder: str | Path) -> None:
        """Write a folder that `load` reads and, where its parts exist there, sentence-transformers too. See `workbook.encoder.saving`."""
        from workbook.encoder.saving import save

        save(self, folder)

    @classmethod
    def from_pretrained(cls, name_or_folder: str | Path, **options: Any) -> "TextEncoder":
        """An encoder around any Hugging Face backbone. See `workbook.encoder.saving`."""
        from workbook.encoder.saving import from_pretrained

        return from_pretrained(name_or_folder, **options)


def load(folder: str | Path) -> TextEncoder:
    """Read an encoder that `TextEncoder.save` wrote.

    Raises:
        FileNotFoundError: the folder holds no encoder.
        ValueError: a file in it is damaged.
    """
    from workbook.encoder.saving import load as load_checkpoint

    return load_checkpoint(folder)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Turn dropout off while a model encodes, and leave it as it was afterwards, also after an error."""
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)


def pad_id_of(tokenizer: Tokenizer) -> int:
    """The id that fills a text up: the one that the tokenizer pads with, or that of its padding token."""
    if tokenizer.padding:
        return int(tokenizer.padding["pad_id"])
    for token in ("[PAD]", "<pad>", "<|endoftext|>", "</s>"):
        if (found := tokenizer.token_to_id(token)) is not None:
            return found
    return 0  # the mask hides it whatever it is


def check_texts(texts: Sequence[str]) -> None:
    """Refuse a single string, and what is no string.

    Raises:
        TypeError: what came, and where.
    """
    if isinstance(texts, str):
        raise TypeError("expected a list of strings, got one string; put it into a list: encode([text])")
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"expected strings, got {type(text).__name__} at position {position}; empty texts are ''")
