"""The two boxes on the picture, in thousandths of its longer side."""

from explorer.figure import Extent
from explorer.panels.losses.controls import APART, INSIDE, OTHER_SHAPE, OVERLAPPING, SMALL, Params

LONGER = 1000.0
NARROWEST = 300.0
"""The scene's shorter side is at least this, however thin the picture."""
SMALLEST = 4.0
"""The shortest side of a box."""


def picture_size(size: tuple[int, int]) -> tuple[float, float]:
    """Width and height of a picture of so many pixels, in the scene's unit."""
    width, height = size
    return LONGER * width / max(size), LONGER * height / max(size)


def scene_size(size: tuple[int, int]) -> tuple[float, float]:
    """Where boxes may be: the picture, and a margin beside a very thin one."""
    width, height = picture_size(size)
    return max(width, NARROWEST), max(height, NARROWEST)


def boxes_of(params: Params, scene: tuple[float, float]) -> tuple[Extent, Extent]:
    """Predicted and target box: where they were dragged to, else where the chosen pair has them."""
    predicted, target = starting_pair(params.case, scene)
    return fitted(params.predicted or predicted, scene), fitted(params.target or target, scene)


def starting_pair(case: str, scene: tuple[float, float]) -> tuple[Extent, Extent]:
    """Predicted and target box of one of CASES."""
    width, height = scene
    side = min(scene)
    target = around(0.64 * width, 0.54 * height, 0.30 * side, 0.46 * side)
    if case == APART:
        return around(0.24 * width, 0.31 * height, 0.44 * side, 0.26 * side), target
    if case == OVERLAPPING:
        return beside(target, -0.55, -0.3, 1.2, 0.75), target
    if case == INSIDE:
        return beside(target, 0.2, -0.22, 0.5, 0.4), target
    if case == OTHER_SHAPE:
        return beside(target, 0, 0, 1.9, 0.55), target
    if case == SMALL:
        small = around(0.6 * width, 0.5 * height, 0.12 * side, 0.16 * side)
        return beside(small, -0.6, -0.5, 1.3, 0.8), small
    raise ValueError(f"there is no pair named {case!r}")


def around(x: float, y: float, width: float, height: float) -> Extent:
    """A box by centre and size."""
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def beside(box: Extent, dx: float, dy: float, width: float, height: float) -> Extent:
    """A box moved and sized by so many widths and heights of another one."""
    w, h = box[2] - box[0], box[3] - box[1]
    return around((box[0] + box[2]) / 2 + dx * w, (box[1] + box[3]) / 2 + dy * h, width * w, height * h)


def fitted(box: Extent, scene: tuple[float, float]) -> Extent:
    """The box, not too small to have an area, moved (and cut, if it must be) into the scene.

    Raises:
        ValueError: it is not four finite numbers.
    """
    x0, x1 = _into(box[0], box[2], scene[0])
    y0, y1 = _into(box[1], box[3], scene[1])
    return x0, y0, x1, y1


def _into(low: float, high: float, end: float) -> tuple[float, float]:
    if not abs(low) + abs(high) < float("inf"):
        raise ValueError(f"a box is four finite numbers, not {low}, {high}")
    low, high = min(low, high), max(low, high)
    room = max(0.0, SMALLEST - (high - low)) / 2
    low, high = low - room, high + room
    shift = max(0.0, -low) - max(0.0, high - end)
    return max(0.0, low + shift), min(end, high + shift)
