"""The seven losses on many boxes at once, their gradients, and gradient descent. Boxes count in sizes of the target.

The size of a box is the root of its area: Zheng et al. 2020 (https://arxiv.org/abs/1911.08287 , section 3.1) let boxes regress in
that unit, too, by steps (2 - IoU) times the learning rate times the gradient. Deviations from their simulation: corners move instead
of centre and size, the learning rate falls along a half cosine instead of twice to a tenth, and each loss may have a constant
factor (:func:`near_miss_factors`).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvcore.losses import boxes as losses
from cvcore.losses.boxes import complete_box_iou_loss_trace, generalized_box_iou_loss_trace, smooth_l1_loss_trace
from cvcore.ops.boxes import box_convert, box_iou

LOSSES = ("L1", "L2", "smooth L1", "IoU", "GIoU", "DIoU", "CIoU")
"""The seven, in the order of every axis of length 7 here."""
NEAR_MISS = 0.25
"""How far off a near miss is, as a part of the box's width and height."""
USUAL_SIZE = 250.0
"""The size of the box that it misses, in thousandths of the picture's longer side."""
THINNEST = 0.02
PLACES = 241
"""Of a curve along a drag."""
SIZES, SHAPES = (0.2, 3.0), (0.2, 4.0)
Array = NDArray[np.float64]
Along = Literal["x", "y", "size", "shape"]
FARTHEST = 50.0


@dataclass(frozen=True, slots=True)
class Rule:
    """How the losses are taken.

    Args:
        scale: of a coordinate in target sizes, to the unit in which L1, L2 and smooth L1 count.
        beta: of smooth L1, in that unit.
        weight: of the target, for all losses.
    """

    scale: float = 1.0
    beta: float = 1.0
    weight: float = 1.0


def seven_losses(pred: Tensor, target: Tensor, rule: Rule) -> Tensor:
    """Row i of ``pred`` under loss i: (7, N, 4) and (4,) -> (7, N). Those of coordinates are summed over the four."""
    near, far = pred * rule.scale, (target * rule.scale).expand_as(pred[0])
    target = target.expand_as(pred[0])
    rows = (
        losses.l1_loss(near[0], far).sum(-1),
        losses.l2_loss(near[1], far).sum(-1),
        losses.smooth_l1_loss(near[2], far, beta=rule.beta).sum(-1),
        losses.box_iou_loss(pred[3], target),
        losses.generalized_box_iou_loss(pred[4], target),
        losses.distance_box_iou_loss(pred[5], target),
        losses.complete_box_iou_loss(pred[6], target),
    )
    return torch.stack(rows) * rule.weight


def with_gradients(pred: Tensor, target: Tensor, rule: Rule) -> tuple[Tensor, Tensor]:
    """:func:`seven_losses` (7, N) and what they change by for each side moved by one target size, (7, N, 4)."""
    with torch.enable_grad():
        leaf = pred.detach().requires_grad_()
        loss = seven_losses(leaf, target, rule)
        (gradient,) = torch.autograd.grad(loss.sum(), leaf)
    return loss.detach(), gradient


def near_miss_factors(rule: Rule) -> Tensor:
    """(7,) what each loss is multiplied by so that its gradient has norm 1 for a square box off by a quarter of its sides.

    Args:
        rule: as for a target of USUAL_SIZE and without weight, so that what unit and weight do to smaller ones stays visible.
    """
    square = torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=torch.float64)
    _, gradient = with_gradients((square + NEAR_MISS).expand(len(LOSSES), 1, 4), square, rule)
    return 1 / gradient[:, 0].norm(dim=-1)


def descend(
    start: Tensor,
    target: Tensor,
    rule: Rule,
    factors: Tensor,
    *,
    rate: float,
    steps: int,
    seen: Callable[[int, Tensor], None],
) -> Tensor:
    """Gradient descent of N boxes under each loss: (N, 4) -> (7, N, 4).

    A box that would turn inside out stays as thin as THINNEST, and none leaves the square of FARTHEST target sizes.

    Args:
        factors: (7,) of each loss.
        rate: the first step's learning rate; it falls to 0 along a half cosine.
        seen: is told each step, counted from 0, and the boxes before it; once more with ``steps`` at the end.
    """
    boxes = start.expand(len(LOSSES), *start.shape)
    for step in range(steps):
        seen(step, boxes)
        _, gradient = with_gradients(boxes, target, rule)
        now = rate * (1 + math.cos(math.pi * step / steps)) / 2
        iou = box_iou(boxes, target[None])  # (7, N, 1)
        boxes = boxes - now * (2 - iou) * factors[:, None, None] * gradient
        low, high = boxes.clamp(-FARTHEST, FARTHEST).split(2, dim=-1)
        lacking = (THINNEST - (high - low)).clamp(min=0) / 2
        boxes = torch.cat((low - lacking, high + lacking), -1)
    seen(steps, boxes)
    return boxes


