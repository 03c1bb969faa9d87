"""The masked L2 loss over the stages of a pose network: Cao et al., "Realtime Multi-Person 2D Pose Estimation using Part Affinity
Fields", CVPR 2017, https://arxiv.org/abs/1611.08050 , section 2.1, equations 5 and 6 (3 and 4 of the version of 2019,
https://arxiv.org/abs/1812.08008 , whose stages are alike).

Every stage is judged by itself, so that gradients reach the early ones undiminished. W(p) is 0 where people are not labelled, so
that a network is not told that nobody is there: :func:`cvcore.ops.paf.label_mask` makes one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

import torch
from torch import Tensor

Reduction = Literal["sum", "batchmean"]


@dataclass(frozen=True, slots=True, eq=False)
class PoseLossTrace:
    """The loss over T stages, and where it comes from.

    Args:
        total: (), with gradients.
        heatmaps, pafs: (T,) f_S and f_L of each stage.
        heatmap_errors, paf_errors: (T, N, h, w) W(p) times the squared error of all channels at each cell.
    """

    total: Tensor
    heatmaps: Tensor
    pafs: Tensor
    heatmap_errors: Tensor
    paf_errors: Tensor


def pose_loss(
    stages: Sequence[tuple[Tensor, Tensor]],
    heatmaps: Tensor,
    pafs: Tensor,
    mask: Tensor | None = None,
    paf_mask: Tensor | None = None,
    *,
    reduction: Reduction = "batchmean",
) -> Tensor:
    """The loss of all stages.

    For stage t, with predictions S^t, L^t and targets S*, L*::

        f_S^t = sum over j, p of W(p) (S_j^t(p) - S*_j(p))^2        f_L^t = sum over c, p of W(p) (L_c^t(p) - L*_c(p))^2
        f = sum over t of (f_S^t + f_L^t)

    Args:
        stages: T pairs of heat maps (N, K + 1, h, w) and PAFs (N, 2 L, h, w).
        heatmaps, pafs: the targets, (N, K + 1, h, w) and (N, 2 L, h, w).
        mask: W(p) in 0 to 1, (N, 1, h, w), or (N, K + 1, h, w) for keypoints that are not labelled; None: 1 everywhere.
        paf_mask: the same for PAFs, (N, 1, h, w) or (N, 2 L, h, w); None: ``mask``, which then must have one channel.
        reduction: "sum": the equations; "batchmean": divided by N.

    Returns:
        ()

    Raises:
        ValueError: no stage, or shapes that differ.
    """
    return pose_loss_trace(stages, heatmaps, pafs, mask, paf_mask, reduction=reduction).total


def pose_loss_trace(
    stages: Sequence[tuple[Tensor, Tensor]],
    heatmaps: Tensor,
    pafs: Tensor,
    mask: Tensor | None = None,
    paf_mask: Tensor | None = None,
    *,
    reduction: Reduction = "batchmean",
) -> PoseLossTrace:
    """:func:`pose_loss` with its parts."""
    if not stages:
        raise ValueError("there must be one stage or more")
    if paf_mask is None:
        if mask is not None and mask.dim() == 4 and mask.shape[1] != 1:
            raise ValueError("a mask for each keypoint needs a paf_mask beside it")
        paf_mask = mask
    match reduction:
        case "sum":
            divisor = 1
        case "batchmean":
            divisor = max(1, len(heatmaps))
        case _:
            assert_never(reduction)
    heatmap_errors = torch.stack([masked_errors(stage[0], heatmaps, mask, "heat maps") for stage in stages])
    paf_errors = torch.stack([masked_errors(stage[1], pafs, paf_mask, "PAFs") for stage in stages])
    f_s, f_l = (errors.sum((1, 2, 3)) / divisor for errors in (heatmap_errors, paf_errors))
    return PoseLossTrace((f_s + f_l).sum(), f_s, f_l, heatmap_errors, paf_errors)


def masked_errors(predicted: Tensor, target: Tensor, mask: Tensor | None, name: str = "maps") -> Tensor:
    """(N, h, w): sum over channels of W(p) (predicted - target)^2.

    What the mask leaves out does not count, whatever is there, NaN included.

    Args:
        predicted, target: (N, C, h, w). mask: (N, 1, h, w), (N, C, h, w) or None.

    Raises:
        ValueError: shapes that differ.
    """
    if predicted.dim() != 4 or predicted.shape != target.shape:
        raise ValueError(f"{name} of {tuple(predicted.shape)} do not fit targets of {tuple(target.shape)}")
    if mask is None:
        return (predicted - target).square().sum(1)
    n, channels, *cells = target.shape
    if mask.shape not in ((n, 1, *cells), (n, channels, *cells)):
        raise ValueError(f"a mask of {tuple(mask.shape)} does not fit {name} of {tuple(target.shape)}")
    error = torch.where(mask != 0, predicted - target, 0)
    return (mask * error.square()).sum(1)
