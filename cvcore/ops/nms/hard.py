"""Methods that keep or remove: NMS, NMS by class, Adaptive NMS, DIoU-NMS and IoU-guided NMS.

Ties and boundary, of all of them: boxes of equal rank go in the order given; a box goes if its overlap is *above* the
threshold, as in torchvision. (The papers write "at least"; the two differ for boxes that overlap by exactly the threshold.)
Boxes without area, and boxes inside out, overlap nothing and are kept.

``distance_beta`` asks for the penalty of DIoU-NMS in any of them: see :func:`diou_nms`. No gradient goes through a decision.
"""

import torch
from torch import Tensor

from cvcore.ops.boxes import values_are_checked
from cvcore.ops.capture import captured
from cvcore.ops.nms.inputs import Inputs, at, check_inputs, check_numbers, quick, ranked, suppress
from cvcore.ops.nms.on_device import pair_overlap
from cvcore.ops.nms.trace import Decisions, Method, NMSTrace


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, *, distance_beta: float | None = None) -> Tensor:
    """Greedy non-maximum suppression: the best box removes all that overlap it too much, then the best of the rest, ...

    Bodla et al. 2017, https://arxiv.org/abs/1704.04503 , equation 1. Needs boxes and scores only.

    Args:
        boxes: (N, 4) xyxy. scores: (N,), any range.
        iou_threshold: in [0, 1]; a box whose overlap with a kept one is above it goes.
        distance_beta: None, or the power of the centre penalty.

    Returns:
        keep: (K,) int64, from the highest score to the lowest; the same as torchvision's.

    Raises:
        ValueError: shapes, NaN or infinite values, or a threshold out of range.
    """
    if captured(boxes, scores):
        return _noted("nms", boxes, scores, iou_threshold, distance_beta=distance_beta)
    return kept(boxes, scores, None, iou_threshold, distance_beta)


def nms_trace(boxes: Tensor, scores: Tensor, iou_threshold: float, *, distance_beta: float | None = None) -> NMSTrace:
    """:func:`nms` with every decision."""
    inputs = check_inputs(boxes, scores, None, iou_threshold, distance_beta)
    return hard_trace("nms", inputs, inputs.scores, iou_threshold)


def batched_nms(
    boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float, *, distance_beta: float | None = None
) -> Tensor:
    """:func:`nms` within each class: boxes of different classes do not see each other.

    The classes are told apart exactly. torchvision moves them apart instead when there are few boxes (on the CPU up to
    1,000), which rounds the coordinates and can turn an overlap close to the threshold the other way; with more boxes the
    result is the same as torchvision's.

    Args:
        idxs: (N,) integers, the class of each box. Others as in :func:`nms`.

    Returns:
        keep: (K,) int64, from the highest score to the lowest, over all classes.

    Raises:
        ValueError: shapes, NaN or infinite values, or a threshold out of range.
    """
    if captured(boxes, scores, idxs):
        return _noted("batched_nms", boxes, scores, idxs, iou_threshold, distance_beta=distance_beta)
    return kept(boxes, scores, idxs, iou_threshold, distance_beta)


def batched_nms_trace(
    boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float, *, distance_beta: float | None = None
) -> NMSTrace:
    """:func:`batched_nms` with every decision."""
    inputs = check_inputs(boxes, scores, idxs, iou_threshold, distance_beta)
    return hard_trace("nms", inputs, inputs.scores, iou_threshold)


def diou_nms(
    boxes: Tensor, scores: Tensor, iou_threshold: float, *, beta: float = 1.0, idxs: Tensor | None = None
) -> Tensor:
    """NMS by IoU less the centre distance: overlap = IoU - (rho^2 / c^2)^beta, so that neighbours of one size survive.

    Zheng et al. 2020, https://arxiv.org/abs/1911.08287 , equation 14, which has beta = 1; rho is the distance of the
    centres, c the diagonal of the smallest box around both. Needs boxes and scores only.

    Args:
        beta: above 0; the higher, the weaker the penalty (YOLOv4 takes 0.6).
        idxs: (N,) integers, suppress within each class; None: among all. Others as in :func:`nms`.

    Returns:
        keep: (K,) int64, from the highest score to the lowest.

    Raises:
        ValueError: shapes, NaN or infinite values, a threshold or beta out of range.
    """
    if idxs is None:
        return nms(boxes, scores, iou_threshold, distance_beta=beta)
    return batched_nms(boxes, scores, idxs, iou_threshold, distance_beta=beta)


def diou_nms_trace(
    boxes: Tensor, scores: Tensor, iou_threshold: float, *, beta: float = 1.0, idxs: Tensor | None = None
) -> NMSTrace:
    """:func:`diou_nms` with every decision."""
    inputs = check_inputs(boxes, scores, idxs, iou_threshold, beta)
    return hard_trace("diou", inputs, inputs.scores, iou_threshold)


