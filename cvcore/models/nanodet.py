"""NanoDet-g: an anchor-free one-stage detector for the 80 COCO classes, as every raw candidate before suppression.

RangiLyu, "NanoDet", 2020-2021, https://github.com/RangiLyu/nanodet , config ``nanodet-g.yml`` (COCO val2017 AP 22.9 at
416 x 416, as its authors measured). It joins

- a cross-stage partial backbone of 3 x 3 convolutions (after Wang et al., CSPNet, https://arxiv.org/abs/1911.11929),
- a path aggregation neck without 3 x 3 convolutions of its own: bilinear resampling and sums (after Liu et al., PANet,
  https://arxiv.org/abs/1803.01534),
- the head and losses of Generalized Focal Loss (Li et al., https://arxiv.org/abs/2006.04388): a class score that is
  trained to be the IoU of its box (quality focal loss), and for each side of the box a distribution over
  ``reg_max + 1`` distances in place of one number. Cells are centres, as in FCOS (https://arxiv.org/abs/1904.01355).

Deviations: batch normalisation is folded into the convolutions, as in the exported graph that the weights come from.
Modules have the authors' own names, less ``.bn``, with ``neck`` for ``fpn``. Boxes are not clipped to the picture.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from cvcore.ops.letterbox import Letterbox, letterbox

STRIDES = (8, 16, 32)
MEAN_BGR = (103.53, 116.28, 123.675)
STD_BGR = (57.375, 57.12, 58.395)


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Every box the network proposes, N of them: one a cell, level after level, row after row; nothing suppressed or clipped.

    Args:
        boxes: (..., N, 4) xyxy, in pixels of the input, or of the picture after ``to_picture``.
        scores: (..., N, classes) in [0, 1], each class on its own; trained to be the IoU with an object of that class.
        distributions: (..., N, 4, bins) probability that left, top, right, bottom lie k strides from the centre.
        variance: (..., N, 4) of those distances, in square pixels of the same system as the boxes.
        centers: (N, 2) xy of the cells, in the same system.
        strides: (N,) of the cells, in pixels of the input.
        levels: (N,) index of the pyramid level.
    """

    boxes: Tensor
    scores: Tensor
    distributions: Tensor
    variance: Tensor
    centers: Tensor
    strides: Tensor
    levels: Tensor

    def to_picture(self, transform: Letterbox) -> Self:
        """The same in coordinates of the picture that ``transform`` put in the input."""
        scale = self.variance.new_tensor(transform.scale).flip(0).repeat(2)
        return replace(
            self,
            boxes=transform.to_picture(self.boxes),
            variance=self.variance / scale.square(),
            centers=transform.to_picture(self.centers),
        )

    def __getitem__(self, index: int) -> Self:
        """Those of one picture of the batch."""
        return replace(
            self,
            boxes=self.boxes[index],
            scores=self.scores[index],
            distributions=self.distributions[index],
            variance=self.variance[index],
        )


@dataclass(frozen=True, slots=True, eq=False)
class NanoDetTrace:
    """What the network computed on the way, at strides 8, 16 and 32.

    Args:
        features: (B, 128 | 256 | 512, H / s, W / s), out of the backbone.
        pyramid: (B, 128, H / s, W / s), out of the neck; what the head sees.
        out: the candidates.
    """

    features: tuple[Tensor, ...]
    pyramid: tuple[Tensor, ...]
    out: Candidates


