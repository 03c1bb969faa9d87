"""The rows of the dialog that say what each input of a network gets: which one is the picture, and what the others are."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGridLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from cvcore.foreign import KINDS, Given
from explorer.i18n import tr
from explorer.widgets.icons import icon
from explorer.widgets.theme import Theme

SHOWN = 4
"""Rows that are seen without scrolling."""
FILES = "*.npy *.npz *.pt *.safetensors *.wav *.txt *.png *.jpg"
LAYOUTS = ("", "NHWC", "CHW", "HWC", "NCHW grey", "CHW grey")


class InputRows(QWidget):
    """One row for each input: its name, what it gets, and more about that.

    Signals:
        changed(): something else is set.
    """

    changed = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._rows: list[Row] = []
        self._open = True
        self._quiet = False
        self.more = QPushButton(tr("Several inputs, or another form …"))
        self.more.setObjectName("model_inputs_more")
        self.more.setAutoDefault(False)
        self.more.setToolTip(tr("Says what each argument of the network gets, and how the picture lies in it."))
        self.add = QPushButton(tr("Another input"))
        self.add.setObjectName("model_inputs_add")
        self.add.setAutoDefault(False)
        self._area = QScrollArea()
        self._area.setFrameShape(QScrollArea.Shape.NoFrame)
        self._area.setWidgetResizable(True)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._area)
        layout.addWidget(self.more, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(self.add, 0, Qt.AlignmentFlag.AlignLeft)
        self.more.clicked.connect(lambda: self._unfold())
        self.add.clicked.connect(lambda: self._append())
        self.show_given((), open_names=True)

    def show_given(self, given: Sequence[Given], *, open_names: bool) -> None:
        """Shows what is known; nothing where a picture is all. Emits nothing.

        Args:
            open_names: names can be changed and rows added: of Python code only its arguments are known, not what lies in them.
        """
        self._quiet = True
        self._open = open_names
        inner = QWidget()
        grid = QGridLayout(inner)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(0, 2)
        grid.setColumnStretch(2, 3)
        self._rows = []
        for one in given:
            row = Row(one, self._theme, open_name=open_names)
            row.changed.connect(self._tell)
            for column, part in enumerate((row.name, row.kind, row.text)):
                grid.addWidget(part, len(self._rows), column)
            self._rows.append(row)
        grid.setRowStretch(len(self._rows), 1)
        self._area.setWidget(inner)
        height = inner.sizeHint().height()
        self._area.setFixedHeight(min(height, height * SHOWN // max(len(given), 1)))
        self._area.setVisible(bool(given))
        self.more.setVisible(not given)
        self.add.setVisible(bool(given) and open_names)
        self._quiet = False

    def given(self) -> tuple[Given, ...]:
        """What the rows say; those without a name are left out."""
        return tuple(row.given() for row in self._rows if row.name.text().strip())

    def _unfold(self) -> None:
        self.show_given((Given("x", "picture"),), open_names=True)
        self._tell()

    def _append(self) -> None:
        self.show_given((*(row.given() for row in self._rows), Given("", "zeros")), open_names=self._open)
        self._rows[-1].name.setFocus()

    def _tell(self) -> None:
        if not self._quiet:
            self.changed.emit()


class Row(QWidget):
    """The parts of one row; the rows' grid places them."""

    changed = Signal()

    def __init__(self, given: Given, theme: Theme, *, open_name: bool) -> None:
        super().__init__()
        self.name = QLineEdit(given.name)
        self.name.setObjectName(f"model_input_{given.name}")
        self.name.setReadOnly(not open_name)
        self.name.setPlaceholderText(tr("argument, or argument.key"))
        self.name.setAccessibleName(tr("Name of the input"))
        self.kind = QComboBox()
        self.kind.setAccessibleName(tr("What the input gets"))
        words = {
            "picture": tr("the picture"),
            "zeros": tr("zeros"),
            "ones": tr("ones"),
            "value": tr("a value"),
            "file": tr("a file"),
            "nothing": tr("nothing"),
        }
        for kind in KINDS:
            self.kind.addItem(words[kind], kind)
        self.kind.setCurrentIndex(KINDS.index(given.kind))
        self.line = QLineEdit("" if given.kind == "picture" else given.text)
        self.layouts = QComboBox()
        said = (
            tr("as 1 × 3 × height × width"),
            tr("as 1 × height × width × 3"),
            tr("as 3 × height × width"),
            tr("as height × width × 3"),
            tr("in grey, 1 × 1 × height × width"),
            tr("in grey, 1 × height × width"),
        )
        for layout, word in zip(LAYOUTS, said, strict=True):
            self.layouts.addItem(word, layout)
        wanted = "" if given.text == "NCHW" else given.text
        self.layouts.setCurrentIndex(max(0, LAYOUTS.index(wanted) if wanted in LAYOUTS else 0))
        self.browse = QToolButton()
        self.browse.setIcon(icon("folder", theme.text))
        self.browse.setToolTip(tr("Choose a file for this input"))
        self.browse.setAccessibleName(tr("Choose a file for this input"))
        self.layouts.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.text = QStackedWidget()
        self.text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.text.setMinimumWidth(120)
        typed = QWidget()
        grid = QGridLayout(typed)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.line, 0, 0)
        grid.addWidget(self.browse, 0, 1)
        self.text.addWidget(typed)
        self.text.addWidget(self.layouts)
        self._show_kind()
        self.kind.activated.connect(self._kind_chosen)
        self.layouts.activated.connect(lambda: self.changed.emit())
        for line in (self.name, self.line):
            line.editingFinished.connect(self.changed)
        self.browse.clicked.connect(self._choose_file)

    def given(self) -> Given:
        """What the row says."""
        kind = KINDS[self.kind.currentIndex()]
        text = self.layouts.currentData() if kind == "picture" else self.line.text().strip()
        return Given(self.name.text().strip(), kind, "" if kind == "nothing" else text)

    def _show_kind(self) -> None:
        kind = KINDS[self.kind.currentIndex()]
        hints = {
            "zeros": tr("shape, such as 1, 77; empty for one number"),
            "ones": tr("shape, such as 1, 77; empty for one number"),
            "value": tr("3, true, [[101, 102]] or words"),
            "file": tr("numbers, sound, a picture or text"),
        }
        self.text.setCurrentIndex(1 if kind == "picture" else 0)
        self.text.setVisible(kind != "nothing")
        self.line.setPlaceholderText(hints.get(kind, ""))
        self.browse.setVisible(kind == "file")

    def _kind_chosen(self, _: int) -> None:
        self._show_kind()
        self.changed.emit()

    def _choose_file(self) -> None:
        start = str(Path(self.line.text()).parent) if self.line.text() else ""
        title = tr("Choose a file for this input")
        path, _ = QFileDialog.getOpenFileName(self.line, title, start, f"{title} ({FILES});;{tr('All files')} (*)")
        if path:
            self.line.setText(path)
            self.changed.emit()
