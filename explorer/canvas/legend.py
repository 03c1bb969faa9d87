"""The colour bar under a pane: what the colours of a heat map or of tiles mean."""

import math
from functools import cache

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from explorer.canvas.artist import Legend, saved
from explorer.canvas.colormaps import colours
from explorer.canvas.numbers import number, titled
from explorer.figure import Colormap
from explorer.i18n import tr
from explorer.widgets.theme import LIGHT, Theme

BAR = 140.0
"""The widest a colour bar gets, in logical pixels."""


def legend_words(legend: Legend) -> tuple[str, str, str]:
    """Its name with the unit, and what stands at the low and the high end."""
    name = titled(legend.label, legend.unit)
    if legend.each:
        return name, tr("low"), tr("high, each tile has its own range")
    if math.isnan(legend.low) or math.isnan(legend.high):
        return name, tr("no values"), ""
    return name, number(legend.low, figures=3), number(legend.high, figures=3)


@cache
def ramp(name: Colormap) -> QImage:
    """256 x 1 pixels, the colours from low to high."""
    pixels = colours(name)
    return QImage(pixels.data, 256, 1, 768, QImage.Format.Format_RGB888).convertToFormat(QImage.Format.Format_RGB32)


def draw_legend(painter: QPainter, rect: QRectF, legend: Legend, theme: Theme, font: QFont) -> None:
    """Name, low end, colour bar, high end and, where the range is locked, a padlock; from left to right in ``rect``."""
    name, low, high = legend_words(legend)
    metrics = QFontMetricsF(font)
    gap = 6.0
    painter.setFont(font)
    lock = metrics.height() * 0.8 if legend.locked else 0.0
    ends = metrics.horizontalAdvance(low) + metrics.horizontalAdvance(high) + 2 * gap + (lock + gap if lock else 0.0)
    room = rect.width() - ends
    bar = max(24.0, min(BAR, room * 0.5))
    shown = metrics.elidedText(name, Qt.TextElideMode.ElideRight, max(0.0, room - bar - gap))
    x = rect.left()

    def write(text: str, colour: str, width: float | None = None) -> None:
        nonlocal x
        wide = metrics.horizontalAdvance(text) if width is None else width
        if text and wide > 0:
            painter.setPen(QColor(colour))
            flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
            painter.drawText(QRectF(x, rect.top(), wide + 1, rect.height()), flags, text)
        x += wide + gap if wide else 0.0

    write(shown, theme.text)
    write(low, theme.muted)
    thick = max(6.0, round(metrics.height() * 0.55))
    strip = QRectF(x, rect.center().y() - thick / 2, bar, thick)
    clip = QPainterPath()
    clip.addRoundedRect(strip, thick / 3, thick / 3)
    with saved(painter):
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setClipPath(clip, Qt.ClipOperation.IntersectClip)
        painter.drawImage(strip, ramp(legend.colormap))
    x += bar + gap
    write(metrics.elidedText(high, Qt.TextElideMode.ElideRight, max(0.0, rect.right() - x - lock)), theme.muted)
    if lock:
        _padlock(
            painter, QRectF(min(x, rect.right() - lock), rect.center().y() - lock / 2, lock, lock), QColor(theme.accent)
        )


def _padlock(painter: QPainter, rect: QRectF, colour: QColor) -> None:
    with saved(painter):
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        body = QRectF(
            rect.left() + rect.width() * 0.18, rect.center().y() - 1, rect.width() * 0.64, rect.height() * 0.5
        )
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        painter.drawRoundedRect(body, 1.5, 1.5)
        painter.setPen(QPen(colour, 1.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        bow = QRectF(rect.left() + rect.width() * 0.3, rect.top() + 1, rect.width() * 0.4, rect.height() * 0.7)
        painter.drawArc(bow, 0, 180 * 16)
        painter.drawLine(QPointF(bow.left(), bow.center().y()), QPointF(bow.left(), body.top()))
        painter.drawLine(QPointF(bow.right(), bow.center().y()), QPointF(bow.right(), body.top()))


class LegendBar(QWidget):
    """Shows one legend; a click locks or frees the range.

    Signals:
        toggled: the user clicked.
    """

    toggled = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.legend: Legend | None = None
        self.theme: Theme = LIGHT
        self._font = QFont(self.font())
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        # It fills its own background: else everything behind it were painted again for each new range.
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.retranslate()

    def show_legend(self, legend: Legend) -> None:
        if legend != self.legend:
            self.legend = legend
            self.update()

    def set_theme(self, theme: Theme) -> None:
        self.theme = theme
        # Kept: a font that was just made looks its letters up anew in every paint event.
        self._font = QFont(self.font())
        self._font.setPixelSize(theme.small)
        self.setFixedHeight(self.sizeHint().height())
        self.update()

    def retranslate(self) -> None:
        self.setToolTip(tr("Click to lock the colour range, so that colours mean the same from frame to frame."))
        self.update()

    def label_font(self) -> QFont:
        return self._font

    def sizeHint(self) -> QSize:
        return QSize(160, self.theme.small + 2 * self.theme.space + 2)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self.toggled.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.fillRect(self.rect(), QColor(self.theme.surface))
            if self.legend is not None:
                rect = QRectF(self.rect()).adjusted(8, 0, -8, 0)
                draw_legend(painter, rect, self.legend, self.theme, self.label_font())
