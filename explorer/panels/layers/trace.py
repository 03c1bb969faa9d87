"""What the panel computes: one forward pass, the chosen layer's activations, and what was asked about a position or a class."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cvcore.attribution import grad_cam
from cvcore.foreign import class_scores
from cvcore.receptive_field import ReceptiveField, effective_receptive_field, receptive_fields
from cvcore.record import Layer, describe, layer_seconds, record, submodule
from explorer.figure import Extent
from explorer.panel import Cancelled, Context, Frame, Node
from explorer.panels.layers.controls import DEFAULT_LAYER, Params
from explorer.panels.layers.graph import Drawn, ShownGraph, Wanted
from explorer.panels.layers.statistics import Statistics, statistics, upper_limit
from explorer.views import networks
from explorer.views.cells import Cells
from explorer.views.classes import class_named
from explorer.views.fit import Fit, fit_for, input_for
from explorer.views.outputs import as_maps, class_count, class_probabilities

log = logging.getLogger(__name__)


class Network:
    """What holds for a network at one input size, worked out once and handed from trace to trace.

    Not a dataclass: the engine need not look through its hundreds of parts for tensors on every frame.
    """

    def __init__(
        self, key: tuple[Any, ...], layers: tuple[Layer, ...], fields: Mapping[str, ReceptiveField | str]
    ) -> None:
        self.key = key
        self.layers = {layer.name: layer for layer in layers}
        self.fields = fields
        self.seconds: Mapping[str, float] = {}
        self.drawn: Drawn | None = None
        self.nodes = nodes(layers, self.seconds)

    def timed(self, seconds: Mapping[str, float]) -> "Network":
        """The same with measured times."""
        made = Network(self.key, tuple(self.layers.values()), self.fields)
        made.seconds = seconds
        made.drawn = self.drawn
        made.nodes = nodes(tuple(self.layers.values()), seconds)
        return made

    def field(self, layer: str) -> ReceptiveField | None:
        found = self.fields.get(layer)
        return found if isinstance(found, ReceptiveField) else None


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
class Cam:
    """A Grad-CAM: (h, w) map of the layer, not negative, for one class."""

    map: NDArray[np.float32]
    class_index: int


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What the panel computed.

    Args:
        network: facts about the network at this input size.
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


card = networks.card


def compute(frame: Frame, params: Params, context: Context) -> Trace:
    """One forward pass that captures the chosen layer only."""
    model = context.model(params.network)
    version = (params.network, networks.version(params.network))
    fit = fit_for(params.network, frame.size, params.size, square=params.fit == "square")
    with context.stage("preprocess"):
        x = context.once(
            ("layers input", version, fit.input),
            lambda: input_for(params.network, frame.image, fit, context.device).to(context.dtype),
        )
    before: Trace | None = context.previous
    picture = (frame.source, frame.index, frame.time)
    network = known_network(params, model, x, before, context)
    layer = params.layer if shows_something(network.layers.get(params.layer)) else first_choice(params.network, network)
    with context.stage("forward"):
        output, scores = context.once(("layers forward", version, fit.input, layer), lambda: forward(model, layer, x))
    with context.stage("trace"):
        maps = as_maps(output)
        same = before if before is not None and before.network.key[0] == version and before.layer == layer else None
        if same is not None and same.picture == picture:
            numbers = statistics(maps, same.statistics.limit, same.earlier)
            earlier = same.earlier
        else:
            earlier = same.statistics if same is not None else None
            numbers = statistics(maps, upper_limit(submodule(model, layer)), earlier)
        if same is not None and same.fit == fit and same.network is network:
            cells = same.cells
        else:
            cells = Cells.of(fit, maps.shape[1], maps.shape[2], network.field(layer))
        probabilities = class_probabilities(scores, class_count(params.network))
    has_map = maps.shape[1] * maps.shape[2] > 1
    position = None
    if params.position is not None and has_map:
        if context.cancelled:
            raise Cancelled
        with context.stage("receptive field"):
            position = position_trace(params, model, x, network, layer, cells, fit)
    cam = None
    if params.grad_cam and has_map and probabilities is not None:
        if context.cancelled:
            raise Cancelled
        with context.stage("Grad-CAM"):
            chosen = class_named(params.network, params.cam_class)
            cam = class_map(params.network, model, layer, x, chosen, len(probabilities))
    graph = known_graph(params, model, x, network, context) if params.show == "graph" else None
    return Trace(network, layer, maps, numbers, fit, cells, probabilities, position, cam, picture, earlier, graph)


def class_map(name: str, model: nn.Module, layer: str, x: torch.Tensor, chosen: int | None, classes: int) -> Cam | None:
    """Grad-CAM; None where the user's own network lets no gradient through."""
    try:
        made = grad_cam(model, layer, x, chosen, scores_of=lambda output: class_scores(output, classes))
    except ValueError:
        if not networks.is_own(name):
            raise
        return None
    return Cam(made.map.float().cpu().numpy(), made.class_index)


