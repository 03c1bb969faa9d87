"""From trace to figure: pictures, table and what is below it, with notes on what had to be derived."""

from typing import Any

from explorer.figure import Column, Figure, Layout, Note, Pane, Row
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.nms.charts import chart
from explorer.panels.nms.controls import Params, View
from explorer.panels.nms.methods import AVERAGING
from explorer.panels.nms.pictures import pair_of, pictures
from explorer.panels.nms.state import in_focus, state, step_of
from explorer.panels.nms.tables import table, words_pane
from explorer.panels.nms.trace import Trace
from explorer.panels.nms.words import area, center_numbers, shared_area, voters


def draw(result: Result, view: View) -> Figure:
    """The methods' pictures beside (or above) table and words."""
    trace: Trace = result.trace
    step = step_of(trace, view)
    looks, rows, words = (
        pictures(result, view, step),
        table(result, view, step),
        chart(result, step) or words_pane(result, view, step),
    )
    return Figure(arranged(looks, rows, words), values=values(result, view, step), notes=tuple(notes(result)))


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
    first, second, third, fourth = looks
    left = Column((Row((first, second)), Row((third, fourth))))
    return Row((left, Column((rows, words), weights=(1.2, 1.0))), weights=(1.75, 1.0))


def notes(result: Result) -> list[Note]:
    """What the colours mean, and what the methods were given that the detector does not say."""
    trace: Trace = result.trace
    params: Params = result.task.params
    if not len(trace.scene):
        if trace.by_hand:
            return [Note(tr("There are no boxes: choose on the left that a click adds a box."), "warning")]
        return [
            Note(
                tr("No box scores above {score:g}: lower the score threshold.", score=params.score_threshold), "warning"
            )
        ]
    colours = tr("Blue: not decided yet · green: kept · orange: just decided")
    if len(trace.runs) > 1:
        colours += tr(" · yellow: the methods disagree on it ({count} boxes)", count=int(trace.disputed().sum()))
    found = [colours]
    if trace.by_hand:
        found.append(
            tr(
                "Click a box to choose it, then drag its handles. The control “A click” adds and deletes boxes and changes scores."
            )
        )
    shown = {run.method for run in trace.runs}
    if "IoU-guided NMS" in shown:
        found.append(
            tr(
                "IoU-guided needs a localisation confidence; here it is derived from the spread σ of the sides: "
                "exp(−0.8 ((σ left + σ right) / w + (σ top + σ bottom) / h))."
            )
        )
    if "Adaptive NMS" in shown:
        found.append(
            tr(
                "Adaptive needs a density; here it is guessed: the highest IoU with another box that NMS at {overlap:g} keeps "
                "and that scores {score:g} or more.",
                overlap=params.density_overlap,
                score=params.density_score,
            )
        )
    if "Softer-NMS" in shown and not trace.by_hand:
        found.append(
            tr("Softer-NMS needs variances; they are the detector's own, those of its distance distributions.")
        )
    return [Note(text) for text in found]


def values(result: Result, view: View, step: int) -> dict[str, Any]:
    """The numbers in the explanation: of the box in focus and the one that decided on it, as the first method has it."""
    trace: Trace = result.trace
    params: Params = result.task.params
    known: dict[str, Any] = {
        "count": len(trace.scene),
        "threshold": params.iou_threshold,
        "score_threshold": params.score_threshold,
        "sigma": params.sigma,
        "sigma_t": params.sigma_t,
        "beta": params.beta,
        "kept": "; ".join(f"{tr(run.method)} {len(run.trace.keep)}" for run in trace.runs),
    }
    by, box = example(trace, view, step)
    if box < 0:
        return known
    scene = trace.scene
    known |= {
        "box": box,
        "confidence": float(scene.confidence[box]),
        "density": float(scene.density[box]),
        "adaptive": max(params.iou_threshold, float(scene.density[box])),
        "spread": ", ".join(f"{value:.1f}" for value in scene.variance[box].sqrt().tolist()),
    }
    averaging = next((one for one in trace.runs if one.method in AVERAGING), None)
    if averaging is not None and box in averaging.trace.keep:
        known["voters"] = len(voters(averaging, box)[0])
    if by < 0:
        return known
    a, b = scene.boxes[by].numpy(), scene.boxes[box].numpy()
    iou = float(trace.iou[by, box])
    rho, diagonal = center_numbers(a, b)
    share = (rho / diagonal) ** params.beta if diagonal > 0 else 0.0
    return known | {
        "by": by,
        "shared": shared_area(a, b),
        "area_a": area(a),
        "area_b": area(b),
        "iou": iou,
        "rho": rho,
        "diagonal": diagonal,
        "diou": iou - share,
        "linear": float(scene.scores[box]) * (1 - iou),
    }


def example(trace: Trace, view: View, step: int) -> tuple[int, int]:
    """Two boxes for the explanation: of the box in focus, the one that decided on it or a box it removed; else any. Or -1."""
    focus, run = in_focus(trace, view, step), trace.runs[0]
    if focus < 0:
        found = run.trace.decisions
        return (int(found.by[0]), int(found.on[0])) if len(found) else (-1, -1)
    pair = pair_of(run, state(trace, 0, step), focus)
    if pair is not None:
        return pair[0], focus
    removed = (run.trace.decisions.by == focus).nonzero()
    return (int(run.trace.decisions.on[removed[0, 0]]) if len(removed) else -1), focus
