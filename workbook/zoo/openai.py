"""Embeddings from a server that speaks OpenAI's protocol: the way to the proprietary models.

Taught in 22.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from workbook.encoder.tokenizer import check_texts
from workbook.llm.http import LLMError, post_json
from workbook.support.checks import check_positive


class OpenAIEmbeddings:
    """An encoder behind a web address, with the calls of `TextEncoder`.

    Args:
        base_url: up to and including "/v1". There is no default: giving it is your consent that the texts
            go there.
        model: the name by which the server knows it.
        api_key_variable: name of the environment variable with the key; None for a server without one.
        dimensions: D, for models that can shorten their vectors; None for all they have.
        query_prompt, document_prompt: as in `TextEncoder`.
        batch_size: texts in one request.
        timeout, retries, backoff: as in `workbook.llm.http.post_json`.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key_variable: str | None = None,
        dimensions: int | None = None,
        query_prompt: str = "",
        document_prompt: str = "",
        batch_size: int = 64,
        timeout: float = 60.0,
        retries: int = 4,
        backoff: float = 1.0,
    ):
        check_positive(batch_size=batch_size, dimensions=dimensions)
        self.url = f"{base_url.rstrip('/')}/embeddings"
        self.model = model
        self.dimensions = dimensions
        self.query_prompt, self.document_prompt = query_prompt, document_prompt
        self.batch_size = batch_size
        self._post = partial(
            post_json, self.url, api_key_variable=api_key_variable, timeout=timeout, retries=retries, backoff=backoff
        )

    def encode(self, texts: Sequence[str], prompt: str | None = None) -> np.ndarray:
        """Encode texts, `batch_size` in a request.

        Args:
            texts: N strings.
            prompt: what to put before each text.
        Returns:
            (N, D) float32, in the order of `texts`, of the length the server gives them.
        Raises:
            TypeError: `texts` is a single string, or holds something else than strings.
            LLMError: the server gave no usable answer.
        """
        check_texts(texts)
        batches: list[np.ndarray] = []
        for start in range(0, len(texts), self.batch_size):
            batches.append(self._ask([f"{prompt or ''}{text}" for text in texts[start : start + self.batch_size]]))
            if batches[-1].shape[1] != batches[0].shape[1]:
                raise LLMError(f"{self.url} changed from {batches[0].shape[1]} to {batches[-1].shape[1]} dimensions")
        return np.concatenate(batches) if batches else np.zeros((0, self.dimensions or 0), dtype=np.float32)

    def encode_query(self, texts: Sequence[str]) -> np.ndarray:
        """`encode` with the query prompt."""
        return self.encode(texts, self.query_prompt)

    def encode_document(self, texts: Sequence[str]) -> np.ndarray:
        """`encode` with the document prompt."""
        return self.encode(texts, self.document_prompt)

    def _ask(self, texts: list[str]) -> np.ndarray:
        body: dict[str, Any] = {"model": self.model, "input": texts, "encoding_format": "float"}
        if self.dimensions is not None:
            body["dimensions"] = self.dimensions
        reply = self._post(body)
        try:
            rows = {int(item["index"]): item["embedding"] for item in reply["data"]}
            vectors = np.array([rows[i] for i in range(len(texts))], dtype=np.float32)
            if len(reply["data"]) != len(texts) or vectors.ndim != 2 or not np.isfinite(vectors).all():
                raise ValueError
        except (KeyError, TypeError, ValueError):
            raise LLMError(
                f"expected {len(texts)} vectors of one size from {self.url}, with their positions, and got something "
                f"else: {str(reply)[:200]!r}; is {self.model!r} an embedding model?"
            ) from None
        if self.dimensions not in (None, vectors.shape[1]):
            raise LLMError(
                f"asked {self.url} for {self.dimensions} dimensions, got {vectors.shape[1]}; this model cannot shorten "
                "its vectors: leave dimensions out"
            )
        return vectors
