"""Networks from ONNX files: whatever ONNX Runtime runs gives what ONNX Runtime gives, node by node on torch and on the runtime."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cvcore.attribution import grad_cam
from cvcore.copying import copied
from cvcore.foreign import (
    Given,
    InputsError,
    ModelError,
    Source,
    asked_by,
    in_precision,
    input_shape,
    load_network,
    try_network,
)
from cvcore.record import describe
from tests.cvcore.foreign_for_tests import onnx_model, save_onnx
from tests.cvcore.onnx_cases import by_runtime, close, run_cases

pytest.importorskip("onnx")
X = torch.linspace(-1, 1, 3 * 64 * 64).reshape(1, 3, 64, 64)
Array = NDArray[Any]


def test_an_onnx_file(tmp_path: Path) -> None:
    import onnxruntime

    save_onnx(tmp_path / "net.onnx")
    network = load_network(Source(str(tmp_path / "net.onnx")))
    wanted = onnxruntime.InferenceSession(tmp_path / "net.onnx").run(None, {"x": X.numpy()})[0]
    assert np.allclose(network(X).numpy(), wanted, atol=1e-5)
    layers = {one.name: one for one in describe(network, X)}
    assert layers["layer1.0.conv.Conv"].type == "Conv"
    assert layers["layer1.0.conv.Conv"].parameters == 8 * 8 * 9
    assert layers["layer1.0.Add"].shapes == ((1, 8, 32, 32),)
    assert layers["layer1"].calls == 0
    trial = try_network(network, X)
    assert trial.classes == 10
    assert not trial.fixed
    assert torch.equal(network.to(torch.bfloat16)(X.bfloat16()).isfinite(), torch.ones(1, 10, dtype=torch.bool))


def test_an_onnx_file_with_a_fixed_size(tmp_path: Path) -> None:
    save_onnx(tmp_path / "net.onnx", [1, 3, 64, 64])
    network = load_network(Source(str(tmp_path / "net.onnx")))
    assert input_shape(network) == (1, 3, 64, 64)
    assert try_network(network, X).fixed
    save_onnx(tmp_path / "net.onnx", [1, 1, 28, 28])
    with pytest.raises(ModelError, match="takes 1 channels; a picture has 3"):
        try_network(load_network(Source(str(tmp_path / "net.onnx"))), X)
    save_onnx(tmp_path / "net.onnx", [4, 3, 64, 64])
    with pytest.raises(ModelError, match="takes 4 pictures at once"):
        try_network(load_network(Source(str(tmp_path / "net.onnx"))), X)


def test_weights_cannot_be_put_into_onnx(tmp_path: Path) -> None:
    save_onnx(tmp_path / "net.onnx")
    with pytest.raises(ModelError, match="has its weights in it"):
        load_network(Source(str(tmp_path / "net.onnx"), weights="w.pt"))


W = np.random.default_rng(1).normal(size=(4, 3, 3, 3)).astype(np.float32)
OPERATORS: list[tuple[str, dict[str, Any], list[Any]]] = [
    ("Conv", {"pads": [1, 0, 0, 2], "strides": [2, 1]}, [W]),
    ("Conv", {"auto_pad": "SAME_UPPER"}, [W]),
    ("Conv", {"group": 3, "dilations": [2, 2]}, [W[:3, :1]]),
    ("ConvTranspose", {"strides": [2, 2], "output_padding": [1, 1]}, [W[:3]]),
    ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, []),
    ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, []),
    ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, []),
    ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}, []),
    ("BatchNormalization", {"epsilon": 0.1}, [np.float32([1, 2, 3]), np.float32([0, 1, 2]), np.float32([0, 0, 1]), np.float32([1, 2, 1])]),
    ("Clip", {}, [np.float32(-0.2)]),
    ("Div", {}, [np.float32([3.0])]),
    ("Pow", {}, [np.float32(2)]),
    ("HardSigmoid", {"alpha": 0.3}, []),
    ("LeakyRelu", {"alpha": 0.3}, []),
    ("Elu", {}, []),
    ("Softmax", {"axis": 1}, []),
    ("ReduceMean", {"axes": [2, 3], "keepdims": 0}, []),
    ("GlobalMaxPool", {}, []),
    ("Transpose", {"perm": [0, 2, 3, 1]}, []),
    ("Transpose", {}, []),
    ("Reshape", {}, [np.array([0, -1])]),
    ("Squeeze", {}, []),
    ("Unsqueeze", {}, [np.array([1, -1])]),
    ("Flatten", {"axis": 2}, []),
    ("Slice", {}, [np.array([0, -5]), np.array([9, 9999]), np.array([2, 3]), np.array([2, 1])]),
    ("Slice", {}, [np.array([8]), np.array([0]), np.array([3]), np.array([-1])]),
    ("LayerNormalization", {"axis": -1}, [np.linspace(1, 2, 11, dtype=np.float32)]),
    ("Resize", {"mode": "linear"}, [np.float32([]), np.float32([1, 1, 2, 2])]),
    ("Erf", {}, []),
    ("Softplus", {}, []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "attributes", "constants"), OPERATORS, ids=lambda part: part if isinstance(part, str) else ""
)
def test_every_operator_gives_what_the_runtime_gives(
    name: str, attributes: dict[str, Any], constants: list[Any]
) -> None:
    import onnxruntime
    from onnx import helper

    from cvcore.foreign.onnx import OnnxNetwork

    known = {f"c{i}": value for i, value in enumerate(constants)}
    model = onnx_model([helper.make_node(name, ["x", *known], ["y"], **attributes)], known)
    x = torch.randn(1, 3, 9, 11, generator=torch.Generator().manual_seed(0))
    wanted = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x.numpy()})[0]
    made = OnnxNetwork(model)(x)
    assert made.shape == wanted.shape
    assert np.allclose(made.numpy(), wanted, atol=1e-5)


def test_subgraphs_and_several_outputs() -> None:
    from onnx import TensorProto, helper

    from cvcore.foreign.onnx import OnnxNetwork

    def branch(name: str, op: str) -> Any:
        value = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        return helper.make_graph([helper.make_node(op, ["x", "two"], [name])], name, [], [value])

    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], keepdims=0),
        helper.make_node("Greater", ["m", "zero"], ["b"]),
        helper.make_node("If", ["b"], ["y"], then_branch=branch("t", "Mul"), else_branch=branch("e", "Add")),
        helper.make_node("Split", ["x"], ["s1", "", "s3"], axis=1),
    ]
    model = onnx_model(nodes, {"two": np.float32(2), "zero": np.float32(0)}, outputs=("y", "s1"))
    network = OnnxNetwork(model)
    up, down = network(torch.ones(1, 3, 4, 4)), network(-torch.ones(1, 3, 4, 4))
    assert torch.equal(up["y"], torch.full((1, 3, 4, 4), 2.0))
    assert torch.equal(down["y"], torch.ones(1, 3, 4, 4))
    assert up["s1"].shape == (1, 1, 4, 4)


def test_onnx_without_its_packages_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModelError, match=r"pip install 'cv-explorer\[onnx\]'"):
        load_network(Source(str(tmp_path / "net.onnx")))


# -- whole files


RANDOM = np.random.default_rng(0)
KERNEL = (RANDOM.normal(size=(4, 3, 3, 3)) * 0.3).astype(np.float32)
HEAD = RANDOM.normal(size=(4, 5)).astype(np.float32)
IMAGE = RANDOM.integers(0, 256, (1, 3, 32, 32)).astype(np.float32)


def save(
    path: Path,
    nodes: Sequence[Any],
    *,
    inputs: Sequence[tuple[str, str, Sequence[Any] | None]] = (("x", "FLOAT", (1, 3, "H", "W")),),
    outputs: Sequence[str] = ("y",),
    weights: dict[str, Array] | None = None,
    others: Sequence[Any] = (),
    sparse: Sequence[Any] = (),
    functions: Sequence[Any] = (),
    opset: int = 17,
    ir: int = 8,
    **more: Any,
) -> Path:
    """A file with this graph; the types of its outputs are left to the reader."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info(name, getattr(TensorProto, kind), shape) for name, kind, shape in inputs],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [*(numpy_helper.from_array(np.asarray(value), name) for name, value in (weights or {}).items()), *others],
        sparse_initializer=list(sparse),
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=ir, functions=list(functions))
    onnx.save(model, path, **more)
    return path


