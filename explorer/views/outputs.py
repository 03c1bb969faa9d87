"""What a network or layer gave, as a panel shows it: maps and class probabilities. No Qt."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvcore.foreign import class_scores
from cvcore.numbers import real
from cvcore.record import tensors
from explorer.views import networks


def as_maps(output: Any) -> NDArray[np.float32]:
    """(C, h, w) of the first tensor a layer gave, as :func:`cvcore.numbers.real` has it; other shapes than (1, C, h, w) are taken
    as (C, 1, 1)."""
    first = real(tensors(output)[0].detach())
    part = first[0] if first.ndim > 1 else first
    part = part if part.ndim == 3 else part.reshape(-1, 1, 1)
    return part.contiguous().cpu().numpy()


def class_probabilities(output: Any, classes: int) -> NDArray[np.float32] | None:
    """(classes,) of the class scores in a network's output; None if there are none."""
    scores = class_scores(output, classes) if classes > 0 else None
    if scores is None:
        return None
    row = scores[0].float()
    # Some networks end in their softmax.
    already = bool((row >= 0).all()) and abs(float(row.sum()) - 1) < 1e-2
    return (row if already else row.softmax(0)).cpu().numpy()


def class_count(name: str) -> int:
    return len(networks.card(name).label_names()) if "classification" in networks.card(name).task else 0
