"""The assembly step by step: the picture with what the step shows, its table, and the line integral of the chosen pair."""

import numpy as np
import torch

from cvcore.ops.paf import find_peaks
from cvcore.ops.paf.trace import KEPT, MERGED
from explorer.figure import Arrows, Column, Layout, Mark, Pane, Points, Row, Segments, Text
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.pose.choice import (
    accepted_pairs,
    body_of_peak,
    chosen_pair,
    decoding,
    limb_in,
    pairs_of,
    peak_number,
    step_of,
)
from explorer.panels.pose.controls import View
from explorer.panels.pose.integral import formula, integral_pane
from explorer.panels.pose.marks import arrows, heat_mark, picture, picture_pane
from explorer.panels.pose.parts import LIMB_NAMES, SKELETON, keypoint_name, limb_name, person_colour
from explorer.panels.pose.sequence import CANDIDATES, COMPLETING, END, GROWING, MATCHING, PEAKS, SCORES, Step
from explorer.panels.pose.tables import bodies_table, completion_table, pairs_table, peaks_table
from explorer.panels.pose.trace import Trace

GOOD, BAD, IDLE, CHOSEN = 2, 3, 7, "#ffffff"


def walk(result: Result, view: View) -> Layout:
    """Picture at the left; table, curve and formula at the right."""
    step = step_of(result, view)
    marks = tuple(step_marks(result, view, step))
    shown = picture_pane(result, "step", title(result, step), marks)
    pair = chosen_pair(result, view)
    beside: list[Layout] = []
    weights: list[float] = []
    if step.kind == PEAKS:
        beside, weights = [peaks_table(result, step), words_of_peaks(result, step)], [1.4, 1.0]
    elif step.kind == COMPLETING:
        beside, weights = [completion_table(result, step)], [1.0]
    elif step.kind == END:
        beside, weights = [bodies_table(result, step)], [1.0]
    else:
        beside, weights = (
            [bodies_table(result, step) if step.kind == GROWING else pairs_table(result, view, step)],
            [1.0],
        )
        if pair is not None:
            beside += [integral_pane(result, pair), formula(result, pair)]
            weights += [1.1, 1.0]
    return Row((shown, Column(tuple(beside), weights=tuple(weights))), weights=(1.45, 1.0))


def title(result: Result, step: Step) -> str:
    """What the picture shows."""
    decoded = decoding(result)
    limb = limb_in(decoded, step)
    name = "" if limb is None else limb_name(limb)
    match step.kind:
        case "peaks":
            return tr("Peaks of the heat map: {name}", name=keypoint_name(step.number))
        case "candidates":
            return tr("Candidate pairs: {name}", name=name)
        case "scores":
            return tr("Scores of the pairs: {name}", name=name)
        case "matching":
            return tr("Greedy matching: {name}", name=name)
        case "growing":
            return tr("Bodies grow: {name}", name=name)
        case "completing":
            return tr(
                "People are completed: {name}", name=keypoint_name(int(decoded.completion.keypoints[step.number]))
            )
        case _:
            return tr("The people")


def words_of_peaks(result: Result, step: Step) -> Pane:
    """What makes a peak."""
    decoded, trace = decoding(result), result.trace
    found, limit = int(decoded.peaks.found[step.number]), decoded.peaks.limit
    said = tr(
        "A cell is a peak if its value is above {threshold:g} and not below any of its eight neighbours. The place is finer than a cell: "
        "the top of a parabola through the logarithms of three values, along each axis.",
        threshold=trace.params.peak_threshold,
    )
    if found > limit:
        said += "\n\n" + tr("{found} peaks were found; the {limit} highest are kept.", found=found, limit=limit)
    return Pane("words", tr("How peaks are found"), (Text(said),))


