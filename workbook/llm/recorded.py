"""Answers of a language model in a file: asked once, replayed for ever.

An answer costs money or minutes, and the same question may be answered otherwise tomorrow. So each answer
is written to the disk as it comes, before anything else can fail, and never asked for again: a run that was
cut off is simply started once more, and a notebook runs offline and comes out the same.

Taught in 12.
"""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from workbook.llm.http import LLMError

OnAnswer = Callable[[int, str], None]  # (position of the prompt, answer), as soon as there is one


class Model(Protocol):
    """What `Recorded` can wrap: a name, settings, and answers one by one."""

    model: str

    @property
    def settings(self) -> dict[str, Any]:
        """What decides an answer beside the prompt: the temperature, the seed and their like."""
        ...

    def __call__(self, prompts: Sequence[str], on_answer: OnAnswer | None = None) -> list[str]: ...


class Recorded:
    """Answers from a file of JSON lines; what is missing is asked of `model`, if there is one, and added.

        key = SHA-256 of (model's name, its settings, prompt)

    So another model, or another temperature, is another question. Each new answer is appended in one write
    and flushed to the disk before the next is waited for. A last line that a kill cut in half is ignored and
    then overwritten; a damaged line anywhere else is an error.

    Args:
        path: the file; with `model` it need not exist yet.
        model: an `OpenAICompatible` or a `LocalModel`; without one, answers are only replayed, and the file
            must hold those of a single model with one set of settings.
        keep_prompts: write the prompts down, too. Without them answers are found all the same, by their keys, and texts
            that are not yours to hand on stay where they are.
    Raises:
        FileNotFoundError: there is nothing to replay.
        ValueError: a line is damaged, or it is not clear whose answers to replay.
    """

    def __init__(self, path: str | Path, model: Model | None = None, keep_prompts: bool = True):
        self.path = Path(path)
        self._ask, self._keep_prompts = model, keep_prompts
        self._lock = threading.Lock()
        if model is None and not self.path.exists():
            raise FileNotFoundError(f"{self.path} does not exist; record it: {self._recipe()}")
        self._answers, authors, self._whole = _read(self.path)
        if model is None:
            if len(authors) != 1:
                raise ValueError(
                    f"{self.path} holds the answers of {len(authors)} models or settings, expected one; "
                    "keep a file for each, or give the model too"
                )
            self.model, self.settings = authors[0]
        else:
            self.model, self.settings = model.model, dict(model.settings)

    def __call__(self, prompts: Sequence[str], on_answer: OnAnswer | None = None) -> list[str]:
        """One answer for each prompt, in order; a prompt that stands twice is asked once.

        Raises:
            LLMError: an answer is missing and there is no model to ask, or the model failed. What it had
                answered by then is in the file.
        """
        check_prompts(prompts)
        keys = [answer_key(self.model, self.settings, prompt) for prompt in prompts]
        missing = {key: prompt for key, prompt in zip(keys, prompts, strict=True) if key not in self._answers}
        if missing and self._ask is None:
            first = next(iter(missing.values()))
            raise LLMError(
                f"{self.path} holds no answer for {len(missing)} of {len(prompts)} prompts, the first is "
                f"{first[:80]!r}; record them: {self._recipe()}"
            )
        if missing and self._ask is not None:
            new_keys, new_prompts = list(missing), list(missing.values())
            self._ask(new_prompts, lambda i, answer: self._append(new_keys[i], new_prompts[i], answer))
        answers = [self._answers[key] for key in keys]
        for position, answer in enumerate(answers if on_answer is not None else ()):
            on_answer(position, answer)  # type: ignore[misc]
        return answers

    def __contains__(self, prompt: str) -> bool:
        """Whether the answer to a prompt is there already."""
        return answer_key(self.model, self.settings, prompt) in self._answers

    def _append(self, key: str, prompt: str, answer: str) -> None:
        asked = {"prompt": prompt} if self._keep_prompts else {}
        line = {"key": key, "model": self.model, "settings": self.settings, **asked, "answer": answer}
        try:
            data = (json.dumps(line, ensure_ascii=False) + "\n").encode()
        except UnicodeEncodeError:  # half a character, as models do send; escaped, it is kept
            data = (json.dumps(line) + "\n").encode()
        with self._lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                if size != self._whole:  # half a line, of a kill or a full disk; or another process wrote too
                    answers, _, self._whole = _read(self.path)
                    self._answers = {**answers, **self._answers}
                    if size > self._whole:
                        file.truncate(self._whole)
                if file.write(data) != len(data):
                    raise OSError(f"only a part of an answer could be written to {self.path}; is the disk full?")
                os.fsync(file.fileno())
            self._whole += len(data)
            self._answers[key] = answer

    def _recipe(self) -> str:
        return f"Recorded({str(self.path)!r}, model)(prompts), where model is an OpenAICompatible or a LocalModel"


def answer_key(model: str, settings: Mapping[str, Any], prompt: str) -> str:
    """SHA-256, in hex, of who is asked, how, and what."""
    return hashlib.sha256(json.dumps([model, settings, prompt], sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> tuple[dict[str, str], list[tuple[str, dict[str, Any]]], int]:
    """key -> answer; the models and settings; and how many bytes are whole lines."""
    answers: dict[str, str] = {}
    authors: list[tuple[str, dict[str, Any]]] = []
    whole = 0
    data = path.read_bytes() if path.exists() else b""
    for number, line in enumerate(data.split(b"\n"), start=1):
        if whole + len(line) == len(data):
            break  # nothing, or a line without its end: the kill came first
        try:
            entry = json.loads(line)
            author, key, answer = (entry["model"], entry["settings"]), str(entry["key"]), str(entry["answer"])
            right = "prompt" not in entry or key == answer_key(*author, entry["prompt"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"line {number} of {path} is damaged ({error!r}); delete the line") from error
        if not right:
            raise ValueError(f"line {number} of {path} was changed: its key does not fit its prompt; delete the line")
        answers.setdefault(key, answer)
        if author not in authors:
            authors.append(author)
        whole += len(line) + 1
    return answers, authors, whole


def check_prompts(prompts: Sequence[str]) -> None:
    """Refuse a single string, and what is no string.

    Raises:
        TypeError: what came, and where.
    """
    if isinstance(prompts, str):
        raise TypeError("expected a list of prompts, got one string; put it into a list: model([prompt])")
    for position, prompt in enumerate(prompts):
        if not isinstance(prompt, str):
            raise TypeError(f"expected prompts as strings, got {type(prompt).__name__} at position {position}")
