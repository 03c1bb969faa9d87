"""Stopping a download from another thread, also while it waits for bytes that do not come."""

import socket
import threading
from contextlib import suppress


class Stop:
    """A switch that is pressed once. :meth:`press` returns at once; the download ends within moments."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    @property
    def pressed(self) -> bool:
        return self._event.is_set()

    def press(self) -> None:
        with self._lock:
            self._event.set()
            self._shut()

    def wait(self, seconds: float) -> bool:
        """Waits, at most so long; whether the switch is pressed."""
        return self._event.wait(seconds)

    def watch(self, connection: socket.socket | None) -> None:
        """This is the connection to shut when pressed; None when there is none any more."""
        with self._lock:
            self._socket = connection
            if self._event.is_set():
                self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
