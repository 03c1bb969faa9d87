"""The views of the networks at work: translations and their errors, what the discriminators say, and the losses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np

from cvcore.losses.cyclegan import Terms
from explorer.figure import (
    At,
    Axis,
    Boxes,
    Column,
    Curve,
    Handles,
    Heatmap,
    Image,
    Layout,
    Mark,
    Pane,
    Points,
    Row,
    Segments,
    Spot,
    Table,
    TableColumn,
    Text,
)
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.cyclegan.compute import Array, Judged, Origin, Pixels, Side, Trace
from explorer.panels.cyclegan.controls import JUDGE_A, SHOWS, SWIPE, Params, View
from explorer.panels.cyclegan.training import ablation_view, tell_run, training_view
from explorer.panels.cyclegan.words import domain_names, letter_of
from explorer.views.strips import strips_pane

Shown = Result[Trace, Params]
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


def picture_pane(side: Side, key: str, title: str, *marks: Mark, swipe: bool = False) -> Pane:
    """Something made of a side's picture, in the coordinates of the picture."""
    size, places = extent_of(side)[2:], InPicture(side, swipe)
    return Pane(key, title, marks, space=space_of(side), size=size, places=places)


def image_of(side: Side, pixels: Pixels | None) -> tuple[Image, ...]:
    return () if pixels is None else (Image(pixels, extent=extent_of(side)),)


def source_title(trace: Trace, side: Side) -> str:
    name = names(trace, side)[0]
    letter = side.domain.upper()
    if side.frame and side is not trace.side:
        return tr("Your picture as one of {letter} ({name})", letter=letter, name=name)
    if side.frame:
        return tr("Your picture, one of {letter} ({name})", letter=letter, name=name)
    return tr("Built-in picture of {letter} ({name})", letter=letter, name=name)


def one_translation(result: Shown, view: View) -> Layout:
    """Source and translation."""
    trace = result.trace
    side = trace.side
    other = "B" if side.domain == "a" else "A"
    title = tr("Translated to {letter} ({name})", letter=other, name=names(trace, side)[1])
    if view.compare == SWIPE:
        return swipe_pane(trace, view, title)
    source = picture_pane(side, "source", source_title(trace, side), *image_of(side, side.source))
    return Row((source, picture_pane(side, "fake", title, *image_of(side, side.fake))))


def swipe_pane(trace: Trace, view: View, title: str) -> Pane:
    """The source left of the line, its translation right of it."""
    side = trace.side
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
    return picture_pane(side, "swipe", words, *image_of(side, side.fake), *marks, swipe=True)


def both_directions(result: Shown, view: View) -> Layout:
    """A row for each picture: source, translation, back, identity."""
    trace = result.trace
    return _rows(tuple(Row(side_panes(trace, side, number)) for number, side in enumerate(trace.sides)))


def side_panes(trace: Trace, side: Side, number: int) -> tuple[Pane, ...]:
    there, home = ("G", "F") if side.domain == "a" else ("F", "G")
    letter, name = ("a", names(trace, side)[1]) if side.domain == "a" else ("b", names(trace, side)[1])
    panes = [picture_pane(side, f"source {number}", source_title(trace, side), *image_of(side, side.source))]
    for key, title, pixels in (
        ("fake", f"{there}({letter}): " + tr("translated to {name}", name=name), side.fake),
        ("cycled", f"{home}({there}({letter})): " + tr("translated back"), side.cycled),
        ("same", f"{home}({letter}): " + tr("identity, should stay"), side.same),
    ):
        if pixels is not None:
            panes.append(picture_pane(side, f"{key} {number}", title, *image_of(side, pixels)))
    return tuple(panes)


def errors(result: Shown, view: View) -> Layout:
    """A row for each picture: itself, the error of the cycle, that of the identity."""
    trace = result.trace
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
    panes = [picture_pane(side, f"source {number}", source_title(trace, side), *image_of(side, side.source))]
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
    return picture_pane(side, key, words, heat)


def _rows(rows: tuple[Row, ...]) -> Layout:
    return rows[0] if len(rows) == 1 else Column(rows)


# -- discriminators

BINS = 40
CELL, FIELD = 1, 3
"""Colours."""
KINDS = ("real", "fake", "pooled")
THRESHOLD = 0.5


def pane_key(one: Judged) -> str:
    return f"judge {one.kind}"


