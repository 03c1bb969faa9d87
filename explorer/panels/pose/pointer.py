"""What is under the pointer, and what a click sets."""

from typing import Any

import numpy as np

from explorer.figure import Lit, Mark, Probe, Spot
from explorer.i18n import tr
from explorer.panel import Link, Result
from explorer.panels.pose.choice import (
    accepted_pairs,
    decoding,
    limb_in,
    listed,
    pair_name,
    pairs_of,
    peak_name,
    step_of,
)
from explorer.panels.pose.controls import KEYPOINTS, PEOPLE, STAGES, STEPS, TARGETS, Params, View
from explorer.panels.pose.integral import signed
from explorer.panels.pose.marks import field, heat, keypoint_places, limb_lines
from explorer.panels.pose.network import Array, Maps
from explorer.panels.pose.parts import (
    LIMB_NAMES,
    SKELETON,
    keypoint_name,
    limb_name,
    limbs_of,
    part_name,
)
from explorer.panels.pose.sequence import CANDIDATES, MATCHING, PEAKS, SCORES
from explorer.panels.pose.trace import Trace

REACH = 0.006
"""How near a pair must be to the pointer, in parts of the picture's longer side."""


def probe(result: Result, view: View, spot: Spot) -> Probe | None:
    """The maps at the place; the keypoint, limb, pair or peak there."""
    params: Params = result.task.params
    if spot.pane in ("table", "losses", "integral"):
        return _probe_row(result, view, spot)
    if params.show == STEPS and spot.pane == "step":
        return _probe_step(result, view, spot)
    trace: Trace = result.trace
    if spot.pane == "people":
        said = item_words(trace, spot)
        here = maps_words(trace, trace.maps, view.part, spot)
        text = " · ".join(part for part in (said, here) if part)
        marks: dict[str, tuple[Mark, ...]] = {}
        person = person_at(trace, spot)
        if person is not None:
            marks["table"] = (Lit("people", person),)
        return Probe(text, marks) if text else None
    maps = maps_of(result, spot.pane)
    if maps is None:
        return None
    text = maps_words(trace, maps, view.part, spot)
    if spot.mark.startswith("joint "):
        person, keypoint = divmod(int(spot.mark.removeprefix("joint ")), KEYPOINTS)
        text = f"{tr('figure {number}', number=person + 1)} · {keypoint_name(keypoint)} · {text}"
    if params.show == TARGETS and trace.training is not None and text:
        cell = trace.grid.cell_at(spot.x, spot.y)
        if cell is not None:
            weight, error = float(trace.training.mask[cell]), float(trace.training.errors[cell])
            text += " · " + tr("W = {weight:g}, masked error {error:.3f}", weight=weight, error=error)
            if spot.pane == "field_target" and (
                crossed := crossing_words(trace.training.targets.pafs, view.part, cell)
            ):
                text += " · " + crossed
    return Probe(text) if text else None


def pick(result: Result, view: View, spot: Spot) -> dict[str, Any] | None:
    """A pair is looked at, a person marked; a keypoint or limb chosen where maps are shown."""
    params: Params = result.task.params
    trace: Trace = result.trace
    if params.show == STEPS:
        return _pick_pair(result, view, spot)
    if params.show == PEOPLE:
        person = spot.index if spot.pane == "table" else person_at(trace, spot) if spot.pane == "people" else None
        if person is None or not 0 <= person < len(trace.people):
            return {"person": 0} if spot.pane == "people" and view.person else None
        number = int(trace.people.numbers[person])
        return {"person": 0 if number == view.person else number}
    return None


def links(result: Result, view: View) -> tuple[Link, ...]:
    """The network, layer by layer, in the Layers panel."""
    params: Params = result.task.params
    return (Link(tr("Layers of the network"), "layers", {"network": params.network}),)


def maps_of(result: Result, pane: str) -> Maps | None:
    """The maps that a pane shows."""
    trace: Trace = result.trace
    params: Params = result.task.params
    if params.show == STAGES:
        number = pane.rpartition("_")[2]
        return trace.stages[int(number)][0] if number.isdecimal() and int(number) in trace.stages else None
    if params.show == TARGETS and trace.training is not None:
        return trace.training.targets if pane in ("heat_target", "field_target", "figures") else trace.maps
    return None


def maps_words(trace: Trace, maps: Maps, part: str, spot: Spot) -> str:
    """Heat map and PAF of the part at a place."""
    cell = trace.grid.cell_at(spot.x, spot.y)
    if cell is None:
        return ""
    x, y = (float(v[cell]) for v in field(maps.pafs, part))
    return tr(
        "{part}: heat {heat}, PAF ({x}, {y}), strength {strength:.2f}",
        part=part_name(part),
        heat=signed(float(heat(maps.heatmaps, part)[cell])),
        x=signed(x),
        y=signed(y),
        strength=float(np.hypot(x, y)),
    )


def crossing_words(pafs: Array, part: str, cell: tuple[int, int]) -> str:
    """Where the target is a mean of several people's limbs, it is shorter than 1."""
    for limb in limbs_of(part):
        x, y = (float(pafs[channel][cell]) for channel in SKELETON.paf_channels[limb])
        strength = float(np.hypot(x, y))
        if 0.001 < strength < 0.999:
            return tr("{limb}: the mean of two people’s unit vectors", limb=limb_name(limb))
    return ""


