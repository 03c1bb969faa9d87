"""The window put together: panels, sources, words, looks, and what survives a restart."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QAction, QDropEvent, QGuiApplication, QImage
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from cvcore.assets import asset
from explorer.engine.devices import processors
from explorer.figure import Probe, Spot
from explorer.i18n import set_language
from explorer.panel import Result
from explorer.registry import Registry, find_panels
from explorer.settings.diagnostics import describe
from explorer.settings.session import OpenPanel, Settings, load_settings
from explorer.widgets.actions import ACTIONS
from explorer.window import desk as desk_module
from explorer.window.main import MainWindow
from explorer.window.source_menu import from_mime, is_welcome, samples
from tests.explorer.panels_for_tests import Params, make_panel

WAIT = 20_000
COFFEE = str(asset("pictures", "coffee.jpg"))
PICTURE = Settings(language="en", panels=(OpenPanel("picture", 1),))


@pytest.fixture
def open_window(qtbot: QtBot) -> Iterator[Callable[..., MainWindow]]:
    windows: list[MainWindow] = []

    def make(settings: Settings = PICTURE, source: str = COFFEE, wait: bool = True, **more: Any) -> MainWindow:
        window = MainWindow(settings, source, **more)
        windows.append(window)
        qtbot.addWidget(window)
        window.resize(1200, 700)
        with qtbot.waitExposed(window):
            window.show()
        window.start()
        if wait:
            qtbot.waitUntil(
                lambda: all(dock.result is not None or dock.error for dock in window.desk.docks), timeout=WAIT
            )
        return window

    yield make
    for window in windows:
        window.close()


def act(window: MainWindow, name: str) -> None:
    window.actions_by_name[name].trigger()


def test_a_panel_shows_the_source(open_window: Any, qtbot: QtBot) -> None:
    window = open_window()
    dock = window.desk.docks[0]
    assert dock.windowTitle() == "Picture"
    assert dock.result.frame.source == "coffee.jpg"
    qtbot.waitUntil(lambda: dock.waterfall.summary is not None, timeout=WAIT)
    assert "draw" in dict(dock.waterfall.summary.stages)


def test_before_any_result_the_bare_picture_is_there(qtbot: QtBot) -> None:
    window = MainWindow(PICTURE, COFFEE)
    qtbot.addWidget(window)
    window.show()
    try:
        qtbot.waitUntil(lambda: window.desk.docks[0].canvas.figure is not None, timeout=WAIT)
        assert window.desk.docks[0].result is None
        window.opener.open(str(asset("pictures", "dog.jpg")))
        qtbot.waitUntil(lambda: window.player.state.title == "dog.jpg", timeout=WAIT)
        second = window.desk.open_panel("picture")
        assert second.canvas.figure is not None, "a picture that stands still is there at once"
    finally:
        window.close()


def test_a_second_panel_is_docked_beside_the_first_and_computed_with_it(open_window: Any, qtbot: QtBot) -> None:
    window = open_window()
    act(window, "duplicate_panel")
    assert len(window.desk.docks) == 2
    first, second = window.desk.docks
    qtbot.waitUntil(lambda: second.result is not None, timeout=WAIT)
    assert second.result.frame is first.result.frame
    assert second.id != first.id
    qtbot.waitUntil(lambda: second.x() > first.x(), timeout=WAIT)
    act(window, "close_panel")
    assert window.desk.docks == [first]
    window.desk.active().close()
    assert window.desk.docks == []
    assert window.centralWidget().isVisible()
    window.desk.open_panel("picture")
    assert not window.centralWidget().isVisible()


def test_changing_params_computes_and_changing_the_view_only_draws(open_window: Any, qtbot: QtBot) -> None:
    window = open_window()
    dock = window.desk.docks[0]
    before = dock.result
    dock.set_fields({"channel": "red"})
    assert dock.view.channel == "red"
    assert dock.result is before
    dock.set_fields({"log_counts": True})
    qtbot.waitUntil(lambda: dock.result is not before, timeout=WAIT)
    assert dock.result.task.params.log_counts


def test_a_hidden_panel_is_not_computed(open_window: Any, qtbot: QtBot) -> None:
    window = open_window()
    window.desk.open_panel("picture")
    window.desk.open_panel("picture")
    second, third = window.desk.docks[1:]
    qtbot.waitUntil(lambda: third.result is not None, timeout=WAIT)
    qtbot.waitUntil(lambda: not second.is_seen(), timeout=WAIT)
    assert second.id not in window.desk.engine._tasks
    second.raise_()
    qtbot.waitUntil(lambda: second.is_seen() and not third.is_seen(), timeout=WAIT)
    assert third.id not in window.desk.engine._tasks
    assert second.id in window.desk.engine._tasks


def test_a_panel_that_raises_says_so_in_its_place_and_keeps_its_last_picture(
    open_window: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compute(frame: Any, params: Params, context: Any) -> float:
        if params.factor == 5:
            raise RuntimeError("the fifth is broken")
        return 1.0

    def draw(result: Result, view: Any) -> Any:
        from explorer.figure import Figure, Image, Pane

        if view.opacity == 1.0:
            raise RuntimeError("cannot draw that")
        return Figure(Pane("picture", "Picture", (Image(result.frame.image),)))

    panels = {"probe": make_panel(compute=compute, draw=draw), "picture": find_panels().panels["picture"]}
    monkeypatch.setattr(desk_module, "find_panels", lambda: Registry(panels, {"lost": "no such module"}))
    settings = Settings(language="en", panels=(OpenPanel("probe", 1), OpenPanel("picture", 2), OpenPanel("lost", 3)))
    window = MainWindow(settings, COFFEE)
    qtbot.addWidget(window)
    window.show()
    window.start()
    try:
        probe, picture, lost = window.desk.docks
        picture.raise_()
        qtbot.waitUntil(lambda: probe.result is not None and picture.result is not None, timeout=WAIT)
        good = probe.result
        probe.set_fields({"factor": 5})
        qtbot.waitUntil(lambda: probe.error == "the fifth is broken", timeout=WAIT)
        assert probe.result is good
        assert any(label.text() == "the fifth is broken" for label in probe.findChildren(QLabel))
        assert picture.error == ""
        probe.set_fields({"factor": 1})
        qtbot.waitUntil(lambda: probe.error == "" and probe.result is not good, timeout=WAIT)
        probe.set_fields({"opacity": 1.0})
        assert any(label.text() == "cannot draw that" for label in probe.findChildren(QLabel))
        assert any(
            "There is no panel named lost. no such module" in label.text() for label in lost.findChildren(QLabel)
        )
    finally:
        window.close()


def test_every_word_changes_with_the_language_while_running(open_window: Any, qtbot: QtBot) -> None:
    window = open_window()
    act(window, "next_language")
    assert window.actions_by_name["freeze"].text() == "冻结"
    assert window.desk.docks[0].windowTitle() == "图像"
    act(window, "next_language")
    assert window.actions_by_name["freeze"].text() == "Freeze"
    assert window.desk.docks[0].windowTitle() == "Picture"


def test_looks_follow_one_another(open_window: Any) -> None:
    window = open_window()
    seen = []
    for _ in range(3):
        act(window, "next_theme")
        seen.append(window.theme.name)
    assert sorted(seen) == ["dark", "light", "projector"]


def test_freezing_holds_the_frame_and_steps_go_through_the_last_ones(open_window: Any, qtbot: QtBot) -> None:
    window = open_window(source=f"moving:{COFFEE}?fps=60&size=320x180")
    dock = window.desk.docks[0]
    qtbot.waitUntil(lambda: window.player.state.history > 10, timeout=WAIT)
    act(window, "freeze")
    qtbot.waitUntil(lambda: dock.result.frame is window.player.state.frame, timeout=WAIT)
    held = dock.result.frame
    act(window, "step_back")
    qtbot.waitUntil(lambda: dock.result.frame.index < held.index, timeout=WAIT)
    act(window, "step_forward")
    qtbot.waitUntil(lambda: dock.result.frame is held, timeout=WAIT)
    act(window, "freeze")
    qtbot.waitUntil(lambda: dock.result.frame.index > held.index, timeout=WAIT)


def test_a_broken_file_is_a_sentence_and_the_last_picture_stays(open_window: Any, qtbot: QtBot, tmp_path: Path) -> None:
    window = open_window()
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8 nothing")
    window.opener.open(str(broken))
    banner = window.findChild(QLabel, "banner")
    qtbot.waitUntil(lambda: "broken.jpg" in banner.text() and banner.isVisible(), timeout=WAIT)
    assert window.player.state.title == "coffee.jpg"
    window.opener.open(COFFEE)
    qtbot.waitUntil(lambda: not banner.isVisible(), timeout=WAIT)


def test_a_drop_opens_what_was_dropped(open_window: Any, qtbot: QtBot) -> None:
    window = open_window()
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(asset("pictures", "dog.jpg")))])
    event = QDropEvent(
        QPointF(5, 5), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    window.dragEnterEvent(event)
    assert event.isAccepted()
    window.dropEvent(event)
    qtbot.waitUntil(lambda: window.player.state.title == "dog.jpg", timeout=WAIT)


def test_pixels_and_addresses_come_from_the_clipboard(open_window: Any, qtbot: QtBot) -> None:
    window = open_window()
    image = QImage(5, 3, QImage.Format.Format_RGB32)
    image.fill(0x102030)
    mime = QMimeData()
    mime.setImageData(image)
    assert is_welcome(mime)
    pixels = from_mime(mime)
    assert pixels.shape == (3, 5, 3)
    assert pixels[0, 0].tolist() == [0x10, 0x20, 0x30]
    QGuiApplication.clipboard().setImage(image)
    act(window, "paste")
    qtbot.waitUntil(lambda: window.player.state.size == (5, 3), timeout=WAIT)
    text = QMimeData()
    text.setText(" rtsp://camera/live ")
    assert from_mime(text) == "rtsp://camera/live"
    text.setText("just words")
    assert from_mime(text) is None
    assert not is_welcome(text)


def test_the_next_photograph_goes_through_all_of_them(open_window: Any, qtbot: QtBot) -> None:
    window = open_window()
    seen = set()
    for _ in samples():
        act(window, "open_sample")
        before = window.player.state.title
        qtbot.waitUntil(lambda before=before: window.player.state.opening == "", timeout=WAIT)
        qtbot.waitUntil(lambda: window.desk.docks[0].result.frame is window.player.state.frame, timeout=WAIT)
        seen.add(window.player.state.title)
    assert seen == {sample.path.name for sample in samples()}


def test_closing_remembers_how_it_stood(open_window: Any, qtbot: QtBot) -> None:
    window = open_window()
    window.desk.docks[0].set_fields({"channel": "blue", "log_counts": True})
    act(window, "duplicate_panel")
    act(window, "next_theme")
    act(window, "more_threads")
    window.close()
    settings, sentence = load_settings()
    assert sentence == ""
    assert settings.source == COFFEE
    assert settings.theme == window.theme.name
    assert settings.threads == min(2, processors())
    assert [panel.name for panel in settings.panels] == ["picture", "picture"]
    again = open_window(settings, "")
    assert [dock.view.channel for dock in again.desk.docks] == ["blue", "blue"]
    assert again.desk.docks[0].params.log_counts
    assert again.player.state.title == "coffee.jpg"


def test_no_two_actions_share_a_shortcut(open_window: Any) -> None:
    window = open_window()
    keys = [spec.shortcut for spec in ACTIONS]
    assert len(set(keys)) == len(keys)
    assert all(not window.actions_by_name[spec.name].shortcut().isEmpty() for spec in ACTIONS)
    panel_keys = [action.shortcut().toString() for action in window.desk.numbered]
    assert panel_keys[0] == "Ctrl+1"
    assert not set(panel_keys) & set(keys)


def test_keys_go_to_open_panels_in_the_order_in_which_they_were_opened(open_window: Any, qtbot: QtBot) -> None:
    window = open_window()
    first = window.desk.docks[0]
    second, third = window.desk.open_panel("losses"), window.desk.open_panel("layers")
    numbered = window.desk.numbered
    assert [action.text() for action in numbered if action.isVisible()] == [
        "Picture",
        "Losses",
        "Layers",
    ]
    qtbot.waitUntil(lambda: third.is_seen() and not second.is_seen(), timeout=WAIT)
    qtbot.keyClick(window, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: second.is_seen() and not third.is_seen(), timeout=WAIT)
    assert window.desk.active() is second
    first.close()
    assert [action.text() for action in numbered if action.isVisible()] == ["Losses", "Layers"]


def test_the_menu_has_the_chapters_in_the_order_of_the_course(open_window: Any) -> None:
    window = open_window()
    for language in ("en", "zh_CN", "en"):
        window.set_language(language)
        menus = [action.menu() for action in window.desk.panel_menu.actions()]
        numbers = [int(menu.title()[0]) for menu in menus]
        assert numbers == sorted(set(numbers))
        assert all(len(menu.actions()) > 0 for menu in menus)
        shown = [action.menu() for action in window._menus["Panels"].actions() if action.menu() is not None]
        assert shown == menus, "each once, in the menu bar as in the toolbar"
    names = [action.objectName() for menu in menus for action in menu.actions()]
    assert sorted(names) == sorted(f"open_{name}" for name in window.desk.registry.entries)


def test_a_panel_is_imported_when_it_is_first_seen(open_window: Any, qtbot: QtBot) -> None:
    settings = Settings(
        language="en", panels=tuple(OpenPanel(name, i) for i, name in enumerate(("picture", "layers"), 1))
    )
    window = open_window(replace(settings, panels=(*settings.panels, OpenPanel("losses", 3))), wait=False)
    registry = window.desk.registry
    picture, layers, losses = window.desk.docks
    assert [dock.windowTitle() for dock in window.desk.docks] == ["Picture", "Layers", "Losses"]
    qtbot.waitUntil(lambda: all(dock.result is not None for dock in (picture, losses)), timeout=WAIT)
    assert not layers.is_seen()
    assert layers.panel is None
    assert [name for name in registry.entries if registry.loaded(name)] == ["picture", "losses"]
    assert {panel.name for panel in window.desk.opened()} == {"picture", "layers", "losses"}
    layers.raise_()
    qtbot.waitUntil(lambda: layers.result is not None, timeout=WAIT)


def test_every_action_is_done_by_somebody(open_window: Any) -> None:
    window = open_window()
    for spec in ACTIONS:
        assert any(callable(getattr(doer, spec.name, None)) for doer in window._doers), spec.name


def test_the_shortcut_list_names_every_action(open_window: Any) -> None:
    window = open_window()
    act(window, "show_shortcuts")
    dialog = window.findChild(object, "shortcuts")
    said = {label.text() for label in dialog.findChildren(QLabel)}
    assert {spec.text for spec in ACTIONS} <= said
    dialog.close()


def test_diagnostics_have_versions_the_panel_and_no_password(open_window: Any) -> None:
    window = open_window()
    act(window, "copy_diagnostics")
    text = QGuiApplication.clipboard().text()
    assert "torch" in text
    assert "picture" in text
    assert "coffee.jpg" in text
    assert "nothing: 1" in describe(nothing=1)


def test_hovering_shows_what_the_panel_says(open_window: Any) -> None:
    window = open_window()
    dock = window.desk.docks[0]
    shown: list[Probe | None] = []
    dock.canvas.show_probe = shown.append
    dock.canvas.hovered.emit(Spot("picture", "image", 3.5, 4.5))
    assert shown[-1] is not None
    red, green, blue = dock.result.frame.image[4, 3]
    assert f"red {red}, green {green}, blue {blue}" in shown[-1].text
    dock.canvas.hovered.emit(None)
    assert shown[-1] is None


def test_saving_writes_the_frame(open_window: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    window = open_window()
    target = tmp_path / "frame.png"
    monkeypatch.setattr("explorer.saving.window.QFileDialog.getSaveFileName", lambda *_: (str(target), ""))
    act(window, "save_frame")
    with Image.open(target) as saved:
        assert np.array_equal(np.asarray(saved), window.player.state.frame.image)
    for kind in ("png", "svg", "csv", "npz"):
        target = tmp_path / f"panel.{kind}"
        act(window, f"save_{kind}")
        assert target.stat().st_size > 100
    target = tmp_path / "missing" / "frame.png"
    act(window, "save_frame")
    assert "missing" in window.statusBar().currentMessage()
    assert not target.exists()


def test_a_message_from_the_start_is_shown(open_window: Any) -> None:
    window = open_window(message="The settings could not be read.")
    assert window.findChild(QLabel, "banner").text() == "The settings could not be read."


def test_actions_carry_their_keys_in_the_tool_tip(open_window: Any) -> None:
    window = open_window()
    set_language("en")
    action: QAction = window.actions_by_name["open_file"]
    assert action.toolTip() == "Open a picture, video or bundle (Ctrl+O)"


def test_cameras_are_listed_by_name_and_asked_for_a_resolution(
    open_window: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    from explorer.sources.camera import CameraInfo

    cameras = (CameraInfo("Desk camera", 0), CameraInfo("Microscope", 2))
    monkeypatch.setattr("explorer.window.source_menu.list_cameras", lambda: cameras)
    window = open_window()
    asked: list[Any] = []
    monkeypatch.setattr(window.player, "open", asked.append)
    menu = window.opener.camera_menu
    menu.aboutToShow.emit()
    names = [action.text() for action in menu.actions()]
    assert names[:2] == ["Desk camera", "Microscope"]
    menu.actions()[1].trigger()
    resolutions = next(action.menu() for action in menu.actions() if action.menu() is not None)
    resolutions.actions()[2].trigger()
    act(window, "open_camera")
    assert asked == ["camera:2?size=1280x720", "camera:0?size=1920x1080"]
