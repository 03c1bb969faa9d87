"""The record button: what it records, what it says, and when it stops by itself."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pytestqt.qtbot import QtBot

from cvcore.assets import asset
from explorer.recording.control import clock, in_bytes
from explorer.recording.grab import grab
from explorer.settings.session import OpenPanel, Settings, load_settings
from explorer.window.main import MainWindow

WAIT = 60_000
MOVING = f"moving:{asset('pictures', 'coffee.jpg')}?size=320x240"
PICTURE = Settings(language="en", panels=(OpenPanel("picture", 1),))


@pytest.fixture
def open_window(qtbot: QtBot, tmp_path: Path) -> Iterator[Callable[..., MainWindow]]:
    windows: list[MainWindow] = []

    def make(source: str = MOVING) -> MainWindow:
        window = MainWindow(Settings(language="en", panels=PICTURE.panels, recordings=str(tmp_path / "videos")), source)
        windows.append(window)
        qtbot.addWidget(window)
        window.resize(900, 600)
        with qtbot.waitExposed(window):
            window.show()
        window.start()
        # A result is drawn at once but painted later, and its times are known when it is painted.
        qtbot.waitUntil(lambda: window.desk.docks[0].waterfall.summary is not None, timeout=WAIT)
        return window

    yield make
    for window in windows:
        window.close()


def record(window: MainWindow) -> None:
    window.actions_by_name["record"].trigger()


def written(window: MainWindow, frames: int) -> bool:
    assert window.recorder._recorder is not None
    return window.recorder._recorder.progress.frames >= frames


def pictures(path: Path) -> list[NDArray[Any]]:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    found = []
    while (grabbed := capture.read())[0]:
        found.append(grabbed[1])
    capture.release()
    return found


@pytest.mark.parametrize("target", ["panel", "pictures", "window"])
def test_what_is_seen_is_recorded(target: str, open_window: Any, qtbot: QtBot, tmp_path: Path) -> None:
    window = open_window()
    window.recorder.target = target
    dock = window.desk.docks[0]
    sizes = {
        "panel": dock.size(),
        "pictures": dock.canvas.size().grownBy(dock.canvas.contentsMargins()),
        "window": window.size(),
    }
    record(window)
    assert window.actions_by_name["record"].isChecked()
    qtbot.waitUntil(lambda: written(window, 3), timeout=WAIT)
    dock.set_fields({"channel": "red"})
    qtbot.waitUntil(lambda: written(window, 6), timeout=WAIT)
    qtbot.waitUntil(lambda: "MB" in window.recorder.button.text(), timeout=WAIT)
    record(window)
    assert not window.actions_by_name["record"].isChecked()
    (path,) = (tmp_path / "videos").glob("*.mkv")
    assert window.statusBar().currentMessage().startswith(f"{path}: 0:")
    found = pictures(path)
    assert len(found) >= 6
    height, width = found[0].shape[:2]
    assert width == sizes[target].width()
    assert height == sizes[target].height() or target == "pictures"
    assert found[0].std() > 20
    assert any(not np.array_equal(one, found[0]) for one in found)
    head, *rest = [json.loads(line) for line in path.with_suffix(".jsonl").read_text("utf-8").splitlines()]
    assert head["records"] == target
    assert len(rest) == len(found)
    assert rest[0]["source"] == dock.result.frame.source
    assert rest[0]["panels"]["picture 1"]["channel"] == "all"
    assert any(line.get("panels", {}).get("picture 1", {}).get("channel") == "red" for line in rest)
    assert rest[-1]["source_frame"] > rest[0]["source_frame"]


def test_what_is_grabbed_is_what_the_widget_shows(open_window: Any, qtbot: QtBot) -> None:
    window = open_window(str(asset("pictures", "coffee.jpg")))
    window.repaint()
    grabbed = grab(window)
    assert grabbed is not None
    painted = window.grab().toImage()
    rows = np.frombuffer(painted.constBits(), np.uint8).reshape(painted.height(), painted.bytesPerLine())
    expected = rows[:, : 4 * painted.width()].reshape(painted.height(), painted.width(), 4)
    assert grabbed.pixels.shape == expected.shape
    assert np.mean(grabbed.pixels[..., :3] == expected[..., :3]) > 0.99
    part = grab(window.desk.docks[0].canvas, 50)
    assert part is not None
    assert part.pixels.shape[0] == 50
    window.hide()
    assert grab(window) is None


def test_the_last_recording_opens_as_a_video(open_window: Any, qtbot: QtBot) -> None:
    window = open_window()
    record(window)
    qtbot.waitUntil(lambda: written(window, 3), timeout=WAIT)
    record(window)
    window.recorder._open_action.trigger()
    qtbot.waitUntil(lambda: window.player.state.kind == "video", timeout=WAIT)
    assert window.player.state.title == window.recorder.last.name


def test_it_stops_when_its_panel_is_closed(open_window: Any, qtbot: QtBot, tmp_path: Path) -> None:
    window = open_window()
    record(window)
    qtbot.waitUntil(lambda: written(window, 2), timeout=WAIT)
    window.actions_by_name["close_panel"].trigger()
    assert not window.recorder.recording
    assert not window.actions_by_name["record"].isChecked()
    assert window.statusBar().currentMessage().startswith("The panel was closed.")
    (path,) = (tmp_path / "videos").glob("*.mkv")
    assert len(pictures(path)) >= 2
    record(window)
    assert not window.actions_by_name["record"].isChecked()
    assert window.statusBar().currentMessage() == "No panel is open that could be recorded."


def test_closing_the_window_ends_the_file_and_the_choice_is_remembered(
    open_window: Any, qtbot: QtBot, tmp_path: Path
) -> None:
    window = open_window()
    next(a for a in window.recorder.menu.actions() if a.objectName() == "record_window").trigger()
    record(window)
    qtbot.waitUntil(lambda: written(window, 2), timeout=WAIT)
    window.close()
    (path,) = (tmp_path / "videos").glob("*.mkv")
    assert len(pictures(path)) >= 2
    settings, _ = load_settings()
    assert (settings.records, settings.recordings) == ("window", str(tmp_path / "videos"))


def test_a_window_made_larger_is_recorded_in_the_first_size(open_window: Any, qtbot: QtBot, tmp_path: Path) -> None:
    window = open_window()
    window.recorder.target = "window"
    record(window)
    qtbot.waitUntil(lambda: written(window, 2), timeout=WAIT)
    window.resize(1000, 600)
    now = window.recorder._recorder.progress.frames
    qtbot.waitUntil(lambda: written(window, now + 3), timeout=WAIT)
    record(window)
    (path,) = (tmp_path / "videos").glob("*.mkv")
    found = pictures(path)
    assert {one.shape for one in found} == {(600, 900, 3)}
    assert found[-1][5].max() < 10  # a black bar above
    assert found[0][5].max() > 10


def test_a_folder_that_cannot_be_written_is_a_sentence(open_window: Any, qtbot: QtBot, tmp_path: Path) -> None:
    window = open_window()
    (tmp_path / "file").write_bytes(b"")
    window.recorder.folder = str(tmp_path / "file")
    record(window)
    qtbot.waitUntil(lambda: not window.recorder.recording, timeout=WAIT)
    assert window.statusBar().currentMessage().startswith("The recording stopped: ")
    assert not window.actions_by_name["record"].isChecked()


def test_words_for_times_and_sizes() -> None:
    assert [clock(s) for s in (0, 65.9, 3605)] == ["0:00", "1:05", "1:00:05"]
    assert [in_bytes(n) for n in (0, 3_440_000, 2_500_000_000)] == ["0.0 MB", "3.4 MB", "2.50 GB"]
