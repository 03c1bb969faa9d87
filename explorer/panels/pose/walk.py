"""The assembly step by step: the picture with what the step shows, its table, and the line integral of the chosen pair."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cvcore.ops.paf import PoseTrace
from cvcore.ops.paf.steps import (
    CANDIDATES,
    COMPLETING,
    END,
    GROWING,
    MATCHING,
    PEAKS,
    SCORES,
    Step,
    accepted_pairs,
    blocker,
    body_of_peak,
    limb_in,
    pairs_of,
    peak_number,
)
from cvcore.ops.paf.trace import (
    CONFIRM,
    CONFLICT,
    EXTEND,
    FEW_AGREE,
    KEPT,
    MERGE,
    MERGED,
    NO_START,
    START,
    TOO_FEW_KEYPOINTS,
    TOO_LOW,
    TOO_LOW_SCORE,
)
from explorer.figure import (
    Arrows,
    At,
    Axis,
    Column,
    Curve,
    Layout,
    Lit,
    Mark,
    Pane,
    Points,
    Row,
    Segments,
    Spot,
    Table,
    TableColumn,
    Text,
)
from explorer.i18n import tr, tr_n
from explorer.panels.pose.compute import Walked
from explorer.panels.pose.controls import LIMB_NAMES, SKELETON, View
from explorer.panels.pose.marks import (
    Shown,
    arrows,
    heat_mark,
    keypoint_name,
    limb_name,
    maps_words,
    person_colour,
    picture,
    picture_pane,
)
from explorer.views.items import Items
from explorer.views.said import fixed

Cells = tuple[str | float | int, ...]
GOOD, BAD, IDLE, CHOSEN = 2, 3, 7, "#ffffff"
SUMMANDS = 12
"""Written out at most."""
ROWS = 200
"""Pairs listed at most, the best."""
REACH = 0.006
"""How near a pair must be to the pointer, in parts of the picture's longer side."""


class Stepping:
    """What the views of a step look things up in: the decoding, the step, its limb and the pair that is looked at."""

    def __init__(self, result: Shown, walked: Walked, view: View) -> None:
        self.result, self.trace, self.view = result, result.trace, view
        self.decoded: PoseTrace = walked.decoded
        self.weak, self.cells = walked.weak, result.trace.cells
        self.number = max(0, min(view.step, len(walked.steps) - 1))
        self.count = len(walked.steps)
        self.step: Step = walked.steps[self.number]
        self.limb = limb_in(self.decoded, self.step)

    @property
    def pairs(self) -> NDArray[np.int64]:
        """The candidates of the step's limb, in their order."""
        return np.zeros(0, np.int64) if self.limb is None else pairs_of(self.decoded, self.limb)

    @property
    def listed(self) -> NDArray[np.int64]:
        """The pairs of the table's rows: best score first, but as they come while there are no scores."""
        scores = self.decoded.pairs.scores.numpy()[self.pairs]
        best = self.pairs[np.argsort(-scores, kind="stable")][:ROWS]
        return best if self.step.kind in (MATCHING, GROWING, SCORES) else np.sort(best)

    @property
    def pair(self) -> int | None:
        """The pair that was clicked if it is of the step's limb; else the accepted one of a growing step, or the limb's best."""
        if self.limb is None:
            return None
        pairs = self.decoded.pairs
        if 0 <= self.view.pair < len(pairs) and int(pairs.limbs[self.view.pair]) == self.limb:
            return self.view.pair
        if self.step.kind == GROWING:
            return int(self.decoded.assembly.pairs[self.step.number])
        found = self.pairs
        return int(found[pairs.scores.numpy()[found].argmax()]) if len(found) else None


def peak_name(decoded: PoseTrace, peak: int) -> str:
    return f"{keypoint_name(int(decoded.peaks.keypoints[peak]))} {peak_number(decoded, peak)}"


def pair_name(decoded: PoseTrace, pair: int) -> str:
    """``neck 1 – right hip 2``."""
    return f"{peak_name(decoded, int(decoded.pairs.a[pair]))} – {peak_name(decoded, int(decoded.pairs.b[pair]))}"


