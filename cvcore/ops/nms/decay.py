"""The compiled loops of Soft-NMS and of variance voting: both meet, for one box, every box that touches it.

The boxes lie sorted by label and left edge, coordinate by coordinate, so that those which can touch a box form one run of memory,
and the processor intersects 8 or 16 of them at a time. For the few hundred that touch each box this beats a grid.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cvcore.ops.nms.overlap import Corners, area_of, center_penalty

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
def sift_down(heap: NDArray[np.int64], scores: Floats, size: int) -> None:
    """Restore the heap after its first entry changed: highest score first, of equal ones the lowest number."""
    if size == 0:
        return
    i, score = heap[0], scores[0]
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        right = child + 1
        if right < size and (
            scores[right] > scores[child] or (scores[right] == scores[child] and heap[right] < heap[child])
        ):
            child = right
        if scores[child] < score or (scores[child] == score and heap[child] > i):
            break
        heap[at], scores[at] = heap[child], scores[child]
        at = child
    heap[at], scores[at] = i, score


@njit(cache=True, nogil=True, error_model="numpy")
def grown(array: NDArray[Any]) -> NDArray[Any]:
    """A copy with room for twice as many rows."""
    longer = np.empty((2 * len(array) + 16, array.shape[1]), array.dtype)
    for i in range(len(array)):  # a slice assignment takes numba seconds to compile
        for j in range(array.shape[1]):
            longer[i, j] = array[i, j]
    return longer


@njit(cache=True, nogil=True, error_model="numpy")
def decay(
    boxes: Corners,
    scores: Floats,
    order: NDArray[np.int64],
    labels: NDArray[np.int64],
    by_left: NDArray[np.int64],
    threshold: float,
    sigma: float,
    min_score: float,
    gaussian: bool,
    beta: float,
    traced: bool,
) -> tuple[NDArray[np.int64], Floats, NDArray[np.int64], NDArray[np.float64]]:
    """Soft-NMS, Bodla et al. 2017, figure 2 with equations (2) linear and (3) gaussian.

    Args:
        boxes: (N, 4). scores: (N,), of the same precision. order: (N,) by falling score, ties by number.
        labels: (N,) or (0,). by_left: (N,) the boxes by (label, x1).
        threshold, sigma, min_score, beta: see ``soft_nms``.

    Returns:
        keep: (K,) in order of selection; after: (N,) the scores at the end, a dropped box's when it fell below
        ``min_score``; who: (E, 2) position in keep and number of the decayed box, what: (E, 4) IoU, overlap, score
        before and after, or both empty if not traced.
    """
    n = len(boxes)
    lane = make_lane(boxes, labels, by_left)
    areas = np.empty(n, boxes.dtype)
    keep = np.empty(n, np.int64)
    kept = 0
    after = scores.copy()
    gone = np.zeros(n, np.bool_)  # selected, or fallen below min_score
    departed = 0  # from the lane as it is now
    who = np.empty((n if traced else 0, 2), np.int64)
    what = np.empty((n if traced else 0, 4), np.float64)
    events = 0
    # scores only fall, so an entry of the heap may be too high, never too low: it is put right when it comes first
    heap, heap_scores, size = order.copy(), scores[order], n
    while size > 0:
        i = heap[0]
        if not gone[i] and heap_scores[0] != after[i]:
            heap_scores[0] = after[i]
            sift_down(heap, heap_scores, size)
            continue
        size -= 1
        heap[0], heap_scores[0] = heap[size], heap_scores[size]
        sift_down(heap, heap_scores, size)
        if gone[i]:
            continue
        if after[i] < min_score:
            break
        gone[i] = True
        keep[kept] = i
        departed += 1
        area_i = area_of(boxes, i)
        start, end = intersections(lane, boxes, i, labels[i] if len(labels) else 0, areas)
        for p in range(end - start):
            if not areas[p] > 0:
                continue
            j = lane.box[start + p]
            if gone[j]:
                continue
            iou = areas[p] / (area_i + area_of(boxes, j) - areas[p])
            overlap = np.float64(iou)
            if beta > 0:
                overlap = max(overlap - center_penalty(boxes, i, boxes, j, beta), 0.0)
            if overlap == 0 or (not gaussian and overlap < threshold):
                continue
            before = after[j]
            after[j] = before * boxes.dtype.type(math.exp(-overlap * overlap / sigma) if gaussian else 1 - overlap)
            if after[j] < min_score:
                gone[j] = True
                departed += 1
            if traced:
                if events == len(who):
                    who, what = grown(who), grown(what)
                who[events, 0], who[events, 1] = kept, j
                what[events, 0], what[events, 1], what[events, 2], what[events, 3] = iou, overlap, before, after[j]
                events += 1
        kept += 1
        if departed > 64 and 4 * departed > len(lane.box):
            remaining = np.empty(len(lane.box) - departed, np.int64)
            at = 0
            for j in lane.box:
                if not gone[j]:
                    remaining[at] = j
                    at += 1
            lane = make_lane(boxes, labels, remaining)
            departed = 0
    return keep[:kept].copy(), after, who[:events].copy(), what[:events].copy()


@njit(cache=True, nogil=True, error_model="numpy")
def touching(
    boxes: Corners, seeds: NDArray[np.int64], labels: NDArray[np.int64], by_left: NDArray[np.int64]
) -> NDArray[np.int64]:
    """All (position in seeds, number of a box) of one label that share area, the seed itself included: (V, 2)."""
    lane = make_lane(boxes, labels, by_left)
    areas = np.empty(len(boxes), boxes.dtype)
    pairs = np.empty((2 * len(boxes), 2), np.int64)
    used = 0
    for k in range(len(seeds)):
        i = seeds[k]
        start, end = intersections(lane, boxes, i, labels[i] if len(labels) else 0, areas)
        if used == len(pairs):
            pairs = grown(pairs)
        pairs[used, 0], pairs[used, 1] = k, i
        used += 1
        for p in range(end - start):
            j = lane.box[start + p]
            if areas[p] > 0 and j != i:
                if used == len(pairs):
                    pairs = grown(pairs)
                pairs[used, 0], pairs[used, 1] = k, j
                used += 1
    return pairs[:used].copy()
