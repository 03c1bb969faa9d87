"""Our own small network: PoseNet's knowledge of people in the heat maps and PAFs of Cao et al. 2017, refined.

PoseNet (``cvcore.models.posenet``) stands in it whole, as it was trained on all of COCO, and is not trained on. What its heads
say is drawn as heat maps and PAFs by Hough votes (``cvcore.models.openpose.votes``): the initial stage, which learns nothing. The
trunk's end, brought to stride 8, and a finer layer of stride 8 (skip connection) make the features; ``stages`` refinement stages see
the features and what the stage before believed, as in the paper, and correct it. Their convolutions are separable with 7x7
kernels: the field of the paper's at a fiftieth of the work.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvcore.models.openpose.maps import KEYPOINTS, LIMBS, STRIDE, PoseMaps, refined
from cvcore.models.openpose.network import Pixels, PoseNetwork
from cvcore.models.openpose.votes import drawn, votes
from cvcore.models.posenet import WIDTHS, PoseNet, PoseNetMaps

SKIP = 6
"""The skip connection leaves the trunk after this many layers, at stride 8."""


class SeparableBlock(nn.Module):
    """A shortcut around depthwise 7x7 and 1x1 convolutions with batch norm."""

    def __init__(self, channels: int, kernel: int = 7) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:  # (N, C, h, w) -> the same
        y = self.norm1(self.depthwise(x)).relu()
        out: Tensor = (x + self.norm2(self.pointwise(y))).relu()
        return out


class ConvNorm(nn.Sequential):
    """Convolution that keeps the size, batch norm, ReLU."""

    def __init__(self, before: int, after: int, kernel: int) -> None:
        super().__init__(
            nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
        )


class SmallStage(nn.Module):
    """(N, before, h, w), of which the last channels are heat maps and PAFs -> corrected ones."""

    def __init__(self, before: int, channels: int, blocks: int) -> None:
        super().__init__()
        self.enter = ConvNorm(before, channels, 1)
        self.body = nn.Sequential(*(SeparableBlock(channels) for _ in range(blocks)))
        self.hidden = ConvNorm(channels, 2 * channels, 1)
        self.heatmaps = nn.Conv2d(2 * channels, KEYPOINTS + 1, 1)
        self.pafs = nn.Conv2d(2 * channels, 2 * LIMBS, 1)

    def forward(self, x: Tensor) -> PoseMaps:
        heatmaps, pafs = x[:, -(KEYPOINTS + 1 + 2 * LIMBS) :].split((KEYPOINTS + 1, 2 * LIMBS), 1)
        x = self.hidden(self.body(self.enter(x)))
        return PoseMaps(heatmaps + self.heatmaps(x), pafs + self.pafs(x))


class PoseSmall(PoseNetwork):
    """PoseNet, votes, features, refinement stages: 2.1 million parameters with the defaults, 1.3 of them PoseNet's.

    Args:
        stages: refinement stages after the initial one, 2 or more.
        channels: of features and stages.
        blocks: separable blocks in a stage.
    """

    pixels = Pixels(scale=127.5, mean=1, std=1, bgr=False)
    short_side = 384

    def __init__(self, *, stages: int = 2, channels: int = 160, blocks: int = 4) -> None:
        super().__init__()
        if stages < 2:
            raise ValueError(f"there must be 2 refinement stages or more, not {stages}")
        self.posenet = PoseNet()
        self.from_end = nn.Conv2d(WIDTHS[-1], channels, 1)
        self.from_skip = nn.Conv2d(WIDTHS[SKIP - 1], channels, 1, bias=False)
        self.fuse = ConvNorm(channels, channels, 3)
        seen = channels + KEYPOINTS + KEYPOINTS + 1 + 2 * LIMBS
        self.refinement_stages = nn.ModuleList(SmallStage(seen, channels, blocks) for _ in range(stages))

    def stages(self, x: Tensor) -> tuple[PoseMaps, ...]:
        height, width = (-(-side // STRIDE) for side in x.shape[-2:])
        finer, end, said = self.seen(x)
        finer = finer[..., :height, :width]
        features = self.fuse((doubled(self.from_end(end), finer) + self.from_skip(finer)).relu())
        hints, initial = voted(said, height, width)
        return refined(torch.cat((features, hints.to(features)), 1), initial, self.refinement_stages)

    def seen(self, x: Tensor) -> tuple[Tensor, Tensor, PoseNetMaps]:
        """What PoseNet makes of (N, 3, H, W): the trunk at stride 8 and at its end, and the heads' maps. It knows sides of 16 k + 1, so
        that the picture is made up to a multiple of 8 and one more."""
        right, below = (-side % STRIDE + 1 for side in (x.shape[-1], x.shape[-2]))
        with torch.autocast(x.device.type, enabled=False):  # places in px are too coarse in bfloat16
            finer = self.posenet.features[:SKIP](F.pad(x, (0, right, 0, below), mode="replicate"))
            end = self.posenet.features[SKIP:](finer)
            return finer, end, self.posenet.maps(end)

    def forward(self, x: Tensor) -> list[Tensor]:
        """All stages, as lightweight OpenPose gives them.

        Args:
            x: (N, 3, H, W) RGB in [-1, 1].

        Returns:
            heat maps (N, 19, h, w) and PAFs (N, 38, h, w) of the initial stage, of the first refinement stage, ...;
            h = H / 8, w = W / 8, rounded up.
        """
        return [maps for stage in self.stages(x) for maps in (stage.heatmaps, stage.pafs)]


def voted(said: PoseNetMaps, height: int, width: int) -> tuple[Tensor, PoseMaps]:
    """Of each picture, the hints (N, 18, h, w) and the maps that its votes draw, in PoseNet's precision."""
    maps = (said.heatmaps, said.offsets, said.forward, said.backward)
    each = [votes(PoseNetMaps(*one), height, width) for one in zip(*(m.split(1) for m in maps), strict=True)]
    pictures = [drawn(v) for v in each]
    heatmaps, pafs = (
        torch.cat([getattr(p, name) for p in pictures]).to(said.heatmaps) for name in ("heatmaps", "pafs")
    )
    return torch.stack([v.hints for v in each]).to(said.heatmaps), PoseMaps(heatmaps, pafs)


def doubled(x: Tensor, like: Tensor) -> Tensor:
    """Twice as many cells, as many as ``like`` has. With symmetric padding, cell i of a stride lies on cell 2 i of the half of it: even
    cells are copies, odd ones means of two."""
    height, width = x.shape[-2:]
    fine = F.interpolate(x, (2 * height - 1, 2 * width - 1), mode="bilinear", align_corners=True)
    return fine[..., : like.shape[-2], : like.shape[-1]]


def pose_small() -> PoseSmall:
    """The built-in network: an initial and two refinement stages."""
    return PoseSmall()
