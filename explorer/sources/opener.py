"""Opening a source in a thread of its own, so that the former one plays on and nobody waits."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from explorer.i18n import tr
from explorer.panel import Frame
from explorer.sources import public_spec
from explorer.sources.base import Source, SourceError, SourceWaiting

log = logging.getLogger(__name__)

LONGEST = 12.0
"""Seconds that a live source has for its first frame."""
LOOK = 0.1


class Opening(threading.Thread):
    """Opens a source and reads its first frame.

    Args:
        opener: makes the source.
        spec, options: its arguments.
        done: told (self, source, first frame, "") or (self, None, None, sentence), unless cancelled.
        changed: told that ``message`` is another.
        busy: a source to be closed first, since a camera cannot be open twice.
    """

    def __init__(
        self,
        opener: Callable[..., Source],
        spec: Any,
        options: Mapping[str, Any],
        done: Callable[["Opening", Source | None, Frame | None, str], None],
        changed: Callable[[], None],
        busy: Source | None = None,
    ) -> None:
        shown = public_spec(spec)
        self.title = shown if "://" in shown else Path(shown).name or shown
        super().__init__(name=f"open {self.title}", daemon=True)
        self.spec = spec
        self.options = options
        self.message = ""
        self._opener = opener
        self._done = done
        self._changed = changed
        self._busy = busy
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Nobody wants it any more; what opens nevertheless is closed."""
        self._cancelled.set()

    def run(self) -> None:
        source: Source | None = None
        frame: Frame | None = None
        sentence = ""
        try:
            if self._busy is not None and isinstance(self.spec, str) and self.spec.startswith("camera:"):
                self._busy.close()
            source = self._opener(self.spec, **self.options)
            frame = self._first_frame(source)
        except SourceError as error:
            sentence = str(error)
        except Exception as error:
            log.exception("opening a source failed")
            sentence = tr("{title} cannot be opened: {reason}", title=self.title, reason=str(error))
        if source is not None and (frame is None or self._cancelled.is_set()):
            source.close()
            source = None
        if not self._cancelled.is_set():
            self._done(self, source, frame, sentence)

    def _first_frame(self, source: Source) -> Frame | None:
        until = time.perf_counter() + LONGEST
        while not self._cancelled.is_set():
            try:
                return source.read(LOOK)
            except SourceWaiting as waiting:
                if time.perf_counter() > until:
                    raise
                if str(waiting) != self.message:
                    self.message = str(waiting)
                    self._changed()
        return None
