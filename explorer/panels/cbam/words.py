"""What is said: above the figure, under the pointer, in the explanation, and in the files that can be saved."""

import json
from collections.abc import Iterator
from math import sqrt
from typing import Any

from cvcore.nn.cbam import CBAMTrace
from cvcore.nn.cbam_network import Ablation, measured
from explorer import pointing
from explorer.figure import At, Note
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.cbam.compute import ABLATION, HERE, VARIANTS, Params, Trace, View
from explorer.views import networks
from explorer.views.predictions import CLASS, class_names
from explorer.views.said import num, percent, shape

ATTENTIONS = {
    "none": "no attention",
    "channel": "channel attention only",
    "spatial": "spatial attention only",
    "both": "both (CBAM)",
}


def notes(result: Result[Trace, Params], view: View) -> Iterator[Note]:
    """What is switched, where the numbers come from, and what the picture went through."""
    trace, params = result.trace, result.params
    if params.show == ABLATION:
        return
    if trace.name != params.block:
        yield Note(tr("This network has no block {wanted}; {block} is shown.", wanted=params.block, block=trace.name))
    if trace.switched and params.show != VARIANTS:
        yield Note(tr("Switched: {what}.", what=switched(trace, params)), "warning")
    if params.show == VARIANTS:
        yield Note(
            tr(
                "Only the chosen block is changed, and the network was not trained that way: this shows what the block would compute, "
                "not how good such a network would be. For that, look at the last column: networks "
                "that were trained so, in the paper (ResNet-50, ImageNet)."
            )
        )
    yield from trace.fit.notes()


def switched(trace: Trace, params: Params) -> str:
    """What is done, and where."""
    said = []
    where = trace.name if params.where == HERE else tr("all blocks")
    for name, gate in (
        (tr("channel attention"), params.channel_attention),
        (tr("spatial attention"), params.spatial_attention),
    ):
        if gate == "off":
            said.append(tr("{name} off in {where}", name=name, where=where))
        elif gate == "mean":
            said.append(tr("{name} is its mean in {where}", name=name, where=where))
    if params.gain != 1:
        words = tr("channel {channel} of {block} × {gain:g}", channel=trace.channel, block=trace.name, gain=params.gain)
        said.append(words)
    return ", ".join(said)


def tell(result: Result[Trace, Params], view: View, at: At) -> str:
    """A channel or a cell with all that its attention worked out."""
    trace = result.trace
    said = [at["block"]] if "block" in at else []
    block = trace.blocks[at.get("block", trace.name)]
    if "channel" in at:
        said += channel_words(block, at["channel"])
    if "row" in at:
        said += cell_words(block, at["row"], at["column"])
    if CLASS in at and trace.probabilities is not None:
        number = class_names(result.params.network).index(at[CLASS])
        said.append(f"{at[CLASS]} {percent(float(trace.probabilities[number]))}")
    if not said:
        return tr("the picture") if "xy" in at else pointing.name(at)
    return " · ".join(said)


def channel_words(block: CBAMTrace, c: int) -> list[str]:
    said, made = [tr("channel {channel}", channel=c)], block.channel
    if made is None:
        return said
    names = {"avg": tr("mean"), "max": tr("maximum")}
    said += [f"{names[pool]} {num(p[0, c])} → MLP {num(made.branches[pool][0, c])}" for pool, p in made.pooled.items()]
    said.append(tr("sum {value}", value=num(made.logits[0, c])))
    return said + gate_words(float(made.gate[0, c]), float(made.weight[0, c]))


def cell_words(block: CBAMTrace, row: int, column: int) -> list[str]:
    said, made = [tr("cell ({column}, {row})", column=column, row=row)], block.spatial
    if made is None:
        return said
    pooled = made.pooled[0, :, row, column]
    names = (tr("maximum"), tr("mean")) if len(pooled) == 2 else (tr("pooled"),)
    said += [f"{name} {num(value)}" for name, value in zip(names, pooled, strict=True)]
    said.append(tr("convolution {value}", value=num(made.convolved[0, 0, row, column])))
    return said + gate_words(float(made.gate[0, 0, row, column]), float(made.weight[0, 0, row, column]))


def gate_words(gate: float, weight: float) -> list[str]:
    """The gate, and the weight where it is another."""
    said = [tr("gate {value}", value=num(gate))]
    return said if abs(weight - gate) <= 1e-6 else [*said, tr("weight {value}", value=num(weight))]


