"""What can be set in the panel."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer.i18n import language, tr
from explorer.panel import Result, knob
from explorer.views import networks
from explorer.views.classes import MOST_LIKELY, sorted_classes
from explorer.views.knobs import SHAPE_HELP, SHAPES, SIZE_HELP, check_size, shape_knob, size_knob

if TYPE_CHECKING:
    from explorer.panels.layers.trace import Trace

DEFAULT_LAYER = {"mobilenet_v2": "features.0"}


def class_choices(result: Result) -> tuple[str, ...]:
    """Names in the user's language; classes are sorted by name, since nobody knows their numbers."""
    return sorted_classes(result.task.params.network, language())


def last_channel(result: Result) -> float:
    trace: Trace = result.trace
    return len(trace.maps) - 1


@dataclass(frozen=True)
class Params:
    layer: str = knob(
        DEFAULT_LAYER["mobilenet_v2"],
        kind="tree",
        choices=lambda result: result.trace.network.nodes,
        columns=("Type", "Output", "Parameters", "ms"),
        label="Layer",
        help="Output is channels × rows × columns. Only the chosen layer's activations are kept.",
    )
    network: str = knob("mobilenet_v2", kind="choice", choices=lambda result: networks.names(), label="Network")
    size: int = size_knob(SIZE_HELP)
    fit: str = shape_knob(SHAPE_HELP)
    show: str = knob(
        "channels",
        choices=("channels", "graph"),
        label="Show",
        help="The graph shows all layers as they ran: branches, joins and shortcuts. A click chooses a layer.",
    )
    graph_colour: str = knob(
        "kind",
        choices=("kind", "time", "memory"),
        label="Colours of the graph",
        help="Time is measured once, as the median of seven passes. Memory is what the activations newly take.",
        when=lambda params: params.show == "graph",
    )
    graph_depth: int = knob(
        0,
        0,
        lambda result: result.trace.graph.deepest if result.trace.graph is not None else 9,
        label="Depth of the graph",
        help="1 shows the parts the network is made of, more shows what is in them; 0 shows as much as can be read.",
        when=lambda params: params.show == "graph",
    )
    opened: tuple[str, ...] = knob((), kind="hidden")
    time_layers: bool = knob(
        False, label="Time each layer", help="Measures every layer once, as the median of seven passes, into the tree."
    )
    position: tuple[float, float] | None = knob(
        None,
        kind="point",
        label="Position",
        unit="px",
        help="Click on the picture, then drag the point: shows what the unit there can see.",
    )
    effective: bool = knob(
        True,
        label="Effective receptive field",
        help="For the chosen position: how strongly each pixel moves it, from one backward pass.",
        when=lambda params: params.position is not None,
    )
    grad_cam: bool = knob(
        False, label="Grad-CAM", help="Which places of the chosen layer speak for a class, from one backward pass."
    )
    cam_class: str = knob(
        MOST_LIKELY,
        kind="choice",
        choices=class_choices,
        label="Class for Grad-CAM",
        help="Or click on a bar of the classes.",
        when=lambda params: params.grad_cam,
    )

    def __post_init__(self) -> None:
        check_size(self.size)
        if self.fit not in SHAPES:
            raise ValueError(tr("The input shape is “keep proportions” or “square”."))
        if self.graph_depth < 0:
            raise ValueError(tr("The depth of the graph is 0 or more."))


@dataclass(frozen=True)
class View:
    channel: int = knob(21, 0, last_channel, label="Channel", help="Or click on its tile.")
    order: str = knob("by activation", choices=("by number", "by activation"), label="Order of the channels")
    tiles: int = knob(64, 1, 1280, log=True, label="Channels shown", help="At most so many tiles.")
    own_range: bool = knob(
        True,
        label="Own colours for each channel",
        help="Off: one colour range for all, so that channels can be compared.",
    )
    opacity: float = knob(0.6, 0.0, 1.0, label="Opacity of the map on the picture")
    smooth: bool = knob(False, label="Smooth maps", help="Interpolates between cells instead of showing each.")
