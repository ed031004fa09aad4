"""Text generation against a real server on loopback that misbehaves by script, and against a tiny local model."""

import email.utils
import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from workbook.llm import LLMError, LocalModel, OpenAICompatible, Recorded
from workbook.llm import models as llm
from workbook.llm.http import _retry_after, post_json
from workbook.llm.recorded import answer_key
from workbook.training_data.written import generate_queries

KEY = "sk-very-secret"


def chat(text):
    return {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}


class Server(ThreadingHTTPServer):
    """Answers each prompt with its upper case, after the faults in `script`, one for each request."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.requests, self.paths, self.lock = [], [], [], threading.Lock()
        self.answer = lambda body: chat(body["messages"][0]["content"].upper())
        self.most, self.now = 0, 0
        self.delay = 0.0
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"

    def prompts(self):
        return [body["messages"][0]["content"] for _, body in self.requests]

    def handle_error(self, request, address):
        """Clients that give up are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        self.send_error(405)

    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.requests.append((dict(self.headers), body))
            server.paths.append(self.path)
            fault = server.script.pop(0) if server.script else None
            server.now += 1
            server.most = max(server.most, server.now)
        time.sleep(server.delay)
        with server.lock:
            server.now -= 1
        if fault is None:
            fault = (200, {}, server.answer(body))
        if callable(fault):
            return fault(self)
        status, headers, content = fault
        return self.send(status, headers, content if isinstance(content, bytes) else json.dumps(content).encode())

    def send(self, status, headers, content, length=None):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def asking(server, **options):
    return OpenAICompatible(server.url, "tiny", **{"backoff": 0.01, "timeout": 60.0, **options})


# --- a request ------------------------------------------------------------------------------------


def test_answers_come_in_the_order_of_the_prompts_a_few_at_a_time(server):
    prompts = [f"prompt {i}" for i in range(12)]
    server.delay = 0.02
    came = {}
    model = asking(server, parallel=3)
    assert model(prompts, came.__setitem__) == [prompt.upper() for prompt in prompts]
    assert came == dict(enumerate(prompt.upper() for prompt in prompts))
    assert 1 < server.most <= 3
    assert model([]) == []
    asking(server, parallel=1)(["a", "b"])
    assert server.prompts()[-2:] == ["a", "b"]


