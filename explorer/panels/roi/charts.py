"""Outputs as heat maps, the chosen bin's sum as a table, and the curves of error against size."""

import numpy as np

from explorer.figure import Axis, Boxes, Curve, Heatmap, Mark, Pane, Points, Segments, Table, TableColumn
from explorer.i18n import tr
from explorer.panels.roi.controls import AVERAGE
from explorer.panels.roi.error import ALIGN, POOL
from explorer.panels.roi.maps import ALIGN as ALIGN_COLOUR
from explorer.panels.roi.maps import CHOSEN, range_of
from explorer.panels.roi.maps import POOL as POOL_COLOUR
from explorer.panels.roi.selection import (
    Selection,
    align_contribution,
    align_region,
    feature_map,
    off,
    outputs,
    pool_contribution,
    pool_region,
    real_bin,
)
from explorer.panels.roi.trace import Trace

OUTPUTS = ("pool_out", "align_out", "difference")
ROWS_SHOWN = 24


def output_panes(trace: Trace, chosen: Selection) -> tuple[Pane, ...]:
    """Both outputs in the map's colours, and their difference."""
    low, high = range_of(trace, chosen)
    pool, align = outputs(trace, chosen)
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
    rows = []
    for cell in sorted(pool.keys() | align.keys()):
        value, of_pool, of_align = float(values[cell]), pool.get(cell, 0.0), align.get(cell, 0.0)
        rows.append((f"{cell[0]}, {cell[1]}", value, of_pool, of_align, of_align * value))
    out_pool, out_align = outputs(trace, chosen)
    at = chosen.row, chosen.column
    rows.append((tr("output"), float("nan"), float(out_pool[at]), float(out_align[at]), float(out_align[at])))
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
    real = np.array(trace.roi)
    at = chosen.row, chosen.column
    parts = (
        (tr("Region"), real, pool_region(trace) - real, align_region(trace) - real),
        (tr("Bin"), real_bin(trace, *at), *off(trace, chosen)),
    )
    rows = tuple(
        (f"{name}: {side}", float(where[i]), _signed(pool[i]), _signed(align[i]))
        for name, where, pool, align in parts
        for i, side in enumerate(sides)
    )
    columns = (
        TableColumn(tr("Edge")),
        TableColumn(tr("at"), "px", 1),
        TableColumn(tr("Pool off"), "px"),
        TableColumn(tr("Align off"), "px"),
    )
    return Pane("edges", tr("Misalignment in pixels of the picture"), (Table(columns, rows, key="edges"),))


def _signed(value: float) -> str:
    return f"{0.0 if abs(value) < 0.05 else value:+.1f}".replace("-", "−").replace("+0.0", "0.0")


def error_panes(trace: Trace, chosen: Selection) -> tuple[Pane, Pane]:
    """Error and misalignment against the region's size."""
    curve = trace.error
    assert curve is not None
    size = Axis(tr("root of the region's area"), "px", log=True)
    percent = curve.error * 100
    here = 100 * curve.error_here
    high = max(float(percent.max()), float(here.max()), 1.0) * 1.08
    now = Segments(np.array([[curve.here, 0.0]]), np.array([[curve.here, high]]), 7, 1.5, "dotted", key="here")
    spots = Points(
        np.stack((np.full(2, curve.here), here), 1), colours=(POOL_COLOUR, ALIGN_COLOUR), size=9.0, key="own"
    )
    names = ("RoI Pool", f"RoI Align, {tr('average') if trace.params.mode == AVERAGE else tr('maximum')}")
    marks: tuple[Mark, ...] = (
        now,
        Curve(curve.size, percent[POOL], names[0], POOL_COLOUR, 3.0, key="pool"),
        Curve(curve.size, percent[ALIGN], names[1], ALIGN_COLOUR, 3.0, key="align"),
        spots,
    )
    error = Pane(
        "error",
        tr("Error of the output: Σ|output − exact| / Σ|exact|"),
        marks,
        axes=(size, Axis(tr("error"), "%", low=0.0, high=high)),
    )
    top = float(max(curve.bin.max(), curve.misalignment.max()))
    bottom = float(min(curve.bin.min(), 0.5))
    lines: list[Mark] = [
        Segments(np.array([[curve.here, bottom]]), np.array([[curve.here, top]]), 7, 1.5, "dotted", key="here"),
        Curve(curve.size, curve.bin, tr("side of a bin"), 7, 2.0, "dashed", key="bin"),
        Curve(curve.size, curve.misalignment[POOL], tr("RoI Pool's edges are off by"), POOL_COLOUR, 3.0, key="pool"),
    ]
    if float(curve.misalignment[ALIGN].max()) > 0.01:
        lines.append(
            Curve(
                curve.size,
                curve.misalignment[ALIGN],
                tr("RoI Align's edges are off by"),
                ALIGN_COLOUR,
                3.0,
                key="align",
            )
        )
    title = tr("Why: the smaller the bin, the more a misplaced edge matters")
    if len(lines) == 3:
        title += " · " + tr("RoI Align is off by 0")
    length = Axis(tr("mean length"), "px", log=True, low=bottom, high=top)
    return error, Pane("misalignment", title, tuple(lines), axes=(size, length))
