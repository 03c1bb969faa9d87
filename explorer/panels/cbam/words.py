"""The explanation, and the numbers of the chosen block that fill it."""

import numpy as np

from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.cbam.ablation import ablation
from explorer.panels.cbam.controls import View
from explorer.panels.cbam.selection import cell_of, class_names, shape_words
from explorer.panels.cbam.trace import Trace
from explorer.views import networks

EXPLAIN = """
**A network that weighs what it sees.** {network} has {count} attention blocks (CBAM). Each gets a map F of features and multiplies it
twice with weights between 0 and 1. It adds no features: it turns some of them down. The chosen block, **{block}**, gets
{shape} (channels × rows × columns).

**Channel attention: what.** One weight for each channel, the same everywhere in the picture:

Mc(F) = σ( MLP(AvgPool(F)) + MLP(MaxPool(F)) )

Channel {channel} has a mean of {average:.3g} and a maximum of {maximum:.3g}. The shared MLP makes {from_average:.3g} and
{from_maximum:.3g} of the means and maxima of all channels; σ({logit:.3g}) = **{gate:.3f}**. The weights of all channels go from
{least:.2f} to {most:.2f}.

**Why mean and maximum?** The mean tells how much of a pattern there is in the whole picture, the maximum whether it is anywhere at all.
A small bird moves the mean of its channel little and the maximum a lot. In the paper both together do better than each alone.

**Reduction.** The MLP goes from {channels} numbers down to {hidden} and up again: {weights} weights. Without this narrow part there
would be 2 · {channels}² = {full}.

**Spatial attention: where.** One weight for each position, the same in all channels:

Ms(F′) = σ( f⁷ˣ⁷([max over the channels; mean over the channels]) )

At column {column}, row {row} the maximum is {map_maximum:.3g}, the mean {map_mean:.3g}; the learnt {kernel} × {kernel} convolution and its
batch norm make {map_logit:.3g} of the cells around, σ of it is **{map_gate:.3f}**. The weights go from {map_least:.2f} to {map_most:.2f}.

**Look at the numbers, not only at the colours.** Each map has its own colours unless you switch that off. A gate between 0.80 and 0.90
hardly chooses, however bright its map is.

**A dark place is not an unimportant one.** In the built-in network every weight began near 0.88, and in most blocks they stayed close to
it. The last block chooses most, and often it gives the thing itself *smaller* weights than its surroundings. Nobody told the network
where to look: it found what lowered its loss, and the layers that follow know what to expect.

**Off or mean?** *Off* weighs everything by 1: the map then is larger than the network was trained with, and the prediction suffers
from that alone. *Mean* weighs everything by the mean of the gate: the size stays, and only the choice is lost. The difference
between the two shows how much of the harm comes from the choice.

**Attention is not Grad-CAM.** Attention is a part of the network: what it weighs, whatever the class. Grad-CAM is a question asked
afterwards: which places raise the score of one class? They may look alike, and they need not.

**Does it help?** {ablation}

**Trained on** {training}. **Measured:** {score}. It knows these classes only: of anything else it says the
class that is least unlike. Where it is wrong or unsure, its attention proves nothing either: it shows what was weighed, not what is true.
"""


def values(result: Result, view: View) -> dict[str, object]:
    """What fills the names in EXPLAIN."""
    trace: Trace = result.trace
    card, block, channel = networks.card(result.task.params.network), trace.block, trace.channel
    row, column = cell_of(result, view)
    found: dict[str, object] = {
        "network": card.title,
        "count": len(trace.blocks),
        "block": block.name,
        "shape": shape_words(block),
        "channels": block.shape[0],
        "channel": channel,
        "row": row,
        "column": column,
        "training": card.training_data,
        "score": card.score,
        "ablation": ablation_words(),
        "class": class_names(result)[trace.cam.class_index] if trace.cam is not None else "–",
    }
    if block.channels is not None:
        numbers = block.channels
        hidden = len(next(iter(numbers.hidden.values())))
        pools = (("avg", "average", "from_average"), ("max", "maximum", "from_maximum"))
        for pool, name, branch in pools:
            if pool in numbers.pooled:
                found[name] = float(numbers.pooled[pool][channel])
                found[branch] = float(numbers.branches[pool][channel])
        found |= {
            "hidden": hidden,
            "weights": 2 * block.shape[0] * hidden,
            "full": 2 * block.shape[0] ** 2,
            "logit": float(numbers.logits[channel]),
            "gate": float(numbers.gate[channel]),
            "least": float(numbers.gate.min()),
            "most": float(numbers.gate.max()),
        }
    if block.positions is not None:
        maps = block.positions
        found |= {
            "map_maximum": float(maps.pooled[0, row, column]),
            "map_mean": float(maps.pooled[-1, row, column]),
            "map_logit": float(maps.logits[row, column]),
            "map_gate": float(maps.gate[row, column]),
            "map_least": float(maps.gate.min()),
            "map_most": float(maps.gate.max()),
            "kernel": trace.kernel,
        }
    return {name: float(v) if isinstance(v, np.floating) else v for name, v in found.items()}


def ablation_words() -> str:
    """What the four networks that were trained alike say, in a sentence or two."""
    found = ablation()
    plain, both = (None, None) if found is None else (found.run("none"), found.run("both"))
    if found is None or plain is None or both is None:
        return tr("That has to be measured with networks that are trained alike with and without it.")
    points = 100 * (both.top1 - plain.top1)
    said = tr(
        "Trained alike for {epochs} epochs, the network without attention has {plain:.1f} % of the top-1 answers right, with both "
        "attentions {both:.1f} % ({points} points; one standard error of a score is {error:.1f}).",
        epochs=found.epochs,
        plain=100 * plain.top1,
        both=100 * both.top1,
        points=f"+{points:.1f}" if points >= 0 else f"−{-points:.1f}",
        error=found.chance(),
    )
    more = tr("The view “trained without it” has the whole table.")
    return f"{said} {more}"
