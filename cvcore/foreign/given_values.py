"""Values for a network's further inputs: constants, what is typed, and what files hold."""

import ast
import json
import math
import re
import wave
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from cvcore.foreign.checkpoint import candidates, read_checkpoint
from cvcore.foreign.errors import ModelError, short

LARGEST = 1 << 28
"""Numbers in one input."""


def constant(name: str, shape: str, kind: Literal["zeros", "ones"], dtype: torch.dtype | None) -> Tensor:
    """Zeros or ones.

    Args:
        shape: ``1, 77``; empty for a single number.

    Raises:
        ModelError: that is no shape.
    """
    text = shape.strip("()[] ").removesuffix(",").strip()
    sides = re.split(r"\s*[,，x×]\s*|\s+", text) if text else []
    if not all(side.isdecimal() for side in sides) or math.prod(map(int, sides)) > LARGEST:
        raise ModelError(
            "The shape of the input {name} is numbers with commas, such as 1, 77, not {text}.", name=name, text=shape
        )
    made = torch.zeros if kind == "zeros" else torch.ones
    return made([int(side) for side in sides], dtype=dtype or torch.float32)


def from_text(text: str, dtype: torch.dtype | None) -> Any:
    """What is typed: a number, true, false or none, a list, which becomes a tensor, a tuple or dict of such; anything else is text.

    Args:
        dtype: what it becomes a tensor of, where that is known.

    Raises:
        ModelError: it is no value of that type.
    """
    text = text.strip()
    value: Any = text
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(text)
            break
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            value = {"none": None, "true": True, "false": False}.get(text.lower(), text)
    if dtype is None:
        return _tensors(value)
    try:
        return torch.tensor(value, dtype=dtype)
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        kind = str(dtype).removeprefix("torch.")
        raise ModelError("{text} is no value of type {kind}.", text=text[:60], kind=kind) from error


def _tensors(value: Any) -> Any:
    """Lists of numbers as tensors: that is what a network takes."""
    if isinstance(value, list):
        try:
            return torch.tensor(value)
        except (ValueError, TypeError, RuntimeError):
            return value
    return value


def from_file(name: str, file: str, dtype: torch.dtype | None, shape: tuple[int | None, ...] | None) -> Any:
    """What a file holds: numbers (.npy, .npz, .safetensors, .pt), sound (.wav), a picture, or text (.txt).

    Args:
        shape: what is wanted; leading sides of 1 are added for it.

    Raises:
        ModelError: it cannot be read, or holds something else.
    """
    path = Path(file).expanduser()
    try:
        made = _read(path)
    except ModelError:
        raise
    except FileNotFoundError as error:
        raise ModelError("The file {file} does not exist.", file=path.name) from error
    except Exception as error:  # whatever a reader trips over
        raise ModelError(
            "{file} cannot be read for the input {name}: {what}", file=path.name, name=name, what=short(error)
        ) from error
    if not isinstance(made, Tensor):
        return made
    while shape is not None and made.ndim < len(shape):
        made = made[None]
    return made if dtype is None else made.to(dtype)


def _read(path: Path) -> Any:
    match path.suffix.lower():
        case ".npy" | ".npz":
            found = np.load(path, allow_pickle=False)
            return torch.from_numpy(
                np.ascontiguousarray(found if isinstance(found, np.ndarray) else found[found.files[0]])
            )
        case ".safetensors" | ".pt" | ".pth":
            state = next((one for _, one in candidates(read_checkpoint(path))), None)
            if state is None:
                raise ModelError("{file} holds no tensors.", file=path.name)
            return next(iter(state.tensors.values()))
        case ".wav":
            return _sound(path)
        case ".txt":
            return path.read_text("utf-8-sig")
        case _:
            from PIL import Image

            with Image.open(path) as picture:
                pixels = np.asarray(picture.convert("RGB"), np.float32) / 255
            return torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous()  # (1, 3, H, W)


def _sound(path: Path) -> Tensor:
    """(channels, samples) float32, from −1 to 1."""
    with wave.open(str(path), "rb") as file:
        width, channels = file.getsampwidth(), file.getnchannels()
        data = file.readframes(file.getnframes())
    if width == 1:
        samples = np.frombuffer(data, np.uint8).astype(np.float32) / 128 - 1
    elif width == 3:
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        samples = wide.view("<i4")[:, 0].astype(np.float32) / 2**31
    else:
        samples = np.frombuffer(data, f"<i{width}").astype(np.float32) / 2 ** (8 * width - 1)
    return torch.from_numpy(samples.reshape(-1, channels).T.copy())
