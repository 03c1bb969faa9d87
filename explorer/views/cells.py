"""Where the cells of a map lie on the picture: the one place that knows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvcore.receptive_field import ReceptiveField
from explorer.figure import Extent
from explorer.views.fit import Fit

Array = NDArray[np.float64]
Numbers = NDArray[np.floating] | NDArray[np.integer]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Where the cells of a map lie on the picture, in picture pixels.

    A cell of a network's layer is centred where its receptive field is, not where an even division of the picture would put it: with
    stride 32 that is half a cell nearer to the upper left corner (:meth:`of`). Cells that cover the picture evenly, such as those of a
    detector with a letterboxed input, are :meth:`even`.

    Args:
        xs, ys: centres of columns and rows, increasing.
        size: width and height of the picture.
        cell: width and height of every cell, where they are all alike; places beside the map then belong to none. None: each place of
            the picture belongs to the cell with the nearest centre, so that the outer ones reach to its edges.
    """

    xs: Array
    ys: Array
    size: tuple[int, int]
    cell: tuple[float, float] | None = None

    @classmethod
    def of(cls, fit: Fit, rows: int, columns: int, field: ReceptiveField | None) -> "Cells":
        """Of a layer's map; ``field`` None (not known) divides the picture evenly."""
        axes = []
        for axis, count in ((0, columns), (1, rows)):
            centres = (np.arange(count) + 0.5) * fit.input[axis] / count
            if field is not None:
                span = field.x if axis == 0 else field.y
                known = np.array([span.centre(i) for i in range(count)])
                if (np.diff(known) > 0).all() and count > 1:
                    centres = known
            axes.append(centres * fit.scale[axis])
        return cls(axes[0], axes[1], fit.picture)

    @classmethod
    def even(
        cls,
        size: tuple[int, int],
        rows: int,
        columns: int,
        cell: tuple[float, float],
        origin: tuple[float, float] = (0.0, 0.0),
    ) -> "Cells":
        """Cells of one size, ``cell`` (width, height), from ``origin`` (the map's upper left corner) on; all in picture pixels."""
        xs = origin[0] + (np.arange(columns, dtype=np.float64) + 0.5) * cell[0]
        ys = origin[1] + (np.arange(rows, dtype=np.float64) + 0.5) * cell[1]
        return cls(xs, ys, size, cell)

    @classmethod
    def dividing(cls, size: tuple[int, int], rows: int, columns: int) -> "Cells":
        """Cells of one size that cover the picture and no more."""
        return cls.even(size, rows, columns, (size[0] / columns, size[1] / rows))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.ys), len(self.xs)

    @property
    def extent(self) -> Extent:
        """Of the whole map."""
        x, y = self._edges()
        return float(x[0]), float(y[0]), float(x[-1]), float(y[-1])

    def at(self, x: float, y: float) -> tuple[int, int]:
        """Row and column of the cell at a place of the picture; places outside count as its edge."""
        if self.cell is None:
            return int(np.abs(self.ys - y).argmin()), int(np.abs(self.xs - x).argmin())
        (column, row), (rows, columns) = np.floor(self.on_map(np.array([x, y])) + 0.5).astype(int), self.shape
        return int(np.clip(row, 0, rows - 1)), int(np.clip(column, 0, columns - 1))

    def under(self, x: float, y: float) -> tuple[int, int] | None:
        """Row and column of the cell at a place; None beside the map or the picture."""
        x0, y0, x1, y1 = self.extent
        if self.cell is None:  # the outer cells end with the picture
            return self.at(x, y) if x0 <= x <= x1 and y0 <= y <= y1 else None
        return self.at(x, y) if x0 <= x < x1 and y0 <= y < y1 else None

    def box(self, row: int, column: int, reach: int = 0) -> Extent:
        """What of the picture belongs to a cell, or to it and so many cells around it."""
        x, y = self._edges()
        rows, columns = self.shape
        top, left = max(row - reach, 0), max(column - reach, 0)
        bottom, right = min(row + reach, rows - 1) + 1, min(column + reach, columns - 1) + 1
        return float(x[left]), float(y[top]), float(x[right]), float(y[bottom])

    def centre(self, row: int, column: int) -> tuple[float, float]:
        return float(self.xs[column]), float(self.ys[row])

    def on_picture(self, xy: Numbers) -> Array:
        """(..., 2) in cells, the centre of the first at (0, 0) -> in pixels of the picture."""
        xy = np.asarray(xy, np.float64)
        return np.stack((self.x(xy[..., 0]), self.y(xy[..., 1])), -1)

    def x(self, column: Numbers) -> Array:
        """Columns, the centre of the first at 0 -> pixels of the picture."""
        return _along(self.xs, np.asarray(column, np.float64), self.cell[0] if self.cell else 0.0)

    def y(self, row: Numbers) -> Array:
        """Rows, the centre of the first at 0 -> pixels of the picture."""
        return _along(self.ys, np.asarray(row, np.float64), self.cell[1] if self.cell else 0.0)

    def area(self, xyxy: Numbers) -> Array:
        """(..., 4) in cells, the upper left corner of the first at (0, 0) -> in pixels of the picture."""
        corners = np.asarray(xyxy, np.float64) - 0.5
        return np.concatenate((self.on_picture(corners[..., :2]), self.on_picture(corners[..., 2:])), -1)

    def on_map(self, xy: Numbers) -> Array:
        """The way back of :meth:`on_picture`."""
        xy = np.asarray(xy, np.float64)
        width, height = self.cell or (0.0, 0.0)
        return np.stack((_index(self.xs, xy[..., 0], width), _index(self.ys, xy[..., 1], height)), -1)

    def spread(self, values: NDArray[np.floating], *, smooth: bool, finest: int = 448) -> NDArray[np.float32]:
        """A map (rows, columns) as an even grid over the picture, at most ``finest`` samples a side."""
        longest = max(self.size)
        width, height = (max(1, min(side, round(side * finest / longest))) for side in self.size)
        x = np.interp((np.arange(width) + 0.5) * self.size[0] / width, self.xs, np.arange(len(self.xs)))
        y = np.interp((np.arange(height) + 0.5) * self.size[1] / height, self.ys, np.arange(len(self.ys)))
        values = np.asarray(values, np.float32)
        if not smooth:
            return values[np.rint(y).astype(np.intp)[:, None], np.rint(x).astype(np.intp)]
        return lerp(lerp(values, y, 0), x, 1)

    def _edges(self) -> tuple[Array, Array]:
        """Borders between cells along x and y."""
        if self.cell is None:
            return edges(self.xs, self.size[0]), edges(self.ys, self.size[1])
        x, y = (
            np.append(centres - side / 2, centres[-1] + side / 2)
            for centres, side in zip((self.xs, self.ys), self.cell, strict=True)
        )
        return x, y