class ConvModule(nn.Module):
    """Convolution with its batch normalisation folded in, and leaky ReLU of slope 0.1, or none."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, activation: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2)
        self.act = nn.LeakyReLU(0.1, inplace=True) if activation else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.act(self.conv(x))
        return out


class TinyResBlock(nn.Module):
    """Halve the channels, convolve once more, and keep both halves."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.in_conv = ConvModule(channels, channels // 2, 3)
        self.mid_conv = ConvModule(channels // 2, channels // 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.in_conv(x)
        return torch.cat((self.mid_conv(x), x), 1)


class CspBlock(nn.Module):
    """A cross-stage partial block: what went through the residual blocks beside what went round them; twice the channels."""

    def __init__(self, channels: int, blocks: int, *, stride: int) -> None:
        super().__init__()
        self.conv_in = ConvModule(channels, channels, 3, stride=stride)
        self.res_blocks = nn.Sequential(*(TinyResBlock(channels) for _ in range(blocks)))
        self.res_out = ConvModule(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        return torch.cat((self.res_out(self.res_blocks(x)), x), 1)


class CspNet(nn.Module):
    """(B, 3, H, W) -> features of 128, 256 and 512 channels at strides 8, 16 and 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.Sequential(
            ConvModule(3, 32, 3, stride=2),
            nn.MaxPool2d(3, 2, 1),
            CspBlock(32, 1, stride=1),
            CspBlock(64, 2, stride=2),
            CspBlock(128, 2, stride=2),
            CspBlock(256, 3, stride=2),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return tuple(features[3:])


class Pan(nn.Module):
    """Features -> a pyramid of ``channels`` at each stride: sums down from the coarse level, then up again."""

    def __init__(self, in_channels: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.lateral_convs = nn.ModuleList(ConvModule(c, channels, 1, activation=False) for c in in_channels)

    def forward(self, features: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        levels = [lateral(x) for lateral, x in zip(self.lateral_convs, features, strict=True)]
        for i in range(len(levels) - 1, 0, -1):
            levels[i - 1] = levels[i - 1] + _resize(levels[i], levels[i - 1])
        for i in range(len(levels) - 1):
            levels[i + 1] = levels[i + 1] + _resize(levels[i], levels[i + 1])
        return tuple(levels)


class NanoDetHead(nn.Module):
    """Pyramid -> (B, classes + 4 * bins, H / s, W / s) raw outputs a level; levels share no weights."""

    def __init__(self, channels: int, levels: int, outputs: int) -> None:
        super().__init__()
        self.cls_convs = nn.ModuleList(nn.Sequential(ConvModule(channels, channels, 3)) for _ in range(levels))
        self.gfl_cls = nn.ModuleList(nn.Conv2d(channels, outputs, 1) for _ in range(levels))

    def forward(self, pyramid: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(output(tower(x)) for output, tower, x in zip(self.gfl_cls, self.cls_convs, pyramid, strict=True))


class NanoDet(nn.Module):
    """NanoDet-g.

    Input of ``forward`` and ``trace``: (B, 3, H, W) normalised BGR as ``preprocess`` makes it, H and W multiples of 32.
    At 416 x 416 there are N = 52 * 52 + 26 * 26 + 13 * 13 = 3549 candidates.
    """

    def __init__(self, num_classes: int = 80, reg_max: int = 10) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.bins = reg_max + 1
        self.backbone = CspNet()
        self.neck = Pan((128, 256, 512), 128)
        self.head = NanoDetHead(128, len(STRIDES), num_classes + 4 * self.bins)

    def forward(self, x: Tensor) -> Candidates:
        return self.trace(x).out

    def trace(self, x: Tensor) -> NanoDetTrace:
        """The candidates in input coordinates, and the features behind them.

        Raises:
            ValueError: the input is not (B, 3, H, W) with multiples of 32.
        """
        if x.ndim != 4 or x.shape[1] != 3 or x.shape[2] % 32 or x.shape[3] % 32 or 0 in x.shape[1:]:
            raise ValueError(f"expected (B, 3, H, W) with H and W multiples of 32, not {tuple(x.shape)}")
        features = self.backbone(x.contiguous(memory_format=torch.channels_last))
        pyramid = self.neck(features)
        return NanoDetTrace(features, pyramid, self.decode(self.head(pyramid)))

    def decode(self, outputs: tuple[Tensor, ...]) -> Candidates:
        """Raw head outputs, one (B, classes + 4 * bins, H / s, W / s) a level -> candidates in input coordinates."""
        raw = torch.cat([o.permute(0, 2, 3, 1).flatten(1, 2) for o in outputs], 1).float()  # (B, N, classes + 4 * bins)
        scores, logits = raw.split((self.num_classes, 4 * self.bins), -1)
        centers, strides, levels = _cells([(int(o.shape[2]), int(o.shape[3])) for o in outputs], raw.device)
        distributions = logits.unflatten(-1, (4, self.bins)).softmax(-1)  # (B, N, 4, bins)
        k = torch.arange(self.bins, dtype=raw.dtype, device=raw.device)
        distance = distributions @ k  # (B, N, 4), GFL eq. 5: y = sum_k P(k) k
        spread = (distributions * (k - distance[..., None]).square()).sum(-1)  # sum_k P(k) (k - y)^2
        near, far = (distance * strides[:, None]).chunk(2, -1)
        return Candidates(
            boxes=torch.cat((centers - near, centers + far), -1),
            scores=scores.sigmoid(),
            distributions=distributions,
            variance=spread * strides[:, None].square(),
            centers=centers,
            strides=strides,
            levels=levels,
        )

    def preprocess(
        self, frame: NDArray[np.uint8] | Tensor, size: int = 416, *, tight: bool = False
    ) -> tuple[Tensor, Letterbox]:
        """An RGB picture -> the network's input, on its device and in its precision, and how boxes go back.

        Args:
            frame: (H, W, 3) uint8 array; or a (3, H, W) or (B, 3, H, W) tensor, uint8 or floating in [0, 1].
            size, tight: as in ``letterbox``, whose errors apply.
        """
        x, transform = letterbox(frame, size, tight=tight)
        weight = next(self.parameters())
        pixels = x.to(weight.device).float() * (255 if x.is_floating_point() else 1)
        mean, std = (pixels.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN_BGR, STD_BGR))
        return ((pixels.flip(1) - mean) / std).to(weight.dtype), transform

    @torch.no_grad()
    def detect(self, frame: NDArray[np.uint8] | Tensor, size: int = 416, *, tight: bool = False) -> Candidates:
        """The candidates of one RGB picture, in its own pixels. Arguments and errors as ``preprocess``; no gradients."""
        x, transform = self.preprocess(frame, size, tight=tight)
        return self(x)[0].to_picture(transform)


def _resize(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)


def _cells(sizes: list[tuple[int, int]], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Centres (N, 2), strides (N,) and levels (N,) of all cells."""
    centers, strides, levels = [], [], []
    for level, ((height, width), stride) in enumerate(zip(sizes, STRIDES, strict=True)):
        y, x = torch.meshgrid(torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij")
        centers.append((torch.stack((x, y), -1).flatten(0, 1) + 0.5) * stride)
        strides.append(torch.full((height * width,), float(stride), device=device))
        levels.append(torch.full((height * width,), level, device=device))
    return torch.cat(centers), torch.cat(strides), torch.cat(levels)
