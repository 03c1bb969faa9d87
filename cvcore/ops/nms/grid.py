"""A hash grid of boxes, compiled: which of the boxes put in so far can overlap this one by more than a threshold.

Greedy suppression compares every box with every kept one, though nearly all pairs are disjoint. The grid names a few short
chains that are certain to hold every box above the threshold; the caller computes those overlaps, just as it would all.

If two boxes of widths w1, w2 have IoU > t, then the ratio of their areas is above t, and along x they share an interval
longer than t max(w1, w2). That interval lies within both, so it holds a point of the first box's middle part, the one that
leaves out t w1 at either end (for t >= 1/2 its centre); likewise along y. Hence: a box is put into all cells that it covers,
and looked up in the cells of its middle part only, which is a single cell for t >= 1/2.

There is one layer of cells for each four-fold range of areas (one for all of the smallest), with cells about as wide as its
boxes, so that a look-up visits one to three layers of a few cells, whatever mixture of sizes a picture has. Boxes of extreme
shape go into their layer's loose chain, and a look-up of more cells than the layer has boxes takes them all: never slower
than all pairs.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

SLACK = 1e-5
"""The threshold is lowered by this fraction before boxes are ruled out: the overlap in float32 is off by some 1e-6."""
COVERED_MOST = 24
"""A box that covers more cells than this is loose."""
NODES_A_BOX = 8
"""Room for this many nodes a box; when it is used up, all further boxes are loose, which takes two."""
FINEST = 50
"""No cell is smaller than the farthest coordinate times 2^-FINEST, so that float64 tells cells apart and int64 holds them."""


class Grid(NamedTuple):
    """Chains of nodes. A chain is known by its last node, which points to the first; -1 is an empty chain.

    Boxes are numbered in the order they are put in, so the numbers rise along a chain.
    """

    nodes: NDArray[np.int32]  # (8 n + 2 n, 2): box, next node
    buckets: NDArray[np.int32]  # (power of two,): the chain of each bucket
    layers: NDArray[np.int32]  # (layers, 3): how many boxes, the chain of all of them, the chain of the loose ones
    counts: NDArray[np.int64]  # (3,): nodes in use, the level of the first layer, the shift from hash to bucket


@njit(cache=True, nogil=True, error_model="numpy")
def exponent_of(number: float) -> Any:
    """The least k with number < 2^k, of a positive finite float64."""
    return (np.float64(number).view(np.int64) >> 52) - 1022


@njit(cache=True, nogil=True, error_model="numpy")
def level_of(area: float) -> Any:
    """floor(log4(2 area)) of a positive finite float64, from its exponent: level k holds areas of 4^k / 2 to 2 x 4^k."""
    return exponent_of(area) >> 1


@njit(cache=True, nogil=True, error_model="numpy")
def make_grid(capacity: int, smallest: float, largest: float, farthest: float) -> Grid:
    """An empty grid for up to ``capacity`` boxes.

    Args:
        smallest, largest: their areas, positive and finite.
        farthest: the largest magnitude of their coordinates.
    """
    bits = 4
    while 1 << bits < capacity:
        bits += 1
    lowest = max(level_of(smallest), exponent_of(farthest) - FINEST)
    layers = np.full((max(level_of(largest) - lowest, 0) + 1, 3), -1, np.int32)
    layers[:, 0] = 0
    return Grid(
        np.empty(((NODES_A_BOX + 2) * capacity, 2), np.int32),
        np.full(1 << bits, -1, np.int32),
        layers,
        np.array([0, lowest, 64 - bits], np.int64),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def per_cell(level: int) -> float:
    """1 / the width of a cell, 2^-level, as a float64 put together from its exponent."""
    return float(np.int64((1023 - min(max(level, -1022), 1022)) << 52).view(np.float64))


@njit(cache=True, nogil=True, error_model="numpy")
def cell_of(position: float, scale: float) -> Any:
    """The number of the cell that holds a position."""
    return np.int64(np.floor(position * scale))


@njit(cache=True, nogil=True, error_model="numpy")
def seed_of(level: int, label: int) -> Any:
    """What the level and the label add to a cell's hash."""
    return np.uint64(label) * np.uint64(0x165667B19E3779F9) + np.uint64(level) * np.uint64(0xD6E8FEB86659FD93)


