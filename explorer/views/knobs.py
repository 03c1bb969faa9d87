"""Controls that many panels have, the same in each: the view, the step, a network, its input, a class, an item of a dimension."""

from collections.abc import Callable, Sequence
from typing import Any

from explorer.i18n import language
from explorer.panel import Result, knob
from explorer.views import networks
from explorer.views.classes import MOST_LIKELY, sorted_classes

LEAST, MOST = 32, 1024
SHAPES = KEPT, SQUARE = ("keep proportions", "square")
SIZE_HELP = "The picture is resized to about as many pixels as a square of this side has; all of it is seen."
SHAPE_HELP = "A square input gives maps of the sizes printed in papers, but presses the picture together."
When = Callable[[Any], bool] | None


def views_knob(views: Sequence[str], **more: Any) -> Any:
    """A field of Params named ``show``: which of the panel's VIEWS is drawn; the first to begin with."""
    return knob(views[0], choices=tuple(views), label="Show", first=True, **more)


def step_knob(help: str = "", *, label: str = "Step", default: int = 0, when: When = None, **more: Any) -> Any:
    """A field of View: the step of a walk, with a button that plays them; up to the trace's ``sizes["step"]``."""
    return knob(default, 0, last_of("step"), label=label, help=help, play=True, when=when, **more)


def dim_knob(
    dimension: str, *, default: int = 0, label: str = "", help: str = "", when: When = None, **more: Any
) -> Any:
    """A field: the number of an item of a dimension, up to the trace's ``sizes[dimension]``; panes set it by a click."""
    return knob(default, 0, last_of(dimension), label=label, help=help, when=when, **more)


def last_of(dimension: str) -> Callable[[Result], float]:
    """The last number of a dimension: the trace has a mapping ``sizes``."""
    return lambda result: max(0, result.trace.sizes[dimension] - 1)


def network_knob(
    default: str,
    wanted: Callable[[str], bool] = lambda name: True,
    *,
    label: str = "Network",
    help: str = "",
    when: When = None,
) -> Any:
    """A field of Params: one of the networks whose weights are there.

    Args:
        wanted: whether a panel can use the network of a name; see :mod:`explorer.views.networks`.
    """

    def choices(result: Result) -> tuple[str, ...]:
        return tuple(name for name in networks.names() if wanted(name))

    return knob(default, kind="choice", choices=choices, label=label, help=help, when=when)


def class_knob(network: str = "network", *, label: str = "Class", help: str = "", when: When = None) -> Any:
    """A field of Params: a class by its name, or :data:`MOST_LIKELY`.

    Args:
        network: the field of Params that names the network whose classes they are.
    """

    def choices(result: Result) -> tuple[str, ...]:
        return sorted_classes(getattr(result.params, network), language())

    return knob(MOST_LIKELY, kind="choice", choices=choices, label=label, help=help, when=when)


def size_knob(help: str = SIZE_HELP, *, default: int = 224, when: When = None) -> Any:
    """A field of Params: the side in pixels of a square with as many pixels as the input."""
    return knob(default, LEAST, MOST, step=32, unit="px", label="Input size", help=help, when=when)


def shape_knob(help: str = SHAPE_HELP, *, when: When = None) -> Any:
    """A field of Params: one of :data:`SHAPES`."""
    return knob(KEPT, choices=SHAPES, label="Input shape", help=help, when=when)


def place_knob(help: str = "") -> Any:
    """A field of View: a place that was clicked, in parts of the picture's width and height; maps over the picture set it."""
    return knob(None, kind="hidden", help=help)


def opacity_knob(label: str = "Opacity of the maps on the picture", *, default: float = 0.65, when: When = None) -> Any:
    """A field of View."""
    return knob(default, 0.0, 1.0, label=label, when=when)