def kind_name(trace: Trace, kind: Origin) -> str:
    """What was judged, in words."""
    a, b = domain_names(trace.params.network)
    match kind:
        case "real":
            return tr("real: {name}", name=a if trace.params.judge == JUDGE_A else b)
        case "fake":
            return tr("fake: translated just now")
        case "pooled":
            pool = trace.pools[0 if trace.params.judge == JUDGE_A else 1]
            return tr("from the pool: an earlier one") if pool.older else tr("from the pool: the newest itself")
        case _:
            assert_never(kind)


def judges_view(result: Shown, view: View) -> Layout:
    """The pictures with their scores above; how the scores are spread, and the table, below."""
    trace = result.trace
    if not trace.judged:
        return Pane("judges", tr("Discriminators"), (Text(tr("This network comes without discriminators.")),))
    pictures = Row(tuple(judged_pane(trace, view, one) for one in trace.judged))
    return Column((pictures, Row((spread_pane(trace), table_pane(trace)), weights=(1.0, 1.1))), weights=(1.6, 1.0))


def farthest(some: Sequence[Judged]) -> float:
    """From ½, where a score decides nothing, to the score that decides most."""
    return max(float(np.abs(one.scores - THRESHOLD).max()) for one in some)


def judged_pane(trace: Trace, view: View, one: Judged) -> Pane:
    height, width = one.picture.shape[:2]
    cells = one.cells
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
    marks: list[Mark] = [Image(one.grey), heat]
    if view.place is not None:
        marks += patch_marks(one, *cells.at(view.place[0] * width, view.place[1] * height))
    title = f"{kind_name(trace, one.kind)} · " + tr("{share:.0f} % taken for real", share=100 * one.accepted)
    return Pane(
        pane_key(one), title, tuple(marks), space=one.kind, size=(float(width), float(height)), places=OnPatch(one)
    )


def patch_marks(one: Judged, row: int, column: int) -> tuple[Mark, ...]:
    """The cell of a score, and the patch of the picture it depends on, at its true size."""
    cells = one.cells
    width, height = one.field.size or (0, 0)  # convolutions alone see as much everywhere
    words = tr("patch of {width} × {height} px", width=width, height=height)
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


def kind_words(kind: Origin) -> str:
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


# -- losses

Line = tuple[str, str, float | None, float]
"""Name, formula, value, weight."""


def losses_view(result: Shown, view: View) -> Layout:
    """The pictures above, a table for each loss below."""
    trace, terms = result.trace, result.trace.terms
    shown = trace.shown_sides
    title = (
        tr("a: your picture, b: the built-in one")
        if shown[0].domain == "a"
        else tr("b: your picture, a: the built-in one")
    )
    if len(shown) == 1:
        title = tr("{letter}: your picture", letter=shown[0].domain)
    pictures = strips_pane("mosaic", title, [trace.strip], group=4)
    if terms is None:
        return pictures
    judges = Row((discriminator_pane(terms, "a"), discriminator_pane(terms, "b")))
    generators = Row((generator_pane(terms, "ba"), generator_pane(terms, "ab")))
    return Column((pictures, judges, generators), weights=(1.05, 0.75, 1.0))


def discriminator_pane(terms: Terms, domain: str) -> Pane:
    """Half of what real pictures and translations give."""
    letter = domain.upper()
    fake = "F(b)" if domain == "a" else "G(a)"
    real, made = (terms.real_a, terms.fake_a) if domain == "a" else (terms.real_b, terms.fake_b)
    lines: tuple[Line, ...] = (
        (tr("real pictures are to score 1"), f"(D_{letter}({domain}) − 1)²", real, 0.5),
        (tr("translations are to score 0"), f"D_{letter}({fake})²", made, 0.5),
    )
    title = tr("Loss of discriminator {letter}", letter=letter)
    return _pane(f"discriminator {domain}", title, lines, terms.discriminator(domain))


def generator_pane(terms: Terms, way: str) -> Pane:
    """Adversarial, both cycles, identity."""
    first, last = way[0].upper(), way[1].upper()
    own, judged, kept = ("G", "D_B(G(a))", "b") if way == "ab" else ("F", "D_A(F(b))", "a")
    adversarial = terms.adversarial_ab if way == "ab" else terms.adversarial_ba
    identity = terms.identity_b if way == "ab" else terms.identity_a
    lines: tuple[Line, ...] = (
        (tr("adversarial: to be taken for real"), f"({judged} − 1)²", adversarial, 1.0),
        (tr("cycle A → B → A"), "|F(G(a)) − a|", terms.cycle_a, terms.cycle_weight),
        (tr("cycle B → A → B"), "|G(F(b)) − b|", terms.cycle_b, terms.cycle_weight),
        (
            tr("identity: {letter} stays {letter}", letter=last),
            f"|{own}({kept}) − {kept}|",
            identity,
            terms.identity_weight,
        ),
    )
    title = tr("Loss of generator {first}{last}: {name}", first=first, last=last, name=f"{own}: {first} → {last}")
    return _pane(f"generator {way}", title, lines, terms.generator(way))


