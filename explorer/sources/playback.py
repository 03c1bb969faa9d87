"""What is played and how it goes on: the half of the player that its thread runs."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from explorer.panel import Frame
from explorer.sources.base import Source, SourceEnded, SourceError, SourceWaiting
from explorer.sources.history import History

log = logging.getLogger(__name__)

MEASURED = 2.0
"""Seconds over which the rate is measured."""
LIVE_WAIT = 0.1
"""Seconds that reading a live source may keep a command waiting."""
IDLE_CHECK = 0.25
"""Seconds between looks at a live source that is not shown."""
LATE, MOST_LATE = 0.1, 0.25
"""Seconds behind from which a video leaves frames out, and from which it simply runs slower."""
READ_BACK = 16
"""Frames kept ready by one step back, since decoding starts at an earlier frame anyway."""
SLOWEST, FASTEST = 0.05, 16.0

KEEPS_HISTORY = ("video", "camera", "stream", "moving")
ARRIVES = ("camera", "stream")
"""Kinds whose frames come by themselves; those of the others are fetched when they are due."""


class Playback:
    """A source, the frame shown of it, and when the next one is due.

    All methods belong to the player's thread, which alone reads the source. Others read the attributes, and set ``frozen``,
    ``speed`` and ``loop``, holding the lock.

    Args:
        lock: guards the attributes; not held while a source is read.
        on_frame: gets every frame shown.
        on_change: told that something else is another.
    """

    def __init__(
        self, lock: threading.Condition, on_frame: Callable[[Frame], None], on_change: Callable[[], None]
    ) -> None:
        self._lock = lock
        self._on_frame = on_frame
        self._changed = on_change
        self.source: Source | None = None
        self.spec: Any = None
        self.options: dict[str, Any] = {}
        self.frame: Frame | None = None
        self.history = History()
        self.playing = False
        self.frozen = False
        self.speed = 1.0
        self.loop = True
        self.trouble = ""
        self._held: Frame | None = None  # read just before freezing, shown after it
        self._astray = False  # the source's next frame is not the one after the frame shown
        self._rewound = False  # to the start, and no frame since
        self._due = 0.0
        self._shown_at: deque[float] = deque()

    @property
    def runs(self) -> bool:
        """Frames follow one another."""
        return self.playing and not self.frozen

    @property
    def fps(self) -> float:
        """Frames a second over the last MEASURED seconds while they follow one another."""
        if not self.runs or len(self._shown_at) < 2 or self._shown_at[-1] < time.perf_counter() - MEASURED:
            return 0.0
        span = self._shown_at[-1] - self._shown_at[0]
        return (len(self._shown_at) - 1) / span if span > 0 else 0.0

    def until_due(self) -> float | None:
        """Seconds until the next look at the source; None: not by itself."""
        if self.source is None or not (self.runs or self.source.kind in ARRIVES):
            return None
        if self.runs and self.source.kind in ARRIVES:
            return 0
        return max(0, self._due - time.perf_counter())

    def hurry(self) -> None:
        """The next frame is due now, at the latest."""
        self._due = min(self._due, time.perf_counter())

    def swap(self, source: Source, frame: Frame, spec: Any, options: Mapping[str, Any]) -> None:
        """Plays another source, whose first frame was read already, and closes the former one."""
        former = self.source
        with self._lock:
            self.source, self.frame = source, frame
            self.spec, self.options = spec, dict(options)
            self.playing = source.kind in KEEPS_HISTORY
            self.frozen = False
            self.trouble = source.message
            self.history.clear()
            self._shown_at.clear()
            self._held = None
            self._astray = False
        self._show(frame)
        if former is not None:
            former.close()
        self._schedule()

    def close(self) -> None:
        """Closes the source."""
        if self.source is not None:
            self.source.close()

    def stop(self, sentence: str) -> None:
        """Stands still because of what the sentence says."""
        with self._lock:
            self.playing = False
            self.trouble = sentence
        self._changed()

    def play(self, playing: bool | None) -> None:
        """Goes on (a video at its end: from the start; something frozen: thawed), stands still, or changes between the two."""
        source, frame = self.source, self.frame
        if source is None or source.kind not in KEEPS_HISTORY:
            return
        with self._lock:
            self.playing = not self.runs if playing is None else playing
            self._shown_at.clear()
            thaws = self.playing and self.frozen
            if self.playing:
                self.frozen = False
        if thaws:
            self.thaw()
        if self.playing:
            self._set_trouble(source.message)
            if source.can_seek and source.length and frame and frame.index >= source.length - 1:
                self._go_to(0)
            self._schedule()

    def thaw(self) -> None:
        """After ``frozen`` was set anew: a live source goes back to its newest frame."""
        source = self.source
        if source is None or self.frozen:
            return
        with self._lock:
            self._shown_at.clear()
            newest = self.history.newest() if source.live else None
        if newest is not None and newest is not self.frame:
            self._show(newest, keep=False)
        self._due = time.perf_counter()

    def turn(self, mirror: bool | None, rotate: int | None) -> None:
        """Mirrors or rotates what a camera or stream gives."""
        for name, value in (("mirror", mirror), ("rotate", rotate)):
            if value is not None and hasattr(self.source, name):
                setattr(self.source, name, value)
                with self._lock:
                    self.options[name] = value

    def seek(self, index: int) -> None:
        """Shows a frame of a video or a picture of a folder."""
        if self.source is not None and self.source.can_seek:
            self._go_to(max(0, index))
            self._schedule()

    def step(self, count: int) -> None:
        """Shows the frame ``count`` further on or back: of a live source among those kept, which freezes it; otherwise exactly."""
        source, frame = self.source, self.frame
        if source is None or frame is None:
            return
        if source.live:
            with self._lock:
                self.frozen = True
                kept = self.history.step(count)
            if kept is not None:
                self._show(kept, keep=False)
        elif source.can_seek:
            with self._lock:
                self.playing = self.playing and self.frozen
            target = max(0, frame.index + count)
            if source.length is not None:
                target = min(target, source.length - 1)
            if target != frame.index:
                self._go_to(target, back=count < 0)

    def _go_to(self, index: int, *, back: bool = False) -> None:
        """Shows a frame of a source that can seek; ``back``: keeps those before it ready for the next steps back."""
        source = self.source
        assert source is not None
        self._held = None
        with self._lock:
            kept = self.history.find(index)
        self._astray = True
        if kept is not None:
            self._set_trouble(source.message)
            self._show(kept, keep=False)
            return
        first = max(0, index - READ_BACK + 1) if back and source.kind == "video" else index
        try:
            source.seek(first)
            frame = source.read()
            while first < index and frame.index < index:
                with self._lock:
                    self.history.add(frame)
                frame = source.read()
        except SourceError as error:
            self._set_trouble(str(error) or source.message)
            return
        self._astray = False
        self._set_trouble(source.message)
        self._show(frame)

    def advance(self) -> None:
        """Reads the next frame, which is due, and shows it."""
        source = self.source
        assert source is not None
        if source.kind in ARRIVES:
            self._advance_arriving(source)
            return
        frame, self._held = self._held, None
        if frame is None:
            if self._astray and self.frame is not None:
                source.seek(self.frame.index + 1)
                self._astray = False
            try:
                frame = source.read()
            except SourceError as error:
                self._end(error)
                return
        self._set_trouble(source.message)
        if self._show(frame, if_running=True):
            self._pace()
        else:
            self._held = frame

    def _advance_arriving(self, source: Source) -> None:
        """Takes what a camera or stream has; also while it is not shown, to notice when it is lost."""
        self._due = time.perf_counter() + IDLE_CHECK
        try:
            frame = source.read(LIVE_WAIT if self.runs else 0)
        except SourceWaiting as waiting:
            self._set_trouble(str(waiting))
        except SourceError as error:
            self._end(error)
        else:
            self._set_trouble("")
            self._show(frame, if_running=True)

    def _pace(self) -> None:
        """When the next frame is due; a video that is late leaves frames out."""
        source = self.source
        assert source is not None
        delay = (source.delay or 0.0) / self.speed
        self._due += delay
        late = time.perf_counter() - self._due
        if delay > 0 and late > (delay if self.speed > 1 else LATE):
            self._due += source.skip(int(late / delay)) * delay
        if late > MOST_LATE:
            self._due = time.perf_counter()

    def _schedule(self) -> None:
        """The frame just shown starts its time now."""
        delay = (self.source.delay or 0.0) if self.source else 0.0
        self._due = time.perf_counter() + delay / self.speed

    def _end(self, error: SourceError) -> None:
        """The source has no further frame: from the beginning again, or stand still."""
        source = self.source
        assert source is not None
        proper = isinstance(error, SourceEnded) and not str(error)
        if proper and self.loop and source.can_seek and not self._rewound:
            self._rewound = True
            source.seek(0)
            return
        self.stop(str(error))

    def _set_trouble(self, sentence: str) -> None:
        with self._lock:
            if sentence == self.trouble:
                return
            self.trouble = sentence
        self._changed()

    def _show(self, frame: Frame, *, keep: bool = True, if_running: bool = False) -> bool:
        """Hands a frame over.

        Args:
            keep: as the newest of the history.
            if_running: not when the player was paused or frozen meanwhile; returns whether it was handed over.
        """
        now = time.perf_counter()
        with self._lock:
            if if_running and not self.runs:
                return False
            self.frame = frame
            self._rewound = False
            if keep and self.source is not None and self.source.kind in KEEPS_HISTORY:
                self.history.add(frame)
            self._shown_at.append(now)
            while self._shown_at[0] < now - MEASURED:
                self._shown_at.popleft()
        try:
            self._on_frame(frame)
        except Exception:
            log.exception("showing a frame failed")
        self._changed()
        return True
