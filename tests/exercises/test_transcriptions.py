"""Whoever types out the contract of an exercise word by word is right.

`transcriptions/NN.py` holds one function for each exercise of chapter NN, named as in the chapter.
"""

import runpy
from pathlib import Path

import pytest

from workbook.exercises import EXERCISES
from workbook.exercises.engine import examine

FILES = {path.stem: path for path in sorted((Path(__file__).parent / "transcriptions").glob("*.py"))}


@pytest.mark.parametrize("id", [id for id in EXERCISES if id[:2] in FILES])
def test_the_literal_contract_passes(id):
    typed = runpy.run_path(str(FILES[id[:2]]))
    finding = examine(EXERCISES[id], typed[EXERCISES[id].reference.__name__])
    assert finding.kind == "right", f"{finding.headline}\n" + "\n".join(finding.example)
