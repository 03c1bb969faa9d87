"""What the network is trained to give: heat maps and part affinity fields of labelled people.

Cao et al., "Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields", CVPR 2017,
https://arxiv.org/abs/1611.08050 , sections 2.2 and 2.3. All places and lengths are in cells of the map, counted from the
centre of the first cell. The authors' code has exp(-d^2 / (2 s^2)) with s = 7 pixels at stride 8, which is the paper's
sigma of 1.24 cells.
"""

import torch
from torch import Tensor

from cvcore.ops.paf.skeleton import OPENPOSE_18, Skeleton

SIGMA = 1.25
"""Of the heat maps, in cells."""
LIMB_WIDTH = 1.0
"""Half the width of a limb, in cells."""


def heatmap_targets(people: Tensor, height: int, width: int, *, sigma: float = SIGMA) -> Tensor:
    """The confidence of each keypoint at each cell, and of none.

    For person k and keypoint j at x_jk (equations 6 and 7)::

        S*_jk(p) = exp(-||p - x_jk||^2 / sigma^2)        S*_j(p) = max over k of S*_jk(p)

    The maximum, not the mean, so that close peaks stay distinct. The last map is 1 less the largest of the others.

    Args:
        people: (P, K, 3) float: x, y in cells and a third value, above 0 where the keypoint is labelled.
        sigma: in cells, above 0.

    Returns:
        (K + 1, height, width), on the device and in the precision of the people.

    Raises:
        ValueError: shape, size or sigma.
    """
    _check(people, height, width)
    if not sigma > 0:
        raise ValueError(f"sigma must be above 0, not {sigma}")
    x, y, labelled = people.unbind(-1)  # (P, K)
    rows = torch.exp(-((_cells(height, people) - y[..., None]) ** 2) / sigma**2)  # (P, K, h)
    columns = torch.exp(-((_cells(width, people) - x[..., None]) ** 2) / sigma**2)  # (P, K, w)
    each = rows[..., :, None] * columns[..., None, :]  # (P, K, h, w)
    each = torch.where((labelled > 0)[..., None, None], each, 0)
    maps = each.amax(0) if len(people) else people.new_zeros(people.shape[1], height, width)
    return torch.cat((maps, 1 - maps.amax(0, keepdim=True)))


def paf_targets(
    people: Tensor,
    height: int,
    width: int,
    *,
    limb_width: float = LIMB_WIDTH,
    margin: float = 0.0,
    skeleton: Skeleton = OPENPOSE_18,
) -> Tensor:
    """The direction of each limb at each cell on it, 0 elsewhere.

    For limb c of person k from x_1 to x_2, with the unit vector v along it and its length l (equations 8 and 9)::

        L*_ck(p) = v  if 0 <= v . (p - x_1) <= l and |v_perp . (p - x_1)| <= limb_width,  else 0
        L*_c(p) = 1 / n_c(p)  sum over k of L*_ck(p)

    n_c(p) counts the people whose limb c is at p: the mean where limbs cross.

    Args:
        people: (P, K, 3) as in :func:`heatmap_targets`. A limb needs both ends labelled and some length.
        limb_width: in cells, how far from its line a limb reaches.
        margin: in cells, how far a limb reaches beyond its ends. The paper has 0; without it, limbs shorter than a cell
            may miss the centre of every cell.

    Returns:
        (2 L, height, width), channels as the skeleton has them.

    Raises:
        ValueError: shape, size, width or margin.
    """
    _check(people, height, width)
    if people.shape[1] != len(skeleton.names):
        raise ValueError(f"people have {people.shape[1]} keypoints, the skeleton {len(skeleton.names)}")
    if not limb_width > 0 or not margin >= 0:
        raise ValueError("limb_width must be above 0 and margin not below")
    out = people.new_zeros(2 * len(skeleton.limbs), height, width)
    rows, columns = _cells(height, people)[:, None], _cells(width, people)
    for (a, b), (cx, cy) in zip(skeleton.limbs, skeleton.paf_channels, strict=True):
        start, along = people[:, a, :2], people[:, b, :2] - people[:, a, :2]  # (P, 2)
        length = along.norm(dim=1)
        there = (people[:, a, 2] > 0) & (people[:, b, 2] > 0) & (length > 0)
        start, length = start[there, :, None, None], length[there, None, None]
        v = along[there, :, None, None] / length[:, None]  # (P', 2, 1, 1)
        dx, dy = columns - start[:, 0], rows - start[:, 1]  # (P', 1, w), (P', h, 1)
        projection = v[:, 0] * dx + v[:, 1] * dy  # (P', h, w)
        distance = (v[:, 0] * dy - v[:, 1] * dx).abs()
        on = (projection >= -margin) & (projection <= length + margin) & (distance <= limb_width)
        mean = (v * on[:, None]).sum(0) / on.sum(0).clamp(min=1)  # (2, h, w)
        out[cx], out[cy] = mean[0], mean[1]
    return out


def label_mask(boxes: Tensor, height: int, width: int) -> Tensor:
    """W(p) of section 2.1: 0 in the boxes of people that are there but not labelled, 1 elsewhere.

    Args:
        boxes: (N, 4) xyxy in cells, on continuous coordinates: a cell is out if its centre is inside, that is i + 1/2.

    Returns:
        (height, width) in the precision of the boxes.

    Raises:
        ValueError: shape or size.
    """
    if boxes.dim() != 2 or boxes.shape[1] != 4 or height < 0 or width < 0:
        raise ValueError(f"boxes must be (N, 4) and the size not negative, not {tuple(boxes.shape)}, {height}, {width}")
    rows, columns = _cells(height, boxes) + 0.5, _cells(width, boxes) + 0.5
    x1, y1, x2, y2 = boxes[..., None].unbind(1)  # (N, 1)
    inside = ((rows >= y1) & (rows < y2))[:, :, None] & ((columns >= x1) & (columns < x2))[:, None]
    return 1 - inside.any(0).to(boxes.dtype)


def _cells(count: int, like: Tensor) -> Tensor:
    return torch.arange(count, dtype=like.dtype, device=like.device)


def _check(people: Tensor, height: int, width: int) -> None:
    if people.dim() != 3 or people.shape[2] != 3 or not people.is_floating_point():
        raise ValueError(f"people must be floating (P, K, 3), not {people.dtype} {tuple(people.shape)}")
    if height < 0 or width < 0:
        raise ValueError(f"a map cannot be {height} x {width}")
