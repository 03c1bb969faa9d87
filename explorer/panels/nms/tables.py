"""The table of candidates, and the words about one of them."""

import numpy as np

from explorer.figure import Pane, Table, TableColumn, Text
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.nms.controls import View
from explorer.panels.nms.methods import SHORT_NAMES
from explorer.panels.nms.state import State, in_focus, state
from explorer.panels.nms.trace import Run, Trace
from explorer.panels.nms.words import story

WIDE = 4
"""With so many methods there is no room for the classes' names."""


def table(result: Result, view: View, step: int) -> Pane:
    """A row for each candidate: its score and what each method did to it so far."""
    trace: Trace = result.trace
    states = [state(trace, number, step) for number in range(len(trace.runs))]
    focus = in_focus(trace, view, step)
    columns = [TableColumn(tr("box"))]
    named = not trace.by_hand and len(trace.runs) < WIDE
    if named:
        columns.append(TableColumn(tr("class")))
    columns.append(TableColumn(tr("score"), digits=2))
    if trace.by_hand:
        columns.append(TableColumn("σ", tr("px")))
    columns += [TableColumn(tr(SHORT_NAMES[run.method])) for run in trace.runs]
    if focus >= 0:
        columns.append(TableColumn(tr("IoU with {box}", box=focus), digits=2))
    rows = []
    scores = trace.scene.scores.tolist()
    for box in trace.rows.tolist():
        cells: list[str | float | int] = [box]
        if named:
            cells.append(trace.name(box))
        cells.append(scores[box])
        if trace.by_hand:
            cells.append(float(trace.scene.variance[box, 0].sqrt()))
        cells += [fate(run, now, box, scores[box]) for run, now in zip(trace.runs, states, strict=True)]
        if focus >= 0:
            cells.append(float(trace.iou[focus, box]))
        rows.append(tuple(cells))
    selected = int(np.flatnonzero(trace.rows == focus)[0]) if focus >= 0 else None
    count, found = len(trace.scene), trace.scene.found
    words = tr("{count} candidates", count=count)
    if count < found:
        words = tr("The best {count} of {found} candidates", count=count, found=found)
    return Pane("table", words, (Table(tuple(columns), tuple(rows), selected, key="table"),))


def fate(run: Run, now: State, box: int, before: float) -> str:
    """A cell: kept, by which box it was removed, or the score so far."""
    score = float(now.scores[box])
    if now.kept[box]:
        return tr("kept {score:.2f}", score=score) if abs(score - before) > 5e-3 else tr("kept")
    if now.gone[box]:
        by = int(run.trace.suppressed_by[box])
        return tr("by {box}", box=by) if by >= 0 else tr("too low")
    return f"{score:.2f}" if score < before else "·"


def words_pane(result: Result, view: View, step: int) -> Pane:
    """What each method did to the box in focus, with its numbers."""
    trace: Trace = result.trace
    focus = in_focus(trace, view, step)
    if focus < 0:
        hint = tr("Click a box or a row of the table, or step through the decisions.")
        return Pane("words", tr("The chosen box"), (Text(hint),))
    parts = []
    for number, run in enumerate(trace.runs):
        lines = story(result, number, state(trace, number, step), focus)
        parts.append(Text("\n".join((f"{tr(run.method)}: {lines[0]}", *lines[1:])), key=f"words{number}"))
    score = float(trace.scene.scores[focus])
    name = " ".join(filter(None, (tr("Box {box}", box=focus), trace.name(focus), f"{score:.2f}")))
    return Pane("words", name, tuple(parts))
