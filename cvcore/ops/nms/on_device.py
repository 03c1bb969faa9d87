"""Greedy suppression in plain tensor operations, for devices other than the CPU; the same result as the compiled loop.

A box is kept if no kept box before it overlaps it too much. Started from "all kept" and applied to all boxes at once, that
sentence settles the first box at once and at least one more each time, most of them in a few rounds (Zheng et al. 2020,
"Cluster-NMS", https://arxiv.org/abs/2005.03572 , section 3.4). Boxes are settled in blocks, so that memory is BLOCK x N, and
the host waits for the device once every few rounds of a block, never for a box.
"""

import numpy as np
import torch
from torch import Tensor

BLOCK = 2048
ROUNDS = 4
"""Rounds between two looks at whether a block is settled; rounds too many change nothing."""


def pair_overlap(a: Tensor, b: Tensor, beta: float) -> tuple[Tensor, Tensor]:
    """IoU, and IoU - (rho^2 / c^2)^beta (IoU itself for beta = 0), of boxes (..., 4) that broadcast against each other.

    IoU is computed in the order of the compiled loop and equal to its to the last bit.
    """
    w = (torch.minimum(a[..., 2], b[..., 2]) - torch.maximum(a[..., 0], b[..., 0])).clamp(min=0)
    h = (torch.minimum(a[..., 3], b[..., 3]) - torch.maximum(a[..., 1], b[..., 1])).clamp(min=0)
    area_a = (a[..., 2] - a[..., 0]) * (a[..., 3] - a[..., 1])
    area_b = (b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1])
    intersection = w * h
    iou = (intersection / (area_a + area_b - intersection)).where(intersection > 0, 0)
    if beta == 0:
        return iou, iou
    if a.device.type != "mps":  # which has no float64
        a, b, wide = a.double(), b.double(), iou.double()
    else:
        wide = iou
    centers = 0.5 * ((a[..., :2] + a[..., 2:]) - (b[..., :2] + b[..., 2:]))
    sides = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    diagonal = (sides**2).sum(-1)
    penalty = (((centers**2).sum(-1) / diagonal).where(diagonal > 0, 0)) ** beta
    return iou, wide - penalty


def rounded_down(threshold: float, dtype: torch.dtype) -> float:
    """The largest number of this precision that is not above the threshold.

    An overlap of that precision is above the one exactly if it is above the other, and no float64 is needed to compare.
    """
    if dtype == torch.float64:
        return threshold
    near = np.float32(threshold)
    return float(near if float(near) <= threshold else np.nextafter(near, np.float32(-np.inf)))


def suppressors(
    boxes: Tensor, order: Tensor, labels: Tensor | None, density: Tensor | None, threshold: float, beta: float
) -> Tensor:
    """The first kept box that suppresses each box, -1 for a kept one: (N,) int64.

    Args:
        boxes: (N, 4) float32 or float64 xyxy. order: (N,) int64, from first to last.
        labels: (N,) int64; boxes of different labels do not see each other. density: (N,), see ``adaptive_nms``.
        threshold: 0 to 1. beta: 0 for IoU alone, else see ``diou_nms``.
    """
    n = len(boxes)
    boxes = boxes[order]
    labels = None if labels is None else labels[order]
    precision = torch.float64 if beta > 0 and boxes.device.type != "mps" else boxes.dtype  # the overlap's
    floor = rounded_down(threshold, precision)
    limit = torch.full((n,), floor, dtype=precision, device=boxes.device)
    if density is not None:
        limit = torch.maximum(limit, density[order].to(precision))
    first = torch.full((n,), -1, dtype=torch.int64, device=boxes.device)  # all in ranks
    for start in range(0, n, BLOCK):
        stop = min(start + BLOCK, n)
        _, overlap = pair_overlap(boxes[start:stop, None], boxes[None, start:], beta)
        over = overlap > limit[start:stop, None]  # (block, n - start)
        if labels is not None:
            over &= labels[start:stop, None] == labels[None, start:]
        size = stop - start
        over[:, :size] = over[:, :size].triu(1)
        free = first[start:stop] < 0
        keep = free
        while True:
            before = keep
            for _ in range(ROUNDS):
                keep = free & ~(over[:, :size] & keep[:, None]).any(0)
            if torch.equal(keep, before):
                break
        over &= keep[:, None]
        who = over.to(torch.uint8).argmax(0) + start  # the first of equal ones
        first[start:] = torch.where((first[start:] < 0) & over.any(0), who, first[start:])
    suppressor = torch.empty_like(first)
    suppressor[order] = torch.where(first < 0, first, order[first.clamp(min=0)])
    return suppressor


def voters(boxes: Tensor, keep: Tensor, labels: Tensor | None) -> Tensor:
    """All boxes that share area with a kept one, the kept one included: (V, 2) int64, position in keep and box."""
    found = []
    for start in range(0, len(keep), BLOCK):
        some = keep[start : start + BLOCK]
        meet = pair_overlap(boxes[some, None], boxes[None], 0.0)[0] > 0
        if labels is not None:
            meet &= labels[some, None] == labels
        meet[torch.arange(len(some), device=keep.device), some] = True
        found.append(meet.nonzero() + torch.tensor([start, 0], device=keep.device))
    return torch.cat(found) if found else keep.new_empty((0, 2))
