"""Seven losses on many boxes: the constants that make them comparable, and the way down."""

import numpy as np
import torch

from cvcore.losses.box_descent import (
    FARTHEST,
    LOSSES,
    THINNEST,
    USUAL_SIZE,
    Rule,
    descend,
    near_miss_factors,
    with_gradients,
)


def test_near_miss_factors_make_every_gradient_one() -> None:
    rule = Rule(scale=0.25, beta=0.3)
    square = torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=torch.float64)
    _, gradient = with_gradients((square + 0.25).expand(7, 1, 4), square, rule)
    norms = gradient[:, 0].norm(dim=-1) * near_miss_factors(rule)
    np.testing.assert_allclose(norms.numpy(), np.ones(7), rtol=1e-9)
    assert USUAL_SIZE / 1000 == 0.25


def test_descent_is_told_step_by_step_and_stays_in_bounds() -> None:
    start = torch.tensor([[0.0, 0.0, 1.0, 1.0], [60.0, 0.0, 61.0, 1.0]], dtype=torch.float64)
    target = torch.tensor([3.0, 0.0, 4.0, 1.0], dtype=torch.float64)
    told: list[int] = []
    ends = descend(
        start, target, Rule(), torch.full((7,), 40.0, dtype=torch.float64),
        rate=1.0, steps=9, seen=lambda step, boxes: told.append(step),
    )  # fmt: skip
    assert told == list(range(10))
    assert ends.shape == (len(LOSSES), 2, 4)
    assert (ends[..., 2:] - ends[..., :2]).min() > 0.99 * THINNEST
    assert ends.abs().max() <= FARTHEST + THINNEST
