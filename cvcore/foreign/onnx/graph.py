"""The graph of an ONNX file, run node by node."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cvcore.foreign.errors import ModelError, short
from cvcore.foreign.onnx.node import Node, read_by


class Branch(nn.Module):
    """A part of the tree of names. It does not run: the graph's nodes do."""

    def type_name(self) -> str:
        return ""


class OnnxNetwork(nn.Module):
    """Runs a graph. Every node is a module named as in the file: ``/layer1/layer1.0/conv1/Conv`` is ``layer1.0.conv1.Conv``.

    Args:
        model: an ``onnx.ModelProto`` with its weights loaded.

    Attributes:
        input_shape: of the one input, None for sides of any length.
    """

    def __init__(self, model: Any) -> None:
        from onnx import numpy_helper

        super().__init__()
        graph = model.graph
        constants: dict[str, Tensor] = {}
        for initializer in graph.initializer:
            constants[initializer.name] = _tensor(numpy_helper.to_array(initializer))
        inputs = [value for value in graph.input if value.name not in constants]
        if len(inputs) != 1:
            raise ModelError("The network takes {count} inputs; one picture is what can be given.", count=len(inputs))
        self.input_name = inputs[0].name
        self.input_shape = _shape(inputs[0])
        self.output_names = tuple(value.name for value in graph.output)
        opset = {one.domain or "ai.onnx": one.version for one in model.opset_import}
        shared: dict[str, nn.Parameter | Tensor] = {
            name: nn.Parameter(t, requires_grad=False) if t.is_floating_point() and t.ndim else t
            for name, t in constants.items()
        }
        self._steps: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []
        for number, proto in enumerate(graph.node):
            if proto.op_type == "Constant" and proto.attribute[0].name == "value":
                shared[proto.output[0]] = _tensor(numpy_helper.to_array(proto.attribute[0].t))
                continue
            known = {name: shared[name] for name in read_by(proto) if name in shared}
            node = Node(proto, known, opset, model.ir_version)
            name = self._place(proto.name or f"{proto.op_type}_{number}", node)
            self._steps.append((name, node.inputs, tuple(proto.output)))
        self._constants = {name: shared[name] for name in self.output_names if name in shared}
        self._last_use = self._last_uses()

    def forward(self, x: Tensor) -> Any:
        """What the graph gives: one output as it is, several as a dict by name."""
        values: dict[str, Any] = {self.input_name: x, **self._constants}
        for i, (name, inputs, outputs) in enumerate(self._steps):
            given = self.get_submodule(name)(*(values[one] for one in inputs))
            made = given if isinstance(given, tuple) else (given,)
            values.update((key, value) for key, value in zip(outputs, made, strict=False) if key)
            for key in self._last_use.get(i, ()):
                values.pop(key, None)
        if len(self.output_names) == 1:
            return values[self.output_names[0]]
        return {name: values[name] for name in self.output_names}

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
        import onnx
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise ModelError(
            "ONNX files need the packages onnx and onnxruntime: pip install 'cv-explorer[onnx]'."
        ) from error
    try:
        model = onnx.load(path)
        if not model.graph.node:
            raise ValueError("no nodes")
        return OnnxNetwork(model)
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


def _tensor(array: Any) -> Tensor:
    try:
        return torch.from_numpy(array.copy())
    except TypeError as error:
        raise ModelError(
            "The network holds numbers of a kind that is not supported ({kind}).", kind=array.dtype
        ) from error


def _shape(value: Any) -> tuple[int | None, ...]:
    sides = value.type.tensor_type.shape.dim
    return tuple(side.dim_value if side.HasField("dim_value") and side.dim_value > 0 else None for side in sides)
