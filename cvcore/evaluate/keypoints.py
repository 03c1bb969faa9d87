"""Average precision and recall of a pose estimator, by the COCO keypoint protocol.

Lin et al., "Microsoft COCO", https://arxiv.org/abs/1405.0312 ; metrics: https://cocodataset.org/#keypoints-eval ; as for boxes
(:mod:`cvcore.evaluate.detection`), with object keypoint similarity (OKS) in the place of IoU::

    OKS = mean over the labelled keypoints i of exp(-d_i^2 / (2 area k_i^2)),    k_i = 2 sigma_i

- Annotations that are crowds or have no labelled keypoint are ignored: one may take any number of the people found (a crowd) or
  one (a person without keypoints), and these neither help nor harm.
- With an annotation that has no labelled keypoint, d_i is how far each keypoint found is outside of twice the box, around its
  centre, per axis, and all keypoints count.
- At most 20 people of a picture count, best score first.

This is the protocol's area range "all". AP and recall were equal to pycocotools 2.0's within 1e-12 on random scenes, which
the tests repeat where it is installed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvcore.evaluate.detection import IOU_THRESHOLDS, RECALLS, DetectionScore, precision_at_recalls

SIGMAS = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000
"""(17,) of COCO's keypoints: how much annotators differ, as a share of the root of the area."""
MAX_PEOPLE = 20


@dataclass(frozen=True, slots=True, eq=False)
class FoundPeople:
    """What was found in one picture.

    Args:
        keypoints: (P, 17, 2 or more) x, y in pixels, in COCO's order; all count, so one that was not found should be guessed or will be
            far away. The rest is not looked at.
        scores: (P,) higher is surer.

    Raises:
        ValueError: shapes.
    """

    keypoints: NDArray[np.floating[Any]]
    scores: NDArray[np.floating[Any]]

    def __post_init__(self) -> None:
        if self.keypoints.ndim != 3 or self.keypoints.shape[1] != len(SIGMAS) or self.keypoints.shape[2] < 2:
            raise ValueError(f"keypoints must be (P, 17, 2 or more), not {self.keypoints.shape}")
        if self.scores.shape != self.keypoints.shape[:1]:
            raise ValueError(f"{len(self.keypoints)} people have scores of shape {self.scores.shape}")


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPeople:
    """Who is in one picture.

    Args:
        keypoints: (M, 17, 3) x, y in pixels and COCO's flag: 0 not labelled, 1 labelled but hidden, 2 visible.
        areas: (M,) of the person's segment, in square pixels.
        boxes: (M, 4) xyxy.
        crowd: (M,) bool: a region of many people that were not marked one by one.

    Raises:
        ValueError: shapes.
    """

    keypoints: NDArray[np.float64]
    areas: NDArray[np.float64]
    boxes: NDArray[np.float64]
    crowd: NDArray[np.bool_]

    def __post_init__(self) -> None:
        m = len(self.keypoints)
        shapes = (self.keypoints.shape, self.areas.shape, self.boxes.shape, self.crowd.shape)
        if shapes != ((m, len(SIGMAS), 3), (m,), (m, 4), (m,)):
            raise ValueError(f"expected (M, 17, 3) keypoints, (M,) areas, (M, 4) boxes and (M,) crowd, not {shapes}")

    @property
    def ignored(self) -> NDArray[np.bool_]:
        """(M,)"""
        return np.asarray(self.crowd | ~(self.keypoints[..., 2] > 0).any(1))


