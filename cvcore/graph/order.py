"""Layers of a graph and the order in each: the first two steps of Sugiyama's method."""

import itertools
from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

PORT = -1
"""In place of a member: the side of the frame that holds it."""
SWEEPS = 8


class Part(NamedTuple):
    """An edge, or what of one lies in one frame.

    Args:
        source, target: members of the frame, or PORT.
        origin: what the data comes from in the end; parts of one origin and source run together.
    """

    source: int
    target: int
    origin: int


class Place(NamedTuple):
    """What stands in a layer.

    Args:
        kind: ``item``, ``in`` and ``out`` for ports, ``pass`` where a longer edge passes.
        item: the member; of a port and a pass, the source.
        origin: of a port and a pass.
        layer: of a pass.
    """

    kind: str
    item: int
    origin: int = 0
    layer: int = 0


@dataclass(frozen=True, slots=True)
class Ordered:
    """Args:
    layers: what stands in each, from top to bottom.
    paths: for each part what it goes through, one place a layer.
    """

    layers: tuple[tuple[Place, ...], ...]
    paths: dict[Part, tuple[Place, ...]]

    def steps(self) -> dict[tuple[Place, Place], None]:
        """Pairs of neighbours on any path."""
        return dict.fromkeys(pair for path in self.paths.values() for pair in itertools.pairwise(path))


def order(items: Sequence[int], parts: Sequence[Part]) -> Ordered:
    """Layers from left to right and the order in each.

    Args:
        items: so that every part leads to a later one.
    """
    layer = layers_of(items, parts)
    ends = [(start(part), end(part)) for part in parts]
    reach: dict[tuple[Place, int], int] = {}
    for part, (a, b) in zip(parts, ends, strict=True):
        reach[a, part.origin] = max(reach.get((a, part.origin), 0), layer[b])
    paths = {
        part: (a, *(Place("pass", a.item, part.origin, k) for k in range(layer[a] + 1, layer[b])), b)
        for part, (a, b) in zip(parts, ends, strict=True)
    }
    rows: list[list[Place]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for path in paths.values():  # passes first: what skips something leads above it
        for place in path:
            if place.kind == "pass" and place not in rows[place.layer]:
                rows[place.layer].append(place)
    for place, at in layer.items():
        rows[at].append(place)
    steps = dict.fromkeys(pair for path in paths.values() for pair in itertools.pairwise(path))
    return Ordered(tuple(tuple(row) for row in sweep(rows, steps)), paths)


def start(part: Part) -> Place:
    return Place("item", part.source) if part.source != PORT else Place("in", PORT, part.origin)


def end(part: Part) -> Place:
    return Place("item", part.target) if part.target != PORT else Place("out", PORT, part.origin)


def layers_of(items: Sequence[int], parts: Sequence[Part]) -> dict[Place, int]:
    """Each place's layer, by the longest path to it; what has no input stands just before what it goes to."""
    before: dict[Place, list[Place]] = {}
    after: dict[Place, list[Place]] = {}
    for part in parts:
        before.setdefault(end(part), []).append(start(part))
        after.setdefault(start(part), []).append(end(part))
    ways_in = list(dict.fromkeys(start(part) for part in parts if part.source == PORT))
    ways_out = list(dict.fromkeys(end(part) for part in parts if part.target == PORT))
    layer = dict.fromkeys(ways_in, 0)
    first = 1 if ways_in else 0
    for item in items:
        place = Place("item", item)
        layer[place] = max((layer[one] + 1 for one in before.get(place, ())), default=first)
    last = max(layer.values(), default=-1) + 1
    layer.update(dict.fromkeys(ways_out, last))
    for item in reversed(items):
        place = Place("item", item)
        if place not in before and after.get(place):
            layer[place] = max(first, min(layer[one] for one in after[place]) - 1)
    return layer


def sweep(rows: list[list[Place]], steps: Iterable[tuple[Place, Place]]) -> list[list[Place]]:
    """Orders each layer by where its neighbours stand, to and fro; the order with the fewest crossings wins."""
    before: dict[Place, list[Place]] = {}
    after: dict[Place, list[Place]] = {}
    for a, b in steps:
        before.setdefault(b, []).append(a)
        after.setdefault(a, []).append(b)
    best, fewest = [list(row) for row in rows], crossings(rows, after)
    for turn in range(SWEEPS):
        forward = turn % 2 == 0
        near = before if forward else after
        numbers = range(1, len(rows)) if forward else range(len(rows) - 2, -1, -1)
        for number in numbers:
            beside = {place: i for i, place in enumerate(rows[number - 1 if forward else number + 1])}
            own = {place: i for i, place in enumerate(rows[number])}

            def middle(
                place: Place, near: dict[Place, list[Place]] = near, beside: dict[Place, int] = beside,
                own: dict[Place, int] = own,
            ) -> float:  # fmt: skip
                found = [beside[one] for one in near.get(place, ())]
                return sum(found) / len(found) if found else own[place]

            rows[number].sort(key=middle)
        count = crossings(rows, after)
        if count < fewest:
            best, fewest = [list(row) for row in rows], count
        if fewest == 0:
            break
    return best


def crossings(rows: Sequence[Sequence[Place]], after: dict[Place, list[Place]]) -> int:
    """How many pairs of lines between neighbouring layers cross."""
    total = 0
    for row, following in itertools.pairwise(rows):
        where = {place: i for i, place in enumerate(following)}
        seen: list[int] = []
        for place in row:
            targets = sorted(where[one] for one in after.get(place, ()))
            total += sum(len(seen) - bisect_right(seen, target) for target in targets)
            for target in targets:
                insort(seen, target)
    return total
