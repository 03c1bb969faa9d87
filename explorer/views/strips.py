"""Rows of pictures in one pane, each with a word on it."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from explorer.figure import Image, Mark, Pane, Places, Segments, Text

Pixels = NDArray[np.uint8]
Worded = tuple[str, Pixels]
"""A picture and the word on it."""


def at_height(pixels: Pixels, height: int) -> Pixels:
    """The same picture, so many pixels high, in its proportions; to be made in ``compute``."""
    if pixels.shape[0] == height:
        return pixels
    width = max(1, round(pixels.shape[1] * height / pixels.shape[0]))
    way = cv2.INTER_AREA if height < pixels.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=way), np.uint8)


def strips_pane(
    key: str, title: str, rows: Sequence[Sequence[Worded]], *, group: int, places: Places | None = None
) -> Pane:
    """Rows of pictures, all as high as the first, in their proportions; none is copied.

    Args:
        group: after so many pictures a thicker line.
    """
    height = float(rows[0][0][1].shape[0])
    pictures: list[Mark] = []
    words: list[Mark] = []
    lines: dict[float, list[tuple[float, float, float, float]]] = {1.0: [], 4.0: []}
    widest = 0.0
    for number, row in enumerate(rows):
        top, left = number * height, 0.0
        for place, (word, pixels) in enumerate(row):
            right = left + pixels.shape[1] * height / pixels.shape[0]
            pictures.append(Image(pixels, (left, top, right, top + height), key=f"picture {number} {place}"))
            if word:
                words.append(Text(word, (left, top), key=f"word {number} {place}"))
            if place:
                lines[1.0 if place % group else 4.0].append((left, top, left, top + height))
            left = right
        widest = max(widest, left)
    lines[4.0] += [(0.0, number * height, widest, number * height) for number in range(1, len(rows))]
    between: list[Mark] = []
    for thickness, some in lines.items():
        if some:
            ends = np.array(some)
            between.append(Segments(ends[:, :2], ends[:, 2:], "#000000", thickness, key=f"lines {thickness:g}"))
    return Pane(key, title, (*pictures, *between, *words), size=(widest, len(rows) * height), places=places)
