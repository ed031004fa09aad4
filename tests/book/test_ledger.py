"""The ledger adds up what each chapter and each test file costs."""

import pytest

from benchmarks.ledger import costs, table

TESTS = """<testsuites><testsuite>
<testcase classname="tests.losses.test_triplet" name="a" time="1.5"/>
<testcase classname="tests.losses.test_triplet.TestMargin" name="b" time="2.0"/>
<testcase classname="tests.test_cost" name="c" time="0.25"/>
<testcase classname="tests.notebooks.test_learner_edition" name="d" time="5"/>
</testsuite></testsuites>"""
NOTEBOOKS = """<testsuites><testsuite>
<testcase classname="notebooks.02_pooling.ipynb" name="Cell 0" time="30"/>
<testcase classname="notebooks.02_pooling.ipynb" name="Cell 1" time="10"/>
</testsuite></testsuites>"""


def test_costs_are_summed_by_file(tmp_path):
    (tmp_path / "tests.xml").write_text(TESTS, "utf-8")
    (tmp_path / "notebooks.xml").write_text(NOTEBOOKS, "utf-8")
    found = costs(tmp_path)
    assert found == {
        "notebooks": {"02_pooling": 40.0},
        "tests": {
            "tests/notebooks/test_learner_edition": 5.0,
            "tests/losses/test_triplet": 3.5,
            "tests/test_cost": 0.2,
        },
    }
    assert "both editions of all notebooks: 45 of 1,800 s" in table(found)
    assert "everything: 49 of 3,600 s" in table(found)


def test_a_folder_without_reports_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="`make test` writes them"):
        costs(tmp_path)
