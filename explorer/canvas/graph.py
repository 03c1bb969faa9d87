"""Graphs: boxes and lines whose words grow with the zoom, and give way where they cannot be read."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPainterPath, QPen, QPolygonF

from explorer.canvas.artist import REACH, Artist, Hit, Legend, colour_of, cover, ink_on
from explorer.canvas.colormaps import colours, ends, value_range
from explorer.canvas.projection import Projection
from explorer.canvas.rasters import Paper
from explorer.figure import Colormap, Extent, Graph

LETTERS, LABEL_LETTERS = 11.5, 9.5
"""Height of words in boxes and on lines, in the graph's units."""
READABLE = 6.5
"""Smaller letters, in logical pixels, are left out."""
LEAST = 5.0
"""A title alone in its box may be as small as this, when all of it then fits."""
LARGEST = 20.0
CORNER = 6.0
TINT = 0.24
"""How much of a box's colour is in its ground where the colour stands for a kind and not for a number."""


class GraphArtist(Artist[Graph]):
    def __init__(self, mark: Graph) -> None:
        self._paper = Paper()
        self._colormap: Colormap | None = None
        self._locked: tuple[float, float] | None = None
        self._range = (np.nan, np.nan)
        super().__init__(mark)

    def set(self, mark: Graph) -> None:
        super().set(mark)
        self._paper.forget()
        if self._locked is not None:
            self._range = self._locked
        elif mark.values is not None:
            low, high = ends(*value_range(mark.values), mark.low, mark.high, self.colormap)
            self._range = float(low), float(high)

    @property
    def colormap(self) -> Colormap:
        return self._colormap or self.mark.colormap

    def lock(self, locked: bool) -> None:
        self._locked = self._range if locked and self.mark.values is not None else None
        self.set(self.mark)

    def recolour(self, colormap: Colormap | None) -> None:
        self._colormap = colormap
        self.set(self.mark)

    def legend(self) -> Legend | None:
        if self.mark.values is None:
            return None
        return Legend(self.colormap, *self._range, self.mark.label, self.mark.unit, locked=self._locked is not None)

    def extent(self) -> Extent | None:
        boxes = self.mark.boxes
        return cover(boxes[:, [0, 2]], boxes[:, [1, 3]]) if len(boxes) else None

    # -- painting

    def paint(self, painter: QPainter, at: Projection) -> None:
        if at.vector:
            self._draw(painter, at)
            return
        # A live picture redraws the pane for every frame, the graph stays: it is painted once and copied.
        if not self._paper.key(at.device_area(at.clip), at.sx, at.sy, at.dx, at.dy, at.theme.name):
            self._paper.hold_drawing(lambda other: self._draw(other, at), at)
        self._paper.paint(painter, at)

    def _draw(self, painter: QPainter, at: Projection) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for index in sorted(self.mark.frames):
            self._draw_frame(painter, at, index)
        self._draw_lines(painter, at, range(len(self.mark.lines)), QColor(at.theme.muted), 1.3)
        for index in range(len(self.mark.boxes)):
            if index not in self.mark.frames:
                self._draw_box(painter, at, index)
        self._draw_labels(painter, at)
        self._draw_meanings(painter, at)

    def _rect(self, at: Projection, index: int) -> QRectF:
        x0, y0, x1, y1 = (float(v) for v in self.mark.boxes[index])
        return at.rect((x0, y0, x1, y1))

    def _ground(self, at: Projection, index: int) -> tuple[QColor, QColor]:
        """A box's ground and its border."""
        surface = QColor(at.theme.surface)
        if self.mark.values is None:
            colour = at.colour(colour_of(self.mark.colours, index))
            return mixed(colour, surface, TINT), colour
        value, (low, high) = float(self.mark.values[index]), self._range
        if np.isnan(value) or np.isnan(low):
            return surface, QColor(at.theme.border)
        part = (value - low) / (high - low) if high > low else 0.5
        red, green, blue = (int(v) for v in colours(self.colormap)[round(255 * min(max(part, 0.0), 1.0))])
        ground = QColor(red, green, blue)
        return ground, mixed(QColor(at.theme.text), ground, 0.35)

    def _draw_box(self, painter: QPainter, at: Projection, index: int) -> None:
        rect = self._rect(at, index)
        if not rect.intersects(at.clip):
            return
        scale = at.sx
        ground, border = self._ground(at, index)
        chosen = index == self.mark.selected
        if chosen:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(at.theme.accent))
            grow = max(2.5, 3.5 * min(scale, 1.5)) * at.theme.line
            painter.drawRoundedRect(
                rect.adjusted(-grow, -grow, grow, grow), CORNER * scale + grow, CORNER * scale + grow
            )
        painter.setPen(QPen(border, at.theme.line))
        painter.setBrush(ground)
        painter.drawRoundedRect(rect, CORNER * scale, CORNER * scale)
        ink = ink_on(ground) if self.mark.values is not None else QColor(at.theme.text)
        title = self.mark.titles[index] if index < len(self.mark.titles) else ""
        detail = self.mark.details[index] if index < len(self.mark.details) else ""
        letters = min(LETTERS * scale, LARGEST)
        room = rect.adjusted(4 * scale, 0, -4 * scale, 0)
        if letters < READABLE:
            # One line as large as the box allows may still be read where two are not.
            letters, detail = min(0.55 * rect.height(), 1.75 * room.width() / max(len(title), 1)), ""
            letters = min(max(letters, LEAST), READABLE)
            if 0.7 * rect.height() < letters:
                return
        if detail:
            upper, lower = QRectF(room), QRectF(room)
            upper.setBottom(rect.center().y() + 0.06 * rect.height())
            lower.setTop(rect.center().y() + 0.06 * rect.height())
            write(painter, at, upper, title, letters, ink, bold=True, flags=Qt.AlignmentFlag.AlignBottom)
            write(painter, at, lower, detail, 0.85 * letters, ink, flags=Qt.AlignmentFlag.AlignTop)
        else:
            write(painter, at, room, title, letters, ink, bold=True)

    def _draw_frame(self, painter: QPainter, at: Projection, index: int) -> None:
        rect = self._rect(at, index)
        chosen = index == self.mark.selected
        painter.setBrush(mixed(QColor(at.theme.accent), QColor(at.theme.canvas), 0.09))
        pen = QPen(QColor(at.theme.accent), (2.5 if chosen else 1.0) * at.theme.line)
        painter.setPen(pen)
        painter.drawRoundedRect(rect, 9 * at.sx, 9 * at.sx)
        letters = min(LETTERS * at.sx, LARGEST)
        if letters >= READABLE and index < len(self.mark.titles):
            detail = self.mark.details[index] if index < len(self.mark.details) else ""
            words = "  ·  ".join(part for part in (self.mark.titles[index], detail) if part)
            room = QRectF(rect.left() + 10 * at.sx, rect.top() + 4 * at.sx, rect.width() - 20 * at.sx, 18 * at.sx)
            flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
            write(painter, at, room, words, letters, QColor(at.theme.text), bold=True, flags=flags)

    def _points(self, at: Projection, index: int) -> list[QPointF]:
        line = self.mark.lines[index]
        return [QPointF(x, y) for x, y in zip(at.x(line[:, 0]).tolist(), at.y(line[:, 1]).tolist(), strict=True)]

    def _draw_lines(
        self, painter: QPainter, at: Projection, which: Sequence[int], colour: QColor, width: float
    ) -> None:
        wide = width * at.theme.line * min(max(at.sx, 0.6), 1.6)
        head = min(max(6.5 * at.sx, 3.0), 11.0) * at.theme.line
        seen = at.clip.adjusted(-9, -9, 9, 9)
        for index in which:
            points = self._points(at, index)
            if len(points) < 2 or not QPolygonF(points).boundingRect().adjusted(-1, -1, 1, 1).intersects(seen):
                continue
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(colour, wide, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap, Qt.PenJoinStyle.RoundJoin))
            painter.drawPath(way(points, CORNER * at.sx))
            tip = points[-1]
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            painter.drawPolygon(QPolygonF([tip, tip + QPointF(-head, -0.45 * head), tip + QPointF(-head, 0.45 * head)]))

    def _draw_labels(self, painter: QPainter, at: Projection) -> None:
        letters = min(LABEL_LETTERS * at.sx, 0.8 * LARGEST)
        if letters < READABLE:
            return
        font = sized(at.font, letters)
        metrics = QFontMetricsF(font)
        painter.setFont(font)
        taken: list[QRectF] = []
        said: set[tuple[int, str]] = set()
        for index, words in enumerate(self.mark.line_labels):
            # What goes to several places is named once, unless it changes its shape on the way.
            name = (int(self.mark.ends[index, 0]) if self.mark.ends is not None else index, words)
            if not words or name in said:
                continue
            size = metrics.horizontalAdvance(words) + 3 * at.sx, 0.92 * metrics.height()
            for middle in label_places(self._points(at, index), size[0] + 8 * at.sx):
                plate = QRectF(middle.x() - size[0] / 2, middle.y() - size[1] / 2, *size)
                if any(plate.intersects(other) for other in taken):
                    continue
                taken.append(plate)
                said.add(name)
                if plate.intersects(at.clip):
                    ground = QColor(at.theme.canvas)
                    ground.setAlphaF(0.9)
                    painter.fillRect(plate, ground)
                    painter.setPen(QColor(at.theme.muted))
                    painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, words)
                break

    def _draw_meanings(self, painter: QPainter, at: Projection) -> None:
        if not self.mark.meanings:
            return
        metrics = QFontMetricsF(at.font)
        side, gap = 0.75 * metrics.height(), 6.0
        widths = [side + gap + metrics.horizontalAdvance(words) + 2 * gap for _, words in self.mark.meanings]
        if sum(widths) + 2 * gap > at.clip.width():
            return
        high = metrics.height() + 4
        plate = QRectF(at.clip.left() + gap, at.clip.bottom() - high - gap, sum(widths) + gap, high)
        ground = QColor(at.theme.canvas)
        ground.setAlphaF(0.85)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ground)
        painter.drawRoundedRect(plate, 4, 4)
        x = plate.left() + gap
        painter.setFont(at.font)
        for (colour, words), width in zip(self.mark.meanings, widths, strict=True):
            strong = at.colour(colour)
            painter.setPen(QPen(strong, at.theme.line))
            painter.setBrush(mixed(strong, QColor(at.theme.surface), TINT))
            painter.drawRoundedRect(QRectF(x, plate.center().y() - side / 2, side, side), 2, 2)
            painter.setPen(QColor(at.theme.muted))
            room = QRectF(x + side + gap, plate.top(), width, plate.height())
            painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, words)
            x += width

    # -- the pointer

    def light(self, painter: QPainter, at: Projection, index: int) -> None:
        """A box with the lines that come to it and leave it, or one line."""
        count = len(self.mark.boxes)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        accent = QColor(at.theme.accent)
        if 0 <= index < count:
            if self.mark.ends is not None:
                found = np.flatnonzero((self.mark.ends == index).any(axis=1))
                self._draw_lines(painter, at, [int(i) for i in found], accent, 2.4)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(accent, 2.0 * at.theme.line))
            painter.drawRoundedRect(self._rect(at, index), CORNER * at.sx, CORNER * at.sx)
        elif count <= index < count + len(self.mark.lines):
            self._draw_lines(painter, at, [index - count], accent, 2.4)

    def hit(self, x: float, y: float, at: Projection) -> Hit | None:
        """A box, a line near by, or the innermost frame around the place."""
        boxes = np.asarray(self.mark.boxes, np.float64)
        if not len(boxes):
            return None
        inside = (boxes[:, 0] <= x) & (x <= boxes[:, 2]) & (boxes[:, 1] <= y) & (y <= boxes[:, 3])
        framing = np.isin(np.arange(len(boxes)), list(self.mark.frames))
        found = np.flatnonzero(inside & ~framing)
        if len(found):
            return Hit(x, y, int(found[0]))
        reach = REACH / max(abs(at.sx), 1e-9)
        for index, line in enumerate(self.mark.lines):
            if near(np.asarray(line, np.float64), x, y, reach):
                return Hit(x, y, len(boxes) + index)
        found = np.flatnonzero(inside)
        return Hit(x, y, int(found[-1])) if len(found) else None


