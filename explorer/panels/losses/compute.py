"""The seven losses of two boxes, along a drag, and on the way down.

The boxes lie in a scene: the picture, whose longer side counts 1000.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import TypeVar

from cvcore.losses.box_descent import LOSSES, USUAL_SIZE, Rule, descend, near_miss_factors, with_gradients
from cvcore.losses.boxes import (
    complete_box_iou_loss_trace,
    generalized_box_iou_loss_trace,
    size_weight,
    smooth_l1_loss_trace,
)
from cvcore.ops.boxes import box_convert, box_iou
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

Array = NDArray[np.float64]
PLACES = 241
"""Of a curve along a drag."""
MAP_CELLS = 24
"""Along the longer side of a map of starting places."""
LONGER = 1000.0
NARROWEST = 300.0
"""The scene's shorter side is at least this, however thin the picture."""
SMALLEST = 4.0
"""The shortest side of a box."""
SIZES = (0.2, 3.0)
SHAPES = (0.2, 4.0)


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """What the formulas are made of. Lengths count in sizes of the target, but those of L1 and L2 in the unit chosen.

    Args:
        difference: (4,) predicted minus target.
        quadratic: (4,) whether smooth L1 is in its parabola.
        iou, intersection, union, enclosing, rho2, c2, v, alpha: as in the papers.
    """

    difference: Array
    quadratic: NDArray[np.bool_]
    iou: float
    intersection: float
    union: float
    enclosing: float
    rho2: float
    c2: float
    v: float
    alpha: float


@dataclass(frozen=True, slots=True, eq=False)
class Drag:
    """The predicted box dragged over the whole range.

    Args:
        at: (K,) offset of the centres in target sizes, or how many times the target's size or shape it has.
        now: where it is.
        boxes: (K, 4) in the scene.
        loss, gradient: (7, K) loss and norm of its gradient.
    """

    at: Array
    now: float
    boxes: Array
    loss: Array
    gradient: Array


@dataclass(frozen=True, slots=True, eq=False)
class Descent:
    """Gradient descent from the predicted box.

    Args:
        boxes: (T + 1, 7, 4) in the scene.
        loss, iou, distance, shape: (T + 1, 7); distance of the centres in target sizes, shape = w / h over the target's.
    """

    boxes: Array
    loss: Array
    iou: Array
    distance: Array
    shape: Array


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


