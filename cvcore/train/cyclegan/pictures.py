"""A grid of the same test pictures, there and back, after each so many steps."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from cvcore.models.cyclegan import CycleGAN
from cvcore.train.files import write_whole
from cvcore.train.pictures import Pixels

COLUMNS = ("photo", "as painting", "back", "painting", "as photo", "back")
"""Three for photo -> painting -> photo, three for painting -> photo -> painting."""


def as_pixels(x: Tensor) -> Pixels:
    """(3, H, W) from -1 to 1 -> (H, W, 3) from 0 to 255."""
    return ((x.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()


@torch.inference_mode()
def grid(networks: CycleGAN, photos: Sequence[Tensor], paintings: Sequence[Tensor]) -> Pixels:
    """One row for each pair, columns as in :data:`COLUMNS`.

    Args:
        networks: on any device, in eval mode.
        photos, paintings: as many of each, (3, S, S) from -1 to 1.

    Returns:
        (rows * S, 6 * S, 3) RGB.
    """
    device = next(networks.parameters()).device
    rows = []
    for a, b in zip(photos, paintings, strict=True):
        x, y = a[None].to(device), b[None].to(device)
        trace = networks(x, y)
        cells = (x, trace.fake_b, trace.cycled_a, y, trace.fake_a, trace.cycled_b)
        rows.append(np.hstack([as_pixels(cell[0]) for cell in cells]))
    return np.vstack(rows)


def write_png(file: Path, pixels: Pixels) -> None:
    done, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    if not done:
        raise OSError(f"{file} cannot be written as PNG")
    write_whole(file, data.tobytes())
