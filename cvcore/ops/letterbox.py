"""Scale a picture to a network's input without distorting it, pad the rest, and take boxes back to the picture.

Scaling is plain bilinear down to a half, which is what detectors are trained with; below that its two taps would leave
pixels out and small objects of a large picture flicker, so there it averages over all that an output pixel covers.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Letterbox:
    """How a picture was scaled and padded to the network's input, and the way back.

    Args:
        picture: (height, width) of the picture.
        resized: (height, width) of the picture within the input.
        offset: (top, left) of the picture within the input, in pixels.
        size: (height, width) of the input.
    """

    picture: tuple[int, int]
    resized: tuple[int, int]
    offset: tuple[int, int]
    size: tuple[int, int]

    @property
    def scale(self) -> tuple[float, float]:
        """Input pixels per picture pixel, (vertical, horizontal); they differ by rounding only."""
        return self.resized[0] / self.picture[0], self.resized[1] / self.picture[1]

    def to_picture(self, xy: Tensor) -> Tensor:
        """Input coordinates -> picture coordinates; (..., 2) points or (..., 4) xyxy boxes."""
        return (xy - self._pairs((self.offset[1], self.offset[0]), xy)) / self._pairs(
            (self.scale[1], self.scale[0]), xy
        )

    def to_input(self, xy: Tensor) -> Tensor:
        """Picture coordinates -> input coordinates; (..., 2) points or (..., 4) xyxy boxes."""
        return xy * self._pairs((self.scale[1], self.scale[0]), xy) + self._pairs((self.offset[1], self.offset[0]), xy)

    @staticmethod
    def _pairs(xy: tuple[float, float], like: Tensor) -> Tensor:
        return torch.tensor(xy * (like.shape[-1] // 2), dtype=like.dtype, device=like.device)


def letterbox(frame: NDArray[np.uint8] | Tensor, size: int = 416, *, tight: bool = False) -> tuple[Tensor, Letterbox]:
    """Scale a picture to fit a square, keeping its shape, and pad it with black around the centre.

    Args:
        frame: (H, W, 3) uint8 array; or a (3, H, W) or (B, 3, H, W) tensor, uint8 or floating.
        size: side of the square in pixels, a multiple of 32.
        tight: pad each side only up to the next multiple of 32, so that a wide picture costs less.

    Returns:
        (B, 3, H', W') of the frame's type and range, channels last in memory, and the transform.

    Raises:
        ValueError: ``size`` is not a positive multiple of 32, or the frame has another shape or no pixels.
    """
    if size < 32 or size % 32:
        raise ValueError(f"size must be a positive multiple of 32, not {size}")
    x = _as_batch(frame)
    height, width = int(x.shape[2]), int(x.shape[3])
    scale = size / max(height, width)
    resized = max(1, round(height * scale)), max(1, round(width * scale))
    sides = (_next_multiple(resized[0]), _next_multiple(resized[1])) if tight else (size, size)
    top, left = (sides[0] - resized[0]) // 2, (sides[1] - resized[1]) // 2
    if resized != (height, width):
        x = _resize(x, resized, antialias=scale < 0.5)
    x = F.pad(x, (left, sides[1] - resized[1] - left, top, sides[0] - resized[0] - top))
    transform = Letterbox((height, width), resized, (top, left), sides)
    return x.contiguous(memory_format=torch.channels_last), transform


def to_height(
    frame: NDArray[np.uint8] | Tensor, height: int, *, width: int | None = None, multiple: int = 8
) -> tuple[Tensor, Letterbox]:
    """Scale a picture to a height; its shape is kept but for rounding the width. Nothing is padded.

    Args:
        frame: as in :func:`letterbox`.
        height: in pixels, a multiple of ``multiple``.
        width: None: the nearest multiple that keeps the shape, at least one.

    Returns:
        (B, 3, height, width) of the frame's type and range, channels last in memory, and the transform.

    Raises:
        ValueError: ``height`` is not a positive multiple, or the frame has another shape or no pixels.
    """
    if height < 1 or multiple < 1 or height % multiple:
        raise ValueError(f"height must be a positive multiple of {multiple}, not {height}")
    x = _as_batch(frame)
    picture = int(x.shape[2]), int(x.shape[3])
    size = height, width or max(1, round(picture[1] * height / picture[0] / multiple)) * multiple
    if size != picture:
        x = _resize(x, size, antialias=height / picture[0] < 0.5)
    return x.contiguous(memory_format=torch.channels_last), Letterbox(picture, size, (0, 0), size)


def _as_batch(frame: NDArray[np.uint8] | Tensor) -> Tensor:
    # An array is copied, since torch warns of those that may not be written to, as frames are.
    x = frame if isinstance(frame, Tensor) else torch.tensor(frame)
    if not isinstance(frame, Tensor) and x.ndim == 3:
        x = x.permute(2, 0, 1)
    x = x[None] if x.ndim == 3 else x
    if x.ndim != 4 or x.shape[1] != 3 or 0 in x.shape:
        raise ValueError(f"expected an (H, W, 3) array or a (B, 3, H, W) tensor, not {tuple(frame.shape)}")
    return x


def _resize(x: Tensor, size: tuple[int, int], *, antialias: bool) -> Tensor:
    if x.is_floating_point() or x.device.type == "cpu":
        return F.interpolate(x, size, mode="bilinear", antialias=antialias)
    # GPUs have no integer kernel for it.
    resized = F.interpolate(x.float(), size, mode="bilinear", antialias=antialias)
    return resized.round().clamp(0, 255).to(x.dtype)


def _next_multiple(side: int) -> int:
    return -(-side // 32) * 32
