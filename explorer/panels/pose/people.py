"""The people of a frame, with the numbers they keep."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvcore.pose_tracking import OneEuro, Tracking, Tracks, follow
from explorer.panel import Frame
from explorer.panels.pose.controls import PEOPLE, Params
from explorer.panels.pose.network import Array


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Everyone found.

    Args:
        keypoints: (P, K, 3) x, y in pixels of the picture and the peak's value; 0, 0, 0 where not found. Best person first.
        scores: (P,). numbers: (P,) from 1.
    """

    keypoints: Array
    scores: Array
    numbers: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scores)

    def found(self) -> NDArray[np.int64]:
        """(P,) how many keypoints each has."""
        return np.asarray((self.keypoints[..., 2] > 0).sum(1), np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What the next frame needs.

    Args:
        source, index: the frame's. before: the tracks with which it was computed, after: those it left.
    """

    source: str
    index: int
    before: Tracks | None
    after: Tracks


def unnumbered(keypoints: Array, scores: Array) -> People:
    """By rank."""
    return People(keypoints, scores, np.arange(1, len(scores) + 1))


def numbered(
    keypoints: Array, scores: Array, frame: Frame, params: Params, memory: Memory | None
) -> tuple[People, Memory | None]:
    """People with the numbers they had in the frame before. The same frame once more (a threshold was moved) begins where it began
    the first time; another source, or one that was wound, begins at 1."""
    if not params.follow or params.show != PEOPLE:
        return unnumbered(keypoints, scores), memory if params.follow else None
    before: Tracks | None = None
    if memory is not None and memory.source == frame.source:
        before = memory.before if memory.index == frame.index else memory.after
    smoothing = OneEuro(params.min_cutoff, params.beta) if params.smooth_motion else None
    made = follow(before, keypoints, frame.index, Tracking(smoothing=smoothing))
    return People(made.people, scores, made.numbers), Memory(frame.source, frame.index, before, made.tracks)
