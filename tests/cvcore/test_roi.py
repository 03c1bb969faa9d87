"""RoI Pool and RoI Align against torchvision's numbers and plain loops, their gradients, and the path for other devices."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cvcore.ops.layout import block_to_rows, rows_to_block
from cvcore.ops.roi import RoIAlign, RoIPool, on_device, roi_align, roi_align_trace, roi_pool, roi_pool_trace, warm_up
from cvcore.ops.roi.regions import quantised_axis, sampled_axis
from cvcore.ops.vectors import LANES

GOLDENS = Path(__file__).parents[1] / "goldens" / "ops.npz"
SCALE = 0.25
OPTIONS = [(ratio, aligned, mode) for ratio in (-1, 1, 3) for aligned in (False, True) for mode in ("avg", "max")]


def case(seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Features (2, 3, 9, 11) and RoIs within, across the edge, outside, under a cell, without area, inside out."""
    g = torch.Generator().manual_seed(seed)
    features = torch.randn(2, 3, 9, 11, generator=g, dtype=dtype)
    boxes = [
        [0, 2, 3, 30, 20],
        [1, -9, -7, 11, 50],
        [1, 5.5, 6.25, 7, 7.5],
        [0, 10, 10, 10, 10],
        [0, 60, 50, 90, 80],
        [1, 20, 20, 4, 8],
        [0, -100, -100, 200, 200],
        [1, 0, 0, 44, 36],
    ]
    return features, torch.tensor(boxes, dtype=dtype)


def loop_bilinear(plane: Tensor, y: float, x: float) -> float:
    """One sample as torchvision's kernel takes it: 0 beyond one cell outside, clamped within."""
    H, W = plane.shape
    if y < -1 or y > H or x < -1 or x > W:
        return 0.0
    y, x = min(max(y, 0.0), H - 1.0), min(max(x, 0.0), W - 1.0)
    y0, x0 = int(y), int(x)
    y1, x1 = min(y0 + 1, H - 1), min(x0 + 1, W - 1)
    ly, lx = y - y0, x - x0
    top = plane[y0, x0].item() * (1 - lx) + plane[y0, x1].item() * lx
    bottom = plane[y1, x0].item() * (1 - lx) + plane[y1, x1].item() * lx
    return top * (1 - ly) + bottom * ly


def loop_align(features: Tensor, rois: Tensor, size: tuple[int, int], ratio: int, aligned: bool, mode: str) -> Tensor:
    P, Q = size
    out = torch.zeros(len(rois), features.shape[1], P, Q, dtype=features.dtype)
    for k, (image, *corners) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = (c * SCALE - (0.5 if aligned else 0.0) for c in corners)
        h, w = y2 - y1, x2 - x1
        if not aligned:
            h, w = max(h, 1.0), max(w, 1.0)
        ny = ratio if ratio > 0 else math.ceil(h / P)
        nx = ratio if ratio > 0 else math.ceil(w / Q)
        for c in range(features.shape[1]):
            for p in range(P):
                for q in range(Q):
                    values = [
                        loop_bilinear(
                            features[int(image), c],
                            y1 + p * h / P + (i + 0.5) * h / P / ny,
                            x1 + q * w / Q + (j + 0.5) * w / Q / nx,
                        )
                        for i in range(ny)
                        for j in range(nx)
                    ]
                    if values:
                        out[k, c, p, q] = max(values) if mode == "max" else sum(values) / len(values)
    return out


def loop_pool(features: Tensor, rois: Tensor, size: tuple[int, int]) -> Tensor:
    def nearest(v: float) -> int:
        return int(math.copysign(math.floor(abs(v) + 0.5), v))

    (P, Q), (H, W) = size, features.shape[2:]
    out = torch.zeros(len(rois), features.shape[1], P, Q, dtype=features.dtype)
    for k, (image, *corners) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = (nearest(c * SCALE) for c in corners)
        h, w = max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1)
        for p in range(P):
            top, bottom = (min(max(v + y1, 0), H) for v in (math.floor(p * (h / P)), math.ceil((p + 1) * (h / P))))
            for q in range(Q):
                left, right = (min(max(v + x1, 0), W) for v in (math.floor(q * (w / Q)), math.ceil((q + 1) * (w / Q))))
                if top < bottom and left < right:
                    out[k, :, p, q] = features[int(image), :, top:bottom, left:right].flatten(1).amax(1)
    return out


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("ratio", [-1, 1, 2, 3])
def test_align_has_torchvisions_numbers_and_gradients(aligned: bool, ratio: int) -> None:
    name = f"roi_align_{int(aligned)}_{ratio}"
    golden = {key.split("/")[1]: value for key, value in np.load(GOLDENS).items() if key.startswith(name + "/")}
    features = torch.tensor(golden["input"], requires_grad=True)
    out = roi_align(features, torch.tensor(golden["rois"]), (3, 4), SCALE, ratio, aligned)
    torch.testing.assert_close(out, torch.tensor(golden["out"]))
    (grad,) = torch.autograd.grad((out * torch.tensor(golden["weight"])).sum(), features)
    torch.testing.assert_close(grad, torch.tensor(golden["grad"]), atol=1e-5, rtol=1e-5)


