"""A bundle's frame as a source, so that other panels and the headless export can look at it too."""

from pathlib import Path

from explorer.bundle.check import own_frame
from explorer.bundle.format import BundleError, read_bundle
from explorer.panel import Frame
from explorer.sources.base import Source, SourceEnded, SourceError


class BundleSource(Source):
    """The one frame of a bundle.

    Raises (``read``):
        SourceError: the bundle cannot be read.
    """

    kind = "memory"
    length = 1

    def __init__(self, path: Path, frame: Frame | None = None) -> None:
        self.path = path
        self.title = path.name
        self._frame = frame
        self._read = False

    def read(self, timeout: float | None = None) -> Frame:
        if self._read:
            raise SourceEnded("")
        if self._frame is None:
            try:
                self._frame = own_frame(read_bundle(self.path))
            except BundleError as error:
                raise SourceError(str(error)) from error
        self._read = True
        return self._frame

    def seek(self, index: int) -> None:
        self._read = False
