"""The compiled loops of the decoding. Each does the plain and the traced job, so that the two cannot differ."""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cvcore.ops.paf.skeleton import Skeleton  # noqa: F401  (its file drops stale copies of these loops)

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

LARGEST = np.float32(1e6)
"""Values are brought to this magnitude at most, so that sums and differences of infinite ones stay numbers."""
FLOOR = 0.01
"""For the logarithm, a neighbour is at least this part of its peak."""


@njit(cache=True, nogil=True, error_model="numpy")
def grown(rows: Any, size: int) -> Any:
    """A copy with room for twice as many, of which the first ``size`` are kept."""
    out = np.empty((2 * size + 64, *rows.shape[1:]), rows.dtype)
    out[:size] = rows[:size]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def by_score(scores: Floats) -> Ints:
    """Numbers of the scores from the highest to the lowest, of equal ones the first first."""
    return np.argsort(-scores, kind="mergesort")


@njit(cache=True, nogil=True, error_model="numpy")
def finite_maps(maps: Floats) -> tuple[bool, Floats]:
    """(whether there is a NaN, the maps with infinite and huge values brought to +-:data:`LARGEST`)."""
    flat = maps.reshape(-1)
    out = np.empty_like(flat)
    bad = False
    for i in range(len(flat)):
        value = flat[i]
        bad |= value != value
        out[i] = min(max(value, -LARGEST), LARGEST)
    return bad, out.reshape(maps.shape)


@njit(cache=True, nogil=True, error_model="numpy")
def interleaved(pafs: Floats, channels: Ints) -> Floats:
    """(2 L, h, w) -> (L, h, w, 2): x and y side by side."""
    limbs, height, width = len(channels), pafs.shape[1], pafs.shape[2]
    out = np.empty((limbs, height, width, 2), np.float32)
    for limb in range(limbs):
        for side in range(2):
            channel = channels[limb, side]
            for row in range(height):
                for column in range(width):
                    out[limb, row, column, side] = pafs[channel, row, column]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def shift(before: float, centre: float, after: float) -> float:
    """Where between -1/2 and 1/2 the top lies of a parabola through the logarithms of three values (exact for a Gaussian)."""
    if not centre > 0:
        return 0.0
    left, right = math.log(max(before / centre, FLOOR)), math.log(max(after / centre, FLOOR))
    bend = left + right
    if bend >= 0:
        return 0.0
    return min(max((left - right) / (2 * bend), -0.5), 0.5)


@njit(cache=True, nogil=True, error_model="numpy")
def local_maxima(
    maps: Floats, keypoints: int, threshold: float, limit: int, sub_pixel: bool
) -> tuple[Floats, Floats, Ints, Ints, Ints]:
    """See ``find_peaks``. Returns xy (N, 2), scores (N,), cells (N, 2), starts (K + 1,), found (K,)."""
    height, width = maps.shape[1], maps.shape[2]
    cells = np.empty((256, 2), np.int64)
    scores = np.empty(256, np.float32)
    starts, found = np.zeros(keypoints + 1, np.int64), np.zeros(keypoints, np.int64)
    size = 0
    for k in range(keypoints):
        plane = maps[k]
        first = size
        for y in range(height):
            for x in range(width):
                value = plane[y, x]
                if not value > threshold:
                    continue
                top = True
                # of equal neighbours the one that comes first in the order of reading is the peak
                if (x > 0 and not value > plane[y, x - 1]) or (x + 1 < width and value < plane[y, x + 1]):
                    top = False
                elif y > 0:
                    for i in range(max(x - 1, 0), min(x + 2, width)):
                        top &= value > plane[y - 1, i]
                if top and y + 1 < height:
                    for i in range(max(x - 1, 0), min(x + 2, width)):
                        top &= value >= plane[y + 1, i]
                if not top:
                    continue
                if size == len(scores):
                    scores, cells = grown(scores, size), grown(cells, size)
                cells[size, 0], cells[size, 1], scores[size] = x, y, value
                size += 1
        found[k] = size - first
        if found[k] > limit:
            best = np.zeros(size - first, np.bool_)
            best[by_score(scores[first:size])[:limit]] = True
            size = first
            for i in range(len(best)):
                if best[i]:
                    scores[size] = scores[first + i]
                    cells[size, 0], cells[size, 1] = cells[first + i, 0], cells[first + i, 1]
                    size += 1
        starts[k + 1] = size
    xy = np.empty((size, 2), np.float32)
    for k in range(keypoints):
        plane = maps[k]
        for i in range(starts[k], starts[k + 1]):
            x, y = cells[i, 0], cells[i, 1]
            dx = dy = 0.0
            if sub_pixel and 0 < x < width - 1:
                dx = shift(plane[y, x - 1], plane[y, x], plane[y, x + 1])
            if sub_pixel and 0 < y < height - 1:
                dy = shift(plane[y - 1, x], plane[y, x], plane[y + 1, x])
            xy[i, 0], xy[i, 1] = x + dx, y + dy
    return xy, scores[:size].copy(), cells[:size].copy(), starts, found