def edges(centres: Array, length: float) -> Array:
    """Borders between cells: half way between centres, and the picture's own edges."""
    return np.concatenate([[0.0], (centres[1:] + centres[:-1]) / 2, [float(length)]])


def _along(centres: Array, index: Array, alone: float) -> Array:
    """Centres at fractional indices, beyond the ends in a straight line; ``alone`` is the side of a cell that has no neighbour."""
    if len(centres) == 1:
        return np.asarray(centres[0] + index * alone)
    first = np.clip(np.floor(index).astype(np.intp), 0, len(centres) - 2)
    return np.asarray(centres[first] + (index - first) * (centres[first + 1] - centres[first]))


def _index(centres: Array, place: Array, alone: float) -> Array:
    """The way back of :func:`_along`."""
    if len(centres) == 1:
        return np.asarray((place - centres[0]) / alone) if alone else np.zeros(np.shape(place))
    first = np.clip(np.searchsorted(centres, place, "right") - 1, 0, len(centres) - 2)
    return np.asarray(first + (place - centres[first]) / (centres[first + 1] - centres[first]))


def lerp(values: NDArray[np.float32], at: Array, axis: int) -> NDArray[np.float32]:
    """Linear interpolation along an axis at fractional indices."""
    first = np.minimum(at.astype(np.intp), values.shape[axis] - 1)
    second = np.minimum(first + 1, values.shape[axis] - 1)
    weight = (at - first).astype(np.float32)
    weight = weight[:, None] if axis == 0 else weight
    low, high = np.take(values, first, axis), np.take(values, second, axis)
    return np.asarray(low + (high - low) * weight, np.float32)
