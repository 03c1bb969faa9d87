"""What is said of both networks: above the figure, under the pointer and in the explanation."""

from collections.abc import Iterator

import numpy as np

from cvcore.layer_pairs import CKA, COSINE, LARGEST, MEAN, RELATIVE
from explorer import pointing
from explorer.figure import At, Note
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.compare.compute import APART, Params, Trace, View
from explorer.views import networks
from explorer.views.predictions import class_names
from explorer.views.said import num

TOP = 5
"""Classes listed of each network."""
Shown = Result[Trace, Params]


def shown_channel(trace: Trace, view: View) -> int:
    return min(view.channel, trace.sizes["channel"] - 1)


def shown_measure(trace: Trace, params: Params) -> str:
    """The one chosen; CKA where that cannot be told of any pair."""
    return params.measure if np.isfinite(trace.numbers[params.measure]).any() else CKA


def listed_classes(result: Shown) -> list[tuple[str, float, float]]:
    """The most likely classes of both networks by name, with both probabilities; NaN where a network does not know the class."""
    both: list[dict[str, float]] = []
    for name, side in zip(result.params.networks, (result.trace.first, result.trace.second), strict=True):
        known = () if side.probabilities is None else side.probabilities.tolist()
        both.append(dict(zip(class_names(name), known, strict=False)))
    names = dict.fromkeys(name for known in both for name in sorted(known, key=lambda n: -known[n])[:TOP])
    rows = [(name, both[0].get(name, np.nan), both[1].get(name, np.nan)) for name in names]
    return sorted(rows, key=lambda row: -np.nanmax(row[1:]))


def notes(result: Shown, view: View) -> Iterator[Note]:
    """Where they part, and what they say in the end."""
    trace = result.trace
    said = [parting(trace), verdict(result)]
    ways = {pair.how for pair in trace.pairs}
    if "shape" in ways:
        said.append(tr("Layers are paired by the order of their shapes, since most have no partner of the same name."))
    if "depth" in ways:
        said.append(tr("Layers are paired by their depth, since too few have the same shape; only CKA compares them."))
    yield Note(" ".join(one for one in said if one))
    if not all(np.isfinite(side.maps).all() for side in (trace.first, trace.second)):
        yield Note(
            tr("Some activations of this layer are not finite: the number type is too narrow for them."), "warning"
        )


def parting(trace: Trace) -> str:
    """From which layer on the networks differ."""
    relative = trace.numbers[RELATIVE]
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
    return tr(
        "The networks part at {layer}, where the relative difference first exceeds {limit}; at the last layer it is {part}.",
        layer=trace.pairs[trace.parting].first.name,
        limit=percent(APART),
        part=percent(float(relative[known[-1]])),
    )


def verdict(result: Shown) -> str:
    """Whether both see the same thing."""
    a, b = result.trace.first.probabilities, result.trace.second.probabilities
    if a is None or b is None:
        return ""
    first, second = (class_names(name)[int(p.argmax())] for name, p in zip(result.params.networks, (a, b), strict=True))
    given = {"a": percent(float(a.max())), "b": percent(float(b.max()))}
    if first == second:
        return tr("Both say {name}: A with {a}, B with {b}.", name=first, **given)
    return tr("A says {first} ({a}), B says {second} ({b}).", first=first, second=second, **given)


def tell(result: Shown, view: View, at: At) -> str:
    """A layer with its measures, or an activation in both networks."""
    trace = result.trace
    if "layer" in at:
        return layer_words(trace, next(i for i, pair in enumerate(trace.pairs) if pair.first.name == at["layer"]))
    channel = at.get("channel", shown_channel(trace, view))
    row, column = at.get("row", 0), at.get("column", 0)
    where = tr("channel {channel}", channel=channel)
    if "row" in at:
        where = tr("channel {channel}, cell ({column}, {row})", channel=channel, column=column, row=row)
    if trace.difference is None and trace.is_map:  # the cells of the two are not the same
        return pointing.name(at)
    a, b = (float(side.maps[channel, row, column]) for side in (trace.first, trace.second))
    return f"{where}: A {number(a)} · B {number(b)} · A − B {number(a - b)}"


def layer_words(trace: Trace, i: int) -> str:
    numbers = {name: float(values[i]) for name, values in trace.numbers.items()}
    said = [trace.pairs[i].name]
    if np.isfinite(numbers[RELATIVE]):
        said.append(f"{tr(RELATIVE)} {percent(numbers[RELATIVE])}")
        said.append(f"{tr(LARGEST)} {number(numbers[LARGEST])}")
        said.append(f"{tr(COSINE)} {numbers[COSINE]:.5f}")
    if np.isfinite(numbers[CKA]):
        said.append(f"CKA {numbers[CKA]:.4f}")
    return " · ".join(said)


def explain(result: Shown, view: View) -> dict[str, object]:
    """For the explanation's {names}."""
    trace, params = result.trace, result.params
    numbers = {name: float(values[trace.chosen]) for name, values in trace.numbers.items()}
    channel = shown_channel(trace, view)
    first, second = (networks.card(name).title for name in params.networks)
    return {
        "first": first,
        "second": second,
        "state": tr(params.state),
        "other_state": tr(params.other_state),
        "layer": trace.pair.name,
        "shape": sides(trace.pair.first.shape),
        "relative": percent(numbers[RELATIVE]),
        "largest": number(numbers[LARGEST]),
        "mean": number(numbers[MEAN]),
        "cosine": f"{numbers[COSINE]:.5f}" if np.isfinite(numbers[COSINE]) else "–",
        "cka": f"{numbers[CKA]:.4f}" if np.isfinite(numbers[CKA]) else "–",
        "channel": channel,
        "channel_mean": "–" if trace.difference is None else number(float(trace.channel_difference[channel])),
        "parting": parting(trace),
        "verdict": verdict(result),
    }


def percent(part: float) -> str:
    """A part of one with three figures: differences span many powers of ten."""
    if np.isnan(part):
        return "–"
    if np.isinf(part):
        return "∞"
    return "< 0.0001 %" if 0 < part < 1e-6 else f"{100 * part:.3g} %"


def sides(shape: tuple[int, ...]) -> str:
    """``96×14×14``, without the first: there is one picture."""
    return "×".join(str(side) for side in shape[1:])


def number(value: float) -> str:
    return num(value, 3) if np.isfinite(value) else "–"
