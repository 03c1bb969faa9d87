"""Maps over the picture: one number at every cell, drawn, chosen, pointed at and lit together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.figure import At, Boxes, Colormap, Heatmap, Image, Mark, Pane, Spot
from explorer.panel import Frame
from explorer.views.cells import Cells

CHOSEN = 1
"""The colour of what is chosen or pointed at."""
Ends = tuple[float | None, float | None]
OPEN: Ends = (None, None)
"""Colours from the least to the largest of the map's own numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class Positions:
    """Maps over the picture that share cells.

    A spot stands for ``row``, ``column``, ``place`` (in parts of the picture's width and height), ``xy`` and ``position`` (in its pixels).

    Args:
        chosen: row and column of the cell with a frame around it.
        ground: (h, w) or (h, w, 3) uint8 behind the maps; the picture itself if None.
        opacity: of the maps, 0 to 1.
        smooth: interpolates between cells.
        finest: a map is drawn with at most so many samples a side.
    """

    frame: Frame
    cells: Cells
    chosen: tuple[int, int] | None = None
    ground: NDArray[np.uint8] | None = None
    opacity: float = 0.65
    smooth: bool = True
    finest: int = 448

    @classmethod
    def dividing(cls, frame: Frame, rows: int, columns: int, **more: Any) -> "Positions":
        """Cells that divide the picture evenly; with as many as it has pixels, each pixel is one."""
        return cls(frame, Cells.dividing(frame.size, rows, columns), finest=max(rows, columns, 448), **more)

    def picture(self, key: str, title: str, *marks: Mark) -> Pane:
        """The picture, or the ground in its place, with marks over it."""
        ground = self.frame.image if self.ground is None else self.ground
        return self.pane(key, title, Image(ground, extent=self.frame.extent), *marks)

    def pane(self, key: str, title: str, *marks: Mark) -> Pane:
        """Marks where the picture would be, and no picture under them."""
        width, height = self.frame.size
        chosen = () if self.chosen is None else (self.box(*self.chosen, "cell"),)
        return Pane(key, title, (*marks, *chosen), space="picture", size=(float(width), float(height)), places=self)

    def map(
        self,
        key: str,
        title: str,
        values: NDArray[np.floating],
        label: str = "",
        *,
        unit: str = "",
        ends: Ends = OPEN,
        colormap: Colormap | None = None,
        more: Sequence[Mark] = (),
        mark: str = "heatmap",
    ) -> Pane:
        """(rows, columns) numbers over the picture.

        Args:
            ends: of the colours; None takes the map's own.
            colormap: chosen by sign if None.
            more: drawn on top of it.
            mark: the key of the heat map.
        """
        return self.picture(
            key, title, self.heat(values, label, unit=unit, ends=ends, colormap=colormap, mark=mark), *more
        )

    def heat(
        self,
        values: NDArray[np.floating],
        label: str = "",
        *,
        unit: str = "",
        ends: Ends = OPEN,
        colormap: Colormap | None = None,
        mark: str = "heatmap",
    ) -> Heatmap:
        """The mark of :meth:`map`."""
        colours = colormap or signed_colours(values)
        spread = self.cells.spread(values, smooth=self.smooth, finest=self.finest)
        low, high = ends
        return Heatmap(
            spread, label, unit, low, high, colours, self.opacity, self.frame.extent, smooth=self.smooth, key=mark
        )

    def box(self, row: int, column: int, key: str = "cell", reach: int = 0) -> Boxes:
        """A frame around a cell, or around it and so many cells on each side."""
        return Boxes(np.array([self.cells.box(row, column, reach)]), colours=CHOSEN, key=key)

    def at(self, spot: Spot) -> At | None:
        width, height = self.frame.size
        found = self.cells.under(spot.x, spot.y) if 0 <= spot.x <= width and 0 <= spot.y <= height else None
        return None if found is None else at_cell(found, (spot.x, spot.y), self.frame.size)

    def lit(self, at: At) -> tuple[Mark, ...]:
        if "xy" not in at:
            return ()
        found = self.cells.under(*at["xy"])
        return () if found is None else (self.box(*found, "probe"),)


def at_cell(cell: tuple[int, int], xy: tuple[float, float], size: tuple[int, int]) -> At:
    """A place of the picture by all its names."""
    x, y = xy
    place = (round(x / size[0], 4), round(y / size[1], 4))
    return {"row": cell[0], "column": cell[1], "place": place, "position": (round(x, 1), round(y, 1)), "xy": (x, y)}


def signed_colours(values: NDArray[np.floating]) -> Colormap:
    """Where there are numbers below zero, zero stands out."""
    return "diverging" if values.size and float(np.nanmin(values)) < 0 else "viridis"
