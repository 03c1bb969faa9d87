"""The five views: where bins lie step by step, one sampling point, outputs, gradients, and error against size."""

from typing import Any

import numpy as np

from cvcore.ops.roi.error import ALIGN as ALIGN_ROW
from cvcore.ops.roi.error import POOL as POOL_ROW
from cvcore.ops.roi.error import ErrorCurve
from explorer.figure import (
    At,
    Axis,
    Boxes,
    Colour,
    Column,
    Curve,
    Handles,
    Heatmap,
    Image,
    Layout,
    Mark,
    Note,
    Pane,
    Points,
    Row,
    Segments,
    Spot,
    Table,
    TableColumn,
    Text,
)
from explorer.i18n import tr, tr_n
from explorer.panel import Result
from explorer.panels.roi.bins import (
    CHOSEN,
    Array,
    Bins,
    Selection,
    Window,
    align_bins,
    align_contribution,
    align_edges,
    align_region,
    bin_gradients,
    crop,
    feature_map,
    off,
    outputs,
    point_values,
    pool_bins,
    pool_contribution,
    pool_region,
    real_bins,
    sampling_points,
    selection,
    sentence,
)
from explorer.panels.roi.compute import Trace, as_box
from explorer.panels.roi.controls import ALL_BINS, AVERAGE, SHOWS, Params, View
from explorer.views.detections import class_names
from explorer.views.items import Items
from explorer.views.said import MINUS

Shown = Result[Trace, Params]
ROI: Colour = 1
POOL: Colour = 4
ALIGN: Colour = 5
WHITE: Colour = "#ffffff"
LINES: Colour = "#5a606c"
INSET = 0.1
"""By how much of a cell the bins of RoI Pool, which share cells, are drawn smaller."""
MANY_POINTS, MANY_SHARES = 4000, 40
"""More of them are not drawn, or not written."""
NAMED = 6
NEAR = 1
"""Cells shown around the four of a sampling point."""
FACTORS = ("(1 − dy)(1 − dx)", "(1 − dy) dx", "dy (1 − dx)", "dy dx")
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


# -- what is in every view


def beside(result: Shown, chosen: Selection, right: Layout) -> tuple[Layout, Note]:
    """The picture and its table at the left of a view."""
    left = Column((picture(result, chosen), edge_table(result.trace, chosen)), weights=(1.75, 1))
    return Row((left, right), weights=(1, 2.1)), Note(sentence(result.trace, chosen))


def picture(result: Shown, chosen: Selection) -> Pane:
    """The frame with the detections, the region to drag and the chosen bin."""
    trace, found = result.trace, result.trace.found
    width, height = result.frame.size
    names = class_names()
    others = [i for i in range(len(found.boxes)) if i != trace.region.detection]
    # In a crowd the names would hide what they name.
    words = tuple(names[int(found.labels[i])] for i in others) if len(others) <= NAMED else ()
    label = tr("RoI")
    if trace.region.detection >= 0:
        label += " · " + names[int(found.labels[trace.region.detection])]
    real = real_bins(trace)
    marks = (
        Image(result.frame.image),
        Boxes(found.boxes[others].numpy(), words, 7, 1.0, key="detections"),
        box(real[chosen.bin], CHOSEN, 1.5, "chosen"),
        Handles("roi", "box", trace.roi, label, 1, (0.0, 0.0, float(width), float(height)), key="roi"),
    )
    title = tr("Drag the region, or click a detected box")
    return Pane("picture", title, marks, space="picture", size=(width, height), places=Bins(trace, real, None))


def edge_table(trace: Trace, chosen: Selection) -> Pane:
    """How far the region's and the chosen bin's edges lie from where they belong, in pixels of the picture."""
    sides = (tr("left"), tr("top"), tr("right"), tr("bottom"))
    region = pool_region(trace) - np.array(trace.roi)
    pool, align = off(trace, *chosen.bin)
    rows = tuple((side, _signed(region[i]), _signed(pool[i]), _signed(align[i])) for i, side in enumerate(sides))
    titles = (tr("Edge"), tr("Pool: region"), tr("Pool: bin"), tr("Align: bin"))
    columns = tuple(TableColumn(title) for title in titles)
    return Pane("edges", tr("Edges are off by, in px of the picture"), (Table(columns, rows, key="edges"),))


def _signed(value: float) -> str:
    return f"{0.0 if abs(value) < 0.05 else value:+.1f}".replace("-", MINUS).replace("+0.0", "0.0")


