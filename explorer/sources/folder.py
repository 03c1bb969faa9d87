"""The pictures of a folder, in the order a person would count them."""

import os
import re
import time
from pathlib import Path

from explorer.i18n import tr
from explorer.panel import Frame
from explorer.sources.base import Source, SourceEnded, SourceError
from explorer.sources.decode import load_picture

ENDINGS = frozenset(
    ".jpg .jpeg .jpe .jfif .mpo .png .apng .webp .tif .tiff .bmp .dib .gif .ppm .pgm .pbm .pnm "  # noqa: SIM905 - one a word
    ".avif .jp2 .j2k .jpx .ico .hdr .pfm".split()
)
"""By which pictures are looked for; what a file is, its contents decide."""


class FolderSource(Source):
    """Every picture directly in a folder. One that cannot be read is passed over in the direction last moved, and ``message`` says so.

    Raises:
        SourceError: the folder cannot be listed or holds no picture; (``read``) none of them can be read.
    """

    kind = "folder"
    can_seek = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        folder = Path(path)
        self.title = folder.resolve().name or str(folder)
        try:
            names = [entry.name for entry in os.scandir(folder) if not entry.name.startswith(".")]
        except PermissionError:
            raise SourceError(tr("{name} may not be read: permission is denied.", name=self.title)) from None
        except OSError as error:
            raise SourceError(tr("{name} cannot be read: {reason}.", name=self.title, reason=error.strerror)) from None
        pictures = [name for name in names if os.path.splitext(name)[1].lower() in ENDINGS]
        self.paths = [folder / name for name in sorted(pictures, key=natural_key)]
        if not self.paths:
            raise SourceError(tr("There are no pictures in {name}.", name=self.title))
        self.length = len(self.paths)
        self._next = 0
        self._direction = 1

    def read(self, timeout: float | None = None) -> Frame:
        started = time.perf_counter()
        if self._next >= len(self.paths):
            raise SourceEnded("")
        candidates = list(range(self._next, len(self.paths)))
        if self._direction < 0:
            candidates = [*range(self._next, -1, -1), *candidates[1:]]
        self._direction = 1
        skipped: list[str] = []
        for index in candidates:
            path = self.paths[index]
            try:
                image, note = load_picture(path)
            except SourceError as error:
                skipped.append(str(error))
                continue
            self._next = index + 1
            self.message = _skipped_sentence(skipped)
            now = time.perf_counter()
            return Frame(image, index, now, f"{self.title}/{path.name}", now - started, note)
        self._next = len(self.paths)
        if len(candidates) == len(self.paths):
            raise SourceError(tr("None of the pictures in {name} can be read.", name=self.title))
        self.message = _skipped_sentence(skipped)
        raise SourceEnded("")

    def seek(self, index: int) -> None:
        """The next picture read is ``index``; a smaller one than the last read also turns the direction for unreadable ones."""
        target = min(max(index, 0), len(self.paths) - 1)
        self._direction = -1 if target < self._next - 1 else 1
        self._next = target


def _skipped_sentence(reasons: list[str]) -> str:
    if len(reasons) > 1:
        return tr("Skipped {count} files; the first: {reason}", count=len(reasons), reason=reasons[0])
    return tr("Skipped: {reason}", reason=reasons[0]) if reasons else ""


def natural_key(name: str) -> tuple[object, ...]:
    """Sorts ``frame2`` before ``frame10``, large and small letters alike."""
    parts = re.split(r"(\d+)", name.casefold())
    return (*((int(part), "") if i % 2 else (-1, part) for i, part in enumerate(parts)), (-1, name))
