"""A trace put together again from its leaves, without looking up any class by the name in a file.

The classes come from a trace of the same panel that was computed here, and from the types its fields are annotated with. What is no data,
such as a network, is taken over from that trace.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

import numpy as np

from explorer.bundle.leaves import Array, Container, Leaf, Leaves, LeftOut, Scalar, from_bits, scalar_of, value_of

FAILURES = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


class RestoreError(Exception):
    """The trace in the file has another form than the panel's traces have."""


def restore(leaves: Leaves, like: Any) -> Any:
    """The trace that the leaves were taken from.

    Args:
        like: a trace of the same panel.

    Raises:
        RestoreError: the leaves do not fit the panel's classes.
    """
    rows = _Rows(leaves)
    try:
        made = _part(rows, like, type(like))
    except FAILURES as error:
        raise RestoreError(str(error) or type(error).__name__) from error
    if not rows.is_done():
        raise RestoreError("parts are left over")
    return made


def _part(rows: "_Rows", like: Any, hint: Any) -> Any:
    name, leaf = rows.take()
    match leaf:
        case Array():
            value = from_bits(leaf)
            return value[()] if isinstance(like, np.generic) and not leaf.tensor and value.ndim == 0 else value
        case Scalar(kind="name"):
            if scalar_of(like) != leaf:
                raise RestoreError(f"{name} is {leaf.text}")
            return like
        case Scalar():
            return value_of(leaf)
        case LeftOut():
            if type(like).__qualname__ != leaf.kind:
                raise RestoreError(f"{name} was no data")
            return like
        case Container(kind="tuple", count=count):
            likes: Sequence[Any] = like if isinstance(like, tuple) else ()
            return tuple(_part(rows, _at(likes, i), _item_hint(hint, i)) for i in range(count))
        case Container(kind="list", count=count):
            likes = like if isinstance(like, list) else ()
            return [_part(rows, _at(likes, i), _item_hint(hint, i)) for i in range(count)]
        case Container(kind="set", count=count):
            made = (_part(rows, None, None) for _ in range(count))
            return frozenset(made) if isinstance(like, frozenset) else set(made)
        case Container(kind="dict", count=count):
            return _dict(rows, name, count, like if isinstance(like, dict) else {}, hint)
        case Container(kind=kind, count=count):
            return _record(rows, _class(kind, like, hint), count, like)


def _dict(rows: "_Rows", name: str, count: int, like: dict[Any, Any], hint: Any) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    for _ in range(count):
        text = rows.name()[len(name) + 1 : -1]
        key = list(like)[len(made)] if text.startswith("#") else ast.literal_eval(text)
        made[key] = _part(rows, like.get(key), _item_hint(hint, 1))
    return made


def _record(rows: "_Rows", kind: type, count: int, like: Any) -> Any:
    """A dataclass or a named tuple."""
    same = like if type(like) is kind else None
    hints = get_type_hints(kind)
    if not is_dataclass(kind):
        names = list(kind._fields)  # type: ignore[attr-defined]
        left: list[str] = []
    else:
        names = [f.name for f in fields(kind) if not f.metadata.get("measured")]
        left = [f.name for f in fields(kind) if f.metadata.get("measured") and f.init]
    if len(names) != count:
        raise RestoreError(f"{kind.__qualname__} has {len(names)} fields here, and {count} there")
    values = {}
    for field in names:
        if rows.name().rpartition(".")[2] != field:
            raise RestoreError(f"{rows.name()} is not {field}")
        values[field] = _part(rows, getattr(same, field, None), hints.get(field))
    if is_dataclass(kind):
        values |= {field: getattr(same, field) for field in left if same is not None}
        values = {f.name: values[f.name] for f in fields(kind) if f.init and f.name in values}
    return kind(**values)


def _class(name: str, like: Any, hint: Any) -> type:
    if type(like).__qualname__ == name and (is_dataclass(like) or hasattr(like, "_fields")):
        return type(like)
    for kind in _classes(hint):
        if kind.__qualname__ == name and (is_dataclass(kind) or hasattr(kind, "_fields")):
            return kind
    raise RestoreError(f"there is no {name} here")


def _classes(hint: Any) -> Iterator[type]:
    if isinstance(hint, type):
        yield hint
    for part in get_args(hint):
        yield from _classes(part)


def _item_hint(hint: Any, number: int) -> Any:
    """What the annotation says of an item; all its classes where it does not tell items apart."""
    parts = get_args(hint)
    return parts[number] if number < len(parts) and Ellipsis not in parts and not _is_union(hint) else hint


def _is_union(hint: Any) -> bool:
    return type(None) in get_args(hint)


def _at(likes: Sequence[Any], number: int) -> Any:
    return likes[number] if number < len(likes) else likes[-1] if likes else None


class _Rows:
    """The leaves one after the other, with a look at the next name."""

    def __init__(self, leaves: Leaves) -> None:
        self._rows = list(leaves.items())
        self._at = 0

    def name(self) -> str:
        return self._rows[self._at][0]

    def take(self) -> tuple[str, Leaf]:
        self._at += 1
        return self._rows[self._at - 1]

    def is_done(self) -> bool:
        return self._at == len(self._rows)
