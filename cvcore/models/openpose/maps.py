"""What every pose network here gives: heat maps and PAFs, stage by stage; in the mirror; and the mean of several looks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvcore.ops.paf import OPENPOSE_18, mirrored

STRIDE = 8
KEYPOINTS, LIMBS = len(OPENPOSE_18.names), len(OPENPOSE_18.limbs)


@dataclass(frozen=True, slots=True, eq=False)
class PoseMaps:
    """What one stage believes.

    Args:
        heatmaps: (N, K + 1, h, w), the last one the background.
        pafs: (N, 2 L, h, w), channels as the skeleton has them.
    """

    heatmaps: Tensor
    pafs: Tensor


def refined(features: Tensor, initial: PoseMaps, refinement: Iterable[nn.Module]) -> tuple[PoseMaps, ...]:
    """What each stage gives, the initial one first: the later ones see the features (N, C, h, w) and the maps before them."""
    out = [initial]
    for stage in refinement:
        out.append(stage(torch.cat((features, out[-1].heatmaps, out[-1].pafs), 1)))
    return tuple(out)


def _mirrored_fields() -> tuple[list[int], list[float]]:
    """For each PAF channel of the mirror image, which one it is, and its sign: x turns round."""
    places = mirrored(OPENPOSE_18.names)
    source, sign = [0] * (2 * len(OPENPOSE_18.limbs)), [1.0] * (2 * len(OPENPOSE_18.limbs))
    for limb, (a, b) in enumerate(OPENPOSE_18.limbs):
        other = OPENPOSE_18.limbs.index((places[a], places[b]))
        for axis, factor in ((0, -1.0), (1, 1.0)):
            channel = OPENPOSE_18.paf_channels[limb][axis]
            source[channel], sign[channel] = OPENPOSE_18.paf_channels[other][axis], factor
    return source, sign


HEATMAPS = [*mirrored(OPENPOSE_18.names), len(OPENPOSE_18.names)]
FIELDS, SIGNS = _mirrored_fields()


def mirror_image(maps: PoseMaps) -> PoseMaps:
    """The maps of a mirrored picture -> as they are for the picture: turned round, left and right keypoints changed, x negated."""
    sign = maps.pafs.new_tensor(SIGNS)[:, None, None]
    return PoseMaps(maps.heatmaps.flip(-1)[:, HEATMAPS], maps.pafs.flip(-1)[:, FIELDS] * sign)


def average(seen: Iterable[PoseMaps], size: Sequence[int]) -> PoseMaps:
    """The mean of maps of any sizes that show the same, on (height, width) cells.

    Raises:
        ValueError: there are none.
    """

    def fitted(maps: Tensor) -> Tensor:
        if tuple(maps.shape[-2:]) == tuple(size):
            return maps
        # smoothed where there are fewer cells, or a peak between two of them would be lost
        # single precision: not all devices have it in less
        return F.interpolate(maps.float(), tuple(size), mode="bilinear", antialias=True).to(maps)

    each = [(fitted(m.heatmaps), fitted(m.pafs)) for m in seen]
    if not each:
        raise ValueError("there are no maps to average")
    heatmaps, pafs = (torch.stack(maps).mean(0) for maps in zip(*each, strict=True))
    return PoseMaps(heatmaps, pafs)