@njit(cache=True, nogil=True, error_model="numpy")
def vector_at(field: Floats, x: float, y: float) -> tuple[float, float]:
    """A field (h, w, 2) between its cells, bilinear; the place lies on it."""
    x0, y0 = int(x), int(y)  # never below 0
    x1, y1 = min(x0 + 1, field.shape[1] - 1), min(y0 + 1, field.shape[0] - 1)
    fx, fy = x - x0, y - y0
    w00, w01, w10, w11 = (1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy
    vx = w00 * field[y0, x0, 0] + w01 * field[y0, x1, 0] + w10 * field[y1, x0, 0] + w11 * field[y1, x1, 0]
    vy = w00 * field[y0, x0, 1] + w01 * field[y0, x1, 1] + w10 * field[y1, x0, 1] + w11 * field[y1, x1, 1]
    return vx, vy


@njit(cache=True, nogil=True, error_model="numpy")
def line_integrals(
    fields: Floats,
    xy: Floats,
    starts: Ints,
    limbs: Ints,
    samples: int,
    min_dot: float,
    min_agreeing: int,
    traced: bool,
) -> tuple[Ints, Floats, Floats, Floats, NDArray[np.uint8]]:
    """See ``score_pairs``.

    Plain, a pair is left as soon as too many of its points disagree, and pairs that failed are not listed.

    Args:
        fields: (L, h, w, 2).

    Returns:
        ends (C, 3) limb, a, b; numbers (C, 4) length, integral, prior, score; dots (C, S) and vectors (C, S, 2), or (0, S)
        and (0, S, 2) if not traced; failed (C,).
    """
    height = fields.shape[1]
    room = 256
    if traced:
        room = 0
        for limb in range(len(limbs)):
            ka, kb = limbs[limb, 0], limbs[limb, 1]
            room += (starts[ka + 1] - starts[ka]) * (starts[kb + 1] - starts[kb])
    ends, numbers = np.empty((room, 3), np.int64), np.empty((room, 4), np.float32)
    failed = np.zeros(room, np.uint8)
    dots = np.empty((room if traced else 0, samples), np.float32)
    vectors = np.empty((room if traced else 0, samples, 2), np.float32)
    size = 0
    for limb in range(len(limbs)):
        field = fields[limb]
        ka, kb = limbs[limb, 0], limbs[limb, 1]
        for a in range(starts[ka], starts[ka + 1]):
            ax, ay = np.float64(xy[a, 0]), np.float64(xy[a, 1])
            for b in range(starts[kb], starts[kb + 1]):
                dx, dy = np.float64(xy[b, 0]) - ax, np.float64(xy[b, 1]) - ay
                length = math.sqrt(dx * dx + dy * dy)
                ux, uy = (dx / length, dy / length) if length > 0 else (0.0, 0.0)
                total = 0.0
                agreeing = 0
                for s in range(samples):
                    step = s / (samples - 1)
                    px, py = ax + dx * step, ay + dy * step
                    vx, vy = vector_at(field, px, py)
                    dot = vx * ux + vy * uy
                    total += dot
                    agreeing += dot > min_dot
                    if traced:
                        dots[size, s], vectors[size, s, 0], vectors[size, s, 1] = dot, vx, vy
                    elif agreeing + samples - 1 - s < min_agreeing:
                        break
                integral = total / samples
                prior = min(0.5 * height / length - 1, 0.0) if length > 0 else 0.0
                score = np.float32(integral + prior)
                verdict = (1 if agreeing < min_agreeing else 0) | (0 if score > 0 else 2)
                if verdict != 0 and not traced:
                    continue
                if size == len(ends):
                    ends, numbers, failed = grown(ends, size), grown(numbers, size), grown(failed, size)
                ends[size, 0], ends[size, 1], ends[size, 2] = limb, a, b
                numbers[size, 0], numbers[size, 1] = length, integral
                numbers[size, 2], numbers[size, 3] = prior, score
                failed[size] = verdict
                size += 1
    return ends[:size].copy(), numbers[:size].copy(), dots, vectors, failed[:size].copy()


@njit(cache=True, nogil=True, error_model="numpy")
def greedy_matching(ends: Ints, scores: Floats, peaks: int) -> tuple[Ints, Ints]:
    """See ``match_limbs``. ends (M, 3) limb, a, b, by limb. Returns order (M,) and, for each in that order, by whom it was
    blocked, both as numbers of rows of ``ends``."""
    order, blocked = np.empty(len(ends), np.int64), np.full(len(ends), -1, np.int64)
    taken = np.full(peaks, -1, np.int64)  # a limb's two ends are peaks of different keypoints: one list does
    first = 0
    while first < len(ends):
        last = first
        while last < len(ends) and ends[last, 0] == ends[first, 0]:
            taken[ends[last, 1]] = taken[ends[last, 2]] = -1
            last += 1
        ranking = by_score(scores[first:last])
        for i in range(last - first):
            row = first + ranking[i]
            a, b = ends[row, 1], ends[row, 2]
            order[first + i] = row
            if taken[a] >= 0 or taken[b] >= 0:
                blocked[first + i] = taken[a] if taken[a] >= 0 else taken[b]
            else:
                taken[a] = taken[b] = row
        first = last
    return order, blocked


@njit(cache=True, nogil=True, error_model="numpy")
def growing(
    ends: Ints, limb_scores: Floats, peak_scores: Floats, limbs: Ints, redundant: NDArray[np.bool_], keypoints: int
) -> tuple[Ints, Ints, Floats]:
    """See ``assemble``. Returns steps (E, 3) action, body, other; bodies (Q, K); scores (Q,) 0 for one that was merged."""
    steps = np.full((len(ends), 3), -1, np.int64)
    bodies = np.full((len(ends), keypoints), -1, np.int64)
    sums = np.zeros(len(ends), np.float64)
    owner = np.full(len(peak_scores), -1, np.int64)
    size = 0
    for e in range(len(ends)):
        limb, a, b = ends[e, 0], ends[e, 1], ends[e, 2]
        ka, kb = limbs[limb, 0], limbs[limb, 1]
        p, q = owner[a], owner[b]
        if p < 0 and q < 0:
            if redundant[limb]:
                steps[e, 0] = 5
                continue
            action, p = 0, size
            bodies[p, ka], bodies[p, kb] = a, b
            owner[a] = owner[b] = p
            sums[p] = np.float64(peak_scores[a]) + peak_scores[b]
            size += 1
        elif p == q:
            action = 2
        elif q < 0 or p < 0:
            free, k = (b, kb) if q < 0 else (a, ka)
            p = max(p, q)
            if bodies[p, k] >= 0:
                steps[e, 0], steps[e, 1] = 4, p
                continue
            action = 1
            bodies[p, k] = free
            owner[free] = p
            sums[p] += peak_scores[free]
        else:
            clash = False
            for k in range(keypoints):
                clash |= bodies[p, k] >= 0 and bodies[q, k] >= 0
            if clash:
                steps[e, 0], steps[e, 1], steps[e, 2] = 4, p, q
                continue
            action = 3
            for k in range(keypoints):
                if bodies[q, k] >= 0:
                    bodies[p, k] = bodies[q, k]
                    owner[bodies[q, k]] = p
                    bodies[q, k] = -1
            sums[p] += sums[q]
            sums[q] = 0.0
            steps[e, 2] = q
        steps[e, 0], steps[e, 1] = action, p
        sums[p] += limb_scores[e]
    scores = np.zeros(size, np.float32)
    for p in range(size):
        count = 0
        for k in range(keypoints):
            count += bodies[p, k] >= 0
        scores[p] = sums[p] / max(count, 1)
    return steps, bodies[:size].copy(), scores


@njit(cache=True, nogil=True, error_model="numpy")
def selected(
    bodies: Ints, scores: Floats, xy: Floats, peak_scores: Floats, min_keypoints: int, min_score: float
) -> tuple[Ints, Ints, Floats]:
    """Verdict (Q,), kept (P,) best first, people (P, K, 3)."""
    verdict = np.zeros(len(bodies), np.int64)
    kept = 0
    for p in range(len(bodies)):
        count = 0
        for k in range(bodies.shape[1]):
            count += bodies[p, k] >= 0
        if count == 0:
            verdict[p] = 1
        elif count < min_keypoints:
            verdict[p] = 2
        elif not scores[p] >= min_score:
            verdict[p] = 3
        else:
            kept += 1
    order = by_score(scores)
    chosen, people = np.empty(kept, np.int64), np.zeros((kept, bodies.shape[1], 3), np.float32)
    at = 0
    for p in order:
        if verdict[p] != 0:
            continue
        chosen[at] = p
        for k in range(bodies.shape[1]):
            peak = bodies[p, k]
            if peak >= 0:
                people[at, k, 0], people[at, k, 1], people[at, k, 2] = xy[peak, 0], xy[peak, 1], peak_scores[peak]
        at += 1
    return verdict, chosen, people