def node(kind: str, reads: str, gives: str, **attributes: Any) -> Any:
    """``node("Conv", "x w", "y")``; a dot stands for an input that is left out."""
    from onnx import helper

    names = [("" if name == "." else name) for name in reads.split()]
    return helper.make_node(kind, names, ["" if name == "." else name for name in gives.split()], **attributes)


def classifier(start: str = "x") -> list[Any]:
    return [
        node("Conv", f"{start} w", "c", pads=[1, 1, 1, 1], name="/conv"),
        node("Relu", "c", "r", name="/act"),
        node("GlobalAveragePool", "r", "g"),
        node("Flatten", "g", "f"),
        node("MatMul", "f h", "y"),
    ]


WEIGHTS = {"w": KERNEL, "h": HEAD}
TYPES = {
    "FLOAT": np.float32,
    "DOUBLE": np.float64,
    "FLOAT16": np.float16,
    "UINT8": np.uint8,
    "INT8": np.int8,
    "INT16": np.int16,
    "UINT16": np.uint16,
    "INT32": np.int32,
    "UINT32": np.uint32,
    "INT64": np.int64,
}


@pytest.mark.parametrize("kind", TYPES)
def test_an_input_of_any_type_gets_that_type(tmp_path: Path, kind: str) -> None:
    from onnx import TensorProto

    start = [node("Cast", "x", "xf", to=TensorProto.FLOAT), node("Div", "xf top", "xn")]
    path = save(
        tmp_path / "net.onnx",
        [*start, *classifier("xn")],
        inputs=[("x", kind, (1, 3, "H", "W"))],
        weights={**WEIGHTS, "top": np.float32(255)},
    )
    network = load_network(Source(str(path)))
    assert asked_by(network)[0].dtype == np.dtype(TYPES[kind]).name
    # Halves between whole numbers are rounded, what is out of range is cut.
    pixels = IMAGE + 0.25 - 60
    limits = np.iinfo(TYPES[kind]) if np.dtype(TYPES[kind]).kind in "iu" else None
    given = pixels if limits is None else pixels.round().clip(limits.min, limits.max)
    wanted = by_runtime(path, {"x": given.astype(TYPES[kind])})[0]
    assert close(network(torch.from_numpy(pixels)), wanted)
    assert try_network(network, torch.from_numpy(pixels)).classes == 5
    assert grad_cam(network, "act", torch.from_numpy(pixels)).map.shape == (32, 32)


