"""Outputs as heat maps, the chosen bin's sum as a table, and the curves of error against size."""

import numpy as np

from explorer.figure import Axis, Boxes, Curve, Heatmap, Pane, Points, Segments, Table, TableColumn
from explorer.i18n import tr
from explorer.panels.roi.controls import AVERAGE
from explorer.panels.roi.error import ALIGN, POOL
from explorer.panels.roi.maps import ALIGN as ALIGN_COLOUR
from explorer.panels.roi.maps import CHOSEN
from explorer.panels.roi.maps import POOL as POOL_COLOUR
from explorer.panels.roi.selection import (
    Selection,
    align_contribution,
    feature_map,
    off,
    outputs,
    pool_contribution,
    pool_region,
)
from explorer.panels.roi.trace import Trace

OUTPUTS = ("pool_out", "align_out", "difference")


def output_panes(trace: Trace, chosen: Selection) -> tuple[Pane, ...]:
    """Both outputs in the same colours, and their difference."""
    pool, align = outputs(trace, chosen)
    low, high = float(min(pool.min(), align.min())), float(max(pool.max(), align.max()))
    bins = trace.params.output_size
    mark = Boxes(
        np.array([[chosen.column, chosen.row, chosen.column + 1, chosen.row + 1]]), (), CHOSEN, 3.0, key="chosen"
    )
    size = float(bins), float(bins)
    difference = pool - align
    largest = float(np.abs(difference).max())
    return (
        Pane(OUTPUTS[0], tr("RoI Pool gives"), (
            Heatmap(pool, tr("output"), low=low, high=high, colormap="grey"), mark), space="output", size=size),
        Pane(OUTPUTS[1], tr("RoI Align gives"), (
            Heatmap(align, tr("output"), low=low, high=high, colormap="grey"), mark), space="output", size=size),
        Pane(OUTPUTS[2], tr("Pool − Align"), (
            Heatmap(difference, tr("difference"), low=-largest, high=largest, colormap="diverging"), mark,
        ), space="output", size=size),
    )  # fmt: skip


def sum_table(trace: Trace, chosen: Selection) -> Pane:
    """The cells that the chosen bin is made from, with what each adds."""
    values = feature_map(trace, chosen)
    pool, align = (
        {(int(r), int(c)): float(w) for (r, c), w in zip(cells, weight, strict=True)}
        for cells, weight in (pool_contribution(trace, chosen), align_contribution(trace, chosen))
    )
    # With the maximum each channel has its own cells: weights of the mean are parts of the channels, and do not make a sum.
    sums = chosen.channel is not None or trace.params.mode == AVERAGE
    out_pool, out_align = (float(out[chosen.row, chosen.column]) for out in outputs(trace, chosen))
    rows: list[tuple[str | float | int, ...]] = [(tr("output"), "", out_pool, out_align, out_align)]
    for cell in sorted(pool.keys() | align.keys(), key=lambda cell: (-pool.get(cell, 0.0), cell)):
        value, of_align = float(values[cell]), align.get(cell)
        product = of_align * value if of_align is not None and sums else ""
        rows.append((f"{cell[0]}, {cell[1]}", value, pool.get(cell, ""), "" if of_align is None else of_align, product))
    columns = (
        TableColumn(tr("Cell (row, column)")),
        TableColumn(tr("Value"), digits=3),
        TableColumn(tr("Weight in Pool"), digits=3),
        TableColumn(tr("in Align"), digits=3),
        TableColumn(tr("Align: weight × value"), digits=3),
    )
    title = tr("What bin ({row}, {column}) is made of", row=chosen.row, column=chosen.column)
    return Pane("sum", title, (Table(columns, tuple(rows), key="cells"),))


def edge_table(trace: Trace, chosen: Selection) -> Pane:
    """How far the region's and the chosen bin's edges lie from where they belong, in pixels of the picture."""
    sides = (tr("left"), tr("top"), tr("right"), tr("bottom"))
    region = pool_region(trace) - np.array(trace.roi)
    pool, align = off(trace, chosen)
    rows = tuple((side, _signed(region[i]), _signed(pool[i]), _signed(align[i])) for i, side in enumerate(sides))
    columns = (
        TableColumn(tr("Edge")),
        TableColumn(tr("Pool: region")),
        TableColumn(tr("Pool: bin")),
        TableColumn(tr("Align: bin")),
    )
    return Pane("edges", tr("Edges are off by, in px of the picture"), (Table(columns, rows, key="edges"),))


def _signed(value: float) -> str:
    return f"{0.0 if abs(value) < 0.05 else value:+.1f}".replace("-", "−").replace("+0.0", "0.0")


def error_panes(trace: Trace, chosen: Selection) -> tuple[Pane, Pane]:
    """Error and misalignment against the region's size."""
    curve = trace.error
    assert curve is not None
    size = Axis(tr("root of the region's area"), tr("px of the picture"), low=0.0, high=float(curve.size[-1]))
    percent, here = curve.error * 100, curve.error_here * 100
    high = max(float(percent.max()), float(here.max()), 1.0) * 1.1
    own = Points(np.stack((np.full(2, curve.here), here), 1), colours=(POOL_COLOUR, ALIGN_COLOUR), size=10.0, key="own")
    mode = tr("average") if trace.params.mode == AVERAGE else tr("maximum")
    error = Pane(
        "error",
        tr("Error of the output: Σ|output − exact| / Σ|exact|"),
        (
            _upright(curve.here, high),
            Curve(curve.size, percent[POOL], "RoI Pool", POOL_COLOUR, 3.0, key="pool"),
            Curve(curve.size, percent[ALIGN], f"RoI Align · {mode}", ALIGN_COLOUR, 3.0, key="align"),
            own,
        ),
        axes=(size, Axis(tr("error"), "%", low=0.0, high=high)),
    )
    top = float(max(curve.bin.max(), curve.misalignment.max())) * 1.1
    why = Pane(
        "misalignment",
        tr("Why: rounding moves edges by as much, however small a bin is"),
        (
            _upright(curve.here, top),
            Curve(curve.size, curve.bin, tr("side of a bin"), 7, 2.0, "dashed", key="bin"),
            Curve(curve.size, curve.misalignment[POOL], tr("RoI Pool: edge off by"), POOL_COLOUR, 3.0, key="pool"),
            Curve(curve.size, curve.misalignment[ALIGN], tr("RoI Align: edge off by"), ALIGN_COLOUR, 3.0, key="align"),
        ),
        axes=(size, Axis(tr("mean length"), "px", low=0.0, high=top)),
    )
    return error, why


def _upright(at: float, high: float) -> Segments:
    """Where the region itself is."""
    return Segments(np.array([[at, 0.0]]), np.array([[at, high]]), 7, 1.5, "dotted", key="here")
