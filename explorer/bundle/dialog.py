"""What differs between a bundle and what is computed here: one sentence, a table, and how the panel looked."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from explorer.bundle.check import Report
from explorer.bundle.format import Bundle
from explorer.i18n import tr
from explorer.widgets.theme import set_role

MOST_ROWS = 500
FIGURE_WIDTH = 420


class ReportDialog(QDialog):
    """Stays beside the window while the user goes on.

    Args:
        name: of the file.
        sentence: what came out.
    """

    def __init__(self, parent: QWidget, name: str, bundle: Bundle, report: Report, sentence: str) -> None:
        super().__init__(parent)
        self.setObjectName("bundle_report")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(name)
        self._text = "\n".join((name, sentence, *report.lines()))
        said = QLabel(sentence)
        said.setWordWrap(True)
        set_role(said, "note" if report.same else "warning")
        layout = QVBoxLayout(self)
        layout.setSpacing(10)
        layout.addWidget(said)
        layout.addWidget(_table(report), 1)
        picture = QPixmap()
        if picture.loadFromData(bundle.figure, "PNG"):
            caption = QLabel(tr("How the panel looked, {time}:", time=bundle.saved.replace("T", " ")))
            set_role(caption, "muted")
            shown = QLabel()
            shown.setPixmap(picture.scaledToWidth(FIGURE_WIDTH, Qt.TransformationMode.SmoothTransformation))
            layout.addWidget(caption)
            layout.addWidget(shown, 0, Qt.AlignmentFlag.AlignHCenter)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        copy = QPushButton(tr("Copy"))
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self._text))
        buttons.addButton(copy, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.close)
        layout.addWidget(buttons)
        screen = parent.screen().availableGeometry()
        self.resize(min(760, screen.width() - 80), min(640, screen.height() - 80))


def _table(report: Report) -> QTableWidget:
    rows = [(fact.name, fact.before, fact.after, "") for fact in report.facts]
    for one in report.differences[:MOST_ROWS]:
        amount = ""
        if one.largest is not None:
            amount = tr("{largest} in {count} of {size}", largest=f"{one.largest:.3g}", count=one.count, size=one.size)
        rows.append((one.name or "trace", one.before, one.after, amount))
    table = QTableWidget(len(rows), 4)
    table.setObjectName("differences")
    table.setHorizontalHeaderLabels([tr("What"), tr("Saved"), tr("Here"), tr("Largest difference")])
    table.verticalHeader().hide()
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setWordWrap(False)
    for number, row in enumerate(rows):
        for column, words in enumerate(row):
            item = QTableWidgetItem(words or ("" if column == 3 else "–"))
            item.setToolTip(words)
            table.setItem(number, column, item)
    header = table.horizontalHeader()
    header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(3, QHeaderView.ResizeMode.ResizeToContents)
    return table