@dataclass(frozen=True, slots=True, eq=False)
class _Setting:
    """What the parts are worked out from: predicted and target box (4,) in target sizes, and how losses are taken."""

    pred: Tensor
    goal: Tensor
    size: float
    rule: Rule
    factors: Tensor
    params: Params
    scene: tuple[float, float]


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
    setting = _Setting(pred, goal, side, rule, factors, params, scene)
    loss, gradient = with_gradients(pred.expand(len(LOSSES), 1, 4), goal, rule)
    part: Any
    if params.show == FORMULAS:
        part = _drag(setting)
    elif params.show == ARRIVAL:
        part = _arrival(setting, context)
    else:
        part = _descent(setting)
    return Trace(
        params=params,
        frame_size=size,
        predicted=predicted,
        target=target,
        size=side,
        weight=rule.weight,
        size_weight=weight,
        numbers=_numbers(setting),
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


def _numbers(setting: _Setting) -> Numbers:
    pred, goal, scale = setting.pred, setting.goal, setting.rule.scale
    complete = complete_box_iou_loss_trace(pred, goal)
    general = generalized_box_iou_loss_trace(pred, goal)
    smooth = smooth_l1_loss_trace(pred * scale, goal * scale, setting.rule.beta)
    return Numbers(
        difference=smooth.difference.numpy(),
        quadratic=smooth.quadratic.numpy(),
        iou=float(complete.iou),
        intersection=float(complete.intersection),
        union=float(complete.union),
        enclosing=_number(general.enclosing),
        rho2=_number(complete.center_distance),
        c2=_number(complete.diagonal),
        v=_number(complete.aspect),
        alpha=_number(complete.alpha),
    )


def _number(value: Tensor | None) -> float:
    return math.nan if value is None else float(value)


def _drag(setting: _Setting) -> Drag:
    """The losses while one thing about the predicted box changes; what it is now is one of the K."""
    along, size = setting.params.along, setting.size
    x, y, w, h = (float(v) for v in box_convert(setting.pred, "xyxy", "cxcywh"))
    goal_x, goal_y, goal_w, goal_h = (float(v) for v in box_convert(setting.goal, "xyxy", "cxcywh"))
    width, height = setting.scene[0] / size, setting.scene[1] / size
    now, low, high = {
        HORIZONTAL: (x - goal_x, w / 2 - goal_x, width - w / 2 - goal_x),
        VERTICAL: (y - goal_y, h / 2 - goal_y, height - h / 2 - goal_y),
        SIZE: (math.sqrt(w * h / (goal_w * goal_h)), *SIZES),
        SHAPE: ((w / h) / (goal_w / goal_h), *SHAPES),
    }[along]
    at = np.sort(np.append(np.linspace(min(low, now), max(high, now), PLACES - 1), now))
    t = torch.from_numpy(at)
    places = torch.tensor([x, y, w, h], dtype=torch.float64).repeat(PLACES, 1)  # (K, cxcywh)
    if along == HORIZONTAL:
        places[:, 0] = goal_x + t
    elif along == VERTICAL:
        places[:, 1] = goal_y + t
    elif along == SIZE:
        places[:, 2:] *= (t / now)[:, None]
    else:
        places[:, 2] *= (t / now).sqrt()
        places[:, 3] /= (t / now).sqrt()
    boxes = box_convert(places, "cxcywh", "xyxy")
    loss, gradient = with_gradients(boxes.expand(len(LOSSES), -1, 4), setting.goal, setting.rule)
    return Drag(at, now, (boxes * size).numpy(), loss.numpy(), gradient.norm(dim=-1).numpy())


def _descent(setting: _Setting) -> Descent:
    way: list[Tensor] = []
    _descend(setting, setting.pred[None], lambda step, boxes: way.append(boxes[:, 0]))
    boxes = torch.stack(way)  # (T + 1, 7, 4)
    loss, _ = with_gradients(boxes.transpose(0, 1), setting.goal, setting.rule)
    x, y, w, h = box_convert(boxes, "xyxy", "cxcywh").unbind(-1)
    goal_x, goal_y, goal_w, goal_h = box_convert(setting.goal, "xyxy", "cxcywh")
    return Descent(
        boxes=(boxes * setting.size).numpy(),
        loss=loss.T.numpy(),
        iou=box_iou(boxes, setting.goal[None])[..., 0].numpy(),
        distance=torch.hypot(x - goal_x, y - goal_y).numpy(),
        shape=((w / h) / (goal_w / goal_h)).numpy(),
    )


def _arrival(setting: _Setting, context: Context) -> Arrival:
    """The predicted box put everywhere on the picture, and where descent takes it."""
    width, height = setting.scene
    cell = max(width, height) / MAP_CELLS
    x = (torch.arange(round(width / cell), dtype=torch.float64) + 0.5) * cell / setting.size
    y = (torch.arange(round(height / cell), dtype=torch.float64) + 0.5) * cell / setting.size
    centres = torch.cartesian_prod(y, x).flip(-1)  # row by row
    sides = (setting.pred[2:] - setting.pred[:2]).expand_as(centres)
    starts = box_convert(torch.cat((centres, sides), -1), "cxcywh", "xyxy")

    def seen(step: int, boxes: Tensor) -> None:
        context.stop_if_cancelled()
        context.progress(step / setting.params.steps)

    ends = _descend(setting, starts, seen)
    iou = box_iou(ends, setting.goal[None])[..., 0]
    return Arrival(iou.reshape(len(LOSSES), len(y), len(x)).numpy(), cell)


def _descend(setting: _Setting, start: Tensor, seen: Callable[[int, Tensor], None]) -> Tensor:
    params = setting.params
    rate, steps = params.learning_rate, params.steps
    return descend(start, setting.goal, setting.rule, setting.factors, rate=rate, steps=steps, seen=seen)


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