def tell(result: Shown, view: View, at: At) -> str:
    """The cell's value, the bin's outputs, and by how much RoI Pool misses it."""
    trace = result.trace
    chosen, lines = selection(trace, view), []
    if "cell" in at:
        row, column = at["cell"]
        value = float(feature_map(trace, chosen)[row, column])
        lines.append(tr("cell ({row}, {column}): {value:.4g}", row=row, column=column, value=value))
    if "row" in at:
        bin_ = at["row"], at["column"]
        pool, align = (float(out[bin_]) for out in outputs(trace, chosen))
        said = tr("bin ({row}, {column}): RoI Pool {pool:.4g}, RoI Align {align:.4g}",
                  row=bin_[0], column=bin_[1], pool=pool, align=align)  # fmt: skip
        x0, y0, x1, y1 = off(trace, *bin_)[0]
        edges = tr(
            "RoI Pool's edges are off by {x0:+.1f}, {y0:+.1f}, {x1:+.1f}, {y1:+.1f} px", x0=x0, y0=y0, x1=x1, y1=y1
        )
        lines += [said, edges]
    return "\n".join(lines) or tr("point {number}", number=at["point"] + 1)


def pick(result: Shown, view: View, spot: Spot) -> dict[str, Any] | None:
    """On the picture a detected box becomes the region: the smallest there."""
    boxes = result.trace.found.boxes
    if spot.pane != "picture" or not len(boxes):
        return None
    low, high = boxes[:, :2].numpy(), boxes[:, 2:].numpy()
    under = (low <= (spot.x, spot.y)).all(1) & ((spot.x, spot.y) <= high).all(1)
    if not under.any():
        return None
    taken = as_box(boxes[int(np.where(under, (high - low).prod(1), np.inf).argmin())])
    return {"roi": taken, "taken": taken}


# -- maps with bins on them


def ground(result: Shown, values: Array, window: Window | None = None, **heat: Any) -> tuple[Mark, ...]:
    """The part of the picture that is shown, a map on it, and the cells' edges.

    Args:
        values: (H, W) of the whole map.
        window: the cells shown; default those around the region.
    """
    cells = result.trace.cells
    x0, y0, x1, y1 = window or crop(result.trace)
    left, top, right, bottom = (float(v) for v in cells.area(np.array([x0, y0, x1, y1])))
    marks: list[Mark] = []
    width, height = result.frame.size
    a, b = max(int(np.floor(left)), 0), max(int(np.floor(top)), 0)
    c, d = min(int(np.ceil(right)), width), min(int(np.ceil(bottom)), height)
    if c > a and d > b:
        marks.append(Image(result.frame.image[b:d, a:c], (a, b, c, d)))
    marks.append(Heatmap(values[y0:y1, x0:x1], extent=(left, top, right, bottom), **heat))
    xs, ys = cells.x(np.arange(x0, x1 + 1) - 0.5), cells.y(np.arange(y0, y1 + 1) - 0.5)
    marks.append(lines(xs, ys, np.array((left, top, right, bottom)), LINES, 0.6, "cells"))
    return tuple(marks)


def lines(xs: Array, ys: Array, extent: Array, colour: Colour, width: float, key: str) -> Segments:
    """Upright lines at xs and level ones at ys, across an extent."""
    left, top, right, bottom = (float(v) for v in extent)
    start = [(x, top) for x in xs] + [(left, y) for y in ys]
    end = [(x, bottom) for x in xs] + [(right, y) for y in ys]
    return Segments(np.array(start), np.array(end), colour, width, key=key)


def box(xyxy: Array, colour: Colour, width: float, key: str, *, dashed: bool = False, fill: float = 0.0) -> Boxes:
    return Boxes(xyxy.reshape(1, 4), (), colour, width, "dashed" if dashed else "solid", fill, key=key)


def region_mark(trace: Trace, *, dashed: bool = True) -> Boxes:
    return box(np.array(trace.roi), ROI, 2.0, "region", dashed=dashed)


def align_lines(trace: Trace) -> Segments:
    x, y = align_edges(trace)
    return lines(trace.cells.x(x - 0.5), trace.cells.y(y - 0.5), align_region(trace), ALIGN, 1.2, "bins")


def map_name(chosen: Selection) -> str:
    return tr("feature map") if chosen.channel is None else tr("channel {channel}", channel=chosen.channel)


