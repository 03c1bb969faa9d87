"""What is under the pointer, what a click sets, and where else to look."""

from typing import Any

import numpy as np

from explorer.figure import Boxes, Mark, Points, Probe, Spot
from explorer.i18n import tr
from explorer.panel import Link, Result
from explorer.panels.cyclegan.controls import COMPUTING, TRAINING, Params, View
from explorer.panels.cyclegan.judges import cells_of, kind_name, pane_key, patch_marks
from explorer.panels.cyclegan.pictures import Pixels
from explorer.panels.cyclegan.trace import Judged, Side, Trace
from explorer.panels.cyclegan.training import CHARTS, run_name, term_name
from explorer.panels.cyclegan.translation import extent_of

PICTURES = ("source", "fake", "cycled", "same", "swipe")


def probe(result: Result, view: View, spot: Spot) -> Probe | None:
    """The colours of a place in every picture there is of it, its errors, a patch with its score, or the losses of a step."""
    trace: Trace = result.trace
    if trace.judged:
        return probe_patch(trace, spot)
    if spot.pane in CHARTS:
        return probe_step(trace, spot)
    if spot.pane == "pictures":
        return probe_run(trace, spot)
    found = side_at(trace, spot)
    return None if found is None else probe_place(trace, found, spot)


def side_at(trace: Trace, spot: Spot) -> Side | None:
    """Whose picture a pane shows, if the place is on it."""
    if not trace.sides:
        return None
    number = spot.pane.rpartition(" ")[2]
    side = trace.sides[int(number)] if number.isdigit() and int(number) < len(trace.sides) else trace.side
    _, _, width, height = extent_of(side)
    return side if 0 <= spot.x < width and 0 <= spot.y < height else None


def probe_place(trace: Trace, side: Side, spot: Spot) -> Probe:
    _, _, width, height = extent_of(side)
    x, y = spot.x / width, spot.y / height
    said = [f"({int(spot.x)}, {int(spot.y)})"]
    for name, pixels in (
        (tr("source"), side.source), (tr("translation"), side.fake), (tr("back"), side.cycled),
        (tr("identity"), side.same),
    ):  # fmt: skip
        if pixels is not None:
            said.append(f"{name} {colour_at(pixels, x, y)}")
    for name, values in ((tr("cycle error"), side.cycle_error), (tr("identity error"), side.identity_error)):
        if values is not None:
            said.append(f"{name} {values[int(y * values.shape[0]), int(x * values.shape[1])]:.3f}")
    cross = Points(np.array([[spot.x, spot.y]]), colours=1, size=11.0, symbol="cross", key="probe")
    number = trace.sides.index(side)
    keys = ["source", "fake", "swipe"] if number == 0 else []
    keys += [f"{key} {number}" for key in (*PICTURES, "cycle", "identity")]
    marks: dict[str, tuple[Mark, ...]] = dict.fromkeys(keys, (cross,))
    return Probe(" · ".join(said), marks)


def colour_at(pixels: Pixels, x: float, y: float) -> str:
    """Red, green, blue, 0 to 255, of a place in parts of width and height."""
    values = pixels[int(y * pixels.shape[0]), int(x * pixels.shape[1])]
    return "(" + ", ".join(str(int(v)) for v in values) + ")"


def probe_patch(trace: Trace, spot: Spot) -> Probe | None:
    """The patch whose score is drawn here, in all pictures of the same size, and on all others at the same place."""
    one = next((j for j in trace.judged if pane_key(j) == spot.pane), None)
    if one is None:
        return None
    height, width = one.picture.shape[:2]
    if not (0 <= spot.x < width and 0 <= spot.y < height):
        return None
    row, column = cells_of(one).at(spot.x, spot.y)
    said = [tr("patch ({column}, {row})", column=column, row=row)]
    marks: dict[str, tuple[Mark, ...]] = {}
    for other in trace.judged:
        r, c = same_place(other, spot.x / width, spot.y / height)
        marks[pane_key(other)] = patch_marks(other, r, c)
        if other is one:
            said.append(f"{kind_name(trace, other.kind)}: {other.scores[r, c]:.3f}")
            said.append(tr("taken for real") if other.scores[r, c] > 0.5 else tr("taken for a fake"))
    box = one.field.box(row, column)
    said.append(
        tr("sees {width} × {height} px inside the picture", width=int(box[2] - box[0]), height=int(box[3] - box[1]))
    )
    return Probe(" · ".join(said), marks)


def same_place(one: Judged, x: float, y: float) -> tuple[int, int]:
    height, width = one.picture.shape[:2]
    return cells_of(one).at(x * width, y * height)


def probe_step(trace: Trace, spot: Spot) -> Probe | None:
    """The log at the nearest step."""
    if not trace.runs or not len(trace.runs[0].steps):
        return None
    run = trace.runs[0]
    place = int(np.abs(run.steps - spot.x).argmin())
    said = [tr("step {step}", step=int(run.steps[place]))]
    said += [f"{term_name(term)} {run.terms[term][place]:.3f}" for term in CHARTS[spot.pane] if term in run.terms]
    return Probe(" · ".join(said))


def probe_run(trace: Trace, spot: Spot) -> Probe | None:
    """Which run a row of pictures is of, and the same place in all its pictures."""
    cell = min((run.cell for run in trace.runs), default=1)
    number = int(spot.y // cell)
    if not 0 <= number < len(trace.runs) or spot.x < 0:
        return None
    box = (spot.x // cell * cell, number * cell)
    frame = Boxes(np.array([[box[0], box[1], box[0] + cell, box[1] + cell]]), colours=1, width=2.0, key="probe")
    return Probe(run_name(trace.runs[number].name), {"pictures": (frame,)})


def pick(result: Result, view: View, spot: Spot) -> dict[str, Any] | None:
    """A patch stays drawn; a place on a curve chooses the nearest checkpoint; the swipe line comes to the click."""
    trace: Trace = result.trace
    params: Params = result.task.params
    one = next((j for j in trace.judged if pane_key(j) == spot.pane), None)
    if one is not None:
        height, width = one.picture.shape[:2]
        inside = 0 <= spot.x < width and 0 <= spot.y < height
        return {"place": (round(spot.x / width, 4), round(spot.y / height, 4))} if inside else None
    if params.show == TRAINING and spot.pane in CHARTS and trace.runs and trace.runs[0].checkpoints:
        steps = np.array([checkpoint.step for checkpoint in trace.runs[0].checkpoints])
        return {"checkpoint": int(np.abs(steps - spot.x).argmin())}
    if spot.pane == "swipe" and side_at(trace, spot) is not None:
        return {"swipe": (spot.x, spot.y)}
    return None


def links(result: Result, view: View) -> tuple[Link, ...]:
    """The generators, layer by layer, in the Layers panel."""
    trace: Trace = result.trace
    params: Params = result.task.params
    if params.show not in COMPUTING:
        return ()
    chosen = {"size": params.size, "layer": "model.1"}  # of a generator the first convolution
    if trace.one_way:
        return (Link(tr("Layers of the generator"), "layers", {"network": params.network} | chosen),)
    parts = [
        (tr("Layers of G: A → B"), "generator_ab"),
        (tr("Layers of F: B → A"), "generator_ba"),
        (tr("Layers of discriminator A"), "discriminator_a"),
        (tr("Layers of discriminator B"), "discriminator_b"),
    ]
    return tuple(Link(words, "layers", {"network": f"{params.network}/{part}"} | chosen) for words, part in parts)
