"""How far each method is at a step: nothing here computes, it compares ticks and picks from the traces."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from explorer.panels.nms.controls import View
from explorer.panels.nms.methods import AVERAGING
from explorer.panels.nms.trace import Run, Trace

EventKind = Literal["start", "keep", "decide", "wait", "end"]


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """One method at one step.

    Args:
        kept, gone: (N,) bool; neither is not decided yet.
        settled: (K,) bool of the kept boxes: all decisions of theirs are made.
        boxes: (N, 4), of settled boxes where averaging put them.
        scores: (N,) as they are at this step.
        made: how many decisions have been made.
        event: what happened last: ``keep``, ``decide``, nothing (``wait`` for the other methods), or nothing yet or any more.
        subject: the box it happened to, or -1.
        decision: its number among the decisions, or -1.
    """

    kept: NDArray[np.bool_]
    gone: NDArray[np.bool_]
    settled: NDArray[np.bool_]
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    made: int
    event: EventKind
    subject: int
    decision: int


def step_of(trace: Trace, view: View) -> int:
    return min(view.step, trace.timeline.steps)


def state(trace: Trace, number: int, step: int) -> State:
    """Of the method of this number."""
    run, course = trace.runs[number], trace.timeline.courses[number]
    made = int(np.searchsorted(course.decided_at, step))
    kept, gone = course.kept_at < step, course.gone_at < step
    settled = course.settled_at <= step
    keep = run.trace.keep.numpy()[settled]
    scores = run.trace.scores_at(made).numpy().copy()
    scores[keep] = run.trace.kept_scores.numpy()[settled]
    boxes = trace.scene.boxes.numpy().copy()
    boxes[keep] = run.trace.kept_boxes.numpy()[settled]
    event, subject, decision = _event(trace, number, step, made)
    return State(kept, gone, settled, boxes, scores, made, event, subject, decision)


def _event(trace: Trace, number: int, step: int, made: int) -> tuple[EventKind, int, int]:
    run, course = trace.runs[number], trace.timeline.courses[number]
    if step == 0:
        return "start", -1, -1
    if step >= trace.timeline.steps:
        return "end", -1, -1
    kept = np.flatnonzero(course.kept_at == step - 1)
    if len(kept):
        return "keep", int(kept[0]), -1
    if made and course.decided_at[made - 1] == step - 1:
        return "decide", int(run.trace.decisions.on[made - 1]), made - 1
    return ("end", -1, -1) if not len(course.settled_at) or step > course.settled_at[-1] else ("wait", -1, -1)


def moved(run: Run, box: int) -> bool:
    """Whether the method puts this box elsewhere than it was."""
    if run.method not in AVERAGING or box not in run.trace.keep:
        return False
    place = int((run.trace.keep == box).nonzero()[0, 0])
    return bool((run.trace.kept_boxes[place] != run.trace.boxes[box]).any())


def last_decision(run: Run, box: int, made: int | None = None) -> int | None:
    """The number of the last of the first ``made`` decisions (default: all) that hit a box."""
    hits = (run.trace.decisions.on[:made] == box).nonzero()
    return int(hits[-1, 0]) if len(hits) else None


def in_focus(trace: Trace, view: View, step: int) -> int:
    """The box that the panel talks about: the chosen one, else the one that the first method just decided on, or -1."""
    if 0 <= view.box < len(trace.scene):
        return view.box
    subject = state(trace, 0, step).subject if trace.runs else -1
    return subject