def _pane(key: str, title: str, lines: tuple[Line, ...], total: float | None) -> Pane:
    columns = (
        TableColumn(tr("Term")),
        TableColumn(tr("Mean of")),
        TableColumn(tr("Value"), digits=4),
        TableColumn(tr("Weight")),
        TableColumn(tr("Weight × value"), digits=4),
    )
    rows = [
        (name, formula, "–" if value is None else value, f"{weight:g}", "–" if value is None else weight * value)
        for name, formula, value, weight in lines
    ]
    rows.append((tr("sum"), "", "", "", "–" if total is None else total))
    return Pane(key, title, (Table(columns, tuple(rows), selected=len(rows) - 1, key=key),))


# -- what places stand for


@dataclass(frozen=True, slots=True, eq=False)
class InPicture:
    """A place of a side's picture: it is one in everything that was made of it.

    Args:
        swipe: a click brings the swipe line there.
    """

    side: Side
    swipe: bool = False

    def at(self, spot: Spot) -> At | None:
        _, _, width, height = extent_of(self.side)
        if not (0 <= spot.x < width and 0 <= spot.y < height):
            return None
        place = {"side": self.side, "point": (spot.x, spot.y)}
        return place | {"swipe": (spot.x, spot.y)} if self.swipe else place

    def lit(self, at: At) -> tuple[Mark, ...]:
        if at.get("side") is not self.side:
            return ()
        return (Points(np.array([at["point"]]), colours=1, size=11.0, symbol="cross", key="probe"),)


@dataclass(frozen=True, slots=True, eq=False)
class OnPatch:
    """The patch whose score is drawn at a place; in the other pictures the one at the same part of width and height."""

    one: Judged

    def at(self, spot: Spot) -> At | None:
        height, width = self.one.picture.shape[:2]
        if not (0 <= spot.x < width and 0 <= spot.y < height):
            return None
        x, y = spot.x / width, spot.y / height
        return {"judged": self.one, "part": (x, y), "place": (round(x, 4), round(y, 4))}

    def lit(self, at: At) -> tuple[Mark, ...]:
        return patch_marks(self.one, *cell_at(self.one, *at["part"])) if "part" in at else ()


def cell_at(one: Judged, x: float, y: float) -> tuple[int, int]:
    """Row and column of the score at a part of width and height."""
    height, width = one.picture.shape[:2]
    return one.cells.at(x * width, y * height)


def tell(result: Shown, view: View, at: At) -> str:
    """The colours of a place in every picture there is of it with its errors, a patch with its score, or the log at a step."""
    trace = result.trace
    if "side" in at:
        return tell_place(at["side"], *at["point"])
    if "judged" not in at:
        return tell_run(trace, at)
    one: Judged = at["judged"]
    row, column = cell_at(one, *at["part"])
    box = one.field.box(row, column)
    return " · ".join(
        (
            tr("patch ({column}, {row})", column=column, row=row),
            f"{kind_name(trace, one.kind)}: {one.scores[row, column]:.3f}",
            tr("taken for real") if one.scores[row, column] > THRESHOLD else tr("taken for a fake"),
            tr(
                "sees {width} × {height} px inside the picture",
                width=int(box[2] - box[0]),
                height=int(box[3] - box[1]),
            ),
        )
    )


def tell_place(side: Side, x: float, y: float) -> str:
    _, _, width, height = extent_of(side)
    said = [f"({int(x)}, {int(y)})"]

    def there(values: Any) -> Any:
        return values[int(y / height * values.shape[0]), int(x / width * values.shape[1])]

    pictures = (
        (tr("source"), side.source),
        (tr("translation"), side.fake),
        (tr("back"), side.cycled),
        (tr("identity"), side.same),
    )
    for name, pixels in pictures:
        if pixels is not None:
            said.append(f"{name} ({', '.join(str(int(v)) for v in there(pixels))})")
    for name, values in ((tr("cycle error"), side.cycle_error), (tr("identity error"), side.identity_error)):
        if values is not None:
            said.append(f"{name} {there(values):.3f}")
    return " · ".join(said)


VIEWS = dict(
    zip(
        SHOWS,
        (one_translation, both_directions, errors, judges_view, losses_view, training_view, ablation_view),
        strict=True,
    )
)
