"""ONNX operators that torch has with the same meaning (https://onnx.ai/onnx/operators): with these a network keeps its
gradients, its receptive fields, its device and its precision. What is not here, or is used in an unusual way, is left to ONNX Runtime.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cvcore.foreign.onnx.reading import TYPES

Native = Callable[[list[Any]], Any]
"""From the node's inputs in order, None for one left out, to its output or outputs."""
Attributes = dict[str, Any]

PLAIN: dict[str, Callable[..., Tensor]] = {
    "Abs": torch.abs,
    "Add": torch.add,
    "Cos": torch.cos,
    "Div": lambda a, b: torch.div(a, b, rounding_mode=None if a.is_floating_point() else "trunc"),
    "Dropout": lambda x, *_: x,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "HardSwish": F.hardswish,
    "Identity": lambda x: x,
    "Log": torch.log,
    "MatMul": torch.matmul,
    "Mish": F.mish,
    "Mul": torch.mul,
    "Neg": torch.neg,
    "Pow": lambda a, b: torch.pow(a, b if a.is_floating_point() else b.to(torch.float64)).to(a.dtype),
    "Reciprocal": torch.reciprocal,
    "Relu": torch.relu,
    "Sigmoid": torch.sigmoid,
    "Sin": torch.sin,
    "Softplus": F.softplus,
    "Sqrt": torch.sqrt,
    "Sub": torch.sub,
    "Tanh": torch.tanh,
    "GlobalAveragePool": lambda x: x.mean(tuple(range(2, x.ndim)), keepdim=True),
    "GlobalMaxPool": lambda x: x.amax(tuple(range(2, x.ndim)), keepdim=True),
}


def native_operator(proto: Any, constants: Mapping[str, Tensor], opset: Mapping[str, int]) -> Native | None:
    """The operator on torch, or None where torch has none that is surely the same."""
    from onnx import helper

    if proto.domain not in ("", "ai.onnx"):
        return None
    version = opset.get("ai.onnx", 1)
    values = {a.name: helper.get_attribute_value(a) for a in proto.attribute}
    if proto.op_type in PLAIN and version >= 7:
        plain = PLAIN[proto.op_type]
        return (lambda inputs: plain(*inputs)) if len(proto.output) == 1 else None
    known = [constants.get(name) for name in proto.input]
    maker = MAKERS.get(proto.op_type)
    return maker(values, known, version, len(proto.output)) if maker is not None else None


Maker = Callable[[Attributes, Sequence[Tensor | None], int, int], Native | None]


def _even(a: Attributes, dims: int) -> list[int] | None:
    """Padding that is the same at both ends; None where it is not, or is to be worked out from the input's size."""
    if a.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        return None
    pads = list(a.get("pads", [0] * 2 * dims))
    return pads[:dims] if pads[:dims] == pads[dims:] else None


def _conv(a: Attributes, known: Sequence[Tensor | None], version: int, outputs: int) -> Native | None:
    weight = known[1] if len(known) > 1 else None
    dims = weight.ndim - 2 if weight is not None else len(a.get("kernel_shape", ()))
    if dims not in (1, 2, 3) or a.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        return None
    run: Any = (F.conv1d, F.conv2d, F.conv3d)[dims - 1]
    pads = list(a.get("pads", [0] * 2 * dims))
    even = pads[:dims] == pads[dims:]
    # F.pad goes from the last axis to the first, each with its beginning and end.
    uneven = [pads[i + dims * end] for i in reversed(range(dims)) for end in (0, 1)]
    stride, dilation = a.get("strides", [1] * dims), a.get("dilations", [1] * dims)

    def conv(inputs: list[Any]) -> Tensor:
        x, w, b = (*inputs, None)[:3]
        x = x if even else F.pad(x, uneven)
        return run(x, w, b, stride, pads[:dims] if even else 0, dilation, a.get("group", 1))

    return conv


def _conv_transpose(a: Attributes, known: Sequence[Tensor | None], version: int, outputs: int) -> Native | None:
    weight = known[1] if len(known) > 1 else None
    if weight is None or weight.ndim != 4 or "output_shape" in a or (pads := _even(a, 2)) is None:
        return None
    stride, dilation = a.get("strides", [1, 1]), a.get("dilations", [1, 1])
    more = a.get("output_padding", [0, 0])

    def transposed(inputs: list[Any]) -> Tensor:
        x, w, b = (*inputs, None)[:3]
        return F.conv_transpose2d(x, w, b, stride, pads, more, a.get("group", 1), dilation)

    return transposed


