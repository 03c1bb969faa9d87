"""What holds for every test: no window, no user's settings, two threads, nothing left behind."""

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

# Before anything imports torch, numba or Qt. The end-to-end tests give the program they start an environment of its own.
os.environ["QT_QPA_PLATFORM"] = "offscreen"
os.environ["LC_ALL"] = "C.UTF-8"
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("NUMBA_NUM_THREADS", "2")

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("everywhere", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("everywhere"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "everywhere")

THREAD_PATIENCE = 5.0
"""Seconds that a thread told to stop may take for it."""


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
