"""Deformable convolution and deformable RoI pooling, with where they sample.

On the CPU the loops are compiled by numba and kept on disk; :func:`warm_up` compiles or loads them ahead of the first use.
"""

import torch

from cvcore.ops.compiling import without_full_collections
from cvcore.ops.deform_conv import operators
from cvcore.ops.deform_conv.conv import DeformConvTrace, deform_conv2d, deform_conv2d_trace
from cvcore.ops.deform_conv.roi_pool import DeformRoIPoolTrace, deform_roi_pool, deform_roi_pool_trace

__all__ = [
    "DeformConvTrace",
    "DeformRoIPoolTrace",
    "deform_conv2d",
    "deform_conv2d_trace",
    "deform_roi_pool",
    "deform_roi_pool_trace",
    "operators",
    "warm_up",
]


def warm_up() -> None:
    """Compile the float32 loops, or load them if they are on disk: seconds the first time, a fraction of one later.

    To be called in a worker thread before the first use, so that the first use does not wait. Safe to call again.
    """
    with without_full_collections():
        input, offset = torch.ones(1, 1, 3, 3, requires_grad=True), torch.zeros(1, 18, 3, 3)
        out = deform_conv2d(input, offset, torch.ones(1, 1, 3, 3), padding=1, mask=torch.ones(1, 9, 3, 3))
        torch.autograd.grad(out.sum(), input)
        bins = deform_roi_pool(input, torch.tensor([[0.0, 0.0, 0.0, 2.0, 2.0]]), torch.zeros(1, 2, 1, 1), 1)
        torch.autograd.grad(bins.sum(), input)
