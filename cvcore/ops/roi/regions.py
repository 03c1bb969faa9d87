"""Regions of interest: how they are given, and where their bins lie along each axis of a feature map."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cvcore.ops.boxes import check_finite, values_are_checked

FAR = 2.0**40
"""Cells farther away than this are all one; no picture is near that size."""


def check_arguments(
    features: Tensor, boxes: Tensor | Sequence[Tensor], output_size: int | Sequence[int], spatial_scale: float
) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """Check what both operators take, but for NaN and infinite features on the CPU.

    Returns:
        features (N, C, H, W), half precision widened to float32; rois (K, 5) of the same precision; (height, width).

    Raises:
        ValueError: one of them is wrong.
    """
    boxes = listed(boxes, features)
    check_shapes(features, boxes)
    if features.device.type != "cpu":  # where the loops look at each number anyway
        check_finite(features, "input")
    if not 0 < spatial_scale < float("inf"):
        raise ValueError(f"spatial_scale must be above 0, not {spatial_scale}")
    size = bins_of(output_size)
    if features.dtype not in (torch.float32, torch.float64):
        features = features.float()
    check_finite(boxes, "boxes")
    rois = boxes.detach().to(features)
    if values_are_checked(rois):
        image = rois[:, 0]
        if bool(((image < 0) | (image >= len(features)) | (image != image.floor())).any()):
            raise ValueError(f"the first number of a RoI is its picture, a whole number from 0 to {len(features) - 1}")
    return features, rois, size


def bins_of(output_size: int | Sequence[int]) -> tuple[int, int]:
    """Height and width; ValueError unless these are one or two numbers of at least 1."""
    size = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"output_size must be one or two numbers of at least 1, not {output_size}")
    return size[0], size[1]


def check_shapes(features: Tensor, boxes: Tensor) -> None:
    """ValueError unless these are (N, C, H, W) of real numbers and (K, 5)."""
    if features.dim() != 4 or not features.is_floating_point() or 0 in features.shape[1:]:
        raise ValueError(f"input must be real numbers (N, C, H, W), not {tuple(features.shape)} {features.dtype}")
    if boxes.dim() != 2 or boxes.shape[1] != 5:
        raise ValueError(f"boxes must have shape (K, 5), the picture and x1, y1, x2, y2, not {tuple(boxes.shape)}")


def listed(boxes: Tensor | Sequence[Tensor], features: Tensor) -> Tensor:
    """Boxes as one tensor, which should be (K, 5): the picture, x1, y1, x2, y2."""
    if isinstance(boxes, Tensor):
        return boxes
    if len(boxes) > features.shape[0] or any(b.dim() != 2 or b.shape[1] != 4 for b in boxes):
        raise ValueError("boxes in a list must have shape (L, 4), one tensor a picture")
    parts = [torch.cat((b.new_full((b.shape[0], 1), i), b), 1) for i, b in enumerate(boxes)]
    return torch.cat(parts) if parts else features.new_zeros((0, 5))


@dataclass(frozen=True, slots=True, eq=False)
class Contribution:
    """The feature cells that an output bin was made from, and that its gradient goes back to.

    Args:
        cells: (M, 2) int64, row and column in the feature map.
        weight: (M,) d out / d cell.
    """

    cells: Tensor
    weight: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class SampledAxis:
    """RoI Align's bins along one axis, for K RoIs of P bins with up to G sampling points each.

    Positions are in feature cells, where cell i has its value at i (and, with ``aligned``, its centre).

    Args:
        edges: (K, P + 1) real-valued edges of the bins.
        count: (K,) int64, sampling points a bin.
        position: (K, P, G) the sampling points; NaN beyond ``count``.
        cell: (K, P, G, 2) int64, the cells below and above each point.
        weight: (K, P, G, 2) their linear weights; 0 beyond ``count`` and for points more than a cell outside the map.
        misalignment: (K, P + 1) how far each edge lies from where the RoI has it, in pixels of the picture.
    """

    edges: Tensor
    count: Tensor
    position: Tensor
    cell: Tensor
    weight: Tensor
    misalignment: Tensor


def sampled_axis(
    low: Tensor, high: Tensor, bins: int, cells: int, spatial_scale: float, sampling_ratio: int, aligned: bool
) -> SampledAxis:
    """Lay bins and sampling points between the ends of RoIs, (K,) each in pixels, in the order of torchvision's kernel.

    With a sampling ratio of -1 the number of points differs between RoIs; to know the largest, the host waits once.
    """
    start = low * spatial_scale - (0.5 if aligned else 0.0)
    length = high * spatial_scale - (0.5 if aligned else 0.0) - start
    if not aligned:
        length = length.clamp(min=1)
    step = length / bins
    if sampling_ratio > 0:
        count = torch.full_like(step, sampling_ratio, dtype=torch.int64)
        most = sampling_ratio
    else:
        count = -_floor(-step).clamp(max=0)
        most = int(count.max()) if len(count) else 0
    bin_number = torch.arange(bins, device=low.device, dtype=low.dtype)
    point = torch.arange(most, device=low.device)
    exists = (point < count[:, None])[:, None, :]  # (K, 1, G)
    first = start[:, None] + bin_number * step[:, None]  # (K, P)
    within = (point + 0.5) * step[:, None] / count.clamp(min=1)[:, None]  # (K, G)
    position = first[:, :, None] + within[:, None, :]
    inside = exists & (position >= -1) & (position <= cells)
    clamped = position.clamp(0, cells - 1)
    below = clamped.long()
    above_weight = clamped - below
    cell = torch.stack((below, (below + 1).clamp(max=cells - 1)), -1)
    weight = torch.stack((1 - above_weight, above_weight), -1) * inside[..., None]
    edges = start[:, None] + torch.arange(bins + 1, device=low.device, dtype=low.dtype) * step[:, None]
    wanted = low[:, None] + torch.arange(bins + 1, device=low.device) * ((high - low) / bins)[:, None]
    return SampledAxis(
        edges=edges,
        count=count,
        position=position.where(exists, torch.nan),
        cell=cell,
        weight=weight,
        misalignment=(edges + 0.5) / spatial_scale - wanted,
    )


@dataclass(frozen=True, slots=True, eq=False)
class QuantisedAxis:
    """RoI Pool's bins along one axis and its two roundings, for K RoIs of P bins. Cell i covers [i, i + 1).

    Args:
        real: (K, P + 1) where the edges of the bins belong, in feature cells.
        start, end: (K,) int64, first and last cell of the RoI after its ends were rounded.
        edges: (K, P + 1) the edges of the bins after that first rounding.
        first, stop: (K, P) int64, the cells [first, stop) of each bin after the second rounding, within the map.
        misalignment: (K, P, 2) how far the bin's two edges lie from where they belong, in pixels of the picture.
    """

    real: Tensor
    start: Tensor
    end: Tensor
    edges: Tensor
    first: Tensor
    stop: Tensor
    misalignment: Tensor


def quantised_axis(low: Tensor, high: Tensor, bins: int, cells: int, spatial_scale: float) -> QuantisedAxis:
    """Lay bins between the ends of RoIs, (K,) each in pixels, in the order of torchvision's kernel."""
    start, end = _rounded(low * spatial_scale), _rounded(high * spatial_scale)
    length = (end - start + 1).clamp(min=1).to(low.dtype)
    step = length / bins  # (K,)
    number = torch.arange(bins + 1, device=low.device, dtype=low.dtype)
    edges = number * step[:, None]  # (K, P + 1) from the start
    first = (start[:, None] + _floor(edges[:, :-1])).clamp(0, cells)
    stop = (start[:, None] - _floor(-edges[:, 1:])).clamp(0, cells)
    real = (low[:, None] + number * ((high - low) / bins)[:, None]) * spatial_scale
    misalignment = torch.stack((first - real[:, :-1], stop - real[:, 1:]), -1) / spatial_scale
    return QuantisedAxis(real, start, end, edges + start[:, None], first, stop, misalignment)


def _floor(x: Tensor) -> Tensor:
    """The largest whole number not above x, int64.

    ``torch.floor`` takes a second thread for a few thousand numbers, which then turns for milliseconds in the way of ours.
    """
    whole = x.clamp(-FAR, FAR).long()
    return whole - (whole > x).long()


def _rounded(x: Tensor) -> Tensor:
    """To the nearest whole number, halves away from 0 as C has it (torch rounds them to even); int64."""
    whole = x.clamp(-FAR, FAR).long()  # towards 0
    return whole + (x - whole >= 0.5).long() - (whole - x >= 0.5).long()
