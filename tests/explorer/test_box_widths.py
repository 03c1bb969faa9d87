"""Boxes of one mark may each have a line of their own width."""

import numpy as np
from pytestqt.qtbot import QtBot

from explorer.canvas.shapes import by_width, width_of
from explorer.figure import Boxes, Image
from tests.explorer.canvas_for_tests import colour_at, near, one, shown

RED = "#ff0000"
BLACK = Image(np.zeros((100, 100, 3), np.uint8))


def test_each_box_has_its_width(qtbot: QtBot) -> None:
    boxes = Boxes(np.array([[20.0, 20, 80, 80], [5, 5, 95, 95]]), colours=RED, width=(12.0, 1.0))
    canvas = shown(qtbot, one(BLACK, boxes))
    assert near(colour_at(canvas, 20.8, 50), RED)  # the middle of a thick line and beside it
    assert near(colour_at(canvas, 21.2, 50), RED)
    assert not near(colour_at(canvas, 7, 50), RED)


def test_thin_ones_are_drawn_first() -> None:
    assert by_width(2.0, [3, 1]) == [(2.0, [3, 1])]
    assert by_width((4.0, 1.0, 4.0), [0, 1, 2]) == [(1.0, [1]), (4.0, [0, 2])]
    assert width_of((4.0, 1.0), 3) == 1.0
    assert width_of(3, 7) == 3