def explain(result: Result[Trace, Params], view: View) -> dict[str, object]:
    """What fills the explanation."""
    trace, card = result.trace, networks.card(result.params.network)
    block, c = trace.block, trace.channel
    width, height = result.frame.size
    x, y = view.place or (0.5, 0.5)
    row, column = trace.cells[trace.name].at(x * width, y * height)
    count = block.x.shape[1]
    found: dict[str, object] = {
        "network": card.title,
        "count": len(trace.blocks),
        "block": trace.name,
        "shape": shape(*block.x.shape[1:]),
        "channels": count,
        "channel": c,
        "row": row,
        "column": column,
        "training": card.training_data,
        "score": card.score,
        "ablation": ablation_words(),
        "class": class_names(result.params.network)[trace.cam.class_index] if trace.cam is not None else "–",
    }
    if (channel := block.channel) is not None:
        names = {"avg": "average", "max": "maximum"}
        for pool, pooled in channel.pooled.items():
            found |= {names[pool]: float(pooled[0, c]), f"from_{names[pool]}": float(channel.branches[pool][0, c])}
        hidden = next(iter(channel.hidden.values())).shape[1]
        found |= {"hidden": hidden, "weights": 2 * count * hidden, "full": 2 * count**2}
        found |= {"logit": float(channel.logits[0, c]), "gate": float(channel.gate[0, c])}
        found |= {"least": float(channel.gate.min()), "most": float(channel.gate.max())}
    if (spatial := block.spatial) is not None:
        here = spatial.pooled[0, :, row, column]
        found |= {"map_maximum": float(here[0]), "map_mean": float(here[-1]), "kernel": trace.kernel}
        found |= {
            "map_logit": float(spatial.logits[0, 0, row, column]),
            "map_gate": float(spatial.gate[0, 0, row, column]),
        }
        found |= {"map_least": float(spatial.gate.min()), "map_most": float(spatial.gate.max())}
    return found


def ablation_words() -> str:
    """What the four networks that were trained alike say, in a sentence or two."""
    found = measured()
    plain, both = (None, None) if found is None else (found.run("none"), found.run("both"))
    if found is None or plain is None or both is None:
        return tr("That has to be measured with networks that are trained alike with and without it.")
    said = tr(
        "Trained alike for {epochs} epochs, the network without attention has {plain:.1f} % of the top-1 answers right, with both "
        "attentions {both:.1f} % ({points} points; one standard error of a score is {error:.1f}).",
        epochs=found.epochs,
        plain=100 * plain.top1,
        both=100 * both.top1,
        points=points(both.top1 - plain.top1),
        error=100 * found.standard_error(),
    )
    return f"{said} {tr('The view “trained without it” has the whole table.')}"


def points(part: float) -> str:
    """A part of one as percentage points with their sign."""
    return f"{100 * part:+.1f}".replace("-", "−")


def conclusion(found: Ablation) -> str:
    """The differences to the network without attention, and how large one has to be to mean something."""
    error = found.standard_error()
    said = [
        tr(
            "All four began with the same ImageNet weights and were trained for {epochs} epochs at {size} px, with the same pictures in "
            "the same order; they are judged on {pictures} pictures that no one trained or chose with.",
            epochs=found.epochs,
            size=found.size,
            pictures=found.pictures,
        )
    ]
    plain = found.run("none")
    for run in found.runs:
        if plain is None or run is plain:
            continue
        more = run.top1 - plain.top1
        sure = tr("more than two standard errors") if abs(more) > 2 * sqrt(2) * error else tr("this may be chance")
        name = tr(ATTENTIONS.get(run.attention, run.attention)).capitalize()
        words = "{name}: {points} points of top-1 against no attention ({sure})."
        said.append(tr(words, name=name, points=points(more), sure=sure))
    said.append(
        tr(
            "With {pictures} pictures, the standard error of one score is {error:.1f} points. The paper finds larger gains, with networks "
            "that were trained with attention from the start, on all of ImageNet.",
            pictures=found.pictures,
            error=100 * error,
        )
    )
    return "\n\n".join(said)


def files(result: Result[Trace, Params], view: View) -> dict[str, bytes]:
    """``classes.json``: the probabilities; ``attention.json``: every block's weights."""
    trace, params = result.trace, result.params
    made: dict[str, Any] = {}
    if trace.probabilities is not None:
        card = networks.card(params.network)
        columns = {"probability": trace.probabilities}
        if trace.unchanged is not None:
            columns["unchanged"] = trace.unchanged
        made["classes.json"] = [
            {"en": en, "zh_CN": zh, **{name: float(values[i]) for name, values in columns.items()}}
            for i, (en, zh) in enumerate(zip(card.label_names("en"), card.label_names("zh_CN"), strict=True))
        ]
    made["attention.json"] = {
        "network": params.network,
        "input": list(trace.fit.input),
        "switched": {
            "channel": params.channel_attention,
            "spatial": params.spatial_attention,
            "where": params.where,
            "block": trace.name,
            "channel_number": trace.channel,
            "gain": params.gain,
        },
        "blocks": [
            {
                "name": name,
                "shape": list(block.x.shape[1:]),
                "channel_gate": None if block.channel is None else block.channel.gate[0].tolist(),
                "channel_weight": None if block.channel is None else block.channel.weight[0].tolist(),
                "spatial_gate": None if block.spatial is None else block.spatial.gate[0, 0].tolist(),
                "spatial_weight": None if block.spatial is None else block.spatial.weight[0, 0].tolist(),
            }
            for name, block in trace.blocks.items()
        ],
    }
    return {name: (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode() for name, content in made.items()}