def oks(found: FoundPeople, labelled: LabelledPeople) -> NDArray[np.float64]:
    """(P, M) object keypoint similarity, 0 to 1."""
    xy = found.keypoints[:, None, :, :2].astype(np.float64)  # (P, 1, 17, 2)
    flags = labelled.keypoints[..., 2] > 0  # (M, 17)
    any_flag = np.asarray(flags.any(1))
    low, high = labelled.boxes[:, :2], labelled.boxes[:, 2:]
    wide_low, wide_high = low - (high - low), high + (high - low)
    outside = np.maximum(wide_low[None, :, None] - xy, 0) + np.maximum(xy - wide_high[None, :, None], 0)
    away = np.where(any_flag[None, :, None, None], xy - labelled.keypoints[None, ..., :2], outside)  # (P, M, 17, 2)
    scale = 2 * (labelled.areas + np.spacing(1))[:, None] * (2 * SIGMAS) ** 2  # (M, 17)
    each = np.exp(-(away**2).sum(-1) / scale)
    counted = np.where(any_flag[:, None], flags, True)  # (M, 17)
    result: NDArray[np.float64] = (each * counted).sum(-1) / counted.sum(-1)
    return result


def evaluate_keypoints(
    found: Sequence[FoundPeople],
    labelled: Sequence[LabelledPeople],
    *,
    oks_thresholds: NDArray[np.float64] = IOU_THRESHOLDS,
    max_people: int = MAX_PEOPLE,
) -> DetectionScore:
    """COCO keypoint average precision and recall: ``ap`` over OKS 0.5 to 0.95, ``ap50``, ``ap75``, ``recall``.

    Args:
        found, labelled: of the same pictures in the same order.
        max_people: found people that count in each picture.

    Returns:
        One class, 1 (COCO's person); its thresholds are of OKS. Without a countable person, AP is NaN.

    Raises:
        ValueError: the two differ in length.
    """
    if len(found) != len(labelled):
        raise ValueError(f"{len(found)} pictures have people found and {len(labelled)} have labels")
    thresholds = np.asarray(oks_thresholds, np.float64)
    people = sum(int((~picture.ignored).sum()) for picture in labelled)
    labels = np.ones(1 if people else 0, np.int64)
    precision, recalls = (
        np.zeros((len(thresholds), len(RECALLS), len(labels))),
        np.zeros((len(thresholds), len(labels))),
    )
    if people:
        pictures = [_match(f, m, thresholds, max_people) for f, m in zip(found, labelled, strict=True)]
        order = np.argsort(-np.concatenate([scores for scores, _, _ in pictures]), kind="stable")
        hits = np.concatenate([hits for _, hits, _ in pictures], 1)[:, order]
        counted = np.concatenate([counted for _, _, counted in pictures], 1)[:, order]
        for t in range(len(thresholds)):
            precision[t, :, 0], recalls[t, 0] = precision_at_recalls(hits[t][counted[t]], people)
    return DetectionScore(thresholds, labels, precision, recalls)


def _match(
    found: FoundPeople, labelled: LabelledPeople, thresholds: NDArray[np.float64], limit: int
) -> tuple[NDArray[np.floating[Any]], NDArray[np.bool_], NDArray[np.bool_]]:
    """The people found in one picture, best first: (D,) scores, (T, D) hits, (T, D) whether they count at all."""
    best = np.argsort(-found.scores, kind="stable")[:limit]
    order = np.argsort(labelled.ignored, kind="stable")  # what is ignored comes last
    ignored, crowd = labelled.ignored[order], labelled.crowd[order]
    similar = oks(found, labelled)[best][:, order]  # (D, M)
    hits = np.zeros((len(thresholds), len(best)), bool)
    counted = np.ones_like(hits)
    for t, threshold in enumerate(thresholds):
        free = np.ones(len(order), bool)
        for d, row in enumerate(similar):
            able = (free | crowd) & (row >= min(threshold, 1 - 1e-10))
            for group in (able & ~ignored, able & ignored):
                numbers = np.flatnonzero(group)
                if len(numbers):
                    taken = numbers[len(numbers) - 1 - np.argmax(row[numbers][::-1])]  # of equal ones the last
                    free[taken] = False
                    hits[t, d], counted[t, d] = True, not ignored[taken]
                    break
    return found.scores[best], hits, counted
