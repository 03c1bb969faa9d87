"""Small pictures of what each panel shows first; ``python -m tests.explorer.panel_snapshots [PANEL ...]`` takes them anew, to be looked at.

They hold what no test of numbers sees: that the panes are where they were, with their pictures, maps, bars and colours. Letters are drawn
differently by every system, and a line that is higher moves all below it. So the font is the shipped one without hinting, and what is
drawn as large as a window is reduced until letters are a grey line.
"""

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # before Qt is imported

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QApplication

from explorer.canvas.render import render_png
from explorer.figure import Figure
from explorer.widgets.theme import LIGHT, load_fonts
from tests.explorer.computing_for_tests import computed, panels

SNAPSHOTS = Path(__file__).parent / "snapshots"
WINDOW, SMALL = (1366, 768), (160, 90)
PICTURES = {"nms": "ireland", "pose": "ireland", "roi": "astronaut"}
"""Where the dog shows little."""
COLOURS = 64
"""So many in a file, which keeps it at a few kB."""
SEEN, MOST_CHANGED = 16, 0.02
"""Of 255; other ways to smooth letters change 0.4 % of the pixels by more, hinted letters 2 %, a chart without its curves 2.3 %."""


def font(application: QApplication) -> QFont:
    """The shipped font, the same everywhere."""
    made = QFont(load_fonts(application)[0])
    made.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    return made


def first_figure(name: str) -> Figure:
    """A panel's first view on a photograph."""
    return computed(name, PICTURES.get(name, "dog"), resized=(480, 360)).figure


def taken(figure: Figure) -> Image.Image:
    """A figure as on the screen, but small. The application has :func:`font`."""
    drawn = render_png(figure, WINDOW, LIGHT)
    height, width = drawn.height(), drawn.width()
    rows = np.frombuffer(drawn.constBits(), np.uint8).reshape(height, drawn.bytesPerLine())
    pixels = rows[:, : width * 4].reshape(height, width, 4)[:, :, 2::-1]  # 0xffRRGGBB, little-endian
    return Image.fromarray(np.ascontiguousarray(pixels)).resize(SMALL, Image.Resampling.BOX)


def changed_part(picture: Image.Image, stored: Image.Image) -> float:
    """The part of all pixels that look different, each seen with its neighbours: a line half a pixel further is no difference.

    Args:
        stored: with a palette, whose colours the other one gets as well.
    """
    one, other = (np.asarray(p.convert("RGB"), np.float64) for p in (in_colours_of(stored, picture), stored))
    gap = np.pad(one - other, ((1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = gap.shape[0] - 2, gap.shape[1] - 2
    mean = sum(gap[i : i + height, j : j + width] for i in range(3) for j in range(3)) / 9
    return float((np.abs(mean).max(axis=2) > SEEN).mean())


def in_colours_of(stored: Image.Image, picture: Image.Image) -> Image.Image:
    return picture.quantize(palette=stored, dither=Image.Dither.NONE)


def main() -> None:
    application = QApplication([])
    application.setFont(font(application))
    SNAPSHOTS.mkdir(exist_ok=True)
    for name in sys.argv[1:] or panels():
        picture = taken(first_figure(name))
        in_colours_of(picture.quantize(COLOURS), picture).save(SNAPSHOTS / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