def walk(s: Stepping) -> Layout:
    """Picture at the left; table, curve and formula at the right."""
    marks = tuple(step_marks(s))
    shown = picture_pane(s.result, "step", title(s), marks, OnStep(s))
    pair = s.pair
    beside: list[Layout] = []
    weights: list[float] = []
    match s.step.kind:
        case "peaks":
            beside, weights = [peaks_table(s), words_of_peaks(s)], [1.4, 1.0]
        case "completing":
            beside, weights = [completion_table(s)], [1.0]
        case "people":
            beside, weights = [bodies_table(s)], [1.0]
        case "candidates" | "scores" | "matching" | "growing":
            beside, weights = [bodies_table(s) if s.step.kind == GROWING else pairs_table(s)], [1.0]
            if pair is not None:
                beside += [integral_pane(s, pair), formula(s, pair)]
                weights += [1.1, 1.0]
    return Row((shown, Column(tuple(beside), weights=tuple(weights))), weights=(1.45, 1.0))


def title(s: Stepping) -> str:
    """What the picture shows."""
    decoded = s.decoded
    limb = s.limb
    name = "" if limb is None else limb_name(limb)
    match s.step.kind:
        case "peaks":
            return tr("Peaks of the heat map: {name}", name=keypoint_name(s.step.number))
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
                "People are completed: {name}", name=keypoint_name(int(decoded.completion.keypoints[s.step.number]))
            )
        case "people":
            return tr("The people")


def words_of_peaks(s: Stepping) -> Pane:
    """What makes a peak."""
    decoded = s.decoded
    found, limit = int(decoded.peaks.found[s.step.number]), decoded.peaks.limit
    said = tr(
        "A cell is a peak if its value is above {threshold:g} and not below any of its eight neighbours. The place is finer than a cell: "
        "the top of a parabola through the logarithms of three values, along each axis.",
        threshold=s.trace.params.peak_threshold,
    )
    if found > limit:
        said += "\n\n" + tr("{found} peaks were found; the {limit} highest are kept.", found=found, limit=limit)
    return Pane("words", tr("How peaks are found"), (Text(said),))


def step_marks(s: Stepping) -> list[Mark]:
    """Everything drawn over the picture at a step."""
    marks: list[Mark] = list(picture(s.result, s.view))
    if s.step.kind == PEAKS:
        marks.append(heat_mark(s.trace.maps.heatmaps[s.step.number], s.trace.cells, s.view))
        return [*marks, *peak_marks(s, (s.step.number,))]
    if s.step.kind in (CANDIDATES, SCORES, MATCHING):
        limb = s.step.number
        marks.append(arrows(s.trace.maps.pafs, LIMB_NAMES[limb], s.trace.cells, s.view, width=1.2))
        marks += pair_marks(s)
        marks += peak_marks(s, SKELETON.limbs[limb])
        return [*marks, *sample_marks(s)]
    if s.step.kind == GROWING:
        return [*marks, *body_marks(s, s.step.number + 1, newest=s.step.number)]
    decoded = s.decoded
    if s.step.kind == COMPLETING:
        keypoint, value = added(s, s.step.number)
        high = min(1.0, max(0.1, 2 * value))
        marks.append(heat_mark(s.trace.maps.heatmaps[keypoint], s.trace.cells, s.view, high=high))
    count = s.step.number + 1 if s.step.kind == COMPLETING else len(decoded.completion)
    marks += body_marks(s, len(decoded.assembly), newest=None)
    return [*marks, *completion_marks(s, count, newest=s.step.kind == COMPLETING)]


def added(s: Stepping, number: int) -> tuple[int, float]:
    """Keypoint and value of one that was added."""
    decoded = s.decoded
    person, keypoint = int(decoded.completion.persons[number]), int(decoded.completion.keypoints[number])
    return keypoint, float(decoded.people[person, keypoint, 2])


