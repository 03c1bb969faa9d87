"""The start page and the palette in the window: with the keyboard alone, and where they lead."""

from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLineEdit, QPushButton, QTextBrowser
from pytestqt.qtbot import QtBot

from cvcore.assets import asset
from explorer.registry import find_panels
from explorer.settings.session import OpenPanel, Settings
from explorer.widgets.theme import THEMES
from explorer.window.dock import PanelDock
from explorer.window.main import MainWindow
from explorer.window.palette import Palette
from explorer.window.start_page import Card, StartPage, thumbnail

WAIT = 30_000
COFFEE = str(asset("pictures", "coffee.jpg"))
Key = Qt.Key


@pytest.fixture
def open_window(qtbot: QtBot) -> Iterator[Callable[..., MainWindow]]:
    windows: list[MainWindow] = []

    def make(*panels: str, size: tuple[int, int] = (1366, 768), language: str = "en") -> MainWindow:
        opened = tuple(OpenPanel(name, i) for i, name in enumerate(panels, 1))
        window = MainWindow(Settings(language=language, panels=opened), COFFEE)
        windows.append(window)
        qtbot.addWidget(window)
        window.resize(*size)
        with qtbot.waitActive(window):
            window.show()
            window.activateWindow()
        window.start()
        qtbot.waitUntil(lambda: window.desk.is_loaded, timeout=WAIT)
        return window

    yield make
    for window in windows:
        window.close()


def search(qtbot: QtBot, window: MainWindow, typed: str) -> Palette:
    """Ctrl+P and some letters, once all panels are known."""
    qtbot.keyClick(window, Key.Key_P, Qt.KeyboardModifier.ControlModifier)
    palette = window.guide.palette
    assert palette.isVisible()
    registry = window.desk.registry
    qtbot.waitUntil(lambda: all(registry.loaded(name) for name in registry.entries), timeout=WAIT)
    line = palette.findChild(QLineEdit)
    assert line.hasFocus()
    line.insert(typed)  # as an input method does
    palette._look_again()
    assert palette.results
    return palette


def press(qtbot: QtBot, *keys: Qt.Key) -> None:
    for key in keys:
        qtbot.keyClick(QApplication.focusWidget(), key)


def shown(window: MainWindow, qtbot: QtBot, name: str) -> PanelDock:
    dock = next(dock for dock in window.desk.docks if dock.name == name)
    qtbot.waitUntil(lambda: dock.is_seen() and dock.panel is not None, timeout=WAIT)
    return dock


# -- the palette


def test_a_panel_opens_and_is_gone_to_when_it_is_open(open_window: Callable[..., MainWindow], qtbot: QtBot) -> None:
    window = open_window("picture")
    search(qtbot, window, "losses")
    press(qtbot, Key.Key_Return)
    assert not window.guide.palette.isVisible()
    shown(window, qtbot, "losses")
    search(qtbot, window, "图像")
    press(qtbot, Key.Key_Return)
    assert window.desk.active() is window.desk.docks[0]
    assert [dock.name for dock in window.desk.docks] == ["picture", "losses"], "one that is open is not opened again"


def test_a_view_is_set_in_a_panel_that_is_open_or_opens(open_window: Callable[..., MainWindow], qtbot: QtBot) -> None:
    window = open_window()
    for typed in ("where it arrives", "gradient descent"):
        palette = search(qtbot, window, typed)
        assert palette.results[0].thing.kind == "view"
        press(qtbot, Key.Key_Return)
        dock = shown(window, qtbot, "losses")
        qtbot.waitUntil(lambda dock=dock, typed=typed: dock.params.show == typed, timeout=WAIT)
    assert len(window.desk.docks) == 1


def test_a_control_gets_the_keyboard(open_window: Callable[..., MainWindow], qtbot: QtBot) -> None:
    window = open_window(size=(900, 600))
    palette = search(qtbot, window, "加重小框")
    assert palette.results[0].title == "Weight small boxes more  ·  加重小框"
    press(qtbot, Key.Key_Return)
    dock = shown(window, qtbot, "losses")
    control = dock._form.control("weighted")
    qtbot.waitUntil(lambda: control.isAncestorOf(QApplication.focusWidget() or window), timeout=WAIT)
    assert dock.side.isVisible()
    assert not control.visibleRegion().isEmpty(), "it is scrolled to"


def test_a_control_that_is_not_shown_is_told(open_window: Callable[..., MainWindow], qtbot: QtBot) -> None:
    window = open_window()
    search(qtbot, window, "effective receptive field")
    press(qtbot, Key.Key_Return)
    shown(window, qtbot, "layers")
    qtbot.waitUntil(lambda: "not shown" in window.statusBar().currentMessage(), timeout=WAIT)


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_an_explanation_is_scrolled_to_the_words(
    open_window: Callable[..., MainWindow], qtbot: QtBot, language: str
) -> None:
    window = open_window(language=language)
    palette = search(qtbot, window, "boxes shake until")
    assert palette.results[0].thing.kind == "text"
    press(qtbot, Key.Key_Return)
    dock = shown(window, qtbot, "losses")
    assert dock.side.currentWidget() is dock._explain
    browser: QTextBrowser = dock._explain
    wanted = "made comparable" if language == "en" else "让下降可以比较"
    qtbot.waitUntil(lambda: wanted in browser.textCursor().block().text(), timeout=WAIT)
    assert 0 <= browser.cursorRect().top() < browser.viewport().height()


def test_actions_are_done(open_window: Callable[..., MainWindow], qtbot: QtBot) -> None:
    window = open_window()
    search(qtbot, window, "freeze")
    press(qtbot, Key.Key_Return)
    qtbot.waitUntil(lambda: window.player.state.frozen, timeout=WAIT)


