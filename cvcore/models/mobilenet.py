"""MobileNetV2: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018,
https://arxiv.org/abs/1801.04381.

The module tree and the parameter names are torchvision's ``mobilenet_v2``, so its checkpoints load with ``strict=True``.
:func:`mobilenet_v2_cbam` adds attention after every stage (Woo et al., "CBAM", ECCV 2018) and keeps the other names.
"""

from collections.abc import Sequence
from typing import Literal, assert_never

from torch import Tensor, nn

from cvcore.nn.cbam import CBAM

SETTINGS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Table 2 of the paper: expansion t, output channels c, repeats n, stride s of the first repeat."""


def make_divisible(value: float, divisor: int = 8) -> int:
    """The multiple of divisor nearest to value, but never below 90 % of it (as the authors' own code rounds widths)."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * value else rounded + divisor


class ConvNormActivation(nn.Sequential):
    """Convolution without bias, batch norm, ReLU6 (section 3.2: ReLU6 stays exact in low precision)."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(
            nn.Conv2d(
                in_channels,
                out_channels,
                kernel_size,
                stride=stride,
                padding=(kernel_size - 1) // 2,
                groups=groups,
                bias=False,
            ),
            nn.BatchNorm2d(out_channels),
            nn.ReLU6(inplace=True),
        )


class InvertedResidual(nn.Module):
    """Table 1 of the paper: expand (1x1), filter each channel (3x3 depthwise), project (1x1) without activation.

    The shortcut joins the thin ends, where stride is 1 and the widths agree (section 3.3, figure 4d).

    Args:
        expand_ratio: the expansion factor t; 1 leaves the expanding convolution out.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int, expand_ratio: int) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"the stride of an inverted residual is 1 or 2, not {stride}")
        hidden = in_channels * expand_ratio
        layers: list[nn.Module] = []
        if expand_ratio != 1:
            layers.append(ConvNormActivation(in_channels, hidden, 1))
        layers += [
            ConvNormActivation(hidden, hidden, 3, stride=stride, groups=hidden),
            nn.Conv2d(hidden, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        ]
        self.conv = nn.Sequential(*layers)
        self.use_res_connect = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:  # (N, in, H, W) -> (N, out, ceil(H / stride), ceil(W / stride))
        out: Tensor = self.conv(x)
        return x + out if self.use_res_connect else out


class MobileNetV2(nn.Module):
    """The classifier of table 2.

    Fully convolutional up to the pooling, so any input size works; each side shrinks 32 times.

    Args:
        num_classes: class scores given.
        width_mult: multiplies every width (section 4); the last convolution never gets narrower than 1280.
        dropout: probability before the classifier, in training.
        inverted_residual_setting: rows of t, c, n, s in place of table 2.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        width_mult: float = 1.0,
        dropout: float = 0.2,
        inverted_residual_setting: Sequence[tuple[int, int, int, int]] = SETTINGS,
    ) -> None:
        super().__init__()
        width = make_divisible(32 * width_mult)
        self.last_channel = make_divisible(1280 * max(1.0, width_mult))
        features: list[nn.Module] = [ConvNormActivation(3, width, 3, stride=2)]
        for t, c, n, s in inverted_residual_setting:
            out = make_divisible(c * width_mult)
            for i in range(n):
                features.append(InvertedResidual(width, out, stride=s if i == 0 else 1, expand_ratio=t))
                width = out
        features.append(ConvNormActivation(width, self.last_channel, 1))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.last_channel, num_classes))
        self._initialise()

    @property
    def head(self) -> nn.Linear:
        """The layer that gives the class scores."""
        head = self.classifier[1]
        assert isinstance(head, nn.Linear)
        return head

    def forward(self, x: Tensor) -> Tensor:
        """Class scores (logits).

        Args:
            x: (N, 3, H, W), RGB in [0, 1] less the ImageNet mean, divided by its standard deviation.

        Returns:
            (N, num_classes)
        """
        pooled = self.features(x).mean((2, 3))  # (N, 1280)
        scores: Tensor = self.classifier(pooled)  # (N, num_classes)
        return scores

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)


def mobilenet_v2(num_classes: int = 1000) -> MobileNetV2:
    """MobileNetV2 1.0: 3.5 million parameters, 0.3 billion multiply-adds at 224 px, with 1000 classes."""
    return MobileNetV2(num_classes)


Attention = Literal["both", "channel", "spatial"]

GATE_START = 0.8808
"""sigmoid(2), what each gate of a new block begins with."""


class MobileNetV2CBAM(MobileNetV2):
    """MobileNetV2 with a CBAM block after each of the seven stages of table 2.

    ``attention.k`` weighs the map of stage k, after the shortcut of its last bottleneck. The paper puts a block into every
    bottleneck (its section 4.1); one for each stage costs less and leaves fewer maps to look at.

    The gates of a new block begin near :data:`GATE_START`, so that a trained trunk keeps most of what it knows.

    Args:
        num_classes: class scores given.
        attention: which of the two there are, for ablations.
    """

    def __init__(self, num_classes: int = 1000, *, attention: Attention = "both") -> None:
        super().__init__(num_classes)
        match attention:
            case "both":
                channel, spatial = True, True
            case "channel":
                channel, spatial = True, False
            case "spatial":
                channel, spatial = False, True
            case _:
                assert_never(attention)
        self.stage_ends: tuple[int, ...] = _stage_ends()
        self.attention = nn.ModuleList(CBAM(c, channel=channel, spatial=spatial) for _, c, _, _ in SETTINGS)
        for block in self.blocks():
            if block.ChannelGate is not None:
                last = block.ChannelGate.mlp[3]
                assert isinstance(last, nn.Linear)
                nn.init.normal_(last.weight, 0, 0.01)
                nn.init.constant_(last.bias, 1.0)  # two branches add up to 2
            if block.SpatialGate is not None:
                nn.init.constant_(block.SpatialGate.spatial.bn.weight, 0.1)
                nn.init.constant_(block.SpatialGate.spatial.bn.bias, 2.0)

    def blocks(self) -> tuple[CBAM, ...]:
        """The attention after each stage."""
        return tuple(block for block in self.attention if isinstance(block, CBAM))

    def forward(self, x: Tensor) -> Tensor:  # (N, 3, H, W) -> (N, num_classes), as in MobileNetV2
        stage = 0
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i in self.stage_ends:
                x = self.attention[stage](x)
                stage += 1
        scores: Tensor = self.classifier(x.mean((2, 3)))
        return scores


def mobilenet_v2_cbam(num_classes: int = 1000, attention: Attention = "both") -> MobileNetV2CBAM:
    """MobileNetV2 1.0 with CBAM after every stage: 20 thousand parameters more."""
    return MobileNetV2CBAM(num_classes, attention=attention)


def _stage_ends() -> tuple[int, ...]:
    """Numbers of the last bottleneck of each stage in ``features``."""
    ends, last = [], 0
    for _, _, repeats, _ in SETTINGS:
        last += repeats
        ends.append(last)
    return tuple(ends)
