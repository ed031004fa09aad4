"""A contract is whole: the literal transcription of its text passes the check.

`transcriptions/NN.py` holds, for each exercise of chapter NN, a function named as in the chapter, written as the text
says and with nothing else in mind.
"""

import runpy
from pathlib import Path

import pytest

from workbook.exercises import EXERCISES
from workbook.exercises.engine import examine

FOLDER = Path(__file__).with_name("transcriptions")
CASES = [(path, id) for path in sorted(FOLDER.glob("[0-9][0-9].py")) for id in EXERCISES if id[:2] == path.stem]


@pytest.mark.parametrize(("path", "id"), CASES, ids=[id for _, id in CASES])
def test_the_literal_transcription_of_the_contract_passes(path, id):
    function = runpy.run_path(str(path))[EXERCISES[id].reference.__name__]
    finding = examine(EXERCISES[id], function)
    assert finding.kind == "right", f"{finding.headline}\n" + "\n".join(finding.example)
