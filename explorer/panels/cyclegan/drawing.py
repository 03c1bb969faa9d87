"""From trace to figure: the view that is asked for, with notes on what cannot be shown."""

from collections.abc import Iterator

from explorer.figure import Figure, Layout, Note
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.cyclegan.controls import (
    ABLATION,
    B_TO_A,
    BOTH,
    BUILT_IN,
    COMPUTING,
    ERRORS,
    JUDGES,
    LOSSES,
    ONE,
    SHARED,
    TRAINING,
    Params,
    View,
)
from explorer.panels.cyclegan.judges import judges_view
from explorer.panels.cyclegan.losses import losses_view, missing
from explorer.panels.cyclegan.pictures import BUILT_IN as BUILT_IN_PICTURES
from explorer.panels.cyclegan.trace import Trace
from explorer.panels.cyclegan.training import ablation_view, training_view
from explorer.panels.cyclegan.translation import both_directions, errors, one_translation
from explorer.panels.cyclegan.words import values


def draw(result: Result, view: View) -> Figure:
    """One translation, both directions, errors, discriminators, losses, the training or the ablation."""
    params: Params = result.task.params
    views = {
        BOTH: both_directions,
        ERRORS: errors,
        JUDGES: judges_view,
        LOSSES: losses_view,
        TRAINING: training_view,
        ABLATION: ablation_view,
    }
    layout: Layout = views.get(params.show, one_translation)(result, view)
    return Figure(layout, values=values(result), notes=tuple(notes(result, view)))


def notes(result: Result, view: View) -> Iterator[Note]:
    """What is missing and why, and what the picture went through."""
    trace: Trace = result.trace
    params: Params = result.task.params
    if params.show == TRAINING and trace.runs:
        recipe = trace.runs[0].recipe
        yield Note(
            tr(
                "{steps} steps of {size} × {size} px; weights at the end: adversarial {adversarial:g}, cycle {cycle:g}, "
                "identity {identity:g}; pool of {pool} pictures. Press play, or click on a curve.",
                steps=recipe.get("steps", "–"),
                size=recipe.get("size", "–"),
                adversarial=recipe.get("adversarial_weight", 1),
                cycle=recipe.get("cycle_weight_end", recipe.get("cycle_weight", 0)),
                identity=recipe.get("identity_weight", 0),
                pool=recipe.get("pool", "–"),
            )
        )
    if params.show not in COMPUTING:
        return
    if trace.one_way:
        yield from one_way_notes(params)
    elif params.show != ONE and params.other == BUILT_IN and params.network not in BUILT_IN_PICTURES:
        yield Note(tr("There is no built-in picture of the other domain for this network: yours is taken for one."))
    if params.show == LOSSES:
        said = " ".join(missing(trace))
        if said:
            yield Note(said)
    if params.show == JUDGES and trace.judged:
        yield Note(pool_words(trace))
    side = trace.side
    if trace.tiles:
        width, height = side.fit.input
        words = tr("{count} tiles of {width} × {height} px in all.", count=trace.tiles, width=width, height=height)
        if params.statistics != SHARED:
            words += " " + tr(
                "Each tile is normalised by its own mean and variance: colour and contrast jump from tile to tile."
            )
        yield Note(words, "info" if params.statistics == SHARED else "warning")
    if side.fit.pressed:
        width, height = side.fit.input
        yield Note(
            tr(
                "The picture’s proportions are changed: the network gets {width} × {height} px.",
                width=width,
                height=height,
            )
        )


def one_way_notes(params: Params) -> Iterator[Note]:
    """What a network with one generator cannot show."""
    if params.show in (BOTH, ERRORS):
        yield Note(
            tr("This network has one generator: there is no way back, so no cycle, no identity and no errors to show.")
        )
    if params.show == JUDGES:
        yield Note(tr("The authors published the generator only; discriminators are not part of this network."))
    if params.direction == B_TO_A:
        yield Note(tr("This network translates in one direction only, from A to B."))


def pool_words(trace: Trace) -> str:
    params = trace.params
    pool = trace.pools[0 if params.judge.endswith("A") else 1]
    if not pool.size:
        return tr("The pool keeps nothing: the newest translation is judged.")
    return tr(
        "{count} of {size} earlier translations are in the pool. Once it is full, the discriminator gets the newest in half of the cases, "
        "else an old one, whose place the newest takes.",
        count=len(pool.images),
        size=pool.size,
    )
