"""Coordinates for a layered graph, wrapped into rows like a text: heights, columns, row breaks and the way of every line."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cvcore.graph.order import Ordered, Part, Place, order

Box = tuple[float, float, float, float]
Point = tuple[float, float]
Sizes = Mapping[int, tuple[float, float]]
Ports = Mapping[int, Mapping[tuple[str, int], float]]

GAP_X = 74.0
"""Between layers."""
GAP_PORT = 26.0
"""Between a frame's side and what is in it."""
GAP_Y, GAP_PASS = 16.0, 13.0
"""Between boxes, and beside a line that passes them."""
LANE, LANE_GAP = 9.0, 16.0
"""Between the lines that lead from one row to the next, and from them to the boxes."""
MOST_ROWS = 40


@dataclass(frozen=True, slots=True)
class Rows:
    """Args:
    boxes: of each item.
    lines: of each part.
    ports: heights of the frame's ports: ``("in", origin)``, ``("out", origin)``.
    size: width and height from (0, 0).
    """

    boxes: dict[int, Box]
    lines: dict[Part, tuple[Point, ...]]
    ports: dict[tuple[str, int], float]
    size: tuple[float, float]


def place_rows(sizes: Sizes, parts: Sequence[Part], *, ports: Ports, aspect: float, gap: float) -> Rows:
    """Places items of known sizes.

    Args:
        sizes: width and height of each item, in an order in which every part leads to a later one.
        ports: of items that are frames, at which height below its top an origin's line goes in and out.
        aspect: wanted width over height.
    """
    return _Placer(sizes, parts, ports, aspect, gap).rows()


