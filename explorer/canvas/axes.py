"""What stands around and behind the marks of a chart: axes with units, grid lines, and the names of curves."""

import math
from collections.abc import Sequence
from typing import Any

import pyqtgraph
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen

from explorer.canvas.artist import PEN_STYLES, Artist
from explorer.canvas.numbers import titled
from explorer.canvas.projection import Projection
from explorer.figure import Axis, Bars, Curve
from explorer.widgets.theme import Theme

SIDES = ("bottom", "left")


class Axes:
    """The x and y axis of one chart, and its grid.

    Args:
        box: the view whose range they show.
    """

    def __init__(self, box: pyqtgraph.ViewBox) -> None:
        self.plot = pyqtgraph.PlotItem(viewBox=box, enableMenu=False)
        self.plot.hideButtons()
        self.plot.setContentsMargins(4, 6, 12, 2)
        self._box = box
        self._labels: dict[str, tuple[tuple[str, ...], int]] = {}
        self._horizontal = False
        self._ticks: tuple[object, list[float]] = None, []
        for side in SIDES:
            item = self.plot.getAxis(side)
            item.enableAutoSIPrefix(False)
            # Room once taken is kept: live numbers of changing length would shake the chart.
            item.setStyle(autoReduceTextSpace=False, maxTickLevel=0)

    def label(self, axes: tuple[Axis, Axis], theme: Theme, font: QFont) -> None:
        """Writes what they count, and in which unit."""
        for which, (side, axis) in enumerate(zip(SIDES, axes, strict=True)):
            item = self.plot.getAxis(side)
            item.setLogMode(**{"x" if which == 0 else "y": axis.log})
            item.setLabel(titled(axis.label, axis.unit) or None)
        self._ticks = None, []
        self.style(theme, font)

    def style(self, theme: Theme, font: QFont) -> None:
        for side in SIDES:
            item = self.plot.getAxis(side)
            item.setPen(QColor(theme.border), width=theme.line)
            item.setTextPen(QColor(theme.muted))
            item.setTickFont(font)
            item.setStyle(tickLength=round(4 * theme.line), tickTextOffset=theme.space)
            item.label.setFont(font)
            item.setLabel(item.labelText or None, **{"color": theme.muted, "font-size": f"{theme.small}px"})

    def caption(self, artists: Sequence[Artist[Any]], font: QFont) -> None:
        """Names categories under (or beside) their bars, as many as have room."""
        bars = [artist.mark for artist in artists if isinstance(artist.mark, Bars)]
        self._horizontal = any(mark.horizontal for mark in bars)
        metrics = QFontMetricsF(font)
        for which, side in enumerate(SIDES):
            named = [mark.labels for mark in bars if mark.edges is None and mark.horizontal == (which == 1)]
            labels = named[0] if named else ()
            length = self._box.height() if which else self._box.width()
            widest = max((metrics.horizontalAdvance(label) for label in labels), default=0.0)
            room = font.pixelSize() + 2 if which else widest + 8
            step = max(1, math.ceil(len(labels) * room / max(length, 1.0)))
            if self._labels.get(side) != (labels, step):
                self._labels[side] = labels, step
                self._ticks = None, []
                shown = [(i, label) for i, label in enumerate(labels) if i % step == 0]
                self.plot.getAxis(side).setTicks([shown] if labels else None)

    def draw_grid(self, painter: QPainter, at: Projection) -> None:
        """Faint lines at the ticks of the axis that is read off."""
        which = 0 if self._horizontal else 1
        (x0, x1), (y0, y1) = self._box.viewRange()
        item = self.plot.getAxis(SIDES[which])
        low, high, size = (x0, x1, self._box.width()) if which == 0 else (y0, y1, self._box.height())
        if self._ticks[0] != (which, low, high, size):
            # Looking for round numbers takes longer than drawing them.
            found = item.tickValues(low, high, size)
            self._ticks = (which, low, high, size), found[0][1] if found else []
        ticks = self._ticks[1]
        clip = at.clip
        if which == 0:
            places = [tick * at.sx + at.dx for tick in ticks]
            lines = [QLineF(place, clip.top(), place, clip.bottom()) for place in places]
        else:
            places = [tick * at.sy + at.dy for tick in ticks]
            lines = [QLineF(clip.left(), place, clip.right(), place) for place in places]
        colour = QColor(at.theme.border)
        colour.setAlphaF(0.6)
        painter.setPen(QPen(colour, 1))
        painter.drawLines(lines)


def draw_key(painter: QPainter, at: Projection, artists: Sequence[Artist[Any]]) -> None:
    """Names the curves in the top right corner, where there are several or one whose name is not the axis' own."""
    curves = [artist.mark for artist in artists if isinstance(artist.mark, Curve) and artist.mark.label]
    if not curves:
        return
    metrics = QFontMetricsF(at.font)
    line, sample, pad = metrics.height() + 2, 18.0 * at.theme.line, 6.0
    width = max(metrics.horizontalAdvance(mark.label) for mark in curves) + sample + 3 * pad
    plate = QRectF(at.clip.right() - width - 2, at.clip.top() + 2, width, line * len(curves) + pad)
    if plate.height() > at.clip.height() or plate.width() > at.clip.width():
        return
    ground = QColor(at.theme.surface)
    ground.setAlphaF(0.85)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ground)
    painter.drawRoundedRect(plate, 4, 4)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.setFont(at.font)
    for number, mark in enumerate(curves):
        top = plate.top() + pad / 2 + number * line
        left, middle = plate.left() + pad, top + line / 2
        painter.setPen(QPen(at.colour(mark.colour), mark.width * at.theme.line, PEN_STYLES[mark.style]))
        painter.drawLine(QPointF(left, middle), QPointF(left + sample, middle))
        painter.setPen(QColor(at.theme.text))
        room = QRectF(left + sample + pad, top, width, line)
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, mark.label)
