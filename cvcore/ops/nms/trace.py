"""What suppression decided, box by box: the same records for all methods, so that they can be laid side by side."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Method = Literal["nms", "soft", "iou_guided", "weighted", "softer", "adaptive", "diou"]


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """Each time a kept box lowered the score of another: E of them, in the order the kept boxes were.

    What one kept box did is sorted by rank for the methods that keep or remove, from left to right for Soft-NMS.

    Args:
        by: (E,) int64, the kept box.
        on: (E,) int64, the other.
        iou: (E,) their IoU.
        overlap: (E,) what was compared: the IoU, less the centre penalty where one is asked for.
        threshold: (E,) what it was compared with; 0 for gaussian Soft-NMS, which lowers at any overlap.
        before, after: (E,) the other's score; 0 after it was suppressed or merged.
    """

    by: Tensor
    on: Tensor
    iou: Tensor
    overlap: Tensor
    threshold: Tensor
    before: Tensor
    after: Tensor

    def __len__(self) -> int:
        return len(self.by)


@dataclass(frozen=True, slots=True, eq=False)
class Votes:
    """What each box contributed to a kept one: V contributions, those to one kept box together, in the order of ``keep``.

    Args:
        to: (V,) int64, the kept box.
        box: (V,) int64, the contributing box; the kept box is among its own.
        iou: (V,) their IoU.
        weight: (V, 4) the weight of each coordinate, as the formula has it. The new box is the weighted mean.
    """

    to: Tensor
    box: Tensor
    iou: Tensor
    weight: Tensor

    def __len__(self) -> int:
        return len(self.to)


@dataclass(frozen=True, slots=True, eq=False)
class NMSTrace:
    """A suppression with every decision of it, for N boxes of which K are kept.

    Args:
        method: which of the seven.
        boxes: (N, 4) xyxy. scores: (N,). labels: (N,) int64 or None. All as given.
        ranking: (N,) what the boxes were ranked by: the scores, or the localisation confidence.
        order: (N,) int64, the boxes in the order their fate was settled.
        keep: (K,) int64, the kept ones, in that order.
        kept_boxes: (K, 4), moved by the methods that average, with gradients to boxes, scores and variances.
        kept_scores: (K,) as the method leaves them.
        scores_after: (N,) the score of every box at the end; 0 where it was suppressed or merged.
        suppressed_by: (N,) int64, the kept box that removed it; -1 for a kept one, or one below ``min_score`` from the start.
        decisions: see there.
        votes: see there; None for methods that do not average.
    """

    method: Method
    boxes: Tensor
    scores: Tensor
    labels: Tensor | None
    ranking: Tensor
    order: Tensor
    keep: Tensor
    kept_boxes: Tensor
    kept_scores: Tensor
    scores_after: Tensor
    suppressed_by: Tensor
    decisions: Decisions
    votes: Votes | None = None

    def scores_at(self, decided: int) -> Tensor:
        """(N,) the scores after the first ``decided`` of the decisions, 0 to E."""
        if not 0 <= decided <= len(self.decisions):
            raise ValueError(f"there are {len(self.decisions)} decisions, not {decided}")
        scores = self.scores.clone()
        # a box may be lowered many times: the last one counts, and equal indices in one assignment have no order
        on, after = self.decisions.on[:decided], self.decisions.after[:decided]
        last = torch.full_like(self.order, -1).scatter_reduce(0, on, torch.arange(decided, device=on.device), "amax")
        return torch.where(last >= 0, after.index_select(0, last.clamp(min=0)) if decided else scores, scores)
