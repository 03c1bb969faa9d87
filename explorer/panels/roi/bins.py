"""The chosen bin of both operators: where its edges lie, which cells it reads, what places stand for, and its numbers in words.

RoI Align has the value of cell i at i: places are counted from the centre of the first cell here, edges of RoI Pool from its corner.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvcore.ops.roi.error import SHIFTS
from explorer.figure import At, Boxes, Colour, Mark, Spot
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.roi.compute import Trace
from explorer.panels.roi.controls import AVERAGE, ONE, Params, View

Array = NDArray[Any]
Window = tuple[int, int, int, int]
"""First column, first row, last column + 1 and last row + 1, in cells."""
CHOSEN: Colour = 6


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen bin, sampling point and channel; None is the mean over channels."""

    row: int
    column: int
    point: int
    channel: int | None

    @property
    def bin(self) -> tuple[int, int]:
        return self.row, self.column


def selection(trace: Trace, view: View) -> Selection:
    """What the view's fields mean for this trace; they may be from a larger one."""
    bins = trace.params.output_size
    row, column = (bins // 2 if n < 0 else min(n, bins - 1) for n in (view.row, view.column))
    points = int(trace.align.y.count[0]) * int(trace.align.x.count[0])
    channel = min(view.channel, len(trace.features) - 1) if trace.params.channels == ONE else None
    return Selection(row, column, min(max(view.point, 0), max(points - 1, 0)), channel)


def feature_map(trace: Trace, chosen: Selection) -> Array:
    """(H, W)."""
    values = trace.mean if chosen.channel is None else trace.features[chosen.channel]
    return np.asarray(values.numpy())


def outputs(trace: Trace, chosen: Selection) -> tuple[Array, Array]:
    """(P, P) of RoI Pool and RoI Align."""
    both = (trace.pool.out[0], trace.align.out[0])
    pool, align = (np.asarray((o.mean(0) if chosen.channel is None else o[chosen.channel]).numpy()) for o in both)
    return pool, align


def crop(trace: Trace) -> Window:
    """The cells shown: those touched and one more on each side."""
    spans = []
    rows, columns = trace.cells.shape
    for pool, align, cells in ((trace.pool.x, trace.align.x, columns), (trace.pool.y, trace.align.y, rows)):
        low = min(float(pool.real.min()), float(pool.first.min()), float(align.edges.min()) + 0.5)
        high = max(float(pool.real.max()), float(pool.stop.max()), float(align.edges.max()) + 0.5)
        first = min(max(int(np.floor(low)) - 1, 0), cells - 1)
        spans.append((first, max(min(int(np.ceil(high)) + 1, cells), first + 1)))
    return spans[0][0], spans[1][0], spans[0][1], spans[1][1]


# -- edges, in pixels of the picture


def bins_between(trace: Trace, x: Array, y: Array) -> Array:
    """(P, P, 4) of bins whose edges are these, (P + 1,) counted from the corner of the first cell."""
    x0, y0 = np.meshgrid(x[:-1], y[:-1])
    x1, y1 = np.meshgrid(x[1:], y[1:])
    return trace.cells.area(np.stack((x0, y0, x1, y1), -1))


def align_edges(trace: Trace) -> tuple[Array, Array]:
    """Of RoI Align's bins along x and y, counted from the corner of the first cell."""
    return trace.align.x.edges[0].numpy() + 0.5, trace.align.y.edges[0].numpy() + 0.5


def real_bins(trace: Trace) -> Array:
    """(P, P, 4) where bins belong."""
    return bins_between(trace, trace.pool.x.real[0].numpy(), trace.pool.y.real[0].numpy())


def align_bins(trace: Trace) -> Array:
    """(P, P, 4) where RoI Align has its bins."""
    return bins_between(trace, *align_edges(trace))


def pool_bins(trace: Trace) -> Array:
    """(P, P, 4) the cells that RoI Pool reads for each bin."""
    x, y = trace.pool.x, trace.pool.y
    x0, y0 = np.meshgrid(x.first[0].numpy(), y.first[0].numpy())
    x1, y1 = np.meshgrid(x.stop[0].numpy(), y.stop[0].numpy())
    return trace.cells.area(np.stack((x0, y0, x1, y1), -1))


def pool_region(trace: Trace) -> Array:
    """(4,) the region after its ends were rounded. The last cell belongs to it."""
    x, y = trace.pool.x, trace.pool.y
    x0, y0, x1, y1 = (float(v) for v in (x.start[0], y.start[0], x.end[0] + 1, y.end[0] + 1))
    return trace.cells.area(np.array([x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)]))


