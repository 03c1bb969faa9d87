"""The dialog of weights, with a server on loopback, and the panel that waits for them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QFileDialog, QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from cvcore import zoo
from cvcore.assets import asset
from cvcore.download import Timing
from explorer.engine.compute import Computer
from explorer.i18n import set_language
from explorer.panel import Task
from explorer.settings.session import OpenPanel, Settings
from explorer.views import networks
from explorer.weights.dialog import Weights, WeightsDialog
from explorer.weights.downloads import Downloads
from explorer.window.main import MainWindow
from tests import file_server as fs
from tests.explorer.panels_for_tests import Params, Trace, make_frame, make_panel
from tests.file_server import FileServer
from tests.weights_for_tests import checkpoint, use_cards, write_card

WAIT = 20_000
FAST = Timing(silence=5, retries=1, first_wait=0.01)


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cards"
    use_cards(monkeypatch, folder)
    return folder


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer(checkpoint()) as made:
        yield made


class Opened:
    def __init__(self, qtbot: QtBot) -> None:
        self.qtbot = qtbot
        self.said: list[str] = []
        self.changes = 0
        self.window = QWidget()
        qtbot.addWidget(self.window)
        self.window.show()
        self.weights = Weights(self.window, self.said.append, self._changed, FAST)
        self.weights.open()

    def _changed(self) -> None:
        self.changes += 1

    @property
    def dialog(self) -> WeightsDialog:
        assert self.weights.dialog is not None
        return self.weights.dialog

    def button(self, name: str) -> QPushButton:
        found = self.dialog.findChild(QPushButton, f"weights_{name}")
        assert isinstance(found, QPushButton)
        return found

    def label(self, name: str) -> QLabel:
        found = self.dialog.findChild(QLabel, f"weights_{name}")
        assert isinstance(found, QLabel)
        return found

    def click(self, name: str) -> None:
        assert self.button(name).isVisible()
        assert self.button(name).isEnabled()
        self.qtbot.mouseClick(self.button(name), Qt.MouseButton.LeftButton)

    def state(self, name: str = "tiny") -> str:
        for row in range(self.dialog.list.topLevelItemCount()):
            item = self.dialog.list.topLevelItem(row)
            assert item is not None
            if item.data(0, Qt.ItemDataRole.UserRole) == name:
                return item.text(3)
        raise AssertionError(name)

    def until(self, condition: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(condition, timeout=WAIT)

    def visible(self) -> set[str]:
        return {name for name in ("get", "cancel", "file", "delete") if self.button(name).isVisible()}


@pytest.fixture
def opened(qtbot: QtBot) -> Iterator[Callable[[], Opened]]:
    made: list[Opened] = []

    def make() -> Opened:
        made.append(Opened(qtbot))
        return made[-1]

    yield make
    for one in made:
        one.weights.close()
        if one.weights.dialog is not None:
            one.weights.dialog.close()
        one.window.close()


def test_downloading_with_a_cancel_in_the_middle(cards: Path, server: FileServer, opened: Callable[[], Opened]) -> None:
    card = write_card(cards, address=server.address())
    server.script = [fs.stall(1000)]
    one = opened()
    assert one.state() == "to download"
    assert one.button("get").text() == "Download"
    assert one.visible() == {"get", "file"}
    assert not one.dialog.bar.isVisible()
    one.click("get")
    one.until(lambda: "MB/s" in one.state())
    assert one.visible() == {"cancel"}
    assert one.dialog.bar.isVisible()
    assert one.dialog.bar.maximum() == 1000
    one.until(lambda: one.dialog.bar.value() == 1000 * 1000 // len(server.data))
    one.click("cancel")
    one.until(lambda: one.state().endswith("there, to go on"))
    assert one.visible() == {"get", "file", "delete"}
    assert one.button("get").text() == "Go on"
    assert one.changes == 0
    one.click("get")
    one.until(lambda: one.state() == "ready")
    assert server.requests[1].start == 1000
    assert zoo.place(card).state == "there"
    one.until(lambda: one.said == ["The weights “Tiny network” are ready."])
    assert one.changes == 1
    assert one.visible() == {"delete"}
    one.click("delete")
    assert one.state() == "to download"
    assert one.changes == 2
    assert zoo.place(card).state == "missing"


def test_terms_are_shown_and_accepted_once(cards: Path, server: FileServer, opened: Callable[[], Opened]) -> None:
    write_card(cards, address=server.address(), terms="For study only: https://example.com/terms")
    write_card(cards, "free", address=server.address())
    one = opened()
    one.dialog.choose("free")
    assert not one.label("terms").isVisible()
    assert one.button("get").isEnabled()
    one.dialog.choose("tiny")
    assert "For study only" in one.label("terms").text()
    assert not one.button("get").isEnabled()
    assert not one.button("file").isEnabled()
    one.dialog.accept_terms.setChecked(True)
    one.click("get")
    one.until(lambda: one.state() == "ready")
    assert one.label("terms").isVisible()
    assert not one.dialog.accept_terms.isVisible()
    one.dialog.close()
    one.weights.open("tiny")
    assert one.dialog.card().name == "tiny"
    assert not one.dialog.accept_terms.isVisible()


def test_weights_that_wait_for_a_yes_only(cards: Path, opened: Callable[[], Opened]) -> None:
    write_card(cards, terms="For study only.")
    zoo.folder().mkdir(parents=True)
    (zoo.folder() / "tiny.pth").write_bytes(checkpoint())
    one = opened()
    assert one.state() == "ready once its terms are accepted"
    assert one.button("get").text() == "Accept"
    one.dialog.accept_terms.setChecked(True)
    one.click("get")
    assert one.state() == "ready"
    assert one.changes == 1


def test_what_goes_wrong_is_said_and_can_be_tried_again(
    cards: Path, server: FileServer, opened: Callable[[], Opened]
) -> None:
    write_card(cards, address=server.address())
    server.script = [fs.status("404 Not Found")]
    one = opened()
    one.click("get")
    one.until(lambda: one.state() == "failed")
    sentence = "127.0.0.1 does not have the file any more (HTTP 404)."
    assert one.label("message").text() == sentence
    one.until(lambda: one.said == [sentence])
    one.click("get")
    one.until(lambda: one.state() == "ready")
    assert not one.label("message").isVisible()


def test_it_goes_on_with_the_dialog_closed(cards: Path, server: FileServer, opened: Callable[[], Opened]) -> None:
    write_card(cards, address=server.address())
    server.script = [fs.slow(30)]
    one = opened()
    one.click("get")
    one.dialog.close()
    one.until(lambda: one.said == ["The weights “Tiny network” are ready."])
    assert one.weights.dialog is None
    assert one.changes == 1


def test_a_file_of_the_users(
    cards: Path, opened: Callable[[], Opened], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_card(cards)
    mine = tmp_path / "mine.pth"
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(mine), ""))
    one = opened()
    assert one.state() == "to bring"
    assert one.visible() == {"file"}
    mine.write_bytes(b"nothing")
    one.click("file")
    one.until(lambda: one.state() == "failed")
    assert one.label("message").text() == "The weight file mine.pth is damaged or not of its kind."
    mine.write_bytes(checkpoint())
    one.click("file")
    one.until(lambda: one.state() == "ready")


def test_the_dialog_lists_every_shipped_card_in_both_languages(opened: Callable[[], Opened]) -> None:
    for language, words in (("en", {"built in", "to download"}), ("zh_CN", {"内置", "可下载"})):
        set_language(language)
        one = opened()
        assert one.dialog.list.topLevelItemCount() == len(zoo.cards())
        assert {one.state(name) for name in zoo.cards()} == words
        for name in zoo.cards():
            one.dialog.choose(name)
            assert one.label("title").text()
            assert zoo.card(name).paper.split(",")[0] in one.label("facts").text()
        one.dialog.close()


def test_closing_the_program_stops_downloads(cards: Path, server: FileServer) -> None:
    card = write_card(cards, address=server.address())
    server.otherwise = fs.silent
    downloads = Downloads(lambda: None, Timing(silence=60))
    downloads.start(card)
    downloads.start(card)  # once is enough
    while not server.requests:
        pass
    downloads.close()
    assert downloads.jobs["tiny"].state == "stopped"
    assert len(server.requests) == 1


# -- panels


def test_a_panel_says_how_to_get_what_is_missing() -> None:
    def compute(frame: Any, params: Any, context: Any) -> Trace:
        context.model("openpose_body")
        raise AssertionError

    computer = Computer({"probe": make_panel(compute=compute)})
    result = computer.compute(make_frame(), Task(1, "probe", Params()))
    assert result is not None
    assert result.error == (
        "The weights “OpenPose, body, 18 key points” are not on this computer yet: choose Weights in the menu Computing, "
        "or run “cv-explorer weights get openpose_body”."
    )
    set_language("zh_CN")
    result = computer.compute(make_frame(), Task(1, "probe", Params()))
    assert result is not None
    assert "尚不在本机上" in result.error


def test_networks_can_be_chosen_once_their_weights_are_there(own_home: Path) -> None:
    before = networks.names()
    assert set(before) >= {"mobilenet_v2", "nanodet"}
    assert "mobilenet_v2_imagenet" not in before
    (own_home / "weights").mkdir()
    (own_home / "weights" / zoo.card("mobilenet_v2_imagenet").file).write_bytes(b"")
    assert networks.look_again(), "it came from outside the program"
    assert "mobilenet_v2_imagenet" in networks.names()
    assert not networks.look_again()
    zoo.remove(zoo.card("mobilenet_v2_imagenet"))
    assert networks.names() == before, "what the program does itself is seen at once"


def test_weights_that_came_while_another_window_was_in_front_are_offered(
    qtbot: QtBot, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = MainWindow(Settings(language="en", panels=()), str(asset("pictures", "coffee.jpg")))
    qtbot.addWidget(window)
    with qtbot.waitExposed(window):
        window.show()
    try:
        assert "mobilenet_v2_imagenet" not in networks.names()
        (own_home / "weights").mkdir()
        (own_home / "weights" / zoo.card("mobilenet_v2_imagenet").file).write_bytes(b"")
        asked: list[bool] = []
        monkeypatch.setattr(window.desk.engine, "again", lambda: asked.append(True))
        other = QWidget()
        qtbot.addWidget(other)
        other.show()
        other.activateWindow()
        qtbot.waitUntil(lambda: not window.isActiveWindow(), timeout=WAIT)
        window.activateWindow()
        qtbot.waitUntil(lambda: bool(asked), timeout=WAIT)
        assert "mobilenet_v2_imagenet" in networks.names()
        other.close()
    finally:
        window.close()


def test_the_window_offers_a_network_once_its_weights_are_there(qtbot: QtBot, own_home: Path) -> None:
    """On a picture that stands still, without a restart."""
    settings = Settings(language="en", panels=(OpenPanel("layers", 1, {"size": 64}),))
    window = MainWindow(settings, str(asset("pictures", "coffee.jpg")))
    qtbot.addWidget(window)
    window.show()
    window.start()
    try:
        dock = window.desk.docks[0]
        qtbot.waitUntil(lambda: dock.result is not None, timeout=WAIT)
        combo = dock.findChild(QWidget, "control_network").findChild(QComboBox)
        assert isinstance(combo, QComboBox)
        qtbot.waitUntil(lambda: combo.findData("nanodet") >= 0, timeout=WAIT)
        assert combo.findData("mobilenet_v2_imagenet") < 0
        window.actions_by_name["show_weights"].trigger()
        assert window.weights is not None
        assert window.weights.dialog is not None
        (own_home / "weights").mkdir()
        (own_home / "weights" / zoo.card("mobilenet_v2_imagenet").file).write_bytes(b"")
        window.weights._changed()
        qtbot.waitUntil(lambda: combo.findData("mobilenet_v2_imagenet") >= 0, timeout=WAIT)
        assert combo.currentData() == "mobilenet_v2"
        window.weights.dialog.close()
    finally:
        window.close()
