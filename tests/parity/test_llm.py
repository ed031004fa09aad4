"""The clients against servers and a client that are not ours.

`transformers serve` with a tiny model of random weights answers the chat protocol, and the `openai` package says
what a request looks like and reads the same replies. Nothing leaves the loopback interface.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from tests.encoder.test_text_encoder import small
from tests.llm.test_llm import KEY, Server, asking, chat, server  # noqa: F401  (a fixture)
from workbook.encoder import train_tokenizer
from workbook.llm import LLMError, LocalModel, OpenAICompatible, Recorded
from workbook.zoo.openai import OpenAIEmbeddings

pytestmark = pytest.mark.parity

WORDS = ["sort a list of numbers", "open a network socket", "read a file"]
PROMPTS = ["sort a list", "read", "open a network socket of numbers", "a file", "numbers of a list", "open a file"]
TEMPLATE = "{% for m in messages %}[CLS] {{ m['content'] }} [SEP]{% endfor %}"
TOKENS = 8
STARTING = 120.0  # seconds; it imports torch and transformers first


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A Llama with random weights, our tokenizer and a chat template, as transformers saves it."""
    import torch
    import transformers

    tokenizer = train_tokenizer(WORDS * 3, vocab_size=120)
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, intermediate_size=48, max_position_embeddings=64, initializer_range=0.5,
        eos_token_id=None, bos_token_id=None,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("models") / "tiny-llama"
    network = transformers.LlamaForCausalLM(config)
    network.generation_config.do_sample = True  # the server asks the model itself whether it may sample
    network.save_pretrained(path)
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", eos_token="[SEP]")
    fast.chat_template = TEMPLATE
    fast.save_pretrained(path)
    return path


