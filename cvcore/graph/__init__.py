"""The graph of a network as it was executed: :func:`execute` watches one forward pass, :func:`graph` shows it at a chosen depth,
:func:`layout` places it.
"""

from cvcore.graph.blocks import Edge, Graph, Node, deepest, graph, node_seconds
from cvcore.graph.execution import Call, Execution, Link, Operation, execute, operation_seconds
from cvcore.graph.layout import Placed, layout

__all__ = [
    "Call", "Edge", "Execution", "Graph", "Link", "Node", "Operation", "Placed",
    "deepest", "execute", "graph", "layout", "node_seconds", "operation_seconds",
]  # fmt: skip
