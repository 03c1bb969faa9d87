"""What it costs to keep every attention block, beside the plain pass and the network without CBAM; and the CBAM panel, live.

Passes take turns, and each round gives one ratio, so that other work on the machine meets all alike.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from statistics import median
from tempfile import TemporaryDirectory

import torch
from bench import Row, table
from bench_live import MOVING, ROOT, Live

from cvcore.nn.cbam_network import trace_attention
from cvcore.zoo import load

ROUNDS = 150
WARM_UP = 10
SECONDS = 10


def measure_trace(size: int = 224) -> list[Row]:
    """Traced and plain passes at size x size on 2 threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    with_cbam, without = load("mobilenet_v2_cbam"), load("mobilenet_v2")
    x = torch.randn(1, 3, size, size).to(memory_format=torch.channels_last)
    cases: dict[str, Callable[[], object]] = {
        "plain": lambda: with_cbam(x),
        "traced": lambda: trace_attention(with_cbam, x),
        "without": lambda: without(x),
    }
    names = list(cases)
    rounds: list[dict[str, float]] = []
    with torch.inference_mode():
        for turn in range(WARM_UP + ROUNDS):
            taken = {}
            for name in names[turn % 3 :] + names[: turn % 3]:
                started = time.perf_counter()
                cases[name]()
                taken[name] = time.perf_counter() - started
            rounds.append(taken)
    torch.set_num_threads(threads)
    rounds = rounds[WARM_UP:]
    plain, traced, bare = (1e3 * median(taken[name] for taken in rounds) for name in names)

    def ratio(one: str, other: str) -> float:
        return median(taken[one] / taken[other] for taken in rounds)

    return [
        Row("MobileNetV2 with CBAM: all 7 blocks traced", ratio("traced", "plain"), "× the plain forward pass", 1.15,
            f"{traced:.2f} ms and {plain:.2f} ms"),
        Row("MobileNetV2 with CBAM", ratio("plain", "without"), "× MobileNetV2 without it", None, f"{plain:.2f} ms and {bare:.2f} ms"),
        Row("MobileNetV2 with CBAM, traced", ratio("traced", "without"), "× MobileNetV2 without it", None,
            f"{traced:.2f} ms and {bare:.2f} ms"),
    ]  # fmt: skip


def measure_live() -> list[Row]:
    """The panel at its default size on a 30 fps source: all blocks; then with attention off and Grad-CAM beside it."""
    live = Live(MOVING + "?fps=30&size=1280x720", "cbam")
    live.run(120, until=lambda: live.dock.result is not None)  # on a busy machine the first result takes its time
    rows = []
    for what, fields in (
        ("all blocks", {"show": "all blocks"}),
        ("one block with all its maps, bars and features", {"show": "one block"}),
        ("all blocks, attention off, the unchanged prediction and Grad-CAM beside it",
         {"show": "all blocks", "channel_attention": "off", "grad_cam": True}),
    ):  # fmt: skip
        live.dock.set_fields(fields)
        live.run(2)
        computed, ages = live.collect(SECONDS)
        target = what == "all blocks"
        each = 1000 * statistics.median(computed)
        shown = len(computed) / SECONDS
        how = f"{shown:.1f} fps; {each:.1f} ms of computing; frames are {1000 * statistics.median(ages):.0f} ms old when drawn"
        rows.append(
            Row(f"CBAM on 1280x720 at 30 fps: {what}", 1000 / shown, "ms a frame", 1000 / 12 if target else None, how)
        )
    live.close()
    return rows


def main() -> list[Row]:
    sys.path.insert(0, str(ROOT))
    with TemporaryDirectory() as home:
        os.environ["CV_EXPLORER_HOME"] = home
        return [*measure_trace(), *measure_live()]


if __name__ == "__main__":
    print(table(main()))
