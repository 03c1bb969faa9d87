"""One picture for each method: its boxes at a step."""

import numpy as np
from numpy.typing import NDArray

from explorer.figure import Boxes, Handles, Image, LineStyle, Mark, Pane
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.nms.controls import ALL_CAPTIONS, FITTING_CAPTIONS, LOOK, View
from explorer.panels.nms.methods import AVERAGING
from explorer.panels.nms.state import State, in_focus, last_decision, state
from explorer.panels.nms.trace import Run, Trace
from explorer.panels.nms.words import intersection

UNDECIDED, KEPT, REMOVED, HIT, LOWERED, DISPUTED, CHOSEN = 5, 2, 7, 3, 1, 6, 4
"""Colours: blue, green, grey, vermilion, orange, yellow, purple."""
NUMBERED, NAMED = 0.04, 0.2
"""A kept box has its number written on it if it is so wide a part of the picture, and its class and score if so wide."""
NOTHING: NDArray[np.float32] = np.zeros((0, 4), np.float32)


def pane_key(number: int) -> str:
    return f"method{number + 1}"


def number_of(pane: str, trace: Trace) -> int | None:
    """Which method a pane shows."""
    return next((number for number in range(len(trace.runs)) if pane == pane_key(number)), None)


def pictures(result: Result, view: View, step: int) -> list[Pane]:
    """All methods' pictures."""
    trace: Trace = result.trace
    return [picture(result, view, step, number) for number in range(len(trace.runs))]


def removed_shown(trace: Trace, view: View) -> bool:
    """Whether removed boxes are drawn: always by hand, where they must be there to be dragged."""
    return view.removed or trace.by_hand


def picture(result: Result, view: View, step: int, number: int) -> Pane:
    """One method's boxes at a step, under the words of what it just did."""
    trace: Trace = result.trace
    run, now = trace.runs[number], state(trace, number, step)
    focus = in_focus(trace, view, step)
    marks: list[Mark] = [] if trace.by_hand else [Image(result.frame.image)]
    if run.method in AVERAGING and removed_shown(trace, view):
        marks.append(Boxes(seeds(run, now), colours=LOWERED, width=1.0, styles="dotted", key="seeds"))
    if view.box == focus >= 0 and now.kept[focus]:
        marks.append(Boxes(now.boxes[cluster(run, now, focus)], colours=HIT, width=1.0, key="cluster"))
    marks += overlap_marks(trace, run, now, focus)
    marks.append(candidate_boxes(trace, view, now, focus))
    if trace.by_hand and 0 <= view.box < len(trace.scene) and result.task.params.click == LOOK:
        marks.append(handles(result, view.box))
    return Pane(pane_key(number), title(result, run, now), tuple(marks), space="picture", size=trace.size)


def title(result: Result, run: Run, now: State) -> str:
    """What the method just did, and what it keeps so far."""
    method, kept = tr(run.method), int(now.kept.sum())
    match now.event:
        case "keep":
            return tr("{method}: keeps {box} · {kept} kept", method=method, box=now.subject, kept=kept)
        case "decide":
            by, iou = int(run.trace.decisions.by[now.decision]), float(run.trace.decisions.overlap[now.decision])
            words = {"method": method, "box": now.subject, "by": by, "overlap": iou, "kept": kept}
            if now.scores[now.subject] > 0:
                return tr("{method}: {by} lowers {box}, {overlap:.2f} · {kept} kept", **words)
            if run.method == "Weighted NMS":
                return tr("{method}: {by} merges {box}, {overlap:.2f} · {kept} kept", **words)
            return tr("{method}: {by} removes {box}, {overlap:.2f} · {kept} kept", **words)
        case "wait":
            return tr("{method}: waits · {kept} kept", method=method, kept=kept)
        case "start":
            return tr("{method}: {count} candidates", method=method, count=len(now.kept))
    words = {"method": method, "kept": kept, "count": len(now.kept), "ms": run.seconds * 1e3}
    return tr("{method}: {kept} of {count} kept · {ms:.2f} ms", **words)


