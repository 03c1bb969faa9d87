"""Numbers typed: a quarter is a quarter with a point and with a comma, in every locale and in the digits of any script."""

import re
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from locale import LC_NUMERIC, setlocale
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QLocale, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDoubleSpinBox, QSpinBox
from pytestqt.qtbot import QtBot

from explorer.i18n import typed_number, typed_numbers, typed_whole
from explorer.own_networks.dialog_fields import Fields
from explorer.panel import knob, knobs
from explorer.registry import find_panels
from explorer.widgets.form import NumberControl
from explorer.widgets.numbers import DecimalBox, WholeBox, use_points
from explorer.widgets.theme import LIGHT

ROOT = Path(__file__).resolve().parents[2]
LOCALES = ("C", "en_US", "de_DE", "de_CH", "fr_FR", "zh_CN", "hi_IN", "ar_EG", "fa_IR", "my_MM")
ZEROS = [chr(i) for i in range(sys.maxunicode) if unicodedata.decimal(chr(i), None) == 0]
"""The zero of every script; the other digits follow it."""
QUARTERS = (
    "0.25",
    "0,25",
    ".25",
    ",25",
    "+0.250",
    " 0,25 ",
    "2.5e-1",
    "25E-2",
    "٠٫٢٥",
    "۰٫۲۵",
    "०.२५",
    "０．２５",
    "０，２５",
    "\u200e0,25",
)
WRONG = (
    "",
    "x",
    "0.2.5",
    "1,000.5",
    "1.000,5",
    "1,000,000",
    "0 25",
    "1'000",
    "1٬000",
    "-",
    "1e",
    "nan",
    "inf",
    "1_0",
    "½",
    "²",
)


@pytest.fixture(params=LOCALES)
def locale(request: pytest.FixtureRequest) -> Iterator[QLocale]:
    """What the computer is set to, before any widget is made."""
    before = QLocale()
    QLocale.setDefault(QLocale(request.param))
    yield QLocale()
    QLocale.setDefault(before)


def type_into(box: QSpinBox | QDoubleSpinBox, text: str) -> None:
    """As a keyboard does, letter by letter."""
    box.setFocus()
    box.selectAll()
    QTest.keyClick(box, Qt.Key.Key_Delete)
    for letter in text:
        QTest.sendKeyEvent(QTest.KeyAction.Click, box, Qt.Key.Key_unknown, letter, Qt.KeyboardModifier.NoModifier)
    QTest.keyClick(box, Qt.Key.Key_Return)


@dataclass(frozen=True)
class Params:
    number: float = knob(0.5, 0.0, 50.0)
    whole: int = knob(7, 0, 50)


def control(qtbot: QtBot, name: str) -> tuple[NumberControl, Any, list[Any]]:
    """The control of one of these, its box, and what it says from now on."""
    (_, its_knob), value = knobs(Params())[name], getattr(Params(), name)
    made, said = NumberControl(name, its_knob, value), list[Any]()
    made.set_value(value)
    qtbot.addWidget(made)
    made.changed.connect(said.append)
    made.show()
    return made, made.findChild(QDoubleSpinBox) or made.findChild(QSpinBox), said


# -- what a text says


@pytest.mark.parametrize("text", QUARTERS)
def test_a_quarter_is_a_quarter(text: str) -> None:
    assert typed_number(text) == 0.25
    assert typed_number("−" + text.strip(" +\u200e")) == -0.25


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no number"):
        typed_number(text)
    with pytest.raises(ValueError, match="no whole number"):
        typed_whole(text)


@given(
    number=st.decimals(min_value=-(10**6), max_value=10**6, places=3),
    sign=st.sampled_from(".,٫．，"),
    zero=st.sampled_from(ZEROS),
)
def test_any_number_in_any_script_with_any_sign(number: Any, sign: str, zero: str) -> None:
    text = "".join(chr(ord(zero) + int(one)) if one.isdecimal() else one for one in f"{number:f}").replace(".", sign)
    assert typed_number(text) == float(number)
    assert typed_whole(text.partition(sign)[0]) == int(f"{number:f}".partition(".")[0])
    with pytest.raises(ValueError, match="no whole number"):
        typed_whole(text)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("0.485, 0.456, 0.406", [0.485, 0.456, 0.406]),
        ("0.485,0.456,0.406", [0.485, 0.456, 0.406]),
        ("0,485; 0,456; 0,406", [0.485, 0.456, 0.406]),
        ("0,485;0,456 ; 0.406", [0.485, 0.456, 0.406]),
        ("0,485 0,456 0,406", [0.485, 0.456, 0.406]),
        ("0,485, 0,456 , 0,406", [0.485, 0.456, 0.406]),
        ("０．４８５，０．４５６，０．４０６", [0.485, 0.456, 0.406]),
        ("٠٫٤٨٥، ٠٫٤٥٦، ٠٫٤٠٦", [0.485, 0.456, 0.406]),
        ("123,117,104", [123, 117, 104]),
        ("1, 2", [1, 2]),
        ("0,5", [0.5]),
        (" 0.5 ", [0.5]),
        ("−1", [-1]),
    ],
)
def test_several_numbers(text: str, numbers: list[float]) -> None:
    assert typed_numbers(text) == numbers


