"""What a soak looks at from time to time: memory, threads, open files, objects and widgets of this process."""

import csv
import ctypes
import gc
import os
import sys
import threading
import traceback
from collections import Counter
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TextIO

from PySide6.QtCore import QObject, qInstallMessageHandler
from PySide6.QtWidgets import QApplication, QMainWindow, QTabBar

PROC = Path("/proc/self")
INDENT = 4
"""Spaces for each depth in Qt's list of objects."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look.

    Args:
        seconds: since the soak began.
        resting: the window showed the same as at every other resting sample: only these can be compared.
        rss: MB of memory in use by the process; 0 where the system does not tell. It rises with every part of a library whose code
            runs for the first time, so it is shown and not judged.
        own: MB of that which are no file's: all that the program could leak; with what the allocator keeps between its blocks. 0
            where the system does not tell.
        held: MB that the program has got from the C library's allocator and not freed; only at rest, and 0 without glibc.
        threads: of the process, Qt's and OpenMP's among them; elsewhere than on Linux Python's own.
        handles: open files and sockets; 0 where the system does not tell.
        widgets: of Qt, hidden ones too, without the tab bars between docks.
        objects: QObjects below the windows; only at rest, else 0.
        python: objects that Python's garbage collector watches; only at rest, else 0.
        frames: results that were drawn so far.
        actions: done so far.
        problems: found so far.
    """

    seconds: float
    resting: bool
    rss: float
    own: float
    held: float
    threads: int
    handles: int
    widgets: int
    objects: int
    python: int
    frames: int
    actions: int
    problems: int


def rss() -> float:
    """MB."""
    try:
        return int((PROC / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return 0.0


def own() -> float:
    """MB that no file stands behind, in memory or swapped out."""
    try:
        lines = dict(line.split(":", 1) for line in (PROC / "status").read_text().splitlines())
        return sum(int(lines[name].split()[0]) for name in ("RssAnon", "RssShmem", "VmSwap")) * 1024 / 1e6
    except (OSError, KeyError):
        return 0.0


class _Allocated(ctypes.Structure):
    """glibc's ``struct mallinfo2``, of all arenas."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in [
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        ]
    )


def held() -> float:
    """MB in blocks of the allocator that were not freed, small ones and those with a mapping of their own."""
    try:
        tell = ctypes.CDLL(None).mallinfo2
    except (OSError, AttributeError, TypeError):
        return 0.0
    tell.restype = _Allocated
    found = tell()
    return float(found.uordblks + found.hblkhd) / 1e6


def threads() -> int:
    try:
        return len(os.listdir(PROC / "task"))
    except OSError:
        return threading.active_count()


def handles() -> int:
    try:
        return len(os.listdir(PROC / "fd")) - 1  # the one that lists them
    except OSError:
        return 0


def handle_names() -> Counter[str]:
    """What the open files and sockets are, so that one too many can be named."""
    found: Counter[str] = Counter()
    try:
        numbers = os.listdir(PROC / "fd")
    except OSError:
        return found
    for number in numbers:
        try:
            found[os.readlink(PROC / "fd" / number).split(":[")[0]] += 1
        except OSError:
            continue
    return found


def thread_names() -> Counter[str]:
    found: Counter[str] = Counter()
    try:
        for task in (PROC / "task").iterdir():
            found[(task / "comm").read_text().strip()] += 1
    except OSError:
        pass
    return found


def left_threads() -> list[str]:
    """Python's own threads besides the first; a _DummyThread stands for one of Qt's that once called Python."""
    rest = [one for one in threading.enumerate() if one is not threading.main_thread()]
    rest = [one for one in rest if not isinstance(one, threading._DummyThread) and type(one).__name__ != "TMonitor"]
    for one in rest:
        one.join(10)
    return [one.name for one in rest if one.is_alive()]


def stacks() -> str:
    """What every thread is doing, innermost call last."""
    names = {one.ident: one.name for one in threading.enumerate()}
    lines = []
    for ident, frame in sys._current_frames().items():
        calls = [
            f"{Path(call.filename).name}:{call.lineno} {call.name}" for call in traceback.extract_stack(frame)[-8:]
        ]
        lines.append(f"{names.get(ident, ident)}: {' > '.join(calls)}")
    return "\n".join(lines)


def kinds() -> Counter[str]:
    """How many Python objects of each kind there are."""
    gc.collect()
    return Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())


def widgets() -> int:
    return sum(not _is_of_a_tab_bar(one) for one in QApplication.allWidgets())


def qobjects() -> int:
    """The windows, and all below them.

    ``findChildren`` would make each of them a Python object that belongs to the window and stays after the widget is gone; Qt's
    own list is read instead: a line for each, indented by its depth.
    """
    lines: list[str] = []
    before = qInstallMessageHandler(lambda kind, context, message: lines.append(message or ""))
    try:
        windows = [window for window in QApplication.topLevelWidgets() if window.parent() is None]
        for window in windows:
            window.dumpObjectTree()
    finally:
        qInstallMessageHandler(before)
    count, tab_bar = 0, False
    for line in lines:
        depth = (len(line) - len(line.lstrip())) // INDENT
        if depth < 2:
            tab_bar = depth == 1 and line.strip().partition("::")[0].endswith("TabBar")
        count += not tab_bar
    return count


def _is_of_a_tab_bar(one: QObject | None) -> bool:
    """Part of a tab bar between docks: the main window keeps those that it does not need for later, now more of them, now fewer."""
    while one is not None:
        if isinstance(one, QTabBar) and isinstance(one.parent(), QMainWindow):
            return True
        one = one.parent()
    return False


class Log:
    """The samples as CSV, each written at once: they are there however the soak ends."""

    def __init__(self, path: Path) -> None:
        self.samples: list[Sample] = []
        self._file: TextIO = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.DictWriter(self._file, [f.name for f in fields(Sample)])
        self._writer.writeheader()

    def add(self, sample: Sample) -> None:
        self.samples.append(sample)
        row = asdict(sample) | {"seconds": round(sample.seconds, 1), "rss": round(sample.rss, 1)}
        row |= {"own": round(sample.own, 1), "held": round(sample.held, 1)}
        self._writer.writerow(row)
        self._file.flush()

    def close(self) -> None:
        self._file.close()
