"""Made-up people of 18 keypoints."""

import torch
from torch import Tensor

from cvcore.models.posenet import EDGES, STRIDE, PoseNetMaps

HEIGHT, WIDTH = 20, 34
"""Cells of the maps of PoseNet."""

# fmt: off
STANDING = torch.tensor([
    [0, -3], [0, -1.5], [-1, -1.5], [-1.5, 0], [-1.6, 1.4], [1, -1.5], [1.5, 0], [1.6, 1.4], [-0.6, 1.5], [-0.7, 3.2],
    [-0.7, 5], [0.6, 1.5], [0.7, 3.2], [0.7, 5], [-0.35, -3.4], [0.35, -3.4], [-0.75, -3.2], [0.75, -3.2],
])
# fmt: on
"""(18, 2) about 3 wide and 8 high, around 0, 0."""


def standing(x: float, y: float, size: float = 3.0) -> Tensor:
    """(18, 3) one person around a place."""
    return torch.cat((STANDING * size + torch.tensor([x, y]), torch.ones(18, 1)), 1)


def crowd(count: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """(P, 18, 3) anywhere, of different sizes and poses; what lies outside of the map is not labelled."""
    size = 1.5 + 2 * torch.rand(count, 1, 1, generator=generator)
    middle = torch.rand(count, 1, 2, generator=generator) * torch.tensor([width - 1.0, height - 1.0])
    xy = (STANDING + 0.3 * torch.randn(count, 18, 2, generator=generator)) * size + middle
    inside = (xy >= 0).all(-1) & (xy[..., 0] <= width - 1) & (xy[..., 1] <= height - 1)
    return torch.cat((xy, inside[..., None].float()), -1)


def maps_of(people: Tensor, seen: Tensor) -> PoseNetMaps:
    """What a perfect PoseNet says of (P, 17, 2) people: every cell speaks of the person nearest to it.

    Args:
        seen: (P, 17) probabilities.
    """
    row, column = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    cells = torch.stack((column, row), -1)[:, :, None].float() * STRIDE  # (h, w, 1, 2)
    heatmaps = torch.full((17, HEIGHT, WIDTH), -8.0)
    offsets, forward, backward = (torch.zeros(n, 2, HEIGHT, WIDTH) for n in (17, 16, 16))

    def nearest(k: int) -> Tensor:
        return (cells - people[:, k]).norm(dim=-1).argmin(-1)  # (h, w)

    for k in range(17):
        owner = nearest(k)
        offsets[k] = (people[owner, k] - cells[:, :, 0]).flip(-1).permute(2, 0, 1)
        distance = (people[owner, k] - cells[:, :, 0]).norm(dim=-1)
        near = distance <= distance.min() + 24
        heatmaps[k] = torch.where(near, torch.logit(seen[owner, k]) - distance / 10, heatmaps[k])
    for e, (parent, child) in enumerate(EDGES):
        for field, a, b in ((forward, parent, child), (backward, child, parent)):
            owner = nearest(a)
            field[e] = (people[owner, b] - people[owner, a]).flip(-1).permute(2, 0, 1)
    # all y, then all x
    flat = [t.transpose(0, 1).flatten(0, 1)[None] for t in (offsets, forward, backward)]
    return PoseNetMaps(heatmaps[None], *flat)
