"""A lane of boxes, compiled: for methods in which one box meets every box that touches it.

The boxes lie sorted by label and left edge, coordinate by coordinate, so that those which can touch a box form one run of memory,
and the processor intersects 8 or 16 of them at a time. For the few hundred that touch each box this beats a grid.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cvcore.ops.nms.overlap import Corners

Floats = NDArray[np.floating[Any]]


class Lane(NamedTuple):
    """Boxes sorted by (label, x1). ``box`` gives their numbers."""

    box: NDArray[np.int64]  # (N,)
    x1: Floats  # (N,) in the boxes' precision, as are the next three
    y1: Floats
    x2: Floats
    y2: Floats
    label: NDArray[np.int64]  # (N,)
    widest: float


@njit(cache=True, nogil=True, error_model="numpy")
def make_lane(boxes: Corners, labels: NDArray[np.int64], members: NDArray[np.int64]) -> Lane:
    """The lane of some boxes, whose numbers come sorted by (label, x1)."""
    n = len(members)
    corners = np.empty((4, n), boxes.dtype)
    label = np.zeros(n, np.int64)
    widest = 0.0
    for p in range(n):
        i = members[p]
        for side in range(4):
            corners[side, p] = boxes[i, side]
        if len(labels):
            label[p] = labels[i]
        widest = max(widest, np.float64(boxes[i, 2]) - boxes[i, 0])
    return Lane(members, corners[0], corners[1], corners[2], corners[3], label, widest)


@njit(cache=True, nogil=True, error_model="numpy")
def first_at(lane: Lane, label: int, x: float) -> int:
    """The first position whose (label, x1) is not below this one."""
    low, high = 0, len(lane.box)
    while low < high:
        middle = (low + high) >> 1
        if lane.label[middle] < label or (lane.label[middle] == label and lane.x1[middle] < x):
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True, error_model="numpy")
def intersections(lane: Lane, boxes: Corners, i: int, label: int, areas: Floats) -> tuple[int, int]:
    """Write the intersection areas of box i with a run of the lane that holds all that touch it; the run's start and end.

    ``areas`` is 0 where the intersection is empty, and is written from ``areas[0]`` for the start of the run.
    """
    x1, y1, x2, y2 = boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3]
    zero = x1 * 0
    start = first_at(lane, label, x1 - lane.widest - 1e-12 * (abs(np.float64(x1)) + lane.widest))
    end = first_at(lane, label, np.float64(x2))
    run = end - start
    lx1, ly1, lx2, ly2 = lane.x1[start:end], lane.y1[start:end], lane.x2[start:end], lane.y2[start:end]
    for p in range(run):
        w = max(min(x2, lx2[p]) - max(x1, lx1[p]), zero)
        h = max(min(y2, ly2[p]) - max(y1, ly1[p]), zero)
        areas[p] = w * h
    return start, max(start, end)


@njit(cache=True, nogil=True, error_model="numpy")
def grown(array: NDArray[Any]) -> NDArray[Any]:
    """A copy of (rows, n) numbers with room for twice as many in each row."""
    rows, n = array.shape
    longer = np.empty((rows, 2 * n + 16), array.dtype)
    for row in range(rows):
        for i in range(n):  # a slice assignment takes numba seconds to compile
            longer[row, i] = array[row, i]
    return longer
