"""The seven losses on many boxes at once, their gradients, and gradient descent. Boxes count in sizes of the target.

The size of a box is the root of its area: Zheng et al. 2020 (https://arxiv.org/abs/1911.08287 , section 3.1) let boxes regress in
that unit, too, by steps (2 - IoU) times the learning rate times the gradient. Deviations from their simulation: corners move instead
of centre and size, the learning rate falls along a half cosine instead of twice to a tenth, and each loss may have a constant
factor (:func:`near_miss_factors`).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from cvcore.losses import boxes as losses
from cvcore.ops.boxes import box_iou

LOSSES = ("L1", "L2", "smooth L1", "IoU", "GIoU", "DIoU", "CIoU")
"""The seven, in the order of every axis of length 7 here."""
NEAR_MISS = 0.25
"""How far off a near miss is, as a part of the box's width and height."""
USUAL_SIZE = 250.0
"""The size of the box that it misses, in thousandths of the picture's longer side."""
THINNEST = 0.02
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
