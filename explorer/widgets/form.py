"""A panel's Params and View as controls: every knob one row, every change one signal."""

import math
from collections.abc import Callable
from typing import Any, assert_never

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QScrollArea,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from explorer.i18n import tr
from explorer.panel import Knob, KnobKind, Result, knobs
from explorer.widgets.icons import icon
from explorer.widgets.numbers import DecimalBox, WholeBox
from explorer.widgets.tree import Tree

TICKS = 1000
PLAY_SECONDS = 20.0
"""How long playing all steps takes, within the limits of one step's time."""
FASTEST_MS, SLOWEST_MS = 40.0, 500.0


class Form(QWidget):
    """The controls of one panel.

    Signals:
        changed(str, object): a field's name and its new value, by the user's hand.
    """

    changed = Signal(str, object)

    def __init__(self, params: Any, view: Any) -> None:
        super().__init__()
        self._controls: dict[str, Control] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        has_tree = False
        of_all = [(instance, *item) for instance in (params, view) for item in knobs(instance).items()]
        for instance, name, (_, knob) in sorted(of_all, key=lambda one: (not one[2][1].play, not one[2][1].first)):
            if knob.kind != "hidden":
                control = make_control(name, knob, getattr(instance, name))
                control.changed.connect(lambda value, name=name: self.changed.emit(name, value))
                self._controls[name] = control
                has_tree |= knob.kind == "tree"
                layout.addWidget(control, 1 if knob.kind == "tree" else 0)
        if not has_tree:
            layout.addStretch(1)
        self._show_what_matters(params)

    def set_values(self, params: Any, view: Any) -> None:
        """Shows other values; emits nothing."""
        for instance in (params, view):
            for name in knobs(instance):
                if name in self._controls:
                    self._controls[name].set_value(getattr(instance, name))
        self._show_what_matters(params)

    def _show_what_matters(self, params: Any) -> None:
        for control in self._controls.values():
            if control.knob.when is not None:
                control.setVisible(control.knob.when(params))

    def set_result(self, result: Result) -> None:
        """Takes ranges and choices that depend on the result."""
        for control in self._controls.values():
            control.set_result(result)

    def show_control(self, name: str) -> bool:
        """Gives a control the keyboard and scrolls to it; False where it is not shown as things are set."""
        control = self._controls.get(name)
        if control is None or control.isHidden():
            return False
        area = self.parentWidget()
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parentWidget()
        if area is not None:
            area.ensureWidgetVisible(control, 0, 40)
        control.take_focus()
        return True

    def control(self, name: str) -> "Control":
        return self._controls[name]


class Control(QWidget):
    """One knob's row."""

    changed = Signal(object)

    def __init__(self, name: str, knob: Knob) -> None:
        super().__init__()
        self.knob = knob
        self.setObjectName(f"control_{name}")
        self.setToolTip(tr(knob.help) if knob.help else "")
        self._quiet = False

    def set_value(self, value: Any) -> None:
        self._quiet = True
        try:
            self._show(value)
        finally:
            self._quiet = False

    def take_focus(self) -> None:
        """The first part of it that takes keys has them."""
        parts = self.findChildren(QWidget)
        wanted = Qt.FocusPolicy.TabFocus
        first = next((one for one in parts if one.isVisibleTo(self) and one.focusPolicy() & wanted), None)
        if first is not None:
            first.setFocus(Qt.FocusReason.TabFocusReason)

    def set_result(self, result: Result) -> None:
        """Most controls depend on no result."""

    def _show(self, value: Any) -> None:
        raise NotImplementedError

    def _say(self, value: Any) -> None:
        if not self._quiet:
            self.changed.emit(value)


def make_control(name: str, knob: Knob, value: Any) -> Control:
    """The control for a knob, showing a value.

    Raises:
        ValueError: the knob is hidden.
    """
    control = _control_of(knob.kind)(name, knob, value)
    control.set_value(value)
    return control


def _control_of(kind: KnobKind) -> Callable[[str, Knob, Any], Control]:
    match kind:
        case "number":
            return NumberControl
        case "choice":
            return ChoiceControl
        case "tree":
            return TreeControl
        case "flag":
            return FlagControl
        case "file":
            return FileControl
        case "point" | "box":
            return PlaceControl
        case "text":
            return TextControl
        case "hidden":
            raise ValueError("a hidden knob has no control")
        case _:
            assert_never(kind)


def label_of(name: str, knob: Knob) -> str:
    said = tr(knob.label) if knob.label else tr(name.replace("_", " ").capitalize())
    said = f"{said} ({tr(knob.unit)})" if knob.unit else said
    return f"{said}  [{' '.join(knob.keys)}]" if knob.keys else said


