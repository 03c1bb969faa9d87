"""What the laws of all panels are asked of: every view of every panel, odd pictures, and spots all over a figure."""

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, is_dataclass
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from torch.utils._python_dispatch import TorchDispatchMode

from explorer.figure import (
    Arrows,
    Bars,
    Boxes,
    Curve,
    Extent,
    Figure,
    Graph,
    Handles,
    Heatmap,
    Image,
    Lit,
    Mark,
    Pane,
    Points,
    Segments,
    Spot,
    Table,
    Text,
    Tiles,
)
from explorer.panel import Knob, Panel, knobs
from tests.explorer.computing_for_tests import panels, split

FAST = 64
"""Pixels that the input of a network has here, where the control allows it."""
SHORT = {"losses": {"steps": 20}}
"""What else would only take its time."""


@dataclass(frozen=True)
class View:
    """One view of a panel: what makes it differ from the first one."""

    panel: str
    values: tuple[tuple[str, Any], ...]

    @property
    def fields(self) -> dict[str, Any]:
        return fast(panels()[self.panel]) | dict(self.values)

    def __str__(self) -> str:
        return "-".join((self.panel, *(str(value) for _, value in self.values)))


def fast(panel: Panel) -> dict[str, Any]:
    """Small inputs for a panel's networks: fields of Params that count in pixels."""
    made: dict[str, Any] = dict(SHORT.get(panel.name, {}))
    for name, (field, knob) in knobs(panel.params).items():
        if knob.kind == "number" and knob.unit == "px" and knob.low is not None:
            made[name] = min(type(field.default)(max(knob.low, FAST)), field.default)
    return made


def views(panel: Panel) -> list[View]:
    """Each of the views a panel offers; of one that offers none as many as its longest choice is, so that each value is in one."""
    every = {**knobs(panel.params), **knobs(panel.view)}
    if "show" in every:
        return [View(panel.name, (("show", value),)) for value in fixed_choices(every["show"][1])]
    choices = {name: fixed_choices(knob) for name, (_, knob) in every.items() if fixed_choices(knob)}
    made = [View(panel.name, ())]
    for i in range(max(map(len, choices.values()), default=0)):
        # Shifted by the knob's number, so that not all have their first value together.
        values = ((name, values[(i + shift) % len(values)]) for shift, (name, values) in enumerate(choices.items()))
        made.append(View(panel.name, tuple(values)))
    return made


def all_views() -> list[View]:
    return [view for panel in panels().values() for view in views(panel)]


def fixed_choices(knob: Knob) -> tuple[str, ...]:
    return knob.choices if knob.kind == "choice" and isinstance(knob.choices, tuple) else ()


def odd_pictures() -> dict[str, NDArray[np.uint8]]:
    """(H, W, 3) pictures that nobody thinks of."""
    random = np.random.default_rng(5)

    def noise(height: int, width: int) -> NDArray[np.uint8]:
        return random.integers(0, 256, (height, width, 3), np.uint8)

    large = cv2.resize(noise(12, 16), (2400, 1800), interpolation=cv2.INTER_CUBIC)
    return {
        "1x1": noise(1, 1),
        "1x600": noise(600, 1),
        "600x1": noise(1, 600),
        "37x53": noise(53, 37),
        "large": np.asarray(large, np.uint8),
        "grey": np.full((96, 128, 3), 128, np.uint8),
    }


# -- spots


def some(count: int, most: int) -> list[int]:
    """Up to ``most`` of range(count), both ends among them."""
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})


