"""Whatever there are several of (channels, layers, classes, boxes): bars, tiles, tables and curves that light up together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.figure import (
    At,
    Axis,
    Bars,
    Boxes,
    Colormap,
    Colours,
    Curve,
    Heatmap,
    Lit,
    Mark,
    Pane,
    Points,
    Spot,
    Table,
    TableColumn,
    Tiles,
)
from explorer.views.cells import Cells
from explorer.views.positions import CHOSEN, OPEN, Ends, at_cell, signed_colours

Numbers = NDArray[np.floating] | NDArray[np.integer]
MANY = 48
"""From so many bars on they touch: many thin ones with gaps would shimmer."""


def itself(number: int) -> Any:
    return number


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """The items of a named dimension, in an order, one of them chosen.

    Values are given for *all* items, by number; what is drawn are those in ``order``. A spot stands for ``{name: value(number)}``.

    Args:
        name: the dimension; where a knob has that name, a click sets it.
        order: the numbers of the items shown, first to last.
        chosen: the number of one of them; None for none.
        label: of the axis along the items.
        words: what an item is called.
        value: what the dimension is for an item, such as a layer's name; the number itself if not given. An item whose value is None
            stands for nothing.
        again: what a click on the chosen one sets; a pane without it keeps the choice.
    """

    name: str
    order: NDArray[np.intp]
    chosen: int | None = None
    label: str = ""
    words: Callable[[int], str] = str
    value: Callable[[int], Any] = itself
    again: Any = None

    @classmethod
    def all(cls, name: str, count: int, chosen: int | None = None, **more: Any) -> "Items":
        """All items by number."""
        return cls(name, np.arange(count), chosen, **more)

    @property
    def place(self) -> int | None:
        """Where the chosen one stands in the order."""
        return None if self.chosen is None else self.place_of(self.value(self.chosen))

    def place_of(self, value: Any) -> int | None:
        """Where the item with this value of the dimension stands; None where it is not shown."""
        return next((i for i, number in enumerate(self.order) if self.value(int(number)) == value), None)

    def pane(
        self, key: str, title: str, marks: Sequence[Mark], mark: str, axes: tuple[Axis, Axis] | None = None, **more: Any
    ) -> Pane:
        """A pane of one's own whose mark ``mark`` has these items, in this order: it lights up and is clicked like the others."""
        again = {} if self.again is None else {self.name: self.again}
        places = more.pop("places", None) or ByIndex(self, mark)
        return Pane(key, title, tuple(marks), axes=axes, places=places, again=again, **more)

    def bars(
        self,
        key: str,
        title: str,
        values: Numbers,
        label: str,
        *,
        unit: str = "",
        ends: Ends = OPEN,
        beside: tuple[Numbers, str] | None = None,
        colours: Colours = 0,
        log: bool = False,
        mark: str = "items",
    ) -> Pane:
        """A bar for each item, upright.

        Args:
            ends: of the value axis; None takes the data's own.
            beside: other numbers as a dashed line, and its name.
        """
        shown = values[self.order]
        edges = np.arange(len(shown) + 1) - 0.5 if len(shown) > MANY else None
        marks: list[Mark] = [Bars(shown, edges=edges, label=label, colours=colours, key=mark)]
        if beside is not None:
            marks.append(Curve(np.arange(len(shown)), beside[0][self.order], beside[1], 3, 1.5, "dashed", key="beside"))
        if (place := self.place) is not None:
            here = np.array([[float(place), float(shown[place])]])
            marks.append(Points(here, (self.words(int(self.order[place])),), CHOSEN, 9.0, key="chosen"))
        along = Axis(self.label, low=-1.0, high=float(len(shown)))
        return self.pane(key, title, marks, mark, (along, Axis(label, unit, log, *ends)))

    def named_bars(
        self,
        key: str,
        title: str,
        values: Numbers,
        label: str,
        *,
        unit: str = "",
        ends: Ends = OPEN,
        colours: Colours = 0,
        mark: str = "items",
    ) -> Pane:
        """A bar for each of a few items, its words beside it, growing to the right, the first on top."""
        bars = Bars(
            np.asarray(values, np.float64)[self.order],
            tuple(self.words(int(number)) for number in self.order),
            label=label,
            colours=colours,
            horizontal=True,
            selected=self.place,
            key=mark,
        )
        return self.pane(key, title, (bars,), mark, (Axis(label, unit, low=ends[0], high=ends[1]), Axis("")))

    def tiles(
        self,
        key: str,
        title: str,
        values: NDArray[np.floating],
        label: str,
        *,
        unit: str = "",
        ends: Ends = OPEN,
        each: bool = False,
        colormap: Colormap | None = None,
        cells: Cells | None = None,
        placing: bool = True,
        picked: bool = False,
        mark: str = "items",
    ) -> Pane:
        """A map for each item.

        Args:
            values: (items, h, w) of all items; with ``picked`` of those in ``order`` alone, in that order.
            ends: of the colours; None takes the data's own.
            each: every tile has its own colours.
            cells: where the maps' cells lie on the picture: then a place in a tile is a place of the picture, and back.
            placing: a click in a tile chooses the place as well.
        """
        shown = values if picked else values[self.order]
        made = Tiles(
            np.ascontiguousarray(shown),
            tuple(self.words(int(number)) for number in self.order),
            label,
            unit,
            *ends,
            each=each,
            colormap=colormap or signed_colours(shown),
            selected=self.place,
            key=mark,
        )
        return self.pane(key, title, (made,), mark, places=InTiles(self, mark, cells, values.shape[-2:], placing))

    def table(
        self,
        key: str,
        title: str,
        columns: Sequence[TableColumn | str],
        row: Callable[[int], Sequence[str | float | int]],
        *,
        mark: str = "items",
    ) -> Pane:
        """A row for each item.

        Args:
            columns: titles, or columns where they need units or digits.
            row: an item's cells, by its number.
        """
        titles = tuple(TableColumn(one) if isinstance(one, str) else one for one in columns)
        rows = tuple(tuple(row(int(number))) for number in self.order)
        return self.pane(key, title, (Table(titles, rows, self.place, key=mark),), mark)

    def curve(
        self,
        key: str,
        title: str,
        values: Numbers,
        axis: Axis,
        *,
        x: Numbers | None = None,
        along: Axis | None = None,
        more: Sequence[Mark] = (),
        mark: str = "items",
    ) -> Pane:
        """A line through all items, in their order; the one nearest to the pointer is meant.

        Args:
            x: where each item of ``order`` stands; 0, 1, 2 ... if None.
            along: the axis along the items.
            more: drawn under it.
        """
        y = np.asarray(values, np.float64)[self.order]
        across = np.arange(len(y), dtype=np.float64) if x is None else np.asarray(x, np.float64)
        marks: list[Mark] = [
            *more,
            Curve(across, y, key=mark),
            Points(np.stack((across, y), 1), size=6.0, key="points"),
        ]
        place = self.place
        if place is not None and np.isfinite(y[place]):
            name = (self.words(int(self.order[place])),)
            marks.append(Points(np.array([[across[place], y[place]]]), name, 3, 11.0, "ring", key="chosen"))
        axes = (along or Axis(self.label), axis)
        return self.pane(key, title, marks, mark, axes, places=Along(self, across, y))


