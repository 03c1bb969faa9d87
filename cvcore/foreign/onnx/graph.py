"""The graph of an ONNX file, run node by node."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from cvcore.foreign.errors import ModelError, short
from cvcore.foreign.inputs import Asked
from cvcore.foreign.onnx.node import Node, read_by
from cvcore.foreign.onnx.reading import TYPES, constant, read_model, to_torch


class Branch(nn.Module):
    """A part of the tree of names. It does not run: the graph's nodes do."""

    def type_name(self) -> str:
        return ""


class OnnxNetwork(nn.Module):
    """Runs a graph. Every node is a module named as in the file: ``/layer1/layer1.0/conv1/Conv`` is ``layer1.0.conv1.Conv``.

    Args:
        model: an ``onnx.ModelProto`` as :func:`cvcore.foreign.onnx.reading.read_model` gives it.

    Attributes:
        asked: its inputs, in the graph's order.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        graph = model.graph
        shared: dict[str, nn.Parameter | Tensor] = {}
        others: dict[str, Any] = {}  # of kinds that only the runtime has
        for initializer in graph.initializer:
            _keep(initializer, shared, others)
        inputs = [value for value in graph.input if value.name not in shared and value.name not in others]
        self.asked = tuple(_asked(value) for value in inputs)
        self.output_names = tuple(value.name for value in graph.output)
        opset = {one.domain or "ai.onnx": one.version for one in model.opset_import}
        self._steps: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []
        for number, proto in enumerate(graph.node):
            held = constant(proto) if proto.op_type == "Constant" and proto.domain in ("", "ai.onnx") else None
            if held is not None:
                _keep(held, shared, others)
                continue
            reads = tuple(read_by(proto))
            known = {name: shared[name] for name in reads if name in shared}
            node = Node(proto, known, [others[name] for name in reads if name in others], opset, model.ir_version)
            name = self._place(proto.name or f"{proto.op_type}_{number}", node)
            self._steps.append((name, node.inputs, tuple(proto.output)))
        self._constants = {name: shared[name] for name in self.output_names if name in shared}
        self._last_use = self._last_uses()

    def forward(self, *inputs: Any) -> Any:
        """What the graph gives: one output as it is, several as a dict by name."""
        values: dict[str, Any] = dict(self._constants)
        values.update(zip((one.name for one in self.asked), inputs, strict=True))
        for i, (name, reads, outputs) in enumerate(self._steps):
            given = self.get_submodule(name)(*(values[one] for one in reads))
            made = given if isinstance(given, tuple) else (given,)
            values.update((key, value) for key, value in zip(outputs, made, strict=False) if key)
            for key in self._last_use.get(i, ()):
                values.pop(key, None)
        if len(self.output_names) == 1:
            return values[self.output_names[0]]
        return {name: values[name] for name in self.output_names}

    @property
    def takes_one(self) -> bool:
        """Whether it can be called with one tensor."""
        return len(self.asked) == 1

    def arrange_inputs(self, values: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments of :meth:`forward`, from values by the inputs' names."""
        return tuple(values[one.name] for one in self.asked), {}

    def _place(self, name: str, node: Node) -> str:
        """Hangs a node into the tree; returns its dotted name."""
        *above, last = _parts(name)
        at: nn.Module = self
        path = []
        for part in above:
            while not isinstance(at._modules.get(part), Branch) and hasattr(at, part):
                part += "_"
            if part not in at._modules:
                at.add_module(part, Branch())
            at = at.get_submodule(part)
            path.append(part)
        own, number = last, 1
        while hasattr(at, own):
            number += 1
            own = f"{last}_{number}"
        at.add_module(own, node)
        return ".".join((*path, own))

    def _last_uses(self) -> dict[int, list[str]]:
        last: dict[str, int] = {}
        for i, (_, inputs, outputs) in enumerate(self._steps):
            last.update(dict.fromkeys((*inputs, *outputs), i))
        found: dict[int, list[str]] = {}
        for name, i in last.items():
            if name not in self.output_names:
                found.setdefault(i, []).append(name)
        return found


def load_onnx(path: Path) -> OnnxNetwork:
    """The network of a file.

    Raises:
        ModelError: a package is missing, the file is missing or damaged, or something in it is not supported.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise ModelError(
            "ONNX files need the packages onnx and onnxruntime: pip install 'cv-explorer[onnx]'."
        ) from error
    try:
        return OnnxNetwork(read_model(path))
    except ModelError:
        raise
    except FileNotFoundError as error:
        raise ModelError("The file {file} does not exist.", file=path.name) from error
    except Exception as error:  # protobuf's and the checker's own kinds
        raise ModelError("{file} is damaged, or no ONNX file: {what}", file=path.name, what=short(error)) from error


def _parts(name: str) -> list[str]:
    """The path of a node's name; the exporter's ``/layer1/layer1.0/conv1/Conv`` repeats what is above."""
    parts: list[str] = []
    for part in name.strip("/").replace("::", "/").split("/"):
        own = part.removeprefix(".".join(parts[-1:]) + ".") if parts else part
        parts += [one for one in own.split(".") if one]
    return parts or ["node"]


def _keep(proto: Any, shared: dict[str, nn.Parameter | Tensor], others: dict[str, Any]) -> None:
    """Numbers with sides are parameters, so that they are counted, moved and rounded."""
    tensor = to_torch(proto)
    if tensor is None:
        others[proto.name] = proto
    elif tensor.is_floating_point() and tensor.ndim:
        shared[proto.name] = nn.Parameter(tensor, requires_grad=False)
    else:
        shared[proto.name] = tensor


def _asked(value: Any) -> Asked:
    kind = value.type
    if not kind.HasField("tensor_type"):
        raise ModelError("The network’s input {name} is no tensor; only tensors can be given.", name=value.name)
    dtype = TYPES.get(kind.tensor_type.elem_type)
    if dtype is None:
        raise ModelError(
            "The network’s input {name} is text or numbers of a kind that cannot be given.", name=value.name
        )
    if not kind.tensor_type.HasField("shape"):
        return Asked(value.name, None, dtype)
    sides = kind.tensor_type.shape.dim
    shape = tuple(side.dim_value if side.HasField("dim_value") and side.dim_value > 0 else None for side in sides)
    return Asked(value.name, shape, dtype)