def test_pool_has_torchvisions_numbers_and_gradients() -> None:
    golden = {key.split("/")[1]: value for key, value in np.load(GOLDENS).items() if key.startswith("roi_pool/")}
    features = torch.tensor(golden["input"], requires_grad=True)
    out = roi_pool(features, torch.tensor(golden["rois"]), (3, 4), SCALE)
    assert torch.equal(out, torch.tensor(golden["out"]))
    (grad,) = torch.autograd.grad((out * torch.tensor(golden["weight"])).sum(), features)
    torch.testing.assert_close(grad, torch.tensor(golden["grad"]))


@pytest.mark.parametrize(("ratio", "aligned", "mode"), OPTIONS)
def test_align_against_a_loop(ratio: int, aligned: bool, mode: str) -> None:
    features, rois = case()
    for size in ((2, 3), (1, 1)):
        got = roi_align(features, rois, size, SCALE, ratio, aligned, mode)
        torch.testing.assert_close(got, loop_align(features, rois, size, ratio, aligned, mode))


def test_pool_against_a_loop() -> None:
    features, rois = case()
    for size in ((2, 3), (7, 7), (1, 1)):
        assert torch.equal(roi_pool(features, rois, size, SCALE), loop_pool(features, rois, size))


def test_pool_rounds_halves_away_from_zero() -> None:
    axis = quantised_axis(torch.tensor([2.0, -2.0, 6.0, -6.0, 1.99]), torch.zeros(5), 1, 9, 0.25)
    assert axis.start.tolist() == [1, -1, 2, -2, 0]


@pytest.mark.parametrize("channels", [1, 16, 17, 40])
@pytest.mark.parametrize("mode", ["avg", "max", "pool"])
def test_blocks_of_channels_and_threads(channels: int, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvcore.ops.threads.SMALL", 0)  # so that threads share even this
    size = (4, 5) if channels == 16 else (2, 3)  # with 16 bins and more they are turned by vectors
    g = torch.Generator().manual_seed(1)
    features = torch.randn(2, channels, 9, 11, generator=g, dtype=torch.float64, requires_grad=True)
    _, rois = case()
    if mode == "pool":
        got, expected = roi_pool(features, rois, size, SCALE), loop_pool(features.detach(), rois, size)
    else:
        got = roi_align(features, rois, size, SCALE, 2, True, mode)
        expected = loop_align(features.detach(), rois, size, 2, True, mode)
    torch.testing.assert_close(got, expected)
    weight = torch.randn(got.shape, generator=g, dtype=torch.float64)
    (grad,) = torch.autograd.grad((got * weight).sum(), features)
    for c in {0, channels - 1}:  # a channel's gradient does not depend on the others
        alone = features.detach()[:, c : c + 1].requires_grad_()
        out = (
            roi_pool(alone, rois, size, SCALE) if mode == "pool" else roi_align(alone, rois, size, SCALE, 2, True, mode)
        )
        (expected_grad,) = torch.autograd.grad((out * weight[:, c : c + 1]).sum(), alone)
        torch.testing.assert_close(grad[:, c : c + 1], expected_grad)


@pytest.mark.parametrize(("ratio", "aligned", "mode"), OPTIONS)
def test_gradients_of_align(ratio: int, aligned: bool, mode: str) -> None:
    features, rois = case()
    features = features[:, :2].requires_grad_()
    assert torch.autograd.gradcheck(
        lambda f: roi_align(f, rois, (2, 2), SCALE, ratio, aligned, mode), (features,), check_batched_grad=False
    )


def test_gradients_of_pool() -> None:
    features, rois = case()
    features = features[:, :2].requires_grad_()
    assert torch.autograd.gradcheck(lambda f: roi_pool(f, rois, (2, 3), SCALE), (features,))


def test_of_equal_values_the_first_row_by_row_gets_the_gradient() -> None:
    features = torch.zeros(1, 1, 5, 5, requires_grad=True)
    values = torch.tensor([[0.0, 0, 0, 0, 0], [0, 0, 0, 7, 0], [0, 7, 0, 0, 0], [0, 0, 0, 0, 7], [0, 0, 0, 0, 0]])
    trace = roi_pool_trace(features + values, torch.tensor([[0.0, 0, 0, 4, 4]]), 1)
    assert trace.argmax.item() == 1 * 5 + 3
    (grad,) = torch.autograd.grad(trace.out.sum(), features)
    assert grad[0, 0, 1, 3] == 1
    assert grad.sum() == 1
    flat = roi_pool_trace(torch.zeros(1, 1, 5, 5), torch.tensor([[0.0, 1, 2, 4, 4]]), 1)
    assert flat.argmax.item() == 2 * 5 + 1


@pytest.mark.parametrize(("ratio", "aligned", "mode"), OPTIONS)
def test_align_for_other_devices_is_the_same(
    ratio: int, aligned: bool, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cvcore.ops.roi.on_device.CHUNK", 100)  # several chunks
    features, rois = case()
    features.requires_grad_()
    here = roi_align_trace(features, rois, (2, 3), SCALE, ratio, aligned, mode)
    y = sampled_axis(rois[:, 2], rois[:, 4], 2, 9, SCALE, ratio, aligned)
    x = sampled_axis(rois[:, 1], rois[:, 3], 3, 11, SCALE, ratio, aligned)
    image = rois[:, 0].long()
    if mode == "avg":
        out = on_device.means(features, image, y, x)
    else:
        argmax = on_device.largest_points(features, image, y, x)
        out = on_device.at_points(features, image, y, x, argmax)
        assert here.argmax is not None
        assert torch.equal(argmax, here.argmax)
    torch.testing.assert_close(out, here.out)
    weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(2), dtype=out.dtype)
    torch.testing.assert_close(
        torch.autograd.grad((out * weight).sum(), features), torch.autograd.grad((here.out * weight).sum(), features)
    )


def test_pool_for_other_devices_is_the_same() -> None:
    features, rois = case()
    features = (features * 2).round().requires_grad_()  # with ties
    here = roi_pool_trace(features, rois, (2, 3), SCALE)
    y, x = quantised_axis(rois[:, 2], rois[:, 4], 2, 9, SCALE), quantised_axis(rois[:, 1], rois[:, 3], 3, 11, SCALE)
    argmax = on_device.largest_cells(features, rois[:, 0].long(), y, x)
    out = on_device.at_cells(features, rois[:, 0].long(), argmax)
    assert torch.equal(out, here.out)
    assert torch.equal(argmax, here.argmax)
    weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(2), dtype=out.dtype)
    torch.testing.assert_close(
        torch.autograd.grad((out * weight).sum(), features), torch.autograd.grad((here.out * weight).sum(), features)
    )


