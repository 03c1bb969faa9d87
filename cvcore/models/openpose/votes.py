"""What PoseNet's maps say in the words of OpenPose: Hough votes, drawn as heat maps and PAFs.

Papandreou et al., "PersonLab", ECCV 2018, section 3.1: every cell near a keypoint of somebody says where that keypoint is (short-range
offset) and where the next ones of the same person are (mid-range displacements). Here every such cell follows the whole tree, and votes:
for the place of its keypoint (equation 1), for the other ends of its limbs, and along each of these limbs for its direction.
Nothing is learnt here. The votes of a dozen cells about each keypoint meet in one place to a fraction of a cell.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cvcore.models.openpose.maps import KEYPOINTS, LIMBS, STRIDE, PoseMaps
from cvcore.models.posenet import EDGES, PoseNetMaps
from cvcore.models.posenet import STRIDE as COARSE
from cvcore.ops.paf import COCO_17_NAMES, COCO_TO_OPENPOSE, OPENPOSE_18
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


def _limbs_of() -> Tensor:
    """(17, 3) the limbs that end in each of COCO's keypoints, filled up with -1."""
    rows = [[c for c, limb in enumerate(OPENPOSE_18.limbs) if body in limb] for body in COCO_TO_OPENPOSE]
    return torch.tensor([row + [-1] * (3 - len(row)) for row in rows])


LIMBS_OF = _limbs_of()


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


def follow(maps: PoseNetMaps, kind: Tensor, cell: Tensor) -> Tensor:
    """Where everything is of the persons that cells see: all keypoints of each, along the tree.

    Args:
        maps: of one picture, (1, ...) each.
        kind: (V,) the keypoint that each cell sees. cell: (V,) its number, row by row.

    Returns:
        (V, 17, 2) y and x in pixels, from the middle of the first.
    """
    width = maps.heatmaps.shape[-1]
    corner = COARSE * torch.stack((cell.new_tensor(maps.heatmaps.shape[-2] - 1), cell.new_tensor(width - 1)))
    offsets, forward, backward = (
        m[0].unflatten(0, (2, -1)).flatten(2) for m in (maps.offsets, maps.forward, maps.backward)
    )

    def nearest(place: Tensor) -> Tensor:
        row, column = (place.clamp(min=corner.new_zeros(2), max=corner) / COARSE).round().long().unbind(-1)
        return row * width + column

    def middle(at: Tensor) -> Tensor:
        return COARSE * torch.stack((at // width, at % width), -1)

    places = offsets.new_zeros(len(kind), len(COCO_17_NAMES), 2)
    known = torch.zeros(places.shape[:2], dtype=torch.bool, device=places.device)
    voter = torch.arange(len(kind), device=places.device)
    places[voter, kind] = middle(cell) + offsets[:, kind, cell].T
    known[voter, kind] = True
    steps = [(child, parent, backward[:, e]) for e, (parent, child) in reversed(list(enumerate(EDGES)))]
    steps += [(parent, child, forward[:, e]) for e, (parent, child) in enumerate(EDGES)]
    for start, end, displacement in steps:
        go = known[:, start] & ~known[:, end]
        place = places[:, start] + displacement[:, nearest(places[:, start])].T
        for _ in range(REFINE_STEPS):
            at = nearest(place)
            place = middle(at) + offsets[:, end, at].T
        places[:, end] = torch.where(go[:, None], place, places[:, end])
        known[:, end] |= go
    return places


@torch.no_grad()
def votes(maps: PoseNetMaps, height: int, width: int, stride: float = STRIDE) -> Votes:
    """The votes of one picture's cells.

    Args:
        maps: of one picture, (1, ...) each.
        height, width: of the maps that are drawn, in cells. stride: of these cells, in px.

    Raises:
        ValueError: more pictures than one.
    """
    if len(maps.heatmaps) != 1:
        raise ValueError(f"one picture at a time, not {len(maps.heatmaps)}")
    maps = PoseNetMaps(*(m.float() for m in (maps.heatmaps, maps.offsets, maps.forward, maps.backward)))
    probability = maps.heatmaps[0].sigmoid().flatten(1)
    sure, order = probability.flatten().topk(min(MOST_VOTERS, probability.numel()))
    order = order[sure > FROM]
    weight = sure[: len(order)]
    kind, cell = order // probability.shape[1], order % probability.shape[1]
    device = weight.device
    grid = _Grid(height, width, weight)

    places = (follow(maps, kind, cell) + 0.5) / stride - 0.5  # (V, 17, 2) in the cells that are drawn
    body = places.new_zeros(len(places), KEYPOINTS, 2)
    body[:, torch.tensor(COCO_TO_OPENPOSE, device=device)] = places
    body[:, NECK] = places[:, SHOULDERS].mean(1)
    seen = torch.tensor(COCO_TO_OPENPOSE, device=device)[kind]
    voter = torch.arange(len(kind), device=device)
    own = grid.sums(KEYPOINTS, seen, body[voter, seen], weight[:, None])[:, 0]

    limb = LIMBS_OF.to(device)[kind]  # (V, 3)
    voter, slot = (limb >= 0).nonzero().unbind(1)
    limb = limb[voter, slot]
    ends = torch.tensor(OPENPOSE_18.limbs, device=device)[limb]  # (W, 2)
    start, end = (body[voter, ends[:, i]] for i in (0, 1))
    other = torch.where(ends[:, 0] == seen[voter], ends[:, 1], ends[:, 0])
    weight = weight[voter]
    hints = grid.sums(KEYPOINTS, other, body[voter, other], weight[:, None])[:, 0]

    vector = end - start
    length = vector.norm(dim=1).clamp_min(1e-3)
    count = int(length.max().ceil().clamp(2, LONGEST)) if len(length) else 2
    share = (torch.arange(count, device=device) + 0.5) / count
    points = start[:, None] + share[:, None] * vector[:, None]  # (W, count, 2)
    each = weight * length.clamp_min(1) / count  # one vote a cell of the way
    values = torch.cat((vector.flip(1) / length[:, None], torch.ones_like(length)[:, None]), 1) * each[:, None]
    repeated = values[:, None].expand(-1, count, -1).flatten(0, 1)
    drawn = grid.sums(LIMBS, limb[:, None].expand(-1, count).flatten(), points.flatten(0, 1), repeated)
    return Votes(own, hints, drawn[:, :2], drawn[:, 2])


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """(height, width) cells, on the device of ``like``."""

    height: int
    width: int
    like: Tensor

    def sums(self, channels: int, channel: Tensor, places: Tensor, values: Tensor) -> Tensor:
        """(channels, D, h, w) of values (V, D), each shared between the four cells about its place (V, 2), y and x in cells."""
        out = self.like.new_zeros(channels * self.height * self.width, values.shape[1])
        corner = places.floor()
        y, x = corner.long().unbind(1)
        fraction_y, fraction_x = (places - corner).unbind(1)
        for down, share_y in ((0, 1 - fraction_y), (1, fraction_y)):
            for right, share_x in ((0, 1 - fraction_x), (1, fraction_x)):
                row, column = y + down, x + right
                inside = (row >= 0) & (row < self.height) & (column >= 0) & (column < self.width)
                at = (channel * self.height + row) * self.width + column
                share = torch.where(inside, share_y * share_x, 0)
                out.index_add_(0, torch.where(inside, at, 0), values * share[:, None])
        return out.unflatten(0, (channels, self.height, self.width)).permute(0, 3, 1, 2)


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
