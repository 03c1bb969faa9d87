"""From trace to figure: the view that is asked for, with notes on what is switched."""

from collections.abc import Iterator

from explorer.figure import Figure, Layout, Note
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.cbam.ablation import ablation_view
from explorer.panels.cbam.controls import ABLATION, BLOCK, HERE, STEPS, VARIANTS, Params, View
from explorer.panels.cbam.detail import detail
from explorer.panels.cbam.overview import overview
from explorer.panels.cbam.trace import Trace
from explorer.panels.cbam.walk import chain, walk
from explorer.panels.cbam.ways import ways
from explorer.panels.cbam.words import values


def draw(result: Result, view: View) -> Figure:
    """All blocks, one in detail or step by step, the paper's variants, or the ablation."""
    params: Params = result.task.params
    layout: Layout
    if params.show == BLOCK:
        layout = detail(result, view)
    elif params.show == STEPS:
        layout = walk(result, view)
    elif params.show == VARIANTS:
        layout = ways(result, view)
    elif params.show == ABLATION:
        layout = ablation_view()
    else:
        layout = overview(result, view)
    return Figure(layout, values=values(result, view), notes=tuple(notes(result, view)))


def notes(result: Result, view: View) -> Iterator[Note]:
    """What is switched, where the numbers come from, and what the picture went through."""
    trace: Trace = result.trace
    params: Params = result.task.params
    if params.show == ABLATION:
        return
    if trace.block.name != params.block:
        yield Note(
            tr("This network has no block {wanted}; {block} is shown.", wanted=params.block, block=trace.block.name)
        )
    if trace.switched and params.show != VARIANTS:
        yield Note(tr("Switched: {what}.", what=switched_words(trace, params)), "warning")
    if params.show == STEPS:
        yield Note(chain(trace, view))
    if params.show == VARIANTS:
        yield Note(
            tr(
                "Only the chosen block is changed, and the network was not trained that way: this shows what the block would compute, "
                "not how good such a network would be. For that, look at the last column: networks "
                "that were trained so, in the paper (ResNet-50, ImageNet)."
            )
        )
    if trace.fit.pressed:
        width, height = trace.fit.input
        yield Note(
            tr(
                "The picture’s proportions are changed: the network gets {width} × {height} px.",
                width=width,
                height=height,
            )
        )


def switched_words(trace: Trace, params: Params) -> str:
    """What is done, and where."""
    said = []
    where = trace.block.name if params.where == HERE else tr("all blocks")
    for name, gate in (
        (tr("channel attention"), params.channel_attention),
        (tr("spatial attention"), params.spatial_attention),
    ):
        if gate == "off":
            said.append(tr("{name} off in {where}", name=name, where=where))
        elif gate == "mean":
            said.append(tr("{name} is its mean in {where}", name=name, where=where))
    if params.gain != 1:
        said.append(
            tr(
                "channel {channel} of {block} × {gain:g}",
                channel=trace.channel,
                block=trace.block.name,
                gain=params.gain,
            )
        )
    return ", ".join(said)
