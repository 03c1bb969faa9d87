"""One node of an ONNX graph as a module: torch's own operator where it means the same, ONNX Runtime otherwise."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cvcore.foreign.errors import ModelError, short
from cvcore.foreign.onnx.native import Native, native_operator


class Node(nn.Module):
    """Called with what the node reads from other nodes; its constants are its own parameters and buffers.

    Args:
        proto: an ``onnx.NodeProto``.
        constants: what it reads that is known beforehand, by name.
        opset: versions of the operators, by domain.
        ir: version of the file's format.
    """

    def __init__(self, proto: Any, constants: Mapping[str, Tensor], opset: Mapping[str, int], ir: int) -> None:
        super().__init__()
        reads = tuple(read_by(proto))
        self.op_type: str = proto.op_type
        self.inputs = tuple(name for name in reads if name not in constants)
        self.native: Native | None = native_operator(proto, constants, opset)
        self._proto, self._opset, self._ir, self._reads = proto, opset, ir, reads
        self._sessions: dict[tuple[Any, ...], Any] = {}
        self._slots: list[str | int] = []
        for name in reads:
            if name not in constants:
                self._slots.append(self.inputs.index(name))
                continue
            value, slot = constants[name], _slot(len(self._slots))
            self._slots.append(slot)
            if isinstance(value, nn.Parameter):
                self.register_parameter(slot, value)
            elif value.ndim == 0 or value.dtype == torch.int64:
                # Shapes and axes stay on the host, where they are read.
                object.__setattr__(self, slot, value)
            else:
                self.register_buffer(slot, value)

    def type_name(self) -> str:
        """What :func:`cvcore.record.describe` calls it."""
        return self.op_type

    def forward(self, *given: Tensor) -> Any:
        values = [given[slot] if isinstance(slot, int) else getattr(self, slot) for slot in self._slots]
        by_name = dict(zip(self._reads, values, strict=True))
        if self.native is not None:
            return self.native([by_name[name] if name else None for name in self._proto.input])
        return self._run(by_name)

    def _run(self, values: Mapping[str, Tensor]) -> Any:
        """By ONNX Runtime, on the host, in the precision of the file."""
        device = next((t.device for t in values.values() if t.device.type != "cpu"), torch.device("cpu"))
        floats = next((t.dtype for t in values.values() if t.is_floating_point()), torch.float32)
        feeds = {
            name: (t.float() if t.dtype == torch.bfloat16 else t).detach().cpu().contiguous().numpy()
            for name, t in values.items()
        }
        key = tuple(array.dtype.str for array in feeds.values())
        try:
            if key not in self._sessions:
                self._sessions[key] = self._session(feeds)
            made = self._sessions[key].run(None, feeds)
        except Exception as error:  # the runtime's own kinds
            raise ModelError("The ONNX operator {name} failed: {what}", name=self.op_type, what=short(error)) from error
        if not all(isinstance(array, np.ndarray) for array in made):
            raise ModelError("The ONNX operator {name} gives something else than arrays.", name=self.op_type)
        outputs = tuple(torch.from_numpy(np.ascontiguousarray(array)).to(device) for array in made)
        if floats == torch.bfloat16:
            outputs = tuple(t.to(floats) if t.is_floating_point() else t for t in outputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def _session(self, feeds: Mapping[str, Any]) -> Any:
        import onnxruntime
        from onnx import helper

        def info(name: str, array: Any) -> Any:
            return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), None)

        outputs = [helper.make_empty_tensor_value_info(name) for name in self._proto.output if name]
        graph = helper.make_graph([self._proto], "node", [info(*item) for item in feeds.items()], outputs)
        opsets = [helper.make_opsetid("" if d == "ai.onnx" else d, v) for d, v in self._opset.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=self._ir)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _slot(number: int) -> str:
    return ("data", "weight", "bias")[number] if number < 3 else f"constant{number}"


def read_by(proto: Any) -> Iterable[str]:
    """Names of the values a node reads, also those that its subgraphs read from outside."""
    names = dict.fromkeys(name for name in proto.input if name)
    for attribute in proto.attribute:
        graphs = [attribute.g] if attribute.HasField("g") else list(attribute.graphs)
        for graph in graphs:
            inside = {v.name for v in graph.input} | {t.name for t in graph.initializer}
            for below in graph.node:
                names |= dict.fromkeys(name for name in read_by(below) if name not in inside)
                inside.update(below.output)
            names |= dict.fromkeys(v.name for v in graph.output if v.name not in inside)
    return names