def spots(pane: Pane, most: int = 5) -> Iterator[Spot]:
    """All over a pane and beside it, as the canvas makes them: on every mark, ``most`` items of it, and where nothing is."""
    whole: Extent = (0.0, 0.0, *(pane.size or (1.0, 1.0)))
    for mark in pane.marks:
        if isinstance(mark, Image | Heatmap):
            whole = area(mark)
        for index, x, y in items(mark, most):
            if math.isfinite(x) and math.isfinite(y):
                yield Spot(pane.key, mark.key, float(x), float(y), index)
    x0, y0, x1, y1 = whole
    for a, b in ((0.0, 0.0), (0.3, 0.6), (1.0, 1.0), (-0.2, 1.3)):
        yield Spot(pane.key, "", x0 + (x1 - x0) * a, y0 + (y1 - y0) * b)


def area(mark: Image | Heatmap) -> Extent:
    """Where an image or a map lies."""
    if mark.extent is not None:
        return mark.extent
    height, width = (mark.pixels if isinstance(mark, Image) else mark.values).shape[:2]
    return 0.0, 0.0, float(width), float(height)


def items(mark: Mark, most: int) -> Iterator[tuple[int | None, float, float]]:
    """Items of a mark and where they are."""
    match mark:
        case Image() | Heatmap():
            x0, y0, x1, y1 = area(mark)
            for a, b in ((0.0, 0.0), (0.5, 0.5), (0.13, 0.87), (1.0, 1.0)):
                yield None, x0 + (x1 - x0) * a, y0 + (y1 - y0) * b
        case Tiles():
            count, height, width = mark.values.shape
            for i in some(count, most):
                yield i, width * 0.3, height * 0.6
        case Boxes():
            for i in some(len(mark.xyxy), most):
                x0, y0, x1, y1 = mark.xyxy[i]
                yield i, (x0 + x1) / 2, (y0 + y1) / 2
        case Points():
            for i in some(len(mark.xy), most):
                yield i, *mark.xy[i]
        case Segments() | Arrows():
            for i in some(len(mark.start), most):
                yield i, *mark.start[i]
        case Curve():
            for i in some(len(mark.x), most):
                yield i, mark.x[i], mark.y[i]
        case Bars():
            for i in some(len(mark.values), most):
                yield i, *((mark.values[i] / 2, i) if mark.horizontal else (i, mark.values[i] / 2))
        case Table():
            for i in some(len(mark.rows), most):
                yield i, 0.0, float(i)
        case Graph():
            for i in some(len(mark.boxes), most):
                x0, y0, x1, y1 = mark.boxes[i]
                yield i, (x0 + x1) / 2, (y0 + y1) / 2
            for i in some(len(mark.lines), most):
                yield len(mark.boxes) + i, *mark.lines[i][0]
        case Text(xy=(x, y)):
            yield None, x, y
        case Text() | Handles() | Lit():
            pass


# -- words and sameness


def words(value: Any) -> Iterator[str]:
    """Every word that a person reads of a figure or a probe; keys are for the program."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Figure):
        for part in (value.panes(), value.notes):
            yield from words(part)
    elif is_dataclass(value):
        for field in fields(value):
            if field.name not in SILENT and not (isinstance(value, Graph) and field.name == "titles"):
                yield from words(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from words(part)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from words(part)


SILENT = {
    "key",
    "space",
    "colours",
    "colour",
    "style",
    "styles",
    "symbol",
    "colormap",
    "target",
    "field",
    "kind",
    "level",
    "places",
    "again",
    "also",
}
"""Fields of figures that hold names for the program. A graph's titles are names of a network's own modules and functions."""


def difference(a: Any, b: Any, where: str = "figure") -> str:
    """Where two figures differ first, or empty."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return "" if np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind in "fc") else where
    if type(a) is not type(b):
        return where
    if is_dataclass(a):
        pairs = [(f.name, getattr(a, f.name), getattr(b, f.name)) for f in fields(a) if f.name != "places"]
    elif isinstance(a, Mapping):
        pairs = [(str(key), a[key], b.get(key)) for key in a] if a.keys() == b.keys() else [("names", 0, 1)]
    elif isinstance(a, tuple | list):
        pairs = (
            [(str(i), x, y) for i, (x, y) in enumerate(zip(a, b, strict=False))]
            if len(a) == len(b)
            else [("length", 0, 1)]
        )
    else:
        return "" if a == b or (a != a and b != b) else where
    return next((found for name, x, y in pairs if (found := difference(x, y, f"{where}.{name}"))), "")


