"""Drag keypoints of figures; beside them the maps that training asks for, what the network gives, and the loss."""

import numpy as np

from explorer.figure import Boxes, Column, Handles, Layout, Mark, Pane, Row, Segments, Table, TableColumn
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.pose.controls import KEYPOINTS, Params, View
from explorer.panels.pose.marks import (
    OTHER,
    arrows,
    ends_of,
    heat,
    heat_mark,
    limb_lines,
    picture,
    picture_pane,
)
from explorer.panels.pose.network import Maps
from explorer.panels.pose.parts import keypoints_of, limb_colour, limbs_of, part_name, person_colour
from explorer.panels.pose.trace import Trace
from explorer.panels.pose.training import Training

MASK = "#ffffff"


def target_view(result: Result, view: View) -> Layout:
    """Figures and loss at the left, targets in the middle, the network's maps at the right."""
    trace: Trace = result.trace
    made = trace.training
    assert made is not None
    ground, name, mask = picture(result, view), part_name(view.part), masked(result, made)

    def heat_pane(key: str, title: str, of: Maps) -> Pane:
        shown = heat_mark(heat(of.heatmaps, view.part), trace.grid, view)
        return picture_pane(result, f"heat_{key}", title, (*ground, shown, *mask))

    def field_pane(key: str, title: str, of: Maps) -> Pane:
        return picture_pane(
            result, f"field_{key}", title, (*ground, arrows(of.pafs, view.part, trace.grid, view), *mask)
        )

    wanted = (
        heat_pane("target", tr("Target S*: {part}", part=name), made.targets),
        field_pane("target", tr("Target L*: PAF"), made.targets),
    )
    given = (
        heat_pane("network", tr("Network S: {part}", part=name), trace.maps),
        field_pane("network", tr("Network L: PAF"), trace.maps),
    )
    left = Column(
        (figure_pane(result, view), loss_pane(trace, made), error_pane(result, view)), weights=(1.5, 0.95, 1.0)
    )
    return Row((left, Column(wanted), Column(given)), weights=(1.35, 1.0, 1.0))


def masked(result: Result, made: Training) -> tuple[Mark, ...]:
    """The mask's box, where there is one."""
    params: Params = result.task.params
    if not params.masked:
        return ()
    return (Boxes(np.array([made.box]), (tr("W = 0"),), MASK, 2.0, "dashed", key="mask"),)


def figure_pane(result: Result, view: View) -> Pane:
    """The figures with a handle on each keypoint."""
    trace: Trace = result.trace
    params: Params = result.task.params
    made = trace.training
    assert made is not None
    lines = limb_lines(made.figures)
    chosen = set(limbs_of(view.part))
    marks: list[Mark] = list(picture(result, view))
    marks.append(
        Segments(
            *ends_of(made.figures, lines),
            [limb_colour(limb) if limb in chosen else OTHER for limb in lines[:, 1].tolist()],
            4.0,
            key="limbs",
        )
    )
    named = keypoints_of(view.part)
    for person, figure in enumerate(made.figures):
        for keypoint, (x, y, labelled) in enumerate(figure.tolist()):
            if labelled:
                joint = person * KEYPOINTS + keypoint
                marks.append(
                    Handles(
                        f"joints.{params.first_joint + joint}",
                        "point",
                        (x, y),
                        colour=person_colour(person + 1) if keypoint in named else 7,
                        bounds=result.frame.extent,
                        key=f"joint {joint}",
                    )
                )
    if params.masked:
        marks.append(Handles("mask", "box", made.box, tr("mask: W = 0 inside"), 7, result.frame.extent, key="mask"))
    if not (made.figures[..., 2] > 0).any():
        return picture_pane(result, "figures", tr("Nobody was found: choose other figures"), tuple(marks))
    return picture_pane(result, "figures", tr("Drag the keypoints"), tuple(marks))


def loss_pane(trace: Trace, made: Training) -> Pane:
    """f_S and f_L of every stage, with and without the mask."""
    columns = (
        TableColumn(tr("Stage")),
        TableColumn(tr("f_S, W = 1"), digits=1),
        TableColumn(tr("f_L, W = 1"), digits=1),
        TableColumn(tr("f_S, masked"), digits=1),
        TableColumn(tr("f_L, masked"), digits=1),
    )
    rows: list[tuple[str | float | int, ...]] = [
        (number, loss.heatmaps, loss.pafs, loss.masked_heatmaps, loss.masked_pafs)
        for number, loss in enumerate(made.losses, 1)
    ]
    sums = (
        sum(loss.heatmaps for loss in made.losses),
        sum(loss.pafs for loss in made.losses),
        sum(loss.masked_heatmaps for loss in made.losses),
        sum(loss.masked_pafs for loss in made.losses),
    )
    return Pane(
        "losses", tr("Loss against these targets"), (Table(columns, (*rows, (tr("all"), *sums)), key="losses"),)
    )


def error_pane(result: Result, view: View) -> Pane:
    """Where the loss of the last stage comes from."""
    trace: Trace = result.trace
    made = trace.training
    assert made is not None
    high = max(float(made.errors.max()), 1e-6)
    mark = heat_mark(made.errors, trace.grid, view, label=tr("error"), key="errors", high=high)
    return picture_pane(
        result, "errors", tr("W(p) · error, last stage"), (*picture(result, view), mark, *masked(result, made))
    )
