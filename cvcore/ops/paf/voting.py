"""The compiled loops of ``cvcore.models.openpose.votes``."""

import math

import numpy as np
from numba import njit

from cvcore.ops.paf.loops import Floats, Ints, by_score


@njit(cache=True, nogil=True, error_model="numpy")
def nearest(y: float, x: float, rows: int, columns: int, coarse: int) -> int:
    """The number of the cell whose middle is nearest."""
    row = min(max(round(y / coarse), 0), rows - 1)
    column = min(max(round(x / coarse), 0), columns - 1)
    return int(row) * columns + int(column)


@njit(cache=True, nogil=True, error_model="numpy")
def follow(
    kind: int,
    cell: int,
    offsets: Floats,
    forward: Floats,
    backward: Floats,
    columns: int,
    edges: Ints,
    coarse: int,
    refine_steps: int,
) -> Floats:
    """Where everything is of the person whose keypoint of this kind a cell sees: (K, 2) y and x in pixels, from the middle of the first.

    Args:
        cell: its number, row by row. offsets: (2, K, n), y and x, of n cells. forward, backward: (2, E, n).
        edges: (E, 2) parent and child, parents first.
    """
    rows = offsets.shape[2] // columns
    places = np.zeros((offsets.shape[1], 2), np.float32)
    known = np.zeros(offsets.shape[1], np.bool_)
    places[kind, 0] = coarse * (cell // columns) + offsets[0, kind, cell]
    places[kind, 1] = coarse * (cell % columns) + offsets[1, kind, cell]
    known[kind] = True
    count = len(edges)
    for i in range(2 * count):
        if i < count:  # to the root
            e = count - 1 - i
            start, end = edges[e, 1], edges[e, 0]
        else:
            e = i - count
            start, end = edges[e, 0], edges[e, 1]
        if not known[start] or known[end]:
            continue
        at = nearest(places[start, 0], places[start, 1], rows, columns, coarse)
        step = backward if i < count else forward
        y, x = places[start, 0] + step[0, e, at], places[start, 1] + step[1, e, at]
        for _ in range(refine_steps):
            at = nearest(y, x, rows, columns, coarse)
            y, x = coarse * (at // columns) + offsets[0, end, at], coarse * (at % columns) + offsets[1, end, at]
        places[end, 0], places[end, 1] = y, x
        known[end] = True
    return places


@njit(cache=True, nogil=True, error_model="numpy")
def put(plane: Floats, y: float, x: float, value: float) -> None:
    """Shares a value between the four cells about a place."""
    height, width = plane.shape
    if not (-1 < y < height and -1 < x < width):
        return
    y0, x0 = math.floor(y), math.floor(x)
    fy, fx = y - y0, x - x0
    for row, share_y in ((y0, 1 - fy), (y0 + 1, fy)):
        for column, share_x in ((x0, 1 - fx), (x0 + 1, fx)):
            if 0 <= row < height and 0 <= column < width:
                plane[row, column] += value * share_y * share_x


@njit(cache=True, nogil=True, error_model="numpy")
def voters(probability: Floats, threshold: float, most: int) -> Ints:
    """(V, 2) kind and cell of those above the threshold, at most so many, the surest."""
    kinds, cells = np.nonzero(probability > threshold)
    out = np.empty((len(kinds), 2), np.int64)
    scores = np.empty(len(kinds), np.float32)
    for v in range(len(kinds)):
        out[v, 0], out[v, 1] = kinds[v], cells[v]
        scores[v] = probability[kinds[v], cells[v]]
    return out if len(out) <= most else out[by_score(scores)[:most]]


@njit(cache=True, nogil=True, error_model="numpy")
def voted(
    probability: Floats,
    offsets: Floats,
    forward: Floats,
    backward: Floats,
    columns: int,
    edges: Ints,
    coarse: int,
    refine_steps: int,
    body: Ints,
    neck: int,
    shoulders: Ints,
    limbs: Ints,
    height: int,
    width: int,
    stride: float,
    threshold: float,
    most: int,
    longest: int,
) -> tuple[Floats, Floats, Floats, Floats]:
    """See ``votes``. own (B, h, w), hints (B, h, w), along (L, 2, h, w), cover (L, h, w).

    Args:
        probability: (K, n). body: (K,) where each of the K keypoints is among the B that are drawn; the neck is the middle of the
            shoulders. limbs: (L, 2) of the B.
        longest: places along a limb at most.
    """
    keypoints = len(body) + 1
    own, hints = np.zeros((keypoints, height, width), np.float32), np.zeros((keypoints, height, width), np.float32)
    along = np.zeros((len(limbs), 2, height, width), np.float32)
    cover = np.zeros((len(limbs), height, width), np.float32)
    place = np.zeros((keypoints, 2), np.float32)
    who = voters(probability, threshold, most)
    for v in range(len(who)):
        kind, cell = who[v]
        weight = probability[kind, cell]
        found = follow(kind, cell, offsets, forward, backward, columns, edges, coarse, refine_steps)
        for k in range(len(body)):
            for axis in range(2):
                place[body[k], axis] = (found[k, axis] + 0.5) / stride - 0.5
        for axis in range(2):
            place[neck, axis] = (place[body[shoulders[0]], axis] + place[body[shoulders[1]], axis]) / 2
        seen = body[kind]
        put(own[seen], place[seen, 0], place[seen, 1], weight)
        for limb in range(len(limbs)):
            a, b = limbs[limb, 0], limbs[limb, 1]
            if seen not in (a, b):
                continue
            other = b if seen == a else a
            put(hints[other], place[other, 0], place[other, 1], weight)
            dy, dx = place[b, 0] - place[a, 0], place[b, 1] - place[a, 1]
            length = max(math.sqrt(dy * dy + dx * dx), 1e-3)
            count = min(max(math.ceil(length), 2), longest)
            each = weight * max(length, 1.0) / count  # one vote a cell of the way
            for i in range(count):
                share = (i + 0.5) / count
                y, x = place[a, 0] + share * dy, place[a, 1] + share * dx
                put(along[limb, 0], y, x, each * dx / length)
                put(along[limb, 1], y, x, each * dy / length)
                put(cover[limb], y, x, each)
    return own, hints, along, cover
