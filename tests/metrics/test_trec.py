import pytest

from workbook.metrics import read_trec_run, write_trec_qrels, write_trec_run

RUN = {"q1": {"a": 0.5, "c": 2.0, "b": 0.5}, "q2": {"z": -1e-9}}


def test_a_run_by_hand(tmp_path):
    write_trec_run(RUN, tmp_path / "new" / "run.txt", "mine")
    lines = (tmp_path / "new" / "run.txt").read_text().splitlines()
    assert lines == ["q1 Q0 c 1 2.0 mine", "q1 Q0 b 2 0.5 mine", "q1 Q0 a 3 0.5 mine", "q2 Q0 z 1 -1e-09 mine"]
    assert read_trec_run(tmp_path / "new" / "run.txt") == RUN


def test_ranks_say_nothing_and_tabs_divide_as_well(tmp_path):
    (tmp_path / "run").write_text("q\tQ0\ta\t1\t0.5\tx\nq Q0 b 9 1e3 x\n")
    assert read_trec_run(tmp_path / "run") == {"q": {"a": 0.5, "b": 1000.0}}


def test_judgements_by_hand(tmp_path):
    write_trec_qrels({"q1": {"a": 2, "b": 0}, "q2": {"c": -1}}, tmp_path / "qrels.txt")
    assert (tmp_path / "qrels.txt").read_text() == "q1 0 a 2\nq1 0 b 0\nq2 0 c -1\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("q Q0 a 1 0.5", "line 2: expected query id, Q0, passage id, rank, score and tag"),
        ("q Q0 a 1 high x", "line 2: expected query id"),
        ("q Q0 first 9 0.1 x", "line 2: passage first stands twice for query q"),
    ],
)
def test_a_line_of_another_form_is_named(tmp_path, line, message):
    (tmp_path / "run").write_text(f"q Q0 first 1 0.9 x\n{line}\n")
    with pytest.raises(ValueError, match=message):
        read_trec_run(tmp_path / "run")


@pytest.mark.parametrize(
    "run", [{"a b": {"p": 1.0}}, {"q": {"": 1.0}}, {"q": {"p\n": 1.0}}, {"q": {"p": float("nan")}}]
)
def test_what_the_columns_cannot_hold_is_refused_and_nothing_is_written(tmp_path, run):
    with pytest.raises(ValueError, match=r"cannot stand in a TREC file|is NaN"):
        write_trec_run({"fine": {"p": 1.0}, **run}, tmp_path / "run")
    assert not list(tmp_path.iterdir())
