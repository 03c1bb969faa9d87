"""Box losses: torchvision's numbers and gradients, and no NaN wherever a box may wander."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cvcore.losses.boxes import (
    box_iou_loss,
    box_iou_loss_trace,
    complete_box_iou_loss,
    complete_box_iou_loss_trace,
    distance_box_iou_loss,
    distance_box_iou_loss_trace,
    generalized_box_iou_loss,
    generalized_box_iou_loss_trace,
    l1_loss,
    l2_loss,
    size_weight,
    smooth_l1_loss,
    smooth_l1_loss_trace,
)

Loss = Callable[..., Tensor]
GOLDENS = Path(__file__).parents[1] / "goldens" / "ops.npz"
OVERLAPS = [box_iou_loss, generalized_box_iou_loss, distance_box_iou_loss, complete_box_iou_loss]
COORDINATES = [l1_loss, l2_loss, smooth_l1_loss]


@pytest.mark.parametrize(
    ("case", "loss"),
    [
        ("loss_giou", generalized_box_iou_loss),
        ("loss_diou", distance_box_iou_loss),
        ("loss_ciou", complete_box_iou_loss),
    ],
)
def test_torchvisions_losses_and_gradients(case: str, loss: Loss) -> None:
    goldens = np.load(GOLDENS)
    pred = torch.tensor(goldens[f"{case}/pred"], requires_grad=True)
    value = loss(pred, torch.tensor(goldens[f"{case}/target"]))
    torch.testing.assert_close(value, torch.tensor(goldens[f"{case}/loss"]))
    (grad,) = torch.autograd.grad(value.sum(), pred)
    torch.testing.assert_close(grad, torch.tensor(goldens[f"{case}/grad"]))


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_coordinate_losses_are_torchs(reduction: str) -> None:
    g = torch.Generator().manual_seed(0)
    pred, target = torch.randn(2, 6, 4, generator=g) * 3
    torch.testing.assert_close(l1_loss(pred, target, reduction), F.l1_loss(pred, target, reduction=reduction))
    torch.testing.assert_close(l2_loss(pred, target, reduction), F.mse_loss(pred, target, reduction=reduction))
    for beta in (0.0, 0.5, 1.0, 4.0):
        torch.testing.assert_close(
            smooth_l1_loss(pred, target, reduction, beta),
            F.smooth_l1_loss(pred, target, reduction=reduction, beta=beta),
        )


@pytest.mark.parametrize("loss", [box_iou_loss, generalized_box_iou_loss, distance_box_iou_loss])
def test_gradients_by_finite_differences(loss: Loss) -> None:
    pred = torch.tensor(
        [[0.0, 0.0, 4.0, 3.0], [10.0, 10.0, 12.0, 15.0], [1.5, 1.5, 2.0, 2.5]], dtype=torch.float64, requires_grad=True
    )
    target = torch.tensor([[1.0, 1.0, 5.0, 6.0]] * 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda p: loss(p, target), (pred,))


def test_gradient_of_ciou_with_alpha_held() -> None:
    pred = torch.tensor([[0.0, 0.0, 4.0, 3.0]], dtype=torch.float64, requires_grad=True)
    target = torch.tensor([[1.0, 1.0, 5.0, 6.0]], dtype=torch.float64)
    alpha = complete_box_iou_loss_trace(pred, target).alpha
    assert alpha is not None

    def held(p: Tensor) -> Tensor:
        trace = complete_box_iou_loss_trace(p, target)
        assert trace.aspect is not None
        return distance_box_iou_loss(p, target) + alpha * trace.aspect

    assert torch.autograd.gradcheck(held, (pred,))
    (grad,) = torch.autograd.grad(complete_box_iou_loss(pred, target).sum(), pred)
    (expected,) = torch.autograd.grad(held(pred).sum(), pred)
    torch.testing.assert_close(grad, expected)


# Where gradient descent may take a box, and where detectors put them on their first steps.
awkward = st.sampled_from([-7.0, -1.0, 0.0, 1e-6, 0.5, 1.0, 3.0, 1e4])


@pytest.mark.parametrize("loss", OVERLAPS + COORDINATES)
@given(st.lists(st.tuples(*[awkward] * 8), min_size=1, max_size=6))
@settings(max_examples=80, deadline=None)
def test_finite_for_any_two_boxes(loss: Loss, rows: list[tuple[float, ...]]) -> None:
    """Apart, touching, equal, without area, turned inside out, as prediction or as target."""
    pred = torch.tensor([row[:4] for row in rows], requires_grad=True)
    target = torch.tensor([row[4:] for row in rows], requires_grad=True)
    value = loss(pred, target, "sum")
    value.backward()
    assert torch.isfinite(value)
    assert pred.grad is not None
    assert target.grad is not None
    assert torch.isfinite(pred.grad).all()
    assert torch.isfinite(target.grad).all()


def test_only_iou_stands_still_on_boxes_apart() -> None:
    pred = torch.tensor([[0.0, 0.0, 2.0, 2.0]], requires_grad=True)
    target = torch.tensor([[10.0, 10.0, 12.0, 12.0]])
    for loss in OVERLAPS:
        (grad,) = torch.autograd.grad(loss(pred, target).sum(), pred)
        if loss is box_iou_loss:
            assert loss(pred, target).item() == 1
            assert not grad.any()
        else:
            assert grad.any()
            # down the gradient, the nearer corner moves towards the target
            assert grad[0, 2] < 0
            assert grad[0, 3] < 0


def test_equal_boxes_cost_nothing() -> None:
    boxes = torch.tensor([[1.0, 2.0, 5.0, 9.0]])
    for loss in OVERLAPS + COORDINATES:
        assert loss(boxes, boxes, "sum").item() == pytest.approx(0, abs=1e-6)


def test_ciou_sees_the_shape() -> None:
    target = torch.tensor([[0.0, 0.0, 8.0, 2.0]])
    same_centre_and_iou = torch.tensor([[0.0, 0.0, 4.0, 2.0], [2.0, 0.0, 6.0, 2.0]])
    wide = complete_box_iou_loss_trace(same_centre_and_iou[1:], target)
    assert wide.aspect is not None
    assert wide.aspect.item() == pytest.approx(4 / math.pi**2 * (math.atan(4) - math.atan(2)) ** 2, rel=1e-5)
    assert complete_box_iou_loss(same_centre_and_iou[1:], target) > distance_box_iou_loss(
        same_centre_and_iou[1:], target
    )


def test_traces_hold_the_formula() -> None:
    pred, target = torch.tensor([[0.0, 0.0, 4.0, 2.0]]), torch.tensor([[2.0, 1.0, 5.0, 5.0]])
    for trace_of, loss in (
        (box_iou_loss_trace, box_iou_loss),
        (generalized_box_iou_loss_trace, generalized_box_iou_loss),
        (distance_box_iou_loss_trace, distance_box_iou_loss),
        (complete_box_iou_loss_trace, complete_box_iou_loss),
    ):
        trace = trace_of(pred, target)
        assert trace.loss.item() == loss(pred, target).item()
        assert trace.iou.item() == pytest.approx(2 / 18)
    smooth = smooth_l1_loss_trace(pred, target)
    assert smooth.difference.tolist() == [[-2, -1, -1, -3]]
    assert smooth.quadratic.tolist() == [[False, False, False, False]]
    assert smooth.loss.tolist() == [[1.5, 0.5, 0.5, 2.5]]


def test_reduction_and_weight() -> None:
    pred, target = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 1.0, 2.0]]), torch.tensor([[0.0, 0.0, 2.0, 2.0]] * 2)
    assert box_iou_loss(pred, target).tolist() == pytest.approx([0, 0.5], abs=1e-6)
    assert box_iou_loss(pred, target, "mean").item() == pytest.approx(0.25, abs=1e-6)
    weight = torch.tensor([7.0, 3.0])
    assert box_iou_loss(pred, target, "sum", weight=weight).item() == pytest.approx(1.5, abs=1e-6)
    assert l1_loss(pred, target, weight=weight).tolist() == [[0, 0, 0, 0], [0, 0, 3, 0]]
    assert box_iou_loss(pred[0], target[0]).shape == ()
    for loss in OVERLAPS + COORDINATES:
        assert loss(pred[:0], target[:0], "mean").item() == 0


def test_size_weight() -> None:
    wh = torch.tensor([[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]])
    assert size_weight(wh).tolist() == [3.0, 1.75 * 1.5, 1.5]
    with pytest.raises(ValueError, match="fractions"):
        size_weight(torch.tensor([[30.0, 40.0]]))
    with pytest.raises(ValueError, match=r"\(\.\.\., 2\)"):
        size_weight(torch.ones(3))


def test_bad_arguments_are_refused() -> None:
    good = torch.ones(2, 4)
    for loss in OVERLAPS + COORDINATES:
        with pytest.raises(ValueError, match="finite"):
            loss(torch.tensor([[0.0, math.nan, 1.0, 1.0]] * 2), good)
        with pytest.raises(ValueError, match="finite"):
            loss(good, good * math.inf)
        with pytest.raises(ValueError, match="one shape"):
            loss(good, good[:1])
        with pytest.raises(ValueError, match="reduction"):
            loss(good, good, "median")
        with pytest.raises(ValueError, match="one number a box"):
            loss(good, good, weight=torch.ones(3))
    with pytest.raises(ValueError, match="beta"):
        smooth_l1_loss(good, good, beta=-1.0)
    with pytest.raises(ValueError, match="eps"):
        box_iou_loss(good, good, eps=0.0)
