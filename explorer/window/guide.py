"""Shows the way: the start page, and the line that finds anything and goes there."""

from collections.abc import Callable, Mapping

from PySide6.QtCore import QEvent, QObject, QRect
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMainWindow, QToolBar

from explorer.i18n import language, tr
from explorer.widgets.actions import ACTIONS
from explorer.widgets.theme import Theme
from explorer.window.desk import Desk
from explorer.window.finding import Thing, landmarks, things
from explorer.window.palette import Palette
from explorer.window.start_page import StartPage


class Guide(QObject):
    """The palette, the start page that fills the window while no panel is open, and the one that opens over panels.

    Args:
        window: what they lie in.
        desk: where panels are opened.
        actions: what the program does, by name.
        theme: how it looks now.
        say: shows a sentence for a while.
    """

    def __init__(
        self,
        window: QMainWindow,
        desk: Desk,
        actions: Mapping[str, QAction],
        theme: Callable[[], Theme],
        say: Callable[[str], None],
    ) -> None:
        super().__init__(window)
        self._window = window
        self._desk = desk
        self._actions = actions
        self._theme = theme
        self._say = say
        self._known: tuple[object, tuple[Thing, ...]] = (None, ())
        self.palette = Palette(window, self._things)
        self.palette.chosen.connect(self.go)
        self.page = self._make_page(over=False)
        self._over: StartPage | None = None
        desk.listed.connect(self._list)
        window.installEventFilter(self)

    # -- actions

    def find_anything(self) -> None:
        """Opens the palette, or closes it."""
        if self.palette.isVisible():
            self.palette.close_it()
            return
        for name in self._desk.registry.entries:  # what their controls are called is known once they are imported
            if self._desk.registry.loaded(name) is None:
                self._desk.engine.want(name)
        self.palette.open(self._theme())

    def show_start(self) -> None:
        """Opens the start page over the panels, or closes it."""
        if not self._desk.docks:
            self.page.take_focus()
        elif self._over is not None:
            self._leave()
        else:
            self._over = self._make_page(over=True)
            self._over.setGeometry(self._area())
            self._over.show()
            self._over.raise_()
            self._over.take_focus()

    def go(self, thing: Thing) -> None:
        """Goes to what was found: opens the panel, sets the view, gives the control the keyboard, scrolls the explanation."""
        if thing.kind == "action":
            self._actions[thing.action].trigger()
            return
        self._leave()
        values = {thing.field: thing.value} if thing.kind == "view" else {}
        dock = self._desk.bring(thing.panel, values)
        if thing.kind == "control":

            def show() -> None:
                if not dock.show_control(thing.field):
                    self._say(tr("“{control}” is not shown as the panel is set now.", control=thing.titles[0]))

            dock.when_there(show)
        elif thing.kind == "text":
            dock.when_there(lambda: dock.show_explanation(landmarks(thing.titles[0])))

    # -- words and looks

    def retranslate(self) -> None:
        self.palette.close_it()
        for page in self._pages():
            page.retranslate()

    def set_theme(self, theme: Theme) -> None:
        self.palette.close_it()
        for page in self._pages():
            page.set_theme(theme)

    # -- inside

    def _pages(self) -> tuple[StartPage, ...]:
        return (self.page,) if self._over is None else (self.page, self._over)

    def _make_page(self, *, over: bool) -> StartPage:
        page = StartPage(self._window, self._theme(), over=over)
        page.set_entries(self._desk.registry.entries)
        page.chosen.connect(self._open)
        page.searched.connect(self.find_anything)
        page.left.connect(self._leave)
        return page

    def _open(self, name: str) -> None:
        self._leave()
        self._desk.bring(name)

    def _leave(self) -> None:
        if self._over is not None:
            self._over.hide()
            self._over.deleteLater()
            self._over = None
            if (dock := self._desk.active()) is not None:
                dock.side.setFocus()

    def _list(self) -> None:
        for page in self._pages():
            page.set_entries(self._desk.registry.entries)

    def _things(self) -> tuple[Thing, ...]:
        registry = self._desk.registry
        state = language(), tuple((name, registry.loaded(name) is None) for name in registry.entries)
        if self._known[0] != state:
            self._known = state, things(registry, ACTIONS)
        return self._known[1]

    def _area(self) -> QRect:
        """Between the toolbar and the transport."""
        bars = self._window.findChildren(QToolBar)
        top = max((bar.geometry().bottom() + 1 for bar in bars if bar.objectName() == "bar_main"), default=0)
        bottom = min((bar.y() for bar in bars if bar.objectName() != "bar_main"), default=self._window.height())
        return QRect(0, top, self._window.width(), bottom - top)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.Resize, QEvent.Type.LayoutRequest) and watched is self._window:
            if self._over is not None:
                self._over.setGeometry(self._area())
            if self.palette.isVisible():
                self.palette.place()
        return super().eventFilter(watched, event)
