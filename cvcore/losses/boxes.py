"""Losses between predicted and target boxes, one by one: (N, 4) and (N, 4) xyxy.

- smooth L1: Girshick, Fast R-CNN 2015, https://arxiv.org/abs/1504.08083 , equation 3.
- IoU: 1 - IoU, after Yu et al., UnitBox 2016, https://arxiv.org/abs/1608.01471 , who take -ln IoU.
- GIoU: Rezatofighi et al. 2019, https://arxiv.org/abs/1902.09630 , algorithm 2.
- DIoU, CIoU: Zheng et al. 2020, https://arxiv.org/abs/1911.08287 , equations 7 and 10.

Names and arguments are torchvision's, and torch's for the coordinate losses. The gradient is finite everywhere: boxes apart, without
area, or turned inside out (x2 < x1), whose area counts as 0. CIoU follows torchvision, not the authors' code, which leaves out the
1 / (w^2 + h^2) of the gradient of v.
"""

from dataclasses import dataclass
from typing import Literal, assert_never, cast, get_args

import torch
from torch import Tensor

from cvcore.ops.boxes import OverlapKind, OverlapTrace, check_boxes, check_finite, overlap, values_are_checked

Reduction = Literal["none", "mean", "sum"]


@dataclass(frozen=True, slots=True, eq=False)
class CoordinateTrace:
    """A loss of each coordinate on its own. All are (..., 4), with gradients.

    Args:
        difference: pred - target.
        loss: of each coordinate.
        quadratic: where the loss is a parabola rather than a straight line.
    """

    difference: Tensor
    loss: Tensor
    quadratic: Tensor


def l1_loss(pred: Tensor, target: Tensor, reduction: str = "none", *, weight: Tensor | None = None) -> Tensor:
    """|pred - target| of each coordinate.

    Args:
        pred, target: (..., 4), any box format.
        reduction: ``none`` -> (..., 4); ``mean`` over all coordinates; ``sum``.
        weight: (...) factor of each box, such as :func:`size_weight`.

    Raises:
        ValueError: shapes, values or reduction are wrong.
    """
    return _reduced(l1_loss_trace(pred, target).loss, reduction, weight)


def l1_loss_trace(pred: Tensor, target: Tensor) -> CoordinateTrace:
    """:func:`l1_loss` of each coordinate, with its parts."""
    difference = _difference(pred, target)
    return CoordinateTrace(difference, difference.abs(), torch.zeros_like(difference, dtype=torch.bool))


def l2_loss(pred: Tensor, target: Tensor, reduction: str = "none", *, weight: Tensor | None = None) -> Tensor:
    """(pred - target)^2 of each coordinate; arguments and errors as :func:`l1_loss`."""
    return _reduced(l2_loss_trace(pred, target).loss, reduction, weight)


def l2_loss_trace(pred: Tensor, target: Tensor) -> CoordinateTrace:
    """:func:`l2_loss` of each coordinate, with its parts."""
    difference = _difference(pred, target)
    return CoordinateTrace(difference, difference**2, torch.ones_like(difference, dtype=torch.bool))


def smooth_l1_loss(
    pred: Tensor, target: Tensor, reduction: str = "none", beta: float = 1.0, *, weight: Tensor | None = None
) -> Tensor:
    """d^2 / (2 beta) where |d| < beta, else |d| - beta / 2, of each coordinate d = pred - target.

    Args:
        beta: where the parabola turns into a straight line, in the unit of the coordinates; 0 is :func:`l1_loss`.

    Other arguments and errors as :func:`l1_loss`.
    """
    return _reduced(smooth_l1_loss_trace(pred, target, beta).loss, reduction, weight)


def smooth_l1_loss_trace(pred: Tensor, target: Tensor, beta: float = 1.0) -> CoordinateTrace:
    """:func:`smooth_l1_loss` of each coordinate, with its parts."""
    if not 0 <= beta < float("inf"):
        raise ValueError(f"beta must be a finite number of at least 0, not {beta}")
    difference = _difference(pred, target)
    size = difference.abs()
    quadratic = size < beta
    loss = torch.where(quadratic, difference**2 / (2 * beta) if beta > 0 else size, size - beta / 2)
    return CoordinateTrace(difference, loss, quadratic)


def box_iou_loss(
    pred: Tensor, target: Tensor, reduction: str = "none", eps: float = 1e-7, *, weight: Tensor | None = None
) -> Tensor:
    """1 - IoU. Boxes that do not meet give 1 and no gradient.

    Args:
        pred, target: (..., 4) xyxy.
        reduction: ``none`` -> (...); ``mean`` over the boxes; ``sum``.
        eps: added to what is divided by.
        weight: (...) factor of each box, such as :func:`size_weight`.

    Raises:
        ValueError: shapes, values or reduction are wrong.
    """
    return _reduced(box_iou_loss_trace(pred, target, eps).loss, reduction, weight)