def step_marks(result: Result, view: View, step: Step) -> list[Mark]:
    """Everything drawn over the picture at a step."""
    trace: Trace = result.trace
    marks: list[Mark] = list(picture(result, view))
    if step.kind == PEAKS:
        marks.append(heat_mark(trace.maps.heatmaps[step.number], trace.grid, view))
        return [*marks, *peak_marks(result, (step.number,))]
    if step.kind in (CANDIDATES, SCORES, MATCHING):
        limb = step.number
        marks.append(arrows(trace.maps.pafs, LIMB_NAMES[limb], trace.grid, view, width=1.2))
        marks += pair_marks(result, limb, step)
        marks += peak_marks(result, SKELETON.limbs[limb])
        return [*marks, *sample_marks(result, view)]
    if step.kind == GROWING:
        return [*marks, *body_marks(result, step.number + 1, newest=step.number)]
    decoded = decoding(result)
    if step.kind == COMPLETING:
        keypoint, value = added(result, step.number)
        high = min(1.0, max(0.1, 2 * value))
        marks.append(heat_mark(trace.maps.heatmaps[keypoint], trace.grid, view, high=high))
    count = step.number + 1 if step.kind == COMPLETING else len(decoded.completion)
    marks += body_marks(result, len(decoded.assembly), newest=None)
    return [*marks, *completion_marks(result, count, newest=step.kind == COMPLETING)]


def added(result: Result, number: int) -> tuple[int, float]:
    """Keypoint and value of one that was added."""
    decoded = decoding(result)
    person, keypoint = int(decoded.completion.persons[number]), int(decoded.completion.keypoints[number])
    return keypoint, float(decoded.people[person, keypoint, 2])


def completion_marks(result: Result, count: int, *, newest: bool) -> list[Mark]:
    """The first so many keypoints that were added, with the limbs that led to them; the last one marked if it is the newest, among all
    the weak peaks of its kind."""
    decoded, grid = decoding(result), result.trace.grid
    made = decoded.completion
    if not count:
        return []
    persons, keypoints, origins = (t.numpy()[:count] for t in (made.persons, made.keypoints, made.origins))
    xy = decoded.people.numpy()[..., :2]
    start, end = grid.on_picture(xy[persons, origins]), grid.on_picture(xy[persons, keypoints])
    bodies = decoded.assembly.kept.numpy()[persons]
    colours = [person_colour(int(body) + 1) for body in bodies]
    marks: list[Mark] = []
    if newest:
        keypoint = int(keypoints[-1])
        weak = result.trace.params.weak_threshold
        candidates = find_peaks(torch.from_numpy(result.trace.maps.heatmaps[keypoint : keypoint + 1]), weak)
        values = tuple(f"{value:.2f}" for value in candidates.scores.tolist())
        marks += [
            Points(grid.on_picture(candidates.xy.numpy()), values, IDLE, 6.0, "disc", key="weak"),
            Segments(start[-1:], end[-1:], CHOSEN, 10.0, key="newest"),
            Points(end[-1:], colours=CHOSEN, size=16.0, key="found"),
        ]
    marks += [
        Segments(start, end, colours, 4.0, "dashed", key="added limbs"),
        Points(end, colours=colours, size=7.0, key="added"),
    ]
    return marks


def peak_marks(result: Result, keypoints: tuple[int, ...]) -> list[Mark]:
    """The peaks of some keypoints with their numbers."""
    decoded, grid = decoding(result), result.trace.grid
    marks: list[Mark] = []
    for place, keypoint in enumerate(keypoints):
        first, end = int(decoded.peaks.starts[keypoint]), int(decoded.peaks.starts[keypoint + 1])
        xy = grid.on_picture(decoded.peaks.xy.numpy()[first:end])
        labels = tuple(str(peak_number(decoded, peak)) for peak in range(first, end))
        marks.append(Points(xy, labels, 5 if place else 6, 9.0, "disc", key=f"peaks {keypoint}"))
    return marks


