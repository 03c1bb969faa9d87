"""Several pictures in one pane, each with a word on it."""

from collections.abc import Sequence

import cv2
import numpy as np

from explorer.figure import Image, Mark, Pane, Segments, Text
from explorer.panels.cyclegan.pictures import Pixels

HEIGHT = 192


def at_height(pixels: Pixels, height: int) -> Pixels:
    """The same in its proportions."""
    if pixels.shape[0] == height:
        return pixels
    width = max(1, round(pixels.shape[1] * height / pixels.shape[0]))
    way = cv2.INTER_AREA if height < pixels.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=way), np.uint8)


def mosaic_pane(
    key: str, title: str, rows: Sequence[Sequence[tuple[str, Pixels]]], *, group: int, height: int = HEIGHT
) -> Pane:
    """Rows of pictures, all of one height.

    Args:
        rows: of words and pictures.
        group: after so many pictures a thicker line.
    """
    lines: list[tuple[tuple[float, float], tuple[float, float]]] = []
    thick: list[tuple[tuple[float, float], tuple[float, float]]] = []
    words: list[Mark] = []
    strips = []
    for number, row in enumerate(rows):
        top, left = float(number * height), 0.0
        pictures = [at_height(pixels, height) for _, pixels in row]
        for place, ((word, _), pixels) in enumerate(zip(row, pictures, strict=True)):
            if word:
                words.append(Text(word, (left, top), key=f"word {number} {place}"))
            if place:
                (lines if place % group else thick).append(((left, top), (left, top + height)))
            left += pixels.shape[1]
        strips.append(np.hstack(pictures))
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
    return Pane(key, title, (*marks, *words), size=(float(width), float(len(strips) * height)))
