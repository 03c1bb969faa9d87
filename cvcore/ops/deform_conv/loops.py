"""The compiled loops of the deformable convolution.

Output pixels are taken in tiles. A tile's samples are gathered side by side, (pixels, taps, channels), into a few hundred kilobytes that
stay in the cache, and are multiplied by the weights there. On the way back they are gathered again rather than kept: nine copies of the
features would be more than all the rest.

The weights of a sample's two cells along either axis are 1 - l and l; a cell outside of the picture counts 0. At y = -1 exactly the
value is 0 and its slope is not, as in torchvision: a sample is left out only beyond that.
"""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from cvcore.ops.compiling import forget_stale
from cvcore.ops.layout import Flags, Floats, block_to_rows, rows_to_block
from cvcore.ops.matrix import multiply
from cvcore.ops.threads import Turns, take
from cvcore.ops.vectors import LANES, load, multiplied_in, store, summed, times_in, zeros_like

forget_stale(Path(__file__).parent, *Path(__file__).parents[1].glob("*.py"))

DEPTH = 1024
"""Products added up at a time, so that the weights for 16 outputs stay in the first cache."""


class Geometry(NamedTuple):
    """All sizes of a deformable convolution."""

    images: int
    channels: int
    height: int
    width: int
    outputs: int
    rows: int  # of the kernel
    columns: int
    out_height: int
    out_width: int
    stride_y: int
    stride_x: int
    padding_y: int
    padding_x: int
    dilation_y: int
    dilation_x: int
    groups: int  # of weights
    offset_groups: int
    breadth: int  # numbers a cell takes, at least its channels: whole vectors from wherever a group starts
    tile: int  # output pixels at a time


@njit(cache=True, nogil=True)
def sampled_at(offset: Floats, g: Geometry, image: int, group: int, tap: int, pixel: int) -> tuple[Any, Any]:
    """Where a tap of an output pixel samples, y and x in cells, in the precision of the offsets."""
    plane = g.out_height * g.out_width
    at = ((image * g.offset_groups + group) * g.rows * g.columns + tap) * 2 * plane + pixel
    y = pixel // g.out_width * g.stride_y - g.padding_y + tap // g.columns * g.dilation_y
    x = pixel % g.out_width * g.stride_x - g.padding_x + tap % g.columns * g.dilation_x
    return offset.dtype.type(y) + offset[at], offset.dtype.type(x) + offset[at + plane]


@njit(cache=True, nogil=True)
def along(position: Any, size: int, like: Floats) -> tuple[int, int, Any, Any]:
    """The two cells around a position, moved inside, and their weights, 0 for one that was outside."""
    low = math.floor(position)
    part = position - like.dtype.type(low)
    rest = like.dtype.type(1) - part
    nothing = like.dtype.type(0)
    return max(low, 0), min(low + 1, size - 1), rest if low >= 0 else nothing, part if low + 1 < size else nothing


@njit(cache=True, nogil=True)
def gather(
    cells: Floats, offset: Floats, mask: Floats, g: Geometry, image: int, first: int, count: int, columns: Floats
) -> bool:
    """columns[pixel, tap, channel] of a tile: the samples, times the mask where there is one.

    Returns:
        Whether all offsets and masks were finite.
    """
    fine = True
    taps, each = g.rows * g.columns, g.channels // g.offset_groups
    plane = g.out_height * g.out_width
    for group in range(g.offset_groups):
        for tap in range(taps):
            for t in range(count):
                y, x = sampled_at(offset, g, image, group, tap, first + t)
                at = ((image * g.offset_groups + group) * taps + tap) * plane + first + t
                m = mask[at] if len(mask) else offset.dtype.type(1)
                out = (t * taps + tap) * g.breadth + group * each
                fine &= abs(m) < np.inf
                if not (y > -1 and y < g.height and x > -1 and x < g.width):
                    fine &= abs(y) < np.inf and abs(x) < np.inf
                    for c in range(0, each, LANES):
                        store(columns, out + c, zeros_like(cells))
                    continue
                top, bottom, wt, wb = along(y, g.height, offset)
                left, right, wl, wr = along(x, g.width, offset)
                upper = (image * g.height + top) * g.width
                lower = (image * g.height + bottom) * g.width
                at_00, at_01 = (upper + left) * g.breadth + group * each, (upper + right) * g.breadth + group * each
                at_10, at_11 = (lower + left) * g.breadth + group * each, (lower + right) * g.breadth + group * each
                w_00, w_01, w_10, w_11 = m * wt * wl, m * wt * wr, m * wb * wl, m * wb * wr
                for c in range(0, each, LANES):
                    value = multiplied_in(zeros_like(cells), w_00, load(cells, at_00 + c))
                    value = multiplied_in(value, w_01, load(cells, at_01 + c))
                    value = multiplied_in(value, w_10, load(cells, at_10 + c))
                    value = multiplied_in(value, w_11, load(cells, at_11 + c))
                    store(columns, out + c, value)
    return fine


