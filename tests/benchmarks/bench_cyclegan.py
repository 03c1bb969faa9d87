"""CycleGAN: the generators alone, and the panel live: one direction, both with their cycles, and a camera's frame in tiles.

The reference generator is the paper's for 256 px (64 filters, 9 blocks); its weights do not change its time, so they are random.
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

from cvcore.models.cyclegan import ResnetGenerator
from cvcore.tiling import in_tiles
from cvcore.zoo import load

CARD = "cyclegan_ukiyoe"
PEERS = 419
"""ms that the reference generator takes elsewhere on the same two cores."""
SECONDS = 10


def seconds_of(work: Callable[[], object], rounds: int, warm_up: int = 2) -> float:
    taken = []
    for _ in range(warm_up + rounds):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return median(taken[warm_up:])


def measure_generators(rounds: int = 20, size: int = 256) -> list[Row]:
    """Our generator on one and two threads, the reference on two, at size x size."""
    threads = torch.get_num_threads()
    networks = load(CARD)
    ours, judge = networks.generator_ab, networks.discriminator_b
    reference = ResnetGenerator().requires_grad_(False).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = (2 * torch.rand(1, 3, size, size) - 1).to(memory_format=torch.channels_last)
    rows = []
    with torch.inference_mode():
        for count in (1, 2):
            torch.set_num_threads(count)
            words = "thread" if count == 1 else "threads"
            each = 1e3 * seconds_of(lambda: ours(x), rounds)
            rows.append(Row(f"CycleGAN, our generator at {size}x{size}, {count} {words}", each, "ms"))
        each = 1e3 * seconds_of(lambda: judge(x), rounds)
        rows.append(Row(f"CycleGAN, our discriminator at {size}x{size}, 2 threads", each, "ms"))
        each = 1e3 * seconds_of(lambda: reference(x), max(1, rounds // 4), 1)
        rows.append(
            Row(f"CycleGAN, reference generator (64 filters, 9 blocks) at {size}x{size}, 2 threads", each, "ms", PEERS)
        )
    torch.set_num_threads(threads)
    return rows


def measure_tiles(width: int = 1920, height: int = 1080) -> list[Row]:
    """A camera's frame in tiles of 256 px, whose mean and variance are shared; its height cut to a multiple of 8."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    generator = load(CARD).generator_ab
    x = (2 * torch.rand(1, 3, height // 8 * 8, width // 8 * 8) - 1).to(memory_format=torch.channels_last)
    tiles = []
    each = seconds_of(lambda: in_tiles(generator, x, on_tile=lambda done, of: tiles.append(of)), 1, 0)
    torch.set_num_threads(threads)
    return [
        Row(f"CycleGAN, a {width}x{height} frame in tiles, 2 threads", each, "s", None, f"{tiles[-1]} tiles of 256 px")
    ]


def measure_live() -> list[Row]:
    """The panel at 256 px on a 30 fps source of square pictures, with two threads."""
    live = Live(MOVING + "?fps=30&size=640x640", "cyclegan")
    live.dock.computes_on = ("cpu", "float32", 2)
    live.dock.task_changed.emit()
    live.run(120, until=lambda: live.dock.result is not None)  # on a busy machine the first result takes its time
    rows = []
    for what, fields, fps in (
        ("one direction", {"show": "one translation"}, 8),
        ("both directions with both cycles", {"show": "both directions and back", "other": "the same picture"}, 2),
        ("discriminator B", {"show": "discriminators", "other": "a built-in picture"}, None),
    ):  # fmt: skip
        live.dock.set_fields(fields)
        live.run(3)
        computed, ages = live.collect(SECONDS)
        if not computed:
            raise RuntimeError(f"nothing was shown in {SECONDS} s")
        shown = len(computed) / SECONDS
        how = f"{shown:.1f} fps; {1000 * statistics.median(computed):.0f} ms of computing; frames are "
        how += f"{1000 * statistics.median(ages):.0f} ms old when drawn"
        rows.append(
            Row(
                f"CycleGAN panel at 256x256, 2 threads: {what}",
                1000 / shown,
                "ms a frame",
                None if fps is None else 1000 / fps,
                how,
            )
        )
    live.close()
    return rows


def main() -> list[Row]:
    sys.path.insert(0, str(ROOT))
    with TemporaryDirectory() as home:
        os.environ["CV_EXPLORER_HOME"] = home
        return [*measure_generators(), *measure_tiles(), *measure_live()]


if __name__ == "__main__":
    print(table(main()))