def completion_marks(s: Stepping, count: int, *, newest: bool) -> list[Mark]:
    """The first so many keypoints that were added, with the limbs that led to them; the last one marked if it is the newest, among all
    the weak peaks of its kind."""
    decoded, cells = s.decoded, s.cells
    made = decoded.completion
    if not count:
        return []
    persons, keypoints, origins = (t.numpy()[:count] for t in (made.persons, made.keypoints, made.origins))
    xy = decoded.people.numpy()[..., :2]
    start, end = cells.on_picture(xy[persons, origins]), cells.on_picture(xy[persons, keypoints])
    bodies = decoded.assembly.kept.numpy()[persons]
    colours = [person_colour(int(body) + 1) for body in bodies]
    marks: list[Mark] = []
    if newest:
        keypoint = int(keypoints[-1])
        candidates = s.weak[keypoint]
        values = tuple(f"{value:.2f}" for value in candidates[:, 2].tolist())
        marks += [
            Points(cells.on_picture(candidates[:, :2]), values, IDLE, 6.0, "disc", key="weak"),
            Segments(start[-1:], end[-1:], CHOSEN, 10.0, key="newest"),
            Points(end[-1:], colours=CHOSEN, size=16.0, key="found"),
        ]
    marks += [
        Segments(start, end, colours, 4.0, "dashed", key="added limbs"),
        Points(end, colours=colours, size=7.0, key="added"),
    ]
    return marks


def peak_marks(s: Stepping, keypoints: tuple[int, ...]) -> list[Mark]:
    """The peaks of some keypoints with their numbers."""
    decoded, cells = s.decoded, s.cells
    marks: list[Mark] = []
    for place, keypoint in enumerate(keypoints):
        first, end = int(decoded.peaks.starts[keypoint]), int(decoded.peaks.starts[keypoint + 1])
        xy = cells.on_picture(decoded.peaks.xy.numpy()[first:end])
        labels = tuple(str(peak_number(decoded, peak)) for peak in range(first, end))
        marks.append(Points(xy, labels, 5 if place else 6, 9.0, "disc", key=f"peaks {keypoint}"))
    return marks


def pair_marks(s: Stepping) -> list[Mark]:
    """A limb's candidates; by kind of step those that fail and those that are accepted."""
    decoded, cells, pairs = s.decoded, s.cells, s.pairs
    start = cells.on_picture(decoded.pairs.starts.numpy()[pairs])
    end = cells.on_picture(decoded.pairs.ends.numpy()[pairs])
    if s.step.kind == CANDIDATES:
        return [Segments(start, end, IDLE, 2.0, key="pairs")]
    failed = decoded.pairs.failed.numpy()[pairs] != 0
    if s.step.kind == SCORES:
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


def sample_marks(s: Stepping) -> list[Mark]:
    """The chosen pair: its points, and the PAF at each as an arrow."""
    decoded, cells = s.decoded, s.cells
    pair = s.pair
    if pair is None:
        return []
    pairs = decoded.pairs
    points = cells.on_picture(pairs.points(pair).numpy())
    vectors = pairs.vectors[pair].numpy().astype(np.float64) * (1.6 * min(cells.cell or (1.0, 1.0)))
    agree = (pairs.dots[pair].numpy() > pairs.min_dot).tolist()
    return [
        Segments(points[:1], points[-1:], CHOSEN, 3.0, key="chosen"),
        Arrows(points, vectors, [GOOD if good else BAD for good in agree], 2.0, key="sampled"),
        Points(points, colours=[GOOD if good else BAD for good in agree], size=6.0, key="points"),
    ]


def body_marks(s: Stepping, count: int, *, newest: int | None) -> list[Mark]:
    """The bodies after so many accepted pairs, each in its colour; at the end those that are dropped in grey."""
    decoded, cells = s.decoded, s.cells
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
        here = cells.on_picture(here)
        marks.append(Segments(here[:1], here[1:], CHOSEN, 10.0, key="newest"))
        marks.append(Segments(here[:1], here[1:], IDLE, 4.0, "dashed", key="tried"))
    if starts:
        marks.append(
            Segments(cells.on_picture(np.array(starts)), cells.on_picture(np.array(ends)), colours, 4.0, key="limbs")
        )
    peaks = sorted(owner)
    if peaks:
        xy = cells.on_picture(decoded.peaks.xy.numpy()[peaks])
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


# -- tables


def peaks_table(s: Stepping) -> Pane:
    """A keypoint's peaks."""
    decoded, cells = s.decoded, s.cells
    first, end = int(decoded.peaks.starts[s.step.number]), int(decoded.peaks.starts[s.step.number + 1])
    xy = cells.on_picture(decoded.peaks.xy.numpy()[first:end])
    rows: tuple[Cells, ...] = tuple(
        (peak_number(decoded, peak), float(x), float(y), float(decoded.peaks.scores[peak]))
        for peak, (x, y) in zip(range(first, end), xy.tolist(), strict=True)
    )
    columns = (
        TableColumn(tr("Peak")),
        TableColumn("x", "px", 1),
        TableColumn("y", "px", 1),
        TableColumn(tr("Value"), digits=3),
    )
    items = Items.all("peak", len(rows))
    return items.pane("table", keypoint_name(s.step.number), (Table(columns, rows, key="peaks"),), "peaks")


