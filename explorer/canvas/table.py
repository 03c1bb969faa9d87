"""A table pane: words to the left, numbers to the right with their unit in the header."""

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QEvent, QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from explorer.canvas.numbers import number, titled
from explorer.figure import Table
from explorer.widgets.theme import Theme

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
        self._titles: list[str] = []

    def set_table(self, table: Table) -> None:
        before, titles = self.table, self._titles
        if [c.title for c in before.columns] != [c.title for c in table.columns]:
            self.beginResetModel()
            self._take(table)
            self.endResetModel()
            return
        # Rows come and go at the end, so that the place one has scrolled to stays.
        old, new = len(before.rows), len(table.rows)
        nowhere = QModelIndex()
        if new > old:
            self.beginInsertRows(nowhere, old, new - 1)
            self._take(table)
            self.endInsertRows()
        elif new < old:
            self.beginRemoveRows(nowhere, new, old - 1)
            self._take(table)
            self.endRemoveRows()
        else:
            self._take(table)
        if min(old, new) and table.columns and table.rows[:old] != before.rows[:new]:
            last = self.index(min(old, new) - 1, len(table.columns) - 1)
            self.dataChanged.emit(self.index(0, 0), last, [Qt.ItemDataRole.DisplayRole])
        if titles != self._titles:
            self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, max(0, len(table.columns) - 1))

    def _take(self, table: Table) -> None:
        self.table = table
        self._titles = [titled(column.title, column.unit) for column in table.columns]
        self._sides = [RIGHT if numeric(table, column) else LEFT for column in range(len(table.columns))]

    def text(self, row: int, column: int) -> str:
        """A cell as it is shown; made when it is, since of a long table few are."""
        return cell_text(self.table, row, column)

    def title(self, column: int) -> str:
        return self._titles[column]

    def side(self, column: int) -> Qt.AlignmentFlag:
        return self._sides[column]

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.table.rows)

    def columnCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.table.columns)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role == Qt.ItemDataRole.DisplayRole:
            return self.text(index.row(), index.column())
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._sides[index.column()]
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self.table.columns):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self._titles[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._sides[section]
        return None


class Cells(QStyledItemDelegate):
    """Says how large cells are; the view paints them."""

    def __init__(self, view: "TableView") -> None:
        super().__init__(view)
        self._view = view

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        view = self._view
        width = view.metrics.horizontalAdvance(view.model_.text(index.row(), index.column()))
        return QSize(width + 4 * view.theme.space + 2, view.metrics.height() + 2 * view.theme.space)


class TableView(QTableView):
    """Shows a Table mark.

    Signals:
        chosen: the user chose a row, with mouse or keys.
        pointed: the pointer is on a row (its number), or gone (None).
    """

    chosen = Signal(int)
    pointed = Signal(object)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self.colours: dict[str, QColor] = {}
        self.metrics = QFontMetrics(self.font())
        self.hovered_row: int | None = None
        self._lit: int | None = None
        self._widest = 1
        self.model_ = TableModel(self)
        self.setModel(self.model_)
        self.setItemDelegate(Cells(self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setMouseTracking(True)
        # It fills its own background: else everything behind it were painted again with each new table.
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.setMinimumSize(60, 40)
        self.set_theme(theme)

    @property
    def table(self) -> Table:
        return self.model_.table

    @property
    def chosen_row(self) -> int | None:
        """The row that is marked: the one a probe lights up, else the table's selected one."""
        return self.table.selected if self._lit is None else self._lit

    def set_table(self, table: Table) -> None:
        before = self.table
        if table is before:
            return
        self.model_.set_table(table)
        if [c.title for c in before.columns] != [c.title for c in table.columns] or (table.rows and not before.rows):
            self.fit_columns()
        if before.selected != table.selected:
            self._show_chosen()

    def fit_columns(self) -> None:
        """As wide as their words; what is left of the pane is shared out."""
        strong = QFont(self.font())
        strong.setWeight(QFont.Weight.Bold)
        head, pad = QFontMetrics(strong), 4 * self.theme.space + 4
        texts, columns = self.model_, range(len(self.table.columns))
        widths = [
            max(
                [head.horizontalAdvance(texts.title(c))]
                + [self.metrics.horizontalAdvance(texts.text(r, c)) for r in range(min(len(self.table.rows), 200))]
            )
            + pad
            for c in columns
        ]
        spare = max(0, self.viewport().width() - sum(widths)) // max(1, len(widths))
        for column, width in enumerate(widths):
            self.setColumnWidth(column, width + spare)

    def light(self, row: int | None) -> None:
        """Marks a row for as long as a probe lights it."""
        if row != self._lit:
            self._lit = row
            self._show_chosen()

    def set_theme(self, theme: Theme) -> None:
        self.theme = theme
        self.colours = {
            "ground": QColor(theme.surface),
            "ink": QColor(theme.text),
            "chosen": QColor(theme.accent_soft),
            "hovered": QColor(theme.hover),
            "other": QColor(theme.window),
        }
        font = QFont(self.font())
        font.setPixelSize(theme.small)
        # Digits of one width, where the font has them, so that columns line up.
        font.setFeature(QFont.Tag("tnum"), 1)
        self.setFont(font)
        self.metrics = QFontMetrics(font)
        self._widest = max(self.metrics.horizontalAdvance(letter) for letter in map(chr, range(32, 127)))
        self.verticalHeader().setDefaultSectionSize(theme.small + 2 * theme.space + 2)
        self.fit_columns()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.fit_columns()

    def paintEvent(self, event: QPaintEvent) -> None:
        """All cells at once: Qt's way, with a style sheet and cell by cell, costs several times as much, thirty times a second."""
        with QPainter(self.viewport()) as painter:
            painter.fillRect(event.rect(), self.colours["ground"])
            painter.setFont(self.font())
            painter.setPen(self.colours["ink"])
            self._paint_cells(painter, event.rect())

    def _paint_cells(self, painter: QPainter, area: QRect) -> None:
        rows, high, pad = len(self.table.rows), self.verticalHeader().defaultSectionSize(), 2 * self.theme.space
        first = self.rowAt(area.top())
        if first < 0:
            return
        top = self.rowViewportPosition(first)
        shown = range(first, min(rows, first + 1 + (area.bottom() - top) // high))
        for row in shown:
            ground = "chosen" if row == self.chosen_row else "hovered" if row == self.hovered_row else "other"
            if ground != "other" or row % 2:
                painter.fillRect(area.left(), top + (row - first) * high, area.width(), high, self.colours[ground])
        for column in range(len(self.table.columns)):
            left, room = self.columnViewportPosition(column) + pad, self.columnWidth(column) - 2 * pad
            if left - pad > area.right() or left + room + pad < area.left():
                continue
            side, plenty = self.model_.side(column), room / self._widest
            for row in shown:
                text = self.model_.text(row, column)
                # Most are so short that they need not be measured.
                if (len(text) > plenty or not text.isascii()) and self.metrics.horizontalAdvance(text) > room:
                    text = self.metrics.elidedText(text, Qt.TextElideMode.ElideRight, room)
                painter.drawText(left, top + (row - first) * high, room, high, side, text)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._hover(self.rowAt(event.position().toPoint().y()))
        super().mouseMoveEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._hover(-1)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        row = self.rowAt(event.position().toPoint().y())
        if event.button() == Qt.MouseButton.LeftButton and row >= 0:
            self.chosen.emit(row)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        before = self.currentIndex().row()
        super().keyPressEvent(event)
        row = self.currentIndex().row()
        if row != before and row >= 0:
            self.chosen.emit(row)

    def _hover(self, row: int) -> None:
        found = row if row >= 0 else None
        if found != self.hovered_row:
            self.hovered_row = found
            self.viewport().update()
        self.pointed.emit(found)

    def _show_chosen(self) -> None:
        """The keys go on from the chosen row, and it is in sight."""
        row = self.chosen_row
        if row is not None and 0 <= row < len(self.table.rows) and row != self.currentIndex().row():
            self.setCurrentIndex(self.model_.index(row, 0))
        self.viewport().update()
