"""Networks of the user's, and weights, that cannot be had."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from typing import Any

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


def python(text: str) -> Make:
    return lambda scene: scene.path.write_text(text, "utf-8") and None


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


def with_part(below: str, content: Callable[[Scene], bytes]) -> Make:
    """A file of torch.export with a further part."""

    def make(scene: Scene) -> None:
        save_exported(scene.path)
        with zipfile.ZipFile(scene.path, "a") as archive:
            root = archive.namelist()[0].partition("/")[0]
            archive.writestr(f"{root}/{below}", content(scene))

    return make


with_object = with_part("data/constants/opaque_obj_0", lambda scene: pickle.dumps(Trap(scene.trap)))


def rename_input(program: dict[str, Any], name: str) -> None:
    whole = program["graph_module"]
    before = whole["signature"]["input_specs"][-1]["user_input"]["arg"]["as_tensor"]["name"]
    program["graph_module"] = json.loads(json.dumps(whole).replace(f'"{before}"', json.dumps(name)))


def import_something(program: dict[str, Any]) -> None:
    context = {"default_factory_module": "antigravity", "default_factory_name": "x", "dict_context": []}
    structure = [1, {"type": "collections.defaultdict", "context": context, "children_spec": []}]
    program["graph_module"]["module_call_graph"][0]["signature"]["in_spec"] = json.dumps(structure)


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
        "script.py",
        "gives a TorchScript program",
        "net in script.py gives a TorchScript program, into which nobody can look; let it give the network as it was before "
        "torch.jit.script or torch.jit.trace.",
        python("import torch\n\ndef net():\n    return torch.jit.script(torch.nn.ReLU())\n"),
    ),
    Case(
        "network",
        "meta.py",
        "made without numbers",
        "The network has no numbers (it was made on the meta device); give it weights.",
        python("import torch\n\ndef net():\n    with torch.device('meta'):\n        return torch.nn.Conv2d(3, 4, 3)\n"),
    ),
    Case(
        "network",
        "eval.py",
        "fails in eval()",
        "eval.py, line 5: KeyError: 'table'",
        python("from torch import nn\n\nclass Net(nn.Module):\n    def eval(self):\n        raise KeyError('table')\n"),
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
        "maps.pt2",
        "an operation of torch that opens files",
        "maps.pt2 holds more than tensors and their operations (torch.ops.aten.from_file.default); it was not read.",
        exported(lambda program: first_call(program, "torch.ops.aten.from_file.default")),
    ),
    Case(
        "network",
        "object.pt2",
        "an object that is unpickled",
        "object.pt2 holds more than tensors and their operations (archive/data/constants/opaque_obj_0); it was not read.",
        with_object,
    ),
    Case(
        "network",
        "input.pt2",
        "an input whose name is a program",
        "input.pt2 holds more than tensors and their operations (x=__import__('os').open('trap', 65)); it was not read.",
        exported(lambda program: rename_input(program, "x=__import__('os').open('trap', 65)")),
    ),
    Case(
        "network",
        "size.pt2",
        "a size whose expression is a program",
        "size.pt2 holds more than tensors and their operations (__import__('os').open('trap', 65)); it was not read.",
        exported(lambda program: program["range_constraints"].update({"__import__('os').open('trap', 65)": None})),
    ),
    Case(
        "network",
        "imports.pt2",
        "a description of its inputs that imports a module",
        "imports.pt2 holds more than tensors and their operations (in_spec: …); it was not read.",
        exported(import_something),
    ),
    Case(
        "network",
        "compiled.pt2",
        "compiled code",
        "compiled.pt2 holds more than tensors and their operations (archive/data/aotinductor/model.so); it was not read.",
        with_part("data/aotinductor/model.so", lambda _: b"\x7fELF"),
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
)
