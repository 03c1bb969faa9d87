"""One picture: from a file or from memory."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.i18n import tr
from explorer.panel import Frame
from explorer.sources.base import Source, SourceEnded
from explorer.sources.decode import bounded, load_picture
from explorer.sources.pixels import to_rgb


class PictureSource(Source):
    """A picture file, read when it is asked for.

    Raises (``read``):
        NotAPictureError: its contents are no picture.
        SourceError: it is missing, empty, unreadable, cut short, damaged or far too large.
    """

    kind = "picture"
    length = 1

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.title = self.path.name
        self._read = False

    def read(self, timeout: float | None = None) -> Frame:
        if self._read:
            raise SourceEnded("")
        started = time.perf_counter()
        image, note = load_picture(self.path)
        self._read = True
        now = time.perf_counter()
        return Frame(image, 0, now, self.title, now - started, note)

    def seek(self, index: int) -> None:
        self._read = False


class MemorySource(Source):
    """An array: a picture from the clipboard or from a program. Its arguments are those of :func:`pixels.to_rgb`.

    Raises:
        SourceError: the array is not a picture.
    """

    kind = "memory"
    length = 1

    def __init__(self, array: NDArray[Any], title: str = "") -> None:
        self.title = title or tr("Clipboard")
        started = time.perf_counter()
        image, note = to_rgb(np.asarray(array))
        image, scaled = bounded(image)
        now = time.perf_counter()
        self._frame = Frame(image, 0, now, self.title, now - started, f"{note} {scaled}".strip())
        self._read = False

    def read(self, timeout: float | None = None) -> Frame:
        if self._read:
            raise SourceEnded("")
        self._read = True
        return self._frame

    def seek(self, index: int) -> None:
        self._read = False