def person_at(trace: Trace, spot: Spot) -> int | None:
    """Whose limb or keypoint is under the pointer: the row among the people."""
    keypoints = trace.people.keypoints
    if spot.index is None:
        return None
    if spot.mark == "limbs":
        lines = limb_lines(keypoints)
        return int(lines[spot.index, 0]) if 0 <= spot.index < len(lines) else None
    if spot.mark == "keypoints":
        places = keypoint_places(keypoints)
        return int(places[spot.index, 0]) if 0 <= spot.index < len(places) else None
    if spot.mark == "numbers" and 0 <= spot.index < len(keypoints):
        return spot.index
    return None


def item_words(trace: Trace, spot: Spot) -> str:
    """``person 2 · left elbow 0.81``"""
    person = person_at(trace, spot)
    if person is None or spot.index is None:
        return ""
    said = tr("person {number}", number=int(trace.people.numbers[person]))
    if spot.mark == "limbs":
        return f"{said} · {limb_name(int(limb_lines(trace.people.keypoints)[spot.index, 1]))}"
    if spot.mark == "keypoints":
        keypoint = int(keypoint_places(trace.people.keypoints)[spot.index, 1])
        return f"{said} · {keypoint_name(keypoint)} {float(trace.people.keypoints[person, keypoint, 2]):.2f}"
    return said


def _probe_row(result: Result, view: View, spot: Spot) -> Probe | None:
    params: Params = result.task.params
    if params.show != STEPS or spot.index is None or spot.mark != "pairs":
        return None
    decoded, step = decoding(result), step_of(result, view)
    rows, limb = listed(decoded, step), limb_in(decoded, step)
    if limb is None or not 0 <= spot.index < len(rows):
        return None
    pair = int(rows[spot.index])
    at = int(np.flatnonzero(pairs_of(decoded, limb) == pair)[0])
    return Probe(pair_words(result, pair), {"step": (Lit("pairs", at),)})


def _probe_step(result: Result, view: View, spot: Spot) -> Probe | None:
    trace: Trace = result.trace
    decoded, step = decoding(result), step_of(result, view)
    cell = trace.grid.cell_at(spot.x, spot.y)
    limb = limb_in(decoded, step)
    pair = pair_at(result, view, spot)
    if pair is not None:
        rows = np.flatnonzero(listed(decoded, step) == pair)
        return Probe(pair_words(result, pair), {"table": tuple(Lit("pairs", int(row)) for row in rows)})
    said = ""
    marks: dict[str, tuple[Mark, ...]] = {}
    if spot.mark.startswith("peaks ") and spot.index is not None:
        keypoint = int(spot.mark.removeprefix("peaks "))
        peak = int(decoded.peaks.starts[keypoint]) + spot.index
        if peak < int(decoded.peaks.starts[keypoint + 1]):
            said = f"{peak_name(decoded, peak)}: {float(decoded.peaks.scores[peak]):.3f}"
            marks = {"table": (Lit("peaks", spot.index),)} if step.kind == PEAKS else {}
    if cell is None:
        return Probe(said, marks) if said else None
    if step.kind == PEAKS:
        value = signed(float(trace.maps.heatmaps[step.number][cell]))
        here = tr("{part}: heat {heat}", part=keypoint_name(step.number), heat=value)
    elif limb is not None:
        here = maps_words(trace, trace.maps, LIMB_NAMES[limb], spot)
    else:
        here = ""
    text = " · ".join(part for part in (said, here) if part)
    return Probe(text, marks) if text else None


def pair_at(result: Result, view: View, spot: Spot) -> int | None:
    """The candidate under the pointer; also where arrows or sampled points lie over it."""
    decoded, step = decoding(result), step_of(result, view)
    limb = limb_in(decoded, step)
    if limb is None or step.kind not in (CANDIDATES, SCORES, MATCHING) or spot.mark.startswith("peaks "):
        return None
    pairs = pairs_of(decoded, limb)
    if spot.mark == "pairs" and spot.index is not None:
        return int(pairs[spot.index]) if 0 <= spot.index < len(pairs) else None
    grid = result.trace.grid
    start = grid.on_picture(decoded.pairs.starts.numpy()[pairs])
    along = grid.on_picture(decoded.pairs.ends.numpy()[pairs]) - start
    place = np.array([spot.x, spot.y])
    part = ((place - start) * along).sum(1) / np.maximum((along**2).sum(1), 1e-9)
    distance = np.linalg.norm(start + along * part.clip(0, 1)[:, None] - place, axis=1)
    near = np.flatnonzero(distance <= REACH * max(result.frame.size))
    if not len(near):
        return None
    if spot.mark == "accepted":  # which lies on top
        accepted = accepted_pairs(decoded)
        near = np.array([i for i in near.tolist() if int(pairs[i]) in accepted] or near.tolist())
    return int(pairs[near[distance[near].argmin()]])


def pair_words(result: Result, pair: int) -> str:
    decoded = decoding(result)
    pairs = decoded.pairs
    return tr(
        "{pair}: E = {integral}, {agreeing} of {count} points agree, score {score}",
        pair=pair_name(decoded, pair),
        integral=signed(float(pairs.integrals[pair])),
        agreeing=int(pairs.agreeing[pair]),
        count=pairs.dots.shape[1],
        score=signed(float(pairs.scores[pair])),
    )


def _pick_pair(result: Result, view: View, spot: Spot) -> dict[str, Any] | None:
    if spot.pane == "table" and spot.mark == "pairs" and spot.index is not None:
        rows = listed(decoding(result), step_of(result, view))
        return {"pair": int(rows[spot.index])} if 0 <= spot.index < len(rows) else None
    pair = pair_at(result, view, spot) if spot.pane == "step" else None
    return None if pair is None else {"pair": pair}
