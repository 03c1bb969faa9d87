"""What a decoding decided, step by step. All places are in cells of the map, counted from the centre of the first.

``Peaks`` -> ``Pairs`` -> ``Matches`` -> ``Assembly`` -> ``Completion`` -> ``PoseTrace``, each pointing into the ones before it by number.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

FEW_AGREE, TOO_LOW = 1, 2
"""Bits of ``Pairs.failed``: too few of the points agree; the score is not above 0."""
START, EXTEND, CONFIRM, MERGE, CONFLICT, NO_START = range(6)
"""Values of ``Assembly.action``: a new person; a person gets a keypoint; both ends are the person's already; two people become
one; nothing, since a keypoint would be there twice; nothing, since a redundant limb starts no person."""
KEPT, MERGED, TOO_FEW_KEYPOINTS, TOO_LOW_SCORE = range(4)
"""Values of ``Assembly.verdict``."""


@dataclass(frozen=True, slots=True, eq=False)
class Peaks:
    """N local maxima of K heat maps, those of one keypoint together, in the order of rows, then columns.

    Args:
        xy: (N, 2) float32, the places, finer than a cell.
        scores: (N,) float32, the value of the cell.
        keypoints: (N,) int64.
        cells: (N, 2) int64, column and row of the cell.
        starts: (K + 1,) int64: peaks of keypoint k are starts[k] to starts[k + 1].
        found: (K,) int64, how many there were before the limit.
        limit: the most that are kept of one keypoint.
    """

    xy: Tensor
    scores: Tensor
    keypoints: Tensor
    cells: Tensor
    starts: Tensor
    found: Tensor
    limit: int

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def limited(self) -> Tensor:
        """(K,) bool: there were more than the limit, and the weakest were left out."""
        return self.found > self.limit


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """C candidates of limbs, S points sampled along each; those of one limb together.

    Args:
        limbs: (C,) int64. a, b: (C,) int64, the peaks at their two ends.
        lengths: (C,) float32, in cells.
        vectors: (C, S, 2) float32, the PAF at each point.
        dots: (C, S) float32, its dot product with the unit vector from a to b.
        agreeing: (C,) int64, how many dot products are above the threshold.
        integrals: (C,) float32, the line integral: the mean of the dot products.
        priors: (C,) float32, 0 or less: what a limb longer than half the map's height pays.
        scores: (C,) float32, integral + prior.
        failed: (C,) uint8, bits :data:`FEW_AGREE` and :data:`TOO_LOW`; 0 for one that may be matched.
        min_dot: the threshold of a dot product. min_agreeing: how many points must agree at least.
        starts: (C, 2) and ends: (C, 2) float32, the places of a and b.
    """

    limbs: Tensor
    a: Tensor
    b: Tensor
    lengths: Tensor
    vectors: Tensor
    dots: Tensor
    agreeing: Tensor
    integrals: Tensor
    priors: Tensor
    scores: Tensor
    failed: Tensor
    min_dot: float
    min_agreeing: int
    starts: Tensor
    ends: Tensor

    def __len__(self) -> int:
        return len(self.limbs)

    def points(self, pair: int) -> Tensor:
        """(S, 2) where the PAF was sampled along one pair."""
        steps = torch.linspace(0, 1, self.dots.shape[1])[:, None]
        return self.starts[pair] + (self.ends[pair] - self.starts[pair]) * steps


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """The greedy matching of M pairs that did not fail: limb by limb, the best score first.

    Args:
        pairs: (M,) int64, in the order they were looked at.
        blocked_by: (M,) int64: -1 if it was accepted, else the accepted pair that had taken one of its ends before.
    """

    pairs: Tensor
    blocked_by: Tensor

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def accepted(self) -> Tensor:
        """The accepted pairs, in order."""
        return self.pairs[self.blocked_by < 0]


@dataclass(frozen=True, slots=True, eq=False)
class Assembly:
    """How E accepted pairs made Q bodies, of which P are people.

    Args:
        pairs: (E,) int64, in order.
        limbs, a, b: (E,) int64, of these pairs.
        action: (E,) int64, see :data:`START` and following. person: (E,) int64, the body it was done to, -1 for none.
        other: (E,) int64, for MERGE the body that was taken in, for CONFLICT the second one, else -1.
        bodies: (Q, K) int64, the peak of each keypoint, -1 for none; at the end.
        scores: (Q,) float32: (sum of the peaks' scores + sum of the limbs' scores) / number of keypoints.
        verdict: (Q,) int64, see :data:`KEPT` and following.
        kept: (P,) int64, the bodies that are people, best score first.
    """

    pairs: Tensor
    limbs: Tensor
    a: Tensor
    b: Tensor
    action: Tensor
    person: Tensor
    other: Tensor
    bodies: Tensor
    scores: Tensor
    verdict: Tensor
    kept: Tensor

    def __len__(self) -> int:
        return len(self.pairs)

    def bodies_at(self, step: int, ends: Tensor) -> Tensor:
        """(Q, K) the bodies after the first ``step`` of the pairs, 0 to E; rows without a keypoint are not there (yet).

        Args:
            ends: (L, 2) the keypoints of each limb.

        Raises:
            ValueError: there is no such step.
        """
        if not 0 <= step <= len(self):
            raise ValueError(f"there are {len(self)} steps, not {step}")
        bodies = torch.full_like(self.bodies, -1)
        for i in range(step):
            action, person = int(self.action[i]), int(self.person[i])
            if action in (START, EXTEND):
                limb = int(self.limbs[i])
                bodies[person, ends[limb, 0]] = self.a[i]
                bodies[person, ends[limb, 1]] = self.b[i]
            elif action == MERGE:
                other = int(self.other[i])
                bodies[person] = torch.maximum(bodies[person], bodies[other])
                bodies[other] = -1
        return bodies


@dataclass(frozen=True, slots=True, eq=False)
class Completion:
    """The F keypoints that people got afterwards, from weak peaks, in order.

    Args:
        persons: (F,) int64, rows of ``PoseTrace.people``. keypoints: (F,) int64, what was added.
        limbs: (F,) int64, along which it was looked for. origins: (F,) int64, the keypoint at the limb's other end.
        integrals: (F,) float32, the line integral along the limb.
    """

    persons: Tensor
    keypoints: Tensor
    limbs: Tensor
    origins: Tensor
    integrals: Tensor

    def __len__(self) -> int:
        return len(self.persons)


@dataclass(frozen=True, slots=True, eq=False)
class PoseTrace:
    """A decoding with every decision of it.

    Args:
        people: (P, K, 3) float32: x, y, score of each keypoint, best person first; 0, 0, 0 for one that was not found.
        scores: (P,) float32, of the people.
        limited: some keypoint had more peaks than the limit, so that the weakest of it were left out.
        peaks, pairs, matches, assembly, completion: the steps.
    """

    people: Tensor
    scores: Tensor
    limited: bool
    peaks: Peaks
    pairs: Pairs
    matches: Matches
    assembly: Assembly
    completion: Completion