def candidate_boxes(trace: Trace, view: View, now: State, focus: int) -> Boxes:
    """All candidates in one mark, so that a box's number is its place; removed ones may be hidden."""
    colours = np.where(now.kept, KEPT, np.where(now.gone, REMOVED, UNDECIDED))
    widths = np.where(now.kept, 2.5, 1.0)
    disputed = trace.disputed() & (now.kept | now.gone)
    colours[disputed], widths[disputed] = DISPUTED, np.where(now.kept[disputed], 3.0, 1.5)
    if now.subject >= 0:
        lowered = now.event == "decide" and now.scores[now.subject] > 0 and not now.gone[now.subject]
        colours[now.subject] = KEPT if now.event == "keep" else LOWERED if lowered else HIT
        widths[now.subject] = 3.5
    if view.box == focus >= 0:
        widths[focus] = 4.5
    styles: list[LineStyle] = ["dashed" if gone else "solid" for gone in now.gone.tolist()]
    hidden = now.gone & ~disputed & (not removed_shown(trace, view))
    hidden[[box for box in (focus, now.subject) if box >= 0]] = False
    return Boxes(
        np.where(hidden[:, None], np.nan, now.boxes),
        labels=tuple(captions(trace, view, now, focus)),
        colours=tuple(colours.tolist()),
        width=tuple(widths.tolist()),
        styles=tuple(styles),
        key="boxes",
    )


def captions(trace: Trace, view: View, now: State, focus: int) -> list[str]:
    """One for each candidate, mostly empty: kept boxes that have room, and those the talk is about."""
    made = [""] * len(trace.scene)
    share = (now.boxes[:, 2] - now.boxes[:, 0]) / trace.size[0] * min(1.0, 2 / len(trace.runs))
    for box in np.flatnonzero(now.kept).tolist():
        if view.captions == ALL_CAPTIONS or (view.captions == FITTING_CAPTIONS and share[box] >= NAMED):
            made[box] = caption(trace, now, box)
        elif view.captions == FITTING_CAPTIONS and share[box] >= NUMBERED:
            made[box] = str(box)
    for box in {now.subject, focus} - {-1}:
        made[box] = caption(trace, now, box)
    return made


def caption(trace: Trace, now: State, box: int) -> str:
    """Number, class and score of a box, with its old score where it has another now."""
    before, score = float(trace.scene.scores[box]), float(now.scores[box])
    change = f"{before:.2f} → {score:.2f}" if abs(score - before) > 5e-3 and score > 0 else f"{before:.2f}"
    return " ".join(filter(None, (f"{box}:", trace.name(box), change)))


def seeds(run: Run, now: State) -> NDArray[np.float32]:
    """(S, 4) where the settled boxes of an averaging method were before."""
    keep = run.trace.keep.numpy()[now.settled]
    before, after = run.trace.boxes.numpy()[keep], now.boxes[keep]
    return before[np.abs(before - after).max(axis=1, initial=0) > 0.5]


def pair_of(run: Run, now: State, focus: int) -> tuple[int, int] | None:
    """The kept box and the other that the talk is about: the focus's last decision, else what just happened."""
    decision = last_decision(run, focus, now.made) if focus >= 0 else None
    if decision is None:
        decision = now.decision if now.decision >= 0 and now.subject == focus else None
    if decision is None:
        return None
    return int(run.trace.decisions.by[decision]), int(run.trace.decisions.on[decision])


def overlap_marks(trace: Trace, run: Run, now: State, focus: int) -> list[Mark]:
    """The area that the two boxes of the decision share, and the one that decided."""
    pair = pair_of(run, now, focus)
    if pair is None:
        return []
    by, on = pair
    boxes = trace.scene.boxes.numpy()
    shared = intersection(boxes[by], boxes[on])
    if (shared[2:] <= shared[:2]).any():
        return []
    label = f"IoU {trace.iou[by, on]:.2f}"
    return [
        Boxes(boxes[by : by + 1], colours=KEPT, width=5.0, fill=0.12, key="by"),
        Boxes(shared[None], labels=(label,), colours=HIT, width=1.0, fill=0.4, key="overlap"),
    ]


def cluster(run: Run, now: State, box: int) -> NDArray[np.int64]:
    """The boxes that a kept one has removed or lowered so far."""
    decisions = run.trace.decisions
    return np.unique(decisions.on[: now.made].numpy()[decisions.by[: now.made].numpy() == box])


def handles(result: Result, box: int) -> Handles:
    """The chosen box of the user's own, to drag."""
    width, height = result.trace.size
    value = result.task.params.boxes[box]
    return Handles(f"boxes.{box}", "box", value, colour=CHOSEN, bounds=(0, 0, width, height), key=f"handles{box}")
