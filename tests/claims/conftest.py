"""Cards are shown as in a terminal, whatever else has been imported."""

import pytest

from workbook.claims import card


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.setattr(card, "in_notebook", lambda: False)