def pairs_table(s: Stepping) -> Pane:
    """A limb's candidates: lengths; then integrals and scores; then who is accepted."""
    decoded = s.decoded
    pairs, order = decoded.pairs, s.listed
    accepted = accepted_pairs(decoded)
    columns = [TableColumn(tr("Pair"))]
    if s.step.kind == CANDIDATES:
        columns.append(TableColumn(tr("Length"), tr("cells"), 1))
    else:
        columns += [TableColumn("E", digits=2), TableColumn(tr("Agree")), TableColumn(tr("Score"), digits=2)]
        columns.append(TableColumn(tr("Result")))
    rows: list[Cells] = []
    for pair in order.tolist():
        name = short_name(s, pair)
        if s.step.kind == CANDIDATES:
            rows.append((name, float(pairs.lengths[pair])))
            continue
        failed = int(pairs.failed[pair])
        said = tr("passes")
        if failed:
            said = tr("too few agree") if failed & FEW_AGREE else tr("score not above 0")
        elif s.step.kind == MATCHING:
            by = blocker(decoded, pair)
            said = (
                tr("accepted")
                if pair in accepted
                else tr("end taken by {pair}", pair="?" if by is None else short_name(s, by))
            )
        agree = f"{int(pairs.agreeing[pair])} / {pairs.dots.shape[1]}"
        rows.append((name, float(pairs.integrals[pair]), agree, float(pairs.scores[pair]), said))
    items = Items("pair", order, s.pair)
    table = Table(tuple(columns), tuple(rows), items.place, key="pairs")
    return items.pane("table", limb_name(s.step.number), (table,), "pairs")


def short_name(s: Stepping, pair: int) -> str:
    """``1 – 2``: numbers of the two peaks."""
    decoded = s.decoded
    return f"{peak_number(decoded, int(decoded.pairs.a[pair]))} – {peak_number(decoded, int(decoded.pairs.b[pair]))}"


def bodies_table(s: Stepping) -> Pane:
    """The bodies so far: how many keypoints, which; at the end their scores and what becomes of them."""
    decoded = s.decoded
    assembly = decoded.assembly
    at_end = s.step.kind == END
    count = len(assembly) if at_end else s.step.number + 1
    bodies = assembly.bodies_at(count, _limbs()).numpy()
    rows: list[Cells] = []
    columns = [TableColumn(tr("Body")), TableColumn(tr("Keypoints"))]
    columns += [TableColumn(tr("Score"), digits=2), TableColumn(tr("Result"))] if at_end else [TableColumn(tr("Parts"))]
    selected = None
    for body, peaks in enumerate(bodies):
        there = np.flatnonzero(peaks >= 0)
        if not len(there):
            continue
        if not at_end and int(assembly.person[s.step.number]) == body:
            selected = len(rows)
        head: Cells = (body + 1, len(there))
        if at_end:
            rows.append((*head, float(assembly.scores[body]), verdict_words(s, body)))
        else:
            rows.append((*head, ", ".join(keypoint_name(int(k)) for k in there)))
    title = tr("All bodies") if at_end else tr("Bodies so far")
    return Pane("table", title, (Table(tuple(columns), tuple(rows), selected=selected, key="bodies"),))


def completion_table(s: Stepping) -> Pane:
    """The keypoints that were added so far."""
    decoded = s.decoded
    made = decoded.completion
    rows: list[Cells] = []
    for i in range(s.step.number + 1):
        person, keypoint = int(made.persons[i]), int(made.keypoints[i])
        value = float(decoded.people[person, keypoint, 2])
        names = (keypoint_name(keypoint), keypoint_name(int(made.origins[i])))
        rows.append((person + 1, *names, value, float(made.integrals[i])))
    columns = (
        TableColumn(tr("Person")),
        TableColumn(tr("Keypoint")),
        TableColumn(tr("From")),
        TableColumn(tr("Value"), digits=2),
        TableColumn("E", digits=2),
    )
    table = Table(columns, tuple(rows), selected=len(rows) - 1, key="completion")
    return Pane("table", tr("Keypoints added"), (table,))