@njit(cache=True, nogil=True, error_model="numpy")
def bucket_of(column: int, row: int, seed: int, shift: int) -> Any:
    """The bucket of a cell, the highest bits of its hash. Cells may share one, which costs time and nothing else."""
    h = np.uint64(column) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(row) * np.uint64(0xC2B2AE3D27D4EB4F) + seed
    return np.int64(h >> np.uint64(shift))


@njit(cache=True, nogil=True, error_model="numpy")
def append(grid: Grid, last: int, number: int) -> Any:
    """Put a box at the end of the chain that ends in node ``last``; return the new last node."""
    node = np.int32(grid.counts[0])
    grid.counts[0] += 1
    grid.nodes[node, 0] = number
    if last < 0:
        grid.nodes[node, 1] = node
    else:
        grid.nodes[node, 1] = grid.nodes[last, 1]
        grid.nodes[last, 1] = node
    return node


@njit(cache=True, nogil=True, error_model="numpy")
def insert(grid: Grid, number: int, x1: float, y1: float, x2: float, y2: float, label: int) -> None:
    """Put a box of positive finite area in; its number is higher than those before it."""
    level = max(level_of((x2 - x1) * (y2 - y1)), grid.counts[1])
    layer = level - grid.counts[1]
    grid.layers[layer, 0] += 1
    grid.layers[layer, 1] = append(grid, grid.layers[layer, 1], number)
    scale = per_cell(level)
    left, right, top, bottom = cell_of(x1, scale), cell_of(x2, scale), cell_of(y1, scale), cell_of(y2, scale)
    covered = float(right - left + 1) * float(bottom - top + 1)
    room = len(grid.nodes) // (NODES_A_BOX + 2) * NODES_A_BOX
    if covered > COVERED_MOST or grid.counts[0] + covered > room:
        grid.layers[layer, 2] = append(grid, grid.layers[layer, 2], number)
        return
    seed, shift = seed_of(level, label), grid.counts[2]
    for row in range(top, bottom + 1):
        for column in range(left, right + 1):
            bucket = bucket_of(column, row, seed, shift)
            grid.buckets[bucket] = append(grid, grid.buckets[bucket], number)


@njit(cache=True, nogil=True, error_model="numpy")
def chains_of(
    grid: Grid,
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    label: int,
    threshold: float,
    chains: NDArray[np.int32],
) -> int:
    """The chains that hold every box of this label whose IoU with this one is above the threshold, among others.

    Args:
        threshold: 0 to 1, already lowered by SLACK. At 0: every box whose intersection with this one is not empty.
        chains: as long as there are nodes; filled with the last node of each chain, none empty. A chain may come twice.

    Returns:
        how many chains.
    """
    w, h = x2 - x1, y2 - y1
    area = w * h
    x, y = 0.5 * x1 + 0.5 * x2, 0.5 * y1 + 0.5 * y2
    half = max(0.5 - threshold, 0.0) + 1e-12  # of the middle part, with room for rounding
    dx, dy = half * w + 1e-15 * abs(x), half * h + 1e-15 * abs(y)
    low, high, shift = 0, len(grid.layers) - 1, grid.counts[2]
    if threshold > 0:
        low = max(low, level_of(area * threshold) - grid.counts[1])
        high = min(high, max(level_of(area / threshold) - grid.counts[1], 0))
    count = 0
    for layer in range(low, high + 1):
        boxes = grid.layers[layer, 0]
        if boxes == 0:
            continue
        level = layer + grid.counts[1]
        scale = per_cell(level)
        left, right = cell_of(x - dx, scale), cell_of(x + dx, scale)
        top, bottom = cell_of(y - dy, scale), cell_of(y + dy, scale)
        # the first half is the second where that would overflow
        if right - left + bottom - top >= boxes or (right - left + 1) * (bottom - top + 1) > boxes:
            chains[count] = grid.layers[layer, 1]
            count += 1
            continue
        if grid.layers[layer, 2] >= 0:
            chains[count] = grid.layers[layer, 2]
            count += 1
        seed = seed_of(level, label)
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                last = grid.buckets[bucket_of(column, row, seed, shift)]
                if last >= 0:
                    chains[count] = last
                    count += 1
    return count
