"""Pictures and heat maps."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QRect, QRectF, QSize
from PySide6.QtGui import QImage, QPainter, QTransform

from explorer.canvas import resample
from explorer.canvas.artist import Artist, Hit, Legend, saved
from explorer.canvas.colormaps import coloured, ends, levels, premultiplied, table, value_range
from explorer.canvas.numbers import quantity
from explorer.canvas.projection import Projection
from explorer.figure import Colormap, Extent, Heatmap, Image
from explorer.i18n import tr

VECTOR_CELLS = 640
"""A map of fewer cells a side is enlarged in whole steps towards this in a vector drawing, since viewers blur small pictures."""


class Paper:
    """One picture at the device's pixels, made again only when it or its place changed."""

    def __init__(self) -> None:
        self.scratch = resample.Scratch()
        self._key: object = None
        self._image: QImage | None = None
        self._buffer: NDArray[Any] | None = None
        self._where = QPoint()
        self._parts: list[QRect] | None = None

    def forget(self) -> None:
        self._key = None

    def key(self, *parts: object) -> bool:
        """Whether the kept picture is still the one these parts describe; remembers them."""
        same = self._key == parts
        self._key = parts
        return same

    def hold(self, shown: resample.Shown | None, form: QImage.Format) -> None:
        """Keeps (h, w, 4) uint8 or (h, w) uint32 pixels and their place."""
        if shown is None:
            self._image = None
            return
        # The QImage reads this buffer, so it is kept alive beside it.
        self._buffer = np.ascontiguousarray(shown.pixels)
        height, width = self._buffer.shape[:2]
        self._image = QImage(self._buffer.data, width, height, 4 * width, form)
        self._where, self._parts = QPoint(shown.left, shown.top), None

    def hold_levels(self, shown: resample.Shown | None, colours: NDArray[np.uint32]) -> None:
        """Keeps (h, w) uint8 levels in these colours, and their place."""
        if shown is None:
            self._image = None
            return
        pixels = self.scratch.array("colours", shown.pixels.shape, np.uint32)
        coloured(shown.pixels, colours, pixels)
        self.hold(resample.Shown(pixels, shown.left, shown.top), QImage.Format.Format_ARGB32_Premultiplied)

    def hold_drawing(
        self, draw: Callable[[QPainter], None], at: Projection, parts: Sequence[QRectF] | None = None
    ) -> None:
        """Keeps what ``draw`` paints, in logical pixels, over the whole pane.

        Args:
            parts: where it paints, if that is little of the pane: only these are copied to the device.
        """
        area = at.device_area(at.clip)
        left, top = int(area.left), int(area.top)
        size = QSize(int(np.ceil(area.right)) - left, int(np.ceil(area.bottom)) - top)
        image = QImage(size, QImage.Format.Format_ARGB32_Premultiplied)
        image.fill(0)
        with QPainter(image) as painter:
            painter.setWorldTransform(at.device * QTransform.fromTranslate(-left, -top))
            draw(painter)
        self._image, self._buffer, self._where = image, None, QPoint(left, top)
        if parts is None:
            self._parts = None
        else:
            self._parts = [
                at.device.mapRect(part).toAlignedRect().translated(-left, -top) & image.rect() for part in parts
            ]

    def paint(self, painter: QPainter, at: Projection) -> None:
        """Copies it to the device, pixel on pixel."""
        if self._image is None:
            return
        with saved(painter):
            painter.setWorldTransform(at.device.inverted()[0])
            if self._parts is None:
                painter.drawImage(self._where, self._image)
            else:
                for part in self._parts:
                    painter.drawImage(self._where + part.topLeft(), self._image, part)


