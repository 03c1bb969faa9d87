"""One forward pass that captures the chosen layer, its statistics, and what was asked about a position or a class."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cvcore.receptive_field import ReceptiveField, effective_receptive_field
from cvcore.record import Layer, describe, layer_seconds, record, submodule
from explorer.figure import Extent
from explorer.panel import Context, Frame, Node
from explorer.panels.layers.controls import DEFAULT_LAYER, GRAPH, Params
from explorer.views import networks
from explorer.views.cells import Cells
from explorer.views.fit import Fit
from explorer.views.network_graph import Drawn, ShownGraph, Wanted
from explorer.views.outputs import as_maps
from explorer.views.passes import Cam, Pass, see
from explorer.views.said import count
from explorer.views.statistics import Statistics, statistics, upper_limit


class Network:
    """What holds for a network at one input size, kept from frame to frame.

    Not a dataclass: the engine need not look through its hundreds of parts for tensors on every frame.

    Args:
        seconds: of each layer by name; empty where they were not measured.
    """

    def __init__(
        self, layers: tuple[Layer, ...], fields: Mapping[str, ReceptiveField | str], seconds: Mapping[str, float]
    ) -> None:
        self.layers = {layer.name: layer for layer in layers}
        self.fields = fields
        self.nodes = nodes(layers, seconds)

    def field(self, layer: str) -> ReceptiveField | None:
        found = self.fields.get(layer)
        return found if isinstance(found, ReceptiveField) else None

    def shows(self, layer: str) -> bool:
        """Whether a layer gives something to look at."""
        known = self.layers.get(layer)
        return known is not None and bool(known.shapes) and len(known.shapes[0]) >= 2


@dataclass(frozen=True, slots=True, eq=False)
class Position:
    """What was worked out about the chosen position.

    Args:
        row, column: of its cell in the layer's map.
        size, stride: of the theoretical receptive field in input pixels; None where they are not the same everywhere.
        box: the theoretical field on the picture, in its pixels; None where it cannot be told.
        effective: (h, w) of the input, gradient magnitude in parts of its largest; None if not asked for.
        gradient: False where none reaches the picture, since an operation on the way has none.
        ninety: the smallest share of the theoretical field's pixels that holds 90 % of the gradient.
    """

    row: int
    column: int
    size: tuple[int, int] | None
    stride: tuple[float, float] | None
    box: Extent | None
    effective: NDArray[np.float32] | None = None
    ninety: float = 0.0
    gradient: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What the panel computed.

    Args:
        network: facts about the network at this input size.
        version: another for another network, or one that was set in another way.
        layer: the layer shown; not the one asked for if the network has none of that name.
        maps: (C, h, w) its activations; (C, 1, 1) of a layer without a map.
        statistics: of them.
        fit: how the picture became the input.
        cells: where the map's cells lie on the picture.
        probabilities: (classes,) softmax of the scores, or None where the network gives none.
        position, cam: what was asked for.
        picture: tells apart pictures, so that working on one twice does not count twice.
        earlier: statistics of the same layer on the picture before.
        graph: the graph view, where it is shown.
    """

    network: Network
    version: Any
    layer: str
    maps: NDArray[np.float32]
    statistics: Statistics
    fit: Fit
    cells: Cells
    probabilities: NDArray[np.float32] | None
    position: Position | None
    cam: Cam | None
    picture: tuple[str, int, float]
    earlier: Statistics | None
    graph: ShownGraph | None = None

    @property
    def sizes(self) -> dict[str, int]:
        return {"channel": len(self.maps)}

    @property
    def is_map(self) -> bool:
        return self.maps.shape[1] * self.maps.shape[2] > 1


def compute(frame: Frame, params: Params, context: Context) -> Trace:
    """One forward pass that captures the chosen layer only."""
    seen = see(frame, params, context)
    network = known_network(seen, params)
    layer = params.layer if network.shows(params.layer) else first_choice(params.network, network)
    output, scores = seen.run(("layer", layer), lambda model, x: forward(model, layer, x))
    picture = (frame.source, frame.index, frame.time)
    with context.stage("trace"):
        maps = as_maps(output)
        before: Trace | None = context.previous
        same = before if before is not None and (before.version, before.layer) == (seen.version, layer) else None
        if same is not None and same.picture == picture:
            numbers, earlier = statistics(maps, same.statistics.limit, same.earlier), same.earlier
        else:
            earlier = same.statistics if same is not None else None
            numbers = statistics(maps, upper_limit(submodule(seen.model, layer)), earlier)
        cells = seen.cells(layer, maps.shape[1], maps.shape[2])
        probabilities = seen.probabilities(scores)
    has_map = maps.shape[1] * maps.shape[2] > 1
    position = cam = graph = None
    if params.position is not None and has_map:
        context.stop_if_cancelled()
        with context.stage("receptive field"):
            place = cells.at(*params.position)
            position = position_trace(seen, network.field(layer), layer, place, effective=params.effective)
    if params.grad_cam and has_map and probabilities is not None:
        cam = seen.grad_cam(layer, params.cam_class)
    if params.show == GRAPH:
        graph = known_graph(seen, params)
    return Trace(
        network, seen.version, layer, maps, numbers, seen.fit, cells, probabilities, position, cam, picture, earlier, graph
    )  # fmt: skip


