"""RoI Align's compiled loops."""

import numpy as np
from numba import njit

from cvcore.ops.roi.blocks import LANES, Floats, Integers, Plan, pack, transposed, unpack


@njit(cache=True, nogil=True)
def merged(cell: Integers, weight: Floats) -> tuple[Integers, Integers, Floats]:
    """The cells of each bin of one axis, each once, with the sum of its weights over the bin's sampling points.

    Args:
        cell, weight: (bins, points, 2).

    Returns:
        start: (bins + 1,) into cells (M,) and weights (M,). Each bin's number of cells is even, the last one with weight 0
        if need be, so that they can be taken two by two.
    """
    bins, points, _ = cell.shape
    start = np.zeros(bins + 1, np.int64)
    cells = np.empty(bins * (points * 2 + 1), np.int64)
    weights = np.empty(bins * (points * 2 + 1), weight.dtype)
    used = 0
    for b in range(bins):
        for p in range(points):
            for side in range(2):
                if weight[b, p, side] == 0:
                    continue
                at = used
                for back in range(max(start[b], used - 2), used):  # points come in order: it is one of the last two
                    if cells[back] == cell[b, p, side]:
                        at = back
                if at == used:
                    cells[used], weights[used] = cell[b, p, side], 0
                    used += 1
                weights[at] += weight[b, p, side]
        if (used - start[b]) % 2:
            cells[used], weights[used] = cells[used - 1], 0
            used += 1
        start[b + 1] = used
    return start, cells[:used].copy(), weights[:used].copy()


@njit(cache=True, nogil=True, fastmath={"contract"})
def average(
    features: Floats,
    plan: Plan,
    y: tuple[Integers, Integers, Floats],
    x: tuple[Integers, Integers, Floats],
    out: Floats,
    block: Floats,
    first: int,
    stop: int,
) -> None:
    """out[k, c, p, q] = sum of wy wx features[c, y, x] over the cells of the bin, for the blocks [first, stop) of channels.

    Args:
        features: (N, C, H, W). y, x: :func:`merged`, bin b of RoI k at k bins + b. out: (K, C, P, Q).
        block: (plan.cells, LANES) to work in.
    """
    y_start, y_cell, y_weight = y
    x_start, x_cell, x_weight = x
    K, C, P, Q = out.shape
    bins = out.reshape(K, C, P * Q)
    tile = np.empty((P * Q, LANES), features.dtype)
    for image in range(len(features)):
        window = plan.windows[image]
        top, left, width = window[0], window[1], window[3]
        for b in range(first, stop):
            channel = b * LANES
            lanes = min(LANES, C - channel)
            pack(features, image, channel, lanes, window, block)
            for index in range(plan.start[image], plan.start[image + 1]):
                k = plan.rois[index]
                for p in range(P):
                    for q in range(Q):
                        o = p * Q + q
                        for c in range(lanes):
                            tile[o, c] = 0
                        for i in range(y_start[k * P + p], y_start[k * P + p + 1], 2):
                            row_0, row_1 = (y_cell[i] - top) * width - left, (y_cell[i + 1] - top) * width - left
                            wy_0, wy_1 = y_weight[i], y_weight[i + 1]
                            for j in range(x_start[k * Q + q], x_start[k * Q + q + 1], 2):
                                x_0, x_1, wx_0, wx_1 = x_cell[j], x_cell[j + 1], x_weight[j], x_weight[j + 1]
                                w_00, w_01, w_10, w_11 = wy_0 * wx_0, wy_0 * wx_1, wy_1 * wx_0, wy_1 * wx_1
                                for c in range(lanes):
                                    tile[o, c] += (
                                        w_00 * block[row_0 + x_0, c]
                                        + w_01 * block[row_0 + x_1, c]
                                        + w_10 * block[row_1 + x_0, c]
                                        + w_11 * block[row_1 + x_1, c]
                                    )
                transposed(tile, lanes, bins[k, channel : channel + lanes])


