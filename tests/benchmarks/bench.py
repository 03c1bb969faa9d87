"""Runs the benchmarks and prints their Markdown tables: ``make bench``, or ``python tests/benchmarks/bench.py [NAME ...]``.

A benchmark is a script beside this one that prints a table; ``NAME`` is its file name without the ending. Each runs in a process of its
own, one after another, on a private display, so that none inherits another's threads, memory or window. What is to be compared is
measured in the same run and taking turns, since a machine's speed drifts::

    from bench import Row, interleaved, table

    def main() -> list[Row]:
        seconds = interleaved({"bare": forward, "captured": captured_forward})
        ratio = seconds["captured"] / seconds["bare"]
        return [Row("capturing one layer", ratio, "x the plain forward pass", most=1.10)]

    if __name__ == "__main__":
        print(table(main()))

Nothing here is asserted: a missed target is marked in the table, and only a benchmark that breaks makes the exit code 1.
"""

import argparse
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
THREADS = os.cpu_count() or 1


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        what: what was measured, in words.
        value: the number, in ``unit``.
        most: the target, which the value should not exceed; None where there is none.
        note: how it came about, such as the numbers behind a ratio.
    """

    what: str
    value: float
    unit: str
    most: float | None = None
    note: str = ""

    def __str__(self) -> str:
        target = "" if self.most is None else f"≤ {self.most:g}"
        verdict = "" if self.most is None else "yes" if self.value <= self.most else "**missed**"
        return f"| {self.what} | {self.value:.4g} {self.unit} | {target} | {verdict} | {self.note} |"


def interleaved(
    cases: Mapping[str, Callable[[], Any]],
    *,
    runs: int = 30,
    warm_up: int = 3,
    prepare: Callable[[], Any] = lambda: None,
) -> dict[str, float]:
    """The median seconds of each case over ``runs`` rounds; in every round each case runs once, in turning order.

    Args:
        warm_up: rounds that are not counted.
        prepare: runs before each case, not counted; synchronise a GPU here and at the end of each case.
    """
    names = list(cases)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for round_number in range(warm_up + runs):
        turn = round_number % len(names)
        for name in names[turn:] + names[:turn]:
            prepare()
            start = time.perf_counter()
            cases[name]()
            seconds = time.perf_counter() - start
            if round_number >= warm_up:
                taken[name].append(seconds)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least ``share`` (0 to 1) of the values do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def machine() -> str:
    """Processor, system and the versions that decide speed, in one line."""
    name = platform.processor() or platform.machine()
    if (cpu := Path("/proc/cpuinfo")).exists():
        names = [
            line.partition(":")[2].strip()
            for line in cpu.read_text("utf-8").splitlines()
            if line.startswith("model name")
        ]
        name = names[0] if names else name
    versions = ", ".join(
        f"{package} {version(package)}" for package in ("torch", "PySide6-Essentials", "opencv-python", "numpy")
    )
    return f"{name}, {THREADS} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}, {versions}"


def table(rows: Iterable[Row]) -> str:
    """The rows as Markdown."""
    return "\n".join(("| what | measured | target | met | how |", "|---|---|---|---|---|", *map(str, rows)))


def run(names: Sequence[str]) -> list[str]:
    """Runs benchmarks one after another; returns those that broke."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    broken = []
    for name in names:
        print(f"\n{name.removeprefix('bench_')}\n", flush=True)
        done = subprocess.run([sys.executable, str(HERE / f"{name}.py")], cwd=ROOT, env=environment, check=False)
        if done.returncode:
            broken.append(name)
    return broken


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the benchmarks and prints their tables.")
    parser.add_argument("names", nargs="*", help="which; default all")
    names = parser.parse_args().names or sorted(path.stem for path in HERE.glob("*.py") if path.stem != "bench")
    sys.path.insert(0, str(HERE.parent / "e2e"))
    from desktop import MISSING, Desktop

    print(machine())
    with nullcontext() if MISSING else Desktop(1920, 1080) as desktop:
        if desktop:
            os.environ["DISPLAY"] = desktop.display
        broken = run(names)
    for name in broken:
        print(f"The benchmark {name} broke; see above.", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
