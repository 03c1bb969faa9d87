"""One open panel in the window: its controls, explanation, canvas and timing around the panel's four functions."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QKeyEvent, QResizeEvent, QTextCursor
from PySide6.QtWidgets import (
    QDockWidget,
    QHBoxLayout,
    QLabel,
    QMenu,
    QProgressBar,
    QScrollArea,
    QSplitter,
    QTabWidget,
    QTextBrowser,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from explorer.canvas import Canvas
from explorer.engine.timing import Timing
from explorer.figure import Figure, Image, Pane, Spot
from explorer.i18n import tr
from explorer.panel import Frame, Link, Panel, Precision, Result, Stage, Task
from explorer.settings.session import OpenPanel, fields_from_json, fields_to_json
from explorer.widgets.form import Form
from explorer.widgets.icons import icon
from explorer.widgets.theme import Theme, set_role
from explorer.widgets.waterfall import Waterfall
from explorer.window.panel_keys import edit_of

log = logging.getLogger(__name__)
SIDE_WIDTH = 22
"""Width of the controls, in heights of the theme's letters."""
ROOMY = 54
"""From this width on, in the same unit, a panel shows its controls by itself."""


class PanelDock(QDockWidget):
    """An open panel.

    Args:
        title: in English, until the panel itself is there.

    Signals:
        task_changed(): its Params changed; ask :meth:`task`.
        shown_changed(): it can be seen now, or no longer.
        closed(): the user closed it.
        drawn(): it shows another figure, and has painted it.
        linked(panel, fields): the user asked for another panel.
    """

    drawn = Signal()
    linked = Signal(str, object)
    task_changed = Signal()
    shown_changed = Signal()
    closed = Signal()

    def __init__(self, opened: OpenPanel, theme: Theme, title: str = "") -> None:
        super().__init__()
        self.setObjectName(f"panel_{opened.name}_{opened.id}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
        self.name = opened.name
        self._title = title or opened.name.capitalize()
        self.id = opened.id
        self.panel: Panel | None = None
        self.params: Any = None
        self.view: Any = None
        self.result: Result | None = None
        self.computes_on: tuple[str, Precision, int] | None = None
        self.timing = Timing()
        self.error = ""
        self._remembered = opened.fields
        self._form: Form | None = None
        self._seen = False
        self._theme = theme
        self._side_wanted: bool | None = None
        self._waiting: list[Callable[[], object]] = []
        self._figure_values: Mapping[str, object] = {}

        self.canvas = Canvas()
        self.canvas.set_theme(theme)
        self.canvas.edited.connect(lambda field, value: self.set_fields({field: value}))
        self.canvas.picked.connect(self._picked)
        self.canvas.hovered.connect(self._hovered)
        self._message = QLabel()
        self._message.setWordWrap(True)
        self._message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._message.hide()
        self._progress = QProgressBar()
        self._progress.hide()
        self._explain = QTextBrowser()
        self._explain.setOpenExternalLinks(True)
        self._explained = ""
        self._controls = QScrollArea()
        self._controls.setWidgetResizable(True)
        self._controls.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.side = QTabWidget()
        self.side.setDocumentMode(True)
        self.side.addTab(self._controls, tr("Controls"))
        self.side.addTab(self._explain, tr("Explanation"))
        self.side.currentChanged.connect(lambda _: self._fill_explanation())
        self.waterfall = Waterfall(theme)
        self._side_button = QToolButton()
        self._side_button.setObjectName("side_button")
        self._side_button.setCheckable(True)
        self._side_button.setAutoRaise(True)
        self._side_button.clicked.connect(self.show_side)

        self._links: tuple[Link, ...] = ()
        self._links_menu = QMenu(self)
        self._links_button = QToolButton()
        self._links_button.setObjectName("links_button")
        self._links_button.setAutoRaise(True)
        self._links_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._links_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._links_button.setMenu(self._links_menu)
        self._links_button.hide()

        split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(self.side)
        split.addWidget(self.canvas)
        split.setStretchFactor(0, 0)
        split.setStretchFactor(1, 1)
        split.setSizes([SIDE_WIDTH * theme.font, 1000])
        split.setChildrenCollapsible(False)
        foot = QHBoxLayout()
        foot.setContentsMargins(4, 0, 0, 0)
        foot.setSpacing(0)
        foot.addWidget(self._side_button)
        foot.addWidget(self._links_button)
        foot.addWidget(self.waterfall, 1)
        body = QWidget()
        layout = QVBoxLayout(body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._message)
        layout.addWidget(self._progress)
        layout.addWidget(split, 1)
        layout.addLayout(foot)
        self.setWidget(body)
        self._dress()
        self.visibilityChanged.connect(self._visibility_changed)
        self.setWindowTitle(tr(self._title))

    # -- what the window tells it

    def set_panel(self, panel: Panel) -> None:
        """The panel's module has been imported."""
        self.panel = panel
        self._title = panel.title
        self.params = fields_from_json(panel.params, self._remembered)
        self.view = fields_from_json(panel.view, self._remembered)
        self.retranslate()
        self.task_changed.emit()
        waiting, self._waiting = self._waiting, []
        for do in waiting:
            do()

    def set_up(self, values: Mapping[str, Any], computes_on: tuple[str, Precision, int] | None) -> None:
        """Sets every field of Params and View, and computes on this device in this precision with these threads instead of the ones
        chosen in the toolbar, until those are changed.
        """
        self.computes_on = computes_on
        self._remembered = dict(values)
        if self.panel is not None:
            self.set_panel(self.panel)
            if self.result is not None:
                self._redraw()

    def point_at(self, spot: Spot) -> None:
        """Shows what is under this place, as if the pointer were there."""
        self._hovered(spot)

    def fail(self, sentence: str) -> None:
        """The panel cannot be had."""
        self.error = sentence
        self._say(sentence, "error")

    def when_there(self, do: Callable[[], object]) -> None:
        """Does something once the panel is imported: now, if it is."""
        if self.panel is not None:
            do()
        else:
            self._waiting.append(do)

    def show_control(self, name: str) -> bool:
        """Shows the controls and gives one of them the keyboard; False where it is not shown as things are set."""
        self.show_side(True)
        self.side.setCurrentWidget(self._controls)
        return self._form is not None and self._form.show_control(name)

    def show_explanation(self, words: Sequence[str] = ()) -> None:
        """Shows the explanation, from the first of these words on that it has."""
        self.show_side(True)
        self.side.setCurrentWidget(self._explain)
        self._explain.setFocus()
        self._explain.moveCursor(QTextCursor.MoveOperation.Start)
        for some in words:
            if self._explain.find(some):
                bar, line = self._explain.verticalScrollBar(), self._explain.cursorRect()
                bar.setValue(bar.value() + line.top() - line.height())
                return

    def preview(self, frame: Frame) -> None:
        """Shows the bare picture until there is a result."""
        if self.result is None:
            height, width = frame.image.shape[:2]
            pane = Pane("picture", tr("Picture"), (Image(frame.image),), space="picture", size=(width, height))
            self.canvas.set_figure(Figure(pane))

    def show_result(self, result: Result) -> None:
        """Draws a result, or tells why there is none while the last good picture stays."""
        if self.result is None:
            log.info("%s: the first result is there", self.name)
        self.error = result.error
        if result.error:
            self._say(result.error, "error")
            return
        self.result = result
        if self._form is not None:
            self._form.set_result(result)
        started = time.perf_counter()
        if self._redraw():
            # The paint event is handled before a zero timer: what is measured includes the painting.
            QTimer.singleShot(0, self, lambda: self._painted(result, started))

    def _painted(self, result: Result, started: float) -> None:
        self.timing.add(result, Stage("draw", started, time.perf_counter()))
        self.drawn.emit()

    def show_progress(self, fraction: float | None, text: str = "") -> None:
        self._progress.setVisible(fraction is not None)
        if fraction is not None:
            self._progress.setRange(0, 1000)
            self._progress.setValue(round(1000 * fraction))
            self._progress.setFormat(text or "%p %")

    def task(self, device: str, precision: Precision, threads: int) -> Task | None:
        """What the engine is to compute; None before the panel is imported."""
        if self.panel is None:
            return None
        return Task(self.id, self.name, self.params, device, precision, threads)

    def opened(self) -> OpenPanel:
        """What to remember of it."""
        values = self._remembered if self.panel is None else fields_to_json(self.params, self.view)
        return OpenPanel(self.name, self.id, values)

    def is_seen(self) -> bool:
        """It is open, in front of its tab group, and its window is not minimised."""
        return self._seen and self.isVisible() and not self.window().isMinimized()

    def show_side(self, wanted: bool) -> None:
        """Shows or hides the controls, from now on by the user's wish and no longer by the room there is."""
        self._side_wanted = wanted
        self._fit_side()

    def _fit_side(self) -> None:
        roomy = self.width() >= ROOMY * self._theme.font
        shown = roomy if self._side_wanted is None else self._side_wanted
        self.side.setVisible(shown)
        self._side_button.setChecked(shown)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._dress()
        self._fit_side()
        self.canvas.set_theme(theme)
        self.waterfall.set_theme(theme)
        if self.result is not None:
            self._redraw()

    def _dress(self) -> None:
        self._side_button.setIcon(icon("tune", self._theme.text))
        self._links_button.setIcon(icon("layers", self._theme.text))

    def retranslate(self) -> None:
        """Words again: title, controls, explanation, picture."""
        self.side.setTabText(0, tr("Controls"))
        self.side.setTabText(1, tr("Explanation"))
        self._side_button.setToolTip(tr("Show or hide the controls"))
        self._side_button.setAccessibleName(tr("Show or hide the controls"))
        self.setWindowTitle(tr(self._title))
        self.canvas.retranslate()
        if self.panel is None:
            return
        self._form = Form(self.params, self.view)
        self._form.setContentsMargins(8, 8, 8, 8)
        self._form.changed.connect(lambda name, value: self.set_fields({name: value}))
        self._controls.setWidget(self._form)
        self._explained = ""
        if self.result is not None:
            self._form.set_result(self.result)
            self._form.set_values(self.params, self.view)
            self._redraw()

    # -- what the user does

    def set_fields(self, values: Mapping[str, Any]) -> None:
        """Sets fields of Params (computes anew) and of View (draws anew); ``name.i`` is item i of a tuple."""
        params_names = {f.name for f in fields(self.params)}
        try:
            values = dict(whole_field(self.params, self.view, name, value) for name, value in values.items())
            params = replace(self.params, **{k: v for k, v in values.items() if k in params_names})
            view = replace(self.view, **{k: v for k, v in values.items() if k not in params_names})
        except (ValueError, TypeError, IndexError) as error:
            self._say(str(error), "error")
            return
        changed, redraw = params != self.params, view != self.view
        self.params, self.view = params, view
        if self._form is not None:
            self._form.set_values(params, view)
        if changed:
            self.task_changed.emit()
        if redraw and self.result is not None:
            self._redraw()
            QTimer.singleShot(0, self, lambda: self.drawn.emit())

    def _picked(self, spot: Spot) -> None:
        if self.panel is None or self.result is None:
            return
        values = self._guarded(self.panel.pick, spot, self.canvas.figure)
        if values:
            self.set_fields(values)

    def _hovered(self, spot: Spot | None) -> None:
        if self.panel is None or self.result is None:
            return
        self.canvas.show_probe(None if spot is None else self._guarded(self.panel.probe, spot, self.canvas.figure))

    # -- drawing

    def let_go(self) -> None:
        """What it shows goes now, not when the garbage collector finds the widgets."""
        self.result = None
        self._figure_values = {}
        self.canvas.clear()

    def _redraw(self) -> bool:
        assert self.panel is not None
        assert self.result is not None
        figure = self._guarded(self.panel.draw)
        if figure is None:
            return False
        self.canvas.set_figure(figure)
        self._show_links()
        sentence = self.result.note or self.result.frame.note
        self._say(sentence, "warning" if self.result.note else "note")
        self._figure_values = figure.values
        self._fill_explanation()
        return True

    def _guarded(self, function: Any, *more: Any) -> Any:
        """Calls one of the panel's functions; what it raises is told in this panel's place."""
        try:
            return function(self.result, self.view, *more)
        except Exception as error:
            log.exception("the panel %s failed to draw", self.name)
            self._say(str(error) or type(error).__name__, "error")
            return None

    def _show_links(self) -> None:
        """The ways to other panels, where this one has any."""
        assert self.panel is not None
        links = (self._guarded(self.panel.links) if self.panel.links is not None else None) or ()
        if links == self._links:
            return
        self._links = links
        self._links_menu.clear()
        for link in links:
            self._links_menu.addAction(link.text).triggered.connect(
                lambda _=False, link=link: self.linked.emit(link.panel, dict(link.fields))
            )
        self._links_button.setText(tr("Look inside"))
        self._links_button.setToolTip(tr("Opens another panel with what is computed here"))
        self._links_button.setVisible(bool(links))

    def _say(self, sentence: str, level: str) -> None:
        if sentence == self._message.text() and self._message.isVisible() == bool(sentence):
            return
        self._message.setText(sentence)
        set_role(self._message, level)
        self._message.setVisible(bool(sentence))

    def _fill_explanation(self) -> None:
        if self.panel is None or self.side.currentWidget() is not self._explain:
            return
        text = self.panel.explanation.format_map(_Filled(self._figure_values))
        if self.panel.paper:
            text += f"\n\n*{self.panel.paper}*"
        if text != self._explained:
            self._explained = text
            place = self._explain.verticalScrollBar().value()
            self._explain.setMarkdown(text)
            self._explain.verticalScrollBar().setValue(place)

    def _visibility_changed(self, seen: bool) -> None:
        self._seen = seen
        self.shown_changed.emit()

    def take_key(self, event: QEvent) -> bool:
        """Does what a key of the panel's own stands for. ``event`` is a ShortcutOverride, which comes before the window's
        shortcuts and before a list with the focus looks for a word, but not where text is typed."""
        if event.type() != QEvent.Type.ShortcutOverride or not isinstance(event, QKeyEvent) or self.panel is None:
            return False
        if event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            return False
        edit = edit_of(event.text(), self.params, self.view, self.result)
        if edit is None:
            return False
        event.accept()
        self.set_fields(edit)
        return True

    # -- Qt

    def event(self, event: QEvent) -> bool:
        return self.take_key(event) or super().event(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_side()

    def closeEvent(self, event: QCloseEvent) -> None:
        super().closeEvent(event)
        self.closed.emit()


def whole_field(params: Any, view: Any, name: str, value: Any) -> tuple[str, Any]:
    """Name and new value of a field, of which ``name.i`` sets one item.

    Raises:
        IndexError: there is no such item.
        TypeError: the field is no tuple.
    """
    field, dot, number = name.partition(".")
    if not dot:
        return name, value
    items = list(getattr(params if hasattr(params, field) else view, field))
    items[int(number)] = value
    return field, tuple(items)


class _Number(float):
    """A number of an explanation: four significant figures unless the text asks for a format of its own."""

    def __format__(self, spec: str) -> str:
        return float.__format__(self, spec or ".4g")


class _Dash(str):
    """What is not known yet, whatever format is asked for."""

    def __format__(self, spec: str) -> str:
        return "–"


class _Filled(dict[str, object]):
    """The values of an explanation."""

    def __init__(self, values: Mapping[str, object]) -> None:
        super().__init__({k: _Number(v) if isinstance(v, float) else v for k, v in values.items()})

    def __missing__(self, key: str) -> str:
        return _Dash()
