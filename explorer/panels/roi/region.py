"""Which region is looked at: the user's box, or a detected one that follows its object; and the cells that lie under it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvcore.models.nanodet import Candidates
from cvcore.ops.boxes import box_iou, clip_boxes_to_image
from cvcore.ops.letterbox import Letterbox
from cvcore.ops.nms import batched_nms
from explorer.panel import Frame
from explorer.panels.roi.controls import Box, Params

Array = NDArray[Any]
MIN_SCORE, MAX_IOU, AT_MOST = 0.4, 0.5, 20
LEAST_SIDE = 1.0
SAME_OBJECT = 0.3
"""From this IoU on, a detection is taken for the object of the frame before."""
PATIENCE = 15
"""Frames for which a lost object is waited for."""
FRACTIONS = (0.31, 0.22, 0.64, 0.79)
"""The box where nothing was detected."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Detected boxes after suppression.

    Args:
        boxes: (N, 4) float32 in pixels of the picture, inside it.
        labels, scores: (N,).
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """The box looked at.

    Args:
        box: in pixels of the picture.
        detection: which detection it is; -1 for none.
        lost: for how many frames its object has not been found.
        source, wanted: frame's source and Params.roi it comes from.
    """

    box: Box
    detection: int
    lost: int
    size: tuple[int, int]
    source: str
    wanted: Box | None


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the cells of a feature map lie on the picture. Cell i covers [i, i + 1).

    Args:
        stride: pixels of the network's input a cell.
        shape: (rows, columns).
    """

    stride: int
    shape: tuple[int, int]
    transform: Letterbox

    @property
    def cell(self) -> tuple[float, float]:
        """Width and height of a cell in pixels of the picture."""
        return self.stride / self.transform.scale[1], self.stride / self.transform.scale[0]

    def x(self, column: Array) -> Array:
        """Columns, in cells -> pixels of the picture."""
        return (np.asarray(column, np.float64) * self.stride - self.transform.offset[1]) / self.transform.scale[1]

    def y(self, row: Array) -> Array:
        """Rows, in cells -> pixels of the picture."""
        return (np.asarray(row, np.float64) * self.stride - self.transform.offset[0]) / self.transform.scale[0]

    def boxes(self, xyxy: Array) -> Array:
        """(..., 4) in cells -> in pixels of the picture."""
        xyxy = np.asarray(xyxy, np.float64)
        return np.stack((self.x(xyxy[..., 0]), self.y(xyxy[..., 1]), self.x(xyxy[..., 2]), self.y(xyxy[..., 3])), -1)

    def points(self, xy: Array) -> Array:
        """(..., 2) in cells -> in pixels of the picture."""
        xy = np.asarray(xy, np.float64)
        return np.stack((self.x(xy[..., 0]), self.y(xy[..., 1])), -1)

    def at(self, x: float, y: float) -> tuple[int, int] | None:
        """Row and column of the cell at a pixel; None beside the map."""
        column = int(np.floor((x * self.transform.scale[1] + self.transform.offset[1]) / self.stride))
        row = int(np.floor((y * self.transform.scale[0] + self.transform.offset[0]) / self.stride))
        inside = 0 <= row < self.shape[0] and 0 <= column < self.shape[1]
        return (row, column) if inside else None


def detected(candidates: Candidates, frame: Frame) -> Found:
    """The surest boxes, suppressed within their class."""
    scores, labels = candidates.scores.float().cpu().max(-1)
    boxes = clip_boxes_to_image(candidates.boxes.float().cpu(), (frame.size[1], frame.size[0]))
    sides = boxes[:, 2:] - boxes[:, :2]
    sure = ((scores > MIN_SCORE) & (sides >= LEAST_SIDE).all(1)).nonzero()[:, 0]
    kept = sure[batched_nms(boxes[sure], scores[sure], labels[sure], MAX_IOU)][:AT_MOST]
    return Found(boxes[kept], labels[kept], scores[kept])


def region(frame: Frame, params: Params, found: Found, previous: Region | None) -> Region:
    """The box to look at in this frame.

    Args:
        previous: that of the last result of this panel, to follow an object from frame to frame.
    """
    size, source, wanted = frame.size, frame.source, params.roi
    if params.by_hand:
        assert wanted is not None
        return Region(inside(wanted, size), -1, 0, size, source, wanted)
    goes_on = (
        previous is not None
        and (previous.size, previous.source, previous.wanted) == (size, source, wanted)
        and (wanted is not None or previous.lost < PATIENCE)
    )
    if goes_on and previous is not None and not params.follow:
        return replace(previous, detection=-1)
    if goes_on and previous is not None:
        anchor, lost = previous.box, previous.lost + 1
    elif wanted is not None:
        anchor, lost = inside(wanted, size), 1
    elif len(found.boxes):
        # A sure one that is not tiny: its bins can be seen.
        areas = (found.boxes[:, 2:] - found.boxes[:, :2]).prod(1)
        anchor, lost = as_box(found.boxes[(found.scores * areas.sqrt()).argmax()]), 1
    else:
        # Nothing was found to look at: look again in the next frame.
        return Region(default_box(size), -1, PATIENCE, size, source, wanted)
    if len(found.boxes):
        overlap = box_iou(torch.tensor([anchor]), found.boxes)[0]
        best = int(overlap.argmax())
        if float(overlap[best]) >= SAME_OBJECT:
            return Region(as_box(found.boxes[best]), best, 0, size, source, wanted)
    return Region(anchor, -1, lost, size, source, wanted)


def default_box(size: tuple[int, int]) -> Box:
    """A box on about the middle of any picture."""
    x0, y0, x1, y1 = (fraction * side for fraction, side in zip(FRACTIONS, size * 2, strict=True))
    return inside((x0, y0, x1, y1), size)


def inside(box: Box, size: tuple[int, int]) -> Box:
    """The part of a box in the picture, corners in order, at least a pixel wide and high; the default if there is none."""
    width, height = size
    x0, x1 = sorted(min(max(v, 0.0), float(width)) for v in box[0::2])
    y0, y1 = sorted(min(max(v, 0.0), float(height)) for v in box[1::2])
    if not np.isfinite(box).all() or max(box[0], box[2]) <= 0 or min(box[0], box[2]) >= width:
        return default_box(size)
    if max(box[1], box[3]) <= 0 or min(box[1], box[3]) >= height:
        return default_box(size)
    x0, y0 = min(x0, width - LEAST_SIDE), min(y0, height - LEAST_SIDE)
    return x0, y0, max(x1, x0 + LEAST_SIDE), max(y1, y0 + LEAST_SIDE)


def as_box(box: Tensor) -> Box:
    x0, y0, x1, y1 = box.tolist()
    return x0, y0, x1, y1
