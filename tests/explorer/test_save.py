"""Saving: whole files or none, and data that can be read again."""

import csv
import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from PIL import Image as PillowImage

from explorer.figure import (
    Arrows,
    Axis,
    Bars,
    Boxes,
    Column,
    Curve,
    Figure,
    Handles,
    Heatmap,
    Image,
    Lit,
    Pane,
    Points,
    Row,
    Segments,
    Table,
    TableColumn,
    Text,
    Tiles,
)
from explorer.files import whole
from explorer.files.whole import SaveError, write_whole
from explorer.i18n import set_language
from explorer.panel import Frame
from explorer.saving import data
from explorer.saving.data import figure_arrays, save_csv, save_npz, save_picture

EVERYTHING = Figure(
    Row(
        (
            Pane(
                "picture",
                "Picture",
                (
                    Image(np.zeros((4, 5, 3), np.uint8)),
                    Heatmap(np.array([[0.5, np.nan]]), "score", "%", extent=(0, 0, 5, 4)),
                    Boxes(np.array([[1.0, 2, 3, 4.5]]), ("a, b",)),
                    Points(np.array([[1.5, 2.5]])),
                    Segments(np.array([[0.0, 0]]), np.array([[1.0, 1]])),
                    Arrows(np.array([[0.0, 0]]), np.array([[2.0, 3]])),
                    Handles("roi", "box", (0, 0, 2, 2)),
                    Lit("boxes", 0),
                    Text("说明", (0, 0)),
                ),
            ),
            Column(
                (
                    Pane("tiles", "Tiles", (Tiles(np.arange(8.0).reshape(2, 2, 2), ("x", "y")),)),
                    Pane(
                        "loss",
                        "Loss",
                        (Curve(np.array([0, 1]), np.array([0.25, 0.1]), "train"), Curve(np.array([0]), np.array([1]))),
                        axes=(Axis("step"), Axis("loss", "nats")),
                    ),
                    Pane(
                        "table", "Table", (Table((TableColumn("n"), TableColumn("t", "ms")), (("a", 1.5), ("b", 2))),)
                    ),
                )
            ),
        )
    ),
    values={"k": 3, "name": "x", "skipped": object()},
)


