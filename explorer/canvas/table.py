"""A table pane: words to the left, numbers to the right with their unit in the header."""

from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QEvent,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    Qt,
    Signal,
)
from PySide6.QtGui import QFont, QMouseEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from explorer.canvas.numbers import number, titled
from explorer.figure import Table
from explorer.theme import LIGHT, Theme

LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
Index = QModelIndex | QPersistentModelIndex

EMPTY = Table((), ())


def cell_text(table: Table, row: int, column: int) -> str:
    """A cell as it is shown."""
    cell = table.rows[row][column]
    return cell if isinstance(cell, str) else number(cell, table.columns[column].digits)


def numeric(table: Table, column: int) -> bool:
    """Whether a column holds numbers, and so stands to the right."""
    return bool(table.rows) and all(not isinstance(row[column], str) for row in table.rows)


class TableModel(QAbstractTableModel):
    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.table = EMPTY
        self._sides: list[Qt.AlignmentFlag] = []

    def set_table(self, table: Table) -> None:
        before = self.table
        if [c.title for c in before.columns] != [c.title for c in table.columns] or len(before.rows) != len(table.rows):
            self.beginResetModel()
            self._take(table)
            self.endResetModel()
            return
        self._take(table)
        if table.rows:
            last = self.index(len(table.rows) - 1, len(table.columns) - 1)
            self.dataChanged.emit(self.index(0, 0), last, [Qt.ItemDataRole.DisplayRole])
        self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, max(0, len(table.columns) - 1))

    def _take(self, table: Table) -> None:
        self.table = table
        self._sides = [RIGHT if numeric(table, column) else LEFT for column in range(len(table.columns))]

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.table.rows)

    def columnCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.table.columns)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role == Qt.ItemDataRole.DisplayRole:
            return cell_text(self.table, index.row(), index.column())
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._sides[index.column()]
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self.table.columns):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            column = self.table.columns[section]
            return titled(column.title, column.unit)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._sides[section]
        return None


class TableView(QTableView):
    """Shows a Table mark.

    Signals:
        chosen: the user chose a row, with mouse or keys.
        pointed: the pointer is on a row (its number), or gone (None).
    """

    chosen = Signal(int)
    pointed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme: Theme = LIGHT
        self.model_ = TableModel(self)
        self.setModel(self.model_)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setAlternatingRowColors(True)
        self.setWordWrap(False)
        self.setMouseTracking(True)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setStretchLastSection(True)
        self.setMinimumSize(60, 40)
        self._lit: int | None = None

    @property
    def table(self) -> Table:
        return self.model_.table

    def set_table(self, table: Table) -> None:
        before = self.table
        if table is before:
            return
        self.model_.set_table(table)
        if [c.title for c in before.columns] != [c.title for c in table.columns] or (table.rows and not before.rows):
            self.resizeColumnsToContents()
        self._select(table.selected if self._lit is None else self._lit)

    def light(self, row: int | None) -> None:
        """Selects a row for as long as a probe lights it."""
        if row != self._lit:
            self._lit = row
            self._select(self.table.selected if row is None else row)

    def _select(self, row: int | None) -> None:
        model = self.selectionModel()
        chosen = model.currentIndex().row() if model.hasSelection() else None
        if row is None or not 0 <= row < len(self.table.rows):
            if chosen is not None:
                model.clear()
            return
        if row != chosen:
            flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
            model.setCurrentIndex(self.model_.index(row, 0), flags)

    def set_theme(self, theme: Theme) -> None:
        self.theme = theme
        font = QFont(self.font())
        font.setPixelSize(theme.small)
        # Digits of one width, where the font has them, so that columns line up.
        font.setFeature(QFont.Tag("tnum"), 1)
        self.setFont(font)
        self.verticalHeader().setDefaultSectionSize(theme.small + 2 * theme.space + 2)
        self.resizeColumnsToContents()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        row = self.rowAt(event.position().toPoint().y())
        self.pointed.emit(row if row >= 0 else None)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.pointed.emit(None)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        row = self.rowAt(event.position().toPoint().y())
        if event.button() == Qt.MouseButton.LeftButton and row >= 0:
            self.chosen.emit(row)

    def keyPressEvent(self, event: Any) -> None:
        before = self.currentIndex().row()
        super().keyPressEvent(event)
        row = self.currentIndex().row()
        if row != before and row >= 0:
            self.chosen.emit(row)
