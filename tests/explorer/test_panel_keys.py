"""Keys that a panel's knobs declare: what they set, and that they come before the window's own but not where text is typed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox
from pytestqt.qtbot import QtBot

from cvcore.assets import asset
from explorer.panel import Result, Task, knob
from explorer.registry import Registry
from explorer.settings.session import OpenPanel, Settings
from explorer.widgets.dialogs import shortcuts_dialog
from explorer.window import desk as desk_module
from explorer.window.main import MainWindow
from explorer.window.panel_keys import edit_of, key_actions
from tests.explorer.panels_for_tests import Trace, make_frame, make_panel

WAIT = 20_000


@dataclass(frozen=True)
class Params:
    factor: int = knob(1, 0, 10)
    size: float = knob(0.5, 0.0, 1.0)
    stepping: bool = knob(False)
    kind: str = knob("a", choices=("a", "b", "c"))


@dataclass(frozen=True)
class View:
    opacity: float = knob(0.5, 0.0, 1.0)
    shown: bool = knob(True, keys=("1",))
    step: int = knob(1_000, 0, lambda result: 7, keys=(",", "."), when=lambda params: params.stepping)
    part: str = knob(
        "x",
        kind="choice",
        choices=lambda result: ("x", "y", "z"),
        keys=(",", "."),
        when=lambda params: not params.stepping,
    )


def result() -> Result:
    return Result(make_frame(), Task(1, "probe", Params()), Trace(0.0, None))


def test_a_flag_is_switched() -> None:
    assert edit_of("1", Params(), View(), None) == {"shown": False}
    assert edit_of("1", Params(), View(shown=False), None) == {"shown": True}


def test_a_choice_goes_round_in_a_circle() -> None:
    assert edit_of(".", Params(), View(), result()) == {"part": "y"}
    assert edit_of(",", Params(), View(), result()) == {"part": "z"}
    assert edit_of(".", Params(), View(part="z"), result()) == {"part": "x"}
    assert edit_of(".", Params(), View(part="gone"), result()) == {"part": "x"}


def test_a_number_stays_in_its_range() -> None:
    stepping = Params(stepping=True)
    assert edit_of(",", stepping, View(), result()) == {"step": 6}
    assert edit_of(".", stepping, View(step=6), result()) == {"step": 7}
    assert edit_of(".", stepping, View(step=7), result()) == {"step": 7}
    assert edit_of(",", stepping, View(step=0), result()) == {"step": 0}


def test_before_a_result_what_depends_on_it_stays() -> None:
    assert edit_of(".", Params(), View(), None) is None
    assert edit_of(".", Params(stepping=True), View(), None) is None


def test_other_keys_are_not_the_panels() -> None:
    assert edit_of("7", Params(), View(), result()) is None
    assert edit_of("", Params(), View(), result()) is None


def test_the_list_of_shortcuts_has_them(qtbot: QtBot) -> None:
    actions = key_actions(Params(), View())
    assert [(action.text, action.shortcut) for action in actions] == [
        ("Shown", "1"),
        ("Part: back", ","),
        ("Part: on", "."),
    ]
    window = MainWindow(Settings(language="en", panels=()), "")
    qtbot.addWidget(window)
    shortcuts_dialog(window, actions).close()
    window.close()


@pytest.fixture
def window(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Iterator[MainWindow]:
    panel = make_panel(Params=Params, View=View)
    monkeypatch.setattr(desk_module, "find_panels", lambda: Registry({"probe": panel}, {}))
    made = MainWindow(Settings(language="en", panels=(OpenPanel("probe", 1),)), str(asset("pictures", "coffee.jpg")))
    qtbot.addWidget(made)
    made.resize(1200, 700)
    with qtbot.waitExposed(made):
        made.show()
    made.start()
    made.activateWindow()
    qtbot.waitUntil(lambda: made.desk.docks[0].result is not None, timeout=WAIT)
    yield made
    made.close()


def test_keys_act_wherever_the_focus_is_but_not_where_text_is_typed(window: MainWindow, qtbot: QtBot) -> None:
    dock: Any = window.desk.docks[0]
    pane = next(iter(dock.canvas.views.values())) if hasattr(dock.canvas, "views") else dock.canvas
    for widget in (pane, window, dock.side.findChild(QComboBox)):
        before = dock.view.part
        qtbot.keyClick(widget, Qt.Key.Key_Period)
        order = "xyz"
        assert dock.view.part == order[(order.index(before) + 1) % 3]
    qtbot.keyClick(window, Qt.Key.Key_1)
    assert not dock.view.shown
    box = dock.side.findChild(QDoubleSpinBox)
    box.setFocus()
    box.selectAll()
    qtbot.keyClick(box.lineEdit() if hasattr(box, "lineEdit") else box, Qt.Key.Key_1)
    assert not dock.view.shown
    qtbot.keyClick(window, Qt.Key.Key_1, Qt.KeyboardModifier.ControlModifier)
    assert not dock.view.shown
