"""Where the progress is kept: out of sight, and taken along from where an earlier version kept it."""

from workbook.exercises import store


def solve(progress):
    store.entry(progress, "exercises", "02.1")["solved"] = True


def test_a_learner_sees_no_file_of_it(learn):
    assert store.update(solve) == ""
    assert store.update(lambda saved: store.entry(saved, "exercises", "02.2")) == ""
    assert [path.name for path in learn.iterdir() if not path.name.startswith(".")] == []
    assert store.read() == ({"exercises": {"02.1": {"solved": True}, "02.2": {}}}, "")


def test_what_an_earlier_version_kept_in_the_open_is_taken_along(learn):
    learn.mkdir()
    old = {
        "progress.json": '{"exercises": {"02.1": {"solved": true}}}',
        "progress.previous.json": "{}",
        "progress.damaged-1.json": "x",
    }
    for name, text in old.items():
        (learn / name).write_text(text)
    assert store.read()[0] == {"exercises": {"02.1": {"solved": True}}}
    assert sorted(path.name for path in (learn / ".workbook").iterdir()) == sorted(old)
    assert not list(learn.glob("progress*"))


def test_what_is_in_both_places_is_lost_in_neither(learn):
    store.update(solve)
    (learn / "progress.json").write_text("{}")
    assert store.read()[0] == {"exercises": {"02.1": {"solved": True}}}
    assert (learn / "progress.json").read_text() == "{}"
