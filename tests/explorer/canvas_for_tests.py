"""What the canvas' tests share: a shown canvas of a pinned size, its pixels, and the mouse on it."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QImage, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from explorer.canvas import Canvas
from explorer.canvas.view import PaneView
from explorer.figure import Figure, Mark, Pane
from explorer.widgets.theme import LIGHT

SIZE = (640, 480)


def shown(qtbot: QtBot, figure: Figure, size: tuple[int, int] = SIZE) -> Canvas:
    """A canvas on the (offscreen) screen."""
    canvas = Canvas()
    qtbot.addWidget(canvas)
    canvas.set_theme(LIGHT)
    canvas.resize(*size)
    canvas.set_figure(figure)
    with qtbot.waitExposed(canvas):
        canvas.show()
    QApplication.processEvents()
    return canvas


def one(*marks: Mark, **more: object) -> Figure:
    """A figure of one pane called ``p``."""
    return Figure(Pane("p", "Pane", marks, **more))  # type: ignore[arg-type]


def view_of(canvas: Canvas, key: str = "p") -> PaneView:
    view = canvas.pane(key).view
    assert view is not None
    return view


def pixels(image: QImage) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB."""
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def colour_at(canvas: Canvas, x: float, y: float, key: str = "p") -> tuple[int, int, int]:
    """The colour on the screen at a place of the pane's coordinates."""
    view = view_of(canvas, key)
    place = view.to_widget(x, y)
    found = pixels(view.grab().toImage())[int(place.y()), int(place.x())]
    return int(found[0]), int(found[1]), int(found[2])


def near(first: tuple[int, int, int], second: tuple[int, int, int] | str, tolerance: int = 12) -> bool:
    if isinstance(second, str):
        colour = QColor(second)
        second = colour.red(), colour.green(), colour.blue()
    return max(abs(a - b) for a, b in zip(first, second, strict=True)) <= tolerance


def place(canvas: Canvas, x: float, y: float, key: str = "p") -> QPoint:
    """Where a place of the pane is in its view, in whole pixels."""
    found = view_of(canvas, key).to_widget(x, y)
    return QPoint(int(found.x()), int(found.y()))


def click(canvas: Canvas, x: float, y: float, key: str = "p") -> None:
    target = view_of(canvas, key).viewport()
    QTest.mouseClick(target, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place(canvas, x, y, key))


def hover(canvas: Canvas, x: float, y: float, key: str = "p") -> None:
    QTest.mouseMove(view_of(canvas, key).viewport(), place(canvas, x, y, key))
    QApplication.processEvents()


def drag(canvas: Canvas, path: list[tuple[float, float]], key: str = "p") -> None:
    """Presses at the first place, moves along, releases at the last."""
    target = view_of(canvas, key).viewport()
    points = [place(canvas, x, y, key) for x, y in path]
    QTest.mousePress(target, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, points[0])
    for point in points[1:]:
        QTest.mouseMove(target, point)
    QTest.mouseRelease(target, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, points[-1])


def wheel(canvas: Canvas, x: float, y: float, notches: int, key: str = "p") -> None:
    view = view_of(canvas, key)
    at = view.to_widget(x, y)
    event = QWheelEvent(
        at,
        QPointF(view.mapToGlobal(at.toPoint())),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view.viewport(), event)


Collected = list[object]


def collect(signal: object) -> Collected:
    """A list that grows with what the signal sends."""
    found: Collected = []
    connect: Callable[..., object] = signal.connect  # type: ignore[attr-defined]
    connect(lambda *sent: found.append(sent[0] if len(sent) == 1 else sent))
    return found


def approx(*values: float, tolerance: float = 0.75) -> object:
    return pytest.approx(values, abs=tolerance)
