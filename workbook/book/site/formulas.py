"""Formulas: the TeX of the chapters as MathML, which browsers draw by themselves.

A chapter's formulas use a small part of TeX, and this is all of it. What is not known is refused with its name, so
that a new command is seen when the site is built and not on the page.
"""

import re
from collections.abc import Callable
from html import escape

TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\s+|.", re.DOTALL)
GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ϵ", "theta": "θ", "lambda": "λ", "mu":
    "μ", "nu": "ν", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ", "omega": "ω", "Delta": "Δ",
    "Sigma": "Σ", "Omega": "Ω",
}  # fmt: skip
OPERATORS = {
    "cdot": "⋅", "times": "×", "le": "≤", "ge": "≥", "ne": "≠", "neq": "≠", "approx": "≈", "in": "∈", "notin": "∉", "cap": "∩", "cup": "∪",
    "mid": "∣", "leftarrow": "←", "to": "→", "rightarrow": "→", "top": "⊤", "pm": "±", "sim": "∼", "propto": "∝", "leq": "≤",
    "geq": "≥", "odot": "⊙", "oplus": "⊕", "subset": "⊂", "setminus": "∖", "Rightarrow": "⇒", "ll": "≪", "gg": "≫", "ast": "∗",
}  # fmt: skip
LETTERS = {"dots": "…", "ldots": "…", "cdots": "⋯", "partial": "∂", "infty": "∞", "nabla": "∇", "ell": "ℓ"}
NAMES = ("cos", "sin", "tanh", "exp", "log", "ln", "max", "min", "arg", "softmax", "var", "sign")
BESIDE_A_NAME = ("(", "_", "^", r"\Big", r"\big", r"\left")  # what stands close to the name of a function
LARGE = {"sum": "∑", "prod": "∏"}
FENCES = {"lvert": "|", "rvert": "|", "lVert": "‖", "|": "‖", "rVert": "‖", "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉",
          "langle": "⟨", "rangle": "⟩", "{": "{", "}": "}"}  # fmt: skip
SPACES = {",": 0.167, ":": 0.222, ";": 0.278, "!": -0.167, " ": 0.25, "quad": 1.0, "qquad": 2.0}  # in em
ACCENTS = {"bar": "¯", "hat": "^", "tilde": "~", "vec": "→"}
SIZES = {"big": 1.2, "Big": 1.8, "bigg": 2.4, "Bigg": 3.0}


class FormulaError(ValueError):
    """A formula uses something that is not known here."""


def mathml(tex: str, display: bool = False) -> str:
    r"""A formula as MathML.

    >>> mathml("x^2")
    '<math alttext="x^2"><msup><mi>x</mi><mn>2</mn></msup></math>'

    Args:
        tex: without the dollars.
        display: on a line of its own.
    Raises:
        FormulaError: a command is not known, or a brace has no partner.
    """
    tokens = TOKEN.findall(tex)
    parts = _row(tokens, lambda token: False)
    if tokens:
        raise FormulaError(f"a brace too many in the formula {tex!r}")
    block = ' display="block"' if display else ""
    return f'<math{block} alttext="{escape(" ".join(tex.split()))}">{parts}</math>'


def _row(tokens: list[str], ends: Callable[[str], bool]) -> str:
    """Items up to a token that ends the row, which stays; each with what stands below and above it."""
    items: list[str] = []
    while tokens and tokens[0] != "}" and not ends(tokens[0]):
        item, limits = _item(tokens)
        items.append(_with_scripts(item, limits, tokens) if item else "")
    return "".join(items)


def _with_scripts(base: str, limits: bool, tokens: list[str]) -> str:
    below = above = ""
    while tokens and (tokens[0] in "_^'" or tokens[0].isspace()):
        mark = tokens.pop(0)
        if mark.isspace():
            continue
        if mark == "'":
            above += "<mo>′</mo>"
        elif mark == "_":
            below = _argument(tokens)
        else:
            above += _argument(tokens)
    above = f"<mrow>{above}</mrow>" if above.count("<mo>′</mo>") > 1 else above
    under, over, both = ("munder", "mover", "munderover") if limits else ("msub", "msup", "msubsup")
    if below and above:
        return f"<{both}>{base}{below}{above}</{both}>"
    return f"<{under}>{base}{below}</{under}>" if below else f"<{over}>{base}{above}</{over}>" if above else base


