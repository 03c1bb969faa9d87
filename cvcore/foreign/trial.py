"""One pass through a network that nothing is known of: what it takes, what it gives, and what is wrong."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cvcore.foreign.errors import ModelError, error_in, short
from cvcore.foreign.loading import input_shape
from cvcore.foreign.settling import settle
from cvcore.record import describe, tensors

CHANNELS = re.compile(r"to have (\d+) channels, but got (\d+) channels")


@dataclass(frozen=True, slots=True)
class Trial:
    """What a pass showed.

    Args:
        input: (N, C, H, W) given.
        outputs: shapes of the tensors that the network gives, in order.
        classes: of its class scores; 0 if it gives none.
        maps: names of the layers that give maps, in order.
        shown: names of the layers whose tensors have something in them for each channel or unit, maps among them.
        layers: how many layers ran.
        parameters: numbers in the network.
        fixed: it takes no other size.
        seconds: of the second pass.
    """

    input: tuple[int, ...]
    outputs: tuple[tuple[int, ...], ...]
    classes: int
    maps: tuple[str, ...]
    shown: tuple[str, ...]
    layers: int
    parameters: int
    fixed: bool
    seconds: float


def try_network(network: nn.Module, x: Tensor, places: Sequence[Path] = ()) -> Trial:
    """Runs a network on an input, and on one of another size to see whether it takes that.

    Args:
        x: (1, 3, H, W) float32.
        places: the user's own files and folders, where an error is looked for.

    Raises:
        ModelError: it cannot be run on this; the sentence says why.
    """
    check_input(network, x)
    try:
        settle(network, x)
        layers = describe(network, x)
        started = time.perf_counter()
        with torch.inference_mode():
            output = network(x)
        seconds = time.perf_counter() - started
    except Exception as error:
        raise run_error(error, places, x) from error
    given = tensors(output)
    if not given:
        raise ModelError("The network runs, but gives no tensor.")
    scores = class_scores(output)
    trial = Trial(
        input=tuple(x.shape),
        outputs=tuple(tuple(t.shape) for t in given),
        classes=scores.shape[1] if scores is not None else 0,
        maps=tuple(one.name for one in layers if one.name and one.shapes and len(one.shapes[0]) == 4),
        shown=tuple(one.name for one in layers if one.name and one.shapes and len(one.shapes[0]) >= 2),
        layers=sum(one.calls > 0 for one in layers if one.name),
        parameters=sum(p.numel() for p in network.parameters()),
        fixed=fixed_size(network) is not None,
        seconds=seconds,
    )
    return trial if trial.fixed else replace(trial, fixed=not _takes_other(network, x))


def class_scores(output: Any, classes: int = 0) -> Tensor | None:
    """The first tensor of a network's output that can be class scores, (1, classes); None if there is none.

    Args:
        classes: how many are wanted; 0 takes any number from 2.
    """
    for tensor in tensors(output):
        if tensor.is_quantized:
            tensor = tensor.dequantize()
        row = tensor.ndim == 2 and len(tensor) == 1 and tensor.is_floating_point()
        if row and (tensor.shape[1] == classes or (not classes and tensor.shape[1] > 1)):
            return tensor
    return None


def fixed_size(network: nn.Module) -> tuple[int, int] | None:
    """Height and width that a file demands; None where it demands none."""
    shape = input_shape(network)
    if len(shape) == 4 and shape[2] and shape[3]:
        return shape[2], shape[3]
    return None


def check_input(network: nn.Module, x: Tensor) -> None:
    """Compares an input with what the file says it takes.

    Raises:
        ModelError: the number of pictures, channels, or the size is another.
    """
    shape = input_shape(network)
    if not shape:
        return
    if len(shape) != 4:
        raise ModelError("The network takes {shape}, not a picture (1, 3, height, width).", shape=_words(shape))
    if shape[0] not in (None, 1):
        raise ModelError("The network takes {count} pictures at once; export it for 1.", count=shape[0])
    if shape[1] not in (None, x.shape[1]):
        raise ModelError(
            "The network takes {wanted} channels; a picture has {given}.", wanted=shape[1], given=x.shape[1]
        )
    for wanted, given in zip(shape[2:], x.shape[2:], strict=True):
        if wanted not in (None, given):
            raise ModelError(
                "The network takes only {height} × {width} px (height × width).",
                height=shape[2] or "–",
                width=shape[3] or "–",
            )


def run_error(error: Exception, places: Sequence[Path], x: Tensor) -> ModelError:
    """One sentence for what a pass raised."""
    if isinstance(error, ModelError):
        return error
    if found := CHANNELS.search(str(error)):
        wanted, given = int(found[1]), int(found[2])
        if given == x.shape[1]:
            return ModelError("The network takes {wanted} channels; a picture has {given}.", wanted=wanted, given=given)
    where = error_in(error, places)
    height, width = x.shape[2:]
    if where is not None:
        return where
    return ModelError(
        "The network fails on {width} × {height} px: {what}", width=width, height=height, what=short(error)
    )


def _takes_other(network: nn.Module, x: Tensor) -> bool:
    """Whether it also takes an input that is wider by 64 pixels; only whether it does, so an error is the answer."""
    wider = torch.nn.functional.pad(x, (0, 64))
    try:
        with torch.inference_mode():
            network(wider)
    except Exception:
        return False
    return True


def _words(shape: Sequence[int | None]) -> str:
    return "(" + ", ".join("–" if side is None else str(side) for side in shape) + ")"
