"""The figure: the picture with its region on the left, and on the right what is asked for."""

from explorer.figure import Boxes, Column, Figure, Handles, Image, Layout, Mark, Note, Pane, Row
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.roi.charts import edge_table, error_panes, output_panes, sum_table
from explorer.panels.roi.controls import BINS, ERROR, GRADIENT, POINT, View
from explorer.panels.roi.maps import CHOSEN, bins_panes, box, gradient_panes
from explorer.panels.roi.point import point_panes
from explorer.panels.roi.selection import Selection, real_bin, selection
from explorer.panels.roi.trace import Trace
from explorer.panels.roi.words import sentence, values
from explorer.views.detections import class_names

NAMED = 6


def draw(result: Result, view: View) -> Figure:
    """Picture and numbers beside the bins, the outputs, the gradients or the curves."""
    trace: Trace = result.trace
    chosen = selection(trace, view)
    show = trace.params.show
    right: Layout
    if show == GRADIENT:
        right = Row(gradient_panes(result, view, chosen))
    elif show == ERROR:
        right = Column(error_panes(trace, chosen), weights=(1.25, 1))
    elif show == BINS:
        right = Row(bins_panes(result, view, chosen))
    elif show == POINT:
        one, cells, points = point_panes(result, view, chosen)
        right = Row((one, Column((cells, points))), weights=(1, 1.1))
    else:
        right = Column((Row(output_panes(trace, chosen)), sum_table(trace, chosen)), weights=(1.4, 1))
    left = Column((picture(result, chosen), edge_table(trace, chosen)), weights=(1.75, 1))
    return Figure(
        Row((left, right), weights=(1, 2.1)),
        values=values(trace, chosen),
        notes=(Note(sentence(trace, chosen)),),
    )


def picture(result: Result, chosen: Selection) -> Pane:
    """The frame with the detections, the region to drag and the chosen bin."""
    trace: Trace = result.trace
    width, height = result.frame.size
    marks: list[Mark] = [Image(result.frame.image)]
    names, found = class_names(), trace.found
    others = [i for i in range(len(found.boxes)) if i != trace.region.detection]
    # In a crowd the names would hide what they name.
    words = tuple(names[int(found.labels[i])] for i in others) if len(others) <= NAMED else ()
    marks.append(Boxes(found.boxes[others].numpy(), words, 7, 1.0, key="detections"))
    marks.append(box(real_bin(trace, chosen.row, chosen.column), CHOSEN, 1.5, "chosen"))
    label = tr("RoI")
    if trace.region.detection >= 0:
        label += " · " + names[int(found.labels[trace.region.detection])]
    marks.append(Handles("roi", "box", trace.roi, label, 1, (0.0, 0.0, float(width), float(height)), key="roi"))
    return Pane(
        "picture", tr("Drag the region, or click a detected box"), tuple(marks), space="picture", size=(width, height)
    )
