"""Networks of the user's, and weights, that cannot be had."""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.bad_inputs.case import Case, Make, Scene, Trap, data
from tests.cvcore.foreign_for_tests import save_exported

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 10)

    def forward(self, x):
        return self.fc(self.conv(x).mean((2, 3)))
"""
SHAPES = {"conv.weight": (4, 3, 3, 3), "conv.bias": (4,), "fc.weight": (10, 4), "fc.bias": (10,)}


def python(text: str) -> Make:
    return lambda scene: scene.path.write_text(text, "utf-8") and None


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


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(f"archive/{name}", content)
    return buffer.getvalue()


def exported(change: Callable[[dict[str, Any]], object]) -> Make:
    """A file of torch.export with another program in it."""

    def make(scene: Scene) -> None:
        save_exported(scene.path)
        with zipfile.ZipFile(scene.path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        name = next(name for name in parts if name.endswith("models/model.json"))
        program = json.loads(parts[name])
        change(program)
        with zipfile.ZipFile(scene.path, "w") as archive:
            for key, content in (parts | {name: json.dumps(program).encode()}).items():
                archive.writestr(key, content)

    return make


def first_call(program: dict[str, Any], target: str) -> None:
    program["graph_module"]["graph"]["nodes"][0]["target"] = target


CASES = (
    Case("network", "missing.py", "is not there", "The file missing.py does not exist.", lambda scene: None),
    Case(
        "network",
        "syntax.py",
        "a syntax error",
        "syntax.py, line 1: SyntaxError: invalid syntax",
        python("def net(:\n    pass\n"),
    ),
    Case(
        "network",
        "nothing.py",
        "no function that makes a network",
        "nothing.py has no function that makes a network without arguments.",
        python("x = 1\n"),
    ),
    Case(
        "network",
        "text.py",
        "its function returns a text",
        "net in text.py gives str, not a network (torch.nn.Module).",
        python("def net():\n    return 'a network'\n"),
    ),
    Case(
        "network",
        "raises.py",
        "its function raises",
        "raises.py, line 2: IndexError: list index out of range",
        python("def net():\n    return [][0]\n"),
    ),
    Case(
        "network",
        "import.py",
        "imports what is not installed",
        "import.py, line 1: ModuleNotFoundError: No module named 'no_such_package_anywhere'",
        python("import no_such_package_anywhere\n\ndef net():\n    return None\n"),
    ),
    Case(
        "network",
        "exits.py",
        "ends the program",
        "exits.py, line 4: SystemExit: 3",
        python("import sys\n\ndef net():\n    sys.exit(3)\n"),
    ),
    Case(
        "network",
        "forward.py",
        "fails when it runs",
        "forward.py, line 12: RuntimeError: mat1 and mat2 shapes cannot be multiplied (120x30 and 4x10)",
        python(NET.replace("self.fc(self.conv(x).mean((2, 3)))", "self.fc(self.conv(x))")),
    ),
    Case(
        "network",
        "grey.py",
        "takes one channel",
        "The network takes 1 channels; a picture has 3.",
        python(NET.replace("Conv2d(3,", "Conv2d(1,")),
    ),
    Case(
        "network",
        "nothing-given.py",
        "gives no tensor",
        "The network runs, but gives no tensor.",
        python(NET.replace("return self.fc(self.conv(x).mean((2, 3)))", "return 'cat'")),
    ),
    Case(
        "network",
        "binary.py",
        "no text at all",
        "The file binary.py is no Python.",
        data(b"\x7fELF\0\0\0\xff\xfe" * 20),
    ),
    Case(
        "network",
        "garbage.pt2",
        "random bytes",
        "garbage.pt2 is damaged, or no file of torch.export.",
        data(b"nothing of the kind" * 30),
    ),
    Case("network", "empty.pt2", "0 bytes", "empty.pt2 is damaged, or no file of torch.export.", data(b"")),
    Case(
        "network",
        "zip.pt2",
        "a zip with something else in it",
        "zip.pt2 is damaged, or no file of torch.export.",
        data(zipped(readme=b"hello")),
    ),
    Case(
        "network",
        "calls.pt2",
        "calls something else than operations on tensors",
        "calls.pt2 holds more than tensors and their operations (torch.hub.load); it was not read.",
        exported(lambda program: first_call(program, "torch.hub.load")),
    ),
    Case(
        "network",
        "operation.pt2",
        "an operation that there is not",
        "operation.pt2 needs the operation torch.ops.aten.no_such_thing.default, which torch … does not have here.",
        exported(lambda program: first_call(program, "torch.ops.aten.no_such_thing.default")),
    ),
    Case(
        "network",
        "garbage.onnx",
        "random bytes",
        "garbage.onnx is damaged, or no ONNX file: …",
        data(b"nothing of the kind" * 30),
    ),
    Case("network", "empty.onnx", "0 bytes", "empty.onnx is damaged, or no ONNX file: …", data(b"")),
    Case(
        "network",
        "picture.onnx",
        "a picture renamed",
        "picture.onnx is damaged, or no ONNX file: …",
        data(b"\x89PNG\r\n\x1a\n" + bytes(300)),
    ),
    Case(
        "network",
        "net.docx",
        "of another kind",
        "…net.docx is no network: wanted is a .py, .pt2 or .onnx file, torchvision:NAME or timm:NAME.",
        data(b"PK\x03\x04" + bytes(60)),
    ),
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
)
