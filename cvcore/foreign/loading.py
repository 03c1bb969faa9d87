"""Where a network of the user's comes from, and how it is loaded."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, assert_never

import torch
from torch import nn

from cvcore.foreign.errors import ModelError, short
from cvcore.foreign.exported import load_exported
from cvcore.foreign.inputs import Given, prepare
from cvcore.foreign.onnx import load_onnx
from cvcore.foreign.packages import PACKAGES, load_from_package
from cvcore.foreign.python_file import load_python
from cvcore.foreign.scripted import with_hooks
from cvcore.foreign.settling import evaluated, freeze
from cvcore.foreign.weights import load_weights

Kind = Literal["python", "exported", "onnx", "package"]
ENDINGS: dict[str, Kind] = {".py": "python", ".pt2": "exported", ".onnx": "onnx"}


@dataclass(frozen=True, slots=True)
class Source:
    """A network, and the weights for it.

    Args:
        place: a .py, .pt2 or .onnx file, or ``torchvision:NAME`` or ``timm:NAME``.
        function: of a Python file; empty takes the likeliest.
        weights: a .safetensors, .pt or .pth file; empty leaves the network as it is.
        fix_keys: put weights in also where their keys first need the prefix or wrapper that explains them.
        inputs: what each input gets; empty where a picture is all.
    """

    place: str
    function: str = ""
    weights: str = ""
    fix_keys: bool = False
    inputs: tuple[Given, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Source":
        """From ``FILE``, ``FILE.py:FUNCTION`` or ``PACKAGE:NAME``."""
        before, _, after = text.rpartition(":")
        if before and Path(before).suffix.lower() == ".py" and after.isidentifier():
            return cls(before, after)
        return cls(text)


def kind_of(place: str) -> Kind:
    """Which sort of network a place names.

    Raises:
        ModelError: none that is known.
    """
    if place.partition(":")[0] in PACKAGES and ":" in place:
        return "package"
    kind = ENDINGS.get(Path(place).suffix.lower())
    if kind is None:
        raise ModelError(
            "{place} is no network: wanted is a .py, .pt2 or .onnx file, torchvision:NAME or timm:NAME.", place=place
        )
    return kind


def fingerprint(path: Path) -> str:
    """SHA-256 of a file, hexadecimal.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError as error:
        raise ModelError("The file {file} does not exist.", file=path.name) from error
    except OSError as error:
        raise ModelError("The file {file} cannot be read.", file=path.name) from error


def load_network(source: Source, device: torch.device | str = "cpu") -> nn.Module:
    """The network in eval mode, its parameters without gradient. A Python file is run.

    Raises:
        ModelError: it cannot be had; the weights do not fit (:class:`cvcore.foreign.WeightsMisfitError`); it asks for more than a
            picture (:class:`cvcore.foreign.InputsError`). Nothing else, but :class:`torch.OutOfMemoryError` of a device.
    """
    path = Path(source.place)
    try:
        network, places = _made(source, path)
        if source.weights:
            if kind_of(source.place) == "onnx":
                raise ModelError("An ONNX file has its weights in it; no others can be put in.")
            load_weights(network, Path(source.weights), fix_keys=source.fix_keys)
        if any(tensor.is_meta for tensor in (*network.parameters(), *network.buffers())):
            raise ModelError("The network has no numbers (it was made on the meta device); give it weights.")
        freeze(network)
        # Tables worked out in eval() belong to the device.
        network = evaluated(with_hooks(network).to(device), places)
        prepare(network, source.inputs)
        return network
    except (ModelError, torch.OutOfMemoryError):
        raise
    except MemoryError as error:
        raise ModelError("There is not enough memory for {file}.", file=path.name) from error
    except Exception as error:
        raise ModelError("{file} cannot be opened: {what}", file=path.name, what=short(error)) from error


def _made(source: Source, path: Path) -> tuple[nn.Module, Sequence[Path]]:
    """The network as its file or package makes it, and where its code lies."""
    kind = kind_of(source.place)
    match kind:
        case "python":
            if not path.is_file():
                raise ModelError("The file {file} does not exist.", file=path.name)
            return load_python(path, source.function), [path.parent]
        case "exported":
            return load_exported(path), ()
        case "onnx":
            return load_onnx(path), ()
        case "package":
            package, _, name = source.place.partition(":")
            return load_from_package(package, name), ()
        case _:
            assert_never(kind)


def input_shape(network: nn.Module) -> tuple[int | None, ...]:
    """(N, C, H, W) of the picture that a network is called with, None for sides of any length; empty where nothing is known."""
    found: Any = getattr(network, "input_shape", ())
    return found if isinstance(found, tuple) else ()
