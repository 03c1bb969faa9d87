"""The detector's features, both operators on one region, and what follows from them.

The region is the user's box, or a detected one that follows its object.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from cvcore.models.nanodet import STRIDES as NANODET_STRIDES
from cvcore.models.nanodet import Candidates
from cvcore.ops.boxes import box_iou, clip_boxes_to_image
from cvcore.ops.nms import batched_nms
from cvcore.ops.roi import RoIAlignTrace, RoIPoolTrace, roi_align_trace, roi_pool_trace
from cvcore.ops.roi.error import ErrorCurve, Pooling, error_curve
from explorer.panel import Context, Frame
from explorer.panels.roi.controls import ERROR, GRADIENT, PYRAMID, Box, Params
from explorer.views.cells import Cells
from explorer.views.detections import compile_operators, detection

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


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Everything the panel shows.

    Args:
        cells: where the cells of the map lie on the picture.
        features: (C, H, W) float32 of the layer and stride; mean: (H, W) over channels.
        pool, align: both operators on the one region, given in pixels of the network's input.
        point_share: (P, Q, S) with the maximum, the part of the channels that chose each sampling point; else None.
        gradient: (2, C, H, W) of the sum of each operator's outputs with respect to the features, RoI Pool's first;
            with GRADIENT, else None.
        error: with ERROR, else None.
    """

    params: Params
    region: Region
    found: Found
    cells: Cells
    features: Tensor
    mean: Tensor
    pool: RoIPoolTrace
    align: RoIAlignTrace
    point_share: Tensor | None
    gradient: Tensor | None
    error: ErrorCurve | None

    @property
    def sizes(self) -> dict[str, int]:
        return {"channel": len(self.features)}

    @property
    def roi(self) -> Box:
        return self.region.box


def compute(frame: Frame, params: Params, context: Context) -> Trace:
    """Both operators on the region in this frame."""
    compile_operators("roi", context)
    seen = detection(frame, context)
    level = NANODET_STRIDES.index(int(params.stride))
    with context.stage("region"):
        found = detected(seen.candidates, frame)
        before = context.previous
        where = region(frame, params, found, before.region if isinstance(before, Trace) else None)
    with context.stage("pooling"), torch.no_grad():
        features = (seen.trace.pyramid if params.layer == PYRAMID else seen.trace.features)[level][0].float()
        how = params.pooling(seen.transform)
        rois = torch.tensor([[0.0, *how.transform.to_input(torch.tensor(where.box, dtype=torch.float64)).tolist()]])
        pool, align = operators(features[None], rois, how)
    gradient = curve = None
    if params.show == GRADIENT:
        with context.stage("backward"):
            gradient = gradients(features, rois, how)
    if params.show == ERROR:
        with context.stage("error"), torch.no_grad():
            curve = error_curve(features, where.box, frame.size, how, context.stop_if_cancelled)
    share = None if align.argmax is None else point_shares(align, align.argmax)
    scale, offset = how.transform.scale, how.transform.offset
    origin = -offset[1] / scale[1], -offset[0] / scale[0]
    cells = Cells.even(frame.size, features.shape[1], features.shape[2], how.cell, origin)
    return Trace(params, where, found, cells, features, features.mean(0), pool, align, share, gradient, curve)


def operators(features: Tensor, rois: Tensor, how: Pooling) -> tuple[RoIPoolTrace, RoIAlignTrace]:
    """RoI Pool and RoI Align of (1, C, H, W) features on (1, 5) regions in pixels of the input."""
    rois, scale, bins = rois.to(features.device), 1 / how.stride, how.output_size
    return (
        roi_pool_trace(features, rois, bins, scale),
        roi_align_trace(features, rois, bins, scale, how.sampling_ratio, how.aligned, how.mode),
    )


def gradients(features: Tensor, rois: Tensor, how: Pooling) -> Tensor:
    """(2, C, H, W) by back-propagating ones from all outputs of both."""
    with torch.enable_grad():
        leaf = features.detach().clone()[None].requires_grad_()
        outs = (operator.out for operator in operators(leaf, rois, how))
        return torch.cat([torch.autograd.grad(out.sum(), leaf)[0] for out in outs])


def point_shares(align: RoIAlignTrace, argmax: Tensor) -> Tensor:
    """(P, Q, S) the part of the channels whose maximum is at each sampling point."""
    points = int(align.y.count[0]) * int(align.x.count[0])
    chosen = argmax[0].permute(1, 2, 0).long()  # (P, Q, C)
    numbers = torch.arange(max(points, 1), device=chosen.device)
    return (chosen[..., None] == numbers).float().mean(2)


# -- the region


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
    if params.by_hand and wanted is not None:
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