def test_the_request_says_what_was_asked_for(server, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    asking(server, api_key_variable="MY_KEY", temperature=0.7, seed=3, max_tokens=9, extra={"top_p": 0.9})(["hello"])
    headers, body = server.requests[0]
    assert headers["Authorization"] == f"Bearer {KEY}"
    message = {"role": "user", "content": "hello"}
    assert body == {
        "model": "tiny", "messages": [message], "temperature": 0.7, "seed": 3, "max_tokens": 9, "top_p": 0.9,
    }  # fmt: skip
    asking(server)(["hello"])
    headers, body = server.requests[1]
    assert "Authorization" not in headers
    assert "seed" not in body


def test_it_writes_queries_for_training(server):
    server.answer = lambda body: chat("1. how to sort a list\n")
    written = generate_queries({"sort": "sort a list of numbers by their size"}, asking(server))
    assert list(written.queries.values()) == ["how to sort a list"]


def drop(handler):
    handler.connection.close()


def cut(handler):
    handler.send(200, {}, b'{"choices": [', length=500)


def hang(handler):
    time.sleep(1.0)


def trickle(handler):
    handler.send_response(200)
    handler.end_headers()
    for _ in range(30):
        time.sleep(0.05)
        handler.wfile.write(b" ")
        handler.wfile.flush()


BUSY = (429, {"Retry-After": "0"}, {"error": {"message": "slow down"}})
BROKEN = (500, {}, b"oops")


@pytest.mark.parametrize("faults", [[BUSY, BUSY], [BROKEN], [drop], [cut], [(503, {}, b""), drop, BUSY, BROKEN]])
def test_what_passes_by_itself_is_tried_again(server, faults):
    server.script = list(faults)
    assert asking(server, parallel=1)(["hello"]) == ["HELLO"]
    assert len(server.requests) == len(faults) + 1


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (BUSY, r"gave up after 2 attempts: .* answered 429: slow down"),
        (BROKEN, r"gave up after 2 attempts: .* answered 500: oops"),
        (drop, "gave up after 2 attempts: the connection to .* failed .* is the server running"),
        (hang, r"gave up after 2 attempts: .* did not answer within 0.2 s; give a longer timeout"),
        (trickle, r"gave up after 2 attempts: .* did not answer within 0.2 s"),
    ],
)
def test_what_does_not_pass_is_told_with_its_reason(server, fault, says):
    server.script = [fault] * 2
    with pytest.raises(LLMError, match=says):
        asking(server, parallel=1, retries=1, timeout=0.2)(["hello"])
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ((400, {}, {"error": {"message": "too many tokens"}}), "answered 400: too many tokens; change the request"),
        ((401, {}, {"error": "who are you"}), "answered 401: who are you; check the key"),
        ((404, {}, {"detail": "no such model"}), "answered 404: no such model; check base_url and the model's name"),
        ((422, {}, [1]), r"answered 422: \[1\]"),
        ((400, {}, b""), "answered 400: nothing"),
        ((307, {"Location": "http://elsewhere/"}, b""), "redirect to http://elsewhere/; redirects are not followed"),
        ((302, {"Location": "http://127.0.0.1:9/"}, b""), r"redirect to http://127\.0\.0\.1:9/; redirects are not"),
        ((429, {"Retry-After": "3600"}, b"quota"), "quota; it asks to wait 3600 s, so run this again later"),
        ((200, {}, b"<html>hello"), "not JSON: '<html>hello'; is the address right"),
        ((200, {}, {"choices": []}), "expected one choice from .*, got 0 choices"),
        ((200, {}, {"choices": [1, 2]}), "got 2 choices"),
        ((200, {}, {"object": "list"}), "got no list of choices"),
        ((200, {}, [1]), "got no list of choices"),
        ((200, {}, {"choices": [{"message": {"content": None}, "finish_reason": "length"}]}), "more max_tokens"),
        ((200, {}, {"choices": ["text"]}), "expected a text"),
    ],
)
def test_what_would_come_back_the_same_is_asked_once(server, fault, says):
    server.script = [fault]
    with pytest.raises(LLMError, match=says):
        asking(server, parallel=1)(["hello"])
    assert len(server.requests) == 1


def test_the_pause_is_as_long_as_the_server_says(server):
    server.script = [(429, {"Retry-After": "0.3"}, b"")]
    start = time.monotonic()
    asking(server, backoff=0.0)(["hello"])
    assert time.monotonic() - start >= 0.3
    soon = email.utils.formatdate(time.time() + 30, usegmt=True)
    assert 25 < _retry_after(soon) <= 30
    assert _retry_after("-5") == 0.0
    for nothing in (None, "later", "nan"):
        assert _retry_after(nothing) is None


def test_the_key_is_never_shown(server, monkeypatch, capfd, caplog):
    monkeypatch.setenv("MY_KEY", KEY)
    model = asking(server, api_key_variable="MY_KEY")
    server.script = [(401, {}, {"error": {"message": f"wrong key: {KEY}"}})]
    with pytest.raises(LLMError, match=r"wrong key: \*\*\*") as caught:
        model(["hello"])
    chain = [caught.value, caught.value.__cause__]
    shown = "".join(map(repr, chain)) + caplog.text + "".join(capfd.readouterr())
    assert KEY not in shown + repr(vars(model))
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(LLMError, match="the environment variable MY_KEY is not set"):
        model(["hello"])


def test_wrong_calls_are_told(server):
    with pytest.raises(TypeError, match="got one string"):
        asking(server)("hello")
    with pytest.raises(TypeError, match="got int at position 1"):
        asking(server)(["hello", 1])
    with pytest.raises(ValueError, match="parallel and max_tokens must be at least 1"):
        asking(server, parallel=0)
    with pytest.raises(ValueError, match="begins with http"):
        post_json("file:///etc/passwd", {})
    assert server.requests == []
    with pytest.raises(LLMError, match=r"gave up after 1 attempts: the connection to .* failed"):
        OpenAICompatible("http://127.0.0.1:9/v1", "tiny", retries=0)(["hello"])


