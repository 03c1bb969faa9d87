"""Boxes for numbers: shown with a point and ASCII digits whatever the computer's locale, typed with a point or a comma in any digits."""

from locale import LC_NUMERIC, setlocale

from PySide6.QtCore import QLocale
from PySide6.QtGui import QValidator
from PySide6.QtWidgets import QDoubleSpinBox, QSpinBox

from explorer.i18n import typed_number, typed_whole


def use_points() -> None:
    """Has Qt, and libraries in C, write and read numbers with a point.

    To be called after the QApplication is made, which sets the computer's locale for the process, and before any widget.
    """
    QLocale.setDefault(points())
    setlocale(LC_NUMERIC, "C")


def points() -> QLocale:
    """The locale that has a point, ASCII digits, and nothing between thousands."""
    locale = QLocale.c()
    locale.setNumberOptions(QLocale.NumberOption.OmitGroupSeparator | QLocale.NumberOption.RejectGroupSeparator)
    return locale


class DecimalBox(QDoubleSpinBox):
    """A number. What is out of range, or no number, is not taken: the box shows the last one again."""

    def __init__(self) -> None:
        super().__init__()
        self.setLocale(points())
        self.setKeyboardTracking(False)

    def validate(self, text: str, place: int) -> tuple[QValidator.State, str, int]:
        return _judged(self, text), text, place

    def fixup(self, text: str) -> str:
        return text  # Qt would take out commas: 12 of 1,2

    def valueFromText(self, text: str) -> float:
        return typed_number(_bare(self, text))


class WholeBox(QSpinBox):
    """A whole number. A fraction, or ``1,000``, which may be meant as one, is not taken."""

    def __init__(self) -> None:
        super().__init__()
        self.setLocale(points())
        self.setKeyboardTracking(False)

    def validate(self, text: str, place: int) -> tuple[QValidator.State, str, int]:
        return _judged(self, text), text, place

    def fixup(self, text: str) -> str:
        return text  # Qt would take out commas: 12 of 1,2

    def valueFromText(self, text: str) -> int:
        return typed_whole(_bare(self, text))


def _bare(box: QSpinBox | QDoubleSpinBox, text: str) -> str:
    unit = box.suffix().strip()
    text = text.removeprefix(box.prefix()).rstrip()
    while unit and text.endswith(unit):  # Qt keeps the box's own behind the one that a person types
        text = text.removesuffix(unit).rstrip()
    return text


def _judged(box: QSpinBox | QDoubleSpinBox, text: str) -> QValidator.State:
    """Nothing that could be a number is refused while it is typed: a letter that vanishes would leave another number."""
    read = typed_whole if isinstance(box, QSpinBox) else typed_number
    try:
        value = read(_bare(box, text))
    except ValueError:
        return QValidator.State.Intermediate
    return QValidator.State.Acceptable if box.minimum() <= value <= box.maximum() else QValidator.State.Intermediate
