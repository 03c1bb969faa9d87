"""Feature maps in blocks of channels, compiled: how both RoI operators read and write (N, C, H, W) memory.

The operators want the channels of a cell side by side, so that one weight multiplies 16 of them in one instruction, and features
come plane by plane. Turning the whole map round costs more than the operator. So the part that RoIs reach is copied 16 channels at
a time into a block (cells, 16) of a few megabytes, which stays in the cache while all RoIs read it.

The loops over ``lanes`` run to a number known only at run time on purpose: told it is 16, LLVM unrolls them into single numbers.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray

from cvcore.ops.compiling import forget_stale

forget_stale(Path(__file__).parent)

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.int64]

LANES = 16
"""Channels in a block: a cell of a block is one cache line of float32."""
SMALL = 200_000
"""Below this many multiplications a second thread costs more than it saves."""


@njit(cache=True, nogil=True)
def pack(features: Floats, image: int, channel: int, lanes: int, window: Integers, block: Floats) -> None:
    """Copy the window (top, left, height, width) of some channels of a picture into ``block`` (cells, LANES)."""
    top, left, height, width = window[0], window[1], window[2], window[3]
    for y in range(height):
        for c in range(lanes):
            for x in range(width):
                block[y * width + x, c] = features[image, channel + c, top + y, left + x]


@njit(cache=True, nogil=True)
def unpack(block: Floats, image: int, channel: int, lanes: int, window: Integers, features: Floats) -> None:
    """The way back of :func:`pack`; 0 outside the window."""
    top, left, height, width = window[0], window[1], window[2], window[3]
    for c in range(lanes):
        for y in range(features.shape[2]):
            if y < top or y >= top + height:
                for x in range(features.shape[3]):
                    features[image, channel + c, y, x] = 0
                continue
            for x in range(left):
                features[image, channel + c, y, x] = 0
            for x in range(left + width, features.shape[3]):
                features[image, channel + c, y, x] = 0
            for x in range(width):
                features[image, channel + c, y, left + x] = block[(y - top) * width + x, c]


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
