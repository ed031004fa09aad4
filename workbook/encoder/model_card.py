"""A model card: README.md of a saved model, in the hub's form, written from what was measured.

Between two lines of three dashes stands what machines read, as YAML; below it what people read.

Taught in 07.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbook.encoder.text_encoder import TextEncoder
from workbook.support.files import write_atomically

HEAD = {"library_name": "sentence-transformers", "pipeline_tag": "sentence-similarity"}
TAGS = ("sentence-transformers", "feature-extraction", "sentence-similarity")


def model_card(
    name: str,
    encoder: TextEncoder,
    sections: Mapping[str, str | Mapping[str, Any]],
    license: str = "unknown",
    language: str | Sequence[str] = "en",
    base_model: str | None = None,
) -> str:
    """The text of a card.

    Args:
        name: what the model is called.
        encoder: what it can take is read from it, so that the card cannot say something else.
        sections: heading -> a text, or a table of names and values, in order: what it was trained on and how, what it
            was measured to do and on how many queries, what it cannot do.
        license: an SPDX name in small letters, such as "mit".
        language: a code such as "en", or several.
        base_model: the model that it was trained from; None for one from scratch.
    Returns:
        Markdown with a YAML head.
    Raises:
        ValueError: there are no sections, or one says nothing.
    """
    empty = [heading for heading, told in sections.items() if not told]
    if empty or not sections:
        raise ValueError(
            f"a card says what a model was trained on, what it does and what it cannot; empty: {empty or 'all'}"
        )
    head = {"language": language, "license": license, **HEAD, "tags": list(TAGS)}
    head |= {"base_model": base_model} if base_model else {}
    prompts = {"queries": encoder.query_prompt, "passages": encoder.document_prompt}
    used = ", ".join(f'"{prompt}" before {side}' for side, prompt in prompts.items() if prompt) or "none"
    lines = [
        *front_matter(head),
        f"# {name}",
        "",
        f"Vectors of {encoder.embedding_size} dimensions{', of length 1' if encoder.normalize else ''}; at most "
        f"{encoder.max_length} tokens, the rest is not read; prompts: {used}.",
        "",
    ]
    for heading, told in sections.items():
        lines += [f"## {heading}", "", *([told] if isinstance(told, str) else _table(told)), ""]
    return "\n".join(lines)


def front_matter(fields: Mapping[str, Any]) -> list[str]:
    """What machines read of a card, as lines of YAML between three dashes. JSON is YAML."""
    return ["---", *(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()), "---", ""]


def write_card(folder: str | Path, card: str) -> None:
    """Put a card into the folder of a saved model, as README.md."""
    write_atomically(Path(folder) / "README.md", card)


def _table(told: Mapping[str, Any]) -> list[str]:
    rows = [(str(name), f"{value:.3f}" if isinstance(value, float) else str(value)) for name, value in told.items()]
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
