"""A private X display with mouse, keyboard and eyes: Xvfb, xdotool and a screen grab."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import TypeVar

from PIL import Image, ImageGrab

T = TypeVar("T")

MISSING = [name for name in ("Xvfb", "xdotool") if shutil.which(name) is None]
"""The programs that a desktop needs and this machine does not have."""


def wait_until(condition: Callable[[], T], what: str, timeout: float = 20.0) -> T:
    """The first truthy value of ``condition``, asked again and again.

    Raises:
        TimeoutError: naming ``what`` was waited for, and the last value.
    """
    pause = Event()
    for _ in range(max(1, int(timeout / 0.05))):
        if value := condition():
            return value
        pause.wait(0.05)
    raise TimeoutError(f"waited {timeout:g} s for {what}; at last it was {value!r}")


class Desktop:
    """An Xvfb display of its own. No window manager runs in it: a window is where and as large as its program puts it."""

    def __init__(self, width: int = 1366, height: int = 768) -> None:
        self.size = width, height
        reading, writing = os.pipe()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the server runs)
        self._server = subprocess.Popen(
            [
                "Xvfb",
                "-displayfd",
                str(writing),
                "-screen",
                "0",
                f"{width}x{height}x24",
                "-nolisten",
                "tcp",
                "-noreset",
            ],
            pass_fds=(writing,),
            stdout=self._log,
            stderr=self._log,
        )
        os.close(writing)
        with os.fdopen(reading) as pipe:
            number = pipe.readline().strip()
        if not number:
            self._log.seek(0)
            raise RuntimeError(f"Xvfb did not start: {self._log.read().decode()}")
        self.display = f":{number}"

    def __enter__(self) -> "Desktop":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._server.terminate()
        self._server.wait(10)
        self._log.close()

    def _do(self, *words: str | int) -> str:
        command = ["xdotool", *map(str, words)]
        environment = {**os.environ, "DISPLAY": self.display}
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=30).stdout

    def windows(self, title: str, pid: int) -> list[int]:
        """The visible windows of a process whose title matches the regular expression."""
        command = ["xdotool", "search", "--all", "--onlyvisible", "--pid", str(pid), "--name", title]
        found = subprocess.run(
            command, env={**os.environ, "DISPLAY": self.display}, check=False, capture_output=True, text=True
        )
        return [int(line) for line in found.stdout.split()]

    def focus(self, window: int) -> None:
        """What a window manager does when a window appears; X refuses as long as the window is not on the screen yet."""
        command = ["xdotool", "windowfocus", "--sync", str(window)]
        environment = {**os.environ, "DISPLAY": self.display}

        def taken() -> bool:
            return (
                subprocess.run(command, env=environment, check=False, capture_output=True, timeout=30).returncode == 0
            )

        wait_until(taken, "the window to take the keyboard")

    def move(self, x: float, y: float) -> None:
        self._do("mousemove", round(x), round(y))

    def click(self, x: float, y: float, *, button: int = 1, times: int = 1) -> None:
        self.move(x, y)
        self._do("click", "--repeat", times, "--delay", 60, button)

    def scroll(self, x: float, y: float, notches: int) -> None:
        """Turns the wheel over a place: up for positive notches."""
        self.move(x, y)
        self._do("click", "--repeat", abs(notches), "--delay", 20, 4 if notches > 0 else 5)

    def drag(self, start: tuple[float, float], end: tuple[float, float], *, button: int = 1, steps: int = 12) -> None:
        """Presses at start, moves in steps as a hand does, and lets go at end."""
        (x0, y0), (x1, y1) = start, end
        self.move(x0, y0)
        self._do("mousedown", button)
        for step in range(1, steps + 1):
            self.move(x0 + (x1 - x0) * step / steps, y0 + (y1 - y0) * step / steps)
        self._do("mouseup", button)

    def key(self, *keys: str) -> None:
        """Presses keys or chords one after another, such as ``space`` or ``ctrl+o``."""
        self._do("key", "--delay", 40, *keys)

    def type(self, text: str) -> None:
        """Types what a US keyboard has; for other letters xdotool changes the keyboard on the fly, which loses some.

        Raises:
            ValueError: there are other letters in it.
        """
        if not text.isascii():
            raise ValueError(f"only ASCII can be typed, not {text!r}")
        self._do("type", "--delay", 15, text)

    def screenshot(self, path: Path | None = None) -> Image.Image:
        """What a person sees; also written to ``path`` where one is given."""
        image = ImageGrab.grab(xdisplay=self.display).convert("RGB")
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path)
        return image
