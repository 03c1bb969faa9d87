"""``python -m tests.soak --minutes 60``: the program under a random user, and whether it leaks or fails.

Results go to ``runs/soak``: ``samples.csv``, ``actions.jsonl`` (every action with its number and time), ``verdict.json``. The exit code is
1 when memory, threads, open files or objects grew, or when there was any error. The same seed does the same things as far as the
computer is as fast: what is clicked on depends on what is there by then.
"""

import argparse
import faulthandler
import os
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--offscreen", action="store_true", help="no window, even where there is Xvfb")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "soak")
    parser.add_argument("--actions", type=int, default=0, help="so many in place of the minutes, in haste")
    parser.add_argument("--size", default="1280x720", help="of the moving picture")
    wanted = parser.parse_args()
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "e2e")]
    from desktop import MISSING, Desktop

    offscreen = wanted.offscreen or "Xvfb" in MISSING
    print(
        f"seed {wanted.seed}, {wanted.minutes:g} minutes, {'offscreen' if offscreen else 'in a window under Xvfb'}",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as home, nullcontext() if offscreen else Desktop(1920, 1080) as desktop:
        os.environ["CV_EXPLORER_HOME"] = home
        os.environ["QT_QPA_PLATFORM"] = "xcb" if desktop else "offscreen"
        if desktop:
            os.environ["DISPLAY"] = desktop.display
        return run(wanted)


def run(wanted: argparse.Namespace) -> int:
    from explorer.settings import system

    system.prepare()
    from PySide6.QtWidgets import QApplication

    from cvcore.assets import asset
    from explorer.widgets.theme import load_fonts
    from tests.soak.soak import Plan, Soak

    wanted.folder.mkdir(parents=True, exist_ok=True)
    with (wanted.folder / "crash.txt").open("w") as crash:
        faulthandler.enable(crash)
        application = QApplication(["soak"])
        load_fonts(application)
        source = f"moving:{asset('pictures', 'lemur.jpg')}?fps=30&size={wanted.size}"
        plan = Plan(wanted.minutes, wanted.seed, source, wanted.folder)
        if wanted.actions:
            plan = replace(plan, actions=wanted.actions, pause=0.02, calm=0.0, patience=0.2)
        outcome = Soak(plan, application).run()
        faulthandler.disable()
    print(outcome)
    return int(outcome.failed)


if __name__ == "__main__":
    sys.exit(main())
