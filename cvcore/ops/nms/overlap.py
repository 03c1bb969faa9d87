"""The overlap that all methods share, compiled.

It is computed in the very order of torchvision's CPU kernel: areas, intersection and quotient in the boxes' own precision, the
comparison with the threshold in float64. So a value that falls on the threshold falls on the same side.

Rows are indexed by element, never sliced: a slice costs two atomic reference counts, more than the overlap itself.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cvcore.ops.compiling import forget_stale

forget_stale(Path(__file__).parent)

Corners = NDArray[np.floating[Any]]
"""(N, 4) xyxy, float32 or float64."""


@njit(cache=True, nogil=True, error_model="numpy")
def area_of(boxes: Corners, i: int) -> float:
    """(x2 - x1) (y2 - y1) in the boxes' precision."""
    return (boxes[i, 2] - boxes[i, 0]) * (boxes[i, 3] - boxes[i, 1])


@njit(cache=True, nogil=True, error_model="numpy")
def iou_of(a: Corners, i: int, b: Corners, j: int, area_a: float, area_b: float) -> float:
    """IoU of a[i] and b[j] in their own precision; 0 where they share no area."""
    w = min(a[i, 2], b[j, 2]) - max(a[i, 0], b[j, 0])
    h = min(a[i, 3], b[j, 3]) - max(a[i, 1], b[j, 1])
    if w > 0 and h > 0:
        intersection = w * h
        return intersection / (area_a + area_b - intersection)
    return area_a * 0


@njit(cache=True, nogil=True, error_model="numpy")
def center_penalty(a: Corners, i: int, b: Corners, j: int, beta: float) -> float:
    """(rho^2 / c^2)^beta in float64: squared distance of centres over squared diagonal of the smallest box around both."""
    ax1, ay1, ax2, ay2 = np.float64(a[i, 0]), np.float64(a[i, 1]), np.float64(a[i, 2]), np.float64(a[i, 3])
    bx1, by1, bx2, by2 = np.float64(b[j, 0]), np.float64(b[j, 1]), np.float64(b[j, 2]), np.float64(b[j, 3])
    dx, dy = 0.5 * ((ax1 + ax2) - (bx1 + bx2)), 0.5 * ((ay1 + ay2) - (by1 + by2))
    cx, cy = max(ax2, bx2) - min(ax1, bx1), max(ay2, by2) - min(ay1, by1)
    diagonal = cx * cx + cy * cy
    if not diagonal > 0:
        return 0.0
    return float(((dx * dx + dy * dy) / diagonal) ** beta)


@njit(cache=True, nogil=True, error_model="numpy")
def solid_area(boxes: Corners, i: int) -> float:
    """The area in float64 of a box that can overlap another at all, else 0: flat, inverted and overflowing boxes cannot."""
    area = area_of(boxes, i)
    if boxes[i, 2] > boxes[i, 0] and boxes[i, 3] > boxes[i, 1] and area > 0 and area < np.inf:
        return (np.float64(boxes[i, 2]) - boxes[i, 0]) * (np.float64(boxes[i, 3]) - boxes[i, 1])
    return 0.0