@dataclass(frozen=True, slots=True, eq=False)
class ByIndex:
    """Places of a mark whose items are those of ``items``, in its order."""

    items: Items
    mark: str

    def at(self, spot: Spot) -> At | None:
        if spot.mark == "chosen" and self.items.chosen is not None:
            return {self.items.name: self.items.value(self.items.chosen)}
        if spot.mark not in (self.mark, "beside") or spot.index is None or not 0 <= spot.index < len(self.items.order):
            return None
        value = self.items.value(int(self.items.order[spot.index]))
        return None if value is None else {self.items.name: value}

    def lit(self, at: At) -> tuple[Mark, ...]:
        place = self.items.place_of(at[self.items.name]) if self.items.name in at else None
        return () if place is None else (Lit(self.mark, place),)


@dataclass(frozen=True, slots=True, eq=False)
class InTiles:
    """Places in tiles: the item, and the cell inside it."""

    items: Items
    mark: str
    cells: Cells | None
    shape: tuple[int, ...]
    placing: bool = True

    def at(self, spot: Spot) -> At | None:
        found = ByIndex(self.items, self.mark).at(spot)
        if found is None:
            return None
        row, column = int(np.floor(spot.y)), int(np.floor(spot.x))
        if not (0 <= row < self.shape[0] and 0 <= column < self.shape[1]):
            return found
        if self.cells is None:
            return {**found, "row": row, "column": column}
        place = at_cell((row, column), self.cells.centre(row, column), self.cells.size)
        return {**found, **(place if self.placing else {name: place[name] for name in ("row", "column", "xy")})}

    def lit(self, at: At) -> tuple[Mark, ...]:
        """The item's tile, or the chosen one's where only a place of the picture is known, with the cell in it."""
        place = self.items.place_of(at[self.items.name]) if self.items.name in at else self.items.place
        inside = self._cell(at)
        if place is None or (self.items.name not in at and inside is None):
            return ()
        x, y = (None, None) if inside is None else (inside[1] + 0.5, inside[0] + 0.5)
        return (Lit(self.mark, place, x=x, y=y),)

    def _cell(self, at: At) -> tuple[int, int] | None:
        if self.cells is not None and "xy" in at:
            return self.cells.under(*at["xy"])
        if "xy" not in at and "row" in at and at["row"] < self.shape[0] and at["column"] < self.shape[1]:
            return at["row"], at["column"]
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Along:
    """Places along an axis: the item nearest to the pointer."""

    items: Items
    x: NDArray[np.float64]
    y: NDArray[np.float64]

    def at(self, spot: Spot) -> At | None:
        if not len(self.x):
            return None
        margin = (self.x.max() - self.x.min()) / max(2 * (len(self.x) - 1), 1) or 0.5
        if not self.x.min() - margin <= spot.x <= self.x.max() + margin:
            return None
        return {self.items.name: self.items.value(int(self.items.order[int(np.abs(self.x - spot.x).argmin())]))}

    def lit(self, at: At) -> tuple[Mark, ...]:
        place = self.items.place_of(at[self.items.name]) if self.items.name in at else None
        if place is None or not np.isfinite(self.y[place]):
            return ()
        return (Points(np.array([[self.x[place], self.y[place]]]), colours=CHOSEN, size=10.0, key="probe"),)