def known_fields(name: str, model: nn.Module, x: torch.Tensor) -> Mapping[str, ReceptiveField | str]:
    """Theoretical receptive fields; of a network of the user's, whose operations may be any, none where they cannot be followed."""
    try:
        return receptive_fields(model, x)
    except Exception:
        if not networks.is_own(name):
            raise
        log.warning("the receptive fields of %s could not be followed", name, exc_info=True)
        return {}


def forward(model: nn.Module, layer: str, x: torch.Tensor) -> tuple[Any, Any]:
    """What the layer and the network give."""
    with torch.inference_mode(), record(model, layer, memory_format=torch.contiguous_format) as recording:
        scores = model(x.clone())  # a network may work in place
    return recording[layer], scores


def known_network(params: Params, model: nn.Module, x: torch.Tensor, before: Trace | None, context: Context) -> Network:
    """Facts about the network, from the last trace where they still hold."""
    key = ((params.network, networks.version(params.network)), tuple(x.shape))
    network = before.network if before is not None and before.network.key == key else None
    if network is None:
        with context.stage("describe"):
            network = Network(key, describe(model, x), known_fields(params.network, model, x))
    if params.time_layers and not network.seconds:
        with context.stage("time layers"):
            network = network.timed(layer_seconds(model, x, cancelled=lambda: context.cancelled))
        if context.cancelled:
            raise Cancelled
    elif not params.time_layers and network.seconds:
        network = network.timed({})
    return network


def known_graph(params: Params, model: nn.Module, x: torch.Tensor, network: Network, context: Context) -> ShownGraph:
    """The graph at the depth wanted, worked out once; the network runs for it only the first time."""
    if network.drawn is None:
        with context.stage("graph"):
            network.drawn = Drawn(model, x.clone())
    timed = params.graph_colour == "time"
    with context.stage("time layers" if timed and network.drawn.seconds is None else "graph"):
        found = network.drawn.shown(
            model, x, Wanted(params.graph_depth, params.opened), timed=timed, cancelled=lambda: context.cancelled
        )
    if context.cancelled and timed and network.drawn.seconds is None:
        raise Cancelled
    return found


def position_trace(
    params: Params, model: nn.Module, x: torch.Tensor, network: Network, layer: str, cells: Cells, fit: Fit
) -> Position:
    assert params.position is not None
    row, column = cells.at(*params.position)
    field = network.field(layer)
    box = field.box(row, column) if field is not None else None
    size, stride = (field.size, field.stride) if field is not None else (None, None)
    place = fit.on_picture(box) if box is not None else None
    if not params.effective:
        return Position(row, column, size, stride, place)
    try:
        gradient = effective_receptive_field(model, layer, x, (row, column)).float().cpu().numpy()
    except ValueError:
        if not networks.is_own(params.network):
            raise
        return Position(row, column, size, stride, place, gradient=False)
    area = (box[2] - box[0]) * (box[3] - box[1]) if box is not None else gradient.size
    total, largest = float(gradient.sum()), float(gradient.max())
    if not largest > 0:
        return Position(row, column, size, stride, place, np.zeros_like(gradient))
    running = np.cumsum(np.sort(gradient.ravel())[::-1])
    ninety = float((np.searchsorted(running, 0.9 * total) + 1) / max(area, 1))
    return Position(row, column, size, stride, place, np.asarray(gradient / largest, np.float32), min(ninety, 1.0))


def shows_something(layer: Layer | None) -> bool:
    return layer is not None and bool(layer.shapes) and len(layer.shapes[0]) >= 2


def first_choice(name: str, network: Network) -> str:
    """A layer to begin with: the one named for this network, or one at a quarter of the way that gives a map."""
    wanted = DEFAULT_LAYER.get(name, "")
    if wanted and shows_something(network.layers.get(wanted)):
        return wanted
    maps = [
        layer.name for layer in network.layers.values() if layer.shapes and len(layer.shapes[0]) == 4 and layer.name
    ]
    if not maps:
        raise ValueError(f"The network {name} has no layer that gives a map.")
    return maps[len(maps) // 4]


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
                f"{layer.parameters:,}".replace(",", " ") if layer.parameters else "",
                f"{1e3 * seconds[layer.name]:.2f}" if layer.name in seconds else "",
            ),
        )
        for layer in layers
        if layer.name
    )
