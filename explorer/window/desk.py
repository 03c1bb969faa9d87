"""The open panels: their docks in the window, their tasks in the engine, their results back."""

import time
from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QApplication, QMainWindow, QMenu

from explorer.engine.devices import Device, find_devices
from explorer.engine.thread import Engine
from explorer.engine.timing import source_words
from explorer.i18n import tr
from explorer.panel import Frame, Panel, Precision
from explorer.registry import Registry, find_panels
from explorer.settings.session import OpenPanel
from explorer.sources.state import PlayerState
from explorer.widgets.chooser import ComputeChooser
from explorer.widgets.theme import Theme
from explorer.window.dock import PanelDock

SHORTCUTS = 9
"""How many panels Ctrl+1, Ctrl+2 ... open."""


class Desk(QObject):
    """Opens and closes panels, and stands between them and the engine.

    Signals:
        ready(): from the engine's thread: there is something to take.
        emptied(bool): no panel is open, or again one is.
        drawn(PanelDock): one of them shows something new, and has painted it.
        closed(PanelDock): the user closed one.
        loaded(): the panels are there.
        wished(Canvas, str, Wish): to be copied or saved: the pane of that key.
    """

    ready = Signal()
    emptied = Signal(bool)
    drawn = Signal(object)
    closed = Signal(object)
    loaded = Signal()
    wished = Signal(object, str, str)

    def __init__(self, window: QMainWindow, chooser: ComputeChooser, theme: Theme) -> None:
        super().__init__(window)
        self.engine = Engine(self._load, self.ready.emit)
        self.docks: list[PanelDock] = []
        self.panel_menu = QMenu(window)
        self.panel_menu.setToolTipsVisible(True)
        self._window = window
        self._chooser = chooser
        self._theme = theme
        self._active: PanelDock | None = None
        self._registry: Registry | None = None
        self._devices: tuple[Device, ...] = ()
        self._damaged: tuple[str, ...] = ()
        self._number = 0
        self._loaded = False
        self._closing = False
        self._held: set[int] = set()
        self._bare = False
        self._bare_waits = False
        self.ready.connect(self._take)
        chooser.changed.connect(self._compute_changed)

    def _load(self) -> Mapping[str, Panel]:
        """In the engine's thread: everything that imports torch."""
        self._registry = find_panels()
        from explorer.settings.damaged import check_records  # imports torch

        self._damaged = check_records()
        self._devices = find_devices()
        return self._registry.panels

    # -- panels

    def restore(self, opened: tuple[OpenPanel, ...]) -> None:
        for one in opened:
            self._add(one)

    def opened(self) -> tuple[OpenPanel, ...]:
        return tuple(dock.opened() for dock in self.docks)

    def open_panel(self, name: str, values: dict[str, Any] | None = None) -> PanelDock:
        """Opens a panel (once more)."""
        number = self._number + 1  # never one of a closed panel, of which a result may still be under way
        dock = self._add(OpenPanel(name, number, values or {}))
        dock.show()
        dock.raise_()
        return dock

    def show_as(self, panel: Panel, values: dict[str, Any], compute: tuple[str, Precision, int]) -> PanelDock:
        """Shows a panel with these fields: the active one if it is of that kind, else any, else a new one."""
        active = self.active()
        same = [dock for dock in self.docks if dock.name == panel.name]
        dock = active if active in same else same[0] if same else self.open_panel(panel.name, values)
        assert dock is not None
        dock.set_up(values, compute)
        dock.show()
        dock.raise_()
        return dock

    def hold(self, dock: PanelDock) -> None:
        """Stops computing a panel, and forgets what it remembers, until :meth:`release`."""
        self._held.add(dock.id)
        self.engine.drop_task(dock.id, forget=True)

    def release(self, dock: PanelDock) -> None:
        self._held.discard(dock.id)
        self._hand_over(dock)

    @property
    def is_loaded(self) -> bool:
        return self._loaded

    @property
    def devices(self) -> tuple[Device, ...]:
        return self._devices

    @property
    def damaged(self) -> tuple[str, ...]:
        """Sentences about records that could not be read."""
        return self._damaged

    def panel(self, name: str) -> Panel | None:
        """A panel that can be opened; None before they are loaded, and where there is none of that name."""
        return self._registry.panels.get(name) if self._loaded and self._registry else None

    def active(self) -> PanelDock | None:
        """The panel that has the keyboard, or had it last."""
        focus = QApplication.focusWidget()
        for dock in self.docks:
            if focus is not None and dock.isAncestorOf(focus):
                self._active = dock
        if self._active not in self.docks:
            self._active = self.docks[0] if self.docks else None
        return self._active

    def _add(self, opened: OpenPanel) -> PanelDock:
        dock = PanelDock(opened, self._theme)
        dock.task_changed.connect(lambda: self._hand_over(dock))
        dock.shown_changed.connect(lambda: self._hand_over(dock))
        dock.closed.connect(lambda: self._closed(dock))
        dock.drawn.connect(lambda: self.drawn.emit(dock))
        dock.linked.connect(self.open_panel)
        dock.canvas.wished.connect(lambda pane, wish: self.wished.emit(dock.canvas, pane, wish))
        self._window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
        if len(self.docks) == 1:
            self._window.splitDockWidget(self.docks[0], dock, Qt.Orientation.Horizontal)
            self._window.resizeDocks([self.docks[0], dock], [1, 1], Qt.Orientation.Horizontal)
        elif self.docks:
            self._window.tabifyDockWidget(self.docks[-1], dock)
        self.docks.append(dock)
        self._number = max(self._number, opened.id)
        self._active = dock
        self.emptied.emit(False)
        self._bare = True
        self._show_bare()
        if self._loaded:
            self._give_panel(dock)
        return dock

    def _closed(self, dock: PanelDock) -> None:
        if self._closing:
            return
        self.docks.remove(dock)
        if self._active is dock:
            self._active = None
        self.closed.emit(dock)
        # What it showed goes now, not when the garbage collector finds the widgets.
        dock.result = None
        dock.canvas.clear()
        self.engine.drop_task(dock.id, forget=True)
        self._window.removeDockWidget(dock)
        dock.deleteLater()
        self.emptied.emit(not self.docks)

    def _give_panel(self, dock: PanelDock) -> None:
        assert self._registry is not None
        panel = self._registry.panels.get(dock.name)
        if panel is None:
            why = self._registry.failures.get(dock.name, "")
            dock.fail(f"{tr('There is no panel named {name}.', name=dock.name)} {why}".strip())
        else:
            dock.set_panel(panel)

    # -- actions

    def duplicate_panel(self) -> None:
        if dock := self.active():
            self.open_panel(dock.name, dock.opened().fields)

    def next_panel(self) -> None:
        if dock := self.active():
            following = self.docks[(self.docks.index(dock) + 1) % len(self.docks)]
            following.raise_()
            following.side.setFocus()
            self._active = following

    def close_panel(self) -> None:
        if dock := self.active():
            dock.close()

    def fit(self) -> None:
        for dock in self.docks:
            dock.canvas.fit()

    def toggle_side(self) -> None:
        if dock := self.active():
            dock.show_side(dock.side.isHidden())

    # -- the engine

    def refresh(self) -> None:
        """Hands every panel's task over anew: the device changed, or which panels can be seen."""
        for dock in self.docks:
            self._hand_over(dock)

    def _compute_changed(self) -> None:
        for dock in self.docks:
            dock.compute = None
        self.refresh()

    def close(self) -> bool:
        """Stops computing; False if the computation under way did not end in time."""
        self._closing = True
        return self.engine.close()

    def _hand_over(self, dock: PanelDock) -> None:
        """Gives the engine a panel's newest task, or takes it away while the panel cannot be seen."""
        if self._closing:
            return
        task = (
            dock.task(*(dock.compute or self._chooser.chosen()))
            if dock.is_seen() and dock.id not in self._held
            else None
        )
        if task is not None:
            self.engine.set_task(task)
        else:
            self.engine.drop_task(dock.id)

    def submit(self, frame: Frame) -> None:
        """The newest frame, from the player's thread: to the engine, and from there as it is to panels that have no result yet."""
        self.engine.submit(frame)
        if self._bare and not self._bare_waits:
            self._bare_waits = True
            self.ready.emit()

    def _show_bare(self) -> None:
        self._bare_waits = False
        frame = self.engine.frame
        if frame is not None and self._bare:
            for dock in self.docks:
                dock.preview(frame)

    def _take(self) -> None:
        if self._closing:
            return
        self._show_bare()
        if self.engine.panels is None:
            return
        if not self._loaded:
            self._loaded = True
            self._chooser.set_devices(self._devices)
            self.retranslate()
            for dock in self.docks:
                self._give_panel(dock)
            self.loaded.emit()
        by_id = {dock.id: dock for dock in self.docks}
        for task_id, result in self.engine.take().items():
            if task_id in by_id:
                by_id[task_id].show_result(result)
        self._bare = any(dock.result is None for dock in self.docks)

    def show_figures(self, state: PlayerState, moving_fps: float) -> None:
        """What is measured: progress and stages of each panel."""
        now, progress = time.perf_counter(), self.engine.progress
        for dock in self.docks:
            if progress is not None and progress.task == dock.id:
                dock.show_progress(progress.fraction, progress.text)
            else:
                dock.show_progress(None)
            if dock.is_seen():
                dock.waterfall.set_summary(dock.timing.summary(now, moving_fps, source_words(state.kind)))

    # -- words and looks

    def retranslate(self) -> None:
        self.panel_menu.setTitle(tr("Open a panel"))
        self.panel_menu.clear()
        if self._loaded and self._registry is not None:
            ordered = sorted(self._registry.panels.values(), key=lambda panel: (panel.chapter, panel.title))
            for i, panel in enumerate(ordered):
                action = self.panel_menu.addAction(tr(panel.title))
                action.setToolTip(tr(panel.chapter))
                action.triggered.connect(lambda _=False, name=panel.name: self.open_panel(name))
                if i < SHORTCUTS:
                    action.setShortcut(QKeySequence(f"Ctrl+{i + 1}"))
            for name, why in self._registry.failures.items():
                self.panel_menu.addAction(f"{name}: {why}").setEnabled(False)
        else:
            self.panel_menu.addAction(tr("The panels are being loaded")).setEnabled(False)
        for dock in self.docks:
            dock.retranslate()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        for dock in self.docks:
            dock.set_theme(theme)

    def failures(self) -> dict[str, str]:
        """Panels that could not be loaded, and why."""
        return dict(self._registry.failures) if self._registry else {}