def align_region(trace: Trace) -> Array:
    """(4,) the region that RoI Align divides."""
    x, y = align_edges(trace)
    return trace.cells.area(np.array([x[0], y[0], x[-1], y[-1]]))


def off(trace: Trace, row: int, column: int) -> tuple[Array, Array]:
    """(4,) and (4,): how far RoI Pool's and RoI Align's edges of a bin lie from where they belong, in pixels."""
    real = real_bins(trace)[row, column]
    return pool_bins(trace)[row, column] - real, align_bins(trace)[row, column] - real


# -- what a bin is made of


def sampling_points(trace: Trace, row: int, column: int) -> Array:
    """(S, 2) x and y of RoI Align's points in a bin, in pixels of the picture."""
    return trace.cells.on_picture(trace.align.sampling_points(0, row, column).numpy())


def pool_contribution(trace: Trace, chosen: Selection) -> tuple[Array, Array]:
    """(M, 2) rows and columns of the cells that the chosen bin of RoI Pool is made from, and (M,) their weights."""
    found = trace.pool.gradient_cells(0, *chosen.bin, chosen.channel)
    return found.cells.numpy(), found.weight.numpy()


def align_contribution(trace: Trace, chosen: Selection) -> tuple[Array, Array]:
    """The same for RoI Align; with the maximum over all channels, the mean of their weights."""
    if trace.point_share is None or chosen.channel is not None:
        found = trace.align.gradient_cells(0, *chosen.bin, chosen.channel)
        return found.cells.numpy(), found.weight.numpy()
    cells, weights = trace.align.bilinear(0, *chosen.bin)
    share = trace.point_share[chosen.row, chosen.column, : len(weights)]
    total = np.zeros(trace.cells.shape)
    flat = cells.reshape(-1, 2).numpy()
    np.add.at(total, (flat[:, 0], flat[:, 1]), (weights * share[:, None]).reshape(-1).numpy())
    return np.argwhere(total > 0), total[total > 0]


def point_values(trace: Trace, chosen: Selection) -> Array:
    """(S,) the interpolated map at each sampling point of the chosen bin."""
    cells, weights = trace.align.bilinear(0, *chosen.bin)
    values = feature_map(trace, chosen)[cells[..., 0].numpy(), cells[..., 1].numpy()]  # (S, 4)
    return np.asarray((values * weights.numpy()).sum(1))


def bin_gradients(trace: Trace, chosen: Selection) -> Array:
    """(2, H, W) of the chosen bin's output, RoI Pool's first."""
    maps = np.zeros((2, *trace.cells.shape), np.float32)
    both = (pool_contribution(trace, chosen), align_contribution(trace, chosen))
    for values, (cells, weight) in zip(maps, both, strict=True):
        values[cells[:, 0], cells[:, 1]] = weight
    return maps


# -- what places stand for


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """A bin, wherever it is drawn; on the picture also the cell under the pointer.

    Args:
        boxes: (P, P, 4) of the bins in the pane's coordinates.
        edges: where a place must lie to belong to a bin, as ``boxes``; None where only the cell is told.
        points: the nearest sampling point of RoI Align belongs to the place, too.
        on_map: the pane counts in pixels of the picture.
    """

    trace: Trace
    boxes: Array
    edges: Array | None
    points: bool = False
    on_map: bool = True

    def at(self, spot: Spot) -> At | None:
        said: dict[str, Any] = {}
        cell = self.trace.cells.under(spot.x, spot.y) if self.on_map else None
        if cell is not None:
            said["cell"] = cell
        bin_ = None if self.edges is None else self._bin(self.edges, spot)
        if bin_ is not None:
            said |= {"row": bin_[0], "column": bin_[1]}
            near = sampling_points(self.trace, *bin_) if self.points else ()
            if len(near):
                said["point"] = int(((near - np.array([spot.x, spot.y])) ** 2).sum(1).argmin())
        return said or None

    def _bin(self, edges: Array, spot: Spot) -> tuple[int, int] | None:
        column = int(np.searchsorted([*edges[0, :, 0], edges[0, -1, 2]], spot.x, "right")) - 1
        row = int(np.searchsorted([*edges[:, 0, 1], edges[-1, 0, 3]], spot.y, "right")) - 1
        bins = len(edges)
        return (row, column) if 0 <= row < bins and 0 <= column < bins else None

    def lit(self, at: At) -> tuple[Mark, ...]:
        if "row" not in at:
            return ()
        box = self.boxes[at["row"], at["column"]].astype(np.float64)
        return (Boxes(box.reshape(1, 4), (), CHOSEN, 2.0, fill=0.15, key="probe"),)


