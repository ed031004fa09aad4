"""From a string to a vector: a tokenizer, a backbone, a pooling, and the call that joins them.

    vector = normalize(layers(pooling(backbone(tokenizer(prompt + text)))))

Letters: N texts, B texts in a batch, T token positions, D dimensions.

Taught in 01 (tokenizer, backbone) and 02 (pooling, normalization).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from workbook.encoder.hugging_face import as_backbone, as_tokenizer, read_pretrained
from workbook.encoder.saving import SETTINGS_FILE, read_encoder, write_encoder
from workbook.encoder.tokenizer import check_texts, pad_id_of, rectangle
from workbook.encoder.wordpiece import WordByWord, splits_at_blanks
from workbook.pooling import Pooling, mean_pool, names_of_pooling
from workbook.similarity import normalize as to_length_one
from workbook.support.checks import check_choice
from workbook.support.files import replace_folder
from workbook.support.types import StaticBackbone

SORTED_TOGETHER = 8_192  # texts that are tokenized and sorted by length together
TEXTS = 256  # that are encoded at a time
TOKENS = 1_024  # the same in a transformer on a processor, where a larger batch leaves the cache: 1.5 times as slow
SAVED = (
    "normalize", "max_length", "query_prompt", "document_prompt", "default_prompt", "include_prompt", "truncate_dim",
    "padding_side", "truncation_side",
)  # fmt: skip


def behind(mask: Tensor, skip: int | None) -> Tensor:
    """(B, T) with 1 for the tokens behind the first `skip` of each text; padding may stand on either side."""
    return mask * (mask.cumsum(dim=1) > skip) if skip else mask


class TextEncoder(nn.Module):
    """A whole text encoder: strings in, one vector per string out.

    Args:
        tokenizer: a `tokenizers.Tokenizer`, or a fast tokenizer of transformers.
        backbone: (input_ids (B, T), mask (B, T)) -> hidden (B, T, D), or a model of transformers.
        pooling: (hidden (B, T, D), mask (B, T)) -> (B, D).
        normalize: scale each vector to length 1.
        max_length: texts are cut to this many tokens, special ones included.
        query_prompt: what `encode_query` puts before each text, such as "query: ".
        document_prompt: what `encode_document` puts before each text, such as "passage: ".
        padding_side: "right", or "left" as decoders expect. The vectors are the same.
        truncation_side: "right" cuts the end of a long text, "left" its beginning.
        default_prompt: what `encode` puts before each text where it is given no prompt.
        include_prompt: whether the prompt's tokens take part in pooling; the backbone reads them either way.
        truncate_dim: how many leading dimensions `encode` keeps where it is not told; None keeps all.
        layers: what a pooled vector passes before it is normalized, of `workbook.encoder.layers`.
    Raises:
        ValueError: a side is neither, or include_prompt=False goes with a pooling that numbers the tokens.
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
        truncation_side: str = "right",
        default_prompt: str = "",
        include_prompt: bool = True,
        truncate_dim: int | None = None,
        layers: Sequence[nn.Module] = (),
    ):
        super().__init__()
        check_choice("padding_side", padding_side, ("right", "left"))
        check_choice("truncation_side", truncation_side, ("right", "left"))
        if not include_prompt and "weightedmean" in names_of_pooling(pooling):
            raise ValueError("weighted_mean_pool would number the tokens behind the prompt from 1; not supported")
        self.tokenizer = as_tokenizer(tokenizer)  # our own copy: its settings are changed below
        self.pad_id = pad_id_of(self.tokenizer)
        self.tokenizer.no_padding()
        self.truncation_side = truncation_side
        self.max_length = max_length
        self.backbone: nn.Module = as_backbone(backbone)
        # A bag of vectors has no use for [CLS] and [SEP]: they would be the same in every text.
        self.add_special_tokens = not isinstance(self.backbone, StaticBackbone)
        self.pooling = pooling
        self.layers = nn.Sequential(*layers)
        self.normalize = normalize
        self.query_prompt = query_prompt
        self.document_prompt = document_prompt
        self.default_prompt = default_prompt
        self.include_prompt = include_prompt
        self.truncate_dim = truncate_dim
        self.padding_side = padding_side
        self.word_by_word = WordByWord(self.tokenizer) if splits_at_blanks(self.tokenizer) else None

    @property
    def max_length(self) -> int:
        """Texts are cut to this many tokens, special ones included; another number counts from the next text on."""
        cut = self.tokenizer.truncation
        assert cut is not None, "truncation was switched off in the encoder's own tokenizer"
        return int(cut["max_length"])

    @max_length.setter
    def max_length(self, tokens: int) -> None:
        """Cut texts to another number of tokens from now on."""
        self.tokenizer.enable_truncation(tokens, direction=self.truncation_side)

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return next(self.parameters()).device

    @property
    def full_size(self) -> int:
        """D of `forward`: what pooling and layers make of one token of the backbone."""
        weight = next(self.parameters(), torch.zeros(()))
        hidden = weight.new_zeros(1, 1, int(self.backbone.hidden_size))  # type: ignore[arg-type]
        with torch.no_grad():
            return int(self.layers(self.pooling(hidden, hidden.new_ones(1, 1))).shape[-1])

    @property
    def embedding_size(self) -> int:
        """D of `encode`: `full_size`, or `truncate_dim` where that is less."""
        return min(self.full_size, self.truncate_dim or self.full_size)

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each text, cut to max_length, without padding."""
        if self.word_by_word is not None:
            return self.word_by_word(texts, self.add_special_tokens)
        encoded = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=self.add_special_tokens)
        return [encoding.ids for encoding in encoded]

    def pad(self, ids: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Fill up to the longest: lists of ids -> input_ids (B, T), mask (B, T)."""
        return rectangle(ids, self.pad_id, self.padding_side)

    def tokenize(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Strings -> input_ids (B, T), mask (B, T).

        Raises:
            TypeError: a single string, or something else than strings.
        """
        check_texts(texts)
        return self.pad(self.token_ids(texts))

    def forward(self, input_ids: Tensor, mask: Tensor, skip: int | None = None) -> Tensor:
        """input_ids (B, T), mask (B, T) -> one vector per text, (B, D).

        Args:
            input_ids, mask: padded on either side.
            skip: how many leading tokens of each text take no part in pooling, such as a prompt's; None for none.
        Raises:
            ValueError: in training with include_prompt=False and without `skip`: which tokens are the prompt's cannot be
                seen from the ids.
        """
        if skip is None and self.training and not self.include_prompt and (self.query_prompt or self.document_prompt):
            raise ValueError(
                "with include_prompt=False training has to say which tokens are the prompt's: train with "
                "workbook.train.fit, or pass skip=encoder.prompt_length(prompt), 0 where there is no prompt"
            )
        pooled_mask = behind(mask, skip)
        if (static := self._static()) is not None:
            return self._finish(static.mean(input_ids, pooled_mask))  # the same, faster
        return self._finish(self.pooling(self.backbone(input_ids, mask), pooled_mask))

    def embed(self, ids: Sequence[Sequence[int]], skip: int = 0) -> Tensor:
        """`forward` of token ids as they are: B lists -> (B, D), where the weights lie.

        Args:
            ids: the token ids of B texts.
            skip: how many leading tokens of each text take no part in pooling, such as a prompt's.
        """
        if (static := self._static()) is not None:
            return self._finish(static.mean_of([tokens[skip:] for tokens in ids]))  # nothing is filled up
        input_ids, mask = (x.to(self.device) for x in self.pad(ids))
        vectors: Tensor = self(input_ids, mask, skip)
        return vectors

    def _finish(self, pooled: Tensor) -> Tensor:
        """What comes after pooling: (B, hidden size) -> (B, D)."""
        vectors: Tensor = self.layers(pooled)
        return to_length_one(vectors) if self.normalize else vectors

    def _static(self) -> StaticBackbone | None:
        """The backbone, if its mean can be had without padding and without a vector for each token."""
        if isinstance(self.backbone, StaticBackbone) and self.pooling is mean_pool:
            return self.backbone
        return None

    @property
    def needs_padding(self) -> bool:
        """Whether texts of different lengths are filled up to be embedded together, so that short ones cost as much."""
        return self._static() is None

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
            prompt: what to put before each text; None takes `default_prompt`.
            batch_size: how many are encoded at a time; None takes 256, on a processor no more than hold 1,024
                tokens, and with a static encoder all that are sorted together.
            truncate_dim: keep only this many leading dimensions, and normalize again; None takes the encoder's own.
        Returns:
            (N, D) float32, in the order of `texts`.
        Raises:
            TypeError: `texts` is a single string, a mapping or a generator, or holds something else than strings.
            ValueError: batch_size or truncate_dim is out of range.

        The same call as sentence-transformers', which does not normalize again.
        """
        check_texts(texts)
        full_size, cut = self.full_size, truncate_dim if truncate_dim is not None else self.truncate_dim
        D = full_size if cut is None else cut
        if (batch_size is not None and batch_size < 1) or not 1 <= D <= full_size:
            raise ValueError(
                f"batch_size must be at least 1 and truncate_dim between 1 and {full_size}, got {batch_size} and {cut}"
            )
        prompt = self.default_prompt if prompt is None else prompt
        skip = self.prompt_length(prompt) if prompt and not self.include_prompt else 0
        vectors = np.zeros((len(texts), D), dtype=np.float32)
        with evaluating(self):
            for rows, ids in self._in_batches(texts, prompt, batch_size):
                batch = self.embed(ids, skip)
                if cut is not None:
                    batch = batch[:, :D]
                    batch = to_length_one(batch) if self.normalize else batch
                vectors[rows] = batch.float().cpu().numpy()
        return vectors

    def encode_query(self, texts: Sequence[str], **options: Any) -> np.ndarray:
        """`encode` with the query prompt."""
        return self.encode(texts, prompt=self.query_prompt, **options)

    def encode_document(self, texts: Sequence[str], **options: Any) -> np.ndarray:
        """`encode` with the document prompt."""
        return self.encode(texts, prompt=self.document_prompt, **options)

    @torch.no_grad()
    def encode_tokens(self, texts: Sequence[str], prompt: str | None = None) -> list[np.ndarray]:
        """One vector per token, before pooling: the hidden states of the backbone.

        Args:
            texts, prompt: as in `encode`.
        Returns:
            N arrays (T_i, D) float32, special tokens and prompt included, padding not.
        Raises:
            TypeError: as in `encode`.

        Equal to sentence-transformers' `encode(output_value="token_embeddings")`.
        """
        check_texts(texts)
        found: list[np.ndarray] = [np.empty(0)] * len(texts)
        with evaluating(self):
            for rows, ids in self._in_batches(texts, self.default_prompt if prompt is None else prompt, None):
                input_ids, mask = (x.to(self.device) for x in self.pad(ids))
                for row, vectors, is_token in zip(rows, self.backbone(input_ids, mask), mask.bool(), strict=True):
                    found[row] = vectors[is_token].float().cpu().numpy()
        return found

    def prompt_length(self, prompt: str) -> int:
        """How many leading tokens of a text belong to a prompt before it: [CLS] does, [SEP] behind the text does not."""
        encoded = self.tokenizer.encode(prompt, add_special_tokens=self.add_special_tokens)
        return len(encoded.ids) - sum(encoded.special_tokens_mask[-1:])

    def _in_batches(
        self, texts: Sequence[str], prompt: str, batch_size: int | None
    ) -> Iterator[tuple[np.ndarray, list[list[int]]]]:
        """The places of texts of similar length, (B,), and their token ids."""
        for start in range(0, len(texts), SORTED_TOGETHER):
            some = texts[start : start + SORTED_TOGETHER]
            ids = self.token_ids([f"{prompt}{text}" for text in some] if prompt else some)
            for rows in self._batches(ids, batch_size):
                yield start + rows, [ids[row] for row in rows]

    def _batches(self, ids: list[list[int]], batch_size: int | None) -> Iterator[np.ndarray]:
        """Numbers of texts of similar length, the longest first."""
        longest_first = np.argsort([-len(tokens) for tokens in ids], kind="stable")
        start = 0
        while start < len(ids):
            size = batch_size or TEXTS
            if batch_size is None and not self.needs_padding:
                size = len(ids)  # there is no padding to save
            elif batch_size is None and self.device.type == "cpu":
                size = min(TEXTS, max(1, TOKENS // max(1, len(ids[longest_first[start]]))))
            yield longest_first[start : start + size]
            start += size

    def save(self, folder: str | Path) -> None:
        """Write a folder that `load` reads and, where its parts exist there, sentence-transformers too.

        An encoder that was saved there is replaced in one step.

        Raises:
            FileExistsError: the folder holds something else.
            ValueError: as in `workbook.encoder.saving.write_encoder`.
        """
        settings = {name: getattr(self, name) for name in SAVED}
        with replace_folder(folder, SETTINGS_FILE) as new:
            write_encoder(new, self.tokenizer, self.pad_id, self.backbone, self.pooling, self.layers, settings)

    @classmethod
    def load(cls, folder: str | Path) -> "TextEncoder":
        """Read an encoder that `save` wrote, in evaluation mode.

        Raises:
            FileNotFoundError: the folder holds no encoder.
            ValueError: a file in it is damaged.
        """
        return cls(**read_encoder(folder)).eval()

    @classmethod
    def from_pretrained(
        cls,
        name_or_folder: str | Path,
        pooling: str | Sequence[str] | Pooling | None = None,
        allow_download: bool = False,
        **settings: Any,
    ) -> "TextEncoder":
        """Build an encoder around a Hugging Face model, or read one that sentence-transformers saved.

        Pooling, layers, normalization, prompts and lengths are read from the sentence-transformers files of the
        folder where it has them.

        Args:
            name_or_folder: a local folder, a GGUF file, or a name whose files are in the hub's cache.
            pooling: a name of `workbook.pooling.POOLINGS`, several to put side by side, or a function; needed
                where the folder does not say.
            allow_download: fetch the files from the hub when they are not in its cache.
            settings: passed on to `TextEncoder`, before what the folder says.
        Returns:
            an encoder in evaluation mode.
        Raises:
            FileNotFoundError: the model is neither a folder nor in the cache.
            ValueError: nothing says which pooling the model needs, weights are missing, or the folder asks for
                what is not supported here.
        """
        return cls(**{**read_pretrained(name_or_folder, pooling, allow_download), **settings}).eval()


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Turn dropout off while a model encodes, and leave it as it was afterwards, also after an error."""
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)
