"""Several maps over one picture, side by side in one pane: pointing at one lights the same place in all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.figure import At, Boxes, Colormap, Extent, Heatmap, Image, Mark, Pane, Segments, Spot, Text
from explorer.i18n import tr
from explorer.panel import Frame
from explorer.views.cells import Cells
from explorer.views.items import Items
from explorer.views.positions import CHOSEN

ASPECT = 2.5
"""Width to height of the pane's usual place."""
FINEST = 144
"""Samples along the longer side of a tile's map."""

Pixels = NDArray[np.uint8]


def columns_for(count: int, aspect: float) -> int:
    """How many tiles of this aspect stand side by side so that all become largest in a pane of :data:`ASPECT`."""

    def scale(columns: int) -> float:
        rows = -(-count // columns)
        return min(ASPECT / (columns * aspect), 1 / rows)

    return max(range(1, count + 1), key=lambda columns: (round(scale(columns), 6), -columns))


def ground(picture: Pixels, behind: Pixels, count: int) -> Pixels:
    """What lies under a mosaic of ``count`` maps, to be made in ``compute``.

    Args:
        picture: (h, w, 3), the first tile; behind: (h, w), all others.

    Returns:
        (rows · h, columns · w, 4) RGBA; what no tile covers stays empty.
    """
    height, width = behind.shape
    columns = columns_for(count + 1, width / height)
    made = np.zeros((-(-(count + 1) // columns), height, columns, width, 4), np.uint8)
    for tile in range(count + 1):
        row, column = divmod(tile, columns)
        made[row, :, column, :, :3] = picture if tile == 0 else behind[..., None]
        made[row, :, column, :, 3] = 255
    return made.reshape(made.shape[0] * height, columns * width, 4)


@dataclass(frozen=True, slots=True, eq=False)
class Mosaic:
    """The picture, and after it a map of each item over the picture.

    A spot stands for the item, ``row`` and ``column`` in its map, and ``xy`` in the picture: a click chooses the item and no place.

    Args:
        items: shown are all of them, by number.
        cells: of each item's map.
        tile: width and height of a tile, in the pane's coordinates.
    """

    frame: Frame
    items: Items
    cells: Sequence[Cells]
    tile: tuple[int, int]

    def pane(
        self,
        key: str,
        title: str,
        ground: Pixels,
        maps: Sequence[NDArray[np.floating] | None],
        label: str,
        *,
        each: bool,
        opacity: float,
        smooth: bool,
        colormap: Colormap = "viridis",
    ) -> Pane:
        """A pane of numbers from 0 to 1.

        Args:
            ground: see :func:`ground`.
            maps: of each item (rows, columns); None leaves its tile without.
            each: every map has its own colours, from its least to its largest number.
        """
        width, height = self.tile
        columns, rows = self._grid()
        shown = [None if one is None else self._spread(i, one, each=each, smooth=smooth) for i, one in enumerate(maps)]
        fine = next((one.shape for one in shown if one is not None), (1, 1))
        heat = np.full((rows, fine[0], columns, fine[1]), np.nan, np.float32)
        words = [Text(tr("The picture"), (0.0, 0.0), key="name 0")]
        for number, (one, spread) in enumerate(zip(maps, shown, strict=True)):
            row, column = divmod(number + 1, columns)
            said = self.items.words(number)
            if one is not None and spread is not None:
                heat[row, :, column] = spread
                said += f"\n{one.min():.2f} – {one.max():.2f}"
            words.append(Text(said, (float(column * width), float(row * height)), key=f"name {number + 1}"))
        lines = [((c * width, 0), (c * width, rows * height)) for c in range(1, columns)]
        lines += [((0, r * height), (columns * width, r * height)) for r in range(1, rows)]
        ends = np.array(lines, np.float64).reshape(-1, 2, 2)
        whole = (0.0, 0.0, float(columns * width), float(rows * height))
        values = heat.reshape(rows * fine[0], columns * fine[1])
        marks: list[Mark] = [
            Image(ground, key="picture"),
            Heatmap(values, label, "", 0.0, 1.0, colormap, opacity, whole, key=key),
            Segments(ends[:, 0], ends[:, 1], "#000000", 2.0, key="lines"),
        ]
        if self.items.chosen is not None:
            here = np.array([self._box(self.items.chosen)])
            marks.append(Boxes(here, colours=CHOSEN, width=3.0, key="chosen"))
        return Pane(key, title, (*marks, *words), size=whole[2:], places=self)

    def at(self, spot: Spot) -> At | None:
        width, height = self.tile
        columns, _ = self._grid()
        column, row = int(spot.x // width), int(spot.y // height)
        tile = row * columns + column
        if not 0 <= column < columns or row < 0 or tile > len(self.items.order):
            return None
        wide, high = self.frame.size
        xy = (spot.x - column * width) * wide / width, (spot.y - row * height) * high / height
        if tile == 0:
            return {"xy": xy}
        in_map = self.cells[tile - 1].at(*xy)
        return {self.items.name: self.items.value(tile - 1), "row": in_map[0], "column": in_map[1], "xy": xy}

    def lit(self, at: At) -> tuple[Mark, ...]:
        """The same place in every map; where no place is known, the item's tile."""
        if "xy" in at:
            boxes = [self._box(i, cells.box(*cells.at(*at["xy"]))) for i, cells in enumerate(self.cells)]
            return (Boxes(np.array(boxes), colours=CHOSEN, width=1.5, key="same place"),)
        number = self.items.place_of(at[self.items.name]) if self.items.name in at else None
        return () if number is None else (Boxes(np.array([self._box(number)]), colours=CHOSEN, key="same place"),)

    def _grid(self) -> tuple[int, int]:
        """Columns and rows of tiles."""
        count = len(self.items.order) + 1
        columns = columns_for(count, self.tile[0] / self.tile[1])
        return columns, -(-count // columns)

    def _box(self, item: int, on_picture: Extent | None = None) -> Extent:
        """An item's tile, or a box of the picture in it."""
        (width, height), (wide, high) = self.tile, self.frame.size
        row, column = divmod(item + 1, self._grid()[0])
        x0, y0, x1, y1 = on_picture or self.frame.extent
        left, top = column * width, row * height
        return left + x0 * width / wide, top + y0 * height / high, left + x1 * width / wide, top + y1 * height / high

    def _spread(self, item: int, values: NDArray[np.floating], *, each: bool, smooth: bool) -> NDArray[np.float32]:
        if each:
            low, high = float(values.min()), float(values.max())
            values = (values - low) / (high - low) if high - low > 1e-6 else np.full_like(values, 0.5)
        return self.cells[item].spread(values, smooth=smooth, finest=FINEST)