def mixed(colour: QColor, ground: QColor, part: float) -> QColor:
    """``part`` of a colour over a ground."""

    def mix(a: int, b: int) -> int:
        return round(part * a + (1 - part) * b)

    return QColor(
        mix(colour.red(), ground.red()), mix(colour.green(), ground.green()), mix(colour.blue(), ground.blue())
    )


def sized(font: QFont, pixels: float, *, bold: bool = False) -> QFont:
    made = QFont(font)
    made.setPixelSize(max(1, round(pixels)))
    made.setBold(bold)
    return made


def write(
    painter: QPainter,
    at: Projection,
    room: QRectF,
    words: str,
    letters: float,
    ink: QColor,
    *,
    bold: bool = False,
    flags: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignVCenter,
) -> None:
    """Words in a room, cut in the middle where they are too long."""
    font = sized(at.font, letters, bold=bold)
    shown = QFontMetricsF(font).elidedText(words, Qt.TextElideMode.ElideMiddle, room.width())
    painter.setFont(font)
    painter.setPen(ink)
    across = Qt.AlignmentFlag(0) if flags & Qt.AlignmentFlag.AlignLeft else Qt.AlignmentFlag.AlignHCenter
    painter.drawText(room, flags | across, shown)


def way(points: Sequence[QPointF], corner: float) -> QPainterPath:
    """Slanting parts swing, corners are round."""
    path = QPainterPath(points[0])
    for number in range(1, len(points)):
        before, here = points[number - 1], points[number]
        after = points[number + 1] if number + 1 < len(points) else None
        dx, dy = here.x() - before.x(), here.y() - before.y()
        if abs(dx) > 0.5 and abs(dy) > 0.5:
            middle = before.x() + dx / 2
            path.cubicTo(QPointF(middle, before.y()), QPointF(middle, here.y()), here)
            continue
        turns = after is not None and (
            (abs(dx) <= 0.5 and abs(after.y() - here.y()) <= 0.5)
            or (abs(dy) <= 0.5 and abs(after.x() - here.x()) <= 0.5)
        )
        if after is None or not turns:
            path.lineTo(here)
            continue
        on_x, on_y = after.x() - here.x(), after.y() - here.y()
        radius = min(corner, (abs(dx) + abs(dy)) / 2, (abs(on_x) + abs(on_y)) / 2)
        back, length = abs(dx) + abs(dy) or 1.0, abs(on_x) + abs(on_y) or 1.0
        path.lineTo(here - QPointF(dx, dy) * (radius / back))
        path.quadTo(here, here + QPointF(on_x, on_y) * (radius / length))
    return path


def label_places(points: Sequence[QPointF], width: float) -> list[QPointF]:
    """Where words of this width have room on a line: in its last part, else in its longest ones."""
    parts = [
        (abs(b.x() - a.x()), (a + b) / 2)
        for a, b in zip(points[-2::-1], points[:0:-1], strict=True)
        if abs(b.x() - a.x()) >= width
    ]
    return [middle for _, middle in parts[:1]] + [middle for _, middle in sorted(parts[1:], key=lambda p: -p[0])]


def near(line: NDArray[np.float64], x: float, y: float, reach: float) -> bool:
    """Whether a place is within reach of a line."""
    first, along = line[:-1], np.diff(line, axis=0)
    length = (along**2).sum(1)
    part = np.clip(((np.array([x, y]) - first) * along).sum(1) / np.where(length > 0, length, 1.0), 0.0, 1.0)
    away = first + along * part[:, None] - (x, y)
    return bool((np.hypot(away[:, 0], away[:, 1]) <= reach).any())
