"""Pictures on their way into the networks and out of them."""

from collections.abc import Mapping
from functools import lru_cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvcore.assets import asset
from explorer.views.fit import Fit

Pixels = NDArray[np.uint8]
STEP = 8
"""Input sides are multiples of it: generators halve twice, discriminators three times."""
LEAST_SIDE = 32
"""A discriminator of three layers gives nothing for less."""
LONGEST = 4096
"""In tiles: the longer side of what is translated, at most, px."""
BUILT_IN: Mapping[str, Mapping[str, str]] = {"cyclegan_ukiyoe": {"a": "koala.jpg", "b": "great_wave.jpg"}}
"""For a network, pictures of its two domains that it did not see (a) and saw (b) in training."""


def reduced_fit(picture: tuple[int, int], size: int) -> Fit:
    """An input with about as many pixels as a square of side ``size``, in the picture's proportions as far as multiples of 8 allow."""
    width, height = picture
    aspect = width / height
    return _fit(picture, size * aspect**0.5, size / aspect**0.5)


def full_fit(picture: tuple[int, int]) -> Fit:
    """Every pixel of a picture, of one with a longer side than 4096 px as many as fit into that."""
    shrink = min(1.0, LONGEST / max(picture))
    return _fit(picture, picture[0] * shrink, picture[1] * shrink)


def _fit(picture: tuple[int, int], width: float, height: float) -> Fit:
    sides = tuple(max(LEAST_SIDE, round(side / STEP) * STEP) for side in (width, height))
    # What rounding to multiples of 8 changes is not seen.
    pressed = abs(np.log(sides[0] * picture[1] / (sides[1] * picture[0]))) > 0.1
    return Fit(picture, (sides[0], sides[1]), bool(pressed))


@lru_cache(maxsize=4)
def built_in(file: str) -> Pixels:
    """(H, W, 3) RGB"""
    return np.asarray(cv2.imread(str(asset("pictures", file)), cv2.IMREAD_COLOR_RGB), np.uint8)


def as_pixels(x: Tensor) -> Pixels:
    """(1, 3, h, w) from -1 to 1 -> (h, w, 3) from 0 to 255, on the host."""
    levels = x[0].float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
    return np.ascontiguousarray(levels.permute(1, 2, 0).cpu().numpy())


def error_map(x: Tensor, wanted: Tensor) -> NDArray[np.float32]:
    """(h, w): the mean over the channels of the absolute difference of two pictures (1, 3, h, w) from -1 to 1."""
    return np.asarray((x.float() - wanted.float()).abs().mean(1)[0].cpu().numpy(), np.float32)
