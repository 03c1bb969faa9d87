"""Plays a source: one thread that reads, keeps the pace and hands over the newest frame."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from explorer.i18n import tr
from explorer.panel import Frame
from explorer.sources import open_source
from explorer.sources.base import Source, SourceEnded, SourceError, SourceWaiting
from explorer.sources.history import History
from explorer.sources.opening import Opening
from explorer.sources.state import PlayerState

__all__ = ["Player", "PlayerState"]

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
CLOSING = 1.9
"""Seconds that ``close`` takes at most."""

KEEPS_HISTORY = ("video", "camera", "stream", "moving")
ARRIVES = ("camera", "stream")
"""Kinds whose frames come by themselves; those of the others are fetched when they are due."""


class Player:
    """Opens a source and hands its frames over; every method returns at once and may be called from any thread.

    A source that cannot be opened leaves the former one as it is, with a sentence in ``state.message``.

    Args:
        on_frame: gets every frame to be shown, from the player's thread; should be quick.
        on_change: told, from any thread and often, that ``state`` is another.
        opener: makes sources, for tests.
    """

    def __init__(
        self,
        on_frame: Callable[[Frame], None],
        on_change: Callable[[], None],
        *,
        opener: Callable[..., Source] = open_source,
    ) -> None:
        self._on_frame = on_frame
        self._on_change = on_change
        self._opener = opener
        # All below belongs to the lock; sources are read outside it, by the player's thread only.
        self._lock = threading.Condition()
        self._commands: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._closing = False
        self._source: Source | None = None
        self._opening: Opening | None = None
        self._openings: list[Opening] = []
        self._spec: Any = None
        self._options: dict[str, Any] = {}
        self._frame: Frame | None = None
        self._held: Frame | None = None  # read just before freezing, shown after it
        self._history = History()
        self._shown_at: deque[float] = deque()
        self._due = 0.0
        self._astray = False  # the source's next frame is not the one after the frame shown
        self._rewound = False  # to the start, and no frame since
        self._playing = False
        self._frozen = False
        self._speed = 1.0
        self._loop = True
        self._trouble = ""
        self._failure = ""
        self._thread = threading.Thread(target=self._run, name="player", daemon=True)
        self._thread.start()

    @property
    def state(self) -> PlayerState:
        """What is shown and how it goes on, now."""
        with self._lock:
            source, frame = self._source, self._frame
            opening = self._opening
            message = (opening.message if opening else "") or self._failure or self._trouble
            return PlayerState(
                title=source.title if source else "",
                kind=source.kind if source else None,
                spec=self._spec,
                options=dict(self._options),
                playing=self._playing,
                frozen=self._frozen,
                index=frame.index if frame else 0,
                length=source.length if source else None,
                fps=self._measured(),
                nominal_fps=source.fps if source else None,
                speed=self._speed,
                loop=self._loop,
                size=frame.size if frame else None,
                can_seek=bool(source and source.can_seek),
                live=bool(source and source.live),
                history=len(self._history),
                history_index=self._history.index,
                message=message or (frame.note if frame else ""),
                error=bool(message),
                opening=opening.title if opening else "",
                frame=frame,
                mirror=getattr(source, "mirror", False),
                rotate=getattr(source, "rotate", 0),
            )

    def open(self, spec: Any, **options: Any) -> None:
        """Opens another source; see :func:`explorer.sources.open_source` for what it may be."""
        with self._lock:
            if self._closing:
                return
            if self._opening is not None:
                self._opening.cancel()
            self._failure = ""
            busy = self._source if self._source and self._source.kind == "camera" else None
            self._opening = Opening(self._opener, spec, options, self._opened, self._changed, busy)
            self._openings = [o for o in self._openings if o.is_alive()] + [self._opening]
            self._opening.start()
        self._changed()

    def play(self) -> None:
        """Goes on; a video at its end starts again."""
        self._post(self._do_play, True)

    def pause(self) -> None:
        """Stands still. Videos go on from there, live sources with what is newest then."""
        self._post(self._do_play, False)

    def toggle(self) -> None:
        """Plays or pauses, whichever it does not now."""
        self._post(self._do_play, None)

    def seek(self, index: int) -> None:
        """Shows frame ``index`` of a video or picture ``index`` of a folder; of several asked for in haste the last."""
        self._post(self._do_seek, index, replace=True)

    def step(self, count: int) -> None:
        """Shows the frame ``count`` further on or back and stays there: of a video exactly, of a live source among the last frames."""
        self._post(self._do_step, count)

    def next(self) -> None:
        """The next picture of a folder; elsewhere a step on."""
        self.step(1)

    def previous(self) -> None:
        """The picture before in a folder; elsewhere a step back."""
        self.step(-1)

    def set_speed(self, speed: float) -> None:
        """How many times as fast videos and moving pictures go, clipped to SLOWEST and FASTEST."""
        with self._lock:
            self._speed = min(max(float(speed), SLOWEST), FASTEST)
            self._due = min(self._due, time.perf_counter())
            self._lock.notify_all()
        self._changed()

    def set_loop(self, loop: bool) -> None:
        """Whether a video starts again at its end."""
        with self._lock:
            self._loop = loop
        self._changed()

    def freeze(self, frozen: bool = True) -> None:
        """Holds the frame shown, or goes on: a video from the frame shown, a live source with its newest."""
        with self._lock:
            self._frozen = frozen
        self._post(self._do_freeze)

    @property
    def frozen(self) -> bool:
        return self._frozen

    def turn(self, *, mirror: bool | None = None, rotate: int | None = None) -> None:
        """Mirrors a camera's or stream's pictures, or rotates them by 0, 90, 180 or 270 degrees, from the next frame on.

        Raises:
            ValueError: another angle.
        """
        if rotate not in (None, 0, 90, 180, 270):
            raise ValueError(f"a picture is rotated by 0, 90, 180 or 270 degrees, not {rotate}")
        self._post(self._do_turn, mirror, rotate)

    def close(self) -> None:
        """Ends the thread and closes the source; within CLOSING seconds, even where a stream or camera hangs."""
        until = time.perf_counter() + CLOSING
        with self._lock:
            self._closing = True
            openings, self._openings, self._opening = self._openings, [], None
            for opening in openings:
                opening.cancel()
            self._lock.notify_all()
        for thread in (self._thread, *openings):
            if thread is not threading.current_thread():
                thread.join(max(0.0, until - time.perf_counter()))

    def _post(self, command: Callable[..., None], *arguments: Any, replace: bool = False) -> None:
        """Leaves a command for the thread; ``replace``: instead of the same one still waiting at the end."""
        with self._lock:
            self._failure = ""
            if replace and self._commands and self._commands[-1][0] == command:
                self._commands.pop()
            self._commands.append((command, arguments))
            self._lock.notify_all()

    def _changed(self) -> None:
        if not self._closing:
            self._on_change()

    def _opened(self, opening: Opening, source: Source | None, frame: Frame | None, sentence: str) -> None:
        """Told by an opening, from its thread, when it is done."""
        with self._lock:
            if not self._closing:
                self._commands.append((self._do_opened, (opening, source, frame, sentence)))
                self._lock.notify_all()
                return
        if source is not None:
            source.close()

    # From here on: the player's thread, which alone reads the source and sets what is below without the lock.

    def _run(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._closing or self._commands, self._until_due())
                if self._closing:
                    break
                command = self._commands.popleft() if self._commands else None
            try:
                if command is not None:
                    command[0](*command[1])
                    self._changed()
                elif self._until_due() == 0:
                    self._advance()
            except Exception as error:
                log.exception("the player failed")
                with self._lock:
                    self._playing = False
                self._set_trouble(tr("Playing {title} failed: {reason}", title=self.state.title, reason=str(error)))
        for _, arguments in self._commands:
            for argument in arguments:
                if isinstance(argument, Source):
                    argument.close()
        if self._source is not None:
            self._source.close()

    def _runs(self) -> bool:
        return self._playing and not self._frozen

    def _until_due(self) -> float | None:
        """Seconds until the next look at the source; None: not by itself."""
        source = self._source
        if source is None or not (self._runs() or source.kind in ARRIVES):
            return None
        if self._runs() and source.kind in ARRIVES:
            return 0
        return max(0, self._due - time.perf_counter())

    def _do_opened(self, opening: Opening, source: Source | None, frame: Frame | None, sentence: str) -> None:
        with self._lock:
            wanted = self._opening is opening
            if wanted:
                self._opening = None
                self._failure = sentence
        if source is None or frame is None:
            return
        if not wanted:
            source.close()
            return
        former = self._source
        with self._lock:
            self._source = source
            self._spec, self._options = opening.spec, dict(opening.options)
            self._playing = source.kind in KEEPS_HISTORY
            self._frozen = False
            self._held = None
            self._astray = False
            self._trouble = source.message
            self._history.clear()
            self._shown_at.clear()
        if former is not None:
            former.close()
        self._show(frame)
        self._schedule()

    def _do_play(self, playing: bool | None) -> None:
        source, frame = self._source, self._frame
        if source is None or source.kind not in KEEPS_HISTORY:
            return
        with self._lock:
            self._playing = not self._runs() if playing is None else playing
            self._shown_at.clear()
            thaws = self._playing and self._frozen
            if self._playing:
                self._frozen = False
        if thaws:
            self._do_freeze()
        if self._playing:
            self._set_trouble(source.message)
            if source.can_seek and source.length and frame and frame.index >= source.length - 1:
                self._go_to(0)
            self._schedule()

    def _do_freeze(self) -> None:
        source = self._source
        if source is None or self._frozen:
            return
        with self._lock:
            self._shown_at.clear()
            newest = self._history.newest() if source.live else None
        if newest is not None and newest is not self._frame:
            self._show(newest, keep=False)
        self._due = time.perf_counter()

    def _do_turn(self, mirror: bool | None, rotate: int | None) -> None:
        for name, value in (("mirror", mirror), ("rotate", rotate)):
            if value is not None and hasattr(self._source, name):
                setattr(self._source, name, value)
                with self._lock:
                    self._options[name] = value

    def _do_seek(self, index: int) -> None:
        if self._source is not None and self._source.can_seek:
            self._go_to(max(0, index))
            self._schedule()

    def _do_step(self, count: int) -> None:
        source, frame = self._source, self._frame
        if source is None or frame is None:
            return
        if source.live:
            with self._lock:
                self._frozen = True
                kept = self._history.step(count)
            if kept is not None:
                self._show(kept, keep=False)
        elif source.can_seek:
            with self._lock:
                self._playing = self._playing and self._frozen
            target = max(0, frame.index + count)
            if source.length is not None:
                target = min(target, source.length - 1)
            if target != frame.index:
                self._go_to(target, back=count < 0)

    def _go_to(self, index: int, *, back: bool = False) -> None:
        """Shows a frame of a source that can seek; ``back``: keeps those before it ready for the next steps back."""
        source = self._source
        assert source is not None
        self._held = None
        with self._lock:
            kept = self._history.find(index)
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
                    self._history.add(frame)
                frame = source.read()
        except SourceError as error:
            self._set_trouble(str(error) or source.message)
            return
        self._astray = False
        self._set_trouble(source.message)
        self._show(frame)

    def _advance(self) -> None:
        """Reads the next frame, which is due, and shows it."""
        source = self._source
        assert source is not None
        if source.kind in ARRIVES:
            self._advance_arriving(source)
            return
        frame, self._held = self._held, None
        if frame is None:
            if self._astray and self._frame is not None:
                source.seek(self._frame.index + 1)
                self._astray = False
            try:
                frame = source.read()
            except SourceError as error:
                self._stop(error)
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
            frame = source.read(LIVE_WAIT if self._runs() else 0)
        except SourceWaiting as waiting:
            self._set_trouble(str(waiting))
        except SourceError as error:
            self._stop(error)
        else:
            self._set_trouble("")
            self._show(frame, if_running=True)

    def _pace(self) -> None:
        """When the next frame is due; a video that is late leaves frames out."""
        source = self._source
        assert source is not None
        delay = (source.delay or 0.0) / self._speed
        self._due += delay
        late = time.perf_counter() - self._due
        if delay > 0 and late > (delay if self._speed > 1 else LATE):
            self._due += source.skip(int(late / delay)) * delay
        if late > MOST_LATE:
            self._due = time.perf_counter()

    def _schedule(self) -> None:
        """The frame just shown starts its time now."""
        delay = (self._source.delay or 0.0) if self._source else 0.0
        self._due = time.perf_counter() + delay / self._speed

    def _stop(self, error: SourceError) -> None:
        """The source has no further frame: from the beginning again, or stand still."""
        source = self._source
        assert source is not None
        proper = isinstance(error, SourceEnded) and not str(error)
        if proper and self._loop and source.can_seek and not self._rewound:
            self._rewound = True
            source.seek(0)
            return
        with self._lock:
            self._playing = False
        self._set_trouble(str(error))
        self._changed()

    def _set_trouble(self, sentence: str) -> None:
        with self._lock:
            if sentence == self._trouble:
                return
            self._trouble = sentence
        self._changed()

    def _show(self, frame: Frame, *, keep: bool = True, if_running: bool = False) -> bool:
        """Hands a frame over.

        Args:
            keep: as the newest of the history.
            if_running: not when the player was paused or frozen meanwhile; returns whether it was handed over.
        """
        now = time.perf_counter()
        with self._lock:
            if self._closing or (if_running and not self._runs()):
                return False
            self._frame = frame
            self._rewound = False
            if keep and self._source is not None and self._source.kind in KEEPS_HISTORY:
                self._history.add(frame)
            self._shown_at.append(now)
            while self._shown_at[0] < now - MEASURED:
                self._shown_at.popleft()
        try:
            self._on_frame(frame)
        except Exception:
            log.exception("showing a frame failed")
        self._changed()
        return True

    def _measured(self) -> float:
        """Frames a second over the last MEASURED seconds while they follow one another."""
        if not self._runs() or len(self._shown_at) < 2 or self._shown_at[-1] < time.perf_counter() - MEASURED:
            return 0.0
        span = self._shown_at[-1] - self._shown_at[0]
        return (len(self._shown_at) - 1) / span if span > 0 else 0.0
