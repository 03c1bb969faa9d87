"""ResNet with CBAM in every block: Woo et al., "CBAM: Convolutional Block Attention Module", ECCV 2018, section 4.1 and figure 3,
https://arxiv.org/abs/1807.06521; the ResNet is He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, table 1.

Module tree and parameter names are those of the authors' code (Jongchan/attention-module), whose checkpoints load with
``strict=True`` once the prefix ``module.`` is taken off the keys (:func:`from_authors`). As there, the stride of a bottleneck
sits in its 3x3 convolution, and the attention weighs the block's branch before the shortcut is added.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from cvcore.nn.cbam import CBAM


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and attention, beside a shortcut."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _downsample(in_channels, width, stride)
        self.cbam = CBAM(width)

    def forward(self, x: Tensor) -> Tensor:  # (N, in, H, W) -> (N, width, H / stride, W / stride)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.cbam(self.bn2(self.conv2(out)))
        out = out + (x if self.downsample is None else self.downsample(x))
        result: Tensor = self.relu(out)
        return result


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and attention, beside a shortcut."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * 4, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * 4)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _downsample(in_channels, width * 4, stride)
        self.cbam = CBAM(width * 4)

    def forward(self, x: Tensor) -> Tensor:  # (N, in, H, W) -> (N, 4 width, H / stride, W / stride)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.cbam(self.bn3(self.conv3(out)))
        out = out + (x if self.downsample is None else self.downsample(x))
        result: Tensor = self.relu(out)
        return result


class CBAMResNet(nn.Module):
    """ResNet for ImageNet with CBAM in every block.

    Args:
        block: the residual block.
        repeats: blocks in each of the four stages.
        num_classes: class scores given.
    """

    def __init__(
        self, block: type[BasicBlock] | type[Bottleneck], repeats: tuple[int, int, int, int], num_classes: int = 1000
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels, stages = 64, []
        for stage, count in enumerate(repeats):
            width, blocks = 64 * 2**stage, []
            for i in range(count):
                blocks.append(block(channels, width, stride=2 if stage > 0 and i == 0 else 1))
                channels = width * block.expansion
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
            elif isinstance(module, nn.BatchNorm2d) and ".SpatialGate." in name:
                nn.init.zeros_(module.weight)  # as the authors: every position starts with the weight 1/2

    def forward(self, x: Tensor) -> Tensor:
        """Class scores (logits).

        Args:
            x: (N, 3, H, W), RGB in [0, 1] less the ImageNet mean, divided by its standard deviation.

        Returns:
            (N, num_classes)
        """
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))  # (N, 64, H / 4, W / 4)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        scores: Tensor = self.fc(self.avgpool(x).flatten(1))
        return scores


def cbam_resnet18(num_classes: int = 1000) -> CBAMResNet:
    """11.8 million parameters with 1000 classes."""
    return CBAMResNet(BasicBlock, (2, 2, 2, 2), num_classes)


def cbam_resnet34(num_classes: int = 1000) -> CBAMResNet:
    return CBAMResNet(BasicBlock, (3, 4, 6, 3), num_classes)


def cbam_resnet50(num_classes: int = 1000) -> CBAMResNet:
    """28.1 million parameters with 1000 classes, 2.5 of them in the attention (table 4 of the paper)."""
    return CBAMResNet(Bottleneck, (3, 4, 6, 3), num_classes)


def cbam_resnet101(num_classes: int = 1000) -> CBAMResNet:
    return CBAMResNet(Bottleneck, (3, 4, 23, 3), num_classes)


def from_authors(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The keys of the authors' checkpoint (its ``state_dict``, saved from DataParallel) as this module names them."""
    return {key.removeprefix("module."): value for key, value in state_dict.items()}


def _downsample(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels)
    )
