"""What the RoI operators say they did is what they did."""

import math

import pytest
import torch

from cvcore.ops.roi import roi_align_trace, roi_pool_trace

SCALE = 0.25


def features_and_rois() -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    features = torch.randn(2, 2, 9, 11, generator=g, dtype=torch.float64, requires_grad=True)
    rois = torch.tensor(
        [[0, 2, 3, 30, 20], [1, -9, -7, 11, 50], [1, 5.5, 6.25, 7, 7.5], [0, 60, 50, 90, 80]], dtype=torch.float64
    )
    return features, rois


@pytest.mark.parametrize("ratio", [-1, 2])
@pytest.mark.parametrize("aligned", [False, True])
def test_points_and_weights_make_the_output(ratio: int, aligned: bool) -> None:
    features, rois = features_and_rois()
    mean = roi_align_trace(features, rois, (2, 3), SCALE, ratio, aligned)
    largest = roi_align_trace(features, rois, (2, 3), SCALE, ratio, aligned, "max")
    assert largest.argmax is not None
    for k in range(len(rois)):
        picture = features[int(rois[k, 0])]
        for p in range(2):
            for q in range(3):
                points = mean.sampling_points(k, p, q)
                cells, weights = mean.bilinear(k, p, q)
                assert cells.shape == (len(points), 4, 2)
                values = (picture[:, cells[..., 0], cells[..., 1]] * weights).sum(-1)  # (C, S)
                torch.testing.assert_close(mean.out[k, :, p, q], values.mean(1))
                torch.testing.assert_close(largest.out[k, :, p, q], values.amax(1))
                assert torch.equal(largest.argmax[k, :, p, q].long(), values.argmax(1))
                # the weights of a point inside the map are those of its place, and add up to 1
                for (x, y), cell, weight in zip(points.tolist(), cells.tolist(), weights.tolist(), strict=True):
                    if 0 <= x <= 10 and 0 <= y <= 8:
                        assert sum(weight) == pytest.approx(1)
                        assert sum(w * c[0] for w, c in zip(weight, cell, strict=True)) == pytest.approx(y)
                        assert sum(w * c[1] for w, c in zip(weight, cell, strict=True)) == pytest.approx(x)


@pytest.mark.parametrize("mode", ["avg", "max"])
def test_align_names_the_cells_that_get_gradient(mode: str) -> None:
    features, rois = features_and_rois()
    trace = roi_align_trace(features, rois, (2, 3), SCALE, -1, True, mode)
    for k in range(len(rois)):
        for p, q in ((0, 0), (1, 2)):
            (grad,) = torch.autograd.grad(trace.out[k, 1, p, q], features, retain_graph=True)
            named = torch.zeros_like(grad)
            part = trace.gradient_cells(k, p, q, channel=1)
            named[int(rois[k, 0]), 1, part.cells[:, 0], part.cells[:, 1]] = part.weight
            torch.testing.assert_close(grad, named)
    if mode == "max":
        with pytest.raises(ValueError, match="channel"):
            trace.gradient_cells(0, 0, 0)


def test_pool_names_the_cells_that_get_gradient() -> None:
    features, rois = features_and_rois()
    trace = roi_pool_trace(features, rois, (2, 3), SCALE)
    for k in range(len(rois)):
        (grad,) = torch.autograd.grad(trace.out[k, 1, 1, 2], features, retain_graph=True)
        named = torch.zeros_like(grad)
        part = trace.gradient_cells(k, 1, 2, channel=1)
        named[int(rois[k, 0]), 1, part.cells[:, 0], part.cells[:, 1]] = part.weight
        torch.testing.assert_close(grad, named)
        both = trace.gradient_cells(k, 1, 2)
        assert both.weight.sum().item() == pytest.approx(1 if trace.argmax[k, 0, 1, 2] >= 0 else 0)


def test_bins_of_align_lie_where_the_region_lies() -> None:
    features, rois = features_and_rois()
    trace = roi_align_trace(features, rois, (2, 3), SCALE, 2, True)
    torch.testing.assert_close(trace.x.misalignment, torch.zeros(4, 4, dtype=torch.float64), atol=1e-12, rtol=0)
    torch.testing.assert_close(trace.y.edges[0], (torch.tensor([3, 11.5, 20]).double()) * SCALE - 0.5)
    shifted = roi_align_trace(features, rois, (2, 3), SCALE, 2, False)
    torch.testing.assert_close(shifted.x.misalignment[:2], torch.full((2, 4), 2.0).double())
    # a region under one cell is stretched to one, on top
    assert shifted.x.misalignment[2, -1].item() == pytest.approx(2 + 4 - 1.5)


def test_both_roundings_of_pool_and_what_they_cost() -> None:
    # the paper's picture: a region of 665 pixels at stride 32 is 20.78 cells
    features = torch.zeros(1, 1, 25, 25)
    trace = roi_pool_trace(features, torch.tensor([[0.0, 0.0, 0.0, 665.0, 665.0]]), 7, 1 / 32)
    axis = trace.x
    assert axis.real[0, -1].item() == pytest.approx(665 / 32)
    assert (axis.start.item(), axis.end.item()) == (0, 21)  # first rounding: 22 cells
    torch.testing.assert_close(axis.edges[0], torch.arange(8) * 22 / 7)
    assert axis.first[0].tolist() == [math.floor(p * 22 / 7) for p in range(7)]
    assert axis.stop[0].tolist() == [math.ceil((p + 1) * 22 / 7) for p in range(7)]
    assert axis.misalignment[0, 0, 0].item() == 0
    assert axis.misalignment[0, 6, 1].item() == pytest.approx(22 * 32 - 665)


def test_small_regions_are_hurt_most_by_rounding() -> None:
    features = torch.zeros(1, 1, 64, 64)
    g = torch.Generator().manual_seed(0)
    errors = []
    for side in (8.0, 32.0, 128.0):
        corner = torch.rand(50, 2, generator=g) * 100
        rois = torch.cat((torch.zeros(50, 1), corner, corner + side), 1)
        errors.append((roi_pool_trace(features, rois, 7, SCALE).x.misalignment.abs().mean() / side).item())
    assert errors[0] > errors[1] > errors[2]


def test_trace_of_nothing() -> None:
    features, rois = features_and_rois()
    assert roi_align_trace(features, rois[:0], 2).x.position.shape[0] == 0
    assert roi_pool_trace(features, rois[:0], 2).argmax.shape == (0, 2, 2, 2)