@pytest.mark.parametrize("kind", ["FLOAT16", "DOUBLE"])
def test_a_network_all_in_half_or_double(tmp_path: Path, kind: str) -> None:
    dtype = TYPES[kind]
    weights = {name: value.astype(dtype) for name, value in WEIGHTS.items()}
    path = save(tmp_path / "net.onnx", classifier(), inputs=[("x", kind, (1, 3, "H", "W"))], weights=weights)
    network = load_network(Source(str(path)))
    made = network(torch.from_numpy(IMAGE / 255))
    if kind == "FLOAT16":
        assert close(made, by_runtime(path, {"x": (IMAGE / 255).astype(dtype)})[0], 1e-2)
    else:  # the runtime itself has no convolution in double
        plain = save(tmp_path / "plain.onnx", classifier(), weights=WEIGHTS)
        assert made.dtype == torch.float64
        assert close(made.float(), by_runtime(plain, {"x": IMAGE / 255})[0])
    assert in_precision(network, torch.float32) is network
    assert in_precision(network, torch.bfloat16)(torch.from_numpy(IMAGE / 255).bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("shape", "permuted"),
    [((1, "H", "W", 3), True), ((None, 32, 32, 3), True), ((1, 3, 32, 32), False), (("N", "C", "H", "W"), False)],
)
@pytest.mark.parametrize("kind", ["FLOAT", "UINT8"])
def test_pictures_lie_in_either_way(tmp_path: Path, shape: Sequence[Any], permuted: bool, kind: str) -> None:
    from onnx import TensorProto

    start = [node("Cast", "x", "xf", to=TensorProto.FLOAT)]
    start += [node("Transpose", "xf", "xn", perm=[0, 3, 1, 2])] if permuted else [node("Identity", "xf", "xn")]
    path = save(tmp_path / "net.onnx", [*start, *classifier("xn")], inputs=[("x", kind, shape)], weights=WEIGHTS)
    network = load_network(Source(str(path)))
    given = IMAGE.transpose(0, 2, 3, 1) if permuted else IMAGE
    wanted = by_runtime(path, {"x": np.ascontiguousarray(given).astype(TYPES[kind])})[0]
    assert close(network(torch.from_numpy(IMAGE)), wanted, 1e-2)
    known = input_shape(network)
    assert known[1] in (3, None)
    assert known[2] == (32 if 32 in shape else None)
    assert try_network(network, torch.from_numpy(IMAGE)).fixed == (32 in shape)


