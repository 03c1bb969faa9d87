"""Everyone in the picture: skeletons over picture, heat maps and PAFs, each of which can be left out."""

from explorer.figure import Column, Layout, Mark, Pane, Row, Table, TableColumn
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.pose.controls import View
from explorer.panels.pose.marks import arrows, direction_pane, heat, heat_mark, picture, picture_pane, skeletons
from explorer.panels.pose.parts import EVERYTHING, part_name
from explorer.panels.pose.people import People
from explorer.panels.pose.trace import Trace


def live(result: Result, view: View) -> Layout:
    """The picture, and beside it who was found."""
    trace: Trace = result.trace
    marks: list[Mark] = list(picture(result, view))
    if view.heatmaps:
        marks.append(heat_mark(heat(trace.maps.heatmaps, view.part), trace.grid, view))
    if view.pafs:
        marks.append(arrows(trace.maps.pafs, view.part, trace.grid, view))
    if view.skeletons:
        marks += skeletons(trace.people, view)
    beside: Layout = people_pane(trace.people, view)
    if view.pafs:
        beside = Column((beside, direction_pane()), weights=(2.0, 1.0))
    return Row((picture_pane(result, "people", title(view), tuple(marks)), beside), weights=(3.6, 1.0))


def title(view: View) -> str:
    """What lies over the picture, of which keypoint or limb."""
    shown = [
        tr(name)
        for name, on in (("Heat maps", view.heatmaps), ("PAFs", view.pafs), ("Skeletons", view.skeletons))
        if on
    ]
    if not shown:
        return tr("Picture")
    said = " + ".join(shown)
    told = view.heatmaps or view.pafs or view.part != EVERYTHING
    return f"{said} · {part_name(view.part)}" if told else said


def people_pane(people: People, view: View) -> Pane:
    """Number, keypoints and score of everyone."""
    columns = (TableColumn(tr("Person")), TableColumn(tr("Keypoints")), TableColumn(tr("Score"), digits=2))
    rows = tuple(
        (int(number), f"{count} / 18", float(score))
        for number, count, score in zip(people.numbers, people.found(), people.scores, strict=True)
    )
    numbers = people.numbers.tolist()
    selected = numbers.index(view.person) if view.person in numbers else None
    said = tr("{count} people", count=len(people)) if len(people) != 1 else tr("1 person")
    return Pane("table", said, (Table(columns, rows, selected=selected, key="people"),))
