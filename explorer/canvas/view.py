"""One drawing area: a pyqtgraph view whose single item paints the pane's marks in order."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import pyqtgraph
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QCursor,
    QFont,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QTransform,
    QWheelEvent,
)
from PySide6.QtWidgets import QGraphicsItem, QGraphicsView, QStyleOptionGraphicsItem, QWidget

from explorer.canvas.artist import Artist, caption, saved
from explorer.canvas.axes import Axes, draw_key
from explorer.canvas.chart_range import Range, chart_range
from explorer.canvas.graph import GraphArtist
from explorer.canvas.handles import CURSORS, HandlesArtist
from explorer.canvas.projection import Projection
from explorer.canvas.tiles import TilesArtist
from explorer.figure import Axis, Bars, Lit
from explorer.i18n import tr
from explorer.widgets.theme import LIGHT, Theme

CLICK = 4.0
"""A press that moves less than this many pixels is a click."""
ZOOM = 1.0015
"""Per unit of the wheel's angle; a notch is 120."""
CLOSEST = 2.0
"""Cells across the view at the highest zoom."""
FARTHEST = 8.0
"""The fit's size over the view's at the lowest zoom."""


class Stage(pyqtgraph.GraphicsObject):
    """Paints all marks of a view. One item for all: Qt's bookkeeping of many items costs more than painting them."""

    def __init__(self, view: "PaneView") -> None:
        super().__init__()
        self._view = view
        self._rect = QRectF(0, 0, 1, 1)
        self._trouble = ""
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemUsesExtendedStyleOption, False)

    def place(self, rect: QRectF) -> None:
        """What is visible, in the pane's coordinates."""
        if rect != self._rect:
            self.prepareGeometryChange()
            self._rect = QRectF(rect)

    def boundingRect(self) -> QRectF:
        return self._rect

    def viewRangeChanged(self) -> None:
        """The view places this item itself."""

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        view = self._view
        at = Projection.of(painter, self._rect, view.theme, photo=view.photo, log=view.log, font=view.caption_font)
        with saved(painter):
            painter.setWorldTransform(QTransform())
            self.draw(painter, at)

    def draw(self, painter: QPainter, at: Projection) -> None:
        """The same with a painter in logical pixels."""
        view = self._view
        parts: list[Callable[[QPainter, Projection], None]] = [artist.paint for artist in view.artists]
        if view.around is not None:
            parts = [view.around.draw_grid, *parts, partial(draw_key, artists=view.artists)]
        for artist in view.overlays:
            parts.append(partial(view.light, lit=artist.mark) if isinstance(artist.mark, Lit) else artist.paint)
        errors = [error for part in parts if (error := attempted(part, painter, at)) is not None]
        self._tell(errors, painter, at)

    def _tell(self, errors: list[Exception], painter: QPainter, at: Projection) -> None:
        """Says in the pane, and once in the log, what could not be drawn."""
        trouble = "; ".join(dict.fromkeys(str(error) or type(error).__name__ for error in errors))
        if errors:
            words = tr("Not all of this could be drawn: {why}", why=" ".join(trouble.split()))
            caption(painter, at, at.clip.topLeft(), words, QColor(at.theme.warning), above=False)
        if trouble != self._trouble:
            self._trouble = trouble
            for error in errors:
                sys.excepthook(type(error), error, error.__traceback__)


def attempted(draw: Callable[[QPainter, Projection], None], painter: QPainter, at: Projection) -> Exception | None:
    """Draws, and gives back what went wrong: an error that Qt's painting meets ends the process."""
    try:
        with saved(painter):
            draw(painter, at)
    except Exception as error:
        return error
    return None


