"""Both RoI operators in plain tensor operations, for devices other than the CPU; the same results as the compiled loops.

The features' channels come last and their cells are rows: what a bin reads is a list of rows. A maximum is first looked for without
gradients, then only what won is read again with them.
"""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cvcore.ops.roi.regions import QuantisedAxis, SampledAxis

CHUNK = 2**24
"""Cells gathered at a time."""


def _rows(features: Tensor) -> Tensor:
    """(N H W, C)."""
    return features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])


def _features(rows: Tensor, size: Sequence[int]) -> Tensor:
    """Rows (N H W, C) as features (N, C, H, W) of this size."""
    return rows.view(size[0], size[2], size[3], size[1]).permute(0, 3, 1, 2).contiguous()


def _lists(size: Sequence[int], image: Tensor, y: SampledAxis, x: SampledAxis) -> Iterator[tuple[Tensor, Tensor]]:
    """What the bins of some RoIs after others are made of: rows and weights, (k P Q, cells)."""
    H, W = size[2:]
    K, P, Gy = y.position.shape
    Q, Gx = x.position.shape[1:]
    # (K, P, Q, Gy, Gx, 2, 2), as views until they are added
    y_cell = (image[:, None, None, None] * H + y.cell)[:, :, None, :, None, :, None] * W
    x_cell = x.cell[:, None, :, None, :, None, :]
    y_weight, x_weight = y.weight[:, :, None, :, None, :, None], x.weight[:, None, :, None, :, None, :]
    points = (y.count * x.count).clamp(min=1)[:, None, None, None]
    step = max(1, CHUNK // max(1, P * Q * Gy * Gx * 4))
    for k in range(0, K, step):
        some = slice(k, k + step)
        weight = (y_weight[some] * x_weight[some]).flatten(3) / points[some]
        yield (y_cell[some] + x_cell[some]).flatten(3).flatten(0, 2), weight.flatten(0, 2)


def means(features: Tensor, image: Tensor, y: SampledAxis, x: SampledAxis) -> Tensor:
    """RoI Align's means (K, C, P, Q): rows, weighted and added.

    Args:
        features: (N, C, H, W). image: (K,) int64, the picture of each RoI. y, x: its bins.
    """
    rows = _rows(features)
    parts = [rows.new_zeros((0, rows.shape[1]))]
    for index, weight in _lists(features.shape, image, y, x):
        if index.shape[1] == 0:
            parts.append(rows.new_zeros((len(index), rows.shape[1])))
        else:
            parts.append(F.embedding_bag(index, rows, mode="sum", per_sample_weights=weight.to(rows.dtype)))
    out = torch.cat(parts).view(len(image), y.position.shape[1], x.position.shape[1], rows.shape[1])
    return out.permute(0, 3, 1, 2).contiguous()


def means_gradient(grad_out: Tensor, size: Sequence[int], image: Tensor, y: SampledAxis, x: SampledAxis) -> Tensor:
    """The way back of :func:`means` to features (N, C, H, W) of this size."""
    bins = grad_out.permute(0, 2, 3, 1).reshape(-1, size[1])
    rows = bins.new_zeros((size[0] * size[2] * size[3], size[1]))
    done = 0
    for index, weight in _lists(size, image, y, x):
        for cell in range(index.shape[1]):
            rows.index_add_(0, index[:, cell], bins[done : done + len(index)] * weight[:, cell, None])
        done += len(index)
    return _features(rows, size)


@torch.no_grad()
def largest_points(features: Tensor, image: Tensor, y: SampledAxis, x: SampledAxis) -> Tensor:
    """RoI Align's largest sampling point of each bin, row by row, -1 without one: (K, C, P, Q) int32. One point at a time."""
    H, W = features.shape[2:]
    rows = _rows(features)
    K, P, Gy = y.position.shape
    Q, Gx = x.position.shape[1:]
    row = (image[:, None, None, None] * H + y.cell) * W  # (K, P, Gy, 2)
    best = rows.new_full((K, P, Q, rows.shape[1]), -torch.inf)
    which = torch.full(best.shape, -1, dtype=torch.int32, device=rows.device)
    for i in range(Gy):
        for j in range(Gx):
            index = row[:, :, None, i, :, None] + x.cell[:, None, :, j, None, :]  # (K, P, Q, 2, 2)
            weight = y.weight[:, :, None, i, :, None] * x.weight[:, None, :, j, None, :]
            value = (rows[index] * weight[..., None]).sum((3, 4))  # (K, P, Q, C)
            exists = ((i < y.count) & (j < x.count))[:, None, None, None]
            better = (value > best) & exists
            best = value.where(better, best)
            which = (i * x.count + j).int()[:, None, None, None].where(better, which)
    return which.permute(0, 3, 1, 2).contiguous()


def _corners(
    size: Sequence[int], image: Tensor, y: SampledAxis, x: SampledAxis, argmax: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """The four cells of one point a bin and channel: row numbers and weights, (K P Q, C)."""
    H, W = size[2:]
    K, P, Gy = y.position.shape
    Q, Gx = x.position.shape[1:]
    if not (Gy and Gx):
        return
    which = argmax.permute(0, 2, 3, 1)  # (K, P, Q, C)
    across = x.count.clamp(min=1)[:, None, None, None]
    point = which.clamp(min=0).long()
    down, right = point // across, point % across
    first = (image * (H * W))[:, None, None, None]
    for corner in range(4):
        a, b = corner >> 1, corner & 1
        row = y.cell[..., a][:, :, None, :].expand(K, P, Q, Gy).gather(3, down)
        column = x.cell[..., b][:, None].expand(K, P, Q, Gx).gather(3, right)
        wy = y.weight[..., a][:, :, None, :].expand(K, P, Q, Gy).gather(3, down)
        wx = x.weight[..., b][:, None].expand(K, P, Q, Gx).gather(3, right)
        yield (first + row * W + column).flatten(0, 2), (wy * wx * (which >= 0)).flatten(0, 2)


def at_points(features: Tensor, image: Tensor, y: SampledAxis, x: SampledAxis, argmax: Tensor) -> Tensor:
    """The values (K, C, P, Q) at sampling points of that number, 0 for -1: four cells a bin and channel."""
    rows = _rows(features)
    K, C, P, Q = argmax.shape
    out = rows.new_zeros((K * P * Q, C))
    for index, weight in _corners(features.shape, image, y, x, argmax):
        out = out + torch.gather(rows, 0, index) * weight
    return out.view(K, P, Q, C).permute(0, 3, 1, 2).contiguous()


def at_points_gradient(
    grad_out: Tensor, size: Sequence[int], image: Tensor, y: SampledAxis, x: SampledAxis, argmax: Tensor
) -> Tensor:
    """The way back of :func:`at_points` to features (N, C, H, W) of this size."""
    bins = grad_out.permute(0, 2, 3, 1).reshape(-1, size[1])
    rows = bins.new_zeros((size[0] * size[2] * size[3], size[1]))
    for index, weight in _corners(size, image, y, x, argmax):
        rows.scatter_add_(0, index, bins * weight)
    return _features(rows, size)


@torch.no_grad()
def largest_cells(features: Tensor, image: Tensor, y: QuantisedAxis, x: QuantisedAxis) -> Tensor:
    """RoI Pool's largest cell of each bin, y W + x, -1 for an empty one: (K, C, P, Q) int32. One cell of every bin at a time.

    The host waits once, to know the size of the largest bin.
    """
    H, W = features.shape[2:]
    rows = _rows(features)
    K, P = y.first.shape
    Q = x.first.shape[1]
    height, width = y.stop - y.first, x.stop - x.first
    largest = torch.stack((height.amax(), width.amax())).clamp(min=0).tolist() if K else (0, 0)
    best = rows.new_full((K, P, Q, rows.shape[1]), -torch.inf)
    which = torch.full(best.shape, -1, dtype=torch.int32, device=rows.device)
    start = (image * (H * W))[:, None, None]
    for i in range(largest[0]):
        for j in range(largest[1]):
            exists = (i < height)[:, :, None] & (j < width)[:, None, :]  # (K, P, Q)
            cell = ((y.first + i).clamp(max=H - 1) * W)[:, :, None] + (x.first + j).clamp(max=W - 1)[:, None, :]
            value = rows[start + cell]  # (K, P, Q, C)
            better = (value > best) & exists[..., None]
            best = value.where(better, best)
            which = cell.int()[..., None].where(better, which)
    return which.permute(0, 3, 1, 2).contiguous()


def at_cells(features: Tensor, image: Tensor, argmax: Tensor) -> Tensor:
    """The values (K, C, P, Q) of these cells, 0 for -1."""
    H, W = features.shape[2:]
    which = argmax.permute(0, 2, 3, 1)  # (K, P, Q, C)
    index = (image * (H * W))[:, None, None, None] + which.clamp(min=0).long()
    out = torch.gather(_rows(features), 0, index.flatten(0, 2)).view(which.shape) * (which >= 0)
    return out.permute(0, 3, 1, 2).contiguous()


def at_cells_gradient(grad_out: Tensor, size: Sequence[int], image: Tensor, argmax: Tensor) -> Tensor:
    """The way back of :func:`at_cells` to features (N, C, H, W) of this size."""
    which = argmax.permute(0, 2, 3, 1)
    index = (image * (size[2] * size[3]))[:, None, None, None] + which.clamp(min=0).long()
    values = grad_out.permute(0, 2, 3, 1) * (which >= 0)
    rows = grad_out.new_zeros((size[0] * size[2] * size[3], size[1]))
    return _features(rows.scatter_add_(0, index.flatten(0, 2), values.flatten(0, 2)), size)
