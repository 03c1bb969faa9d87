"""A network as it ran: what it did on this input, as boxes and lines. Traced once for each network and input size."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import nn

from cvcore import graph as graphs
from cvcore.graph import Graph, Node, Placed
from cvcore.record import submodule
from explorer import figure
from explorer.figure import At, Colour, Mark, Pane, Spot
from explorer.i18n import language, tr
from explorer.views.said import count

BOX_HEIGHT, LOW_HEIGHT = 38.0, 28.0
LETTER, SMALL_LETTER = 6.9, 5.9
"""Mean width of a letter in a box's title and in its second line, in the graph's units."""
WIDEST = 132.0
ASPECT = 3.9
"""Width over height of the pane, about, beside the controls on a small screen and on a large one."""
MARGIN = 14.0
FOOT = 0.13
"""Room under the graph for what its colours mean, in parts of its height."""

KINDS: dict[str, tuple[Colour, str]] = {
    "convolution": (0, "convolution, linear"),
    "normalisation": (6, "normalisation"),
    "activation": (2, "activation"),
    "pooling": (1, "pooling, resizing"),
    "join": (3, "joins and arithmetic"),
    "block": (4, "block: click twice to open"),
    "other": (7, "other"),
}
WORDS = {
    "convolution": ("conv", "linear", "matmul", "bmm", "einsum", "attention"),
    "normalisation": ("norm",),
    "activation": ("relu", "elu", "silu", "swish", "sigmoid", "tanh", "mish", "softmax", "softplus", "clamp"),
    "pooling": ("pool", "upsample", "interpolate", "mean", "pixelshuffle", "pixel_shuffle", "unfold", "pad"),
    "join": ("add", "cat", "mul", "sub", "div", "stack", "sum", "max", "min", "pow", "sqrt", "exp", "assign"),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the graph is shown."""

    depth: int
    opened: tuple[str, ...]


class ShownGraph:
    """A graph and its picture. Not a dataclass, so that the engine need not look through it on every frame.

    Args:
        lines: the two lines of words in each box.
        seconds: of each node; empty where not measured.
        deepest: the greatest depth there is.
    """

    def __init__(
        self, graph: Graph, placed: Placed, lines: list[tuple[str, str]], seconds: tuple[float, ...], deepest: int
    ) -> None:
        self.graph, self.placed, self.lines, self.seconds, self.deepest = graph, placed, lines, seconds, deepest

    def index(self, layer: str) -> int | None:
        """The node that shows a layer: itself, or the smallest one that holds it."""
        found = [i for i, node in enumerate(self.graph.nodes) if node.kind == "module" and holds(node.name, layer)]
        return max(found, key=lambda i: (len(self.graph.nodes[i].name), -i)) if found else None


class Drawn:
    """What was seen of one network at one input size: kept from frame to frame."""

    def __init__(self, model: nn.Module, x: torch.Tensor) -> None:
        self.execution = graphs.execute(model, x)
        self.deepest = graphs.deepest(self.execution)
        self.seconds: tuple[float, ...] | None = None
        self._shown: dict[tuple[Wanted, bool], ShownGraph] = {}

    def shown(
        self, model: nn.Module, x: torch.Tensor, wanted: Wanted, *, timed: bool, cancelled: Callable[[], bool]
    ) -> ShownGraph:
        if timed and self.seconds is None:
            try:
                measured = graphs.operation_seconds(model, self.execution, x, cancelled=cancelled)
            except ValueError:  # a network that goes another way each time has no times to show
                measured = ()
            self.seconds = None if cancelled() else measured
        key = wanted, timed and self.seconds is not None
        if key not in self._shown:
            made = graphs.graph(self.execution, wanted.depth, wanted.opened)
            lines = [words(model, made, i) for i in range(len(made.nodes))]
            sizes = [size(node, *line) for node, line in zip(made.nodes, lines, strict=True)]
            gap = max(46.0, 5.0 * max((len(label(edge)) for edge in made.edges), default=0) + 26.0)
            seconds = graphs.node_seconds(made, self.seconds) if timed and self.seconds else ()
            placed = graphs.layout(made, sizes, gap=gap, aspect=ASPECT)
            if len(self._shown) > 32:
                self._shown.clear()
            self._shown[key] = ShownGraph(made, placed, lines, seconds, self.deepest)
        return self._shown[key]