@dataclass(frozen=True, slots=True, eq=False)
class InMatrix:
    """Places of a matrix: an item of each dimension."""

    rows: Items
    columns: Items

    def at(self, spot: Spot) -> At | None:
        row, column = int(np.floor(spot.y)), int(np.floor(spot.x))
        if not (0 <= row < len(self.rows.order) and 0 <= column < len(self.columns.order)):
            return None
        return {
            self.rows.name: self.rows.value(int(self.rows.order[row])),
            self.columns.name: self.columns.value(int(self.columns.order[column])),
        }

    def lit(self, at: At) -> tuple[Mark, ...]:
        """The cell; the whole row or column where only one of both is known."""
        spans = []
        for items in (self.columns, self.rows):
            place = items.place_of(at[items.name]) if items.name in at else None
            if items.name in at and place is None:
                return ()
            spans.append((0, len(items.order)) if place is None else (place, place + 1))
        if self.rows.name not in at and self.columns.name not in at:
            return ()
        (x0, x1), (y0, y1) = spans
        return (Boxes(np.array([[x0, y0, x1, y1]], np.float64), colours=CHOSEN, key="probe"),)


def matrix(
    key: str,
    title: str,
    values: NDArray[np.floating],
    rows: Items,
    columns: Items,
    label: str = "",
    *,
    unit: str = "",
    ends: Ends = OPEN,
    colormap: Colormap | None = None,
    mark: str = "matrix",
) -> Pane:
    """A number for each pair of two dimensions, as coloured cells: attention, confusion, a kernel.

    Args:
        values: (all rows, all columns), by the items' numbers.
    """
    shown = np.asarray(values)[np.ix_(rows.order, columns.order)]
    heat = Heatmap(shown, label, unit, *ends, colormap=colormap or signed_colours(shown), key=mark)
    height, width = shown.shape
    return Pane(key, title, (heat,), size=(float(width), float(height)), places=InMatrix(rows, columns))
