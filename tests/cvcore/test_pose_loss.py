"""The masked L2 over stages against the equations written out, and its gradients."""

import math

import pytest
import torch
from torch import Tensor

from cvcore.losses.pose import masked_errors, pose_loss, pose_loss_trace
from cvcore.ops.paf import heatmap_targets, label_mask, paf_targets
from tests.cvcore.people_for_tests import standing


def made(seed: int = 0, n: int = 2, stages: int = 3) -> tuple[list[tuple[Tensor, Tensor]], Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    maps = [
        (torch.randn(n, 3, 4, 5, generator=g).requires_grad_(), torch.randn(n, 6, 4, 5, generator=g).requires_grad_())
        for _ in range(stages)
    ]
    mask = (torch.rand(n, 1, 4, 5, generator=g) > 0.4).float()
    return maps, torch.rand(n, 3, 4, 5, generator=g), torch.randn(n, 6, 4, 5, generator=g), mask


def slow(stages: list[tuple[Tensor, Tensor]], heatmaps: Tensor, pafs: Tensor, mask: Tensor) -> float:
    total = 0.0
    for pair in stages:
        for predicted, target in zip(pair, (heatmaps, pafs), strict=True):
            for i in range(len(target)):
                for c in range(target.shape[1]):
                    for y in range(target.shape[2]):
                        for x in range(target.shape[3]):
                            difference = float(predicted[i, c, y, x].detach()) - float(target[i, c, y, x])
                            total += float(mask[i, 0, y, x]) * difference**2
    return total


def test_the_loss_is_the_equations() -> None:
    stages, heatmaps, pafs, mask = made()
    expected = slow(stages, heatmaps, pafs, mask)
    assert float(pose_loss(stages, heatmaps, pafs, mask, reduction="sum").detach()) == pytest.approx(expected, rel=1e-5)
    assert float(pose_loss(stages, heatmaps, pafs, mask).detach()) == pytest.approx(expected / 2, rel=1e-5)
    everywhere = slow(stages, heatmaps, pafs, torch.ones(2, 1, 4, 5))
    assert float(pose_loss(stages, heatmaps, pafs, reduction="sum").detach()) == pytest.approx(everywhere, rel=1e-5)


def test_the_parts_add_up() -> None:
    stages, heatmaps, pafs, mask = made(1)
    trace = pose_loss_trace(stages, heatmaps, pafs, mask, reduction="sum")
    assert trace.heatmaps.shape == trace.pafs.shape == (3,)
    torch.testing.assert_close(trace.total, trace.heatmaps.sum() + trace.pafs.sum())
    torch.testing.assert_close(trace.heatmap_errors.sum((1, 2, 3)), trace.heatmaps)
    torch.testing.assert_close(trace.paf_errors[1], masked_errors(stages[1][1], pafs, mask))
    assert (trace.paf_errors[:, mask[:, 0] == 0] == 0).all()


def test_gradients_are_twice_the_difference_where_the_mask_is_one() -> None:
    stages, heatmaps, pafs, mask = made(2)
    pose_loss(stages, heatmaps, pafs, mask, reduction="sum").backward()
    for pair in stages:
        for predicted, target in zip(pair, (heatmaps, pafs), strict=True):
            assert predicted.grad is not None
            torch.testing.assert_close(predicted.grad, 2 * mask * (predicted.detach() - target))


def test_an_unlabelled_person_is_not_background() -> None:
    person = standing(8, 8, 1.5)[None]
    there = [(heatmap_targets(person, 16, 16)[None], paf_targets(person, 16, 16)[None])]
    nobody = torch.zeros(0, 18, 3)
    targets = heatmap_targets(nobody, 16, 16)[None], paf_targets(nobody, 16, 16)[None]
    mask = label_mask(torch.tensor([[0.0, 0, 16, 16]]), 16, 16)[None, None]
    assert float(pose_loss(there, *targets)) > 10
    assert float(pose_loss(there, *targets, mask)) == 0


def test_one_keypoint_may_be_left_out() -> None:
    stages, heatmaps, pafs, mask = made(3)
    each = mask.expand(-1, 3, -1, -1).clone()
    each[:, 1] = 0
    trace = pose_loss_trace(stages, heatmaps, pafs, each, mask, reduction="sum")
    kept = [(s[:, [0, 2]], p) for s, p in stages]
    expected = pose_loss_trace(kept, heatmaps[:, [0, 2]], pafs, mask, reduction="sum")
    torch.testing.assert_close(trace.total, expected.total)
    with pytest.raises(ValueError, match="paf_mask"):
        pose_loss(stages, heatmaps, pafs, each)


def test_what_is_masked_may_be_nan() -> None:
    stages, heatmaps, pafs, mask = made(4, stages=1)
    expected = pose_loss(stages, heatmaps, pafs, mask)
    heatmaps, pafs = (torch.where(mask == 0, math.nan, t) for t in (heatmaps, pafs))
    loss = pose_loss(stages, heatmaps, pafs, mask)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert stages[0][0].grad is not None
    assert stages[0][0].grad.isfinite().all()


def test_an_empty_batch() -> None:
    stages, heatmaps, pafs, mask = made(n=0)
    assert float(pose_loss(stages, heatmaps, pafs, mask).detach()) == 0


def test_shapes_that_differ_are_refused() -> None:
    stages, heatmaps, pafs, mask = made()
    for arguments in (
        ([], heatmaps, pafs, mask),
        (stages, heatmaps[:, :2], pafs, mask),
        (stages, heatmaps, pafs[..., :3], mask),
        (stages, heatmaps, pafs, mask[0]),
        (stages, heatmaps, pafs, mask[:1]),
    ):
        with pytest.raises(ValueError):
            pose_loss(*arguments)
