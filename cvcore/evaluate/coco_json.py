"""COCO's JSON: objects of a data set in, detections out.

Format: https://cocodataset.org/#format-data and https://cocodataset.org/#format-results .
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cvcore.evaluate.detection import Annotations, Detections


@dataclass(frozen=True, slots=True)
class CocoDataset:
    """A data set.

    Args:
        files: file name of each picture.
        image_ids: COCO's number of each picture, in the same order.
        annotations: of each picture, in the same order; labels are COCO's category numbers, which have gaps.
        categories: name by category number.
    """

    files: tuple[str, ...]
    image_ids: tuple[int, ...]
    annotations: tuple[Annotations, ...]
    categories: dict[int, str]


def read_coco(path: Path) -> CocoDataset:
    """Reads an ``instances_*.json``; boxes become xyxy.

    Raises:
        ValueError: it is not COCO's JSON.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        of_picture: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in data["images"]}
        for item in data["annotations"]:
            of_picture[item["image_id"]].append(item)
        return CocoDataset(
            files=tuple(image["file_name"] for image in data["images"]),
            image_ids=tuple(image["id"] for image in data["images"]),
            annotations=tuple(_annotations(items) for items in of_picture.values()),
            categories={category["id"]: category["name"] for category in data["categories"]},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path.name} is not a COCO annotation file: {error}") from error


def coco_results(image_id: int, detections: Detections) -> list[dict[str, Any]]:
    """Entries of a COCO results file: xywh boxes. Labels must be COCO's category numbers."""
    corners = np.asarray(detections.boxes, np.float64)
    xywh = np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), 1).round(2)
    return [
        {"image_id": image_id, "category_id": int(label), "bbox": box.tolist(), "score": round(float(score), 5)}
        for box, score, label in zip(xywh, detections.scores, detections.labels, strict=True)
    ]


def _annotations(items: list[dict[str, Any]]) -> Annotations:
    xywh = np.array([item["bbox"] for item in items], np.float64).reshape(-1, 4)
    return Annotations(
        boxes=np.concatenate((xywh[:, :2], xywh[:, :2] + xywh[:, 2:]), 1),
        labels=np.array([item["category_id"] for item in items], np.int64),
        crowd=np.array([bool(item.get("iscrowd", 0)) for item in items], bool),
    )
