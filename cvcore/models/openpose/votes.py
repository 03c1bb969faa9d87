"""What PoseNet's maps say in the words of OpenPose: Hough votes, drawn as heat maps and PAFs.

Papandreou et al., "PersonLab", ECCV 2018, section 3.1: every cell near a keypoint of somebody says where that keypoint is (short-range
offset) and where the next ones of the same person are (mid-range displacements). Here every such cell follows the whole tree, and votes:
for the place of its keypoint (equation 1), for the other ends of its limbs, and along each of these limbs for its direction.
Nothing is learnt here. The votes of a dozen cells about each keypoint meet in one place to a fraction of a cell.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from cvcore.models.openpose.maps import LIMBS, STRIDE, PoseMaps
from cvcore.models.posenet import EDGES, PoseNetMaps
from cvcore.models.posenet import STRIDE as COARSE
from cvcore.ops.paf import COCO_17_NAMES, COCO_TO_OPENPOSE, OPENPOSE_18, voting
from cvcore.ops.paf.skeleton import NECK

FROM = 0.1
"""A cell votes from this probability on."""
MOST_VOTERS = 4096
"""Of one picture; the surest. A person has about 150."""
REFINE_STEPS = 2
"""How often a place is moved by the offsets there, as in ``decode_posenet``."""
LONGEST = 64
"""Places along a limb that a vote is put at, one a cell."""
SIGMA = 1.0
"""Of the peak that a vote draws, in cells."""
SURE = 4.0
"""Votes at a place that make a heat map 1 - 1 / e there: about a third of what a clear keypoint gets."""
HINT = 0.15
"""What a vote from the other end of a limb counts, beside one from the keypoint itself."""
COVERED = 3.0
"""Votes for the direction in a cell of a PAF that make it as long as it can be."""

SHOULDERS = tuple(COCO_17_NAMES.index(f"{side} shoulder") for side in ("left", "right"))


@dataclass(frozen=True, slots=True, eq=False)
class Votes:
    """Of one picture.

    Args:
        own: (18, h, w) votes of the cells about a keypoint for its place; the neck, which PoseNet does not know, has none.
        hints: (18, h, w) votes from the other ends of a keypoint's limbs.
        along: (19, 2, h, w) sums of the unit vectors, x and y, of the limbs that votes were put along; cover: (19, h, w) of the votes.
    """

    own: Tensor
    hints: Tensor
    along: Tensor
    cover: Tensor


def votes(maps: PoseNetMaps, height: int, width: int, stride: float = STRIDE) -> Votes:
    """The votes of one picture's cells; no gradients.

    Args:
        maps: of one picture, (1, ...) each.
        height, width: of the maps that are drawn, in cells. stride: of these cells, in px.

    Raises:
        ValueError: more pictures than one.
    """
    if len(maps.heatmaps) != 1:
        raise ValueError(f"one picture at a time, not {len(maps.heatmaps)}")
    probability = _array(maps.heatmaps.detach().float().sigmoid()[0].flatten(1))
    fields = (_array(m[0].unflatten(0, (2, -1)).flatten(2)) for m in (maps.offsets, maps.forward, maps.backward))
    drawn = voting.voted(
        probability,
        *fields,
        maps.heatmaps.shape[-1],
        np.array(EDGES),
        COARSE,
        REFINE_STEPS,
        np.array(COCO_TO_OPENPOSE),
        NECK,
        np.array(SHOULDERS),
        OPENPOSE_18.limb_array(),
        height,
        width,
        float(stride),
        FROM,
        MOST_VOTERS,
        LONGEST,
    )
    return Votes(*(torch.from_numpy(array).to(maps.heatmaps.device) for array in drawn))


def _array(values: Tensor) -> NDArray[np.float32]:
    return values.detach().float().cpu().contiguous().numpy()


def drawn(given: Votes) -> PoseMaps:
    """Heat maps (1, 19, h, w) and PAFs (1, 38, h, w): how many votes met, and which way they went; at most 1."""
    met = given.own + HINT * given.hints
    met[NECK] = given.hints[NECK] / 2
    row = torch.exp(-((torch.arange(-2, 3, device=met.device) / SIGMA) ** 2)).to(met)
    met = F.conv2d(met[:, None], (row[:, None] * row)[None, None], padding=2)[:, 0]
    heat = 1 - torch.exp(-met / SURE)  # without a plateau: the top of a peak stays where the votes are densest
    field = given.along / given.cover.clamp(min=COVERED)[:, None]
    pafs = field.new_zeros(2 * LIMBS, *field.shape[2:])
    pafs[torch.tensor(OPENPOSE_18.paf_channels, device=field.device).flatten()] = field.flatten(0, 1)
    return PoseMaps(torch.cat((heat, 1 - heat.amax(0, keepdim=True)))[None], pafs[None])