def draw_cells(painter: QPainter, rect: QRectF, pixels: NDArray[np.uint32], side: int = VECTOR_CELLS) -> None:
    """A map in a vector drawing: ARGB cells, enlarged towards ``side`` so that they stay crisp."""
    factor = max(1, side // max(pixels.shape))
    big = np.ascontiguousarray(np.repeat(np.repeat(pixels, factor, axis=0), factor, axis=1))
    image = QImage(big.data, big.shape[1], big.shape[0], 4 * big.shape[1], QImage.Format.Format_ARGB32)
    painter.drawImage(rect, image.copy())


class ImageArtist(Artist[Image]):
    solid: ClassVar[bool] = True

    def __init__(self, mark: Image) -> None:
        self._paper = Paper()
        super().__init__(mark)

    def set(self, mark: Image) -> None:
        if mark.pixels is not self.mark.pixels:
            self._paper.forget()
        super().set(mark)

    def extent(self) -> Extent | None:
        height, width = self.mark.pixels.shape[:2]
        return self.mark.extent or (0.0, 0.0, float(width), float(height))

    def paint(self, painter: QPainter, at: Projection) -> None:
        pixels, extent = self.mark.pixels, self.extent()
        if pixels.size == 0 or extent is None:
            return
        rect = at.rect(extent)
        painter.setOpacity(self.mark.opacity)
        if at.vector:
            made = resample.bgra(pixels)
            form = QImage.Format.Format_ARGB32
            painter.drawImage(rect, QImage(made.data, made.shape[1], made.shape[0], 4 * made.shape[1], form).copy())
        else:
            area, clip = at.device_area(rect), at.device_area(at.clip)
            if not self._paper.key(area, clip):
                form = (
                    QImage.Format.Format_ARGB32
                    if pixels.shape[-1] == 4 and pixels.ndim == 3
                    else QImage.Format.Format_RGB32
                )
                self._paper.hold(resample.photograph(pixels, area, clip, self._paper.scratch), form)
            self._paper.paint(painter, at)
        painter.setOpacity(1.0)

    def hit(self, x: float, y: float, at: Projection) -> Hit | None:
        cell = cell_at(self.extent(), self.mark.pixels.shape[:2], x, y)
        return None if cell is None else Hit(x, y)

    def words(self, hit: Hit) -> str:
        cell = cell_at(self.extent(), self.mark.pixels.shape[:2], hit.x, hit.y)
        if cell is None:
            return ""
        value = self.mark.pixels[cell]
        if self.mark.pixels.ndim == 2:
            return tr("grey {value}", value=int(value))
        return "RGB " + " ".join(str(int(part)) for part in value[:3])


class HeatmapArtist(Artist[Heatmap]):
    solid: ClassVar[bool] = True

    def __init__(self, mark: Heatmap) -> None:
        self._paper = Paper()
        self._levels: NDArray[np.uint8] | None = None
        self._locked: tuple[float, float] | None = None
        self._colormap: Colormap | None = None
        self._range = (np.nan, np.nan)
        super().__init__(mark)

    @property
    def colormap(self) -> Colormap:
        return self._colormap or self.mark.colormap

    def set(self, mark: Heatmap) -> None:
        super().set(mark)
        self._paper.forget()
        self._levels = None
        if self._locked is not None:
            self._range = self._locked
        elif mark.low is not None and mark.high is not None:
            self._range = float(mark.low), float(mark.high)
        else:
            low, high = ends(*value_range(mark.values), mark.low, mark.high, self.colormap)
            self._range = float(low), float(high)

    def lock(self, locked: bool) -> None:
        self._locked = self._range if locked else None
        self.set(self.mark)

    def recolour(self, colormap: Colormap | None) -> None:
        self._colormap = colormap
        self.set(self.mark)

    def legend(self) -> Legend:
        mark = self.mark
        return Legend(self.colormap, *self._range, mark.label, mark.unit, locked=self._locked is not None)

    def extent(self) -> Extent | None:
        height, width = self.mark.values.shape
        return self.mark.extent or (0.0, 0.0, float(width), float(height))

    def levels(self) -> NDArray[np.uint8]:
        if self._levels is None:
            self._levels = levels(self.mark.values, np.array(self._range[0]), np.array(self._range[1]))
        return self._levels

    def paint(self, painter: QPainter, at: Projection) -> None:
        extent = self.extent()
        if self.mark.values.size == 0 or extent is None:
            return
        rect = at.rect(extent)
        if at.vector:
            draw_cells(painter, rect, table(self.colormap, self.mark.opacity)[self._enlarged()])
            return
        area, clip = at.device_area(rect), at.device_area(at.clip)
        if not self._paper.key(area, clip):
            self._paper.hold_levels(self._shown(area, clip), premultiplied(self.colormap, self.mark.opacity))
        self._paper.paint(painter, at)

    def _enlarged(self) -> NDArray[np.uint8]:
        """Levels for a vector drawing; a smooth map has enough of them to look smooth in every viewer."""
        height, width = self.mark.values.shape
        factor = VECTOR_CELLS // max(height, width)
        if not self.mark.smooth or factor < 2:
            return self.levels()
        whole = resample.Area(0, 0, width * factor, height * factor)
        shown = self._shown(whole, whole)
        return self.levels() if shown is None else shown.pixels

    def _shown(self, area: resample.Area, clip: resample.Area) -> resample.Shown | None:
        """Levels at the device's pixels."""
        height, width = self.mark.values.shape
        scratch = self._paper.scratch
        smaller = area.right - area.left < width and area.bottom - area.top < height
        if self.mark.smooth and not smaller:
            low_end, high_end = value_range(self.mark.values)
            inside = self._range[0] <= low_end and high_end <= self._range[1]
            if inside and self.levels().min() > 0:
                return resample.interpolated(self.levels(), area, clip, scratch)
            # Where numbers lie beyond the colours' range, they are interpolated before they are cut off; a NaN takes its
            # neighbours' share with it.
            values = np.ascontiguousarray(self.mark.values, dtype=np.float32)
            shown = resample.interpolated(values, area, clip, scratch)
            if shown is None:
                return None
            low, high = (np.array(end) for end in self._range)
            return resample.Shown(levels(shown.pixels, low, high), shown.left, shown.top)
        found = self.levels()
        if smaller and found.min() > 0:
            return resample.averaged(found, area, clip, scratch)
        return resample.crisp(found, area, clip, scratch)

    def hit(self, x: float, y: float, at: Projection) -> Hit | None:
        cell = cell_at(self.extent(), self.mark.values.shape, x, y)
        return None if cell is None or np.isnan(self.mark.values[cell]) else Hit(x, y)

    def words(self, hit: Hit) -> str:
        cell = cell_at(self.extent(), self.mark.values.shape, hit.x, hit.y)
        if cell is None:
            return ""
        value = quantity(float(self.mark.values[cell]), self.mark.unit)
        place = ""
        if self.mark.extent is not None and not self.mark.smooth:
            place = " " + tr("in cell ({column}, {row})", column=cell[1], row=cell[0])
        return f"{self.mark.label or tr('value')} {value}{place}"


def cell_at(extent: Extent | None, shape: tuple[int, ...], x: float, y: float) -> tuple[int, int] | None:
    """Row and column of the cell of an (h, w) grid over ``extent`` in which (x, y) lies."""
    if extent is None or 0 in shape:
        return None
    x0, y0, x1, y1 = extent
    if x1 == x0 or y1 == y0:
        return None
    column, row = (x - x0) / (x1 - x0) * shape[1], (y - y0) / (y1 - y0) * shape[0]
    if not (0 <= column < shape[1] and 0 <= row < shape[0]):
        return None
    return int(row), int(column)
