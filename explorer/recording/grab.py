"""Pixels of a widget as they are on the screen, without painting it anew where that can be avoided."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QWidget

PAINTED_IN_MEMORY = ("xcb", "windows", "offscreen")
"""Platforms on which a window is painted into one image that stays; elsewhere buffers are exchanged."""
LAYOUTS = (QImage.Format.Format_RGB32, QImage.Format.Format_ARGB32, QImage.Format.Format_ARGB32_Premultiplied)


class Grabbed(NamedTuple):
    """(H, W, 4) uint8 pixels, blue first, and the image that owns their memory."""

    pixels: NDArray[np.uint8]
    image: QImage


def grab(widget: QWidget, height: int | None = None) -> Grabbed | None:
    """What a widget shows; None where it shows nothing.

    Args:
        height: the upper part only, in logical pixels.
    """
    area = QRect(0, 0, widget.width(), widget.height() if height is None else min(height, widget.height()))
    if not widget.isVisible() or area.isEmpty():
        return None
    image = _painted(widget, area)
    if image is None:
        image = widget.grab(area).toImage()
    if image.format() not in LAYOUTS:
        image = image.convertToFormat(QImage.Format.Format_RGB32)
    if image.isNull():
        return None
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return Grabbed(rows[:, : 4 * image.width()].reshape(image.height(), image.width(), 4), image)


def _painted(widget: QWidget, area: QRect) -> QImage | None:
    """A copy of what was painted last; painting it again would cost ten times as much."""
    if QGuiApplication.platformName() not in PAINTED_IN_MEMORY:
        return None
    window = widget.window()
    store = window.backingStore()
    image = store.paintDevice() if store is not None else None
    if not isinstance(image, QImage) or image.isNull():
        return None
    ratio = image.devicePixelRatio()
    corner = widget.mapTo(window, QPoint()) if widget is not window else QPoint()
    place = QRect(
        round(corner.x() * ratio), round(corner.y() * ratio), round(area.width() * ratio), round(area.height() * ratio)
    )
    return image.copy(place) if image.rect().contains(place) else None
