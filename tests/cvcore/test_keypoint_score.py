"""COCO keypoint average precision on cases worked out by hand, and beside pycocotools."""

import contextlib
import importlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cvcore.evaluate.coco_people import (
    found_people,
    people_results,
    read_coco_people,
    read_people_results,
)
from cvcore.evaluate.detection import DetectionScore
from cvcore.evaluate.keypoints import SIGMAS, FoundPeople, LabelledPeople, evaluate_keypoints, oks

AREA = 10_000.0
POSE = np.stack((np.arange(17) * 5.0, np.arange(17) * 7.0), 1)


def seen(*rows: tuple[np.ndarray, float]) -> FoundPeople:
    return FoundPeople(np.array([xy for xy, _ in rows]).reshape(-1, 17, 2), np.array([s for _, s in rows]))


def real(*poses: np.ndarray, flags: object = 2, crowd: tuple[int, ...] = ()) -> LabelledPeople:
    xy = np.array(poses).reshape(-1, 17, 2)
    third = np.broadcast_to(np.asarray(flags, float).reshape(-1, 1) if np.ndim(flags) == 1 else flags, xy.shape[:2])
    boxes = np.concatenate((xy.min(1), xy.max(1)), 1) if len(xy) else np.zeros((0, 4))
    areas = np.full(len(xy), AREA)
    return LabelledPeople(np.dstack((xy, third)), areas, boxes, np.isin(np.arange(len(xy)), crowd))


def score(found: FoundPeople, truth: LabelledPeople) -> DetectionScore:
    return evaluate_keypoints([found], [truth])


def moved(similarity: float) -> np.ndarray:
    """POSE with every keypoint moved so that its exp(-d^2 / (2 area k^2)) is this."""
    d = np.sqrt(-np.log(similarity) * 2 * AREA) * 2 * SIGMAS
    return POSE + d[:, None] * np.array([0.6, -0.8])


FAR = POSE + 5000


def test_perfect() -> None:
    result = score(seen((POSE, 0.9), (FAR, 0.8)), real(POSE, FAR))
    assert (result.ap, result.ap50, result.ap75, result.recall) == (1, 1, 1, 1)


def test_similarity_of_moved_keypoints() -> None:
    assert oks(seen((moved(0.72), 1)), real(POSE))[0, 0] == pytest.approx(0.72)
    result = score(seen((moved(0.72), 0.9)), real(POSE))
    assert [result.ap_at(t) for t in result.iou_thresholds] == [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]
    assert result.ap == 0.5


def test_only_labelled_keypoints_count() -> None:
    truth = real(POSE)
    truth.keypoints[0, 5:, 2] = 0
    found = POSE.copy()
    found[5:] += 1000
    assert oks(seen((found, 1)), truth)[0, 0] == 1
    found[0] += 1000
    assert oks(seen((found, 1)), truth)[0, 0] == pytest.approx(4 / 5)


def test_a_second_person_on_one_is_false_and_one_not_found_costs_recall() -> None:
    result = score(seen((POSE, 0.9), (POSE, 0.8), (FAR, 0.7)), real(POSE, FAR))
    assert result.ap50 == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)
    assert score(seen((POSE, 0.9)), real(POSE, FAR)).ap50 == pytest.approx(51 / 101)


def test_people_without_keypoints_neither_help_nor_harm() -> None:
    """The box of FAR, doubled on every side, takes one person; the next one there is false."""
    truth = real(POSE, FAR, flags=[2, 0])
    assert score(seen((POSE, 0.9), (FAR + 10, 0.95)), truth).ap == 1
    two = score(seen((FAR, 0.95), (FAR + 10, 0.94), (POSE, 0.9)), truth)
    assert two.ap50 == pytest.approx(0.5)
    nobody = score(seen((POSE, 0.9)), real(POSE, flags=0))
    assert np.isnan(nobody.ap)
    # how far outside of the doubled box: the box is 80 wide, so 80 to the right of it is still inside
    assert oks(seen((FAR + np.array([80, 0]), 1)), truth)[0, 1] == 1
    assert oks(seen((FAR + np.array([400, 0]), 1)), truth)[0, 1] < 0.9


def test_a_crowd_takes_any_number() -> None:
    truth = real(POSE, FAR, crowd=(1,))
    assert score(seen((POSE, 0.9), (FAR, 0.95), (FAR, 0.94), (FAR, 0.93)), truth).ap == 1


def test_at_most_twenty_people_count() -> None:
    rows = [(FAR, 0.9)] * 20 + [(POSE, 0.5)]
    assert score(seen(*rows), real(POSE)).recall == 0
    assert score(seen(*rows[1:]), real(POSE)).recall == 1


def test_nobody() -> None:
    assert score(seen(), real(POSE)).ap == 0
    assert np.isnan(score(seen(), real()).ap)
    assert score(seen((POSE, 1)), real(POSE)).ap == 1
    both = evaluate_keypoints([seen((POSE, 0.5)), seen((FAR, 0.9))], [real(POSE), real()])
    assert both.ap == 0.5


def test_shapes_and_lengths_are_checked() -> None:
    for make in (
        lambda: FoundPeople(np.zeros((1, 18, 3)), np.zeros(1)),
        lambda: FoundPeople(np.zeros((1, 17, 3)), np.zeros(2)),
        lambda: LabelledPeople(np.zeros((1, 17, 3)), np.zeros(1), np.zeros((2, 4)), np.zeros(1, bool)),
        lambda: evaluate_keypoints([seen()], []),
    ):
        with pytest.raises(ValueError):
            make()


