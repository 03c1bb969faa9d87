"""Keypoints and limbs as a person reads them, and their colours."""

from colorsys import hsv_to_rgb
from functools import cache
from math import pi

import numpy as np
from numpy.typing import NDArray

from cvcore.ops.paf import OPENPOSE_18
from explorer.i18n import tr

EVERYTHING = "all keypoints and limbs"
SKELETON = OPENPOSE_18
K, L = len(SKELETON.names), len(SKELETON.limbs)
LIMB_NAMES = tuple(SKELETON.limb_name(limb) for limb in range(L))
PARTS = (EVERYTHING, *SKELETON.names, *LIMB_NAMES)
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
