"""How wrong RoI Pool and RoI Align are for regions of every size at one place."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvcore.ops.letterbox import Letterbox
from cvcore.ops.roi.align import roi_align_trace
from cvcore.ops.roi.exact import exact_bins
from cvcore.ops.roi.pool import roi_pool_trace

Array = NDArray[np.floating]
SIZES, SHIFTS, CHANNELS = 14, 3, 128
SMALLEST, LARGEST = 0.5, 24.0
"""Of the regions, in cells."""
POOL, ALIGN = 0, 1


@dataclass(frozen=True, slots=True, eq=False)
class ErrorCurve:
    """Errors over sizes. The first index of pairs is the operator: RoI Pool, RoI Align.

    Args:
        size: (S,) the root of the region's area, in pixels of the picture, rising.
        error: (2, S) the mean over SHIFTS x SHIFTS regions moved within one cell.
        here, error_here: size and (2,) errors of the region itself.
        bin: (S,) the mean side of a bin; misalignment: (2, S) mean distance of a bin's edges from where they belong;
            both in pixels of the picture.
    """

    size: Array
    error: Array
    here: float
    error_here: Array
    bin: Array
    misalignment: Array


@dataclass(frozen=True, slots=True)
class Pooling:
    """How regions of a picture are pooled.

    Args:
        stride: pixels of the network's input a cell.
        transform: from picture to input.
        output_size: bins along each axis.
        sampling_ratio, aligned, mode: of RoI Align; ``avg`` or ``max``.
    """

    stride: int
    transform: Letterbox
    output_size: int = 7
    sampling_ratio: int = 2
    aligned: bool = True
    mode: Literal["avg", "max"] = "avg"

    @property
    def cell(self) -> tuple[float, float]:
        """Width and height of a cell in pixels of the picture."""
        return self.stride / self.transform.scale[1], self.stride / self.transform.scale[0]


def error_curve(
    features: Tensor,
    box: tuple[float, float, float, float],
    size: tuple[int, int],
    how: Pooling,
    stop: Callable[[], None] = lambda: None,
) -> ErrorCurve:
    """The box in all sizes, with the same shape and centre (moved where it would leave the picture).

    Error is sum |output - exact| / sum |exact| over all bins and up to CHANNELS channels, evenly chosen. Exact is, for
    RoI Pool, the maximum of the interpolated map over the real bin; for RoI Align its mean, or its maximum if that is
    what RoI Align takes.

    Args:
        features: (C, H, W).
        box: x1, y1, x2, y2 in pixels of the picture.
        size: (width, height) of the picture.
        stop: called before each size; what it raises ends the work.
    """
    features = features[:: max(1, len(features) // CHANNELS)]
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    here = float(np.sqrt(width * height))
    cell = float(np.sqrt(np.prod(how.cell)))
    largest = min(here * min(size[0] / width, size[1] / height), LARGEST * cell)
    sizes = np.geomspace(min(SMALLEST * cell, largest / 2), largest, SIZES)
    offsets = (np.arange(SHIFTS) + 0.5) / SHIFTS - 0.5
    shifts = np.stack(np.meshgrid(offsets * how.cell[0], offsets * how.cell[1]), -1).reshape(-1, 2)
    errors, bins, misalignments = [], [], []
    for side in sizes:
        stop()
        half = np.array([width, height]) * side / here / 2
        centre = np.clip([(x0 + x1) / 2, (y0 + y1) / 2], half, np.maximum(np.array(size) - half, half))
        moved = np.concatenate((centre + shifts - half, centre + shifts + half), 1)
        error, misalignment = errors_of(features, torch.from_numpy(moved), how)
        errors.append(error.mean(1))
        misalignments.append(misalignment)
        bins.append(float(half.mean()) * 2 / how.output_size)
    own, _ = errors_of(features, torch.tensor([box], dtype=torch.float64), how)
    return ErrorCurve(sizes, np.stack(errors, 1), here, own[:, 0], np.array(bins), np.stack(misalignments, 1))


def errors_of(features: Tensor, boxes: Tensor, how: Pooling) -> tuple[Array, Array]:
    """(2, K) errors of K boxes (K, 4), in pixels of the picture, and (2,) their mean misalignment in such pixels."""
    scale, bins = 1 / how.stride, how.output_size
    rois = torch.cat((boxes.new_zeros(len(boxes), 1), how.transform.to_input(boxes)), 1).to(features)
    pooled = roi_pool_trace(features[None], rois, bins, scale)
    aligned = roi_align_trace(features[None], rois, bins, scale, how.sampling_ratio, how.aligned, how.mode)
    # Only the part of the map that the boxes touch need be interpolated.
    y, x = pooled.y.real - 0.5, pooled.x.real - 0.5
    window, y, x = cropped(features, y, x)
    highest = exact_bins(window, y, x, "max")
    wanted = exact_bins(window, y, x, "avg") if how.mode == "avg" else highest
    error = torch.stack((relative(pooled.out, highest), relative(aligned.out, wanted)))
    off = [
        [float(axis.misalignment.abs().mean()) for axis in axes]
        for axes in ((pooled.y, pooled.x), (aligned.y, aligned.x))
    ]
    return error.double().cpu().numpy(), (np.array(off) / how.transform.scale).mean(1)


def relative(out: Tensor, exact: Tensor) -> Tensor:
    """(K,) sum of the distances over sum of the sizes."""
    return (out - exact).abs().sum((1, 2, 3)) / exact.abs().sum((1, 2, 3)).clamp(min=1e-9)


def cropped(features: Tensor, y: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The cells under bins and one more on each side, and the bins' edges counted from there."""
    ends = torch.stack((y.min(), y.max(), x.min(), x.max())).tolist()
    H, W = features.shape[1:]
    top, left = (min(max(int(np.floor(v)) - 1, 0), n - 1) for v, n in ((ends[0], H), (ends[2], W)))
    bottom, right = (min(max(int(np.ceil(v)) + 2, 1), n) for v, n in ((ends[1], H), (ends[3], W)))
    window = features[:, top : max(bottom, top + 1), left : max(right, left + 1)]
    return window, y - top, x - left