def _argument(tokens: list[str]) -> str:
    """What a command or a script applies to: a group, or one item; of a number one digit, as in TeX."""
    while tokens and tokens[0].isspace():
        tokens.pop(0)
    if not tokens:
        raise FormulaError("the formula ends where something is still to come")
    if tokens[0][0].isdigit() and len(tokens[0]) > 1:
        tokens[0:1] = [tokens[0][0], tokens[0][1:]]
    return _item(tokens)[0]


def _item(tokens: list[str]) -> tuple[str, bool]:
    """The next item, and whether its scripts stand below and above it."""
    token = tokens.pop(0)
    if token.isspace():
        return "", False
    if token == "{":
        inside = _row(tokens, lambda token: False)
        _take(tokens, "}")
        return f"<mrow>{inside}</mrow>", False
    if token[0] == "\\":
        return _command(token[1:], tokens)
    if token[0].isdigit():
        return f"<mn>{token}</mn>", False
    if token.isalpha() or token == "…":
        return f"<mi>{token}</mi>", False
    if token in "()[]":
        return f'<mo stretchy="false">{token}</mo>', False
    if token == "|":
        return '<mo stretchy="false" lspace="0" rspace="0">|</mo>', False
    return f"<mo>{'−' if token == '-' else escape(token)}</mo>", False


def _command(name: str, tokens: list[str]) -> tuple[str, bool]:
    if name in LARGE:
        return f'<mo movablelimits="true">{LARGE[name]}</mo>', True
    if name in OPERATORS:
        return f"<mo>{OPERATORS[name]}</mo>", False
    if name in GREEK or name in LETTERS:
        return f"<mi>{GREEK.get(name) or LETTERS[name]}</mi>", False
    if name in NAMES or name == "operatorname":
        text = name if name in NAMES else _braced(tokens)
        apart = "" if tokens and tokens[0] in BESIDE_A_NAME else '<mspace width="0.167em"/>'
        return f"<mrow><mi>{escape(text)}</mi>{apart}</mrow>" if apart else f"<mi>{escape(text)}</mi>", False
    if name in FENCES:
        return f'<mo stretchy="false" lspace="0" rspace="0">{FENCES[name]}</mo>', False
    if name in SPACES:
        return f'<mspace width="{SPACES[name]}em"/>', False
    if name in ("text", "mathrm", "textrm"):
        return f"<mtext>{escape(_braced(tokens)).replace(' ', '&#160;')}</mtext>", False
    if name == "frac":
        return f"<mfrac>{_argument(tokens)}{_argument(tokens)}</mfrac>", False
    if name == "sqrt":
        return f"<msqrt>{_argument(tokens)}</msqrt>", False
    if name in ACCENTS:
        return f'<mover accent="true">{_argument(tokens)}<mo>{ACCENTS[name]}</mo></mover>', False
    if name in ("underbrace", "overbrace"):
        tag, brace = ("munder", "⏟") if name == "underbrace" else ("mover", "⏞")
        return f"<{tag}>{_argument(tokens)}<mo>{brace}</mo></{tag}>", True
    if name in SIZES:
        size = SIZES[name]
        return f'<mo minsize="{size}em" maxsize="{size}em">{escape(_fence(tokens))}</mo>', False
    if name == "left":
        opening = _fence(tokens)
        inside = _row(tokens, lambda token: token == r"\right")
        _take(tokens, r"\right")
        closing = _fence(tokens)
        return f"<mrow><mo>{escape(opening)}</mo>{inside}<mo>{escape(closing)}</mo></mrow>", False
    raise FormulaError(f"the formula uses \\{name}, which `workbook.book.site.formulas` does not know yet")


def _fence(tokens: list[str]) -> str:
    token = tokens.pop(0) if tokens else ""
    return "" if token == "." else FENCES[token[1:]] if token[0] == "\\" and token[1:] in FENCES else token


def _braced(tokens: list[str]) -> str:
    """The text between braces, letter by letter."""
    _take(tokens, "{")
    if "}" not in tokens:
        raise FormulaError("a brace has no partner")
    end = tokens.index("}")
    text = "".join(tokens[:end])
    del tokens[: end + 1]
    return text


def _take(tokens: list[str], expected: str) -> None:
    if not tokens or tokens.pop(0) != expected:
        raise FormulaError(f"the formula has no {expected!r} where one is needed")
