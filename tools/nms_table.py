"""Measures the seven suppression methods on COCO pictures: ``python tools/nms_table.py DATA [--resamples N]``.

DATA is a folder with COCO's JSON (``instances_*.json``) and the pictures in ``images``. Writes the tables of docs/nms_methods.md
between their markers and assets/measurements/nms_methods.json, which the NMS panel shows.

Candidates are the detector's pairs of box and class that score above 0.05, at most 1,000 a picture; suppression is within each
class; the best 100 boxes of a picture count. All of it is the panel's own code.
"""

import argparse
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from cvcore import zoo
from cvcore.evaluate.coco_json import read_coco
from cvcore.evaluate.detection import Annotations, Detections, evaluate_detection
from cvcore.models.nanodet import NanoDet
from cvcore.ops import nms
from cvcore.ops.boxes import box_iou
from cvcore.suppression.candidates import Scene, from_detector
from cvcore.suppression.candidates import Settings as CandidateSettings
from cvcore.suppression.methods import METHODS, Settings, run_time, suppress

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "nms_methods.md"
MEASUREMENTS = ROOT / "assets" / "measurements" / "nms_methods.json"
CANDIDATES = CandidateSettings(score_threshold=0.05, max_candidates=1000)
THRESHOLDS = (0.5, 0.6, 0.7)
CHOSEN = 0.6
"""The threshold that the detector's authors use."""
BEST = 100
NEAR = 0.5
"""A candidate that overlaps an object more is a find of it."""
BINS = np.linspace(0, 1, 11)
FULL = 10
"""A bin with fewer detections is left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One picture's candidates and objects. ``quality`` is each candidate's IoU with the best object of its class."""

    scene: Scene
    objects: Annotations
    quality: Tensor


@dataclass(frozen=True, slots=True)
class Case:
    """A line of the table."""

    name: str
    method: str
    changes: dict[str, Any]
    given: str = ""
    """What it is given that no detector knows: ``confidence`` or ``density``, from the labels."""


CASES = (
    Case("NMS", "NMS", {}),
    Case("Soft-NMS, linear", "Soft-NMS", {}),
    Case("Soft-NMS, gaussian, σ = 0.5", "Soft-NMS", {"decay": "gaussian"}),
    Case("IoU-guided NMS", "IoU-guided NMS", {}),
    Case("Weighted NMS", "Weighted NMS", {}),
    Case("Softer-NMS, σt = 0.02", "Softer-NMS", {}),
    Case("Softer-NMS, gaussian scores", "Softer-NMS", {"voting_decay": "gaussian"}),
    Case("Adaptive NMS", "Adaptive NMS", {}),
    Case("DIoU-NMS, β = 1", "DIoU-NMS", {}),
    Case("DIoU-NMS, β = 0.6", "DIoU-NMS", {"beta": 0.6}),
    Case("IoU-guided NMS, true IoU", "IoU-guided NMS", {}, "confidence"),
    Case("Adaptive NMS, true density", "Adaptive NMS", {}, "density"),
)
IN_PANEL = dict(zip(METHODS, (0, 1, 3, 4, 5, 7, 8), strict=True))
"""Which case stands for a method in the panel."""


def load(folder: Path, limit: int) -> list[Picture]:
    """Every picture with its candidates."""
    network = cast(NanoDet, zoo.load("nanodet"))
    numbers = [row["coco_id"] for row in json.loads((ROOT / "assets/weights/nanodet.labels.json").read_text("utf-8"))]
    (path,) = folder.glob("instances_*.json")
    dataset = read_coco(path)
    pictures = []
    for file, objects in tqdm(list(zip(dataset.files, dataset.annotations, strict=True))[:limit], unit="picture"):
        image = np.asarray(cv2.imread(str(folder / "images" / file), cv2.IMREAD_COLOR_RGB), np.uint8)
        scene = from_detector(network.detect(image), (image.shape[1], image.shape[0]), CANDIDATES)
        scene = replace(
            scene, labels=torch.tensor([numbers[label] for label in scene.labels.tolist()], dtype=torch.long)
        )
        pictures.append(Picture(scene, objects, quality(scene, objects)))
    return pictures


def quality(scene: Scene, objects: Annotations) -> Tensor:
    """(N,) IoU of each candidate with the object of its class that it overlaps most."""
    return _same_class_iou(scene, objects).amax(1) if len(objects.boxes) else torch.zeros(len(scene))


def _same_class_iou(scene: Scene, objects: Annotations) -> Tensor:
    overlap = box_iou(scene.boxes, torch.from_numpy(objects.boxes).float())
    return overlap * (scene.labels[:, None] == torch.from_numpy(objects.labels)) * ~torch.from_numpy(objects.crowd)


