"""What the panel shows, made of what compute found."""

from collections.abc import Sequence

import numpy as np

from explorer.figure import (
    Arrows,
    Axis,
    Bars,
    Boxes,
    Column,
    Curve,
    Figure,
    Handles,
    Heatmap,
    Image,
    Mark,
    Note,
    Pane,
    Points,
    Row,
    Segments,
    Table,
    TableColumn,
)
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.losses.controls import (
    ALL,
    ARRIVAL,
    ASPECT,
    COLOURS,
    DISTANCE,
    FORMULAS,
    GRADIENT,
    HORIZONTAL,
    IOU,
    LOSSES,
    SHAPE,
    SIDE_BY_SIDE,
    SIZE,
    STYLES,
    VERTICAL,
    View,
)
from explorer.panels.losses.scene import picture_size
from explorer.panels.losses.trace import Array, Trace
from explorer.panels.losses.words import ARROW_GRADIENT, in_numbers, said, situation, values

PREDICTED, TARGET = "#ffffff", 6
KEY_ROOM = 1.3
"""How much longer than its curves a chart is, so that their names have room beside them."""
SHEET = np.full((1, 1, 3), (24, 27, 34), np.uint8)
SHEET.flags.writeable = False
LEFT, TOP, RIGHT, BOTTOM = range(4)
NAME_AT = ((0.0, 0.75), (1.0, 0.0), (0.0, 1.0), (0.0, 0.5), (1.0, 1.0), (1.0, 0.5), (0.5, 0.0))
"""Where on its box each loss has its name, so that names stay apart when all boxes lie on the target."""


def draw(result: Result, view: View) -> Figure:
    trace: Trace = result.trace
    show = trace.params.show
    if show == FORMULAS:
        return _formulas(result, trace, view)
    if show == SIDE_BY_SIDE:
        return _side_by_side(result, trace, view)
    if show == ARRIVAL:
        return _arrival(result, trace, view)
    return _descent(result, trace, view)


def chosen(view: View) -> int | None:
    """Which loss is looked at alone; None for all."""
    return None if view.loss == ALL else LOSSES.index(view.loss)


def step_of(trace: Trace, view: View) -> int:
    return min(view.step, trace.params.steps)


# -- formulas, gradients and curves along a drag


def _formulas(result: Result, trace: Trace, view: View) -> Figure:
    only = chosen(view)
    which = range(len(LOSSES)) if only is None else (only,)
    picture = _scene(result, trace, view, tr("Where gradient descent moves each side"), (
        *_geometry(trace, only), *_handles(trace), *_arrows(trace, which)))  # fmt: skip
    columns = (
        TableColumn(tr("Loss")),
        TableColumn(tr("With its numbers")),
        TableColumn(tr("Value"), digits=3),
        TableColumn(tr("|Gradient|"), digits=3),
    )
    norms = np.linalg.norm(trace.gradient, axis=1)
    rows = tuple((tr(n), in_numbers(trace, i), float(trace.loss[i]), float(norms[i])) for i, n in enumerate(LOSSES))
    table = Pane(
        "table", tr("Seven losses of the same two boxes"), (Table(columns, rows, selected=only, key="losses"),)
    )
    return Figure(
        Row((picture, Column((table, _drag(trace, view)), weights=(1, 1.1))), weights=(1.0, 1.0)),
        values=values(trace),
        notes=(Note(situation(trace)),),
    )


