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
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from cvcore.ops.roi.align_loops import average, average_backward, maximum, maximum_backward, merged
from cvcore.ops.roi.blocks import LANES, Plan, empty, in_threads, plan, workspace
from cvcore.ops.roi.regions import Contribution, SampledAxis, check_arguments, sampled_axis

Mode = Literal["avg", "max"]
CHUNK = 2**24
"""On other devices: cells gathered at a time."""


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
    return roi_align_trace(input, boxes, output_size, spatial_scale, sampling_ratio, aligned, mode).out


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
    if mode not in get_args(Mode):
        raise ValueError(f"mode must be one of {', '.join(get_args(Mode))}, not {mode!r}")
    if sampling_ratio == 0 or sampling_ratio < -1:
        raise ValueError(f"sampling_ratio must be at least 1, or -1, not {sampling_ratio}")
    features, rois, (P, Q) = check_arguments(input, boxes, output_size, spatial_scale)
    H, W = features.shape[2:]
    y = sampled_axis(rois[:, 2], rois[:, 4], P, H, spatial_scale, sampling_ratio, aligned)
    x = sampled_axis(rois[:, 1], rois[:, 3], Q, W, spatial_scale, sampling_ratio, aligned)
    image = rois[:, 0].long()
    argmax: Tensor | None = None
    if features.device.type != "cpu":
        out, argmax = gathered(features, image, y, x, mode == "max")
    elif mode == "avg":
        out = _Average.apply(features, image, y, x)
    else:
        out, argmax = _Maximum.apply(features, image, y, x)
    return RoIAlignTrace(out.to(input.dtype), rois, y, x, argmax, spatial_scale)


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
        return self.trace(input, rois).out

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


