"""RoI Pool and RoI Align, with where each bin lies, what it reads and where its gradient goes.

On the CPU the loops are compiled by numba and kept on disk; :func:`warm_up` compiles or loads them ahead of the first use.
"""

import torch

from cvcore.ops.compiling import without_full_collections
from cvcore.ops.roi import operators
from cvcore.ops.roi.align import RoIAlign, RoIAlignTrace, roi_align, roi_align_trace
from cvcore.ops.roi.context import ContextAwareTrace, context_aware_roi_pool, context_aware_roi_pool_trace
from cvcore.ops.roi.pool import RoIPool, RoIPoolTrace, roi_pool, roi_pool_trace
from cvcore.ops.roi.regions import Contribution, QuantisedAxis, SampledAxis

__all__ = [
    "ContextAwareTrace",
    "Contribution",
    "QuantisedAxis",
    "RoIAlign",
    "RoIAlignTrace",
    "RoIPool",
    "RoIPoolTrace",
    "SampledAxis",
    "context_aware_roi_pool",
    "context_aware_roi_pool_trace",
    "operators",
    "roi_align",
    "roi_align_trace",
    "roi_pool",
    "roi_pool_trace",
    "warm_up",
]


def warm_up() -> None:
    """Compile the float32 loops, or load them if they are on disk: seconds the first time, a fraction of one later.

    To be called in a worker thread before the first use, so that the first use does not wait. Safe to call again.
    """
    with without_full_collections():
        features = torch.ones(1, 1, 4, 4, requires_grad=True)
        rois = torch.tensor([[0.0, 0.0, 0.0, 4.0, 4.0]])
        for out in (
            roi_align(features, rois, 2),
            roi_align(features, rois, 2, mode="max"),
            roi_pool(features, rois, 2),
        ):
            torch.autograd.grad(out.sum(), features)
        roi_pool(features.detach(), rois, 2)
