"""The canvas: a Figure on the screen, and what the mouse does to it."""

from functools import partial

from PySide6.QtCore import QElapsedTimer, QPointF, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from explorer.canvas.graph import GraphArtist
from explorer.canvas.layout import Structure, build, splitters, structure
from explorer.canvas.numbers import number, titled
from explorer.canvas.pane import PaneWidget
from explorer.canvas.tiles import TilesArtist
from explorer.figure import Figure, Note, Pane, Probe, Spot
from explorer.widgets.theme import LIGHT, Theme, set_role

HOVER_MS = 33
"""The pointer is looked at about 30 times a second."""


class Canvas(QWidget):
    """Shows figures; made for a new one 30 times a second.

    Panes are kept by key and marks by key and type, so a figure like the last one changes what is there and builds nothing.

    Signals:
        edited: field and new value (a tuple) of a handle, also while it is dragged.
        picked: the Spot that was clicked.
        hovered: the Spot under the pointer, or None; of a pointer that rests also once with every figure.
        wished: key of a pane, and the Wish that was chosen in its menu.
    """

    edited = Signal(str, object)
    picked = Signal(object)
    hovered = Signal(object)
    wished = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme: Theme = LIGHT
        self.figure: Figure | None = None
        self.probe: Probe | None = None
        self.spot: Spot | None = None
        self._panes: dict[str, PaneWidget] = {}
        self._structure: Structure | None = None
        self._sizes: dict[Structure, list[list[int]]] = {}
        self._root: QWidget | None = None
        self._pointer: tuple[PaneWidget, QPointF] | None = None
        self._notes: list[QLabel] = []
        self._words: list[str] = []

        self._note_box = QVBoxLayout()
        self._note_box.setContentsMargins(0, 0, 0, 0)
        self._note_box.setSpacing(4)
        self._readout = QLabel(" ")
        self._readout.setProperty("role", "readout")
        self._readout.setMinimumWidth(10)
        self._readout.setTextFormat(Qt.TextFormat.PlainText)
        self._readout.setContentsMargins(4, 0, 4, 0)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(4, 4, 4, 2)
        self._layout.setSpacing(4)
        self._layout.addLayout(self._note_box)
        self._layout.addStretch(0)
        self._layout.addWidget(self._readout)
        self._since_hover = QElapsedTimer()
        self._hover_timer = QTimer(self)
        self._hover_timer.setSingleShot(True)
        self._hover_timer.timeout.connect(self._look)
        self._style_readout()

    @property
    def readout(self) -> str:
        """What the line under the panes says."""
        return self._readout.text().strip()

    def pane(self, key: str) -> PaneWidget:
        """The widget of a pane.

        Raises:
            KeyError: the figure has no such pane.
        """
        return self._panes[key]

    def set_figure(self, figure: Figure) -> None:
        """Shows a figure."""
        self.figure = figure
        self._set_notes(figure.notes)
        panes = figure.panes()
        shape = structure(figure.layout)
        if shape != self._structure:
            self._rebuild(figure, shape)
        else:
            for pane in panes:
                widget = self._panes[pane.key]
                if widget.pane is not pane:
                    widget.set_pane(pane)
        self._link_new(panes)
        if self._pointer is not None:
            self._look(anew=True)

    def show_probe(self, probe: Probe | None) -> None:
        """Lays the probe's marks over the panes and says its words in the read-out, until the next one."""
        self.probe = probe
        for key, widget in self._panes.items():
            widget.set_overlays(() if probe is None else probe.marks.get(key, ()))
        self._say()

    def clear(self) -> None:
        """Lets go of the figure at once, before the widgets go: nothing comes any more."""
        self.figure = self.probe = None
        self._hover_timer.stop()
        for widget in self._panes.values():
            widget.clear()

    def set_theme(self, theme: Theme) -> None:
        self.theme = theme
        for widget in self._panes.values():
            widget.set_theme(theme)
        for splitter in splitters(self._root):
            splitter.setHandleWidth(theme.space + 2)
        self._style_readout()

    def retranslate(self) -> None:
        """Words again, after the language changed."""
        for widget in self._panes.values():
            widget.retranslate()
        self._look()

    def fit(self) -> None:
        """Shows everything in every pane."""
        for widget in self._panes.values():
            if widget.view is not None:
                widget.view.fit()

    def panes(self) -> tuple[PaneWidget, ...]:
        """The widgets of all panes, as the figure has them."""
        return tuple(self._panes.values())

    def notes(self) -> tuple[QLabel, ...]:
        """The labels above the panes."""
        return tuple(self._notes)

    def content_bottom(self) -> int:
        """Where the panes end and the read-out line begins."""
        return self._readout.y()

    # -- building

    def _rebuild(self, figure: Figure, shape: Structure) -> None:
        old_root, old = self._root, self._panes
        if self._structure is not None and old_root is not None:
            self._sizes[self._structure] = [splitter.sizes() for splitter in splitters(old_root)]
        self._panes = {}
        for pane in figure.panes():
            if pane.key in self._panes:
                raise ValueError(f"two panes of the figure have the key {pane.key!r}")
            widget = old.pop(pane.key, None)
            if widget is None:
                widget = self._new_pane(pane)
            else:
                # Out of the old splitter before that goes.
                widget.setParent(self)
                widget.set_pane(pane)
            self._panes[pane.key] = widget
        self._root = build(figure.layout, lambda pane: self._panes[pane.key], self.theme.space + 2)
        self._layout.insertWidget(1, self._root, 1)
        self._root.show()
        for widget in self._panes.values():
            widget.show()
        if old_root is not None and old_root is not self._root:
            self._layout.removeWidget(old_root)
            if not isinstance(old_root, PaneWidget):
                old_root.hide()
                old_root.setParent(None)
                old_root.deleteLater()
        for widget in old.values():
            widget.hide()
            widget.setParent(None)
            widget.deleteLater()
            if self._pointer is not None and self._pointer[0] is widget:
                self._pointer = None
        self._structure = shape
        for splitter, sizes in zip(splitters(self._root), self._sizes.get(shape, []), strict=False):
            splitter.setSizes(sizes)

    def _new_pane(self, pane: Pane) -> PaneWidget:
        widget = PaneWidget(pane, self.theme)
        widget.setParent(self)
        widget.pointed.connect(partial(self._pointed, widget))
        widget.clicked.connect(partial(self._clicked, widget))
        widget.edited.connect(self.edited)
        widget.zoomed.connect(partial(self._link, widget))
        widget.fitted.connect(partial(self._link, widget))
        widget.wished.connect(lambda wish: self.wished.emit(widget.pane.key, wish))
        return widget

    def _set_notes(self, notes: tuple[Note, ...]) -> None:
        while len(self._notes) < len(notes):
            label = QLabel()
            label.setWordWrap(True)
            self._note_box.addWidget(label)
            self._notes.append(label)
        while len(self._notes) > len(notes):
            self._notes.pop().deleteLater()
        for label, note in zip(self._notes, notes, strict=True):
            if label.text() != note.text:
                label.setText(note.text)
            set_role(label, "warning" if note.level == "warning" else "note")

    def _style_readout(self) -> None:
        font = QFont(self.font())
        font.setPixelSize(self.theme.small)
        font.setFeature(QFont.Tag("tnum"), 1)
        self._readout.setFont(font)
        self._readout.setFixedHeight(self.theme.small + 2 * self.theme.space)

    # -- zoom in common

    def _link(self, widget: PaneWidget) -> None:
        """Shows in all panes of the same space what this one shows."""
        if widget.view is None or not widget.pane.space:
            return
        for other in self._panes.values():
            if other is not widget and other.view is not None and other.pane.space == widget.pane.space:
                other.view.show_rect(widget.view.wanted)

    def _link_new(self, panes: tuple[Pane, ...]) -> None:
        """A pane that just came shows what the others of its space show."""
        wanted: dict[str, QRectF] = {}
        for pane in panes:
            view = self._panes[pane.key].view
            if view is None or not pane.space or pane.axes is not None:
                continue
            if view.wanted is not None:
                wanted.setdefault(pane.space, view.wanted)
            elif pane.space in wanted:
                view.show_rect(wanted[pane.space])

    # -- the pointer

    def _pointed(self, widget: PaneWidget, place: QPointF | None) -> None:
        if place is None:
            if self._pointer is None or self._pointer[0] is not widget:
                return
            self._pointer = None
        else:
            self._pointer = widget, place
        if not self._since_hover.isValid() or self._since_hover.elapsed() >= HOVER_MS:
            self._look()
        elif not self._hover_timer.isActive():
            self._hover_timer.start(HOVER_MS - int(self._since_hover.elapsed()))

    def _look(self, *, anew: bool = False) -> None:
        """Works out what is under the pointer, and tells it where it is another, or ``anew`` what it is of."""
        self._since_hover.restart()
        before = self.spot
        if self._pointer is None:
            self.spot, self._words = None, []
        else:
            widget, place = self._pointer
            if widget.table is not None and not 0 <= place.y() < len(widget.table.table.rows):
                self.spot, self._words = None, []
            else:
                self.spot, words = widget.spot_at(place)
                self._words = [*self._place_words(widget, place), *words]
        self._say()
        if anew or self.spot != before:
            self.hovered.emit(self.spot)

    def _place_words(self, widget: PaneWidget, place: QPointF) -> list[str]:
        if widget.table is not None or widget.view is None:
            return []
        if widget.pane.axes is not None:
            x, y = widget.pane.axes
            return [f"{titled(x.label, x.unit)} {number(place.x())}", f"{titled(y.label, y.unit)} {number(place.y())}"]
        if any(isinstance(artist, TilesArtist | GraphArtist) for artist in widget.artists):
            return []
        return [f"x {number(place.x(), 1)}  y {number(place.y(), 1)}"]

    def _say(self) -> None:
        parts = list(self._words)
        if self.probe is not None and self.probe.text and self.spot is not None:
            parts.insert(0, self.probe.text.replace("\n", " · "))  # the panel knows best what matters here
        said = "   ·   ".join(parts) or " "
        if said != self._readout.text():
            self._readout.setText(said)
            self._readout.setToolTip(said.strip())

    def _clicked(self, widget: PaneWidget, place: QPointF) -> None:
        self.picked.emit(widget.spot_at(place)[0])
