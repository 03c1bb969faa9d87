"""What there is to see: the chapters of the course with a card for each panel, where no panel is open, or over those that are."""

from collections.abc import Mapping
from functools import cache

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetrics,
    QKeyEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
    QTextLayout,
    QTextOption,
)
from PySide6.QtWidgets import (
    QAbstractButton,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from cvcore.assets import asset
from explorer.i18n import tr
from explorer.registry import Entry
from explorer.widgets.theme import Theme, set_role

NARROWEST = 16.2
"""A card's least width, in heights of the theme's letters."""
SHAPE = 1.6
"""Width to height of a panel's picture."""
LINES = 3
"""Of a card's sentence."""


@cache
def thumbnail(name: str) -> QPixmap | None:
    """The picture of a panel that came with the program; None of one that has none."""
    path = asset("thumbnails", f"{name}.jpg")
    picture = QPixmap(str(path)) if path.is_file() else QPixmap()
    return None if picture.isNull() else picture


class StartPage(QFrame):
    """All panels as cards, chapter by chapter.

    Signals:
        chosen(str): open the panel of this name.
        searched(): find something by its words.
        left(): back to the panels that are open.
    """

    chosen = Signal(str)
    searched = Signal()
    left = Signal()

    def __init__(self, parent: QWidget, theme: Theme, *, over: bool = False) -> None:
        super().__init__(parent)
        self.setObjectName("start_page")
        self.setProperty("role", "page")
        self._theme = theme
        self._entries: tuple[Entry, ...] = ()
        self._title, self._words = QLabel(), QLabel()
        set_role(self._title, "title")
        set_role(self._words, "muted")
        self._words.setWordWrap(True)
        self._search, self._back = QPushButton(), QPushButton()
        self._search.setObjectName("start_search")
        self._search.clicked.connect(self.searched)
        self._back.setObjectName("start_back")
        self._back.clicked.connect(self.left)
        self._back.setVisible(over)
        self._over = over
        self.shelf = Shelf(theme)
        self.shelf.chosen.connect(self.chosen)
        scroll = QScrollArea()
        scroll.setWidget(self.shelf)
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.shelf.wanted.connect(lambda card: scroll.ensureWidgetVisible(card, 20, 60))
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self._title)
        words.addWidget(self._words)
        head = QHBoxLayout()
        head.addLayout(words, 1)
        head.addWidget(self._search)
        head.addWidget(self._back)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 14, 6, 0)
        layout.setSpacing(8)
        head.setContentsMargins(0, 0, 14, 0)
        layout.addLayout(head)
        layout.addWidget(scroll, 1)
        self.retranslate()

    def set_entries(self, entries: Mapping[str, Entry]) -> None:
        """Shows these panels, in this order."""
        self._entries = tuple(entries.values())
        self.retranslate()

    def retranslate(self) -> None:
        self._title.setText(tr("What do you want to see?"))
        self._words.setText(
            tr("Every panel runs on the picture, video or camera that is open. Drop yours on the window.")
        )
        self._search.setText(tr("Find anything (Ctrl+P)"))
        self._back.setText(tr("Back (Esc)"))
        self.shelf.set_entries(self._entries)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.shelf.set_theme(theme)

    def take_focus(self) -> None:
        """The keyboard is with the cards."""
        self.shelf.focus_card(0)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self._over:
            self.left.emit()
        else:
            super().keyPressEvent(event)