def forward(model: nn.Module, layer: str, x: torch.Tensor) -> tuple[Any, Any]:
    """What the layer and the network give."""
    with record(model, layer, memory_format=torch.contiguous_format) as recording:
        scores = model(x.clone())  # a network may work in place
    return recording[layer], scores


def known_network(seen: Pass, params: Params) -> Network:
    """Facts about the network, worked out once."""
    context = seen.context

    def described() -> tuple[Layer, ...]:
        with context.stage("describe"):
            return describe(seen.model, seen.x)

    def timed() -> Mapping[str, float]:
        with context.stage("time layers"):
            measured = layer_seconds(seen.model, seen.x, cancelled=lambda: context.cancelled)
        context.stop_if_cancelled()
        return measured

    layers = context.kept(("layers", seen.key), described)
    seconds = context.kept(("seconds", seen.key), timed) if params.time_layers else {}
    return context.kept(("network", seen.key, bool(seconds)), lambda: Network(layers, seen.fields(), seconds))


def known_graph(seen: Pass, params: Params) -> ShownGraph:
    """The graph at the depth wanted, worked out once; the network runs for it only the first time."""
    context = seen.context

    def executed() -> Drawn:
        with context.stage("graph"):
            return Drawn(seen.model, seen.x.clone())

    drawn = context.kept(("graph", seen.key), executed)
    timed = params.graph_colour == "time"
    with context.stage("time layers" if timed and drawn.seconds is None else "graph"):
        wanted = Wanted(params.graph_depth, params.opened)
        found = drawn.shown(seen.model, seen.x, wanted, timed=timed, cancelled=lambda: context.cancelled)
    if timed and drawn.seconds is None:
        context.stop_if_cancelled()
    return found


def position_trace(
    seen: Pass, field: ReceptiveField | None, layer: str, place: tuple[int, int], *, effective: bool
) -> Position:
    """What the unit at a place (row, column) of the layer's map can see, and what moves it."""
    box = field.box(*place) if field is not None else None
    size, stride = (field.size, field.stride) if field is not None else (None, None)
    on_picture = seen.fit.on_picture(box) if box is not None else None
    if not effective:
        return Position(*place, size, stride, on_picture)
    try:
        gradient = effective_receptive_field(seen.model, layer, seen.x, place).float().cpu().numpy()
    except ValueError:
        if not networks.is_own(seen.network):
            raise
        return Position(*place, size, stride, on_picture, gradient=False)
    area = (box[2] - box[0]) * (box[3] - box[1]) if box is not None else gradient.size
    total, largest = float(gradient.sum()), float(gradient.max())
    if not largest > 0:
        return Position(*place, size, stride, on_picture, np.zeros_like(gradient))
    running = np.cumsum(np.sort(gradient.ravel())[::-1])
    ninety = float((np.searchsorted(running, 0.9 * total) + 1) / max(area, 1))
    relative = np.asarray(gradient / largest, np.float32)
    return Position(*place, size, stride, on_picture, relative, min(ninety, 1.0))


def first_choice(name: str, network: Network) -> str:
    """A layer to begin with: the one named for this network, or one at a quarter of the way that gives a map, else anything."""
    wanted = DEFAULT_LAYER.get(name, "")
    if wanted and network.shows(wanted):
        return wanted
    maps = [one.name for one in network.layers.values() if one.shapes and len(one.shapes[0]) == 4 and one.name]
    found = maps or [one for one in network.layers if one and network.shows(one)]
    if not found:
        raise ValueError(f"The network {name} has no layer that gives a tensor to look at.")
    return found[len(found) // 4]


def nodes(layers: tuple[Layer, ...], seconds: Mapping[str, float]) -> tuple[Node, ...]:
    """The rows of the tree; the network itself, which holds them all, is left out."""
    return tuple(
        Node(
            value=layer.name,
            text=layer.name.rpartition(".")[2],
            depth=layer.depth - 1,
            cells=(
                layer.type,
                "×".join(str(side) for side in layer.shapes[0][1:]) if layer.shapes else "",
                count(layer.parameters) if layer.parameters else "",
                f"{1e3 * seconds[layer.name]:.2f}" if layer.name in seconds else "",
            ),
        )
        for layer in layers
        if layer.name
    )