def test_a_picture_without_the_first_side_and_one_in_grey(tmp_path: Path) -> None:
    start = [node("Unsqueeze", "x zero", "xn")]
    weights: dict[str, Array] = {**WEIGHTS, "zero": np.array([0])}
    path = save(
        tmp_path / "a.onnx", [*start, *classifier("xn")], inputs=[("x", "FLOAT", (3, "H", "W"))], weights=weights
    )
    wanted = by_runtime(path, {"x": IMAGE[0]})[0]
    assert close(load_network(Source(str(path)))(torch.from_numpy(IMAGE)), wanted, 1e-2)
    path = save(
        tmp_path / "b.onnx",
        classifier(),
        inputs=[("x", "FLOAT", (1, 1, "H", "W"))],
        weights={"w": KERNEL[:, :1], "h": HEAD},
    )
    with pytest.raises(ModelError, match="takes 1 channels; a picture has 3"):
        try_network(load_network(Source(str(path))), X)
    network = load_network(Source(str(path), inputs=(Given("x", "picture", "NCHW grey"),)))
    grey = np.einsum("nchw,c->nhw", IMAGE, [0.299, 0.587, 0.114])[:, None].astype(np.float32)
    assert close(network(torch.from_numpy(IMAGE)), by_runtime(path, {"x": grey})[0], 1e-2)
    assert try_network(network, X).classes == 5


