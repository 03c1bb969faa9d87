"""Maps over the picture, channels as bars and tiles, and the bars of the classes: the parts all views are made of."""

import numpy as np
from numpy.typing import NDArray

from explorer.figure import Axis, Bars, Boxes, Colormap, Curve, Heatmap, Image, Mark, Pane, Points, Tiles
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.cbam.block import Array
from explorer.panels.cbam.controls import BY_WEIGHT, STEPS, View
from explorer.panels.cbam.selection import (
    cell_of,
    channel_order,
    class_names,
    shape_words,
    shown_tiles,
    signed,
    top_classes,
)
from explorer.panels.cbam.trace import Trace

MANY = 48
"""From so many channels on, their bars touch."""
CELL, NOW, BEFORE = 1, 0, 7
"""Colours: the chosen cell, the prediction, the unchanged one."""
ATTENTION: Colormap = "viridis"
GRAD_CAM: Colormap = "magma"


def picture_size(result: Result) -> tuple[float, float]:
    width, height = result.frame.size
    return float(width), float(height)


def gate_range(values: Array, view: View) -> tuple[float | None, float | None]:
    """The ends of the colours for weights that lie between 0 and 1."""
    return (None, None) if view.own_range else (0.0, max(1.0, float(values.max())))


def map_pane(
    result: Result,
    view: View,
    key: str,
    title: str,
    values: Array,
    label: str,
    ends: tuple[float | None, float | None] = (None, None),
    more: tuple[Mark, ...] = (),
    *,
    colormap: Colormap = ATTENTION,
) -> Pane:
    """One number a cell of the chosen block, over the picture in grey."""
    trace: Trace = result.trace
    smooth = view.smooth and trace.params.show != STEPS
    heat = Heatmap(
        trace.block.cells.spread(values, smooth=smooth, finest=256),
        label=label,
        low=ends[0],
        high=ends[1],
        colormap=colormap,
        opacity=view.opacity,
        extent=result.frame.extent,
        smooth=smooth,
    )
    marks = (Image(trace.grey, extent=result.frame.extent), heat, *chosen_cell(result, view), *more)
    return Pane(key, title, marks, space="picture", size=picture_size(result))


def chosen_cell(result: Result, view: View, *, always: bool = False) -> tuple[Mark, ...]:
    """A frame around the cell that was clicked."""
    trace: Trace = result.trace
    if view.place is None and not always:
        return ()
    box = trace.block.cells.box(*cell_of(result, view))
    return (Boxes(np.array([box]), colours=CELL, width=2.0, key="cell"),)


def gate_pane(result: Result, view: View, key: str = "gate") -> Pane:
    """The chosen block's spatial attention, or, in a block without, a picture."""
    trace: Trace = result.trace
    positions = trace.block.positions
    if positions is None:
        pane_marks = (Image(trace.picture, extent=result.frame.extent),)
        return Pane(
            key, tr("This block has no spatial attention"), pane_marks, space="picture", size=picture_size(result)
        )
    title = tr("Spatial attention Ms of {block}", block=trace.block.name)
    ends = gate_range(positions.weight, view)
    return map_pane(result, view, key, title, positions.weight, tr("weight, for any class"), ends)


def cam_pane(result: Result, view: View) -> Pane | None:
    """What speaks for one class, beside the attention, which knows of none."""
    trace: Trace = result.trace
    if trace.cam is None:
        return None
    title = tr("Grad-CAM: {name}", name=class_names(result)[trace.cam.class_index])
    return map_pane(
        result, view, "cam", title, trace.cam.map, tr("speaks for this class"), (0.0, None), colormap=GRAD_CAM
    )


def bars_pane(
    trace: Trace,
    view: View,
    key: str,
    title: str,
    values: Array,
    label: str,
    *,
    ends: tuple[float | None, float | None] = (None, None),
    beside: tuple[Array, str] | None = None,
) -> Pane:
    """One number a channel; ``beside``, a curve of other numbers and its name."""
    order = channel_order(trace.block, view)
    place = int(np.flatnonzero(order == trace.channel)[0])
    # Many thin bars with gaps would shimmer.
    edges = np.arange(len(order) + 1) - 0.5 if len(order) > MANY else None
    marks: list[Mark] = [Bars(values[order], edges=edges, label=label, key="channels")]
    if beside is not None:
        marks.append(Curve(np.arange(len(order)), beside[0][order], beside[1], 3, 1.5, "dashed", key="beside"))
    here = np.array([[float(place), float(values[trace.channel])]])
    marks.append(Points(here, labels=(str(trace.channel),), colours=CELL, size=9.0, key="chosen"))
    by_weight = view.order == BY_WEIGHT
    across = Axis(tr("place in the order") if by_weight else tr("channel"), low=-1.0, high=float(len(order)))
    return Pane(key, title, tuple(marks), axes=(across, Axis(label, low=ends[0], high=ends[1])))


