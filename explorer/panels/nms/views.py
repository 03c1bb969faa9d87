"""A picture for each method, the table of candidates, words about one of them, and the charts that can stand below."""

import json
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cvcore.assets import asset
from cvcore.suppression.methods import AVERAGING, METHODS
from explorer.figure import (
    At,
    Axis,
    Bars,
    Boxes,
    Column,
    Curve,
    Handles,
    Image,
    Layout,
    LineStyle,
    Lit,
    Mark,
    Pane,
    Points,
    Row,
    Spot,
    TableColumn,
    Text,
)
from explorer.i18n import tr, tr_n
from explorer.panel import Result
from explorer.panels.nms.compute import THRESHOLDS, Run, State, Trace, in_focus, pair_of, state, step_of
from explorer.panels.nms.controls import (
    ADD,
    ALL_CAPTIONS,
    BEFORE_AFTER,
    DELETE,
    FITTING_CAPTIONS,
    KEPT_BY_SCORE,
    KEPT_SWEEP,
    LESS_SURE,
    LOOK,
    RELIABILITY,
    RUN_TIME,
    SCORE_DOWN,
    SCORE_SWEEP,
    SCORE_UP,
    SHORT_NAMES,
    SURER,
    Params,
    View,
)
from explorer.panels.nms.words import decay_of, intersection, story
from explorer.views.items import Items

Shown = Result[Trace, Params]
UNDECIDED, KEPT, REMOVED, HIT, LOWERED, DISPUTED, CHOSEN = 5, 2, 7, 3, 1, 6, 4
"""Colours: blue, green, grey, vermilion, orange, yellow, purple."""
NUMBERED, NAMED = 0.04, 0.2
"""A kept box has its number written on it if it is so wide a part of the picture, and its class and score if so wide."""
NOTHING: NDArray[np.float32] = np.zeros((0, 4), np.float32)


def pane_key(number: int) -> str:
    return f"method{number + 1}"


def removed_shown(trace: Trace, view: View) -> bool:
    """Whether removed boxes are drawn: always by hand, where they must be there to be dragged."""
    return view.removed or trace.by_hand


def picture(result: Shown, view: View, step: int, number: int) -> Pane:
    """One method's boxes at a step, under the words of what it just did."""
    trace = result.trace
    run, now = trace.runs[number], state(trace, number, step)
    focus = in_focus(trace, view, step)
    marks: list[Mark] = [] if trace.by_hand else [Image(result.frame.image)]
    if run.method in AVERAGING and removed_shown(trace, view):
        marks.append(Boxes(seeds(run, now), colours=LOWERED, width=1.0, styles="dotted", key="seeds"))
    if view.box == focus >= 0 and now.kept[focus]:
        marks.append(Boxes(now.boxes[cluster(run, now, focus)], colours=HIT, width=1.0, key="cluster"))
    marks += overlap_marks(trace, run, now, focus)
    marks.append(candidate_boxes(trace, view, now, focus))
    if trace.by_hand and 0 <= view.box < len(trace.scene) and result.params.click == LOOK:
        marks.append(handles(result, view.box))
    places = OnPicture(trace, view, number, now)
    return Pane(
        pane_key(number), title(result, run, now), tuple(marks), "picture", size=trace.size, places=places, again=NO_BOX
    )


def title(result: Shown, run: Run, now: State) -> str:
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
            return tr_n("{method}: {n} candidate", "{method}: {n} candidates", len(now.kept), method=method)
        case "end":
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


def handles(result: Shown, box: int) -> Handles:
    """The chosen box of the user's own, to drag."""
    width, height = result.trace.size
    value = result.params.boxes[box]
    return Handles(f"boxes.{box}", "box", value, colour=CHOSEN, bounds=(0, 0, width, height), key=f"handles{box}")


# -- the table, and the words about one box


WIDE = 4
"""With so many methods there is no room for the classes' names."""


