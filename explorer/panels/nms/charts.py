"""The charts that can stand below the table: what the methods keep, what they do to the scores, and what they cost."""

import json
from functools import cache
from typing import Any, Literal

import numpy as np

from cvcore.assets import asset
from explorer.figure import Axis, Bars, Curve, Mark, Pane, Points, Text
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.nms.controls import (
    BEFORE_AFTER,
    KEPT_BY_SCORE,
    KEPT_SWEEP,
    RELIABILITY,
    RUN_TIME,
    SCORE_SWEEP,
    Params,
)
from explorer.panels.nms.methods import METHODS, SHORT_NAMES
from explorer.panels.nms.state import state
from explorer.panels.nms.trace import THRESHOLDS, Run, Trace
from explorer.panels.nms.words import decay_of

MEASURED = ("measurements", "nms_methods.json")
SYMBOLS: tuple[Literal["disc", "ring", "cross", "square"], ...] = ("disc", "ring", "cross", "square")


def chart(result: Result, step: int) -> Pane | None:
    """The chart that is asked for; None where it is words."""
    makers = {
        KEPT_SWEEP: sweep_chart,
        SCORE_SWEEP: sweep_chart,
        KEPT_BY_SCORE: by_score,
        BEFORE_AFTER: before_after,
        RUN_TIME: run_times,
        RELIABILITY: reliability,
    }
    maker = makers.get(result.task.params.below)
    return None if maker is None else maker(result, step)


def colour(method: str) -> int:
    """Of a method's curves: the same whatever others are shown."""
    return METHODS.index(method)


def sweep_chart(result: Result, step: int) -> Pane:
    """Number or mean score of kept boxes over the threshold, each method a curve."""
    trace, params = result.trace, result.task.params
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


def by_score(result: Result, step: int) -> Pane:
    """How many boxes each method keeps with at least a score."""
    trace: Trace = result.trace
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


def before_after(result: Result, step: int) -> Pane:
    """What the methods do to the scores: a point for each candidate, on the diagonal where nothing changed."""
    trace: Trace = result.trace
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
    return Pane("below", tr("Scores before and after; removed boxes at 0"), tuple(marks), axes=axes)


def pane_points(number: int) -> str:
    return f"scores{number}"


def run_times(result: Result, step: int) -> Pane:
    """Milliseconds of all seven methods on these candidates."""
    trace: Trace = result.trace
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


def reliability(result: Result, step: int) -> Pane:
    """How often boxes of a score are right, each method a curve, measured on pictures with known objects."""
    trace: Trace = result.trace
    marks: list[Mark] = [Curve(np.array([0.0, 1]), np.array([0.0, 1]), colour=7, width=1.0, style="dashed", key="same")]
    of = measured()["reliability"]
    for run in trace.runs:
        x, y = (np.array(of[run.method][name], np.float64) for name in ("score", "precision"))
        marks.append(Curve(x, y, label=tr(run.method), colour=colour(run.method), key=run.method))
    axes = (Axis(tr("mean score"), low=0, high=1), Axis(tr("precision at IoU 0.5"), low=0, high=1))
    return Pane("below", tr("Reliability on 128 COCO pictures"), tuple(marks), axes=axes)
