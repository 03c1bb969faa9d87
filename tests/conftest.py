"""What holds for every test: no window, no user's settings, few threads, nothing left behind. And which tests are quick.

``--quick`` leaves out the functions of ``slow.tsv``, which ``--record-slow`` writes anew from what a run of all tests took.
Of a file that has none but those the quickest is kept, so that every part of the program is touched. A test that is in no
list counts as quick.
"""

import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from shutil import rmtree

# Before anything imports torch, numba or Qt. The end-to-end tests give the program they start an environment of its own.
os.environ["QT_QPA_PLATFORM"] = "offscreen"
os.environ["LC_ALL"] = "C.UTF-8"
os.environ.setdefault("OMP_NUM_THREADS", "1" if "PYTEST_XDIST_WORKER" in os.environ else "2")

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("everywhere", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("everywhere"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "everywhere")


TESTS = Path(__file__).parent
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
"""The name of this process among those that share the tests; empty where there is only one."""


def own_compiled_loops() -> Path:
    """A folder for the loops that numba compiles, of this worker and these sources.

    Two processes that compile one function for different types at once can put the one's code under the other's name.
    And numba does not see that a loop taken in from another file has changed.
    """
    sources = [source.read_bytes() for source in sorted((TESTS.parent / "cvcore").rglob("*.py"))]
    stamp = sha256(b"".join(source for source in sources if b"numba" in source)).hexdigest()[:16]
    folder = TESTS.parent / ".numba_cache" / WORKER
    for old in folder.glob("*"):
        if old.name != stamp:
            rmtree(old, ignore_errors=True)
    return folder / stamp


if WORKER and "NUMBA_CACHE_DIR" not in os.environ:
    os.environ["NUMBA_CACHE_DIR"] = str(own_compiled_loops())

THREAD_PATIENCE = 60.0
"""Seconds that a thread told to stop may take for it, on a computer with much else to do."""

SLOW = TESTS / "slow.tsv"
SLOW_SECONDS = 0.4
"""What a function's cases take together, from which on it is slow."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("quick tests")
    group.addoption("--quick", action="store_true", help="only the tests that are not in tests/slow.tsv")
    group.addoption("--record-slow", action="store_true", help="write tests/slow.tsv from what this run takes")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.record_slow and not WORKER:
        config.pluginmanager.register(Recording())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.option.quick:
        return
    slow = dict(line.split("\t") for line in SLOW.read_text("utf-8").splitlines())
    kept: set[pytest.Item] = set()
    for _, group in groupby(items, key=lambda item: item.path):
        of_file = list(group)
        quick = [item for item in of_file if function_of(item.nodeid) not in slow]
        kept.update(quick or [min(of_file, key=lambda item: float(slow[function_of(item.nodeid)]))])
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = [item for item in items if item in kept]


def function_of(nodeid: str) -> str:
    """A test's file, class and function without the folder and the case: a file that moves keeps its entry."""
    return nodeid.partition("[")[0].rpartition("/")[2]


class Recording:
    """Adds up what the cases of each function take, and writes those that are slow."""

    def __init__(self) -> None:
        self._seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[function_of(report.nodeid)] += report.duration

    def pytest_sessionfinish(self) -> None:
        slow = sorted((name, seconds) for name, seconds in self._seconds.items() if seconds >= SLOW_SECONDS)
        SLOW.write_text("".join(f"{name}\t{seconds:.1f}\n" for name, seconds in slow), "utf-8")


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder for settings, logs and caches, and English words."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("CV_EXPLORER_HOME", str(home))
    yield home
    if "explorer.i18n" in sys.modules:
        sys.modules["explorer.i18n"].set_language("en")


def _threads() -> set[threading.Thread]:
    """Python's own threads; a _DummyThread stands for one of Qt's or OpenMP's that once called Python."""
    return {thread for thread in threading.enumerate() if not isinstance(thread, threading._DummyThread)}


@pytest.fixture(autouse=True)
def no_leaks(own_home: Path) -> Iterator[None]:
    """Fails a test that leaves a thread running or a window open."""
    threads = _threads()
    yield
    for thread in _threads() - threads:
        if type(thread).__name__ != "TMonitor":  # tqdm's, one for the process
            thread.join(THREAD_PATIENCE)
            assert not thread.is_alive(), f"the test left the thread {thread.name!r} running"
    widgets = sys.modules.get("PySide6.QtWidgets")
    if widgets is not None and widgets.QApplication.instance() is not None:
        windows = [window for window in widgets.QApplication.topLevelWidgets() if window.isVisible()]
        for window in windows:
            window.close()
        assert not windows, f"the test left windows open: {windows}"