def table(result: Shown, view: View, step: int) -> Pane:
    """A row for each candidate: its score and what each method did to it so far."""
    trace = result.trace
    states = [state(trace, number, step) for number in range(len(trace.runs))]
    focus = in_focus(trace, view, step)
    columns = [TableColumn(tr("box"))]
    named = not trace.by_hand and len(trace.runs) < WIDE
    if named:
        columns.append(TableColumn(tr("class")))
    columns.append(TableColumn(tr("score"), digits=2))
    if trace.by_hand:
        columns.append(TableColumn("σ", tr("px")))
    columns += [TableColumn(tr(SHORT_NAMES[run.method])) for run in trace.runs]
    if focus >= 0:
        columns.append(TableColumn(tr("IoU with {box}", box=focus), digits=2))
    scores = trace.scene.scores.tolist()

    def row(box: int) -> list[str | float | int]:
        cells: list[str | float | int] = [box]
        if named:
            cells.append(trace.name(box))
        cells.append(scores[box])
        if trace.by_hand:
            cells.append(float(trace.scene.variance[box, 0].sqrt()))
        cells += [fate(run, now, box, scores[box]) for run, now in zip(trace.runs, states, strict=True)]
        if focus >= 0:
            cells.append(float(trace.iou[focus, box]))
        return cells

    count, found = len(trace.scene), trace.scene.found
    words = tr_n("{n} candidate", "{n} candidates", count)
    if count < found:
        words = tr("The best {count} of {found} candidates", count=count, found=found)
    items = Items("box", trace.rows, focus if focus >= 0 else None, again=-1)
    return items.table("table", words, columns, row, mark="table")


def fate(run: Run, now: State, box: int, before: float) -> str:
    """A cell: kept, by which box it was removed, or the score so far."""
    score = float(now.scores[box])
    if now.kept[box]:
        return tr("kept {score:.2f}", score=score) if abs(score - before) > 5e-3 else tr("kept")
    if now.gone[box]:
        by = int(run.trace.suppressed_by[box])
        return tr("by {box}", box=by) if by >= 0 else tr("too low")
    return f"{score:.2f}" if score < before else "·"


def words_pane(result: Shown, view: View, step: int) -> Pane:
    """What each method did to the box in focus, with its numbers."""
    trace = result.trace
    focus = in_focus(trace, view, step)
    if focus < 0:
        hint = tr("Click a box or a row of the table, or step through the decisions.")
        return Pane("words", tr("The chosen box"), (Text(hint),))
    parts = []
    for number, run in enumerate(trace.runs):
        lines = story(result, number, state(trace, number, step), focus)
        parts.append(Text("\n".join((f"{tr(run.method)}: {lines[0]}", *lines[1:])), key=f"words{number}"))
    score = float(trace.scene.scores[focus])
    name = " ".join(filter(None, (tr("Box {box}", box=focus), trace.name(focus), f"{score:.2f}")))
    return Pane("words", name, tuple(parts))


# -- the charts that can stand below the table


MEASURED = ("measurements", "nms_methods.json")
SYMBOLS: tuple[Literal["disc", "ring", "cross", "square"], ...] = ("disc", "ring", "cross", "square")


def chart(result: Shown, step: int) -> Pane | None:
    """The chart that is asked for; None where it is words."""
    makers = {
        KEPT_SWEEP: sweep_chart,
        SCORE_SWEEP: sweep_chart,
        KEPT_BY_SCORE: by_score,
        BEFORE_AFTER: before_after,
        RUN_TIME: run_times,
        RELIABILITY: reliability,
    }
    maker = makers.get(result.params.below)
    return None if maker is None else maker(result, step)


def colour(method: str) -> int:
    """Of a method's curves: the same whatever others are shown."""
    return METHODS.index(method)


def sweep_chart(result: Shown, step: int) -> Pane:
    """Number or mean score of kept boxes over the threshold, each method a curve."""
    trace, params = result.trace, result.params
    scores = params.below == SCORE_SWEEP
    if trace.sweep is None:
        return Pane("below", "", (Text(""),))
    values = trace.sweep[1 if scores else 0]
    x = np.array(THRESHOLDS)
    curves: list[Mark] = [
        Curve(x, values[number], label=label_at(params, run), colour=colour(run.method), key=run.method)
        for number, run in enumerate(trace.runs)
    ]
    seen = values[np.isfinite(values)]
    low = float(seen.min(initial=1.0)) if scores else 0.0
    curves.append(upright(params.iou_threshold, low, float(seen.max(initial=low))))
    y = Axis(tr("mean score")) if scores else Axis(tr("kept boxes"), low=0)
    title = tr("Mean score as the threshold moves") if scores else tr("Kept boxes as the threshold moves")
    return Pane("below", title, tuple(curves), axes=(Axis(tr("IoU threshold"), low=0, high=1), y))


