"""Read a TensorFlow.js graph model and run it node by node: slow, obvious, our reference for converted networks.

A model is a JSON file (``modelTopology``: a TensorFlow GraphDef; ``weightsManifest``: name, shape and type of each
constant, in order) and one flat buffer of the constants. Every operation here is a few lines of numpy over that graph's
own layout, so that it shares no code with the modules it judges. Format:
https://github.com/tensorflow/tfjs/blob/master/tfjs-converter/README.md ; operations:
https://www.tensorflow.org/api_docs/python/tf/raw_ops .

Only the operations that the shipped conversions meet are here; another one raises NotImplementedError with its name.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

STORED_TYPES: dict[str, type[np.generic]] = {"float16": np.float16, "float32": np.float32, "int32": np.int32}


@dataclass(frozen=True, slots=True)
class Node:
    """One operation: its name, kind, inputs as ``name`` or ``name:output``, and attributes as plain Python values."""

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph model.

    Args:
        nodes: by name.
        constants: by name; what was stored as float16 is float32 here (exact).
        inputs: names of the placeholders.
        outputs: names of the results.
    """

    nodes: dict[str, Node]
    constants: dict[str, Array]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def read_graph(path: Path) -> Graph:
    """Read ``NAME.json`` and the buffers it names, which lie beside it.

    Raises:
        ValueError: the buffer's length is not what the manifest adds up to, or a constant is stored in a way not known here.
    """
    model = json.loads(path.read_text(encoding="utf-8"))
    constants: dict[str, Array] = {}
    for group in model["weightsManifest"]:
        buffer = b"".join((path.parent / part).read_bytes() for part in group["paths"])
        start = 0
        for entry in group["weights"]:
            stored = entry.get("quantization", entry)["dtype"]
            if stored not in STORED_TYPES:
                raise ValueError(f"{path.name}: {entry['name']} is stored as {stored}, which is not supported")
            dtype = np.dtype(STORED_TYPES[stored])
            count = int(np.prod(entry["shape"]))
            values = np.frombuffer(buffer, dtype, count, start).reshape(entry["shape"])
            constants[entry["name"]] = values.astype(np.dtype(entry["dtype"]))
            start += count * dtype.itemsize
        if start != len(buffer):
            raise ValueError(f"{path.name}: the manifest lists {start} bytes of weights, the buffer has {len(buffer)}")
    nodes = {
        node["name"]: Node(
            name=node["name"],
            op=node["op"],
            inputs=tuple(node.get("input", ())),
            attributes={key: _attribute(value) for key, value in node.get("attr", {}).items()},
        )
        for node in model["modelTopology"]["node"]
    }
    return Graph(
        nodes=nodes,
        constants=constants,
        inputs=tuple(node.name for node in nodes.values() if node.op == "Placeholder"),
        outputs=tuple(_source(name)[0] for name in model["signature"]["outputs"]),
    )


