"""What of a trace is shown, as the View chooses."""

import numpy as np
from numpy.typing import NDArray

from explorer.i18n import language
from explorer.panel import Result
from explorer.panels.cbam.block import Array, Block
from explorer.panels.cbam.controls import BY_WEIGHT, View
from explorer.panels.cbam.trace import Trace
from explorer.views import networks

TOP = 5
"""Classes listed."""


def class_names(result: Result) -> tuple[str, ...]:
    return networks.card(result.task.params.network).label_names(language())


def top_classes(probabilities: Array, unchanged: Array | None = None) -> NDArray[np.intp]:
    """The likeliest classes, best first; with the best of the unchanged prediction, wherever it is now."""
    best = np.argsort(-probabilities, kind="stable")[:TOP]
    if unchanged is not None and (first := int(unchanged.argmax())) not in best:
        best = np.append(best, first)
    return best


def channel_order(block: Block, view: View) -> NDArray[np.intp]:
    """Channel numbers of the bars, first to last."""
    if view.order == BY_WEIGHT and block.channels is not None:
        return np.argsort(-block.channels.weight, kind="stable")
    return np.arange(block.shape[0])


def shown_tiles(trace: Trace, view: View) -> NDArray[np.intp]:
    """Channel numbers of the tiles: the chosen one, then the strongest."""
    assert trace.features is not None
    strongest = trace.features.strongest
    return np.concatenate(([trace.channel], strongest[strongest != trace.channel]))[: view.tiles]


def cell_of(result: Result, view: View) -> tuple[int, int]:
    """Row and column in the chosen block's map: of the place that was clicked, or the middle."""
    trace: Trace = result.trace
    width, height = result.frame.size
    x, y = view.place or (0.5, 0.5)
    return trace.block.cells.at(x * width, y * height)


def shape_words(block: Block) -> str:
    """``96 × 14 × 14``: channels, rows, columns."""
    return " × ".join(str(side) for side in block.shape)


def signed(value: float, digits: int = 4) -> str:
    """A number as formulas have it, with a true minus sign."""
    return f"{value:.{digits}g}".replace("-", "−")
