"""The compiled loop of Soft-NMS."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cvcore.ops.nms.lane import Floats, grown, intersections, make_lane
from cvcore.ops.nms.overlap import Corners, area_of, center_penalty


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
) -> tuple[NDArray[np.int64], Floats, NDArray[np.int64], Floats]:
    """Soft-NMS, Bodla et al. 2017, figure 2 with equations (2) linear and (3) gaussian.

    Args:
        boxes: (N, 4). scores: (N,), of the same precision. order: (N,) by falling score, ties by number.
        labels: (N,) or (0,). by_left: (N,) the boxes by (label, x1).
        threshold, sigma, min_score, beta: see ``soft_nms``.

    Returns:
        keep: (K,) in order of selection; after: (N,) the scores at the end, a dropped box's when it fell below
        ``min_score``; who: (2, E) kept box and decayed box, what: (4, E) IoU, overlap, score before and after, in the
        precision of the scores, or both empty if not traced.
    """
    n = len(boxes)
    lane = make_lane(boxes, labels, by_left)
    areas = np.empty(n, boxes.dtype)
    keep = np.empty(n, np.int64)
    kept = 0
    after = scores.copy()
    gone = np.zeros(n, np.bool_)  # selected, or fallen below min_score
    departed = 0  # from the lane as it is now
    who = np.empty((2, 16 * n if traced else 0), np.int64)
    what = np.empty((4, 16 * n if traced else 0), boxes.dtype)
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
                if events == who.shape[1]:
                    who, what = grown(who), grown(what)
                who[0, events], who[1, events] = i, j
                what[0, events], what[1, events], what[2, events], what[3, events] = iou, overlap, before, after[j]
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
    return keep[:kept].copy(), after, who[:, :events], what[:, :events]
