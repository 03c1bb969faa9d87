"""What every source of frames is: :class:`Source`, and how it says that there is no frame."""

import types
from abc import ABC, abstractmethod
from typing import Literal, Self

from explorer.i18n import tr
from explorer.panel import Frame

Kind = Literal["picture", "folder", "video", "camera", "stream", "moving", "memory"]


class SourceError(Exception):
    """A source cannot be opened or read; its text is one sentence for a person."""


class SourceEnded(SourceError):
    """There is no further frame. Its text is empty at a proper end, or says what is wrong."""


class SourceWaiting(SourceError):
    """A live source has no new frame yet; ``read`` may be called again.

    Its text is empty while that is normal, or says what is wrong (it stalled, it was unplugged).
    """


class Source(ABC):
    """Frames from somewhere, one after the other. Used by one thread at a time.

    Attributes:
        kind: what it is.
        title: its name as a person reads it; never holds a password.
        length: how many frames there are, or None where that is unknown or without end. May change while reading.
        fps: frames a second as the source states them, or None.
        live: frames come at their own pace and cannot be asked for again.
        can_seek: ``seek`` works.
        message: what went wrong last without ending it ("Skipped bad.jpg: ..."), one sentence, or empty.
    """

    kind: Kind
    title: str = ""
    length: int | None = None
    fps: float | None = None
    live: bool = False
    can_seek: bool = False
    message: str = ""

    @abstractmethod
    def read(self, timeout: float | None = None) -> Frame:
        """The next frame; of a live source the newest that was not read yet.

        Args:
            timeout: seconds that a live source may wait for a frame; None waits until it comes or is overdue.
                Other sources do not look at it.

        Raises:
            SourceEnded: there is no further frame.
            SourceWaiting: a live source has no new frame yet.
            SourceError: it cannot be read.
        """

    def seek(self, index: int) -> None:
        """Makes the frame ``index`` (clipped to what there is) the next one read.

        Raises:
            SourceError: this source cannot seek.
        """
        raise SourceError(tr("It is not possible to move about in {title}.", title=self.title))

    def skip(self, count: int) -> int:
        """Passes over up to ``count`` frames more cheaply than reading them; how many it did."""
        return 0

    @property
    def delay(self) -> float | None:
        """Seconds from the frame read last to the next one at normal speed; None: as they come, or never."""
        return 1 / self.fps if self.fps else None

    def close(self) -> None:  # noqa: B027 - most have nothing to let go of
        """Lets go of files and devices; may be called again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self.close()
