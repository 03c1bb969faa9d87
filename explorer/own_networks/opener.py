"""Opens networks of the user's in the window, and shows them in the Layers panel."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from explorer.i18n import tr
from explorer.panel import Frame
from explorer.widgets.jobs import Jobs
from explorer.widgets.theme import Theme
from explorer.window.desk import Desk

if TYPE_CHECKING:
    from explorer.own_networks.dialog import ModelDialog
    from explorer.own_networks.known import OwnModel

PANEL = "layers"
NETWORKS = (".py", ".pt2", ".onnx")
WEIGHTS = (".safetensors", ".pt", ".pth", ".ckpt")


def is_model(spec: Any) -> bool:
    """Whether something dropped on the window is a network, or weights for one."""
    return isinstance(spec, str) and "://" not in spec and Path(spec).suffix.lower() in (*NETWORKS, *WEIGHTS)


class ModelOpener(QObject):
    """Owns the dialog.

    Args:
        window: above which it opens.
        frame: gives the newest frame.
        theme: gives the window's look.
        say: shows a sentence for a while.
    """

    def __init__(
        self,
        window: QWidget,
        desk: Desk,
        frame: Callable[[], Frame | None],
        theme: Callable[[], Theme],
        say: Callable[[str], None],
    ) -> None:
        super().__init__(window)
        self._window, self._desk, self._frame, self._theme, self._say = window, desk, frame, theme, say
        self._jobs = Jobs(self)
        self.dialog: ModelDialog | None = None

    def open_model(self, path: str = "") -> None:
        """Shows the dialog, with a network or weights in it if one is named."""
        from explorer.own_networks.dialog import ModelDialog  # imports torch: not before the first picture

        if self.dialog is None or not self.dialog.isVisible():
            if self.dialog is not None:
                self.dialog.deleteLater()
            self.dialog = ModelDialog(self._window, self._theme(), self._frame, self._jobs)
            self.dialog.chosen.connect(self._show)
        if Path(path).suffix.lower() in WEIGHTS:
            self.dialog.want_network(path)
        elif path:
            self.dialog.open_place(path)
        self.dialog.open()

    def close(self) -> None:
        """The window closes. A network that hangs is not waited for."""
        if self.dialog is not None:
            self.dialog.reject()
        self._jobs.close(timeout=1.0)

    def _show(self, own: "OwnModel") -> None:
        from explorer.own_networks.known import remember

        named = remember(own)
        values = {"network": named.name, "size": min(max(named.size, 32), 1024), "layer": named.layer}
        active = self._desk.active()
        docks = [dock for dock in self._desk.docks if dock.name == PANEL and dock.panel is not None]
        if docks:
            dock = active if active in docks else docks[0]
            assert dock is not None
            dock.set_fields(values)
            dock.show()
            dock.raise_()
        else:
            self._desk.open_panel(PANEL, values)
        self._desk.engine.again()  # it may be the same task as before, of a file written anew
        self._say(tr("{network} is opened.", network=named.name))
