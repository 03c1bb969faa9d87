"""MobileNetV2: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018,
https://arxiv.org/abs/1801.04381.

The module tree and the parameter names are torchvision's ``mobilenet_v2``, so its checkpoints load with ``strict=True``.
"""

from collections.abc import Sequence

from torch import Tensor, nn

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
