"""What training would ask for: targets of labelled figures, the mask, and the loss of the network's maps against them."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cvcore.losses.pose import pose_loss_trace
from cvcore.ops.paf import heatmap_targets, label_mask, paf_targets
from explorer.panels.pose.controls import ALONE, CROSSING, FIGURES_SHOWN, KEYPOINTS, Params
from explorer.panels.pose.network import Array, Grid, Maps
from explorer.panels.pose.people import People

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
class Training:
    """Targets and loss.

    Args:
        figures: (2, K, 3) in pixels of the picture, third value 0 where not labelled.
        targets: their maps.
        box: of the mask, in pixels of the picture. mask: (h, w) W(p).
        losses: of each stage. errors: (h, w) the last stage's masked squared errors of heat maps and PAFs together.
    """

    figures: Array
    targets: Maps
    box: tuple[float, float, float, float]
    mask: Array
    losses: tuple[StageLoss, ...]
    errors: Array


def training(size: tuple[int, int], params: Params, grid: Grid, people: People, stages: tuple[Maps, ...]) -> Training:
    """Targets of the figures, and the loss of all stages against them.

    Args:
        size: width and height of the picture.
    """
    figures = figures_of(size, params, people)
    rows, columns = stages[-1].size
    cells = torch.from_numpy(figures.copy())
    cells[..., :2] = torch.from_numpy(grid.on_map(figures[..., :2])).float()
    cells = torch.where(cells[..., 2:] > 0, cells, 0)
    heatmaps = heatmap_targets(cells, rows, columns, sigma=params.sigma)
    pafs = paf_targets(cells, rows, columns, limb_width=params.limb_width)
    box = params.mask or mask_box(size, params, people)
    in_cells = torch.tensor([box], dtype=torch.float32) / torch.tensor([*grid.cell, *grid.cell])
    mask = label_mask(in_cells, rows, columns) if params.masked else torch.ones(rows, columns)
    batches = [tuple(t[None] for t in maps.tensors) for maps in stages]
    plain, masked = (
        pose_loss_trace([(s, p) for s, p in batches], heatmaps[None], pafs[None], weight, reduction="sum")
        for weight in (None, mask[None, None])
    )
    losses = tuple(
        StageLoss(*(float(v) for v in four))
        for four in zip(plain.heatmaps, plain.pafs, masked.heatmaps, masked.pafs, strict=True)
    )
    errors = (masked.heatmap_errors + masked.paf_errors)[-1, 0].numpy()
    return Training(figures, Maps(heatmaps.numpy(), pafs.numpy()), box, mask.numpy(), losses, errors)


def figures_of(size: tuple[int, int], params: Params, people: People) -> Array:
    """(2, K, 3): the chosen figures with the keypoints that were dragged."""
    figures = first_figures(size, params.figures, people)
    if params.dragged:
        moved: NDArray[np.float32] = figures.reshape(-1, 3)
        start = params.first_joint
        for joint, place in enumerate(params.joints[start : start + len(moved)]):
            if place is not None and moved[joint, 2] > 0:
                moved[joint, :2] = np.clip(place, 0, size)
    return figures


def first_figures(size: tuple[int, int], figures: str, people: People) -> Array:
    """Before anything is dragged."""
    width, height = size
    out = np.zeros((FIGURES_SHOWN, KEYPOINTS, 3), np.float32)
    if figures in (CROSSING, ALONE):
        body = BODY * min(height, width)
        places = (
            ((0.5, WALKING),)
            if figures == ALONE
            else ((0.5 - 0.13 * body / width, WALKING), (0.5 + 0.13 * body / width, WAVING))
        )
        for person, (x, shape) in enumerate(places):
            out[person, :, :2] = shape * body + (x * width, 0.52 * height)
            out[person, :, 2] = 1
        return out
    count = min(FIGURES_SHOWN, len(people))
    out[:count] = people.keypoints[:count]
    out[..., 2] = out[..., 2] > 0
    return out


def mask_box(size: tuple[int, int], params: Params, people: People) -> tuple[float, float, float, float]:
    """Around the best person found who is not labelled; else a place at the right."""
    width, height = size
    if params.figures not in (CROSSING, ALONE) and len(people) > FIGURES_SHOWN:
        other = people.keypoints[FIGURES_SHOWN]
        xy = other[other[:, 2] > 0, :2]
        low, high = xy.min(0), xy.max(0)
        grow = 0.12 * (high - low).max()
        return (
            float(max(0, low[0] - grow)), float(max(0, low[1] - grow)),
            float(min(width, high[0] + grow)), float(min(height, high[1] + grow)),
        )  # fmt: skip
    return 0.74 * width, 0.3 * height, 0.96 * width, 0.95 * height
