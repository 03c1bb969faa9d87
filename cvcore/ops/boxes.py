"""Boxes: areas, formats, clipping and the IoU family, each with the numbers of its formula.

A box is (x1, y1, x2, y2) on continuous coordinates, x to the right and y down. Names and arguments are torchvision's.
Deviation: where a quotient of torchvision is 0 / 0 (two boxes without area, an enclosing box without area) it is 0 here, not NaN.

- IoU: Jaccard 1912; for detection Everingham et al., PASCAL VOC, IJCV 2010, equation 4.
- GIoU: Rezatofighi et al. 2019, https://arxiv.org/abs/1902.09630 , algorithm 1.
- DIoU and CIoU: Zheng et al. 2020, https://arxiv.org/abs/1911.08287 , equations 6-7 and 8-11.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal, cast, get_args

import numpy as np
import torch
from torch import Tensor

BoxFormat = Literal["xyxy", "xywh", "cxcywh"]
OverlapKind = Literal["iou", "giou", "diou", "ciou"]

FEW = 2**20
_everywhere: ContextVar[bool] = ContextVar("check_values_everywhere", default=False)


@contextmanager
def values_checked() -> Iterator[None]:
    """Within it, values are checked on every device. By default only on the CPU, since elsewhere it waits for the device."""
    token = _everywhere.set(True)
    try:
        yield
    finally:
        _everywhere.reset(token)


def values_are_checked(values: Tensor) -> bool:
    """Whether the values of this tensor are to be looked at: on the CPU, and elsewhere within :func:`values_checked`."""
    return values.device.type == "cpu" or _everywhere.get()


def check_finite(values: Tensor, name: str) -> None:
    """Raise ValueError for NaN or infinite values, where :func:`values_are_checked`."""
    if not values.is_floating_point() or not values_are_checked(values):
        return
    values = values.detach()
    if values.device.type == "cpu" and values.numel() < FEW and values.dtype in (torch.float32, torch.float64):
        # torch would hand part of them to a second thread, which on a busy machine may have to wait its turn
        fine = bool(np.isfinite(values.numpy()).all())
    else:
        # the sum tells in a fraction of the time; it may overflow, which the second look clears
        fine = math.isfinite(float(values.sum())) or bool(torch.isfinite(values).all())
    if not fine:
        raise ValueError(f"{name} must be finite, but hold NaN or infinite values")


def check_boxes(boxes: Tensor, name: str = "boxes") -> None:
    """Raise ValueError unless these are (..., 4) finite numbers."""
    if boxes.dim() == 0 or boxes.shape[-1] != 4:
        raise ValueError(f"{name} must have shape (..., 4), not {tuple(boxes.shape)}")
    if boxes.is_complex() or boxes.dtype == torch.bool:
        raise ValueError(f"{name} must be real numbers, not {boxes.dtype}")
    check_finite(boxes, name)


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Convert boxes between formats.

    Args:
        boxes: (..., 4).
        in_fmt, out_fmt: ``xyxy`` corners; ``xywh`` top left corner and size; ``cxcywh`` centre and size.

    Returns:
        (..., 4), always a new tensor.

    Raises:
        ValueError: shape, values or formats are wrong.
    """
    check_boxes(boxes)
    for fmt in (in_fmt, out_fmt):
        if fmt not in get_args(BoxFormat):
            raise ValueError(f"box formats are {', '.join(get_args(BoxFormat))}, not {fmt!r}")
    if in_fmt == out_fmt:
        return boxes.clone()
    return _from_xyxy(_to_xyxy(boxes, cast(BoxFormat, in_fmt)), cast(BoxFormat, out_fmt))


def _to_xyxy(boxes: Tensor, fmt: BoxFormat) -> Tensor:
    a, b, c, d = boxes.unbind(-1)
    match fmt:
        case "xyxy":
            return boxes
        case "xywh":
            return torch.stack((a, b, a + c, b + d), -1)
        case "cxcywh":
            return torch.stack((a - 0.5 * c, b - 0.5 * d, a + 0.5 * c, b + 0.5 * d), -1)


