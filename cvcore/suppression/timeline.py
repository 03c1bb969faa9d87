"""Several suppressions on one clock: all methods begin a kept box together, and one with fewer decisions waits.

A tick is one event of a method: a box is kept, or a kept box removes, merges or lowers another. A round is a kept box with all
its decisions; round r begins at the same tick for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvcore.ops.nms import NMSTrace

NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """When things happen in one method, for N boxes of which K are kept, with E decisions.

    Args:
        kept_at: (N,) the tick a box is kept at; NEVER for the others.
        gone_at: (N,) the tick a box is removed at; NEVER for kept ones.
        decided_at: (E,) the tick of each decision, rising.
        settled_at: (K,) the tick after the last decision of each kept box: then it takes its final place and score.
    """

    kept_at: NDArray[np.int64]
    gone_at: NDArray[np.int64]
    decided_at: NDArray[np.int64]
    settled_at: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """All methods' courses.

    Args:
        courses: one a method.
        steps: ticks in all, and one more for the end. At step s, 0 to ``steps``, the events at ticks below s have happened.
    """

    courses: tuple[Course, ...]
    steps: int


def timeline(traces: Sequence[NMSTrace]) -> Timeline:
    """The common clock of some suppressions of the same boxes."""
    parts = [_rounds(trace) for trace in traces]
    rounds = max((len(lengths) for _, lengths in parts), default=0)
    longest = np.zeros(rounds, np.int64)
    for _, lengths in parts:
        longest[: len(lengths)] = np.maximum(longest[: len(lengths)], lengths)
    starts = np.concatenate(([0], np.cumsum(longest)))
    return Timeline(
        tuple(
            _course(trace, position, lengths, starts) for trace, (position, lengths) in zip(traces, parts, strict=True)
        ),
        int(starts[-1]) + 1,
    )


def _rounds(trace: NMSTrace) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(E,) the round of each decision, and (K,) how many ticks each round takes."""
    rank = np.zeros(len(trace.boxes), np.int64)
    rank[trace.keep.numpy()] = np.arange(len(trace.keep))
    position = rank[trace.decisions.by.numpy()]
    return position, 1 + np.bincount(position, minlength=len(trace.keep))


def _course(
    trace: NMSTrace, position: NDArray[np.int64], lengths: NDArray[np.int64], starts: NDArray[np.int64]
) -> Course:
    keep, on = trace.keep.numpy(), trace.decisions.on.numpy()
    kept_at = np.full(len(trace.boxes), NEVER)
    kept_at[keep] = starts[: len(keep)]
    first = np.concatenate(([0], np.cumsum(lengths - 1)))[position]  # the round's first decision
    decided_at = starts[position] + 1 + np.arange(len(on)) - first
    settled_at = starts[: len(keep)] + lengths
    gone_at = np.full(len(trace.boxes), -1)
    np.maximum.at(gone_at, on, decided_at)  # of several decisions on one box the last one counts
    gone_at[gone_at < 0] = settled_at[-1] if len(keep) else 0  # below the lowest score from the start
    gone_at[keep] = NEVER
    return Course(kept_at, gone_at, decided_at, settled_at)
