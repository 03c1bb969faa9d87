"""From heat maps and part affinity fields to people: Cao et al. 2017, https://arxiv.org/abs/1611.08050 , sections 2.2 to 2.4,
and 2019, https://arxiv.org/abs/1812.08008 , sections 3.2 to 3.4.

Four steps, each a function, and :func:`decode`, which is all of them, and on request a fifth, which completes people. What differs
from the authors' code:

- Their maps are enlarged 8 times before peaks are looked for. Here a parabola through the logarithms of a peak and its
  neighbours places it between the cells, and the PAF is read between the cells bilinearly.
- Where a connection would give a person a second keypoint of a kind, it is ignored; their code overwrites the first.

All places and lengths are in cells, counted from the centre of the first cell; ``cells_to_pixels`` brings them to the input.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvcore.ops.paf import loops
from cvcore.ops.paf.completing import completed
from cvcore.ops.paf.skeleton import OPENPOSE_18, Skeleton
from cvcore.ops.paf.trace import Assembly, Completion, Matches, Pairs, Peaks, PoseTrace

PEAK_THRESHOLD, MAX_PEAKS = 0.1, 128
SAMPLES, MIN_DOT, MIN_FRACTION = 10, 0.05, 0.8
MIN_KEYPOINTS, MIN_SCORE = 4, 0.4
"""The values of the authors' code, but for the limit, which theirs sets differently."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What :func:`decode` decides by, checked.

    Args:
        peak_threshold: a peak's value is above it.
        max_peaks: the most kept of one keypoint, 1 or more; the work grows with its square.
        samples: points along a pair, 2 to 1000.
        min_dot: a point agrees if its dot product is above it.
        min_fraction: 0 to 1, the part of the points that must agree at least.
        min_keypoints: of a person. min_score: of a person.
        weak_threshold: None: what is missing of a person stays missing. Else it is looked for among the peaks above this, which
            may be weak: at the free end of a limb whose other end is known, no farther from it than 0.75 of the longer side
            of the box of what was found, not within 1.5 cells of somebody else's, with a line integral above 0; the one with
            the largest sum of value and integral is taken. Best person first; what was added leads on. Scores stay.

    Raises:
        ValueError: out of range, or NaN.
    """

    peak_threshold: float = PEAK_THRESHOLD
    max_peaks: int = MAX_PEAKS
    samples: int = SAMPLES
    min_dot: float = MIN_DOT
    min_fraction: float = MIN_FRACTION
    min_keypoints: int = MIN_KEYPOINTS
    min_score: float = MIN_SCORE
    weak_threshold: float | None = None

    def __post_init__(self) -> None:
        if self.max_peaks < 1:
            raise ValueError(f"max_peaks must be 1 or more, not {self.max_peaks}")
        if not 2 <= self.samples <= 1000:
            raise ValueError(f"samples must be 2 to 1000, not {self.samples}")
        if not 0 <= self.min_fraction <= 1:
            raise ValueError(f"min_fraction must be in [0, 1], not {self.min_fraction}")
        if any(
            np.isnan(value) for value in (self.peak_threshold, self.min_dot, self.min_score, self.weak_threshold or 0)
        ):
            raise ValueError("a threshold is NaN")

    @property
    def min_agreeing(self) -> int:
        """How many points must agree: min_fraction of them, rounded up; 1e-9 forgives the rounding of, say, 0.8 x 10."""
        return int(np.ceil(self.min_fraction * self.samples - 1e-9))


def find_peaks(
    heatmaps: Tensor, threshold: float = PEAK_THRESHOLD, *, max_peaks: int = MAX_PEAKS, sub_pixel: bool = True
) -> Peaks:
    """Local maxima of each map (non-maximum suppression, section 2.2).

    A peak is above the threshold and not below any of its eight neighbours; of equal neighbours the first in reading
    order is the peak. Its place is that of the top of a parabola through the logarithms of its cell and the two
    neighbours, along each axis, which is exact for a Gaussian; at the border the cell's own.

    Args:
        heatmaps: (K, h, w), without the background.
        threshold: any number. max_peaks: the most kept of one map, the highest first.
        sub_pixel: False: the places are the cells.

    Raises:
        ValueError: shape, NaN, threshold or limit.
    """
    limits = Thresholds(peak_threshold=threshold, max_peaks=max_peaks)
    return _peaks(_array(heatmaps, "heatmaps"), len(heatmaps), limits, sub_pixel)


def score_pairs(
    peaks: Peaks,
    pafs: Tensor,
    *,
    samples: int = SAMPLES,
    min_dot: float = MIN_DOT,
    min_fraction: float = MIN_FRACTION,
    skeleton: Skeleton = OPENPOSE_18,
) -> Pairs:
    """The line integral of the PAF along each possible limb (equations 10 and 11 of 2017)::

        E = integral over u from 0 to 1 of  L_c(p(u)) . (d_2 - d_1) / ||d_2 - d_1||,    p(u) = (1 - u) d_1 + u d_2

    as the mean over evenly spaced u, from end to end. As in the authors' code a limb longer than half the map's height
    pays for it: score = E + min(h / (2 length) - 1, 0). A pair fails if fewer than ``min_fraction`` of its points have a dot
    product above ``min_dot``, or if its score is not above 0.

    Args:
        pafs: (2 L, h, w), channels as the skeleton has them.
        samples: points along a pair, 2 to 1000.

    Returns:
        All pairs of peaks of each limb's two keypoints.

    Raises:
        ValueError: shapes, NaN or a threshold out of range.
    """
    limits = Thresholds(samples=samples, min_dot=min_dot, min_fraction=min_fraction)
    fields = _array(pafs, "pafs")
    _check_limbs(fields, skeleton)
    if len(peaks.starts) != len(skeleton.names) + 1:
        raise ValueError(
            f"there are peaks of {len(peaks.starts) - 1} keypoints, the skeleton has {len(skeleton.names)}"
        )
    xy = peaks.xy.numpy()
    if len(xy) and not (xy.min() >= 0 and (xy.max(0) <= (fields.shape[2] - 1, fields.shape[1] - 1)).all()):
        raise ValueError("the peaks lie outside of the part affinity fields")
    return _pairs(peaks, loops.interleaved(fields, skeleton.channel_array()), limits, skeleton)


def match_limbs(pairs: Pairs) -> Matches:
    """Greedy matching, for each limb by itself (equations 13 to 15 of 2017, relaxed as in section 2.4).

    The pairs that did not fail, best score first, of equal ones the first; each is accepted unless one of its ends belongs to
    one accepted before.
    """
    able = np.flatnonzero(pairs.failed.numpy() == 0)
    ends = torch.stack((pairs.limbs, pairs.a, pairs.b), 1).numpy()[able]
    peaks = int(ends[:, 1:].max()) + 1 if len(ends) else 0
    order, blocked = loops.greedy_matching(ends, pairs.scores.numpy()[able], peaks)
    by = np.full(len(blocked), -1, np.int64)
    by[blocked >= 0] = able[blocked[blocked >= 0]]
    return Matches(torch.from_numpy(able[order]), torch.from_numpy(by))


def assemble(
    peaks: Peaks,
    pairs: Pairs,
    matches: Matches,
    *,
    min_keypoints: int = MIN_KEYPOINTS,
    min_score: float = MIN_SCORE,
    skeleton: Skeleton = OPENPOSE_18,
) -> Assembly:
    """People from limbs that share a keypoint (section 2.4), limb after limb.

    A limb of two free keypoints starts a person, unless it is a redundant one; with one free keypoint it extends the person
    of the other; between two people that have no keypoint in common it makes them one. What would give a person two keypoints
    of a kind is ignored. A person needs ``min_keypoints`` and a score of ``min_score``: (sum of the peaks' scores + sum of
    the limbs' scores) / number of keypoints.

    Raises:
        ValueError: a threshold is NaN.
    """
    limits = Thresholds(min_keypoints=min_keypoints, min_score=min_score)
    accepted = _accepted(matches)
    ends = torch.stack((pairs.limbs, pairs.a, pairs.b), 1).numpy()[accepted]
    return _assembly(peaks, accepted, ends, pairs.scores.numpy()[accepted], limits, skeleton)[0]


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """The people of one picture, without the decisions.

    Args:
        people: (P, K, 3) and limited: as in :class:`cvcore.ops.paf.trace.PoseTrace`. scores: (P,) on the CPU.
    """

    people: Tensor
    scores: Tensor
    limited: bool


def decode(
    heatmaps: Tensor, pafs: Tensor, thresholds: Thresholds | None = None, *, skeleton: Skeleton = OPENPOSE_18
) -> Tensor:
    """The people of one picture: :func:`find_peaks`, :func:`score_pairs`, :func:`match_limbs`, :func:`assemble`.

    Any maps without NaN give an answer; infinite values count as 1e6. The work is bounded by ``thresholds.max_peaks``, and
    whether that was reached says :func:`decode_scored`.

    Args:
        heatmaps: (K + 1, h, w), the last one the background, which is not used. pafs: (2 L, h, w). Any device and precision.
        thresholds: None: the defaults.

    Returns:
        people: (P, K, 3) float32 on the device of the heat maps: x, y in cells and the peak's value, best person first;
        0, 0, 0 for a keypoint that was not found.

    Raises:
        ValueError: shapes, or NaN.
    """
    return decode_scored(heatmaps, pafs, thresholds, skeleton=skeleton).people


def decode_scored(
    heatmaps: Tensor, pafs: Tensor, thresholds: Thresholds | None = None, *, skeleton: Skeleton = OPENPOSE_18
) -> Decoded:
    """:func:`decode` with the people's scores, and whether the limit on peaks was reached."""
    limits = thresholds or Thresholds()
    maps, fields, limbs = _inputs(heatmaps, pafs, skeleton)
    keypoints = len(skeleton.names)
    xy, scores, _, starts, counts = loops.local_maxima(maps, keypoints, limits.peak_threshold, limits.max_peaks, True)
    ends, numbers, _, _, _ = loops.line_integrals(
        fields, xy, starts, limbs, limits.samples, limits.min_dot, limits.min_agreeing, False
    )
    order, blocked = loops.greedy_matching(ends, numbers[:, 3].copy(), len(xy))
    accepted = order[blocked < 0]
    _, bodies, body_scores = loops.growing(
        ends[accepted], numbers[accepted, 3], scores, limbs, _redundant(skeleton), keypoints
    )
    _, kept, people = loops.selected(bodies, body_scores, xy, scores, limits.min_keypoints, limits.min_score)
    if limits.weak_threshold is not None and len(people):
        people = _completed(people, maps, fields, limits, limits.weak_threshold, skeleton)[0]
    return Decoded(
        torch.from_numpy(people).to(heatmaps.device),
        torch.from_numpy(body_scores[kept]),
        bool((counts > limits.max_peaks).any()),
    )


def decode_trace(
    heatmaps: Tensor, pafs: Tensor, thresholds: Thresholds | None = None, *, skeleton: Skeleton = OPENPOSE_18
) -> PoseTrace:
    """:func:`decode` with every decision, on the CPU."""
    limits = thresholds or Thresholds()
    maps, fields, _ = _inputs(heatmaps, pafs, skeleton)
    peaks = _peaks(maps, len(skeleton.names), limits, sub_pixel=True)
    pairs = _pairs(peaks, fields, limits, skeleton)
    matches = match_limbs(pairs)
    accepted = _accepted(matches)
    ends = torch.stack((pairs.limbs, pairs.a, pairs.b), 1).numpy()[accepted]
    assembly, people = _assembly(peaks, accepted, ends, pairs.scores.numpy()[accepted], limits, skeleton)
    steps, integrals = np.zeros((0, 4), np.int64), np.zeros(0, np.float32)
    if limits.weak_threshold is not None and len(people):
        more, steps, integrals = _completed(people.numpy(), maps, fields, limits, limits.weak_threshold, skeleton)
        people = torch.from_numpy(more)
    person, keypoint, limb, origin = (_column(column) for column in steps.T)
    return PoseTrace(
        people=people,
        scores=assembly.scores[assembly.kept],
        limited=bool(peaks.limited.any()),
        peaks=peaks,
        pairs=pairs,
        matches=matches,
        assembly=assembly,
        completion=Completion(person, keypoint, limb, origin, torch.from_numpy(integrals)),
    )


def _array(maps: Tensor, name: str) -> NDArray[np.float32]:
    """(C, h, w) float32 without NaN or infinite values, in memory of its own."""
    if maps.dim() != 3 or not maps.is_floating_point():
        raise ValueError(f"{name} must be a floating (C, h, w), not {maps.dtype} {tuple(maps.shape)}")
    bad, array = loops.finite_maps(maps.detach().to("cpu", torch.float32).contiguous().numpy())
    if bad:
        raise ValueError(f"{name} have NaN values")
    return array


def _inputs(
    heatmaps: Tensor, pafs: Tensor, skeleton: Skeleton
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    maps, fields = _array(heatmaps, "heatmaps"), _array(pafs, "pafs")
    if len(maps) != len(skeleton.names) + 1:
        raise ValueError(f"the skeleton needs {len(skeleton.names) + 1} heat maps, not {len(maps)}")
    _check_limbs(fields, skeleton)
    if maps.shape[1:] != fields.shape[1:]:
        raise ValueError(f"heat maps of {maps.shape[1:]} and fields of {fields.shape[1:]} differ in size")
    return maps, loops.interleaved(fields, skeleton.channel_array()), skeleton.limb_array()


def _check_limbs(fields: NDArray[np.float32], skeleton: Skeleton) -> None:
    if len(fields) != 2 * len(skeleton.limbs):
        raise ValueError(f"the skeleton needs {2 * len(skeleton.limbs)} PAF channels, not {len(fields)}")


def _redundant(skeleton: Skeleton) -> NDArray[np.bool_]:
    return np.isin(np.arange(len(skeleton.limbs)), skeleton.redundant)


def _peaks(maps: NDArray[np.float32], keypoints: int, limits: Thresholds, sub_pixel: bool) -> Peaks:
    xy, scores, cells, starts, found = loops.local_maxima(
        maps, keypoints, limits.peak_threshold, limits.max_peaks, sub_pixel
    )
    of = np.repeat(np.arange(keypoints), np.diff(starts))
    return Peaks(
        xy=torch.from_numpy(xy),
        scores=torch.from_numpy(scores),
        keypoints=torch.from_numpy(of),
        cells=torch.from_numpy(cells),
        starts=torch.from_numpy(starts),
        found=torch.from_numpy(found),
        limit=limits.max_peaks,
    )


def _pairs(peaks: Peaks, fields: NDArray[np.float32], limits: Thresholds, skeleton: Skeleton) -> Pairs:
    xy = peaks.xy.numpy()
    ends, numbers, dots, vectors, failed = loops.line_integrals(
        fields,
        xy,
        peaks.starts.numpy(),
        skeleton.limb_array(),
        limits.samples,
        limits.min_dot,
        limits.min_agreeing,
        True,
    )
    limb, a, b = (_column(column) for column in ends.T)
    length, integral, prior, score = (_column(column) for column in numbers.T)
    return Pairs(
        limbs=limb,
        a=a,
        b=b,
        lengths=length,
        vectors=torch.from_numpy(vectors),
        dots=torch.from_numpy(dots),
        agreeing=torch.from_numpy((dots > limits.min_dot).sum(1)),
        integrals=integral,
        priors=prior,
        scores=score,
        failed=torch.from_numpy(failed),
        min_dot=limits.min_dot,
        min_agreeing=limits.min_agreeing,
        starts=peaks.xy[a],
        ends=peaks.xy[b],
    )


def _assembly(
    peaks: Peaks,
    accepted: NDArray[np.int64],
    ends: NDArray[np.int64],
    scores: NDArray[np.float32],
    limits: Thresholds,
    skeleton: Skeleton,
) -> tuple[Assembly, Tensor]:
    steps, bodies, body_scores = loops.growing(
        ends, scores, peaks.scores.numpy(), skeleton.limb_array(), _redundant(skeleton), len(skeleton.names)
    )
    verdict, kept, people = loops.selected(
        bodies, body_scores, peaks.xy.numpy(), peaks.scores.numpy(), limits.min_keypoints, limits.min_score
    )
    limb, a, b = (_column(column) for column in ends.T)
    action, person, other = (_column(column) for column in steps.T)
    assembly = Assembly(
        pairs=torch.from_numpy(accepted),
        limbs=limb,
        a=a,
        b=b,
        action=action,
        person=person,
        other=other,
        bodies=torch.from_numpy(bodies),
        scores=torch.from_numpy(body_scores),
        verdict=torch.from_numpy(verdict),
        kept=torch.from_numpy(kept),
    )
    return assembly, torch.from_numpy(people)


def _completed(
    people: NDArray[np.float32],
    maps: NDArray[np.float32],
    fields: NDArray[np.float32],
    limits: Thresholds,
    weak: float,
    skeleton: Skeleton,
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    return completed(
        people,
        maps,
        fields,
        skeleton.limb_array(),
        _redundant(skeleton),
        float(weak),
        limits.max_peaks,
        limits.samples,
    )


def _accepted(matches: Matches) -> NDArray[np.int64]:
    """``matches.accepted`` in numpy: torch would wake its threads to find a few true values, which takes longer than all else."""
    return matches.pairs.numpy()[matches.blocked_by.numpy() < 0]


def _column(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))
