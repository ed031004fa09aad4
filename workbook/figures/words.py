"""What is said about a figure: to those who do not see it, and to those who ask what to look at."""

import html
from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """The alternative text of a figure, and what to notice in it."""

    alt: str
    notice: str = ""

    def __str__(self) -> str:
        return f"Figure: {self.alt}" + (f"\nWhat to notice: {self.notice}" if self.notice else "")

    def folded(self) -> str:
        """Both as HTML that opens when the reader asks: it would answer the question above the figure."""
        told = "".join(f"<p style='margin: 4px 0'>{html.escape(text)}</p>" for text in (self.alt, self.notice) if text)
        summary = "<summary style='cursor: pointer'>What to notice</summary>"
        return f"<details style='line-height: 1.45; max-width: 62em'>{summary}{told}</details>"
