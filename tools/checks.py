"""``python -m tools.checks STAGE ... [-- ARGUMENTS OF PYTEST]``: the project's checks, each with what it does and how long it took.

A stage is one part, or several joined by ``+`` that run beside each other: ``python -m tools.checks lint+types unit e2e``.
What a part says that runs beside others comes when it ends, in one piece. After a stage in which something failed no other
begins. The exit code is 0, 1 when something failed, or 2 for a wrong command line.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORKER_BYTES = 2**31
"""Memory that a process of tests may need, together with the programs it starts."""
MOST_WORKERS = 8
"""Each has to collect all tests first, which more processes do not gain back."""


@dataclass(frozen=True, slots=True)
class Part:
    """One check.

    Args:
        about: what it does, for a person.
        commands: arguments of Python, run one after another up to the first that fails.
        aim: seconds that it is meant to take; more is said and is no failure. 0 for no aim.
    """

    about: str
    commands: tuple[tuple[str, ...], ...]
    aim: float = 0.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a part ended."""

    name: str
    passed: bool
    seconds: float

    def __str__(self) -> str:
        aim = PARTS[self.name].aim
        late = f"; it is meant to take at most {aim:.0f} s" if aim and self.seconds > aim else ""
        return f"{self.name} {'passed' if self.passed else 'FAILED'} in {said(self.seconds)}{late}"


UNIT = ("-m", "pytest", "tests", "--ignore", "tests/e2e", "--ignore", "tests/benchmarks")
IMPORT_LINTER = "from importlinter.cli import lint_imports_command as run; run()"
PARTS = {
    "lint": Part("rules and formatting, by ruff", (("-m", "ruff", "check", "."), ("-m", "ruff", "format", "--check", "."))),
    "types": Part("types, by mypy; what may import what, by import-linter", (("-m", "mypy"), ("-c", IMPORT_LINTER))),
    "quick": Part("the fast tests of every file", ((*UNIT, "--quick"),), aim=60),
    "unit": Part("all tests that need no window on a display", (UNIT,)),
    "e2e": Part(
        "the program in windows on displays of their own, driven by mouse and keys",
        (("-m", "explorer.settings.system", "--install", "xvfb", "xdotool"), ("-m", "pytest", "tests/e2e")),
    ),
}  # fmt: skip


def workers(cores: int, memory: int) -> int:
    """How many processes share the tests.

    Args:
        cores: that may be used.
        memory: of the computer, in bytes.
    """
    return max(1, min(cores, memory // WORKER_BYTES, MOST_WORKERS))


def workers_here() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if hasattr(os, "sysconf"):
        return workers(cores, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return workers(cores, 2 * WORKER_BYTES)  # Windows does not tell as easily


def said(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"


def tell(sign: str, words: str) -> None:
    print(f"{sign * 3} {words}", flush=True)


def run(name: str, arguments: Sequence[str], kept: list[bytes] | None = None) -> Ended:
    """Runs a part.

    Args:
        arguments: for pytest, where the part runs it.
        kept: takes what it says, which is else shown as it comes.
    """
    began, code = time.perf_counter(), 0
    for command in PARTS[name].commands:
        line = [sys.executable, *command]
        if "pytest" in command:
            # worksteal: neighbours stay together, since they share what a module sets up, and no process is idle at the end
            line += ["-n", str(workers_here()), "--dist", "worksteal", *arguments]
        if kept is None:
            code = subprocess.run(line, cwd=ROOT, check=False).returncode
        else:
            ended = subprocess.run(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            kept.append(ended.stdout)
            code = ended.returncode
        if code:
            break
    return Ended(name, code == 0, time.perf_counter() - began)


def run_stage(names: Sequence[str], arguments: Sequence[str]) -> list[Ended]:
    """Runs parts beside each other, and tells of each when it begins and when it ends."""
    for name in names:
        tell("=", f"{name}: {PARTS[name].about}")
    if len(names) == 1:
        tell("-", str(ended := run(names[0], arguments)))
        return [ended]
    kept: dict[str, list[bytes]] = {name: [] for name in names}
    every = []
    with ThreadPoolExecutor(len(names)) as pool:
        for future in as_completed([pool.submit(run, name, arguments, kept[name]) for name in names]):
            every.append(ended := future.result())
            sys.stdout.buffer.write(b"".join(kept[ended.name]))
            tell("-", str(ended))
    return every


def main(words: Sequence[str]) -> int:
    """Runs the stages of a command line; returns the exit code."""
    if not words or words[0] in ("-h", "--help"):
        print(__doc__.strip(), "", *(f"{name:6} {part.about}" for name, part in PARTS.items()), sep="\n")
        return 2 if not words else 0
    words, arguments = (words[: words.index("--")], words[words.index("--") + 1 :]) if "--" in words else (words, [])
    stages = [word.split("+") for word in words]
    if unknown := [name for stage in stages for name in stage if name not in PARTS]:
        print(f"there are the parts {', '.join(PARTS)}, but not {', '.join(unknown)}", file=sys.stderr)
        return 2
    began, ended = time.perf_counter(), list[Ended]()
    for stage in stages:
        ended += run_stage(stage, arguments)
        if not all(one.passed for one in ended):
            break
    if len(ended) > 1:
        passed = all(one.passed for one in ended)
        tell("=", f"{'All passed' if passed else 'FAILED'} in {said(time.perf_counter() - began)}")
        for one in ended:
            tell("-", str(one))
    return 0 if all(one.passed for one in ended) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