def verdict_words(s: Stepping, body: int) -> str:
    decoded = s.decoded
    params = s.trace.params
    match int(decoded.assembly.verdict[body]):
        case verdict if verdict == KEPT:
            rank = int(np.flatnonzero(decoded.assembly.kept.numpy() == body)[0]) + 1
            return tr("person {number}", number=rank)
        case verdict if verdict == TOO_FEW_KEYPOINTS:
            return tr("fewer than {least} keypoints", least=params.min_keypoints)
        case verdict if verdict == TOO_LOW_SCORE:
            return tr("score below {least:g}", least=params.min_score)
        case verdict if verdict == MERGED:
            return tr("became part of another")
        case verdict:
            raise ValueError(f"unknown verdict {verdict}")


def action_words(s: Stepping) -> str:
    """What an accepted pair did."""
    decoded = s.decoded
    assembly, i = decoded.assembly, s.step.number
    pair = pair_name(decoded, int(assembly.pairs[i]))
    body, other = int(assembly.person[i]) + 1, int(assembly.other[i]) + 1
    score = float(decoded.pairs.scores[assembly.pairs[i]])
    said = {
        START: "{pair} (score {score:.2f}) starts body {body}.",
        EXTEND: "{pair} (score {score:.2f}) gives body {body} a keypoint.",
        CONFIRM: "{pair} (score {score:.2f}) joins two keypoints that body {body} has already.",
        MERGE: "{pair} (score {score:.2f}) joins bodies {body} and {other}: they become one.",
        CONFLICT: "{pair} (score {score:.2f}) is ignored: a body would have a keypoint twice.",
        NO_START: "{pair} (score {score:.2f}) is ignored: a limb from shoulder to ear starts no body.",
    }[int(assembly.action[i])]
    return tr(said, pair=pair, score=score, body=body, other=other)


def _limbs() -> torch.Tensor:
    return torch.from_numpy(SKELETON.limb_array())


# -- the line integral


def integral_pane(s: Stepping, pair: int) -> Pane:
    """Dot products along the pair, their mean, and the threshold."""
    decoded = s.decoded
    pairs = decoded.pairs
    dots = pairs.dots[pair].numpy().astype(np.float64)
    u = np.linspace(0, 1, len(dots))
    ends = np.array([0.0, 1.0])
    mean = float(pairs.integrals[pair])
    agree = [GOOD if dot > pairs.min_dot else BAD for dot in dots.tolist()]
    marks = (
        Curve(ends, np.full(2, pairs.min_dot), colour=BAD, width=1.5, style="dashed", key="threshold"),
        Curve(ends, np.full(2, mean), colour=1, style="dashed", key="mean"),
        Curve(u, dots, colour=0, key="dots"),
        Points(np.stack((u, dots), 1), colours=agree, size=9.0, key="points"),
        Text(tr("threshold {value}", value=f"{pairs.min_dot:.2f}"), (0.0, pairs.min_dot), BAD, key="threshold words"),
        Text(f"E = {fixed(mean, 2)}", (1.04, mean), 1, key="mean words"),
    )
    first, last = (peak_name(decoded, int(end[pair])) for end in (pairs.a, pairs.b))
    low, high = min(-0.2, float(dots.min()) - 0.05), max(1.1, float(dots.max()) + 0.05)
    axes = (
        Axis(tr("u, from {first} to {last}", first=first, last=last), low=-0.03, high=1.22),
        Axis(tr("PAF · direction"), low=low, high=high),
    )
    return Pane("integral", tr("Line integral along {pair}", pair=pair_name(decoded, pair)), marks, axes=axes)


def formula(s: Stepping, pair: int) -> Pane:
    """E, score, and whether it can be a limb."""
    return Pane("formula", tr("In numbers"), (Text("\n".join(formula_lines(s, pair)), key="formula"),))


