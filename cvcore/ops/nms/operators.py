"""Suppression as operators of PyTorch's own: ``torch.ops.cvcore.nms``, ``batched_nms`` and ``soft_nms``.

torch.compile, torch.export and fake tensors see one node each; how many boxes stay is a size known only once it ran. With
``fullgraph=True`` torch.compile wants ``torch._dynamo.config.capture_dynamic_output_shape_ops`` for such sizes, torchvision's too.
Arguments are those of the functions, here by position as well.
"""

from typing import Any

import torch
from torch import Tensor

from cvcore.ops.nms.hard import kept
from cvcore.ops.nms.soft import decayed_scores


@torch.library.custom_op("cvcore::nms", mutates_args=())
def _nms(boxes: Tensor, scores: Tensor, iou_threshold: float, distance_beta: float | None = None) -> Tensor:
    return kept(boxes, scores, None, iou_threshold, distance_beta)


@torch.library.custom_op("cvcore::batched_nms", mutates_args=())
def _batched_nms(
    boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float, distance_beta: float | None = None
) -> Tensor:
    return kept(boxes, scores, idxs, iou_threshold, distance_beta)


@torch.library.custom_op("cvcore::soft_nms", mutates_args=())
def _soft_nms(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float = 0.3,
    sigma: float = 0.5,
    min_score: float = 1e-3,
    method: str = "linear",
    idxs: Tensor | None = None,
    distance_beta: float | None = None,
) -> tuple[Tensor, Tensor]:
    return decayed_scores(boxes, scores, iou_threshold, sigma, min_score, method, idxs, distance_beta)


@_nms.register_fake
def _(boxes: Tensor, scores: Tensor, iou_threshold: float, distance_beta: float | None = None) -> Tensor:
    return _some(boxes, scores, None)


@_batched_nms.register_fake
def _(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float, distance_beta: float | None = None) -> Tensor:
    return _some(boxes, scores, idxs)


@_soft_nms.register_fake
def _(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float = 0.3,
    sigma: float = 0.5,
    min_score: float = 1e-3,
    method: str = "linear",
    idxs: Tensor | None = None,
    distance_beta: float | None = None,
) -> tuple[Tensor, Tensor]:
    keep = _some(boxes, scores, idxs)
    precision = torch.float64 if torch.float64 in (boxes.dtype, scores.dtype) else torch.float32
    return keep, boxes.new_empty(keep.shape, dtype=precision)


def _some(boxes: Tensor, scores: Tensor, idxs: Tensor | None) -> Tensor:
    """(K,) int64, K not known yet."""
    if boxes.dim() != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes must have shape (N, 4), not {tuple(boxes.shape)}")
    for name, values in (("scores", scores), ("idxs", idxs)):
        if values is not None and values.dim() != 1:
            raise ValueError(f"{name} must be one a box, not {tuple(values.shape)}")
        if values is not None:
            torch._check(values.shape[0] == boxes.shape[0], lambda name=name: f"{name} must be one a box")
    return boxes.new_empty(torch.library.get_ctx().new_dynamic_size(), dtype=torch.int64)


def _no_gradient(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.mark_non_differentiable(*output)


def _nothing(ctx: Any, *_: Tensor) -> tuple[None, ...]:
    return (None,) * 8


_soft_nms.register_autograd(_nothing, setup_context=_no_gradient)