class Shelf(QWidget):
    """The cards, chapters side by side as long as there is room.

    Signals:
        chosen(str): the name of a panel.
        wanted(QWidget): this card has the keyboard.
    """

    chosen = Signal(str)
    wanted = Signal(object)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._chapters: list[tuple[QLabel, list[Card]]] = []

    @property
    def cards(self) -> "list[Card]":
        """All cards in the order of the course."""
        return [card for _, cards in self._chapters for card in cards]

    def set_entries(self, entries: tuple[Entry, ...]) -> None:
        focused = next((card.entry.name for card in self.cards if card.hasFocus()), "")
        for heading, cards in self._chapters:
            for widget in (heading, *cards):
                widget.hide()
                widget.setParent(None)
                widget.deleteLater()
        self._chapters = []
        for chapter in dict.fromkeys(entry.chapter for entry in entries):
            heading = QLabel(tr(chapter) if chapter else tr("Other panels"), self)
            set_role(heading, "heading")
            cards = [Card(entry, self._theme, self) for entry in entries if entry.chapter == chapter]
            for card in cards:
                card.clicked.connect(lambda _=False, name=card.entry.name: self.chosen.emit(name))
                card.moved.connect(lambda key, card=card: self._move(card, key))
                card.focused.connect(self.wanted)
            self._chapters.append((heading, cards))
            for widget in (heading, *cards):
                widget.show()
        self._arrange()
        if focused:
            next((card for card in self.cards if card.entry.name == focused), self.cards[0]).setFocus()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        for card in self.cards:
            card.set_theme(theme)
        self._arrange()

    def focus_card(self, number: int) -> None:
        if self.cards:
            self.cards[min(max(number, 0), len(self.cards) - 1)].setFocus(Qt.FocusReason.TabFocusReason)

    def _arrange(self) -> None:
        """Places everything: a chapter takes as many columns as it has panels, and begins a new row where those are not left."""
        gap = 3 * self._theme.space + 2
        room = self.width() - 18
        columns = max(1, int((room + gap) // (NARROWEST * self._theme.font + gap)))
        width = (room - (columns - 1) * gap) // columns
        height = Card.height_of(width, self._theme)
        head = self.fontMetrics().height() + 2 * self._theme.space
        top, column, rows = 0, 0, 0
        for heading, cards in self._chapters:
            taken = min(len(cards), columns)
            if column + taken > columns:
                top += head + rows * (height + gap) + gap // 2
                column, rows = 0, 0
            heading.setGeometry(column * (width + gap), top, taken * (width + gap) - gap, head)
            for i, card in enumerate(cards):
                x = (column + i % taken) * (width + gap)
                card.setGeometry(x, top + head + (i // taken) * (height + gap), width, height)
            rows = max(rows, -(-len(cards) // taken))
            column += taken
        self.setMinimumHeight(top + head + rows * (height + gap))

    def _move(self, card: "Card", key: Qt.Key) -> None:
        """To the card beside, above or below."""
        cards = self.cards
        here = cards.index(card)
        if key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self.focus_card(here + (1 if key == Qt.Key.Key_Right else -1))
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            self.focus_card(0 if key == Qt.Key.Key_Home else len(cards) - 1)
        else:
            now, down = cards[here].geometry(), key == Qt.Key.Key_Down
            others = [i for i, card in enumerate(cards) if (card.y() > now.y() if down else card.y() < now.y())]
            if others:
                best = min(others, key=lambda i: (abs(cards[i].y() - now.y()), abs(cards[i].x() - now.x())))
                self.focus_card(best)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def event(self, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            QTimer.singleShot(0, self, self._arrange)
        return super().event(event)


class Card(QAbstractButton):
    """A panel: its picture, its name and one sentence.

    Signals:
        moved(Qt.Key): a key that goes to another card.
        focused(QWidget): it has the keyboard.
    """

    moved = Signal(object)
    focused = Signal(object)
    MOVES = (
        Qt.Key.Key_Left,
        Qt.Key.Key_Right,
        Qt.Key.Key_Up,
        Qt.Key.Key_Down,
        Qt.Key.Key_Home,
        Qt.Key.Key_End,
    )

    def __init__(self, entry: Entry, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.entry = entry
        self._theme = theme
        self.setObjectName(f"card_{entry.name}")
        self.setText(tr(entry.title))
        self._about = tr(entry.about) if entry.own and entry.about else entry.about
        self.setAccessibleDescription(self._about)
        self.setToolTip(entry.paper)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)

    @staticmethod
    def height_of(width: int, theme: Theme) -> int:
        """How high a card of a width is: the same for all, so that rows are even."""
        title, small = _metrics(theme.font, bold=True), _metrics(theme.small)
        return round(width / SHAPE) + 4 * theme.space + title.height() + LINES * small.lineSpacing()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:
        width = round(NARROWEST * self._theme.font)
        return QSize(width, self.height_of(width, self._theme))

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = self._theme
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        pointed = self.underMouse() or self.isDown()
        edge = theme.accent if self.hasFocus() or pointed else theme.border
        line = 2.0 if self.hasFocus() else 1.0
        whole = QRectF(self.rect()).adjusted(line / 2, line / 2, -line / 2, -line / 2)
        outline = QPainterPath()
        outline.addRoundedRect(whole, theme.radius, theme.radius)
        painter.fillPath(outline, QColor(theme.hover if pointed else theme.surface))
        picture = QRectF(0, 0, self.width(), round(self.width() / SHAPE))
        painter.setClipPath(outline)
        self._paint_picture(painter, picture)
        painter.setClipping(False)
        painter.setPen(QPen(QColor(edge), line))
        painter.drawPath(outline)
        self._paint_words(painter, picture.bottom() + 1.5 * theme.space)

    def _paint_picture(self, painter: QPainter, place: QRectF) -> None:
        shown = thumbnail(self.entry.name)
        if shown is not None:
            wide = shown.width() / shown.height() > place.width() / place.height()
            width = shown.height() * place.width() / place.height() if wide else shown.width()
            height = shown.height() if wide else shown.width() * place.height() / place.width()
            part = QRectF((shown.width() - width) / 2, (shown.height() - height) / 2, width, height)
            painter.drawPixmap(place, shown, part)
            return
        painter.fillRect(place, QColor(self._theme.canvas))
        font = QFont(self.font())
        font.setPixelSize(3 * self._theme.title)
        font.setBold(True)
        painter.setFont(font)
        painter.setPen(QColor(self._theme.muted))
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter, self.text()[:1])

    def _paint_words(self, painter: QPainter, top: float) -> None:
        theme = self._theme
        left, width = 2.5 * theme.space, self.width() - 5 * theme.space
        font = QFont(self.font())
        font.setPixelSize(theme.font)
        font.setBold(True)
        painter.setFont(font)
        painter.setPen(QColor(theme.text))
        metrics = QFontMetrics(font)
        title = metrics.elidedText(self.text(), Qt.TextElideMode.ElideRight, round(width))
        painter.drawText(QPointF(left, top + metrics.ascent()), title)
        font.setPixelSize(theme.small)
        font.setBold(False)
        painter.setPen(QColor(theme.muted))
        _paint_paragraph(
            painter, self._about, font, QRectF(left, top + metrics.height() + 1, width, self.height()), LINES
        )

    # -- Qt

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in self.MOVES:
            self.moved.emit(Qt.Key(event.key()))
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.FocusIn:
            self.focused.emit(self)
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Space
        ):
            event.accept()  # here it opens the panel, elsewhere it freezes
            return True
        return super().event(event)


@cache
def _metrics(pixels: int, bold: bool = False) -> QFontMetrics:
    font = QFont()
    font.setPixelSize(pixels)
    font.setBold(bold)
    return QFontMetrics(font)


def _paint_paragraph(painter: QPainter, text: str, font: QFont, place: QRectF, lines: int) -> None:
    """Words in at most so many lines; what does not fit ends in an ellipsis."""
    layout = QTextLayout(text, font)
    layout.setTextOption(QTextOption(Qt.AlignmentFlag.AlignLeft))
    metrics = QFontMetrics(font)
    layout.beginLayout()
    starts = []
    for _ in range(lines):
        line = layout.createLine()
        if not line.isValid():
            break
        line.setLineWidth(place.width())
        starts.append((line.textStart(), line.textLength()))
    layout.endLayout()
    painter.setFont(font)
    for i, (start, length) in enumerate(starts):
        last = i == lines - 1
        said = text[start:] if last else text[start : start + length]
        if last:
            said = metrics.elidedText(said, Qt.TextElideMode.ElideRight, round(place.width()))
        painter.drawText(
            QPointF(place.left(), place.top() + metrics.ascent() + i * metrics.lineSpacing()), said.rstrip()
        )
