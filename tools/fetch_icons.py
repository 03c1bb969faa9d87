"""Copies the toolbar icons out of an unpacked ``lucide-static`` package: ``python tools/fetch_icons.py PACKAGE_FOLDER``.

A file's name says what it is for here, not what it shows: ``freeze.svg`` is Lucide's snowflake. 24 x 24, drawn with strokes of
``currentColor``, which the theme replaces.
"""

import re
import sys
from pathlib import Path

LUCIDE_NAMES = {
    "add": "plus",
    "back": "undo-2",
    "bug": "bug",
    "camera": "camera",
    "close": "x",
    "copy": "copy",
    "data": "file-spreadsheet",
    "device": "cpu",
    "error": "circle-x",
    "explain": "book-open",
    "export": "file-down",
    "faster": "fast-forward",
    "fit": "scan",
    "folder": "folder-open",
    "freeze": "snowflake",
    "fullscreen": "expand",
    "help": "circle-question-mark",
    "info": "info",
    "keyboard": "keyboard",
    "language": "languages",
    "layers": "layers",
    "less": "chevron-up",
    "link": "link",
    "live": "radio",
    "lock": "lock",
    "log": "logs",
    "loop": "repeat",
    "memory": "memory-stick",
    "mirror": "flip-horizontal",
    "more": "ellipsis",
    "moving": "move",
    "next": "skip-forward",
    "open": "image",
    "panels": "layout-grid",
    "paste": "clipboard-paste",
    "pause": "pause",
    "pick": "crosshair",
    "play": "play",
    "previous": "skip-back",
    "quit": "log-out",
    "reload": "refresh-cw",
    "rotate": "rotate-cw",
    "samples": "images",
    "save": "save",
    "search": "search",
    "settings": "settings",
    "show-more": "chevron-down",
    "side": "panel-right",
    "slower": "rewind",
    "speed": "gauge",
    "step-back": "step-back",
    "step-forward": "step-forward",
    "stop": "square",
    "stream": "rss",
    "table": "table",
    "theme": "sun-moon",
    "theme-dark": "moon",
    "theme-light": "sun",
    "theme-projector": "presentation",
    "timing": "timer",
    "tune": "sliders-horizontal",
    "unlock": "lock-open",
    "video": "film",
    "warning": "triangle-alert",
    "zoom-in": "zoom-in",
    "zoom-out": "zoom-out",
}


def main(package: Path) -> None:
    icons = Path(__file__).resolve().parent.parent / "assets" / "icons"
    for name, lucide in LUCIDE_NAMES.items():
        text = (package / "icons" / f"{lucide}.svg").read_text("utf-8")
        text = re.sub(r"<!--.*?-->\s*", "", text)
        text = re.sub(r'\s*class="[^"]*"', "", text, count=1)
        text = re.sub(r"\s+", " ", text).replace("> <", "><").replace(" >", ">").strip()
        (icons / f"{name}.svg").write_text(text + "\n", "utf-8")
    (icons / "LICENCE-lucide.txt").write_text((package / "LICENSE").read_text("utf-8"), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
