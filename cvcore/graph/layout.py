"""Where the boxes and lines of a graph lie: layers from left to right, wrapped into rows like a text.

After Sugiyama, Tagawa, Toda, "Methods for Visual Understanding of Hierarchical System Structures", IEEE Transactions on Systems, Man, and
Cybernetics 11(2), 1981: layers by the longest path, order within a layer by barycentres, long edges through dummy nodes so that
a skip connection leads around what it skips. Unlike there, edges of one source share their dummies, heights are found by least
squares under the order (isotonic regression), and rows break where the fewest edges are cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cvcore.graph.blocks import Graph
from cvcore.graph.order import PORT, Part
from cvcore.graph.rows import GAP_X, Box, Point, Rows, place_rows

PAD = 14.0
"""Between a frame and what is in it, in layout units (a box is about 110 by 40 of them)."""
TITLE = 22.0
"""Above it, for the frame's title."""
ASPECT = 2.8
"""Width over height that rows aim at."""
FRAME_ASPECT = 9.0
"""Inside a frame: it stands in a row, so it had better be long than high."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A graph's picture.

    Args:
        boxes: x0, y0, x1, y1 of each node; of an open one, its frame.
        lines: for each edge the points it goes through, from the right side of its source to the left side of its target. An edge
            into or out of a frame passes through a point on the frame's side.
        size: width and height of it all, from (0, 0).
    """

    boxes: tuple[Box, ...]
    lines: tuple[tuple[Point, ...], ...]
    size: tuple[float, float]


def layout(graph: Graph, sizes: Sequence[tuple[float, float]], *, aspect: float = ASPECT, gap: float = GAP_X) -> Placed:
    """Places a graph.

    Args:
        sizes: width and height of each node's box; those of open nodes are worked out.
        aspect: wanted width over height.
        gap: between layers, for the words on edges.

    Raises:
        ValueError: not one size for each node, or an edge leads backwards.
    """
    if len(sizes) != len(graph.nodes):
        raise ValueError(f"{len(graph.nodes)} nodes have {len(sizes)} sizes")
    if any(edge.source >= edge.target for edge in graph.edges):
        raise ValueError("an edge leads to an earlier node")
    return _Nested(graph, list(sizes), aspect, gap).placed()


class _Nested:
    """Frames are laid out by themselves, from the innermost, and then are boxes of what holds them."""

    def __init__(self, graph: Graph, sizes: list[tuple[float, float]], aspect: float, gap: float) -> None:
        self.graph, self.sizes, self.aspect, self.gap = graph, sizes, aspect, gap
        self.inner: dict[int, Rows] = {}
        self.members: dict[int, list[int]] = {}
        for index, node in enumerate(graph.nodes):
            self.members.setdefault(node.parent, []).append(index)
        self.chains = [self.chain(index) for index in range(len(graph.nodes))]

    def chain(self, index: int) -> list[int]:
        """A node and the frames around it, from outside."""
        found = [index]
        while (index := self.graph.nodes[index].parent) >= 0:
            found.append(index)
        return found[::-1]

    def hops(self) -> list[list[tuple[int, int, int]]]:
        """Each edge in parts, each inside one holder, from and to a member or a port."""
        found = []
        for edge in self.graph.edges:
            up, down = self.chains[edge.source], self.chains[edge.target]
            common = 0
            while common < min(len(up), len(down)) and up[common] == down[common]:
                common += 1
            parts = [(up[level - 1], up[level], PORT) for level in range(len(up) - 1, common, -1)]
            parts.append((up[common - 1] if common else -1, up[common], down[common]))
            parts += [(down[level - 1], PORT, down[level]) for level in range(common + 1, len(down))]
            found.append(parts)
        return found

    def placed(self) -> Placed:
        if not self.graph.nodes:
            return Placed((), (), (0.0, 0.0))
        hops = self.hops()
        edges: dict[int, dict[Part, None]] = {}
        names: list[list[tuple[int, Part]]] = []
        for edge, parts in zip(self.graph.edges, hops, strict=True):
            named = []
            for holder, source, target in parts:
                # A frame has one port for each node outside that gives something to it, and one for each inside that gives.
                part = Part(source, target, edge.source)
                edges.setdefault(holder, {})[part] = None
                named.append((holder, part))
            names.append(named)
        ordered = sorted(self.members, key=lambda holder: -len(self.chains[holder]) if holder >= 0 else 0)
        for holder in ordered:
            inside = list(edges.get(holder, {}))
            rows = place_rows(
                {i: self.sizes[i] for i in self.members[holder]},
                inside,
                ports={i: self.ports(i) for i in self.members[holder] if i in self.inner},
                aspect=self.aspect if holder < 0 else FRAME_ASPECT,
                gap=self.gap,
            )
            self.inner[holder] = rows
            if holder >= 0:
                width = max(rows.size[0] + 2 * PAD, 90.0)
                self.sizes[holder] = width, rows.size[1] + 2 * PAD + TITLE
        origins, boxes = self.origins()
        lines = []
        for named in names:
            points: list[Point] = []
            for holder, part in named:
                x, y = origins[holder]
                points += [(px + x, py + y) for px, py in self.inner[holder].lines[part]]
                first = len(points) - len(self.inner[holder].lines[part])
                if part.source == PORT:  # straight from the frame's side, and straight on to it
                    points.insert(first, (boxes[holder][0], points[first][1]))
                if part.target == PORT:
                    points.append((boxes[holder][2], points[-1][1]))
            lines.append(tuple(_merged(points)))
        return Placed(tuple(boxes[i] for i in range(len(self.graph.nodes))), tuple(lines), self.inner[-1].size)

    def ports(self, frame: int) -> dict[tuple[str, int], float]:
        """Heights, below the frame's top, at which edges go in and out."""
        return {port: y + PAD + TITLE for port, y in self.inner[frame].ports.items()}

    def origins(self) -> tuple[dict[int, Point], dict[int, Box]]:
        """Where the inside of each frame begins, and the boxes of all nodes."""
        origins: dict[int, Point] = {-1: (0.0, 0.0)}
        boxes: dict[int, Box] = {}
        todo = [-1]
        while todo:
            holder = todo.pop()
            ox, oy = origins[holder]
            for index in self.members.get(holder, ()):
                x0, y0, x1, y1 = self.inner[holder].boxes[index]
                boxes[index] = x0 + ox, y0 + oy, x1 + ox, y1 + oy
                if index in self.inner:
                    origins[index] = x0 + ox + PAD, y0 + oy + PAD + TITLE
                    todo.append(index)
        return origins, boxes


def _merged(points: Sequence[Point]) -> list[Point]:
    """Without points that are the same as the one before."""
    found: list[Point] = []
    for x, y in points:
        if not found or abs(found[-1][0] - x) > 1e-6 or abs(found[-1][1] - y) > 1e-6:
            found.append((x, y))
    return found
