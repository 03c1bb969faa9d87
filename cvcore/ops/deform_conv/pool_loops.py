"""The compiled loops of deformable RoI pooling: each bin has its own place, so none is shared, and rows and columns are not apart."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cvcore.ops.layout import Floats, block_to_rows, rows_to_block
from cvcore.ops.threads import Turns, take
from cvcore.ops.vectors import LANES, load, multiplied_in, store, summed, times_in, zeros_like

Integers = NDArray[np.int64]


@njit(cache=True, nogil=True)
def around(position: Any, size: int, like: Floats) -> tuple[int, int, Any, bool]:
    """The cells below and above a position within the map, the part beyond the lower, and whether it moves with the position.

    As RoI Align has it: up to one cell outside a position counts as on the edge. -1, -1 beyond that.
    """
    nothing = like.dtype.type(0)
    if not (position >= -1 and position <= size):
        return -1, -1, nothing, False
    if position <= 0:
        return 0, 0, nothing, False
    if position >= size - 1:
        return size - 1, size - 1, nothing, False
    low = int(position)
    return low, low + 1, position - like.dtype.type(low), True


@njit(cache=True, nogil=True)
def pooled(
    cells: Floats,
    breadth: int,
    height: int,
    width: int,
    image: Integers,
    start: Floats,
    step: Floats,
    count: Integers,
    out: Floats,
    turns: Turns,
) -> None:
    """The mean of each bin's samples; 0 for a bin without one.

    Args:
        cells: (N H W breadth,). image: (K,). start: (K, 2, P, Q) y and x of the first edges of the bins, in cells.
        step: (K, 2) between samples along y and x. count: (K, 2) of them. out: (K, C, P, Q).
    """
    K, C, P, Q = out.shape
    bins = out.reshape(-1)
    tile = np.empty(P * Q * breadth, cells.dtype)
    one, half = cells.dtype.type(1), cells.dtype.type(0.5)
    k = take(turns)
    while k < K:
        tile[:] = 0
        part = one / cells.dtype.type(max(count[k, 0] * count[k, 1], 1))
        for p in range(P):
            for q in range(Q):
                o = (p * Q + q) * breadth
                for i in range(count[k, 0]):
                    y = start[k, 0, p, q] + (cells.dtype.type(i) + half) * step[k, 0]
                    top, bottom, ly, _ = around(y, height, cells)
                    if top < 0:
                        continue
                    upper, lower = (image[k] * height + top) * width, (image[k] * height + bottom) * width
                    for j in range(count[k, 1]):
                        x = start[k, 1, p, q] + (cells.dtype.type(j) + half) * step[k, 1]
                        left, right, lx, _ = around(x, width, cells)
                        if left < 0:
                            continue
                        at_00, at_01 = (upper + left) * breadth, (upper + right) * breadth
                        at_10, at_11 = (lower + left) * breadth, (lower + right) * breadth
                        w_11 = part * ly * lx
                        w_10, w_01 = part * ly - w_11, part * lx - w_11
                        w_00 = part - w_01 - w_10 - w_11
                        for c in range(0, C, LANES):
                            value = multiplied_in(load(tile, o + c), w_00, load(cells, at_00 + c))
                            value = multiplied_in(value, w_01, load(cells, at_01 + c))
                            value = multiplied_in(value, w_10, load(cells, at_10 + c))
                            store(tile, o + c, multiplied_in(value, w_11, load(cells, at_11 + c)))
        for c in range(0, C, LANES):
            block_to_rows(tile, c, breadth, bins, (k * C + c) * P * Q, P * Q, P * Q, min(LANES, C - c))
        k = take(turns)


@njit(cache=True, nogil=True)
def pooled_backward(
    cells: Floats,
    breadth: int,
    height: int,
    width: int,
    image: Integers,
    start: Floats,
    step: Floats,
    count: Integers,
    grad_out: Floats,
    parts: int,
    grad_cells: Floats,
    grad_start: Floats,
    turns: Turns,
) -> None:
    """The way back to cells and to where the bins start. Each part of the RoIs adds to cells of its own, so that sums have one order.

    Args:
        grad_out: (K, C, P, Q). grad_cells: (parts N H W breadth,) of zeros. grad_start: as start.
    """
    K, C, P, Q = grad_out.shape
    bins = grad_out.reshape(-1)
    tile = np.empty(P * Q * breadth, cells.dtype)
    one, half = cells.dtype.type(1), cells.dtype.type(0.5)
    nothing = cells.dtype.type(0)
    turn = take(turns)
    while turn < parts:
        own = turn * len(cells)
        for k in range(K * turn // parts, K * (turn + 1) // parts):
            for c in range(0, C, LANES):
                rows_to_block(bins, (k * C + c) * P * Q, P * Q, P * Q, min(LANES, C - c), tile, c, breadth)
            part = one / cells.dtype.type(max(count[k, 0] * count[k, 1], 1))
            for p in range(P):
                for q in range(Q):
                    o = (p * Q + q) * breadth
                    of_y, of_x = nothing, nothing
                    for i in range(count[k, 0]):
                        y = start[k, 0, p, q] + (cells.dtype.type(i) + half) * step[k, 0]
                        top, bottom, ly, y_moves = around(y, height, cells)
                        if top < 0:
                            continue
                        upper, lower = (image[k] * height + top) * width, (image[k] * height + bottom) * width
                        for j in range(count[k, 1]):
                            x = start[k, 1, p, q] + (cells.dtype.type(j) + half) * step[k, 1]
                            left, right, lx, x_moves = around(x, width, cells)
                            if left < 0:
                                continue
                            at_00, at_01 = (upper + left) * breadth, (upper + right) * breadth
                            at_10, at_11 = (lower + left) * breadth, (lower + right) * breadth
                            hy, hx = one - ly, one - lx
                            w_00, w_01, w_10, w_11 = part * hy * hx, part * hy * lx, part * ly * hx, part * ly * lx
                            s_00, s_01 = zeros_like(cells), zeros_like(cells)
                            s_10, s_11 = zeros_like(cells), zeros_like(cells)
                            for c in range(0, C, LANES):
                                value = load(tile, o + c)
                                s_00 = times_in(s_00, value, load(cells, at_00 + c))
                                s_01 = times_in(s_01, value, load(cells, at_01 + c))
                                s_10 = times_in(s_10, value, load(cells, at_10 + c))
                                s_11 = times_in(s_11, value, load(cells, at_11 + c))
                                to = own + c
                                place = to + at_00
                                store(grad_cells, place, multiplied_in(load(grad_cells, place), w_00, value))
                                place = to + at_01
                                store(grad_cells, place, multiplied_in(load(grad_cells, place), w_01, value))
                                place = to + at_10
                                store(grad_cells, place, multiplied_in(load(grad_cells, place), w_10, value))
                                place = to + at_11
                                store(grad_cells, place, multiplied_in(load(grad_cells, place), w_11, value))
                            d_00, d_01, d_10, d_11 = summed(s_00), summed(s_01), summed(s_10), summed(s_11)
                            if y_moves:
                                of_y += part * (hx * (d_10 - d_00) + lx * (d_11 - d_01))
                            if x_moves:
                                of_x += part * (hy * (d_01 - d_00) + ly * (d_11 - d_10))
                    grad_start[k, 0, p, q], grad_start[k, 1, p, q] = of_y, of_x
        turn = take(turns)
