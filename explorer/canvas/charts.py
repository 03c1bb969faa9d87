"""Curves and bars of a chart pane."""

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QPolygonF

from explorer.canvas.artist import REACH, Artist, Hit, cover, groups, stroke
from explorer.canvas.numbers import number
from explorer.canvas.projection import Projection
from explorer.figure import Bars, Curve, Extent
from explorer.i18n import tr

DENSE = 4000
"""From so many points on, a curve is drawn as the least and greatest value in each pixel column."""


class CurveArtist(Artist[Curve]):
    def extent(self) -> Extent | None:
        return cover(self.mark.x, self.mark.y)

    def paint(self, painter: QPainter, at: Projection) -> None:
        xs, ys = at.x(self.mark.x), at.y(self.mark.y)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pens = stroke(at, at.colour(self.mark.colour), self.mark.width, self.mark.style)
        for line in pieces(xs, ys):
            for pen in pens:
                pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
                painter.setPen(pen)
                if len(line) == 1:
                    painter.setBrush(pen.color())
                    painter.drawEllipse(QPointF(*line[0]), pen.widthF(), pen.widthF())
                else:
                    painter.drawPolyline(QPolygonF([QPointF(x, y) for x, y in line.tolist()]))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def light(self, painter: QPainter, at: Projection, index: int) -> None:
        if not 0 <= index < len(self.mark.x):
            return
        x, y = float(at.x(self.mark.x[index])), float(at.y(self.mark.y[index]))
        if not (np.isfinite(x) and np.isfinite(y)):
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(at.theme.surface), 2))
        painter.setBrush(at.colour(self.mark.colour))
        painter.drawEllipse(QPointF(x, y), 5 * at.theme.line, 5 * at.theme.line)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def hit(self, x: float, y: float, at: Projection) -> Hit | None:
        """The nearest point, if the curve passes near the place."""
        if not len(self.mark.x):
            return None
        xs, ys, here = at.x(self.mark.x), at.y(self.mark.y), at.point(x, y)
        # The height of the curve at the pointer counts too: between two points there is a line.
        distance = np.hypot(xs - here.x(), ys - here.y())
        if not np.isfinite(distance).any():
            return None
        index = int(np.nanargmin(distance))
        near = float(distance[index])
        if len(xs) > 1 and (np.diff(xs) >= 0).all():
            near = min(near, abs(float(np.interp(here.x(), xs, ys, left=np.inf, right=np.inf)) - here.y()))
        return Hit(x, y, index) if near <= 2 * REACH else None

    def words(self, hit: Hit) -> str:
        if hit.index is None or not 0 <= hit.index < len(self.mark.x):
            return ""
        place = f"({number(float(self.mark.x[hit.index]))}, {number(float(self.mark.y[hit.index]))})"
        return f"{self.mark.label} {place}".strip()


