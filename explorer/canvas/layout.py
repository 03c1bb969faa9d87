"""Rows and columns of panes as splitters that the user can pull."""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter, QWidget

from explorer.figure import Layout, Pane, Row

Structure = str | tuple["str | Structure", ...]
"""A pane's key, or "row" or "column" and what is in it: equal for figures whose panes lie alike."""


def structure(layout: Layout) -> Structure:
    """How the panes lie, without what is in them."""
    if isinstance(layout, Pane):
        return layout.key
    return ("row" if isinstance(layout, Row) else "column", *(structure(child) for child in layout.children))


def build(layout: Layout, widget_of: Callable[[Pane], QWidget], gap: int) -> QWidget:
    """Nested splitters holding the panes' widgets, sized by the weights."""
    if isinstance(layout, Pane):
        return widget_of(layout)
    made = QSplitter(Qt.Orientation.Horizontal if isinstance(layout, Row) else Qt.Orientation.Vertical)
    made.setChildrenCollapsible(False)
    made.setHandleWidth(gap)
    weights = weights_of(layout.weights, len(layout.children))
    for number, child in enumerate(layout.children):
        made.addWidget(build(child, widget_of, gap))
        made.setStretchFactor(number, max(1, round(100 * weights[number])))
    made.setSizes([max(1, round(10000 * weight)) for weight in weights])
    return made


def weights_of(weights: tuple[float, ...], count: int) -> list[float]:
    """Parts of one for ``count`` children; missing or useless weights are equal."""
    if len(weights) != count or sum(weights) <= 0 or min(weights) < 0:
        weights = (1.0,) * count
    return [weight / sum(weights) for weight in weights]


def splitters(widget: QWidget | None) -> list[QSplitter]:
    """All splitters of a built layout, outermost first."""
    if not isinstance(widget, QSplitter):
        return []
    inner = (splitters(widget.widget(number)) for number in range(widget.count()))
    return [widget, *(found for part in inner for found in part)]
