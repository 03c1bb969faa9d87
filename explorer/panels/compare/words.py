"""What is to be said above the figure, and what fills the explanation."""

from collections.abc import Iterator

import numpy as np

from explorer.figure import Note
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.compare.controls import Params, View
from explorer.panels.compare.selection import best, shown_channel
from explorer.panels.compare.trace import APART, Trace
from explorer.views import networks


def notes(result: Result) -> Iterator[Note]:
    """Where they part, and what they say in the end."""
    trace: Trace = result.trace
    said = [parting(trace), verdict(result)]
    ways = {pair.how for pair in trace.pairs}
    if "shape" in ways:
        said.append(tr("Layers are paired by the order of their shapes, since most have no partner of the same name."))
    if "depth" in ways:
        said.append(tr("Layers are paired by their depth, since too few have the same shape; only CKA compares them."))
    yield Note(" ".join(one for one in said if one))
    if not all(np.isfinite(maps).all() for maps in (trace.first, trace.second)):
        yield Note(
            tr("Some activations of this layer are not finite: the number type is too narrow for them."), "warning"
        )


def parting(trace: Trace) -> str:
    """From which layer on the networks differ."""
    relative = trace.numbers["relative difference"]
    known = np.flatnonzero(np.isfinite(relative))
    if not len(known):
        return ""
    if not relative[known].any():
        return tr("All compared layers are exactly equal.")
    if trace.parting is None:
        worst = int(known[relative[known].argmax()])
        return tr(
            "The layers stay within {limit} of each other; the largest relative difference is {part} at {layer}.",
            limit=percent(APART),
            part=percent(float(relative[worst])),
            layer=trace.pairs[worst].first.name,
        )
    last = int(known[-1])
    return tr(
        "The networks part at {layer}, where the relative difference first exceeds {limit}; at the last layer it is {part}.",
        layer=trace.pairs[trace.parting].first.name,
        limit=percent(APART),
        part=percent(float(relative[last])),
    )


def verdict(result: Result) -> str:
    """Whether both see the same thing."""
    first, second = best(result)
    if first is None or second is None:
        return ""
    given = {"a": percent(first[1]), "b": percent(second[1])}
    if first[0] == second[0]:
        return tr("Both say {name}: A with {a}, B with {b}.", name=first[0], **given)
    return tr("A says {first} ({a}), B says {second} ({b}).", first=first[0], second=second[0], **given)


def values(result: Result, view: View) -> dict[str, object]:
    """For the explanation's {names}."""
    trace: Trace = result.trace
    params: Params = result.task.params
    i = trace.chosen
    numbers = {name: float(values[i]) for name, values in trace.numbers.items()}
    channel = shown_channel(trace, view)
    means = trace.channel_difference
    return {
        "first": networks.card(params.network).title,
        "second": networks.card(params.second).title,
        "state": tr(params.state),
        "other_state": tr(params.other_state),
        "layer": trace.pair.name,
        "shape": "×".join(str(side) for side in trace.pair.first.shape[1:]),
        "relative": percent(numbers["relative difference"]),
        "largest": number(numbers["largest difference"]),
        "mean": number(numbers["mean difference"]),
        "cosine": f"{numbers['cosine']:.5f}" if np.isfinite(numbers["cosine"]) else "–",
        "cka": f"{numbers['CKA']:.4f}" if np.isfinite(numbers["CKA"]) else "–",
        "channel": channel,
        "channel_mean": number(float(means[channel])) if means is not None else "–",
        "parting": parting(trace),
        "verdict": verdict(result),
    }


def percent(part: float) -> str:
    if np.isnan(part):
        return "–"
    if np.isinf(part):
        return "∞"
    if 0 < part < 1e-6:
        return "< 0.0001 %"
    return f"{100 * part:.3g} %"


def number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−") if np.isfinite(value) else "–"
