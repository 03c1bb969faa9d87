"""People, heat maps and PAFs as marks on the picture."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from explorer.figure import Arrows, Heatmap, Image, Mark, Pane, Points, Segments
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.pose.controls import BY_PERSON, View
from explorer.panels.pose.network import Array, Grid, Maps
from explorer.panels.pose.parts import (
    DIRECTIONS,
    SKELETON,
    K,
    direction_colours,
    keypoints_of,
    limb_colour,
    limbs_of,
    person_colour,
)
from explorer.panels.pose.people import People

SPACE = "picture"
OTHER = "#808890"
"""Limbs that are not chosen."""
ARROWS = 900
"""Drawn at most; of more every second, third ... cell is taken."""


def picture(result: Result, view: View) -> tuple[Mark, ...]:
    return (Image(result.frame.image, key="picture"),) if view.picture else ()


def picture_pane(result: Result, key: str, title: str, marks: tuple[Mark, ...]) -> Pane:
    """A pane that zooms with the other pictures."""
    width, height = result.frame.size
    return Pane(key, title, marks, space=SPACE, size=(float(width), float(height)))


def heat(heatmaps: Array, part: str) -> Array:
    """(h, w): the largest of the part's heat maps."""
    chosen = keypoints_of(part)
    return np.asarray(heatmaps[chosen[0]] if len(chosen) == 1 else heatmaps[list(chosen)].max(0), np.float32)


def heat_mark(
    values: Array, grid: Grid, view: View, *, label: str = "", key: str = "heat", high: float = 1.0
) -> Heatmap:
    """A heat map over the picture."""
    return Heatmap(
        values.clip(0, high),  # what is beyond its colours would be interpolated more slowly
        label or tr("confidence"),
        low=0.0,
        high=high,
        colormap="magma",
        opacity=view.opacity if view.picture else 1.0,
        extent=grid.extent,
        smooth=view.smooth,
        key=key,
    )


def field(pafs: Array, part: str) -> Array:
    """(2, h, w): of the part's PAFs the strongest at each cell."""
    channels = np.array([SKELETON.paf_channels[limb] for limb in limbs_of(part)])
    if len(channels) == 1:
        return np.asarray(pafs[channels[0]], np.float32)
    x, y = pafs[channels[:, 0]], pafs[channels[:, 1]]
    best = (x * x + y * y).argmax(0)[None]
    return np.concatenate((np.take_along_axis(x, best, 0), np.take_along_axis(y, best, 0)))


def arrows(pafs: Array, part: str, grid: Grid, view: View, *, key: str = "field", width: float = 1.5) -> Arrows:
    """Vectors centred on their cells; one of length 1 is about as long as they are apart. Where there are many, an even grid of them."""
    vectors = field(pafs, part)
    strength = np.hypot(vectors[0], vectors[1])
    strong = strength >= max(view.least_strength, 1e-6)
    every = max(1, int(np.ceil(np.sqrt(np.count_nonzero(strong) / ARROWS))))
    offset = every // 2
    row, column = np.nonzero(strong[offset::every, offset::every])
    row, column = row * every + offset, column * every + offset
    chosen = vectors[:, row, column].T.astype(np.float64)  # (N, 2)
    centre = grid.on_picture(np.stack((column, row), 1))
    along = chosen * (1.15 * every * min(grid.cell))
    return Arrows(centre - along / 2, along, direction_colours(chosen), width, key=key)


@cache
def direction_pane_marks() -> tuple[Mark, ...]:
    turn = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    unit = np.stack((np.cos(turn), np.sin(turn)), 1)
    return (Arrows(0.35 * unit, 0.6 * unit, direction_colours(unit), 2.5, key="directions"),)


def direction_pane() -> Pane:
    """What an arrow's colour means."""
    return Pane("directions", tr("Colour: direction"), direction_pane_marks(), size=None)


def limb_lines(keypoints: Array) -> NDArray[np.int64]:
    """(N, 2) person and limb of every limb whose two ends were found."""
    ends = np.array(SKELETON.limbs)
    there = keypoints[..., 2] > 0
    return np.argwhere(there[:, ends[:, 0]] & there[:, ends[:, 1]]) if len(keypoints) else np.zeros((0, 2), np.int64)


def ends_of(keypoints: Array, lines: NDArray[np.int64]) -> tuple[Array, Array]:
    """(N, 2) and (N, 2) in pixels."""
    ends = np.array(SKELETON.limbs)
    person, limb = lines[:, 0], lines[:, 1]
    return keypoints[person, ends[limb, 0], :2], keypoints[person, ends[limb, 1], :2]


def keypoint_places(keypoints: Array) -> NDArray[np.int64]:
    """(N, 2) person and keypoint of all that were found."""
    return np.argwhere(keypoints[..., 2] > 0) if len(keypoints) else np.zeros((0, 2), np.int64)


def skeletons(people: People, view: View, *, labels: bool = True, width: float = 4.0) -> tuple[Mark, ...]:
    """Limbs, keypoints and numbers of everyone."""
    if not len(people):
        return ()
    lines, places = limb_lines(people.keypoints), keypoint_places(people.keypoints)
    colours = [person_colour(int(number)) for number in people.numbers]
    by_person = view.colouring == BY_PERSON
    shown = set(limbs_of(view.part))
    limb_colours: list[int | str] = [
        OTHER if limb not in shown else colours[p] if by_person else limb_colour(limb) for p, limb in lines.tolist()
    ]
    start, end = ends_of(people.keypoints, lines)
    marks: list[Mark] = [
        Segments(start, end, limb_colours, width, key="limbs"),
        Points(
            people.keypoints[places[:, 0], places[:, 1], :2],
            colours=[colours[p] for p, _ in places.tolist()],
            size=1.6 * width + 1,
            key="keypoints",
        ),
    ]
    chosen = np.flatnonzero(people.numbers == view.person)
    if len(chosen):
        mine = lines[lines[:, 0] == chosen[0]]
        marks.insert(0, Segments(*ends_of(people.keypoints, mine), "#ffffff", width + 5, key="chosen"))
    if labels:
        top = np.array([highest(one) for one in people.keypoints])
        marks.append(Points(top, tuple(str(n) for n in people.numbers.tolist()), colours, size=1.0, key="numbers"))
    return tuple(marks)


def highest(keypoints: Array) -> tuple[float, float]:
    """Above the highest keypoint, which is where a person's number stands."""
    there = keypoints[keypoints[:, 2] > 0]
    x, y = there[there[:, 1].argmin(), :2]
    return float(x), float(y)


def strongest_heat(maps: Maps) -> float:
    return float(maps.heatmaps[:K].max())
