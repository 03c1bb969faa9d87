"""python tests/benchmarks/bench_nanodet.py: milliseconds of the detector's steps on the CPU, on 1 and 2 threads.

The least of several runs of each step is printed, beside the median: other work on the machine adds to both, less to the least.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch

from cvcore import zoo
from cvcore.models.nanodet import NanoDet
from cvcore.ops.letterbox import letterbox

VIDEO_FRAME = (720, 1280, 3)
TARGET_MS = 1000 / 15


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; times in milliseconds."""

    step: str
    threads: int
    least: float
    middle: float


def measure(work: Callable[[], object], *, repeats: int = 20) -> tuple[float, float]:
    """Least and median milliseconds, after two runs to warm up."""
    times = []
    for turn in range(repeats + 2):
        start = time.perf_counter()
        work()
        if turn > 1:
            times.append((time.perf_counter() - start) * 1e3)
    return min(times), median(times)


@torch.no_grad()
def rows() -> list[Row]:
    """Every step at 416 x 416 on one 1280 x 720 frame, and the whole of it, also padded no more than needed."""
    detector = zoo.load("nanodet")
    assert isinstance(detector, NanoDet)
    frame = np.random.default_rng(0).integers(0, 256, VIDEO_FRAME, np.uint8)
    x, transform = detector.preprocess(frame)
    features = detector.backbone(x)
    pyramid = detector.neck(features)
    outputs = detector.head(pyramid)
    candidates = detector.decode(outputs)[0]
    steps: dict[str, Callable[[], object]] = {
        "letterbox 1280 x 720 -> 416 x 416": lambda: letterbox(frame),
        "preprocess (letterbox and normalise)": lambda: detector.preprocess(frame),
        "backbone": lambda: detector.backbone(x),
        "neck": lambda: detector.neck(features),
        "head": lambda: detector.head(pyramid),
        "decode 3549 candidates": lambda: detector.decode(outputs),
        "to picture coordinates": lambda: candidates.to_picture(transform),
        "forward (backbone, neck, head, decode)": lambda: detector(x),
        "detect (all of it)": lambda: detector.detect(frame),
        "detect, tight padding (416 x 256)": lambda: detector.detect(frame, tight=True),
    }
    before = torch.get_num_threads()
    table = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        table += [Row(name, threads, *measure(work)) for name, work in steps.items()]
    torch.set_num_threads(before)
    return table


def main() -> None:
    print(f"{'NanoDet on the CPU':<42}{'threads':>8}{'least':>10}{'median':>10}   ms")
    for row in rows():
        note = ""
        if row.step.startswith("detect"):
            note = f"   {1000 / row.middle:.0f} frames/s, {TARGET_MS / row.middle:.1f} x the 15 asked for"
        print(f"{row.step:<42}{row.threads:>8}{row.least:>10.2f}{row.middle:>10.2f}{note}")


if __name__ == "__main__":
    main()
