"""What capturing one layer costs beside the plain forward pass: MobileNetV2 at 224 px on 2 threads.

Plain and recorded passes take turns, and each pair gives one ratio, so that other work on the machine meets both alike.
"""

import time
from statistics import median

import torch
from bench import Row, table

from cvcore.record import record
from cvcore.zoo import load

LAYERS = ("features.2.conv.0.2", "features.0", "features.3", "features.13", "features.18")
"""The first gives the largest map of all: 96 x 112 x 112."""
ROUNDS = 120
WARM_UP = 10


def main() -> list[Row]:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    model = load("mobilenet_v2")
    x = torch.randn(1, 3, 224, 224).to(memory_format=torch.channels_last)

    def plain() -> None:
        model(x)

    def recorded(name: str) -> None:
        with record(model, name):
            model(x)

    times: dict[str, list[tuple[float, float]]] = {name: [] for name in LAYERS}
    with torch.inference_mode():
        for _ in range(WARM_UP):
            plain()
        for turn in range(ROUNDS):
            for name in LAYERS:
                first = time.perf_counter()
                plain() if turn % 2 else recorded(name)
                second = time.perf_counter()
                recorded(name) if turn % 2 else plain()
                spent = second - first, time.perf_counter() - second
                times[name].append(spent if turn % 2 else spent[::-1])
    torch.set_num_threads(threads)
    return [
        Row(
            f"capturing {name}",
            median(recorded / plain for plain, recorded in pairs),
            "× the plain forward pass",
            most=1.10,
            note=f"{1e3 * median(p for p, _ in pairs):.2f} ms and {1e3 * median(r for _, r in pairs):.2f} ms",
        )
        for name, pairs in times.items()
    ]


if __name__ == "__main__":
    print(table(main()))
