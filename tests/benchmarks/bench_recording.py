"""Recording: what it costs the live view, and what one picture costs each thread.

The real window shows the Layers panel on a moving picture, by turns without and with a recording. ``make bench`` gives it a display.
"""

import os
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench import Row, table
from bench_live import MOVING, Live

ROUNDS, SECONDS = 6, 5
MOST = 1.05


def measure(target: str, source: str, words: str) -> list[Row]:
    """Frames shown a second, computing time, and age when drawn, without and with a recording, taking turns."""
    live = Live(source, "layers")
    recorder = live.window.recorder
    recorder.target = target
    shown: dict[bool, list[float]] = {False: [], True: []}
    computed: dict[bool, list[float]] = {False: [], True: []}
    aged: dict[bool, list[float]] = {False: [], True: []}
    frames = dropped = size = 0
    recorded = 0.0
    for turn in range(2 * ROUNDS):
        on = turn % 4 in (1, 2)
        if on:
            recorder.record()
        live.run(1)
        some, ages = live.collect(SECONDS)
        shown[on].append(len(some) / SECONDS)
        computed[on] += some
        aged[on] += ages
        if on:
            running: Any = recorder._recorder
            recorder.record()
            done = running.progress
            frames, dropped, size = frames + done.frames, dropped + done.dropped, size + done.bytes
            recorded += done.seconds
    live.close()
    rate = {on: statistics.median(values) for on, values in shown.items()}
    each = {on: 1000 * statistics.median(values) for on, values in computed.items()}
    age = {on: 1000 * statistics.median(values) for on, values in aged.items()}
    how = f"{frames / recorded:.1f} fps recorded, {dropped} of {frames + dropped} dropped, {size / recorded / 1e6:.1f} MB/s"
    return [
        Row(
            f"{words}, recording the {target}: frames shown",
            rate[False] / rate[True],
            "x fewer than without",
            MOST,
            f"{rate[True]:.1f} fps beside {rate[False]:.1f}; {how}",
        ),
        Row(
            f"{words}, recording the {target}: time per frame",
            each[True] / each[False],
            "x the time without",
            MOST,
            f"{each[True]:.1f} ms beside {each[False]:.1f}",
        ),
        Row(
            f"{words}, recording the {target}: frame age when drawn",
            age[True] - age[False],
            "ms more",
            None,
            f"{age[True]:.1f} ms beside {age[False]:.1f}",
        ),
    ]


def measure_steps() -> list[Row]:
    """Taking a picture of the window, which the window's thread does, and encoding it, which the recorder's does."""
    from explorer.recording.grab import grab
    from explorer.recording.recorder import encode, fitted

    live = Live(MOVING, "layers")
    live.window.resize(1366, 768)
    live.window.player.freeze(True)
    live.run(1)
    taking, encoding = [], []
    size = 0
    for _ in range(60):
        started = time.perf_counter()
        taken = grab(live.window)
        taking.append(time.perf_counter() - started)
        assert taken is not None
        height, width = taken.pixels.shape[:2]
        started = time.perf_counter()
        size = len(encode(fitted(taken.pixels, (width, height))))
        encoding.append(time.perf_counter() - started)
    live.close()
    return [
        Row("taking a picture of the window", 1000 * statistics.median(taking), "ms", None, f"{width}x{height}"),
        Row(
            "encoding it, in a thread of its own",
            1000 * statistics.median(encoding),
            "ms",
            None,
            f"{size / 1e3:.0f} kB",
        ),
    ]


def main() -> list[Row]:
    with TemporaryDirectory() as home:
        os.environ["CV_EXPLORER_HOME"] = home
        rows = measure_steps()
        calm, busy = MOVING + "?fps=30&size=1280x720", MOVING + "?fps=120&size=1280x720"
        for target in ("panel", "pictures", "window"):
            rows += measure(target, calm, "Layers on 1280x720 at 30 fps")
        # More frames than can be computed: whatever recording takes is missing in the frames shown.
        return rows + measure("window", busy, "Layers on 1280x720 at 120 fps")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    print(table(main()))
