"""How a picture becomes a network's input."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cvcore.zoo import Preprocessing
from explorer.figure import Extent, Note
from explorer.i18n import tr
from explorer.views import networks

STEP = 32
"""Input sides are multiples of it, so that every map of a network that shrinks 32 times covers the whole input."""
WIDEST = 4.0
"""Longer pictures are pressed together to this aspect ratio: their input would have almost no rows, or far too many."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The whole picture, resized to the input without bars and without cropping.

    Args:
        picture, input: width and height in pixels.
        pressed: the proportions are noticeably changed.
    """

    picture: tuple[int, int]
    input: tuple[int, int]
    pressed: bool

    @classmethod
    def choose(cls, picture: tuple[int, int], size: int, *, square: bool) -> "Fit":
        """An input of ``size`` x ``size`` pixels, or one with about as many pixels in the picture's proportions."""
        width, height = picture
        if square:
            return cls(picture, (size, size), width != height)
        aspect = min(max(width / height, 1 / WIDEST), WIDEST)

        def side(length: float) -> int:
            return max(STEP, round(length / STEP) * STEP)

        return cls(picture, (side(size * aspect**0.5), side(size / aspect**0.5)), aspect != width / height)

    @property
    def scale(self) -> tuple[float, float]:
        """Picture pixels to one input pixel, along x and y."""
        return self.picture[0] / self.input[0], self.picture[1] / self.input[1]

    def on_picture(self, box: Sequence[float]) -> Extent:
        """A box of input pixels in picture pixels."""
        x, y = self.scale
        return box[0] * x, box[1] * y, box[2] * x, box[3] * y

    def notes(self) -> tuple[Note, ...]:
        """A sentence where the proportions are changed."""
        if not self.pressed:
            return ()
        width, height = self.input
        words = tr(
            "The picture’s proportions are changed: the network gets {width} × {height} px.", width=width, height=height
        )
        return (Note(words),)


def fit_for(network: str, picture: tuple[int, int], size: int, *, square: bool) -> Fit:
    """As :meth:`Fit.choose`, or the only size that a network of the user's takes."""
    only = networks.input_size(network)
    if only is None:
        return Fit.choose(picture, size, square=square)
    return Fit(picture, only, picture[0] * only[1] != picture[1] * only[0])


def input_for(network: str, image: NDArray[np.uint8], fit: Fit, device: torch.device) -> torch.Tensor:
    """As :func:`network_input`, for a network by its name, in the memory format that suits it."""
    x = network_input(image, fit, networks.card(network).preprocessing, device)
    # Code that was not written for channels_last may call view() on what follows, which then fails.
    return x.contiguous() if networks.is_own(network) else x


def network_input(image: NDArray[np.uint8], fit: Fit, how: Preprocessing, device: torch.device) -> torch.Tensor:
    """(1, 3, h, w) float32 in channels_last format, as the network's card wants it."""
    pixels = resized(image, fit.input)
    if how.colour == "BGR":
        pixels = pixels[:, :, ::-1]
    # Looked up in a table of 256: one pass in place of three.
    mean, std = (np.array(v, np.float64) * how.scale for v in (how.mean, how.std))
    table = ((np.arange(256)[:, None] - mean) / std).astype(np.float32)
    return torch.from_numpy(cv2.LUT(pixels, table[None])).to(device).permute(2, 0, 1)[None]


def resized(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """(h, w, 3): halved while it is at least twice too large, so that no pixel is skipped, then interpolated.

    Seven times as fast as one area average of a 1280 x 720 picture, and close to it.
    """
    width, height = size
    while image.shape[1] >= 2 * width or image.shape[0] >= 2 * height:
        half = (
            image.shape[1] // 2 if image.shape[1] >= 2 * width else image.shape[1],
            image.shape[0] // 2 if image.shape[0] >= 2 * height else image.shape[0],
        )
        image = np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_LINEAR), np.uint8)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)
