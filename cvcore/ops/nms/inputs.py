"""What every method checks before it starts, and the way of its tensors to the compiled loops and back."""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvcore.ops.boxes import check_boxes, check_finite, values_are_checked
from cvcore.ops.nms.greedy import NO_DENSITY, NOTHING, checked_sorted_greedy, greedy
from cvcore.ops.nms.on_device import suppressors
from cvcore.ops.nms.ranking import descending

BITS = {torch.float32: np.uint32, torch.float64: np.uint64}


class Inputs(NamedTuple):
    """Checked arguments: (N, 4) and (N,) float32 or float64 of one precision, (N,) int64 or None, 0 for no penalty."""

    boxes: Tensor
    scores: Tensor
    labels: Tensor | None
    beta: float


def check_inputs(
    boxes: Tensor,
    scores: Tensor,
    idxs: Tensor | None,
    iou_threshold: float,
    distance_beta: float | None,
    *,
    averaging: bool = False,
) -> Inputs:
    """Check the arguments of a method; half precision and integers become float32.

    Args:
        averaging: scores are weights or are multiplied, so that they must not be below 0.

    Raises:
        ValueError: one of them is wrong.
    """
    check_boxes(boxes)
    if boxes.dim() != 2:
        raise ValueError(f"boxes must have shape (N, 4), not {tuple(boxes.shape)}")
    scores = check_numbers(scores, "scores", boxes, averaging)
    if idxs is not None:
        if idxs.shape != scores.shape or idxs.is_floating_point() or idxs.is_complex():
            raise ValueError(f"idxs must be {len(scores)} integers, not {tuple(idxs.shape)} {idxs.dtype}")
        idxs = idxs.long()
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f"iou_threshold must be in [0, 1], not {iou_threshold}")
    if distance_beta is not None and not 0 < distance_beta < math.inf:
        raise ValueError(f"the power of the centre distance must be above 0, not {distance_beta}")
    precision = torch.float64 if torch.float64 in (boxes.dtype, scores.dtype) else torch.float32
    return Inputs(boxes.to(precision), scores.to(precision), idxs, distance_beta or 0.0)


def check_numbers(values: Tensor, name: str, boxes: Tensor, positive: bool = False) -> Tensor:
    """Raise ValueError unless these are one finite number a box, and if asked, none below 0."""
    if values.shape != boxes.shape[:1]:
        raise ValueError(f"{name} must have shape ({len(boxes)},), one a box, not {tuple(values.shape)}")
    check_finite(values, name)
    if positive and values_are_checked(values) and bool((values < 0).any()):
        raise ValueError(f"{name} must not be below 0")
    return values


def at(values: Tensor, index: Tensor) -> Tensor:
    """values[index]. On the CPU, brackets hand a few thousand numbers to a second thread, which may have to wait its turn."""
    return values.index_select(0, index)


def array(values: Tensor) -> NDArray[Any]:
    """The numbers of a tensor on the CPU, without a copy where they lie in a row."""
    return values.detach().contiguous().numpy()


def ranked(values: Tensor) -> Tensor:
    """(N,) int64: from highest to lowest, equal ones in the order given."""
    if values.device.type != "cpu":
        return values.sort(descending=True, stable=True).indices
    if values.dtype not in BITS:
        values = values.float()
    numbers = array(values)
    return torch.from_numpy(descending(numbers, numbers.view(BITS[values.dtype])))


def quick(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor | None:
    """Plain NMS of ordinary arguments on the CPU: keep. None if they are out of the ordinary, or wrong."""
    n = len(scores) if scores.dim() == 1 else -1
    kind = boxes.dtype
    ordinary = kind == scores.dtype and kind in BITS and boxes.shape == (n, 4) and 0 <= threshold <= 1
    if not ordinary or boxes.device.type != "cpu" or scores.device.type != "cpu":
        return None
    numbers = array(scores)
    fine, keep = checked_sorted_greedy(array(boxes), numbers, numbers.view(BITS[kind]), float(threshold))
    return torch.from_numpy(keep) if fine else None


def suppress(
    inputs: Inputs, order: Tensor, threshold: float, density: Tensor | None = None, *, traced: bool
) -> tuple[Tensor, Tensor]:
    """Greedy suppression: keep (K,), and the first suppressor of each box (N,), which may be empty if not traced."""
    boxes, _, labels, beta = inputs
    if boxes.device.type != "cpu":
        suppressor = suppressors(boxes.detach(), order, labels, density, threshold, beta)
        return order.masked_select(at(suppressor, order) < 0), suppressor
    keep, by = greedy(
        array(boxes),
        array(order),
        NOTHING if labels is None else array(labels),
        NO_DENSITY if density is None else array(density.double()),
        float(threshold),
        beta,
        traced,
    )
    return torch.from_numpy(keep), torch.from_numpy(by)


def by_left(inputs: Inputs) -> NDArray[np.int64]:
    """The boxes by (label, x1)."""
    left = array(inputs.boxes[:, 0])
    return np.argsort(left, kind="stable") if inputs.labels is None else np.lexsort((left, array(inputs.labels)))
