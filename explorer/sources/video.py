"""A video file: every frame exactly, forwards and backwards."""

import os
import time
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from explorer.i18n import tr
from explorer.panel import Frame
from explorer.sources.base import Source, SourceEnded, SourceError
from explorer.sources.files import is_cut_short, is_video, open_regular
from explorer.sources.frame_index import SAME, FrameIndex
from explorer.sources.opencv import cv2
from explorer.sources.pixels import resize, rgb_of_bgr

BACK = 16
"""Frames by which a seek that landed too late starts earlier, doubled until it lands early enough."""
NEAR = 16
"""Frames ahead that are reached by decoding on rather than by seeking."""
MOST_SKIPPED = 16
LONGEST_DELAY = 10.0
PATIENCE = 2.0
"""Seconds that a seek waits for the index of a huge file; after that it is inexact until the index is complete."""


class VideoSource(Source):
    """Decodes with FFmpeg through OpenCV; turned upright as the file says, with square pixels.

    ``seek`` is exact: frame ``i`` has the same pixels however it is reached. A file that was cut in the middle ends with a sentence.

    Raises:
        SourceError: it is missing, empty, no video, cut short before its index, or of an unknown codec.
    """

    kind = "video"
    can_seek = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.title = self.path.name
        open_regular(self.path).close()
        self._cut = is_cut_short(self.path)
        self._capture = self._opened()
        self.fps = _sane_rate(self._capture.get(cv2.CAP_PROP_FPS))
        stated = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self._stated = int(stated) if 0 < stated < 1e9 else None
        self._counted: int | None = None
        self._next = 0
        self._fresh = True
        self._target: int | None = None
        self._delay: float | None = None
        self._index = FrameIndex(self.path, drop_last=self._cut)
        self._index.wait(0.2)

    @property
    def length(self) -> int | None:  # type: ignore[override]
        """Counted where that is done, before that as the file states it."""
        return self._counted or self._index.count or self._stated

    @property
    def delay(self) -> float | None:
        return self._delay

    def read(self, timeout: float | None = None) -> Frame:
        started = time.perf_counter()
        if self._target is not None:
            target, self._target = self._target, None
            grabbed = self._go_to(target)
        else:
            grabbed = self._capture.grab()
        image: Any = None
        while grabbed:
            decoded, image = self._capture.retrieve()
            stamp = self._capture.get(cv2.CAP_PROP_POS_MSEC)
            if decoded and not self._index.is_dropped(stamp):
                break
            grabbed = self._capture.grab()  # this frame's data are damaged; later ones may not be
        if not grabbed:
            self._end()
        index = self._position(stamp)
        self._fresh = False
        self._next = index + 1
        self._delay = self._delay_after(index, stamp)
        now = time.perf_counter()
        return Frame(self._square(rgb_of_bgr(image)), index, now, self.title, now - started)

    def seek(self, index: int) -> None:
        self._fresh = False
        self._target = max(0, index)

    def skip(self, count: int) -> int:
        """At most MOST_SKIPPED, and never the last frame."""
        most = min(count, MOST_SKIPPED, (self.length or self._next) - 1 - self._next)
        passed = 0
        while self._target is None and passed < most and self._capture.grab():
            passed += 1
        self._next += passed
        return passed

    def close(self) -> None:
        self._index.close()
        self._capture.release()

    def _opened(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self.path), cv2.CAP_FFMPEG)
        if capture.isOpened():
            return capture
        if self._cut:
            raise SourceError(tr("{name} is cut short: its table of frames is missing.", name=self.title))
        if is_video(self.path):
            raise SourceError(
                tr(
                    "{name} is a video that cannot be decoded: it is damaged or its codec is not known.",
                    name=self.title,
                )
            )
        raise SourceError(tr("{name} is neither a picture nor a video that can be read here.", name=self.title))

    def _end(self) -> NoReturn:
        """Raises SourceEnded and remembers how many frames there were."""
        if self._next == 0 and not self._counted:
            raise SourceError(tr("{name} has no frame that can be decoded.", name=self.title))
        if self._index.length is None:
            self._counted = max(self._next, self._counted or 0)
        if self._cut:
            raise SourceEnded(
                tr(
                    "{name} is cut short: it ends after frame {count}, in the middle.",
                    name=self.title,
                    count=self.length,
                )
            )
        raise SourceEnded("")

    def _position(self, stamp: float) -> int:
        """Which frame was just grabbed."""
        position = self._index.position(stamp)
        if position is None:
            if self._index.length is not None:
                self._index.give_up()
            return self._next
        if self._fresh and position > 0 and self._index.length is not None:
            self._index.drop_before(stamp)
            position = 0
        return position

    def _delay_after(self, index: int, stamp: float) -> float | None:
        following = self._index.stamp(index + 1) if self._index.length is not None else None
        if following is not None:
            return min(max(0.0, (following - stamp) / 1000), LONGEST_DELAY)
        return 1 / self.fps if self.fps else 1 / 25

    def _go_to(self, index: int) -> bool:
        """Grabs frame ``index`` or the last one before it; False where there is none."""
        if self.length is not None:
            index = min(index, self.length - 1)
        stamp = self._index.stamp(index, PATIENCE)
        if stamp is None:
            return self._count_to(index) if self._index.count is not None else self._guess(index)
        if self._next <= index <= self._next + NEAR:
            return self._grab_until(stamp)
        start, back = index, BACK
        while start > 0:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, self._frame_number(start))
            if self._capture.grab() and self._capture.get(cv2.CAP_PROP_POS_MSEC) <= stamp + SAME:
                return self._capture.get(cv2.CAP_PROP_POS_MSEC) >= stamp - SAME or self._grab_until(stamp)
            start, back = start - back, back * 2
        self._restart()
        return self._grab_until(stamp)

    def _frame_number(self, index: int) -> int:
        """The number OpenCV gives a frame: its time by the nominal rate."""
        stamp = self._index.stamp(index)
        return max(0, round(stamp / 1000 * self.fps)) if stamp is not None and self.fps else index

    def _grab_until(self, stamp: float) -> bool:
        while self._capture.grab():
            if self._capture.get(cv2.CAP_PROP_POS_MSEC) >= stamp - SAME:
                return True
        return False

    def _count_to(self, index: int) -> bool:
        """Without usable time stamps: decodes from the start, or from here on."""
        if index < self._next:
            self._restart()
        while self._next < index:
            if not self._capture.grab():
                return False
            self._next += 1
        return self._capture.grab()

    def _guess(self, index: int) -> bool:
        """While the index of a huge file is not there yet: where OpenCV takes the frame to be."""
        self._capture.set(cv2.CAP_PROP_POS_FRAMES, index)
        grabbed = self._capture.grab()
        stamp = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        self._next = round(stamp / 1000 * self.fps) if self.fps else index
        return grabbed

    def _restart(self) -> None:
        self._capture.release()
        self._capture = self._opened()
        self._next = 0

    def _square(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Stretches the pixels of anamorphic video to squares."""
        across, down = self._capture.get(cv2.CAP_PROP_SAR_NUM), self._capture.get(cv2.CAP_PROP_SAR_DEN)
        if across <= 0 or down <= 0 or across == down or not 0.2 < across / down < 5:
            return image
        if round(self._capture.get(cv2.CAP_PROP_ORIENTATION_META)) % 180 == 90:
            across, down = down, across
        height, width = image.shape[:2]
        return resize(image, max(1, round(width * across / down)), height)


def _sane_rate(fps: float) -> float | None:
    """The stated rate; None where a file states nonsense."""
    return fps if 0.1 <= fps <= 1000 else None
