"""Checks of input that several concepts share."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def check_texts(name: str, texts: Any) -> None:
    """Refuse texts without ids: a list, a string, a generator.

    Args:
        name: what the caller calls them, for the error.
        texts: a mapping id -> text.
    Raises:
        ValueError: what came, and how to give ids.
    """
    if not isinstance(texts, Mapping):
        example = '{"q": text}' if isinstance(texts, str) else "{str(i): text for i, text in enumerate(texts)}"
        raise ValueError(f"{name} must be a mapping id -> text, got {type(texts).__name__}; give ids, as in {example}")


def check_positive(**numbers: float | None) -> None:
    """Refuse a count below 1.

    Args:
        numbers: name -> number, as keywords, for the error; None stands for a number that was not given.
    Raises:
        ValueError: which one, and what came.
    """
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")


def check_choice(name: str, given: object, choices: Sequence[object]) -> None:
    """Refuse what is none of the choices.

    Args:
        name: of the argument, for the error.
        given: what came for it.
        choices: all that it may be, two at least.
    Raises:
        ValueError: what came, and what there is.
    """
    if given not in choices:
        *others, last = [f'"{choice}"' if isinstance(choice, str) else str(choice) for choice in choices]
        raise ValueError(f"{name} must be {', '.join(others)} or {last}, got {given!r}")


def misfit(missing: Iterable[str], unexpected: Iterable[str], most: int = 8) -> str:
    """For an error message: which weights are missing and which have no place, each up to a number of names."""

    def listed(names: list[str]) -> str:
        rest = f" and {len(names) - most} more" if len(names) > most else ""
        return (", ".join(names[:most]) or "nothing") + rest

    return f"missing or of another shape: {listed(sorted(missing))}; not expected: {listed(sorted(unexpected))}"