def bins_view(result: Shown, view: View) -> tuple[Layout, Note]:
    """RoI Pool's and RoI Align's way to their bins, at the same step."""
    trace, chosen = result.trace, selection(result.trace, view)
    x0, y0, x1, y1 = crop(trace)
    values = feature_map(trace, chosen)
    shown = values[y0:y1, x0:x1]
    step = min(max(view.step, 0), len(POOL_STEPS) - 1)
    heat: dict[str, Any] = {
        "label": map_name(chosen),
        "low": float(shown.min()),
        "high": float(shown.max()),
        "opacity": view.opacity,
    }
    under = ground(result, values, colormap="grey", **heat)
    region = region_mark(trace, dashed=step > 0)
    pool, align = (f"RoI Pool · {tr(POOL_STEPS[step])}", f"RoI Align · {tr(ALIGN_STEPS[step])}")
    places = Bins(trace, pool_bins(trace), real_bins(trace)), Bins(trace, align_bins(trace), align_bins(trace), True)
    panes = (
        Pane("pool", pool, (*under, *_pool_marks(trace, step, chosen), region), places=places[0]),
        Pane("align", align, (*under, *_align_marks(trace, step, chosen), region), places=places[1]),
    )
    return beside(result, chosen, Row(panes))


def _pool_marks(trace: Trace, step: int, chosen: Selection) -> list[Mark]:
    cells, every, marks = trace.cells, pool_bins(trace), list[Mark]()
    if step in (1, 2):
        marks.append(box(pool_region(trace), POOL, 3.0, "rounded"))
    if step == 2:
        x, y = cells.x(trace.pool.x.edges[0].numpy() - 0.5), cells.y(trace.pool.y.edges[0].numpy() - 0.5)
        marks.append(lines(x, y, pool_region(trace), POOL, 1.2, "bins"))
    if step >= 3:
        width, height = cells.cell or (0.0, 0.0)
        inset = np.array([width, height, -width, -height]) * INSET
        flat = every.reshape(-1, 4)
        read = flat[(flat[:, 2] > flat[:, 0]) & (flat[:, 3] > flat[:, 1])] + inset
        marks.append(Boxes(read, (), POOL, 1.0, key="bins"))
    if step >= 2:
        marks.append(box(real_bins(trace)[chosen.bin], CHOSEN, 1.5, "belongs", dashed=True))
    if step >= 3:
        marks.append(box(every[chosen.bin], CHOSEN, 3.0, "chosen", fill=0.2))
    if step >= 4:
        if chosen.channel is not None:
            most = np.unique(trace.pool.argmax[0, chosen.channel].numpy())
            rows, columns = np.divmod(most[most >= 0], cells.shape[1])
            maxima = cells.on_picture(np.stack((columns, rows), -1))
            marks.append(Points(maxima, colours=POOL, size=6.0, key="maxima"))
        rows_columns, weight = pool_contribution(trace, chosen)
        words = tuple("" if len(weight) == 1 else f"{w:.0%}" for w in weight)
        marks.append(Points(cells.on_picture(rows_columns[:, ::-1]), words, CHOSEN, 11.0, key="maximum"))
    return marks


def _align_marks(trace: Trace, step: int, chosen: Selection) -> list[Mark]:
    marks: list[Mark] = []
    if step >= 1:
        marks.append(box(align_region(trace), ALIGN, 3.0 if step < 3 else 2.0, "used"))
    if step >= 2:
        marks.append(align_lines(trace))
        marks.append(box(align_bins(trace)[chosen.bin], CHOSEN, 3.0, "chosen", fill=0.2 if step < 4 else 0.1))
    if step >= 3:
        x, y = (a.position[0, :, : int(a.count[0])].flatten().numpy() for a in (trace.align.x, trace.align.y))
        if len(x) * len(y) <= MANY_POINTS:
            every = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
            marks.append(Points(trace.cells.on_picture(every), colours=ALIGN, size=4.0, key="points"))
        mine = sampling_points(trace, *chosen.bin)
        marks.append(Points(mine, colours=CHOSEN, size=7.0, key="own points"))
        if step >= 4 and len(mine):
            marks += _weights(trace, mine[chosen.point], chosen)
    return marks


def _weights(trace: Trace, point: Array, chosen: Selection) -> tuple[Mark, ...]:
    """The chosen sampling point, tied to its four cells, with their weights."""
    cells, weights = trace.align.bilinear(0, *chosen.bin)
    weight = weights[chosen.point].numpy()
    used = weight > 0
    ends = trace.cells.on_picture(cells[chosen.point].numpy()[:, ::-1])[used]
    start = np.repeat(point[None], len(ends), 0)
    return (
        Segments(start, ends, WHITE, 1.5, key="ties"),
        Points(start[:1], colours=CHOSEN, size=12.0, key="chosen point"),
        Points(ends, tuple(short(w) for w in weight[used]), WHITE, 9.0, "square", key="four cells"),
    )