class _Average(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, image: Tensor, y: SampledAxis, x: SampledAxis) -> Tensor:
        N, C, H, W = features.shape
        K, P, Q = len(image), y.cell.shape[1], x.cell.shape[1]
        lists = []
        for axis in (y, x):
            weight = axis.weight / axis.count.clamp(min=1)[:, None, None, None]
            lists.append(merged(axis.cell.flatten(0, 1).numpy(), weight.flatten(0, 1).contiguous().numpy()))
        where = _plan(image, N, y, x)
        out = empty((K, C, P, Q), features)
        source, target = features.detach().contiguous().numpy(), out.numpy()
        cost = _cost(K, C, y, x)
        in_threads(
            lambda a, b: average(source, where, *lists, target, workspace(where, target), a, b), -(-C // LANES), cost
        )
        ctx.size, ctx.cost, ctx.lists, ctx.where = (N, C, H, W), cost, lists, where
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor, None, None, None]:
        grad = empty(ctx.size, grad_out)
        source, target = grad_out.contiguous().numpy(), grad.numpy()
        blocks = -(-ctx.size[1] // LANES)
        in_threads(
            lambda a, b: average_backward(source, ctx.where, *ctx.lists, target, workspace(ctx.where, target), a, b),
            blocks,
            ctx.cost,
        )
        return grad, None, None, None


class _Maximum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, image: Tensor, y: SampledAxis, x: SampledAxis) -> tuple[Tensor, Tensor]:
        N, C, H, W = features.shape
        K, P, Q = len(image), y.cell.shape[1], x.cell.shape[1]
        count = torch.stack((y.count, x.count), -1).numpy()
        axes = tuple(t.contiguous().numpy() for t in (y.cell, y.weight, x.cell, x.weight))
        where = _plan(image, N, y, x)
        out = empty((K, C, P, Q), features)
        argmax = empty((K, C, P, Q), features, torch.int32)
        source, target, which = features.detach().contiguous().numpy(), out.numpy(), argmax.numpy()
        cost = _cost(K, C, y, x)
        in_threads(
            lambda a, b: maximum(source, where, count, *axes, target, which, workspace(where, target), a, b),
            -(-C // LANES),
            cost,
        )
        ctx.size, ctx.cost, ctx.count, ctx.axes, ctx.where, ctx.which = (N, C, H, W), cost, count, axes, where, which
        ctx.mark_non_differentiable(argmax)
        return out, argmax

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor, _: Tensor) -> tuple[Tensor, None, None, None]:
        grad = empty(ctx.size, grad_out)
        source, target = grad_out.contiguous().numpy(), grad.numpy()
        in_threads(
            lambda a, b: maximum_backward(
                source, ctx.which, ctx.where, ctx.count, *ctx.axes, target, workspace(ctx.where, target), a, b
            ),
            -(-ctx.size[1] // LANES),
            ctx.cost,
        )
        return grad, None, None, None


def gathered(
    features: Tensor, image: Tensor, y: SampledAxis, x: SampledAxis, maximum: bool
) -> tuple[Tensor, Tensor | None]:
    """The same in plain tensor operations, for other devices: rows of channels-last features, weighted and added."""
    N, C, H, W = features.shape
    K, P, Gy = y.position.shape
    Q, Gx = x.position.shape[1:]
    rows = features.permute(0, 2, 3, 1).reshape(N * H * W, C)
    # (K, P, Q, Gy, Gx, 2, 2), as views until they are added
    cell = (image[:, None, None, None] * H + y.cell)[:, :, None, :, None, :, None] * W
    y_weight, x_weight = y.weight[:, :, None, :, None, :, None], x.weight[:, None, :, None, :, None, :]
    if maximum:
        return _largest(rows, cell, x.cell[:, None, :, None, :, None, :], y_weight, x_weight, y.count, x.count)
    points = (y.count * x.count).clamp(min=1)[:, None, None, None]
    parts = []
    step = max(1, CHUNK // max(1, P * Q * Gy * Gx * 4))
    for k in range(0, K, step):
        some = slice(k, k + step)
        index = (cell[some] + x.cell[some][:, None, :, None, :, None, :]).flatten(3)
        weight = (y_weight[some] * x_weight[some]).flatten(3) / points[some]
        if index.shape[-1] == 0:
            parts.append(rows.new_zeros((len(index), P, Q, C)))
            continue
        summed = F.embedding_bag(
            index.flatten(0, 2), rows, mode="sum", per_sample_weights=weight.flatten(0, 2).to(rows.dtype)
        )
        parts.append(summed.view(-1, P, Q, C))
    out = torch.cat(parts) if parts else rows.new_zeros((0, P, Q, C))
    return out.permute(0, 3, 1, 2).contiguous(), None


def _largest(
    rows: Tensor,
    y_cell: Tensor,
    x_cell: Tensor,
    y_weight: Tensor,
    x_weight: Tensor,
    y_count: Tensor,
    x_count: Tensor,
) -> tuple[Tensor, Tensor]:
    """Maximum over sampling points, one at a time; only the winner's four cells are gathered with gradients."""
    K, P, _, Gy = y_cell.shape[:4]
    Q, Gx = x_cell.shape[2], x_cell.shape[4]
    C = rows.shape[1]
    best = rows.new_full((K, P, Q, C), -torch.inf)
    which = torch.full((K, P, Q, C), -1, dtype=torch.int32, device=rows.device)
    with torch.no_grad():
        for i in range(Gy):
            for j in range(Gx):
                index = (y_cell[:, :, :, i, 0] + x_cell[:, :, :, 0, j]).flatten(3)  # (K, P, Q, 4)
                weight = (y_weight[:, :, :, i, 0] * x_weight[:, :, :, 0, j]).flatten(3)
                value = (rows[index] * weight[..., None]).sum(3)  # (K, P, Q, C)
                exists = ((i < y_count) & (j < x_count))[:, None, None, None]
                better = (value > best) & exists
                best = value.where(better, best)
                number = (i * x_count + j).int()[:, None, None, None].expand_as(which)
                which = number.where(better, which)
    found = which >= 0
    point = which.clamp(min=0).long()
    across = x_count.clamp(min=1)[:, None, None, None]
    down, right = point // across, point % across  # (K, P, Q, C)
    out = torch.zeros_like(best)
    if not (Gy and Gx):
        return out.permute(0, 3, 1, 2).contiguous(), which.permute(0, 3, 1, 2).contiguous()
    for corner in range(4):
        a, b = corner >> 1, corner & 1
        row = y_cell[:, :, 0, :, 0, a, 0][:, :, None, :].expand(K, P, Q, Gy).gather(3, down)
        column = x_cell[:, 0, :, 0, :, 0, b][:, None].expand(K, P, Q, Gx).gather(3, right)
        wy = y_weight[:, :, 0, :, 0, a, 0][:, :, None, :].expand(K, P, Q, Gy).gather(3, down)
        wx = x_weight[:, 0, :, 0, :, 0, b][:, None].expand(K, P, Q, Gx).gather(3, right)
        index = (row + column).reshape(-1, C)
        out = out + torch.gather(rows, 0, index).view_as(out) * (wy * wx * found)
    return out.permute(0, 3, 1, 2).contiguous(), which.permute(0, 3, 1, 2).contiguous()