def run_graph(graph: Graph, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """The value of every node, by name (a node with several outputs: the first under its name, all under ``name:index``).

    Args:
        feeds: an array for each of ``graph.inputs``, in the graph's own layout.

    Raises:
        ValueError: an input is missing.
        NotImplementedError: an operation or a layout that this reader does not know.
    """
    if missing := set(graph.inputs) - set(feeds):
        raise ValueError(f"the graph needs a value for {', '.join(sorted(missing))}")
    values: dict[str, Array] = {**graph.constants, **feeds}
    for name in _in_order(graph):
        node = graph.nodes[name]
        if name in values or node.op == "Placeholder":
            continue
        if node.op not in OPERATIONS:
            raise NotImplementedError(f"operation {node.op} of node {name}")
        arguments = [
            values[source if index == 0 else f"{source}:{index}"] for source, index in map(_source, node.inputs)
        ]
        results = OPERATIONS[node.op](node, *arguments)
        several = results if isinstance(results, list) else [results]
        values[name] = several[0]
        values.update({f"{name}:{index}": result for index, result in enumerate(several)})
    return values


def _attribute(value: dict[str, Any]) -> Any:
    """The Python value of one GraphDef attribute: JSON keeps 64-bit integers as strings and bytes in base64."""
    if "s" in value:
        return base64.b64decode(value["s"]).decode()
    if "i" in value:
        return int(value["i"])
    if "list" in value and "s" in value["list"]:
        return [base64.b64decode(item).decode() for item in value["list"]["s"]]
    if "list" in value:
        return [int(item) for item in value["list"].get("i", ())]
    return next(iter(value.values()), None)


def _source(reference: str) -> tuple[str, int]:
    name, _, index = reference.partition(":")
    return name, int(index or 0)


def _in_order(graph: Graph) -> list[str]:
    """Names such that every node comes after its inputs."""
    order: dict[str, None] = {}
    pending = list(reversed(graph.nodes))
    while pending:
        name = pending[-1]
        waiting = [source for source, _ in map(_source, graph.nodes[name].inputs) if source not in order]
        pending.extend(waiting)
        if not waiting:
            order.setdefault(pending.pop())
    return list(order)


def _require(node: Node, key: str, expected: Any) -> None:
    if (found := node.attributes.get(key, expected)) != expected:
        raise NotImplementedError(f"{node.op} with {key}={found} of node {node.name}")


def _windows(x: Array, kernel: tuple[int, int], strides: list[int]) -> list[list[Array]]:
    """For each cell (i, j) of the kernel, the (N, H', W', C) picture of what it sees in a VALID sliding window."""
    rows = (x.shape[1] - kernel[0]) // strides[1] + 1
    columns = (x.shape[2] - kernel[1]) // strides[2] + 1
    return [
        [
            x[:, i : i + (rows - 1) * strides[1] + 1 : strides[1], j : j + (columns - 1) * strides[2] + 1 : strides[2]]
            for j in range(kernel[1])
        ]
        for i in range(kernel[0])
    ]


def _padded(node: Node, x: Array, kernel: Array) -> Array:
    """x for a VALID window: SAME gives ceil(side / stride) windows, the odd pixel of padding right and below."""
    _require(node, "data_format", "NHWC")
    _require(node, "dilations", [1, 1, 1, 1])
    if node.attributes.get("padding") == "SAME":
        amounts = [(0, 0)]
        for axis in (1, 2):
            side, stride = x.shape[axis], node.attributes["strides"][axis]
            total = max((-(-side // stride) - 1) * stride + kernel.shape[axis - 1] - side, 0)
            amounts.append((total // 2, total - total // 2))
        return np.pad(x, [*amounts, (0, 0)])
    _require(node, "padding", "VALID")
    return x


def _conv2d(node: Node, x: Array, kernel: Array) -> Array:
    """x (N, H, W, in), kernel (kh, kw, in, out); a sum over the kernel's cells of one matrix product each."""
    views = _windows(_padded(node, x, kernel), kernel.shape[:2], node.attributes["strides"])
    total: Array = np.zeros((*views[0][0].shape[:3], kernel.shape[3]), np.float64)
    for i, row in enumerate(views):
        for j, view in enumerate(row):
            total += view @ kernel[i, j]
    return total.astype(x.dtype)


def _depthwise(node: Node, x: Array, kernel: Array) -> Array:
    """x (N, H, W, C), kernel (kh, kw, C, 1)."""
    if kernel.shape[3] != 1:
        raise NotImplementedError(f"{node.op} with a multiplier of {kernel.shape[3]} of node {node.name}")
    views = _windows(_padded(node, x, kernel), kernel.shape[:2], node.attributes["strides"])
    total: Array = np.zeros(views[0][0].shape, np.float64)
    for i, row in enumerate(views):
        for j, view in enumerate(row):
            total += view * kernel[i, j, :, 0]
    return total.astype(x.dtype)


def _fused(convolution: Callable[[Node, Array, Array], Array]) -> Callable[..., Array]:
    """The convolution, then a bias and an activation."""

    def run(node: Node, x: Array, kernel: Array, bias: Array) -> Array:
        steps = node.attributes["fused_ops"]
        if steps not in (["BiasAdd"], ["BiasAdd", "Relu6"]):
            raise NotImplementedError(f"{node.op} with {steps} of node {node.name}")
        y = convolution(node, x, kernel) + bias
        return np.clip(y, 0, 6) if "Relu6" in steps else y

    return run


def _max_pool(node: Node, x: Array) -> Array:
    _require(node, "padding", "VALID")
    _require(node, "data_format", "NHWC")
    size = node.attributes["ksize"]
    views = _windows(x, (size[1], size[2]), node.attributes["strides"])
    return np.max([view for row in views for view in row], axis=0)


def _resize_bilinear(node: Node, x: Array, size: Array) -> Array:
    """x (N, H, W, C) at pixel centres: output i looks at (i + 0.5) * scale - 0.5, clamped to the picture."""
    _require(node, "half_pixel_centers", True)
    _require(node, "align_corners", False)
    for axis, length in ((1, int(size[0])), (2, int(size[1]))):
        at = np.clip((np.arange(length) + 0.5) * (x.shape[axis] / length) - 0.5, 0, x.shape[axis] - 1)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, x.shape[axis] - 1)
        weight = (at - low).astype(x.dtype).reshape([-1 if i == axis else 1 for i in range(4)])
        x = np.take(x, low, axis) * (1 - weight) + np.take(x, high, axis) * weight
    return x


def _sparse_to_dense(_: Node, indices: Array, shape: Array, values: Array, default: Array) -> Array:
    dense = np.full(tuple(shape), default)
    for index, value in zip(indices, np.broadcast_to(values, len(indices)), strict=True):
        dense[tuple(np.atleast_1d(index))] = value
    return dense


def _split_v(_: Node, x: Array, sizes: Array, axis: Array) -> list[Array]:
    return np.split(x, np.cumsum(sizes)[:-1], int(axis))


OPERATIONS: dict[str, Callable[..., Array | list[Array]]] = {
    "Add": lambda _, a, b: a + b,
    "AddV2": lambda _, a, b: a + b,
    "_FusedConv2D": _fused(_conv2d),
    "FusedDepthwiseConv2dNative": _fused(_depthwise),
    "ConcatV2": lambda _, *parts: np.concatenate(parts[:-1], int(parts[-1])),
    "Conv2D": _conv2d,
    "Identity": lambda _, x: x,
    "LeakyRelu": lambda node, x: np.where(x > 0, x, x * np.float32(node.attributes["alpha"])),
    "MaxPool": _max_pool,
    "Pad": lambda _, x, amounts: np.pad(x, amounts),
    "PadV2": lambda _, x, amounts, value: np.pad(x, amounts, constant_values=value),
    "Reshape": lambda _, x, shape: x.reshape(shape),
    "ResizeBilinear": _resize_bilinear,
    "Sigmoid": lambda _, x: 1 / (1 + np.exp(-x)),
    "SparseToDense": _sparse_to_dense,
    "SplitV": _split_v,
    "Transpose": lambda _, x, order: np.transpose(x, order),
}
