"""The pictures that a training reads: found, decoded, and each once."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}


def picture_files(places: Iterable[Path]) -> list[Path]:
    """The pictures among files and directly in folders, sorted by name.

    Raises:
        ValueError: there is none, or a place is missing.
    """
    found: set[Path] = set()
    for place in places:
        if not place.exists():
            raise ValueError(f"{place} does not exist")
        inside = place.iterdir() if place.is_dir() else [place]
        found |= {p for p in inside if p.suffix.lower() in SUFFIXES}
    if not found:
        raise ValueError(f"there is no picture in {', '.join(map(str, places))}")
    return sorted(found, key=lambda p: (p.name, str(p)))


def read(file: Path) -> Pixels:
    """(H, W, 3) RGB.

    Raises:
        ValueError: it is not a picture.
    """
    pixels = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)
    if pixels is None:
        raise ValueError(f"{file} is not a picture")
    return np.asarray(pixels, np.uint8)


def thumbnail(pixels: Pixels) -> NDArray[np.float32]:
    """(12, 12) grey: the same picture saved twice, at any size, gives nearly the same."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (12, 12), interpolation=cv2.INTER_AREA).astype(np.float32)


def unlike(small: NDArray[np.float32], seen: Iterable[NDArray[np.float32]], limit: float = 4.0) -> bool:
    """Whether a thumbnail shows none of the pictures whose thumbnails are ``seen``.

    Args:
        limit: mean difference of two thumbnails, in 0..255, up to which they are the same picture.
    """
    return all(np.abs(small - other).mean() > limit for other in seen)


def without_twins(pictures: Sequence[Pixels], known: Sequence[Pixels] = (), limit: float = 4.0) -> list[Pixels]:
    """The pictures, less those that show the same as one of ``known`` or as one before them.

    Args:
        limit: mean difference of two thumbnails, in 0..255, below which they are the same picture.
    """
    seen = [thumbnail(p) for p in known]
    kept = []
    for pixels in pictures:
        small = thumbnail(pixels)
        if unlike(small, seen, limit):
            seen.append(small)
            kept.append(pixels)
    return kept
