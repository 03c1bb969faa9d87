"""Which step, limb and pair of a decoding are looked at."""

import numpy as np
from numpy.typing import NDArray

from cvcore.ops.paf import PoseTrace
from explorer.panel import Result
from explorer.panels.pose.controls import View
from explorer.panels.pose.parts import keypoint_name
from explorer.panels.pose.sequence import GROWING, MATCHING, OF_A_LIMB, Step
from explorer.panels.pose.trace import Trace

ROWS = 200
"""Pairs listed at most, the best."""


def step_number(trace: Trace, view: View) -> int:
    return max(0, min(view.step, len(trace.steps) - 1))


def step_of(result: Result, view: View) -> Step:
    trace: Trace = result.trace
    return trace.steps[step_number(trace, view)]


def decoding(result: Result) -> PoseTrace:
    trace: Trace = result.trace
    assert trace.decoded is not None
    return trace.decoded


def limb_in(decoded: PoseTrace, step: Step) -> int | None:
    """The limb that a step is about."""
    if step.kind in OF_A_LIMB:
        return step.number
    return int(decoded.assembly.limbs[step.number]) if step.kind == GROWING else None


def pairs_of(decoded: PoseTrace, limb: int) -> NDArray[np.int64]:
    """A limb's candidates, in their order."""
    return np.flatnonzero(decoded.pairs.limbs.numpy() == limb)


def listed(decoded: PoseTrace, step: Step) -> NDArray[np.int64]:
    """The pairs of the table's rows: best score first, but as they come while there are no scores."""
    limb = limb_in(decoded, step)
    if limb is None:
        return np.zeros(0, np.int64)
    found = pairs_of(decoded, limb)
    scores = decoded.pairs.scores.numpy()[found]
    best = found[np.argsort(-scores, kind="stable")][:ROWS]
    return best if step.kind in (MATCHING, GROWING, "scores") else np.sort(best)


def chosen_pair(result: Result, view: View) -> int | None:
    """The pair that was clicked if it is of the step's limb; else the accepted one of a growing step, or the limb's best."""
    decoded, step = decoding(result), step_of(result, view)
    limb = limb_in(decoded, step)
    if limb is None:
        return None
    if 0 <= view.pair < len(decoded.pairs) and int(decoded.pairs.limbs[view.pair]) == limb:
        return view.pair
    if step.kind == GROWING:
        return int(decoded.assembly.pairs[step.number])
    found = pairs_of(decoded, limb)
    return int(found[decoded.pairs.scores.numpy()[found].argmax()]) if len(found) else None


def peak_number(decoded: PoseTrace, peak: int) -> int:
    """From 1 among those of its keypoint."""
    return peak - int(decoded.peaks.starts[decoded.peaks.keypoints[peak]]) + 1


def peak_name(decoded: PoseTrace, peak: int) -> str:
    return f"{keypoint_name(int(decoded.peaks.keypoints[peak]))} {peak_number(decoded, peak)}"


def pair_name(decoded: PoseTrace, pair: int) -> str:
    """``neck 1 – right hip 2``."""
    return f"{peak_name(decoded, int(decoded.pairs.a[pair]))} – {peak_name(decoded, int(decoded.pairs.b[pair]))}"


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
