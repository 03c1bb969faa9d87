"""A tree of names with columns and a filter: the widget behind a tree knob."""

from collections.abc import Sequence

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QSortFilterProxyModel, Qt, Signal
from PySide6.QtGui import QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QLineEdit, QTreeView, QVBoxLayout, QWidget

from explorer.i18n import tr
from explorer.panel import Node

VALUE = Qt.ItemDataRole.UserRole
FOUND_BY = Qt.ItemDataRole.UserRole + 1


class Tree(QWidget):
    """Nodes to choose one from.

    Signals:
        chosen(str): the value of the node the user chose.
    """

    chosen = Signal(str)

    def __init__(self, titles: Sequence[str]) -> None:
        super().__init__()
        self._titles = tuple(titles)
        self._nodes: tuple[Node, ...] = ()
        self._items: dict[str, QStandardItem] = {}
        self._value = ""
        self._filtering = False
        self._model = QStandardItemModel(self)
        self._shown = QSortFilterProxyModel(self)
        self._shown.setSourceModel(self._model)
        self._shown.setRecursiveFilteringEnabled(True)
        self._shown.setAutoAcceptChildRows(True)
        self._shown.setFilterRole(FOUND_BY)
        self._shown.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self._view = QTreeView()
        self._view.setModel(self._shown)
        self._view.setUniformRowHeights(True)
        self._view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self._view.setAlternatingRowColors(True)
        self._view.setIndentation(12)
        self._view.setMinimumHeight(160)
        self._view.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self._view.selectionModel().currentChanged.connect(self._current_changed)
        self._filter = QLineEdit()
        self._filter.setObjectName("filter")
        self._filter.setPlaceholderText(tr("Filter"))
        self._filter.setClearButtonEnabled(True)
        self._filter.textChanged.connect(self._filter_changed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._filter)
        layout.addWidget(self._view, 1)

    @property
    def view(self) -> QTreeView:
        return self._view

    def set_nodes(self, nodes: tuple[Node, ...]) -> None:
        """Shows these rows. Rows that only changed their cells stay where they are, open or closed."""
        if nodes is self._nodes or nodes == self._nodes:
            return
        same = [(n.value, n.text, n.depth) for n in nodes] == [(n.value, n.text, n.depth) for n in self._nodes]
        self._nodes = nodes
        if same:
            for node in nodes:
                self._fill(node)
            return
        self._items = {}
        # A new one, since PySide keeps what it has of each item for as long as there is the model that the item was in.
        self._model = QStandardItemModel()
        self._shown.setSourceModel(self._model)
        self._model.setHorizontalHeaderLabels(list(self._titles))
        parents: list[QStandardItem] = [self._model.invisibleRootItem()]
        for node in nodes:
            del parents[node.depth + 1 :]
            cells = [QStandardItem() for _ in self._titles]
            parents[-1].appendRow(cells)
            parents.append(cells[0])
            self._items[node.value] = cells[0]
            self._fill(node)
        header = self._view.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.choose(self._value)

    def choose(self, value: str) -> None:
        """Selects the row of this value, opens its parents and scrolls to it; emits nothing."""
        self._value = value
        item = self._items.get(value)
        if item is None:
            return
        index = self._shown.mapFromSource(item.index())
        selection = self._view.selectionModel()
        if not index.isValid() or selection.currentIndex().siblingAtColumn(0) == index:
            return
        selection.setCurrentIndex(
            index, QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
        )
        parent = index.parent()
        while parent.isValid():
            self._view.expand(parent)
            parent = parent.parent()
        self._view.scrollTo(index)

    def _fill(self, node: Node) -> None:
        first = self._items[node.value]
        first.setData(" ".join((node.value, node.text, *node.cells)), FOUND_BY)
        parent = first.parent() or self._model.invisibleRootItem()
        texts = (node.text, *node.cells)
        for column in range(len(self._titles)):
            item = parent.child(first.row(), column)
            text = texts[column] if column < len(texts) else ""
            if item.text() != text:
                item.setText(text)
            item.setData(node.value, VALUE)
            item.setToolTip(node.value)

    def _current_changed(self, current: QModelIndex, _previous: QModelIndex) -> None:
        value = current.siblingAtColumn(0).data(VALUE)
        if value and value != self._value and not self._filtering:
            self._value = value
            self.chosen.emit(value)

    def _filter_changed(self, text: str) -> None:
        self._filtering = True  # rows that vanish move the selection; that is not the user's choice
        self._shown.setFilterFixedString(text)
        self._view.selectionModel().clear()
        self._filtering = False
        if text:
            self._view.expandAll()
        else:
            self._view.collapseAll()
        self.choose(self._value)
        if text:
            self._view.scrollToTop()
