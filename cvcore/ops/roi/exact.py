"""What a bin should give: the mean or maximum of the bilinearly interpolated map over the bin's real area, without sampling.

Interpolation is that of RoI Align: cell i has its value at i, and beyond the outermost cells the map goes on unchanged.
"""

from typing import Literal

import torch
from torch import Tensor


def exact_bins(features: Tensor, y: Tensor, x: Tensor, mode: Literal["avg", "max"]) -> Tensor:
    """Pool bins exactly.

    The mean is an integral of hat functions and has a closed form. The maximum of a bilinear function over a rectangle lies at
    one of its corners; within a bin those are the bin's own edges and the cells' lines that cross it.

    Args:
        features: (C, H, W).
        y, x: (K, P + 1) and (K, Q + 1) the bins' edges in cells.
        mode: ``avg`` or ``max``.

    Returns:
        (K, C, P, Q).
    """
    if mode == "avg":
        down, across = mean_weights(y, features.shape[1]), mean_weights(x, features.shape[2])
        return down[:, None] @ features @ across[:, None].mT
    rows, columns = corner_weights(y, features.shape[1]), corner_weights(x, features.shape[2])
    down, across = rows.flatten(1, 2), columns.flatten(1, 2)  # (K, P M, H), (K, Q N, W)
    corners = down[:, None] @ features @ across[:, None].mT  # (K, C, P M, Q N)
    return corners.unflatten(3, columns.shape[1:3]).amax(4).unflatten(2, rows.shape[1:3]).amax(3)


def mean_weights(edges: Tensor, cells: int) -> Tensor:
    """(K, P, cells) by how much each cell counts in the mean over each bin of one axis."""
    width = edges.diff(dim=1)
    integral = antiderivative(edges, cells).diff(dim=1) / width.clamp(min=1e-6)[..., None]
    middle = hats((edges[:, 1:] + edges[:, :-1]) / 2, cells)
    return torch.where(width[..., None] > 1e-3, integral, middle)


def corner_weights(edges: Tensor, cells: int) -> Tensor:
    """(K, P, M, cells) the interpolation weights at a bin's edges and at the cells within it."""
    low, high = edges[:, :-1, None], edges[:, 1:, None]  # (K, P, 1)
    most = int((high.floor() - low.ceil()).max().clamp(min=-1)) + 1 if len(edges) else 0
    within = torch.minimum(low.ceil() + torch.arange(most, device=edges.device), high)
    return hats(torch.cat((low, within, high), -1), cells)


def hats(at: Tensor, cells: int) -> Tensor:
    """(..., cells) linear interpolation weights of each cell at each place."""
    cell = torch.arange(cells, device=at.device, dtype=at.dtype)
    return (1 - (at.clamp(0, cells - 1)[..., None] - cell).abs()).clamp(min=0)


def antiderivative(at: Tensor, cells: int) -> Tensor:
    """(..., cells) the integral from 0 to each place of each cell's hat function, the outermost ones going on for ever."""
    cell = torch.arange(cells, device=at.device, dtype=at.dtype)
    clamped = at.clamp(0, cells - 1)
    u = (clamped[..., None] - cell).clamp(-1, 1)
    area = torch.where(u < 0, (u + 1).square() / 2, 1 - (1 - u).square() / 2)
    beyond = at - clamped
    first, last = (cell == 0).to(at.dtype), (cell == cells - 1).to(at.dtype)
    return area + beyond.clamp(max=0)[..., None] * first + beyond.clamp(min=0)[..., None] * last
