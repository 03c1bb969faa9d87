"""Knobs that count up by themselves, that matter only sometimes, and whose range moves under their value."""

from dataclasses import dataclass
from typing import Any

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QSpinBox, QToolButton
from pytestqt.qtbot import QtBot

from explorer.panel import Result, Task, knob
from explorer.widgets.form import Form
from tests.explorer.panels_for_tests import make_frame

LAST = 1_000_000


@dataclass(frozen=True)
class Params:
    method: str = knob("hard", choices=("hard", "soft"))
    sigma: float = knob(0.5, 0.0, 1.0, when=lambda params: params.method == "soft")


@dataclass(frozen=True)
class View:
    step: int = knob(LAST, 0, lambda result: result.trace, play=True)


@pytest.fixture
def form(qtbot: QtBot) -> Form:
    made = Form(Params(), View())
    qtbot.addWidget(made)
    made.show()
    return made


def set_steps(form: Form, steps: int) -> None:
    form.set_result(Result(make_frame(), Task(1, "probe", Params()), steps))


def steps_box(form: Form) -> QSpinBox:
    found: Any = form.control("step").findChild(QSpinBox)
    return found


def test_playing_counts_to_the_end_and_stops(form: Form, qtbot: QtBot) -> None:
    set_steps(form, 3)
    said: list[int] = []
    form.changed.connect(lambda name, value: said.append(value))
    play: Any = form.control("step").findChild(QToolButton)
    assert steps_box(form).value() == 3
    play.click()  # at the end it begins anew
    qtbot.waitUntil(lambda: not play.isChecked(), timeout=10_000)
    assert said == [0, 1, 2, 3]
    timer: Any = form.control("step").findChild(QTimer)
    assert not timer.isActive()


def test_a_pause_stops_where_it_is(form: Form, qtbot: QtBot) -> None:
    set_steps(form, 1000)
    play: Any = form.control("step").findChild(QToolButton)
    play.click()
    qtbot.waitUntil(lambda: steps_box(form).value() >= 2, timeout=10_000)
    play.click()
    timer: Any = form.control("step").findChild(QTimer)
    assert not timer.isActive()
    assert 2 <= steps_box(form).value() < 1000


def test_what_plays_stands_first(form: Form) -> None:
    layout: Any = form.layout()
    assert layout.itemAt(0).widget() is form.control("step")


def test_the_last_step_stays_the_last_when_there_are_more_steps(form: Form) -> None:
    said: list[Any] = []
    form.changed.connect(lambda name, value: said.append(value))
    for steps in (5, 2, 9):
        set_steps(form, steps)
        assert steps_box(form).value() == steps
    assert said == []
    steps_box(form).setValue(4)
    assert said == [4]
    set_steps(form, 3)
    assert steps_box(form).value() == 3
    set_steps(form, 7)
    assert steps_box(form).value() == 4


def test_a_control_is_shown_when_it_matters(form: Form) -> None:
    sigma = form.control("sigma")
    assert sigma.isHidden()
    form.set_values(Params("soft", 0.25), View())
    assert not sigma.isHidden()
    form.set_values(Params("hard", 0.25), View())
    assert sigma.isHidden()