def test_several_inputs_get_what_is_said(tmp_path: Path) -> None:
    nodes = [node("Mul", "input.1 mask", "a"), node("Add", "a shift", "b"), *classifier("b")]
    path = save(
        tmp_path / "net.onnx",
        nodes,
        inputs=[("mask", "FLOAT", (1, 1, "H", "W")), ("input.1", "FLOAT", (1, 3, "H", "W")), ("shift", "FLOAT", ())],
        weights=WEIGHTS,
    )
    with pytest.raises(
        InputsError, match=r"takes several inputs \(mask, input\.1, shift\): say what each of them gets"
    ):
        load_network(Source(str(path)))
    mask = RANDOM.random((32, 32)).astype(np.float32)
    np.save(tmp_path / "mask.npy", mask)
    given = (
        Given("input.1", "picture"),
        Given("mask", "file", str(tmp_path / "mask.npy")),
        Given("shift", "value", "0.5"),
    )
    network = load_network(Source(str(path), inputs=given))
    feeds = {"mask": mask[None, None], "input.1": IMAGE, "shift": np.array(0.5, np.float32)}
    assert close(network(torch.from_numpy(IMAGE)), by_runtime(path, feeds)[0], 1e-2)
    assert close(copied(network)(torch.from_numpy(IMAGE)), by_runtime(path, feeds)[0], 1e-2)
    assert try_network(network, torch.from_numpy(IMAGE)).classes == 5
    with pytest.raises(ModelError, match=r"has no input image; it has mask, input\.1, shift"):
        load_network(Source(str(path), inputs=(Given("image", "picture"),)))
    with pytest.raises(InputsError, match="not said what the network’s input mask gets"):
        load_network(Source(str(path), inputs=(Given("input.1", "picture"),)))


def functions() -> list[Any]:
    """One with an attribute, one that calls it, and one with a branch in it."""
    from onnx import helper

    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    leaky = node("LeakyRelu", "a", "b")
    attribute = leaky.attribute.add()
    attribute.name, attribute.ref_attr_name, attribute.type = "alpha", "slope", 1
    twice = [node("Leaky", "a", "m", domain="own", slope=0.3), node("Leaky", "m", "b", domain="own", slope=0.5)]
    branches = [
        helper.make_graph(
            [node("Leaky", "a", "o", domain="own", slope=slope)], "g", [], [helper.make_empty_tensor_value_info("o")]
        )
        for slope in (0.1, 0.9)
    ]
    whole = [
        node("ReduceMean", "a", "m", keepdims=0),
        node("Constant", "", "zero", value_float=0.0),
        node("Greater", "m zero", "c"),
        node("If", "c", "b", then_branch=branches[0], else_branch=branches[1]),
    ]
    return [
        helper.make_function("own", "Leaky", ["a"], ["b"], [leaky], opsets, ["slope"]),
        helper.make_function("own", "Twice", ["a"], ["b"], twice, opsets),
        helper.make_function("own", "Branch", ["a"], ["b"], whole, opsets),
    ]


@pytest.mark.parametrize("name", ["Leaky", "Twice", "Branch"])
def test_functions_of_the_file_itself(tmp_path: Path, name: str) -> None:
    attributes = {"slope": 0.2} if name == "Leaky" else {}
    nodes = [node("Conv", "x w", "c"), node(name, "c", "y", domain="own", **attributes)]
    path = save(tmp_path / "net.onnx", nodes, weights=WEIGHTS, functions=functions())
    network = load_network(Source(str(path)))
    assert close(network(X), by_runtime(path, {"x": X.numpy()})[0])
    try_network(network, X.clone())


@pytest.mark.parametrize("along", ["the whole", "each side"])
@pytest.mark.parametrize("place", ["initializer", "Constant"])
def test_sparse_weights(tmp_path: Path, along: str, place: str) -> None:
    from onnx import helper, numpy_helper

    values, flat = np.array([1, 2, 3, -4], np.float32), np.array([1, 7, 30, 107])
    indices = flat if along == "the whole" else np.stack(np.unravel_index(flat, KERNEL.shape), 1)
    sparse = helper.make_sparse_tensor(
        numpy_helper.from_array(values, "w"), numpy_helper.from_array(indices.astype(np.int64), "at"), KERNEL.shape
    )
    constant = [] if place == "initializer" else [node("Constant", "", "w", sparse_value=sparse)]
    path = save(
        tmp_path / "net.onnx",
        [*constant, *classifier()],
        weights={"h": HEAD},
        sparse=[sparse] if place == "initializer" else [],
    )
    whole = np.zeros(KERNEL.size, np.float32)
    whole[flat] = values
    plain = save(tmp_path / "plain.onnx", classifier(), weights={"w": whole.reshape(KERNEL.shape), "h": HEAD})
    network = load_network(Source(str(path)))
    assert close(network(X), by_runtime(plain, {"x": X.numpy()})[0])
    assert sum(p.numel() for p in network.parameters()) == KERNEL.size + HEAD.size


