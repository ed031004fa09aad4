"""Who types what an exercise's contract says, word by word, passes its check.

`transcriptions/NN.py` holds such functions for chapter NN, each under the name that the chapter gives it.
"""

import runpy
from pathlib import Path

import pytest

from workbook.exercises import EXERCISES
from workbook.exercises.engine import examine

PATHS = sorted(Path(__file__).with_name("transcriptions").glob("[0-9][0-9].py"))
EVERY = [
    (path, id, exercise.reference.__name__)
    for path in PATHS
    for id, exercise in EXERCISES.chapter(path.stem).items()
]  # fmt: skip


@pytest.mark.parametrize(("path", "id", "name"), EVERY, ids=[id for _, id, _ in EVERY])
def test_the_contract_typed_word_by_word_is_right(path, id, name):
    typed = runpy.run_path(str(path))
    assert name in typed, f"{path.name} lacks {name}, the function of {id}"
    finding = examine(EXERCISES[id], typed[name])
    assert finding.kind == "right", f"{finding.headline}\n" + "\n".join(finding.example)