def label_at(params: Params, run: Run) -> str:
    """A method's name, and what the threshold axis means for it where that is not the IoU threshold."""
    return tr("{method} (σ)", method=tr(run.method)) if decay_of(run, params) == "gaussian" else tr(run.method)


def upright(x: float, low: float, high: float) -> Curve:
    return Curve(np.array([x, x]), np.array([low, high]), colour=7, width=1.5, style="dashed", key="now")


def by_score(result: Shown, step: int) -> Pane:
    """How many boxes each method keeps with at least a score."""
    trace = result.trace
    curves = []
    for number, run in enumerate(trace.runs):
        now = state(trace, number, step)
        scores = np.sort(now.scores[now.kept])[::-1]
        # A staircase: at each score one box more.
        x = np.concatenate(([1.0], np.repeat(scores, 2), [0.0]))
        y = np.concatenate(([0, 0], np.repeat(np.arange(1, len(scores) + 1), 2)))
        curves.append(Curve(x[::-1], y[::-1], label=tr(run.method), colour=colour(run.method), key=run.method))
    axes = (Axis(tr("score"), low=0, high=1), Axis(tr("kept boxes"), low=0))
    return Pane("below", tr("Kept boxes with at least a score"), tuple(curves), axes=axes)


def before_after(result: Shown, step: int) -> Pane:
    """What the methods do to the scores: a point for each candidate, on the diagonal where nothing changed."""
    trace = result.trace
    marks: list[Mark] = [Curve(np.array([0.0, 1]), np.array([0.0, 1]), colour=7, width=1.0, style="dashed", key="same")]
    before = trace.scene.scores.numpy()
    for number, run in enumerate(trace.runs):
        points = np.stack((before, state(trace, number, step).scores), axis=1)
        marks.append(
            Points(points, colours=colour(run.method), size=7.0, symbol=SYMBOLS[number], key=pane_points(number))
        )
        end = np.array([np.nan])
        marks.append(Curve(end, end, label=tr(run.method), colour=colour(run.method), key=f"name{number}"))
    axes = (Axis(tr("score before"), low=0, high=1), Axis(tr("score after"), low=0, high=1))
    places = InChart(len(trace.runs), len(trace.scene))
    title = tr("Scores before and after; removed boxes at 0")
    return Pane("below", title, tuple(marks), axes=axes, places=places, again=NO_BOX)


def pane_points(number: int) -> str:
    return f"scores{number}"


def run_times(result: Shown, step: int) -> Pane:
    """Milliseconds of all seven methods on these candidates."""
    trace = result.trace
    values = np.array([trace.times.get(method, np.nan) * 1e3 for method in METHODS])
    shown = {run.method for run in trace.runs}
    colours = tuple(2 if method in shown else 0 for method in METHODS)
    names = tuple(tr(SHORT_NAMES[method]) for method in METHODS)
    bars = Bars(values, labels=names, label=tr("time"), colours=colours, horizontal=True, key="times")
    title = tr("Run time on {count} candidates", count=len(trace.scene))
    return Pane("below", title, (bars,), axes=(Axis(tr("time"), "ms", low=0), Axis("")))


@cache
def measured() -> dict[str, Any]:
    """What ``tools/nms_table.py`` measured."""
    found: dict[str, Any] = json.loads(asset(*MEASURED).read_text("utf-8"))
    return found


def reliability(result: Shown, step: int) -> Pane:
    """How often boxes of a score are right, each method a curve, measured on pictures with known objects."""
    trace = result.trace
    marks: list[Mark] = [Curve(np.array([0.0, 1]), np.array([0.0, 1]), colour=7, width=1.0, style="dashed", key="same")]
    of = measured()["reliability"]
    for run in trace.runs:
        x, y = (np.array(of[run.method][name], np.float64) for name in ("score", "precision"))
        marks.append(Curve(x, y, label=tr(run.method), colour=colour(run.method), key=run.method))
    axes = (Axis(tr("mean score"), low=0, high=1), Axis(tr("precision at IoU 0.5"), low=0, high=1))
    return Pane("below", tr("Reliability on 128 COCO pictures"), tuple(marks), axes=axes)


# -- the mouse

