"""The compiled loop that completes people; the decision it makes is described at ``Thresholds.weak_threshold``.

The assembly asks every peak and every limb to be sure by itself. Once there is a person, less will do. This is not in Cao et al.;
PoseNet's decoding follows its displacements to a keypoint in the same way, however weak it is.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cvcore.ops.paf.loops import Floats, Ints, grown, local_maxima, vector_at

REACH = 0.75
"""How far from the known end, in longer sides of the box of what is known of the person."""
TAKEN = 1.5
"""In cells: nearer to another person's keypoint of the same kind, a peak is that person's."""


@njit(cache=True, nogil=True, error_model="numpy")
def along(field: Floats, start: Floats, end: Floats, samples: int) -> float:
    """The line integral of a field (h, w, 2) from start to end, as ``score_pairs`` takes it."""
    ax, ay = np.float64(start[0]), np.float64(start[1])
    dx, dy = end[0] - ax, end[1] - ay
    length = math.sqrt(dx * dx + dy * dy)
    if not length > 0:
        return 0.0
    total = 0.0
    for s in range(samples):
        step = s / (samples - 1)
        vx, vy = vector_at(field, ax + dx * step, ay + dy * step)
        total += (vx * dx + vy * dy) / length
    return total / samples


@njit(cache=True, nogil=True, error_model="numpy")
def distance(a: Floats, b: Floats) -> float:
    return math.hypot(np.float64(a[0]) - b[0], np.float64(a[1]) - b[1])


@njit(cache=True, nogil=True, error_model="numpy")
def reach_of(person: Floats) -> float:
    """(K, 3) -> how far its missing keypoints are looked for, in cells."""
    reach = 0.0
    for side in range(2):
        low, high = np.inf, -np.inf
        for k in range(len(person)):
            if person[k, 2] > 0:
                low, high = min(low, person[k, side]), max(high, person[k, side])
        reach = max(reach, REACH * (high - low))
    return reach


@njit(cache=True, nogil=True, error_model="numpy")
def free_for(people: Floats, p: int, k: int, place: Floats) -> bool:
    """Nobody but person p has keypoint k at this place."""
    free = True
    for q in range(len(people)):
        if q != p and people[q, k, 2] > 0:
            free &= distance(people[q, k], place) > TAKEN
    return free


@njit(cache=True, nogil=True, error_model="numpy")
def completed(
    people: Floats,
    maps: Floats,
    fields: Floats,
    limbs: Ints,
    redundant: NDArray[np.bool_],
    threshold: float,
    limit: int,
    samples: int,
) -> tuple[Floats, Ints, Floats]:
    """People (P, K, 3) and what was added: steps (F, 4) person, keypoint, limb, other end of it; integrals (F,).

    Args:
        people: (P, K, 3), best first. maps: (K + 1, h, w). fields: (L, h, w, 2).
        threshold, limit: of the weak peaks. samples: points along a limb.
    """
    out = people.copy()
    steps, integrals = np.empty((64, 4), np.int64), np.empty(64, np.float32)
    size = 0
    xy, values, _, starts, _ = local_maxima(maps, out.shape[1], threshold, limit, True)
    for p in range(len(out)):
        reach = reach_of(people[p])
        more = True
        while more:
            more = False
            for limb in range(len(limbs)):
                a, b = limbs[limb, 0], limbs[limb, 1]
                if redundant[limb] or (out[p, a, 2] > 0) == (out[p, b, 2] > 0):
                    continue
                known, k = (a, b) if out[p, a, 2] > 0 else (b, a)
                here = out[p, known]
                best, chosen, found = -np.inf, -1, 0.0
                for i in range(starts[k], starts[k + 1]):
                    if not distance(here, xy[i]) <= reach or not values[i] > 0 or not free_for(out, p, k, xy[i]):
                        continue
                    start, end = (here, xy[i]) if known == a else (xy[i], here)
                    integral = along(fields[limb], start, end, samples)
                    if integral > 0 and integral + values[i] > best:
                        best, chosen, found = integral + values[i], i, integral
                if chosen < 0:
                    continue
                out[p, k, 0], out[p, k, 1], out[p, k, 2] = xy[chosen, 0], xy[chosen, 1], values[chosen]
                if size == len(steps):
                    steps, integrals = grown(steps, size), grown(integrals, size)
                steps[size, 0], steps[size, 1], steps[size, 2], steps[size, 3] = p, k, limb, known
                integrals[size] = found
                size += 1
                more = True
    return out, steps[:size].copy(), integrals[:size].copy()