class _Placer:
    def __init__(self, sizes: Sizes, parts: Sequence[Part], ports: Ports, aspect: float, gap: float) -> None:
        self.sizes, self.ports, self.aspect = sizes, ports, aspect
        self.ordered: Ordered = order(list(sizes), parts)
        self.layers = self.ordered.layers
        self.steps = list(self.ordered.steps())
        self.level = {place: i for i, layer in enumerate(self.layers) for place in layer}
        self.widths = [max((self.size(place)[0] for place in layer), default=0.0) for layer in self.layers]
        self.gaps = [
            GAP_PORT if any(place.kind in ("in", "out") for place in (*a, *b)) else gap
            for a, b in zip(self.layers, self.layers[1:], strict=False)
        ]
        # The places whose lines a break after each layer would cut.
        self.cut: list[list[Place]] = [[] for _ in self.layers]
        for a, _ in self.steps:
            if a not in self.cut[self.level[a]]:
                self.cut[self.level[a]].append(a)
        for layer, cut in zip(self.layers, self.cut, strict=True):
            cut.sort(key=layer.index)

    def size(self, place: Place) -> tuple[float, float]:
        return self.sizes[place.item] if place.kind == "item" else (0.0, 0.0)

    def reach(self, place: Place, side: str, origin: int) -> float:
        """How far below a place's middle an origin's line touches it."""
        if place.kind == "item" and place.item in self.ports:
            return self.ports[place.item][side, origin] - self.sizes[place.item][1] / 2
        return 0.0

    # -- rows

    def rows(self) -> Rows:
        if not self.layers:
            return Rows({}, {}, {}, (0.0, 0.0))
        middles_of: dict[tuple[int, int], dict[Place, float]] = {}
        best: tuple[float, list[tuple[int, int]]] | None = None
        heights = [sum(self.size(place)[1] + GAP_Y for place in layer) for layer in self.layers]
        seen: set[tuple[tuple[int, int], ...]] = set()
        for count in range(1, min(len(self.layers), MOST_ROWS) + 1):
            found = self.breaks(count)
            if tuple(found) in seen:
                continue
            seen.add(tuple(found))
            width = max(self.width(a, b) for a, b in found) + 2 * self.margin(found)
            height = sum(max(heights[a:b]) for a, b in found)
            height += sum(2 * LANE_GAP + LANE * len(self.cut[b - 1]) for _, b in found[:-1])
            # What counts is how large it can be shown; a break costs a little, since the eye must jump.
            scale = min(self.aspect / width, 1 / height) / (1 + 0.03 * (len(found) - 1))
            if best is None or scale > best[0] * 1.0001:
                best = scale, found
            elif height > 2 * width / self.aspect:
                break
        assert best is not None
        spans = best[1]
        for one in spans:
            middles_of[one] = self.middles(*one)
        return self.drawn(spans, middles_of)

    def width(self, first: int, last: int) -> float:
        """Of layers first to last (exclusive) side by side."""
        return sum(self.widths[first:last]) + sum(self.gaps[first : last - 1])

    def margin(self, spans: Sequence[tuple[int, int]]) -> float:
        """Room at both sides for the lines that lead on to the next row."""
        lanes = max((len(self.cut[b - 1]) for _, b in spans[:-1]), default=0)
        return LANE_GAP + LANE * (lanes - 1) + 6 if lanes else 0.0

    def breaks(self, count: int) -> list[tuple[int, int]]:
        """About ``count`` rows as (first, last) layers: few lines are cut and the rows are about as long as each other."""
        total = self.width(0, len(self.layers))
        limit = max(*self.widths, 1.15 * total / count) if count > 1 else total
        n = len(self.layers)
        costs = [0.0] + [float("inf")] * n
        came = [0] * (n + 1)
        for b in range(1, n + 1):
            wide = 0.0
            for a in range(b - 1, -1, -1):
                wide += self.widths[a] + (self.gaps[a] if a + 1 < b else 0.0)
                if wide > limit + 1e-9 and a + 1 < b:
                    break
                empty = (limit - wide) / limit
                # The last row may be short, as in a text.
                cost = costs[a] + (0.15 if b == n else 1.0) * empty**2
                cost += 0.2 * (len(self.cut[b - 1]) - 1) if b < n else 0.0
                if cost < costs[b]:
                    costs[b], came[b] = cost, a
        found, b = [], n
        while b > 0:
            found.append((came[b], b))
            b = came[b]
        return found[::-1]

    # -- heights

    def middles(self, first: int, last: int) -> dict[Place, float]:
        """Heights of the middles of everything in one row: lines as straight as the order allows."""
        before: dict[Place, list[tuple[Place, float, float]]] = {}
        after: dict[Place, list[tuple[Place, float, float]]] = {}
        for path_part, path in self.ordered.paths.items():
            for a, b in itertools.pairwise(path):
                if first <= self.level[a] and self.level[b] < last:
                    passing = (a.kind == "pass") + (b.kind == "pass")
                    weight = (2.0, 1.0, 6.0)[passing]
                    shift = self.reach(a, "out", path_part.origin) - self.reach(b, "in", path_part.origin)
                    before.setdefault(b, []).append((a, shift, weight))
                    after.setdefault(a, []).append((b, -shift, weight))
        y: dict[Place, float] = {}
        for layer in self.layers[first:last]:
            low = -sum(self.size(place)[1] + GAP_Y for place in layer) / 2
            for place in layer:
                high = self.size(place)[1] + GAP_Y
                y[place] = low + high / 2
                low += high
        for turn in range(10):
            near = (before, after)[turn % 2]
            numbers = range(first, last) if turn % 2 == 0 else range(last - 1, first - 1, -1)
            for number in numbers:
                layer = self.layers[number]
                wanted, weights = [], []
                for place in layer:
                    pulls = near.get(place, []) + (
                        (after if near is before else before).get(place, []) if turn > 5 else []
                    )
                    total = sum(weight for *_, weight in pulls)
                    wanted.append(
                        sum((y[one] + shift) * weight for one, shift, weight in pulls) / total if total else y[place]
                    )
                    weights.append(total or 0.1)
                apart = [self.apart(a, b) for a, b in itertools.pairwise(layer)]
                for place, middle in zip(layer, spaced(wanted, weights, apart), strict=True):
                    y[place] = middle
        top = min(y[place] - self.size(place)[1] / 2 for place in y)
        return {place: middle - top for place, middle in y.items()}

    def apart(self, a: Place, b: Place) -> float:
        gap = GAP_Y if a.kind == b.kind == "item" else GAP_PASS
        return (self.size(a)[1] + self.size(b)[1]) / 2 + gap

    # -- lines

    def drawn(
        self, spans: Sequence[tuple[int, int]], middles_of: Mapping[tuple[int, int], Mapping[Place, float]]
    ) -> Rows:
        margin = self.margin(spans)
        left: dict[int, float] = {}
        y: dict[Place, float] = {}
        lanes: dict[int, tuple[float, float]] = {}
        top, right = 0.0, 0.0
        for first, last in spans:
            x = margin
            for number in range(first, last):
                left[number] = x
                x += self.widths[number] + (self.gaps[number] if number + 1 < last else 0.0)
            right = max(right, x)
            middles = middles_of[first, last]
            y.update({place: middle + top for place, middle in middles.items()})
            bottom = max((y[place] + self.size(place)[1] / 2 for place in middles), default=top)
            lanes[last - 1] = x, bottom
            top = bottom + 2 * LANE_GAP + LANE * max(len(self.cut[last - 1]) - 1, 0)
        breaks = {last - 1 for _, last in spans[:-1]}
        boxes: dict[int, Box] = {}
        for place in self.level:
            if place.kind == "item":
                width, height = self.size(place)
                x = left[self.level[place]] + (self.widths[self.level[place]] - width) / 2
                boxes[place.item] = x, y[place] - height / 2, x + width, y[place] + height / 2
        entries = self.entries(y, breaks)
        lines: dict[Part, tuple[Point, ...]] = {}
        for part, path in self.ordered.paths.items():
            begin = path[0]
            here = y[begin] + self.reach(begin, "out", part.origin)
            points = [(boxes[begin.item][2] if begin.kind == "item" else left[self.level[begin]], here)]
            for a, b in itertools.pairwise(path):
                number = self.level[b]
                there = y[b] + (self.reach(b, "in", part.origin) if b is path[-1] else 0.0)
                there += entries.get((b, a, part.origin), 0.0)
                if self.level[a] in breaks:
                    points += self.wrap(a, points[-1][1], there, *lanes[self.level[a]], margin)
                if b.kind == "pass":
                    points += [(left[number], there), (left[number] + self.widths[number], there)]
                else:
                    points.append((boxes[b.item][0] if b.kind == "item" else left[number], there))
            lines[part] = tuple(points)
        heights = {(place.kind, place.origin): y[place] for place in self.level if place.kind in ("in", "out")}
        size = right + margin, lanes[spans[-1][1] - 1][1]
        return Rows(boxes, lines, heights, size)

    def entries(self, y: Mapping[Place, float], breaks: set[int]) -> dict[tuple[Place, Place, int], float]:
        """Where several lines come to one box they touch it one below the other: how far from its middle each does."""
        coming: dict[Place, list[tuple[float, Place, int]]] = {}
        for part, path in self.ordered.paths.items():
            a, b = path[-2], path[-1]
            if b.kind == "item" and b.item not in self.ports:
                height = y[a] + self.reach(a, "out", part.origin)
                coming.setdefault(b, []).append((height - (1e6 if self.level[a] in breaks else 0.0), a, part.origin))
        found = {}
        for b, those in coming.items():
            step = min(12.0, 0.7 * self.size(b)[1] / max(len(those) - 1, 1))
            for number, (_, a, origin) in enumerate(sorted(those)):
                found[b, a, origin] = (number - (len(those) - 1) / 2) * step
        return found

    def wrap(self, place: Place, here: float, there: float, right: float, bottom: float, margin: float) -> list[Point]:
        """From a row's right end to the next one's left: lines of several places lie beside each other and do not cross."""
        cut = self.cut[self.level[place]]
        number = cut.index(place)
        mirrored = len(cut) - 1 - number
        x, lane = right + LANE_GAP / 2 + LANE * mirrored, bottom + LANE_GAP + LANE * mirrored
        back = margin - LANE_GAP / 2 - LANE * number
        return [(x, here), (x, lane), (back, lane), (back, there)]


def spaced(wanted: Sequence[float], weights: Sequence[float], apart: Sequence[float]) -> list[float]:
    """The places nearest to those wanted (least squares) in this order and at least so far apart: pooling adjacent violators."""
    offset = [0.0]
    for gap in apart:
        offset.append(offset[-1] + gap)
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for want, weight, start in zip(wanted, weights, offset, strict=True):
        mean, total, count = want - start, weight, 1
        while pools and pools[-1][0] > mean:
            other, more, many = pools.pop()
            mean, total, count = (mean * total + other * more) / (total + more), total + more, count + many
        pools.append((mean, total, count))
    flat = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + start for mean, start in zip(flat, offset, strict=True)]