def _header(name: str, knob: Knob) -> QLabel:
    label = QLabel(label_of(name, knob))
    label.setProperty("role", "muted")
    label.setWordWrap(True)
    return label


class NumberControl(Control):
    """A slider and a box to type into; only the box where there is no range."""

    def __init__(self, name: str, knob: Knob, value: float) -> None:
        super().__init__(name, knob)
        self._whole = isinstance(value, int)
        self._low = knob.low
        self._high = knob.high if isinstance(knob.high, int | float) else None
        self._dynamic = knob.high if callable(knob.high) else None
        self._box: WholeBox | DecimalBox
        if self._whole:
            self._box = WholeBox()
            self._box.setSingleStep(int(knob.step or 1))
        else:
            self._box = DecimalBox()
            self._box.setDecimals(3)
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._slider.setAccessibleName(label_of(name, knob))
        row = QHBoxLayout()
        if knob.play:
            row.addWidget(self._make_play_button())
        row.addWidget(self._slider, 1)
        row.addWidget(self._box)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(_header(name, knob))
        layout.addLayout(row)
        self._wanted = value
        self._set_range()
        self._box.valueChanged.connect(self._from_box)
        self._slider.valueChanged.connect(self._from_slider)

    def set_result(self, result: Result) -> None:
        if self._dynamic is None or result.trace is None:
            return
        high = self._dynamic(result)
        if high != self._high:
            self._high = high
            self._quiet = True
            self._set_range()
            # A value that was beyond the range before may be within it now, such as the last of more steps.
            self._show(self._wanted)
            self._quiet = False

    def _set_range(self) -> None:
        low = self._low if self._low is not None else -1_000_000
        high = self._high if self._high is not None else 1_000_000
        self._slider.setVisible(self._low is not None and self._high is not None)
        if isinstance(self._box, WholeBox):
            self._box.setRange(int(low), max(int(low), int(high)))
        else:
            self._box.setRange(low, max(low, high))
            self._box.setSingleStep(self.knob.step or (high - low) / 100)
        stepped = self._whole and not self.knob.log
        span = (high - low) / (self.knob.step or 1)
        self._slider.setRange(0, max(0, round(span)) if stepped else TICKS)

    def _to_ticks(self, value: float) -> int:
        low, high = self._low or 0.0, self._high or 0.0
        if self._whole and not self.knob.log:
            return round((value - low) / (self.knob.step or 1))
        if high <= low:
            return 0
        if self.knob.log:
            return round(TICKS * math.log(max(value, low) / low) / math.log(high / low))
        return round(TICKS * (value - low) / (high - low))

    def _from_ticks(self, ticks: int) -> float:
        low, high = self._low or 0.0, self._high or 0.0
        if self._whole and not self.knob.log:
            return low + ticks * (self.knob.step or 1)
        value = low * (high / low) ** (ticks / TICKS) if self.knob.log else low + (high - low) * ticks / TICKS
        if self._whole:
            step = self.knob.step or 1
            value = min(high, max(low, round(value / step) * step))
        return value

    def _from_box(self, value: float) -> None:
        self._slider.blockSignals(True)
        self._slider.setValue(self._to_ticks(value))
        self._slider.blockSignals(False)
        self._say(int(value) if self._whole else float(value))

    def _from_slider(self, ticks: int) -> None:
        value = self._from_ticks(ticks)
        if isinstance(self._box, WholeBox):
            self._box.setValue(int(value))
        else:
            self._box.setValue(value)

    def _say(self, value: float) -> None:
        if not self._quiet:
            self._wanted = value
        super()._say(value)

    def _show(self, value: float) -> None:
        self._wanted = value
        if isinstance(self._box, WholeBox):
            self._box.setValue(int(value))
        else:
            self._box.setValue(float(value))
        self._slider.blockSignals(True)
        self._slider.setValue(self._to_ticks(value))
        self._slider.blockSignals(False)

    # -- counting up by itself

    def _make_play_button(self) -> QToolButton:
        self._play = QToolButton()
        self._play.setCheckable(True)
        self._play.setToolTip(tr("Play the steps, or pause"))
        self._play.setAccessibleName(tr("Play the steps, or pause"))
        self._play.toggled.connect(self._toggle_play)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._play_one)
        self._show_play_icon()
        return self._play

    def _toggle_play(self, playing: bool) -> None:
        self._show_play_icon()
        if not playing:
            self._timer.stop()
            return
        if self._box.value() >= self._box.maximum():
            self._box.setValue(int(self._box.minimum()))
        steps = max(1, round(self._box.maximum() - self._box.minimum()))
        self._timer.start(round(min(max(PLAY_SECONDS * 1000 / steps, FASTEST_MS), SLOWEST_MS)))

    def _play_one(self) -> None:
        if self._box.value() >= self._box.maximum():
            self._play.setChecked(False)
        else:
            self._box.setValue(int(self._box.value() + self._box.singleStep()))  # stepUp would select the text

    def _show_play_icon(self) -> None:
        colour = self.palette().buttonText().color().name()
        self._play.setIcon(icon("pause" if self._play.isChecked() else "play", colour))

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if self.knob.play and event.type() == QEvent.Type.PaletteChange:
            self._show_play_icon()