def _geometry(trace: Trace, only: int | None) -> tuple[Mark, ...]:
    """What the chosen loss looks at: corners, the overlap, the smallest box around both, the line between the centres."""
    if only is None:
        return ()
    p, t, colour = np.array(trace.predicted), np.array(trace.target), COLOURS[only]
    low, high = np.maximum(p, t), np.minimum(p, t)
    around = np.array([[high[0], high[1], low[2], low[3]]])
    if LOSSES[only] in ("L1", "L2", "smooth L1"):
        return (Segments(p.reshape(2, 2), t.reshape(2, 2), colours=colour, style="dotted", key="corners"),)
    marks: list[Mark] = []
    if trace.numbers.intersection > 0:
        common = np.array([[low[0], low[1], high[2], high[3]]])
        marks.append(Boxes(common, colours=colour, width=1.0, fill=0.45, key="intersection"))
    if LOSSES[only] != "IoU":
        marks.append(Boxes(around, colours=colour, styles="dashed", key="around"))
        corner = around[:, [0, 3]]
        marks.append(Points(corner, (tr("smallest box around both"),), colour, size=2.0, key="name of around"))
    if LOSSES[only] in ("DIoU", "CIoU"):
        centres = np.array([(p[:2] + p[2:]) / 2, (t[:2] + t[2:]) / 2])
        ends = np.stack((centres, around.reshape(2, 2)))  # (line, end, xy)
        marks.append(Segments(ends[:1, 0], ends[:1, 1], colours=colour, width=3.0, key="centres"))
        marks.append(Segments(ends[1:, 0], ends[1:, 1], colours=colour, style="dotted", key="diagonal"))
        marks.append(Points(centres, colours=colour, key="centre points"))
    return tuple(marks)


def _arrows(trace: Trace, which: Sequence[int]) -> tuple[Mark, ...]:
    """Four arrows a loss, side by side on the sides of the predicted box."""
    x0, y0, x1, y1 = trace.predicted
    feet, vectors, colours = [], [], []
    for place, loss in enumerate(which):
        part = (place + 1) / (len(which) + 1)
        x, y = x0 + part * (x1 - x0), y0 + part * (y1 - y0)
        lengths = np.clip(-trace.gradient[loss] / ARROW_GRADIENT, -1, 1) * trace.size
        feet += [(x0, y), (x, y0), (x1, y), (x, y1)]
        vectors += [(lengths[LEFT], 0), (0, lengths[TOP]), (lengths[RIGHT], 0), (0, lengths[BOTTOM])]
        colours += [COLOURS[loss]] * 4
    start, vector = np.array(feet, np.float64), np.array(vectors, np.float64)
    there = np.abs(vector).max(axis=1) > 0.1
    return (
        Points(start, colours=colours, size=6.0, key="feet"),
        Arrows(start[there], vector[there], [c for c, kept in zip(colours, there, strict=True) if kept], width=2.5),
    )


def _drag(trace: Trace, view: View) -> Pane:
    drag = trace.drag
    assert drag is not None
    gradient = view.curve == GRADIENT
    heights = drag.gradient if gradient else drag.loss
    now = int(np.searchsorted(drag.at, drag.now))
    ceiling = (4.0 if gradient else 3.0) * trace.weight
    only = chosen(view)
    curves = [
        Curve(drag.at, heights[i], tr(name), COLOURS[i], 4.0 if i == only else 2.0, STYLES[i], key=name)
        for i, name in enumerate(LOSSES)
    ]
    here = Segments(np.array([[drag.now, 0.0]]), np.array([[drag.now, ceiling]]), 7, 1.5, "dotted", key="now")
    spots = Points(np.stack((np.full(len(LOSSES), drag.now), heights[:, now]), axis=1), colours=COLOURS, key="spots")
    titles = {
        HORIZONTAL: tr("Moved horizontally"),
        VERTICAL: tr("Moved vertically"),
        SIZE: tr("Enlarged and shrunk"),
        SHAPE: tr("Made wider or higher"),
    }
    labels = {
        HORIZONTAL: tr("offset of the centres in x"),
        VERTICAL: tr("offset of the centres in y"),
        SIZE: tr("size of the box / the target's"),
        SHAPE: tr("width : height / the target's"),
    }
    along = trace.params.along
    low, high = float(drag.at[0]), float(drag.at[-1])
    unit = tr("target sizes") if along in (HORIZONTAL, VERTICAL) else ""
    x = Axis(labels[along], unit, low=low, high=low + KEY_ROOM * (high - low))
    y = Axis(tr("|gradient|") if gradient else tr("loss"), low=0.0, high=ceiling)
    return Pane("drag", titles[along], (here, *curves, spots), axes=(x, y))


