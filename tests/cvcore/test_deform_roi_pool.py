"""Deformable RoI pooling against a plain loop, RoI Align, its own trace and the path for other devices."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cvcore.ops.deform_conv import deform_roi_pool, deform_roi_pool_trace
from cvcore.ops.roi import roi_align

SCALE = 0.25
GAMMA = 0.3


def case(channels: int = 3, bins: tuple[int, int] = (2, 3), reach: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """Features (2, C, 9, 11); RoIs within, across the edge, under a cell, without area, outside, inside out; offsets."""
    g = torch.Generator().manual_seed(11)
    features = torch.randn(2, channels, 9, 11, generator=g, dtype=torch.float64)
    boxes = [
        [0, 2, 3, 30, 20],
        [1, -9, -7, 11, 50],
        [1, 5.5, 6.25, 7, 7.5],
        [0, 10, 10, 10, 10],
        [0, 60, 50, 90, 80],
        [1, 20, 20, 4, 8],
        [1, 0, 0, 44, 36],
    ]
    rois = torch.tensor(boxes, dtype=torch.float64)
    return features, rois, torch.randn(len(rois), 2, *bins, generator=g, dtype=torch.float64) * reach


def loop(features: Tensor, rois: Tensor, offset: Tensor | None, bins: tuple[int, int], ratio: int) -> Tensor:
    (P, Q), (_, C, H, W) = bins, features.shape
    out = torch.zeros(len(rois), C, P, Q, dtype=features.dtype)

    def value(plane: Tensor, y: float, x: float) -> float:
        if y < -1 or y > H or x < -1 or x > W:
            return 0.0
        y, x = min(max(y, 0.0), H - 1.0), min(max(x, 0.0), W - 1.0)
        y0, x0 = int(y), int(x)
        y1, x1 = min(y0 + 1, H - 1), min(x0 + 1, W - 1)
        ly, lx = y - y0, x - x0
        upper = plane[y0, x0].item() * (1 - lx) + plane[y0, x1].item() * lx
        lower = plane[y1, x0].item() * (1 - lx) + plane[y1, x1].item() * lx
        return upper * (1 - ly) + lower * ly

    for k, (image, *corners) in enumerate(rois.tolist()):
        left, top, right, bottom = (c * SCALE - 0.5 for c in corners)
        height, width = bottom - top, right - left
        ny, nx = (ratio, ratio) if ratio else (math.ceil(height / P), math.ceil(width / Q))
        for p in range(P):
            for q in range(Q):
                dx, dy = (0.0, 0.0) if offset is None else offset[k, :, p, q].tolist()
                y = top + GAMMA * height * dy + p * height / P
                x = left + GAMMA * width * dx + q * width / Q
                for c in range(C):
                    values = [
                        value(features[int(image), c], y + (i + 0.5) * height / P / ny, x + (j + 0.5) * width / Q / nx)
                        for i in range(ny)
                        for j in range(nx)
                    ]
                    out[k, c, p, q] = sum(values) / max(len(values), 1)
    return out


@pytest.mark.parametrize("ratio", [0, 1, 2])
@pytest.mark.parametrize("channels", [1, 16, 19])
def test_against_a_loop(channels: int, ratio: int) -> None:
    bins = (4, 5) if channels == 16 else (2, 3)
    features, rois, offset = case(channels, bins)
    for moved in (offset, None):
        got = deform_roi_pool(features, rois, moved, bins, SCALE, ratio, GAMMA)
        torch.testing.assert_close(got, loop(features, rois, moved, bins, ratio))


def test_without_offsets_it_is_roi_align() -> None:
    features, rois, offset = case()
    for ratio in (0, 2):
        expected = roi_align(features, rois, (2, 3), SCALE, ratio or -1, aligned=True)
        torch.testing.assert_close(deform_roi_pool(features, rois, None, (2, 3), SCALE, ratio), expected)
        torch.testing.assert_close(deform_roi_pool(features, rois, 0 * offset, (2, 3), SCALE, ratio), expected)


@pytest.mark.parametrize("ratio", [0, 2])
def test_gradients(ratio: int) -> None:
    features, rois, offset = case(channels=2)
    leaves = features.requires_grad_(), offset.requires_grad_()
    compute = lambda f, o: deform_roi_pool(f, rois, o, (2, 3), SCALE, ratio, GAMMA)  # noqa: E731
    assert torch.autograd.gradcheck(compute, leaves)


@pytest.mark.parametrize("ratio", [0, 2])
def test_other_devices_are_the_same(ratio: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvcore.ops.deform_conv.on_device.CHUNK", 500)  # several chunks
    features, rois, offset = case()
    leaves = features.requires_grad_(), offset.requires_grad_()
    here = deform_roi_pool(features, rois, offset, (2, 3), SCALE, ratio, GAMMA)
    given = torch.randn(here.shape, generator=torch.Generator().manual_seed(1), dtype=here.dtype)
    wanted = torch.autograd.grad(here, leaves, given)
    monkeypatch.setattr("cvcore.ops.deform_conv.roi_pool.has_loops", lambda _: False)
    plain = deform_roi_pool(features, rois, offset, (2, 3), SCALE, ratio, GAMMA)
    registered = torch.ops.cvcore.deform_roi_pool(features, rois, offset, [2, 3], SCALE, ratio, GAMMA)
    for out in (plain, registered):
        torch.testing.assert_close(out, here)
        torch.testing.assert_close(torch.autograd.grad(out, leaves, given), wanted)


def test_threads_share_the_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    features, rois, offset = case(channels=20)
    leaves = features.requires_grad_(), offset.requires_grad_()
    compute = lambda: deform_roi_pool(features, rois, offset, (2, 3), SCALE, 2)  # noqa: E731
    out = compute()
    grads = torch.autograd.grad(out.sin().sum(), leaves)
    monkeypatch.setattr("cvcore.ops.threads.SMALL", 0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    assert torch.equal(compute(), out)
    torch.testing.assert_close(torch.autograd.grad(compute().sin().sum(), leaves), grads)


def test_the_trace_says_where_the_bins_went() -> None:
    _, rois, offset = case()
    rows, columns = torch.arange(9.0).double(), torch.arange(11.0).double()
    ramps = torch.stack((rows[:, None].expand(9, 11), columns.expand(9, 11)))[None].repeat(2, 1, 1, 1)
    trace = deform_roi_pool_trace(ramps, rois, offset.requires_grad_(), (2, 3), SCALE, 2, 0.05)
    torch.testing.assert_close(trace.out, deform_roi_pool(ramps, rois, offset, (2, 3), SCALE, 2, 0.05))
    points = trace.sampling_points(0, 1, 2)
    assert points.shape == (4, 2)
    # on a ramp, the mean of the samples is the value at the middle of the bin
    torch.testing.assert_close(trace.out[0, :, 1, 2], points.mean(0).flip(0))
    torch.testing.assert_close(trace.start[0, :, 1, 2] + trace.size[0] / 2, points.mean(0).flip(0))
    moved = (trace.start - trace.regular)[0, :, 1, 2]
    torch.testing.assert_close(moved, 0.05 * torch.tensor([17.0, 28.0]).double() * SCALE * offset[0, :, 1, 2].flip(0))
    assert torch.autograd.grad(trace.start.sum(), offset)[0][0].all()


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_regions_against_the_plain_operations(data: st.DataObject) -> None:
    number = lambda low, high: data.draw(st.integers(low, high))  # noqa: E731
    seed, regions, bins = number(0, 99), number(0, 4), (number(1, 4), number(1, 4))
    g = torch.Generator().manual_seed(seed)
    features = torch.randn(2, number(1, 18), number(1, 6), number(1, 6), generator=g, dtype=torch.float64)
    rois = torch.randn(regions, 5, generator=g, dtype=torch.float64) * 20
    rois[:, 0] = torch.randint(0, 2, (regions,), generator=g)
    offset = torch.randn(regions, 2, *bins, generator=g, dtype=torch.float64) * data.draw(
        st.sampled_from([0.0, 1.0, 1e20])
    )
    ratio = number(0, 2)
    with pytest.MonkeyPatch.context() as patch:
        here = deform_roi_pool(features, rois, offset, bins, SCALE, ratio)
        patch.setattr("cvcore.ops.deform_conv.roi_pool.has_loops", lambda _: False)
        torch.testing.assert_close(here, deform_roi_pool(features, rois, offset, bins, SCALE, ratio))


def test_forms_of_input() -> None:
    features, rois, offset = case()
    expected = deform_roi_pool(features, rois, offset, (2, 3), SCALE)
    lists = [rois[rois[:, 0] == n][:, 1:] for n in range(2)]
    order = torch.cat([torch.nonzero(rois[:, 0] == n)[:, 0] for n in range(2)])
    torch.testing.assert_close(deform_roi_pool(features, lists, offset[order], (2, 3), SCALE), expected[order])
    half = deform_roi_pool(features.bfloat16(), rois.float(), offset.bfloat16(), (2, 3), SCALE)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.double(), expected, atol=0.1, rtol=0.1)
    empty = deform_roi_pool(features.requires_grad_(), rois[:0], offset[:0], (2, 3), SCALE)
    assert empty.shape == (0, 3, 2, 3)
    assert not torch.autograd.grad(empty.sum(), features)[0].any()
    assert deform_roi_pool(features[:0], rois[:0], None, 2).shape == (0, 3, 2, 2)


def test_bad_arguments_are_refused() -> None:
    features, rois, offset = case()
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="input must be finite"):
            deform_roi_pool(features * bad, rois, offset, (2, 3))
        with pytest.raises(ValueError, match="boxes must be finite"):
            deform_roi_pool(features, rois * bad, offset, (2, 3))
        with pytest.raises(ValueError, match="offset must be finite"):
            deform_roi_pool(features, rois, offset * bad, (2, 3))
    for wrong in (offset[:, :1], offset[1:], offset[..., 1:], offset.long(), offset[0]):
        with pytest.raises(ValueError, match="offset must be real numbers of shape"):
            deform_roi_pool(features, rois, wrong, (2, 3))
    with pytest.raises(ValueError, match="sampling_ratio"):
        deform_roi_pool(features, rois, offset, (2, 3), sampling_ratio=-1)
    with pytest.raises(ValueError, match=r"\(K, 5\)"):
        deform_roi_pool(features, rois[:, 1:], offset, (2, 3))


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_opcheck(dtype: torch.dtype, moved: bool) -> None:
    features, rois, offset = case()
    features, offset = features.to(dtype).requires_grad_(), offset.to(dtype).requires_grad_()
    arguments = (features, rois, offset if moved else None, [2, 3], SCALE)
    torch.library.opcheck(torch.ops.cvcore.deform_roi_pool, arguments, atol=0.1, rtol=0.1)
