"""The compiled loop of variance voting."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cvcore.ops.nms.lane import Floats, grown, intersections, make_lane
from cvcore.ops.nms.overlap import Corners, area_of


@njit(cache=True, nogil=True, error_model="numpy")
def vote(
    boxes: Corners,
    variances: Floats,
    seeds: NDArray[np.int64],
    labels: NDArray[np.int64],
    by_left: NDArray[np.int64],
    sigma_t: float,
    traced: bool,
) -> tuple[Corners, NDArray[np.int64], Floats]:
    """Move each seed to the weighted mean of all boxes that share area with it, He et al. 2019, equation 9.

    Args:
        boxes, variances: (N, 4), of one precision. seeds: (K,) numbers of boxes. labels: (N,) or (0,).
        by_left: (N,) the boxes by (label, x1).

    Returns:
        moved: (K, 4); who: (2, V) position in seeds and box of each vote, the seed's own first, what: (5, V) IoU and the
        four weights, or both empty if not traced.
    """
    lane = make_lane(boxes, labels, by_left)
    areas = np.empty(len(boxes), boxes.dtype)
    moved = np.empty((len(seeds), 4), boxes.dtype)
    who = np.empty((2, 16 * len(boxes) if traced else 0), np.int64)
    what = np.empty((5, 16 * len(boxes) if traced else 0), boxes.dtype)
    used = 0
    step, total = np.empty(4), np.empty(4)
    for k in range(len(seeds)):
        i = seeds[k]
        area_i = area_of(boxes, i)
        for side in range(4):
            step[side] = 0.0
            total[side] = 0.0
        start, end = intersections(lane, boxes, i, labels[i] if len(labels) else 0, areas)
        for p in range(start - 1, end):
            j = i if p < start else lane.box[p]
            iou = boxes.dtype.type(1)
            if p >= start:
                intersection = areas[p - start]
                if not intersection > 0 or j == i:
                    continue
                iou = intersection / (area_i + area_of(boxes, j) - intersection)
            weight = math.exp(-((1.0 - iou) ** 2) / sigma_t)
            if traced:
                if used == who.shape[1]:
                    who, what = grown(who), grown(what)
                who[0, used], who[1, used], what[0, used] = k, j, iou
            for side in range(4):
                # as a step away from the seed, which loses no digits far from the origin
                w = weight / variances[j, side]
                step[side] += w * (np.float64(boxes[j, side]) - boxes[i, side])
                total[side] += w
                if traced:
                    what[1 + side, used] = w
            if traced:
                used += 1
        for side in range(4):
            moved[k, side] = boxes[i, side] + step[side] / total[side] if total[side] > 0 else boxes[i, side]
    return moved, who[:, :used], what[:, :used]
