"""Boxes, points, segments, arrows and words that lie on a picture or chart."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen, QPolygonF

from explorer.canvas.artist import REACH, Artist, Hit, caption, colour_of, cover, groups, stroke
from explorer.canvas.numbers import number
from explorer.canvas.projection import Projection
from explorer.figure import Arrows, Boxes, Extent, Points, Segments, Text
from explorer.i18n import tr

MANY = 400
"""From so many captions on, they are left out: nobody can read them, and drawing them takes long."""


def item_name(kind: str, index: int, labels: tuple[str, ...]) -> str:
    """What the read-out calls an item: its number, and its label where it has one."""
    name = f"{kind} {index}"
    return f"{name} · {labels[index]}" if index < len(labels) and labels[index] else name


def width_of(width: float | Sequence[float], index: int) -> float:
    """The line width of one item."""
    return width if isinstance(width, int | float) else width[index % len(width)]


def by_width(width: float | Sequence[float], indices: list[int]) -> list[tuple[float, list[int]]]:
    """Items that one pen draws, thin ones first."""
    if isinstance(width, int | float):
        return [(width, indices)]
    found: dict[float, list[int]] = {}
    for index in indices:
        found.setdefault(width_of(width, index), []).append(index)
    return sorted(found.items())


def rects(at: Projection, xyxy: NDArray[Any]) -> list[QRectF]:
    """(N, 4) boxes in logical pixels."""
    x0, y0, x1, y1 = (
        at.finite(part) for part in (at.x(xyxy[:, 0]), at.y(xyxy[:, 1]), at.x(xyxy[:, 2]), at.y(xyxy[:, 3]))
    )
    return [
        QRectF(min(a, c), min(b, d), abs(c - a), abs(d - b))
        for a, b, c, d in zip(x0.tolist(), y0.tolist(), x1.tolist(), y1.tolist(), strict=True)
    ]


class BoxesArtist(Artist[Boxes]):
    def extent(self) -> Extent | None:
        xyxy = self.mark.xyxy
        return cover(xyxy[:, [0, 2]], xyxy[:, [1, 3]]) if len(xyxy) else None

    def paint(self, painter: QPainter, at: Projection) -> None:
        mark = self.mark
        if not len(mark.xyxy):
            return
        # A box with a corner that is not a number cannot be drawn.
        drawable = np.asarray(np.isfinite(mark.xyxy).all(axis=1)).tolist()
        found = rects(at, mark.xyxy)
        for colour, style, indices in groups(mark.colours, mark.styles, len(found)):
            if mark.fill > 0:
                some = [found[i] for i in indices if drawable[i] and found[i].intersects(at.clip)]
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(at.colour(colour, mark.fill))
                painter.drawRects(some)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            for width, same in by_width(mark.width, indices):
                some = [found[i] for i in same if drawable[i] and found[i].intersects(at.clip)]
                for pen in stroke(at, at.colour(colour), width, style):
                    painter.setPen(pen)
                    painter.drawRects(some)
        if mark.labels and len(found) <= MANY:
            for index, rect in enumerate(found):
                if index < len(mark.labels) and drawable[index] and rect.intersects(at.clip):
                    ground = at.colour(colour_of(mark.colours, index))
                    caption(painter, at, rect.topLeft(), mark.labels[index], ground)

    def light(self, painter: QPainter, at: Projection, index: int) -> None:
        if not 0 <= index < len(self.mark.xyxy):
            return
        colour = at.colour(colour_of(self.mark.colours, index))
        rect = rects(at, self.mark.xyxy[index : index + 1])[0]
        tint = QColor(colour)
        tint.setAlphaF(0.25)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(tint)
        painter.drawRect(rect)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for pen in stroke(at, colour, width_of(self.mark.width, index) + 2):
            painter.setPen(pen)
            painter.drawRect(rect)
        if index < len(self.mark.labels):
            caption(painter, at, rect.topLeft(), self.mark.labels[index], colour)

    def hit(self, x: float, y: float, at: Projection) -> Hit | None:
        """The smallest box around the place, or the one whose edge is near."""
        xyxy = np.asarray(self.mark.xyxy, dtype=np.float64)
        if not len(xyxy):
            return None
        grow_x, grow_y = REACH / max(abs(at.sx), 1e-9) / 2, REACH / max(abs(at.sy), 1e-9) / 2
        inside = (
            (xyxy[:, 0] - grow_x <= x)
            & (x <= xyxy[:, 2] + grow_x)
            & (xyxy[:, 1] - grow_y <= y)
            & (y <= xyxy[:, 3] + grow_y)
        )
        if not inside.any():
            return None
        area = (xyxy[:, 2] - xyxy[:, 0]) * (xyxy[:, 3] - xyxy[:, 1])
        return Hit(x, y, int(np.where(inside, area, np.inf).argmin()))

    def words(self, hit: Hit) -> str:
        if hit.index is None or not 0 <= hit.index < len(self.mark.xyxy):
            return ""
        x0, y0, x1, y1 = (float(v) for v in self.mark.xyxy[hit.index])
        size = f"{number(x1 - x0)} × {number(y1 - y0)}"
        return f"{item_name(tr('box'), hit.index, self.mark.labels)} · {size}"


class PointsArtist(Artist[Points]):
    def extent(self) -> Extent | None:
        return cover(self.mark.xy[:, 0], self.mark.xy[:, 1]) if len(self.mark.xy) else None

    def places(self, at: Projection) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return at.finite(at.x(self.mark.xy[:, 0])), at.finite(at.y(self.mark.xy[:, 1]))

    def paint(self, painter: QPainter, at: Projection) -> None:
        mark = self.mark
        if not len(mark.xy):
            return
        xs, ys = self.places(at)
        size = mark.size * at.theme.line
        seen = at.clip.adjusted(-size, -size, size, size)
        places = [QPointF(x, y) for x, y in zip(xs.tolist(), ys.tolist(), strict=True)]
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for colour, _, indices in groups(mark.colours, "solid", len(places)):
            self._symbols(
                painter, at, [places[i] for i in indices if seen.contains(places[i])], at.colour(colour), size
            )
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        if mark.labels and len(places) <= MANY:
            for index, place in enumerate(places[: len(mark.labels)]):
                if seen.contains(place):
                    corner = place + QPointF(size / 2 + 2, -size / 2)
                    caption(painter, at, corner, mark.labels[index], at.colour(colour_of(mark.colours, index)))

    def _symbols(self, painter: QPainter, at: Projection, places: list[QPointF], colour: QColor, size: float) -> None:
        half = size / 2
        match self.mark.symbol:
            case "disc":
                edge = QColor(at.theme.halo if at.photo else at.theme.surface)
                edge.setAlphaF(0.7)
                painter.setPen(QPen(edge, at.theme.line))
                painter.setBrush(colour)
                for place in places:
                    painter.drawEllipse(place, half, half)
            case "ring":
                painter.setBrush(Qt.BrushStyle.NoBrush)
                for pen in stroke(at, colour, 2.0):
                    painter.setPen(pen)
                    for place in places:
                        painter.drawEllipse(place, half, half)
            case "cross":
                lines = [
                    line
                    for place in places
                    for line in (
                        QLineF(place.x() - half, place.y(), place.x() + half, place.y()),
                        QLineF(place.x(), place.y() - half, place.x(), place.y() + half),
                    )
                ]
                for pen in stroke(at, colour, 2.0):
                    painter.setPen(pen)
                    painter.drawLines(lines)
            case "square":
                painter.setBrush(colour)
                edge = QColor(at.theme.halo if at.photo else at.theme.surface)
                edge.setAlphaF(0.7)
                painter.setPen(QPen(edge, at.theme.line))
                painter.drawRects([QRectF(place.x() - half, place.y() - half, size, size) for place in places])

    def light(self, painter: QPainter, at: Projection, index: int) -> None:
        if not 0 <= index < len(self.mark.xy):
            return
        xs, ys = self.places(at)
        place, half = QPointF(xs[index], ys[index]), self.mark.size * at.theme.line / 2 + 4
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for pen in stroke(at, QColor(at.theme.accent), 2.5):
            painter.setPen(pen)
            painter.drawEllipse(place, half, half)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def hit(self, x: float, y: float, at: Projection) -> Hit | None:
        if not len(self.mark.xy):
            return None
        xs, ys = self.places(at)
        here = at.point(x, y)
        distance = np.hypot(xs - here.x(), ys - here.y())
        index = int(distance.argmin())
        return Hit(x, y, index) if distance[index] <= self.mark.size * at.theme.line / 2 + REACH else None

    def words(self, hit: Hit) -> str:
        if hit.index is None or not 0 <= hit.index < len(self.mark.xy):
            return ""
        px, py = (number(float(v)) for v in self.mark.xy[hit.index])
        return f"{item_name(tr('point'), hit.index, self.mark.labels)} · ({px}, {py})"


class _Lines:
    """What segments and arrows share: (N, 4) ends and the distance to them."""

    @staticmethod
    def ends(at: Projection, start: NDArray[Any], end: NDArray[Any]) -> NDArray[np.float64]:
        """(N, 4) x0, y0, x1, y1 in logical pixels; one that is not a number makes the line NaN."""
        return np.stack([at.x(start[:, 0]), at.y(start[:, 1]), at.x(end[:, 0]), at.y(end[:, 1])], axis=1)

    @staticmethod
    def nearest(ends: NDArray[np.float64], here: QPointF) -> int | None:
        """The line within reach of a place."""
        if not len(ends):
            return None
        place = np.array([here.x(), here.y()])
        with np.errstate(invalid="ignore", divide="ignore"):
            first, along = ends[:, :2], ends[:, 2:] - ends[:, :2]
            part = np.clip(((place - first) * along).sum(1) / (along**2).sum(1), 0, 1)
            # A line of no length is a point.
            part = np.nan_to_num(part)
            distance = np.nan_to_num(np.linalg.norm(first + along * part[:, None] - place, axis=1), nan=np.inf)
        index = int(distance.argmin())
        return index if distance[index] <= REACH else None

    @staticmethod
    def drawn(ends: NDArray[np.float64]) -> list[QLineF | None]:
        good = np.asarray(np.isfinite(ends).all(axis=1)).tolist()
        near = np.nan_to_num(np.clip(ends, -1e5, 1e5))
        return [QLineF(*row) if ok else None for row, ok in zip(near.tolist(), good, strict=True)]


class SegmentsArtist(Artist[Segments]):
    def extent(self) -> Extent | None:
        both = np.concatenate([self.mark.start, self.mark.end]) if len(self.mark.start) else np.zeros((0, 2))
        return cover(both[:, 0], both[:, 1])

    def _ends(self, at: Projection) -> NDArray[np.float64]:
        return _Lines.ends(at, self.mark.start, self.mark.end)

    def paint(self, painter: QPainter, at: Projection) -> None:
        mark = self.mark
        lines = _Lines.drawn(self._ends(at))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for colour, style, indices in groups(mark.colours, mark.style, len(lines)):
            some = [line for i in indices if (line := lines[i]) is not None]
            for pen in stroke(at, at.colour(colour), mark.width, style):
                painter.setPen(pen)
                painter.drawLines(some)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def light(self, painter: QPainter, at: Projection, index: int) -> None:
        lines = _Lines.drawn(self._ends(at))
        if 0 <= index < len(lines) and (line := lines[index]) is not None:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            for pen in stroke(at, at.colour(colour_of(self.mark.colours, index)), self.mark.width + 3):
                painter.setPen(pen)
                painter.drawLine(line)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def hit(self, x: float, y: float, at: Projection) -> Hit | None:
        index = _Lines.nearest(self._ends(at), at.point(x, y))
        return None if index is None else Hit(x, y, index)

    def words(self, hit: Hit) -> str:
        if hit.index is None or not 0 <= hit.index < len(self.mark.start):
            return ""
        length = float(np.linalg.norm(self.mark.end[hit.index] - self.mark.start[hit.index]))
        return f"{tr('segment')} {hit.index} · {tr('length')} {number(length)}"


class ArrowsArtist(Artist[Arrows]):
    def extent(self) -> Extent | None:
        if not len(self.mark.start):
            return None
        both = np.concatenate([self.mark.start, self.mark.start + self.mark.vector])
        return cover(both[:, 0], both[:, 1])

    def _ends(self, at: Projection) -> NDArray[np.float64]:
        return _Lines.ends(at, self.mark.start, self.mark.start + self.mark.vector)

    def paint(self, painter: QPainter, at: Projection) -> None:
        self._draw(painter, at, range(len(self.mark.start)), self.mark.width)

    def light(self, painter: QPainter, at: Projection, index: int) -> None:
        if 0 <= index < len(self.mark.start):
            self._draw(painter, at, [index], self.mark.width + 2)

    def _draw(self, painter: QPainter, at: Projection, which: range | list[int], width: float) -> None:
        mark = self.mark
        lines = _Lines.drawn(self._ends(at))
        head = (3.0 + 2.0 * width) * at.theme.line
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for colour, _, indices in groups(mark.colours, "solid", len(lines)):
            some = [line for i in indices if i in which and (line := lines[i]) is not None]
            tips = [_tip(line, head) for line in some]
            for pen in stroke(at, at.colour(colour), width):
                painter.setPen(pen)
                painter.drawLines(some)
                painter.setBrush(pen.color())
                for tip in tips:
                    painter.drawPolygon(tip)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def hit(self, x: float, y: float, at: Projection) -> Hit | None:
        index = _Lines.nearest(self._ends(at), at.point(x, y))
        return None if index is None else Hit(x, y, index)

    def words(self, hit: Hit) -> str:
        if hit.index is None or not 0 <= hit.index < len(self.mark.vector):
            return ""
        dx, dy = (float(v) for v in self.mark.vector[hit.index])
        return f"{tr('arrow')} {hit.index} · ({number(dx)}, {number(dy)}) · {tr('length')} {number(float(np.hypot(dx, dy)))}"


def _tip(line: QLineF, size: float) -> QPolygonF:
    """The triangle at a line's end; a short line has a small one."""
    length = line.length()
    if length < 1e-6:
        return QPolygonF([line.p2()] * 3)
    size = min(size, length)
    ux, uy = line.dx() / length, line.dy() / length
    back = line.p2() - QPointF(ux * size, uy * size)
    side = QPointF(-uy * size * 0.4, ux * size * 0.4)
    return QPolygonF([line.p2(), back + side, back - side])


