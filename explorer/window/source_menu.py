"""Everything that opens a source: dialogs, menus, clipboard, drag and drop, built-in photographs."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from PySide6.QtCore import QMimeData, QObject, Qt
from PySide6.QtGui import QGuiApplication, QIcon, QImage, QImageReader, QPixmap
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from cvcore.assets import asset
from explorer.bundle import is_bundle
from explorer.i18n import tr
from explorer.sources import list_cameras, public_spec
from explorer.sources.player import Player
from explorer.widgets.dialogs import ask_address

FILES = "*.jpg *.jpeg *.png *.webp *.tif *.tiff *.bmp *.gif *.mp4 *.avi *.mov *.mkv *.webm *.m4v *.mpg *.mpeg *.wmv *.cvbundle"
RECENT = 10
RESOLUTIONS = ("640x480", "1280x720", "1920x1080", "3840x2160")
"""What cameras are asked for; they give the nearest they have, and the status bar says which."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A built-in photograph."""

    title: str
    path: Path


@cache
def samples() -> tuple[Sample, ...]:
    """The built-in photographs, the default one first."""
    listed = json.loads(asset("pictures", "pictures.json").read_text("utf-8"))
    return tuple(Sample(one["title"], asset("pictures", one["file"])) for one in listed)


class SourceOpener(QObject):
    """Opens sources in the player, and remembers which.

    Args:
        parent: the window, above which dialogs open.
        say: shows a sentence for a while.
        recent: sources opened before, newest first.
        folder: where dialogs start.
    """

    def __init__(
        self, parent: QWidget, player: Player, say: Callable[[str], None], recent: tuple[str, ...], folder: str
    ) -> None:
        super().__init__(parent)
        self._window = parent
        self._player = player
        self._say = say
        self.recent = recent
        self.folder = folder
        self.open_bundle: Callable[[str], None] = player.open
        self._resolution = "1280x720"
        self.sample_menu, self.camera_menu, self.recent_menu = QMenu(parent), QMenu(parent), QMenu(parent)
        self.camera_menu.aboutToShow.connect(self._fill_cameras)
        self.recent_menu.aboutToShow.connect(self._fill_recent)

    def open(self, spec: Any) -> None:
        """Opens a path, an address, ``camera:N``, ``moving:PATH``, a bundle or a picture in memory; the old source stays if it fails."""
        if is_bundle(spec):
            self.open_bundle(spec)
        else:
            self._player.open(spec)

    def remember(self) -> str:
        """Notes the source that is open among the recent ones, and returns it."""
        spec = self._player.state.spec
        if not isinstance(spec, str) or not spec:
            return ""
        self.recent = (spec, *(one for one in self.recent if one != spec))[:RECENT]
        return spec

    # -- actions

    def open_file(self) -> None:
        kinds = f"{tr('Pictures, videos and bundles')} ({FILES} {FILES.upper()});;{tr('All files')} (*)"
        path, _ = QFileDialog.getOpenFileName(self._window, tr("Open a picture, video or bundle"), self.folder, kinds)
        if path:
            self.folder = str(Path(path).parent)
            self.open(path)

    def open_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self._window, tr("Open a folder of pictures"), self.folder)
        if path:
            self.folder = path
            self.open(path)

    def open_stream(self) -> None:
        if address := ask_address(self._window, [spec for spec in self.recent if "://" in spec]):
            self.open(address)

    def open_camera(self) -> None:
        self._open_camera(0)

    def _open_camera(self, index: int) -> None:
        self.open(f"camera:{index}?size={self._resolution}")

    def _choose_resolution(self, resolution: str) -> None:
        self._resolution = resolution
        spec = self._player.state.spec
        if self._player.state.kind == "camera" and isinstance(spec, str):
            self.open(f"{spec.partition('?')[0]}?size={resolution}")

    def open_sample(self) -> None:
        paths = [str(sample.path) for sample in samples()]
        now = self._player.state.spec
        self.open(paths[(paths.index(now) + 1) % len(paths)] if now in paths else paths[0])

    def open_moving(self) -> None:
        """A virtual camera over the picture that is open, or over a built-in one."""
        state = self._player.state
        self.open(f"moving:{state.spec if state.kind == 'picture' else samples()[0].path}")

    def paste(self) -> None:
        spec = from_mime(QGuiApplication.clipboard().mimeData())
        if spec is None:
            self._say(tr("There is no picture, file or address in the clipboard."))
        else:
            self.open(spec)

    def mirror(self) -> None:
        self._player.turn(mirror=not self._player.state.mirror)

    def rotate(self) -> None:
        self._player.turn(rotate=(self._player.state.rotate + 90) % 360)

    # -- menus

    def set_camera_actions(self, *actions: Any) -> None:
        self._camera_actions = actions

    def retranslate(self) -> None:
        self.sample_menu.setTitle(tr("Built-in photographs"))
        self.camera_menu.setTitle(tr("Cameras"))
        self.recent_menu.setTitle(tr("Recent"))
        self.sample_menu.clear()
        for sample in samples():
            action = self.sample_menu.addAction(thumbnail(str(sample.path)), tr(sample.title))
            action.triggered.connect(lambda _=False, path=str(sample.path): self.open(path))

    def _fill_cameras(self) -> None:
        self.camera_menu.clear()
        cameras = list_cameras()
        for camera in cameras:
            action = self.camera_menu.addAction(camera.name)
            action.triggered.connect(lambda _=False, index=camera.index: self._open_camera(index))
        if not cameras:
            self.camera_menu.addAction(tr("No camera was found")).setEnabled(False)
        self.camera_menu.addSeparator()
        resolutions = self.camera_menu.addMenu(tr("Resolution asked for"))
        for resolution in RESOLUTIONS:
            action = resolutions.addAction(resolution.replace("x", " × "))
            action.setCheckable(True)
            action.setChecked(resolution == self._resolution)
            action.triggered.connect(lambda _=False, resolution=resolution: self._choose_resolution(resolution))
        self.camera_menu.addActions(self._camera_actions)

    def _fill_recent(self) -> None:
        self.recent_menu.clear()
        for spec in self.recent:
            action = self.recent_menu.addAction(public_spec(spec))
            action.triggered.connect(lambda _=False, spec=spec: self.open(spec))
        if not self.recent:
            self.recent_menu.addAction(tr("Nothing yet")).setEnabled(False)


@cache
def thumbnail(path: str) -> QIcon:
    reader = QImageReader(path)
    size = reader.size()
    reader.setScaledSize(size.scaled(48, 36, Qt.AspectRatioMode.KeepAspectRatio))
    return QIcon(QPixmap.fromImage(reader.read()))


def is_welcome(mime: QMimeData) -> bool:
    """Whether something dragged over the window can be opened."""
    return mime.hasUrls() or mime.hasImage() or "://" in mime.text()


def from_mime(mime: QMimeData) -> Any:
    """What ``open_source`` takes, from the clipboard or a drop: a path, an address, pixels (H, W, 3) uint8, or None."""
    for url in mime.urls():
        return url.toLocalFile() if url.isLocalFile() else url.toString()
    if mime.hasImage():
        image = mime.imageData()
        if isinstance(image, QPixmap):
            image = image.toImage()
        return pixels_of(image) if isinstance(image, QImage) and not image.isNull() else None
    text = mime.text().strip()
    if text and ("://" in text or Path(text).exists()):
        return text
    return None


def pixels_of(image: QImage) -> Any:
    """(H, W, 3) uint8 RGB of a QImage."""
    import numpy as np

    image = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()
