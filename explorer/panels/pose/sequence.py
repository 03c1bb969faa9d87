"""The steps of an assembly, in the order in which it is explained."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cvcore.ops.paf import PoseTrace
from explorer.panels.pose.parts import K, L

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


def steps_of(decoded: PoseTrace) -> tuple[Step, ...]:
    """Peaks of each keypoint; of each limb the candidates and, if there are any, scores and matching; then the accepted pairs, one at
    a time; then the keypoints that were added, one at a time; then the people."""
    steps = [Step(PEAKS, k) for k in range(K)]
    there = np.bincount(decoded.pairs.limbs.numpy(), minlength=L)
    for limb in range(L):
        steps.append(Step(CANDIDATES, limb))
        if there[limb]:
            steps += [Step(SCORES, limb), Step(MATCHING, limb)]
    steps += [Step(GROWING, i) for i in range(len(decoded.assembly))]
    steps += [Step(COMPLETING, i) for i in range(len(decoded.completion))]
    return (*steps, Step(END))
