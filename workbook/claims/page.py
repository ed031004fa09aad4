"""The claims board as one page of HTML: a card for each claim, its intervals drawn, a filter by verdict.

The page needs nothing beside itself: no script, no font, no picture. The filter is CSS.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

from workbook.claims.claim import NOT_SETTLED, VERDICTS, Claim, Interval
from workbook.claims.record import Record, read_record

NO_RECORD = "no record yet"
SIGNS = {
    "holds": "✓",
    "holds at scale only": "◐",
    "depends": "○",
    "misleading": "✗",
    NOT_SETTLED: "?",
    NO_RECORD: "…",
}
WIDTH, ROW = 320, 22  # of a drawing, in pixels

# The colours; a page that brings its own under these names needs them not.
COLOURS = """
:root { color-scheme: light dark; --ink: #222; --paper: #fff; --soft: #666; --line: #ccc;
        --good: #00795c; --mixed: #0067a3; --bad: #b34700; --none: #666; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #eee; --paper: #161616; --soft: #aaa; --line: #444; --good: #3fcfa6; --mixed: #6db8ee; --bad: #ff9a57; --none: #aaa; } }
body { margin: 0 auto; max-width: 62rem; padding: 1rem; font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
"""
STYLE = """
fieldset { border: 0; margin: 1rem 0; padding: 0; display: flex; flex-wrap: wrap; gap: .5rem 1.2rem; }
article { border: 1px solid var(--line); border-left: 5px solid var(--tone); margin: 1rem 0; padding: .6rem 1rem; overflow-x: auto; }
h2 { font-size: 1.05rem; margin: .2rem 0; } h2 b { color: var(--tone); }
p { margin: .4rem 0; } small, summary { color: var(--soft); } code { overflow-wrap: anywhere; }
svg text { font: 12px system-ui, sans-serif; fill: var(--ink); } svg line { stroke: var(--line); }
svg .interval { stroke: var(--tone); stroke-width: 3; } svg circle { fill: var(--tone); }
"""
TITLE = "What the field asserts, and what was measured"


def page(claims: Iterable[Claim]) -> str:
    """The whole page.

    Args:
        claims: in the order in which they shall stand.
    """
    style, board = board_parts(claims)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{TITLE}</title>
<style>{COLOURS}{style}
</style>
</head>
<body>
{board}
</body>
</html>
"""


def board_parts(claims: Iterable[Claim]) -> tuple[str, str]:
    """The board's style and its inside, for a page of its own or for one of a site.

    Args:
        claims: in the order in which they shall stand.
    """
    entries = [(claim, read_record(claim.id)) for claim in claims]
    counts = Counter(_verdict(record) for _, record in entries)
    verdicts = [verdict for verdict in (*VERDICTS, NO_RECORD) if counts[verdict]]
    rules = "\n".join(
        f"body:has(#{_slug(verdict)}:checked) article:not(.{_slug(verdict)}) {{ display: none; }}"
        for verdict in verdicts
    )
    tones = {"holds": "good", "misleading": "bad", NOT_SETTLED: "none", NO_RECORD: "none"}
    colours = "\n".join(f".{_slug(v)} {{ --tone: var(--{tones.get(v, 'mixed')}); }}" for v in verdicts)
    choices = [("all", f"all {len(entries)}"), *((_slug(v), f"{SIGNS[v]} {v} {counts[v]}") for v in verdicts)]
    radios = "\n".join(
        f'<label><input type="radio" name="verdict" id="{id}"{" checked" if id == "all" else ""}> {escape(label)}</label>'
        for id, label in choices
    )
    cards = "\n".join(_card(claim, record) for claim, record in entries)
    board = f"""<h1>{TITLE}</h1>
<p>Each rule was written before its run. An interval says where other queries and other seeds would have put the difference;
where it holds 0, no difference was seen.</p>
<fieldset>
<legend>Show</legend>
{radios}
</fieldset>
{cards}"""
    return f"{STYLE}{rules}\n{colours}", board


def _card(claim: Claim, record: Record | None) -> str:
    verdict = _verdict(record)
    body = [f"<p><strong>{escape(claim.statement)}</strong></p>"]
    if record:
        intervals = claim.decide(record.measurements).intervals
        body += [drawing(intervals)] if intervals else []
        body += [f"<p>{escape(record.because)}</p>"]
    body += [
        f"<details><summary>the rule, and how to repeat it</summary><p>{escape(claim.rule)}</p>{_conditions(record)}</details>"
    ]
    inside = "\n".join(body)
    return f"""<article class="{_slug(verdict)}" id="claim-{claim.id}">
<h2><b>{SIGNS[verdict]} {escape(verdict)}</b> · claim {claim.id} · chapter {escape(claim.chapter)}</h2>
{inside}
</article>"""


def _conditions(record: Record | None) -> str:
    if record is None:
        return ""
    hardware = record.hardware
    where = ", ".join(str(hardware[key]) for key in ("processor", "instruction_set", "system") if hardware.get(key))
    minutes = max(1, round(record.seconds / 60))
    told = f"{len(record.seeds)} seeds, {record.date}, {minutes} min, {hardware.get('cores', '?')} cores: {where}"
    others = "".join(f"<p><small>{escape(each.told())}</small></p>" for each in record.repeated)
    return f"<p><small>{escape(told)}</small></p>{others}<p><code>{escape(record.command)}</code></p>"


def drawing(intervals: Sequence[Interval]) -> str:
    """Intervals as an SVG, one below the other on one scale that holds 0."""
    low = min(0.0, *(each.low for each in intervals))
    high = max(0.0, *(each.high for each in intervals))
    span = (high - low) or 1.0

    def x(value: float) -> float:
        return round(10 + (value - low) / span * (WIDTH - 20), 1)

    rows = []
    for n, each in enumerate(intervals):
        y = n * ROW + ROW / 2
        said = f"{each.value:+.3f} [{each.low:+.3f}, {each.high:+.3f}]"
        rows.append(
            f'<line class="interval" x1="{x(each.low)}" y1="{y}" x2="{x(each.high)}" y2="{y}"/>'
            f'<circle cx="{x(each.value)}" cy="{y}" r="4"/>'
            f'<text x="{WIDTH + 8}" y="{y + 4}">{escape(said)}  {escape(each.name)}</text>'
        )
    end = len(intervals) * ROW
    alt = "; ".join(f"{each.name} {each.value:+.3f}, from {each.low:+.3f} to {each.high:+.3f}" for each in intervals)
    return (
        f'<svg role="img" aria-label="{escape(alt)}" width="{WIDTH + 560}" height="{end + 16}">'
        f'<line x1="{x(0)}" y1="2" x2="{x(0)}" y2="{end}"/>'
        f'<text x="{x(0)}" y="{end + 13}" text-anchor="middle">0</text>{"".join(rows)}</svg>'
    )


def _verdict(record: Record | None) -> str:
    return record.verdict if record else NO_RECORD


def _slug(verdict: str) -> str:
    return verdict.replace(" ", "-")
