"""The line that finds anything (Ctrl+P): typed letters, what fits them, and Enter goes there."""

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPointF,
    QRect,
    QRectF,
    QSize,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetrics,
    QFontMetricsF,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QTextCharFormat,
    QTextLayout,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QLabel,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from explorer.i18n import tr
from explorer.widgets.icons import icon
from explorer.widgets.theme import Theme, set_role
from explorer.window.finding import Found, Kind, Thing, find

ROWS = 11
"""Seen at once."""
LOOK_MS = 200
ICONS: dict[Kind, str] = {
    "panel": "panels",
    "view": "layers",
    "control": "tune",
    "action": "keyboard",
    "text": "explain",
}
MOVES = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: ROWS - 1, Qt.Key.Key_PageUp: 1 - ROWS}
Index = QModelIndex | QPersistentModelIndex


class Palette(QFrame):
    """Finds things and goes to them, with the keyboard alone or with the mouse.

    Args:
        parent: the window, above whose middle it opens.
        things: what can be found now; asked for again while it is open, since panels become known meanwhile.

    Signals:
        chosen(Thing): go there.
    """

    chosen = Signal(object)

    def __init__(self, parent: QWidget, things: Callable[[], tuple[Thing, ...]]) -> None:
        super().__init__(parent)
        self.setObjectName("palette")
        self.setProperty("role", "palette")
        self._window = parent
        self._things_now = things
        self._things: tuple[Thing, ...] = ()
        self._line = QLineEdit()
        self._line.setObjectName("palette_line")
        self._line.setClearButtonEnabled(True)
        self._line.textChanged.connect(self._search)
        self._line.installEventFilter(self)
        self._model = _Results(self)
        self._drawing = _Drawing(self)
        self._list = QListView()
        self._list.setObjectName("palette_list")
        self._list.setModel(self._model)
        self._list.setItemDelegate(self._drawing)
        self._list.setUniformItemSizes(True)
        self._list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerItem)
        self._list.setMouseTracking(True)
        self._list.clicked.connect(self._go)
        self._nothing = QLabel()
        self._nothing.setWordWrap(True)
        set_role(self._nothing, "muted")
        self._keys = QLabel()
        set_role(self._keys, "small")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 10, 10, 8)
        layout.setSpacing(6)
        for widget in (self._line, self._list, self._nothing, self._keys):
            layout.addWidget(widget)
        self._look = QTimer(self)
        self._look.timeout.connect(self._look_again)
        self.hide()

    @property
    def results(self) -> tuple[Found, ...]:
        return self._model.results

    def open(self, theme: Theme, typed: str = "") -> None:
        """Shows it with everything that can be found now."""
        self._drawing.theme = theme
        self._line.setPlaceholderText(tr("Find a panel, a view, a control, an action or a word of an explanation"))
        self._line.setAccessibleName(self._line.placeholderText())
        self._nothing.setText(tr("Nothing fits that."))
        self._keys.setText(tr("↑ ↓ choose   ·   Enter goes there   ·   Esc closes"))
        self._things = self._things_now()
        self._line.setText(typed)
        self._search()
        self.show()
        self.raise_()
        self._line.setFocus()
        self._look.start(LOOK_MS)

    def close_it(self) -> None:
        self._look.stop()
        self.hide()
        self._model.set_results(())

    def place(self) -> None:
        """In the middle of the window, as high as what was found needs."""
        window = self._window
        row = self._drawing.height()
        width = min(window.width() - 40, max(36 * self._drawing.theme.font, window.width() // 2))
        rows = max(1, min(ROWS, len(self.results)))
        self._list.setFixedHeight(rows * row + 4)
        self._list.setVisible(bool(self.results))
        self._nothing.setVisible(not self.results)
        self.setFixedWidth(width)
        self.adjustSize()
        self.move((window.width() - width) // 2, window.height() // 9)

    def _look_again(self) -> None:
        now = self._things_now()
        if now != self._things:
            chosen = self._list.currentIndex().row()
            self._things = now
            self._search(chosen=max(0, chosen))

    def _search(self, _: str = "", chosen: int = 0) -> None:
        self._model.set_results(find(self._line.text(), self._things))
        self._list.setCurrentIndex(self._model.index(min(chosen, len(self.results) - 1)))
        self.place()

    def _move(self, rows: int) -> None:
        if self.results:
            row = self._list.currentIndex().row() + rows
            row = row % len(self.results) if abs(rows) == 1 else min(max(row, 0), len(self.results) - 1)
            self._list.setCurrentIndex(self._model.index(row))

    def _go(self, index: Index | None = None) -> None:
        row = (index or self._list.currentIndex()).row()
        if 0 <= row < len(self.results):
            thing = self.results[row].thing
            self.close_it()
            self.chosen.emit(thing)

    # -- Qt

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        key = Qt.Key(event.key()) if isinstance(event, QKeyEvent) else None
        if event.type() == QEvent.Type.ShortcutOverride and key in MOVES:
            event.accept()  # here they choose, elsewhere some of them are the window's
            return True
        if event.type() == QEvent.Type.KeyPress and key is not None:
            if key in MOVES:
                self._move(MOVES[key])
            elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._go()
            elif key == Qt.Key.Key_Escape:
                self.close_it()
            elif key in (Qt.Key.Key_Tab, Qt.Key.Key_Backtab):
                self._move(1 if key == Qt.Key.Key_Tab else -1)
            else:
                return False
            return True
        if event.type() == QEvent.Type.FocusOut and not self.isAncestorOf(self.window().focusWidget() or self):
            self.close_it()
        return super().eventFilter(watched, event)


class _Results(QAbstractListModel):
    """What was found, as a list."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.results: tuple[Found, ...] = ()

    def set_results(self, results: tuple[Found, ...]) -> None:
        self.beginResetModel()
        self.results = results
        self.endResetModel()

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.results)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        found = self.results[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return found.title
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return ", ".join(filter(None, (found.title, kind_words(found.thing.kind), *found.thing.places[:1])))
        return None


def kind_words(kind: Kind) -> str:
    """What a thing is."""
    return {
        "panel": tr("panel"),
        "view": tr("view"),
        "control": tr("control"),
        "action": tr("action"),
        "text": tr("explanation"),
    }[kind]


class _Drawing(QStyledItemDelegate):
    """One row: what it is, its name with the letters that fit, and where it belongs."""

    theme: Theme

    def height(self) -> int:
        return self.theme.font + 4 * self.theme.space

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(100, self.height())

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        theme, space = self.theme, self.theme.space
        found: Found = index.model().results[index.row()]  # type: ignore[attr-defined]
        rect: QRect = option.rect
        state: QStyle.StateFlag = option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if state & (QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_MouseOver):
            painter.setPen(Qt.PenStyle.NoPen)
            chosen = bool(state & QStyle.StateFlag.State_Selected)
            painter.setBrush(QColor(theme.accent_soft if chosen else theme.hover))
            painter.drawRoundedRect(QRectF(rect), theme.radius - 2, theme.radius - 2)
        side = theme.font + 3
        top = rect.top() + (rect.height() - side) // 2
        drawing = icon(ICONS[found.thing.kind], theme.muted)
        drawing.paint(painter, QRect(rect.left() + 2 * space, top, side, side))
        left, right = rect.left() + 4 * space + side, rect.right() - 2 * space
        right = self._paint_place(painter, found, rect, right)
        self._paint_title(painter, found, QRect(left, rect.top(), right - left - 3 * space, rect.height()))
        painter.restore()

    def _paint_place(self, painter: QPainter, found: Found, rect: QRect, right: int) -> int:
        """Where it belongs, at the right; returns where that begins."""
        thing = found.thing
        keys = QKeySequence(thing.keys).toString(QKeySequence.SequenceFormat.NativeText) or thing.keys
        said = keys if thing.kind == "action" else thing.places[0] if thing.places else ""
        if thing.kind in ("view", "control", "text"):
            said = f"{kind_words(thing.kind)}  ·  {said}"
        font = QFont(painter.font())
        font.setPixelSize(self.theme.small)
        painter.setFont(font)
        painter.setPen(QColor(self.theme.muted))
        metrics = QFontMetrics(font)
        said = metrics.elidedText(said, Qt.TextElideMode.ElideRight, rect.width() * 2 // 5)
        width = metrics.horizontalAdvance(said)
        box = QRect(right - width, rect.top(), width, rect.height())
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, said)
        return right - width

    def _paint_title(self, painter: QPainter, found: Found, rect: QRect) -> None:
        font = QFont(painter.font())
        font.setPixelSize(self.theme.font)
        title = QFontMetricsF(font).elidedText(found.title, Qt.TextElideMode.ElideRight, rect.width())
        layout = QTextLayout(title, font)
        formats = []
        for i in found.marked:
            if i < len(title):
                letter = QTextLayout.FormatRange()
                style = QTextCharFormat()
                style.setFontWeight(QFont.Weight.Bold)
                style.setForeground(QColor(self.theme.accent))
                letter.start, letter.length, letter.format = i, 1, style
                formats.append(letter)
        layout.setFormats(formats)
        layout.beginLayout()
        line = layout.createLine()
        line.setLineWidth(10_000)
        layout.endLayout()
        painter.setPen(QColor(self.theme.text))
        painter.setClipRect(rect)
        layout.draw(painter, QPointF(rect.left(), rect.top() + (rect.height() - line.height()) / 2))
