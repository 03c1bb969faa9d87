"""RoI Pool: a region as P x Q bins of whole cells, each the maximum of its cells.

Girshick, Fast R-CNN 2015, https://arxiv.org/abs/1504.08083 , section 2.1. Its two roundings, of the region's ends to cells and of
the bins' edges to cells, are what RoI Align leaves out. Arguments and results are torchvision's: the last cell belongs to the region,
halves round away from 0, of equal values the first one, row by row, gets the gradient.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from cvcore.ops.roi.blocks import LANES, Plan, empty, in_threads, plan, workspace
from cvcore.ops.roi.pool_loops import largest, pooled, pooled_backward
from cvcore.ops.roi.regions import Contribution, QuantisedAxis, check_arguments, quantised_axis


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
    features, rois, (P, Q) = check_arguments(input, boxes, output_size, spatial_scale)
    if features.device.type != "cpu" or (features.requires_grad and torch.is_grad_enabled()):
        return _traced(features, rois, (P, Q), spatial_scale).out.to(input.dtype)
    y = quantised_axis(rois[:, 2], rois[:, 4], P, features.shape[2], spatial_scale)
    x = quantised_axis(rois[:, 1], rois[:, 3], Q, features.shape[3], spatial_scale)
    out = empty((len(rois), features.shape[1], P, Q), features)
    where, bins, cost = _plan(features, rois[:, 0].long(), y, x)
    source, target = features.detach().contiguous().numpy(), out.numpy()
    in_threads(
        lambda a, b: largest(source, where, *bins, target, workspace(where, target), a, b),
        -(-features.shape[1] // LANES),
        cost,
    )
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
    if features.device.type != "cpu":
        out, argmax = gathered(features, image, y, x)
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


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, image: Tensor, y: QuantisedAxis, x: QuantisedAxis) -> tuple[Tensor, Tensor]:
        C = features.shape[1]
        where, bins, cost = _plan(features, image, y, x)
        out = empty((len(image), C, y.first.shape[1], x.first.shape[1]), features)
        argmax = empty(out.shape, features, torch.int32)
        source, target, which = features.detach().contiguous().numpy(), out.numpy(), argmax.numpy()
        in_threads(
            lambda a, b: pooled(source, where, *bins, target, which, workspace(where, target), a, b),
            -(-C // LANES),
            cost,
        )
        ctx.size, ctx.cost, ctx.where, ctx.which = features.shape, cost, where, which
        ctx.mark_non_differentiable(argmax)
        return out, argmax

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor, _: Tensor) -> tuple[Tensor, None, None, None]:
        grad = grad_out.new_zeros(ctx.size)
        source, target = grad_out.contiguous().numpy(), grad.numpy()
        blocks = -(-ctx.size[1] // LANES)
        in_threads(lambda a, b: pooled_backward(source, ctx.which, ctx.where, target, a, b), blocks, ctx.cost)
        return grad, None, None, None


def gathered(features: Tensor, image: Tensor, y: QuantisedAxis, x: QuantisedAxis) -> tuple[Tensor, Tensor]:
    """The same in plain tensor operations, for other devices: one cell of every bin at a time.

    The host waits once, to know the size of the largest bin.
    """
    N, C, H, W = features.shape
    K, P = y.first.shape
    Q = x.first.shape[1]
    rows = features.permute(0, 2, 3, 1).reshape(N * H * W, C)
    height, width = y.stop - y.first, x.stop - x.first
    largest = torch.stack((height.amax(), width.amax())).clamp(min=0).tolist() if K else (0, 0)
    best = rows.new_full((K, P, Q, C), -torch.inf)
    which = torch.full((K, P, Q, C), -1, dtype=torch.int32, device=rows.device)
    start = (image * (H * W))[:, None, None]
    with torch.no_grad():
        for i in range(largest[0]):
            for j in range(largest[1]):
                exists = (i < height)[:, :, None] & (j < width)[:, None, :]  # (K, P, Q)
                cell = ((y.first + i).clamp(max=H - 1) * W)[:, :, None] + (x.first + j).clamp(max=W - 1)[:, None, :]
                value = rows[start + cell]  # (K, P, Q, C)
                better = (value > best) & exists[..., None]
                best = value.where(better, best)
                which = cell.int()[..., None].where(better, which)
    found = which >= 0
    index = start[..., None] + which.clamp(min=0).long()
    out = torch.gather(rows, 0, index.reshape(-1, C)).view(K, P, Q, C) * found
    return out.permute(0, 3, 1, 2).contiguous(), which.permute(0, 3, 1, 2).contiguous()
