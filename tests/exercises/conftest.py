"""A chapter 99 with one exercise, and a learner's folder in a temporary place."""

import sys
import types

import pytest

from workbook.exercises import catalogue, checking


@pytest.fixture
def learn(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBOOK_LEARN", str(tmp_path / "learn"))
    monkeypatch.setenv("WORKBOOK_LIVE", "0")
    return tmp_path / "learn"


@pytest.fixture
def chapter_99(learn, monkeypatch):
    from tests.helpers import sample

    module = types.ModuleType("workbook.exercises.chapter_99")
    module.EXERCISES = (sample.EXERCISE,)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(sys.modules["workbook.exercises.quiz"], "FOLDER", sample.FOLDER)
    monkeypatch.setattr(catalogue, "chapters", lambda: ["99"])
    monkeypatch.setattr(checking, "_HINTS_SHOWN", {})
    return sample
