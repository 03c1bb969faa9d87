"""What is shown, as PNG, SVG, CSV and NPZ: parsed again, also without a window and in a process of its own."""

import csv
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, assert_never, get_args

import numpy as np
import pytest
from PIL import Image as PillowImage
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QFileDialog
from pytestqt.qtbot import QtBot

from explorer.canvas import Canvas
from explorer.canvas.render import canvas_image, canvas_svg, render_png
from explorer.figure import (
    Axis,
    Bars,
    Boxes,
    Column,
    Curve,
    Figure,
    Heatmap,
    Image,
    Note,
    Pane,
    Points,
    Row,
    Table,
    TableColumn,
    Text,
    Tiles,
)
from explorer.files.whole import SaveError
from explorer.saving.shown import ShownKind, copy, held, save_figure
from explorer.saving.window import Saver
from explorer.widgets.jobs import Jobs
from explorer.widgets.theme import DARK, LIGHT, THEMES
from tests.explorer.canvas_for_tests import near, one, pixels, shown, view_of, wheel

SVG = "{http://www.w3.org/2000/svg}"


def rich() -> Figure:
    generator = np.random.default_rng(0)
    picture = Image(np.full((40, 60, 3), 90, np.uint8))
    boxes = Boxes(np.array([[10.0, 10, 30, 30]]), ("dog <0.9> & co",), colours="#ff00ff")
    over = Heatmap(np.array([[0.0, 1.0]]), "score", "%", opacity=0.5, extent=(0, 0, 60, 40), smooth=True)
    table = Table((TableColumn("name"), TableColumn("time", "ms")), (("first", 1.5), ("second", 2.5)), selected=1)
    return Figure(
        Row(
            (
                Column(
                    (
                        Pane("picture", "The picture", (picture, over, boxes, Points(np.array([[40.0, 20]])))),
                        Pane("table", "Numbers", (table,)),
                    )
                ),
                Column(
                    (
                        Pane("tiles", "Channels", (Tiles(generator.random((6, 4, 4)), label="activation"),)),
                        Pane(
                            "loss",
                            "Loss",
                            (Curve(np.arange(9.0), np.arange(9.0), "train"),),
                            axes=(Axis("step"), Axis("loss")),
                        ),
                        Pane(
                            "counts", "Counts", (Bars(np.arange(5), edges=np.arange(6.0)),), axes=(Axis("x"), Axis("n"))
                        ),
                        Pane("text", "Words", (Text("what to see 看什么"),)),
                    )
                ),
            )
        ),
        notes=(Note("mind the gap", "warning"),),
    )


def load(path: Path) -> np.ndarray:
    """(H, W, 3) pixels of a PNG."""
    with PillowImage.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def words(root: ET.Element) -> str:
    return " ".join("".join(element.itertext()) for element in root.iter(f"{SVG}text"))


def test_png_without_a_window_has_its_size_and_theme(qtbot: QtBot, tmp_path: Path) -> None:
    for theme in THEMES.values():
        image = render_png(rich(), (900, 600), theme)
        assert (image.width(), image.height(), image.devicePixelRatio()) == (900, 600, 1.0)
        found = pixels(image)
        assert near(tuple(found[1, 450]), theme.window, 2)
        assert len(np.unique(found.reshape(-1, 3), axis=0)) > 100
    save_figure(tmp_path / "a.png", rich(), "png", (900, 600), LIGHT)
    assert load(tmp_path / "a.png").shape[1] == 900


@pytest.mark.parametrize("size", [(100, 100), (100, 700), (700, 100), (333, 251)])
def test_small_files_have_their_size_and_everything_in_it(qtbot: QtBot, tmp_path: Path, size: tuple[int, int]) -> None:
    kinds: tuple[ShownKind, ...] = ("png", "svg")
    for kind in kinds:
        save_figure(tmp_path / f"a.{kind}", rich(), kind, size, LIGHT)
    assert load(tmp_path / "a.png").shape[1::-1] == size
    root = ET.parse(tmp_path / "a.svg").getroot()
    assert (root.get("width"), root.get("height")) == (str(size[0]), str(size[1]))
    _, _, width, height = (float(part) for part in str(root.get("viewBox")).split())
    assert width / height == pytest.approx(size[0] / size[1], rel=0.02)
    assert "mind the gap" in words(root)


def test_scale_gives_more_pixels_of_the_same_drawing(qtbot: QtBot) -> None:
    once, twice = render_png(rich(), (800, 500), LIGHT), render_png(rich(), (800, 500), LIGHT, scale=2)
    assert (twice.width(), twice.height()) == (2 * once.width(), 2 * once.height())
    small = pixels(once).astype(float)
    large = pixels(twice).astype(float)
    mean = large.reshape(once.height(), 2, once.width(), 2, 3).mean(axis=(1, 3))
    assert np.abs(mean - small).mean() < 4


