"""Deformable RoI pooling: every bin of a region moves by its own offset, and is the mean of bilinear samples there.

Dai et al., Deformable Convolutional Networks 2017, https://arxiv.org/abs/1703.06211 , section 2.2, equations 5 and 6. As mmcv has it: RoI
Align (aligned, with up to one cell outside of the map counted as its edge) whose bins are moved by gamma times the region's size times the
offset. Deviation: where a sample is at the edge of the map the slopes are those of the values, so that they agree with differences; mmcv's
go on as if the map did.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from cvcore.ops.boxes import check_finite
from cvcore.ops.capture import captured
from cvcore.ops.deform_conv import on_device
from cvcore.ops.deform_conv.pool_loops import pooled, pooled_backward
from cvcore.ops.layout import empty, from_cells, to_cells
from cvcore.ops.roi.regions import bins_of, check_arguments, listed
from cvcore.ops.threads import has_loops, in_threads, threads_for
from cvcore.ops.vectors import LANES


@dataclass(frozen=True, slots=True, eq=False)
class DeformRoIPoolTrace:
    """Deformable RoI pooling with where its bins went. Positions are in feature cells, cell i has its value at i.

    Args:
        out: (K, C, P, Q), with gradients.
        rois: (K, 5) picture, x1, y1, x2, y2, in pixels.
        start: (K, 2, P, Q) y and x of the upper left corner of each bin, with gradients to the offsets.
        regular: (K, 2, P, Q) the same without offsets.
        size: (K, 2) height and width of a bin.
        count: (K, 2) int64, samples of a bin along y and x.
    """

    out: Tensor
    rois: Tensor
    start: Tensor
    regular: Tensor
    size: Tensor
    count: Tensor

    def sampling_points(self, roi: int, row: int, column: int) -> Tensor:
        """(S, 2) x and y of a bin's samples, row by row."""
        first, size = self.start[roi, :, row, column].detach(), self.size[roi]
        y, x = (
            first[axis] + (torch.arange(n, dtype=size.dtype, device=size.device) + 0.5) * size[axis] / n
            for axis, n in enumerate(self.count[roi].tolist())
        )
        return torch.stack((x.repeat(len(y)), y.repeat_interleave(len(x))), -1)


def deform_roi_pool(
    input: Tensor,
    rois: Tensor | Sequence[Tensor],
    offset: Tensor | None,
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    gamma: float = 0.1,
) -> Tensor:
    """Deformable RoI pooling, with gradients to features and offsets.

    Args:
        input: (N, C, H, W) features.
        rois: (K, 5) picture, x1, y1, x2, y2 in pixels of the picture; or a list of (L, 4), one a picture.
        offset: (K, 2, P, Q) along x and along y, in parts of the region's width and height; None: no bin moves.
        output_size: P x Q bins, one number for both.
        spatial_scale: feature cells per pixel, 1 / stride.
        sampling_ratio: samples a bin along either axis; 0: as many as the bin is cells long, rounded up.
        gamma: what offsets are multiplied by.

    Returns:
        (K, C, P, Q); 0 for a bin without samples.

    Raises:
        ValueError: shapes, NaN or infinite values, or an argument out of range.
    """
    if captured(input, offset, rois if isinstance(rois, Tensor) else None):
        boxes, size = listed(rois, input), bins_of(output_size)
        noted: Tensor = torch.ops.cvcore.deform_roi_pool(
            input, boxes, offset, size, spatial_scale, sampling_ratio, gamma
        )
        return noted
    return deform_roi_pool_trace(input, rois, offset, output_size, spatial_scale, sampling_ratio, gamma).out