def scenes(seed: int) -> tuple[list[FoundPeople], list[LabelledPeople]]:
    """Four pictures of people found about right, twice, not at all, of crowds and without keypoints; tied scores."""
    g = np.random.default_rng(seed)
    found, labelled = [], []
    for _ in range(4):
        m = int(g.integers(0, 5))
        xy = POSE * g.uniform(0.5, 2, (m, 1, 1)) + g.uniform(0, 300, (m, 1, 2)) + g.normal(0, 3, (m, 17, 2))
        xy = xy.round(2)
        flags = g.integers(0, 3, (m, 17)) * (g.random((m, 1)) > 0.2)
        boxes = np.concatenate((xy.min(1), xy.max(1)), 1) if m else np.zeros((0, 4))
        labelled.append(
            LabelledPeople(np.dstack((xy, flags)), g.uniform(500, 20_000, m).round(3), boxes, g.random(m) < 0.15)
        )
        picks = g.integers(0, m, int(g.integers(0, 30))) if m else np.zeros(0, int)
        guesses = xy[picks] + g.normal(0, 1, (len(picks), 17, 2)) * g.uniform(0, 25, (len(picks), 1, 1))
        found.append(FoundPeople(guesses.round(2), (g.random(len(picks)) * 20).round() / 20))
    return found, labelled


def as_json(labelled: list[LabelledPeople]) -> dict[str, Any]:
    annotations = []
    for number, people in enumerate(labelled):
        for xyv, area, box, crowd in zip(people.keypoints, people.areas, people.boxes, people.crowd, strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "keypoints": xyv.ravel().tolist(),
                    "num_keypoints": int((xyv[:, 2] > 0).sum()),
                    "area": float(area),
                    "bbox": [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()],
                    "iscrowd": int(crowd),
                }
            )
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 640, "height": 480} for i in range(len(labelled))]
    return {"info": {}, "images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31))
def test_the_same_as_pycocotools(seed: int) -> None:
    pytest.importorskip("pycocotools")
    coco, cocoeval = importlib.import_module("pycocotools.coco"), importlib.import_module("pycocotools.cocoeval")
    found, labelled = scenes(seed)
    result = evaluate_keypoints(found, labelled)
    entries = [entry for number, people in enumerate(found) for entry in people_results(number, people)]
    if not entries or not len(result.labels):
        return
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO()
        truth.dataset = as_json(labelled)
        truth.createIndex()
        theirs = cocoeval.COCOeval(truth, truth.loadRes(entries), "keypoints")
        theirs.evaluate()
        theirs.accumulate()
    np.testing.assert_allclose(result.precision[:, :, 0], theirs.eval["precision"][:, :, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(result.recalls[:, 0], theirs.eval["recall"][:, 0, 0, 0], atol=1e-12)


def test_the_json_comes_back(tmp_path: Path) -> None:
    found, labelled = scenes(3)
    file = tmp_path / "person_keypoints.json"
    file.write_text(json.dumps(as_json(labelled)), encoding="utf-8")
    data = read_coco_people(file)
    assert data.files == ("0.jpg", "1.jpg", "2.jpg", "3.jpg")
    assert data.image_ids == (0, 1, 2, 3)
    for a, b in zip(data.people, labelled, strict=True):
        np.testing.assert_allclose(a.keypoints, b.keypoints)
        np.testing.assert_allclose(a.boxes, b.boxes)
        assert a.areas.tolist() == b.areas.tolist()
        assert a.crowd.tolist() == b.crowd.tolist()
    entries = json.loads(json.dumps([e for i, f in enumerate(found) for e in people_results(i, f)]))
    for a, b in zip(read_people_results(entries, data.image_ids), found, strict=True):
        np.testing.assert_array_equal(a.keypoints[..., :2], b.keypoints)
        np.testing.assert_array_equal(a.scores, b.scores)
    file.write_text("[]", encoding="utf-8")
    with pytest.raises(ValueError, match="not a COCO keypoint file"):
        read_coco_people(file)
    with pytest.raises(ValueError, match="not COCO keypoint results"):
        read_people_results(entries, [77])
    with pytest.raises(ValueError, match="not COCO keypoint results"):
        read_people_results([{"image_id": 0, "keypoints": [1, 2], "score": 1}], [0])


def test_decoded_people_become_cocos() -> None:
    people = torch.zeros(2, 18, 3)
    people[0, 0] = torch.tensor([10.0, 20, 0.68])  # the nose, first in both orders
    people[0, 1] = torch.tensor([11.0, 21, 1])  # the neck, which COCO does not have
    people[1, 14] = torch.tensor([5.125, 6, 0.34])  # the right eye, the third in COCO
    found = found_people(people)
    np.testing.assert_allclose(found.scores, [0.04, 0.02], atol=1e-6)
    entry = people_results(9, found)[1]
    assert entry["keypoints"][6:9] == [5.12, 6, 1]
    assert sum(entry["keypoints"][9:]) == 0
    assert (entry["image_id"], entry["category_id"]) == (9, 1)
    assert found_people(people, torch.tensor([0.5, 0.25])).scores.tolist() == [0.5, 0.25]
    assert found_people(torch.zeros(0, 18, 3)).keypoints.shape == (0, 17, 3)
    with pytest.raises(ValueError):
        found_people(torch.zeros(1, 5, 3))
