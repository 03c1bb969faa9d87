"""When each frame of a video file is shown, found by reading its packets without decoding them.

OpenCV counts frames by time and rate, which is wrong where the rate varies, the header lies or the file was cut; and it seeks by
that count. The time stamps say exactly which frame is which. A file of thousands of frames takes milliseconds.
"""

import threading
from bisect import bisect_left
from itertools import pairwise
from pathlib import Path

from explorer.sources.opencv import cv2

REORDERED = 64
"""Packets come in decoding order; no codec shows a frame further from its packet than this."""
SAME = 1e-3
"""Milliseconds within which two time stamps are one."""


class FrameIndex:
    """The time stamps in milliseconds of all frames in the order shown; a thread of its own fills it.

    Args:
        path: the video file.
        drop_last: leave out the packet stored last (of a file that was cut, it is half a one).
    """

    def __init__(self, path: Path, *, drop_last: bool = False) -> None:
        self._path = path
        self._drop_last = drop_last
        self._change = threading.Condition()
        self._stamps: list[float] = []
        self._sorted: list[float] = []
        self._dropped: float | None = None
        self._complete = False
        self._usable = True
        self._closed = False
        self._thread = threading.Thread(target=self._scan, name="frame-index", daemon=True)
        self._thread.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until all packets are read; whether they are."""
        with self._change:
            return self._change.wait_for(lambda: self._complete or self._closed, timeout) and self._complete

    @property
    def usable(self) -> bool:
        """False once the time stamps turned out to be missing or repeated (some MPEG program streams)."""
        return self._usable

    @property
    def length(self) -> int | None:
        """How many frames there are, once that is known."""
        with self._change:
            return len(self._stamps) if self._complete and self._usable else None

    @property
    def count(self) -> int | None:
        """How many packets there are, once that is known: frames, where nothing better is known."""
        with self._change:
            return len(self._stamps) if self._complete else None

    def stamp(self, index: int, timeout: float | None = None) -> float | None:
        """The time stamp of a frame; waits until the packets around it are read. None past the end, too early or where unusable."""
        with self._change:
            known = self._change.wait_for(
                lambda: self._complete or self._closed or len(self._stamps) > index + REORDERED, timeout
            )
            if not known or not self._usable:
                return None
            stamps = self._in_order()
            return stamps[index] if index < len(stamps) else None

    def position(self, stamp: float) -> int | None:
        """Which frame has this time stamp; None where it is not known (yet)."""
        with self._change:
            if not self._usable:
                return None
            stamps = self._in_order()
            at = bisect_left(stamps, stamp - SAME)
            settled = self._complete or at < len(stamps) - REORDERED
            return at if settled and at < len(stamps) and abs(stamps[at] - stamp) <= SAME else None

    def is_dropped(self, stamp: float) -> bool:
        """Whether this is the frame that ``drop_last`` left out."""
        return self._dropped is not None and abs(stamp - self._dropped) <= SAME

    def drop_before(self, stamp: float) -> None:
        """Forgets frames before the first that is ever shown (edit lists, open groups of pictures)."""
        with self._change:
            self._stamps = [s for s in self._stamps if s >= stamp - SAME]
            self._sorted = []

    def give_up(self) -> None:
        """The decoder's time stamps are others: count instead."""
        with self._change:
            self._usable = False
            self._change.notify_all()

    def close(self) -> None:
        with self._change:
            self._closed = True
            self._change.notify_all()
        self._thread.join()

    def _in_order(self) -> list[float]:
        if len(self._sorted) != len(self._stamps):
            self._sorted = sorted(self._stamps)
        return self._sorted

    def _scan(self) -> None:
        try:
            self._read_packets()
        except cv2.error:
            self.give_up()
        with self._change:
            if self._drop_last and self._stamps:
                self._dropped = self._stamps.pop()
            if any(after - before <= SAME for before, after in pairwise(self._in_order())):
                self._usable = False
            self._complete = not self._closed
            self._change.notify_all()

    def _read_packets(self) -> None:
        capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])
        batch: list[float] = []
        while not self._closed and capture.grab():
            batch.append(capture.get(cv2.CAP_PROP_POS_MSEC))
            if len(batch) == 256:
                self._add(batch)
                batch = []
        capture.release()
        self._add(batch)

    def _add(self, batch: list[float]) -> None:
        with self._change:
            self._stamps += batch
            self._change.notify_all()