def true_density(scene: Scene, objects: Annotations) -> Tensor:
    """(N,) highest IoU of each candidate's object with another object of its class; 0 where it has no object."""
    if not len(objects.boxes):
        return torch.zeros(len(scene))
    boxes = torch.from_numpy(objects.boxes).float()
    among = box_iou(boxes, boxes) * (torch.from_numpy(objects.labels)[:, None] == torch.from_numpy(objects.labels))
    overlap, best = _same_class_iou(scene, objects).max(1)
    return torch.where(overlap > 0.3, among.fill_diagonal_(0).amax(1)[best], 0.0)


def given(case: Case, picture: Picture) -> Scene:
    match case.given:
        case "confidence":
            return replace(picture.scene, confidence=picture.quality)
        case "density":
            return replace(picture.scene, density=true_density(picture.scene, picture.objects))
        case _:
            return picture.scene


def detections(case: Case, pictures: Sequence[Picture], threshold: float) -> list[Detections]:
    """What a method keeps in each picture, the best 100."""
    settings = replace(Settings(iou_threshold=threshold, min_score=0.001), **case.changes)
    found = []
    for picture in pictures:
        trace = suppress(case.method, given(case, picture), settings)
        found.append(_best(trace.kept_boxes, trace.kept_scores, picture.scene.labels[trace.keep]))
    return found


def unsuppressed(pictures: Sequence[Picture]) -> list[Detections]:
    return [_best(p.scene.boxes, p.scene.scores, p.scene.labels) for p in pictures]


def _best(boxes: Tensor, scores: Tensor, labels: Tensor) -> Detections:
    order = scores.argsort(descending=True, stable=True)[:BEST]
    return Detections(boxes[order].double().numpy(), scores[order].double().numpy(), labels[order].numpy())


def right(found: Detections, objects: Annotations, threshold: float = 0.5) -> NDArray[np.float64]:
    """(D,) 1 for a detection that takes a free object of its class, 0 for another; NaN where it lies on a crowd."""
    taken = np.zeros(len(objects.boxes), bool)
    verdict = np.zeros(len(found.scores))
    overlap = box_iou(torch.from_numpy(found.boxes), torch.from_numpy(objects.boxes)).numpy()
    for d in np.argsort(-found.scores, kind="stable"):
        able = (overlap[d] >= threshold) & (objects.labels == found.labels[d])
        free = np.flatnonzero(able & ~taken & ~objects.crowd)
        if len(free):
            best = free[overlap[d, free].argmax()]
            taken[best], verdict[d] = True, 1
        elif (able & objects.crowd).any():
            verdict[d] = np.nan
    return verdict


def calibration(found: Sequence[Detections], pictures: Sequence[Picture]) -> tuple[dict[str, list[float]], float]:
    """Mean score, share of right detections and their number in ten bins of score, and the expected calibration error."""
    scores = np.concatenate([f.scores for f in found])
    verdict = np.concatenate([right(f, p.objects) for f, p in zip(found, pictures, strict=True)])
    counted = ~np.isnan(verdict) & (scores >= CANDIDATES.score_threshold)
    scores, verdict = scores[counted], verdict[counted]
    bins = np.digitize(scores, BINS[1:-1])
    full = [b for b in range(10) if (bins == b).sum() >= FULL]
    mean, share, count = (
        np.array([of(bins == b) for b in full])
        for of in (lambda m: scores[m].mean(), lambda m: verdict[m].mean(), lambda m: m.sum())
    )
    curve = {"score": mean.round(4).tolist(), "precision": share.round(4).tolist(), "count": count.tolist()}
    return curve, float((count * np.abs(mean - share)).sum() / count.sum())


def rank_correlation(a: Tensor, b: Tensor) -> float:
    """Spearman's."""
    ranks = torch.stack([x.argsort().argsort().double() for x in (a, b)])
    return float(torch.corrcoef(ranks)[0, 1])


def bootstrap(
    of: Callable[[Case], list[Detections]], pictures: Sequence[Picture], cases: Sequence[Case], resamples: int
) -> dict[str, tuple[float, float]]:
    """The 5th and 95th percentile of each case's AP less that of NMS, over pictures drawn with replacement."""
    random = np.random.default_rng(0)
    objects = [p.objects for p in pictures]
    found = {case.name: of(case) for case in cases}
    differences: dict[str, list[float]] = {case.name: [] for case in cases[1:]}
    for _ in tqdm(range(resamples), unit="resample"):
        drawn = random.integers(0, len(pictures), len(pictures))
        ap = {n: evaluate_detection([f[i] for i in drawn], [objects[i] for i in drawn]).ap for n, f in found.items()}
        for name, values in differences.items():
            values.append(ap[name] - ap[cases[0].name])
    return {name: (float(np.percentile(v, 5)), float(np.percentile(v, 95))) for name, v in differences.items()}


