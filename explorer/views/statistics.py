"""Numbers about one layer's activations, cheap enough for every frame."""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

BINS = 48
COUNTED = 1 << 16
"""A histogram of more activations takes evenly spaced ones, about so many."""


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Of one set of activations, or, as arrays (C,), of each channel's. Shares are 0 to 1; what is not finite is left out.

    Args:
        zero: share of exact zeros.
        saturated: share at the activation function's upper end.
    """

    low: Any
    high: Any
    mean: Any
    deviation: Any
    zero: Any
    saturated: Any


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """What is told of a layer (C, h, w).

    Args:
        nan, infinite: how many activations are not a number, or infinite.
        layer, channels: of all activations, and of each channel's.
        limit: the activation function's upper end (6 for ReLU6), or None.
        strength: (C,) mean absolute activation of each channel, averaged over the last pictures of a video so that
            channels ordered by it keep their places.
        silent: (C,) channels that are zero everywhere on this picture.
        stuck: (C,) channels at the limit in more than half of their cells.
        frames: pictures in a row seen with this layer.
        never: (C,) channels silent on all of them.
        counts: (BINS,) of the histogram, scaled up to all units where it was sampled.
        edges: (BINS + 1,) of its bars.
        sampled: the histogram counts one unit of so many.
    """

    nan: int
    infinite: int
    layer: Moments
    channels: Moments
    limit: float | None
    strength: NDArray[np.float64]
    silent: NDArray[np.bool_]
    stuck: NDArray[np.bool_]
    frames: int
    never: NDArray[np.bool_]
    counts: NDArray[np.float64]
    edges: NDArray[np.float64]
    sampled: int


def statistics(maps: NDArray[np.float32], limit: float | None, before: "Statistics | None") -> Statistics:
    """Statistics of one picture's activations.

    Args:
        maps: (C, h, w), contiguous.
        limit: of the activation function.
        before: of the same layer on the picture before.
    """
    count = len(maps)
    flat = torch.from_numpy(maps.reshape(count, -1))  # (C, h w)
    size = flat.shape[1]
    squares = torch.linalg.vector_norm(flat, dim=1).numpy().astype(np.float64) ** 2
    values, nan, infinite = maps.reshape(-1), 0, 0
    present: NDArray[np.int64] | int = size
    if np.isfinite(squares.sum()):  # told by a pass that is needed anyway; nearly always all is well
        low, high = maps.reshape(count, -1).min(1), maps.reshape(count, -1).max(1)
    else:
        finite = np.isfinite(maps.reshape(count, -1))
        nan, infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
        present, some = np.maximum(finite.sum(1), 1), finite.any(1)
        low = np.where(some, np.where(finite, flat, np.inf).min(1), 0)
        high = np.where(some, np.where(finite, flat, -np.inf).max(1), 0)
        flat = torch.from_numpy(np.where(finite, flat, 0))
        values = values[finite.reshape(-1)]
        squares = (flat.double() ** 2).sum(1).numpy()
    sums = flat.sum(1).numpy().astype(np.float64)
    nonzero = count_nonzero(flat.numpy())
    full = np.zeros(count, np.int64)
    if limit is not None:
        reached = np.flatnonzero(high >= limit)
        full[reached] = np.count_nonzero(flat.numpy()[reached] >= limit, axis=1)
    mean = sums / present
    channels = Moments(
        low=low,
        high=high,
        mean=mean,
        deviation=np.sqrt(np.maximum(squares / present - mean**2, 0)),
        zero=(present - nonzero) / present,
        saturated=full / present,
    )
    total = max(len(values), 1)
    middle = float(sums.sum()) / total
    layer = Moments(
        low=float(low.min()),
        high=float(high.max()),
        mean=middle,
        deviation=max(float(squares.sum()) / total - middle**2, 0.0) ** 0.5,
        zero=(len(values) - int(nonzero.sum())) / total,
        saturated=float(full.sum()) / total,
    )
    silent = (low == 0) & (high == 0) & (present == size)
    never, frames = silent, 1
    if before is not None and len(before.never) == count:
        never, frames = silent & before.never, before.frames + 1
    strength = mean if layer.low >= 0 else torch.linalg.vector_norm(flat, 1, dim=1).numpy() / present
    if before is not None and before.strength.shape == strength.shape and np.isfinite(before.strength).all():
        strength = 0.9 * before.strength + 0.1 * strength
    step = max(1, len(values) // COUNTED)
    while math.gcd(step, maps.shape[2]) > 1:  # so that every column has its turn
        step += 1
    counts, edges = histogram(np.ascontiguousarray(values[::step]), layer.low, layer.high)
    return Statistics(
        nan=nan,
        infinite=infinite,
        layer=layer,
        channels=channels,
        limit=limit,
        strength=strength,
        silent=silent,
        stuck=full > 0.5 * size,
        frames=frames,
        never=never,
        counts=counts * step,
        edges=edges,
        sampled=step,
    )


def count_nonzero(rows: NDArray[np.float32]) -> NDArray[np.int64]:
    """Of each row; long rows one by one in OpenCV, which is three times as fast."""
    if rows.shape[1] < 2048:
        return np.count_nonzero(rows, axis=1)
    return np.array([cv2.countNonZero(row) for row in rows], np.int64)


def histogram(values: NDArray[np.float32], low: float, high: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Counts and edges of BINS bars from low to high; where all values are equal, of bars around them."""
    bottom, top = low, high
    if high - low < 1e-30:
        around = max(0.5, abs(low) / 1000)
        bottom, top = low - around, high + around
    # Counting bytes is many times as fast as counting floats. OpenCV rounds where a histogram cuts, hence the half.
    if abs(bottom) > 1000 * (top - bottom):
        values, shift = values - np.float32(bottom), 0.0
    else:
        shift = -bottom
    scale = BINS / (top - bottom)
    bars = cv2.convertScaleAbs(values[None], alpha=scale, beta=shift * scale - 0.5)
    counts = cv2.calcHist([bars], [0], None, [256], [0, 256]).ravel().astype(np.float64)
    counts[BINS - 1] += counts[BINS:].sum()
    return counts[:BINS], np.linspace(bottom, top, BINS + 1)


def upper_limit(module: nn.Module) -> float | None:
    """The largest value a layer can give because of the activation function it ends with; None where there is no limit."""
    while isinstance(module, nn.Sequential) and len(module):
        module = module[-1]
    if isinstance(module, nn.Hardtanh):  # ReLU6 is one
        return float(module.max_val)
    if isinstance(module, nn.Sigmoid | nn.Tanh | nn.Hardsigmoid | nn.Softmax):
        return 1.0
    return None
