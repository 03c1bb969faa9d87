"""What of a trace is shown, as the View chooses."""

import numpy as np
from numpy.typing import NDArray

from explorer.i18n import language
from explorer.panel import Result
from explorer.panels.layers.controls import View
from explorer.panels.layers.trace import Trace, card

TOP = 5
"""Classes listed."""


def shown_channel(trace: Trace, view: View) -> int:
    return min(view.channel, len(trace.maps) - 1)


def shown_tiles(trace: Trace, view: View) -> NDArray[np.intp]:
    """Channel numbers of the tiles, in their order."""
    count = min(view.tiles, len(trace.maps))
    if view.order == "by activation":
        strength = trace.statistics.strength if is_map(trace) else trace.maps[:, 0, 0]
        return np.argsort(-strength, kind="stable")[:count]
    # The chosen channel is always among them.
    first = min(max(0, shown_channel(trace, view) - count + 1), len(trace.maps) - count)
    return np.arange(first, first + count)


def is_map(trace: Trace) -> bool:
    return trace.maps.shape[1] * trace.maps.shape[2] > 1


def class_names(result: Result) -> tuple[str, ...]:
    return card(result.task.params.network).label_names(language())


def top_classes(trace: Trace) -> NDArray[np.intp]:
    assert trace.probabilities is not None
    return np.argsort(-trace.probabilities, kind="stable")[:TOP]
