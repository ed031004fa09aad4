"""The book as a folder of pages that open by double click: no server, no kernel, no network.

    python -m workbook site            writes build/site; open build/site/index.html

Every chapter is a page made from its stored notebook, figures with their controls, quizzes with each choice's explanation.
Scripts are classic ones, links are relative, and data come as scripts that set a variable: a browser refuses modules,
`fetch` and workers to a page that comes from the disk.
"""

from workbook.book.site.build import build_site

__all__ = ["build_site"]
