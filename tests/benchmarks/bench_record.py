"""python tests/benchmarks/bench_record.py [SECONDS]: what capturing one layer costs beside the plain forward pass.

Plain and recorded passes of MobileNetV2 at 224 px take turns, so that other work on the machine meets both alike; medians and the
median of the paired ratios are printed, for layers with large and with small maps, on 2 threads.
"""

import sys
import time
from statistics import median

import torch

from cvcore.record import record
from cvcore.zoo import load

LAYERS = ("features.2.conv.0.2", "features.1", "features.3", "features.6", "features.13", "features.18")
"""features.2.conv.0.2 gives the largest map of all: 96 x 112 x 112."""


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    torch.set_num_threads(2)
    model = load("mobilenet_v2")
    x = torch.randn(1, 3, 224, 224).to(memory_format=torch.channels_last)
    plain: dict[str, list[float]] = {name: [] for name in LAYERS}
    recorded: dict[str, list[float]] = {name: [] for name in LAYERS}

    def timed(name: str | None) -> float:
        start = time.perf_counter()
        if name is None:
            model(x)
        else:
            with record(model, name):
                model(x)
        return time.perf_counter() - start

    with torch.inference_mode():
        for _ in range(10):
            model(x)
        end = time.perf_counter() + seconds
        turn = 0
        while time.perf_counter() < end:
            for name in LAYERS:
                order = (None, name) if turn % 2 else (name, None)
                for which in order:
                    (recorded if which else plain)[name].append(timed(which))
            turn += 1
    print(f"{turn} rounds; medians in ms, 2 threads")
    print(f"{'captured layer':22} {'plain':>7} {'recorded':>9} {'ratio':>7}  limit 1.10")
    for name in LAYERS:
        ratio = median(r / p for r, p in zip(recorded[name], plain[name], strict=True))
        print(f"{name:22} {1e3 * median(plain[name]):7.2f} {1e3 * median(recorded[name]):9.2f} {ratio:7.3f}")


if __name__ == "__main__":
    main()