NEAR = 0.008
"""How far from an edge still counts as on it, as part of the picture's longer side."""
NEW_SIDE, NEW_SCORE, NEW_SIGMA = 80.0, 0.7, 5.0
SCORE_STEP = LEAST_SCORE = 0.05
LEAST_SIGMA, MOST_SIGMA = 0.5, 64.0
NO_BOX: At = {"box": -1}
"""What a click sets that hits the chosen box again, or none."""


@dataclass(frozen=True, slots=True, eq=False)
class OnPicture:
    """A box in one method's picture, with what decided on it."""

    trace: Trace
    view: View
    number: int
    now: State

    def at(self, spot: Spot) -> At | None:
        near = NEAR * max(self.trace.size)
        box = box_at(self.now, spot.x, spot.y, near=near, removed=removed_shown(self.trace, self.view))
        return None if box is None else {"box": box, "method": self.number}

    def lit(self, at: At) -> tuple[Mark, ...]:
        if "box" not in at:
            return ()
        box, now, run = at["box"], self.now, self.trace.runs[self.number]
        label = caption(self.trace, now, box)
        members = Boxes(now.boxes[cluster(run, now, box)], colours=HIT, width=1.0, key="cluster")
        here = Boxes(now.boxes[box : box + 1], labels=(label,), colours=CHOSEN, width=3.5, key="pointed")
        return (members, *overlap_marks(self.trace, run, now, box), here)


@dataclass(frozen=True, slots=True, eq=False)
class InChart:
    """The candidates as points, one mark a method."""

    methods: int
    count: int

    def at(self, spot: Spot) -> At | None:
        known = spot.mark in [pane_points(number) for number in range(self.methods)]
        return {"box": spot.index} if known and spot.index is not None and 0 <= spot.index < self.count else None

    def lit(self, at: At) -> tuple[Mark, ...]:
        if "box" not in at:
            return ()
        return tuple(Lit(pane_points(n), at["box"], key=f"lit{n}") for n in range(self.methods))


def tell(result: Shown, view: View, at: At) -> str:
    """What each method did to a box, the one pointed at first."""
    trace = result.trace
    step, first = step_of(trace, view), at.get("method", 0)
    stories = []
    for number, run in enumerate(trace.runs):
        lines = story(result, number, state(trace, number, step), at["box"])
        stories.append(f"{tr(run.method)}: {', '.join(lines[:2])}")
    return "\n".join((*stories[first:], *stories[:first]))


def pick(result: Shown, view: View, spot: Spot) -> dict[str, Any] | None:
    """In a picture a click changes the user's own boxes as the choice beside says; beside all boxes it chooses none."""
    trace, params = result.trace, result.params
    number = next((n for n in range(len(trace.runs)) if spot.pane == pane_key(n)), None)
    if number is None:
        return None
    at = OnPicture(trace, view, number, state(trace, number, step_of(trace, view))).at(spot)
    box = None if at is None else at["box"]
    if trace.by_hand and params.click != LOOK:
        return changed(params, box, spot, trace.size) or {}
    return dict(NO_BOX) if box is None else None


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


# -- the view


def show(result: Shown, view: View) -> Layout:
    """The methods' pictures beside (or above) table and words."""
    step = step_of(result.trace, view)
    looks = [picture(result, view, step, number) for number in range(len(result.trace.runs))]
    below = chart(result, step) or words_pane(result, view, step)
    return arranged(looks, table(result, view, step), below)


def arranged(looks: list[Pane], rows: Pane, words: Pane) -> Layout:
    """One picture gets the whole height; two leave room below them, three beside the third, four none."""
    match looks:
        case [one]:
            return Row((one, Column((rows, words), weights=(1.5, 1.0))), weights=(1.6, 1.0))
        case [first, second]:
            left = Column((Row((first, second)), words), weights=(1.5, 1.0))
            return Row((left, rows), weights=(1.75, 1.0))
        case [first, second, third]:
            left = Column((Row((first, second)), Row((third, words))))
            return Row((left, rows), weights=(1.75, 1.0))
        case [first, second, third, fourth]:
            left = Column((Row((first, second)), Row((third, fourth))))
            return Row((left, Column((rows, words), weights=(1.2, 1.0))), weights=(1.75, 1.0))
        case _:
            raise ValueError(f"there is no arrangement of {len(looks)} pictures")


VIEWS = {"suppression": show}
