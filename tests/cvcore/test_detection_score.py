"""COCO average precision on cases small enough to work out by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from cvcore.evaluate.coco_json import coco_results, read_coco
from cvcore.evaluate.detection import Annotations, Detections, DetectionScore, evaluate_detection

BOX = [0.0, 0.0, 10.0, 10.0]
FAR = [100.0, 0.0, 110.0, 10.0]


def seen(*rows: tuple[list[float], float], label: int = 1) -> Detections:
    boxes = np.array([box for box, _ in rows], float).reshape(-1, 4)
    return Detections(boxes, np.array([score for _, score in rows]), np.full(len(rows), label))


def real(*boxes: list[float], label: int = 1, crowd: tuple[int, ...] = ()) -> Annotations:
    marked = np.isin(np.arange(len(boxes)), crowd)
    return Annotations(np.array(boxes, float).reshape(-1, 4), np.full(len(boxes), label), marked)


def score(found: Detections, truth: Annotations) -> DetectionScore:
    return evaluate_detection([found], [truth])


def shifted(iou: float) -> list[float]:
    """BOX moved right until it overlaps BOX with this IoU: (10 - d) / (10 + d) = iou."""
    d = 10 * (1 - iou) / (1 + iou)
    return [d, 0.0, 10 + d, 10.0]


def test_perfect() -> None:
    result = score(seen((BOX, 0.9), (FAR, 0.8)), real(BOX, FAR))
    assert (result.ap, result.ap50, result.ap75, result.recall) == (1, 1, 1, 1)


def test_an_iou_counts_up_to_its_threshold() -> None:
    result = score(seen((shifted(0.72), 0.9)), real(BOX))
    assert [result.ap_at(t) for t in result.iou_thresholds] == [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]
    assert result.ap == 0.5
    assert (result.ap50, result.ap75) == (1, 0)
    # Exactly on the threshold is enough.
    assert score(seen(([0.0, 0.0, 5.0, 10.0], 0.9)), real(BOX)).ap50 == 1


def test_a_second_box_on_one_object_is_false() -> None:
    """Right, wrong, right: precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1; interpolated 1 up to 0.5 and 2/3 beyond."""
    result = score(seen((BOX, 0.9), (BOX, 0.8), (FAR, 0.7)), real(BOX, FAR))
    assert result.ap50 == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)
    assert result.recall == 1


def test_what_is_not_found_costs_recall() -> None:
    result = score(seen((BOX, 0.9)), real(BOX, FAR))
    assert result.ap50 == pytest.approx(51 / 101)
    assert result.recall == 0.5


def test_each_takes_the_object_it_overlaps_most() -> None:
    near = shifted(0.8)
    result = score(seen((near, 0.9), (BOX, 0.8)), real(BOX, near))
    assert (result.ap, result.recall) == (1, 1)
    # The surer one takes the only object, though the other fits better.
    result = score(seen((near, 0.9), (BOX, 0.8)), real(BOX))
    assert result.ap_at(0.5) == 1
    assert result.ap_at(0.9) == 0.5


def test_crowds_neither_help_nor_harm() -> None:
    crowd = [100.0, 0.0, 200.0, 100.0]
    truth = real(BOX, crowd, crowd=(1,))
    inside = [([110.0 + i, 10.0, 120.0 + i, 20.0], 0.95 - i / 100) for i in range(5)]
    assert score(seen((BOX, 0.5), *inside), truth).ap == 1
    assert score(seen(*inside), truth).ap == 0
    # Half inside is enough at IoU 0.5, however large the crowd; elsewhere it is a mistake.
    half = [95.0, 10.0, 105.0, 20.0]
    result = score(seen((BOX, 0.5), (half, 0.9)), truth)
    assert result.ap_at(0.5) == 1
    assert result.ap_at(0.55) == 0.5
    # A crowd alone is no object to be found.
    assert np.isnan(score(seen((crowd, 0.9)), real(crowd, crowd=(0,))).ap)


def test_an_object_is_preferred_to_a_crowd() -> None:
    around = [-50.0, -50.0, 50.0, 50.0]
    result = score(seen((shifted(0.6), 0.9)), real(BOX, around, crowd=(1,)))
    assert result.ap_at(0.5) == 1
    assert result.ap_at(0.7) == 0, "there the crowd takes it and nothing is found"


def test_classes_are_apart_and_have_equal_weight() -> None:
    found = Detections(np.array([BOX, FAR, FAR]), np.array([0.9, 0.8, 0.7]), np.array([1, 2, 3]))
    truth = Annotations(np.array([BOX, FAR, BOX]), np.array([1, 1, 2]), np.zeros(3, bool))
    result = score(found, truth)
    assert result.labels.tolist() == [1, 2], "class 3 has no object and does not count"
    assert result.ap_by_class == pytest.approx([51 / 101, 0])
    assert result.ap == pytest.approx(51 / 202)


def test_scores_are_compared_across_pictures() -> None:
    pictures = [(seen((BOX, 0.3)), real(BOX)), (seen((FAR, 0.9)), real(BOX))]
    found, truth = zip(*pictures, strict=True)
    result = evaluate_detection(found, truth)
    assert result.ap50 == pytest.approx(51 * 0.5 / 101)
    assert result.recall == 0.5


def test_only_the_best_of_a_class_in_a_picture_count() -> None:
    found = seen(*[(FAR, 0.9)] * 2, (BOX, 0.5))
    assert evaluate_detection([found], [real(BOX)], max_detections=2).recall == 0
    assert evaluate_detection([found], [real(BOX)], max_detections=3).recall == 1


def test_nothing_found_nothing_there() -> None:
    assert score(seen(), real(BOX)).ap == 0
    assert np.isnan(score(seen((BOX, 0.9)), real()).ap)
    assert np.isnan(evaluate_detection([], []).ap)


def test_misuse() -> None:
    with pytest.raises(ValueError, match="1 pictures have detections and 0"):
        evaluate_detection([seen()], [])
    with pytest.raises(ValueError, match="expected"):
        Detections(np.zeros((2, 4)), np.zeros(3), np.zeros(2, int))
    with pytest.raises(ValueError, match=r"not evaluated at IoU 0\.2"):
        score(seen(), real(BOX)).ap_at(0.2)


def test_coco_json_in_and_out(tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    item = {"image_id": 7, "category_id": 18, "bbox": [10, 20, 30, 40]}
    content = {
        "images": [{"id": 9, "file_name": "a.jpg"}, {"id": 7, "file_name": "b.jpg"}],
        "annotations": [item, {**item, "iscrowd": 1}],
        "categories": [{"id": 18, "name": "dog"}],
    }
    path.write_text(json.dumps(content))
    data = read_coco(path)
    assert (data.files, data.image_ids, data.categories) == (("a.jpg", "b.jpg"), (9, 7), {18: "dog"})
    assert data.annotations[0].boxes.shape == (0, 4)
    assert data.annotations[1].boxes.tolist() == [[10, 20, 40, 60]] * 2
    assert data.annotations[1].crowd.tolist() == [False, True]

    out = coco_results(7, seen(([10, 20, 40, 60], 0.5), label=18))
    assert json.loads(json.dumps(out)) == [{**item, "score": 0.5}]

    path.write_text("[]")
    with pytest.raises(ValueError, match="not a COCO annotation file"):
        read_coco(path)
