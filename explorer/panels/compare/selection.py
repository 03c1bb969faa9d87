"""What of a trace is shown, as the View chooses."""

import numpy as np
from numpy.typing import NDArray

from explorer.i18n import language
from explorer.panel import Result
from explorer.panels.compare.controls import Params, View
from explorer.panels.compare.trace import Trace
from explorer.views import networks

TOP = 5
"""Classes listed of each network."""
TILES = 48


def shown_channel(trace: Trace, view: View) -> int:
    return min(view.channel, len(trace.first) - 1, len(trace.second) - 1)


def shown_measure(trace: Trace, params: Params) -> str:
    """The one chosen; CKA where that cannot be told of any pair."""
    return params.measure if np.isfinite(trace.numbers[params.measure]).any() else "CKA"


def shown_tiles(trace: Trace, view: View) -> NDArray[np.intp]:
    """Channels whose differences are shown, in their order; none where the shapes differ."""
    if trace.channel_difference is None:
        return np.zeros(0, np.intp)
    count = min(TILES, len(trace.channel_difference))
    if view.order == "by difference":
        return np.argsort(-trace.channel_difference, kind="stable")[:count]
    first = min(max(0, shown_channel(trace, view) - count + 1), len(trace.channel_difference) - count)
    return np.arange(first, first + count)


def labels(result: Result) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Class names of both networks."""
    params = result.task.params
    first, second = (networks.card(name).label_names(language()) for name in (params.network, params.second))
    return first, second


def listed_classes(result: Result) -> list[tuple[str, float, float]]:
    """The most likely classes of both networks by name, with both probabilities; NaN where a network does not know the class."""
    trace: Trace = result.trace
    found: dict[str, tuple[float, float]] = {}
    both = [
        dict(zip(names, p, strict=False)) if p is not None else {}
        for names, p in zip(labels(result), trace.probabilities, strict=True)
    ]
    for known in both:
        for name in sorted(known, key=lambda n: -known[n])[:TOP]:
            found[name] = (float(both[0].get(name, np.nan)), float(both[1].get(name, np.nan)))
    return sorted(((n, a, b) for n, (a, b) in found.items()), key=lambda row: -np.nanmax(row[1:]))


def best(result: Result) -> list[tuple[str, float] | None]:
    """Each network's most likely class."""
    trace: Trace = result.trace
    return [
        (names[int(p.argmax())], float(p.max())) if p is not None and names else None
        for names, p in zip(labels(result), trace.probabilities, strict=True)
    ]
