"""Pictures and maps of every shape, on the screen and in files, and what cannot be drawn at all: nothing ends the process."""

import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image as PillowImage
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from explorer.canvas.rasters import ImageArtist
from explorer.canvas.render import canvas_image
from explorer.figure import (
    Axis,
    Boxes,
    Column,
    Curve,
    Extent,
    Figure,
    Handles,
    Heatmap,
    Image,
    Lit,
    Pane,
    Points,
    Probe,
    Row,
    Text,
    Tiles,
)
from explorer.saving.shown import ShownKind, held, save_figure
from explorer.widgets.theme import LIGHT
from tests.explorer.canvas_for_tests import hover, one, pixels, shown, view_of, wheel

SHAPES = [(1, 1), (1, 2), (600, 1), (1000, 1), (4096, 4), (100_000, 1), (1, 600), (1, 4096), (3, 5000), (1, 100_000)]
"""(width, height)."""


def over_all_layers(width: int, height: int) -> Figure:
    """A picture of this size under and beside all that panels lay on it."""
    generator = np.random.default_rng(0)
    picture = Image(generator.integers(0, 256, (height, width, 3), dtype=np.uint8))
    extent: Extent = (0.0, 0.0, float(width), float(height))
    cells = min(height, 7), min(width, 448)
    smooth = Heatmap(generator.random(cells, dtype=np.float32), "score", opacity=0.5, smooth=True, extent=extent)
    holes = np.where(generator.random(cells) < 0.3, np.nan, 1.0)
    crisp = Heatmap(generator.random((height, width)).astype(np.float32), extent=extent)
    box = Boxes(np.array([[0.0, 0, width, height]]), ("all of it",))
    on_top = (box, Points(np.array([[width / 2, height / 2]])), Text("here", (0, 0)), Handles("roi", "box", extent))
    thin = Tiles(generator.random((5, min(height, 64), min(width, 2048))), tuple("abcde"), selected=1)
    size = (width, height)
    return Figure(
        Row(
            (
                Column(
                    (
                        Pane("smooth", "Smooth", (picture, smooth, *on_top), space="picture", size=size),
                        Pane(
                            "holes", "Holes", (Heatmap(holes, smooth=True, extent=extent),), space="picture", size=size
                        ),
                    )
                ),
                Column((Pane("crisp", "Crisp", (crisp,)), Pane("tiles", "Tiles", (thin,)))),
            )
        )
    )


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_picture_of_any_shape_is_shown_resized_zoomed_and_saved(
    qtbot: QtBot, shape: tuple[int, int], tmp_path: Path
) -> None:
    figure = over_all_layers(*shape)
    canvas = shown(qtbot, figure, (640, 360))
    probe = Probe("x", {"smooth": (Lit("boxes", 0),), "tiles": (Lit("tiles", 1, 0, 0),)})
    for size in ((1366, 768), (1280, 720), (1024, 768), (1366, 700), (300, 900), (900, 160), (60, 60)):
        canvas.resize(*size)
        canvas.show_probe(probe)
        QApplication.processEvents()
        canvas.grab()
    canvas.resize(1366, 768)
    for notches in (1, 5, 60, -200):
        wheel(canvas, shape[0] / 2, shape[1] / 2, notches, "smooth")
        hover(canvas, shape[0] / 2, shape[1] / 2, "smooth")
        canvas.grab()
    canvas.fit()
    for kind in get_args(ShownKind):
        if kind != "csv" or shape[0] * shape[1] < 1000:
            held(canvas, kind)(tmp_path / f"a.{kind}")
            assert (tmp_path / f"a.{kind}").stat().st_size > 100


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_thin_picture_is_a_line_of_its_colour(qtbot: QtBot, shape: tuple[int, int]) -> None:
    width, height = shape
    pane = Pane("p", "", (Image(np.full((height, width, 3), (250, 20, 20), np.uint8)),), size=shape)
    canvas = shown(qtbot, Figure(pane), (700, 400))
    view = view_of(canvas)
    middle = view.to_widget(width / 2, height / 2)
    red = pixels(view.grab().toImage())[int(middle.y()), int(middle.x())]
    assert red[0] > 200
    assert red[1] < 60


@pytest.mark.parametrize(
    "extent", [(0, 0, 0, 0), (5, 5, 5, 9), (0, 0, 1e-12, 1e-12), (np.nan, 0, 4, 4), (0, 0, np.inf, 4)]
)
def test_a_place_that_is_none_is_left_out(qtbot: QtBot, extent: Extent) -> None:
    picture = Image(np.zeros((8, 8, 3), np.uint8))
    marks = (picture, Image(picture.pixels, extent=extent), Heatmap(np.eye(3), extent=extent, smooth=True))
    canvas = shown(qtbot, one(*marks, size=(8, 8)))
    canvas.pane("p").spot_at(QPointF(5, 5))
    assert canvas_image(canvas).width() > 0


@pytest.mark.parametrize("values", [[1e300, -1e300], [1e-320, 0], [5e8, 5e8 + 1e-7], [-1.7e308, 1.7e308]])
def test_a_chart_of_any_numbers_is_drawn(qtbot: QtBot, values: list[float]) -> None:
    for log in (False, True):
        axes = Axis("x", log=log), Axis("y", log=log)
        canvas = shown(qtbot, one(Curve(np.array(values), np.array(values)), axes=axes), (300, 200))
        canvas.grab()


def test_what_cannot_be_drawn_is_told_and_the_rest_is_there(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: ImageArtist, painter: object, at: object) -> None:
        raise ArithmeticError("the paper is torn")

    told: list[str] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: told.append(str(error)))
    box = Boxes(np.array([[2.0, 2, 6, 6]]), colours="#ff00ff", width=3)
    figure = one(Image(np.zeros((8, 8, 3), np.uint8)), box)
    with monkeypatch.context() as patch:
        patch.setattr(ImageArtist, "paint", fail)
        canvas = shown(qtbot, figure)
        first = pixels(canvas.grab().toImage())
        assert told == ["the paper is torn"]
        assert (np.abs(first.astype(int) - (255, 0, 255)).max(axis=2) < 8).any()
        canvas.set_figure(one(Image(np.ones((8, 8, 3), np.uint8)), box))
        second = pixels(canvas.grab().toImage())
        assert len(told) == 1
    canvas.set_figure(figure)
    good = pixels(canvas.grab().toImage())
    assert np.abs(first.astype(int) - good).max() > 50
    assert np.abs(first.astype(int) - second).max() < 50


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_export_of_a_strip_ends_well(tmp_path: Path, kind: str) -> None:
    PillowImage.new("RGB", (1000, 1), (200, 60, 30)).save(tmp_path / "strip.png")
    arguments = ["export", str(tmp_path / "strip.png"), "--panel", "layers", "--format", kind, "--out", str(tmp_path)]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-m", "explorer", *arguments, "--quiet", "--threads", "1"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / f"layers-000000.{kind}").stat().st_size > 1000


def test_a_strip_is_saved_without_a_window(qtbot: QtBot, tmp_path: Path) -> None:
    for size in ((1366, 768), (1920, 1080), (100, 100)):
        save_figure(tmp_path / "a.png", over_all_layers(2000, 2), "png", size, LIGHT)
        with PillowImage.open(tmp_path / "a.png") as saved:
            assert saved.size == size
