"""Anchors: what stands on a link and what it leads to; what gives none is counted."""

import pytest

from workbook.training_data import anchor_pairs, installed_documentation

BODY = "Equal elements keep the order in which they came, whatever the key may be."


def write(folder, **pages):
    for name, html in pages.items():
        path = folder / f"{name.replace('__', '/')}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(html, "utf-8")


def test_a_link_gives_its_words_and_what_stands_where_it_leads(tmp_path):
    write(
        tmp_path,
        index='<p>See <a href="more/sort.html#stable">how to <b>so</b>rt stably</a>.</p>',
        more__sort=f'<h1>Sorting</h1><p>Something else first.</p><h2 id="stable">Stable sorting</h2><p>{BODY}</p>',
    )
    assert anchor_pairs(tmp_path) == [("how to sort stably", f"Stable sorting {BODY}")]


def test_a_heading_that_says_the_same_is_no_part_of_the_passage(tmp_path):
    write(tmp_path, a=f'<a href="#s">Stable sorting</a><h2 id="s">Stable sorting</h2><p>{BODY}</p>')
    assert anchor_pairs(tmp_path) == [("Stable sorting", BODY)]


def test_a_page_without_a_place_begins_with_what_it_says(tmp_path):
    write(
        tmp_path,
        index='<a href="sub/">all about sorting</a>',
        sub__index=f"<head><title>T</title></head><nav>Home <a href='x.html'>not read here</a></nav><script>if (a<b)</script><p>{BODY}",
    )
    assert anchor_pairs(tmp_path) == [("all about sorting", BODY)]


def test_links_that_give_no_pair_are_counted(tmp_path):
    write(
        tmp_path,
        a=f'<p id="s">{BODY}</p>'
        '<a href="https://example.org/a.html">out of here</a><a href="gone.html">a lost page</a><a href="#no">no such place</a>'
        '<a href="#s">here</a><a href="#s">read more</a><a href="#t">too little there</a>'
        '<a href="#s">equal elements kept</a><a href="#s">equal elements kept</a><a name="s2">no link</a><p id="t">too short</p>',
    )
    found = anchor_pairs(tmp_path)
    assert [anchor for anchor, _ in found] == ["equal elements kept"]
    assert found.counts == {
        "leads out of the folder": 2, "leads to a place that is not there": 1, "with words that say nothing": 2,
        "to fewer than 8 words": 1, "gave a pair": 1, "repeated": 1,
    }  # fmt: skip


def test_broken_pages_are_read_as_far_as_they_go(tmp_path):
    write(
        tmp_path, a=f'<div><nav><p>left open</div><p></nav><a href="#s">equal elements kept</a></p></b><p id="s">{BODY}'
    )
    (tmp_path / "b.html").write_bytes(b"\xff\xfe broken")
    assert anchor_pairs(tmp_path) == [("equal elements kept", BODY)]


def test_documentation_that_is_there_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.base_prefix", str(tmp_path))
    write(tmp_path, Doc__html__index=BODY, share__doc__numpy__html__index=BODY, share__doc__empty__html__other=BODY)
    found = [
        folder.relative_to(tmp_path).as_posix()
        for folder in installed_documentation()
        if folder.is_relative_to(tmp_path)
    ]
    assert found == ["Doc/html", "share/doc/numpy/html"]


@pytest.mark.parametrize("name", ["", "nowhere"])
def test_a_folder_without_pages_is_refused(tmp_path, name):
    (tmp_path / "a.txt").write_text("no page")
    with pytest.raises(FileNotFoundError, match=r"holds no \.html or \.htm file that can be read; give the folder"):
        anchor_pairs(tmp_path / name)