def holds(name: str, layer: str) -> bool:
    return layer == name or layer.startswith(f"{name}.")


def words(model: nn.Module, graph: Graph, index: int) -> tuple[str, str]:
    """The two lines in a box: of a block its name and type, of a single layer, whose name says little, its type first."""
    node = graph.nodes[index]
    if node.kind == "operation":
        return node.type, ""
    if node.kind != "module":
        return (node.label if node.kind == "output" and node.label else node.kind), ""
    first, second = short_name(graph, node), described(submodule(model, node.name))
    return (first, second) if node.inside and len(node.operations) > 1 else (second, first)


def short_name(graph: Graph, node: Node) -> str:
    """Inside a frame without the frame's own name, and of a long one the last two parts."""
    name = node.name
    if node.parent >= 0:
        name = name.removeprefix(graph.nodes[node.parent].name + ".")
    parts = name.split(".")
    if len(name) > 18 and len(parts) > 2:
        name = "…" + ".".join(parts[-2:])
    return f"{name} · {node.turn + 1}" if node.turn else name


def described(module: nn.Module) -> str:
    """The type, of a convolution with kernel and stride."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        stride = module.stride[0]
        kind = "Conv2d" if isinstance(module, nn.Conv2d) else "ConvTranspose2d"
        depthwise = module.groups > 1 and module.groups == module.in_channels
        kernel = "×".join(str(side) for side in module.kernel_size)
        return f"{kind} {kernel}{' dw' if depthwise else ''}{f' /{stride}' if stride != 1 else ''}"
    return type(module).__name__


def size(node: Node, title: str, detail: str) -> tuple[float, float]:
    width = min(max(LETTER * len(title), SMALL_LETTER * len(detail)) + 18.0, WIDEST)
    return (max(width, 52.0), LOW_HEIGHT) if node.kind != "module" else (max(width, 76.0), BOX_HEIGHT)


def label(edge: graphs.Edge) -> str:
    """Channels × rows × columns."""
    said = ["×".join(str(side) for side in (shape[1:] if len(shape) > 1 else shape)) for shape in edge.shapes[:2]]
    return ", ".join(said) + (", …" if len(edge.shapes) > 2 else "")


def kind_of(node: Node) -> str:
    """Which of KINDS a node is."""
    if node.kind in ("input", "output"):
        return "other"
    if node.kind == "module" and node.inside and len(node.operations) > 1:
        return "block"
    name = node.type.lower()
    for kind, words in WORDS.items():
        if any(word in name for word in words):
            return kind
    return "other"


def words_of(graph: Graph, index: int) -> str:
    """What a node is called in full, in the user's language."""
    node = graph.nodes[index]
    if node.kind == "input":
        return tr("input")
    if node.kind == "output":
        return node.label or tr("output")
    return node.type if node.kind == "operation" else node.name


@lru_cache(maxsize=8)
def mark(shown: ShownGraph, colour: str, layer: str, of_language: str) -> figure.Graph:
    """The same drawing as long as nothing changed, so that the canvas need not paint it for every frame."""
    del of_language  # the words are made in it
    nodes = shown.graph.nodes
    kinds = [kind_of(node) for node in nodes]
    values = None
    unit = name = ""
    if colour == "time" and shown.seconds:
        values = np.array(
            [
                1e3 * s if n.kind in ("module", "operation") else np.nan
                for n, s in zip(nodes, shown.seconds, strict=True)
            ]
        )
        name, unit = tr("time"), "ms"
    elif colour == "memory":
        values = np.array([n.bytes / 1e6 if n.kind in ("module", "operation") else np.nan for n in nodes])
        name, unit = tr("memory of the activations"), "MB"
    closed = [kind for node, kind in zip(nodes, kinds, strict=True) if not node.open]
    meanings = tuple((look, tr(words)) for kind, (look, words) in KINDS.items() if kind in closed)
    return figure.Graph(
        np.array(shown.placed.boxes) + MARGIN,
        titles=tuple(
            words_of(shown.graph, i) if n.kind in ("input", "output") else shown.lines[i][0]
            for i, n in enumerate(nodes)
        ),
        details=tuple(line[1] for line in shown.lines),
        frames=frozenset(i for i, node in enumerate(nodes) if node.open),
        lines=tuple(np.array(line) + MARGIN for line in shown.placed.lines),
        ends=np.array([(edge.source, edge.target) for edge in shown.graph.edges], np.intp).reshape(-1, 2),
        line_labels=tuple(label(edge) for edge in shown.graph.edges),
        colours=tuple(KINDS[kind][0] for kind in kinds),
        values=values,
        label=name,
        unit=unit,
        low=0.0,
        meanings=meanings if values is None else (),
        selected=shown.index(layer),
    )


