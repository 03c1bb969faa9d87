"""RoI Align: a region as P x Q bins, each the mean or maximum of bilinear samples at real-valued points.

He et al., Mask R-CNN 2017, https://arxiv.org/abs/1703.06870 , section 3, which found mean and maximum about equal. Bilinear
sampling is that of Jaderberg et al. 2015, https://arxiv.org/abs/1506.02025 , equation 5. Arguments and results are torchvision's.

The mean is a linear map: a bin is a weighted sum of a few feature cells, and the weights are a product of one number a row and one
a column. Those two lists, :class:`~cvcore.ops.roi.regions.SampledAxis`, are all the operator computes before it reads a feature,
and are its trace.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from cvcore.ops.capture import captured
from cvcore.ops.layout import Floats, empty, refuse
from cvcore.ops.roi import on_device
from cvcore.ops.roi.align_loops import average, average_backward, maximum, maximum_backward, merged
from cvcore.ops.roi.blocks import Integers, Plan, blocks_of, plan, workspace
from cvcore.ops.roi.regions import Contribution, SampledAxis, bins_of, check_arguments, listed, sampled_axis
from cvcore.ops.threads import has_loops, in_threads

Mode = Literal["avg", "max"]


@dataclass(frozen=True, slots=True, eq=False)
class RoIAlignTrace:
    """RoI Align with all that it decided. Positions are in feature cells, cell i has its value at i.

    Args:
        out: (K, C, P, Q), with gradients to the features.
        rois: (K, 5) picture, x1, y1, x2, y2, in pixels.
        y, x: bins, sampling points and their linear weights along either axis; the four bilinear weights of a point
            are the products of its two along y and its two along x.
        argmax: (K, C, P, Q) int32, the sampling point, row by row, whose value each output is (``max``); -1 if there is
            none. None for ``avg``.
        spatial_scale: feature cells per pixel.
    """

    out: Tensor
    rois: Tensor
    y: SampledAxis
    x: SampledAxis
    argmax: Tensor | None
    spatial_scale: float

    def sampling_points(self, roi: int, row: int, column: int) -> Tensor:
        """(S, 2) x and y of a bin's sampling points, row by row."""
        y = self.y.position[roi, row, : int(self.y.count[roi])]
        x = self.x.position[roi, column, : int(self.x.count[roi])]
        return torch.stack((x.repeat(len(y)), y.repeat_interleave(len(x))), -1)

    def bilinear(self, roi: int, row: int, column: int) -> tuple[Tensor, Tensor]:
        """The four cells (S, 4, 2), row and column, and weights (S, 4) of each of a bin's sampling points.

        In the order upper left, upper right, lower left, lower right. All four weights of a point more than one cell
        outside the map are 0.
        """
        ny, nx = int(self.y.count[roi]), int(self.x.count[roi])
        y_cell, x_cell = self.y.cell[roi, row, :ny], self.x.cell[roi, column, :nx]  # (S, 2)
        y_weight, x_weight = self.y.weight[roi, row, :ny], self.x.weight[roi, column, :nx]
        shape = (ny, nx, 2, 2)
        cells = torch.stack((y_cell[:, None, :, None].expand(shape), x_cell[None, :, None, :].expand(shape)), -1)
        weights = y_weight[:, None, :, None] * x_weight[None, :, None, :]
        return cells.reshape(ny * nx, 4, 2), weights.reshape(ny * nx, 4)

    def gradient_cells(self, roi: int, row: int, column: int, channel: int | None = None) -> Contribution:
        """The feature cells that receive gradient from an output bin, and how much.

        Args:
            channel: needed for ``max``, where each channel has its own point; for ``avg`` all have the same.
        """
        cells, weights = self.bilinear(roi, row, column)
        if self.argmax is None:
            weights = weights / max(len(weights), 1)
        else:
            if channel is None:
                raise ValueError("with the maximum every channel has its own cells: name one")
            point = int(self.argmax[roi, channel, row, column])
            cells, weights = (
                (cells[point : point + 1], weights[point : point + 1]) if point >= 0 else (cells[:0], weights[:0])
            )
        cells, weights = cells.reshape(-1, 2), weights.reshape(-1)
        cells, inverse = cells[weights > 0].unique(dim=0, return_inverse=True)
        total = weights.new_zeros(len(cells)).index_add(0, inverse, weights[weights > 0])
        return Contribution(cells, total)


