"""The decisions of a decoding in the order in which they are explained, and what belongs to each."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cvcore.ops.paf.skeleton import OPENPOSE_18, Skeleton
from cvcore.ops.paf.trace import PoseTrace

Kind = Literal["peaks", "candidates", "scores", "matching", "growing", "completing", "people"]
PEAKS: Kind = "peaks"
CANDIDATES: Kind = "candidates"
SCORES: Kind = "scores"
MATCHING: Kind = "matching"
GROWING: Kind = "growing"
COMPLETING: Kind = "completing"
END: Kind = "people"
OF_A_LIMB = (CANDIDATES, SCORES, MATCHING)


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Args:
        kind: what happens. number: of the keypoint (peaks), of the limb, of the accepted pair (growing), or of the
            keypoint that was added (completing).
    """

    kind: Kind
    number: int = 0


def steps_of(decoded: PoseTrace, skeleton: Skeleton = OPENPOSE_18) -> tuple[Step, ...]:
    """Peaks of each keypoint; of each limb the candidates and, if there are any, scores and matching; then the accepted pairs, one at
    a time; then the keypoints that were added, one at a time; then the people."""
    steps = [Step(PEAKS, k) for k in range(len(skeleton.names))]
    there = np.bincount(decoded.pairs.limbs.numpy(), minlength=len(skeleton.limbs))
    for limb in range(len(skeleton.limbs)):
        steps.append(Step(CANDIDATES, limb))
        if there[limb]:
            steps += [Step(SCORES, limb), Step(MATCHING, limb)]
    steps += [Step(GROWING, i) for i in range(len(decoded.assembly))]
    steps += [Step(COMPLETING, i) for i in range(len(decoded.completion))]
    return (*steps, Step(END))


# -- what belongs to a step


def limb_in(decoded: PoseTrace, step: Step) -> int | None:
    """The limb that a step is about."""
    if step.kind in OF_A_LIMB:
        return step.number
    return int(decoded.assembly.limbs[step.number]) if step.kind == GROWING else None


def pairs_of(decoded: PoseTrace, limb: int) -> NDArray[np.int64]:
    """A limb's candidates, in their order."""
    return np.flatnonzero(decoded.pairs.limbs.numpy() == limb)


def peak_number(decoded: PoseTrace, peak: int) -> int:
    """From 1 among those of its keypoint."""
    return peak - int(decoded.peaks.starts[decoded.peaks.keypoints[peak]]) + 1


def accepted_pairs(decoded: PoseTrace) -> set[int]:
    return set(decoded.matches.accepted.tolist())


def blocker(decoded: PoseTrace, pair: int) -> int | None:
    """The accepted pair that had taken one of its ends; None if there is none, or it was never looked at."""
    at = np.flatnonzero(decoded.matches.pairs.numpy() == pair)
    by = int(decoded.matches.blocked_by[at[0]]) if len(at) else -1
    return by if by >= 0 else None


def body_of_peak(bodies: NDArray[np.int64]) -> dict[int, int]:
    """By peak, the body (row) that has it."""
    return {int(bodies[q, k]): int(q) for q, k in np.argwhere(bodies >= 0)}
