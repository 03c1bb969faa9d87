"""Makes the start page's pictures of panels: ``python -m tools.make_thumbnails [NAME ...]``; all of them where none is named.

Each is drawn by the panel itself, from what it computes on a built-in photograph: its most telling panes without their titles.
"""

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from PIL import Image
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtWidgets import QApplication

from cvcore.assets import asset
from explorer.canvas.render import hidden_canvas
from explorer.engine.compute import Computer
from explorer.figure import Figure, Pane
from explorer.panel import Frame, Task
from explorer.registry import find_panels
from explorer.settings.session import fields_from_json
from explorer.widgets.theme import THEMES

FOLDER = Path(__file__).resolve().parent.parent / "assets" / "thumbnails"
SIZE = 320, 200
DRAWN = 1.3
"""How much larger it is drawn before it is made small, so that words and lines are as fine as on the screen."""
QUALITY = 82
GAP = 2
"""Between two panes, in pixels."""


@dataclass(frozen=True, slots=True)
class Shot:
    """What a panel's picture shows.

    Args:
        photograph: of the built-in ones.
        fields: of the panel's Params and View that are not as they are at first.
        panes: the keys of those that are drawn, side by side; the first of the figure if empty.
        looks: which part of a pane is shown, (left, top, right, bottom) as it counts.
    """

    photograph: str = "koala.jpg"
    fields: Mapping[str, Any] = field(default_factory=dict)
    panes: tuple[str, ...] = ()
    looks: Mapping[str, tuple[float, float, float, float]] = field(default_factory=dict)


SHOTS: Mapping[str, Shot] = {
    "picture": Shot("scarlet_macaw.jpg", panes=("picture", "histogram")),
    "layers": Shot("koala.jpg", panes=("picture", "channels")),
    "cbam": Shot("koala.jpg", panes=("blocks",)),
    "compare": Shot("koala.jpg", panes=("difference", "curve")),
    "nms": Shot("ireland.jpg", panes=("method1",), looks={"method1": (60, 40, 640, 416)}),
    "roi": Shot("dog.jpg", panes=("picture", "align")),
    "losses": Shot("koala.jpg", panes=("picture",), looks={"picture": (0, 180, 768, 660)}),
    "pose": Shot("ireland.jpg", panes=("people",), looks={"people": (60, 40, 640, 416)}),
    "cyclegan": Shot(
        "horse.jpg", panes=("source", "fake"), looks=dict.fromkeys(("source", "fake"), (250, 180, 680, 560))
    ),
}


def make(name: str, computer: Computer) -> Path:
    """Draws one panel and writes its picture.

    Raises:
        RuntimeError: the panel cannot be computed.
        KeyError: it has no pane of a key named here.
        ValueError: the pane is a table, of which nothing could be read.
    """
    panel, shot = computer.panels[name], SHOTS.get(name, Shot())
    with Image.open(asset("pictures", shot.photograph)) as photograph:
        frame = Frame(np.asarray(photograph.convert("RGB")))
    params, view = (fields_from_json(kind, dict(shot.fields)) for kind in (panel.params, panel.view))
    result = computer.compute(frame, Task(len(computer.panels) + sorted(computer.panels).index(name), name, params))
    if result is None or result.error:
        raise RuntimeError(f"{name}: {result.error if result else 'cancelled'}")
    panes = {pane.key: pane for pane in panel.draw(result, view).panes()}
    keys = shot.panes or tuple(panes)[:1]
    width = (SIZE[0] - (len(keys) - 1) * GAP) // len(keys)
    whole = Image.new("RGB", SIZE, THEMES["dark"].border)
    for i, key in enumerate(keys):
        x = i * (width + GAP)
        room = (width if i < len(keys) - 1 else SIZE[0] - x, SIZE[1])
        whole.paste(drawn(panes[key], room, shot.looks.get(key)), (x, 0))
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.jpg"
    whole.save(path, quality=QUALITY, optimize=True, progressive=True)
    return path


def drawn(pane: Pane, room: tuple[int, int], look: tuple[float, float, float, float] | None) -> Image.Image:
    """What a pane shows, without its title and legend, in so many pixels."""
    wanted = round(room[0] * DRAWN), round(room[1] * DRAWN)
    with hidden_canvas(Figure(pane), wanted, THEMES["dark"]) as canvas:
        view = canvas.pane(pane.key).view
        if view is None:
            raise ValueError(f"{pane.key} is a table")
        more = wanted[0] - view.width(), wanted[1] - view.height()
        canvas.resize(canvas.width() + more[0], canvas.height() + more[1])
        QApplication.sendPostedEvents()
        if look is not None:
            view.show_rect(QRectF(look[0], look[1], look[2] - look[0], look[3] - look[1]))
        image = QImage(2 * view.width(), 2 * view.height(), QImage.Format.Format_RGB888)
        image.fill(QColor(THEMES["dark"].canvas))
        image.setDevicePixelRatio(2.0)
        painter = QPainter(image)
        view.render(painter, QRectF(view.rect()), view.rect(), Qt.AspectRatioMode.IgnoreAspectRatio)
        painter.end()
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    large = Image.fromarray(pixels[:, : 3 * image.width()].reshape(image.height(), image.width(), 3))
    return large.resize(room, Image.Resampling.LANCZOS)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help="of panels")
    names = parser.parse_args().names
    registry = find_panels()
    computer = Computer(registry.panels)
    for name in names or [name for name, entry in registry.entries.items() if entry.own]:
        path = make(name, computer)
        print(f"{path.name}: {path.stat().st_size / 1000:.1f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
