"""Keypoints, limbs, heat maps and PAFs as a person reads them and as they are drawn on the picture."""

from colorsys import hsv_to_rgb
from functools import cache
from math import pi

import numpy as np
from numpy.typing import NDArray

from explorer.figure import Arrows, Heatmap, Image, Mark, Pane, Places, Points, Segments
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.pose.compute import Array, Maps, People, Trace
from explorer.panels.pose.controls import BY_PERSON, LIMB_NAMES, SKELETON, K, L, Params, View
from explorer.views.cells import Cells
from explorer.views.said import fixed

Shown = Result[Trace, Params]
OTHER = "#808890"
"""Limbs that are not chosen."""
ARROWS = 900
"""Drawn at most; of more every second, third ... cell is taken."""
DIRECTIONS = 24
"""Colours of arrows: enough to tell directions, few enough to draw them quickly."""


def keypoint_name(keypoint: int) -> str:
    return tr(SKELETON.names[keypoint])


def limb_name(limb: int) -> str:
    a, b = SKELETON.limbs[limb]
    return f"{keypoint_name(a)} – {keypoint_name(b)}"


def part_name(part: str) -> str:
    """As it is shown."""
    limb = limb_of(part)
    return tr(part) if limb is None else limb_name(limb)


def keypoint_of(part: str) -> int | None:
    return SKELETON.names.index(part) if part in SKELETON.names else None


def limb_of(part: str) -> int | None:
    return LIMB_NAMES.index(part) if part in LIMB_NAMES else None


def keypoints_of(part: str) -> tuple[int, ...]:
    """Whose heat maps are shown."""
    keypoint, limb = keypoint_of(part), limb_of(part)
    if keypoint is not None:
        return (keypoint,)
    return tuple(range(K)) if limb is None else SKELETON.limbs[limb]


def limbs_of(part: str) -> tuple[int, ...]:
    """Whose PAFs are shown."""
    keypoint, limb = keypoint_of(part), limb_of(part)
    if limb is not None:
        return (limb,)
    return tuple(i for i in range(L) if keypoint is None or keypoint in SKELETON.limbs[i])


@cache
def limb_colour(limb: int) -> str:
    """Around the circle of hues: the right side from red to green, the left side from green to violet, as in the authors' drawings."""
    return _hex(limb / L, 0.85, 1.0)


def person_colour(number: int) -> int:
    """Of the theme's palette; grey is left out."""
    return (number - 1) % 7


@cache
def direction_colour(sector: int) -> str:
    return _hex(sector / DIRECTIONS, 0.9, 1.0)


def direction_colours(vectors: NDArray[np.floating]) -> tuple[str, ...]:
    """(N, 2) -> N colours: red to the right, then around the circle of hues, clockwise as y points down."""
    turn = np.arctan2(vectors[:, 1], vectors[:, 0]) / (2 * pi) % 1
    return tuple(direction_colour(int(sector)) for sector in np.rint(turn * DIRECTIONS).astype(int) % DIRECTIONS)


def _hex(hue: float, saturation: float, value: float) -> str:
    red, green, blue = (round(255 * v) for v in hsv_to_rgb(hue % 1, saturation, value))
    return f"#{red:02x}{green:02x}{blue:02x}"


def picture(result: Shown, view: View) -> tuple[Mark, ...]:
    return (Image(result.frame.image, key="picture"),) if view.picture else ()


def picture_pane(result: Shown, key: str, title: str, marks: tuple[Mark, ...], places: Places | None = None) -> Pane:
    """A pane that zooms with the other pictures."""
    width, height = result.frame.size
    return Pane(key, title, marks, space="picture", size=(float(width), float(height)), places=places)


def heat(heatmaps: Array, part: str) -> Array:
    """(h, w): the largest of the part's heat maps."""
    chosen = keypoints_of(part)
    return np.asarray(heatmaps[chosen[0]] if len(chosen) == 1 else heatmaps[list(chosen)].max(0), np.float32)


def heat_mark(
    values: Array, cells: Cells, view: View, *, label: str = "", key: str = "heat", high: float = 1.0
) -> Heatmap:
    """A heat map over the picture."""
    return Heatmap(
        values.clip(0, high),  # what is beyond its colours would be interpolated more slowly
        label or tr("confidence"),
        low=0.0,
        high=high,
        colormap="magma",
        opacity=view.opacity if view.picture else 1.0,
        extent=cells.extent,
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


def arrows(pafs: Array, part: str, cells: Cells, view: View, *, key: str = "field", width: float = 1.5) -> Arrows:
    """Vectors centred on their cells; one of length 1 is about as long as they are apart. Where there are many, an even grid of them."""
    vectors = field(pafs, part)
    strength = np.hypot(vectors[0], vectors[1])
    strong = strength >= max(view.least_strength, 1e-6)
    every = max(1, int(np.ceil(np.sqrt(np.count_nonzero(strong) / ARROWS))))
    offset = every // 2
    row, column = np.nonzero(strong[offset::every, offset::every])
    row, column = row * every + offset, column * every + offset
    chosen = vectors[:, row, column].T.astype(np.float64)  # (N, 2)
    centre = cells.on_picture(np.stack((column, row), 1))
    along = chosen * (1.15 * every * min(cells.cell or (1.0, 1.0)))
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


def maps_words(maps: Maps, part: str, cell: tuple[int, int]) -> str:
    """Heat map and PAF of the part in a cell."""
    x, y = (float(v[cell]) for v in field(maps.pafs, part))
    return tr(
        "{part}: heat {heat}, PAF ({x}, {y}), strength {strength:.2f}",
        part=part_name(part),
        heat=fixed(float(heat(maps.heatmaps, part)[cell]), 2),
        x=fixed(x, 2),
        y=fixed(y, 2),
        strength=float(np.hypot(x, y)),
    )
