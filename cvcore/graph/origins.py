"""Which operation made what is in a tensor."""

import weakref
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor


def tensors(value: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor in nested tuples, lists, dicts and dataclasses, with where it stands, such as ``levels.0``."""
    if isinstance(value, Tensor):
        yield path, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from tensors(part, f"{path}.{key}" if path else str(key))
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        for key, part in zip(value._fields, value, strict=True):
            yield from tensors(part, f"{path}.{key}" if path else key)
    elif isinstance(value, tuple | list):
        for number, part in enumerate(value):
            yield from tensors(part, f"{path}.{number}" if path else str(number))
    elif is_dataclass(value) and not isinstance(value, type):
        for f in fields(value):
            yield from tensors(getattr(value, f.name), f"{path}.{f.name}" if path else f.name)


class Origins:
    """Which operations made what is in each tensor.

    Tensors are known by identity and held weakly, so that a pass needs no more memory than ever; those that share memory are found by it.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Tensor], frozenset[int]]] = {}
        self._sharing: dict[int, set[int]] = {}

    def of(self, tensor: Tensor) -> frozenset[int]:
        found = self._known.get(id(tensor))
        return found[1] if found is not None and found[0]() is tensor else frozenset()

    def set(self, tensor: Tensor, origins: frozenset[int]) -> None:
        key, place = id(tensor), memory(tensor)

        def forget(gone: weakref.ref[Tensor]) -> None:
            if key in self._known and self._known[key][0] is gone:
                del self._known[key]
                self._sharing.get(place, set()).discard(key)

        self._known[key] = (weakref.ref(tensor, forget), origins)
        self._sharing.setdefault(place, set()).add(key)

    def write(self, tensor: Tensor, made: int) -> None:
        """What is in a tensor, and in every other one over the same memory, was rewritten."""
        start, end = span(tensor)
        for key in tuple(self._sharing.get(memory(tensor), ())):
            reference, origins = self._known[key]
            other = reference()
            if other is None or other is tensor:
                continue
            first, last = span(other)
            if first < end and start < last:
                whole = start <= first and last <= end and tensor.numel() >= other.numel()
                self.set(other, frozenset((made,)) if whole else origins | {made})
        self.set(tensor, frozenset((made,)))


def memory(tensor: Tensor) -> int:
    """Where a tensor's storage begins; its own identity where it has none."""
    try:
        return tensor.untyped_storage().data_ptr() or -id(tensor)
    except (RuntimeError, NotImplementedError):  # sparse and other tensors without a storage
        return -id(tensor)


def span(tensor: Tensor) -> tuple[int, int]:
    """The first and the last (exclusive) byte of its storage that a tensor may use."""
    if tensor.layout != torch.strided or not tensor.numel():
        return 0, 1
    size, start = tensor.element_size(), int(tensor.storage_offset())
    reach = sum(int((n - 1) * stride) for n, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return start * size, (start + reach + 1) * size
