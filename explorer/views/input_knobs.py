"""The controls of a network's input, the same in every panel that has one."""

from typing import Any

from explorer.i18n import tr
from explorer.panel import knob

LEAST, MOST = 32, 1024
SHAPES = KEPT, SQUARE = ("keep proportions", "square")


def size_knob(help: str = "") -> Any:
    """A field of Params: the side in pixels of a square with as many pixels as the input."""
    return knob(224, LEAST, MOST, step=32, unit="px", label="Input size", help=help)


def shape_knob(help: str = "") -> Any:
    """A field of Params: one of :data:`SHAPES`."""
    return knob(KEPT, choices=SHAPES, label="Input shape", help=help)


SIZE_HELP = "The picture is resized to about as many pixels as a square of this side has; all of it is seen."
SHAPE_HELP = "A square input gives maps of the sizes printed in papers, but presses the picture together."


def check_size(size: int) -> None:
    """Raises ValueError, with a sentence for the screen, for a size out of range."""
    if not LEAST <= size <= MOST:
        raise ValueError(tr("The input size is 32 to 1024 pixels."))
