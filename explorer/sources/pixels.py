"""Arrays of any kind -> the (H, W, 3) uint8 RGB of a frame."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.i18n import tr
from explorer.sources.base import SourceError
from explorer.sources.opencv import cv2

LONGEST_SIDE = 4096
MOST_PIXELS = 16_000_000
BACKGROUND = 128
"""What transparent parts are laid over: mid grey, which neither black nor white drawings vanish on."""


def bounded_size(width: int, height: int) -> tuple[int, int]:
    """The size within LONGEST_SIDE and MOST_PIXELS that keeps the proportions; the same one where it fits."""
    scale = min(1.0, LONGEST_SIDE / max(width, height), (MOST_PIXELS / (width * height)) ** 0.5)
    return max(1, int(width * scale)), max(1, int(height * scale))


def resize(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """(H, W, 3) -> (height, width, 3), averaging areas where it shrinks."""
    if (width, height) == (image.shape[1], image.shape[0]):
        return image
    shrinks = width <= image.shape[1] and height <= image.shape[0]
    return _bytes(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC))


def full_scale(peak: int) -> int:
    """The white of values up to ``peak``: 255, or the largest of 10, 12, 14, 16, 24 or 31 bits.

    Scanners, microscopes and medical devices keep 10 to 14 bits in 16; taken as 16 they would be all but black.
    """
    return next((1 << bits) - 1 for bits in (8, 10, 12, 14, 16, 24, 31, 64) if peak < 1 << bits)


def to_uint8(array: NDArray[Any], *, white: float | None = None) -> tuple[NDArray[np.uint8], str]:
    """Any numbers -> 0 to 255, and a note on how where that is not plain.

    Args:
        array: bool, integers (white is :func:`full_scale` of the largest) or floats (0 to 1; other ranges are stretched
            from the smallest to the largest finite value; what is not finite becomes black).
        white: what becomes 255, where known.
    """
    if array.dtype == np.uint8 and white is None:
        return array, ""
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255), ""
    if array.dtype.kind in "ui":
        if white is None:
            white = full_scale(int(array.max(initial=0)))
        note = (
            tr("Values of 0 to {white} are shown as 0 to 255.", white=int(white)) if white not in (255, 65535) else ""
        )
        return np.clip(np.rint(array * (255 / white)), 0, 255).astype(np.uint8), note
    if array.dtype.kind != "f":
        raise SourceError(tr("Pixels of the type {type} are not understood.", type=str(array.dtype)))
    finite = np.isfinite(array)
    low, high = (float(array[finite].min()), float(array[finite].max())) if finite.any() else (0.0, 0.0)
    note = ""
    if low < 0 or high > 1:
        note = tr("Values of {low} to {high} are shown as 0 to 255.", low=f"{low:.4g}", high=f"{high:.4g}")
    else:
        low, high = 0.0, 1.0
    span = high - low or 1.0
    return np.rint(np.where(finite, (array - low) / span, 0) * 255).astype(np.uint8), note


def to_rgb(array: NDArray[Any], *, white: float | None = None) -> tuple[NDArray[np.uint8], str]:
    """A picture as an array -> (H, W, 3) uint8 RGB, contiguous and not shared, and a note (or an empty one).

    Args:
        array: (H, W), (H, W, 1) grey, (H, W, 2) grey and alpha, (H, W, 3) RGB or (H, W, 4) RGBA; alpha is laid over BACKGROUND.
        white: see :func:`to_uint8`.

    Raises:
        SourceError: another shape, no pixel, or another kind of value.
    """
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4) or 0 in array.shape:
        raise SourceError(
            tr("An array of the shape {shape} is not a picture.", shape=" × ".join(map(str, array.shape)))
        )
    pixels, note = to_uint8(array, white=white)
    channels = pixels.shape[2]
    colours = pixels[:, :, : channels - 1 if channels in (2, 4) else channels]
    rgb = np.repeat(colours, 3, axis=2) if colours.shape[2] == 1 else np.array(colours, order="C")
    if channels in (2, 4) and int(pixels[:, :, -1].min()) < 255:
        rgb = over_background(rgb, pixels[:, :, -1])
        note = f"{note} {tr('Transparent parts are shown on mid grey.')}".strip()
    return rgb, note


def over_background(rgb: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lays (H, W, 3) with alpha (H, W) over BACKGROUND."""
    weight = alpha[:, :, None].astype(np.uint16)
    mixed = rgb * weight + np.uint16(BACKGROUND) * (255 - weight) + np.uint16(127)
    return (mixed // 255).astype(np.uint8)


def oriented(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turns a stored picture upright by its EXIF orientation, 1 to 8 (CIPA DC-008, 4.6.5.1.5); other values leave it."""
    turned = image
    if orientation in (5, 6, 7, 8):
        turned = turned.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        turned = turned[:, ::-1]
    if orientation in (3, 4, 7, 8):
        turned = turned[::-1]
    return np.ascontiguousarray(turned)


def turned(image: NDArray[np.uint8], *, mirror: bool, rotate: int) -> NDArray[np.uint8]:
    """Mirrors left and right, then rotates clockwise by 0, 90, 180 or 270 degrees."""
    if mirror:
        image = _bytes(cv2.flip(image, 1))
    codes = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
    return _bytes(cv2.rotate(image, codes[rotate])) if rotate else image


def rgb_of_bgr(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """OpenCV's order, or its grey (H, W), -> RGB."""
    if image.ndim == 2 or image.shape[2] == 1:
        return _bytes(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB))
    code = cv2.COLOR_BGRA2RGB if image.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return _bytes(cv2.cvtColor(image, code))


def _bytes(image: Any) -> NDArray[np.uint8]:
    """What OpenCV returned, typed."""
    return np.asarray(image, np.uint8)
