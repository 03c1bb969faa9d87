"""PoseNet: heat maps, offsets and displacements of COCO's 17 keypoints from one pass of MobileNetV1.

Papandreou et al., "PersonLab", ECCV 2018, https://arxiv.org/abs/1803.08225 (mid-range offsets are called displacements here, as in
tfjs-models); Howard et al., "MobileNets", 2017, https://arxiv.org/abs/1704.04861 . The weights are those of Google's PoseNet of
TensorFlow.js (MobileNetV1 0.75 at stride 16, batch norm folded into the convolutions): ``cvcore.train.convert_posenet``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from cvcore.ops.letterbox import Letterbox, to_height

STRIDE = 16
WIDTHS = (24, 48, 96, 96, 192, 192, 384, 384, 384, 384, 384, 384, 384, 384)
"""Channels of MobileNetV1's 14 layers, 0.75 of the paper's; its last two strides and the 1024 channels are left out."""
STRIDES = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 1, 1)
KEYPOINTS = 17
EDGES = (
    (0, 1), (1, 3), (0, 2), (2, 4), (0, 5), (5, 7), (7, 9), (5, 11), (11, 13), (13, 15), (0, 6), (6, 8), (8, 10), (6, 12),
    (12, 14), (14, 16),
)  # fmt: skip
"""The tree along which people are followed, from the nose: (parent, child), in COCO's order of keypoints."""


class Separable(nn.Sequential):
    """Depthwise 3x3, ReLU6, 1x1, ReLU6."""

    def __init__(self, before: int, after: int, *, stride: int = 1) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(before, before, 3, stride, 1, groups=before)
        self.relu1 = nn.ReLU6(inplace=True)
        self.pointwise = nn.Conv2d(before, after, 1)
        self.relu2 = nn.ReLU6(inplace=True)


def mobilenet_trunk(layers: int = len(WIDTHS)) -> nn.Sequential:
    """The first ``layers`` layers of the trunk: (N, 3, H, W) in [-1, 1] RGB -> (N, 384, H / 16, W / 16), rounded up."""
    modules: list[nn.Module] = [nn.Sequential(nn.Conv2d(3, WIDTHS[0], 3, STRIDES[0], 1), nn.ReLU6(inplace=True))]
    for before, after, stride in zip(WIDTHS[:-1], WIDTHS[1:], STRIDES[1:], strict=True):
        modules.append(Separable(before, after, stride=stride))
    return nn.Sequential(*modules[:layers])


@dataclass(frozen=True, slots=True, eq=False)
class PoseNetMaps:
    """PoseNet's four outputs; cell (i, j) is the pixel (16 i, 16 j) of the input.

    Args:
        heatmaps: (N, 17, h, w) logits. offsets: (N, 34, h, w), y of each keypoint, then x, in pixels from the cell.
        forward, backward: (N, 32, h, w) displacements along the 16 :data:`EDGES`, y of each, then x, in pixels: parent to
            child, and child to parent.
    """

    heatmaps: Tensor
    offsets: Tensor
    forward: Tensor
    backward: Tensor


class PoseNet(nn.Module):
    """1.3 million parameters. Sides of the input should be 16 k + 1, as they were in training."""

    def __init__(self) -> None:
        super().__init__()
        self.features = mobilenet_trunk()
        width, edges = WIDTHS[-1], len(EDGES)
        self.heatmap = nn.Conv2d(width, KEYPOINTS, 1)
        self.offset = nn.Conv2d(width, 2 * KEYPOINTS, 1)
        self.displacement_fwd = nn.Conv2d(width, 2 * edges, 1)
        self.displacement_bwd = nn.Conv2d(width, 2 * edges, 1)

    def forward(self, x: Tensor) -> PoseNetMaps:
        """(N, 3, H, W) RGB in [-1, 1] -> maps of (H - 1) / 16 + 1 by (W - 1) / 16 + 1 cells."""
        x = self.features(x)
        return PoseNetMaps(self.heatmap(x), self.offset(x), self.displacement_fwd(x), self.displacement_bwd(x))

    def preprocess(self, frame: NDArray[np.uint8] | Tensor, short_side: int = 513) -> tuple[Tensor, Letterbox]:
        """An RGB picture -> the network's input, its shorter side scaled to ``short_side``, and how places go back.

        Args:
            frame: as in ``letterbox``.
            short_side: 16 k + 1.

        Raises:
            ValueError: shape, or another ``short_side``.
        """
        if short_side < 17 or short_side % STRIDE != 1:
            raise ValueError(f"short_side must be 16 k + 1, not {short_side}")
        height, width = frame.shape[:2] if isinstance(frame, np.ndarray) else frame.shape[-2:]
        scale = short_side / max(1, min(height, width))
        sides = tuple(max(1, round((side * scale - 1) / STRIDE)) * STRIDE + 1 for side in (height, width))
        x, transform = to_height(frame, sides[0], multiple=1, width=sides[1])
        weight = next(self.parameters())
        values = x.to(weight.device).float() * (255 if x.is_floating_point() else 1)
        return (values / 127.5 - 1).to(weight.dtype), transform
