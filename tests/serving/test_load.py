"""A load test on loopback: requests leave when they are due, and nothing is left running."""

import asyncio
import socket
import threading

import pytest

pytest.importorskip("httpx")
pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from workbook.serving.load import under_load

N = 12


class Counting:
    """Answers when all have come: a test that waits for answers would never end."""

    def __init__(self, status=200):
        self.there, self.all, self.status, self.ports = 0, None, status, set()

    async def answer(self, request):
        self.all = self.all or asyncio.Event()
        self.ports.add(request.url.port)
        self.there += 1
        if self.there == N:
            self.all.set()
        await self.all.wait()
        return JSONResponse(await request.json(), status_code=self.status)

    def app(self):
        return Starlette(routes=[Route("/v1/embeddings", self.answer, methods=["POST"])])


def test_requests_do_not_wait_for_answers():
    counting, due = Counting(), [0.01 * i for i in range(N)]
    latencies, per_second = under_load(counting.app(), [{"n": i} for i in range(N)], due)
    assert counting.there == N
    assert len(latencies) == N
    assert latencies[0] > due[-1] - due[0] - 0.001  # the first was answered when the last had come
    assert per_second > 0


def test_server_and_thread_are_gone_afterwards():
    before, counting = threading.active_count(), Counting()
    under_load(counting.app(), [{}] * N, [0.0] * N)
    assert threading.active_count() == before
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", counting.ports.pop()), timeout=5):
        pass


def test_an_error_is_told_and_ends_the_server_too():
    with pytest.raises(RuntimeError, match="the server answered 400"):
        under_load(Counting(400).app(), [{}] * N, [0.0] * N)


def test_each_request_needs_its_moment():
    with pytest.raises(ValueError, match="as many moments as requests"):
        under_load(Counting().app(), [{}], [])