def graph_pane(shown: ShownGraph, colour: str, layer: str) -> Pane:
    width, height = shown.placed.size
    drawn = mark(shown, colour, layer, language())
    heading = tr("The network as it ran: {layer} is chosen", layer=layer)
    whole = width + 2 * MARGIN, (height + 2 * MARGIN) * (1 + (0.0 if drawn.values is not None else FOOT))
    return Pane("graph", heading, (drawn,), size=whole, places=InGraph(shown))


@dataclass(frozen=True, slots=True, eq=False)
class InGraph:
    """A box of the graph, or, counted on from the last box, a line."""

    shown: ShownGraph

    def at(self, spot: Spot) -> At | None:
        total = len(self.shown.graph.nodes) + len(self.shown.graph.edges)
        return {"node": spot.index} if spot.index is not None and spot.index < total else None

    def lit(self, at: At) -> tuple[Mark, ...]:
        return (figure.Lit("graph", at["node"]),) if "node" in at else ()


def told(shown: ShownGraph, layer: str, index: int) -> str:
    """Everything known about a box or a line."""
    nodes, edges = shown.graph.nodes, shown.graph.edges
    if index >= len(nodes):
        edge = edges[index - len(nodes)]
        return f"{words_of(shown.graph, edge.source)} → {words_of(shown.graph, edge.target)}: {label(edge)}"
    node = nodes[index]
    said = [node.name or words_of(shown.graph, index)]
    if node.kind == "operation":
        said = [tr("{operation} in {layer}", operation=node.type, layer=node.name or tr("the network itself"))]
    elif node.kind == "module":
        said.append(described_line(shown, index))
    if node.turn:
        said.append(tr("call number {number}", number=node.turn + 1))
    said.append(" ".join("×".join(str(side) for side in (s[1:] or s)) for s in node.shapes[:3]))
    if node.parameters:
        said.append(tr("{count} parameters", count=count(node.parameters)))
    if shown.seconds:
        said.append(f"{1e3 * shown.seconds[index]:.3g} ms")
    if node.kind in ("module", "operation"):
        said.append(tr("in place: no new memory") if node.inplace and not node.bytes else f"{node.bytes / 1e6:.3g} MB")
    if node.open:
        said.append(tr("click: close"))
    elif node.inside:
        said.append(tr("click again: open") if node.name == layer else tr("click twice: open"))
    return " · ".join(part for part in said if part)


def described_line(shown: ShownGraph, index: int) -> str:
    """Of a box's two lines the one with the type."""
    node = shown.graph.nodes[index]
    return shown.lines[index][1 if node.inside and len(node.operations) > 1 else 0]


def pick(
    shown: ShownGraph, layer: str, opened: Collection[str], layers: Collection[str], spot: Spot
) -> dict[str, object] | None:
    """A click chooses a box's layer; one on the box already chosen opens it, one on a frame shuts it."""
    if spot.index is None or spot.index >= len(shown.graph.nodes):
        return None
    node = shown.graph.nodes[spot.index]
    if node.open:
        return {"opened": tuple(name for name in opened if not holds(node.name, name)), "layer": node.name}
    if node.kind == "module" and node.inside and node.name == layer:
        return {"opened": (*(name for name in opened if name != node.name), node.name)}
    if node.kind in ("module", "operation") and node.name in layers:
        return {"layer": node.name}
    return None
