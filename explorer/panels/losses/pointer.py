"""What the mouse does: chooses losses and steps, puts the predicted box, and looks ahead."""

from typing import Any

import numpy as np

from explorer.figure import Boxes, Curve, Lit, Points, Probe, Spot
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.losses.controls import ALL, COLOURS, GRADIENT, LOSSES, SIDE_BY_SIDE, STYLES, View
from explorer.panels.losses.drawing import PREDICTED
from explorer.panels.losses.trace import Trace
from explorer.panels.losses.words import in_numbers, said


def pick(result: Result, view: View, spot: Spot) -> dict[str, Any] | None:
    """A row, bar or picture of one loss chooses it (again: all of them); the charts take the step or the box there."""
    trace: Trace = result.trace
    loss = spot.pane
    if spot.mark in ("losses", "bars") and spot.index is not None and spot.index < len(LOSSES):
        loss = LOSSES[spot.index]
    if loss in LOSSES:
        return {"loss": ALL if view.loss == loss else loss}
    if spot.pane == "drag" and trace.drag is not None:
        return {"predicted": tuple(float(v) for v in trace.drag.boxes[_nearest(trace, spot.x)])}
    if spot.pane == "progress":
        return {"step": int(np.clip(round(spot.x), 0, trace.params.steps))}
    return None


def probe(result: Result, view: View, spot: Spot) -> Probe | None:
    """In a chart: the box there, on the picture; on a table's row: its curve and its formula."""
    trace: Trace = result.trace
    if spot.pane == "drag" and trace.drag is not None:
        place = _nearest(trace, spot.x)
        heights = (trace.drag.gradient if view.curve == GRADIENT else trace.drag.loss)[:, place]
        spots = np.stack((np.full(len(LOSSES), trace.drag.at[place]), heights), axis=1)
        box = Boxes(trace.drag.boxes[place : place + 1], colours=PREDICTED, styles="dashed", key="ahead")
        return Probe(_list(heights), {"picture": (box,), "drag": (Points(spots, colours=COLOURS, key="ahead"),)})
    if spot.pane == "progress" and trace.descent is not None:
        step = int(np.clip(round(spot.x), 0, trace.params.steps))
        boxes = trace.descent.boxes[step]
        text = tr("step {step}: IoU {values}", step=step, values=_list(trace.descent.iou[step]))
        if trace.params.show == SIDE_BY_SIDE:
            return Probe(text, {name: (_ahead(boxes[i : i + 1], [i]),) for i, name in enumerate(LOSSES)})
        which = list(range(len(LOSSES))) if view.loss == ALL else [LOSSES.index(view.loss)]
        return Probe(text, {"picture": (_ahead(boxes[which], which),)})
    if spot.mark == "losses" and spot.index is not None and spot.index < len(LOSSES):
        return _of_loss(trace, view, spot.index)
    return None


def _of_loss(trace: Trace, view: View, loss: int) -> Probe:
    text = f"{tr(LOSSES[loss])} = {in_numbers(trace, loss)} = {said(float(trace.loss[loss]), 3)}"
    marks: dict[str, tuple[Curve | Lit, ...]] = {}
    if trace.drag is not None:
        heights = (trace.drag.gradient if view.curve == GRADIENT else trace.drag.loss)[loss]
        marks["drag"] = (Curve(trace.drag.at, heights, "", COLOURS[loss], 5.0, STYLES[loss], key="lit curve"),)
    if trace.descent is not None and view.loss == ALL:
        marks["picture"] = (Lit("boxes", loss),)
    return Probe(text, {key: tuple(some) for key, some in marks.items()})


def _ahead(boxes: np.ndarray, which: list[int]) -> Boxes:
    return Boxes(boxes, colours=[COLOURS[i] for i in which], width=2.0, styles="dotted", key="ahead")


def _nearest(trace: Trace, x: float) -> int:
    assert trace.drag is not None
    return int(np.abs(trace.drag.at - x).argmin())


def _list(values: np.ndarray) -> str:
    return ", ".join(f"{tr(name)} {said(float(v))}" for name, v in zip(LOSSES, values, strict=True))