def box_iou_loss_trace(pred: Tensor, target: Tensor, eps: float = 1e-7) -> OverlapTrace:
    """:func:`box_iou_loss` of each box with the numbers of its formula."""
    return _overlap(pred, target, "iou", eps)


def generalized_box_iou_loss(
    pred: Tensor, target: Tensor, reduction: str = "none", eps: float = 1e-7, *, weight: Tensor | None = None
) -> Tensor:
    """1 - GIoU = 1 - IoU + (C - U) / C, in [0, 2); arguments and errors as :func:`box_iou_loss`."""
    return _reduced(generalized_box_iou_loss_trace(pred, target, eps).loss, reduction, weight)


def generalized_box_iou_loss_trace(pred: Tensor, target: Tensor, eps: float = 1e-7) -> OverlapTrace:
    """:func:`generalized_box_iou_loss` of each box with the numbers of its formula."""
    return _overlap(pred, target, "giou", eps)


def distance_box_iou_loss(
    pred: Tensor, target: Tensor, reduction: str = "none", eps: float = 1e-7, *, weight: Tensor | None = None
) -> Tensor:
    """1 - IoU + rho^2 / c^2, in [0, 2); arguments and errors as :func:`box_iou_loss`."""
    return _reduced(distance_box_iou_loss_trace(pred, target, eps).loss, reduction, weight)


def distance_box_iou_loss_trace(pred: Tensor, target: Tensor, eps: float = 1e-7) -> OverlapTrace:
    """:func:`distance_box_iou_loss` of each box with the numbers of its formula."""
    return _overlap(pred, target, "diou", eps)


def complete_box_iou_loss(
    pred: Tensor, target: Tensor, reduction: str = "none", eps: float = 1e-7, *, weight: Tensor | None = None
) -> Tensor:
    """1 - IoU + rho^2 / c^2 + alpha v, alpha constant in the gradient; arguments and errors as :func:`box_iou_loss`."""
    return _reduced(complete_box_iou_loss_trace(pred, target, eps).loss, reduction, weight)


def complete_box_iou_loss_trace(pred: Tensor, target: Tensor, eps: float = 1e-7) -> OverlapTrace:
    """:func:`complete_box_iou_loss` of each box with the numbers of its formula."""
    return _overlap(pred, target, "ciou", eps)


def size_weight(wh: Tensor) -> Tensor:
    """YOLO's weight for small boxes, (2 - w h) x 1.5: (..., 2) -> (...), from 3 for the smallest to 1.5.

    After Redmon's darknet, which has 2 - w h (https://github.com/pjreddie/darknet , yolo_layer.c), times 1.5.

    Args:
        wh: width and height of the target as a fraction of the picture's, in [0, 1].

    Raises:
        ValueError: the shape is wrong, or sizes are not fractions (pixels, perhaps).
    """
    if wh.dim() == 0 or wh.shape[-1] != 2:
        raise ValueError(f"wh must have shape (..., 2), not {tuple(wh.shape)}")
    check_finite(wh, "wh")
    if values_are_checked(wh) and not bool(((wh >= 0) & (wh <= 1)).all()):
        raise ValueError("wh must be fractions of the picture's size, in [0, 1]")
    return (2 - wh[..., 0] * wh[..., 1]) * 1.5


def _check_pair(pred: Tensor, target: Tensor) -> None:
    check_boxes(pred, "pred")
    check_boxes(target, "target")
    if pred.shape != target.shape:
        raise ValueError(f"pred and target must have one shape, not {tuple(pred.shape)} and {tuple(target.shape)}")


def _difference(pred: Tensor, target: Tensor) -> Tensor:
    _check_pair(pred, target)
    return pred - target


def _overlap(pred: Tensor, target: Tensor, kind: OverlapKind, eps: float) -> OverlapTrace:
    _check_pair(pred, target)
    if not eps > 0:
        raise ValueError(f"eps must be above 0, not {eps}")
    return overlap(pred, target, kind, eps=eps, area_eps=eps)


def _reduced(loss: Tensor, reduction: str, weight: Tensor | None) -> Tensor:
    if reduction not in get_args(Reduction):
        raise ValueError(f"reduction must be one of {', '.join(get_args(Reduction))}, not {reduction!r}")
    if weight is not None:
        if weight.shape != loss.shape[: weight.dim()] or loss.dim() - weight.dim() > 1:
            raise ValueError(f"weight must hold one number a box, not {tuple(weight.shape)}")
        loss = loss * weight.reshape(weight.shape + (1,) * (loss.dim() - weight.dim()))
    kind = cast(Reduction, reduction)
    match kind:
        case "none":
            return loss
        case "mean":
            return loss.mean() if loss.numel() else loss.sum()
        case "sum":
            return loss.sum()
        case _:
            assert_never(kind)
