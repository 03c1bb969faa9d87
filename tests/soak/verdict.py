"""Whether a soak's figures grew. Only samples at rest are compared, and medians of several of them, so that one outlier says nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Literal

from tests.soak.figures import Sample

WINDOWS = 6
FEWEST = 2 * WINDOWS
"""Samples at rest after the warm-up, without which growth is not judged."""
GOES_ON = 0.4
"""Of what a figure may rise: so much more from the middle to the end, and it is a leak (a steady one has risen by 0.4 of the whole)."""
Figure = Literal["own", "held", "threads", "handles", "widgets", "objects", "python"]


@dataclass(frozen=True, slots=True)
class Limit:
    """How far a figure may rise from the first to the last window: ``most``, or that share of the first.

    Some growth is no leak: the allocator fills its pools, and a code path taken for the first time keeps what it imported.
    """

    most: float
    share: float = 0.0


LIMITS: dict[Figure, Limit] = {
    "own": Limit(50, 0.08),  # free memory between blocks that are not, which the allocator cannot give back, is in it
    "held": Limit(15, 0.03),
    "threads": Limit(0),
    "handles": Limit(0),
    "widgets": Limit(0),
    "objects": Limit(0, 0.01),
    "python": Limit(2000, 0.01),
}


@dataclass(frozen=True, slots=True)
class Growth:
    """One figure after the warm-up.

    Args:
        medians: of the windows, in order.
        an_hour: the median of all slopes between two windows (Theil and Sen), per hour.
        grown: it rose by more than its limit, and not only at one place.
    """

    figure: Figure
    medians: tuple[float, ...]
    an_hour: float
    grown: bool

    def __str__(self) -> str:
        word = "GREW" if self.grown else "steady"
        run = " ".join(f"{value:.0f}" for value in self.medians)
        return f"{self.figure:8} {word:6}  {self.medians[0]:.0f} -> {self.medians[-1]:.0f}, {self.an_hour:+.1f} an hour  ({run})"


def growths(samples: Sequence[Sample], warm_up: float) -> tuple[Growth, ...]:
    """Each figure's growth; none where there are fewer than FEWEST samples at rest after the warm-up.

    Args:
        warm_up: seconds that do not count.
    """
    rest = [sample for sample in samples if sample.resting and sample.seconds >= warm_up]
    if len(rest) < FEWEST:
        return ()
    parts = [rest[i * len(rest) // WINDOWS : (i + 1) * len(rest) // WINDOWS] for i in range(WINDOWS)]
    hours = [median(sample.seconds for sample in part) / 3600 for part in parts]
    return tuple(
        growth(figure, [median(getattr(s, figure) for s in part) for part in parts], hours) for figure in LIMITS
    )


def growth(figure: Figure, medians: Sequence[float], hours: Sequence[float]) -> Growth:
    """Judges the medians of the windows, taken at these times in hours."""
    slopes = [(medians[b] - medians[a]) / (hours[b] - hours[a]) for a, b in combinations(range(len(medians)), 2)]
    limit = LIMITS[figure]
    allowed = max(limit.most, limit.share * medians[0])
    # A leak goes on in the second half. One step, such as a library's own pool, is over then.
    goes_on = medians[-1] - medians[len(medians) // 2] > GOES_ON * allowed
    grown = medians[-1] - medians[0] > allowed and median(slopes) > 0 and goes_on
    return Growth(figure, tuple(medians), median(slopes), grown)
