"""The record button: what is recorded, where it goes, how long and how large it is."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from PySide6.QtCore import QObject, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QActionGroup, QColor, QIcon, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QFileDialog, QMenu, QToolButton, QWidget

from explorer.i18n import tr, tr_n
from explorer.recording import default_folder, free_name
from explorer.recording.grab import Grabbed, grab
from explorer.recording.recorder import PanelState, Recorder, Shot
from explorer.settings.session import TARGETS, Target
from explorer.widgets.theme import Theme
from explorer.window.desk import Desk
from explorer.window.dock import PanelDock

MOST_FPS = 30
IDLE_MS = 250
"""What is seen changes under the pointer too: so often it is recorded where no result comes."""
SHOW_MS = 250
DOT = "#e0342c"


class RecordControl(QObject):
    """Starts and stops recordings, and takes the pictures for them.

    Args:
        window: what is recorded as the whole window.
        say: shows a sentence for a while.
        action: the action ``record``, checked while it records.
        target: what was recorded last time.
        folder: the chosen folder for recordings, or empty.

    Signals:
        wants_open(path): the user wants to see the recording.
    """

    wants_open = Signal(str)

    def __init__(
        self,
        window: QWidget,
        desk: Desk,
        say: Callable[[str], None],
        action: QAction,
        target: Target = "panel",
        folder: str = "",
    ) -> None:
        super().__init__(window)
        self._window = window
        self._desk = desk
        self._say = say
        self._action = action
        self.target: Target = target
        self.folder = folder
        self.last: Path | None = None
        self._recorder: Recorder | None = None
        self._dock: PanelDock | None = None
        self._taken = 0.0
        self._theme: Theme | None = None

        self.menu = QMenu(window)
        self._group = QActionGroup(self)
        for name in TARGETS:
            choice = self.menu.addAction(name)
            choice.setObjectName(f"record_{name}")
            choice.setCheckable(True)
            choice.setData(name)
            choice.triggered.connect(lambda _=False, name=name: self._choose(name))
            self._group.addAction(choice)
        self.menu.addSeparator()
        self._folder_action = self.menu.addAction("")
        self._folder_action.setObjectName("record_folder")
        self._folder_action.triggered.connect(self.choose_folder)
        self._open_action = self.menu.addAction("")
        self._open_action.setObjectName("record_open")
        self._open_action.triggered.connect(self._open_last)
        self.menu.aboutToShow.connect(self._show_choices)
        self.button = QToolButton()
        self.button.setObjectName("button_record")
        self.button.setDefaultAction(action)
        self.button.setMenu(self.menu)
        self.button.setPopupMode(QToolButton.ToolButtonPopupMode.MenuButtonPopup)

        desk.drawn.connect(self._drawn)
        desk.closed.connect(self._closed)
        self._idle = QTimer(self)
        self._idle.timeout.connect(self._look)
        self._show = QTimer(self)
        self._show.timeout.connect(self._show_progress)

    @property
    def recording(self) -> bool:
        return self._recorder is not None

    def record(self) -> None:
        """Begins to record what is chosen, or stops."""
        if self._recorder is not None:
            self.stop()
        else:
            self.start()
        self._action.setChecked(self.recording)

    def start(self) -> None:
        self._dock = self._desk.active()
        if self._dock is None and self.target != "window":
            self._say(tr("No panel is open that could be recorded."))
            return
        folder = Path(self.folder) if self.folder else default_folder()
        self.last = free_name(folder, datetime.now())
        about: dict[str, object] = {"records": self.target}
        if self._dock is not None and self.target != "window":
            about["panel"] = self._dock.name
        with suppress(PackageNotFoundError):
            about["cv-explorer"] = version("cv-explorer")
        self._recorder = Recorder(self.last, about)
        self._recorder.start()
        self._taken = 0.0
        self._idle.start(IDLE_MS)
        self._show.start(SHOW_MS)
        self._look()
        self._show_progress()

    def stop(self, why: str = "") -> None:
        """Ends the recording, and says where it is; at a window's close too."""
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        self._idle.stop()
        self._show.stop()
        done = recorder.stop()
        self._dock = None
        self._action.setChecked(False)
        self._dress()
        if not done.frames:
            self.last = None
            self._say(done.error or tr("Nothing was recorded."))
            return
        said = tr(
            "{path}: {seconds}, {size}, {dropped} of {all} pictures dropped.",
            path=recorder.path, seconds=clock(done.seconds), size=in_bytes(done.bytes),
            dropped=done.dropped, all=done.frames + done.dropped,
        )  # fmt: skip
        self._say(" ".join(part for part in (done.error, why, said) if part))

    def choose_folder(self) -> None:
        start = self.folder or str(default_folder())
        if chosen := QFileDialog.getExistingDirectory(self._window, tr("Folder for recordings"), start):
            self.folder = chosen

    # -- words and looks

    def retranslate(self) -> None:
        self.menu.setTitle(tr("Recording"))
        words = {
            "panel": tr("Record the panel"),
            "pictures": tr("Record the panel's pictures only"),
            "window": tr("Record the whole window"),
        }
        for action in self._group.actions():
            action.setText(words[action.data()])
        self._folder_action.setText(tr("Folder for recordings…"))
        self._open_action.setText(tr("Open the last recording"))
        self._dress()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._dress()

    def _dress(self) -> None:
        if self._theme is not None:
            self._action.setIcon(dot(self._theme.muted, recording=self.recording))
        if not self.recording:
            self._action.setIconText(tr("Record"))
            self.button.setToolTip(self._action.toolTip())
            self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)

    def _show_choices(self) -> None:
        for action in self._group.actions():
            action.setChecked(action.data() == self.target)
            action.setEnabled(not self.recording)
        self._open_action.setEnabled(self.last is not None and not self.recording)
        self._folder_action.setToolTip(self.folder or str(default_folder()))

    def _show_progress(self) -> None:
        if self._recorder is None:
            return
        now = self._recorder.progress
        if not now.running:  # it ended by itself
            self.stop()
            return
        if self._theme is not None:
            self._action.setIcon(dot(self._theme.muted, recording=True))
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._action.setIconText(f"{clock(now.seconds)}  {in_bytes(now.bytes)}")
        # Beside them the toolbar has no room at 1366 pixels.
        self.button.setToolTip(tr_n("Recording: {n} picture dropped", "Recording: {n} pictures dropped", now.dropped))

    # -- pictures

    def _choose(self, target: Target) -> None:
        self.target = target

    def _open_last(self) -> None:
        if self.last is not None:
            self.wants_open.emit(str(self.last))

    def _drawn(self, dock: PanelDock) -> None:
        if self._recorder is not None and (self.target == "window" or dock is self._dock):
            self._take()

    def _look(self) -> None:
        if time.perf_counter() - self._taken > IDLE_MS / 1000:
            self._take()

    def _closed(self, dock: PanelDock) -> None:
        if dock is self._dock and self.target != "window":
            self.stop(tr("The panel was closed."))

    def _take(self) -> None:
        now = time.perf_counter()
        if self._recorder is None or now - self._taken < 0.9 / MOST_FPS:
            return
        shown = [dock for dock in self._desk.docks if dock.is_seen()] if self.target == "window" else [self._dock]
        if not self._recorder.is_free():
            self._taken = now
            return
        taken = self._grab()
        if taken is None:
            return
        self._taken = now
        pixels, image = taken
        results = [dock.result for dock in shown if dock is not None and dock.result is not None]
        frame = max((result.frame for result in results), key=lambda frame: frame.time, default=None)
        panels = {
            f"{dock.name} {dock.id}": PanelState(dock.name, dock.params, dock.view)
            for dock in shown
            if dock is not None and dock.params is not None
        }
        self._recorder.offer(
            Shot(
                pixels,
                now,
                frame.source if frame else "",
                frame.index if frame else 0,
                frame.time if frame else 0.0,
                panels,
                image,
            )
        )

    def _grab(self) -> Grabbed | None:
        if self.target == "window":
            return grab(self._window)
        if self._dock is None or not self._dock.is_seen():
            return None
        if self.target == "panel":
            return grab(self._dock)
        return grab(self._dock.canvas, self._dock.canvas.content_bottom())


def clock(seconds: float) -> str:
    """``1:05``, ``1:00:05``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def in_bytes(count: int) -> str:
    """``3.4 MB``."""
    if count >= 1e9:
        return f"{count / 1e9:.2f} GB"
    return f"{count / 1e6:.0f} MB" if count >= 1e7 else f"{count / 1e6:.1f} MB"


def dot(colour: str, *, recording: bool) -> QIcon:
    """A ring with a red dot, or a red disc while it records."""
    made = QIcon()
    for size in (16, 20, 24, 32, 48):
        pixmap = QPixmap(size, size)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if recording:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(DOT))
            painter.drawEllipse(QRectF(0.1 * size, 0.1 * size, 0.8 * size, 0.8 * size))
        else:
            painter.setPen(QPen(QColor(colour), size / 12))
            painter.drawEllipse(QRectF(0.12 * size, 0.12 * size, 0.76 * size, 0.76 * size))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(DOT))
            painter.drawEllipse(QRectF(0.3 * size, 0.3 * size, 0.4 * size, 0.4 * size))
        painter.end()
        made.addPixmap(pixmap)
    return made
