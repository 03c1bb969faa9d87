"""Files of what a canvas shows, or of a figure that no window shows: PNG, SVG, CSV and NPZ; and the clipboard."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, assert_never

from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from explorer.canvas import Canvas
from explorer.canvas.render import canvas_image, canvas_svg, image_png, render_png, render_svg
from explorer.figure import Figure
from explorer.files.whole import write_whole
from explorer.saving.data import save_csv, save_npz
from explorer.widgets.theme import Theme

ShownKind = Literal["png", "svg", "csv", "npz"]


def held(canvas: Canvas, kind: ShownKind, pane: str | None = None, scale: float = 2.0) -> Callable[[Path | str], None]:
    """Holds what is shown at this moment, for a file whose name is still to be asked for: frames go on arriving meanwhile.

    Args:
        pane: the key of the only pane to be saved.
        scale: of a PNG, pixels of the file per pixel of the screen.

    Returns:
        Writes the file of that name; raises SaveError where it cannot be written.

    Raises:
        KeyError: there is no such pane.
        ValueError: nothing is shown yet.
    """
    figure = canvas.figure if pane is None else Figure(canvas.pane(pane).pane)
    if figure is None:
        raise ValueError("a canvas without a figure cannot be saved")
    match kind:
        case "png":
            image = canvas_image(canvas, pane, scale)
            return lambda path: save_image(path, image)
        case "svg":
            drawing = canvas_svg(canvas, pane)
            return lambda path: write_whole(path, lambda file: file.write(drawing))
        case "csv":
            return lambda path: save_csv(path, figure)
        case "npz":
            return lambda path: save_npz(path, figure)
        case _:
            assert_never(kind)


def copy(canvas: Canvas, pane: str | None = None) -> None:
    """Puts a picture of what is shown (or of one pane) on the clipboard.

    Raises:
        KeyError: there is no such pane.
    """
    QApplication.clipboard().setImage(canvas_image(canvas, pane))


def save_figure(path: Path | str, figure: Figure, kind: ShownKind, size: tuple[int, int], theme: Theme) -> None:
    """Writes a figure without a window.

    Args:
        size: (width, height) of PNG and SVG in pixels.

    Raises:
        SaveError: it cannot be written.
    """
    match kind:
        case "png":
            save_image(path, render_png(figure, size, theme))
        case "svg":
            drawing = render_svg(figure, size, theme)
            write_whole(path, lambda file: file.write(drawing))
        case "csv":
            save_csv(path, figure)
        case "npz":
            save_npz(path, figure)
        case _:
            assert_never(kind)


def save_image(path: Path | str, image: QImage) -> None:
    """Writes an image as PNG.

    Raises:
        SaveError: it cannot be written.
    """
    data = image_png(image)
    write_whole(path, lambda file: file.write(data))
