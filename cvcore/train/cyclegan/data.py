"""Two folders of pictures in memory, and crops of them at many scales."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvcore.train.pictures import Pixels

PHOTO_SCALES = (1.25, 1.75, 2.5)
PAINTING_SCALES = (1.75, 2.5, 3.5)
"""The shorter sides of what crops are cut from, in crops. Paintings are seen nearer: their lines are a few pixels thick at most."""
ZOOM = 1.4
"""A crop is cut up to so many times larger than it will be, so that scales between those above are seen too."""


@dataclass(frozen=True, slots=True)
class Jitter:
    """How much colours change, each drawn from 1 - x to 1 + x (brightness: -x to x of full scale)."""

    brightness: float
    contrast: float
    saturation: float


PHOTO_JITTER = Jitter(0.06, 0.15, 0.2)
PAINTING_JITTER = Jitter(0.03, 0.08, 0.1)


def resized(pixels: Pixels, short: int) -> Pixels:
    """With the shorter side ``short`` px."""
    height, width = pixels.shape[:2]
    factor = short / min(height, width)
    to = (max(short, round(width * factor)), max(short, round(height * factor)))
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, to, interpolation=way), np.uint8)


def square(pixels: Pixels, side: int) -> Tensor:
    """The middle square, (3, side, side) from -1 to 1."""
    small = resized(pixels, side)
    top, left = (small.shape[0] - side) // 2, (small.shape[1] - side) // 2
    return as_tensor(small[top : top + side, left : left + side])


def as_tensor(pixels: NDArray[np.generic]) -> Tensor:
    """(H, W, 3) from 0 to 255 -> (3, H, W) from -1 to 1."""
    return torch.from_numpy(np.ascontiguousarray(pixels, np.float32)).permute(2, 0, 1) / 127.5 - 1


class Domain:
    """Pictures decoded once and kept at a few scales.

    Args:
        pictures: (H, W, 3) RGB.
        size: side of a crop.
        scales: the shorter sides kept, in crops.
        jitter: of the colours.
    """

    def __init__(self, pictures: Sequence[Pixels], *, size: int, scales: Sequence[float], jitter: Jitter) -> None:
        self.size = size
        self.jitter = jitter
        self.pictures = [[resized(p, round(size * scale)) for scale in scales] for p in pictures]

    def __len__(self) -> int:
        return len(self.pictures)

    def crops(self, count: int, draw: np.random.Generator) -> Tensor:
        """(count, 3, size, size) from -1 to 1; what is cut depends on ``draw`` alone."""
        return torch.stack([self._crop(draw) for _ in range(count)])

    def _crop(self, draw: np.random.Generator) -> Tensor:
        scales = self.pictures[draw.integers(len(self.pictures))]
        pixels = scales[draw.integers(len(scales))]
        side = min(round(self.size * draw.uniform(1, ZOOM)), *pixels.shape[:2])
        top, left = (int(draw.integers(extent - side + 1)) for extent in pixels.shape[:2])
        cut = pixels[top : top + side, left : left + side]
        cut = np.asarray(cv2.resize(cut, (self.size, self.size), interpolation=cv2.INTER_AREA), np.uint8)
        if draw.random() < 0.5:
            cut = cut[:, ::-1]
        return self._recoloured(as_tensor(cut), draw)

    def _recoloured(self, x: Tensor, draw: np.random.Generator) -> Tensor:
        saturation, contrast = (1 + draw.uniform(-m, m) for m in (self.jitter.saturation, self.jitter.contrast))
        brightness = 2 * draw.uniform(-self.jitter.brightness, self.jitter.brightness)
        grey = x.mean(0, keepdim=True)
        x = grey + saturation * (x - grey)
        level = x.mean()
        return (level + contrast * (x - level) + brightness).clamp(-1, 1)