@njit(cache=True, nogil=True)
def convolve(
    cells: Floats,
    offset: Floats,
    mask: Floats,
    weight: Floats,
    bias: Floats,
    out: Floats,
    g: Geometry,
    turns: Turns,
    bad: Flags,
) -> None:
    """Samples times weights, tile by tile.

    Args:
        cells: (N H W breadth,), the channels of each cell side by side. offset: (N OG taps 2 P Q,). mask: (N OG taps P Q,) or (0,).
        out: (N O P Q,).
        weight: (G, panels of 16 outputs, taps, channels of a group, 16) flat; for one group as many channels as a cell's breadth.
        bias: (O,). bad: (1,) becomes true for offsets or masks that are not finite.
    """
    taps, plane = g.rows * g.columns, g.out_height * g.out_width
    line = taps * g.breadth
    each = g.outputs // g.groups
    panels = (each + LANES - 1) // LANES
    wide = g.groups * panels * LANES
    # with one group all numbers of a pixel are multiplied in one go, with more those of one tap
    run = line if g.groups == 1 else g.channels // g.groups
    runs = 1 if g.groups == 1 else taps
    columns = np.zeros(g.tile * line + LANES, cells.dtype)
    product = np.empty(g.tile * wide, cells.dtype)
    tiles = (plane + g.tile - 1) // g.tile
    piece = take(turns)
    while piece < g.images * tiles:
        image, first = piece // tiles, piece % tiles * g.tile
        count = min(g.tile, plane - first)
        if not gather(cells, offset, mask, g, image, first, count, columns):
            bad[0] = True
        product[:] = 0
        for group in range(g.groups):
            for panel in range(panels):
                start = (group * panels + panel) * runs * run * LANES
                result = (group * panels + panel) * LANES
                for r in range(runs):
                    for k in range(0, run, DEPTH):
                        steps = min(DEPTH, run - k)
                        a = k if g.groups == 1 else r * g.breadth + group * run + k
                        b = start + (r * run + k) * LANES
                        multiply(columns, a, line, 1, weight, b, LANES, steps, product, result, wide, count)
                first_out = group * each + panel * LANES
                lanes = min(LANES, each - panel * LANES)
                for t in range(count):
                    for c in range(lanes):
                        product[t * wide + result + c] += bias[first_out + c]
                target = (image * g.outputs + first_out) * plane + first
                block_to_rows(product, result, wide, out, target, plane, count, lanes)
        piece = take(turns)