def measure(pictures: Sequence[Picture], resamples: int) -> tuple[dict[str, str], dict[str, Any]]:
    """The document's tables by name, and what the panel shows."""
    objects = [p.objects for p in pictures]

    def scored(name: str, found: Sequence[Detections]) -> tuple[list[str], dict[str, Any]]:
        score = evaluate_detection(found, objects)
        curve, error = calibration(found, pictures)
        count = float(np.mean([len(f.scores) for f in found]))
        cells = [f"{v:.3f}" for v in (score.ap, score.ap50, score.ap75, score.recall)]
        return [name, *cells, f"{count:.0f}", f"{error:.3f}"], {"ap": score.ap, "recall": score.recall, **curve}

    intervals = bootstrap(lambda case: detections(case, pictures, CHOSEN), pictures, CASES, resamples)
    best = [scored("none: all candidates", unsuppressed(pictures))[0] + ["", ""]]
    measured = {}
    for case in CASES:
        cells, numbers = scored(case.name, detections(case, pictures, CHOSEN))
        settings = replace(Settings(iou_threshold=CHOSEN, min_score=0.001), **case.changes)
        times = [run_time(case.method, given(case, p), settings, 5) * 1e3 for p in pictures]
        low, high = intervals.get(case.name, (0.0, 0.0))
        spread = f"{low:+.3f} to {high:+.3f}" if case.name in intervals else ""
        best.append([*cells, f"{np.median(times):.2f}", spread])
        measured[case.name] = numbers
    moved = []
    for case in CASES:
        row = [case.name]
        for threshold in THRESHOLDS:
            score = evaluate_detection(detections(case, pictures, threshold), objects)
            row.append(f"{score.ap:.3f} / {score.recall:.3f}")
        moved.append(row)
    tables = {
        "methods": markdown(
            ("method", "AP", "AP50", "AP75", "recall", "boxes", "calibration error", "ms", "AP less NMS's"), best
        ),
        "thresholds": markdown(("AP / recall at IoU threshold", *(f"{t:g}" for t in THRESHOLDS)), moved),
        "confidence": markdown(("ranked by", "all candidates", "finds of one object"), correlations(pictures)),
    }
    panel = {
        "data": f"COCO128, {len(pictures)} pictures, NanoDet-g at 416 x 416, IoU threshold {CHOSEN:g}",
        "reliability": {
            method: {key: measured[CASES[i].name][key] for key in ("score", "precision", "count")}
            for method, i in IN_PANEL.items()
        },
    }
    return tables, panel


def correlations(pictures: Sequence[Picture]) -> list[list[str]]:
    """How well what a candidate is ranked by agrees with its IoU with its object: over all, and among finds of one object."""
    rows = []
    for name, of in (("score", _scores), ("derived localisation confidence", _confidences)):
        ranked, quality = torch.cat([of(p) for p in pictures]), torch.cat([p.quality for p in pictures])
        near = quality > NEAR
        over_all = rank_correlation(ranked[near], quality[near])
        within = [
            rank_correlation(of(p)[found], p.quality[found])
            for p in pictures
            for found in finds(p)
            if len(found) >= FULL
        ]
        rows.append([name, f"{over_all:.2f}", f"{np.mean(within):.2f}"])
    return rows


def _scores(picture: Picture) -> Tensor:
    return picture.scene.scores


def _confidences(picture: Picture) -> Tensor:
    return picture.scene.confidence


def finds(picture: Picture) -> list[Tensor]:
    """The candidates of each object: those that overlap it by more than NEAR, and none more."""
    if not len(picture.objects.boxes):
        return []
    overlap, owner = _same_class_iou(picture.scene, picture.objects).max(1)
    return [((owner == i) & (overlap > NEAR)).nonzero()[:, 0] for i in range(len(picture.objects.boxes))]


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---", *("--:" for _ in header[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def put(document: str, tables: dict[str, str]) -> str:
    """The document with its tables between their markers.

    Raises:
        ValueError: a marker is missing.
    """
    for name, table in tables.items():
        pattern = re.compile(rf"(<!-- {name}:begin -->\n).*?(<!-- {name}:end -->)", re.DOTALL)
        document, count = pattern.subn(rf"\g<1>\n{table}\n\n\g<2>", document)
        if count != 1:
            raise ValueError(f"{count} places for the table {name}")
    return document


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--resamples", type=int, default=100)
    parser.add_argument("--pictures", type=int, default=10_000, help="at most so many")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    nms.warm_up()
    tables, panel = measure(load(wanted.data, wanted.pictures), wanted.resamples)
    DOCUMENT.write_text(put(DOCUMENT.read_text("utf-8"), tables), "utf-8")
    MEASUREMENTS.parent.mkdir(exist_ok=True)
    MEASUREMENTS.write_text(json.dumps(panel, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