def _from_xyxy(boxes: Tensor, fmt: BoxFormat) -> Tensor:
    x1, y1, x2, y2 = boxes.unbind(-1)
    match fmt:
        case "xyxy":
            return boxes
        case "xywh":
            return torch.stack((x1, y1, x2 - x1, y2 - y1), -1)
        case "cxcywh":
            return torch.stack(((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1), -1)


def box_area(boxes: Tensor, fmt: str = "xyxy") -> Tensor:
    """(x2 - x1) (y2 - y1) of boxes (..., 4) -> (...); negative for a box inverted along one side, int64 for integers.

    Raises:
        ValueError: shape, values or format are wrong.
    """
    boxes = box_convert(boxes, fmt, "xyxy")
    x1, y1, x2, y2 = (_widened(boxes) if boxes.is_floating_point() else boxes.long()).unbind(-1)
    return (x2 - x1) * (y2 - y1)


def clip_boxes_to_image(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Move the corners that lie outside a picture to its edge.

    Args:
        boxes: (..., 4) xyxy.
        size: (height, width) of the picture.

    Returns:
        (..., 4), coordinates in [0, width] and [0, height].

    Raises:
        ValueError: shape or values are wrong.
    """
    check_boxes(boxes)
    height, width = size
    if height < 0 or width < 0:
        raise ValueError(f"size is (height, width), neither below 0, not {tuple(size)}")
    x, y = boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)
    return torch.stack((x, y), -1).reshape(boxes.shape)


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """Indices of the boxes whose sides are both at least ``min_size``: (N, 4) xyxy -> (K,) int64, rising.

    Raises:
        ValueError: shape or values are wrong.
    """
    check_boxes(boxes)
    if boxes.dim() != 2:
        raise ValueError(f"boxes must have shape (N, 4), not {tuple(boxes.shape)}")
    sides = boxes[:, 2:] - boxes[:, :2]  # (N, 2)
    return torch.where((sides >= min_size).all(-1))[0]


@dataclass(frozen=True, slots=True, eq=False)
class OverlapTrace:
    """An overlap of boxes with every number of its formula. All tensors have the shape of ``value``, with gradients.

    Args:
        kind: which member of the family ``value`` is.
        value: the IoU, GIoU, DIoU or CIoU.
        boxes1, boxes2: the boxes, in shapes that broadcast to (*value.shape, 4).
        area1, area2: their areas, in shapes that broadcast to that of ``value``.
        intersection, union: areas.
        iou: their quotient, in [0, 1].
        enclosing: area of the smallest box around both (GIoU), else None.
        center_distance: squared distance of the centres, rho^2 (DIoU, CIoU), else None.
        diagonal: squared diagonal of the smallest box around both, c^2 (DIoU, CIoU), else None.
        aspect: v, how unlike the shapes are, in [0, 1] (CIoU), else None.
        alpha: the weight of v, taken as constant in the gradient (CIoU), else None.
    """

    kind: OverlapKind
    value: Tensor
    boxes1: Tensor
    boxes2: Tensor
    area1: Tensor
    area2: Tensor
    intersection: Tensor
    union: Tensor
    iou: Tensor
    enclosing: Tensor | None = None
    center_distance: Tensor | None = None
    diagonal: Tensor | None = None
    aspect: Tensor | None = None
    alpha: Tensor | None = None

    @property
    def loss(self) -> Tensor:
        """1 - value."""
        return 1 - self.value

    @property
    def intersection_box(self) -> Tensor:
        """(..., 4) the area of overlap as a box; inverted where there is none."""
        low, high = torch.maximum(self.boxes1, self.boxes2), torch.minimum(self.boxes1, self.boxes2)
        return torch.cat((low[..., :2], high[..., 2:]), -1)

    @property
    def enclosing_box(self) -> Tensor:
        """(..., 4) the smallest box around both."""
        low, high = torch.minimum(self.boxes1, self.boxes2), torch.maximum(self.boxes1, self.boxes2)
        return torch.cat((low[..., :2], high[..., 2:]), -1)


def box_iou(boxes1: Tensor, boxes2: Tensor, fmt: str = "xyxy") -> Tensor:
    """Intersection over union, |A n B| / |A u B|, of every pair: (..., N, 4) x (..., M, 4) -> (..., N, M).

    Args:
        fmt: ``xyxy``, ``xywh`` or ``cxcywh``.

    Returns:
        in [0, 1]; 0 where both boxes have no area.

    Raises:
        ValueError: shape, values or format are wrong.
    """
    return box_iou_trace(boxes1, boxes2, fmt).value


def box_iou_trace(boxes1: Tensor, boxes2: Tensor, fmt: str = "xyxy") -> OverlapTrace:
    """:func:`box_iou` with the numbers of its formula."""
    return pairwise_overlap(box_convert(boxes1, fmt, "xyxy"), box_convert(boxes2, fmt, "xyxy"), "iou")


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """GIoU = IoU - (C - U) / C, C the area of the smallest box around both: (..., N, 4) x (..., M, 4) xyxy -> (..., N, M).

    Returns:
        in (-1, 1].

    Raises:
        ValueError: shape or values are wrong.
    """
    return generalized_box_iou_trace(boxes1, boxes2).value


def generalized_box_iou_trace(boxes1: Tensor, boxes2: Tensor) -> OverlapTrace:
    """:func:`generalized_box_iou` with the numbers of its formula."""
    return pairwise_overlap(boxes1, boxes2, "giou")


def distance_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """DIoU = IoU - rho^2 / c^2, distance of centres over diagonal: (..., N, 4) x (..., M, 4) xyxy -> (..., N, M).

    Args:
        eps: added to c^2.

    Returns:
        in (-1, 1].

    Raises:
        ValueError: shape or values are wrong.
    """
    return distance_box_iou_trace(boxes1, boxes2, eps).value


def distance_box_iou_trace(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> OverlapTrace:
    """:func:`distance_box_iou` with the numbers of its formula."""
    return pairwise_overlap(boxes1, boxes2, "diou", eps)


def complete_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """CIoU = DIoU - alpha v, (..., N, 4) x (..., M, 4) xyxy -> (..., N, M).

    v = 4 / pi^2 (atan(w1 / h1) - atan(w2 / h2))^2 and alpha = v / (1 - IoU + v + eps), through which no gradient goes.

    Args:
        eps: added to c^2 and to the denominator of alpha.

    Raises:
        ValueError: shape or values are wrong.
    """
    return complete_box_iou_trace(boxes1, boxes2, eps).value


def complete_box_iou_trace(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> OverlapTrace:
    """:func:`complete_box_iou` with the numbers of its formula."""
    return pairwise_overlap(boxes1, boxes2, "ciou", eps)


def pairwise_overlap(boxes1: Tensor, boxes2: Tensor, kind: OverlapKind, eps: float = 1e-7) -> OverlapTrace:
    """The overlap of every box of one set with every box of another: (..., N, 4) x (..., M, 4) -> (..., N, M)."""
    for name, boxes in (("boxes1", boxes1), ("boxes2", boxes2)):
        check_boxes(boxes, name)
        if boxes.dim() < 2:
            raise ValueError(f"{name} must have shape (..., N, 4), not {tuple(boxes.shape)}")
    return overlap(boxes1[..., :, None, :], boxes2[..., None, :, :], kind, eps=eps)


def overlap(
    boxes1: Tensor, boxes2: Tensor, kind: OverlapKind, *, eps: float = 1e-7, area_eps: float = 0.0
) -> OverlapTrace:
    """The overlap of boxes that broadcast against each other, unchecked.

    Args:
        boxes1, boxes2: (..., 4) xyxy.
        eps: added to c^2 and to the denominator of alpha.
        area_eps: added to areas that are divided by. torchvision has it in its losses and not in its operators.
    """
    boxes1, boxes2 = _widened(boxes1), _widened(boxes2)
    x1, y1, x2, y2 = boxes1.unbind(-1)
    u1, v1, u2, v2 = boxes2.unbind(-1)
    w1, h1, w2, h2 = x2 - x1, y2 - y1, u2 - u1, v2 - v1
    area1, area2 = w1 * h1, w2 * h2
    if area_eps:  # a loss: a box turned inside out on the way has no area, rather than a negative one
        area1, area2 = w1.clamp(min=0) * h1.clamp(min=0), w2.clamp(min=0) * h2.clamp(min=0)
    w = torch.minimum(x2, u2) - torch.maximum(x1, u1)
    h = torch.minimum(y2, v2) - torch.maximum(y1, v1)
    intersection = torch.where((w > 0) & (h > 0), w * h, 0)
    union = area1 + area2 - intersection
    iou = _quotient(intersection, union + area_eps)
    trace = (boxes1, boxes2, area1, area2, intersection, union, iou)
    if kind == "iou":
        return OverlapTrace(kind, iou, *trace)
    enclosing_w = (torch.maximum(x2, u2) - torch.minimum(x1, u1)).clamp(min=0)
    enclosing_h = (torch.maximum(y2, v2) - torch.minimum(y1, v1)).clamp(min=0)
    if kind == "giou":
        enclosing = enclosing_w * enclosing_h
        return OverlapTrace(kind, iou - _quotient(enclosing - union, enclosing + area_eps), *trace, enclosing)
    diagonal = enclosing_w**2 + enclosing_h**2 + eps
    center_distance = (((x1 + x2) - (u1 + u2)) / 2) ** 2 + (((y1 + y2) - (v1 + v2)) / 2) ** 2
    diou = iou - center_distance / diagonal
    if kind == "diou":
        return OverlapTrace(kind, diou, *trace, None, center_distance, diagonal)
    aspect = 4 / math.pi**2 * (_angle(w2, h2) - _angle(w1, h1)) ** 2
    with torch.no_grad():
        alpha = aspect / (1 - iou + aspect + eps)
    return OverlapTrace(kind, diou - alpha * aspect, *trace, None, center_distance, diagonal, aspect, alpha)


def _angle(w: Tensor, h: Tensor) -> Tensor:
    """atan(w / h), a point counting as square; the gradient is finite everywhere."""
    point = (w == 0) & (h == 0)
    return torch.atan2(torch.where(point, 1, w), torch.where(point, 1, h))


def _quotient(a: Tensor, b: Tensor) -> Tensor:
    """a / b, and 0 with gradient 0 where b is 0."""
    return torch.where(b == 0, 0, a / torch.where(b == 0, 1, b))


def _widened(boxes: Tensor) -> Tensor:
    """In at least float32, where products of coordinates do not overflow."""
    return boxes if boxes.dtype in (torch.float32, torch.float64) else boxes.float()
