"""The dialog of all weights: what there is, under which licence, and getting what is not there."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from cvcore import zoo
from cvcore.download import Timing
from explorer.i18n import tr
from explorer.views.networks import sentence_of
from explorer.weights.downloads import Downloads, Job, running_words, size_words, state_words
from explorer.widgets.theme import set_role

REFRESH_MS = 150
THOUSAND = 1000


class Weights(QObject):
    """Owns the downloads, which go on when the dialog is closed.

    Args:
        window: above which the dialog opens.
        say: shows a sentence for a while.
        changed: called when weights have come or gone.

    Signals:
        finished(): from a download's thread.
    """

    finished = Signal()

    def __init__(
        self, window: QWidget, say: Callable[[str], None], changed: Callable[[], None], timing: Timing | None = None
    ) -> None:
        super().__init__(window)
        self._window = window
        self._say = say
        self._changed = changed
        self.downloads = Downloads(self.finished.emit, timing)
        self.dialog: WeightsDialog | None = None
        self._told: dict[str, Job] = {}
        self.finished.connect(self._tell, Qt.ConnectionType.QueuedConnection)

    def open(self, name: str = "") -> None:
        """Shows the dialog, with one card's weights chosen."""
        self.dialog = WeightsDialog(self._window, self.downloads, self._changed)
        self.dialog.finished.connect(self._forget_dialog)
        if name:
            self.dialog.choose(name)
        self.dialog.open()

    def close(self) -> None:
        self.downloads.close()

    def _forget_dialog(self) -> None:
        self.dialog = None

    def _tell(self) -> None:
        came = False
        for name, job in self.downloads.jobs.items():
            if job.state != "running" and self._told.get(name) is not job:
                self._told[name] = job
                came |= job.state == "done"
                title = tr(zoo.card(name).title)
                if job.state == "done":
                    self._say(tr("The weights “{title}” are ready.", title=title))
                elif job.state == "failed" and job.error is not None:
                    self._say(sentence_of(job.error))
        if came:
            self._changed()
        if self.dialog is not None:
            self.dialog.refresh()


