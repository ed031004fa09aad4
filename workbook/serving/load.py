"""A load test on loopback: requests leave at their moments, whatever the answers do.

A test that waits for each answer before it sends again holds back what would have queued, and so does one with a few
connections. Here a latency runs from the moment at which a request was due, so time that it spent unsent counts too.

Taught in 21.
"""

import asyncio
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.applications import Starlette

LEAD = 0.1  # seconds before the first request
LIMIT = 120.0  # seconds that a test may take at most


def under_load(
    app: "Starlette", bodies: Sequence[dict[str, Any]], arrivals: Sequence[float], path: str = "/v1/embeddings"
) -> tuple[list[float], float]:
    """Serve an application on a free port of loopback, send it requests, and stop it.

    Args:
        app: such as `make_app` gives.
        bodies: the JSON of N requests.
        arrivals: when each is due, in seconds, N, ascending.
        path: what is asked.
    Returns:
        N latencies in seconds, in the order of the requests, and how many answers came in a second.
    Raises:
        ImportError: uvicorn or httpx is not installed.
        TimeoutError: it took longer than LIMIT.
        RuntimeError: an answer was an error, or the server did not start.
        ValueError: there are not as many moments as requests.
    """
    if len(bodies) != len(arrivals) or not bodies:
        raise ValueError(f"expected as many moments as requests, one at least, got {len(arrivals)} for {len(bodies)}")
    with ThreadPoolExecutor(1) as pool:  # a notebook has a loop of its own in this thread
        return pool.submit(asyncio.run, asyncio.wait_for(_tested(app, bodies, arrivals, path), LIMIT)).result()


async def _tested(
    app: "Starlette", bodies: Sequence[dict[str, Any]], arrivals: Sequence[float], path: str
) -> tuple[list[float], float]:
    try:
        import httpx
        import uvicorn
    except ImportError as error:
        raise ImportError('a load test needs uvicorn and httpx: pip install "embedding-workbook[serving]"') from error

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        free.listen(len(bodies))
        patient = int(LIMIT)  # a connection that a slow machine leaves idle must not be closed under a request
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on", timeout_keep_alive=patient))
        serving = asyncio.create_task(server.serve([free]))
        try:
            while not server.started:
                if serving.done():
                    raise RuntimeError("the server did not start")
                await asyncio.sleep(0.01)
            url = f"http://127.0.0.1:{free.getsockname()[1]}{path}"
            many = httpx.Limits(max_connections=None, max_keepalive_connections=len(bodies))
            async with httpx.AsyncClient(limits=many, timeout=LIMIT, trust_env=False) as client:
                start = time.perf_counter() + LEAD

                async def ask(body: dict[str, Any], due: float) -> float:
                    await asyncio.sleep(max(start + due - time.perf_counter(), 0))
                    answer = await client.post(url, json=body)
                    if answer.status_code != 200:
                        raise RuntimeError(f"the server answered {answer.status_code}: {answer.text[:200]}")
                    return time.perf_counter() - start - due

                found = await asyncio.gather(*(ask(*each) for each in zip(bodies, arrivals, strict=True)))
                seconds = max(due + latency for due, latency in zip(arrivals, found, strict=True)) - arrivals[0]
            return list(found), len(found) / seconds
        finally:
            server.should_exit = True
            await serving
