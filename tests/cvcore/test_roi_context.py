"""Context-aware RoI pooling: small regions enlarged, large ones as RoI Pool has them."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d, interpolate

from cvcore.ops.roi import context_aware_roi_pool, context_aware_roi_pool_trace, roi_pool
from cvcore.ops.roi.context import bilinear_kernel


def features(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(2, 3, 12, 14, generator=torch.Generator().manual_seed(2), dtype=dtype)


LARGE = [[0.0, 0, 0, 11, 11], [1, 2, 1, 13, 9], [1, 3, 4, 7, 9], [0, -5, -5, 8, 8]]
SMALL = [[0.0, 3, 4, 4, 5], [1, 2, 2, 2, 2], [1, 0, 3, 11, 4], [0, 11, 10, 30, 40], [1, 3, 4, 4, 5]]
OUTSIDE = [[0.0, 50, 50, 60, 60], [1, -9, 2, -3, 4]]


def test_large_regions_are_pooled_as_ever() -> None:
    maps, rois = features(), torch.tensor(LARGE).double()
    trace = context_aware_roi_pool_trace(maps, rois, (4, 5))
    assert torch.equal(trace.out, roi_pool(maps, rois, (4, 5)))
    assert not trace.small.any()
    assert trace.enlarged == (None,) * 4


def loop(maps: Tensor, roi: list[float], bins: tuple[int, int]) -> Tensor:
    """A small region, enlarged by torch's own interpolation, which agrees with the transposed convolution inside and at the edge."""
    image, left, top, right, bottom = (int(v) for v in roi)
    cut = maps[image : image + 1, :, max(top, 0) : bottom + 1, max(left, 0) : right + 1]
    factors = [-(-n // have) for n, have in zip(bins, cut.shape[2:], strict=True)]
    size = [have * f for have, f in zip(cut.shape[2:], factors, strict=True)]
    return adaptive_max_pool2d(interpolate(cut, size=size, mode="bilinear", align_corners=False), bins)[0]


@pytest.mark.parametrize("bins", [(4, 4), (3, 7), (7, 7)])
def test_small_regions_are_interpolated(bins: tuple[int, int]) -> None:
    maps, rois = features(), torch.tensor(SMALL).double()
    trace = context_aware_roi_pool_trace(maps, rois, bins)
    assert trace.small.all()
    for k, roi in enumerate(SMALL):
        torch.testing.assert_close(trace.out[k], loop(maps, roi, bins))
        map_ = trace.enlarged[k]
        assert map_ is not None
        assert map_.shape[1] >= bins[0]
        assert map_.shape[2] >= bins[1]
    assert trace.first[0].tolist() == [4, 3]
    assert trace.stop[0].tolist() == [6, 5]
    assert trace.stop[3].tolist() == [12, 14]


def test_of_a_mixture_each_gets_its_own() -> None:
    maps, rows = features(), LARGE + SMALL + OUTSIDE
    mixed = context_aware_roi_pool_trace(maps, torch.tensor(rows).double(), 5)
    assert mixed.small.tolist() == [False] * 4 + [True] * 5 + [False] * 2
    for k, row in enumerate(rows):
        torch.testing.assert_close(mixed.out[k], context_aware_roi_pool(maps, torch.tensor([row]).double(), 5)[0])
    assert not mixed.out[-2:].any()


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 7])
def test_the_kernel_keeps_an_even_map_even(stride: int) -> None:
    kernel = bilinear_kernel(stride)
    assert kernel.sum().item() == pytest.approx(stride)
    assert torch.equal(kernel, kernel.flip(0))
    even = context_aware_roi_pool(torch.full((1, 1, 9, 9), 3.0), torch.tensor([[0.0, 2, 2, 3, 3]]), 2 * stride)
    torch.testing.assert_close(even, torch.full_like(even, 3.0))


def test_a_learnt_deconvolution_is_applied_until_it_is_enough() -> None:
    maps, rois = features(torch.float32), torch.tensor(SMALL + LARGE)
    layer = nn.ConvTranspose2d(3, 3, 4, stride=2, padding=1, groups=3)
    times: list[tuple[int, ...]] = []
    layer.register_forward_pre_hook(lambda _, given: times.append(tuple(given[0].shape[2:])))
    out = context_aware_roi_pool(maps.requires_grad_(), rois, 7, deconvolution=layer)
    assert (1, 1) in times
    assert (4, 4) in times
    assert out.shape == (9, 3, 7, 7)
    grads = torch.autograd.grad(out.sum(), [maps, layer.weight])
    assert all(grad.abs().sum() > 0 for grad in grads)
    plain = nn.ConvTranspose2d(3, 3, 4, stride=2, padding=1, groups=3, bias=False)
    line = bilinear_kernel(2)
    with torch.no_grad():
        plain.weight.copy_((line[:, None] * line).expand(3, 1, 4, 4))
    cut = maps.detach()[:1, :, 4:6, 3:5]
    wanted = adaptive_max_pool2d(plain(cut), 4)
    torch.testing.assert_close(context_aware_roi_pool(maps, rois[:1], 4, deconvolution=plain), wanted)


def test_gradients() -> None:
    maps, rois = features().requires_grad_(), torch.tensor(SMALL[:3] + LARGE[:1]).double()
    assert torch.autograd.gradcheck(lambda f: context_aware_roi_pool(f, rois, (3, 4), 1.0), (maps,), fast_mode=True)


def test_forms_of_input_and_what_is_refused() -> None:
    maps = features()
    assert context_aware_roi_pool(maps, torch.zeros(0, 5), 3).shape == (0, 3, 3, 3)
    half = context_aware_roi_pool(maps.bfloat16(), torch.tensor(SMALL), 3)
    assert half.dtype == torch.bfloat16
    scaled = context_aware_roi_pool(maps, torch.tensor(SMALL) * torch.tensor([1, 4, 4, 4, 4]), 3, 0.25)
    expected = context_aware_roi_pool(maps, torch.tensor(SMALL), 3)
    torch.testing.assert_close(scaled, expected)
    for change in (nn.Identity(), nn.AvgPool2d(1, 2), nn.Conv2d(3, 4, 1, padding=2).double()):
        with pytest.raises(ValueError, match="must enlarge maps"):
            context_aware_roi_pool(maps, torch.tensor(SMALL), 3, deconvolution=change)
    slow = nn.ConstantPad2d((0, 1, 0, 0), 0.0)
    with pytest.raises(ValueError, match="in 64 times"):
        context_aware_roi_pool(maps, torch.tensor(SMALL), 3, deconvolution=slow)
    with pytest.raises(ValueError, match="input must be finite"):
        context_aware_roi_pool(maps * torch.nan, torch.tensor(SMALL), 3)
