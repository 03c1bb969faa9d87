"""The boxes that suppression begins with, and what the detector does not say about them but some methods need.

- **Variance** (Softer-NMS): real. NanoDet predicts a distribution over the distance of each side; its variance is the one used.
- **Localisation confidence** (IoU-guided NMS): IoU-Net predicts the IoU of a box with its object; NanoDet has no such branch. If
  its four sides miss by independent normal errors with the predicted σ, the IoU of a w x h box falls, to first order, by
  the mean miss E|δ| = √(2/π) σ of each side over the box's extent across it. So
  c = exp(−√(2/π) ((σ_left + σ_right) / w + (σ_top + σ_bottom) / h)), which is in (0, 1].
- **Density** (Adaptive NMS): the highest IoU of an object with another object; the paper's detector predicts it. Here the
  objects are guessed: the boxes that NMS at a high threshold keeps, if they score enough; and a candidate has the density of the
  object that kept or removed it. Too high a guess keeps a second box of one object, too low a guess changes nothing.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from cvcore.models.nanodet import Candidates
from cvcore.ops import nms
from cvcore.ops.boxes import box_iou, clip_boxes_to_image, remove_small_boxes

HALF_NORMAL = math.sqrt(2 / math.pi)
ULP = 1e-6
"""Added to a density, so that rounding does not remove the very box that it comes from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Which boxes are candidates.

    Args:
        score_threshold: they score above it.
        max_candidates: at most so many, the best.
        class_aware: whether density counts objects of the same class only.
        density_overlap: NMS at this IoU gives the objects whose density is measured.
        density_score: an object scores at least so much.
    """

    score_threshold: float = 0.3
    max_candidates: int = 300
    class_aware: bool = True
    density_overlap: float = 0.7
    density_score: float = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """N candidates, on the host: the detector's by falling score, a user's in the user's order.

    Args:
        boxes: (N, 4) xyxy in pixels.
        scores: (N,) in [0, 1].
        labels: (N,) int64. A cell that is sure of two classes is two candidates with the same box.
        variance: (N, 4) of left, top, right, bottom, in square pixels.
        confidence: (N,) the localisation confidence derived from it.
        density: (N,) in [0, 1], guessed.
        found: how many there were before the best were taken.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    variance: Tensor
    confidence: Tensor
    density: Tensor
    found: int

    def __len__(self) -> int:
        return len(self.boxes)


def from_detector(found: Candidates, size: tuple[int, int], settings: Settings, label: int | None = None) -> Scene:
    """The detector's pairs of box and class that score above the threshold, clipped to the picture.

    Args:
        size: (width, height) of the picture.
        label: of this class only.
    """
    above = found.scores > settings.score_threshold
    if label is not None:
        only = torch.zeros_like(above)
        only[:, label] = above[:, label]
        above = only
    cell, labels = above.nonzero(as_tuple=True)
    scores = found.scores[cell, labels]
    order = scores.argsort(descending=True, stable=True)[: settings.max_candidates]
    cell, labels, scores = cell[order].cpu(), labels[order].cpu(), scores[order].cpu()
    boxes = clip_boxes_to_image(found.boxes.cpu()[cell], (size[1], size[0]))
    solid = remove_small_boxes(boxes, 1.0)
    return scene(
        boxes[solid], scores[solid], labels[solid], found.variance.cpu()[cell[solid]], settings, len(above.nonzero())
    )


def scene(
    boxes: Tensor, scores: Tensor, labels: Tensor, variance: Tensor, settings: Settings, found: int | None = None
) -> Scene:
    """Candidates with what is derived of them."""
    variance = variance.clamp(min=1e-6)
    made = Scene(
        boxes,
        scores,
        labels,
        variance,
        localization_confidence(boxes, variance),
        torch.zeros_like(scores),
        len(boxes) if found is None else found,
    )
    return replace(made, density=density(made, settings))


def localization_confidence(boxes: Tensor, variance: Tensor) -> Tensor:
    """(N,) the IoU to be expected of boxes whose sides have this variance; see the module's words."""
    left, top, right, bottom = variance.sqrt().unbind(-1)
    width = (boxes[:, 2] - boxes[:, 0]).clamp(min=1e-6)
    height = (boxes[:, 3] - boxes[:, 1]).clamp(min=1e-6)
    return torch.exp(-HALF_NORMAL * ((left + right) / width + (top + bottom) / height))


def density(boxes: Scene, settings: Settings) -> Tensor:
    """(N,) the guessed highest IoU of each candidate's object with another object; see the module's words."""
    if not len(boxes):
        return boxes.density
    if settings.class_aware:
        first = nms.batched_nms_trace(boxes.boxes, boxes.scores, boxes.labels, settings.density_overlap)
    else:
        first = nms.nms_trace(boxes.boxes, boxes.scores, settings.density_overlap)
    objects = first.keep[boxes.scores[first.keep] >= settings.density_score]
    overlap = box_iou(boxes.boxes[objects], boxes.boxes[objects])
    overlap.fill_diagonal_(0)
    if settings.class_aware:
        overlap *= boxes.labels[objects, None] == boxes.labels[objects]
    of_box = torch.zeros_like(boxes.scores)
    if len(objects):
        of_box[objects] = (overlap.amax(1) + ULP * (overlap.amax(1) > 0)).clamp(max=1)
    owner = torch.where(first.suppressed_by >= 0, first.suppressed_by, torch.arange(len(boxes)))
    return of_box[owner]
