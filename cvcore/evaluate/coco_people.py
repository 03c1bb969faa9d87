"""COCO's keypoint JSON: labelled people of a data set in, people found out, and results in again.

Format: https://cocodataset.org/#format-data and https://cocodataset.org/#format-results (keypoints). Files that
:func:`people_results` fills load with pycocotools' ``loadRes`` as they are.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cvcore.evaluate.keypoints import SIGMAS, FoundPeople, LabelledPeople
from cvcore.ops.paf import COCO_17_NAMES, COCO_TO_OPENPOSE, OPENPOSE_18, to_coco

PERSON = 1
"""COCO's category number."""
FOUND = 2
"""COCO's flag of a keypoint that is labelled and seen; 0 is one that is not there."""


@dataclass(frozen=True, slots=True)
class CocoPeopleDataset:
    """A data set.

    Args:
        files: file name of each picture. image_ids: COCO's number of each.
        people: of each picture, in the same order.
    """

    files: tuple[str, ...]
    image_ids: tuple[int, ...]
    people: tuple[LabelledPeople, ...]


def read_coco_people(path: Path) -> CocoPeopleDataset:
    """Reads a ``person_keypoints_*.json``; boxes become xyxy.

    Raises:
        ValueError: it is not COCO's keypoint JSON.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        of_picture: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in data["images"]}
        for item in data["annotations"]:
            if item.get("category_id", PERSON) == PERSON:
                of_picture[item["image_id"]].append(item)
        return CocoPeopleDataset(
            files=tuple(image["file_name"] for image in data["images"]),
            image_ids=tuple(of_picture),
            people=tuple(_labelled(items) for items in of_picture.values()),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path.name} is not a COCO keypoint file: {error}") from error


def found_people(people: Tensor, scores: Tensor | None = None) -> FoundPeople:
    """People of ``cvcore.ops.paf`` for the evaluation and for COCO's JSON.

    Args:
        people: (P, 18, 3) of OPENPOSE_18 or (P, 17, 3) in COCO's order: x, y in pixels, score; 0, 0, 0 where not found.
        scores: (P,); None: the sum of a person's keypoint scores / 17, so that more keypoints make a better person.

    Raises:
        ValueError: shapes.
    """
    coco = (to_coco(people) if people.dim() == 3 and people.shape[1] == 18 else people).detach().cpu().double().numpy()
    if scores is not None:
        return FoundPeople(coco, scores.detach().cpu().double().numpy())
    return FoundPeople(coco, coco[..., 2].sum(1) / len(SIGMAS) if coco.ndim == 3 else np.zeros(0))


def people_results(image_id: int, found: FoundPeople) -> list[dict[str, Any]]:
    """Entries of a COCO results file. The third number of a keypoint, which COCO does not look at, is 1 where it was found and 0
    where it was not, with x and y 0."""
    xy = np.asarray(found.keypoints[..., :2], np.float64).round(2)
    there = found.keypoints[..., 2:3] > 0 if found.keypoints.shape[2] > 2 else np.ones((*xy.shape[:2], 1), bool)
    rows = np.concatenate((np.where(there, xy, 0), there), -1).reshape(len(xy), 3 * len(SIGMAS))
    return [
        {
            "image_id": image_id,
            "category_id": PERSON,
            "keypoints": [int(value) if float(value).is_integer() else float(value) for value in row],
            "score": round(float(score), 5),
        }
        for row, score in zip(rows, found.scores, strict=True)
    ]


def read_people_results(entries: Iterable[dict[str, Any]], image_ids: Iterable[int]) -> tuple[FoundPeople, ...]:
    """The people of each picture from the entries of a results file.

    Raises:
        ValueError: an entry is not COCO's, or names a picture that is not among ``image_ids``.
    """
    of_picture: dict[int, list[dict[str, Any]]] = {number: [] for number in image_ids}
    try:
        for entry in entries:
            of_picture[entry["image_id"]].append(entry)
        return tuple(
            FoundPeople(_rows(items), np.array([item["score"] for item in items], np.float64))
            for items in of_picture.values()
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"these are not COCO keypoint results: {error}") from error


def _rows(items: list[dict[str, Any]]) -> NDArray[np.float64]:
    return np.array([item["keypoints"] for item in items], np.float64).reshape(len(items), len(SIGMAS), 3)


def _labelled(items: list[dict[str, Any]]) -> LabelledPeople:
    xywh = np.array([item["bbox"] for item in items], np.float64).reshape(-1, 4)
    return LabelledPeople(
        keypoints=_rows(items),
        areas=np.array([item["area"] for item in items], np.float64),
        boxes=np.concatenate((xywh[:, :2], xywh[:, :2] + xywh[:, 2:]), 1),
        crowd=np.array([bool(item.get("iscrowd", 0)) for item in items], bool),
    )


def person_category() -> dict[str, Any]:
    """COCO's person with its keypoints; the skeleton counts from 1, as COCO does, and has no neck."""
    place = {keypoint: i + 1 for i, keypoint in enumerate(COCO_TO_OPENPOSE)}
    skeleton = [[place[a], place[b]] for a, b in OPENPOSE_18.limbs if a in place and b in place]
    return {
        "id": PERSON,
        "name": "person",
        "supercategory": "person",
        "keypoints": [name.replace(" ", "_") for name in COCO_17_NAMES],
        "skeleton": skeleton,
    }


def person_annotation(
    keypoints: NDArray[np.floating], *, number: int, image: int, score: float, track: int
) -> dict[str, Any]:
    """One person, (18, 3) in pixels: flags 2 and 0, the box around the keypoints, and its area in the place of a segment's.

    Args:
        number: of the annotation, from 1. track: of the person through a video.
    """
    keypoints = keypoints[list(COCO_TO_OPENPOSE)].astype(np.float64)
    there = keypoints[:, 2] > 0
    rows = np.where(there[:, None], np.concatenate((keypoints[:, :2].round(2), np.full((17, 1), FOUND)), 1), 0)
    seen = keypoints[there, :2] if there.any() else np.zeros((1, 2))
    low, high = seen.min(0), seen.max(0)
    box = [round(float(v), 2) for v in (*low, *(high - low))]
    return {
        "id": number,
        "image_id": image,
        "category_id": PERSON,
        "keypoints": [int(v) if float(v).is_integer() else float(v) for v in rows.reshape(-1)],
        "num_keypoints": int(there.sum()),
        "bbox": box,
        "area": round(box[2] * box[3], 2),
        "iscrowd": 0,
        "score": round(score, 5),
        "track_id": track,
    }