def short(weight: float) -> str:
    """A weight in the room that a cell has."""
    return "1" if weight > 0.995 else f"{weight:.2f}".removeprefix("0")


# -- one sampling point at close range


def point_view(result: Shown, view: View) -> tuple[Layout, Note]:
    """The point on the map, its interpolation as a table, and all points of its bin as another."""
    trace, chosen = result.trace, selection(result.trace, view)
    cells, weights = trace.align.bilinear(0, *chosen.bin)
    points = trace.align.sampling_points(0, *chosen.bin).numpy()
    title = tr("Bin ({row}, {column}), point {point} of {points}", row=chosen.row, column=chosen.column,
               point=chosen.point + 1, points=len(points))  # fmt: skip
    if len(points):
        four, weight = cells[chosen.point].numpy(), weights[chosen.point].numpy()
        close = _close_up(result, view, chosen, four, weight)
        below = (_interpolation(trace, chosen, four, weight), _points(trace, chosen, points))
    else:
        nothing = Table((TableColumn(tr("Point")),), ())
        close = ground(result, feature_map(trace, chosen), colormap="grey")
        titles = tr("Bilinear interpolation"), tr("The bin's points")
        below = (Pane("interpolation", titles[0], (nothing,)), Pane("points", titles[1], (nothing,)))
    bins = align_bins(trace)
    one = Pane("point", title, close, places=Bins(trace, bins, bins, points=True))
    return beside(result, chosen, Row((one, Column(below)), weights=(1, 1.1)))


def _close_up(result: Shown, view: View, chosen: Selection, cells: Array, weights: Array) -> tuple[Mark, ...]:
    trace = result.trace
    rows, columns = trace.cells.shape
    (y0, x0), (y1, x1) = cells.min(0) - NEAR, cells.max(0) + NEAR + 1
    window: Window = (max(int(x0), 0), max(int(y0), 0), min(int(x1), columns), min(int(y1), rows))
    values = feature_map(trace, chosen)
    near = values[window[1] : window[3], window[0] : window[2]]
    heat: dict[str, Any] = {
        "label": map_name(chosen),
        "low": float(near.min()),
        "high": float(near.max()),
        "opacity": view.opacity,
    }
    used = weights > 0
    middles = trace.cells.on_picture(cells[:, ::-1])[used]
    here = sampling_points(trace, *chosen.bin)
    start = np.repeat(here[chosen.point][None], len(middles), 0)
    words = [
        f"{weight:.2f}\n× {values[row, column]:.2f}".replace("-", MINUS)
        for weight, (row, column) in zip(weights[used], cells[used], strict=True)
    ]
    return (
        *ground(result, values, window, colormap="grey", **heat),
        align_lines(trace),
        region_mark(trace),
        box(align_bins(trace)[chosen.bin], CHOSEN, 3.0, "chosen"),
        Segments(start, middles, WHITE, 2.0, key="ties"),
        Points(middles, colours=WHITE, size=9.0, symbol="square", key="four cells"),
        Points(here, colours=CHOSEN, size=8.0, key="own points"),
        Points(here[chosen.point][None], colours=CHOSEN, size=14.0, key="chosen point"),
        *(
            Text(said, (float(x), float(y)), key=f"weight {i}")
            for i, (said, (x, y)) in enumerate(zip(words, middles, strict=True))
        ),
    )


def _interpolation(trace: Trace, chosen: Selection, cells: Array, weights: Array) -> Pane:
    values = feature_map(trace, chosen)[cells[:, 0], cells[:, 1]]
    rows = tuple(
        (f"{cell[0]}, {cell[1]}", f"{factor} = {weight:.3f}", float(value), float(weight * value))
        for cell, factor, weight, value in zip(cells, FACTORS, weights, values, strict=True)
    )
    total = (tr("sum"), f"{weights.sum():.3f}", "", float((weights * values).sum()))
    columns = (
        TableColumn(tr("Cell")),
        TableColumn(tr("Weight")),
        TableColumn(tr("Value"), digits=4),
        TableColumn(tr("Product"), digits=4),
    )
    return Pane("interpolation", tr("Bilinear interpolation"), (Table(columns, (*rows, total), key="four"),))


