"""One pane on the screen: its title and menu, its drawing, table or text, and its legends."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, assert_never

from PySide6.QtCore import QPoint, QPointF, QRect, Qt, Signal
from PySide6.QtGui import QAction, QActionGroup, QContextMenuEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QMenu, QScrollArea, QToolButton, QVBoxLayout, QWidget

from explorer.canvas.artist import Artist, Hit
from explorer.canvas.charts import BarsArtist, CurveArtist
from explorer.canvas.colormaps import COLORMAPS
from explorer.canvas.graph import GraphArtist
from explorer.canvas.handles import HandlesArtist
from explorer.canvas.legend import LegendBar
from explorer.canvas.rasters import HeatmapArtist, ImageArtist
from explorer.canvas.shapes import ArrowsArtist, BoxesArtist, PointsArtist, SegmentsArtist, TextArtist
from explorer.canvas.table import TableView, cell_text
from explorer.canvas.tiles import TilesArtist
from explorer.canvas.view import PaneView
from explorer.figure import (
    Arrows,
    Bars,
    Boxes,
    Colormap,
    Curve,
    Graph,
    Handles,
    Heatmap,
    Image,
    Lit,
    Mark,
    Pane,
    Points,
    Segments,
    Spot,
    Table,
    Text,
    Tiles,
)
from explorer.i18n import tr
from explorer.widgets.theme import Theme

Kind = Literal["view", "table", "text"]
Wish = Literal["copy", "png", "svg", "csv", "npz"]

ARTISTS: dict[type, Callable[[Any], Artist[Any]]] = {
    Image: ImageArtist,
    Heatmap: HeatmapArtist,
    Tiles: TilesArtist,
    Boxes: BoxesArtist,
    Points: PointsArtist,
    Segments: SegmentsArtist,
    Arrows: ArrowsArtist,
    Curve: CurveArtist,
    Bars: BarsArtist,
    Graph: GraphArtist,
    Text: TextArtist,
    Handles: HandlesArtist,
    Lit: Artist,
}

COLORMAP_NAMES: dict[Colormap, str] = {
    "viridis": "Viridis",
    "cividis": "Cividis",
    "magma": "Magma",
    "grey": "Grey",
    "diverging": "Diverging",
    "phase": "Phase",
}


def kind_of(pane: Pane) -> Kind:
    """What shows a pane: a table, words, or a drawing."""
    if any(isinstance(mark, Table) for mark in pane.marks):
        return "table"
    if pane.marks and all(isinstance(mark, Text) and mark.xy is None for mark in pane.marks):
        return "text"
    return "view"


def reconciled(marks: tuple[Mark, ...], before: list[Artist[Any]]) -> list[Artist[Any]]:
    """Artists for these marks: those there are for the same key and type go on, given the new mark where it is new."""
    old: dict[tuple[str, type], list[Artist[Any]]] = {}
    for artist in before:
        old.setdefault((artist.mark.key, type(artist.mark)), []).append(artist)
    made = []
    for mark in marks:
        kept = old.get((mark.key, type(mark)))
        # Two marks of one key and type are told apart by their order.
        artist = kept.pop(0) if kept else ARTISTS[type(mark)](mark)
        if artist.mark is not mark:
            artist.set(mark)
        made.append(artist)
    return made


class PaneWidget(QFrame):
    """Shows one Pane.

    Signals:
        pointed: the pointer is at a place of the pane (QPointF; of a table x is 0 and y the row), or gone (None).
        clicked: a click at such a place.
        edited: field and new value of a handle.
        zoomed: the user changed what is visible; fitted: the user asked for everything.
        wished: copy, png, svg, csv or npz was chosen in the menu.
    """

    pointed = Signal(object)
    clicked = Signal(object)
    edited = Signal(str, object)
    zoomed = Signal()
    fitted = Signal()
    wished = Signal(str)

    def __init__(self, pane: Pane, theme: Theme) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.pane = pane
        self.theme = theme
        self.artists: list[Artist[Any]] = []
        self.locked = False
        self.colormap: Colormap | None = None
        self.kind: Kind | None = None
        self.view: PaneView | None = None
        self.table: TableView | None = None
        self.text: QLabel | None = None
        self._legends: list[LegendBar] = []
        self._body: QWidget | None = None

        self._title = QLabel()
        self._title.setProperty("role", "heading")
        self._title.setMinimumWidth(10)
        self._menu_button = QToolButton()
        self._menu_button.setText("⋯")
        self._menu_button.setProperty("role", "compact")
        self._menu_button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._menu_button.clicked.connect(self._open_menu)
        header = QHBoxLayout()
        header.setContentsMargins(8, 2, 2, 2)
        header.addWidget(self._title, 1)
        header.addWidget(self._menu_button)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(1, 1, 1, 3)
        self._layout.setSpacing(0)
        self._layout.addLayout(header)
        self.set_pane(pane)
        self.retranslate()

    def set_pane(self, pane: Pane) -> None:
        """Takes the newest state of this pane."""
        self.pane = pane
        if self._title.text() != pane.title:
            self._title.setText(pane.title)
        kind = kind_of(pane)
        if kind != self.kind:
            self._set_kind(kind)
        if self.table is not None:
            self.table.set_table(next(mark for mark in pane.marks if isinstance(mark, Table)))
        elif self.text is not None:
            words = "\n\n".join(mark.text for mark in pane.marks if isinstance(mark, Text))
            if self.text.text() != words:
                self.text.setText(words)
        elif self.view is not None:
            known = {id(artist) for artist in self.artists}
            self.artists = reconciled(pane.marks, self.artists)
            for artist in self.artists:
                if id(artist) not in known and self.colormap is not None:
                    artist.recolour(self.colormap)
                if id(artist) not in known and self.locked:
                    artist.lock(True)
            self.view.set_content(self.artists, pane.axes, pane.size)
            self._show_legends()

    def clear(self) -> None:
        """Lets go of all that is shown: nothing comes any more."""
        self.pane = replace(self.pane, marks=())
        self.artists = []
        if self.view is not None:
            self.view.artists, self.view.overlays = [], []

    def set_overlays(self, marks: tuple[Mark, ...]) -> None:
        """Marks laid on top by a probe."""
        if self.view is not None:
            if marks or self.view.overlays:
                self.view.set_overlays(reconciled(marks, self.view.overlays))
        elif self.table is not None:
            key = self.table.table.key
            self.table.light(next((m.index for m in marks if isinstance(m, Lit) and m.target == key), None))

    def set_theme(self, theme: Theme) -> None:
        self.theme = theme
        if self.view is not None:
            self.view.set_theme(theme)
        if self.table is not None:
            self.table.set_theme(theme)
        for legend in self._legends:
            legend.set_theme(theme)

    def retranslate(self) -> None:
        self._menu_button.setToolTip(tr("Save, copy, range and colours of this view"))
        self._menu_button.setAccessibleName(tr("Menu of this view"))
        for legend in self._legends:
            legend.retranslate()
        if self.view is not None:
            self.view.refresh()

    def lock(self, locked: bool) -> None:
        """Keeps colour ranges (and a chart's axes) as they are now, from frame to frame, or frees them."""
        self.locked = locked
        for artist in self.artists:
            artist.lock(locked)
        if self.view is not None:
            self.view.locked = locked
            self.view.set_content(self.artists, self.pane.axes, self.pane.size)
        self._show_legends()

    def recolour(self, colormap: Colormap | None) -> None:
        """Another colour map than the marks'; None goes back to theirs."""
        self.colormap = colormap
        for artist in self.artists:
            artist.recolour(colormap)
        if self.view is not None:
            self.view.refresh()
        self._show_legends()

    def spot_at(self, place: QPointF) -> tuple[Spot, list[str]]:
        """What is at a place of the pane: the topmost mark there, and what the read-out says of every mark there."""
        if self.table is not None:
            table, row = self.table.table, int(place.y())
            words = [f"{c.title} {cell_text(table, row, i)} {c.unit}".strip() for i, c in enumerate(table.columns)]
            return Spot(self.pane.key, table.key, 0.0, float(row), row), words
        if self.view is None:
            return Spot(self.pane.key, "", place.x(), place.y()), []
        at = self.view.projection()
        top: tuple[str, Hit] | None = None
        words = []
        for artist in reversed(self.artists):
            hit = artist.hit(place.x(), place.y(), at)
            if hit is None:
                continue
            top = top or (artist.mark.key, hit)
            said = artist.words(hit)
            words += [said] if said else []
        if top is None:
            return Spot(self.pane.key, "", place.x(), place.y()), words
        key, hit = top
        return Spot(self.pane.key, key, hit.x, hit.y, hit.index), words

    def body(self) -> QWidget:
        """The widget between title and legends."""
        assert self._body is not None
        return self._body

    def legends(self) -> tuple[LegendBar, ...]:
        return tuple(self._legends)

    def title_rect(self) -> QRect:
        """Where the title is, in this widget."""
        return self._title.geometry()

    def has_values(self) -> bool:
        """Whether there are colours that stand for numbers."""
        return any(artist.legend() is not None for artist in self.artists)

    def fill_menu(self, menu: QMenu) -> None:
        """What can be done with this pane."""

        def add(text: str, wish: Wish) -> None:
            action = menu.addAction(text)
            action.triggered.connect(lambda: self.wished.emit(wish))

        add(tr("Copy picture"), "copy")
        menu.addSeparator()
        add(tr("Save PNG…"), "png")
        add(tr("Save SVG…"), "svg")
        add(tr("Save CSV…"), "csv")
        add(tr("Save NPZ…"), "npz")
        if self.view is None:
            return
        menu.addSeparator()
        if self.has_values() or self.pane.axes is not None:
            lock = menu.addAction(tr("Lock range"))
            lock.setCheckable(True)
            lock.setChecked(self.locked)
            lock.toggled.connect(self.lock)
        if self.has_values():
            self._add_colormaps(menu)
        fit = menu.addAction(tr("Fit"))
        fit.triggered.connect(self._fit)

    def _add_colormaps(self, menu: QMenu) -> None:
        inner = menu.addMenu(tr("Colour map"))
        group = QActionGroup(inner)
        choices: list[tuple[Colormap | None, str]] = [(None, tr("As the panel gives it"))]
        choices += [(name, tr(COLORMAP_NAMES[name])) for name in COLORMAPS]
        for name, text in choices:
            action = QAction(text, inner)
            action.setCheckable(True)
            action.setChecked(name == self.colormap)
            action.triggered.connect(lambda _=False, name=name: self.recolour(name))
            group.addAction(action)
            inner.addAction(action)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        self._popup(event.globalPos())

    def _open_menu(self) -> None:
        self._popup(self._menu_button.mapToGlobal(QPoint(0, self._menu_button.height())))

    def _popup(self, place: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.fill_menu(menu)
        menu.popup(place)

    def _fit(self) -> None:
        if self.view is not None:
            self.view.fit()
            self.fitted.emit()

    def _set_kind(self, kind: Kind) -> None:
        if self._body is not None:
            self._layout.removeWidget(self._body)
            self._body.hide()
            self._body.deleteLater()
        self.kind, self.view, self.table, self.text = kind, None, None, None
        self.artists = []
        match kind:
            case "view":
                self.view = PaneView()
                self.view.set_theme(self.theme)
                self.view.pointed.connect(self.pointed)
                self.view.clicked.connect(self.clicked)
                self.view.edited.connect(self.edited)
                self.view.zoomed.connect(self.zoomed)
                self.view.fitted.connect(self.fitted)
                self._body = self.view
            case "table":
                self.table = TableView(self.theme)
                self.table.pointed.connect(lambda row: self.pointed.emit(None if row is None else QPointF(0, row)))
                self.table.chosen.connect(lambda row: self.clicked.emit(QPointF(0, row)))
                self._body = self.table
            case "text":
                self.text = QLabel()
                self.text.setWordWrap(True)
                self.text.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
                self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
                self.text.setContentsMargins(8, 4, 8, 8)
                area = QScrollArea()
                area.setWidgetResizable(True)
                area.setFrameShape(QFrame.Shape.NoFrame)
                area.setWidget(self.text)
                self._body = area
            case _:
                assert_never(kind)
        self._layout.insertWidget(1, self._body, 1)
        self._show_legends()

    def _show_legends(self) -> None:
        # Maps beside each other in the same colours have one between them.
        every = [legend for artist in self.artists if (legend := artist.legend()) is not None]
        found = list(dict.fromkeys(every))
        while len(self._legends) < len(found):
            bar = LegendBar()
            bar.set_theme(self.theme)
            bar.toggled.connect(lambda: self.lock(not self.locked))
            self._layout.addWidget(bar)
            self._legends.append(bar)
        while len(self._legends) > len(found):
            bar = self._legends.pop()
            self._layout.removeWidget(bar)
            bar.deleteLater()
        for bar, legend in zip(self._legends, found, strict=True):
            bar.show_legend(legend)
