"""Detections as COCO JSON: a results file for each method, and one for the picture and the classes.

Format: https://cocodataset.org/#format-results ; the results load with pycocotools' ``loadRes`` as they are.
"""

import json
from typing import Any

import numpy as np

from cvcore import zoo
from cvcore.assets import asset
from cvcore.evaluate.coco_json import coco_results
from cvcore.evaluate.detection import Detections
from explorer.files.coco_images import image_entry, image_number
from explorer.panel import Result
from explorer.panels.nms.compute import Trace
from explorer.panels.nms.controls import FILE_NAMES, Params, View
from explorer.views.detections import CARD


def files(result: Result[Trace, Params], view: View) -> dict[str, bytes]:
    """``NAME.json`` of each method shown, and ``images.json``. By hand there is one class, of number 1."""
    trace = result.trace
    numbers, categories = [1], [{"id": 1, "name": "box"}]
    if not trace.by_hand:
        rows = json.loads((asset("weights") / zoo.card(CARD).labels).read_text("utf-8"))
        numbers = [row["coco_id"] for row in rows]
        categories = [{"id": row["coco_id"], "name": row["en"]} for row in rows]
    image = image_number(result.frame)
    width, height = trace.size
    made: dict[str, Any] = {}
    for run in trace.runs:
        labels = np.array([numbers[label] for label in trace.scene.labels[run.trace.keep].tolist()], np.int64)
        kept = Detections(
            run.trace.kept_boxes.numpy().astype(np.float64), run.trace.kept_scores.numpy().astype(np.float64), labels
        )
        made[f"{FILE_NAMES[run.method]}.json"] = coco_results(image, kept)
    entry = image_entry(result.frame) | {"width": round(width), "height": round(height)}
    made["images.json"] = {"images": [entry], "categories": categories}
    return {name: (json.dumps(content, indent=1) + "\n").encode() for name, content in made.items()}
