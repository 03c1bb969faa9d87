"""RoI Align's compiled loops."""

import numpy as np
from numba import njit

from cvcore.ops.layout import Flags, Floats, block_to_rows, rows_to_block
from cvcore.ops.roi.blocks import Integers, Plan, pack, unpack
from cvcore.ops.threads import Turns, take
from cvcore.ops.vectors import LANES, load, multiplied_in, store, zeros_like


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


@njit(cache=True, nogil=True)
def average(
    features: Floats,
    plan: Plan,
    y: tuple[Integers, Integers, Floats],
    x: tuple[Integers, Integers, Floats],
    out: Floats,
    block: Floats,
    turns: Turns,
    bad: Flags,
) -> None:
    """out[k, c, p, q] = sum of wy wx features[c, y, x] over the cells of the bin.

    Args:
        features: (N, C, H, W). y, x: :func:`merged`, bin b of RoI k at k bins + b. out: (K, C, P, Q).
        block: (plan.cells, LANES) to work in. turns: see :func:`take`. bad: (1,) becomes true for features that are not finite.
    """
    y_start, y_cell, y_weight = y
    x_start, x_cell, x_weight = x
    _, C, P, Q = out.shape
    cells, bins = block.reshape(-1), out.reshape(-1)
    tile = np.empty(P * Q * LANES, features.dtype)
    blocks = (C + LANES - 1) // LANES
    piece = take(turns)
    while piece < len(features) * blocks:
        image, channel = piece // blocks, piece % blocks * LANES
        window = plan.windows[image]
        top, left, width = window[0], window[1], window[3]
        lanes = min(LANES, C - channel)
        if not pack(features, image, channel, lanes, window, block):
            bad[0] = True
        for index in range(plan.start[image], plan.start[image + 1]):
            k = plan.rois[index]
            for p in range(P):
                for q in range(Q):
                    # two sums, so that one addition need not wait for the one before
                    even, odd = zeros_like(features), zeros_like(features)
                    for i in range(y_start[k * P + p], y_start[k * P + p + 1], 2):
                        row_0, row_1 = (y_cell[i] - top) * width - left, (y_cell[i + 1] - top) * width - left
                        wy_0, wy_1 = y_weight[i], y_weight[i + 1]
                        for j in range(x_start[k * Q + q], x_start[k * Q + q + 1], 2):
                            x_0, x_1, wx_0, wx_1 = x_cell[j], x_cell[j + 1], x_weight[j], x_weight[j + 1]
                            even = multiplied_in(even, wy_0 * wx_0, load(cells, (row_0 + x_0) * LANES))
                            odd = multiplied_in(odd, wy_0 * wx_1, load(cells, (row_0 + x_1) * LANES))
                            even = multiplied_in(even, wy_1 * wx_0, load(cells, (row_1 + x_0) * LANES))
                            odd = multiplied_in(odd, wy_1 * wx_1, load(cells, (row_1 + x_1) * LANES))
                    store(tile, (p * Q + q) * LANES, multiplied_in(even, features.dtype.type(1), odd))
            block_to_rows(tile, 0, LANES, bins, (k * C + channel) * P * Q, P * Q, P * Q, lanes)
        piece = take(turns)


@njit(cache=True, nogil=True)
def average_backward(
    grad_out: Floats,
    plan: Plan,
    y: tuple[Integers, Integers, Floats],
    x: tuple[Integers, Integers, Floats],
    grad: Floats,
    block: Floats,
    turns: Turns,
) -> None:
    """The transposed map: grad[c, y, x] = sum of wy wx grad_out[k, c, p, q] over the bins that the cell went into."""
    y_start, y_cell, y_weight = y
    x_start, x_cell, x_weight = x
    _, C, P, Q = grad_out.shape
    cells, bins = block.reshape(-1), grad_out.reshape(-1)
    tile = np.empty(P * Q * LANES, grad.dtype)
    blocks = (C + LANES - 1) // LANES
    piece = take(turns)
    while piece < len(grad) * blocks:
        image, channel = piece // blocks, piece % blocks * LANES
        window = plan.windows[image]
        top, left, width = window[0], window[1], window[3]
        lanes = min(LANES, C - channel)
        block[: window[2] * width] = 0
        for index in range(plan.start[image], plan.start[image + 1]):
            k = plan.rois[index]
            rows_to_block(bins, (k * C + channel) * P * Q, P * Q, P * Q, lanes, tile, 0, LANES)
            for p in range(P):
                for q in range(Q):
                    value = load(tile, (p * Q + q) * LANES)
                    for i in range(y_start[k * P + p], y_start[k * P + p + 1]):
                        row = (y_cell[i] - top) * width - left
                        for j in range(x_start[k * Q + q], x_start[k * Q + q + 1]):
                            w = y_weight[i] * x_weight[j]
                            if w == 0:
                                continue
                            at = (row + x_cell[j]) * LANES
                            store(cells, at, multiplied_in(load(cells, at), w, value))
        unpack(block, image, channel, lanes, window, grad)
        piece = take(turns)


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
    turns: Turns,
    bad: Flags,
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
    blocks = (C + LANES - 1) // LANES
    piece = take(turns)
    while piece < len(features) * blocks:
        image, channel = piece // blocks, piece % blocks * LANES
        window = plan.windows[image]
        top, left, width = window[0], window[1], window[3]
        lanes = min(LANES, C - channel)
        if not pack(features, image, channel, lanes, window, block):
            bad[0] = True
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
        piece = take(turns)


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
    turns: Turns,
) -> None:
    """Each gradient to the four cells of the sampling point that was the largest."""
    _, C, P, Q = grad_out.shape
    blocks = (C + LANES - 1) // LANES
    piece = take(turns)
    while piece < len(grad) * blocks:
        image, channel = piece // blocks, piece % blocks * LANES
        window = plan.windows[image]
        top, left, width = window[0], window[1], window[3]
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
        piece = take(turns)
