"""A canvas, or a figure without any window, as PNG or SVG: drawn anew, so that size and scale are free and words stay words."""

import math
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from xml.sax.saxutils import escape

from PySide6.QtCore import (
    QBuffer,
    QIODevice,
    QMessageLogContext,
    QPoint,
    QPointF,
    QRect,
    QRectF,
    QSize,
    Qt,
    QtMsgType,
    qInstallMessageHandler,
)
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QImageWriter, QPainter, QPen, QPicture
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QApplication, QWidget

from explorer.canvas.artist import Legend, saved
from explorer.canvas.canvas import Canvas
from explorer.canvas.legend import draw_legend
from explorer.canvas.numbers import titled
from explorer.canvas.pane import PaneWidget
from explorer.canvas.table import TableView, cell_text, numeric
from explorer.figure import Figure
from explorer.widgets.numbers import use_points
from explorer.widgets.theme import Theme, apply_theme, load_fonts

_application: list[QApplication] = []
"""Keeps the application alive that a headless export makes."""

NOT_XML = re.compile("[^\t\n\r\\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML may hold, https://www.w3.org/TR/xml/#charsets ; one in the name of a class, and no program opens the drawing."""

ROUNDS = 4
"""Attempts at room enough for a figure that is to be drawn very small: narrower notes are higher."""

Draw = Callable[[QPainter], None]


def render_png(figure: Figure, size: tuple[int, int], theme: Theme, scale: float = 1.0) -> QImage:
    """Draws a figure without a window.

    Args:
        size: (width, height) of the drawing in logical pixels. What needs more room is drawn smaller.
        scale: device pixels per logical one.
    """
    with hidden_canvas(figure, size, theme) as canvas:
        wide, high = (max(1, round(side * scale)) for side in size)
        area = _area(canvas, None)
        return canvas_image(canvas, scale=max(wide / area.width(), high / area.height())).copy(0, 0, wide, high)


def render_svg(figure: Figure, size: tuple[int, int], theme: Theme) -> bytes:
    """The same as an SVG file."""
    with hidden_canvas(figure, size, theme) as canvas:
        return canvas_svg(canvas, size=size)


def figure_png(figure: Figure, size: tuple[int, int], theme: Theme) -> bytes:
    """A figure as a PNG file of ``size`` pixels, without a window."""
    return image_png(render_png(figure, size, theme))


def image_png(image: QImage) -> bytes:
    """An image as a PNG file."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    QImageWriter(buffer, b"png").write(image)
    return bytes(buffer.data().data())


def canvas_image(canvas: Canvas, pane: str | None = None, scale: float = 2.0) -> QImage:
    """What a canvas shows, or one of its panes.

    Args:
        scale: device pixels per logical one.

    Raises:
        KeyError: there is no such pane.
    """
    area = _area(canvas, pane)
    image = QImage(
        max(1, round(area.width() * scale)), max(1, round(area.height() * scale)), QImage.Format.Format_RGB32
    )
    image.setDevicePixelRatio(scale)
    image.fill(QColor(canvas.theme.window))
    with QPainter(image) as painter:
        painter.translate(-area.topLeft())
        for rect, draw in _parts(canvas, pane):
            with saved(painter):
                painter.setClipRect(rect)
                painter.translate(rect.topLeft())
                draw(painter)
    # The picture is saved with its pixels; the ratio was for drawing.
    image.setDevicePixelRatio(1.0)
    return image


def canvas_svg(canvas: Canvas, pane: str | None = None, size: tuple[int, int] | None = None) -> bytes:
    """What a canvas shows, or one of its panes, as SVG: lines, shapes and words stay what they are.

    Args:
        size: (width, height) the drawing says it has; as on the screen where none is given.

    Raises:
        KeyError: there is no such pane.
    """
    area = _area(canvas, pane)
    title = escape(canvas.pane(pane).pane.title if pane is not None else "")
    width, height = area.width(), area.height()
    said_width, said_height = size or (width, height)
    shapes, clips = [], []
    for number, (rect, draw) in enumerate(_parts(canvas, pane)):
        x, y = rect.x() - area.x(), rect.y() - area.y()
        # QSvgGenerator does not clip by itself.
        clips.append(f'<clipPath id="part{number}"><rect width="{rect.width()}" height="{rect.height()}"/></clipPath>')
        shapes.append(
            f'<g transform="translate({x},{y})" clip-path="url(#part{number})">\n{_drawn(rect.size(), draw)}</g>'
        )
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        f' width="{said_width}" height="{said_height}" viewBox="0 0 {width} {height}">',
        f"<title>{title}</title>",
        "<defs>",
        *clips,
        "</defs>",
        f'<rect width="{width}" height="{height}" fill="{canvas.theme.window}"/>',
        *shapes,
        "</svg>",
        "",
    ]
    return NOT_XML.sub("\N{REPLACEMENT CHARACTER}", "\n".join(lines)).encode("utf-8")


def _drawn(size: QSize, draw: Draw) -> str:
    """What ``draw`` paints, as the inside of an svg element."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    generator.setSize(size)
    generator.setViewBox(QRect(QPoint(0, 0), size))
    # pyqtgraph's axes play a QPicture, which shrinks on paper of another resolution than its own.
    generator.setResolution(QPicture().logicalDpiX())
    with QPainter(generator) as painter:
        draw(painter)
    found = re.search(r"<svg[^>]*>(.*)</svg>", bytes(buffer.data().data()).decode("utf-8", "replace"), re.DOTALL)
    inside = found.group(1) if found else ""
    inside = re.sub(r"<(title|desc)>.*?</\1>\s*", "", inside, flags=re.DOTALL)
    # Qt's name for "whatever is there" means nothing to others; and it opens a group for each change of pen.
    inside = re.sub(r'font-family="([^"]*)"', _families, inside)
    return re.sub(r"<g[^>]*>\s*</g>\s*|<defs>\s*</defs>\s*", "", inside)


def _families(found: re.Match[str]) -> str:
    """A font list that ends in what every viewer has; the shipped subset is known elsewhere by its whole."""
    names = [name.strip() for name in found[1].split(",")]
    names = [name for name in names if name and name != "Sans Serif"]
    return f'font-family="{", ".join([*names, "Noto Sans SC", "Source Han Sans SC", "sans-serif"])}"'


def _say(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
    """Qt's own words, but not what a platform without a screen says of every window."""
    if not message.startswith("This plugin does not support "):
        print(message, file=sys.stderr)


@contextmanager
def hidden_canvas(figure: Figure, size: tuple[int, int], theme: Theme) -> Iterator[Canvas]:
    """A canvas that was laid out but never seen; larger than ``size`` and of its aspect where the figure needs the room."""
    if QApplication.instance() is None:
        qInstallMessageHandler(_say)
        _application.append(QApplication(["cv-explorer"]))
        use_points()
        load_fonts(_application[0])
    if _application:
        apply_theme(_application[0], theme)
    canvas = Canvas()
    canvas.setAttribute(Qt.WidgetAttribute.WA_DontShowOnScreen)
    try:
        canvas.set_theme(theme)
        canvas.set_figure(figure)
        canvas.resize(*size)
        canvas.show()
        # Layouts settle through posted events; a second round for what the first one resized.
        for _ in range(2):
            QApplication.sendPostedEvents()
        for _ in range(ROUNDS):
            wide, high = canvas.width(), canvas.content_bottom()
            more = max(1.0, wide / size[0], high / size[1])
            # The read-out line is not drawn: with as much more height, what is drawn has the size asked for.
            canvas.resize(math.ceil(size[0] * more), math.ceil(size[1] * more) + canvas.height() - high)
            QApplication.sendPostedEvents()
            if canvas.width() <= size[0] * more + 1 and canvas.content_bottom() <= size[1] * more + 1:
                break
        yield canvas
    finally:
        canvas.close()
        canvas.deleteLater()


def _area(canvas: Canvas, pane: str | None) -> QRect:
    """What is drawn, in the canvas' coordinates; its read-out line is for the mouse only."""
    if pane is not None:
        return _rect(canvas, canvas.pane(pane))
    return QRect(0, 0, canvas.width(), canvas.content_bottom())


def _rect(canvas: Canvas, widget: QWidget) -> QRect:
    return QRect(widget.mapTo(canvas, QPoint(0, 0)), widget.size())


def _parts(canvas: Canvas, pane: str | None) -> Iterator[tuple[QRect, Draw]]:
    """Rectangles of the canvas and what draws into each from its own top left corner."""
    if pane is None:
        for label in canvas.notes():
            rect = _rect(canvas, label)
            warning = label.property("role") == "warning"
            yield rect, _note(rect.size(), label.text(), canvas.theme, warning, label.font())
    for widget in canvas.panes() if pane is None else (canvas.pane(pane),):
        outer = _rect(canvas, widget)
        yield outer, _frame(widget, outer.size())
        body = widget.body()
        inner = _rect(canvas, body)
        if widget.view is not None:
            yield inner, _view(widget, inner.size())
        elif widget.table is not None:
            yield inner, _table(widget.table, inner.size())
        elif widget.text is not None:
            yield inner, _text(widget.text.text(), widget.text.font(), widget.theme, inner.size())
        for bar in widget.legends():
            if bar.legend is not None:
                strip = _rect(canvas, bar)
                yield strip, _legend(bar.legend, widget.theme, bar.label_font(), strip.size())


def _legend(legend: Legend, theme: Theme, font: QFont, size: QSize) -> Draw:
    return lambda painter: draw_legend(painter, QRectF(8, 0, size.width() - 16, size.height()), legend, theme, font)


def _note(size: QSize, text: str, theme: Theme, warning: bool, font: QFont) -> Draw:
    def draw(painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.warning_soft if warning else theme.accent_soft))
        painter.drawRoundedRect(QRectF(0, 0, size.width(), size.height()), theme.radius, theme.radius)
        painter.setPen(QColor(theme.warning if warning else theme.text))
        painter.setFont(sized(font, theme.font))
        room = QRectF(2 * theme.space, 0, size.width() - 4 * theme.space, size.height())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextWordWrap, text)

    return draw


