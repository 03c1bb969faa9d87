"""The people as JSON: all 18 keypoints with their names, and in COCO's formats for results and data sets.

Format: https://cocodataset.org/#format-data and https://cocodataset.org/#format-results (keypoints).
"""

import json
from typing import Any

import numpy as np
import torch

from cvcore.evaluate.coco_people import PERSON, found_people, people_results
from cvcore.ops.paf import COCO_17_NAMES, COCO_TO_OPENPOSE
from explorer.files.coco_images import image_entry, image_number
from explorer.panel import Result
from explorer.panels.pose.controls import Params, View
from explorer.panels.pose.parts import SKELETON
from explorer.panels.pose.people import People
from explorer.panels.pose.trace import Trace

FOUND = 2
"""COCO's flag of a keypoint that is labelled and seen; 0 is one that is not there."""


def files(result: Result, view: View) -> dict[str, bytes]:
    """``people.json``: everything; ``results.json``: COCO results, which load with pycocotools' ``loadRes``; ``annotations.json``:
    a COCO data set of this picture with the people found as its annotations."""
    trace: Trace = result.trace
    params: Params = result.task.params
    image = image_number(result.frame)
    people = trace.people
    made = {
        "people.json": {
            "network": params.network,
            "image": image_entry(result.frame),
            "keypoints": list(SKELETON.names),
            "limbs": [list(limb) for limb in SKELETON.limbs],
            "people": [
                {
                    "number": int(number),
                    "score": round(float(score), 5),
                    "keypoints": [[round(float(v), 3) for v in row] for row in keypoints],
                }
                for keypoints, score, number in zip(people.keypoints, people.scores, people.numbers, strict=True)
            ],
        },
        "results.json": people_results(image, found_people(torch.from_numpy(people.keypoints))),
        "annotations.json": {
            "images": [image_entry(result.frame)],
            "categories": [category()],
            "annotations": [annotation(i, image, people) for i in range(len(people))],
        },
    }
    return {name: (json.dumps(content, indent=1) + "\n").encode() for name, content in made.items()}


def category() -> dict[str, Any]:
    """COCO's person with its keypoints; the skeleton counts from 1, as COCO does, and has no neck."""
    place = {keypoint: i + 1 for i, keypoint in enumerate(COCO_TO_OPENPOSE)}
    skeleton = [[place[a], place[b]] for a, b in SKELETON.limbs if a in place and b in place]
    return {
        "id": PERSON,
        "name": "person",
        "supercategory": "person",
        "keypoints": [name.replace(" ", "_") for name in COCO_17_NAMES],
        "skeleton": skeleton,
    }


def annotation(person: int, image: int, people: People) -> dict[str, Any]:
    """One person: flags 2 and 0, the box around the keypoints, and its area in the place of a segment's."""
    keypoints = people.keypoints[person, list(COCO_TO_OPENPOSE)].astype(np.float64)
    there = keypoints[:, 2] > 0
    rows = np.where(there[:, None], np.concatenate((keypoints[:, :2].round(2), np.full((17, 1), FOUND)), 1), 0)
    seen = keypoints[there, :2] if there.any() else np.zeros((1, 2))
    low, high = seen.min(0), seen.max(0)
    box = [round(float(v), 2) for v in (*low, *(high - low))]
    return {
        "id": person + 1,
        "image_id": image,
        "category_id": PERSON,
        "keypoints": [int(v) if float(v).is_integer() else float(v) for v in rows.reshape(-1)],
        "num_keypoints": int(there.sum()),
        "bbox": box,
        "area": round(box[2] * box[3], 2),
        "iscrowd": 0,
        "score": round(float(people.scores[person]), 5),
        "track_id": int(people.numbers[person]),
    }
