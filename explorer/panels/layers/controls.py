"""The controls: network and layer, what is asked about a position or a class, and which channels are shown."""

from dataclasses import dataclass

from explorer.panel import check, knob
from explorer.views.knobs import class_knob, dim_knob, network_knob, opacity_knob, shape_knob, size_knob

DEFAULT_LAYER = {"mobilenet_v2": "features.0"}
CHANNELS, GRAPH = SHOWS = ("channels", "graph")
BY_NUMBER, BY_ACTIVATION = ORDERS = ("by number", "by activation")


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
    network: str = network_knob("mobilenet_v2")
    size: int = size_knob()
    fit: str = shape_knob()
    show: str = knob(
        CHANNELS,
        choices=SHOWS,
        label="Show",
        help="The graph shows all layers as they ran: branches, joins and shortcuts. A click chooses a layer.",
    )
    graph_colour: str = knob(
        "kind",
        choices=("kind", "time", "memory"),
        label="Colours of the graph",
        help="Time is measured once, as the median of seven passes. Memory is what the activations newly take.",
        when=lambda params: params.show == GRAPH,
    )
    graph_depth: int = knob(
        0,
        0,
        lambda result: result.trace.graph.deepest if result.trace.graph is not None else 9,
        label="Depth of the graph",
        help="1 shows the parts the network is made of, more shows what is in them; 0 shows as much as can be read.",
        when=lambda params: params.show == GRAPH,
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
    cam_class: str = class_knob(
        label="Class for Grad-CAM", help="Or click on a bar of the classes.", when=lambda params: params.grad_cam
    )

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class View:
    channel: int = dim_knob("channel", default=21, label="Channel", help="Or click on its tile.")
    order: str = knob(BY_ACTIVATION, choices=ORDERS, label="Order of the channels")
    tiles: int = knob(64, 1, 1280, log=True, label="Channels shown", help="At most so many tiles.")
    own_range: bool = knob(
        True,
        label="Own colours for each channel",
        help="Off: one colour range for all, so that channels can be compared.",
    )
    opacity: float = opacity_knob("Opacity of the map on the picture", default=0.6)
    smooth: bool = knob(False, label="Smooth maps", help="Interpolates between cells instead of showing each.")

    def __post_init__(self) -> None:
        check(self)
