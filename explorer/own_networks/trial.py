"""What is guessed about a network of the user's from its file, and what one pass through it shows. No Qt."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from cvcore.foreign import (
    InputsError,
    ModelError,
    Trial,
    asked_by,
    discover,
    input_shape,
    kind_of,
    load_network,
    picture_in,
    suggested,
    try_network,
)
from cvcore.foreign.checkpoint import ENDINGS as WEIGHTS
from cvcore.foreign.loading import Source
from cvcore.foreign.packages import preprocessing_of
from cvcore.zoo import Preprocessing
from explorer.own_networks.known import LARGEST, SMALLEST, OwnModel, check_labels, last_of
from explorer.views import networks
from explorer.views.fit import Fit, network_input

LABELS = (".labels.txt", ".classes.txt", ".txt")
"""What may follow a network's name in that of a file beside it."""
LABELS_BESIDE = ("labels.txt", "classes.txt", "imagenet_classes.txt")


AS_IT_IS: dict[str, Any] = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0), "scale": 1.0}
WHOLE: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"), AS_IT_IS),
    "int8": {**AS_IT_IS, "mean": (128.0, 128.0, 128.0)},
}
"""How a picture becomes whole numbers, for networks that take those: as it is, or about 0."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A usual way to prepare pictures."""

    name: str
    colour: Literal["RGB", "BGR"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    scale: float


PRESETS = (
    Preset("ImageNet", "RGB", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 255.0),
    Preset("−1 to 1", "RGB", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 255.0),
    Preset("0 to 1", "RGB", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 255.0),
    Preset("0 to 255, BGR, less the mean", "BGR", (103.53, 116.28, 123.675), (1.0, 1.0, 1.0), 1.0),
    Preset("0 to 255", "RGB", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 1.0),
)


def preset_of(how: Preprocessing) -> Preset | None:
    """The preset that does just this, if one does."""
    given = (how.colour, how.mean, how.std, how.scale)
    return next((p for p in PRESETS if (p.colour, p.mean, p.std, p.scale) == given), None)


def guess(place: str) -> OwnModel:
    """What was last set for this place; at first what its file, those beside it, or its package say.

    Nothing of the user's is run.

    Raises:
        ModelError: it is no network, or its file cannot be read.
    """
    source = Source.parse(place)
    kind = kind_of(source.place)
    if kind != "package":
        source = replace(source, place=str(Path(source.place).expanduser().absolute()))
    known = last_of(source.place)
    if known is not None:
        return replace(known, name="", function=source.function or known.function)
    own = OwnModel(source.place, source.function)
    if kind == "package":
        package, _, name = source.place.partition(":")
        how = preprocessing_of(package, name)
        return replace(own, size=how.size, mean=how.mean, std=how.std)
    path = Path(source.place)
    own = replace(own, labels=_beside(path, LABELS, LABELS_BESIDE))
    if kind == "python":
        return replace(own, weights=_beside(path, WEIGHTS, ()))
    # Reading these runs nothing.
    try:
        asked = asked_by(load_network(Source(source.place)))
        given = suggested(asked)
    except InputsError as error:
        asked, given = error.asked, suggested(error.asked)
        own = own.with_inputs(given)
    shape, dtype = picture_in(asked, given)
    sides = shape[2:] if len(shape) == 4 else ()
    own = replace(own, input=input_of(shape), **WHOLE.get(dtype, {}))
    wide = sides[1] if len(sides) == 2 and sides[1] else own.size
    return replace(own, size=min(max(wide, SMALLEST), LARGEST))


def input_of(shape: Sequence[int | None]) -> tuple[int, ...]:
    """Width and height that a file demands, or nothing."""
    return (shape[3], shape[2]) if len(shape) == 4 and shape[2] and shape[3] else ()


def try_own(own: OwnModel, image: NDArray[np.uint8]) -> tuple[OwnModel, Trial]:
    """Loads a network of the user's and runs it once; what was found out is filled in.

    Args:
        image: (H, W, 3) uint8.

    Raises:
        ModelError: it cannot be had or run, or does not fit its class names; the sentence says why.
    """
    own, trial = _tried(own, image)
    if not trial.shown:
        raise ModelError("The network runs, but no layer inside gives a tensor that could be shown.")
    check_labels(own.labels, trial.classes)
    if trial.fixed and not own.input:
        own = replace(own, input=(own.size, own.size))
    layers = trial.maps or trial.shown
    return replace(own, classes=trial.classes, layer=layers[len(layers) // 4]), trial


def _tried(own: OwnModel, image: NDArray[np.uint8]) -> tuple[OwnModel, Trial]:
    """One pass; a Python network that fails on the picture itself may want it in a dict or a list."""
    network = networks.load_own(own)
    own = replace(own, input=input_of(input_shape(network)))
    x = network_picture(own, image)
    places = [own.path.parent] if own.path is not None and own.path.suffix == ".py" else []
    try:
        return own, try_network(network, x, places)
    except ModelError:
        given = discover(network, x) if kind_of(own.place) in ("python", "package") and not own.inputs else ()
        if not given:
            raise
    own = own.with_inputs(given)
    return own, try_network(networks.load_own(own), x, places)


def network_picture(own: OwnModel, image: NDArray[np.uint8]) -> torch.Tensor:
    """(1, 3, h, w) float32, contiguous: what the network gets of a picture."""
    height, width = image.shape[:2]
    fit = Fit((width, height), (own.input[0], own.input[1]) if own.input else (own.size, own.size), False)
    return network_input(image, fit, own.preprocessing, torch.device("cpu")).contiguous()


def _beside(path: Path, endings: Sequence[str], names: Sequence[str]) -> str:
    """A file beside another: of the same name with another ending, or of one of these names."""
    for candidate in (*(path.with_name(path.stem + end) for end in endings), *(path.with_name(n) for n in names)):
        if candidate != path and candidate.is_file():
            return str(candidate)
    return ""
