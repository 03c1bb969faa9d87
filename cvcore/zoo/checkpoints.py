"""Reading a checkpoint without running anything in it: safetensors, or ``torch.load(weights_only=True)``."""

import importlib
import io
import pickle
import pickletools
import re
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from torch import Tensor

from cvcore.zoo.catalogue import SUFFIXES, Card
from cvcore.zoo.errors import WeightsError

GLOBAL = re.compile(r"(?:GLOBAL|global|class|type)\s+`?([\w.]+)`?")


def read_tensors(data: bytes, file: str) -> Any:
    """What a checkpoint holds: tensors, numbers, texts, and dicts and lists of them.

    Args:
        file: its name, whose ending says how it is read.

    Raises:
        WeightsError: it is damaged, of another kind, or can be read only by running code in it, which is not done.
    """
    kind = "." + file.rpartition(".")[2].lower()
    if kind not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise WeightsError(
            "The weight file {file} is not of a kind that is read here: {known}.", file=file, known=known
        )
    if data[:512].lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise WeightsError("The weight file {file} is a web page and holds no weights.", file=file)
    if kind == ".safetensors":
        try:
            return parse_safetensors(data)
        except (SafetensorError, ValueError, KeyError) as error:
            raise WeightsError("The weight file {file} is damaged or not of its kind.", file=file) from error
    if not data.startswith((b"PK", b"\x80")):  # a zip file, or a pickle
        raise WeightsError("The weight file {file} is damaged or not of its kind.", file=file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about protocols of pickle, for developers
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:
        what = _more_than_numbers(error, data)
        if what:
            raise WeightsError(
                "The weight file {file} holds more than numbers ({what}): it is refused, since reading it would run "
                "code in it.",
                file=file,
                what=what,
            ) from error
        raise WeightsError("The weight file {file} is damaged or not of its kind.", file=file) from error


def _more_than_numbers(error: Exception, data: bytes) -> str:
    """What torch refused to make, by name; empty if it was not that."""
    if "TorchScript" in str(error):
        return "TorchScript"
    if not isinstance(error, pickle.UnpicklingError):
        return ""
    if found := GLOBAL.search(str(error)):
        return found.group(1)
    try:
        for operation, argument, _ in pickletools.genops(data):
            if operation.name in ("GLOBAL", "STACK_GLOBAL", "INST", "REDUCE", "BUILD", "OBJ", "NEWOBJ"):
                return str(argument).replace(" ", ".") if operation.name in ("GLOBAL", "INST") else "code"
    except (ValueError, IndexError, KeyError, UnicodeDecodeError):
        pass
    return ""


def state_dict_of(card: Card, data: bytes, file: str) -> dict[str, Tensor]:
    """The card's weights by the names that its network gives them, before any mapping; half precision as float32.

    Raises:
        WeightsError: as :func:`read_tensors`; there is no state_dict where the card says.
    """
    found = read_tensors(data, file)
    for key in filter(None, card.state_dict.split(".")):
        found = found.get(key) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping) or not found or not all(isinstance(one, Tensor) for one in found.values()):
        raise WeightsError("The weight file {file} has no weights where its card says they are.", file=file)
    return {
        str(key).removeprefix(card.prefix): tensor.float() if tensor.is_floating_point() else tensor
        for key, tensor in found.items()
    }


def mapped(card: Card, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights after the card's mapping, if it names one."""
    if not card.mapping:
        return tensors
    changed: dict[str, Tensor] = by_name(card.mapping)(tensors)
    return changed


def by_name(name: str) -> Any:
    """What ``package.module:function`` names."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)