# -- gradient descent


def _descent(result: Result, trace: Trace, view: View) -> Figure:
    only = chosen(view)
    which = tuple(range(len(LOSSES))) if only is None else (only,)
    picture = _scene(result, trace, view, _step_title(trace, view), (
        *_handles(trace), *_moving(trace, view, which, named=True)))  # fmt: skip
    right = Column((_progress(trace, view), _state(trace, view)), weights=(1.1, 1))
    return Figure(Row((picture, right), weights=(1.2, 1)), values=values(trace), notes=_fairness(trace))


def _side_by_side(result: Result, trace: Trace, view: View) -> Figure:
    descent = trace.descent
    assert descent is not None
    step = step_of(trace, view)
    panes: list[Pane] = []
    for i, name in enumerate(LOSSES):
        title = f"{tr(name)} · {tr('IoU')} {said(float(descent.iou[step, i]))}"
        marks = (*_handles(trace, words=False), *_moving(trace, view, (i,), named=False))
        panes.append(_scene(result, trace, view, title, marks, key=name))
    panes.append(_progress(trace, view, named=False))
    return Figure(_grid(panes), values=values(trace), notes=_fairness(trace))


def _grid(panes: Sequence[Pane]) -> Column:
    return Column((Row(tuple(panes[:4])), Row(tuple(panes[4:]))))


def _step_title(trace: Trace, view: View) -> str:
    return tr("After {step} of {steps} steps", step=step_of(trace, view), steps=trace.params.steps)


def _fairness(trace: Trace) -> tuple[Note, ...]:
    if trace.params.normalised:
        return (Note(tr("One learning rate for all; each loss is scaled so that its gradient is 1 at a near miss.")),)
    return (Note(tr("One learning rate for all; the losses are taken as they are.")),)


def _moving(trace: Trace, view: View, which: Sequence[int], *, named: bool) -> tuple[Mark, ...]:
    """The boxes at this step, and the way their centres went."""
    descent, step = trace.descent, step_of(trace, view)
    assert descent is not None
    boxes = descent.boxes[step, list(which)]
    colours = [COLOURS[i] for i in which]
    marks: list[Mark] = []
    for i in which:
        way = descent.boxes[: step + 1, i]
        centres = (way[:, :2] + way[:, 2:]) / 2
        marks.append(Segments(centres[:-1], centres[1:], COLOURS[i], 1.5, key=f"way {i}"))
    marks.append(Boxes(boxes, colours=colours, styles=[STYLES[i] for i in which], width=3.0, key="boxes"))
    if named:
        at = np.array([NAME_AT[i] for i in which])
        corners = boxes[:, :2] + at * (boxes[:, 2:] - boxes[:, :2])
        marks.append(Points(corners, tuple(tr(LOSSES[i]) for i in which), colours, size=5.0, key="names"))
    return tuple(marks)


def _progress(trace: Trace, view: View, *, named: bool = True) -> Pane:
    """A quantity over the steps, for all losses."""
    descent, step, only = trace.descent, step_of(trace, view), chosen(view)
    assert descent is not None
    steps = np.arange(trace.params.steps + 1, dtype=np.float64)
    heights, label, low, high = {
        IOU: (descent.iou, tr("IoU"), 0.0, 1.02),
        DISTANCE: (descent.distance, tr("distance of the centres"), 0.0, _ceiling(descent.distance)),
        ASPECT: (descent.shape, tr("width : height / the target's"), 0.0, _ceiling(descent.shape)),
    }[view.progress]
    curves = [
        Curve(
            steps, heights[:, i], tr(name) if named else "", COLOURS[i], 4.0 if i == only else 2.0, STYLES[i], key=name
        )
        for i, name in enumerate(LOSSES)
    ]
    here = Segments(np.array([[step, low]]), np.array([[step, high]]), 7, 1.5, "dotted", key="now")
    spots = Points(
        np.stack((np.full(len(LOSSES), float(step)), heights[step]), axis=1), colours=COLOURS, size=7.0, key="spots"
    )
    unit = tr("target sizes") if view.progress == DISTANCE else ""
    axes = (
        Axis(tr("step"), low=0.0, high=trace.params.steps * (KEY_ROOM if named else 1.0)),
        Axis(label, unit, low=low, high=high),
    )
    return Pane("progress", tr("Over the steps"), (here, *curves, spots), axes=axes)


