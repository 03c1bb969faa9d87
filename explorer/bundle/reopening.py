"""Opening a bundle in the window: its frame, its panel as it stood, the same way of computing, and whether that gives the same."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QWidget

from explorer.bundle.dialog import ReportDialog
from explorer.bundle.format import Bundle, BundleError, read_bundle
from explorer.i18n import tr
from explorer.panel import Frame, Panel, Result
from explorer.settings.session import fields_to_json
from explorer.sources.player import Player
from explorer.widgets.jobs import Jobs
from explorer.window.desk import Desk
from explorer.window.dock import PanelDock

LOOK_MS = 30


@dataclass(slots=True, eq=False)
class _Open:
    """A bundle that was opened and waits for its first result."""

    path: str
    bundle: Bundle
    dock: PanelDock
    old: Frame | None
    held: bool = True
    first: Result | None = None


class BundleOpener(QObject):
    """Opens bundles.

    Args:
        announce: shows a sentence above the transport as long as the source with this name is open; and whether it is an error.

    Signals:
        reported(Report): a bundle was computed again and compared.
    """

    reported = Signal(object)

    def __init__(
        self, window: QWidget, desk: Desk, player: Player, jobs: Jobs, announce: Callable[[str, str, bool], None]
    ) -> None:
        super().__init__(window)
        self._window = window
        self._desk = desk
        self._player = player
        self._jobs = jobs
        self._announce = announce
        self._waiting = ""
        self._open: _Open | None = None
        desk.drawn.connect(self._drawn)
        desk.closed.connect(self._closed)
        self._look = QTimer(self)
        self._look.timeout.connect(self._release)
        desk.loaded.connect(self._go_on)

    def open(self, path: str) -> None:
        """Reads and shows a bundle; what is wrong with it is a sentence, and what was shown stays."""
        self._waiting = path
        if self._desk.is_loaded:
            self._go_on()

    def _go_on(self) -> None:
        path, self._waiting = self._waiting, ""
        if path:

            def work() -> tuple[Bundle, Panel | None]:
                read = read_bundle(path)
                return read, self._desk.panel(read.panel)

            self._jobs.start(work, lambda outcome: self._read(path, outcome), f"read {Path(path).name}")

    def _read(self, path: str, outcome: tuple[Bundle, Panel | None] | Exception) -> None:
        if isinstance(outcome, Exception):
            said = str(outcome) if isinstance(outcome, BundleError) else f"{Path(path).name}: {outcome}"
            self._announce(said, "", True)
            return
        read, panel = outcome
        if panel is None:
            self._announce(tr("There is no panel named {name}.", name=read.panel), "", True)
            return
        from explorer.bundle.check import set_up
        from explorer.engine.devices import processors

        params, view, device, precision, threads = set_up(read, panel, self._desk.devices, processors())
        self._announce(tr("The bundle is being computed again."), path, False)
        old = self._desk.engine.frame  # perhaps the very picture that the bundle was saved from
        self._player.open(path)
        dock = self._desk.show_as(panel, fields_to_json(params, view), (device, precision, threads))
        # Nothing of the picture before may be remembered: it is computed from the bundle's frame on.
        self._desk.hold(dock)
        self._open = _Open(path, read, dock, old)
        self._look.start(LOOK_MS)

    def _release(self) -> None:
        now, frame, state = self._open, self._desk.engine.frame, self._player.state
        if now is None or not now.held:
            self._look.stop()
            return
        arrived = frame is not None and frame is not now.old and _is_same(frame, now.bundle.frame)
        if arrived or (not state.opening and state.error):
            now.held = False
            self._look.stop()
            self._desk.release(now.dock)

    def _closed(self, dock: PanelDock) -> None:
        if self._open is not None and dock is self._open.dock:
            self._open = None

    def _drawn(self, dock: PanelDock) -> None:
        now = self._open
        if now is None or now.held or dock is not now.dock or dock.result is None or dock.result is now.first:
            return
        if not _is_of(dock, now.bundle):
            return
        from explorer.bundle.check import as_saved, memory, report_on

        result, view, bundle = dock.result, dock.view, now.bundle
        if now.first is None:
            now.first = result
            if bundle.before is not None:
                self._jobs.start(lambda: memory(bundle, result), self._remembered, f"recall {Path(now.path).name}")
                return
        self._open = None

        def work() -> object:
            report = report_on(bundle, result, view)
            return report, None if report.same else as_saved(bundle, result)

        self._jobs.start(work, lambda outcome: self._compared(now, result, outcome), f"compare {Path(now.path).name}")

    def _remembered(self, trace: object) -> None:
        now = self._open
        if now is None:
            return
        if trace is None or isinstance(trace, Exception):  # the panel is another by now: compared without it
            now.first, now.bundle = None, replace(now.bundle, before=None)
            self._drawn(now.dock)
        else:
            self._desk.engine.recall(now.dock.id, trace)

    def _compared(self, opened: _Open, result: Result, outcome: object) -> None:
        if not isinstance(outcome, tuple):
            self._announce(str(outcome), "", True)
            return
        report, saved = outcome
        dock, said = opened.dock, report.sentence()
        still = dock in self._desk.docks and dock.result is result
        if saved is not None and still:
            dock.show_result(saved)
            said += " " + tr("The panel shows what was saved.")
        if still and opened.bundle.cursor is not None:
            dock.point_at(opened.bundle.cursor)
        self._announce(said, opened.path, False)
        if report.facts or not report.same:
            ReportDialog(self._window, Path(opened.path).name, opened.bundle, report, said).show()
        self.reported.emit(report)


def _is_of(dock: PanelDock, bundle: Bundle) -> bool:
    """Whether what a panel shows was computed from a bundle's frame with the parameters it has now."""
    assert dock.result is not None
    frame, params = dock.result.frame, dock.result.task.params
    return (
        _is_same(frame, bundle.frame)
        and dock.params == params
        and (
            dock.computes_on is None
            or dock.computes_on == (dock.result.task.device, dock.result.task.precision, dock.result.task.threads)
        )
    )


def _is_same(frame: Frame, other: Frame) -> bool:
    return (frame.index, frame.source, frame.time) == (other.index, other.source, other.time) and np.array_equal(
        frame.image, other.image
    )
