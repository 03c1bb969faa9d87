"""Small dialogs: an address to open, and the list of shortcuts."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from explorer.i18n import tr
from explorer.widgets.actions import ActionSpec
from explorer.widgets.theme import set_role


def ask_address(parent: QWidget, recent: Sequence[str]) -> str:
    """The address of a stream, typed or chosen from the recent ones; empty if the user thinks better of it."""
    dialog = QDialog(parent)
    dialog.setWindowTitle(tr("Open a network stream"))
    dialog.setMinimumWidth(460)
    layout = QVBoxLayout(dialog)
    layout.setSpacing(10)
    words = QLabel(tr("Address of an RTSP or HTTP (MJPEG) stream, as your camera's manual gives it:"))
    words.setWordWrap(True)
    layout.addWidget(words)
    address = QComboBox()
    address.setObjectName("address")
    address.setEditable(True)
    address.addItems(list(recent))
    address.setCurrentText("")
    line = address.lineEdit()
    assert line is not None
    line.setPlaceholderText("rtsp://192.168.1.20:554/live")
    layout.addWidget(address)
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
    open_button = QPushButton(tr("Open"))
    open_button.setDefault(True)
    buttons.addButton(open_button, QDialogButtonBox.ButtonRole.AcceptRole)
    buttons.accepted.connect(dialog.accept)
    buttons.rejected.connect(dialog.reject)
    layout.addWidget(buttons)
    accepted = dialog.exec() == QDialog.DialogCode.Accepted
    return address.currentText().strip() if accepted else ""


def shortcuts_dialog(parent: QWidget, actions: Sequence[ActionSpec]) -> QDialog:
    """The list of everything the keyboard does, grouped, in two columns."""
    dialog = QDialog(parent)
    dialog.setObjectName("shortcuts")
    dialog.setWindowTitle(tr("Keyboard shortcuts"))
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    inside = QWidget()
    grid = QGridLayout(inside)
    grid.setHorizontalSpacing(18)
    grid.setVerticalSpacing(5)
    groups = [
        (group, [spec for spec in actions if spec.group == group])
        for group in dict.fromkeys(spec.group for spec in actions)
    ]
    half = sum(len(specs) + 2 for _, specs in groups) / 2
    row, column, used = 0, 0, 0
    for group, specs in groups:
        if column == 0 and used > half - len(specs) / 2:
            row, column = 0, 3
        heading = QLabel(tr(group))
        set_role(heading, "heading")
        grid.addWidget(heading, row, column, 1, 2)
        row += 1
        for spec in specs:
            native = QKeySequence(spec.shortcut).toString(QKeySequence.SequenceFormat.NativeText)
            key = QLabel(spec.keys or native)
            set_role(key, "badge")
            grid.addWidget(key, row, column, Qt.AlignmentFlag.AlignRight)
            grid.addWidget(QLabel(tr(spec.text)), row, column + 1)
            row += 1
        used += len(specs) + 2
        row += 1
    grid.setColumnMinimumWidth(2, 24)
    scroll = QScrollArea()
    scroll.setWidget(inside)
    scroll.setWidgetResizable(True)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    mouse = QLabel(
        tr(
            "Mouse: the wheel zooms, dragging moves, a double click fits the picture again; "
            "a click chooses what is under the pointer."
        )
    )
    mouse.setWordWrap(True)
    set_role(mouse, "muted")
    layout = QVBoxLayout(dialog)
    layout.addWidget(scroll, 1)
    layout.addWidget(mouse)
    hint = inside.sizeHint()
    screen = parent.screen().availableGeometry()
    dialog.resize(min(hint.width() + 60, screen.width() - 80), min(hint.height() + 90, screen.height() - 120))
    return dialog