def roi_align(
    input: Tensor,
    boxes: Tensor | Sequence[Tensor],
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
    mode: str = "avg",
) -> Tensor:
    """RoI Align, with gradients to the features (not to the boxes, as in torchvision).

    Args:
        input: (N, C, H, W) features.
        boxes: (K, 5) picture, x1, y1, x2, y2 in pixels of the picture; or a list of (L, 4), one a picture.
        output_size: P x Q bins, one number for both.
        spatial_scale: feature cells per pixel, 1 / stride.
        sampling_ratio: points a bin along either axis; -1: as many as the bin is cells long, rounded up.
        aligned: shift by half a cell, so that the middle of cell i is at (i + 0.5) / spatial_scale of the picture. Without it
            the operator reads half a cell too far right and down, and regions under one cell count as one.
        mode: ``avg`` or ``max`` over the sampling points.

    Returns:
        (K, C, P, Q); 0 for a bin without sampling points.

    Raises:
        ValueError: shapes, NaN or infinite values, or an argument out of range.
    """
    if not captured(input, boxes if isinstance(boxes, Tensor) else None):
        return roi_align_trace(input, boxes, output_size, spatial_scale, sampling_ratio, aligned, mode).out
    _check_options(sampling_ratio, mode)
    how = (listed(boxes, input), bins_of(output_size), spatial_scale, sampling_ratio, aligned)
    out: Tensor = (
        torch.ops.cvcore.roi_align(input, *how) if mode == "avg" else torch.ops.cvcore.roi_align_max(input, *how)[0]
    )
    return out


def roi_align_trace(
    input: Tensor,
    boxes: Tensor | Sequence[Tensor],
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
    mode: str = "avg",
) -> RoIAlignTrace:
    """:func:`roi_align` with bins, sampling points and weights."""
    _check_options(sampling_ratio, mode)
    features, rois, bins = check_arguments(input, boxes, output_size, spatial_scale)
    y, x = _sampled(rois, bins, features.shape, spatial_scale, sampling_ratio, aligned)
    image = rois[:, 0].long()
    argmax: Tensor | None = None
    if not has_loops(features) and mode == "avg":
        out = on_device.means(features, image, y, x)
    elif not has_loops(features):
        argmax = on_device.largest_points(features, image, y, x)
        out = on_device.at_points(features, image, y, x, argmax)
    elif mode == "avg":
        out = _Average.apply(features, image, y, x)
    else:
        out, argmax = _Maximum.apply(features, image, y, x)
    return RoIAlignTrace(out.to(input.dtype), rois, y, x, argmax, spatial_scale)


def _check_options(sampling_ratio: int, mode: str) -> None:
    if mode not in get_args(Mode):
        raise ValueError(f"mode must be one of {', '.join(get_args(Mode))}, not {mode!r}")
    if sampling_ratio == 0 or sampling_ratio < -1:
        raise ValueError(f"sampling_ratio must be at least 1, or -1, not {sampling_ratio}")


def _sampled(
    rois: Tensor, bins: Sequence[int], size: Sequence[int], spatial_scale: float, sampling_ratio: int, aligned: bool
) -> tuple[SampledAxis, SampledAxis]:
    """Both axes of RoIs (K, 5) on features of this size (N, C, H, W)."""
    return (
        sampled_axis(rois[:, 2], rois[:, 4], bins[0], size[2], spatial_scale, sampling_ratio, aligned),
        sampled_axis(rois[:, 1], rois[:, 3], bins[1], size[3], spatial_scale, sampling_ratio, aligned),
    )


