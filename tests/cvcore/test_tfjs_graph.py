"""The node-by-node interpreter against torch on small graphs written here in TensorFlow.js's format."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from cvcore.train.tfjs_graph import read_graph, run_graph

RNG = np.random.default_rng(0)


def text(value: str) -> dict[str, str]:
    return {"s": base64.b64encode(value.encode()).decode()}


def ints(*values: int) -> dict[str, Any]:
    return {"list": {"i": [str(value) for value in values]}}


def write(folder: Path, nodes: list[dict[str, Any]], constants: dict[str, np.ndarray], output: str) -> Path:
    """A graph model; float constants are stored as float16."""
    manifest, stored = [], b""
    for name, values in constants.items():
        entry: dict[str, Any] = {"name": name, "shape": list(values.shape), "dtype": "int32"}
        if values.dtype.kind == "f":
            entry |= {"dtype": "float32", "quantization": {"dtype": "float16", "original_dtype": "float32"}}
        stored += values.astype(np.float16 if values.dtype.kind == "f" else np.int32).tobytes()
        manifest.append(entry)
    (folder / "m.bin").write_bytes(stored)
    model = {
        "signature": {"outputs": {f"{output}:0": {}}},
        "modelTopology": {"node": [*({"name": name, "op": "Const"} for name in constants), *nodes]},
        "weightsManifest": [{"paths": ["m.bin"], "weights": manifest}],
    }
    (folder / "m.json").write_text(json.dumps(model))
    return folder / "m.json"


def run(
    folder: Path, op: str, x: np.ndarray, constants: dict[str, np.ndarray] | None = None, **attributes: Any
) -> np.ndarray:
    # The result stands before its input, as graphs may have it.
    nodes = [
        {"name": "y", "op": op, "input": ["x", *(constants or {})], "attr": attributes},
        {"name": "x", "op": "Placeholder"},
    ]
    graph = read_graph(write(folder, nodes, constants or {}, "y"))
    assert (graph.inputs, graph.outputs) == (("x",), ("y",))
    return run_graph(graph, {"x": x})["y"]


def nchw(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x).permute(0, 3, 1, 2)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [1, 3])
def test_convolution(tmp_path: Path, stride: int, size: int) -> None:
    x = RNG.normal(size=(2, 9, 8, 3)).astype(np.float32)
    kernel = RNG.normal(size=(size, size, 3, 5)).astype(np.float16).astype(np.float32)
    found = run(
        tmp_path, "Conv2D", x, {"k": kernel},
        padding=text("VALID"), data_format=text("NHWC"), strides=ints(1, stride, stride, 1), dilations=ints(1, 1, 1, 1),
    )  # fmt: skip
    expected = F.conv2d(nchw(x), torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy()), stride=stride)
    torch.testing.assert_close(nchw(found), expected)


def test_max_pooling(tmp_path: Path) -> None:
    x = RNG.normal(size=(1, 9, 8, 2)).astype(np.float32)
    found = run(
        tmp_path, "MaxPool", x,
        padding=text("VALID"), data_format=text("NHWC"), strides=ints(1, 2, 2, 1), ksize=ints(1, 3, 3, 1),
    )  # fmt: skip
    torch.testing.assert_close(nchw(found), F.max_pool2d(nchw(x), 3, 2))


@pytest.mark.parametrize("size", [(10, 14), (5, 7), (3, 9), (4, 5)])
def test_bilinear_resizing(tmp_path: Path, size: tuple[int, int]) -> None:
    x = RNG.normal(size=(1, 5, 7, 2)).astype(np.float32)
    flags = {"half_pixel_centers": {"b": True}, "align_corners": {"b": False}}
    found = run(tmp_path, "ResizeBilinear", x, {"size": np.array(size)}, **flags)
    torch.testing.assert_close(nchw(found), F.interpolate(nchw(x), size, mode="bilinear"))


def test_small_operations(tmp_path: Path) -> None:
    x = RNG.normal(size=(2, 3, 4)).astype(np.float32)
    t = torch.from_numpy(x)
    half = np.array([0.5, -1.5, 2.0, 0.25])
    cases = {
        "Add": ({"b": half}, {}, t + torch.from_numpy(half).float()),
        "ConcatV2": ({"b": np.ones((2, 1, 4)), "axis": np.array(1)}, {}, torch.cat((t, torch.ones(2, 1, 4)), 1)),
        "LeakyRelu": ({}, {"alpha": {"f": 0.1}}, F.leaky_relu(t, 0.1)),
        "Pad": ({"p": np.array([[0, 0], [1, 2], [0, 3]])}, {}, F.pad(t, (0, 3, 1, 2))),
        "PadV2": ({"p": np.array([[0, 0], [0, 0], [1, 0]]), "v": np.array(-2.0)}, {}, F.pad(t, (1, 0), value=-2.0)),
        "Reshape": ({"s": np.array([4, -1])}, {}, t.reshape(4, -1)),
        "Sigmoid": ({}, {}, t.sigmoid()),
        "Transpose": ({"p": np.array([2, 0, 1])}, {}, t.permute(2, 0, 1)),
    }
    for op, (constants, attributes, expected) in cases.items():
        found = run(tmp_path, op, x, constants, **attributes)
        torch.testing.assert_close(torch.from_numpy(np.ascontiguousarray(found)), expected, msg=op)


def test_several_outputs_of_one_node(tmp_path: Path) -> None:
    nodes = [
        {"name": "x", "op": "Placeholder"},
        {"name": "parts", "op": "SplitV", "input": ["x", "sizes", "axis"]},
        {"name": "y", "op": "AddV2", "input": ["parts", "parts:1"]},
    ]
    graph = read_graph(write(tmp_path, nodes, {"sizes": np.array([2, 2]), "axis": np.array(1)}, "y"))
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    assert run_graph(graph, {"x": x})["y"].tolist() == [[2, 4], [10, 12]]


def test_what_it_does_not_know_is_named(tmp_path: Path) -> None:
    x = np.zeros((1, 4, 4, 1), np.float32)
    with pytest.raises(NotImplementedError, match="Softsign"):
        run(tmp_path, "Softsign", x)
    with pytest.raises(NotImplementedError, match="padding=SAME"):
        run(tmp_path, "MaxPool", x, padding=text("SAME"), strides=ints(1, 2, 2, 1), ksize=ints(1, 2, 2, 1))


def test_damaged_models_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, [{"name": "x", "op": "Placeholder"}], {"k": np.zeros(4)}, "x")
    graph = read_graph(path)
    with pytest.raises(ValueError, match="needs a value for x"):
        run_graph(graph, {})
    (tmp_path / "m.bin").write_bytes(bytes(10))
    with pytest.raises(ValueError, match="lists 8 bytes"):
        read_graph(path)


@pytest.mark.parametrize("side", [(7, 9), (8, 10), (1, 2)])
@pytest.mark.parametrize("stride", [1, 2])
def test_fused_convolutions_with_same_padding(tmp_path: Path, side: tuple[int, int], stride: int) -> None:
    x = RNG.normal(size=(1, *side, 4)).astype(np.float32)
    totals = [max((-(-n // stride) - 1) * stride + 3 - n, 0) for n in side]
    (top, left), (bottom, right) = [n // 2 for n in totals], [n - n // 2 for n in totals]
    padded = F.pad(nchw(x), (left, right, top, bottom))
    bias = RNG.normal(size=5).astype(np.float16).astype(np.float32)
    options = {"strides": ints(1, stride, stride, 1), "padding": text("SAME"), "dilations": ints(1, 1, 1, 1)}
    kernel = RNG.normal(size=(3, 3, 4, 5)).astype(np.float16).astype(np.float32)
    steps = {"list": {"s": [text("BiasAdd")["s"], text("Relu6")["s"]]}}
    found = run(tmp_path, "_FusedConv2D", x, {"k": kernel, "b": bias}, fused_ops=steps, **options)
    expected = F.conv2d(padded, torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy()), torch.from_numpy(bias), stride)
    torch.testing.assert_close(nchw(found), expected.clamp(0, 6), atol=1e-4, rtol=1e-4)
    assert found.shape[1:3] == tuple(-(-n // stride) for n in side)

    each = RNG.normal(size=(3, 3, 4, 1)).astype(np.float16).astype(np.float32)
    steps = {"list": {"s": [text("BiasAdd")["s"]]}}
    found = run(tmp_path, "FusedDepthwiseConv2dNative", x, {"k": each, "b": bias[:4]}, fused_ops=steps, **options)
    weight = torch.from_numpy(each.transpose(2, 3, 0, 1).copy())
    expected = F.conv2d(padded, weight, torch.from_numpy(bias[:4]), stride, groups=4)
    torch.testing.assert_close(nchw(found), expected, atol=1e-4, rtol=1e-4)


def test_an_unknown_fused_step_is_refused(tmp_path: Path) -> None:
    options = {"strides": ints(1, 1, 1, 1), "padding": text("SAME"), "fused_ops": {"list": {"s": [text("Elu")["s"]]}}}
    constants = {"k": np.zeros((1, 1, 2, 2), np.float32), "b": np.zeros(2, np.float32)}
    with pytest.raises(NotImplementedError, match="Elu"):
        run(tmp_path, "_FusedConv2D", np.zeros((1, 2, 2, 2), np.float32), constants, **options)
