"""A trace taken apart: every array, number and word in it by its name, and how two such lists differ.

Names are written as in Python: ``runs[0].trace.boxes``, ``times['nms']``. A container is a leaf too (its kind and its length or
fields), so that an empty tuple and a missing one are told apart.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

LONGEST_KEY = 80
DEEPEST = 100
RAW: dict[str, np.dtype[Any]] = {
    "bfloat16": np.dtype(np.uint16),
    "float8_e4m3fn": np.dtype(np.uint8),
    "float8_e5m2": np.dtype(np.uint8),
    "float8_e4m3fnuz": np.dtype(np.uint8),
    "float8_e5m2fnuz": np.dtype(np.uint8),
}
"""What numpy has no number type for, and the unsigned integers that hold its bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Array:
    """An array or a tensor.

    Args:
        values: its numbers, or their bits where numpy has no such type.
        dtype: torch's or numpy's name of the type.
        tensor: it was a tensor.
    """

    values: NDArray[Any]
    dtype: str
    tensor: bool

    def numbers(self) -> NDArray[Any]:
        """The values as numbers numpy can subtract."""
        if self.dtype in RAW:
            bits = torch.from_numpy(self.values.astype(RAW[self.dtype])).view(getattr(torch, self.dtype))
            return np.asarray(bits.float().numpy())
        return self.values

    def same(self, other: "Array") -> bool:
        """Bit for bit: -0.0 is not 0.0, and a NaN is the same NaN."""
        if (self.dtype, self.tensor, self.values.shape) != (other.dtype, other.tensor, other.values.shape):
            return False
        if self.values.dtype.kind in "UST" or self.values.dtype.hasobject:
            return bool(np.array_equal(self.values, other.values))
        return np.array_equal(_bytes(self.values), _bytes(other.values))


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number, a word, a truth value or None, with its exact value as text."""

    kind: Literal["none", "bool", "int", "float", "complex", "str", "bytes", "name"]
    text: str


@dataclass(frozen=True, slots=True)
class Container:
    """Something with parts: a dataclass (its name), tuple, list, dict or set, and how many parts it has."""

    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An object that is no data, such as a network; only the name of its class is known."""

    kind: str