def formula_lines(s: Stepping, pair: int) -> list[str]:
    decoded, cells = s.decoded, s.cells
    pairs = decoded.pairs
    dots = pairs.dots[pair].tolist()
    along = (pairs.ends[pair] - pairs.starts[pair]).numpy()
    length = float(pairs.lengths[pair])
    x, y = (along / length if length > 0 else along).tolist()
    count = len(dots)
    terms = [fixed(dot, 2) for dot in dots]
    shown = terms if count <= SUMMANDS else [*terms[: SUMMANDS - 2], "…", terms[-1]]
    integral, prior, score = (float(v[pair]) for v in (pairs.integrals, pairs.priors, pairs.scores))
    rows = cells.shape[0]
    agreeing, needed = int(pairs.agreeing[pair]), pairs.min_agreeing
    failed = int(pairs.failed[pair])
    verdict = tr("may be a limb")
    if failed & FEW_AGREE and failed & TOO_LOW:
        verdict = tr("fails: too few points agree, and the score is not above 0")
    elif failed & FEW_AGREE:
        verdict = tr("fails: too few points agree")
    elif failed & TOO_LOW:
        verdict = tr("fails: the score is not above 0")
    return [
        tr("direction v = ({x}, {y}), length {length:.1f} cells", x=fixed(x, 2), y=fixed(y, 2), length=length),
        f"E = ({' + '.join(shown)}) / {count} = {fixed(integral, 2)}".replace("+ −", "− "),
        tr(
            "score = E + min(h / (2 · length) − 1, 0) = {integral} + min({rows} / {double:.1f} − 1, 0) = {integral} − {paid:.2f} = {score}",
            integral=fixed(integral, 2),
            rows=rows,
            double=2 * length,
            paid=abs(prior),
            score=fixed(score, 2),
        ),
        tr_n(
            "{n} of {count} points is above {threshold:g}, {needed} are needed: {verdict}.",
            "{n} of {count} points are above {threshold:g}, {needed} are needed: {verdict}.",
            agreeing,
            count=count,
            threshold=pairs.min_dot,
            needed=needed,
            verdict=verdict,
        ),
    ]


# -- in words


def step_words(s: Stepping) -> str:
    """What happens in a step, in a sentence."""
    decoded = s.decoded
    pairs, peaks = decoded.pairs, decoded.peaks
    if s.step.kind == PEAKS:
        count = int(peaks.starts[s.step.number + 1] - peaks.starts[s.step.number])
        return tr_n(
            "Peaks of {name}: {n} local maximum above {threshold:g}.",
            "Peaks of {name}: {n} local maxima above {threshold:g}.",
            count,
            name=keypoint_name(s.step.number),
            threshold=s.trace.params.peak_threshold,
        )
    if s.step.kind == CANDIDATES:
        a, b = SKELETON.limbs[s.step.number]
        first, second = (int(peaks.starts[k + 1] - peaks.starts[k]) for k in (a, b))
        said = tr_n(
            "{limb}: {first} × {second} = {n} candidate pair.",
            "{limb}: {first} × {second} = {n} candidate pairs.",
            first * second,
            limb=limb_name(s.step.number),
            first=first,
            second=second,
        )
        return said if first and second else f"{said} {tr('One of its ends was not found.')}"
    if s.step.kind == GROWING:
        return action_words(s)
    if s.step.kind == COMPLETING:
        made, i = decoded.completion, s.step.number
        person, keypoint = int(made.persons[i]), int(made.keypoints[i])
        return tr(
            "Person {person} lacks: {keypoint}. Looked for from: {origin}. Best of the weak peaks in reach: value {value:.2f}, "
            "E = {integral:.2f}.",
            person=person + 1,
            keypoint=keypoint_name(keypoint),
            origin=keypoint_name(int(made.origins[i])),
            value=float(decoded.people[person, keypoint, 2]),
            integral=float(made.integrals[i]),
        )
    if s.step.kind in (SCORES, MATCHING):
        mine = pairs_of(decoded, s.step.number)
        failed = int(np.count_nonzero(pairs.failed.numpy()[mine]))
        if s.step.kind == SCORES:
            return tr_n(
                "Each pair gets the mean of the PAF along it. {n} of {count} pairs fails (red). Click a pair to see its integral.",
                "Each pair gets the mean of the PAF along it. {n} of {count} pairs fail (red). Click a pair to see its integral.",
                failed,
                count=len(mine),
            )
        accepted = len(accepted_pairs(decoded) & set(mine.tolist()))
        return tr(
            "The best score first; a peak belongs to one pair only: {accepted} accepted (green), {blocked} came too late (orange), "
            "{failed} had failed (red).",
            accepted=accepted,
            blocked=len(mine) - failed - accepted,
            failed=failed,
        )
    dropped = sum(1 for verdict in decoded.assembly.verdict.tolist() if verdict in (2, 3))
    said = tr("People: {count}. Bodies dropped: {dropped}.", count=len(s.trace.people), dropped=dropped)
    more = len(decoded.completion)
    return f"{said} {tr('Keypoints added (dashed): {count}.', count=more)}" if more else said


