"""The explanation, and the numbers of the chosen block that fill it."""

import numpy as np

from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.cbam.ablation import ablation
from explorer.panels.cbam.controls import View
from explorer.panels.cbam.selection import cell_of, class_names, shape_words
from explorer.panels.cbam.trace import Trace
from explorer.views import networks


def values(result: Result, view: View) -> dict[str, object]:
    """What fills the explanation."""
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
