"""The user of a soak: does one random thing after another in the window, each in the way a hand would where that is possible.

What is never done: anything that needs the network or a camera, that opens one of the system's dialogs, or that deletes.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, get_args

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QDialog, QLineEdit, QWidget

from explorer.canvas.pane import PaneWidget
from explorer.saving.shown import ShownKind, held
from explorer.window.dock import PanelDock
from explorer.window.main import MainWindow
from explorer.window.start_page import StartPage
from tests.soak.values import every, random_value, shown

MOST_PANELS = 3
SIZES = ((800, 500), (1024, 640), (1280, 720), (1366, 768), (1600, 900), (1920, 1040))
TRIGGERED = (
    "freeze", "play", "step_back", "step_forward", "previous", "next", "loop", "slower", "faster", "next_panel", "fit",
    "toggle_side", "copy", "copy_diagnostics", "next_precision", "next_device", "full_screen",
)  # fmt: skip
"""Actions of the window that need nothing else."""

Act = Callable[[], str]


class User:
    """Acts on a window.

    Args:
        panels: the names of all panels.
        folder: where it may save.
        seed: what it does is chosen by this and the number of the action.
    """

    def __init__(self, window: MainWindow, panels: list[str], folder: Path, seed: int) -> None:
        self.window = window
        self.panels = panels
        self.folder = folder
        self.seed = seed
        self.chance = Random(seed)
        self._acts: list[tuple[Act, float]] = [
            (self.turn_a_knob, 40),
            (self.turn_several, 6),
            (self.hover, 14),
            (self.click, 14),
            (self.drag, 6),
            (self.wheel, 3),
            (self.trigger, 8),
            (self.open_panel, 4),
            (self.close_panel, 3),
            (self.resize, 2),
            (self.theme, 1),
            (self.language, 1),
            (self.tab, 1.5),
            (self.source, 1),
            (self.look_of_a_pane, 2),
            (self.save, 1),
            (self.record, 0.5),
            (self.dialog, 0.5),
            (self.find, 1),
            (self.start_page, 0.5),
        ]

    def act(self, number: int) -> str:
        """Does action ``number``; what it is depends on nothing but the seed, the number and what is on the screen."""
        self.chance = Random(f"{self.seed}:{number}")
        acts, weights = zip(*self._acts, strict=True)
        chosen: Act = self.chance.choices(acts, weights)[0]
        return chosen()

    def tour(self) -> Iterator[str]:
        """Opens every panel once and chooses every choice: what is kept from then on is there before growth is measured."""
        for once in ("show_shortcuts", "show_weights"):
            yield self.trigger(once)
            for dialog in self._dialogs():
                dialog.close()
        for target in ("window", "panel", "pictures"):
            self.window.recorder.target = target
            yield self.trigger("record")
            yield self.trigger("record")
        for _ in range(6):
            yield self.theme()
            yield self.language()
            yield self.save()
        for name in self.panels:
            dock = self.window.desk.open_panel(name)
            yield f"open {name}"
            while dock.panel is None and not dock.error:
                yield f"wait for {name}"
            if dock.panel is None:
                continue
            for field in (*shown(dock.params, dock.params), *shown(dock.view, dock.params)):
                for value in self._every(dock, field):
                    dock.set_fields({field: value})
                    yield f"{name}.{field} = {value!r}"
                    yield self.click(dock)
            dock.close()

    def rest(self) -> str:
        """Brings the window back to one state: one panel on the moving picture, at one size, in one language and look."""
        window = self.window
        for dialog in self._dialogs():
            dialog.close()
        window.guide.palette.close_it()
        for page in self._pages():
            page.left.emit()
        if window.recorder.recording:
            window.recorder.stop()
        for dock in list(window.desk.docks):
            dock.close()
        if window.isFullScreen():
            window.full_screen()
        window.resize(*SIZES[2])
        window.set_theme("dark")
        window.set_language("en")
        player = window.player
        player.freeze(False)
        player.set_speed(1.0)
        if player.state.kind != "moving":
            self.trigger("open_moving")
        player.play()
        QApplication.clipboard().clear()
        window.desk.open_panel("picture")
        return "rest"

    # -- knobs

    def turn_a_knob(self) -> str:
        if (dock := self._dock()) is None:
            return "-"
        params = shown(dock.params, dock.params)
        all_of_them = params | shown(dock.view, dock.params)
        if not all_of_them:
            return "-"
        field = self.chance.choice(list(all_of_them))
        values = {field: self._value(dock, field)}
        dock.set_fields(values)
        return f"{dock.name}.{values}"

    def turn_several(self) -> str:
        """As many knobs at once, in haste: most of it is computed never."""
        return " ".join(self.turn_a_knob() for _ in range(self.chance.randint(3, 12)))

    def _value(self, dock: PanelDock, field: str) -> Any:
        owner = dock.params if hasattr(dock.params, field) else dock.view
        knob = (shown(dock.params, dock.params) | shown(dock.view, dock.params))[field]
        return random_value(knob, getattr(owner, field), dock.result, self.chance)

    def _every(self, dock: PanelDock, field: str) -> tuple[Any, ...]:
        knob = (shown(dock.params, dock.params) | shown(dock.view, dock.params)).get(field)
        return () if knob is None else every(knob, dock.result)

    # -- the mouse

    def hover(self) -> str:
        if (found := self._place()) is None:
            return "-"
        target, place, name = found
        for _ in range(4):
            mouse(target, QEvent.Type.MouseMove, place)
            place = QPoint(place.x() + self.chance.randint(-20, 20), place.y() + self.chance.randint(-20, 20))
        if self.chance.random() < 0.3:
            QApplication.sendEvent(target, QEvent(QEvent.Type.Leave))
        return f"hover {name}"

    def click(self, dock: PanelDock | None = None) -> str:
        if (found := self._place(dock)) is None:
            return "-"
        target, place, name = found
        mouse(target, QEvent.Type.MouseMove, place)
        mouse(target, QEvent.Type.MouseButtonPress, place)
        mouse(target, QEvent.Type.MouseButtonRelease, place)
        if self.chance.random() < 0.1:
            mouse(target, QEvent.Type.MouseButtonDblClick, place)
            mouse(target, QEvent.Type.MouseButtonRelease, place)
        return f"click {name} at {place.x()}, {place.y()}"

    def drag(self) -> str:
        if (found := self._place()) is None:
            return "-"
        target, place, name = found
        mouse(target, QEvent.Type.MouseMove, place)
        mouse(target, QEvent.Type.MouseButtonPress, place)
        to = self._inside(target)
        for step in range(1, 6):
            at = QPoint(place.x() + (to.x() - place.x()) * step // 5, place.y() + (to.y() - place.y()) * step // 5)
            mouse(target, QEvent.Type.MouseMove, at, Qt.MouseButton.LeftButton)
        mouse(target, QEvent.Type.MouseButtonRelease, to)
        return f"drag {name}"

    def wheel(self) -> str:
        if (found := self._place()) is None:
            return "-"
        target, place, name = found
        up = self.chance.choice([-360, -120, 120, 360])
        at, none = QPointF(place), Qt.MouseButton.NoButton
        event = QWheelEvent(
            at, QPointF(target.mapToGlobal(place)), QPoint(), QPoint(0, up), none,
            Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(target, event)
        return f"wheel {name} {up}"

    def _place(self, dock: PanelDock | None = None) -> tuple[QWidget, QPoint, str] | None:
        """A place in a pane of a panel that is seen."""
        dock = dock or self._dock()
        panes: list[PaneWidget] = [] if dock is None else [pane for pane in dock.canvas.panes() if pane.isVisible()]
        if dock is None or not panes:
            return None
        pane = self.chance.choice(panes)
        body: Any = pane.body()
        target = body.viewport() if hasattr(body, "viewport") else body
        return target, self._inside(target), f"{dock.name}/{pane.pane.key}"

    def _inside(self, target: QWidget) -> QPoint:
        return QPoint(self.chance.randrange(max(1, target.width())), self.chance.randrange(max(1, target.height())))

    # -- the window

    def trigger(self, name: str = "") -> str:
        name = name or self.chance.choice(TRIGGERED)
        self.window.actions_by_name[name].trigger()
        return name

    def open_panel(self) -> str:
        if len(self.window.desk.docks) >= MOST_PANELS:
            return self.close_panel()
        if self.window.desk.docks and self.chance.random() < 0.2:
            return self.trigger("duplicate_panel")
        name = self.chance.choice(self.panels)
        self.window.desk.open_panel(name)
        return f"open {name}"

    def close_panel(self) -> str:
        if len(self.window.desk.docks) < 2 and self.chance.random() < 0.8:
            return "-"
        if (dock := self._dock()) is None:
            return "-"
        dock.close()
        return f"close {dock.name}"

    def resize(self) -> str:
        size = self.chance.choice(SIZES)
        self.window.resize(*size)
        return f"size {size}"

    def theme(self) -> str:
        return self.trigger("next_theme")

    def language(self) -> str:
        return self.trigger("next_language")

    def tab(self) -> str:
        """Controls or explanation."""
        if (dock := self._dock()) is None:
            return "-"
        dock.show_side(True)
        dock.side.setCurrentIndex(1 - dock.side.currentIndex())
        return f"tab of {dock.name}"

    def source(self) -> str:
        """A photograph for a while, or the moving picture over it."""
        return self.trigger("open_sample" if self.window.player.state.kind == "moving" else "open_moving")

    def look_of_a_pane(self) -> str:
        """Its menu, a locked range, another colour map."""
        if (dock := self._dock()) is None or not dock.canvas.panes():
            return "-"
        pane = self.chance.choice(dock.canvas.panes())
        pane.lock(self.chance.random() < 0.5)
        pane.recolour(self.chance.choice([None, "viridis", "magma", "grey"]))
        return f"look of {dock.name}/{pane.pane.key}"

    def save(self) -> str:
        if (dock := self._dock()) is None or dock.result is None:
            return "-"
        kind = self.chance.choice(get_args(ShownKind))
        held(dock.canvas, kind)(self.folder / f"figure.{kind}")
        return f"save {dock.name} as {kind}"

    def record(self) -> str:
        recorder = self.window.recorder
        if not recorder.recording:
            for old in self.folder.glob("cv-explorer-*"):
                old.unlink()
            recorder.target = self.chance.choice(["panel", "pictures", "window"])
        self.trigger("record")
        return f"record {recorder.target}: {recorder.recording}"

    def dialog(self) -> str:
        """Opens one of the program's own dialogs, or closes it."""
        if open_now := self._dialogs():
            for one in open_now:
                one.close()
            return "close the dialog"
        return self.trigger(self.chance.choice(["show_shortcuts", "show_weights"]))

    def find(self) -> str:
        """Types something and goes to one of the things that are found, as long as it does not open a dialog or end the program."""
        palette = self.window.guide.palette
        if not palette.isVisible():
            self.trigger("find_anything")
        typed = "".join(self.chance.choices("aeinorst", k=self.chance.randrange(1, 4)))
        palette.findChild(QLineEdit, "palette_line").setText(typed)
        places = [one.thing for one in palette.results if one.thing.kind != "action"]
        if not places or len(self.window.desk.docks) >= MOST_PANELS or self.chance.random() < 0.3:
            palette.close_it()
            return f"find {typed} in vain"
        thing = self.chance.choice(places)
        palette.close_it()
        palette.chosen.emit(thing)
        return f"find {typed}: {thing.kind} {thing.panel}.{thing.field}"

    def start_page(self) -> str:
        """Opens the start page over the panels, or leaves it."""
        return self.trigger("show_start")

    def _pages(self) -> list[StartPage]:
        pages = self.window.findChildren(StartPage)
        return [page for page in pages if page is not self.window.centralWidget() and page.isVisible()]

    def _dialogs(self) -> list[QDialog]:
        return [one for one in self.window.findChildren(QDialog) if one.isVisible()]

    def _dock(self) -> PanelDock | None:
        """A panel that is seen and can be worked with."""
        seen = [dock for dock in self.window.desk.docks if dock.panel is not None and dock.is_seen()]
        return self.chance.choice(seen) if seen else None


def mouse(target: QWidget, kind: QEvent.Type, place: QPoint, held: Qt.MouseButton = Qt.MouseButton.NoButton) -> None:
    """What the mouse would send, but at once and whatever the real one does."""
    move = kind == QEvent.Type.MouseMove
    button = Qt.MouseButton.NoButton if move else Qt.MouseButton.LeftButton
    buttons = held if move or kind == QEvent.Type.MouseButtonRelease else Qt.MouseButton.LeftButton
    at = QPointF(place)
    event = QMouseEvent(kind, at, QPointF(target.mapToGlobal(place)), button, buttons, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(target, event)
