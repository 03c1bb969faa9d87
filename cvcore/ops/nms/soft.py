"""Soft-NMS: overlapping boxes lose score instead of being removed."""

from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from cvcore.ops.capture import captured
from cvcore.ops.nms.decay import decay
from cvcore.ops.nms.greedy import NOTHING
from cvcore.ops.nms.inputs import Inputs, array, at, by_left, check_inputs, ranked
from cvcore.ops.nms.trace import Decisions, NMSTrace

Decay = Literal["linear", "gaussian"]


def soft_nms(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float = 0.3,
    sigma: float = 0.5,
    min_score: float = 1e-3,
    method: str = "linear",
    *,
    idxs: Tensor | None = None,
    distance_beta: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Soft-NMS: the best box lowers the scores of those that overlap it, then the best of the rest, by its new score, ...

    Bodla et al. 2017, https://arxiv.org/abs/1704.04503 , figure 2. Needs boxes and scores only. Arguments are mmcv's.

    - linear (equation 2): s <- s (1 - overlap) where overlap >= iou_threshold;
    - gaussian (equation 3): s <- s exp(-overlap^2 / sigma), at any overlap.

    Ties and boundary: of equal scores the box with the lower number goes first; an overlap of exactly the threshold counts,
    as in the paper and unlike the methods that remove. A box whose score is below ``min_score`` is dropped (mmcv keeps the
    best one even then). The result is computed on the CPU: each step needs the one before, so on another device there is
    one round trip in all. No gradient goes through.

    Args:
        boxes: (N, 4) xyxy. scores: (N,), none below 0.
        iou_threshold: in [0, 1], of the linear decay. sigma: above 0, of the gaussian one.
        min_score: at least 0; with 0 every box stays.
        method: ``linear`` or ``gaussian``.
        idxs: (N,) integers, within each class; None: among all.
        distance_beta: None, or the power of the centre penalty, which lowers the overlap to no less than 0.

    Returns:
        keep: (K,) int64 in the order of selection, which is that of falling final score; scores: (K,) final.

    Raises:
        ValueError: shapes, NaN or infinite values, or an argument out of range.
    """
    if captured(boxes, scores, idxs):
        noted: tuple[Tensor, Tensor] = torch.ops.cvcore.soft_nms(
            boxes, scores, iou_threshold, sigma, min_score, method, idxs, distance_beta=distance_beta
        )
        return noted
    return decayed_scores(boxes, scores, iou_threshold, sigma, min_score, method, idxs, distance_beta)


def decayed_scores(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: str,
    idxs: Tensor | None,
    distance_beta: float | None,
) -> tuple[Tensor, Tensor]:
    """:func:`soft_nms` of tensors that hold numbers."""
    inputs = _check(boxes, scores, iou_threshold, sigma, min_score, method, idxs, distance_beta)
    trace = decayed(inputs, iou_threshold, sigma, min_score, method, traced=False)
    return trace.keep, trace.kept_scores


def soft_nms_trace(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float = 0.3,
    sigma: float = 0.5,
    min_score: float = 1e-3,
    method: str = "linear",
    *,
    idxs: Tensor | None = None,
    distance_beta: float | None = None,
) -> NMSTrace:
    """:func:`soft_nms` with every decision."""
    inputs = _check(boxes, scores, iou_threshold, sigma, min_score, method, idxs, distance_beta)
    return decayed(inputs, iou_threshold, sigma, min_score, method, traced=True)


def _check(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: str,
    idxs: Tensor | None,
    distance_beta: float | None,
) -> Inputs:
    check_decay(sigma, min_score, method)
    return check_inputs(boxes, scores, idxs, iou_threshold, distance_beta, averaging=True)


def check_decay(sigma: float, min_score: float, method: str) -> None:
    """Raise ValueError unless these make sense."""
    if method not in get_args(Decay):
        raise ValueError(f"the decay is one of {', '.join(get_args(Decay))}, not {method!r}")
    if not 0 < sigma < float("inf"):
        raise ValueError(f"sigma must be above 0, not {sigma}")
    if not 0 <= min_score < float("inf"):
        raise ValueError(f"min_score must be a finite number of at least 0, not {min_score}")


def decayed(inputs: Inputs, threshold: float, sigma: float, min_score: float, method: str, *, traced: bool) -> NMSTrace:
    """Soft-NMS of checked arguments. If not traced, there are no decisions, and order and suppressed_by say little."""
    boxes, scores, labels, beta = inputs
    device = boxes.device
    host = Inputs(boxes.detach().cpu(), scores.detach().cpu(), None if labels is None else labels.cpu(), beta)
    keep_, after_, who, what = decay(
        array(host.boxes),
        array(host.scores),
        array(ranked(host.scores)),
        NOTHING if host.labels is None else array(host.labels),
        by_left(host),
        float(threshold),
        float(sigma),
        float(min_score),
        method == "gaussian",
        beta,
        traced,
    )
    by, on = who
    last = np.full(len(boxes), -1)  # decision on each box, where there was one
    last[on] = np.arange(len(on))  # of equal indices numpy takes the last
    dropped = np.ones(len(boxes), np.bool_)
    dropped[keep_] = False
    suppressed_by = np.where(dropped & (last >= 0), by[last] if len(by) else -1, -1)
    rest = np.flatnonzero(dropped)
    rest = rest[np.argsort(np.where(last[rest] >= 0, last[rest], len(on)), kind="stable")]
    iou, overlap, before, after_each = torch.from_numpy(what).to(device)
    limit = torch.full_like(overlap, 0.0 if method == "gaussian" else threshold)
    by_, on_ = torch.from_numpy(by).to(device), torch.from_numpy(on).to(device)
    keep, after = torch.from_numpy(keep_), torch.from_numpy(after_)
    decisions = Decisions(by_, on_, iou, overlap, limit, before, after_each)
    keep = keep.to(device)
    after = after.to(device)
    return NMSTrace(
        method="soft",
        boxes=boxes,
        scores=scores,
        labels=labels,
        ranking=scores,
        order=torch.cat((keep, torch.from_numpy(rest).to(device))),
        keep=keep,
        kept_boxes=at(boxes, keep),
        kept_scores=at(after, keep),
        scores_after=after,
        suppressed_by=torch.from_numpy(suppressed_by).to(device),
        decisions=decisions,
    )
