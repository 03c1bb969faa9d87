"""Made-up people of 18 keypoints."""

import torch
from torch import Tensor

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
