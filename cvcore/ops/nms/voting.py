"""Methods that average: Weighted NMS and Softer-NMS. The kept boxes move; gradients go to boxes, scores and variances."""

from dataclasses import replace

import torch
from torch import Tensor

from cvcore.ops.boxes import check_finite, values_are_checked
from cvcore.ops.nms.hard import hard_trace
from cvcore.ops.nms.inputs import check_inputs, voters
from cvcore.ops.nms.on_device import pair_overlap
from cvcore.ops.nms.soft import check_decay, decayed
from cvcore.ops.nms.trace import NMSTrace, Votes


def weighted_nms(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float,
    *,
    idxs: Tensor | None = None,
    distance_beta: float | None = None,
) -> tuple[Tensor, Tensor]:
    """NMS whose kept box becomes the mean of itself and the boxes it removes, weighted by w = score x IoU with it.

    Zhou et al., CAD 2017, ICCVW, "weighted NMS". Needs boxes and scores only. Ties and boundary as in
    :func:`~cvcore.ops.nms.nms`: a box belongs to the first kept one that it overlaps by more than the threshold. Scores
    stay as they are. A cluster of weight 0 keeps its box.

    Args:
        boxes: (N, 4) xyxy. scores: (N,), none below 0.
        iou_threshold: in [0, 1].
        idxs: (N,) integers, within each class; None: among all.
        distance_beta: None, or the power of the centre penalty, which decides the clusters and not the weights.

    Returns:
        keep: (K,) int64, from the highest score to the lowest; boxes: (K, 4) merged.

    Raises:
        ValueError: shapes, NaN or infinite values, or an argument out of range.
    """
    trace = weighted_nms_trace(boxes, scores, iou_threshold, idxs=idxs, distance_beta=distance_beta)
    return trace.keep, trace.kept_boxes


def weighted_nms_trace(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float,
    *,
    idxs: Tensor | None = None,
    distance_beta: float | None = None,
) -> NMSTrace:
    """:func:`weighted_nms` with every decision and vote."""
    inputs = check_inputs(boxes, scores, idxs, iou_threshold, distance_beta, averaging=True)
    trace = hard_trace("weighted", inputs, inputs.scores, iou_threshold)
    keep, decisions = trace.keep, trace.decisions
    position = torch.empty_like(trace.order)
    position[keep] = torch.arange(len(keep), device=keep.device)
    to = torch.cat((position[keep], position[decisions.by]))
    box = torch.cat((keep, decisions.on))
    sort = to.argsort(stable=True)  # the kept box first of its own voters
    to, box = to[sort], box[sort]
    iou = pair_overlap(inputs.boxes[keep[to]], inputs.boxes[box], 0.0)[0]
    iou = iou.where(keep[to] != box, 1)  # also of a box without area
    weight = (inputs.scores[box] * iou)[:, None].expand(-1, 4)
    return replace(
        trace,
        kept_boxes=_mean(inputs.boxes, keep, to, box, weight),
        votes=Votes(keep[to], box, iou.detach(), weight.detach()),
    )


def softer_nms(
    boxes: Tensor,
    scores: Tensor,
    variances: Tensor,
    iou_threshold: float = 0.5,
    sigma_t: float = 0.02,
    method: str = "hard",
    sigma: float = 0.5,
    min_score: float = 1e-3,
    *,
    idxs: Tensor | None = None,
    distance_beta: float | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Softer-NMS, variance voting: a kept box moves to the mean of all boxes that touch it, the surer a box the heavier.

    He et al. 2019, https://arxiv.org/abs/1809.08545 , algorithm 1 and equation 9: of box i for kept box b and coordinate x

        w = p / var_x,    p = exp(-(1 - IoU(b_i, b))^2 / sigma_t),    for IoU(b_i, b) > 0.

    Needs the variance of each coordinate beyond boxes and scores. All given boxes vote, removed ones and other kept ones
    included. Which boxes are kept, ties and boundary: as in :func:`~cvcore.ops.nms.nms` for ``hard``, as in
    :func:`~cvcore.ops.nms.soft_nms` for ``linear`` and ``gaussian``.

    Args:
        boxes: (N, 4) xyxy. scores: (N,); none below 0 unless ``hard``.
        variances: (N, 4) of x1, y1, x2, y2, in square pixels, above 0.
        iou_threshold: in [0, 1]. sigma_t: above 0; the smaller, the closer a voter must be.
        method: how scores fall: ``hard``, ``linear`` or ``gaussian``. sigma, min_score: of the last two.
        idxs: (N,) integers, within each class; None: among all.
        distance_beta: None, or the power of the centre penalty, which decides what is kept and not the votes.

    Returns:
        keep: (K,) int64 in the order of selection; boxes: (K, 4) after the vote; scores: (K,).

    Raises:
        ValueError: shapes, NaN or infinite values, or an argument out of range.
    """
    trace = softer_nms_trace(
        boxes,
        scores,
        variances,
        iou_threshold,
        sigma_t,
        method,
        sigma,
        min_score,
        idxs=idxs,
        distance_beta=distance_beta,
    )
    return trace.keep, trace.kept_boxes, trace.kept_scores


def softer_nms_trace(
    boxes: Tensor,
    scores: Tensor,
    variances: Tensor,
    iou_threshold: float = 0.5,
    sigma_t: float = 0.02,
    method: str = "hard",
    sigma: float = 0.5,
    min_score: float = 1e-3,
    *,
    idxs: Tensor | None = None,
    distance_beta: float | None = None,
) -> NMSTrace:
    """:func:`softer_nms` with every decision and vote."""
    if method != "hard":
        check_decay(sigma, min_score, method)
    if not 0 < sigma_t < float("inf"):
        raise ValueError(f"sigma_t must be above 0, not {sigma_t}")
    inputs = check_inputs(boxes, scores, idxs, iou_threshold, distance_beta, averaging=method != "hard")
    if variances.shape != boxes.shape:
        raise ValueError(f"variances must have the boxes' shape, not {tuple(variances.shape)}")
    check_finite(variances, "variances")
    if values_are_checked(variances) and not bool((variances > 0).all()):
        raise ValueError("variances must be above 0")
    if method == "hard":
        trace = hard_trace("softer", inputs, inputs.scores, iou_threshold)
    else:
        trace = replace(
            decayed(inputs, iou_threshold, sigma, min_score, method, traced=True),
            method="softer",
        )
    keep = trace.keep
    to, box = voters(inputs, keep).unbind(1)
    iou = pair_overlap(inputs.boxes[keep[to]], inputs.boxes[box], 0.0)[0]
    iou = iou.where(keep[to] != box, 1)  # also of a box without area
    p = torch.exp(-((1 - iou) ** 2) / sigma_t)
    weight = p[:, None] / variances.to(p.dtype)[box]
    return replace(
        trace,
        kept_boxes=_mean(inputs.boxes, keep, to, box, weight),
        votes=Votes(keep[to], box, iou.detach(), weight.detach()),
    )


def _mean(boxes: Tensor, keep: Tensor, to: Tensor, box: Tensor, weight: Tensor) -> Tensor:
    """(K, 4) the weighted mean of the boxes that vote for each kept one; the kept box itself where all weights are 0."""
    seeds = boxes[keep]
    zero = torch.zeros_like(seeds)
    # as a step away from the kept box, which loses no digits far from the origin
    step = zero.index_add(0, to, weight * (boxes[box] - seeds[to]))
    total = zero.index_add(0, to, weight)
    return seeds + torch.where(total > 0, step / torch.where(total > 0, total, 1), 0)
