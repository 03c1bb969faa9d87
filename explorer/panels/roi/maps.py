"""Feature maps with bins on them: what RoI Pool and RoI Align read, step by step, and where their gradients go."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.figure import Boxes, Colour, Heatmap, Image, Mark, Pane, Points, Segments, Text
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.roi.controls import ALL_BINS, View
from explorer.panels.roi.selection import (
    HALF,
    Selection,
    Window,
    align_bin,
    align_contribution,
    align_region,
    crop,
    edges,
    feature_map,
    pool_bin,
    pool_contribution,
    pool_region,
    real_bin,
)
from explorer.panels.roi.trace import Trace

Array = NDArray[Any]
ROI: Colour = 1
POOL: Colour = 4
ALIGN: Colour = 5
CHOSEN: Colour = 6
WHITE: Colour = "#ffffff"
LINES: Colour = "#5a606c"
INSET = 0.1
"""By how much of a cell the bins of RoI Pool, which share cells, are drawn smaller."""
POOL_STEPS = (
    "the region",
    "1st rounding: its ends, to cells",
    "divided into bins",
    "2nd rounding: the bins' edges",
    "the maximum of each bin",
)
ALIGN_STEPS = (
    "the region",
    "nothing is rounded",
    "divided into bins",
    "sampling points",
    "four cells and weights a point",
)


def range_of(trace: Trace, chosen: Selection) -> tuple[float, float]:
    """One colour range for the map and both outputs."""
    x0, y0, x1, y1 = crop(trace)
    shown = feature_map(trace, chosen)[y0:y1, x0:x1]
    return float(shown.min()), float(shown.max())


def ground(result: Result, values: Array, window: Window | None = None, **heat: object) -> tuple[Mark, ...]:
    """The part of the picture that is shown, a map on it, and the cells' edges.

    Args:
        values: (H, W) of the whole map.
        window: the cells shown, as ``crop`` gives them; default those.
    """
    trace: Trace = result.trace
    x0, y0, x1, y1 = window or crop(trace)
    left, top, right, bottom = (float(v) for v in trace.grid.boxes(np.array([x0, y0, x1, y1])))
    marks: list[Mark] = []
    width, height = result.frame.size
    a, b = max(int(np.floor(left)), 0), max(int(np.floor(top)), 0)
    c, d = min(int(np.ceil(right)), width), min(int(np.ceil(bottom)), height)
    if c > a and d > b:
        marks.append(Image(result.frame.image[b:d, a:c], (a, b, c, d)))
    marks.append(Heatmap(values[y0:y1, x0:x1], extent=(left, top, right, bottom), **heat))  # type: ignore[arg-type]
    xs, ys = trace.grid.x(np.arange(x0, x1 + 1)), trace.grid.y(np.arange(y0, y1 + 1))
    marks.append(lines(xs, ys, (left, top, right, bottom), LINES, 0.6, "cells"))
    return tuple(marks)


def lines(
    xs: Array, ys: Array, extent: tuple[float, float, float, float], colour: Colour, width: float, key: str
) -> Segments:
    """Upright lines at xs and level ones at ys, across an extent."""
    left, top, right, bottom = extent
    start = [(x, top) for x in xs] + [(left, y) for y in ys]
    end = [(x, bottom) for x in xs] + [(right, y) for y in ys]
    return Segments(np.array(start), np.array(end), colour, width, key=key)


def box(xyxy: Array, colour: Colour, width: float, key: str, *, dashed: bool = False, fill: float = 0.0) -> Boxes:
    return Boxes(xyxy.reshape(1, 4), (), colour, width, "dashed" if dashed else "solid", fill, key=key)


# -- what is read


def bins_panes(result: Result, view: View, chosen: Selection) -> tuple[Pane, Pane]:
    """RoI Pool's and RoI Align's way to their bins, at the same step."""
    trace: Trace = result.trace
    low, high = range_of(trace, chosen)
    step = min(max(view.step, 0), len(POOL_STEPS) - 1)
    label = tr("feature map") if chosen.channel is None else tr("channel {channel}", channel=chosen.channel)
    map_marks = ground(
        result, feature_map(trace, chosen), label=label, low=low, high=high, colormap="grey", opacity=view.opacity
    )
    region = box(np.array(trace.roi), ROI, 2.0, "region", dashed=step > 0)
    pool, align = f"RoI Pool · {tr(POOL_STEPS[step])}", f"RoI Align · {tr(ALIGN_STEPS[step])}"
    return (
        Pane("pool", pool, (*map_marks, *_pool_marks(trace, step, chosen), region)),
        Pane("align", align, (*map_marks, *_align_marks(trace, step, chosen), region)),
    )


def _pool_marks(trace: Trace, step: int, chosen: Selection) -> tuple[Mark, ...]:
    bins, cell = trace.params.output_size, trace.grid.cell
    marks: list[Mark] = []
    if step in (1, 2):
        marks.append(box(pool_region(trace), POOL, 3.0, "rounded"))
    if step == 2:
        extent = tuple(float(v) for v in pool_region(trace))
        x, y = trace.grid.x(trace.pool.x.edges[0].numpy()), trace.grid.y(trace.pool.y.edges[0].numpy())
        marks.append(lines(x, y, (extent[0], extent[1], extent[2], extent[3]), POOL, 1.2, "bins"))
    if step >= 3:
        inset = np.array([cell[0], cell[1], -cell[0], -cell[1]]) * INSET
        every = np.array([pool_bin(trace, r, c) for r in range(bins) for c in range(bins)])
        read = every[(every[:, 2] > every[:, 0]) & (every[:, 3] > every[:, 1])] + inset
        marks.append(Boxes(read, (), POOL, 1.0, key="bins"))
    if step >= 2:
        marks.append(box(real_bin(trace, chosen.row, chosen.column), CHOSEN, 1.5, "belongs", dashed=True))
    if step >= 3:
        marks.append(box(pool_bin(trace, chosen.row, chosen.column), CHOSEN, 3.0, "chosen", fill=0.2))
    if step >= 4:
        if chosen.channel is not None:
            cells = np.unique(trace.pool.argmax[0, chosen.channel].numpy())
            cells = cells[cells >= 0]
            middle = np.stack((cells % trace.grid.shape[1], cells // trace.grid.shape[1]), -1) + HALF
            marks.append(Points(trace.grid.points(middle), colours=POOL, size=6.0, key="maxima"))
        rows_columns, weight = pool_contribution(trace, chosen)
        words = tuple("" if len(weight) == 1 else f"{w:.0%}" for w in weight)
        middle = rows_columns[:, ::-1] + HALF
        marks.append(Points(trace.grid.points(middle), words, CHOSEN, 11.0, key="maximum"))
    return tuple(marks)


def _align_marks(trace: Trace, step: int, chosen: Selection) -> tuple[Mark, ...]:
    marks: list[Mark] = []
    at = chosen.row, chosen.column
    if step >= 1:
        marks.append(box(align_region(trace), ALIGN, 3.0 if step < 3 else 2.0, "used"))
    if step >= 2:
        x, y = edges(trace)[1]
        extent = tuple(float(v) for v in align_region(trace))
        marks.append(
            lines(trace.grid.x(x), trace.grid.y(y), (extent[0], extent[1], extent[2], extent[3]), ALIGN, 1.2, "bins")
        )
        marks.append(box(align_bin(trace, *at), CHOSEN, 3.0, "chosen", fill=0.2 if step < 4 else 0.1))
    if step >= 3:
        x, y = (
            axis.position[0, :, : int(axis.count[0])].flatten().numpy() + HALF
            for axis in (trace.align.x, trace.align.y)
        )
        if len(x) * len(y) <= 4000:
            every = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
            marks.append(Points(trace.grid.points(every), colours=ALIGN, size=4.0, key="points"))
        mine = trace.align.sampling_points(0, *at).numpy() + HALF
        marks.append(Points(trace.grid.points(mine), colours=CHOSEN, size=7.0, key="own points"))
        if step >= 4 and len(mine):
            marks += _weights(trace, mine[chosen.point], chosen)
    return tuple(marks)


def _weights(trace: Trace, point: Array, chosen: Selection) -> tuple[Mark, ...]:
    """The chosen sampling point, tied to its four cells, with their weights."""
    cells, weights = trace.align.bilinear(0, chosen.row, chosen.column)
    middle = cells[chosen.point].numpy()[:, ::-1] + HALF
    weight = weights[chosen.point].numpy()
    used = weight > 0
    ends = trace.grid.points(middle[used])
    start = np.repeat(trace.grid.points(point)[None], len(ends), 0)
    return (
        Segments(start, ends, WHITE, 1.5, key="ties"),
        Points(start[:1], colours=CHOSEN, size=12.0, key="chosen point"),
        Points(ends, tuple(short(w) for w in weight[used]), WHITE, 9.0, "square", key="four cells"),
    )


# -- where the gradient goes


def gradient_panes(result: Result, view: View, chosen: Selection) -> tuple[Pane, Pane]:
    """The cells that receive gradient, from one output bin or from all."""
    trace: Trace = result.trace
    every = view.gradient_from == ALL_BINS
    maps = all_gradients(trace, chosen) if every else bin_gradients(trace, chosen)
    high = max(float(maps.max()), 1e-6)
    panes = []
    at = chosen.row, chosen.column
    for key, name, values, colour, read in (
        ("pool_gradient", "RoI Pool", maps[0], POOL, pool_bin(trace, *at)),
        ("align_gradient", "RoI Align", maps[1], ALIGN, align_bin(trace, *at)),
    ):
        shown = np.where(values > 0, values, np.nan)
        marks = ground(result, shown, label=tr("gradient"), low=0.0, high=high, colormap="magma", opacity=0.9)
        counted = int((values > 0).sum())
        title = f"{name} · " + (tr("1 cell") if counted == 1 else tr("{count} cells", count=counted))
        more: list[Mark] = [box(np.array(trace.roi), ROI, 2.0, "region", dashed=True)]
        if not every:
            more.append(box(read, colour, 2.0, "chosen"))
            more.append(box(real_bin(trace, *at), CHOSEN, 2.0, "belongs", dashed=True))
            more += _numbers(trace, values)
        panes.append(Pane(key, title, (*marks, *more)))
    return panes[0], panes[1]


def _numbers(trace: Trace, values: Array) -> tuple[Mark, ...]:
    """The cells that receive any, framed, and each one's share where few enough do."""
    cells = np.argwhere(values > 0)
    corners = cells[:, ::-1]
    frames = Boxes(
        trace.grid.boxes(np.concatenate((corners, corners + 1), 1)), (), WHITE, 1.0, key="cells with gradient"
    )
    if len(cells) > 40:
        return (frames,)
    places = trace.grid.points(corners + np.array([0.04, 0.2]))
    words = tuple(
        Text(short(values[r, c]), (float(x), float(y)), key=f"share {i}")
        for i, ((r, c), (x, y)) in enumerate(zip(cells, places, strict=True))
    )
    return (frames, *words)


def short(weight: float) -> str:
    """A weight in the room that a cell has."""
    return "1" if weight > 0.995 else f"{weight:.2f}".removeprefix("0")


def bin_gradients(trace: Trace, chosen: Selection) -> Array:
    """(2, H, W) of the chosen bin's output."""
    maps = np.zeros((2, *trace.grid.shape), np.float32)
    for values, (cells, weight) in zip(
        maps, (pool_contribution(trace, chosen), align_contribution(trace, chosen)), strict=True
    ):
        values[cells[:, 0], cells[:, 1]] = weight
    return maps


def all_gradients(trace: Trace, chosen: Selection) -> Array:
    """(2, H, W) of the sum of all outputs."""
    if trace.gradient is None:
        return np.zeros((2, *trace.grid.shape), np.float32)
    of = trace.gradient.mean(1) if chosen.channel is None else trace.gradient[:, chosen.channel]
    return np.asarray(of.numpy())