class Serve:
    """`transformers serve` in a process of its own, on a free port of the loopback interface, with no network."""

    def __init__(self, folder: Path, place: Path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/v1"
        self.log = place / "serve.log"
        command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(folder)]
        command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
        offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(place / "empty"), "OMP_NUM_THREADS": "1"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=place, env=os.environ | offline, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            self._wait(port)
        except BaseException:
            self.end(signal.SIGKILL)
            raise

    def _wait(self, port: int) -> None:
        deadline = time.monotonic() + STARTING
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"the server ended:\n{self.log.read_text()[-3000:]}"
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"the server did not come up:\n{self.log.read_text()[-3000:]}")

    def end(self, how: signal.Signals = signal.SIGINT) -> int:
        """Stop this one process, politely by default, and wait for it."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


@pytest.fixture(scope="module")
def serve(folder, tmp_path_factory):
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    pytest.importorskip("openai")
    running = Serve(folder, tmp_path_factory.mktemp("serve"))
    yield running
    running.end()
    assert "Application shutdown complete" in running.log.read_text()


def served(serve, folder, **options):
    return OpenAICompatible(serve.url, str(folder), **{"max_tokens": TOKENS, "retries": 0, "timeout": 600.0, **options})


# --- the chat protocol, against `transformers serve` ----------------------------------------------


@pytest.mark.slow
def test_the_server_says_what_the_model_says(serve, folder):
    answers = served(serve, folder, parallel=3)(PROMPTS)
    assert answers == LocalModel(folder, max_tokens=TOKENS)(PROMPTS)
    assert len(set(answers)) == len(PROMPTS)
    assert all(answers)
    shorter = served(serve, folder, max_tokens=2)(PROMPTS[:2])
    assert all(long.startswith(short) and len(short) < len(long) for short, long in zip(shorter, answers, strict=False))


@pytest.mark.slow
def test_a_seed_repeats_what_was_sampled(serve, folder):
    options = {"temperature": 2.0, "parallel": 1, "max_tokens": 16}
    one, again, other = (served(serve, folder, seed=seed, **options)(PROMPTS) for seed in (1, 1, 2))
    assert one == again
    assert one != other


@pytest.mark.slow
def test_what_the_server_refuses_is_told_in_its_own_words(serve, folder):
    with pytest.raises(LLMError, match=r"answered 400: Server is pinned to .*; change the request"):
        served(serve, folder.parent / "another")(["read"])
    with pytest.raises(LLMError, match=r"answered 422: .*no_such_field"):
        served(serve, folder, extra={"no_such_field": 1})(["read"])
    with pytest.raises(LLMError, match=r"embeddings answered 404: Not Found; check base_url"):
        OpenAIEmbeddings(serve.url, str(folder), retries=0).encode(["read"])


@pytest.mark.slow
def test_a_server_that_is_too_slow_is_given_up(serve, folder):
    with pytest.raises(LLMError, match=r"gave up after 2 attempts: .* within 0.001 s; give a longer timeout"):
        served(serve, folder, timeout=0.001, retries=1, backoff=0.0)(["read"])
    assert served(serve, folder)(["read"]) == LocalModel(folder, max_tokens=TOKENS)(["read"])  # and it goes on


@pytest.mark.slow
def test_a_run_goes_on_after_the_server_was_killed(serve, folder, tmp_path):
    path = tmp_path / "answers.jsonl"
    second = Serve(folder, tmp_path)
    try:
        with pytest.raises(LLMError, match=r"gave up after 1 attempts: the connection to .* failed"):
            Recorded(path, killed_after(3, second, folder))(PROMPTS)
    finally:
        second.end(signal.SIGKILL)
    assert path.read_bytes().count(b"\n") == 3
    before = requests(serve)
    assert Recorded(path, served(serve, folder))(PROMPTS) == LocalModel(folder, max_tokens=TOKENS)(PROMPTS)
    assert requests(serve) - before == len(PROMPTS) - 3


def killed_after(count: int, serve: Serve, folder: Path) -> OpenAICompatible:
    """A client whose server dies as soon as so many answers have come, and been kept."""

    class Client(OpenAICompatible):
        def __call__(self, prompts, on_answer=None):
            def answered(position, answer):
                on_answer(position, answer)
                if position + 1 == count:
                    serve.end(signal.SIGKILL)

            return super().__call__(prompts, answered)

    return Client(serve.url, str(folder), max_tokens=TOKENS, retries=0, parallel=1)


def requests(serve: Serve) -> int:
    return serve.log.read_text().count("POST /v1/chat/completions")


# --- the requests, against the `openai` package ----------------------------------------------------


@pytest.fixture
def official(server, monkeypatch):  # noqa: F811
    monkeypatch.setenv("MY_KEY", KEY)
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=server.url, api_key=KEY, max_retries=0, timeout=60.0) as client:
        yield client


def differences(server):  # noqa: F811
    """What differs between the first request and the second: in the address, the body, or a header with a meaning."""
    ours, theirs = (
        {"path": path, **body, **{name.lower(): value for name, value in headers.items() if name.lower() in MEANT}}
        for path, (headers, body) in zip(server.paths, server.requests, strict=True)
    )
    return {key: (ours.get(key), theirs.get(key)) for key in ours | theirs if ours.get(key) != theirs.get(key)}


MEANT = ("authorization", "content-type", "accept")


@pytest.mark.slow
def test_a_chat_request_is_the_one_that_the_openai_package_sends(server, official):  # noqa: F811
    server.answer = lambda body: {
        **chat(body["messages"][0]["content"].upper()), "id": "1", "created": 0, "model": "tiny", "object": "chat.completion",
    }  # fmt: skip
    ours = asking(server, api_key_variable="MY_KEY", temperature=0.7, seed=3, max_tokens=9, extra={"top_p": 0.9})
    (text,) = ours(["héllo"])
    reply = official.chat.completions.create(
        model="tiny", messages=[{"role": "user", "content": "héllo"}], temperature=0.7, seed=3, max_tokens=9, top_p=0.9
    )
    assert reply.choices[0].message.content == text == "HÉLLO"
    assert differences(server) == {}


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"dimensions": 3}])
def test_an_embeddings_request_is_the_one_that_the_openai_package_sends(server, official, options):  # noqa: F811
    def embedded(body):
        vectors = [[len(text) + i / 8 for i in range(body.get("dimensions", 5))] for text in body["input"]]
        data = [{"index": i, "embedding": v, "object": "embedding"} for i, v in enumerate(vectors)]
        return {"data": data[::-1], "model": "big", "object": "list", "usage": {"prompt_tokens": 1, "total_tokens": 1}}

    server.answer = embedded
    texts = ["a", "bé", "ccc"]
    ours = OpenAIEmbeddings(server.url, "big", "MY_KEY", **options).encode(texts)
    reply = official.embeddings.create(model="big", input=texts, encoding_format="float", **options)
    theirs = np.array([item.embedding for item in sorted(reply.data, key=lambda item: item.index)], dtype=np.float32)
    np.testing.assert_array_equal(ours, theirs)
    assert differences(server) == {}


# --- embeddings, from a server of uvicorn's --------------------------------------------------------


@pytest.fixture(scope="module")
def embedding_server():
    """An encoder behind fastapi and uvicorn; what it answers has passed through OpenAI's own reply type."""
    fastapi, uvicorn, openai = (pytest.importorskip(name) for name in ("fastapi", "uvicorn", "openai"))
    encoder, app = small(normalize=True), fastapi.FastAPI()

    @app.post("/v1/embeddings")
    def embeddings(body: dict):
        data = [
            {"index": i, "embedding": vector, "object": "embedding"}
            for i, vector in enumerate(encoder.encode(body["input"]).tolist())
        ]
        usage = {"prompt_tokens": 0, "total_tokens": 0}
        reply = {"data": data, "model": body["model"], "object": "list", "usage": usage}
        return openai.types.CreateEmbeddingResponse.model_validate(reply).model_dump()

    listening = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not running.started:
        assert thread.is_alive()
        time.sleep(0.02)
    yield encoder, f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    running.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


@pytest.mark.slow
def test_embeddings_come_back_as_they_were_made(embedding_server):
    encoder, url = embedding_server
    texts = [f"{text} {i}" for i in range(20) for text in ("sort a list", "öffne", "", "read " * 30)]
    remote = OpenAIEmbeddings(url, "small", batch_size=7, query_prompt="query: ")
    np.testing.assert_allclose(remote.encode(texts), encoder.encode(texts), rtol=0, atol=1e-6)
    np.testing.assert_allclose(
        remote.encode_query(texts[:3]), encoder.encode([f"query: {text}" for text in texts[:3]]), rtol=0, atol=1e-6
    )
    json.dumps(remote.encode(texts[:1]).tolist(), allow_nan=False)
    with pytest.raises(LLMError, match=r"expected 1 vectors|for 3 dimensions, got 16"):
        OpenAIEmbeddings(url, "small", dimensions=3).encode(["read"])
