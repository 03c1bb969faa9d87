"""RoI Pool's compiled loops."""

import numpy as np
from numba import njit

from cvcore.ops.layout import Flags, Floats, block_to_rows
from cvcore.ops.roi.blocks import Integers, Plan, pack, transposed
from cvcore.ops.threads import Turns, take
from cvcore.ops.vectors import LANES


@njit(cache=True, nogil=True)
def largest(
    features: Floats,
    plan: Plan,
    y_first: Integers,
    y_stop: Integers,
    x_first: Integers,
    x_stop: Integers,
    out: Floats,
    block: Floats,
    turns: Turns,
    bad: Flags,
) -> None:
    """The largest value of each bin; 0 for an empty bin. Arguments as :func:`pooled`."""
    _, C, P, Q = out.shape
    bins = out.reshape(-1)
    flat = block.reshape(-1)
    column_best = np.empty(features.shape[3] * LANES, features.dtype)  # of the bin's rows, for each column and channel
    columns_best = column_best.reshape(features.shape[3], LANES)
    best = np.empty((P * Q, LANES), features.dtype)
    flat_best = best.reshape(-1)
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
            start, run = x_first[k, 0], (x_stop[k, Q - 1] - x_first[k, 0]) * LANES
            for p in range(P):
                for y in range(y_first[k, p], y_stop[k, p]):
                    at = ((y - top) * width + start - left) * LANES
                    row = flat[at : at + run]
                    if y == y_first[k, p]:
                        for c in range(run):
                            column_best[c] = row[c]
                    else:
                        for c in range(run):
                            column_best[c] = row[c] if row[c] > column_best[c] else column_best[c]
                for q in range(Q):
                    o = p * Q + q
                    empty = y_first[k, p] >= y_stop[k, p] or x_first[k, q] >= x_stop[k, q]
                    for c in range(lanes):
                        best[o, c] = 0 if empty else columns_best[x_first[k, q] - start, c]
                    if empty:
                        continue
                    for x in range(x_first[k, q] + 1 - start, x_stop[k, q] - start):
                        for c in range(lanes):
                            value = columns_best[x, c]
                            best[o, c] = value if value > best[o, c] else best[o, c]
            block_to_rows(flat_best, 0, LANES, bins, (k * C + channel) * P * Q, P * Q, P * Q, lanes)
        piece = take(turns)


@njit(cache=True, nogil=True)
def pooled(
    features: Floats,
    plan: Plan,
    y_first: Integers,
    y_stop: Integers,
    x_first: Integers,
    x_stop: Integers,
    out: Floats,
    argmax: Integers,
    block: Floats,
    turns: Turns,
    bad: Flags,
) -> None:
    """The largest value of each bin and its cell, y W + x; 0 and -1 for an empty bin.

    Args:
        features: (N, C, H, W). y_first, y_stop: (K, P). x_first, x_stop: (K, Q). out, argmax: (K, C, P, Q), int32.
        block: (plan.cells, LANES) to work in. turns, bad: see ``average`` in align_loops.
    """
    K, C, P, Q = out.shape
    bins, places = out.reshape(-1), argmax.reshape(K, C, P * Q)
    W = features.shape[3]
    flat = block.reshape(-1)
    column_best = np.empty(W * LANES, features.dtype)  # of the bin's rows, for each column and channel
    column_row = np.empty(W * LANES, np.int32)
    columns_best, columns_row = column_best.reshape(W, LANES), column_row.reshape(W, LANES)
    best = np.empty((P * Q, LANES), features.dtype)
    flat_best = best.reshape(-1)
    which = np.empty((P * Q, LANES), np.int32)
    from_row = np.empty(LANES, np.int32)
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
            start, run = x_first[k, 0], (x_stop[k, Q - 1] - x_first[k, 0]) * LANES
            for p in range(P):
                for y in range(y_first[k, p], y_stop[k, p]):
                    at = ((y - top) * width + start - left) * LANES
                    row = flat[at : at + run]
                    if y == y_first[k, p]:
                        for c in range(run):
                            column_best[c], column_row[c] = row[c], y
                        continue
                    here = np.int32(y)
                    for c in range(run):
                        better = row[c] > column_best[c]
                        column_best[c] = row[c] if better else column_best[c]
                        column_row[c] = here if better else column_row[c]
                for q in range(Q):
                    o = p * Q + q
                    empty = y_first[k, p] >= y_stop[k, p] or x_first[k, q] >= x_stop[k, q]
                    for c in range(lanes):
                        best[o, c] = 0 if empty else -np.inf
                        which[o, c] = -1
                        from_row[c] = W
                    if empty:
                        continue
                    for x in range(x_first[k, q], x_stop[k, q]):
                        column = np.int32(x)
                        for c in range(lanes):
                            value, row_of = columns_best[x - start, c], columns_row[x - start, c]
                            # of equal values the first counts, row by row
                            better = (value > best[o, c]) | ((value == best[o, c]) & (row_of < from_row[c]))
                            best[o, c] = value if better else best[o, c]
                            which[o, c] = column if better else which[o, c]
                            from_row[c] = row_of if better else from_row[c]
                    for c in range(lanes):
                        which[o, c] += from_row[c] * W
            block_to_rows(flat_best, 0, LANES, bins, (k * C + channel) * P * Q, P * Q, P * Q, lanes)
            transposed(which, lanes, places[k, channel : channel + lanes])
        piece = take(turns)


@njit(cache=True, nogil=True)
def pooled_backward(grad_out: Floats, argmax: Integers, plan: Plan, grad: Floats, turns: Turns) -> None:
    """Each gradient to the cell that was the largest. grad: (N, C, H, W) of zeros."""
    _, C, P, Q = grad_out.shape
    W = grad.shape[3]
    piece = take(turns)
    while piece < len(grad) * C:
        image, channel = piece // C, piece % C
        for index in range(plan.start[image], plan.start[image + 1]):
            k = plan.rois[index]
            for p in range(P):
                for q in range(Q):
                    cell = argmax[k, channel, p, q]
                    if cell >= 0:
                        grad[image, channel, cell // W, cell % W] += grad_out[k, channel, p, q]
        piece = take(turns)