# -- what places stand for


@dataclass(frozen=True, slots=True, eq=False)
class OnStep:
    """The pair, the peak and the maps at a place of the picture."""

    s: Stepping

    def at(self, spot: Spot) -> At | None:
        s, said = self.s, dict[str, Any]()
        pair = pair_at(s, spot)
        if pair is not None:
            return {"pair": pair}
        if spot.mark.startswith("peaks ") and spot.index is not None:
            keypoint = int(spot.mark.removeprefix("peaks "))
            peak = int(s.decoded.peaks.starts[keypoint]) + spot.index
            if peak < int(s.decoded.peaks.starts[keypoint + 1]):
                said |= {"of peaks": peak} | ({"peak": spot.index} if s.step.kind == PEAKS else {})
        cell = s.cells.under(spot.x, spot.y)
        if cell is not None and (s.step.kind == PEAKS or s.limb is not None):
            said["cell"] = cell
        return said or None

    def lit(self, at: At) -> tuple[Mark, ...]:
        if "pair" not in at:
            return ()
        return tuple(Lit("pairs", int(place)) for place in np.flatnonzero(self.s.pairs == at["pair"]))


def pair_at(s: Stepping, spot: Spot) -> int | None:
    """The candidate under the pointer; also where arrows or sampled points lie over it."""
    if s.limb is None or s.step.kind not in (CANDIDATES, SCORES, MATCHING) or spot.mark.startswith("peaks "):
        return None
    pairs = s.pairs
    if spot.mark == "pairs" and spot.index is not None:
        return int(pairs[spot.index]) if 0 <= spot.index < len(pairs) else None
    start = s.cells.on_picture(s.decoded.pairs.starts.numpy()[pairs])
    along = s.cells.on_picture(s.decoded.pairs.ends.numpy()[pairs]) - start
    place = np.array([spot.x, spot.y])
    part = ((place - start) * along).sum(1) / np.maximum((along**2).sum(1), 1e-9)
    distance = np.linalg.norm(start + along * part.clip(0, 1)[:, None] - place, axis=1)
    near = np.flatnonzero(distance <= REACH * max(s.result.frame.size))
    if not len(near):
        return None
    if spot.mark == "accepted":  # which lies on top
        accepted = accepted_pairs(s.decoded)
        near = np.array([i for i in near.tolist() if int(pairs[i]) in accepted] or near.tolist())
    return int(pairs[near[distance[near].argmin()]])


def tell(s: Stepping, at: At) -> str:
    """The pair with its integral; or the peak, and the maps at the place."""
    if "pair" in at:
        return pair_words(s, at["pair"])
    said = []
    if "of peaks" in at:
        peak = at["of peaks"]
        said.append(f"{peak_name(s.decoded, peak)}: {float(s.decoded.peaks.scores[peak]):.3f}")
    if "cell" in at and s.step.kind == PEAKS:
        value = float(s.trace.maps.heatmaps[s.step.number][at["cell"]])
        said.append(tr("{part}: heat {heat}", part=keypoint_name(s.step.number), heat=fixed(value, 2)))
    elif "cell" in at and s.limb is not None:
        said.append(maps_words(s.trace.maps, LIMB_NAMES[s.limb], at["cell"]))
    return " · ".join(said)


def pair_words(s: Stepping, pair: int) -> str:
    pairs = s.decoded.pairs
    return tr_n(
        "{pair}: E = {integral}, {n} of {count} points agrees, score {score}",
        "{pair}: E = {integral}, {n} of {count} points agree, score {score}",
        int(pairs.agreeing[pair]),
        pair=pair_name(s.decoded, pair),
        integral=fixed(float(pairs.integrals[pair]), 2),
        count=pairs.dots.shape[1],
        score=fixed(float(pairs.scores[pair]), 2),
    )
