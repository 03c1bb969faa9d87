"""What every pose network here gives, and how a picture goes in and people come back."""

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cvcore.ops.letterbox import Letterbox, to_height
from cvcore.ops.paf import OPENPOSE_18, Skeleton, Thresholds, cells_to_pixels, decode

STRIDE = 8
KEYPOINTS, LIMBS = len(OPENPOSE_18.names), len(OPENPOSE_18.limbs)


@dataclass(frozen=True, slots=True, eq=False)
class PoseMaps:
    """What one stage believes.

    Args:
        heatmaps: (N, K + 1, h, w), the last one the background.
        pafs: (N, 2 L, h, w), channels as the skeleton has them.
    """

    heatmaps: Tensor
    pafs: Tensor


def refined(features: Tensor, initial: nn.Module, refinement: Iterable[nn.Module]) -> tuple[PoseMaps, ...]:
    """What each stage gives: the first sees the features (N, C, h, w), each later one also the maps before it."""
    out: list[PoseMaps] = [initial(features)]
    for stage in refinement:
        out.append(stage(torch.cat((features, out[-1].heatmaps, out[-1].pafs), 1)))
    return tuple(out)


@dataclass(frozen=True, slots=True)
class Pixels:
    """How a network wants its pixels: (value / scale - mean) / std, in this order of colours, value 0 to 255."""

    scale: float
    mean: float
    std: float
    bgr: bool


class PoseNetwork(nn.Module):
    """Heat maps and PAFs of :data:`OPENPOSE_18` at stride 8, refined in stages. Any input size of at least 8 x 8.

    ``pixels`` and ``height`` say what the network was trained with.
    """

    pixels: Pixels
    height: int = 368
    skeleton: Skeleton = OPENPOSE_18
    stride: int = STRIDE

    @abstractmethod
    def stages(self, x: Tensor) -> tuple[PoseMaps, ...]:
        """(N, 3, H, W) as :meth:`preprocess` gives it -> what each stage believes, the first one first."""

    def preprocess(self, frame: NDArray[np.uint8] | Tensor, height: int | None = None) -> tuple[Tensor, Letterbox]:
        """An RGB picture -> the network's input, on its device and in its precision, and how places go back.

        The picture keeps its shape, but for rounding its width to a multiple of 8, and is not padded.

        Args:
            frame: (H, W, 3) uint8 array; or a (3, H, W) or (B, 3, H, W) tensor, uint8 or floating in [0, 1].
            height: of the input, in pixels, a multiple of 8; None: what the network was trained with.

        Raises:
            ValueError: shape or height.
        """
        x, transform = to_height(frame, self.height if height is None else height, multiple=STRIDE)
        weight = next(self.parameters())
        values = x.to(weight.device).float() * (255 if x.is_floating_point() else 1)
        values = (values.flip(1) if self.pixels.bgr else values) / self.pixels.scale
        return ((values - self.pixels.mean) / self.pixels.std).to(weight.dtype), transform

    @torch.no_grad()
    def people(
        self, frame: NDArray[np.uint8] | Tensor, height: int | None = None, thresholds: Thresholds | None = None
    ) -> Tensor:
        """(P, 18, 3) the people of one RGB picture, in its own pixels (continuous coordinates); no gradients.

        Arguments and errors as :meth:`preprocess` and ``cvcore.ops.paf.decode``.
        """
        x, transform = self.preprocess(frame, height)
        last = self.stages(x)[-1]
        return to_picture(decode(last.heatmaps[0], last.pafs[0], thresholds, skeleton=self.skeleton), transform)


def to_picture(people: Tensor, transform: Letterbox) -> Tensor:
    """(P, K, 3) people in cells -> in the picture's pixels, on continuous coordinates; what is not there stays 0, 0, 0."""
    pixels = cells_to_pixels(people, STRIDE)
    moved = torch.cat((transform.to_picture(pixels[..., :2]), pixels[..., 2:]), -1)
    return torch.where(people[..., 2:] > 0, moved, 0)
