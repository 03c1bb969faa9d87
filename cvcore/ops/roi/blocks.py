"""Feature maps in blocks of channels, compiled: how both RoI operators read and write (N, C, H, W) memory.

The operators want the channels of a cell side by side, so that one weight multiplies many of them in one instruction, and features
come plane by plane. Turning the whole map round costs more than the operator. So the part that RoIs reach is copied 16 channels at
a time into a block (cells, 16) of a few megabytes, which stays in the cache while all RoIs read it. On its way each number is looked
at, since memory is what limits a look at the features beforehand.

A piece of work for a thread is a block of channels of a picture: piece ``image * blocks + block``.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cvcore.ops.compiling import forget_stale
from cvcore.ops.layout import Floats, block_to_rows, finite, rows_to_block
from cvcore.ops.vectors import LANES

forget_stale(Path(__file__).parent, *Path(__file__).parents[1].glob("*.py"))

Integers = NDArray[np.int64]


@njit(cache=True, nogil=True)
def pack(features: Floats, image: int, channel: int, lanes: int, window: Integers, block: Floats) -> bool:
    """Copy the window (top, left, height, width) of some channels of a picture into ``block`` (cells, LANES).

    Returns:
        Whether these channels are finite, outside of the window too.
    """
    _, C, H, W = features.shape
    top, left, height, width = window[0], window[1], window[2], window[3]
    source, target = features.reshape(-1), block.reshape(-1)
    start, plane = (image * C + channel) * H * W, H * W
    fine = True
    if width == W:
        fine &= rows_to_block(source, start + top * W, plane, height * W, lanes, target, 0, LANES)
    else:
        for y in range(height):
            at = start + (top + y) * W + left
            fine &= rows_to_block(source, at, plane, width, lanes, target, y * width * LANES, LANES)
    for c in range(lanes):
        first = start + c * plane
        if width < W:
            for y in range(top, top + height):
                fine &= finite(source, first + y * W, first + y * W + left)
                fine &= finite(source, first + y * W + left + width, first + (y + 1) * W)
        fine &= finite(source, first, first + top * W)
        fine &= finite(source, first + (top + height) * W, first + plane)
    return fine


@njit(cache=True, nogil=True)
def unpack(block: Floats, image: int, channel: int, lanes: int, window: Integers, features: Floats) -> None:
    """The way back of :func:`pack`; 0 outside the window."""
    _, C, H, W = features.shape
    top, left, height, width = window[0], window[1], window[2], window[3]
    for c in range(lanes):
        features[image, channel + c, :top] = 0
        features[image, channel + c, top + height :] = 0
        features[image, channel + c, top : top + height, :left] = 0
        features[image, channel + c, top : top + height, left + width :] = 0
    source, target = block.reshape(-1), features.reshape(-1)
    for y in range(height):
        at = ((image * C + channel) * H + top + y) * W + left
        block_to_rows(source, y * width * LANES, LANES, target, at, H * W, width, lanes)


@njit(cache=True, nogil=True)
def transposed(tile: NDArray[Any], lanes: int, out: NDArray[Any]) -> None:
    """Write the first lanes of a tile (bins, LANES) to (lanes, bins)."""
    for c in range(lanes):
        for o in range(len(tile)):
            out[c, o] = tile[o, c]


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


def workspace(plan: Plan, like: Floats) -> Floats:
    """A block (cells, LANES) for one thread; from numpy, as :func:`empty`."""
    return np.empty((plan.cells, LANES), like.dtype)


def blocks_of(channels: int) -> int:
    """In how many blocks these channels come."""
    return -(-channels // LANES)