def test_align_is_linear_and_sees_a_constant_and_a_ramp() -> None:
    rois = torch.tensor([[0.0, 8, 12, 40, 28]])
    constant = torch.full((1, 1, 20, 20), 3.0)
    torch.testing.assert_close(roi_align(constant, rois, 4, SCALE, 2, True), torch.full((1, 1, 4, 4), 3.0))
    # cell i holds the picture coordinate of its middle: aligned, each bin gives the coordinate of its own middle
    ramp = ((torch.arange(20) + 0.5) / SCALE).expand(1, 1, 20, 20)
    middles = 8 + (torch.arange(4) + 0.5) * 32 / 4
    torch.testing.assert_close(roi_align(ramp, rois, 4, SCALE, 2, True)[0, 0, 0], middles)
    # without, it is half a cell off: two pixels at stride 4
    torch.testing.assert_close(roi_align(ramp, rois, 4, SCALE, 2, False)[0, 0, 0], middles + 2)


@pytest.mark.parametrize("operator", [roi_align, roi_pool])
def test_forms_of_input(operator: object) -> None:
    assert callable(operator)
    features, rois = case()
    expected = operator(features, rois, (2, 3), SCALE)
    last = features.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(operator(last, rois, (2, 3), SCALE), expected)
    lists = [rois[rois[:, 0] == n][:, 1:] for n in range(2)]
    by_list = operator(features, lists, (2, 3), SCALE)
    torch.testing.assert_close(by_list, torch.cat([expected[rois[:, 0] == n] for n in range(2)]))
    single = operator(features.float(), rois.float(), (2, 3), SCALE)
    torch.testing.assert_close(single, expected.float())
    half = operator(features.bfloat16(), rois.float(), (2, 3), SCALE)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.double(), expected, atol=0.05, rtol=0.05)
    assert operator(features, rois[:0], (2, 3), SCALE).shape == (0, 3, 2, 3)
    assert operator(features, [], 2).shape == (0, 3, 2, 2)
    assert operator(features[:0], rois[:0], 2).shape == (0, 3, 2, 2)
    empty = features.clone().requires_grad_()
    assert not torch.autograd.grad(operator(empty, rois[:0], 2).sum(), empty)[0].any()