def channel_gate_pane(trace: Trace, view: View) -> Pane | None:
    """The chosen block's channel weights; where they are switched, the gate as a dashed line."""
    channels = trace.block.channels
    if channels is None:
        return None
    weight, gate = channels.weight, channels.gate
    title = tr("Channel attention Mc of {block}", block=trace.block.name)
    low, high = float(min(weight.min(), gate.min())), float(max(weight.max(), gate.max()))
    ends = (max(0.0, low - 0.2 * (high - low)), high + 0.1 * (high - low))
    if not view.own_range or high - low < 1e-3:
        ends = (0.0, max(1.0, 1.05 * high))
    beside = None if np.array_equal(weight, gate) else (gate, tr("as worked out"))
    return bars_pane(trace, view, "channel_gate", title, weight, tr("weight"), ends=ends, beside=beside)


def tiles_pane(trace: Trace, view: View, key: str, title: str, values: NDArray[np.floating]) -> Pane:
    """The chosen channel and the strongest, in colours that are the same before and after."""
    assert trace.features is not None
    order = shown_tiles(trace, view)
    before = trace.features.before[order].float().numpy()
    low, high = float(before.min()), float(before.max())
    colormap: Colormap = "diverging" if low < 0 else "viridis"
    if colormap == "diverging":
        high = max(abs(low), abs(high))
        low = -high
    tiles = Tiles(
        np.ascontiguousarray(values),
        titles=tuple(str(i) for i in order),
        label=tr("activation"),
        low=low,
        high=high,
        colormap=colormap,
        selected=0,
        key="tiles",
    )
    return Pane(key, title, (tiles,))


def feature_panes(trace: Trace, view: View) -> tuple[Pane, ...]:
    """What comes in, what the first attention leaves, what goes on."""
    assert trace.features is not None
    block, order = trace.block, shown_tiles(trace, view)
    first_spatial = block.order == "spatial first"
    before, between, after = (
        t[order].float().numpy() for t in (trace.features.before, trace.features.between, trace.features.after)
    )
    found = [tiles_pane(trace, view, "before", tr("F, {shape}: what comes in", shape=shape_words(block)), before)]
    if block.channels is not None and block.positions is not None:
        title = tr("F′ = Ms · F: positions weighed") if first_spatial else tr("F′ = Mc · F: channels weighed")
        found.append(tiles_pane(trace, view, "between", title, between))
    return (*found, tiles_pane(trace, view, "after", tr("F″: what goes on, all weighed"), after))


def classes_pane(result: Result, now: Array | None = None, before: Array | None = None) -> Pane | None:
    """The likeliest classes; where there is an unchanged prediction, its bar stands under each, and the change in percentage points
    behind the name."""
    trace: Trace = result.trace
    now = trace.probabilities if now is None else now
    before = trace.unchanged if before is None else before
    if now is None:
        return None
    names, best = class_names(result), top_classes(now, before)
    axes = (Axis(tr("probability"), "%", low=0.0, high=100.0), Axis(""))
    cam = trace.cam.class_index if trace.cam is not None else None
    if before is None:
        chosen = list(best).index(cam) if cam in best else None
        bars = Bars(
            100 * now[best].astype(np.float64), tuple(names[i] for i in best), label=tr("probability"),
            colours=NOW, horizontal=True, selected=chosen, key="classes",
        )  # fmt: skip
        return Pane("classes", tr("Most likely of {count} classes", count=len(names)), (bars,), axes=axes)
    values = 100 * np.stack((now[best], before[best]), 1).astype(np.float64)  # (n, 2)
    labels = [label for i, (a, b) in zip(best, values, strict=True) for label in (f"{names[i]} {change(a - b)}", "")]
    bars = Bars(
        values.reshape(-1), tuple(labels), label=tr("probability"), colours=[NOW, BEFORE] * len(best), horizontal=True,
        key="classes",
    )  # fmt: skip
    return Pane("classes", tr("Now (blue), unchanged (grey)"), (bars,), axes=axes)


def change(points: float) -> str:
    """Percentage points with their sign."""
    return "±0" if abs(points) < 0.05 else signed(round(points, 1)) if points < 0 else f"+{round(points, 1):g}"
