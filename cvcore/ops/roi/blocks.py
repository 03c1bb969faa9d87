"""Feature maps in blocks of channels, compiled: how both RoI operators read and write (N, C, H, W) memory.

The operators want the channels of a cell side by side, so that one weight multiplies many of them in one instruction, and features
come plane by plane. Turning the whole map round costs more than the operator. So the part that RoIs reach is copied 16 channels at
a time into a block (cells, 16) of a few megabytes, which stays in the cache while all RoIs read it.

The loops over ``lanes`` run to a number known only at run time on purpose: told it is 16, LLVM unrolls them into single numbers.
"""

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from cvcore.ops.compiling import forget_stale

forget_stale(Path(__file__).parent)

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.int64]

LANES = 16
"""Channels in a block: a cell is one cache line of float32, and the blocks of two threads fit the last cache together."""
SMALL = 200_000
"""Below this many multiplications a second thread costs more than it saves."""


@njit(cache=True, nogil=True)
def pack(features: Floats, image: int, channel: int, lanes: int, window: Integers, block: Floats) -> None:
    """Copy the window (top, left, height, width) of some channels of a picture into ``block`` (cells, LANES)."""
    top, left, height, width = window[0], window[1], window[2], window[3]
    eights = lanes - lanes % 8
    for y in range(height):
        row = features[image, channel : channel + lanes, top + y, left : left + width]
        cells = block[y * width : (y + 1) * width]
        for c in range(0, eights, 8):  # eight planes at a time, so that eight stores become one
            for x in range(width):
                v0, v1, v2, v3 = row[c, x], row[c + 1, x], row[c + 2, x], row[c + 3, x]
                v4, v5, v6, v7 = row[c + 4, x], row[c + 5, x], row[c + 6, x], row[c + 7, x]
                cells[x, c], cells[x, c + 1], cells[x, c + 2], cells[x, c + 3] = v0, v1, v2, v3
                cells[x, c + 4], cells[x, c + 5], cells[x, c + 6], cells[x, c + 7] = v4, v5, v6, v7
        for c in range(eights, lanes):
            for x in range(width):
                cells[x, c] = row[c, x]


@njit(cache=True, nogil=True)
def unpack(block: Floats, image: int, channel: int, lanes: int, window: Integers, features: Floats) -> None:
    """The way back of :func:`pack`; 0 outside the window."""
    top, left, height, width = window[0], window[1], window[2], window[3]
    eights = lanes - lanes % 8
    for y in range(features.shape[2]):
        row = features[image, channel : channel + lanes, y]
        if y < top or y >= top + height:
            row[:] = 0
            continue
        row[:, :left] = 0
        row[:, left + width :] = 0
        inside = row[:, left : left + width]
        cells = block[(y - top) * width : (y - top + 1) * width]
        for c in range(0, eights, 8):
            for x in range(width):
                v0, v1, v2, v3 = cells[x, c], cells[x, c + 1], cells[x, c + 2], cells[x, c + 3]
                v4, v5, v6, v7 = cells[x, c + 4], cells[x, c + 5], cells[x, c + 6], cells[x, c + 7]
                inside[c, x], inside[c + 1, x], inside[c + 2, x], inside[c + 3, x] = v0, v1, v2, v3
                inside[c + 4, x], inside[c + 5, x], inside[c + 6, x], inside[c + 7, x] = v4, v5, v6, v7
        for c in range(eights, lanes):
            for x in range(width):
                inside[c, x] = cells[x, c]


@njit(cache=True, nogil=True)
def transposed(tile: NDArray[Any], lanes: int, out: NDArray[Any]) -> None:
    """Write the first lanes of a tile (bins, LANES) to (lanes, bins)."""
    for c in range(lanes):
        for o in range(len(tile)):
            out[c, o] = tile[o, c]


@njit(cache=True, nogil=True)
def largest_bits(bits: NDArray[Any], mask: Any) -> Any:
    """The largest of these integers after masking."""
    top = bits[0] & mask
    for i in range(len(bits)):
        value = bits[i] & mask
        top = value if value > top else top
    return top


class Plan(NamedTuple):
    """Which RoIs belong to which picture, and which part of each picture they reach."""

    rois: Integers  # (K,) RoIs by picture
    start: Integers  # (N + 1,) where those of each picture start
    windows: Integers  # (N, 4) top, left, height, width; all 0 if none reaches the picture
    cells: int  # in the largest window, at least 1


def plan(
    image: Integers, pictures: int, first_y: Integers, stop_y: Integers, first_x: Integers, stop_x: Integers
) -> Plan:
    """Plan for RoIs on these pictures, (K,), each reaching the cells [first, stop), (K,), of either axis."""
    start = np.searchsorted(image, np.arange(pictures + 1), sorter=(order := np.argsort(image, kind="stable")))
    windows = np.zeros((pictures, 4), np.int64)
    reaches = (first_y < stop_y) & (first_x < stop_x)
    for n in range(pictures):
        here = order[start[n] : start[n + 1]]
        here = here[reaches[here]]
        if len(here):
            top, left = first_y[here].min(), first_x[here].min()
            windows[n] = top, left, stop_y[here].max() - top, stop_x[here].max() - left
    return Plan(order, start.astype(np.int64), windows, max(1, int((windows[:, 2] * windows[:, 3]).max(initial=0))))


def all_finite(values: Tensor) -> bool:
    """Whether a CPU tensor of float32 or float64 has neither NaN nor infinite values.

    In our own threads: those of torch go on turning for some milliseconds after their work is done, in the way of ours.
    """
    flat = values.detach().contiguous().view(-1).numpy()
    if not len(flat):
        return True
    # without its sign, a number's bits grow with it, infinity above all numbers, NaN above infinity
    kind = np.int32 if flat.itemsize == 4 else np.int64
    bits, mask, infinity = flat.view(kind), np.iinfo(kind).max, np.array(np.inf, flat.dtype).view(kind)
    parts = 16
    tops = np.empty(parts, kind)

    def look(first: int, stop: int) -> None:
        for part in range(first, stop):
            piece = bits[len(bits) * part // parts : len(bits) * (part + 1) // parts]
            tops[part] = largest_bits(piece, kind(mask)) if len(piece) else 0

    in_threads(look, parts, len(flat))
    return bool(tops.max() < infinity)


def empty(shape: Sequence[int], like: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """An uninitialised CPU tensor; from numpy, which asks the system for large pages, so that filling it costs half."""
    kind = torch.empty(0, dtype=dtype or like.dtype).numpy().dtype
    return torch.from_numpy(np.empty(tuple(shape), kind))


def workspace(plan: Plan, like: Floats) -> Floats:
    """A block (cells, LANES) for one thread; from numpy, as :func:`empty`."""
    return np.empty((plan.cells, LANES), like.dtype)


def in_threads(work: Callable[[int, int], None], blocks: int, cost: float) -> None:
    """Share blocks 0, 1, ... between as many threads as torch has, each calling ``work(first, stop)``.

    The loops let go of Python's lock. Plain threads rather than numba's, whose pools do not survive a fork or a second caller.
    """
    threads = 1 if cost < SMALL else min(torch.get_num_threads(), blocks, os.cpu_count() or 1)
    bounds = [blocks * i // max(threads, 1) for i in range(threads + 1)]
    others = [threading.Thread(target=work, args=bounds[i : i + 2], daemon=True) for i in range(1, threads)]
    for thread in others:
        thread.start()
    work(bounds[0], bounds[1])
    for thread in others:
        thread.join()
