"""The user's own networks: where each comes from and what it expects, remembered per file. No Qt."""

import logging
import os
import threading
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any, Literal, cast

from cvcore.foreign.errors import ModelError
from cvcore.foreign.inputs import KINDS, Given
from cvcore.zoo import Preprocessing
from explorer.files.stored import read_stored, stored, write_stored

log = logging.getLogger(__name__)
NAME = "own_models"
SMALLEST, LARGEST = 8, 4096
"""Of an input's side, in pixels."""
_lock = threading.Lock()
_numbers = count()
_changed = next(_numbers)
_for_now: "dict[str, OwnModel]" = {}


@dataclass(frozen=True, slots=True)
class OwnModel:
    """A network of the user's.

    Args:
        place: a .py, .pt2 or .onnx file (absolute), or ``torchvision:NAME`` or ``timm:NAME``.
        function: of a Python file.
        weights: a file of weights, or empty.
        labels: a text file of class names, or empty.
        fix_keys: the weights' keys need the prefix or wrapper that explains them.
        size: side of the input in pixels.
        colour: the order of the channels.
        mean, std, scale: as in :class:`cvcore.zoo.Preprocessing`.
        input: width and height, where the network takes no others; else empty.
        classes: of its class scores; 0 if it gives none.
        layer: to show first.
        inputs: name, kind and text of what each input gets, as :class:`cvcore.foreign.Given` has them; empty where a picture is all.
        name: what it is chosen by; given by :func:`remember`.
    """

    place: str
    function: str = ""
    weights: str = ""
    labels: str = ""
    fix_keys: bool = False
    size: int = 224
    colour: Literal["RGB", "BGR"] = "RGB"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    scale: float = 255.0
    input: tuple[int, ...] = ()
    classes: int = 0
    layer: str = ""
    inputs: tuple[tuple[str, str, str], ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        for f in fields(self):
            value, wanted = getattr(self, f.name), type(f.default)
            if f.name in ("mean", "std", "input"):
                object.__setattr__(self, f.name, tuple(value))
            elif f.name == "inputs":
                object.__setattr__(self, f.name, tuple(tuple(one) for one in value))
            elif f.name == "scale" and isinstance(value, int):
                object.__setattr__(self, f.name, float(value))
            elif f.name != "place" and not isinstance(value, wanted):
                raise ValueError(f"{f.name} is {type(value).__name__}, not {wanted.__name__}")
        if not isinstance(self.place, str) or not self.place:
            raise ValueError("a network is somewhere")
        if not SMALLEST <= self.size <= LARGEST:
            raise ValueError(f"the input is {SMALLEST} to {LARGEST} pixels wide, not {self.size}")
        if len(self.input) not in (0, 2) or len(self.mean) != 3 or len(self.std) != 3:
            raise ValueError("three channels, two sides")
        if not all(
            len(one) == 3 and all(isinstance(part, str) for part in one) and one[1] in KINDS for one in self.inputs
        ):
            raise ValueError("an input is a name, what it gets, and a text")
        _ = self.preprocessing  # checks the rest

    @property
    def preprocessing(self) -> Preprocessing:
        return Preprocessing(self.size, self.mean, self.std, self.colour, self.scale)

    @property
    def given(self) -> tuple[Given, ...]:
        """What each input gets."""
        return tuple(Given(name, cast(Any, kind), text) for name, kind, text in self.inputs)

    def with_inputs(self, given: Sequence[Given]) -> "OwnModel":
        return replace(self, inputs=tuple((one.name, one.kind, one.text) for one in given))

    @property
    def identity(self) -> tuple[str, str, str]:
        """What makes it another network: not how the picture is prepared."""
        return self.place, self.function, self.weights

    @property
    def path(self) -> Path | None:
        """Its file; None of a package's network."""
        return None if self.place.startswith(("torchvision:", "timm:")) else Path(self.place)


def state() -> Hashable:
    """Becomes another one when this process changes the list, or another folder of settings is named. Looks at no file."""
    return _changed, os.environ.get("CV_EXPLORER_HOME")


def _note_change() -> None:
    global _changed
    _changed = next(_numbers)


def own_models() -> Mapping[str, OwnModel]:
    """All that can be chosen, by name, in the order they were first opened."""
    kept = remembered()
    return {**kept, **_for_now} if _for_now else kept


def remembered() -> Mapping[str, OwnModel]:
    """Those that are kept for later runs of the program."""
    path = stored(NAME)
    try:
        state = path.stat()
    except OSError:
        return {}
    return _read(str(path), state.st_mtime_ns, state.st_size, state.st_ino)


def use(model: OwnModel) -> OwnModel:
    """Makes a network known until the program ends; returns it with its name."""
    global _for_now
    named = replace(model, name=free_name(model, {**_for_now}))
    _for_now = {**_for_now, named.name: named}
    _note_change()
    return named


def remember(model: OwnModel) -> OwnModel:
    """Keeps a network, in place of what was known of the same; returns it with its name."""
    with _lock:
        known = dict(remembered())
        same = next((name for name, one in known.items() if one.identity == model.identity), None)
        named = replace(model, name=same or free_name(model, known))
        known[named.name] = named
        write_stored(NAME, {"models": [asdict(one) for one in known.values()]})
        _note_change()
    return named


def forget(name: str) -> None:
    """Takes a network off the list; its files stay."""
    with _lock:
        left = [asdict(one) for one in remembered().values() if one.name != name]
        write_stored(NAME, {"models": left})
        _note_change()


def last_of(place: str) -> OwnModel | None:
    """What was last set for a file, with whatever function and weights."""
    return next((one for one in reversed(list(remembered().values())) if one.place == place), None)


def free_name(model: OwnModel, taken: Mapping[str, object]) -> str:
    """``resnet.py:resnet50 + weights.pth``; with the folder, then a number, where two would be the same."""
    path = model.path
    name = model.place if path is None else path.name + (f":{model.function}" if model.function else "")
    if model.weights:
        name += f" + {Path(model.weights).name}"
    if name in taken and path is not None:
        name += f" ({path.parent.name})"
    free, number = name, 2
    while free in taken:
        free, number = f"{name} {number}", number + 1
    return free


@lru_cache(maxsize=4)
def _read(path: str, changed: int, size: int, inode: int) -> Mapping[str, OwnModel]:
    del changed, size, inode  # another file has others
    found: dict[str, OwnModel] = {}
    listed = read_stored(NAME).get("models")
    for raw in listed if isinstance(listed, list) else []:
        if is_understood(raw):
            model = from_json(raw)
            found[model.name] = model
        else:
            log.warning("one remembered network in %s was left out", path)
    return found


def is_understood(raw: Any) -> bool:
    """Whether :func:`from_json` can read it."""
    try:
        from_json(raw)
    except (ValueError, TypeError, KeyError, ArithmeticError, AttributeError):
        return False
    return True


def from_json(raw: Any) -> OwnModel:
    """One network as :func:`remember` wrote it; fields from a newer version are left out.

    Raises:
        ValueError, TypeError, KeyError: it is something else.
    """
    known = {f.name for f in fields(OwnModel)}
    model = OwnModel(**{key: value for key, value in dict(raw).items() if key in known})
    if not model.name:
        raise ValueError("without a name")
    return model


def read_labels(path: Path) -> tuple[str, ...]:
    """Class names from a text file in UTF-8, one a line; the second of two alike gets its number.

    Raises:
        ModelError: it cannot be read, is no text, or is empty.
    """
    try:
        state = path.stat()
        return _labels(path, state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise ModelError("The file {file} cannot be read.", file=path.name) from error


@lru_cache(maxsize=8)
def _labels(path: Path, changed: int, size: int) -> tuple[str, ...]:
    del changed
    if size > 16 << 20:
        raise ModelError("{file} is no list of class names.", file=path.name)
    try:
        lines = path.read_bytes().decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ModelError("{file} is no text in UTF-8.", file=path.name) from error
    names = [line.strip() for line in lines]
    while names and not names[-1]:
        names.pop()
    if not names or "\0" in "".join(names):
        raise ModelError("{file} is no list of class names.", file=path.name)
    seen: set[str] = set()
    unique = []
    for number, name in enumerate(names):
        said = name or str(number)
        unique.append(f"{said} ({number})" if said in seen else said)
        seen.add(said)
    return tuple(unique)


def check_labels(labels: str, classes: int) -> None:
    """Whether a file of class names has one for each class score.

    Raises:
        ModelError: it has more or fewer, or cannot be read.
    """
    if not labels:
        return
    count = len(read_labels(Path(labels)))
    if not classes:
        raise ModelError("The network gives no class scores, so class names are of no use.")
    if count != classes:
        raise ModelError(
            "{file} has {count} class names; the network gives {classes} class scores.",
            file=Path(labels).name,
            count=count,
            classes=classes,
        )