# -- one pair of boxes, looked at from all sides


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two boxes and how their losses are taken.

    Args:
        pred, goal: predicted and target box, (4,) xyxy in sizes of the target.
        size: of the target in the scene's unit; what is returned as boxes counts in that.
        factors: (7,) of each loss in gradient descent.
    """

    pred: Tensor
    goal: Tensor
    size: float
    rule: Rule
    factors: Tensor


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


def formula_numbers(pair: Pair) -> Numbers:
    """Of the pair as it is."""
    pred, goal, scale = pair.pred, pair.goal, pair.rule.scale
    complete = complete_box_iou_loss_trace(pred, goal)
    general = generalized_box_iou_loss_trace(pred, goal)
    smooth = smooth_l1_loss_trace(pred * scale, goal * scale, pair.rule.beta)
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


def drag(pair: Pair, along: Along, room: tuple[float, float]) -> Drag:
    """The losses while one thing about the predicted box changes; what it is now is one of the K.

    Args:
        room: width and height of the scene, within which the box is moved.
    """
    size = pair.size
    x, y, w, h = (float(v) for v in box_convert(pair.pred, "xyxy", "cxcywh"))
    goal_x, goal_y, goal_w, goal_h = (float(v) for v in box_convert(pair.goal, "xyxy", "cxcywh"))
    width, height = room[0] / size, room[1] / size
    now, low, high = {
        "x": (x - goal_x, w / 2 - goal_x, width - w / 2 - goal_x),
        "y": (y - goal_y, h / 2 - goal_y, height - h / 2 - goal_y),
        "size": (math.sqrt(w * h / (goal_w * goal_h)), *SIZES),
        "shape": ((w / h) / (goal_w / goal_h), *SHAPES),
    }[along]
    at = np.sort(np.append(np.linspace(min(low, now), max(high, now), PLACES - 1), now))
    t = torch.from_numpy(at)
    places = torch.tensor([x, y, w, h], dtype=torch.float64).repeat(PLACES, 1)  # (K, cxcywh)
    if along == "x":
        places[:, 0] = goal_x + t
    elif along == "y":
        places[:, 1] = goal_y + t
    elif along == "size":
        places[:, 2:] *= (t / now)[:, None]
    else:
        places[:, 2] *= (t / now).sqrt()
        places[:, 3] /= (t / now).sqrt()
    boxes = box_convert(places, "cxcywh", "xyxy")
    loss, gradient = with_gradients(boxes.expand(len(LOSSES), -1, 4), pair.goal, pair.rule)
    return Drag(at, now, (boxes * size).numpy(), loss.numpy(), gradient.norm(dim=-1).numpy())


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


def descent(pair: Pair, *, rate: float, steps: int) -> Descent:
    """From the predicted box, under each loss."""
    way: list[Tensor] = []
    descend(
        pair.pred[None], pair.goal, pair.rule, pair.factors, rate=rate, steps=steps,
        seen=lambda step, boxes: way.append(boxes[:, 0]),
    )  # fmt: skip
    boxes = torch.stack(way)  # (T + 1, 7, 4)
    loss, _ = with_gradients(boxes.transpose(0, 1), pair.goal, pair.rule)
    x, y, w, h = box_convert(boxes, "xyxy", "cxcywh").unbind(-1)
    goal_x, goal_y, goal_w, goal_h = box_convert(pair.goal, "xyxy", "cxcywh")
    return Descent(
        boxes=(boxes * pair.size).numpy(),
        loss=loss.T.numpy(),
        iou=box_iou(boxes, pair.goal[None])[..., 0].numpy(),
        distance=torch.hypot(x - goal_x, y - goal_y).numpy(),
        shape=((w / h) / (goal_w / goal_h)).numpy(),
    )


def arrival(
    pair: Pair, room: tuple[float, float], cell: float, *, rate: float, steps: int, seen: Callable[[int], None]
) -> Array:
    """(7, h, w) the IoU reached when the predicted box starts from the middle of each cell of the scene.

    Args:
        room: width and height of the scene. cell: side of a cell.
        seen: is told each step; what it raises ends the work.
    """
    width, height = room
    x = (torch.arange(round(width / cell), dtype=torch.float64) + 0.5) * cell / pair.size
    y = (torch.arange(round(height / cell), dtype=torch.float64) + 0.5) * cell / pair.size
    centres = torch.cartesian_prod(y, x).flip(-1)  # row by row
    sides = (pair.pred[2:] - pair.pred[:2]).expand_as(centres)
    starts = box_convert(torch.cat((centres, sides), -1), "cxcywh", "xyxy")

    ends = descend(
        starts, pair.goal, pair.rule, pair.factors, rate=rate, steps=steps, seen=lambda step, boxes: seen(step)
    )
    iou = box_iou(ends, pair.goal[None])[..., 0]
    return np.asarray(iou.reshape(len(LOSSES), len(y), len(x)).numpy())