def _frame(widget: PaneWidget, size: QSize) -> Draw:
    theme = widget.theme

    def draw(painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(theme.border), 1))
        painter.setBrush(QColor(theme.surface))
        painter.drawRoundedRect(QRectF(0.5, 0.5, size.width() - 1, size.height() - 1), theme.radius, theme.radius)
        font = sized(widget.font(), theme.font)
        font.setWeight(QFont.Weight.Bold)
        place = widget.title_rect()
        shown = QFontMetricsF(font).elidedText(widget.pane.title, Qt.TextElideMode.ElideRight, size.width() - 16)
        painter.setFont(font)
        painter.setPen(QColor(theme.text))
        room = QRectF(place.x(), place.y(), size.width() - 2 * place.x(), place.height())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, shown)

    return draw


def _view(widget: PaneWidget, size: QSize) -> Draw:
    view = widget.view

    def draw(painter: QPainter) -> None:
        if view is not None:
            rect = QRect(QPoint(0, 0), size)
            view.render(painter, QRectF(rect), rect, Qt.AspectRatioMode.IgnoreAspectRatio)

    return draw


def _text(text: str, font: QFont, theme: Theme, size: QSize) -> Draw:
    def draw(painter: QPainter) -> None:
        painter.setFont(sized(font, theme.font))
        painter.setPen(QColor(theme.text))
        room = QRectF(8, 4, size.width() - 16, size.height() - 8)
        painter.drawText(room, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft | Qt.TextFlag.TextWordWrap, text)

    return draw