def test_after_a_failure_no_other_is_begun(server):
    server.script = [None, (400, {}, b"bad")]
    with pytest.raises(LLMError, match="bad"):
        asking(server, parallel=1)([f"prompt {i}" for i in range(20)])
    assert len(server.requests) == 2


# --- recorded -------------------------------------------------------------------------------------


def test_what_is_recorded_is_not_asked_again(server, tmp_path):
    path = tmp_path / "deep" / "answers.jsonl"
    model = asking(server)
    recorded = Recorded(path, model)
    assert recorded(["a", "b", "a", "ü\u2028\n"]) == ["A", "B", "A", "Ü\u2028\n"]
    assert sorted(server.prompts()) == ["a", "b", "ü\u2028\n"]
    assert Recorded(path, model)(["b", "c"]) == ["B", "C"]
    assert len(server.requests) == 4
    replayed, came = Recorded(path), {}
    assert replayed(["c", "a"], came.__setitem__) == ["C", "A"]
    assert came == {0: "C", 1: "A"}
    assert replayed([]) == []
    with pytest.raises(LLMError, match=r"no answer for 1 of 2 prompts, the first is 'new'; record them: Recorded\("):
        replayed(["a", "new"])
    assert len(server.requests) == 4
    line = json.loads(path.read_text("utf-8").split("\n")[0])
    assert line["key"] == answer_key("tiny", model.settings, line["prompt"])


def test_another_setting_is_another_question(server, tmp_path):
    path = tmp_path / "answers.jsonl"
    for model in (asking(server), asking(server, temperature=1.0), OpenAICompatible(server.url, "other")):
        Recorded(path, model)(["a"])
    assert len(server.requests) == 3
    with pytest.raises(ValueError, match="answers of 3 models or settings, expected one"):
        Recorded(path)
    with pytest.raises(FileNotFoundError, match="record it"):
        Recorded(tmp_path / "none.jsonl")


def test_what_came_before_a_failure_is_kept(server, tmp_path):
    server.script = [None, None, (400, {}, b"bad")]
    prompts = [f"prompt {i}" for i in range(6)]
    with pytest.raises(LLMError, match="bad"):
        Recorded(tmp_path / "a.jsonl", asking(server, parallel=1))(prompts)
    assert Recorded(tmp_path / "a.jsonl", asking(server))(prompts) == [prompt.upper() for prompt in prompts]
    assert len(server.requests) == 7  # the refused one twice


@pytest.mark.parametrize("keep", [1, 40, -1])
def test_half_a_last_line_is_ignored_and_overwritten(server, tmp_path, keep):
    path = tmp_path / "answers.jsonl"
    model = asking(server, parallel=1)
    Recorded(path, model)(["a", "b"])
    first, second, _ = path.read_bytes().split(b"\n")
    path.write_bytes(first + b"\n" + second[:keep])
    assert Recorded(path)(["a"]) == ["A"]
    assert Recorded(path, model)(["a", "b", "c"]) == ["A", "B", "C"]
    assert server.prompts() == ["a", "b", "b", "c"]
    assert len(path.read_bytes().split(b"\n")) == 4
    assert Recorded(path)(["a", "b", "c"]) == ["A", "B", "C"]


def test_answers_are_found_without_their_prompts(server, tmp_path):
    path = tmp_path / "answers.jsonl"
    Recorded(path, asking(server), keep_prompts=False)(["a secret"])
    assert "a secret" not in path.read_text()
    assert Recorded(path)(["a secret"]) == ["A SECRET"]
    assert "a secret" in Recorded(path)
    assert "another" not in Recorded(path)


def test_a_damaged_line_is_an_error(server, tmp_path):
    path = tmp_path / "answers.jsonl"
    Recorded(path, asking(server))(["a"])
    whole = path.read_text()
    for damaged, says in (
        ("nonsense\n" + whole, "line 1 of .* is damaged"),
        (whole + "[]\n", "line 2 of .* is damaged"),
        (whole.replace('"prompt": "a"', '"prompt": "z"'), "line 1 of .* was changed"),
    ):
        path.write_text(damaged)
        with pytest.raises(ValueError, match=says):
            Recorded(path)