def test_weights_in_another_file(tmp_path: Path) -> None:
    path = save(
        tmp_path / "net.onnx",
        classifier(),
        weights=WEIGHTS,
        save_as_external_data=True,
        location="net.bin",
        size_threshold=0,
    )
    assert close(load_network(Source(str(path)))(X), by_runtime(path, {"x": X.numpy()})[0])
    (tmp_path / "net.bin").unlink()
    with pytest.raises(ModelError, match=r"net\.onnx keeps its weights in net\.bin, which does not lie beside it"):
        load_network(Source(str(path)))


def test_loops_and_sequences(tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    body = helper.make_graph(
        [
            node("Add", "s x", "sum"),
            node("ReduceMean", "sum", "mean", keepdims=0),
            node("Less", "mean limit", "go"),
            node("Identity", "mean", "each"),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("before", TensorProto.BOOL, []),
            helper.make_tensor_value_info("s", TensorProto.FLOAT, None),
        ],
        [helper.make_empty_tensor_value_info(name) for name in ("go", "sum", "each")],
    )
    nodes = [
        node("Loop", "most . x", "last means", body=body),
        node("SequenceConstruct", "last x last", "list"),
        node("SequenceAt", "list one", "second"),
        node("ConcatFromSequence", "list", "y", axis=1),
        node("SequenceLength", "list", "n"),
        node("SplitToSequence", "x", "parts", axis=1),
        node("SequenceAt", "parts one", "z"),
    ]
    path = save(
        tmp_path / "net.onnx",
        nodes,
        outputs=("y", "means", "n", "second", "z"),
        weights={"most": np.int64(5), "limit": np.float32(3), "one": np.int64(1)},
    )
    network = load_network(Source(str(path)))
    made = network(X + 1)
    for name, wanted in zip(made, by_runtime(path, {"x": X.numpy() + 1}), strict=True):
        assert close(made[name], wanted), name


def test_numbers_that_only_the_runtime_has(tmp_path: Path) -> None:
    """Weights of 4 bits, and text on the way."""
    from onnx import TensorProto, helper

    four = helper.make_tensor("q", TensorProto.UINT4, (4, 3, 1, 1), [i % 16 for i in range(12)])
    nodes = [
        node("DequantizeLinear", "q scale", "k"),
        node("Conv", "x k", "y"),
        node("ReduceMean", "y", "m", keepdims=0),
        node("Cast", "m", "t", to=TensorProto.STRING),
        node("Cast", "t", "z", to=TensorProto.FLOAT),
    ]
    path = save(
        tmp_path / "net.onnx",
        nodes,
        outputs=("y", "z"),
        weights={"scale": np.float32(0.1)},
        others=[four],
        opset=21,
        ir=10,
    )
    made = load_network(Source(str(path)))(X)
    for name, wanted in zip(made, by_runtime(path, {"x": X.numpy()}), strict=True):
        assert close(made[name], wanted), name


@pytest.mark.parametrize("opset", range(7, 24))
def test_every_opset(tmp_path: Path, opset: int) -> None:
    clip = [node("Clip", "c", "k", min=-0.5, max=0.5)] if opset < 11 else [node("Clip", "c low high", "k")]
    axes = "s2" if opset < 13 else "s2 two"
    nodes = [
        node("Conv", "x w", "c"),
        *clip,
        node("BatchNormalization", "k scale shift mean var", "b"),
        node("MaxPool", "b", "p", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Pow", "p exponent", "q"),
        node("Softmax", "q", "s", axis=1),
        node("Unsqueeze", "s", "s2", axes=[2]) if opset < 13 else node("Unsqueeze", "s two", "s2"),
        node("Squeeze", "s2", "s3", axes=[2]) if opset < 13 else node("Squeeze", axes, "s3"),
        node("ReduceMean", "s3", "y", axes=[2, 3]) if opset < 18 else node("ReduceMean", "s3 sides", "y"),
    ]
    weights: dict[str, Array] = {
        "w": KERNEL,
        "low": np.float32(-0.5),
        "high": np.float32(0.5),
        "scale": np.float32([1, 2, 3, 4]),
        "shift": np.float32([0, 1, 0, 1]),
        "mean": np.float32([0, 0.5, 0, 0.5]),
        "var": np.float32([1, 2, 1, 2]),
        "exponent": np.float32(2),
        "two": np.array([2]),
        "sides": np.array([2, 3]),
    }
    path = save(tmp_path / "net.onnx", nodes, weights=weights, opset=opset, ir=min(8, max(4, opset - 4)))
    assert close(load_network(Source(str(path)))(X), by_runtime(path, {"x": X.numpy()})[0])


@pytest.mark.parametrize(
    "names",
    [
        ["", "", "", "", ""],
        ["forward", "training", "asked", "_modules", "precision"],
        ["a.b", "a", "a.b", "/a/b", "..."],
    ],
)
def test_nodes_of_any_name(tmp_path: Path, names: list[str]) -> None:
    plain = save(tmp_path / "plain.onnx", classifier(), weights=WEIGHTS)
    nodes = classifier()
    for one, name in zip(nodes, names, strict=True):
        one.name = name
    network = load_network(Source(str(save(tmp_path / "net.onnx", nodes, weights=WEIGHTS))))
    assert close(network(X), by_runtime(plain, {"x": X.numpy()})[0])
    trial = try_network(network, X.clone())
    assert trial.layers == 5
    assert len(set(trial.maps)) == 3


def test_an_older_file_lists_its_weights_among_the_inputs(tmp_path: Path) -> None:
    inputs = [("w", "FLOAT", KERNEL.shape), ("x", "FLOAT", (1, 3, "H", "W")), ("h", "FLOAT", HEAD.shape)]
    path = save(tmp_path / "net.onnx", classifier(), inputs=inputs, weights=WEIGHTS, opset=8, ir=3)
    assert close(load_network(Source(str(path)))(X), by_runtime(path, {"x": X.numpy()})[0])


def test_outputs_that_no_node_makes(tmp_path: Path) -> None:
    path = save(tmp_path / "net.onnx", classifier(), outputs=("y", "h", "r"), weights=WEIGHTS)
    made = load_network(Source(str(path)))(X)
    for name, wanted in zip(made, by_runtime(path, {"x": X.numpy()}), strict=True):
        assert close(made[name].detach(), wanted), name


def test_what_cannot_be_given_is_said(tmp_path: Path) -> None:
    path = save(tmp_path / "net.onnx", [node("Identity", "x", "y")], inputs=[("x", "STRING", (1,))])
    with pytest.raises(ModelError, match="input x is text or numbers of a kind that cannot be given"):
        load_network(Source(str(path)))
    path = save(tmp_path / "net.onnx", [node("Act", "x", "y", domain="own")])
    with pytest.raises(ModelError, match=r"The ONNX operator Act failed: .*own:Act.* is not a registered function"):
        try_network(load_network(Source(str(path))), X)


@pytest.mark.timeout(400)
@pytest.mark.filterwarnings("ignore")  # numpy's, in what the package computes for its tests
def test_the_cases_of_the_onnx_package(tmp_path: Path) -> None:
    """Small models for each operator and way of using it: those that the runtime runs give the same here. These are one in ten;
    ``tools/fuzz_networks.py`` tries all.
    """
    same, other = run_cases(tmp_path, every=10)
    assert other == []
    assert same > 100
