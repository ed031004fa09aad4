"""A server: /v1/embeddings and /v1/rerank, with batching, a cache, and the latencies that it has given.

    app = make_app(encoder, "base", fingerprint(encoder))
    uvicorn.run(app, host="127.0.0.1", port=8000)

Cached texts are answered at once; all others go through one batcher. The model runs in a thread, so that /health
answers while it works.

Taught in 21.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from workbook.encoder import TextEncoder
from workbook.serving.batching import Batcher
from workbook.serving.cache import Cache
from workbook.serving.protocol import Refused, read_embeddings, read_rerank, write_embeddings, write_rerank
from workbook.serving.queue import nearest_rank
from workbook.support.types import Reranker

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

Text = tuple[str, str]  # "query", "document" or "", and the text
LATENCIES = 10_000  # the last so many are kept


def make_app(
    encoder: TextEncoder,
    model: str,
    fingerprint: str,
    reranker: Reranker | None = None,
    window: float = 0.002,
    largest: int = 32,
    cache_size: int = 10_000,
) -> "Starlette":
    """A starlette application around an encoder.

    Args:
        encoder: what embeds.
        model: the name under which it is served; other names are refused.
        fingerprint: of the encoder, in the key of the cache.
        reranker: what /v1/rerank asks; without one that answers 404.
        window, largest: of the batcher, in seconds and texts.
        cache_size: vectors that are kept.
    Raises:
        ImportError: starlette is not installed.
    """
    try:
        from starlette.applications import Starlette
        from starlette.responses import JSONResponse
        from starlette.routing import Route
    except ImportError as error:
        raise ImportError('the server needs starlette: pip install "embedding-workbook[serving]"') from error

    cache = Cache[np.ndarray](cache_size)
    latencies: deque[float] = deque(maxlen=LATENCIES)
    embedder: Batcher[Text, np.ndarray] = Batcher(lambda texts: encode_kinds(encoder, texts), window, largest)
    scorer: Batcher[tuple[str, str], float] | None = None
    if reranker is not None:
        judge = reranker
        scorer = Batcher(lambda pairs: [float(score) for score in judge.predict(list(pairs))], window, largest)
    D = encoder.embedding_size

    @asynccontextmanager
    async def lifespan(app: "Starlette") -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for batcher in (embedder, scorer):
                if batcher is not None:
                    await stack.enter_async_context(batcher)
            yield

    async def vectors_of(kind: str, texts: Sequence[str]) -> list[np.ndarray]:
        """Each text once, from the cache or the model; in the order of the texts."""
        prompts = {"query": encoder.query_prompt, "document": encoder.document_prompt, "": encoder.default_prompt}
        keys = {text: (fingerprint, prompts[kind], text) for text in texts}
        found = {text: cache.get(key) for text, key in keys.items()}
        asked = [text for text, vector in found.items() if vector is None]
        for text, vector in zip(asked, await gather(embedder, [(kind, text) for text in asked]), strict=True):
            found[text] = vector
            cache.put(keys[text], vector)
        return [vector for text in texts if (vector := found[text]) is not None]

    async def embeddings(request: "Request") -> dict[str, Any]:
        asked = read_embeddings(await _json(request), model, D)
        vectors = await vectors_of(asked.kind, asked.texts)
        return write_embeddings(asked, vectors, model, sum(map(len, encoder.token_ids(asked.texts))))

    async def rerank(request: "Request") -> dict[str, Any]:
        asked = read_rerank(await _json(request), model)
        if scorer is None:
            raise Refused("model", "no reranker is served here", 404)
        return write_rerank(asked, await gather(scorer, [(asked.query, text) for text in asked.documents]), model)

    async def health(request: "Request") -> "Response":
        return JSONResponse({"status": "ok", "model": model, "fingerprint": fingerprint, "dimensions": D})

    async def metrics(request: "Request") -> "Response":
        seen = list(latencies)
        percentiles = {f"p{p}": nearest_rank(seen, p) for p in (50, 95, 99)} if seen else {}
        sizes = embedder.sizes
        body = {"requests": len(seen), "seconds": percentiles, "hits": cache.hits, "misses": cache.misses}
        return JSONResponse({**body, "batches": len(sizes), "mean_batch": sum(sizes) / max(len(sizes), 1)})

    def answered(handle: Callable[["Request"], Awaitable[dict[str, Any]]]) -> Callable[..., Awaitable["Response"]]:
        async def timed(request: "Request") -> "Response":
            start = time.perf_counter()
            try:
                return JSONResponse(await handle(request))
            except Refused as refused:
                return JSONResponse(refused.body(), status_code=refused.status)
            finally:
                latencies.append(time.perf_counter() - start)

        return timed

    routes = [
        Route("/v1/embeddings", answered(embeddings), methods=["POST"]),
        Route("/v1/rerank", answered(rerank), methods=["POST"]),
        Route("/health", health),
        Route("/metrics", metrics),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


async def gather(batcher: Batcher[Any, Any], items: Sequence[Any]) -> list[Any]:
    """The answers to several items, in their order; the first error is raised."""
    return list(await asyncio.gather(*(batcher.ask(item) for item in items)))


def encode_kinds(encoder: TextEncoder, texts: Sequence[Text]) -> list[np.ndarray]:
    """Embed texts of several kinds, those of one kind together: (kind, text) -> (D,) each, in their order."""
    found: list[np.ndarray] = [np.empty(0)] * len(texts)
    ways: dict[str, Callable[..., Any]] = {
        "query": encoder.encode_query,
        "document": encoder.encode_document,
        "": encoder.encode,
    }
    for kind, encode in ways.items():
        places = [i for i, text in enumerate(texts) if text[0] == kind]
        if places:
            for place, vector in zip(places, encode([texts[i][1] for i in places]), strict=True):
                found[place] = vector
    return found


async def _json(request: "Request") -> Any:
    try:
        return await request.json()
    except ValueError as error:  # json.JSONDecodeError, or bytes that are no text
        raise Refused("body", f"the body is no JSON: {error}") from error
