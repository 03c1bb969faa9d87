"""The seven losses of two boxes, along a drag, and on the way down.

The boxes lie in a scene: the picture, whose longer side counts 1000.
"""

import math
from dataclasses import dataclass
from typing import Any, Generic

import torch
from typing_extensions import TypeVar

from cvcore.losses.box_descent import (
    LOSSES,
    USUAL_SIZE,
    Along,
    Array,
    Descent,
    Drag,
    Numbers,
    Pair,
    Rule,
    arrival,
    descent,
    drag,
    formula_numbers,
    near_miss_factors,
    with_gradients,
)
from cvcore.losses.boxes import size_weight
from explorer.figure import Extent
from explorer.panel import Context, Frame
from explorer.panels.losses.controls import (
    APART,
    ARRIVAL,
    FORMULAS,
    HORIZONTAL,
    INSIDE,
    OTHER_SHAPE,
    OVERLAPPING,
    SHAPE,
    SIZE,
    SMALL,
    TARGET_SIZE,
    VERTICAL,
    Params,
)

MAP_CELLS = 24
"""Along the longer side of a map of starting places."""
LONGER = 1000.0
NARROWEST = 300.0
"""The scene's shorter side is at least this, however thin the picture."""
SMALLEST = 4.0
"""The shortest side of a box."""
DRAGS: dict[str, Along] = {HORIZONTAL: "x", VERTICAL: "y", SIZE: "size", SHAPE: "shape"}


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """Gradient descent of the predicted box from everywhere.

    Args:
        iou: (7, h, w) reached from the centre of each cell.
        cell: side of a cell in the scene.
    """

    iou: Array
    cell: float

    @property
    def extent(self) -> Extent:
        return 0.0, 0.0, self.iou.shape[2] * self.cell, self.iou.shape[1] * self.cell


Part = TypeVar("Part", bound=Drag | Descent | Arrival, default=Any)


@dataclass(frozen=True, slots=True, eq=False)
class Trace(Generic[Part]):
    """The scene, and the part that the chosen view shows.

    Args:
        frame_size: of the picture, in pixels.
        predicted, target: in the scene.
        size: of the target, the root of its area.
        weight: of the losses: size_weight, or 1 where the option is off.
        size_weight: YOLO's weight of the target.
        loss, gradient: (7,) and (7, 4): the loss, and by how much it changes for each side moved by one target size.
        factors: (7,) of each loss in gradient descent.
        part: a Drag with FORMULAS, an Arrival with ARRIVAL, else a Descent.
    """

    params: Params
    frame_size: tuple[int, int]
    predicted: Extent
    target: Extent
    size: float
    weight: float
    size_weight: float
    numbers: Numbers
    loss: Array
    gradient: Array
    factors: Array
    part: Part

    @property
    def sizes(self) -> dict[str, int]:
        return {"step": self.params.steps + 1}

    @property
    def scene(self) -> tuple[float, float]:
        return scene_size(self.frame_size)


def compute(frame: Frame, params: Params, context: Context) -> Trace:
    """On the CPU in float64 whatever the device: seven boxes are not worth a journey. The next frame costs nothing."""

    def made() -> Trace:
        with context.stage("trace"):
            return trace_of(frame.size, params, context)

    return context.kept((params, frame.size), made)


def trace_of(size: tuple[int, int], params: Params, context: Context) -> Trace:
    scene = scene_size(size)
    predicted, target = boxes_of(params, scene)
    side = math.sqrt((target[2] - target[0]) * (target[3] - target[1]))
    weight = weight_of(target, size)
    rule = Rule(scale_of(params, side), params.beta, weight if params.weighted else 1.0)
    factors = torch.ones(len(LOSSES), dtype=torch.float64)
    if params.normalised:
        factors = near_miss_factors(Rule(scale_of(params, USUAL_SIZE), params.beta))
    pred, goal = torch.tensor((predicted, target), dtype=torch.float64) / side
    pair = Pair(pred, goal, side, rule, factors)
    loss, gradient = with_gradients(pred.expand(len(LOSSES), 1, 4), goal, rule)
    part: Any
    if params.show == FORMULAS:
        part = drag(pair, DRAGS[params.along], scene)
    elif params.show == ARRIVAL:

        def seen(step: int) -> None:
            context.stop_if_cancelled()
            context.progress(step / params.steps)

        cell = max(scene) / MAP_CELLS
        part = Arrival(arrival(pair, scene, cell, rate=params.learning_rate, steps=params.steps, seen=seen), cell)
    else:
        part = descent(pair, rate=params.learning_rate, steps=params.steps)
    return Trace(
        params=params,
        frame_size=size,
        predicted=predicted,
        target=target,
        size=side,
        weight=rule.weight,
        size_weight=weight,
        numbers=formula_numbers(pair),
        loss=loss[:, 0].numpy(),
        gradient=gradient[:, 0].numpy(),
        factors=factors.numpy(),
        part=part,
    )


def scale_of(params: Params, size: float) -> float:
    """Of coordinates in target sizes to the unit of L1 and L2."""
    return 1.0 if params.unit == TARGET_SIZE else size / LONGER


def weight_of(target: Extent, frame_size: tuple[int, int]) -> float:
    """YOLO's weight of the target."""
    width, height = picture_size(frame_size)
    sides = torch.tensor([(target[2] - target[0]) / width, (target[3] - target[1]) / height], dtype=torch.float64)
    return float(size_weight(sides.clamp(max=1)))


# -- where the boxes lie


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
