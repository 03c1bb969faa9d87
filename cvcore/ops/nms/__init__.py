"""Non-maximum suppression, seven ways, each with every decision it made.

On the CPU the loops are compiled by numba and kept on disk; :func:`warm_up` compiles or loads them ahead of the first use. On
other devices the methods that keep or remove run in plain tensor operations.
"""

import torch

from cvcore.ops.compiling import without_full_collections
from cvcore.ops.nms import operators
from cvcore.ops.nms.hard import (
    adaptive_nms,
    adaptive_nms_trace,
    batched_nms,
    batched_nms_trace,
    diou_nms,
    diou_nms_trace,
    iou_guided_nms,
    iou_guided_nms_trace,
    nms,
    nms_trace,
)
from cvcore.ops.nms.soft import soft_nms, soft_nms_trace
from cvcore.ops.nms.trace import Decisions, NMSTrace, Votes
from cvcore.ops.nms.voting import softer_nms, softer_nms_trace, weighted_nms, weighted_nms_trace

__all__ = [
    "Decisions",
    "NMSTrace",
    "Votes",
    "adaptive_nms",
    "adaptive_nms_trace",
    "batched_nms",
    "batched_nms_trace",
    "diou_nms",
    "diou_nms_trace",
    "iou_guided_nms",
    "iou_guided_nms_trace",
    "nms",
    "nms_trace",
    "operators",
    "soft_nms",
    "soft_nms_trace",
    "softer_nms",
    "softer_nms_trace",
    "warm_up",
    "weighted_nms",
    "weighted_nms_trace",
]


def warm_up() -> None:
    """Compile the float32 loops, or load them if they are on disk: seconds the first time, a fraction of one later.

    To be called in a worker thread before the first use, so that the first use does not wait. Safe to call again.
    """
    with without_full_collections():
        boxes, scores = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.0]]), torch.tensor([0.9, 0.8])
        nms(boxes, scores, 0.5)
        nms_trace(boxes, scores, 0.5)
        softer_nms(boxes, scores, torch.ones_like(boxes), method="gaussian")
