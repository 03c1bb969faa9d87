"""People keep their numbers from frame to frame, and their keypoints may be smoothed.

Matching: each person found goes to the track it is most like, the likest pair first, by object keypoint similarity (OKS) to
where the track is expected. That is the greedy matching by OKS of Xiao et al., "Simple Baselines for Human Pose Estimation and
Tracking", ECCV 2018, https://arxiv.org/abs/1804.06208 , section 3.2, with a constant velocity in the place of optical flow. It
keeps two people apart who cross, and finds one again who was hidden for some frames.

Smoothing: the One Euro filter, Casiez, Roussel and Vogel, "1 € Filter", CHI 2012, https://gery.casiez.net/1euro/ : a low-pass
filter whose cut-off frequency rises with speed, so that a still body does not tremble and a fast one does not lag.

A state goes in, its successor comes out; nothing is kept here. Time is counted in frames.
"""

from dataclasses import dataclass, field
from math import pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvcore.evaluate.keypoints import SIGMAS
from cvcore.ops.paf import COCO_TO_OPENPOSE
from cvcore.ops.paf.skeleton import NECK

Array = NDArray[np.float64]

NECK_SIGMA = 0.079
"""COCO has no neck; the shoulders', of which it is the middle."""
_OF_18 = np.full(18, NECK_SIGMA)
_OF_18[list(COCO_TO_OPENPOSE)] = SIGMAS
assert _OF_18[NECK] == NECK_SIGMA


@dataclass(frozen=True, slots=True)
class OneEuro:
    """How keypoints are smoothed.

    Args:
        min_cutoff: Hz, above 0, of a point that rests: the lower, the less it trembles.
        beta: how much the cut-off rises with speed, 0 or more; Hz for one body size a second.
        speed_cutoff: Hz, of the filter of the speed itself.
        fps: frames a second.

    Raises:
        ValueError: out of range.
    """

    min_cutoff: float = 1.0
    beta: float = 2.0
    speed_cutoff: float = 1.0
    fps: float = 30.0

    def __post_init__(self) -> None:
        if not (self.min_cutoff > 0 and self.speed_cutoff > 0 and self.fps > 0 and self.beta >= 0):
            raise ValueError("cut-offs and fps must be above 0 and beta not below")


@dataclass(frozen=True, slots=True)
class Tracking:
    """How people are followed.

    Args:
        min_oks: a person less like every track starts one, 0 to 1.
        spread: times COCO's tolerance of each keypoint: the OKS of labels is too strict for a body that moves.
        growth: the tolerance grows by this part for each frame a track was not seen.
        max_gap: frames; a track not seen for longer is forgotten, and a jump of the source by more begins anew.
        smoothing: None: keypoints stay where they were found.

    Raises:
        ValueError: out of range.
    """

    min_oks: float = 0.15
    spread: float = 2.0
    growth: float = 0.05
    max_gap: int = 45
    smoothing: OneEuro | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.min_oks <= 1 or not self.spread > 0 or not self.growth >= 0 or self.max_gap < 1:
            raise ValueError("min_oks is 0 to 1, spread above 0, growth 0 or more, max_gap 1 or more")


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One person.

    Args:
        number: from 1.
        xy: (K, 2) where each keypoint was last, smoothed if that is asked for; carried along while it is not found.
        known: (K,) bool: it was found at some time.
        velocity: (2,) of the whole body, a frame.
        speeds: (K, 2) filtered speed of each keypoint, a second.
        size: of the body: the root of the area of the box around it.
        frame: when it was last seen.
    """

    number: int
    xy: Array
    known: NDArray[np.bool_]
    velocity: Array
    speeds: Array
    size: float
    frame: int


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """All that is remembered after a frame.

    Args:
        frame: its number. following: the next new person's number.
    """

    tracks: tuple[Track, ...] = ()
    frame: int = -1
    following: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """The people of one frame.

    Args:
        tracks: what to hand in with the next frame.
        numbers: (P,) int64 of each person.
        people: (P, K, 3) as they came in, smoothed if that is asked for.
        oks: (P,) to the track it was given to, NaN for a new one.
    """

    tracks: Tracks
    numbers: NDArray[np.int64]
    people: NDArray[np.float32]
    oks: Array = field(repr=False)


def follow(
    before: Tracks | None, people: NDArray[np.floating[Any]], frame: int, how: Tracking | None = None
) -> Followed:
    """Gives the people of a frame the numbers they had.

    Args:
        before: of the frame before; None at the start and when the source changes.
        people: (P, K, 3) x, y and a score above 0 where a keypoint was found, best person first. K is 18 (OPENPOSE_18) or 17
            (COCO), of any unit of length.
        frame: its number. Not above that of ``before``, or more than ``max_gap`` above it: the source was wound, and the
            numbers begin at 1 again.

    Raises:
        ValueError: shape.
    """
    how = how or Tracking()
    if people.ndim != 3 or people.shape[1] not in (17, 18) or people.shape[2] != 3:
        raise ValueError(f"people must be (P, 18, 3) or (P, 17, 3), not {people.shape}")
    if before is None or not 0 < frame - before.frame <= how.max_gap:
        before = Tracks()
    found = np.asarray(people[..., :2], np.float64)
    there = np.asarray(people[..., 2] > 0)
    sizes = np.array([body_size(xy[ok]) for xy, ok in zip(found, there, strict=True)])
    similar = similarity(before.tracks, found, there, sizes, frame, how)
    mine = greedy(similar, how.min_oks)
    numbers, oks = np.zeros(len(people), np.int64), np.full(len(people), np.nan)
    out, kept, following = np.array(people, np.float32), [], before.following
    for person, track in enumerate(mine):
        if track < 0:
            made = Track(
                following, found[person], there[person], np.zeros(2), np.zeros_like(found[person]), sizes[person], frame
            )
            following += 1
        else:
            oks[person] = similar[person, track]
            made = continued(before.tracks[track], found[person], there[person], sizes[person], frame, how.smoothing)
            out[person, there[person], :2] = made.xy[there[person]]
        numbers[person] = made.number
        kept.append(made)
    gone = set(range(len(before.tracks))) - set(mine)
    kept += [before.tracks[i] for i in sorted(gone) if frame - before.tracks[i].frame <= how.max_gap]
    return Followed(Tracks(tuple(kept), frame, following), numbers, out, oks)


def body_size(xy: Array) -> float:
    """The root of the area of the box around (N, 2) points; for one that is very thin, a third of its longer side counts as
    the other."""
    if not len(xy):
        return 0.0
    sides = xy.max(0) - xy.min(0)
    return float(np.sqrt(sides.max() * max(sides.min(), sides.max() / 3)))


def similarity(
    tracks: tuple[Track, ...], found: Array, there: NDArray[np.bool_], sizes: Array, frame: int, how: Tracking
) -> Array:
    """(P, T) OKS of each person to where each track is expected, over the keypoints that both have; 0 with fewer than three."""
    k = how.spread * 2 * (_OF_18 if found.shape[1] == 18 else SIGMAS)
    out = np.zeros((len(found), len(tracks)))
    for t, track in enumerate(tracks):
        gap = frame - track.frame
        both = there & track.known  # (P, K)
        distance = ((found - expected(track, gap)) ** 2).sum(-1)
        scale = np.maximum(sizes, track.size)[:, None] * k * (1 + how.growth * (gap - 1))
        each = np.exp(-distance / (2 * np.maximum(scale, 1e-9) ** 2))
        count = both.sum(1)
        out[:, t] = np.where(count >= 3, (each * both).sum(1) / np.maximum(count, 1), 0.0)
    return out


def expected(track: Track, gap: int) -> Array:
    """(K, 2) where a track's keypoints are after so many frames, at the velocity it had."""
    return track.xy + track.velocity * gap