def _ceiling(values: Array) -> float:
    """Of a chart: what is left when a box flies away does not flatten the others."""
    return float(max(1.25 * values[0].max(), 1.25))


def _state(trace: Trace, view: View) -> Pane:
    descent, step = trace.descent, step_of(trace, view)
    assert descent is not None
    columns = (
        TableColumn(tr("Loss")),
        TableColumn(tr("Value"), digits=3),
        TableColumn(tr("IoU"), digits=3),
        TableColumn(tr("Distance"), digits=3),
        TableColumn(tr("Shape / target's"), digits=3),
    )
    table = np.stack([part[step] for part in (descent.loss, descent.iou, descent.distance, descent.shape)], axis=1)
    rows = tuple(
        (tr(name), float(a), float(b), float(c), float(d)) for name, (a, b, c, d) in zip(LOSSES, table, strict=True)
    )
    return Pane("table", _step_title(trace, view), (Table(columns, rows, selected=chosen(view), key="losses"),))


# -- where descent arrives from everywhere


def _arrival(result: Result, trace: Trace, view: View) -> Figure:
    arrival, only = trace.arrival, chosen(view)
    assert arrival is not None
    shares = np.array([100 * float((part >= 0.5).mean()) for part in arrival.iou])
    label = tr("IoU reached")
    maps = [
        Heatmap(part, label, low=0.0, high=1.0, opacity=0.6, extent=arrival.extent, key="map") for part in arrival.iou
    ]
    bars = Pane(
        "shares",
        tr("Places that reach IoU 0.5"),
        (Bars(shares, tuple(tr(name) for name in LOSSES), colours=COLOURS, label=tr("share"), horizontal=True),),
        axes=(Axis(tr("of all places"), "%", low=0.0, high=100.0), Axis("")),
    )
    note = Note(
        tr(
            "The predicted box starts from every place of the picture; its colour there is the IoU it reaches in {steps} steps.",
            steps=trace.params.steps,
        )
    )
    if only is not None:
        picture = _scene(result, trace, view, tr(LOSSES[only]), (maps[only], *_handles(trace)))
        return Figure(Row((picture, bars), weights=(2.2, 1)), values=values(trace), notes=(note,))
    panes = [
        _scene(result, trace, view, tr(name), (part, *_handles(trace, words=False)), key=name)
        for name, part in zip(LOSSES, maps, strict=True)
    ]
    return Figure(_grid([*panes, bars]), values=values(trace), notes=(note,))


# -- the picture with the two boxes


def _scene(result: Result, trace: Trace, view: View, title: str, marks: tuple[Mark, ...], key: str = "picture") -> Pane:
    width, height = picture_size(result.frame.size)
    sheet = Image(SHEET, (0.0, 0.0, *trace.scene), key="sheet")
    picture = Image(result.frame.image, (0.0, 0.0, width, height), view.picture, key="picture")
    return Pane(key, title, (sheet, picture, *marks), space="scene", size=trace.scene)


def _handles(trace: Trace, *, words: bool = True) -> tuple[Mark, ...]:
    bounds = (0.0, 0.0, *trace.scene)
    return (
        Handles("target", "box", trace.target, tr("target") if words else "", TARGET, bounds, key="target"),
        Handles(
            "predicted", "box", trace.predicted, tr("predicted") if words else "", PREDICTED, bounds, key="predicted"
        ),
    )