def test_rois_in_any_order() -> None:
    features, rois = case()
    shuffle = torch.tensor([3, 1, 7, 0, 5, 2, 6, 4])
    torch.testing.assert_close(
        roi_align(features, rois[shuffle], 2, SCALE), roi_align(features, rois, 2, SCALE)[shuffle]
    )
    assert torch.equal(roi_pool(features, rois[shuffle], 2, SCALE), roi_pool(features, rois, 2, SCALE)[shuffle])


def test_layers() -> None:
    features, rois = case()
    layer = RoIAlign((2, 3), SCALE, 2, aligned=True, mode="max")
    torch.testing.assert_close(layer(features, rois), roi_align(features, rois, (2, 3), SCALE, 2, True, "max"))
    assert "sampling_ratio=2" in repr(layer)
    assert torch.equal(RoIPool(2, SCALE)(features, rois), roi_pool(features, rois, 2, SCALE))
    assert "spatial_scale=0.25" in repr(RoIPool(2, SCALE))


@pytest.mark.parametrize("operator", [roi_align, roi_pool])
def test_bad_arguments_are_refused(operator: object) -> None:
    assert callable(operator)
    features, rois = case()
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="input must be finite"):
            operator(features * bad, rois, 2)
        with pytest.raises(ValueError, match="boxes must be finite"):
            operator(features, rois * bad, 2)
    with pytest.raises(ValueError, match=r"\(N, C, H, W\)"):
        operator(features[0], rois, 2)
    with pytest.raises(ValueError, match=r"\(K, 5\)"):
        operator(features, rois[:, 1:], 2)
    with pytest.raises(ValueError, match=r"\(L, 4\)"):
        operator(features, [rois], 2)
    with pytest.raises(ValueError, match="its picture"):
        operator(features, rois + 1, 2)
    for size in (0, (1, 2, 3), (2, 0)):
        with pytest.raises(ValueError, match="output_size"):
            operator(features, rois, size)
    with pytest.raises(ValueError, match="spatial_scale"):
        operator(features, rois, 2, 0.0)


def test_bad_options_of_align_are_refused() -> None:
    features, rois = case()
    with pytest.raises(ValueError, match="sampling_ratio"):
        roi_align(features, rois, 2, sampling_ratio=0)
    with pytest.raises(ValueError, match="mode"):
        roi_align(features, rois, 2, mode="sum")


def test_warm_up_can_be_called_again() -> None:
    warm_up()
    warm_up()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("lanes", [1, 7, 16])
@pytest.mark.parametrize("count", [1, 15, 16, 17, 45])
def test_rows_go_side_by_side_and_back(count: int, lanes: int, dtype: type) -> None:
    stride, start, place = count + 3, 5, 2 * LANES
    source = np.random.default_rng(0).normal(size=start + LANES * stride).astype(dtype)
    block = np.full(place + count * LANES + LANES, 9, dtype)
    assert rows_to_block(source, start, stride, count, lanes, block, place, LANES)
    rows = np.stack([source[start + c * stride :][:count] for c in range(lanes)])
    cells = block[place : place + count * LANES].reshape(count, LANES)
    assert np.array_equal(cells[:, :lanes], rows.T)
    assert not cells[:, lanes:].any()
    assert (block[:place] == 9).all()
    assert (block[place + count * LANES :] == 9).all()
    back = np.zeros_like(source)
    block_to_rows(block, place, LANES, back, start, stride, count, lanes)
    assert all(np.array_equal(back[start + c * stride :][:count], rows[c]) for c in range(lanes))
    assert np.count_nonzero(back) == lanes * count
    for bad in (np.nan, np.inf, -np.inf):
        for c in range(lanes):
            spoilt = source.copy()
            spoilt[start + c * stride + count // 2] = bad
            assert not rows_to_block(spoilt, start, stride, count, lanes, block, place, LANES)


@pytest.mark.parametrize("operator", [roi_align, roi_pool, lambda *a: roi_align(*a, mode="max")])
@pytest.mark.parametrize("channels", [3, 16])
def test_what_is_not_finite_is_met_wherever_it_is(operator: object, channels: int) -> None:
    assert callable(operator)
    features = torch.zeros(2, channels, 20, 18)
    rois = torch.tensor([[1.0, 3, 4, 9, 12]])  # of the second picture a part, of the first nothing
    operator(features, rois, 4)
    g = torch.Generator().manual_seed(0)
    for number in torch.randint(0, features.numel(), (40,), generator=g).tolist():
        spoilt = features.clone()
        spoilt.view(-1)[number] = math.nan if number % 2 else -math.inf
        with pytest.raises(ValueError, match="input must be finite"):
            operator(spoilt, rois, 4)
        with pytest.raises(ValueError, match="input must be finite"):
            operator(spoilt, rois[:0], 4)
