"""A claim as a card: its verdict, its rule, the intervals drawn, and the command that repeats it."""

from collections.abc import Sequence

from workbook.claims.claim import NOT_SETTLED, Claim, Interval, Verdict
from workbook.exercises.show import Block, as_html, as_text
from workbook.support.frontend import in_notebook

TONES = {
    "holds": "right",
    "holds at scale only": "note",
    "depends": "note",
    "misleading": "wrong",
    NOT_SETTLED: "note",
}
LINE = 98  # letters that a page has room for
WIDTH = 31  # letters of a drawn interval, where its name leaves them


def show_card(claim: Claim, verdict: Verdict, when: str, command: str = "") -> None:
    """Show a card: HTML with its text beside it in a notebook, else the text.

    Args:
        claim: what was claimed.
        verdict: what was found.
        when: where the verdict comes from, such as "this run, seed 0".
        command: what repeats it.
    """
    tone, title = TONES[verdict.verdict], f"Claim {claim.id}: {verdict.verdict} ({when})"
    blocks = [
        Block(claim.statement, "strong"),
        Block(f"Rule, written before the run: {claim.rule}"),
        Block(f"measured: {verdict.because}"),
    ]
    if verdict.intervals:
        blocks.append(Block("\n".join(drawn(verdict.intervals)), "code"))
    if command:
        blocks.append(Block(f"Repeat it with: `{command}`"))
    text = as_text(tone, title, blocks)
    if not in_notebook():
        print(text)
        return
    from IPython.display import display

    display({"text/html": as_html(tone, title, blocks), "text/plain": text}, raw=True)


def drawn(intervals: Sequence[Interval]) -> list[str]:
    """Intervals as lines of text, on one scale with 0 in the middle, so that they show wherever letters do."""
    reach = max(max(abs(each.low), abs(each.high)) for each in intervals) or 1.0
    names = max(len(each.name) for each in intervals)
    numbers = max(len(_told(each)) for each in intervals)
    room = LINE - names - numbers - 4
    width = min(WIDTH, max(11, room - (room + 1) % 2))  # odd, so that 0 has the middle
    lines = []
    for each in intervals:
        low, value, high, zero = (
            round((x / reach + 1) / 2 * (width - 1)) for x in (each.low, each.value, each.high, 0.0)
        )
        axis = ["━" if low <= i <= high else "·" for i in range(width)]
        axis[zero] = "╋" if each.low <= 0 <= each.high else "┊"  # by the numbers, not by where they are rounded to
        axis[value] = "●"
        lines.append(f"{each.name:<{names}}  {''.join(axis)}  {_told(each)}")
    scale = f"{f'{-reach:+.2f}':<{width // 2 - 1}} 0 {f'{reach:+.2f}':>{width // 2 - 1}}"
    return [*lines, f"{'':<{names}}  {scale}"]


def _told(each: Interval) -> str:
    return f"{each.value:+.3f} [{each.low:+.3f}, {each.high:+.3f}]"
