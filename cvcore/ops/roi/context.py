"""Context-aware RoI pooling: a region smaller than the output is enlarged by a deconvolution before its maxima are taken.

Hu et al., SINet 2018, https://arxiv.org/abs/1804.00433 . RoI Pool repeats the few cells of a small region, which destroys the structure
of a small object; a transposed convolution with a bilinear kernel makes at least as many cells as there are bins. Regions that have as
many are pooled as RoI Pool does it. Choices of this implementation: an axis that is not short is not enlarged, strides are whole numbers,
and cells at the edge of a region are as bright as those inside.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d, conv_transpose2d

from cvcore.ops.boxes import check_finite
from cvcore.ops.roi.pool import roi_pool
from cvcore.ops.roi.regions import check_arguments, quantised_axis

Enlarge = Callable[[Tensor], Tensor]
MOST = 64
"""Times that a given deconvolution may be applied to a region."""


@dataclass(frozen=True, slots=True, eq=False)
class ContextAwareTrace:
    """Context-aware RoI pooling with what it enlarged.

    Args:
        out: (K, C, P, Q), with gradients.
        rois: (K, 5) picture, x1, y1, x2, y2, in pixels.
        first, stop: (K, 2) int64, the cells [first, stop) of each region within the map, along y and x.
        small: (K,) whether the region had fewer cells than the output has bins, along one axis at least.
        enlarged: for each region the map (C, h, w) that its bins were laid on; None for one that was not enlarged.
    """

    out: Tensor
    rois: Tensor
    first: Tensor
    stop: Tensor
    small: Tensor
    enlarged: tuple[Tensor | None, ...]


def context_aware_roi_pool(
    input: Tensor,
    boxes: Tensor | Sequence[Tensor],
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    deconvolution: Enlarge | None = None,
) -> Tensor:
    """Context-aware RoI pooling, with gradients to the features and to what the deconvolution learns.

    Args:
        input: (N, C, H, W) features.
        boxes: (K, 5) picture, x1, y1, x2, y2 in pixels of the picture; or a list of (L, 4), one a picture.
        output_size: P x Q bins, one number for both.
        spatial_scale: feature cells per pixel, 1 / stride.
        deconvolution: what enlarges regions (n, C, h, w), such as an ``nn.ConvTranspose2d``; it is applied again until a region has P x Q
            cells. None: a bilinear kernel with the smallest whole stride that makes it so, along each axis.

    Returns:
        (K, C, P, Q); 0 for a region outside the map.

    Raises:
        ValueError: shapes, NaN or infinite values, an argument out of range, or a deconvolution that does not enlarge.
    """
    return context_aware_roi_pool_trace(input, boxes, output_size, spatial_scale, deconvolution).out


def context_aware_roi_pool_trace(
    input: Tensor,
    boxes: Tensor | Sequence[Tensor],
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    deconvolution: Enlarge | None = None,
) -> ContextAwareTrace:
    """:func:`context_aware_roi_pool` with what it enlarged."""
    features, rois, (P, Q) = check_arguments(input, boxes, output_size, spatial_scale)
    check_finite(features, "input")
    H, W = features.shape[2:]
    y = quantised_axis(rois[:, 2], rois[:, 4], P, H, spatial_scale)
    x = quantised_axis(rois[:, 1], rois[:, 3], Q, W, spatial_scale)
    sizes = torch.tensor([H, W], device=rois.device)
    first = torch.stack((y.start, x.start), 1).clamp(min=0).minimum(sizes)
    stop = torch.stack((torch.maximum(y.end, y.start), torch.maximum(x.end, x.start)), 1) + 1
    stop = stop.clamp(min=0).minimum(sizes).maximum(first)
    size = stop - first
    few = size < torch.tensor([P, Q], device=rois.device)
    small, inside = few.any(1), (size > 0).all(1)
    pieces: list[Tensor | None] = [None] * len(rois)
    enlarged: list[Tensor | None] = [None] * len(rois)
    # regions of one size are enlarged together; the host waits once, to know the sizes
    groups: dict[tuple[int, int], list[int]] = {}
    for k, (h, w, is_small, is_inside) in enumerate(
        torch.cat((size, small[:, None], inside[:, None]), 1).tolist() if len(rois) else []
    ):
        if is_small and is_inside:
            groups.setdefault((h, w), []).append(k)
    image, corner = rois[:, 0].long(), first
    for (h, w), which in groups.items():
        some = torch.tensor(which, device=rois.device)
        rows = corner[some, 0, None] + torch.arange(h, device=rois.device)  # (n, h)
        columns = corner[some, 1, None] + torch.arange(w, device=rois.device)
        cut = features[image[some, None, None], :, rows[:, :, None], columns[:, None, :]].permute(
            0, 3, 1, 2
        )  # (n, C, h, w)
        larger = _bilinear(cut, (P, Q)) if deconvolution is None else _given(cut, (P, Q), deconvolution)
        for number, piece in zip(which, adaptive_max_pool2d(larger, (P, Q)), strict=True):
            pieces[number] = piece
        for number, map_ in zip(which, larger.detach(), strict=True):
            enlarged[number] = map_
    plain = roi_pool(features, rois, (P, Q), spatial_scale)
    if groups:
        replaced = torch.stack([plain[k] if piece is None else piece for k, piece in enumerate(pieces)])
    else:
        replaced = plain
    return ContextAwareTrace(replaced.to(input.dtype), rois, first, stop, small & inside, tuple(enlarged))


def bilinear_kernel(stride: int) -> Tensor:
    """(k,) the kernel with which a transposed convolution of this stride interpolates between cells; k is 2 stride - stride % 2."""
    length = 2 * stride - stride % 2
    middle = (length - 1) / 2
    return 1 - (torch.arange(length) - middle).abs() / stride


def _bilinear(cut: Tensor, bins: tuple[int, int]) -> Tensor:
    """(n, C, h, w) enlarged by whole numbers, along each axis the smallest with at least that many cells.

    Divided by what an even map gives, so that cells at the edge of a region, which have no neighbours there, are not darker.
    """
    strides = [math.ceil(wanted / given) for wanted, given in zip(bins, cut.shape[2:], strict=True)]
    across, along = (bilinear_kernel(stride).to(cut) for stride in strides)
    kernel = (across[:, None] * along)[None, None]
    padding = [(len(line) - stride) // 2 for line, stride in zip((across, along), strides, strict=True)]
    n, C, h, w = cut.shape
    even = conv_transpose2d(cut.new_ones(1, 1, h, w), kernel, stride=strides, padding=padding)
    larger = conv_transpose2d(cut.reshape(n * C, 1, h, w), kernel, stride=strides, padding=padding) / even
    return larger.view(n, C, *larger.shape[2:])


def _given(cut: Tensor, bins: tuple[int, int], deconvolution: Enlarge) -> Tensor:
    larger = cut
    for _ in range(MOST):
        if larger.shape[2] >= bins[0] and larger.shape[3] >= bins[1]:
            return larger
        before, larger = larger, deconvolution(larger)
        if larger.shape[:2] != cut.shape[:2] or not (
            larger.shape[2] >= before.shape[2] and larger.shape[3] >= before.shape[3] and larger.shape != before.shape
        ):
            raise ValueError(
                f"the deconvolution must enlarge maps and keep their channels, not make {tuple(larger.shape)} of "
                f"{tuple(before.shape)}"
            )
    raise ValueError(f"the deconvolution has not made {bins[0]} x {bins[1]} cells in {MOST} times")