def _points(trace: Trace, chosen: Selection, points: Array) -> Pane:
    sampled = point_values(trace, chosen)
    rows: list[tuple[str | float | int, ...]] = [
        (i + 1, float(x), float(y), float(value)) for i, ((x, y), value) in enumerate(zip(points, sampled, strict=True))
    ]
    mode = tr("average") if trace.params.mode == AVERAGE else tr("maximum")
    rows.append((mode, "", "", float(outputs(trace, chosen)[1][chosen.bin])))
    columns = (
        TableColumn(tr("Point")),
        TableColumn("x", tr("cells"), 2),
        TableColumn("y", tr("cells"), 2),
        TableColumn(tr("Value"), digits=4),
    )
    table = Table(columns, tuple(rows), selected=chosen.point, key="points")
    items = Items.all("point", len(points), chosen.point)
    return items.pane("points", tr("The bin's points, and its output"), (table,), "points")


# -- outputs, and what they are made of


def output_view(result: Shown, view: View) -> tuple[Layout, Note]:
    """Both outputs in the same colours, and their difference; below, the cells of the chosen bin."""
    trace, chosen = result.trace, selection(result.trace, view)
    pool, align = outputs(trace, chosen)
    low, high = float(min(pool.min(), align.min())), float(max(pool.max(), align.max()))
    bins, difference = trace.params.output_size, pool - align
    largest = float(np.abs(difference).max())
    x, y = np.meshgrid(np.arange(bins), np.arange(bins))
    boxes = np.stack((x, y, x + 1, y + 1), -1)
    places = Bins(trace, boxes, boxes, on_map=False)
    mark = box(boxes[chosen.bin], CHOSEN, 3.0, "chosen")
    maps = (
        ("pool_out", tr("RoI Pool gives"), Heatmap(pool, tr("output"), low=low, high=high, colormap="grey")),
        ("align_out", tr("RoI Align gives"), Heatmap(align, tr("output"), low=low, high=high, colormap="grey")),
        (
            "difference",
            tr("Pool − Align"),
            Heatmap(difference, tr("difference"), low=-largest, high=largest, colormap="diverging"),
        ),
    )
    size = float(bins), float(bins)
    panes = tuple(Pane(key, title, (heat, mark), "output", size=size, places=places) for key, title, heat in maps)
    return beside(result, chosen, Column((Row(panes), sum_table(trace, chosen)), weights=(1.4, 1)))


def sum_table(trace: Trace, chosen: Selection) -> Pane:
    """The cells that the chosen bin is made from, with what each adds."""
    values = feature_map(trace, chosen)
    pool, align = (
        {(int(r), int(c)): float(w) for (r, c), w in zip(cells, weight, strict=True)}
        for cells, weight in (pool_contribution(trace, chosen), align_contribution(trace, chosen))
    )
    # With the maximum each channel has its own cells: weights of the mean are parts of the channels, and do not make a sum.
    sums = chosen.channel is not None or trace.params.mode == AVERAGE
    out_pool, out_align = (float(out[chosen.bin]) for out in outputs(trace, chosen))
    rows: list[tuple[str | float | int, ...]] = [(tr("output"), "", out_pool, out_align, out_align)]
    for cell in sorted(pool.keys() | align.keys(), key=lambda cell: (-pool.get(cell, 0.0), cell)):
        value, of_align = float(values[cell]), align.get(cell)
        product = of_align * value if of_align is not None and sums else ""
        rows.append((f"{cell[0]}, {cell[1]}", value, pool.get(cell, ""), "" if of_align is None else of_align, product))
    numbers = (tr("Value"), tr("Weight in Pool"), tr("in Align"), tr("Align: weight × value"))
    columns = (TableColumn(tr("Cell (row, column)")), *(TableColumn(title, digits=3) for title in numbers))
    title = tr("What bin ({row}, {column}) is made of", row=chosen.row, column=chosen.column)
    return Pane("sum", title, (Table(columns, tuple(rows), key="cells"),))


# -- where the gradient goes


