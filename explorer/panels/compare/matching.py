"""Which layer of one network is compared with which of the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

Shape = tuple[int, ...]
How = Literal["name", "shape", "depth"]

ENOUGH = 3
"""Pairs of one shape that make a comparison cell by cell worth while."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A layer that gave a tensor, and its shape."""

    name: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Pair:
    """Two layers compared.

    Args:
        how: they have one name and shape, or follow each other with the same shapes, or are equally deep in their networks.
    """

    first: Ran
    second: Ran
    how: How

    @property
    def cell_by_cell(self) -> bool:
        """Whether a difference of single activations says anything: layers paired by depth alone share a shape by chance."""
        return self.how != "depth" and self.first.shape == self.second.shape

    @property
    def name(self) -> str:
        return self.first.name if self.first.name == self.second.name else f"{self.first.name} ↔ {self.second.name}"


def matched(first: Sequence[Ran], second: Sequence[Ran]) -> tuple[Pair, ...]:
    """Pairs in the order of the first network's layers.

    By name and shape where most of the shorter network's layers have a partner of that kind; else by the longest runs of
    equal shapes; where even these are few, maps at the same part of the way through their networks.
    """
    by_name = {layer.name: layer for layer in second}
    named = [Pair(a, by_name[a.name], "name") for a in first if a.name in by_name and by_name[a.name].shape == a.shape]
    if 2 * len(named) >= min(len(first), len(second)) > 0:
        return tuple(named)
    runs = SequenceMatcher(None, [a.shape for a in first], [b.shape for b in second], autojunk=False)
    shaped = [
        Pair(first[run.a + i], second[run.b + i], "shape")
        for run in runs.get_matching_blocks()
        for i in range(run.size)
    ]
    if len(shaped) >= ENOUGH:
        return tuple(shaped)
    maps_a, maps_b = ([layer for layer in layers if len(layer.shape) == 4] for layers in (first, second))
    if not maps_a or not maps_b:
        return tuple(shaped)
    step = (len(maps_b) - 1) / max(len(maps_a) - 1, 1)
    return tuple(Pair(a, maps_b[round(i * step)], "depth") for i, a in enumerate(maps_a))