def test_two_recorders_of_one_file_lose_nothing(server, tmp_path):
    path = tmp_path / "answers.jsonl"
    one, two = Recorded(path, asking(server)), Recorded(path, asking(server))
    one(["a"]), two(["b"]), one(["c"]), two(["a", "c", "d"])
    assert Recorded(path)(["a", "b", "c", "d"]) == ["A", "B", "C", "D"]


def test_half_a_character_is_kept(server, tmp_path):
    server.answer = lambda body: chat("\ud83d")
    assert Recorded(tmp_path / "a.jsonl", asking(server))(["a"]) == ["\ud83d"]
    assert Recorded(tmp_path / "a.jsonl")(["a"]) == ["\ud83d"]


RUN = """
import sys
from workbook.llm import OpenAICompatible, Recorded
model = Recorded(sys.argv[2], OpenAICompatible(sys.argv[1], "tiny", parallel=1))
print(len(model([f"prompt {i}" for i in range(30)])))
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_without_asking_twice(server, tmp_path):
    path = tmp_path / "answers.jsonl"
    command = [sys.executable, "-c", RUN, server.url, str(path)]
    root = Path(llm.__file__).parents[2]
    server.delay = 0.05
    killed = subprocess.Popen(command, cwd=root)
    while not path.exists() or path.read_bytes().count(b"\n") < 5:
        assert killed.poll() is None
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    done = path.read_bytes().count(b"\n")
    assert 5 <= done < 30
    time.sleep(0.1)
    asked = len(server.requests)
    assert asked <= done + 1  # at most the one that was under way
    server.delay = 0.0
    again = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert again.stdout == "30\n"
    assert len(server.requests) == asked + 30 - done
    assert sorted(set(server.prompts())) == sorted(f"prompt {i}" for i in range(30))


def test_an_interrupt_ends_the_run_and_keeps_the_answers(server, tmp_path, monkeypatch):
    def interrupt(*args, **kwargs):
        time.sleep(0.02)
        raise KeyboardInterrupt

    path = tmp_path / "answers.jsonl"
    recorded = Recorded(path, asking(server, parallel=1))
    server.delay = 0.05
    monkeypatch.setattr(llm, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        recorded([f"prompt {i}" for i in range(20)])
    for _ in range(200):
        if path.exists() and path.read_bytes().count(b"\n") == len(server.requests):
            break
        time.sleep(0.02)
    time.sleep(0.2)
    assert len(server.requests) <= 2  # the ones under way
    assert path.read_bytes().count(b"\n") == len(server.requests)  # paid for, so kept


# --- local ----------------------------------------------------------------------------------------

TEMPLATE = "{% for m in messages %}[CLS] {{ m['content'] }} [SEP]{% endfor %}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A Llama with random weights and our tokenizer, as transformers saves it."""
    import torch
    import transformers

    from workbook.encoder import train_tokenizer

    tokenizer = train_tokenizer(["sort a list of numbers", "open a network socket", "read a file"] * 3, vocab_size=120)
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, intermediate_size=48, max_position_embeddings=64, initializer_range=0.5,
        eos_token_id=None, bos_token_id=None,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("models") / "tiny-llama"
    transformers.LlamaForCausalLM(config).save_pretrained(path)
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", eos_token="[SEP]")
    fast.save_pretrained(path)
    return path


PROMPTS = ["sort a list", "read", "open a network socket of numbers", "a file"]


@pytest.mark.slow
def test_a_local_model_answers_alike_in_batches_and_in_a_plain_loop(folder):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    answers = LocalModel(folder, max_tokens=8, batch_size=4)(PROMPTS)
    assert answers == LocalModel(folder, max_tokens=8, batch_size=1)(PROMPTS)
    assert len(set(answers)) > 1
    tokenizer, network = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
        T = ids.shape[1]
        with torch.no_grad():
            for _ in range(8):
                ids = torch.cat([ids, network(ids).logits[:, -1].argmax(dim=-1, keepdim=True)], dim=1)
        assert answer == tokenizer.decode(ids[0, T:], skip_special_tokens=True)


