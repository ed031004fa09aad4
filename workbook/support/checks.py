"""Checks of input that several concepts share."""

from collections.abc import Mapping
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
