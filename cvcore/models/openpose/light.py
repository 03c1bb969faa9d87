"""Lightweight OpenPose: Osokin, "Real-time 2D Multi-Person Pose Estimation on CPU", 2018, https://arxiv.org/abs/1811.12004 .

A dilated MobileNetV1 at stride 8 (section 4.2), one body for both branches with the two outputs at its end, and blocks of
1x1, 3x3 and dilated 3x3 convolutions in place of 7x7 ones (section 4.3). The tensor names are those of the author's code, so that
its checkpoints load with ``strict=True``.
"""

from torch import Tensor, nn

from cvcore.models.openpose.maps import KEYPOINTS, LIMBS, PoseMaps, refined
from cvcore.models.openpose.network import Pixels, PoseNetwork

TRUNK = ((64, 1, 1), (128, 2, 1), (128, 1, 1), (256, 2, 1), (256, 1, 1), (512, 1, 1), (512, 1, 2)) + ((512, 1, 1),) * 4
"""Channels out, stride and dilation of each separable convolution: MobileNetV1 up to conv5_5, its last stride taken out."""


class Conv(nn.Sequential):
    """Convolution that keeps the size, batch norm (or none), ReLU (or none)."""

    def __init__(
        self, before: int, after: int, kernel: int = 3, *, dilation: int = 1, bn: bool = False, relu: bool = True
    ) -> None:
        layers: list[nn.Module] = [nn.Conv2d(before, after, kernel, padding=kernel // 2 * dilation, dilation=dilation)]
        if bn:
            layers.append(nn.BatchNorm2d(after))
        if relu:
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


def separable(before: int, after: int, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Depthwise 3x3, batch norm, ReLU, 1x1, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(before, before, 3, stride, dilation, dilation=dilation, groups=before, bias=False),
        nn.BatchNorm2d(before),
        nn.ReLU(inplace=True),
        nn.Conv2d(before, after, 1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


def separable_elu(channels: int) -> nn.Sequential:
    """Depthwise 3x3, ELU, 1x1, ELU."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        nn.ELU(inplace=True),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.ELU(inplace=True),
    )


class Cpm(nn.Module):
    """From the trunk's channels to those of the stages."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.align = Conv(before, after, 1)
        self.trunk = nn.Sequential(*(separable_elu(after) for _ in range(3)))
        self.conv = Conv(after, after)

    def forward(self, x: Tensor) -> Tensor:  # (N, before, h, w) -> (N, after, h, w)
        x = self.align(x)
        out: Tensor = self.conv(x + self.trunk(x))
        return out


class Stage(nn.Module):
    """A body and the two outputs."""

    def __init__(self, trunk: nn.Sequential, channels: int, hidden: int) -> None:
        super().__init__()
        self.trunk = trunk
        for name, after in (("heatmaps", KEYPOINTS + 1), ("pafs", 2 * LIMBS)):
            self.add_module(name, nn.Sequential(Conv(channels, hidden, 1), Conv(hidden, after, 1, relu=False)))

    def forward(self, x: Tensor) -> PoseMaps:
        x = self.trunk(x)
        return PoseMaps(self.get_submodule("heatmaps")(x), self.get_submodule("pafs")(x))


class RefinementBlock(nn.Module):
    """A 1x1 convolution, and around two 3x3 ones, the second dilated, a shortcut: the field of a 7x7 one."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.initial = Conv(before, after, 1)
        self.trunk = nn.Sequential(Conv(after, after, bn=True), Conv(after, after, bn=True, dilation=2))

    def forward(self, x: Tensor) -> Tensor:  # (N, before, h, w) -> (N, after, h, w)
        x = self.initial(x)
        out: Tensor = x + self.trunk(x)
        return out


class LightOpenPose(PoseNetwork):
    """4.1 million parameters with one refinement stage.

    Args:
        stages: how many refinement stages come after the initial one.
        channels: of the features that the stages share.
    """

    pixels = Pixels(scale=256, mean=0.5, std=1, bgr=True)
    short_side = 256

    def __init__(self, *, stages: int = 1, channels: int = 128) -> None:
        super().__init__()
        if stages < 0:
            raise ValueError(f"there cannot be {stages} refinement stages")
        layers: list[nn.Module] = [
            nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(inplace=True))
        ]
        width = 32
        for after, stride, dilation in TRUNK:
            layers.append(separable(width, after, stride=stride, dilation=dilation))
            width = after
        self.model = nn.Sequential(*layers)
        self.cpm = Cpm(width, channels)
        self.initial_stage = Stage(nn.Sequential(*(Conv(channels, channels) for _ in range(3))), channels, 512)
        seen = channels + KEYPOINTS + 1 + 2 * LIMBS
        self.refinement_stages = nn.ModuleList(
            Stage(
                nn.Sequential(*(RefinementBlock(seen if i == 0 else channels, channels) for i in range(5))),
                channels,
                channels,
            )
            for _ in range(stages)
        )

    def stages(self, x: Tensor) -> tuple[PoseMaps, ...]:
        features = self.cpm(self.model(x))  # (N, 128, H / 8, W / 8)
        return refined(features, self.initial_stage(features), self.refinement_stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """All stages, in the order of the author's code.

        Args:
            x: (N, 3, H, W) BGR in [-0.5, 0.5): value / 256 - 0.5.

        Returns:
            heat maps (N, 19, h, w) and PAFs (N, 38, h, w) of the initial stage, of the first refinement stage, ...;
            h = H / 8, w = W / 8, rounded up.
        """
        return [maps for stage in self.stages(x) for maps in (stage.heatmaps, stage.pafs)]


def light_openpose(stages: int = 1) -> LightOpenPose:
    """Lightweight OpenPose with this many refinement stages, without weights."""
    return LightOpenPose(stages=stages)