def test_keys_choose_and_close(open_window: Callable[..., MainWindow], qtbot: QtBot) -> None:
    window = open_window("picture")
    palette = search(qtbot, window, "map")
    rows = len(palette.results)
    assert rows > 3
    chosen = palette._list.currentIndex
    press(qtbot, Key.Key_Up)
    assert chosen().row() == rows - 1
    press(qtbot, Key.Key_Down, Key.Key_Down, Key.Key_Tab)
    assert chosen().row() == 2
    press(qtbot, Key.Key_PageUp)
    assert chosen().row() == 0
    press(qtbot, Key.Key_Escape)
    assert not palette.isVisible()
    search(qtbot, window, "x")
    qtbot.keyClick(window, Key.Key_P, Qt.KeyboardModifier.ControlModifier)
    assert not palette.isVisible(), "the key that opened it closes it"
    search(qtbot, window, "x")
    window.desk.docks[0].side.setFocus()
    qtbot.waitUntil(lambda: not palette.isVisible(), timeout=WAIT)


def test_every_thing_that_is_found_can_be_drawn(open_window: Callable[..., MainWindow], qtbot: QtBot) -> None:
    window = open_window()
    for theme in THEMES:
        window.set_theme(theme)
        palette = search(qtbot, window, "a")
        assert not palette.grab().isNull()
        line = palette.findChild(QLineEdit)
        line.setText("zzz qqq")
        assert palette.results == ()
        assert not palette.grab().isNull()
        press(qtbot, Key.Key_Return, Key.Key_Down, Key.Key_Escape)


# -- the start page


def test_it_fills_the_window_while_no_panel_is_open(open_window: Callable[..., MainWindow], qtbot: QtBot) -> None:
    window = open_window()
    page = window.centralWidget()
    assert isinstance(page, StartPage)
    assert page.isVisible()
    assert [card.entry.name for card in page.shelf.cards] == list(window.desk.registry.entries)
    page.take_focus()
    press(qtbot, Key.Key_Right, Key.Key_Right, Key.Key_Left)
    assert QApplication.focusWidget() is page.shelf.cards[1]
    press(qtbot, Key.Key_Return)
    shown(window, qtbot, page.shelf.cards[1].entry.name)
    assert not page.isVisible()
    window.desk.docks[0].close()
    assert page.isVisible()


def test_it_opens_over_panels_and_closes(open_window: Callable[..., MainWindow], qtbot: QtBot) -> None:
    window = open_window("picture")
    open_it = window.actions_by_name["show_start"].trigger

    def pages() -> list[StartPage]:
        return [page for page in window.findChildren(StartPage) if page.isVisible()]

    open_it()
    (page,) = pages()
    assert page.geometry().contains(window.desk.docks[0].geometry()), "it lies over the panels"
    assert isinstance(QApplication.focusWidget(), Card)
    press(qtbot, Key.Key_Escape)
    assert pages() == []
    open_it()
    window.resize(1100, 700)
    qtbot.waitUntil(lambda: pages()[0].width() == window.width(), timeout=WAIT)
    qtbot.mouseClick(pages()[0].findChild(QPushButton, "start_back"), Qt.MouseButton.LeftButton)
    assert pages() == []
    open_it()
    open_it()
    assert pages() == []
    open_it()
    (card,) = [card for card in pages()[0].shelf.cards if card.entry.name == "losses"]
    qtbot.mouseClick(card, Qt.MouseButton.LeftButton)
    assert pages() == []
    shown(window, qtbot, "losses")
    assert [dock.name for dock in window.desk.docks] == ["picture", "losses"]


def test_the_space_bar_opens_the_card_and_does_not_freeze(open_window: Callable[..., MainWindow], qtbot: QtBot) -> None:
    window = open_window()
    window.guide.page.take_focus()
    press(qtbot, Key.Key_Space)
    assert len(window.desk.docks) == 1
    assert not window.player.state.frozen


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", [300, 640, 1366, 1920])
def test_cards_never_overlap_and_stay_within_the_page(qtbot: QtBot, theme: str, width: int) -> None:
    page = StartPage(None, THEMES[theme])
    qtbot.addWidget(page)
    page.set_entries(find_panels().entries)
    page.resize(width, 700)
    page.show()
    cards = page.shelf.cards
    for i, card in enumerate(cards):
        assert card.geometry().left() >= 0
        assert card.geometry().right() <= page.shelf.width()
        assert card.geometry().bottom() <= page.shelf.height()
        assert not any(card.geometry().intersects(other.geometry()) for other in cards[:i])
    page.take_focus()
    press_down = [cards[0]]
    for _ in cards:
        qtbot.keyClick(press_down[-1], Key.Key_Down)
        now = page.shelf.focusWidget()
        if now is press_down[-1]:
            break
        press_down.append(now)
    assert press_down[-1].geometry().bottom() == max(card.geometry().bottom() for card in cards), "down reaches the end"


def test_words_change_with_the_language(open_window: Callable[..., MainWindow]) -> None:
    window = open_window()
    window.set_language("zh_CN")
    (card,) = [card for card in window.guide.page.shelf.cards if card.entry.name == "losses"]
    assert card.text() == "损失"
    assert "梯度" in card.accessibleDescription()


def test_every_panel_of_the_program_has_a_picture() -> None:
    own = [entry for entry in find_panels().entries.values() if entry.own]
    assert [entry.name for entry in own if thumbnail(entry.name) is None] == []
    assert thumbnail("no such panel") is None
    files = list(asset("thumbnails").iterdir())
    assert {file.stem for file in files} == {entry.name for entry in own}
    assert sum(file.stat().st_size for file in files) <= 20_000 * len(files), "thirty of them have 600 kB"
