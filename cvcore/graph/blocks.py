"""A network's graph at a chosen depth: module calls shown as one node each, and the operations that stand between them.

What a call does happens between its begin and its end, so shutting any set of calls leaves a graph without cycles.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from cvcore.graph.execution import NETWORK, NOWHERE, Execution, Operation, Shape

READABLE = 30
"""Nodes that can be taken in at one look: ``depth`` 0 shows at most so many where it can."""

Kind = Literal["input", "output", "module", "operation"]


@dataclass(frozen=True, slots=True)
class Node:
    """A box of the graph.

    Args:
        key: its own, such as ``features.4``, ``features.4#1`` for the second call of that module, ``features.4/add`` for an operation.
        kind: an operation is one that ran beside the modules shown.
        name: dotted name of the module; of an operation, of the module it ran in (empty: the network itself).
        type: the module's class or the operation's name.
        shapes: of the tensors it gave last.
        parameters: numbers in it.
        bytes: newly used by the results of all operations in it.
        operations: indices of these in the execution.
        inside: there is more to see in it.
        open: it is drawn as a frame around its members, the nodes whose ``parent`` it is.
        parent: index of the open node that holds it; -1 for none.
        turn: 0 for the module's first call.
        inplace: it rewrote the tensor it got.
        label: of an input or output, where it stands in the arguments or the result.
    """

    key: str
    kind: Kind
    name: str
    type: str
    shapes: tuple[Shape, ...]
    parameters: int
    bytes: int
    operations: tuple[int, ...]
    inside: bool = False
    open: bool = False
    parent: int = -1
    turn: int = 0
    inplace: bool = False
    label: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """What one node gives to another.

    Args:
        source, target: indices of nodes that are not open, source before target.
        shapes: of the tensors, as the target uses them, each once.
    """

    source: int
    target: int
    shapes: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in the order in which they began (an open one before its members), and edges between them."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    depth: int
    """To which calls were shown; the one chosen where 0 was asked for."""


def deepest(execution: Execution) -> int:
    """From this depth on every module is shown by itself."""
    return max((call.depth for call in execution.calls), default=0)


def graph(execution: Execution, depth: int = 0, opened: Collection[str] = ()) -> Graph:
    """The graph with modules shown to a depth of calls.

    Operations whose results are never used (such as one that only decided an ``if``) are left out.

    Args:
        depth: 1 shows the modules that the network itself calls, 2 those that these call. 0 chooses the greatest depth that
            gives at most READABLE nodes.
        opened: names of modules to look into, whatever the depth. One that holds nothing but one other module is opened with it.

    Raises:
        ValueError: depth is negative.
    """
    if depth < 0:
        raise ValueError(f"the depth of a graph is 0 or more, not {depth}")
    top = deepest(execution)
    if depth:
        return _at_depth(execution, min(depth, max(top, 1)), opened)
    best = _at_depth(execution, 1, ())
    for deeper in range(2, top + 1):
        found = _at_depth(execution, deeper, ())
        if len(found.nodes) > READABLE:
            break
        best = found
    return _at_depth(execution, best.depth, opened) if opened else best


def node_seconds(graph: Graph, seconds: Sequence[float]) -> tuple[float, ...]:
    """Of each node, from those of the operations (of :func:`operation_seconds`)."""
    return tuple(sum(seconds[i] for i in node.operations) for node in graph.nodes)


def _at_depth(execution: Execution, depth: int, opened: Collection[str]) -> Graph:
    return _Builder(execution, depth, opened).graph()


class _Builder:
    def __init__(self, execution: Execution, depth: int, opened: Collection[str]) -> None:
        self.calls, self.operations = execution.calls, execution.operations
        self.depth = depth
        self.children: dict[int, list[int]] = {}
        for index, call in enumerate(self.calls):
            self.children.setdefault(call.parent, []).append(index)
        self.own: dict[int, list[int]] = {}
        for index, operation in enumerate(self.operations):
            self.own.setdefault(operation.call, []).append(index)
        self.framed = {
            i for i, call in enumerate(self.calls) if i != NETWORK and call.name in opened and self.has_inside(i)
        }
        self.unfolded = set[int]()
        for index in self.framed:
            while len(self.children.get(index, ())) == 1 and self.children.get(self.children[index][0]):
                index = self.children[index][0]
                self.unfolded.add(index)

    def has_inside(self, call: int) -> bool:
        return bool(self.children.get(call)) or len(self.own.get(call, ())) > 1

    def shut(self, call: int) -> bool:
        """Whether a call is one node."""
        if call in self.framed or call in self.unfolded:
            return False
        return self.calls[call].depth >= self.depth or not self.children.get(call)

    def place(self, operation: int) -> tuple[int | None, tuple[int, ...]]:
        """The call that stands for an operation (None: it stands for itself), and the open calls around it."""
        chain = []
        call = self.operations[operation].call
        while call > NETWORK:
            chain.append(call)
            call = self.calls[call].parent
        around: list[int] = []
        for call in reversed(chain):
            if self.shut(call):
                return call, tuple(around)
            if call in self.framed:
                around.append(call)
        return None, tuple(around)

    def graph(self) -> Graph:
        places = [self.place(i) for i in range(len(self.operations))]
        alive = self.alive(places)
        members: dict[tuple[str, int], list[int]] = {}
        around: dict[tuple[str, int], tuple[int, ...]] = {}
        for index, (call, frames) in enumerate(places):
            if index in alive:
                key = ("call", call) if call is not None else ("operation", index)
                members.setdefault(key, []).append(index)
                around[key] = frames
        nodes: list[Node] = []
        frames_at: dict[int, int] = {}
        at: dict[int, int] = {}
        for key, inside in members.items():
            parent = -1
            for frame in around[key]:
                if frame not in frames_at:
                    frames_at[frame] = len(nodes)
                    nodes.append(self.call_node(frame, self.all_of(frame), parent, opened=True))
                parent = frames_at[frame]
            for index in inside:
                at[index] = len(nodes)
            call = places[inside[0]][0]
            made = self.call_node(call, inside, parent) if call is not None else self.operation_node(inside[0], parent)
            nodes.append(made)
        # Operations of one name in one module are told apart by their number.
        keys: dict[str, int] = {}
        for number, node in enumerate(nodes):
            seen = keys.get(node.key, 0)
            keys[node.key] = seen + 1
            if seen:
                nodes[number] = replace(node, key=f"{node.key}#{seen}")
        return Graph(tuple(nodes), self.edges(at), self.depth)

    def all_of(self, call: int) -> list[int]:
        """Every operation in a call and below it."""
        found, todo = list[int](), [call]
        while todo:
            one = todo.pop()
            found += self.own.get(one, ())
            todo += self.children.get(one, ())
        return sorted(found)

    def alive(self, places: Sequence[tuple[int | None, tuple[int, ...]]]) -> set[int]:
        """Operations that lead to an output or into a module; modules count by themselves."""
        found = {
            i
            for i, operation in enumerate(self.operations)
            if places[i][0] is not None
            or (operation.name == "output" and operation.call == NOWHERE and operation.links)
        }
        todo = list(found)
        while todo:
            for link in self.operations[todo.pop()].links:
                if link.source not in found:
                    found.add(link.source)
                    todo.append(link.source)
        return found

    def edges(self, at: Mapping[int, int]) -> tuple[Edge, ...]:
        found: dict[tuple[int, int], dict[Shape, None]] = {}
        for index, operation in enumerate(self.operations):
            if index not in at:
                continue
            for link in operation.links:
                if link.source in at and at[link.source] < at[index]:
                    found.setdefault((at[link.source], at[index]), {})[link.shape] = None
        return tuple(Edge(source, target, tuple(shapes)) for (source, target), shapes in found.items())

    def call_node(self, call: int, inside: Sequence[int], parent: int, *, opened: bool = False) -> Node:
        made = self.calls[call]
        operations = [self.operations[i] for i in inside]
        return Node(
            key=made.name + (f"#{made.turn}" if made.turn else ""),
            kind="module",
            name=made.name,
            type=made.type,
            shapes=operations[-1].shapes,
            parameters=made.parameters,
            bytes=sum(operation.bytes for operation in operations),
            operations=tuple(inside),
            inside=self.has_inside(call),
            open=opened,
            parent=parent,
            turn=made.turn,
            inplace=bool(operations) and all(operation.inplace for operation in operations),
        )

    def operation_node(self, index: int, parent: int) -> Node:
        operation: Operation = self.operations[index]
        ends: dict[str, Kind] = {"input": "input", "output": "output"}
        kind: Kind = ends.get(operation.name, "operation") if operation.call == NOWHERE else "operation"
        name = self.calls[operation.call].name if operation.call != NOWHERE else ""
        return Node(
            key=f"{name}/{operation.name}",
            kind=kind,
            name=name,
            type=operation.name,
            shapes=operation.shapes,
            parameters=0,
            bytes=operation.bytes,
            operations=(index,),
            parent=parent,
            inplace=operation.inplace,
            label=operation.label,
        )