def gradient(
    grad_out: Tensor,
    boxes: Tensor,
    argmax: Tensor | None,
    size: Sequence[int],
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """The gradient of features (N, C, H, W) of this size from that of the output, and of the maximum's points if it was one."""
    wide = grad_out if grad_out.dtype in (torch.float32, torch.float64) else grad_out.float()
    rois = boxes.detach().to(wide)
    y, x = _sampled(rois, grad_out.shape[2:], size, spatial_scale, sampling_ratio, aligned)
    image = rois[:, 0].long()
    if not has_loops(wide):
        if argmax is None:
            grad = on_device.means_gradient(wide, size, image, y, x)
        else:
            grad = on_device.at_points_gradient(wide, size, image, y, x, argmax)
    else:
        where, cost = _plan(image, size[0], y, x), _cost(len(image), size[1], y, x)
        if argmax is None:
            grad = averaged_gradient(wide, size, where, (_cells(y), _cells(x)), cost)
        else:
            grad = largest_gradient(wide, argmax, size, where, _axes(y, x), cost)
    return grad.to(grad_out.dtype)


class RoIAlign(nn.Module):
    """:func:`roi_align` as a layer; see there."""

    def __init__(
        self,
        output_size: int | Sequence[int],
        spatial_scale: float,
        sampling_ratio: int,
        aligned: bool = False,
        mode: str = "avg",
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned
        self.mode = mode

    def forward(self, input: Tensor, rois: Tensor | Sequence[Tensor]) -> Tensor:
        return roi_align(
            input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned, self.mode
        )

    def trace(self, input: Tensor, rois: Tensor | Sequence[Tensor]) -> RoIAlignTrace:
        return roi_align_trace(
            input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned, self.mode
        )

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, spatial_scale={self.spatial_scale}, "
            f"sampling_ratio={self.sampling_ratio}, aligned={self.aligned}, mode={self.mode!r}"
        )


def _plan(image: Tensor, pictures: int, y: SampledAxis, x: SampledAxis) -> Plan:
    ends = []
    for axis in (y, x):
        used = axis.weight.flatten(1) > 0  # (K, P G 2)
        cell = axis.cell.flatten(1)
        far = torch.iinfo(cell.dtype).max
        if cell.shape[1] == 0:
            ends += [np.zeros(len(cell), np.int64)] * 2
        else:
            ends.append(cell.where(used, far).amin(1).numpy())
            ends.append(cell.where(used, -1).amax(1).numpy() + 1)
    return plan(image.numpy(), pictures, *ends)


def _cost(K: int, C: int, y: SampledAxis, x: SampledAxis) -> float:
    return 4.0 * K * C * y.position.shape[1] * x.position.shape[1] * y.position.shape[2] * x.position.shape[2]


Lists = tuple[Integers, Integers, Floats]


def averaged(
    features: Tensor, image: Tensor, y: SampledAxis, x: SampledAxis
) -> tuple[Tensor, Plan, tuple[Lists, Lists], float]:
    """The means of the bins on the CPU, and what the way back needs: plan, cells and weights, and the cost."""
    N, C = features.shape[:2]
    where, lists, cost = _plan(image, N, y, x), (_cells(y), _cells(x)), _cost(len(image), C, y, x)
    out = empty((len(image), C, y.cell.shape[1], x.cell.shape[1]), features)
    source, target, bad = features.detach().contiguous().numpy(), out.numpy(), np.zeros(1, np.bool_)
    in_threads(
        lambda turns: average(source, where, *lists, target, workspace(where, target), turns, bad),
        N * blocks_of(C),
        cost,
    )
    refuse(bad)
    return out, where, lists, cost


def _cells(axis: SampledAxis) -> Lists:
    weight = axis.weight / axis.count.clamp(min=1)[:, None, None, None]
    lists: Lists = merged(axis.cell.flatten(0, 1).numpy(), weight.flatten(0, 1).contiguous().numpy())
    return lists


def averaged_gradient(
    grad_out: Tensor, size: Sequence[int], where: Plan, lists: tuple[Lists, Lists], cost: float
) -> Tensor:
    """The gradient of features (N, C, H, W) of this size on the CPU."""
    grad = empty(size, grad_out)
    source, target = grad_out.contiguous().numpy(), grad.numpy()
    in_threads(
        lambda turns: average_backward(source, where, *lists, target, workspace(where, target), turns),
        size[0] * blocks_of(size[1]),
        cost,
    )
    return grad


class _Average(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, image: Tensor, y: SampledAxis, x: SampledAxis) -> Tensor:
        out, *ctx.rest = averaged(features, image, y, x)
        ctx.size = features.shape
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor, None, None, None]:
        return averaged_gradient(grad_out, ctx.size, *ctx.rest), None, None, None


Axes = tuple[Integers, Integers, Floats, Integers, Floats]


def largest(
    features: Tensor, image: Tensor, y: SampledAxis, x: SampledAxis
) -> tuple[Tensor, Tensor, Plan, Axes, float]:
    """The maxima of the bins on the CPU, the points they are at, and what the way back needs."""
    N, C = features.shape[:2]
    where, axes, cost = _plan(image, N, y, x), _axes(y, x), _cost(len(image), C, y, x)
    out = empty((len(image), C, y.cell.shape[1], x.cell.shape[1]), features)
    argmax = empty(out.shape, features, torch.int32)
    source, bad = features.detach().contiguous().numpy(), np.zeros(1, np.bool_)
    target, which = out.numpy(), argmax.numpy()
    in_threads(
        lambda turns: maximum(source, where, *axes, target, which, workspace(where, target), turns, bad),
        N * blocks_of(C),
        cost,
    )
    refuse(bad)
    return out, argmax, where, axes, cost


def _axes(y: SampledAxis, x: SampledAxis) -> Axes:
    count = torch.stack((y.count, x.count), -1).numpy()
    y_cell, y_weight, x_cell, x_weight = (t.contiguous().numpy() for t in (y.cell, y.weight, x.cell, x.weight))
    return count, y_cell, y_weight, x_cell, x_weight


def largest_gradient(
    grad_out: Tensor, argmax: Tensor, size: Sequence[int], where: Plan, axes: Axes, cost: float
) -> Tensor:
    """The gradient of features (N, C, H, W) of this size on the CPU."""
    grad = empty(size, grad_out)
    source, which, target = grad_out.contiguous().numpy(), argmax.contiguous().numpy(), grad.numpy()
    in_threads(
        lambda turns: maximum_backward(source, which, where, *axes, target, workspace(where, target), turns),
        size[0] * blocks_of(size[1]),
        cost,
    )
    return grad


class _Maximum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, image: Tensor, y: SampledAxis, x: SampledAxis) -> tuple[Tensor, Tensor]:
        out, argmax, *ctx.rest = largest(features, image, y, x)
        ctx.size, ctx.which = features.shape, argmax
        ctx.mark_non_differentiable(argmax)
        return out, argmax

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor, _: Tensor) -> tuple[Tensor, None, None, None]:
        return largest_gradient(grad_out, ctx.which, ctx.size, *ctx.rest), None, None, None