def read_csv(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_write_whole_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    write_whole(path, lambda file: file.write(b"new"))
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_write_whole_keeps_the_old_file_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")

    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_whole(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EACCES, "not permitted"),
        (errno.EROFS, "can only be read"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_write_whole_says_why_in_one_sentence(tmp_path: Path, code: int, words: str) -> None:
    path = tmp_path / "out.bin"

    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise OSError(code, os.strerror(code))

    with pytest.raises(SaveError) as caught:
        write_whole(path, fail)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert str(caught.value).endswith(".")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_found_out(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(SaveError, match="disk is full"):
        write_whole(tmp_path / "out.bin", lambda _: Path("/dev/full").write_bytes(b"x"))


def test_write_whole_into_missing_folder_file_and_onto_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(SaveError, match="folder does not exist"):
        write_whole(tmp_path / "missing" / "out.bin", lambda file: file.write(b"x"))
    with pytest.raises(SaveError, match="folder does not exist"):
        write_whole(tmp_path / "file" / "out.bin", lambda file: file.write(b"x"))
    with pytest.raises(SaveError):
        write_whole(tmp_path / "folder", lambda file: file.write(b"x"))
    with pytest.raises(SaveError):
        write_whole(tmp_path / ("n" * 400), lambda file: file.write(b"x"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_the_sentence_is_translated(tmp_path: Path) -> None:
    set_language("zh_CN")
    with pytest.raises(SaveError) as caught:
        write_whole(tmp_path / "missing" / "out.bin", lambda file: file.write(b"x"))
    assert "文件夹" in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="links and modes as POSIX has them")
def test_links_and_modes(tmp_path: Path) -> None:
    real, link = tmp_path / "real.bin", tmp_path / "link.bin"
    real.write_bytes(b"old")
    link.symlink_to(real)
    mask = os.umask(0o022)
    try:
        write_whole(link, lambda file: file.write(b"new"))
    finally:
        os.umask(mask)
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o644


def test_save_picture(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    frame = Frame(image)
    save_picture(tmp_path / "a.png", frame)
    assert np.array_equal(np.asarray(PillowImage.open(tmp_path / "a.png")), image)
    smooth = Frame(np.full((16, 16, 3), 100, np.uint8))
    save_picture(tmp_path / "a.JPG", smooth)
    assert np.abs(np.asarray(PillowImage.open(tmp_path / "a.JPG")).astype(int) - 100).max() <= 2
    with pytest.raises(SaveError, match=r"\.png or \.jpg"):
        save_picture(tmp_path / "a.bmp", frame)


def test_figure_arrays_and_npz(tmp_path: Path) -> None:
    arrays = figure_arrays(EVERYTHING)
    save_npz(tmp_path / "a.npz", EVERYTHING)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as read:
        assert set(read.files) == set(arrays)
        assert np.array_equal(read["picture.heatmap.values"], [[0.5, np.nan]], equal_nan=True)
        assert read["picture.heatmap.unit"] == "%"
        assert read["picture.boxes.labels"].tolist() == ["a, b"]
        assert read["picture.handles.roi"].tolist() == [0, 0, 2, 2]
        assert read["picture.text.text"] == "说明"
        assert read["tiles.tiles.values"].shape == (2, 2, 2)
        assert read["loss.curve.x"].tolist() == [0, 1]
        assert read["loss.curve-2.y"].tolist() == [1]
        assert read["loss.axis y"] == "loss (nats)"
        assert read["table.table.t"].tolist() == [1.5, 2.0]
        assert read["values.k"] == 3
    assert "values.skipped" not in arrays
    assert figure_arrays(EVERYTHING)["picture.image.pixels"] is EVERYTHING.panes()[0].marks[0].pixels


def test_csv_of_a_heat_map_is_a_matrix(tmp_path: Path) -> None:
    values = np.array([[1.0, np.nan], [np.inf, 1 / 3]], dtype=np.float64)
    save_csv(tmp_path / "a.csv", Pane("p", "P", (Heatmap(values, "score", "%"),)))
    rows = read_csv(tmp_path / "a.csv")
    assert rows[0] == ["score (%)", "0", "1"]
    assert rows[1] == ["0", "1.0", "nan"]
    assert float(rows[2][2]) == 1 / 3
    again = np.array([[float(cell) for cell in row[1:]] for row in rows[1:]])
    assert np.array_equal(again, values, equal_nan=True)


def test_csv_of_single_precision_has_no_made_up_digits(tmp_path: Path) -> None:
    values = np.array([[0.1, 2e-8]], dtype=np.float32)
    save_csv(tmp_path / "a.csv", Pane("p", "P", (Heatmap(values),)))
    rows = read_csv(tmp_path / "a.csv")
    assert rows[0][0] == "value"
    assert np.array_equal(np.array(rows[1][1:], dtype=np.float32), values[0])
    assert len(rows[1][1]) <= 12


def test_csv_of_tiles_is_long(tmp_path: Path) -> None:
    save_csv(tmp_path / "a.csv", EVERYTHING.panes()[1])
    rows = read_csv(tmp_path / "a.csv")
    assert rows[0] == ["channel", "title", "row", "column", "value"]
    assert len(rows) == 1 + 8
    assert rows[-1] == ["1", "y", "1", "1", "7.0"]


def test_csv_of_curves_bars_and_tables(tmp_path: Path) -> None:
    save_csv(tmp_path / "a.csv", EVERYTHING.panes()[2])
    assert read_csv(tmp_path / "a.csv") == [
        ["curve", "step", "loss (nats)"],
        ["train", "0", "0.25"],
        ["train", "1", "0.1"],
        ["curve", "0", "1"],
    ]
    save_csv(tmp_path / "a.csv", EVERYTHING.panes()[3])
    assert read_csv(tmp_path / "a.csv") == [["n", "t (ms)"], ["a", "1.5"], ["b", "2"]]
    axes = (Axis("activation", "V"), Axis("count"))
    histogram = Bars(np.array([3, 4]), edges=np.array([0.0, 0.5, 1.0]))
    save_csv(tmp_path / "a.csv", Pane("h", "H", (histogram,), axes=axes))
    assert read_csv(tmp_path / "a.csv") == [["from (V)", "to (V)", "count"], ["0.0", "0.5", "3"], ["0.5", "1.0", "4"]]
    sideways = Bars(np.array([0.75]), ("dog",), horizontal=True)
    save_csv(tmp_path / "a.csv", Pane("h", "H", (sideways,), axes=(Axis("probability"), Axis("class"))))
    assert read_csv(tmp_path / "a.csv") == [["bar", "class", "probability"], ["0", "dog", "0.75"]]


def test_csv_of_a_figure_has_a_part_for_each_table(tmp_path: Path) -> None:
    save_csv(tmp_path / "a.csv", EVERYTHING)
    rows = read_csv(tmp_path / "a.csv")
    titles = [row[0] for row in rows if row and row[0].startswith("# ")]
    assert titles[0] == "# Picture / heatmap"
    assert "# Loss / curves" in titles
    assert not any("image" in title for title in titles)
    at = rows.index(["# Picture / boxes"])
    assert rows[at + 1] == ["box", "label", "x0 (px)", "y0 (px)", "x1 (px)", "y1 (px)"]
    assert rows[at + 2] == ["0", "a, b", "1.0", "2.0", "3.0", "4.5"]
    assert rows[at + 3] == []


def test_csv_of_a_picture_alone_and_of_nothing(tmp_path: Path) -> None:
    pixels = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    save_csv(tmp_path / "a.csv", Pane("p", "P", (Image(pixels),)))
    assert read_csv(tmp_path / "a.csv")[1:] == [["0", "0", "0", "1", "2"], ["0", "1", "3", "4", "5"]]
    save_csv(tmp_path / "a.csv", Pane("p", "P", (Boxes(np.zeros((0, 4))),)))
    assert len(read_csv(tmp_path / "a.csv")) == 1
    save_csv(tmp_path / "a.csv", Pane("p", "P", ()))
    assert read_csv(tmp_path / "a.csv") == []


def test_save_knows_no_qt() -> None:
    for module in (data, whole):
        assert "PySide6" not in Path(str(module.__file__)).read_text("utf-8")
