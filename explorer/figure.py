"""What to draw, as plain data: the last of the four nouns, Frame -> Task -> Trace -> Figure.

A panel's ``draw`` returns a :class:`Figure`; ``explorer.canvas`` turns it into pixels. Nothing here knows Qt, so a figure can be
made, looked into and tested without a window.

Coordinates. A picture pane counts in pixels of its picture, x to the right and y down, continuous: the pixel in row i and
column j covers [j, j + 1) x [i, i + 1). A chart pane (one with ``axes``) has y up. Array data is never changed after it went
into a mark: marks compare by identity, and the canvas skips a mark it has already drawn.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating] | NDArray[np.integer]
"""Real numbers of any width; whole ones are as good."""
Extent = tuple[float, float, float, float]
"""x0, y0, x1, y1 in the pane's coordinates."""

Colour = int | str
"""An index into the theme's colour-blind-safe palette, or ``#rrggbb`` where the colour itself is the data."""

Colours = Colour | Sequence[Colour]
"""One colour for all, or one for each item."""

LineStyle = Literal["solid", "dashed", "dotted"]

Colormap = Literal["viridis", "cividis", "magma", "grey", "diverging", "phase"]
"""viridis, cividis, magma and grey for quantities (perceptually uniform); diverging for signed ones, zero in the
middle; phase for angles (cyclic)."""


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """Colour pixels.

    A picture of any size and shape is given as it is: the canvas averages or enlarges it to the pixels of the screen, once for
    each array and place. Several that stand beside or on each other are several marks, each with its extent and key, not copied
    into one array; ``explorer.views.strips`` and ``explorer.views.mosaic`` set them in rows.

    Args:
        pixels: (H, W, 3) or (H, W, 4) uint8 RGB(A), or (H, W) uint8 grey.
        extent: where the picture lies; default (0, 0, W, H).
        opacity: 0 to 1.
    """

    pixels: NDArray[np.uint8]
    extent: Extent | None = None
    opacity: float = 1.0
    key: str = "image"


@dataclass(frozen=True, slots=True, eq=False)
class Heatmap:
    """One number a cell, coloured, with a legend.

    Maps of different sizes may lie side by side in one pane, each with its extent and key; those whose colours mean the same
    (label, unit, colour map, low and high) share one legend. Neither scaling nor colours need be worked out before.

    Args:
        values: (h, w) real numbers; NaN is drawn transparent.
        label, unit: for legend and read-out, e.g. ``activation``.
        low, high: the ends of the colour range; None takes the data's own (for ``diverging``, symmetric about 0).
        extent: where the map lies in the pane; default (0, 0, w, h).
        smooth: interpolate between cells instead of showing each as a rectangle.
    """

    values: FloatArray
    label: str = ""
    unit: str = ""
    low: float | None = None
    high: float | None = None
    colormap: Colormap = "viridis"
    opacity: float = 1.0
    extent: Extent | None = None
    smooth: bool = False
    key: str = "heatmap"