@njit(cache=True, nogil=True, fastmath={"contract"})
def average_backward(
    grad_out: Floats,
    plan: Plan,
    y: tuple[Integers, Integers, Floats],
    x: tuple[Integers, Integers, Floats],
    grad: Floats,
    block: Floats,
    first: int,
    stop: int,
) -> None:
    """The transposed map: grad[c, y, x] = sum of wy wx grad_out[k, c, p, q] over the bins that the cell went into."""
    y_start, y_cell, y_weight = y
    x_start, x_cell, x_weight = x
    _, C, P, Q = grad_out.shape
    tile = np.empty((P * Q, LANES), grad.dtype)
    for image in range(len(grad)):
        window = plan.windows[image]
        top, left, width = window[0], window[1], window[3]
        for b in range(first, stop):
            channel = b * LANES
            lanes = min(LANES, C - channel)
            block[: window[2] * width] = 0
            for index in range(plan.start[image], plan.start[image + 1]):
                k = plan.rois[index]
                for c in range(lanes):
                    for p in range(P):
                        for q in range(Q):
                            tile[p * Q + q, c] = grad_out[k, channel + c, p, q]
                for p in range(P):
                    for q in range(Q):
                        for i in range(y_start[k * P + p], y_start[k * P + p + 1]):
                            row = (y_cell[i] - top) * width - left
                            for j in range(x_start[k * Q + q], x_start[k * Q + q + 1]):
                                w = y_weight[i] * x_weight[j]
                                if w == 0:
                                    continue
                                at = row + x_cell[j]
                                for c in range(lanes):
                                    block[at, c] += w * tile[p * Q + q, c]
            unpack(block, image, channel, lanes, window, grad)


@njit(cache=True, nogil=True, fastmath={"contract"})
def maximum(
    features: Floats,
    plan: Plan,
    count: Integers,
    y_cell: Integers,
    y_weight: Floats,
    x_cell: Integers,
    x_weight: Floats,
    out: Floats,
    argmax: Integers,
    block: Floats,
    first: int,
    stop: int,
) -> None:
    """The largest sampled value of each bin, and the number of its sampling point, row by row; 0 and -1 without points.

    Args:
        features: (N, C, H, W). count: (K, 2) points a bin along y and x.
        y_cell, y_weight, x_cell, x_weight: (K, bins, points, 2). out: (K, C, P, Q). argmax: (K, C, P, Q) int32.
    """
    _, C, P, Q = out.shape
    best = np.empty(LANES, features.dtype)
    value = np.empty(LANES, features.dtype)
    which = np.empty(LANES, np.int32)
    for image in range(len(features)):
        window = plan.windows[image]
        top, left, width = window[0], window[1], window[3]
        for b in range(first, stop):
            channel = b * LANES
            lanes = min(LANES, C - channel)
            pack(features, image, channel, lanes, window, block)
            for index in range(plan.start[image], plan.start[image + 1]):
                k = plan.rois[index]
                points = count[k, 0] * count[k, 1]
                for p in range(P):
                    for q in range(Q):
                        for c in range(lanes):
                            best[c] = -np.inf if points else 0
                            which[c] = -1
                        for i in range(count[k, 0]):
                            for j in range(count[k, 1]):
                                for c in range(lanes):
                                    value[c] = 0
                                for corner in range(4):
                                    wy, wx = y_weight[k, p, i, corner >> 1], x_weight[k, q, j, corner & 1]
                                    w = wy * wx
                                    if w == 0:
                                        continue
                                    row = (y_cell[k, p, i, corner >> 1] - top) * width
                                    at = row + x_cell[k, q, j, corner & 1] - left
                                    for c in range(lanes):
                                        value[c] += w * block[at, c]
                                number = np.int32(i * count[k, 1] + j)
                                for c in range(lanes):
                                    better = value[c] > best[c]
                                    best[c] = value[c] if better else best[c]
                                    which[c] = number if better else which[c]
                        for c in range(lanes):
                            out[k, channel + c, p, q] = best[c]
                            argmax[k, channel + c, p, q] = which[c]


@njit(cache=True, nogil=True, fastmath={"contract"})
def maximum_backward(
    grad_out: Floats,
    argmax: Integers,
    plan: Plan,
    count: Integers,
    y_cell: Integers,
    y_weight: Floats,
    x_cell: Integers,
    x_weight: Floats,
    grad: Floats,
    block: Floats,
    first: int,
    stop: int,
) -> None:
    """Each gradient to the four cells of the sampling point that was the largest."""
    _, C, P, Q = grad_out.shape
    for image in range(len(grad)):
        window = plan.windows[image]
        top, left, width = window[0], window[1], window[3]
        for b in range(first, stop):
            channel = b * LANES
            lanes = min(LANES, C - channel)
            block[: window[2] * width] = 0
            for index in range(plan.start[image], plan.start[image + 1]):
                k = plan.rois[index]
                for c in range(lanes):
                    for p in range(P):
                        for q in range(Q):
                            number = argmax[k, channel + c, p, q]
                            if number < 0:
                                continue
                            i, j = number // count[k, 1], number % count[k, 1]
                            for corner in range(4):
                                w = y_weight[k, p, i, corner >> 1] * x_weight[k, q, j, corner & 1]
                                if w == 0:
                                    continue
                                row = (y_cell[k, p, i, corner >> 1] - top) * width
                                at = row + x_cell[k, q, j, corner & 1] - left
                                block[at, c] += w * grad_out[k, channel + c, p, q]
            unpack(block, image, channel, lanes, window, grad)
