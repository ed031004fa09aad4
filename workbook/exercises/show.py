"""How the exercises speak: plain text in builds and terminals, the same words with colour in a notebook.

Colour never stands alone: each message starts with a symbol and a word.
"""

import html
from dataclasses import dataclass

from workbook.support.frontend import in_notebook, is_live
from workbook.support.page import page_style

# symbol, colour on white, colour on black
TONES = {
    "right": ("✓", "#00735c", "#2fd6b0"),
    "wrong": ("✗", "#b34700", "#ff9d5c"),
    "note": ("○", "#0060a0", "#6cbcf0"),
}

_STYLE = """<style>
.workbook-message { border-left: 4px solid; padding: 2px 12px; margin: 2px 0; font-size: 14px; line-height: 1.45; max-width: 60em; }
.workbook-message > * { color: var(--jp-content-font-color1, inherit); }
.workbook-message p { margin: 4px 0; white-space: pre-line; }
.workbook-message pre { margin: 6px 0; padding: 6px 10px; overflow-x: auto; font-size: 13px; line-height: 1.4;
  white-space: pre !important; word-break: normal !important;
  color: var(--jp-content-font-color1, inherit); background: var(--jp-layout-color2, rgba(127, 127, 127, 0.12)); }
.workbook-message code { background: none; }
%s
</style>"""


@dataclass(frozen=True)
class Block:
    """One part of a message: a paragraph, a `strong` one, or `code` kept letter by letter."""

    text: str
    style: str = ""


def say(tone: str, title: str, blocks: list[Block]) -> None:
    """Show a message: as HTML with its text beside it to a person in a notebook, else as text.

    Args:
        tone: "right", "wrong" or "note".
        title: one line, shown after the symbol.
        blocks: what follows.
    """
    text = as_text(tone, title, blocks)
    if not (is_live() and in_notebook()):
        print(text)
        return
    from IPython.display import display

    display({"text/html": as_html(tone, title, blocks), "text/plain": text}, raw=True)


def as_text(tone: str, title: str, blocks: list[Block]) -> str:
    """The message as lines of text."""
    lines = [f"{TONES[tone][0]} {title}"]
    for block in blocks:
        lines += [f"    {line}" if block.style == "code" else f"  {line}" for line in block.text.splitlines()]
    return "\n".join(lines)


def as_html(tone: str, title: str, blocks: list[Block]) -> str:
    """The message as HTML that can be read in JupyterLab's light and dark theme."""
    parts = [f'<p class="workbook-title"><strong>{TONES[tone][0]} {inline(title)}</strong></p>']
    for block in blocks:
        if block.style == "code":
            parts.append(f'<pre style="font-family: monospace">{html.escape(block.text)}</pre>')
        elif block.style == "strong":
            parts.append(f"<p><strong>{inline(block.text)}</strong></p>")
        else:
            parts.append(f"<p>{inline(block.text)}</p>")
    body = "".join(parts)
    if is_live():
        return f'{page_style()}{_STYLE % _colours()}<div class="workbook-message workbook-{tone}" role="status">{body}</div>'
    # Stored, it brings the little that a page without our CSS can use.
    return f'<div style="border-left: 4px solid {TONES[tone][1]}; padding-left: 12px; max-width: 60em">{body}</div>'


def _colours() -> str:
    rules = []
    for tone, (_, light, dark) in TONES.items():
        chosen, title = f".workbook-{tone}", f".workbook-{tone} > .workbook-title"
        rules.append(f"{chosen} {{ border-color: {light}; }} {title} {{ color: {light}; }}")
        rules.append(
            f"[data-jp-theme-light=false] {chosen} {{ border-color: {dark}; }} [data-jp-theme-light=false] {title} {{ color: {dark}; }}"
        )
    return "\n".join(rules)


def inline(text: str) -> str:
    """Escape a text for HTML; what stands between backticks becomes code."""
    pieces = html.escape(text).split("`")
    if len(pieces) % 2 == 0:
        return "`".join(pieces)
    return "".join(f"<code>{piece}</code>" if i % 2 else piece for i, piece in enumerate(pieces))
