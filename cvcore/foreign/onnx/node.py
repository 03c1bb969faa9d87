"""One node of an ONNX graph as a module: torch's own operator where it means the same, ONNX Runtime otherwise."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cvcore.foreign.errors import ModelError, short
from cvcore.foreign.onnx.native import Native, native_operator
from cvcore.foreign.onnx.reading import tensor_of

SESSIONS = 16
"""Kept of one node: one is enough unless it is called with ever other types or shapes."""


class Node(nn.Module):
    """Called with what the node reads from other nodes; its constants are its own parameters and buffers.

    Args:
        proto: an ``onnx.NodeProto``.
        constants: what it reads that is known beforehand, by name.
        others: weights of kinds that only ONNX Runtime has (``onnx.TensorProto``).
        opset: versions of the operators, by domain.
        ir: version of the file's format.
    """

    def __init__(
        self, proto: Any, constants: Mapping[str, Tensor], others: Sequence[Any], opset: Mapping[str, int], ir: int
    ) -> None:
        super().__init__()
        held = {one.name for one in others}
        reads = tuple(name for name in read_by(proto) if name not in held)
        self.op_type: str = proto.op_type
        self.inputs = tuple(name for name in reads if name not in constants)
        self.native: Native | None = None if others else native_operator(proto, constants, opset)
        self._proto, self._others, self._opset, self._ir, self._reads = proto, tuple(others), opset, ir, reads
        self._sessions: dict[tuple[Any, ...], Any] = {}
        self._slots: list[str | int] = []
        # Tells in which precision the network is now: a node without weights has nothing else to know it by.
        self.register_buffer("precision", torch.zeros(()), persistent=False)
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
            try:
                made = self.native([by_name[name] if name else None for name in self._proto.input])
            except (torch.OutOfMemoryError, MemoryError):
                raise
            except Exception:  # not for these types or shapes; the runtime says what is wrong, if anything is
                return self._run(by_name)
            return self._in_precision(made)
        return self._run(by_name)

    def _in_precision(self, made: Any) -> Any:
        """What is float32 by the file's own words (Cast) follows the network when that is moved to another precision."""
        wanted = self.precision.dtype
        if self.op_type != "Cast" or wanted == torch.float32 or not made.is_floating_point():
            return made
        return made.to(wanted)

    def _run(self, values: Mapping[str, Any]) -> Any:
        """By ONNX Runtime, on the host, in the precision of the file."""
        flat = [t for value in values.values() for t in (value if isinstance(value, list) else [value])]
        tensors = [t for t in flat if isinstance(t, Tensor)]
        device = next((t.device for t in tensors if t.device.type != "cpu"), torch.device("cpu"))
        narrow = any(t.dtype == torch.bfloat16 for t in tensors)
        feeds = {name: _fed(value) for name, value in values.items()}
        try:
            made = self._made(feeds)
        except Exception:
            try:
                made = self._made(feeds, known=True)
            except Exception as error:  # the runtime's own kinds
                raise ModelError(
                    "The ONNX operator {name} failed: {what}", name=self.op_type, what=short(error)
                ) from error
        given = iter(made)
        outputs = tuple(_taken(next(given), device, narrow=narrow) if name else None for name in self._proto.output)
        return outputs[0] if len(outputs) == 1 else outputs

    def _made(self, feeds: Mapping[str, Any], *, known: bool = False) -> Any:
        """What a session gives for these values.

        Args:
            known: the session is for just these shapes, and for just these values of what can be sizes and axes: some operators can be
                made for nothing else.
        """
        sizes = {name: value for name, value in feeds.items() if known and _is_sizes(value)}
        key = (*map(_kind, feeds.values()), *map(np.shape, feeds.values() if known else ()))
        key += tuple(value.tobytes() for value in sizes.values())
        if key not in self._sessions:
            if len(self._sessions) > SESSIONS:
                self._sessions.clear()
            self._sessions[key] = self._session(feeds, sizes, shaped=known)
        return self._sessions[key].run(None, {name: value for name, value in feeds.items() if name not in sizes})

    def _session(self, feeds: Mapping[str, Any], sizes: Mapping[str, Any], *, shaped: bool) -> Any:
        import onnxruntime
        from onnx import helper, numpy_helper

        inputs = [_info(name, value, shaped=shaped) for name, value in feeds.items() if name not in sizes]
        outputs = [helper.make_empty_tensor_value_info(name) for name in self._proto.output if name]
        held = [*self._others, *(numpy_helper.from_array(value, name) for name, value in sizes.items())]
        graph = helper.make_graph([self._proto], "node", inputs, outputs, initializer=held)
        opsets = [helper.make_opsetid("" if d == "ai.onnx" else d, v) for d, v in self._opset.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=self._ir)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4  # what fails is raised
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def __getstate__(self) -> dict[str, Any]:
        """Without the sessions: a copy makes its own."""
        return {**self.__dict__, "_sessions": {}}


def _fed(value: Any) -> Any:
    """A tensor, or a sequence of such, as ONNX Runtime takes it; text stays as the runtime gave it."""
    if isinstance(value, list):
        return [_fed(one) for one in value]
    if not isinstance(value, Tensor):
        return value
    return (value.float() if value.dtype == torch.bfloat16 else value).detach().cpu().contiguous().numpy()


def _taken(made: Any, device: torch.device, *, narrow: bool) -> Any:
    if isinstance(made, list):
        return [_taken(one, device, narrow=narrow) for one in made]
    if not isinstance(made, np.ndarray):
        made = np.asarray(made)
    if made.dtype == object:
        return made
    tensor = tensor_of(made if made.flags.c_contiguous and made.flags.writeable else made.copy()).to(device)
    return tensor.to(torch.bfloat16) if narrow and tensor.is_floating_point() else tensor


def _is_sizes(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.int64 and value.size <= 64


def _kind(value: Any) -> Any:
    """What a session is made for."""
    return ("sequence", _kind(value[0]) if value else "<f4") if isinstance(value, list) else value.dtype.str


def _info(name: str, value: Any, *, shaped: bool) -> Any:
    from onnx import TensorProto, helper

    def element(array: Any) -> int:
        return TensorProto.STRING if array.dtype == object else int(helper.np_dtype_to_tensor_dtype(array.dtype))

    if isinstance(value, list):
        return helper.make_tensor_sequence_value_info(name, element(value[0]) if value else TensorProto.FLOAT, None)
    return helper.make_tensor_value_info(name, element(value), value.shape if shaped else None)


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
