"""The live program: start-up, time per frame beside the bare network, the event loop's gaps, frame age and memory.

What is measured is the real window: ``make bench`` gives it a display.
"""

import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench import Row, percentile, table

ROOT = Path(__file__).resolve().parents[2]
MOVING = "moving:" + str(ROOT / "assets" / "pictures" / "lemur.jpg")


ROUNDS, SECONDS = 4, 5


def rss() -> float:
    """MB of memory in use by this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def start_up(home: str) -> tuple[float, float]:
    """Seconds from starting the process until its window is painted, and until the first result is."""
    code = (
        "import sys, time; started = float(sys.argv.pop())\n"
        "from explorer.window import main as window; from explorer import __main__ as main\n"
        "from PySide6.QtCore import QTimer\n"
        "made = window.MainWindow.__init__\n"
        "def init(self, *args, **more):\n"
        "    made(self, *args, **more); self.first = None; look = QTimer(self)\n"
        "    def tick():\n"
        "        now = time.time() - started\n"
        "        if self.first is None and self.desk.docks[0].canvas.isVisible() and self.player.state.frame is not None:\n"
        "            self.first = now\n"
        "        if self.desk.docks[0].timing._shown:\n"
        "            print(self.first, now, flush=True); self.close()\n"
        "    look.timeout.connect(tick); look.start(5)\n"
        "window.MainWindow.__init__ = init\n"
        "sys.argv = ['cv-explorer']; sys.exit(main.main([]))\n"
    )
    environment = {**os.environ, "CV_EXPLORER_HOME": home}
    run = subprocess.run(
        [sys.executable, "-c", code, str(time.time())],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    if run.returncode:
        raise RuntimeError(run.stderr)
    window, result = run.stdout.split()[-2:]
    return float(window), float(result)


class Live:
    """The window in this process, run for a while at a time."""

    def __init__(self, source: str, panel: str) -> None:
        from PySide6.QtWidgets import QApplication

        from explorer.settings.session import OpenPanel, Settings
        from explorer.widgets.theme import load_fonts
        from explorer.window.main import MainWindow

        self.app = QApplication.instance() or QApplication(["bench"])
        load_fonts(self.app)
        self.window = MainWindow(Settings(language="en", panels=(OpenPanel(panel, 1),)), source)
        self.window.show()
        self.window.start()
        self.dock = self.window.desk.docks[0]
        self.run(30, until=lambda: self.dock.result is not None)
        self.run(2)

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Runs the event loop, ten looks a second at ``until``."""
        from PySide6.QtCore import QEventLoop, QTimer

        loop, end, look = QEventLoop(), time.perf_counter() + seconds, QTimer()
        look.timeout.connect(lambda: loop.quit() if time.perf_counter() > end or until() else None)
        look.start(100)
        loop.exec()
        look.stop()

    def gaps(self, seconds: float) -> list[float]:
        """Seconds between the beats of a 2 ms timer while the event loop runs."""
        from PySide6.QtCore import Qt, QTimer

        beats: list[float] = []
        heart = QTimer()
        heart.setTimerType(Qt.TimerType.PreciseTimer)
        heart.timeout.connect(lambda: beats.append(time.perf_counter()))
        heart.start(2)
        self.run(seconds)
        heart.stop()
        return [b - a for a, b in pairwise(beats)]

    def collect(self, seconds: float) -> tuple[list[float], list[float]]:
        """Of the results drawn in that time: seconds of computing, and age when drawn."""
        computed: list[float] = []
        ages: list[float] = []
        add = self.dock.timing.add

        def noting(result: Any, draw: Any) -> None:
            computed.append(result.stages[-1].end - result.stages[1].end)
            ages.append(draw.end - result.frame.time)
            add(result, draw)

        self.dock.timing.add = noting
        self.run(seconds)
        self.dock.timing.add = add
        return computed, ages

    def close(self) -> None:
        self.window.close()
        self.app.processEvents()


def bare_forward(threads: int, rounds: int = 60, pace: float = 0.0) -> list[float]:
    """Seconds of the built-in network alone at 224 x 224, each time.

    Args:
        pace: seconds from one pass to the next, as frames come; 0 lets one follow the other, with its weights still in the cache.
    """
    import torch

    from cvcore import zoo

    torch.set_num_threads(threads)
    model = zoo.load("mobilenet_v2", "cpu")
    x = torch.randn(1, 3, 224, 224)
    times = []
    with torch.inference_mode():
        for _ in range(rounds):
            started = time.perf_counter()
            model(x)
            times.append(time.perf_counter() - started)
            time.sleep(max(0.0, pace - times[-1]))
    return times[5:]


