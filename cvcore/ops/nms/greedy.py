"""The compiled loop of greedy suppression."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cvcore.ops.nms.grid import SLACK, chains_of, insert, make_grid
from cvcore.ops.nms.overlap import Corners, area_of, center_penalty, iou_of, solid_area
from cvcore.ops.nms.ranking import descending


@njit(cache=True, nogil=True, error_model="numpy")
def greedy(
    boxes: Corners,
    order: NDArray[np.int64],
    labels: NDArray[np.int64],
    density: NDArray[np.float64],
    threshold: float,
    beta: float,
    traced: bool,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Keep a box unless a kept one before it overlaps it by more than the threshold (Bodla et al. 2017, equation 1).

    Args:
        boxes: (N, 4).
        order: (N,) the boxes from first to last.
        labels: (N,) boxes of different labels do not see each other; or (0,), all see all.
        density: (N,) the threshold of a kept box is max(threshold, its density); or (0,).
        threshold: 0 to 1.
        beta: overlap is IoU - (rho^2 / c^2)^beta; 0 for IoU alone.
        traced: find the first suppressor, not just that there is one.

    Returns:
        keep: (K,) in order; suppressor: (N,) -1 for a kept box, or (0,) if not traced.
    """
    n = len(boxes)
    keep = np.empty(n, np.int64)
    kept = 0
    suppressor = np.full(n if traced else 0, -1, np.int64)
    row = np.empty((n, 4), boxes.dtype)  # the kept boxes, in order
    area = np.empty(n, boxes.dtype)
    limit = np.empty(n, np.float64)
    smallest, largest, farthest = np.inf, 0.0, 0.0
    for i in range(n):
        size = solid_area(boxes, i)
        if size > 0:
            smallest, largest = min(smallest, size), max(largest, size)
            farthest = max(farthest, -boxes[i, 0], -boxes[i, 1], boxes[i, 2], boxes[i, 3])
    if largest == 0:
        smallest = largest = farthest = 1.0
    # among subnormal numbers the overlap is too coarse for the bounds of the grid
    bound = threshold * (1 - SLACK) if smallest > 1e8 * np.finfo(boxes.dtype).tiny else 0.0
    grid = make_grid(n, smallest, largest, farthest)
    chains = np.empty(len(grid.nodes), np.int32)
    for rank in range(n):
        i = order[rank]
        solid = solid_area(boxes, i) > 0
        area_i = area_of(boxes, i)
        x1, y1 = np.float64(boxes[i, 0]), np.float64(boxes[i, 1])
        x2, y2 = np.float64(boxes[i, 2]), np.float64(boxes[i, 3])
        label = labels[i] if len(labels) else 0
        first = n
        if solid:
            for c in range(chains_of(grid, x1, y1, x2, y2, label, bound, chains)):
                last = chains[c]
                node = last
                while True:
                    node = grid.nodes[node, 1]
                    k = grid.nodes[node, 0]
                    if k >= first:
                        break
                    overlap = np.float64(iou_of(row, k, boxes, i, area[k], area_i))
                    if overlap > limit[k] and (len(labels) == 0 or labels[keep[k]] == label):
                        if beta > 0:
                            overlap -= center_penalty(row, k, boxes, i, beta)
                        if overlap > limit[k]:
                            first = k
                            break
                    if node == last:
                        break
                if first < n and not traced:
                    break
        if first < n:
            if traced:
                suppressor[i] = keep[first]
            continue
        keep[kept] = i
        if solid:
            for side in range(4):
                row[kept, side] = boxes[i, side]
            area[kept] = area_i
            limit[kept] = max(threshold, density[i]) if len(density) else threshold
            insert(grid, kept, x1, y1, x2, y2, label)
        kept += 1
    return keep[:kept].copy(), suppressor


@njit(cache=True, nogil=True, error_model="numpy")
def checked_sorted_greedy(
    boxes: Corners, scores: NDArray[np.floating[Any]], bits: NDArray[np.unsignedinteger[Any]], threshold: float
) -> tuple[bool, NDArray[np.int64]]:
    """Plain NMS in one call, for which the calls themselves are what takes time: (True, keep), or (False, ...) if there are
    NaN or infinite values. ``bits`` is the memory of the scores seen as unsigned integers."""
    bad = 0
    for i in range(len(boxes)):
        for side in range(4):
            bad |= not abs(boxes[i, side]) < np.inf
        bad |= not abs(scores[i]) < np.inf
    if bad:
        return False, np.empty(0, np.int64)
    order = descending(scores, bits)
    return True, greedy(boxes, order, np.empty(0, np.int64), np.empty(0, np.float64), threshold, 0.0, False)[0]


NOTHING: NDArray[Any] = np.empty(0, np.int64)
"""No labels."""
NO_DENSITY: NDArray[np.float64] = np.empty(0, np.float64)
