"""Pictures translated: one beside the other or under a swipe line, both directions and back, and where that errs."""

from collections.abc import Iterator

import numpy as np

from explorer.figure import Column, Handles, Heatmap, Image, Layout, Mark, Pane, Row, Segments
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.cyclegan.controls import SWIPE, View
from explorer.panels.cyclegan.pictures import Pixels
from explorer.panels.cyclegan.trace import Array, Side, Trace
from explorer.panels.cyclegan.translator import domain_names

LINE = 1
"""Colour of the swipe line."""


def names(trace: Trace, side: Side) -> tuple[str, str]:
    """What the picture is taken for, and what it becomes."""
    a, b = domain_names(trace.params.network)
    return (a, b) if side.domain == "a" else (b, a)


def extent_of(side: Side) -> tuple[float, float, float, float]:
    height, width = side.source.shape[:2]
    return 0.0, 0.0, float(width), float(height)


def space_of(side: Side) -> str:
    return "picture" if side.frame else "other"


def picture_pane(side: Side, key: str, title: str, pixels: Pixels, more: tuple[Mark, ...] = ()) -> Pane:
    """Something made of a side's picture, in the coordinates of the picture."""
    extent = extent_of(side)
    return Pane(key, title, (Image(pixels, extent=extent), *more), space=space_of(side), size=(extent[2], extent[3]))


def source_title(trace: Trace, side: Side) -> str:
    name = names(trace, side)[0]
    letter = side.domain.upper()
    if side.frame and side is not trace.side:
        return tr("Your picture as one of {letter} ({name})", letter=letter, name=name)
    if side.frame:
        return tr("Your picture, one of {letter} ({name})", letter=letter, name=name)
    return tr("Built-in picture of {letter} ({name})", letter=letter, name=name)


def one_translation(result: Result, view: View) -> Layout:
    """Source and translation."""
    trace: Trace = result.trace
    side = trace.side
    assert side.fake is not None
    other = "B" if side.domain == "a" else "A"
    title = tr("Translated to {letter} ({name})", letter=other, name=names(trace, side)[1])
    if view.compare == SWIPE:
        return swipe_pane(trace, view, title)
    source = picture_pane(side, "source", source_title(trace, side), side.source)
    return Row((source, picture_pane(side, "fake", title, side.fake)))


def swipe_pane(trace: Trace, view: View, title: str) -> Pane:
    """The source left of the line, its translation right of it."""
    side = trace.side
    assert side.fake is not None
    _, _, width, height = extent_of(side)
    x, y = view.swipe or (width / 2, height / 2)
    x, y = min(max(x, 0.0), width), min(max(y, 0.0), height)
    column = round(x)
    marks: list[Mark] = []
    if column > 0:
        marks.append(Image(side.source[:, :column], extent=(0.0, 0.0, float(column), height), key="left"))
    marks += [
        Segments(np.array([[x, 0.0]]), np.array([[x, height]]), LINE, 2.0, key="line"),
        Handles("swipe", "point", (x, y), colour=LINE, bounds=(0.0, 0.0, width, height), key="swipe"),
    ]
    words = tr("Left of the line your picture · right: {translation}", translation=title)
    return picture_pane(side, "swipe", words, side.fake, tuple(marks))


def both_directions(result: Result, view: View) -> Layout:
    """A row for each picture: source, translation, back, identity."""
    trace: Trace = result.trace
    return _rows(tuple(Row(side_panes(trace, side, number)) for number, side in enumerate(trace.sides)))


def side_panes(trace: Trace, side: Side, number: int) -> tuple[Pane, ...]:
    there, home = ("G", "F") if side.domain == "a" else ("F", "G")
    letter, name = ("a", names(trace, side)[1]) if side.domain == "a" else ("b", names(trace, side)[1])
    panes = [picture_pane(side, f"source {number}", source_title(trace, side), side.source)]
    for key, title, pixels in (
        ("fake", f"{there}({letter}): " + tr("translated to {name}", name=name), side.fake),
        ("cycled", f"{home}({there}({letter})): " + tr("translated back"), side.cycled),
        ("same", f"{home}({letter}): " + tr("identity, should stay"), side.same),
    ):
        if pixels is not None:
            panes.append(picture_pane(side, f"{key} {number}", title, pixels))
    return tuple(panes)


def named_pictures(side: Side) -> Iterator[tuple[str, Pixels]]:
    """What there is of a side, each with its formula."""
    there, home = ("G", "F") if side.domain == "a" else ("F", "G")
    letter = side.domain
    for name, pixels in (
        (letter, side.source),
        (f"{there}({letter})", side.fake),
        (f"{home}({there}({letter}))", side.cycled),
        (f"{home}({letter})", side.same),
    ):
        if pixels is not None:
            yield name, pixels


def errors(result: Result, view: View) -> Layout:
    """A row for each picture: itself, the error of the cycle, that of the identity."""
    trace: Trace = result.trace
    known = [m for side in trace.sides for m in (side.cycle_error, side.identity_error) if m is not None]
    if not known:
        return one_translation(result, View())
    # The few largest would leave all others dark.
    high = max(float(np.quantile(m, 0.995)) for m in known)
    return _rows(
        tuple(
            Row(error_panes(trace, side, number, high if view.one_range else None))
            for number, side in enumerate(trace.sides)
        )
    )


def error_panes(trace: Trace, side: Side, number: int, high: float | None) -> tuple[Pane, ...]:
    letter = side.domain
    there, home = ("G", "F") if letter == "a" else ("F", "G")
    panes = [picture_pane(side, f"source {number}", source_title(trace, side), side.source)]
    for key, title, values in (
        ("cycle", tr("Cycle error |{formula}|", formula=f"{home}({there}({letter})) − {letter}"), side.cycle_error),
        ("identity", tr("Identity error |{formula}|", formula=f"{home}({letter}) − {letter}"), side.identity_error),
    ):
        if values is not None:
            panes.append(error_pane(side, f"{key} {number}", title, values, high))
    return tuple(panes)


def error_pane(side: Side, key: str, title: str, values: Array, high: float | None) -> Pane:
    extent = extent_of(side)
    high = float(np.quantile(values, 0.995)) if high is None else high
    heat = Heatmap(
        values,
        label=tr("error, scale −1 to 1"),
        low=0.0,
        high=max(high, 1e-3),
        colormap="magma",
        extent=extent,
        smooth=True,
        key="error",
    )
    words = f"{title}, " + tr("mean {mean:.3f}", mean=float(values.mean()))
    return Pane(key, words, (heat,), space=space_of(side), size=(extent[2], extent[3]))


def _rows(rows: tuple[Row, ...]) -> Layout:
    return rows[0] if len(rows) == 1 else Column(rows)
