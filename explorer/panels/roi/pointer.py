"""What is under the pointer, and what a click sets."""

from typing import Any

import numpy as np

from explorer.figure import Boxes, Mark, Probe, Spot
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.roi.charts import OUTPUTS
from explorer.panels.roi.controls import View
from explorer.panels.roi.maps import CHOSEN
from explorer.panels.roi.region import as_box
from explorer.panels.roi.selection import HALF, align_bin, edges, feature_map, outputs, pool_bin, real_bin, selection
from explorer.panels.roi.trace import Trace

POOL_PANES, ALIGN_PANES = ("pool", "pool_gradient"), ("align", "align_gradient", "point")


def probe(result: Result, view: View, spot: Spot) -> Probe | None:
    """The bin under the pointer in all panes; on the maps also the cell."""
    trace: Trace = result.trace
    chosen = selection(trace, view)
    lines = []
    cell = trace.grid.at(spot.x, spot.y) if spot.pane in ("picture", *POOL_PANES, *ALIGN_PANES) else None
    if cell is not None:
        value = float(feature_map(trace, chosen)[cell])
        lines.append(tr("cell ({row}, {column}): {value:.4g}", row=cell[0], column=cell[1], value=value))
    found = bin_at(trace, spot)
    if found is None:
        return Probe(lines[0]) if lines else None
    row, column = found
    pool, align = (float(out[row, column]) for out in outputs(trace, chosen))
    lines.append(
        tr(
            "bin ({row}, {column}): RoI Pool {pool:.4g}, RoI Align {align:.4g}",
            row=row,
            column=column,
            pool=pool,
            align=align,
        )
    )
    place = pool_bin(trace, row, column) - real_bin(trace, row, column)
    lines.append(
        tr("RoI Pool's edges are off by {x0:+.1f}, {y0:+.1f}, {x1:+.1f}, {y1:+.1f} px",
           x0=place[0], y0=place[1], x1=place[2], y1=place[3])
    )  # fmt: skip
    return Probe("\n".join(lines), bin_marks(trace, row, column))


def bin_marks(trace: Trace, row: int, column: int) -> dict[str, tuple[Mark, ...]]:
    """A bin lit up wherever it is shown."""

    def lit(xyxy: Any) -> tuple[Mark, ...]:
        return (Boxes(np.asarray(xyxy, np.float64).reshape(1, 4), (), CHOSEN, 2.0, fill=0.15, key="probe"),)

    marks = dict.fromkeys(OUTPUTS, lit([column, row, column + 1, row + 1]))
    marks |= dict.fromkeys(POOL_PANES, lit(pool_bin(trace, row, column)))
    marks |= dict.fromkeys(ALIGN_PANES, lit(align_bin(trace, row, column)))
    return marks | {"picture": lit(real_bin(trace, row, column))}


def pick(result: Result, view: View, spot: Spot) -> dict[str, Any] | None:
    """On the picture a detected box becomes the region; elsewhere a bin is chosen, and its nearest sampling point."""
    trace: Trace = result.trace
    if spot.pane == "picture":
        return _take(trace, spot)
    if spot.pane == "points" and spot.index is not None:
        return {"point": spot.index}
    found = bin_at(trace, spot)
    if found is None:
        return None
    set_ = {"row": found[0], "column": found[1]}
    if spot.pane in ALIGN_PANES:
        points = trace.grid.points(trace.align.sampling_points(0, *found).numpy() + HALF)
        if len(points):
            set_["point"] = int(((points - np.array([spot.x, spot.y])) ** 2).sum(1).argmin())
    return set_


def _take(trace: Trace, spot: Spot) -> dict[str, Any] | None:
    boxes = trace.found.boxes
    if not len(boxes):
        return None
    low, high = boxes[:, :2].numpy(), boxes[:, 2:].numpy()
    under = (low <= (spot.x, spot.y)).all(1) & ((spot.x, spot.y) <= high).all(1)
    if not under.any():
        return None
    smallest = int(np.where(under, (high - low).prod(1), np.inf).argmin())
    box = as_box(boxes[smallest])
    return {"roi": box, "taken": box}


def bin_at(trace: Trace, spot: Spot) -> tuple[int, int] | None:
    """Row and column of the bin at a spot: of an output, or where it belongs (RoI Align's panes: where that has it)."""
    bins = trace.params.output_size
    if spot.pane in OUTPUTS:
        row, column = int(np.floor(spot.y)), int(np.floor(spot.x))
    elif spot.pane in (*POOL_PANES, *ALIGN_PANES):
        x, y = edges(trace)[1 if spot.pane in ALIGN_PANES else 0]
        column = int(np.searchsorted(trace.grid.x(x), spot.x, "right")) - 1
        row = int(np.searchsorted(trace.grid.y(y), spot.y, "right")) - 1
    else:
        return None
    return (row, column) if 0 <= row < bins and 0 <= column < bins else None
