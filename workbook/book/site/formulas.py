"""Formulas: the TeX of the chapters as MathML, which browsers draw by themselves.

latex2mathml draws them. What it does not know it hands on as text; here that is refused with its name, so that a new command
is seen when the site is built and not on the page.
"""

import re
from html import escape


class FormulaError(ValueError):
    """A formula uses something that is not known, or has a brace without a partner."""


def mathml(tex: str, display: bool = False) -> str:
    """A formula as MathML.

    Args:
        tex: without the dollars.
        display: on a line of its own.
    Raises:
        FormulaError: a command is not known, or a brace has no partner.
    """
    from latex2mathml.converter import convert

    text = " ".join(tex.split())
    bare = re.sub(r"\\[{}]", "", text)
    if bare.count("{") != bare.count("}"):
        raise FormulaError(f"a brace without a partner in the formula {text!r}")
    try:
        made: str = convert(text, display="block" if display else "inline")
    except Exception as error:  # the library's errors are of many kinds
        raise FormulaError(f"the formula {text!r} cannot be drawn: {type(error).__name__}") from error
    if unknown := re.findall(r"\\[A-Za-z]+", made):
        raise FormulaError(f"the formula {text!r} uses {', '.join(unknown)}, which latex2mathml does not know")
    return made.replace("<math ", f'<math alttext="{escape(text)}" ', 1)
