"""RoI Pool: a region as P x Q bins of whole cells, each the maximum of its cells.

Girshick, Fast R-CNN 2015, https://arxiv.org/abs/1504.08083 , section 2.1. Its two roundings, of the region's ends to cells and of
the bins' edges to cells, are what RoI Align leaves out. Arguments and results are torchvision's: the last cell belongs to the region,
halves round away from 0, of equal values the first one, row by row, gets the gradient.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from cvcore.ops.capture import captured
from cvcore.ops.layout import empty, refuse
from cvcore.ops.roi import on_device
from cvcore.ops.roi.blocks import Plan, blocks_of, plan, workspace
from cvcore.ops.roi.pool_loops import largest, pooled, pooled_backward
from cvcore.ops.roi.regions import Contribution, QuantisedAxis, bins_of, check_arguments, listed, quantised_axis
from cvcore.ops.threads import has_loops, in_threads


@dataclass(frozen=True, slots=True, eq=False)
class RoIPoolTrace:
    """RoI Pool with all that it decided. Positions are in feature cells, cell i covers [i, i + 1).

    Args:
        out: (K, C, P, Q), with gradients to the features.
        rois: (K, 5) picture, x1, y1, x2, y2, in pixels.
        y, x: the bins along either axis, before and after each rounding.
        argmax: (K, C, P, Q) int32, the cell that each output is the value of, row x W + column; -1 for an empty bin.
        size: (H, W) of the features.
        spatial_scale: feature cells per pixel.
    """

    out: Tensor
    rois: Tensor
    y: QuantisedAxis
    x: QuantisedAxis
    argmax: Tensor
    size: tuple[int, int]
    spatial_scale: float

    def gradient_cells(self, roi: int, row: int, column: int, channel: int | None = None) -> Contribution:
        """The feature cells that receive gradient from an output bin: one a channel.

        Args:
            channel: None counts over all channels; the weight is then the part of them that chose the cell.
        """
        chosen = self.argmax[roi, :, row, column] if channel is None else self.argmax[roi, channel, row, column][None]
        cells, times = chosen[chosen >= 0].long().unique(return_counts=True)
        return Contribution(
            torch.stack((cells // self.size[1], cells % self.size[1]), -1), times.to(self.out.dtype) / len(chosen)
        )


def roi_pool(
    input: Tensor, boxes: Tensor | Sequence[Tensor], output_size: int | Sequence[int], spatial_scale: float = 1.0
) -> Tensor:
    """RoI Pool, with gradients to the features.

    Args:
        input: (N, C, H, W) features.
        boxes: (K, 5) picture, x1, y1, x2, y2 in pixels of the picture; or a list of (L, 4), one a picture.
        output_size: P x Q bins, one number for both.
        spatial_scale: feature cells per pixel, 1 / stride.

    Returns:
        (K, C, P, Q); 0 for a bin outside the map.

    Raises:
        ValueError: shapes, NaN or infinite values, or an argument out of range.
    """
    if captured(input, boxes if isinstance(boxes, Tensor) else None):
        out: Tensor = torch.ops.cvcore.roi_pool(input, listed(boxes, input), bins_of(output_size), spatial_scale)[0]
        return out
    features, rois, (P, Q) = check_arguments(input, boxes, output_size, spatial_scale)
    if not has_loops(features) or (features.requires_grad and torch.is_grad_enabled()):
        return _traced(features, rois, (P, Q), spatial_scale).out.to(input.dtype)
    y = quantised_axis(rois[:, 2], rois[:, 4], P, features.shape[2], spatial_scale)
    x = quantised_axis(rois[:, 1], rois[:, 3], Q, features.shape[3], spatial_scale)
    out = empty((len(rois), features.shape[1], P, Q), features)
    where, bins, cost = _plan(features, rois[:, 0].long(), y, x)
    source, target, bad = features.detach().contiguous().numpy(), out.numpy(), np.zeros(1, np.bool_)
    in_threads(
        lambda turns: largest(source, where, *bins, target, workspace(where, target), turns, bad),
        len(features) * blocks_of(features.shape[1]),
        cost,
    )
    refuse(bad)
    return out.to(input.dtype)


def roi_pool_trace(
    input: Tensor, boxes: Tensor | Sequence[Tensor], output_size: int | Sequence[int], spatial_scale: float = 1.0
) -> RoIPoolTrace:
    """:func:`roi_pool` with its bins, before and after each rounding, and the cells it chose."""
    features, rois, size = check_arguments(input, boxes, output_size, spatial_scale)
    trace = _traced(features, rois, size, spatial_scale)
    return replace(trace, out=trace.out.to(input.dtype))


def _traced(features: Tensor, rois: Tensor, size: tuple[int, int], spatial_scale: float) -> RoIPoolTrace:
    (P, Q), (H, W) = size, features.shape[2:]
    y = quantised_axis(rois[:, 2], rois[:, 4], P, H, spatial_scale)
    x = quantised_axis(rois[:, 1], rois[:, 3], Q, W, spatial_scale)
    image = rois[:, 0].long()
    if not has_loops(features):
        argmax = on_device.largest_cells(features, image, y, x)
        out = on_device.at_cells(features, image, argmax)
    else:
        out, argmax = _Pool.apply(features, image, y, x)
    return RoIPoolTrace(out, rois, y, x, argmax, (H, W), spatial_scale)


class RoIPool(nn.Module):
    """:func:`roi_pool` as a layer; see there."""

    def __init__(self, output_size: int | Sequence[int], spatial_scale: float) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale

    def forward(self, input: Tensor, rois: Tensor | Sequence[Tensor]) -> Tensor:
        return roi_pool(input, rois, self.output_size, self.spatial_scale)

    def trace(self, input: Tensor, rois: Tensor | Sequence[Tensor]) -> RoIPoolTrace:
        return roi_pool_trace(input, rois, self.output_size, self.spatial_scale)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}, spatial_scale={self.spatial_scale}"


def _plan(
    features: Tensor, image: Tensor, y: QuantisedAxis, x: QuantisedAxis
) -> tuple[Plan, tuple[NDArray[Any], ...], float]:
    """What the compiled loops need: the plan, the bins' first and last cells, and about how much there is to do."""
    ends = (y.first.amin(1), y.stop.amax(1), x.first.amin(1), x.stop.amax(1))
    bins = tuple(t.contiguous().numpy() for t in (y.first, y.stop, x.first, x.stop))
    cost = float(((ends[1] - ends[0]) * (ends[3] - ends[2])).sum()) * features.shape[1]
    return plan(image.numpy(), len(features), *(t.numpy() for t in ends)), bins, cost


