"""Methods that average: Weighted NMS and Softer-NMS. The kept boxes move; gradients go to boxes, scores and variances."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from cvcore.ops.boxes import check_finite, values_are_checked
from cvcore.ops.nms.greedy import NOTHING
from cvcore.ops.nms.hard import hard_trace
from cvcore.ops.nms.inputs import Inputs, array, at, by_left, check_inputs
from cvcore.ops.nms.on_device import pair_overlap, voters
from cvcore.ops.nms.soft import check_decay, decayed
from cvcore.ops.nms.trace import NMSTrace, Votes
from cvcore.ops.nms.vote import vote


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
    numbers = torch.arange(len(keep), device=keep.device)
    position = torch.empty_like(trace.order).scatter(0, keep, numbers)
    to = torch.cat((numbers, at(position, decisions.by)))
    box = torch.cat((keep, decisions.on))
    sort = to.argsort(stable=True)  # the kept box first of its own voters
    to, box = at(to, sort), at(box, sort)
    iou = _iou_with_kept(inputs.boxes, at(keep, to), box)
    weight = (at(inputs.scores, box) * iou)[:, None].expand(-1, 4)
    return replace(
        trace,
        kept_boxes=_mean(inputs.boxes, keep, to, box, weight),
        votes=Votes(at(keep, to), box, iou.detach(), weight.detach()),
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
    decide = _Softer(iou_threshold, sigma_t, method, sigma, min_score)
    trace = decide(boxes, scores, variances, idxs, distance_beta, traced=False)
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
    decide = _Softer(iou_threshold, sigma_t, method, sigma, min_score)
    return decide(boxes, scores, variances, idxs, distance_beta, traced=True)


@dataclass(frozen=True, slots=True)
class _Softer:
    """The numbers of :func:`softer_nms`, checked."""

    iou_threshold: float
    sigma_t: float
    method: str
    sigma: float
    min_score: float

    def __post_init__(self) -> None:
        if self.method != "hard":
            check_decay(self.sigma, self.min_score, self.method)
        if not 0 < self.sigma_t < float("inf"):
            raise ValueError(f"sigma_t must be above 0, not {self.sigma_t}")

    def __call__(
        self,
        boxes: Tensor,
        scores: Tensor,
        variances: Tensor,
        idxs: Tensor | None,
        distance_beta: float | None,
        *,
        traced: bool,
    ) -> NMSTrace:
        hard = self.method == "hard"
        inputs = check_inputs(boxes, scores, idxs, self.iou_threshold, distance_beta, averaging=not hard)
        if variances.shape != boxes.shape:
            raise ValueError(f"variances must have the boxes' shape, not {tuple(variances.shape)}")
        check_finite(variances, "variances")
        if values_are_checked(variances) and not bool((variances > 0).all()):
            raise ValueError("variances must be above 0")
        variances = variances.to(inputs.boxes.dtype)
        if hard:
            trace = hard_trace("softer", inputs, inputs.scores, self.iou_threshold)
        else:
            soft = decayed(inputs, self.iou_threshold, self.sigma, self.min_score, self.method, traced=traced)
            trace = replace(soft, method="softer")
        if boxes.device.type != "cpu" or inputs.boxes.requires_grad or variances.requires_grad:
            return self._voted(inputs, variances, trace)
        moved, who, what = vote(
            array(inputs.boxes),
            array(variances),
            array(trace.keep),
            NOTHING if inputs.labels is None else array(inputs.labels),
            by_left(inputs),
            self.sigma_t,
            traced,
        )
        to, box = torch.from_numpy(who)
        numbers = torch.from_numpy(what)
        votes = Votes(at(trace.keep, to), box, numbers[0], numbers[1:].T) if traced else None
        return replace(trace, kept_boxes=torch.from_numpy(moved), votes=votes)

    def _voted(self, inputs: Inputs, variances: Tensor, trace: NMSTrace) -> NMSTrace:
        """The vote in tensor operations, with gradients and on any device."""
        keep = trace.keep
        to, box = voters(inputs.boxes.detach(), keep, inputs.labels).unbind(1)
        iou = _iou_with_kept(inputs.boxes, at(keep, to), box)
        p = torch.exp(-((1 - iou) ** 2) / self.sigma_t)
        weight = p[:, None] / at(variances, box)
        return replace(
            trace,
            kept_boxes=_mean(inputs.boxes, keep, to, box, weight),
            votes=Votes(at(keep, to), box, iou.detach(), weight.detach()),
        )


def _iou_with_kept(boxes: Tensor, kept: Tensor, voter: Tensor) -> Tensor:
    """(V,) IoU of kept boxes with their voters; 1 for a kept box's own vote, even if it has no area."""
    return pair_overlap(at(boxes, kept), at(boxes, voter), 0.0)[0].where(kept != voter, 1)


def _mean(boxes: Tensor, keep: Tensor, to: Tensor, box: Tensor, weight: Tensor) -> Tensor:
    """(K, 4) the weighted mean of the boxes that vote for each kept one; the kept box itself where all weights are 0."""
    seeds = at(boxes, keep)
    zero = torch.zeros_like(seeds)
    # as a step away from the kept box, which loses no digits far from the origin
    step = zero.index_add(0, to, weight * (at(boxes, box) - at(seeds, to)))
    total = zero.index_add(0, to, weight)
    return seeds + torch.where(total > 0, step / torch.where(total > 0, total, 1), 0)
