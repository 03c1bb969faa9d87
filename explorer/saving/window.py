"""Saving what is seen: the frame, a panel's picture and its data."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QWidget

from explorer.bundle import ENDING
from explorer.canvas import Canvas
from explorer.canvas.pane import Wish
from explorer.canvas.render import canvas_image, image_png
from explorer.files.whole import SaveError
from explorer.i18n import tr
from explorer.saving.data import save_picture
from explorer.saving.export import save_files
from explorer.saving.shown import ShownKind, copy, held
from explorer.sources.player import Player
from explorer.widgets.jobs import Jobs
from explorer.window.desk import Desk


class Saver:
    """Asks for a file name and writes; what goes wrong is one sentence and leaves no half file.

    Args:
        say: shows a sentence for a while.
        folder: where dialogs start.
    """

    def __init__(
        self, parent: QWidget, desk: Desk, player: Player, jobs: Jobs, say: Callable[[str], None], folder: str
    ) -> None:
        self._window = parent
        self._desk = desk
        self._player = player
        self._jobs = jobs
        self._say = say
        self.folder = folder

    def save_frame(self) -> None:
        dock = self._desk.active()
        frame = dock.result.frame if dock and dock.result else self._player.state.frame
        if frame is None:
            self._say(tr("There is no frame to save yet."))
            return
        name = f"frame-{frame.index:06d}.png"
        self._save(tr("Save the frame"), name, "PNG (*.png);;JPEG (*.jpg)", lambda path: save_picture(path, frame))

    def save_png(self) -> None:
        self._save_panel("png")

    def save_svg(self) -> None:
        self._save_panel("svg")

    def save_csv(self) -> None:
        self._save_panel("csv")

    def save_npz(self) -> None:
        self._save_panel("npz")

    def save_files(self) -> None:
        """The panel's own files, such as detections, into a folder."""
        dock = self._desk.active()
        if dock is None or dock.result is None or dock.panel is None:
            self._say(tr("There is nothing to save yet."))
            return
        if dock.panel.files is None:
            self._say(tr("This panel has no data of its own; its figure can be saved as CSV or NPZ."))
            return
        folder = QFileDialog.getExistingDirectory(self._window, tr("Save the panel's data in"), self.folder)
        if not folder:
            return
        name = f"{dock.name}-{dock.result.frame.index:06d}"
        try:
            paths = save_files(dock.panel.files(dock.result, dock.view), Path(folder), name)
        except SaveError as error:
            self._say(str(error))
            return
        self.folder = folder
        self._say(tr("Saved as {path}.", path=", ".join(str(path) for path in paths)))

    def save_bundle(self) -> None:
        """Frame, figure, trace, parameters and versions in one file, written in a thread of its own."""
        dock = self._desk.active()
        if dock is None or dock.result is None or dock.panel is None:
            self._say(tr("There is nothing to save yet."))
            return
        panel, result, view, cursor = dock.panel, dock.result, dock.view, dock.canvas.spot
        figure = canvas_image(dock.canvas)
        name = f"{dock.name}-{result.frame.index:06d}{ENDING}"
        path = self._ask(tr("Save everything as a bundle"), name, f"{tr('Bundle')} (*{ENDING})")
        if path is None:
            return

        def work() -> Path:
            from explorer.bundle.format import make_bundle, save_bundle

            save_bundle(path, make_bundle(panel, result, view, image_png(figure), cursor))
            return path

        self._say(tr("Saving {path}", path=path))
        self._jobs.start(work, self._saved, f"save {path.name}")

    def _saved(self, outcome: Path | Exception) -> None:
        if isinstance(outcome, Path):
            self.folder = str(outcome.parent)
            self._say(tr("Saved as {path}.", path=outcome))
        else:
            self._say(str(outcome) or type(outcome).__name__)

    def copy(self) -> None:
        if dock := self._desk.active():
            copy(dock.canvas)
            self._say(tr("Copied."))

    def fulfil(self, canvas: Canvas, pane: str, wish: Wish) -> None:
        """Does what was chosen in the menu of a pane."""
        if wish == "copy":
            copy(canvas, pane)
            self._say(tr("Copied."))
        else:
            self._save_shown(tr("Save this view"), f"{pane}.{wish}", wish, held(canvas, wish, pane))

    def _save_panel(self, kind: ShownKind) -> None:
        dock = self._desk.active()
        if dock is None or dock.result is None or dock.canvas.figure is None:
            self._say(tr("There is nothing to save yet."))
            return
        name = f"{dock.name}-{dock.result.frame.index:06d}.{kind}"
        self._save_shown(tr("Save the panel"), name, kind, held(dock.canvas, kind))

    def _save_shown(self, title: str, name: str, kind: ShownKind, save: Callable[[Path], None]) -> None:
        self._save(title, name, f"{kind.upper()} (*.{kind})", save)

    def _ask(self, title: str, name: str, kinds: str) -> Path | None:
        """The file the user wants to write, with an ending; None if they think better of it."""
        start = str(Path(self.folder or Path.home()) / name)
        chosen, _ = QFileDialog.getSaveFileName(self._window, title, start, kinds)
        if not chosen:
            return None
        return Path(chosen) if Path(chosen).suffix else Path(chosen).with_suffix(Path(name).suffix)

    def _save(self, title: str, name: str, kinds: str, save: Callable[[Path], None]) -> None:
        path = self._ask(title, name, kinds)
        if path is None:
            return
        try:
            save(path)
        except SaveError as error:
            self._say(str(error))
            return
        self.folder = str(path.parent)
        self._say(tr("Saved as {path}.", path=path))