@dataclass(frozen=True, slots=True, eq=False)
class Tiles:
    """Many small heat maps of one size in a grid, such as a layer's channels. Stands alone in its pane.

    The canvas arranges the tiles to fill the pane. A spot on it has ``index`` (which tile) and x, y inside that
    tile, counted in its cells.

    Args:
        values: (N, h, w) real numbers.
        titles: N short captions.
        low, high: one colour range for all tiles; None takes the data's own.
        each: every tile has its own range instead (the legend then says so).
        selected: the tile drawn with a frame around it.
    """

    values: FloatArray
    titles: tuple[str, ...] = ()
    label: str = ""
    unit: str = ""
    low: float | None = None
    high: float | None = None
    each: bool = False
    colormap: Colormap = "viridis"
    selected: int | None = None
    key: str = "tiles"


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Axis-aligned rectangles.

    Args:
        xyxy: (N, 4) corners.
        labels: N captions, or none.
        width: one line width for all, or one for each.
        fill: opacity of the inside, 0 to 1.
        styles: one line style for all, or one for each.
    """

    xyxy: FloatArray
    labels: tuple[str, ...] = ()
    colours: Colours = 0
    width: float | Sequence[float] = 2.0
    styles: LineStyle | Sequence[LineStyle] = "solid"
    fill: float = 0.0
    key: str = "boxes"


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Marked positions.

    Args:
        xy: (N, 2).
        size: diameter on the screen in pixels.
    """

    xy: FloatArray
    labels: tuple[str, ...] = ()
    colours: Colours = 0
    size: float = 8.0
    symbol: Literal["disc", "ring", "cross", "square"] = "disc"
    key: str = "points"


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Straight lines from start (N, 2) to end (N, 2)."""

    start: FloatArray
    end: FloatArray
    colours: Colours = 0
    width: float = 2.0
    style: LineStyle = "solid"
    key: str = "segments"


@dataclass(frozen=True, slots=True, eq=False)
class Arrows:
    """Arrows from start (N, 2) along vector (N, 2), both in the pane's coordinates."""

    start: FloatArray
    vector: FloatArray
    colours: Colours = 0
    width: float = 2.0
    key: str = "arrows"


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A line through (x, y), both (N,), in a chart pane."""

    x: FloatArray
    y: FloatArray
    label: str = ""
    colour: Colour = 0
    width: float = 2.0
    style: LineStyle = "solid"
    key: str = "curve"


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Bars in a chart pane.

    Args:
        values: (N,) heights.
        labels: N captions under the bars, for categories.
        edges: (N + 1,) where the bars begin and end, for a histogram; default i - 0.4 and i + 0.4.
        horizontal: bars grow to the right, the first on top.
        selected: the bar drawn in the accent colour.
    """

    values: FloatArray
    labels: tuple[str, ...] = ()
    edges: FloatArray | None = None
    label: str = ""
    colours: Colours = 0
    horizontal: bool = False
    selected: int | None = None
    key: str = "bars"


@dataclass(frozen=True, slots=True)
class TableColumn:
    title: str
    unit: str = ""
    digits: int | None = None
    """Decimals shown for real numbers; None shows four significant figures."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Rows of words and numbers. Stands alone in its pane; a spot on it has ``index`` = the row."""

    columns: tuple[TableColumn, ...]
    rows: tuple[tuple[str | float | int, ...], ...]
    selected: int | None = None
    key: str = "table"


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """Boxes joined by lines that lead from left to right, placed already. Stands alone in its pane.

    A spot on it has ``index``: a box, or, counted on from the last box, a line.

    Args:
        boxes: (N, 4) x0, y0, x1, y1; words are written to fit boxes about 40 high.
        titles, details: the first and the second line of words in each.
        frames: the boxes that are drawn as frames around others, their title at the top.
        lines: of each line the (K, 2) points it goes through; an arrow stands at its end.
        ends: (E, 2) the boxes each line joins.
        line_labels: words on each line.
        values: (N,) numbers that colour the boxes, NaN for none; None takes ``colours``.
        label, unit, low, high, colormap: of the values, as in Heatmap.
        meanings: what the colours stand for, shown in a corner.
        selected: the box drawn with a frame around it.
    """

    boxes: FloatArray
    titles: tuple[str, ...]
    details: tuple[str, ...] = ()
    frames: frozenset[int] = frozenset()
    lines: tuple[FloatArray, ...] = ()
    ends: NDArray[np.integer] | None = None
    line_labels: tuple[str, ...] = ()
    colours: Colours = 7
    values: FloatArray | None = None
    label: str = ""
    unit: str = ""
    low: float | None = None
    high: float | None = None
    colormap: Colormap = "viridis"
    meanings: tuple[tuple[Colour, str], ...] = ()
    selected: int | None = None
    key: str = "graph"


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """Words at a place of the pane, or, with no place, filling a pane of their own."""

    text: str
    xy: tuple[float, float] | None = None
    colour: Colour | None = None
    key: str = "text"


@dataclass(frozen=True, slots=True, eq=False)
class Handles:
    """A shape the mouse can drag; dragging sets a field of the panel's Params or View.

    Args:
        field: the name of that field; ``name.i`` is item i of a tuple.
        kind: ``point`` for (x, y), ``box`` for (x0, y0, x1, y1).
        value: where it is now, in the pane's coordinates.
        bounds: it stays inside this extent.
    """

    field: str
    kind: Literal["point", "box"]
    value: tuple[float, ...]
    label: str = ""
    colour: Colour = 1
    bounds: Extent | None = None
    key: str = "handles"


@dataclass(frozen=True, slots=True, eq=False)
class Lit:
    """Lights up item ``index`` of the mark ``target`` that is already in the pane (in a Probe's marks).

    Args:
        x, y: of a Tiles mark also this place inside the tile, in its cells.
    """

    target: str
    index: int
    key: str = "lit"
    x: float | None = None
    y: float | None = None