def _table(view: TableView, size: QSize) -> Draw:
    """The rows in sight, header first."""
    table, theme = view.table, view.theme
    high = view.verticalHeader().defaultSectionSize()
    head = view.horizontalHeader().height()
    first = max(0, view.rowAt(0))

    def draw(painter: QPainter) -> None:
        font = QFont(view.font())
        strong = QFont(font)
        strong.setWeight(QFont.Weight.Bold)
        metrics = QFontMetricsF(font)
        painter.setPen(QPen(QColor(theme.border), 1))
        painter.drawLine(QPointF(0, head - 0.5), QPointF(size.width(), head - 0.5))
        rows = range(first, min(len(table.rows), first + -(-(size.height() - head) // high)))
        for row in rows:
            ground = theme.accent_soft if row == view.chosen_row else theme.window if row % 2 else None
            if ground is not None:
                painter.fillRect(QRectF(0, head + (row - first) * high, size.width(), high), QColor(ground))
        for number, column in enumerate(table.columns):
            left, width = view.columnViewportPosition(number), view.columnWidth(number)
            side = Qt.AlignmentFlag.AlignRight if numeric(table, number) else Qt.AlignmentFlag.AlignLeft
            flags = side | Qt.AlignmentFlag.AlignVCenter
            painter.setFont(strong)
            painter.setPen(QColor(theme.muted))
            painter.drawText(QRectF(left + 8, 0, width - 16, head), flags, titled(column.title, column.unit))
            painter.setFont(font)
            painter.setPen(QColor(theme.text))
            for row in rows:
                room = QRectF(left + 8, head + (row - first) * high, width - 16, high)
                shown = metrics.elidedText(cell_text(table, row, number), Qt.TextElideMode.ElideRight, room.width())
                painter.drawText(room, flags, shown)

    return draw


def sized(font: QFont, pixels: int) -> QFont:
    """The font at this size."""
    made = QFont(font)
    made.setPixelSize(pixels)
    return made
