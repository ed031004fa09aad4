"""What goes over the wire: requests and answers of /v1/embeddings (OpenAI's form) and /v1/rerank (Cohere's and Jina's).

Plain functions from dicts to dicts; `workbook.serving.app` puts a server around them. What cannot be honoured raises
`Refused`, which becomes the error object that OpenAI's clients read.

Taught in 21.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from workbook.similarity import truncate

EMBEDDINGS = (
    "model",
    "input",
    "dimensions",
    "encoding_format",
    "input_type",
    "user",
)  # `user` says who asks, and changes nothing
RERANK = ("model", "query", "documents", "top_n", "return_documents")
FORMATS = ("float", "base64")
KINDS = ("query", "document")


class Refused(ValueError):
    """A request that cannot be honoured: what is wrong with it, and in which part.

    Args:
        param: the part of the request.
        message: one sentence.
        status: of the HTTP answer, 400 or 404.
    """

    def __init__(self, param: str, message: str, status: int = 400):
        super().__init__(message)
        self.param, self.status = param, status

    def body(self) -> dict[str, Any]:
        """The error object."""
        error = {"message": str(self), "type": "invalid_request_error", "param": self.param, "code": None}
        return {"error": error}


@dataclass(frozen=True)
class EmbeddingsRequest:
    """A request to /v1/embeddings that can be honoured.

    Attributes:
        texts: in the order of the request, one at least, none empty.
        dimensions: how many numbers of each vector are asked for.
        encoding_format: "float" or "base64".
        kind: "query", "document" or "" (no prompt): an addition to OpenAI's form, as Cohere and Voyage have it.
    """

    texts: list[str]
    dimensions: int
    encoding_format: str
    kind: str


def read_embeddings(body: Any, model: str, D: int) -> EmbeddingsRequest:
    """Check the JSON of a request.

    Args:
        body: as it came.
        model: the name that is served here.
        D: dimensions of the model's vectors.
    Raises:
        Refused: something cannot be honoured.
    """
    body = _of_model(body, model, EMBEDDINGS)
    texts = body.get("input")
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise Refused(
            "input", "input must be a string or a list of strings, none of them empty; token ids are not taken"
        )
    dimensions = body.get("dimensions", D)
    if not isinstance(dimensions, int) or isinstance(dimensions, bool) or not 1 <= dimensions <= D:
        raise Refused("dimensions", f"dimensions must be a whole number from 1 to {D}, got {dimensions!r}")
    form = body.get("encoding_format", "float")
    if form not in FORMATS:
        raise Refused("encoding_format", f"encoding_format must be float or base64, got {form!r}")
    kind = body.get("input_type", "")
    if kind not in ("", *KINDS):
        raise Refused("input_type", f"input_type must be query or document, or be left out, got {kind!r}")
    return EmbeddingsRequest(texts, dimensions, form, kind)


def write_embeddings(
    request: EmbeddingsRequest, vectors: Sequence[np.ndarray], model: str, tokens: int
) -> dict[str, Any]:
    """The JSON of an answer: each vector cut, at length 1 again, under the number of its text.

    Args:
        request: what was asked.
        vectors: (D,) for each text, in the order of the request.
        model: the name that is served here.
        tokens: how many the texts have together.
    """
    cut = truncate(torch.from_numpy(np.stack(vectors)), request.dimensions).numpy()
    as_text = request.encoding_format == "base64"
    data = [
        {"object": "embedding", "index": i, "embedding": to_base64(vector) if as_text else vector.tolist()}
        for i, vector in enumerate(cut)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": model, "usage": usage}


def to_base64(vector: np.ndarray) -> str:
    """The bytes of float32 numbers, the lowest byte first, as a string."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")


@dataclass(frozen=True)
class RerankRequest:
    """A request to /v1/rerank that can be honoured: one query, its documents, and how many are wanted."""

    query: str
    documents: list[str]
    top_n: int
    return_documents: bool


def read_rerank(body: Any, model: str) -> RerankRequest:
    """Check the JSON of a request; a document is a string, or {"text": string}.

    Raises:
        Refused: something cannot be honoured.
    """
    body = _of_model(body, model, RERANK)
    query, documents = body.get("query"), body.get("documents")
    if not isinstance(query, str) or not query:
        raise Refused("query", "query must be a string that is not empty")
    if not isinstance(documents, list) or not documents:
        raise Refused("documents", "documents must be a list with one document at least")
    texts: list[Any] = [document.get("text") if isinstance(document, dict) else document for document in documents]
    if not all(isinstance(text, str) for text in texts):
        raise Refused("documents", 'each document must be a string or {"text": string}')
    top_n = body.get("top_n", len(texts))
    if not isinstance(top_n, int) or isinstance(top_n, bool) or top_n < 1:
        raise Refused("top_n", f"top_n must be a whole number from 1 on, got {top_n!r}")
    return RerankRequest(query, texts, top_n, bool(body.get("return_documents", False)))


def write_rerank(request: RerankRequest, scores: Sequence[float], model: str) -> dict[str, Any]:
    """The JSON of an answer: the best first, each with the place that its document had in the request."""
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[: request.top_n]
    results: list[dict[str, Any]] = [{"index": i, "relevance_score": float(scores[i])} for i in order]
    if request.return_documents:
        for result in results:
            result["document"] = {"text": request.documents[result["index"]]}
    return {"model": model, "results": results}


def _of_model(body: Any, model: str, known: Sequence[str]) -> Mapping[str, Any]:
    """A request for the model that is served, which asks for nothing that nobody would honour."""
    if not isinstance(body, dict):
        raise Refused("body", "the body of a request must be a JSON object")
    if body.get("model") != model:
        raise Refused("model", f"the model served here is {model!r}, not {body.get('model')!r}", 404)
    for name, value in body.items():
        if name not in known and value is not None:
            raise Refused(name, f"{name} is not honoured here; what is: {', '.join(known)}")
    return body
