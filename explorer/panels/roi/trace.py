"""What the panel computes: the detector's features, both operators on one region, and what follows from them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from cvcore.models.nanodet import STRIDES as NANODET_STRIDES
from cvcore.ops.roi import RoIAlignTrace, RoIPoolTrace, roi_align_trace, roi_pool_trace
from explorer.panel import Context, Frame
from explorer.panels.roi.controls import AVERAGE, ERROR, GRADIENT, PYRAMID, Box, Params
from explorer.panels.roi.error import ErrorCurve, error_curve
from explorer.panels.roi.region import Found, Grid, Region, detected, region
from explorer.views.detections import compile_operators, detection


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Everything the panel shows.

    Args:
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
    grid: Grid
    features: Tensor
    mean: Tensor
    pool: RoIPoolTrace
    align: RoIAlignTrace
    point_share: Tensor | None
    gradient: Tensor | None
    error: ErrorCurve | None

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
        grid = Grid(int(params.stride), (features.shape[1], features.shape[2]), seen.transform)
        rois = torch.tensor([[0.0, *grid.transform.to_input(torch.tensor(where.box, dtype=torch.float64)).tolist()]])
        pool, align = operators(features[None], rois, params)
    gradient = curve = None
    if params.show == GRADIENT:
        with context.stage("backward"):
            gradient = gradients(features, rois, params)
    if params.show == ERROR:
        with context.stage("error"), torch.no_grad():
            curve = error_curve(features, where.box, frame.size, grid, params, lambda: context.cancelled)
    share = None if align.argmax is None else point_shares(align)
    return Trace(params, where, found, grid, features, features.mean(0), pool, align, share, gradient, curve)


def operators(features: Tensor, rois: Tensor, params: Params) -> tuple[RoIPoolTrace, RoIAlignTrace]:
    """RoI Pool and RoI Align of (1, C, H, W) features on (1, 5) regions in pixels of the input."""
    rois, scale = rois.to(features.device), 1 / int(params.stride)
    mode = "avg" if params.mode == AVERAGE else "max"
    return (
        roi_pool_trace(features, rois, params.output_size, scale),
        roi_align_trace(features, rois, params.output_size, scale, params.samples, params.aligned, mode),
    )


def gradients(features: Tensor, rois: Tensor, params: Params) -> Tensor:
    """(2, C, H, W) by back-propagating ones from all outputs of both."""
    with torch.enable_grad():
        leaf = features.detach().clone()[None].requires_grad_()
        outs = (operator.out for operator in operators(leaf, rois, params))
        return torch.cat([torch.autograd.grad(out.sum(), leaf)[0] for out in outs])


def point_shares(align: RoIAlignTrace) -> Tensor:
    """(P, Q, S) the part of the channels whose maximum is at each sampling point."""
    assert align.argmax is not None
    points = int(align.y.count[0]) * int(align.x.count[0])
    chosen = align.argmax[0].permute(1, 2, 0).long()  # (P, Q, C)
    numbers = torch.arange(max(points, 1), device=chosen.device)
    return (chosen[..., None] == numbers).float().mean(2)