def deform_roi_pool_trace(
    input: Tensor,
    rois: Tensor | Sequence[Tensor],
    offset: Tensor | None,
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    gamma: float = 0.1,
) -> DeformRoIPoolTrace:
    """:func:`deform_roi_pool` with where its bins went."""
    if sampling_ratio < 0:
        raise ValueError(f"sampling_ratio must be at least 1, or 0, not {sampling_ratio}")
    features, boxes, (P, Q) = check_arguments(input, rois, output_size, spatial_scale)
    places = laid(boxes, offset, (P, Q), spatial_scale, sampling_ratio, gamma)
    image = boxes[:, 0].long()
    if has_loops(features):
        out = _Pool.apply(features, places.start, image, places.size, places.count)
    else:
        out = on_device.pooled(features, places.start, image, places.size, places.count)
    return DeformRoIPoolTrace(out.to(input.dtype), boxes, places.start, places.regular, places.size, places.count)


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where the bins lie; see :class:`DeformRoIPoolTrace`."""

    start: Tensor
    regular: Tensor
    size: Tensor
    count: Tensor


def check_offset(offset: Tensor, boxes: Tensor, bins: tuple[int, int]) -> None:
    """ValueError unless these are (K, 2, P, Q) real numbers."""
    wanted = (boxes.shape[0], 2, *bins)
    if offset.dim() != 4 or tuple(offset.shape) != wanted or not offset.is_floating_point():
        raise ValueError(f"offset must be real numbers of shape {wanted}, not {tuple(offset.shape)} {offset.dtype}")


def laid(
    boxes: Tensor, offset: Tensor | None, bins: tuple[int, int], scale: float, sampling_ratio: int, gamma: float
) -> Places:
    """Lay the bins of RoIs (K, 5) in the order of mmcv's kernel, with gradients from ``start`` to the offsets."""
    low, high = boxes[:, [2, 1]] * scale - 0.5, boxes[:, [4, 3]] * scale - 0.5  # (K, 2) y and x
    whole = high - low
    size = whole / torch.tensor(bins, dtype=boxes.dtype, device=boxes.device)
    number = lambda n: torch.arange(n, dtype=boxes.dtype, device=boxes.device)  # noqa: E731
    P, Q = bins
    y = low[:, 0, None, None] + size[:, 0, None, None] * number(P)[:, None]
    x = low[:, 1, None, None] + size[:, 1, None, None] * number(Q)
    regular = torch.stack((y.expand(-1, P, Q), x.expand(-1, P, Q)), 1)  # (K, 2, P, Q)
    start = regular
    if offset is not None:
        check_offset(offset, boxes, bins)
        check_finite(offset, "offset")
        start = regular + gamma * whole[:, :, None, None] * offset.to(boxes).flip(1)
    count = torch.full_like(size, sampling_ratio) if sampling_ratio else size.ceil().clamp(min=0)
    return Places(start, regular, size, count.long())


def _loop_arguments(features: Tensor, start: Tensor, image: Tensor, size: Tensor, count: Tensor) -> tuple[Any, ...]:
    breadth = -(-features.shape[1] // LANES) * LANES
    cells = to_cells(features, breadth)
    steps = (size / count.clamp(min=1)).contiguous().numpy()
    places = start.detach().contiguous().numpy()
    return cells, breadth, *features.shape[2:], image.numpy(), places, steps, count.contiguous().numpy()


def _cost(start: Tensor, count: Tensor, channels: int) -> float:
    return 4.0 * channels * start.shape[2] * start.shape[3] * float(count.prod(1).sum())


def forward(features: Tensor, start: Tensor, image: Tensor, size: Tensor, count: Tensor) -> Tensor:
    """On the CPU, without gradients."""
    out = empty((len(start), features.shape[1], *start.shape[2:]), features)
    arguments, target = _loop_arguments(features, start, image, size, count), out.numpy()
    cost = _cost(start, count, features.shape[1])
    in_threads(lambda turns: pooled(*arguments, target, turns), len(start), cost)
    return out


def backward(
    grad_out: Tensor, features: Tensor, start: Tensor, image: Tensor, size: Tensor, count: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradients of features and of ``start`` on the CPU."""
    cells, breadth, *rest = _loop_arguments(features, start, image, size, count)
    cost = _cost(start, count, features.shape[1])
    parts = threads_for(len(start), cost)
    grad_cells, given = np.zeros(parts * len(cells), cells.dtype), grad_out.contiguous().numpy()
    grad_start = empty(start.shape, start)
    target = grad_start.numpy()
    in_threads(
        lambda turns: pooled_backward(cells, breadth, *rest, given, parts, grad_cells, target, turns), parts, cost
    )
    return from_cells(grad_cells, parts, breadth, features), grad_start


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, start: Tensor, image: Tensor, size: Tensor, count: Tensor) -> Tensor:
        ctx.save_for_backward(features, start, image, size, count)
        return forward(features, start, image, size, count)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        return (*backward(grad_out, *ctx.saved_tensors), None, None, None)


def gradients(
    grad_out: Tensor,
    input: Tensor,
    rois: Tensor,
    offset: Tensor | None,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> tuple[Tensor, Tensor | None]:
    """Those of input and offset, on any device, below autograd."""
    features = input.detach().to(torch.float64 if input.dtype == torch.float64 else torch.float32)
    boxes, bins = rois.detach().to(features), (grad_out.shape[2], grad_out.shape[3])
    places = laid(boxes, None if offset is None else offset.detach(), bins, spatial_scale, sampling_ratio, gamma)
    compute = backward if has_loops(features) else on_device.pooled_gradients
    of_input, of_start = compute(
        grad_out.to(features), features, places.start, boxes[:, 0].long(), places.size, places.count
    )
    whole = (boxes[:, [4, 3]] - boxes[:, [2, 1]]) * spatial_scale
    of_offset = None if offset is None else (of_start * gamma * whole[:, :, None, None]).flip(1).to(offset.dtype)
    return of_input.to(input.dtype), of_offset
