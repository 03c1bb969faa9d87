"""What cameras and network streams have in common: a thread that reads, keeps the newest frame, notices a stall and reconnects.

A read that hangs (a dead network, a camera driver) hangs that thread only; ``read`` and ``close`` never wait for it.
"""

import threading
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from explorer.i18n import tr
from explorer.panel import Frame
from explorer.sources.base import Source, SourceEnded, SourceError, SourceWaiting
from explorer.sources.pixels import rgb_of_bgr, turned

PATIENCE = 1.5
"""Seconds without a frame after which a source has stalled; longer for one that is slow by nature."""
MOST_PATIENCE = 6.0
FIRST_RETRY, LAST_RETRY = 0.1, 2.0
"""Seconds before the first and, doubling, before every later attempt to reconnect."""
HANGING = 10.0
"""Seconds after which a reading thread that does not come back is left alone and another one tries."""
MOST_HANGING = 3


class Capture(Protocol):
    """The part of cv2.VideoCapture that is used; tests put their own in its place."""

    def isOpened(self) -> bool: ...  # noqa: N802
    def read(self) -> tuple[bool, Any]: ...
    def get(self, propId: int) -> float: ...
    def set(self, propId: int, value: float) -> bool: ...
    def release(self) -> None: ...


class LiveSource(Source):
    """Reads in a thread of its own and keeps the newest frame only, so that a slow reader sees no growing delay.

    Until the first frame has come, a failed connection is final; after that it is tried again until ``close``.

    Args:
        title: the name in sentences.
        mirror, rotate: see :func:`pixels.turned`; may be set at any time.
        patience: seconds without a frame that are no stall yet.
        clock: the time in seconds; for tests.
    """

    live = True
    tolerated_failures = 1
    """Reads in a row that may fail before the connection counts as lost."""
    warm_up = 0.0
    """Seconds in which a new connection's reads may fail."""

    def __init__(
        self,
        title: str,
        *,
        mirror: bool = False,
        rotate: int = 0,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if rotate not in (0, 90, 180, 270):
            raise SourceError(
                tr("A picture can be rotated by 0, 90, 180 or 270 degrees, not by {angle}.", angle=rotate)
            )
        self.title = title
        self.mirror = mirror
        self.rotate = rotate
        self._least_patience = patience
        self._clock = clock
        self._change = threading.Condition()
        self._newest: tuple[NDArray[np.uint8], int, float, float] | None = None
        self._count = 0
        self._gaps: deque[float] = deque(maxlen=9)
        self._last_news = self._last_sign = clock()
        self._trouble = ""
        self._failure: SourceError | None = None
        self._closed = False
        self._reader: threading.Thread | None = None
        self._hanging: list[threading.Thread] = []

    @abstractmethod
    def connect(self) -> Capture:
        """Opens the device or address; may take its time.

        Raises:
            SourceError: it cannot be opened now.
        """

    def is_news(self, capture: Capture, image: NDArray[np.uint8]) -> bool:
        """Whether an image just read is a new one and not the last one repeated."""
        return True

    @abstractmethod
    def failed_sentence(self) -> str:
        """Says that it never gave a frame."""

    @abstractmethod
    def lost_sentence(self) -> str:
        """Says that the connection was lost and is tried again."""

    @abstractmethod
    def stalled_sentence(self) -> str:
        """Says that nothing comes although it is connected."""

    def read(self, timeout: float | None = None) -> Frame:
        with self._change:
            self._keep_reading()
            if timeout is None:
                timeout = max(0.0, self._last_news + self.patience - self._clock()) or self.patience
            self._change.wait_for(
                lambda: self._newest or self._failure or self._closed or self._trouble != self.message, timeout
            )
            if self._failure:
                raise self._failure
            if self._closed:
                raise SourceEnded("")
            if self._newest is None:
                if not self._trouble and self._clock() - self._last_news >= self.patience:
                    self._trouble = self.stalled_sentence()
                self.message = self._trouble
                raise SourceWaiting(self.message)
            image, number, arrived, took = self._newest
            self._newest = None
            self.message = ""
        rgb = turned(rgb_of_bgr(image), mirror=self.mirror, rotate=self.rotate)
        return Frame(rgb, number, arrived, self.title, took)

    @property
    def patience(self) -> float:
        """Seconds without a frame that are no stall yet: a camera of one frame in two seconds is slow, not stalled."""
        gaps = sorted(self._gaps)
        usual = gaps[len(gaps) // 2] if len(gaps) >= 3 else 0.0
        return min(max(self._least_patience, 2.5 * usual), max(MOST_PATIENCE, self._least_patience))

    @property
    def delay(self) -> float | None:
        return None

    def close(self) -> None:
        with self._change:
            self._closed = True
            self._newest = None
            self._change.notify_all()
            reader = self._reader
        if reader is not None and reader is not threading.current_thread():
            reader.join(0.5)

    def _keep_reading(self) -> None:
        """Starts the reading thread, and another one when it hangs."""
        if self._closed or self._failure:
            return
        if self._reader is not None:
            hangs = self._count > 0 and self._clock() - self._last_sign > HANGING
            self._hanging = [thread for thread in self._hanging if thread.is_alive()]
            if not hangs or len(self._hanging) >= MOST_HANGING:
                return
            self._hanging.append(self._reader)
        self._last_sign = self._clock()
        self._reader = threading.Thread(target=self._run, name=f"read {self.title}", daemon=True)
        self._reader.start()

    def _wanted(self) -> bool:
        """Whether this thread is still the one that reads; also a sign of life."""
        with self._change:
            if self._closed or self._reader is not threading.current_thread():
                return False
            self._last_sign = self._clock()
            return True

    def _run(self) -> None:
        wait = FIRST_RETRY
        while self._wanted():
            before = self._count
            try:
                self._read_on(self.connect())
                self._tell(SourceError(self.failed_sentence()))
            except SourceError as error:
                self._tell(error)
            except Exception as error:  # OpenCV raises where a driver misbehaves
                self._tell(SourceError(f"{self.title}: {error}"))
            wait = FIRST_RETRY if self._count > before else min(2 * wait, LAST_RETRY)
            with self._change:
                self._change.wait_for(lambda: self._closed, wait)

    def _read_on(self, capture: Capture) -> None:
        """Reads until nothing more comes or nobody wants it."""
        try:
            failures = 0
            warm = self._clock() + self.warm_up
            while self._wanted():
                started = self._clock()
                there, image = capture.read()
                now = self._clock()
                if there and image is not None and self.is_news(capture, image):
                    failures, warm = 0, now
                    self._publish(image, now, now - started)
                    continue
                failures = 0 if there else failures + 1
                if now >= warm and (failures >= self.tolerated_failures or now - self._last_news > self.patience):
                    return
                self._pause()
        finally:
            capture.release()

    def _pause(self) -> None:
        with self._change:
            self._change.wait_for(lambda: self._closed, 0.01)

    def _publish(self, image: NDArray[np.uint8], now: float, took: float) -> None:
        with self._change:
            if self._closed or self._reader is not threading.current_thread():
                return
            if self._count and not self._trouble:
                self._gaps.append(now - self._last_news)
            self._newest = image, self._count, now, took
            self._count += 1
            self._last_news = now
            self._trouble = ""
            self._change.notify_all()

    def _tell(self, failure: SourceError) -> None:
        """The connection is lost; before the first frame that is the end, later it is tried again."""
        with self._change:
            if self._closed or self._reader is not threading.current_thread():
                return
            self._trouble = self._trouble or self.lost_sentence()
            if self._count == 0:
                self._failure = failure
            self._change.notify_all()
