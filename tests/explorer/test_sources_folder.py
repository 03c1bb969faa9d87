"""A folder goes through its pictures as a person counts them, and one bad file never fails it whole."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.panel import Frame
from explorer.sources import Source, SourceEnded, SourceError, open_source
from explorer.sources.folder import natural_key
from tests.explorer.corpus import photograph, save


def shade(frame: Frame) -> int:
    return int(frame.image[0, 0, 0])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """p1.png to p12.png, each in its own shade of grey."""
    for number in range(1, 13):
        save(tmp_path / f"p{number}.png", np.full((4, 6, 3), number, np.uint8))
    return tmp_path


def read_all(source: Source) -> list[Frame]:
    frames = []
    while True:
        try:
            frames.append(source.read())
        except SourceEnded:
            return frames


def test_natural_order() -> None:
    names = ["img10.png", "img9.png", "IMG1.png", "a.png", "img2b.png", "img2.png", "10.png", "9.png"]
    wanted = ["9.png", "10.png", "a.png", "IMG1.png", "img2.png", "img2b.png", "img9.png", "img10.png"]
    assert sorted(names, key=natural_key) == wanted


@given(st.permutations(["a", "A", "a1", "a01", "a²", "a٣", "1", "01", "", "a.b", "a-1.5", "a 1"]))
def test_any_names_have_one_order(names: list[str]) -> None:
    names.sort(key=natural_key)
    assert names == ["", "01", "1", "A", "a", "a01", "a1", "a٣", "a 1", "a-1.5", "a.b", "a²"]


def test_reads_all_in_order_and_ends(folder: Path) -> None:
    source = open_source(folder)
    assert (source.kind, source.title, source.length, source.can_seek, source.live) == (
        "folder",
        folder.name,
        12,
        True,
        False,
    )
    frames = read_all(source)
    assert [shade(f) for f in frames] == list(range(1, 13))
    assert [f.index for f in frames] == list(range(12))
    assert frames[4].source == f"{folder.name}/p5.png"


def test_seeks_both_ways_and_clips(folder: Path) -> None:
    source = open_source(folder)
    for index, wanted in ((7, 8), (6, 7), (0, 1), (-5, 1), (99, 12)):
        source.seek(index)
        assert shade(source.read()) == wanted


def test_skips_bad_files_and_says_so(folder: Path) -> None:
    (folder / "p3.png").write_bytes(b"")
    (folder / "p4.png").write_text("no picture")
    (folder / "notes.txt").write_text("not even called one")
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "p5.png").unlink()
    (folder / "p5.png").mkdir()
    source = open_source(folder)
    said = []
    for frame in [source.read() for _ in range(9)]:
        said.append((shade(frame), source.message))
    assert [number for number, _ in said] == [1, 2, 6, 7, 8, 9, 10, 11, 12]
    source.seek(1)
    source.read()
    assert source.message == ""
    assert shade(source.read()) == 6
    assert source.message == "Skipped 3 files; the first: p3.png is empty."
    assert shade(source.read()) == 7
    assert source.message == ""


def test_going_back_skips_backwards(folder: Path) -> None:
    (folder / "p3.png").write_bytes(b"")
    source = open_source(folder)
    source.seek(3)
    assert shade(source.read()) == 4
    source.seek(2)
    assert shade(source.read()) == 2
    assert source.message == "Skipped: p3.png is empty."
    (folder / "p1.png").write_bytes(b"")
    source.seek(0)
    assert shade(source.read()) == 2  # nothing before it: the nearest one after


def test_bad_files_at_the_end(folder: Path) -> None:
    (folder / "p12.png").write_bytes(b"")
    source = open_source(folder)
    assert len(read_all(source)) == 11
    assert source.message == "Skipped: p12.png is empty."
    source.seek(11)
    with pytest.raises(SourceEnded):
        source.read()
    source.seek(10)
    assert shade(source.read()) == 11


def test_files_that_vanish_are_skipped(folder: Path) -> None:
    source = open_source(folder)
    (folder / "p1.png").unlink()
    assert shade(source.read()) == 2
    assert "p1.png" in source.message


def test_folders_without_a_good_picture(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=rf"^There are no pictures in {tmp_path.name}\.$"):
        open_source(tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"")
    source = open_source(tmp_path)
    for _ in range(2):
        with pytest.raises(SourceError, match="None of the pictures") as caught:
            source.read()
        assert not isinstance(caught.value, SourceEnded)
        source.seek(0)


def test_a_directory_named_jpg_opens_as_a_folder(tmp_path: Path) -> None:
    odd = tmp_path / "holiday.jpg"
    odd.mkdir()
    save(odd / "a.png", photograph())
    source = open_source(odd)
    assert (source.kind, source.title) == ("folder", "holiday.jpg")
    assert source.read().size == (64, 48)
