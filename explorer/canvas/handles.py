"""A point or box that the mouse drags."""

import time

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from explorer.canvas.artist import Artist, Hit, caption, stroke
from explorer.canvas.numbers import number
from explorer.canvas.projection import Projection
from explorer.figure import Extent, Handles

GRAB = 9.0
"""How near the pointer must be to a grip, in logical pixels."""
PATIENCE = 1.5
"""Seconds after a drag in which older figures, still on their way, do not move the handle back."""

# For each grip: which of x0, y0, x1, y1 it moves.
GRIPS = {
    "top left": (0, 1),
    "top": (1,),
    "top right": (2, 1),
    "right": (2,),
    "bottom right": (2, 3),
    "bottom": (3,),
    "bottom left": (0, 3),
    "left": (0,),
    "whole": (0, 1, 2, 3),
}
CURSORS = {
    "top left": Qt.CursorShape.SizeFDiagCursor,
    "bottom right": Qt.CursorShape.SizeFDiagCursor,
    "top right": Qt.CursorShape.SizeBDiagCursor,
    "bottom left": Qt.CursorShape.SizeBDiagCursor,
    "top": Qt.CursorShape.SizeVerCursor,
    "bottom": Qt.CursorShape.SizeVerCursor,
    "left": Qt.CursorShape.SizeHorCursor,
    "right": Qt.CursorShape.SizeHorCursor,
    "whole": Qt.CursorShape.SizeAllCursor,
}


class HandlesArtist(Artist[Handles]):
    def __init__(self, mark: Handles) -> None:
        self._local: tuple[float, ...] | None = None
        self._released = 0.0
        self.dragging = False
        self.active = False
        super().__init__(mark)

    @property
    def value(self) -> tuple[float, ...]:
        """Where it is drawn: the newest mark's place, or the mouse's while it is ahead of the figures."""
        return self.mark.value if self._local is None else self._local

    def set(self, mark: Handles) -> None:
        super().set(mark)
        if self._local is None or self.dragging:
            return
        caught_up = all(abs(a - b) < 1e-6 for a, b in zip(self._local, mark.value, strict=False))
        if caught_up or time.monotonic() - self._released > PATIENCE:
            self._local = None

    def extent(self) -> Extent | None:
        if self.mark.kind == "box":
            x0, y0, x1, y1 = self.value
            return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
        x, y = self.value
        return x, y, x, y

    def _grips(self, at: Projection) -> dict[str, QPointF]:
        if self.mark.kind == "point":
            return {"whole": at.point(*self.value)}
        x0, y0, x1, y1 = self.value
        xs = {"left": x0, "right": x1}
        ys = {"top": y0, "bottom": y1}
        middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
        places = {}
        for name in GRIPS:
            words = name.split()
            x = next((xs[word] for word in words if word in xs), middle_x)
            y = next((ys[word] for word in words if word in ys), middle_y)
            places[name] = at.point(x, y)
        return places

    def grip_at(self, place: QPointF, at: Projection) -> str | None:
        """The grip under a place in logical pixels."""
        near = {
            name: (grip - place).manhattanLength()
            for name, grip in self._grips(at).items()
            if name != "whole" or self.mark.kind == "point"
        }
        best = min(near, key=lambda name: near[name])
        if near[best] <= 1.5 * GRAB:
            return best
        if self.mark.kind == "box":
            x0, y0, x1, y1 = self.value
            if at.rect((x0, y0, x1, y1)).contains(place):
                return "whole"
        return None

    def moved(self, grip: str, start: tuple[float, ...], dx: float, dy: float) -> tuple[float, ...]:
        """The value after dragging ``grip`` by (dx, dy) from ``start``, inside the bounds, corners in order."""
        which = (0, 1) if self.mark.kind == "point" else GRIPS[grip]
        bounds = self.mark.bounds
        if grip == "whole" and bounds is not None:
            xs, ys = start[0::2], start[1::2]
            dx = min(max(dx, bounds[0] - min(xs)), bounds[2] - max(xs))
            dy = min(max(dy, bounds[1] - min(ys)), bounds[3] - max(ys))
        value = [v + ((dx, dy)[i % 2] if i in which else 0.0) for i, v in enumerate(start)]
        if bounds is not None:
            value = [min(max(v, bounds[i % 2]), bounds[2 + i % 2]) for i, v in enumerate(value)]
        if self.mark.kind == "box":
            x0, y0, x1, y1 = value
            value = [min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)]
        return tuple(value)

    def put(self, value: tuple[float, ...], *, dragging: bool) -> None:
        """The mouse (or a key) moved it here."""
        self._local = value
        self.dragging = dragging
        self._released = time.monotonic()

    def paint(self, painter: QPainter, at: Projection) -> None:
        colour = at.colour(self.mark.colour)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        grips = self._grips(at)
        if self.mark.kind == "box":
            x0, y0, x1, y1 = self.value
            rect = at.rect((x0, y0, x1, y1))
            tint = QColor(colour)
            tint.setAlphaF(0.12)
            painter.fillRect(rect, tint)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            for pen in stroke(at, colour, 2.0):
                painter.setPen(pen)
                painter.drawRect(rect)
            size = 7 * at.theme.line
            edge = QPen(QColor(at.theme.halo), 1)
            painter.setPen(edge)
            painter.setBrush(colour if self.active else QColor("#ffffff"))
            for name, place in grips.items():
                if name != "whole":
                    painter.drawRect(QRectF(place.x() - size / 2, place.y() - size / 2, size, size))
            corner = rect.topLeft()
        else:
            place = grips["whole"]
            radius = 6 * at.theme.line
            painter.setBrush(Qt.BrushStyle.NoBrush)
            for pen in stroke(at, colour, 2.5):
                painter.setPen(pen)
                painter.drawEllipse(place, radius, radius)
            painter.setPen(QPen(QColor(at.theme.halo), 1))
            painter.setBrush(QColor("#ffffff") if not self.active else colour)
            painter.drawEllipse(place, radius / 2.4, radius / 2.4)
            corner = place + QPointF(radius + 3, -radius)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        caption(painter, at, corner, self.mark.label, colour)

    def hit(self, x: float, y: float, at: Projection) -> Hit | None:
        if self.mark.kind == "box":
            # The inside of a box is the picture's; only its edge is the handle.
            place = at.point(x, y)
            rect = at.rect((self.value[0], self.value[1], self.value[2], self.value[3]))
            if not rect.adjusted(-GRAB, -GRAB, GRAB, GRAB).contains(place) or rect.adjusted(4, 4, -4, -4).contains(
                place
            ):
                return None
            return Hit(x, y)
        return Hit(x, y) if self.grip_at(at.point(x, y), at) else None

    def words(self, hit: Hit) -> str:
        return f"{self.mark.label} ({', '.join(number(v) for v in self.value)})".strip()
