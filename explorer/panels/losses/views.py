"""The four views, and what their places stand for: a loss, a place on a drag, a step of descent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cvcore.losses.box_descent import LOSSES, Array, Descent, Drag
from explorer.figure import (
    Arrows,
    At,
    Axis,
    Bars,
    Boxes,
    Column,
    Curve,
    Handles,
    Heatmap,
    Image,
    Layout,
    Lit,
    Mark,
    Note,
    Pane,
    Points,
    Row,
    Segments,
    Spot,
    TableColumn,
)
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.losses.compute import Arrival, Trace, picture_size
from explorer.panels.losses.controls import (
    ALL,
    ASPECT,
    COLOURS,
    DISTANCE,
    GRADIENT,
    HORIZONTAL,
    IOU,
    SHAPE,
    SHOWS,
    SIZE,
    STYLES,
    VERTICAL,
    Params,
    View,
)
from explorer.panels.losses.words import ARROW_GRADIENT, in_numbers, situation
from explorer.views.items import Items
from explorer.views.said import fixed

Shown = tuple[Layout | Note, ...]
SEVEN = range(len(LOSSES))

PREDICTED, TARGET = "#ffffff", 6
KEY_ROOM = 1.3
"""How much longer than its curves a chart is, so that their names have room beside them."""
SHEET = np.full((1, 1, 3), (24, 27, 34), np.uint8)
SHEET.flags.writeable = False
LEFT, TOP, RIGHT, BOTTOM = range(4)
NAME_AT = ((0.0, 0.75), (1.0, 0.0), (0.0, 1.0), (0.0, 0.5), (1.0, 1.0), (1.0, 0.5), (0.5, 0.0))
"""Where on its box each loss has its name, so that names stay apart when all boxes lie on the target."""


def chosen(view: View) -> int | None:
    """Which loss is looked at alone; None for all."""
    return None if view.loss == ALL else LOSSES.index(view.loss)


def losses(view: View) -> Items:
    """The seven; a click on one chooses it, and again all of them."""
    return Items.all(
        "loss", len(LOSSES), chosen(view), words=lambda i: tr(LOSSES[i]), value=LOSSES.__getitem__, again=ALL
    )


def spots_at(x: float, heights: Array) -> Array:
    """(7, 2) of all losses at one place of a chart."""
    return np.stack((np.full(len(LOSSES), x), heights), axis=1)


# -- what places stand for


@dataclass(frozen=True, slots=True, eq=False)
class OnDrag:
    """A place along the drag: the predicted box would be there. A click puts it there."""

    drag: Drag
    heights: Array

    def at(self, spot: Spot) -> At | None:
        place = int(np.abs(self.drag.at - spot.x).argmin())
        return {"dragged": place, "predicted": tuple(float(v) for v in self.drag.boxes[place])}

    def lit(self, at: At) -> tuple[Mark, ...]:
        marks: list[Mark] = []
        if "dragged" in at:
            place = at["dragged"]
            marks.append(
                Points(spots_at(float(self.drag.at[place]), self.heights[:, place]), colours=COLOURS, key="ahead")
            )
        if "loss" in at:
            i = LOSSES.index(at["loss"])
            marks.append(Curve(self.drag.at, self.heights[i], "", COLOURS[i], 5.0, STYLES[i], key="lit curve"))
        return tuple(marks)


@dataclass(frozen=True, slots=True, eq=False)
class OnSteps:
    """A step of descent."""

    steps: int
    heights: Array

    def at(self, spot: Spot) -> At | None:
        return {"step": int(np.clip(round(spot.x), 0, self.steps))}

    def lit(self, at: At) -> tuple[Mark, ...]:
        if "step" not in at:
            return ()
        return (Points(spots_at(at["step"], self.heights[at["step"]]), colours=COLOURS, key="ahead"),)


@dataclass(frozen=True, slots=True, eq=False)
class InScene:
    """The boxes of some losses on the picture.

    Args:
        which: the losses that are drawn.
        name: the loss that the whole picture is of, or empty.
    """

    part: Drag | Descent | Arrival
    which: Sequence[int]
    name: str = ""

    def at(self, spot: Spot) -> At | None:
        return {"loss": self.name} if self.name else None

    def lit(self, at: At) -> tuple[Mark, ...]:
        if isinstance(self.part, Drag) and "dragged" in at:
            box = self.part.boxes[at["dragged"]][None]
            return (Boxes(box, colours=PREDICTED, styles="dashed", key="ahead"),)
        if not isinstance(self.part, Descent):
            return ()
        if "step" in at:
            boxes, colours = self.part.boxes[at["step"], list(self.which)], [COLOURS[i] for i in self.which]
            return (Boxes(boxes, colours=colours, width=2.0, styles="dotted", key="ahead"),)
        if "loss" in at and not self.name and len(self.which) == len(LOSSES):
            return (Lit("boxes", LOSSES.index(at["loss"])),)
        return ()


def tell(result: Result[Trace, Params], view: View, at: At) -> str:
    trace = result.trace
    if "dragged" in at:
        return listed(heights_of(trace.part, view)[:, at["dragged"]])
    if "step" in at:
        return tr("step {step}: IoU {values}", step=at["step"], values=listed(trace.part.iou[at["step"]]))
    i = LOSSES.index(at["loss"])
    return f"{tr(LOSSES[i])} = {in_numbers(trace, i)} = {fixed(float(trace.loss[i]))}"


def listed(values: Array) -> str:
    return ", ".join(f"{tr(name)} {fixed(float(v), 2)}" for name, v in zip(LOSSES, values, strict=True))


def heights_of(drag: Drag, view: View) -> Array:
    """(7, K) of the curves along a drag."""
    return drag.gradient if view.curve == GRADIENT else drag.loss


# -- formulas, gradients and curves along a drag


def formulas(result: Result[Trace[Drag], Params], view: View) -> Shown:
    """The table of formulas and the curves of a drag beside the picture."""
    trace, only = result.trace, chosen(view)
    which = SEVEN if only is None else (only,)
    marks = (*_geometry(trace, only), *_handles(trace), *_arrows(trace, which))
    picture = _scene(result, view, tr("Where gradient descent moves each side"), marks, InScene(trace.part, which))
    columns = (
        TableColumn(tr("Loss")),
        TableColumn(tr("With its numbers")),
        TableColumn(tr("Value"), digits=3),
        TableColumn(tr("|Gradient|"), digits=3),
    )
    norms = np.linalg.norm(trace.gradient, axis=1)
    table = losses(view).table(
        "table",
        tr("Seven losses of the same two boxes"),
        columns,
        lambda i: (tr(LOSSES[i]), in_numbers(trace, i), float(trace.loss[i]), float(norms[i])),
        mark="losses",
    )
    right = Column((table, _drag(trace, view)), weights=(1, 1.1))
    return Row((picture, right), weights=(1.0, 1.0)), Note(situation(trace))


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


def _drag(trace: Trace[Drag], view: View) -> Pane:
    drag, only = trace.part, chosen(view)
    gradient, heights = view.curve == GRADIENT, heights_of(drag, view)
    now = int(np.searchsorted(drag.at, drag.now))
    ceiling = (4.0 if gradient else 3.0) * trace.weight
    curves = _curves(drag.at, heights, only)
    here = Segments(np.array([[drag.now, 0.0]]), np.array([[drag.now, ceiling]]), 7, 1.5, "dotted", key="now")
    spots = Points(spots_at(drag.now, heights[:, now]), colours=COLOURS, key="spots")
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
    return Pane("drag", titles[along], (here, *curves, spots), axes=(x, y), places=OnDrag(drag, heights))


def _curves(x: Array, heights: Array, only: int | None, *, named: bool = True) -> list[Mark]:
    """A curve a loss, (7, K); the chosen one thicker."""
    return [
        Curve(x, heights[i], tr(name) if named else "", COLOURS[i], 4.0 if i == only else 2.0, STYLES[i], key=name)
        for i, name in enumerate(LOSSES)
    ]


# -- gradient descent


def descent(result: Result[Trace[Descent], Params], view: View) -> Shown:
    """All boxes on one picture, at one step."""
    trace, only = result.trace, chosen(view)
    which = SEVEN if only is None else (only,)
    marks = (*_handles(trace), *_moving(trace, view, which, named=True))
    picture = _scene(result, view, _step_title(trace, view), marks, InScene(trace.part, which))
    right = Column((_progress(trace, view), _state(trace, view)), weights=(1.1, 1))
    return Row((picture, right), weights=(1.2, 1)), _fairness(trace)


def side_by_side(result: Result[Trace[Descent], Params], view: View) -> Shown:
    """A picture a loss, at one step."""
    trace, step = result.trace, step_of(result.trace, view)
    panes: list[Pane] = []
    for i, name in enumerate(LOSSES):
        title = f"{tr(name)} · {tr('IoU')} {fixed(float(trace.part.iou[step, i]), 2)}"
        marks = (*_handles(trace, words=False), *_moving(trace, view, (i,), named=False))
        panes.append(_scene(result, view, title, marks, InScene(trace.part, (i,), name)))
    return _grid([*panes, _progress(trace, view, named=False)]), _fairness(trace)


def _grid(panes: Sequence[Pane]) -> Column:
    return Column((Row(tuple(panes[:4])), Row(tuple(panes[4:]))))


def step_of(trace: Trace, view: View) -> int:
    return min(view.step, trace.params.steps)


def _step_title(trace: Trace, view: View) -> str:
    return tr("After {step} of {steps} steps", step=step_of(trace, view), steps=trace.params.steps)


def _fairness(trace: Trace) -> Note:
    if trace.params.normalised:
        return Note(tr("One learning rate for all; each loss is scaled so that its gradient is 1 at a near miss."))
    return Note(tr("One learning rate for all; the losses are taken as they are."))


def _moving(trace: Trace[Descent], view: View, which: Sequence[int], *, named: bool) -> tuple[Mark, ...]:
    """The boxes at this step, and the way their centres went."""
    descent, step = trace.part, step_of(trace, view)
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


def _progress(trace: Trace[Descent], view: View, *, named: bool = True) -> Pane:
    """A quantity over the steps, for all losses."""
    part, step = trace.part, step_of(trace, view)
    steps = np.arange(trace.params.steps + 1, dtype=np.float64)
    heights, label, low, high = {
        IOU: (part.iou, tr("IoU"), 0.0, 1.02),
        DISTANCE: (part.distance, tr("distance of the centres"), 0.0, _ceiling(part.distance)),
        ASPECT: (part.shape, tr("width : height / the target's"), 0.0, _ceiling(part.shape)),
    }[view.progress]
    curves = _curves(steps, heights.T, chosen(view), named=named)
    here = Segments(np.array([[step, low]]), np.array([[step, high]]), 7, 1.5, "dotted", key="now")
    spots = Points(spots_at(step, heights[step]), colours=COLOURS, size=7.0, key="spots")
    unit = tr("target sizes") if view.progress == DISTANCE else ""
    axes = (
        Axis(tr("step"), low=0.0, high=trace.params.steps * (KEY_ROOM if named else 1.0)),
        Axis(label, unit, low=low, high=high),
    )
    places = OnSteps(trace.params.steps, heights)
    return Pane("progress", tr("Over the steps"), (here, *curves, spots), axes=axes, places=places)


def _ceiling(values: Array) -> float:
    """Of a chart: what is left when a box flies away does not flatten the others."""
    return float(max(1.25 * values[0].max(), 1.25))


def _state(trace: Trace[Descent], view: View) -> Pane:
    part, step = trace.part, step_of(trace, view)
    titles = (tr("Value"), tr("IoU"), tr("Distance"), tr("Shape / target's"))
    columns = (TableColumn(tr("Loss")), *(TableColumn(title, digits=3) for title in titles))
    numbers = np.stack([values[step] for values in (part.loss, part.iou, part.distance, part.shape)], axis=1)
    return losses(view).table(
        "table", _step_title(trace, view), columns, lambda i: (tr(LOSSES[i]), *numbers[i].tolist()), mark="losses"
    )


# -- where descent arrives from everywhere


def arrival(result: Result[Trace[Arrival], Params], view: View) -> Shown:
    """A map a loss, or one: the IoU that is reached from each place."""
    trace, part, only = result.trace, result.trace.part, chosen(view)
    shares = np.array([100 * float((one >= 0.5).mean()) for one in part.iou])
    label = tr("IoU reached")
    maps = [Heatmap(one, label, low=0.0, high=1.0, opacity=0.6, extent=part.extent, key="map") for one in part.iou]
    axes = (Axis(tr("of all places"), "%", low=0.0, high=100.0), Axis(""))
    mark = Bars(shares, tuple(tr(name) for name in LOSSES), colours=COLOURS, label=tr("share"), horizontal=True)
    bars = losses(view).pane("shares", tr("Places that reach IoU 0.5"), (mark,), "bars", axes)
    note = Note(
        tr(
            "The predicted box starts from every place of the picture; its colour there is the IoU it reaches in {steps} steps.",
            steps=trace.params.steps,
        )
    )
    if only is not None:
        picture = _scene(result, view, tr(LOSSES[only]), (maps[only], *_handles(trace)), InScene(part, (only,)))
        return Row((picture, bars), weights=(2.2, 1)), note
    handles = _handles(trace, words=False)
    panes = [
        _scene(result, view, tr(name), (maps[i], *handles), InScene(part, (i,), name)) for i, name in enumerate(LOSSES)
    ]
    return _grid([*panes, bars]), note


# -- the picture with the two boxes


def _scene(result: Result[Trace, Params], view: View, title: str, marks: Sequence[Mark], places: InScene) -> Pane:
    trace = result.trace
    width, height = picture_size(result.frame.size)
    sheet = Image(SHEET, (0.0, 0.0, *trace.scene), key="sheet")
    picture = Image(result.frame.image, (0.0, 0.0, width, height), view.picture, key="picture")
    again = {"loss": ALL} if places.name else {}
    shown = (sheet, picture, *marks)
    return Pane(places.name or "picture", title, shown, space="scene", size=trace.scene, places=places, again=again)


def _handles(trace: Trace, *, words: bool = True) -> tuple[Mark, ...]:
    bounds = (0.0, 0.0, *trace.scene)
    return (
        Handles("target", "box", trace.target, tr("target") if words else "", TARGET, bounds, key="target"),
        Handles(
            "predicted", "box", trace.predicted, tr("predicted") if words else "", PREDICTED, bounds, key="predicted"
        ),
    )


VIEWS: dict[str, Any] = dict(zip(SHOWS, (formulas, descent, side_by_side, arrival), strict=True))
