"""What each stage of the network believed: heat map, PAF and the people it would give, side by side."""

from explorer.figure import Column, Layout, Pane, Row
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.pose.controls import View
from explorer.panels.pose.marks import arrows, heat, heat_mark, picture, picture_pane, skeletons
from explorer.panels.pose.parts import part_name
from explorer.panels.pose.trace import Trace


def refinement(result: Result, view: View) -> Layout:
    """A column for each stage."""
    trace: Trace = result.trace
    columns: list[Layout] = []
    name = part_name(view.part)
    for number, (maps, people) in trace.stages.items():
        ground = picture(result, view)
        seen = (
            *ground,
            heat_mark(heat(maps.heatmaps, view.part), trace.grid, view),
            arrows(maps.pafs, view.part, trace.grid, view, width=1.2),
        )
        said = tr("{count} people", count=len(people)) if len(people) != 1 else tr("1 person")
        maps_title = tr("Stage {number} of {count}: {part}", number=number, count=trace.stage_count, part=name)
        panes: list[Pane] = [picture_pane(result, f"maps_{number}", maps_title, seen)]
        if view.skeletons:
            marks = (*ground, *skeletons(people, view, labels=False, width=3.0))
            panes.append(
                picture_pane(result, f"people_{number}", tr("Stage {number}: {said}", number=number, said=said), marks)
            )
        columns.append(Column(tuple(panes)))
    return Row(tuple(columns))
