"""Our own small network: the heat maps and PAFs of Cao et al. 2017 on the trunk of PoseNet.

The trunk (MobileNetV1 0.75, ``cvcore.models.posenet``) starts from weights that know people and ends at stride 16. Its end, brought
to stride 8, and a finer layer of stride 8 (skip connection) make the features; an initial and ``stages`` refinement stages
give heat maps and PAFs, each stage seeing the features and what the one before believed, as in the paper. A stage's convolutions
are separable with 7x7 kernels: the field of the paper's at a fiftieth of the work.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from cvcore.models.openpose.maps import KEYPOINTS, LIMBS, Pixels, PoseMaps, PoseNetwork, refined
from cvcore.models.posenet import WIDTHS, mobilenet_trunk

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
    """(N, before, h, w) -> heat maps and PAFs."""

    def __init__(self, before: int, channels: int, blocks: int) -> None:
        super().__init__()
        self.enter = ConvNorm(before, channels, 1)
        self.body = nn.Sequential(*(SeparableBlock(channels) for _ in range(blocks)))
        self.hidden = ConvNorm(channels, 2 * channels, 1)
        self.heatmaps = nn.Conv2d(2 * channels, KEYPOINTS + 1, 1)
        self.pafs = nn.Conv2d(2 * channels, 2 * LIMBS, 1)

    def forward(self, x: Tensor) -> PoseMaps:
        x = self.hidden(self.body(self.enter(x)))
        return PoseMaps(self.heatmaps(x), self.pafs(x))


class PoseSmall(PoseNetwork):
    """Trunk, features, stages: 2.3 million parameters with the defaults.

    Args:
        stages: refinement stages after the initial one, 2 or more.
        channels: of features and stages.
        blocks: separable blocks in a stage.
    """

    pixels = Pixels(scale=127.5, mean=1, std=1, bgr=False)
    height = 256

    def __init__(self, *, stages: int = 2, channels: int = 160, blocks: int = 4) -> None:
        super().__init__()
        if stages < 2:
            raise ValueError(f"there must be 2 refinement stages or more, not {stages}")
        self.features = mobilenet_trunk()
        self.from_end = nn.Conv2d(WIDTHS[-1], channels, 1)
        self.from_skip = nn.Conv2d(WIDTHS[SKIP - 1], channels, 1, bias=False)
        self.fuse = ConvNorm(channels, channels, 3)
        self.initial_stage = SmallStage(channels, channels, blocks)
        seen = channels + KEYPOINTS + 1 + 2 * LIMBS
        self.refinement_stages = nn.ModuleList(SmallStage(seen, channels, blocks) for _ in range(stages))

    def stages(self, x: Tensor) -> tuple[PoseMaps, ...]:
        finer = self.features[:SKIP](x)  # (N, 192, h, w), h = H / 8
        end = self.features[SKIP:](finer)  # (N, 384, h / 2, w / 2)
        features = self.fuse((doubled(self.from_end(end), finer) + self.from_skip(finer)).relu())
        return refined(features, self.initial_stage, self.refinement_stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """All stages, as lightweight OpenPose gives them.

        Args:
            x: (N, 3, H, W) RGB in [-1, 1].

        Returns:
            heat maps (N, 19, h, w) and PAFs (N, 38, h, w) of the initial stage, of the first refinement stage, ...;
            h = H / 8, w = W / 8, rounded up.
        """
        return [maps for stage in self.stages(x) for maps in (stage.heatmaps, stage.pafs)]


def doubled(x: Tensor, like: Tensor) -> Tensor:
    """Twice as many cells, as many as ``like`` has. With symmetric padding, cell i of a stride lies on cell 2 i of the half of it: even
    cells are copies, odd ones means of two, and where the size is even the last ones are repeated."""
    height, width = x.shape[-2:]
    fine = F.interpolate(x, (2 * height - 1, 2 * width - 1), mode="bilinear", align_corners=True)
    return F.pad(fine, (0, like.shape[-1] - fine.shape[-1], 0, like.shape[-2] - fine.shape[-2]), mode="replicate")


def pose_small() -> PoseSmall:
    """The built-in network: an initial and two refinement stages."""
    return PoseSmall()
