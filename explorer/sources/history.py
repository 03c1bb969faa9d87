"""The last frames, to step back through."""

from collections import OrderedDict

from explorer.panel import Frame

MOST_FRAMES = 64
MOST_BYTES = 400_000_000


class History:
    """Keeps at most MOST_FRAMES frames and MOST_BYTES of pixels: 64 up to 1920 x 1080, 16 at 3840 x 2160; at least one.

    One frame is the current one: the newest after ``add``, another after ``step``. Not safe for use by several threads.
    """

    def __init__(self, most_frames: int = MOST_FRAMES, most_bytes: int = MOST_BYTES) -> None:
        self._most_frames = most_frames
        self._most_bytes = most_bytes
        self._frames: OrderedDict[int, Frame] = OrderedDict()
        self._bytes = 0
        self._current: int | None = None

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def index(self) -> int:
        """Where the current frame is, 0 for the oldest; -1 while there is none."""
        return -1 if self._current is None else list(self._frames).index(self._current)

    def add(self, frame: Frame) -> None:
        """Keeps a frame as the newest and current one; an older one of the same number goes."""
        self._forget(frame.index)
        self._frames[frame.index] = frame
        self._bytes += frame.image.nbytes
        self._current = frame.index
        while len(self._frames) > 1 and (len(self._frames) > self._most_frames or self._bytes > self._most_bytes):
            self._forget(next(iter(self._frames)))

    def find(self, index: int) -> Frame | None:
        """The kept frame of this number, which becomes the current one."""
        frame = self._frames.get(index)
        if frame is not None:
            self._current = index
        return frame

    def step(self, count: int) -> Frame | None:
        """Moves the current frame by ``count`` (clipped) and returns it; None where there is nothing to move to."""
        if self._current is None:
            return None
        numbers = list(self._frames)
        at = numbers.index(self._current)
        to = min(max(at + count, 0), len(numbers) - 1)
        self._current = numbers[to]
        return self._frames[self._current] if to != at else None

    def newest(self) -> Frame | None:
        """The frame added last, which becomes the current one."""
        if not self._frames:
            return None
        self._current = next(reversed(self._frames))
        return self._frames[self._current]

    def clear(self) -> None:
        self._frames.clear()
        self._bytes = 0
        self._current = None

    def _forget(self, index: int) -> None:
        frame = self._frames.pop(index, None)
        if frame is not None:
            self._bytes -= frame.image.nbytes
