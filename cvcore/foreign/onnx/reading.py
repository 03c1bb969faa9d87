"""An ONNX file as one plain graph: weights from files beside it, functions of its own written out, sparse weights unfolded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cvcore.foreign.errors import ModelError

TYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
    14: "complex64",
    15: "complex128",
    16: "bfloat16",
}
"""Names of torch's types by the numbers of ``onnx.TensorProto``."""
SCALARS = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}


def read_model(path: Path) -> Any:
    """An ``onnx.ModelProto`` without functions and sparse weights, its weights in it.

    Raises:
        ModelError: weights that lie in another file are not there.
        Exception: protobuf's and onnx's own, where it is damaged.
    """
    import onnx
    from onnx import inliner
    from onnx.external_data_helper import load_external_data_for_model, uses_external_data

    model = onnx.load(path, load_external_data=False)
    if not model.graph.node:
        raise ValueError("no nodes")
    if model.functions:
        model = inliner.inline_local_functions(model)
    for tensor in tensors(model.graph):
        if uses_external_data(tensor):
            place = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
            if not (path.parent / place).is_file():
                raise ModelError(
                    "{file} keeps its weights in {other}, which does not lie beside it.",
                    file=path.name,
                    other=place or "–",
                )
    load_external_data_for_model(model, str(path.parent))
    for sparse in model.graph.sparse_initializer:
        model.graph.initializer.append(dense(sparse))
    del model.graph.sparse_initializer[:]
    return model


def tensors(graph: Any) -> Iterator[Any]:
    """All weights of a graph and of those in its nodes."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for below in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield from tensors(below)


def dense(sparse: Any) -> Any:
    """A sparse weight as an ordinary one, of its name: indices count along the whole tensor, or along each side."""
    from onnx import numpy_helper

    values, indices = numpy_helper.to_array(sparse.values), numpy_helper.to_array(sparse.indices)
    whole = np.zeros(tuple(sparse.dims), values.dtype)
    if indices.ndim == 1:
        whole.reshape(-1)[indices] = values
    else:
        whole[tuple(indices.T)] = values
    return numpy_helper.from_array(whole, sparse.values.name)


def to_torch(proto: Any) -> Tensor | None:
    """A weight; None where torch has no such numbers (text, 4 bits): only ONNX Runtime can then use it."""
    from onnx import numpy_helper

    if proto.data_type not in TYPES:
        return None
    array = numpy_helper.to_array(proto)
    if proto.data_type == 16:
        return torch.from_numpy(array.copy().view(np.int16)).view(torch.bfloat16)
    return tensor_of(array.copy())


def tensor_of(array: Any) -> Tensor:
    """An array as a tensor on the same memory; of C's two types of 64 bits torch knows one."""
    same = {"q": np.int64, "Q": np.uint64}.get(array.dtype.char)
    return torch.from_numpy(array if same is None else array.view(same))


def constant(node: Any) -> Any:
    """What a node of type Constant holds, as a weight of its output's name; None where only ONNX Runtime knows."""
    from onnx import numpy_helper

    attribute = node.attribute[0]
    if attribute.name == "value":
        made = type(attribute.t)()
        made.CopyFrom(attribute.t)
    elif attribute.name == "sparse_value":
        made = dense(attribute.sparse_tensor)
    elif attribute.name in SCALARS:
        field = {"value_float": "f", "value_floats": "floats", "value_int": "i", "value_ints": "ints"}[attribute.name]
        made = numpy_helper.from_array(np.array(getattr(attribute, field), SCALARS[attribute.name]))
    else:
        return None
    made.name = node.output[0]
    return made