def cells_and_values(
    features: Tensor, image: Tensor, y: QuantisedAxis, x: QuantisedAxis
) -> tuple[Tensor, Tensor, Plan, float]:
    """The largest values of the bins on the CPU, their cells, and what the way back needs."""
    N, C = features.shape[:2]
    where, bins, cost = _plan(features, image, y, x)
    out = empty((len(image), C, y.first.shape[1], x.first.shape[1]), features)
    argmax = empty(out.shape, features, torch.int32)
    source, bad = features.detach().contiguous().numpy(), np.zeros(1, np.bool_)
    target, which = out.numpy(), argmax.numpy()
    in_threads(
        lambda turns: pooled(source, where, *bins, target, which, workspace(where, target), turns, bad),
        N * blocks_of(C),
        cost,
    )
    refuse(bad)
    return out, argmax, where, cost


def to_cells(grad_out: Tensor, argmax: Tensor, size: Sequence[int], where: Plan, cost: float) -> Tensor:
    """The gradient of features (N, C, H, W) of this size on the CPU."""
    grad = grad_out.new_zeros(tuple(size))
    source, which, target = grad_out.contiguous().numpy(), argmax.contiguous().numpy(), grad.numpy()
    in_threads(lambda turns: pooled_backward(source, which, where, target, turns), size[0] * size[1], cost)
    return grad


def gradient(grad_out: Tensor, boxes: Tensor, argmax: Tensor, size: Sequence[int]) -> Tensor:
    """The gradient of features (N, C, H, W) of this size from that of the output, whose cells ``argmax`` tells."""
    wide = grad_out if grad_out.dtype in (torch.float32, torch.float64) else grad_out.float()
    image = boxes.detach()[:, 0].long()
    if not has_loops(wide):
        grad = on_device.at_cells_gradient(wide, size, image, argmax)
    else:
        nowhere = np.zeros(len(image), np.int64)  # the way back needs no windows
        grad = to_cells(wide, argmax, size, plan(image.numpy(), size[0], *(nowhere,) * 4), 4.0 * wide.numel())
    return grad.to(grad_out.dtype)


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, image: Tensor, y: QuantisedAxis, x: QuantisedAxis) -> tuple[Tensor, Tensor]:
        out, ctx.which, *ctx.rest = cells_and_values(features, image, y, x)
        ctx.size = features.shape
        ctx.mark_non_differentiable(ctx.which)
        return out, ctx.which

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor, _: Tensor) -> tuple[Tensor, None, None, None]:
        return to_cells(grad_out, ctx.which, ctx.size, *ctx.rest), None, None, None
