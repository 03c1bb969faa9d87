"""The open panels: their docks in the window, their tasks in the engine, their results back."""

import time
from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QApplication, QMainWindow, QMenu

from explorer.engine.devices import Device, find_devices
from explorer.engine.thread import Engine
from explorer.engine.timing import source_words
from explorer.i18n import tr
from explorer.panel import Frame, Panel, Precision
from explorer.registry import find_panels
from explorer.settings.session import OpenPanel
from explorer.sources.state import PlayerState
from explorer.widgets.chooser import ComputeChooser
from explorer.widgets.theme import Theme
from explorer.window.dock import PanelDock

NUMBERED = 9
"""How many open panels Ctrl+1, Ctrl+2 ... go to."""


class Desk(QObject):
    """Opens and closes panels, and stands between them and the engine.

    Signals:
        ready(): from the engine's thread: there is something to take.
        emptied(bool): no panel is open, or again one is.
        drawn(PanelDock): one of them shows something new, and has painted it.
        closed(PanelDock): the user closed one.
        wished(Canvas, str, Wish): to be copied or saved: the pane of that key.
        loaded(): panels can be computed.
        listed(): the menu of panels is another.
    """

    ready = Signal()
    emptied = Signal(bool)
    drawn = Signal(object)
    closed = Signal(object)
    loaded = Signal()
    wished = Signal(object, str, str)
    listed = Signal()

    def __init__(self, window: QMainWindow, chooser: ComputeChooser, theme: Theme) -> None:
        super().__init__(window)
        self.engine = Engine(self._load, self.ready.emit)
        self.docks: list[PanelDock] = []
        self.panel_menu = QMenu(window)
        self._chapter_menus: dict[str, QMenu] = {}
        self._window = window
        self.numbered = tuple(self._numbered_action(number) for number in range(NUMBERED))
        self._chooser = chooser
        self._theme = theme
        self._active: PanelDock | None = None
        self.registry = find_panels()
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
        """In the engine's thread: everything that imports torch, or takes long."""
        from explorer.own_networks.damaged import check_records  # imports torch

        self._damaged = check_records()
        self._devices = find_devices()
        return self.registry.panels

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

    def bring(self, name: str, values: Mapping[str, Any] | None = None) -> PanelDock:
        """Goes to a panel: the active one if it is of that name, else any, else a new one; with these fields set."""
        active = self.active()
        same = [dock for dock in self.docks if dock.name == name]
        if not same:
            return self.open_panel(name, dict(values or {}))
        dock = active if active in same and active is not None else same[0]
        self.go_to(dock)
        if values:
            dock.when_there(lambda: dock.set_fields(values))
        return dock

    def show_as(self, panel: Panel, values: dict[str, Any], computes_on: tuple[str, Precision, int]) -> PanelDock:
        """Shows a panel with these fields: the active one if it is of that kind, else any, else a new one."""
        active = self.active()
        same = [dock for dock in self.docks if dock.name == panel.name]
        dock = active if active in same else same[0] if same else self.open_panel(panel.name, values)
        assert dock is not None
        dock.set_up(values, computes_on)
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
        """A panel that can be opened, imported by now; None where there is none of that name. Not for the window's thread."""
        return self.registry.panels.get(name)

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
        entry = self.registry.entries.get(opened.name)
        dock = PanelDock(opened, self._theme, entry.title if entry is not None else "")
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
        self._give_panel(dock)
        self._number_docks()
        return dock

    def _closed(self, dock: PanelDock) -> None:
        if self._closing:
            return
        self.docks.remove(dock)
        if self._active is dock:
            self._active = None
        self.closed.emit(dock)
        dock.let_go()
        self.engine.drop_task(dock.id, forget=True)
        self._window.removeDockWidget(dock)
        dock.deleteLater()
        self._number_docks()
        self.emptied.emit(not self.docks)

    def _give_panel(self, dock: PanelDock) -> None:
        """Its panel once it is imported, or why there is none; one that is seen is asked for."""
        panel = self.registry.loaded(dock.name) if self._loaded else None
        if panel is not None:
            dock.set_panel(panel)
        elif self._loaded and (dock.name in self.registry.failures or dock.name not in self.registry.entries):
            why = self.registry.failures.get(dock.name, "")
            dock.fail(f"{tr('There is no panel named {name}.', name=dock.name)} {why}".strip())
        elif dock.is_seen():
            self.engine.want(dock.name)

    # -- actions

    def duplicate_panel(self) -> None:
        if dock := self.active():
            self.open_panel(dock.name, dock.opened().fields)

    def next_panel(self) -> None:
        if dock := self.active():
            self.go_to(self.docks[(self.docks.index(dock) + 1) % len(self.docks)])

    def go_to(self, dock: PanelDock) -> None:
        """Brings an open panel to the front and gives it the keyboard."""
        dock.show()
        dock.raise_()
        dock.side.setFocus()
        self._active = dock

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
            dock.computes_on = None
        self.refresh()

    def close(self) -> bool:
        """Stops computing; False if the computation under way did not end in time."""
        self._closing = True
        return self.engine.close()

    def _hand_over(self, dock: PanelDock) -> None:
        """Gives the engine a panel's newest task, or takes it away while the panel cannot be seen."""
        if self._closing:
            return
        if dock.panel is None and not dock.error:
            self._give_panel(dock)
        task = (
            dock.task(*(dock.computes_on or self._chooser.chosen()))
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
            self._fill_menu()  # with the panels of installed packages
            self.loaded.emit()
        for dock in self.docks:
            if dock.panel is None and not dock.error:
                self._give_panel(dock)
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
        self._fill_menu()
        for dock in self.docks:
            dock.retranslate()
        self._number_docks()

    def _numbered_action(self, number: int) -> QAction:
        """Goes to the open panel of this number: opening another one, or a version with more of them, moves none."""
        action = QAction(self._window)
        action.setObjectName(f"go_to_{number + 1}")
        action.setShortcut(QKeySequence(f"Ctrl+{number + 1}"))
        action.setVisible(False)
        action.triggered.connect(lambda: self.go_to(self.docks[number]))
        self._window.addAction(action)
        return action

    def _number_docks(self) -> None:
        for i, action in enumerate(self.numbered):
            action.setVisible(i < len(self.docks))
            if i < len(self.docks):
                action.setText(self.docks[i].windowTitle())

    def _fill_menu(self) -> None:
        """Chapter by chapter, in the order of the course."""
        for menu in self._chapter_menus.values():
            menu.clear()
        for entry in self.registry.entries.values():
            if entry.chapter not in self._chapter_menus:
                menu = self._chapter_menus[entry.chapter] = QMenu(self.panel_menu)
                menu.setToolTipsVisible(True)
            action = self._chapter_menus[entry.chapter].addAction(tr(entry.title))
            action.setObjectName(f"open_{entry.name}")
            action.setToolTip(tr(entry.about) if entry.own else entry.about)
            action.triggered.connect(lambda _=False, name=entry.name: self.open_panel(name))
        for action in self.panel_menu.actions():
            self.panel_menu.removeAction(action)
        for chapter in dict.fromkeys(entry.chapter for entry in self.registry.entries.values()):
            self._chapter_menus[chapter].setTitle(tr(chapter) if chapter else tr("Other panels"))
            self.panel_menu.addMenu(self._chapter_menus[chapter])
        for name, why in self.registry.failures.items():
            self.panel_menu.addAction(f"{name}: {why}").setEnabled(False)
        self.listed.emit()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        for dock in self.docks:
            dock.set_theme(theme)

    def failures(self) -> dict[str, str]:
        """Panels that could not be loaded, and why."""
        return dict(self.registry.failures)
