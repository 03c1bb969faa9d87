"""What a discriminator thinks of a real picture, a translation, and an earlier translation, patch by patch."""

from collections.abc import Sequence

import cv2
import numpy as np

from explorer.figure import (
    Axis,
    Boxes,
    Column,
    Curve,
    Heatmap,
    Image,
    Layout,
    Mark,
    Pane,
    Row,
    Table,
    TableColumn,
    Text,
)
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.cyclegan.controls import JUDGE_A, Params, View
from explorer.panels.cyclegan.trace import Judged, Trace
from explorer.panels.cyclegan.translator import domain_names
from explorer.views.cells import Cells
from explorer.views.fit import Fit

BINS = 40
CELL, FIELD = 1, 3
"""Colours."""
KINDS = ("real", "fake", "pooled")
THRESHOLD = 0.5


def letter_of(params: Params) -> str:
    return "A" if params.judge == JUDGE_A else "B"


def pane_key(one: Judged) -> str:
    return f"judge {one.kind}"


def kind_name(trace: Trace, kind: str) -> str:
    """What was judged, in words."""
    a, b = domain_names(trace.params.network)
    name = a if trace.params.judge == JUDGE_A else b
    if kind == "real":
        return tr("real: {name}", name=name)
    if kind == "fake":
        return tr("fake: translated just now")
    pool = trace.pools[0 if trace.params.judge == JUDGE_A else 1]
    return tr("from the pool: an earlier one") if pool.older else tr("from the pool: the newest itself")


def cells_of(judged: Judged) -> Cells:
    """Where the scores lie on the picture that was judged, in its pixels."""
    rows, columns = judged.scores.shape
    height, width = judged.picture.shape[:2]
    return Cells.of(Fit((width, height), (width, height), False), rows, columns, judged.field)


def judges_view(result: Result, view: View) -> Layout:
    """The pictures with their scores above; how the scores are spread, and the table, below."""
    trace: Trace = result.trace
    if not trace.judged:
        return Pane("judges", tr("Discriminators"), (Text(tr("This network comes without discriminators.")),))
    pictures = Row(tuple(judged_pane(trace, view, one) for one in trace.judged))
    return Column((pictures, Row((spread_pane(trace), table_pane(trace)), weights=(1.0, 1.1))), weights=(1.6, 1.0))


def farthest(some: Sequence[Judged]) -> float:
    """From ½, where a score decides nothing, to the score that decides most."""
    return max(float(np.abs(one.scores - THRESHOLD).max()) for one in some)


def judged_pane(trace: Trace, view: View, one: Judged) -> Pane:
    height, width = one.picture.shape[:2]
    cells = cells_of(one)
    reach = farthest(trace.judged if view.one_range else (one,))
    heat = Heatmap(
        cells.spread(one.scores - THRESHOLD, smooth=False),
        label=tr("score − ½, above 0: real"),
        low=-reach,
        high=reach,
        colormap="diverging",
        opacity=view.opacity,
        extent=(0.0, 0.0, float(width), float(height)),
        key="scores",
    )
    grey = np.asarray(cv2.cvtColor(one.picture, cv2.COLOR_RGB2GRAY), np.uint8)
    marks: list[Mark] = [Image(grey), heat]
    if view.place is not None:
        marks += patch_marks(one, *cells.at(view.place[0] * width, view.place[1] * height))
    title = f"{kind_name(trace, one.kind)} · " + tr("{share:.0f} % taken for real", share=100 * one.accepted)
    return Pane(pane_key(one), title, tuple(marks), space=one.kind, size=(float(width), float(height)))


def patch_marks(one: Judged, row: int, column: int) -> tuple[Mark, ...]:
    """The cell of a score, and the patch of the picture it depends on, at its true size."""
    cells = cells_of(one)
    assert one.field.size is not None  # convolutions alone see as much everywhere
    words = tr("patch of {width} × {height} px", width=one.field.size[0], height=one.field.size[1])
    return (
        Boxes(np.array([cells.box(row, column)]), colours=CELL, width=2.0, key="cell"),
        Boxes(np.array([one.field.box(row, column)]), labels=(words,), colours=FIELD, styles="dashed", key="patch"),
    )


def spread_pane(trace: Trace) -> Pane:
    """How often which score was given, a curve for each picture."""
    low = min(0.0, *(float(one.scores.min()) for one in trace.judged)) - 0.1
    high = max(1.0, *(float(one.scores.max()) for one in trace.judged)) + 0.1
    edges = np.linspace(low, high, BINS + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    marks: list[Mark] = []
    top = 0.0
    for one in trace.judged:
        share = 100 * np.histogram(one.scores, edges)[0] / one.scores.size
        top = max(top, float(share.max()))
        number = KINDS.index(one.kind)
        style = "dashed" if one.kind == "pooled" else "solid"
        marks.append(Curve(middles, share, kind_words(one.kind), number, 2.0, style, key=one.kind))  # type: ignore[arg-type]
    line = Curve(
        np.array([THRESHOLD, THRESHOLD]), np.array([0.0, top]), tr("taken for real from here on"), 7, 1.5, "dotted",
        key="threshold",
    )  # fmt: skip
    axes = (Axis(tr("score"), low=low, high=high + 0.7 * (high - low)), Axis(tr("patches"), "%", low=0.0))
    return Pane("spread", tr("How the scores are spread"), (line, *marks), axes=axes)


def kind_words(kind: str) -> str:
    return {"real": tr("real"), "fake": tr("fake"), "pooled": tr("from the pool")}[kind]


def table_pane(trace: Trace) -> Pane:
    letter = letter_of(trace.params)
    columns = (
        TableColumn(tr("Picture")),
        TableColumn(tr("Patches")),
        TableColumn(tr("Mean score"), digits=3),
        TableColumn(tr("Taken for real"), "%", 0),
        TableColumn(tr("Loss term"), digits=3),
    )
    rows = []
    for one in trace.judged:
        wanted = 1.0 if one.kind == "real" else 0.0
        shape = f"{one.scores.shape[1]} × {one.scores.shape[0]}"
        loss = float(((one.scores - wanted) ** 2).mean())
        rows.append((kind_words(one.kind), shape, float(one.scores.mean()), 100 * one.accepted, loss))
    title = tr("What discriminator {letter} says", letter=letter)
    return Pane("judged", title, (Table(columns, tuple(rows), key="judged"),))
