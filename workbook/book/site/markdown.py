"""Text and code as HTML: Markdown with formulas, headings that can be linked to, code in colours of our own."""

import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from html import escape, unescape
from itertools import pairwise
from typing import Any

from workbook.book.site.formulas import mathml

Linked = Callable[[str], str | None]  # where a link leads on the site; None where it would leave it
TABLE = '<div class="scroll" role="region" aria-label="Table" tabindex="0"><table>'


def slug(text: str) -> str:
    """A heading as the name of its place: "See it: the knife" -> "see-it-the-knife"."""
    return re.sub(r"[^\w]+", "-", re.sub(r"<[^>]+>|[`*$]", "", text).lower()).strip("-")


def to_html(text: str, linked: Linked = lambda link: link, formulas: bool = True) -> str:
    """Markdown as HTML.

    Args:
        text: Markdown as in a notebook: tables, formulas between dollars.
        linked: where each link leads on the site; a link that gets None is left as its text.
        formulas: whether a dollar is one of a formula.
    """
    parser = _parser(formulas)
    tokens = parser.parse(text)
    for token, inside in pairwise(tokens):
        if token.type == "heading_open":
            token.attrSet("id", slug(inside.content))
    for token in tokens:
        _follow_links(token.children or [], linked)
    html: str = parser.renderer.render(tokens, parser.options, {})
    html = html.replace("<table>", TABLE).replace("</table>", "</table></div>")
    return html.replace(' style="text-align:right"', ' class="right"').replace(' style="text-align:center"', ' class="centre"').replace(' style="text-align:left"', "")  # fmt: skip


def with_own_ids(html: str) -> str:
    """The same with a number behind the name of a heading that stands there a second time."""
    seen: Counter[str] = Counter()

    def own(match: re.Match) -> str:
        seen[match[2]] += 1
        return match[0] if seen[match[2]] == 1 else f'{match[1]}id="{match[2]}-{seen[match[2]]}"'

    return re.sub(r'(<h[1-6] (?:class="\w+" )?)id="([^"]*)"', own, html)


def to_text(html: str) -> str:
    """What a reader sees of a piece of HTML, in one line; of a formula its TeX."""
    html = re.sub(r'<math[^>]*alttext="([^"]*)".*?</math>', r" \1 ", html, flags=re.DOTALL)
    html = re.sub(r"<(script|style)\b.*?</\1>", " ", html, flags=re.DOTALL)
    html = re.sub(r"</?(?:code|strong|em|b|i|a|span|button|dfn)\b[^>]*>", "", html)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


@cache
def _formatter() -> Any:
    from pygments.formatters import HtmlFormatter

    return HtmlFormatter(nowrap=True)


def code_html(source: str, language: str = "python") -> str:
    """Code with a class for each kind of word, as `assets/book.css` colours them."""
    from pygments import highlight
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_by_name(language or "text", stripnl=False, ensurenl=False)
    except ClassNotFound:
        return escape(source)
    html: str = highlight(source, lexer, _formatter())
    return html


@cache
def _parser(formulas: bool) -> Any:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    parser: Any = MarkdownIt("commonmark", {"html": True}).enable("table")
    if formulas:
        dollarmath_plugin(parser, allow_digits=False, allow_space=False)

    def inline(tokens: Any, index: int, options: Any, env: Any) -> str:
        return mathml(tokens[index].content)

    def block(tokens: Any, index: int, options: Any, env: Any) -> str:
        return f'<div class="formula scroll" tabindex="0">{mathml(tokens[index].content.strip(), display=True)}</div>\n'

    def fence(tokens: Any, index: int, options: Any, env: Any) -> str:
        token = tokens[index]
        return f'<pre class="code" tabindex="0"><code>{code_html(token.content, token.info.strip())}</code></pre>\n'

    parser.renderer.rules |= {"math_inline": inline, "math_block": block, "fence": fence}
    return parser


def _follow_links(tokens: list[Any], linked: Linked) -> None:
    """Turn each link to where it leads on the site; one that leads nowhere becomes its text."""
    dropped = 0
    for token in tokens:
        if token.type == "link_open":
            if (target := linked(str(token.attrGet("href")))) is None:
                dropped += 1
                token.type, token.tag, token.attrs = "text", "", {}
            else:
                token.attrSet("href", target)
        elif token.type == "link_close" and dropped:
            dropped -= 1
            token.type, token.tag = "text", ""
        elif token.type == "image" and (target := linked(str(token.attrGet("src")))):
            token.attrSet("src", target)
