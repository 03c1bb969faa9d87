"""What the positions along one axis of a tensor depend on, along the same axis of the input."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

NOTHING = np.iinfo(np.int64).max
"""``low`` of a position that depends on no pixel; its ``high`` is -1."""

Ints = NDArray[np.int64]
Place = tuple[Fraction, Fraction]
"""Where position 0 lies, and the way from a position to the next, in input pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """For each position, the first and last input pixel it depends on.

    Args:
        low, high: (n,) int64, inclusive, inside the input.
        step: input pixels from a position to the next, if it is the same everywhere and borders are thought away.
        start: where the field of position 0 begins, which may be outside the input.
        size: pixels that a field spans before a border cuts it.
        place: where the positions lie, which is known longer than what they depend on: a gate that looks at everything, as of channel
            attention, or a norm over the whole map leaves each position where it is. None behind an operation that enlarges: networks
            learn to undo its shift, so the output lies where the input does.
    """

    low: Ints
    high: Ints
    step: Fraction | None = None
    start: Fraction | None = None
    size: Fraction | None = None
    place: Place | None = None

    @classmethod
    def of_input(cls, count: int) -> "Span":
        pixels = np.arange(count)
        return cls(pixels, pixels, Fraction(1), Fraction(0), Fraction(1), (Fraction(1, 2), Fraction(1)))

    @property
    def count(self) -> int:
        return len(self.low)

    def centre(self, position: int) -> float:
        """Middle of the field before a border cuts it; where that is not known, the place of the position, or else the middle of what
        it really covers."""
        if self.step is not None and self.start is not None and self.size is not None:
            return float(self.start + position * self.step + self.size / 2)
        if self.place is not None:
            return float(self.place[0] + position * self.place[1])
        return (float(self.low[position]) + float(self.high[position]) + 1) / 2

    def gather(self, taps: Ints) -> "Span":
        """The span of positions that depend on several of these.

        Args:
            taps: (n, k) indices; one outside 0 .. count - 1 stands for padding, which depends on nothing.
        """
        inside = (taps >= 0) & (taps < self.count)
        safe = np.where(inside, taps, 0)
        low = np.where(inside, self.low[safe], NOTHING).min(1, initial=NOTHING)
        high = np.where(inside, self.high[safe], -1).max(1, initial=-1)
        return Span(low, high)

    def windows(self, count: int, *, kernel: int, stride: int, padding: int, dilation: int) -> "Span":
        """After a convolution or pooling with ``count`` outputs."""
        found = self.gather(np.arange(count)[:, None] * stride - padding + np.arange(kernel) * dilation)
        place = _scaled(self.place, Fraction((kernel - 1) * dilation, 2) - padding, stride)
        if self.step is None or self.start is None or self.size is None:
            return replace(found, place=place)
        return Span(
            found.low,
            found.high,
            step=self.step * stride,
            start=self.start - padding * self.step,
            size=self.size + (kernel - 1) * dilation * self.step,
            place=place,
        )

    def transposed(self, count: int, *, kernel: int, stride: int, padding: int, dilation: int) -> "Span":
        """After a transposed convolution: output o gets input i through tap k where o = i stride - padding + k dilation."""
        shifted = np.arange(count)[:, None] + padding - np.arange(kernel) * dilation
        return self.gather(np.where(shifted % stride == 0, shifted // stride, -1))

    def whole(self, count: int = 1) -> "Span":
        """After something that mixes all positions, and leaves them where they are if there are as many."""
        low, high = self.low.min(initial=NOTHING), self.high.max(initial=-1)
        return Span(np.full(count, low), np.full(count, high), place=self.place if count == self.count else None)

    def joined(self, other: "Span") -> "Span":
        """Where two branches meet; a side with one position counts for all of the other's."""
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        if self.step is None or self.step != other.step or self.count != other.count:
            return Span(low, high, place=_common([one.place for one in (self, other) if one.count == len(low)]))
        assert self.start is not None
        assert other.start is not None
        assert self.size is not None
        assert other.size is not None
        start = min(self.start, other.start)
        size = max(self.start + self.size, other.start + other.size) - start
        return Span(low, high, self.step, start, size, (start + size / 2, self.step))


def _scaled(place: Place | None, first: Fraction | int, step: Fraction | int) -> Place | None:
    """Places counted in others, as places of the input."""
    return None if place is None else (place[0] + first * place[1], step * place[1])


def _common(places: Sequence[Place | None]) -> Place | None:
    """The middle between places that go along together; None where they do not."""
    known = [place for place in places if place is not None]
    if not known or len({step for _, step in known}) > 1:
        return None
    return sum((first for first, _ in known), Fraction(0)) / len(known), known[0][1]