@njit(cache=True, nogil=True)
def convolve_backward(
    cells: Floats,
    offset: Floats,
    mask: Floats,
    weight: Floats,
    grad_out: Floats,
    g: Geometry,
    parts: int,
    grad_cells: Floats,
    grad_offset: Floats,
    grad_mask: Floats,
    grad_weight: Floats,
    turns: Turns,
) -> None:
    """All gradients, tile by tile. What several tiles add to is kept for each part of the tiles apart, so that the sums have one order.

    Args:
        cells, offset, mask: as in :func:`convolve`. grad_out: (N O P Q,).
        weight: (G, taps, panels of 16 channels of a group, outputs of a group, 16) flat.
        grad_cells: (parts N H W breadth,) of zeros, or (0,) if not wanted. grad_offset: as offset, or (0,). grad_mask: as mask.
        grad_weight: (parts, O, taps, panels of 16 channels of a group, 16) of zeros, or (0,).
    """
    taps, plane = g.rows * g.columns, g.out_height * g.out_width
    line = taps * g.breadth
    outs, ins = g.outputs // g.groups, g.channels // g.groups
    out_panels, in_panels = (outs + LANES - 1) // LANES, (ins + LANES - 1) // LANES
    wide = g.groups * out_panels * LANES
    columns = np.zeros(g.tile * line + LANES, cells.dtype)
    grad_columns = np.zeros(g.tile * line + LANES, cells.dtype)
    given = np.zeros(g.tile * wide, cells.dtype)
    tiles = (plane + g.tile - 1) // g.tile
    part = take(turns)
    while part < parts:
        for piece in range(g.images * tiles * part // parts, g.images * tiles * (part + 1) // parts):
            image, first = piece // tiles, piece % tiles * g.tile
            count = min(g.tile, plane - first)
            for group in range(g.groups):
                for panel in range(out_panels):
                    start = (image * g.outputs + group * outs + panel * LANES) * plane + first
                    at, lanes = (group * out_panels + panel) * LANES, min(LANES, outs - panel * LANES)
                    rows_to_block(grad_out, start, plane, count, lanes, given, at, wide)
            if len(grad_weight):
                gather(cells, offset, mask, g, image, first, count, columns)
                for group in range(g.groups):
                    for tap in range(taps):
                        for panel in range(in_panels):
                            b = tap * g.breadth + group * ins + panel * LANES
                            row = taps * in_panels * LANES
                            start = ((part * g.outputs + group * outs) * taps + tap) * in_panels * LANES + panel * LANES
                            a = group * out_panels * LANES
                            multiply(given, a, 1, wide, columns, b, line, count, grad_weight, start, row, outs)
            if len(grad_cells) or len(grad_offset) or len(grad_mask):
                grad_columns[:] = 0
                for group in range(g.groups):
                    for tap in range(taps):
                        for panel in range(in_panels):
                            b = ((group * taps + tap) * in_panels + panel) * outs * LANES
                            start = tap * g.breadth + group * ins + panel * LANES
                            a = group * out_panels * LANES
                            multiply(given, a, wide, 1, weight, b, LANES, outs, grad_columns, start, line, count)
                own = part * g.images * g.height * g.width * g.breadth
                scatter(
                    cells,
                    offset,
                    mask,
                    g,
                    image,
                    first,
                    count,
                    grad_columns,
                    grad_cells,
                    own,
                    grad_offset,
                    grad_mask,
                )
        part = take(turns)


@njit(cache=True, nogil=True)
def scatter(
    cells: Floats,
    offset: Floats,
    mask: Floats,
    g: Geometry,
    image: int,
    first: int,
    count: int,
    grad_columns: Floats,
    grad_cells: Floats,
    own: int,
    grad_offset: Floats,
    grad_mask: Floats,
) -> None:
    """The way back of :func:`gather`: each sample's gradient to its four cells, its position and its mask.

    Args:
        own: where in ``grad_cells`` those of this part start.
    """
    taps, each = g.rows * g.columns, g.channels // g.offset_groups
    plane = g.out_height * g.out_width
    one, nothing = offset.dtype.type(1), offset.dtype.type(0)
    rest = each % LANES
    tail = np.zeros(LANES, cells.dtype)
    for group in range(g.offset_groups):
        for tap in range(taps):
            for t in range(count):
                y, x = sampled_at(offset, g, image, group, tap, first + t)
                at = ((image * g.offset_groups + group) * taps + tap) * plane + first + t
                m = mask[at] if len(mask) else one
                of_y = at + ((image * g.offset_groups + group) * taps + tap) * plane
                if not (y >= -1 and y < g.height and x >= -1 and x < g.width):
                    if len(grad_offset):
                        grad_offset[of_y] = grad_offset[of_y + plane] = nothing
                    if len(grad_mask):
                        grad_mask[at] = nothing
                    continue
                top, bottom, wt, wb = along(y, g.height, offset)
                left, right, wl, wr = along(x, g.width, offset)
                upper = (image * g.height + top) * g.width
                lower = (image * g.height + bottom) * g.width
                at_00, at_01 = (upper + left) * g.breadth + group * each, (upper + right) * g.breadth + group * each
                at_10, at_11 = (lower + left) * g.breadth + group * each, (lower + right) * g.breadth + group * each
                w_00, w_01, w_10, w_11 = wt * wl, wt * wr, wb * wl, wb * wr
                s_00, s_01, s_10, s_11 = zeros_like(cells), zeros_like(cells), zeros_like(cells), zeros_like(cells)
                start = (t * taps + tap) * g.breadth + group * each
                for c in range(0, each, LANES):
                    value = load(grad_columns, start + c)
                    if c + LANES > each:  # what is beyond belongs to the next group
                        for lane in range(rest):
                            tail[lane] = grad_columns[start + c + lane]
                        value = load(tail, 0)
                    s_00 = times_in(s_00, value, load(cells, at_00 + c))
                    s_01 = times_in(s_01, value, load(cells, at_01 + c))
                    s_10 = times_in(s_10, value, load(cells, at_10 + c))
                    s_11 = times_in(s_11, value, load(cells, at_11 + c))
                    if len(grad_cells):
                        if w_00 != 0:
                            to = own + at_00 + c
                            store(grad_cells, to, multiplied_in(load(grad_cells, to), m * w_00, value))
                        if w_01 != 0:
                            to = own + at_01 + c
                            store(grad_cells, to, multiplied_in(load(grad_cells, to), m * w_01, value))
                        if w_10 != 0:
                            to = own + at_10 + c
                            store(grad_cells, to, multiplied_in(load(grad_cells, to), m * w_10, value))
                        if w_11 != 0:
                            to = own + at_11 + c
                            store(grad_cells, to, multiplied_in(load(grad_cells, to), m * w_11, value))
                if len(grad_offset) or len(grad_mask):
                    d_00, d_01, d_10, d_11 = summed(s_00), summed(s_01), summed(s_10), summed(s_11)
                    if len(grad_mask):
                        grad_mask[at] = w_00 * d_00 + w_01 * d_01 + w_10 * d_10 + w_11 * d_11
                    if len(grad_offset):
                        down = (wl * d_10 + wr * d_11) if y < g.height - 1 else nothing
                        up = (wl * d_00 + wr * d_01) if y >= 0 else nothing
                        grad_offset[of_y] = m * (down - up)
                        after = (wt * d_01 + wb * d_11) if x < g.width - 1 else nothing
                        before = (wt * d_00 + wb * d_10) if x >= 0 else nothing
                        grad_offset[of_y + plane] = m * (after - before)