# -- in words


def sentence(trace: Trace, chosen: Selection) -> str:
    """What the rounding does to the chosen bin."""
    pool, align = off(trace, *chosen.bin)
    bins = trace.params.output_size
    x0, y0, x1, y1 = trace.roi
    sides = np.array([x1 - x0, y1 - y0]) / bins
    return tr(
        "Bin ({row}, {column}) is {width:.1f} × {height:.1f} px of the picture. "
        "RoI Pool's edges miss it by up to {pool:.1f} px, RoI Align's by {align:.1f} px.",
        row=chosen.row,
        column=chosen.column,
        width=sides[0],
        height=sides[1],
        pool=float(np.abs(pool).max()),
        align=float(np.abs(align).max()),
    )


def explain(result: Result[Trace, Params], view: View) -> dict[str, object]:
    """What fills the explanation."""
    trace = result.trace
    chosen = selection(trace, view)
    params, j = trace.params, chosen.column
    x, edges = trace.pool.x, trace.align.x.edges[0]
    pool, align = outputs(trace, chosen)
    pool_off, _ = off(trace, *chosen.bin)
    at = chosen.bin
    start, end = int(x.start[0]), max(int(x.end[0]), int(x.start[0]))
    points = trace.align.sampling_points(0, *at)
    cell = float(np.mean(trace.cells.cell or 0.0))
    found: dict[str, object] = {
        "bins": params.output_size,
        "stride": int(params.stride),
        "cell": cell,
        "half": cell / 2,
        "row": chosen.row,
        "column": j,
        "x1": float(x.real[0, 0]),
        "x2": float(x.real[0, -1]),
        "start": start,
        "end": end,
        "length": end - start + 1,
        "low": float(x.edges[0, j]),
        "high": float(x.edges[0, j + 1]),
        "first": int(x.first[0, j]),
        "stop": int(x.stop[0, j]),
        "last": int(x.stop[0, j]) - 1,
        "real0": float(x.real[0, j]),
        "real1": float(x.real[0, j + 1]),
        "off0": float(pool_off[0]),
        "off1": float(pool_off[2]),
        "pool": float(pool[at]),
        "align": float(align[at]),
        "shift": "½" if params.aligned else "0",
        "align0": float(edges[j]),
        "align_width": float(edges[j + 1] - edges[j]),
        "points": len(points),
        "mode": tr("average") if params.mode == AVERAGE else tr("maximum"),
        "layer": tr(params.layer),
        "places": SHIFTS**2,
    }
    return found | (_sample(trace, chosen) if len(points) else {})


def _sample(trace: Trace, chosen: Selection) -> dict[str, object]:
    """Of the chosen sampling point."""
    at = chosen.bin
    cells, weights = trace.align.bilinear(0, *at)
    px, py = trace.align.sampling_points(0, *at)[chosen.point].tolist()
    corner, weight = cells[chosen.point].numpy(), weights[chosen.point].numpy()
    corners = feature_map(trace, chosen)[corner[:, 0], corner[:, 1]]
    rows, columns = trace.cells.shape
    terms = " + ".join(
        f"{w:.2f} · {v:.3g}" if v >= 0 else f"{w:.2f} · (−{-v:.3g})" for w, v in zip(weight, corners, strict=True)
    )
    return {
        "px": px,
        "py": py,
        "dx": min(max(px, 0.0), columns - 1.0) - float(corner[0, 1]),
        "dy": min(max(py, 0.0), rows - 1.0) - float(corner[0, 0]),
        "weights": terms,
        "sampled": float((weight * corners).sum()),
        "cells": len(align_contribution(trace, chosen)[0]),
    }