def light_cell(painter: QPainter, at: Projection, tiles: TilesArtist, index: int, x: float, y: float) -> None:
    """Frames a place inside a tile, given in its cells; a cell too small to see gets a frame that is not."""
    if not 0 <= index < tiles.grid.count:
        return
    tile = tiles.tile_rect(at, index)
    wide, high = tile.width() / tiles.grid.width, tile.height() / tiles.grid.height
    cell = QRectF(tile.left() + int(x) * wide, tile.top() + int(y) * high, wide, high)
    more_x, more_y = (max(0.0, 7 * at.theme.line - side) / 2 for side in (wide, high))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for pen in (QPen(QColor(at.theme.halo), 3 * at.theme.line), QPen(QColor("#ffffff"), at.theme.line)):
        pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
        painter.setPen(pen)
        painter.drawRect(cell.adjusted(-more_x, -more_y, more_x, more_y))


class PaneView(pyqtgraph.GraphicsView):
    """Zoom, pan, dragging handles and the pointer over one pane.

    Signals:
        zoomed: the user changed what is visible.
        fitted: the user asked for everything.
        pointed: the pointer is at a place of the pane (QPointF), or gone (None).
        clicked: at a place of the pane (QPointF).
        edited: field and new value of a handle.
    """

    zoomed = Signal()
    fitted = Signal()
    pointed = Signal(object)
    clicked = Signal(object)
    edited = Signal(str, object)

    _nudges: ClassVar[dict[int, tuple[int, int]]] = {
        Qt.Key.Key_Left: (-1, 0),
        Qt.Key.Key_Right: (1, 0),
        Qt.Key.Key_Up: (0, -1),
        Qt.Key.Key_Down: (0, 1),
    }

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, useOpenGL=False, background=None)
        self.theme: Theme = LIGHT
        self.artists: list[Artist[Any]] = []
        self.overlays: list[Artist[Any]] = []
        self.axes: tuple[Axis, Axis] | None = None
        self.wanted: QRectF | None = None
        self.locked = False
        self.caption_font = QFont()
        self._size: tuple[float, float] | None = None
        self._press: QPointF | None = None
        self._panning: QPointF | None = None
        self._drag: tuple[HandlesArtist, str, tuple[float, ...], QPointF] | None = None
        self._fit: tuple[Range, Range] | None = None
        self.around: Axes | None = None
        self.box, self.stage = self._new_box(picture=True)
        self.setCentralItem(self.box)
        # The background covers everything, so nothing behind it need be painted, and a plain fill beats a cached one.
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setCacheMode(QGraphicsView.CacheModeFlag.CacheNone)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setMinimumSize(60, 40)

    @property
    def photo(self) -> bool:
        """Whether marks lie on a picture or map."""
        return self.axes is None and any(artist.solid for artist in self.artists)

    @property
    def log(self) -> tuple[bool, bool]:
        return (False, False) if self.axes is None else (self.axes[0].log, self.axes[1].log)

    def set_content(
        self, artists: Sequence[Artist[Any]], axes: tuple[Axis, Axis] | None, size: tuple[float, float] | None
    ) -> None:
        """Takes the newest marks; the user's zoom stays unless the picture has another size."""
        self.artists = list(artists)
        if (axes is None) != (self.axes is None):
            self._set_chart(axes is not None)
        if axes != self.axes:
            self.axes = axes
            self._style()
            if axes is not None and self.around is not None:
                self.around.label(axes, self.theme, self.caption_font)
        for artist in self.artists:
            if isinstance(artist, TilesArtist):
                artist.fit_to(self._aspect())
        self._size = size
        before = self._fit
        if axes is not None:
            if not (self.locked and before is not None):
                self._fit = chart_range(self.artists, axes, before)
            if self.around is not None:
                self.around.caption(self.artists, self.caption_font)
            # The first bar of horizontal ones is on top.
            self.box.invertY(any(isinstance(a.mark, Bars) and a.mark.horizontal for a in self.artists))
        else:
            self._fit = self._picture_range()
            if before is not None and self._fit != before:
                self.wanted = None
        if self._fit != before:
            self.apply()
        self.refresh()

    def set_overlays(self, artists: Sequence[Artist[Any]]) -> None:
        """Marks on top, such as a probe's."""
        self.overlays = list(artists)
        self.refresh()

    def light(self, painter: QPainter, at: Projection, lit: Lit) -> None:
        """Lights up an item of a mark that is in the pane."""
        for artist in self.artists:
            if artist.mark.key == lit.target:
                artist.light(painter, at, lit.index)
                if isinstance(artist, TilesArtist) and lit.x is not None and lit.y is not None:
                    light_cell(painter, at, artist, lit.index, lit.x, lit.y)

    def set_theme(self, theme: Theme) -> None:
        self.theme = theme
        font = QFont(self.font())
        font.setPixelSize(theme.small)
        self.caption_font = font
        self._style()
        self.refresh()

    def _style(self) -> None:
        self.setBackground(QColor(self.theme.surface if self.axes is not None else self.theme.canvas))
        if self.around is not None:
            self.around.style(self.theme, self.caption_font)

    def fit(self) -> None:
        """Shows everything."""
        self.wanted = None
        if self.axes is not None and not self.locked:
            self._fit = chart_range(self.artists, self.axes, None)
        self.apply()

    def show_rect(self, rect: QRectF | None) -> None:
        """Shows this part of the pane's coordinates, or everything."""
        self.wanted = None if rect is None else QRectF(rect)
        self.apply()

    def apply(self) -> None:
        """Puts what is wanted (or everything) into view; pictures keep their aspect."""
        rect = self.wanted if self.wanted is not None else self.fit_rect()
        if rect is None or rect.width() <= 0 or rect.height() <= 0:
            return
        if self.axes is None:
            rect = self._at_aspect(rect)
        self.box.setRange(
            xRange=(rect.left(), rect.right()), yRange=(rect.top(), rect.bottom()), padding=0, disableAutoRange=True
        )
        self.box.updateMatrix()
        self.stage.place(rect)
        self.refresh()

    def refresh(self) -> None:
        """Paints again soon. Told to the widget, not to Qt's scene, which would do so in a round of painting of its own."""
        self.viewport().update()

    def fit_rect(self) -> QRectF | None:
        """Everything, as the axes count."""
        if self._fit is None:
            return None
        (x0, x1), (y0, y1) = self._fit
        return QRectF(x0, y0, x1 - x0, y1 - y0)

    def visible(self) -> QRectF:
        """What is in view, as the axes count."""
        (x0, x1), (y0, y1) = self.box.viewRange()
        return QRectF(x0, y0, x1 - x0, y1 - y0)

    def projection(self) -> Projection:
        """Where the pane's coordinates lie in this widget."""
        rect, seen = self.box.sceneBoundingRect(), self.visible()
        rect = QRectF(rect.left(), rect.top(), max(self.box.width(), 1.0), max(self.box.height(), 1.0))
        sx, sy = rect.width() / seen.width(), rect.height() / seen.height()
        down = bool(self.box.yInverted())
        return Projection(
            sx=sx,
            sy=sy if down else -sy,
            dx=rect.left() - seen.left() * sx,
            dy=rect.top() - seen.top() * sy if down else rect.bottom() + seen.top() * sy,
            clip=rect,
            theme=self.theme,
            photo=self.photo,
            log=self.log,
            font=self.caption_font,
        )

    def to_pane(self, place: QPointF) -> QPointF | None:
        """A place of this widget in the pane's coordinates; None beside the drawing area."""
        at = self.projection()
        if not at.clip.contains(place):
            return None
        x, y = (place.x() - at.dx) / at.sx, (place.y() - at.dy) / at.sy
        return QPointF(10**x if at.log[0] else x, 10**y if at.log[1] else y)

    def to_widget(self, x: float, y: float) -> QPointF:
        """A place of the pane in this widget."""
        return self.projection().point(x, y)

    def _aspect(self) -> float:
        return max(self.box.width(), 1.0) / max(self.box.height(), 1.0)

    def _at_aspect(self, rect: QRectF) -> QRectF:
        """The least rectangle around ``rect`` that fills the view without stretching."""
        aspect, middle = self._aspect(), rect.center()
        width = max(rect.width(), rect.height() * aspect)
        height = width / aspect
        return QRectF(middle.x() - width / 2, middle.y() - height / 2, width, height)

    def _picture_range(self) -> tuple[Range, Range] | None:
        if self._size is not None:
            return (0.0, max(self._size[0], 1e-6)), (0.0, max(self._size[1], 1e-6))
        solid = [artist for artist in self.artists if artist.solid] or self.artists
        extents = [extent for artist in solid if (extent := artist.extent()) is not None]
        if not extents:
            return None
        x0, y0 = (min(min(e[i], e[i + 2]) for e in extents) for i in (0, 1))
        x1, y1 = (max(max(e[i], e[i + 2]) for e in extents) for i in (0, 1))
        pad = 0.015 * max(x1 - x0, y1 - y0) if any(isinstance(a, TilesArtist) for a in solid) else 0.0
        pad = pad if x1 > x0 and y1 > y0 else 0.5
        return (x0 - pad, x1 + pad), (y0 - pad, y1 + pad)

    def _resized(self) -> None:
        for artist in self.artists:
            if isinstance(artist, TilesArtist) and artist.fit_to(self._aspect()):
                self._fit = self._picture_range()
                self.wanted = None
        self.apply()
        if self.around is not None:
            self.around.caption(self.artists, self.caption_font)

    def _set_chart(self, chart: bool) -> None:
        """Puts axes around the box, or takes them away."""
        self.box, self.stage = self._new_box(picture=not chart)
        self.around = Axes(self.box) if chart else None
        self.setCentralItem(self.box if self.around is None else self.around.plot)
        self._fit = None
        self.wanted = None

    def _new_box(self, *, picture: bool) -> "tuple[pyqtgraph.ViewBox, Stage]":
        box = pyqtgraph.ViewBox(enableMouse=False, enableMenu=False, defaultPadding=0.0)
        box.disableAutoRange()
        box.invertY(picture)
        stage = Stage(self)
        box.addItem(stage, ignoreBounds=True)
        box.sigResized.connect(self._resized)
        return box, stage

    def _handle_at(self, place: QPointF) -> tuple[HandlesArtist, str] | None:
        at = self.projection()
        for artist in reversed(self.artists):
            if isinstance(artist, HandlesArtist) and (grip := artist.grip_at(place, at)):
                return artist, grip
        return None

    def zoom(self, factor: float, place: QPointF | None = None) -> None:
        """Shows ``1 / factor`` of what is visible, around a place of this widget (default: the middle)."""
        seen, fit = self.visible(), self.fit_rect()
        if fit is None:
            return
        at = self.projection()
        place = at.clip.center() if place is None else place
        x, y = (place.x() - at.dx) / at.sx, (place.y() - at.dy) / at.sy
        if self.axes is None:
            whole = self._at_aspect(fit)
            factor = min(factor, seen.width() / min(CLOSEST, whole.width()))
        else:
            whole = fit
            factor = min(factor, seen.width() / (whole.width() * 1e-6))
        factor = max(factor, seen.width() / (whole.width() * FARTHEST))
        rect = QRectF(
            x - (x - seen.left()) / factor, y - (y - seen.top()) / factor, seen.width() / factor, seen.height() / factor
        )
        self._user_rect(rect)

    def _user_rect(self, rect: QRectF) -> None:
        """The user moved the view: something of the content stays in sight."""
        fit = self.fit_rect()
        if fit is not None:
            x = min(max(rect.center().x(), fit.left()), fit.right())
            y = min(max(rect.center().y(), fit.top()), fit.bottom())
            rect = QRectF(rect)
            rect.moveCenter(QPointF(x, y))
        self.show_rect(rect)
        self.zoomed.emit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        delta = event.angleDelta().y() or event.angleDelta().x()
        if delta and self.to_pane(event.position()) is not None:
            self.zoom(ZOOM**delta, event.position())
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        place = event.position()
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        if event.button() == Qt.MouseButton.LeftButton:
            self._press = place
            found = self._handle_at(place)
            for artist in self.artists:
                if isinstance(artist, HandlesArtist):
                    artist.active = found is not None and artist is found[0]
            if found is not None:
                self._drag = found[0], found[1], found[0].value, place
            self.refresh()
        elif event.button() == Qt.MouseButton.MiddleButton:
            self._press = self._panning = place
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        place = event.position()
        moved = self._press is not None and (place - self._press).manhattanLength() >= CLICK
        if self._drag is not None and (moved or self._drag[0].dragging):
            self._drag_to(place, dragging=True)
        elif self._drag is None and self._press is not None and (moved or self._panning is not None):
            self._pan_to(place)
        elif self._press is None:
            found = self._handle_at(place)
            self.setCursor(CURSORS[found[1]] if found else Qt.CursorShape.CrossCursor)
        self.pointed.emit(self.to_pane(place))
        event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        place = event.position()
        if self._drag is not None and self._drag[0].dragging:
            self._drag_to(place, dragging=False)
        elif event.button() == Qt.MouseButton.LeftButton and self._press is not None and self._panning is None:
            where = self.to_pane(place)
            if where is not None:
                self.clicked.emit(where)
        self._drag = self._press = self._panning = None
        self.setCursor(Qt.CursorShape.CrossCursor)
        event.accept()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        where, at = self.to_pane(event.position()), self.projection()
        graphs = [artist for artist in self.artists if isinstance(artist, GraphArtist)]
        if where is not None and any(artist.hit(where.x(), where.y(), at) for artist in graphs):
            self.clicked.emit(where)  # a box opens like a folder
        elif event.button() == Qt.MouseButton.LeftButton and self._handle_at(event.position()) is None:
            self.fit()
            self.fitted.emit()
        event.accept()

    def leaveEvent(self, event: QEvent) -> None:
        self.pointed.emit(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        nudge = self._nudges.get(event.key())
        active = next((a for a in self.artists if isinstance(a, HandlesArtist) and a.active), None)
        if nudge is not None and active is not None:
            step = 10 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1
            value = active.moved("whole", active.value, nudge[0] * step, nudge[1] * step)
            active.put(value, dragging=False)
            self.refresh()
            self.edited.emit(active.mark.field, value)
        elif event.key() in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.zoom(1.25)
        elif event.key() == Qt.Key.Key_Minus:
            self.zoom(0.8)
        elif event.key() == Qt.Key.Key_0:
            self.fit()
            self.fitted.emit()
        else:
            event.ignore()

    def paintEvent(self, event: QPaintEvent) -> None:
        """A chart is painted by Qt's scene, for its axes; a picture without that detour."""
        if self.around is not None:
            super().paintEvent(event)
            return
        with QPainter(self.viewport()) as painter:
            painter.fillRect(self.viewport().rect(), QColor(self.theme.canvas))
            self.stage.draw(painter, replace(self.projection(), device=painter.deviceTransform()))

    def sizeHint(self) -> QSize:
        return QSize(320, 240)

    def _drag_to(self, place: QPointF, *, dragging: bool) -> None:
        if self._drag is None:
            return
        artist, grip, start, origin = self._drag
        at = self.projection()
        value = artist.moved(grip, start, (place.x() - origin.x()) / at.sx, (place.y() - origin.y()) / at.sy)
        changed = value != artist.value
        artist.put(value, dragging=dragging)
        self.refresh()
        if changed:
            self.edited.emit(artist.mark.field, value)

    def _pan_to(self, place: QPointF) -> None:
        before = self._panning or self._press
        if before is None:
            return
        self._panning = place
        self.setCursor(QCursor(Qt.CursorShape.ClosedHandCursor))
        at, seen = self.projection(), self.visible()
        self._user_rect(seen.translated((before.x() - place.x()) / at.sx, (before.y() - place.y()) / at.sy))
