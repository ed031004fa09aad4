"""The server on loopback, asked by the real openai client."""

import asyncio
import socket
import threading
import time

import numpy as np
import pytest

from workbook.encoder import load
from workbook.serving.versions import fingerprint

httpx = pytest.importorskip("httpx")
openai = pytest.importorskip("openai")
uvicorn = pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

from workbook.serving.app import make_app  # noqa: E402
from workbook.zoo.openai import OpenAIEmbeddings  # noqa: E402

SECONDS = 60  # the limit of anything that waits: ten times what it needs, and more


class Overlap:
    """A reranker that counts the words that query and passage share."""

    def predict(self, pairs):
        return np.array([len({*q.split()} & {*p.split()}) for q, p in pairs], dtype=float)


@pytest.fixture(scope="module")
def base():
    return load("base")


@pytest.fixture(scope="module")
def url(base):
    app = make_app(base, "base", fingerprint(base), Overlap(), window=0.002, largest=8, cache_size=100)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        free.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([free])), daemon=True)
        thread.start()
        end = time.monotonic() + SECONDS
        while not server.started and time.monotonic() < end:
            time.sleep(0.02)
        assert server.started
        yield f"http://127.0.0.1:{free.getsockname()[1]}"
        server.should_exit = True
        thread.join(SECONDS)


@pytest.fixture(scope="module")
def client(url):
    return openai.OpenAI(base_url=f"{url}/v1", api_key="none", timeout=SECONDS, max_retries=0)


def vectors_of(answer):
    return np.array([item.embedding for item in answer.data])


TEXTS = ["a sharp pain in the chest", "sort a list", "a sharp pain in the chest"]


@pytest.mark.parametrize("form", [None, "float", "base64"])
def test_the_openai_client_gets_the_encoders_vectors_in_order(client, base, form):
    """Without a format the client asks for base64, and decodes it."""
    answer = client.embeddings.create(model="base", input=TEXTS, **({"encoding_format": form} if form else {}))
    assert [item.index for item in answer.data] == [0, 1, 2]
    assert answer.usage.prompt_tokens == sum(map(len, base.token_ids(TEXTS)))
    if form != "base64":  # asked for by name, the client hands the string on
        np.testing.assert_allclose(vectors_of(answer), base.encode(TEXTS), atol=1e-5)


def test_one_string_is_one_text(client, base):
    answer = client.embeddings.create(model="base", input="sort a list", user="somebody")
    np.testing.assert_allclose(vectors_of(answer), base.encode(["sort a list"]), atol=1e-5)


def test_fewer_dimensions_are_cut_and_normalized(client, base):
    answer = client.embeddings.create(model="base", input=TEXTS, dimensions=16)
    np.testing.assert_allclose(vectors_of(answer), base.encode(TEXTS, truncate_dim=16), atol=1e-5)


def test_a_query_gets_the_query_prompt(client, base):
    answer = client.embeddings.create(model="base", input=["sort a list"], extra_body={"input_type": "query"})
    np.testing.assert_allclose(vectors_of(answer), base.encode_query(["sort a list"]), atol=1e-5)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input"),
        ({"input": [1, 2]}, "input"),
        ({"input": "a", "dimensions": 100_000}, "dimensions"),
        ({"input": "a", "extra_body": {"encoding_format": "int8"}}, "encoding_format"),
        ({"input": "a", "extra_body": {"input_type": "poem"}}, "input_type"),
        ({"input": "a", "extra_body": {"truncate": "start"}}, "truncate"),
    ],
)
def test_what_cannot_be_honoured_is_a_bad_request_that_names_it(client, body, param):
    with pytest.raises(openai.BadRequestError) as told:
        client.embeddings.create(model="base", **body)
    assert told.value.param == param


def test_another_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError, match="the model served here is 'base'"):
        client.embeddings.create(model="other", input="a")


def test_what_is_no_json_is_refused(url):
    answer = httpx.post(f"{url}/v1/embeddings", content=b"{", timeout=SECONDS)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "body"


def test_our_own_client_speaks_to_it(url, base):
    remote = OpenAIEmbeddings(f"{url}/v1", "base", batch_size=2)
    np.testing.assert_allclose(remote.encode(TEXTS), base.encode(TEXTS), atol=1e-5)


def test_rerank_puts_the_best_first_under_its_own_number(url):
    body = {"model": "base", "query": "blood sugar", "documents": ["a list", {"text": "blood sugar level"}, "blood"]}
    answer = httpx.post(f"{url}/v1/rerank", json={**body, "top_n": 2, "return_documents": True}, timeout=SECONDS)
    assert [(r["index"], r["relevance_score"]) for r in answer.json()["results"]] == [(1, 2.0), (2, 1.0)]
    assert answer.json()["results"][0]["document"] == {"text": "blood sugar level"}
    for wrong, param in (
        ({"documents": []}, "documents"),
        ({"query": ""}, "query"),
        ({"top_n": 0}, "top_n"),
        ({"max_chunks_per_doc": 3}, "max_chunks_per_doc"),
    ):
        refused = httpx.post(f"{url}/v1/rerank", json={**body, **wrong}, timeout=SECONDS)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)


def test_many_at_once_each_get_their_own(url, base):
    texts = [f"text number {i}" for i in range(40)]

    async def ask_all():
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", timeout=SECONDS, max_retries=0) as client:
            return await asyncio.gather(*(client.embeddings.create(model="base", input=text) for text in texts))

    found = np.concatenate([vectors_of(answer) for answer in asyncio.run(ask_all())])
    np.testing.assert_allclose(found, base.encode(texts), atol=1e-5)


def test_health_and_metrics(url, client, base):
    health = httpx.get(f"{url}/health", timeout=SECONDS).json()
    assert health == {"status": "ok", "model": "base", "fingerprint": fingerprint(base), "dimensions": base.embedding_size}  # fmt: skip
    client.embeddings.create(model="base", input="asked twice")
    before = httpx.get(f"{url}/metrics", timeout=SECONDS).json()
    client.embeddings.create(model="base", input="asked twice")
    after = httpx.get(f"{url}/metrics", timeout=SECONDS).json()
    assert after["hits"] == before["hits"] + 1
    assert after["batches"] == before["batches"], "what is cached does not reach the model"
    assert after["requests"] == before["requests"] + 1
    assert after["seconds"]["p50"] <= after["seconds"]["p95"] <= after["seconds"]["p99"]