def gradient_view(result: Shown, view: View) -> tuple[Layout, Note]:
    """The cells that receive gradient, from one output bin or from all."""
    trace, chosen = result.trace, selection(result.trace, view)
    every = view.gradient_from == ALL_BINS
    maps = all_gradients(trace, chosen) if every else bin_gradients(trace, chosen)
    high = max(float(maps.max()), 1e-6)
    panes = []
    real, align = real_bins(trace), align_bins(trace)
    for key, name, values, colour, places in (
        ("pool_gradient", "RoI Pool", maps[0], POOL, Bins(trace, pool_bins(trace), real)),
        ("align_gradient", "RoI Align", maps[1], ALIGN, Bins(trace, align, align, points=True)),
    ):
        shown = np.where(values > 0, values, np.nan)
        marks = list(ground(result, shown, label=tr("gradient"), low=0.0, high=high, colormap="magma", opacity=0.9))
        counted = int((values > 0).sum())
        title = f"{name} · " + tr_n("{n} cell", "{n} cells", counted)
        marks.append(region_mark(trace))
        if not every:
            marks.append(box(places.boxes[chosen.bin], colour, 2.0, "chosen"))
            marks.append(box(real[chosen.bin], CHOSEN, 2.0, "belongs", dashed=True))
            marks += _shares(trace, values)
        panes.append(Pane(key, title, tuple(marks), places=places))
    return beside(result, chosen, Row(tuple(panes)))


def _shares(trace: Trace, values: Array) -> tuple[Mark, ...]:
    """The cells that receive any, framed, and each one's share where few enough do."""
    cells = np.argwhere(values > 0)
    corners = cells[:, ::-1]
    boxes = trace.cells.area(np.concatenate((corners, corners + 1), 1))
    frames = Boxes(boxes, (), WHITE, 1.0, key="cells with gradient")
    if len(cells) > MANY_SHARES:
        return (frames,)
    places = trace.cells.on_picture(corners + np.array([0.04, 0.2]) - 0.5)
    words = tuple(
        Text(short(values[r, c]), (float(x), float(y)), key=f"share {i}")
        for i, ((r, c), (x, y)) in enumerate(zip(cells, places, strict=True))
    )
    return (frames, *words)


def all_gradients(trace: Trace, chosen: Selection) -> Array:
    """(2, H, W) of the sum of all outputs."""
    if trace.gradient is None:
        return np.zeros((2, *trace.cells.shape), np.float32)
    of = trace.gradient.mean(1) if chosen.channel is None else trace.gradient[:, chosen.channel]
    return np.asarray(of.numpy())


# -- error against size


def error_view(result: Shown, view: View) -> tuple[Layout, Note] | Layout:
    """Error and misalignment against the region's size."""
    trace, chosen = result.trace, selection(result.trace, view)
    panes = () if trace.error is None else error_panes(trace, trace.error)
    return beside(result, chosen, Column(panes, weights=(1.25, 1)))


def error_panes(trace: Trace, curve: ErrorCurve) -> tuple[Pane, Pane]:
    size = Axis(tr("root of the region's area"), tr("px of the picture"), low=0.0, high=float(curve.size[-1]))
    percent, here = curve.error * 100, curve.error_here * 100
    high = max(float(percent.max()), float(here.max()), 1.0) * 1.1
    mode = tr("average") if trace.params.mode == AVERAGE else tr("maximum")
    errors = (
        _upright(curve.here, high),
        Curve(curve.size, percent[POOL_ROW], "RoI Pool", POOL, 3.0, key="pool"),
        Curve(curve.size, percent[ALIGN_ROW], f"RoI Align · {mode}", ALIGN, 3.0, key="align"),
        Points(np.stack((np.full(2, curve.here), here), 1), colours=(POOL, ALIGN), size=10.0, key="own"),
    )
    top = float(max(curve.bin.max(), curve.misalignment.max())) * 1.1
    why = (
        _upright(curve.here, top),
        Curve(curve.size, curve.bin, tr("side of a bin"), 7, 2.0, "dashed", key="bin"),
        Curve(curve.size, curve.misalignment[POOL_ROW], tr("RoI Pool: edge off by"), POOL, 3.0, key="pool"),
        Curve(curve.size, curve.misalignment[ALIGN_ROW], tr("RoI Align: edge off by"), ALIGN, 3.0, key="align"),
    )
    titles = (
        tr("Error of the output: Σ|output − exact| / Σ|exact|"),
        tr("Why: rounding moves edges by as much, however small a bin is"),
    )
    return (
        Pane("error", titles[0], errors, axes=(size, Axis(tr("error"), "%", low=0.0, high=high))),
        Pane("misalignment", titles[1], why, axes=(size, Axis(tr("mean length"), "px", low=0.0, high=top))),
    )


def _upright(at: float, high: float) -> Segments:
    """Where the region itself is."""
    return Segments(np.array([[at, 0.0]]), np.array([[at, high]]), 7, 1.5, "dotted", key="here")


VIEWS = dict(zip(SHOWS, (bins_view, point_view, output_view, gradient_view, error_view), strict=True))
