"""The toolbar's icons: line drawings in assets/icons, in the colour of the theme's text."""

from functools import cache

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from cvcore.assets import asset

SIZES = (16, 20, 24, 32, 48, 64)


@cache
def icon(name: str, colour: str) -> QIcon:
    """A drawing in one colour.

    Args:
        name: the file in assets/icons without its ending.
        colour: ``#rrggbb``, which takes the place of ``currentColor``.

    Raises:
        FileNotFoundError: there is no such icon.
    """
    drawing = asset("icons", f"{name}.svg").read_text("utf-8").replace("currentColor", colour)
    renderer = QSvgRenderer(QByteArray(drawing.encode("utf-8")))
    made = QIcon()
    for size in SIZES:
        pixmap = QPixmap(size, size)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        renderer.render(painter, QRectF(0, 0, size, size))
        painter.end()
        made.addPixmap(pixmap)
    return made
