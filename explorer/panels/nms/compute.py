"""Candidates, the methods' decisions on them, what is derived from both, and how far each method is at a step."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from cvcore import zoo
from cvcore.ops.boxes import box_iou
from cvcore.ops.nms import NMSTrace
from cvcore.suppression.candidates import Scene, from_detector, scene
from cvcore.suppression.methods import AVERAGING, METHODS, run_time, suppress, sweep
from cvcore.suppression.timeline import Timeline, timeline
from explorer.i18n import LANGUAGES
from explorer.panel import MEASURED, Context, Frame
from explorer.panels.nms.controls import ALL, BY_HAND, HAND_SIZE, KEPT_SWEEP, RUN_TIME, SCORE_SWEEP, Params, View
from explorer.views.detections import CARD, class_names, compile_operators, detect

THRESHOLDS = tuple(round(0.05 * i, 2) for i in range(1, 20))
REPEATS = 3
"""The least time of so many runs is shown."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One method's suppression.

    Args:
        seconds: what it takes without recording its decisions.
    """

    method: str
    trace: NMSTrace
    seconds: float = field(metadata=MEASURED)


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Everything the panel shows.

    Args:
        by_hand: the boxes are the user's own, on a blank scene.
        size: (width, height) of what the boxes lie on.
        names: of the boxes' classes, by label; empty by hand.
        present: the classes with any candidate.
        scene: the candidates.
        rows: (N,) the candidates by falling score, as the table has them.
        iou: (N, N).
        runs: one for each method shown.
        timeline: their decisions on one clock, in the same order.
        votes_to_keep: (N,) how many of the methods keep each box.
        sweep: (2, M, T) number and mean score of kept boxes over THRESHOLDS, where it is asked for.
        times: seconds of all methods, where they are asked for.
    """

    by_hand: bool
    size: tuple[float, float]
    names: tuple[str, ...]
    present: tuple[str, ...]
    scene: Scene
    rows: NDArray[np.int64]
    iou: NDArray[np.float32]
    runs: tuple[Run, ...]
    timeline: Timeline
    votes_to_keep: NDArray[np.int64]
    sweep: NDArray[np.float32] | None
    times: dict[str, float] = field(metadata=MEASURED)

    @property
    def sizes(self) -> dict[str, int]:
        return {"step": self.timeline.steps + 1}

    def disputed(self) -> NDArray[np.bool_]:
        """(N,) boxes that some of the methods keep and some do not."""
        return (self.votes_to_keep > 0) & (self.votes_to_keep < len(self.runs))

    def name(self, box: int) -> str:
        """The class of a candidate; empty by hand."""
        return self.names[int(self.scene.labels[box])] if self.names else ""


def compute(frame: Frame, params: Params, context: Context) -> Trace:
    """Candidates from the detector or by hand, then each method with its decisions."""
    compile_operators("nms", context)
    by_hand = params.scene == BY_HAND
    names, present = ((), ()) if by_hand else (class_names(), ())
    if by_hand:
        boxes = hand_scene(params)
    else:
        found = detect(frame, context)
        boxes = from_detector(found, frame.size, params.candidates, label_of(params.category))
        seen = (found.scores > params.score_threshold).any(0).nonzero()[:, 0].tolist()
        present = tuple(names[label] for label in seen)
    with context.stage("suppression"):
        settings = params.settings
        runs = tuple(
            Run(method, suppress(method, boxes, settings), run_time(method, boxes, settings, REPEATS))
            for method in params.methods
        )
    with context.stage("trace"):
        kept = np.zeros(len(boxes), np.int64)
        for run in runs:
            kept[run.trace.keep.numpy()] += 1
        curves = None
        if params.below in (KEPT_SWEEP, SCORE_SWEEP):
            curves = torch.stack(sweep(params.methods, boxes, settings, THRESHOLDS)).numpy()
        times = {}
        if params.below == RUN_TIME:
            times = {method: run_time(method, boxes, settings, REPEATS) for method in METHODS}
        return Trace(
            by_hand=by_hand,
            size=HAND_SIZE if by_hand else frame.size,
            names=names,
            present=present,
            scene=boxes,
            rows=boxes.scores.argsort(descending=True, stable=True).numpy(),
            iou=box_iou(boxes.boxes, boxes.boxes).numpy(),
            runs=runs,
            timeline=timeline([run.trace for run in runs]),
            votes_to_keep=kept,
            sweep=curves,
            times=times,
        )


def hand_scene(params: Params) -> Scene:
    """The user's boxes: one class, and the same spread on all four sides."""
    boxes = torch.tensor(params.boxes, dtype=torch.float32).reshape(-1, 4)
    scores = torch.tensor(params.scores, dtype=torch.float32)
    sigmas = torch.tensor(params.sigmas, dtype=torch.float32)
    variance = sigmas.square()[:, None].expand(-1, 4)
    return scene(boxes, scores, torch.zeros(len(boxes), dtype=torch.int64), variance, params.candidates)


def label_of(category: str) -> int | None:
    """The number of a class from its name in any language, since a remembered name may be in another."""
    if category == ALL:
        return None
    card = zoo.card(CARD)
    for language in LANGUAGES:
        if category in (names := card.label_names(language)):
            return names.index(category)
    return None


# -- at a step: nothing here computes, it compares ticks and picks from the traces

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


def pair_of(run: Run, now: State, focus: int) -> tuple[int, int] | None:
    """The kept box and the other that the talk is about: the focus's last decision, else what just happened."""
    decision = last_decision(run, focus, now.made) if focus >= 0 else None
    if decision is None:
        decision = now.decision if now.decision >= 0 and now.subject == focus else None
    if decision is None:
        return None
    return int(run.trace.decisions.by[decision]), int(run.trace.decisions.on[decision])