def greedy(similar: Array, least: float) -> list[int]:
    """The column given to each row, or -1: the most similar pair first."""
    mine, taken = [-1] * len(similar), set()
    for flat in np.argsort(-similar, axis=None, kind="stable"):
        row, column = divmod(int(flat), similar.shape[1])
        if similar[row, column] < max(least, 1e-12):
            break
        if mine[row] < 0 and column not in taken:
            mine[row] = column
            taken.add(column)
    return mine


def continued(
    track: Track, found: Array, there: NDArray[np.bool_], size: float, frame: int, smoothing: OneEuro | None
) -> Track:
    """A track with what was found of it in this frame."""
    gap = frame - track.frame
    both = there & track.known
    moved = (found - track.xy)[both].mean(0) / gap
    velocity = moved if not track.velocity.any() else 0.5 * (track.velocity + moved)
    xy, speeds = expected(track, gap), track.speeds
    if smoothing is None:
        xy[there] = found[there]
    else:
        smoothed, faster = smooth(track, found, gap / smoothing.fps, smoothing)
        xy[there] = np.where(both[:, None], smoothed, found)[there]
        speeds = np.where(both[:, None], faster, 0.0)
    return Track(
        track.number, xy, track.known | there, velocity, speeds, 0.5 * (track.size + max(size, track.size)), frame
    )


def smooth(track: Track, found: Array, seconds: float, how: OneEuro) -> tuple[Array, Array]:
    """(K, 2) filtered places and (K, 2) filtered speeds: equations 1 to 5 of the paper, for each keypoint."""
    speed = (found - track.xy) / seconds
    speeds = lowpass(speed, track.speeds, low_pass_share(how.speed_cutoff, seconds))
    relative = np.linalg.norm(speeds, axis=1, keepdims=True) / max(track.size, 1e-9)
    share = low_pass_share(how.min_cutoff + how.beta * relative, seconds)
    return lowpass(found, track.xy, share), speeds


def low_pass_share(cutoff: Any, seconds: float) -> Any:
    """alpha = 1 / (1 + tau / T), tau = 1 / (2 pi f): the new value's share."""
    return 1 / (1 + 1 / (2 * pi * cutoff * seconds))


def lowpass(new: Array, old: Array, share: Any) -> Array:
    return np.asarray(share * new + (1 - share) * old)