def _batch_norm(a: Attributes, known: Sequence[Tensor | None], version: int, outputs: int) -> Native | None:
    if outputs != 1 or a.get("training_mode", 0) or version < 9:
        return None

    def norm(inputs: list[Any]) -> Tensor:
        x, scale, shift, mean, variance = inputs
        return F.batch_norm(x, mean, variance, scale, shift, False, 0.0, a.get("epsilon", 1e-5))

    return norm


def _pool(kind: str) -> Maker:
    def make(a: Attributes, known: Sequence[Tensor | None], version: int, outputs: int) -> Native | None:
        kernel = list(a["kernel_shape"])
        # With a ceiling, ONNX and torch differ in windows that begin in the padding.
        if len(kernel) != 2 or outputs != 1 or (pads := _even(a, 2)) is None or a.get("ceil_mode", 0):
            return None
        if any(2 * pad > side for pad, side in zip(pads, kernel, strict=True)):
            return None
        stride, dilation = a.get("strides", [1, 1]), list(a.get("dilations", [1, 1]))
        if kind == "max":
            return lambda inputs: F.max_pool2d(inputs[0], kernel, stride, pads, dilation)
        if dilation != [1, 1]:
            return None
        counted = bool(a.get("count_include_pad", 0))
        return lambda inputs: F.avg_pool2d(inputs[0], kernel, stride, pads, False, counted)

    return make


def _gemm(a: Attributes, known: Sequence[Tensor | None], version: int, outputs: int) -> Native | None:
    alpha, beta = a.get("alpha", 1.0), a.get("beta", 1.0)

    def gemm(inputs: list[Any]) -> Tensor:
        x, w, b = (*inputs, None)[:3]
        x = x.t() if a.get("transA", 0) else x
        if alpha == 1 and beta == 1 and a.get("transB", 0) and (b is None or b.ndim == 1):
            return F.linear(x, w, b)
        made = alpha * (x @ (w.t() if a.get("transB", 0) else w))
        return made if b is None else made + beta * b

    return gemm


def _clip(a: Attributes, known: Sequence[Tensor | None], version: int, outputs: int) -> Native | None:
    if version < 11:
        return lambda inputs: torch.clamp(inputs[0], a.get("min"), a.get("max"))

    def clip(inputs: list[Any]) -> Tensor:
        x, low, high = (*inputs, None, None)[:3]
        ends = [None if end is None else end.to(x.device, x.dtype) for end in (low, high)]
        if ends[0] is not None:
            x = torch.maximum(x, ends[0])
        return x if ends[1] is None else torch.minimum(x, ends[1])

    return clip


def _flatten(a: Attributes, known: Sequence[Tensor | None], version: int, outputs: int) -> Native | None:
    axis = a.get("axis", 1)
    if axis < 1:
        return None
    return lambda inputs: inputs[0].reshape(*(_product(inputs[0].shape[:axis]), _product(inputs[0].shape[axis:])))


def _product(sides: Sequence[int]) -> int:
    made = 1
    for side in sides:
        made *= side
    return made


def _reshape(a: Attributes, known: Sequence[Tensor | None], version: int, outputs: int) -> Native | None:
    if version < 5 or a.get("allowzero", 0):
        return None

    def reshape(inputs: list[Any]) -> Tensor:
        x, shape = inputs
        return x.reshape([x.shape[i] if side == 0 else side for i, side in enumerate(shape.tolist())])

    return reshape


def _transpose(a: Attributes, known: Sequence[Tensor | None], version: int, outputs: int) -> Native | None:
    def transpose(inputs: list[Any]) -> Tensor:
        return inputs[0].permute(a.get("perm", list(reversed(range(inputs[0].ndim)))))

    return transpose


def _axes(a: Attributes, inputs: list[Any]) -> list[int] | None:
    if "axes" in a:
        return list(a["axes"])
    return inputs[1].tolist() if len(inputs) > 1 and inputs[1] is not None else None


def _unsqueeze(a: Attributes, known: Sequence[Tensor | None], version: int, outputs: int) -> Native | None:
    def unsqueeze(inputs: list[Any]) -> Tensor:
        x, axes = inputs[0], _axes(a, inputs) or []
        rank = x.ndim + len(axes)
        for axis in sorted(axis % rank for axis in axes):
            x = x.unsqueeze(axis)
        return x

    return unsqueeze


def _squeeze(a: Attributes, known: Sequence[Tensor | None], version: int, outputs: int) -> Native | None:
    def squeeze(inputs: list[Any]) -> Tensor:
        axes = _axes(a, inputs)
        return inputs[0].squeeze() if axes is None else inputs[0].squeeze(tuple(axes))

    return squeeze


