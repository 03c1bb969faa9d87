"""Channels side by side and back, compiled: features come plane by plane, and the operators want all channels of a cell at once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from cvcore.ops.compiling import forget_stale
from cvcore.ops.threads import Turns, in_threads, take
from cvcore.ops.vectors import LANES, multiplied_in, store, turn, zeros_like

forget_stale(Path(__file__).parent)

Floats = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]

CHUNK = 2048
"""Cells that change their layout at a time."""


@njit(cache=True, nogil=True)
def finite(values: Floats, first: int, stop: int) -> bool:
    """Whether values[first:stop] of (n,) hold neither NaN nor infinite ones."""
    bad = False
    for i in range(first, stop):
        bad |= not abs(values[i]) < np.inf
    return not bad


@njit(cache=True, nogil=True)
def rows_to_block(
    source: Floats, start: int, stride: int, count: int, lanes: int, block: Floats, place: int, step: int
) -> bool:
    """Copy ``count`` numbers of each of ``lanes`` rows, ``stride`` apart, side by side: number x of row c to place + step x + c.

    Lanes beyond, up to 16, become 0.

    Returns:
        Whether all were finite.
    """
    if lanes == LANES and count >= LANES:
        seen, one = zeros_like(source), source.dtype.type(1)
        for x in range(0, count, LANES):
            x = min(x, count - LANES)  # the last ones once more, rather than fewer of them
            seen = multiplied_in(seen, one, turn(source, start + x, stride, block, place + x * step, step))
        room = np.empty(LANES, source.dtype)
        store(room, 0, seen)
        return finite(room, 0, LANES)
    fine = True
    for c in range(lanes):
        fine &= finite(source, start + c * stride, start + c * stride + count)
    for x in range(count):
        for c in range(LANES):
            block[place + x * step + c] = source[start + c * stride + x] if c < lanes else 0
    return fine


@njit(cache=True, nogil=True)
def block_to_rows(
    block: Floats, place: int, step: int, target: Floats, start: int, stride: int, count: int, lanes: int
) -> None:
    """The way back of :func:`rows_to_block`."""
    if lanes == LANES and count >= LANES:
        for x in range(0, count, LANES):
            x = min(x, count - LANES)
            turn(block, place + x * step, step, target, start + x, stride)
        return
    for c in range(lanes):
        for x in range(count):
            target[start + c * stride + x] = block[place + x * step + c]


@njit(cache=True, nogil=True)
def _to_cells(features: Floats, cells: Floats, breadth: int, turns: Turns, bad: Flags) -> None:
    N, C, H, W = features.shape
    source, plane = features.reshape(-1), H * W
    chunks = (plane + CHUNK - 1) // CHUNK
    piece = take(turns)
    while piece < N * chunks:
        image, first = piece // chunks, piece % chunks * CHUNK
        count = min(CHUNK, plane - first)
        for c in range(0, C, LANES):
            start, at = (image * C + c) * plane + first, (image * plane + first) * breadth + c
            if not rows_to_block(source, start, plane, count, min(LANES, C - c), cells, at, breadth):
                bad[0] = True
        piece = take(turns)


@njit(cache=True, nogil=True)
def _from_cells(cells: Floats, parts: int, breadth: int, features: Floats, turns: Turns) -> None:
    N, C, H, W = features.shape
    target, plane = features.reshape(-1), H * W
    size, chunks = N * plane * breadth, (plane + CHUNK - 1) // CHUNK
    piece = take(turns)
    while piece < N * chunks:
        image, first = piece // chunks, piece % chunks * CHUNK
        count = min(CHUNK, plane - first)
        base = (image * plane + first) * breadth
        for part in range(1, parts):
            for at in range(base, base + count * breadth):
                cells[at] += cells[part * size + at]
        for c in range(0, C, LANES):
            start = (image * C + c) * plane + first
            block_to_rows(cells, base + c, breadth, target, start, plane, count, min(LANES, C - c))
        piece = take(turns)


def to_cells(features: Tensor, breadth: int) -> Floats:
    """(N H W breadth,) the channels of each cell of (N, C, H, W) side by side, then zeros; ``breadth`` holds whole vectors of them.

    Raises:
        ValueError: some are NaN or infinite.
    """
    N, _, H, W = features.shape
    source = features.detach().contiguous().numpy()
    cells, bad = np.zeros(N * H * W * breadth, source.dtype), np.zeros(1, np.bool_)
    in_threads(lambda turns: _to_cells(source, cells, breadth, turns, bad), N * H, float(len(cells)))
    refuse(bad)
    return cells


def from_cells(cells: Floats, parts: int, breadth: int, like: Tensor) -> Tensor:
    """The way back, (N, C, H, W) as ``like``, of the sum of so many ``parts`` one after another. The first of them changes."""
    features = empty(like.shape, like)
    target = features.numpy()
    pieces, cost = like.shape[0] * like.shape[2], float(len(cells))
    in_threads(lambda turns: _from_cells(cells, parts, breadth, target, turns), pieces, cost)
    return features


def empty(shape: Sequence[int], like: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """An uninitialised CPU tensor; from numpy, which asks the system for large pages, so that filling it costs half."""
    kind = torch.empty(0, dtype=dtype or like.dtype).numpy().dtype
    return torch.from_numpy(np.empty(tuple(shape), kind))


def refuse(bad: Flags, name: str = "input") -> None:
    """Raise ValueError if a loop met NaN or infinite values there."""
    if bad[0]:
        raise ValueError(f"{name} must be finite, but holds NaN or infinite values")
