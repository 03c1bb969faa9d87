"""What the menu of a pane does: copy and save."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QFileDialog, QMessageBox

from explorer.canvas.pane import PaneWidget
from explorer.i18n import tr
from explorer.save import SaveError, save_csv, save_npz, write_whole

if TYPE_CHECKING:
    from explorer.canvas.canvas import Canvas


def fulfil(canvas: "Canvas", widget: PaneWidget, wish: str) -> None:
    """Copies a pane, or asks for a name and saves it as it was when the menu was used: frames go on arriving meanwhile."""
    from explorer.canvas.render import canvas_image, canvas_svg, save_image
    from explorer.figure import Figure

    key, pane = widget.pane.key, widget.pane
    save: Callable[[Path], None]
    if wish == "copy":
        canvas.copy(key)
        return
    if wish == "png":
        image = canvas_image(canvas, key)

        def save(path: Path) -> None:
            save_image(path, image)
    elif wish == "svg":
        drawing = canvas_svg(canvas, key)

        def save(path: Path) -> None:
            write_whole(path, lambda file: file.write(drawing))
    elif wish == "csv":

        def save(path: Path) -> None:
            save_csv(path, pane)
    else:

        def save(path: Path) -> None:
            save_npz(path, Figure(pane))

    start = str(Path(canvas.folder or Path.home()) / f"{key}.{wish}")
    chosen, _ = QFileDialog.getSaveFileName(canvas, tr("Save this view"), start, f"{wish.upper()} (*.{wish})")
    if not chosen:
        return
    path = Path(chosen) if Path(chosen).suffix else Path(chosen).with_suffix(f".{wish}")
    canvas.folder = str(path.parent)
    try:
        save(path)
    except SaveError as error:
        QMessageBox.warning(canvas, tr("Not saved"), str(error))