def _softmax(a: Attributes, known: Sequence[Tensor | None], version: int, outputs: int) -> Native | None:
    # Before version 13 everything from the axis on was one.
    if version < 13:
        return None
    return lambda inputs: inputs[0].softmax(a.get("axis", -1))


def _reduce_mean(a: Attributes, known: Sequence[Tensor | None], version: int, outputs: int) -> Native | None:
    def mean(inputs: list[Any]) -> Tensor:
        axes = _axes(a, inputs)
        if not axes:
            if a.get("noop_with_empty_axes", 0):
                return inputs[0]
            axes = list(range(inputs[0].ndim))
        return inputs[0].mean(axes, keepdim=bool(a.get("keepdims", 1)))

    return mean


def _split(a: Attributes, known: Sequence[Tensor | None], version: int, outputs: int) -> Native | None:
    axis = a.get("axis", 0)

    def split(inputs: list[Any]) -> tuple[Tensor, ...]:
        x = inputs[0]
        sizes = a.get("split") or (inputs[1].tolist() if len(inputs) > 1 and inputs[1] is not None else None)
        if sizes is None:
            return tuple(x.split(-(-x.shape[axis] // outputs), axis))
        return tuple(x.split(list(sizes), axis))

    return split


def _slice(a: Attributes, known: Sequence[Tensor | None], version: int, outputs: int) -> Native | None:
    # Steps that go back are left to the runtime.
    if version < 10 or (len(known) > 4 and (known[4] is None or bool((known[4] < 1).any()))):
        return None

    def cut(inputs: list[Any]) -> Tensor:
        x, starts, ends, axes, steps = (*inputs, None, None)[:5]
        begin, end = starts.tolist(), ends.tolist()
        over = range(len(begin)) if axes is None else axes.tolist()
        stride = [1] * len(begin) if steps is None else steps.tolist()
        for axis, b, e, s in zip(over, begin, end, stride, strict=True):
            part = [slice(None)] * x.ndim
            part[axis] = slice(b, e, s)
            x = x[tuple(part)]
        return x

    return cut


def _layer_norm(a: Attributes, known: Sequence[Tensor | None], version: int, outputs: int) -> Native | None:
    if outputs != 1:
        return None

    def norm(inputs: list[Any]) -> Tensor:
        x, scale, shift = (*inputs, None)[:3]
        return F.layer_norm(x, x.shape[a.get("axis", -1) :], scale, shift, a.get("epsilon", 1e-5))

    return norm


def _leaky(a: Attributes, known: Sequence[Tensor | None], version: int, outputs: int) -> Native | None:
    return lambda inputs: F.leaky_relu(inputs[0], a.get("alpha", 0.01))


def _elu(a: Attributes, known: Sequence[Tensor | None], version: int, outputs: int) -> Native | None:
    return lambda inputs: F.elu(inputs[0], a.get("alpha", 1.0))


def _gelu(a: Attributes, known: Sequence[Tensor | None], version: int, outputs: int) -> Native | None:
    return lambda inputs: F.gelu(inputs[0], approximate=a.get("approximate", b"none").decode())


def _hard_sigmoid(a: Attributes, known: Sequence[Tensor | None], version: int, outputs: int) -> Native | None:
    return lambda inputs: (inputs[0] * a.get("alpha", 0.2) + a.get("beta", 0.5)).clamp(0, 1)


def _cast(a: Attributes, known: Sequence[Tensor | None], version: int, outputs: int) -> Native | None:
    """Also of half networks, whose gradients would otherwise end here."""
    name = TYPES.get(a["to"]) if not isinstance(a["to"], bytes) else None
    if name is None or name.startswith("complex"):
        return None
    wanted: torch.dtype = getattr(torch, name)
    return lambda inputs: inputs[0].to(wanted)


def _concat(a: Attributes, known: Sequence[Tensor | None], version: int, outputs: int) -> Native | None:
    return lambda inputs: torch.cat(inputs, a["axis"])


def _shape_of(a: Attributes, known: Sequence[Tensor | None], version: int, outputs: int) -> Native | None:
    if a.get("start", 0) or "end" in a:
        return None
    return lambda inputs: torch.tensor(inputs[0].shape)


MAKERS: dict[str, Maker] = {
    "AveragePool": _pool("average"),
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Elu": _elu,
    "Flatten": _flatten,
    "Gelu": _gelu,
    "Gemm": _gemm,
    "HardSigmoid": _hard_sigmoid,
    "LayerNormalization": _layer_norm,
    "LeakyRelu": _leaky,
    "MaxPool": _pool("max"),
    "ReduceMean": _reduce_mean,
    "Reshape": _reshape,
    "Shape": _shape_of,
    "Slice": _slice,
    "Softmax": _softmax,
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
