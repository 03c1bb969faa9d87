"""What training asks for: targets of labelled figures, the mask, and the loss of a network's maps against them; and two figures to draw."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvcore.losses.pose import pose_loss_trace
from cvcore.ops.paf import heatmap_targets, label_mask, paf_targets

Array = NDArray[np.float32]
Box = tuple[float, float, float, float]
Maps = tuple[Tensor, Tensor]
"""(K + 1, h, w) heat maps and (2 L, h, w) part affinity fields."""
# fmt: off
WALKING = np.array([
    [0.02, -0.40], [0.00, -0.29], [-0.09, -0.28], [-0.15, -0.15], [-0.10, -0.03], [0.09, -0.28], [0.17, -0.16], [0.25, -0.06],
    [-0.055, 0.00], [-0.11, 0.20], [-0.17, 0.40], [0.055, 0.00], [0.13, 0.19], [0.14, 0.40],
    [-0.005, -0.425], [0.05, -0.425], [-0.045, -0.415], [0.075, -0.41],
])
"""(18, 2) x to the right and y down, in heights of the body."""
WAVING = np.array([
    [-0.02, -0.40], [0.00, -0.29], [-0.09, -0.28], [-0.22, -0.24], [-0.34, -0.20], [0.09, -0.28], [0.16, -0.17], [0.13, -0.02],
    [-0.055, 0.00], [-0.07, 0.20], [-0.06, 0.41], [0.055, 0.00], [0.08, 0.20], [0.09, 0.41],
    [-0.045, -0.425], [0.005, -0.425], [-0.075, -0.41], [0.045, -0.415],
])
"""The same, its right arm stretched out."""
# fmt: on
BODY = 0.8
"""Height of a drawn figure, in heights of the picture."""


@dataclass(frozen=True, slots=True, eq=False)
class StageLoss:
    """f_S and f_L of one stage, summed over cells and channels; with W = 1 everywhere and with the mask."""

    heatmaps: float
    pafs: float
    masked_heatmaps: float
    masked_pafs: float


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Targets, and what the maps of each stage lose against them.

    Args:
        heatmaps, pafs: (K + 1, h, w) and (2 L, h, w). mask: (h, w) W(p).
        losses: of each stage. errors: (h, w) the last stage's masked squared errors of heat maps and PAFs together.
    """

    heatmaps: Array
    pafs: Array
    mask: Array
    losses: tuple[StageLoss, ...]
    errors: Array


def pose_targets(
    figures: Tensor, stages: Sequence[Maps], *, sigma: float, limb_width: float, mask: Box | None
) -> Targets:
    """Targets of labelled figures (Cao et al., CVPR 2017, equations 6 to 9), and the loss of all stages against them (equation 5).

    Args:
        figures: (P, K, 3) in cells, 0, 0, 0 where not labelled.
        sigma, limb_width: in cells.
        mask: a box in cells, inside which the loss does not count.
    """
    rows, columns = stages[-1][0].shape[1:]
    heatmaps = heatmap_targets(figures, rows, columns, sigma=sigma)
    pafs = paf_targets(figures, rows, columns, limb_width=limb_width)
    weight = torch.ones(rows, columns) if mask is None else label_mask(torch.tensor([mask]), rows, columns)
    batches = [(s[None], p[None]) for s, p in stages]
    plain, masked = (
        pose_loss_trace(batches, heatmaps[None], pafs[None], of, reduction="sum") for of in (None, weight[None, None])
    )
    losses = tuple(
        StageLoss(*(float(v) for v in four))
        for four in zip(plain.heatmaps, plain.pafs, masked.heatmaps, masked.pafs, strict=True)
    )
    errors = (masked.heatmap_errors + masked.paf_errors)[-1, 0].numpy()
    return Targets(heatmaps.numpy(), pafs.numpy(), weight.numpy(), losses, errors)


def drawn_figures(size: tuple[int, int], *, alone: bool) -> Array:
    """(2, 18, 3) in pixels of a picture of this width and height: two people who cross, or one."""
    width, height = size
    out = np.zeros((2, len(WALKING), 3), np.float32)
    body = BODY * min(height, width)
    aside = 0.13 * body / width
    places = ((0.5, WALKING),) if alone else ((0.5 - aside, WALKING), (0.5 + aside, WAVING))
    for person, (x, shape) in enumerate(places):
        out[person, :, :2] = shape * body + (x * width, 0.52 * height)
        out[person, :, 2] = 1
    return out
