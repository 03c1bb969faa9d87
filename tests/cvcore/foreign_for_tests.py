"""Small files of networks of every kind, made on the spot."""

import io
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.bn(self.conv(x)) + x)


class Small(nn.Module):
    """A residual network of 10 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.layer1 = nn.Sequential(Block(8), Block(8))
        self.fc = nn.Linear(8, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.layer1(self.stem(x)).mean((2, 3)))


def small() -> Small:
    torch.manual_seed(0)
    return Small().eval()


def save_exported(path: Path, side: int = 64, *, any_size: bool = False) -> Small:
    path.write_bytes(_exported(side, any_size))
    return small()


@lru_cache
def _exported(side: int, any_size: bool) -> bytes:
    dim = torch.export.Dim.AUTO
    shapes = ({2: dim, 3: dim},) if any_size else None
    written = io.BytesIO()
    torch.export.save(torch.export.export(small(), (torch.zeros(1, 3, side, side),), dynamic_shapes=shapes), written)
    return written.getvalue()


def onnx_model(nodes: list[Any], constants: dict[str, Any], *, outputs: tuple[str, ...] = ("y",), **more: Any) -> Any:
    """A graph over a picture ``x`` (n, 3, h, w)."""
    from onnx import TensorProto, helper, numpy_helper

    shape = more.get("shape", ["n", 3, "h", "w"])
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", more.get("opset", 17))], ir_version=8)


def save_onnx(path: Path, shape: list[Any] | None = None) -> None:
    """A stem, a residual branch, an operator that only the runtime has (Pad), and a head of 10 classes."""
    import onnx
    from onnx import helper

    random = np.random.default_rng(0)

    def weight(*sides: int) -> Any:
        return (random.normal(size=sides) * 0.3).astype(np.float32)

    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w1", "b1"], ["a"], name="/stem/conv/Conv", strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Relu", ["a"], ["r"], name="/stem/Relu"),
        node("Conv", ["r", "w2"], ["c"], name="/layer1/layer1.0/conv/Conv", pads=[1, 1, 1, 1]),
        node("Add", ["c", "r"], ["s"], name="/layer1/layer1.0/Add"),
        node("Clip", ["s", "low", "high"], ["k"], name="/layer1/layer1.0/Clip"),
        node("Pad", ["k", "pads"], ["p"], name="/layer1/Pad", mode="reflect"),
        node("GlobalAveragePool", ["p"], ["g"], name="/pool"),
        node("Flatten", ["g"], ["f"], name="/flat"),
        node("Gemm", ["f", "w3", "b3"], ["y"], name="/fc/Gemm", transB=1),
    ]
    constants = {
        "w1": weight(8, 3, 3, 3),
        "b1": weight(8),
        "w2": weight(8, 8, 3, 3),
        "low": np.float32(0),
        "high": np.float32(6),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        "w3": weight(10, 8),
        "b3": weight(10),
    }
    onnx.save(onnx_model(nodes, constants, **({"shape": shape} if shape else {})), path)


PYTHON = """
from dataclasses import dataclass
import torch
from torch import nn


@dataclass
class Found:
    logits: torch.Tensor
    note: str = "fine"
    more: None = None


class Net(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(8, classes)

    def forward(self, x):
        x -= 0.5
        return Found(self.fc(self.relu(self.stem(x)).mean((2, 3))))


def small():
    torch.manual_seed(0)
    return Net()


def needs(classes):
    return Net(classes)


def text():
    return "no network"
"""
