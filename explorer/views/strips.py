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
    """Rows of pictures, all of the height of the first.

    Args:
        group: after so many pictures a thicker line.
    """
    height = rows[0][0][1].shape[0]
    lines: list[tuple[tuple[float, float], tuple[float, float]]] = []
    thick: list[tuple[tuple[float, float], tuple[float, float]]] = []
    words: list[Mark] = []
    strips = []
    for number, row in enumerate(rows):
        top, left = float(number * height), 0.0
        for place, (word, pixels) in enumerate(row):
            if word:
                words.append(Text(word, (left, top), key=f"word {number} {place}"))
            if place:
                (lines if place % group else thick).append(((left, top), (left, top + height)))
            left += pixels.shape[1]
        strips.append(np.hstack([pixels for _, pixels in row]))
    width = max(strip.shape[1] for strip in strips)
    ground = np.zeros((len(strips) * height, width, 4), np.uint8)  # what no picture covers stays empty
    for number, strip in enumerate(strips):
        part = ground[number * height : (number + 1) * height, : strip.shape[1]]
        part[..., :3], part[..., 3] = strip, 255
        if number:
            thick.append(((0.0, float(number * height)), (float(width), float(number * height))))
    marks: list[Mark] = [Image(ground)]
    for name, some, thickness in (("lines", lines, 1.0), ("thick", thick, 4.0)):
        if some:
            ends = np.array(some, np.float64)
            marks.append(Segments(ends[:, 0], ends[:, 1], "#000000", thickness, key=name))
    return Pane(key, title, (*marks, *words), size=(float(width), float(len(strips) * height)), places=places)
