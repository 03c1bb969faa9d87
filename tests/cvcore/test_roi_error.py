"""How wrong RoI Pool and RoI Align are: exact bins against dense sampling, and a case without any rounding."""

from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from cvcore.ops.letterbox import Letterbox
from cvcore.ops.roi.error import Pooling, error_curve, errors_of
from cvcore.ops.roi.exact import exact_bins


@pytest.mark.parametrize("mode", ["avg", "max"])
def test_exact_bins_are_what_dense_sampling_comes_near_to(mode: Literal["avg", "max"]) -> None:
    generator = torch.Generator().manual_seed(3)
    features = torch.randn(2, 6, 7, generator=generator, dtype=torch.float64)
    # Partly outside the map, within one cell, and on the cells' lines.
    y = torch.tensor([[-1.3, 0.2, 2.9], [1.1, 1.3, 1.6], [0.0, 2.0, 5.0]], dtype=torch.float64)
    x = torch.tensor([[2.0, 3.5, 6.8], [-0.5, 0.5, 2.5], [1.0, 1.0001, 6.0]], dtype=torch.float64)
    exact = exact_bins(features, y, x, mode)
    n = 200
    for k in range(3):
        for p in range(2):
            for q in range(2):
                ys, xs = (e[k, i] + (torch.arange(n) + 0.5) / n * (e[k, i + 1] - e[k, i]) for e, i in ((y, p), (x, q)))
                sampled = interpolated(features, ys, xs)
                if mode == "max":
                    dense = sampled.amax((1, 2))
                    assert bool((exact[k, :, p, q] >= dense - 1e-9).all())
                else:
                    dense = sampled.mean((1, 2))
                torch.testing.assert_close(exact[k, :, p, q], dense, atol=0.05 if mode == "max" else 1e-3, rtol=0)


def interpolated(features: Tensor, ys: Tensor, xs: Tensor) -> Tensor:
    """Plain bilinear interpolation, clamped at the map's edges."""
    H, W = features.shape[1:]
    ys, xs = ys.clamp(0, H - 1), xs.clamp(0, W - 1)
    top, left = ys.floor().long(), xs.floor().long()
    bottom, right = (top + 1).clamp(max=H - 1), (left + 1).clamp(max=W - 1)
    dy, dx = (ys - top)[:, None], (xs - left)[None]
    upper = features[:, top][:, :, left] * (1 - dx) + features[:, top][:, :, right] * dx
    lower = features[:, bottom][:, :, left] * (1 - dx) + features[:, bottom][:, :, right] * dx
    return upper * (1 - dy) + lower * dy


def test_no_bin_has_area_and_still_a_value() -> None:
    features = torch.arange(12.0).reshape(1, 3, 4)
    point = torch.tensor([[1.5, 1.5]])
    modes: tuple[Literal["avg", "max"], ...] = ("avg", "max")
    for mode in modes:
        torch.testing.assert_close(exact_bins(features, point, point, mode), torch.tensor([[[[7.5]]]]))


def test_a_region_on_whole_cells_has_no_rounding_error_of_its_ends() -> None:
    flat = torch.ones(3, 20, 20)
    how = Pooling(16, Letterbox((320, 320), (320, 320), (0, 0), (320, 320)))
    error, _ = errors_of(flat, torch.tensor([[32.0, 48.0, 144.0, 160.0]], dtype=torch.float64), how)
    np.testing.assert_allclose(error, 0, atol=1e-6)


def test_a_long_curve_can_be_stopped() -> None:
    class Enough(Exception):
        pass

    def stop() -> None:
        raise Enough

    how = Pooling(16, Letterbox((320, 320), (320, 320), (0, 0), (320, 320)))
    with pytest.raises(Enough):
        error_curve(torch.ones(3, 20, 20), (32.0, 48.0, 144.0, 160.0), (320, 320), how, stop)