Leaf = Array | Scalar | Container | LeftOut
Leaves = dict[str, Leaf]


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs at one name.

    Args:
        before, after: what was there and what is there now, in short; empty where there was or is nothing.
        largest: the largest difference between two numbers, inf where one of them is not a number; None where they are no numbers.
        count, size: how many numbers differ, of how many.
    """

    name: str
    before: str
    after: str
    largest: float | None = None
    count: int = 0
    size: int = 0


def take_apart(trace: Any) -> Leaves:
    """Every leaf of a trace by its name, in order. Fields marked ``explorer.panel.MEASURED`` are left out."""
    return dict(_walk(trace, "", ()))


def compare(before: Mapping[str, Leaf], after: Mapping[str, Leaf]) -> tuple[Difference, ...]:
    """What differs, bit for bit, the numbers that differ most first."""
    found = [
        _difference(name, before.get(name), after.get(name))
        for name in dict.fromkeys((*before, *after))
        if not _same(before.get(name), after.get(name))
    ]
    return tuple(sorted(found, key=lambda d: -(d.largest if d.largest is not None else np.inf)))


def from_bits(array: Array) -> Any:
    """The tensor or array that :func:`take_apart` was given; memory of its own."""
    if not array.tensor:
        return array.values.copy()
    # ascontiguousarray would make a number without dimensions one with one.
    values = torch.from_numpy(np.array(array.values, order="C"))
    return values.view(getattr(torch, array.dtype)) if array.dtype in RAW else values


def value_of(scalar: Scalar) -> Any:
    """The number, word, truth value or None.

    Raises:
        ValueError: the text does not stand for one.
    """
    match scalar.kind:
        case "none":
            return None
        case "bool":
            if scalar.text not in ("True", "False"):
                raise ValueError(scalar.text)
            return scalar.text == "True"
        case "int":
            return int(scalar.text)
        case "float":
            return float.fromhex(scalar.text)
        case "complex":
            real, imaginary = scalar.text.split(" ")
            return complex(float.fromhex(real), float.fromhex(imaginary))
        case "bytes":
            return bytes.fromhex(scalar.text)
        case "str" | "name":
            return scalar.text


def scalar_of(value: Any) -> Scalar | None:
    """A plain value as a leaf; None for what is no plain value."""
    match value:
        case None:
            return Scalar("none", "None")
        case Enum():
            return Scalar("name", f"{type(value).__qualname__}.{value.name}")
        case bool():
            return Scalar("bool", str(value))
        case int():
            return Scalar("int", str(int(value)))
        case float():
            return Scalar("float", float(value).hex())
        case complex():
            return Scalar("complex", f"{value.real.hex()} {value.imag.hex()}")
        case str():
            return Scalar("str", str(value))
        case bytes():
            return Scalar("bytes", value.hex())
        case torch.dtype() | torch.device() | torch.Size() | slice() | range():
            return Scalar("name", str(value))
        case _:
            return None


def array_of(value: Any) -> Array | None:
    """An array, a numpy number or a dense tensor as a leaf; None for anything else."""
    if isinstance(value, torch.Tensor):
        if value.layout is not torch.strided or value.is_quantized or value.device.type == "meta":
            return None
        plain = value.detach().cpu().resolve_conj().resolve_neg().contiguous()
        name = str(plain.dtype).removeprefix("torch.")
        if name in RAW:
            raw = plain.view(torch.uint8 if RAW[name].itemsize == 1 else torch.int16)
            return Array(raw.numpy().view(RAW[name]), name, True)
        return Array(plain.numpy(), name, True)
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        return None if array.dtype.hasobject else Array(array, array.dtype.str, False)
    return None


def _walk(value: Any, name: str, above: tuple[int, ...]) -> Iterator[tuple[str, Leaf]]:
    leaf = scalar_of(value) or array_of(value)
    if leaf is not None:
        yield name, leaf
    elif id(value) in above or len(above) >= DEEPEST:
        yield name, LeftOut("…")
    elif (parts := _parts(value, name)) is not None:
        kind, named = parts
        yield name, Container(kind, len(named))
        for part_name, part in named:
            yield from _walk(part, part_name, (*above, id(value)))
    else:
        yield name, LeftOut(type(value).__qualname__)


def _parts(value: Any, name: str) -> tuple[str, list[tuple[str, Any]]] | None:
    """What kind of container it is, and its parts by name; None: it is none."""
    if is_dataclass(value) and not isinstance(value, type):
        shown = [f.name for f in fields(value) if not f.metadata.get("measured")]
        return type(value).__qualname__, [(f"{name}.{f}" if name else f, getattr(value, f)) for f in shown]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value).__qualname__, [(f"{name}.{f}" if name else f, getattr(value, f)) for f in value._fields]
    if isinstance(value, tuple | list):
        return ("tuple" if isinstance(value, tuple) else "list"), [
            (f"{name}[{i}]", part) for i, part in enumerate(value)
        ]
    if isinstance(value, np.ndarray):  # of objects
        return "objects", [(f"{name}[{i}]", part) for i, part in enumerate(value.ravel().tolist())]
    if isinstance(value, Mapping):
        return "dict", [(f"{name}[{_key(key, i)}]", part) for i, (key, part) in enumerate(value.items())]
    if isinstance(value, set | frozenset):
        return "set", [(f"{name}[{i}]", part) for i, part in enumerate(sorted(value, key=repr))]
    return None


def _key(key: Any, number: int) -> str:
    plain = isinstance(key, str | int | float | bool | tuple) or key is None
    text = ascii(key) if plain else ""
    # A backslash would become a slash in the name of a zip's member on Windows.
    return text if text and len(text) <= LONGEST_KEY and "\\" not in text else f"#{number}"


def _bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.frombuffer(values.tobytes(), np.uint8)


def _same(before: Leaf | None, after: Leaf | None) -> bool:
    if isinstance(before, Array) and isinstance(after, Array):
        return before.same(after)
    return before == after


def _difference(name: str, before: Leaf | None, after: Leaf | None) -> Difference:
    said = Difference(name, describe(before), describe(after))
    if isinstance(before, Scalar) and isinstance(after, Scalar) and {before.kind, after.kind} <= {"int", "float"}:
        try:
            gap = _gap(np.asarray(float(value_of(before))), np.asarray(float(value_of(after))))
        except (OverflowError, ValueError):
            return said
        return Difference(name, said.before, said.after, float(gap), 1, 1)
    if not (isinstance(before, Array) and isinstance(after, Array)) or before.values.shape != after.values.shape:
        return said
    a, b = before.numbers(), after.numbers()
    if a.dtype.kind not in "biufc" or b.dtype.kind not in "biufc" or not a.size:
        return said
    gaps = _gap(a, b)
    # What differs in sign of zero or in type only has no difference in value.
    return Difference(name, said.before, said.after, float(gaps.max()), int((gaps > 0).sum()), a.size)


def _gap(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """|a - b|, inf where just one is not a number, 0 where neither is."""
    wide = np.complex128 if "c" in (a.dtype.kind, b.dtype.kind) else np.float64
    x, y = a.astype(wide), b.astype(wide)
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.asarray(np.abs(x - y), np.float64)
    equal = (x == y) | (np.isnan(x) & np.isnan(y))
    return np.where(equal, 0.0, np.where(np.isnan(gap), np.inf, gap))


def describe(leaf: Leaf | None) -> str:
    """A leaf in short, as a person who knows arrays reads it: ``float32 (3, 4)``, ``0.25``, ``tuple of 3``."""
    match leaf:
        case None:
            return ""
        case Array(values=values, dtype=dtype):
            return f"{dtype if leaf.tensor else values.dtype.name} {values.shape}"
        case Scalar():
            try:
                said = repr(value_of(leaf))
            except (ValueError, OverflowError):
                said = leaf.text
            return said if len(said) <= LONGEST_KEY else said[: LONGEST_KEY - 1] + "…"
        case Container():
            return f"{leaf.kind} ({leaf.count})"
        case LeftOut():
            return leaf.kind
