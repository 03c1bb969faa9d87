"""What draws one mark: kept from frame to frame, given the newest mark, asked to paint."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen

from explorer.canvas.projection import Projection
from explorer.figure import Colormap, Colour, Colours, Extent, LineStyle, Mark

M = TypeVar("M", bound=Mark)

PEN_STYLES = {"solid": Qt.PenStyle.SolidLine, "dashed": Qt.PenStyle.DashLine, "dotted": Qt.PenStyle.DotLine}
REACH = 5.0
"""How far beside a thin thing the pointer may be, in logical pixels."""


@dataclass(frozen=True, slots=True)
class Hit:
    """What of a mark the pointer is on; x, y as a Spot has them."""

    x: float
    y: float
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Legend:
    """A colour bar's facts. ``low`` and ``high`` are NaN where there is no value, and each tile's own where ``each``."""

    colormap: Colormap
    low: float
    high: float
    label: str
    unit: str
    each: bool = False
    locked: bool = False


class Artist(Generic[M]):
    """Draws one kind of mark. Subclasses say what they need; the defaults stand for "nothing there"."""

    solid: ClassVar[bool] = False
    """Whether it is a picture or map that other marks lie on."""

    def __init__(self, mark: M) -> None:
        self.mark = mark
        self.set(mark)

    def set(self, mark: M) -> None:
        """Takes the newest mark."""
        self.mark = mark

    def extent(self) -> Extent | None:
        """What it covers, for the fit, in the pane's coordinates."""
        return None

    def paint(self, painter: QPainter, at: Projection) -> None:
        """Draws with a painter in logical pixels."""

    def light(self, painter: QPainter, at: Projection, index: int) -> None:
        """Draws item ``index`` lit up."""

    def hit(self, x: float, y: float, at: Projection) -> Hit | None:
        """What of it is at the pane's (x, y)."""
        return None

    def words(self, hit: Hit) -> str:
        """What the read-out says about it."""
        return ""

    def legend(self) -> Legend | None:
        return None

    def lock(self, locked: bool) -> None:
        """Keeps the present colour range for later marks, or lets it follow them again."""

    def recolour(self, colormap: Colormap | None) -> None:
        """Another colour map than the mark's; None goes back."""


@contextmanager
def saved(painter: QPainter) -> Iterator[None]:
    """What is set on the painter inside is set back after, also after an error."""
    painter.save()
    try:
        yield
    finally:
        painter.restore()


def colour_of(colours: Colours, index: int) -> Colour:
    """The colour of one item."""
    if isinstance(colours, int | str):
        return colours
    return colours[index % len(colours)] if len(colours) else 0


def groups(
    colours: Colours, styles: LineStyle | Sequence[LineStyle], count: int
) -> list[tuple[Colour, LineStyle, list[int]]]:
    """Items that one pen draws, in order of first appearance."""
    if isinstance(colours, int | str) and isinstance(styles, str):
        return [(colours, styles, list(range(count)))]
    found: dict[tuple[Colour, LineStyle], list[int]] = {}
    for index in range(count):
        style = styles if isinstance(styles, str) else (styles[index % len(styles)] if len(styles) else "solid")
        found.setdefault((colour_of(colours, index), style), []).append(index)
    return [(colour, style, indices) for (colour, style), indices in found.items()]


def stroke(at: Projection, colour: QColor, width: float, style: LineStyle = "solid") -> list[QPen]:
    """The pens that draw a line, in order: over a photograph first a dark halo."""
    wide = max(width * at.theme.line, 1.0)
    pen = QPen(colour, wide, PEN_STYLES[style], Qt.PenCapStyle.FlatCap, Qt.PenJoinStyle.MiterJoin)
    if not at.photo:
        return [pen]
    shade = QColor(at.theme.halo)
    shade.setAlphaF(0.45 * colour.alphaF())
    return [QPen(shade, wide + 2.0, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap, Qt.PenJoinStyle.MiterJoin), pen]


def caption(
    painter: QPainter, at: Projection, where: QPointF, text: str, ground: QColor, *, above: bool = True
) -> None:
    """Words on a small plate, kept inside the pane; ``where`` is the plate's bottom left (or top left) corner."""
    if not text:
        return
    painter.setFont(at.font)
    metrics = QFontMetricsF(at.font)
    width, height = metrics.horizontalAdvance(text) + 8, metrics.height() + 2
    left = min(max(where.x(), at.clip.left()), max(at.clip.right() - width, at.clip.left()))
    top = where.y() - height if above else where.y()
    top = min(max(top, at.clip.top()), max(at.clip.bottom() - height, at.clip.top()))
    plate = QRectF(left, top, width, height)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ground)
    painter.drawRoundedRect(plate, 3, 3)
    painter.setPen(ink_on(ground))
    painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, text)


def ink_on(ground: QColor) -> QColor:
    """Black or white, whichever is read more easily on it (WCAG relative luminance)."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (ground.redF(), ground.greenF(), ground.blueF())
    )
    return QColor("#000000" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 else "#ffffff")


def cover(x: NDArray[Any], y: NDArray[Any]) -> Extent | None:
    """The least extent around finite points."""
    x, y = np.ravel(x), np.ravel(y)
    good = np.isfinite(x) & np.isfinite(y)
    if not good.any():
        return None
    return float(x[good].min()), float(y[good].min()), float(x[good].max()), float(y[good].max())