def pair_marks(result: Result, limb: int, step: Step) -> list[Mark]:
    """A limb's candidates; by kind of step those that fail and those that are accepted."""
    decoded, grid = decoding(result), result.trace.grid
    pairs = pairs_of(decoded, limb)
    start = grid.on_picture(decoded.pairs.starts.numpy()[pairs])
    end = grid.on_picture(decoded.pairs.ends.numpy()[pairs])
    if step.kind == CANDIDATES:
        return [Segments(start, end, IDLE, 2.0, key="pairs")]
    failed = decoded.pairs.failed.numpy()[pairs] != 0
    if step.kind == SCORES:
        colours = [BAD if bad else GOOD for bad in failed.tolist()]
        return [
            Segments(start, end, colours, 1.2, key="pairs"),
            Segments(start[~failed], end[~failed], GOOD, 4.0, key="passing"),
        ]
    accepted = accepted_pairs(decoded)
    taken = np.array([pair in accepted for pair in pairs.tolist()], bool)
    colours = [GOOD if good else BAD if bad else 1 for good, bad in zip(taken.tolist(), failed.tolist(), strict=True)]
    return [
        Segments(start, end, colours, 1.2, "dotted", key="pairs"),
        Segments(start[taken], end[taken], GOOD, 4.5, key="accepted"),
    ]


def sample_marks(result: Result, view: View) -> list[Mark]:
    """The chosen pair: its points, and the PAF at each as an arrow."""
    decoded, grid = decoding(result), result.trace.grid
    pair = chosen_pair(result, view)
    if pair is None:
        return []
    pairs = decoded.pairs
    points = grid.on_picture(pairs.points(pair).numpy())
    vectors = pairs.vectors[pair].numpy().astype(np.float64) * (1.6 * min(grid.cell))
    agree = (pairs.dots[pair].numpy() > pairs.min_dot).tolist()
    return [
        Segments(points[:1], points[-1:], CHOSEN, 3.0, key="chosen"),
        Arrows(points, vectors, [GOOD if good else BAD for good in agree], 2.0, key="sampled"),
        Points(points, colours=[GOOD if good else BAD for good in agree], size=6.0, key="points"),
    ]


def body_marks(result: Result, count: int, *, newest: int | None) -> list[Mark]:
    """The bodies after so many accepted pairs, each in its colour; at the end those that are dropped in grey."""
    decoded, grid = decoding(result), result.trace.grid
    assembly = decoded.assembly
    bodies = assembly.bodies_at(count, _ends()).numpy()
    owner = body_of_peak(bodies)
    dropped = set()
    if newest is None:
        dropped = set(
            np.flatnonzero((assembly.verdict.numpy() != KEPT) & (assembly.verdict.numpy() != MERGED)).tolist()
        )
    starts, ends, colours = [], [], []
    for i in range(count):
        a, b = int(assembly.a[i]), int(assembly.b[i])
        if a in owner and owner.get(b) == owner[a]:
            starts.append(decoded.peaks.xy[a].numpy())
            ends.append(decoded.peaks.xy[b].numpy())
            colours.append(IDLE if owner[a] in dropped else person_colour(owner[a] + 1))
    marks: list[Mark] = []
    if newest is not None:
        here = decoded.peaks.xy.numpy()[[int(assembly.a[newest]), int(assembly.b[newest])]]
        here = grid.on_picture(here)
        marks.append(Segments(here[:1], here[1:], CHOSEN, 10.0, key="newest"))
        marks.append(Segments(here[:1], here[1:], IDLE, 4.0, "dashed", key="tried"))
    if starts:
        marks.append(
            Segments(grid.on_picture(np.array(starts)), grid.on_picture(np.array(ends)), colours, 4.0, key="limbs")
        )
    peaks = sorted(owner)
    if peaks:
        xy = grid.on_picture(decoded.peaks.xy.numpy()[peaks])
        of = [IDLE if owner[peak] in dropped else person_colour(owner[peak] + 1) for peak in peaks]
        marks.append(Points(xy, colours=of, size=7.0, key="keypoints"))
        tops: dict[int, tuple[float, float]] = {}
        for peak, (x, y) in zip(peaks, xy.tolist(), strict=True):
            body = owner[peak]
            if body not in tops or y < tops[body][1]:
                tops[body] = (x, y)
        labels = tuple(str(body + 1) for body in tops)
        tints = [IDLE if body in dropped else person_colour(body + 1) for body in tops]
        marks.append(Points(np.array(list(tops.values())), labels, tints, 1.0, key="numbers"))
    return marks


def _ends() -> torch.Tensor:
    return torch.from_numpy(SKELETON.limb_array())
