"""The live program: start-up, time per frame beside the bare network, the event loop's gaps, frame age and memory.

Needs a display (``make bench`` gives it one with Xvfb); what is measured is the real window.
"""

import gc
import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MOVING = "moving:" + str(ROOT / "assets" / "pictures" / "lemur.jpg")


def rss() -> float:
    """MB of memory in use by this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def start_up(home: Path) -> tuple[float, float]:
    """Seconds from starting the process until its window is painted, and until the first result is."""
    code = (
        "import sys, time; started = float(sys.argv.pop()); from explorer import window, __main__ as main\n"
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
    environment = {**os.environ, "CV_EXPLORER_HOME": str(home)}
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

        from explorer.session import OpenPanel, Settings
        from explorer.theme import load_fonts
        from explorer.window import MainWindow

        self.app = QApplication.instance() or QApplication(["bench"])
        load_fonts(self.app)
        self.window = MainWindow(Settings(language="en", panels=(OpenPanel(panel, 1),)), source)
        self.window.show()
        self.window.start()
        self.dock = self.window.desk.docks[0]
        self.run(30, until=lambda: self.dock.result is not None)
        self.run(2)

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> list[float]:
        """Runs the event loop; gives the gaps between the beats of a 1 ms timer, in seconds."""
        from PySide6.QtCore import QEventLoop, Qt, QTimer

        loop, beats = QEventLoop(), [time.perf_counter()]
        end = beats[0] + seconds
        heart = QTimer()
        heart.setTimerType(Qt.TimerType.PreciseTimer)

        def beat() -> None:
            beats.append(time.perf_counter())
            if beats[-1] > end or until():
                loop.quit()

        heart.timeout.connect(beat)
        heart.start(1)
        loop.exec()
        heart.stop()
        return [b - a for a, b in itertools.pairwise(beats)]

    def collect(self, seconds: float) -> tuple[list[Any], list[float]]:
        """The results drawn in that time, with the time of drawing, and the loop's gaps."""
        shown: list[Any] = []
        add = self.dock.timing.add
        self.dock.timing.add = lambda result, draw: (shown.append((result, draw)), add(result, draw))
        gaps = self.run(seconds)
        self.dock.timing.add = add
        return shown, gaps

    def close(self) -> None:
        self.window.close()
        self.app.processEvents()


def computing(result: Any) -> float:
    """Seconds from the start of a computation to its result."""
    return result.stages[-1].end - result.stages[1].end


def bare_forward(threads: int, rounds: int = 60) -> float:
    """Seconds of the built-in network alone at 224 x 224, median."""
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
    return statistics.median(times[5:])


def measure_live(rows: list[tuple[str, str, str]]) -> None:
    import torch

    live = Live(MOVING + "?fps=30&size=1280x720", "layers")
    threads = live.window.chooser.chosen()[2]
    bare, framed, gaps, ages = [], [], [], []
    for _ in range(3):  # interleaved: the machine's mood changes
        live.window.player.freeze(True)
        live.run(0.5)
        bare.append(bare_forward(threads))
        live.window.player.freeze(False)
        live.run(1)
        shown, some = live.collect(8)
        framed += [computing(result) for result, _ in shown]
        ages += [draw.end - result.frame.time for result, draw in shown]
        gaps += some
    live.close()
    ratio = statistics.median(framed) / statistics.median(bare)
    fps = len(framed) / 24
    gaps.sort()
    rows += [
        ("bare forward pass, 224 px", f"{1000 * statistics.median(bare):.1f} ms", f"{threads} threads"),
        (
            "Layers, time per frame, 1280x720 at 30 fps",
            f"{1000 * statistics.median(framed):.1f} ms = {ratio:.2f} x",
            "at most 1.15 x",
        ),
        ("Layers, shown", f"{fps:.1f} fps, frame age {1000 * statistics.median(ages):.0f} ms", ""),
        ("event loop, longest gap while computing", f"{1000 * gaps[-1]:.0f} ms", "at most 50 ms"),
        ("event loop, 99th percentile", f"{1000 * gaps[int(0.99 * len(gaps))]:.1f} ms", "at most 20 ms"),
    ]
    torch.set_num_threads(threads)


def measure_flood(rows: list[tuple[str, str, str]]) -> None:
    """A 120 fps source into a panel that needs 100 ms."""
    from explorer import desk
    from explorer.registry import Registry
    from tests.explorer.panels_for_tests import Trace, make_panel

    def compute(frame: Any, params: Any, context: Any) -> Trace:
        with context.stage("forward"):
            time.sleep(0.1)
        return Trace(float(frame.index), frame.image[:, :, 0].astype("float32"))

    slow = make_panel("slow", compute=compute)
    before = desk.find_panels
    desk.find_panels = lambda: Registry({"slow": slow}, {})
    live = Live(MOVING + "?fps=120&size=640x360", "slow")
    desk.find_panels = before
    live.run(3)  # the ring of the last 64 frames fills
    gc.collect()
    first_frame, first_memory = live.window.player.state.index, rss()
    ages, computed = [], []
    while live.window.player.state.index < first_frame + 5000:
        shown, _ = live.collect(5)
        ages += [draw.end - result.frame.time for result, draw in shown]
        computed += [computing(result) for result, _ in shown]
    gc.collect()
    grown = rss() - first_memory
    frames = live.window.player.state.index - first_frame
    live.close()
    rows += [
        ("120 fps source, 100 ms panel: frame age when drawn", f"{1000 * statistics.median(ages):.0f} ms median, {1000 * max(ages):.0f} ms longest", f"at most {2000 * statistics.median(computed):.0f} ms"),
        (f"the same: memory grown over {frames} frames", f"{grown:+.1f} MB", "below 20 MB"),
    ]  # fmt: skip


def main() -> None:
    import tempfile

    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as home:
        os.environ["CV_EXPLORER_HOME"] = home
        start_up(Path(home))  # warms the file cache
        starts = [start_up(Path(home)) for _ in range(5)]
        rows = [
            ("window on the screen", f"{statistics.median(s[0] for s in starts):.2f} s", "within 1.5 s"),
            ("first result", f"{statistics.median(s[1] for s in starts):.2f} s", "within 4 s"),
        ]
        measure_live(rows)
        measure_flood(rows)
    print("| live program | measured | target |\n|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
