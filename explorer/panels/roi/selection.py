"""What is selected in the panel, and the numbers of it that are drawn and said."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.panels.roi.controls import ONE, View
from explorer.panels.roi.trace import Trace

Array = NDArray[Any]
Window = tuple[int, int, int, int]
"""First column, first row, last column + 1 and last row + 1, in cells."""
HALF = 0.5
"""RoI Align has the value of cell i at i, and the panes draw that cell from i to i + 1."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen bin, sampling point and channel; None is the mean over channels."""

    row: int
    column: int
    point: int
    channel: int | None


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
    for pool, align, cells in (
        (trace.pool.x, trace.align.x, trace.grid.shape[1]),
        (trace.pool.y, trace.align.y, trace.grid.shape[0]),
    ):
        low = min(float(pool.real.min()), float(pool.first.min()), float(align.edges.min()) + HALF)
        high = max(float(pool.real.max()), float(pool.stop.max()), float(align.edges.max()) + HALF)
        first = min(max(int(np.floor(low)) - 1, 0), cells - 1)
        spans.append((first, max(min(int(np.ceil(high)) + 1, cells), first + 1)))
    return spans[0][0], spans[1][0], spans[0][1], spans[1][1]


def edges(trace: Trace) -> tuple[tuple[Array, Array], ...]:
    """(x, y) edges of the bins in cells: where they belong, and RoI Align's."""
    real = trace.pool.x.real[0].numpy(), trace.pool.y.real[0].numpy()
    align = trace.align.x.edges[0].numpy() + HALF, trace.align.y.edges[0].numpy() + HALF
    return real, align


def real_bin(trace: Trace, row: int, column: int) -> Array:
    """(4,) in pixels of the picture, where a bin belongs."""
    x, y = edges(trace)[0]
    return trace.grid.boxes(np.array([x[column], y[row], x[column + 1], y[row + 1]]))


def align_bin(trace: Trace, row: int, column: int) -> Array:
    """(4,) in pixels of the picture, where RoI Align has a bin."""
    x, y = edges(trace)[1]
    return trace.grid.boxes(np.array([x[column], y[row], x[column + 1], y[row + 1]]))


def pool_bin(trace: Trace, row: int, column: int) -> Array:
    """(4,) in pixels of the picture, the cells that RoI Pool reads for a bin."""
    x, y = trace.pool.x, trace.pool.y
    cells = [x.first[0, column], y.first[0, row], x.stop[0, column], y.stop[0, row]]
    return trace.grid.boxes(np.array([float(v) for v in cells]))


def pool_region(trace: Trace) -> Array:
    """(4,) in pixels of the picture, the region after its ends were rounded. The last cell belongs to it."""
    x, y = trace.pool.x, trace.pool.y
    cells = [x.start[0], y.start[0], x.end[0] + 1, y.end[0] + 1]
    box = [float(v) for v in cells]
    return trace.grid.boxes(np.array([box[0], box[1], max(box[2], box[0] + 1), max(box[3], box[1] + 1)]))


def align_region(trace: Trace) -> Array:
    """(4,) in pixels of the picture, the region that RoI Align divides."""
    x, y = edges(trace)[1]
    return trace.grid.boxes(np.array([x[0], y[0], x[-1], y[-1]]))


def off(trace: Trace, chosen: Selection) -> tuple[Array, Array]:
    """(4,) and (4,): how far RoI Pool's and RoI Align's edges of the chosen bin lie from where they belong, in pixels."""
    at = chosen.row, chosen.column
    real = real_bin(trace, *at)
    return pool_bin(trace, *at) - real, align_bin(trace, *at) - real


def pool_contribution(trace: Trace, chosen: Selection) -> tuple[Array, Array]:
    """(M, 2) rows and columns of the cells that the chosen bin of RoI Pool is made from, and (M,) their weights."""
    found = trace.pool.gradient_cells(0, chosen.row, chosen.column, chosen.channel)
    return found.cells.numpy(), found.weight.numpy()


def align_contribution(trace: Trace, chosen: Selection) -> tuple[Array, Array]:
    """The same for RoI Align; with the maximum over all channels, the mean of their weights."""
    if trace.point_share is None or chosen.channel is not None:
        found = trace.align.gradient_cells(0, chosen.row, chosen.column, chosen.channel)
        return found.cells.numpy(), found.weight.numpy()
    cells, weights = trace.align.bilinear(0, chosen.row, chosen.column)
    share = trace.point_share[chosen.row, chosen.column, : len(weights)]
    total = np.zeros(trace.grid.shape)
    flat = cells.reshape(-1, 2).numpy()
    np.add.at(total, (flat[:, 0], flat[:, 1]), (weights * share[:, None]).reshape(-1).numpy())
    found_cells = np.argwhere(total > 0)
    return found_cells, total[total > 0]


def point_values(trace: Trace, chosen: Selection) -> Array:
    """(S,) the interpolated map at each sampling point of the chosen bin."""
    cells, weights = trace.align.bilinear(0, chosen.row, chosen.column)
    values = feature_map(trace, chosen)[cells[..., 0].numpy(), cells[..., 1].numpy()]  # (S, 4)
    return np.asarray((values * weights.numpy()).sum(1))
