"""What happened to a box, in sentences and formulas filled with its numbers; notes, and the explanation's numbers."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvcore import zoo
from cvcore.assets import asset
from cvcore.evaluate.coco_json import coco_results
from cvcore.evaluate.detection import Detections
from cvcore.suppression.methods import AVERAGING
from explorer.figure import Note
from explorer.files.coco_images import image_entry, image_number
from explorer.i18n import tr, tr_n
from explorer.panel import Result
from explorer.panels.nms.compute import Run, State, Trace, in_focus, last_decision, moved, pair_of, state, step_of
from explorer.panels.nms.controls import FILE_NAMES, Params, View
from explorer.views.detections import CARD

Shown = Result[Trace, Params]
Row = NDArray[np.floating]
SHOWN_DECAYS = 3
SHOWN_VOTERS = 3


def intersection(a: Row, b: Row) -> Row:
    """(4,) the corners of what two boxes share; inside out where they share nothing."""
    return np.concatenate((np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])))


def shared_area(a: Row, b: Row) -> float:
    width, height = (intersection(a, b)[2:] - intersection(a, b)[:2]).clip(min=0).tolist()
    return float(width * height)


def area(box: Row) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def iou_formula(a: Row, b: Row) -> str:
    """Intersection over union with the numbers of two boxes."""
    both = shared_area(a, b)
    union = area(a) + area(b) - both
    value = both / union if union > 0 else 0.0
    return f"IoU = A∩B / (A + B − A∩B) = {both:,.0f} / ({area(a):,.0f} + {area(b):,.0f} − {both:,.0f}) = {value:.3f}"


def center_numbers(a: Row, b: Row) -> tuple[float, float]:
    """Squared distance of the centres, and squared diagonal of the smallest box around both."""
    distance = (a[:2] + a[2:] - b[:2] - b[2:]) / 2
    around = np.maximum(a[2:], b[2:]) - np.minimum(a[:2], b[:2])
    return float((distance**2).sum()), float((around**2).sum())


def penalised(run: Run, params: Params) -> bool:
    """Whether the centre distance is taken off the overlap."""
    return run.method == "DIoU-NMS" or params.center_penalty


def overlap_formula(result: Shown, run: Run, a: int, b: int) -> str:
    """The overlap that the method compares, with the numbers of two boxes."""
    trace, params = result.trace, result.params
    first, second = trace.scene.boxes[a].numpy(), trace.scene.boxes[b].numpy()
    text = iou_formula(first, second)
    if penalised(run, params):
        rho, diagonal = center_numbers(first, second)
        share = (rho / diagonal) ** params.beta if diagonal > 0 else 0.0
        value = float(trace.iou[a, b]) - share
        text += f"; IoU − (ρ² / c²)^β = {trace.iou[a, b]:.3f} − ({rho:,.0f} / {diagonal:,.0f})^{params.beta:g} = {value:.3f}"
    return text


def limit_text(result: Shown, run: Run, by: int) -> str:
    """The threshold that a kept box holds others to."""
    params = result.params
    if run.method == "Adaptive NMS":
        density = float(result.trace.scene.density[by])
        return tr(
            "max(threshold {threshold:.2f}, density {density:.3f})", threshold=params.iou_threshold, density=density
        )
    return f"{params.iou_threshold:.2f}"


def story(result: Shown, number: int, now: State, box: int) -> list[str]:
    """What one method did to a box so far: the outcome first, then why."""
    trace = result.trace
    run = trace.runs[number]
    lines = decays(result, run, box, now.made)
    if now.kept[box]:
        return [
            _kept(trace, run, now, box),
            *averages(trace, run, now, box),
            *lines,
            *_why_kept(result, run, number, box),
        ]
    if not now.gone[box]:
        return [tr("not decided yet"), *lines]
    decision = last_decision(run, box, now.made)
    if decision is None:
        return [tr("dropped: its score is below the lowest score")]
    by = int(run.trace.decisions.by[decision])
    if lines:
        return [tr("dropped: its score fell below {score:g}", score=result.params.min_score), *lines]
    outcome = (
        tr("merged into box {box}", box=by) if run.method == "Weighted NMS" else tr("removed by box {box}", box=by)
    )
    lines = [outcome, f"{overlap_formula(result, run, by, box)} > {limit_text(result, run, by)}"]
    if run.method == "IoU-guided NMS":
        better, worse = float(trace.scene.confidence[by]), float(trace.scene.confidence[box])
        lines.append(tr("localisation confidence {better:.3f} against {worse:.3f}", better=better, worse=worse))
    return lines


def _kept(trace: Trace, run: Run, now: State, box: int) -> str:
    score, before = float(now.scores[box]), float(trace.scene.scores[box])
    if run.method == "IoU-guided NMS":
        text = tr(
            "kept: the best placed of the rest, localisation confidence {value:.3f}",
            value=float(run.trace.ranking[box]),
        )
        if score > before:
            text += tr("; takes the best score of those it removes, {score:.2f}", score=score)
        return text
    if score < before:
        return tr("kept with the score {score:.2f} of {before:.2f}", score=score, before=before)
    return tr("kept: the highest score of the rest, {score:.2f}", score=score)


def rival(trace: Trace, run: Run, number: int, box: int, *, class_aware: bool) -> int | None:
    """Of the boxes kept before a kept one, the one that it overlaps most."""
    kept_at = trace.timeline.courses[number].kept_at
    before = kept_at < kept_at[box]
    if class_aware:
        before &= (trace.scene.labels == trace.scene.labels[box]).numpy()
    overlap = np.where(before, trace.iou[box], 0)
    return int(overlap.argmax()) if len(overlap) and overlap.max() > 0 else None


def _why_kept(result: Shown, run: Run, number: int, box: int) -> list[str]:
    if decay_of(run, result.params) != "hard":
        return []
    other = rival(result.trace, run, number, box, class_aware=result.params.class_aware)
    if other is None:
        return [tr("it overlaps no box kept before")]
    formula = overlap_formula(result, run, other, box)
    return [tr("with box {box}: {formula} ≤ {limit}", box=other, formula=formula, limit=limit_text(result, run, other))]


def decay_of(run: Run, params: Params) -> str:
    """How the method lowers scores; ``hard`` where it removes."""
    return {"Soft-NMS": params.decay, "Softer-NMS": params.voting_decay}.get(run.method, "hard")


def decays(result: Shown, run: Run, box: int, made: int) -> list[str]:
    """Each time that Soft-NMS lowered a box, among the first ``made`` decisions."""
    params = result.params
    decay = decay_of(run, params)
    if decay == "hard":
        return []
    of = run.trace.decisions
    hits = np.flatnonzero(of.on[:made].numpy() == box)
    lines = []
    for hit in hits[-SHOWN_DECAYS:]:
        by, overlap, before, after = (
            int(of.by[hit]),
            float(of.overlap[hit]),
            float(of.before[hit]),
            float(of.after[hit]),
        )
        factor = f"exp(−{overlap:.3f}² / {params.sigma:g})" if decay == "gaussian" else f"(1 − {overlap:.3f})"
        lines.append(tr("lowered by box {box}: {formula}", box=by, formula=f"{before:.3f} × {factor} = {after:.3f}"))
    if len(hits) > SHOWN_DECAYS:
        lines.insert(0, tr("lowered {count} times, at last:", count=len(hits)))
    return lines


def voters(run: Run, box: int) -> tuple[NDArray[np.int64], Row]:
    """(V,) the boxes that a kept box is the mean of, and (V, 4) their weights; heaviest first."""
    votes = run.trace.votes
    if votes is None:
        return np.zeros(0, np.int64), np.zeros((0, 4))
    mine = votes.to.numpy() == box
    boxes, weights = votes.box.numpy()[mine], votes.weight.numpy()[mine]
    order = np.argsort(-weights[:, 0], kind="stable")
    return boxes[order], weights[order]


def averages(trace: Trace, run: Run, now: State, box: int) -> list[str]:
    """How the left edge of a kept box became the mean of its voters'."""
    if run.method not in AVERAGING or not moved(run, box) or not _settled(run, now, box):
        return []
    boxes, weights = voters(run, box)
    left = trace.scene.boxes[:, 0].numpy()
    more = " + …" if len(boxes) > SHOWN_VOTERS else ""
    shown: Sequence[tuple[int, float]] = list(
        zip(boxes[:SHOWN_VOTERS].tolist(), weights[:SHOWN_VOTERS, 0].tolist(), strict=True)
    )
    above = " + ".join(f"{w:.2g} × {left[i]:.0f}" for i, w in shown)
    below = " + ".join(f"{w:.2g}" for _, w in shown)
    weight = "s × IoU" if run.method == "Weighted NMS" else "exp(−(1 − IoU)² / σt) / σ²"
    return [
        tr("mean of {count} boxes, weight w = {weight}", count=len(boxes), weight=weight),
        f"x1 = Σ w x1 / Σ w = ({above}{more}) / ({below}{more}) = {now.boxes[box, 0]:.1f}",
    ]


