"""Work of some seconds that the window must not wait for: a function in a thread, its outcome back in the window's thread."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Signal

log = logging.getLogger(__name__)


class Jobs(QObject):
    """Runs functions in threads of their own.

    Signals:
        ended(done, outcome): from a job's thread; for :meth:`start` only.
    """

    ended = Signal(object, object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._threads: list[threading.Thread] = []
        self._closed = False
        self.ended.connect(self._end)

    def start(self, work: Callable[[], Any], done: Callable[[Any], None], name: str) -> None:
        """Runs ``work`` and then, in the window's thread, ``done`` with what it returned or the exception it raised."""

        def run() -> None:
            try:
                outcome = work()
            except Exception as error:
                log.info("%s: %s", name, error, exc_info=True)
                outcome = error
            self.ended.emit(done, outcome)

        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def close(self, timeout: float = 60.0) -> None:
        """Waits for what is under way, such as a file half written; nobody is told any more."""
        self._closed = True
        for thread in self._threads:
            thread.join(timeout)

    def _end(self, done: Callable[[Any], None], outcome: Any) -> None:
        if not self._closed:
            done(outcome)