def test_png_of_the_screen_shows_what_the_screen_shows(qtbot: QtBot, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    canvas = shown(qtbot, one(Image(picture)))
    wheel(canvas, 4, 4, 3)
    QApplication.processEvents()
    grabbed = pixels(view_of(canvas).grab().toImage())
    held(canvas, "png", scale=1)(tmp_path / "a.png")
    saved = load(tmp_path / "a.png")
    corner = view_of(canvas).mapTo(canvas, view_of(canvas).rect().topLeft())
    part = saved[corner.y() : corner.y() + grabbed.shape[0], corner.x() : corner.x() + grabbed.shape[1]]
    assert np.abs(part.astype(int) - grabbed).mean() < 1


def test_png_of_one_pane(qtbot: QtBot, tmp_path: Path) -> None:
    canvas = shown(qtbot, rich(), (900, 600))
    held(canvas, "png", "table", scale=2)(tmp_path / "a.png")
    height, width = load(tmp_path / "a.png").shape[:2]
    assert (width, height) == (2 * canvas.pane("table").width(), 2 * canvas.pane("table").height())
    with pytest.raises(KeyError):
        held(canvas, "png", "nothing")


def test_nothing_is_saved_of_an_empty_canvas(qtbot: QtBot) -> None:
    canvas = Canvas()
    qtbot.addWidget(canvas)
    with pytest.raises(ValueError, match="without a figure"):
        held(canvas, "csv")


def test_svg_keeps_words_and_shapes(qtbot: QtBot, tmp_path: Path) -> None:
    canvas = shown(qtbot, rich(), (900, 600))
    held(canvas, "svg")(tmp_path / "a.svg")
    root = ET.parse(tmp_path / "a.svg").getroot()
    assert root.tag == f"{SVG}svg"
    assert root.get("width") == "900"
    said = words(root)
    for text in (
        "The picture",
        "dog <0.9> & co",
        "score (%)",
        "time (ms)",
        "second",
        "train",
        "step",
        "看什么",
        "mind the gap",
    ):
        assert text in said, text
    # Picture, heat map, six tiles, two legends: what has cells is an image; the box and the curve are shapes.
    assert len(list(root.iter(f"{SVG}image"))) == 10
    strokes = {element.get("stroke") for element in root.iter(f"{SVG}g")}
    assert {"#ff00ff", LIGHT.palette[0]} <= strokes
    assert all("sans-serif" in g.get("font-family", "sans-serif") for g in root.iter(f"{SVG}g"))


def test_svg_is_drawn_like_the_png(qtbot: QtBot) -> None:
    from PySide6.QtCore import QByteArray
    from PySide6.QtGui import QPainter
    from PySide6.QtSvg import QSvgRenderer

    canvas = shown(qtbot, rich(), (900, 600))
    png = canvas_image(canvas, "picture", 1)
    renderer = QSvgRenderer(QByteArray(canvas_svg(canvas, "picture")))
    assert renderer.isValid()
    drawn = QImage(png.size(), QImage.Format.Format_RGB32)
    painter = QPainter(drawn)
    renderer.render(painter)
    painter.end()
    assert np.abs(pixels(drawn).astype(int) - pixels(png)).mean() < 6


def test_svg_without_a_window_and_zoomed_stays_inside_its_pane(qtbot: QtBot, tmp_path: Path) -> None:
    save_figure(tmp_path / "a.svg", rich(), "svg", (800, 500), DARK)
    root = ET.parse(tmp_path / "a.svg").getroot()
    parts = [g for g in root if g.get("clip-path")]
    clips = {f"url(#{clip.get('id')})" for clip in root.iter(f"{SVG}clipPath")}
    assert parts
    assert {g.get("clip-path") for g in parts} <= clips


def test_csv_and_npz_of_a_pane_and_of_all(qtbot: QtBot, tmp_path: Path) -> None:
    canvas = shown(qtbot, rich())
    held(canvas, "csv", "table")(tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == [["name", "time (ms)"], ["first", "1.5"], ["second", "2.5"]]
    held(canvas, "csv")(tmp_path / "all.csv")
    assert "# The picture / boxes" in (tmp_path / "all.csv").read_text("utf-8-sig")
    held(canvas, "npz", "tiles")(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as read:
        assert read["tiles.tiles.values"].shape == (6, 4, 4)
        assert not any(name.startswith("picture") for name in read.files)


def test_copy_puts_the_picture_on_the_clipboard(qtbot: QtBot) -> None:
    canvas = shown(qtbot, rich())
    copy(canvas, "picture")
    image = QApplication.clipboard().image()
    assert image.width() == 2 * canvas.pane("picture").width()


def with_saver(canvas: Canvas, said: list[str]) -> Saver:
    """What the window does with the wishes of a canvas."""
    nothing: Any = None
    saver = Saver(canvas, nothing, nothing, Jobs(canvas), said.append, "")
    canvas.wished.connect(lambda pane, wish: saver.fulfil(canvas, pane, wish))
    return saver


def test_the_menu_copies(qtbot: QtBot) -> None:
    canvas, said = shown(qtbot, rich()), list[str]()
    with_saver(canvas, said)
    canvas.pane("tiles").wished.emit("copy")
    assert QApplication.clipboard().image().width() == 2 * canvas.pane("tiles").width()
    assert said == ["Copied."]


@pytest.mark.parametrize("kind", ["png", "svg", "csv", "npz"])
def test_the_menu_saves_what_was_there_when_it_was_opened(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    canvas = shown(qtbot, one(Heatmap(np.array([[1.0]]))))
    said: list[str] = []
    saver = with_saver(canvas, said)
    asked: list[str] = []

    def choose(parent: object, title: str, start: str, kinds: str) -> tuple[str, str]:
        asked.append(Path(start).name)
        # Frames go on arriving while the dialog is open.
        canvas.set_figure(one(Heatmap(np.array([[7.0]]))))
        return str(tmp_path / "chosen"), kinds

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    canvas.pane("p").wished.emit(kind)
    assert asked == [f"p.{kind}"]
    path = tmp_path / f"chosen.{kind}"
    assert path.stat().st_size > 0
    assert said == [f"Saved as {path}."]
    assert saver.folder == str(tmp_path)
    if kind == "npz":
        with np.load(path) as read:
            assert read["p.heatmap.values"].tolist() == [[1.0]]
    if kind == "csv":
        assert path.read_text("utf-8-sig").splitlines()[1] == "0,1.0"


def test_the_menu_says_what_went_wrong_and_does_nothing_when_cancelled(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canvas = shown(qtbot, one(Heatmap(np.array([[1.0]]))))
    said: list[str] = []
    saver = with_saver(canvas, said)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "missing" / "a.csv"), ""))
    canvas.pane("p").wished.emit("csv")
    assert len(said) == 1
    assert "folder does not exist" in said[0]
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: ("", ""))
    canvas.pane("p").wished.emit("csv")
    assert len(said) == 1
    assert saver.folder == ""
    assert list(tmp_path.iterdir()) == []


def test_failing_to_save_raises(qtbot: QtBot, tmp_path: Path) -> None:
    canvas = shown(qtbot, rich())
    for kind in get_args(ShownKind):
        with pytest.raises(SaveError):
            held(canvas, kind)(tmp_path / "missing" / "file")
    with pytest.raises(SaveError):
        save_figure(tmp_path / "missing" / "a.png", rich(), "png", (300, 200), LIGHT)


@pytest.mark.parametrize("kind", get_args(ShownKind))
@pytest.mark.parametrize(
    "odd", [*map(chr, range(32)), "\x7f", "\ufffe", "\uffff", chr(0xD800), chr(0xDCFF), "]]>", "\u202e"]
)
def test_every_character_of_a_name_can_be_saved(qtbot: QtBot, tmp_path: Path, odd: str, kind: ShownKind) -> None:
    name = f"one {odd} two"
    picture = Pane("picture", name, (Boxes(np.array([[1.0, 1, 5, 5]]), (name,)), Text(name, (1, 1))))
    table = Pane("table", name, (Table((TableColumn(name),), ((name,),)),))
    chart = Pane(
        "chart", name, (Bars(np.ones(1), (name,)), Curve(np.ones(2), np.ones(2), name)), axes=(Axis(name),) * 2
    )
    path = tmp_path / f"a.{kind}"
    save_figure(path, Figure(Row((picture, table, chart)), notes=(Note(name),)), kind, (640, 360), LIGHT)
    match kind:
        case "svg":
            said = words(ET.parse(path).getroot())
            assert said.count("one ") >= 4
            assert odd not in said or odd in "\x7f\t\n\r]]>\u202e"
        case "csv":
            assert "two" in path.read_text("utf-8-sig")
        case "npz":
            with np.load(path) as read:
                assert read["picture.boxes.labels"].tolist() == [name]
        case "png":
            assert load(path).shape == (360, 640, 3)
        case _:
            assert_never(kind)


def test_headless_in_a_process_without_an_application(tmp_path: Path) -> None:
    program = """
import sys
import numpy as np
from explorer.saving.shown import save_figure
from explorer.figure import Figure, Heatmap, Pane
from explorer.saving.shown import ShownKind, copy, held, save_figure
from explorer.saving.window import Saver
from explorer.widgets.jobs import Jobs
from explorer.widgets.theme import DARK
figure = Figure(Pane("p", "中文", (Heatmap(np.eye(4), "score"),)))
for number in range(2):
    save_figure(sys.argv[1] + f"/{number}.png", figure, "png", (300, 200), DARK)
save_figure(sys.argv[1] + "/a.svg", figure, "svg", (300, 200), DARK)
"""
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    first, second = (load(tmp_path / f"{number}.png") for number in range(2))
    assert first.shape[1] == 300
    assert np.array_equal(first, second)
    assert near(tuple(first[1, 1].tolist()), DARK.window, 2)
    assert "中文" in (tmp_path / "a.svg").read_text("utf-8")
