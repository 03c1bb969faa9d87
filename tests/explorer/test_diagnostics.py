"""The log: sentences on the terminal, tracebacks in the file, uncaught errors in both."""

import logging
import sys
import threading
from collections.abc import Iterator

import pytest

from explorer.settings.diagnostics import describe, log_file, start_log


@pytest.fixture
def root_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    yield
    for handler in root.handlers[:]:
        if handler not in before:
            root.removeHandler(handler)
            handler.close()
    root.setLevel(level)


def test_the_terminal_gets_a_sentence_and_the_file_the_traceback(
    root_log: None, capsys: pytest.CaptureFixture[str]
) -> None:
    start_log()
    log = logging.getLogger("explorer.somewhere")
    try:
        raise ValueError("the lens is dirty")
    except ValueError:
        log.exception("the panel %s failed", "probe")
    log.info("a detail")
    assert capsys.readouterr().err == "cv-explorer: the panel probe failed\n"
    written = log_file().read_text("utf-8")
    assert "ValueError: the lens is dirty" in written
    assert "Traceback" in written
    assert "a detail" in written


def test_errors_nobody_caught_are_logged(root_log: None, capsys: pytest.CaptureFixture[str]) -> None:
    start_log()

    def work() -> None:
        raise RuntimeError("lost in a thread")

    thread = threading.Thread(target=work, name="worker")
    thread.start()
    thread.join()
    assert "uncaught: lost in a thread" in capsys.readouterr().err
    assert "RuntimeError: lost in a thread" in describe(camera="none")
    assert "camera: none" in describe(camera="none")


def test_a_log_that_cannot_be_written_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object, capsys: pytest.CaptureFixture[str], root_log: None
) -> None:
    start_log()
    log_file().parent.joinpath("file").write_text("")
    monkeypatch.setenv("CV_EXPLORER_HOME", str(log_file().parent / "file"))
    start_log()
    assert "there is no log file" in capsys.readouterr().err
