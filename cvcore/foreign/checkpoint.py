"""Reads files of weights, and never code: safetensors, or what ``torch.load(weights_only=True)`` takes."""

import pickle
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from cvcore.foreign.errors import ModelError

CODE = re.compile(r"Unsupported global|Unsupported class|not an allowed|blocked|unrecognized function|Can only|GLOBAL")
"""In what torch says of a pickle that would call something."""
ENDINGS = (".safetensors", ".pt", ".pth")


def read_checkpoint(path: Path) -> Mapping[str, Any]:
    """What a file of weights holds: names to tensors, perhaps under a further key, beside other things.

    Raises:
        ModelError: it is missing, damaged or something else, or it holds Python code (which is not run).
    """
    try:
        if path.suffix.lower() == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickles in another format, which are read or refused all the same
            found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ModelError("The file {file} does not exist.", file=path.name) from error
    except pickle.UnpicklingError as error:
        if CODE.search(str(error)):
            raise ModelError(
                "{file} holds Python code, which was not run: save the network’s state_dict() instead, best as "
                ".safetensors.",
                file=path.name,
            ) from error
        raise ModelError("{file} is damaged, or no file of weights.", file=path.name) from error
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise ModelError("{file} is damaged, or no file of weights.", file=path.name) from error
    if not isinstance(found, Mapping):
        raise ModelError(
            "{file} holds {kind}, not a network’s state_dict().", file=path.name, kind=type(found).__name__
        )
    return found


def candidates(found: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The dicts of tensors in a checkpoint with the keys they lie under (``state_dict``), the checkpoint's own first."""
    own = tensors_of(found)
    if own:
        yield "", own
    for key, value in found.items():
        if isinstance(value, Mapping):
            for below, tensors in candidates(value):
                yield f"{key}.{below}" if below else str(key), tensors


def tensors_of(found: Mapping[str, Any]) -> dict[str, Tensor]:
    return {str(key): value for key, value in found.items() if isinstance(value, Tensor)}