# -- what is computed while drawing

LOOKS_UP = {
    # the same memory
    "alias", "as_strided", "detach", "diagonal", "expand", "permute", "select", "slice", "split", "split_with_sizes", "squeeze",
    "t", "transpose", "unbind", "unfold", "unsqueeze", "view", "_unsafe_view", "_reshape_alias", "view_as_real",
    "chunk", "contiguous", "expand_as", "flatten", "movedim", "narrow", "reshape", "unflatten", "view_as",
    # some of it
    "gather", "index", "index_select", "take", "masked_select", "nonzero", "arange",
    # as another type, elsewhere, or as a number of Python's
    "to", "_to_copy", "clone", "copy_", "lift_fresh", "_local_scalar_dense", "scalar_tensor", "empty", "is_nonzero",
    "item", "resolve_conj", "resolve_neg",
}  # fmt: skip
"""Operators of torch that look up or convert."""
PICTURE_WORK = ("resize", "imdecode", "imencode", "cvtColor", "warpAffine", "GaussianBlur", "applyColorMap", "remap")
"""Functions of OpenCV that have no place in a draw."""


class Operators(TorchDispatchMode):
    """Notes every operator that computes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing here is compiled; the other answer makes the first operator import all of torch's compiler."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name not in LOOKS_UP:
            self.seen.add(name)
        return func(*args, **(kwargs or {}))


@contextmanager
def noting_work() -> Iterator[set[str]]:
    """What computes meanwhile: names of torch's operators, and ``cv2.NAME`` and ``Pillow``."""
    found: set[str] = set()
    with ExitStack() as stack:
        for name in PICTURE_WORK:
            stack.enter_context(patch.object(cv2, name, _noting(found, f"cv2.{name}", getattr(cv2, name))))
        stack.enter_context(patch.object(PillowImage, "open", _noting(found, "Pillow", PillowImage.open)))
        operators = stack.enter_context(Operators())
        yield found
        found |= operators.seen


def _noting(found: set[str], name: str, function: Any) -> Any:
    def noted(*args: Any, **named: Any) -> Any:
        found.add(name)
        return function(*args, **named)

    return noted


# -- values of knobs


def extremes(panel: Panel) -> Iterator[tuple[str, Any]]:
    """Every control with every value that its knob says is allowed at its ends."""
    for kind in (panel.params, panel.view):
        for name, (field, knob) in knobs(kind).items():
            if knob.kind == "flag":
                yield name, not field.default
            elif knob.kind == "number":
                for end in (knob.low, knob.high):
                    if isinstance(end, int | float):
                        yield name, type(field.default)(end)
            for value in fixed_choices(knob):
                yield name, value


def outside(panel: Panel) -> Iterator[tuple[str, Any]]:
    """Every control with values that are not allowed."""
    for kind in (panel.params, panel.view):
        for name, (field, knob) in knobs(kind).items():
            whole = type(field.default)
            if knob.kind == "flag":
                yield name, "perhaps"
            elif knob.kind == "number":
                if knob.low is not None:
                    yield name, whole(knob.low - (1 if whole is int else 0.001))
                if isinstance(knob.high, int | float):
                    yield name, whole(knob.high + (1 if whole is int else 0.001))
                yield name, math.nan
            elif fixed_choices(knob):
                yield name, "klingon"


def refusal(panel: Panel, name: str, value: Any) -> str:
    """The sentence with which a value is refused; empty if it is not, or with none."""
    try:
        split(panel, {name: value})
    except ValueError as error:
        said = str(error)
        return said if "\n" not in said and said.endswith((".", "。")) else ""
    except Exception:
        return ""
    return ""
