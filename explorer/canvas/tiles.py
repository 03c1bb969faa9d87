"""Many small heat maps in a grid that fills its pane.

The grid counts in cells: tile (row, column) begins at ``column * pitch_x``, ``row * pitch_y``; a pitch is a tile and a gap.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen

from explorer.canvas import resample
from explorer.canvas.artist import Artist, Hit, Legend
from explorer.canvas.colormaps import ends, levels, levels_inside, premultiplied, table, value_range
from explorer.canvas.numbers import quantity
from explorer.canvas.projection import Projection
from explorer.canvas.rasters import Paper, draw_cells
from explorer.figure import Colormap, Extent, Tiles
from explorer.i18n import tr

GAP = 0.06
"""Between tiles, as a part of a tile's longer side."""
MANY = 4_000_000
"""Up to so many numbers every one goes into the picture."""


@dataclass(frozen=True, slots=True)
class Grid:
    """How N tiles of h x w cells are arranged."""

    count: int
    columns: int
    height: int
    width: int

    @classmethod
    def fill(cls, count: int, height: int, width: int, aspect: float) -> "Grid":
        """The arrangement whose tiles become largest in a pane of this aspect (width / height)."""
        if count == 0:
            return cls(0, 1, max(height, 1), max(width, 1))
        height, width = max(height, 1), max(width, 1)
        gap = GAP * max(height, width)
        ideal = math.sqrt(count * aspect * (height + gap) / (width + gap))

        def scale(columns: int) -> float:
            rows = -(-count // columns)
            return min(aspect / (columns * (width + gap)), 1 / (rows * (height + gap)))

        candidates = {min(max(1, c), count) for c in (math.floor(ideal), math.ceil(ideal), math.floor(ideal) + 2)}
        return cls(count, max(sorted(candidates), key=scale), height, width)

    @property
    def rows(self) -> int:
        return max(1, -(-self.count // self.columns))

    @property
    def gap(self) -> float:
        return GAP * max(self.height, self.width)

    @property
    def pitch(self) -> tuple[float, float]:
        return self.width + self.gap, self.height + self.gap

    @property
    def extent(self) -> Extent:
        pitch_x, pitch_y = self.pitch
        return 0.0, 0.0, self.columns * pitch_x - self.gap, self.rows * pitch_y - self.gap

    def origin(self, index: int) -> tuple[float, float]:
        """Where tile ``index`` begins."""
        row, column = divmod(index, self.columns)
        pitch_x, pitch_y = self.pitch
        return column * pitch_x, row * pitch_y

    def at(self, x: float, y: float) -> tuple[int, float, float] | None:
        """The tile at (x, y) of the grid, and where inside it; None in a gap."""
        pitch_x, pitch_y = self.pitch
        # A tile's very corner belongs to it, whatever rounding says.
        column, row = math.floor(x / pitch_x + 1e-9), math.floor(y / pitch_y + 1e-9)
        inside_x, inside_y = max(0.0, x - column * pitch_x), max(0.0, y - row * pitch_y)
        index = row * self.columns + column
        if not (0 <= column < self.columns and row >= 0 and index < self.count):
            return None
        if inside_x >= self.width or inside_y >= self.height:
            return None
        return index, inside_x, inside_y


class TilesArtist(Artist[Tiles]):
    solid: ClassVar[bool] = True

    def __init__(self, mark: Tiles) -> None:
        self._paper = Paper()
        self._captions = Paper()
        self._mosaic: tuple[int, NDArray[np.uint8]] | None = None
        self._plan: tuple[object, resample.Gathering, resample.Gathering] | None = None
        self._gapless = True
        self._inside = False
        self._locked: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        self._colormap: Colormap | None = None
        self._aspect = 1.5
        self._low, self._high = np.array(np.nan), np.array(np.nan)
        self.grid = Grid(0, 1, 1, 1)
        super().__init__(mark)

    @property
    def colormap(self) -> Colormap:
        return self._colormap or self.mark.colormap

    def set(self, mark: Tiles) -> None:
        super().set(mark)
        self._paper.forget()
        self._mosaic = None
        self._arrange()
        self._inside = False
        count = mark.values.shape[0]
        # One range for all is kept for all, those of each tile only as long as there are as many.
        if self._locked is not None and self._locked[0].shape == ((count,) if mark.each else ()):
            self._low, self._high = self._locked
            return
        if not mark.each and mark.low is not None and mark.high is not None:
            self._low, self._high = np.array(float(mark.low)), np.array(float(mark.high))
            return
        if mark.values.size == 0:
            self._low, self._high = np.array(np.nan), np.array(np.nan)
            return
        if mark.each:
            low, high = value_range(mark.values, (1, 2))
        else:
            low, high = (np.asarray(end, dtype=np.float64) for end in (mark.values.min(), mark.values.max()))
            # Where both are numbers, everything is one.
            self._inside = mark.low is None and mark.high is None and bool(np.isfinite(low) and np.isfinite(high))
            if not (np.isfinite(low) and np.isfinite(high)):
                low, high = value_range(mark.values)
        self._low, self._high = ends(low, high, mark.low, mark.high, self.colormap)

    def fit_to(self, aspect: float) -> bool:
        """Arranges the tiles for a pane of this aspect; returns whether that changed anything."""
        before = self.grid
        self._aspect = aspect
        self._arrange()
        return self.grid != before

    def _arrange(self) -> None:
        count, height, width = self.mark.values.shape
        grid = Grid.fill(count, height, width, self._aspect)
        if grid != self.grid:
            self.grid = grid
            self._mosaic = None
            self._paper.forget()

    def lock(self, locked: bool) -> None:
        self._locked = (self._low, self._high) if locked else None
        self.set(self.mark)

    def recolour(self, colormap: Colormap | None) -> None:
        self._colormap = colormap
        self.set(self.mark)

    def legend(self) -> Legend:
        mark = self.mark
        low, high = float(value_range(self._low)[0]), float(value_range(self._high)[1])
        return Legend(self.colormap, low, high, mark.label, mark.unit, mark.each, self._locked is not None)

    def extent(self) -> Extent | None:
        return self.grid.extent

    def mosaic(self, step: int) -> NDArray[np.uint8]:
        """Levels of all tiles without gaps, every ``step``-th cell: (rows * h, columns * w)."""
        if self._mosaic is None or self._mosaic[0] != step:
            values = self.mark.values[:, ::step, ::step]
            if self._inside:
                found = levels_inside(values, float(self._low), float(self._high))
            else:
                low, high = (end[:, None, None] if end.ndim else end for end in (self._low, self._high))
                found = levels(values, low, high)
            grid = self.grid
            self._gapless = bool(found.size) and int(found.min()) > 0
            missing = grid.rows * grid.columns - grid.count
            if missing:
                found = np.concatenate([found, np.zeros((missing, *found.shape[1:]), np.uint8)])
            _, height, width = found.shape
            tiled = found.reshape(grid.rows, grid.columns, height, width).swapaxes(1, 2)
            self._mosaic = step, tiled.reshape(grid.rows * height, grid.columns * width)
        return self._mosaic[1]

    def paint(self, painter: QPainter, at: Projection) -> None:
        if self.mark.values.size == 0:
            return
        if at.vector:
            self._paint_vector(painter, at)
            self._paint_titles(painter, at, self._plates(at))
        else:
            area, clip = at.device_area(at.rect(self.grid.extent)), at.device_area(at.clip)
            if not self._paper.key(area, clip):
                self._paper.hold_levels(self._shown(area, clip), premultiplied(self.colormap))
            self._paper.paint(painter, at)
            # A hundred captions cost more than the tiles; they seldom change.
            if not self._captions.key(area, clip, self.grid, self.mark.titles, at.font.key()):
                plates = self._plates(at)
                self._captions.hold_drawing(lambda inner: self._paint_titles(inner, at, plates), at, strips(plates))
            self._captions.paint(painter, at)
        if self.mark.selected is not None:
            self._frame(painter, at, self.mark.selected, QColor(at.theme.accent))

    def _shown(self, area: resample.Area, clip: resample.Area) -> resample.Shown | None:
        part = area.within(clip)
        if part is None:
            return None
        left, top, right, bottom = part
        grid, scratch = self.grid, self._paper.scratch
        scale = (area.right - area.left) / grid.extent[2]
        # Cells smaller than a device pixel are averaged; of very many, only some are looked at (the read-out has them all).
        step = max(1, min(int(0.5 / scale), round(math.sqrt(self.mark.values.size / MANY))))
        mosaic = self.mosaic(step)
        height, width = mosaic.shape[0] // grid.rows, mosaic.shape[1] // grid.columns
        small_w, small_h = (
            max(1, min(n, round(cells * scale))) for n, cells in ((width, grid.width), (height, grid.height))
        )
        if (small_w < width or small_h < height) and self._gapless:
            size = grid.columns * small_w, grid.rows * small_h
            mosaic = resample.shrunk(mosaic, size, scratch, unit=(width, height))
            height, width = small_h, small_w
        plan = grid, part, area, width, height
        if self._plan is None or self._plan[0] != plan:
            columns = _axis(left, right, area.left, scale, grid.pitch[0], grid.width, width, grid.columns)
            rows = _axis(top, bottom, area.top, scale, grid.pitch[1], grid.height, height, grid.rows)
            self._plan = plan, columns, rows
        _, columns, rows = self._plan
        return resample.Shown(rows.rows(columns.columns(mosaic, scratch), scratch), left, top)

    def _paint_vector(self, painter: QPainter, at: Projection) -> None:
        grid, mosaic, colours = self.grid, self.mosaic(1), table(self.colormap)
        height, width = mosaic.shape[0] // grid.rows, mosaic.shape[1] // grid.columns
        for index in range(grid.count):
            row, column = divmod(index, grid.columns)
            cells = mosaic[row * height : (row + 1) * height, column * width : (column + 1) * width]
            draw_cells(painter, self.tile_rect(at, index), np.take(colours, cells), 96)

    def tile_rect(self, at: Projection, index: int) -> QRectF:
        """Where a tile lies, in logical pixels."""
        x, y = self.grid.origin(index)
        return at.rect((x, y, x + self.grid.width, y + self.grid.height))

    def _plates(self, at: Projection) -> list[tuple[QRectF, str]]:
        """Where the names of the tiles in sight stand, and what of them fits; nothing where there is no room."""
        metrics = QFontMetricsF(at.font)
        wide, high = abs(self.grid.width * at.sx), abs(self.grid.height * at.sy)
        if wide < 4 * metrics.averageCharWidth() or high < 2.2 * metrics.height():
            return []
        found = []
        for index, title in enumerate(self.mark.titles[: self.grid.count]):
            rect = self.tile_rect(at, index)
            if rect.intersects(at.clip):
                shown = metrics.elidedText(title, Qt.TextElideMode.ElideRight, rect.width() - 8)
                width = metrics.horizontalAdvance(shown) + 6
                found.append((QRectF(rect.left(), rect.top(), width, metrics.height()), shown))
        return found

    def _paint_titles(self, painter: QPainter, at: Projection, plates: list[tuple[QRectF, str]]) -> None:
        painter.setFont(at.font)
        plate, ink = QColor(0, 0, 0, 140), QColor("#ffffff")
        for words, shown in plates:
            painter.fillRect(words, plate)
            painter.setPen(ink)
            painter.drawText(words, Qt.AlignmentFlag.AlignCenter, shown)

    def light(self, painter: QPainter, at: Projection, index: int) -> None:
        self._frame(painter, at, index, at.colour(1))

    def _frame(self, painter: QPainter, at: Projection, index: int, colour: QColor) -> None:
        if not 0 <= index < self.grid.count:
            return
        rect = self.tile_rect(at, index)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        wide = 2.0 * at.theme.line
        for ink, width, grow in ((QColor(at.theme.canvas), wide + 2, wide / 2 + 1), (colour, wide, wide / 2)):
            pen = QPen(ink, width)
            pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
            painter.setPen(pen)
            painter.drawRect(rect.adjusted(-grow, -grow, grow, grow))

    def hit(self, x: float, y: float, at: Projection) -> Hit | None:
        found = self.grid.at(x, y) if self.mark.values.size else None
        return None if found is None else Hit(found[1], found[2], found[0])

    def words(self, hit: Hit) -> str:
        mark = self.mark
        if hit.index is None or not 0 <= hit.index < self.grid.count:
            return ""
        _, height, width = mark.values.shape
        row, column = min(int(hit.y), height - 1), min(int(hit.x), width - 1)
        value = quantity(float(mark.values[hit.index, row, column]), mark.unit)
        title = mark.titles[hit.index] if hit.index < len(mark.titles) else tr("tile {index}", index=hit.index)
        place = tr("in cell ({column}, {row})", column=column, row=row)
        return f"{title} · {mark.label or tr('value')} {value} {place}"


def strips(plates: list[tuple[QRectF, str]]) -> list[QRectF]:
    """The least rectangle around the plates of each row of tiles."""
    found: dict[float, QRectF] = {}
    for plate, _ in plates:
        found[plate.top()] = found.get(plate.top(), plate).united(plate)
    return list(found.values())


def _axis(
    start: int, stop: int, origin: float, scale: float, pitch: float, cells: int, samples: int, tiles: int
) -> resample.Gathering:
    """For each device pixel of one axis, the sample of the mosaic under its centre, or nothing in a gap."""
    along = (np.arange(start, stop) + (0.5 - origin)) / scale
    tile = np.clip(np.floor(along / pitch).astype(np.intp), 0, tiles - 1)
    inside = along - tile * pitch
    sample = np.clip((inside * (samples / cells)).astype(np.intp), 0, samples - 1)
    return resample.Gathering(tile * samples + sample, (inside >= cells) | (inside < 0))