def _settled(run: Run, now: State, box: int) -> bool:
    place = np.flatnonzero(run.trace.keep.numpy() == box)
    return bool(len(place) and now.settled[place[0]])


# -- notes and the explanation


def notes(result: Shown, view: View) -> list[Note]:
    """What the colours mean, and what the methods were given that the detector does not say."""
    trace, params = result.trace, result.params
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
        colours += tr_n(
            " · yellow: the methods disagree on it ({n} box)",
            " · yellow: the methods disagree on it ({n} boxes)",
            int(trace.disputed().sum()),
        )
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


def explain(result: Shown, view: View) -> dict[str, object]:
    """The numbers in the explanation: of the box in focus and the one that decided on it, as the first method has it."""
    trace, params = result.trace, result.params
    step = step_of(trace, view)
    known: dict[str, object] = {
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


# -- files


def files(result: Shown, view: View) -> dict[str, bytes]:
    """``NAME.json`` of each method shown and ``images.json``, as COCO JSON: results load with pycocotools' ``loadRes`` as they are.

    By hand there is one class, of number 1. Format: https://cocodataset.org/#format-results .
    """
    trace = result.trace
    numbers, categories = [1], [{"id": 1, "name": "box"}]
    if not trace.by_hand:
        rows = json.loads((asset("weights") / zoo.card(CARD).labels).read_text("utf-8"))
        numbers = [row["coco_id"] for row in rows]
        categories = [{"id": row["coco_id"], "name": row["en"]} for row in rows]
    image = image_number(result.frame)
    width, height = trace.size
    made: dict[str, Any] = {}
    for run in trace.runs:
        labels = np.array([numbers[label] for label in trace.scene.labels[run.trace.keep].tolist()], np.int64)
        kept = Detections(
            run.trace.kept_boxes.numpy().astype(np.float64), run.trace.kept_scores.numpy().astype(np.float64), labels
        )
        made[f"{FILE_NAMES[run.method]}.json"] = coco_results(image, kept)
    entry = image_entry(result.frame) | {"width": round(width), "height": round(height)}
    made["images.json"] = {"images": [entry], "categories": categories}
    return {name: (json.dumps(content, indent=1) + "\n").encode() for name, content in made.items()}