def adaptive_nms(
    boxes: Tensor,
    scores: Tensor,
    density: Tensor,
    iou_threshold: float,
    *,
    idxs: Tensor | None = None,
    distance_beta: float | None = None,
) -> Tensor:
    """NMS with a threshold that rises in crowds: a kept box removes what overlaps it by more than max(t, its density).

    Liu et al. 2019, https://arxiv.org/abs/1904.03629 , equations 3-5. Needs the density of each box beyond boxes and
    scores: the highest IoU of its object with another object, which a branch of the paper's detector predicts.

    Args:
        density: (N,) in [0, 1]. Others as in :func:`diou_nms` and :func:`nms`.

    Returns:
        keep: (K,) int64, from the highest score to the lowest.

    Raises:
        ValueError: shapes, NaN or infinite values, a threshold or density out of range.
    """
    inputs = check_inputs(boxes, scores, idxs, iou_threshold, distance_beta)
    density = _check_density(density, inputs.boxes)
    return suppress(inputs, ranked(inputs.scores), iou_threshold, density, traced=False)[0]


def adaptive_nms_trace(
    boxes: Tensor,
    scores: Tensor,
    density: Tensor,
    iou_threshold: float,
    *,
    idxs: Tensor | None = None,
    distance_beta: float | None = None,
) -> NMSTrace:
    """:func:`adaptive_nms` with every decision."""
    inputs = check_inputs(boxes, scores, idxs, iou_threshold, distance_beta)
    density = _check_density(density, inputs.boxes)
    return hard_trace("adaptive", inputs, inputs.scores, iou_threshold, density)


def iou_guided_nms(
    boxes: Tensor,
    scores: Tensor,
    localization_confidence: Tensor,
    iou_threshold: float,
    *,
    idxs: Tensor | None = None,
    distance_beta: float | None = None,
) -> tuple[Tensor, Tensor]:
    """NMS ranked by how well a box is placed; the kept box takes the best classification score of those it removes.

    Jiang et al., IoU-Net 2018, https://arxiv.org/abs/1807.11590 , algorithm 1. Needs the localisation confidence of each
    box beyond boxes and scores: its predicted IoU with its object.

    Args:
        localization_confidence: (N,), any range. Others as in :func:`diou_nms` and :func:`nms`.

    Returns:
        keep: (K,) int64, from the highest localisation confidence to the lowest; scores: (K,) of these boxes.

    Raises:
        ValueError: shapes, NaN or infinite values, or a threshold out of range.
    """
    trace = iou_guided_nms_trace(
        boxes, scores, localization_confidence, iou_threshold, idxs=idxs, distance_beta=distance_beta
    )
    return trace.keep, trace.kept_scores


def iou_guided_nms_trace(
    boxes: Tensor,
    scores: Tensor,
    localization_confidence: Tensor,
    iou_threshold: float,
    *,
    idxs: Tensor | None = None,
    distance_beta: float | None = None,
) -> NMSTrace:
    """:func:`iou_guided_nms` with every decision."""
    inputs = check_inputs(boxes, scores, idxs, iou_threshold, distance_beta)
    confidence = check_numbers(localization_confidence, "localization_confidence", inputs.boxes)
    return hard_trace("iou_guided", inputs, confidence, iou_threshold)


def kept(
    boxes: Tensor, scores: Tensor, idxs: Tensor | None, iou_threshold: float, distance_beta: float | None
) -> Tensor:
    """:func:`nms`, or :func:`batched_nms` with ``idxs``, of tensors that hold numbers."""
    if idxs is None and distance_beta is None and (keep := quick(boxes, scores, iou_threshold)) is not None:
        return keep
    inputs = check_inputs(boxes, scores, idxs, iou_threshold, distance_beta)
    return suppress(inputs, ranked(inputs.scores), iou_threshold, traced=False)[0]


def _noted(name: str, *arguments: object, distance_beta: float | None) -> Tensor:
    """The call of a registered operator."""
    keep: Tensor = getattr(torch.ops.cvcore, name)(*arguments, distance_beta=distance_beta)
    return keep


def _check_density(density: Tensor, boxes: Tensor) -> Tensor:
    density = check_numbers(density, "density", boxes)
    if values_are_checked(density) and bool(((density < 0) | (density > 1)).any()):
        raise ValueError("density must be in [0, 1]")
    return density


def hard_trace(
    method: Method, inputs: Inputs, ranking: Tensor, threshold: float, density: Tensor | None = None
) -> NMSTrace:
    """Greedy suppression in the order of ``ranking`` with every decision, for checked arguments."""
    boxes, scores, labels, beta = inputs
    order = ranked(ranking)
    keep, by = suppress(inputs, order, threshold, density, traced=True)
    rank = torch.empty_like(order).scatter(0, order, torch.arange(len(order), device=order.device))
    on = order.masked_select(at(by, order) >= 0)
    on = at(on, at(rank, at(by, on)).argsort(stable=True))  # by suppressor, and what one suppressed, by rank
    their = at(by, on)
    iou, overlap = pair_overlap(at(boxes.detach(), their), at(boxes.detach(), on), beta)
    limit = torch.full_like(overlap, threshold, dtype=torch.float32 if boxes.device.type == "mps" else torch.float64)
    if density is not None:
        limit = torch.maximum(limit, at(density, their).to(limit.dtype))
    after = torch.where(by < 0, scores, 0)
    if method == "iou_guided":
        after = after.scatter_reduce(0, their, at(scores, on), "amax")
    return NMSTrace(
        method=method,
        boxes=boxes,
        scores=scores,
        labels=labels,
        ranking=ranking,
        order=order,
        keep=keep,
        kept_boxes=at(boxes, keep),
        kept_scores=at(after, keep),
        scores_after=after,
        suppressed_by=by,
        decisions=Decisions(their, on, iou, overlap, limit, at(scores.detach(), on), torch.zeros_like(iou)),
    )
