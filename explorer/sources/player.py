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
from explorer.sources.base import Source
from explorer.sources.opener import Opening
from explorer.sources.playback import Playback
from explorer.sources.state import PlayerState

__all__ = ["Player", "PlayerState"]

log = logging.getLogger(__name__)

SLOWEST, FASTEST = 0.05, 16.0
CLOSING = 1.9
"""Seconds that ``close`` takes at most."""


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
        self._lock = threading.Condition()  # guards all below
        self._now = Playback(self._lock, self._hand_over, self._changed)
        self._commands: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._closing = False
        self._opening: Opening | None = None
        self._openings: list[Opening] = []
        self._failure = ""
        self._thread = threading.Thread(target=self._run, name="player", daemon=True)
        self._thread.start()

    @property
    def state(self) -> PlayerState:
        """What is shown and how it goes on, now."""
        with self._lock:
            now, opening = self._now, self._opening
            source, frame = now.source, now.frame
            message = (opening.message if opening else "") or self._failure or now.trouble
            return PlayerState(
                title=source.title if source else "",
                kind=source.kind if source else None,
                spec=now.spec,
                options=dict(now.options),
                playing=now.playing,
                frozen=now.frozen,
                index=frame.index if frame else 0,
                length=source.length if source else None,
                fps=now.fps,
                nominal_fps=source.fps if source else None,
                speed=now.speed,
                loop=now.loop,
                size=frame.size if frame else None,
                can_seek=bool(source and source.can_seek),
                live=bool(source and source.live),
                history=len(now.history),
                history_index=now.history.index,
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
            source = self._now.source
            busy = source if source and source.kind == "camera" else None
            self._opening = Opening(self._opener, spec, options, self._opened, self._changed, busy)
            self._openings = [o for o in self._openings if o.is_alive()] + [self._opening]
            self._opening.start()
        self._changed()

    def play(self) -> None:
        """Goes on; a video at its end starts again."""
        self._post(self._now.play, True)

    def pause(self) -> None:
        """Stands still. Videos go on from there, live sources with what is newest then."""
        self._post(self._now.play, False)

    def toggle(self) -> None:
        """Plays or pauses, whichever it does not now."""
        self._post(self._now.play, None)

    def seek(self, index: int) -> None:
        """Shows frame ``index`` of a video or picture ``index`` of a folder; of several asked for in haste the last."""
        self._post(self._now.seek, index, replace=True)

    def step(self, count: int) -> None:
        """Shows the frame ``count`` further on or back and stays there: of a video exactly, of a live source among the last frames."""
        self._post(self._now.step, count)

    def next(self) -> None:
        """The next picture of a folder; elsewhere a step on."""
        self.step(1)

    def previous(self) -> None:
        """The picture before in a folder; elsewhere a step back."""
        self.step(-1)

    def set_speed(self, speed: float) -> None:
        """How many times as fast videos and moving pictures go, clipped to SLOWEST and FASTEST."""
        with self._lock:
            self._now.speed = min(max(float(speed), SLOWEST), FASTEST)
            self._now.hurry()
            self._lock.notify_all()
        self._changed()

    def set_loop(self, loop: bool) -> None:
        """Whether a video starts again at its end."""
        with self._lock:
            self._now.loop = loop
        self._changed()

    def freeze(self, frozen: bool = True) -> None:
        """Holds the frame shown, or goes on: a video from the frame shown, a live source with its newest."""
        with self._lock:
            self._now.frozen = frozen
        self._post(self._now.thaw)

    @property
    def frozen(self) -> bool:
        return self._now.frozen

    def turn(self, *, mirror: bool | None = None, rotate: int | None = None) -> None:
        """Mirrors a camera's or stream's pictures, or rotates them by 0, 90, 180 or 270 degrees, from the next frame on.

        Raises:
            ValueError: another angle.
        """
        if rotate not in (None, 0, 90, 180, 270):
            raise ValueError(f"a picture is rotated by 0, 90, 180 or 270 degrees, not {rotate}")
        self._post(self._now.turn, mirror, rotate)

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

    def _hand_over(self, frame: Frame) -> None:
        if not self._closing:
            self._on_frame(frame)

    def _changed(self) -> None:
        if not self._closing:
            self._on_change()

    def _opened(self, opening: Opening, source: Source | None, frame: Frame | None, sentence: str) -> None:
        """Told by an opening, from its thread, when it is done."""
        with self._lock:
            if not self._closing:
                self._commands.append((self._take, (opening, source, frame, sentence)))
                self._lock.notify_all()
                return
        if source is not None:
            source.close()

    def _run(self) -> None:
        """The thread."""
        while True:
            with self._lock:
                if not (self._closing or self._commands):
                    self._lock.wait(self._now.until_due())
                if self._closing:
                    break
                command = self._commands.popleft() if self._commands else None
            try:
                if command is not None:
                    command[0](*command[1])
                    self._changed()
                elif self._now.until_due() == 0:
                    self._now.advance()
            except Exception as error:
                log.exception("the player failed")
                self._now.stop(tr("Playing {title} failed: {reason}", title=self.state.title, reason=str(error)))
        for _, arguments in self._commands:
            for argument in arguments:
                if isinstance(argument, Source):
                    argument.close()
        self._now.close()

    def _take(self, opening: Opening, source: Source | None, frame: Frame | None, sentence: str) -> None:
        """In the thread: plays what was opened, unless something else was asked for since."""
        with self._lock:
            wanted = self._opening is opening
            if wanted:
                self._opening = None
                self._failure = sentence
        if source is not None and frame is not None:
            if wanted:
                self._now.swap(source, frame, opening.spec, opening.options)
            else:
                source.close()
