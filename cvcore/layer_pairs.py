"""Two networks layer by layer: which layer of one is compared with which of the other, and how far apart they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from cvcore.graph import deepest, execute, graph
from cvcore.record import describe
from cvcore.similarity import difference, map_cka

MEASURES = RELATIVE, LARGEST, MEAN, COSINE, CKA = (
    "relative difference",
    "largest difference",
    "mean difference",
    "cosine",
    "CKA",
)
BLOCKS = 12
"""Blocks are the parts of the least depth at which there are so many."""

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


def layers_that_ran(model: nn.Module, x: Tensor, *, blocks: bool) -> list[Ran]:
    """Layers that ran once and gave a tensor (N, ...), in the order in which they ran.

    Args:
        x: an input; it is not changed.
        blocks: the parts at the least depth with :data:`BLOCKS` of them; else the innermost layers.
    """
    execution = execute(model, x.clone())
    shapes = {
        layer.name: layer.shapes[0]
        for layer in describe(model, x.clone())
        if layer.calls == 1 and len(layer.shapes) == 1 and len(layer.shapes[0]) >= 2
    }
    names: list[str] = []
    for depth in range(1, deepest(execution) + 1) if blocks else (max(deepest(execution), 1),):
        shown = graph(execution, depth)
        names = list(dict.fromkeys(node.name for node in shown.nodes if node.kind == "module" and node.name in shapes))
        if blocks and len(names) >= BLOCKS:
            break
    return [Ran(name, shapes[name]) for name in names]


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


def distances(
    pairs: Sequence[Pair], first: Mapping[str, Tensor], second: Mapping[str, Tensor], *, wholes: bool
) -> dict[str, NDArray[np.float64]]:
    """Each of :data:`MEASURES` at every pair, (pairs,); NaN where it cannot be told.

    Args:
        first, second: what the layers of each network gave, by name.
        wholes: CKA of all maps; else only of those that are not compared cell by cell.
    """
    found = {name: np.full(len(pairs), np.nan) for name in MEASURES}
    for i, pair in enumerate(pairs):
        a, b = first[pair.first.name], second[pair.second.name]
        if pair.cell_by_cell:
            made = difference(a, b)
            numbers = {RELATIVE: made.relative, LARGEST: made.largest, MEAN: made.mean, COSINE: made.cosine}
            for name, value in numbers.items():
                found[name][i] = value
        if (wholes or not pair.cell_by_cell) and a.ndim == b.ndim == 4:
            cells = min(a.shape[2], b.shape[2]) * min(a.shape[3], b.shape[3])
            found[CKA][i] = map_cka(a, b) if cells > 1 else np.nan
    return found
