"""``--model`` of the headless export: a network of the user's without a window. No Qt."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from explorer.i18n import tr, typed_numbers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("your own network", "in panels that have a choice of networks, such as layers")
    group.add_argument(
        "--model",
        metavar="FILE[:FUNCTION]",
        help="a .py, .pt2 or .onnx file, torchvision:NAME or timm:NAME",
    )
    group.add_argument("--weights", metavar="FILE", help=".safetensors, .pt or .pth with the network's state_dict")
    group.add_argument("--fix-keys", action="store_true", help="apply the hint given when the weights' keys do not fit")
    group.add_argument("--labels", metavar="FILE", help="class names, UTF-8, one a line")
    group.add_argument("--input-size", type=int, metavar="N", help="side of the network's input in pixels")
    group.add_argument("--colour", choices=("RGB", "BGR"), help="order of the channels")
    group.add_argument("--mean", type=_three, metavar="A[,B,C]", help="taken off each channel")
    group.add_argument("--std", type=_three, metavar="A[,B,C]", help="each channel is divided by it")
    group.add_argument("--scale", type=float, help="divides the pixels first: 255 for 0 to 1 (default), 1 for 0 to 255")
    group.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="NAME=KIND[:TEXT]",
        help="what an input of the network gets, where it has several, or takes the picture in another form: picture (or "
        "picture:NHWC, picture:CHW, picture:NCHW grey), zeros:1,77, ones:1,77, value:3, file:mask.npy or nothing; "
        "NAME is the argument's, and what lies in it after a dot, as in batch.image (repeatable)",
    )
    group.add_argument("--trust", action="store_true", help="run the Python file of --model")


def settings_of(wanted: argparse.Namespace) -> list[str]:
    """Opens the network asked for and returns the ``KEY=VALUE`` settings that choose it; nothing where none was.

    Raises:
        cvcore.foreign.ModelError: it cannot be had; the sentence says why.
    """
    if not wanted.model:
        return []
    from cvcore.foreign import Given, ModelError, fingerprint, kind_of
    from explorer.own_networks.known import last_of, use
    from explorer.own_networks.trial import guess, try_own
    from explorer.own_networks.trust import is_trusted, trust
    from explorer.views.knobs import LEAST, MOST

    own = guess(wanted.model)
    given: dict[str, Any] = {
        "weights": wanted.weights and str(Path(wanted.weights).absolute()),
        "labels": wanted.labels and str(Path(wanted.labels).absolute()),
        "size": wanted.input_size,
        "colour": wanted.colour,
        "mean": wanted.mean,
        "std": wanted.std,
        "scale": wanted.scale,
        "fix_keys": wanted.fix_keys or None,
    }
    try:
        own = replace(own, **{key: value for key, value in given.items() if value is not None})
    except ValueError as error:
        raise ModelError("The network’s input does not fit: {what}.", what=error) from error
    if wanted.input:
        own = own.with_inputs([Given.parse(one) for one in wanted.input])
    elif own.inputs and own.name == "" and last_of(own.place) is None:
        raise ModelError(
            "The network takes several inputs: say what each of them gets, for instance {example}.",
            example=" ".join(f"--input '{one.name}={one.kind}{one.text and ':'}{one.text}'" for one in own.given),
        )
    if own.path is not None and kind_of(own.place) == "python":
        digest = fingerprint(own.path)
        if wanted.trust:
            trust(own.path, digest, remember=False)
        elif not is_trusted(own.path):
            raise ModelError("{file} is a program and would be run; say --trust if you trust it.", file=own.path.name)
    # Any picture shows what the network takes and gives.
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    own, _ = try_own(own, noise)
    if not own.input and not LEAST <= own.size <= MOST:
        raise ModelError("Inputs of {least} to {most} px are shown, not {size}.", least=LEAST, most=MOST, size=own.size)
    own = use(own)
    return [f"network={own.name}", f"size={min(max(own.size, LEAST), MOST)}", f"layer={own.layer}"]


def _three(text: str) -> Sequence[float]:
    try:
        parts = tuple(typed_numbers(text))
    except ValueError:
        parts = ()
    if len(parts) not in (1, 3):
        raise argparse.ArgumentTypeError(tr("one number or three with commas are wanted, not {text}", text=text))
    return parts * 3 if len(parts) == 1 else parts