class WeightsDialog(QDialog):
    """A list of all cards, and below it the chosen one's words and what can be done."""

    def __init__(self, parent: QWidget, downloads: Downloads, changed: Callable[[], None]) -> None:
        super().__init__(parent)
        self.setObjectName("weights")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Weights"))
        self._downloads = downloads
        self._changed = changed
        self._cards = zoo.cards()
        layout = QVBoxLayout(self)
        layout.setSpacing(8)
        layout.addWidget(self._make_list(), 3)
        layout.addWidget(self._make_details(), 2)
        layout.addLayout(self._make_buttons())
        self._fill()
        screen = parent.screen().availableGeometry()
        self.resize(min(1080, screen.width() - 80), min(720, screen.height() - 100))
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.refresh)
        self._timer.start(REFRESH_MS)
        self.choose(next(iter(self._cards)))
        self.refresh()

    # -- building

    def _make_list(self) -> QWidget:
        self.list = QTreeWidget()
        self.list.setObjectName("weights_list")
        self.list.setAccessibleName(tr("Weights"))
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setHeaderLabels([tr("Weights"), tr("For"), tr("Size"), tr("State"), tr("Licence")])
        header = self.list.header()
        header.setStretchLastSection(True)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(4, QHeaderView.ResizeMode.Stretch)  # what does not fit there is a tool tip
        self.list.currentItemChanged.connect(self._show_chosen)
        return self.list

    def _make_details(self) -> QWidget:
        self._title, self._facts, self._terms = QLabel(), QLabel(), QLabel()
        self._title.setObjectName("weights_title")
        set_role(self._title, "heading")
        self._terms.setObjectName("weights_terms")
        set_role(self._terms, "warning")
        self._facts.setObjectName("weights_facts")
        self._facts.setTextFormat(Qt.TextFormat.RichText)
        self._facts.setOpenExternalLinks(True)
        for label in (self._title, self._facts, self._terms):
            label.setWordWrap(True)
            label.setTextInteractionFlags(label.textInteractionFlags() | Qt.TextInteractionFlag.TextSelectableByMouse)
        self.accept_terms = QCheckBox(tr("I accept these terms"))
        self.accept_terms.setObjectName("weights_accept")
        self.accept_terms.toggled.connect(self.refresh)
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.setContentsMargins(10, 8, 10, 8)
        layout.addWidget(self._title)
        layout.addWidget(self._facts)
        layout.addStretch(1)
        scroll = QScrollArea()
        scroll.setFrameShape(QFrame.Shape.StyledPanel)
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inside)
        return scroll

    def _make_buttons(self) -> QVBoxLayout:
        self.bar = QProgressBar()
        self.bar.setObjectName("weights_progress")
        self._message = QLabel()
        self._message.setObjectName("weights_message")
        self._message.setWordWrap(True)
        self.get_button, self.cancel_button = QPushButton(), QPushButton(tr("Cancel"))
        self.file_button, self.delete_button = QPushButton(tr("Use a file…")), QPushButton(tr("Delete"))
        close_button = QPushButton(tr("Close"))
        for name, button, act in (
            ("get", self.get_button, self._get),
            ("cancel", self.cancel_button, self._cancel),
            ("file", self.file_button, self._use_file),
            ("delete", self.delete_button, self._delete),
            ("close", close_button, self.close),
        ):
            button.setObjectName(f"weights_{name}")
            button.setAutoDefault(False)
            button.clicked.connect(act)
        set_role(self.get_button, "primary")
        self.file_button.setToolTip(tr("Takes a checkpoint that is on this computer already, after checking it."))
        row = QHBoxLayout()
        for button in (self.get_button, self.cancel_button, self.file_button, self.delete_button):
            row.addWidget(button)
        row.addStretch(1)
        row.addWidget(close_button)
        layout = QVBoxLayout()
        layout.setSpacing(6)
        for widget in (self._terms, self.accept_terms, self.bar):
            layout.addWidget(widget)
        layout.addWidget(self._message)
        layout.addLayout(row)
        return layout

    def _fill(self) -> None:
        built_in_first = sorted(self._cards.values(), key=lambda card: not card.built_in)
        for card in built_in_first:
            licence = tr(card.licence)
            item = QTreeWidgetItem([tr(card.title), tr(card.task), size_words(card.megabytes) or "?", "", licence])
            item.setToolTip(4, licence)
            item.setData(0, Qt.ItemDataRole.UserRole, card.name)
            item.setTextAlignment(2, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.list.addTopLevelItem(item)

    # -- what is chosen

    def card(self) -> zoo.Card:
        item = self.list.currentItem()
        assert item is not None
        name: str = item.data(0, Qt.ItemDataRole.UserRole)
        return self._cards[name]

    def choose(self, name: str) -> None:
        for row in range(self.list.topLevelItemCount()):
            item = self.list.topLevelItem(row)
            if item is not None and item.data(0, Qt.ItemDataRole.UserRole) == name:
                self.list.setCurrentItem(item)

    def _show_chosen(self) -> None:
        card = self.card()
        self._title.setText(tr(card.title))
        rows = [(tr("Licence"), tr(card.licence)), (tr("From"), tr(card.source))]
        rows += [(tr("Address"), "<br>".join(_link(one) for one in card.addresses))] if card.addresses else []
        rows += [(tr("Page"), _link(card.page))] if card.page else []
        rows += [(tr("Paper"), _with_links(card.paper)), (tr("Checksum (SHA-256)"), card.sha256)]
        shown = "".join(
            f'<tr><td style="padding-right: 12px; white-space: nowrap"><b>{name}</b></td><td>{value}</td></tr>'
            for name, value in rows
            if value
        )
        self._facts.setText("".join(("<table>", shown, "</table>")))
        self._terms.setText(_with_links(tr(card.terms)))
        self.accept_terms.setChecked(False)
        self.refresh()

    def refresh(self) -> None:
        """Shows how things stand now."""
        jobs = self._downloads.jobs
        for row in range(self.list.topLevelItemCount()):
            item = self.list.topLevelItem(row)
            assert item is not None
            card = self._cards[item.data(0, Qt.ItemDataRole.UserRole)]
            text = state_words(card, zoo.place(card), jobs.get(card.name))
            if item.text(3) != text:
                item.setText(3, text)
        card = self.card()
        self._show_state(card, zoo.place(card), jobs.get(card.name))

    def _show_state(self, card: zoo.Card, place: zoo.Place, job: Job | None) -> None:
        running = job is not None and job.state == "running"
        agree = zoo.needs_acceptance(card)
        there = place.state in ("built in", "there")
        self._terms.setVisible(bool(card.terms))
        self.accept_terms.setVisible(agree)
        allowed = not agree or self.accept_terms.isChecked()
        words = {"part": tr("Go on"), "locked": tr("Accept")}
        self.get_button.setText(words.get(place.state, tr("Download")))
        self.get_button.setVisible(not there and not running and bool(card.addresses or place.state == "locked"))
        self.get_button.setEnabled(allowed)
        self.get_button.setToolTip("" if allowed else tr("The terms have to be accepted first."))
        self.cancel_button.setVisible(running)
        self.file_button.setVisible(not card.built_in and not there and not running)
        self.file_button.setEnabled(allowed)
        self.delete_button.setVisible(not card.built_in and not running and self._ours(place))
        self._show_progress(job if running else None)
        message = sentence_of(job.error) if job is not None and job.error is not None else ""
        if running and job is not None and job.progress is not None and job.progress.why is not None:
            message = sentence_of(job.progress.why)
        set_role(self._message, "error" if job is not None and job.state == "failed" else "muted")
        if self._message.text() != message:
            self._message.setText(message)
        self._message.setVisible(bool(message))

    def _ours(self, place: zoo.Place) -> bool:
        """A file in the offline folder is the user's."""
        return place.state == "part" or (place.path is not None and place.path.parent == zoo.folder())

    def _show_progress(self, job: Job | None) -> None:
        self.bar.setVisible(job is not None)
        if job is None:
            return
        now = job.progress
        if now is None or not now.total:
            self.bar.setRange(0, 0)
        else:
            self.bar.setRange(0, THOUSAND)
            self.bar.setValue(int(THOUSAND * min(1.0, now.done / now.total)))
        self.bar.setFormat(running_words(job))

    # -- what can be done

    def _agree(self, card: zoo.Card) -> bool:
        if zoo.needs_acceptance(card):
            if not self.accept_terms.isChecked():
                return False
            try:
                zoo.accept(card)
            except zoo.WeightsError as error:
                QMessageBox.warning(self, tr("Weights"), sentence_of(error))
                return False
        return True

    def _get(self) -> None:
        card = self.card()
        if not self._agree(card):
            return
        if zoo.place(card).state == "there":
            self._changed()
        else:
            self._downloads.start(card)
        self.refresh()

    def _cancel(self) -> None:
        self._downloads.cancel(self.card().name)

    def _use_file(self) -> None:
        card = self.card()
        kinds = f"{tr('Weights')} (*.pth *.pt *.safetensors);;{tr('All files')} (*)"
        path, _ = QFileDialog.getOpenFileName(self, tr("The file of the weights"), "", kinds)
        if path and self._agree(card):
            self._downloads.start(card, Path(path))
            self.refresh()

    def _delete(self) -> None:
        card = self.card()
        try:
            zoo.remove(card)
        except zoo.WeightsError as error:
            QMessageBox.warning(self, tr("Weights"), sentence_of(error))
        self._downloads.forget(card.name)
        self._changed()
        self.refresh()

    # -- Qt

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if (item := self.list.currentItem()) is not None:
            self.list.scrollToItem(item, QTreeWidget.ScrollHint.PositionAtCenter)


def _link(address: str) -> str:
    return f'<a href="{address}">{address}</a>'


def _with_links(text: str) -> str:
    return " ".join(_link(word) if word.startswith(("https://", "http://")) else word for word in text.split(" "))