class ChoiceControl(Control):
    """A list to choose one word from. The words shown are translated; the value is the English one."""

    def __init__(self, name: str, knob: Knob, value: str) -> None:
        super().__init__(name, knob)
        self._combo = QComboBox()
        self._combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._combo.setMinimumContentsLength(8)
        self._combo.setAccessibleName(label_of(name, knob))
        self._fill(knob.choices if isinstance(knob.choices, tuple) else (value,))
        self._combo.currentIndexChanged.connect(lambda i: self._say(self._combo.itemData(i)))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(_header(name, knob))
        layout.addWidget(self._combo)

    def set_result(self, result: Result) -> None:
        if not callable(self.knob.choices) or result.trace is None:
            return
        choices = tuple(self.knob.choices(result))
        if choices != self._choices:
            chosen = self._combo.currentData()
            self._quiet = True
            self._combo.clear()
            self._fill(choices)
            self._show(chosen)
            self._quiet = False

    def _fill(self, choices: tuple[str, ...]) -> None:
        self._choices = choices
        for choice in choices:
            self._combo.addItem(tr(choice), choice)

    def _show(self, value: str) -> None:
        index = self._combo.findData(value)
        if index < 0:
            self._combo.addItem(tr(value), value)
            index = self._combo.count() - 1
        self._combo.setCurrentIndex(index)


class FlagControl(Control):
    """A box to tick."""

    def __init__(self, name: str, knob: Knob, value: bool) -> None:
        super().__init__(name, knob)
        self._box = QCheckBox(label_of(name, knob))
        self._box.toggled.connect(self._say)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)

    def _show(self, value: bool) -> None:
        self._box.setChecked(value)


class TextControl(Control):
    """A line to type into."""

    def __init__(self, name: str, knob: Knob, value: str) -> None:
        super().__init__(name, knob)
        self._line = QLineEdit()
        self._line.editingFinished.connect(lambda: self._say(self._line.text()))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(_header(name, knob))
        layout.addWidget(self._line)

    def _show(self, value: str) -> None:
        self._line.setText(value)


class FileControl(TextControl):
    """A path, typed or chosen."""

    def __init__(self, name: str, knob: Knob, value: str) -> None:
        super().__init__(name, knob, value)
        button = QToolButton()
        button.setText("…")
        button.setToolTip(tr("Choose a file"))
        button.clicked.connect(self._choose)
        row = QHBoxLayout()
        row.addWidget(self._line, 1)
        row.addWidget(button)
        layout = self.layout()
        assert isinstance(layout, QVBoxLayout)
        layout.addLayout(row)

    def _choose(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, tr("Choose a file"), self._line.text())
        if path:
            self._line.setText(path)
            self._say(path)


class PlaceControl(Control):
    """A place on the picture: set by the mouse there, shown here, and taken back here."""

    def __init__(self, name: str, knob: Knob, value: tuple[float, ...] | None) -> None:
        super().__init__(name, knob)
        self._text = QLabel()
        self._text.setWordWrap(True)
        clear = QToolButton()
        clear.setText("×")
        clear.setToolTip(tr("Choose none"))
        clear.clicked.connect(lambda: self._say(None))
        self._clear = clear
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._text, 1)
        row.addWidget(clear)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(_header(name, knob))
        layout.addLayout(row)

    def _show(self, value: tuple[float, ...] | None) -> None:
        self._clear.setVisible(value is not None)
        if value is None:
            self._text.setText(tr("none: click on the picture"))
        else:
            self._text.setText("(" + ", ".join(f"{v:g}" for v in value) + ")")


class TreeControl(Control):
    """A network's layers, or another tree of names, with columns and a filter."""

    def __init__(self, name: str, knob: Knob, value: str) -> None:
        super().__init__(name, knob)
        self.tree = Tree((label_of(name, knob), *(tr(column) for column in knob.columns)))
        self.tree.chosen.connect(self._say)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.tree)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    def set_result(self, result: Result) -> None:
        if callable(self.knob.choices) and result.trace is not None:
            self._quiet = True
            self.tree.set_nodes(self.knob.choices(result))
            self._quiet = False

    def _show(self, value: str) -> None:
        self.tree.choose(value)
