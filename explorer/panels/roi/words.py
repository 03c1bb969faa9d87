"""The explanation, and the numbers of the chosen bin that fill it."""

import numpy as np

from cvcore.ops.roi.error import SHIFTS
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.roi.bins import Selection, align_contribution, feature_map, off, outputs, selection
from explorer.panels.roi.compute import Trace
from explorer.panels.roi.controls import AVERAGE, Params, View


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
