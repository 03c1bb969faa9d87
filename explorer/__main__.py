"""The command line and the wiring: ``cv-explorer [SOURCE]`` opens the window, ``cv-explorer export`` works without one."""

import argparse
import contextlib
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cv-explorer",
        description="Runs computer-vision models live on pictures, videos and cameras, and shows what happens inside.",
        epilog="'cv-explorer export --help' tells how to compute and save without a window, "
        "'cv-explorer weights --help' how to download weights, "
        "'cv-explorer check-bundle --help' how to compute a saved bundle again.",
    )
    parser.add_argument(
        "source",
        nargs="?",
        default="",
        help="a picture, a folder, a video, camera:0, an rtsp:// or http:// address, moving:PICTURE, or a .cvbundle file",
    )
    parser.add_argument(
        "--panel", action="append", default=[], help="open this panel instead of the last ones (repeatable)"
    )
    parser.add_argument("--language", choices=("en", "zh_CN"), help="of the window's words")
    parser.add_argument("--theme", choices=("dark", "light", "projector"), help="how the window looks")
    parser.add_argument("--verbose", action="store_true", help="say more in the terminal")
    with contextlib.suppress(PackageNotFoundError):
        parser.add_argument("--version", action="version", version=f"cv-explorer {version('cv-explorer')}")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; the exit code is 0 when all went well, 2 when it cannot start."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["export"]:
        from explorer.saving.export import main as export

        return export(words[1:])
    if words[:1] == ["check-bundle"]:
        from explorer.bundle.check import main as check_bundle

        return check_bundle(words[1:])
    if words[:1] == ["weights"]:
        from explorer.weights.command import main as weights

        return weights(words[1:])
    return open_window(make_parser().parse_args(words))


def open_window(wanted: argparse.Namespace) -> int:
    from explorer.settings import system

    system.prepare()

    from dataclasses import replace

    from PySide6.QtCore import QLocale, QTimer
    from PySide6.QtGui import QIcon
    from PySide6.QtWidgets import QApplication

    from cvcore.assets import asset
    from explorer.settings.diagnostics import start_log
    from explorer.settings.session import OpenPanel, load_settings
    from explorer.widgets.numbers import use_points
    from explorer.widgets.theme import load_fonts

    start_log(wanted.verbose)
    app = QApplication(["cv-explorer"])
    use_points()
    app.setApplicationName("cv-explorer")
    app.setApplicationDisplayName("CV Explorer")
    app.setDesktopFileName("cv-explorer")
    app.setWindowIcon(QIcon(str(asset("icons", "cv-explorer.svg"))))
    load_fonts(app)

    from explorer.window.main import MainWindow

    settings, message = load_settings()
    chinese = QLocale.system().language() == QLocale.Language.Chinese
    settings = replace(settings, language=wanted.language or settings.language or ("zh_CN" if chinese else "en"))
    if wanted.theme:
        settings = replace(settings, theme=wanted.theme)
    if wanted.panel:
        panels = tuple(OpenPanel(name, i + 1) for i, name in enumerate(wanted.panel))
        settings = replace(settings, panels=panels, docks="")
    window = MainWindow(settings, wanted.source, message)
    # Python looks at signals between its own instructions only: the window's timer gives it some ten times a second.
    for which in (signal.SIGINT, signal.SIGTERM):
        signal.signal(which, lambda *_: window.close())
    window.show()
    # The engine imports torch in its thread, which holds Python's lock in long stretches: not before the first picture.
    QTimer.singleShot(0, window, window.start)
    code = app.exec()
    window.deleteLater()
    return code


if __name__ == "__main__":
    sys.exit(main())