def measure_live() -> list[Row]:
    live = Live(MOVING + "?fps=30&size=1280x720", "layers")
    threads = live.window.chooser.chosen()[2]
    bare: list[float] = []
    paced: list[float] = []
    framed: list[float] = []
    gaps: list[float] = []
    ages: list[float] = []
    for _ in range(ROUNDS):  # taking turns: the machine's speed drifts
        live.window.player.freeze(True)
        live.run(0.5)
        bare += bare_forward(threads)
        paced += bare_forward(threads, pace=1 / 30)
        live.window.player.freeze(False)
        live.run(1)
        computed, aged = live.collect(SECONDS)
        framed += computed
        ages += aged
        gaps += live.gaps(SECONDS)
    live.close()
    each, alone = statistics.median(framed), statistics.median(bare)
    resting = statistics.median(paced)
    how = f"{1000 * each:.1f} ms beside {1000 * alone:.1f} ms, {threads} thread(s)"
    how_paced = f"{1000 * each:.1f} ms beside {1000 * resting:.1f} ms"
    return [
        Row(
            "Layers on 1280x720 at 30 fps: time per frame",
            each / alone,
            "x bare forward passes back to back",
            1.15,
            how,
        ),
        Row(
            "Layers on 1280x720 at 30 fps: time per frame",
            each / resting,
            "x bare forward passes at 30 a second",
            1.15,
            how_paced,
        ),
        Row("Layers on 1280x720 at 30 fps: shown", len(framed) / (ROUNDS * SECONDS), "fps"),
        Row("Layers on 1280x720 at 30 fps: frame age when drawn", 1000 * statistics.median(ages), "ms"),
        Row("event loop while computing: longest gap", 1000 * max(gaps), "ms", 50),
        Row("event loop while computing: 99th percentile", 1000 * percentile(gaps, 0.99), "ms", 20),
    ]


def measure_flood() -> list[Row]:
    """A 120 fps source into a panel that needs 100 ms."""
    from explorer.registry import Registry
    from explorer.window import desk
    from tests.explorer.panels_for_tests import Trace, make_panel

    def compute(frame: Any, params: Any, context: Any) -> Trace:
        with context.stage("forward"):
            time.sleep(0.1)
        return Trace(float(frame.index), frame.image[:, :, 0].astype("float32"))

    find_panels, slow = desk.find_panels, make_panel("slow", compute=compute)
    desk.find_panels = lambda: Registry({"slow": slow}, {})
    live = Live(MOVING + "?fps=120&size=640x360", "slow")
    desk.find_panels = find_panels
    live.run(3)  # the ring of the last 64 frames fills
    gc.collect()
    first_frame, memory = live.window.player.state.index, rss()
    ages: list[float] = []
    computed: list[float] = []
    while live.window.player.state.index < first_frame + 5000:
        some, aged = live.collect(5)
        ages += aged
        computed += some
    gc.collect()
    grown = rss() - memory
    frames = live.window.player.state.index - first_frame
    live.close()
    once = statistics.median(computed)
    return [
        Row("120 fps into a 100 ms panel: frame age when drawn", statistics.median(ages) / once, "x its compute time", 2,
            f"{1000 * statistics.median(ages):.0f} ms; longest {1000 * max(ages):.0f} ms"),
        Row(f"120 fps into a 100 ms panel: memory grown over {frames} frames", grown, "MB", 20),
    ]  # fmt: skip


def main() -> list[Row]:
    sys.path.insert(0, str(ROOT))
    with TemporaryDirectory() as home:
        os.environ["CV_EXPLORER_HOME"] = home
        start_up(home)  # warms the file cache
        starts = [start_up(home) for _ in range(5)]
        return [
            Row("start: window with the picture on the screen", statistics.median(s[0] for s in starts), "s", 1.5),
            Row("start: first result on the screen", statistics.median(s[1] for s in starts), "s", 4),
            *measure_live(),
            *measure_flood(),
        ]


if __name__ == "__main__":
    print(table(main()))