@pytest.mark.parametrize("text", ["", " ", ";", "0.5,", "0.5,,0.4", "a, b", "1 2 x", "0,4,5; 1; 2"])
def test_several_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="no number"):
        typed_numbers(text)


# -- what a box takes


@pytest.mark.parametrize("text", ["0.25", "0,25", ",25", "٠٫٢٥", "۰٫۲۵", "०.२५", "０，２５"])
def test_a_box_takes_a_quarter_in_every_locale(qtbot: QtBot, locale: QLocale, text: str) -> None:
    _control, box, said = control(qtbot, "number")
    assert box.text() == "0.500"
    type_into(box, text)
    assert said == [0.25]
    assert box.text() == "0.250"
    box.setValue(1000 / 32)
    assert box.text() == "31.250"


@pytest.mark.parametrize("text", ["x", "", "0.2.5", "-", "51", "75,5", "75.5", "1,2,3", "1.000,5", "-1", "1e9"])
def test_what_a_box_does_not_take_leaves_what_was_there(qtbot: QtBot, locale: QLocale, text: str) -> None:
    for name, shown in (("number", "0.500"), ("whole", "7")):
        _control, box, said = control(qtbot, name)
        type_into(box, text)
        assert (box.text(), said) == (shown, [])


@pytest.mark.parametrize(
    ("text", "value"), [("12", 12), ("١٢", 12), ("１２", 12), ("1,2", 7), ("1.2", 7), ("12.0", 7), ("1,000", 7)]
)
def test_a_whole_number_has_no_decimal_sign(qtbot: QtBot, locale: QLocale, text: str, value: int) -> None:
    _control, box, said = control(qtbot, "whole")
    type_into(box, text)
    assert box.value() == value
    assert said == ([value] if value != 7 else [])


def test_nothing_stands_between_thousands(qtbot: QtBot, locale: QLocale) -> None:
    decimal, whole = DecimalBox(), WholeBox()
    for box in (decimal, whole):
        qtbot.addWidget(box)
        box.setMaximum(10**7)
        box.setSuffix(" px")
        box.setValue(1234567)
    assert (decimal.text(), whole.text()) == ("1234567.00 px", "1234567 px")
    for box in (decimal, whole):
        for text in ("32", "33 px", "٣٤"):
            type_into(box, text)
        assert box.value() == 34


def test_every_number_of_every_panel(qtbot: QtBot, locale: QLocale) -> None:
    """A value between the ends, written with a point and with a comma, is the one that is taken."""
    for name, panel in find_panels().panels.items():
        for part in (panel.params(), panel.view()):
            for field, (_, its_knob) in knobs(part).items():
                value = getattr(part, field)
                if (
                    its_knob.kind != "number"
                    or not isinstance(value, float)
                    or not isinstance(its_knob.high, int | float)
                ):
                    continue
                made = NumberControl(field, its_knob, value)
                made.set_value(value)
                qtbot.addWidget(made)
                box = made.findChild(QDoubleSpinBox)
                wanted = round(its_knob.low + (its_knob.high - its_knob.low) * 0.37, 3)
                for sign in ".,":
                    box.setValue(value)
                    type_into(box, f"{wanted:.3f}".replace(".", sign))
                    assert box.value() == pytest.approx(wanted), f"{name}.{field}"


def test_the_numbers_of_an_own_network(qtbot: QtBot, locale: QLocale) -> None:
    fields = Fields(LIGHT)
    qtbot.addWidget(fields)
    for mean, std in (
        ("0,485; 0,456; 0,406", "0,25"),
        ("0.485, 0.456, 0.406", "0.25, 0.25, 0.25"),
        ("٠٫٤٨٥ ٠٫٤٥٦ ٠٫٤٠٦", "٠٫٢٥"),
    ):
        fields.mean.setText(mean)
        fields.std.setText(std)
        type_into(fields.side, "256 px")
        own = fields.model()
        assert own.mean == (0.485, 0.456, 0.406)
        assert own.std == (0.25, 0.25, 0.25)
        assert own.size == 256


def test_qt_and_libraries_write_points(qapp: object, locale: QLocale) -> None:
    use_points()
    assert QLocale().toString(1234.5) == "1234.5"
    assert setlocale(LC_NUMERIC) == "C"
    box = QDoubleSpinBox()
    box.setValue(0.25)
    assert box.text() == "0.25"


def test_no_other_box_is_used() -> None:
    sources = [path for path in (ROOT / "explorer").rglob("*.py") if path.name != "numbers.py"]
    wrong = re.compile(r"\bQ(Double)?SpinBox\(|\bQ(Int|Double)Validator\b|\bQInputDialog\.get(Int|Double)\b")
    assert [path.name for path in sources if wrong.search(path.read_text("utf-8"))] == []
