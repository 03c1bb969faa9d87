"""The main window: it puts the parts together, dresses and translates them, and remembers how they stood."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QByteArray, QEvent, QLibraryInfo, Qt, QTimer, QTranslator, Signal
from PySide6.QtGui import QAction, QActionGroup, QCloseEvent, QDragEnterEvent, QDropEvent, QGuiApplication, QKeySequence
from PySide6.QtWidgets import (
    QApplication,
    QLabel,
    QMainWindow,
    QMenu,
    QSizePolicy,
    QToolBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from explorer.bundle import is_bundle, open_source
from explorer.bundle.reopening import BundleOpener
from explorer.i18n import LANGUAGES, language, set_language, tr
from explorer.own_networks.opener import ModelOpener, is_model
from explorer.recording.control import RecordControl
from explorer.saving.window import Saver
from explorer.settings.diagnostics import describe
from explorer.settings.session import Settings, save_settings
from explorer.sources.player import Player
from explorer.views import networks
from explorer.widgets.actions import ACTIONS, GO_TO_PANEL
from explorer.widgets.chooser import ComputeChooser
from explorer.widgets.dialogs import shortcuts_dialog
from explorer.widgets.icons import icon
from explorer.widgets.jobs import Jobs
from explorer.widgets.theme import THEMES, apply_theme, set_role
from explorer.widgets.transport import Transport
from explorer.window.desk import Desk
from explorer.window.guide import Guide
from explorer.window.panel_keys import key_actions
from explorer.window.source_menu import SourceOpener, from_mime, is_welcome, samples

if TYPE_CHECKING:
    from explorer.weights.dialog import Weights

log = logging.getLogger(__name__)
TICK_MS = 100
SAY_MS = 6000


class MainWindow(QMainWindow):
    """The program's one window.

    Args:
        settings: how it stood last time.
        source: what to open instead of the last source.
        message: a sentence to start with, such as that the settings could not be read.

    Signals:
        moved(): from the player's thread: its state changed.
    """

    moved = Signal()

    def __init__(self, settings: Settings, source: str = "", message: str = "") -> None:
        super().__init__()
        self.setObjectName("explorer")
        self.settings = settings
        self.theme = THEMES[settings.theme]
        self._apply_theme()  # before any widget: those made later take its font
        self._message = message
        self._message_of = ""  # the source the message is about
        self._message_is_error = False
        self._moved_waits = False
        self._closing = False
        self.weights: Weights | None = None
        self._qt_words = QTranslator(self)
        self.actions_by_name = self._make_actions()

        self.chooser = ComputeChooser(settings)
        self.desk = Desk(self, self.chooser, self.theme)
        self.player = Player(self.desk.submit, self._player_moved, opener=open_source)
        self.opener = SourceOpener(self, self.player, self.say, settings.recent, settings.folder)
        self.opener.set_camera_actions(self.actions_by_name["mirror"], self.actions_by_name["rotate"])
        self.jobs = Jobs(self)
        self.models = ModelOpener(self, self.desk, lambda: self.player.state.frame, lambda: self.theme, self.say)
        self.saver = Saver(self, self.desk, self.player, self.jobs, self.say, settings.folder)
        self.desk.wished.connect(self.saver.fulfil)
        self.bundles = BundleOpener(self, self.desk, self.player, self.jobs, self.announce)
        self.opener.open_bundle = self.bundles.open
        self.transport = Transport(self.player, self.actions_by_name)
        self.recorder = RecordControl(
            self, self.desk, self.say, self.actions_by_name["record"], settings.records, settings.recordings
        )
        self.recorder.wants_open.connect(self.opener.open)
        self.guide = Guide(self, self.desk, self.actions_by_name, lambda: self.theme, self.say)
        self._doers = (
            self,
            self.guide,
            self.opener,
            self.transport,
            self.desk,
            self.saver,
            self.chooser,
            self.recorder,
            self.models,
        )

        self._make_body()
        self._make_toolbar()
        self._make_menus()
        self.moved.connect(self._show_player)
        self.desk.emptied.connect(self.guide.page.setVisible)
        self.desk.loaded.connect(self._tell_damaged)
        self.setAcceptDrops(True)
        self.setDockNestingEnabled(True)
        self.setMinimumSize(800, 500)
        self.desk.restore(settings.panels)
        self.guide.page.setVisible(not settings.panels)
        self._restore_layout()
        self.set_language(settings.language or language())
        self._dress()
        self._tick = QTimer(self)
        self._tick.timeout.connect(self._show_figures)
        self._tick.start(TICK_MS)
        if source:
            self.opener.open(source)
        if not source or is_bundle(source):
            # Of a bundle that was open only the frame: its panel is among those restored, with what was changed since.
            self.player.open(settings.source or str(samples()[0].path))

        log.info("the window is made")

    def start(self) -> None:
        """Starts computing, once the window is on the screen."""
        self.desk.engine.start()

    # -- building

    def _make_actions(self) -> dict[str, QAction]:
        made = {}
        for spec in ACTIONS:
            action = made[spec.name] = QAction(self)
            action.setObjectName(spec.name)
            action.setCheckable(spec.checkable)
            action.setShortcut(QKeySequence(spec.shortcut))
            action.triggered.connect(self._doing(spec.name))
            self.addAction(action)
        return made

    def _doing(self, name: str) -> Callable[[], None]:
        return lambda: next(getattr(doer, name) for doer in self._doers if hasattr(doer, name))()

    def _make_body(self) -> None:
        self.setCentralWidget(self.guide.page)
        self._banner = QLabel()
        self._banner.setObjectName("banner")
        self._banner.setWordWrap(True)
        self._banner.hide()
        bottom = QWidget()
        layout = QVBoxLayout(bottom)
        layout.setContentsMargins(6, 2, 6, 0)
        layout.setSpacing(2)
        layout.addWidget(self._banner)
        layout.addWidget(self.transport)
        bar = QToolBar()
        bar.setObjectName("bar_transport")
        bar.setMovable(False)
        bar.toggleViewAction().setEnabled(False)
        bar.addWidget(bottom)
        self.addToolBar(Qt.ToolBarArea.BottomToolBarArea, bar)
        self._source_label, self._memory_label = QLabel(), QLabel()
        self._source_label.setObjectName("source_label")
        self.statusBar().addPermanentWidget(self._source_label)
        self.statusBar().addPermanentWidget(self._memory_label)

    def _make_toolbar(self) -> None:
        bar = self.addToolBar("")
        bar.setObjectName("bar_main")
        bar.setMovable(False)
        bar.toggleViewAction().setEnabled(False)
        self._menu_buttons: dict[str, QToolButton] = {}

        def menu_button(name: str, menu: QMenu) -> None:
            button = self._menu_buttons[name] = QToolButton()
            button.setObjectName(f"button_{name}")
            button.setMenu(menu)
            button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
            bar.addWidget(button)

        bar.addAction(self.actions_by_name["open_file"])
        bar.addAction(self.actions_by_name["open_folder"])
        menu_button("samples", self.opener.sample_menu)
        menu_button("camera", self.opener.camera_menu)
        bar.addAction(self.actions_by_name["open_stream"])
        bar.addAction(self.actions_by_name["open_moving"])
        bar.addSeparator()
        menu_button("panels", self.desk.panel_menu)
        bar.addAction(self.actions_by_name["find_anything"])
        bar.addAction(self.actions_by_name["open_model"])
        bar.addSeparator()
        bar.addAction(self.actions_by_name["save_frame"])
        bar.addAction(self.actions_by_name["copy"])
        bar.addWidget(self.recorder.button)
        spacer = QWidget()
        spacer.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        bar.addWidget(spacer)
        bar.addWidget(self.chooser)
        bar.addSeparator()
        for name in ("next_theme", "next_language", "show_shortcuts"):
            bar.addAction(self.actions_by_name[name])

    def _make_menus(self) -> None:
        self._menus: dict[str, QMenu] = {}
        for spec in ACTIONS:
            if spec.group not in self._menus:
                self._menus[spec.group] = self.menuBar().addMenu("")
            self._menus[spec.group].addAction(self.actions_by_name[spec.name])
        self._menus["Saving"].addMenu(self.recorder.menu)
        for menu in (self.opener.sample_menu, self.opener.camera_menu, self.opener.recent_menu):
            self._menus["Source"].addMenu(menu)
        self._first_of_panels = self._menus["Panels"].insertSeparator(self._menus["Panels"].actions()[0])
        self.desk.listed.connect(self._list_panels)
        self._menus["Panels"].addSeparator()
        self._menus["Panels"].addActions(self.desk.numbered)
        self._theme_menu = self._choice_menu(list(THEMES), self.set_theme, lambda: self.theme.name)
        self._language_menu = self._choice_menu(list(LANGUAGES), self.set_language, language)

    def _list_panels(self) -> None:
        """The chapters stand in the menu itself, as in that of the toolbar."""
        for action in self.desk.panel_menu.actions():
            self._menus["Panels"].insertAction(self._first_of_panels, action)

    def _choice_menu(self, names: list[str], choose: Callable[[str], None], chosen: Callable[[], str]) -> QMenu:
        menu = self._menus["Window"].addMenu("")
        group = QActionGroup(menu)
        for name in names:
            action = menu.addAction(LANGUAGES.get(name, name))
            action.setObjectName(f"choose_{name}")
            action.setCheckable(True)
            action.setData(name)
            action.triggered.connect(lambda _=False, name=name: choose(name))
            group.addAction(action)

        def show_chosen() -> None:
            for action in group.actions():
                action.setChecked(action.data() == chosen())

        menu.aboutToShow.connect(show_chosen)
        return menu

    # -- words and looks

    def set_language(self, name: str) -> None:
        """Shows every word in this language from now on."""
        set_language(name)
        app = QApplication.instance()
        assert app is not None
        app.removeTranslator(self._qt_words)
        folder = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
        if self._qt_words.load(f"qtbase_{name}", folder):
            app.installTranslator(self._qt_words)
        self._retranslate()

    def _retranslate(self) -> None:
        self.setWindowTitle("CV Explorer")
        for spec in ACTIONS:
            action = self.actions_by_name[spec.name]
            keys = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
            action.setText(tr(spec.text))
            action.setToolTip(f"{tr(spec.text).rstrip('…')} ({keys})")
        for group, menu in self._menus.items():
            menu.setTitle(tr(group))
        self._theme_menu.setTitle(tr("Look"))
        for action in self._theme_menu.actions():
            action.setText(tr(action.data().capitalize()))
        self._language_menu.setTitle("Language · 语言")
        self._menu_buttons["samples"].setText(tr("Photographs"))
        self._menu_buttons["camera"].setText(tr("Camera"))
        self._menu_buttons["panels"].setText(tr("Panels"))
        for part in (self.opener, self.desk, self.guide, self.chooser, self.transport, self.recorder):
            part.retranslate()
        self._show_player()

    def set_theme(self, name: str) -> None:
        """Dresses the whole program in ``light``, ``dark`` or ``projector``."""
        self.theme = THEMES[name]
        self._apply_theme()
        self._dress()

    def _apply_theme(self) -> None:
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        apply_theme(app, self.theme)

    def _dress(self) -> None:
        """What the style sheet does not reach: icons, and what the panels draw."""
        for spec in ACTIONS:
            if spec.icon:
                self.actions_by_name[spec.name].setIcon(icon(spec.icon, self.theme.text))
        style = Qt.ToolButtonStyle
        large = self.theme.name == "projector"
        for drawing, button in self._menu_buttons.items():
            button.setIcon(icon(drawing, self.theme.text))
            button.setToolButtonStyle(style.ToolButtonIconOnly if large else style.ToolButtonTextBesideIcon)
        self.transport.set_theme(self.theme)
        self.desk.set_theme(self.theme)
        self.guide.set_theme(self.theme)
        self.recorder.set_theme(self.theme)

    def next_theme(self) -> None:
        names = list(THEMES)
        self.set_theme(names[(names.index(self.theme.name) + 1) % len(names)])

    def next_language(self) -> None:
        names = list(LANGUAGES)
        self.set_language(names[(names.index(language()) + 1) % len(names)])

    # -- the player's state

    def _player_moved(self) -> None:
        """In the player's thread: at most one signal waits."""
        if not self._moved_waits:
            self._moved_waits = True
            self.moved.emit()

    def _show_player(self) -> None:
        self._moved_waits = False
        state = self.player.state
        self.transport.show_state(state)
        if self._message_of and state.spec != self._message_of and not state.opening:
            self._message = self._message_of = ""
        sentence = f"{state.message} {self._message}".strip()
        self.actions_by_name["mirror"].setChecked(state.mirror)
        if sentence != self._banner.text():
            set_role(self._banner, "error" if state.error or self._message_is_error else "note")
            self._banner.setText(sentence)
            self._banner.setVisible(bool(sentence))

    def _show_figures(self) -> None:
        """Ten times a second: what is measured."""
        state = self.player.state
        moving = state.fps or 0.0
        self.desk.show_figures(state, moving)
        facts = [state.title]
        if state.size:
            facts.append(f"{state.size[0]}×{state.size[1]}")
        if moving:
            facts.append(tr("{fps:.1f} fps", fps=moving))
        self._source_label.setText("  ·  ".join(facts))
        self._memory_label.setText(self.chooser.memory())

    def announce(self, sentence: str, source: str = "", error: bool = False) -> None:
        """Shows a sentence until another one, or until another source is open than the one it is about."""
        self._message, self._message_of, self._message_is_error = sentence, source, error
        self._show_player()

    def _tell_damaged(self) -> None:
        if self.desk.damaged:
            self.announce(" ".join((self._message, *self.desk.damaged)).strip())

    def say(self, sentence: str) -> None:
        """Shows a sentence for a while."""
        self.statusBar().showMessage(sentence, SAY_MS)

    # -- actions of the window itself

    def full_screen(self) -> None:
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def copy_diagnostics(self) -> None:
        text = describe(
            platform=QGuiApplication.platformName(),
            screen=self.screen().size().toTuple(),
            compute=self.chooser.chosen(),
            player=replace(self.player.state, frame=None),
            panels=[(dock.name, dock.params, dock.view, dock.error) for dock in self.desk.docks],
            panels_not_loaded=self.desk.failures(),
        )
        QGuiApplication.clipboard().setText(text)
        self.say(tr("Copied: versions, settings and the end of the log. Paste them into the bug report."))

    def show_shortcuts(self) -> None:
        dock = self.desk.active()
        own = () if dock is None or dock.params is None else key_actions(dock.params, dock.view)
        shortcuts_dialog(self, (*ACTIONS, GO_TO_PANEL, *own)).open()

    def show_weights(self) -> None:
        if self.weights is None:
            from explorer.weights.dialog import Weights  # not before the first picture: it brings the network's library

            self.weights = Weights(self, self.say, self._weights_changed)
        self.weights.open()

    def _weights_changed(self) -> None:
        networks.look_again()
        self.desk.engine.again()

    def quit(self) -> None:
        self.close()

    # -- what survives a restart

    def _restore_layout(self) -> None:
        if not self.settings.geometry or not self.restoreGeometry(_bytes(self.settings.geometry)):
            area = self.screen().availableGeometry()
            width, height = min(area.width(), 1840), min(area.height(), 1020)
            self.setGeometry(
                area.x() + (area.width() - width) // 2, area.y() + (area.height() - height) // 2, width, height
            )
        if self.settings.docks:
            self.restoreState(_bytes(self.settings.docks))

    def _remember(self) -> None:
        device, precision, threads = self.chooser.wishes()
        save_settings(
            Settings(
                language=language(),
                theme=self.theme.name,
                device=device,
                precision=precision,
                threads=threads,
                source=self.opener.remember(),
                recent=self.opener.recent,
                folder=self.saver.folder or self.opener.folder,
                geometry=_text(self.saveGeometry()),
                docks=_text(self.saveState()),
                panels=self.desk.opened(),
                records=self.recorder.target,
                recordings=self.recorder.folder,
            )
        )

    # -- Qt

    def event(self, event: QEvent) -> bool:
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and (dock := self.desk.active()) is not None
            and dock.take_key(event)
        ):
            return True
        return super().event(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        if not self._closing:
            self._closing = True
            self._tick.stop()
            self.recorder.stop()
            self._remember()
            self.hide()
            if self.weights is not None:
                self.weights.close()
            self.player.close()
            self.models.close()
            self.jobs.close()
            if not self.desk.close():
                log.warning("the computation under way did not stop in time")
        super().closeEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if not hasattr(self, "desk"):
            return
        if event.type() == QEvent.Type.WindowStateChange:
            self.desk.refresh()
        # Who copied weights into a folder, or downloaded them in a terminal, did so in another window.
        if event.type() == QEvent.Type.ActivationChange and self.isActiveWindow() and networks.look_again():
            self.desk.engine.again()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if is_welcome(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        spec: Any = from_mime(event.mimeData())
        if spec is not None:
            event.acceptProposedAction()
            self.models.open_model(spec) if is_model(spec) else self.opener.open(spec)


def _bytes(text: str) -> QByteArray:
    """Of a state as text; Qt refuses what is none."""
    return QByteArray.fromBase64(text.encode("ascii", "replace"))


def _text(state: QByteArray) -> str:
    return bytes(state.toBase64().data()).decode("ascii")
