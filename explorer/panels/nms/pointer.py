"""What is under the pointer, and what a click does."""

from typing import Any

import numpy as np

from explorer.figure import Boxes, Lit, Mark, Probe, Spot
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.nms.charts import pane_points
from explorer.panels.nms.controls import ADD, DELETE, LESS_SURE, LOOK, SCORE_DOWN, SCORE_UP, SURER, Params, View
from explorer.panels.nms.pictures import (
    CHOSEN,
    HIT,
    caption,
    cluster,
    number_of,
    overlap_marks,
    pane_key,
    removed_shown,
)
from explorer.panels.nms.state import State, state, step_of
from explorer.panels.nms.trace import Trace
from explorer.panels.nms.words import story

NEAR = 0.008
"""How far from an edge still counts as on it, as part of the picture's longer side."""
NEW_SIDE, NEW_SCORE, NEW_SIGMA = 80.0, 0.7, 5.0
SCORE_STEP = LEAST_SCORE = 0.05
LEAST_SIGMA, MOST_SIGMA = 0.5, 64.0


def probe(result: Result, view: View, spot: Spot) -> Probe | None:
    """The box under the pointer in every picture, in the table and in the chart, and what became of it."""
    trace: Trace = result.trace
    step = step_of(trace, view)
    box = pointed(trace, view, spot, step)
    if box is None:
        return None
    marks: dict[str, tuple[Mark, ...]] = {"table": (Lit("table", int(np.flatnonzero(trace.rows == box)[0])),)}
    stories = []
    for number, run in enumerate(trace.runs):
        now = state(trace, number, step)
        label = caption(trace, now, box)
        members = Boxes(now.boxes[cluster(run, now, box)], colours=HIT, width=1.0, key="cluster")
        here = Boxes(now.boxes[box : box + 1], labels=(label,), colours=CHOSEN, width=3.5, key="pointed")
        marks[pane_key(number)] = (members, *overlap_marks(trace, run, now, box), here)
        stories.append(f"{tr(run.method)}: {', '.join(story(result, number, now, box)[:2])}")
    marks["below"] = tuple(Lit(pane_points(number), box, key=f"lit{number}") for number in range(len(trace.runs)))
    first = number_of(spot.pane, trace) or 0
    return Probe("\n".join((*stories[first:], *stories[:first])), marks)


def pick(result: Result, view: View, spot: Spot) -> dict[str, Any] | None:
    """A click chooses a box (again: none), or changes the user's own boxes as the choice beside says."""
    trace: Trace = result.trace
    box = pointed(trace, view, spot, step_of(trace, view))
    params: Params = result.task.params
    if trace.by_hand and number_of(spot.pane, trace) is not None and params.click != LOOK:
        return changed(params, box, spot, trace.size)
    if box is None:
        return {"box": -1} if number_of(spot.pane, trace) is not None else None
    return {"box": -1 if box == view.box else box}


def pointed(trace: Trace, view: View, spot: Spot, step: int) -> int | None:
    """The box that a spot is on, wherever it is shown."""
    number = number_of(spot.pane, trace)
    if number is not None:
        now = state(trace, number, step)
        near = NEAR * max(trace.size)
        return box_at(now, spot.x, spot.y, near=near, removed=removed_shown(trace, view))
    if spot.index is None:
        return None
    if spot.pane == "table" and 0 <= spot.index < len(trace.rows):
        return int(trace.rows[spot.index])
    if spot.pane == "below" and spot.mark.startswith("scores") and 0 <= spot.index < len(trace.scene):
        return spot.index
    return None


def box_at(now: State, x: float, y: float, *, near: float, removed: bool) -> int | None:
    """The visible box whose edge is nearest, if one is near; else the smallest around the place."""
    boxes = now.boxes
    inside = (boxes[:, :2] - near <= (x, y)).all(1) & ((x, y) <= boxes[:, 2:] + near).all(1)
    if not removed:
        inside &= ~now.gone
    if not inside.any():
        return None
    to_edge = np.abs(boxes - np.array([x, y, x, y])).min(1)
    at_edge = inside & (to_edge <= near)
    if at_edge.any():
        return int(np.where(at_edge, to_edge, np.inf).argmin())
    sides = boxes[:, 2:] - boxes[:, :2]
    return int(np.where(inside, sides[:, 0] * sides[:, 1], np.inf).argmin())


def changed(params: Params, box: int | None, spot: Spot, size: tuple[float, float]) -> dict[str, Any] | None:
    """The user's boxes after a click."""
    click, boxes, scores, sigmas = params.click, list(params.boxes), list(params.scores), list(params.sigmas)
    if click == ADD:
        if not (0 <= spot.x <= size[0] and 0 <= spot.y <= size[1]):
            return None
        left = round(min(max(spot.x - NEW_SIDE / 2, 0.0), size[0] - NEW_SIDE), 1)
        top = round(min(max(spot.y - NEW_SIDE / 2, 0.0), size[1] - NEW_SIDE), 1)
        boxes.append((left, top, left + NEW_SIDE, top + NEW_SIDE))
        scores.append(NEW_SCORE)
        sigmas.append(NEW_SIGMA)
        box = len(boxes) - 1
    elif box is None:
        return None
    elif click == DELETE:
        del boxes[box], scores[box], sigmas[box]
        box = -1
    elif click in (SCORE_UP, SCORE_DOWN):
        score = scores[box] + (SCORE_STEP if click == SCORE_UP else -SCORE_STEP)
        scores[box] = round(min(max(score, LEAST_SCORE), 1.0), 4)
    elif click in (SURER, LESS_SURE):
        sigma = sigmas[box] * (0.5 if click == SURER else 2.0)
        sigmas[box] = min(max(sigma, LEAST_SIGMA), MOST_SIGMA)
    return {"boxes": tuple(boxes), "scores": tuple(scores), "sigmas": tuple(sigmas), "box": box}