@pytest.mark.slow
def test_a_sampled_answer_depends_on_the_seed_and_not_on_its_neighbours(folder):
    import torch

    state = torch.random.get_rng_state()
    model = LocalModel(folder, max_tokens=8, temperature=1.0, seed=1)
    assert model(PROMPTS)[2] == model(PROMPTS[2:3])[0]
    assert model(PROMPTS) != LocalModel(folder, max_tokens=8, temperature=1.0, seed=2)(PROMPTS)
    assert torch.equal(state, torch.random.get_rng_state())
    assert model.settings == {"temperature": 1.0, "max_tokens": 8, "seed": 1}


@pytest.mark.slow
def test_a_chat_template_is_used_and_local_answers_are_recorded(folder, tmp_path):
    plain = LocalModel(folder, max_tokens=4)
    chatting = LocalModel(folder, max_tokens=4)
    chatting._tokenizer.chat_template = TEMPLATE  # writes exactly what our tokenizer puts around a text
    assert chatting(PROMPTS) == plain(PROMPTS)
    chatting._tokenizer.chat_template = TEMPLATE.replace("[SEP]", "numbers")
    assert chatting(PROMPTS) != plain(PROMPTS)
    assert Recorded(tmp_path / "a.jsonl", plain)(PROMPTS) == Recorded(tmp_path / "a.jsonl")(PROMPTS) == plain(PROMPTS)


@pytest.mark.slow
def test_wrong_folders_and_prompts_are_told(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no config"):
        LocalModel(tmp_path)
    with pytest.raises(ValueError, match="must be at least 1"):
        LocalModel(folder, max_tokens=0)
    with pytest.raises(LLMError, match="exceed the model's 64; shorten"):
        LocalModel(folder, max_tokens=62)(["sort a list"])
    with pytest.raises(TypeError, match="got one string"):
        LocalModel(folder)("sort")
    assert LocalModel(folder)([]) == []


@pytest.mark.slow
def test_a_real_model_behind_a_real_server_answers_as_it_does_at_home(folder, server):
    """`transformers serve` needs fastapi and uvicorn; where they are missing, our server asks the model itself."""
    at_home = LocalModel(folder, max_tokens=6, batch_size=1)
    one_at_a_time = threading.Lock()

    def answer(body):
        with one_at_a_time:
            return chat(at_home([body["messages"][0]["content"]])[0])

    server.answer = answer
    assert asking(server, max_tokens=6, timeout=30.0)(PROMPTS) == at_home(PROMPTS)


# --- what ships -----------------------------------------------------------------------------------


def test_the_answers_that_ship_are_replayed_into_queries():
    from workbook import data

    corpus = data.load("toy").corpus
    recorded = Recorded(Path(llm.__file__).parents[2] / "datasets" / "toy" / "llm_answers.jsonl")
    assert recorded.model == "written by hand"  # and never passed off as a model's
    first = {passage_id: text for passage_id, text in corpus.items() if passage_id.endswith("-001")}
    written = generate_queries(first, recorded, 2)
    assert len(first) == 10
    assert written.counts["kept"] == 20
    assert all(len(text.split()) >= 4 for text in written.queries.values())
    with pytest.raises(LLMError, match="holds no answer for 10 of 10 prompts"):
        generate_queries(first, recorded, 3)  # another prompt, so another question


def test_the_answers_of_smollm2_that_ship_are_replayed_without_it():
    from benchmarks.smollm2 import RECORD, toy_pairs
    from workbook.training_data import judge_prompt

    recorded = Recorded(RECORD)
    assert recorded.model == "SmolLM2-135M-Instruct.Q4_1"
    pairs = toy_pairs("test")
    assert len(recorded([judge_prompt(pair.query, pair.passage) for pair in pairs])) == 2 * 20
    assert [pair.answers for pair in pairs[:2]] == [True, False]
