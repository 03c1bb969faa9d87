"""The real program as a person meets it: started as a process, looked at, clicked and closed."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from desktop import Desktop, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
LAUNCHER = Path(__file__).with_name("launch.py")


@dataclass(frozen=True)
class Place:
    """Something on the screen: a widget, a row, an action, a tab.

    Args:
        rect: x, y, width, height on the screen in pixels.
        kinds: for a widget, its class and those above it.
        rows: what a list, tree, table, menu or tab bar holds.
        plots: for a canvas, its view boxes.
    """

    text: str = ""
    rect: tuple[int, int, int, int] = (0, 0, 0, 0)
    kind: str = ""
    kinds: tuple[str, ...] = ()
    name: str = ""
    tip: str = ""
    window: str = ""
    enabled: bool = True
    focus: bool = False
    checked: bool | None = None
    selected: bool = False
    depth: int = 0
    cells: tuple[str, ...] = ()
    rows: tuple["Place", ...] = ()
    plots: tuple["Plot", ...] = ()

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> "Place":
        known = {field.name for field in fields(cls)}
        given = {
            name: tuple(value) if isinstance(value, list) else value for name, value in facts.items() if name in known
        }
        given["rows"] = tuple(cls.read(row) for row in facts.get("rows", ()))
        given["plots"] = tuple(Plot(tuple(p["rect"]), p["range"], p["y_down"]) for p in facts.get("plots", ()))
        return cls(**given)

    @property
    def centre(self) -> tuple[float, float]:
        x, y, width, height = self.rect
        return x + width / 2, y + height / 2

    def row(self, text: str) -> "Place":
        """The row with these words.

        Raises:
            LookupError: there is none; names what there is.
        """
        for row in self.rows:
            if row.text == text:
                return row
        raise LookupError(f"no row {text!r} among {[row.text for row in self.rows]}")


@dataclass(frozen=True)
class Plot:
    """A view box of the canvas and the coordinates it shows."""

    rect: tuple[int, int, int, int]
    range: tuple[tuple[float, float], tuple[float, float]]
    y_down: bool

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where the coordinates x, y are on the screen."""
        left, top, width, height = self.rect
        (x0, x1), (y0, y1) = self.range
        across, down = (x - x0) / (x1 - x0), (y - y0) / (y1 - y0)
        return left + across * width, top + (down if self.y_down else 1 - down) * height


class Program:
    """A running program on a desktop.

    Args:
        arguments: of its command line.
        module: what ``python -m`` runs, or a path to a .py file.
        home: its CV_EXPLORER_HOME.
        environment: further variables; None as a value removes one.
    """

    def __init__(
        self,
        desktop: Desktop,
        *arguments: str | Path,
        module: str = "explorer",
        home: Path,
        environment: Mapping[str, str | None] | None = None,
    ) -> None:
        self.desktop = desktop
        self.home = home
        self._folder = tempfile.TemporaryDirectory()
        self._socket = str(Path(self._folder.name, "socket"))
        self._output = Path(self._folder.name, "output")
        runtime = Path(self._folder.name, "runtime")
        runtime.mkdir(mode=0o700)
        wanted: dict[str, str | None] = {
            **os.environ,
            "DISPLAY": desktop.display,
            "WAYLAND_DISPLAY": None,
            "QT_QPA_PLATFORM": "xcb",
            "QT_FATAL_WARNINGS": None,
            "CV_EXPLORER_HOME": str(home),
            "XDG_RUNTIME_DIR": str(runtime),
            "PYTHONPATH": str(ROOT),
            "PYTHONFAULTHANDLER": "1",
            **(environment or {}),
        }
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(LAUNCHER), self._socket, module, *map(str, arguments)],
                cwd=ROOT,
                env={name: value for name, value in wanted.items() if value is not None},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """Everything it has printed so far."""
        return self._output.read_text("utf-8", errors="replace")

    def close(self) -> None:
        """Ends it, however it is; call it once everything has been looked at."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(10)
        self._folder.cleanup()

    def interrupt(self) -> None:
        """Ctrl+C in its terminal."""
        self.process.send_signal(signal.SIGINT)

    def wait_end(self, timeout: float = 20.0) -> int:
        """Its exit code, once it has ended by itself."""
        return self.process.wait(timeout)

    def wait_window(self, title: str, timeout: float = 30.0) -> int:
        """Waits for a window whose title matches, gives it the keyboard, and returns its X identifier."""

        def look() -> list[int]:
            if self.process.poll() is not None:
                raise RuntimeError(f"the program ended with {self.process.returncode}:\n{self.output}")
            return self.desktop.windows(title, self.process.pid)

        window = wait_until(look, f"a window with the title {title!r}", timeout)[-1]
        self.desktop.focus(window)
        return window

    def widgets(self) -> list[Place]:
        """Every widget that can be seen now."""
        if self.process.poll() is not None:
            raise RuntimeError(f"the program ended with {self.process.returncode}:\n{self.output}")
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            try:
                connection.connect(self._socket)
            except (FileNotFoundError, ConnectionRefusedError):
                return []
            parts = iter(lambda: connection.recv(1 << 16), b"")
            answer = json.loads(b"".join(parts))
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return [Place.read(widget) for widget in answer["widgets"]]

    def find(
        self,
        text: str | None = None,
        *,
        kind: str | None = None,
        name: str | None = None,
        tip: str | None = None,
        where: Callable[[Place], bool] = lambda place: True,
        timeout: float = 15.0,
    ) -> Place:
        """Waits for the first widget that fits everything given.

        Args:
            text: its words, or words in its tool tip where it shows an icon only.
            kind: its class or one above, such as ``QToolButton``.
            name: its objectName.
            where: anything else.
        """

        def fits(place: Place) -> bool:
            return (
                (text is None or text == place.text or (not place.text and text in place.tip))
                and (kind is None or kind in place.kinds)
                and (name is None or name == place.name)
                and (tip is None or tip in place.tip)
                and where(place)
            )

        def look() -> Place | None:
            return next(filter(fits, self.widgets()), None)

        wanted = ", ".join(f"{key} {value!r}" for key, value in
                           {"text": text, "kind": kind, "name": name, "tip": tip}.items() if value is not None)  # fmt: skip
        found = wait_until(look, f"a widget with {wanted or 'what the condition asks for'}", timeout)
        assert found is not None
        return found

    def click(self, place: Place | str, *, button: int = 1, times: int = 1) -> None:
        """Clicks the middle of a place, or of the widget with these words."""
        if isinstance(place, str):
            place = self.find(place)
        self.desktop.click(*place.centre, button=button, times=times)

    def choose(self, *texts: str) -> None:
        """Goes through the menus by their words, the first in the menu bar."""
        for depth, text in enumerate(texts):
            kind = "QMenu" if depth else "QMenuBar"
            menu = self.find(kind=kind, where=lambda menu, text=text: any(row.text == text for row in menu.rows))
            self.click(menu.row(text))