class TextArtist(Artist[Text]):
    """Words at a place of the pane."""

    def extent(self) -> Extent | None:
        return None

    def paint(self, painter: QPainter, at: Projection) -> None:
        if self.mark.xy is None:
            return
        where = at.point(*self.mark.xy)
        metrics = QFontMetricsF(at.font)
        ground = QColor(at.theme.halo if at.photo else at.theme.surface)
        ground.setAlphaF(0.65 if at.photo else 0.85)
        ink = (
            at.colour(self.mark.colour)
            if self.mark.colour is not None
            else QColor("#ffffff" if at.photo else at.theme.text)
        )
        painter.setFont(at.font)
        for number_of_line, line in enumerate(self.mark.text.split("\n")):
            rect = QRectF(where.x(), where.y() + number_of_line * metrics.height(), 0, metrics.height())
            rect.setWidth(metrics.horizontalAdvance(line) + 8)
            painter.fillRect(rect, ground)
            painter.setPen(ink)
            painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, line)

    def hit(self, x: float, y: float, at: Projection) -> Hit | None:
        if self.mark.xy is None:
            return None
        here, where = at.point(x, y), at.point(*self.mark.xy)
        metrics = QFontMetricsF(at.font)
        lines = self.mark.text.split("\n")
        width = max(metrics.horizontalAdvance(line) for line in lines) + 8
        rect = QRectF(where.x(), where.y(), width, metrics.height() * len(lines))
        return Hit(x, y) if rect.contains(here) else None
