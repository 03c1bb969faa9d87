"""Weights for networks of the user's that cannot be had, or do not fit."""

import io
import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.bad_inputs.case import Case, Make, Scene, Trap
from tests.bad_inputs.networks import NET, zipped

SHAPES = {"conv.weight": (4, 3, 3, 3), "conv.bias": (4,), "fc.weight": (10, 4), "fc.bias": (10,)}


def tensors(**other: tuple[int, ...] | None) -> dict[str, torch.Tensor]:
    """The weights of NET, with other shapes; None leaves one out."""
    shapes = {**SHAPES, **{key.replace("__", "."): shape for key, shape in other.items()}}
    return {key: torch.zeros(shape) for key, shape in shapes.items() if shape is not None}


def weights(thing: Callable[[Scene], Any]) -> Make:
    """A network beside a checkpoint of this; the checkpoint is what is bad."""

    def make(scene: Scene) -> tuple[Path, Path]:
        found = thing(scene)
        if isinstance(found, bytes):
            scene.path.write_bytes(found)
        else:
            torch.save(found, scene.path)
        return beside(scene)

    return make


def beside(scene: Scene) -> tuple[Path, Path]:
    network = scene.path.parent / "net.py"
    network.write_text(NET, "utf-8")
    return network, scene.path


def safetensors(header: Any, content: bytes = b"", length: int | None = None) -> bytes:
    """The format's own layout: the header's length in 8 bytes, the header, the numbers."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + content


def one(start: int, end: int, shape: list[int], kind: str = "F32") -> dict[str, Any]:
    return {"conv.weight": {"dtype": kind, "shape": shape, "data_offsets": [start, end]}}


def not_a_number() -> dict[str, torch.Tensor]:
    found = tensors()
    found["conv.weight"][0, 0, 0, 0] = float("nan")
    return found


def half(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()[: len(buffer.getvalue()) // 2]


def legacy(scene: Scene) -> bytes:
    buffer = io.BytesIO()
    torch.save({"a": Trap(scene.trap)}, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


CASES = (
    Case("weights", "missing.pth", "is not there", "The file missing.pth does not exist.", lambda scene: beside(scene)),
    Case("weights", "empty.pth", "0 bytes", "empty.pth is damaged, or no file of weights.", weights(lambda _: b"")),
    Case(
        "weights",
        "garbage.pt",
        "random bytes",
        "garbage.pt is damaged, or no file of weights.",
        weights(lambda _: b"nothing of the kind" * 30),
    ),
    Case(
        "weights",
        "cut.pth",
        "cut in the middle",
        "cut.pth is damaged, or no file of weights.",
        weights(lambda _: half(tensors())),
    ),
    Case(
        "weights",
        "code.pt",
        "a pickle with code",
        "code.pt holds Python code, which was not run: save the network’s state_dict() instead, best as .safetensors.",
        weights(lambda scene: {**tensors(), "x": Trap(scene.trap)}),
    ),
    Case(
        "weights",
        "code.pth",
        "a pickle with code, of the older format",
        "code.pth holds Python code, which was not run: save the network’s state_dict() instead, best as .safetensors.",
        weights(legacy),
    ),
    Case(
        "weights",
        "bare.pth",
        "a pickle with code and nothing else",
        "bare.pth is damaged, or no file of weights.",
        weights(lambda scene: pickle.dumps(Trap(scene.trap))),
    ),
    Case(
        "weights",
        "whole.pt",
        "a whole network in place of its weights",
        "whole.pt holds Python code, which was not run: save the network’s state_dict() instead, best as .safetensors.",
        weights(lambda _: torch.nn.Linear(3, 2)),
    ),
    Case(
        "weights",
        "list.pt",
        "a list of tensors",
        "list.pt holds list, not a network’s state_dict().",
        weights(lambda _: [torch.zeros(3)]),
    ),
    Case("weights", "numbers.pt", "no tensor in it", "numbers.pt holds no tensors.", weights(lambda _: {"epoch": 3})),
    Case(
        "weights",
        "zip.pt",
        "a zip with something else in it",
        "zip.pt is damaged, or no file of weights.",
        weights(lambda _: zipped(readme=b"hello")),
    ),
    Case(
        "weights",
        "empty.safetensors",
        "0 bytes",
        "empty.safetensors is damaged, or no file of weights.",
        weights(lambda _: b""),
    ),
    Case(
        "weights",
        "length.safetensors",
        "says its header has 2^60 bytes",
        "length.safetensors is damaged, or no file of weights.",
        weights(lambda _: safetensors({}, length=2**60)),
    ),
    Case(
        "weights",
        "beyond.safetensors",
        "a tensor that lies behind its end",
        "beyond.safetensors is damaged, or no file of weights.",
        weights(lambda _: safetensors(one(0, 4 * 10**12, [10**12]), bytes(64))),
    ),
    Case(
        "weights",
        "lies.safetensors",
        "a tensor whose shape is not its size",
        "lies.safetensors is damaged, or no file of weights.",
        weights(lambda _: safetensors(one(0, 64, [1000]), bytes(64))),
    ),
    Case(
        "weights",
        "json.safetensors",
        "a header that is no JSON",
        "json.safetensors is damaged, or no file of weights.",
        weights(lambda _: safetensors(b"{'a': 1}")),
    ),
    Case(
        "weights",
        "pickle.safetensors",
        "a pickle with code, renamed",
        "pickle.safetensors is damaged, or no file of weights.",
        weights(lambda scene: pickle.dumps(Trap(scene.trap))),
    ),
    Case(
        "weights",
        "keys.pth",
        "of another network",
        "keys.pth does not fit the network: 0 of 4 keys do. Missing in the file: conv.weight, conv.bias, "
        "fc.weight … (+1). Only in the file: stem.weight, stem.bias.",
        weights(lambda _: {"stem.weight": torch.zeros(2), "stem.bias": torch.zeros(2)}),
    ),
    Case(
        "weights",
        "classes.pth",
        "for another number of classes",
        "classes.pth does not fit the network: 2 of 4 keys do. fc.weight is (5, 4) in the file, (10, 4) in "
        "the network. fc.bias is (5,) in the file, (10,) in the network.",
        weights(lambda _: tensors(fc__weight=(5, 4), fc__bias=(5,))),
    ),
    Case(
        "weights",
        "prefix.pth",
        "keys with a prefix",
        "prefix.pth does not fit the network: 0 of 4 keys do. Missing in the file: conv.weight, conv.bias, "
        "fc.weight … (+1). Only in the file: module.conv.weight, module.conv.bias, module.fc.weight … "
        "(+1). Take “module.” off the file’s keys. Then 4 of 4 keys fit.",
        weights(lambda _: {f"module.{key}": tensor for key, tensor in tensors().items()}),
    ),
    Case(
        "weights",
        "lacks.pth",
        "one tensor too few",
        "lacks.pth does not fit the network: 3 of 4 keys do. Missing in the file: fc.bias.",
        weights(lambda _: tensors(fc__bias=None)),
    ),
    Case(
        "weights",
        "nan.pth",
        "not a number among its numbers",
        "nan.pth holds values that are not a number (NaN), first in conv.weight.",
        weights(lambda _: not_a_number()),
    ),
    Case(
        "weights",
        "complex.pth",
        "numbers with an imaginary part",
        "complex.pth holds complex numbers, first in conv.weight, where the network has real ones.",
        weights(lambda _: {key: value + 1j for key, value in tensors().items()}),
    ),
    Case(
        "weights",
        "int8.pth",
        "quantised, the scale elsewhere",
        "int8.pth holds whole numbers (int8), first in conv.weight, as quantised weights are kept: their scale lies elsewhere. "
        "Save the weights as the numbers they stand for.",
        weights(lambda _: {key: value.to(torch.int8) for key, value in tensors().items()}),
    ),
    Case(
        "weights",
        "meta.pth",
        "shapes without numbers",
        "meta.pth holds the shapes of weights without their numbers (they were saved on the meta device).",
        weights(lambda _: {key: value.to("meta") for key, value in tensors().items()}),
    ),
    Case(
        "weights",
        "scripted.pt",
        "a TorchScript program",
        "scripted.pt is a TorchScript program (torch.jit.save), not weights: torch.jit.load(…).state_dict() in Python gives "
        "those; save them.",
        weights(lambda _: zipped(**{"constants.pkl": b"", "data.pkl": b"", "code/net.py": b""})),
    ),
    Case(
        "weights",
        "exported.pt",
        "a network of torch.export",
        "exported.pt is a network of torch.export, not weights: name it .pt2 and open it.",
        weights(lambda _: zipped(**{"models/model.json": b"{}"})),
    ),
    Case(
        "weights",
        "optimiser.pth",
        "the state of an optimiser alone",
        "optimiser.pth holds tensors under “optimizer.state.0” only, and none of them fits the network.",
        weights(lambda _: {"optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": []}}),
    ),
    Case(
        "weights",
        "more.pth",
        "a tensor too many",
        "more.pth does not fit the network: 4 of 4 keys do. Only in the file: criterion.weight. Leave out what only the file has.",
        weights(lambda _: {**tensors(), "criterion.weight": torch.zeros(3)}),
    ),
)