Mark = (
    Image | Heatmap | Tiles | Boxes | Points | Segments | Arrows | Curve | Bars | Table | Graph | Text | Handles | Lit
)


@dataclass(frozen=True, slots=True)
class Axis:
    label: str
    unit: str = ""
    log: bool = False
    low: float | None = None
    high: float | None = None


At = Mapping[str, Any]
"""A place by the names of its dimensions: ``{"channel": 17, "row": 3, "column": 9, "place": (0.3, 0.4)}``.

A dimension that has the name of a knob is set by a click. ``place`` is in parts of the picture's width and height, ``xy`` in its pixels:
panes whose cells differ understand each other by it.
"""


class Places(Protocol):
    """What the places of a pane stand for, and back: what makes panes point at each other without a line in the panel."""

    def at(self, spot: "Spot") -> At | None:
        """What is under the pointer; None where nothing is."""
        ...

    def lit(self, at: At) -> tuple[Mark, ...]:
        """The same thing in this pane; empty where this pane does not have it."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Pane:
    """One drawing area.

    Args:
        key: names the pane within its figure, the same from frame to frame.
        marks: drawn in order, the last on top.
        space: picture panes with the same space zoom and pan together; empty stands alone.
        axes: x and y of a chart; None makes a picture (or a table or text, by its mark).
        size: (w, h) of the picture's coordinates, for the first fit; None takes what the marks cover.
        places: what its places stand for; None where they stand for nothing that other panes or knobs know.
        again: by dimension, what a click sets that hits what the knob has already, such as ``{"box": -1}``.
        also: what a click that sets something sets besides, such as ``{"grad_cam": True}``.
    """

    key: str
    title: str
    marks: tuple[Mark, ...]
    space: str = ""
    axes: tuple[Axis, Axis] | None = None
    size: tuple[float, float] | None = None
    places: Places | None = None
    again: At = field(default_factory=dict)
    also: At = field(default_factory=dict)

    def with_marks(self, *marks: Mark) -> "Pane":
        """The same with more drawn on top."""
        return replace(self, marks=(*self.marks, *marks))


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """Side by side, widths in proportion to weights (default equal)."""

    children: tuple["Layout", ...]
    weights: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One above the other, heights in proportion to weights (default equal)."""

    children: tuple["Layout", ...]
    weights: tuple[float, ...] = ()


Layout = Pane | Row | Column


@dataclass(frozen=True, slots=True)
class Note:
    """One sentence above the figure."""

    text: str
    level: Literal["info", "warning"] = "info"


class Asked(Mapping[str, object]):
    """Values that are worked out when somebody looks at them for the first time: an explanation that nobody reads costs nothing."""

    def __init__(self, make: Callable[[], Mapping[str, object]]) -> None:
        self._make: Callable[[], Mapping[str, object]] | None = make
        self._made: Mapping[str, object] = {}

    def _known(self) -> Mapping[str, object]:
        if self._make is not None:
            self._made, self._make = self._make(), None
        return self._made

    def __getitem__(self, name: str) -> object:
        return self._known()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """Everything one panel shows.

    Args:
        layout: panes, side by side and above each other.
        values: what fills the ``{names}`` in the panel's explanation, or :class:`Asked`.
        notes: sentences shown above the panes.
    """

    layout: Layout
    values: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    def panes(self) -> tuple[Pane, ...]:
        """All panes, first to last as they are read."""

        def walk(layout: Layout) -> tuple[Pane, ...]:
            if isinstance(layout, Pane):
                return (layout,)
            return tuple(pane for child in layout.children for pane in walk(child))

        return walk(self.layout)


@dataclass(frozen=True, slots=True)
class Spot:
    """Where the pointer is.

    Args:
        pane, mark: keys; mark is empty where there is nothing but the pane.
        x, y: in the pane's coordinates (for Tiles: inside the tile, in its cells).
        index: which item of the mark: box, point, tile, bar, row; None for a heat map or picture.
    """

    pane: str
    mark: str
    x: float
    y: float
    index: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """What is under the pointer: words for the read-out, and marks laid over panes (by their key)."""

    text: str
    marks: Mapping[str, tuple[Mark, ...]] = field(default_factory=dict)
