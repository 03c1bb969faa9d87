"""Bundles in the window: saved from a panel, opened again, compared, and refused with a sentence."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtWidgets import QFileDialog, QLabel, QTableWidget
from pytestqt.qtbot import QtBot

from cvcore.assets import asset
from explorer.bundle.dialog import ReportDialog
from explorer.bundle.format import read_bundle
from explorer.bundle.leaves import compare, take_apart
from explorer.panel import Context, Frame
from explorer.registry import Registry, find_panels
from explorer.settings.session import OpenPanel, Settings, load_settings
from explorer.window import desk as desk_module
from explorer.window.main import MainWindow
from tests.explorer.panels_for_tests import Params, Trace, make_panel

WAIT = 60_000
COFFEE = str(asset("pictures", "coffee.jpg"))
PICTURE = Settings(language="en", panels=(OpenPanel("picture", 1),), threads=1)


@pytest.fixture
def open_window(qtbot: QtBot) -> Iterator[Callable[..., MainWindow]]:
    windows: list[MainWindow] = []

    def make(settings: Settings = PICTURE, source: str = COFFEE) -> MainWindow:
        window = MainWindow(settings, source)
        windows.append(window)
        qtbot.addWidget(window)
        window.resize(1000, 700)
        with qtbot.waitExposed(window):
            window.show()
        window.start()
        qtbot.waitUntil(lambda: all(dock.result is not None or dock.error for dock in window.desk.docks), timeout=WAIT)
        return window

    yield make
    for window in windows:
        window.close()


def save(window: MainWindow, path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    window.actions_by_name["save_bundle"].trigger()
    qtbot.waitUntil(lambda: window.statusBar().currentMessage() == f"Saved as {path}.", timeout=WAIT)


def banner(window: MainWindow) -> str:
    label = window.findChild(QLabel, "banner")
    assert isinstance(label, QLabel)
    return label.text()


def test_a_saved_bundle_shows_the_same_again(
    open_window: Any, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = open_window()
    dock = window.desk.docks[0]
    dock.set_fields({"log_counts": True, "channel": "red"})
    qtbot.waitUntil(lambda: dock.result.task.params.log_counts, timeout=WAIT)
    before = dock.result
    path = tmp_path / "a.cvbundle"
    save(window, path, qtbot, monkeypatch)
    window.opener.open(str(asset("pictures", "dog.jpg")))
    dock.set_fields({"log_counts": False, "channel": "all"})
    qtbot.waitUntil(lambda: dock.result.frame.source == "dog.jpg", timeout=WAIT)

    with qtbot.waitSignal(window.bundles.reported, timeout=WAIT) as told:
        window.opener.open(str(path))
    assert told.args[0].same
    assert told.args[0].facts == ()
    assert window.desk.docks == [dock]
    assert (dock.params.log_counts, dock.view.channel) == (True, "red")
    assert np.array_equal(dock.result.frame.image, before.frame.image)
    assert compare(take_apart(before.trace), take_apart(dock.result.trace)) == ()
    assert banner(window).startswith("Computed again and the same, bit for bit: 3 arrays")
    assert window.findChild(ReportDialog) is None
    assert read_bundle(path).figure[:4] == b"\x89PNG"

    window.opener.open(COFFEE)
    qtbot.waitUntil(lambda: banner(window) == "", timeout=WAIT)


def test_started_with_a_bundle_and_started_again(
    open_window: Any, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.cvbundle"
    first = open_window()
    save(first, path, qtbot, monkeypatch)
    first.close()
    window = MainWindow(Settings(language="en", panels=()), str(path))
    qtbot.addWidget(window)
    window.show()
    with qtbot.waitSignal(window.bundles.reported, timeout=WAIT) as told:
        window.start()
    assert told.args[0].same
    assert [dock.name for dock in window.desk.docks] == ["picture"]
    window.close()
    settings, message = load_settings()
    assert (settings.source, message) == (str(path), "")
    again = open_window(settings, "")
    assert len(again.desk.docks) == 1
    assert again.desk.docks[0].result.frame.source == "coffee.jpg"


def test_what_differs_is_shown_and_the_saved_trace_stays_in_view(
    open_window: Any, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shift = [0.0]

    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        return Trace(1.0, frame.image.mean(axis=2).astype(np.float32) + shift[0])

    panels = {**find_panels().panels, "probe": make_panel(compute=compute)}
    monkeypatch.setattr(desk_module, "find_panels", lambda: Registry(panels, {}))
    window = open_window(Settings(language="en", panels=(OpenPanel("probe", 1),)))
    dock = window.desk.docks[0]
    saved = dock.result.trace.values
    save(window, tmp_path / "a.cvbundle", qtbot, monkeypatch)
    shift[0] = 0.25
    with qtbot.waitSignal(window.bundles.reported, timeout=WAIT) as told:
        window.opener.open(str(tmp_path / "a.cvbundle"))
    report = told.args[0]
    assert [one.name for one in report.differences] == ["values"]
    assert report.differences[0].largest == pytest.approx(0.25)
    assert np.array_equal(dock.result.trace.values, saved)
    assert banner(window).endswith("by up to 0.25. The panel shows what was saved.")
    dialog = window.findChild(ReportDialog)
    table = dialog.findChild(QTableWidget, "differences")
    assert [table.item(0, column).text() for column in (0, 3)] == ["values", "0.25 in 240000 of 240000"]
    dialog.close()
    dock.set_fields({"factor": 2})
    qtbot.waitUntil(lambda: not np.array_equal(dock.result.trace.values, saved), timeout=WAIT)


def test_the_memory_of_a_panel_is_neither_lost_nor_mixed_up(
    open_window: Any, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        return Trace((context.previous.mean if context.previous else 0.0) + 1, np.zeros((2, 2)))

    panels = {"probe": make_panel(compute=compute)}
    monkeypatch.setattr(desk_module, "find_panels", lambda: Registry(panels, {}))
    window = open_window(Settings(language="en", panels=(OpenPanel("probe", 1),)))
    dock = window.desk.docks[0]
    for factor in (2, 3, 4):
        dock.set_fields({"factor": factor})
        qtbot.waitUntil(lambda factor=factor: dock.result.task.params.factor == factor, timeout=WAIT)
    steps = dock.result.trace.mean
    assert steps >= 4
    save(window, tmp_path / "a.cvbundle", qtbot, monkeypatch)
    for factor in (5, 6):
        dock.set_fields({"factor": factor})
        qtbot.waitUntil(lambda factor=factor: dock.result.task.params.factor == factor, timeout=WAIT)
    with qtbot.waitSignal(window.bundles.reported, timeout=WAIT) as told:
        window.opener.open(str(tmp_path / "a.cvbundle"))
    assert told.args[0].same
    assert dock.result.trace.mean == steps


def test_a_bad_bundle_is_a_sentence_and_what_was_shown_stays(open_window: Any, qtbot: QtBot, tmp_path: Path) -> None:
    window = open_window()
    dock = window.desk.docks[0]
    before, params = dock.result, dock.params
    (tmp_path / "bad.cvbundle").write_bytes(b"PK\x03\x04 not much")
    window.opener.open(str(tmp_path / "bad.cvbundle"))
    qtbot.waitUntil(lambda: "bad.cvbundle is damaged, or no bundle" in banner(window), timeout=WAIT)
    window.opener.open(str(tmp_path / "missing.cvbundle"))
    qtbot.waitUntil(lambda: "missing.cvbundle" in banner(window), timeout=WAIT)
    assert dock.result is before
    assert dock.params is params
    assert window.player.state.title == "coffee.jpg"


def test_one_of_a_panel_that_is_not_here_is_a_sentence(
    open_window: Any, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = open_window()
    save(window, tmp_path / "a.cvbundle", qtbot, monkeypatch)
    monkeypatch.setattr(window.desk, "panel", lambda name: None)
    window.opener.open(str(tmp_path / "a.cvbundle"))
    qtbot.waitUntil(lambda: banner(window) == "There is no panel named picture.", timeout=WAIT)


def test_it_is_computed_as_it_was_and_the_users_choice_stays(
    open_window: Any, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = open_window()
    chosen = window.chooser.chosen()
    save(window, tmp_path / "a.cvbundle", qtbot, monkeypatch)
    window.actions_by_name["next_precision"].trigger()
    dock = window.desk.docks[0]
    qtbot.waitUntil(lambda: dock.result.task.precision == "bfloat16", timeout=WAIT)
    with qtbot.waitSignal(window.bundles.reported, timeout=WAIT) as told:
        window.opener.open(str(tmp_path / "a.cvbundle"))
    assert told.args[0].facts == ()
    assert (dock.result.task.device, dock.result.task.precision, dock.result.task.threads) == chosen
    assert window.chooser.chosen()[1] == "bfloat16"
    window.actions_by_name["next_precision"].trigger()
    window.actions_by_name["next_precision"].trigger()
    qtbot.waitUntil(lambda: dock.result.task.precision == "bfloat16", timeout=WAIT)
