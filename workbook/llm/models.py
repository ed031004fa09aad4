"""Language models that write text: behind a web address, in a local folder, or recorded in a file.

Each of the three is called with a list of prompts and returns one answer for each, in order:

    OpenAICompatible   asks a server that speaks OpenAI's chat protocol, a few requests at a time
    LocalModel         runs a model from a folder; nothing leaves the machine
    Recorded           replays answers from a file; around one of the others it asks for what is missing

`workbook.training_data.written` takes any of them as `generate`. Nothing here reaches a network unless its caller
gave an address.

Taught in 12.
"""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Any

from workbook.llm.http import LLMError, post_json
from workbook.llm.recorded import OnAnswer, Recorded, check_prompts
from workbook.support.files import for_transformers, is_gguf

__all__ = ["LLMError", "LocalModel", "OpenAICompatible", "Recorded"]


class OpenAICompatible:
    """Any server with OpenAI's chat protocol: a provider, vLLM, llama.cpp, Ollama, `transformers serve`.

    Args:
        base_url: up to and including "/v1", such as "http://localhost:8000/v1". There is no default:
            giving it is your consent that the prompts go there.
        model: the name by which the server knows it.
        api_key_variable: name of the environment variable with the key; None for a server without one.
        temperature: 0 for the most probable answer. Above, `transformers serve` samples only where the
            model's own generation_config.json says so, and else gives the most probable one without a word.
        seed: sent where given; most servers then repeat themselves, none promises it.
        max_tokens: of each answer.
        extra: more fields of the request, such as {"top_p": 0.9}.
        timeout, retries, backoff: as in `post_json`.
        parallel: requests at a time.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key_variable: str | None = None,
        temperature: float = 0.0,
        seed: int | None = None,
        max_tokens: int = 256,
        extra: Mapping[str, Any] | None = None,
        timeout: float = 60.0,
        retries: int = 4,
        backoff: float = 1.0,
        parallel: int = 4,
    ):
        if parallel < 1 or retries < 0 or max_tokens < 1 or timeout <= 0:
            raise ValueError(
                "parallel and max_tokens must be at least 1, retries at least 0 and timeout positive, got "
                f"{parallel}, {max_tokens}, {retries} and {timeout}"
            )
        self.url = f"{base_url.rstrip('/')}/chat/completions"
        self.model = model
        self.settings = {"temperature": temperature, "max_tokens": max_tokens, **(extra or {})}
        if seed is not None:
            self.settings["seed"] = seed
        self.parallel = parallel
        self._post = partial(
            post_json, self.url, api_key_variable=api_key_variable, timeout=timeout, retries=retries, backoff=backoff
        )

    def __call__(self, prompts: Sequence[str], on_answer: OnAnswer | None = None) -> list[str]:
        """Ask each prompt, `parallel` at a time; answers come in the order of the prompts.

        When one fails for good, those under way are still finished, no other is begun, and its error is
        raised. An interrupt returns at once; what is under way then ends in the background.

        Args:
            prompts: N texts.
            on_answer: called with (position, answer) as each answer comes, in the thread that got it.
        Raises:
            LLMError: one of them got no usable answer.
        """
        check_prompts(prompts)
        stop, failures = threading.Event(), list[BaseException]()

        def ask(position: int) -> str:
            if stop.is_set():
                raise LLMError("stopped before it was asked")
            try:
                answer = self._ask(prompts[position], stop)
                if on_answer is not None:
                    on_answer(position, answer)
            except BaseException as error:
                failures.append(error)  # the first is the reason, those after it may be "stopped"
                stop.set()
                raise
            return answer

        pool = ThreadPoolExecutor(self.parallel, thread_name_prefix="llm")
        try:
            futures = [pool.submit(ask, position) for position in range(len(prompts))]
            wait(futures, return_when=FIRST_EXCEPTION)
        except BaseException:  # an interrupt: nothing more is sent
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown(wait=True, cancel_futures=True)
        if failures:
            raise failures[0]
        return [future.result() for future in futures]

    def _ask(self, prompt: str, stop: threading.Event) -> str:
        body = {"model": self.model, "messages": [{"role": "user", "content": prompt}], **self.settings}
        reply = self._post(body, stop=stop)
        choices = reply.get("choices") if isinstance(reply, dict) else None
        if not isinstance(choices, list) or len(choices) != 1:
            count = f"{len(choices)} choices" if isinstance(choices, list) else "no list of choices"
            raise LLMError(f"expected one choice from {self.url}, got {count}; is {self.model!r} a chat model?")
        message = choices[0].get("message") if isinstance(choices[0], dict) else None
        content = message.get("content") if isinstance(message, dict) else None
        if not isinstance(content, str):
            why = choices[0].get("finish_reason") if isinstance(choices[0], dict) else None
            raise LLMError(
                f"expected a text from {self.url}, got {content!r} (finish_reason {why!r}); with 'length' give more "
                "max_tokens, otherwise the model refused: change the prompt"
            )
        return content


class LocalModel:
    """A causal language model from a folder or a GGUF file; its files are read, nothing is fetched.

    Prompts go through the tokenizer's chat template where it has one. At temperature 0 each token is the
    most probable one. Above, each prompt is sampled by itself from the seed, so that an answer does not
    depend on which prompts were asked beside it or before.

    Args:
        folder: a model in Hugging Face's layout, with its weights as safetensors; or a GGUF file, which
            transformers reads with the packages gguf and accelerate, and unpacks to float32.
        max_tokens: of each answer.
        temperature: 0 for the most probable answer.
        seed: for sampling.
        batch_size: prompts at a time at temperature 0.
        device: where to run it.
    Raises:
        FileNotFoundError: there is no such folder or file.
    """

    def __init__(
        self,
        folder: str | Path,
        max_tokens: int = 256,
        temperature: float = 0.0,
        seed: int = 0,
        batch_size: int = 8,
        device: str = "cpu",
    ):
        from transformers import AutoModelForCausalLM, AutoTokenizer

        if max_tokens < 1 or batch_size < 1 or temperature < 0:
            raise ValueError(
                "max_tokens and batch_size must be at least 1 and temperature not negative, got "
                f"{max_tokens}, {batch_size} and {temperature}"
            )
        folder = Path(folder)
        if not (folder / "config.json").exists() and not is_gguf(folder):
            raise FileNotFoundError(
                f"{folder} holds no config.json and is no GGUF file; give the folder of a causal language model"
            )
        self._tokenizer: Any = AutoTokenizer.from_pretrained(**for_transformers(folder), padding_side="left")
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        loaded: Any = AutoModelForCausalLM.from_pretrained(**for_transformers(folder), use_safetensors=True)
        self._network = loaded.eval().to(device)
        self.model = folder.name.removesuffix(".gguf")
        self.settings: dict[str, Any] = {"temperature": temperature, "max_tokens": max_tokens}
        if temperature > 0:
            self.settings["seed"] = seed
        self.batch_size = batch_size if temperature == 0 else 1

    def __call__(self, prompts: Sequence[str], on_answer: OnAnswer | None = None) -> list[str]:
        """Answer each prompt, in order; on_answer as in `OpenAICompatible`.

        Raises:
            LLMError: a prompt is too long for the model.
        """
        check_prompts(prompts)
        answers: list[str] = []
        for start in range(0, len(prompts), self.batch_size):
            for answer in self._answer(prompts[start : start + self.batch_size]):
                answers.append(answer)
                if on_answer is not None:
                    on_answer(len(answers) - 1, answer)
        return answers

    def _answer(self, prompts: Sequence[str]) -> list[str]:
        import torch

        chat = self._tokenizer.chat_template is not None
        texts = list(prompts)
        if chat:
            said = [[{"role": "user", "content": prompt}] for prompt in prompts]
            texts = self._tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        # A template has written the special tokens already.
        batch = self._tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=not chat)
        T, new = batch["input_ids"].shape[1], self.settings["max_tokens"]
        room = getattr(self._network.config, "max_position_embeddings", None)
        if room is not None and T + new > room:
            raise LLMError(f"a prompt of {T} tokens and {new} new ones exceed the model's {room}; shorten one of them")
        sampling: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        if self.settings["temperature"] > 0:
            sampling = {"do_sample": True, "temperature": self.settings["temperature"], "top_p": 1.0, "top_k": 0}
        device = self._network.device
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(self.settings.get("seed", 0))
            ids = self._network.generate(
                input_ids=batch["input_ids"].to(device),
                attention_mask=batch["attention_mask"].to(device),
                max_new_tokens=new,
                pad_token_id=self._tokenizer.pad_token_id,
                **sampling,
            )
        return [str(answer) for answer in self._tokenizer.batch_decode(ids[:, T:], skip_special_tokens=True)]