def pieces(xs: NDArray[np.float64], ys: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """The unbroken parts of a line in pixels, each (n, 2); thinned out where there are far more points than pixels."""
    good = np.isfinite(xs) & np.isfinite(ys)
    line = np.clip(np.stack([xs, ys], axis=1), -1e5, 1e5)
    breaks = np.flatnonzero(np.diff(good.astype(np.int8))) + 1
    found = [line[i] for i in np.split(np.arange(len(xs)), breaks) if len(i) and good[i[0]]]
    return [_thin(part) if len(part) > DENSE else part for part in found]


def _thin(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """First, lowest, highest and last point of each pixel column."""
    column = np.floor(line[:, 0]).astype(np.int64)
    starts = np.flatnonzero(np.r_[True, np.diff(column) != 0])
    if len(starts) * 4 >= len(line):
        return line
    ends = np.r_[starts[1:], len(line)] - 1
    low, high = np.minimum.reduceat(line[:, 1], starts), np.maximum.reduceat(line[:, 1], starts)
    x = line[starts, 0]
    rows = [line[starts], np.stack([x, low], 1), np.stack([x, high], 1), line[ends]]
    return np.stack(rows, axis=1).reshape(-1, 2)


class BarsArtist(Artist[Bars]):
    def spans(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where each bar begins and ends along its axis."""
        count = len(self.mark.values)
        if self.mark.edges is not None:
            edges = np.asarray(self.mark.edges, dtype=np.float64)
            return edges[:count], edges[1 : count + 1]
        middle = np.arange(count, dtype=np.float64)
        return middle - 0.4, middle + 0.4

    def extent(self) -> Extent | None:
        values = np.asarray(self.mark.values, dtype=np.float64)
        values = values[np.isfinite(values)]
        first, last = self.spans()
        if not len(first):
            return None
        low, high = float(min(values.min(initial=0.0), 0.0)), float(max(values.max(initial=0.0), 0.0))
        begin, end = float(np.nanmin(first)), float(np.nanmax(last))
        return (low, begin, high, end) if self.mark.horizontal else (begin, low, end, high)

    def bars(self, at: Projection) -> list[QRectF | None]:
        """The bars in logical pixels; None where the value is not a number."""
        mark = self.mark
        first, last = self.spans()
        values = np.asarray(mark.values, dtype=np.float64)
        across, up = (1, 0) if mark.horizontal else (0, 1)
        along = (at.x, at.y)
        begin, end = at.finite(along[across](first)), at.finite(along[across](last))
        tops = along[up](values)
        # On a logarithmic axis a bar stands on the pane's edge: there is no zero.
        ground = (at.clip.left() if mark.horizontal else at.clip.bottom()) if at.log[up] else float(along[up](0.0))
        if mark.edges is not None and not at.vector:
            # On whole pixels, bars that touch share their edge and show no seam.
            begin, end = np.round(begin), np.round(end)
        good = np.isfinite(tops) | np.isinf(values)
        tops = at.finite(np.where(np.isinf(values), np.sign(values) * 1e5 * (1 if mark.horizontal else -1), tops))
        near, thick = np.minimum(begin, end).tolist(), np.abs(end - begin).tolist()
        low, long = np.minimum(tops, ground).tolist(), np.abs(tops - ground).tolist()
        sides = (low, near, long, thick) if mark.horizontal else (near, low, thick, long)
        return [QRectF(*of) if ok else None for *of, ok in zip(*sides, good.tolist(), strict=True)]

    def paint(self, painter: QPainter, at: Projection) -> None:
        mark = self.mark
        bars = self.bars(at)
        if at.vector and mark.edges is not None and isinstance(mark.colours, int | str):
            painter.fillPath(outline(bars), at.colour(mark.colours, 1.0 if mark.selected is None else 0.5))
        else:
            painter.setPen(Qt.PenStyle.NoPen)
            for colour, _, indices in groups(mark.colours, "solid", len(bars)):
                painter.setBrush(at.colour(colour, 1.0 if mark.selected is None else 0.5))
                painter.drawRects([bar for i in indices if (bar := bars[i]) is not None])
        if mark.selected is not None:
            self._fill(painter, bars, mark.selected, QColor(at.theme.accent))
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _fill(self, painter: QPainter, bars: list[QRectF | None], index: int, colour: QColor) -> None:
        if 0 <= index < len(bars) and (bar := bars[index]) is not None:
            painter.fillRect(bar, colour)

    def light(self, painter: QPainter, at: Projection, index: int) -> None:
        bars = self.bars(at)
        if not 0 <= index < len(bars) or (bar := bars[index]) is None:
            return
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for pen in (QPen(QColor(at.theme.surface), 4 * at.theme.line), QPen(QColor(at.theme.text), 2 * at.theme.line)):
            painter.setPen(pen)
            painter.drawRect(bar)

    def hit(self, x: float, y: float, at: Projection) -> Hit | None:
        """The bar in whose column (or row) the place is: short bars can be met as well."""
        first, last = self.spans()
        place = y if self.mark.horizontal else x
        inside = np.flatnonzero((first <= place) & (place < last))
        return Hit(x, y, int(inside[0])) if len(inside) else None

    def words(self, hit: Hit) -> str:
        mark = self.mark
        if hit.index is None or not 0 <= hit.index < len(mark.values):
            return ""
        value = number(float(mark.values[hit.index]))
        if mark.edges is not None:
            name = f"[{number(float(mark.edges[hit.index]))}, {number(float(mark.edges[hit.index + 1]))})"
        else:
            name = mark.labels[hit.index] if hit.index < len(mark.labels) else f"{tr('bar')} {hit.index}"
        return f"{name} · {mark.label} {value}".replace("  ", " ")


def outline(bars: list[QRectF | None]) -> QPainterPath:
    """All bars as one shape: in a vector drawing bars that touch would else show seams."""
    path = QPainterPath()
    for bar in bars:
        if bar is not None and bar.width() > 0 and bar.height() > 0:
            path.addRect(bar)
    return path
