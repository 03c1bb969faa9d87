"""The rows of the dialog for the user's own network: files, size, colour order, normalisation."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QToolButton,
    QWidget,
)

from cvcore.foreign import ModelError, builders
from cvcore.foreign.packages import PACKAGES
from explorer.i18n import tr, typed_numbers
from explorer.own_networks.dialog_inputs import InputRows
from explorer.own_networks.known import LARGEST, SMALLEST, OwnModel
from explorer.own_networks.trial import PRESETS, preset_of
from explorer.views.knobs import LEAST, MOST
from explorer.widgets.icons import icon
from explorer.widgets.numbers import WholeBox
from explorer.widgets.theme import Theme

NETWORKS = "*.py *.pt2 *.onnx"
WEIGHTS = "*.safetensors *.pt *.pth *.ckpt *.bin"
TEXTS = "*.txt"
EXAMPLES = "net.py · net.pt2 · net.onnx · timm:resnet50"
COLOURS: tuple[Literal["RGB", "BGR"], ...] = ("RGB", "BGR")


NOTHING = OwnModel("–")
"""Shown before there is a network."""


class FileRow(QWidget):
    """A path to type or to choose."""

    changed = Signal()

    def __init__(self, name: str, kinds: str, title: str, theme: Theme) -> None:
        super().__init__()
        self._kinds, self._title = kinds, title
        self.line = QLineEdit()
        self.line.setObjectName(name)
        self.line.setClearButtonEnabled(True)
        button = QToolButton()
        button.setObjectName(f"{name}_browse")
        button.setIcon(icon("folder", theme.text))
        button.setToolTip(title)
        button.setAccessibleName(title)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.line, 1)
        layout.addWidget(button)
        self.line.editingFinished.connect(self.changed)
        button.clicked.connect(self._browse)

    def text(self) -> str:
        return self.line.text().strip()

    def set_text(self, text: str) -> None:
        self.line.setText(text)
        self.line.end(False)  # the file's own name is what matters of a long path
        self.line.setToolTip(text)

    def _browse(self) -> None:
        start = str(Path(self.text()).parent) if self.text() else ""
        path, _ = QFileDialog.getOpenFileName(
            self, self._title, start, f"{self._title} ({self._kinds});;{tr('All files')} (*)"
        )
        if path:
            self.line.setText(path)
            self.changed.emit()


class Fields(QWidget):
    """All rows. What they say is an OwnModel.

    Signals:
        place_changed(): another network is named.
        changed(): anything else is set.
    """

    place_changed = Signal()
    changed = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._own = NOTHING
        self._quiet = False
        self.place = FileRow("model_place", NETWORKS, tr("Network"), theme)
        self.place.line.setPlaceholderText(EXAMPLES)
        self.function = QComboBox()
        self.function.setObjectName("model_function")
        self.function.setEditable(True)
        self.weights = FileRow("model_weights", WEIGHTS, tr("Weights"), theme)
        self.inputs = InputRows(theme)
        self.labels = FileRow("model_labels", TEXTS, tr("Class names"), theme)
        self.labels.line.setPlaceholderText(tr("one a line, if the network tells classes apart"))
        self.side = WholeBox()
        self.side.setObjectName("model_size")
        self.side.setRange(SMALLEST, LARGEST)
        self.side.setSuffix(" px")
        self.only = QLabel()
        self.colour = QComboBox()
        self.colour.setObjectName("model_colour")
        self.colour.addItems([tr("red, green, blue (RGB)"), tr("blue, green, red (BGR)")])
        self.preset = QComboBox()
        self.preset.setObjectName("model_preset")
        for preset in PRESETS:
            self.preset.addItem(tr(preset.name), preset)
        self.preset.addItem(tr("other numbers"), None)
        self.mean, self.std = QLineEdit(), QLineEdit()
        self.mean.setObjectName("model_mean")
        self.std.setObjectName("model_std")
        self.scale = QComboBox()
        self.scale.setObjectName("model_scale")
        self.scale.addItem(tr("from 0 to 1"), 255.0)
        self.scale.addItem(tr("from 0 to 255"), 1.0)

        rows = QFormLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._function_label = QLabel(tr("Function"))
        rows.addRow(tr("Network"), self.place)
        rows.addRow(self._function_label, self.function)
        rows.addRow(tr("Weights"), self.weights)
        rows.addRow(tr("Class names"), self.labels)
        rows.addRow(tr("Inputs"), self.inputs)
        size = QHBoxLayout()
        size.addWidget(self.side)
        size.addWidget(self.only, 1)
        rows.addRow(tr("Input size"), size)
        rows.addRow(tr("Colour order"), self.colour)
        rows.addRow(tr("Normalisation"), self.preset)
        rows.addRow(tr("Pixel values"), self.scale)
        rows.addRow(tr("Mean"), self.mean)
        rows.addRow(tr("Standard deviation"), self.std)

        self.show_model(NOTHING)
        self.place.changed.connect(self._place_edited)
        self.function.currentTextChanged.connect(self._changed)
        self.preset.activated.connect(self._choose_preset)
        for row in (self.weights, self.labels, self.inputs):
            row.changed.connect(self._changed)
        self.side.valueChanged.connect(self._changed)
        for box in (self.colour, self.scale):
            box.activated.connect(self._changed)
        for line in (self.mean, self.std):
            line.editingFinished.connect(self._changed)

    def show_model(self, own: OwnModel, functions: Sequence[str] = ()) -> None:
        """Shows what is known of a network; emits nothing."""
        self._quiet = True
        self._own = own
        python = own.path is not None and own.path.suffix.lower() == ".py"
        self.place.set_text("" if own is NOTHING else own.place)
        self.function.clear()
        self.function.addItems(list(functions))
        self.function.setCurrentText(own.function or next(iter(functions), ""))
        self.function.setVisible(python)
        self._function_label.setVisible(python)
        self.weights.set_text(own.weights)
        self.weights.setEnabled(not own.place.lower().endswith(".onnx"))
        self.labels.set_text(own.labels)
        self.inputs.show_given(own.given, open_names=own.place.partition(":")[0] in PACKAGES or python)
        self.side.setRange(*((SMALLEST, LARGEST) if own.input else (LEAST, MOST)))
        self.side.setValue(own.size)
        self.side.setEnabled(not own.input)
        self.only.setText(
            tr("the network takes only {width} × {height} px", width=own.input[0], height=own.input[1])
            if own.input
            else ""
        )
        self.colour.setCurrentIndex(COLOURS.index(own.colour))
        self.mean.setText(_words(own.mean))
        self.std.setText(_words(own.std))
        if self.scale.findData(own.scale) < 0:
            self.scale.addItem(f"÷ {own.scale:g}", own.scale)
        self.scale.setCurrentIndex(self.scale.findData(own.scale))
        self._show_preset(own)
        self._quiet = False

    def model(self) -> OwnModel:
        """What the rows say.

        Raises:
            ModelError: numbers that make no sense.
        """
        fix = self._own.fix_keys and self.weights.text() == self._own.weights
        try:
            return replace(
                self._own.with_inputs(self.inputs.given()),
                function=self.function.currentText().strip() if self.function.isVisibleTo(self) else "",
                weights=self.weights.text(),
                labels=self.labels.text(),
                fix_keys=fix,
                size=self.side.value(),
                colour=COLOURS[self.colour.currentIndex()],
                mean=_three(self.mean.text()),
                std=_three(self.std.text()),
                scale=self.scale.currentData(),
            )
        except ValueError as error:
            raise ModelError("The mean and the deviation are three numbers each, the deviation positive.") from error

    def functions(self, own: OwnModel) -> tuple[str, ...]:
        """What a Python file may be asked for; empty for others.

        Raises:
            ModelError: it is no Python.
        """
        path = own.path
        return builders(path) if path is not None and path.suffix.lower() == ".py" else ()

    def _place_edited(self) -> None:
        if not self._quiet and self.place.text() != self._own.place:
            self.place_changed.emit()

    def _changed(self, *_: object) -> None:
        if self._quiet:
            return
        try:
            self._show_preset(self.model())
        except ModelError:
            self.preset.setCurrentIndex(self.preset.count() - 1)
        self.changed.emit()

    def _show_preset(self, own: OwnModel) -> None:
        preset = preset_of(own.preprocessing)
        self.preset.setCurrentIndex(PRESETS.index(preset) if preset is not None else self.preset.count() - 1)

    def _choose_preset(self, _: int) -> None:
        preset = self.preset.currentData()
        if preset is not None:
            self.colour.setCurrentIndex(COLOURS.index(preset.colour))
            self.scale.setCurrentIndex(self.scale.findData(preset.scale))
            self.mean.setText(_words(preset.mean))
            self.std.setText(_words(preset.std))
        self._changed()


def _words(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _three(text: str) -> tuple[float, float, float]:
    first, second, third = numbers * 3 if len(numbers := typed_numbers(text)) == 1 else numbers
    return first, second, third
